#ifndef LIBKITH_WASM_DOOR_IMPL_H
#define LIBKITH_WASM_DOOR_IMPL_H

#include "libkith/crypto/tlv.h"
#include "libkith/vault.h"
#include "libkith/wasm/args.h"
#include "libkith/wasm/door.h"

/* The inside of a door: what is behind a handle, and what the door_*.c share. */

struct door_client {
    struct kith_client *client;
    struct user_id user;
    bool started;
    enum kith_fetch_kind asked; /* of the FETCH that was taken and is not answered; 0: none */
    struct kith_buf records;    /* of the PERSIST that was taken last: those that were not taken */
};

struct door_slot {
    uint32_t generation; /* how many handles it was behind before this one */
    enum door_kind kind; /* NONE: free */
    struct door_client *client;
    struct vault *vault;
};

/* Where a call is made. Of client and vault the one that its kind has, else NULL. */
struct door_at {
    struct door *door;
    const struct e2e_random *random;
    struct door_slot *slot; /* NULL: of kind NONE */
    struct door_client *client;
    struct vault *vault;
    struct kith_time now;
};

#define X(name, kind, count, what) \
    KITH_MUST_USE kith_err door_##name(const struct door_at *at, const struct kith_slice *args, struct kith_buf *out);
KITH_DOOR_CALLS(X)
#undef X

#define CALL(name)                                                              \
    kith_err door_##name(const struct door_at *at __attribute__((unused)),      \
                         const struct kith_slice *args __attribute__((unused)), \
                         struct kith_buf *out __attribute__((unused)))

/* Arguments: KITH_E_MALFORMED of another length. */
KITH_MUST_USE kith_err door_arg_flag(struct kith_slice arg, bool *out); /* also of another value than 0 and 1 */
KITH_MUST_USE kith_err door_arg_u8(struct kith_slice arg, uint8_t *out);
KITH_MUST_USE kith_err door_arg_u32(struct kith_slice arg, uint32_t *out);
KITH_MUST_USE kith_err door_arg_u64(struct kith_slice arg, uint64_t *out);
KITH_MUST_USE kith_err door_arg_id(struct kith_slice arg, struct kith_uuid *out);

/* KITH_E_FULL; the handle is appended. */
KITH_MUST_USE kith_err door_give_client(struct door *door, struct door_client *client, struct kith_buf *out);
KITH_MUST_USE kith_err door_give_vault(struct door *door, struct vault *vault, struct kith_buf *out);
/** Frees what is behind it, and the handle. */
void door_slot_free(struct door_slot *slot);

/* Things (door_thing.c). The buffers of texts and records are the caller's to wipe. */
KITH_MUST_USE kith_err door_put_effect(const struct kith_effect *effect, struct kith_buf *out);
KITH_MUST_USE kith_err door_put_message(const struct kith_message *message, struct kith_buf *out);
KITH_MUST_USE kith_err door_put_entry(const struct kith_outbox_entry *entry, struct kith_buf *out);

#endif
