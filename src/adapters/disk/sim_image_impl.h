#ifndef KITH_ADAPTERS_DISK_SIM_IMAGE_IMPL_H
#define KITH_ADAPTERS_DISK_SIM_IMAGE_IMPL_H

/* What sim_image.c (the medium) and disk_sim.c (a process's door to it) share. */

#include "adapters/disk/sim_image.h"
#include "ports/disk.h"

#define SIM_SECTOR_BYTES 512
#define SIM_NAMES_MAX    256

/* A write that no sync has saved yet. */
struct sim_write {
    uint64_t at, len;
    uint8_t *bytes;
};

struct sim_inode {
    struct sim_inode *next;
    uint8_t *now, *platter; /* what a process sees, and what is safe */
    uint64_t now_bytes, platter_bytes;
    struct sim_write *writes;
    size_t write_count, write_cap;
    uint64_t writes_saved; /* how many were taken off the front, ever: numbers them */
    unsigned open;
};

struct sim_name {
    char name[DISK_NAME_BYTES_MAX];
    struct sim_inode *inode;
};

struct sim_names {
    struct sim_name list[SIM_NAMES_MAX];
    size_t count;
};

/* A change of names that no sync of the folder has saved yet. */
struct sim_change {
    enum { SIM_CREATE, SIM_RENAME, SIM_REMOVE } kind;
    char from[DISK_NAME_BYTES_MAX], to[DISK_NAME_BYTES_MAX];
    struct sim_inode *inode; /* the file it is about, whatever else has that name */
};

struct sim_image {
    struct kith_prng prng;
    struct sim_inode *inodes;
    struct sim_names now, platter;
    struct sim_change *changes;
    size_t change_count, change_cap;
    struct sim_image_faults faults;
    struct sim_image_counters counters;
    uint64_t life; /* goes up with every power cut: older doors are dead */
    bool off;
};

struct sim_inode *sim_names_find(const struct sim_names *names, const char *name);

/* A change is about to be made: false when the power is off, or goes off with it. */
bool sim_image_op(struct sim_image *image);

KITH_MUST_USE kith_err sim_image_create(struct sim_image *image, const char *name, struct sim_inode **out);
void sim_image_change(struct sim_image *image, const struct sim_change *change);
void sim_image_sync_names(struct sim_image *image);
/* Frees what neither a name nor an open file holds. */
void sim_image_sweep(struct sim_image *image);

/* bytes NULL: zeros. Grows the file. KITH_E_NOSPACE leaves all as it was. */
KITH_MUST_USE kith_err sim_inode_write(struct sim_image *image, struct sim_inode *inode, uint64_t at,
                                       const uint8_t *bytes, uint64_t len);
/* The `count` oldest unsynced writes are safe now; or, `dropped`, only what the seed lets through, the rest never will be. */
void sim_inode_save(struct sim_image *image, struct sim_inode *inode, size_t count, bool dropped);

#endif
