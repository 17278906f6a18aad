#ifndef KITH_WIRE_WS_INFLATER_H
#define KITH_WIRE_WS_INFLATER_H

#include "wire/ws_reader.h"

/*
 * The inflater of ws_reader.c: raw deflate streams of permessage-deflate. Bytes in and out in any pieces.
 * Source: RFC 7692, 7.2.2 and 7.2.3; RFC 1951.
 */

/**
 * Takes the scratch's idle inflater, or a new one, ready for a message without history. Give back with
 * ws_inflater_give(). KITH_E_NOMEM: *out is NULL.
 */
KITH_MUST_USE kith_err ws_inflater_take(struct ws_scratch *scratch, unsigned window_bits, struct ws_inflater **out);
/** NULL is fine. The scratch keeps one, the others are freed. */
void ws_inflater_give(struct ws_scratch *scratch, struct ws_inflater *inflater);
void ws_inflater_free(struct ws_inflater *inflater);

struct ws_inflated {
    size_t used, made; /* bytes taken from `in`, bytes written to `out` */
    bool ended;        /* a final block has ended here; more input begins a new stream with the same history */
};

/**
 * Inflates until the input is used up, the output is full, or a final block ended. Full output may mean that more comes
 * without input. KITH_E_MALFORMED: no deflate stream. KITH_E_NOMEM.
 */
KITH_MUST_USE kith_err ws_inflater_step(struct ws_inflater *inflater, struct kith_slice in, uint8_t *out,
                                        size_t out_len, struct ws_inflated *result);

/**
 * The end of a message: takes the 00 00 FF FF that its sender cut off. KITH_E_MALFORMED when this does not close an
 * empty stored block, that is, when the message was cut short. Output must have been drained.
 */
KITH_MUST_USE kith_err ws_inflater_finish(struct ws_inflater *inflater);

#endif
