#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "trio.h"

/* A server that lies about who has which devices: rows 2 and 3 of the attack table. */

/* ------------------------------------------------------------------------------------------------ 2 */
/* A device that the account's key has not signed for is nobody: whatever key the server signs with instead. */
static void test_malicious__e2e_02_a_device_that_the_account_did_not_sign_for(void **state)
{
    struct trio *trio = trio_new(2000);
    struct town_device *spy = town_join(trio->town);
    struct forge_keys keys[2] = {forge_keys_of(trio->ann), forge_keys_of(spy)}, spys = forge_keys_of(spy);
    struct e2e_device_list *list = forge_next(trio->ann->person, trio->town->now_ms), *spy_list;
    struct kith_buf honest, forged;
    const struct kith_slice newest = kith_buf_peek(&trio->ann->person->lists[trio->ann->person->list_count - 1]);

    (void)state;
    trio_talk(trio);
    spy_list = town_list_of(spy->person);
    /* The spy's device in ann's list, signed by the spy's own list key: ann's root key certified another. */
    list->devices[0] = spy_list->devices[0];
    list->device_count = 1;
    memcpy(list->aik_pub, spy_list->aik_pub, sizeof list->aik_pub);
    forged = forge_list(list, spys.aik, &keys[1], 1);
    assert_int_equal(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&forged)), KITH_E_DENIED);
    kith_buf_deinit(&forged);
    /* With the spy's certificate and root key besides: that is another identity, not ann. Row 23. */
    memcpy(list->certificate, spy_list->certificate, sizeof list->certificate);
    forged = forge_list(list, spys.aik, &keys[1], 1);
    assert_int_equal(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&forged)), KITH_E_DENIED);
    kith_buf_deinit(&forged);
    /* Another account's list under ann's name. */
    assert_int_equal(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&spy->person->lists[0])), KITH_E_DENIED);
    assert_int_equal(trio_give(trio, trio->bob, spy, newest), KITH_E_DENIED);
    /* Any byte of the true list. */
    honest = forge_copy(newest);
    for (size_t i = 0; i < kith_buf_len(&honest); i++) {
        size_t accepts_at = (size_t)(forge_field(kith_buf_peek(&honest), 3, NULL) - kith_buf_peek(&honest).ptr);
        honest.ptr[honest.head + i] ^= 4;
        /* Whoever damages an acceptance leaves a device out, and adds none. */
        if (i < accepts_at)
            assert_int_not_equal(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&honest)), KITH_OK);
        honest.ptr[honest.head + i] ^= 4;
    }
    kith_buf_deinit(&honest);
    assert_int_equal(trio_trust(trio->bob, trio->ann), E2E_TRUST_KNOWN);
    (void)town_send(trio->bob, &trio->chat, "as ever");
    assert_int_equal(town_read(trio->ann) + town_read(trio->tablet), 2);
    free(list);
    free(spy_list);
    trio_free(trio);
}

/* Signed for by the account, not accepted by itself: nothing goes to it and nothing of it is taken. */
static void test_malicious__e2e_02_a_device_that_has_not_accepted(void **state)
{
    struct trio *trio = trio_new(2001);
    struct town_person *of = trio->ann->person;
    struct kith_buf *newest = &of->lists[of->list_count - 1];
    struct kith_buf bare = forge_with(kith_buf_peek(newest), 3, (struct kith_slice){0});
    struct e2e_claimed claimed = {.kem_is_last = true};
    struct town_mail *mail;

    (void)state;
    (void)town_send(trio->tablet, &trio->chat, "before bob knows anybody");
    town_need(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&bare)) == KITH_OK);
    {
        struct e2e_envelope envelope = town_envelope(&trio->town->mails[0], trio->bob);
        envelope.is_fresh = envelope.is_own_fresh = true;
        assert_int_equal(forge_refused(trio->bob, envelope), KITH_E_DENIED);
    }
    claimed.spk = kith_buf_peek(&trio->tablet->spk);
    claimed.kem = kith_buf_peek(&trio->tablet->kem_lr);
    memcpy(claimed.account_id, of->id, sizeof claimed.account_id);
    memcpy(claimed.server_device, trio->tablet->server_device, sizeof claimed.server_device);
    assert_int_equal(e2e_account_bundle(trio->bob->account, trio->town->now_ms, &claimed), KITH_E_NOTFOUND);
    /* One of two: the other still gets it. */
    {
        struct forge_keys keys = forge_keys_of(trio->ann);
        struct e2e_device_list *list = town_list_of(of);
        struct kith_buf one = forge_list(list, keys.aik, &keys, 1);
        town_need(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&one)) == KITH_OK);
        trio_lie(trio, trio->bob, trio->ann, kith_buf_peek(&one));
        mail = town_send(trio->bob, &trio->chat, "to one of two");
        assert_int_equal(town_body(mail, trio->tablet).len, 0);
        assert_true(town_body(mail, trio->ann).len > 0);
        kith_buf_deinit(&one);
        free(list);
    }
    kith_buf_deinit(&bare);
    trio_free(trio);
}

/* An account's list that claims what the server calls another's device by: it gets that one's copy no more than its own. */
static void test_malicious__e2e_02_a_list_that_claims_a_device_of_another(void **state)
{
    struct trio *trio = trio_new(2002);
    struct town_device *carol = town_join(trio->town);
    const struct town_person *people[] = {trio->ann->person, trio->bob->person, carol->person};
    struct town_chat chat = town_chat_of(trio->town, people, 3);
    struct forge_keys keys = forge_keys_of(carol);

    (void)state;
    (void)town_send(trio->ann, &chat, "in good faith"); /* there are sessions with all */
    for (int i = 0; i < 2; i++) {
        struct e2e_device_list *list = forge_next(carol->person, trio->town->now_ms);
        const struct town_device *victim = i == 0 ? trio->bob : trio->tablet;
        struct town_mail *mail;
        struct kith_buf forged, sealed;
        struct e2e_seal seal = town_seal_of(&chat, chat.id, "to whom it belongs", trio->town->now_ms);
        memcpy(list->devices[0].server_device, victim->server_device, E2E_SERVER_DEVICE_BYTES);
        forged = forge_list(list, keys.aik, &keys, 1);
        town_list_put(carol->person, kith_buf_peek(&forged));
        kith_buf_init(&sealed, KITH_MESSAGE_BYTES_MAX);
        e2e_account_stale(trio->ann->account, carol->person->id);
        /* One of the two that claim it gets it; what is ours is nobody else's, and carol has no other. */
        assert_int_equal(town_seal(trio->ann, &seal, &sealed), i == 0 ? KITH_OK : KITH_E_AGAIN);
        {
            struct town_chat two = town_chat_two(trio->ann, trio->bob);
            mail = town_send(trio->ann, &two, "and on");
            assert_int_equal(town_open(trio->bob, mail, NULL), KITH_OK);
            assert_int_equal(town_open(trio->tablet, mail, NULL), KITH_OK);
        }
        kith_buf_deinit(&sealed);
        kith_buf_deinit(&forged);
        free(list);
    }
    trio_free(trio);
}

static void test_malicious__e2e_02_bundles_are_of_the_device_that_was_asked_for(void **state)
{
    struct trio *trio = trio_new(2003);
    struct town_device *spy = town_join(trio->town), *devices[] = {trio->ann, trio->tablet, trio->bob, spy};
    struct e2e_claimed claimed;

    (void)state;
    for (int i = 0; i < 4; i++) assert_int_equal(town_fetch_list(spy, devices[i]->person), KITH_OK);
    for (int of = 0; of < 3; of++) {
        for (int from = 0; from < 4; from++) {
            for (int part = 0; part < 2 && from != of; part++) {
                claimed = (struct e2e_claimed){.kem_is_last = true};
                memcpy(claimed.account_id, devices[of]->person->id, sizeof claimed.account_id);
                memcpy(claimed.server_device, devices[of]->server_device, sizeof claimed.server_device);
                claimed.spk = kith_buf_peek(&devices[part == 0 ? from : of]->spk);
                claimed.kem = kith_buf_peek(&devices[part == 0 ? of : from]->kem_lr);
                assert_int_equal(e2e_account_bundle(spy->account, trio->town->now_ms, &claimed), KITH_E_DENIED);
            }
        }
    }
    /* Of oneself, and unasked when there is a session already. */
    claimed = (struct e2e_claimed){.kem_is_last = true};
    memcpy(claimed.account_id, spy->person->id, sizeof claimed.account_id);
    memcpy(claimed.server_device, spy->server_device, sizeof claimed.server_device);
    claimed.spk = kith_buf_peek(&spy->spk);
    claimed.kem = kith_buf_peek(&spy->kem_lr);
    assert_int_equal(e2e_account_bundle(spy->account, trio->town->now_ms, &claimed), KITH_E_DENIED);
    memcpy(claimed.account_id, trio->bob->person->id, sizeof claimed.account_id);
    memcpy(claimed.server_device, trio->bob->server_device, sizeof claimed.server_device);
    claimed.spk = kith_buf_peek(&trio->bob->spk);
    claimed.kem = kith_buf_peek(&trio->bob->kem_lr);
    assert_int_equal(e2e_account_bundle(spy->account, trio->town->now_ms, &claimed), KITH_OK);
    assert_int_equal(e2e_account_bundle(spy->account, trio->town->now_ms, &claimed), KITH_E_CONFLICT);
    trio->town->now_ms += 14 * TOWN_DAY_MS; /* expired */
    assert_int_equal(town_fetch_list(trio->tablet, trio->bob->person), KITH_OK);
    assert_int_equal(e2e_account_bundle(trio->tablet->account, trio->town->now_ms, &claimed), KITH_E_DENIED);
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 3 */
static void test_malicious__e2e_03_an_old_list_is_ignored(void **state)
{
    struct trio *trio = trio_new(3000);
    const struct town_person *of = trio->ann->person;
    const struct kith_slice first = kith_buf_peek(&of->lists[0]);

    (void)state;
    trio_talk(trio);
    assert_int_equal(trio_give(trio, trio->bob, trio->ann, first), KITH_OK);
    assert_int_equal(e2e_account_person(trio->bob->account, of->id).list->seq, 2);
    assert_int_equal(e2e_account_person(trio->bob->account, of->id).list->device_count, 2);
    assert_int_equal(trio_give(trio, trio->tablet, trio->ann, first), KITH_OK);
    assert_int_equal(e2e_account_state(trio->tablet->account), E2E_ACCOUNT_READY);
    /* A gap, and then what fills it. */
    (void)town_link(trio->ann);
    (void)town_link(trio->ann);
    assert_int_equal(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&of->lists[3])), KITH_E_NOTFOUND);
    assert_int_equal(e2e_account_person(trio->bob->account, of->id).list->seq, 2);
    assert_int_equal(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&of->lists[2])), KITH_OK);
    assert_int_equal(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&of->lists[3])), KITH_OK);
    assert_int_equal(e2e_account_person(trio->bob->account, of->id).list->device_count, 4);
    trio_free(trio);
}

/* A message says that there is a newer list, and the server holds it back: nothing is sent by the old one, ever. */
static void test_malicious__e2e_03_a_list_that_is_held_back_stops_the_talk(void **state)
{
    struct trio *trio = trio_new(3001);
    const struct town_person *of = trio->ann->person;
    size_t place;

    (void)state;
    trio_talk(trio);
    town_need(e2e_account_remove_device(trio->ann->account, trio->town->now_ms, trio->tablet->server_device) ==
              KITH_OK);
    town_upload(trio->ann);
    for (int i = 0; i < 2; i++) {
        trio_lie(trio, trio->bob, trio->ann, i == 0 ? (struct kith_slice){0} : kith_buf_peek(&of->lists[1]));
        if (i == 0) (void)town_send(trio->ann, &trio->chat, "the tablet is gone");
        if (i == 0) assert_int_equal(town_read(trio->bob), 1);
        assert_int_equal(town_try_send(trio->bob, &trio->chat, "no", &place), KITH_E_AGAIN);
        town_restart(trio->bob);
        assert_int_equal(town_try_send(trio->bob, &trio->chat, "no", &place), KITH_E_AGAIN);
    }
    trio_lie(trio, NULL, trio->ann, (struct kith_slice){0});
    assert_int_equal(town_body(town_send(trio->bob, &trio->chat, "at last"), trio->tablet).len, 0);
    assert_int_equal(town_read(trio->ann), 1);
    trio_free(trio);
}

/* What was heard of is not forgotten when an older message comes after it. */
static void test_malicious__e2e_03_the_highest_number_that_was_heard_counts(void **state)
{
    struct trio *trio = trio_new(3008);
    const struct town_person *of = trio->ann->person;
    struct town_mail *third, *fourth;
    size_t place;

    (void)state;
    trio_talk(trio);
    (void)town_link(trio->ann);
    third = town_send(trio->ann, &trio->chat, "with the third list");
    (void)town_link(trio->ann);
    fourth = town_send(trio->ann, &trio->chat, "with the fourth");
    trio_lie(trio, trio->bob, trio->ann, (struct kith_slice){0});
    assert_int_equal(town_open(trio->bob, fourth, NULL), KITH_OK);
    assert_int_equal(town_open(trio->bob, third, NULL), KITH_OK);
    assert_int_equal(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&of->lists[2])), KITH_OK);
    assert_int_equal(town_try_send(trio->bob, &trio->chat, "no", &place), KITH_E_AGAIN);
    assert_int_equal(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(&of->lists[3])), KITH_OK);
    trio_lie(trio, NULL, trio->ann, (struct kith_slice){0});
    (void)town_send(trio->bob, &trio->chat, "at last");
    trio_free(trio);
}

/* Two lists of one number: ann's phone and bob see one, the tablet the other. */
struct fork {
    struct trio *trio;
    struct kith_buf one, other;
};

static struct fork fork_new(uint64_t seed, bool with_sessions)
{
    struct fork fork = {.trio = trio_new(seed)};
    struct trio *trio = fork.trio;
    struct forge_keys keys[] = {forge_keys_of(trio->ann), forge_keys_of(trio->tablet)};
    struct e2e_device_list *list = forge_next(trio->ann->person, trio->town->now_ms);

    if (with_sessions) trio_talk(trio);
    fork.one = forge_list(list, keys[0].aik, keys, 2);
    list->issued_at_ms++;
    fork.other = forge_list(list, keys[0].aik, keys, 2);
    town_list_put(trio->ann->person, kith_buf_peek(&fork.one));
    trio_lie(trio, trio->tablet, trio->ann, kith_buf_peek(&fork.other));
    assert_int_equal(town_fetch_list(trio->tablet, trio->ann->person), KITH_OK);
    assert_int_equal(town_fetch_list(trio->bob, trio->ann->person), KITH_OK);
    free(list);
    return fork;
}

static void fork_free(struct fork *fork)
{
    kith_buf_deinit(&fork->one);
    kith_buf_deinit(&fork->other);
    trio_free(fork->trio);
}

static void test_malicious__e2e_03_a_fork_is_told_on_both_sides_by_one_exchange(void **state)
{
    struct fork fork = fork_new(3002, true);
    struct trio *trio = fork.trio;
    struct town_mail *there, *back;
    size_t place;

    (void)state;
    there = town_send(trio->tablet, &trio->chat, "with the other list");
    back = town_send(trio->bob, &trio->chat, "with the one");
    assert_int_equal(town_open(trio->bob, there, NULL), KITH_OK);
    assert_int_equal(town_open(trio->tablet, back, NULL), KITH_OK);
    assert_int_equal(trio_trust(trio->bob, trio->ann), E2E_TRUST_FORKED);
    assert_int_equal(trio_trust(trio->tablet, trio->bob), E2E_TRUST_FORKED);
    town_restart(trio->bob);
    town_restart(trio->tablet);
    assert_int_equal(town_try_send(trio->bob, &trio->chat, "no", &place), KITH_E_DENIED);
    assert_int_equal(town_try_send(trio->tablet, &trio->chat, "no", &place), KITH_E_DENIED);
    assert_int_equal(e2e_account_verify(trio->bob->account, trio->ann->person->id, true), KITH_E_NOTFOUND);
    /* The phone hears it from the tablet: the own account, which only its own devices can say that of. */
    assert_int_equal(town_fetch_list(trio->ann, trio->ann->person), KITH_OK);
    assert_int_equal(town_open(trio->ann, there, NULL), KITH_OK);
    assert_int_equal(trio_trust(trio->ann, trio->ann), E2E_TRUST_FORKED);
    fork_free(&fork);
}

/* In a first message it is as much a fork, and begins no session. */
static void test_malicious__e2e_03_a_fork_in_a_set_up(void **state)
{
    for (int way = 0; way < 2; way++) {
        struct fork fork = fork_new(3003, false);
        struct trio *trio = fork.trio;
        struct town_device *from = way == 0 ? trio->tablet : trio->bob, *to = way == 0 ? trio->bob : trio->tablet;
        struct town_mail *mail = town_send(from, &trio->chat, "first");
        size_t place;

        (void)state;
        assert_int_equal(town_fetch_list(to, from->person), KITH_OK);
        assert_int_equal(town_open(to, mail, NULL), KITH_E_DENIED);
        assert_int_equal(trio_trust(to, from), E2E_TRUST_FORKED);
        town_restart(to);
        assert_int_equal(town_try_send(to, &trio->chat, "no", &place), KITH_E_DENIED);
        fork_free(&fork);
    }
}

/* The list itself: two of one number, or the next one of another. */
static void test_malicious__e2e_03_a_fork_that_the_server_shows(void **state)
{
    for (int way = 0; way < 2; way++) {
        struct fork fork = fork_new(3004, true);
        struct trio *trio = fork.trio;
        struct forge_keys keys = forge_keys_of(trio->ann);
        struct e2e_device_list *list = forge_next(trio->ann->person, trio->town->now_ms);
        struct kith_buf next;
        size_t place;

        (void)state;
        list->prev_hash[0] ^= 1;
        next = forge_list(list, keys.aik, &keys, 1);
        assert_int_equal(trio_give(trio, trio->bob, trio->ann, kith_buf_peek(way == 0 ? &fork.other : &next)),
                         KITH_E_CONFLICT);
        assert_int_equal(trio_trust(trio->bob, trio->ann), E2E_TRUST_FORKED);
        town_restart(trio->bob);
        assert_int_equal(town_try_send(trio->bob, &trio->chat, "no", &place), KITH_E_DENIED);
        kith_buf_deinit(&next);
        free(list);
        fork_free(&fork);
    }
}

/* Nobody but who has the keys can say that there is a fork, and of our own list a contact cannot say it to others' harm. */
static void test_malicious__e2e_03_a_fork_that_is_only_claimed(void **state)
{
    struct trio *trio = trio_new(3005);
    struct town_device *carol = town_join(trio->town);
    struct town_chat other = town_chat_two(trio->ann, carol);
    struct town_mail *mail = town_send(trio->bob, &trio->chat, "the first"), *late;
    const uint16_t hashes[] = {4, 6};
    uint8_t msg_id[E2E_ID_BYTES] = {1};
    struct e2e_payload payload;
    struct kith_buf lying, forged;
    size_t place;

    (void)state;
    assert_int_equal(town_fetch_list(trio->ann, trio->bob->person), KITH_OK);
    for (int i = 0; i < 2; i++) { /* the server changes the hash of a list in a set-up */
        struct kith_buf copy = forge_copy(town_body(mail, trio->ann));
        struct e2e_envelope envelope = town_envelope(mail, trio->ann);
        size_t len = 0;
        uint8_t *setup = forge_field(kith_buf_peek(&copy), 2, &len);
        forge_field(kith_slice_of(setup, len), hashes[i], NULL)[3] ^= 1;
        envelope.message = kith_buf_peek(&copy);
        assert_int_equal(forge_refused(trio->ann, envelope), KITH_E_DENIED);
        kith_buf_deinit(&copy);
    }
    for (int i = 0; i < 2; i++) { /* or the number: newer than there is */
        struct kith_buf copy = forge_copy(town_body(mail, trio->ann));
        struct e2e_envelope envelope = town_envelope(mail, trio->ann);
        size_t len = 0;
        uint8_t *setup = forge_field(kith_buf_peek(&copy), 2, &len);
        forge_field(kith_slice_of(setup, len), hashes[i] == 4 ? 3 : 5, NULL)[0] ^= 1;
        envelope.message = kith_buf_peek(&copy);
        assert_int_equal(forge_refused(trio->ann, envelope), KITH_E_AGAIN);
        envelope.is_fresh = envelope.is_own_fresh = true;
        assert_int_equal(forge_refused(trio->ann, envelope), KITH_E_DENIED);
        kith_buf_deinit(&copy);
    }
    assert_int_equal(trio_trust(trio->ann, trio->bob), E2E_TRUST_KNOWN);
    assert_int_equal(trio_trust(trio->ann, trio->ann), E2E_TRUST_VERIFIED);
    assert_int_equal(town_open(trio->ann, mail, NULL), KITH_OK);
    assert_int_equal(town_open(trio->tablet, mail, NULL), KITH_OK);
    /* Bob himself lies about ann's list. */
    late = town_send(trio->ann, &trio->chat, "so far well");
    assert_int_equal(town_open(trio->bob, late, NULL), KITH_OK);
    payload = forge_payload(trio->bob, trio->ann, &trio->chat, msg_id, 2);
    payload.peer_list_hash[0] ^= 1;
    lying = forge_message(trio->bob, trio->ann, &payload);
    {
        struct e2e_opened opened;
        assert_int_equal(town_open_envelope(trio->ann,
                                            forge_envelope(trio->bob, &trio->chat, msg_id, kith_buf_peek(&lying)),
                                            &forged, &opened),
                         KITH_OK);
        kith_buf_wipe(&forged);
    }
    assert_int_equal(trio_trust(trio->ann, trio->bob), E2E_TRUST_FORKED);
    assert_int_equal(trio_trust(trio->ann, trio->ann), E2E_TRUST_VERIFIED);
    assert_int_equal(town_try_send(trio->ann, &trio->chat, "not to bob", &place), KITH_E_DENIED);
    assert_int_equal(town_open(carol, town_send(trio->ann, &other, "to carol as ever"), NULL), KITH_OK);
    kith_buf_deinit(&lying);
    trio_free(trio);
}

/* A contact that says of our list that it is newer makes us look, once. */
static void test_malicious__e2e_03_a_number_that_is_only_claimed(void **state)
{
    struct trio *trio = trio_new(3006);
    uint8_t msg_id[E2E_ID_BYTES] = {1};
    struct e2e_payload payload;
    struct e2e_opened opened;
    struct kith_buf message, plain;

    (void)state;
    trio_talk(trio);
    payload = forge_payload(trio->bob, trio->ann, &trio->chat, msg_id, 2);
    payload.peer_list_seq = UINT64_MAX;
    message = forge_message(trio->bob, trio->ann, &payload);
    assert_int_equal(town_open_envelope(trio->ann,
                                        forge_envelope(trio->bob, &trio->chat, msg_id, kith_buf_peek(&message)), &plain,
                                        &opened),
                     KITH_OK);
    kith_buf_wipe(&plain);
    (void)town_send(trio->ann, &trio->chat, "as ever");
    assert_int_equal(town_read(trio->bob), 1);
    kith_buf_deinit(&message);
    trio_free(trio);
}

/* An expired list may lose devices, and gains none. */
static void test_malicious__e2e_03_an_expired_list_gains_no_device(void **state)
{
    struct trio *trio = trio_new(3007);
    struct town_device *laptop = NULL;
    struct town_person *of = trio->ann->person;
    struct town_mail *mail;
    size_t place;

    (void)state;
    (void)town_send(trio->ann, &trio->chat, "hello");
    assert_int_equal(town_read(trio->bob), 1);
    trio->town->now_ms += 1000;
    laptop = town_link(trio->ann);
    assert_int_equal(of->list_count, 3);
    trio->town->now_ms += 30 * TOWN_DAY_MS;
    for (int i = 0; i < 3; i++) { /* all but ann's manager are well */
        struct town_device *device = i == 0 ? trio->bob : i == 1 ? trio->tablet : laptop;
        town_upload(device);
    }
    /* The third list has expired as bob reads it. With those whom he knew before he goes on, the laptop he passes over. */
    mail = town_send(trio->bob, &trio->chat, "who is there");
    assert_int_equal(e2e_account_person(trio->bob->account, of->id).list->seq, 3);
    assert_int_equal(town_body(mail, laptop).len, 0);
    assert_true(town_body(mail, trio->ann).len > 0);
    town_restart(trio->bob);
    mail = town_send(laptop, &trio->chat, "let me in");
    assert_int_equal(town_open(trio->bob, mail, NULL), KITH_E_DENIED);
    {
        struct e2e_claimed claimed = {.kem_is_last = true};
        claimed.spk = kith_buf_peek(&laptop->spk);
        claimed.kem = kith_buf_peek(&laptop->kem_lr);
        memcpy(claimed.account_id, of->id, sizeof claimed.account_id);
        memcpy(claimed.server_device, laptop->server_device, sizeof claimed.server_device);
        assert_int_equal(e2e_account_bundle(trio->bob->account, trio->town->now_ms, &claimed), KITH_E_DENIED);
    }
    /* A stranger knows none of them. */
    {
        struct town_device *carol = town_join(trio->town);
        struct town_chat chat = town_chat_two(carol, trio->ann);
        assert_int_equal(town_try_send(carol, &chat, "nobody", &place), KITH_E_AGAIN);
        town_upload(trio->ann); /* a fresh list, after the expired ones: all is well */
        assert_true(town_body(town_send(carol, &chat, "there you are"), laptop).len > 0);
        assert_true(town_body(town_send(trio->bob, &trio->chat, "and you"), laptop).len > 0);
    }
    trio_free(trio);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_02_a_device_that_the_account_did_not_sign_for),
        cmocka_unit_test(test_malicious__e2e_02_a_device_that_has_not_accepted),
        cmocka_unit_test(test_malicious__e2e_02_a_list_that_claims_a_device_of_another),
        cmocka_unit_test(test_malicious__e2e_02_bundles_are_of_the_device_that_was_asked_for),
        cmocka_unit_test(test_malicious__e2e_03_an_old_list_is_ignored),
        cmocka_unit_test(test_malicious__e2e_03_a_list_that_is_held_back_stops_the_talk),
        cmocka_unit_test(test_malicious__e2e_03_a_fork_is_told_on_both_sides_by_one_exchange),
        cmocka_unit_test(test_malicious__e2e_03_the_highest_number_that_was_heard_counts),
        cmocka_unit_test(test_malicious__e2e_03_a_fork_in_a_set_up),
        cmocka_unit_test(test_malicious__e2e_03_a_fork_that_the_server_shows),
        cmocka_unit_test(test_malicious__e2e_03_a_fork_that_is_only_claimed),
        cmocka_unit_test(test_malicious__e2e_03_a_number_that_is_only_claimed),
        cmocka_unit_test(test_malicious__e2e_03_an_expired_list_gains_no_device),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
