#ifndef TESTS_UNIT_CLIENT_PAIR_SERVER_H
#define TESTS_UNIT_CLIENT_PAIR_SERVER_H

/*
 * The server between two clients that encrypt (client_pair.h): the real frames, a chat of two, a mailbox, the key directory. And what a
 * host of one of them keeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/ordered.h"
#include "base/prng.h"
#include "libkith/client.h"
#include "libkith/content.h"
#include "wire/bodies.h"
#include "wire/json_text.h"

#define PAIR_LOG_MAX   512
#define PAIR_QUEUE_MAX 512
#define PAIR_SHOWN_MAX 512
#define PAIR_LISTS_MAX 8

struct pair;

struct pair_copy {
    size_t len;
    uint8_t bytes[];
};

/* What the server has of a message, or of an item of a mailbox. */
struct pair_item {
    struct msg_id id;
    unsigned from;
    uint64_t seq, created_ms;
    struct kith_buf bodies;
};

struct pair_shown {
    uint64_t seq;
    struct msg_id id;
    bool is_again, is_asked;
    kith_err unreadable;
    char text[64]; /* "": not open, or not text */
};

struct pair_device {
    struct pair *pair;
    unsigned number;
    struct user_id user;
    struct device_id id;
    struct kith_client *client;
    struct kith_ordered records;
    uint64_t timer_ms;
    bool is_off;      /* it cannot reach the server */
    bool recalls_not; /* its host is asked for messages, and has not answered yet */
    struct kith_fetch fetch;
    bool has_fetch;
    bool fetches_not; /* what it asks the server's REST for gets no answer yet */
    bool lists_fail;  /* that of lists fails */
    /* What came of it. */
    struct pair_shown shown[PAIR_SHOWN_MAX];
    size_t shown_count, mail_shown, sent, failed, recalls, frames_of_mail;
    size_t effects, crash_at; /* before that effect; SIZE_MAX: never */
    bool is_crashed;
    struct kith_buf mail_frame; /* the last one that went to a mailbox */
    /* The server's: its connection, and what is for it, of the chat and of its mailbox, in the order in which it is told. */
    bool is_connected, is_subscribed;
    struct kith_buf to_server, to_client;
    struct stomp_reader reader;
    struct {
        bool is_mail;
        uint64_t seq;
        size_t at; /* in the log, or of the mails */
    } queue[PAIR_QUEUE_MAX];
    size_t queued, told, acked;
    bool is_deaf; /* it is told nothing of the chat from here on */
    uint64_t mail_seq;
    /* Its keys. */
    struct kith_buf lists[PAIR_LISTS_MAX], spk, kem_lr;
    size_t list_count;
};

struct pair {
    struct kith_prng prng;
    struct kith_time now;
    struct chat_id chat;
    struct pair_device devices[2];
    struct pair_item log[PAIR_LOG_MAX], mails[PAIR_LOG_MAX];
    size_t log_count, mail_count;
    enum kith_code refuse_mail; /* CODE_OK: they are taken */
    uint64_t retry_after_ms;    /* that the server says then */
    bool loses_mail;            /* they never come, and nobody says so */
};

static inline void pair_random(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

/* ------------------------------------------------------------------------------------------------ records */
static inline void pair_record(struct kith_ordered *records, bool is_put, struct kith_slice key,
                               struct kith_slice value)
{
    struct kith_ordered_node *node = kith_ordered_find(records, key);
    struct pair_copy *copy;

    if (node != NULL) free(kith_ordered_remove(records, node));
    if (!is_put) return;
    copy = malloc(sizeof *copy + value.len);
    assert_non_null(copy);
    copy->len = value.len;
    if (value.len > 0) memcpy(copy->bytes, value.ptr, value.len);
    assert_int_equal(kith_ordered_add(records, key, &node), KITH_OK);
    node->value = copy;
}

static inline struct kith_slice pair_value(const struct kith_ordered_node *node)
{
    const struct pair_copy *copy = node->value;

    return kith_slice_of(copy->bytes, copy->len);
}

static inline void pair_copy_all(const struct kith_ordered *from, struct kith_ordered *to)
{
    kith_ordered_init(to, 7);
    for (struct kith_ordered_node *node = kith_ordered_seek(from, (struct kith_slice){0}); node != NULL;
         node = kith_ordered_next(node))
        pair_record(to, true, kith_ordered_key(node), pair_value(node));
}

/* How many of a kind a host has. */
static inline size_t pair_records(const struct pair_device *device, uint8_t kind)
{
    size_t count = 0;

    for (struct kith_ordered_node *node = kith_ordered_seek(&device->records, (struct kith_slice){0}); node != NULL;
         node = kith_ordered_next(node))
        count += kith_ordered_key(node).ptr[0] == kind;
    return count;
}

/* ------------------------------------------------------------------------------------------------ the server */
static inline struct pair_device *pair_other(struct pair_device *device)
{
    return &device->pair->devices[1 - device->number];
}

static inline void pair_tell(struct pair_device *device, bool is_mail, uint64_t seq, size_t at)
{
    assert_true(device->queued < PAIR_QUEUE_MAX);
    device->queue[device->queued].is_mail = is_mail;
    device->queue[device->queued].seq = seq;
    device->queue[device->queued++].at = at;
}

static inline void pair_put_id(struct stomp_writer *s, const char *name, struct kith_uuid id)
{
    char text[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(id, text);
    stomp_put_str(s, name, text);
}

static inline struct kith_slice pair_header(const struct stomp_frame *frame, const char *name)
{
    struct kith_slice value = {0};

    (void)stomp_header(frame, name, &value);
    return value;
}

static inline void pair_write_item(struct pair_device *device, size_t at)
{
    const struct pair *pair = device->pair;
    const bool is_mail = device->queue[at].is_mail;
    const struct pair_item *item = is_mail ? &pair->mails[device->queue[at].at] : &pair->log[device->queue[at].at];
    const struct pair_device *from = &pair->devices[item->from];
    char destination[6 + KITH_UUID_TEXT_LEN + 1] = "/chat/", time[KITH_TIME_TEXT_LEN + 1];
    struct kith_slice body = {0};
    struct stomp_writer s;
    struct bodies bodies;

    kith_uuid_format(pair->chat.id, destination + 6);
    kith_time_format(item->created_ms, time);
    stomp_begin(&s, &device->to_client, STOMP_MESSAGE);
    stomp_put_str(&s, "destination", is_mail ? "/mailbox" : destination);
    stomp_put_str(&s, "subscription", "inbox");
    stomp_put_u64(&s, "message-id", at + 1);
    stomp_put_u64(&s, "ack", at + 1);
    stomp_put_u64(&s, "seq", device->queue[at].seq);
    stomp_put_str(&s, "type", is_mail ? "mail" : "message");
    if (at < device->told) stomp_put_str(&s, "redelivered", "true");
    stomp_put_str(&s, "encrypted", "true");
    pair_put_id(&s, "client-id", item->id.id);
    pair_put_id(&s, "sender", from->user.id);
    pair_put_id(&s, "sender-device", from->id.id);
    stomp_put_str(&s, "created-at", time);
    assert_int_equal(bodies_decode(kith_buf_peek(&item->bodies), &bodies), KITH_OK);
    kith_ignore(bodies_for(&bodies, device->id, &body)); /* none: its own */
    assert_int_equal(stomp_end(&s, body), KITH_OK);
}

/* On a new connection from what is not acknowledged. */
static inline void pair_stream(struct pair_device *device, size_t *at)
{
    for (; device->is_subscribed && *at < device->queued; ++*at) {
        if (!device->is_deaf || device->queue[*at].is_mail) pair_write_item(device, *at);
    }
}

static inline void pair_refuse(struct pair_device *device, const struct stomp_frame *frame, enum kith_code code)
{
    struct stomp_writer s;

    stomp_begin(&s, &device->to_client, STOMP_MESSAGE);
    stomp_put_str(&s, "destination", "/errors");
    stomp_put_str(&s, "code", kith_code_name(code));
    stomp_put(&s, "client-id", pair_header(frame, "message-id"));
    stomp_put_u64(&s, "retry-after-ms", device->pair->retry_after_ms);
    assert_int_equal(stomp_end(&s, (struct kith_slice){0}), KITH_OK);
}

/* Numbered, once; its place. */
static inline uint64_t pair_take(struct pair_device *device, struct pair_item *items, size_t *count,
                                 const struct stomp_frame *frame, bool *is_new)
{
    struct msg_id id;

    assert_int_equal(kith_uuid_parse(pair_header(frame, "message-id"), &id.id), KITH_OK);
    *is_new = false;
    for (size_t i = 0; i < *count; i++) {
        if (!kith_uuid_eq(items[i].id.id, id.id)) continue;
        assert_true(kith_slice_eq(kith_buf_peek(&items[i].bodies), frame->body)); /* repeated byte for byte */
        return i;
    }
    assert_true(*count < PAIR_LOG_MAX);
    *is_new = true;
    items[*count] = (struct pair_item){
        .id = id, .from = device->number, .seq = *count + 1, .created_ms = device->pair->now.wall_ms};
    kith_buf_init(&items[*count].bodies, 1u << 20);
    assert_int_equal(kith_buf_append(&items[*count].bodies, frame->body), KITH_OK);
    return (*count)++;
}

static inline void pair_mailed(struct pair_device *device, const struct stomp_frame *frame, size_t at)
{
    struct pair *pair = device->pair;
    struct kith_slice destination = pair_header(frame, "destination");
    struct user_id user;

    assert_int_equal(kith_uuid_parse(kith_slice_of(destination.ptr + 6, KITH_UUID_TEXT_LEN), &user.id), KITH_OK);
    for (unsigned i = 0; i < 2; i++) {
        struct bodies bodies;
        struct kith_slice body;
        if (!kith_uuid_eq(pair->devices[i].user.id, user.id)) continue;
        assert_int_equal(bodies_decode(kith_buf_peek(&pair->mails[at].bodies), &bodies), KITH_OK);
        if (bodies_find(&bodies, pair->devices[i].id, &body) == KITH_OK)
            pair_tell(&pair->devices[i], true, ++pair->devices[i].mail_seq, at);
    }
}

static inline void pair_server_send(struct pair_device *device, const struct stomp_frame *frame)
{
    struct pair *pair = device->pair;
    const bool is_mail = kith_slice_starts(pair_header(frame, "destination"), "/user/");
    struct stomp_writer s;
    bool is_new = false;
    size_t at;

    if (pair_header(frame, "message-id").len == 0) return; /* a mark */
    if (is_mail) {
        assert_int_equal(pair_header(frame, "after").len + pair_header(frame, "encrypted").len, 0);
        device->frames_of_mail++;
        kith_buf_reset(&device->mail_frame);
        assert_int_equal(kith_buf_append(&device->mail_frame, frame->body), KITH_OK);
    }
    if (is_mail && pair->loses_mail) return;
    if (is_mail && pair->refuse_mail != CODE_OK) {
        pair_refuse(device, frame, pair->refuse_mail);
        return;
    }
    at = is_mail ? pair_take(device, pair->mails, &pair->mail_count, frame, &is_new)
                 : pair_take(device, pair->log, &pair->log_count, frame, &is_new);
    if (is_new && is_mail) pair_mailed(device, frame, at);
    for (unsigned i = 0; is_new && !is_mail && i < 2; i++) pair_tell(&pair->devices[i], false, at + 1, at);
    stomp_begin(&s, &device->to_client, STOMP_RECEIPT);
    stomp_put(&s, "receipt-id", pair_header(frame, "receipt"));
    stomp_put(&s, "message-id", pair_header(frame, "message-id"));
    stomp_put_u64(&s, "seq", at + 1);
    assert_int_equal(stomp_end(&s, (struct kith_slice){0}), KITH_OK);
}

static inline void pair_server_frame(struct pair_device *device, const struct stomp_frame *frame)
{
    struct stomp_writer s;
    uint64_t seq = 0;
    size_t at;

    switch (frame->command) {
    case STOMP_CONNECT:
        stomp_begin(&s, &device->to_client, STOMP_CONNECTED);
        stomp_put_str(&s, "version", "1.2");
        assert_int_equal(stomp_end(&s, (struct kith_slice){0}), KITH_OK);
        break;
    case STOMP_SUBSCRIBE:
        if (!kith_slice_is(pair_header(frame, "destination"), "/inbox")) break;
        device->is_subscribed = true;
        at = device->acked;
        pair_stream(device, &at);
        if (at > device->told) device->told = at;
        break;
    case STOMP_ACK:
        assert_int_equal(kith_slice_to_u64(pair_header(frame, "id"), &seq), KITH_OK);
        if (seq > device->acked) device->acked = seq;
        break;
    case STOMP_SEND: pair_server_send(device, frame); break;
    default: fail_msg("unexpected frame"); break;
    }
}

/* ------------------------------------------------------------------------------------------------ the key directory */
static inline void pair_upload(struct pair_device *device)
{
    struct e2e_upload *upload = malloc(sizeof *upload);

    assert_non_null(upload);
    if (kith_client_upload(device->client, upload)) {
        if (upload->list.len > 0) {
            assert_true(device->list_count < PAIR_LISTS_MAX);
            kith_buf_init(&device->lists[device->list_count], 1u << 16);
            assert_int_equal(kith_buf_append(&device->lists[device->list_count++], upload->list), KITH_OK);
        }
        if (upload->spk.len > 0) {
            kith_buf_reset(&device->spk);
            kith_buf_reset(&device->kem_lr);
            assert_int_equal(kith_buf_append(&device->spk, upload->spk), KITH_OK);
            assert_int_equal(kith_buf_append(&device->kem_lr, upload->kem_lr), KITH_OK);
        }
        kith_client_uploaded(device->client, device->list_count, 100, 100);
    }
    free(upload);
}

static inline struct pair_device *pair_device_of(struct pair *pair, struct user_id user)
{
    for (unsigned i = 0; i < 2; i++)
        if (kith_uuid_eq(pair->devices[i].user.id, user.id)) return &pair->devices[i];
    return NULL; /* nobody is that */
}

/* 0: none was uploaded yet. */
static inline uint32_t pair_prekey_id(const struct kith_buf *prekey, enum e2e_prekey_kind kind)
{
    struct e2e_prekey read;

    if (kith_buf_len(prekey) == 0) return 0;
    assert_int_equal(e2e_prekey_parse(kith_buf_peek(prekey), kind, &read), KITH_OK);
    return read.id;
}

static inline void pair_keys(struct pair_device *device)
{
    const struct kith_keys keys = {.has_list = device->list_count > 0,
                                   .list_seq = device->list_count,
                                   .opk_count = 100,
                                   .kem_ot_count = 100,
                                   .spk_id = pair_prekey_id(&device->spk, E2E_PREKEY_SPK),
                                   .kem_lr_id = pair_prekey_id(&device->kem_lr, E2E_PREKEY_KEM_LR)};

    kith_client_keys(device->client, &keys);
}

static inline void pair_lists(struct pair_device *device, struct user_id user, uint64_t after)
{
    const struct pair_device *of = kith_uuid_is_nil(user.id) ? NULL : pair_device_of(device->pair, user);

    for (size_t i = 0; of != NULL && i < of->list_count; i++)
        if (i + 1 == of->list_count || (after > 0 && i >= after))
            kith_client_list(device->client, user, i + 1 == of->list_count ? of->list_count : 0,
                             kith_buf_peek(&of->lists[i]));
    if (of == NULL || of->list_count == 0) kith_client_no_list(device->client, user, 0);
}

static inline void pair_answer(struct pair_device *device)
{
    struct pair *pair = device->pair;
    const struct kith_fetch fetch = device->fetch;
    const struct pair_device *of;

    device->has_fetch = false;
    if (fetch.kind == KITH_FETCH_LISTS && device->lists_fail) {
        kith_client_fetched(device->client, pair->now, false);
        return;
    }
    switch (fetch.kind) {
    case KITH_FETCH_KEYS: pair_keys(device); break;
    case KITH_FETCH_UPLOAD: pair_upload(device); break;
    case KITH_FETCH_LISTS:
        for (uint32_t i = 0; i < fetch.list_count; i++) pair_lists(device, fetch.lists[i].user, fetch.lists[i].after);
        break;
    case KITH_FETCH_PAST_LISTS: pair_lists(device, fetch.user, fetch.after); break;
    case KITH_FETCH_BUNDLES:
        for (uint32_t i = 0; i < fetch.device_count; i++) {
            struct e2e_claimed claimed = {.kem_is_last = true};
            of = pair_device_of(pair, fetch.devices[i].user);
            memcpy(claimed.account_id, of->user.id.raw, sizeof claimed.account_id);
            memcpy(claimed.server_device, of->id.id.raw, sizeof claimed.server_device);
            claimed.spk = kith_buf_peek(&of->spk);
            claimed.kem = kith_buf_peek(&of->kem_lr);
            kith_client_bundle(device->client, &claimed);
        }
        break;
    case KITH_FETCH_MEMBERS:
        kith_client_members(device->client, fetch.chat,
                            (struct user_id[]){pair->devices[0].user, pair->devices[1].user}, 2);
        break;
    default: fail_msg("it is asked for what a chat of two has not"); break;
    }
    kith_client_fetched(device->client, pair->now, true);
}

#endif
