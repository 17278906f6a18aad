#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/chain.h"
#include "mob.h"

/* Keys that come from another than whose they are: row 6. */

/* One who was given a chain gives it on, in a message that is right in all else, to Carol, who has not heard of that chain. */
struct passing {
    struct mob mob;
    struct town_device *of, *by; /* whose chain, and who passes it on */
    bool signs;                  /* with a signing key of the giver's in the place of the other's */
    struct town_mail *said;      /* the first under that chain */
    struct e2e_sender_chain *chain;
    uint8_t chain_id[E2E_CHAIN_ID_BYTES];
};
#define PASSINGS 6

/* By another member; by the other device of the same person; of one of whom Carol has never heard. */
static struct passing passing_new(uint64_t seed, int row)
{
    struct passing passing = {.mob = mob_new(seed), .signs = row % 2 == 1};
    struct mob *mob = &passing.mob;

    passing.of = row / 2 == 2 ? mob->eve : mob->ann;
    passing.by = row / 2 == 1 ? mob->tablet : mob->bob;
    if (row / 2 == 2) {
        town_group_must(mob->group, mob->ann, town_change(E2E_GROUP_ADD, mob->eve, E2E_ROLE_MEMBER));
        assert_int_equal(town_group_fetch(mob->eve, mob->group), KITH_OK);
        mob_meet(mob);
    }
    mob->town->now_ms += E2E_CHAIN_LIFE_MS; /* a new one is due */
    for (size_t i = 0; i < MOB_DEVICES; i++) town_upload(mob->all[i]);
    passing.said = town_group_send(passing.of, mob->group, "under a new chain");
    (void)town_read(passing.by);
    passing.chain = forge_chain_given(passing.by, mob->group, passing.of);
    memcpy(passing.chain_id, passing.chain->chain_id, sizeof passing.chain_id);
    assert_true(forge_has_chain(passing.by, passing.chain_id));
    assert_false(forge_has_chain(mob->carol, passing.chain_id));
    return passing;
}

static void passing_free(struct passing *passing)
{
    e2e_sender_chain_free(passing->chain);
    town_free(passing->mob.town);
}

/* The message that passes it on. */
static struct kith_buf give(const struct passing *passing, struct e2e_payload *payload)
{
    struct e2e_sender_chain *real = forge_chain(passing->of, passing->mob.group);
    struct e2e_group_epoch epoch = {.seq = payload->group_epoch};
    struct e2e_group_keys keys = {.has_chain = true};
    struct kith_buf body, message;

    memcpy(epoch.hash, payload->group_hash, sizeof epoch.hash);
    memcpy(keys.group_id, passing->chain->owner.group_id, sizeof keys.group_id);
    e2e_sender_chain_give(passing->chain, &epoch, &keys.chain);
    assert_memory_equal(real->chain_id, keys.chain.chain_id, sizeof real->chain_id);
    if (!passing->signs)
        memcpy(keys.chain.sign_pub, real->sign_secret + E2E_SIGN_SEED_BYTES, sizeof keys.chain.sign_pub);
    kith_buf_init(&body, E2E_BODY_BYTES_MAX);
    town_need(e2e_group_keys_encode(&keys, &body) == KITH_OK);
    payload->content_type = kith_slice_str(E2E_GROUP_KEYS_TYPE);
    payload->body = kith_buf_peek(&body);
    message = forge_message(passing->by, passing->mob.carol, payload);
    kith_buf_wipe(&body);
    e2e_sender_chain_free(real);
    return message;
}

/* All that has become of it is one chain of the giver's: of nobody a list was pinned, and no session begun. */
static void is_the_givers(const struct passing *passing, const struct kith_map *before)
{
    const struct town_device *carol = passing->mob.carol;
    uint8_t expected[2 + E2E_ID_BYTES + E2E_ACCOUNT_ID_BYTES + 4 + E2E_CHAIN_ID_BYTES] = {E2E_RECORD_KEY, 'R'};
    const uint8_t *key = NULL;
    const struct kith_buf *value = NULL, *old;
    uint32_t at = 0, fresh = 0;

    memcpy(expected + 2, passing->mob.group->chat_id, E2E_ID_BYTES);
    memcpy(expected + 2 + E2E_ID_BYTES, passing->by->person->id, E2E_ACCOUNT_ID_BYTES);
    kith_put_u32_be(expected + 2 + E2E_ID_BYTES + E2E_ACCOUNT_ID_BYTES, forge_keys_of(passing->by).device_id);
    memcpy(expected + sizeof expected - E2E_CHAIN_ID_BYTES, passing->chain_id, E2E_CHAIN_ID_BYTES);
    while (kith_map_next(&carol->records, &at, (const void **)&key, (void **)&value)) {
        old = kith_map_find(before, key);
        if (old != NULL) {
            assert_true(kith_slice_eq(kith_buf_peek(old), kith_buf_peek(value)));
            continue;
        }
        assert_int_equal(key[0], sizeof expected);
        assert_memory_equal(key + 1, expected, sizeof expected);
        fresh++;
    }
    assert_int_equal(fresh, 1);
    assert_int_equal(carol->records.count, before->count + 1);
}

static void pass_on(const struct passing *passing)
{
    const struct mob *mob = &passing->mob;
    const struct town_chat chat = town_group_chat(passing->by, mob->group);
    const uint8_t msg_id[E2E_ID_BYTES] = {6};
    struct e2e_payload payload = forge_group_payload(passing->by, mob->carol, mob->group, msg_id, 50);
    struct kith_buf message = give(passing, &payload), plain;
    struct e2e_opened opened;
    struct kith_map before;

    assert_int_equal(town_open_envelope(mob->carol, forge_envelope(passing->by, &chat, msg_id, kith_buf_peek(&message)),
                                        &plain, &opened),
                     KITH_OK);
    before = town_records_copy(mob->carol);
    assert_int_equal(e2e_account_group_keys_take(mob->carol->account, mob->group->chat_id, &opened), KITH_OK);
    is_the_givers(passing, &before);
    town_records_free(&before);
    kith_buf_wipe(&plain);
    kith_buf_deinit(&message);
}

static struct e2e_envelope as_if_of(struct e2e_envelope envelope, const struct town_device *device)
{
    memcpy(envelope.account_id, device->person->id, sizeof envelope.account_id);
    memcpy(envelope.server_device, device->server_device, sizeof envelope.server_device);
    return envelope;
}

/* What the giver writes under that chain, for whosever it is said to be. */
static kith_err writes_as(const struct passing *passing, const struct town_device *as, uint8_t number)
{
    const struct mob *mob = &passing->mob;
    const struct town_chat chat = town_group_chat(passing->by, mob->group);
    const uint8_t msg_id[E2E_ID_BYTES] = {6, number};
    struct e2e_payload payload = forge_group_payload(passing->by, mob->carol, mob->group, msg_id, 60);
    struct e2e_sender_chain chain = *passing->chain;
    struct e2e_envelope envelope;
    struct e2e_opened opened;
    struct kith_buf message, plain;
    kith_err err;

    memcpy(payload.account_id, as->person->id, sizeof payload.account_id);
    payload.device_id = forge_keys_of(as).device_id;
    memcpy(chain.owner.account_id, as->person->id, sizeof chain.owner.account_id);
    chain.owner.device_id = payload.device_id;
    chain.iteration += number; /* of the chain that was given, the next but so many */
    e2e_chain_skip(chain.chain_key, number);
    message = forge_common(passing->by, &chain, &payload);
    envelope = forge_envelope(as, &chat, msg_id, kith_buf_peek(&message));
    envelope.is_ops_fresh = true;
    err = town_open_envelope(mob->carol, envelope, &plain, &opened);
    kith_buf_wipe(&plain);
    kith_buf_deinit(&message);
    return err;
}

static void test_malicious__e2e_06_a_chain_that_another_passes_on(void **state)
{
    (void)state;
    for (int row = 0; row < PASSINGS; row++) {
        struct passing passing = passing_new(6000 + (uint64_t)row, row);
        struct mob *mob = &passing.mob;
        struct town_device *carol = mob->carol;
        const enum e2e_trust trust = e2e_account_person(carol->account, passing.of->person->id).trust;
        struct e2e_envelope said = town_envelope(passing.said, carol);

        assert_int_equal(trust == E2E_TRUST_UNKNOWN, passing.of == mob->eve);
        pass_on(&passing);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(e2e_account_person(carol->account, passing.of->person->id).trust, trust);
            /* What was said under it does not open by what the giver gave, whosever it is said to be. */
            if (trust != E2E_TRUST_UNKNOWN) assert_int_equal(forge_refused(carol, said), KITH_E_NOTFOUND);
            assert_int_equal(forge_refused(carol, as_if_of(said, passing.by)), KITH_E_DENIED);
            town_restart(carol);
        }
        assert_int_equal(writes_as(&passing, passing.of, 1), KITH_E_NOTFOUND);
        /* With a key of the giver's own it is a chain as good as any of theirs; with the other's they can sign nothing. */
        assert_int_equal(writes_as(&passing, passing.by, 2), passing.signs ? KITH_OK : KITH_E_DENIED);

        /* It stands in nobody's way: whose chain it is gives it, and all of theirs opens; and nothing of the giver's as theirs. */
        assert_true(town_read(carol) >= 1);
        assert_int_equal(town_open(carol, passing.said, NULL), KITH_E_CONFLICT);
        assert_int_equal(writes_as(&passing, passing.of, 3), KITH_E_DENIED);
        assert_int_equal(town_open(carol, town_group_send(passing.of, mob->group, "and on"), NULL), KITH_OK);
        passing_free(&passing);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_06_a_chain_that_another_passes_on),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
