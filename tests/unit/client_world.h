#ifndef TESTS_UNIT_CLIENT_WORLD_H
#define TESTS_UNIT_CLIENT_WORLD_H

/*
 * One libkith client, its host's records, and a small server that speaks the real frames: one chat, idempotent by id,
 * one cursor. The host may crash before any effect; records survive, everything else is gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/ordered.h"
#include "base/prng.h"
#include "libkith/kith.h"
#include "wire/stomp.h"

#define W_MESSAGES_MAX 4096
#define W_TEXT_MAX     64
#define W_MAIL_MAX     256

struct w_message {
    struct msg_id id;
    char text[W_TEXT_MAX];
    bool from_client;
};

struct world {
    struct kith_prng prng;
    struct kith_ordered records;
    struct kith_client *client;
    struct kith_time now;
    struct chat_id chat;
    struct device_id device;
    /* the server */
    bool up, connected, subscribed;
    struct kith_buf to_server, to_client;
    struct stomp_reader reader;
    struct w_message log[W_MESSAGES_MAX]; /* seq is index + 1 */
    uint64_t log_count, cursor, sent_up_to;
    uint64_t lost;              /* a seq that the server has not any more, and says nothing about; 0: none */
    enum kith_code refuse_next; /* CODE_OK: take it */
    uint32_t refuse_count;
    struct msg_id last_accepted;
    /* what the person saw */
    uint64_t shown[W_MESSAGES_MAX];
    uint64_t mail[W_MAIL_MAX];
    size_t shown_count, mail_count, sent_count, failed_count, effects_run;
    enum kith_code failed_code;
    uint64_t timer_ms;
    size_t crash_at; /* before this effect; SIZE_MAX: never */
    bool crashed, token_wanted;
};

struct w_copy {
    size_t len;
    uint8_t bytes[];
};

static inline void w_random(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

static inline void w_client_new(struct world *w)
{
    struct kith_client_config config = {
        .device = w->device, .keeps_mail = true, .random = w_random, .random_arg = &w->prng};
    struct kith_ordered_node *node;

    w->client = kith_client_new(&config);
    assert_non_null(w->client);
    for (node = kith_ordered_seek(&w->records, (struct kith_slice){0}); node != NULL; node = kith_ordered_next(node)) {
        struct w_copy *copy = node->value;
        assert_int_equal(kith_client_load(w->client, kith_ordered_key(node), kith_slice_of(copy->bytes, copy->len)),
                         KITH_OK);
    }
    w->timer_ms = UINT64_MAX;
    kith_client_token(w->client, w->now, kith_slice_str("token"));
    kith_client_start(w->client, w->now);
}

static inline void w_open(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    kith_prng_seed(&w->prng, seed);
    kith_ordered_init(&w->records, seed);
    w->now = (struct kith_time){.mono_ms = 1000, .wall_ms = 1767225600000ull};
    memset(w->chat.id.raw, 0x31, 16);
    memset(w->device.id.raw, 0x21, 16);
    kith_buf_init(&w->to_server, 16u << 20);
    kith_buf_init(&w->to_client, 16u << 20);
    w->up = true;
    w->crash_at = SIZE_MAX;
    w_client_new(w);
}

static inline void w_close(struct world *w)
{
    kith_client_free(w->client);
    kith_ordered_deinit(&w->records, free);
    kith_buf_deinit(&w->to_server);
    kith_buf_deinit(&w->to_client);
}

static inline void w_persist(struct world *w, struct kith_slice records)
{
    struct kith_slice key = {0}, value = {0};
    bool is_put = false;

    while (kith_record_next(&records, &is_put, &key, &value) == KITH_OK) {
        struct kith_ordered_node *node = kith_ordered_find(&w->records, key);
        struct w_copy *copy;
        if (node != NULL) free(kith_ordered_remove(&w->records, node));
        if (!is_put) continue;
        copy = malloc(sizeof *copy + value.len);
        assert_non_null(copy);
        copy->len = value.len;
        if (value.len > 0) memcpy(copy->bytes, value.ptr, value.len);
        assert_int_equal(kith_ordered_add(&w->records, key, &node), KITH_OK);
        node->value = copy;
    }
}

static inline void w_cut(struct world *w)
{
    w->connected = w->subscribed = false;
    kith_buf_reset(&w->to_server);
    kith_buf_reset(&w->to_client);
}

static inline void w_put_ids(struct stomp_writer *s, const char *name, struct kith_uuid id)
{
    char text[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(id, text);
    stomp_put_str(s, name, text);
}

static inline void w_stream(struct world *w)
{
    while (w->subscribed && w->sent_up_to < w->log_count) {
        const struct w_message *m = &w->log[w->sent_up_to++];
        char destination[6 + KITH_UUID_TEXT_LEN + 1] = "/chat/", ack[32];
        struct stomp_writer s;

        if (w->sent_up_to == w->lost) continue;
        kith_uuid_format(w->chat.id, destination + 6);
        (void)snprintf(ack, sizeof ack, "%llu", (unsigned long long)w->sent_up_to);
        stomp_begin(&s, &w->to_client, STOMP_MESSAGE);
        stomp_put_str(&s, "destination", destination);
        stomp_put_str(&s, "subscription", "inbox");
        stomp_put_str(&s, "message-id", ack);
        stomp_put_str(&s, "ack", ack);
        stomp_put_u64(&s, "seq", w->sent_up_to);
        stomp_put_str(&s, "type", "message");
        stomp_put_str(&s, "created-at", "2026-01-01T00:00:00.000Z");
        w_put_ids(&s, "client-id", m->id.id);
        if (m->from_client) w_put_ids(&s, "sender-device", w->device.id);
        assert_int_equal(stomp_end(&s, kith_slice_str(m->text)), KITH_OK);
    }
}

static inline struct kith_slice w_header(const struct stomp_frame *frame, const char *name)
{
    struct kith_slice value = {0};

    (void)stomp_header(frame, name, &value);
    return value;
}

static inline void w_server_send(struct world *w, const struct stomp_frame *frame)
{
    struct msg_id id = {0}, after = {0};
    struct stomp_writer s;
    uint64_t seq = 0;
    enum kith_code code = CODE_OK;

    if (w_header(frame, "message-id").len == 0) return; /* a mark */
    assert_int_equal(kith_uuid_parse(w_header(frame, "message-id"), &id.id), KITH_OK);
    for (uint64_t i = 0; i < w->log_count; i++)
        if (kith_uuid_eq(w->log[i].id.id, id.id)) seq = i + 1;
    if (seq == 0) {
        if (w->refuse_count > 0) {
            w->refuse_count--;
            code = w->refuse_next;
        } else if (kith_uuid_parse(w_header(frame, "after"), &after.id) == KITH_OK &&
                   !kith_uuid_eq(after.id, w->last_accepted.id)) {
            code = CODE_PREDECESSOR_MISSING;
            for (uint64_t i = 0; i < w->log_count; i++)
                if (kith_uuid_eq(w->log[i].id.id, after.id)) code = CODE_OK;
        }
    }
    if (code != CODE_OK) {
        stomp_begin(&s, &w->to_client, STOMP_MESSAGE);
        stomp_put_str(&s, "destination", "/errors");
        stomp_put_str(&s, "code", kith_code_name(code));
        stomp_put(&s, "client-id", w_header(frame, "message-id"));
        assert_int_equal(stomp_end(&s, (struct kith_slice){0}), KITH_OK);
        return;
    }
    if (seq == 0) {
        struct w_message *m = &w->log[w->log_count++];
        assert_true(w->log_count < W_MESSAGES_MAX && frame->body.len < W_TEXT_MAX);
        *m = (struct w_message){.id = id, .from_client = true};
        memcpy(m->text, frame->body.ptr, frame->body.len);
        w->last_accepted = id;
        seq = w->log_count;
    }
    stomp_begin(&s, &w->to_client, STOMP_RECEIPT);
    stomp_put(&s, "receipt-id", w_header(frame, "receipt"));
    stomp_put(&s, "message-id", w_header(frame, "message-id"));
    stomp_put_u64(&s, "seq", seq);
    assert_int_equal(stomp_end(&s, (struct kith_slice){0}), KITH_OK);
}

static inline void w_server_frame(struct world *w, const struct stomp_frame *frame)
{
    struct stomp_writer s;
    uint64_t seq = 0;

    switch (frame->command) {
    case STOMP_CONNECT:
        stomp_begin(&s, &w->to_client, STOMP_CONNECTED);
        stomp_put_str(&s, "version", "1.2");
        stomp_put_str(&s, "heart-beat", "10000,10000");
        stomp_put_str(&s, "max-in-flight", "8");
        assert_int_equal(stomp_end(&s, (struct kith_slice){0}), KITH_OK);
        break;
    case STOMP_SUBSCRIBE:
        if (!kith_slice_is(w_header(frame, "destination"), "/inbox")) break;
        w->subscribed = true;
        w->sent_up_to = w->cursor;
        break;
    case STOMP_ACK:
        assert_int_equal(kith_slice_to_u64(w_header(frame, "id"), &seq), KITH_OK);
        if (seq > w->cursor) w->cursor = seq;
        break;
    case STOMP_SEND: w_server_send(w, frame); break;
    default: fail_msg("unexpected frame"); break;
    }
}

/* The server takes what was sent to it, then the client what was answered, in pieces. */
static inline bool w_network(struct world *w)
{
    struct stomp_frame frame;
    size_t used = 0;
    bool did = false;

    while (w->connected && kith_buf_len(&w->to_server) > 0) {
        kith_err err = stomp_next(&w->reader, w->to_server.ptr + w->to_server.head, kith_buf_len(&w->to_server), &used,
                                  &frame);
        if (err == KITH_OK) w_server_frame(w, &frame);
        kith_buf_consume(&w->to_server, used);
        did = true;
        if (err != KITH_OK) break;
    }
    if (w->connected) w_stream(w);
    while (w->connected && kith_buf_len(&w->to_client) > 0) {
        size_t len = kith_prng_between(&w->prng, 1, kith_buf_len(&w->to_client));
        uint8_t *piece = malloc(len);
        assert_non_null(piece);
        memcpy(piece, kith_buf_peek(&w->to_client).ptr, len);
        kith_buf_consume(&w->to_client, len);
        kith_client_bytes(w->client, w->now, piece, len);
        free(piece);
        did = true;
    }
    return did;
}

static inline void w_effect(struct world *w, const struct kith_effect *e)
{
    switch (e->kind) {
    case KITH_EFFECT_PERSIST:
        w_persist(w, e->bytes);
        kith_client_persisted(w->client);
        break;
    case KITH_EFFECT_SEND:
        if (w->connected) assert_int_equal(kith_buf_append(&w->to_server, e->bytes), KITH_OK);
        break;
    case KITH_EFFECT_CONNECT:
        w_cut(w);
        if (w->up) {
            w->connected = true;
            stomp_reader_init(&w->reader, 1u << 20);
            kith_client_connected(w->client, w->now);
        } else
            kith_client_disconnected(w->client, w->now);
        break;
    case KITH_EFFECT_CLOSE: w_cut(w); break;
    case KITH_EFFECT_TIMER: w->timer_ms = e->at_ms; break;
    case KITH_EFFECT_TOKEN: w->token_wanted = true; break;
    case KITH_EFFECT_FETCH: break;
    case KITH_EFFECT_MESSAGE: w->shown[w->shown_count++] = e->message.seq; break;
    case KITH_EFFECT_RECALL: fail_msg("a client that does not encrypt is asked for nothing"); break;
    case KITH_EFFECT_MAIL: w->mail[w->mail_count++] = e->message.seq; break;
    case KITH_EFFECT_SENT: w->sent_count++; break;
    case KITH_EFFECT_FAILED:
        w->failed_count++;
        w->failed_code = e->code;
        break;
    case KITH_EFFECT_RECEIPT:
    case KITH_EFFECT_TYPING:
    case KITH_EFFECT_STATE: break;
    }
}

/* Until nothing is left to do at this time. False: crashed. */
static inline bool w_run(struct world *w)
{
    struct kith_effect e;

    do {
        while (kith_client_next(w->client, &e) == KITH_OK) {
            if (w->effects_run == w->crash_at) {
                w->crashed = true;
                return false;
            }
            w->effects_run++;
            w_effect(w, &e);
        }
    } while (w_network(w));
    return true;
}

static inline bool w_pass(struct world *w, uint64_t ms)
{
    uint64_t end = w->now.mono_ms + ms;

    if (!w_run(w)) return false;
    while (w->timer_ms <= end) {
        uint64_t step = w->timer_ms > w->now.mono_ms ? w->timer_ms - w->now.mono_ms : 0;
        w->now.mono_ms += step;
        w->now.wall_ms += step;
        w->timer_ms = UINT64_MAX;
        kith_client_tick(w->client, w->now);
        if (!w_run(w)) return false;
    }
    w->now.wall_ms += end - w->now.mono_ms;
    w->now.mono_ms = end;
    return true;
}

/* The process is gone and comes back: only the records are left. */
static inline void w_restart(struct world *w)
{
    kith_client_free(w->client);
    w_cut(w);
    w->crashed = false;
    w->crash_at = SIZE_MAX;
    w_client_new(w);
}

static inline struct msg_id w_send(struct world *w, const char *text)
{
    struct kith_send send = {
        .chat = w->chat, .content_type = kith_slice_str("text/plain"), .body = kith_slice_str(text)};
    struct msg_id id = {0};

    assert_int_equal(kith_client_send(w->client, w->now, &send, &id), KITH_OK);
    return id;
}

static inline void w_other_writes(struct world *w, const char *text)
{
    struct w_message *m = &w->log[w->log_count++];

    *m = (struct w_message){.from_client = false};
    kith_prng_bytes(&w->prng, m->id.id.raw, 16);
    (void)snprintf(m->text, sizeof m->text, "%s", text);
}

#endif
