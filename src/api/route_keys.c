#include <stdio.h>
#include <stdlib.h>

#include "account/keys.h"
#include "api/routes.h"

/* The key directory (docs/wire/keys.md). What is read of signed bytes is read here, so that an error names its field. */

static void put_state(struct json_out *out, const struct account_keys_state *keys)
{
    json_put_u64_at(out, "list_seq", keys->list_seq);
    json_put_u64_at(out, "opk_count", keys->opk_count);
    json_put_u64_at(out, "kem_ot_count", keys->kem_ot_count);
}

static void put_base64_at(struct json_out *out, const char *name, struct kith_slice bytes)
{
    json_out_key(out, name);
    json_out_base64(out, bytes);
}

/* ------------------------------------------------------------------------------------------------ put */

struct put_state {
    struct account_keys_put op; /* first */
    struct api_request *request;
    uint8_t *list, *spk, *kem_lr;
    struct kith_slice *opk_bytes, *kem_ot_bytes;
    struct account_prekey *opks, *kem_ots;
};

static void put_release(void *arg)
{
    struct put_state *state = arg;

    free(state->list);
    free(state->spk);
    free(state->kem_lr);
    free(state->opk_bytes);
    free(state->kem_ot_bytes);
    free(state->opks);
    free(state->kem_ots);
}

static const char *put_detail(const struct account_keys_put *op)
{
    bool is_list = op->refused != NULL && strcmp(op->refused, "list") == 0;

    switch (op->call.code) {
    case CODE_BAD_REQUEST: return "This is no signed device list of this account.";
    case CODE_BAD_SIGNATURE: return "A signature in the list does not hold, or something beside it is not signed.";
    case CODE_CONFLICT:
        return is_list ? "The list does not follow the one that the server has."
                       : "The id or the public key of a prekey is taken.";
    case CODE_FORBIDDEN:
        return is_list ? "The list does not have the device that brings it."
                       : "The device has as many one-time prekeys as it may have.";
    default: return NULL;
    }
}

static void put_done(struct account_call *call)
{
    struct put_state *state = (struct put_state *)call;
    struct json_out *out = &state->request->out;
    struct api_problem problem = {
        .code = call->code, .retry_after_s = call->retry_after_s, .detail = put_detail(&state->op)};
    char pointer[32];

    if (call->code == CODE_OK) {
        json_out_open(out, '{');
        put_state(out, &state->op.keys);
        json_out_close(out, '}');
        api_answer(state->request, 200);
        return;
    }
    if (state->op.refused != NULL) {
        (void)snprintf(pointer, sizeof pointer, "/%s", state->op.refused);
        problem.pointer = pointer;
    }
    api_problem(state->request, &problem);
}

static void list_take(struct api_fields *fields, struct put_state *state)
{
    size_t len = 0;

    if (!fields_base64(fields, "list", false, KITH_SIGNED_LIST_BYTES_MAX, &state->list, &len)) return;
    if (len == 0) fields_wrong(fields, "list", "This is no signed device list.");
    state->op.signed_list = kith_slice_of(state->list, len);
}

static void lasting_take(struct api_fields *fields, const char *name, enum e2e_prekey_kind kind, uint8_t **bytes,
                         bool *found, struct account_prekey *out)
{
    size_t len = 0;

    *found = fields_base64(fields, name, false, KITH_PREKEY_BYTES_MAX, bytes, &len);
    if (*found && account_prekey_read(kith_slice_of(*bytes, len), kind, out) != KITH_OK)
        fields_wrong(fields, name, "This is no prekey of its kind.");
}

static void one_time_take(struct api_fields *fields, const char *name, enum e2e_prekey_kind kind,
                          struct kith_slice **bytes, struct account_prekey **out, size_t *count)
{
    if (!fields_base64_array(fields, name, false, KITH_PREKEYS_MAX, KITH_PREKEY_BYTES_MAX, bytes, count)) return;
    *out = calloc(*count + 1, sizeof **out);
    if (*out == NULL) {
        fields_wrong(fields, name, "There is no memory.");
        return;
    }
    for (size_t i = 0; i < *count; i++)
        if (account_prekey_read((*bytes)[i], kind, &(*out)[i]) != KITH_OK)
            fields_wrong_item(fields, name, i, "This is no prekey of its kind.");
}

void route_keys_put(struct api_request *request)
{
    struct put_state *state = api_state(request, sizeof *state, put_release);
    struct account_keys_put *op;
    struct api_fields fields;

    if (state == NULL) return;
    op = &state->op;
    state->request = request;
    op->call = (struct account_call){.loop = request->api->config.loop, .done = put_done};
    op->who = request->who;
    fields_begin(&fields, request);
    list_take(&fields, state);
    lasting_take(&fields, "spk", E2E_PREKEY_SPK, &state->spk, &op->has_spk, &op->spk);
    lasting_take(&fields, "kem_lr", E2E_PREKEY_KEM_LR, &state->kem_lr, &op->has_kem_lr, &op->kem_lr);
    one_time_take(&fields, "opks", E2E_PREKEY_OPK, &state->opk_bytes, &state->opks, &op->opk_count);
    one_time_take(&fields, "kem_ots", E2E_PREKEY_KEM_OT, &state->kem_ot_bytes, &state->kem_ots, &op->kem_ot_count);
    (void)fields_bool(&fields, "replace", &op->replaces);
    op->opks = state->opks;
    op->kem_ots = state->kem_ots;
    if (fields_end(&fields)) account_keys_put(request->api->config.accounts, op);
}

/* ------------------------------------------------------------------------------------------------ show */

struct show_state {
    struct account_keys_show op; /* first */
    struct api_request *request;
};

static void shown(struct account_call *call)
{
    struct show_state *state = (struct show_state *)call;
    const struct account_keys_state *keys = &state->op.keys;
    struct json_out *out = &state->request->out;

    if (call->code != CODE_OK) {
        api_problem_call(state->request, call);
        return;
    }
    json_out_open(out, '{');
    put_state(out, keys);
    json_put_bool_at(out, "has_list", keys->has_list);
    if (keys->spk_id != 0) json_put_u64_at(out, "spk_id", keys->spk_id);
    if (keys->kem_lr_id != 0) json_put_u64_at(out, "kem_lr_id", keys->kem_lr_id);
    json_out_close(out, '}');
    api_answer(state->request, 200);
}

void route_keys_show(struct api_request *request)
{
    struct show_state *state = api_state(request, sizeof *state, NULL);

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = shown};
    state->op.who = request->who;
    account_keys_show(request->api->config.accounts, &state->op);
}

/* ------------------------------------------------------------------------------------------------ claim */

struct claim_state {
    struct account_claim op; /* first */
    struct api_request *request;
};

static void claim_release(void *arg)
{
    account_claim_free(&((struct claim_state *)arg)->op);
}

static void put_bundle(struct json_out *out, const struct account_bundle *bundle)
{
    json_out_open(out, '{');
    json_put_id_at(out, "user_id", bundle->device.user.id);
    json_put_id_at(out, "device_id", bundle->device.device.id);
    put_base64_at(out, "spk", bundle->spk);
    put_base64_at(out, "kem", bundle->kem);
    json_put_bool_at(out, "kem_last_resort", bundle->is_last_resort);
    if (bundle->opk.len > 0) put_base64_at(out, "opk", bundle->opk);
    json_out_close(out, '}');
}

static void answer_bundles(struct api_request *request, const struct account_claim *op)
{
    struct json_out *out = &request->out;

    json_out_open(out, '{');
    json_out_key(out, "bundles");
    json_out_open(out, '[');
    for (size_t i = 0; i < op->count; i++)
        if (op->bundles[i].found) put_bundle(out, &op->bundles[i]);
    json_out_close(out, ']');
    json_out_key(out, "missing");
    json_out_open(out, '[');
    for (size_t i = 0; i < op->count; i++)
        if (!op->bundles[i].found) json_out_id(out, op->bundles[i].device.device.id);
    json_out_close(out, ']');
    json_out_close(out, '}');
    api_answer(request, 200);
}

static void claimed(struct account_call *call)
{
    struct claim_state *state = (struct claim_state *)call;
    struct api_problem problem = {.code = call->code, .retry_after_s = call->retry_after_s};
    char pointer[48];

    if (call->code == CODE_OK) {
        answer_bundles(state->request, &state->op);
        return;
    }
    if (call->code == CODE_BAD_REQUEST) {
        (void)snprintf(pointer, sizeof pointer, "/devices/%zu/device_id", state->op.refused);
        problem.pointer = pointer;
        problem.detail = "A device is claimed once, and not by itself.";
    }
    api_problem(state->request, &problem);
}

static bool device_take(struct api_request *request, json_t *devices, size_t i, struct account_device_ref *out)
{
    struct api_problem problem = {.code = CODE_BAD_REQUEST, .detail = "Each must be an object."};
    struct api_fields fields;
    char prefix[32];

    (void)snprintf(prefix, sizeof prefix, "/devices/%zu", i);
    problem.pointer = prefix;
    if (!json_is_object(json_array_get(devices, i))) {
        api_problem(request, &problem);
        return false;
    }
    fields_begin_at(&fields, request, json_array_get(devices, i), prefix);
    (void)fields_uuid(&fields, "user_id", true, &out->user.id);
    (void)fields_uuid(&fields, "device_id", true, &out->device.id);
    return fields_end(&fields);
}

void route_keys_claim(struct api_request *request)
{
    struct claim_state *state = api_state(request, sizeof *state, claim_release);
    struct api_fields fields;
    json_t *devices = NULL;

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = claimed};
    state->op.who = request->who;
    fields_begin(&fields, request);
    if (fields_array(&fields, "devices", true, ACCOUNT_CLAIM_DEVICES_MAX, &devices) && json_array_size(devices) == 0)
        fields_wrong(&fields, "devices", "The array is empty.");
    if (!fields_end(&fields)) return;
    state->op.count = json_array_size(devices);
    for (size_t i = 0; i < state->op.count; i++)
        if (!device_take(request, devices, i, &state->op.bundles[i].device)) return;
    account_claim(request->api->config.accounts, &state->op);
}
