#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "duo_fixture.h"

#include <cmocka.h>

#include "net/ws_echo.h"

struct duo duo;

static void bytes(struct conn_user *user, uint8_t *at, size_t len)
{
    struct duo_session *self = (struct duo_session *)user;

    assert_false(self->is_closed);
    assert_true(len > 0);
    at[0] ^= 0; /* lent and writable */
    self->calls++;
    assert_int_equal(kith_buf_append(&self->got, kith_slice_of(at, len)), KITH_OK);
    if (self->pause_next) conn_pause(self->conn, true);
    if (self->close_next) conn_close(self->conn, 4001, "enough");
    self->pause_next = self->close_next = false;
}

static void drained(struct conn_user *user)
{
    ((struct duo_session *)user)->drained++;
}

static void closed(struct conn_user *user, enum conn_closed why)
{
    struct duo_session *self = (struct duo_session *)user;

    assert_false(self->is_closed);
    self->is_closed = true;
    self->why = why;
    conn_send(self->conn, kith_slice_str("to nobody"), true);
    conn_close(self->conn, 1000, "twice");
}

static void handle(void *arg, struct http_exchange *exchange)
{
    static const char *const subprotocols[] = {"v12.stomp", NULL}, *const origins[] = {"https://app.test", NULL};
    struct ws_options options = {.message_bytes_max = DUO_MESSAGE_BYTES_MAX,
                                 .permessage_deflate = true,
                                 .subprotocols = subprotocols,
                                 .origins_allowed = origins};
    (void)arg;
    if (kith_slice_is(http_exchange_request(exchange)->path, "/echo"))
        ws_echo_upgrade(exchange);
    else
        duo.upgraded = http_upgrade(exchange, &options, &duo.session.user, &duo.session.conn);
}

void duo_server_closed(void *arg)
{
    (void)arg;
    duo.server_closed = true;
}

int duo_setup(void **state)
{
    if (peer_setup(state) != 0) return -1;
    duo.session = (struct duo_session){.user = {.bytes = bytes, .drained = drained, .closed = closed}};
    kith_buf_init(&duo.session.got, PEER_BYTES_MAX);
    duo.config = (struct http_server_config){.loop = peer_loop,
                                             .listen = "127.0.0.1:0",
                                             .connections_max = 100,
                                             .request_timeout_ms = 10000,
                                             .idle_timeout_ms = 10000,
                                             .slow_reader_timeout_ms = 10000,
                                             .handle = handle};
    duo.server = NULL;
    duo.server_closed = false;
    duo.upgraded = KITH_E_AGAIN;
    return 0;
}

int duo_teardown(void **state)
{
    if (duo.server != NULL) {
        http_server_close(duo.server, duo_server_closed, NULL);
        peer_turn_until(&duo.server_closed);
    }
    kith_buf_deinit(&duo.session.got);
    return peer_teardown(state);
}

struct peer duo_dial(void)
{
    if (duo.server == NULL) assert_int_equal(http_server_open(&duo.config, &duo.server), KITH_OK);
    return peer_connect(http_server_port(duo.server));
}

struct peer duo_dial_ws(void)
{
    struct peer peer = duo_dial();
    peer_upgrade(&peer, "/ws", "");
    assert_int_equal(duo.upgraded, KITH_OK);
    return peer;
}

void duo_wait_got(size_t len)
{
    for (uint64_t until = peer_now_ms() + PEER_WAIT_MS; kith_buf_len(&duo.session.got) < len;) {
        assert_true(peer_now_ms() < until);
        loop_epoll_once(peer_loop, 2);
    }
}

void duo_assert_got(const char *text)
{
    duo_wait_got(strlen(text));
    assert_int_equal(kith_buf_len(&duo.session.got), strlen(text));
    assert_memory_equal(kith_buf_peek(&duo.session.got).ptr, text, strlen(text));
}

void duo_assert_closed(enum conn_closed why)
{
    peer_turn_until(&duo.session.is_closed);
    assert_int_equal(duo.session.why, why);
}

uint64_t duo_bytes_used(void)
{
    struct http_server_stats stats;
    http_server_stats(duo.server, &stats);
    return stats.bytes_used;
}
