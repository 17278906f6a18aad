#include "wire/ws_writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <zlib.h>

#include "tests/unit/ws_drive.h"

/* permessage-deflate through ws_reader and ws_deflater: RFC 7692, 6 and 7.2. */

#define MAX             100000
#define ROW(bytes, log) {bytes, sizeof bytes - 1, log}

static const struct ws_inflate_params fresh = {.on = true, .window_bits = 15};
static const struct ws_inflate_params takeover = {.on = true, .context_takeover = true, .window_bits = 15};

struct row {
    const char *bytes;
    size_t len;
    const char *log;
};

static void check_log(struct ws_drive *drive, const char *expected)
{
    struct kith_slice log = ws_drive_end(drive);

    if (!kith_slice_is(log, expected)) fail_msg("got %.*s, wanted %s", (int)log.len, (const char *)log.ptr, expected);
}

static void check_rows(const struct row *rows, size_t count, const struct ws_inflate_params *params)
{
    for (size_t i = 0; i < count; i++) {
        struct ws_drive drive;

        for (size_t cut = 0; cut <= rows[i].len; cut++) {
            ws_drive_init(&drive, WS_CLIENT, MAX, params);
            ws_drive_feed(&drive, kith_slice_of(rows[i].bytes, cut));
            ws_drive_feed(&drive, kith_slice_of(rows[i].bytes + cut, rows[i].len - cut));
            check_log(&drive, rows[i].log);
            ws_drive_deinit(&drive);
        }
        ws_drive_init(&drive, WS_CLIENT, MAX, params);
        for (size_t at = 0; at < rows[i].len; at++) ws_drive_feed(&drive, kith_slice_of(rows[i].bytes + at, 1));
        check_log(&drive, rows[i].log);
        ws_drive_deinit(&drive);
    }
}
#define CHECK_ROWS(rows, params) check_rows(rows, sizeof(rows) / sizeof(rows)[0], params)

static void test_ws_deflate__reads_the_examples_of_rfc_7692_7_2_3(void **state)
{
    static const struct row rows[] = {
        ROW("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", "THello;"),
        ROW("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", "THello;"),
        ROW("\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "THello;"),         /* a stored block */
        ROW("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "THello;"),                     /* a final block  */
        ROW("\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "THello;"), /* two blocks     */
        ROW("\xc1\x01\x00", "T;"),                                                      /* nothing        */
        ROW("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x81\x02hi", "THello;Thi;"),           /* then one plain */
        ROW("\x41\x03\xf2\x48\xcd\x89\x01p\x80\x04\xc9\xc9\x07\x00", "Pp;THello;"),
        ROW("\x41\x03\xf2\x48\xcd\x00\x00\x80\x04\xc9\xc9\x07\x00", "THello;"),
        ROW("\x41\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x80\x00", "THello;"),
        ROW("\xc2\x07\xf2\x48\xcd\xc9\xc9\x07\x00", "BHello;"),
    };

    (void)state;
    CHECK_ROWS(rows, &fresh);
    CHECK_ROWS(rows, &takeover);
}

static void test_ws_deflate__keeps_the_history_only_where_that_was_agreed(void **state)
{
    static const char two[] = "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00";
    static const struct row with[] = {
        ROW("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00", "THello;THello;"),
        /* the first with a final block: its bytes stay in the window all the same */
        ROW("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00\xc1\x05\xf2\x00\x11\x00\x00", "THello;THello;"),
        ROW("\xc1\x07\xf3\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00", "THello;THello;"),
    };
    static const struct row without[] = {{two, sizeof two - 1, "THello;EMALFORMED/1007;"}};

    (void)state;
    CHECK_ROWS(with, &takeover);
    CHECK_ROWS(without, &fresh);
}

static void test_ws_deflate__refuses_what_is_no_deflate_stream_with_1007(void **state)
{
    static const struct row rows[] = {
        ROW("\xc1\x01\x06", "EMALFORMED/1007;"),                     /* block type 3 */
        ROW("\xc1\x04\x00\x05\x00\x00", "EMALFORMED/1007;"),         /* LEN and NLEN differ */
        ROW("\xc1\x03\xf2\x48\xcd", "EMALFORMED/1007;"),             /* cut short */
        ROW("\xc1\x06\xf2\x48\xcd\xc9\xc9\x07", "EMALFORMED/1007;"), /* without its last byte */
        ROW("\x41\x03\xf2\x48\xcd\x80\x00", "EMALFORMED/1007;"),
        ROW("\xc1\x05\xf2\x00\x11\x00\x00", "EMALFORMED/1007;"), /* refers to before the start */
    };

    (void)state;
    CHECK_ROWS(rows, &fresh);
}

static void test_ws_deflate__allows_rsv1_only_where_it_may_stand(void **state)
{
    static const struct row rows[] = {
        ROW("\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00", "EMALFORMED/1002;"), /* on a continuation */
        ROW("\xc9\x00", "EMALFORMED/1002;"),                                     /* on a ping         */
        ROW("\xc8\x00", "EMALFORMED/1002;"),                                     /* on a close        */
        ROW("\xa1\x00", "EMALFORMED/1002;"),                                     /* RSV2              */
    };

    (void)state;
    CHECK_ROWS(rows, &fresh);
}

static void test_ws_deflate__checks_utf8_of_what_comes_out(void **state)
{
    static const struct row rows[] = {
        /* stored blocks: C3 A9, then C3 alone, then ED A0 80, then C0 in a message that goes on */
        ROW("\xc1\x08\x00\x02\x00\xfd\xff\xc3\xa9\x00", "T\xc3\xa9;"),
        ROW("\xc1\x07\x00\x01\x00\xfe\xff\xc3\x00", "EMALFORMED/1007;"),
        ROW("\xc1\x09\x00\x03\x00\xfc\xff\xed\xa0\x80\x00", "EMALFORMED/1007;"),
        ROW("\x41\x09\x00\x01\x00\xfe\xff\xc0\x00", "EMALFORMED/1007;"),
        ROW("\xc2\x07\x00\x01\x00\xfe\xff\xc3\x00", "B\xc3;"),
    };

    (void)state;
    CHECK_ROWS(rows, &fresh);
}

/* A message of `len` times the same byte, compressed by zlib itself as hard as it can, in one frame. */
static void bomb(struct kith_buf *out, size_t len)
{
    uint8_t zeros[65536] = {0}, room[65536];
    struct kith_buf body;
    z_stream z = {0};

    kith_buf_init(&body, SIZE_MAX / 4);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    while (len > 0 || z.avail_out == 0) {
        size_t piece = len < sizeof zeros ? len : sizeof zeros;
        z.next_in = zeros;
        z.avail_in = (uInt)piece;
        len -= piece;
        do {
            z.next_out = room;
            z.avail_out = sizeof room;
            (void)deflate(&z, len == 0 ? Z_SYNC_FLUSH : Z_NO_FLUSH);
            assert_int_equal(kith_buf_append(&body, kith_slice_of(room, sizeof room - z.avail_out)), KITH_OK);
        } while (z.avail_out == 0);
    }
    (void)deflateEnd(&z);
    struct ws_head head = {.payload_len = kith_buf_len(&body) - 4, .opcode = WS_BINARY, .fin = true, .rsv1 = true};
    uint8_t raw[WS_HEAD_BYTES_MAX];
    assert_int_equal(kith_buf_append(out, kith_slice_of(raw, ws_head_encode(&head, raw))), KITH_OK);
    assert_int_equal(kith_buf_append(out, kith_slice_of(body.ptr, (size_t)head.payload_len)), KITH_OK);
    kith_buf_deinit(&body);
}

static void test_ws_deflate__takes_a_message_at_its_maximum_after_inflating_and_not_one_byte_more(void **state)
{
    (void)state;
    for (size_t max = 2000; max < 5000; max += 777) {
        for (size_t over = 0; over < 2; over++) {
            struct kith_buf out;
            struct ws_drive drive;

            kith_buf_init(&out, MAX);
            bomb(&out, max + over);
            ws_drive_init(&drive, WS_CLIENT, (uint32_t)max, &fresh);
            ws_drive_feed(&drive, kith_buf_peek(&out));
            if (over == 0) {
                assert_int_equal(ws_drive_end(&drive).len, max + 2);
            } else {
                check_log(&drive, "ETOOBIG/1009;");
            }
            ws_drive_deinit(&drive);
            kith_buf_deinit(&out);
        }
    }
}

static void test_ws_deflate__stops_a_bomb_in_pieces_no_larger_than_the_scratch(void **state)
{
    struct kith_buf out;
    struct ws_drive drive;

    (void)state;
    kith_buf_init(&out, SIZE_MAX / 4);
    bomb(&out, (size_t)64 << 20);
    assert_true(kith_buf_len(&out) < 70000);
    ws_drive_init(&drive, WS_CLIENT, 262144, &fresh);
    ws_drive_feed(&drive, kith_buf_peek(&out));
    assert_int_equal(drive.events, 262144 / WS_SCRATCH_BYTES_MIN); /* one event for each filled scratch, and no more */
    check_log(&drive, "ETOOBIG/1009;");
    ws_drive_deinit(&drive);
    kith_buf_deinit(&out);
}

static void test_ws_deflate__bounds_the_compressed_bytes_of_a_message_too(void **state)
{
    /* empty stored blocks: bytes without a text */
    static const char block[] = "\x00\x00\x00\xff\xff";
    struct ws_drive drive;

    (void)state;
    ws_drive_init(&drive, WS_CLIENT, 1000, &fresh);
    ws_drive_feed(&drive, kith_slice_of("\x02\x00", 2));
    ws_drive_feed(&drive, kith_slice_of("\x80\x00", 2));
    ws_drive_feed(&drive, kith_slice_of("\x42\x05", 2));
    ws_drive_feed(&drive, kith_slice_of(block, 5));
    for (size_t i = 1; i < 301 && drive.err == KITH_OK; i++) {
        ws_drive_feed(&drive, kith_slice_of("\x00\x05", 2));
        if (drive.err == KITH_OK) ws_drive_feed(&drive, kith_slice_of(block, 5));
    }
    assert_int_equal(drive.err, KITH_OK); /* 1,505 of the 1,506 there may be */
    ws_drive_feed(&drive, kith_slice_of("\x00\x02", 2));
    check_log(&drive, "B;ETOOBIG/1009;");
    ws_drive_deinit(&drive);
}

static void test_ws_deflate__holds_no_inflater_between_messages(void **state)
{
    static const uint8_t hello[] = "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
    struct ws_drive drive;

    (void)state;
    for (int keeps = 0; keeps < 2; keeps++) {
        ws_drive_init(&drive, WS_CLIENT, MAX, keeps ? &takeover : &fresh);
        assert_null(drive.reader.inflater);
        ws_drive_feed(&drive, kith_slice_of(hello, 5));
        assert_non_null(drive.reader.inflater);
        ws_drive_feed(&drive, kith_slice_of(hello + 5, 4));
        if (keeps) {
            assert_non_null(drive.reader.inflater);
        } else {
            assert_null(drive.reader.inflater);
            assert_non_null(drive.scratch.idle);
        }
        ws_drive_deinit(&drive);
    }
}

static void test_ws_deflate__two_readers_take_turns_in_the_middle_of_messages(void **state)
{
    static const uint8_t hello[] = "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
    struct ws_drive a, b;

    (void)state;
    ws_drive_init(&a, WS_CLIENT, MAX, &fresh);
    ws_drive_init(&b, WS_CLIENT, MAX, &fresh);
    b.reader.scratch = &a.scratch;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof hello - 1; i++) {
            ws_drive_feed(&a, kith_slice_of(hello + i, 1));
            ws_drive_feed(&b, kith_slice_of(hello + i, 1));
        }
    }
    check_log(&a, "THello;THello;THello;");
    check_log(&b, "THello;THello;THello;");
    ws_drive_deinit(&b);
    ws_drive_deinit(&a);
}

static size_t text_make(uint8_t *out, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245 + 12345;
        out[i] = (uint8_t)("the quick brown fox "[(seed >> 16) % 20]);
    }
    return len;
}

static void test_ws_deflate__round_trips_with_every_window_and_role(void **state)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    struct ws_deflater *deflater = NULL;
    uint8_t text[40000];

    (void)state;
    assert_int_equal(ws_deflater_new(6, &deflater), KITH_OK);
    for (unsigned bits = 8; bits <= 15; bits++) {
        for (size_t len = 0; len < sizeof text; len = len * 3 + 1) {
            struct ws_inflate_params params = {.on = true, .window_bits = (uint8_t)bits};
            struct kith_buf out;
            struct ws_drive drive;
            struct kith_slice in, log;
            bool to_server = (bits & 1) != 0;

            text_make(text, len, bits);
            kith_buf_init(&out, MAX);
            for (int twice = 0; twice < 2; twice++) {
                assert_int_equal(
                    ws_write_deflated(&out, deflater, bits, WS_TEXT, kith_slice_of(text, len), to_server ? mask : NULL),
                    KITH_OK);
            }
            ws_drive_init(&drive, to_server ? WS_SERVER : WS_CLIENT, MAX, &params);
            for (in = kith_buf_peek(&out); in.len > 0;) {
                size_t piece = in.len < 97 ? in.len : 97;
                ws_drive_feed(&drive, kith_slice_of(in.ptr, piece));
                in.ptr += piece;
                in.len -= piece;
            }
            log = ws_drive_end(&drive);
            assert_int_equal(log.len, 2 * (len + 2));
            assert_memory_equal(log.ptr + 1, text, len);
            assert_memory_equal(log.ptr + len + 3, text, len);
            ws_drive_deinit(&drive);
            kith_buf_deinit(&out);
        }
    }
    ws_deflater_free(deflater);
}

static void test_ws_deflate__sends_plain_what_does_not_get_shorter(void **state)
{
    struct ws_deflater *deflater = NULL;
    struct kith_buf out;
    uint8_t noise[600];
    unsigned seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
    assert_int_equal(ws_deflater_new(6, &deflater), KITH_OK);
    kith_buf_init(&out, MAX);
    assert_int_equal(ws_write_deflated(&out, deflater, 15, WS_BINARY, kith_slice_of(noise, sizeof noise), NULL),
                     KITH_OK);
    assert_int_equal(kith_buf_len(&out), 4 + sizeof noise);
    assert_int_equal(out.ptr[0], 0x82);
    kith_buf_reset(&out);
    /* and the same deflater does the next one */
    memset(noise, 'a', sizeof noise);
    assert_int_equal(ws_write_deflated(&out, deflater, 15, WS_BINARY, kith_slice_of(noise, sizeof noise), NULL),
                     KITH_OK);
    assert_int_equal(out.ptr[0], 0xc2);
    assert_true(kith_buf_len(&out) < 30);
    kith_buf_reset(&out);
    assert_int_equal(ws_write_deflated(&out, deflater, 15, WS_TEXT, (struct kith_slice){0}, NULL), KITH_OK);
    assert_int_equal(kith_buf_len(&out), 2);
    kith_buf_deinit(&out);
    ws_deflater_free(deflater);
}

static void test_ws_deflate__leaves_a_full_buffer_as_it_was(void **state)
{
    struct ws_deflater *deflater = NULL;
    struct kith_buf out;
    uint8_t text[300];

    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(ws_deflater_new(6, &deflater), KITH_OK);
    kith_buf_init(&out, 100);
    assert_int_equal(ws_write_deflated(&out, deflater, 15, WS_TEXT, kith_slice_of(text, sizeof text), NULL),
                     KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&out), 0);
    kith_buf_deinit(&out);
    /* no room to compress in, but for the plain frame */
    kith_buf_init(&out, 304);
    assert_int_equal(ws_write_deflated(&out, deflater, 15, WS_TEXT, kith_slice_of(text, sizeof text), NULL), KITH_OK);
    assert_int_equal(kith_buf_len(&out), 304);
    kith_buf_deinit(&out);
    ws_deflater_free(deflater);
    ws_deflater_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_deflate__reads_the_examples_of_rfc_7692_7_2_3),
        cmocka_unit_test(test_ws_deflate__keeps_the_history_only_where_that_was_agreed),
        cmocka_unit_test(test_ws_deflate__refuses_what_is_no_deflate_stream_with_1007),
        cmocka_unit_test(test_ws_deflate__allows_rsv1_only_where_it_may_stand),
        cmocka_unit_test(test_ws_deflate__checks_utf8_of_what_comes_out),
        cmocka_unit_test(test_ws_deflate__takes_a_message_at_its_maximum_after_inflating_and_not_one_byte_more),
        cmocka_unit_test(test_ws_deflate__stops_a_bomb_in_pieces_no_larger_than_the_scratch),
        cmocka_unit_test(test_ws_deflate__bounds_the_compressed_bytes_of_a_message_too),
        cmocka_unit_test(test_ws_deflate__holds_no_inflater_between_messages),
        cmocka_unit_test(test_ws_deflate__two_readers_take_turns_in_the_middle_of_messages),
        cmocka_unit_test(test_ws_deflate__round_trips_with_every_window_and_role),
        cmocka_unit_test(test_ws_deflate__sends_plain_what_does_not_get_shorter),
        cmocka_unit_test(test_ws_deflate__leaves_a_full_buffer_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
