#include <stdlib.h>

#include "libkith/vault_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A key's file: what is taken as one that is not wrapped is written again the same, but for fields that are stepped over. */
static void check_file(struct kith_slice file)
{
    uint8_t key[VAULT_KEY_BYTES];
    struct kith_buf again;
    bool is_wrapped = false;

    if (vault_key_is_wrapped(file, &is_wrapped) != KITH_OK || is_wrapped) return; /* a passphrase takes too long here */
    if (vault_key_read(file, (struct kith_slice){0}, key) != KITH_OK) abort();
    kith_buf_init(&again, VAULT_FILE_BYTES_MAX);
    if (vault_key_write(key, &again) != KITH_OK || kith_buf_len(&again) > file.len) abort();
    if (memcmp(again.ptr, file.ptr, kith_buf_len(&again)) != 0) abort();
    kith_buf_deinit(&again);
}

/* A stored record: the first byte says how long its stored key is. Nobody without the key makes one that opens. */
static void check_record(struct kith_slice in)
{
    static const uint8_t key[VAULT_KEY_BYTES] = {1};
    struct kith_slice name = {0}, record_key = {0}, value = {0};
    struct kith_buf room;
    struct vault vault;
    uint8_t name_len = 0;

    if (kith_eat_u8(&in, &name_len) != KITH_OK || kith_eat_bytes(&in, name_len, &name) != KITH_OK) return;
    vault_init(&vault, key);
    kith_buf_init(&room, VAULT_VALUE_BYTES_MAX);
    if (vault_open(&vault, name, in, &room, &record_key, &value) == KITH_OK) abort();
    kith_buf_wipe(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_file(kith_slice_of(data, size));
    check_record(kith_slice_of(data, size));
    return 0;
}
