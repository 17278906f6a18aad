#ifndef TESTS_UNIT_CHAT_FIXTURE_H
#define TESTS_UNIT_CHAT_FIXTURE_H

/*
 * One chat core over a table of rows. Every applied command is checked for what must always hold: the rows it gave,
 * loaded afresh, make the very state that is in memory; applied a second time at the same position it changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/ordered.h"
#include "chat/chat.h"
#include "wire/bodies.h"

#define T0 1767225600000ull /* 2026-01-01T00:00:00Z */

struct fixture {
    struct kith_ordered rows;
    struct chat *chat;
    struct chat_rules rules;
    struct kith_buf batch;
    struct chat_effects fx;
    uint64_t position, time_ms, ids;
};

static inline struct kith_uuid uuid_n(uint8_t kind, uint32_t n)
{
    struct kith_uuid id = {{kind}};

    kith_put_u32_be(id.raw + 12, n);
    return id;
}
#define USER(n)   ((struct user_id){uuid_n(0x10, n)})
#define DEVICE(n) ((struct device_id){uuid_n(0x20, n)})
#define CHAT      ((struct chat_id){uuid_n(0x30, 1)})

/* Ids grow with the call, at the fixture's time. */
static inline struct msg_id msg_id_at(struct fixture *f, uint64_t ms)
{
    uint8_t coins[10] = {0};

    kith_put_u64_be(coins + 2, ++f->ids);
    return (struct msg_id){kith_uuid_v7_make(ms, coins)};
}

struct row_copy {
    size_t len;
    uint8_t bytes[];
};

static inline void fixture_open(struct fixture *f)
{
    *f = (struct fixture){.rules = chat_rules_default, .time_ms = T0};
    kith_ordered_init(&f->rows, 1);
    kith_buf_init(&f->batch, 64u << 20);
    f->chat = chat_new(CHAT);
    assert_non_null(f->chat);
}

static inline void fixture_close(struct fixture *f)
{
    chat_free(f->chat);
    kith_buf_deinit(&f->batch);
    kith_ordered_deinit(&f->rows, free);
}

static inline void rows_take(struct fixture *f)
{
    struct kith_slice in = kith_buf_peek(&f->batch), key = {0}, value = {0};

    while (in.len > 0) {
        struct kith_ordered_node *node = NULL;
        uint8_t kind = 0;
        uint16_t key_len = 0;
        uint32_t value_len = 0;
        assert_int_equal(kith_eat_u8(&in, &kind), KITH_OK);
        assert_int_equal(kith_eat_u16_be(&in, &key_len), KITH_OK);
        assert_int_equal(kith_eat_u32_be(&in, &value_len), KITH_OK);
        assert_int_equal(kith_eat_bytes(&in, key_len, &key), KITH_OK);
        assert_int_equal(kith_eat_bytes(&in, value_len, &value), KITH_OK);
        if (kind == 2) {
            node = kith_ordered_find(&f->rows, key);
            if (node != NULL) free(kith_ordered_remove(&f->rows, node));
            continue;
        }
        struct row_copy *copy = malloc(sizeof *copy + value.len);
        assert_non_null(copy);
        copy->len = value.len;
        if (value.len > 0) memcpy(copy->bytes, value.ptr, value.len);
        if (kith_ordered_add(&f->rows, key, &node) == KITH_E_CONFLICT) free(node->value);
        node->value = copy;
    }
    kith_buf_reset(&f->batch);
}

static inline bool row_find(struct fixture *f, struct kith_slice key, struct kith_slice *value)
{
    struct kith_ordered_node *node = kith_ordered_find(&f->rows, key);

    if (node == NULL) return false;
    struct row_copy *copy = node->value;
    *value = kith_slice_of(copy->bytes, copy->len);
    return true;
}

static inline struct chat *chat_reload(struct fixture *f)
{
    struct chat *chat = chat_new(f->chat->id);
    struct kith_ordered_node *node;
    struct row_key key = row_key_chat(f->chat->id);
    struct kith_slice value = {0};

    assert_non_null(chat);
    if (row_find(f, row_key_slice(&key), &value)) assert_int_equal(chat_load_head(chat, value), KITH_OK);
    for (node = kith_ordered_seek(&f->rows, (struct kith_slice){0}); node != NULL; node = kith_ordered_next(node)) {
        struct row_copy *copy = node->value;
        value = kith_slice_of(copy->bytes, copy->len);
        if (node->key[0] == 'P') assert_int_equal(chat_load_member(chat, kith_ordered_key(node), value), KITH_OK);
        if (node->key[0] == 'D') assert_int_equal(chat_load_device(chat, kith_ordered_key(node), value), KITH_OK);
    }
    chat_load_done(chat);
    return chat;
}

static inline void chats_equal(const struct chat *a, const struct chat *b)
{
    assert_int_equal(a->exists, b->exists);
    assert_int_equal(a->member_count, b->member_count);
    assert_int_equal(a->head.last_seq, b->head.last_seq);
    assert_int_equal(a->head.member_count, b->head.member_count);
    assert_int_equal(a->head.time_ms, b->head.time_ms);
    assert_int_equal(a->head.group_seq, b->head.group_seq);
    assert_int_equal(a->head.join_tag, b->head.join_tag);
    assert_true(kith_slice_eq(a->head.name, b->head.name));
    for (size_t i = 0; i < a->member_count; i++) {
        assert_memory_equal(&a->members[i].user, &b->members[i].user, sizeof a->members[i].user);
        assert_true(kith_uuid_cmp(b->members[i].id_max.id, a->members[i].id_max.id) >=
                    0); /* looks up more, never less */
        assert_int_equal(a->members[i].row.role, b->members[i].row.role);
        assert_int_equal(a->members[i].row.flags, b->members[i].row.flags);
        assert_int_equal(a->members[i].row.delivered_up_to, b->members[i].row.delivered_up_to);
        assert_int_equal(a->members[i].row.read_up_to, b->members[i].row.read_up_to);
        assert_int_equal(a->members[i].row.interval_count, b->members[i].row.interval_count);
    }
    for (size_t i = 0; i < a->device_count; i++) {
        const struct chat_device *again = chat_device_find(b, a->devices[i].device);

        if (!a->devices[i].row.has_cursor) continue; /* only wrote: known in memory alone */
        assert_non_null(again);
        assert_int_equal(a->devices[i].row.cursor, again->row.cursor);
    }
}

static inline void apply_at(struct fixture *f, struct chat *chat, const struct cmd *cmd, uint64_t position)
{
    struct chat_lookup lookups[CHAT_LOOKUPS];

    chat_lookups(chat, cmd, lookups);
    for (unsigned i = 0; i < CHAT_LOOKUPS; i++)
        if (lookups[i].key.len > 0) lookups[i].found = row_find(f, row_key_slice(&lookups[i].key), &lookups[i].value);
    f->fx.rows = &f->batch;
    chat_apply(chat, cmd, position, &f->rules, lookups, &f->fx);
    assert_int_equal(f->fx.err, KITH_OK);
}

/* Applies, checks what always holds, and gives the answer. */
static inline struct chat_answer apply(struct fixture *f, struct cmd *cmd)
{
    struct chat_effects first;
    struct chat *again;
    struct kith_buf seen;

    cmd->stream = f->chat->id.id;
    cmd->time_ms = f->time_ms;
    apply_at(f, f->chat, cmd, ++f->position);
    first = f->fx;
    kith_buf_init(&seen, 64u << 20);
    assert_int_equal(kith_buf_append(&seen, kith_buf_peek(&f->batch)), KITH_OK);
    rows_take(f);
    again = chat_reload(f);
    chats_equal(f->chat, again);
    /* A replay of what is stored already gives no new rows that differ, no number, no event (D-1 of a crash). */
    apply_at(f, again, cmd, f->position);
    rows_take(f);
    chats_equal(f->chat, again);
    chat_free(again);
    f->fx = first;
    /* Tests look at the rows of events through the batch as it was. */
    kith_buf_deinit(&f->batch);
    f->batch = seen;
    return first.answer;
}

static inline struct row_message event_message(struct fixture *f, unsigned n)
{
    struct row_message message = {0};

    assert_true(n < f->fx.event_count);
    assert_int_equal(
        row_message_decode(kith_slice_of(kith_buf_peek(&f->batch).ptr + f->fx.events[n].at, f->fx.events[n].len),
                           &message),
        KITH_OK);
    return message;
}

/* A group of users 1..count, user 1 its owner; unencrypted. */
static inline void make_group(struct fixture *f, uint32_t count)
{
    struct kith_buf members;
    struct cmd cmd = {.verb = CMD_CHAT_CREATE, .flags = CMD_GROUP, .actor = USER(1), .device = DEVICE(1)};

    kith_buf_init(&members, 1u << 20);
    for (uint32_t i = 1; i <= count; i++) {
        uint8_t raw[CMD_MEMBER_BYTES];
        struct cmd_member m = {
            .user = USER(i), .role = i == 1 ? ROLE_OWNER : ROLE_MEMBER, .accepted = 1, .receipts = 1};
        cmd_member_encode(&m, raw);
        assert_int_equal(kith_buf_append(&members, kith_slice_of(raw, sizeof raw)), KITH_OK);
    }
    cmd.members = kith_buf_peek(&members);
    kith_buf_reset(&f->batch);
    (void)apply(f, &cmd);
    kith_buf_deinit(&members);
}

static inline void make_direct_of(struct fixture *f, bool accepted, uint32_t flags)
{
    uint8_t raw[2 * CMD_MEMBER_BYTES];
    struct cmd_member a = {.user = USER(1), .role = ROLE_MEMBER, .accepted = 1, .receipts = 1};
    struct cmd_member b = {.user = USER(2), .role = ROLE_MEMBER, .accepted = accepted, .receipts = 1};
    struct cmd cmd = {.verb = CMD_CHAT_CREATE, .flags = flags, .actor = USER(1), .device = DEVICE(1)};

    cmd_member_encode(&a, raw);
    cmd_member_encode(&b, raw + CMD_MEMBER_BYTES);
    cmd.members = kith_slice_of(raw, sizeof raw);
    kith_buf_reset(&f->batch);
    assert_int_equal(apply(f, &cmd).code, CODE_CREATED);
}

static inline void make_direct(struct fixture *f, bool accepted)
{
    make_direct_of(f, accepted, 0);
}

static inline struct cmd send_of(uint32_t user, uint32_t device, struct msg_id id, const char *text)
{
    return (struct cmd){.verb = CMD_SEND,
                        .actor = USER(user),
                        .device = DEVICE(device),
                        .id = id,
                        .content_type = kith_slice_str("text/plain"),
                        .body = kith_slice_str(text)};
}

static inline struct chat_answer do_apply(struct fixture *f, struct cmd cmd)
{
    kith_buf_reset(&f->batch);
    return apply(f, &cmd);
}

#endif
