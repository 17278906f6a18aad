#include "base/limits.h"
#include "tests/unit/client_scene.h"

/*
 * What a stranger, or who names what is not there, gets for it: row 24. Ann's client, and all that leaves it for the server but
 * acknowledgements of the stream, of which the server tells a stranger nothing (docs/wire/rest.md).
 */

/* Bob has never been written to, and has found no one-time prekey of hers: each of his messages asks for an answer. */
static struct scene *scene_new(uint64_t seed)
{
    struct scene *scene = scene_begin(seed);
    struct user_id users[2];

    scene->town->has_few_prekeys = true;
    scene->ann = town_join(scene->town);
    scene->bob = town_join(scene->town);
    scene->chat = town_chat_two(scene->ann, scene->bob);
    scene_open(scene, (struct kith_slice){0});
    for (int i = 0; i < 2; i++) users[i] = user_of(scene->chat.members[i]);
    kith_client_members(scene->client, chat_of(scene), users, 2);
    return scene;
}

/* Whatever it asks for, for some seconds; nothing is given but lists, which are nobody's to notice. */
static void answer(struct scene *scene)
{
    for (unsigned i = 0; i < 12; i++) {
        if (scene->has_fetch) {
            if (scene->fetch.kind == KITH_FETCH_KEYS) scene_keys(scene);
            for (uint32_t l = 0; l < scene->fetch.list_count; l++) {
                const struct user_id user = scene->fetch.lists[l].user;
                const struct town_person *person = town_person_of(scene->town, user.id.raw);
                if (person != NULL)
                    kith_client_list(scene->client, user, person->list_seq,
                                     kith_buf_peek(&person->lists[person->list_count - 1]));
            }
            scene->has_fetch = false;
            kith_client_fetched(scene->client, scene->now, true);
        } else {
            kith_client_tick(scene->client, scene->now);
        }
        run(scene);
        scene->now.mono_ms += 500;
    }
}

/* Of bob, as the next event of the chat. */
static void say(struct scene *scene, struct kith_slice content_type, struct kith_slice body)
{
    struct town_mail mail = {.from = scene->bob};
    struct e2e_seal seal;

    town_id(scene->town, mail.msg_id);
    memcpy(mail.thread_id, scene->chat.id, sizeof mail.thread_id);
    seal = town_seal_of(&scene->chat, mail.msg_id, "", scene->town->now_ms);
    seal.content_type = content_type;
    seal.body = body;
    kith_buf_init(&mail.bodies, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(town_seal(scene->bob, &seal, &mail.bodies), KITH_OK);
    e2e_account_accepted(scene->bob->account, scene->chat.id, mail.msg_id);
    message_event(scene, (unsigned)scene->last_seq + 1, &mail);
    kith_buf_deinit(&mail.bodies);
    answer(scene);
}

/* Of each kind, about a message that nobody has, of whoever's. */
static void say_all(struct scene *scene)
{
    static const struct kith_content contents[] = {
        {.kind = KITH_CONTENT_TEXT, .text = {(const uint8_t *)"hello", 5}},
        {.kind = KITH_CONTENT_REPLY, .text = {(const uint8_t *)"as you said", 11}},
        {.kind = KITH_CONTENT_REACTION, .text = {(const uint8_t *)"+1", 2}},
        {.kind = KITH_CONTENT_REACTION},
        {.kind = KITH_CONTENT_EDIT, .text = {(const uint8_t *)"what I meant", 12}},
        {.kind = KITH_CONTENT_DELETE},
        {.kind = KITH_CONTENT_STEP},
    };

    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        for (int of_ann = 0; of_ann < 2; of_ann++) {
            struct kith_content content = contents[i];
            struct kith_buf body;
            memcpy(content.author.id.raw, (of_ann ? scene->ann : scene->bob)->person->id, 16);
            town_id(scene->town, content.id.id.raw);
            kith_buf_init(&body, 4096);
            assert_int_equal(kith_content_encode(&content, &body), KITH_OK);
            say(scene, kith_content_type(content.kind), kith_buf_peek(&body));
            kith_buf_deinit(&body);
        }
    }
    /* What is none, or of a group, or of tomorrow. */
    say(scene, kith_content_type(KITH_CONTENT_DELETE), kith_slice_str("broken"));
    say(scene, kith_content_type(KITH_CONTENT_KEYS), kith_slice_str("keys of no group"));
    say(scene, kith_slice_str("application/x-kith-read"), kith_slice_str("have you?"));
    say(scene, kith_slice_str("application/x-kith-typing"), (struct kith_slice){0});
}

/* No message, no mark, no typing; and nobody's keys are taken, which they could notice. */
static void nothing_left(const struct scene *scene)
{
    assert_int_equal(scene->sends, 0);
    assert_int_equal(scene->fetches[KITH_FETCH_BUNDLES], 0);
    assert_int_equal(kith_client_outbox_count(scene->client), 0);
}

static void test_malicious__e2e_24_a_stranger_gets_no_answer_until_somebody_writes(void **state)
{
    struct scene *scene = scene_new(24000);
    struct kith_send send = {.encrypted = true,
                             .content_type = kith_content_type(KITH_CONTENT_TEXT),
                             .body = kith_slice_str("who are you?")};
    struct msg_id id;

    (void)state;
    say_all(scene);
    assert_true(scene->shown > 10);
    assert_int_equal(scene->unreadable_count, 0);
    nothing_left(scene);
    send.chat = chat_of(scene);
    assert_int_equal(kith_client_send(scene->client, scene->now, &send, &id), KITH_OK);
    run(scene);
    answer(scene);
    assert_int_equal(scene->frames, 1); /* her own words */
    assert_int_equal(scene->sends, 1);
    scene_free(scene);
}

/* A person reads because they want to: that mark is theirs, and so is that they type. */
static void test_malicious__e2e_24_a_mark_is_the_persons(void **state)
{
    struct scene *scene = scene_new(24001);

    (void)state;
    say(scene, kith_content_type(KITH_CONTENT_TEXT), kith_slice_str("read this"));
    nothing_left(scene);
    assert_int_equal(kith_client_read(scene->client, chat_of(scene), scene->last_seq), KITH_OK);
    run(scene);
    assert_int_equal(scene->sends, 1);
    assert_int_equal(kith_client_typing(scene->client, chat_of(scene)), KITH_OK);
    run(scene);
    assert_int_equal(scene->sends, 2);
    assert_int_equal(scene->frames, 0);
    scene_free(scene);
}

/* Among people who know each other, too: what names a message that is not here is kept, and gets no answer. */
static void test_malicious__e2e_24_what_names_no_message_gets_no_answer(void **state)
{
    struct scene *scene = scene_begin(24002);
    struct user_id users[2];

    (void)state;
    scene->town->has_few_prekeys = true;
    scene->ann = town_join(scene->town);
    scene->bob = town_join(scene->town);
    scene->chat = town_chat_two(scene->ann, scene->bob);
    (void)town_send(scene->ann, &scene->chat, "hello");
    assert_int_equal(town_read(scene->bob), 1);
    (void)town_send(scene->bob, &scene->chat, "hello to you");
    assert_int_equal(town_read(scene->ann), 1);
    scene_open(scene, (struct kith_slice){0});
    for (int i = 0; i < 2; i++) users[i] = user_of(scene->chat.members[i]);
    kith_client_members(scene->client, chat_of(scene), users, 2);
    say_all(scene);
    assert_true(scene->shown > 10);
    assert_int_equal(scene->unreadable_count, 0);
    nothing_left(scene);
    scene_free(scene);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_24_a_stranger_gets_no_answer_until_somebody_writes),
        cmocka_unit_test(test_malicious__e2e_24_a_mark_is_the_persons),
        cmocka_unit_test(test_malicious__e2e_24_what_names_no_message_gets_no_answer),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
