#ifndef KITH_SHARD_OWNER_H
#define KITH_SHARD_OWNER_H

#include "base/map.h"
#include "chat/mailbox.h"
#include "shard/shard.h"

/*
 * The inside of a shard owner. A slot is one chat or mailbox in memory with the commands that wait for it; a work is one
 * durable command. Works hang in two queues: their slot's (order per chat) and their shard's (to know the position).
 */
struct slot;

struct work {
    struct log_entry *entry;
    struct cmd cmd; /* slices lent from the entry */
    struct slot *slot;
    struct work *next_in_slot, *next_in_shard;
    struct chat_rules rules; /* at its place in the log */
    bool applied;
};

enum slot_state {
    SLOT_IDLE,    /* nothing to do                                                    */
    SLOT_READY,   /* in the owner's run list                                          */
    SLOT_LOADING, /* its state comes from the store                                   */
    SLOT_LOOKING, /* rows that the first work needs come from the store               */
    SLOT_PARKED,  /* waits until a commit is done: its rows there are not visible yet */
};

/* One read of a slot: a get or a scan, one after the other. */
struct slot_read {
    union {
        struct msgstore_get get;
        struct msgstore_scan scan;
    } op; /* first: the store's callbacks get a pointer to it */
    struct slot *slot;
    struct row_key prefix, from;
    unsigned step;
};

/* A person's id and a chat's are never mixed up, whatever a client writes into a destination. */
struct slot_key {
    struct kith_uuid stream;
    uint8_t is_mailbox;
};

struct slot {
    struct slot_key key;
    struct chat *chat; /* one of the two; what differs between them is in state.c */
    struct mailbox *mailbox;
    struct shard_owner *owner;
    struct slot *prev, *next; /* in the cache's order of use, newest first */
    struct slot *next_run;    /* in the run list or the parked list */
    enum slot_state state;
    bool loaded;
    struct work *first, *last;
    uint64_t batch;         /* number of the newest batch that holds rows of it */
    size_t bytes;           /* as counted in the owner's cache_bytes */
    struct slot_read *read; /* only while reading */
    struct chat_lookup lookups[CHAT_LOOKUPS];
    struct kith_buf looked_up[CHAT_LOOKUPS]; /* what the lookups point to */
    bool looked;                             /* lookups are those of the first work */
};

struct shard_queue {
    struct work *first, *last;
    struct chat_rules rules;  /* as of the newest entry taken */
    uint64_t position;        /* all up to here is in batches that were handed to the store */
    uint64_t position_stored; /* all up to here is committed */
};

/* What to tell one listener after the commit. */
struct news_list {
    struct shard_news *items;
    size_t count, cap;
};

struct shard_owner {
    struct shard_owner_config config;
    struct log_follower follower;
    struct kith_map slots; /* struct slot_key to struct slot * */
    struct slot *newest, *oldest;
    size_t cache_bytes;
    struct slot *run_first, *run_last;
    struct slot *parked;
    struct shard_queue shards[KITH_SHARDS];
    bool owned[KITH_SHARDS];
    bool caught_up, failed;
    struct rules_read *rules_reads; /* NULL when done */
    unsigned rules_left; /* shards whose rules still come from the store; until then the log's entries are held */
    struct log_entry *held_first, **held_last;

    /* Two batches: one gathers while the other is being committed. Numbers count up from 1. */
    struct msgstore_batch batches[2];
    struct news_list *news[2]; /* per batch, per listener */
    uint64_t batch_gathering, batch_committed;
    struct msgstore_commit commit;
    struct msgstore_position positions[KITH_SHARDS];
    bool committing;
    bool advanced; /* positions moved without rows: commit them too */
    struct loop_timer retry;
    struct loop_task run;
    bool run_deferred;
    struct shard_stats stats;
};

#define OWNER_BATCH_BYTES_PAUSE (16u * 1024 * 1024) /* a batch this large waits for the commit before it */
#define OWNER_COMMIT_RETRY_MS   500

static inline unsigned owner_gathering(const struct shard_owner *owner)
{
    return (unsigned)(owner->batch_gathering & 1);
}

/* owner.c */
void owner_fatal(struct shard_owner *owner, const char *why);
void owner_ready(struct shard_owner *owner, struct slot *slot); /* run it soon */
void owner_work_done(struct shard_owner *owner, struct work *work);
void owner_run_soon(struct shard_owner *owner);
void owner_take(struct shard_owner *owner, struct log_entry *list);

/* rules.c */
KITH_MUST_USE kith_err owner_rules_load(struct shard_owner *owner);
void owner_rules_free(struct shard_owner *owner); /* the reads, done or not; their callbacks must not run any more */
void owner_rules_caught_up(struct shard_owner *owner);
void owner_rules_take(struct shard_owner *owner, const struct log_entry *entry);
/* All before it is applied. */
void owner_rules_store(struct shard_owner *owner, const struct log_entry *entry);

/* slot.c */
struct slot *slot_find(struct shard_owner *owner, const struct cmd *cmd); /* or makes; NULL: no memory */
void slot_add(struct slot *slot, struct work *work);
void slot_load(struct slot *slot);
/* True: the lookups of the first work are there. False: they were asked for, or the slot was parked. */
bool slot_look_up(struct slot *slot);
void slot_recount(struct slot *slot);
void cache_trim(struct shard_owner *owner);
void slot_free(struct slot *slot);

/* state.c: what a slot holds */
KITH_MUST_USE kith_err state_new(struct slot *slot);
void state_free(struct slot *slot);
size_t state_bytes(const struct slot *slot);
/* Loading: its head row first, KITH_E_NOTFOUND is not passed on; then all rows with each prefix there is. */
struct row_key state_head_key(const struct slot *slot);
KITH_MUST_USE kith_err state_load_head(struct slot *slot, struct kith_slice value);
bool state_rows_prefix(const struct slot *slot, unsigned step, struct row_key *prefix); /* false: no such step */
KITH_MUST_USE kith_err state_load_row(struct slot *slot, unsigned step, struct kith_slice key, struct kith_slice value);
void state_load_done(struct slot *slot);
void state_lookups(struct slot *slot, const struct cmd *cmd);
void state_apply(struct slot *slot, const struct work *work, struct chat_effects *fx);

/* emit.c */
KITH_MUST_USE kith_err emit_answer(struct shard_owner *owner, const struct work *work,
                                   const struct chat_answer *answer);
KITH_MUST_USE kith_err emit_effects(struct shard_owner *owner, struct work *work, const struct chat_effects *fx);
/* Posts what was gathered for this batch to the listeners. */
void emit_send(struct shard_owner *owner, unsigned batch);
/* Tells one listener at once that its command was not taken. */
void emit_refused(struct shard_owner *owner, const struct log_entry *entry);
void news_list_reset(struct news_list *list);

#endif
