#ifndef KITH_ADAPTERS_LOG_LOG_RECORD_H
#define KITH_ADAPTERS_LOG_LOG_RECORD_H

#include "base/id.h"
#include "base/limits.h"

/**
 * The bytes of log_file's segments; pure, no I/O. Big-endian.
 *
 *   segment = header page, records, zeros up to the end of the file
 *   header  = "KITHLOG1", u32 version, u32 crc, u64 number, log_id (16), u64 salt, u64 made_ms, zeros up to 4096;
 *             crc over the whole page with this field as zero
 *   record  = u32 len, u32 crc, u64 position, u32 epoch, u32 batch_at, u16 shard, u8 type, u8 0, u32 0, body (len),
 *             zeros up to a multiple of 8; crc over the segment's salt and all else of the record
 *
 * The salt is new each time a file becomes a segment: what is left in a recycled file is no record of the new one.
 *
 * batch_at is the offset in the segment up to which all was durable when the record was written: a batch is written only
 * after the one before it was synced. So a record that fails its checksum at offset E is a torn tail when no good record
 * with batch_at > E follows, for then nobody was ever told that it is durable; and it is damage when one does.
 * The log's own records carry the news where no entry does it: LOG_RECORD_SEAL at the end of a log at rest.
 */
#define LOG_HEADER_BYTES 4096
#define LOG_HEAD_BYTES   32
#define LOG_VERSION      1

/* Types of records beside enum log_type. */
#define LOG_RECORD_OPEN \
    0xf0 /* first in a segment; position: the next entry's; body: u64 opened_ms, u32 chain before, u32 0 */
#define LOG_RECORD_END      0xf1 /* last in a segment; position: the last entry's; body: u64 closed_ms, u32 chain, u32 0 */
#define LOG_RECORD_SEAL     0xf2 /* position: the last entry's; all before it is durable; no body */
#define LOG_MARK_BODY_BYTES 16
#define LOG_MARK_BYTES      (LOG_HEAD_BYTES + LOG_MARK_BODY_BYTES)

struct log_header {
    uint64_t number; /* of the segment, from 1 */
    struct kith_uuid log_id;
    uint64_t salt;
    uint64_t made_ms; /* wall clock */
};

struct log_record {
    uint32_t len, crc;
    uint64_t position;
    uint32_t epoch, batch_at;
    uint16_t shard;
    uint8_t type;
    const uint8_t *body;
};

/* What an OPEN or END says beside its position. */
struct log_mark {
    uint64_t at_ms;
    uint32_t chain;
};

void log_header_encode(const struct log_header *header, uint8_t out[static LOG_HEADER_BYTES]);

/**
 * KITH_OK             *out is written
 * KITH_E_DAMAGED      not a header, or not as it was written
 * KITH_E_UNSUPPORTED  written by a later version
 */
KITH_MUST_USE kith_err log_header_decode(const uint8_t in[static LOG_HEADER_BYTES], struct log_header *out);

/** Bytes of a record with a body of `len`, padding included. */
static inline size_t log_record_bytes(uint32_t len)
{
    return LOG_HEAD_BYTES + (((size_t)len + 7) & ~(size_t)7);
}

/** Writes log_record_bytes(record->len) bytes to `out` and sets record->crc. body may be NULL when len is 0. */
void log_record_encode(struct log_record *record, uint64_t salt, uint8_t *out);

/**
 * Decode the record at the front of `in`, which reaches to the end of the file or at least LOG_RECORD_BYTES_MAX far.
 *
 * KITH_OK             *out is written; its body is lent from `in`
 * KITH_E_NOTFOUND     a head of zeros, or less than a head is left: the records end here
 * KITH_E_DAMAGED      a head that cannot be, a record longer than `in`, or a wrong checksum
 * KITH_E_UNSUPPORTED  a good record of a type, or with a field, that this version does not know
 */
#define LOG_RECORD_BYTES_MAX (LOG_HEAD_BYTES + LOG_BODY_BYTES_MAX)
KITH_MUST_USE kith_err log_record_decode(struct kith_slice in, uint64_t salt, struct log_record *out);

/** A head so long that the file must have been longer once: len is in range, but the record is not all in `in`. */
bool log_record_is_cut_off(struct kith_slice in);

void log_mark_encode(const struct log_mark *mark, uint8_t out[static LOG_MARK_BODY_BYTES]);
/** Of an OPEN or END that log_record_decode() gave. */
struct log_mark log_mark_decode(const struct log_record *record);

/** The chain over all records of a segment so far, this one included; starts at 0. */
uint32_t log_record_chain(uint32_t chain, const struct log_record *record);

#endif
