#include "wire/ws_writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/ws_drive.h"

#define MAX 200000

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

static void assert_bytes(const struct kith_buf *out, const char *bytes, size_t len)
{
    assert_int_equal(kith_buf_len(out), len);
    assert_memory_equal(kith_buf_peek(out).ptr, bytes, len);
}

static void test_ws_writer__writes_the_examples_of_rfc_6455_5_7(void **state)
{
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, MAX);
    assert_int_equal(ws_write(&out, WS_TEXT, kith_slice_str("Hello"), NULL), KITH_OK);
    assert_bytes(&out, "\x81\x05Hello", 7);
    kith_buf_reset(&out);
    assert_int_equal(ws_write(&out, WS_TEXT, kith_slice_str("Hello"), mask), KITH_OK);
    assert_bytes(&out, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    kith_buf_reset(&out);
    assert_int_equal(ws_write_frame(&out, WS_TEXT, false, kith_slice_str("Hel"), NULL), KITH_OK);
    assert_int_equal(ws_write_frame(&out, WS_CONTINUATION, true, kith_slice_str("lo"), NULL), KITH_OK);
    assert_bytes(&out, "\x01\x03Hel\x80\x02lo", 9);
    kith_buf_reset(&out);
    assert_int_equal(ws_write(&out, WS_PONG, kith_slice_str("Hello"), mask), KITH_OK);
    assert_bytes(&out, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    kith_buf_deinit(&out);
}

static void test_ws_writer__writes_close_frames(void **state)
{
    struct kith_buf out;
    char reason[200];

    (void)state;
    kith_buf_init(&out, MAX);
    assert_int_equal(ws_write_close(&out, 0, (struct kith_slice){0}, NULL), KITH_OK);
    assert_bytes(&out, "\x88\x00", 2);
    kith_buf_reset(&out);
    assert_int_equal(ws_write_close(&out, 1000, kith_slice_str("bye"), NULL), KITH_OK);
    assert_bytes(&out,
                 "\x88\x05\x03\xe8"
                 "bye",
                 7);
    kith_buf_reset(&out);
    /* 122 letters and a character of three bytes: it would be cut, so it goes */
    memset(reason, 'x', sizeof reason);
    memcpy(reason + 122, "\xe2\x82\xac", 3);
    assert_int_equal(ws_write_close(&out, 1000, kith_slice_of(reason, 150), NULL), KITH_OK);
    assert_int_equal(kith_buf_len(&out), 2 + 2 + 122);
    kith_buf_reset(&out);
    memcpy(reason + 122, "xxx", 3);
    assert_int_equal(ws_write_close(&out, 1000, kith_slice_of(reason, 150), NULL), KITH_OK);
    assert_int_equal(kith_buf_len(&out), 2 + 125);
    kith_buf_reset(&out);
    assert_int_equal(ws_write_close(&out, 1000, kith_slice_of(reason, 123), NULL), KITH_OK);
    assert_int_equal(kith_buf_len(&out), 2 + 125);
    kith_buf_deinit(&out);
}

static void test_ws_writer__fills_a_buffer_to_its_maximum_and_leaves_it_alone_past_it(void **state)
{
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, 7);
    assert_int_equal(ws_write(&out, WS_TEXT, kith_slice_str("Hello!"), NULL), KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&out), 0);
    assert_int_equal(ws_write(&out, WS_TEXT, kith_slice_str("Hello"), NULL), KITH_OK);
    assert_int_equal(ws_write(&out, WS_PING, (struct kith_slice){0}, NULL), KITH_E_TOOBIG);
    assert_bytes(&out, "\x81\x05Hello", 7);
    kith_buf_reset(&out);
    /* the head with its mask is what does not fit */
    assert_int_equal(ws_write(&out, WS_TEXT, kith_slice_str("Hi"), mask), KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&out), 0);
    assert_int_equal(ws_write(&out, WS_TEXT, kith_slice_str("H"), mask), KITH_OK);
    kith_buf_deinit(&out);
}

static void test_ws_writer__what_it_writes_the_reader_reads(void **state)
{
    struct kith_buf out;
    struct ws_drive drive;

    (void)state;
    kith_buf_init(&out, MAX);
    assert_int_equal(ws_write(&out, WS_TEXT, kith_slice_str("one"), mask), KITH_OK);
    assert_int_equal(ws_write(&out, WS_PING, kith_slice_str("?"), mask), KITH_OK);
    assert_int_equal(ws_write_frame(&out, WS_BINARY, false, kith_slice_str("t"), mask), KITH_OK);
    assert_int_equal(ws_write_frame(&out, WS_CONTINUATION, true, kith_slice_str("wo"), mask), KITH_OK);
    assert_int_equal(ws_write_close(&out, 3000, kith_slice_str("done"), mask), KITH_OK);
    ws_drive_init(&drive, WS_SERVER, MAX, NULL);
    ws_drive_feed(&drive, kith_buf_peek(&out));
    assert_true(kith_slice_is(ws_drive_end(&drive), "Tone;P?;Btwo;C3000:done;"));
    ws_drive_deinit(&drive);
    kith_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_writer__writes_the_examples_of_rfc_6455_5_7),
        cmocka_unit_test(test_ws_writer__writes_close_frames),
        cmocka_unit_test(test_ws_writer__fills_a_buffer_to_its_maximum_and_leaves_it_alone_past_it),
        cmocka_unit_test(test_ws_writer__what_it_writes_the_reader_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
