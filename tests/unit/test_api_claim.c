#include "account/keys.h"
#include "api_fixture.h"
#include "keys_fixture.h"

/* POST /keys/claim. Over crashes: test_api_keys_crash.c. */
#define X25519 PREKEY_X25519_BYTES
#define MLKEM  PREKEY_MLKEM_BYTES

static void expect_left(struct afx *fx, const struct person *who, json_int_t opks, json_int_t kem_ots)
{
    struct reply *reply = expect_kept(afx_ask(fx, "GET", "/devices/me/keys", who->access, NULL), 200, NULL);

    assert_int_equal(reply_int(reply, "opk_count"), opks);
    assert_int_equal(reply_int(reply, "kem_ot_count"), kem_ots);
    reply_free(reply);
}

static struct reply *claim_two(struct afx *fx, const struct person *by, const struct person *a, const struct person *b)
{
    return afx_ask(fx, "POST", "/keys/claim", by->access,
                   "{\"devices\":[{\"user_id\":\"%s\",\"device_id\":\"%s\"},"
                   "{\"user_id\":\"%s\",\"device_id\":\"%s\"}]}",
                   a->user, a->device, b->user, b->device);
}

static void expect_once(struct reply *reply)
{
    struct got got = got_of(reply);

    assert_int_equal(got.spk, 1);
    assert_true(got.kem >= 100 && got.opk >= 100 && !got.is_last);
}

static void expect_last_resort(struct reply *reply)
{
    struct got got = got_of(reply);

    assert_int_equal(got.spk, 1);
    assert_int_equal(got.kem, 2);
    assert_int_equal(got.opk, 0);
    assert_true(got.is_last);
}

static struct person refresh(struct afx *fx, const struct person *who)
{
    struct reply *reply = expect_kept(
        afx_ask(fx, "POST", "/auth/refresh", NULL, "{\"refresh_token\":\"%s\"}", who->refresh), 200, NULL);
    struct person again = person_of(reply, who->name);

    reply_free(reply);
    return again;
}

#define MINUTES_10 (600u * 1000)

/* ------------------------------------------------------------------------------------------------ what is taken */

static void test_api_claim__each_one_time_prekey_is_given_once(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    bool seen[2][200] = {{false}};

    befriend(fx, &ann, &bob, true);
    leave_keys(fx, &bob, 6, 4);
    for (unsigned i = 0; i < 6; i++) {
        struct got got = got_of(claim(fx, &ann, &bob));
        assert_int_equal(got.spk, 1);
        assert_true(got.opk >= 100 && got.opk < 106 && !seen[0][got.opk]);
        assert_true(got.is_last == (i >= 4));
        assert_true(got.is_last ? got.kem == 2 : !seen[1][got.kem]);
        seen[0][got.opk] = seen[1][got.kem] = true;
        afx_crash(fx); /* what was given is gone for good */
        afx_open(fx);
    }
    expect_last_resort(claim(fx, &ann, &bob));
    expect_left(fx, &bob, 0, 0);
}

/* An upload whose answer was lost comes again after some of its keys were given out: those stay gone. */
static void test_api_claim__what_was_given_does_not_come_back_with_a_repeated_upload(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    uint64_t first = fresh_fill(), second = fresh_fill();

    befriend(fx, &ann, &bob, true);
    leave_these(fx, &bob, 100, 100, first, true);
    for (unsigned i = 0; i < 100; i++) {
        if (i == 3 || i == 99) {
            afx_crash(fx);
            afx_open(fx);
            leave_these(fx, &bob, 100, 100, first, true);
            expect_left(fx, &bob, 100 - i, 100 - i);
        }
        if (i % 5 == 4) {
            ann = refresh(fx, &ann);
            bob = refresh(fx, &bob);
        }
        expect_once(claim(fx, &ann, &bob));
        afx_run_ms(fx, MINUTES_10);
    }
    ann = refresh(fx, &ann);
    bob = refresh(fx, &bob);
    leave_these(fx, &bob, 100, 100, first, true);
    expect_left(fx, &bob, 0, 0); /* as many as one upload has are remembered */
    leave_these(fx, &bob, 100, 100, second, false);
    expect_left(fx, &bob, 100, 100);
    expect_once(claim(fx, &ann, &bob));
    leave_these(fx, &bob, 100, 100, second, false);
    expect_left(fx, &bob, 99, 99);
    leave_these(fx, &bob, 1, 1, first, false); /* the oldest made room */
    expect_left(fx, &bob, 100, 100);
}

static void test_api_claim__the_last_ten_of_each_kind_are_for_accepted_contacts(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), eve = afx_person(fx, "eve");

    befriend(fx, &ann, &bob, true);
    leave_keys(fx, &bob, ACCOUNT_PREKEYS_RESERVED + 2, ACCOUNT_PREKEYS_RESERVED + 1);
    expect_once(claim(fx, &eve, &bob));
    expect_left(fx, &bob, 11, 10);
    assert_true(got_of(claim(fx, &eve, &bob)).is_last); /* of the other kind there is one left for her */
    expect_left(fx, &bob, 10, 10);
    expect_last_resort(claim(fx, &eve, &bob));
    expect_once(claim(fx, &ann, &bob));
    expect_left(fx, &bob, 9, 9);
    expect_last_resort(claim(fx, &eve, &bob));
}

static void test_api_claim__a_contact_is_whom_the_owner_accepted(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), eve = afx_person(fx, "eve"),
                  carl = afx_person(fx, "carl");
    char members[64], target[80];

    leave_keys(fx, &bob, 10, 10);
    leave_keys(fx, &eve, 10, 10);
    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    (void)afx_chat(fx, &eve, "direct", true, members);
    expect_last_resort(claim(fx, &eve, &bob)); /* a request is not enough */
    (void)afx_chat(fx, &carl, "group", false, members);
    expect_last_resort(claim(fx, &carl, &bob)); /* nor is a group */
    expect_once(claim(fx, &bob, &eve));         /* who asked has accepted */
    befriend(fx, &ann, &bob, false);
    expect_once(claim(fx, &ann, &bob)); /* a chat that is not encrypted counts too */
    (void)snprintf(target, sizeof target, "/users/%s/block", ann.user);
    expect(afx_ask(fx, "POST", target, bob.access, NULL), 204, NULL);
    expect_last_resort(claim(fx, &ann, &bob)); /* blocked */
    expect_left(fx, &bob, 9, 9);
}

/* What is known of a person counts for all their devices in the question. */
static void test_api_claim__a_persons_devices_are_all_treated_alike(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), phone = afx_login(fx, "bob", "phone"),
                  eve = afx_person(fx, "eve");
    const struct person *people[] = {&eve, &ann};

    befriend(fx, &ann, &bob, false);
    leave_keys(fx, &bob, 10, 10);
    leave_keys(fx, &phone, 10, 10);
    for (int i = 0; i < 2; i++) {
        struct reply *reply = expect_kept(claim_two(fx, people[i], &bob, &phone), 200, NULL);
        for (int n = 0; n < 2; n++)
            assert_true(reply_bool(reply, n == 0 ? "bundles/0/kem_last_resort" : "bundles/1/kem_last_resort") ==
                        (i == 0));
        reply_free(reply);
    }
    expect_left(fx, &bob, 9, 9);
    expect_left(fx, &phone, 9, 9);
}

static void test_api_claim__own_devices_are_contacts_and_the_asking_one_is_refused(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), phone = afx_login(fx, "ann", "phone"), bob = afx_person(fx, "bob");
    struct reply *reply;

    leave_keys(fx, &ann, 1, 1);
    leave_keys(fx, &phone, 1, 1);
    expect_once(claim(fx, &ann, &phone));
    expect_last_resort(claim(fx, &ann, &phone));
    reply = expect_kept(claim_two(fx, &ann, &phone, &ann), 400, "BAD_REQUEST");
    assert_string_equal(reply_str(reply, "pointer"), "/devices/1/device_id");
    reply_free(reply);
    reply = expect_kept(claim_two(fx, &bob, &phone, &phone), 400, "BAD_REQUEST");
    assert_string_equal(reply_str(reply, "pointer"), "/devices/1/device_id");
    reply_free(reply);
    expect_left(fx, &ann, 1, 1);
}

static void test_api_claim__what_has_no_bundle_is_missing(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), phone = afx_login(fx, "bob", "phone");
    struct person nobody = bob, mixed = bob, carl = afx_person(fx, "carl");
    const struct person *missing[] = {&phone, &nobody, &mixed};
    struct kith_buf json;
    struct reply *reply;

    leave_keys(fx, &bob, 20, 20);
    (void)snprintf(nobody.device, sizeof nobody.device, "00000000-0000-4000-8000-000000000001");
    memcpy(mixed.user, ann.user, sizeof mixed.user); /* bob's device is not ann's */
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        for (int again = 0; again < 10; again++) { /* these are no limit's matter */
            reply = expect_kept(claim(fx, &carl, missing[i]), 200, NULL);
            assert_int_equal(json_array_size(reply_at(reply, "bundles")), 0);
            assert_string_equal(reply_str(reply, "missing/0"), missing[i]->device);
            reply_free(reply);
        }
        if (missing[i] == &mixed) continue; /* the same device twice */
        reply = expect_kept(claim_two(fx, &ann, missing[i], &bob), 200, NULL);
        assert_int_equal(json_array_size(reply_at(reply, "missing")), 1);
        assert_string_equal(reply_str(reply, "bundles/0/device_id"), bob.device);
        assert_string_equal(reply_str(reply, "bundles/0/user_id"), bob.user);
        reply_free(reply);
    }
    /* Keys for one use alone make no bundle, nor does a signed one without any for the KEM. */
    upload_begin(&json);
    upload_prekeys(&json, "opks", 1, 20, X25519, fresh_fill());
    upload_prekeys(&json, "kem_ots", 1, 20, MLKEM, fresh_fill());
    reply = afx_start(fx, "PUT", "/devices/me/keys", phone.access, upload_end(&json));
    reply_wait(reply);
    expect(reply, 200, NULL);
    kith_buf_deinit(&json);
    upload_begin(&json);
    upload_prekey(&json, "spk", 1, X25519, fresh_fill());
    reply = afx_start(fx, "PUT", "/devices/me/keys", carl.access, upload_end(&json));
    reply_wait(reply);
    expect(reply, 200, NULL);
    kith_buf_deinit(&json);
    reply = expect_kept(claim_two(fx, &ann, &phone, &carl), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "missing")), 2);
    reply_free(reply);
    upload_begin(&json);
    upload_prekey(&json, "kem_lr", 2, MLKEM, fresh_fill());
    reply = afx_start(fx, "PUT", "/devices/me/keys", phone.access, upload_end(&json));
    reply_wait(reply);
    expect(reply, 200, NULL);
    kith_buf_deinit(&json);
    reply = expect_kept(claim(fx, &ann, &phone), 200, NULL); /* without the signed one neither */
    assert_int_equal(json_array_size(reply_at(reply, "missing")), 1);
    reply_free(reply);
    expect_left(fx, &phone, 20, 20);
}

/* However often one that is missing is named beside others. */
static void test_api_claim__what_is_missing_has_no_limit(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), phone = afx_login(fx, "bob", "phone"),
                  bare = afx_login(fx, "bob", "bare");

    leave_keys(fx, &bob, 20, 20);
    leave_keys(fx, &phone, 20, 20);
    for (unsigned i = 0; i < 2 * ACCOUNT_CLAIMS; i++)
        expect(claim_two(fx, &ann, i % 2 == 0 ? &bob : &phone, &bare), 200, NULL);
    leave_keys(fx, &bare, 20, 20);
    for (unsigned i = 0; i < ACCOUNT_CLAIMS; i++) expect(claim(fx, &ann, &bare), 200, NULL);
    expect(claim(fx, &ann, &bare), 429, "TOO_MANY");
}

static void test_api_claim__a_removed_device_is_missing(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), phone = afx_login(fx, "bob", "phone");
    char target[80];
    struct reply *reply;

    leave_keys(fx, &phone, 20, 20);
    leave_keys(fx, &bob, 20, 20);
    expect_once(claim(fx, &ann, &phone));
    (void)snprintf(target, sizeof target, "/devices/%s", phone.device);
    expect(afx_ask(fx, "DELETE", target, bob.access, NULL), 204, NULL);
    reply = expect_kept(claim_two(fx, &ann, &phone, &bob), 200, NULL);
    assert_string_equal(reply_str(reply, "missing/0"), phone.device);
    assert_string_equal(reply_str(reply, "bundles/0/device_id"), bob.device);
    reply_free(reply);
    expect(afx_ask(fx, "DELETE", "/users/me", bob.access, NULL), 204, NULL);
    reply = expect_kept(claim_two(fx, &ann, &phone, &bob), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "missing")), 2);
    reply_free(reply);
}

static void test_api_claim__devices_at_the_limit_and_one_past_it(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    static const unsigned counts[] = {0, ACCOUNT_CLAIM_DEVICES_MAX, ACCOUNT_CLAIM_DEVICES_MAX + 1};

    leave_keys(fx, &bob, 20, 20);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct kith_buf json;
        struct reply *reply;
        kith_buf_init(&json, 1u << 20);
        assert_int_equal(kith_buf_append_str(&json, "{\"devices\":["), KITH_OK);
        for (unsigned n = 0; n < counts[i]; n++)
            assert_int_equal(kith_buf_printf(&json,
                                             "%s{\"user_id\":\"%s\",\"device_id\":\"00000000-0000-4000-8000-%012u\"}",
                                             n == 0 ? "" : ",", bob.user, n),
                             KITH_OK);
        assert_int_equal(kith_buf_append(&json, kith_slice_of("]}", 3)), KITH_OK);
        reply = afx_start(fx, "POST", "/keys/claim", ann.access, (const char *)kith_buf_peek(&json).ptr);
        reply_wait(reply);
        if (counts[i] == ACCOUNT_CLAIM_DEVICES_MAX)
            assert_int_equal(json_array_size(reply_at(expect_kept(reply, 200, NULL), "missing")), counts[i]);
        else
            assert_string_equal(reply_str(expect_kept(reply, 400, "BAD_REQUEST"), "pointer"), "/devices");
        reply_free(reply);
        kith_buf_deinit(&json);
    }
    expect(afx_ask(fx, "POST", "/keys/claim", ann.access, "{}"), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "POST", "/keys/claim", ann.access, "{\"devices\":[7]}"), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "POST", "/keys/claim", ann.access, "{\"devices\":[{\"user_id\":\"%s\"}]}", bob.user), 400,
           "BAD_REQUEST");
    expect(afx_ask(fx, "POST", "/keys/claim", NULL, "{\"devices\":[]}"), 401, "UNAUTHORIZED");
}

/* ------------------------------------------------------------------------------------------------ limits */

static void test_api_claim__six_at_once_and_then_one_every_ten_minutes(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), tablet = afx_login(fx, "ann", "tablet"), bob = afx_person(fx, "bob"),
                  phone = afx_login(fx, "bob", "phone"), eve = afx_person(fx, "eve");
    struct reply *reply;

    leave_keys(fx, &bob, 100, 100);
    leave_keys(fx, &phone, 100, 100);
    for (unsigned i = 0; i < ACCOUNT_CLAIMS; i++) expect_once(claim(fx, i % 2 == 0 ? &ann : &tablet, &bob));
    reply = expect_kept(claim(fx, &ann, &bob), 429, "TOO_MANY");
    assert_true(reply_bool(reply, "retryable"));
    assert_string_equal(reply->retry_after, "600");
    reply_free(reply);
    expect(claim(fx, &tablet, &bob), 429, "TOO_MANY"); /* a person's, whatever the device */
    expect_once(claim(fx, &ann, &phone));              /* of each device */
    expect_once(claim(fx, &eve, &bob));                /* and for each person */
    afx_run_ms(fx, MINUTES_10 - 1000);
    expect(claim(fx, &ann, &bob), 429, "TOO_MANY");
    afx_run_ms(fx, 1000);
    expect_once(claim(fx, &ann, &bob));
    expect(claim(fx, &ann, &bob), 429, "TOO_MANY");
    expect_left(fx, &bob, 100 - 8, 100 - 8);
}

/* One of several is past its limit: nothing is taken of the others, keys and tokens alike. */
static void test_api_claim__is_refused_as_a_whole(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), phone = afx_login(fx, "bob", "phone");

    leave_keys(fx, &bob, 100, 100);
    leave_keys(fx, &phone, 100, 100);
    for (unsigned i = 0; i < ACCOUNT_CLAIMS; i++) expect_once(claim(fx, &ann, &bob));
    for (unsigned i = 0; i < 20; i++)
        expect(i % 2 == 0 ? claim_two(fx, &ann, &phone, &bob) : claim_two(fx, &ann, &bob, &phone), 429, "TOO_MANY");
    expect_left(fx, &phone, 100, 100);
    for (unsigned i = 0; i < ACCOUNT_CLAIMS; i++) expect_once(claim(fx, &ann, &phone));
    expect(claim(fx, &ann, &phone), 429, "TOO_MANY");
}

/* Attack 11, over ten weeks: 10,000 requests of one account, and the contacts' keys are still there. */
static void test_api_claim__patience_does_not_get_at_the_reserve(void **state)
{
    enum { REQUESTS = 10000 };
    struct afx *fx = *state;
    struct person bob = afx_person(fx, "bob"), eve = afx_person(fx, "eve"), ann = afx_person(fx, "ann"), again;
    unsigned once = 0, last = 0;

    befriend(fx, &ann, &bob, true);
    leave_keys(fx, &bob, 100, 100);
    for (unsigned i = 0; i < REQUESTS; i++) {
        if (i % 5 == 0) eve = refresh(fx, &eve);
        if (got_of(claim(fx, &eve, &bob)).is_last)
            last++;
        else
            once++;
        afx_run_ms(fx, MINUTES_10);
    }
    assert_int_equal(once, 90);
    assert_int_equal(last, REQUESTS - 90);
    again = afx_login(fx, "ann", "new");
    for (unsigned i = 0; i < ACCOUNT_CLAIMS; i++) expect_once(claim(fx, &again, &bob));
}

static void leave_ending(struct afx *fx, const struct person *who, uint32_t count, uint64_t ends_ms)
{
    const uint64_t fill = fresh_fill();
    struct kith_buf json;

    upload_begin(&json);
    upload_prekeys_ending(&json, "opks", (uint32_t)fill, count, X25519, fill, ends_ms);
    upload_prekeys_ending(&json, "kem_ots", (uint32_t)fill, count, MLKEM, fill, ends_ms);
    expect(send_keys(fx, who, &json), 200, NULL);
}

/* A key that has ended would make who gets it pass the device over: it is given to nobody, and takes no room. */
static void test_api_claim__what_has_ended_is_given_to_nobody(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");

    befriend(fx, &ann, &bob, true);
    leave_keys(fx, &bob, 1, 1); /* these have the smallest ids */
    expect_once(claim(fx, &ann, &bob));
    leave_ending(fx, &bob, KITH_PREKEYS_MAX, afx_wall_ms(fx) + MINUTES_10);
    expect_left(fx, &bob, KITH_PREKEYS_MAX, KITH_PREKEYS_MAX);
    afx_run_ms(fx, MINUTES_10 + 1);
    expect_left(fx, &bob, 0, 0);
    expect_last_resort(claim(fx, &ann, &bob));
    afx_crash(fx);
    afx_open(fx);
    expect_left(fx, &bob, 0, 0);

    leave_ending(fx, &bob, KITH_PREKEYS_MAX, afx_wall_ms(fx) + MINUTES_10);
    afx_run_ms(fx, MINUTES_10 + 1);
    leave_ending(fx, &bob, KITH_PREKEYS_MAX, UINT64_MAX);
    expect_left(fx, &bob, KITH_PREKEYS_MAX, KITH_PREKEYS_MAX);
    expect_once(claim(fx, &ann, &bob));
    expect_left(fx, &bob, KITH_PREKEYS_MAX - 1, KITH_PREKEYS_MAX - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_claim__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_one_time_prekey_is_given_once),
        TEST(what_was_given_does_not_come_back_with_a_repeated_upload),
        TEST(what_has_ended_is_given_to_nobody),
        TEST(the_last_ten_of_each_kind_are_for_accepted_contacts),
        TEST(a_contact_is_whom_the_owner_accepted),
        TEST(a_persons_devices_are_all_treated_alike),
        TEST(own_devices_are_contacts_and_the_asking_one_is_refused),
        TEST(what_has_no_bundle_is_missing),
        TEST(what_is_missing_has_no_limit),
        TEST(a_removed_device_is_missing),
        TEST(devices_at_the_limit_and_one_past_it),
        TEST(six_at_once_and_then_one_every_ten_minutes),
        TEST(is_refused_as_a_whole),
        TEST(patience_does_not_get_at_the_reserve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
