#ifndef KITH_NET_NET_SHARED_H
#define KITH_NET_NET_SHARED_H

#include "base/buf.h"
#include "loop/loop.h"
#include "wire/ws_reader.h"
#include "wire/ws_writer.h"

/**
 * What the connections of one loop share, so that none of them owns it: the memory they read into, the compressor, the
 * account of all their memory, the keep-alive wheel. An http_server has one of its own; clients (ws_client.h,
 * http_client.h) are given one.
 */
#define NET_READ_BYTES       (64 * 1024) /* most that one connection reads in one wake-up: fairness           */
#define NET_HEADROOM         256         /* before it: room for what was left of the last time                */
#define NET_LINGERING_MAX    256         /* refused connections that may wait for their peer to read the 503  */
#define NET_CLOSE_MS         5000        /* for the queue to drain and the peer's close frame to come     */
#define NET_LINGER_MS        2000        /* how long a closed connection still listens                        */
#define NET_LINGER_BYTES_MAX (256 * 1024)
#define NET_TLS_BYTES        14000 /* a TLS state in OpenSSL 3.0, its buffers released: measured       */

struct net_link {
    struct net_link *prev, *next;
};

/*
 * Keep-alive: a ring of slots. A link in it costs a connection 16 bytes, where a timer would cost 40.
 */
#define KEEPALIVE_TICK_MS 128
#define KEEPALIVE_SLOTS   512 /* 65 s: longer intervals are shortened to it */

struct keepalive {
    struct net_link slots[KEEPALIVE_SLOTS];
    struct net_link off; /* those that wait for nothing         */
    uint64_t tick;       /* the next slot to serve, as a time   */
    struct loop_timer timer;
    struct loop *loop;
};

/* Written on the loop, read by any thread: relaxed atomics. */
struct net_stats {
    uint64_t bytes_in, bytes_out;
    uint64_t open;       /* connections, lingering ones too */
    uint64_t websockets; /* open now                        */
    uint64_t bytes_used;
    uint64_t closed_slow;
};

struct net_shared {
    struct loop *loop;
    uint32_t slow_reader_timeout_ms;
    uint32_t close_timeout_ms; /* NET_CLOSE_MS; a test may be less patient */
    uint64_t bytes_max;
    uint8_t *read_bytes; /* NET_HEADROOM + NET_READ_BYTES */
    uint8_t *scratch_bytes;
    struct ws_scratch scratch;
    struct ws_deflater *deflater; /* NULL until the first use */
    struct keepalive keepalive;
    struct net_link lingering;
    size_t lingering_count;
    struct net_stats stats;
    bool closing, emptying;
    void (*emptied)(void *arg); /* when `closing`, and nothing is open any more */
    void *arg;
    struct loop_task task;
};

/** bytes_max 0: not bounded. KITH_E_NOMEM. */
KITH_MUST_USE kith_err net_shared_open(struct loop *loop, uint64_t bytes_max, uint32_t slow_reader_timeout_ms,
                                       struct net_shared **out);
/**
 * Closes all WebSockets (with 1001 where the kernel takes it at once) and lingering sockets; `closed` runs on the loop
 * when nothing is open, and everything is freed by then. Other owners of sockets close theirs themselves.
 */
void net_shared_close(struct net_shared *net, void (*closed)(void *arg), void *arg);

/** One that never had a connection; NULL is fine. */
void net_shared_free(struct net_shared *net);

/** NULL: no memory. */
struct ws_deflater *net_deflater(struct net_shared *net);

/** The room behind NET_HEADROOM. Lent until something else is read. */
static inline uint8_t *net_read_bytes(const struct net_shared *net)
{
    return net->read_bytes + NET_HEADROOM;
}

static inline void net_count(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/** Takes `from` bytes off the account and puts `to` on it. */
static inline void net_charge(struct net_shared *net, size_t from, size_t to)
{
    net_count(&net->stats.bytes_used, (uint64_t)to - (uint64_t)from);
}

static inline bool net_is_full(const struct net_shared *net)
{
    return net->bytes_max != 0 && net->stats.bytes_used > net->bytes_max;
}

/** Every owner of a socket counts itself from its making to its freeing, `bytes` being its own size. */
void net_opened(struct net_shared *net, size_t bytes);
void net_gone(struct net_shared *net, size_t bytes);

void net_stats_read(const struct net_stats *stats, struct net_stats *out);

static inline void net_link_init(struct net_link *head)
{
    head->prev = head->next = head;
}

static inline void net_link_append(struct net_link *head, struct net_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void net_link_remove(struct net_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

/** NULL when empty. */
static inline struct net_link *net_link_first(const struct net_link *head)
{
    return head->next == head ? NULL : head->next;
}

/*
 * keepalive.c. A link is on the wheel from _add to _remove. keepalive_wait() makes conn_ws_keepalive_due() be called about
 * `delay_ms` later, once.
 */
void keepalive_init(struct keepalive *wheel, struct loop *loop);
void keepalive_deinit(struct keepalive *wheel);
void keepalive_add(struct keepalive *wheel, struct net_link *link);
void keepalive_wait(struct keepalive *wheel, struct net_link *link, uint32_t delay_ms);
void keepalive_stop(struct keepalive *wheel, struct net_link *link);
void keepalive_remove(struct net_link *link);
/** Calls `each` for every link; it must remove it. */
void keepalive_drain(struct keepalive *wheel, void (*each)(struct net_link *link));

#endif
