#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/each_failure.h"
#include "wire/http1_reader.h"
#include "wire/stomp.h"
#include "wire/ws_reader.h"
#include "wire/ws_writer.h"

/*
 * Every allocation of the codecs fails once: each call then answers KITH_E_NOMEM, and no memory is lost. Left out where the
 * heap cannot be made to fail.
 */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

static kith_err inflate_work(struct kith_buf *appended)
{
    uint8_t bytes[] = "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
    static uint8_t room[WS_SCRATCH_BYTES_MIN];
    static const struct ws_inflate_params params = {.on = true, .window_bits = 15};
    struct ws_scratch scratch;
    struct ws_reader reader;
    struct ws_event event;
    size_t used = 0;
    kith_err err;

    (void)appended;
    ws_scratch_init(&scratch, room, sizeof room);
    ws_reader_init(&reader, WS_CLIENT, 1000, &params, &scratch);
    err = ws_reader_next(&reader, bytes, sizeof bytes - 1, &used, &event);
    if (err != KITH_OK && reader.close_code != WS_CLOSE_INTERNAL) err = KITH_E_IO;
    ws_reader_deinit(&reader);
    ws_scratch_deinit(&scratch);
    return err;
}

static void test_wire_memory__inflating_survives_every_failure(void **state)
{
    (void)state;
    assert_true(each_failure(inflate_work) >= 2);
}

static kith_err deflate_work(struct kith_buf *appended)
{
    struct ws_deflater *deflater = NULL;
    struct kith_buf out;
    kith_err err = ws_deflater_new(1, &deflater);

    (void)appended;
    kith_buf_init(&out, 10000);
    for (int i = 0; err == KITH_OK && i < 2; i++) {
        err = ws_write_deflated(&out, deflater, 15, WS_TEXT, kith_slice_str("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                                NULL);
    }
    kith_buf_deinit(&out);
    ws_deflater_free(deflater);
    return err;
}

static void test_wire_memory__deflating_survives_every_failure(void **state)
{
    (void)state;
    assert_true(each_failure(deflate_work) >= 4);
}

static kith_err http1_work(struct kith_buf *appended)
{
    struct kith_slice in = kith_slice_str(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"
        "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n0\r\n\r\n");
    struct http1_reader reader;
    enum http1_event event = HTTP1_EVENT_HEAD;
    size_t used = 0;
    kith_err err = KITH_OK;

    (void)appended;
    http1_reader_init_server(&reader, 1000);
    while (err == KITH_OK && event != HTTP1_EVENT_DONE) {
        err = http1_reader_next(&reader, in, &used, &event);
        in.ptr += used;
        in.len -= used;
    }
    if (err != KITH_OK && reader.status != 503) err = KITH_E_IO;
    http1_reader_deinit(&reader);
    return err;
}

static void test_wire_memory__reading_a_request_survives_every_failure(void **state)
{
    (void)state;
    assert_true(each_failure(http1_work) >= 4);
}

static kith_err encode_work(struct kith_buf *appended)
{
    struct stomp_writer writer;
    struct kith_buf frame, out;
    kith_err err;

    (void)appended;
    kith_buf_init(&frame, 10000);
    kith_buf_init(&out, 10000);
    stomp_begin(&writer, &frame, STOMP_SEND);
    for (int i = 0; i < 20; i++) stomp_put_str(&writer, "a-name", "and a value: long enough to make the buffer grow");
    err = stomp_end(&writer, kith_slice_str("body"));
    if (err != KITH_OK && kith_buf_len(&frame) > 0) err = KITH_E_IO;
    if (err == KITH_OK) err = ws_write(&out, WS_TEXT, kith_buf_peek(&frame), (const uint8_t *)"mask");
    if (err != KITH_OK && kith_buf_len(&out) > 0) err = KITH_E_IO;
    kith_buf_deinit(&frame);
    kith_buf_deinit(&out);
    return err;
}

static void test_wire_memory__encoding_survives_every_failure_and_leaves_nothing(void **state)
{
    (void)state;
    assert_true(each_failure(encode_work) >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_memory__inflating_survives_every_failure),
        cmocka_unit_test(test_wire_memory__deflating_survives_every_failure),
        cmocka_unit_test(test_wire_memory__reading_a_request_survives_every_failure),
        cmocka_unit_test(test_wire_memory__encoding_survives_every_failure_and_leaves_nothing),
    };

    if (!heap_is_ours()) {
        (void)puts("left out: malloc() is not ours");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
