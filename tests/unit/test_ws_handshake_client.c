#include "wire/ws_handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/http1_reader.h"

static const char *const subprotocols[] = {"v12.stomp", "v11.stomp", NULL};
static const uint8_t nonce[16] = "the sample nonce"; /* RFC 6455, 1.3 */

static struct ws_client_config config_make(void)
{
    return (struct ws_client_config){.target = kith_slice_str("/connect"),
                                     .host = kith_slice_str("server.example.com"),
                                     .subprotocols = subprotocols,
                                     .deflate = true};
}

#define START      "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define EXTENSIONS "Sec-WebSocket-Extensions: "

static kith_err check(const char *head, const struct ws_client_config *config, struct ws_agreed *out)
{
    struct http1_reader reader;
    enum http1_event event;
    char text[1000];
    size_t used = 0;
    kith_err err;

    (void)snprintf(text, sizeof text, "%s\r\n", head);
    http1_reader_init_client(&reader, 1000);
    assert_int_equal(http1_reader_next(&reader, kith_slice_str(text), &used, &event), KITH_OK);
    err = ws_client_check(http1_reader_response(&reader), config, nonce, out);
    http1_reader_deinit(&reader);
    return err;
}

static void test_ws_handshake_client__writes_a_request_that_our_server_takes(void **state)
{
    static const struct ws_server_config server = {
        .subprotocols = subprotocols, .deflate = true, .client_window_bits_max = 12};
    struct ws_client_config config = config_make();
    struct http1_reader reader;
    struct ws_accept accept;
    struct ws_agreed agreed;
    struct kith_buf out;
    enum http1_event event;
    const char *reason;
    size_t used = 0;

    (void)state;
    config.origin = "https://app.example";
    config.authorization = kith_slice_str("Bearer x");
    kith_buf_init(&out, 4096);
    assert_int_equal(ws_client_write(&config, nonce, &out), KITH_OK);
    http1_reader_init_server(&reader, 0);
    assert_int_equal(http1_reader_next(&reader, kith_buf_peek(&out), &used, &event), KITH_OK);
    assert_int_equal(ws_accept_check(http1_reader_request(&reader), &server, &accept, &reason), KITH_OK);
    assert_int_equal(http1_header_count(http1_reader_request(&reader)->headers, "authorization"), 1);
    http1_reader_deinit(&reader);

    kith_buf_reset(&out);
    assert_int_equal(ws_accept_write(&accept, &out), KITH_OK);
    http1_reader_init_client(&reader, 0);
    assert_int_equal(http1_reader_next(&reader, kith_buf_peek(&out), &used, &event), KITH_OK);
    assert_int_equal(ws_client_check(http1_reader_response(&reader), &config, nonce, &agreed), KITH_OK);
    assert_string_equal(agreed.subprotocol, "v12.stomp");
    assert_true(agreed.deflate.on && agreed.deflate.server_no_context_takeover);
    assert_int_equal(agreed.deflate.client_window_bits, 12);
    http1_reader_deinit(&reader);
    kith_buf_deinit(&out);
}

static void test_ws_handshake_client__refuses_a_response_that_does_not_prove_itself(void **state)
{
    static const char *const bad[] = {
        START ACCEPT,
        START "Upgrade: websocket\r\n" ACCEPT,
        START "Connection: Upgrade\r\n" ACCEPT,
        START "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT,
        START UPGRADE,
        START UPGRADE ACCEPT ACCEPT,
        START UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOp=\r\n",
        START UPGRADE ACCEPT "Sec-WebSocket-Protocol: mqtt\r\n",
        START UPGRADE ACCEPT "Sec-WebSocket-Protocol: v12.stomp\r\nSec-WebSocket-Protocol: v12.stomp\r\n",
        START UPGRADE ACCEPT EXTENSIONS "foo\r\n",
        START UPGRADE ACCEPT EXTENSIONS "permessage-deflate, permessage-deflate\r\n",
        START UPGRADE ACCEPT EXTENSIONS "permessage-deflate; foo\r\n",
        START UPGRADE ACCEPT EXTENSIONS "permessage-deflate; client_max_window_bits\r\n",
        START UPGRADE ACCEPT EXTENSIONS "permessage-deflate; server_max_window_bits=20\r\n",
        START UPGRADE ACCEPT EXTENSIONS
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover\r\n",
    };
    struct ws_client_config config = config_make();
    struct ws_agreed agreed;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (check(bad[i], &config, &agreed) != KITH_E_MALFORMED) fail_msg("taken: %s", bad[i]);
    }
    assert_int_equal(check("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n", &config, &agreed), KITH_E_DENIED);
}

static void test_ws_handshake_client__takes_less_than_it_offered(void **state)
{
    struct ws_client_config config = config_make();
    struct ws_agreed agreed;

    (void)state;
    assert_int_equal(check(START UPGRADE ACCEPT, &config, &agreed), KITH_OK);
    assert_null(agreed.subprotocol);
    assert_false(agreed.deflate.on);
    assert_int_equal(check(START UPGRADE ACCEPT EXTENSIONS "permessage-deflate\r\n", &config, &agreed), KITH_OK);
    assert_true(agreed.deflate.on && !agreed.deflate.server_no_context_takeover);
    assert_true(ws_inflate_params_of(&agreed.deflate, WS_CLIENT).context_takeover);
    assert_int_equal(agreed.deflate.server_window_bits, 15);
    config.deflate = false;
    assert_int_equal(check(START UPGRADE ACCEPT EXTENSIONS "permessage-deflate\r\n", &config, &agreed),
                     KITH_E_MALFORMED);
    config.subprotocols = NULL;
    assert_int_equal(check(START UPGRADE ACCEPT, &config, &agreed), KITH_OK);
    assert_int_equal(check(START UPGRADE ACCEPT "Sec-WebSocket-Protocol: v12.stomp\r\n", &config, &agreed),
                     KITH_E_MALFORMED);
}

static void test_ws_handshake_client__cannot_be_made_to_send_another_header(void **state)
{
    struct ws_client_config config = config_make();
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, 4096);
    config.authorization = kith_slice_str("Bearer x\r\nEvil: 1");
    assert_int_equal(ws_client_write(&config, nonce, &out), KITH_E_MALFORMED);
    config = config_make();
    config.target = kith_slice_str("/connect HTTP/1.1\r\nEvil: 1\r\n");
    assert_int_equal(ws_client_write(&config, nonce, &out), KITH_E_MALFORMED);
    config = config_make();
    config.host = kith_slice_str("a\r\nEvil: 1");
    assert_int_equal(ws_client_write(&config, nonce, &out), KITH_E_MALFORMED);
    assert_int_equal(kith_buf_len(&out), 0);
    kith_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_handshake_client__writes_a_request_that_our_server_takes),
        cmocka_unit_test(test_ws_handshake_client__refuses_a_response_that_does_not_prove_itself),
        cmocka_unit_test(test_ws_handshake_client__takes_less_than_it_offered),
        cmocka_unit_test(test_ws_handshake_client__cannot_be_made_to_send_another_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
