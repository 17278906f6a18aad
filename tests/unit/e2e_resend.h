#ifndef KITH_TESTS_UNIT_E2E_RESEND_H
#define KITH_TESTS_UNIT_E2E_RESEND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/account_resend_impl.h"
#include "tests/e2e/town_group.h"
#include "wire/bodies.h"

/* Mail of the town, and who asks whom for what again: as a client does it, by the functions of an account alone. */

/* ---- mail */
struct letter {
    struct town_mail mail; /* in no place of the town's: the server keeps it for one account */
};

static inline void letter_free(struct letter *letter)
{
    kith_buf_deinit(&letter->mail.bodies);
}

static inline uint32_t device_number(const struct town_device *device)
{
    return device->account->self.device_id;
}

static inline struct e2e_mail mail_to(const struct town_device *to, const char *type, struct kith_slice body)
{
    struct e2e_mail mail = {.device_id = device_number(to),
                            .content_type = kith_slice_str(type),
                            .body = body,
                            .sent_at_ms = to->town->now_ms};

    memcpy(mail.account_id, to->person->id, sizeof mail.account_id);
    return mail;
}

/* With all the fetching that it takes. */
static inline kith_err letter_seal(struct town_device *from, struct e2e_mail mail, struct letter *out)
{
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    kith_err err = KITH_E_AGAIN;

    assert_non_null(wants);
    *out = (struct letter){.mail = {.from = from}};
    town_id(from->town, mail.msg_id);
    memcpy(out->mail.msg_id, mail.msg_id, sizeof mail.msg_id);
    kith_buf_init(&out->mail.bodies, TOWN_CIPHER_MAX);
    for (int round = 0; round < TOWN_ROUNDS_MAX && err == KITH_E_AGAIN; round++) {
        err = e2e_account_seal_mail(from->account, from->town->now_ms, &mail, wants, &out->mail.bodies);
        if (err == KITH_E_AGAIN) town_fetch(from, wants);
        if (err == KITH_E_AGAIN && wants->count == 0) town_upload(from);
    }
    if (err != KITH_OK) assert_int_equal(kith_buf_len(&out->mail.bodies), 0);
    free(wants);
    return err;
}

static inline struct letter letter_to(struct town_device *from, const struct town_device *to, const char *text)
{
    struct letter letter;

    assert_int_equal(letter_seal(from, mail_to(to, "text/plain", kith_slice_str(text)), &letter), KITH_OK);
    return letter;
}

static inline struct e2e_envelope letter_envelope(const struct letter *letter, const struct town_device *to)
{
    struct e2e_envelope envelope = town_envelope(&letter->mail, to);

    envelope.is_mail = true;
    return envelope;
}

/* `plain` is the caller's to wipe. */
static inline kith_err letter_open(struct town_device *to, const struct letter *letter, struct kith_buf *plain,
                                   struct e2e_opened *opened)
{
    return town_open_envelope(to, letter_envelope(letter, to), plain, opened);
}

/* ---- what did not open */
static inline struct e2e_lost lost_of(const struct town_mail *mail, uint32_t device_id)
{
    struct town *town = mail->from->town;
    struct e2e_lost lost = {.device_id = device_id,
                            .item.seq = town_seq((size_t)(mail - town->mails)),
                            .is_group = town_group_of(town, mail->thread_id) != NULL,
                            .created_ms = mail->sealed_ms};

    memcpy(lost.account_id, mail->from->person->id, sizeof lost.account_id);
    memcpy(lost.item.chat_id, mail->thread_id, sizeof lost.item.chat_id);
    memcpy(lost.item.msg_id, mail->msg_id, sizeof lost.item.msg_id);
    return lost;
}

/* Opens; what is lost is noted. */
static inline kith_err open_or_lose(struct town_device *to, const struct town_mail *mail, bool *is_lost)
{
    struct e2e_opened opened;
    struct kith_buf plain;
    kith_err err = town_open_envelope(to, town_envelope(mail, to), &plain, &opened);

    *is_lost = opened.is_lost;
    if (err == KITH_OK && mail->is_keys)
        assert_int_equal(e2e_account_group_keys_take(to->account, mail->thread_id, &opened), KITH_OK);
    if (err == KITH_OK && !mail->is_keys) assert_true(kith_slice_is(opened.payload.body, mail->text));
    if (opened.is_lost) {
        const struct e2e_lost lost = lost_of(mail, opened.device_id);
        assert_int_equal(opened.device_id, device_number(mail->from));
        e2e_account_lost(to->account, to->town->now_ms, &lost);
    }
    kith_buf_wipe(&plain);
    return err;
}

/* It did not open, and is noted. */
static inline void must_lose(struct town_device *to, const struct town_mail *mail)
{
    bool is_lost = false;
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    struct e2e_opened opened;
    struct kith_buf plain;

    town_state_hash(to, before);
    assert_int_not_equal(town_open_envelope(to, town_envelope(mail, to), &plain, &opened), KITH_OK);
    kith_buf_wipe(&plain);
    town_state_hash(to, after);
    assert_memory_equal(before, after, sizeof before); /* what fails changes nothing */
    assert_int_not_equal(open_or_lose(to, mail, &is_lost), KITH_OK);
    assert_true(is_lost);
}

static inline uint32_t lost_count(const struct town_device *by, const struct town_device *of)
{
    return e2e_account_lost_count(by->account, of->person->id, device_number(of));
}

/* ---- asking */
static inline struct town_mail *mail_of(struct town *town, const struct e2e_resend_item *item)
{
    const uint64_t index = item->seq / 2 - 1;
    struct town_mail *mail = index < town->mail_count ? &town->mails[index] : NULL;

    if (mail == NULL || memcmp(mail->msg_id, item->msg_id, sizeof mail->msg_id) != 0) return NULL;
    return memcmp(mail->thread_id, item->chat_id, sizeof mail->thread_id) == 0 ? mail : NULL;
}

static inline struct e2e_sent sent_of(const struct town_mail *mail)
{
    struct e2e_sent sent = {.sealed_mark = mail->sealed_mark,
                            .written_ms = mail->sealed_ms,
                            .is_group = town_group_of(mail->from->town, mail->thread_id) != NULL,
                            .group_epoch = mail->epoch};

    memcpy(sent.dest, mail->dest, sizeof sent.dest);
    return sent;
}

static inline kith_err give(struct town_device *from, const struct town_device *to, const struct town_mail *mail)
{
    const struct e2e_lost lost = lost_of(mail, 0);
    const struct e2e_sent sent = sent_of(mail);

    return e2e_account_give(from->account, from->town->now_ms, to->person->id, device_number(to), &lost.item, &sent);
}

static bool restarts; /* everybody is killed between any two steps */

static inline void step(struct town_device *a, struct town_device *b)
{
    if (!restarts) return;
    town_restart(a);
    town_restart(b);
}

static inline struct town_device *device_by(struct town *town, const struct e2e_ask *ask)
{
    const struct town_person *person = town_person_of(town, ask->account_id);

    for (size_t i = 0; person != NULL && i < person->device_count; i++)
        if (device_number(person->devices[i]) == ask->device_id) return person->devices[i];
    return NULL;
}

/* One answer goes out and is taken. */
static inline void answer(struct town_device *from, struct town_device *to, const struct town_mail *mail,
                          const struct e2e_resend_item *item)
{
    struct e2e_mail again = mail_to(to, "text/plain", kith_slice_str(mail->text));
    struct e2e_resend_item told;
    struct e2e_opened opened;
    struct kith_buf plain;
    struct letter letter;
    struct e2e_lost was;

    again.again = item;
    again.sent_at_ms = mail->sealed_ms;
    assert_int_equal(letter_seal(from, again, &letter), KITH_OK);
    step(from, to);
    assert_int_equal(letter_open(to, &letter, &plain, &opened), KITH_OK);
    step(from, to);
    assert_true(opened.payload.has_again);
    assert_int_equal(e2e_resend_item_decode(opened.payload.again, &told), KITH_OK);
    assert_true(kith_slice_is(opened.payload.body, mail->text));
    assert_int_equal(opened.payload.sent_at_ms, mail->sealed_ms);
    assert_true(e2e_account_resent(to->account, from->person->id, opened.device_id, &told, &was));
    assert_memory_equal(was.item.msg_id, mail->msg_id, sizeof was.item.msg_id);
    assert_false(e2e_account_resent(to->account, from->person->id, opened.device_id, &told, &was)); /* once */
    kith_buf_wipe(&plain);
    letter_free(&letter);
}

/* `from` looks at what it is asked for, and gives what it may. How many messages. */
static inline size_t answer_all(struct town_device *from, struct town_device *to, struct kith_slice body)
{
    struct e2e_resend request = {.count = 0};
    size_t given = 0;

    assert_int_equal(e2e_resend_decode(body, &request), KITH_OK);
    for (uint32_t i = 0; i < request.count; i++) {
        const struct town_mail *mail = mail_of(from->town, &request.items[i]);
        assert_true(mail != NULL && mail->from == from);
        if (mail->is_keys) { /* it is not told again: it gives the chain that there is then */
            kith_ignore(give(from, to, mail));
            continue;
        }
        step(from, to);
        if (give(from, to, mail) != KITH_OK) continue;
        step(from, to);
        answer(from, to, mail, &request.items[i]);
        given++;
    }
    return given;
}

/* Asks for all that is due now. *asked: requests that went out; may be NULL. How many messages came. */
static inline size_t ask_all(struct town_device *asker, size_t *asked)
{
    struct e2e_ask ask;
    struct kith_buf body;
    size_t came = 0, count = 0;

    kith_buf_init(&body, E2E_BODY_BYTES_MAX);
    while (e2e_account_ask(asker->account, asker->town->now_ms, &ask, &body)) {
        struct town_device *of = device_by(asker->town, &ask);
        struct e2e_opened opened;
        struct kith_buf plain;
        struct letter letter;
        assert_non_null(of);
        count++;
        step(asker, of);
        assert_int_equal(letter_seal(asker, mail_to(of, E2E_RESEND_TYPE, kith_buf_peek(&body)), &letter), KITH_OK);
        step(asker, of);
        assert_int_equal(letter_open(of, &letter, &plain, &opened), KITH_OK);
        assert_true(kith_slice_is(opened.payload.content_type, E2E_RESEND_TYPE));
        came += answer_all(of, asker, opened.payload.body);
        kith_buf_wipe(&plain);
        letter_free(&letter);
        kith_buf_reset(&body);
    }
    kith_buf_deinit(&body);
    if (asked != NULL) *asked = count;
    return came;
}

/* ---- two who talk */
struct two {
    struct town *town;
    struct town_device *ann, *bob;
    struct town_chat chat;
};

static inline struct two two_new(uint64_t seed)
{
    struct two two = {.town = town_new(seed)};

    two.town->has_few_prekeys = two.town->is_cloned = true;
    two.ann = town_join(two.town);
    two.bob = town_join(two.town);
    two.chat = town_chat_two(two.ann, two.bob);
    for (int i = 0; i < 3; i++) {
        two.town->now_ms += 1000;
        assert_int_equal(town_open(two.bob, town_send(two.ann, &two.chat, "from ann"), NULL), KITH_OK);
        assert_int_equal(town_open(two.ann, town_send(two.bob, &two.chat, "from bob"), NULL), KITH_OK);
    }
    return two;
}

/* Both speak, each answering, so that whoever is put back behind it has another ratchet. What they miss is not looked at. */
static inline void talk(const struct two *two, int turns)
{
    for (int i = 0; i < turns; i++) {
        two->town->now_ms += 1000;
        assert_int_equal(town_open(two->bob, town_send(two->ann, &two->chat, "and then"), NULL), KITH_OK);
        assert_int_equal(town_open(two->ann, town_send(two->bob, &two->chat, "go on"), NULL), KITH_OK);
    }
}

/* ---- a small group of Ann, Bob and Carol; a large one where pairwise_max is 2 */
struct three {
    struct town *town;
    struct town_device *ann, *bob, *carol;
    struct town_group *group;
};

/* What each says the others read; what is missing is not looked at. */
static inline void group_talk(const struct three *three, int turns)
{
    struct town_device *all[] = {three->ann, three->bob, three->carol};

    for (int i = 0; i < turns * 3; i++) {
        const size_t before = three->town->mail_count;
        bool is_lost = false;
        three->town->now_ms += 1000;
        (void)town_group_send(all[i % 3], three->group, "among us");
        for (size_t j = before; j < three->town->mail_count; j++)
            for (size_t k = 0; k < 3; k++)
                if (k != (size_t)i % 3 && town_body(&three->town->mails[j], all[k]).len > 0)
                    assert_int_equal(open_or_lose(all[k], &three->town->mails[j], &is_lost), KITH_OK);
    }
}

static inline struct three three_new(uint64_t seed, uint32_t pairwise_max)
{
    struct three three = {.town = town_new(seed)};
    struct town_device *all[3];

    three.town->has_few_prekeys = three.town->is_cloned = true;
    three.town->pairwise_max = pairwise_max;
    for (size_t i = 0; i < 3; i++) all[i] = town_join(three.town);
    three.ann = all[0];
    three.bob = all[1];
    three.carol = all[2];
    three.group = town_group_create(three.ann, (struct town_device *[]){three.bob, three.carol}, 2, NULL);
    for (size_t i = 1; i < 3; i++) assert_int_equal(town_group_fetch(all[i], three.group), KITH_OK);
    three.town->now_ms += 1000;
    group_talk(&three, 1);
    return three;
}

#endif
