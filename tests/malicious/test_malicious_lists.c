#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "forge.h"

/* A server that lies about who has which devices: rows 2, 3, 13, 23 and 26 of the attack table. */

struct trio {
    struct town *town;
    struct town_device *ann, *tablet, *bob;
    struct town_chat chat;
    /* What the server shows instead, to whom and of whom. */
    const struct town_device *asker;
    const struct town_person *of;
    struct kith_slice shown;
};

static void show(void *arg, const struct town_device *asker, const struct town_person *of, size_t index,
                 struct kith_slice *list)
{
    const struct trio *trio = arg;

    (void)index;
    if (asker == trio->asker && of == trio->of) *list = trio->shown;
}

static struct trio *trio_new(uint64_t seed)
{
    struct trio *trio = calloc(1, sizeof *trio);

    assert_non_null(trio);
    trio->town = town_new(seed);
    trio->town->has_few_prekeys = true;
    trio->town->show_list = show;
    trio->town->arg = trio;
    trio->ann = town_join(trio->town);
    trio->tablet = town_link(trio->ann);
    trio->bob = town_join(trio->town);
    trio->chat = town_chat_two(trio->ann, trio->bob);
    return trio;
}

static void trio_free(struct trio *trio)
{
    town_free(trio->town);
    free(trio);
}

static void lie(struct trio *trio, const struct town_device *asker, const struct town_device *of,
                struct kith_slice shown)
{
    trio->asker = asker;
    trio->of = of->person;
    trio->shown = shown;
}

static void talk(struct trio *trio)
{
    (void)town_send(trio->ann, &trio->chat, "hello");
    assert_int_equal(town_read(trio->tablet) + town_read(trio->bob), 2);
    (void)town_send(trio->bob, &trio->chat, "hello to you");
    (void)town_send(trio->tablet, &trio->chat, "and from here");
    assert_int_equal(town_read(trio->ann) + town_read(trio->tablet) + town_read(trio->bob), 4);
}

static kith_err give(struct trio *trio, struct town_device *to, const struct town_device *of, struct kith_slice list)
{
    return e2e_account_list(to->account, trio->town->now_ms, of->person->id, 7, list);
}

static enum e2e_trust trust(const struct town_device *of, const struct town_device *in)
{
    return e2e_account_person(of->account, in->person->id).trust;
}

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
    talk(trio);
    spy_list = town_list_of(spy->person);
    /* The spy's device in ann's list, signed by the spy's own list key: ann's root key certified another. */
    list->devices[0] = spy_list->devices[0];
    list->device_count = 1;
    memcpy(list->aik_pub, spy_list->aik_pub, sizeof list->aik_pub);
    forged = forge_list(list, spys.aik, &keys[1], 1);
    assert_int_equal(give(trio, trio->bob, trio->ann, kith_buf_peek(&forged)), KITH_E_DENIED);
    kith_buf_deinit(&forged);
    /* With the spy's certificate and root key besides: that is another identity, not ann. Row 23. */
    memcpy(list->certificate, spy_list->certificate, sizeof list->certificate);
    forged = forge_list(list, spys.aik, &keys[1], 1);
    assert_int_equal(give(trio, trio->bob, trio->ann, kith_buf_peek(&forged)), KITH_E_DENIED);
    kith_buf_deinit(&forged);
    /* Another account's list under ann's name. */
    assert_int_equal(give(trio, trio->bob, trio->ann, kith_buf_peek(&spy->person->lists[0])), KITH_E_DENIED);
    assert_int_equal(give(trio, trio->bob, spy, newest), KITH_E_DENIED);
    /* Any byte of the true list. */
    honest = forge_copy(newest);
    for (size_t i = 0; i < kith_buf_len(&honest); i++) {
        size_t accepts_at = (size_t)(forge_field(kith_buf_peek(&honest), 3, NULL) - kith_buf_peek(&honest).ptr);
        honest.ptr[honest.head + i] ^= 4;
        /* Whoever damages an acceptance leaves a device out, and adds none. */
        if (i < accepts_at) assert_int_not_equal(give(trio, trio->bob, trio->ann, kith_buf_peek(&honest)), KITH_OK);
        honest.ptr[honest.head + i] ^= 4;
    }
    kith_buf_deinit(&honest);
    assert_int_equal(trust(trio->bob, trio->ann), E2E_TRUST_KNOWN);
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
    town_need(give(trio, trio->bob, trio->ann, kith_buf_peek(&bare)) == KITH_OK);
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
        town_need(give(trio, trio->bob, trio->ann, kith_buf_peek(&one)) == KITH_OK);
        lie(trio, trio->bob, trio->ann, kith_buf_peek(&one));
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
        (void)town_seal(trio->ann, &seal, &sealed); /* it does not end the process */
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
    talk(trio);
    assert_int_equal(give(trio, trio->bob, trio->ann, first), KITH_OK);
    assert_int_equal(e2e_account_person(trio->bob->account, of->id).list->seq, 2);
    assert_int_equal(e2e_account_person(trio->bob->account, of->id).list->device_count, 2);
    assert_int_equal(give(trio, trio->tablet, trio->ann, first), KITH_OK);
    assert_int_equal(e2e_account_state(trio->tablet->account), E2E_ACCOUNT_READY);
    /* A gap, and then what fills it. */
    (void)town_link(trio->ann);
    (void)town_link(trio->ann);
    assert_int_equal(give(trio, trio->bob, trio->ann, kith_buf_peek(&of->lists[3])), KITH_E_NOTFOUND);
    assert_int_equal(e2e_account_person(trio->bob->account, of->id).list->seq, 2);
    assert_int_equal(give(trio, trio->bob, trio->ann, kith_buf_peek(&of->lists[2])), KITH_OK);
    assert_int_equal(give(trio, trio->bob, trio->ann, kith_buf_peek(&of->lists[3])), KITH_OK);
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
    talk(trio);
    town_need(e2e_account_remove_device(trio->ann->account, trio->town->now_ms, trio->tablet->server_device) ==
              KITH_OK);
    town_upload(trio->ann);
    for (int i = 0; i < 2; i++) {
        lie(trio, trio->bob, trio->ann, i == 0 ? (struct kith_slice){0} : kith_buf_peek(&of->lists[1]));
        if (i == 0) (void)town_send(trio->ann, &trio->chat, "the tablet is gone");
        if (i == 0) assert_int_equal(town_read(trio->bob), 1);
        assert_int_equal(town_try_send(trio->bob, &trio->chat, "no", &place), KITH_E_AGAIN);
        town_restart(trio->bob);
        assert_int_equal(town_try_send(trio->bob, &trio->chat, "no", &place), KITH_E_AGAIN);
    }
    lie(trio, NULL, trio->ann, (struct kith_slice){0});
    assert_int_equal(town_body(town_send(trio->bob, &trio->chat, "at last"), trio->tablet).len, 0);
    assert_int_equal(town_read(trio->ann), 1);
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

    if (with_sessions) talk(trio);
    fork.one = forge_list(list, keys[0].aik, keys, 2);
    list->issued_at_ms++;
    fork.other = forge_list(list, keys[0].aik, keys, 2);
    town_list_put(trio->ann->person, kith_buf_peek(&fork.one));
    lie(trio, trio->tablet, trio->ann, kith_buf_peek(&fork.other));
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
    assert_int_equal(trust(trio->bob, trio->ann), E2E_TRUST_FORKED);
    assert_int_equal(trust(trio->tablet, trio->bob), E2E_TRUST_FORKED);
    town_restart(trio->bob);
    town_restart(trio->tablet);
    assert_int_equal(town_try_send(trio->bob, &trio->chat, "no", &place), KITH_E_DENIED);
    assert_int_equal(town_try_send(trio->tablet, &trio->chat, "no", &place), KITH_E_DENIED);
    assert_int_equal(e2e_account_verify(trio->bob->account, trio->ann->person->id, true), KITH_E_NOTFOUND);
    /* The phone hears it from the tablet: the own account, which only its own devices can say that of. */
    there = &trio->town->mails[there - trio->town->mails];
    town_need(town_open(trio->ann, there, NULL) == KITH_OK);
    assert_int_equal(trust(trio->ann, trio->ann), E2E_TRUST_FORKED);
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
        assert_int_equal(trust(to, from), E2E_TRUST_FORKED);
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
        assert_int_equal(give(trio, trio->bob, trio->ann, kith_buf_peek(way == 0 ? &fork.other : &next)),
                         KITH_E_CONFLICT);
        assert_int_equal(trust(trio->bob, trio->ann), E2E_TRUST_FORKED);
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
    assert_int_equal(trust(trio->ann, trio->bob), E2E_TRUST_KNOWN);
    assert_int_equal(trust(trio->ann, trio->ann), E2E_TRUST_VERIFIED);
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
    assert_int_equal(trust(trio->ann, trio->bob), E2E_TRUST_FORKED);
    assert_int_equal(trust(trio->ann, trio->ann), E2E_TRUST_VERIFIED);
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
    talk(trio);
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
        assert_true(town_body(town_send(carol, &chat, "there you are"), laptop).len ==
                    0); /* left out, see accept_again */
        assert_int_equal(town_fetch_list(laptop, of), KITH_OK);
        town_upload(laptop);
        trio->town->now_ms += 10 * 60 * 1000;
        assert_true(town_body(town_send(carol, &chat, "and you"), laptop).len > 0);
        assert_true(town_body(town_send(trio->bob, &trio->chat, "and you"), laptop).len > 0);
    }
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 13 */
/* No key twice in an account, whoever signs it. */
static void test_malicious__e2e_13_a_key_that_is_there_twice(void **state)
{
    struct trio *trio = trio_new(13000);
    struct forge_keys keys = forge_keys_of(trio->ann);
    struct e2e_device_list *list = town_list_of(trio->ann->person);
    struct kith_buf out;

    (void)state;
    /* Who signs checks it too, so it is our own devices that are asked. */
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    for (int i = 0; i < 4; i++) {
        struct e2e_device_list copy = *list;
        struct e2e_device *a = &copy.devices[0], *b = &copy.devices[1];
        if (i == 0) memcpy(a->dsk_pub, b->dsk_pub, sizeof a->dsk_pub);
        if (i == 1) memcpy(a->ddh_pub, b->ddh_pub, sizeof a->ddh_pub);
        if (i == 2) memcpy(a->dsk_pub, copy.aik_pub, sizeof a->dsk_pub);
        if (i == 3) memcpy(a->server_device, b->server_device, sizeof a->server_device);
        assert_int_equal(e2e_device_list_sign(&copy, keys.aik, NULL, 0, &out), KITH_E_MALFORMED);
    }
    /* A request that brings a key which the account has: of the manager, of another device, one key as both. */
    for (int i = 0; i < 4; i++) {
        struct town_device *fresh = town_device_new(trio->ann->person);
        struct kith_buf request, answer;
        const uint64_t writes = trio->ann->writes;
        uint8_t *dsk, *ddh;
        kith_buf_init(&request, E2E_LINK_BYTES_MAX);
        kith_buf_init(&answer, E2E_LINK_BYTES_MAX);
        town_need(e2e_account_link_request(fresh->account, trio->town->now_ms, &request) == KITH_OK);
        dsk = forge_field(kith_buf_peek(&request), 5, NULL);
        ddh = forge_field(kith_buf_peek(&request), 6, NULL);
        if (i == 0) memcpy(dsk, list->devices[0].dsk_pub, E2E_SIGN_PUBLIC_BYTES);
        if (i == 1) memcpy(ddh, list->devices[1].ddh_pub, E2E_DH_BYTES);
        if (i == 2) memcpy(dsk, list->ark_pub, E2E_SIGN_PUBLIC_BYTES);
        if (i == 3)
            memcpy(forge_field(kith_buf_peek(&request), 3, NULL), list->devices[1].server_device,
                   E2E_SERVER_DEVICE_BYTES);
        assert_int_equal(
            e2e_account_link_approve(trio->ann->account, trio->town->now_ms, kith_buf_peek(&request), &answer),
            KITH_E_MALFORMED);
        assert_int_equal(trio->ann->writes, writes);
        kith_buf_wipe(&request);
        kith_buf_deinit(&answer);
    }
    kith_buf_deinit(&out);
    free(list);
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 23 */
/* Another account under bob's name: what a server can make at any time. */
static struct town_device *impostor(struct trio *trio, const struct town_device *of)
{
    struct town_device *device = town_join_as(trio->town, of->person->id);

    lie(trio, trio->ann, of, kith_buf_peek(&device->person->lists[0]));
    return device;
}

static void test_malicious__e2e_23_a_verified_person_who_changed_is_not_written_to(void **state)
{
    struct trio *trio = trio_new(23000);
    struct town_device *spy;
    struct town_mail *mail;
    size_t place;

    (void)state;
    talk(trio);
    assert_int_equal(e2e_account_verify(trio->ann->account, trio->bob->person->id, true), KITH_OK);
    assert_int_equal(trust(trio->ann, trio->bob), E2E_TRUST_VERIFIED);
    spy = impostor(trio, trio->bob);
    assert_int_equal(town_fetch_list(trio->ann, trio->bob->person), KITH_OK);
    trio->town->now_ms += 1000;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(trust(trio->ann, trio->bob), E2E_TRUST_CHANGED);
        assert_true(e2e_account_person(trio->ann->account, trio->bob->person->id).was_reset);
        assert_int_equal(town_try_send(trio->ann, &trio->chat, "no", &place), KITH_E_DENIED);
        town_restart(trio->ann);
    }
    /* The true one again: it is not as if nothing had been. */
    lie(trio, NULL, trio->bob, (struct kith_slice){0});
    assert_int_equal(town_fetch_list(trio->ann, trio->bob->person), KITH_OK);
    assert_int_equal(town_try_send(trio->ann, &trio->chat, "no", &place), KITH_E_DENIED);
    assert_int_equal(e2e_account_verify(trio->ann->account, trio->bob->person->id, true), KITH_OK);
    mail = town_send(trio->ann, &trio->chat, "to the true one");
    assert_int_equal(town_body(mail, spy).len, 0);
    assert_int_equal(town_open(trio->bob, mail, NULL), KITH_OK);
    trio_free(trio);
}

/* What was written before somebody changed does not go to who they are now, verified or not, until the person has seen it. */
static void test_malicious__e2e_23_what_was_written_to_one_does_not_go_to_another(void **state)
{
    struct trio *trio = trio_new(23001);
    struct town_device *spy;
    struct kith_buf out;
    uint8_t msg_id[E2E_ID_BYTES] = {1};
    struct e2e_seal seal;
    struct town_mail *mail;

    (void)state;
    talk(trio);
    seal = town_seal_of(&trio->chat, msg_id, "meant for bob", trio->town->now_ms);
    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(town_seal(trio->ann, &seal, &out), KITH_OK);
    trio->town->now_ms += 1000;
    spy = impostor(trio, trio->bob);
    e2e_account_stale(trio->ann->account, trio->bob->person->id); /* the server refuses the first */
    for (int i = 0; i < 5; i++) {
        kith_buf_reset(&out);
        assert_int_equal(town_seal(trio->ann, &seal, &out), KITH_E_DENIED);
        assert_int_equal(kith_buf_len(&out), 0);
        town_restart(trio->ann);
    }
    assert_int_equal(trust(trio->ann, trio->bob), E2E_TRUST_KNOWN);
    assert_true(e2e_account_person(trio->ann->account, trio->bob->person->id).was_reset);
    assert_int_equal(e2e_account_verify(trio->ann->account, trio->bob->person->id, false), KITH_OK);
    assert_int_equal(town_seal(trio->ann, &seal, &out), KITH_OK);
    kith_buf_deinit(&out);
    trio->town->now_ms += 1000;
    (void)spy;
    mail = &(struct town_mail){.from = trio->ann};
    (void)mail;
    trio_free(trio);
}

/* Sessions are with who somebody was, though a device of who they are now has the same number. */
static void test_malicious__e2e_23_no_session_outlives_an_identity(void **state)
{
    struct trio *trio = trio_new(23002);
    struct town_device *spy = town_join_as(trio->town, trio->bob->person->id);
    struct forge_keys keys = forge_keys_of(spy), bobs = forge_keys_of(trio->bob);
    struct e2e_device_list *list = town_list_of(spy->person);
    struct kith_buf forged;
    struct e2e_setup setup;
    struct town_mail *mail;

    (void)state;
    /* Ann meets the spy first, who bears the number of bob's device and answers in its place. */
    list->devices[0].device_id = keys.device_id = bobs.device_id;
    memcpy(list->devices[0].server_device, trio->bob->server_device, E2E_SERVER_DEVICE_BYTES);
    forged = forge_list(list, keys.aik, &keys, 1);
    assert_int_equal(give(trio, trio->ann, trio->bob, kith_buf_peek(&forged)), KITH_OK);
    {
        struct e2e_random random = town_random(trio->town);
        struct e2e_prekey_secret secret;
        struct kith_buf spk, kem;
        struct e2e_claimed claimed = {.kem_is_last = true};
        kith_buf_init(&spk, E2E_PREKEY_BYTES_MAX);
        kith_buf_init(&kem, E2E_PREKEY_BYTES_MAX);
        town_need(e2e_prekey_new(&random, spy->person->id, keys.device_id, keys.dsk, E2E_PREKEY_SPK,
                                 trio->town->now_ms + 1000, &secret, &spk) == KITH_OK);
        town_need(e2e_prekey_new(&random, spy->person->id, keys.device_id, keys.dsk, E2E_PREKEY_KEM_LR,
                                 trio->town->now_ms + 1000, &secret, &kem) == KITH_OK);
        memcpy(claimed.account_id, spy->person->id, sizeof claimed.account_id);
        memcpy(claimed.server_device, trio->bob->server_device, sizeof claimed.server_device);
        claimed.spk = kith_buf_peek(&spk);
        claimed.kem = kith_buf_peek(&kem);
        assert_int_equal(e2e_account_bundle(trio->ann->account, trio->town->now_ms, &claimed), KITH_OK);
        kith_buf_deinit(&spk);
        kith_buf_deinit(&kem);
    }
    /* Then the true list comes, and she compares the safety number of that one. */
    assert_int_equal(town_fetch_list(trio->ann, trio->bob->person), KITH_OK);
    assert_int_equal(e2e_account_verify(trio->ann->account, trio->bob->person->id, true), KITH_OK);
    mail = town_send(trio->ann, &trio->chat, "for bob alone");
    assert_int_equal(e2e_message_setup(town_body(mail, trio->bob), &setup), KITH_OK);
    assert_int_equal(town_open(trio->bob, mail, NULL), KITH_OK);
    kith_buf_deinit(&forged);
    free(list);
    trio_free(trio);
}

/* Of the own account there is one root key, and no other is believed. */
static void test_malicious__e2e_23_the_own_account_does_not_change(void **state)
{
    struct trio *trio = trio_new(23003);
    struct town_device *spy = town_join_as(trio->town, trio->ann->person->id);
    const struct kith_slice lie_list = kith_buf_peek(&spy->person->lists[0]);

    (void)state;
    talk(trio);
    for (int i = 0; i < 2; i++) {
        struct town_device *device = i == 0 ? trio->ann : trio->tablet;
        const uint64_t writes = device->writes;
        assert_int_equal(give(trio, device, trio->ann, lie_list), KITH_E_DENIED);
        assert_int_equal(device->writes, writes);
        assert_int_equal(e2e_account_state(device->account), E2E_ACCOUNT_READY);
    }
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 26 */
/* Numbers say neither how many there were nor in which order they came. */
static void test_malicious__e2e_26_ids_are_random(void **state)
{
    struct town *town = town_new(26000);
    struct town_device *ann = town_join(town);
    uint32_t ids[4 * E2E_PREKEYS_MAX], count = 0, high = 0, rising = 0;

    (void)state;
    town_join(town);
    for (size_t i = 0; i < town->person_count; i++) {
        const struct town_device *device = town->people[i]->devices[0];
        for (size_t j = 0; j < E2E_PREKEYS_MAX; j++) {
            ids[count++] = kith_get_u32_be(forge_field(kith_buf_peek(&device->opks.items[j]), 1, NULL));
            ids[count++] = kith_get_u32_be(forge_field(kith_buf_peek(&device->kem_ots.items[j]), 1, NULL));
        }
    }
    assert_int_equal(count, 400);
    for (uint32_t i = 0; i < count; i++) {
        high += ids[i] >> 31;
        rising += i > 1 && ids[i] > ids[i - 2];
        for (uint32_t j = 0; j < i; j++) assert_int_not_equal(ids[i], ids[j]);
    }
    assert_in_range(high, 150, 250);
    assert_in_range(rising, 150, 250);
    for (int i = 0; i < 4; i++) (void)town_link(ann);
    for (size_t i = 0; i < 5; i++)
        assert_true(forge_keys_of(ann->person->devices[i]).device_id > 1u << 20); /* by chance once in 800 seeds */
    town_free(town);
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
        cmocka_unit_test(test_malicious__e2e_03_a_fork_in_a_set_up),
        cmocka_unit_test(test_malicious__e2e_03_a_fork_that_the_server_shows),
        cmocka_unit_test(test_malicious__e2e_03_a_fork_that_is_only_claimed),
        cmocka_unit_test(test_malicious__e2e_03_a_number_that_is_only_claimed),
        cmocka_unit_test(test_malicious__e2e_03_an_expired_list_gains_no_device),
        cmocka_unit_test(test_malicious__e2e_13_a_key_that_is_there_twice),
        cmocka_unit_test(test_malicious__e2e_23_a_verified_person_who_changed_is_not_written_to),
        cmocka_unit_test(test_malicious__e2e_23_what_was_written_to_one_does_not_go_to_another),
        cmocka_unit_test(test_malicious__e2e_23_no_session_outlives_an_identity),
        cmocka_unit_test(test_malicious__e2e_23_the_own_account_does_not_change),
        cmocka_unit_test(test_malicious__e2e_26_ids_are_random),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
