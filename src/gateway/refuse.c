#include "gateway/inbox.h"
#include "wire/json_text.h"

uint16_t session_close_code(enum kith_code code)
{
    switch (code) {
    case CODE_MALFORMED:
    case CODE_VERSION: return 1002;
    case CODE_TOO_BIG: return 1009;
    case CODE_UNAVAILABLE: return 1012;
    case CODE_INTERNAL: return 1011;
    default: return 1008;
    }
}

uint64_t session_retry_after_ms(struct gateway *gateway, enum kith_code code)
{
    uint64_t base_ms = code == CODE_READ_ONLY || code == CODE_TOO_MANY ? 2000 : code == CODE_UNAVAILABLE ? 1000 : 500;
    uint16_t coins = 0;

    if (!kith_code_retryable(code)) return 0;
    loop_random(gateway->config.loop, &coins, sizeof coins);
    return base_ms + (uint64_t)coins * base_ms * 2 / 65536; /* so that not all come back at once */
}

/* RFC 9457. The sentence is ours: nothing that a client sent is repeated, so nothing can be smuggled in or out. */
static kith_err problem_json(struct kith_buf *out, const struct refusal *refusal)
{
    const char *text = refusal->text == NULL ? kith_code_text(refusal->code) : refusal->text;
    kith_err err = kith_buf_printf(out, "{\"type\":\"about:blank\",\"title\":");

    if (err == KITH_OK) err = json_put_string(out, kith_slice_str(kith_code_text(refusal->code)));
    if (err == KITH_OK)
        err = kith_buf_printf(
            out, ",\"status\":%u,\"code\":\"%s\",\"retryable\":%s,\"detail\":", kith_code_status(refusal->code),
            kith_code_name(refusal->code), kith_code_retryable(refusal->code) ? "true" : "false");
    if (err == KITH_OK) err = json_put_string(out, kith_slice_str(text));
    if (err == KITH_OK && refusal->more.len > 0) err = kith_buf_append_str(out, ",");
    if (err == KITH_OK) err = kith_buf_append(out, refusal->more);
    if (err == KITH_OK) err = kith_buf_append_str(out, "}");
    return err;
}

static void put_uuid(struct stomp_writer *writer, const char *name, struct kith_uuid id)
{
    char text[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(id, text);
    stomp_put(writer, name, kith_slice_of(text, KITH_UUID_TEXT_LEN));
}

static void put_time(struct stomp_writer *writer, const char *name, uint64_t ms)
{
    char text[KITH_TIME_TEXT_LEN + 1];

    kith_time_format(ms, text);
    stomp_put(writer, name, kith_slice_of(text, KITH_TIME_TEXT_LEN));
}

static void put_headers(struct stomp_writer *writer, struct gateway *gateway, const struct refusal *refusal)
{
    uint64_t retry_ms = session_retry_after_ms(gateway, refusal->code);

    if (refusal->receipt.len > 0) stomp_put(writer, "receipt-id", refusal->receipt);
    if (refusal->client_id != NULL) put_uuid(writer, "client-id", refusal->client_id->id);
    if (refusal->chat != NULL) put_uuid(writer, "chat-id", refusal->chat->id);
    stomp_put_str(writer, "code", kith_code_name(refusal->code));
    stomp_put_str(writer, "retryable", retry_ms > 0 ? "true" : "false");
    if (retry_ms > 0) stomp_put_u64(writer, "retry-after-ms", retry_ms);
    /* Who is told that its clock or its id is wrong must be able to see by how much. */
    if (refusal->code == CODE_TOO_OLD || refusal->code == CODE_BAD_ID)
        put_time(writer, "server-time", loop_wall_ms(gateway->config.loop));
    stomp_put_str(writer, "content-type", "application/problem+json");
}

/* To each subscription of /errors. False: there is none. */
static bool send_on_errors(struct session *session, const struct refusal *refusal, struct kith_slice body)
{
    struct gateway *gateway = session->gateway;
    struct kith_slice id = {0};
    size_t at = 0;
    bool sent = false;

    while (subscriptions_next(session->subs, SUBSCRIPTION_ERRORS, &at, &id)) {
        struct stomp_writer writer;
        kith_buf_reset(&gateway->out);
        stomp_begin(&writer, &gateway->out, STOMP_MESSAGE);
        stomp_put(&writer, "subscription", id);
        stomp_put_str(&writer, "destination", "/errors");
        stomp_put_u64(&writer, "message-id", ++session->subs->message_n);
        put_headers(&writer, gateway, refusal);
        sent = true;
        if (stomp_end(&writer, body) == KITH_OK) session_send(session, STOMP_MESSAGE, true);
    }
    return sent;
}

static void end_with_error(struct session *session, const struct refusal *refusal, struct kith_slice body)
{
    struct gateway *gateway = session->gateway;
    const char *text = refusal->text == NULL ? kith_code_text(refusal->code) : refusal->text;
    struct stomp_writer writer;

    kith_buf_reset(&gateway->out);
    stomp_begin(&writer, &gateway->out, STOMP_ERROR);
    if (refusal->code == CODE_VERSION) stomp_put_str(&writer, "version", "1.2");
    stomp_put_str(&writer, "message", text);
    put_headers(&writer, gateway, refusal);
    if (stomp_end(&writer, body) == KITH_OK) session_send(session, STOMP_ERROR, true);
    session_close(session, session_close_code(refusal->code), kith_code_name(refusal->code));
}

static void refuse(struct session *session, const struct refusal *refusal, bool always_ends)
{
    struct gateway *gateway = session->gateway;
    struct kith_buf body;

    if (session->state == SESSION_CLOSING) return;
    gateway->stats.errors_by_code[refusal->code]++;
    kith_buf_init(&body, 2048 + refusal->more.len);
    if (problem_json(&body, refusal) != KITH_OK) kith_buf_reset(&body);
    if (always_ends || !send_on_errors(session, refusal, kith_buf_peek(&body)))
        end_with_error(session, refusal, kith_buf_peek(&body));
    kith_buf_deinit(&body);
}

void session_refuse(struct session *session, const struct refusal *refusal)
{
    refuse(session, refusal, false);
}

void session_fail(struct session *session, enum kith_code code, const char *text, struct kith_slice receipt)
{
    refuse(session, &(struct refusal){.code = code, .text = text, .receipt = receipt}, true);
}

void session_receipt(struct session *session, struct kith_slice receipt, const struct chat_answer *answer,
                     const struct msg_id *id)
{
    struct gateway *gateway = session->gateway;
    struct stomp_writer writer;

    if (receipt.len == 0) return;
    kith_buf_reset(&gateway->out);
    stomp_begin(&writer, &gateway->out, STOMP_RECEIPT);
    stomp_put(&writer, "receipt-id", receipt);
    if (id != NULL) put_uuid(&writer, "message-id", id->id);
    if (answer != NULL) {
        stomp_put_u64(&writer, "seq", answer->seq);
        stomp_put_u64(&writer, "epoch", answer->epoch);
        if (answer->created_ms != 0) put_time(&writer, "created-at", answer->created_ms);
    }
    if (stomp_end(&writer, (struct kith_slice){0}) == KITH_OK) session_send(session, STOMP_RECEIPT, true);
}
