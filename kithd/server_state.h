#ifndef KITHD_SERVER_STATE_H
#define KITHD_SERVER_STATE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "account/account.h"
#include "adapters/log/log_file.h"
#include "api/api.h"
#include "base/log_line.h"
#include "gateway/gateway.h"
#include "kithd/server.h"
#include "net/http_server.h"
#include "shard/asker.h"

#define SERVER_LOOPS_MAX 64

struct server;

/* The counters of one loop, copied once a second, so that /metrics may be asked for on any loop. */
struct serving_stats {
    struct gateway_stats gateway;
    struct api_stats api;
    struct shard_stats shard;
    struct http_server_stats http;
};
#define SERVING_STATS_MS 1000

/* What one thread serves. All but `stats` belongs to its loop. */
struct serving {
    struct server *server;
    unsigned index;
    struct loop *loop;
    pthread_t thread;
    bool thread_started;
    struct asker *asker;
    struct shard_owner *owner;
    struct gateway *gateway;
    struct api *api;
    struct http_server *http, *admin;
    struct loop_timer opening; /* until the log was replayed on every loop */
    struct loop_timer advance;
    struct loop_task stop_task;
    struct loop_timer stopping; /* the steps of the end, one after the other: serving.c */
    uint64_t stop_deadline_ms;
    struct loop_timer copying;
    pthread_mutex_t stats_lock;
    struct serving_stats stats;
    uint32_t opening_polls;
    uint64_t opening_applied;
    bool caught_up, accounts_asked, accounts_at_rest;
    uint32_t close_left;
};

struct server {
    const struct config *config;
    struct log_line_sink log_sink;
    unsigned loop_count;
    struct serving servings[SERVER_LOOPS_MAX];
    struct shard_listener *listeners[SERVER_LOOPS_MAX];
    struct loop *log_loop;
    pthread_t log_thread;
    bool log_thread_started;
    struct disk *disk;
    struct log *log;
    struct msgstore *store;
    struct directory *directory;
    struct accounts *accounts;
    struct gateway_group *group;
    struct tls_context *tls;
    char public_url[CONFIG_TEXT_BYTES_MAX + 32]; /* as configured, or scheme, host and port */
    int lock_fd;
    atomic_uint caught_up; /* loops that have replayed their part */
    atomic_uint port;      /* 0 until the first loop has bound it */
    sem_t quiet;           /* posted by each loop that has nothing under way any more */
    atomic_bool accounts_ready;
    atomic_bool draining;
    atomic_bool failed;
};

/* server_open.c: what must exist before a thread runs. An error was told on stderr. */
KITH_MUST_USE kith_err server_open(struct server *server);
void server_close(struct server *server);
/* serving.c */
KITH_MUST_USE kith_err serving_asker_open(struct server *server, unsigned index); /* all of them before any owner */
KITH_MUST_USE kith_err serving_owner_open(struct server *server, unsigned index); /* after all askers              */
KITH_MUST_USE kith_err serving_open(struct server *server, unsigned index);       /* after the accounts            */
void serving_start(struct serving *serving); /* arms what waits for the replay; before the thread runs */
/* Any thread: closes the connections, and posts server->quiet when nothing they began is under way any more. */
void serving_stop(struct serving *serving);
/* Any thread, after the log is closed: posts server->quiet when this loop's rows are stored and their news sent. */
void serving_end(struct serving *serving);
/* Any thread, after every loop's serving_end(): what the loops posted to each other is served, then this one ends. */
void serving_leave(struct serving *serving);
void serving_close(struct serving *serving); /* after the thread ended */
/* route.c */
void route_request(void *arg, struct http_exchange *exchange);
void route_admin(void *arg, struct http_exchange *exchange);
/* metrics.c */
void serving_stats_copy(struct serving *serving);
KITH_MUST_USE kith_err server_metrics(void *arg, struct kith_buf *out);
/* health.c */
size_t server_checks(void *arg, struct api_check out[static API_CHECKS_MAX]);
/* first_run.c: prints the address and, when nobody has an account yet, an invite for the first admin. */
void server_announce(struct server *server, uint16_t port);

#endif
