#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/group_keys.h"
#include "libkith/e2ee/payload.h"
#include "tests/chain_world.h"
#include "tests/failing_heap.h"

/*
 * What kith/1 writes down, it writes in one place: no memory that was given back on the way holds a key, or a piece of a text.
 * Left out where freed memory cannot be looked at.
 */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

#define KEPT  3
#define PIECE 24 /* so many bytes of a text are too many */

static uint8_t secrets[HEAP_WATCHED_MAX][32];
static size_t secret_count;

static void watch(const uint8_t *bytes, size_t len)
{
    assert_true(secret_count < HEAP_WATCHED_MAX && len <= sizeof secrets[0]);
    memcpy(secrets[secret_count], bytes, len);
    heap_watch(secrets[secret_count++], len);
}

static void watch_kept(const struct e2e_kept *kept)
{
    assert_true(kept->count >= KEPT);
    for (size_t i = 0; i < kept->count; i++) watch(kept->keys[i].mk, sizeof kept->keys[i].mk);
}

static int forget(void **state)
{
    (void)state;
    heap_watched_count = heap_left_behind = 0;
    secret_count = 0;
    return 0;
}

/* ---------------------------------------------------------------------------------------------- sessions */
static void watch_session(const struct e2e_session *session)
{
    watch(session->root_key, sizeof session->root_key);
    watch(session->send_chain, sizeof session->send_chain);
    if (session->recv_chains > 0) watch(session->recv_chain, sizeof session->recv_chain);
    watch(session->our_secret, sizeof session->our_secret);
}

static void store_and_load(const struct e2e_session *session)
{
    struct kith_buf state = world_state(session);
    struct e2e_session *again = world_session(&state);

    e2e_session_free(again);
    kith_buf_wipe(&state);
}

static void test_e2e_wiped__a_session_that_is_stored_leaves_nothing_behind(void **state)
{
    struct world *world = world_new_answered(1);
    struct kith_buf message;

    (void)state;
    for (int i = 0; i <= KEPT; i++) {
        message = world_message(&world->a, world->at_a, "late");
        if (i == KEPT) assert_int_equal(world_take(&world->b, world->at_b, &message, "late"), KITH_OK);
        kith_buf_deinit(&message);
    }
    watch_session(world->at_a);
    watch_session(world->at_b);
    watch_kept(&world->at_b->kept);
    store_and_load(world->at_a);
    store_and_load(world->at_b);
    assert_int_equal(heap_left_behind, 0);
    world_free(world);
    assert_int_equal(heap_left_behind, 0);
}

/* ---------------------------------------------------------------------------------------------- sender chains */
static void test_e2e_wiped__a_chain_that_is_stored_or_given_leaves_nothing_behind(void **state)
{
    struct chains *chains = chains_new(2);
    struct kith_buf *messages = chains_messages_new(chains, KEPT + 1), bytes;
    struct e2e_group_keys keys = {.has_info_key = true, .has_chain = true, .chain = chains_given(chains)};
    struct e2e_receiver_chain *again;

    (void)state;
    assert_int_equal(chains_take(chains, &messages[KEPT], "m"), KITH_OK);
    memset(keys.info_key.key, 0x5a, sizeof keys.info_key.key);
    watch(keys.info_key.key, sizeof keys.info_key.key);
    watch(chains->sender->chain_key, sizeof chains->sender->chain_key);
    watch(chains->sender->sign_secret, E2E_SIGN_SEED_BYTES);
    watch_kept(&chains->receiver->kept);

    bytes = chains_sender_state(chains->sender);
    kith_buf_wipe(&bytes);
    bytes = chains_state(chains->receiver);
    again = chains_read(&bytes);
    e2e_receiver_chain_free(again);
    kith_buf_wipe(&bytes);
    kith_buf_init(&bytes, E2E_CHAIN_GIVEN_BYTES_MAX);
    assert_int_equal(e2e_chain_given_encode(&keys.chain, &bytes), KITH_OK);
    kith_buf_wipe(&bytes);
    kith_buf_init(&bytes, E2E_PAYLOAD_BYTES_MAX);
    assert_int_equal(e2e_group_keys_encode(&keys, &bytes), KITH_OK);
    kith_buf_wipe(&bytes);
    assert_int_equal(heap_left_behind, 0);
    chains_messages_free(messages, KEPT + 1);
    chains_free(chains);
    assert_int_equal(heap_left_behind, 0);
}

/* ---------------------------------------------------------------------------------------------- payloads */
/* Of every length that makes another capacity of the buffer, were it to grow. */
static void test_e2e_wiped__a_payload_leaves_nothing_behind(void **state)
{
    static uint8_t body[8192];
    struct kith_prng prng;
    struct kith_buf out;

    (void)state;
    kith_prng_seed(&prng, 3);
    kith_prng_bytes(&prng, body, sizeof body);
    watch(body, PIECE);
    for (size_t len = PIECE; len <= sizeof body; len += len / 2) {
        struct e2e_payload payload = {
            .content_type = kith_slice_str("text/plain"), .device_id = 1, .sseq = 1, .body = kith_slice_of(body, len)};
        kith_buf_init(&out, E2E_PAYLOAD_BYTES_MAX);
        assert_int_equal(e2e_payload_encode(&payload, &out), KITH_OK);
        kith_buf_wipe(&out);
    }
    assert_int_equal(heap_left_behind, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_e2e_wiped__a_session_that_is_stored_leaves_nothing_behind, forget),
        cmocka_unit_test_setup(test_e2e_wiped__a_chain_that_is_stored_or_given_leaves_nothing_behind, forget),
        cmocka_unit_test_setup(test_e2e_wiped__a_payload_leaves_nothing_behind, forget),
    };
    if (!heap_is_ours()) {
        (void)puts("left out: malloc() is not ours");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
