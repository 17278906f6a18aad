#include "adapters/log/log_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "ports/log.h"

static const struct log_header header = {.number = 7,
                                         .log_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
                                         .salt = 0x1122334455667788,
                                         .made_ms = 1767225600000};

static void test_log_record__a_header_comes_back_and_any_other_byte_is_refused(void **state)
{
    uint8_t page[LOG_HEADER_BYTES];
    struct log_header out;

    (void)state;
    log_header_encode(&header, page);
    assert_int_equal(log_header_decode(page, &out), KITH_OK);
    assert_int_equal(out.number, header.number);
    assert_int_equal(out.salt, header.salt);
    assert_int_equal(out.made_ms, header.made_ms);
    assert_true(kith_uuid_eq(out.log_id, header.log_id));
    for (size_t at = 0; at < sizeof page; at++) {
        page[at] ^= 0x40;
        assert_int_equal(log_header_decode(page, &out), KITH_E_DAMAGED);
        page[at] ^= 0x40;
    }
}

static void test_log_record__a_header_of_a_later_version_is_told_apart_from_damage(void **state)
{
    static const uint8_t zeros[4];
    uint8_t page[LOG_HEADER_BYTES];
    struct log_header out;

    (void)state;
    log_header_encode(&header, page);
    kith_put_u32_be(page + 8, LOG_VERSION + 1);
    kith_put_u32_be(page + 12,
                    kith_crc32c(kith_crc32c(kith_crc32c(0, page, 12), zeros, 4), page + 16, LOG_HEADER_BYTES - 16));
    assert_int_equal(log_header_decode(page, &out), KITH_E_UNSUPPORTED);
}

static struct log_record record_make(const uint8_t *body, uint32_t len)
{
    return (struct log_record){.len = len,
                               .position = 42,
                               .epoch = 1,
                               .batch_at = LOG_HEADER_BYTES,
                               .shard = 5,
                               .type = LOG_COMMAND,
                               .body = body};
}

static void test_log_record__a_record_comes_back_and_any_other_bit_is_refused(void **state)
{
    uint8_t body[40], raw[LOG_HEAD_BYTES + 40];

    (void)state;
    for (uint8_t i = 0; i < sizeof body; i++) body[i] = i;
    for (uint32_t len = 0; len <= sizeof body; len++) {
        struct log_record record = record_make(body, len), out;
        size_t bytes = log_record_bytes(len);
        assert_int_equal(bytes % 8, 0);
        log_record_encode(&record, header.salt, raw);
        assert_int_equal(log_record_decode(kith_slice_of(raw, bytes), header.salt, &out), KITH_OK);
        assert_int_equal(out.len, len);
        assert_int_equal(out.crc, record.crc);
        assert_int_equal(out.position, 42);
        assert_int_equal(out.epoch, 1);
        assert_int_equal(out.batch_at, LOG_HEADER_BYTES);
        assert_int_equal(out.shard, 5);
        assert_int_equal(out.type, LOG_COMMAND);
        assert_memory_equal(out.body, body, len);
        for (size_t bit = 0; bit < bytes * 8; bit++) {
            raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(log_record_decode(kith_slice_of(raw, bytes), header.salt, &out), KITH_E_DAMAGED);
            raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t cut = 0; cut < bytes; cut++) {
            assert_true(log_record_is_cut_off(kith_slice_of(raw, cut)));
            assert_int_equal(log_record_decode(kith_slice_of(raw, cut), header.salt, &out),
                             cut < LOG_HEAD_BYTES ? KITH_E_NOTFOUND : KITH_E_DAMAGED);
        }
    }
}

/* The bytes of version 1, for good: a data folder written today must open in every later version. */
static void test_log_record__version_1_is_these_bytes(void **state)
{
    static const uint8_t first[56] = {
        'K',  'I',  'T',  'H',  'L',  'O',  'G',  '1',  0x00, 0x00, 0x00, 0x01, 0x7d, 0x30, 0x0e, 0x60, /**/
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, /**/
        0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, /**/
        0x00, 0x00, 0x01, 0x9b, 0x76, 0xda, 0xa8, 0x00};
    static const uint8_t hello[40] = {
        0x00, 0x00, 0x00, 0x05, 0x52, 0xc0, 0xba, 0x58, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2a, /**/
        0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x10, 0x00, 0x00, 0x05, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, /**/
        'h',  'e',  'l',  'l',  'o',  0x00, 0x00, 0x00};
    struct log_record record = record_make((const uint8_t *)"hello", 5);
    uint8_t page[LOG_HEADER_BYTES], raw[sizeof hello];

    (void)state;
    log_header_encode(&header, page);
    assert_memory_equal(page, first, sizeof first);
    for (size_t i = sizeof first; i < sizeof page; i++) assert_int_equal(page[i], 0);
    log_record_encode(&record, header.salt, raw);
    assert_memory_equal(raw, hello, sizeof hello);
}

/* A recycled file: the same bytes under another salt are no record. */
static void test_log_record__is_of_one_segment_only(void **state)
{
    uint8_t raw[LOG_HEAD_BYTES + 8];
    struct log_record record = record_make((const uint8_t *)"12345678", 8), out;

    (void)state;
    log_record_encode(&record, header.salt, raw);
    for (unsigned bit = 0; bit < 64; bit++)
        assert_int_equal(log_record_decode(kith_slice_of(raw, sizeof raw), header.salt ^ 1ull << bit, &out),
                         KITH_E_DAMAGED);
}

static void test_log_record__zeros_are_the_end(void **state)
{
    uint8_t zeros[64] = {0};
    struct log_record out;

    (void)state;
    assert_int_equal(log_record_decode(kith_slice_of(zeros, sizeof zeros), header.salt, &out), KITH_E_NOTFOUND);
    assert_int_equal(log_record_decode(kith_slice_of(zeros, 0), header.salt, &out), KITH_E_NOTFOUND);
    assert_false(log_record_is_cut_off(kith_slice_of(zeros, sizeof zeros)));
}

static void test_log_record__a_longest_body_fits_and_one_byte_more_is_refused(void **state)
{
    uint8_t *body = calloc(1, LOG_BODY_BYTES_MAX + 8), *raw = calloc(1, LOG_RECORD_BYTES_MAX + 8);
    struct log_record record = record_make(body, LOG_BODY_BYTES_MAX), out;

    (void)state;
    assert_true(body != NULL && raw != NULL);
    log_record_encode(&record, header.salt, raw);
    assert_int_equal(log_record_bytes(record.len), LOG_RECORD_BYTES_MAX);
    assert_int_equal(log_record_decode(kith_slice_of(raw, LOG_RECORD_BYTES_MAX), header.salt, &out), KITH_OK);
    kith_put_u32_be(raw, LOG_BODY_BYTES_MAX + 1);
    assert_int_equal(log_record_decode(kith_slice_of(raw, LOG_RECORD_BYTES_MAX + 8), header.salt, &out),
                     KITH_E_DAMAGED);
    assert_false(log_record_is_cut_off(kith_slice_of(raw, LOG_RECORD_BYTES_MAX)));
    free(body);
    free(raw);
}

static void test_log_record__of_a_later_version_is_told_apart_from_damage(void **state)
{
    static const struct {
        uint8_t type;
        uint16_t shard;
        uint64_t position;
        uint32_t len;
    } odd[] = {{3, 0, 1, 0},
               {0xef, 0, 1, 0},
               {LOG_COMMAND, KITH_SHARDS, 1, 0},
               {LOG_COMMAND, 0, 0, 0},
               {LOG_RECORD_SEAL, 0, 1, 8},
               {LOG_RECORD_OPEN, 0, 1, 8},
               {LOG_RECORD_END, 0, 1, 0}};
    uint8_t raw[LOG_HEAD_BYTES + 8];

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct log_record record = record_make((const uint8_t *)"12345678", odd[i].len), out;
        record.type = odd[i].type;
        record.shard = odd[i].shard;
        record.position = odd[i].position;
        log_record_encode(&record, header.salt, raw);
        assert_int_equal(log_record_decode(kith_slice_of(raw, log_record_bytes(record.len)), header.salt, &out),
                         KITH_E_UNSUPPORTED);
    }
}

static void test_log_record__marks_and_chains(void **state)
{
    struct log_mark mark = {.at_ms = 1767225600123, .chain = 0xfeedface}, out;
    uint8_t body[LOG_MARK_BODY_BYTES];
    struct log_record record = {.type = LOG_RECORD_OPEN, .len = LOG_MARK_BODY_BYTES, .body = body, .crc = 1},
                      other = record;

    (void)state;
    log_mark_encode(&mark, body);
    out = log_mark_decode(&record);
    assert_int_equal(out.at_ms, mark.at_ms);
    assert_int_equal(out.chain, mark.chain);
    other.crc = 2;
    assert_int_not_equal(log_record_chain(log_record_chain(0, &record), &other),
                         log_record_chain(log_record_chain(0, &other), &record));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_record__a_header_comes_back_and_any_other_byte_is_refused),
        cmocka_unit_test(test_log_record__a_header_of_a_later_version_is_told_apart_from_damage),
        cmocka_unit_test(test_log_record__a_record_comes_back_and_any_other_bit_is_refused),
        cmocka_unit_test(test_log_record__version_1_is_these_bytes),
        cmocka_unit_test(test_log_record__is_of_one_segment_only),
        cmocka_unit_test(test_log_record__zeros_are_the_end),
        cmocka_unit_test(test_log_record__a_longest_body_fits_and_one_byte_more_is_refused),
        cmocka_unit_test(test_log_record__of_a_later_version_is_told_apart_from_damage),
        cmocka_unit_test(test_log_record__marks_and_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
