#include <assert.h>

#include "libkith/e2ee/group_parts.h"
#include "libkith/e2ee/join.h"

#define FIXED(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}
#define MAYBE(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len), .optional = true}

/* ---------------------------------------------------------------------------------------------- kinds and their fields */
enum { SUBJECT = 1, ROLE = 2, FOUNDERS = 4, SUITE = 8, INFO = 16, SETTINGS = 32, JOIN_KEY = 64, REQUEST = 128 };
static const struct {
    unsigned needs, may; /* `may`: besides */
} kinds[] = {
    [E2E_GROUP_CREATE] = {FOUNDERS | SUITE, INFO | SETTINGS},
    [E2E_GROUP_ADD] = {SUBJECT | ROLE, REQUEST},
    [E2E_GROUP_REMOVE] = {SUBJECT, 0},
    [E2E_GROUP_LEAVE] = {0, 0},
    [E2E_GROUP_ROLE] = {SUBJECT | ROLE, 0},
    [E2E_GROUP_INFO] = {0, INFO},
    [E2E_GROUP_SETTINGS] = {SETTINGS, 0},
    [E2E_GROUP_JOIN_KEY] = {0, JOIN_KEY},
};

static bool is_role(uint8_t role)
{
    return role >= E2E_ROLE_MEMBER && role <= E2E_ROLE_OWNER;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0) return false;
    return true;
}

/* The fields that have something to say. */
static unsigned fields_of(const struct e2e_group_op *op)
{
    return (is_zero(op->subject, sizeof op->subject) ? 0 : SUBJECT) | (op->role == 0 ? 0 : ROLE) |
           (op->founders.len == 0 ? 0 : FOUNDERS) | (op->suite == 0 ? 0 : SUITE) | (op->info.len == 0 ? 0 : INFO) |
           (op->settings == 0 ? 0 : SETTINGS) | (is_zero(op->join_key, sizeof op->join_key) ? 0 : JOIN_KEY) |
           (op->request.len == 0 ? 0 : REQUEST);
}

/* Ascending; the author is in it as the owner, all others are members. */
static kith_err check_founders(const struct e2e_group_op *op)
{
    const struct kith_slice all = op->founders;
    bool has_author = false;

    if (all.len == 0 || all.len > E2E_GROUP_FOUNDERS_MAX * E2E_FOUNDER_BYTES) return KITH_E_MALFORMED;
    if (all.len % E2E_FOUNDER_BYTES != 0) return KITH_E_MALFORMED;
    for (const uint8_t *at = all.ptr; at < all.ptr + all.len; at += E2E_FOUNDER_BYTES) {
        const bool is_author = memcmp(at, op->author, E2E_ACCOUNT_ID_BYTES) == 0;
        if (at > all.ptr && memcmp(at - E2E_FOUNDER_BYTES, at, E2E_ACCOUNT_ID_BYTES) >= 0) return KITH_E_MALFORMED;
        if (at[E2E_ACCOUNT_ID_BYTES] != (is_author ? E2E_ROLE_OWNER : E2E_ROLE_MEMBER)) return KITH_E_MALFORMED;
        has_author = has_author || is_author;
    }
    return has_author ? KITH_OK : KITH_E_MALFORMED;
}

/* By whom it brings in, as a member; whether its proof holds, and for which key, is the group's to say. */
static kith_err check_request(const struct e2e_group_op *op)
{
    struct e2e_join_request request;

    /* Of a newer form, too: only a kind or a suite makes an operation a newer client's. */
    if (e2e_join_decode(op->request, &request) != KITH_OK) return KITH_E_MALFORMED;
    if (memcmp(request.account_id, op->subject, sizeof op->subject) != 0) return KITH_E_MALFORMED;
    return op->role == E2E_ROLE_MEMBER ? KITH_OK : KITH_E_MALFORMED;
}

kith_err e2e_group_op_check(const struct e2e_group_op *op)
{
    unsigned allowed;

    /* First what a newer client may have written: of its rules nothing is known. */
    if (op->kind > E2E_GROUP_JOIN_KEY) return KITH_E_UNSUPPORTED;
    if (op->kind < E2E_GROUP_CREATE) return KITH_E_MALFORMED;
    if (op->kind == E2E_GROUP_CREATE && op->suite != E2E_GROUP_SUITE) return KITH_E_UNSUPPORTED;
    if (op->author_device == 0 || op->list_seq == 0) return KITH_E_MALFORMED; /* no device, no list is of that number */
    if (op->seq == 0 || (op->seq == 1) != (op->kind == E2E_GROUP_CREATE)) return KITH_E_MALFORMED;
    allowed = kinds[op->kind].needs | kinds[op->kind].may;
    if ((fields_of(op) & ~allowed) != 0) return KITH_E_MALFORMED;
    if ((allowed & ROLE) != 0 && !is_role(op->role)) return KITH_E_MALFORMED;
    if ((op->settings & ~E2E_GROUP_HISTORY_OPEN) != 0) return KITH_E_MALFORMED;
    if (op->info.len > E2E_GROUP_INFO_BYTES_MAX) return KITH_E_MALFORMED;
    if (op->info.len > 0 && op->info.len < E2E_GROUP_INFO_BYTES_MIN) return KITH_E_MALFORMED;
    if (op->request.len > 0) return check_request(op);
    return op->kind == E2E_GROUP_CREATE ? check_founders(op) : KITH_OK;
}

/* ---------------------------------------------------------------------------------------------- reading */
enum {
    AT_GROUP,
    AT_SEQ,
    AT_PREV,
    AT_KIND,
    AT_AUTHOR,
    AT_DEVICE,
    AT_LIST_SEQ,
    AT_LIST_HASH,
    AT_MADE,
    AT_STATE,
    AT_SUBJECT,
    AT_ROLE,
    AT_FOUNDERS,
    AT_SUITE,
    AT_INFO,
    AT_SETTINGS,
    AT_JOIN_KEY,
    AT_REQUEST,
    FIELDS
};
static const struct e2e_tlv_field fields[FIELDS] = {
    FIXED(1, E2E_GROUP_ID_BYTES),
    FIXED(2, 8),
    MAYBE(3, E2E_HASH_BYTES),
    FIXED(4, 1),
    FIXED(5, E2E_ACCOUNT_ID_BYTES),
    FIXED(6, 4),
    FIXED(7, 8),
    FIXED(8, E2E_HASH_BYTES),
    FIXED(9, 8),
    FIXED(10, E2E_HASH_BYTES),
    MAYBE(11, E2E_ACCOUNT_ID_BYTES),
    MAYBE(12, 1),
    {.tag = 13,
     .bytes_min = E2E_FOUNDER_BYTES,
     .bytes_max = E2E_GROUP_FOUNDERS_MAX * E2E_FOUNDER_BYTES,
     .optional = true},
    MAYBE(14, 1),
    {.tag = 15, .bytes_min = E2E_GROUP_INFO_BYTES_MIN, .bytes_max = E2E_GROUP_INFO_BYTES_MAX, .optional = true},
    MAYBE(16, 1),
    MAYBE(17, E2E_SIGN_PUBLIC_BYTES),
    {.tag = 18, .bytes_min = 1, .bytes_max = E2E_JOIN_SIGNED_BYTES_MAX, .optional = true},
};

static void take(uint8_t *out, size_t len, struct kith_slice value)
{
    if (value.ptr != NULL) memcpy(out, value.ptr, len);
}

static uint8_t number(struct kith_slice value)
{
    return value.ptr == NULL ? 0 : e2e_tlv_u8(value);
}

static void fill(const struct kith_slice *values, struct e2e_group_op *out)
{
    *out = (struct e2e_group_op){
        .seq = e2e_tlv_u64(values[AT_SEQ]),
        .kind = (enum e2e_group_kind)e2e_tlv_u8(values[AT_KIND]),
        .author_device = e2e_tlv_u32(values[AT_DEVICE]),
        .list_seq = e2e_tlv_u64(values[AT_LIST_SEQ]),
        .made_at_ms = e2e_tlv_u64(values[AT_MADE]),
        .role = number(values[AT_ROLE]),
        .suite = number(values[AT_SUITE]),
        .settings = number(values[AT_SETTINGS]),
        .founders = values[AT_FOUNDERS],
        .info = values[AT_INFO],
        .request = values[AT_REQUEST],
    };
    take(out->group_id, sizeof out->group_id, values[AT_GROUP]);
    take(out->prev_hash, sizeof out->prev_hash, values[AT_PREV]);
    take(out->author, sizeof out->author, values[AT_AUTHOR]);
    take(out->list_hash, sizeof out->list_hash, values[AT_LIST_HASH]);
    take(out->state_hash, sizeof out->state_hash, values[AT_STATE]);
    take(out->subject, sizeof out->subject, values[AT_SUBJECT]);
    take(out->join_key, sizeof out->join_key, values[AT_JOIN_KEY]);
}

/* What is there and should not be, or the other way round: the values alone do not tell. */
static kith_err check_presence(const struct kith_slice *values, const struct e2e_group_op *op)
{
    static const unsigned bits[] = {SUBJECT, ROLE,     FOUNDERS, SUITE,
                                    INFO,    SETTINGS, JOIN_KEY, REQUEST}; /* from AT_SUBJECT on */
    unsigned has = 0;

    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (values[AT_SUBJECT + i].ptr != NULL) has |= bits[i];
    if ((has & kinds[op->kind].needs) != kinds[op->kind].needs) return KITH_E_MALFORMED;
    if ((has & ~(kinds[op->kind].needs | kinds[op->kind].may)) != 0) return KITH_E_MALFORMED;
    if ((values[AT_PREV].ptr == NULL) != (op->seq == 1)) return KITH_E_MALFORMED;
    /* What may be missing is missing when it has nothing to say. */
    if ((kinds[op->kind].may & has & ~fields_of(op)) != 0) return KITH_E_MALFORMED;
    return KITH_OK;
}

static kith_err op_decode(struct kith_slice in, struct e2e_group_op *out)
{
    struct kith_slice values[FIELDS];
    struct e2e_group_op op;
    kith_err err = e2e_tlv_decode(in, fields, FIELDS, values);

    if (err != KITH_OK) return err;
    fill(values, &op);
    /* A missing suite is none that a newer client has. */
    if (op.kind == E2E_GROUP_CREATE && values[AT_SUITE].ptr == NULL) return KITH_E_MALFORMED;
    err = e2e_group_op_check(&op);
    if (err == KITH_OK) err = check_presence(values, &op);
    if (err != KITH_OK) return err;
    e2e_sha256(&in, 1, op.hash);
    *out = op;
    return KITH_OK;
}

static kith_err split(struct kith_slice in, struct kith_slice parts[static 2])
{
    static const struct e2e_tlv_field signed_fields[] = {
        {.tag = 1, .bytes_min = 1, .bytes_max = E2E_GROUP_OP_BYTES_MAX},
        FIXED(2, E2E_SIGNATURE_BYTES),
    };
    kith_err err;

    if (in.len > E2E_GROUP_SIGNED_BYTES_MAX) return KITH_E_TOOBIG;
    err = e2e_tlv_decode(in, signed_fields, 2, parts);
    /* Nobody would have signed what stands behind it. */
    return err == KITH_OK && parts[1].ptr + parts[1].len != in.ptr + in.len ? KITH_E_MALFORMED : err;
}

kith_err e2e_group_op_decode(struct kith_slice in, struct e2e_group_op *out)
{
    struct kith_slice parts[2];
    kith_err err = split(in, parts);

    if (err == KITH_OK) err = op_decode(parts[0], out);
    if (err != KITH_OK) return err;
    out->bytes = parts[0];
    out->signature = parts[1];
    return KITH_OK;
}

/* The fields that every operation has; all others may be a newer client's. */
static kith_err skim(struct kith_slice in, struct kith_slice values[static FIELDS])
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct kith_slice value;
    uint16_t tag;
    kith_err err;

    while ((err = e2e_tlv_next(&reader, &tag, &value)) == KITH_OK)
        for (size_t i = 0; i < AT_SUBJECT; i++)
            if (fields[i].tag == tag) values[i] = value;
    if (err != KITH_E_NOTFOUND) return err;
    for (size_t i = 0; i < AT_SUBJECT; i++) {
        if (values[i].ptr == NULL && fields[i].optional) continue;
        if (values[i].ptr == NULL || values[i].len != fields[i].bytes_min) return KITH_E_MALFORMED;
    }
    return KITH_OK;
}

kith_err e2e_group_op_skim(struct kith_slice in, struct e2e_group_op *out)
{
    struct kith_slice values[FIELDS] = {0}, parts[2];
    kith_err err = split(in, parts);

    if (err == KITH_OK) err = skim(parts[0], values);
    if (err != KITH_OK) return err;
    if ((values[AT_PREV].ptr == NULL) != (e2e_tlv_u64(values[AT_SEQ]) == 1)) return KITH_E_MALFORMED;
    fill(values, out);
    e2e_sha256(parts, 1, out->hash);
    out->bytes = parts[0];
    out->signature = parts[1];
    return KITH_OK;
}

kith_err e2e_group_op_verify(const struct e2e_group_op *op, const uint8_t dsk_pub[static E2E_SIGN_PUBLIC_BYTES])
{
    assert(op->signature.len == E2E_SIGNATURE_BYTES);
    return e2e_verify(dsk_pub, E2E_LABEL_GOP, op->bytes, op->signature.ptr);
}

/* ---------------------------------------------------------------------------------------------- writing */
static void put(struct e2e_tlv_writer *writer, uint16_t tag, const uint8_t *bytes, size_t len)
{
    e2e_tlv_put(writer, tag, kith_slice_of(bytes, len));
}

static void put_of_kind(struct e2e_tlv_writer *writer, const struct e2e_group_op *op)
{
    const unsigned needs = kinds[op->kind].needs;

    if ((needs & SUBJECT) != 0) put(writer, 11, op->subject, sizeof op->subject);
    if ((needs & ROLE) != 0) e2e_tlv_put_u8(writer, 12, op->role);
    if ((needs & FOUNDERS) != 0) e2e_tlv_put(writer, 13, op->founders);
    if ((needs & SUITE) != 0) e2e_tlv_put_u8(writer, 14, op->suite);
    e2e_tlv_put_optional(writer, 15, op->info);
    if ((needs & SETTINGS) != 0 || op->settings != 0) e2e_tlv_put_u8(writer, 16, op->settings);
    if (!is_zero(op->join_key, sizeof op->join_key)) put(writer, 17, op->join_key, sizeof op->join_key);
    e2e_tlv_put_optional(writer, 18, op->request);
}

static kith_err op_encode(const struct e2e_group_op *op, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    put(&writer, 1, op->group_id, sizeof op->group_id);
    e2e_tlv_put_u64(&writer, 2, op->seq);
    if (op->seq != 1) put(&writer, 3, op->prev_hash, sizeof op->prev_hash);
    e2e_tlv_put_u8(&writer, 4, (uint8_t)op->kind);
    put(&writer, 5, op->author, sizeof op->author);
    e2e_tlv_put_u32(&writer, 6, op->author_device);
    e2e_tlv_put_u64(&writer, 7, op->list_seq);
    put(&writer, 8, op->list_hash, sizeof op->list_hash);
    e2e_tlv_put_u64(&writer, 9, op->made_at_ms);
    put(&writer, 10, op->state_hash, sizeof op->state_hash);
    put_of_kind(&writer, op);
    return e2e_tlv_finish(&writer);
}

kith_err e2e_group_op_sign(struct e2e_group_op *op, const uint8_t dsk_secret[static E2E_SIGN_SECRET_BYTES],
                           struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct kith_slice bytes;
    struct kith_buf buf;
    kith_err err;

    kith_buf_init(&buf, E2E_GROUP_OP_BYTES_MAX);
    err = op_encode(op, &buf);
    bytes = kith_buf_peek(&buf);
    if (err == KITH_OK) err = e2e_sign(dsk_secret, E2E_LABEL_GOP, bytes, signature);
    if (err != KITH_OK) goto done;
    e2e_tlv_put(&writer, 1, bytes);
    put(&writer, 2, signature, sizeof signature);
    err = e2e_tlv_finish(&writer);
    if (err == KITH_OK) e2e_sha256(&bytes, 1, op->hash);
done:
    kith_buf_deinit(&buf);
    return err;
}
