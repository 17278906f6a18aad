#include "client_pair.h"
#include "libkith/e2ee/account_resend_impl.h"

/* What does not open is asked for again, and given again. A copy of bob's records is put back, as a folder is from a backup. */

struct scene {
    struct pair *pair;
    struct pair_device *ann, *bob;
    struct kith_ordered copy; /* of bob's records, before they talked on */
};

/* They have talked, bob's records were copied, and they have talked on. */
static struct scene scene_new(uint64_t seed)
{
    struct scene scene = {.pair = pair_new(seed)};

    scene.ann = &scene.pair->devices[0];
    scene.bob = &scene.pair->devices[1];
    (void)pair_write(scene.ann, "one");
    pair_run(scene.pair);
    (void)pair_write(scene.bob, "two");
    pair_run(scene.pair);
    (void)pair_write(scene.ann, "three");
    pair_run(scene.pair);
    assert_int_equal(scene.bob->shown_count, 3);
    pair_copy_all(&scene.bob->records, &scene.copy);
    (void)pair_write(scene.bob, "four");
    pair_run(scene.pair);
    (void)pair_write(scene.ann, "five");
    pair_run(scene.pair);
    (void)pair_write(scene.bob, "six");
    pair_run(scene.pair);
    assert_string_equal(pair_last(scene.ann, 6)->text, "six");
    return scene;
}

static void scene_free(struct scene *scene)
{
    kith_ordered_deinit(&scene->copy, free);
    pair_free(scene->pair);
}

static void put_back(struct scene *scene)
{
    pair_put_back(scene->bob, &scene->copy);
    pair_run(scene->pair);
}

static size_t mails_waiting(const struct pair_device *device)
{
    size_t count = 0;

    for (const struct outbox_entry *entry = device->client->outbox_first; entry != NULL; entry = entry->next)
        count += outbox_is_mail(entry);
    return count;
}

/* Bob reads what ann wrote with a session that he has no more, in its place; and nobody is shown what their devices said. */
static void assert_given(const struct scene *scene, uint64_t seq, const char *text)
{
    const struct pair_shown *last = pair_last(scene->bob, seq), kept = pair_history(scene->bob, seq);
    size_t readable = 0;

    assert_string_equal(last->text, text);
    assert_string_equal(kept.text, text);
    assert_true(kept.is_again);
    for (size_t i = 0; i < scene->bob->shown_count; i++)
        readable += scene->bob->shown[i].seq == seq && scene->bob->shown[i].text[0] != '\0';
    assert_int_equal(readable, 1);
    for (unsigned i = 0; i < 2; i++) {
        const struct pair_device *device = &scene->pair->devices[i];
        assert_int_equal(device->mail_shown, 0);
        assert_int_equal(pair_records(device, 'B') + pair_records(device, 'O') + pair_records(device, 'Q'), 0);
        assert_int_equal(kith_client_outbox_count(device->client) + device->failed, 0);
        assert_true(kith_client_is_settled(device->client));
    }
}

static void test_client_resend__what_ann_writes_to_one_put_back_is_read_in_its_place(void **state)
{
    struct scene scene = scene_new(1);
    struct msg_id id;

    (void)state;
    put_back(&scene);
    id = pair_write(scene.ann, "seven");
    pair_run(scene.pair);
    assert_given(&scene, 7, "seven");
    assert_true(kith_uuid_eq(pair_last(scene.bob, 7)->id.id, id.id));
    assert_int_equal(scene.ann->recalls, 1);
    /* It was told first that it could not be read, and is asked for. */
    for (size_t i = 0; i < scene.bob->shown_count; i++) {
        if (scene.bob->shown[i].seq != 7) continue;
        assert_int_not_equal(scene.bob->shown[i].unreadable, KITH_OK);
        assert_true(scene.bob->shown[i].is_asked);
        assert_false(scene.bob->shown[i].is_again);
        break;
    }
    /* They go on as ever. */
    (void)pair_write(scene.bob, "eight");
    pair_run(scene.pair);
    (void)pair_write(scene.ann, "nine");
    pair_run(scene.pair);
    assert_string_equal(pair_last(scene.ann, 8)->text, "eight");
    assert_string_equal(pair_last(scene.bob, 9)->text, "nine");
    assert_false(pair_last(scene.bob, 9)->is_again);
    assert_int_equal(scene.ann->recalls, 1);
    scene_free(&scene);
}

/* What bob writes first comes with keys that ann has used: it is she who asks. */
static void test_client_resend__what_one_put_back_writes_is_asked_for_too(void **state)
{
    struct scene scene = scene_new(2);
    const struct pair_shown *last;

    (void)state;
    put_back(&scene);
    (void)pair_write(scene.bob, "seven");
    pair_run(scene.pair);
    last = pair_last(scene.ann, 7);
    assert_string_equal(last->text, "seven");
    assert_true(last->is_again);
    assert_string_equal(pair_history(scene.ann, 7).text, "seven");
    assert_int_equal(scene.bob->recalls, 1);
    scene_free(&scene);
}

/* While ann is away bob's request waits in her mailbox, and she gives when she comes. */
static void test_client_resend__who_comes_later_gives_then(void **state)
{
    struct scene scene = scene_new(3);

    (void)state;
    pair_put_back(scene.bob, &scene.copy);
    pair_stop(scene.bob);
    (void)pair_write(scene.ann, "seven");
    (void)pair_write(scene.ann, "eight");
    pair_run(scene.pair);
    pair_stop(scene.ann);
    pair_start(scene.bob);
    pair_run(scene.pair);
    assert_string_equal(pair_last(scene.bob, 8)->text, "");
    assert_int_equal(scene.bob->frames_of_mail, 1); /* both in one */
    assert_int_equal(mails_waiting(scene.bob), 0);
    pair_start(scene.ann);
    pair_run(scene.pair);
    assert_given(&scene, 7, "seven");
    assert_given(&scene, 8, "eight");
    scene_free(&scene);
}

/* Either host is killed before any effect: it comes to the same, and nothing is shown twice as given again. */
static void test_client_resend__i_e6_a_crash_before_any_effect_changes_nothing(void **state)
{
    (void)state;
    for (unsigned who = 0; who < 2; who++) {
        bool is_over = false;
        for (size_t at = 0; !is_over; at++) {
            struct scene scene = scene_new(100 + at);
            struct pair_device *device = &scene.pair->devices[who];
            put_back(&scene);
            device->crash_at = device->effects + at;
            (void)pair_write(scene.ann, "seven");
            pair_run_for(scene.pair, 120000);
            is_over = !device->is_crashed; /* there were fewer effects */
            if (pair_records(scene.bob, 'M') > 0 && scene.pair->log_count == 7) {
                assert_string_equal(pair_history(scene.bob, 7).text, "seven");
                assert_int_equal(pair_records(scene.ann, 'O') + pair_records(scene.bob, 'O'), 0);
                assert_int_equal(pair_records(scene.ann, 'Q') + pair_records(scene.bob, 'Q'), 0);
            } else {
                assert_true(who == 0 && at < 2); /* killed before her message was durable */
            }
            scene_free(&scene);
            assert_true(at < 400);
        }
    }
}

/* The stream has not brought ann her own message yet: what she wrote is still with the client. */
static void test_client_resend__what_the_stream_has_not_brought_back_is_given_from_here(void **state)
{
    struct scene scene = scene_new(4);
    struct pair_shown shown;

    (void)state;
    put_back(&scene);
    scene.ann->is_deaf = true;
    (void)pair_write(scene.ann, "seven");
    pair_run(scene.pair);
    assert_int_equal(scene.ann->recalls, 0);
    shown = pair_history(scene.bob, 7);
    assert_string_equal(shown.text, "seven");
    assert_true(shown.is_again);
    assert_int_equal(pair_history(scene.ann, 7).seq, 0); /* not even she */
    scene_free(&scene);
}

/* ------------------------------------------------------------------------------------------------ what is not given */
/* How ann's host answers; then nothing is given, and nothing is left of it. */
enum answer { ANSWER_NOTHING, ANSWER_BROKEN, ANSWER_ANOTHER, ANSWER_OF_BOB, ANSWERS };

static void test_client_resend__a_host_that_has_it_no_more_gives_nothing(void **state)
{
    (void)state;
    for (enum answer answer = 0; answer < ANSWERS; answer++) {
        struct scene scene = scene_new(5);
        uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES];
        struct kith_slice value = {0};
        put_back(&scene);
        scene.ann->recalls_not = true;
        (void)pair_write(scene.ann, "seven");
        pair_run(scene.pair);
        assert_int_equal(scene.ann->recalls, 1);
        assert_int_equal(mails_waiting(scene.ann), 1);
        assert_int_equal(kith_client_outbox_count(scene.ann->client), 0);
        assert_false(kith_client_is_settled(scene.ann->client));
        kith_record_message_key(scene.pair->chat, answer == ANSWER_OF_BOB ? 6 : 5, key);
        if (answer == ANSWER_BROKEN) value = kith_slice_str("no record");
        if (answer == ANSWER_ANOTHER || answer == ANSWER_OF_BOB)
            value = pair_value(kith_ordered_find(&scene.ann->records, kith_slice_of(key, sizeof key)));
        kith_client_recalled(scene.ann->client, scene.pair->now, scene.pair->chat, 7, value);
        pair_run(scene.pair);
        assert_int_equal(mails_waiting(scene.ann) + pair_records(scene.ann, 'O'), 0);
        assert_int_equal(scene.ann->frames_of_mail, 0);
        assert_string_equal(pair_history(scene.bob, 7).text, "");
        assert_true(kith_client_is_settled(scene.ann->client));
        scene_free(&scene);
    }
}

/*
 * The record of the message itself, but as one that was not encrypted, or not opened, or of another device, person or id, or of which
 * nobody knows when it was encrypted, or that has expired. Of what no person wrote it is said that it was such, and nothing else.
 */
static void test_client_resend__a_record_that_is_not_quite_it_is_not_given(void **state)
{
    enum { ID = 9, SENDER = 25, DEVICE = 41, EXPIRES = 65, FLAGS = 74, SEALED = 91, TYPE = 110 };
    static const struct {
        size_t at;
        uint8_t flip;
    } rows[] = {{ID, 1}, {SENDER, 1}, {DEVICE, 1}, {EXPIRES + 7, 1}, {FLAGS, 1}, {FLAGS, 4}, {SEALED, 0}, {TYPE, 0}};
    const size_t count = sizeof rows / sizeof rows[0];

    (void)state;
    for (size_t row = 0; row <= count; row++) {
        struct scene scene = scene_new(5);
        uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES], value[1024];
        struct kith_slice kept;
        size_t len;
        put_back(&scene);
        scene.ann->recalls_not = true;
        (void)pair_write(scene.ann, "seven");
        pair_run(scene.pair);
        kith_record_message_key(scene.pair->chat, 7, key);
        kept = pair_value(kith_ordered_find(&scene.ann->records, kith_slice_of(key, sizeof key)));
        len = kept.len;
        assert_true(len < sizeof value);
        memcpy(value, kept.ptr, len);
        if (row < count) value[rows[row].at] ^= rows[row].flip;
        if (row < count && rows[row].at == SEALED) memset(value + SEALED, 0, 8);
        if (row < count && rows[row].at == TYPE) { /* "message", "text/plain", "seven": the second is another one */
            len = (size_t)((uint8_t *)memmem(value, len, "text/plain", 10) - value);
            value[len - 1] = 29;
            memcpy(value + len, "application/x-kith-group-keys\0\0\0\4keys", 37);
            len += 37;
        }
        kith_client_recalled(scene.ann->client, scene.pair->now, scene.pair->chat, 7, kith_slice_of(value, len));
        pair_run(scene.pair);
        assert_int_equal(mails_waiting(scene.ann), 0);
        assert_int_equal(scene.ann->frames_of_mail, row + 1 >= count); /* those two are it */
        assert_string_equal(pair_history(scene.bob, 7).text, row == count ? "seven" : "");
        assert_int_equal(pair_history(scene.bob, 7).is_again, row + 1 >= count);
        scene_free(&scene);
    }
}

/* An answer to what was not asked, and one that comes when nobody waits for it any more. */
static void test_client_resend__an_answer_of_the_host_that_nobody_waits_for_is_nothing(void **state)
{
    struct scene scene = scene_new(6);
    uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES];

    (void)state;
    kith_record_message_key(scene.pair->chat, 5, key);
    kith_client_recalled(scene.ann->client, scene.pair->now, scene.pair->chat, 5,
                         pair_value(kith_ordered_find(&scene.ann->records, kith_slice_of(key, sizeof key))));
    pair_run(scene.pair);
    assert_int_equal(scene.ann->frames_of_mail, 0);
    scene_free(&scene);
}

/* Bob's device says `count` items of ann's chat in a mail, as a request. */
static void ask_for(struct scene *scene, uint64_t first, uint32_t count)
{
    struct outbox_mail mail = {.user = scene->ann->user};
    struct e2e_resend request = {.count = count};
    struct e2e_person ann = e2e_account_person(kith_client_account(scene->bob->client), scene->ann->user.id.raw);
    struct kith_buf body;

    mail.device_id = ann.list->devices[0].device_id;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(request.items[i].chat_id, scene->pair->chat.id.raw, sizeof request.items[i].chat_id);
        request.items[i].seq = first + i;
        request.items[i].msg_id[0] = 9;
    }
    kith_buf_init(&body, 4096);
    assert_int_equal(e2e_resend_encode(&request, &body), KITH_OK);
    mail_add(scene->bob->client, &mail, kith_slice_str(E2E_RESEND_TYPE), kith_buf_peek(&body));
    kith_buf_deinit(&body);
    kith_client_acted(scene->bob->client, scene->pair->now);
}

/* Of answers that wait for the host there are CLIENT_ANSWERS_MAX; the same again is one; and what a person writes goes out. */
static void test_client_resend__so_many_answers_wait_and_no_more(void **state)
{
    struct scene scene = scene_new(7);

    (void)state;
    scene.ann->recalls_not = true;
    ask_for(&scene, 1, 2);
    pair_run(scene.pair);
    ask_for(&scene, 1, 2);
    pair_run(scene.pair);
    assert_int_equal(mails_waiting(scene.ann), 2);
    for (uint64_t first = 1; first < CLIENT_ANSWERS_MAX; first += E2E_RESEND_ITEMS_MAX) {
        ask_for(&scene, first, E2E_RESEND_ITEMS_MAX);
        pair_run(scene.pair);
    }
    assert_int_equal(mails_waiting(scene.ann), CLIENT_ANSWERS_MAX);
    ask_for(&scene, 5000, 1);
    ask_for(&scene, 1, 2);
    pair_run(scene.pair);
    assert_int_equal(mails_waiting(scene.ann), CLIENT_ANSWERS_MAX);
    assert_int_equal(pair_records(scene.ann, 'O'), CLIENT_ANSWERS_MAX);
    assert_int_equal(scene.ann->recalls, CLIENT_ANSWERS_MAX);
    kith_client_recalled(scene.ann->client, scene.pair->now, scene.pair->chat, 3, (struct kith_slice){0});
    pair_run(scene.pair);
    assert_int_equal(mails_waiting(scene.ann), CLIENT_ANSWERS_MAX - 1);
    ask_for(&scene, 5000, 1);
    pair_run(scene.pair);
    assert_int_equal(mails_waiting(scene.ann), CLIENT_ANSWERS_MAX);
    (void)pair_write(scene.ann, "as ever");
    pair_run(scene.pair);
    assert_string_equal(pair_last(scene.bob, 7)->text, "as ever");
    assert_int_equal(kith_client_outbox_count(scene.ann->client), 0);
    scene_free(&scene);
}

/* It counts as given once, however often ann's process begins anew before there are keys to encrypt it with. */
static void test_client_resend__what_waits_for_keys_is_given_once(void **state)
{
    struct scene scene = scene_new(13);
    struct e2e_account *account;
    struct resend_peer *broken;
    struct peer_key key;

    (void)state;
    put_back(&scene);
    scene.ann->recalls_not = true;
    (void)pair_write(scene.ann, "seven");
    pair_run(scene.pair);
    account = kith_client_account(scene.ann->client);
    memcpy(key.account_id, scene.bob->user.id.raw, sizeof key.account_id);
    kith_put_u32_be(key.device_id, scene.ann->client->outbox_first->mail.device_id);
    assert_int_equal(account_resend_put(account, scene.pair->now.wall_ms, &key, &broken), KITH_OK);
    broken->is_broken = true; /* so that another session must be begun, and waits for a bundle */
    account_keep_lost(account, broken);
    kith_client_acted(scene.ann->client, scene.pair->now);
    pair_run(scene.pair);
    scene.ann->fetches_not = true;
    scene.ann->recalls_not = false;
    for (unsigned i = 0; i <= E2E_RESENDS_MAX; i++) {
        pair_start(scene.ann);
        pair_run(scene.pair);
        assert_int_equal(mails_waiting(scene.ann), 1);
        assert_int_equal(scene.ann->frames_of_mail, 0);
    }
    scene.ann->fetches_not = false;
    pair_start(scene.ann);
    pair_run(scene.pair);
    assert_int_equal(mails_waiting(scene.ann), 0);
    assert_string_equal(pair_history(scene.bob, 7).text, "seven");
    scene_free(&scene);
}

/* In a chat that ann does not know nothing can be asked for. */
static void test_client_resend__a_chat_that_is_not_known_is_asked_for_in_vain(void **state)
{
    struct scene scene = scene_new(8);
    const struct chat_id chat = scene.pair->chat;

    (void)state;
    scene.pair->chat.id.raw[0]++;
    ask_for(&scene, 1, 1);
    scene.pair->chat = chat;
    pair_run(scene.pair);
    assert_int_equal(scene.bob->frames_of_mail, 1);
    assert_int_equal(scene.ann->recalls + mails_waiting(scene.ann), 0);
    scene_free(&scene);
}

/* ------------------------------------------------------------------------------------------------ who asks */
/* It waits to be shown behind one that cannot be opened yet, and was given again by then: it is shown once, and can be read. */
static void test_client_resend__what_was_given_before_it_was_shown_is_shown_once(void **state)
{
    struct scene scene = scene_new(9);
    struct kith_message before = {.chat = scene.pair->chat,
                                  .seq = 6,
                                  .id.id.raw = {1},
                                  .sender = scene.ann->user,
                                  .device.id.raw = {9}, /* which bob does not know */
                                  .encrypted = true,
                                  .has_body = true,
                                  .type = kith_slice_str("message"),
                                  .body = kith_slice_str("not yet")};
    size_t times = 0;

    (void)state;
    put_back(&scene);
    scene.bob->lists_fail = true;
    assert_non_null(secure_pending_add(scene.bob->client, &before));
    (void)pair_write(scene.ann, "seven");
    pair_run_for(scene.pair, 120000);
    assert_int_equal(scene.ann->recalls, 1);
    assert_int_equal(pair_records(scene.bob, 'Q'), 2); /* and what is gone, before it */
    assert_int_equal(pair_history(scene.bob, 7).seq, 0);
    scene.bob->lists_fail = false;
    pair_run_for(scene.pair, 120000);
    for (size_t i = 0; i < scene.bob->shown_count; i++) times += scene.bob->shown[i].seq == 7;
    assert_int_equal(times, 1);
    assert_string_equal(pair_last(scene.bob, 7)->text, "seven");
    assert_false(pair_last(scene.bob, 7)->is_again);
    assert_false(pair_history(scene.bob, 7).is_asked);
    assert_int_equal(pair_records(scene.bob, 'Q'), 0);
    scene_free(&scene);
}

/* What is lost while a request is on the wire is asked for together, when that one is answered. */
static void test_client_resend__one_request_is_on_the_wire_at_a_time(void **state)
{
    struct scene scene = scene_new(12);

    (void)state;
    put_back(&scene);
    scene.pair->loses_mail = scene.ann->recalls_not = true;
    (void)pair_write(scene.ann, "seven");
    pair_run(scene.pair);
    for (unsigned i = 0; i < 4; i++) {
        (void)pair_write(scene.ann, "and on");
        pair_run_for(scene.pair, 10);
    }
    assert_true(pair_last(scene.bob, 11)->is_asked);
    assert_int_equal(scene.bob->frames_of_mail, 1);
    scene.pair->loses_mail = false;
    pair_run_for(scene.pair, 2 * CLIENT_ANSWER_TIMEOUT_MS); /* the connection is taken for dead, and is another one */
    assert_int_equal(scene.pair->mail_count, 2);
    assert_int_equal(scene.ann->recalls, 5);
    scene_free(&scene);
}

/* Nothing more is asked for while so many requests wait for their turn. */
static void test_client_resend__so_many_requests_wait_and_no_more(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        struct scene scene = scene_new(10);
        struct outbox_mail mail = {.user = scene.ann->user, .device_id = 77}; /* nobody: it is never sealed */
        put_back(&scene);
        scene.pair->refuse_mail = CODE_MAILBOX_FULL;
        mail.device_id = e2e_account_person(kith_client_account(scene.bob->client), scene.ann->user.id.raw)
                             .list->devices[0]
                             .device_id;
        for (unsigned i = 0; i < CLIENT_REQUESTS_MAX - 1 + more; i++)
            mail_add(scene.bob->client, &mail, kith_slice_str(E2E_RESEND_TYPE), kith_slice_str("broken"));
        pair_run(scene.pair);
        (void)pair_write(scene.ann, "seven");
        pair_run(scene.pair);
        assert_true(pair_last(scene.bob, 7)->is_asked);
        assert_int_equal(mails_waiting(scene.bob), CLIENT_REQUESTS_MAX);
        scene.pair->refuse_mail = CODE_OK;
        pair_run_for(scene.pair, 10 * CLIENT_BACKOFF_CAP_MS);
        assert_int_equal(mails_waiting(scene.bob), 0);
        assert_string_equal(pair_history(scene.bob, 7).text, "seven");
        scene_free(&scene);
    }
}

/*
 * Ann's records are put back, so that her next message has the key of one that bob has read. In a chat in which he has never written he
 * asks for nothing, and his line does not say so; when he has, he does.
 */
static void test_client_resend__a_stranger_is_asked_for_nothing_before_the_person_writes(void **state)
{
    struct pair *pair = pair_new(11);
    struct pair_device *ann = &pair->devices[0], *bob = &pair->devices[1];
    struct kith_ordered copy;

    (void)state;
    (void)pair_write(ann, "one");
    pair_run(pair);
    pair_copy_all(&ann->records, &copy);
    (void)pair_write(ann, "two");
    pair_run(pair);
    pair_put_back(ann, &copy);
    pair_run(pair);
    (void)pair_write(ann, "three");
    pair_run(pair);
    assert_int_not_equal(pair_last(bob, 3)->unreadable, KITH_OK);
    assert_false(pair_last(bob, 3)->is_asked);
    assert_int_equal(bob->frames_of_mail, 0);
    (void)pair_write(bob, "who is it?");
    pair_run(pair);
    assert_int_equal(bob->frames_of_mail, 1);
    assert_string_equal(pair_last(bob, 3)->text, "three");
    assert_true(pair_last(bob, 3)->is_again);
    kith_ordered_deinit(&copy, free);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_resend__what_ann_writes_to_one_put_back_is_read_in_its_place),
        cmocka_unit_test(test_client_resend__what_one_put_back_writes_is_asked_for_too),
        cmocka_unit_test(test_client_resend__who_comes_later_gives_then),
        cmocka_unit_test(test_client_resend__i_e6_a_crash_before_any_effect_changes_nothing),
        cmocka_unit_test(test_client_resend__what_the_stream_has_not_brought_back_is_given_from_here),
        cmocka_unit_test(test_client_resend__a_host_that_has_it_no_more_gives_nothing),
        cmocka_unit_test(test_client_resend__a_record_that_is_not_quite_it_is_not_given),
        cmocka_unit_test(test_client_resend__an_answer_of_the_host_that_nobody_waits_for_is_nothing),
        cmocka_unit_test(test_client_resend__so_many_answers_wait_and_no_more),
        cmocka_unit_test(test_client_resend__what_waits_for_keys_is_given_once),
        cmocka_unit_test(test_client_resend__a_chat_that_is_not_known_is_asked_for_in_vain),
        cmocka_unit_test(test_client_resend__what_was_given_before_it_was_shown_is_shown_once),
        cmocka_unit_test(test_client_resend__one_request_is_on_the_wire_at_a_time),
        cmocka_unit_test(test_client_resend__so_many_requests_wait_and_no_more),
        cmocka_unit_test(test_client_resend__a_stranger_is_asked_for_nothing_before_the_person_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
