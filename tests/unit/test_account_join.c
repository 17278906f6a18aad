#include "join_fixture.h"

/* What a join request is held to before a group is asked. What the calls over REST answer is test_api_join.c's. */

struct tried {
    struct account_join join; /* first */
    bool done;
};

static void done(struct account_call *call)
{
    ((struct tried *)call)->done = true;
}

static struct account_identity identity_of(const struct author *author)
{
    return (struct account_identity){.user = {uuid_of(author->who.user)}, .device = {author->device}};
}

/* The code; `out` gets the rest, if it is not NULL. */
static enum kith_code try(struct afx *fx, const struct author *by, struct kith_slice request, struct account_join *out)
{
    struct tried tried = {.join = {.call = {.loop = fx->loops[1], .done = done}, .signed_request = request}};

    tried.join.who = identity_of(by);
    account_join(fx->accounts, &tried.join);
    assert_false(tried.done); /* never inside the call */
    afx_until(fx, &tried.done);
    if (out != NULL) *out = tried.join;
    return tried.join.call.code;
}

static struct kith_buf made(const struct author *by, const struct e2e_join_link *link, uint64_t known_seq)
{
    struct e2e_join_request request = request_by(by);

    request.known_seq = known_seq;
    return request_sign(link, request, by->device);
}

static void test_account_join__says_which_link_it_is_for(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct account_join op;

    for (uint8_t n = 1; n <= 3; n++) {
        struct e2e_join_link link = link_to(NO_CHAT, n);
        struct kith_buf request = made(&ann, &link, n - 1);
        uint8_t key[E2E_SIGN_PUBLIC_BYTES];

        e2e_join_key(&link, key);
        assert_int_equal(try(fx, &ann, kith_buf_peek(&request), &op), CODE_OK);
        assert_int_equal(op.tag, kith_get_u64_be(key));
        assert_int_equal(op.tag, account_join_tag(key));
        assert_int_not_equal(op.tag, 0);
        kith_buf_deinit(&request);
    }
}

static void test_account_join__takes_no_part_of_a_request_and_no_other_byte(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct e2e_join_link link = link_to(NO_CHAT, 1);
    struct kith_buf request = made(&ann, &link, 7);
    struct kith_slice bytes = kith_buf_peek(&request);
    enum kith_code code;

    for (size_t len = 0; len < bytes.len; len++) {
        afx_run_ms(fx, ACCOUNT_JOIN_MS);
        assert_int_equal(try(fx, &ann, kith_slice_of(bytes.ptr, len), NULL), CODE_BAD_REQUEST);
    }
    for (size_t at = 0; at < bytes.len; at++) {
        afx_run_ms(fx, ACCOUNT_JOIN_MS);
        request.ptr[at] ^= 1;
        code = try(fx, &ann, bytes, NULL);
        assert_true(code == CODE_BAD_REQUEST || code == CODE_BAD_SIGNATURE);
        request.ptr[at] ^= 1;
    }
    afx_run_ms(fx, ACCOUNT_JOIN_MS);
    assert_int_equal(try(fx, &ann, bytes, NULL), CODE_OK);
    kith_buf_deinit(&request);
}

static void test_account_join__has_its_limit_and_says_when(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann"), bob = author_of_name(fx, "bob");
    struct e2e_join_link link = link_to(NO_CHAT, 1);
    struct kith_buf request = made(&ann, &link, 0), of_bob = made(&bob, &link, 0);
    struct account_join op;

    for (unsigned i = 0; i < ACCOUNT_JOINS; i++)
        assert_int_equal(try(fx, &ann, kith_buf_peek(&request), NULL), CODE_OK);
    assert_int_equal(try(fx, &ann, kith_buf_peek(&request), &op), CODE_TOO_MANY);
    assert_int_equal(op.call.retry_after_s, ACCOUNT_JOIN_MS / 1000);
    assert_int_equal(try(fx, &bob, kith_buf_peek(&of_bob), NULL), CODE_OK);
    afx_run_ms(fx, ACCOUNT_JOIN_MS);
    assert_int_equal(try(fx, &ann, kith_buf_peek(&request), NULL), CODE_OK);
    assert_int_equal(try(fx, &ann, kith_buf_peek(&request), NULL), CODE_TOO_MANY);
    kith_buf_deinit(&request);
    kith_buf_deinit(&of_bob);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_account_join__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(says_which_link_it_is_for),
        TEST(takes_no_part_of_a_request_and_no_other_byte),
        TEST(has_its_limit_and_says_when),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
