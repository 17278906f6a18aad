#include "libkith/e2ee/session_state.h"

#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/kept_keys.h"
#include "libkith/e2ee/message.h"

void e2e_session_free(struct e2e_session *session)
{
    if (session == NULL) return;
    e2e_kept_free(&session->kept);
    e2e_wipe(session, sizeof *session);
    free(session);
}

const uint8_t *e2e_session_transcript(const struct e2e_session *session)
{
    return session->transcript;
}

bool e2e_session_is_of(const struct e2e_session *session, const struct e2e_setup *setup)
{
    return memcmp(session->ek_pub, setup->ek_pub, sizeof session->ek_pub) == 0;
}

struct e2e_session_facts e2e_session_facts(const struct e2e_session *session)
{
    return (struct e2e_session_facts){
        .created_ms = session->created_at_ms,
        .heard_ms = session->heard_at_ms,
        .needs_step = session->needs_step,
        .is_answered = session->setup_bytes == 0,
        .is_unspoken = session->recv_chains == 1 && session->ns == 0 && session->pn == 0,
        .kept_keys = (uint32_t)session->kept.count,
    };
}

/* ---------------------------------------------------------------------------------------------- kept keys */
#define FIXED(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}
#define KEPT_BYTES       (5 * E2E_TLV_HEAD_BYTES + E2E_DH_BYTES + 4 + E2E_KEY_BYTES + 8 + 4)

static kith_err encode_key(const struct e2e_kept_key *key, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put(&writer, 1, kith_slice_of(key->ratchet_pub, sizeof key->ratchet_pub));
    e2e_tlv_put_u32(&writer, 2, key->n);
    e2e_tlv_put(&writer, 3, kith_slice_of(key->mk, sizeof key->mk));
    e2e_tlv_put_u64(&writer, 4, key->kept_at_ms);
    e2e_tlv_put_u32(&writer, 5, key->chain);
    return e2e_tlv_finish(&writer);
}

static kith_err decode_key(struct kith_slice in, struct e2e_kept_key *out)
{
    static const struct e2e_tlv_field fields[] = {FIXED(1, E2E_DH_BYTES), FIXED(2, 4), FIXED(3, E2E_KEY_BYTES),
                                                  FIXED(4, 8), FIXED(5, 4)};
    struct kith_slice values[5];
    kith_err err = e2e_tlv_decode(in, fields, 5, values);

    if (err != KITH_OK) return err;
    memcpy(out->ratchet_pub, values[0].ptr, sizeof out->ratchet_pub);
    out->n = e2e_tlv_u32(values[1]);
    memcpy(out->mk, values[2].ptr, sizeof out->mk);
    out->kept_at_ms = e2e_tlv_u64(values[3]);
    out->chain = e2e_tlv_u32(values[4]);
    return KITH_OK;
}

static const struct e2e_kept_form kept_form = {
    .key_bytes = KEPT_BYTES, .count_max = E2E_SKIP_MAX, .encode = encode_key, .decode = decode_key};

/* Ascending in (chain, n), one ratchet key to a chain, and none of a chain or number that has not come yet. */
static bool kept_is_possible(const struct e2e_session *session)
{
    for (size_t i = 0; i < session->kept.count; i++) {
        const struct e2e_kept_key *key = &session->kept.keys[i], *last = i == 0 ? NULL : key - 1;
        const bool is_current = key->chain == session->recv_chains;
        if (key->chain == 0 || key->chain > session->recv_chains) return false;
        if (session->recv_chains - key->chain >= E2E_SKIP_CHAINS) return false;
        if ((memcmp(key->ratchet_pub, session->their_pub, sizeof key->ratchet_pub) == 0) != is_current) return false;
        if (is_current && key->n >= session->nr) return false;
        if (last == NULL) continue;
        if (key->chain < last->chain || (key->chain == last->chain && key->n <= last->n)) return false;
        if ((memcmp(key->ratchet_pub, last->ratchet_pub, sizeof key->ratchet_pub) == 0) != (key->chain == last->chain))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------- the session */
enum {
    AT_TRANSCRIPT,
    AT_ROOT,
    AT_OUR_SECRET,
    AT_THEIR_PUB,
    AT_SEND_CHAIN,
    AT_RECV_CHAIN,
    AT_NS,
    AT_NR,
    AT_PN,
    AT_KEPT,
    AT_SETUP,
    AT_EK,
    AT_CREATED,
    AT_HEARD,
    AT_RECV_CHAINS,
    AT_UNANSWERED,
    AT_STEPPED,
    AT_NEEDS_STEP,
    STATE_FIELDS
};
static const struct e2e_tlv_field state_fields[STATE_FIELDS] = {
    FIXED(1, E2E_HASH_BYTES),
    FIXED(2, E2E_KEY_BYTES),
    FIXED(3, E2E_DH_BYTES),
    FIXED(4, E2E_DH_BYTES),
    FIXED(5, E2E_KEY_BYTES),
    {.tag = 6, .bytes_min = E2E_KEY_BYTES, .bytes_max = E2E_KEY_BYTES, .optional = true},
    FIXED(7, 4),
    FIXED(8, 4),
    FIXED(9, 4),
    {.tag = 10, .bytes_min = 1, .bytes_max = E2E_SESSION_BYTES_MAX, .optional = true},
    {.tag = 11, .bytes_min = 1, .bytes_max = E2E_SETUP_BYTES_MAX, .optional = true},
    FIXED(12, E2E_DH_BYTES),
    FIXED(13, 8),
    {.tag = 14, .bytes_min = 8, .bytes_max = 8, .optional = true},
    FIXED(15, 4),
    FIXED(16, 4),
    FIXED(17, 8),
    {.tag = 18, .bytes_min = 1, .bytes_max = 1, .optional = true},
};
/* Without the kept keys. */
#define STATE_BYTES_MAX (STATE_FIELDS * E2E_TLV_HEAD_BYTES + 9 * 32 + E2E_SETUP_BYTES_MAX + 64)

static void put_32(struct e2e_tlv_writer *writer, uint16_t tag, const uint8_t value[static 32])
{
    e2e_tlv_put(writer, tag, kith_slice_of(value, 32));
}

static kith_err put_all(const struct e2e_session *session, struct kith_slice kept, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    put_32(&writer, 1, session->transcript);
    put_32(&writer, 2, session->root_key);
    put_32(&writer, 3, session->our_secret);
    put_32(&writer, 4, session->their_pub);
    put_32(&writer, 5, session->send_chain);
    if (session->recv_chains > 0) put_32(&writer, 6, session->recv_chain);
    e2e_tlv_put_u32(&writer, 7, session->ns);
    e2e_tlv_put_u32(&writer, 8, session->nr);
    e2e_tlv_put_u32(&writer, 9, session->pn);
    e2e_tlv_put_optional(&writer, 10, kept);
    e2e_tlv_put_optional(&writer, 11, kith_slice_of(session->setup, session->setup_bytes));
    put_32(&writer, 12, session->ek_pub);
    e2e_tlv_put_u64(&writer, 13, session->created_at_ms);
    if (session->heard_at_ms != 0) e2e_tlv_put_u64(&writer, 14, session->heard_at_ms);
    e2e_tlv_put_u32(&writer, 15, session->recv_chains);
    e2e_tlv_put_u32(&writer, 16, session->unanswered);
    e2e_tlv_put_u64(&writer, 17, session->stepped_at_ms);
    if (session->needs_step) e2e_tlv_put_u8(&writer, 18, 1);
    return e2e_tlv_finish(&writer);
}

kith_err e2e_session_encode(const struct e2e_session *session, struct kith_buf *out)
{
    const size_t start = kith_buf_len(out);
    struct kith_buf kept;
    uint8_t *room = NULL;
    kith_err err;

    kith_buf_init(&kept, E2E_KEPT_BYTES_MAX(E2E_SKIP_MAX, KEPT_BYTES));
    err = e2e_kept_encode(&session->kept, &kept_form, &kept);
    if (err == KITH_OK && out->bytes_max - start >= STATE_BYTES_MAX + kith_buf_len(&kept))
        err = kith_buf_reserve(out, STATE_BYTES_MAX + kith_buf_len(&kept), &room);
    if (err == KITH_OK) err = put_all(session, kith_buf_peek(&kept), out);
    kith_buf_wipe(&kept);
    return err;
}

static void take_32(uint8_t out[static 32], struct kith_slice value)
{
    if (value.ptr != NULL) memcpy(out, value.ptr, 32);
}

static kith_err fill(const struct kith_slice values[static STATE_FIELDS], struct e2e_session *out)
{
    take_32(out->transcript, values[AT_TRANSCRIPT]);
    take_32(out->root_key, values[AT_ROOT]);
    take_32(out->our_secret, values[AT_OUR_SECRET]);
    take_32(out->their_pub, values[AT_THEIR_PUB]);
    take_32(out->send_chain, values[AT_SEND_CHAIN]);
    take_32(out->recv_chain, values[AT_RECV_CHAIN]);
    take_32(out->ek_pub, values[AT_EK]);
    out->ns = e2e_tlv_u32(values[AT_NS]);
    out->nr = e2e_tlv_u32(values[AT_NR]);
    out->pn = e2e_tlv_u32(values[AT_PN]);
    out->created_at_ms = e2e_tlv_u64(values[AT_CREATED]);
    if (values[AT_HEARD].ptr != NULL) out->heard_at_ms = e2e_tlv_u64(values[AT_HEARD]);
    out->recv_chains = e2e_tlv_u32(values[AT_RECV_CHAINS]);
    out->unanswered = e2e_tlv_u32(values[AT_UNANSWERED]);
    out->stepped_at_ms = e2e_tlv_u64(values[AT_STEPPED]);
    out->needs_step = values[AT_NEEDS_STEP].ptr != NULL;
    out->setup_bytes = values[AT_SETUP].len;
    if (out->setup_bytes > 0) memcpy(out->setup, values[AT_SETUP].ptr, out->setup_bytes);
    e2e_dh_keypair_from(out->our_secret, out->our_pub);
    E2E_CT_PUBLIC(out->our_pub, sizeof out->our_pub);
    return e2e_kept_decode(values[AT_KEPT], &kept_form, &out->kept);
}

/* Until the first answer there is a set-up and nothing received, after it the other way round. */
static kith_err check(const struct kith_slice values[static STATE_FIELDS], const struct e2e_session *session)
{
    const bool has_received = session->recv_chains > 0;
    struct e2e_setup setup;

    if (values[AT_HEARD].ptr != NULL && session->heard_at_ms == 0) return KITH_E_MALFORMED;
    if (values[AT_NEEDS_STEP].ptr != NULL && e2e_tlv_u8(values[AT_NEEDS_STEP]) != 1) return KITH_E_MALFORMED;
    if ((values[AT_RECV_CHAIN].ptr != NULL) != has_received) return KITH_E_MALFORMED;
    if ((values[AT_SETUP].ptr != NULL) == has_received) return KITH_E_MALFORMED;
    if (!has_received && (session->nr != 0 || session->heard_at_ms != 0 || session->needs_step))
        return KITH_E_MALFORMED;
    if (!kept_is_possible(session)) return KITH_E_MALFORMED;
    return has_received ? KITH_OK : e2e_setup_decode(values[AT_SETUP], &setup);
}

kith_err e2e_session_decode(struct kith_slice state, struct e2e_session **out)
{
    struct kith_slice values[STATE_FIELDS];
    struct e2e_session *session = NULL;
    kith_err err;

    *out = NULL;
    if (state.len > E2E_SESSION_BYTES_MAX) return KITH_E_MALFORMED;
    err = e2e_tlv_decode(state, state_fields, STATE_FIELDS, values);
    if (err != KITH_OK) return err;
    session = calloc(1, sizeof *session);
    if (session == NULL) return KITH_E_NOMEM;
    err = fill(values, session);
    if (err == KITH_OK) err = check(values, session);
    if (err == KITH_OK) {
        *out = session;
        session = NULL;
    }
    e2e_session_free(session);
    return err;
}
