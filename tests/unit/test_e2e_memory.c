#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkith/e2ee/payload.h"
#include "tests/e2e_world.h"
#include "tests/each_failure.h"

/*
 * Every allocation of kith/1 fails once: each call then answers KITH_E_NOMEM, nothing is appended, no session has changed,
 * and no memory is lost. Left out where the heap cannot be made to fail.
 */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

/* What every case works on, made before memory is short. */
static struct world *world;
static struct e2e_session *session; /* a fresh copy for each try */
static struct kith_buf before;      /* its state */
static struct kith_buf late, next;  /* messages for it: of a kept key, and of a new chain with some stepped over */

static struct kith_slice plain;

static void make_anew(void)
{
    e2e_session_free(session);
    assert_int_equal(e2e_session_decode(kith_buf_peek(&before), &session), KITH_OK);
}

static void check_same(void)
{
    world_check_state(session, &before);
}

static const struct each_failure_hooks hooks = {.make_anew = make_anew, .check_same = check_same};

/* ---------------------------------------------------------------------------------------------- sessions */
static kith_err begin_work(struct kith_buf *out)
{
    const struct e2e_self self = world_self(&world->a);
    const struct e2e_end peer = world_end(&world->b);
    const struct e2e_bundle bundle = world_bundle(&world->b, true);
    struct e2e_session *made;
    kith_err err = e2e_session_begin(&world->a.random, &self, &peer, &bundle, WORLD_NOW, &made);

    (void)out;
    assert_true((made == NULL) == (err != KITH_OK));
    e2e_session_free(made);
    return err;
}

static struct kith_buf first; /* of a session that only A has */

static kith_err accept_work(struct kith_buf *out)
{
    struct e2e_session *made;
    kith_err err = world_accept(&world->b, &world->a, kith_buf_peek(&first), &made, out);

    assert_true((made == NULL) == (err != KITH_OK));
    e2e_session_free(made);
    return err;
}

static kith_err encrypt_work(struct kith_buf *out)
{
    return e2e_session_encrypt(&world->b.random, session, plain, WORLD_NOW + E2E_SKIP_LIFE_MS - 1, out);
}

/* By now one of two kept keys has ended, and what stays moves. */
static kith_err encrypt_later_work(struct kith_buf *out)
{
    return e2e_session_encrypt(&world->b.random, session, plain, WORLD_NOW + E2E_SKIP_LIFE_MS, out);
}

static kith_err decrypt_next_work(struct kith_buf *out)
{
    return e2e_session_decrypt(&world->b.random, session, kith_buf_peek(&next), WORLD_NOW, out);
}

static kith_err decrypt_late_work(struct kith_buf *out)
{
    return e2e_session_decrypt(&world->b.random, session, kith_buf_peek(&late), WORLD_NOW, out);
}

static kith_err encode_work(struct kith_buf *out)
{
    return e2e_session_encode(session, out);
}

static kith_err decode_work(struct kith_buf *out)
{
    struct e2e_session *made;
    kith_err err = e2e_session_decode(kith_buf_peek(&before), &made);

    (void)out;
    assert_true((made == NULL) == (err != KITH_OK));
    e2e_session_free(made);
    return err;
}

static void test_e2e_memory__sessions_survive_every_failure(void **state)
{
    (void)state;
    assert_true(each_failure_with(&hooks, begin_work) >= 2);
    assert_true(each_failure_with(&hooks, accept_work) >= 2);
    assert_true(each_failure_with(&hooks, encrypt_work) >= 3);
    assert_true(each_failure_with(&hooks, encrypt_later_work) >= 4);
    assert_true(each_failure_with(&hooks, decrypt_next_work) >= 2);
    assert_true(each_failure_with(&hooks, decrypt_late_work) >= 2);
    assert_true(each_failure_with(&hooks, encode_work) >= 3);
    assert_true(each_failure_with(&hooks, decode_work) >= 2);
}

/* ---------------------------------------------------------------------------------------------- lists, prekeys, payloads */
static struct e2e_device_list list;

static kith_err read_list_work(struct kith_buf *out)
{
    (void)out;
    return e2e_device_list_read(kith_buf_peek(&world->a.signed_list), world->a.account_id, &list);
}

static kith_err sign_list_work(struct kith_buf *out)
{
    const struct e2e_acceptance accept = {.device_id = world->a.list.devices[0].device_id};

    return e2e_device_list_sign(&world->a.list, world->a.aik_secret, &accept, 1, out);
}

static kith_err add_acceptance_work(struct kith_buf *out)
{
    const struct e2e_acceptance accept = {.device_id = world->a.list.devices[0].device_id};

    return e2e_device_list_add_acceptance(kith_buf_peek(&world->a.signed_list), &accept, out);
}

static struct kith_buf bare; /* the list without an acceptance */

static kith_err add_first_acceptance_work(struct kith_buf *out)
{
    const struct e2e_acceptance accept = {.device_id = world->a.list.devices[0].device_id};

    return e2e_device_list_add_acceptance(kith_buf_peek(&bare), &accept, out);
}

static kith_err certify_work(struct kith_buf *out)
{
    uint8_t signature[E2E_SIGNATURE_BYTES];

    (void)out;
    return e2e_certify(world->a.ark_secret, world->a.account_id, world->a.list.aik_pub, 1, signature);
}

static kith_err accept_place_work(struct kith_buf *out)
{
    uint8_t signature[E2E_SIGNATURE_BYTES];

    (void)out;
    return e2e_device_accept(world->a.dsk_secret, &world->a.list, &world->a.list.devices[0], signature);
}

static kith_err new_prekey_work(struct kith_buf *out)
{
    struct e2e_prekey_secret secret;

    return e2e_prekey_new(&world->a.random, world->a.account_id, 1, world->a.dsk_secret, E2E_PREKEY_KEM_LR, 1, &secret,
                          out);
}

static kith_err read_prekey_work(struct kith_buf *out)
{
    struct e2e_prekey prekey;

    (void)out;
    return e2e_prekey_read(kith_buf_peek(&world->a.prekey_bytes[2]), E2E_PREKEY_KEM_OT, world->a.account_id,
                           &world->a.list.devices[0], WORLD_NOW, &prekey);
}

static kith_err payload_work(struct kith_buf *out)
{
    struct e2e_payload payload = {.content_type = kith_slice_str("text/plain"), .device_id = 1, .sseq = 1};

    return e2e_payload_encode(&payload, out);
}

static void test_e2e_memory__lists_prekeys_and_payloads_survive_every_failure(void **state)
{
    (void)state;
    assert_true(each_failure_with(&hooks, read_list_work) >= 5);
    assert_true(list.devices[0].is_accepted);
    assert_true(each_failure_with(&hooks, sign_list_work) >= 5);
    assert_true(each_failure_with(&hooks, add_acceptance_work) >= 3);
    kith_buf_init(&bare, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(e2e_device_list_sign(&world->a.list, world->a.aik_secret, NULL, 0, &bare), KITH_OK);
    assert_true(each_failure_with(&hooks, add_first_acceptance_work) >= 3);
    kith_buf_deinit(&bare);
    assert_true(each_failure_with(&hooks, certify_work) >= 2);
    assert_true(each_failure_with(&hooks, accept_place_work) >= 2);
    assert_true(each_failure_with(&hooks, new_prekey_work) >= 3);
    assert_true(each_failure_with(&hooks, read_prekey_work) >= 2);
    assert_true(each_failure_with(&hooks, payload_work) >= 1);
}

static int setup(void **state)
{
    struct kith_buf message;
    struct e2e_session *only_a;

    (void)state;
    plain = kith_slice_str("hello");
    world = world_new_answered(1);
    late = world_message(&world->a, world->at_a, "late");
    for (int i = 0; i < 3; i++) { /* the second one is lost for good, and is kept a little longer */
        message = world_message_at(&world->a, world->at_a, plain, WORLD_NOW);
        if (i != 1)
            world_need(world_take_at(&world->b, world->at_b, &message, "hello", WORLD_NOW + (uint64_t)i) == KITH_OK);
        kith_buf_deinit(&message);
    }
    world_need(e2e_session_facts(world->at_b).kept_keys == 2);
    before = world_state(world->at_b);
    message = world_message(&world->b, world->at_b, "turn");
    world_need(world_take(&world->a, world->at_a, &message, "turn") == KITH_OK);
    kith_buf_deinit(&message);
    for (int i = 0; i < 2; i++) {
        kith_buf_deinit(&next);
        next = world_message(&world->a, world->at_a, "next");
    }
    only_a = world_begin(&world->a, &world->b, true);
    first = world_message(&world->a, only_a, "first");
    e2e_session_free(only_a);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    e2e_session_free(session);
    kith_buf_wipe(&before);
    kith_buf_deinit(&late);
    kith_buf_deinit(&next);
    kith_buf_deinit(&first);
    world_free(world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_memory__sessions_survive_every_failure),
        cmocka_unit_test(test_e2e_memory__lists_prekeys_and_payloads_survive_every_failure),
    };
    if (!heap_is_ours()) {
        (void)puts("left out: malloc() is not ours");
        return 0;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
#endif
