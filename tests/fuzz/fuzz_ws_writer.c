/*
 * ws_writer and ws_deflater against ws_reader: what one side writes is what the other reads. The input is a list of
 * messages: kind and flags, two bytes of length, payload; the first byte says role and window.
 */
#include "tests/unit/ws_drive.h"
#include "wire/ws_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ws_deflater *deflater;

/* Writes one message in one of the ways there are, and what the reader must say about it. */
static void put(struct kith_buf *out, struct kith_buf *log, uint8_t how, struct kith_slice payload, unsigned bits,
                const uint8_t *mask)
{
    bool is_text = (how & 1) != 0 && utf8_is_valid(payload);
    enum ws_opcode opcode = is_text ? WS_TEXT : WS_BINARY;

    if ((how & 0x0e) == 0 && payload.len <= WS_CONTROL_BYTES_MAX) {
        ws_drive_must(ws_write(out, WS_PING, payload, mask));
        ws_drive_must(kith_buf_append_str(log, "P"));
    } else {
        if ((how & 0x0e) == 2) {
            ws_drive_must(ws_write(out, opcode, payload, mask));
        } else if ((how & 0x0e) == 6) {
            size_t half = payload.len / 2;
            ws_drive_must(ws_write_frame(out, opcode, false, kith_slice_of(payload.ptr, half), mask));
            payload = kith_slice_of(payload.ptr + half, payload.len - half);
            ws_drive_must(ws_write_frame(out, WS_CONTINUATION, true, payload, mask));
            payload = kith_slice_of(payload.ptr - half, payload.len + half);
        } else {
            ws_drive_must(ws_write_deflated(out, deflater, bits, opcode, payload, mask));
        }
        ws_drive_must(kith_buf_append_str(log, is_text ? "T" : "B"));
    }
    ws_drive_must(kith_buf_append(log, payload));
    ws_drive_must(kith_buf_append_str(log, ";"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kith_slice in = kith_slice_of(data, size), payload;
    struct ws_inflate_params params = {.on = true};
    struct kith_buf out, log;
    struct ws_drive drive;
    uint8_t first = 0, mask[4];
    const uint8_t *key = NULL;

    if (size > 16384 || kith_eat_u8(&in, &first) != KITH_OK || kith_eat_copy(&in, mask, 4) != KITH_OK) return 0;
    if (deflater == NULL) ws_drive_must(ws_deflater_new(6, &deflater));
    params.window_bits = 8 + (first >> 1 & 7);
    if ((first & 1) != 0) key = mask;
    kith_buf_init(&out, 1 << 20);
    kith_buf_init(&log, 1 << 20);
    while (in.len > 0) {
        uint8_t how = 0;
        uint16_t len = 0;

        if (kith_eat_u8(&in, &how) != KITH_OK || kith_eat_u16_be(&in, &len) != KITH_OK) break;
        if (len > in.len) len = (uint16_t)in.len;
        ws_drive_must(kith_eat_bytes(&in, len, &payload));
        put(&out, &log, how, payload, params.window_bits, key);
    }
    ws_drive_init(&drive, key != NULL ? WS_SERVER : WS_CLIENT, 1 << 20, &params);
    ws_drive_feed(&drive, kith_buf_peek(&out));
    if (!kith_slice_eq(ws_drive_end(&drive), kith_buf_peek(&log))) abort();
    ws_drive_deinit(&drive);
    kith_buf_deinit(&out);
    kith_buf_deinit(&log);
    return 0;
}
