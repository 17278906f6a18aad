#include <stdlib.h>

#include "api/routes.h"

/*
 * POST /chats. A direct chat is made by the accounts' outbox, so that it is whole whatever happens meanwhile (blocks,
 * devices, receipts). A group: facts of its people, the command, then the comparison with what has changed since.
 */
#define CREATE_MEMBERS_MAX 9000 /* what a body has room for; the rest of a larger group is added to it */

struct create_state {
    struct account_direct direct; /* first */
    struct account_people people;
    struct api_request *request;
    bool encrypted, history_open, has_key;
    char name[KITH_DISPLAY_NAME_BYTES_MAX + 1];
    struct api_signed_op op;
    struct account_person *persons; /* with the creator; ascending */
    size_t count;
    uint8_t *members; /* the same, for the command */
    struct chat_answer answer;
};

static void release(void *arg)
{
    struct create_state *state = arg;

    account_people_drop(&state->people);
    api_signed_op_free(&state->op);
    free(state->persons);
    free(state->members);
}

static void answer_chat(struct api_request *request, struct chat_id chat, bool is_new)
{
    json_out_open(&request->out, '{');
    json_put_id_at(&request->out, "chat_id", chat.id);
    json_out_close(&request->out, '}');
    api_answer(request, is_new ? 201 : 200);
}

static void unknown_person(struct api_request *request)
{
    const struct api_problem problem = {.code = CODE_NOT_FOUND, .pointer = "/members", .detail = "No such person."};

    api_problem(request, &problem);
}

/* ------------------------------------------------------------------------------------------------ direct */

static void direct_made(struct account_call *call)
{
    struct create_state *state = (struct create_state *)call;

    if (call->code == CODE_CREATED || call->code == CODE_OK)
        answer_chat(state->request, state->direct.chat, call->code == CODE_CREATED);
    else if (call->code == CODE_NOT_FOUND)
        unknown_person(state->request);
    else
        api_problem_call(state->request, call);
}

static void direct_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    struct create_state *state = request->state;

    (void)value;
    if (err == KITH_OK)
        answer_chat(request, state->direct.chat, false);
    else
        account_direct(request->api->config.accounts, &state->direct);
}

static void direct_create(struct api_request *request)
{
    struct create_state *state = request->state;
    struct account_direct *op = &state->direct;
    bool self_first = kith_uuid_eq(state->persons[0].user.id, request->who.user.id);
    struct row_key key;

    op->call = (struct account_call){.loop = request->api->config.loop, .done = direct_made};
    op->who = request->who;
    op->other = state->persons[self_first ? 1 : 0].user;
    op->encrypted = state->encrypted;
    op->chat = accounts_direct_chat(request->api->config.accounts, op->who.user, op->other, op->encrypted);
    key = row_key_chat(op->chat);
    api_get(request, &key, direct_got);
}

/* ------------------------------------------------------------------------------------------------ group */

/* The content of the first event of a group with these people (chat/create.c): what tells the same request again. */
static void put_created(const struct create_state *state, struct json_out *out)
{
    json_out_open(out, '{');
    json_out_key(out, "members");
    json_out_open(out, '[');
    for (size_t i = 0; i < state->count; i++) {
        bool creator = kith_uuid_eq(state->persons[i].user.id, state->request->who.user.id);
        json_out_open(out, '{');
        json_put_id_at(out, "user_id", state->persons[i].user.id);
        json_put_str_at(out, "role", row_role_name(creator ? ROLE_OWNER : ROLE_MEMBER));
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
    if (state->op.group_seq != 0) {
        json_put_u64_at(out, "group_seq", state->op.group_seq);
        json_out_key(out, "signed_op");
        json_out_base64(out, state->op.signed_op);
    }
    json_out_close(out, '}');
}

static void group_finish(struct api_request *request)
{
    struct create_state *state = request->state;

    if (state->answer.code == CODE_CREATED || state->answer.code == CODE_OK)
        answer_chat(request, state->people.chat, state->answer.code == CODE_CREATED);
    else
        api_problem_core(request, &state->answer);
}

static void first_event_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    struct create_state *state = request->state;
    struct row_message message;
    struct json_out wanted;
    bool same;

    if (err != KITH_OK || row_message_decode(value, &message) != KITH_OK) {
        api_problem_code(request, CODE_INTERNAL);
        return;
    }
    json_out_init(&wanted, API_BODY_BYTES_MAX * 4);
    put_created(state, &wanted);
    same = wanted.err == KITH_OK && kith_slice_eq(message.body, kith_buf_peek(&wanted.buf));
    json_out_deinit(&wanted);
    if (same)
        answer_chat(request, state->people.chat, false);
    else
        api_problem_code(request, CODE_CONFLICT);
}

static void group_settled(struct account_call *call)
{
    struct create_state *state = (struct create_state *)((char *)call - offsetof(struct create_state, people));
    struct row_key key = row_key_message(state->people.chat, 1);

    /* The same key twice at once: the facts of the people may have differed, the request need not. */
    if (state->answer.code == CODE_CONFLICT)
        api_get(state->request, &key, first_event_got);
    else
        group_finish(state->request);
}

static void group_asked(struct api_request *request, const struct chat_answer *answer)
{
    struct create_state *state = request->state;

    state->answer = *answer;
    if (answer->code == CODE_UNKNOWN_OUTCOME) {
        group_finish(request);
        return;
    }
    state->people.call.done = group_settled;
    account_people_settle(request->api->config.accounts, &state->people);
}

static void group_ask(struct create_state *state)
{
    struct api_request *request = state->request;
    size_t len = state->count * CMD_MEMBER_BYTES;
    struct cmd cmd = {
        .verb = CMD_CHAT_CREATE,
        .flags = CMD_GROUP | (state->encrypted ? (uint32_t)CMD_ENCRYPTED : 0) |
                 (state->history_open ? (uint32_t)CMD_HISTORY_OPEN : 0),
        .stream = state->people.chat.id,
        .name = kith_slice_str(state->name),
        .seq = state->op.group_seq,
        .body = state->op.signed_op,
    };

    state->members = malloc(len);
    if (state->members == NULL) {
        api_problem_code(request, CODE_UNAVAILABLE);
        return;
    }
    for (size_t i = 0; i < state->count; i++) {
        const struct account_person *person = &state->persons[i];
        struct cmd_member member = {.user = person->user, .list_seq = person->list_seq, .accepted = 1};
        member.role = kith_uuid_eq(person->user.id, request->who.user.id) ? ROLE_OWNER : ROLE_MEMBER;
        member.receipts = person->receipts;
        cmd_member_encode(&member, state->members + i * CMD_MEMBER_BYTES);
    }
    cmd.members = kith_slice_of(state->members, len);
    api_ask_signed(request, &state->op, &cmd, group_asked);
}

static void people_known(struct account_call *call)
{
    struct create_state *state = (struct create_state *)((char *)call - offsetof(struct create_state, people));

    if (call->code == CODE_OK)
        group_ask(state);
    else if (call->code == CODE_NOT_FOUND)
        unknown_person(state->request);
    else
        api_problem_call(state->request, call);
}

static void group_people(struct api_request *request)
{
    struct create_state *state = request->state;

    state->people.call = (struct account_call){.loop = request->api->config.loop, .done = people_known};
    state->people.people = state->persons;
    state->people.count = state->count;
    account_people(request->api->config.accounts, &state->people);
}

static void group_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    struct create_state *state = request->state;
    struct row_key key = row_key_message(state->people.chat, 1);

    (void)value;
    if (err == KITH_OK)
        api_get(request, &key, first_event_got);
    else
        group_people(request);
}

static void group_create(struct api_request *request, struct kith_slice key)
{
    struct create_state *state = request->state;
    uint8_t coins[16];
    struct row_key row;

    if (state->count > request->api->config.members_max) {
        api_problem_code(request, CODE_CHAT_FULL);
        return;
    }
    if (!state->has_key) {
        loop_random(request->api->config.loop, coins, sizeof coins);
        state->people.chat.id = kith_uuid_v8_make(coins);
        group_people(request);
        return;
    }
    state->people.chat = accounts_group_chat(request->api->config.accounts, request->who.user, key);
    row = row_key_chat(state->people.chat);
    api_get(request, &row, group_got);
}

/* ------------------------------------------------------------------------------------------------ the request */

static int person_order(const void *a, const void *b)
{
    return kith_uuid_cmp(((const struct account_person *)a)->user.id, ((const struct account_person *)b)->user.id);
}

/* Sorted, each once, and the creator among them. False: no memory. */
static bool take_members(struct api_fields *fields, struct create_state *state, json_t *members)
{
    size_t count = json_array_size(members), kept = 0;

    state->persons = calloc(count + 1, sizeof *state->persons);
    if (state->persons == NULL) {
        api_problem_code(state->request, CODE_UNAVAILABLE);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(members, i);
        if (!json_is_string(value) ||
            kith_uuid_parse(kith_slice_of(json_string_value(value), json_string_length(value)),
                            &state->persons[i].user.id) != KITH_OK)
            fields_wrong(fields, "members", "Each member must be a UUID.");
    }
    state->persons[count].user = state->request->who.user;
    qsort(state->persons, count + 1, sizeof *state->persons, person_order);
    for (size_t i = 0; i <= count; i++)
        if (i == 0 || person_order(&state->persons[i], &state->persons[kept - 1]) != 0)
            state->persons[kept++] = state->persons[i];
    state->count = kept;
    return true;
}

static void check_kind(struct api_fields *fields, const struct create_state *state, bool is_group)
{
    if (state->name[0] != '\0' && (state->encrypted || !is_group))
        fields_wrong(fields, "name", "Only a group that is not encrypted has a name here.");
    if (state->op.group_seq != 0 && (!is_group || !state->encrypted))
        fields_wrong(fields, "signed_op", "Only an encrypted group has operations.");
    if (state->op.group_seq > 1) fields_wrong(fields, "group_seq", "A group begins with its operation 1.");
    if (!is_group && state->history_open) fields_wrong(fields, "history_open", "A direct chat has no such setting.");
    if (!is_group && state->count != 2) fields_wrong(fields, "members", "A direct chat is with one other person.");
}

void route_chat_create(struct api_request *request)
{
    struct create_state *state = api_state(request, sizeof *state, release);
    struct kith_slice type = {0}, key = {0};
    json_t *members = NULL;
    struct api_fields fields;
    bool is_group;

    if (state == NULL) return;
    state->request = request;
    state->encrypted = true;
    if (!header_idempotency_key(request, &key, &state->has_key)) return;
    fields_begin(&fields, request);
    (void)fields_text(&fields, "type", true, 0, 16, &type);
    is_group = kith_slice_is(type, "group");
    if (!is_group && !kith_slice_is(type, "direct")) fields_wrong(&fields, "type", "The type is direct or group.");
    (void)fields_display_name(&fields, "name", false, state->name, sizeof state->name);
    (void)fields_bool(&fields, "encrypted", &state->encrypted);
    (void)fields_bool(&fields, "history_open", &state->history_open);
    fields_signed_op(&fields, &state->op);
    if (fields_array(&fields, "members", true, CREATE_MEMBERS_MAX, &members) && !take_members(&fields, state, members))
        return;
    check_kind(&fields, state, is_group);
    if (!fields_end(&fields)) return;
    if (is_group)
        group_create(request, key);
    else
        direct_create(request);
}
