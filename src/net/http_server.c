#include "net/http_server.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "net/http_server_state.h"
#include "net/net_linger.h"

#define REFUSAL_BYTES_MAX 2048

const char *http_server_date(struct http_server *server)
{
    uint64_t now_s = loop_wall_ms(server->net->loop) / 1000;

    if (now_s != server->date_s) {
        time_t seconds = (time_t)now_s;
        struct tm utc = {0};
        (void)gmtime_r(&seconds, &utc);
        /* The C locale's names: setlocale() must leave LC_TIME alone (RFC 9110, 5.6.7). */
        (void)strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
        server->date_s = now_s;
    }
    return server->date;
}

/* One try to say why. A TLS client would have to be shaken hands with first, which is the costly part: it gets nothing. */
static void refuse(struct http_server *server, int fd, bool out_of_fds)
{
    struct kith_buf *refusal = &server->refusal;
    struct kith_slice text;

    net_count(&server->stats.refused, 1);
    kith_buf_reset(refusal);
    if (server->config.tls == NULL &&
        http_problem_write(refusal, http_server_date(server), 503, "Too many connections; try again.") != KITH_OK)
        kith_buf_reset(refusal);
    text = kith_buf_peek(refusal);
    if (text.len == 0 || send(fd, text.ptr, text.len, MSG_NOSIGNAL) != (ssize_t)text.len) {
        (void)close(fd);
        return;
    }
    net_count(&server->stats.responses_by_class[5], 1);
    if (out_of_fds || server->net->lingering_count >= NET_LINGERING_MAX) {
        /* The request is often here already: read, it cannot turn our close() into a reset. */
        (void)shutdown(fd, SHUT_WR);
        (void)recv(fd, net_read_bytes(server->net), NET_READ_BYTES, 0);
        (void)close(fd);
        return;
    }
    net_linger_fd(server->net, fd);
}

static void accepted(struct listener *listener, int fd, const struct sockaddr_storage *peer, bool out_of_fds)
{
    struct http_server *server = (struct http_server *)((char *)listener - offsetof(struct http_server, listener));
    const struct net_shared *net = server->net;
    bool is_full = net->stats.open - net->lingering_count >= server->config.connections_max || net_is_full(net);

    if (out_of_fds || is_full || server->closing)
        refuse(server, fd, out_of_fds);
    else
        http_conn_accept(server, fd, peer);
}

static void server_free(struct http_server *server)
{
    kith_buf_deinit(&server->refusal);
    proxy_list_deinit(&server->proxies);
    free(server);
}

static void net_closed(void *arg)
{
    struct http_server *server = arg;
    void (*closed)(void *arg) = server->closed;
    void *closed_arg = server->closed_arg;

    server_free(server);
    if (closed != NULL) closed(closed_arg);
}

static void close_all(struct loop_task *task)
{
    struct http_server *server = (struct http_server *)((char *)task - offsetof(struct http_server, task));
    struct net_link all, *link;

    /* Those that wait for their answer stay in the list. */
    net_link_init(&all);
    while ((link = net_link_first(&server->conns)) != NULL) {
        net_link_remove(link);
        net_link_append(&all, link);
    }
    while ((link = net_link_first(&all)) != NULL) {
        net_link_remove(link);
        net_link_append(&server->conns, link);
        http_conn_abort((struct http_conn *)((char *)link - offsetof(struct http_conn, link)));
    }
    net_shared_close(server->net, net_closed, server);
}

static kith_err prepare(struct http_server *server, const struct http_server_config *config)
{
    kith_err err = proxy_list_init(&server->proxies, config->trusted_proxies);

    if (err == KITH_OK)
        err = net_shared_open(config->loop, config->connection_bytes_max, config->slow_reader_timeout_ms, &server->net);
    if (err == KITH_OK) err = listener_open(&server->listener, config->loop, config->listen);
    return err;
}

kith_err http_server_open(const struct http_server_config *config, struct http_server **out)
{
    struct http_server *server = calloc(1, sizeof *server);
    kith_err err;

    *out = NULL;
    assert(config->handle != NULL && config->connections_max > 0);
    assert(config->request_timeout_ms > 0 && config->idle_timeout_ms > 0 && config->slow_reader_timeout_ms > 0);
    if (server == NULL) return KITH_E_NOMEM;
    server->config = *config;
    server->config.listen = NULL;
    server->config.trusted_proxies = NULL;
    if (server->config.body_bytes_max == 0) server->config.body_bytes_max = HTTP_BODY_BYTES_MAX;
    server->task.run = close_all;
    server->listener.accepted = accepted;
    net_link_init(&server->conns);
    kith_buf_init(&server->refusal, REFUSAL_BYTES_MAX);
    err = prepare(server, config);
    if (err == KITH_OK) {
        *out = server;
        return KITH_OK;
    }
    net_shared_free(server->net);
    server_free(server);
    return err;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->listener.port;
}

void http_server_pause(struct http_server *server)
{
    server->paused = true;
    listener_close(&server->listener);
}

void http_server_close(struct http_server *server, void (*closed)(void *arg), void *arg)
{
    assert(!server->closing);
    server->closing = true;
    server->closed = closed;
    server->closed_arg = arg;
    listener_close(&server->listener);
    loop_defer(server->net->loop, &server->task); /* not now: we may be inside one of them */
}

void http_server_stats(const struct http_server *server, struct http_server_stats *out)
{
    const struct http_server_stats *stats = &server->stats;
    struct net_stats net;

    net_stats_read(&server->net->stats, &net);
    out->accepted = __atomic_load_n(&stats->accepted, __ATOMIC_RELAXED);
    out->refused = __atomic_load_n(&stats->refused, __ATOMIC_RELAXED);
    out->requests = __atomic_load_n(&stats->requests, __ATOMIC_RELAXED);
    for (int i = 0; i < 6; i++)
        out->responses_by_class[i] = __atomic_load_n(&stats->responses_by_class[i], __ATOMIC_RELAXED);
    out->open = net.open;
    out->websockets = net.websockets;
    out->bytes_in = net.bytes_in;
    out->bytes_out = net.bytes_out;
    out->bytes_used = net.bytes_used;
    out->closed_slow = net.closed_slow;
}
