#include "wire/stomp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/stomp_drive.h"

#define MAX 20000

static void assert_bytes(struct kith_buf *out, const char *bytes, size_t len)
{
    struct kith_slice got = kith_buf_peek(out);

    if (!kith_slice_eq(got, kith_slice_of(bytes, len))) fail_msg("got %.*s", (int)got.len, (const char *)got.ptr);
    kith_buf_reset(out);
}
#define ASSERT_BYTES(out, text) assert_bytes(out, text, sizeof text - 1)

static void test_stomp_writer__writes_a_frame_with_its_content_length(void **state)
{
    struct stomp_writer w;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, MAX);
    stomp_begin(&w, &out, STOMP_MESSAGE);
    stomp_put_str(&w, "subscription", "0");
    stomp_put_u64(&w, "seq", 18446744073709551615u);
    stomp_put_u64(&w, "epoch", 0);
    assert_int_equal(stomp_end(&w, kith_slice_of("a\0b", 3)), KITH_OK);
    ASSERT_BYTES(&out, "MESSAGE\nsubscription:0\nseq:18446744073709551615\nepoch:0\ncontent-length:3\n\na\0b\0");

    stomp_begin(&w, &out, STOMP_SEND);
    assert_int_equal(stomp_end(&w, (struct kith_slice){0}), KITH_OK);
    ASSERT_BYTES(&out, "SEND\ncontent-length:0\n\n\0");

    stomp_begin(&w, &out, STOMP_RECEIPT);
    stomp_put(&w, "receipt-id", kith_slice_of("", 0));
    assert_int_equal(stomp_end(&w, (struct kith_slice){0}), KITH_OK);
    ASSERT_BYTES(&out, "RECEIPT\nreceipt-id:\n\n\0");
    kith_buf_deinit(&out);
}

static void test_stomp_writer__escapes_names_and_values(void **state)
{
    struct stomp_writer w;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, MAX);
    stomp_begin(&w, &out, STOMP_SEND);
    stomp_put_str(&w, "a", "x:y");
    stomp_put_str(&w, "b", "\r\n:\\");
    stomp_put_str(&w, "c:d", "sixteen bytes and then a colon:");
    stomp_put_str(&w, "e", ":");
    assert_int_equal(stomp_end(&w, (struct kith_slice){0}), KITH_OK);
    ASSERT_BYTES(
        &out, "SEND\na:x\\cy\nb:\\r\\n\\c\\\\\nc\\cd:sixteen bytes and then a colon\\c\ne:\\c\ncontent-length:0\n\n\0");
    kith_buf_deinit(&out);
}

static void test_stomp_writer__leaves_connect_and_connected_unescaped(void **state)
{
    struct stomp_writer w;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, MAX);
    stomp_begin(&w, &out, STOMP_CONNECTED);
    stomp_put_str(&w, "server-time", "2026-01-02T03:04:05.678Z");
    stomp_put_str(&w, "x", "a\\b");
    assert_int_equal(stomp_end(&w, (struct kith_slice){0}), KITH_OK);
    ASSERT_BYTES(&out, "CONNECTED\nserver-time:2026-01-02T03:04:05.678Z\nx:a\\b\n\n\0");
    for (size_t i = 0; i < 2; i++) {
        stomp_begin(&w, &out, i == 0 ? STOMP_CONNECT : STOMP_CONNECTED);
        stomp_put_str(&w, "passcode", i == 0 ? "a\nevil:1" : "a\rb");
        assert_int_equal(stomp_end(&w, (struct kith_slice){0}), KITH_E_MALFORMED);
        stomp_begin(&w, &out, STOMP_CONNECT);
        stomp_put_str(&w, "a:b", "c");
        assert_int_equal(stomp_end(&w, (struct kith_slice){0}), KITH_E_MALFORMED);
    }
    assert_int_equal(kith_buf_len(&out), 0);
    kith_buf_deinit(&out);
}

static void test_stomp_writer__refuses_a_nul_anywhere_in_a_value(void **state)
{
    struct stomp_writer w;
    struct kith_buf out;
    char value[40];

    (void)state;
    kith_buf_init(&out, MAX);
    assert_int_equal(kith_buf_append_str(&out, "before"), KITH_OK);
    for (size_t len = 1; len < sizeof value; len++) {
        for (size_t at = 0; at < len; at++) {
            memset(value, 'x', sizeof value);
            value[at] = '\0';
            stomp_begin(&w, &out, STOMP_SEND);
            stomp_put(&w, "a", kith_slice_of(value, len));
            stomp_put_str(&w, "after", "the error");
            assert_int_equal(stomp_end(&w, kith_slice_str("body")), KITH_E_MALFORMED);
            assert_true(kith_slice_is(kith_buf_peek(&out), "before"));
        }
    }
    kith_buf_deinit(&out);
}

static void test_stomp_writer__escapes_every_special_byte_at_every_place(void **state)
{
    static const char specials[] = "\r\n:\\";
    char value[50];

    (void)state;
    for (size_t len = 1; len < sizeof value; len++) {
        for (size_t at = 0; at < len; at++) {
            for (size_t s = 0; s < 4; s++) {
                struct stomp_writer w;
                struct kith_buf out;
                struct stomp_reader reader;
                struct stomp_frame frame;
                size_t used = 0;

                memset(value, 'x', sizeof value);
                value[at] = specials[s];
                kith_buf_init(&out, MAX);
                stomp_begin(&w, &out, STOMP_SEND);
                stomp_put(&w, "v", kith_slice_of(value, len));
                assert_int_equal(stomp_end(&w, (struct kith_slice){0}), KITH_OK);
                stomp_reader_init(&reader, MAX);
                assert_int_equal(stomp_next(&reader, out.ptr, kith_buf_len(&out), &used, &frame), KITH_OK);
                assert_int_equal(used, kith_buf_len(&out));
                assert_true(kith_slice_eq(frame.headers[0].value, kith_slice_of(value, len)));
                kith_buf_deinit(&out);
            }
        }
    }
}

static void test_stomp_writer__cuts_a_frame_off_that_does_not_fit(void **state)
{
    (void)state;
    for (size_t max = 0; max <= 45; max++) {
        struct stomp_writer w;
        struct kith_buf out;
        kith_err err;

        kith_buf_init(&out, max);
        stomp_begin(&w, &out, STOMP_SEND);
        stomp_put_str(&w, "a", "b:");
        stomp_put_str(&w, "c", "d");
        err = stomp_end(&w, kith_slice_str("body"));
        /* SEND a:b\c c:d content-length:4, body, NUL */
        assert_int_equal(err, max < 5 + 6 + 4 + 17 + 1 + 5 ? KITH_E_TOOBIG : KITH_OK);
        assert_int_equal(kith_buf_len(&out), err == KITH_OK ? 38 : 0);
        kith_buf_deinit(&out);
    }
}

static void test_stomp_writer__builds_a_frame_from_a_shared_block(void **state)
{
    struct stomp_writer w;
    struct kith_buf shared, out, whole;

    (void)state;
    kith_buf_init(&shared, MAX);
    kith_buf_init(&out, MAX);
    kith_buf_init(&whole, MAX);
    stomp_block_begin(&w, &shared);
    stomp_put_str(&w, "type", "message");
    stomp_put_str(&w, "created-at", "2026-01-02T03:04:05.678Z");
    assert_int_equal(stomp_block_end(&w), KITH_OK);

    stomp_begin(&w, &out, STOMP_MESSAGE);
    stomp_put_str(&w, "subscription", "0");
    stomp_put_block(&w, kith_buf_peek(&shared));
    stomp_put_block(&w, (struct kith_slice){0});
    assert_int_equal(stomp_end_head(&w, 5), KITH_OK);
    assert_int_equal(kith_buf_append(&out, kith_slice_of("hello\0", 6)), KITH_OK);

    stomp_begin(&w, &whole, STOMP_MESSAGE);
    stomp_put_str(&w, "subscription", "0");
    stomp_put_str(&w, "type", "message");
    stomp_put_str(&w, "created-at", "2026-01-02T03:04:05.678Z");
    assert_int_equal(stomp_end(&w, kith_slice_str("hello")), KITH_OK);
    assert_true(kith_slice_eq(kith_buf_peek(&out), kith_buf_peek(&whole)));
    kith_buf_deinit(&shared);
    kith_buf_deinit(&out);
    kith_buf_deinit(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stomp_writer__writes_a_frame_with_its_content_length),
        cmocka_unit_test(test_stomp_writer__escapes_names_and_values),
        cmocka_unit_test(test_stomp_writer__leaves_connect_and_connected_unescaped),
        cmocka_unit_test(test_stomp_writer__refuses_a_nul_anywhere_in_a_value),
        cmocka_unit_test(test_stomp_writer__escapes_every_special_byte_at_every_place),
        cmocka_unit_test(test_stomp_writer__cuts_a_frame_off_that_does_not_fit),
        cmocka_unit_test(test_stomp_writer__builds_a_frame_from_a_shared_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
