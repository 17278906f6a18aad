#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_impl.h"

/* Invite links: those that this device made, those that it asked with, and whom it lets in. */

static bool is_in(const struct e2e_group *group, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    return e2e_group_find(group, account_id) != NULL;
}

static bool same_key(const uint8_t a[static E2E_SIGN_PUBLIC_BYTES], const uint8_t b[static E2E_SIGN_PUBLIC_BYTES])
{
    return memcmp(a, b, E2E_SIGN_PUBLIC_BYTES) == 0; /* public */
}

/* ------------------------------------------------------------------------------------------------ links made here */

static struct own_links *links_find(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    struct own_links **found = kith_map_find(&account->links, chat_id);

    return found == NULL ? NULL : *found;
}

void account_link_fill(struct own_link *link, const uint8_t chat_id[static E2E_ID_BYTES])
{
    struct e2e_join_link whole = {0};

    memcpy(whole.chat_id, chat_id, sizeof whole.chat_id);
    memcpy(whole.secret, link->secret, sizeof whole.secret);
    e2e_join_key(&whole, link->join_key);
    e2e_wipe(&whole, sizeof whole);
}

void account_link_draw(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES], uint64_t seq,
                       struct own_link *out)
{
    const struct own_links *links = links_find(account, chat_id);

    if (links != NULL && links->next.seq == seq) {
        *out = links->next;
        return;
    }
    *out = (struct own_link){.seq = seq};
    e2e_random_fill(&account->config.random, out->secret, sizeof out->secret);
    account_link_fill(out, chat_id);
}

kith_err account_links_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                           struct own_links **out)
{
    struct own_links **links = NULL;
    kith_err err = kith_map_add(&account->links, chat_id, (void **)&links);

    if (err != KITH_OK && err != KITH_E_CONFLICT) return err;
    if (err == KITH_OK) *links = calloc(1, sizeof **links);
    *out = *links;
    if (*out != NULL) return KITH_OK;
    (void)kith_map_remove(&account->links, chat_id);
    return KITH_E_NOMEM;
}

kith_err account_link_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                          const struct own_link *next)
{
    struct own_links *links = NULL;
    kith_err err = account_links_put(account, chat_id, &links);

    if (err != KITH_OK) return err;
    links->next = *next;
    account_keep_links(account, chat_id, links);
    return KITH_OK;
}

static void links_free(struct own_links *links)
{
    e2e_wipe(links, sizeof *links);
    free(links);
}

/* Its operation was taken, or another one in its place. Whether there was one. */
static bool next_is_over(struct own_links *links, const struct e2e_group_op *op)
{
    if (links->next.seq == 0) return false;
    if (op->kind == E2E_GROUP_JOIN_KEY && same_key(op->join_key, links->next.join_key)) {
        links->held = links->next;
        memcpy(links->held.op_hash, op->hash, sizeof links->held.op_hash);
    }
    e2e_wipe(&links->next, sizeof links->next);
    return true;
}

static bool held_is_over(const struct e2e_account *account, struct own_links *links, const struct e2e_group *group)
{
    if (links->held.seq == 0) return false;
    if (is_in(group, account->config.account_id) && same_key(links->held.join_key, group->join_key)) return false;
    e2e_wipe(&links->held, sizeof links->held);
    return true;
}

static void links_step(struct e2e_account *account, const struct group_place *place, const struct e2e_group_op *op)
{
    struct own_links *links = links_find(account, place->chat_id);
    bool has_changed;

    if (links == NULL) return;
    has_changed = next_is_over(links, op);
    has_changed |= held_is_over(account, links, place->group);
    if (!has_changed) return;
    if (links->held.seq != 0 || links->next.seq != 0) {
        account_keep_links(account, place->chat_id, links);
        return;
    }
    account_drop_links(account, place->chat_id);
    links_free(links);
    (void)kith_map_remove(&account->links, place->chat_id);
}

kith_err e2e_account_join_link(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                               struct e2e_join_link *out)
{
    const struct group_place *place = account_group_find(account, chat_id);
    const struct own_links *links = links_find(account, chat_id);

    if (place == NULL || place->is_forked || !account_group_is_in(account, place)) return KITH_E_NOTFOUND;
    if (!e2e_group_has_link(place->group)) return KITH_E_NOTFOUND;
    if (links == NULL || links->held.seq == 0 || !same_key(links->held.join_key, place->group->join_key))
        return KITH_E_DENIED;
    memcpy(out->chat_id, chat_id, sizeof out->chat_id);
    memcpy(out->secret, links->held.secret, sizeof out->secret);
    memcpy(out->op_hash, links->held.op_hash, sizeof out->op_hash);
    return KITH_OK;
}

/* ------------------------------------------------------------------------------------------------ asking */

static struct join_pin *pin_find(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    return kith_map_find(&account->pins, chat_id);
}

enum account_pin account_join_pin(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                  const struct e2e_group_op *op)
{
    const struct join_pin *pin = pin_find(account, chat_id);

    if (pin == NULL) return ACCOUNT_PIN_NONE;
    if (pin->is_met || memcmp(pin->op_hash, op->hash, sizeof pin->op_hash) == 0) return ACCOUNT_PIN_MET;
    return ACCOUNT_PIN_AWAITED;
}

bool account_join_awaits(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    const struct join_pin *pin = pin_find(account, chat_id);

    return pin != NULL && !pin->is_met;
}

void e2e_account_join_forget(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    const struct group_place *place = account_group_find(account, chat_id);

    if (pin_find(account, chat_id) == NULL) return;
    /* What was read while that operation was awaited, nobody has verified. */
    if (place != NULL && !place->was_in && account_join_awaits(account, chat_id))
        account_group_discard(account, chat_id);
    account_drop_pin(account, chat_id);
    (void)kith_map_remove(&account->pins, chat_id);
}

static void pin_step(struct e2e_account *account, const struct group_place *place, const struct e2e_group_op *op)
{
    struct join_pin *pin = pin_find(account, place->chat_id);

    if (pin == NULL) return;
    if (!pin->is_met && account_join_pin(account, place->chat_id, op) == ACCOUNT_PIN_MET) {
        pin->is_met = true;
        account_keep_pin(account, place->chat_id, pin);
    }
    if (account_group_is_in(account, place)) e2e_account_join_forget(account, place->chat_id);
}

void account_join_step(struct e2e_account *account, const struct group_place *place, const struct e2e_group_op *op)
{
    links_step(account, place, op);
    pin_step(account, place, op);
}

static kith_err pin_put(struct e2e_account *account, const struct e2e_join_link *link, bool was_in)
{
    struct join_pin *pin = NULL;
    kith_err err = kith_map_add(&account->pins, link->chat_id, (void **)&pin);

    if (err != KITH_OK && err != KITH_E_CONFLICT) return err;
    *pin = (struct join_pin){0};
    memcpy(pin->op_hash, link->op_hash, sizeof pin->op_hash);
    account_keep_pin(account, link->chat_id, pin);
    /* What was read of it before may not be what the link leads to, or be past the operation that it names: it is read anew. */
    if (!was_in) account_group_discard(account, link->chat_id);
    return KITH_OK;
}

/* The operation that the link names is one of the last. */
static bool remembers(const struct e2e_group *group, const struct e2e_join_link *link)
{
    for (uint32_t i = 0; i < group->head_count; i++)
        if (memcmp(group->heads[i], link->op_hash, sizeof link->op_hash) == 0) return true;
    return false;
}

/* Who is in the group of that chat, or was, may have been shown another one there: the link says whether it is this one. */
static kith_err check_known(const struct e2e_account *account, const struct group_place *place,
                            const struct e2e_join_link *link)
{
    uint8_t join_key[E2E_SIGN_PUBLIC_BYTES];

    if (account_group_is_in(account, place)) return remembers(place->group, link) ? KITH_E_CONFLICT : KITH_E_NOTFOUND;
    if (!place->was_in || remembers(place->group, link)) return KITH_OK;
    /* With that key the operation is behind us, if it is one of this group: it would be awaited for ever. */
    e2e_join_key(link, join_key);
    return same_key(join_key, place->group->join_key) ? KITH_E_NOTFOUND : KITH_OK;
}

kith_err e2e_account_join_ask(struct e2e_account *account, uint64_t now_ms, const struct e2e_join_link *link,
                              struct kith_buf *out)
{
    const struct group_place *place = account_group_find(account, link->chat_id);
    const bool was_in = place != NULL && place->was_in;
    const struct e2e_device_list *own = account_own_list(account);
    const size_t out_len = kith_buf_len(out);
    struct e2e_join_request request;
    kith_err err;

    if (account->state != E2E_ACCOUNT_READY) return KITH_E_CLOSED;
    err = place == NULL ? KITH_OK : check_known(account, place, link);
    if (err != KITH_OK) return err;
    if (place != NULL && place->is_forked) return KITH_E_DENIED;
    if (account->self.list_unsent) return KITH_E_AGAIN;
    request = (struct e2e_join_request){.device_id = account->self.device_id,
                                        .list_seq = own->seq,
                                        .made_at_ms = now_ms,
                                        .known_seq = was_in ? place->group->seq : 0};
    memcpy(request.account_id, account->config.account_id, sizeof request.account_id);
    memcpy(request.list_hash, own->hash, sizeof request.list_hash);
    err = e2e_join_sign(link, &request, account->self.dsk_secret, out);
    if (err == KITH_OK && was_in && remembers(place->group, link))
        e2e_account_join_forget(account, link->chat_id); /* it is that group, whatever another link was waited for */
    else if (err == KITH_OK)
        err = pin_put(account, link, was_in);
    if (err != KITH_OK) out->tail = out->head + out_len;
    return err;
}

/* ------------------------------------------------------------------------------------------------ being asked */

/* For the link that the group has, by who has it. */
static kith_err check_proof(const struct e2e_group *group, const struct e2e_join_request *request)
{
    if (!e2e_group_has_link(group) || !same_key(request->join_key, group->join_key)) return KITH_E_DENIED;
    return e2e_join_prove(request);
}

kith_err e2e_account_join_asked(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                const uint8_t asker[static E2E_ACCOUNT_ID_BYTES], struct kith_slice signed_request)
{
    const struct group_place *place = account_group_find(account, chat_id);
    struct e2e_join_request request;
    kith_err err = e2e_join_decode(signed_request, &request);

    if (err != KITH_OK) return err;
    if (place == NULL || memcmp(request.account_id, asker, sizeof request.account_id) != 0) return KITH_E_DENIED;
    return check_proof(place->group, &request);
}

/* Whoever left since it was made did not ask to come back by it. */
static bool has_left_since(const struct group_place *place, const struct e2e_join_request *request)
{
    for (uint32_t i = 0; i < place->former_count; i++)
        if (memcmp(place->former[i].account_id, request->account_id, E2E_ACCOUNT_ID_BYTES) == 0 &&
            place->former[i].until > request->known_seq)
            return true;
    return false;
}

static bool is_of_now(const struct e2e_join_request *request, uint64_t now_ms)
{
    return request->made_at_ms > now_ms ? request->made_at_ms - now_ms <= E2E_JOIN_AHEAD_MS
                                        : now_ms - request->made_at_ms <= E2E_JOIN_LIFE_MS;
}

/* A device of the asker's, as their list has it. */
static kith_err check_asker(const struct e2e_account *account, const struct e2e_join_request *request, bool is_fresh,
                            struct e2e_wants *wants)
{
    const struct person *asker = account_person_find(account, request->account_id);
    const struct e2e_device_list *list = asker == NULL ? NULL : asker->list;
    const struct e2e_device *device = list == NULL ? NULL : e2e_device_find(list, request->device_id);

    /* Nothing would be sent to them, and so nothing to the group. */
    if (asker != NULL && (asker->trust == E2E_TRUST_CHANGED || asker->trust == E2E_TRUST_FORKED)) return KITH_E_DENIED;
    if (list != NULL && list->seq == request->list_seq && memcmp(list->hash, request->list_hash, E2E_HASH_BYTES) != 0)
        return KITH_E_DENIED;
    /* An acceptance comes behind its list. */
    if (list == NULL || list->seq < request->list_seq || account_person_is_stale(asker) ||
        (device != NULL && !device->is_accepted)) {
        if (is_fresh) return KITH_E_DENIED;
        account_want(wants, E2E_WANT_LIST, request->account_id, NULL);
        return KITH_E_AGAIN;
    }
    return device == NULL ? KITH_E_DENIED : e2e_join_verify(request, device->dsk_pub);
}

kith_err e2e_account_join_check(struct e2e_account *account, uint64_t now_ms,
                                const uint8_t chat_id[static E2E_ID_BYTES], struct kith_slice signed_request,
                                bool is_fresh, struct e2e_wants *wants)
{
    const struct group_place *place = account_group_find(account, chat_id);
    const struct e2e_group_member *me;
    struct e2e_join_request request;
    kith_err err;

    wants->count = 0;
    if (account->state != E2E_ACCOUNT_READY) return KITH_E_CLOSED;
    if (place == NULL) return KITH_E_NOTFOUND;
    me = e2e_group_find(place->group, account->config.account_id);
    if (!account_group_is_in(account, place) || me->role < E2E_ROLE_ADMIN || place->is_forked) return KITH_E_CLOSED;
    err = e2e_join_decode(signed_request, &request);
    if (err != KITH_OK) return err;
    if (is_in(place->group, request.account_id)) return KITH_E_CONFLICT;
    if (place->group->member_count == E2E_GROUP_MEMBERS_MAX) return KITH_E_FULL;
    if (!is_of_now(&request, now_ms)) return KITH_E_DENIED;
    err = check_proof(place->group, &request);
    if (err != KITH_OK) return err;
    if (has_left_since(place, &request)) return KITH_E_DENIED;
    return check_asker(account, &request, is_fresh, wants);
}

void account_joins_free(struct e2e_account *account)
{
    struct own_links **links = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->links, &at, NULL, (void **)&links)) links_free(*links);
    kith_map_deinit(&account->links);
    kith_map_deinit(&account->pins);
}
