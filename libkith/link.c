#include <sodium.h>
#include <stdlib.h>

#include "libkith/client.h"
#include "wire/json_text.h"

static void send_frame(struct kith_client *client, struct stomp_writer *w, struct kith_buf *frame)
{
    if (stomp_end(w, (struct kith_slice){0}) == KITH_OK) effect_send(client, kith_buf_peek(frame));
    kith_buf_deinit(frame);
}

void link_down(struct kith_client *client, enum kith_code code, uint64_t retry_after_ms)
{
    bool was_open = client->link != LINK_DOWN;

    if (was_open) (void)effect_add(client, KITH_EFFECT_CLOSE, 0, NULL);
    client->link = LINK_DOWN;
    kith_buf_deinit(&client->in);
    stomp_reader_init(&client->reader, CLIENT_FRAME_BYTES_MAX);
    client->ack_len = 0;
    outbox_reset_wire(client);
    secure_link(client);
    client->connect_at_ms = client->stopped || client->token_asked
                                ? UINT64_MAX
                                : client->now.mono_ms + retry_after_ms + client_backoff_ms(client, client->tries);
    client->tries++;
    if (was_open) effect_state(client, client->stopped ? KITH_REPLACED : KITH_OFFLINE, code, client->connect_at_ms);
}

static void link_open(struct kith_client *client)
{
    client->link = LINK_OPENING;
    client->link_since_ms = client->received_at_ms = client->now.mono_ms;
    client->stats.connects++;
    effect_state(client, KITH_CONNECTING, CODE_OK, 0);
    (void)effect_add(client, KITH_EFFECT_CONNECT, 0, NULL);
}

static void ask_token(struct kith_client *client)
{
    if (client->token_asked) return;
    client->token_asked = true;
    (void)effect_add(client, KITH_EFFECT_TOKEN, 0, NULL);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When something is due next: a connect, a heart-beat, a peer's silence, a retry. */
void link_timers(struct kith_client *client)
{
    uint64_t at = UINT64_MAX;

    if (!client->started) return;
    if (client->link == LINK_DOWN) at = client->connect_at_ms;
    if (client->link == LINK_OPENING || client->link == LINK_CONNECT_SENT)
        at = client->link_since_ms + CLIENT_CONNECT_TIMEOUT_MS;
    if (client->link == LINK_UP) {
        if (client->beat_send_ms > 0) at = earlier(at, client->sent_at_ms + client->beat_send_ms);
        if (client->beat_expect_ms > 0) at = earlier(at, client->received_at_ms + 2ull * client->beat_expect_ms);
        at = earlier(at, outbox_next_ms(client));
        at = earlier(at, secure_next_ms(client));
    }
    if (at == UINT64_MAX || at == client->timer_at_ms) return;
    client->timer_at_ms = at;
    effect_add(client, KITH_EFFECT_TIMER, 0, NULL)->at_ms = at;
}

static bool an_answer_is_overdue(const struct kith_client *client)
{
    for (const struct outbox_entry *entry = client->outbox_first; entry != NULL; entry = entry->next)
        if (entry->in_flight && entry->sent_at_ms + CLIENT_ANSWER_TIMEOUT_MS <= client->now.mono_ms) return true;
    return false;
}

static void tick_up(struct kith_client *client)
{
    if (client->beat_expect_ms > 0 && client->now.mono_ms >= client->received_at_ms + 2ull * client->beat_expect_ms) {
        link_down(client, CODE_UNAVAILABLE, 0);
        return;
    }
    if (an_answer_is_overdue(client)) {
        link_down(client, CODE_UNAVAILABLE, 0);
        return;
    }
    if (client->beat_send_ms > 0 && client->now.mono_ms >= client->sent_at_ms + client->beat_send_ms)
        effect_send(client, kith_slice_str("\n"));
    outbox_pump(client);
}

void kith_client_tick(struct kith_client *client, struct kith_time now)
{
    client->now = now;
    client->timer_at_ms = UINT64_MAX;
    if (client->link == LINK_DOWN && client->started && now.mono_ms >= client->connect_at_ms)
        link_open(client);
    else if (client->link == LINK_UP)
        tick_up(client);
    else if (client->link != LINK_DOWN && now.mono_ms >= client->link_since_ms + CLIENT_CONNECT_TIMEOUT_MS)
        link_down(client, CODE_UNAVAILABLE, 0);
    link_timers(client);
    step_end(client);
}

void kith_client_connected(struct kith_client *client, struct kith_time now)
{
    struct stomp_writer w;
    struct kith_buf frame;

    client->now = now;
    if (client->link != LINK_OPENING) return;
    client->link = LINK_CONNECT_SENT;
    client->received_at_ms = now.mono_ms;
    kith_buf_init_secret(&frame, 4096); /* the token */
    stomp_begin(&w, &frame, STOMP_CONNECT);
    stomp_put_str(&w, "accept-version", "1.2");
    stomp_put_str(&w, "host", "kith");
    stomp_put_str(&w, "heart-beat", "10000,10000");
    stomp_put(&w, "passcode", kith_slice_of(client->token, client->token_len));
    send_frame(client, &w, &frame);
    link_timers(client);
    step_end(client);
}

static void subscribe(struct kith_client *client, const char *destination, const char *id, const char *ack)
{
    struct stomp_writer w;
    struct kith_buf frame;

    kith_buf_init(&frame, 1024);
    stomp_begin(&w, &frame, STOMP_SUBSCRIBE);
    stomp_put_str(&w, "destination", destination);
    stomp_put_str(&w, "id", id);
    stomp_put_str(&w, "ack", ack);
    send_frame(client, &w, &frame);
}

static struct kith_slice header(const struct stomp_frame *frame, const char *name)
{
    struct kith_slice value = {0};

    (void)stomp_header(frame, name, &value);
    return value;
}

/* "sx,sy" of the server: it sends every sx ms, and wants one every sy ms (STOMP 1.2, Heart-beating). */
static void negotiate_beats(struct kith_client *client, struct kith_slice value)
{
    const uint8_t *comma = value.len == 0 ? NULL : memchr(value.ptr, ',', value.len);
    uint64_t sends = 0, wants = 0;

    client->beat_send_ms = client->beat_expect_ms = 0;
    if (comma == NULL) return;
    if (kith_slice_to_u64(kith_slice_of(value.ptr, (size_t)(comma - value.ptr)), &sends) != KITH_OK ||
        kith_slice_to_u64(kith_slice_of(comma + 1, value.len - (size_t)(comma - value.ptr) - 1), &wants) != KITH_OK)
        return;
    if (wants > 0) client->beat_send_ms = (uint32_t)(wants > CLIENT_HEART_BEAT_MS ? wants : CLIENT_HEART_BEAT_MS);
    if (sends > 0) client->beat_expect_ms = (uint32_t)(sends > CLIENT_HEART_BEAT_MS ? sends : CLIENT_HEART_BEAT_MS);
}

static void send_read_marks(struct kith_client *client);

static void frame_connected(struct kith_client *client, const struct stomp_frame *frame)
{
    uint64_t server_ms = 0, in_flight_max = 0;

    if (client->link != LINK_CONNECT_SENT) return;
    client->link = LINK_UP;
    client->tries = 0;
    negotiate_beats(client, header(frame, "heart-beat"));
    kith_ignore(kith_slice_to_u64(header(frame, "max-in-flight"), &in_flight_max));
    client->server_in_flight_max = (uint32_t)(in_flight_max > 65535 ? 65535 : in_flight_max);
    /* A device whose clock is far off makes ids of the server's time, or none of its messages would ever be taken. */
    client->server_ahead_ms = 0;
    if (kith_time_parse(header(frame, "server-time"), &server_ms) == KITH_OK) {
        int64_t ahead = (int64_t)server_ms - (int64_t)client->now.wall_ms;
        if (ahead > 3600000 || ahead < -3600000) client->server_ahead_ms = ahead;
    }
    subscribe(client, "/errors", "errors", "auto");
    subscribe(client, "/events", "events", "auto");
    subscribe(client, "/inbox", "inbox", "client");
    effect_state(client, KITH_ONLINE, CODE_OK, 0);
    send_read_marks(client);
    secure_link(client);
    outbox_pump(client);
}

static void frame_error(struct kith_client *client, const struct stomp_frame *frame)
{
    enum kith_code code = CODE_INTERNAL;
    uint64_t retry_after_ms = 0;

    kith_ignore(kith_code_parse(header(frame, "code"), &code));
    kith_ignore(kith_slice_to_u64(header(frame, "retry-after-ms"), &retry_after_ms));
    if (code == CODE_REPLACED) client->stopped = true; /* fighting for the connection would never end */
    if (code == CODE_UNAUTHORIZED || code == CODE_EXPIRED) ask_token(client);
    link_down(client, code, retry_after_ms);
}

static void frame_receipt(struct kith_client *client, const struct stomp_frame *frame)
{
    struct msg_id id = {0};
    uint64_t seq = 0;

    if (kith_uuid_parse(header(frame, "message-id"), &id.id) != KITH_OK) return;
    if (kith_slice_to_u64(header(frame, "seq"), &seq) != KITH_OK) return;
    outbox_accepted(client, id, seq);
}

static void take_frame(struct kith_client *client, const struct stomp_frame *frame)
{
    switch (frame->command) {
    case STOMP_CONNECTED: frame_connected(client, frame); break;
    case STOMP_MESSAGE: inbox_message(client, frame); break;
    case STOMP_RECEIPT: frame_receipt(client, frame); break;
    case STOMP_ERROR: frame_error(client, frame); break;
    default: link_down(client, CODE_MALFORMED, 0); break;
    }
}

void kith_client_bytes(struct kith_client *client, struct kith_time now, uint8_t *bytes, size_t len)
{
    client->now = now;
    if (client->link == LINK_DOWN || client->link == LINK_OPENING) return;
    client->received_at_ms = now.mono_ms;
    if (kith_buf_append(&client->in, kith_slice_of(bytes, len)) != KITH_OK) {
        link_down(client, CODE_TOO_BIG, 0);
        step_end(client);
        return;
    }
    while (client->link != LINK_DOWN && kith_buf_len(&client->in) > 0) {
        size_t used = 0;
        /* The buffer is ours: the reader may unescape in it. */
        kith_err err = stomp_next(&client->reader, client->in.ptr + client->in.head, kith_buf_len(&client->in), &used,
                                  &client->frame);
        if (err == KITH_OK)
            take_frame(client, &client->frame);
        else if (err != KITH_E_AGAIN)
            link_down(client, CODE_MALFORMED, 0);
        if (client->link == LINK_DOWN) break;
        kith_buf_consume(&client->in, used);
        if (err == KITH_E_AGAIN) break;
    }
    if (kith_buf_len(&client->in) == 0) kith_buf_deinit(&client->in);
    inbox_ack(client);
    outbox_pump(client);
    link_timers(client);
    step_end(client);
}

void kith_client_disconnected(struct kith_client *client, struct kith_time now)
{
    client->now = now;
    if (client->link != LINK_DOWN) link_down(client, CODE_UNAVAILABLE, 0);
    link_timers(client);
    step_end(client);
}

void kith_client_token(struct kith_client *client, struct kith_time now, struct kith_slice token)
{
    struct stomp_writer w;
    struct kith_buf frame;

    client->now = now;
    sodium_memzero(client->token, sizeof client->token);
    client->token_len = token.len <= sizeof client->token ? token.len : 0;
    if (client->token_len > 0) memcpy(client->token, token.ptr, token.len);
    client->token_asked = false;
    if (client->link == LINK_UP) { /* keeps the connection past the old token's end */
        kith_buf_init_secret(&frame, 4096);
        stomp_begin(&w, &frame, STOMP_SEND);
        stomp_put_str(&w, "destination", "/session");
        stomp_put(&w, "passcode", token);
        send_frame(client, &w, &frame);
    } else if (client->link == LINK_DOWN && client->started && !client->stopped) {
        client->connect_at_ms = now.mono_ms;
    }
    link_timers(client);
    step_end(client);
}

static void chat_frame(struct kith_client *client, struct chat_id chat, const char *what, uint64_t seq)
{
    char destination[6 + KITH_UUID_TEXT_LEN + 16] = "/chat/";
    struct stomp_writer w;
    struct kith_buf frame;

    kith_uuid_format(chat.id, destination + 6);
    memcpy(destination + 6 + KITH_UUID_TEXT_LEN, what, strlen(what) + 1);
    kith_buf_init(&frame, 1024);
    stomp_begin(&w, &frame, STOMP_SEND);
    stomp_put_str(&w, "destination", destination);
    if (seq > 0) stomp_put_u64(&w, "seq", seq);
    send_frame(client, &w, &frame);
}

static void send_read_marks(struct kith_client *client)
{
    const void *key = NULL;
    struct chat_sync **sync = NULL;
    uint32_t at = 0;

    /* A mark may have been lost with the connection before: a watermark said twice does no harm. */
    while (kith_map_next(&client->chats, &at, &key, (void **)&sync)) {
        if (!(*sync)->read_unsent) continue;
        chat_frame(client, (*sync)->chat, "/read", (*sync)->read_up_to);
        (*sync)->read_unsent = false;
    }
}

kith_err kith_client_read(struct kith_client *client, struct chat_id chat, uint64_t seq)
{
    struct chat_sync *sync = chat_sync_of(client, chat);

    if (sync == NULL) return KITH_E_NOMEM;
    if (seq <= sync->read_up_to) return KITH_OK;
    sync->read_up_to = seq;
    record_put_chat(client, sync);
    if (client->link == LINK_UP)
        chat_frame(client, chat, "/read", seq);
    else
        sync->read_unsent = true;
    step_end(client);
    return KITH_OK;
}

kith_err kith_client_typing(struct kith_client *client, struct chat_id chat)
{
    if (client->link != LINK_UP) return KITH_E_AGAIN;
    chat_frame(client, chat, "/typing", 0);
    step_end(client);
    return KITH_OK;
}
