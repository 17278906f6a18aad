#ifndef TESTS_UNIT_CLIENT_PAIR_H
#define TESTS_UNIT_CLIENT_PAIR_H

#include "client_pair_server.h"

/*
 * Two clients that encrypt, their hosts, and the server between them, in one process: the real frames, a chat of two, a mailbox, the
 * key directory. A host keeps its records and shows history; it may be killed before any effect, and an older copy of its records may
 * be put back. Nothing goes on by itself: pair_run() is all that can happen without the time going on.
 */

/* ------------------------------------------------------------------------------------------------ a host */
static inline void pair_cut(struct pair_device *device)
{
    device->is_connected = device->is_subscribed = false;
    kith_buf_reset(&device->to_server);
    kith_buf_reset(&device->to_client);
}

static inline void pair_show(struct pair_device *device, const struct kith_message *message)
{
    struct pair_shown *shown = &device->shown[device->shown_count++];

    assert_true(device->shown_count < PAIR_SHOWN_MAX);
    *shown = (struct pair_shown){.seq = message->seq,
                                 .id = message->id,
                                 .is_again = message->is_again,
                                 .is_asked = message->is_asked,
                                 .unreadable = message->unreadable};
    if (message->is_open && kith_slice_is(message->content_type, "text/plain"))
        (void)snprintf(shown->text, sizeof shown->text, "%.*s", (int)message->body.len,
                       (const char *)message->body.ptr);
}

static inline void pair_recall(struct pair_device *device, uint64_t seq)
{
    uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES];
    const struct kith_ordered_node *node;

    kith_record_message_key(device->pair->chat, seq, key);
    node = kith_ordered_find(&device->records, kith_slice_of(key, sizeof key));
    kith_client_recalled(device->client, device->pair->now, device->pair->chat, seq,
                         node == NULL ? (struct kith_slice){0} : pair_value(node));
}

static inline void pair_persist(struct pair_device *device, struct kith_slice records)
{
    struct kith_slice key = {0}, value = {0};
    bool is_put = false;

    while (kith_record_next(&records, &is_put, &key, &value) == KITH_OK)
        pair_record(&device->records, is_put, key, value);
    kith_client_persisted(device->client);
}

static inline void pair_effect(struct pair_device *device, const struct kith_effect *e)
{
    switch (e->kind) {
    case KITH_EFFECT_PERSIST: pair_persist(device, e->bytes); break;
    case KITH_EFFECT_SEND:
        if (device->is_connected) assert_int_equal(kith_buf_append(&device->to_server, e->bytes), KITH_OK);
        break;
    case KITH_EFFECT_CONNECT:
        pair_cut(device);
        if (device->is_off) {
            kith_client_disconnected(device->client, device->pair->now);
            break;
        }
        device->is_connected = true;
        stomp_reader_init(&device->reader, 1u << 20);
        kith_client_connected(device->client, device->pair->now);
        break;
    case KITH_EFFECT_CLOSE: pair_cut(device); break;
    case KITH_EFFECT_TIMER: device->timer_ms = e->at_ms; break;
    case KITH_EFFECT_MESSAGE: pair_show(device, &e->message); break;
    case KITH_EFFECT_MAIL: device->mail_shown++; break;
    case KITH_EFFECT_SENT: device->sent++; break;
    case KITH_EFFECT_FAILED: device->failed++; break;
    case KITH_EFFECT_FETCH:
        device->fetch = e->fetch;
        device->has_fetch = true;
        break;
    case KITH_EFFECT_RECALL:
        device->recalls++;
        if (!device->recalls_not) pair_recall(device, e->seq);
        break;
    case KITH_EFFECT_TOKEN:
    case KITH_EFFECT_RECEIPT:
    case KITH_EFFECT_TYPING:
    case KITH_EFFECT_STATE: break;
    }
}

/* False: it was killed. */
static inline bool pair_effects(struct pair_device *device, bool *did)
{
    struct kith_effect e;

    while (kith_client_next(device->client, &e) == KITH_OK) {
        *did = true;
        if (device->effects++ == device->crash_at) {
            device->is_crashed = true;
            pair_cut(device);
            return false;
        }
        pair_effect(device, &e);
    }
    return true;
}

static inline void pair_start(struct pair_device *device)
{
    struct kith_client_config config = {.user = device->user,
                                        .device = device->id,
                                        .shows_history = true,
                                        .keeps_mail = true,
                                        .encrypts = true,
                                        .one_time_keys = 1,
                                        .random = pair_random,
                                        .random_arg = &device->pair->prng};

    kith_client_free(device->client);
    pair_cut(device);
    device->has_fetch = false;
    device->timer_ms = UINT64_MAX;
    device->client = kith_client_new(&config);
    assert_non_null(device->client);
    for (struct kith_ordered_node *node = kith_ordered_seek(&device->records, (struct kith_slice){0}); node != NULL;
         node = kith_ordered_next(node))
        assert_int_equal(kith_client_load(device->client, kith_ordered_key(node), pair_value(node)), KITH_OK);
    kith_client_token(device->client, device->pair->now, kith_slice_str("token"));
    kith_client_start(device->client, device->pair->now);
}

static inline bool pair_network(struct pair_device *device)
{
    struct stomp_frame *frame = malloc(sizeof *frame);
    size_t used = 0, len;
    bool did = false;
    uint8_t *piece;

    assert_non_null(frame);
    while (device->is_connected && kith_buf_len(&device->to_server) > 0) {
        kith_err err = stomp_next(&device->reader, device->to_server.ptr + device->to_server.head,
                                  kith_buf_len(&device->to_server), &used, frame);
        if (err == KITH_OK) pair_server_frame(device, frame);
        kith_buf_consume(&device->to_server, used);
        did = true;
        if (err != KITH_OK) break;
    }
    free(frame);
    len = kith_buf_len(&device->to_client);
    if (!device->is_connected || len == 0) return did;
    piece = malloc(len);
    assert_non_null(piece);
    memcpy(piece, kith_buf_peek(&device->to_client).ptr, len);
    kith_buf_reset(&device->to_client);
    kith_client_bytes(device->client, device->pair->now, piece, len);
    free(piece);
    return true;
}

/* ------------------------------------------------------------------------------------------------ what goes on */
/* One turn of a device. */
static inline bool pair_turn(struct pair_device *device)
{
    bool did = false;

    if (device->client == NULL) return false;
    if (!pair_effects(device, &did)) { /* killed: and begun anew, at once */
        device->crash_at = SIZE_MAX;
        pair_start(device);
        return true;
    }
    if (device->has_fetch && !device->fetches_not) {
        pair_answer(device);
        did = true;
    }
    if (device->is_subscribed && !did) {
        size_t at = device->told > device->acked ? device->told : device->acked;
        const size_t before = at;
        pair_stream(device, &at);
        device->told = at;
        did |= at != before;
    }
    return pair_network(device) || did;
}

/* All that can happen now; then the timers of the next `ms`. */
static inline void pair_run_for(struct pair *pair, uint64_t ms)
{
    const uint64_t end = pair->now.mono_ms + ms;

    for (unsigned turns = 0;; turns++) {
        uint64_t next = UINT64_MAX;
        bool did = false;
        assert_true(turns < 100000); /* it comes to rest */
        for (unsigned i = 0; i < 2; i++) did |= pair_turn(&pair->devices[i]);
        if (did) continue;
        for (unsigned i = 0; i < 2; i++)
            if (pair->devices[i].client != NULL && pair->devices[i].timer_ms < next) next = pair->devices[i].timer_ms;
        if (next > end) break;
        if (next > pair->now.mono_ms) {
            pair->now.wall_ms += next - pair->now.mono_ms;
            pair->now.mono_ms = next;
        }
        for (unsigned i = 0; i < 2; i++) {
            struct pair_device *device = &pair->devices[i];
            if (device->client == NULL || device->timer_ms > pair->now.mono_ms) continue;
            device->timer_ms = UINT64_MAX;
            kith_client_tick(device->client, pair->now);
        }
    }
    pair->now.wall_ms += end - pair->now.mono_ms;
    pair->now.mono_ms = end;
}

/* What needs no more than the back-off of a connection or a question that failed. */
static inline void pair_run(struct pair *pair)
{
    pair_run_for(pair, 5000);
}

static inline struct pair *pair_new(uint64_t seed)
{
    struct pair *pair = calloc(1, sizeof *pair);

    assert_non_null(pair);
    kith_prng_seed(&pair->prng, seed);
    pair->now = (struct kith_time){.mono_ms = 1000, .wall_ms = 1800000000000};
    memset(pair->chat.id.raw, 0x31, sizeof pair->chat.id.raw);
    for (unsigned i = 0; i < 2; i++) {
        struct pair_device *device = &pair->devices[i];
        device->pair = pair;
        device->number = i;
        memset(device->user.id.raw, (int)(0x41 + i), sizeof device->user.id.raw);
        memset(device->id.id.raw, (int)(0x51 + i), sizeof device->id.id.raw);
        kith_ordered_init(&device->records, seed + i);
        kith_buf_init(&device->to_server, 64u << 20);
        kith_buf_init(&device->to_client, 64u << 20);
        kith_buf_init(&device->spk, 1u << 14);
        kith_buf_init(&device->kem_lr, 1u << 14);
        kith_buf_init(&device->mail_frame, 1u << 20);
        device->crash_at = SIZE_MAX;
        pair_start(device);
    }
    pair_run(pair);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(e2e_account_state(kith_client_account(pair->devices[i].client)), E2E_ACCOUNT_READY);
    return pair;
}

static inline void pair_free(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++) {
        struct pair_device *device = &pair->devices[i];
        kith_client_free(device->client);
        kith_ordered_deinit(&device->records, free);
        kith_buf_deinit(&device->to_server);
        kith_buf_deinit(&device->to_client);
        kith_buf_deinit(&device->spk);
        kith_buf_deinit(&device->kem_lr);
        kith_buf_deinit(&device->mail_frame);
        for (size_t n = 0; n < device->list_count; n++) kith_buf_deinit(&device->lists[n]);
    }
    for (size_t i = 0; i < pair->log_count; i++) kith_buf_deinit(&pair->log[i].bodies);
    for (size_t i = 0; i < pair->mail_count; i++) kith_buf_deinit(&pair->mails[i].bodies);
    free(pair);
}

/* ------------------------------------------------------------------------------------------------ what a person does */
static inline struct msg_id pair_write(struct pair_device *device, const char *text)
{
    struct kith_send send = {.chat = device->pair->chat,
                             .encrypted = true,
                             .content_type = kith_slice_str("text/plain"),
                             .body = kith_slice_str(text)};
    struct msg_id id = {0};

    assert_int_equal(kith_client_send(device->client, device->pair->now, &send, &id), KITH_OK);
    return id;
}

/* As a process ends; it comes again with pair_start(). */
static inline void pair_stop(struct pair_device *device)
{
    kith_client_free(device->client);
    device->client = NULL;
    pair_cut(device);
}

/* The records are those of then, and a process begins with them. */
static inline void pair_put_back(struct pair_device *device, const struct kith_ordered *then)
{
    kith_ordered_deinit(&device->records, free);
    pair_copy_all(then, &device->records);
    pair_start(device);
}

/* How the history has a message now. */
static inline struct pair_shown pair_history(const struct pair_device *device, uint64_t seq)
{
    uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES];
    const struct kith_ordered_node *node;
    struct pair_device reader = {.pair = device->pair};
    struct kith_message message;

    kith_record_message_key(device->pair->chat, seq, key);
    node = kith_ordered_find(&device->records, kith_slice_of(key, sizeof key));
    if (node == NULL) return (struct pair_shown){0};
    assert_int_equal(kith_record_message(kith_slice_of(key, sizeof key), pair_value(node), &message), KITH_OK);
    pair_show(&reader, &message);
    return reader.shown[0];
}

/* The newest of that number that was shown. */
static inline const struct pair_shown *pair_last(const struct pair_device *device, uint64_t seq)
{
    for (size_t i = device->shown_count; i > 0; i--)
        if (device->shown[i - 1].seq == seq) return &device->shown[i - 1];
    fail_msg("it was not shown");
    return NULL;
}

#endif
