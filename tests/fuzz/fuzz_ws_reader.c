/*
 * ws_reader: however the bytes are cut, the same messages, control frames and errors come out. First byte: role,
 * deflate, takeover, window; second: where to cut; the rest is the stream.
 */
#include "tests/unit/ws_drive.h"

#define MESSAGE_BYTES_MAX 3000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct ws_drive *drive, const uint8_t *data, size_t size, unsigned cuts)
{
    struct ws_inflate_params params = {.on = (data[0] & 2) != 0,
                                       .context_takeover = (data[0] & 4) != 0,
                                       .window_bits = (uint8_t)(8 + (data[0] >> 3 & 7))};
    size_t at = 2;

    ws_drive_init(drive, (data[0] & 1) != 0 ? WS_SERVER : WS_CLIENT, MESSAGE_BYTES_MAX, &params);
    while (at < size) {
        size_t len = size - at;

        if (cuts > 0) {
            cuts = cuts * 1103515245 + 12345;
            len = 1 + (cuts >> 16) % ((cuts >> 28) == 0 ? 300 : 7);
            if (len > size - at) len = size - at;
        }
        ws_drive_feed(drive, kith_slice_of(data + at, len));
        at += len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ws_drive whole, cut;

    if (size < 2 || size > 8192) return 0;
    run(&whole, data, size, 0);
    run(&cut, data, size, 1 + data[1]);
    if (!kith_slice_eq(ws_drive_end(&whole), ws_drive_end(&cut))) abort();
    ws_drive_deinit(&whole);
    ws_drive_deinit(&cut);
    return 0;
}
