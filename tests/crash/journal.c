#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/crash.h"

/*
 * The frames of both directions, read a second time beside the client and written down as docs/history-format.md says.
 * A line is in the file before the bytes that it speaks of are given to the connection or to the client.
 */
#define LINE_BYTES_MAX (1u << 20)
#define HASH_TEXT_LEN  32

static struct kith_buf line; /* one thread, one line at a time */

static unsigned long long now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec;
}

static void put(const char *fmt, ...) KITH_PRINTF(1, 2);
static void put(const char *fmt, ...)
{
    char text[1024];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof text || kith_buf_append(&line, kith_slice_of(text, (size_t)len)) != KITH_OK)
        abort();
}

static void begin(const struct crash_device *device, const char *f, const char *type)
{
    if (line.bytes_max == 0) kith_buf_init(&line, LINE_BYTES_MAX);
    kith_buf_reset(&line);
    put("{\"run\":\"%s\",\"dev\":\"%s\",\"user\":\"%s\",\"f\":\"%s\",\"type\":\"%s\",\"%s\":%llu", device->crash->run,
        device->id_text, device->user_text, f, type, strcmp(type, "invoke") == 0 ? "t0" : "t1", now_ns());
}

static void end(const struct crash_device *device)
{
    struct kith_slice text;

    put("}\n");
    text = kith_buf_peek(&line);
    if (write(device->file, text.ptr, text.len) == (ssize_t)text.len) return;
    fprintf(stderr, "kith-crash-client: the journal cannot be written: %s\n", strerror(errno));
    exit(3);
}

static struct kith_slice header(const struct stomp_frame *frame, const char *name)
{
    struct kith_slice value = {0};

    (void)stomp_header(frame, name, &value);
    return value;
}

static uint64_t header_u64(const struct stomp_frame *frame, const char *name)
{
    uint64_t value = 0;

    kith_ignore(kith_slice_to_u64(header(frame, name), &value));
    return value;
}

static bool header_uuid(const struct stomp_frame *frame, const char *name, struct kith_uuid *out)
{
    *out = (struct kith_uuid){0};
    return kith_uuid_parse(header(frame, name), out) == KITH_OK;
}

static void put_uuid(const char *name, struct kith_uuid id)
{
    char text[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(id, text);
    put(",\"%s\":\"%s\"", name, text);
}

static void put_hash(struct kith_slice body)
{
    uint8_t digest[crypto_hash_sha256_BYTES];
    char text[sizeof digest * 2 + 1];

    (void)crypto_hash_sha256(digest, body.ptr, body.len);
    (void)sodium_bin2hex(text, sizeof text, digest, sizeof digest);
    text[HASH_TEXT_LEN] = '\0';
    put(",\"hash\":\"%s\"", text);
}

/* "/chat/{id}" or "/chat/{id}/what" */
static bool chat_of(struct kith_slice destination, struct chat_id *chat, struct kith_slice *what)
{
    if (!kith_slice_starts(destination, "/chat/") || destination.len < 6 + KITH_UUID_TEXT_LEN) return false;
    if (kith_uuid_parse(kith_slice_of(destination.ptr + 6, KITH_UUID_TEXT_LEN), &chat->id) != KITH_OK) return false;
    *what = kith_slice_of(destination.ptr + 6 + KITH_UUID_TEXT_LEN, destination.len - 6 - KITH_UUID_TEXT_LEN);
    return true;
}

/* ---- sends */

static struct crash_pending *pending_find(struct crash_device *device, struct msg_id id)
{
    for (unsigned i = 0; i < device->pending_count; i++)
        if (kith_uuid_eq(device->pending[i].id.id, id.id)) return &device->pending[i];
    return NULL;
}

static void pending_remove(struct crash_device *device, struct crash_pending *pending)
{
    *pending = device->pending[--device->pending_count];
}

static void send_unknown(struct crash_device *device, struct crash_pending *pending)
{
    begin(device, "send", "info");
    put(",\"op\":%llu", (unsigned long long)pending->op);
    end(device);
    pending_remove(device, pending);
}

static void send_begins(struct crash_device *device, const struct stomp_frame *frame, struct chat_id chat)
{
    struct crash_pending *pending;
    struct kith_uuid after;
    struct msg_id id;

    if (!header_uuid(frame, "message-id", &id.id)) abort();
    pending = pending_find(device, id);
    if (pending != NULL) send_unknown(device, pending); /* tried again before it was answered */
    if (device->pending_count == CRASH_PENDING_MAX) abort();
    pending = &device->pending[device->pending_count++];
    *pending = (struct crash_pending){.id = id, .chat = chat, .op = ++device->op};
    begin(device, "send", "invoke");
    put(",\"op\":%llu", (unsigned long long)pending->op);
    put_uuid("c", chat.id);
    put_uuid("k", id.id);
    put_hash(frame->body);
    if (header_uuid(frame, "after", &after)) {
        char text[KITH_UUID_TEXT_LEN + 1];
        kith_uuid_format(after, text);
        put(",\"extra\":{\"after\":\"%s\"}", text);
    }
    end(device);
}

static void send_is_acked(struct crash_device *device, struct msg_id id, uint64_t seq, uint64_t epoch)
{
    struct crash_pending *pending = pending_find(device, id);

    if (pending == NULL) return; /* answered before, by its receipt or by its own delivery */
    begin(device, "send", "ok");
    put(",\"op\":%llu,\"s\":%llu,\"e\":%llu", (unsigned long long)pending->op, (unsigned long long)seq,
        (unsigned long long)epoch);
    end(device);
    pending_remove(device, pending);
}

static void send_is_refused(struct crash_device *device, const struct stomp_frame *frame)
{
    struct kith_slice code = header(frame, "code");
    struct crash_pending *pending;
    struct msg_id id;

    if (!header_uuid(frame, "client-id", &id.id)) device->counters.errors++;
    pending = pending_find(device, id);
    if (pending == NULL) return;
    begin(device, "send", "fail");
    put(",\"op\":%llu,\"extra\":{\"code\":\"%.*s\",\"retryable\":%s}", (unsigned long long)pending->op, (int)code.len,
        (const char *)code.ptr, kith_slice_is(header(frame, "retryable"), "true") ? "true" : "false");
    end(device);
    pending_remove(device, pending);
}

/* ---- the stream */

static void saw(struct crash_device *device, struct chat_id chat, uint64_t seq, uint64_t ack)
{
    unsigned i = 0;

    while (i < device->seen_count && !kith_uuid_eq(device->seen[i].chat.id, chat.id)) i++;
    if (i == CRASH_CHATS_MAX) abort();
    if (i == device->seen_count) device->seen[device->seen_count++] = (struct crash_seen){.chat = chat};
    if (seq > device->seen[i].seq) device->seen[i].seq = seq;
    device->seen[i].ack = ack;
    device->seen[i].is_said = false;
}

static void frame_came(struct crash_device *device, const struct stomp_frame *frame, struct chat_id chat)
{
    struct kith_slice type = header(frame, "type");
    bool is_message = kith_slice_is(type, "message"), is_gap = kith_slice_is(type, "gap");
    uint64_t seq = header_u64(frame, "seq"), epoch = header_u64(frame, "epoch");
    struct kith_uuid id, sender, from;

    begin(device, "frame", "ok");
    put(",\"conn\":%llu,\"s\":%llu,\"e\":%llu", (unsigned long long)device->conn, (unsigned long long)seq,
        (unsigned long long)epoch);
    put_uuid("c", chat.id);
    if (is_message && header_uuid(frame, "client-id", &id)) {
        put_uuid("k", id);
        put_hash(frame->body);
    }
    put(",\"extra\":{\"type\":\"%.*s\"", (int)type.len, (const char *)type.ptr);
    if (header_uuid(frame, "sender", &sender)) put_uuid("sender", sender);
    if (kith_slice_is(header(frame, "redelivered"), "true")) put(",\"redelivered\":true");
    if (is_gap) put(",\"gap_from\":%llu", (unsigned long long)header_u64(frame, "gap-from"));
    if (!is_message && !is_gap) {
        put(",\"event\":");
        if (kith_buf_append(&line, frame->body) != KITH_OK) abort();
    }
    put("}");
    end(device);
    saw(device, chat, seq, header_u64(frame, "ack"));
    if (is_message && header_uuid(frame, "sender-device", &from) && kith_uuid_eq(from, device->id.id))
        send_is_acked(device, (struct msg_id){id}, seq, epoch);
}

/* Of the flat object {"user_id":"…","delivered_up_to":5,"read_up_to":4,…}: the text behind a name. */
static const char *member_of(const char *json, const char *name)
{
    const char *at = strstr(json, name);

    return at == NULL ? NULL : at + strlen(name);
}

static void receipt_came(struct crash_device *device, const struct stomp_frame *frame, struct chat_id chat)
{
    char json[512];
    const char *user, *delivered, *read;

    if (frame->body.len >= sizeof json) return;
    memcpy(json, frame->body.ptr, frame->body.len);
    json[frame->body.len] = '\0';
    user = member_of(json, "\"user_id\":\"");
    delivered = member_of(json, "\"delivered_up_to\":");
    read = member_of(json, "\"read_up_to\":");
    if (user == NULL || delivered == NULL || read == NULL) return;
    begin(device, "receipt_in", "ok");
    put_uuid("c", chat.id);
    put(",\"extra\":{\"user\":\"%.36s\",\"delivered\":%llu,\"read\":%llu}", user, strtoull(delivered, NULL, 10),
        strtoull(read, NULL, 10));
    end(device);
}

static void message_came(struct crash_device *device, const struct stomp_frame *frame)
{
    struct kith_slice destination = header(frame, "destination"), what = {0};
    struct chat_id chat;

    if (kith_slice_is(destination, "/errors")) send_is_refused(device, frame);
    if (!chat_of(destination, &chat, &what)) return;
    if (what.len == 0)
        frame_came(device, frame, chat);
    else if (kith_slice_is(what, "/receipts"))
        receipt_came(device, frame, chat);
}

static void came(struct crash_device *device, const struct stomp_frame *frame)
{
    struct msg_id id;

    switch (frame->command) {
    case STOMP_CONNECTED:
        begin(device, "connect", "ok");
        put(",\"op\":%llu,\"conn\":%llu", (unsigned long long)device->connect_op, (unsigned long long)device->conn);
        end(device);
        device->is_connected = true;
        break;
    case STOMP_MESSAGE: message_came(device, frame); break;
    case STOMP_RECEIPT:
        if (header_uuid(frame, "message-id", &id.id))
            send_is_acked(device, id, header_u64(frame, "seq"), header_u64(frame, "epoch"));
        break;
    case STOMP_ERROR: device->counters.closed_early++; break;
    default: break;
    }
}

void journal_in(struct crash_device *device, const uint8_t *bytes, size_t len)
{
    static struct stomp_frame frame;

    if (kith_buf_append(&device->in, kith_slice_of(bytes, len)) != KITH_OK) abort();
    for (;;) {
        size_t used = 0;
        kith_err err = stomp_next(&device->reader, device->in.ptr + device->in.head, kith_buf_len(&device->in), &used,
                                  &frame);
        if (err == KITH_OK) came(device, &frame);
        kith_buf_consume(&device->in, used);
        if (err != KITH_OK) return;
    }
}

/* ---- what the client says */

static void ack_goes(struct crash_device *device, uint64_t ack)
{
    for (unsigned i = 0; i < device->seen_count; i++) {
        struct crash_seen *seen = &device->seen[i];
        if (seen->is_said || seen->ack > ack) continue;
        begin(device, "ackpos", "invoke");
        put(",\"op\":%llu,\"conn\":%llu,\"s\":%llu", (unsigned long long)++device->op, (unsigned long long)device->conn,
            (unsigned long long)seen->seq);
        put_uuid("c", seen->chat.id);
        end(device);
        seen->is_said = true;
    }
}

static void goes(struct crash_device *device, const struct stomp_frame *frame)
{
    struct kith_slice destination = header(frame, "destination"), what = {0};
    struct chat_id chat;

    if (frame->command == STOMP_ACK) ack_goes(device, header_u64(frame, "id"));
    if (frame->command == STOMP_SUBSCRIBE && kith_slice_is(destination, "/inbox")) {
        begin(device, "resume", "invoke");
        put(",\"op\":%llu,\"conn\":%llu", (unsigned long long)++device->op, (unsigned long long)device->conn);
        end(device);
    }
    if (frame->command != STOMP_SEND || !chat_of(destination, &chat, &what)) return;
    if (what.len == 0) send_begins(device, frame, chat);
    if (!kith_slice_is(what, "/read")) return;
    begin(device, "receipt_out", "invoke");
    put(",\"op\":%llu,\"s\":%llu,\"extra\":{\"kind\":\"read\"}", (unsigned long long)++device->op,
        (unsigned long long)header_u64(frame, "seq"));
    put_uuid("c", chat.id);
    end(device);
}

/* One frame, or a heart-beat. */
void journal_out(struct crash_device *device, struct kith_slice bytes)
{
    static struct stomp_frame frame;
    struct stomp_reader reader;
    uint8_t *copy = malloc(bytes.len + 1); /* the reader unescapes in place */
    size_t used = 0;

    if (copy == NULL) abort();
    memcpy(copy, bytes.ptr, bytes.len);
    stomp_reader_init(&reader, STOMP_FRAME_BYTES_TOP);
    if (stomp_next(&reader, copy, bytes.len, &used, &frame) == KITH_OK) goes(device, &frame);
    free(copy);
}

void journal_applied(struct crash_device *device, const struct kith_message *message)
{
    uint64_t *up_to = NULL;
    kith_err err = kith_map_add(&device->applied, &message->chat, (void **)&up_to);

    if (err != KITH_OK && err != KITH_E_CONFLICT) abort();
    if (message->seq > *up_to) *up_to = message->seq;
    if (message->gap_from > 0) return;
    begin(device, "apply", "ok");
    put(",\"s\":%llu", (unsigned long long)message->seq);
    put_uuid("c", message->chat.id);
    if (kith_slice_is(message->type, "message")) put_uuid("k", message->id.id);
    end(device);
}

uint64_t crash_applied_up_to(const struct crash_device *device, struct chat_id chat)
{
    const uint64_t *up_to = kith_map_find(&device->applied, &chat);

    return up_to == NULL ? 0 : *up_to;
}

/* ---- the connection */

void journal_opened(struct crash_device *device)
{
    kith_buf_reset(&device->in);
    stomp_reader_init(&device->reader, STOMP_FRAME_BYTES_TOP);
    device->seen_count = 0;
    device->conn++;
    device->is_connected = false;
    device->is_logged = true;
    device->connect_op = ++device->op;
    begin(device, "connect", "invoke");
    put(",\"op\":%llu,\"conn\":%llu", (unsigned long long)device->connect_op, (unsigned long long)device->conn);
    end(device);
}

void journal_closed(struct crash_device *device, const char *reason)
{
    while (device->pending_count > 0) send_unknown(device, &device->pending[0]);
    if (!device->is_logged) return;
    device->is_logged = false;
    if (!device->is_connected) {
        begin(device, "connect", "info");
        put(",\"op\":%llu", (unsigned long long)device->connect_op);
        end(device);
    }
    begin(device, "close", "ok");
    put(",\"conn\":%llu,\"extra\":{\"reason\":\"%s\"}", (unsigned long long)device->conn, reason);
    end(device);
}

void journal_open(struct crash_device *device)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/device-%s.jsonl", device->crash->folder, device->id_text);
    device->file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (device->file < 0) {
        fprintf(stderr, "kith-crash-client: cannot open %s: %s\n", path, strerror(errno));
        exit(3);
    }
    kith_buf_init(&device->in, 16u << 20);
}
