#ifndef KITH_GATEWAY_GATEWAY_H
#define KITH_GATEWAY_GATEWAY_H

#include "account/account.h"
#include "base/log_line.h"
#include "net/conn.h"
#include "ports/msgstore.h"
#include "shard/asker.h"

/**
 * STOMP 1.2 sessions over any connection: one gateway a loop, one session a connection. What goes over the wire, frame
 * by frame: docs/wire/. A session belongs to the loop of its connection; the gateways of one process know each other
 * through their group, by which a device's newest connection ends its older one on whatever loop that is.
 *
 * A session at rest (authenticated, subscribed, all delivered and acknowledged) keeps no buffer, no timer of its own
 * and no state per chat: what a chat needs comes back from the store with its next event.
 *
 * Thread: every call on the gateway's loop, but those on the group.
 */
#define GATEWAY_SUBSCRIPTIONS_MAX         16 /* of one connection                                        */
#define GATEWAY_SUBSCRIPTION_ID_BYTES_MAX 128
#define GATEWAY_RECEIPT_BYTES_MAX         256           /* value of a `receipt` header                              */
#define GATEWAY_PREFETCH_MAX              10000         /* largest prefetch-count                                  */
#define GATEWAY_STREAMS_MAX               1024          /* chats with a state of their own, of one session          */
#define GATEWAY_CONNECT_BYTES_MAX         (16 * 1024)   /* a frame before CONNECT was answered             */
#define GATEWAY_HELLO_BYTES_SPARE         (256 * 1024)  /* kept behind CONNECT until it is answered        */
#define GATEWAY_INPUT_BYTES_SPARE         (1024 * 1024) /* kept beyond one frame while a session waits     */
#define GATEWAY_READERS_MAX               128           /* store reads of one gateway at a time                     */
#define GATEWAY_LEFTOVERS_MAX             16384         /* ended connections remembered for `redelivered`, a loop  */
#define GATEWAY_TYPING_MAX                4096          /* people shown as typing, a loop                           */
#define GATEWAY_LOOPS_MAX                 255
#define GATEWAY_HEART_BEAT_MS             10000 /* offered both ways                                       */
#define GATEWAY_PING_MS                   20000 /* WebSocket pings where a side has no heart-beat          */
#define GATEWAY_CONNECT_TIMEOUT_MS        15000 /* from the connection's start to a good CONNECT           */
#define GATEWAY_CURSOR_MS                 100   /* acknowledgements of this long become one command a chat */
#define GATEWAY_HEADS_MS                  60000 /* heads are read again this often, with jitter            */
#define GATEWAY_TYPING_MS                 8000  /* typing ends by itself                                   */

/** What the gateways of one process share. */
struct gateway_group;

/**
 * life_position: the log's position_durable as it was opened, before log_start() (0: an empty log). A message up to there
 * may have been sent to anybody in an earlier life, and is marked `redelivered` when it is unacknowledged.
 */
struct gateway_group *gateway_group_new(uint64_t life_position);
/** After all its gateways. */
void gateway_group_free(struct gateway_group *group);

struct gateway_limits {        /* 0: the default */
    uint32_t frame_bytes_max;  /* KITH_FRAME_BYTES_MAX  */
    uint32_t in_flight_max;    /* KITH_IN_FLIGHT_MAX    */
    uint32_t prefetch_default; /* KITH_PREFETCH_DEFAULT */
    uint32_t sessions_max;     /* 1,000,000             */
};

struct gateway_config {
    struct loop *loop;
    struct gateway_group *group;
    struct asker *asker; /* the gateway takes its news: asker_on_news() */
    struct msgstore *store;
    struct accounts *accounts;
    void (*check)(struct accounts *accounts, struct account_check *op); /* account_check() */
    void (*stale)(struct accounts *accounts, struct account_stale *op); /* account_stale(); NULL: is not said */
    struct gateway_limits limits;
    const char *server;              /* `server` header of CONNECTED, "kithd/0.1.0"; lives as long */
    const struct log_line_sink *log; /* may be NULL */
};

struct gateway;

/** NULL: no memory. At most GATEWAY_LOOPS_MAX of a group; all of them before the first session. */
struct gateway *gateway_new(const struct gateway_config *config);
/** Before its asker, when gateway_pending() is 0. */
void gateway_free(struct gateway *gateway);
/** Connections that are not gone yet, and calls of store and accounts that are under way. */
size_t gateway_pending(const struct gateway *gateway);
/** The process died (simulator): as gateway_free(), without touching loop, asker, connections or store. */
void gateway_crash(struct gateway *gateway);

/**
 * A session for a connection about to be. bearer: the token of `Authorization: Bearer` at the upgrade, or empty; copied.
 * NULL: no memory, sessions_max reached, or shutting down: answer 503. Either attach or abandon it.
 */
struct conn_user *gateway_session_new(struct gateway *gateway, struct kith_slice bearer);
/** From here on the connection's callbacks drive it; it is freed by conn_user.closed. */
void gateway_session_attach(struct conn_user *user, struct conn *conn);
/** The upgrade came to nothing. */
void gateway_session_abandon(struct conn_user *user);

/** Ends a device's connections of this loop: ERROR with `code`, close. Nothing is sent after. */
void gateway_drop_device(struct gateway *gateway, struct user_id user, struct device_id device, enum kith_code code);
/** For accounts_watch(), one of each gateway: revoked devices lose their connections (I-A2); receipts are switched. */
struct account_watcher *gateway_watcher(struct gateway *gateway);
/** A person's read receipts were switched: the watcher says so. Also found out by itself within GATEWAY_HEADS_MS. */
void gateway_receipts_changed(struct gateway *gateway, struct user_id user, bool receipts_on);

/** Tells every client to come back later, each at another time (ERROR UNAVAILABLE with retry-after-ms), closes 1012. */
void gateway_shutdown(struct gateway *gateway);

/** Upper bounds in microseconds of the buckets of ack_us; the last is open. */
#define GATEWAY_ACK_BUCKETS 14
extern const uint64_t gateway_ack_us_bounds[GATEWAY_ACK_BUCKETS - 1];

struct gateway_stats {
    uint64_t connections;    /* now, with those before CONNECT                      */
    uint64_t sessions;       /* now, connected                                      */
    uint64_t sessions_total; /* connected ever                                      */
    uint64_t frames_in[16];  /* by enum stomp_command                               */
    uint64_t frames_out[16];
    uint64_t messages_in;  /* SEND to a chat                                      */
    uint64_t deliveries;   /* MESSAGE of /inbox, gaps included                    */
    uint64_t redeliveries; /* of them with redelivered:true                       */
    uint64_t live;         /* of them straight from an event, without a read      */
    uint64_t gaps;         /* of them type:gap                                    */
    uint64_t acks, nacks;  /* deliveries, not frames                              */
    uint64_t cursors;      /* CMD_CURSOR, CMD_MAIL_ACK                            */
    uint64_t events_out;   /* MESSAGE of /events                                  */
    uint64_t store_reads, heads_read;
    uint64_t errors_by_code[CODE_COUNT];                      /* refusals and ERROR frames                 */
    uint64_t ack_us_buckets[GATEWAY_ACK_BUCKETS], ack_us_sum; /* SEND to its answer   */
    uint64_t streams, streams_resting, readers, readers_waiting, leftovers; /* now    */
};
void gateway_stats(const struct gateway *gateway, struct gateway_stats *out);

/** Bytes of a session at rest, without the connection's and the allocator's: for docs and tests. */
size_t gateway_session_bytes(const struct conn_user *user);

#endif
