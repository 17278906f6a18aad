#include "wire/ws_head.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static kith_err decode(enum ws_role role, const char *bytes, size_t len, struct ws_head *out, size_t *used)
{
    return ws_head_decode(role, kith_slice_of(bytes, len), out, used);
}

/* The whole header is refused, and so is the shortest front of it that shows why. */
static void refused(enum ws_role role, const char *bytes, size_t len, size_t shows_at)
{
    struct ws_head head;
    size_t used = 0;

    for (size_t n = 0; n <= len; n++) {
        assert_int_equal(decode(role, bytes, n, &head, &used), n < shows_at ? KITH_E_AGAIN : KITH_E_MALFORMED);
    }
    assert_int_equal(used, 0);
}

static void test_ws_head__round_trips_every_form_and_every_short_prefix_waits(void **state)
{
    static const uint64_t lens[] = {0, 1, 125, 126, 127, 65535, 65536, 1u << 31, (uint64_t)INT64_MAX};
    static const enum ws_opcode opcodes[] = {WS_CONTINUATION, WS_TEXT, WS_BINARY, WS_CLOSE, WS_PING, WS_PONG};
    uint8_t raw[WS_HEAD_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0] * 6 * 8; i++) {
        struct ws_head in = {.payload_len = lens[i / 48], .opcode = opcodes[i / 8 % 6], .fin = (i & 1) != 0};
        struct ws_head out = {0};
        size_t len, used = 0;

        in.rsv1 = (i & 2) != 0;
        in.masked = (i & 4) != 0;
        if (in.masked) memcpy(in.mask, "\x01\xfe\x7f\x80", 4);
        if (ws_opcode_is_control(in.opcode) && (in.payload_len > 125 || !in.fin)) continue;
        if (in.opcode != WS_TEXT && in.opcode != WS_BINARY && in.rsv1) continue;
        len = ws_head_encode(&in, raw);
        for (size_t n = 0; n < len; n++) {
            assert_int_equal(ws_head_decode(in.masked ? WS_SERVER : WS_CLIENT, kith_slice_of(raw, n), &out, &used),
                             KITH_E_AGAIN);
        }
        assert_int_equal(ws_head_decode(in.masked ? WS_SERVER : WS_CLIENT, kith_slice_of(raw, len), &out, &used),
                         KITH_OK);
        assert_int_equal(used, len);
        assert_int_equal(out.payload_len, in.payload_len);
        assert_int_equal(out.opcode, in.opcode);
        assert_int_equal(out.fin, in.fin);
        assert_int_equal(out.rsv1, in.rsv1);
        assert_int_equal(out.masked, in.masked);
        assert_memory_equal(out.mask, in.mask, 4);
    }
}

static void test_ws_head__encodes_the_examples_of_rfc_6455_5_7(void **state)
{
    uint8_t raw[WS_HEAD_BYTES_MAX];
    struct ws_head head = {.payload_len = 5, .opcode = WS_TEXT, .fin = true};

    (void)state;
    assert_int_equal(ws_head_encode(&head, raw), 2);
    assert_memory_equal(raw, "\x81\x05", 2);
    head.masked = true;
    memcpy(head.mask, "\x37\xfa\x21\x3d", 4);
    assert_int_equal(ws_head_encode(&head, raw), 6);
    assert_memory_equal(raw, "\x81\x85\x37\xfa\x21\x3d", 6);
    head = (struct ws_head){.payload_len = 256, .opcode = WS_BINARY, .fin = true};
    assert_int_equal(ws_head_encode(&head, raw), 4);
    assert_memory_equal(raw, "\x82\x7e\x01\x00", 4);
    head.payload_len = 65536;
    assert_int_equal(ws_head_encode(&head, raw), 10);
    assert_memory_equal(raw, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
}

static void test_ws_head__rejects_an_unmasked_client_frame_and_a_masked_server_frame(void **state)
{
    (void)state;
    refused(WS_SERVER, "\x81\x05", 2, 2);
    refused(WS_CLIENT, "\x81\x85\x37\xfa\x21\x3d", 6, 2);
}

static void test_ws_head__rejects_reserved_bits_and_opcodes_by_the_first_byte(void **state)
{
    char raw[] = "\x81\x80\x00\x00\x00\x00";

    (void)state;
    for (unsigned b = 0; b < 256; b++) {
        unsigned opcode = b & 0x0f;
        bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
        bool rsv_ok = (b & 0x30) == 0 && ((b & 0x40) == 0 || opcode == 1 || opcode == 2);
        bool fin_ok = opcode < 8 || (b & 0x80) != 0;
        struct ws_head head;
        size_t used = 0;

        raw[0] = (char)b;
        if (known && rsv_ok && fin_ok) {
            assert_int_equal(decode(WS_SERVER, raw, 6, &head, &used), KITH_OK);
            assert_int_equal(head.rsv1, (b & 0x40) != 0);
        } else {
            refused(WS_SERVER, raw, 6, 1);
        }
    }
}

static void test_ws_head__rejects_lengths_that_are_not_minimal(void **state)
{
    (void)state;
    refused(WS_CLIENT, "\x82\x7e\x00\x7d", 4, 4);
    refused(WS_CLIENT, "\x82\x7e\x00\x00", 4, 4);
    refused(WS_CLIENT, "\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 10, 10);
    refused(WS_CLIENT, "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x00", 10, 10);
}

static void test_ws_head__rejects_a_length_of_2_63(void **state)
{
    (void)state;
    refused(WS_CLIENT, "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 10, 3);
    refused(WS_CLIENT, "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, 3);
}

static void test_ws_head__rejects_a_control_frame_of_126_bytes_and_takes_125(void **state)
{
    struct ws_head head;
    size_t used = 0;

    (void)state;
    assert_int_equal(decode(WS_CLIENT, "\x89\x7d", 2, &head, &used), KITH_OK);
    refused(WS_CLIENT, "\x89\x7e\x00\x7e", 4, 2);
    refused(WS_CLIENT, "\x88\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10, 2);
    refused(WS_CLIENT, "\x09\x01", 2, 1); /* a fragmented ping */
}

static void test_ws_head__masks_from_any_offset_and_alignment_like_the_plain_loop(void **state)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t plain[160], fast[160];

    (void)state;
    for (size_t offset = 0; offset < 8; offset++) {
        for (size_t at = 0; at < 16; at++) {
            for (size_t len = 0; len + at <= 140; len++) {
                for (size_t i = 0; i < sizeof plain; i++) plain[i] = fast[i] = (uint8_t)(i * 7);
                for (size_t i = 0; i < len; i++) plain[at + i] ^= mask[(offset + i) % 4];
                ws_mask(fast + at, len, mask, offset);
                assert_memory_equal(fast, plain, sizeof plain);
            }
        }
    }
}

static void test_ws_head__knows_the_close_codes_of_rfc_6455_7_4(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 70000; code++) {
        bool valid = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
        assert_int_equal(ws_close_code_is_valid(code), valid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_head__round_trips_every_form_and_every_short_prefix_waits),
        cmocka_unit_test(test_ws_head__encodes_the_examples_of_rfc_6455_5_7),
        cmocka_unit_test(test_ws_head__rejects_an_unmasked_client_frame_and_a_masked_server_frame),
        cmocka_unit_test(test_ws_head__rejects_reserved_bits_and_opcodes_by_the_first_byte),
        cmocka_unit_test(test_ws_head__rejects_lengths_that_are_not_minimal),
        cmocka_unit_test(test_ws_head__rejects_a_length_of_2_63),
        cmocka_unit_test(test_ws_head__rejects_a_control_frame_of_126_bytes_and_takes_125),
        cmocka_unit_test(test_ws_head__masks_from_any_offset_and_alignment_like_the_plain_loop),
        cmocka_unit_test(test_ws_head__knows_the_close_codes_of_rfc_6455_7_4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
