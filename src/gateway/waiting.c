#include <stdlib.h>

#include "gateway/inbox.h"
#include "gateway/reader.h"

struct waiting *waiting_new(struct session *session, enum waiting_kind kind, struct kith_slice receipt)
{
    struct waiting *waiting = calloc(1, sizeof *waiting + receipt.len);

    assert(receipt.len <= GATEWAY_RECEIPT_BYTES_MAX);
    if (waiting == NULL) return NULL;
    waiting->session = session;
    waiting->kind = kind;
    waiting->code = CODE_OK;
    waiting->at_ms = loop_now_ms(session->gateway->config.loop);
    waiting->receipt_len = (uint16_t)receipt.len;
    if (receipt.len > 0) memcpy(waiting->receipt, receipt.ptr, receipt.len);
    waiting->next = session->waiting;
    if (waiting->next != NULL) waiting->next->prev = waiting;
    session->waiting = waiting;
    session->in_flight++;
    return waiting;
}

static void unlink_waiting(struct waiting *waiting)
{
    struct session *session = waiting->session;

    if (waiting->prev != NULL)
        waiting->prev->next = waiting->next;
    else
        session->waiting = waiting->next;
    if (waiting->next != NULL) waiting->next->prev = waiting->prev;
    session->in_flight--;
    free(waiting->held);
    free(waiting->sent);
    waiting->held = NULL;
    waiting->sent = NULL;
}

/* DISCONNECT was the last frame: when all before it is answered, it is too. */
static void finish_disconnect(struct session *session)
{
    struct waiting *bye = session->waiting;

    if (bye == NULL || bye->next != NULL || bye->kind != WAITING_BYE || bye->cursors != NULL) return;
    session_receipt(session, waiting_receipt(bye), NULL, NULL);
    session_close(session, 1000, "");
}

void waiting_end(struct waiting *waiting)
{
    struct session *session = waiting->session;

    if (waiting->kind != WAITING_BYE) {
        unlink_waiting(waiting);
        free(waiting);
    }
    if (session->state == SESSION_DRAINING)
        finish_disconnect(session);
    else
        session_resume(session);
}

static void count_latency(struct gateway *gateway, const struct waiting *waiting)
{
    uint64_t us = (loop_now_ms(gateway->config.loop) - waiting->at_ms) * 1000;
    unsigned bucket = 0;

    while (bucket < GATEWAY_ACK_BUCKETS - 1 && us > gateway_ack_us_bounds[bucket]) bucket++;
    gateway->stats.ack_us_buckets[bucket]++;
    gateway->stats.ack_us_sum += us;
}

void waiting_refuse(struct waiting *waiting, enum kith_code code, struct kith_slice more)
{
    struct session *session = waiting->session;
    struct refusal refusal = {.code = code,
                              .receipt = waiting_receipt(waiting),
                              .client_id = waiting->has_client_id ? &waiting->client_id : NULL,
                              .more = more};

    session_refuse(session, &refusal);
    if (session->state == SESSION_CLOSING) return; /* all that waited is gone, this too */
    waiting_end(waiting);
}

void waiting_answer(struct waiting *waiting, const struct chat_answer *answer)
{
    struct session *session = waiting->session;
    const struct msg_id *id = waiting->has_client_id ? &waiting->client_id : NULL;

    if (waiting->is_message) count_latency(session->gateway, waiting);
    if (answer->code == CODE_OK || answer->code == CODE_CREATED) {
        session_receipt(session, waiting_receipt(waiting), answer, id);
        waiting_end(waiting);
    } else if (answer->code != CODE_STALE_DEVICES || !stale_start(waiting)) {
        waiting_refuse(waiting, answer->code, (struct kith_slice){0});
    }
}

static void asked(struct ask *ask)
{
    struct waiting *waiting = (struct waiting *)ask;

    waiting->answered = true;
    waiting_answer(waiting, &ask->answer);
}

static void asked_too_late(struct ask *ask)
{
    free(ask);
}

void waiting_ask(struct waiting *waiting, const struct cmd *cmd)
{
    waiting->ask.done = asked;
    asker_ask(waiting->session->gateway->config.asker, cmd, &waiting->ask);
}

/* True: the memory is the asker's for one more moment, and freed then. */
static bool cancel_ask(struct gateway *gateway, struct waiting *waiting)
{
    if (waiting->kind != WAITING_ASK || waiting->answered || gateway->crashed) return false;
    if (waiting->ask.request == 0) { /* a refusal is on its way and cannot be called back */
        waiting->ask.done = asked_too_late;
        return true;
    }
    asker_cancel(gateway->config.asker, &waiting->ask);
    return false;
}

void waiting_cancel_all(struct session *session)
{
    while (session->waiting != NULL) {
        struct waiting *waiting = session->waiting;
        unlink_waiting(waiting);
        if (waiting->reader != NULL) reader_orphan(waiting->reader);
        if (waiting->check != NULL) check_orphan(waiting->check);
        if (waiting->stale != NULL) stale_orphan(waiting->stale);
        cursor_forget(waiting);
        if (!cancel_ask(session->gateway, waiting)) free(waiting);
    }
}
