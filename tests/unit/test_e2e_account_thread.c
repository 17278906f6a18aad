#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/e2e/town.h"

/* A device's place in a thread, what sealing and opening lack, and how much of everything there may be. */

struct two {
    struct town *town;
    struct town_device *ann, *bob;
    struct town_chat chat;
};

static struct two two_new(uint64_t seed)
{
    struct two two = {.town = town_new(seed)};

    two.town->has_few_prekeys = true;
    two.ann = town_join(two.town);
    two.bob = town_join(two.town);
    two.chat = town_chat_two(two.ann, two.bob);
    return two;
}

/* Sealed, not posted; what bob reads of it. */
struct sealed {
    struct e2e_seal seal;
    struct town_mail mail;
};

static struct sealed seal_one(struct two *two, const char *text)
{
    struct sealed sealed = {.mail.from = two->ann};

    town_id(two->town, sealed.mail.msg_id);
    sealed.seal = town_seal_of(&two->chat, sealed.mail.msg_id, text, two->town->now_ms);
    memcpy(sealed.mail.thread_id, two->chat.id, E2E_ID_BYTES);
    kith_buf_init(&sealed.mail.bodies, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(town_seal(two->ann, &sealed.seal, &sealed.mail.bodies), KITH_OK);
    return sealed;
}

static struct e2e_opened open_at(struct town_device *to, struct sealed *sealed)
{
    struct e2e_opened opened;
    struct kith_buf plain;

    assert_int_equal(town_open_envelope(to, town_envelope(&sealed->mail, to), &plain, &opened), KITH_OK);
    kith_buf_wipe(&plain);
    kith_buf_deinit(&sealed->mail.bodies);
    return opened;
}

static void accepted(struct two *two, const struct sealed *sealed)
{
    e2e_account_accepted(two->ann->account, sealed->seal.thread_id, sealed->seal.msg_id);
}

static void test_e2e_account_thread__messages_are_numbered_and_chained(void **state)
{
    struct two two = two_new(1);
    uint8_t prev[E2E_PREV_BYTES] = {0};

    (void)state;
    for (uint64_t i = 1; i <= 4; i++) {
        struct sealed sealed = seal_one(&two, "next");
        struct e2e_opened opened;
        accepted(&two, &sealed);
        town_restart(two.ann);
        opened = open_at(two.bob, &sealed);
        assert_int_equal(opened.payload.sseq, i);
        assert_memory_equal(opened.payload.prev, prev, sizeof prev);
        memcpy(prev, opened.payload.body_hash, sizeof prev);
    }
    town_free(two.town);
}

/* What the server refused leaves no hole: its place is the next one's, also over a restart. */
static void test_e2e_account_thread__a_place_that_was_refused_is_taken_again(void **state)
{
    struct two two = two_new(2);
    struct sealed one = seal_one(&two, "taken"), refused, next;
    struct e2e_opened opened;
    uint8_t prev[E2E_PREV_BYTES];

    (void)state;
    accepted(&two, &one);
    accepted(&two, &one); /* told twice */
    opened = open_at(two.bob, &one);
    memcpy(prev, opened.payload.body_hash, sizeof prev);
    refused = seal_one(&two, "refused");
    town_restart(two.ann);
    next = seal_one(&two, "in its place");
    accepted(&two, &refused); /* not the one that was sealed last */
    opened = open_at(two.bob, &next);
    assert_int_equal(opened.payload.sseq, 2);
    assert_memory_equal(opened.payload.prev, prev, sizeof prev);
    assert_int_equal(opened.missed, 0);
    town_restart(two.ann);
    accepted(&two, &next);
    memcpy(prev, opened.payload.body_hash, sizeof prev);
    next = seal_one(&two, "the third");
    opened = open_at(two.bob, &next);
    assert_int_equal(opened.payload.sseq, 3);
    assert_memory_equal(opened.payload.prev, prev, sizeof prev);
    kith_buf_deinit(&refused.mail.bodies);
    town_free(two.town);
}

/* A sealing that fails leaves the message that is under way in its place. */
static void test_e2e_account_thread__a_sealing_that_fails_takes_no_place(void **state)
{
    struct two two = two_new(3);
    struct e2e_wants wants;
    struct sealed one = seal_one(&two, "under way"), next;
    static uint8_t body[E2E_BODY_BYTES_MAX + 1];
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    struct e2e_seal big;
    struct kith_buf out;

    (void)state;
    big = town_seal_of(&two.chat, two.chat.id, "", two.town->now_ms);
    big.body = kith_slice_of(body, sizeof body);
    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    town_state_hash(two.ann, before);
    assert_int_equal(e2e_account_seal(two.ann->account, two.town->now_ms, &big, &wants, &out), KITH_E_TOOBIG);
    town_state_hash(two.ann, after);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(kith_buf_len(&out), 0);
    /* No room for what comes out: the sessions have stepped, the place is not taken, and `out` is as it was. */
    kith_buf_init(&out, 1000);
    big.body = kith_slice_str("no room");
    assert_int_equal(kith_buf_append_str(&out, "before"), KITH_OK);
    assert_int_equal(e2e_account_seal(two.ann->account, two.town->now_ms, &big, &wants, &out), KITH_E_TOOBIG);
    assert_true(kith_slice_is(kith_buf_peek(&out), "before"));
    kith_buf_deinit(&out);
    accepted(&two, &one);
    next = seal_one(&two, "the second");
    (void)open_at(two.bob, &one);
    assert_int_equal(open_at(two.bob, &next).payload.sseq, 2);
    town_free(two.town);
}

static void test_e2e_account_thread__what_is_missing_is_counted(void **state)
{
    struct two two = two_new(4);
    struct town_mail *mails[8];
    uint64_t missed = 99;

    (void)state;
    for (int i = 0; i < 8; i++) mails[i] = town_send(two.ann, &two.chat, "counted");
    assert_int_equal(town_open(two.bob, mails[1], &missed), KITH_OK);
    assert_int_equal(missed, 0); /* the first that is heard of a device: it may have written before we were there */
    assert_int_equal(town_open(two.bob, mails[2], &missed), KITH_OK);
    assert_int_equal(missed, 0);
    town_restart(two.bob);
    assert_int_equal(town_open(two.bob, mails[5], &missed), KITH_OK);
    assert_int_equal(missed, 2);
    assert_int_equal(town_open(two.bob, mails[3], &missed), KITH_OK); /* late */
    assert_int_equal(missed, 0);
    assert_int_equal(town_open(two.bob, mails[6], &missed), KITH_OK);
    assert_int_equal(missed, 0);
    town_free(two.town);
}

/* ------------------------------------------------------------------------------------------------ wants */
static void test_e2e_account_thread__sealing_says_what_it_lacks(void **state)
{
    struct two two = two_new(5);
    struct e2e_wants wants;
    struct e2e_seal seal = town_seal_of(&two.chat, two.chat.id, "x", two.town->now_ms);
    struct e2e_claimed none = {0};
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(e2e_account_seal(two.ann->account, two.town->now_ms, &seal, &wants, &out), KITH_E_AGAIN);
    assert_int_equal(wants.count, 1);
    assert_int_equal(wants.items[0].kind, E2E_WANT_LIST);
    assert_memory_equal(wants.items[0].account_id, two.bob->person->id, E2E_ACCOUNT_ID_BYTES);
    memcpy(none.account_id, two.bob->person->id, sizeof none.account_id);
    memcpy(none.server_device, two.bob->server_device, sizeof none.server_device);
    assert_int_equal(e2e_account_bundle(two.ann->account, two.town->now_ms, &none), KITH_E_NOTFOUND);
    town_fetch(two.ann, &wants);
    assert_int_equal(e2e_account_seal(two.ann->account, two.town->now_ms, &seal, &wants, &out), KITH_E_AGAIN);
    assert_int_equal(wants.count, 1);
    assert_int_equal(wants.items[0].kind, E2E_WANT_BUNDLE);
    assert_memory_equal(wants.items[0].server_device, two.bob->server_device, E2E_SERVER_DEVICE_BYTES);
    memset(none.server_device, 1, sizeof none.server_device);
    assert_int_equal(e2e_account_bundle(two.ann->account, two.town->now_ms, &none), KITH_E_NOTFOUND);
    town_fetch(two.ann, &wants);
    assert_int_equal(e2e_account_seal(two.ann->account, two.town->now_ms, &seal, &wants, &out), KITH_OK);
    e2e_account_stale(two.ann->account, two.bob->person->id);
    assert_int_equal(e2e_account_seal(two.ann->account, two.town->now_ms, &seal, &wants, &out), KITH_E_AGAIN);
    assert_int_equal(wants.items[0].kind, E2E_WANT_LIST);
    town_fetch(two.ann, &wants);
    kith_buf_reset(&out);
    assert_int_equal(e2e_account_seal(two.ann->account, two.town->now_ms, &seal, &wants, &out), KITH_OK);
    kith_buf_deinit(&out);
    town_free(two.town);
}

/* A device without keys is passed over, and tried again; one whose person has no other is waited for. */
static void test_e2e_account_thread__nothing_is_sealed_for_nobody(void **state)
{
    struct two two = two_new(6);
    struct town_device *laptop = town_link(two.bob);
    struct kith_buf spk = two.bob->spk, spk2 = laptop->spk;
    struct town_mail *mail;
    size_t place;

    (void)state;
    kith_buf_init(&two.bob->spk, E2E_PREKEY_BYTES_MAX); /* the server has lost them */
    kith_buf_init(&laptop->spk, E2E_PREKEY_BYTES_MAX);
    assert_int_equal(town_try_send(two.ann, &two.chat, "to nobody", &place), KITH_E_AGAIN);
    laptop->spk = spk2;
    assert_int_equal(town_try_send(two.ann, &two.chat, "still passed over", &place), KITH_E_AGAIN);
    two.town->now_ms += 10 * 60 * 1000;
    mail = town_send(two.ann, &two.chat, "to one of them");
    assert_int_equal(town_body(mail, two.bob).len, 0);
    assert_int_equal(town_read(laptop), 1);
    two.bob->spk = spk;
    two.town->now_ms += 10 * 60 * 1000;
    mail = town_send(two.ann, &two.chat, "to both");
    assert_int_equal(town_open(two.bob, mail, NULL), KITH_OK);
    assert_int_equal(town_read(laptop), 1);
    town_free(two.town);
}

/* The sender's list lacks the device: it may be old, until it was fetched. */
static void test_e2e_account_thread__a_sender_that_no_list_has_is_looked_up_once(void **state)
{
    struct two two = two_new(7);
    struct e2e_envelope envelope;
    struct e2e_wants wants;
    struct e2e_opened opened;
    struct kith_buf plain;
    struct town_mail *mail;

    (void)state;
    mail = town_send(two.ann, &two.chat, "who is this");
    envelope = town_envelope(mail, two.bob);
    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    assert_int_equal(e2e_account_open(two.bob->account, two.town->now_ms, &envelope, &wants, &plain, &opened),
                     KITH_E_AGAIN);
    assert_int_equal(wants.count, 1);
    assert_int_equal(wants.items[0].kind, E2E_WANT_LIST);
    assert_memory_equal(wants.items[0].account_id, two.ann->person->id, E2E_ACCOUNT_ID_BYTES);
    envelope.is_fresh = true;
    assert_int_equal(e2e_account_open(two.bob->account, two.town->now_ms, &envelope, &wants, &plain, &opened),
                     KITH_E_DENIED);
    assert_int_equal(wants.count, 0);
    town_need(town_fetch_list(two.bob, two.ann->person) == KITH_OK);
    assert_int_equal(e2e_account_open(two.bob->account, two.town->now_ms, &envelope, &wants, &plain, &opened), KITH_OK);
    kith_buf_wipe(&plain);
    town_free(two.town);
}

/* Both lists are newer than what the reader has: each is fetched, and the message is not lost on the way. */
static void test_e2e_account_thread__a_set_up_may_name_two_newer_lists(void **state)
{
    struct two two = two_new(8);
    struct town_device *laptop = town_link(two.bob), *tablet;
    struct town_mail *mail;

    (void)state;
    (void)town_send(two.bob, &two.chat, "hello");
    assert_int_equal(town_read(two.ann) + town_read(laptop), 2);
    tablet = town_link(two.ann); /* ann's second list */
    (void)town_link(two.bob);    /* bob's third, which the laptop has not seen */
    mail = town_send(tablet, &two.chat, "with lists that the laptop has not");
    assert_int_equal(town_open(laptop, mail, NULL), KITH_OK);
    town_free(two.town);
}

/* ------------------------------------------------------------------------------------------------ maxima */
static void test_e2e_account_thread__a_body_of_the_maximum_and_one_more(void **state)
{
    struct two two = two_new(9);
    static uint8_t body[E2E_BODY_BYTES_MAX + 1];
    static char type[E2E_CONTENT_TYPE_BYTES_MAX + 2];
    struct e2e_seal seal = town_seal_of(&two.chat, two.chat.id, "", two.town->now_ms);
    struct kith_buf out;

    (void)state;
    memset(type, 'a', sizeof type - 1);
    memset(body, 'b', sizeof body);
    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    seal.body = kith_slice_of(body, E2E_BODY_BYTES_MAX);
    seal.content_type = kith_slice_of(type, E2E_CONTENT_TYPE_BYTES_MAX);
    assert_int_equal(town_seal(two.ann, &seal, &out), KITH_OK);
    kith_buf_reset(&out);
    seal.body.len++;
    assert_int_equal(town_seal(two.ann, &seal, &out), KITH_E_TOOBIG);
    seal.body.len = 0;
    seal.content_type.len++;
    assert_int_equal(town_seal(two.ann, &seal, &out), KITH_E_TOOBIG);
    kith_buf_deinit(&out);
    town_free(two.town);
}

/* Too long for all copies together: the sessions have stepped, and the place is not taken. */
static void test_e2e_account_thread__copies_for_all_devices_have_a_maximum(void **state)
{
    struct two two = two_new(14);
    static uint8_t body[100 * 1024];
    struct e2e_seal seal = town_seal_of(&two.chat, two.chat.id, "", two.town->now_ms);
    struct sealed sealed;
    struct kith_buf out;

    (void)state;
    (void)town_link(two.bob);
    (void)town_link(two.bob);
    memset(body, 'b', sizeof body);
    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    seal.body = kith_slice_of(body, sizeof body);
    assert_int_equal(town_seal(two.ann, &seal, &out), KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&out), 0);
    sealed = seal_one(&two, "short");
    assert_int_equal(open_at(two.bob, &sealed).payload.sseq, 1);
    town_free(two.town);
}

/* In a chat of three nobody's list is the other's, and a copy for own devices says no one whom it was written to. */
static void test_e2e_account_thread__a_chat_of_three(void **state)
{
    struct two two = two_new(15);
    struct town_device *tablet = town_link(two.ann), *carol = town_join(two.town);
    const struct town_person *people[] = {two.ann->person, two.bob->person, carol->person};
    struct town_device *to[] = {tablet, two.bob, carol};
    struct town_mail *mail;

    (void)state;
    two.chat = town_chat_of(two.town, people, 3);
    mail = town_send(two.ann, &two.chat, "to both");
    for (int i = 0; i < 3; i++) {
        struct e2e_opened opened;
        struct kith_buf plain;
        assert_int_equal(town_open_envelope(to[i], town_envelope(mail, to[i]), &plain, &opened), KITH_OK);
        assert_false(opened.payload.has_peer_list || opened.payload.has_dest);
        kith_buf_wipe(&plain);
    }
    town_free(two.town);
}

/* More devices than fit into the wants: the rest is asked for next. */
static void test_e2e_account_thread__more_wants_than_fit_come_later(void **state)
{
    struct town *town = town_new(10);
    struct town_device *ann = NULL, *bob;
    struct town_chat chat;
    struct e2e_wants wants;
    struct e2e_seal seal;
    struct kith_buf out;
    size_t count = 0;

    (void)state;
    town->has_few_prekeys = true;
    bob = town_join(town);
    for (int i = 1; i < E2E_DEVICES_MAX; i++) (void)town_link(bob);
    ann = town_join(town);
    for (int i = 1; i < E2E_DEVICES_MAX; i++) (void)town_link(ann);
    {
        struct town_device *carol = town_join(town);
        const struct town_person *people[] = {ann->person, bob->person, carol->person};
        (void)town_link(carol);
        chat = town_chat_of(town, people, 3);
    }
    for (size_t i = 0; i < town->person_count; i++) assert_int_equal(town_fetch_list(ann, town->people[i]), KITH_OK);
    seal = town_seal_of(&chat, chat.id, "many", town->now_ms);
    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(e2e_account_seal(ann->account, town->now_ms, &seal, &wants, &out), KITH_E_AGAIN);
    assert_int_equal(wants.count, E2E_WANTS_MAX); /* of 31 + 32 + 2 */
    town_fetch(ann, &wants);
    assert_int_equal(e2e_account_seal(ann->account, town->now_ms, &seal, &wants, &out), KITH_E_AGAIN);
    assert_int_equal(wants.count, 1);
    town_fetch(ann, &wants);
    assert_int_equal(e2e_account_seal(ann->account, town->now_ms, &seal, &wants, &out), KITH_OK);
    {
        const struct town_mail mail = {.from = ann, .bodies = out};
        for (size_t i = 0; i < town->person_count; i++)
            for (size_t j = 0; j < town->people[i]->device_count; j++)
                count += town_body(&mail, town->people[i]->devices[j]).len > 0;
    }
    assert_int_equal(count, 65);
    kith_buf_deinit(&out);
    town_free(town);
}

/* Whoever empties us of one-time keys stops neither the renewal of the signed one nor anything else. */
static void test_e2e_account_thread__private_prekeys_have_a_maximum(void **state)
{
    struct town *town = town_new(11);
    struct town_device *ann = town_join(town);
    struct e2e_upload *up = calloc(1, sizeof *up);
    uint32_t at = 0, kept = 0;
    const uint8_t *key = NULL;

    (void)state;
    assert_non_null(up);
    for (int i = 0; i < 8; i++) {
        town_say_left(ann, 0, 0);
        (void)e2e_account_upload(ann->account, town->now_ms, up);
        e2e_account_uploaded(ann->account, town->now_ms, 0, 0);
    }
    while (kith_map_next(&ann->records, &at, (const void **)&key, NULL)) kept += key[2] == 'P';
    assert_int_equal(kept, E2E_PREKEYS_KEPT_MAX);
    town->now_ms += 8 * TOWN_DAY_MS;
    assert_true(e2e_account_upload(ann->account, town->now_ms, up));
    assert_true(up->spk.len > 0 && up->kem_lr.len > 0);
    assert_int_equal(up->opk_count + up->kem_ot_count, 0);
    /* They end, and new ones are made. */
    town->now_ms += 121 * TOWN_DAY_MS;
    assert_true(e2e_account_upload(ann->account, town->now_ms, up));
    assert_int_equal(up->opk_count, E2E_PREKEYS_MAX);
    for (at = 0, kept = 0; kith_map_next(&ann->records, &at, (const void **)&key, NULL);) kept += key[2] == 'P';
    assert_int_equal(kept, 2 * E2E_PREKEYS_MAX + 2);
    free(up);
    town_free(town);
}

/* A list that became another one while it was on its way is still to be uploaded. */
static void test_e2e_account_thread__only_what_was_offered_has_been_uploaded(void **state)
{
    struct two two = two_new(12);
    struct town_device *tablet = town_link(two.ann);
    struct e2e_upload *up = calloc(1, sizeof *up);

    (void)state;
    assert_non_null(up);
    assert_false(e2e_account_upload(two.ann->account, two.town->now_ms, up));
    assert_int_equal(e2e_account_remove_device(two.ann->account, two.town->now_ms, tablet->server_device), KITH_OK);
    e2e_account_uploaded(two.ann->account, two.town->now_ms, E2E_PREKEYS_MAX, E2E_PREKEYS_MAX); /* of the call before */
    assert_true(e2e_account_upload(two.ann->account, two.town->now_ms, up));
    assert_true(up->list.len > 0);
    free(up);
    town_free(two.town);
}

/* A session of which nothing was heard for 30 days is begun anew; when that cannot be, it is better than none. */
static void test_e2e_account_thread__a_session_that_was_silent_is_begun_anew(void **state)
{
    struct two two = two_new(13);
    struct e2e_setup setup;

    (void)state;
    (void)town_send(two.ann, &two.chat, "one");
    assert_int_equal(town_read(two.bob), 1);
    (void)town_send(two.bob, &two.chat, "two");
    assert_int_equal(town_read(two.ann), 1);
    for (int i = 0; i < 5; i++) { /* bob is there and silent */
        two.town->now_ms += 6 * TOWN_DAY_MS;
        town_upload(two.ann);
        town_upload(two.bob);
    }
    two.town->now_ms -= 1;
    assert_int_equal(e2e_message_setup(town_body(town_send(two.ann, &two.chat, "as ever"), two.bob), &setup),
                     KITH_E_NOTFOUND);
    two.town->now_ms += 1;
    assert_int_equal(e2e_message_setup(town_body(town_send(two.ann, &two.chat, "anew"), two.bob), &setup), KITH_OK);
    assert_int_equal(town_read(two.bob), 2);
    (void)town_send(two.bob, &two.chat, "answered");
    assert_int_equal(town_read(two.ann), 1);
    two.town->now_ms += 29 * TOWN_DAY_MS; /* bob is away: what he left there has expired */
    town_upload(two.ann);
    two.town->now_ms += 1 * TOWN_DAY_MS;
    assert_int_equal(e2e_message_setup(town_body(town_send(two.ann, &two.chat, "the old one"), two.bob), &setup),
                     KITH_E_NOTFOUND);
    assert_int_equal(town_read(two.bob), 1);
    town_free(two.town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_thread__messages_are_numbered_and_chained),
        cmocka_unit_test(test_e2e_account_thread__a_place_that_was_refused_is_taken_again),
        cmocka_unit_test(test_e2e_account_thread__a_sealing_that_fails_takes_no_place),
        cmocka_unit_test(test_e2e_account_thread__what_is_missing_is_counted),
        cmocka_unit_test(test_e2e_account_thread__sealing_says_what_it_lacks),
        cmocka_unit_test(test_e2e_account_thread__nothing_is_sealed_for_nobody),
        cmocka_unit_test(test_e2e_account_thread__a_sender_that_no_list_has_is_looked_up_once),
        cmocka_unit_test(test_e2e_account_thread__a_set_up_may_name_two_newer_lists),
        cmocka_unit_test(test_e2e_account_thread__a_body_of_the_maximum_and_one_more),
        cmocka_unit_test(test_e2e_account_thread__copies_for_all_devices_have_a_maximum),
        cmocka_unit_test(test_e2e_account_thread__a_chat_of_three),
        cmocka_unit_test(test_e2e_account_thread__more_wants_than_fit_come_later),
        cmocka_unit_test(test_e2e_account_thread__private_prekeys_have_a_maximum),
        cmocka_unit_test(test_e2e_account_thread__only_what_was_offered_has_been_uploaded),
        cmocka_unit_test(test_e2e_account_thread__a_session_that_was_silent_is_begun_anew),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
