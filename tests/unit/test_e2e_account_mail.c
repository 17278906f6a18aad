#include "e2e_resend.h"

/* Mail between two devices: what it says of itself, whom it reaches, and what of it is refused. */

struct home {
    struct town *town;
    struct town_device *ann, *tablet, *bob;
    struct town_chat chat;
};

static struct home home_new(uint64_t seed)
{
    struct home two = {.town = town_new(seed)};

    two.town->has_few_prekeys = true;
    two.ann = town_join(two.town);
    two.tablet = town_link(two.ann);
    two.bob = town_join(two.town);
    two.chat = town_chat_two(two.ann, two.bob);
    return two;
}

static size_t records(const struct town_device *device, char letter)
{
    const uint8_t *key = NULL;
    size_t count = 0;
    uint32_t at = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL)) count += key[2] == (uint8_t)letter;
    return count;
}

static void read_it(struct town_device *from, struct town_device *to, const char *text)
{
    static const uint8_t zeros[E2E_ID_BYTES];
    struct letter letter = letter_to(from, to, text);
    struct bodies bodies;
    struct e2e_opened opened;
    struct kith_buf plain;

    assert_int_equal(bodies_decode(kith_buf_peek(&letter.mail.bodies), &bodies), KITH_OK);
    assert_int_equal(bodies.list_count, 1);
    assert_int_equal(bodies.item_count, 1);
    assert_int_equal(letter_open(to, &letter, &plain, &opened), KITH_OK);
    assert_true(kith_slice_is(opened.payload.body, text));
    assert_memory_equal(opened.payload.thread_id, zeros, sizeof zeros);
    assert_int_equal(opened.payload.sseq, 1);
    assert_int_equal(opened.payload.has_peer_list, from->person != to->person);
    assert_false(opened.payload.has_dest || opened.payload.has_group || opened.payload.has_again);
    assert_int_equal(opened.missed, 0);
    assert_false(opened.wants_step || opened.is_common || opened.is_lost);
    assert_int_equal(opened.device_id, device_number(from));
    kith_buf_wipe(&plain);
    letter_free(&letter);
}

static void test_e2e_account_mail__goes_to_one_device_and_takes_no_place_in_a_thread(void **state)
{
    struct home two = home_new(1);

    (void)state;
    read_it(two.bob, two.ann, "to one of two");
    read_it(two.bob, two.ann, "and again");
    read_it(two.ann, two.bob, "back");
    read_it(two.ann, two.tablet, "to an own one");
    read_it(two.tablet, two.ann, "from an own one");
    town_restart(two.ann);
    read_it(two.bob, two.ann, "after a restart");
    assert_int_equal(records(two.ann, 'H') + records(two.ann, 'T'), 0);
    assert_int_equal(records(two.bob, 'H') + records(two.bob, 'T'), 0);
    assert_int_equal(records(two.tablet, 'S'), 1);
    town_free(two.town);
}

static void test_e2e_account_mail__is_read_once(void **state)
{
    struct home two = home_new(2);
    struct letter letter = letter_to(two.bob, two.ann, "once");
    struct e2e_opened opened;
    struct kith_buf plain;

    (void)state;
    assert_int_equal(letter_open(two.ann, &letter, &plain, &opened), KITH_OK);
    kith_buf_wipe(&plain);
    assert_int_equal(letter_open(two.ann, &letter, &plain, &opened), KITH_E_CONFLICT);
    assert_true(opened.is_lost);
    kith_buf_wipe(&plain);
    letter_free(&letter);
    town_free(two.town);
}

static kith_err seal_err(struct town_device *from, struct e2e_mail mail)
{
    struct letter letter;
    kith_err err = letter_seal(from, mail, &letter);

    letter_free(&letter);
    return err;
}

static void test_e2e_account_mail__goes_nowhere_else(void **state)
{
    struct home two = home_new(3);
    struct e2e_mail mail = mail_to(two.ann, "text/plain", kith_slice_str("x"));
    struct town_device *nobody = town_device_new(two.ann->person);

    (void)state;
    assert_int_equal(seal_err(two.ann, mail), KITH_E_NOTFOUND); /* this device */
    mail.device_id += 1000;
    assert_int_equal(seal_err(two.bob, mail), KITH_E_NOTFOUND);
    mail = mail_to(two.ann, "", kith_slice_str("x"));
    assert_int_equal(seal_err(two.bob, mail), KITH_E_MALFORMED);
    mail = mail_to(two.ann, "0123456789012345678901234567890123456789012345678901234567890123x", kith_slice_str("x"));
    assert_int_equal(seal_err(two.bob, mail), KITH_E_TOOBIG);
    mail.content_type.len--;
    assert_int_equal(seal_err(two.bob, mail), KITH_OK);
    assert_int_equal(seal_err(nobody, mail), KITH_E_CLOSED);
    /* Somebody without a list: asked for once, and not for ever. */
    memset(mail.account_id, 0x7e, sizeof mail.account_id);
    e2e_account_no_list(two.bob->account, mail.account_id, 0);
    assert_int_equal(seal_err(two.bob, mail), KITH_E_NOTFOUND);
    town_free(two.town);
}

/* Nobody is asked for the keys of a device that has not said that it belongs there. */
static void test_e2e_account_mail__waits_for_no_device_that_has_not_accepted(void **state)
{
    struct home two = home_new(9);
    struct town_device *fresh = town_device_new(two.bob->person);
    struct e2e_mail mail = mail_to(two.bob, "text/plain", kith_slice_str("x"));
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    const struct e2e_device_list *list;
    struct kith_buf request, out;

    (void)state;
    assert_non_null(wants);
    kith_buf_init(&request, E2E_LINK_BYTES_MAX);
    kith_buf_init(&out, TOWN_CIPHER_MAX);
    assert_int_equal(e2e_account_link_request(fresh->account, two.town->now_ms, &request), KITH_OK);
    assert_int_equal(e2e_account_link_approve(two.bob->account, two.town->now_ms, kith_buf_peek(&request), &out),
                     KITH_OK);
    kith_buf_wipe(&out);
    town_upload(two.bob);
    assert_int_equal(town_fetch_list(two.ann, two.bob->person), KITH_OK);
    list = e2e_account_person(two.ann->account, two.bob->person->id).list;
    assert_int_equal(list->device_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        mail.device_id = list->devices[i].device_id;
        assert_int_equal(e2e_account_seal_mail(two.ann->account, two.town->now_ms, &mail, wants, &out),
                         list->devices[i].is_accepted ? KITH_E_AGAIN : KITH_E_NOTFOUND);
        assert_int_equal(wants->count, list->devices[i].is_accepted);
    }
    kith_buf_wipe(&request);
    kith_buf_deinit(&out);
    free(wants);
    town_free(two.town);
}

static kith_err seal_once(struct town_device *from, const struct e2e_mail *mail, uint32_t *want_count)
{
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    struct kith_buf out;
    kith_err err;

    assert_non_null(wants);
    kith_buf_init(&out, TOWN_CIPHER_MAX);
    err = e2e_account_seal_mail(from->account, from->town->now_ms, mail, wants, &out);
    *want_count = wants->count;
    kith_buf_deinit(&out);
    free(wants);
    return err;
}

/* It names the own list, which everybody must be able to fetch. */
static void test_e2e_account_mail__waits_until_the_own_list_is_uploaded(void **state)
{
    struct home two = home_new(10);
    struct e2e_mail mail = mail_to(two.bob, "text/plain", kith_slice_str("x"));
    uint32_t wanted = 1;

    (void)state;
    read_it(two.ann, two.bob, "hello");
    assert_int_equal(e2e_account_remove_device(two.ann->account, two.town->now_ms, two.tablet->server_device), KITH_OK);
    assert_int_equal(seal_once(two.ann, &mail, &wanted), KITH_E_AGAIN);
    assert_int_equal(wanted, 0);
    town_upload(two.ann);
    read_it(two.ann, two.bob, "now");
    town_free(two.town);
}

/* Nobody more is known than may be: who is known goes on to be written to. */
static void test_e2e_account_mail__to_one_person_or_device_too_many(void **state)
{
    struct home two = home_new(11);
    struct e2e_mail to_bob = mail_to(two.bob, "text/plain", kith_slice_str("x")), to_tablet, to_nobody = to_bob;
    uint8_t id[E2E_ACCOUNT_ID_BYTES] = {0xff};
    struct peer *peer = NULL;
    uint32_t wanted = 1;

    (void)state;
    to_tablet = mail_to(two.tablet, "text/plain", kith_slice_str("x"));
    memset(to_nobody.account_id, 0x7e, sizeof to_nobody.account_id);
    read_it(two.ann, two.bob, "hello");
    for (uint32_t i = 0; two.ann->account->people.count < E2E_PEOPLE_MAX; i++) {
        kith_put_u32_be(id + 4, i);
        if (two.ann->account->people.count + 1 == E2E_PEOPLE_MAX) /* there is one place */
            assert_int_equal(seal_once(two.ann, &to_nobody, &wanted), KITH_E_AGAIN);
        assert_non_null(account_person_put(two.ann->account, id));
    }
    assert_int_equal(seal_once(two.ann, &to_nobody, &wanted), KITH_E_FULL);
    assert_int_equal(wanted, 0);
    for (uint32_t i = 0; two.ann->account->peers.count < E2E_PEERS_MAX; i++) {
        kith_put_u32_be(id + 4, i);
        assert_int_equal(account_peer_put(two.ann->account, two.town->now_ms, id, 1, &peer), KITH_OK);
        peer->passed_over_until_ms = UINT64_MAX;
    }
    assert_int_equal(seal_once(two.ann, &to_tablet, &wanted), KITH_E_FULL);
    assert_int_equal(wanted, 0);
    assert_int_equal(seal_once(two.ann, &to_bob, &wanted), KITH_OK);
    peer->passed_over_until_ms = 0;
    assert_int_equal(seal_once(two.ann, &to_tablet, &wanted), KITH_E_AGAIN);
    town_free(two.town);
}

static void test_e2e_account_mail__has_a_body_as_long_as_any(void **state)
{
    struct home two = home_new(4);
    uint8_t *bytes = calloc(1, E2E_BODY_BYTES_MAX + 1);
    struct e2e_mail mail = mail_to(two.ann, "text/plain", kith_slice_of(bytes, E2E_BODY_BYTES_MAX));

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(seal_err(two.bob, mail), KITH_OK);
    mail.body.len++;
    assert_int_equal(seal_err(two.bob, mail), KITH_E_TOOBIG);
    free(bytes);
    town_free(two.town);
}

static void no_bundle(void *arg, const struct town_device *asker, struct e2e_claimed *claimed)
{
    (void)arg, (void)asker;
    claimed->spk = claimed->kem = (struct kith_slice){0};
}

/* Nobody it could begin with; but a session that there is goes on, though it should be begun anew. */
static void test_e2e_account_mail__an_old_session_is_better_than_none(void **state)
{
    struct home two = home_new(5);
    struct e2e_lost broken = {.device_id = device_number(two.ann)};
    struct e2e_mail mail = mail_to(two.ann, "text/plain", kith_slice_str("x"));

    (void)state;
    memcpy(broken.account_id, two.ann->person->id, sizeof broken.account_id);
    two.town->show_bundle = no_bundle;
    assert_int_equal(seal_err(two.bob, mail), KITH_E_NOTFOUND);
    two.town->show_bundle = NULL;
    two.town->now_ms += E2E_PASSED_OVER_MS;
    read_it(two.bob, two.ann, "hello");
    e2e_account_lost(two.bob->account, two.town->now_ms, &broken);
    two.town->show_bundle = no_bundle;
    read_it(two.bob, two.ann, "there is none");
    assert_int_equal(records(two.bob, 'S'), 1);
    two.town->show_bundle = NULL;
    read_it(two.bob, two.ann, "passed over for ten minutes");
    assert_int_equal(records(two.bob, 'S'), 1);
    two.town->now_ms += E2E_PASSED_OVER_MS;
    read_it(two.bob, two.ann, "anew");
    assert_int_equal(records(two.bob, 'S'), 2);
    town_free(two.town);
}

static void test_e2e_account_mail__keeps_to_what_trust_says(void **state)
{
    struct home two = home_new(6);
    struct e2e_mail mail = mail_to(two.bob, "text/plain", kith_slice_str("x"));
    struct town_device *other;

    (void)state;
    read_it(two.ann, two.bob, "hello");
    assert_int_equal(e2e_account_verify(two.ann->account, two.bob->person->id, true), KITH_OK);
    two.town->now_ms += 1000;
    other = town_join_as(two.town, two.bob->person->id); /* another root key, under the same id */
    two.bob->person->is_deleted = true;
    {
        const struct town_person *person = other->person;
        const struct kith_buf *list = &person->lists[person->list_count - 1];
        assert_int_equal(
            e2e_account_list(two.ann->account, two.town->now_ms, person->id, person->list_seq, kith_buf_peek(list)),
            KITH_OK);
    }
    mail.device_id = device_number(other);
    mail.sent_at_ms = two.town->now_ms + 1;
    assert_int_equal(seal_err(two.ann, mail), KITH_E_DENIED); /* CHANGED */
    assert_int_equal(e2e_account_verify(two.ann->account, two.bob->person->id, false), KITH_OK);
    assert_int_not_equal(seal_err(two.ann, mail), KITH_E_DENIED);
    town_free(two.town);
}

/* ------------------------------------------------------------------------------------------------ what is refused */
/* Encrypted as any message is, whatever it says. */
static kith_err said(struct home *two, const struct e2e_payload *of, bool as_mail)
{
    struct e2e_payload payload = *of;
    struct peer *peer = account_peer_find(two->bob->account, two->ann->person->id, device_number(two->ann));
    struct e2e_envelope envelope = {.is_mail = as_mail};
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    struct kith_buf plain, cipher, out;
    struct e2e_opened opened;
    kith_err err;

    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    kith_buf_init(&cipher, TOWN_CIPHER_MAX);
    assert_int_equal(e2e_payload_encode(&payload, &plain), KITH_OK);
    assert_int_equal(account_peer_encrypt(two->bob->account, two->town->now_ms, peer, kith_buf_peek(&plain), &cipher),
                     KITH_OK);
    memcpy(envelope.account_id, two->bob->person->id, sizeof envelope.account_id);
    memcpy(envelope.server_device, two->bob->server_device, sizeof envelope.server_device);
    memcpy(envelope.msg_id, payload.msg_id, sizeof envelope.msg_id);
    if (!as_mail) memcpy(envelope.thread_id, two->chat.id, sizeof envelope.thread_id);
    envelope.message = kith_buf_peek(&cipher);
    town_state_hash(two->ann, before);
    err = town_open_envelope(two->ann, envelope, &out, &opened);
    town_state_hash(two->ann, after);
    assert_false(opened.is_lost); /* it opened: who wrote it is no honest device */
    if (err != KITH_OK) assert_memory_equal(before, after, sizeof before);
    kith_buf_wipe(&out);
    kith_buf_wipe(&plain);
    kith_buf_deinit(&cipher);
    return err;
}

static struct e2e_payload payload_for(const struct home *two, const uint8_t *thread_id)
{
    static const uint8_t msg_id[E2E_ID_BYTES] = {9};
    struct e2e_payload payload = account_payload(two->bob->account, msg_id, 1);

    account_payload_name_peer(&payload, account_person_find(two->bob->account, two->ann->person->id));
    payload.content_type = kith_slice_str("text/plain");
    if (thread_id != NULL) memcpy(payload.thread_id, thread_id, sizeof payload.thread_id);
    return payload;
}

static void test_e2e_account_mail__says_what_mail_says_and_nothing_else(void **state)
{
    static const uint8_t item[E2E_RESEND_ITEM_BYTES] = {1};
    struct home two = home_new(7);
    struct e2e_payload payload;

    (void)state;
    read_it(two.bob, two.ann, "hello");
    payload = payload_for(&two, NULL);
    assert_int_equal(said(&two, &payload, true), KITH_OK);
    payload.has_again = true;
    payload.again = kith_slice_of(item, sizeof item);
    assert_int_equal(said(&two, &payload, true), KITH_OK);
    payload = payload_for(&two, NULL);
    payload.sseq = 2;
    payload.prev[0] = 1;
    assert_int_equal(said(&two, &payload, true), KITH_E_DENIED);
    payload = payload_for(&two, NULL);
    payload.has_group = true;
    assert_int_equal(said(&two, &payload, true), KITH_E_DENIED);
    payload = payload_for(&two, NULL);
    payload.has_dest = true;
    assert_int_equal(said(&two, &payload, true), KITH_E_DENIED);
    payload = payload_for(&two, NULL);
    payload.has_peer_list = false;
    assert_int_equal(said(&two, &payload, true), KITH_E_DENIED);
    town_free(two.town);
}

static void test_e2e_account_mail__is_never_what_was_said_in_a_chat_nor_the_other_way_round(void **state)
{
    static const uint8_t item[E2E_RESEND_ITEM_BYTES] = {1};
    struct home two = home_new(8);
    struct e2e_payload payload;

    (void)state;
    read_it(two.bob, two.ann, "hello");
    payload = payload_for(&two, two.chat.id);
    assert_int_equal(said(&two, &payload, true), KITH_E_DENIED);
    assert_int_equal(said(&two, &payload, false), KITH_OK);
    payload.has_again = true;
    payload.again = kith_slice_of(item, sizeof item);
    assert_int_equal(said(&two, &payload, false), KITH_E_DENIED);
    payload = payload_for(&two, NULL);
    assert_int_equal(said(&two, &payload, false), KITH_E_DENIED);
    memset(two.chat.id, 0, sizeof two.chat.id); /* a chat that is called as the mailbox is */
    assert_int_equal(said(&two, &payload, false), KITH_E_DENIED);
    assert_int_equal(said(&two, &payload, true), KITH_OK);
    town_free(two.town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_mail__goes_to_one_device_and_takes_no_place_in_a_thread),
        cmocka_unit_test(test_e2e_account_mail__is_read_once),
        cmocka_unit_test(test_e2e_account_mail__goes_nowhere_else),
        cmocka_unit_test(test_e2e_account_mail__waits_for_no_device_that_has_not_accepted),
        cmocka_unit_test(test_e2e_account_mail__waits_until_the_own_list_is_uploaded),
        cmocka_unit_test(test_e2e_account_mail__to_one_person_or_device_too_many),
        cmocka_unit_test(test_e2e_account_mail__has_a_body_as_long_as_any),
        cmocka_unit_test(test_e2e_account_mail__an_old_session_is_better_than_none),
        cmocka_unit_test(test_e2e_account_mail__keeps_to_what_trust_says),
        cmocka_unit_test(test_e2e_account_mail__says_what_mail_says_and_nothing_else),
        cmocka_unit_test(test_e2e_account_mail__is_never_what_was_said_in_a_chat_nor_the_other_way_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
