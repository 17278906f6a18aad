#include "client_host.h"

/* What a client asks its server for, in which order and how often, when some of it fails time and again. */
#define BROKEN "0198f3c2-0000-4000-8000-00000000c4a1"
#define WHOLE  "0198f3c2-0000-4000-8000-00000000c4a2"
#define ANN    "03000000-0000-4000-8000-000000000000"
#define BOB    "04000000-0000-4000-8000-000000000000"

static void tell_members(struct host *host)
{
    struct user_id users[2] = {host->client->config.user, {host_id_of(BOB)}};

    kith_client_members(host->client, host->fetch.chat, users, 2);
}

/* Two chats wait. Who is in one of them the server never says; all of the other's is asked for all the same. */
static void test_client_fetch__what_always_fails_is_not_in_the_way(void **state)
{
    struct host host;
    unsigned broken = 0, lists = 0;
    uint64_t end;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        host_ready(&host, seed);
        host_event(&host, WHOLE, BOB);
        host_event(&host, BROKEN, ANN);
        broken = lists = 0;
        end = host.now.mono_ms + 10000;
        do {
            if (!host.is_asked) continue;
            lists += host_asks_list(&host, BOB);
            if (host.fetch.kind != KITH_FETCH_MEMBERS) {
                host_answer(&host, true);
            } else if (kith_uuid_eq(host.fetch.chat.id, host_id_of(WHOLE))) {
                tell_members(&host);
                host_answer(&host, true);
            } else {
                broken++;
                host_answer(&host, false);
            }
        } while (host.is_asked || host_pass(&host, end));
        assert_true(lists >= 1);
        assert_true(broken >= 1);
        kith_client_free(host.client);
    }
}

/* Alone, too, it is asked for less and less often, at last about twice in a minute, and when the connection is new at once. */
static void test_client_fetch__what_always_fails_steps_back(void **state)
{
    struct host host;
    unsigned tries = 0, before;
    uint64_t end, last = 0, pause = 0;

    (void)state;
    host_ready(&host, 1);
    host_event(&host, BROKEN, ANN);
    end = host.now.mono_ms + 3600000;
    do {
        if (!host.is_asked) continue;
        if (last != 0 && host.now.mono_ms - last > pause) pause = host.now.mono_ms - last;
        last = host.now.mono_ms;
        tries++;
        host_answer(&host, false);
    } while (host.is_asked || host_pass(&host, end));
    assert_in_range(tries, 60, 200);
    assert_in_range(pause, 40000, 62000); /* the cap, and the short wait of all */
    /* Something else is asked for soon. */
    before = tries;
    host_event(&host, WHOLE, BOB);
    while (!host.is_asked && host_pass(&host, host.now.mono_ms + 2000)) continue;
    assert_true(host.is_asked);
    assert_true(kith_uuid_eq(host.fetch.chat.id, host_id_of(WHOLE)));
    assert_int_equal(before, tries);
    kith_client_free(host.client);
}

/* When nothing works it is the server: all of it together is asked no more often than one thing would be. */
static void test_client_fetch__a_server_that_refuses_everything_is_left_alone(void **state)
{
    struct host host;
    char chat[] = BROKEN;
    unsigned tries = 0;
    uint64_t end;

    (void)state;
    host_ready(&host, 1);
    for (int i = 0; i < 30; i++) {
        chat[0] = (char)('1' + i / 10);
        chat[1] = (char)('0' + i % 10);
        host_event(&host, chat, ANN);
    }
    end = host.now.mono_ms + 3600000;
    do {
        if (!host.is_asked) continue;
        tries++;
        host_answer(&host, false);
    } while (host.is_asked || host_pass(&host, end));
    assert_in_range(tries, 60, 200);
    kith_client_free(host.client);
}

/* As many things as are noted, and more: what does not fail has its turn, and as many as there are places step back. */
static void test_client_fetch__many_that_fail_leave_room_for_one_that_does_not(void **state)
{
    _Static_assert(SECURE_COOLING_MAX == SECURE_WANTS_MAX, "both are at their maximum here, and one past it");
    for (unsigned broken = SECURE_WANTS_MAX - 1; broken <= SECURE_WANTS_MAX + 1; broken++) {
        struct host host;
        char chat[] = BROKEN;
        unsigned lists = 0;
        uint64_t end;

        (void)state;
        host_ready(&host, broken);
        for (unsigned i = 0; i < broken; i++) {
            chat[0] = (char)('1' + i / 10);
            chat[1] = (char)('0' + i % 10);
            host_event(&host, chat, ANN);
        }
        host_event(&host, WHOLE, BOB);
        end = host.now.mono_ms + 2 * 3600000;
        do {
            if (!host.is_asked) continue;
            lists += host_asks_list(&host, BOB);
            if (host.fetch.kind == KITH_FETCH_MEMBERS && kith_uuid_eq(host.fetch.chat.id, host_id_of(WHOLE)))
                tell_members(&host);
            host_answer(&host,
                        host.fetch.kind != KITH_FETCH_MEMBERS || kith_uuid_eq(host.fetch.chat.id, host_id_of(WHOLE)));
        } while (lists == 0 && (host.is_asked || host_pass(&host, end)));
        assert_int_equal(lists, 1);
        kith_client_free(host.client);
    }
}

/* Uploading, too: who waits for others' keys gets them. */
static void test_client_fetch__an_upload_that_fails_holds_up_no_reading(void **state)
{
    struct host host;
    uint64_t end;
    bool is_asked = false;

    (void)state;
    host_open(&host, 1);
    kith_client_keys(host.client, &(struct kith_keys){0});
    host_answer(&host, true);
    host_event(&host, WHOLE, BOB);
    end = host.now.mono_ms + 10000;
    do {
        if (!host.is_asked) continue;
        is_asked |= host.fetch.kind == KITH_FETCH_MEMBERS;
        if (host.fetch.kind == KITH_FETCH_KEYS) kith_client_keys(host.client, &(struct kith_keys){0});
        host_answer(&host, host.fetch.kind == KITH_FETCH_KEYS);
    } while (host.is_asked || host_pass(&host, end));
    assert_true(is_asked);
    kith_client_free(host.client);
}

static void test_client_fetch__a_new_connection_tries_again_at_once(void **state)
{
    struct host host;
    uint64_t end;

    (void)state;
    host_ready(&host, 1);
    host_event(&host, BROKEN, ANN);
    end = host.now.mono_ms + 600000;
    do {
        if (host.is_asked) host_answer(&host, false);
    } while (host.is_asked || host_pass(&host, end));
    kith_client_disconnected(host.client, host.now);
    host_run(&host);
    while (kith_client_connection(host.client) == KITH_OFFLINE) assert_true(host_pass(&host, UINT64_MAX - 1));
    host_say(&host, "CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n");
    assert_int_equal(host.fetch.kind, KITH_FETCH_KEYS);
    kith_client_keys(host.client, &host.keys);
    host_answer(&host, true);
    assert_true(host.is_asked);
    assert_int_equal(host.fetch.kind, KITH_FETCH_MEMBERS);
    kith_client_free(host.client);
}

static void test_client_fetch__no_wait_is_longer_than_the_cap(void **state)
{
    struct host host;
    uint64_t longest = 0;

    (void)state;
    host_open(&host, 1);
    for (uint32_t tries = 0; tries < 40; tries++)
        for (int i = 0; i < 500; i++) {
            uint64_t ms = client_backoff_ms(host.client, tries);
            if (tries == 0) assert_true(ms <= CLIENT_BACKOFF_BASE_MS);
            if (ms > longest) longest = ms;
        }
    assert_in_range(longest, CLIENT_BACKOFF_CAP_MS - 1000, CLIENT_BACKOFF_CAP_MS);
    kith_client_free(host.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_fetch__what_always_fails_is_not_in_the_way),
        cmocka_unit_test(test_client_fetch__what_always_fails_steps_back),
        cmocka_unit_test(test_client_fetch__a_server_that_refuses_everything_is_left_alone),
        cmocka_unit_test(test_client_fetch__many_that_fail_leave_room_for_one_that_does_not),
        cmocka_unit_test(test_client_fetch__an_upload_that_fails_holds_up_no_reading),
        cmocka_unit_test(test_client_fetch__a_new_connection_tries_again_at_once),
        cmocka_unit_test(test_client_fetch__no_wait_is_longer_than_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
