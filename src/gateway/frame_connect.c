#include <stdlib.h>

#include "gateway/frames.h"
#include "gateway/inbox.h"
#include "wire/json_text.h"

#define BEAT_TICKS_MAX 30000 /* 50 minutes: whoever asks for less gets that */

/* The highest version in common is 1.2 or none: clients of 1.1 offer 1.2 as well. No header at all means 1.0. */
static bool accepts_1_2(const struct stomp_frame *frame)
{
    struct kith_slice list = {0};

    (void)stomp_header(frame, "accept-version", &list);
    while (list.len > 0) {
        const uint8_t *comma = memchr(list.ptr, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t)(comma - list.ptr);
        struct kith_slice one = kith_slice_of(list.ptr, len);
        while (one.len > 0 && one.ptr[0] == ' ') one = kith_slice_of(one.ptr + 1, one.len - 1);
        while (one.len > 0 && one.ptr[one.len - 1] == ' ') one.len--;
        if (kith_slice_is(one, "1.2")) return true;
        len += comma != NULL;
        list = kith_slice_of(list.ptr + len, list.len - len);
    }
    return false;
}

static bool parse_beats(struct kith_slice text, uint64_t *can_ms, uint64_t *want_ms)
{
    const uint8_t *comma = memchr(text.ptr, ',', text.len);
    struct kith_slice first, second;

    if (comma == NULL) return false;
    first = kith_slice_of(text.ptr, (size_t)(comma - text.ptr));
    second = kith_slice_of(comma + 1, text.len - first.len - 1);
    return kith_slice_to_u64(first, can_ms) == KITH_OK && kith_slice_to_u64(second, want_ms) == KITH_OK;
}

static uint16_t ticks_of(uint64_t ms)
{
    if (ms > (uint64_t)WHEEL_TICK_MS * BEAT_TICKS_MAX) return BEAT_TICKS_MAX;
    return (uint16_t)((ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS);
}

/* Each direction at the slower of what one side can and the other wants. Where a direction is off, WebSocket pings. */
static bool agree_beats(struct session *session, const struct stomp_frame *frame)
{
    struct kith_slice text = {0};
    uint64_t can_ms = 0, want_ms = 0;

    if (stomp_header(frame, "heart-beat", &text) && !parse_beats(text, &can_ms, &want_ms)) return false;
    if (can_ms > 0) session->beat_in = ticks_of(can_ms > GATEWAY_HEART_BEAT_MS ? can_ms : GATEWAY_HEART_BEAT_MS);
    if (want_ms > 0) {
        session->beat_out = ticks_of(want_ms > GATEWAY_HEART_BEAT_MS ? want_ms : GATEWAY_HEART_BEAT_MS);
        session->beat_out--; /* a tick early: ours may not be the late one */
    }
    conn_keepalive(session->conn, can_ms > 0 && want_ms > 0 ? 0 : GATEWAY_PING_MS);
    return true;
}

enum frame_result frame_connect(struct session *session, const struct stomp_frame *frame)
{
    struct kith_slice token = {0};

    if (session->gateway->stopping) {
        session_fail(session, CODE_UNAVAILABLE, "The server is stopping.", (struct kith_slice){0});
    } else if (!accepts_1_2(frame)) {
        session_fail(session, CODE_VERSION, "This server speaks STOMP 1.2.", (struct kith_slice){0});
    } else if (!agree_beats(session, frame)) {
        session_fail(session, CODE_MALFORMED, "The heart-beat header is not two numbers.", (struct kith_slice){0});
    } else {
        if (!stomp_header(frame, "passcode", &token) && session->hello != NULL)
            token = kith_slice_of(session->hello->bearer, session->hello->bearer_len);
        session->state = SESSION_CHECKING;
        if (check_start(session, token, NULL) != KITH_OK)
            session_fail(session, CODE_UNAVAILABLE, NULL, (struct kith_slice){0});
    }
    return FRAME_LATER;
}

static void send_connected(struct session *session)
{
    struct gateway *gateway = session->gateway;
    char user[KITH_UUID_TEXT_LEN + 1], device[KITH_UUID_TEXT_LEN + 1], now[KITH_TIME_TEXT_LEN + 1];
    struct stomp_writer writer;

    kith_uuid_format(session->user_id.id, user);
    kith_uuid_format(session->device.id, device);
    kith_time_format(loop_wall_ms(gateway->config.loop), now);
    kith_buf_reset(&gateway->out);
    stomp_begin(&writer, &gateway->out, STOMP_CONNECTED);
    stomp_put_str(&writer, "version", "1.2");
    stomp_put_str(&writer, "heart-beat", "10000,10000");
    stomp_put_str(&writer, "user-id", user);
    stomp_put_str(&writer, "device-id", device);
    stomp_put_str(&writer, "server", gateway->config.server == NULL ? "kithd" : gateway->config.server);
    stomp_put_str(&writer, "server-time", now);
    stomp_put_u64(&writer, "max-frame-bytes", gateway->limits.frame_bytes_max);
    stomp_put_u64(&writer, "max-in-flight", gateway->limits.in_flight_max);
    if (stomp_end(&writer, (struct kith_slice){0}) == KITH_OK) session_send(session, STOMP_CONNECTED, true);
}

void session_connected(struct session *session, enum kith_code code, const struct account_identity *who)
{
    if (code != CODE_OK) {
        session_fail(session, code, NULL, (struct kith_slice){0});
        return;
    }
    free(session->hello);
    session->hello = NULL;
    session->user_id = who->user;
    session->device = who->device;
    session->generation = group_generation(session->gateway->config.group);
    if (users_add(session) != KITH_OK) {
        session_fail(session, CODE_UNAVAILABLE, NULL, (struct kith_slice){0});
        return;
    }
    session_opened(session);
    check_set_end(session, who->expires_ms);
    send_connected(session);
    group_claim(session);
    session_schedule(session);
    session_resume(session);
}
