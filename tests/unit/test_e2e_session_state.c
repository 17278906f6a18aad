#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e_world.h"

/* A session as a value: a step that fails changes no byte of it. */

/* Message of A that B has not seen, and the state of B that must stay. */
struct probe {
    struct world *world;
    struct kith_buf message, state;
    unsigned draws; /* coins that B took */
};

static void count_and_fill(void *arg, void *out, size_t len)
{
    struct probe *probe = arg;

    probe->draws++;
    kith_prng_bytes(&probe->world->b.prng, out, len);
}

/* B refuses `bytes`, and nothing has happened. */
static kith_err refuse(struct probe *probe, struct kith_slice bytes)
{
    const struct e2e_random random = {.fill = count_and_fill, .arg = probe};
    struct kith_buf out;
    kith_err err;

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    assert_int_equal(kith_buf_append_str(&out, "before"), KITH_OK);
    err = e2e_session_decrypt(&random, probe->world->at_b, bytes, WORLD_NOW, &out);
    assert_int_not_equal(err, KITH_OK);
    assert_true(kith_slice_is(kith_buf_peek(&out), "before"));
    assert_int_equal(probe->draws, 0);
    world_check_state(probe->world->at_b, &probe->state);
    kith_buf_deinit(&out);
    return err;
}

static struct probe probe_of(struct world *world, const char *text)
{
    return (struct probe){
        .world = world, .message = world_message(&world->a, world->at_a, text), .state = world_state(world->at_b)};
}

static void probe_deinit(struct probe *probe)
{
    kith_buf_deinit(&probe->message);
    kith_buf_wipe(&probe->state);
}

/* Every prefix and every single bit of the probe's message is refused; then it is taken. */
static void damage(struct probe *probe, const char *text)
{
    struct kith_buf *message = &probe->message;

    for (size_t len = 0; len < kith_buf_len(message); len++)
        assert_int_equal(refuse(probe, kith_slice_of(message->ptr, len)), KITH_E_MALFORMED);
    for (size_t bit = 0; bit < 8 * kith_buf_len(message); bit++) {
        message->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)refuse(probe, kith_buf_peek(message));
        message->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(world_take(&probe->world->b, probe->world->at_b, message, text), KITH_OK);
}

static void test_e2e_session_state__a_damaged_message_changes_nothing(void **state)
{
    struct world *world = world_new_answered(1);
    struct probe probe = probe_of(world, "in a new chain");
    struct kith_buf skipped;

    (void)state;
    damage(&probe, "in a new chain");
    probe_deinit(&probe);
    probe = probe_of(world, "in a known chain");
    damage(&probe, "in a known chain");
    probe_deinit(&probe);

    skipped = world_message(&world->a, world->at_a, "with a kept key");
    probe = probe_of(world, "past another");
    damage(&probe, "past another");
    probe_deinit(&probe);
    probe = (struct probe){.world = world, .message = skipped, .state = world_state(world->at_b)};
    damage(&probe, "with a kept key");
    probe_deinit(&probe);
    world_free(world);
}

/* In a session that B has, the set-up is known: of one that still comes only EK is looked at, for what it says otherwise
 * nobody believes. Whatever bit of it is another, the message is the same one or none. */
static void test_e2e_session_state__a_damaged_set_up_of_a_known_session_changes_nothing(void **state)
{
    struct world *world = world_new(2, true);
    struct probe probe = probe_of(world, "hello");
    struct kith_buf *message = &probe.message;

    (void)state;
    for (size_t at = 0; at < kith_buf_len(message); at++) {
        struct e2e_session *session = world_session(&probe.state);
        kith_err err;

        message->ptr[at] ^= (uint8_t)(1u << at % 8);
        err = world_take(&world->b, session, message, "hello");
        if (err != KITH_OK) world_check_state(session, &probe.state);
        message->ptr[at] ^= (uint8_t)(1u << at % 8);
        if (err == KITH_OK) assert_int_equal(world_take(&world->b, session, message, "hello"), KITH_E_CONFLICT);
        e2e_session_free(session);
    }
    assert_int_equal(world_take(&world->b, world->at_b, message, "hello"), KITH_OK);
    probe_deinit(&probe);
    world_free(world);
}

/* ---------------------------------------------------------------------------------------------- numbers and flags */
/* The header of a message without a set-up: its fields stand where they stand. */
enum {
    AT_VERSION = 6,
    AT_RATCHET_PUB = 7 + 6 + 6,
    AT_PN = AT_RATCHET_PUB + 32 + 6,
    AT_N = AT_PN + 4 + 6,
    AT_FLAGS = AT_N + 4 + 6
};

static void test_e2e_session_state__a_header_that_says_what_it_may_not_is_refused(void **state)
{
    struct world *world = world_new_answered(3);
    struct probe probe = probe_of(world, "hello");
    uint8_t *at = probe.message.ptr;
    uint8_t kept[32];

    (void)state;
    for (unsigned flags = 2; flags < 256; flags++) {
        at[AT_FLAGS] = (uint8_t)flags;
        assert_int_equal(refuse(&probe, kith_buf_peek(&probe.message)), KITH_E_MALFORMED);
    }
    at[AT_FLAGS] = 1; /* may be said, but A did not */
    assert_int_equal(refuse(&probe, kith_buf_peek(&probe.message)), KITH_E_DENIED);
    at[AT_FLAGS] = 0;
    memset(at + AT_N, 0xff, 4);
    assert_int_equal(refuse(&probe, kith_buf_peek(&probe.message)), KITH_E_MALFORMED);
    at[AT_N + 3] = 0xfe;
    assert_int_equal(refuse(&probe, kith_buf_peek(&probe.message)), KITH_E_TOOBIG);
    memset(at + AT_N, 0, 4);
    at[AT_VERSION] = 2;
    assert_int_equal(refuse(&probe, kith_buf_peek(&probe.message)), KITH_E_UNSUPPORTED);
    at[AT_VERSION] = 1;
    memcpy(kept, at + AT_RATCHET_PUB, 32);
    memset(at + AT_RATCHET_PUB, 0, 32); /* a point of small order */
    assert_int_equal(refuse(&probe, kith_buf_peek(&probe.message)), KITH_E_MALFORMED);
    memset(at + AT_RATCHET_PUB, 0xff, 32); /* not canonical */
    assert_int_equal(refuse(&probe, kith_buf_peek(&probe.message)), KITH_E_MALFORMED);
    memcpy(at + AT_RATCHET_PUB, kept, 32);
    at[AT_RATCHET_PUB + 31] |= 0x80; /* another spelling of the same key */
    assert_int_equal(refuse(&probe, kith_buf_peek(&probe.message)), KITH_E_MALFORMED);
    memcpy(at + AT_RATCHET_PUB, kept, 32);
    assert_int_equal(world_take(&world->b, world->at_b, &probe.message, "hello"), KITH_OK);
    probe_deinit(&probe);
    world_free(world);
}

static void test_e2e_session_state__numbers_end_and_do_not_begin_again(void **state)
{
    struct world *world = world_new_answered(4);
    struct kith_buf at_end = world_state(world->at_a), message;
    struct e2e_session *session;

    (void)state;
    kith_put_u32_be(world_field(&at_end, 7, NULL), UINT32_MAX - 1);
    session = world_session(&at_end);
    message = world_message(&world->a, session, "the last");
    kith_buf_deinit(&message);
    kith_buf_wipe(&at_end);
    at_end = world_state(session);
    kith_buf_init(&message, WORLD_PLAIN_MAX);
    assert_int_equal(e2e_session_encrypt(&world->a.random, session, kith_slice_str("one more"), WORLD_NOW, &message),
                     KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&message), 0);
    world_check_state(session, &at_end);
    e2e_session_free(session);

    kith_put_u32_be(world_field(&at_end, 7, NULL), 0);
    kith_put_u32_be(world_field(&at_end, 16, NULL), UINT32_MAX);
    session = world_session(&at_end);
    assert_int_equal(e2e_session_encrypt(&world->a.random, session, kith_slice_str("one more"), WORLD_NOW, &message),
                     KITH_E_TOOBIG);
    world_check_state(session, &at_end);
    e2e_session_free(session);
    kith_buf_wipe(&at_end);

    /* The last receiving chain that can be counted. */
    at_end = world_state(world->at_b);
    kith_put_u32_be(world_field(&at_end, 15, NULL), UINT32_MAX);
    session = world_session(&at_end);
    message = world_message(&world->a, world->at_a, "of a new chain");
    assert_int_equal(world_take(&world->b, session, &message, "of a new chain"), KITH_E_TOOBIG);
    world_check_state(session, &at_end);
    e2e_session_free(session);
    kith_buf_deinit(&message);
    kith_buf_wipe(&at_end);
    world_free(world);
}

/* A peer that says its last chain was shorter than what came of it lies, and gains nothing. */
static void test_e2e_session_state__a_chain_said_to_be_shorter_than_it_was_keeps_nothing(void **state)
{
    struct world *world = world_new_answered(13);
    struct kith_buf message, liar;

    (void)state;
    for (int i = 0; i < 3; i++) {
        message = world_message(&world->a, world->at_a, "hello");
        assert_int_equal(world_take(&world->b, world->at_b, &message, "hello"), KITH_OK);
        kith_buf_deinit(&message);
    }
    message = world_message(&world->b, world->at_b, "turn");
    assert_int_equal(world_take(&world->a, world->at_a, &message, "turn"), KITH_OK);
    kith_buf_deinit(&message);
    liar = world_state(world->at_a);
    assert_int_equal(kith_get_u32_be(world_field(&liar, 9, NULL)), 3);
    kith_put_u32_be(world_field(&liar, 9, NULL), 1);
    e2e_session_free(world->at_a);
    world->at_a = world_session(&liar);
    message = world_message(&world->a, world->at_a, "hello");
    assert_int_equal(world_take(&world->b, world->at_b, &message, "hello"), KITH_OK);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, 0);
    kith_buf_deinit(&message);
    kith_buf_wipe(&liar);
    world_free(world);
}

static void test_e2e_session_state__takes_its_longest_plaintext_and_not_a_byte_more(void **state)
{
    struct world *world = world_new(5, true);
    struct kith_buf before = world_state(world->at_a), message, out;
    uint8_t *plain = calloc(1, E2E_MESSAGE_PLAIN_MAX + 1);

    (void)state;
    assert_non_null(plain);
    kith_buf_init(&message, 2 * WORLD_PLAIN_MAX);
    kith_buf_init(&out, E2E_MESSAGE_PLAIN_MAX);
    assert_int_equal(e2e_session_encrypt(&world->a.random, world->at_a, kith_slice_of(plain, E2E_MESSAGE_PLAIN_MAX + 1),
                                         WORLD_NOW, &message),
                     KITH_E_TOOBIG);
    world_check_state(world->at_a, &before);
    assert_int_equal(kith_buf_len(&message), 0);
    plain[E2E_MESSAGE_PLAIN_MAX - 1] = 9;
    assert_int_equal(e2e_session_encrypt(&world->a.random, world->at_a, kith_slice_of(plain, E2E_MESSAGE_PLAIN_MAX),
                                         WORLD_NOW, &message),
                     KITH_OK);
    assert_true(kith_buf_len(&message) <= E2E_MESSAGE_PLAIN_MAX + E2E_MESSAGE_OVERHEAD_MAX);
    assert_int_equal(e2e_session_decrypt(&world->b.random, world->at_b, kith_buf_peek(&message), WORLD_NOW, &out),
                     KITH_OK);
    assert_true(kith_slice_eq(kith_buf_peek(&out), kith_slice_of(plain, E2E_MESSAGE_PLAIN_MAX)));
    free(plain);
    kith_buf_deinit(&message);
    kith_buf_deinit(&out);
    kith_buf_wipe(&before);
    world_free(world);
}

static void test_e2e_session_state__a_full_buffer_changes_nothing(void **state)
{
    struct world *world = world_new_answered(6);
    struct kith_buf before = world_state(world->at_a), message, out;

    (void)state;
    message = world_message(&world->b, world->at_b, "hello");
    for (size_t room = 0; room < 5; room++) {
        kith_buf_init(&out, room);
        assert_int_equal(e2e_session_decrypt(&world->a.random, world->at_a, kith_buf_peek(&message), WORLD_NOW, &out),
                         KITH_E_TOOBIG);
        world_check_state(world->at_a, &before);
        kith_buf_deinit(&out);
    }
    for (size_t room = 0; room < kith_buf_len(&message); room++) {
        kith_buf_init(&out, room);
        assert_int_equal(e2e_session_encrypt(&world->a.random, world->at_a, kith_slice_str("hello"), WORLD_NOW, &out),
                         KITH_E_TOOBIG);
        assert_int_equal(kith_buf_len(&out), 0);
        world_check_state(world->at_a, &before);
        kith_buf_deinit(&out);
    }
    for (size_t room = 0; room < kith_buf_len(&before); room++) {
        kith_buf_init(&out, room);
        assert_int_equal(e2e_session_encode(world->at_a, &out), KITH_E_TOOBIG);
        assert_int_equal(kith_buf_len(&out), 0);
        kith_buf_deinit(&out);
    }
    assert_int_equal(world_take(&world->a, world->at_a, &message, "hello"), KITH_OK);
    kith_buf_deinit(&message);
    kith_buf_wipe(&before);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_session_state__a_damaged_message_changes_nothing),
        cmocka_unit_test(test_e2e_session_state__a_damaged_set_up_of_a_known_session_changes_nothing),
        cmocka_unit_test(test_e2e_session_state__a_header_that_says_what_it_may_not_is_refused),
        cmocka_unit_test(test_e2e_session_state__numbers_end_and_do_not_begin_again),
        cmocka_unit_test(test_e2e_session_state__a_chain_said_to_be_shorter_than_it_was_keeps_nothing),
        cmocka_unit_test(test_e2e_session_state__takes_its_longest_plaintext_and_not_a_byte_more),
        cmocka_unit_test(test_e2e_session_state__a_full_buffer_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
