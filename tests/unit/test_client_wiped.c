#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/prng.h"
#include "libkith/kith.h"
#include "tests/failing_heap.h"

/*
 * What a client lets go of is wiped: the private keys that go through its records, the texts that wait to be sent, the
 * token. Left out where freed memory cannot be looked at.
 */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

#define COINS_MAX 64
#define TEXT      "nobody else may read this text"
#define TOKEN     "the token of this device, secret"

static const struct kith_time now = {.mono_ms = 1000, .wall_ms = 1800000000000};
static struct kith_prng prng;
static uint8_t coins[COINS_MAX][32]; /* every draw of 32 and both halves of every one of 64: the raw private keys */
static size_t coin_count;

static void coin(const uint8_t *bytes)
{
    assert_true(coin_count < COINS_MAX);
    memcpy(coins[coin_count], bytes, 32);
    heap_watch(coins[coin_count++], 32);
}

static void random_of(void *arg, void *out, size_t len)
{
    (void)arg;
    kith_prng_bytes(&prng, out, len);
    if (len == 32 || len == 64) coin(out);
    if (len == 64) coin((uint8_t *)out + 32);
}

static struct kith_client *client;
static struct kith_fetch fetch;

static void run(void)
{
    struct kith_effect e;

    while (kith_client_next(client, &e) == KITH_OK) {
        if (e.kind == KITH_EFFECT_PERSIST) kith_client_persisted(client);
        if (e.kind == KITH_EFFECT_CONNECT) kith_client_connected(client, now);
        if (e.kind == KITH_EFFECT_FETCH) fetch = e.fetch;
    }
}

static void client_open(void)
{
    struct kith_client_config config = {.encrypts = true, .one_time_keys = 2, .random = random_of};
    uint8_t connected[] = "CONNECTED\nversion:1.2\n\n";

    kith_prng_seed(&prng, 1);
    config.user.id.raw[0] = 1;
    config.device.id.raw[0] = 2;
    client = kith_client_new(&config);
    assert_non_null(client);
    kith_client_token(client, now, kith_slice_str(TOKEN));
    kith_client_start(client, now);
    run();
    kith_client_tick(client, now);
    run();
    kith_client_bytes(client, now, connected, sizeof connected);
    run();
}

static int setup(void **state)
{
    (void)state;
    heap_watched_count = heap_left_behind = 0;
    coin_count = 0;
    return 0;
}

static void test_client_wiped__no_private_key_stays_behind(void **state)
{
    (void)state;
    client_open();
    assert_int_equal(fetch.kind, KITH_FETCH_KEYS);
    kith_client_keys(client, &(struct kith_keys){0}); /* founds the account */
    kith_client_fetched(client, now, true);           /* makes the prekeys */
    assert_true(coin_count > 10);
    kith_client_uploaded(client, 1, 2, 2);
    kith_client_fetched(client, now, true);
    run();
    kith_client_free(client);
    assert_int_equal(heap_left_behind, 0);
}

static void test_client_wiped__nor_does_what_was_not_carried_out(void **state)
{
    (void)state;
    client_open();
    kith_client_keys(client, &(struct kith_keys){0});
    kith_client_fetched(client, now, true);
    kith_client_free(client);
    assert_int_equal(heap_left_behind, 0);
}

static void test_client_wiped__nor_a_text_that_waited(void **state)
{
    static const char text[] = TEXT;
    struct kith_send send = {
        .encrypted = true, .content_type = kith_slice_str("text/plain"), .body = kith_slice_str(text)};
    struct msg_id first, second;

    (void)state;
    client_open();
    heap_watch(text, sizeof text - 1);
    assert_int_equal(kith_client_send(client, now, &send, &first), KITH_OK);
    assert_int_equal(kith_client_send(client, now, &send, &second), KITH_OK);
    run();
    assert_int_equal(kith_client_outbox_drop(client, first), KITH_OK);
    run();
    kith_client_free(client);
    assert_int_equal(heap_left_behind, 0);
}

static void test_client_wiped__nor_the_token(void **state)
{
    static const char token[] = TOKEN;

    (void)state;
    heap_watch(token, sizeof token - 1);
    client_open();
    kith_client_token(client, now, kith_slice_str(token));
    run();
    kith_client_free(client);
    assert_int_equal(heap_left_behind, 0);
}

/* The first pieces make it grow, time and again. */
static void test_client_wiped__a_secret_buffer_leaves_nothing_where_it_was(void **state)
{
    static const char secret[] = "sixteen bytes...";
    struct kith_buf buf, plain;

    (void)state;
    heap_watch(secret, 16);
    kith_buf_init_secret(&buf, 4096);
    for (int i = 0; i < 64; i++) assert_int_equal(kith_buf_append_str(&buf, secret), KITH_OK);
    kith_buf_deinit(&buf);
    assert_int_equal(kith_buf_append_str(&buf, secret), KITH_OK);
    kith_buf_deinit(&buf);
    assert_int_equal(heap_left_behind, 0);
    kith_buf_init(&plain, 4096);
    assert_int_equal(kith_buf_append_str(&plain, secret), KITH_OK);
    kith_buf_deinit(&plain);
    assert_int_equal(heap_left_behind, 1); /* it is seen */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_client_wiped__no_private_key_stays_behind, setup),
        cmocka_unit_test_setup(test_client_wiped__nor_does_what_was_not_carried_out, setup),
        cmocka_unit_test_setup(test_client_wiped__nor_a_text_that_waited, setup),
        cmocka_unit_test_setup(test_client_wiped__nor_the_token, setup),
        cmocka_unit_test_setup(test_client_wiped__a_secret_buffer_leaves_nothing_where_it_was, setup),
    };

    if (!heap_is_ours()) {
        (void)puts("left out: malloc() is not ours");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
