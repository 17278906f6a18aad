#include "client_scene.h"

/*
 * What waits for keys, and what follows it: messages are opened as they come and shown in their turn, over a restart too. And
 * what libkith writes by itself, to turn a ratchet, of which its host hears nothing.
 * Ann has a phone, which is the client, and a tablet; Bob comes to have two devices, too.
 */
static void tell_members(struct scene *scene)
{
    struct user_id users[2] = {user_of(scene->chat.members[0]), user_of(scene->chat.members[1])};

    kith_client_members(scene->client, chat_of(scene), users, 2);
}

static struct scene *scene_new(void)
{
    struct scene *scene = scene_begin(5);

    scene->ann = town_join(scene->town);
    scene->tablet = town_link(scene->ann);
    scene->bob = town_join(scene->town);
    scene->chat = town_chat_two(scene->ann, scene->bob);
    (void)town_send(scene->ann, &scene->chat, "hello");
    town_need(town_read(scene->tablet) + town_read(scene->bob) == 2);
    (void)town_send(scene->bob, &scene->chat, "hello to you");
    (void)town_send(scene->tablet, &scene->chat, "and from here");
    town_need(town_read(scene->ann) == 2);
    return scene;
}

static bool was_stored(const struct scene *scene, const char *text)
{
    struct kith_slice all = kith_buf_peek(&scene->persisted);

    return memmem(all.ptr, all.len, text, strlen(text)) != NULL;
}

/* Answers what it asks for, with nothing new, until it wants the list of Bob, which it gets. */
static void give_list(struct scene *scene)
{
    const struct town_person *bob = scene->bob->person;

    for (unsigned i = 0; i < 20; i++) {
        bool is_bob = scene->has_fetch && asks_list(&scene->fetch, bob->id);
        if (scene->has_fetch && scene->fetch.kind == KITH_FETCH_KEYS) scene_keys(scene);
        for (size_t n = 0; is_bob && n < bob->list_count; n++)
            kith_client_list(scene->client, user_of(bob->id), bob->list_seq, kith_buf_peek(&bob->lists[n]));
        scene->now.mono_ms += 1000;
        if (scene->has_fetch) {
            scene->has_fetch = false;
            kith_client_fetched(scene->client, scene->now, true);
        } else {
            kith_client_tick(scene->client, scene->now);
        }
        run(scene);
        if (is_bob) return;
    }
    fail_msg("it never asked for the list");
}

/*
 * Bob's phone is in no list that Ann has, so what it says waits; the tablet's next message waits behind it to be shown, and
 * is opened nonetheless: its session would be steps further by the time.
 */
static void test_client_turn__opened_as_it_comes_and_shown_in_its_turn(void **state)
{
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct scene *scene = scene_new();
        const struct town_mail *first, *second;

        scene_open(scene, (struct kith_slice){0});
        tell_members(scene);
        scene->phone = town_link(scene->bob);
        first = town_send(scene->phone, &scene->chat, "from a device that is not known yet");
        second = town_send(scene->tablet, &scene->chat, "from one that is");
        message_event(scene, 1, first);
        message_event(scene, 2, second);
        assert_int_equal(scene->shown, 0);
        assert_true(was_stored(scene, "from one that is"));
        assert_false(was_stored(scene, "from a device that is not known yet"));
        if (restarts > 0) {
            scene_open(scene, kith_buf_peek(&scene->persisted));
            tell_members(scene);
        }
        give_list(scene);
        assert_int_equal(scene->shown, 2);
        assert_int_equal(scene->unreadable_count, 0);
        assert_int_equal(scene->last_seq, 2);
        assert_string_equal(scene->last_text, "from one that is");
        scene_free(scene);
    }
}

/*
 * The tablet has lost its state and begins anew. Its message is opened when it comes and shown later, over a restart too, and
 * says so then.
 */
static void test_client_turn__a_session_begun_anew_is_told_with_its_message(void **state)
{
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct scene *scene = scene_begin(8);
        const struct town_mail *first, *second;
        struct kith_map bare;

        scene->town->has_few_prekeys = scene->town->is_cloned = true;
        scene->ann = town_join(scene->town);
        scene->tablet = town_link(scene->ann);
        scene->bob = town_join(scene->town);
        scene->chat = town_chat_two(scene->ann, scene->bob);
        bare = town_records_copy(scene->tablet);
        (void)town_send(scene->tablet, &scene->chat, "hello");
        town_need(town_read(scene->ann) + town_read(scene->bob) == 2);
        town_restart_from(scene->tablet, &bare);
        assert_int_equal(town_fetch_list(scene->ann, scene->bob->person), KITH_OK);
        scene_open(scene, (struct kith_slice){0});
        tell_members(scene);
        scene->phone = town_link(scene->bob);
        first = town_send(scene->phone, &scene->chat, "from a device that is not known yet");
        second = town_send(scene->tablet, &scene->chat, "anew");
        message_event(scene, 1, first);
        message_event(scene, 2, second);
        assert_int_equal(scene->shown, 0);
        if (restarts > 0) {
            scene_open(scene, kith_buf_peek(&scene->persisted));
            tell_members(scene);
        }
        give_list(scene);
        assert_int_equal(scene->shown, 2);
        assert_int_equal(scene->unreadable_count, 0);
        assert_int_equal(scene->anew_count, 1);
        assert_string_equal(scene->last_text, "anew");
        town_records_free(&bare);
        scene_free(scene);
    }
}

/* One who wrote 200 messages without an answer wants one, whatever it says. The host did not write it. */
static void test_client_turn__an_answer_that_nobody_wrote_is_no_news(void **state)
{
    (void)state;
    for (unsigned refused = 0; refused < 2; refused++) {
        struct scene *scene = scene_new();
        char answer[256];

        scene_open(scene, (struct kith_slice){0});
        tell_members(scene);
        for (unsigned i = 1; i < E2E_NEED_STEP_MESSAGES; i++) /* with the one of scene_new() they are 200 */
            message_event(scene, i, town_send(scene->bob, &scene->chat, "and another thing"));
        assert_int_equal(scene->shown, E2E_NEED_STEP_MESSAGES - 1);
        assert_int_equal(scene->frames, 0);
        message_event(scene, E2E_NEED_STEP_MESSAGES, town_send(scene->bob, &scene->chat, "are you there?"));
        assert_int_equal(scene->unreadable_count, 0);
        assert_int_equal(kith_client_outbox_owed(scene->client), 1);
        assert_int_equal(kith_client_outbox_count(scene->client), 0);
        assert_int_equal(scene->frames, 1);
        (void)snprintf(answer, sizeof answer,
                       refused ? "MESSAGE\nsubscription:errors\nmessage-id:e1\ndestination:/errors\nclient-id:%s\n"
                                 "code:FORBIDDEN\n\n"
                               : "RECEIPT\nreceipt-id:x\nmessage-id:%s\nseq:300\nepoch:1\n\n",
                       scene->frame_id);
        bytes_in(scene, answer, (struct kith_slice){0});
        assert_int_equal(kith_client_outbox_count(scene->client) + kith_client_outbox_owed(scene->client), 0);
        assert_int_equal(scene->sent + scene->failed, 0);
        scene_free(scene);
    }
}

static void write_one(struct scene *scene, const char *text)
{
    struct kith_send send = {.chat = chat_of(scene),
                             .encrypted = true,
                             .content_type = kith_content_type(KITH_CONTENT_TEXT),
                             .body = kith_slice_str(text)};
    struct msg_id id;

    assert_int_equal(kith_client_send(scene->client, scene->now, &send, &id), KITH_OK);
    run(scene);
}

static void receipt(struct scene *scene, unsigned seq)
{
    char frame[256];

    (void)snprintf(frame, sizeof frame, "RECEIPT\nreceipt-id:x\nmessage-id:%s\nseq:%u\nepoch:1\n\n", scene->frame_id,
                   seq);
    bytes_in(scene, frame, (struct kith_slice){0});
}

/* Ann and Bob, who has never written to her and has found no one-time prekey of hers: each message of his asks for an answer. */
static struct scene *scene_stranger(bool has_tablet)
{
    struct scene *scene = scene_begin(7);

    scene->town->has_few_prekeys = true;
    scene->ann = town_join(scene->town);
    if (has_tablet) scene->tablet = town_link(scene->ann);
    scene->bob = town_join(scene->town);
    scene->chat = town_chat_two(scene->ann, scene->bob);
    assert_int_equal(town_fetch_list(scene->ann, scene->bob->person), KITH_OK);
    scene_open(scene, (struct kith_slice){0});
    tell_members(scene);
    return scene;
}

/* A stranger who asks for an answer gets none: what Ann writes is one. Then he is answered. */
static void test_client_turn__a_stranger_waits_for_what_the_person_writes(void **state)
{
    struct scene *scene = scene_stranger(false);

    (void)state;
    for (unsigned i = 1; i <= 3; i++) message_event(scene, i, town_send(scene->bob, &scene->chat, "it is me"));
    assert_int_equal(scene->shown, 3);
    assert_int_equal(scene->unreadable_count, 0);
    assert_int_equal(scene->frames, 0);
    assert_int_equal(kith_client_outbox_count(scene->client) + kith_client_outbox_owed(scene->client), 0);
    write_one(scene, "who?");
    assert_int_equal(scene->frames, 1);
    receipt(scene, 100);
    assert_int_equal(scene->sent, 1);
    message_event(scene, 4, town_send(scene->bob, &scene->chat, "he has not seen it yet, and asks on"));
    assert_int_equal(scene->frames, 2);
    assert_int_equal(kith_client_outbox_owed(scene->client), 1);
    receipt(scene, 101);
    assert_int_equal(scene->sent, 1); /* nobody wrote it */
    scene_free(scene);
}

/* What Ann wrote on her tablet counts, when it has come: then her phone answers for her. */
static void test_client_turn__what_the_person_wrote_elsewhere_counts(void **state)
{
    struct scene *scene = scene_stranger(true);
    const struct town_mail *mail;

    (void)state;
    message_event(scene, 1, town_send(scene->bob, &scene->chat, "it is me"));
    mail = town_send(scene->tablet, &scene->chat, "from the tablet");
    message_event(scene, 2, town_send(scene->bob, &scene->chat, "are you there?"));
    assert_int_equal(scene->frames, 0);
    message_event(scene, 3, mail);
    message_event(scene, 4, town_send(scene->bob, &scene->chat, "and now?"));
    assert_int_equal(scene->unreadable_count, 0);
    assert_int_equal(scene->shown, 4);
    assert_int_equal(scene->frames, 1);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_turn__an_answer_that_nobody_wrote_is_no_news),
        cmocka_unit_test(test_client_turn__a_session_begun_anew_is_told_with_its_message),
        cmocka_unit_test(test_client_turn__a_stranger_waits_for_what_the_person_writes),
        cmocka_unit_test(test_client_turn__what_the_person_wrote_elsewhere_counts),
        cmocka_unit_test(test_client_turn__opened_as_it_comes_and_shown_in_its_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
