#ifndef KITH_TESTS_CONFORMANCE_LOG_RIG_H
#define KITH_TESTS_CONFORMANCE_LOG_RIG_H

/* A log of any kind, its two followers, and what outlives its process; for tests/conformance/test_log.c. */

#include "adapters/disk/disk_sim.h"
#include "adapters/log/log_file.h"
#include "adapters/log/log_mem.h"
#include "loop/loop_sim.h"
#include "tests/temp_dir.h"

enum rig_kind { RIG_MEM, RIG_FILE_ON_SIM, RIG_FILE_ON_POSIX };

#define RIG_FOLLOWERS   2
#define RIG_SHARDS_EACH 3
#define RIG_GOT_MAX     4096

/* What a follower was given. */
struct rig_got {
    uint64_t position;
    kith_err err;
    uint16_t shard;
    bool replayed, after_caught_up;
    uint32_t len;
    uint8_t first[16];
};

struct rig {
    enum rig_kind kind;
    struct sim_world *world;
    struct loop *home, *maker;
    struct rig_follower {
        struct log_follower base;
        struct rig *rig;
        struct loop *loop;
        struct rig_got got[RIG_GOT_MAX];
        size_t count;
        unsigned caught_up;
    } followers[RIG_FOLLOWERS];
    struct log *log;
    bool closed;
    struct log_text text;

    /* What outlives a process. */
    struct log_mem_store store;
    struct sim_image *image;
    struct temp_dir dir;
    struct disk *disk;
    struct log_file_config config;
};

struct rig *rig_new(enum rig_kind kind);
/** Closes the log if it is open. */
void rig_free(struct rig *rig);

/** Starts a process: follows all shards from `from` on. */
kith_err rig_try_open(struct rig *rig, uint64_t from);
/** That, with success and until all is quiet. */
void rig_open(struct rig *rig, uint64_t from);
/** Runs two seconds. */
void rig_run(struct rig *rig);
/** Asks for the end, and no more. */
void rig_start_closing(struct rig *rig);
void rig_close(struct rig *rig);
/** kill -9 */
void rig_kill(struct rig *rig);
/** After rig_try_open() was refused. */
void rig_drop(struct rig *rig);
void rig_append(struct rig *rig, uint16_t shard, const char *body);
/** What `follower` was given, by index; fails the test when it was not given so much. */
struct rig_got *rig_got(struct rig *rig, int follower, size_t index);
size_t rig_count(const struct rig *rig);

#endif
