#ifndef KITH_ADAPTERS_DISK_SIM_IMAGE_H
#define KITH_ADAPTERS_DISK_SIM_IMAGE_H

#include "base/prng.h"
#include "base/slice.h"

/**
 * The medium under disk_sim: what a machine's folder holds, in memory. It outlives processes (disk_sim.h), and it tells
 * apart what a process sees (the page cache) and what is on the platter.
 *
 * A power cut, sim_image_crash(), leaves of each file what was synced, plus some of what was written since: for each
 * 512-byte sector on its own, the seed picks how many of the later writes reached it, so a write may be lost, torn, or
 * survive although an earlier one did not. Within a sector writes stay in order, as they were made to one memory page.
 * Names that were made, changed or removed since the last sync of the folder may be either way.
 * A process that is only killed loses nothing: just close its disk_sim.
 */
struct sim_image;

/* name, what it counts: for the simulator's table of faults that were hit */
#define SIM_IMAGE_COUNTERS(X)                                            \
    X(reads, "reads")                                                    \
    X(writes, "writes")                                                  \
    X(allocates, "allocations")                                          \
    X(syncs, "syncs answered OK")                                        \
    X(dir_syncs, "folder syncs answered OK")                             \
    X(sync_failures, "syncs failed by injection")                        \
    X(dir_sync_failures, "folder syncs failed by injection")             \
    X(write_failures, "writes failed by injection (I/O error)")          \
    X(full_failures, "writes and allocations failed on a full disk")     \
    X(crashes, "power cuts")                                             \
    X(lost_writes, "writes of which a power cut left nothing")           \
    X(torn_writes, "writes of which a power cut left a part")            \
    X(kept_writes, "unsynced writes that survived a power cut whole")    \
    X(lost_names, "changes of names undone by a power cut")              \
    X(kept_names, "unsynced changes of names that survived a power cut") \
    X(off_ops, "operations refused because the power is off")            \
    X(flipped_bits, "bits flipped")                                      \
    X(truncations, "files truncated")

struct sim_image_counters {
#define SIM_IMAGE_COUNTER_FIELD(name, text) uint64_t name;
    SIM_IMAGE_COUNTERS(SIM_IMAGE_COUNTER_FIELD)
#undef SIM_IMAGE_COUNTER_FIELD
};

/* What goes wrong; change it at any time. Numbers count down as they hit. */
struct sim_image_faults {
    uint64_t capacity_bytes;     /* all files together; UINT64_MAX: never full */
    uint32_t sync_delay_ms_max;  /* a sync takes 0 to this long */
    uint32_t sync_failures;      /* the next so many syncs of files fail, and drop what they should have saved */
    uint32_t sync_fail_permille; /* and so many of a thousand others */
    uint32_t dir_sync_failures;  /* the next so many syncs of the folder fail, and save nothing */
    uint32_t dir_sync_fail_permille;
    uint32_t write_failures;      /* the next so many writes stop in the middle with KITH_E_IO */
    uint32_t write_fail_permille; /* */
    uint32_t full_writes;         /* the next so many writes stop in the middle with KITH_E_NOSPACE */
    uint32_t full_write_permille; /* */
    uint64_t off_after_ops;       /* the power fails at the so-manieth change from now on; 0: never */
};

/** NULL when there is no memory. The image is the seed's: it draws from no other generator. */
struct sim_image *sim_image_new(uint64_t seed);
/** No disk_sim may be open on it. NULL is fine. */
void sim_image_free(struct sim_image *image);
/** A copy of the same files and names, as on the platter of a machine at rest (all synced); for tests that try every
 * damage to one state. */
struct sim_image *sim_image_clone(const struct sim_image *image);

struct sim_image_faults *sim_image_faults(struct sim_image *image);
const struct sim_image_counters *sim_image_counters(const struct sim_image *image);

/** A power cut. Every disk_sim that is open on it answers KITH_E_IO from now on and runs no done() any more. */
void sim_image_crash(struct sim_image *image);
/** The power is off: by `off_after_ops`, until sim_image_crash() decides what is left. */
bool sim_image_is_off(const struct sim_image *image);

/*
 * Damage, and a look, by name; what a process sees and the platter alike. KITH_E_NOTFOUND: no such file, or it is
 * shorter than that.
 */
KITH_MUST_USE kith_err sim_image_flip(struct sim_image *image, const char *name, uint64_t bit);
KITH_MUST_USE kith_err sim_image_overwrite(struct sim_image *image, const char *name, uint64_t at,
                                           struct kith_slice bytes);
KITH_MUST_USE kith_err sim_image_truncate(struct sim_image *image, const char *name, uint64_t bytes);
KITH_MUST_USE kith_err sim_image_swap(struct sim_image *image, const char *one, const char *other);
KITH_MUST_USE kith_err sim_image_remove(struct sim_image *image, const char *name);
/** Lends what a process sees, until the next change. */
KITH_MUST_USE kith_err sim_image_peek(struct sim_image *image, const char *name, struct kith_slice *out);
/** Names in the order of bytes. NULL past the last; lent until the next change. */
const char *sim_image_name(const struct sim_image *image, size_t index);

#endif
