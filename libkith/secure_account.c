#include "libkith/client.h"

/* Between the client and its account of kith/1: where the account's records go, and what the host brings it. */

static void keep(void *arg, struct kith_slice key, struct kith_slice value)
{
    record_put(arg, key, value);
}

static void drop(void *arg, struct kith_slice key)
{
    record_delete(arg, key);
}

struct e2e_account *secure_account_new(struct kith_client *client)
{
    struct e2e_account_config config = {
        .one_time_keys = client->config.one_time_keys,
        .pairwise_max = client->config.pairwise_max,
        .random = {.fill = client->config.random, .arg = client->config.random_arg},
        .keep = keep,
        .drop = drop,
        .arg = client,
    };

    memcpy(config.account_id, client->config.user.id.raw, sizeof config.account_id);
    memcpy(config.server_device, client->config.device.id.raw, sizeof config.server_device);
    return e2e_account_new(&config);
}

struct e2e_account *kith_client_account(struct kith_client *client)
{
    return client->secure.account;
}

void kith_client_acted(struct kith_client *client, struct kith_time now)
{
    client->now = now;
    if (!secure_on(client)) return;
    client->secure.changed = true;
    client->secure.upload_due = e2e_account_state(client->secure.account) == E2E_ACCOUNT_READY;
    step_end(client);
}

void kith_client_look_up(struct kith_client *client, struct kith_time now, struct user_id user)
{
    client->now = now;
    if (!secure_on(client)) return;
    client->secure.looks_up = user;
    step_end(client);
}

void kith_client_look_into(struct kith_client *client, struct kith_time now, struct chat_id chat)
{
    client->now = now;
    if (!secure_on(client)) return;
    if (secure_knows_ops(client, chat)) return; /* they would not be fetched again for a while */
    client->secure.looks_into = chat;
    client->secure.changed = true;
    step_end(client);
}

bool kith_client_is_looked_up(const struct kith_client *client)
{
    return kith_uuid_is_nil(client->secure.looks_up.id);
}

void kith_client_keys(struct kith_client *client, const struct kith_keys *keys)
{
    const struct e2e_prekeys_left left = {.opk_count = keys->opk_count,
                                          .kem_ot_count = keys->kem_ot_count,
                                          .spk_id = keys->spk_id,
                                          .kem_lr_id = keys->kem_lr_id};
    struct secure *secure = &client->secure;

    /* The account's first device makes its keys by itself; any other must be linked. */
    if (!keys->has_list && e2e_account_state(secure->account) == E2E_ACCOUNT_EMPTY &&
        e2e_account_found(secure->account, client->now.wall_ms) != KITH_OK)
        return;
    secure->keys_known = true;
    /* Another device of this account has changed its list, or added its acceptance. */
    if (e2e_account_person(secure->account, client->config.user.id.raw).list_seq != keys->list_seq &&
        e2e_account_state(secure->account) == E2E_ACCOUNT_READY)
        secure->own_due = true;
    e2e_account_prekeys_left(secure->account, client->now.wall_ms, &left);
    secure->upload_due = e2e_account_state(secure->account) == E2E_ACCOUNT_READY;
}

bool kith_client_upload(struct kith_client *client, struct e2e_upload *out)
{
    bool is_any = e2e_account_upload(client->secure.account, client->secure.upload_ms, out);

    client->secure.upload_has_list = is_any && out->list.len > 0;
    return is_any;
}

void kith_client_uploaded(struct kith_client *client, uint64_t list_seq, uint32_t opk_count, uint32_t kem_ot_count)
{
    struct secure *secure = &client->secure;

    e2e_account_uploaded(secure->account, client->now.wall_ms, opk_count, kem_ot_count);
    /* Only with a list is the answer's number that of ours; else another device may have changed it meanwhile. */
    if (secure->upload_has_list)
        e2e_account_own_seq(secure->account, list_seq);
    else if (e2e_account_person(secure->account, client->config.user.id.raw).list_seq != list_seq)
        secure->own_due = true;
}

void kith_client_list(struct kith_client *client, struct user_id user, uint64_t list_seq, struct kith_slice signed_list)
{
    struct e2e_account *account = client->secure.account;
    struct e2e_person person = e2e_account_person(account, user.id.raw);
    uint64_t seq = person.list == NULL ? 0 : person.list->seq, number = person.list_seq;
    kith_err err = e2e_account_list(account, client->now.wall_ms, user.id.raw, list_seq, signed_list);

    /* The same again is no help: what waits for another is not asked for every second. */
    person = e2e_account_person(account, user.id.raw);
    secure_list_came(client, user, err == KITH_OK && (person.list->seq != seq || person.list_seq != number));
    if (kith_uuid_eq(user.id, client->config.user.id))
        client->secure.upload_due = e2e_account_state(client->secure.account) == E2E_ACCOUNT_READY;
}

void kith_client_no_list(struct kith_client *client, struct user_id user, uint64_t list_seq)
{
    const uint64_t number = e2e_account_person(client->secure.account, user.id.raw).list_seq;

    e2e_account_no_list(client->secure.account, user.id.raw, list_seq);
    secure_list_came(client, user, number != list_seq);
}

void kith_client_no_bundle(struct kith_client *client, struct user_id user, struct device_id device)
{
    e2e_account_no_bundle(client->secure.account, client->now.wall_ms, user.id.raw, device.id.raw);
}

/* Keys that cannot be believed are as good as none. */
void kith_client_bundle(struct kith_client *client, const struct e2e_claimed *claimed)
{
    if (e2e_account_bundle(client->secure.account, client->now.wall_ms, claimed) != KITH_OK)
        e2e_account_no_bundle(client->secure.account, client->now.wall_ms, claimed->account_id, claimed->server_device);
}
