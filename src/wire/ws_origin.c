#include "wire/ws_handshake.h"

/* An origin, or a Host header, in parts. */
struct origin {
    bool is_secure;
    struct kith_slice host; /* an IPv6 address with its brackets */
    uint64_t port;
};

static bool host_is_valid(struct kith_slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        uint8_t b = host.ptr[i];
        bool is_alnum = (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z');
        if (!is_alnum && (b == '\0' || strchr("-._:[]", b) == NULL)) return false;
    }
    return host.len > 0;
}

/* host[:port], nothing else: userinfo, path, white space and what is not ASCII are refused by their bytes. */
static bool authority_parse(struct kith_slice text, bool is_secure, struct origin *out)
{
    size_t host_len = text.len;

    *out = (struct origin){.is_secure = is_secure, .port = is_secure ? 443 : 80};
    while (host_len > 0 && text.ptr[host_len - 1] >= '0' && text.ptr[host_len - 1] <= '9') host_len--;
    if (host_len > 0 && host_len < text.len && text.ptr[host_len - 1] == ':') {
        struct kith_slice port = kith_slice_of(text.ptr + host_len, text.len - host_len);
        if (kith_slice_to_u64(port, &out->port) != KITH_OK || out->port > 65535) return false;
        host_len--;
    } else {
        host_len = text.len;
    }
    out->host = kith_slice_of(text.ptr, host_len);
    if (!host_is_valid(out->host)) return false;
    /* A colon that is left belongs to an IPv6 address, and that stands in brackets. */
    if (out->host.ptr[0] == '[') return out->host.ptr[host_len - 1] == ']';
    return memchr(out->host.ptr, ':', host_len) == NULL && memchr(out->host.ptr, '[', host_len) == NULL &&
           memchr(out->host.ptr, ']', host_len) == NULL;
}

static bool origin_parse(struct kith_slice text, struct origin *out)
{
    bool is_secure = kith_slice_starts(text, "https://");
    size_t scheme_len = is_secure ? 8 : 7;

    if (!is_secure && !kith_slice_starts(text, "http://")) return false;
    return authority_parse(kith_slice_of(text.ptr + scheme_len, text.len - scheme_len), is_secure, out);
}

static bool origin_eq(const struct origin *a, const struct origin *b)
{
    return a->is_secure == b->is_secure && a->port == b->port && http1_text_eq(a->host, b->host);
}

kith_err ws_origin_check(const struct http1_request *request, bool is_secure, const char *const *allowed)
{
    struct origin origin, other;
    struct kith_slice text = {0};

    if (!http1_header_get(request->headers, "origin", &text)) return KITH_OK;
    if (http1_header_count(request->headers, "origin") > 1 || !origin_parse(text, &origin)) return KITH_E_DENIED;
    if (allowed == NULL) {
        bool is_same = authority_parse(request->host, is_secure, &other) && origin_eq(&origin, &other);
        return is_same ? KITH_OK : KITH_E_DENIED;
    }
    for (; *allowed != NULL; allowed++) {
        if (origin_parse(kith_slice_str(*allowed), &other) && origin_eq(&origin, &other)) return KITH_OK;
    }
    return KITH_E_DENIED;
}
