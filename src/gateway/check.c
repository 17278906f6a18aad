#include <sodium.h>
#include <stdlib.h>

#include "gateway/session.h"

/* One look-up of a token; outlives its session. */
struct check {
    struct account_check op; /* first */
    struct gateway *gateway;
    struct session *session; /* NULL: went away */
    struct waiting *waiting; /* SEND /session; NULL: CONNECT */
    struct check *prev, *next;
    uint64_t revocations; /* known when it began */
    char token[ACCOUNT_TOKEN_TEXT_MAX];
};

static void checked(struct account_check *op);

static void check_free(struct check *check)
{
    if (check->prev != NULL)
        check->prev->next = check->next;
    else
        check->gateway->checks = check->next;
    if (check->next != NULL) check->next->prev = check->prev;
    sodium_memzero(check->token, sizeof check->token);
    free(check);
}

static void begin(struct check *check)
{
    struct gateway *gateway = check->gateway;

    check->revocations = gateway->revocations;
    memcpy(check->op.token, check->token, sizeof check->token);
    gateway->config.check(gateway->config.accounts, &check->op);
}

kith_err check_start(struct session *session, struct kith_slice token, struct waiting *waiting)
{
    struct gateway *gateway = session->gateway;
    struct check *check = calloc(1, sizeof *check);

    if (check == NULL) return KITH_E_NOMEM;
    check->op.loop = gateway->config.loop;
    check->op.done = checked;
    check->gateway = gateway;
    check->session = session;
    check->waiting = waiting;
    /* What cannot be a token is looked up as one that nobody has: same way, same time, same answer. */
    if (token.len < sizeof check->token &&
        memchr(token.ptr == NULL ? (const void *)"" : token.ptr, '\0', token.len) == NULL)
        memcpy(check->token, token.ptr == NULL ? (const void *)"" : token.ptr, token.len);
    check->next = gateway->checks;
    if (check->next != NULL) check->next->prev = check;
    gateway->checks = check;
    if (waiting != NULL) waiting->check = check;
    begin(check);
    return KITH_OK;
}

static void renewed(struct session *session, struct waiting *waiting, enum kith_code code,
                    const struct account_identity *who)
{
    bool is_same = code == CODE_OK && kith_uuid_eq(who->user.id, session->user_id.id) &&
                   kith_uuid_eq(who->device.id, session->device.id);

    waiting->check = NULL;
    if (is_same) {
        check_set_end(session, who->expires_ms);
        session_schedule(session);
        session_receipt(session, waiting_receipt(waiting), NULL, NULL);
        waiting_end(waiting);
    } else if (code == CODE_UNAVAILABLE) { /* the old token is as good as it was */
        waiting_answer(waiting, &(struct chat_answer){.code = code});
    } else {
        session_fail(session, code == CODE_OK ? CODE_UNAUTHORIZED : code, NULL, waiting_receipt(waiting));
    }
}

static void checked(struct account_check *op)
{
    struct check *check = (struct check *)op;
    struct session *session = check->session;
    struct waiting *waiting = check->waiting;
    struct account_identity who = op->who;
    enum kith_code code = op->code;

    /* A device may have been signed out between the look-up and now, before anybody knew whose this session is. */
    if (session != NULL && code == CODE_OK && check->revocations != check->gateway->revocations) {
        begin(check);
        return;
    }
    check_free(check);
    if (session == NULL) return;
    if (waiting != NULL)
        renewed(session, waiting, code, &who);
    else
        session_connected(session, code, &who);
}

void check_set_end(struct session *session, uint64_t expires_ms)
{
    struct gateway *gateway = session->gateway;
    uint64_t now_ms = loop_wall_ms(gateway->config.loop);
    uint64_t left = expires_ms > now_ms ? (expires_ms - now_ms) / WHEEL_TICK_MS : 0;
    uint64_t tick = wheel_now(&gateway->wheel) + left;

    session->expires_tick = tick >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)tick;
}

void check_forget(struct session *session)
{
    for (struct check *check = session->gateway->checks; check != NULL; check = check->next)
        if (check->session == session) check->session = NULL;
}

void check_orphan(struct check *check)
{
    check->session = NULL;
}

size_t check_count(const struct gateway *gateway)
{
    size_t count = 0;

    for (const struct check *check = gateway->checks; check != NULL; check = check->next) count++;
    return count;
}

void check_free_all(struct gateway *gateway)
{
    while (gateway->checks != NULL) check_free(gateway->checks);
}
