#include "wire/cmd.h"

#include <assert.h>

/*
 * Layout: version u8, verb u8, flags u32, present u16, time u64, stream 16, actor 16, device 16, origin 28, id 16; then
 * each optional field whose bit is in `present`, in the order of the bits. Numbers big-endian; slices are u32 length and
 * bytes. A field that is empty is absent, so one command has one encoding.
 */
#define CMD_VERSION    1
#define CMD_HEAD_BYTES (1 + 1 + 4 + 2 + 8 + 16 + 16 + 16 + 28 + 16)

enum field {
    HAS_AFTER = 1 << 0,
    HAS_PARENT = 1 << 1,
    HAS_EXPIRES = 1 << 2,
    HAS_SEQ = 1 << 3,
    HAS_SUBJECT = 1 << 4,
    HAS_VALUE = 1 << 5,
    HAS_ROLE = 1 << 6,
    HAS_FACT = 1 << 7,
    HAS_NAME = 1 << 8,
    HAS_CONTENT_TYPE = 1 << 9,
    HAS_BODY = 1 << 10,
    HAS_MEMBERS = 1 << 11,
};

/* What each verb may carry. */
static const uint16_t fields_allowed[CMD_VERBS] = {
    [CMD_CHAT_CREATE] = HAS_NAME | HAS_MEMBERS | HAS_SEQ | HAS_BODY,
    [CMD_SEND] = HAS_AFTER | HAS_PARENT | HAS_EXPIRES | HAS_CONTENT_TYPE | HAS_BODY,
    [CMD_DELETE] = HAS_SEQ,
    [CMD_MEMBER_ADD] = HAS_SUBJECT | HAS_ROLE | HAS_VALUE | HAS_SEQ | HAS_BODY,
    [CMD_MEMBER_REMOVE] = HAS_SUBJECT | HAS_SEQ | HAS_BODY,
    [CMD_MEMBER_LEAVE] = HAS_SEQ | HAS_BODY,
    [CMD_MEMBER_ROLE] = HAS_SUBJECT | HAS_ROLE | HAS_SEQ | HAS_BODY,
    [CMD_CHAT_UPDATE] = HAS_NAME | HAS_VALUE | HAS_SEQ | HAS_BODY,
    [CMD_CURSOR] = HAS_SEQ,
    [CMD_READ] = HAS_SEQ,
    [CMD_ACCEPT] = 0,
    [CMD_FACT] = HAS_SUBJECT | HAS_FACT | HAS_VALUE,
    [CMD_MAIL_SEND] = HAS_CONTENT_TYPE | HAS_BODY,
    [CMD_MAIL_ACK] = HAS_SEQ,
    [CMD_MEMBER_ASK] = HAS_VALUE | HAS_BODY,
};

static uint16_t fields_present(const struct cmd *cmd)
{
    unsigned present = 0;

    if (!kith_uuid_is_nil(cmd->after.id)) present |= HAS_AFTER;
    if (!kith_uuid_is_nil(cmd->parent.id)) present |= HAS_PARENT;
    if (cmd->expires_ms != 0) present |= HAS_EXPIRES;
    if (cmd->seq != 0) present |= HAS_SEQ;
    if (!kith_uuid_is_nil(cmd->subject.id)) present |= HAS_SUBJECT;
    if (cmd->value != 0) present |= HAS_VALUE;
    if (cmd->role != 0) present |= HAS_ROLE;
    if (cmd->fact != 0) present |= HAS_FACT;
    if (cmd->name.len != 0) present |= HAS_NAME;
    if (cmd->content_type.len != 0) present |= HAS_CONTENT_TYPE;
    if (cmd->body.len != 0) present |= HAS_BODY;
    if (cmd->members.len != 0) present |= HAS_MEMBERS;
    return (uint16_t)present;
}

size_t cmd_size(const struct cmd *cmd)
{
    uint16_t present = fields_present(cmd);
    size_t bytes = CMD_HEAD_BYTES;

    if (present & HAS_AFTER) bytes += 16;
    if (present & HAS_PARENT) bytes += 16;
    if (present & HAS_EXPIRES) bytes += 8;
    if (present & HAS_SEQ) bytes += 8;
    if (present & HAS_SUBJECT) bytes += 16;
    if (present & HAS_VALUE) bytes += 8;
    if (present & HAS_ROLE) bytes += 1;
    if (present & HAS_FACT) bytes += 1;
    if (present & HAS_NAME) bytes += 4 + cmd->name.len;
    if (present & HAS_CONTENT_TYPE) bytes += 4 + cmd->content_type.len;
    if (present & HAS_BODY) bytes += 4 + cmd->body.len;
    if (present & HAS_MEMBERS) bytes += 4 + cmd->members.len;
    return bytes;
}

static void put(uint8_t **out, const void *bytes, size_t len)
{
    if (len > 0) memcpy(*out, bytes, len);
    *out += len;
}

static void put_u64(uint8_t **out, uint64_t v)
{
    kith_put_u64_be(*out, v);
    *out += 8;
}

static void put_u32(uint8_t **out, uint32_t v)
{
    kith_put_u32_be(*out, v);
    *out += 4;
}

static void put_slice(uint8_t **out, struct kith_slice bytes)
{
    put_u32(out, (uint32_t)bytes.len);
    put(out, bytes.ptr, bytes.len);
}

static void put_head(uint8_t **out, const struct cmd *cmd, uint16_t present)
{
    *(*out)++ = CMD_VERSION;
    *(*out)++ = (uint8_t)cmd->verb;
    put_u32(out, cmd->flags);
    kith_put_u16_be(*out, present);
    *out += 2;
    put_u64(out, cmd->time_ms);
    put(out, cmd->stream.raw, 16);
    put(out, cmd->actor.id.raw, 16);
    put(out, cmd->device.id.raw, 16);
    put_u64(out, cmd->origin.boot);
    put_u64(out, cmd->origin.session);
    put_u64(out, cmd->origin.request);
    put_u32(out, cmd->origin.loop);
    put(out, cmd->id.id.raw, 16);
}

void cmd_encode(const struct cmd *cmd, uint8_t *out)
{
    uint16_t present = fields_present(cmd);
    uint8_t *start = out;

    assert(cmd->verb > 0 && cmd->verb < CMD_VERBS);
    assert((present & ~fields_allowed[cmd->verb]) == 0);
    put_head(&out, cmd, present);
    if (present & HAS_AFTER) put(&out, cmd->after.id.raw, 16);
    if (present & HAS_PARENT) put(&out, cmd->parent.id.raw, 16);
    if (present & HAS_EXPIRES) put_u64(&out, cmd->expires_ms);
    if (present & HAS_SEQ) put_u64(&out, cmd->seq);
    if (present & HAS_SUBJECT) put(&out, cmd->subject.id.raw, 16);
    if (present & HAS_VALUE) put_u64(&out, cmd->value);
    if (present & HAS_ROLE) *out++ = cmd->role;
    if (present & HAS_FACT) *out++ = cmd->fact;
    if (present & HAS_NAME) put_slice(&out, cmd->name);
    if (present & HAS_CONTENT_TYPE) put_slice(&out, cmd->content_type);
    if (present & HAS_BODY) put_slice(&out, cmd->body);
    if (present & HAS_MEMBERS) put_slice(&out, cmd->members);
    assert((size_t)(out - start) == cmd_size(cmd));
}

/* A chain of eats that stops at the first error, so that a decoder reads as the layout does. */
struct eater {
    struct kith_slice in;
    kith_err err;
};

static void eat(struct eater *e, void *out, size_t len)
{
    if (e->err == KITH_OK) e->err = kith_eat_copy(&e->in, out, len);
}

static void eat_u64(struct eater *e, uint64_t *out)
{
    if (e->err == KITH_OK) e->err = kith_eat_u64_be(&e->in, out);
}

static void eat_u32(struct eater *e, uint32_t *out)
{
    if (e->err == KITH_OK) e->err = kith_eat_u32_be(&e->in, out);
}

static void eat_slice(struct eater *e, struct kith_slice *out)
{
    uint32_t len = 0;

    eat_u32(e, &len);
    if (e->err == KITH_OK) e->err = kith_eat_bytes(&e->in, len, out);
    /* An empty field must be absent. */
    if (e->err == KITH_OK && len == 0) e->err = KITH_E_MALFORMED;
}

static void eat_head(struct eater *e, struct cmd *cmd, uint16_t *present)
{
    uint8_t version = 0, verb = 0;

    eat(e, &version, 1);
    eat(e, &verb, 1);
    eat_u32(e, &cmd->flags);
    if (e->err == KITH_OK) e->err = kith_eat_u16_be(&e->in, present);
    eat_u64(e, &cmd->time_ms);
    eat(e, cmd->stream.raw, 16);
    eat(e, cmd->actor.id.raw, 16);
    eat(e, cmd->device.id.raw, 16);
    eat_u64(e, &cmd->origin.boot);
    eat_u64(e, &cmd->origin.session);
    eat_u64(e, &cmd->origin.request);
    eat_u32(e, &cmd->origin.loop);
    eat(e, cmd->id.id.raw, 16);
    if (e->err != KITH_OK) return;
    cmd->verb = (enum cmd_verb)verb;
    if (version != CMD_VERSION || verb == 0 || verb >= CMD_VERBS || (*present & ~fields_allowed[verb]) != 0)
        e->err = KITH_E_MALFORMED;
}

kith_err cmd_decode(struct kith_slice in, struct cmd *out)
{
    struct eater e = {.in = in, .err = KITH_OK};
    struct cmd cmd = {0};
    uint16_t present = 0;

    eat_head(&e, &cmd, &present);
    if (present & HAS_AFTER) eat(&e, cmd.after.id.raw, 16);
    if (present & HAS_PARENT) eat(&e, cmd.parent.id.raw, 16);
    if (present & HAS_EXPIRES) eat_u64(&e, &cmd.expires_ms);
    if (present & HAS_SEQ) eat_u64(&e, &cmd.seq);
    if (present & HAS_SUBJECT) eat(&e, cmd.subject.id.raw, 16);
    if (present & HAS_VALUE) eat_u64(&e, &cmd.value);
    if (present & HAS_ROLE) eat(&e, &cmd.role, 1);
    if (present & HAS_FACT) eat(&e, &cmd.fact, 1);
    if (present & HAS_NAME) eat_slice(&e, &cmd.name);
    if (present & HAS_CONTENT_TYPE) eat_slice(&e, &cmd.content_type);
    if (present & HAS_BODY) eat_slice(&e, &cmd.body);
    if (present & HAS_MEMBERS) eat_slice(&e, &cmd.members);
    if (e.err != KITH_OK) return e.err;
    if (e.in.len != 0 || fields_present(&cmd) != present) return KITH_E_MALFORMED;
    *out = cmd;
    return KITH_OK;
}

void cmd_member_encode(const struct cmd_member *member, uint8_t out[static CMD_MEMBER_BYTES])
{
    memcpy(out, member->user.id.raw, 16);
    kith_put_u64_be(out + 16, member->list_seq);
    out[24] = member->role;
    out[25] = member->accepted;
    out[26] = member->receipts;
}

kith_err cmd_member_next(struct kith_slice *members, struct cmd_member *out)
{
    struct eater e = {.in = *members, .err = KITH_OK};
    struct cmd_member member = {0};

    if (members->len == 0) return KITH_E_NOTFOUND;
    eat(&e, member.user.id.raw, 16);
    eat_u64(&e, &member.list_seq);
    eat(&e, &member.role, 1);
    eat(&e, &member.accepted, 1);
    eat(&e, &member.receipts, 1);
    if (e.err != KITH_OK) return e.err;
    *members = e.in;
    *out = member;
    return KITH_OK;
}

uint16_t cmd_shard(struct kith_uuid stream)
{
    /* FNV-1a: ids are random or keyed hashes already, so it need only be the same everywhere, for ever. */
    uint64_t h = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < sizeof stream.raw; i++) h = (h ^ stream.raw[i]) * 0x100000001b3ull;
    return (uint16_t)((h ^ h >> 32) % KITH_SHARDS);
}
