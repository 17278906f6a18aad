#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/content.h"
#include "libkith/kith.h"
#include "tests/e2e/town.h"

/*
 * What waits for keys, and what follows it: messages are opened as they come and shown in their turn, over a restart too. And
 * what libkith writes by itself, to turn a ratchet, of which its host hears nothing.
 *
 * Ann's phone is a client; her tablet, Bob and Bob's phone are devices of the town, whose messages are handed to it.
 */
#define RECORDS_MAX 4096

struct scene {
    struct town *town;
    struct town_device *ann, *tablet, *bob, *phone;
    struct town_chat chat;
    struct kith_client *client;
    struct kith_time now;
    struct kith_buf persisted; /* all that it ever stored */
    size_t shown, unreadable, sent, failed, frames;
    uint64_t last_seq;
    char last_text[TOWN_TEXT_BYTES_MAX];
    struct kith_fetch fetch;
    bool has_fetch;
    char frame_id[KITH_UUID_TEXT_LEN + 1]; /* of the last SEND */
};

static void random_fill(void *arg, void *out, size_t len)
{
    struct e2e_random random = town_random(arg);

    random.fill(random.arg, out, len);
}

static void note_send(struct scene *scene, struct kith_slice frame)
{
    const char *at = memmem(frame.ptr, frame.len, "\nmessage-id:", 12);

    if (frame.len < 4 || memcmp(frame.ptr, "SEND", 4) != 0 || at == NULL) return;
    scene->frames++;
    memcpy(scene->frame_id, at + 12, KITH_UUID_TEXT_LEN);
}

static void run(struct scene *scene)
{
    struct kith_effect e;

    while (kith_client_next(scene->client, &e) == KITH_OK) {
        switch (e.kind) {
        case KITH_EFFECT_PERSIST:
            assert_int_equal(kith_buf_append(&scene->persisted, e.bytes), KITH_OK);
            kith_client_persisted(scene->client);
            break;
        case KITH_EFFECT_CONNECT: kith_client_connected(scene->client, scene->now); break;
        case KITH_EFFECT_SEND: note_send(scene, e.bytes); break;
        case KITH_EFFECT_SENT: scene->sent++; break;
        case KITH_EFFECT_FAILED: scene->failed++; break;
        case KITH_EFFECT_FETCH:
            scene->fetch = e.fetch;
            scene->has_fetch = true;
            break;
        case KITH_EFFECT_MESSAGE:
            scene->shown++;
            scene->last_seq = e.message.seq;
            scene->unreadable += e.message.unreadable != KITH_OK;
            assert_true(e.message.body.len < sizeof scene->last_text);
            memset(scene->last_text, 0, sizeof scene->last_text);
            if (e.message.body.len > 0) memcpy(scene->last_text, e.message.body.ptr, e.message.body.len);
            break;
        default: break;
        }
    }
}

static void bytes_in(struct scene *scene, const char *head, struct kith_slice body)
{
    size_t head_len = strlen(head);
    uint8_t *bytes = malloc(head_len + body.len + 1);

    assert_non_null(bytes);
    memcpy(bytes, head, head_len);
    if (body.len > 0) memcpy(bytes + head_len, body.ptr, body.len);
    bytes[head_len + body.len] = 0;
    kith_client_bytes(scene->client, scene->now, bytes, head_len + body.len + 1);
    free(bytes);
    run(scene);
}

static struct user_id user_of(const uint8_t id[static E2E_ACCOUNT_ID_BYTES])
{
    struct user_id user;

    memcpy(user.id.raw, id, sizeof user.id.raw);
    return user;
}

/* From `records` (NULL: what the town's device kept), as after a start of its process; the connection is there. */
static void client_open(struct scene *scene, struct kith_slice records)
{
    struct kith_client_config config = {.encrypts = true, .random = random_fill, .random_arg = scene->town};
    struct kith_slice key, value;
    const uint8_t *raw = NULL;
    struct kith_buf *kept = NULL;
    uint32_t at = 0;
    bool is_put;

    kith_client_free(scene->client);
    config.user = user_of(scene->ann->person->id);
    memcpy(config.device.id.raw, scene->ann->server_device, sizeof config.device.id.raw);
    scene->client = kith_client_new(&config);
    assert_non_null(scene->client);
    while (kith_map_next(&scene->ann->records, &at, (const void **)&raw, (void **)&kept))
        assert_int_equal(kith_client_load(scene->client, kith_slice_of(raw + 1, raw[0]), kith_buf_peek(kept)), KITH_OK);
    while (records.len > 0) {
        assert_int_equal(kith_record_next(&records, &is_put, &key, &value), KITH_OK);
        if (key.ptr[0] == 'Q' && is_put) assert_int_equal(kith_client_load(scene->client, key, value), KITH_OK);
    }
    kith_client_token(scene->client, scene->now, kith_slice_str("token"));
    kith_client_start(scene->client, scene->now);
    run(scene);
    kith_client_tick(scene->client, scene->now);
    run(scene);
    bytes_in(scene, "CONNECTED\nversion:1.2\n\n", (struct kith_slice){0});
}

static void tell_members(struct scene *scene)
{
    struct user_id users[2] = {user_of(scene->chat.members[0]), user_of(scene->chat.members[1])};
    struct chat_id chat;

    memcpy(chat.id.raw, scene->chat.id, sizeof chat.id.raw);
    kith_client_members(scene->client, chat, users, 2);
}

static void event(struct scene *scene, unsigned seq, const struct town_mail *mail)
{
    struct kith_slice body = town_body(mail, scene->ann);
    char head[700], chat[KITH_UUID_TEXT_LEN + 1], sender[KITH_UUID_TEXT_LEN + 1], device[KITH_UUID_TEXT_LEN + 1],
        id[KITH_UUID_TEXT_LEN + 1];
    struct kith_uuid uuid;

    memcpy(uuid.raw, scene->chat.id, 16);
    kith_uuid_format(uuid, chat);
    memcpy(uuid.raw, mail->from->person->id, 16);
    kith_uuid_format(uuid, sender);
    memcpy(uuid.raw, mail->from->server_device, 16);
    kith_uuid_format(uuid, device);
    memcpy(uuid.raw, mail->msg_id, 16);
    kith_uuid_format(uuid, id);
    (void)snprintf(head, sizeof head,
                   "MESSAGE\nsubscription:inbox\nmessage-id:%u\nack:%u\ndestination:/chat/%s\nseq:%u\ntype:message\n"
                   "encrypted:true\nsender:%s\nsender-device:%s\nclient-id:%s\n"
                   "content-type:application/vnd.kith.e2ee\ncontent-length:%zu\n\n",
                   seq, seq, chat, seq, sender, device, id, body.len);
    bytes_in(scene, head, body);
}

static struct scene *scene_new(void)
{
    struct scene *scene = calloc(1, sizeof *scene);

    assert_non_null(scene);
    kith_buf_init(&scene->persisted, 1u << 24);
    scene->town = town_new(5);
    scene->now = (struct kith_time){.mono_ms = 1000, .wall_ms = scene->town->now_ms};
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

static void scene_free(struct scene *scene)
{
    kith_client_free(scene->client);
    kith_buf_deinit(&scene->persisted);
    town_free(scene->town);
    free(scene);
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
        bool is_bob = scene->has_fetch && scene->fetch.kind == KITH_FETCH_LISTS &&
                      memcmp(scene->fetch.user.id.raw, bob->id, sizeof bob->id) == 0;
        if (scene->has_fetch && scene->fetch.kind == KITH_FETCH_KEYS)
            kith_client_keys(scene->client, true, scene->ann->person->list_seq, 100, 100);
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

        client_open(scene, (struct kith_slice){0});
        tell_members(scene);
        scene->phone = town_link(scene->bob);
        first = town_send(scene->phone, &scene->chat, "from a device that is not known yet");
        second = town_send(scene->tablet, &scene->chat, "from one that is");
        event(scene, 1, first);
        event(scene, 2, second);
        assert_int_equal(scene->shown, 0);
        assert_true(was_stored(scene, "from one that is"));
        assert_false(was_stored(scene, "from a device that is not known yet"));
        if (restarts > 0) {
            client_open(scene, kith_buf_peek(&scene->persisted));
            tell_members(scene);
        }
        give_list(scene);
        assert_int_equal(scene->shown, 2);
        assert_int_equal(scene->unreadable, 0);
        assert_int_equal(scene->last_seq, 2);
        assert_string_equal(scene->last_text, "from one that is");
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

        client_open(scene, (struct kith_slice){0});
        tell_members(scene);
        for (unsigned i = 1; i < E2E_NEED_STEP_MESSAGES; i++) /* with the one of scene_new() they are 200 */
            event(scene, i, town_send(scene->bob, &scene->chat, "and another thing"));
        assert_int_equal(scene->shown, E2E_NEED_STEP_MESSAGES - 1);
        assert_int_equal(scene->frames, 0);
        event(scene, E2E_NEED_STEP_MESSAGES, town_send(scene->bob, &scene->chat, "are you there?"));
        assert_int_equal(scene->unreadable, 0);
        assert_int_equal(kith_client_outbox_count(scene->client), 1);
        assert_int_equal(scene->frames, 1);
        (void)snprintf(answer, sizeof answer,
                       refused ? "MESSAGE\nsubscription:errors\nmessage-id:e1\ndestination:/errors\nclient-id:%s\n"
                                 "code:FORBIDDEN\n\n"
                               : "RECEIPT\nreceipt-id:x\nmessage-id:%s\nseq:300\nepoch:1\n\n",
                       scene->frame_id);
        bytes_in(scene, answer, (struct kith_slice){0});
        assert_int_equal(kith_client_outbox_count(scene->client), 0);
        assert_int_equal(scene->sent + scene->failed, 0);
        scene_free(scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_turn__an_answer_that_nobody_wrote_is_no_news),
        cmocka_unit_test(test_client_turn__opened_as_it_comes_and_shown_in_its_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
