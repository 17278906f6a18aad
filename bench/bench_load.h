#ifndef KITH_BENCH_BENCH_LOAD_H
#define KITH_BENCH_BENCH_LOAD_H

#include "base/id.h"
#include "bench/bench_rest.h"
#include "net/ws_client.h"
#include "wire/stomp.h"

/*
 * The clients of a benchmark: STOMP over WebSocket, each signed in and subscribed to /inbox (ack:client) and /errors. As a
 * real client does, each acknowledges once for all that one read brought.
 */
#define BENCH_CLIENT_BYTES_MAX (1024 * 1024)
#define BENCH_SAMPLES_MAX      (1u << 21)

struct bench_load;

struct bench_client {
    struct conn_user user; /* first: the connection gives it back */
    struct bench_load *load;
    struct conn *conn;
    struct ws_client *opening;
    const char *token;
    const char *chat; /* what it sends to; NULL: it only receives */
    struct kith_buf in;
    struct stomp_reader reader;
    struct msg_id last; /* sent: the next one comes after it */
    bool has_last;
    uint32_t unanswered;
};

struct bench_samples {
    uint32_t *us;
    size_t count;
};

struct bench_load {
    const struct bench_server *server;
    struct loop *loop;
    struct net_shared *net;
    struct bench_client *clients;
    size_t clients_count, next, opening, ready;
    uint32_t bytes;
    bool senders_subscribe; /* else the senders do not see their own messages */
    bool sending;
    bool failed; /* said on stderr */
    uint64_t acknowledged, delivered, echoed, sent;
    struct bench_samples ack, delivery;
    struct kith_buf out;
    uint8_t *body;
    uint64_t coins;
};

bool bench_load_open(struct bench_load *load, const struct bench_server *server, size_t clients, uint32_t bytes);
void bench_load_close(struct bench_load *load);
/** Opens all connections and waits until each is subscribed. */
bool bench_load_connect(struct bench_load *load);
/** Each client that has a chat puts `in_flight` messages on the wire; from then on each answer brings the next. */
void bench_load_begin(struct bench_load *load, uint32_t in_flight);
/** No more; waits until all that was sent is answered and delivered. */
bool bench_load_end(struct bench_load *load);
/** Serves the loop until then. False: a client failed. */
bool bench_load_run(struct bench_load *load, uint64_t until_us);

/** In milliseconds; sorts. 0 without samples. */
double bench_percentile_ms(struct bench_samples *samples, double percent);

#endif
