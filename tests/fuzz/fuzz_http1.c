/*
 * http1_reader: however the bytes are cut, and whether bodies are gathered or streamed, the same messages and errors
 * come out. First byte: request or response, upgrades taken up or not, where to cut.
 */
#include "tests/unit/http1_drive.h"

#define BODY_BYTES_MAX 500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct http1_drive *drive, const uint8_t *data, size_t size, unsigned cuts)
{
    size_t at = 1;

    http1_drive_init(drive, (data[0] & 1) != 0, BODY_BYTES_MAX);
    drive->upgrades = (data[0] & 2) != 0;
    drive->streams = cuts > 0;
    while (at < size) {
        size_t len = size - at;

        if (cuts > 0) {
            cuts = cuts * 1103515245 + 12345;
            len = 1 + (cuts >> 16) % ((cuts >> 28) == 0 ? 300 : 7);
            if (len > size - at) len = size - at;
        }
        http1_drive_feed(drive, kith_slice_of(data + at, len));
        at += len;
    }
    if (drive->messages > 0) http1_drive_feed(drive, (struct kith_slice){0});
    if ((data[0] & 1) != 0 && drive->err == KITH_OK) {
        enum http1_event event = HTTP1_EVENT_HEAD;
        drive->err = http1_reader_eof(&drive->reader, &event);
        if (drive->err == KITH_OK) http1_drive_event(drive, event);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http1_drive whole, cut;

    if (size < 1 || size > 32768) return 0;
    run(&whole, data, size, 0);
    run(&cut, data, size, 1 + data[0]);
    if (!kith_slice_eq(http1_drive_end(&whole), http1_drive_end(&cut))) abort();
    http1_drive_deinit(&whole);
    http1_drive_deinit(&cut);
    return 0;
}
