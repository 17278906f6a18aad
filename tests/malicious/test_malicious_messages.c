#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/chain.h"
#include "trio.h"

/* Messages that a server, a contact or who has read a device's store makes: rows 7, 8, 14 to 18, 21 and 33. */

static uint32_t often(const char *name, uint32_t usual)
{
    const char *text = getenv(name);

    return text == NULL ? usual : (uint32_t)strtoul(text, NULL, 10);
}

/* ------------------------------------------------------------------------------------------------ 7 */
/* What a message says of itself must be what its session and its envelope say: each of them changed in turn. */
static void test_malicious__e2e_07_an_inner_sender_who_is_another(void **state)
{
    struct trio *trio = trio_new(7000);
    struct town_device *carol = town_join(trio->town);
    struct town_chat other = town_chat_two(trio->bob, carol);
    uint8_t msg_id[E2E_ID_BYTES] = {1};

    (void)state;
    trio_talk(trio);
    for (int row = 0; row < 6; row++) {
        struct e2e_payload payload = forge_payload(trio->bob, trio->ann, &trio->chat, msg_id, 2);
        struct kith_buf message;
        if (row == 0) memcpy(payload.account_id, carol->person->id, sizeof payload.account_id);
        if (row == 1) memcpy(payload.account_id, trio->ann->person->id, sizeof payload.account_id);
        if (row == 2) payload.device_id ^= 1;
        if (row == 3) memcpy(payload.thread_id, other.id, sizeof payload.thread_id);
        if (row == 4) payload.msg_id[1] ^= 1;
        if (row == 5) { /* a copy as it goes to own devices, of somebody else's */
            payload.has_dest = true;
            memcpy(payload.dest, trio->ann->person->id, sizeof payload.dest);
        }
        message = forge_message(trio->bob, trio->ann, &payload);
        assert_int_equal(
            forge_refused(trio->ann, forge_envelope(trio->bob, &trio->chat, msg_id, kith_buf_peek(&message))),
            KITH_E_DENIED);
        kith_buf_deinit(&message);
    }
    /* A good message of bob's under every other name. */
    {
        struct town_mail *mail = town_send(trio->bob, &trio->chat, "of bob");
        struct town_device *names[] = {carol, trio->tablet, trio->ann};
        assert_int_equal(town_fetch_list(trio->ann, carol->person), KITH_OK);
        for (int i = 0; i < 3; i++) {
            struct e2e_envelope envelope = town_envelope(mail, trio->ann);
            memcpy(envelope.account_id, names[i]->person->id, sizeof envelope.account_id);
            memcpy(envelope.server_device, names[i]->server_device, sizeof envelope.server_device);
            assert_int_equal(forge_refused(trio->ann, envelope), KITH_E_DENIED);
            memcpy(envelope.account_id, trio->bob->person->id, sizeof envelope.account_id);
            envelope.is_fresh = true; /* his account, with somebody's device */
            assert_int_equal(forge_refused(trio->ann, envelope), KITH_E_DENIED);
        }
        assert_int_equal(town_open(trio->ann, mail, NULL), KITH_OK);
    }
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 8 */
static void test_malicious__e2e_08_what_own_devices_tell_comes_of_own_devices(void **state)
{
    struct trio *trio = trio_new(8000);
    struct town_device *stranger = town_device_new(trio->ann->person); /* signed in, in no list */
    struct town_mail *mail;
    struct e2e_envelope envelope;
    uint8_t msg_id[E2E_ID_BYTES] = {1};
    struct e2e_payload payload;
    struct kith_buf message;

    (void)state;
    trio_talk(trio);
    /* Bob's, said to come of a device of ann's that no list has. */
    mail = town_send(trio->bob, &trio->chat, "of bob");
    envelope = town_envelope(mail, trio->ann);
    memcpy(envelope.account_id, trio->ann->person->id, sizeof envelope.account_id);
    memcpy(envelope.server_device, stranger->server_device, sizeof envelope.server_device);
    assert_int_equal(forge_refused(trio->ann, envelope), KITH_E_AGAIN);
    envelope.is_fresh = envelope.is_own_fresh = true;
    assert_int_equal(forge_refused(trio->ann, envelope), KITH_E_DENIED);
    /* Of the tablet, without whom it was written to; and with, by one who is none of ours: row 7. */
    payload = forge_payload(trio->tablet, trio->ann, &trio->chat, msg_id, 2);
    message = forge_message(trio->tablet, trio->ann, &payload);
    assert_int_equal(
        forge_refused(trio->ann, forge_envelope(trio->tablet, &trio->chat, msg_id, kith_buf_peek(&message))),
        KITH_E_DENIED);
    kith_buf_deinit(&message);
    assert_int_equal(town_open(trio->ann, mail, NULL), KITH_OK);
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 14 */
static void test_malicious__e2e_14_replayed_reflected_misdirected(void **state)
{
    struct trio *trio = trio_new(14000);
    struct town_device *carol = town_join(trio->town);
    struct town_device *all[] = {trio->ann, trio->tablet, trio->bob, carol};
    struct town_chat other;
    size_t first;

    (void)state;
    other = town_chat_two(trio->ann, carol);
    trio_talk(trio);
    (void)town_send(carol, &other, "hello");
    for (int i = 0; i < 4; i++) (void)town_read(all[i]);
    for (int i = 0; i < 3; i++) assert_int_equal(town_fetch_list(carol, all[i]->person), KITH_OK);
    for (int i = 0; i < 3; i++) assert_int_equal(town_fetch_list(all[i], carol->person), KITH_OK);
    first = trio->town->mail_count;
    for (int i = 0; i < 3; i++) (void)town_send(all[i], &trio->chat, "again and again");
    for (size_t m = 0; m < trio->town->mail_count; m++) {
        const struct town_mail *mail = &trio->town->mails[m];
        for (int of = 0; of < 4; of++) { /* the copy for one, given to each, as each other's */
            if (town_body(mail, all[of]).len == 0) continue;
            for (int to = 0; to < 4; to++) {
                for (int from = 0; from < 4; from++) {
                    struct e2e_envelope envelope = town_envelope(mail, all[of]);
                    if (of == to && all[from] == mail->from && m >= first)
                        continue; /* the one place where it belongs */
                    memcpy(envelope.account_id, all[from]->person->id, sizeof envelope.account_id);
                    memcpy(envelope.server_device, all[from]->server_device, sizeof envelope.server_device);
                    envelope.is_fresh = envelope.is_own_fresh = true;
                    (void)forge_refused(all[to], envelope);
                }
            }
        }
        for (int to = 0; to < 4; to++) { /* to whom it belongs, in another chat, as another message */
            struct e2e_envelope envelope = town_envelope(mail, all[to]);
            if (envelope.message.len == 0) continue;
            memcpy(envelope.thread_id, memcmp(mail->thread_id, other.id, E2E_ID_BYTES) == 0 ? trio->chat.id : other.id,
                   sizeof envelope.thread_id);
            (void)forge_refused(all[to], envelope);
            envelope = town_envelope(mail, all[to]);
            envelope.msg_id[0] ^= 1;
            (void)forge_refused(all[to], envelope);
        }
    }
    for (int i = 0; i < 4; i++) { /* and where it belongs, once */
        (void)town_read(all[i]);
        for (size_t m = 0; m < trio->town->mail_count; m++) {
            const struct town_mail *mail = &trio->town->mails[m];
            if (mail->from == all[i] || town_body(mail, all[i]).len == 0) continue;
            assert_int_not_equal(forge_refused(all[i], town_envelope(mail, all[i])), KITH_E_AGAIN);
        }
    }
    trio_free(trio);
}

static void test_malicious__e2e_14_what_is_dropped_is_missed(void **state)
{
    struct trio *trio = trio_new(14001);
    uint8_t msg_id[E2E_ID_BYTES] = {1};
    struct e2e_payload payload;
    struct e2e_opened opened;
    struct kith_buf message, plain;
    uint64_t missed = 0;

    (void)state;
    trio_talk(trio);
    for (int i = 0; i < 5; i++) (void)town_send(trio->bob, &trio->chat, "dropped");
    assert_int_equal(town_open(trio->ann, town_send(trio->bob, &trio->chat, "and not"), &missed), KITH_OK);
    assert_int_equal(missed, 5);
    /* A number that a contact makes up counts for what it says, and no more. */
    payload = forge_payload(trio->bob, trio->ann, &trio->chat, msg_id, UINT64_MAX);
    message = forge_message(trio->bob, trio->ann, &payload);
    assert_int_equal(town_open_envelope(trio->ann,
                                        forge_envelope(trio->bob, &trio->chat, msg_id, kith_buf_peek(&message)), &plain,
                                        &opened),
                     KITH_OK);
    assert_int_equal(opened.missed, UINT64_MAX - 8);
    kith_buf_wipe(&plain);
    kith_buf_deinit(&message);
    trio->town->is_cloned = true; /* the key of the forged one comes again: bob made it with a copy */
    assert_int_equal(town_open(trio->ann, town_send(trio->bob, &trio->chat, "used"), &missed), KITH_E_CONFLICT);
    assert_int_equal(town_open(trio->ann, town_send(trio->bob, &trio->chat, "next"), &missed), KITH_OK);
    assert_int_equal(missed, 0);
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 15 */
static void test_malicious__e2e_15_a_jump_too_far_costs_nothing(void **state)
{
    struct trio *trio = trio_new(15000);
    struct e2e_session *session;
    struct e2e_random random = town_random(trio->town);
    struct kith_buf messages[3], plain;
    uint8_t msg_id[E2E_ID_BYTES] = {1};
    struct e2e_payload payload;
    struct e2e_opened opened;
    size_t coins;

    (void)state;
    trio_talk(trio);
    session = forge_session(trio->bob, trio->ann);
    payload = forge_payload(trio->bob, trio->ann, &trio->chat, msg_id, 2);
    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    for (int i = 0; i < 3; i++) kith_buf_init(&messages[i], TOWN_CIPHER_MAX);
    town_need(e2e_payload_encode(&payload, &plain) == KITH_OK);
    for (int i = 0; i <= 2 * E2E_SKIP_MAX + 1; i++) {
        struct kith_buf *to = &messages[i == E2E_SKIP_MAX ? 0 : i == E2E_SKIP_MAX + 1 ? 1 : 2];
        kith_buf_reset(to);
        town_need(e2e_session_encrypt(&random, session, kith_buf_peek(&plain), trio->town->now_ms, to) == KITH_OK);
    }
    kith_buf_deinit(&plain);
    coins = trio->town->coin_count;
    for (int i = 1; i < 3; i++)
        assert_int_equal(
            forge_refused(trio->ann, forge_envelope(trio->bob, &trio->chat, msg_id, kith_buf_peek(&messages[i]))),
            KITH_E_DENIED);
    assert_int_equal(trio->town->coin_count, coins);
    /* As far as it goes; and the next, so that what is kept is at its maximum and one goes. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(town_open_envelope(trio->ann,
                                            forge_envelope(trio->bob, &trio->chat, msg_id, kith_buf_peek(&messages[i])),
                                            &plain, &opened),
                         KITH_OK);
        kith_buf_wipe(&plain);
        kith_buf_deinit(&messages[i]);
    }
    {
        const struct kith_buf *value = NULL;
        uint32_t at = 0;
        while (kith_map_next(&trio->ann->records, &at, NULL, (void **)&value))
            assert_true(kith_buf_len(value) <= E2E_SESSION_BYTES_MAX + 64);
    }
    town_restart(trio->ann);
    e2e_session_free(session);
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 16 */
static void mutate(struct kith_prng *prng, struct kith_buf *message)
{
    const size_t len = kith_buf_len(message);
    uint8_t *at = message->ptr + message->head + kith_prng_below(prng, len);
    const uint8_t before = *at;

    switch (kith_prng_below(prng, 4)) {
    case 0: *at ^= (uint8_t)(1u << kith_prng_below(prng, 8)); return;
    case 1: *at = (uint8_t)(before + kith_prng_between(prng, 1, 255)); return;
    case 2: message->tail = message->head + kith_prng_below(prng, len); return;
    default: town_need(kith_buf_append_u8(message, before) == KITH_OK); return;
    }
}

/* KITH_MUTATIONS: how many. */
static void test_malicious__e2e_16_damaged_messages_change_nothing(void **state)
{
    struct trio *trio = trio_new(16000);
    const uint32_t count = often("KITH_MUTATIONS", 4000);
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    struct town_mail *mails[3];

    (void)state;
    trio->town->is_cloned = true;
    mails[0] = town_send(trio->bob, &trio->chat, "with a set-up");
    for (int round = 0; round < 3; round++) {
        assert_int_equal(town_fetch_list(trio->ann, trio->bob->person), KITH_OK);
        town_state_hash(trio->ann, before);
        for (uint32_t i = 0; i < count; i++) {
            struct kith_buf copy = forge_copy(town_body(mails[round], trio->ann));
            struct e2e_envelope envelope = town_envelope(mails[round], trio->ann);
            mutate(&trio->town->order, &copy);
            envelope.message = kith_buf_peek(&copy);
            if (!kith_slice_eq(envelope.message, town_body(mails[round], trio->ann)))
                (void)forge_refused(trio->ann, envelope);
            kith_buf_deinit(&copy);
        }
        town_state_hash(trio->ann, after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(town_open(trio->ann, mails[round], NULL), KITH_OK);
        (void)town_send(trio->ann, &trio->chat, "an answer");
        assert_true(town_read(trio->bob) > 0);
        if (round < 2) mails[round + 1] = town_send(trio->bob, &trio->chat, "the next chain");
    }
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 17 */
/* Devices put back to what they were at any time before. KITH_CLONED_MESSAGES: how many. */
static void test_malicious__e2e_17_no_key_and_nonce_come_twice_whatever_is_put_back(void **state)
{
    struct trio *trio = trio_new(17000);
    struct town_device *all[] = {trio->ann, trio->tablet, trio->bob};
    struct kith_prng *prng = &trio->town->order;
    struct kith_map old[3];
    const uint32_t count = often("KITH_CLONED_MESSAGES", 600);
    uint32_t sent = 0, back = 0;

    (void)state;
    trio->town->is_cloned = true;
    for (int i = 0; i < 3; i++) old[i] = town_records_copy(all[i]);
    for (uint32_t i = 0; i < count; i++) {
        const size_t who = (size_t)kith_prng_below(prng, 3);
        size_t place;
        if (kith_prng_chance(prng, 1, 10)) {
            town_restart_from(all[who], &old[who]);
            back++;
        } else if (kith_prng_chance(prng, 1, 8)) {
            town_records_free(&old[who]);
            old[who] = town_records_copy(all[who]);
        }
        if (trio->town->mail_count + 1 < TOWN_MAILS_MAX)
            sent += town_try_send(all[who], &trio->chat, "over and over", &place) == KITH_OK;
        for (size_t m = trio->town->mail_count < 4 ? 0 : trio->town->mail_count - 4; m < trio->town->mail_count; m++)
            for (int to = 0; to < 3; to++)
                if (kith_prng_chance(prng, 1, 2) && trio->town->mails[m].from != all[to])
                    (void)town_open(all[to], &trio->town->mails[m], NULL);
    }
    assert_true(sent > count / 2 && back > count / 20); /* town_need() watched the nonces */
    for (int i = 0; i < 3; i++) town_records_free(&old[i]);
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 18 */
/* Who has copied a device's store reads on until both have answered each other, and is out then. */
static void test_malicious__e2e_18_a_copy_of_a_device_falls_behind(void **state)
{
    struct trio *trio = trio_new(18000);
    struct town_device *copy;
    struct town_mail *mail;

    (void)state;
    trio->town->is_cloned = true;
    trio_talk(trio);
    copy = calloc(1, sizeof *copy);
    assert_non_null(copy);
    *copy = *trio->ann;
    copy->account = NULL;
    copy->records = town_records_copy(trio->ann);
    town_restart(copy);
    mail = town_send(trio->bob, &trio->chat, "the copy reads it");
    assert_int_equal(town_open(trio->ann, mail, NULL), KITH_OK);
    assert_int_equal(town_open(copy, mail, NULL), KITH_OK);
    for (int i = 0; i < 2; i++) { /* ann's next ratchet key is the first that the copy does not have */
        (void)town_send(trio->ann, &trio->chat, "one round");
        assert_int_equal(town_read(trio->bob), 1);
        if (i == 0)
            assert_int_equal(town_open(trio->ann, town_send(trio->bob, &trio->chat, "and back"), NULL), KITH_OK);
    }
    mail = town_send(trio->bob, &trio->chat, "the copy does not");
    assert_int_equal(town_open(copy, mail, NULL), KITH_E_DENIED);
    assert_int_equal(town_open(trio->ann, mail, NULL), KITH_OK);
    mail = town_send(copy, &trio->chat, "from the copy");
    mail->from = trio->ann;
    assert_int_equal(forge_refused(trio->bob, town_envelope(mail, trio->bob)), KITH_E_DENIED);
    e2e_account_free(copy->account);
    town_records_free(&copy->records);
    free(copy);
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 21 */
/* A ciphertext is committed to one key, the header and the nonce: whoever could open it under a second key never gets to. */
static void test_malicious__e2e_21_a_message_is_committed_to_its_key(void **state)
{
    struct trio *trio = trio_new(21000);
    struct town_mail *mail;
    const uint16_t tags[] = {3, 4, 5, 6};

    (void)state;
    trio_talk(trio);
    mail = town_send(trio->bob, &trio->chat, "one key");
    for (int i = 0; i < 4; i++) {
        struct kith_buf copy = forge_copy(town_body(mail, trio->ann));
        struct e2e_envelope envelope = town_envelope(mail, trio->ann);
        size_t len = 0;
        uint8_t *value = forge_field(kith_buf_peek(&copy), tags[i], &len);
        for (size_t at = 0; at < len; at++) {
            value[at] ^= 1;
            envelope.message = kith_buf_peek(&copy);
            assert_int_not_equal(forge_refused(trio->ann, envelope), KITH_E_AGAIN);
            value[at] ^= 1;
        }
        kith_buf_deinit(&copy);
    }
    /* The true key and plaintext, with the commitment of another. */
    {
        struct e2e_session *session = forge_session(trio->bob, trio->ann);
        struct e2e_random random = town_random(trio->town);
        uint8_t mk[E2E_KEY_BYTES], msg_id[E2E_ID_BYTES] = {1};
        struct e2e_payload payload = forge_payload(trio->bob, trio->ann, &trio->chat, msg_id, 3);
        struct e2e_header header = {.pn = session->pn, .n = session->ns};
        struct e2e_message_keys keys;
        struct kith_buf plain, message;
        kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
        kith_buf_init(&message, TOWN_CIPHER_MAX);
        town_need(e2e_payload_encode(&payload, &plain) == KITH_OK);
        memcpy(header.ratchet_pub, session->our_pub, sizeof header.ratchet_pub);
        e2e_chain_next(session->send_chain, mk);
        for (int good = 0; good < 2; good++) {
            struct e2e_opened opened;
            struct e2e_envelope envelope;
            e2e_message_keys(mk, E2E_LABEL_MK, kith_slice_of(session->transcript, sizeof session->transcript), &keys);
            keys.commit[0] ^= good ? 0 : 1;
            kith_buf_reset(&message);
            town_need(e2e_message_seal(&random, &keys, session->transcript, &header, (struct kith_slice){0},
                                       kith_buf_peek(&plain), &message) == KITH_OK);
            envelope = forge_envelope(trio->bob, &trio->chat, msg_id, kith_buf_peek(&message));
            if (!good) {
                assert_int_equal(forge_refused(trio->ann, envelope), KITH_E_DENIED);
            } else {
                struct kith_buf text;
                assert_int_equal(town_open_envelope(trio->ann, envelope, &text, &opened), KITH_OK);
                kith_buf_wipe(&text);
            }
        }
        kith_buf_deinit(&plain);
        kith_buf_deinit(&message);
        e2e_session_free(session);
    }
    trio_free(trio);
}

/* All copies of a message say the same, and say so: body_hash, also in those for the own devices. */
static void test_malicious__e2e_21_all_copies_have_one_hash(void **state)
{
    struct trio *trio = trio_new(21001);
    struct town_device *laptop = town_link(trio->bob);
    struct town_mail *mail = town_send(trio->ann, &trio->chat, "the same for all");
    struct town_device *to[] = {trio->tablet, trio->bob, laptop};
    uint8_t hash[E2E_HASH_BYTES];

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct e2e_opened opened;
        struct kith_buf plain;
        assert_int_equal(town_open_envelope(to[i], town_envelope(mail, to[i]), &plain, &opened), KITH_OK);
        if (i == 0) memcpy(hash, opened.payload.body_hash, sizeof hash);
        assert_memory_equal(hash, opened.payload.body_hash, sizeof hash);
        assert_int_equal(opened.payload.has_dest, i == 0);
        if (i == 0) assert_memory_equal(opened.payload.dest, trio->bob->person->id, E2E_ACCOUNT_ID_BYTES);
        kith_buf_wipe(&plain);
    }
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 33 */
struct window {
    uint64_t head;
    const uint8_t *at;
};

static int by_head(const void *a, const void *b)
{
    const uint64_t x = ((const struct window *)a)->head, y = ((const struct window *)b)->head;

    return x < y ? -1 : x > y;
}

/* Whether any of `count` strings of `len` bytes is in `wire`. */
static bool is_there(struct kith_slice wire, const uint8_t *strings, size_t count, size_t stride, size_t len)
{
    struct window *windows = calloc(count, sizeof *windows);
    bool found = false;

    town_need(windows != NULL);
    for (size_t i = 0; i < count; i++) {
        windows[i].at = strings + i * stride;
        memcpy(&windows[i].head, windows[i].at, 8);
    }
    qsort(windows, count, sizeof *windows, by_head);
    for (size_t at = 0; at + len <= wire.len && !found; at++) {
        struct window key;
        const struct window *hit;
        memcpy(&key.head, wire.ptr + at, 8);
        hit = bsearch(&key, windows, count, sizeof *windows, by_head);
        found = hit != NULL && memcmp(hit->at, wire.ptr + at, len) == 0;
    }
    free(windows);
    return found;
}

/* All that any device gave to the server, which is all that the server has: no plaintext, no raw private key. */
static void test_malicious__e2e_33_no_plaintext_and_no_private_key_reaches_the_server(void **state)
{
    struct town *town = town_new(33000);
    struct town_device *devices[4];
    struct town_chat chat;
    static char texts[1000][32];
    struct kith_slice wire;

    (void)state;
    devices[0] = town_join(town);
    devices[1] = town_link(devices[0]);
    devices[2] = town_join(town);
    devices[3] = town_link(devices[2]);
    chat = town_chat_two(devices[0], devices[2]);
    for (int i = 0; i < 1000; i++) {
        kith_prng_bytes(&town->order, texts[i], 24);
        for (int j = 0; j < 24; j++) texts[i][j] = (char)('a' + (uint8_t)texts[i][j] % 26);
        (void)town_send(devices[i % 4], &chat, texts[i]);
        if (i % 5 == 0)
            for (int j = 0; j < 4; j++) (void)town_read(devices[j]);
        if (i == 500) {
            town->now_ms += 8 * TOWN_DAY_MS;
            for (int j = 0; j < 4; j++) town_upload(devices[j]);
        }
    }
    wire = kith_buf_peek(&town->wire);
    assert_true(wire.len > 1000 * 1000 && town->coin_count > 2000);
    assert_false(is_there(wire, (const uint8_t *)texts, 1000, sizeof texts[0], 24));
    assert_false(is_there(wire, (const uint8_t *)town->coins, town->coin_count, 32, 32));
    for (int i = 0; i < 4; i++) { /* what is derived and kept, too */
        struct forge_keys keys = forge_keys_of(devices[i]);
        assert_false(is_there(wire, keys.dsk, 1, 32, 32));
        assert_false(is_there(wire, keys.ddh, 1, 32, 32));
    }
    /* That the search finds: the public half of a signing key is there. */
    assert_true(is_there(wire, forge_keys_of(devices[0]).dsk + E2E_SIGN_SEED_BYTES, 1, 32, 32));
    town_free(town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_07_an_inner_sender_who_is_another),
        cmocka_unit_test(test_malicious__e2e_08_what_own_devices_tell_comes_of_own_devices),
        cmocka_unit_test(test_malicious__e2e_14_replayed_reflected_misdirected),
        cmocka_unit_test(test_malicious__e2e_14_what_is_dropped_is_missed),
        cmocka_unit_test(test_malicious__e2e_15_a_jump_too_far_costs_nothing),
        cmocka_unit_test(test_malicious__e2e_16_damaged_messages_change_nothing),
        cmocka_unit_test(test_malicious__e2e_17_no_key_and_nonce_come_twice_whatever_is_put_back),
        cmocka_unit_test(test_malicious__e2e_18_a_copy_of_a_device_falls_behind),
        cmocka_unit_test(test_malicious__e2e_21_a_message_is_committed_to_its_key),
        cmocka_unit_test(test_malicious__e2e_21_all_copies_have_one_hash),
        cmocka_unit_test(test_malicious__e2e_33_no_plaintext_and_no_private_key_reaches_the_server),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
