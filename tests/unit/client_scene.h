#ifndef TESTS_UNIT_CLIENT_SCENE_H
#define TESTS_UNIT_CLIENT_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/content.h"
#include "libkith/kith.h"
#include "tests/e2e/town_group.h"

/*
 * A client among devices of the town: Ann's phone is one, and what the others write is handed to it as the events of a server.
 * What the server answers when it is asked, each test says.
 */
struct scene {
    struct town *town;
    struct town_device *ann, *tablet, *bob, *phone, *carol; /* the tablet is Ann's, the phone Bob's; NULL: not there */
    struct town_chat chat;                                  /* where they write */
    struct kith_client *client;
    struct kith_time now;
    struct kith_buf persisted; /* all that it ever stored */
    /* What came of it. */
    size_t shown, unreadable_count, anew_count, sent, failed, frames;
    size_t sends, fetches[16]; /* SEND frames, those that are no message, too; by kind */
    uint64_t last_seq;
    char last_text[TOWN_TEXT_BYTES_MAX];   /* "" for what is longer: no text of a test */
    kith_err unreadable;                   /* of what was shown last */
    enum kith_code code;                   /* of what failed last */
    char frame_id[KITH_UUID_TEXT_LEN + 1]; /* of the last message that it sent */
    struct kith_buf frame;                 /* that message */
    struct kith_fetch fetch;
    bool has_fetch;
    /* In a group: client_group.h. */
    struct town_group *group;
    size_t ops_shown; /* so many of the group's operations the server shows when it is asked */
    size_t asked_ops, asked_past, asked_admit, admitted;
    uint8_t admit_only[16]; /* of all others' operations the server says that they are late; zeros: of nobody's */
    uint64_t asked_after;
    enum kith_code admit_code; /* what the server says when somebody is to be let in; OK: it does that */
};

static inline void random_fill(void *arg, void *out, size_t len)
{
    struct e2e_random random = town_random(arg);

    random.fill(random.arg, out, len);
}

/* What the server has of Ann's phone. */
static inline void scene_keys(const struct scene *scene)
{
    const struct e2e_prekeys_left left = town_left(scene->ann, 100, 100);
    const struct kith_keys keys = {.has_list = true,
                                   .list_seq = scene->ann->person->list_seq,
                                   .opk_count = left.opk_count,
                                   .kem_ot_count = left.kem_ot_count,
                                   .spk_id = left.spk_id,
                                   .kem_lr_id = left.kem_lr_id};

    kith_client_keys(scene->client, &keys);
}

static inline void note_send(struct scene *scene, struct kith_slice frame)
{
    const char *at = memmem(frame.ptr, frame.len, "\nmessage-id:", 12);

    if (frame.len < 4 || memcmp(frame.ptr, "SEND", 4) != 0) return;
    scene->sends++;
    if (at == NULL) return;
    scene->frames++;
    memcpy(scene->frame_id, at + 12, KITH_UUID_TEXT_LEN);
    kith_buf_reset(&scene->frame);
    assert_int_equal(kith_buf_append(&scene->frame, frame), KITH_OK);
}

static inline void note_message(struct scene *scene, const struct kith_effect *e)
{
    const size_t len = e->message.body.len < sizeof scene->last_text ? e->message.body.len : 0;

    scene->shown++;
    scene->last_seq = e->message.seq;
    scene->unreadable = e->message.unreadable;
    scene->unreadable_count += e->message.unreadable != KITH_OK;
    scene->anew_count += e->message.is_anew;
    memset(scene->last_text, 0, sizeof scene->last_text);
    if (len > 0) memcpy(scene->last_text, e->message.body.ptr, len);
}

static inline void note(struct scene *scene, const struct kith_effect *e)
{
    switch (e->kind) {
    case KITH_EFFECT_PERSIST:
        assert_int_equal(kith_buf_append(&scene->persisted, e->bytes), KITH_OK);
        kith_client_persisted(scene->client);
        break;
    case KITH_EFFECT_CONNECT: kith_client_connected(scene->client, scene->now); break;
    case KITH_EFFECT_SEND: note_send(scene, e->bytes); break;
    case KITH_EFFECT_SENT: scene->sent++; break;
    case KITH_EFFECT_FAILED:
        scene->failed++;
        scene->code = e->code;
        break;
    case KITH_EFFECT_FETCH:
        scene->fetch = e->fetch;
        scene->has_fetch = true;
        scene->fetches[e->fetch.kind]++;
        break;
    case KITH_EFFECT_MESSAGE: note_message(scene, e); break;
    default: break;
    }
}

static inline void run(struct scene *scene)
{
    struct kith_effect e;

    while (kith_client_next(scene->client, &e) == KITH_OK) note(scene, &e);
}

/* Whether that person's list is asked for now, with others or alone. */
static inline bool asks_list(const struct kith_fetch *fetch, const uint8_t id[static E2E_ACCOUNT_ID_BYTES])
{
    for (uint32_t i = 0; i < fetch->list_count; i++)
        if (memcmp(fetch->lists[i].user.id.raw, id, E2E_ACCOUNT_ID_BYTES) == 0) return true;
    return false;
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

    memcpy(chat.id.raw, scene->chat.id, sizeof chat.id.raw);
    return chat;
}

static inline struct kith_buf bytes_of(const char *head, struct kith_slice body)
{
    struct kith_buf all;

    kith_buf_init(&all, 1u << 20);
    assert_int_equal(kith_buf_append_str(&all, head), KITH_OK);
    assert_int_equal(kith_buf_append(&all, body), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&all, 0), KITH_OK);
    return all;
}

static inline void bytes_in(struct scene *scene, const char *head, struct kith_slice body)
{
    struct kith_buf all = bytes_of(head, body);

    kith_client_bytes(scene->client, scene->now, all.ptr, kith_buf_len(&all));
    run(scene);
    kith_buf_deinit(&all);
}

static inline struct kith_buf event_of(const struct scene *scene, unsigned seq, const char *headers,
                                       const struct town_device *from, const uint8_t id[static 16],
                                       struct kith_slice body)
{
    char head[900], texts[4][KITH_UUID_TEXT_LEN + 1];
    const uint8_t *raws[4] = {scene->chat.id, from->person->id, from->server_device, id};
    struct kith_uuid uuid;

    for (size_t i = 0; i < 4; i++) {
        memcpy(uuid.raw, raws[i], sizeof uuid.raw);
        kith_uuid_format(uuid, texts[i]);
    }
    (void)snprintf(head, sizeof head,
                   "MESSAGE\nsubscription:inbox\nmessage-id:%u\nack:%u\ndestination:/chat/%s\nseq:%u\n%s\n"
                   "sender:%s\nsender-device:%s\nclient-id:%s\ncontent-length:%zu\n\n",
                   seq, seq, texts[0], seq, headers, texts[1], texts[2], texts[3], body.len);
    return bytes_of(head, body);
}

static inline void event(struct scene *scene, unsigned seq, const char *headers, const struct town_device *from,
                         const uint8_t id[static 16], struct kith_slice body)
{
    struct kith_buf all = event_of(scene, seq, headers, from, id, body);

    kith_client_bytes(scene->client, scene->now, all.ptr, kith_buf_len(&all));
    run(scene);
    kith_buf_deinit(&all);
}

#define SCENE_SEALED "type:message\nencrypted:true\ncontent-type:application/vnd.kith.e2ee"

static inline void message_event(struct scene *scene, unsigned seq, const struct town_mail *mail)
{
    event(scene, seq, SCENE_SEALED, mail->from, mail->msg_id, town_body(mail, scene->ann));
}

/* ------------------------------------------------------------------------------------------------ the scene */
/* Nobody is there yet, and no client. */
static inline struct scene *scene_begin(uint64_t seed)
{
    struct scene *scene = calloc(1, sizeof *scene);

    assert_non_null(scene);
    kith_buf_init(&scene->persisted, 1u << 24);
    kith_buf_init(&scene->frame, 1u << 20);
    scene->town = town_new(seed);
    scene->now = (struct kith_time){.mono_ms = 1000, .wall_ms = scene->town->now_ms};
    return scene;
}

/* To be loaded. */
static inline void scene_client(struct scene *scene)
{
    struct kith_client_config config = {
        .encrypts = true, .pairwise_max = scene->town->pairwise_max, .random = random_fill, .random_arg = scene->town};

    kith_client_free(scene->client);
    scene->has_fetch = false;
    config.user = user_of(scene->ann->person->id);
    memcpy(config.device.id.raw, scene->ann->server_device, sizeof config.device.id.raw);
    scene->client = kith_client_new(&config);
    assert_non_null(scene->client);
}

static inline void scene_connect(struct scene *scene)
{
    kith_client_token(scene->client, scene->now, kith_slice_str("token"));
    kith_client_start(scene->client, scene->now);
    run(scene);
    kith_client_tick(scene->client, scene->now);
    run(scene);
    bytes_in(scene, "CONNECTED\nversion:1.2\n\n", (struct kith_slice){0});
}

/* From what the town's device kept and `records`, as after a start of its process; the connection is there. */
static inline void scene_open(struct scene *scene, struct kith_slice records)
{
    struct kith_slice key, value;
    const uint8_t *raw = NULL;
    struct kith_buf *kept = NULL;
    uint32_t at = 0;
    bool is_put;

    scene_client(scene);
    while (kith_map_next(&scene->ann->records, &at, (const void **)&raw, (void **)&kept))
        assert_int_equal(kith_client_load(scene->client, kith_slice_of(raw + 1, raw[0]), kith_buf_peek(kept)), KITH_OK);
    while (records.len > 0) {
        assert_int_equal(kith_record_next(&records, &is_put, &key, &value), KITH_OK);
        if ((key.ptr[0] == 'Q' || key.ptr[0] == 'A') && is_put)
            assert_int_equal(kith_client_load(scene->client, key, value), KITH_OK);
    }
    scene_connect(scene);
}

static inline void scene_free(struct scene *scene)
{
    kith_client_free(scene->client);
    kith_buf_deinit(&scene->persisted);
    kith_buf_deinit(&scene->frame);
    town_free(scene->town);
    free(scene);
}

#endif
