#ifndef KITH_NET_NET_ADDRESS_H
#define KITH_NET_NET_ADDRESS_H

#include <sys/socket.h>

#include "base/slice.h"

/*
 * IP addresses and prefixes, both families in one form. Pure; any thread.
 */

/** An IPv6 address; IPv4 stands in it as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
struct net_address {
    uint8_t ip[16];
};

#define NET_ADDRESS_TEXT_BYTES 64 /* more than any text form with its NUL */

/** "192.0.2.1" or "2001:db8::1", nothing around it. KITH_E_MALFORMED otherwise. */
KITH_MUST_USE kith_err net_address_parse(struct kith_slice text, struct net_address *out);
/** IPv4 in dots, IPv6 as in RFC 5952; with a NUL. */
void net_address_format(struct net_address address, char out[static NET_ADDRESS_TEXT_BYTES]);
/** Of an AF_INET or AF_INET6 socket address; any other family gives "::". */
struct net_address net_address_of(const struct sockaddr_storage *socket_address);

static inline bool net_address_eq(struct net_address a, struct net_address b)
{
    return memcmp(a.ip, b.ip, sizeof a.ip) == 0;
}

/** An address with the number of leading bits that count, 0..128. */
struct net_cidr {
    struct net_address base;
    uint8_t bits;
};

/** "10.0.0.0/8", "fd00::/8", or an address alone. KITH_E_MALFORMED otherwise, also when bits behind the prefix are set. */
KITH_MUST_USE kith_err net_cidr_parse(struct kith_slice text, struct net_cidr *out);
bool net_cidr_has(struct net_cidr cidr, struct net_address address);

/** Where to bind or connect: "127.0.0.1:8080", "[::1]:0". KITH_E_MALFORMED otherwise; names are not looked up. */
KITH_MUST_USE kith_err net_endpoint_parse(const char *text, struct sockaddr_storage *out, socklen_t *len);
/** From its parts. */
void net_endpoint_make(struct net_address address, uint16_t port, struct sockaddr_storage *out, socklen_t *len);
uint16_t net_endpoint_port(const struct sockaddr_storage *socket_address);

#endif
