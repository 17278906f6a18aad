#include "libkith/e2ee/account_impl.h"

/* A thread: this device's place in it, and whether this account has spoken there. */

void e2e_account_accepted(struct e2e_account *account, const uint8_t thread_id[static E2E_ID_BYTES],
                          const uint8_t msg_id[static E2E_ID_BYTES])
{
    struct thread_place *place = kith_map_find(&account->threads, thread_id);

    account_chain_given(account, thread_id, msg_id);
    if (place == NULL || !place->has_pending || memcmp(place->pending_id, msg_id, E2E_ID_BYTES) != 0) return;
    place->sseq++;
    memcpy(place->prev, place->pending_prev, sizeof place->prev);
    place->has_pending = false;
    account_keep_thread(account, thread_id, place);
}

static bool was_heard(const struct e2e_account *account, const uint8_t thread_id[static E2E_ID_BYTES],
                      uint32_t device_id)
{
    struct heard_key key;
    const uint64_t *sseq;

    memcpy(key.thread_id, thread_id, sizeof key.thread_id);
    memcpy(key.account_id, account->config.account_id, sizeof key.account_id);
    kith_put_u32_be(key.device_id, device_id);
    sseq = kith_map_find(&account->heard, &key);
    return sseq != NULL && *sseq > 0;
}

bool account_has_written(const struct e2e_account *account, const uint8_t thread_id[static E2E_ID_BYTES])
{
    const struct thread_place *place = kith_map_find(&account->threads, thread_id);
    const struct e2e_device_list *own = account_own_list(account);

    if (place != NULL && place->sseq > 0) return true;
    for (uint32_t i = 0; own != NULL && i < own->device_count; i++)
        if (was_heard(account, thread_id, own->devices[i].device_id)) return true;
    for (uint32_t i = 0; own != NULL && i < own->removed_count; i++)
        if (was_heard(account, thread_id, own->removed[i])) return true;
    return false;
}
