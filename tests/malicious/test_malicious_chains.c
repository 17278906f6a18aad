#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/chain.h"
#include "libkith/e2ee/group_parts.h"
#include "mob.h"

/* Sender chains: rows 19 (common bodies and gifts led astray), 20 (an insider forges) and 23 (another identity). */

/* A good message of Bob's phone, which Carol has not read. */
static struct town_mail *of_bob(const struct mob *mob)
{
    return town_group_send(mob->bob, mob->group, "of Bob");
}

/* ------------------------------------------------------------------------------------------------ 19 */
/* What Bob said, shown to Carol as if it were something else; then as it is, once. */
static void test_malicious__e2e_19_a_common_body_elsewhere(void **state)
{
    struct mob mob = mob_new(19000);
    struct town_group *other = town_group_create(mob.ann, (struct town_device *[]){mob.bob, mob.carol, mob.dan}, 3,
                                                 NULL);
    const struct town_chat two = town_chat_two(mob.bob, mob.carol), elsewhere = town_group_chat(mob.ann, other);
    const struct town_mail *mail;
    struct e2e_envelope good;

    (void)state;
    for (size_t i = 0; i < MOB_DEVICES; i++) assert_int_equal(town_group_fetch(mob.all[i], other), KITH_OK);
    (void)town_group_send(mob.bob, other, "in the other one");
    mob_meet(&mob);
    mail = of_bob(&mob);
    good = town_envelope(mail, mob.carol);
    for (int row = 0; row < 8; row++) {
        struct e2e_envelope bad = good;
        const struct town_device *as = row == 2 ? mob.laptop : row == 3 ? mob.dan : row == 4 ? mob.carol : mob.bob;
        if (row == 0) memcpy(bad.thread_id, elsewhere.id, sizeof bad.thread_id);
        if (row == 1) memcpy(bad.thread_id, two.id, sizeof bad.thread_id);
        if (row == 1 || row == 5) bad.is_group = false;
        if (row == 6) bad.msg_id[0] ^= 1;
        if (row == 7) memcpy(bad.thread_id, mob.eve->person->id, sizeof bad.thread_id); /* a group of nobody's */
        if (row == 7) bad.is_ops_fresh = true;
        memcpy(bad.account_id, as->person->id, sizeof bad.account_id);
        memcpy(bad.server_device, as->server_device, sizeof bad.server_device);
        assert_int_equal(forge_refused(mob.carol, bad), KITH_E_DENIED);
    }
    assert_int_equal(forge_refused(mob.bob, good), KITH_E_DENIED);      /* to who wrote it */
    assert_int_equal(town_open(mob.laptop, mail, NULL), KITH_OK);       /* the own other device reads it */
    assert_int_equal(forge_refused(mob.laptop, good), KITH_E_CONFLICT); /* once */
    assert_int_equal(town_open(mob.carol, mail, NULL), KITH_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(forge_refused(mob.carol, good), KITH_E_CONFLICT);
        town_restart(mob.carol);
    }
    town_free(mob.town);
}

/* Every byte of it counts. */
static void test_malicious__e2e_19_a_damaged_common_body_changes_nothing(void **state)
{
    struct mob mob = mob_new(19001);
    const struct town_mail *mail = of_bob(&mob);
    const struct e2e_envelope good = town_envelope(mail, mob.carol);
    struct kith_buf bad = forge_copy(good.message);

    (void)state;
    for (size_t at = 0; at < good.message.len; at++) {
        struct e2e_envelope envelope = good;
        kith_err err;
        bad.ptr[bad.head + at] ^= (uint8_t)(1u << at % 8);
        envelope.message = kith_buf_peek(&bad);
        err = forge_refused(mob.carol, envelope);
        assert_true(err != KITH_E_CONFLICT && err != KITH_E_NOMEM);
        bad.ptr[bad.head + at] ^= (uint8_t)(1u << at % 8);
        envelope.message.len = at;
        assert_int_not_equal(forge_refused(mob.carol, envelope), KITH_E_CONFLICT);
    }
    assert_int_equal(town_open(mob.carol, mail, NULL), KITH_OK);
    kith_buf_deinit(&bad);
    town_free(mob.town);
}

/* Under Bob's own chain, by Bob's keys: what steps too far, and the last numbers; one in reach is taken. */
static void test_malicious__e2e_19_too_far_ahead(void **state)
{
    const struct mob mob = mob_new(19002);
    const struct town_chat chat = town_group_chat(mob.bob, mob.group);
    const uint32_t far[] = {E2E_CHAIN_SKIP_MAX + 1, 1000000, UINT32_MAX - 100, E2E_CHAIN_SKIP_MAX};

    (void)state;
    for (uint8_t i = 0; i < 4; i++) {
        struct e2e_sender_chain *chain = forge_chain(mob.bob, mob.group);
        const uint8_t msg_id[E2E_ID_BYTES] = {19, i};
        struct e2e_payload payload = forge_group_payload(mob.bob, mob.carol, mob.group, msg_id, 5);
        struct e2e_envelope envelope;
        struct e2e_opened opened;
        struct kith_buf message, plain;
        if (i == 3) e2e_chain_skip(chain->chain_key, far[i]);
        chain->iteration += far[i];
        message = forge_common(mob.bob, chain, &payload);
        envelope = forge_envelope(mob.bob, &chat, msg_id, kith_buf_peek(&message));
        if (i < 3) assert_int_equal(forge_refused(mob.carol, envelope), KITH_E_TOOBIG);
        if (i == 3) {
            assert_int_equal(town_open_envelope(mob.carol, envelope, &plain, &opened), KITH_OK);
            kith_buf_wipe(&plain);
        }
        kith_buf_deinit(&message);
        e2e_sender_chain_free(chain);
    }
    town_free(mob.town);
}

/* From before it was given: its key was never here, whatever the server kept. */
static void test_malicious__e2e_19_from_before_one_came(void **state)
{
    struct mob mob = mob_new(19003);
    const struct town_mail *mail = town_group_send(mob.ann, mob.group, "before Eve came");

    (void)state;
    town_group_must(mob.group, mob.ann, town_change(E2E_GROUP_ADD, mob.eve, E2E_ROLE_MEMBER));
    (void)town_group_send(mob.ann, mob.group, "now she is here");
    assert_int_equal(town_group_fetch(mob.eve, mob.group), KITH_OK);
    (void)town_read(mob.eve);
    assert_int_equal(forge_refused(mob.eve, town_envelope(mail, mob.eve)), KITH_E_DENIED);
    town_free(mob.town);
}

/* ------------------------------------------------------------------------------------------------ 19: gifts */
/* A gift that `from` makes, which says `keys`, comes to Carol in that chat: opened, or not; and then the keys are not taken. */
static void gift_is_refused(const struct mob *mob, struct town_device *from, const struct town_group *in,
                            struct e2e_payload payload, struct e2e_sender_chain *under, kith_err opens, kith_err takes)
{
    const struct town_chat chat = town_group_chat(mob->carol, in);
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    struct e2e_envelope envelope;
    struct e2e_opened opened;
    struct kith_buf message, plain;

    payload.content_type = kith_slice_str(E2E_GROUP_KEYS_TYPE);
    message = under == NULL ? forge_message(from, mob->carol, &payload) : forge_common(from, under, &payload);
    envelope = forge_envelope(from, &chat, payload.msg_id, kith_buf_peek(&message));
    if (opens == KITH_OK) {
        assert_int_equal(town_open_envelope(mob->carol, envelope, &plain, &opened), KITH_OK);
        town_state_hash(mob->carol, before);
        assert_int_equal(e2e_account_group_keys_take(mob->carol->account, in->chat_id, &opened), takes);
        town_state_hash(mob->carol, after);
        assert_memory_equal(before, after, sizeof before);
        kith_buf_wipe(&plain);
    } else {
        envelope.is_ops_fresh = true;
        assert_int_equal(forge_refused(mob->carol, envelope), opens);
    }
    kith_buf_deinit(&message);
}

static struct kith_buf keys_of(const struct e2e_sender_chain *chain, const struct e2e_payload *payload)
{
    struct e2e_group_epoch epoch = {.seq = payload->group_epoch};
    struct e2e_group_keys keys = {.has_chain = true};
    struct kith_buf out;

    memcpy(epoch.hash, payload->group_hash, sizeof epoch.hash);
    memcpy(keys.group_id, chain->owner.group_id, sizeof keys.group_id);
    e2e_sender_chain_give(chain, &epoch, &keys.chain);
    kith_buf_init(&out, E2E_BODY_BYTES_MAX);
    town_need(e2e_group_keys_encode(&keys, &out) == KITH_OK);
    return out;
}

/* Gifts of Bob's that are none: each but for one thing is as it should be. */
static void test_malicious__e2e_19_gifts_that_are_none(void **state)
{
    (void)state;
    for (uint8_t row = 0; row < 5; row++) {
        struct mob mob = mob_new(19004);
        struct e2e_random random = town_random(mob.town);
        struct e2e_sender_chain *chain = forge_chain(mob.bob, mob.group), *own = forge_chain(mob.bob, mob.group);
        const uint8_t msg_id[E2E_ID_BYTES] = {41, row};
        struct e2e_payload payload = forge_group_payload(mob.bob, mob.carol, mob.group, msg_id, 5);
        struct e2e_chain_owner owner = chain->owner;
        struct kith_buf keys;
        kith_err takes = KITH_E_DENIED;
        if (row == 0) { /* another chain of an id that is known */
            uint8_t pub[E2E_SIGN_PUBLIC_BYTES];
            e2e_sign_keypair(&random, chain->sign_secret, pub);
            takes = KITH_E_CONFLICT;
        }
        if (row > 0) { /* a new one */
            e2e_sender_chain_free(chain);
            if (row == 1) owner.group_id[0] ^= 1; /* of another group */
            town_need(e2e_sender_chain_new(&random, &owner, mob.town->now_ms, &chain) == KITH_OK);
        }
        if (row == 3) { /* its signing key is a point of small order */
            memset(chain->sign_secret + E2E_SIGN_SEED_BYTES, 0, E2E_SIGN_PUBLIC_BYTES);
            chain->sign_secret[E2E_SIGN_SEED_BYTES] = 1;
            takes = KITH_E_MALFORMED;
        }
        keys = keys_of(chain, &payload);
        if (row == 4) { /* it has no next number */
            uint8_t *at = memmem(keys.ptr + keys.head, kith_buf_len(&keys), chain->chain_id, E2E_CHAIN_ID_BYTES);
            kith_put_u32_be(at + E2E_CHAIN_ID_BYTES + E2E_TLV_HEAD_BYTES, UINT32_MAX);
            takes = KITH_E_MALFORMED;
        }
        payload.body = kith_buf_peek(&keys);
        /* row 2: what all could read gives nothing */
        gift_is_refused(&mob, mob.bob, mob.group, payload, row == 2 ? own : NULL, KITH_OK, takes);
        kith_buf_wipe(&keys);
        e2e_sender_chain_free(chain);
        e2e_sender_chain_free(own);
        town_free(mob.town);
    }
}

/* By who is no member, in league with the server; and by one who was: nobody reads them. */
static void test_malicious__e2e_19_a_gift_of_a_strangers(void **state)
{
    struct mob mob = mob_new(19005);
    struct e2e_random random = town_random(mob.town);
    const struct town_chat two = town_chat_two(mob.eve, mob.carol);

    (void)state;
    (void)town_send(mob.eve, &two, "so that there is a session");
    assert_int_equal(town_read(mob.carol), 1);
    town_group_must(mob.group, mob.ann, town_change(E2E_GROUP_REMOVE, mob.dan, 0));
    mob_meet(&mob);
    for (uint8_t row = 0; row < 2; row++) {
        struct town_device *from = row == 0 ? mob.eve : mob.dan;
        const uint8_t msg_id[E2E_ID_BYTES] = {42, row};
        struct e2e_payload payload = forge_group_payload(mob.ann, mob.carol, mob.group, msg_id, 5);
        struct e2e_chain_owner owner = {.device_id = forge_keys_of(from).device_id};
        struct e2e_sender_chain *chain = NULL;
        struct kith_buf keys;
        memcpy(owner.group_id, town_group_view(mob.ann, mob.group).group->group_id, sizeof owner.group_id);
        memcpy(owner.account_id, from->person->id, sizeof owner.account_id);
        town_need(e2e_sender_chain_new(&random, &owner, mob.town->now_ms, &chain) == KITH_OK);
        memcpy(payload.account_id, from->person->id, sizeof payload.account_id);
        payload.device_id = owner.device_id;
        keys = keys_of(chain, &payload);
        payload.body = kith_buf_peek(&keys);
        gift_is_refused(&mob, from, mob.group, payload, NULL, KITH_E_DENIED, KITH_E_DENIED);
        kith_buf_wipe(&keys);
        e2e_sender_chain_free(chain);
    }
    town_free(mob.town);
}

/* ------------------------------------------------------------------------------------------------ 20 */
/* Dan has everybody's chain keys: what he seals with Bob's is not Bob's, since Bob's signing key he has not. */
static void test_malicious__e2e_20_an_insider_writes_under_anothers_chain(void **state)
{
    struct mob mob = mob_new(20100);
    const struct town_chat chat = town_group_chat(mob.dan, mob.group);

    (void)state;
    for (uint8_t row = 0; row < 4; row++) {
        const struct town_device *as = row == 1 ? mob.laptop : row == 2 ? mob.carol : mob.bob;
        struct town_device *to = row == 2 ? mob.ann : mob.carol;
        struct e2e_sender_chain *chain = forge_chain_given(mob.dan, mob.group, as);
        struct e2e_sender_chain *own = forge_chain(mob.dan, mob.group);
        const uint8_t msg_id[E2E_ID_BYTES] = {20, row};
        struct e2e_payload payload = forge_group_payload(as, to, mob.group, msg_id, 50);
        struct kith_buf message;
        if (row == 3) { /* under his own, which says that it is Bob's */
            own->owner = chain->owner;
            message = forge_common(mob.dan, own, &payload);
        } else {
            message = forge_common(mob.dan, chain, &payload);
        }
        assert_int_equal(forge_refused(to, forge_envelope(as, &chat, msg_id, kith_buf_peek(&message))),
                         row == 3 ? KITH_E_NOTFOUND : KITH_E_DENIED);
        /* Nor as his own. */
        assert_int_equal(forge_refused(to, forge_envelope(mob.dan, &chat, msg_id, kith_buf_peek(&message))),
                         KITH_E_DENIED);
        kith_buf_deinit(&message);
        e2e_sender_chain_free(chain);
        e2e_sender_chain_free(own);
    }
    assert_int_equal(town_open(mob.carol, of_bob(&mob), NULL), KITH_OK); /* nothing of it stands in Bob's way */
    town_free(mob.town);
}

/* Under his own chain, but inside somebody else's, another device's, of another kind of chat, or for one alone. */
static void test_malicious__e2e_20_a_common_body_says_inside_what_is_not(void **state)
{
    struct mob mob = mob_new(20101);
    const struct town_chat chat = town_group_chat(mob.dan, mob.group);

    (void)state;
    for (uint8_t row = 0; row < 7; row++) {
        struct e2e_sender_chain *chain = forge_chain(mob.dan, mob.group);
        const uint8_t msg_id[E2E_ID_BYTES] = {21, row};
        struct e2e_payload payload = forge_group_payload(mob.dan, mob.carol, mob.group, msg_id, 50);
        struct kith_buf message;
        if (row == 0) memcpy(payload.account_id, mob.bob->person->id, sizeof payload.account_id);
        if (row == 1) payload.device_id ^= 1;
        if (row == 2) payload.thread_id[0] ^= 1;
        if (row == 3) payload.msg_id[0] ^= 1;
        if (row == 4 || row == 5) {
            const struct e2e_payload pair = forge_payload(mob.dan, mob.carol, &chat, msg_id, 50);
            payload.has_peer_list = true;
            payload.peer_list_seq = pair.peer_list_seq;
            memcpy(payload.peer_list_hash, pair.peer_list_hash, sizeof payload.peer_list_hash);
        }
        if (row == 5) payload.has_dest = true;
        if (row == 6) payload.group_epoch = 0;
        message = forge_common(mob.dan, chain, &payload);
        assert_int_equal(forge_refused(mob.carol, forge_envelope(mob.dan, &chat, msg_id, kith_buf_peek(&message))),
                         KITH_E_DENIED);
        kith_buf_deinit(&message);
        e2e_sender_chain_free(chain);
    }
    town_free(mob.town);
}

/* The head of its header is not that of its payload: what it says inside cannot be read before it is opened. */
static void test_malicious__e2e_20_a_header_of_another_head(void **state)
{
    struct mob mob = mob_new(20102);
    const struct town_chat chat = town_group_chat(mob.dan, mob.group);
    struct e2e_random random = town_random(mob.town);

    (void)state;
    for (uint8_t row = 0; row < 3; row++) {
        struct e2e_sender_chain *chain = forge_chain(mob.dan, mob.group);
        const uint8_t msg_id[E2E_ID_BYTES] = {22, row};
        struct e2e_payload payload = forge_group_payload(mob.dan, mob.carol, mob.group, msg_id, 50);
        struct e2e_group_epoch epoch = {.seq = payload.group_epoch};
        struct kith_buf plain, message;
        memcpy(epoch.hash, payload.group_hash, sizeof epoch.hash);
        if (row == 0) epoch.seq++;
        if (row == 1) epoch.seq = 0;
        if (row == 2) epoch.hash[31] ^= 1;
        kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
        kith_buf_init(&message, TOWN_CIPHER_MAX);
        town_need(e2e_payload_encode(&payload, &plain) == KITH_OK);
        town_need(e2e_sender_chain_encrypt(&random, chain, &epoch, kith_buf_peek(&plain), &message) == KITH_OK);
        assert_int_equal(forge_refused(mob.carol, forge_envelope(mob.dan, &chat, msg_id, kith_buf_peek(&message))),
                         KITH_E_DENIED);
        kith_buf_wipe(&plain);
        kith_buf_deinit(&message);
        e2e_sender_chain_free(chain);
    }
    assert_false(town_group_view(mob.carol, mob.group).is_forked);
    town_free(mob.town);
}

/* Another hash of a head that is remembered, in both: refused, and the alarm is raised; one that nobody has: refused. */
static void test_malicious__e2e_20_a_forked_head_under_a_chain(void **state)
{
    (void)state;
    for (uint8_t row = 0; row < 2; row++) {
        struct mob mob = mob_new(20103);
        const struct town_chat chat = town_group_chat(mob.dan, mob.group);
        struct e2e_sender_chain *chain = forge_chain(mob.dan, mob.group);
        const uint8_t msg_id[E2E_ID_BYTES] = {23};
        struct e2e_payload payload = forge_group_payload(mob.dan, mob.carol, mob.group, msg_id, 50);
        struct e2e_envelope envelope;
        struct e2e_opened opened;
        struct kith_buf message, plain;
        uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
        if (row == 0) payload.group_epoch++;
        payload.group_hash[31] ^= 1;
        message = forge_common(mob.dan, chain, &payload);
        envelope = forge_envelope(mob.dan, &chat, msg_id, kith_buf_peek(&message));
        if (row == 0) assert_int_equal(forge_refused(mob.carol, envelope), KITH_E_AGAIN);
        town_state_hash(mob.carol, before);
        assert_int_equal(town_open_envelope(mob.carol, envelope, &plain, &opened), KITH_E_DENIED);
        town_state_hash(mob.carol, after);
        assert_int_equal(memcmp(before, after, sizeof before) != 0, row == 1); /* the alarm, and it alone */
        assert_int_equal(town_group_view(mob.carol, mob.group).is_forked, row == 1);
        assert_int_equal(town_group_try_send(mob.carol, mob.group), row == 1 ? KITH_E_DENIED : KITH_OK);
        kith_buf_wipe(&plain);
        kith_buf_deinit(&message);
        e2e_sender_chain_free(chain);
        town_free(mob.town);
    }
}

/* ------------------------------------------------------------------------------------------------ 23 */
/* Chains are of who somebody was, though a device of who they are now has the same number and is called the same. */
static void test_malicious__e2e_23_no_chain_outlives_an_identity(void **state)
{
    struct mob mob = mob_new(23100);
    const struct town_mail *mail = of_bob(&mob);
    struct town_device *spy = town_join_as(mob.town, mob.bob->person->id);
    struct forge_keys keys = forge_keys_of(spy);
    struct e2e_device_list *list = town_list_of(spy->person);
    struct e2e_envelope envelope = town_envelope(mail, mob.carol);
    struct e2e_group_message common;
    struct kith_buf forged;

    (void)state;
    list->devices[0].device_id = keys.device_id = forge_keys_of(mob.bob).device_id;
    memcpy(list->devices[0].server_device, mob.bob->server_device, E2E_SERVER_DEVICE_BYTES);
    forged = forge_list(list, keys.aik, &keys, 1);
    assert_int_equal(e2e_group_message_decode(envelope.message, &common), KITH_OK);
    assert_true(forge_has_chain(mob.carol, common.chain_id));
    assert_int_equal(
        e2e_account_list(mob.carol->account, mob.town->now_ms, mob.bob->person->id, 99, kith_buf_peek(&forged)),
        KITH_OK);
    assert_true(e2e_account_person(mob.carol->account, mob.bob->person->id).was_reset);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(forge_refused(mob.carol, envelope), KITH_E_NOTFOUND);
        assert_false(forge_has_chain(mob.carol, common.chain_id));
        town_restart(mob.carol);
    }
    assert_int_equal(e2e_group_message_decode(mob_common(town_group_send(mob.dan, mob.group, "Dan's")), &common),
                     KITH_OK);
    assert_true(forge_has_chain(mob.carol, common.chain_id)); /* those of others stay */
    kith_buf_deinit(&forged);
    free(list);
    town_free(mob.town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_19_a_common_body_elsewhere),
        cmocka_unit_test(test_malicious__e2e_19_a_damaged_common_body_changes_nothing),
        cmocka_unit_test(test_malicious__e2e_19_too_far_ahead),
        cmocka_unit_test(test_malicious__e2e_19_from_before_one_came),
        cmocka_unit_test(test_malicious__e2e_19_gifts_that_are_none),
        cmocka_unit_test(test_malicious__e2e_19_a_gift_of_a_strangers),
        cmocka_unit_test(test_malicious__e2e_20_an_insider_writes_under_anothers_chain),
        cmocka_unit_test(test_malicious__e2e_20_a_common_body_says_inside_what_is_not),
        cmocka_unit_test(test_malicious__e2e_20_a_header_of_another_head),
        cmocka_unit_test(test_malicious__e2e_20_a_forked_head_under_a_chain),
        cmocka_unit_test(test_malicious__e2e_23_no_chain_outlives_an_identity),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
