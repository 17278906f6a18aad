#include "wire/ws_inflater.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#define AT_BLOCK_END 128 /* z_stream.data_type after inflate(): between two blocks (zlib.h, inflate()) */

struct ws_inflater {
    z_stream z;
    bool ended; /* behind a final block: the next byte begins a stream */
};

/* A peer that agreed on 256 bytes may use 512: zlib's compressor has no smaller window than that. */
static int raw_bits(unsigned window_bits)
{
    assert(window_bits >= 8 && window_bits <= 15);
    return -(int)(window_bits < 9 ? 9 : window_bits);
}

kith_err ws_inflater_take(struct ws_scratch *scratch, unsigned window_bits, struct ws_inflater **out)
{
    struct ws_inflater *inflater = scratch->idle;

    *out = NULL;
    if (inflater != NULL) {
        int rc = inflateReset2(&inflater->z, raw_bits(window_bits));
        assert(rc == Z_OK);
        scratch->idle = NULL;
        inflater->ended = false;
        *out = inflater;
        return KITH_OK;
    }
    inflater = calloc(1, sizeof *inflater);
    if (inflater == NULL) return KITH_E_NOMEM;
    if (inflateInit2(&inflater->z, raw_bits(window_bits)) != Z_OK) {
        free(inflater);
        return KITH_E_NOMEM;
    }
    *out = inflater;
    return KITH_OK;
}

void ws_inflater_free(struct ws_inflater *inflater)
{
    if (inflater == NULL) return;
    (void)inflateEnd(&inflater->z);
    free(inflater);
}

void ws_inflater_give(struct ws_scratch *scratch, struct ws_inflater *inflater)
{
    if (inflater == NULL) return;
    if (scratch->idle != NULL) {
        ws_inflater_free(inflater);
        return;
    }
    scratch->idle = inflater;
}

kith_err ws_inflater_step(struct ws_inflater *inflater, struct kith_slice in, uint8_t *out, size_t out_len,
                          struct ws_inflated *result)
{
    z_stream *z = &inflater->z;
    int rc;

    assert(in.len <= UINT32_MAX && out_len > 0 && out_len <= UINT32_MAX);
    *result = (struct ws_inflated){.ended = inflater->ended};
    if (inflater->ended) {
        if (in.len == 0) return KITH_OK;
        /* Unlike inflateReset() it leaves the window: the next stream may refer to what the last one said. */
        rc = inflateResetKeep(z);
        assert(rc == Z_OK);
        inflater->ended = false;
    }
    z->next_in = (z_const Bytef *)in.ptr;
    z->avail_in = (uInt)in.len;
    z->next_out = out;
    z->avail_out = (uInt)out_len;
    rc = inflate(z, Z_SYNC_FLUSH);
    result->used = in.len - z->avail_in;
    result->made = out_len - z->avail_out;
    inflater->ended = result->ended = rc == Z_STREAM_END;
    if (rc == Z_MEM_ERROR) return KITH_E_NOMEM;
    /* Z_BUF_ERROR: there was nothing to do, which is for the caller to see by `used` and `made`. */
    return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR ? KITH_OK : KITH_E_MALFORMED;
}

kith_err ws_inflater_finish(struct ws_inflater *inflater)
{
    static const uint8_t tail[] = {0x00, 0x00, 0xff, 0xff};
    struct ws_inflated result;
    uint8_t none[1];
    kith_err err;

    if (inflater->ended) return KITH_OK;
    err = ws_inflater_step(inflater, kith_slice_of(tail, sizeof tail), none, sizeof none, &result);
    if (err != KITH_OK) return err;
    if (result.made > 0 || result.used < sizeof tail || (inflater->z.data_type & AT_BLOCK_END) == 0) {
        return KITH_E_MALFORMED;
    }
    return KITH_OK;
}

void ws_scratch_init(struct ws_scratch *scratch, uint8_t *bytes, size_t bytes_len)
{
    assert(bytes != NULL && bytes_len >= WS_SCRATCH_BYTES_MIN);
    *scratch = (struct ws_scratch){.bytes = bytes, .bytes_len = bytes_len};
}

void ws_scratch_deinit(struct ws_scratch *scratch)
{
    ws_inflater_free(scratch->idle);
    scratch->idle = NULL;
}
