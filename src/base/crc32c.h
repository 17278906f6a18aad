#ifndef KITH_BASE_CRC32C_H
#define KITH_BASE_CRC32C_H

#include "base/slice.h"

/**
 * CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected), the checksum of iSCSI, ext4 and SCTP: finds every error burst of
 * up to 32 bits, and every 1- to 3-bit error in records of our sizes. It is no protection against a person.
 *
 * crc   0 to start, or the result for the bytes before these.      Cost  about 3 bytes a clock with SSE4.2, 1 without.
 * Source: RFC 3720, 12.1 and B.4.
 */
uint32_t kith_crc32c(uint32_t crc, const void *data, size_t len);

/** The same without the processor's instruction; for tests and for processors that lack it. */
uint32_t kith_crc32c_table(uint32_t crc, const void *data, size_t len);

#endif
