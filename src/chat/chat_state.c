#include <assert.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "chat/chat_internal.h"

/* Members and devices are sorted arrays: found by halving, put in place by one move. */
static size_t member_place(const struct chat *chat, struct user_id user)
{
    size_t low = 0, high = chat->member_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (kith_uuid_cmp(chat->members[mid].user.id, user.id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t device_place(const struct chat *chat, struct device_id device)
{
    size_t low = 0, high = chat->device_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (kith_uuid_cmp(chat->devices[mid].device.id, device.id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct chat_member *chat_member_find(const struct chat *chat, struct user_id user)
{
    size_t at = member_place(chat, user);

    if (at == chat->member_count || !kith_uuid_eq(chat->members[at].user.id, user.id)) return NULL;
    return &chat->members[at];
}

struct chat_device *chat_device_find(const struct chat *chat, struct device_id device)
{
    size_t at = device_place(chat, device);

    if (at == chat->device_count || !kith_uuid_eq(chat->devices[at].device.id, device.id)) return NULL;
    return &chat->devices[at];
}

static kith_err member_insert(struct chat *chat, struct user_id user, struct chat_member **out)
{
    size_t at = member_place(chat, user);

    if (at < chat->member_count && kith_uuid_eq(chat->members[at].user.id, user.id)) {
        *out = &chat->members[at];
        return KITH_OK;
    }
    if (chat->member_count == chat->member_cap) {
        size_t cap = chat->member_cap == 0 ? 2 : chat->member_cap * 2;
        struct chat_member *grown = realloc(chat->members, cap * sizeof *grown);
        if (grown == NULL) return KITH_E_NOMEM;
        chat->members = grown;
        chat->member_cap = cap;
    }
    memmove(&chat->members[at + 1], &chat->members[at], (chat->member_count - at) * sizeof *chat->members);
    chat->members[at] = (struct chat_member){.user = user};
    chat->member_count++;
    *out = &chat->members[at];
    return KITH_OK;
}

static kith_err device_insert(struct chat *chat, struct device_id device, struct chat_device **out)
{
    size_t at = device_place(chat, device);

    if (at < chat->device_count && kith_uuid_eq(chat->devices[at].device.id, device.id)) {
        *out = &chat->devices[at];
        return KITH_OK;
    }
    if (chat->device_count == chat->device_cap) {
        size_t cap = chat->device_cap == 0 ? 2 : chat->device_cap * 2;
        struct chat_device *grown = realloc(chat->devices, cap * sizeof *grown);
        if (grown == NULL) return KITH_E_NOMEM;
        chat->devices = grown;
        chat->device_cap = cap;
    }
    memmove(&chat->devices[at + 1], &chat->devices[at], (chat->device_count - at) * sizeof *chat->devices);
    chat->devices[at] = (struct chat_device){.device = device};
    chat->device_count++;
    *out = &chat->devices[at];
    return KITH_OK;
}

struct chat_member *chat_member_put(struct chat_step *step, struct user_id user)
{
    struct chat_member *member = NULL;

    step->fx->err = member_insert(step->chat, user, &member);
    if (member != NULL) chat_touch_member(step, member);
    return member;
}

struct chat_device *chat_device_put(struct chat_step *step, struct device_id device, struct user_id user)
{
    struct chat_device *found = NULL;

    step->fx->err = device_insert(step->chat, device, &found);
    if (found == NULL) return NULL;
    found->row.user = user;
    return found;
}

kith_err chat_load_head(struct chat *chat, struct kith_slice value)
{
    kith_err err = row_chat_decode(value, &chat->head);

    if (err != KITH_OK) return err;
    if (chat->head.name.len > sizeof chat->name) return KITH_E_MALFORMED;
    if (chat->head.name.len > 0) memcpy(chat->name, chat->head.name.ptr, chat->head.name.len);
    chat->head.name.ptr = (const uint8_t *)chat->name;
    chat->exists = true;
    return KITH_OK;
}

kith_err chat_load_member(struct chat *chat, struct kith_slice key, struct kith_slice value)
{
    struct user_id user = {0};
    struct chat_member *member = NULL;
    struct row_member row = {0};
    kith_err err;

    err = row_key_tail_id(key, &user.id);
    if (err == KITH_OK) err = row_member_decode(value, &row);
    if (err == KITH_OK) err = member_insert(chat, user, &member);
    if (err != KITH_OK) return err;
    member->row = row;
    return KITH_OK;
}

kith_err chat_load_device(struct chat *chat, struct kith_slice key, struct kith_slice value)
{
    struct device_id id = {0};
    struct chat_device *device = NULL;
    struct row_device row = {0};
    kith_err err;

    err = row_key_tail_id(key, &id.id);
    if (err == KITH_OK) err = row_device_decode(value, &row);
    if (err == KITH_OK) err = device_insert(chat, id, &device);
    if (err != KITH_OK) return err;
    device->row = row;
    return KITH_OK;
}

void chat_load_done(struct chat *chat)
{
    for (size_t i = 0; i < chat->member_count; i++) chat->members[i].id_max = chat->head.id_max;
}

bool chat_member_is_in(const struct chat_member *member)
{
    const struct row_member *row = &member->row;

    return row->interval_count > 0 && row->intervals[row->interval_count - 1].to == 0;
}

struct chat_member *chat_actor(struct chat_step *step)
{
    struct chat_member *actor = chat_member_find(step->chat, step->cmd->actor);

    if (actor != NULL && chat_member_is_in(actor)) return actor;
    chat_answer(step, actor == NULL ? CODE_NOT_FOUND : CODE_FORBIDDEN);
    return NULL;
}

void chat_roster_ref(struct chat_roster *roster)
{
    atomic_fetch_add_explicit(&roster->refs, 1, memory_order_relaxed);
}

void chat_roster_unref(struct chat_roster *roster)
{
    if (roster == NULL) return;
    if (atomic_fetch_sub_explicit(&roster->refs, 1, memory_order_acq_rel) == 1) free(roster);
}

void chat_roster_drop(struct chat *chat)
{
    chat_roster_unref(chat->roster);
    chat->roster = NULL;
    chat_digest_drop(chat);
}

struct chat_roster *chat_roster_peek(struct chat *chat)
{
    struct chat_roster *roster;

    if (chat->roster != NULL) return chat->roster;
    roster = malloc(sizeof *roster + chat->member_count * sizeof roster->users[0]);
    if (roster == NULL) return NULL;
    atomic_init(&roster->refs, 1);
    roster->count = 0;
    for (size_t i = 0; i < chat->member_count; i++)
        if (chat_member_is_in(&chat->members[i])) roster->users[roster->count++] = chat->members[i].user;
    chat->roster = roster;
    return roster;
}

const uint8_t *chat_digest(struct chat *chat)
{
    if (chat->has_digest) return chat->digest;
    memset(chat->digest, 0, sizeof chat->digest);
    for (size_t i = 0; i < chat->member_count; i++) {
        const struct chat_member *member = &chat->members[i];
        const struct bodies_list list = {.user = member->user, .list_seq = member->row.list_seq};
        if (chat_member_is_in(member)) bodies_digest_add(chat->digest, &list);
    }
    chat->has_digest = true;
    return chat->digest;
}

void chat_digest_drop(struct chat *chat)
{
    if (!kith_mutant(DIGEST_KEPT)) chat->has_digest = false;
}
