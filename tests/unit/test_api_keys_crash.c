#include "account/keys.h"
#include "keys_fixture.h"

/* The key directory and processes that are killed at any step. */

/* A process that is killed in the middle frees nothing, and LeakSanitizer would tell of it. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

/* It is there whole or not at all, the chats have the directory's number, and what was answered holds. */
static void test_api_keys_crash__a_list_survives_a_crash_at_any_step(void **state)
{
    unsigned answered = 0, held = 0;

    (void)state;
    for (unsigned steps = 0; steps < 70; steps++) {
        struct afx *fx = afx_new(steps + 1, REGISTRATION_OPEN, steps % 2 == 0 ? 0 : 3);
        struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
        struct kith_uuid device = uuid_of(bob.device);
        struct made_list list = {.account = uuid_of(bob.user), .seq = 1, .devices = &device, .device_count = 1};
        struct kith_buf bytes, json;
        struct reply *put, *got;
        char members[64];
        const char *chat;
        bool is_there;

        (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
        chat = afx_chat(fx, &ann, "direct", true, members);
        kith_buf_init(&bytes, KITH_SIGNED_LIST_BYTES_MAX);
        made_list_put(&bytes, &list, NULL);
        upload_begin(&json);
        upload_bytes(&json, "list", kith_buf_peek(&bytes));
        put = afx_start(fx, "PUT", "/devices/me/keys", bob.access, upload_end(&json));
        for (unsigned i = 0; i < steps && !put->done; i++) (void)sim_world_step(fx->world);
        if (!put->done) reply_abort(put);
        answered += put->status == 200;
        afx_kill(fx);
        afx_open(fx);
        afx_run_ms(fx, 1000);
        got = expect_kept(devices_of(fx, &ann, bob.user), 200, NULL);
        is_there = reply_at(got, "list") != NULL;
        held += is_there;
        assert_int_equal(reply_int(got, "list_seq"), is_there ? 2 : 1);
        if (put->status != 0) assert_int_equal(put->status, 200);
        if (put->status != 0) assert_true(is_there);
        expect(say(fx, &ann, &bob, chat, is_there ? 1 : 2), 409, "STALE_DEVICES");
        expect(say(fx, &ann, &bob, chat, is_there ? 2 : 1), 201, NULL);
        reply_free(got);
        reply_free(put);
        kith_buf_deinit(&json);
        kith_buf_deinit(&bytes);
        afx_free(fx);
    }
    assert_true(answered > 0 && held > answered && held < 70);
}

/* Many at once, and a crash amid them: what somebody was told nobody else is. */
static void test_api_keys_crash__no_key_is_given_twice_whatever_happens(void **state)
{
    enum { PEOPLE = 6, KEYS = 60 };
    unsigned told_in_all = 0, untold = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct afx *fx = afx_new(seed, REGISTRATION_OPEN, 10);
        struct person bob = afx_person(fx, "bob"), people[PEOPLE];
        struct reply *replies[PEOPLE * ACCOUNT_CLAIMS];
        bool seen[2][KEYS] = {{false}};
        unsigned told = 0;

        for (unsigned i = 0; i < PEOPLE; i++) {
            char name[] = {'p', (char)('a' + i), '\0'};
            people[i] = afx_person(fx, name);
            befriend(fx, &people[i], &bob, i % 2 == 0);
        }
        leave_keys(fx, &bob, KEYS, KEYS);
        for (unsigned i = 0; i < PEOPLE * ACCOUNT_CLAIMS; i++) {
            char body[160];
            (void)snprintf(body, sizeof body, "{\"devices\":[{\"user_id\":\"%s\",\"device_id\":\"%s\"}]}", bob.user,
                           bob.device);
            replies[i] = afx_start(fx, "POST", "/keys/claim", people[i % PEOPLE].access, body);
        }
        afx_run_ms(fx, 5 + 3 * seed);
        for (unsigned i = 0; i < PEOPLE * ACCOUNT_CLAIMS; i++)
            if (!replies[i]->done) reply_abort(replies[i]);
        afx_kill(fx);
        afx_open(fx);
        for (unsigned i = 0; i < PEOPLE * ACCOUNT_CLAIMS; i++) {
            struct got got;
            if (replies[i]->status == 0) {
                reply_free(replies[i]);
                continue;
            }
            got = got_of(replies[i]);
            told++;
            assert_false(seen[0][got.opk - 100] || seen[1][got.kem - 100]);
            seen[0][got.opk - 100] = seen[1][got.kem - 100] = true;
        }
        for (unsigned i = 0; i < PEOPLE; i++) {
            struct got got = got_of(claim(fx, &people[i], &bob));
            assert_false(seen[0][got.opk - 100] || seen[1][got.kem - 100]);
            seen[0][got.opk - 100] = seen[1][got.kem - 100] = true;
        }
        told_in_all += told;
        untold += PEOPLE * ACCOUNT_CLAIMS - told;
        afx_free(fx);
    }
    assert_in_range(told_in_all, 50, 20 * PEOPLE * ACCOUNT_CLAIMS); /* both happen */
    assert_in_range(untold, 50, 20 * PEOPLE * ACCOUNT_CLAIMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_keys_crash__a_list_survives_a_crash_at_any_step),
        cmocka_unit_test(test_api_keys_crash__no_key_is_given_twice_whatever_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
