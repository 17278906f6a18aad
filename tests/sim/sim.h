#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "adapters/disk/disk_sim.h"
#include "adapters/log/log_file.h"
#include "adapters/msgstore/msgstore_mem.h"
#include "base/map.h"
#include "base/mutant.h"
#include "base/ordered.h"
#include "gateway/gateway.h"
#include "libkith/kith.h"
#include "loop/loop_sim.h"
#include "net/conn.h"
#include "shard/asker.h"

/*
 * A whole system in one process and thread, from one seed: the real server (gateways, shard owners, chat core, log on a
 * simulated disk, reference store) and real client cores, over a simulated clock, network and disk. What is checked is in
 * oracle.h; what goes wrong in faults.h. One seed gives one run, callback for callback.
 */
#define SIM_USERS_MAX        8
#define SIM_DEVICES_MAX      16
#define SIM_CHATS_MAX        6
#define SIM_LOOPS_MAX_SERVER 3
#define SIM_DELETE_SEQ_END   31 /* messages below may be deleted */

/* What happened, counted over a run and summed over all: each must be hit, or the run proved nothing about it. */
#define SIM_COUNTERS(X)                                                \
    X(server_crashes, "server killed, machine up (kill -9)")           \
    X(power_cuts, "power cut: unsynced writes lost or torn")           \
    X(mid_io_cuts, "power cut in the middle of an I/O operation")      \
    X(halted_restarts, "server restarted because its log had halted")  \
    X(restart_storms, "crash again before the replay was through")     \
    X(sync_errors, "failed syncs of the log")                          \
    X(disk_full, "disk full for a while")                              \
    X(store_errors, "commits refused by the store")                    \
    X(store_losses, "crash that lost committed, unflushed rows")       \
    X(torn_tails, "torn tail cut at start")                            \
    X(client_crashes, "client killed between two effects")             \
    X(net_cuts, "connection cut, both sides told")                     \
    X(net_half_open, "connection cut, the server not told")            \
    X(net_stalls, "network stopped for a while")                       \
    X(net_partitions, "clients of one side cannot reach the server")   \
    X(clock_jumps, "wall clock of a machine stepped")                  \
    X(loop_pauses, "a server thread stood still")                      \
    X(slow_store, "store answers late")                                \
    X(sends, "messages written")                                       \
    X(acked, "messages acknowledged")                                  \
    X(resent, "messages sent again")                                   \
    X(refused, "messages refused for now")                             \
    X(applied, "messages shown")                                       \
    X(duplicates, "redeliveries dropped by a client")                  \
    X(gaps, "gaps announced")                                          \
    X(replays, "commands replayed at a start")                         \
    X(reads, "read marks")                                             \
    X(receipts, "receipts seen")                                       \
    X(members_added, "members added")                                  \
    X(members_removed, "members removed")                              \
    X(deletes, "messages deleted")                                     \
    X(conflicts, "ids said again with other content")                  \
    X(mail_sends, "items sent into mailboxes")                         \
    X(mail_acked, "of them acknowledged")                              \
    X(mail_again, "of them sent again")                                \
    X(mail_taken, "items that came to a device")                       \
    X(given_again, "messages that did not open, given again")          \
    X(mail_conflicts, "items' ids said again with other content")      \
    X(chat_loads, "chats read back from the store")                    \
    X(sessions_begun, "bundles of keys claimed")                       \
    X(both_began, "of them while the other side began, too")           \
    X(last_resorts, "of them with the key of last resort")             \
    X(claims_refused, "claims refused: too many")                      \
    X(lost_answers, "answers about keys lost, the work was done")      \
    X(list_conflicts, "device lists refused: not the next one")        \
    X(logins_refused, "sign-ins refused or not answered, tried again") \
    X(devices_linked, "devices linked to an account")                  \
    X(devices_removed, "devices removed from an account")              \
    X(sealed, "encrypted messages put on the wire")                    \
    X(common, "of them one ciphertext for a whole group")              \
    X(gifts, "of them the chain for it, for those who lack it")        \
    X(sealed_again, "of them for other device lists than before")      \
    X(opened, "messages opened by another device")                     \
    X(group_ops, "changes of encrypted groups that were taken")        \
    X(group_stale, "of those that came behind another")                \
    X(asks, "requests to join a group by its invite link")             \
    X(admitted, "of them let in by a device of an admin")              \
    X(past_lists, "times that past device lists were asked for")       \
    X(steps, "of them empty, to turn the ratchet of one who goes on")

struct sim_counters {
#define SIM_COUNTER_FIELD(name, text) uint64_t name;
    SIM_COUNTERS(SIM_COUNTER_FIELD)
#undef SIM_COUNTER_FIELD
};

struct sim;
struct sim_device;

/* How far a device has come in its account (linking.c). */
struct sim_linking {
    uint64_t signs_in_ms, removed_ms; /* when it is to be; 0: from the start, and never */
    bool is_in;                       /* signed in */
    bool is_leaving, is_removed;      /* its person removes it; out of the account's list, and of the directory */
    uint64_t login_until_ms;          /* its login waits so long for the chats to know; 0: it does not */
    uint64_t login_generation;
    bool is_named_maybe;               /* a chat may learn of it later: its login is refused */
    bool is_linked;                    /* counted */
    uint64_t wait_until_ms;            /* the person takes their time */
    struct kith_slice request, answer; /* as pasted; empty: none */
    struct kith_slice shown;           /* the next of the two, until what it speaks of is durable */
    struct sim_device *shown_by;       /* NULL: there is none */
    uint64_t shown_life;
};

/* One connection: the server's struct conn, and the client's end. Lives until the run ends. */
struct sim_link {
    struct conn conn; /* first: the gateway gets a pointer to it */
    struct sim *sim;
    struct sim_device *device;
    uint64_t generation; /* of the server's life it belongs to */
    bool attached, closing, server_closed, client_closed, cut, paused;
    size_t down_bytes; /* on the way to the client */
    bool was_high;
    struct sim_chunk *up_first, *up_last, *down_first, *down_last;
    struct loop_timer up_timer, down_timer, close_timer, client_close_timer, keepalive_timer;
    struct loop_task drained_task;
    uint32_t keepalive_ms;
    uint64_t heard_ms;
    enum conn_closed why;
    struct sim_link *next;
};

struct sim_record {
    size_t len;
    uint8_t bytes[];
};

/* One device: a client core and what its host keeps. */
struct sim_device {
    struct sim *sim;
    unsigned number, user;
    struct device_id id;
    struct loop *loop;
    char name[16];
    struct kith_ordered records; /* durable */
    struct kith_client *client;  /* NULL while its process is down */
    struct sim_link *link;
    struct loop_timer tick, restart, persist, act;
    bool persisting;
    struct kith_slice unsaved;
    bool cut_off;  /* partition: cannot connect */
    bool is_first; /* of its person: founds the account */
    struct sim_linking linking;
    uint64_t lives;
    struct oracle_device *oracle;
};

struct sim_server {
    struct sim *sim;
    bool up, ready;
    uint64_t generation;
    unsigned loop_count;
    struct loop *loops[SIM_LOOPS_MAX_SERVER], *log_loop;
    struct asker *askers[SIM_LOOPS_MAX_SERVER];
    struct shard_owner *owners[SIM_LOOPS_MAX_SERVER];
    struct gateway *gateways[SIM_LOOPS_MAX_SERVER];
    struct gateway_group *group;
    struct shard_listener *listeners[SIM_LOOPS_MAX_SERVER];
    struct disk *disk;
    struct log *log;
    struct msgstore *store;
    struct sim_image *disk_image;
    struct msgstore_mem_image *store_image;
};

struct sim {
    uint64_t seed;
    uint32_t one_time_keys; /* of each kind, of each device */
    uint32_t pairwise_max;  /* members of a group whose messages are encrypted for each device */
    uint32_t claims_max;    /* bundles of one device for one person at once */
    struct sim_world *world;
    struct kith_prng prng; /* workload and faults */
    struct loop *director; /* where the harness itself runs */
    struct sim_server server;
    unsigned user_count, device_count, chat_count;
    struct sim_device devices[SIM_DEVICES_MAX];
    struct user_id users[SIM_USERS_MAX];
    struct chat_id chats[SIM_CHATS_MAX];
    bool chat_is_group[SIM_CHATS_MAX];
    bool group_is_encrypted[SIM_CHATS_MAX];
    bool chat_made[SIM_CHATS_MAX];
    bool delete_asked[SIM_CHATS_MAX][SIM_DELETE_SEQ_END];
    bool has_monologue;       /* this run: one device writes much into an encrypted chat, and the others listen */
    bool has_joins;           /* this run: groups begin with few, and invite links are made and used */
    uint64_t listen_until_ms; /* they do; 0: it has not begun */
    unsigned speaker;
    bool encrypts; /* this run: direct chats and some groups are encrypted, every device has its keys */
    struct sim_keys *keys;
    struct sim_facts *facts;
    struct sim_sealed *sealed;
    uint64_t removed_in_life[SIM_CHATS_MAX]
                            [SIM_USERS_MAX]; /* server generation in which a removal was answered; 0: not */
    struct sim_link *links;
    struct sim_counters counters;
    struct oracle *oracle;
    struct loop_timer workload, nemesis, heal, links_devices, tells;
    struct sim_ask *asks;   /* of the harness, see workload.c */
    struct sim_mail *mails; /* newest first, see mail.c */
    struct mail_try *mail_tries;
    uint64_t stalled_until_ms;
    bool healing, failed, fault_due, linking_due, group_due;
    unsigned group_due_chat;
    uint64_t server_due_ms, halted_since_ms;
    char failure[512];
    bool trace;
};

/* The first failure counts; the run stops. */
void sim_fail(struct sim *sim, const char *fmt, ...) KITH_PRINTF(2, 3);
/* A line of a traced run. */
void sim_note(const struct sim *sim, const char *fmt, ...) KITH_PRINTF(2, 3);
static inline uint64_t sim_now_ms(const struct sim *sim)
{
    return sim_world_now_us(sim->world) / 1000;
}

/* server.c */
void server_start(struct sim *sim);
enum server_end { END_KILL, END_POWER_CUT, END_CLEAN };
void server_end(struct sim *sim, enum server_end how);
/* device.c */
void device_init(struct sim *sim, unsigned number, unsigned user);
void device_start(struct sim_device *device);
void device_crash(struct sim_device *device);
void device_run(struct sim_device *device); /* carry out the effects that are there */
void device_deinit(struct sim_device *device);
/* link.c */
struct sim_link *link_open(struct sim *sim, struct sim_device *device); /* NULL: refused */
void link_client_send(struct sim_link *link, struct kith_slice bytes);
void link_client_close(struct sim_link *link);
void link_cut(struct sim_link *link, bool tell_server);
void links_forget_server(struct sim *sim); /* the server died: clients find out */
void links_free(struct sim *sim);
static inline bool sim_chat_is_encrypted(const struct sim *sim, unsigned chat)
{
    return sim->encrypts && (!sim->chat_is_group[chat] || sim->group_is_encrypted[chat]);
}
/* The two people of a direct chat follow each other. */
static inline unsigned sim_direct_first(const struct sim *sim, unsigned chat)
{
    return chat % (sim->user_count - 1);
}
/* fetch.c: a device asks the key directory */
struct kith_fetch;
void fetch_start(struct sim_device *device, const struct kith_fetch *fetch);
/* facts.c: chats are told of device lists */
void facts_start(struct sim *sim);
void facts_free(struct sim *sim);
void facts_logins_end(struct sim *sim);
void facts_sign_in(struct sim_device *device); /* it starts when its login is answered */
bool facts_are_told(const struct sim *sim);
void facts_again(struct sim *sim, unsigned chat, struct user_id user); /* who came into a group */
/* linking.c */
void linking_start(struct sim *sim);
void linking_run(struct sim *sim); /* between two steps */
void linking_note(const struct sim *sim);
bool linking_is_done(const struct sim *sim);
/* workload.c, faults.c */
void workload_start(struct sim *sim);
void workload_group(struct sim *sim); /* between two steps: a device signs */
void workload_free(struct sim *sim);
/** Somebody is let into a group; false: there is no server. `code` is CODE_COUNT until it is answered. */
bool workload_admit(struct sim_device *device, const struct kith_admit *admit, enum kith_code *code);
bool workload_is_quiet(const struct sim *sim);
void faults_start(struct sim *sim);
void faults_strike(struct sim *sim); /* between two steps */
void faults_heal(struct sim *sim);

#endif
