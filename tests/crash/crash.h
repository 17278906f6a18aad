#ifndef TESTS_CRASH_CRASH_H
#define TESTS_CRASH_CRASH_H

#include "base/map.h"
#include "base/ordered.h"
#include "base/prng.h"
#include "libkith/kith.h"
#include "loop/loop_epoll.h"
#include "net/ws_client.h"
#include "wire/stomp.h"

/*
 * kith-crash-client: many libkith clients in one process against a real server that is killed under them, each writing
 * down what it did and saw (docs/history-format.md). tools/crash.py starts it, kills the server, and reads the counters.
 */
#define CRASH_DEVICES_MAX 256
#define CRASH_CHATS_MAX   256
#define CRASH_PENDING_MAX 64 /* sends on the wire; libkith has 16 */

struct crash {
    const char *run, *url, *folder;
    struct loop *loop;
    struct net_shared *net;
    struct kith_prng prng;
    struct crash_device *devices[CRASH_DEVICES_MAX];
    unsigned devices_count;
    struct chat_id chats[CRASH_CHATS_MAX];
    unsigned chats_count;
    bool sending, crashing, is_done;
    uint64_t pause_ms; /* between two bursts of a device, at most */
};

/* A send that has no answer yet: one attempt. */
struct crash_pending {
    struct msg_id id;
    struct chat_id chat;
    uint64_t op;
};

/* How far the deliveries of the connection under way have come, per chat: what an ACK stands for. */
struct crash_seen {
    struct chat_id chat;
    uint64_t seq, ack;
    bool is_said; /* an ackpos line for it was written */
};

/* A connection outlives the client that opened it: a crashed one's closes by itself. */
struct crash_link {
    struct conn_user user;       /* first: the connection gives it back */
    struct crash_device *device; /* NULL: nobody listens any more */
    struct conn *conn;
    struct ws_client *opening;
    struct crash *crash;
};

struct crash_counters {
    uint64_t sent, acked, resent, redelivered, applied, refused, failed, restarts, connects, closed_early, replaced,
        holes, unflagged, errors;
};

struct crash_device {
    struct crash *crash;
    unsigned number;
    struct user_id user;
    struct device_id id;
    char user_text[KITH_UUID_TEXT_LEN + 1], id_text[KITH_UUID_TEXT_LEN + 1], token[KITH_TOKEN_BYTES_MAX + 1];
    bool is_writer, is_parked;                    /* parked: taken off the net by the harness */
    unsigned chats[CRASH_CHATS_MAX], chats_count; /* the chats it writes in */
    struct kith_ordered records;                  /* what its host wrote down: survives a crash of the client */
    struct kith_map applied;                      /* chat to the highest number shown */
    struct kith_client *client;                   /* NULL: crashed, or parked */
    struct crash_link *link;
    struct loop_timer tick, burst, restart;
    unsigned effects_left; /* > 0: the client crashes before that many effects have run */
    uint64_t bodies;       /* made so far: a body is never used twice */

    /* the journal */
    int file;
    uint64_t op, conn;
    bool is_connected, is_logged; /* CONNECTED came; a connect line was written and no close */
    uint64_t connect_op;
    struct kith_buf in; /* of the wire, decoded a second time */
    struct stomp_reader reader;
    struct crash_pending pending[CRASH_PENDING_MAX];
    unsigned pending_count;
    struct crash_seen seen[CRASH_CHATS_MAX];
    unsigned seen_count;

    struct crash_counters counters;
};

/* device.c: the host of one client */
struct crash_device *crash_device_new(struct crash *crash);
void crash_device_start(struct crash_device *device);
/** The server is back, or the token is new: no reason to wait for the end of a back-off. */
void crash_device_wake(struct crash_device *device);
/** Its `token` was replaced. */
void crash_device_new_token(struct crash_device *device);
/** Ends the connection with this reason in the journal, and the client with it. Its records stay. */
void crash_device_park(struct crash_device *device, const char *reason);
void crash_device_free(struct crash_device *device);

/* link.c: its connection */
void crash_dial(struct crash_device *device);
void crash_hang_up(struct crash_device *device, const char *reason);

/* device.c: what the connection tells the device */
void crash_device_opened(struct crash_device *device);
void crash_device_bytes(struct crash_device *device, uint8_t *bytes, size_t len);
void crash_device_lost(struct crash_device *device, const char *reason);

/* journal.c: one line for each thing that happened, in that order */
void journal_open(struct crash_device *device);
void journal_opened(struct crash_device *device);
void journal_closed(struct crash_device *device, const char *reason);
void journal_in(struct crash_device *device, const uint8_t *bytes, size_t len);
void journal_out(struct crash_device *device, struct kith_slice frame);
void journal_applied(struct crash_device *device, const struct kith_message *message);
uint64_t crash_applied_up_to(const struct crash_device *device, struct chat_id chat);

#endif
