#include <stdio.h>

#include "gateway_fixture.h"

static void test_gateway_session__a_second_connection_replaces_the_first(void **state)
{
    struct fx fx = {0};
    struct fx_peer *old, *other, *new;

    (void)state;
    fx_open(&fx, 1, 1);
    old = fx_connect(&fx, 0, 1, 1);
    other = fx_connect(&fx, 0, 1, 2);
    fx_errors(old);
    new = fx_connect(&fx, 0, 1, 1);
    fx_expect_error(old, "REPLACED", 1008); /* ERROR, not /errors: the connection is over */
    fx_run(&fx, 20);
    assert_true(old->closed);
    assert_false(other->closing);
    assert_false(new->closing);
    fx_close(&fx);
}

/* Whatever loops they are on, and however the claims cross: the newest stays, all others go. */
static void test_gateway_session__a_second_connection_replaces_the_first_on_any_loop(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct fx fx = {0};
        unsigned open = 0;
        fx_open(&fx, 3, seed);
        for (unsigned i = 0; i < 6; i++) {
            struct fx_peer *peer = fx_peer(&fx, i % 3, "u1d1");
            fx_send(peer, "CONNECT\naccept-version:1.2\n\n");
            if (i % 2 == seed % 2) fx_run(&fx, seed % 3);
        }
        fx_run(&fx, 50);
        for (unsigned i = 0; i < fx.peer_count; i++) open += !fx.peers[i]->closing;
        assert_int_equal(open, 1);
        fx_close(&fx);
    }
}

static void test_gateway_session__a_token_that_ends_is_expired(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    fx.token_ms = 60000;
    peer = fx_connect(&fx, 0, 1, 1);
    fx_errors(peer);
    fx_run(&fx, 59000);
    fx_expect_nothing(peer);
    fx_run(&fx, 1500);
    fx_expect_error(peer, "EXPIRED", 1008);
    fx_close(&fx);
}

static void test_gateway_session__a_new_passcode_keeps_the_connection(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    fx.token_ms = 60000;
    peer = fx_connect(&fx, 0, 1, 1);
    for (unsigned i = 0; i < 5; i++) {
        fx_run(&fx, 50000);
        fx_send(peer, "SEND\ndestination:/session\npasscode:u1d1\nreceipt:renewed\n\n");
        fx_run(&fx, 10);
        assert_string_equal(fx_header(fx_expect(peer, STOMP_RECEIPT), "receipt-id"), "renewed");
    }
    fx_run(&fx, 61000);
    fx_expect_error(peer, "EXPIRED", 1008);
    fx_close(&fx);
}

/* About authentication, so ERROR also with /errors. */
static void test_gateway_session__a_passcode_of_another_device_or_none_ends_it(void **state)
{
    static const char *const tokens[] = {"u1d2", "u2d1", "wrong"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct fx fx = {0};
        struct fx_peer *peer;
        fx_open(&fx, 1, 1);
        peer = fx_connect(&fx, 0, 1, 1);
        fx_errors(peer);
        fx_send(peer, "SEND\ndestination:/session\npasscode:%s\nreceipt:r\n\n", tokens[i]);
        fx_run(&fx, 10);
        fx_expect_error(peer, "UNAUTHORIZED", 1008);
        assert_string_equal(fx_header(&peer->frames[peer->frame_count - 1], "receipt-id"), "r");
        fx_close(&fx);
    }
}

static void test_gateway_session__a_check_that_fails_leaves_the_old_token_good(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    peer = fx_connect(&fx, 0, 1, 1);
    fx_errors(peer);
    fx.check_code = CODE_UNAVAILABLE;
    fx_send(peer, "SEND\ndestination:/session\npasscode:u1d1\nreceipt:r\n\n");
    fx_run(&fx, 10);
    fx_expect_refusal(peer, "UNAVAILABLE");
    fx_send(peer, "SEND\ndestination:/session\nreceipt:r\n\n");
    fx_expect_refusal(peer, "BAD_REQUEST");
    fx_close(&fx);
}

/* I-A2: a revoked device gets nothing any more from the very moment on, its other devices stay. */
static void test_gateway_session__i_a2_a_revoked_device_is_closed(void **state)
{
    struct fx fx = {0};
    struct fx_peer *gone, *stays;
    struct account_watcher *watcher;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    gone = fx_connect(&fx, 0, 1, 1);
    stays = fx_connect(&fx, 0, 1, 3);
    fx_inbox(gone, "ack:client\n");
    fx_inbox(stays, "ack:client\n");
    fx_expect_seq(gone, 1, 1);
    fx_expect_seq(stays, 1, 1);
    watcher = gateway_watcher(fx.gateways[0]);
    watcher->revoked(watcher, USER(1), DEVICE(1));
    fx_expect_error(gone, "UNAUTHORIZED", 1008);
    (void)fx_say(&fx, 1, 2, 2, "after");
    fx_expect_nothing(gone);
    fx_expect_seq(stays, 1, 2);
    watcher->revoked(watcher, USER(1), DEVICE(3));
    fx_expect_error(stays, "UNAUTHORIZED", 1008);
    fx_close(&fx);
}

/* I-A2: a revocation between the look-up of a token and its answer: the token is looked up again. */
static void test_gateway_session__i_a2_a_revocation_during_the_check_is_seen(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;
    struct account_watcher *watcher;

    (void)state;
    fx_open(&fx, 1, 1);
    fx.check_ms = 100;
    peer = fx_peer(&fx, 0, "u1d1");
    fx_send(peer, "CONNECT\naccept-version:1.2\n\n");
    fx_run(&fx, 50);
    watcher = gateway_watcher(fx.gateways[0]);
    watcher->revoked(watcher, USER(9), DEVICE(9));
    fx_run(&fx, 100);
    fx_expect_nothing(peer); /* the first answer is too old */
    fx.check_code = CODE_UNAUTHORIZED;
    fx_run(&fx, 100);
    fx_expect_error(peer, "UNAUTHORIZED", 1008);
    fx_close(&fx);
}

static void test_gateway_session__shutdown_tells_all_to_come_back_at_different_times(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peers[20];
    uint64_t first = 0;
    bool differ = false;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    for (unsigned i = 0; i < 20; i++) peers[i] = fx_connect(&fx, 0, 1 + i, 1 + i);
    fx_inbox(peers[0], "ack:client\n");
    fx_ack(peers[0], fx_expect_seq(peers[0], 1, 1));
    gateway_shutdown(fx.gateways[0]);
    for (unsigned i = 0; i < 20; i++) {
        fx_expect_error(peers[i], "UNAVAILABLE", 1012);
        uint64_t after = fx_number(&peers[i]->frames[peers[i]->frame_count - 1], "retry-after-ms");
        assert_true(after > 0);
        if (i == 0) first = after;
        differ |= after != first;
    }
    assert_true(differ);
    assert_null(gateway_session_new(fx.gateways[0], (struct kith_slice){0}));
    /* What was acknowledged is not lost with it. */
    fx_run(&fx, 50);
    assert_int_equal(fx_cursor(&fx, 1, 1), 1);
    fx_close(&fx);
}

/* The footprint that docs/wire/connect.md names. */
static void test_gateway_session__at_rest_it_is_small(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;
    struct gateway_stats stats;

    (void)state;
    fx_open(&fx, 1, 1);
    for (uint32_t i = 1; i <= 40; i++) fx_direct(&fx, i, 1, 100 + i, false);
    peer = fx_connect(&fx, 0, 1, 1);
    print_message("connected: %zu bytes\n", gateway_session_bytes(peer->conn.user));
    fx_errors(peer);
    fx_send(peer, "SUBSCRIBE\nid:ev\ndestination:/events\n\n");
    fx_inbox(peer, "ack:client\n");
    fx_run(&fx, 100);
    print_message("40 unacknowledged chats: %zu bytes\n", gateway_session_bytes(peer->conn.user));
    fx_send(peer, "ACK\nid:%s\n\n", fx_header(&peer->frames[peer->frame_count - 1], "message-id"));
    fx_run(&fx, 1000);
    gateway_stats(fx.gateways[0], &stats);
    assert_int_equal(stats.streams_resting, 40);
    print_message("all acknowledged a second ago: %zu bytes\n", gateway_session_bytes(peer->conn.user));
    fx_run(&fx, 180 * 1000);
    gateway_stats(fx.gateways[0], &stats);
    assert_int_equal(stats.streams, 0);
    print_message("at rest: %zu bytes\n", gateway_session_bytes(peer->conn.user));
    assert_true(gateway_session_bytes(peer->conn.user) <= 160 + 64);
    fx_close(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_session__a_second_connection_replaces_the_first),
        cmocka_unit_test(test_gateway_session__a_second_connection_replaces_the_first_on_any_loop),
        cmocka_unit_test(test_gateway_session__a_token_that_ends_is_expired),
        cmocka_unit_test(test_gateway_session__a_new_passcode_keeps_the_connection),
        cmocka_unit_test(test_gateway_session__a_passcode_of_another_device_or_none_ends_it),
        cmocka_unit_test(test_gateway_session__a_check_that_fails_leaves_the_old_token_good),
        cmocka_unit_test(test_gateway_session__i_a2_a_revoked_device_is_closed),
        cmocka_unit_test(test_gateway_session__i_a2_a_revocation_during_the_check_is_seen),
        cmocka_unit_test(test_gateway_session__shutdown_tells_all_to_come_back_at_different_times),
        cmocka_unit_test(test_gateway_session__at_rest_it_is_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
