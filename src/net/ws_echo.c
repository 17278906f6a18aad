#include "net/ws_echo.h"

#include <stdlib.h>

#include "net/conn_ws.h"

struct ws_echo {
    struct conn_ws_user user; /* first: conn_ws_want_borders() */
    struct conn *conn;
    struct kith_buf message;
};

static void data(struct conn_ws_user *user, struct kith_slice bytes, bool is_text, bool is_final)
{
    struct ws_echo *echo = (struct ws_echo *)user;

    if (kith_buf_append(&echo->message, bytes) != KITH_OK) {
        conn_close(echo->conn, WS_CLOSE_INTERNAL, "no memory");
        return;
    }
    if (!is_final) return;
    conn_send(echo->conn, kith_buf_peek(&echo->message), is_text);
    kith_buf_deinit(&echo->message);
    if (conn_queued(echo->conn) > CONN_QUEUE_HIGH) conn_pause(echo->conn, true);
}

static void drained(struct conn_user *user)
{
    conn_pause(((struct ws_echo *)user)->conn, false);
}

static void closed(struct conn_user *user, enum conn_closed why)
{
    struct ws_echo *echo = (struct ws_echo *)user;

    (void)why;
    kith_buf_deinit(&echo->message);
    free(echo);
}

void ws_echo_upgrade(struct http_exchange *exchange)
{
    static const struct ws_options options = {.message_bytes_max = WS_ECHO_MESSAGE_BYTES_MAX,
                                              .permessage_deflate = true};
    struct ws_echo *echo = calloc(1, sizeof *echo);

    if (echo == NULL) {
        http_respond(exchange, 503, NULL, NULL, (struct kith_slice){0});
        return;
    }
    echo->user = (struct conn_ws_user){.base = {.drained = drained, .closed = closed}, .data = data};
    kith_buf_init(&echo->message, WS_ECHO_MESSAGE_BYTES_MAX);
    if (http_upgrade(exchange, &options, &echo->user.base, &echo->conn) != KITH_OK) {
        free(echo);
        return;
    }
    conn_ws_want_borders(echo->conn);
}
