#include "wire/row.h"

#include <assert.h>

/* Values are written whole into a reserved stretch, then read back by a chain of eats that stops at the first error. */
struct writer {
    uint8_t *at;
};

static void put(struct writer *w, const void *bytes, size_t len)
{
    if (len > 0) memcpy(w->at, bytes, len);
    w->at += len;
}

static void put_u8(struct writer *w, uint8_t v)
{
    *w->at++ = v;
}

static void put_u32(struct writer *w, uint32_t v)
{
    kith_put_u32_be(w->at, v);
    w->at += 4;
}

static void put_u64(struct writer *w, uint64_t v)
{
    kith_put_u64_be(w->at, v);
    w->at += 8;
}

struct reader {
    struct kith_slice in;
    kith_err err;
};

static void eat(struct reader *r, void *out, size_t len)
{
    if (r->err == KITH_OK) r->err = kith_eat_copy(&r->in, out, len);
}

static void eat_u32(struct reader *r, uint32_t *out)
{
    if (r->err == KITH_OK) r->err = kith_eat_u32_be(&r->in, out);
}

static void eat_u64(struct reader *r, uint64_t *out)
{
    if (r->err == KITH_OK) r->err = kith_eat_u64_be(&r->in, out);
}

static void eat_slice(struct reader *r, unsigned width, struct kith_slice *out)
{
    uint64_t len = 0;

    if (r->err == KITH_OK) r->err = kith_eat_uint(&r->in, width, &len);
    if (r->err == KITH_OK) r->err = kith_eat_bytes(&r->in, (size_t)len, out);
}

static kith_err finish(const struct reader *r)
{
    if (r->err == KITH_OK && r->in.len != 0) return KITH_E_MALFORMED;
    return r->err;
}

kith_err row_chat_encode(const struct row_chat *row, struct kith_buf *out)
{
    size_t len = 8 + 3 + 4 * 3 + 8 * 6 + 16 + 16 + 16 + 2 + row->name.len;
    struct writer w = {0};
    kith_err err = kith_buf_reserve(out, len, &w.at);

    if (err != KITH_OK) return err;
    put_u64(&w, 0);
    put_u8(&w, row->type);
    put_u8(&w, row->encrypted);
    put_u8(&w, row->history_open);
    put_u32(&w, row->epoch);
    put_u32(&w, row->members_max);
    put_u32(&w, row->member_count);
    put_u64(&w, row->last_seq);
    put_u64(&w, row->position);
    put_u64(&w, row->time_ms);
    put_u64(&w, row->created_ms);
    put_u64(&w, row->group_seq);
    put_u64(&w, row->join_tag);
    put(&w, row->create_hash, sizeof row->create_hash);
    put(&w, row->id_max.id.raw, 16);
    put(&w, row->creator.id.raw, 16);
    put_u8(&w, (uint8_t)(row->name.len >> 8));
    put_u8(&w, (uint8_t)row->name.len);
    put(&w, row->name.ptr, row->name.len);
    kith_buf_commit(out, len);
    return KITH_OK;
}

kith_err row_chat_decode(struct kith_slice in, struct row_chat *out)
{
    struct reader r = {.in = in, .err = KITH_OK};
    struct row_chat row = {0};
    uint64_t expires_ms = 0;

    eat_u64(&r, &expires_ms);
    eat(&r, &row.type, 1);
    eat(&r, &row.encrypted, 1);
    eat(&r, &row.history_open, 1);
    eat_u32(&r, &row.epoch);
    eat_u32(&r, &row.members_max);
    eat_u32(&r, &row.member_count);
    eat_u64(&r, &row.last_seq);
    eat_u64(&r, &row.position);
    eat_u64(&r, &row.time_ms);
    eat_u64(&r, &row.created_ms);
    eat_u64(&r, &row.group_seq);
    eat_u64(&r, &row.join_tag);
    eat(&r, row.create_hash, sizeof row.create_hash);
    eat(&r, row.id_max.id.raw, 16);
    eat(&r, row.creator.id.raw, 16);
    eat_slice(&r, 2, &row.name);
    if (finish(&r) != KITH_OK) return KITH_E_MALFORMED;
    if (row.type != CHAT_DIRECT && row.type != CHAT_GROUP) return KITH_E_MALFORMED;
    *out = row;
    return KITH_OK;
}

kith_err row_member_encode(const struct row_member *row, struct kith_buf *out)
{
    size_t len = 8 + 2 + 8 * 5 + 1 + row->interval_count * (size_t)16;
    struct writer w = {0};
    kith_err err = kith_buf_reserve(out, len, &w.at);

    assert(row->interval_count <= ROW_INTERVALS_MAX);
    if (err != KITH_OK) return err;
    put_u64(&w, 0);
    put_u8(&w, row->role);
    put_u8(&w, row->flags);
    put_u64(&w, row->list_seq);
    put_u64(&w, row->delivered_up_to);
    put_u64(&w, row->read_up_to);
    put_u64(&w, row->delivered_ms);
    put_u64(&w, row->read_ms);
    put_u8(&w, row->interval_count);
    for (unsigned i = 0; i < row->interval_count; i++) {
        put_u64(&w, row->intervals[i].from);
        put_u64(&w, row->intervals[i].to);
    }
    kith_buf_commit(out, len);
    return KITH_OK;
}

kith_err row_member_decode(struct kith_slice in, struct row_member *out)
{
    struct reader r = {.in = in, .err = KITH_OK};
    struct row_member row = {0};
    uint64_t expires_ms = 0;

    eat_u64(&r, &expires_ms);
    eat(&r, &row.role, 1);
    eat(&r, &row.flags, 1);
    eat_u64(&r, &row.list_seq);
    eat_u64(&r, &row.delivered_up_to);
    eat_u64(&r, &row.read_up_to);
    eat_u64(&r, &row.delivered_ms);
    eat_u64(&r, &row.read_ms);
    eat(&r, &row.interval_count, 1);
    if (r.err == KITH_OK && row.interval_count > ROW_INTERVALS_MAX) return KITH_E_MALFORMED;
    for (unsigned i = 0; i < row.interval_count && r.err == KITH_OK; i++) {
        eat_u64(&r, &row.intervals[i].from);
        eat_u64(&r, &row.intervals[i].to);
    }
    if (finish(&r) != KITH_OK) return KITH_E_MALFORMED;
    *out = row;
    return KITH_OK;
}

kith_err row_device_encode(const struct row_device *row, struct kith_buf *out)
{
    size_t len = 8 + 16 + 8 + 1;
    struct writer w = {0};
    kith_err err = kith_buf_reserve(out, len, &w.at);

    if (err != KITH_OK) return err;
    put_u64(&w, 0);
    put(&w, row->user.id.raw, 16);
    put_u64(&w, row->cursor);
    put_u8(&w, row->has_cursor);
    kith_buf_commit(out, len);
    return KITH_OK;
}

kith_err row_device_decode(struct kith_slice in, struct row_device *out)
{
    struct reader r = {.in = in, .err = KITH_OK};
    struct row_device row = {0};
    uint64_t expires_ms = 0;

    eat_u64(&r, &expires_ms);
    eat(&r, row.user.id.raw, 16);
    eat_u64(&r, &row.cursor);
    eat(&r, &row.has_cursor, 1);
    if (finish(&r) != KITH_OK) return KITH_E_MALFORMED;
    *out = row;
    return KITH_OK;
}

kith_err row_message_encode(const struct row_message *row, struct kith_buf *out)
{
    size_t len = ROW_MESSAGE_HEAD_BYTES + row->content_type.len + row->body.len;
    struct writer w = {0};
    kith_err err = kith_buf_reserve(out, len, &w.at);

    assert(row->content_type.len <= KITH_CONTENT_TYPE_BYTES_MAX);
    if (err != KITH_OK) return err;
    put_u64(&w, row->expires_ms);
    put_u8(&w, row->type);
    put_u8(&w, row->flags);
    put_u32(&w, row->epoch);
    put_u64(&w, row->position);
    put_u64(&w, row->created_ms);
    put(&w, row->sender.id.raw, 16);
    put(&w, row->device.id.raw, 16);
    put(&w, row->id.id.raw, 16);
    put(&w, row->parent.id.raw, 16);
    put_u8(&w, 0);
    put_u8(&w, (uint8_t)row->content_type.len);
    put(&w, row->content_type.ptr, row->content_type.len);
    put_u32(&w, (uint32_t)row->body.len);
    put(&w, row->body.ptr, row->body.len);
    kith_buf_commit(out, len);
    return KITH_OK;
}

kith_err row_message_decode(struct kith_slice in, struct row_message *out)
{
    struct reader r = {.in = in, .err = KITH_OK};
    struct row_message row = {0};

    eat_u64(&r, &row.expires_ms);
    eat(&r, &row.type, 1);
    eat(&r, &row.flags, 1);
    eat_u32(&r, &row.epoch);
    eat_u64(&r, &row.position);
    eat_u64(&r, &row.created_ms);
    eat(&r, row.sender.id.raw, 16);
    eat(&r, row.device.id.raw, 16);
    eat(&r, row.id.id.raw, 16);
    eat(&r, row.parent.id.raw, 16);
    eat_slice(&r, 2, &row.content_type);
    eat_slice(&r, 4, &row.body);
    if (finish(&r) != KITH_OK) return KITH_E_MALFORMED;
    if (row.type < MESSAGE_TEXT || row.type > MESSAGE_MAIL) return KITH_E_MALFORMED;
    *out = row;
    return KITH_OK;
}

kith_err row_group_op_encode(const struct row_group_op *row, struct kith_buf *out)
{
    size_t len = 8 + 8 + 4 + row->signed_op.len;
    struct writer w = {0};
    kith_err err = kith_buf_reserve(out, len, &w.at);

    if (err != KITH_OK) return err;
    put_u64(&w, 0);
    put_u64(&w, row->seq);
    put_u32(&w, (uint32_t)row->signed_op.len);
    put(&w, row->signed_op.ptr, row->signed_op.len);
    kith_buf_commit(out, len);
    return KITH_OK;
}

kith_err row_group_op_decode(struct kith_slice in, struct row_group_op *out)
{
    struct reader r = {.in = in, .err = KITH_OK};
    struct row_group_op row = {0};
    uint64_t expires_ms = 0;

    eat_u64(&r, &expires_ms);
    eat_u64(&r, &row.seq);
    eat_slice(&r, 4, &row.signed_op);
    if (finish(&r) != KITH_OK) return KITH_E_MALFORMED;
    *out = row;
    return KITH_OK;
}

kith_err row_idempotency_encode(const struct row_idempotency *row, struct kith_buf *out)
{
    size_t len = 8 * 3 + 4 + 16 + 16;
    struct writer w = {0};
    kith_err err = kith_buf_reserve(out, len, &w.at);

    if (err != KITH_OK) return err;
    put_u64(&w, row->expires_ms);
    put_u64(&w, row->seq);
    put_u64(&w, row->created_ms);
    put_u32(&w, row->epoch);
    put(&w, row->device.id.raw, 16);
    put(&w, row->content_hash, 16);
    kith_buf_commit(out, len);
    return KITH_OK;
}

kith_err row_idempotency_decode(struct kith_slice in, struct row_idempotency *out)
{
    struct reader r = {.in = in, .err = KITH_OK};
    struct row_idempotency row = {0};

    eat_u64(&r, &row.expires_ms);
    eat_u64(&r, &row.seq);
    eat_u64(&r, &row.created_ms);
    eat_u32(&r, &row.epoch);
    eat(&r, row.device.id.raw, 16);
    eat(&r, row.content_hash, 16);
    if (finish(&r) != KITH_OK) return KITH_E_MALFORMED;
    *out = row;
    return KITH_OK;
}

kith_err row_inbox_encode(const struct row_inbox *row, struct kith_buf *out)
{
    struct writer w = {0};
    kith_err err = kith_buf_reserve(out, 24, &w.at);

    if (err != KITH_OK) return err;
    put_u64(&w, 0);
    put_u64(&w, row->first_seq);
    put_u64(&w, row->left_seq);
    kith_buf_commit(out, 24);
    return KITH_OK;
}

kith_err row_inbox_decode(struct kith_slice in, struct row_inbox *out)
{
    struct reader r = {.in = in, .err = KITH_OK};
    struct row_inbox row = {0};
    uint64_t expires_ms = 0;

    eat_u64(&r, &expires_ms);
    eat_u64(&r, &row.first_seq);
    eat_u64(&r, &row.left_seq);
    if (finish(&r) != KITH_OK) return KITH_E_MALFORMED;
    *out = row;
    return KITH_OK;
}

const char *row_message_type_name(uint8_t type)
{
    switch (type) {
    case MESSAGE_TEXT: return "message";
    case MESSAGE_CREATED: return "created";
    case MESSAGE_MEMBER: return "member";
    case MESSAGE_DELETED: return "deleted";
    case MESSAGE_CHAT: return "chat";
    case MESSAGE_MAIL: return "mail";
    default: return "unknown";
    }
}

static const char *const role_names[] = {[ROLE_MEMBER] = "member", [ROLE_ADMIN] = "admin", [ROLE_OWNER] = "owner"};

const char *row_role_name(uint8_t role)
{
    return role >= ROLE_MEMBER && role <= ROLE_OWNER ? role_names[role] : NULL;
}

kith_err row_role_parse(struct kith_slice name, uint8_t *out)
{
    for (uint8_t role = ROLE_MEMBER; role <= ROLE_OWNER; role++) {
        if (!kith_slice_is(name, role_names[role])) continue;
        *out = role;
        return KITH_OK;
    }
    return KITH_E_NOTFOUND;
}

bool row_member_sees(const struct row_member *member, bool history_open, uint64_t seq)
{
    if (member->interval_count == 0) return false;
    if (history_open && seq < member->intervals[0].from) return true;
    for (unsigned i = 0; i < member->interval_count; i++) {
        const struct row_interval *interval = &member->intervals[i];
        if (seq >= interval->from && (interval->to == 0 || seq <= interval->to)) return true;
    }
    return false;
}

uint64_t row_member_last_visible(const struct row_member *member)
{
    const struct row_interval *last;

    if (member->interval_count == 0) return 0;
    last = &member->intervals[member->interval_count - 1];
    return last->to == 0 ? UINT64_MAX : last->to;
}

uint64_t row_member_first_visible(const struct row_member *member, bool history_open)
{
    if (history_open) return 1;
    return member->interval_count == 0 ? UINT64_MAX : member->intervals[0].from;
}

bool row_message_body_of(const struct row_message *message, struct device_id device, struct device_id *of)
{
    struct kith_slice devices = message->body;
    struct kith_uuid one;
    bool has_common = false;

    while (kith_eat_copy(&devices, one.raw, sizeof one.raw) == KITH_OK) {
        has_common |= kith_uuid_is_nil(one);
        *of = (struct device_id){one};
        if (kith_uuid_eq(one, device.id)) return true;
    }
    *of = (struct device_id){0};
    return has_common && !kith_uuid_eq(device.id, message->device.id);
}
