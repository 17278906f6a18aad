#include "gateway_fixture.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------- connections */

static struct fx_peer *peer_of(struct conn *conn)
{
    return (struct fx_peer *)conn;
}

static void frames_add(struct fx_peer *peer, const struct stomp_frame *from)
{
    struct fx_frame *frame;

    if (peer->frame_count == peer->frame_cap) {
        struct fx_frame *grown;
        peer->frame_cap = peer->frame_cap == 0 ? 64 : peer->frame_cap * 2;
        grown = realloc(peer->frames, peer->frame_cap * sizeof *grown);
        assert_non_null(grown);
        peer->frames = grown;
    }
    frame = &peer->frames[peer->frame_count++];
    *frame = (struct fx_frame){.command = from->command, .header_count = from->headers_count};
    assert_true(from->headers_count <= 24);
    for (unsigned i = 0; i < from->headers_count; i++) {
        const struct stomp_header *header = &from->headers[i];
        assert_true(header->name.len < sizeof frame->names[i] && header->value.len < sizeof frame->values[i]);
        memcpy(frame->names[i], header->name.ptr, header->name.len);
        memcpy(frame->values[i], header->value.ptr, header->value.len);
    }
    frame->body_len = from->body.len;
    frame->body = malloc(from->body.len + 1);
    assert_non_null(frame->body);
    memcpy(frame->body, from->body.ptr, from->body.len);
    frame->body[from->body.len] = '\0';
}

/* I-O5, and ids that are unique on the connection. */
static void check_message(struct fx_peer *peer, const struct fx_frame *frame)
{
    const char *ack = fx_header(frame, "ack");
    struct kith_uuid chat = {0};
    uint64_t seq, from;
    size_t i = 0;

    assert_non_null(fx_header(frame, "subscription"));
    assert_non_null(fx_header(frame, "content-length"));
    assert_true(fx_number(frame, "message-id") > peer->message_id_last);
    peer->message_id_last = fx_number(frame, "message-id");
    if (ack == NULL) return;
    if (strcmp(fx_header(frame, "destination"), "/mailbox") != 0) /* else the nil id stands for it */
        assert_int_equal(kith_uuid_parse(kith_slice_of(fx_header(frame, "destination") + 6, KITH_UUID_TEXT_LEN), &chat),
                         0);
    seq = fx_number(frame, "seq");
    from = strcmp(fx_header(frame, "type"), "gap") == 0 ? fx_number(frame, "gap-from") : seq;
    assert_true(from <= seq);
    while (i < peer->seen_count && !kith_uuid_eq(peer->seen[i].chat, chat)) i++;
    if (i == peer->seen_count) {
        assert_true(i < FX_CHATS_MAX);
        peer->seen[peer->seen_count++] = (struct fx_seen){.chat = chat, .seq = from - 1};
    }
    if (!peer->gaps_allowed) assert_int_equal(from, peer->seen[i].seq + 1);
    peer->seen[i].seq = seq;
}

static void conn_send_op(struct conn *conn, struct kith_slice message, bool is_text)
{
    struct fx_peer *peer = peer_of(conn);
    struct stomp_reader reader;
    struct stomp_frame frame;
    size_t used = 0;

    if (peer->closing) return;
    peer->writes++;
    peer->binary_writes += !is_text;
    kith_buf_reset(&peer->in);
    assert_int_equal(kith_buf_append(&peer->in, message), KITH_OK);
    if (kith_slice_is(message, "\n")) {
        peer->beats++;
        return;
    }
    /* One frame a message, whole. */
    stomp_reader_init(&reader, 4u << 20);
    assert_int_equal(stomp_next(&reader, peer->in.ptr, message.len, &used, &frame), KITH_OK);
    assert_int_equal(used, message.len);
    if (peer->frame_count > 0) assert_int_not_equal(peer->frames[peer->frame_count - 1].command, STOMP_ERROR);
    frames_add(peer, &frame);
    if (frame.command == STOMP_MESSAGE) check_message(peer, &peer->frames[peer->frame_count - 1]);
}

static size_t conn_queued_op(const struct conn *conn)
{
    return ((const struct fx_peer *)conn)->queued;
}

static void conn_pause_op(struct conn *conn, bool paused)
{
    assert_true(peer_of(conn)->paused != paused);
    peer_of(conn)->paused = paused;
}

static void closed_run(struct loop_task *task)
{
    struct fx_peer *peer = (struct fx_peer *)((char *)task - offsetof(struct fx_peer, close_task));

    if (peer->closed) return;
    peer->closed = true;
    peer->conn.user->closed(peer->conn.user, CONN_CLOSED_OURS);
}

static void conn_close_op(struct conn *conn, uint16_t code, const char *reason)
{
    struct fx_peer *peer = peer_of(conn);

    assert_non_null(reason);
    if (peer->closing) return;
    peer->closing = true;
    peer->close_code = code;
    peer->close_task.run = closed_run;
    loop_defer(conn->loop, &peer->close_task);
}

static void conn_peer_op(const struct conn *conn, char out[static 64])
{
    (void)conn;
    snprintf(out, 64, "192.0.2.1");
}

static void conn_keepalive_op(struct conn *conn, uint32_t ms)
{
    peer_of(conn)->keepalive_ms = ms;
}

static const struct conn_ops conn_fx_ops = {
    .name = "fixture",
    .send = conn_send_op,
    .queued = conn_queued_op,
    .pause = conn_pause_op,
    .close = conn_close_op,
    .peer = conn_peer_op,
    .keepalive = conn_keepalive_op,
};

struct fx_peer *fx_peer(struct fx *fx, unsigned loop, const char *bearer)
{
    struct fx_peer *peer = calloc(1, sizeof *peer);
    struct conn_user *user = gateway_session_new(fx->gateways[loop], kith_slice_str(bearer == NULL ? "" : bearer));

    assert_non_null(peer);
    assert_true(fx->peer_count < FX_PEERS_MAX);
    fx->peers[fx->peer_count++] = peer;
    peer->fx = fx;
    peer->loop = loop;
    kith_buf_init(&peer->in, 4u << 20);
    if (user == NULL) {
        peer->closed = peer->closing = true;
        return peer;
    }
    peer->conn = (struct conn){.ops = &conn_fx_ops, .user = user, .loop = fx->loops[loop]};
    peer->attached = true;
    gateway_session_attach(user, &peer->conn);
    return peer;
}

void fx_drop(struct fx_peer *peer)
{
    if (peer->closed) return;
    peer->closing = peer->closed = true;
    peer->conn.user->closed(peer->conn.user, CONN_CLOSED_PEER);
}

void fx_bytes(struct fx_peer *peer, const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len + 1);

    assert_non_null(copy);
    if (len > 0) memcpy(copy, bytes, len);
    if (!peer->closing) peer->conn.user->bytes(peer->conn.user, copy, len);
    free(copy);
}

void fx_send(struct fx_peer *peer, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    int len;

    va_start(args, fmt);
    len = vasprintf(&text, fmt, args);
    va_end(args);
    assert_true(len >= 0);
    fx_bytes(peer, text, (size_t)len + 1);
    free(text);
}

/* ------------------------------------------------------------------------------------------------------------ clients */

struct fx_peer *fx_connect(struct fx *fx, unsigned loop, uint32_t user, uint32_t device)
{
    struct fx_peer *peer = fx_peer(fx, loop, NULL);

    fx_send(peer, "CONNECT\naccept-version:1.2\nheart-beat:0,0\npasscode:u%ud%u\n\n", user, device);
    fx_run(fx, 5 + fx->check_ms);
    fx_expect(peer, STOMP_CONNECTED);
    return peer;
}

void fx_errors(struct fx_peer *peer)
{
    fx_send(peer, "SUBSCRIBE\nid:e\ndestination:/errors\n\n");
}

void fx_inbox(struct fx_peer *peer, const char *headers)
{
    fx_send(peer, "SUBSCRIBE\nid:in\ndestination:/inbox\n%s\n", headers);
    fx_run(peer->fx, 20);
}

void fx_send_message(struct fx_peer *peer, uint32_t chat, struct msg_id id, const char *receipt, const char *body)
{
    char receipt_line[300] = "";

    if (receipt != NULL) snprintf(receipt_line, sizeof receipt_line, "receipt:%s\n", receipt);
    fx_send(peer, "SEND\ndestination:/chat/%s\nmessage-id:%s\n%scontent-type:text/plain\n\n%s", fx_id(CHAT(chat).id),
            fx_id(id.id), receipt_line, body);
}

void fx_send_mail(struct fx_peer *peer, uint32_t user, struct msg_id id, const uint32_t *devices, unsigned count,
                  const char *text)
{
    struct bodies_item items[8];
    struct kith_buf body, frame;
    char head[300];
    int len;

    assert_in_range(count, 0, 8);
    for (unsigned i = 0; i < count; i++) items[i] = (struct bodies_item){DEVICE(devices[i]), kith_slice_str(text)};
    kith_buf_init(&body, 4096);
    kith_buf_init(&frame, 8192);
    assert_int_equal(bodies_encode(&body, NULL, 0, items, count), KITH_OK);
    len = snprintf(head, sizeof head,
                   "SEND\ndestination:/user/%s/mailbox\nmessage-id:%s\nreceipt:m\n"
                   "content-type:application/x-kith-bodies\ncontent-length:%zu\n\n",
                   fx_id(USER(user).id), fx_id(id.id), kith_buf_len(&body));
    assert_int_equal(kith_buf_append(&frame, kith_slice_of(head, (size_t)len)), KITH_OK);
    assert_int_equal(kith_buf_append(&frame, kith_buf_peek(&body)), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&frame, 0), KITH_OK);
    fx_bytes(peer, kith_buf_peek(&frame).ptr, kith_buf_len(&frame));
    kith_buf_deinit(&body);
    kith_buf_deinit(&frame);
}

void fx_ack(struct fx_peer *peer, const struct fx_frame *frame)
{
    fx_send(peer, "ACK\nid:%s\n\n", fx_header(frame, "ack"));
}

struct fx_frame *fx_next(struct fx_peer *peer)
{
    return peer->next == peer->frame_count ? NULL : &peer->frames[peer->next++];
}

static void show(const struct fx_frame *frame)
{
    print_message("got %s", stomp_command_name(frame->command));
    for (unsigned i = 0; i < frame->header_count; i++) print_message(" %s=%s", frame->names[i], frame->values[i]);
    print_message(" body=%.80s\n", frame->body);
}

struct fx_frame *fx_expect(struct fx_peer *peer, enum stomp_command command)
{
    struct fx_frame *frame = fx_next(peer);

    if (frame == NULL) fail_msg("no %s came", stomp_command_name(command));
    if (frame->command != command) {
        show(frame);
        fail_msg("wanted %s", stomp_command_name(command));
    }
    return frame;
}

struct fx_frame *fx_expect_seq(struct fx_peer *peer, uint32_t chat, uint64_t seq)
{
    struct fx_frame *frame = fx_expect(peer, STOMP_MESSAGE);
    const char *destination = fx_header(frame, "destination");

    if (strncmp(destination, "/chat/", 6) != 0 || strcmp(destination + 6, fx_id(CHAT(chat).id)) != 0 ||
        fx_number(frame, "seq") != seq) {
        show(frame);
        fail_msg("wanted seq %llu of chat %u", (unsigned long long)seq, chat);
    }
    return frame;
}

void fx_expect_nothing(struct fx_peer *peer)
{
    struct fx_frame *frame = fx_next(peer);

    if (frame == NULL) return;
    show(frame);
    fail_msg("nothing was due");
}

void fx_expect_error(struct fx_peer *peer, const char *code, uint16_t close_code)
{
    struct fx_frame *frame = fx_expect(peer, STOMP_ERROR);

    assert_string_equal(fx_header(frame, "code"), code);
    assert_non_null(fx_header(frame, "message"));
    assert_true(peer->closing);
    assert_int_equal(peer->close_code, close_code);
}

struct fx_frame *fx_expect_refusal(struct fx_peer *peer, const char *code)
{
    struct fx_frame *frame = fx_expect(peer, STOMP_MESSAGE);

    assert_string_equal(fx_header(frame, "destination"), "/errors");
    assert_string_equal(fx_header(frame, "code"), code);
    assert_string_equal(fx_header(frame, "content-type"), "application/problem+json");
    assert_non_null(strstr(frame->body, code));
    assert_false(peer->closing);
    return frame;
}

const char *fx_header(const struct fx_frame *frame, const char *name)
{
    for (unsigned i = 0; i < frame->header_count; i++)
        if (strcmp(frame->names[i], name) == 0) return frame->values[i];
    return NULL;
}

uint64_t fx_number(const struct fx_frame *frame, const char *name)
{
    const char *text = fx_header(frame, name);
    uint64_t value = 0;

    if (text == NULL || kith_slice_to_u64(kith_slice_str(text), &value) != KITH_OK) {
        show(frame);
        fail_msg("no number %s", name);
    }
    return value;
}

uint32_t fx_chat_of(const struct fx_frame *frame)
{
    struct kith_uuid id = {0};
    const char *destination = fx_header(frame, "destination");

    assert_int_equal(kith_uuid_parse(kith_slice_of(destination + 6, KITH_UUID_TEXT_LEN), &id), KITH_OK);
    return kith_get_u32_be(id.raw + 12);
}

const char *fx_id(struct kith_uuid id)
{
    static char rooms[4][KITH_UUID_TEXT_LEN + 1];
    static unsigned at;
    char *room = rooms[at++ % 4];

    kith_uuid_format(id, room);
    return room;
}

void fx_forget_last(struct fx *fx)
{
    struct fx_peer *peer = fx->peers[--fx->peer_count];

    assert_true(peer->closed);
    for (size_t i = 0; i < peer->frame_count; i++) free(peer->frames[i].body);
    free(peer->frames);
    kith_buf_deinit(&peer->in);
    free(peer);
}
