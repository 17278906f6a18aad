#include "libkith/e2ee/account_group.h"

#include <assert.h>
#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_impl.h"

/* Operations as they come, and those that this device makes. */

struct group_place *account_group_find(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    struct group_place **found = kith_map_find(&account->groups, chat_id);

    return found == NULL ? NULL : *found;
}

static bool is_in(const struct e2e_account *account, const struct e2e_group *group)
{
    return group != NULL && e2e_group_find(group, account->config.account_id) != NULL;
}

bool account_group_is_in(const struct e2e_account *account, const struct group_place *place)
{
    return is_in(account, place->group) && !account_join_awaits(account, place->chat_id);
}

bool e2e_account_group(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                       struct e2e_group_view *out)
{
    const struct group_place *place = account_group_find(account, chat_id);

    *out = (struct e2e_group_view){0};
    if (place == NULL) return false;
    out->group = place->group;
    out->is_forked = place->is_forked;
    out->is_member = account_group_is_in(account, place);
    out->is_large = account_is_large(account, place->group);
    return true;
}

/* ------------------------------------------------------------------------------------------------ taking */

static kith_err want_list(const struct e2e_group_op *op, bool is_fresh, struct e2e_wants *wants)
{
    if (is_fresh) return KITH_E_DENIED;
    account_want(wants, E2E_WANT_LIST, op->author, NULL);
    return KITH_E_AGAIN;
}

static struct group_author *author_find(struct group_place *place,
                                        const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    for (uint32_t i = 0; i < place->author_count; i++)
        if (memcmp(place->authors[i].account_id, account_id, E2E_ACCOUNT_ID_BYTES) == 0) return &place->authors[i];
    return NULL;
}

/*
 * By a device that the author has removed since. Once another device of theirs has signed in this group under a list
 * without it, it signs no more: else whoever stole it could, for as long as it names an old list.
 */
static kith_err check_past_signature(struct e2e_account *account, struct person *author, struct group_place *place,
                                     const struct e2e_group_op *op, struct e2e_wants *wants)
{
    const struct group_author *signed_last = place == NULL ? NULL : author_find(place, op->author);
    const struct past_device *device;
    kith_err err = account_past_device(account, author, op->author_device, op->list_seq, &device);

    if (err == KITH_E_AGAIN) account_want(wants, E2E_WANT_PAST, op->author, NULL);
    if (err == KITH_E_NOTFOUND) return KITH_E_DENIED;
    if (err != KITH_OK) return err;
    if (signed_last != NULL && signed_last->list_seq > device->last_seq) return KITH_E_DENIED;
    return e2e_group_op_verify(op, device->dsk_pub);
}

/* By a device that the author's list has, or had when the operation was made. */
static kith_err check_signature(struct e2e_account *account, struct group_place *place, const struct e2e_group_op *op,
                                bool is_fresh, struct e2e_wants *wants)
{
    struct person *author = account_person_find(account, op->author);
    const struct e2e_device *device;

    if (author == NULL || author->list == NULL || op->list_seq > author->list->seq)
        return want_list(op, is_fresh, wants);
    if (op->list_seq == author->list->seq && memcmp(op->list_hash, author->list->hash, E2E_HASH_BYTES) != 0)
        return KITH_E_DENIED;
    device = e2e_device_find(author->list, op->author_device);
    if (device == NULL) return check_past_signature(account, author, place, op, wants);
    if (!device->is_accepted) return want_list(op, is_fresh, wants);
    return e2e_group_op_verify(op, device->dsk_pub);
}

/*
 * What was before this account came is vouched for by whoever signed the operation that brought it in: that one names it all
 * by its prev_hash (docs/wire/e2ee-groups.md, "Who comes later"). Not so for who was in it before: the group that they knew
 * would become another's under their eyes.
 */
static bool is_vouched(const struct e2e_account *account, const struct group_place *place,
                       const struct e2e_group *after, enum account_pin pin)
{
    if (pin == ACCOUNT_PIN_MET || (place != NULL && place->was_in)) return false;
    return pin == ACCOUNT_PIN_AWAITED || !is_in(account, after);
}

/*
 * Who asked by a link knows one operation of the group for sure, and by that who was in it then. All that comes behind it is
 * verified: else the server could go on from there as it likes, and let this account into that. Until then it counts as not in the
 * group, whatever is there: it may be another one's, or somebody has added it by hand before it asked.
 */
static kith_err check_author(struct e2e_account *account, const uint8_t *chat_id, const struct e2e_group_op *op,
                             const struct e2e_group *after, bool is_fresh, struct e2e_wants *wants)
{
    struct group_place *place = account_group_find(account, chat_id);
    const enum account_pin pin = account_join_pin(account, chat_id, op);

    if (is_vouched(account, place, after, pin)) return KITH_OK;
    return check_signature(account, place, op, is_fresh, wants);
}

static struct group_place *place_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    struct group_place **place = NULL;
    kith_err err = kith_map_add(&account->groups, chat_id, (void **)&place);

    if (err == KITH_E_CONFLICT) return *place;
    if (err != KITH_OK) return NULL;
    *place = calloc(1, sizeof **place);
    if (*place == NULL) {
        (void)kith_map_remove(&account->groups, chat_id);
        return NULL;
    }
    memcpy((*place)->chat_id, chat_id, E2E_ID_BYTES);
    return *place;
}

struct group_place *account_group_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                      struct e2e_group *group, bool is_forked)
{
    struct group_place *place = place_put(account, chat_id);

    if (place == NULL) return NULL;
    e2e_group_free(place->group);
    place->group = group;
    place->is_forked = is_forked;
    return place;
}

void account_group_discard(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    struct group_place *place = account_group_find(account, chat_id);

    if (place == NULL) return;
    assert(!place->was_in);
    account_info_key_forget(account, place);
    account_drop_group(account, chat_id);
    e2e_group_free(place->group);
    free(place);
    (void)kith_map_remove(&account->groups, chat_id);
}

static bool same_info(const struct e2e_group *a, const struct e2e_group *b)
{
    return a->info_len == b->info_len && memcmp(a->info, b->info, a->info_len) == 0;
}

static void note_former(struct group_place *place, const struct e2e_group_op *op, uint64_t event_seq)
{
    const uint32_t keep = place->former_count < E2E_GROUP_HEADS_MAX ? place->former_count : E2E_GROUP_HEADS_MAX - 1;
    struct group_former former = {.until = op->seq, .event_seq = event_seq};

    if (op->kind != E2E_GROUP_REMOVE && op->kind != E2E_GROUP_LEAVE) return;
    memcpy(former.account_id, op->kind == E2E_GROUP_REMOVE ? op->subject : op->author, sizeof former.account_id);
    memmove(place->former + 1, place->former, keep * sizeof former);
    place->former[0] = former;
    place->former_count = keep + 1;
}

bool account_group_had(const struct group_place *place, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                       uint64_t epoch, uint64_t event_seq)
{
    if (e2e_group_find(place->group, account_id) != NULL) return true;
    for (uint32_t i = 0; i < place->former_count; i++)
        if (memcmp(place->former[i].account_id, account_id, E2E_ACCOUNT_ID_BYTES) == 0)
            return place->former[i].until > epoch && place->former[i].event_seq > event_seq;
    return false;
}

static void note_author(struct group_place *place, const struct e2e_group_op *op)
{
    struct group_author *known = author_find(place, op->author), author = {.list_seq = op->list_seq};
    uint32_t keep = place->author_count < E2E_GROUP_HEADS_MAX ? place->author_count : E2E_GROUP_HEADS_MAX - 1;

    memcpy(author.account_id, op->author, sizeof author.account_id);
    if (known != NULL && known->list_seq > author.list_seq) author.list_seq = known->list_seq;
    if (known != NULL) keep = (uint32_t)(known - place->authors);
    memmove(place->authors + 1, place->authors, keep * sizeof author);
    place->authors[0] = author;
    if (known == NULL) place->author_count = keep + 1;
}

/* Who comes back was not told what was said meanwhile: nothing of it is missing. */
static void forget_heard(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    const struct heard_key *key = NULL;
    uint64_t *sseq = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->heard, &at, (const void **)&key, (void **)&sseq)) {
        if (*sseq == 0 || memcmp(key->thread_id, chat_id, E2E_ID_BYTES) != 0) continue;
        *sseq = 0;
        account_drop_heard(account, key);
    }
}

/* What others said before it may still be on its way: e2e_account_group_shown(). */
static void end_chains(struct e2e_account *account, const struct group_place *place, const struct e2e_group_op *op)
{
    const uint8_t *gone = op->kind == E2E_GROUP_REMOVE ? op->subject : op->author;

    if (op->kind != E2E_GROUP_REMOVE && op->kind != E2E_GROUP_LEAVE) return;
    if (is_in(account, place->group))
        account_chain_void(account, place->chat_id, gone);
    else
        account_chain_end(account, place->chat_id);
}

void e2e_account_group_shown(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES], uint64_t seq)
{
    const struct group_place *place = account_group_find(account, chat_id);

    if (place == NULL || !place->was_in || is_in(account, place->group)) return;
    for (uint32_t i = 0; i < place->former_count; i++) {
        if (memcmp(place->former[i].account_id, account->config.account_id, E2E_ACCOUNT_ID_BYTES) != 0) continue;
        if (place->former[i].event_seq > seq) return;
        break; /* the newest first; of who left before the last that are remembered it is long past */
    }
    account_received_end(account, chat_id);
}

static kith_err take_next(struct e2e_account *account, const uint8_t *chat_id, const struct e2e_group_op *op,
                          uint64_t event_seq, bool is_fresh, struct e2e_wants *wants)
{
    struct group_place *place = account_group_find(account, chat_id);
    const struct e2e_group *before = place == NULL ? NULL : place->group;
    const bool was_out = place != NULL && !account_group_is_in(account, place);
    struct e2e_group *after = NULL;
    kith_err err = e2e_group_apply(before, op, &after);

    if (err == KITH_OK) err = check_author(account, chat_id, op, after, is_fresh, wants);
    if (err == KITH_OK && place == NULL && account->groups.count == E2E_GROUPS_MAX) err = KITH_E_FULL;
    if (err != KITH_OK) {
        e2e_group_free(after);
        return err;
    }
    if (before != NULL && !same_info(before, after)) account_info_key_forget(account, place);
    place = account_group_put(account, chat_id, after, place != NULL && place->is_forked);
    if (place == NULL) {
        e2e_group_free(after);
        return KITH_E_NOMEM;
    }
    if (op->kind == E2E_GROUP_CREATE) account_info_key_settle(account, place);
    note_former(place, op, event_seq);
    end_chains(account, place, op);
    note_author(place, op);
    account_join_step(account, place, op);
    place->was_in |= account_group_is_in(account, place);
    if (was_out && account_group_is_in(account, place)) forget_heard(account, chat_id);
    account_keep_group(account, place);
    return KITH_OK;
}

/* Two of one number, both signed: it is the server that shows both. */
static kith_err take_fork(struct e2e_account *account, struct group_place *place, const struct e2e_group_op *op,
                          bool is_fresh, struct e2e_wants *wants)
{
    kith_err err = check_signature(account, place, op, is_fresh, wants);

    if (err != KITH_OK) return err;
    return account_group_forked(account, place);
}

kith_err account_group_forked(struct e2e_account *account, struct group_place *place)
{
    place->is_forked = true;
    account_keep_group(account, place);
    return KITH_E_CONFLICT;
}

/* Where it came in the stream counts, if who fetched it was told that it would come later. */
static void event_came(struct e2e_account *account, struct group_place *place, const struct e2e_group_op *op,
                       uint64_t event_seq)
{
    for (uint32_t i = 0; i < place->former_count; i++) {
        if (place->former[i].until != op->seq || place->former[i].event_seq <= event_seq) continue;
        place->former[i].event_seq = event_seq;
        account_keep_group(account, place);
    }
}

kith_err e2e_account_group_op(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                              struct kith_slice signed_op, uint64_t event_seq, bool is_fresh, struct e2e_wants *wants)
{
    struct group_place *place = account_group_find(account, chat_id);
    struct e2e_group_op op;
    kith_err err;

    wants->count = 0;
    if (account->state != E2E_ACCOUNT_READY) return KITH_E_CLOSED;
    err = e2e_group_op_decode(signed_op, &op);
    if (err != KITH_OK) return err;
    switch (e2e_group_compare(place == NULL ? NULL : place->group, &op)) {
    case E2E_GROUP_STEP_NEXT: return take_next(account, chat_id, &op, event_seq, is_fresh, wants);
    case E2E_GROUP_STEP_SAME: event_came(account, place, &op, event_seq); return KITH_OK;
    case E2E_GROUP_STEP_GAP: return KITH_E_NOTFOUND;
    case E2E_GROUP_STEP_FORK: return take_fork(account, place, &op, is_fresh, wants);
    case E2E_GROUP_STEP_OTHER_GROUP: return KITH_E_DENIED;
    }
    return KITH_E_DENIED;
}

/* ------------------------------------------------------------------------------------------------ making */

static int by_account(const void *a, const void *b)
{
    return memcmp(a, b, E2E_ACCOUNT_ID_BYTES);
}

/* Of each account 16, role u8, ascending; this account is the owner. */
static kith_err put_founders(const struct e2e_account *account, const struct e2e_group_change *change,
                             struct kith_buf *out)
{
    size_t count = (size_t)change->other_count + 1;
    uint8_t *room = NULL;
    kith_err err;

    if (count > E2E_GROUP_FOUNDERS_MAX) return KITH_E_FULL;
    err = kith_buf_reserve(out, count * (E2E_ACCOUNT_ID_BYTES + 1), &room);
    if (err != KITH_OK) return err;
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = room + i * (E2E_ACCOUNT_ID_BYTES + 1);
        bool is_owner = i == change->other_count;
        memcpy(at, is_owner ? account->config.account_id : change->others[i], E2E_ACCOUNT_ID_BYTES);
        at[E2E_ACCOUNT_ID_BYTES] = is_owner ? E2E_ROLE_OWNER : E2E_ROLE_MEMBER;
    }
    qsort(room, count, E2E_ACCOUNT_ID_BYTES + 1, by_account);
    kith_buf_commit(out, count * (E2E_ACCOUNT_ID_BYTES + 1));
    return KITH_OK;
}

static bool draws_link(const struct e2e_group_change *change)
{
    return change->kind == E2E_GROUP_JOIN_KEY && !change->ends;
}

static bool has_info(const struct e2e_group_change *change)
{
    return (change->kind == E2E_GROUP_CREATE || change->kind == E2E_GROUP_INFO) &&
           change->info.name.len + change->info.about.len > 0;
}

static void op_begin(const struct e2e_account *account, uint64_t now_ms, const struct e2e_group *before,
                     const struct e2e_group_change *change, struct e2e_group_op *op)
{
    const struct e2e_device_list *own = account_own_list(account);

    *op = (struct e2e_group_op){
        .kind = change->kind, .author_device = account->self.device_id, .list_seq = own->seq, .made_at_ms = now_ms};
    memcpy(op->author, account->config.account_id, sizeof op->author);
    memcpy(op->list_hash, own->hash, sizeof op->list_hash);
    if (before == NULL)
        e2e_random_fill(&account->config.random, op->group_id, sizeof op->group_id);
    else
        memcpy(op->group_id, before->group_id, sizeof op->group_id);
    switch (change->kind) {
    case E2E_GROUP_ADD:
    case E2E_GROUP_ROLE:
        op->role = change->role;
        op->request = change->kind == E2E_GROUP_ADD ? change->request : (struct kith_slice){0};
        memcpy(op->subject, change->subject, sizeof op->subject);
        return;
    case E2E_GROUP_REMOVE: memcpy(op->subject, change->subject, sizeof op->subject); return;
    case E2E_GROUP_SETTINGS: op->settings = change->settings; return;
    case E2E_GROUP_CREATE:
        op->suite = E2E_GROUP_SUITE;
        op->settings = change->settings;
        return;
    case E2E_GROUP_LEAVE:
    case E2E_GROUP_INFO:
    case E2E_GROUP_JOIN_KEY: return;
    }
}

kith_err e2e_account_group_make(struct e2e_account *account, uint64_t now_ms, const uint8_t *chat_id,
                                const struct e2e_group_change *change, struct kith_buf *signed_op, uint64_t *group_seq)
{
    const struct group_place *place = chat_id == NULL ? NULL : account_group_find(account, chat_id);
    const struct e2e_group *before = place == NULL ? NULL : place->group;
    struct e2e_group *after = NULL;
    struct e2e_group_info_key key;
    struct kith_buf founders, info;
    struct own_link link;
    struct e2e_group_op op;
    const size_t out_len = kith_buf_len(signed_op);
    kith_err err = KITH_OK;

    if (account->state != E2E_ACCOUNT_READY) return KITH_E_CLOSED;
    if ((chat_id == NULL) != (change->kind == E2E_GROUP_CREATE)) return KITH_E_NOTFOUND;
    if (chat_id != NULL && place == NULL) return KITH_E_NOTFOUND;
    if (place != NULL && place->is_forked) return KITH_E_DENIED;
    /* Whoever got it would look us up in a list that does not say that we are there. */
    if (account->self.list_unsent) return KITH_E_AGAIN;
    kith_buf_init(&founders, E2E_GROUP_OP_BYTES_MAX);
    kith_buf_init(&info, E2E_GROUP_INFO_BYTES_MAX);
    op_begin(account, now_ms, before, change, &op);
    if (change->kind == E2E_GROUP_CREATE) err = put_founders(account, change, &founders);
    if (err == KITH_OK && has_info(change))
        err = e2e_group_info_seal(&account->config.random, op.group_id, &change->info, &key, &info);
    if (draws_link(change)) {
        assert(before != NULL); /* only a create has no chat */
        account_link_draw(account, chat_id, before->seq + 1, &link);
        memcpy(op.join_key, link.join_key, sizeof op.join_key);
    }
    op.founders = kith_buf_peek(&founders);
    op.info = kith_buf_peek(&info);
    if (err == KITH_OK) err = e2e_group_make(before, &op, account->self.dsk_secret, &after, signed_op);
    /* Both are kept before the operation goes out: when it comes back its name must be readable here, and its link be shown. */
    if (err == KITH_OK && has_info(change))
        err = account_info_key_put(account, chat_id == NULL ? op.group_id : chat_id, &key);
    if (err == KITH_OK && draws_link(change)) err = account_link_put(account, chat_id, &link);
    if (err == KITH_OK) *group_seq = op.seq;
    if (err != KITH_OK) signed_op->tail = signed_op->head + out_len;
    e2e_group_free(after);
    e2e_wipe(&key, sizeof key);
    e2e_wipe(&link, sizeof link);
    kith_buf_deinit(&founders);
    kith_buf_deinit(&info);
    return err;
}
