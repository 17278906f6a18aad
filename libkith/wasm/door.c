#include "libkith/wasm/door.h"

#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/wasm/door_impl.h"

/* Handles, and the one way into a call. A handle is generation * DOOR_HANDLES_MAX + place; the first generation is 1. */
#define GENERATIONS_MAX (UINT32_MAX / DOOR_HANDLES_MAX)

struct door {
    struct e2e_random random;
    struct door_slot slots[DOOR_HANDLES_MAX];
};

struct door *door_new(const struct e2e_random *random)
{
    struct door *door = calloc(1, sizeof *door);

    if (door != NULL) door->random = *random;
    return door;
}

static void client_free(struct door_client *client)
{
    if (client == NULL) return;
    kith_client_free(client->client);
    kith_buf_wipe(&client->records);
    free(client);
}

static void vault_free(struct vault *vault)
{
    if (vault == NULL) return;
    vault_deinit(vault);
    free(vault);
}

void door_slot_free(struct door_slot *slot)
{
    client_free(slot->client);
    vault_free(slot->vault);
    *slot = (struct door_slot){.generation = slot->generation};
}

void door_free(struct door *door)
{
    if (door == NULL) return;
    for (size_t i = 0; i < DOOR_HANDLES_MAX; i++) door_slot_free(&door->slots[i]);
    free(door);
}

/* ------------------------------------------------------------------------------------------------ handles */

/* NULL: there is none. One that was behind all its handles stays free for good. */
static struct door_slot *free_slot(struct door *door)
{
    for (size_t i = 0; i < DOOR_HANDLES_MAX; i++) {
        struct door_slot *slot = &door->slots[i];
        if (slot->kind == DOOR_NONE && slot->generation + 1 < GENERATIONS_MAX) return slot;
    }
    return NULL;
}

static kith_err give(struct door *door, struct door_slot slot, struct kith_buf *out)
{
    struct door_slot *place = free_slot(door);

    if (place == NULL) return KITH_E_FULL;
    slot.generation = place->generation + 1;
    TRY(kith_buf_append_u32_be(out, slot.generation * DOOR_HANDLES_MAX + (uint32_t)(place - door->slots)));
    *place = slot;
    return KITH_OK;
}

kith_err door_give_client(struct door *door, struct door_client *client, struct kith_buf *out)
{
    kith_err err = give(door, (struct door_slot){.kind = DOOR_CLIENT, .client = client}, out);

    if (err != KITH_OK) client_free(client);
    return err;
}

kith_err door_give_vault(struct door *door, struct vault *vault, struct kith_buf *out)
{
    kith_err err = give(door, (struct door_slot){.kind = DOOR_VAULT, .vault = vault}, out);

    if (err != KITH_OK) vault_free(vault);
    return err;
}

/* NULL: no such handle, or of another kind. */
static struct door_slot *slot_of(struct door *door, uint32_t handle, enum door_kind kind)
{
    struct door_slot *slot = &door->slots[handle % DOOR_HANDLES_MAX];

    return slot->kind == kind && slot->generation == handle / DOOR_HANDLES_MAX ? slot : NULL;
}

/* ------------------------------------------------------------------------------------------------ arguments */

kith_err door_arg_u8(struct kith_slice arg, uint8_t *out)
{
    if (arg.len != 1) return KITH_E_MALFORMED;
    *out = arg.ptr[0];
    return KITH_OK;
}

kith_err door_arg_flag(struct kith_slice arg, bool *out)
{
    uint8_t value = 0;

    TRY(door_arg_u8(arg, &value));
    if (value > 1) return KITH_E_MALFORMED;
    *out = value != 0;
    return KITH_OK;
}

kith_err door_arg_u32(struct kith_slice arg, uint32_t *out)
{
    if (arg.len != 4) return KITH_E_MALFORMED;
    *out = e2e_tlv_u32(arg);
    return KITH_OK;
}

kith_err door_arg_u64(struct kith_slice arg, uint64_t *out)
{
    if (arg.len != 8) return KITH_E_MALFORMED;
    *out = e2e_tlv_u64(arg);
    return KITH_OK;
}

kith_err door_arg_id(struct kith_slice arg, struct kith_uuid *out)
{
    if (arg.len != sizeof out->raw) return KITH_E_MALFORMED;
    memcpy(out->raw, arg.ptr, sizeof out->raw);
    return KITH_OK;
}

static kith_err read_args(const struct door_call *call, struct kith_slice in,
                          struct kith_slice args[static DOOR_ARGS_MAX])
{
    struct e2e_tlv_field fields[DOOR_ARGS_MAX];

    if (call->arg_count == 0) return in.len == 0 ? KITH_OK : KITH_E_UNSUPPORTED;
    for (size_t i = 0; i < call->arg_count; i++)
        fields[i] = (struct e2e_tlv_field){.tag = (uint16_t)(i + 1), .bytes_max = E2E_TLV_BYTES_MAX};
    return e2e_tlv_decode(in, fields, call->arg_count, args);
}

/* ------------------------------------------------------------------------------------------------ calls */

static const struct door_call calls[] = {
#define X(name, kind, count, what) {#name, DOOR_##kind, count, door_##name},
    KITH_DOOR_CALLS(X)
#undef X
};
#define X(name, kind, count, what) _Static_assert((count) <= DOOR_ARGS_MAX, "arguments of " #name);
KITH_DOOR_CALLS(X)
#undef X

const struct door_call *door_find(const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i].name, name) == 0) return &calls[i];
    return NULL;
}

kith_err door_run(struct door *door, const struct door_call *call, uint32_t handle, struct kith_time now,
                  struct kith_slice in, struct kith_buf *out)
{
    struct door_at at = {.door = door, .random = &door->random, .now = now};
    struct kith_slice args[DOOR_ARGS_MAX] = {0};
    size_t before = kith_buf_len(out);
    kith_err err;

    if (call->kind != DOOR_NONE) {
        at.slot = slot_of(door, handle, call->kind);
        if (at.slot == NULL) return KITH_E_NOTFOUND;
        at.client = at.slot->client;
        at.vault = at.slot->vault;
    }
    err = read_args(call, in, args);
    if (err == KITH_OK) err = call->run(&at, args, out);
    if (err != KITH_OK && kith_buf_len(out) > before) {
        e2e_wipe(out->ptr + out->head + before, kith_buf_len(out) - before);
        out->tail = out->head + before;
    }
    return err;
}
