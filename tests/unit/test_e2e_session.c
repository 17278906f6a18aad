#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e_world.h"

/* How a session begins: what both ends must have in common, and what is refused. Its messages: test_e2e_session_order.c. */

static void test_e2e_session__both_ends_begin_with_the_same_and_talk(void **state)
{
    (void)state;
    for (int has_one_time = 0; has_one_time < 2; has_one_time++) {
        struct world *world = world_new(10, has_one_time != 0);
        struct kith_buf message;

        assert_memory_equal(e2e_session_transcript(world->at_a), e2e_session_transcript(world->at_b), E2E_HASH_BYTES);
        for (int i = 0; i < 5; i++) {
            message = world_message(&world->b, world->at_b, "to A");
            assert_int_equal(world_take(&world->a, world->at_a, &message, "to A"), KITH_OK);
            kith_buf_deinit(&message);
            message = world_message(&world->a, world->at_a, "to B");
            assert_int_equal(world_take(&world->b, world->at_b, &message, "to B"), KITH_OK);
            kith_buf_deinit(&message);
        }
        world_free(world);
    }
}

static void test_e2e_session__the_set_up_is_repeated_until_an_answer_was_decrypted(void **state)
{
    struct world *world = world_new(20, true);
    struct kith_buf messages[3], answer;
    struct e2e_setup setup;

    (void)state;
    for (int i = 0; i < 3; i++) {
        messages[i] = world_message(&world->a, world->at_a, "again");
        assert_int_equal(e2e_message_setup(kith_buf_peek(&messages[i]), &setup), KITH_OK);
        assert_true(e2e_session_is_of(world->at_a, &setup));
        assert_true(e2e_session_is_of(world->at_b, &setup));
        assert_true(kith_buf_len(&messages[i]) <= 5 + E2E_MESSAGE_OVERHEAD_MAX);
    }
    assert_false(e2e_session_facts(world->at_a).is_answered);
    assert_true(e2e_session_facts(world->at_b).is_answered);
    answer = world_message(&world->b, world->at_b, "answer");
    assert_int_equal(e2e_message_setup(kith_buf_peek(&answer), &setup), KITH_E_NOTFOUND);
    assert_int_equal(world_take(&world->a, world->at_a, &answer, "answer"), KITH_OK);
    assert_true(e2e_session_facts(world->at_a).is_answered);
    /* B knows the session: the set-ups that still come are no new ones. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_take(&world->b, world->at_b, &messages[i], "again"), KITH_OK);
        kith_buf_deinit(&messages[i]);
    }
    kith_buf_deinit(&answer);
    answer = world_message(&world->a, world->at_a, "short");
    assert_int_equal(e2e_message_setup(kith_buf_peek(&answer), &setup), KITH_E_NOTFOUND);
    assert_int_equal(world_take(&world->b, world->at_b, &answer, "short"), KITH_OK);
    kith_buf_deinit(&answer);
    world_free(world);
}

static void test_e2e_session__begins_at_b_with_any_message_that_carries_the_set_up(void **state)
{
    struct world *world = world_new(30, true);
    struct e2e_session *at_a, *at_b = NULL;
    struct kith_buf messages[4], out;

    (void)state;
    for (int start = 0; start < 4; start++) {
        at_a = world_begin(&world->a, &world->b, true);
        for (int i = 0; i < 4; i++) messages[i] = world_message(&world->a, at_a, "one of four");
        kith_buf_init(&out, WORLD_PLAIN_MAX);
        assert_int_equal(world_accept(&world->b, &world->a, kith_buf_peek(&messages[start]), &at_b, &out), KITH_OK);
        assert_true(kith_slice_is(kith_buf_peek(&out), "one of four"));
        assert_int_equal(e2e_session_facts(at_b).kept_keys, start);
        for (int i = 0; i < 4; i++)
            assert_int_equal(world_take(&world->b, at_b, &messages[i], "one of four"),
                             i == start ? KITH_E_CONFLICT : KITH_OK);
        for (int i = 0; i < 4; i++) kith_buf_deinit(&messages[i]);
        kith_buf_deinit(&out);
        e2e_session_free(at_a);
        e2e_session_free(at_b);
    }
    world_free(world);
}

static void test_e2e_session__both_may_begin_at_once(void **state)
{
    struct world *world = world_new(40, true);
    struct e2e_session *a_began = world_begin(&world->a, &world->b, true), *a_accepted = NULL;
    struct e2e_session *b_began = world_begin(&world->b, &world->a, true), *b_accepted = NULL;
    struct kith_buf from_a = world_message(&world->a, a_began, "from A"),
                    from_b = world_message(&world->b, b_began, "from B"), out;

    (void)state;
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    assert_int_equal(world_accept(&world->b, &world->a, kith_buf_peek(&from_a), &b_accepted, &out), KITH_OK);
    assert_int_equal(world_accept(&world->a, &world->b, kith_buf_peek(&from_b), &a_accepted, &out), KITH_OK);
    assert_true(kith_slice_is(kith_buf_peek(&out), "from Afrom B"));
    assert_memory_equal(e2e_session_transcript(a_began), e2e_session_transcript(b_accepted), E2E_HASH_BYTES);
    assert_memory_equal(e2e_session_transcript(b_began), e2e_session_transcript(a_accepted), E2E_HASH_BYTES);
    assert_memory_not_equal(e2e_session_transcript(a_began), e2e_session_transcript(b_began), E2E_HASH_BYTES);
    kith_buf_deinit(&from_a);
    kith_buf_deinit(&from_b);
    /* Both go on, whichever of them is sent with. */
    from_a = world_message(&world->a, a_accepted, "from A");
    from_b = world_message(&world->b, b_accepted, "from B");
    assert_int_equal(world_take(&world->b, b_began, &from_a, "from A"), KITH_OK);
    assert_int_equal(world_take(&world->a, a_began, &from_b, "from B"), KITH_OK);
    kith_buf_deinit(&from_a);
    kith_buf_deinit(&from_b);
    kith_buf_deinit(&out);
    e2e_session_free(a_began);
    e2e_session_free(a_accepted);
    e2e_session_free(b_began);
    e2e_session_free(b_accepted);
    world_free(world);
}

static void test_e2e_session__ones_own_message_reflected_is_refused(void **state)
{
    struct world *world = world_new(50, true);
    struct e2e_session *session = NULL;
    struct kith_buf message, out;

    (void)state;
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    message = world_message(&world->a, world->at_a, "mine");
    assert_int_equal(world_take(&world->a, world->at_a, &message, "mine"), KITH_E_DENIED);
    /* As if B had begun with it: A has not the private halves that it names. */
    assert_int_equal(world_accept(&world->a, &world->b, kith_buf_peek(&message), &session, &out), KITH_E_NOTFOUND);
    kith_buf_deinit(&message);
    message = world_message(&world->b, world->at_b, "mine");
    assert_int_equal(world_take(&world->b, world->at_b, &message, "mine"), KITH_E_DENIED);
    assert_int_equal(world_take(&world->a, world->at_a, &message, "mine"), KITH_OK);
    kith_buf_deinit(&message);
    message = world_message(&world->a, world->at_a, "mine");
    assert_int_equal(world_take(&world->a, world->at_a, &message, "mine"), KITH_E_DENIED);
    kith_buf_deinit(&message);
    kith_buf_deinit(&out);
    world_free(world);
}

/* ---------------------------------------------------------------------------------------------- suites */
static kith_err begin_with(struct world *world, const char *suites_a, const char *suites_b,
                           struct e2e_session **session)
{
    struct e2e_device_list *a = &world->a.list, *b = &world->b.list;
    const struct e2e_self self = world_self(&world->a);
    const struct e2e_end peer = world_end(&world->b);
    const struct e2e_bundle bundle = world_bundle(&world->b, true);

    a->suite_count = (uint32_t)strlen(suites_a);
    memcpy(a->suites, suites_a, a->suite_count);
    b->suite_count = (uint32_t)strlen(suites_b);
    memcpy(b->suites, suites_b, b->suite_count);
    return e2e_session_begin(&world->a.random, &self, &peer, &bundle, WORLD_NOW, session);
}

static void test_e2e_session__takes_the_highest_suite_that_both_have_and_no_other(void **state)
{
    static const struct {
        const char *a, *b;
        kith_err err;
    } rows[] = {
        {"\2", "\2", KITH_OK},
        {"\1\2", "\2", KITH_OK},
        {"\2\3", "\1\2", KITH_OK},
        {"\2\4", "\2\3", KITH_OK},
        {"\1", "\1", KITH_E_UNSUPPORTED},
        {"\1", "\1\2", KITH_E_UNSUPPORTED},
        {"\2", "\3", KITH_E_UNSUPPORTED},
        {"\3", "\2", KITH_E_UNSUPPORTED},
        {"\2\3", "\2\3", KITH_E_UNSUPPORTED},
        {"\1\3", "\2\3", KITH_E_UNSUPPORTED},
    };
    struct world *world = world_new(60, true);
    struct e2e_session *session, *accepted;
    struct kith_buf message, out;

    (void)state;
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(begin_with(world, rows[i].a, rows[i].b, &session), rows[i].err);
        if (rows[i].err == KITH_OK)
            assert_non_null(session);
        else
            assert_null(session);
        e2e_session_free(session);
    }
    /* Whoever has since learned that both could do better, or not this one, does not accept it. */
    assert_int_equal(begin_with(world, "\2", "\2", &session), KITH_OK);
    message = world_message(&world->a, session, "hello");
    e2e_session_free(session);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        kith_err err = begin_with(world, rows[i].a, rows[i].b, &session);
        assert_int_equal(world_accept(&world->b, &world->a, kith_buf_peek(&message), &accepted, &out), err);
        e2e_session_free(session);
        e2e_session_free(accepted);
    }
    /* The suite is the first field of the set-up, the second of the message. */
    assert_int_equal(begin_with(world, "\1\2\3", "\1\2", &session), KITH_OK);
    e2e_session_free(session);
    for (uint8_t suite = 0; suite < 5; suite++) {
        struct e2e_setup setup;
        message.ptr[7 + 6 + 6] = suite;
        assert_int_equal(e2e_message_setup(kith_buf_peek(&message), &setup),
                         suite == E2E_SUITE_PQ ? KITH_OK : KITH_E_UNSUPPORTED);
    }
    kith_buf_deinit(&message);
    kith_buf_deinit(&out);
    world_free(world);
}

/* ---------------------------------------------------------------------------------------------- what is refused */
/* The first message of a new session, and what B makes of it after `change`. */
static kith_err accept_after(struct world *world, void (*change)(struct world *world))
{
    struct e2e_session *at_a = world_begin(&world->a, &world->b, true), *at_b = NULL;
    struct kith_buf message = world_message(&world->a, at_a, "hello"), out;
    const struct e2e_device_list list_a = world->a.list, list_b = world->b.list;
    kith_err err;

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    change(world);
    err = world_accept(&world->b, &world->a, kith_buf_peek(&message), &at_b, &out);
    world->a.list = list_a;
    world->b.list = list_b;
    if (err == KITH_OK) assert_true(kith_slice_is(kith_buf_peek(&out), "hello"));
    if (err != KITH_OK) assert_true(at_b == NULL && kith_buf_len(&out) == 0);
    kith_buf_deinit(&message);
    kith_buf_deinit(&out);
    e2e_session_free(at_a);
    e2e_session_free(at_b);
    return err;
}

static void nothing(struct world *world)
{
    (void)world;
}
static void account_of_a(struct world *world)
{
    world->a.list.account_id[0] ^= 1;
}
static void device_of_a(struct world *world)
{
    world->a.list.devices[0].device_id ^= 1;
}
static void ark_of_a(struct world *world)
{
    world->a.list.ark_pub[0] ^= 1;
}
static void dsk_of_a(struct world *world)
{
    world->a.list.devices[0].dsk_pub[0] ^= 1;
}
static void ddh_of_a(struct world *world)
{
    memcpy(world->a.list.devices[0].ddh_pub, world->b.list.devices[0].ddh_pub, E2E_DH_BYTES);
}
static void hash_of_a(struct world *world)
{
    world->a.list.hash[0] ^= 1;
}
static void older_list_of_a(struct world *world)
{
    world->a.list.seq--;
}
static void account_of_b(struct world *world)
{
    world->b.list.account_id[0] ^= 1;
}
static void device_of_b(struct world *world)
{
    world->b.list.devices[0].device_id ^= 1;
}
static void ark_of_b(struct world *world)
{
    world->b.list.ark_pub[0] ^= 1;
}
static void dsk_of_b(struct world *world)
{
    world->b.list.devices[0].dsk_pub[0] ^= 1;
}
static void ddh_of_b(struct world *world)
{
    world->b.list.devices[0].ddh_pub[0] ^= 1;
}
static void hash_of_b(struct world *world)
{
    world->b.list.hash[0] ^= 1;
}
static void older_list_of_b(struct world *world)
{
    world->b.list.seq--;
}
static void a_is_not_accepted(struct world *world)
{
    world->a.list.devices[0].is_accepted = false;
}
static void newer_lists(struct world *world)
{
    world->a.list.seq++;
    world->a.list.hash[0] ^= 1;
    world->b.list.seq++;
    world->b.list.hash[0] ^= 1;
}

/* Whatever one end sees otherwise than the other: there is no session. */
static void test_e2e_session__both_see_the_same_accounts_devices_and_lists(void **state)
{
    static void (*const changes[])(struct world *) = {
        account_of_a, device_of_a, ark_of_a, dsk_of_a, ddh_of_a,  hash_of_a,       older_list_of_a,   account_of_b,
        device_of_b,  ark_of_b,    dsk_of_b, ddh_of_b, hash_of_b, older_list_of_b, a_is_not_accepted,
    };
    struct world *world = world_new(70, true);

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        assert_int_equal(accept_after(world, changes[i]), KITH_E_DENIED);
    assert_int_equal(accept_after(world, nothing), KITH_OK);
    assert_int_equal(accept_after(world, newer_lists), KITH_OK); /* A's message was on its way */
    world_free(world);
}

static void test_e2e_session__every_key_that_the_set_up_names_must_be_there(void **state)
{
    struct world *world = world_new(80, true);
    const struct e2e_self self = world_self(&world->b);
    const struct e2e_end peer = world_end(&world->a);
    const struct e2e_prekey_secret *s = world->b.secrets;
    struct e2e_prekey_secret other_spk = s[0], other_opk = s[1], other_kem = s[2];
    const struct e2e_setup_keys rows[] = {
        {.spk = &other_spk, .opk = &s[1], .kem = &s[2]}, {.spk = &s[0], .opk = &other_opk, .kem = &s[2]},
        {.spk = &s[0], .opk = &s[1], .kem = &other_kem}, {.spk = &s[0], .opk = NULL, .kem = &s[2]},
        {.spk = &s[0], .opk = &s[1], .kem = &s[3]},      {.spk = &s[0], .opk = &s[1], .kem = &s[2]},
    };
    struct e2e_session *session;
    struct kith_buf message = world_message(&world->a, world->at_a, "hello"), out;

    (void)state;
    other_spk.id++;
    other_opk.id++;
    other_kem.id++;
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    for (int i = 0; i < 3; i++) { /* an id is one of its kind */
        struct e2e_prekey_secret kinds[3] = {s[0], s[1], s[2]};
        const struct e2e_setup_keys keys = {.spk = &kinds[0], .opk = &kinds[1], .kem = &kinds[2]};
        kinds[i].kind = i == 2 ? E2E_PREKEY_KEM_LR : (enum e2e_prekey_kind)(E2E_PREKEY_OPK - i);
        assert_int_equal(e2e_session_accept(&world->b.random, &self, &peer, &keys, kith_buf_peek(&message), WORLD_NOW,
                                            &session, &out),
                         KITH_E_NOTFOUND);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(e2e_session_accept(&world->b.random, &self, &peer, &rows[i], kith_buf_peek(&message),
                                            WORLD_NOW, &session, &out),
                         i < 5 ? KITH_E_NOTFOUND : KITH_OK);
        e2e_session_free(session);
    }
    kith_buf_deinit(&message);
    /* The id fits, the secret is another. */
    other_kem.id--;
    other_kem.secret[0] ^= 1;
    message = world_message(&world->a, world->at_a, "hello");
    {
        const struct e2e_setup_keys keys = {.spk = &s[0], .opk = &s[1], .kem = &other_kem};
        assert_int_equal(e2e_session_accept(&world->b.random, &self, &peer, &keys, kith_buf_peek(&message), WORLD_NOW,
                                            &session, &out),
                         KITH_E_DENIED);
        assert_null(session);
    }
    kith_buf_deinit(&message);
    kith_buf_deinit(&out);
    world_free(world);
}

static void test_e2e_session__no_one_time_key_that_the_set_up_does_not_name(void **state)
{
    struct world *world = world_new(85, false);
    const struct e2e_self self = world_self(&world->b);
    const struct e2e_end peer = world_end(&world->a);
    const struct e2e_prekey_secret *s = world->b.secrets;
    struct kith_buf message = world_message(&world->a, world->at_a, "hello"), out;

    (void)state;
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    for (int has_opk = 0; has_opk < 2; has_opk++) {
        const struct e2e_setup_keys keys = {.spk = &s[0], .opk = has_opk ? &s[1] : NULL, .kem = &s[3]};
        struct e2e_session *session;
        assert_int_equal(e2e_session_accept(&world->b.random, &self, &peer, &keys, kith_buf_peek(&message), WORLD_NOW,
                                            &session, &out),
                         has_opk ? KITH_E_NOTFOUND : KITH_OK);
        e2e_session_free(session);
    }
    kith_buf_deinit(&message);
    kith_buf_deinit(&out);
    world_free(world);
}

static void test_e2e_session__does_not_begin_with_keys_that_are_none(void **state)
{
    struct world *world = world_new(90, true);
    const struct e2e_self self = world_self(&world->a);
    const struct e2e_end peer = world_end(&world->b);
    const struct e2e_bundle good = world_bundle(&world->b, true);
    struct e2e_prekey spk = *good.spk, opk = *good.opk, kem = *good.kem;
    const struct e2e_bundle rows[] = {
        {.spk = &spk, .opk = good.opk, .kem = good.kem},
        {.spk = good.spk, .opk = &opk, .kem = good.kem},
        {.spk = good.spk, .opk = good.opk, .kem = &kem},
    };
    struct e2e_session *session;

    (void)state;
    memset(spk.public, 0, E2E_DH_BYTES);
    opk.public[31] |= 0x80;
    memset(kem.public, 0xff, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(e2e_session_begin(&world->a.random, &self, &peer, &rows[i], WORLD_NOW, &session),
                         KITH_E_MALFORMED);
        assert_null(session);
    }
    world->b.list.devices[0].is_accepted = false;
    assert_int_equal(e2e_session_begin(&world->a.random, &self, &peer, &good, WORLD_NOW, &session), KITH_E_DENIED);
    assert_null(session);
    world_free(world);
}

static void test_e2e_session__a_damaged_first_message_begins_nothing(void **state)
{
    struct world *world = world_new(100, true);
    struct e2e_session *at_a = world_begin(&world->a, &world->b, true), *at_b = NULL;
    struct kith_buf message = world_message(&world->a, at_a, "hello"), out;
    struct e2e_setup setup;

    (void)state;
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    for (size_t len = 0; len < kith_buf_len(&message); len++) {
        assert_int_equal(world_accept(&world->b, &world->a, kith_slice_of(message.ptr, len), &at_b, &out),
                         KITH_E_MALFORMED);
        assert_null(at_b);
    }
    for (size_t at = 0; at < kith_buf_len(&message); at++) {
        message.ptr[at] ^= (uint8_t)(1u << at % 8);
        assert_int_not_equal(world_accept(&world->b, &world->a, kith_buf_peek(&message), &at_b, &out), KITH_OK);
        assert_null(at_b);
        assert_int_equal(kith_buf_len(&out), 0);
        message.ptr[at] ^= (uint8_t)(1u << at % 8);
    }
    assert_int_equal(world_accept(&world->b, &world->a, kith_buf_peek(&message), &at_b, &out), KITH_OK);
    assert_true(kith_slice_is(kith_buf_peek(&out), "hello"));
    kith_buf_deinit(&message);
    /* An answer has no set-up, and is no beginning. */
    message = world_message(&world->b, at_b, "answer");
    assert_int_equal(e2e_message_setup(kith_buf_peek(&message), &setup), KITH_E_NOTFOUND);
    {
        const struct e2e_self self = world_self(&world->a);
        const struct e2e_end peer = world_end(&world->b);
        const struct e2e_setup_keys keys = {.spk = &world->a.secrets[0], .kem = &world->a.secrets[2]};
        struct e2e_session *none;
        assert_int_equal(
            e2e_session_accept(&world->a.random, &self, &peer, &keys, kith_buf_peek(&message), WORLD_NOW, &none, &out),
            KITH_E_MALFORMED);
        assert_null(none);
    }
    kith_buf_deinit(&message);
    kith_buf_deinit(&out);
    e2e_session_free(at_a);
    e2e_session_free(at_b);
    world_free(world);
}

/* Which of a device's sessions a message is of, its set-up says; one with another's set-up is refused. */
static void test_e2e_session__a_message_with_another_sessions_set_up_is_refused(void **state)
{
    struct world *world = world_new(110, true);
    struct e2e_session *at_a = world_begin(&world->a, &world->b, false);
    struct kith_buf message = world_message(&world->a, at_a, "hello");
    struct e2e_setup setup;

    (void)state;
    assert_int_equal(e2e_message_setup(kith_buf_peek(&message), &setup), KITH_OK);
    assert_int_equal(setup.opk_id, 0);
    assert_true(setup.kem_is_last);
    assert_int_equal(setup.device_a, world->a.list.devices[0].device_id);
    assert_false(e2e_session_is_of(world->at_b, &setup));
    assert_int_equal(world_take(&world->b, world->at_b, &message, "hello"), KITH_E_DENIED);
    kith_buf_deinit(&message);
    e2e_session_free(at_a);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_session__both_ends_begin_with_the_same_and_talk),
        cmocka_unit_test(test_e2e_session__the_set_up_is_repeated_until_an_answer_was_decrypted),
        cmocka_unit_test(test_e2e_session__begins_at_b_with_any_message_that_carries_the_set_up),
        cmocka_unit_test(test_e2e_session__both_may_begin_at_once),
        cmocka_unit_test(test_e2e_session__ones_own_message_reflected_is_refused),
        cmocka_unit_test(test_e2e_session__takes_the_highest_suite_that_both_have_and_no_other),
        cmocka_unit_test(test_e2e_session__both_see_the_same_accounts_devices_and_lists),
        cmocka_unit_test(test_e2e_session__every_key_that_the_set_up_names_must_be_there),
        cmocka_unit_test(test_e2e_session__no_one_time_key_that_the_set_up_does_not_name),
        cmocka_unit_test(test_e2e_session__does_not_begin_with_keys_that_are_none),
        cmocka_unit_test(test_e2e_session__a_damaged_first_message_begins_nothing),
        cmocka_unit_test(test_e2e_session__a_message_with_another_sessions_set_up_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
