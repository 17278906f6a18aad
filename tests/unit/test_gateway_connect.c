#include <stdio.h>

#include "gateway_fixture.h"

#define CONNECT_TEXT(version, more) "CONNECT\naccept-version:" version "\npasscode:u1d1\n" more "\n"
#define CONNECT_AS(version, more)   (CONNECT_TEXT(version, more))

static struct fx_frame *connect_with(struct fx *fx, struct fx_peer **peer, const char *head)
{
    *peer = fx_peer(fx, 0, NULL);
    fx_send(*peer, "%s", head);
    fx_run(fx, 5);
    return fx_expect(*peer, STOMP_CONNECTED);
}

static void test_gateway_connect__connected_says_who_and_what_the_limits_are(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;
    struct fx_frame *frame;

    (void)state;
    fx_open(&fx, 1, 1);
    frame = connect_with(&fx, &peer, CONNECT_AS("1.2", "heart-beat:10000,10000\n"));
    assert_string_equal(fx_header(frame, "version"), "1.2");
    assert_string_equal(fx_header(frame, "heart-beat"), "10000,10000");
    assert_string_equal(fx_header(frame, "user-id"), fx_id(USER(1).id));
    assert_string_equal(fx_header(frame, "device-id"), fx_id(DEVICE(1).id));
    assert_string_equal(fx_header(frame, "server"), "kithd/test");
    assert_non_null(fx_header(frame, "server-time"));
    assert_int_equal(fx_number(frame, "max-frame-bytes"), KITH_FRAME_BYTES_MAX);
    assert_int_equal(fx_number(frame, "max-in-flight"), KITH_IN_FLIGHT_MAX);
    assert_int_equal(peer->keepalive_ms, 0); /* both sides beat: no pings */
    fx_close(&fx);
}

/* What @stomp/stompjs, stomp-py, Spring and others really send. */
static void test_gateway_connect__takes_what_stock_clients_send(void **state)
{
    static const char *const heads[] = {
        "CONNECT\naccept-version:1.0,1.1,1.2\nheart-beat:10000,10000\npasscode:u1d1\n\n",
        "STOMP\naccept-version:1.1,1.2\nhost:vhost\npasscode:u1d1\n\n",
        "CONNECT\r\naccept-version:1.2,1.1,1.0\r\nlogin:ann\r\npasscode:u1d1\r\nheart-beat:0,0\r\n\r\n",
        "CONNECT\npasscode:u1d1\nreceipt:none-for-connect\naccept-version: 1.1, 1.2\n\n",
        "\n\nCONNECT\naccept-version:1.2\npasscode:u1d1\npasscode:second-of-a-name-does-not-count\n\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct fx fx = {0};
        struct fx_peer *peer;
        fx_open(&fx, 1, 1);
        (void)connect_with(&fx, &peer, heads[i]);
        fx_expect_nothing(peer);
        fx_close(&fx);
    }
}

static void test_gateway_connect__any_split_of_the_bytes_gives_the_same(void **state)
{
    const char text[] = CONNECT_TEXT("1.2", "") "\0\n"
                                                "SUBSCRIBE\nid:e\ndestination:/errors\nreceipt:a\\cb\n\n\0"
                                                "SUBSCRIBE\nid:in\nack:client\ndestination:/inbox\nreceipt:two\n\n";

    (void)state;
    for (size_t piece = 1; piece <= sizeof text; piece += 7) {
        struct fx fx = {0};
        struct fx_peer *peer;
        fx_open(&fx, 1, 1);
        peer = fx_peer(&fx, 0, NULL);
        for (size_t at = 0; at < sizeof text; at += piece)
            fx_bytes(peer, text + at, sizeof text - at < piece ? sizeof text - at : piece);
        fx_run(&fx, 20);
        fx_expect(peer, STOMP_CONNECTED);
        assert_string_equal(fx_header(fx_expect(peer, STOMP_RECEIPT), "receipt-id"), "a:b");
        assert_string_equal(fx_header(fx_expect(peer, STOMP_RECEIPT), "receipt-id"), "two");
        fx_expect_nothing(peer);
        fx_close(&fx);
    }
}

/* Frames behind CONNECT wait for the token; the peer is paused meanwhile, and nothing is lost. */
static void test_gateway_connect__frames_behind_connect_are_kept(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    fx.check_ms = 300;
    peer = fx_peer(&fx, 0, NULL);
    fx_send(peer, "%s", CONNECT_AS("1.2", ""));
    fx_errors(peer);
    fx_send(peer, "SEND\ndestination:/nowhere\nreceipt:r\n\n");
    assert_true(peer->paused);
    fx_run(&fx, 200);
    fx_expect_nothing(peer);
    fx_run(&fx, 200);
    fx_expect(peer, STOMP_CONNECTED);
    assert_string_equal(fx_header(fx_expect_refusal(peer, "BAD_DESTINATION"), "receipt-id"), "r");
    assert_false(peer->paused);
    fx_close(&fx);
}

static void test_gateway_connect__the_token_may_come_with_the_upgrade(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    peer = fx_peer(&fx, 0, "u3d7");
    fx_send(peer, "CONNECT\naccept-version:1.2\n\n");
    fx_run(&fx, 5);
    assert_string_equal(fx_header(fx_expect(peer, STOMP_CONNECTED), "device-id"), fx_id(DEVICE(7).id));
    peer = fx_peer(&fx, 0, "u3d7"); /* what the frame says counts more */
    fx_send(peer, "CONNECT\naccept-version:1.2\npasscode:u4d8\n\n");
    fx_run(&fx, 5);
    assert_string_equal(fx_header(fx_expect(peer, STOMP_CONNECTED), "device-id"), fx_id(DEVICE(8).id));
    fx_close(&fx);
}

static void test_gateway_connect__a_bad_token_is_unauthorized(void **state)
{
    static const char *const heads[] = {
        "CONNECT\naccept-version:1.2\npasscode:wrong\n\n",
        "CONNECT\naccept-version:1.2\n\n",
        "CONNECT\naccept-version:1.2\npasscode:\n\n",
        "CONNECT\naccept-version:1.2\npasscode:u1d1u1d1u1d1u1d1u1d1u1d1u1d1u1d1u1d1u1d1u1d1u1d1u1d1u1d1u1d1u1d1\n\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct fx fx = {0};
        struct fx_peer *peer;
        fx_open(&fx, 1, 1);
        peer = fx_peer(&fx, 0, NULL);
        fx_send(peer, "%s", heads[i]);
        fx_send(peer, "SUBSCRIBE\nid:1\ndestination:/errors\n\n");
        fx_run(&fx, 5);
        fx_expect_error(peer, "UNAUTHORIZED", 1008);
        fx_close(&fx);
    }
}

static void test_gateway_connect__a_check_that_fails_is_retryable(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    fx.check_code = CODE_UNAVAILABLE;
    peer = fx_peer(&fx, 0, NULL);
    fx_send(peer, "%s", CONNECT_AS("1.2", ""));
    fx_run(&fx, 5);
    fx_expect_error(peer, "UNAVAILABLE", 1012);
    assert_string_equal(fx_header(&peer->frames[0], "retryable"), "true");
    assert_true(fx_number(&peer->frames[0], "retry-after-ms") > 0);
    fx_close(&fx);
}

static void test_gateway_connect__no_common_version(void **state)
{
    static const char *const heads[] = {"CONNECT\npasscode:u1d1\n\n", CONNECT_AS("1.0,1.1", ""), CONNECT_AS("1.20", ""),
                                        CONNECT_AS("", "")};

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct fx fx = {0};
        struct fx_peer *peer;
        fx_open(&fx, 1, 1);
        peer = fx_peer(&fx, 0, NULL);
        fx_send(peer, "%s", heads[i]);
        fx_run(&fx, 5);
        fx_expect_error(peer, "VERSION", 1002);
        assert_string_equal(fx_header(&peer->frames[0], "version"), "1.2");
        fx_close(&fx);
    }
}

static void test_gateway_connect__what_is_malformed_ends_the_connection(void **state)
{
    static const char *const frames[] = {
        "SUBSCRIBE\nid:1\ndestination:/errors\n\n", /* before CONNECT */
        "HELLO\n\n",
        "CONNECT\naccept-version:1.2\nheart-beat:ten,ten\npasscode:u1d1\n\n",
        "CONNECT\naccept-version:1.2\nheart-beat:10000\npasscode:u1d1\n\n",
        "CONNECTED\nversion:1.2\n\n", /* the server's */
        "CONNECT\nno colon here\n\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct fx fx = {0};
        struct fx_peer *peer;
        fx_open(&fx, 1, 1);
        peer = fx_peer(&fx, 0, NULL);
        fx_send(peer, "%s", frames[i]);
        fx_run(&fx, 5);
        fx_expect_error(peer, "MALFORMED", 1002);
        fx_close(&fx);
    }
}

static void test_gateway_connect__once_is_enough(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    peer = fx_connect(&fx, 0, 1, 1);
    fx_errors(peer);
    fx_send(peer, "%s", CONNECT_AS("1.2", ""));
    fx_expect_error(peer, "MALFORMED", 1002);
    fx_close(&fx);
}

static void test_gateway_connect__silence_before_connect_ends_in_time(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    peer = fx_peer(&fx, 0, NULL);
    assert_int_equal(peer->keepalive_ms, GATEWAY_PING_MS);
    fx_bytes(peer, "\n", 1);
    fx_run(&fx, GATEWAY_CONNECT_TIMEOUT_MS - 1000);
    fx_expect_nothing(peer);
    fx_run(&fx, 2000);
    fx_expect_error(peer, "UNAVAILABLE", 1012); /* a slow network says nothing of the token */
    fx_close(&fx);
}

static void test_gateway_connect__the_server_beats_as_agreed(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    (void)connect_with(&fx, &peer, CONNECT_AS("1.2", "heart-beat:0,4000\n")); /* wants 4 s, we can 10 */
    assert_int_equal(peer->keepalive_ms, GATEWAY_PING_MS); /* the client does not beat: it is pinged */
    fx_run(&fx, 9000);
    assert_int_equal(peer->beats, 0);
    for (unsigned i = 1; i <= 6; i++) {
        fx_run(&fx, i == 1 ? 1000 : 10000);
        assert_true(peer->beats >= i);
    }
    assert_true(peer->beats <= 7);
    assert_false(peer->closing); /* it never has to send anything */
    fx_close(&fx);
}

static void test_gateway_connect__a_client_that_stops_beating_is_closed(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    (void)connect_with(&fx, &peer, CONNECT_AS("1.2", "heart-beat:10000,0\n"));
    for (unsigned i = 0; i < 6; i++) {
        fx_run(&fx, 15000); /* one beat late is not dead */
        assert_false(peer->closing);
        fx_bytes(peer, "\n", 1);
    }
    fx_run(&fx, 19000);
    assert_false(peer->closing);
    fx_run(&fx, 2000);
    assert_true(peer->closing);
    assert_int_equal(peer->beats, 0);
    fx_close(&fx);
}

static void test_gateway_connect__a_connection_may_go_while_its_token_is_checked(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;
    struct gateway_stats stats;

    (void)state;
    fx_open(&fx, 1, 1);
    fx.check_ms = 50;
    peer = fx_peer(&fx, 0, "u1d1");
    fx_send(peer, "CONNECT\naccept-version:1.2\n\n");
    fx_run(&fx, 10);
    fx_drop(peer);
    fx_run(&fx, 100);
    gateway_stats(fx.gateways[0], &stats);
    assert_int_equal(stats.connections, 0);
    assert_int_equal(stats.sessions_total, 0);
    fx_close(&fx);
}

static void test_gateway_connect__sessions_max_and_one_more(void **state)
{
    struct fx fx = {.limits = {.sessions_max = 3}};
    struct fx_peer *last;

    (void)state;
    fx_open(&fx, 1, 1);
    for (unsigned i = 1; i <= 3; i++) (void)fx_connect(&fx, 0, i, i);
    assert_null(gateway_session_new(fx.gateways[0], (struct kith_slice){0}));
    last = fx.peers[2];
    fx_drop(last);
    (void)fx_connect(&fx, 0, 4, 4);
    fx_close(&fx);
}

/* An upgrade that fails leaves nothing. */
static void test_gateway_connect__an_abandoned_session_is_gone(void **state)
{
    struct fx fx = {0};
    struct gateway_stats stats;

    (void)state;
    fx_open(&fx, 1, 1);
    gateway_session_abandon(gateway_session_new(fx.gateways[0], kith_slice_str("u1d1")));
    gateway_stats(fx.gateways[0], &stats);
    assert_int_equal(stats.connections, 0);
    fx_close(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_connect__connected_says_who_and_what_the_limits_are),
        cmocka_unit_test(test_gateway_connect__takes_what_stock_clients_send),
        cmocka_unit_test(test_gateway_connect__any_split_of_the_bytes_gives_the_same),
        cmocka_unit_test(test_gateway_connect__frames_behind_connect_are_kept),
        cmocka_unit_test(test_gateway_connect__the_token_may_come_with_the_upgrade),
        cmocka_unit_test(test_gateway_connect__a_bad_token_is_unauthorized),
        cmocka_unit_test(test_gateway_connect__a_check_that_fails_is_retryable),
        cmocka_unit_test(test_gateway_connect__no_common_version),
        cmocka_unit_test(test_gateway_connect__what_is_malformed_ends_the_connection),
        cmocka_unit_test(test_gateway_connect__once_is_enough),
        cmocka_unit_test(test_gateway_connect__silence_before_connect_ends_in_time),
        cmocka_unit_test(test_gateway_connect__the_server_beats_as_agreed),
        cmocka_unit_test(test_gateway_connect__a_client_that_stops_beating_is_closed),
        cmocka_unit_test(test_gateway_connect__a_connection_may_go_while_its_token_is_checked),
        cmocka_unit_test(test_gateway_connect__sessions_max_and_one_more),
        cmocka_unit_test(test_gateway_connect__an_abandoned_session_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
