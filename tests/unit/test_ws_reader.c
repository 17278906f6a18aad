#include "wire/ws_reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/ws_drive.h"
#include "wire/ws_writer.h"

#define MAX             100000
#define ROW(bytes, log) {bytes, sizeof bytes - 1, log}

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

/* As a client reads it (unmasked): whole, cut at each place, byte by byte. */
static void check_client(const struct row *row, uint32_t max)
{
    struct ws_drive drive;

    for (size_t cut = 0; cut <= row->len; cut++) {
        ws_drive_init(&drive, WS_CLIENT, max, NULL);
        ws_drive_feed(&drive, kith_slice_of(row->bytes, cut));
        ws_drive_feed(&drive, kith_slice_of(row->bytes + cut, row->len - cut));
        check_log(&drive, row->log);
        ws_drive_deinit(&drive);
    }
    ws_drive_init(&drive, WS_CLIENT, max, NULL);
    for (size_t i = 0; i < row->len; i++) ws_drive_feed(&drive, kith_slice_of(row->bytes + i, 1));
    check_log(&drive, row->log);
    ws_drive_deinit(&drive);
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) check_client(&rows[i], MAX);
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void test_ws_reader__delivers_messages_and_control_frames_however_the_bytes_come(void **state)
{
    static const struct row rows[] = {
        ROW("", ""),
        ROW("\x81\x05Hello", "THello;"),
        ROW("\x01\x03Hel\x80\x02lo", "THello;"),
        ROW("\x82\x03\x00\xff\x80", "B\x00\xff\x80;"),
        ROW("\x81\x00", "T;"),
        ROW("\x01\x00\x00\x00\x80\x00", "T;"),
        ROW("\x01\x00\x00\x01x\x80\x00", "Tx;"),
        ROW("\x89\x05Hello\x8a\x00", "PHello;O;"),
        ROW("\x01\x03Hel\x89\x01!\x80\x02lo\x82\x01x", "P!;THello;Bx;"),
        ROW("\x81\x05Hello\x81\x05World", "THello;TWorld;"),
        ROW("\x81\x05Hel", "?Hel;"),
        ROW("\x01\x03Hel", "?Hel;"),
    };

    (void)state;
    /* The third row holds a NUL: compare it by hand, the others as text. */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (i != 3) check_client(&rows[i], MAX);
    }
    struct ws_drive drive;
    ws_drive_init(&drive, WS_CLIENT, MAX, NULL);
    ws_drive_feed(&drive, kith_slice_of(rows[3].bytes, rows[3].len));
    struct kith_slice log = ws_drive_end(&drive);
    assert_int_equal(log.len, 5);
    assert_memory_equal(log.ptr, "B\x00\xff\x80;", 5);
    ws_drive_deinit(&drive);
}

static void test_ws_reader__unmasks_in_any_pieces(void **state)
{
    /* RFC 6455, 5.7: a masked "Hello"; then in two frames with a masked ping between. */
    static const char bytes[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
                                "\x01\x83\x37\xfa\x21\x3d\x7f\x9f\x4d"
                                "\x89\x82\x01\x02\x03\x04\x69\x6b"
                                "\x80\x82\x3d\x37\xfa\x21\x51\x58";
    size_t len = sizeof bytes - 1;
    struct ws_drive drive;

    (void)state;
    for (size_t a = 0; a <= len; a++) {
        for (size_t b = a; b <= len; b++) {
            ws_drive_init(&drive, WS_SERVER, MAX, NULL);
            ws_drive_feed(&drive, kith_slice_of(bytes, a));
            ws_drive_feed(&drive, kith_slice_of(bytes + a, b - a));
            ws_drive_feed(&drive, kith_slice_of(bytes + b, len - b));
            check_log(&drive, "THello;Phi;THello;");
            ws_drive_deinit(&drive);
        }
    }
}

static void test_ws_reader__refuses_broken_sequences_with_1002(void **state)
{
    static const struct row rows[] = {
        ROW("\x80\x01x", "EMALFORMED/1002;"),                 /* continues nothing          */
        ROW("\x00\x00", "EMALFORMED/1002;"),                  /* continues nothing          */
        ROW("\x81\x01x\x80\x01y", "Tx;EMALFORMED/1002;"),     /* continues what has ended   */
        ROW("\x01\x01x\x81\x01y", "EMALFORMED/1002;"),        /* a text inside a text       */
        ROW("\x01\x01x\x02\x01y", "EMALFORMED/1002;"),        /* a binary inside a text     */
        ROW("\xc1\x01x", "EMALFORMED/1002;"),                 /* RSV1, nothing negotiated   */
        ROW("\x83\x00", "EMALFORMED/1002;"),                  /* reserved opcodes           */
        ROW("\x8b\x00", "EMALFORMED/1002;"),                  /*                            */
        ROW("\x89\x01p\x09\x00", "Pp;EMALFORMED/1002;"),      /* a fragmented ping          */
        ROW("\x81\x81\x00\x00\x00\x00x", "EMALFORMED/1002;"), /* masked by a server         */
        ROW("\x88\x01x", "EMALFORMED/1002;"),                 /* half a close code          */
        ROW("\x88\x02\x03\xe7", "EMALFORMED/1002;"),          /* 999                        */
        ROW("\x88\x02\x03\xec", "EMALFORMED/1002;"),          /* 1004                       */
        ROW("\x88\x02\x03\xed", "EMALFORMED/1002;"),          /* 1005: never on the wire    */
        ROW("\x88\x02\x03\xee", "EMALFORMED/1002;"),          /* 1006: never on the wire    */
        ROW("\x88\x02\x03\xf7", "EMALFORMED/1002;"),          /* 1015: never on the wire    */
        ROW("\x88\x02\x07\xd0", "EMALFORMED/1002;"),          /* 2000                       */
        ROW("\x88\x02\x13\x88", "EMALFORMED/1002;"),          /* 5000                       */
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_ws_reader__ends_with_a_close_frame_and_reads_nothing_after_it(void **state)
{
    static const struct row rows[] = {
        ROW("\x88\x00", "C1005:;"),
        ROW("\x88\x02\x03\xe8", "C1000:;"),
        ROW("\x88\x05\x03\xe8"
            "bye",
            "C1000:bye;"),
        ROW("\x88\x02\x0b\xb8", "C3000:;"),
        ROW("\x88\x02\x13\x87\x81\x01x\xff\xff", "C4999:;"),
        ROW("\x01\x01x\x88\x00\x80\x01y", "C1005:;?x;"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_ws_reader__says_closed_after_the_end(void **state)
{
    uint8_t bytes[] = "\x88\x00\x81\x01x";
    struct ws_reader reader;
    struct ws_event event;
    size_t used = 0;

    (void)state;
    ws_reader_init(&reader, WS_CLIENT, MAX, NULL, NULL);
    assert_int_equal(ws_reader_next(&reader, bytes, 5, &used, &event), KITH_OK);
    assert_int_equal(used, 2);
    assert_int_equal(ws_reader_next(&reader, bytes + 2, 3, &used, &event), KITH_E_CLOSED);
    assert_int_equal(used, 0);
    ws_reader_deinit(&reader);
}

static void test_ws_reader__checks_utf8_as_it_arrives_with_1007(void **state)
{
    static const struct row rows[] = {
        ROW("\x81\x02\xc3\xa9", "T\xc3\xa9;"),
        ROW("\x01\x01\xc3\x80\x01\xa9", "T\xc3\xa9;"), /* a character over two frames */
        ROW("\x01\x01\xf0\x00\x01\x9f\x00\x00\x00\x01\x98\x80\x01\x80", "T\xf0\x9f\x98\x80;"),
        ROW("\x81\x01\xc3", "EMALFORMED/1007;"), /* ends inside a character */
        ROW("\x01\x01\xc3\x80\x00", "EMALFORMED/1007;"),
        ROW("\x81\x02\xc0\x80", "EMALFORMED/1007;"),         /* overlong */
        ROW("\x81\x03\xed\xa0\x80", "EMALFORMED/1007;"),     /* surrogate */
        ROW("\x81\x04\xf4\x90\x80\x80", "EMALFORMED/1007;"), /* above U+10FFFF */
        ROW("\x81\x7d\xff", "EMALFORMED/1007;"),             /* long before its frame is whole */
        ROW("\x01\x04\xf4\x90", "EMALFORMED/1007;"),
        ROW("\x82\x02\xc0\x80", "B\xc0\x80;"),               /* binary is anything */
        ROW("\x88\x04\x03\xe8\xc0\x80", "EMALFORMED/1007;"), /* a close reason is text */
        ROW("\x88\x03\x03\xe8\xc3", "EMALFORMED/1007;"),
        ROW("\x81\x01\xc3\x81\x01x", "EMALFORMED/1007;"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_ws_reader__takes_a_message_at_its_maximum_and_not_one_byte_more(void **state)
{
    static const struct row rows[] = {
        ROW("\x82\x05"
            "12345",
            "B12345;"),
        ROW("\x82\x06"
            "1",
            "ETOOBIG/1009;"), /* by its header alone */
        ROW("\x02\x03"
            "123\x80\x02"
            "45",
            "B12345;"),
        ROW("\x02\x03"
            "123\x80\x03",
            "ETOOBIG/1009;"),
        ROW("\x82\x05"
            "12345\x82\x05"
            "67890",
            "B12345;B67890;"),
        ROW("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "ETOOBIG/1009;"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) check_client(&rows[i], 5);
}

static void test_ws_reader__takes_1024_empty_frames_in_a_message_and_not_one_more(void **state)
{
    for (size_t extra = 0; extra < 2; extra++) {
        struct ws_drive drive;

        (void)state;
        ws_drive_init(&drive, WS_CLIENT, MAX, NULL);
        ws_drive_feed(&drive, kith_slice_of("\x01\x00", 2));
        for (size_t i = 1; i < WS_EMPTY_FRAMES_MAX + extra; i++) ws_drive_feed(&drive, kith_slice_of("\x00\x00", 2));
        ws_drive_feed(&drive, kith_slice_of("\x80\x01x", 3));
        check_log(&drive, extra == 0 ? "Tx;" : "ETOOBIG/1008;");
        ws_drive_deinit(&drive);
    }
    /* They are counted for each message by itself. */
    struct ws_drive drive;
    ws_drive_init(&drive, WS_CLIENT, MAX, NULL);
    for (size_t i = 0; i < 3000; i++) ws_drive_feed(&drive, kith_slice_of("\x82\x00", 2));
    assert_int_equal(drive.err, KITH_OK);
    assert_int_equal(drive.events, 3000);
    ws_drive_deinit(&drive);
}

static void test_ws_reader__delivers_data_in_place_as_it_arrives(void **state)
{
    uint8_t bytes[] = "\x82\x05"
                      "abc";
    struct ws_reader reader;
    struct ws_event event;
    size_t used = 0;

    (void)state;
    ws_reader_init(&reader, WS_CLIENT, MAX, NULL, NULL);
    assert_true(ws_reader_is_idle(&reader));
    assert_int_equal(ws_reader_next(&reader, bytes, 5, &used, &event), KITH_OK);
    assert_int_equal(used, 5);
    assert_ptr_equal(event.bytes.ptr, bytes + 2);
    assert_int_equal(event.bytes.len, 3);
    assert_true(event.first && !event.final && !event.is_text);
    assert_int_equal(ws_reader_next(&reader, NULL, 0, &used, &event), KITH_E_AGAIN);
    assert_false(ws_reader_is_idle(&reader));
    memcpy(bytes, "de", 2);
    assert_int_equal(ws_reader_next(&reader, bytes, 2, &used, &event), KITH_OK);
    assert_true(!event.first && event.final);
    assert_true(ws_reader_is_idle(&reader));
    ws_reader_deinit(&reader);
}

static void test_ws_reader__is_64_bytes_at_most(void **state)
{
    (void)state;
    assert_true(sizeof(struct ws_reader) <= 64);
}

static void test_ws_reader__reads_a_long_masked_message_of_every_length_form(void **state)
{
    static const size_t lens[] = {125, 126, 127, 65535, 65536, 70000};
    static const uint8_t mask[4] = {0xde, 0xad, 0xbe, 0xef};

    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        uint8_t *payload = malloc(lens[i]);
        struct kith_buf out;
        struct ws_drive drive;
        struct kith_slice log;

        assert_non_null(payload);
        for (size_t k = 0; k < lens[i]; k++) payload[k] = (uint8_t)(k * 31 >> 3);
        kith_buf_init(&out, MAX);
        assert_int_equal(ws_write(&out, WS_BINARY, kith_slice_of(payload, lens[i]), mask), KITH_OK);
        ws_drive_init(&drive, WS_SERVER, MAX, NULL);
        for (struct kith_slice in = kith_buf_peek(&out); in.len > 0;) {
            size_t piece = in.len < 1001 ? in.len : 1001;
            ws_drive_feed(&drive, kith_slice_of(in.ptr, piece));
            in.ptr += piece;
            in.len -= piece;
        }
        log = ws_drive_end(&drive);
        assert_int_equal(log.len, lens[i] + 2);
        assert_memory_equal(log.ptr + 1, payload, lens[i]);
        ws_drive_deinit(&drive);
        kith_buf_deinit(&out);
        free(payload);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_reader__delivers_messages_and_control_frames_however_the_bytes_come),
        cmocka_unit_test(test_ws_reader__unmasks_in_any_pieces),
        cmocka_unit_test(test_ws_reader__refuses_broken_sequences_with_1002),
        cmocka_unit_test(test_ws_reader__ends_with_a_close_frame_and_reads_nothing_after_it),
        cmocka_unit_test(test_ws_reader__says_closed_after_the_end),
        cmocka_unit_test(test_ws_reader__checks_utf8_as_it_arrives_with_1007),
        cmocka_unit_test(test_ws_reader__takes_a_message_at_its_maximum_and_not_one_byte_more),
        cmocka_unit_test(test_ws_reader__takes_1024_empty_frames_in_a_message_and_not_one_more),
        cmocka_unit_test(test_ws_reader__delivers_data_in_place_as_it_arrives),
        cmocka_unit_test(test_ws_reader__is_64_bytes_at_most),
        cmocka_unit_test(test_ws_reader__reads_a_long_masked_message_of_every_length_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
