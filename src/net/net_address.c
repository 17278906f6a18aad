#include "net/net_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_ipv4(struct net_address address)
{
    return memcmp(address.ip, mapped, sizeof mapped) == 0;
}

kith_err net_address_parse(struct kith_slice text, struct net_address *out)
{
    char copy[NET_ADDRESS_TEXT_BYTES];
    struct net_address address = {0};

    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len) != NULL) return KITH_E_MALFORMED;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET6, copy, address.ip) != 1) {
        memcpy(address.ip, mapped, sizeof mapped);
        if (inet_pton(AF_INET, copy, address.ip + sizeof mapped) != 1) return KITH_E_MALFORMED;
    }
    *out = address;
    return KITH_OK;
}

void net_address_format(struct net_address address, char out[static NET_ADDRESS_TEXT_BYTES])
{
    if (is_ipv4(address))
        (void)inet_ntop(AF_INET, address.ip + sizeof mapped, out, NET_ADDRESS_TEXT_BYTES);
    else
        (void)inet_ntop(AF_INET6, address.ip, out, NET_ADDRESS_TEXT_BYTES);
}

struct net_address net_address_of(const struct sockaddr_storage *socket_address)
{
    struct net_address address = {0};

    if (socket_address->ss_family == AF_INET) {
        memcpy(address.ip, mapped, sizeof mapped);
        memcpy(address.ip + sizeof mapped, &((const struct sockaddr_in *)socket_address)->sin_addr, 4);
    } else if (socket_address->ss_family == AF_INET6) {
        memcpy(address.ip, &((const struct sockaddr_in6 *)socket_address)->sin6_addr, 16);
    }
    return address;
}

static bool bit_of(struct net_address address, unsigned index)
{
    return (address.ip[index / 8] >> (7 - index % 8) & 1) != 0;
}

kith_err net_cidr_parse(struct kith_slice text, struct net_cidr *out)
{
    const uint8_t *slash = text.len == 0 ? NULL : memchr(text.ptr, '/', text.len);
    struct kith_slice address = text;
    struct net_cidr cidr = {.bits = 128};
    uint64_t bits = 0;
    unsigned most;

    if (slash != NULL) address.len = (size_t)(slash - text.ptr);
    if (net_address_parse(address, &cidr.base) != KITH_OK) return KITH_E_MALFORMED;
    if (slash != NULL) {
        most = memchr(address.ptr, ':', address.len) == NULL ? 32 : 128;
        if (kith_slice_to_u64(kith_slice_of(slash + 1, text.len - address.len - 1), &bits) != KITH_OK || bits > most)
            return KITH_E_MALFORMED;
        cidr.bits = (uint8_t)(bits + 128 - most);
    }
    for (unsigned i = cidr.bits; i < 128; i++) {
        if (bit_of(cidr.base, i)) return KITH_E_MALFORMED;
    }
    *out = cidr;
    return KITH_OK;
}

bool net_cidr_has(struct net_cidr cidr, struct net_address address)
{
    unsigned whole = cidr.bits / 8, rest = cidr.bits % 8;

    if (memcmp(cidr.base.ip, address.ip, whole) != 0) return false;
    return rest == 0 || (cidr.base.ip[whole] ^ address.ip[whole]) >> (8 - rest) == 0;
}

void net_endpoint_make(struct net_address address, uint16_t port, struct sockaddr_storage *out, socklen_t *len)
{
    memset(out, 0, sizeof *out);
    if (is_ipv4(address)) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        memcpy(&v4->sin_addr, address.ip + sizeof mapped, 4);
        *len = sizeof *v4;
    } else {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        memcpy(&v6->sin6_addr, address.ip, 16);
        *len = sizeof *v6;
    }
}

kith_err net_endpoint_parse(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
    const char *colon = strrchr(text, ':');
    struct net_address address;
    struct kith_slice host;
    uint64_t port = 0;

    if (colon == NULL) return KITH_E_MALFORMED;
    host = kith_slice_of(text, (size_t)(colon - text));
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = kith_slice_of(host.ptr + 1, host.len - 2);
    } else if (memchr(host.ptr, ':', host.len) != NULL) {
        return KITH_E_MALFORMED; /* "::1:80" could be an address alone */
    }
    if (net_address_parse(host, &address) != KITH_OK) return KITH_E_MALFORMED;
    if (kith_slice_to_u64(kith_slice_str(colon + 1), &port) != KITH_OK || port > UINT16_MAX) return KITH_E_MALFORMED;
    net_endpoint_make(address, (uint16_t)port, out, len);
    return KITH_OK;
}

uint16_t net_endpoint_port(const struct sockaddr_storage *socket_address)
{
    if (socket_address->ss_family == AF_INET6) return ntohs(((const struct sockaddr_in6 *)socket_address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)socket_address)->sin_port);
}
