#include "adapters/log/log_record.h"

#include <assert.h>

#include "base/crc32c.h"
#include "base/mutant.h"
#include "ports/log.h"

static const uint8_t magic[8] = {'K', 'I', 'T', 'H', 'L', 'O', 'G', '1'};
#define HEADER_CRC_AT 12

static_assert(LOG_BODY_BYTES_MAX % 8 == 0, "the longest record needs no padding");

static uint32_t header_crc(const uint8_t in[static LOG_HEADER_BYTES])
{
    static const uint8_t zeros[4];
    uint32_t crc = kith_crc32c(0, in, HEADER_CRC_AT);

    crc = kith_crc32c(crc, zeros, sizeof zeros);
    return kith_crc32c(crc, in + HEADER_CRC_AT + 4, LOG_HEADER_BYTES - HEADER_CRC_AT - 4);
}

void log_header_encode(const struct log_header *header, uint8_t out[static LOG_HEADER_BYTES])
{
    memset(out, 0, LOG_HEADER_BYTES);
    memcpy(out, magic, sizeof magic);
    kith_put_u32_be(out + 8, LOG_VERSION);
    kith_put_u64_be(out + 16, header->number);
    memcpy(out + 24, header->log_id.raw, sizeof header->log_id.raw);
    kith_put_u64_be(out + 40, header->salt);
    kith_put_u64_be(out + 48, header->made_ms);
    kith_put_u32_be(out + HEADER_CRC_AT, header_crc(out));
}

kith_err log_header_decode(const uint8_t in[static LOG_HEADER_BYTES], struct log_header *out)
{
    if (memcmp(in, magic, sizeof magic) != 0) return KITH_E_DAMAGED;
    if (kith_get_u32_be(in + HEADER_CRC_AT) != header_crc(in)) return KITH_E_DAMAGED;
    if (kith_get_u32_be(in + 8) != LOG_VERSION) return KITH_E_UNSUPPORTED;
    *out = (struct log_header){
        .number = kith_get_u64_be(in + 16), .salt = kith_get_u64_be(in + 40), .made_ms = kith_get_u64_be(in + 48)};
    memcpy(out->log_id.raw, in + 24, sizeof out->log_id.raw);
    return out->number >= 1 ? KITH_OK : KITH_E_DAMAGED;
}

/* Of an encoded record: the salt, then everything but the checksum itself. */
static uint32_t record_crc(const uint8_t *in, size_t bytes, uint64_t salt)
{
    uint8_t raw[8 + 4];
    uint32_t crc;

    kith_put_u64_be(raw, salt);
    memcpy(raw + 8, in, 4);
    crc = kith_crc32c(0, raw, sizeof raw);
    return kith_crc32c(crc, in + 8, bytes - 8);
}

void log_record_encode(struct log_record *record, uint64_t salt, uint8_t *out)
{
    size_t bytes = log_record_bytes(record->len);

    assert(record->len <= LOG_BODY_BYTES_MAX && record->type != 0 && record->batch_at >= LOG_HEADER_BYTES);
    kith_put_u32_be(out, record->len);
    kith_put_u64_be(out + 8, record->position);
    kith_put_u32_be(out + 16, record->epoch);
    kith_put_u32_be(out + 20, record->batch_at);
    kith_put_u16_be(out + 24, record->shard);
    out[26] = record->type;
    memset(out + 27, 0, 5);
    if (record->len > 0) memcpy(out + LOG_HEAD_BYTES, record->body, record->len);
    memset(out + LOG_HEAD_BYTES + record->len, 0, bytes - LOG_HEAD_BYTES - record->len);
    record->crc = record_crc(out, bytes, salt);
    kith_put_u32_be(out + 4, record->crc);
}

static bool all_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

static bool is_known(const struct log_record *record, const uint8_t *in)
{
    if (!all_zero(in + 27, 5)) return false;
    switch (record->type) {
    case LOG_COMMAND:
    case LOG_CONTROL: return record->position >= 1 && record->shard < KITH_SHARDS;
    case LOG_RECORD_OPEN:
    case LOG_RECORD_END: return record->len == LOG_MARK_BODY_BYTES;
    case LOG_RECORD_SEAL: return record->len == 0;
    default: return false;
    }
}

kith_err log_record_decode(struct kith_slice in, uint64_t salt, struct log_record *out)
{
    struct log_record record;
    size_t bytes;

    if (in.len < LOG_HEAD_BYTES || all_zero(in.ptr, LOG_HEAD_BYTES)) return KITH_E_NOTFOUND;
    record = (struct log_record){
        .len = kith_get_u32_be(in.ptr),
        .crc = kith_get_u32_be(in.ptr + 4),
        .position = kith_get_u64_be(in.ptr + 8),
        .epoch = kith_get_u32_be(in.ptr + 16),
        .batch_at = kith_get_u32_be(in.ptr + 20),
        .shard = (uint16_t)(in.ptr[24] << 8 | in.ptr[25]),
        .type = in.ptr[26],
        .body = in.ptr + LOG_HEAD_BYTES,
    };
    if (record.len > LOG_BODY_BYTES_MAX) return KITH_E_DAMAGED;
    bytes = log_record_bytes(record.len);
    if (bytes > in.len) return KITH_E_DAMAGED;
    if (record.crc != record_crc(in.ptr, bytes, salt) && !kith_mutant(TORN_TAIL_ACCEPTED)) return KITH_E_DAMAGED;
    if (!is_known(&record, in.ptr)) return KITH_E_UNSUPPORTED;
    *out = record;
    return KITH_OK;
}

bool log_record_is_cut_off(struct kith_slice in)
{
    uint32_t len;

    if (in.len < LOG_HEAD_BYTES) return true;
    len = kith_get_u32_be(in.ptr);
    return len <= LOG_BODY_BYTES_MAX && log_record_bytes(len) > in.len;
}

void log_mark_encode(const struct log_mark *mark, uint8_t out[static LOG_MARK_BODY_BYTES])
{
    kith_put_u64_be(out, mark->at_ms);
    kith_put_u32_be(out + 8, mark->chain);
    kith_put_u32_be(out + 12, 0);
}

struct log_mark log_mark_decode(const struct log_record *record)
{
    assert(record->len == LOG_MARK_BODY_BYTES);
    return (struct log_mark){.at_ms = kith_get_u64_be(record->body), .chain = kith_get_u32_be(record->body + 8)};
}

uint32_t log_record_chain(uint32_t chain, const struct log_record *record)
{
    uint8_t raw[4];

    kith_put_u32_be(raw, record->crc);
    return kith_crc32c(chain, raw, sizeof raw);
}
