#include <stdlib.h>

#include "api/message_state.h"

/*
 * A message made for an older set of devices: read who is in the chat, then their devices, and say what differs. Twice
 * as many people as a chat may have members are never there, so the list is bounded.
 */
static bool has_item(const struct message_state *state, struct device_id device)
{
    for (size_t i = 0; i < state->item_count; i++)
        if (kith_uuid_eq(state->item_rows[i].device.id, device.id)) return true;
    return false;
}

static bool has_ref(const struct message_state *state, struct device_id device)
{
    for (size_t i = 0; i < state->sets.ref_count; i++)
        if (kith_uuid_eq(state->sets.refs[i].device.id, device.id)) return true;
    return false;
}

static void put_lists(const struct message_state *state, struct json_out *out)
{
    json_out_key(out, "device_lists");
    json_out_open(out, '[');
    for (size_t i = 0; i < state->sets.count; i++) {
        const struct account_person *person = &state->sets.people[i];
        if (!person->known) continue;
        json_out_open(out, '{');
        json_put_id_at(out, "user_id", person->user.id);
        json_put_u64_at(out, "list_seq", person->list_seq);
        json_out_key(out, "devices");
        json_out_open(out, '[');
        for (size_t d = 0; d < state->sets.ref_count; d++)
            if (kith_uuid_eq(state->sets.refs[d].user.id, person->user.id))
                json_out_id(out, state->sets.refs[d].device.id);
        json_out_close(out, ']');
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
}

static void put_difference(void *arg, struct json_out *out)
{
    const struct message_state *state = arg;

    json_out_key(out, "missing");
    json_out_open(out, '[');
    for (size_t i = 0; i < state->sets.ref_count; i++) {
        struct device_id device = state->sets.refs[i].device;
        bool own = kith_uuid_eq(device.id, state->request->who.device.id); /* it has what it sends */
        if (!own && !has_item(state, device)) json_out_id(out, device.id);
    }
    json_out_close(out, ']');
    json_out_key(out, "removed");
    json_out_open(out, '[');
    for (size_t i = 0; i < state->item_count; i++)
        if (!has_ref(state, state->item_rows[i].device)) json_out_id(out, state->item_rows[i].device.id);
    json_out_close(out, ']');
    put_lists(state, out);
}

static void sets_known(struct account_call *call)
{
    struct message_state *state = (struct message_state *)call;
    const struct api_problem problem = {.code = CODE_STALE_DEVICES, .more = put_difference, .arg = state};

    if (call->code == CODE_OK)
        api_problem(state->request, &problem);
    else
        api_problem_call(state->request, call);
}

static bool add_person(struct message_state *state, struct user_id user)
{
    if (state->sets.count == state->people_cap) {
        size_t cap = state->people_cap == 0 ? 8 : state->people_cap * 2;
        struct account_person *grown = realloc(state->sets.people, cap * sizeof *grown);
        if (grown == NULL) return false;
        state->sets.people = grown;
        state->people_cap = cap;
    }
    state->sets.people[state->sets.count++] = (struct account_person){.user = user};
    return true;
}

static void members_scan(struct message_state *state);

static void members_scanned(struct msgstore_scan *op)
{
    struct message_state *state = (struct message_state *)((char *)op - offsetof(struct message_state, scan));
    struct api_request *request = state->request;
    struct kith_slice rows = kith_buf_peek(&op->rows), key, value;
    struct row_member member;
    struct user_id user;
    bool is_put;

    if (op->err != KITH_OK) {
        api_problem_code(request, CODE_UNAVAILABLE);
        return;
    }
    while (msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
        memcpy(state->any.bytes, key.ptr, key.len);
        if (row_key_tail_id(key, &user.id) != KITH_OK || row_member_decode(value, &member) != KITH_OK) continue;
        if (!api_member_is_in(&member)) continue;
        if (!add_person(state, user)) {
            api_problem_code(request, CODE_UNAVAILABLE);
            return;
        }
    }
    if (op->more) {
        members_scan(state);
        return;
    }
    state->sets.call = (struct account_call){.loop = request->api->config.loop, .done = sets_known};
    account_device_sets(request->api->config.accounts, &state->sets);
}

static void members_scan(struct message_state *state)
{
    const struct api_config *config = &state->request->api->config;

    kith_buf_reset(&state->scan.rows);
    state->scan.loop = config->loop;
    state->scan.prefix = row_key_prefix(&state->any, ROW_PREFIX_STREAM);
    state->scan.from = kith_slice_of(state->any.bytes, state->any.len);
    state->scan.rows_max = 1000;
    state->scan.done = members_scanned;
    msgstore_scan(config->store, &state->scan);
}

void message_answer_stale(struct message_state *state)
{
    state->any = row_key_member((struct chat_id){state->cmd.stream}, (struct user_id){0});
    state->any.bytes[state->any.len++] = 0; /* from here on a key and this byte is the key right after it */
    kith_buf_init(&state->scan.rows, 1024 * 1024);
    members_scan(state);
}
