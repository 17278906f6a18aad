#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_resend_impl.h"

/* The own account: its founding, its list, which of its devices this is. */

struct e2e_account *e2e_account_new(const struct e2e_account_config *config)
{
    struct e2e_account *account = calloc(1, sizeof *account);
    uint8_t seed[16];

    if (account == NULL) return NULL;
    account->config = *config;
    if (config->one_time_keys == 0 || config->one_time_keys > E2E_PREKEYS_MAX)
        account->config.one_time_keys = E2E_PREKEYS_MAX;
    if (config->pairwise_max == 0 || config->pairwise_max > E2E_MEMBERS_MAX)
        account->config.pairwise_max = E2E_MEMBERS_MAX;
    account->state = E2E_ACCOUNT_EMPTY;
    account->opks_left = account->kem_ots_left = UINT32_MAX;
    account->rank_next = 1;
    e2e_random_fill(&config->random, seed, sizeof seed);
    kith_map_init(&account->people, E2E_ACCOUNT_ID_BYTES, sizeof(struct person *), E2E_PEOPLE_MAX, seed);
    kith_map_init(&account->peers, sizeof(struct peer_key), sizeof(struct peer *), E2E_PEERS_MAX, seed);
    kith_map_init(&account->threads, E2E_ID_BYTES, sizeof(struct thread_place), E2E_THREADS_MAX, seed);
    kith_map_init(&account->heard, sizeof(struct heard_key), sizeof(uint64_t), E2E_HEARD_MAX, seed);
    kith_map_init(&account->last_resort, LAST_RESORT_BYTES, 0, E2E_LAST_RESORT_MAX, seed);
    kith_map_init(&account->groups, E2E_ID_BYTES, sizeof(struct group_place *), E2E_GROUPS_MAX, seed);
    kith_map_init(&account->info_keys, sizeof(struct info_key_name), E2E_KEY_BYTES, E2E_INFO_KEYS_MAX, seed);
    kith_map_init(&account->own_chains, E2E_ID_BYTES, sizeof(struct own_chain *), E2E_GROUPS_MAX, seed);
    kith_map_init(&account->received, sizeof(struct received_key), sizeof(struct received *), E2E_RECEIVED_MAX, seed);
    kith_map_init(&account->links, E2E_ID_BYTES, sizeof(struct own_links *), E2E_GROUPS_MAX, seed);
    kith_map_init(&account->pins, E2E_ID_BYTES, sizeof(struct join_pin), E2E_JOINS_MAX, seed);
    kith_map_init(&account->resends, sizeof(struct peer_key), sizeof(struct resend_peer *), E2E_LOST_PEERS_MAX, seed);
    kith_buf_init(&account->self.link_request, E2E_LINK_BYTES_MAX);
    kith_buf_init(&account->upload_list, E2E_SIGNED_LIST_BYTES_MAX);
    return account;
}

void account_self_wipe(struct self_keys *self)
{
    kith_buf_wipe(&self->link_request);
    e2e_wipe(self, sizeof *self);
    kith_buf_init(&self->link_request, E2E_LINK_BYTES_MAX);
}

void e2e_account_free(struct e2e_account *account)
{
    if (account == NULL) return;
    account_prekeys_free(account);
    account_peers_free(account);
    account_people_free(account);
    account_groups_free(account);
    account_chains_free(account);
    account_joins_free(account);
    account_resends_free(account);
    kith_map_deinit(&account->threads);
    kith_map_deinit(&account->heard);
    kith_map_deinit(&account->last_resort);
    kith_buf_wipe(&account->self.link_request);
    kith_buf_deinit(&account->upload_list);
    e2e_wipe(account, sizeof *account);
    free(account);
}

enum e2e_account_state e2e_account_state(const struct e2e_account *account)
{
    return account->state;
}

const struct e2e_device_list *account_own_list(const struct e2e_account *account)
{
    const struct person *me = account_person_find(account, account->config.account_id);

    return me == NULL ? NULL : me->list;
}

const struct e2e_device *account_own_device(const struct e2e_account *account)
{
    const struct e2e_device_list *list = account_own_list(account);
    const struct e2e_device *device = list == NULL ? NULL : e2e_device_find(list, account->self.device_id);

    /* The same number with other keys is another device. */
    if (device == NULL || memcmp(device->ddh_pub, account->self.ddh_pub, E2E_DH_BYTES) != 0) return NULL;
    return device;
}

/* The acceptances that came with the list before this one still hold; ours is always among them. */
static size_t gather_acceptances(const struct e2e_account *account, const struct e2e_device_list *list,
                                 struct e2e_acceptance *out)
{
    const struct person *me = account_person_find(account, account->config.account_id);
    size_t count = 0;

    for (uint32_t i = 0; i < list->device_count; i++) {
        uint32_t id = list->devices[i].device_id;
        out[count].device_id = id;
        if (id == account->self.device_id) {
            memcpy(out[count++].signature, account->self.acceptance, E2E_SIGNATURE_BYTES);
        } else if (me->list != NULL &&
                   e2e_device_acceptance(kith_buf_peek(&me->signed_list), id, out[count].signature) == KITH_OK) {
            count++;
        }
    }
    return count;
}

kith_err account_list_sign(struct e2e_account *account, uint64_t now_ms, struct e2e_device_list *list)
{
    struct e2e_acceptance accepts[E2E_DEVICES_MAX];
    struct person *me = account_person_put(account, account->config.account_id);
    struct e2e_device_list *read = malloc(sizeof *read);
    struct kith_buf bytes;
    kith_err err = me == NULL || read == NULL ? KITH_E_NOMEM : KITH_OK;

    kith_buf_init(&bytes, E2E_SIGNED_LIST_BYTES_MAX);
    /* The server takes one list after the other, and only the newest is at hand. */
    if (err == KITH_OK && account->self.list_unsent) err = KITH_E_AGAIN;
    if (err != KITH_OK) goto done;
    list->seq = me->list == NULL ? 1 : me->list->seq + 1;
    if (me->list != NULL) memcpy(list->prev_hash, me->list->hash, sizeof list->prev_hash);
    list->issued_at_ms = now_ms;
    list->expires_at_ms = now_ms + E2E_LIST_LIFE_MS;
    err = e2e_device_list_sign(list, account->self.aik_secret, accepts, gather_acceptances(account, list, accepts),
                               &bytes);
    /* As everybody else will read it: what we could not read ourselves must not go out. */
    if (err == KITH_OK) err = e2e_device_list_read(kith_buf_peek(&bytes), account->config.account_id, read);
    if (err == KITH_OK) err = account_person_pin(me, read, kith_buf_peek(&bytes));
    if (err != KITH_OK) goto done;
    me->trust = E2E_TRUST_VERIFIED;
    account_person_know(me, now_ms);
    account->self.list_unsent = true;
    account_keep_person(account, me);
    account_keep_self(account);
    account_peers_prune(account, me);
done:
    kith_buf_deinit(&bytes);
    free(read);
    return err;
}

void account_list_renew(struct e2e_account *account, uint64_t now_ms)
{
    const struct e2e_device_list *now = account_own_list(account);
    struct e2e_device_list *next;

    if (!account->self.has_aik || account->self.list_unsent || now->issued_at_ms + E2E_LIST_RENEW_MS > now_ms) return;
    next = malloc(sizeof *next);
    if (next == NULL) return; /* tried again at the next upload, as after any failure here */
    *next = *now;
    kith_ignore(account_list_sign(account, now_ms, next));
    free(next);
}

static void make_device_keys(struct e2e_account *account, struct e2e_device *device)
{
    const struct e2e_random *random = &account->config.random;
    struct self_keys *self = &account->self;
    uint8_t raw[4];

    do {
        e2e_random_fill(random, raw, sizeof raw);
        self->device_id = kith_get_u32_be(raw);
    } while (self->device_id == 0);
    e2e_sign_keypair(random, self->dsk_secret, device->dsk_pub);
    e2e_dh_keypair(random, self->ddh_secret, self->ddh_pub);
    memcpy(device->ddh_pub, self->ddh_pub, sizeof device->ddh_pub);
    memcpy(device->server_device, account->config.server_device, sizeof device->server_device);
    device->device_id = self->device_id;
}

void account_make_device(struct e2e_account *account, struct e2e_device *device)
{
    account_self_wipe(&account->self);
    *device = (struct e2e_device){0};
    make_device_keys(account, device);
}

kith_err e2e_account_found(struct e2e_account *account, uint64_t now_ms)
{
    const struct e2e_random *random = &account->config.random;
    struct self_keys *self = &account->self;
    struct e2e_device_list *list = calloc(1, sizeof *list);
    kith_err err;

    if (list == NULL) return KITH_E_NOMEM;
    account_make_device(account, &list->devices[0]);
    list->device_count = 1;
    list->devices[0].added_at_ms = now_ms;
    list->devices[0].is_manager = true;
    memcpy(list->account_id, account->config.account_id, sizeof list->account_id);
    e2e_sign_keypair(random, self->ark_secret, list->ark_pub);
    e2e_sign_keypair(random, self->aik_secret, list->aik_pub);
    self->has_ark = self->has_aik = true;
    list->aik_counter = 1;
    list->suites[0] = E2E_SUITE_PQ;
    list->suite_count = 1;
    err = e2e_certify(self->ark_secret, list->account_id, list->aik_pub, list->aik_counter, list->certificate);
    if (err == KITH_OK) err = e2e_device_accept(self->dsk_secret, list, &list->devices[0], self->acceptance);
    if (err == KITH_OK) err = account_list_sign(account, now_ms, list);
    if (err == KITH_OK) {
        account->state = E2E_ACCOUNT_READY;
        account_keep_self(account);
    } else {
        account_self_wipe(self);
    }
    free(list);
    return err;
}

kith_err account_list_take_out(struct e2e_device_list *list, uint32_t device_id)
{
    uint32_t at = 0, place = 0;

    if (list->removed_count == E2E_REMOVED_MAX) return KITH_E_FULL;
    while (list->devices[at].device_id != device_id) at++;
    memmove(&list->devices[at], &list->devices[at + 1], (list->device_count - at - 1) * sizeof list->devices[0]);
    list->device_count--;
    while (place < list->removed_count && list->removed[place] < device_id) place++;
    memmove(&list->removed[place + 1], &list->removed[place], (list->removed_count - place) * sizeof list->removed[0]);
    list->removed[place] = device_id;
    list->removed_count++;
    return KITH_OK;
}

kith_err e2e_account_remove_device(struct e2e_account *account, uint64_t now_ms,
                                   const uint8_t server_device[static E2E_SERVER_DEVICE_BYTES])
{
    const struct e2e_device_list *now = account_own_list(account);
    const struct e2e_device *gone;
    struct e2e_device_list *next;
    kith_err err;

    if (account->state != E2E_ACCOUNT_READY || !account->self.has_aik) return KITH_E_CLOSED;
    if (account->self.list_unsent) return KITH_E_AGAIN;
    gone = e2e_device_find_server(now, server_device);
    if (gone == NULL || gone->device_id == account->self.device_id) return KITH_E_NOTFOUND;
    next = malloc(sizeof *next);
    if (next == NULL) return KITH_E_NOMEM;
    *next = *now;
    err = account_list_take_out(next, gone->device_id);
    if (err == KITH_OK) err = account_list_sign(account, now_ms, next);
    free(next);
    return err;
}
