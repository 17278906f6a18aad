#ifndef KITH_NET_URL_H
#define KITH_NET_URL_H

#include "base/slice.h"

/**
 * "http://host:port/path?query", also https, ws, wss. Pure; parts are lent from the text. Userinfo, spaces and control
 * characters are refused, a fragment is cut off, an empty path is "/".
 * Source: RFC 3986, 3; RFC 6455, 3.
 */
struct url {
    bool is_secure;              /* https, wss                                    */
    struct kith_slice host;      /* without the brackets of an IPv6 address       */
    struct kith_slice authority; /* as it stands: for Host                    */
    uint16_t port;               /* 80 or 443 when not given                      */
    struct kith_slice target;    /* path and query: for the request line         */
};

#define URL_HOST_BYTES_MAX 253

KITH_MUST_USE kith_err url_parse(const char *text, struct url *out);

#endif
