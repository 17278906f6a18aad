#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api_impl.h"
#include "wire/utf8.h"

/* ------------------------------------------------------------------------------------------------ parsing */

static void bad_json(struct api_request *request, size_t offset, const char *detail)
{
    struct api_problem problem = {.code = CODE_BAD_JSON, .detail = detail};
    char pointer[API_POINTER_BYTES_MAX];

    json_pointer_at(request->http->body, offset, pointer);
    problem.pointer = pointer;
    api_problem(request, &problem);
}

static const char *detail_of(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_duplicate_key: return "A key occurs twice in an object.";
    case json_error_numeric_overflow: return "A number is out of range.";
    case json_error_invalid_utf8: return "The text is not valid UTF-8.";
    case json_error_end_of_input_expected: return "Something follows the value.";
    case json_error_premature_end_of_input: return "The text ends too early.";
    default: return NULL;
    }
}

bool api_body_parse(struct api_request *request)
{
    struct kith_slice text = request->http->body;
    const struct api_problem no_object = {
        .code = CODE_BAD_REQUEST, .detail = "The body must be a JSON object.", .pointer = ""};
    size_t offset = 0;
    json_error_t error;

    if (!json_depth_is_fine(text, &offset)) {
        bad_json(request, offset, "The value is nested too deeply.");
        return false;
    }
    request->body = json_loadb(text.len == 0 ? "" : (const char *)text.ptr, text.len,
                               JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (request->body == NULL) {
        if (json_error_code(&error) == json_error_out_of_memory)
            api_problem_code(request, CODE_UNAVAILABLE);
        else
            bad_json(request, error.position < 0 ? 0 : (size_t)error.position, detail_of(&error));
        return false;
    }
    if (json_is_object(request->body)) return true;
    api_problem(request, &no_object);
    return false;
}

/* ------------------------------------------------------------------------------------------------ fields */

void fields_begin_at(struct api_fields *fields, struct api_request *request, json_t *object, const char *prefix)
{
    *fields = (struct api_fields){.request = request, .object = object};
    (void)snprintf(fields->prefix, sizeof fields->prefix, "%s", prefix);
}

void fields_begin(struct api_fields *fields, struct api_request *request)
{
    fields_begin_at(fields, request, request->body, "");
}

void fields_wrong(struct api_fields *fields, const char *name, const char *detail)
{
    if (fields->failed) return;
    fields->failed = true;
    fields->detail = detail;
    (void)snprintf(fields->pointer, sizeof fields->pointer, "%s/%s", fields->prefix, name);
}

void fields_wrong_item(struct api_fields *fields, const char *name, size_t index, const char *detail)
{
    char item[64];

    (void)snprintf(item, sizeof item, "%s/%zu", name, index);
    fields_wrong(fields, item, detail);
}

json_t *fields_take(struct api_fields *fields, const char *name, bool required)
{
    json_t *value = fields->object == NULL ? NULL : json_object_get(fields->object, name);

    assert(fields->asked_count < API_FIELDS_MAX);
    fields->asked[fields->asked_count++] = name;
    if (value != NULL && !json_is_null(value)) return value;
    if (required) fields_wrong(fields, name, "The field is missing.");
    return NULL;
}

static bool was_asked(const struct api_fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->asked_count; i++)
        if (strcmp(fields->asked[i], name) == 0) return true;
    return false;
}

/* A field that this server does not know is refused: whoever sends it means something by it. */
static void find_unknown(struct api_fields *fields)
{
    struct kith_slice key;
    const char *name;
    json_t *value;
    size_t len = 0;

    json_object_foreach(fields->object, name, value)
    {
        if (was_asked(fields, name)) continue;
        fields_wrong(fields, "", "This field is not known.");
        key = kith_slice_str(name);
        len = strlen(fields->pointer);
        for (size_t i = 0; i < key.len && len + 3 < sizeof fields->pointer; i++) {
            if (key.ptr[i] == '~' || key.ptr[i] == '/') {
                fields->pointer[len++] = '~';
                fields->pointer[len++] = key.ptr[i] == '~' ? '0' : '1';
            } else {
                fields->pointer[len++] = (char)key.ptr[i];
            }
        }
        fields->pointer[len] = '\0';
        while (!utf8_is_valid(kith_slice_str(fields->pointer))) fields->pointer[--len] = '\0'; /* cut in a character */
        return;
    }
}

bool fields_end(struct api_fields *fields)
{
    struct api_problem problem = {.code = CODE_BAD_REQUEST};

    if (!fields->failed) find_unknown(fields);
    if (!fields->failed) return true;
    problem.pointer = fields->pointer;
    problem.detail = fields->detail;
    api_problem(fields->request, &problem);
    return false;
}

bool fields_text(struct api_fields *fields, const char *name, bool required, size_t bytes_min, size_t bytes_max,
                 struct kith_slice *out)
{
    json_t *value = fields_take(fields, name, required);

    if (value == NULL) return false;
    if (!json_is_string(value)) {
        fields_wrong(fields, name, "The field must be a string.");
        return false;
    }
    *out = kith_slice_of(json_string_value(value), json_string_length(value));
    if (out->len < bytes_min) fields_wrong(fields, name, "The text is too short.");
    if (out->len > bytes_max) fields_wrong(fields, name, "The text is too long.");
    return out->len >= bytes_min && out->len <= bytes_max;
}

bool fields_copy(struct api_fields *fields, const char *name, bool required, size_t bytes_min, char *out, size_t room)
{
    struct kith_slice text;

    out[0] = '\0';
    if (!fields_text(fields, name, required, bytes_min, room - 1, &text)) return false;
    if (memchr(text.ptr, 0, text.len) != NULL) {
        fields_wrong(fields, name, "The text contains U+0000.");
        return false;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

bool fields_display_name(struct api_fields *fields, const char *name, bool required, char *out, size_t room)
{
    if (!fields_copy(fields, name, required, 1, out, room)) return false;
    if (account_display_name_is_valid(kith_slice_str(out))) return true;
    fields_wrong(fields, name, "The name contains control characters.");
    return false;
}

bool fields_password(struct api_fields *fields, const char *name, bool required, bool is_new,
                     struct account_password *out)
{
    struct kith_slice text;
    const char *fault;

    if (json_is_null(json_object_get(fields->object, name)))
        fields_wrong(fields, name, "A password is a string."); /* whoever says it at all means one */
    if (!fields_text(fields, name, required, 1, sizeof out->bytes, &text)) return false;
    fault = is_new ? account_password_fault(text) : NULL;
    if (fault != NULL) {
        fields_wrong(fields, name, fault);
        return false;
    }
    memcpy(out->bytes, text.ptr, text.len);
    out->len = text.len;
    sodium_memzero((void *)(uintptr_t)text.ptr, text.len); /* the parser's copy is not needed any more */
    return true;
}

bool fields_uuid(struct api_fields *fields, const char *name, bool required, struct kith_uuid *out)
{
    json_t *value = fields_take(fields, name, required);

    if (value == NULL) return false;
    if (json_is_string(value) &&
        kith_uuid_parse(kith_slice_of(json_string_value(value), json_string_length(value)), out) == KITH_OK)
        return true;
    fields_wrong(fields, name, "The field must be a UUID.");
    return false;
}

bool fields_bool(struct api_fields *fields, const char *name, bool *out)
{
    json_t *value = fields_take(fields, name, false);

    if (value == NULL) return false;
    if (!json_is_boolean(value)) {
        fields_wrong(fields, name, "The field must be true or false.");
        return false;
    }
    *out = json_is_true(value);
    return true;
}

/* A whole number may be written as 1.0 or 1e0 too (RFC 8259, 6). */
static bool whole_number(const json_t *value, uint64_t *out)
{
    double real = json_real_value(value);

    if (json_is_integer(value)) {
        if (json_integer_value(value) < 0) return false;
        *out = (uint64_t)json_integer_value(value);
        return true;
    }
    if (!json_is_real(value) || !(real >= 0 && real <= (double)API_SEQ_MAX)) return false;
    *out = (uint64_t)real;
    return (double)*out == real;
}

bool fields_u64(struct api_fields *fields, const char *name, bool required, uint64_t min, uint64_t max, uint64_t *out)
{
    json_t *value = fields_take(fields, name, required);
    uint64_t number = 0;

    if (value == NULL) return false;
    if (!whole_number(value, &number) || number < min || number > max) {
        fields_wrong(fields, name, "The field must be a whole number in its range.");
        return false;
    }
    *out = number;
    return true;
}

bool fields_base64(struct api_fields *fields, const char *name, bool required, size_t bytes_max, uint8_t **out,
                   size_t *len)
{
    struct kith_slice text;

    *out = NULL;
    *len = 0;
    if (!fields_text(fields, name, required, 0, API_BODY_BYTES_MAX, &text)) return false;
    *out = malloc(text.len / 4 * 3 + 4);
    if (*out == NULL) {
        fields_wrong(fields, name, "There is no memory.");
        return false;
    }
    if (sodium_base642bin(*out, text.len / 4 * 3 + 4, (const char *)text.ptr, text.len, NULL, len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        fields_wrong(fields, name, "The field must be base64 with padding.");
    else if (*len <= bytes_max)
        return true;
    else
        fields_wrong(fields, name, "The field is too long.");
    free(*out);
    *out = NULL;
    return false;
}

bool fields_array(struct api_fields *fields, const char *name, bool required, size_t count_max, json_t **out)
{
    json_t *value = fields_take(fields, name, required);

    *out = NULL;
    if (value == NULL) return false;
    if (!json_is_array(value))
        fields_wrong(fields, name, "The field must be an array.");
    else if (json_array_size(value) > count_max)
        fields_wrong(fields, name, "The array is too long.");
    else
        *out = value;
    return *out != NULL;
}

/* One text, decoded to the end of `room`; false: said. */
static bool item_decode(struct api_fields *fields, const char *name, size_t index, const json_t *text, size_t bytes_max,
                        uint8_t *room, struct kith_slice *out)
{
    size_t len = 0;

    if (!json_is_string(text) ||
        sodium_base642bin(room, json_string_length(text) / 4 * 3, json_string_value(text), json_string_length(text),
                          NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL) != 0) {
        fields_wrong_item(fields, name, index, "The item must be base64 with padding.");
        return false;
    }
    if (len > bytes_max) fields_wrong_item(fields, name, index, "The item is too long.");
    *out = kith_slice_of(room, len);
    return len <= bytes_max;
}

bool fields_base64_array(struct api_fields *fields, const char *name, bool required, size_t count_max, size_t bytes_max,
                         struct kith_slice **out, size_t *count)
{
    struct kith_slice *items;
    json_t *array, *text;
    size_t i, bytes = 0;
    uint8_t *room;

    *out = NULL;
    *count = 0;
    if (!fields_array(fields, name, required, count_max, &array)) return false;
    json_array_foreach(array, i, text) bytes += json_string_length(text) / 4 * 3;
    items = calloc(1, json_array_size(array) * sizeof *items + bytes + 1);
    if (items == NULL) {
        fields_wrong(fields, name, "There is no memory.");
        return false;
    }
    *out = items;
    room = (uint8_t *)(items + json_array_size(array));
    json_array_foreach(array, i, text)
    {
        if (!item_decode(fields, name, i, text, bytes_max, room, &items[i])) return false;
        room += items[i].len;
    }
    *count = json_array_size(array);
    return true;
}
