#include <stdlib.h>

#include "account/account_impl.h"
#include "wire/json_text.h"

static struct account_stale *stale_of_sets(struct account_call *call)
{
    struct account_device_sets *sets = (struct account_device_sets *)call;
    return (struct account_stale *)((char *)sets - offsetof(struct account_stale, sets));
}

static void sets_known(struct account_call *call)
{
    struct account_stale *op = stale_of_sets(call);

    op->call.retry_after_s = call->retry_after_s;
    account_finish(&op->call, call->code);
}

static bool add_person(struct account_stale *op, struct user_id user)
{
    if (op->sets.count == op->people_cap) {
        size_t cap = op->people_cap == 0 ? 8 : op->people_cap * 2;
        struct account_person *grown = realloc(op->sets.people, cap * sizeof *grown);
        if (grown == NULL) return false;
        op->sets.people = grown;
        op->people_cap = cap;
    }
    op->sets.people[op->sets.count++] = (struct account_person){.user = user};
    return true;
}

static void members_scan(struct account_stale *op);

static void members_scanned(struct msgstore_scan *scan)
{
    struct account_stale *op = (struct account_stale *)((char *)scan - offsetof(struct account_stale, scan));
    struct kith_slice rows = kith_buf_peek(&scan->rows), key, value;
    struct row_member member;
    struct user_id user;
    bool is_put, has_room = scan->err == KITH_OK;

    while (has_room && msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
        memcpy(op->at.bytes, key.ptr, key.len);
        if (row_key_tail_id(key, &user.id) != KITH_OK || row_member_decode(value, &member) != KITH_OK) continue;
        if (row_member_last_visible(&member) != UINT64_MAX) continue; /* gone */
        has_room = add_person(op, user);
    }
    if (!has_room) {
        op->call.retry_after_s = 1;
        account_finish(&op->call, CODE_UNAVAILABLE);
    } else if (scan->more) {
        members_scan(op);
    } else {
        op->sets.call = (struct account_call){.loop = op->call.loop, .done = sets_known};
        account_device_sets(op->call.accounts, &op->sets);
    }
}

static void members_scan(struct account_stale *op)
{
    kith_buf_reset(&op->scan.rows);
    op->scan.loop = op->call.loop;
    op->scan.prefix = row_key_prefix(&op->at, ROW_PREFIX_STREAM);
    op->scan.from = kith_slice_of(op->at.bytes, op->at.len);
    op->scan.rows_max = 1000;
    op->scan.done = members_scanned;
    msgstore_scan(op->call.accounts->config.store, &op->scan);
}

void account_stale(struct accounts *accounts, struct account_stale *op)
{
    op->sets = (struct account_device_sets){.count = 0};
    op->people_cap = 0;
    op->at = row_key_member(op->chat, (struct user_id){0});
    op->at.bytes[op->at.len++] = 0; /* from here on a key and this byte is the key right after it */
    kith_buf_init(&op->scan.rows, 1024 * 1024);
    if (account_begin(accounts, &op->call, NULL)) members_scan(op);
}

void account_stale_free(struct account_stale *op)
{
    kith_buf_deinit(&op->scan.rows);
    free(op->sets.people);
    free(op->sets.refs);
    op->sets.people = NULL;
    op->sets.refs = NULL;
}

/* ------------------------------------------------------------------------------------------------ as JSON */

static int device_order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct device_id));
}

static kith_err put_id(struct kith_buf *out, struct kith_uuid id, bool *first)
{
    kith_err err = *first ? KITH_OK : kith_buf_append_str(out, ",");

    *first = false;
    return err == KITH_OK ? json_put_uuid(out, id) : err;
}

/* The devices there are and that got nothing; notes in `seen` which of those that got something there are. */
static kith_err put_missing(const struct account_stale *op, bool *seen, struct kith_buf *out)
{
    kith_err err = kith_buf_append_str(out, "\"missing\":[");
    const bool has_common = op->sent_count > 0 && kith_uuid_is_nil(op->sent[0].id); /* then it was for every device */
    bool first = true;

    for (size_t i = 0; i < op->sets.ref_count && err == KITH_OK; i++) {
        struct device_id device = op->sets.refs[i].device;
        const struct device_id *found = op->sent_count == 0
                                            ? NULL
                                            : bsearch(&device, op->sent, op->sent_count, sizeof device, device_order);

        if (found != NULL)
            seen[found - op->sent] = true;
        else if (!has_common && !kith_uuid_eq(device.id, op->sender.id)) /* it has what it sends */
            err = put_id(out, device.id, &first);
    }
    return err == KITH_OK ? kith_buf_append_str(out, "]") : err;
}

static kith_err put_removed(const struct account_stale *op, const bool *seen, struct kith_buf *out)
{
    kith_err err = kith_buf_append_str(out, ",\"removed\":[");
    bool first = true;

    for (size_t i = 0; i < op->sent_count && err == KITH_OK; i++)
        if (!seen[i] && !kith_uuid_is_nil(op->sent[i].id)) err = put_id(out, op->sent[i].id, &first);
    return err == KITH_OK ? kith_buf_append_str(out, "]") : err;
}

/* The devices come in the order of the people; *at is the first of this one's. */
static kith_err put_devices(const struct account_stale *op, struct user_id user, size_t *at, struct kith_buf *out)
{
    kith_err err = kith_buf_append_str(out, ",\"devices\":[");
    bool first = true;

    for (; err == KITH_OK && *at < op->sets.ref_count && kith_uuid_eq(op->sets.refs[*at].user.id, user.id); ++*at)
        err = put_id(out, op->sets.refs[*at].device.id, &first);
    return err == KITH_OK ? kith_buf_append_str(out, "]") : err;
}

static kith_err put_lists(const struct account_stale *op, bool with_devices, struct kith_buf *out)
{
    kith_err err = kith_buf_append_str(out, "\"device_lists\":[");
    bool first = true;
    size_t at = 0;

    for (size_t i = 0; i < op->sets.count && err == KITH_OK; i++) {
        const struct account_person *person = &op->sets.people[i];
        if (!person->known) continue;
        err = kith_buf_append_str(out, first ? "{\"user_id\":" : ",{\"user_id\":");
        first = false;
        if (err == KITH_OK) err = json_put_uuid(out, person->user.id);
        if (err == KITH_OK) err = kith_buf_printf(out, ",\"list_seq\":%llu", (unsigned long long)person->list_seq);
        if (err == KITH_OK && with_devices) err = put_devices(op, person->user, &at, out);
        if (err == KITH_OK) err = kith_buf_append_str(out, "}");
    }
    return err == KITH_OK ? kith_buf_append_str(out, "]") : err;
}

kith_err account_stale_write(const struct account_stale *op, enum account_stale_detail detail, struct kith_buf *out)
{
    bool *seen = calloc(op->sent_count + 1, sizeof *seen);
    kith_err err = seen == NULL ? KITH_E_NOMEM : KITH_OK;

    if (err == KITH_OK && detail != ACCOUNT_STALE_NUMBERS) {
        err = put_missing(op, seen, out);
        if (err == KITH_OK) err = put_removed(op, seen, out);
        if (err == KITH_OK) err = kith_buf_append_str(out, ",");
    }
    if (err == KITH_OK) err = put_lists(op, detail == ACCOUNT_STALE_WHOLE, out);
    free(seen);
    return err;
}
