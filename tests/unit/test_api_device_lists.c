#include "account/keys.h"
#include "keys_fixture.h"

/* Signed lists in PUT /devices/me/keys, and GET /users/{user_id}/devices. */
static void test_api_device_lists__follow_each_other(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    uint8_t first[32], second[32], third[32];

    expect_refused(send_list(fx, &ann, 2, (uint8_t[32]){1}, 1, 1, first), 409, "CONFLICT", "/list");
    expect(send_list(fx, &ann, 1, NULL, 0, 1, first), 200, NULL);
    expect_refused(send_list(fx, &ann, 1, NULL, 0, 2, third), 409, "CONFLICT", "/list"); /* a fork */
    expect_refused(send_list(fx, &ann, 2, third, 1, 1, second), 409, "CONFLICT", "/list");
    expect_refused(send_list(fx, &ann, 3, first, 1, 1, second), 409, "CONFLICT", "/list");
    expect_counts(send_list(fx, &ann, 1, NULL, 1, 1, first), 3, 0, 0); /* only an acceptance came */
    expect_counts(send_list(fx, &ann, 2, first, 1, 3, second), 4, 0, 0);
    expect_refused(send_list(fx, &ann, 1, NULL, 1, 1, first), 409, "CONFLICT", "/list"); /* a step back */
    expect_refused(send_list(fx, &ann, 3, first, 1, 4, third), 409, "CONFLICT", "/list");
    expect_counts(send_list(fx, &ann, 3, second, 1, 4, third), 5, 0, 0);
}

/* A manager that has not seen an acceptance would undo it with its next list, or with the same one sent late. */
static void test_api_device_lists__keep_the_acceptances_that_are_there(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    uint8_t first[32], second[32];

    expect(send_list(fx, &ann, 1, NULL, 1, 1, first), 200, NULL);
    expect_refused(send_list(fx, &ann, 1, NULL, 0, 1, first), 409, "CONFLICT", "/list");
    expect_refused(send_list(fx, &ann, 2, first, 0, 1, second), 409, "CONFLICT", "/list");
    expect_counts(send_list(fx, &ann, 2, first, 1, 1, second), 3, 0, 0);
}

/* What the server has is what it had, in list and number. */
static void expect_stored(struct afx *fx, const struct person *of, const struct made_list *list, json_int_t list_seq)
{
    struct reply *reply = expect_kept(devices_of(fx, of, of->user), 200, NULL);
    struct kith_buf bytes, text;

    kith_buf_init(&bytes, KITH_SIGNED_LIST_BYTES_MAX);
    made_list_put(&bytes, list, NULL);
    upload_begin(&text);
    upload_bytes(&text, "list", kith_buf_peek(&bytes));
    assert_int_equal(reply_int(reply, "list_seq"), list_seq);
    assert_non_null(strstr(upload_end(&text), reply_str(reply, "list")));
    reply_free(reply);
    kith_buf_deinit(&bytes);
    kith_buf_deinit(&text);
}

/* Everything that the list's next one has but the account's keys: whoever stole a token knows the rest. */
static void test_api_device_lists__a_stolen_token_cannot_block_the_accounts_list(void **state)
{
    static const size_t places[] = {6 + 6 + 16 + 6 + 3, 6 + 330}; /* in the root key, in a device's */
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    struct kith_uuid devices[] = {uuid_of(ann.device), uuid_of(ann.user)};
    uint8_t hash[32];
    struct made_list list = {.account = uuid_of(ann.user), .seq = 1, .devices = devices, .device_count = 1};
    struct made_list next = list, thief;
    struct kith_buf bytes;

    list.accept_count = 1;
    expect(send_made(fx, &ann, &list, hash), 200, NULL);
    next.seq = 2;
    next.prev_hash = hash;
    next.accept_count = 1;
    kith_buf_init(&bytes, KITH_SIGNED_LIST_BYTES_MAX);
    made_list_put(&bytes, &next, NULL);
    for (size_t i = 0; i <= sizeof places / sizeof places[0]; i++) {
        /* Signed for other bytes; or not signed for. */
        uint8_t *at = bytes.ptr + (i < 2 ? places[i] : kith_buf_len(&bytes) - (6 + 84) - 1);
        *at ^= 4;
        expect_refused(send_signed(fx, &ann, kith_buf_peek(&bytes)), 403, "BAD_SIGNATURE", "/list");
        *at ^= 4;
    }
    thief = next;
    thief.root = 1; /* keys of one's own are in order, and another account's */
    expect_refused(send_made(fx, &ann, &thief, NULL), 409, "CONFLICT", "/list");
    thief = next;
    thief.aik = 1; /* certified by the account: a list key that was replaced, say */
    expect_refused(send_made(fx, &ann, &thief, NULL), 409, "CONFLICT", "/list");
    kith_buf_reset(&bytes);
    made_list_put(&bytes, &list, NULL);
    bytes.ptr[kith_buf_len(&bytes) - 1] ^= 4; /* the list that is there, with an acceptance that does not hold */
    expect_refused(send_signed(fx, &ann, kith_buf_peek(&bytes)), 403, "BAD_SIGNATURE", "/list");
    bytes.ptr[kith_buf_len(&bytes) - 1] ^= 4;
    fake_field_put(&bytes, 0x8000, kith_slice_str("no room for more")); /* with what everybody steps over */
    expect_refused(send_signed(fx, &ann, kith_buf_peek(&bytes)), 403, "BAD_SIGNATURE", "/list");
    expect_stored(fx, &ann, &list, 2);
    expect_counts(send_made(fx, &ann, &next, NULL), 3, 0, 0);
    expect_stored(fx, &ann, &next, 3);
    kith_buf_deinit(&bytes);
}

/* It would be one that the account has removed, or has not linked. */
static void test_api_device_lists__list_the_device_that_brings_them(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), phone = afx_login(fx, "ann", "phone");
    struct kith_uuid devices[] = {uuid_of(ann.device), uuid_of(phone.device)};
    uint8_t hash[32];
    struct made_list list = {.account = uuid_of(ann.user), .seq = 1, .devices = devices, .device_count = 1};
    struct made_list next = list;

    expect_refused(send_made(fx, &phone, &list, NULL), 403, "FORBIDDEN", "/list");
    expect_counts(send_made(fx, &ann, &list, hash), 3, 0, 0);
    next.seq = 2;
    next.prev_hash = hash;
    expect_refused(send_made(fx, &phone, &next, NULL), 403, "FORBIDDEN", "/list");
    next.device_count = 2; /* the new device may bring what the manager has signed */
    expect_counts(send_made(fx, &phone, &next, NULL), 4, 0, 0);
}

static void test_api_device_lists__are_brought_up_to_a_limit(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    struct reply *reply;
    uint8_t hash[32];

    for (unsigned i = 0; i < ACCOUNT_LIST_UPLOADS; i++) expect(send_list(fx, &ann, 1, NULL, 0, 1, hash), 200, NULL);
    reply = expect_kept(send_list(fx, &ann, 1, NULL, 0, 1, hash), 429, "TOO_MANY");
    assert_string_equal(reply->retry_after, "1");
    reply_free(reply);
    expect(send_list(fx, &bob, 1, NULL, 0, 1, hash), 200, NULL);
    expect(afx_ask(fx, "PUT", "/devices/me/keys", ann.access, "{}"), 200, NULL); /* prekeys cost nothing */
    afx_run_ms(fx, 1000);
    expect(send_list(fx, &ann, 1, NULL, 0, 1, hash), 200, NULL);
}

static void test_api_device_lists__of_somebody_else_are_refused(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), mixed = ann;
    uint8_t hash[32];

    memcpy(mixed.user, bob.user, sizeof mixed.user);
    expect_refused(send_list(fx, &mixed, 1, NULL, 0, 1, hash), 400, "BAD_REQUEST", "/list");
}

static void test_api_device_lists__a_new_one_is_known_to_the_chats_when_it_is_answered(void **state)
{
    struct afx *fx = afx_new(3, REGISTRATION_OPEN, 20);
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    char members[64];
    const char *chat;
    uint8_t hash[32];

    (void)state;
    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    chat = afx_chat(fx, &ann, "direct", true, members);
    for (unsigned list_seq = 1; list_seq <= 3; list_seq++) {
        for (unsigned said = 1; said <= 3; said++)
            expect(say(fx, &ann, &bob, chat, said), said == list_seq ? 201 : 409,
                   said == list_seq ? NULL : "STALE_DEVICES");
        if (list_seq == 1) expect_counts(send_list(fx, &bob, 1, NULL, 0, 1, hash), 2, 0, 0);
        if (list_seq == 2) expect_counts(send_list(fx, &bob, 1, NULL, 1, 1, hash), 3, 0, 0);
    }
    afx_free(fx);
}

/* The directory has it, the chats cannot be told: 503, and asked again it waits for them. */
static void test_api_device_lists__one_is_not_answered_before_the_chats_know(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    char members[64];
    uint8_t hash[32];

    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    (void)afx_chat(fx, &ann, "direct", true, members);
    fx->log_store.full = true;
    expect(send_list(fx, &ann, 1, NULL, 0, 1, hash), 503, "READ_ONLY");
    expect(send_list(fx, &ann, 1, NULL, 0, 1, hash), 503, "READ_ONLY");
    fx->log_store.full = false;
    afx_run_ms(fx, 10000);
    expect_counts(send_list(fx, &ann, 1, NULL, 0, 1, hash), 2, 0, 0);
}

/* ------------------------------------------------------------------------------------------------ a person's devices */

static void test_api_device_lists__anybody_may_ask_for_a_persons_devices(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), phone = afx_login(fx, "ann", "phone");
    struct kith_uuid devices[] = {uuid_of(ann.device), uuid_of(phone.device)};
    struct made_list list = {.account = uuid_of(ann.user), .seq = 1, .devices = devices, .device_count = 2};
    struct kith_buf bytes, json, text;
    struct reply *reply = expect_kept(devices_of(fx, &bob, ann.user), 200, NULL);

    assert_string_equal(reply_str(reply, "user_id"), ann.user);
    assert_int_equal(reply_int(reply, "list_seq"), 2);
    assert_int_equal(json_array_size(reply_at(reply, "devices")), 2);
    assert_null(reply_at(reply, "list"));
    reply_free(reply);
    kith_buf_init(&bytes, KITH_SIGNED_LIST_BYTES_MAX);
    made_list_put(&bytes, &list, NULL);
    upload_begin(&json);
    upload_bytes(&json, "list", kith_buf_peek(&bytes));
    expect_counts(send_keys(fx, &phone, &json), 3, 0, 0);
    upload_begin(&text);
    upload_bytes(&text, "list", kith_buf_peek(&bytes));
    for (int i = 0; i < 2; i++) {
        reply = expect_kept(devices_of(fx, i == 0 ? &bob : &ann, ann.user), 200, NULL);
        assert_int_equal(reply_int(reply, "list_seq"), 3);
        if (i == 0) assert_non_null(strstr(upload_end(&text), reply_str(reply, "list"))); /* to the byte */
        reply_free(reply);
    }
    expect(devices_of(fx, &bob, "00000000-0000-4000-8000-000000000001"), 404, "NOT_FOUND");
    expect(devices_of(fx, &bob, "x"), 404, "NOT_FOUND");
    kith_buf_deinit(&bytes);
    kith_buf_deinit(&text);
}

static void test_api_device_lists__are_asked_for_up_to_a_limit(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    struct reply *reply;

    for (unsigned i = 0; i < ACCOUNT_KEY_LOOKUPS; i++) expect(devices_of(fx, &bob, ann.user), 200, NULL);
    reply = expect_kept(devices_of(fx, &bob, ann.user), 429, "TOO_MANY");
    assert_string_equal(reply->retry_after, "1");
    reply_free(reply);
    expect(devices_of(fx, &ann, bob.user), 200, NULL);
    afx_run_ms(fx, 1000);
    expect(devices_of(fx, &bob, ann.user), 200, NULL);
}

/* The number of older lists in the answer to `after`; the last of them is `last`. */
static size_t past_after(struct afx *fx, const struct person *who, unsigned after, const char *last)
{
    struct reply *reply;
    char target[100], path[20];
    size_t count;

    (void)snprintf(target, sizeof target, "/users/%s/devices?after=%u", who->user, after);
    reply = expect_kept(afx_ask(fx, "GET", target, who->access, NULL), 200, NULL);
    count = json_array_size(reply_at(reply, "past"));
    (void)snprintf(path, sizeof path, "past/%zu", count - 1);
    if (count > 0) assert_string_equal(reply_str(reply, path), last);
    reply_free(reply);
    return count;
}

static void test_api_device_lists__older_ones_at_the_limit_and_one_past_it(void **state)
{
    enum { LISTS = ACCOUNT_PAST_LISTS_MAX + 3 };
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    char *lists[LISTS + 1];
    uint8_t hashes[LISTS + 1][32];

    for (unsigned seq = 1; seq <= LISTS; seq++) {
        struct reply *reply;
        expect(send_list(fx, &ann, seq, seq == 1 ? NULL : hashes[seq - 1], 1, (uint8_t)seq, hashes[seq]), 200, NULL);
        reply = expect_kept(devices_of(fx, &ann, ann.user), 200, NULL);
        lists[seq] = strdup(reply_str(reply, "list"));
        assert_non_null(lists[seq]);
        reply_free(reply);
        afx_run_ms(fx, 10000);
    }
    assert_int_equal(past_after(fx, &ann, LISTS - 1, NULL), 0);
    assert_int_equal(past_after(fx, &ann, LISTS - 2, lists[LISTS - 1]), 1);
    assert_int_equal(past_after(fx, &ann, 2, lists[LISTS - 1]), ACCOUNT_PAST_LISTS_MAX);
    assert_int_equal(past_after(fx, &ann, 1, lists[LISTS - 2]), ACCOUNT_PAST_LISTS_MAX);
    for (unsigned seq = 1; seq <= LISTS; seq++) free(lists[seq]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_device_lists__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(follow_each_other),
        TEST(keep_the_acceptances_that_are_there),
        TEST(a_stolen_token_cannot_block_the_accounts_list),
        TEST(list_the_device_that_brings_them),
        TEST(are_brought_up_to_a_limit),
        TEST(of_somebody_else_are_refused),
        cmocka_unit_test(test_api_device_lists__a_new_one_is_known_to_the_chats_when_it_is_answered),
        TEST(one_is_not_answered_before_the_chats_know),
        TEST(anybody_may_ask_for_a_persons_devices),
        TEST(are_asked_for_up_to_a_limit),
        TEST(older_ones_at_the_limit_and_one_past_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
