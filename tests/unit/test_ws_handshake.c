#include "wire/ws_handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/http1_reader.h"
#include "wire/sha1.h"

static const char *const ours[] = {"v12.stomp", "v11.stomp", NULL};
static const struct ws_server_config config = {.subprotocols = ours, .deflate = true, .client_window_bits_max = 15};

#define START   "GET /connect HTTP/1.1\r\nHost: server.example.com\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define GOOD    START UPGRADE KEY VERSION

struct parsed {
    struct http1_reader reader;
    const struct http1_request *request;
};

static void parse(struct parsed *parsed, const char *text)
{
    enum http1_event event;
    size_t used = 0;

    http1_reader_init_server(&parsed->reader, 1000);
    assert_int_equal(http1_reader_next(&parsed->reader, kith_slice_str(text), &used, &event), KITH_OK);
    parsed->request = http1_reader_request(&parsed->reader);
}

static kith_err check(const char *head, const struct ws_server_config *with, struct ws_accept *out)
{
    struct parsed parsed;
    const char *reason = NULL;
    char text[2000];
    kith_err err;

    (void)snprintf(text, sizeof text, "%s\r\n", head);
    parse(&parsed, text);
    err = ws_accept_check(parsed.request, with, out, &reason);
    if (err == KITH_OK) {
        assert_null(reason);
    } else {
        assert_non_null(reason);
    }
    http1_reader_deinit(&parsed.reader);
    return err;
}

static void test_ws_handshake__computes_the_example_of_rfc_6455_1_3(void **state)
{
    char accept[WS_ACCEPT_LEN + 1];

    (void)state;
    ws_accept_compute(kith_slice_str("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void test_ws_handshake__sha1_gives_the_values_of_fips_180(void **state)
{
    uint8_t digest[SHA1_BYTES];
    uint8_t many[1000];

    (void)state;
    sha1(kith_slice_str("abc"), digest);
    assert_memory_equal(digest, "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d", 20);
    sha1(kith_slice_str(""), digest);
    assert_memory_equal(digest, "\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09", 20);
    sha1(kith_slice_str("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), digest);
    assert_memory_equal(digest, "\x84\x98\x3e\x44\x1c\x3b\xd2\x6e\xba\xae\x4a\xa1\xf9\x51\x29\xe5\xe5\x46\x70\xf1", 20);
    memset(many, 'a', sizeof many);
    sha1(kith_slice_of(many, 1000), digest);
    assert_memory_equal(digest, "\x29\x1e\x9a\x6c\x66\x99\x49\x49\xb5\x7b\xa5\xe6\x50\x36\x1e\x98\xfc\x36\xb1\xba", 20);
}

static void test_ws_handshake__accepts_a_good_request_and_answers_101(void **state)
{
    struct ws_accept accept;
    struct kith_buf out;

    (void)state;
    assert_int_equal(check(GOOD "Sec-WebSocket-Protocol: v12.stomp\r\n", &config, &accept), KITH_OK);
    kith_buf_init(&out, 4096);
    assert_int_equal(ws_accept_write(&accept, &out), KITH_OK);
    assert_true(kith_slice_is(kith_buf_peek(&out), "HTTP/1.1 101 Switching Protocols\r\n"
                                                   "Upgrade: websocket\r\n"
                                                   "Connection: Upgrade\r\n"
                                                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                                   "Sec-WebSocket-Protocol: v12.stomp\r\n\r\n"));
    kith_buf_deinit(&out);
}

static void test_ws_handshake__compares_tokens_without_case_and_in_lists(void **state)
{
    static const char *const good[] = {
        START "Upgrade: WebSocket\r\nConnection: keep-alive, UPGRADE\r\n" KEY VERSION,
        START "UPGRADE: h2c, websocket\r\nconnection: upgrade , x\r\n" KEY VERSION,
        START "Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: a\r\nConnection: upgrade\r\n" KEY VERSION,
        START UPGRADE "sec-websocket-key: AAAAAAAAAAAAAAAAAAAA+/==\r\n" VERSION,
    };
    struct ws_accept accept;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(check(good[i], &config, &accept), KITH_OK);
}

static void test_ws_handshake__refuses_what_rfc_6455_4_2_1_asks_for_and_is_not_there(void **state)
{
    static const char *const bad[] = {
        "POST /connect HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION,
        "GET /connect HTTP/1.0\r\nHost: a\r\n" UPGRADE KEY VERSION,
        START UPGRADE KEY VERSION "Content-Length: 5\r\n",
        START UPGRADE KEY VERSION "Transfer-Encoding: chunked\r\n",
        START KEY VERSION,
        START "Upgrade: websocket\r\n" KEY VERSION,
        START "Connection: Upgrade\r\n" KEY VERSION,
        START "Upgrade: websockets\r\nConnection: Upgrade\r\n" KEY VERSION,
        START "Upgrade: websocket\r\nConnection: Upgrades\r\n" KEY VERSION,
        START UPGRADE VERSION,
        START UPGRADE KEY KEY VERSION,
        START UPGRADE KEY VERSION VERSION,
        START UPGRADE "Sec-WebSocket-Key: \r\n" VERSION,
        START UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" VERSION,
        START UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n" VERSION,
        START UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n" VERSION,
        START UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-_==\r\n" VERSION,
        START UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===\r\n" VERSION,
        GOOD "Sec-WebSocket-Protocol: a b\r\n",
        GOOD "Sec-WebSocket-Protocol: a, a\r\n",
        GOOD "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n",
        GOOD "Sec-WebSocket-Extensions: =\r\n",
        GOOD "Sec-WebSocket-Extensions: a b\r\n",
        GOOD "Sec-WebSocket-Extensions: permessage-deflate;\r\n",
        GOOD "Sec-WebSocket-Extensions: permessage-deflate; x=\r\n",
        GOOD "Sec-WebSocket-Extensions: permessage-deflate; x=\"1\r\n",
        GOOD "Sec-WebSocket-Extensions: permessage-deflate; x=\"1 2\"\r\n",
        GOOD "Sec-WebSocket-Extensions: permessage-deflate; x=\"\"\r\n",
        GOOD "Sec-WebSocket-Extensions: permessage-deflate; x=\"\\\r\n",
    };
    struct ws_accept accept;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (check(bad[i], &config, &accept) != KITH_E_MALFORMED) fail_msg("taken: %s", bad[i]);
    }
}

static void test_ws_handshake__answers_another_version_with_426_and_13(void **state)
{
    static const char *const others[] = {START UPGRADE KEY, START UPGRADE KEY "Sec-WebSocket-Version: 8\r\n",
                                         START UPGRADE KEY "Sec-WebSocket-Version: 14\r\n",
                                         START UPGRADE KEY "Sec-WebSocket-Version: 013\r\n",
                                         START UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n"};
    struct ws_accept accept;
    struct kith_buf out;

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(check(others[i], &config, &accept), KITH_E_UNSUPPORTED);
    }
    kith_buf_init(&out, 4096);
    assert_int_equal(ws_refuse_version_write(&out), KITH_OK);
    assert_true(kith_slice_is(kith_buf_peek(&out), "HTTP/1.1 426 Upgrade Required\r\n"
                                                   "Upgrade: websocket\r\n"
                                                   "Connection: Upgrade, close\r\n"
                                                   "Sec-WebSocket-Version: 13\r\n"
                                                   "Content-Length: 0\r\n\r\n"));
    kith_buf_deinit(&out);
}

static void test_ws_handshake__chooses_our_first_subprotocol_that_is_offered(void **state)
{
    static const struct {
        const char *head, *chosen;
    } rows[] = {
        {GOOD, NULL},
        {GOOD "Sec-WebSocket-Protocol: v10.stomp, v11.stomp, v12.stomp\r\n", "v12.stomp"},
        {GOOD "Sec-WebSocket-Protocol: v10.stomp\r\nSec-WebSocket-Protocol: v11.stomp\r\n", "v11.stomp"},
        {GOOD "Sec-WebSocket-Protocol: mqtt, V12.STOMP\r\n", NULL},
        {GOOD "Sec-WebSocket-Protocol: , ,\r\n", NULL},
    };
    struct ws_accept accept;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(check(rows[i].head, &config, &accept), KITH_OK);
        if (rows[i].chosen == NULL) {
            assert_null(accept.subprotocol);
        } else {
            assert_string_equal(accept.subprotocol, rows[i].chosen);
        }
    }
}

static void test_ws_handshake__takes_16_subprotocols_and_not_17(void **state)
{
    char head[1500] = GOOD "Sec-WebSocket-Protocol: p0";
    struct ws_accept accept;

    (void)state;
    for (int i = 1; i < WS_SUBPROTOCOLS_MAX; i++) (void)snprintf(head + strlen(head), 20, ",p%d", i);
    size_t len = strlen(head);
    (void)snprintf(head + len, 20, "\r\n");
    assert_int_equal(check(head, &config, &accept), KITH_OK);
    (void)snprintf(head + len, 20, ",more\r\n");
    assert_int_equal(check(head, &config, &accept), KITH_E_MALFORMED);
}

/* What is answered to an offer; NULL: the connection is made without the extension. */
static void offer(const struct ws_server_config *with, const char *offers, const char *answer)
{
    char head[2000], wanted[300];
    struct ws_accept accept;
    struct kith_buf out;
    struct kith_slice text;

    (void)snprintf(head, sizeof head, GOOD "Sec-WebSocket-Extensions: %s\r\n", offers);
    assert_int_equal(check(head, with, &accept), KITH_OK);
    assert_int_equal(accept.deflate.on, answer != NULL);
    kith_buf_init(&out, 4096);
    assert_int_equal(ws_accept_write(&accept, &out), KITH_OK);
    text = kith_buf_peek(&out);
    (void)snprintf(wanted, sizeof wanted, "\r\nSec-WebSocket-Extensions: %s\r\n\r\n", answer == NULL ? "" : answer);
    if (answer == NULL) {
        assert_null(memmem(text.ptr, text.len, "Extensions", 10));
    } else if (memmem(text.ptr, text.len, wanted, strlen(wanted)) == NULL) {
        fail_msg("%s: got %.*s, wanted %s", offers, (int)text.len, (const char *)text.ptr, answer);
    }
    kith_buf_deinit(&out);
}

#define PMD         "permessage-deflate"
#define NO_TAKEOVER PMD "; server_no_context_takeover; client_no_context_takeover"

static void test_ws_handshake__negotiates_permessage_deflate_as_rfc_7692_7_1(void **state)
{
    static const char *const rows[][2] = {
        {PMD, NO_TAKEOVER},
        {PMD "; server_no_context_takeover; client_no_context_takeover", NO_TAKEOVER},
        {PMD ";client_max_window_bits", NO_TAKEOVER},
        {PMD "; client_max_window_bits=10", NO_TAKEOVER "; client_max_window_bits=10"},
        {PMD "; client_max_window_bits=\"10\"", NO_TAKEOVER "; client_max_window_bits=10"},
        {PMD "; server_max_window_bits=8", NO_TAKEOVER "; server_max_window_bits=8"},
        {PMD "; server_max_window_bits=15", NO_TAKEOVER "; server_max_window_bits=15"},
        {PMD "; server_max_window_bits=9 ; client_max_window_bits=15", NO_TAKEOVER "; server_max_window_bits=9"},
        /* passed over, with nothing else to take */
        {PMD "; server_max_window_bits", NULL},
        {PMD "; server_max_window_bits=7", NULL},
        {PMD "; server_max_window_bits=16", NULL},
        {PMD "; server_max_window_bits=09", NULL},
        {PMD "; server_max_window_bits=+9", NULL},
        {PMD "; server_max_window_bits=\"1\\0\"", NULL},
        {PMD "; client_max_window_bits=7", NULL},
        {PMD "; client_max_window_bits=16", NULL},
        {PMD "; client_max_window_bits; client_max_window_bits", NULL},
        {PMD "; server_max_window_bits=10; server_max_window_bits=10", NULL},
        {PMD "; server_no_context_takeover=1", NULL},
        {PMD "; client_no_context_takeover=true", NULL},
        {PMD "; server_no_context_takeover; server_no_context_takeover", NULL},
        {PMD "; unknown", NULL},
        {PMD "; Server_no_context_takeover", NULL},
        {"permessage-bzip2", NULL},
        {"x-webkit-deflate-frame", NULL},
        /* the first that can be taken */
        {PMD "; unknown, " PMD, NO_TAKEOVER},
        {"foo; a=b; c=\"d\", " PMD "; server_max_window_bits=10, " PMD, NO_TAKEOVER "; server_max_window_bits=10"},
        {PMD "; server_max_window_bits=99, , " PMD "; client_max_window_bits=9",
         NO_TAKEOVER "; client_max_window_bits=9"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) offer(&config, rows[i][0], rows[i][1]);
}

static void test_ws_handshake__asks_for_the_windows_the_config_says(void **state)
{
    struct ws_server_config with = config;

    (void)state;
    with.client_window_bits_max = 11;
    offer(&with, PMD, NO_TAKEOVER); /* a client that does not name it cannot be asked */
    offer(&with, PMD "; client_max_window_bits", NO_TAKEOVER "; client_max_window_bits=11");
    offer(&with, PMD "; client_max_window_bits=10", NO_TAKEOVER "; client_max_window_bits=10");
    offer(&with, PMD "; client_max_window_bits=12", NO_TAKEOVER "; client_max_window_bits=11");
    with.client_may_take_over = true;
    offer(&with, PMD, PMD "; server_no_context_takeover");
    offer(&with, PMD "; client_no_context_takeover", NO_TAKEOVER);
    with.deflate = false;
    offer(&with, PMD, NULL);
}

static void test_ws_handshake__says_what_each_side_reads_and_writes(void **state)
{
    struct ws_deflate_params agreed = {.on = true,
                                       .server_no_context_takeover = true,
                                       .client_no_context_takeover = false,
                                       .server_window_bits = 10,
                                       .client_window_bits = 12};
    struct ws_inflate_params server = ws_inflate_params_of(&agreed, WS_SERVER);
    struct ws_inflate_params client = ws_inflate_params_of(&agreed, WS_CLIENT);

    (void)state;
    assert_true(server.on && server.context_takeover);
    assert_int_equal(server.window_bits, 12);
    assert_true(client.on && !client.context_takeover);
    assert_int_equal(client.window_bits, 10);
    assert_int_equal(ws_deflate_bits_of(&agreed, WS_SERVER), 10);
    assert_int_equal(ws_deflate_bits_of(&agreed, WS_CLIENT), 12);
    agreed.on = false;
    assert_false(ws_inflate_params_of(&agreed, WS_SERVER).on);
    assert_int_equal(ws_deflate_bits_of(&agreed, WS_CLIENT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_handshake__computes_the_example_of_rfc_6455_1_3),
        cmocka_unit_test(test_ws_handshake__sha1_gives_the_values_of_fips_180),
        cmocka_unit_test(test_ws_handshake__accepts_a_good_request_and_answers_101),
        cmocka_unit_test(test_ws_handshake__compares_tokens_without_case_and_in_lists),
        cmocka_unit_test(test_ws_handshake__refuses_what_rfc_6455_4_2_1_asks_for_and_is_not_there),
        cmocka_unit_test(test_ws_handshake__answers_another_version_with_426_and_13),
        cmocka_unit_test(test_ws_handshake__chooses_our_first_subprotocol_that_is_offered),
        cmocka_unit_test(test_ws_handshake__takes_16_subprotocols_and_not_17),
        cmocka_unit_test(test_ws_handshake__negotiates_permessage_deflate_as_rfc_7692_7_1),
        cmocka_unit_test(test_ws_handshake__asks_for_the_windows_the_config_says),
        cmocka_unit_test(test_ws_handshake__says_what_each_side_reads_and_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
