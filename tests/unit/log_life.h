#ifndef KITH_TESTS_UNIT_LOG_LIFE_H
#define KITH_TESTS_UNIT_LOG_LIFE_H

#include "adapters/disk/disk_sim.h"
#include "adapters/log/log_file.h"
#include "loop/loop_sim.h"

/**
 * A log_file on a simulated disk, through any number of lives of its process, beside a model of what it has promised:
 * every entry has a number of its own in its body, and each answer and each replay is held against what was said before.
 * The first broken promise is kept in `violation`.
 */
#define LIFE_FOLLOWERS 2
#define LIFE_SHARDS    6
#define LIFE_IDS_MAX   8192

enum life_fate {
    LIFE_UNUSED,
    LIFE_WAITING,  /* not answered (yet) */
    LIFE_DURABLE,  /* answered OK, or replayed: it must stay */
    LIFE_IN_DOUBT, /* answered KITH_E_IO */
    LIFE_REFUSED,  /* answered READ_ONLY, FULL, CLOSED, TOOBIG: it must never be seen */
};

struct life_follower {
    struct log_follower base;
    struct life *life;
    uint64_t position_last; /* of this life of the process */
    unsigned caught_up;
};

struct life {
    uint64_t seed;
    struct kith_prng prng;
    struct sim_world *world;
    struct loop *home;
    struct life_follower followers[LIFE_FOLLOWERS];
    struct sim_image *image;
    struct log_file_config config;
    struct disk *disk;
    struct log *log;
    bool closed;

    uint32_t id_next;
    struct {
        enum life_fate fate;
        uint64_t position;
        uint32_t len;
        uint16_t shard;
    } ids[LIFE_IDS_MAX];
    uint32_t at[LIFE_IDS_MAX]; /* position -> id, 0: unknown */
    uint64_t durable;          /* highest position known to be durable */
    uint64_t trimmed;
    uint64_t store_has;  /* the second follower's shards are replayed from behind this position only */
    uint64_t seen_until; /* in this life: all positions up to here were replayed or delivered */
    char violation[512];
    struct log_text text; /* of the last log_file_open() */
};

/** Small segments, so that a few dozen entries cross many of them. */
struct life *life_new(uint64_t seed);
void life_free(struct life *life);

/** Starts a process on what is on the disk, and the replay. Does not wait for it. */
kith_err life_open(struct life *life);
/** kill -9, or a power cut. */
void life_kill(struct life *life, bool power_cut);
/** A clean end; runs until it is over. */
void life_close(struct life *life);

/** Appends an entry; its body is `len` bytes, at least 4. */
void life_append(struct life *life, uint16_t shard, uint32_t len);
void life_trim(struct life *life, uint64_t position);
void life_run_ms(struct life *life, uint64_t ms);
void life_steps(struct life *life, unsigned steps);
/** All shards were caught up with, and every durable position was seen in this life. */
void life_check_complete(struct life *life);
void life_violated(struct life *life, const char *fmt, ...) KITH_PRINTF(2, 3);

#endif
