#ifndef KITH_TESTS_DIRECTORY_DRIVE_H
#define KITH_TESTS_DIRECTORY_DRIVE_H

#include "ports/directory.h"
#include "tests/plain_loop.h"

/*
 * A directory driven by plain functions: drive_call() runs one as a transaction and turns the loop until it is done.
 */
typedef kith_err drive_run(struct directory_tx *tx, void *arg);

struct drive_call {
    struct directory_call call;
    drive_run *run;
    void *arg;
    unsigned runs, dones;
    bool done;
};

static kith_err drive_call_run(struct directory_call *call, struct directory_tx *tx)
{
    struct drive_call *drive = (struct drive_call *)call;

    drive->runs++;
    return drive->run(tx, drive->arg);
}

static void drive_call_done(struct directory_call *call)
{
    struct drive_call *drive = (struct drive_call *)call;

    drive->dones++;
    drive->done = true;
}

static inline void drive_call_start(struct drive_call *drive, struct plain_loop *loop, struct directory *directory,
                                    bool read_only, drive_run *run, void *arg)
{
    *drive = (struct drive_call){
        .call = {.loop = &loop->base, .read_only = read_only, .run = drive_call_run, .done = drive_call_done},
        .run = run,
        .arg = arg,
    };
    directory_call(directory, &drive->call);
    assert(!drive->done);
}

static inline kith_err drive_call_finish(struct drive_call *drive, struct plain_loop *loop)
{
    plain_loop_until(loop, &drive->done);
    assert(drive->dones == 1);
    return drive->call.err;
}

static inline kith_err drive_call(struct plain_loop *loop, struct directory *directory, bool read_only, drive_run *run,
                                  void *arg)
{
    struct drive_call drive;

    drive_call_start(&drive, loop, directory, read_only, run, arg);
    return drive_call_finish(&drive, loop);
}

#endif
