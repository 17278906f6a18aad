#include "wire/stomp.h"

#include <stdio.h>

#include "tests/unit/stomp_rows.h"

static void test_stomp__reads_frames_however_the_bytes_come(void **state)
{
    static const struct row rows[] = {
        ROW("", ""),
        ROW("SEND\n\n\0", "SEND|;"),
        ROW("SEND\r\n\r\n\0", "SEND|;"),
        ROW("SEND\ndestination:/queue/a\ncontent-type:text/plain\n\nhello queue a\0",
            "SEND|destination=/queue/a|content-type=text/plain|hello queue a;"),
        ROW("SEND\r\na:b\r\nc:\r\n\r\nx\r\n\0", "SEND|a=b|c=|x\r\n;"),
        ROW("SEND\na:b\r\n\nx\0", "SEND|a=b|x;"), /* line ends may be mixed */
        ROW("ACK\nid:1\n\n\0NACK\nid:2\n\n\0", "ACK|id=1|;NACK|id=2|;"),
        ROW("\n\r\n\n\nACK\n\n\0\n\r\n\r\nACK\n\n\0\n", "ACK|;ACK|;"),
        ROW("SEND\ncontent-length:5\n\na\0b\0c\0", "SEND|content-length=5|a\0b\0c;"),
        ROW("SEND\ncontent-length:0\n\n\0", "SEND|content-length=0|;"),
        ROW("SEND\n\nline\n\nline\n\0", "SEND|line\n\nline\n;"),
        ROW("SEND\na:b:c\n\n\0", "SEND|a=b:c|;"),     /* a raw colon */
        ROW("SEND\n a : b \n\n\0", "SEND| a = b |;"), /* nothing is trimmed */
        ROW("SEND\na:\xc3\xa9\n\n\xff\xfe\0", "SEND|a=\xc3\xa9|\xff\xfe;"),
        ROW("SEND\nfoo:World\nfoo:Hello\n\n\0", "SEND|foo=World|foo=Hello|;"),
        ROW("SEN", "?"),
        ROW("SEND\na:b\n\nbody", "?"),
        ROW("SEND\ncontent-length:3\n\nab", "?"),
        ROW("ACK\n\n\0\r", "ACK|;?"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_stomp__knows_every_command(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STOMP_COMMAND_COUNT; i++) {
        char text[64], log[64];
        int len = snprintf(text, sizeof text, "%s\na:b\n\n", stomp_command_name((enum stomp_command)i));
        struct row row = {text, (size_t)len + 1, log, 0};

        row.log_len = (size_t)snprintf(log, sizeof log, "%s|a=b|;", stomp_command_name((enum stomp_command)i));
        check_row(&row, MAX);
    }
}

static void test_stomp__refuses_what_is_no_command(void **state)
{
    static const struct row rows[] = {
        ROW("SENDX\n\n\0", "EMALFORMED:unknown command"),
        ROW("send\n\n\0", "EMALFORMED:unknown command"),
        ROW(" SEND\n\n\0", "EMALFORMED:unknown command"),
        ROW("SEND \n\n\0", "EMALFORMED:unknown command"),
        ROW("SE\rND\n\n\0", "EMALFORMED:unknown command"),
        ROW("SEND\r\r\n\n\0", "EMALFORMED:unknown command"),
        ROW("\0SEND\n\n\0", "EMALFORMED:unknown command"),
        ROW("a:b\n\n\0", "EMALFORMED:unknown command"),
        ROW("UNSUBSCRIBED\n\n\0", "EMALFORMED:unknown command"),
        ROW("UNSUBSCRIBED!", "EMALFORMED:unknown command"), /* too long for any, before its line ends */
        ROW("GET / HTTP/1.1\r\n", "EMALFORMED:unknown command"),
        ROW("ACK\n\n\0\rACK\n\n\0", "ACK|;EMALFORMED:stray CR between frames"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_stomp__unescapes_names_and_values_once(void **state)
{
    static const struct row rows[] = {
        ROW("SEND\na:\\r\\n\\c\\\\\n\n\0", "SEND|a=\r\n:\\|;"),
        ROW("SEND\n\\c\\\\x:y\n\n\0", "SEND|:\\x=y|;"),
        ROW("SEND\na:\\\\n\n\n\0", "SEND|a=\\n|;"), /* a backslash and an n, not a line end */
        ROW("SEND\na:\\\\\\\\c\n\n\0", "SEND|a=\\\\c|;"),
        ROW("SEND\r\na:x\\cy\r\nb:plain\r\n\r\n\\q\0", "SEND|a=x:y|b=plain|\\q;"), /* a body is left alone */
        ROW("STOMP\na:\\c\n\n\0", "STOMP|a=:|;"),
        ROW("ERROR\nmessage:a\\nb\n\n\0", "ERROR|message=a\nb|;"),
        /* CONNECT and CONNECTED stay as in STOMP 1.0 */
        ROW("CONNECT\npasscode:a\\cb\\q\\\nhost:a:b\n\n\0", "CONNECT|passcode=a\\cb\\q\\|host=a:b|;"),
        ROW("CONNECTED\nserver:x\\n\n\n\0", "CONNECTED|server=x\\n|;"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_stomp__refuses_undefined_escapes(void **state)
{
    static const struct row rows[] = {
        ROW("SEND\na:\\t\n\n\0", "EMALFORMED:undefined escape"),
        ROW("SEND\na:\\\n\n\0", "EMALFORMED:undefined escape"),
        ROW("SEND\na:\\\r\n\n\0", "EMALFORMED:undefined escape"),
        ROW("SEND\na:\\C\n\n\0", "EMALFORMED:undefined escape"),
        ROW("SEND\na:\\\0\n\n\0", "EMALFORMED:undefined escape"),
        ROW("SEND\n\\a:b\n\n\0", "EMALFORMED:undefined escape"),
        ROW("SEND\nok:1\na:\\x\nno colon\n\n\0", "EMALFORMED:undefined escape"), /* the first that is wrong */
        ROW("SEND\nno colon\na:\\x\n\n\0", "EMALFORMED:header without a colon"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_stomp__refuses_broken_headers(void **state)
{
    static const struct row rows[] = {
        ROW("SEND\nno colon\n\n\0", "EMALFORMED:header without a colon"),
        ROW("SEND\n:value\n\n\0", "EMALFORMED:header without a name"),
        ROW("SEND\na:x\ry\n\n\0", "EMALFORMED:stray CR in a header"),
        ROW("SEND\na:x\r\r\n\n\0", "EMALFORMED:stray CR in a header"),
        ROW("SEND\na:x\0y\n\n\0", "EMALFORMED:NUL in a header"),
        ROW("SEND\n\xff\0\n", "EMALFORMED:header is not UTF-8"), /* the first that is wrong */
        ROW("SEND\n\0\xff\n", "EMALFORMED:NUL in a header"),
        ROW("CONNECT\na:x\0y\n\n\0", "EMALFORMED:NUL in a header"),
        ROW("CONNECT\na:x\ry\n\n\0", "EMALFORMED:stray CR in a header"),
        ROW("SEND\n\0\n", "EMALFORMED:NUL in a header"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_stomp__holds_to_content_length(void **state)
{
    static const struct row rows[] = {
        ROW("SEND\ncontent-length:3\n\nabcd\0", "EMALFORMED:no NUL after content-length bytes"),
        ROW("SEND\ncontent-length:0\n\nx", "EMALFORMED:no NUL after content-length bytes"),
        ROW("SEND\ncontent-length:\n", "EMALFORMED:content-length is no number"),
        ROW("SEND\ncontent-length:-1\n", "EMALFORMED:content-length is no number"),
        ROW("SEND\ncontent-length:+1\n", "EMALFORMED:content-length is no number"),
        ROW("SEND\ncontent-length: 1\n", "EMALFORMED:content-length is no number"),
        ROW("SEND\ncontent-length:1x\n", "EMALFORMED:content-length is no number"),
        ROW("SEND\ncontent-length:0x1\n", "EMALFORMED:content-length is no number"),
        ROW("SEND\ncontent-length:99999999999999999999999\n", "EMALFORMED:content-length is no number"),
        ROW("SEND\ncontent-length:18446744073709551615\n\n", "ETOOBIG:frame too big"),
        ROW("SEND\ncontent-length:2\ncontent-length:9\n\nab\0", "SEND|content-length=2|content-length=9|ab;"),
        ROW("SEND\ncontent-length:2\ncontent-length:x\n\nab\0", "SEND|content-length=2|content-length=x|ab;"),
        ROW("SEND\nContent-Length:9\n\nab\0", "SEND|Content-Length=9|ab;"), /* another name */
        ROW("SEND\ncontent-length:4\n\na\0b\0\0", "SEND|content-length=4|a\0b\0;"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_stomp__allows_a_body_only_on_send_message_and_error(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STOMP_COMMAND_COUNT; i++) {
        enum stomp_command command = (enum stomp_command)i;
        bool may = command == STOMP_SEND || command == STOMP_MESSAGE || command == STOMP_ERROR;
        char text[64], log[64];
        struct row row = {text, 0, log, 0};

        assert_int_equal(stomp_command_has_body(command), may);
        row.len = (size_t)snprintf(text, sizeof text, "%s\n\nx", stomp_command_name(command)) + 1;
        row.log_len = (size_t)snprintf(log, sizeof log, may ? "%s|x;" : "EMALFORMED:this command has no body",
                                       stomp_command_name(command));
        check_row(&row, MAX);
        row.len = (size_t)snprintf(text, sizeof text, "%s\ncontent-length:1\n\nx", stomp_command_name(command)) + 1;
        row.log_len = (size_t)snprintf(log, sizeof log,
                                       may ? "%s|content-length=1|x;" : "EMALFORMED:this command has no body",
                                       stomp_command_name(command));
        check_row(&row, MAX);
        row.len = (size_t)snprintf(text, sizeof text, "%s\ncontent-length:0\n\n", stomp_command_name(command)) + 1;
        row.log_len = (size_t)snprintf(log, sizeof log, "%s|content-length=0|;", stomp_command_name(command));
        check_row(&row, MAX);
    }
}

static void test_stomp__takes_a_frame_at_its_maximum_and_not_one_byte_more(void **state)
{
    static const struct row rows[] = {
        /* 20 bytes with the NUL */
        ROW("\n\n\nSEND\na:b\n\n123456789\0", "SEND|a=b|123456789;"),
        ROW("SEND\na:b\n\n1234567890", "ETOOBIG:frame too big"),
        ROW("SEND\na:b\n\n1234567890\0", "ETOOBIG:frame too big"),
        ROW("SEND\nabcdefghij:1234\n\n\0", "ETOOBIG:frame too big"),
        ROW("SEND\nabcdefghij:1\n\n\0", "SEND|abcdefghij=1|;"),
        ROW("SEND\nabcdefghij:12\n\n\0", "ETOOBIG:frame too big"),
        ROW("SEND\na:bbbbbbbbbbbbbbbb", "ETOOBIG:frame too big"),
        ROW("RECEIPT\nabcd:12345\n\nx", "ETOOBIG:frame too big"), /* before "no body": by the 20th byte */
    };
    static const struct row lengths[] = {
        /* 31 bytes with the NUL; one more is refused by the head alone */
        ROW("SEND\ncontent-length:7\n\n1234567", "?"),
        ROW("SEND\ncontent-length:6\n\n123456\0", "SEND|content-length=6|123456;"),
        ROW("SEND\ncontent-length:8\n\n", "ETOOBIG:frame too big"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) check_row(&rows[i], 20);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) check_row(&lengths[i], 31);
}

/* SEND with one header of these sizes. */
static void sized(size_t name_len, size_t value_len, const char *error)
{
    struct kith_buf in;
    struct stomp_drive drive;
    static char x[STOMP_VALUE_BYTES_MAX + 2];

    memset(x, 'x', sizeof x);
    kith_buf_init(&in, MAX);
    assert_int_equal(kith_buf_append_str(&in, "SEND\n"), KITH_OK);
    assert_int_equal(kith_buf_append(&in, kith_slice_of(x, name_len)), KITH_OK);
    assert_int_equal(kith_buf_append_str(&in, ":"), KITH_OK);
    assert_int_equal(kith_buf_append(&in, kith_slice_of(x, value_len)), KITH_OK);
    assert_int_equal(kith_buf_append(&in, kith_slice_of("\r\n\n\0", 4)), KITH_OK);
    for (size_t piece = 1; piece < 20000; piece = piece * 5 + 3) {
        struct kith_slice rest = kith_buf_peek(&in);

        stomp_drive_init(&drive, MAX);
        while (rest.len > 0) {
            size_t len = rest.len < piece ? rest.len : piece;
            stomp_drive_feed(&drive, kith_slice_of(rest.ptr, len));
            rest.ptr += len;
            rest.len -= len;
        }
        if (error == NULL) {
            assert_int_equal(drive.frames, 1);
            assert_int_equal(drive.frame.headers_count, 1);
        } else {
            check_log(&drive, error, strlen(error));
        }
        stomp_drive_deinit(&drive);
    }
    kith_buf_deinit(&in);
}

static void test_stomp__takes_names_and_values_at_their_maximum_and_not_one_byte_more(void **state)
{
    (void)state;
    sized(STOMP_NAME_BYTES_MAX, 1, NULL);
    sized(STOMP_NAME_BYTES_MAX + 1, 1, "ETOOBIG:header name too long");
    sized(1, STOMP_VALUE_BYTES_MAX, NULL);
    sized(1, STOMP_VALUE_BYTES_MAX + 1, "ETOOBIG:header value too long");
    sized(STOMP_NAME_BYTES_MAX, STOMP_VALUE_BYTES_MAX, NULL);
    sized(STOMP_NAME_BYTES_MAX + 1, STOMP_VALUE_BYTES_MAX + 1, "ETOOBIG:header name too long");
}

static void test_stomp__takes_64_headers_and_not_65(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct kith_buf in;
        struct stomp_drive drive;

        kith_buf_init(&in, MAX);
        assert_int_equal(kith_buf_append_str(&in, "SEND\n"), KITH_OK);
        for (size_t i = 0; i < STOMP_HEADERS_MAX + over; i++)
            assert_int_equal(kith_buf_append_str(&in, "a:b\n"), KITH_OK);
        assert_int_equal(kith_buf_append(&in, kith_slice_of("\n\0", 2)), KITH_OK);
        for (size_t piece = 1; piece < 400; piece = piece * 3 + 1) {
            struct kith_slice rest = kith_buf_peek(&in);

            stomp_drive_init(&drive, MAX);
            while (rest.len > 0) {
                size_t len = rest.len < piece ? rest.len : piece;
                stomp_drive_feed(&drive, kith_slice_of(rest.ptr, len));
                rest.ptr += len;
                rest.len -= len;
            }
            if (over == 0) {
                assert_int_equal(drive.frame.headers_count, STOMP_HEADERS_MAX);
            } else {
                check_log(&drive, "ETOOBIG:too many headers", 24);
            }
            stomp_drive_deinit(&drive);
        }
        kith_buf_deinit(&in);
    }
}

static void test_stomp__counts_line_ends_as_heart_beats(void **state)
{
    struct stomp_drive drive;

    (void)state;
    stomp_drive_init(&drive, MAX);
    stomp_drive_feed(&drive, kith_slice_str("\n"));
    assert_int_equal(drive.line_end_bytes, 1);
    stomp_drive_feed(&drive, kith_slice_str("\r"));
    assert_int_equal(drive.line_end_bytes, 1);
    stomp_drive_feed(&drive, kith_slice_str("\n\r\n"));
    assert_int_equal(drive.line_end_bytes, 5);
    stomp_drive_feed(&drive, kith_slice_str("SEND\n"));
    assert_int_equal(drive.line_end_bytes, 5);
    assert_int_equal(drive.frames, 0);
    stomp_drive_deinit(&drive);
}

static void test_stomp__finds_the_first_of_repeated_headers(void **state)
{
    uint8_t bytes[] = "SEND\nfoo:World\nbar:1\nfoo:Hello\n\n";
    struct stomp_reader reader;
    struct stomp_frame frame;
    struct kith_slice value = kith_slice_str("untouched");
    size_t used = 0;

    (void)state;
    stomp_reader_init(&reader, MAX);
    assert_int_equal(stomp_next(&reader, bytes, sizeof bytes, &used, &frame), KITH_OK);
    assert_int_equal(used, sizeof bytes);
    assert_false(stomp_header(&frame, "Foo", &value));
    assert_false(stomp_header(&frame, "fo", &value));
    assert_true(kith_slice_is(value, "untouched"));
    assert_true(stomp_header(&frame, "foo", &value));
    assert_true(kith_slice_is(value, "World"));
    assert_true(stomp_header(&frame, "bar", &value));
    assert_true(kith_slice_is(value, "1"));
}

static void test_stomp__says_the_same_error_again(void **state)
{
    uint8_t bytes[] = "BAD\nACK\n\n";
    struct stomp_reader reader;
    struct stomp_frame frame;
    size_t used = 9;

    (void)state;
    stomp_reader_init(&reader, MAX);
    assert_int_equal(stomp_next(&reader, bytes, 4, &used, &frame), KITH_E_MALFORMED);
    assert_int_equal(used, 0);
    assert_int_equal(stomp_next(&reader, bytes + 4, 6, &used, &frame), KITH_E_MALFORMED);
    assert_int_equal(used, 0);
    assert_string_equal(reader.reason, "unknown command");
}

/* With a scan from the start for each byte this would take 20,000,000,000 steps. */
static void test_stomp__looks_at_a_byte_a_fixed_number_of_times(void **state)
{
    static uint8_t bytes[200000];
    struct stomp_reader reader;
    struct stomp_frame frame;
    size_t used = 0;

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, "SEND\n\n", 6);
    bytes[sizeof bytes - 1] = '\0';
    stomp_reader_init(&reader, sizeof bytes);
    for (size_t len = 0; len < sizeof bytes; len++) {
        assert_int_equal(stomp_next(&reader, bytes, len, &used, &frame), KITH_E_AGAIN);
    }
    assert_int_equal(stomp_next(&reader, bytes, sizeof bytes, &used, &frame), KITH_OK);
    assert_int_equal(frame.body.len, sizeof bytes - 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stomp__reads_frames_however_the_bytes_come),
        cmocka_unit_test(test_stomp__knows_every_command),
        cmocka_unit_test(test_stomp__refuses_what_is_no_command),
        cmocka_unit_test(test_stomp__unescapes_names_and_values_once),
        cmocka_unit_test(test_stomp__refuses_undefined_escapes),
        cmocka_unit_test(test_stomp__refuses_broken_headers),
        cmocka_unit_test(test_stomp__holds_to_content_length),
        cmocka_unit_test(test_stomp__allows_a_body_only_on_send_message_and_error),
        cmocka_unit_test(test_stomp__takes_a_frame_at_its_maximum_and_not_one_byte_more),
        cmocka_unit_test(test_stomp__takes_names_and_values_at_their_maximum_and_not_one_byte_more),
        cmocka_unit_test(test_stomp__takes_64_headers_and_not_65),
        cmocka_unit_test(test_stomp__counts_line_ends_as_heart_beats),
        cmocka_unit_test(test_stomp__finds_the_first_of_repeated_headers),
        cmocka_unit_test(test_stomp__says_the_same_error_again),
        cmocka_unit_test(test_stomp__looks_at_a_byte_a_fixed_number_of_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
