#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libkith/content.h"

static struct kith_content some(enum kith_content_kind kind, const char *text)
{
    struct kith_content content = {.kind = kind, .text = kith_slice_str(text)};

    if (kind < KITH_CONTENT_REPLY || kind > KITH_CONTENT_DELETE) return content;
    memset(content.author.id.raw, 0xa1, 16);
    memset(content.id.id.raw, 0x1d, 16);
    return content;
}

static void test_content__each_kind_comes_back(void **state)
{
    static const struct {
        enum kith_content_kind kind;
        const char *text;
    } cases[] = {
        {KITH_CONTENT_TEXT, "hello"},  {KITH_CONTENT_TEXT, ""},     {KITH_CONTENT_REPLY, "yes"},
        {KITH_CONTENT_REACTION, "+1"}, {KITH_CONTENT_REACTION, ""}, {KITH_CONTENT_EDIT, "now"},
        {KITH_CONTENT_DELETE, ""},     {KITH_CONTENT_STEP, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kith_content in = some(cases[i].kind, cases[i].text), out;
        struct kith_buf body;
        kith_buf_init(&body, 1024);
        assert_int_equal(kith_content_encode(&in, &body), KITH_OK);
        assert_int_equal(kith_content_decode(kith_content_type(in.kind), kith_buf_peek(&body), &out), KITH_OK);
        assert_int_equal(out.kind, in.kind);
        assert_memory_equal(&out.author, &in.author, sizeof in.author);
        assert_memory_equal(&out.id, &in.id, sizeof in.id);
        assert_true(kith_slice_eq(out.text, in.text));
        kith_buf_deinit(&body);
    }
}

static void test_content__a_body_that_is_not_what_its_type_says_is_refused(void **state)
{
    struct kith_content empty_reply = some(KITH_CONTENT_REPLY, ""), empty_edit = some(KITH_CONTENT_EDIT, "");
    struct kith_content loud_delete = some(KITH_CONTENT_DELETE, "why"), broken = some(KITH_CONTENT_REPLY, "\xff");
    const struct kith_content *refused[] = {&empty_reply, &empty_edit, &loud_delete, &broken};
    struct kith_content out;

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct kith_buf body;
        kith_buf_init(&body, 1024);
        assert_int_equal(kith_content_encode(refused[i], &body), KITH_OK);
        assert_int_equal(kith_content_decode(kith_content_type(refused[i]->kind), kith_buf_peek(&body), &out),
                         KITH_E_MALFORMED);
        /* Nor any beginning of it; a delete without its text is one. */
        for (size_t len = 0; refused[i] != &loud_delete && len < kith_buf_len(&body); len++)
            assert_int_equal(kith_content_decode(kith_content_type(refused[i]->kind),
                                                 kith_slice_of(kith_buf_peek(&body).ptr, len), &out),
                             KITH_E_MALFORMED);
        kith_buf_deinit(&body);
    }
    assert_int_equal(kith_content_decode(kith_slice_str("text/plain"), kith_slice_str("\xc3"), &out), KITH_E_MALFORMED);
}

static void test_content__a_reaction_at_its_maximum_and_one_past_it(void **state)
{
    char text[KITH_REACTION_BYTES_MAX + 2] = {0};
    struct kith_content at, past;
    struct kith_buf body;

    (void)state;
    memset(text, 'x', KITH_REACTION_BYTES_MAX);
    at = some(KITH_CONTENT_REACTION, text);
    kith_buf_init(&body, 1024);
    assert_int_equal(kith_content_encode(&at, &body), KITH_OK);
    text[KITH_REACTION_BYTES_MAX] = 'x';
    past = some(KITH_CONTENT_REACTION, text);
    assert_int_equal(kith_content_encode(&past, &body), KITH_E_TOOBIG);
    kith_buf_deinit(&body);
}

static void test_content__a_type_of_a_newer_client_is_other(void **state)
{
    struct kith_content out;

    (void)state;
    assert_int_equal(kith_content_decode(kith_slice_str("application/x-kith-poll"), kith_slice_str("\xff"), &out),
                     KITH_OK);
    assert_int_equal(out.kind, KITH_CONTENT_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content__each_kind_comes_back),
        cmocka_unit_test(test_content__a_body_that_is_not_what_its_type_says_is_refused),
        cmocka_unit_test(test_content__a_reaction_at_its_maximum_and_one_past_it),
        cmocka_unit_test(test_content__a_type_of_a_newer_client_is_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
