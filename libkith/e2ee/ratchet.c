#include "libkith/e2ee/ratchet.h"

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/chain.h"
#include "libkith/e2ee/kept_keys.h"

/* ---------------------------------------------------------------------------------------------- root steps */
static kith_err root_step(struct e2e_session *next, const uint8_t their_pub[static E2E_DH_BYTES],
                          uint8_t chain[static E2E_KEY_BYTES])
{
    uint8_t shared[E2E_DH_BYTES];
    kith_err err = e2e_dh(next->our_secret, their_pub, shared);

    if (err == KITH_OK) e2e_root_next(next->root_key, shared, chain);
    e2e_wipe(shared, sizeof shared);
    return err;
}

kith_err e2e_ratchet_turn(const struct e2e_random *random, struct e2e_session *next)
{
    e2e_dh_keypair(random, next->our_secret, next->our_pub);
    E2E_CT_PUBLIC(next->our_pub, sizeof next->our_pub);
    next->pn = next->ns;
    next->ns = 0;
    return root_step(next, next->their_pub, next->send_chain);
}

void e2e_session_commit(struct e2e_session *session, struct e2e_session *next)
{
    if (session->kept.keys != next->kept.keys) e2e_kept_free(&session->kept);
    *session = *next;
    e2e_wipe(next, sizeof *next);
}

/* ---------------------------------------------------------------------------------------------- receiving */
enum way { WAY_KEPT, WAY_CHAIN, WAY_NEW_CHAIN };

/* How a message's key is come by, and what is kept on the way. */
struct path {
    enum way way;
    size_t kept_index;
    struct e2e_kept_run runs[2];
    size_t run_count;
    uint8_t old_chain[E2E_KEY_BYTES], new_chain[E2E_KEY_BYTES]; /* where the runs begin */
    uint8_t chain[E2E_KEY_BYTES], mk[E2E_KEY_BYTES];            /* behind the message, and its key */
};

static bool jumps_too_far(uint32_t from, uint32_t to)
{
    return to > from && to - from > E2E_SKIP_MAX;
}

/* Nothing is derived here: what is refused for its numbers alone costs nothing. */
static kith_err find_way(const struct e2e_session *session, const struct e2e_header *header, uint64_t now_ms,
                         struct path *path)
{
    const bool is_current = session->recv_chains > 0 &&
                            memcmp(session->their_pub, header->ratchet_pub, sizeof header->ratchet_pub) == 0;
    const enum e2e_kept_found found = e2e_kept_find(&session->kept, header->ratchet_pub, header->n, now_ms,
                                                    &path->kept_index);

    if (found == E2E_KEPT_HERE) {
        path->way = WAY_KEPT;
        return KITH_OK;
    }
    path->kept_index = E2E_KEPT_NONE;
    if (is_current) {
        path->way = WAY_CHAIN;
        if (header->n < session->nr) return KITH_E_CONFLICT;
        return jumps_too_far(session->nr, header->n) ? KITH_E_TOOBIG : KITH_OK;
    }
    if (found == E2E_KEPT_GONE) return KITH_E_CONFLICT;
    /* A begins with B's prekey as B's ratchet key; a message under it is none of B's. */
    if (session->recv_chains == 0 && memcmp(session->their_pub, header->ratchet_pub, sizeof header->ratchet_pub) == 0)
        return KITH_E_DENIED;
    path->way = WAY_NEW_CHAIN;
    if (session->recv_chains > 0 && jumps_too_far(session->nr, header->pn)) return KITH_E_TOOBIG;
    if (session->recv_chains == UINT32_MAX) return KITH_E_TOOBIG;
    return jumps_too_far(0, header->n) ? KITH_E_TOOBIG : KITH_OK;
}

static void add_run(struct path *path, const uint8_t *ratchet_pub, const uint8_t *chain_key, uint32_t chain,
                    uint32_t from, uint32_t to)
{
    if (to <= from) return;
    path->runs[path->run_count++] = (struct e2e_kept_run){
        .ratchet_pub = ratchet_pub, .chain_key = chain_key, .chain = chain, .from = from, .to = to};
}

/* Goes on in the chain that begins with path->new_chain, at number `from`, up to the message's. */
static void walk(struct path *path, const struct e2e_header *header, uint32_t chain, uint32_t from)
{
    add_run(path, header->ratchet_pub, path->new_chain, chain, from, header->n);
    memcpy(path->chain, path->new_chain, sizeof path->chain);
    e2e_chain_skip(path->chain, header->n - from);
    e2e_chain_next(path->chain, path->mk);
}

/* Derives the message's key. Of `next` the root key and the receiving side change. */
static kith_err take_way(struct e2e_session *next, const struct e2e_header *header, struct path *path)
{
    kith_err err;

    if (path->way == WAY_KEPT) {
        memcpy(path->mk, next->kept.keys[path->kept_index].mk, sizeof path->mk);
        return KITH_OK;
    }
    if (path->way == WAY_CHAIN) {
        memcpy(path->new_chain, next->recv_chain, sizeof path->new_chain);
        walk(path, header, next->recv_chains, next->nr);
    } else {
        memcpy(path->old_chain, next->recv_chain, sizeof path->old_chain);
        err = root_step(next, header->ratchet_pub, path->new_chain);
        if (err != KITH_OK) return err;
        if (next->recv_chains > 0)
            add_run(path, next->their_pub, path->old_chain, next->recv_chains, next->nr, header->pn);
        next->recv_chains++;
        walk(path, header, next->recv_chains, 0);
    }
    memcpy(next->recv_chain, path->chain, sizeof next->recv_chain);
    next->nr = header->n + 1;
    return KITH_OK;
}

/* The message was opened: the rest of the step. */
static kith_err finish(const struct e2e_random *random, struct e2e_session *next, const struct e2e_header *header,
                       const struct path *path, uint64_t now_ms)
{
    kith_err err = KITH_OK;

    if (path->way == WAY_NEW_CHAIN) {
        memcpy(next->their_pub, header->ratchet_pub, sizeof next->their_pub);
        err = e2e_ratchet_turn(random, next);
        next->unanswered = 0;
        next->stepped_at_ms = now_ms;
    }
    next->heard_at_ms = now_ms;
    if (header->need_step) next->needs_step = true;
    memset(next->setup, 0, sizeof next->setup); /* it was an answer */
    next->setup_bytes = 0;
    return err;
}

kith_err e2e_ratchet_receive(const struct e2e_random *random, struct e2e_session *next,
                             const struct e2e_message *message, uint64_t now_ms, struct kith_buf *out)
{
    const struct e2e_kept before = next->kept;
    const size_t out_len = kith_buf_len(out);
    struct e2e_message_keys keys;
    struct path path = {0};
    kith_err err = find_way(next, &message->header, now_ms, &path);

    if (err == KITH_OK) err = take_way(next, &message->header, &path);
    if (err != KITH_OK) goto done;
    e2e_message_keys(path.mk, E2E_LABEL_MK, kith_slice_of(next->transcript, sizeof next->transcript), &keys);
    err = e2e_message_check(message, &keys);
    if (err == KITH_OK)
        err = e2e_kept_after(&before, path.kept_index, next->recv_chains, now_ms, path.runs, path.run_count,
                             &next->kept);
    if (err == KITH_OK) err = e2e_message_open(message, &keys, next->transcript, out);
    if (err == KITH_OK) err = finish(random, next, &message->header, &path, now_ms);
    e2e_wipe(&keys, sizeof keys);
done:
    if (err != KITH_OK) {
        if (next->kept.keys != before.keys) e2e_kept_free(&next->kept);
        next->kept = before;
        if (kith_buf_len(out) > out_len) {
            e2e_wipe(out->ptr + out->head + out_len, kith_buf_len(out) - out_len);
            out->tail = out->head + out_len;
        }
    }
    e2e_wipe(&path, sizeof path);
    return err;
}

/* ---------------------------------------------------------------------------------------------- both directions */
kith_err e2e_session_decrypt(const struct e2e_random *random, struct e2e_session *session, struct kith_slice message,
                             uint64_t now_ms, struct kith_buf *out)
{
    struct e2e_session next;
    struct e2e_message parts = {0};
    struct e2e_setup setup;
    kith_err err = e2e_message_decode(message, &parts);

    if (err != KITH_OK) return err;
    if (parts.setup.ptr != NULL) {
        err = e2e_setup_decode(parts.setup, &setup);
        if (err != KITH_OK) return err;
        if (!e2e_session_is_of(session, &setup)) return KITH_E_DENIED;
    }
    next = *session;
    err = e2e_ratchet_receive(random, &next, &parts, now_ms, out);
    if (err == KITH_OK) e2e_session_commit(session, &next);
    e2e_wipe(&next, sizeof next);
    return err;
}

/* A first message under the prekey of last resort is as good as others only when it was answered. */
static bool is_on_last_resort(const struct e2e_session *session)
{
    struct e2e_setup setup;

    if (session->setup_bytes == 0) return false;
    return e2e_setup_decode(kith_slice_of(session->setup, session->setup_bytes), &setup) == KITH_OK &&
           setup.kem_is_last;
}

static bool wants_step(const struct e2e_session *session, uint64_t now_ms)
{
    return is_on_last_resort(session) || session->unanswered >= E2E_NEED_STEP_MESSAGES ||
           (now_ms > session->stepped_at_ms && now_ms - session->stepped_at_ms >= E2E_NEED_STEP_MS);
}

kith_err e2e_session_encrypt(const struct e2e_random *random, struct e2e_session *session, struct kith_slice plain,
                             uint64_t now_ms, struct kith_buf *out)
{
    const struct e2e_kept before = session->kept;
    struct e2e_session next = *session;
    struct e2e_message_keys keys;
    struct e2e_header header = {.pn = next.pn, .n = next.ns, .need_step = wants_step(session, now_ms)};
    uint8_t mk[E2E_KEY_BYTES];
    kith_err err;

    if (plain.len > E2E_MESSAGE_PLAIN_MAX || next.ns == UINT32_MAX || next.unanswered == UINT32_MAX) {
        err = KITH_E_TOOBIG;
        goto done;
    }
    memcpy(header.ratchet_pub, next.our_pub, sizeof header.ratchet_pub);
    err = e2e_kept_after(&before, E2E_KEPT_NONE, next.recv_chains, now_ms, NULL, 0, &next.kept);
    if (err != KITH_OK) goto done;
    e2e_chain_next(next.send_chain, mk);
    e2e_message_keys(mk, E2E_LABEL_MK, kith_slice_of(next.transcript, sizeof next.transcript), &keys);
    e2e_wipe(mk, sizeof mk);
    next.ns++;
    next.unanswered++;
    next.needs_step = false;
    err = e2e_message_seal(random, &keys, next.transcript, &header, kith_slice_of(next.setup, next.setup_bytes), plain,
                           out);
    e2e_wipe(&keys, sizeof keys);
    if (err == KITH_OK)
        e2e_session_commit(session, &next);
    else if (next.kept.keys != before.keys)
        e2e_kept_free(&next.kept);
done:
    e2e_wipe(&next, sizeof next);
    return err;
}
