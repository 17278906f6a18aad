#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/vault_key.h"
#include "libkith/wasm/door_impl.h"

/* Records at rest: what a host puts into whatever store it has, and reads from it. */

static kith_err check_key(struct kith_slice key)
{
    return key.len == 0 || key.len > VAULT_RECORD_KEY_BYTES ? KITH_E_MALFORMED : KITH_OK;
}

CALL(vault_new)
{
    struct vault *vault;

    NEED(0, VAULT_KEY_BYTES);
    vault = calloc(1, sizeof *vault);
    if (vault == NULL) return KITH_E_NOMEM;
    vault_init(vault, args[0].ptr);
    return door_give_vault(at->door, vault, out);
}

CALL(vault_free)
{
    door_slot_free(at->slot);
    return KITH_OK;
}

static kith_err put_record(struct kith_slice key, struct kith_slice value, struct kith_buf *out)
{
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);

    e2e_tlv_put(&w, DOOR_KEY, key);
    e2e_tlv_put_optional(&w, DOOR_VALUE, value);
    return e2e_tlv_finish(&w);
}

CALL(vault_name)
{
    struct vault_name name;

    TRY(check_key(args[0]));
    vault_name(at->vault, args[0], &name);
    return kith_buf_append(out, vault_name_slice(&name));
}

CALL(vault_seal)
{
    struct vault_name name;
    struct kith_buf stored;
    kith_err err;

    TRY(check_key(args[0]));
    kith_buf_init(&stored, VAULT_VALUE_BYTES_MAX + 1024);
    err = vault_seal(at->vault, at->random, args[0], args[1], &name, &stored);
    if (err == KITH_OK) err = put_record(vault_name_slice(&name), kith_buf_peek(&stored), out);
    kith_buf_deinit(&stored);
    return err;
}

CALL(vault_open)
{
    struct kith_slice key = {0}, value = {0};
    struct kith_buf room;
    kith_err err;

    kith_buf_init_secret(&room, VAULT_VALUE_BYTES_MAX + 1024);
    err = vault_open(at->vault, args[0], args[1], &room, &key, &value);
    if (err == KITH_OK) err = put_record(key, value, out);
    kith_buf_deinit(&room);
    return err;
}

CALL(vault_message_range)
{
    struct vault_name from, to;
    uint64_t after = 0, before = 0;
    struct chat_id chat;

    TRY(door_arg_id(args[0], &chat.id));
    TRY(door_arg_u64(args[1], &after));
    TRY(door_arg_u64(args[2], &before));
    vault_message_range(at->vault, chat, after, before, &from, &to);
    return put_record(vault_name_slice(&from), vault_name_slice(&to), out);
}

/* ------------------------------------------------------------------------------------------------ its key's file */

CALL(vault_key_write)
{
    NEED(0, VAULT_KEY_BYTES);
    return vault_key_write(args[0].ptr, out);
}

CALL(vault_key_wrap)
{
    NEED(0, VAULT_KEY_BYTES);
    return vault_key_wrap(args[0].ptr, args[1], E2E_PASSPHRASE_COST, at->random, out);
}

CALL(vault_key_is_wrapped)
{
    bool is_wrapped = false;

    TRY(vault_key_is_wrapped(args[0], &is_wrapped));
    return kith_buf_append_u8(out, is_wrapped);
}

CALL(vault_key_read)
{
    uint8_t key[VAULT_KEY_BYTES];
    kith_err err = vault_key_read(args[0], args[1], key);

    if (err == KITH_OK) err = kith_buf_append(out, kith_slice_of(key, sizeof key));
    e2e_wipe(key, sizeof key);
    return err;
}
