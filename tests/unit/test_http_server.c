#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web_fixture.h"

static void test_http_server__answers_and_keeps_the_connection(void **state)
{
    struct peer peer = web_connect();
    (void)state;

    peer_send_str(&peer, "GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peer, "/one with 0 bytes <>");
    assert_true(peer_has(&peer, "HTTP/1.1 200 OK\r\n"));
    assert_true(peer_has(&peer, "Content-Type: text/plain\r\n"));
    assert_true(peer_has(&peer, "Content-Length: 20\r\n"));
    assert_true(peer_has(&peer, "Server: kith\r\n"));
    assert_true(peer_has(&peer, " GMT\r\n"));
    assert_false(peer_has(&peer, "Connection:"));
    peer_send_str(&peer, "POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    peer_wait_str(&peer, "/two with 5 bytes <hello>");
    assert_true(web_stats().requests == 2 && web_stats().accepted == 1 && web_stats().open == 1);
    assert_true(web_stats().responses_by_class[2] == 2);
    peer_close(&peer);
}

static void test_http_server__takes_requests_byte_by_byte(void **state)
{
    static const char request[] =
        "POST /slow?x=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    struct peer peer = web_connect();
    (void)state;

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i + 1 < sizeof request; i++) {
            peer_send(&peer, kith_slice_of(request + i, 1));
            loop_epoll_once(peer_loop, 0);
            loop_epoll_once(peer_loop, 0);
        }
        peer_wait_str(&peer, "/slow with 5 bytes <abcde>");
        kith_buf_reset(&peer.in);
    }
    peer_close(&peer);
}

static void test_http_server__answers_pipelined_requests_in_order_and_in_one_write(void **state)
{
    struct peer peer = web_connect();
    const char *at, *text;
    (void)state;

    peer_send_str(&peer, "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
                         "GET /c HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peer, "/c with 0");
    assert_int_equal(peer_segments(&peer), 1);
    text = (const char *)kith_buf_peek(&peer.in).ptr;
    at = memmem(text, kith_buf_len(&peer.in), "/a with 0", 9);
    assert_non_null(at);
    assert_non_null(memmem(at, kith_buf_len(&peer.in) - (size_t)(at - text), "/b with 2 bytes <hi>", 20));
    peer_close(&peer);
}

static void test_http_server__a_late_answer_holds_back_the_ones_behind_it(void **state)
{
    struct peer peer = web_connect();
    (void)state;

    peer_send_str(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /later "
                         "HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_turn_idle();
    peer_send_str(&peer, "GET /d HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_turn_idle();
    peer_receive(&peer);
    assert_int_equal(kith_buf_len(&peer.in), 0);
    assert_int_equal(web.kept_count, 1);
    web_answer(web.kept[0], "first");
    peer_wait_str(&peer, "/b with 0");
    assert_int_equal(web.kept_count, 2);
    assert_false(peer_has(&peer, "/d with"));
    web_answer(web.kept[1], "third");
    peer_wait_str(&peer, "/d with 0");
    assert_true(peer_has(&peer, "third"));
    peer_close(&peer);
}

static void test_http_server__refuses_what_could_smuggle(void **state)
{
    static const char *const forms[] = {
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    };
    (void)state;

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct peer peer = web_connect();
        peer_send_str(&peer, forms[i]);
        peer_send_str(&peer, "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n");
        peer_wait_end(&peer);
        assert_false(peer.reset);
        assert_true(peer_has(&peer, "HTTP/1.1 400 Bad Request\r\n"));
        assert_true(peer_has(&peer, "Connection: close\r\n"));
        assert_true(peer_has(&peer, "application/problem+json"));
        assert_true(peer_has(&peer, "\"code\":\"MALFORMED\",\"retryable\":false}"));
        assert_false(peer_has(&peer, "hidden"));
        peer_close(&peer);
    }
}

static void test_http_server__refuses_too_big_a_body_before_it_comes(void **state)
{
    struct peer peer;
    (void)state;

    web.config.body_bytes_max = 10;
    peer = web_connect();
    peer_send_str(&peer, "POST /at HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789");
    peer_wait_str(&peer, "/at with 10 bytes");
    peer_send_str(&peer, "POST /over HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    peer_wait_str(&peer, "HTTP/1.1 413 ");
    assert_true(peer_has(&peer, "\"code\":\"TOO_BIG\""));
    assert_false(peer_has(&peer, "100 Continue"));
    /* The rest of a large upload must not turn the answer into a reset. */
    for (int i = 0; i < 20; i++) peer_send_str(&peer, "some more of the body that nobody wants");
    peer_wait_end(&peer);
    assert_false(peer.reset);
    peer_close(&peer);
}

static void test_http_server__says_continue_when_asked(void **state)
{
    struct peer peer = web_connect();
    (void)state;

    peer_send_str(&peer, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    peer_wait_str(&peer, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_send_str(&peer, "ok");
    peer_wait_str(&peer, "/e with 2 bytes <ok>");
    peer_close(&peer);
}

static void test_http_server__head_and_204_have_no_body(void **state)
{
    struct peer peer = web_connect();
    (void)state;

    peer_send_str(
        &peer,
        "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\nGET /end HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peer, "/end with");
    assert_true(peer_has(&peer, "Content-Length: 18\r\n\r\nHTTP/1.1 204 No Content\r\n"));
    assert_false(peer_has(&peer, "/h with"));
    assert_int_equal(peer_count(&peer, "Content-Length"), 2);
    peer_close(&peer);
}

static void test_http_server__closes_when_the_client_wants_it(void **state)
{
    struct peer peer = web_connect();
    (void)state;

    peer_send_str(&peer, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "Connection: close\r\n") && peer_has(&peer, "/a with"));
    peer_close(&peer);

    peer = web_connect();
    peer_send_str(&peer, "GET /b HTTP/1.0\r\n\r\n");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "Connection: close\r\n") && peer_has(&peer, "/b with"));
    peer_close(&peer);

    peer = web_connect();
    peer_send_str(&peer, "GET /c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    peer_wait_str(&peer, "Connection: keep-alive\r\n");
    peer_send_str(&peer, "GET /d HTTP/1.0\r\n\r\n");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "/d with"));
    peer_close(&peer);
}

static void test_http_server__a_half_closed_client_gets_its_answer(void **state)
{
    struct peer peer = web_connect();
    (void)state;

    peer_send_str(&peer, "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
    peer_wait_str(&peer, "/a with");
    peer_turn_idle();
    web_answer(web.kept[0], "late");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "late"));
    peer_close(&peer);
}

static void test_http_server__no_header_can_be_injected(void **state)
{
    struct peer peer = web_connect();
    (void)state;

    peer_send_str(&peer, "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "HTTP/1.1 500 "));
    assert_false(peer_has(&peer, "Set-Cookie"));
    peer_close(&peer);
}

static void test_http_server__believes_trusted_proxies_only(void **state)
{
    static const char *const trusted[] = {"127.0.0.0/8", NULL};
    static const char request[] =
        "GET /peer HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n";
    struct peer peer = web_connect();
    (void)state;

    peer_send_str(&peer, request);
    peer_wait_str(&peer, "peer 127.0.0.1 plain");
    peer_close(&peer);
    http_server_close(web.server, web_closed, NULL);
    peer_turn_until(&web.server_closed);
    web.server = NULL;
    web.config.trusted_proxies = trusted;
    peer = web_connect();
    peer_send_str(&peer, request);
    peer_wait_str(&peer, "peer 192.0.2.7 tls");
    peer_close(&peer);
}

static void test_http_server__loops_share_a_port_and_strangers_do_not(void **state)
{
    struct http_server *second = NULL;
    char same[32];
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;

    assert_int_equal(http_server_open(&web.config, &web.server), KITH_OK);
    (void)snprintf(same, sizeof same, "127.0.0.1:%u", http_server_port(web.server));
    web.config.listen = same;
    assert_int_equal(http_server_open(&web.config, &second), KITH_OK);
    assert_int_equal(http_server_port(second), http_server_port(web.server));
    http_server_close(second, web_closed, NULL);
    peer_turn_until(&web.server_closed);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(same, sizeof same, "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(http_server_open(&web.config, &second), KITH_E_CONFLICT);
    (void)close(fd);
    web.config.listen = "localhost:80";
    assert_int_equal(http_server_open(&web.config, &second), KITH_E_MALFORMED);
    assert_null(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_http_server__##name, web_setup, web_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_and_keeps_the_connection),
        TEST(takes_requests_byte_by_byte),
        TEST(answers_pipelined_requests_in_order_and_in_one_write),
        TEST(a_late_answer_holds_back_the_ones_behind_it),
        TEST(refuses_what_could_smuggle),
        TEST(refuses_too_big_a_body_before_it_comes),
        TEST(says_continue_when_asked),
        TEST(head_and_204_have_no_body),
        TEST(closes_when_the_client_wants_it),
        TEST(a_half_closed_client_gets_its_answer),
        TEST(no_header_can_be_injected),
        TEST(believes_trusted_proxies_only),
        TEST(loops_share_a_port_and_strangers_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
