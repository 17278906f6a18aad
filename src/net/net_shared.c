#include "net/net_shared.h"

#include <stdlib.h>

#include "net/conn_ws.h"
#include "net/net_linger.h"

#define SCRATCH_BYTES (16 * 1024)
#define DEFLATE_LEVEL 1 /* messages are small: higher levels cost much and find little */

void net_shared_free(struct net_shared *net)
{
    if (net == NULL) return;
    ws_scratch_deinit(&net->scratch);
    ws_deflater_free(net->deflater);
    free(net->read_bytes);
    free(net->scratch_bytes);
    free(net);
}

static void emptied(struct loop_task *task)
{
    struct net_shared *net = (struct net_shared *)((char *)task - offsetof(struct net_shared, task));
    void (*closed)(void *arg) = net->emptied;
    void *arg = net->arg;

    keepalive_deinit(&net->keepalive);
    net_shared_free(net);
    if (closed != NULL) closed(arg);
}

kith_err net_shared_open(struct loop *loop, uint64_t bytes_max, uint32_t slow_reader_timeout_ms,
                         struct net_shared **out)
{
    struct net_shared *net = calloc(1, sizeof *net);

    *out = NULL;
    if (net == NULL) return KITH_E_NOMEM;
    net->loop = loop;
    net->bytes_max = bytes_max;
    net->slow_reader_timeout_ms = slow_reader_timeout_ms;
    net->close_timeout_ms = NET_CLOSE_MS;
    net->task.run = emptied;
    net->read_bytes = malloc(NET_HEADROOM + NET_READ_BYTES);
    net->scratch_bytes = malloc(SCRATCH_BYTES);
    if (net->read_bytes == NULL || net->scratch_bytes == NULL) {
        free(net->read_bytes);
        free(net->scratch_bytes);
        free(net);
        return KITH_E_NOMEM;
    }
    ws_scratch_init(&net->scratch, net->scratch_bytes, SCRATCH_BYTES);
    keepalive_init(&net->keepalive, loop);
    net_link_init(&net->lingering);
    *out = net;
    return KITH_OK;
}

void net_shared_close(struct net_shared *net, void (*closed)(void *arg), void *arg)
{
    assert(!net->closing);
    net->emptied = closed;
    net->arg = arg;
    net->closing = true;
    net_linger_stop_all(net);
    keepalive_drain(&net->keepalive, conn_ws_abort);
    if (net->stats.open == 0)
        loop_defer(net->loop, &net->task);
    else
        net->emptying = true;
}

struct ws_deflater *net_deflater(struct net_shared *net)
{
    if (net->deflater == NULL && ws_deflater_new(DEFLATE_LEVEL, &net->deflater) != KITH_OK) return NULL;
    return net->deflater;
}

void net_opened(struct net_shared *net, size_t bytes)
{
    net_count(&net->stats.open, 1);
    net_charge(net, 0, bytes);
}

void net_gone(struct net_shared *net, size_t bytes)
{
    assert(net->stats.open > 0);
    net_count(&net->stats.open, UINT64_MAX); /* minus one */
    net_charge(net, bytes, 0);
    if (net->emptying && net->stats.open == 0) {
        net->emptying = false;
        loop_defer(net->loop, &net->task);
    }
}

void net_stats_read(const struct net_stats *stats, struct net_stats *out)
{
    out->bytes_in = __atomic_load_n(&stats->bytes_in, __ATOMIC_RELAXED);
    out->bytes_out = __atomic_load_n(&stats->bytes_out, __ATOMIC_RELAXED);
    out->open = __atomic_load_n(&stats->open, __ATOMIC_RELAXED);
    out->websockets = __atomic_load_n(&stats->websockets, __ATOMIC_RELAXED);
    out->bytes_used = __atomic_load_n(&stats->bytes_used, __ATOMIC_RELAXED);
    out->closed_slow = __atomic_load_n(&stats->closed_slow, __ATOMIC_RELAXED);
}
