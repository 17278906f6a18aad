#include "net/url.h"

static bool parse_scheme(struct kith_slice *text, struct url *url)
{
    static const struct {
        const char *prefix;
        bool is_secure;
    } schemes[] = {{"http://", false}, {"https://", true}, {"ws://", false}, {"wss://", true}};

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i].prefix);
        if (!kith_slice_starts(*text, schemes[i].prefix)) continue;
        *text = kith_slice_of(text->ptr + len, text->len - len);
        url->is_secure = schemes[i].is_secure;
        return true;
    }
    return false;
}

static bool parse_authority(struct url *url)
{
    struct kith_slice host = url->authority, port = {0};
    const uint8_t *end;
    uint64_t number = url->is_secure ? 443 : 80;

    if (host.len > 0 && host.ptr[0] == '[') {
        end = memchr(host.ptr, ']', host.len);
        if (end == NULL) return false;
        port = kith_slice_of(end + 1, host.len - (size_t)(end + 1 - host.ptr));
        host = kith_slice_of(host.ptr + 1, (size_t)(end - host.ptr) - 1);
    } else {
        end = host.len == 0 ? NULL : memchr(host.ptr, ':', host.len);
        if (end != NULL) {
            port = kith_slice_of(end, host.len - (size_t)(end - host.ptr));
            host.len = (size_t)(end - host.ptr);
        }
    }
    if (port.len > 0) {
        if (port.ptr[0] != ':' || kith_slice_to_u64(kith_slice_of(port.ptr + 1, port.len - 1), &number) != KITH_OK)
            return false;
    }
    if (number == 0 || number > UINT16_MAX || host.len == 0 || host.len > URL_HOST_BYTES_MAX) return false;
    url->host = host;
    url->port = (uint16_t)number;
    return memchr(url->authority.ptr, '@', url->authority.len) == NULL;
}

kith_err url_parse(const char *text, struct url *out)
{
    struct kith_slice rest = kith_slice_str(text);
    struct url url = {.target = kith_slice_str("/")};
    size_t i = 0;

    for (size_t k = 0; k < rest.len; k++) {
        if (rest.ptr[k] <= ' ' || rest.ptr[k] >= 0x7f) return KITH_E_MALFORMED;
    }
    if (!parse_scheme(&rest, &url)) return KITH_E_MALFORMED;
    while (i < rest.len && strchr("/?#", rest.ptr[i]) == NULL) i++;
    url.authority = kith_slice_of(rest.ptr, i);
    if (!parse_authority(&url)) return KITH_E_MALFORMED;
    rest = kith_slice_of(rest.ptr + i, rest.len - i);
    for (i = 0; i < rest.len && rest.ptr[i] != '#'; i++) continue;
    rest.len = i;
    if (rest.len > 0 && rest.ptr[0] != '/') return KITH_E_MALFORMED; /* "?" without a path: write it with one */
    if (rest.len > 0) url.target = rest;
    *out = url;
    return KITH_OK;
}
