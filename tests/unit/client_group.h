#ifndef TESTS_UNIT_CLIENT_GROUP_H
#define TESTS_UNIT_CLIENT_GROUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

#include "libkith/content.h"
#include "libkith/kith.h"
#include "tests/e2e/town_group.h"

/*
 * A client in a group: Ann's phone is one; all others are devices of the town, and what they write and sign is handed to it as
 * the events of a server, which shows as many of the group's operations as the test says.
 */
struct scene {
    struct town *town;
    struct town_device *ann, *bob, *carol;
    struct town_group *group; /* Bob's, with both others */
    struct kith_client *client;
    struct kith_time now;
    struct kith_buf persisted; /* all that it ever stored */
    unsigned seq;              /* of the newest event */
    size_t ops_shown;          /* so many of the group's operations the server shows when it is asked */
    /* What came of it. */
    size_t shown, sent, failed, frames, asked_ops, asked_past;
    uint64_t last_seq, asked_after;
    kith_err unreadable; /* of what was shown last */
    enum kith_code code; /* of what failed last */
    struct kith_fetch fetch;
    bool has_fetch;
};

static inline void random_fill(void *arg, void *out, size_t len)
{
    struct e2e_random random = town_random(arg);

    random.fill(random.arg, out, len);
}

static inline void note(struct scene *scene, const struct kith_effect *e)
{
    switch (e->kind) {
    case KITH_EFFECT_PERSIST:
        assert_int_equal(kith_buf_append(&scene->persisted, e->bytes), KITH_OK);
        kith_client_persisted(scene->client);
        break;
    case KITH_EFFECT_CONNECT: kith_client_connected(scene->client, scene->now); break;
    case KITH_EFFECT_SEND: scene->frames += e->bytes.len > 4 && memcmp(e->bytes.ptr, "SEND", 4) == 0; break;
    case KITH_EFFECT_SENT: scene->sent++; break;
    case KITH_EFFECT_FAILED:
        scene->failed++;
        scene->code = e->code;
        break;
    case KITH_EFFECT_FETCH:
        scene->fetch = e->fetch;
        scene->has_fetch = true;
        break;
    case KITH_EFFECT_MESSAGE:
        scene->shown++;
        scene->last_seq = e->message.seq;
        scene->unreadable = e->message.unreadable;
        break;
    default: break;
    }
}

static inline void run(struct scene *scene)
{
    struct kith_effect e;

    while (kith_client_next(scene->client, &e) == KITH_OK) note(scene, &e);
}

/* ------------------------------------------------------------------------------------------------ the server */
static inline struct user_id user_of(const uint8_t id[static E2E_ACCOUNT_ID_BYTES])
{
    struct user_id user;

    memcpy(user.id.raw, id, sizeof user.id.raw);
    return user;
}

static inline struct chat_id chat_of(const struct scene *scene)
{
    struct chat_id chat;

    memcpy(chat.id.raw, scene->group->chat_id, sizeof chat.id.raw);
    return chat;
}

/* As the server does: those behind the one that is known, and the newest. */
static inline void answer_lists(struct scene *scene)
{
    const struct town_person *person = town_person_of(scene->town, scene->fetch.user.id.raw);
    const bool has_after = scene->fetch.kind == KITH_FETCH_PAST_LISTS || scene->fetch.after > 0;

    scene->asked_past += scene->fetch.kind == KITH_FETCH_PAST_LISTS;
    for (size_t i = 0; person != NULL && i < person->list_count; i++) {
        const bool is_newest = i + 1 == person->list_count;
        if (!is_newest && (!has_after || i < scene->fetch.after)) continue;
        kith_client_list(scene->client, scene->fetch.user, is_newest ? person->list_seq : 0,
                         kith_buf_peek(&person->lists[i]));
    }
}

static inline void answer_one(struct scene *scene)
{
    const struct kith_fetch *fetch = &scene->fetch;

    switch (fetch->kind) {
    case KITH_FETCH_KEYS: kith_client_keys(scene->client, true, scene->ann->person->list_seq, 100, 100); break;
    case KITH_FETCH_LISTS:
    case KITH_FETCH_PAST_LISTS: answer_lists(scene); break;
    case KITH_FETCH_MEMBERS: kith_client_members(scene->client, fetch->chat, NULL, 0); break; /* no chat of two */
    case KITH_FETCH_OPS:
        scene->asked_ops++;
        scene->asked_after = fetch->after;
        for (size_t i = (size_t)fetch->after; i < scene->ops_shown && kith_uuid_eq(fetch->chat.id, chat_of(scene).id);
             i++)
            kith_client_group_op(scene->client, fetch->chat, scene->group->seqs[i],
                                 kith_buf_peek(&scene->group->ops[i]));
        break;
    case KITH_FETCH_BUNDLES:
        for (uint32_t i = 0; i < fetch->device_count; i++)
            kith_client_no_bundle(scene->client, fetch->devices[i].user, fetch->devices[i].device);
        break;
    case KITH_FETCH_UPLOAD: break;
    }
    scene->has_fetch = false;
    kith_client_fetched(scene->client, scene->now, true);
}

/* Whatever it asks for, for some seconds. */
static inline void answer(struct scene *scene)
{
    for (unsigned i = 0; i < 12; i++) {
        if (scene->has_fetch)
            answer_one(scene);
        else
            kith_client_tick(scene->client, scene->now);
        run(scene);
        scene->now.mono_ms += 500;
    }
}

static inline void bytes_in(struct scene *scene, const char *head, struct kith_slice body)
{
    struct kith_buf all;

    kith_buf_init(&all, 1u << 20);
    assert_int_equal(kith_buf_append_str(&all, head), KITH_OK);
    assert_int_equal(kith_buf_append(&all, body), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&all, 0), KITH_OK);
    kith_client_bytes(scene->client, scene->now, all.ptr, kith_buf_len(&all));
    run(scene);
    kith_buf_deinit(&all);
}

static inline void event(struct scene *scene, unsigned seq, const char *headers, const struct town_device *from,
                         const uint8_t id[static 16], struct kith_slice body)
{
    char head[900], texts[4][KITH_UUID_TEXT_LEN + 1];
    const uint8_t *raws[4] = {scene->group->chat_id, from->person->id, from->server_device, id};
    struct kith_uuid uuid;

    for (size_t i = 0; i < 4; i++) {
        memcpy(uuid.raw, raws[i], sizeof uuid.raw);
        kith_uuid_format(uuid, texts[i]);
    }
    (void)snprintf(head, sizeof head,
                   "MESSAGE\nsubscription:inbox\nmessage-id:%u\nack:%u\ndestination:/chat/%s\nseq:%u\n%s\n"
                   "sender:%s\nsender-device:%s\nclient-id:%s\ncontent-length:%zu\n\n",
                   seq, seq, texts[0], seq, headers, texts[1], texts[2], texts[3], body.len);
    bytes_in(scene, head, body);
}

static inline void message_event(struct scene *scene, unsigned seq, const struct town_mail *mail)
{
    event(scene, seq, "type:message\nencrypted:true\ncontent-type:application/vnd.kith.e2ee", mail->from, mail->msg_id,
          town_body(mail, scene->ann));
}

/* json: the members before `signed_op`. op.len 0: it has none. */
static inline void op_event(struct scene *scene, unsigned seq, const char *type, const struct town_device *by,
                            const char *json, struct kith_slice op)
{
    const uint8_t id[16] = {0, 0, 0, 9, [15] = (uint8_t)seq};
    char headers[80], body[4096], text[3000] = "";

    if (op.len > 0) (void)sodium_bin2base64(text, sizeof text, op.ptr, op.len, sodium_base64_VARIANT_ORIGINAL);
    (void)snprintf(headers, sizeof headers, "type:%s\ncontent-type:application/json", type);
    (void)snprintf(body, sizeof body, op.len > 0 ? "{%s,\"group_seq\":1,\"signed_op\":\"%s\"}" : "{%s}", json, text);
    event(scene, seq, headers, by, id, kith_slice_str(body));
}

static inline void newest_op_event(struct scene *scene, unsigned seq, const struct town_device *by)
{
    op_event(scene, seq, "chat", by, "\"op\":\"settings\"",
             kith_buf_peek(&scene->group->ops[scene->group->op_count - 1]));
}

/* ------------------------------------------------------------------------------------------------ the scene */
/* From what the town's device kept and `records`, as after a start of its process; the connection is there. */
static inline void client_open(struct scene *scene, struct kith_slice records)
{
    struct kith_client_config config = {.encrypts = true, .random = random_fill, .random_arg = scene->town};
    struct kith_slice key, value;
    const uint8_t *raw = NULL;
    struct kith_buf *kept = NULL;
    uint32_t at = 0;
    bool is_put;

    kith_client_free(scene->client);
    scene->has_fetch = false;
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
    answer(scene);
}

/* knows: Ann has the group's operations, and sessions with both. */
static inline struct scene *scene_new(bool knows)
{
    struct scene *scene = calloc(1, sizeof *scene);

    assert_non_null(scene);
    kith_buf_init(&scene->persisted, 1u << 24);
    scene->town = town_new(6);
    scene->town->has_few_prekeys = true;
    scene->now = (struct kith_time){.mono_ms = 1000, .wall_ms = scene->town->now_ms};
    scene->ann = town_join(scene->town);
    scene->bob = town_join(scene->town);
    scene->carol = town_join(scene->town);
    scene->group = town_group_create(scene->bob, (struct town_device *[]){scene->ann, scene->carol}, 2,
                                     knows ? "ours" : NULL);
    assert_int_equal(town_group_fetch(scene->carol, scene->group), KITH_OK);
    if (knows) {
        assert_int_equal(town_read(scene->ann), 1);
        (void)town_group_send(scene->ann, scene->group, "hello");
        assert_int_equal(town_read(scene->bob) + town_read(scene->carol), 3);
    }
    scene->ops_shown = scene->group->op_count;
    client_open(scene, (struct kith_slice){0});
    return scene;
}

static inline void scene_free(struct scene *scene)
{
    kith_client_free(scene->client);
    kith_buf_deinit(&scene->persisted);
    town_free(scene->town);
    free(scene);
}

static inline struct e2e_group_view view_of(struct scene *scene)
{
    struct e2e_group_view view;

    (void)e2e_account_group(kith_client_account(scene->client), scene->group->chat_id, &view);
    return view;
}

static inline void write_one(struct scene *scene)
{
    struct kith_send send = {.chat = chat_of(scene),
                             .encrypted = true,
                             .content_type = kith_slice_str("text/plain"),
                             .body = kith_slice_str("may I?")};
    struct msg_id id;

    assert_int_equal(kith_client_send(scene->client, scene->now, &send, &id), KITH_OK);
    run(scene);
}

#endif
