#ifndef TESTS_UNIT_OP_DRIVE_H
#define TESTS_UNIT_OP_DRIVE_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "libkith/crypto/tlv.h"
#include "libkith/wasm/ops.h"

/* Test vectors through the operations of libkith/wasm/ops.h, each encoded as the WebAssembly module takes it. */

/* Coins of a test: 0, 1, 2, ... */
static inline void drive_random(void *arg, void *out, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len; i++) ((uint8_t *)out)[i] = (uint8_t)i;
}

struct drive {
    struct kith_buf in, out;
    struct e2e_tlv_writer writer;
    uint16_t tag;
};

static inline void drive_begin(struct drive *drive)
{
    kith_buf_init(&drive->in, E2E_TLV_BYTES_MAX);
    kith_buf_init(&drive->out, E2E_TLV_BYTES_MAX);
    drive->writer = e2e_tlv_writer_of(&drive->in);
    drive->tag = 0;
}

static inline void drive_arg(struct drive *drive, const void *bytes, size_t len)
{
    e2e_tlv_put(&drive->writer, ++drive->tag, kith_slice_of(bytes, len));
}

static inline unsigned drive_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, c);

    assert_non_null(found);
    return (unsigned)(found - digits);
}

static inline void drive_hex_arg(struct drive *drive, const char *hex)
{
    size_t len = strlen(hex);
    uint8_t *bytes = malloc(len / 2 + 1);

    assert_non_null(bytes);
    assert_int_equal(len % 2, 0);
    for (size_t i = 0; i < len / 2; i++)
        bytes[i] = (uint8_t)(drive_digit(hex[2 * i]) << 4 | drive_digit(hex[2 * i + 1]));
    drive_arg(drive, bytes, len / 2);
    free(bytes);
}

static inline void drive_number_arg(struct drive *drive, uint32_t number)
{
    e2e_tlv_put_u32(&drive->writer, ++drive->tag, number);
}

/* What a vector says: hex, {"text": "..."} or a number. */
static inline void drive_json_arg(struct drive *drive, const json_t *value)
{
    if (json_is_integer(value)) {
        drive_number_arg(drive, (uint32_t)json_integer_value(value));
    } else if (json_is_object(value)) {
        const json_t *text = json_object_get(value, "text");
        drive_arg(drive, json_string_value(text), json_string_length(text));
    } else {
        assert_true(json_is_string(value));
        drive_hex_arg(drive, json_string_value(value));
    }
}

/* Runs it; the answer is in drive->out until drive_end(). */
static inline kith_err drive_call(struct drive *drive, const char *name)
{
    static const struct e2e_random random = {.fill = drive_random};
    const struct kith_op *op = kith_op_find(name);

    assert_non_null(op);
    assert_int_equal(e2e_tlv_finish(&drive->writer), KITH_OK);
    return kith_op_call(op, &random, kith_buf_peek(&drive->in), &drive->out);
}

static inline void drive_end(struct drive *drive)
{
    kith_buf_deinit(&drive->in);
    kith_buf_deinit(&drive->out);
}

static inline bool drive_out_is_hex(const struct drive *drive, const char *hex)
{
    struct kith_slice out = kith_buf_peek(&drive->out);
    char byte[3];

    if (strlen(hex) != out.len * 2) return false;
    for (size_t i = 0; i < out.len; i++) {
        (void)snprintf(byte, sizeof byte, "%02x", out.ptr[i]);
        if (memcmp(byte, hex + 2 * i, 2) != 0) return false;
    }
    return true;
}

static inline json_t *drive_load(const char *folder, const char *name)
{
    char path[512];
    json_error_t error;
    json_t *file;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    file = json_load_file(path, 0, &error);
    if (file == NULL) fail_msg("%s: %s", path, error.text);
    return file;
}

#endif
