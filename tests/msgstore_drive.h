#ifndef KITH_TESTS_MSGSTORE_DRIVE_H
#define KITH_TESTS_MSGSTORE_DRIVE_H

#include <stdio.h>

#include "base/prng.h"
#include "ports/msgstore.h"
#include "tests/plain_loop.h"

/*
 * A message store driven one op at a time: each function makes the op, turns the loop until its done(), and checks the
 * port's promise that done() runs exactly once and never inside the call.
 */
struct drive_commit {
    struct msgstore_commit op;
    unsigned dones;
    bool done;
};

struct drive_get {
    struct msgstore_get op;
    bool done;
};

struct drive_scan {
    struct msgstore_scan op;
    bool done;
};

static void drive_commit_done(struct msgstore_commit *op)
{
    struct drive_commit *drive = (struct drive_commit *)op;
    drive->done = true;
    drive->dones++;
}

static void drive_get_done(struct msgstore_get *op)
{
    ((struct drive_get *)op)->done = true;
}

static void drive_scan_done(struct msgstore_scan *op)
{
    ((struct drive_scan *)op)->done = true;
}

/** Makes a commit and calls it; the caller turns the loop. All is lent until done. */
static inline void drive_commit_start(struct drive_commit *drive, struct plain_loop *loop, struct msgstore *store,
                                      const struct msgstore_batch *batch, const struct msgstore_position *positions,
                                      size_t position_count)
{
    memset(drive, 0, sizeof *drive);
    drive->op.loop = &loop->base;
    drive->op.batch = batch;
    drive->op.positions = positions;
    drive->op.position_count = position_count;
    drive->op.err = KITH_E_AGAIN;
    drive->op.done = drive_commit_done;
    msgstore_commit(store, &drive->op);
    assert(!drive->done);
}

static inline kith_err drive_commit_many(struct plain_loop *loop, struct msgstore *store,
                                         const struct msgstore_batch *batch, const struct msgstore_position *positions,
                                         size_t position_count)
{
    struct drive_commit drive;

    drive_commit_start(&drive, loop, store, batch, positions, position_count);
    plain_loop_until(loop, &drive.done);
    assert(drive.dones == 1);
    return drive.op.err;
}

static inline kith_err drive_commit(struct plain_loop *loop, struct msgstore *store, const struct msgstore_batch *batch,
                                    uint16_t shard, uint64_t position)
{
    struct msgstore_position at = {.shard = shard, .position = position};
    return drive_commit_many(loop, store, batch, &at, 1);
}

/** `value` is init by the caller, and filled. */
static inline kith_err drive_get(struct plain_loop *loop, struct msgstore *store, struct kith_slice key,
                                 struct kith_buf *value)
{
    struct drive_get drive = {
        .op = {.loop = &loop->base, .key = key, .value = *value, .err = KITH_E_AGAIN, .done = drive_get_done}};

    msgstore_get(store, &drive.op);
    assert(!drive.done);
    plain_loop_until(loop, &drive.done);
    *value = drive.op.value;
    return drive.op.err;
}

/** In: from, prefix, reverse, rows_max, rows (init). Out: the rest. */
static inline kith_err drive_scan(struct plain_loop *loop, struct msgstore *store, struct msgstore_scan *scan)
{
    struct drive_scan drive = {.op = *scan};

    drive.op.loop = &loop->base;
    drive.op.err = KITH_E_AGAIN;
    drive.op.count = 12345;
    drive.op.more = true;
    drive.op.done = drive_scan_done;
    msgstore_scan(store, &drive.op);
    assert(!drive.done);
    plain_loop_until(loop, &drive.done);
    *scan = drive.op;
    return drive.op.err;
}

/** A row whose value is 8 zero bytes (it never expires) and then `text`. */
static inline void drive_put(struct msgstore_batch *batch, struct kith_slice key, struct kith_slice text)
{
    struct kith_buf value;
    kith_err err;

    kith_buf_init(&value, MSGSTORE_VALUE_BYTES_MAX);
    err = kith_buf_append_u64_be(&value, 0);
    if (err == KITH_OK) err = kith_buf_append(&value, text);
    if (err == KITH_OK) err = msgstore_batch_put(batch, key, kith_buf_peek(&value));
    assert(err == KITH_OK);
    kith_buf_deinit(&value);
}

static inline void drive_delete(struct msgstore_batch *batch, struct kith_slice key)
{
    kith_err err = msgstore_batch_delete(batch, key);
    assert(err == KITH_OK);
}

#endif
