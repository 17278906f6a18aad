#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/chain.h"
#include "trio.h"

/* Purposes kept apart, keys that are none, how sessions begin: rows 5, 9, 10 and 12 of the attack table. */

/* ------------------------------------------------------------------------------------------------ 5 */
static void test_malicious__e2e_05_no_signature_holds_under_another_label(void **state)
{
    struct town *town = town_new(5000);
    struct e2e_random random = town_random(town);
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES], signature[E2E_SIGNATURE_BYTES];
    const struct kith_slice bytes = kith_slice_str("what is signed");
    unsigned pairs = 0;

    (void)state;
    e2e_sign_keypair(&random, secret, public);
    for (int made = 0; made < E2E_LABEL_COUNT; made++) {
        if ((e2e_label_row((enum e2e_label)made)->uses & E2E_LABEL_SIGN) == 0) continue;
        assert_int_equal(e2e_sign(secret, (enum e2e_label)made, bytes, signature), KITH_OK);
        for (int read = 0; read < E2E_LABEL_COUNT; read++) {
            if ((e2e_label_row((enum e2e_label)read)->uses & E2E_LABEL_SIGN) == 0) continue;
            pairs++;
            assert_int_equal(e2e_verify(public, (enum e2e_label)read, bytes, signature),
                             made == read ? KITH_OK : KITH_E_DENIED);
        }
        assert_int_equal(e2e_ed25519_verify(public, bytes, signature), KITH_E_DENIED); /* nor without any */
    }
    assert_int_equal(pairs, 12 * 12);
    town_free(town);
}

/* Keys and transcripts of one and the same input: each label gives its own. */
static void test_malicious__e2e_05_no_key_is_that_of_another_label(void **state)
{
    uint8_t out[2 * E2E_LABEL_COUNT][E2E_KEY_BYTES];
    const struct kith_slice ikm = kith_slice_str("the same input"), info = kith_slice_str("info");
    unsigned count = 0;

    (void)state;
    for (int i = 0; i < E2E_LABEL_COUNT; i++) {
        const enum e2e_label label = (enum e2e_label)i;
        if (e2e_label_row(label)->uses & E2E_LABEL_DERIVE)
            e2e_derive(ikm, ikm, label, info, out[count++], E2E_KEY_BYTES);
        if (e2e_label_row(label)->uses & E2E_LABEL_HASH) e2e_transcript(label, &info, 1, out[count++]);
    }
    assert_int_equal(count, 12 + 2);
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < i; j++) assert_memory_not_equal(out[i], out[j], E2E_KEY_BYTES);
}

/* The things themselves: each prekey read as each other kind, of which only the label tells it apart. */
static void test_malicious__e2e_05_no_prekey_is_of_another_kind(void **state)
{
    struct town *town = town_new(5001);
    struct town_device *ann = town_join(town);
    struct e2e_device_list *list = town_list_of(ann->person);
    const struct kith_buf *prekeys[] = {&ann->spk, &ann->opks.items[0], &ann->kem_ots.items[0], &ann->kem_lr};
    struct e2e_prekey out;

    (void)state;
    for (int made = 0; made < 4; made++) {
        for (int read = 0; read < 4; read++) {
            kith_err err = e2e_prekey_read(kith_buf_peek(prekeys[made]), (enum e2e_prekey_kind)(E2E_PREKEY_SPK + read),
                                           ann->person->id, &list->devices[0], town->now_ms, &out);
            if (made == read)
                assert_int_equal(err, KITH_OK);
            else
                assert_int_equal(err, made / 2 == read / 2 ? KITH_E_DENIED : KITH_E_MALFORMED);
        }
    }
    free(list);
    town_free(town);
}

/* ------------------------------------------------------------------------------------------------ 9 */
/* A contact that signs what is no key. */
static struct kith_buf signed_point(const struct town_device *of, enum e2e_label label, const uint8_t *point)
{
    struct forge_keys keys = forge_keys_of(of);
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct e2e_tlv_writer writer;
    struct kith_buf bytes, out;

    kith_buf_init(&bytes, E2E_PREKEY_BYTES_MAX);
    kith_buf_init(&out, E2E_PREKEY_BYTES_MAX);
    writer = e2e_tlv_writer_of(&bytes);
    e2e_tlv_put(&writer, 1, kith_slice_of(of->person->id, E2E_ACCOUNT_ID_BYTES));
    e2e_tlv_put_u32(&writer, 2, keys.device_id);
    e2e_tlv_put_u32(&writer, 3, 77);
    e2e_tlv_put(&writer, 4, kith_slice_of(point, E2E_DH_BYTES));
    e2e_tlv_put_u64(&writer, 5, of->town->now_ms + 1000);
    town_need(e2e_tlv_finish(&writer) == KITH_OK);
    town_need(e2e_sign(keys.dsk, label, kith_buf_peek(&bytes), signature) == KITH_OK);
    writer = e2e_tlv_writer_of(&out);
    e2e_tlv_put_u32(&writer, 1, 77);
    e2e_tlv_put(&writer, 2, kith_slice_of(point, E2E_DH_BYTES));
    e2e_tlv_put_u64(&writer, 3, of->town->now_ms + 1000);
    e2e_tlv_put(&writer, 4, kith_slice_of(signature, sizeof signature));
    town_need(e2e_tlv_finish(&writer) == KITH_OK);
    kith_buf_deinit(&bytes);
    return out;
}

static void test_malicious__e2e_09_prekeys_that_are_no_keys(void **state)
{
    struct trio *trio = trio_new(9000);
    struct e2e_claimed claimed = {.kem_is_last = true};

    (void)state;
    assert_int_equal(town_fetch_list(trio->ann, trio->bob->person), KITH_OK);
    memcpy(claimed.account_id, trio->bob->person->id, sizeof claimed.account_id);
    memcpy(claimed.server_device, trio->bob->server_device, sizeof claimed.server_device);
    claimed.kem = kith_buf_peek(&trio->bob->kem_lr);
    for (int i = 0; i < FORGE_BAD_POINTS; i++) {
        struct kith_buf spk = signed_point(trio->bob, E2E_LABEL_SPK, forge_bad_points[i]);
        struct kith_buf opk = signed_point(trio->bob, E2E_LABEL_OPK, forge_bad_points[i]);
        claimed.spk = kith_buf_peek(&spk);
        claimed.opk = (struct kith_slice){0};
        assert_int_equal(e2e_account_bundle(trio->ann->account, trio->town->now_ms, &claimed), KITH_E_MALFORMED);
        claimed.spk = kith_buf_peek(&trio->bob->spk);
        claimed.opk = kith_buf_peek(&opk);
        assert_int_equal(e2e_account_bundle(trio->ann->account, trio->town->now_ms, &claimed), KITH_E_MALFORMED);
        kith_buf_deinit(&spk);
        kith_buf_deinit(&opk);
    }
    {
        uint8_t good[E2E_DH_BYTES] = {9};
        struct kith_buf spk = signed_point(trio->bob, E2E_LABEL_SPK, good);
        claimed.spk = kith_buf_peek(&spk);
        claimed.opk = (struct kith_slice){0};
        assert_int_equal(e2e_account_bundle(trio->ann->account, trio->town->now_ms, &claimed), KITH_OK);
        kith_buf_deinit(&spk);
    }
    trio_free(trio);
}

/* The other end of a session takes a ratchet step to a point of small order, and commits to the keys that come of zeros. */
static void test_malicious__e2e_09_ratchet_keys_that_are_no_keys(void **state)
{
    struct trio *trio = trio_new(9001);
    uint8_t msg_id[E2E_ID_BYTES] = {1};

    (void)state;
    trio_talk(trio);
    for (int i = 0; i < FORGE_BAD_POINTS; i++) {
        struct e2e_session *session = forge_session(trio->bob, trio->ann);
        struct e2e_random random = town_random(trio->town);
        struct e2e_payload payload = forge_payload(trio->bob, trio->ann, &trio->chat, msg_id, 2);
        uint8_t zeros[E2E_DH_BYTES] = {0}, chain[E2E_KEY_BYTES], mk[E2E_KEY_BYTES];
        struct e2e_header header = {.pn = session->ns};
        struct e2e_message_keys keys;
        struct kith_buf plain, message;
        kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
        kith_buf_init(&message, TOWN_CIPHER_MAX);
        memcpy(header.ratchet_pub, forge_bad_points[i], E2E_DH_BYTES);
        e2e_root_next(session->root_key, zeros, chain);
        e2e_chain_next(chain, mk);
        e2e_message_keys(mk, E2E_LABEL_MK, kith_slice_of(session->transcript, sizeof session->transcript), &keys);
        town_need(e2e_payload_encode(&payload, &plain) == KITH_OK);
        town_need(e2e_message_seal(&random, &keys, session->transcript, &header, (struct kith_slice){0},
                                   kith_buf_peek(&plain), &message) == KITH_OK);
        assert_int_equal(
            forge_refused(trio->ann, forge_envelope(trio->bob, &trio->chat, msg_id, kith_buf_peek(&message))),
            KITH_E_DENIED);
        kith_buf_deinit(&plain);
        kith_buf_deinit(&message);
        e2e_session_free(session);
    }
    (void)town_send(trio->bob, &trio->chat, "with a good one");
    assert_int_equal(town_read(trio->ann), 1);
    trio_free(trio);
}

static void test_malicious__e2e_09_ephemeral_keys_that_are_no_keys(void **state)
{
    struct trio *trio = trio_new(9002);
    struct town_mail *mail = town_send(trio->bob, &trio->chat, "first");

    (void)state;
    assert_int_equal(town_fetch_list(trio->ann, trio->bob->person), KITH_OK);
    for (int i = 0; i < FORGE_BAD_POINTS; i++) {
        struct kith_buf copy = forge_copy(town_body(mail, trio->ann));
        struct e2e_envelope envelope = town_envelope(mail, trio->ann);
        size_t len = 0;
        uint8_t *setup = forge_field(kith_buf_peek(&copy), 2, &len);
        memcpy(forge_field(kith_slice_of(setup, len), 11, NULL), forge_bad_points[i], E2E_DH_BYTES);
        envelope.message = kith_buf_peek(&copy);
        (void)forge_refused(trio->ann, envelope);
        kith_buf_deinit(&copy);
    }
    assert_int_equal(town_open(trio->ann, mail, NULL), KITH_OK);
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 10 */
static kith_err open_with_setup(struct town_device *to, const struct town_mail *mail, struct kith_slice setup)
{
    struct kith_buf message = forge_with(town_body(mail, to), 2, setup);
    struct e2e_envelope envelope = town_envelope(mail, to);
    kith_err err;

    envelope.message = kith_buf_peek(&message);
    envelope.is_fresh = envelope.is_own_fresh = true;
    err = forge_refused(to, envelope);
    kith_buf_deinit(&message);
    return err;
}

/* With one-time keys and with those of last resort: whatever the server changes in a set-up, there is no session of it. */
static void test_malicious__e2e_10_every_field_of_a_set_up_counts(void **state)
{
    (void)state;
    for (int has_few = 0; has_few < 2; has_few++) {
        struct town *town = town_new(10000);
        struct town_device *ann, *bob;
        struct town_chat chat;
        struct town_mail *mail;
        struct e2e_message parts = {0};
        struct kith_buf setup;
        town->has_few_prekeys = has_few != 0;
        ann = town_join(town);
        bob = town_join(town);
        chat = town_chat_two(ann, bob);
        mail = town_send(bob, &chat, "first");
        assert_int_equal(town_fetch_list(ann, bob->person), KITH_OK);
        town_need(e2e_message_decode(town_body(mail, ann), &parts) == KITH_OK);
        setup = forge_copy(parts.setup);
        for (uint16_t tag = 1; tag <= 12; tag++) {
            struct kith_buf without;
            size_t len = 0;
            uint8_t *value;
            if (tag == 8 && has_few != 0) continue; /* it has none */
            value = forge_field(kith_buf_peek(&setup), tag, &len);
            for (size_t i = 0; i < len; i += len > 100 ? 31 : 1) {
                for (int bit = 0; bit < 8; bit += 3) {
                    value[i] ^= (uint8_t)(1u << bit);
                    (void)open_with_setup(ann, mail, kith_buf_peek(&setup));
                    value[i] ^= (uint8_t)(1u << bit);
                }
            }
            if (len <= 8 && len > 1) { /* a number: 0 is none */
                uint8_t before[8];
                memcpy(before, value, len);
                memset(value, 0, len);
                assert_int_equal(open_with_setup(ann, mail, kith_buf_peek(&setup)), KITH_E_MALFORMED);
                memcpy(value, before, len);
            }
            without = forge_with(kith_buf_peek(&setup), tag, (struct kith_slice){0});
            assert_int_equal(open_with_setup(ann, mail, kith_buf_peek(&without)),
                             tag == 8 ? KITH_E_DENIED : KITH_E_MALFORMED);
            kith_buf_deinit(&without);
        }
        *forge_field(kith_buf_peek(&setup), 1, NULL) = E2E_SUITE_CLASSIC;
        assert_int_equal(open_with_setup(ann, mail, kith_buf_peek(&setup)), KITH_E_UNSUPPORTED);
        assert_int_equal(open_with_setup(ann, mail, (struct kith_slice){0}), KITH_E_DENIED);
        assert_int_equal(town_open(ann, mail, NULL), KITH_OK);
        kith_buf_deinit(&setup);
        town_free(town);
    }
}

/* The keys are in the transcript: another key of the same device under the id that was named gives another session. */
static void test_malicious__e2e_10_a_bundle_whose_parts_are_swapped(void **state)
{
    struct town *town = town_new(10001);
    struct town_device *ann = town_join(town), *bob = town_join(town);
    struct e2e_claimed claimed = {0};
    const struct kith_slice spk = kith_buf_peek(&bob->spk), opk = kith_buf_peek(&bob->opks.items[0]),
                            ot = kith_buf_peek(&bob->kem_ots.items[0]), lr = kith_buf_peek(&bob->kem_lr);
    const struct {
        struct kith_slice spk, kem, opk;
        bool kem_is_last;
    } rows[] = {{opk, ot, opk, false},  {spk, ot, spk, false}, {spk, lr, opk, false}, {spk, ot, opk, true},
                {spk, spk, opk, false}, {ot, ot, opk, false},  {spk, ot, lr, false}};

    (void)state;
    assert_int_equal(town_fetch_list(ann, bob->person), KITH_OK);
    memcpy(claimed.account_id, bob->person->id, sizeof claimed.account_id);
    memcpy(claimed.server_device, bob->server_device, sizeof claimed.server_device);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        claimed.spk = rows[i].spk;
        claimed.kem = rows[i].kem;
        claimed.opk = rows[i].opk;
        claimed.kem_is_last = rows[i].kem_is_last;
        assert_int_not_equal(e2e_account_bundle(ann->account, town->now_ms, &claimed), KITH_OK);
    }
    /* And any byte of each part. */
    for (int part = 0; part < 3; part++) {
        struct kith_buf copy = forge_copy(part == 0 ? spk : part == 1 ? ot : opk);
        claimed.kem_is_last = false;
        for (size_t i = 0; i < kith_buf_len(&copy); i += 3) {
            copy.ptr[copy.head + i] ^= 2;
            claimed.spk = part == 0 ? kith_buf_peek(&copy) : spk;
            claimed.kem = part == 1 ? kith_buf_peek(&copy) : ot;
            claimed.opk = part == 2 ? kith_buf_peek(&copy) : opk;
            assert_int_not_equal(e2e_account_bundle(ann->account, town->now_ms, &claimed), KITH_OK);
            copy.ptr[copy.head + i] ^= 2;
        }
        kith_buf_deinit(&copy);
    }
    claimed.spk = spk;
    claimed.kem = ot;
    claimed.opk = opk;
    assert_int_equal(e2e_account_bundle(ann->account, town->now_ms, &claimed), KITH_OK);
    town_free(town);
}

/* The suite is what the signed lists say. */
static void test_malicious__e2e_10_no_suite_below_what_both_have(void **state)
{
    struct trio *trio = trio_new(10002);
    struct forge_keys keys = forge_keys_of(trio->bob);
    struct e2e_device_list *list = forge_next(trio->bob->person, trio->town->now_ms);
    struct kith_buf classic;
    size_t place;

    (void)state;
    list->suites[0] = E2E_SUITE_CLASSIC;
    classic = forge_list(list, keys.aik, &keys, 1);
    town_list_put(trio->bob->person, kith_buf_peek(&classic));
    assert_int_equal(town_try_send(trio->ann, &trio->chat, "no", &place), KITH_E_AGAIN);
    kith_buf_deinit(&classic);
    free(list);
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 12 */
/* As if it had been crowded out by later ones. */
static void forget_sessions(struct town_device *device)
{
    struct kith_map records = town_records_copy(device);
    const uint8_t *key = NULL;
    uint8_t gone[TOWN_RECORD_KEY];
    uint32_t at = 0;

    while (kith_map_next(&records, &at, (const void **)&key, NULL)) {
        if (key[2] != 'S') continue;
        memcpy(gone, key, sizeof gone);
        kith_buf_deinit(kith_map_find(&records, gone));
        (void)kith_map_remove(&records, gone);
        at = 0;
    }
    town_restart_from(device, &records);
    town_records_free(&records);
}

static void test_malicious__e2e_12_a_first_message_opens_once(void **state)
{
    (void)state;
    for (int has_few = 0; has_few < 2; has_few++) {
        struct town *town = town_new(12000);
        struct town_device *ann, *bob;
        struct town_chat chat;
        struct town_mail *mail;
        kith_err gone = has_few ? KITH_E_CONFLICT : KITH_E_DENIED;
        town->has_few_prekeys = has_few != 0;
        ann = town_join(town);
        bob = town_join(town);
        chat = town_chat_two(ann, bob);
        mail = town_send(bob, &chat, "first");
        assert_int_equal(town_open(ann, mail, NULL), KITH_OK);
        assert_int_equal(forge_refused(ann, town_envelope(mail, ann)), KITH_E_CONFLICT);
        town_restart(ann);
        assert_int_equal(forge_refused(ann, town_envelope(mail, ann)), KITH_E_CONFLICT);
        forget_sessions(ann);
        assert_int_equal(forge_refused(ann, town_envelope(mail, ann)), gone);
        town->now_ms += 8 * TOWN_DAY_MS;
        town_upload(ann);
        assert_int_equal(forge_refused(ann, town_envelope(mail, ann)), gone);
        /* With the private half its uses go, and they were all that was there to say. */
        town->now_ms += 23 * TOWN_DAY_MS;
        town_upload(ann);
        assert_int_equal(forge_refused(ann, town_envelope(mail, ann)), KITH_E_DENIED);
        {
            const uint8_t *key = NULL;
            uint32_t at = 0;
            while (kith_map_next(&ann->records, &at, (const void **)&key, NULL)) assert_int_not_equal(key[2], 'X');
        }
        town_restart(ann);
        town_free(town);
    }
}

/* The same when newer sessions have crowded its own out, with no restart in between. */
static void test_malicious__e2e_12_a_session_that_was_crowded_out(void **state)
{
    struct town *town = town_new(12003);
    struct town_device *ann, *bob;
    struct town_chat chat;
    struct town_mail *mail;
    struct kith_map before;

    (void)state;
    town->has_few_prekeys = town->is_cloned = true;
    ann = town_join(town);
    bob = town_join(town);
    chat = town_chat_two(ann, bob);
    before = town_records_copy(bob);
    mail = town_send(bob, &chat, "the first of many");
    assert_int_equal(town_open(ann, mail, NULL), KITH_OK);
    for (int i = 0; i < 1 + E2E_ARCHIVED_MAX; i++) {
        town->now_ms += E2E_ANEW_MS / E2E_ANEW_MAX; /* as often as it is let */
        town_restart_from(bob, &before);
        assert_int_equal(town_open(ann, town_send(bob, &chat, "of another"), NULL), KITH_OK);
        assert_int_equal(forge_refused(ann, town_envelope(mail, ann)), KITH_E_CONFLICT);
    }
    {
        const uint8_t *key = NULL;
        uint32_t at = 0, sessions = 0;
        while (kith_map_next(&ann->records, &at, (const void **)&key, NULL)) sessions += key[2] == 'S';
        assert_int_equal(sessions, 1 + E2E_ARCHIVED_MAX);
    }
    assert_int_equal(forge_refused(ann, town_envelope(mail, ann)), KITH_E_CONFLICT);
    town_records_free(&before);
    town_free(town);
}

/* Of one base key there are two messages on their way; a second set-up with it is no second session. */
static void test_malicious__e2e_12_one_that_fails_uses_nothing_up(void **state)
{
    struct town *town = town_new(12001);
    struct town_device *ann = town_join(town), *bob = town_join(town);
    struct town_chat chat = town_chat_two(ann, bob);
    struct town_mail *first = town_send(bob, &chat, "first"), *second = town_send(bob, &chat, "second");
    struct kith_buf copy = forge_copy(town_body(first, ann));
    struct e2e_envelope envelope = town_envelope(first, ann);

    (void)state;
    assert_int_equal(town_fetch_list(ann, bob->person), KITH_OK);
    copy.ptr[copy.tail - 1] ^= 1;
    envelope.message = kith_buf_peek(&copy);
    assert_int_equal(forge_refused(ann, envelope), KITH_E_DENIED);
    envelope.message = town_body(first, ann);
    envelope.msg_id[0] ^= 1; /* it opens, and is not what the server says: the session is not begun either */
    assert_int_equal(forge_refused(ann, envelope), KITH_E_DENIED);
    assert_int_equal(town_open(ann, second, NULL), KITH_OK);
    assert_int_equal(town_open(ann, first, NULL), KITH_OK);
    kith_buf_deinit(&copy);
    town_free(town);
}

/* What cannot be remembered is not begun, since it could come again; one-time keys need no remembering. */
static void test_malicious__e2e_12_uses_of_a_last_resort_have_a_maximum(void **state)
{
    struct town *town = town_new(12002);
    struct town_device *ann, *bob;
    struct town_chat chat;
    struct town_mail *mail;
    const uint32_t maximum = 65536;
    const uint8_t value[] = {0, 1, 0, 0, 0, 1, 1};
    uint8_t key[2 + 4 + 4 + E2E_DH_BYTES] = {E2E_RECORD_KEY, 'X'};

    (void)state;
    town->has_few_prekeys = true;
    ann = town_join(town);
    bob = town_join(town);
    chat = town_chat_two(ann, bob);
    mail = town_send(bob, &chat, "one too many");
    for (uint32_t i = 0; i <= maximum; i++) {
        if (i == maximum - 1) continue;
        kith_put_u32_be(key + 10, i);
        assert_int_equal(
            e2e_account_load(ann->account, kith_slice_of(key, sizeof key), kith_slice_of(value, sizeof value)),
            KITH_OK);
    }
    kith_put_u32_be(key + 10, maximum + 1);
    assert_int_equal(e2e_account_load(ann->account, kith_slice_of(key, sizeof key), kith_slice_of(value, sizeof value)),
                     KITH_E_FULL);
    assert_int_equal(town_open(ann, mail, NULL), KITH_E_DENIED);
    town_restart(ann); /* of what was made up there is nothing */
    assert_int_equal(town_open(ann, mail, NULL), KITH_OK);
    town_free(town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_05_no_signature_holds_under_another_label),
        cmocka_unit_test(test_malicious__e2e_05_no_key_is_that_of_another_label),
        cmocka_unit_test(test_malicious__e2e_05_no_prekey_is_of_another_kind),
        cmocka_unit_test(test_malicious__e2e_09_prekeys_that_are_no_keys),
        cmocka_unit_test(test_malicious__e2e_09_ratchet_keys_that_are_no_keys),
        cmocka_unit_test(test_malicious__e2e_09_ephemeral_keys_that_are_no_keys),
        cmocka_unit_test(test_malicious__e2e_10_every_field_of_a_set_up_counts),
        cmocka_unit_test(test_malicious__e2e_10_a_bundle_whose_parts_are_swapped),
        cmocka_unit_test(test_malicious__e2e_10_no_suite_below_what_both_have),
        cmocka_unit_test(test_malicious__e2e_12_a_first_message_opens_once),
        cmocka_unit_test(test_malicious__e2e_12_a_session_that_was_crowded_out),
        cmocka_unit_test(test_malicious__e2e_12_one_that_fails_uses_nothing_up),
        cmocka_unit_test(test_malicious__e2e_12_uses_of_a_last_resort_have_a_maximum),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
