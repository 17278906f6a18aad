#ifndef KITH_ADAPTERS_DISK_DISK_SIM_H
#define KITH_ADAPTERS_DISK_DISK_SIM_H

#include "adapters/disk/sim_image.h"
#include "ports/disk.h"

/**
 * A process's door to a simulated folder (sim_image.h): opened at its start, closed at its end, while the image stays.
 * Syncs are answered one after the other, each after a seeded delay on `loop`; one saves what was written before it was
 * asked for, and no more.
 */
struct disk *disk_sim_open(struct sim_image *image, struct loop *loop);

/**
 * The end of the process, in whatever state: files that are open are closed without syncing. With syncs in flight only
 * after sim_loop_kill() of its loop; they are forgotten. NULL is fine.
 */
void disk_sim_close(struct disk *disk);

#endif
