#include "town_group.h"

#include <stdlib.h>

/* Groups: the server's order of operations, and devices that make and take them. */

struct town_group *town_group_new(struct town *town)
{
    struct town_group *group = calloc(1, sizeof *group);

    town_need(group != NULL && town->group_count < TOWN_GROUPS_MAX);
    town->groups[town->group_count++] = group;
    group->town = town;
    town_id(town, group->chat_id);
    return group;
}

void town_group_free(struct town_group *group)
{
    for (size_t i = 0; i < group->op_count; i++) kith_buf_deinit(&group->ops[i]);
    free(group);
}

struct town_group *town_group_of(const struct town *town, const uint8_t chat_id[static E2E_ID_BYTES])
{
    for (size_t i = 0; i < town->group_count; i++)
        if (memcmp(town->groups[i]->chat_id, chat_id, E2E_ID_BYTES) == 0) return town->groups[i];
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ making */
struct e2e_group_change town_change(enum e2e_group_kind kind, const struct town_device *subject, uint8_t role)
{
    struct e2e_group_change change = {.kind = kind, .role = role};

    if (subject != NULL) memcpy(change.subject, subject->person->id, sizeof change.subject);
    return change;
}

struct e2e_group_change town_change_name(enum e2e_group_kind kind, const char *name)
{
    struct e2e_group_change change = {.kind = kind};

    if (name != NULL) change.info.name = kith_slice_str(name);
    return change;
}

void town_group_put(struct town_group *group, struct kith_slice op)
{
    struct kith_buf *place = &group->ops[group->op_count];

    town_need(group->op_count < TOWN_OPS_MAX);
    kith_buf_init(place, E2E_GROUP_SIGNED_BYTES_MAX);
    town_need(kith_buf_append(place, op) == KITH_OK);
    town_need(kith_buf_append(&group->town->wire, op) == KITH_OK);
    group->seqs[group->op_count++] = town_seq(group->town->mail_count) - 1;
}

static kith_err give_keys(struct town_device *by, const struct town_group *group)
{
    struct town_chat chat = town_group_chat(by, group);
    struct kith_buf keys;
    kith_err err;

    kith_buf_init(&keys, E2E_BODY_BYTES_MAX);
    err = e2e_account_group_keys(by->account, group->chat_id, &keys);
    if (err == KITH_OK) err = town_try_send_keys(by, &chat, kith_buf_peek(&keys));
    kith_buf_wipe(&keys);
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

static bool is_create(const struct e2e_group_change *change)
{
    return change->kind == E2E_GROUP_CREATE;
}

/* KITH_E_AGAIN: it is to be made anew. */
static kith_err make_one(struct town_group *group, struct town_device *by, const struct e2e_group_change *change)
{
    struct kith_buf op;
    uint64_t seq = 0;
    kith_err err;

    kith_buf_init(&op, E2E_GROUP_SIGNED_BYTES_MAX);
    err = e2e_account_group_make(by->account, by->town->now_ms, is_create(change) ? NULL : group->chat_id, change, &op,
                                 &seq);
    if (town_call(by, NULL)) {
        err = KITH_E_AGAIN;
    } else if (err == KITH_E_AGAIN) {
        town_upload(by);
    } else if (err == KITH_OK && seq == group->op_count + 1) {
        town_group_put(group, kith_buf_peek(&op));
        town_need(e2e_account_group_gives(by->account, kith_buf_peek(&op)) ==
                  (is_create(change) || change->kind == E2E_GROUP_ADD || change->kind == E2E_GROUP_INFO));
    } else if (err == KITH_OK) { /* STALE_GROUP */
        town_need(!is_create(change));
        err = town_group_fetch(by, group);
        if (err == KITH_OK) err = KITH_E_AGAIN;
    }
    kith_buf_deinit(&op);
    return err;
}

kith_err town_group_try(struct town_group *group, struct town_device *by, const struct e2e_group_change *change)
{
    kith_err err = KITH_E_AGAIN;

    for (int round = 0; round < TOWN_ROUNDS_MAX && err == KITH_E_AGAIN; round++) err = make_one(group, by, change);
    if (err == KITH_OK) err = town_group_fetch(by, group);
    if (err == KITH_OK && (is_create(change) || change->kind == E2E_GROUP_ADD || change->kind == E2E_GROUP_INFO))
        err = give_keys(by, group);
    return err;
}

void town_group_must(struct town_group *group, struct town_device *by, struct e2e_group_change change)
{
    town_need(town_group_try(group, by, &change) == KITH_OK);
}

struct town_group *town_group_create(struct town_device *by, struct town_device *const *others, uint32_t other_count,
                                     const char *name)
{
    uint8_t ids[TOWN_PEOPLE_MAX][E2E_ACCOUNT_ID_BYTES];
    struct e2e_group_change change = town_change_name(E2E_GROUP_CREATE, name);
    struct town_group *group = town_group_new(by->town);

    town_need(other_count <= TOWN_PEOPLE_MAX);
    for (uint32_t i = 0; i < other_count; i++) memcpy(ids[i], others[i]->person->id, sizeof ids[i]);
    change.others = (const uint8_t(*)[E2E_ACCOUNT_ID_BYTES])ids;
    change.other_count = other_count;
    town_group_must(group, by, change);
    return group;
}

/* ------------------------------------------------------------------------------------------------ invite links */
struct e2e_join_link town_group_link(struct town_group *group, struct town_device *by)
{
    struct e2e_join_link link;

    town_group_must(group, by, town_change(E2E_GROUP_JOIN_KEY, NULL, 0));
    town_need(e2e_account_join_link(by->account, group->chat_id, &link) == KITH_OK);
    return link;
}

struct kith_buf town_join_ask(struct town_device *asker, const struct e2e_join_link *link)
{
    struct kith_buf out;
    kith_err err = KITH_E_AGAIN;

    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    for (int round = 0; round < TOWN_ROUNDS_MAX && err == KITH_E_AGAIN; round++) {
        struct kith_map before = town_records_copy(asker);
        kith_buf_reset(&out);
        err = e2e_account_join_ask(asker->account, asker->town->now_ms, link, &out);
        if (town_call(asker, &before))
            err = KITH_E_AGAIN;
        else if (err == KITH_E_AGAIN)
            town_upload(asker);
        town_records_free(&before);
    }
    town_need(err == KITH_OK);
    town_need(kith_buf_append(&asker->town->wire, kith_buf_peek(&out)) == KITH_OK);
    return out;
}

kith_err town_join_check(struct town_device *by, const struct town_group *group, struct kith_slice request)
{
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    bool is_fresh = false;
    kith_err err = KITH_E_AGAIN;

    town_need(wants != NULL);
    for (int round = 0; round < TOWN_ROUNDS_MAX && err == KITH_E_AGAIN; round++) {
        err = e2e_account_join_check(by->account, by->town->now_ms, group->chat_id, request, is_fresh, wants);
        if (err != KITH_E_AGAIN) break;
        town_fetch(by, wants);
        is_fresh = true;
    }
    free(wants);
    return err;
}

kith_err town_join_let_in(struct town_group *group, struct town_device *by, struct kith_slice request)
{
    struct e2e_group_change change = {.kind = E2E_GROUP_ADD, .role = E2E_ROLE_MEMBER, .request = request};
    struct e2e_join_request asked;
    kith_err err = town_join_check(by, group, request);

    if (err == KITH_OK) err = e2e_join_decode(request, &asked);
    if (err != KITH_OK) return err;
    memcpy(change.subject, asked.account_id, sizeof change.subject);
    return town_group_try(group, by, &change);
}

/* ------------------------------------------------------------------------------------------------ taking */
/* One that the server never ordered comes now. */
static uint64_t seq_of(const struct town_group *group, struct kith_slice op)
{
    for (size_t i = 0; i < group->op_count; i++)
        if (kith_slice_eq(kith_buf_peek(&group->ops[i]), op)) return group->seqs[i];
    return town_seq(group->town->mail_count) - 1;
}

kith_err town_group_give(struct town_device *to, const struct town_group *group, struct kith_slice op)
{
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    bool is_fresh = false;
    kith_err err = KITH_E_AGAIN;

    town_need(wants != NULL);
    for (int round = 0; round < TOWN_ROUNDS_MAX && err == KITH_E_AGAIN; round++) {
        struct kith_map before = town_records_copy(to);
        err = e2e_account_group_op(to->account, group->chat_id, op, seq_of(group, op), is_fresh, wants);
        if (town_call(to, &before)) {
            err = KITH_E_AGAIN;
        } else if (err == KITH_E_AGAIN) {
            town_fetch(to, wants);
            is_fresh = true;
        }
        town_records_free(&before);
    }
    free(wants);
    return err;
}

kith_err town_group_fetch(struct town_device *device, const struct town_group *group)
{
    const struct town *town = device->town;
    struct e2e_group_view view;
    kith_err err = KITH_OK;

    (void)e2e_account_group(device->account, group->chat_id, &view);
    for (size_t i = view.group == NULL ? 0 : (size_t)view.group->seq; i < group->op_count && err == KITH_OK; i++) {
        struct kith_slice op = kith_buf_peek(&group->ops[i]);
        if (town->show_op != NULL) town->show_op(town->arg, device, i, &op);
        if (op.len == 0) break; /* held back, and what follows, too */
        err = town_group_give(device, group, op);
    }
    return err;
}

struct e2e_group_view town_group_view(const struct town_device *device, const struct town_group *group)
{
    struct e2e_group_view view;

    town_need(e2e_account_group(device->account, group->chat_id, &view));
    return view;
}

bool town_group_same(const struct town_device *a, const struct town_device *b, const struct town_group *group)
{
    const struct e2e_group *x = town_group_view(a, group).group, *y = town_group_view(b, group).group;
    struct kith_buf left, right;
    bool same;

    kith_buf_init(&left, E2E_GROUP_STATE_BYTES_MAX);
    kith_buf_init(&right, E2E_GROUP_STATE_BYTES_MAX);
    town_need(e2e_group_state_encode(x, &left) == KITH_OK && e2e_group_state_encode(y, &right) == KITH_OK);
    same = kith_slice_eq(kith_buf_peek(&left), kith_buf_peek(&right)) && x->head_count == y->head_count &&
           memcmp(x->heads, y->heads, x->head_count * sizeof x->heads[0]) == 0;
    kith_buf_deinit(&left);
    kith_buf_deinit(&right);
    return same;
}

const char *town_group_name(const struct town_device *device, const struct town_group *group)
{
    static char name[E2E_GROUP_NAME_BYTES_MAX + 1];
    struct e2e_group_info info;
    struct kith_buf plain;
    kith_err err;

    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    err = e2e_account_group_info(device->account, group->chat_id, &plain, &info);
    town_need(err == KITH_OK || err == KITH_E_NOTFOUND);
    memset(name, 0, sizeof name);
    if (err == KITH_OK && info.name.len > 0) memcpy(name, info.name.ptr, info.name.len);
    kith_buf_wipe(&plain);
    return err == KITH_OK ? name : NULL;
}

/* ------------------------------------------------------------------------------------------------ messages */
struct town_chat town_group_chat(const struct town_device *from, const struct town_group *group)
{
    struct e2e_group_view view = {0};
    struct town_chat chat = {.is_group = true};

    memcpy(chat.id, group->chat_id, sizeof chat.id);
    if (!e2e_account_group(from->account, group->chat_id, &view)) return chat;
    town_need(view.group->member_count <= TOWN_PEOPLE_MAX);
    for (; chat.member_count < view.group->member_count; chat.member_count++)
        memcpy(chat.members[chat.member_count], view.group->members[chat.member_count].account_id,
               sizeof chat.members[0]);
    return chat;
}

struct town_mail *town_group_send(struct town_device *from, const struct town_group *group, const char *text)
{
    struct town_chat chat = town_group_chat(from, group);

    return town_send(from, &chat, text);
}

kith_err town_group_try_send(struct town_device *from, const struct town_group *group)
{
    struct town_chat chat = town_group_chat(from, group);
    size_t mail = 0;

    return town_try_send(from, &chat, "can this be sent?", &mail);
}

kith_err town_take_keys(struct town_device *to, const uint8_t chat_id[static E2E_ID_BYTES], struct kith_slice body)
{
    const struct e2e_opened opened = {.payload = {.device_id = 1, .body = body}};

    return e2e_account_group_keys_take(to->account, chat_id, &opened);
}
