#include <sodium.h>

#include "api/api_impl.h"

static bool wrong(struct api_request *request, const char *name, const char *detail)
{
    const struct api_problem problem = {.code = CODE_BAD_REQUEST, .parameter = name, .detail = detail};

    api_problem(request, &problem);
    return false;
}

bool query_text(struct api_request *request, const char *name, bool required, char *out, size_t room, bool *found)
{
    struct kith_slice raw = {0};
    size_t len = 0;
    kith_err err = http1_query_get(request->http->query, name, &raw);

    *found = err == KITH_OK;
    if (err == KITH_E_NOTFOUND) return required ? wrong(request, name, "The parameter is missing.") : true;
    if (err != KITH_OK) return wrong(request, name, "The parameter is given twice.");
    err = http1_percent_decode(HTTP1_DECODE_QUERY, raw, out, room - 1, &len);
    if (err != KITH_OK) return wrong(request, name, "The parameter has the wrong form.");
    out[len] = '\0';
    return true;
}

bool query_u64(struct api_request *request, const char *name, bool required, uint64_t min, uint64_t max, uint64_t *out,
               bool *found)
{
    uint64_t number = 0;
    char text[24];

    if (!query_text(request, name, required, text, sizeof text, found)) return false;
    if (!*found) return true;
    if (kith_slice_to_u64(kith_slice_str(text), &number) != KITH_OK || number < min || number > max)
        return wrong(request, name, "The parameter must be a whole number in its range.");
    *out = number;
    return true;
}

bool query_uuid(struct api_request *request, const char *name, bool required, struct kith_uuid *out, bool *found)
{
    char text[KITH_UUID_TEXT_LEN + 1];

    if (!query_text(request, name, required, text, sizeof text, found)) return false;
    if (!*found) return true;
    if (kith_uuid_parse(kith_slice_str(text), out) == KITH_OK) return true;
    return wrong(request, name, "The parameter must be a UUID.");
}

bool query_flag(struct api_request *request, const char *name, bool *out)
{
    struct kith_slice raw = {0};
    kith_err err = http1_query_get(request->http->query, name, &raw);

    *out = false;
    if (err == KITH_E_NOTFOUND) return true;
    if (err != KITH_OK) return wrong(request, name, "The parameter is given twice.");
    *out = raw.len == 0 || kith_slice_is(raw, "true") || kith_slice_is(raw, "1");
    if (*out || kith_slice_is(raw, "false") || kith_slice_is(raw, "0")) return true;
    return wrong(request, name, "The parameter must be true or false.");
}

bool header_idempotency_key(struct api_request *request, struct kith_slice *key, bool *found)
{
    static const char name[] = "Idempotency-Key";
    size_t count = http1_header_count(request->http->headers, name);

    *found = count > 0;
    if (count == 0) return true;
    if (count > 1) return wrong(request, name, "The header is given twice.");
    (void)http1_header_get(request->http->headers, name, key);
    if (key->len == 0 || key->len > API_IDEMPOTENCY_KEY_BYTES_MAX)
        return wrong(request, name, "The header must have 1 to 255 characters.");
    for (size_t i = 0; i < key->len; i++)
        if (key->ptr[i] < 0x21 || key->ptr[i] > 0x7e)
            return wrong(request, name, "The header must be visible ASCII without spaces.");
    return true;
}

bool header_idempotency_id(struct api_request *request, struct msg_id *out)
{
    struct kith_slice key = {0};
    uint8_t digest[16];
    bool found = false;

    *out = (struct msg_id){0};
    if (!header_idempotency_key(request, &key, &found)) return false;
    if (!found) return true;
    /* Version 8, so that it is never the id of a message, which is version 7. */
    (void)crypto_generichash(digest, sizeof digest, key.ptr, key.len, NULL, 0);
    out->id = kith_uuid_v8_make(digest);
    return true;
}
