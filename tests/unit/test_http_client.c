#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_client.h"
#include "net/http_kept.h"
#include "net/http_server.h"
#include "net/resolve.h"
#include "net_peer.h"

static struct http_server *server;
static struct net_shared *net;
static struct http_exchange *kept;
static bool flag;

static void on_closed(void *arg)
{
    (void)arg;
    flag = true;
}

static void handle(void *arg, struct http_exchange *exchange)
{
    static const struct http_header headers[] = {{"X-Answer", "yes"}, {NULL, NULL}};
    const struct http1_request *request = http_exchange_request(exchange);
    struct kith_slice value = {0};
    char text[300];
    (void)arg;

    if (kith_slice_is(request->path, "/later")) {
        kept = exchange;
        return;
    }
    (void)http1_header_get(request->headers, "x-ask", &value);
    (void)snprintf(text, sizeof text, "%s %.*s [%.*s] %.*s", http1_method_name(request->method),
                   (int)request->target.len, (const char *)request->target.ptr, (int)value.len, (const char *)value.ptr,
                   (int)request->body.len, (const char *)request->body.ptr);
    http_respond(exchange, kith_slice_is(request->path, "/teapot") ? 418 : 200, "text/plain", headers,
                 kith_slice_str(text));
}

static int setup(void **state)
{
    struct http_server_config config;

    if (peer_setup(state) != 0) return -1;
    config = (struct http_server_config){.loop = peer_loop,
                                         .listen = "127.0.0.1:0",
                                         .connections_max = 100,
                                         .request_timeout_ms = 10000,
                                         .idle_timeout_ms = 10000,
                                         .slow_reader_timeout_ms = 10000,
                                         .handle = handle};
    kept = NULL;
    if (http_server_open(&config, &server) != KITH_OK) return -1;
    return net_shared_open(peer_loop, 0, 10000, &net) == KITH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    flag = false;
    net_shared_close(net, on_closed, NULL);
    peer_turn_until(&flag);
    flag = false;
    http_server_close(server, on_closed, NULL);
    peer_turn_until(&flag);
    return peer_teardown(state);
}

struct answer {
    bool is_done;
    kith_err err;
    unsigned status;
    char reason[256], body[4096], header[64];
};

static void answered(void *arg, const struct http_call_result *result)
{
    struct answer *answer = arg;
    struct kith_slice value = {0};

    assert_false(answer->is_done);
    answer->is_done = true;
    answer->err = result->err;
    (void)snprintf(answer->reason, sizeof answer->reason, "%s", result->reason == NULL ? "" : result->reason);
    assert_int_equal(result->err == KITH_OK, result->response != NULL);
    if (result->response == NULL) return;
    answer->status = result->response->status;
    (void)snprintf(answer->body, sizeof answer->body, "%.*s", (int)result->response->body.len,
                   (const char *)result->response->body.ptr);
    (void)http1_header_get(result->response->headers, "x-answer", &value);
    (void)snprintf(answer->header, sizeof answer->header, "%.*s", (int)value.len, (const char *)value.ptr);
}

static char url[200];

static struct http_call_config config_of(const char *host, uint16_t port, const char *path, struct answer *answer)
{
    *answer = (struct answer){0};
    (void)snprintf(url, sizeof url, "http://%s:%u%s", host, port, path);
    return (struct http_call_config){.net = net,
                                     .method = HTTP1_GET,
                                     .url = url,
                                     .body_bytes_max = 2000,
                                     .timeout_ms = 10000,
                                     .done = answered,
                                     .arg = answer};
}

static void run(const struct http_call_config *config, struct answer *answer)
{
    struct http_call *call = NULL;

    assert_int_equal(http_call_start(config, &call), KITH_OK);
    assert_false(answer->is_done);
    peer_turn_until(&answer->is_done);
}

static void test_http_client__brings_the_answer_home(void **state)
{
    static const struct http_header headers[] = {{"X-Ask", "what?"}, {NULL, NULL}};
    struct answer answer;
    struct http_call_config config = config_of("127.0.0.1", http_server_port(server), "/a?b=c", &answer);
    (void)state;

    config.headers = headers;
    run(&config, &answer);
    assert_int_equal(answer.err, KITH_OK);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "GET /a?b=c [what?] ");
    assert_string_equal(answer.header, "yes");

    config = config_of("localhost", http_server_port(server), "/teapot", &answer);
    config.method = HTTP1_PUT;
    config.body = kith_slice_str("{}");
    config.content_type = "application/json";
    run(&config, &answer);
    assert_int_equal(answer.err, KITH_OK);
    assert_int_equal(answer.status, 418);
    assert_string_equal(answer.body, "PUT /teapot [] {}");

    config = config_of("127.0.0.1", http_server_port(server), "/a", &answer);
    config.method = HTTP1_HEAD;
    run(&config, &answer);
    assert_int_equal(answer.err, KITH_OK);
    assert_string_equal(answer.body, "");
}

static void test_http_client__says_why_not(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct answer answer;
    struct http_call_config config;
    struct http_call *call = NULL;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;

    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0); /* bound, but nobody listens */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    config = config_of("127.0.0.1", ntohs(address.sin_port), "/", &answer);
    run(&config, &answer);
    assert_int_equal(answer.err, KITH_E_IO);
    assert_string_equal(answer.reason, "Connection refused");
    (void)close(fd);

    config = config_of("no-such-host.invalid", 80, "/", &answer);
    run(&config, &answer);
    assert_true(answer.err != KITH_OK); /* which error depends on the name servers there are */
    assert_true(answer.reason[0] != '\0');

    config.url = "gopher://x/";
    assert_int_equal(http_call_start(&config, &call), KITH_E_MALFORMED);
    config = config_of("127.0.0.1", 80, "/", &answer);
    config.headers = (const struct http_header[]){{"X", "a\r\nY: b"}, {NULL, NULL}};
    assert_int_equal(http_call_start(&config, &call), KITH_E_MALFORMED);
    assert_null(call);
}

static void test_http_client__has_a_timeout_and_can_be_cancelled(void **state)
{
    struct answer answer, other;
    struct http_call_config config = config_of("127.0.0.1", http_server_port(server), "/later", &answer);
    struct http_call *call = NULL;
    (void)state;

    config.timeout_ms = 50;
    run(&config, &answer);
    assert_int_equal(answer.err, KITH_E_TIMEOUT);
    http_respond(kept, 200, NULL, NULL, (struct kith_slice){0});

    config = config_of("localhost", http_server_port(server), "/later", &other);
    assert_int_equal(http_call_start(&config, &call), KITH_OK);
    http_call_cancel(call); /* while the name is looked up */
    peer_turn_idle();
    config = config_of("127.0.0.1", http_server_port(server), "/later", &other);
    kept = NULL;
    assert_int_equal(http_call_start(&config, &call), KITH_OK);
    for (uint64_t until = peer_now_ms() + PEER_WAIT_MS; kept == NULL && peer_now_ms() < until;)
        loop_epoll_once(peer_loop, 2);
    http_call_cancel(call); /* while the server thinks */
    http_respond(kept, 200, NULL, NULL, (struct kith_slice){0});
    peer_turn_idle();
    assert_false(other.is_done);
}

/* A server of our own that says exactly `text` and closes. */
static kith_err call_a_server_that_says(const char *text, struct answer *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct http_call_config config;
    struct http_call *call = NULL;
    char request[500];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), client = -1;

    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    config = config_of("127.0.0.1", ntohs(address.sin_port), "/", answer);
    assert_int_equal(http_call_start(&config, &call), KITH_OK);
    while ((client = accept(fd, NULL, NULL)) < 0) loop_epoll_once(peer_loop, 2);
    while (recv(client, request, sizeof request, MSG_DONTWAIT) <= 0) loop_epoll_once(peer_loop, 2);
    assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    (void)close(client);
    (void)close(fd);
    peer_turn_until(&answer->is_done);
    return answer->err;
}

static void test_http_client__reads_what_other_servers_say(void **state)
{
    struct answer answer;
    char big[2200] = "HTTP/1.1 200 OK\r\n\r\n";
    (void)state;

    assert_int_equal(
        call_a_server_that_says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", &answer),
        KITH_OK);
    assert_string_equal(answer.body, "abc");
    assert_int_equal(call_a_server_that_says("HTTP/1.0 200 OK\r\n\r\nto the end", &answer), KITH_OK);
    assert_string_equal(answer.body, "to the end");
    assert_int_equal(call_a_server_that_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", &answer), KITH_E_IO);
    assert_int_equal(call_a_server_that_says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", &answer),
                     KITH_OK);
    assert_int_equal(answer.status, 204);
    assert_int_equal(call_a_server_that_says("SSH-2.0-x\r\n", &answer), KITH_E_MALFORMED);
    assert_int_equal(call_a_server_that_says("", &answer), KITH_E_IO);
    assert_int_equal(call_a_server_that_says(
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", &answer),
                     KITH_E_MALFORMED);
    memset(big + strlen(big), 'b', 2001);
    assert_int_equal(call_a_server_that_says(big, &answer), KITH_E_TOOBIG);
}

static void never(void *arg, const struct resolve_result *result)
{
    (void)arg, (void)result;
    fail();
}

static void test_http_client__a_cancelled_look_up_outlives_its_loop(void **state)
{
    struct loop *other = NULL;
    struct resolve *resolve = NULL;
    (void)state;

    assert_int_equal(loop_epoll_open(&other), KITH_OK);
    assert_int_equal(resolve_start(other, kith_slice_str("localhost"), never, NULL, &resolve), KITH_OK);
    resolve_cancel(resolve);
    loop_epoll_once(other, 0);
    loop_epoll_close(other);
}

/* ------------------------------------------------------------------------------------------------ a connection that is kept */

static uint64_t accepted(void)
{
    struct http_server_stats stats;

    http_server_stats(server, &stats);
    return stats.accepted;
}

static void ask(struct http_kept *of, const char *host, const char *path)
{
    struct answer answer;
    struct http_call_config config = config_of(host, http_server_port(server), path, &answer);

    config.kept = of;
    run(&config, &answer);
    assert_int_equal(answer.err, KITH_OK);
    assert_true(strstr(answer.body, path) != NULL);
}

static void test_http_client__one_connection_serves_one_call_after_the_other(void **state)
{
    struct answer answer, other;
    struct http_kept one;
    struct http_call *call = NULL;
    struct http_call_config config;
    (void)state;

    http_kept_init(&one, net);
    for (int i = 0; i < 5; i++) ask(&one, "127.0.0.1", i % 2 == 0 ? "/a" : "/teapot");
    assert_int_equal(accepted(), 1);
    ask(NULL, "127.0.0.1", "/a");
    assert_int_equal(accepted(), 2);
    ask(&one, "localhost", "/a"); /* somewhere else, as far as is known */
    assert_int_equal(accepted(), 3);
    ask(&one, "127.0.0.1", "/a");
    assert_int_equal(accepted(), 3);
    /* While one has it, another opens its own; of the two connections one is kept. */
    config = config_of("127.0.0.1", http_server_port(server), "/later", &answer);
    config.kept = &one;
    assert_int_equal(http_call_start(&config, &call), KITH_OK);
    while (kept == NULL) loop_epoll_once(peer_loop, 2);
    ask(&one, "127.0.0.1", "/a");
    assert_int_equal(accepted(), 4);
    http_respond(kept, 200, NULL, NULL, (struct kith_slice){0});
    peer_turn_until(&answer.is_done);
    ask(&one, "127.0.0.1", "/a");
    assert_int_equal(accepted(), 4);
    /* What was given up is not kept: its answer would be taken for the next one's. */
    config = config_of("127.0.0.1", http_server_port(server), "/later", &other);
    config.kept = &one;
    kept = NULL;
    assert_int_equal(http_call_start(&config, &call), KITH_OK);
    while (kept == NULL) loop_epoll_once(peer_loop, 2);
    http_call_cancel(call);
    http_respond(kept, 200, NULL, NULL, (struct kith_slice){0});
    ask(&one, "127.0.0.1", "/a");
    assert_int_equal(accepted(), 5);
    http_kept_deinit(&one);
    peer_turn_idle();
}

/* A listening socket of our own. */
static int listen_at(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static bool is_kept_after(struct http_kept *one, int fd, uint16_t port, const char *text, const char *behind, bool ends)
{
    struct answer answer;
    struct http_call_config config = config_of("127.0.0.1", port, "/", &answer);
    struct http_call *call = NULL;
    char request[500];
    int client = -1;
    bool was;

    config.kept = one;
    assert_int_equal(http_call_start(&config, &call), KITH_OK);
    while ((client = accept(fd, NULL, NULL)) < 0) loop_epoll_once(peer_loop, 2);
    while (recv(client, request, sizeof request, MSG_DONTWAIT) <= 0) loop_epoll_once(peer_loop, 2);
    assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    peer_turn_until(&answer.is_done);
    assert_int_equal(answer.err, KITH_OK);
    assert_string_equal(answer.body, "abc");
    if (*behind != '\0') assert_int_equal(send(client, behind, strlen(behind), MSG_NOSIGNAL), strlen(behind));
    if (ends) (void)shutdown(client, SHUT_WR);
    peer_turn_idle();
    was = transport_is_open(&one->io);
    http_kept_deinit(one);
    (void)close(client);
    return was;
}

/* Only one that the server will read from again, and that says nothing more. */
static void test_http_client__a_connection_that_has_ended_is_not_kept(void **state)
{
    struct http_kept one;
    uint16_t port;
    int fd = listen_at(&port);
    (void)state;

    http_kept_init(&one, net);
    assert_true(is_kept_after(&one, fd, port, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "", false));
    assert_false(is_kept_after(&one, fd, port, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "", true));
    assert_false(is_kept_after(&one, fd, port, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1", false));
    assert_false(is_kept_after(&one, fd, port, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1", "", false));
    assert_false(is_kept_after(&one, fd, port, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
                               "", false));
    assert_false(is_kept_after(&one, fd, port, "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "", false));
    (void)close(fd);
}

/* The server closed it, and nobody has looked: the next call is not sent into nothing. */
static void test_http_client__a_connection_that_was_closed_meanwhile_is_replaced(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    struct http_kept one;
    struct http_call *call = NULL;
    uint16_t port;
    int fd = listen_at(&port);
    (void)state;

    http_kept_init(&one, net);
    for (int i = 0; i < 3; i++) {
        struct answer answer;
        struct http_call_config config = config_of("127.0.0.1", port, "/", &answer);
        char request[500];
        int client = -1;
        config.kept = &one;
        assert_int_equal(http_call_start(&config, &call), KITH_OK);
        while ((client = accept(fd, NULL, NULL)) < 0) loop_epoll_once(peer_loop, 2);
        while (recv(client, request, sizeof request, MSG_DONTWAIT) <= 0) loop_epoll_once(peer_loop, 2);
        assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
        peer_turn_until(&answer.is_done);
        assert_int_equal(answer.err, KITH_OK);
        assert_true(transport_is_open(&one.io));
        (void)close(client);
    }
    http_kept_deinit(&one);
    (void)close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_http_client__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(brings_the_answer_home),
        TEST(says_why_not),
        TEST(has_a_timeout_and_can_be_cancelled),
        TEST(reads_what_other_servers_say),
        TEST(a_cancelled_look_up_outlives_its_loop),
        TEST(one_connection_serves_one_call_after_the_other),
        TEST(a_connection_that_has_ended_is_not_kept),
        TEST(a_connection_that_was_closed_meanwhile_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
