/*
 * stomp: however the bytes are cut, the same frames and errors come out; and a frame that was read, written and read
 * again is the same. First byte: where to cut, and the maximum of a frame.
 */
#include "tests/unit/stomp_drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct stomp_drive *drive, const uint8_t *data, size_t size, unsigned cuts, size_t max)
{
    size_t at = 0;

    stomp_drive_init(drive, max);
    while (at < size) {
        size_t len = size - at;

        if (cuts > 0) {
            cuts = cuts * 1103515245 + 12345;
            len = 1 + (cuts >> 16) % ((cuts >> 28) == 0 ? 300 : 7);
            if (len > size - at) len = size - at;
        }
        stomp_drive_feed(drive, kith_slice_of(data + at, len));
        at += len;
    }
}

static bool is_content_length(struct kith_slice name)
{
    return kith_slice_is(name, "content-length");
}

/* Reads each frame of the input, writes it, reads that. */
static void round_trip(const uint8_t *data, size_t size)
{
    static struct stomp_frame frame, again;
    uint8_t *bytes = malloc(size);
    struct stomp_reader reader, second;
    struct stomp_writer writer;
    struct kith_buf out;
    char name[STOMP_NAME_BYTES_MAX + 1];
    size_t at = 0, used = 0;

    if (bytes == NULL) abort();
    memcpy(bytes, data, size);
    kith_buf_init(&out, SIZE_MAX / 4);
    stomp_reader_init(&reader, 1 << 20);
    while (stomp_next(&reader, bytes + at, size - at, &used, &frame) == KITH_OK) {
        unsigned put = 0;

        at += used;
        kith_buf_reset(&out);
        stomp_begin(&writer, &out, frame.command);
        for (unsigned i = 0; i < frame.headers_count; i++) {
            if (is_content_length(frame.headers[i].name)) continue;
            memcpy(name, frame.headers[i].name.ptr, frame.headers[i].name.len);
            name[frame.headers[i].name.len] = '\0';
            stomp_put(&writer, name, frame.headers[i].value);
            frame.headers[put++] = frame.headers[i];
        }
        stomp_drive_must(stomp_end(&writer, frame.body));
        stomp_reader_init(&second, 1 << 22);
        /* A full set of headers has no room for the content-length that was not among them. */
        if (put == STOMP_HEADERS_MAX && stomp_command_has_body(frame.command)) continue;
        if (stomp_next(&second, out.ptr, kith_buf_len(&out), &used, &again) != KITH_OK) {
            /* Escapes count: a raw colon comes back as two bytes, past the maximum of a line that was just at it. */
            if (second.err == KITH_E_TOOBIG) continue;
            abort();
        }
        assert(used == kith_buf_len(&out) && again.command == frame.command && kith_slice_eq(again.body, frame.body));
        assert(again.headers_count == put + stomp_command_has_body(frame.command));
        for (unsigned i = 0; i < put; i++) {
            assert(kith_slice_eq(again.headers[i].name, frame.headers[i].name));
            assert(kith_slice_eq(again.headers[i].value, frame.headers[i].value));
        }
    }
    kith_buf_deinit(&out);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stomp_drive whole, cut;
    size_t max;

    if (size < 2 || size > 16384) return 0;
    max = (data[0] & 1) != 0 ? 1 << 20 : (size_t)20 + data[0];
    run(&whole, data + 1, size - 1, 0, max);
    run(&cut, data + 1, size - 1, 1 + data[0], max);
    if (!kith_slice_eq(stomp_drive_end(&whole), stomp_drive_end(&cut))) abort();
    stomp_drive_deinit(&whole);
    stomp_drive_deinit(&cut);
    round_trip(data + 1, size - 1);
    return 0;
}
