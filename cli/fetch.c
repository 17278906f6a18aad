#include "cli/fetch.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/store.h"
#include "libkith/e2ee/account.h"
#include "net/http_client.h"
#include "net/http_kept.h"

#define FETCH_TIMEOUT_MS 15000
#define FETCH_BYTES_MAX  (4 * 1024 * 1024)

struct fetcher {
    struct cli *cli;
    struct kith_client *client;
    void (*changed)(void *arg, bool is_unauthorized);
    void *arg;
    struct http_call *call;
    struct http_kept kept; /* one connection for all that a run asks */
    struct kith_fetch fetch;
};

struct fetcher *fetcher_new(struct cli *cli, struct kith_client *client,
                            void (*changed)(void *arg, bool is_unauthorized), void *arg)
{
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);

    if (fetcher == NULL) return NULL;
    *fetcher = (struct fetcher){.cli = cli, .client = client, .changed = changed, .arg = arg};
    http_kept_init(&fetcher->kept, cli->net);
    return fetcher;
}

void fetcher_free(struct fetcher *fetcher)
{
    if (fetcher == NULL) return;
    http_call_cancel(fetcher->call);
    http_kept_deinit(&fetcher->kept);
    free(fetcher);
}

/* ---- JSON and bytes */

static json_t *base64_of(struct kith_slice bytes)
{
    size_t room = sodium_base64_ENCODED_LEN(bytes.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(room);
    json_t *out;

    if (text == NULL) return NULL;
    out = json_string(sodium_bin2base64(text, room, bytes.ptr, bytes.len, sodium_base64_VARIANT_ORIGINAL));
    free(text);
    return out;
}

/* To be freed; a missing or broken one has no bytes, which nothing of ours accepts. */
static struct kith_slice bytes_of(const json_t *text)
{
    size_t len = json_string_length(text), got = 0;
    uint8_t *out = len == 0 ? NULL : malloc(len);

    if (out == NULL) return (struct kith_slice){0};
    if (sodium_base642bin(out, len, json_string_value(text), len, NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL) !=
        0)
        got = 0;
    return kith_slice_of(out, got);
}

static void bytes_free(struct kith_slice bytes)
{
    free((void *)(uintptr_t)bytes.ptr);
}

static struct kith_uuid id_in(const json_t *text)
{
    struct kith_uuid id = {0};

    /* The nil id is nobody's. */
    kith_ignore(kith_uuid_parse(kith_slice_of(json_string_value(text), json_string_length(text)), &id));
    return id;
}

static struct kith_uuid id_of(const json_t *object, const char *key)
{
    return id_in(json_object_get(object, key));
}

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number < 0 ? 0 : (uint64_t)number;
}

/* ---- answers */

static void take_list(struct fetcher *fetcher, struct user_id user, const json_t *text, uint64_t list_seq)
{
    struct kith_slice list = bytes_of(text);

    if (list.len > 0) kith_client_list(fetcher->client, user, list_seq, list);
    bytes_free(list);
}

static void take_lists(struct fetcher *fetcher, struct user_id user, const json_t *body)
{
    uint64_t list_seq = number_of(body, "list_seq");
    json_t *text;
    size_t i;

    json_array_foreach(json_object_get(body, "past"), i, text) take_list(fetcher, user, text, 0);
    if (json_object_get(body, "list") != NULL) take_list(fetcher, user, json_object_get(body, "list"), list_seq);
    /* Of a deleted account there is a list, and nobody to write to. */
    if (json_object_get(body, "list") == NULL || list_seq == 0) kith_client_no_list(fetcher->client, user, list_seq);
}

/* Of those in the question alone; nothing is said of whoever is left. */
static void take_several(struct fetcher *fetcher, const json_t *body)
{
    const struct kith_fetch *fetch = &fetcher->fetch;
    json_t *one;
    size_t i;

    json_array_foreach(json_object_get(body, "users"), i, one)
    {
        const struct kith_uuid id = id_of(one, "user_id");
        for (uint32_t j = 0; j < fetch->list_count; j++)
            if (kith_uuid_eq(fetch->lists[j].user.id, id)) take_lists(fetcher, fetch->lists[j].user, one);
    }
    json_array_foreach(json_object_get(body, "missing"), i, one)
    {
        const struct kith_uuid id = id_in(one);
        for (uint32_t j = 0; j < fetch->list_count; j++)
            if (kith_uuid_eq(fetch->lists[j].user.id, id))
                kith_client_no_list(fetcher->client, fetch->lists[j].user, 0);
    }
}

static void take_bundle(struct fetcher *fetcher, const json_t *bundle)
{
    struct kith_uuid user = id_of(bundle, "user_id"), device = id_of(bundle, "device_id");
    struct e2e_claimed claimed = {
        .spk = bytes_of(json_object_get(bundle, "spk")),
        .kem = bytes_of(json_object_get(bundle, "kem")),
        .opk = bytes_of(json_object_get(bundle, "opk")),
        .kem_is_last = json_is_true(json_object_get(bundle, "kem_last_resort")),
    };

    memcpy(claimed.account_id, user.raw, sizeof claimed.account_id);
    memcpy(claimed.server_device, device.raw, sizeof claimed.server_device);
    kith_client_bundle(fetcher->client, &claimed);
    bytes_free(claimed.spk);
    bytes_free(claimed.kem);
    bytes_free(claimed.opk);
}

static void take_bundles(struct fetcher *fetcher, const json_t *body)
{
    const struct kith_fetch *fetch = &fetcher->fetch;
    json_t *one;
    size_t i;

    json_array_foreach(json_object_get(body, "bundles"), i, one) take_bundle(fetcher, one);
    json_array_foreach(json_object_get(body, "missing"), i, one)
    {
        const struct kith_uuid id = id_in(one);
        for (uint32_t j = 0; j < fetch->device_count; j++)
            if (kith_uuid_eq(fetch->devices[j].device.id, id))
                kith_client_no_bundle(fetcher->client, fetch->devices[j].user, fetch->devices[j].device);
    }
}

static void take_members(struct fetcher *fetcher, const json_t *body)
{
    const json_t *members = json_object_get(body, "members");
    size_t count = json_array_size(members), i;
    struct user_id *users = calloc(count + 1, sizeof *users);
    const char *type = json_string_value(json_object_get(body, "type"));

    if (users == NULL) return;
    if (type == NULL || strcmp(type, "direct") != 0) count = 0; /* who is in a group is what its operations say */
    for (i = 0; i < count; i++) users[i].id = id_of(json_array_get(members, i), "user_id");
    kith_client_members(fetcher->client, fetcher->fetch.chat, users, count);
    free(users);
}

static void take_ops(struct fetcher *fetcher, const json_t *body)
{
    json_t *one;
    size_t i;

    json_array_foreach(json_object_get(body, "operations"), i, one)
    {
        struct kith_slice op = bytes_of(json_object_get(one, "signed_op"));
        kith_client_group_op(fetcher->client, fetcher->fetch.chat, number_of(one, "seq"), op);
        bytes_free(op);
    }
}

static void take(struct fetcher *fetcher, const json_t *body)
{
    const struct kith_keys keys = {.has_list = json_is_true(json_object_get(body, "has_list")),
                                   .list_seq = number_of(body, "list_seq"),
                                   .opk_count = (uint32_t)number_of(body, "opk_count"),
                                   .kem_ot_count = (uint32_t)number_of(body, "kem_ot_count"),
                                   .spk_id = (uint32_t)number_of(body, "spk_id"),
                                   .kem_lr_id = (uint32_t)number_of(body, "kem_lr_id")};

    switch (fetcher->fetch.kind) {
    case KITH_FETCH_KEYS: kith_client_keys(fetcher->client, &keys); return;
    case KITH_FETCH_UPLOAD:
        kith_client_uploaded(fetcher->client, keys.list_seq, keys.opk_count, keys.kem_ot_count);
        return;
    case KITH_FETCH_LISTS: take_several(fetcher, body); return;
    case KITH_FETCH_PAST_LISTS: take_lists(fetcher, fetcher->fetch.user, body); return;
    case KITH_FETCH_BUNDLES: take_bundles(fetcher, body); return;
    case KITH_FETCH_MEMBERS: take_members(fetcher, body); return;
    case KITH_FETCH_OPS: take_ops(fetcher, body); return;
    case KITH_FETCH_ADMIT: kith_client_admitted(fetcher->client, CODE_OK); return;
    }
}

/* Somebody was not let in. True: that is an answer, too. */
static bool take_refusal(struct fetcher *fetcher, const json_t *body)
{
    const char *name = json_string_value(json_object_get(body, "code"));
    enum kith_code code;

    if (fetcher->fetch.kind != KITH_FETCH_ADMIT || name == NULL) return false;
    if (kith_code_parse(kith_slice_str(name), &code) != KITH_OK || kith_code_retryable(code)) return false;
    kith_client_admitted(fetcher->client, code);
    return code == CODE_STALE_GROUP || code == CODE_CHAT_FULL || code == CODE_FORBIDDEN || code == CODE_NOT_FOUND;
}

static void call_done(void *arg, const struct http_call_result *result)
{
    struct fetcher *fetcher = arg;
    json_t *body = NULL;
    const unsigned status = result->err == KITH_OK ? (unsigned)result->response->status : 0;
    bool ok = status == 200 || status == 201;

    fetcher->call = NULL;
    if (status > 0) body = json_loadb((const char *)result->response->body.ptr, result->response->body.len, 0, NULL);
    if (ok && body != NULL) take(fetcher, body);
    if (!ok && take_refusal(fetcher, body)) {
        ok = true;
    } else if (status == 404) { /* nobody by that id, or no such chat: an answer too */
        ok = fetcher->fetch.kind != KITH_FETCH_LISTS;
        if (fetcher->fetch.kind == KITH_FETCH_MEMBERS)
            kith_client_members(fetcher->client, fetcher->fetch.chat, NULL, 0);
    } else {
        ok = ok && body != NULL;
    }
    json_decref(body);
    kith_client_fetched(fetcher->client, cli_time_now(), ok); /* it is asked again in a while, with a fresh token */
    fetcher->changed(fetcher->arg, status == 401);
}

/* ---- questions */

static json_t *prekeys_of(const struct kith_slice *prekeys, uint32_t count)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < count; i++) json_array_append_new(array, base64_of(prekeys[i]));
    return array;
}

/* NULL: there is nothing to upload any more. */
static json_t *upload_body(struct fetcher *fetcher)
{
    struct e2e_upload *upload = calloc(1, sizeof *upload);
    json_t *body = NULL;

    if (upload != NULL && kith_client_upload(fetcher->client, upload)) {
        body = json_object();
        if (upload->list.len > 0) json_object_set_new(body, "list", base64_of(upload->list));
        if (upload->spk.len > 0) json_object_set_new(body, "spk", base64_of(upload->spk));
        if (upload->kem_lr.len > 0) json_object_set_new(body, "kem_lr", base64_of(upload->kem_lr));
        json_object_set_new(body, "opks", prekeys_of(upload->opks, upload->opk_count));
        json_object_set_new(body, "kem_ots", prekeys_of(upload->kem_ots, upload->kem_ot_count));
        if (upload->replaces) json_object_set_new(body, "replace", json_true());
    }
    free(upload);
    return body;
}

static json_t *claim_body(const struct kith_fetch *fetch)
{
    json_t *devices = json_array();

    for (uint32_t i = 0; i < fetch->device_count; i++) {
        char user[KITH_UUID_TEXT_LEN + 1], device[KITH_UUID_TEXT_LEN + 1];
        kith_uuid_format(fetch->devices[i].user.id, user);
        kith_uuid_format(fetch->devices[i].device.id, device);
        json_array_append_new(devices, json_pack("{s:s, s:s}", "user_id", user, "device_id", device));
    }
    return json_pack("{s:o}", "devices", devices);
}

static json_t *lists_body(const struct kith_fetch *fetch)
{
    json_t *users = json_array();

    for (uint32_t i = 0; i < fetch->list_count; i++) {
        const uint64_t after = fetch->lists[i].after;
        char id[KITH_UUID_TEXT_LEN + 1];
        kith_uuid_format(fetch->lists[i].user.id, id);
        json_array_append_new(users, after == 0 ? json_pack("{s:s}", "user_id", id)
                                                : json_pack("{s:s, s:I}", "user_id", id, "after", (json_int_t)after));
    }
    return json_pack("{s:o}", "users", users);
}

static void ask(struct fetcher *fetcher, enum http1_method method, const char *path, json_t *body)
{
    struct cli *cli = fetcher->cli;
    char url[4096], bearer[512], *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    struct http_header headers[2] = {{"Authorization", bearer}, {NULL, NULL}};
    struct http_call_config config = {.net = cli->net,
                                      .tls = cli->tls,
                                      .method = method,
                                      .url = url,
                                      .headers = headers,
                                      .content_type = text == NULL ? NULL : "application/json",
                                      .body = text == NULL ? (struct kith_slice){0} : kith_slice_str(text),
                                      .body_bytes_max = FETCH_BYTES_MAX,
                                      .timeout_ms = FETCH_TIMEOUT_MS,
                                      .kept = &fetcher->kept,
                                      .done = call_done,
                                      .arg = fetcher};

    json_decref(body);
    (void)snprintf(url, sizeof url, "%s%s", store_get(cli->store, "server"), path);
    (void)snprintf(bearer, sizeof bearer, "Bearer %s", store_get(cli->store, "access_token"));
    if (http_call_start(&config, &fetcher->call) != KITH_OK)
        kith_client_fetched(fetcher->client, cli_time_now(), false);
    free(text);
}

/* Who asked by an invite link, and may come in. */
static void admit(struct fetcher *fetcher)
{
    char chat[KITH_UUID_TEXT_LEN + 1], user[KITH_UUID_TEXT_LEN + 1], path[64];
    struct kith_admit who;

    if (!kith_client_admit(fetcher->client, &who)) {
        kith_client_fetched(fetcher->client, cli_time_now(), true);
        return;
    }
    kith_uuid_format(who.chat.id, chat);
    kith_uuid_format(who.user.id, user);
    (void)snprintf(path, sizeof path, "/chats/%s/members", chat);
    ask(fetcher, HTTP1_POST, path,
        json_pack("{s:s, s:I, s:o}", "user_id", user, "group_seq", (json_int_t)who.group_seq, "signed_op",
                  base64_of(who.signed_op)));
}

void fetcher_start(struct fetcher *fetcher, const struct kith_fetch *fetch)
{
    char id[KITH_UUID_TEXT_LEN + 1], path[160];
    json_t *body;

    fetcher->fetch = *fetch;
    switch (fetch->kind) {
    case KITH_FETCH_KEYS: ask(fetcher, HTTP1_GET, "/devices/me/keys", NULL); return;
    case KITH_FETCH_UPLOAD:
        body = upload_body(fetcher);
        if (body != NULL)
            ask(fetcher, HTTP1_PUT, "/devices/me/keys", body);
        else
            kith_client_fetched(fetcher->client, cli_time_now(), true);
        return;
    case KITH_FETCH_LISTS: ask(fetcher, HTTP1_POST, "/users/devices", lists_body(fetch)); return;
    case KITH_FETCH_PAST_LISTS:
        kith_uuid_format(fetch->user.id, id);
        (void)snprintf(path, sizeof path, "/users/%s/devices?after=%llu", id, (unsigned long long)fetch->after);
        ask(fetcher, HTTP1_GET, path, NULL);
        return;
    case KITH_FETCH_BUNDLES: ask(fetcher, HTTP1_POST, "/keys/claim", claim_body(fetch)); return;
    case KITH_FETCH_MEMBERS:
        kith_uuid_format(fetch->chat.id, id);
        (void)snprintf(path, sizeof path, "/chats/%s", id);
        ask(fetcher, HTTP1_GET, path, NULL);
        return;
    case KITH_FETCH_OPS:
        kith_uuid_format(fetch->chat.id, id);
        (void)snprintf(path, sizeof path, "/chats/%s/operations?limit=200&after=%llu", id,
                       (unsigned long long)fetch->after);
        ask(fetcher, HTTP1_GET, path, NULL);
        return;
    case KITH_FETCH_ADMIT: admit(fetcher); return;
    }
}
