#ifndef KITH_WIRE_SHA1_H
#define KITH_WIRE_SHA1_H

#include "base/slice.h"

#define SHA1_BYTES 20

/**
 * SHA-1 of a short text, for Sec-WebSocket-Accept (RFC 6455, 4.2.2) and nothing else: as a hash for anything that has
 * to be secure it is broken.  Source: FIPS 180-4, 5.1.1, 5.3.1, 6.1.2.
 */
void sha1(struct kith_slice in, uint8_t out[static SHA1_BYTES]);

#endif
