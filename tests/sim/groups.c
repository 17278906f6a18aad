#include "groups.h"

#include <stdio.h>

#include "keys.h"
#include "sealed.h"

static bool can_sign(const struct sim_device *device)
{
    return device->client != NULL && !device->persisting && !device->linking.is_leaving &&
           e2e_account_state(kith_client_account(device->client)) == E2E_ACCOUNT_READY;
}

/* The key of a name must be durable before anybody can see the name: a host waits for that. */
static bool is_durable(struct sim_device *device)
{
    kith_client_acted(device->client,
                      (struct kith_time){.mono_ms = loop_now_ms(device->loop), .wall_ms = loop_wall_ms(device->loop)});
    device_run(device);
    return device->client != NULL && !device->persisting;
}

static struct groups_op sign(struct sim_device *device, const struct chat_id *chat, struct e2e_group_change *change)
{
    struct sim *sim = device->sim;
    struct groups_op op = {.change = *change};
    struct e2e_group_op said;
    struct kith_buf bytes;
    char name[64];
    kith_err err;

    if (change->kind == E2E_GROUP_CREATE || change->kind == E2E_GROUP_INFO) {
        (void)snprintf(name, sizeof name, "%s group %u", SEALED_MARK, (unsigned)kith_prng_below(&sim->prng, 1000));
        change->info.name = kith_slice_str(name);
    }
    kith_buf_init(&bytes, E2E_GROUP_SIGNED_BYTES_MAX);
    err = e2e_account_group_make(kith_client_account(device->client), loop_wall_ms(device->loop),
                                 chat == NULL ? NULL : chat->id.raw, change, &bytes, &op.group_seq);
    if (err == KITH_OK) {
        op.signed_op = keys_copy(sim, kith_buf_peek(&bytes));
        if (e2e_group_op_decode(op.signed_op, &said) == KITH_OK) op.join_tag = kith_get_u64_be(said.join_key);
        if (is_durable(device)) op.by = device;
    } else if (err != KITH_E_DENIED && err != KITH_E_AGAIN && err != KITH_E_NOTFOUND) {
        sim_fail(sim, "%s cannot change a group: %s", device->name, kith_err_name(err));
    }
    kith_buf_deinit(&bytes);
    op.change = *change;
    op.change.info = (struct e2e_group_info){0}; /* it ends here */
    return op;
}

struct groups_op groups_create(struct sim *sim, unsigned chat)
{
    struct e2e_group_change change = {.kind = E2E_GROUP_CREATE, .other_count = sim->user_count - 1};
    struct sim_device *device = &sim->devices[0];

    (void)chat;
    if (!can_sign(device)) return (struct groups_op){0};
    /* Who is not in it from the start may ask to be let in. */
    if (sim->has_joins) change.other_count = (uint32_t)kith_prng_below(&sim->prng, sim->user_count);
    change.others = (const uint8_t(*)[E2E_ACCOUNT_ID_BYTES]) & sim->users[1];
    return sign(device, NULL, &change);
}

/* Any of the owner's; mostly one that is to be removed, so that who reads it later finds the device gone. */
static struct sim_device *owner_device(struct sim *sim)
{
    struct sim_device *owners[SIM_DEVICES_MAX], *one;
    uint64_t count = 0;

    for (unsigned d = 0; d < sim->device_count; d++) {
        if (sim->devices[d].user != sim->devices[0].user) continue;
        owners[count++] = one = &sim->devices[d];
        if (one->linking.removed_ms != 0 && can_sign(one) && kith_prng_chance(&sim->prng, 2, 3)) return one;
    }
    return owners[kith_prng_below(&sim->prng, count)];
}

/* Passed on by whoever made it, as it is known there. */
static bool find_link(struct sim *sim, unsigned chat, struct e2e_join_link *link)
{
    for (unsigned d = 0; d < sim->device_count; d++)
        if (can_sign(&sim->devices[d]) && e2e_account_join_link(kith_client_account(sim->devices[d].client),
                                                                sim->chats[chat].id.raw, link) == KITH_OK)
            return true;
    return false;
}

struct groups_op groups_change(struct sim *sim, unsigned chat)
{
    static const enum e2e_group_kind kinds[] = {E2E_GROUP_ADD,  E2E_GROUP_ADD,  E2E_GROUP_REMOVE, E2E_GROUP_REMOVE,
                                                E2E_GROUP_ROLE, E2E_GROUP_INFO, E2E_GROUP_LEAVE};
    struct sim_device *device = &sim->devices[kith_prng_below(&sim->prng, sim->device_count)];
    unsigned subject = (unsigned)kith_prng_below(&sim->prng, sim->user_count);
    struct e2e_join_link link;
    struct e2e_group_change change = {.kind = kinds[kith_prng_below(&sim->prng, sizeof kinds / sizeof kinds[0])]};

    /* Mostly who may: the owner, by any device, also one that is removed later. */
    if (device->user != sim->devices[0].user && kith_prng_chance(&sim->prng, 2, 3)) device = owner_device(sim);
    if (sim->has_joins && (!find_link(sim, chat, &link) || kith_prng_chance(&sim->prng, 1, 8))) {
        change.kind = E2E_GROUP_JOIN_KEY;
        device = &sim->devices[0];
    }
    if (change.kind == E2E_GROUP_LEAVE && kith_prng_chance(&sim->prng, 2, 3)) change.kind = E2E_GROUP_INFO;
    change.role = (uint8_t)kith_prng_between(&sim->prng, E2E_ROLE_MEMBER, E2E_ROLE_ADMIN);
    if (change.kind == E2E_GROUP_ADD) change.role = E2E_ROLE_MEMBER;
    change.ends = change.kind == E2E_GROUP_JOIN_KEY && kith_prng_chance(&sim->prng, 1, 6);
    memcpy(change.subject, sim->users[subject].id.raw, sizeof change.subject);
    if (!can_sign(device)) return (struct groups_op){0};
    return sign(device, &sim->chats[chat], &change);
}

struct looked_up {
    struct row_key key;
    bool is_in;
};

static void look_up_row(void *arg, struct kith_slice key, struct kith_slice value)
{
    struct looked_up *looked_up = arg;
    struct row_member row;

    if (!kith_slice_eq(key, row_key_slice(&looked_up->key)) || row_member_decode(value, &row) != KITH_OK) return;
    looked_up->is_in = row_member_last_visible(&row) == UINT64_MAX;
}

/* A host asks that first, as GET /chats/{chat_id}: who is in it, by an older operation than the link's, must not ask. */
static bool is_in(struct sim *sim, unsigned chat, unsigned user)
{
    struct looked_up looked_up = {.key = row_key_member(sim->chats[chat], sim->users[user])};

    msgstore_mem_each(sim->server.store_image, look_up_row, &looked_up);
    return looked_up.is_in;
}

static struct sim_device *outsider(struct sim *sim, unsigned chat)
{
    uint64_t first = kith_prng_below(&sim->prng, sim->device_count);

    for (uint64_t i = 0; i < sim->device_count; i++) {
        struct sim_device *device = &sim->devices[(first + i) % sim->device_count];
        if (can_sign(device) && !is_in(sim, chat, device->user)) return device;
    }
    return NULL;
}

struct groups_ask groups_ask(struct sim *sim, unsigned chat)
{
    struct sim_device *device = outsider(sim, chat);
    struct groups_ask ask = {0};
    struct e2e_join_link link;
    struct kith_buf bytes;
    uint8_t key[E2E_SIGN_PUBLIC_BYTES];
    kith_err err;

    if (device == NULL || !find_link(sim, chat, &link)) return ask;
    kith_buf_init(&bytes, E2E_JOIN_SIGNED_BYTES_MAX);
    err = e2e_account_join_ask(kith_client_account(device->client), loop_wall_ms(device->loop), &link, &bytes);
    if (err == KITH_OK) {
        e2e_join_key(&link, key);
        ask.join_tag = kith_get_u64_be(key);
        ask.request = keys_copy(sim, kith_buf_peek(&bytes));
        if (is_durable(device)) ask.by = device;
        sim_note(sim, "%s asks to join chat %u", device->name, chat);
    } else if (err != KITH_E_CONFLICT && err != KITH_E_AGAIN && err != KITH_E_NOTFOUND) { /* the link may be too old */
        sim_fail(sim, "%s cannot ask to join a group: %s", device->name, kith_err_name(err));
    }
    kith_buf_deinit(&bytes);
    return ask;
}

struct found {
    struct sim_device *device;
    struct chat_id chat;
    uint64_t after;
};

static void found_row(void *arg, struct kith_slice key, struct kith_slice value)
{
    const struct found *found = arg;
    struct row_group_op row;
    uint64_t group_seq = 0;

    if (key.len != ROW_PREFIX_STREAM + 8 || key.ptr[0] != 'G' || memcmp(key.ptr + 1, found->chat.id.raw, 16) != 0)
        return;
    if (row_key_tail_seq(key, &group_seq) != KITH_OK || row_group_op_decode(value, &row) != KITH_OK) {
        sim_fail(found->device->sim, "the store holds an operation that cannot be read");
        return;
    }
    if (group_seq > found->after) kith_client_group_op(found->device->client, found->chat, row.seq, row.signed_op);
}

void groups_answer(struct sim_device *device, struct chat_id chat, uint64_t after)
{
    struct found found = {.device = device, .chat = chat, .after = after};

    msgstore_mem_each(device->sim->server.store_image, found_row, &found);
}
