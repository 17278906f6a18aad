#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "net_peer.h"

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire/ws_writer.h"

struct loop *peer_loop;

int peer_setup(void **state)
{
    (void)state;
    return loop_epoll_open(&peer_loop) == KITH_OK ? 0 : -1;
}

int peer_teardown(void **state)
{
    (void)state;
    loop_epoll_close(peer_loop);
    peer_loop = NULL;
    return 0;
}

uint64_t peer_now_ms(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void turn(uint64_t until_ms)
{
    assert_true(peer_now_ms() < until_ms); /* what the test waits for did not happen */
    loop_epoll_once(peer_loop, 2);
}

void peer_turn_until(const bool *flag)
{
    for (uint64_t until_ms = peer_now_ms() + PEER_WAIT_MS; !*flag;) turn(until_ms);
}

void peer_turn_idle(void)
{
    for (int i = 0; i < 5; i++) loop_epoll_once(peer_loop, 1);
}

struct peer peer_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct peer peer = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int small = 64 * 1024; /* or the kernel would take megabytes for a peer that does not read */

    kith_buf_init(&peer.in, PEER_BYTES_MAX);
    assert_true(peer.fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(connect(peer.fd, (struct sockaddr *)&address, sizeof address), 0);
    return peer;
}

void peer_close(struct peer *peer)
{
    if (peer->fd >= 0) (void)close(peer->fd);
    peer->fd = -1;
    kith_buf_deinit(&peer->in);
}

void peer_send(struct peer *peer, struct kith_slice bytes)
{
    uint64_t until_ms = peer_now_ms() + PEER_WAIT_MS;

    while (bytes.len > 0) {
        ssize_t n = send(peer->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            peer_receive(peer);
            turn(until_ms);
            continue;
        }
        bytes = kith_slice_of(bytes.ptr + n, bytes.len - (size_t)n);
    }
}

void peer_send_str(struct peer *peer, const char *text)
{
    peer_send(peer, kith_slice_str(text));
}

void peer_receive(struct peer *peer)
{
    while (!peer->ended) {
        uint8_t *out = NULL;
        ssize_t n;

        assert_int_equal(kith_buf_reserve(&peer->in, 65536, &out), KITH_OK);
        n = recv(peer->fd, out, 65536, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) peer->reset = true;
        if (n <= 0)
            peer->ended = true;
        else
            kith_buf_commit(&peer->in, (size_t)n);
    }
}

void peer_wait_len(struct peer *peer, size_t len)
{
    uint64_t until_ms = peer_now_ms() + PEER_WAIT_MS;

    for (peer_receive(peer); kith_buf_len(&peer->in) < len; peer_receive(peer)) {
        assert_false(peer->ended);
        turn(until_ms);
    }
}

bool peer_has(const struct peer *peer, const char *text)
{
    return peer_count(peer, text) > 0;
}

size_t peer_count(const struct peer *peer, const char *text)
{
    struct kith_slice in = kith_buf_peek(&peer->in);
    size_t count = 0;
    const uint8_t *at;

    while (in.len > 0 && (at = memmem(in.ptr, in.len, text, strlen(text))) != NULL) {
        size_t skip = (size_t)(at - in.ptr) + strlen(text);
        in = kith_slice_of(in.ptr + skip, in.len - skip);
        count++;
    }
    return count;
}

void peer_wait_str(struct peer *peer, const char *text)
{
    uint64_t until_ms = peer_now_ms() + PEER_WAIT_MS;

    for (peer_receive(peer); !peer_has(peer, text); peer_receive(peer)) {
        if (peer->ended)
            print_error("ended after: %.*s\n", (int)kith_buf_len(&peer->in),
                        (const char *)kith_buf_peek(&peer->in).ptr);
        assert_false(peer->ended);
        turn(until_ms);
    }
}

void peer_wait_end(struct peer *peer)
{
    uint64_t until_ms = peer_now_ms() + PEER_WAIT_MS;

    for (peer_receive(peer); !peer->ended; peer_receive(peer)) turn(until_ms);
}

unsigned peer_segments(const struct peer *peer)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    assert_int_equal(getsockopt(peer->fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_data_segs_in;
}

void peer_upgrade(struct peer *peer, const char *path, const char *more_headers)
{
    char request[1024];

    (void)snprintf(request, sizeof request,
                   "GET %s HTTP/1.1\r\nHost: kith.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                   path, more_headers);
    peer_send_str(peer, request);
    peer_wait_str(peer, "\r\n\r\n");
    assert_true(peer_has(peer, "HTTP/1.1 101 "));
    assert_true(peer_has(peer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    kith_buf_consume(
        &peer->in, (size_t)((const char *)memmem(kith_buf_peek(&peer->in).ptr, kith_buf_len(&peer->in), "\r\n\r\n", 4) -
                            (const char *)kith_buf_peek(&peer->in).ptr) +
                       4);
}

void peer_frame(struct peer *peer, enum ws_opcode opcode, bool fin, const char *text)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    struct kith_buf frame;

    kith_buf_init(&frame, PEER_BYTES_MAX);
    assert_int_equal(ws_write_frame(&frame, opcode, fin, kith_slice_str(text), mask), KITH_OK);
    peer_send(peer, kith_buf_peek(&frame));
    kith_buf_deinit(&frame);
}

enum ws_opcode peer_next_frame(struct peer *peer, char *out, size_t out_bytes)
{
    struct ws_head head;
    size_t used = 0, len;

    for (size_t want = 1; ws_head_decode(WS_CLIENT, kith_buf_peek(&peer->in), &head, &used) != KITH_OK; want++)
        peer_wait_len(peer, want);
    peer_wait_len(peer, used + (size_t)head.payload_len);
    len = head.payload_len < out_bytes - 1 ? (size_t)head.payload_len : out_bytes - 1;
    memcpy(out, kith_buf_peek(&peer->in).ptr + used, len);
    out[len] = '\0';
    kith_buf_consume(&peer->in, used + (size_t)head.payload_len);
    return head.opcode;
}

unsigned peer_next_close(struct peer *peer)
{
    char payload[256] = {0};

    while (peer_next_frame(peer, payload, sizeof payload) != WS_CLOSE) continue;
    return (unsigned)(uint8_t)payload[0] << 8 | (uint8_t)payload[1];
}
