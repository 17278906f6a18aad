#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/message_state.h"
#include "wire/utf8.h"

/* ------------------------------------------------------------------------------------------------ one body */

/* type "/" subtype, maybe ";" and parameters: visible ASCII and spaces (RFC 9110, 8.3.1; their form is the clients'). */
static bool is_media_type(struct kith_slice text)
{
    static const char marks[] = "!#$&^_.+-";
    size_t slash = 0, i = 0;

    if (text.len == 0 || text.len > KITH_CONTENT_TYPE_BYTES_MAX) return false;
    for (; i < text.len && text.ptr[i] != ';'; i++) {
        uint8_t c = text.ptr[i];
        bool is_token = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c != '\0' && strchr(marks, c) != NULL);
        if (c == '/' && slash == 0 && i > 0)
            slash = i;
        else if (!is_token)
            return false;
    }
    if (slash == 0 || slash + 1 == i) return false;
    for (; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e) return false;
    return true;
}

static bool too_big(struct message_state *state)
{
    api_problem_code(state->request, CODE_TOO_BIG);
    return false;
}

static bool wrong(struct message_state *state, const char *pointer, const char *detail)
{
    const struct api_problem problem = {.code = CODE_BAD_REQUEST, .pointer = pointer, .detail = detail};

    api_problem(state->request, &problem);
    return false;
}

/* Text as it is, or what base64 says when the message is encrypted. */
static bool take_content(struct message_state *state)
{
    struct kith_slice text = kith_slice_of(json_string_value(state->content), json_string_length(state->content));
    size_t len = 0;

    if ((state->cmd.flags & CMD_ENCRYPTED) == 0) {
        if (text.len > KITH_MESSAGE_BYTES_MAX) return too_big(state);
        state->cmd.body = text;
        return true;
    }
    state->decoded = malloc(text.len / 4 * 3 + 4);
    if (state->decoded == NULL) {
        api_problem_code(state->request, CODE_UNAVAILABLE);
        return false;
    }
    if (sodium_base642bin(state->decoded, text.len / 4 * 3 + 4, (const char *)text.ptr, text.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return wrong(state, "/content", "The content of an encrypted message is base64 with padding.");
    if (len > KITH_MESSAGE_BYTES_MAX) return too_big(state);
    state->cmd.body = kith_slice_of(state->decoded, len);
    return true;
}

/* ------------------------------------------------------------------------------------------------ one body a device */

static int list_order(const void *a, const void *b)
{
    return kith_uuid_cmp(((const struct bodies_list *)a)->user.id, ((const struct bodies_list *)b)->user.id);
}

static int item_order(const void *a, const void *b)
{
    return kith_uuid_cmp(((const struct bodies_item *)a)->device.id, ((const struct bodies_item *)b)->device.id);
}

static bool take_list(struct message_state *state, size_t i)
{
    struct api_fields fields;
    char prefix[48];

    (void)snprintf(prefix, sizeof prefix, "/device_lists/%zu", i);
    if (!json_is_object(json_array_get(state->lists, i))) return wrong(state, prefix, "Each must be an object.");
    fields_begin_at(&fields, state->request, json_array_get(state->lists, i), prefix);
    (void)fields_uuid(&fields, "user_id", true, &state->list_rows[i].user.id);
    (void)fields_u64(&fields, "list_seq", true, 0, API_SEQ_MAX, &state->list_rows[i].list_seq);
    return fields_end(&fields);
}

static bool take_item(struct message_state *state, size_t i)
{
    struct api_fields fields;
    char prefix[48];
    size_t len = 0;

    (void)snprintf(prefix, sizeof prefix, "/bodies/%zu", i);
    if (!json_is_object(json_array_get(state->bodies, i))) return wrong(state, prefix, "Each must be an object.");
    fields_begin_at(&fields, state->request, json_array_get(state->bodies, i), prefix);
    (void)fields_uuid(&fields, "device_id", true, &state->item_rows[i].device.id);
    (void)fields_base64(&fields, "content", true, KITH_MESSAGE_BYTES_MAX, &state->item_bytes[i], &len);
    state->item_rows[i].ciphertext = kith_slice_of(state->item_bytes[i], len);
    return fields_end(&fields);
}

static bool each_once(struct message_state *state)
{
    for (size_t i = 1; i < state->list_count; i++)
        if (list_order(&state->list_rows[i - 1], &state->list_rows[i]) == 0)
            return wrong(state, "/device_lists", "A person occurs twice.");
    for (size_t i = 1; i < state->item_count; i++)
        if (item_order(&state->item_rows[i - 1], &state->item_rows[i]) == 0)
            return wrong(state, "/bodies", "A device occurs twice.");
    return true;
}

static bool take_bodies(struct message_state *state)
{
    kith_err err;

    state->list_count = json_array_size(state->lists);
    state->item_count = json_array_size(state->bodies);
    state->list_rows = calloc(state->list_count + 1, sizeof *state->list_rows);
    state->item_rows = calloc(state->item_count + 1, sizeof *state->item_rows);
    state->item_bytes = calloc(state->item_count + 1, sizeof *state->item_bytes);
    if (state->list_rows == NULL || state->item_rows == NULL || state->item_bytes == NULL) {
        api_problem_code(state->request, CODE_UNAVAILABLE);
        return false;
    }
    for (size_t i = 0; i < state->list_count; i++)
        if (!take_list(state, i)) return false;
    for (size_t i = 0; i < state->item_count; i++)
        if (!take_item(state, i)) return false;
    qsort(state->list_rows, state->list_count, sizeof *state->list_rows, list_order);
    qsort(state->item_rows, state->item_count, sizeof *state->item_rows, item_order);
    if (!each_once(state)) return false;
    kith_buf_reset(&state->encoded);
    err = bodies_encode(&state->encoded, state->list_rows, state->list_count, state->item_rows, state->item_count);
    if (err == KITH_E_TOOBIG || (err == KITH_OK && kith_buf_len(&state->encoded) > KITH_MESSAGE_BYTES_MAX))
        return too_big(state);
    if (err != KITH_OK) {
        api_problem_code(state->request, CODE_UNAVAILABLE);
        return false;
    }
    state->cmd.body = kith_buf_peek(&state->encoded);
    return true;
}

/* ------------------------------------------------------------------------------------------------ the message */

/* A time before 1970 is no time of ours, but well formed: as past as any other (and as unknown as the chat may be). */
static void take_expiry(struct api_fields *fields, struct cmd *cmd)
{
    struct kith_slice text;
    char moved[64];

    if (!fields_text(fields, "expires_at", false, 0, 256, &text)) return;
    if (kith_time_parse(text, &cmd->expires_ms) != KITH_OK) {
        if (text.len < sizeof moved && text.len > 4 && memcmp(text.ptr, "1970", 4) < 0) {
            memcpy(moved, text.ptr, text.len);
            memcpy(moved, "1972", 4);
            if (kith_time_parse(kith_slice_of(moved, text.len), &cmd->expires_ms) == KITH_OK) return;
        }
        fields_wrong(fields, "expires_at", "The field must be a time (RFC 3339).");
    }
    if (cmd->expires_ms == 0) cmd->expires_ms = 1; /* 0 is never */
}

static void take_kind(struct api_fields *fields, struct message_state *state)
{
    bool per_device = state->bodies != NULL;

    if ((state->content == NULL) == !per_device)
        fields_wrong(fields, "content", "One of content and bodies must be there.");
    if (per_device != (state->lists != NULL))
        fields_wrong(fields, "device_lists", "They belong to bodies, and bodies to them.");
    if (state->content != NULL && !json_is_string(state->content))
        fields_wrong(fields, "content", "The field must be a string.");
    if (per_device && state->has_encrypted && !state->encrypted)
        fields_wrong(fields, "bodies", "Only an encrypted message has a body for each device.");
    if (state->cmd.content_type.len > 0 && !is_media_type(state->cmd.content_type))
        fields_wrong(fields, "content_type", "The field must be a media type.");
}

bool message_fields_take(struct message_state *state)
{
    struct cmd *cmd = &state->cmd;
    struct api_fields fields;

    fields_begin(&fields, state->request);
    (void)fields_uuid(&fields, "chat_id", true, &cmd->stream);
    (void)fields_uuid(&fields, "msg_id", true, &cmd->id.id);
    (void)fields_uuid(&fields, "after", false, &cmd->after.id);
    (void)fields_uuid(&fields, "parent_id", false, &cmd->parent.id);
    take_expiry(&fields, cmd);
    (void)fields_text(&fields, "content_type", false, 1, KITH_CONTENT_TYPE_BYTES_MAX, &cmd->content_type);
    state->has_encrypted = fields_bool(&fields, "encrypted", &state->encrypted);
    state->content = fields_take(&fields, "content", false);
    (void)fields_array(&fields, "bodies", false, BODIES_DEVICES_MAX, &state->bodies);
    (void)fields_array(&fields, "device_lists", false, BODIES_DEVICES_MAX, &state->lists);
    take_kind(&fields, state);
    return fields_end(&fields);
}

bool message_body_take(struct message_state *state, bool chat_is_encrypted)
{
    struct cmd *cmd = &state->cmd;

    if (state->has_encrypted ? state->encrypted : chat_is_encrypted) cmd->flags |= CMD_ENCRYPTED;
    if (state->bodies == NULL) {
        if (cmd->content_type.len == 0) cmd->content_type = kith_slice_str("text/plain");
        return take_content(state);
    }
    if ((cmd->flags & CMD_ENCRYPTED) == 0)
        return wrong(state, "/bodies", "Only an encrypted message has a body for each device.");
    if (cmd->content_type.len == 0) cmd->content_type = kith_slice_str("application/octet-stream");
    cmd->flags |= CMD_PER_DEVICE;
    return take_bodies(state);
}

void message_state_release(void *arg)
{
    struct message_state *state = arg;

    for (size_t i = 0; state->item_bytes != NULL && i < state->item_count; i++) free(state->item_bytes[i]);
    free(state->item_bytes);
    free(state->item_rows);
    free(state->list_rows);
    free(state->decoded);
    kith_buf_deinit(&state->encoded);
    account_stale_free(&state->stale);
    free(state->sent);
}
