#include "wire/http1_head.h"

#define PORT_MAX 65535

static bool is_alnum(uint8_t b)
{
    return (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z');
}

static bool is_one_of(uint8_t b, const char *set)
{
    return b != '\0' && strchr(set, b) != NULL;
}

/* RFC 9110, 5.6.2. */
static bool is_token_byte(uint8_t b)
{
    return is_alnum(b) || is_one_of(b, "!#$%&'*+-.^_`|~");
}

bool http1_is_token(struct kith_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_token_byte(text.ptr[i])) return false;
    }
    return text.len > 0;
}

bool http1_is_value(struct kith_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t b = text.ptr[i];
        if ((b < 0x20 && b != '\t') || b == 0x7f) return false;
    }
    return true;
}

enum http1_refusal http1_line_check(struct kith_slice line)
{
    const uint8_t *cr = memchr(line.ptr, '\r', line.len);

    if (line.len < 2 || line.ptr[line.len - 2] != '\r') {
        return cr == NULL ? HTTP1_REFUSE_BARE_LF : HTTP1_REFUSE_BARE_CR;
    }
    return cr == line.ptr + line.len - 2 ? HTTP1_FINE : HTTP1_REFUSE_BARE_CR;
}

/* "HTTP/1.0" or "HTTP/1.1"; any other digits are a version that we do not speak. */
static enum http1_refusal version_take(struct kith_slice text, unsigned *minor)
{
    if (text.len != 8 || !kith_slice_starts(text, "HTTP/") || text.ptr[6] != '.') return HTTP1_REFUSE_BAD_START;
    if (text.ptr[5] < '0' || text.ptr[5] > '9' || text.ptr[7] < '0' || text.ptr[7] > '9') return HTTP1_REFUSE_BAD_START;
    if (text.ptr[5] != '1' || text.ptr[7] > '1') return HTTP1_REFUSE_BAD_VERSION;
    *minor = (unsigned)(text.ptr[7] - '0');
    return HTTP1_FINE;
}

static bool method_find(struct kith_slice text, enum http1_method *out)
{
    for (int i = HTTP1_GET; i <= HTTP1_TRACE; i++) {
        if (!kith_slice_is(text, http1_method_name((enum http1_method)i))) continue;
        *out = (enum http1_method)i;
        return true;
    }
    return false;
}

enum http1_refusal http1_request_line(struct kith_slice line, struct http1_request *out)
{
    const uint8_t *end = line.ptr + line.len;
    const uint8_t *first = memchr(line.ptr, ' ', line.len);
    const uint8_t *second = first == NULL ? NULL : memchr(first + 1, ' ', (size_t)(end - first - 1));
    struct kith_slice method;
    enum http1_refusal refusal;

    if (second == NULL) return HTTP1_REFUSE_BAD_START;
    method = kith_slice_of(line.ptr, (size_t)(first - line.ptr));
    out->target = kith_slice_of(first + 1, (size_t)(second - first - 1));
    if (!http1_is_token(method)) return HTTP1_REFUSE_BAD_START;
    if (out->target.len > HTTP1_TARGET_BYTES_MAX) return HTTP1_REFUSE_TARGET_TOO_LONG;
    if (out->target.len == 0) return HTTP1_REFUSE_BAD_START;
    refusal = version_take(kith_slice_of(second + 1, (size_t)(end - second - 1)), &out->minor);
    if (refusal != HTTP1_FINE) return refusal;
    return method_find(method, &out->method) ? HTTP1_FINE : HTTP1_REFUSE_BAD_METHOD;
}

enum http1_refusal http1_status_line(struct kith_slice line, struct http1_response *out)
{
    enum http1_refusal refusal;
    unsigned status = 0;

    /* "HTTP/1.1 200 OK"; the reason may be empty, some leave out the space before it too. */
    if (line.len < 12 || line.ptr[8] != ' ' || (line.len > 12 && line.ptr[12] != ' ')) return HTTP1_REFUSE_BAD_START;
    refusal = version_take(kith_slice_of(line.ptr, 8), &out->minor);
    if (refusal != HTTP1_FINE) return refusal;
    for (size_t i = 9; i < 12; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9') return HTTP1_REFUSE_BAD_START;
        status = status * 10 + (unsigned)(line.ptr[i] - '0');
    }
    if (status < 100 || status > 599 || !http1_is_value(line)) return HTTP1_REFUSE_BAD_START;
    out->status = status;
    return HTTP1_FINE;
}

enum http1_refusal http1_header_line(struct kith_slice line, struct http1_header *out)
{
    const uint8_t *colon = memchr(line.ptr, ':', line.len);
    struct kith_slice value;

    if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) return HTTP1_REFUSE_FOLDED;
    if (colon == NULL) return HTTP1_REFUSE_BAD_HEADER_NAME;
    out->name = kith_slice_of(line.ptr, (size_t)(colon - line.ptr));
    /* White space before the colon is no token byte either: proxies have disagreed on such names. */
    if (!http1_is_token(out->name)) return HTTP1_REFUSE_BAD_HEADER_NAME;
    value = kith_slice_of(colon + 1, line.len - out->name.len - 1);
    if (!http1_is_value(value)) return HTTP1_REFUSE_BAD_HEADER_VALUE;
    while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t')) {
        value.ptr++;
        value.len--;
    }
    while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t')) value.len--;
    out->value = value;
    return HTTP1_FINE;
}

/* RFC 9112, 6.3: anything but chunked at the end leaves the length of a request open. */
static enum http1_refusal coding_check(struct kith_slice value)
{
    struct kith_slice element = {0};
    bool others = false;
    unsigned chunked = 0;

    while (http1_list_next(&value, &element)) {
        if (http1_token_eq(element, "chunked")) {
            chunked++;
        } else {
            others = true;
        }
    }
    if (chunked != 1 || !http1_token_eq(element, "chunked")) return HTTP1_REFUSE_BAD_CODING;
    return others ? HTTP1_REFUSE_OTHER_CODING : HTTP1_FINE;
}

enum http1_refusal http1_framing_check(struct http1_headers headers, unsigned minor, struct http1_framing *out)
{
    size_t lengths = http1_header_count(headers, "content-length");
    size_t codings = http1_header_count(headers, "transfer-encoding");
    struct kith_slice value = {0};
    bool close = http1_header_has_token(headers, "connection", "close");
    bool keep_alive = http1_header_has_token(headers, "connection", "keep-alive");
    enum http1_refusal refusal;

    *out = (struct http1_framing){.keep_alive = !close && (minor == 1 || keep_alive)};
    if (lengths > 0 && codings > 0) return HTTP1_REFUSE_TWO_LENGTHS;
    if (lengths > 1) return HTTP1_REFUSE_BAD_LENGTH;
    /* HTTP/1.0 knows no codings: the message may have been framed by the close of its connection (RFC 9112, 6.1). */
    if (codings > 1 || (codings == 1 && minor == 0)) return HTTP1_REFUSE_BAD_CODING;
    if (http1_header_get(headers, "content-length", &value)) {
        if (kith_slice_to_u64(value, &out->content_length) != KITH_OK) return HTTP1_REFUSE_BAD_LENGTH;
        out->has_length = true;
    }
    if (http1_header_get(headers, "transfer-encoding", &value)) {
        refusal = coding_check(value);
        if (refusal != HTTP1_FINE) return refusal;
        out->chunked = true;
    }
    return HTTP1_FINE;
}

/* RFC 3986, 3.3 and 3.4. In queries also what browsers leave as it is. */
static bool is_path_byte(uint8_t b)
{
    return is_alnum(b) || is_one_of(b, "-._~!$&'()*+,;=:@%/");
}

static bool is_query_byte(uint8_t b)
{
    return is_path_byte(b) || is_one_of(b, "?[]{}|^`");
}

static bool port_is_valid(struct kith_slice text)
{
    unsigned port = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        port = port * 10 + (unsigned)(text.ptr[i] - '0');
        if (port > PORT_MAX) return false;
    }
    return true; /* an empty one is the default (RFC 3986, 3.2.3) */
}

/* host[:port] without userinfo. */
static bool authority_is_valid(struct kith_slice text)
{
    struct kith_slice rest = {0};
    size_t at = 0;

    if (text.len > 0 && text.ptr[0] == '[') {
        for (at = 1; at < text.len && text.ptr[at] != ']'; at++) {
            if (!is_alnum(text.ptr[at]) && !is_one_of(text.ptr[at], ":.")) return false;
        }
        if (at == text.len || at < 3) return false;
        at++;
    } else {
        while (at < text.len && (is_alnum(text.ptr[at]) || is_one_of(text.ptr[at], "-._~!$&'()*+,;=%"))) at++;
    }
    if (at == 0) return false;
    rest = kith_slice_of(text.ptr + at, text.len - at);
    if (rest.len == 0) return true;
    return rest.ptr[0] == ':' && port_is_valid(kith_slice_of(rest.ptr + 1, rest.len - 1));
}

/* "http://host:port/path?query": cuts `target` down to what follows the host. */
static enum http1_refusal absolute_take(struct kith_slice *target, struct kith_slice host)
{
    static const char *const schemes[] = {"http://", "https://"};
    struct kith_slice authority;
    size_t at = 0;

    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (target->len >= len && http1_token_eq(kith_slice_of(target->ptr, len), schemes[i])) at = len;
    }
    if (at == 0) return HTTP1_REFUSE_BAD_TARGET;
    authority.ptr = target->ptr + at;
    while (at < target->len && !is_one_of(target->ptr[at], "/?")) at++;
    authority.len = (size_t)(target->ptr + at - authority.ptr);
    if (!authority_is_valid(authority)) return HTTP1_REFUSE_BAD_TARGET;
    if (host.len > 0 && !http1_text_eq(authority, host)) return HTTP1_REFUSE_HOST_MISMATCH;
    target->ptr += at;
    target->len -= at;
    return HTTP1_FINE;
}

static enum http1_refusal target_check(struct http1_request *out)
{
    struct kith_slice rest = out->target;
    size_t at = 0;

    if (kith_slice_is(rest, "*")) {
        out->path = rest;
        return out->method == HTTP1_OPTIONS ? HTTP1_FINE : HTTP1_REFUSE_BAD_TARGET;
    }
    if (rest.ptr[0] != '/') {
        enum http1_refusal refusal = absolute_take(&rest, out->host);
        if (refusal != HTTP1_FINE) return refusal;
    }
    while (at < rest.len && is_path_byte(rest.ptr[at])) at++;
    out->path = kith_slice_of(rest.ptr, at);
    if (at < rest.len && rest.ptr[at] == '?') {
        size_t query_at = ++at;
        while (at < rest.len && is_query_byte(rest.ptr[at])) at++;
        out->query = kith_slice_of(rest.ptr + query_at, at - query_at);
    }
    if (at < rest.len) return HTTP1_REFUSE_BAD_TARGET;
    if (out->path.len == 0) out->path = kith_slice_str("/"); /* "http://host" */
    return HTTP1_FINE;
}

enum http1_refusal http1_request_check(struct http1_request *out, const struct http1_framing *framing)
{
    size_t hosts = http1_header_count(out->headers, "host");
    bool has_body = framing->chunked || framing->content_length > 0;
    struct kith_slice value = {0};
    enum http1_refusal refusal;

    if (hosts > 1 || (hosts == 0 && out->minor == 1)) return HTTP1_REFUSE_BAD_HOST;
    if (http1_header_get(out->headers, "host", &out->host) && !authority_is_valid(out->host)) {
        return HTTP1_REFUSE_BAD_HOST;
    }
    refusal = target_check(out);
    if (refusal != HTTP1_FINE) return refusal;
    if (out->minor == 1 && http1_header_get(out->headers, "expect", &value)) {
        if (http1_header_count(out->headers, "expect") > 1 || !http1_token_eq(value, "100-continue")) {
            return HTTP1_REFUSE_BAD_EXPECT;
        }
        out->expects_continue = has_body;
    }
    out->has_length = framing->has_length;
    out->content_length = framing->content_length;
    out->keep_alive = framing->keep_alive;
    out->upgrade = out->minor == 1 && !has_body && http1_header_count(out->headers, "upgrade") > 0 &&
                   http1_header_has_token(out->headers, "connection", "upgrade");
    return HTTP1_FINE;
}
