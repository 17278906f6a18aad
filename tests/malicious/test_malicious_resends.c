#include "tests/unit/e2e_resend.h"
#include "trio.h"

/* Who asks for messages again, or answers, and ought not to: row 23. What garbage brings about: row 18. */

/* Bob's message to nobody but him, which the server has garbled. */
static struct town_mail *garbled(struct trio *trio, struct town_device *to)
{
    struct town_mail *mail = town_send(trio->ann, &trio->chat, "for bob's eyes");
    struct e2e_envelope envelope = town_envelope(mail, to);
    struct kith_buf copy = forge_copy(envelope.message);
    struct e2e_opened opened;
    struct kith_buf plain;

    copy.ptr[copy.tail - 1] ^= 1;
    envelope.message = kith_buf_peek(&copy);
    assert_int_equal(town_open_envelope(to, envelope, &plain, &opened), KITH_E_DENIED);
    assert_true(opened.is_lost);
    {
        const struct e2e_lost lost = lost_of(mail, opened.device_id);
        e2e_account_lost(to->account, trio->town->now_ms, &lost);
    }
    kith_buf_wipe(&plain);
    kith_buf_deinit(&copy);
    return mail;
}

/* A request whatever the asker has noted, by mail; and what comes of it at the other end, which opens it. */
static kith_err request(struct town_device *asker, struct town_device *of, const struct town_mail *mail)
{
    struct e2e_resend resend = {.count = 1}, read;
    struct e2e_opened opened;
    struct kith_buf body, plain;
    struct letter letter;
    kith_err err;

    resend.items[0] = lost_of(mail, 0).item;
    kith_buf_init(&body, E2E_BODY_BYTES_MAX);
    assert_int_equal(e2e_resend_encode(&resend, &body), KITH_OK);
    assert_int_equal(letter_seal(asker, mail_to(of, E2E_RESEND_TYPE, kith_buf_peek(&body)), &letter), KITH_OK);
    err = letter_open(of, &letter, &plain, &opened);
    if (err == KITH_OK) err = e2e_resend_decode(opened.payload.body, &read);
    if (err == KITH_OK) assert_true(mail_of(of->town, &read.items[0]) == mail);
    if (err == KITH_OK) err = give(of, asker, mail);
    kith_buf_deinit(&body);
    kith_buf_wipe(&plain);
    letter_free(&letter);
    return err;
}

/* An answer by mail, whoever gives it; whether it is taken. */
static bool is_taken(struct town_device *from, struct town_device *to, const struct e2e_resend_item *item)
{
    struct e2e_mail mail = mail_to(to, "text/plain", kith_slice_str("what was never said"));
    struct e2e_resend_item told;
    struct e2e_opened opened;
    struct kith_buf plain;
    struct letter letter;
    struct e2e_lost was;
    bool taken;

    mail.again = item;
    assert_int_equal(letter_seal(from, mail, &letter), KITH_OK);
    assert_int_equal(letter_open(to, &letter, &plain, &opened), KITH_OK);
    assert_true(opened.payload.has_again);
    assert_int_equal(e2e_resend_item_decode(opened.payload.again, &told), KITH_OK);
    taken = e2e_account_resent(to->account, from->person->id, opened.device_id, &told, &was);
    kith_buf_wipe(&plain);
    letter_free(&letter);
    return taken;
}

/* ------------------------------------------------------------------------------------------------ 23 */
static void test_malicious__e2e_23_a_fourth_request_is_ignored(void **state)
{
    struct trio *trio = trio_new(23100);
    struct town_mail *mail;

    (void)state;
    trio_talk(trio);
    mail = town_send(trio->ann, &trio->chat, "hello");
    for (int i = 0; i < E2E_RESENDS_MAX; i++) {
        assert_int_equal(request(trio->bob, trio->ann, mail), KITH_OK);
        town_restart(trio->ann);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(request(trio->bob, trio->ann, mail), KITH_E_FULL);
        trio->town->now_ms += E2E_RESEND_MS;
        town_restart(trio->ann);
    }
    trio_free(trio);
}

/* The server puts another identity in Bob's place, which asks for what was written to him. */
static void test_malicious__e2e_23_nothing_is_given_again_to_another_identity(void **state)
{
    struct trio *trio = trio_new(23101);
    struct town *town = trio->town;
    struct town_person *old = trio->bob->person;
    struct town_device *other;
    struct town_mail *mail;

    (void)state;
    trio_talk(trio);
    mail = town_send(trio->ann, &trio->chat, "for bob's eyes");
    assert_int_equal(request(trio->bob, trio->ann, mail), KITH_OK);
    town->now_ms += 1000;
    other = town_join_as(town, old->id);
    for (size_t i = 0; i + 1 < town->person_count; i++)
        if (town->people[i] == old) town->people[i] = other->person;
    town->people[--town->person_count] = NULL;
    assert_int_equal(request(other, trio->ann, mail), KITH_E_DENIED);
    assert_int_equal(e2e_account_verify(trio->ann->account, old->id, false), KITH_OK); /* Ann takes it for Bob */
    town->now_ms += 1000;
    (void)town_send(trio->ann, &trio->chat, "is that you?");
    assert_int_equal(request(other, trio->ann, mail), KITH_E_DENIED);
    town->people[town->person_count++] = old; /* to be freed */
    trio_free(trio);
}

/* Carol has sessions with Ann, as good as Bob's; and a device that came to Bob later has what the account has. */
static void test_malicious__e2e_23_nobody_is_given_what_was_for_others(void **state)
{
    struct trio *trio = trio_new(23102);
    struct town_device *carol = town_join(trio->town), *late;
    struct town_chat with_carol = town_chat_two(trio->ann, carol);
    struct town_mail *mail;

    (void)state;
    trio_talk(trio);
    assert_int_equal(town_open(carol, town_send(trio->ann, &with_carol, "hello carol"), NULL), KITH_OK);
    trio->town->now_ms += 1000;
    mail = town_send(trio->ann, &trio->chat, "for bob's eyes");
    trio->town->now_ms += 1000;
    late = town_link(trio->bob);
    assert_int_equal(request(carol, trio->ann, mail), KITH_E_DENIED);
    assert_int_equal(request(late, trio->ann, mail), KITH_E_DENIED);
    assert_int_equal(request(late, trio->ann, mail), KITH_E_DENIED); /* now with a session */
    assert_int_equal(request(trio->tablet, trio->ann, mail), KITH_OK);
    trio_free(trio);
}

/* By another person, another device, for another message, before it was asked for, in the chat itself, and twice. */
static void test_malicious__e2e_23_an_answer_that_nobody_asked_for_is_none(void **state)
{
    struct trio *trio = trio_new(23103);
    struct town_device *carol = town_join(trio->town);
    struct e2e_resend_item item, other;
    struct e2e_ask ask;
    struct kith_buf body;
    struct town_mail *mail;

    (void)state;
    trio_talk(trio);
    mail = garbled(trio, trio->bob);
    item = other = lost_of(mail, 0).item;
    assert_false(is_taken(trio->ann, trio->bob, &item));
    kith_buf_init(&body, E2E_BODY_BYTES_MAX);
    assert_true(e2e_account_ask(trio->bob->account, trio->town->now_ms, &ask, &body));
    kith_buf_deinit(&body);
    assert_false(is_taken(carol, trio->bob, &item));
    assert_false(is_taken(trio->tablet, trio->bob, &item));
    other.msg_id[0] ^= 1;
    assert_false(is_taken(trio->ann, trio->bob, &other));
    other = item;
    other.seq += 2;
    assert_false(is_taken(trio->ann, trio->bob, &other));
    other = item;
    other.chat_id[0] ^= 1;
    assert_false(is_taken(trio->ann, trio->bob, &other));
    {
        uint8_t bytes[E2E_RESEND_ITEM_BYTES];
        struct e2e_payload payload = forge_payload(trio->ann, trio->bob, &trio->chat, mail->msg_id, 7);
        struct e2e_envelope envelope = town_envelope(mail, trio->bob);
        struct kith_buf message;
        e2e_resend_item_encode(&item, bytes);
        payload.has_again = true;
        payload.again = kith_slice_of(bytes, sizeof bytes);
        message = forge_message(trio->ann, trio->bob, &payload);
        envelope.message = kith_buf_peek(&message);
        assert_int_equal(forge_refused(trio->bob, envelope), KITH_E_DENIED);
        kith_buf_deinit(&message);
    }
    town_restart(trio->bob);
    assert_true(is_taken(trio->ann, trio->bob, &item));
    assert_false(is_taken(trio->ann, trio->bob, &item));
    town_restart(trio->bob);
    assert_false(is_taken(trio->ann, trio->bob, &item));
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 18 */
static size_t records_of(const struct town_device *device, char letter)
{
    const uint8_t *key = NULL;
    size_t count = 0;
    uint32_t at = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL)) count += key[2] == (uint8_t)letter;
    return count;
}

/* The server garbles all that comes, of chats and of the mailbox: one new session a day, and at the other end it is counted. */
static void test_malicious__e2e_18_garbage_brings_about_one_new_session_a_day(void **state)
{
    struct trio *trio = trio_new(18100);
    uint64_t times[E2E_ANEW_MAX];
    size_t before;

    (void)state;
    trio_talk(trio);
    before = records_of(trio->bob, 'S');
    for (int i = 0; i < 20; i++) {
        (void)garbled(trio, trio->bob);
        trio->town->now_ms += 1000;
        assert_int_equal(town_open(trio->ann, town_send(trio->bob, &trio->chat, "pardon?"), NULL), KITH_OK);
        town_restart(trio->bob);
        assert_int_equal(records_of(trio->bob, 'S'), before + 1);
    }
    assert_int_equal(e2e_account_anew(trio->ann->account, trio->bob->person->id, device_number(trio->bob), times), 1);
    trio_free(trio);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_18_garbage_brings_about_one_new_session_a_day),
        cmocka_unit_test(test_malicious__e2e_23_a_fourth_request_is_ignored),
        cmocka_unit_test(test_malicious__e2e_23_an_answer_that_nobody_asked_for_is_none),
        cmocka_unit_test(test_malicious__e2e_23_nobody_is_given_what_was_for_others),
        cmocka_unit_test(test_malicious__e2e_23_nothing_is_given_again_to_another_identity),
    };

    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
