#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "libkith/client.h"

/* What a client asks its server for, in which order and how often, when some of it fails time and again. */
#define BROKEN "0198f3c2-0000-4000-8000-00000000c4a1"
#define WHOLE  "0198f3c2-0000-4000-8000-00000000c4a2"
#define ANN    "03000000-0000-4000-8000-000000000000"
#define BOB    "04000000-0000-4000-8000-000000000000"
#define DEVICE "05000000-0000-4000-8000-000000000000"

struct host {
    struct kith_prng prng;
    struct kith_client *client;
    struct kith_time now;
    uint64_t timer_ms;
    bool is_asked; /* `fetch` is to be answered */
    struct kith_fetch fetch;
    unsigned seq;
};

static void random_of(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

static void run(struct host *host)
{
    struct kith_effect e;

    while (kith_client_next(host->client, &e) == KITH_OK) {
        if (e.kind == KITH_EFFECT_PERSIST) kith_client_persisted(host->client);
        if (e.kind == KITH_EFFECT_CONNECT) kith_client_connected(host->client, host->now);
        if (e.kind == KITH_EFFECT_TIMER) host->timer_ms = e.at_ms;
        if (e.kind != KITH_EFFECT_FETCH) continue;
        assert_false(host->is_asked); /* one at a time */
        host->is_asked = true;
        host->fetch = e.fetch;
    }
}

static void say(struct host *host, const char *frame)
{
    uint8_t bytes[1024];
    size_t len = strlen(frame) + 1; /* with its NUL */

    assert_true(len <= sizeof bytes);
    memcpy(bytes, frame, len);
    kith_client_bytes(host->client, host->now, bytes, len);
    run(host);
}

static void answer(struct host *host, bool ok)
{
    assert_true(host->is_asked);
    host->is_asked = false;
    kith_client_fetched(host->client, host->now, ok);
    run(host);
}

/* The next timer, unless that is after `end`. The server lives: it beats. */
static bool pass(struct host *host, uint64_t end)
{
    uint64_t at = host->timer_ms;

    if (at > end) return false;
    if (at > host->now.mono_ms) {
        host->now.wall_ms += at - host->now.mono_ms;
        host->now.mono_ms = at;
    }
    host->timer_ms = UINT64_MAX;
    kith_client_bytes(host->client, host->now, (uint8_t[]){'\n'}, 1);
    kith_client_tick(host->client, host->now);
    run(host);
    return true;
}

static void host_open(struct host *host, uint64_t seed)
{
    struct kith_client_config config = {.encrypts = true, .one_time_keys = 2, .random = random_of};

    *host = (struct host){.now = {.mono_ms = 1000, .wall_ms = 1800000000000}, .timer_ms = UINT64_MAX};
    kith_prng_seed(&host->prng, seed);
    config.random_arg = &host->prng;
    config.user.id.raw[0] = 1;
    config.device.id.raw[0] = 2;
    host->client = kith_client_new(&config);
    assert_non_null(host->client);
    kith_client_token(host->client, host->now, kith_slice_str("token"));
    kith_client_start(host->client, host->now);
    run(host);
    kith_client_tick(host->client, host->now);
    run(host);
    say(host, "CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n");
    assert_int_equal(host->fetch.kind, KITH_FETCH_KEYS);
}

/* Its keys are with the server. */
static void host_ready(struct host *host, uint64_t seed)
{
    struct e2e_upload *upload;

    host_open(host, seed);
    kith_client_keys(host->client, false, 0, 0, 0);
    answer(host, true);
    assert_int_equal(host->fetch.kind, KITH_FETCH_UPLOAD);
    upload = malloc(sizeof *upload);
    assert_non_null(upload);
    assert_true(kith_client_upload(host->client, upload));
    free(upload);
    kith_client_uploaded(host->client, 1, 2, 2);
    answer(host, true);
    assert_false(host->is_asked);
    assert_true(kith_client_is_settled(host->client));
}

static void event(struct host *host, const char *chat, const char *sender)
{
    char frame[512];

    host->seq++;
    (void)snprintf(frame, sizeof frame,
                   "MESSAGE\nsubscription:inbox\nmessage-id:%u\nack:%u\ndestination:/chat/%s"
                   "\nseq:%u\ntype:message\nencrypted:true\nsender:%s\nsender-device:" DEVICE
                   "\ncontent-type:application/vnd.kith.e2ee\n\nnot a ciphertext",
                   host->seq, host->seq, chat, host->seq, sender);
    say(host, frame);
}

static struct kith_uuid id_of(const char *text)
{
    struct kith_uuid id;

    assert_int_equal(kith_uuid_parse(kith_slice_str(text), &id), KITH_OK);
    return id;
}

static void tell_members(struct host *host)
{
    struct user_id users[2] = {host->client->config.user, {id_of(BOB)}};

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
        event(&host, WHOLE, BOB);
        event(&host, BROKEN, ANN);
        broken = lists = 0;
        end = host.now.mono_ms + 10000;
        do {
            if (!host.is_asked) continue;
            if (host.fetch.kind == KITH_FETCH_LISTS && kith_uuid_eq(host.fetch.user.id, id_of(BOB))) lists++;
            if (host.fetch.kind != KITH_FETCH_MEMBERS) {
                answer(&host, true);
            } else if (kith_uuid_eq(host.fetch.chat.id, id_of(WHOLE))) {
                tell_members(&host);
                answer(&host, true);
            } else {
                broken++;
                answer(&host, false);
            }
        } while (host.is_asked || pass(&host, end));
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
    event(&host, BROKEN, ANN);
    end = host.now.mono_ms + 3600000;
    do {
        if (!host.is_asked) continue;
        if (last != 0 && host.now.mono_ms - last > pause) pause = host.now.mono_ms - last;
        last = host.now.mono_ms;
        tries++;
        answer(&host, false);
    } while (host.is_asked || pass(&host, end));
    assert_in_range(tries, 60, 200);
    assert_in_range(pause, 40000, 62000); /* the cap, and the short wait of all */
    /* Something else is asked for soon. */
    before = tries;
    event(&host, WHOLE, BOB);
    while (!host.is_asked && pass(&host, host.now.mono_ms + 2000)) continue;
    assert_true(host.is_asked);
    assert_true(kith_uuid_eq(host.fetch.chat.id, id_of(WHOLE)));
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
        event(&host, chat, ANN);
    }
    end = host.now.mono_ms + 3600000;
    do {
        if (!host.is_asked) continue;
        tries++;
        answer(&host, false);
    } while (host.is_asked || pass(&host, end));
    assert_in_range(tries, 60, 200);
    kith_client_free(host.client);
}

/* Uploading, too: who waits for others' keys gets them. */
static void test_client_fetch__an_upload_that_fails_holds_up_no_reading(void **state)
{
    struct host host;
    uint64_t end;
    bool is_asked = false;

    (void)state;
    host_open(&host, 1);
    kith_client_keys(host.client, false, 0, 0, 0);
    answer(&host, true);
    event(&host, WHOLE, BOB);
    end = host.now.mono_ms + 10000;
    do {
        if (!host.is_asked) continue;
        is_asked |= host.fetch.kind == KITH_FETCH_MEMBERS;
        if (host.fetch.kind == KITH_FETCH_KEYS) kith_client_keys(host.client, false, 0, 0, 0);
        answer(&host, host.fetch.kind == KITH_FETCH_KEYS);
    } while (host.is_asked || pass(&host, end));
    assert_true(is_asked);
    kith_client_free(host.client);
}

static void test_client_fetch__a_new_connection_tries_again_at_once(void **state)
{
    struct host host;
    uint64_t end;

    (void)state;
    host_ready(&host, 1);
    event(&host, BROKEN, ANN);
    end = host.now.mono_ms + 600000;
    do {
        if (host.is_asked) answer(&host, false);
    } while (host.is_asked || pass(&host, end));
    kith_client_disconnected(host.client, host.now);
    run(&host);
    while (kith_client_connection(host.client) == KITH_OFFLINE) assert_true(pass(&host, UINT64_MAX - 1));
    say(&host, "CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n");
    assert_int_equal(host.fetch.kind, KITH_FETCH_KEYS);
    kith_client_keys(host.client, true, 1, 2, 2);
    answer(&host, true);
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
        cmocka_unit_test(test_client_fetch__an_upload_that_fails_holds_up_no_reading),
        cmocka_unit_test(test_client_fetch__a_new_connection_tries_again_at_once),
        cmocka_unit_test(test_client_fetch__no_wait_is_longer_than_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
