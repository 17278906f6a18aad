#include "tests/unit/stomp_rows.h"

/* What can no longer become a frame ends at once. */

/* The last byte of each is the first behind which no frame can follow. */
static void test_stomp_strict__ends_with_the_first_byte_that_no_frame_can_have(void **state)
{
    static const struct row rows[] = {
        ROW("\0", "EMALFORMED:unknown command"),
        ROW("ACK\n\n\0\0", "ACK|;EMALFORMED:unknown command"),
        ROW("x", "EMALFORMED:unknown command"),
        ROW("s", "EMALFORMED:unknown command"),
        ROW("SENDX", "EMALFORMED:unknown command"),
        ROW("SEND ", "EMALFORMED:unknown command"),
        ROW("SE\r", "EMALFORMED:unknown command"),
        ROW("SE\n", "EMALFORMED:unknown command"),
        ROW("SEND\r\r", "EMALFORMED:unknown command"),
        ROW("SEND\rX", "EMALFORMED:unknown command"),
        ROW("SEND\0", "EMALFORMED:unknown command"),
        ROW("UNSUBSCRIBEX", "EMALFORMED:unknown command"),
        ROW("\xc3", "EMALFORMED:unknown command"),
        ROW("\rS", "EMALFORMED:stray CR between frames"),
        ROW("SEND\n\0", "EMALFORMED:NUL in a header"),
        ROW("SEND\na\0", "EMALFORMED:NUL in a header"),
        ROW("SEND\na:b\0", "EMALFORMED:NUL in a header"),
        ROW("SEND\na:b\nc\0", "EMALFORMED:NUL in a header"),
        ROW("SEND\na:b\n\0", "EMALFORMED:NUL in a header"), /* the blank line forgotten */
        ROW("SEND\n:", "EMALFORMED:header without a name"),
        ROW("SEND\na\n", "EMALFORMED:header without a colon"),
        ROW("SEND\na\r", "EMALFORMED:header without a colon"),
        ROW("SEND\na\\n\n", "EMALFORMED:header without a colon"),
        ROW("SEND\na:\rb", "EMALFORMED:stray CR in a header"),
        ROW("SEND\na:b\r\r", "EMALFORMED:stray CR in a header"),
        ROW("SEND\n\r:", "EMALFORMED:stray CR in a header"),
        ROW("SEND\n\r\r", "EMALFORMED:stray CR in a header"),
        ROW("SEND\na:\\x", "EMALFORMED:undefined escape"),
        ROW("SEND\n\\x", "EMALFORMED:undefined escape"),
        ROW("SEND\na:\xff", "EMALFORMED:header is not UTF-8"),
        ROW("SEND\n\x80", "EMALFORMED:header is not UTF-8"),
        ROW("SEND\na:\xc3:", "EMALFORMED:header is not UTF-8"),
        ROW("SEND\na:\xc3\n", "EMALFORMED:header is not UTF-8"),
        ROW("SEND\na:\xc3\r", "EMALFORMED:header is not UTF-8"),
        ROW("SEND\na:\xc3\\", "EMALFORMED:header is not UTF-8"),
        ROW("SEND\na\xe2\x82:", "EMALFORMED:header is not UTF-8"),
        ROW("SEND\na:\xed\xa0", "EMALFORMED:header is not UTF-8"), /* a surrogate */
        ROW("SEND\na:\xc0", "EMALFORMED:header is not UTF-8"),     /* overlong */
        ROW("CONNECT\npasscode:\xff", "EMALFORMED:header is not UTF-8"),
        ROW("ACK\n\nx", "EMALFORMED:this command has no body"),
    };
    static const struct row good[] = {
        ROW("SEND\n\xc3\xa9:\xe2\x82\xac\xf0\x9f\x98\x80\n\n\0", "SEND|\xc3\xa9=\xe2\x82\xac\xf0\x9f\x98\x80|;"),
        ROW("SEND\r\n\xc3\xa9:\\c\xc3\xa9\\n\r\n\r\n\0", "SEND|\xc3\xa9=:\xc3\xa9\n|;"),
    };

    (void)state;
    CHECK_ROWS(rows);
    CHECK_ROWS(good);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stomp_drive drive;

        stomp_drive_init(&drive, MAX);
        stomp_drive_feed(&drive, kith_slice_of(rows[i].bytes, rows[i].len - 1));
        assert_int_equal(drive.err, KITH_OK);
        stomp_drive_deinit(&drive);
    }
}

static void test_stomp_strict__a_header_at_its_maximum_comes_byte_by_byte(void **state)
{
    static uint8_t bytes[8 + STOMP_VALUE_BYTES_MAX + 1];
    struct stomp_reader reader;
    struct stomp_frame frame;
    size_t used = 0;

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, "SEND\na:", 7);
    stomp_reader_init(&reader, MAX);
    for (size_t len = 0; len <= 7 + STOMP_VALUE_BYTES_MAX; len++) {
        assert_int_equal(stomp_next(&reader, bytes, len, &used, &frame), KITH_E_AGAIN);
    }
    assert_int_equal(stomp_next(&reader, bytes, 8 + STOMP_VALUE_BYTES_MAX, &used, &frame), KITH_E_TOOBIG);
    assert_string_equal(reader.reason, "header value too long");
    assert_int_equal(sizeof reader, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stomp_strict__ends_with_the_first_byte_that_no_frame_can_have),
        cmocka_unit_test(test_stomp_strict__a_header_at_its_maximum_comes_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
