#include "wire/http1.h"

#include <assert.h>

#include "wire/utf8.h"

static const char *const methods[] = {
    [HTTP1_GET] = "GET",     [HTTP1_HEAD] = "HEAD",     [HTTP1_POST] = "POST",       [HTTP1_PUT] = "PUT",
    [HTTP1_PATCH] = "PATCH", [HTTP1_DELETE] = "DELETE", [HTTP1_OPTIONS] = "OPTIONS", [HTTP1_TRACE] = "TRACE",
};

const char *http1_method_name(enum http1_method method)
{
    assert((unsigned)method < sizeof methods / sizeof methods[0]);
    return methods[method];
}

/* RFC 9110, 15, and 428, 429, 431, 511 of RFC 6585, 507 of RFC 4918. */
static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *http1_status_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) return reasons[i].reason;
    }
    return "Unknown";
}

static uint8_t lower(uint8_t b)
{
    return b >= 'A' && b <= 'Z' ? b | 0x20 : b;
}

bool http1_text_eq(struct kith_slice a, struct kith_slice b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) return false;
    }
    return true;
}

bool http1_token_eq(struct kith_slice text, const char *token)
{
    return http1_text_eq(text, kith_slice_str(token));
}

bool http1_header_get(struct http1_headers headers, const char *name, struct kith_slice *value)
{
    for (size_t i = 0; i < headers.count; i++) {
        if (!http1_token_eq(headers.at[i].name, name)) continue;
        *value = headers.at[i].value;
        return true;
    }
    return false;
}

size_t http1_header_count(struct http1_headers headers, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < headers.count; i++) count += http1_token_eq(headers.at[i].name, name);
    return count;
}

bool http1_header_has_token(struct http1_headers headers, const char *name, const char *token)
{
    struct kith_slice element;

    for (size_t i = 0; i < headers.count; i++) {
        struct kith_slice list = headers.at[i].value;

        if (!http1_token_eq(headers.at[i].name, name)) continue;
        while (http1_list_next(&list, &element)) {
            if (http1_token_eq(element, token)) return true;
        }
    }
    return false;
}

static bool is_space(uint8_t b)
{
    return b == ' ' || b == '\t';
}

static struct kith_slice trim(struct kith_slice text)
{
    while (text.len > 0 && is_space(text.ptr[text.len - 1])) text.len--;
    while (text.len > 0 && is_space(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    return text;
}

/* Takes what stands before the separator off the front, and the separator; everything when there is none. */
static struct kith_slice take_until(struct kith_slice *text, size_t at)
{
    struct kith_slice part = kith_slice_of(text->ptr, at);
    size_t step = at < text->len ? at + 1 : at;

    text->ptr += step;
    text->len -= step;
    return part;
}

bool http1_list_next(struct kith_slice *list, struct kith_slice *element)
{
    while (list->len > 0) {
        bool quoted = false;
        size_t at = 0;

        for (; at < list->len; at++) {
            uint8_t b = list->ptr[at];
            if (b == '"') quoted = !quoted;
            if (quoted && b == '\\') at++;
            if (!quoted && b == ',') break;
        }
        if (at > list->len) at = list->len; /* a backslash was the last byte */
        *element = trim(take_until(list, at));
        if (element->len > 0) return true;
    }
    return false;
}

bool http1_path_next(struct kith_slice *path, struct kith_slice *segment)
{
    const uint8_t *slash;

    if (path->len == 0) return false;
    if (path->ptr[0] == '/') {
        path->ptr++;
        path->len--;
    }
    if (path->len == 0) return false;
    slash = memchr(path->ptr, '/', path->len);
    *segment = kith_slice_of(path->ptr, slash == NULL ? path->len : (size_t)(slash - path->ptr));
    /* The slash stays: it begins what is left. */
    path->ptr += segment->len;
    path->len -= segment->len;
    return true;
}

bool http1_query_next(struct kith_slice *query, struct kith_slice *name, struct kith_slice *value)
{
    while (query->len > 0) {
        const uint8_t *amp = memchr(query->ptr, '&', query->len);
        struct kith_slice pair = take_until(query, amp == NULL ? query->len : (size_t)(amp - query->ptr));
        const uint8_t *equals;

        if (pair.len == 0) continue;
        equals = memchr(pair.ptr, '=', pair.len);
        *name = take_until(&pair, equals == NULL ? pair.len : (size_t)(equals - pair.ptr));
        *value = pair;
        return true;
    }
    return false;
}

kith_err http1_query_get(struct kith_slice query, const char *name, struct kith_slice *value)
{
    struct kith_slice each_name, each_value;
    bool found = false;

    while (http1_query_next(&query, &each_name, &each_value)) {
        if (!kith_slice_is(each_name, name)) continue;
        if (found) return KITH_E_MALFORMED;
        found = true;
        *value = each_value;
    }
    return found ? KITH_OK : KITH_E_NOTFOUND;
}

static int hex_value(uint8_t b)
{
    if (b >= '0' && b <= '9') return b - '0';
    b = lower(b);
    return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

kith_err http1_percent_decode(enum http1_decode how, struct kith_slice in, char *out, size_t out_max, size_t *len)
{
    struct kith_slice text;
    size_t made = 0;

    for (size_t at = 0; at < in.len; at++) {
        uint8_t b = in.ptr[at];

        if (b == '+' && how == HTTP1_DECODE_QUERY) b = ' ';
        if (b == '%') {
            int high = in.len - at > 2 ? hex_value(in.ptr[at + 1]) : -1;
            int low = in.len - at > 2 ? hex_value(in.ptr[at + 2]) : -1;
            if (high < 0 || low < 0) return KITH_E_MALFORMED;
            b = (uint8_t)(high << 4 | low);
            at += 2;
        }
        if (b < 0x20 || b == 0x7f) return KITH_E_MALFORMED;
        if (b == '/' && how == HTTP1_DECODE_SEGMENT) return KITH_E_MALFORMED;
        if (made == out_max) return KITH_E_TOOBIG;
        out[made++] = (char)b;
    }
    text = kith_slice_of(out, made);
    if (!utf8_is_valid(text)) return KITH_E_MALFORMED;
    if (how == HTTP1_DECODE_SEGMENT && (kith_slice_is(text, ".") || kith_slice_is(text, ".."))) return KITH_E_MALFORMED;
    *len = made;
    return KITH_OK;
}
