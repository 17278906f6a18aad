#include "gateway/session.h"

#include <stdlib.h>

#include "gateway/frames.h"
#include "gateway/inbox.h"

#define CLOSING_TICKS 200 /* a look at a session whose close is under way */

static void session_bytes(struct conn_user *user, uint8_t *bytes, size_t len);
static void session_drained(struct conn_user *user);
static void session_closed(struct conn_user *user, enum conn_closed why);

struct conn_user *gateway_session_new(struct gateway *gateway, struct kith_slice bearer)
{
    struct session *session;

    if (gateway->stopping || gateway->stats.connections >= gateway->limits.sessions_max) return NULL;
    session = calloc(1, sizeof *session);
    if (session == NULL) return NULL;
    if (bearer.len > ACCOUNT_TOKEN_TEXT_MAX) bearer.len = ACCOUNT_TOKEN_TEXT_MAX; /* too long for any: stays wrong */
    if (bearer.len > 0) {
        session->hello = malloc(sizeof *session->hello + bearer.len);
        if (session->hello == NULL) {
            free(session);
            return NULL;
        }
        session->hello->bearer_len = (uint32_t)bearer.len;
        memcpy(session->hello->bearer, bearer.ptr, bearer.len);
    }
    session->user = (struct conn_user){.bytes = session_bytes, .drained = session_drained, .closed = session_closed};
    session->gateway = gateway;
    session->in_tick = session->out_tick = (uint32_t)wheel_now(&gateway->wheel);
    session->expires_tick = session->in_tick + GATEWAY_CONNECT_TIMEOUT_MS / WHEEL_TICK_MS;
    gateway->stats.connections++;
    session_schedule(session);
    return &session->user;
}

void gateway_session_attach(struct conn_user *user, struct conn *conn)
{
    struct session *session = session_of(user);

    session->conn = conn;
    conn_keepalive(conn, GATEWAY_PING_MS);
    if (session->gateway->stopping) session_fail(session, CODE_UNAVAILABLE, NULL, (struct kith_slice){0});
}

void gateway_session_abandon(struct conn_user *user)
{
    session_free(session_of(user));
}

static void input_free(struct session *session)
{
    if (session->input == NULL) return;
    kith_buf_wipe(&session->input->buf); /* a CONNECT with its token may be in there */
    free(session->input);
    session->input = NULL;
}

/* Out of every list and map: from here on nothing reaches the session any more (I-A2). */
static void session_unlink(struct session *session)
{
    bool was_open = session->state == SESSION_OPEN || session->state == SESSION_DRAINING;

    waiting_cancel_all(session);
    if (session->state == SESSION_CHECKING) check_forget(session);
    if (was_open) {
        if (session->gateway->crashed)
            inbox_forget(session);
        else
            inbox_end(session);
        users_remove(session);
        if (!session->gateway->crashed) typing_stop_user(session->gateway, session->user_id);
    } else if (session->state != SESSION_CLOSING) {
        free(session->hello);
        session->hello = NULL;
    }
    session->state = SESSION_CLOSING;
    input_free(session);
    free(session->subs);
    session->subs = NULL;
}

void session_free(struct session *session)
{
    session_unlink(session);
    wheel_remove(&session->gateway->wheel, &session->wheel);
    session->gateway->stats.connections--;
    free(session);
}

static void session_closed(struct conn_user *user, enum conn_closed why)
{
    struct session *session = session_of(user);

    (void)why;
    session->conn = NULL;
    session_free(session);
}

static void session_drained(struct conn_user *user)
{
    struct session *session = session_of(user);

    if (session->state == SESSION_OPEN && session->inbox != NULL) inbox_work(session->inbox);
}

void session_send(struct session *session, enum stomp_command command, bool is_text)
{
    struct gateway *gateway = session->gateway;

    if (session->state == SESSION_CLOSING || session->conn == NULL) return;
    gateway->stats.frames_out[command]++;
    session->out_tick = (uint32_t)wheel_now(&gateway->wheel);
    conn_send(session->conn, kith_buf_peek(&gateway->out), is_text);
}

void session_close(struct session *session, uint16_t close_code, const char *reason)
{
    if (session->state == SESSION_CLOSING) return;
    session_unlink(session);
    if (session->conn != NULL) conn_close(session->conn, close_code, reason);
}

/* ---------------------------------------------------------------------------------------------------------- input */

static bool may_take(const struct session *session)
{
    if (session->state != SESSION_NEW && session->state != SESSION_OPEN) return false;
    return !session->blocked && session->in_flight < session->gateway->limits.in_flight_max;
}

/* Frames from the front of `bytes` until there is none, or the session must wait. Returns how many bytes are done with. */
static size_t take_frames(struct session *session, struct stomp_reader *reader, uint8_t *bytes, size_t len)
{
    struct stomp_frame *frame = &session->gateway->frame;
    size_t at = 0;

    session->taking = true;
    while (at < len && may_take(session)) {
        size_t used = 0;
        kith_err err = stomp_next(reader, bytes + at, len - at, &used, frame);
        at += used;
        if (err == KITH_E_AGAIN) break;
        if (err == KITH_OK) {
            session->gateway->stats.frames_in[frame->command]++;
            frames_take(session, frame);
            continue;
        }
        session_fail(session, err == KITH_E_TOOBIG ? CODE_TOO_BIG : CODE_MALFORMED, reader->reason,
                     (struct kith_slice){0});
    }
    session->taking = false;
    return session->state == SESSION_CLOSING ? len : at;
}

/* Who has shown no token yet gets little memory. */
static size_t frame_bytes_max(const struct session *session)
{
    uint32_t max = session->gateway->limits.frame_bytes_max;

    if (session->state == SESSION_OPEN || max < GATEWAY_CONNECT_BYTES_MAX) return max;
    return GATEWAY_CONNECT_BYTES_MAX;
}

static size_t input_bytes_max(const struct session *session)
{
    return frame_bytes_max(session) +
           (session->state == SESSION_OPEN ? GATEWAY_INPUT_BYTES_SPARE : GATEWAY_HELLO_BYTES_SPARE);
}

static struct session_input *input_of(struct session *session)
{
    if (session->input != NULL) return session->input;
    session->input = malloc(sizeof *session->input);
    if (session->input == NULL) return NULL;
    stomp_reader_init(&session->input->reader, frame_bytes_max(session));
    kith_buf_init(&session->input->buf, input_bytes_max(session));
    return session->input;
}

void session_opened(struct session *session)
{
    session->state = SESSION_OPEN;
    if (session->input == NULL) return;
    stomp_reader_init(&session->input->reader, frame_bytes_max(session));
    session->input->buf.bytes_max = input_bytes_max(session);
}

static bool input_keep(struct session *session, struct kith_slice bytes)
{
    struct session_input *input = input_of(session);

    if (input != NULL && kith_buf_append(&input->buf, bytes) == KITH_OK) return true;
    session_fail(session, input == NULL ? CODE_UNAVAILABLE : CODE_TOO_BIG, NULL, (struct kith_slice){0});
    return false;
}

static void input_take(struct session *session)
{
    struct session_input *input = session->input;
    size_t used;

    if (input == NULL) return;
    used = take_frames(session, &input->reader, input->buf.ptr + input->buf.head, kith_buf_len(&input->buf));
    if (session->input == NULL) return; /* it failed in there */
    kith_buf_consume(&input->buf, used);
    if (kith_buf_len(&input->buf) == 0) input_free(session);
}

static void pause_if_waiting(struct session *session)
{
    bool pause = session->state != SESSION_CLOSING && !may_take(session);

    if (session->state == SESSION_CLOSING || pause == session->paused || session->conn == NULL) return;
    session->paused = pause;
    session->in_tick = (uint32_t)wheel_now(&session->gateway->wheel);
    conn_pause(session->conn, pause);
    if (!pause && session->beat_in > 0) session_schedule(session);
}

static void session_bytes(struct conn_user *user, uint8_t *bytes, size_t len)
{
    struct session *session = session_of(user);
    struct stomp_reader reader;
    size_t used;

    if (session->state == SESSION_CLOSING || session->state == SESSION_DRAINING) return;
    session->in_tick = (uint32_t)wheel_now(&session->gateway->wheel);
    if (session->input != NULL) {
        if (input_keep(session, kith_slice_of(bytes, len))) input_take(session);
    } else {
        stomp_reader_init(&reader, frame_bytes_max(session));
        used = take_frames(session, &reader, bytes, len);
        if (used < len && input_keep(session, kith_slice_of(bytes + used, len - used))) session->input->reader = reader;
    }
    pause_if_waiting(session);
}

void session_resume(struct session *session)
{
    if (session->state == SESSION_CLOSING || session->state == SESSION_DRAINING || session->taking) return;
    if (may_take(session)) input_take(session);
    pause_if_waiting(session);
}

/* ---------------------------------------------------------------------------------------------------------- timers */

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Two beats may be missed: what is late on the way is not dead. Nothing is heard of a peer that is not read. */
static uint64_t silence_tick(const struct session *session)
{
    return session->beat_in == 0 || session->paused ? UINT64_MAX
                                                    : (uint64_t)session->in_tick + 2 * (uint64_t)session->beat_in + 1;
}

static uint64_t beat_tick(const struct session *session)
{
    return session->beat_out == 0 ? UINT64_MAX : (uint64_t)session->out_tick + session->beat_out;
}

static uint64_t heads_tick(const struct session *session)
{
    return session->subs == NULL || !session->subs->has_inbox ? UINT64_MAX : session->subs->heads_tick;
}

static uint64_t end_tick(const struct session *session)
{
    return session->expires_tick == 0 ? UINT64_MAX : session->expires_tick;
}

void session_schedule(struct session *session)
{
    struct wheel *wheel = &session->gateway->wheel;
    uint64_t due = earliest(earliest(silence_tick(session), beat_tick(session)),
                            earliest(heads_tick(session), end_tick(session)));

    if (session->state == SESSION_CLOSING) due = wheel_now(wheel) + CLOSING_TICKS;
    wheel_put(wheel, &session->wheel, due);
}

static void send_beat(struct session *session)
{
    session->out_tick = (uint32_t)wheel_now(&session->gateway->wheel);
    conn_send(session->conn, kith_slice_str("\n"), true);
}

/* The newest token has ended; or there never was a good CONNECT. */
static void token_ended(struct session *session)
{
    /* A slow network says nothing of the token: who is told UNAUTHORIZED asks its person to sign in again. */
    if (session->state == SESSION_NEW)
        session_fail(session, CODE_UNAVAILABLE, "No CONNECT in time.", (struct kith_slice){0});
    else if (session->state == SESSION_CHECKING)
        session_fail(session, CODE_UNAVAILABLE, NULL, (struct kith_slice){0});
    else
        session_fail(session, CODE_EXPIRED, NULL, (struct kith_slice){0});
}

void session_visit(struct session *session)
{
    uint64_t now = wheel_now(&session->gateway->wheel);

    if (session->state != SESSION_CLOSING && session->conn != NULL) {
        if (now >= end_tick(session))
            token_ended(session);
        else if (now >= silence_tick(session))
            session_close(session, 1002, "no heart-beat came");
        else if (now >= beat_tick(session))
            send_beat(session);
    }
    if (session->state == SESSION_OPEN && now >= heads_tick(session)) inbox_rescan(session);
    session_schedule(session);
}
