#include <assert.h>

#include "libkith/e2ee/group_parts.h"
#include "libkith/e2ee/join.h"

static bool is_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    return memcmp(a, b, len) == 0; /* public bytes only */
}

/* ---------------------------------------------------------------------------------------------- its place in the chain */
enum e2e_group_step e2e_group_compare(const struct e2e_group *before, const struct e2e_group_op *op)
{
    const uint8_t *known;

    if (before == NULL) return op->seq == 1 ? E2E_GROUP_STEP_NEXT : E2E_GROUP_STEP_GAP;
    if (!is_same(op->group_id, before->group_id, sizeof op->group_id)) return E2E_GROUP_STEP_OTHER_GROUP;
    if (op->seq <= before->seq) {
        known = e2e_group_head(before, op->seq);
        return known == NULL || is_same(known, op->hash, E2E_HASH_BYTES) ? E2E_GROUP_STEP_SAME : E2E_GROUP_STEP_FORK;
    }
    if (op->seq - before->seq > 1) return E2E_GROUP_STEP_GAP;
    /* Its predecessor has the head's number and is another. */
    return is_same(op->prev_hash, before->heads[0], E2E_HASH_BYTES) ? E2E_GROUP_STEP_NEXT : E2E_GROUP_STEP_FORK;
}

static void push_head(struct e2e_group *group, const uint8_t hash[static E2E_HASH_BYTES])
{
    memmove(group->heads[1], group->heads[0], sizeof group->heads - sizeof *group->heads);
    memcpy(group->heads[0], hash, E2E_HASH_BYTES);
    if (group->head_count < E2E_GROUP_HEADS_MAX) group->head_count++;
}

/* ---------------------------------------------------------------------------------------------- who may do what */
/* `group` is changed by each of these as they check; what they refuse is thrown away whole. */
static void put_info(struct e2e_group *group, struct kith_slice info)
{
    group->info_len = info.len;
    if (info.len > 0) memcpy(group->info, info.ptr, info.len);
}

static void take_out(struct e2e_group *group, uint32_t place)
{
    struct e2e_group_member *gone = &group->members[place];

    group->member_count--;
    memmove(gone, gone + 1, (group->member_count - place) * sizeof *gone);
    if (group->member_count == 0) group->members = NULL;
}

static bool has_other_owner(const struct e2e_group *group, uint32_t place)
{
    for (uint32_t i = 0; i < group->member_count; i++)
        if (i != place && group->members[i].role == E2E_ROLE_OWNER) return true;
    return false;
}

/* Who is let in by the group's link has it. Whether a device of theirs asked, the author saw to (docs/wire/e2ee-groups.md). */
static kith_err check_request(const struct e2e_group *group, const struct e2e_group_op *op)
{
    struct e2e_join_request request;
    kith_err err = e2e_join_decode(op->request, &request);

    if (err != KITH_OK) return err;
    if (!e2e_group_has_link(group) || !is_same(request.join_key, group->join_key, sizeof group->join_key))
        return KITH_E_DENIED;
    return e2e_join_prove(&request);
}

static kith_err add(struct e2e_group *group, const struct e2e_group_op *op, const struct e2e_group_member *author)
{
    const uint32_t place = e2e_group_place(group, op->subject);
    struct e2e_group_member *room = e2e_group_room(group) + place;
    kith_err err;

    if (e2e_group_is_at(group, place, op->subject) || op->role > author->role) return KITH_E_DENIED;
    if (group->member_count == E2E_GROUP_MEMBERS_MAX) return KITH_E_FULL;
    err = op->request.len == 0 ? KITH_OK : check_request(group, op);
    if (err != KITH_OK) return err;
    memmove(room + 1, room, (group->member_count - place) * sizeof *room);
    *room = (struct e2e_group_member){.role = op->role, .since = op->seq};
    memcpy(room->account_id, op->subject, sizeof room->account_id);
    group->member_count++;
    return KITH_OK;
}

static kith_err remove_one(struct e2e_group *group, const struct e2e_group_op *op,
                           const struct e2e_group_member *author)
{
    const uint32_t place = e2e_group_place(group, op->subject);

    if (!e2e_group_is_at(group, place, op->subject) || &group->members[place] == author) return KITH_E_DENIED;
    if (author->role != E2E_ROLE_OWNER && group->members[place].role != E2E_ROLE_MEMBER) return KITH_E_DENIED;
    take_out(group, place);
    /* Whoever was removed knows the link. */
    memset(group->join_key, 0, sizeof group->join_key);
    return KITH_OK;
}

/* The highest role, of those the longest in it, of those the first. */
static struct e2e_group_member *heir_of(struct e2e_group *group)
{
    struct e2e_group_member *heir = &group->members[0];

    for (uint32_t i = 1; i < group->member_count; i++) {
        struct e2e_group_member *other = &group->members[i];
        if (other->role > heir->role || (other->role == heir->role && other->since < heir->since)) heir = other;
    }
    return heir;
}

static kith_err leave(struct e2e_group *group, const struct e2e_group_member *author)
{
    const bool was_owner = author->role == E2E_ROLE_OWNER;

    take_out(group, (uint32_t)(author - group->members));
    /* Is there another owner, one of them is the heir, and what follows changes nothing. */
    if (was_owner && group->member_count > 0) heir_of(group)->role = E2E_ROLE_OWNER;
    return KITH_OK;
}

static kith_err give_role(struct e2e_group *group, const struct e2e_group_op *op)
{
    const uint32_t place = e2e_group_place(group, op->subject);

    if (!e2e_group_is_at(group, place, op->subject) || group->members[place].role == op->role) return KITH_E_DENIED;
    /* Of anybody but the author there is another owner: the author. */
    if (!has_other_owner(group, place)) return KITH_E_DENIED;
    group->members[place].role = op->role;
    return KITH_OK;
}

static kith_err change(struct e2e_group *group, const struct e2e_group_op *op)
{
    static const uint8_t role_least[] = {
        [E2E_GROUP_ADD] = E2E_ROLE_ADMIN,      [E2E_GROUP_REMOVE] = E2E_ROLE_ADMIN,
        [E2E_GROUP_LEAVE] = E2E_ROLE_MEMBER,   [E2E_GROUP_ROLE] = E2E_ROLE_OWNER,
        [E2E_GROUP_INFO] = E2E_ROLE_ADMIN,     [E2E_GROUP_SETTINGS] = E2E_ROLE_ADMIN,
        [E2E_GROUP_JOIN_KEY] = E2E_ROLE_ADMIN,
    };
    const struct e2e_group_member *author = e2e_group_find(group, op->author);

    assert(op->kind > E2E_GROUP_CREATE && op->kind <= E2E_GROUP_JOIN_KEY);
    if (author == NULL || author->role < role_least[op->kind]) return KITH_E_DENIED;
    switch (op->kind) {
    case E2E_GROUP_ADD: return add(group, op, author);
    case E2E_GROUP_REMOVE: return remove_one(group, op, author);
    case E2E_GROUP_LEAVE: return leave(group, author);
    case E2E_GROUP_ROLE: return give_role(group, op);
    case E2E_GROUP_INFO: put_info(group, op->info); return KITH_OK;
    case E2E_GROUP_SETTINGS: group->settings = op->settings; return KITH_OK;
    case E2E_GROUP_JOIN_KEY: memcpy(group->join_key, op->join_key, sizeof group->join_key); return KITH_OK;
    case E2E_GROUP_CREATE: break;
    }
    return KITH_E_DENIED;
}

/* ---------------------------------------------------------------------------------------------- one step */
/* NULL: no memory. */
static struct e2e_group *create(const struct e2e_group_op *op)
{
    const uint32_t count = (uint32_t)(op->founders.len / E2E_FOUNDER_BYTES);
    struct e2e_group *group = e2e_group_new(count);

    assert(op->kind == E2E_GROUP_CREATE);
    if (group == NULL) return NULL;
    memcpy(group->group_id, op->group_id, sizeof group->group_id);
    group->suite = op->suite;
    group->settings = op->settings;
    put_info(group, op->info);
    group->members = e2e_group_room(group);
    for (; group->member_count < count; group->member_count++) {
        const uint8_t *founder = op->founders.ptr + (size_t)group->member_count * E2E_FOUNDER_BYTES;
        struct e2e_group_member *member = &group->members[group->member_count];
        memcpy(member->account_id, founder, E2E_ACCOUNT_ID_BYTES);
        member->role = founder[E2E_ACCOUNT_ID_BYTES];
        member->since = 1;
    }
    return group;
}

/* With room for one more, when there may be one. NULL: no memory. */
static struct e2e_group *copy_of(const struct e2e_group *group)
{
    const uint32_t count = group->member_count;
    struct e2e_group *copy = e2e_group_new(count < E2E_GROUP_MEMBERS_MAX ? count + 1 : count);

    if (copy == NULL) return NULL;
    *copy = *group;
    if (count > 0) {
        copy->members = e2e_group_room(copy);
        memcpy(copy->members, group->members, count * sizeof *group->members);
    }
    return copy;
}

/* What comes of `op`, but for its hash. */
static kith_err step(const struct e2e_group *before, const struct e2e_group_op *op, struct e2e_group **out)
{
    struct e2e_group *next = before == NULL ? create(op) : copy_of(before);
    kith_err err = KITH_OK;

    if (next == NULL) return KITH_E_NOMEM;
    next->seq = op->seq;
    if (before != NULL) err = change(next, op);
    if (err == KITH_OK)
        *out = next;
    else
        e2e_group_free(next);
    return err;
}

kith_err e2e_group_apply(const struct e2e_group *before, const struct e2e_group_op *op, struct e2e_group **after)
{
    uint8_t hash[E2E_HASH_BYTES];
    struct e2e_group *next = NULL;
    kith_err err;

    *after = NULL;
    if (e2e_group_compare(before, op) != E2E_GROUP_STEP_NEXT) return KITH_E_DENIED;
    err = step(before, op, &next);
    if (err == KITH_OK) err = e2e_group_state_hash(next, hash);
    if (err == KITH_OK && !is_same(hash, op->state_hash, sizeof hash)) err = KITH_E_DENIED;
    if (err != KITH_OK) goto done;
    push_head(next, op->hash);
    *after = next;
    next = NULL;
done:
    e2e_group_free(next);
    return err;
}

/* ---------------------------------------------------------------------------------------------- making one */
static void follow(const struct e2e_group *before, struct e2e_group_op *op)
{
    op->seq = 1;
    memset(op->prev_hash, 0, sizeof op->prev_hash);
    if (before == NULL) return;
    op->seq = before->seq + 1;
    memcpy(op->prev_hash, before->heads[0], sizeof op->prev_hash);
    memcpy(op->group_id, before->group_id, sizeof op->group_id);
}

kith_err e2e_group_make(const struct e2e_group *before, struct e2e_group_op *op,
                        const uint8_t dsk_secret[static E2E_SIGN_SECRET_BYTES], struct e2e_group **after,
                        struct kith_buf *out)
{
    struct e2e_group_op made = *op;
    struct e2e_group *next = NULL;
    kith_err err;

    *after = NULL;
    follow(before, &made);
    err = e2e_group_op_check(&made);
    if (err == KITH_OK) err = step(before, &made, &next);
    if (err == KITH_OK) err = e2e_group_state_hash(next, made.state_hash);
    if (err == KITH_OK) err = e2e_group_op_sign(&made, dsk_secret, out);
    if (err != KITH_OK) goto done;
    push_head(next, made.hash);
    *op = made;
    *after = next;
    next = NULL;
done:
    e2e_group_free(next);
    return err;
}

/* ---------------------------------------------------------------------------------------------- why it was denied */
kith_err e2e_group_allows(const struct e2e_group *before, const struct e2e_group_op *op)
{
    struct e2e_group *next = NULL;
    kith_err err = e2e_group_compare(before, op) == E2E_GROUP_STEP_NEXT ? step(before, op, &next) : KITH_E_DENIED;

    e2e_group_free(next);
    return err;
}
