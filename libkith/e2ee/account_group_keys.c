#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_group.h"
#include "libkith/e2ee/account_impl.h"

/* The keys of groups' names: drawn here, or given by a member; each is kept until its name is another. */

_Static_assert(E2E_GROUP_ID_BYTES == E2E_ID_BYTES, "either names a group");

static const uint8_t no_chat[E2E_ID_BYTES]; /* of a key that an older build kept: account_load.c */

static struct info_key_name name_of(const uint8_t chat_id[static E2E_ID_BYTES],
                                    const uint8_t id[static E2E_GROUP_KEY_ID_BYTES])
{
    struct info_key_name name;

    memcpy(name.chat_id, chat_id, sizeof name.chat_id);
    memcpy(name.id, id, sizeof name.id);
    return name;
}

kith_err account_info_key_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                              const struct e2e_group_info_key *key)
{
    const struct info_key_name name = name_of(chat_id, key->id);
    uint8_t *place = NULL;
    kith_err err = kith_map_add(&account->info_keys, &name, (void **)&place);

    if (err == KITH_E_CONFLICT) return KITH_OK; /* a second, other key of a known id is ignored */
    if (err != KITH_OK) return err;
    memcpy(place, key->key, sizeof key->key);
    account_keep_info_key(account, &name, place);
    return KITH_OK;
}

static void forget(struct e2e_account *account, const struct info_key_name *name)
{
    uint8_t *key = kith_map_find(&account->info_keys, name);

    if (key == NULL) return;
    account_drop_info_key(account, name);
    e2e_wipe(key, E2E_KEY_BYTES);
    (void)kith_map_remove(&account->info_keys, name);
}

/*
 * Only what the name wants: a member must not fill the others' memory. And only a key that opens it: another would keep the
 * right one out, whoever was first. KITH_E_DENIED, KITH_E_MALFORMED: it is none of this name. KITH_E_NOMEM.
 */
static kith_err check_key(const struct e2e_group *group, const struct e2e_group_info_key *key)
{
    struct e2e_group_info info;
    struct kith_buf plain;
    kith_err err;

    if (group->info_len == 0) return KITH_E_DENIED;
    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    err = e2e_group_info_open(key, group->group_id, kith_slice_of(group->info, group->info_len), &plain, &info);
    kith_buf_wipe(&plain);
    return err;
}

/* One that an older build kept, of no chat: whether it is this group's its name says. */
static const uint8_t *old_key_of(const struct e2e_account *account, const struct e2e_group *group,
                                 const uint8_t id[static E2E_GROUP_KEY_ID_BYTES])
{
    const struct info_key_name name = name_of(no_chat, id);
    const uint8_t *found = kith_map_find(&account->info_keys, &name);
    struct e2e_group_info_key key;
    bool opens;

    if (found == NULL) return NULL;
    memcpy(key.id, id, sizeof key.id);
    memcpy(key.key, found, sizeof key.key);
    opens = check_key(group, &key) == KITH_OK;
    e2e_wipe(&key, sizeof key);
    return opens ? found : NULL;
}

/* The key that the group's name wants; NULL: it has none, or the key is not here. */
static const uint8_t *key_of(const struct e2e_account *account, const struct group_place *place, const uint8_t **id)
{
    const struct e2e_group *group = place->group;
    struct info_key_name name;
    const uint8_t *found;

    *id = NULL;
    if (group->info_len == 0) return NULL;
    if (e2e_group_info_key_id(kith_slice_of(group->info, group->info_len), id) != KITH_OK) return NULL;
    name = name_of(place->chat_id, *id);
    found = kith_map_find(&account->info_keys, &name);
    return found != NULL ? found : old_key_of(account, group, *id);
}

/* The new place first: without memory for it the key stays where it is, and the name is not there until it is given again. */
void account_info_key_settle(struct e2e_account *account, const struct group_place *place)
{
    struct e2e_group_info_key key;
    struct info_key_name name;
    const uint8_t *id = NULL, *found = NULL;

    (void)key_of(account, place, &id);
    if (id == NULL) return;
    name = name_of(place->group->group_id, id);
    found = kith_map_find(&account->info_keys, &name);
    if (found == NULL) return; /* another device's */
    memcpy(key.id, id, sizeof key.id);
    memcpy(key.key, found, sizeof key.key);
    forget(account, &name);
    if (account_info_key_put(account, place->chat_id, &key) != KITH_OK)
        abort(); /* nobody else has it: see account_impl.h */
    e2e_wipe(&key, sizeof key);
}

kith_err account_info_keys_put(const struct e2e_account *account, struct kith_buf *out)
{
    struct group_place **place = NULL;
    const uint8_t *id, *key;
    uint32_t at = 0;
    kith_err err = KITH_OK;

    while (err == KITH_OK && kith_buf_len(out) < ACCOUNT_INFO_KEYS_BYTES_MAX &&
           kith_map_next(&account->groups, &at, NULL, (void **)&place)) {
        if (!account_group_is_in(account, *place)) continue;
        key = key_of(account, *place, &id);
        if (key == NULL) continue;
        err = kith_buf_append(out, kith_slice_of((*place)->chat_id, E2E_ID_BYTES));
        if (err == KITH_OK) err = kith_buf_append(out, kith_slice_of(id, E2E_GROUP_KEY_ID_BYTES));
        if (err == KITH_OK) err = kith_buf_append(out, kith_slice_of(key, E2E_KEY_BYTES));
    }
    return err;
}

void account_info_keys_take(struct e2e_account *account, struct kith_slice keys)
{
    uint8_t chat_id[E2E_ID_BYTES];
    struct e2e_group_info_key key;

    while (kith_eat_copy(&keys, chat_id, sizeof chat_id) == KITH_OK &&
           kith_eat_copy(&keys, key.id, sizeof key.id) == KITH_OK &&
           kith_eat_copy(&keys, key.key, sizeof key.key) == KITH_OK)
        kith_ignore(account_info_key_put(account, chat_id, &key)); /* without it somebody gives it again */
    e2e_wipe(&key, sizeof key);
}

void account_info_key_forget(struct e2e_account *account, const struct group_place *place)
{
    const uint8_t *id = NULL;
    struct info_key_name name;

    if (key_of(account, place, &id) == NULL) return;
    name = name_of(place->chat_id, id);
    if (kith_map_find(&account->info_keys, &name) == NULL) name = name_of(no_chat, id);
    forget(account, &name);
}

bool e2e_account_group_gives(const struct e2e_account *account, struct kith_slice signed_op)
{
    struct e2e_group_op op;

    if (e2e_group_op_decode(signed_op, &op) != KITH_OK) return false;
    if (op.kind != E2E_GROUP_CREATE && op.kind != E2E_GROUP_ADD && op.kind != E2E_GROUP_INFO) return false;
    return op.author_device == account->self.device_id &&
           memcmp(op.author, account->config.account_id, sizeof op.author) == 0;
}

void account_group_keys_of(const struct e2e_account *account, const struct group_place *place,
                           struct e2e_group_keys *out)
{
    const uint8_t *id = NULL, *key = key_of(account, place, &id);

    *out = (struct e2e_group_keys){.has_info_key = key != NULL};
    memcpy(out->group_id, place->group->group_id, sizeof out->group_id);
    if (key == NULL) return;
    memcpy(out->info_key.id, id, sizeof out->info_key.id);
    memcpy(out->info_key.key, key, sizeof out->info_key.key);
}

kith_err e2e_account_group_keys(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                struct kith_buf *out)
{
    const struct group_place *place = account_group_find(account, chat_id);
    struct e2e_group_keys keys;
    kith_err err;

    if (place == NULL) return KITH_E_NOTFOUND;
    account_group_keys_of(account, place, &keys);
    err = keys.has_info_key ? e2e_group_keys_encode(&keys, out) : KITH_E_NOTFOUND;
    e2e_wipe(&keys, sizeof keys);
    return err;
}

static kith_err take_info_key(struct e2e_account *account, const struct group_place *place,
                              const struct e2e_group_info_key *key)
{
    kith_err err = check_key(place->group, key);

    if (err == KITH_OK) err = account_info_key_put(account, place->chat_id, key);
    /* A key of an older name, or of a newer one, is nobody's fault. */
    return err == KITH_E_DENIED || err == KITH_E_MALFORMED ? KITH_OK : err;
}

/* It is given to each device by itself: what all could read gives nothing that only some may have. */
static kith_err take_given(struct e2e_account *account, const struct group_place *place,
                           const struct e2e_opened *opened, const struct e2e_chain_given *given)
{
    struct received_key key;

    if (opened->is_common) return KITH_E_DENIED;
    memcpy(key.chat_id, place->chat_id, sizeof key.chat_id);
    memcpy(key.account_id, opened->payload.account_id, sizeof key.account_id);
    kith_put_u32_be(key.device_id, opened->payload.device_id);
    return account_received_put(account, &key, place->group->group_id, given);
}

kith_err e2e_account_group_keys_take(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                     const struct e2e_opened *opened)
{
    const struct group_place *place = account_group_find(account, chat_id);
    struct e2e_group_keys keys;
    kith_err err = e2e_group_keys_decode(opened->payload.body, &keys);

    if (err == KITH_OK && place == NULL) err = KITH_E_NOTFOUND;
    if (err == KITH_OK && memcmp(keys.group_id, place->group->group_id, sizeof keys.group_id) != 0) err = KITH_E_DENIED;
    if (err == KITH_OK && keys.has_chain) err = take_given(account, place, opened, &keys.chain);
    if (err == KITH_OK && keys.has_info_key) err = take_info_key(account, place, &keys.info_key);
    e2e_wipe(&keys, sizeof keys);
    return err;
}

kith_err e2e_account_group_info(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                struct kith_buf *plain, struct e2e_group_info *out)
{
    const struct group_place *place = account_group_find(account, chat_id);
    struct e2e_group_info_key found;
    const uint8_t *key, *id = NULL;
    kith_err err;

    *out = (struct e2e_group_info){0};
    if (place == NULL) return KITH_E_NOTFOUND;
    if (place->group->info_len == 0) return KITH_OK;
    key = key_of(account, place, &id);
    if (id == NULL) return KITH_E_MALFORMED;
    if (key == NULL) return KITH_E_NOTFOUND;
    memcpy(found.id, id, sizeof found.id);
    memcpy(found.key, key, sizeof found.key);
    err = e2e_group_info_open(&found, place->group->group_id, kith_slice_of(place->group->info, place->group->info_len),
                              plain, out);
    e2e_wipe(&found, sizeof found);
    return err;
}

void account_groups_free(struct e2e_account *account)
{
    struct group_place **place = NULL;
    uint8_t *key = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->groups, &at, NULL, (void **)&place)) {
        e2e_group_free((*place)->group);
        free(*place);
    }
    at = 0;
    while (kith_map_next(&account->info_keys, &at, NULL, (void **)&key)) e2e_wipe(key, E2E_KEY_BYTES);
    kith_map_deinit(&account->groups);
    kith_map_deinit(&account->info_keys);
}
