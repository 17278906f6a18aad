#include "base/crc32c.h"

#include <pthread.h>

#define POLY_REFLECTED 0x82f63b78u

/* Slicing by 8 (Kounavis and Berry, 2005): table k holds the effect of a byte that is k bytes ahead of the last one. */
static uint32_t tables[8][256];

static void tables_make(void)
{
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? POLY_REFLECTED : 0);
        tables[0][n] = crc;
    }
    for (uint32_t n = 0; n < 256; n++)
        for (int k = 1; k < 8; k++) tables[k][n] = tables[k - 1][n] >> 8 ^ tables[0][tables[k - 1][n] & 0xff];
}

uint32_t kith_crc32c_table(uint32_t crc, const void *data, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const uint8_t *p = data;

    (void)pthread_once(&once, tables_make);
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        crc = tables[7][crc & 0xff] ^ tables[6][crc >> 8 & 0xff] ^ tables[5][crc >> 16 & 0xff] ^ tables[4][crc >> 24] ^
              tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]];
    }
    for (; len > 0; len--, p++) crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t wide = ~crc;

    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len > 0; len--, p++) crc = __builtin_ia32_crc32qi(crc, *p);
    return ~crc;
}

uint32_t kith_crc32c(uint32_t crc, const void *data, size_t len)
{
    /* A look into what the loader found out at start: cheap enough to need no function pointer of our own. */
    if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(crc, data, len);
    return kith_crc32c_table(crc, data, len);
}
#else
uint32_t kith_crc32c(uint32_t crc, const void *data, size_t len)
{
    return kith_crc32c_table(crc, data, len);
}
#endif
