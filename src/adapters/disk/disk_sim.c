#include "adapters/disk/disk_sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapters/disk/sim_image_impl.h"

struct disk_file {
    struct disk_file *next;
    struct sim_inode *inode;
};

/* A disk_sync() that is under way. */
struct sync_wait {
    struct sync_wait *next;
    struct disk_sync *op;
    uint64_t writes_until; /* number of the first write that it does not save */
};

struct disk_sim {
    struct disk base;
    struct loop *loop;
    struct sim_image *image;
    uint64_t life;
    struct disk_file *files;
    struct sync_wait *head, **tail; /* in order; the head's delay is running */
    struct loop_timer delay;
};

static const struct disk_ops sim_ops;

static struct disk_sim *sim_of(struct disk *disk)
{
    assert(disk->ops == &sim_ops);
    return (struct disk_sim *)disk;
}

static bool alive(const struct disk_sim *sim)
{
    return sim->life == sim->image->life && !sim->image->off;
}

/* For operations that change something, and so can be the last one before the power goes. */
static bool alive_op(struct disk_sim *sim)
{
    return sim->life == sim->image->life && sim_image_op(sim->image);
}

static bool hits(struct sim_image *image, uint32_t *next, uint32_t permille)
{
    if (*next > 0) {
        --*next;
        return true;
    }
    return permille > 0 && kith_prng_chance(&image->prng, permille, 1000);
}

static kith_err sim_list(struct disk *disk, void (*each)(void *arg, const char *name, uint64_t bytes), void *arg)
{
    struct disk_sim *sim = sim_of(disk);
    size_t count = sim->image->now.count;
    size_t first = count == 0 ? 0 : kith_prng_below(&sim->image->prng, count); /* in no order */

    if (!alive(sim)) return KITH_E_IO;
    for (size_t i = 0; i < count; i++) {
        const struct sim_name *name = &sim->image->now.list[(first + i) % count];
        each(arg, name->name, name->inode->now_bytes);
    }
    return KITH_OK;
}

static kith_err sim_open(struct disk *disk, const char *name, bool create, struct disk_file **out)
{
    struct disk_sim *sim = sim_of(disk);
    struct sim_inode *inode = sim_names_find(&sim->image->now, name);
    struct disk_file *file;

    assert(strlen(name) < DISK_NAME_BYTES_MAX && strchr(name, '/') == NULL);
    *out = NULL;
    if (!alive(sim)) return KITH_E_IO;
    if (inode == NULL) {
        kith_err err;
        if (!create) return KITH_E_NOTFOUND;
        if (!alive_op(sim)) return KITH_E_IO;
        err = sim_image_create(sim->image, name, &inode);
        if (err != KITH_OK) return err;
    }
    file = calloc(1, sizeof *file);
    if (file == NULL) return KITH_E_NOMEM;
    inode->open++;
    *file = (struct disk_file){.next = sim->files, .inode = inode};
    sim->files = file;
    *out = file;
    return KITH_OK;
}

static void sim_file_close(struct disk *disk, struct disk_file *file)
{
    struct disk_sim *sim = sim_of(disk);
    struct disk_file **at = &sim->files;

    if (file == NULL) return;
    while (*at != file) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = file->next;
    file->inode->open--;
    free(file);
    sim_image_sweep(sim->image);
}

static kith_err sim_size(struct disk *disk, struct disk_file *file, uint64_t *bytes)
{
    if (!alive(sim_of(disk))) return KITH_E_IO;
    *bytes = file->inode->now_bytes;
    return KITH_OK;
}

static kith_err sim_read(struct disk *disk, struct disk_file *file, uint64_t at, void *out, size_t len, size_t *got)
{
    struct disk_sim *sim = sim_of(disk);
    const struct sim_inode *inode = file->inode;

    *got = 0;
    if (!alive(sim)) return KITH_E_IO;
    sim->image->counters.reads++;
    if (at >= inode->now_bytes) return KITH_OK;
    *got = inode->now_bytes - at < len ? (size_t)(inode->now_bytes - at) : len;
    if (*got > 0) memcpy(out, inode->now + at, *got);
    return KITH_OK;
}

static kith_err sim_allocate(struct disk *disk, struct disk_file *file, uint64_t bytes)
{
    struct disk_sim *sim = sim_of(disk);
    struct sim_inode *inode = file->inode;

    if (!alive_op(sim)) return KITH_E_IO;
    sim->image->counters.allocates++;
    if (bytes <= inode->now_bytes) return KITH_OK;
    return sim_inode_write(sim->image, inode, inode->now_bytes, NULL, bytes - inode->now_bytes);
}

/* A failing write stops in the middle: what came before the error is written like anything else. */
static kith_err write_part(struct disk_sim *sim, struct sim_inode *inode, uint64_t at, struct kith_slice bytes,
                           kith_err err)
{
    uint64_t len = kith_prng_below(&sim->image->prng, bytes.len + 1);

    if (sim_inode_write(sim->image, inode, at, bytes.ptr, len) != KITH_OK) return KITH_E_NOSPACE;
    return err;
}

static kith_err sim_write(struct disk *disk, struct disk_file *file, uint64_t at, struct kith_slice bytes)
{
    struct disk_sim *sim = sim_of(disk);
    struct sim_image *image = sim->image;
    struct sim_image_faults *faults = &image->faults;
    bool was_alive = alive(sim);

    if (!alive_op(sim)) {
        /* The very write at which the power goes may have begun. */
        if (was_alive) (void)write_part(sim, file->inode, at, bytes, KITH_E_IO);
        return KITH_E_IO;
    }
    image->counters.writes++;
    if (hits(image, &faults->write_failures, faults->write_fail_permille)) {
        image->counters.write_failures++;
        return write_part(sim, file->inode, at, bytes, KITH_E_IO);
    }
    if (hits(image, &faults->full_writes, faults->full_write_permille)) {
        image->counters.full_failures++;
        return write_part(sim, file->inode, at, bytes, KITH_E_NOSPACE);
    }
    return sim_inode_write(image, file->inode, at, bytes.ptr, bytes.len);
}

static void sync_start_delay(struct disk_sim *sim)
{
    uint32_t max_ms = sim->image->faults.sync_delay_ms_max;

    loop_timer_start(sim->loop, &sim->delay, kith_prng_between(&sim->image->prng, 0, max_ms));
}

static void sync_complete(struct loop_timer *timer)
{
    struct disk_sim *sim = (struct disk_sim *)((char *)timer - offsetof(struct disk_sim, delay));
    struct sim_image *image = sim->image;
    struct sync_wait *wait = sim->head;
    struct disk_sync *op = wait->op;
    struct sim_inode *inode = op->file->inode;

    sim->head = wait->next;
    if (sim->head == NULL)
        sim->tail = &sim->head;
    else
        sync_start_delay(sim);

    op->err = KITH_E_IO;
    if (alive_op(sim)) {
        bool fails = hits(image, &image->faults.sync_failures, image->faults.sync_fail_permille);
        uint64_t count = wait->writes_until > inode->writes_saved ? wait->writes_until - inode->writes_saved : 0;
        sim_inode_save(image, inode, count, fails);
        if (fails)
            image->counters.sync_failures++;
        else
            image->counters.syncs++;
        if (!fails) op->err = KITH_OK;
    }
    free(wait);
    if (sim->life == image->life) op->done(op);
}

static void sim_sync(struct disk *disk, struct disk_sync *op)
{
    struct disk_sim *sim = sim_of(disk);
    struct sync_wait *wait = calloc(1, sizeof *wait);

    assert(wait != NULL && sim->loop != NULL);
    *wait = (struct sync_wait){.op = op, .writes_until = op->file->inode->writes_saved + op->file->inode->write_count};
    *sim->tail = wait;
    sim->tail = &wait->next;
    if (sim->head == wait) sync_start_delay(sim);
}

static kith_err sim_rename(struct disk *disk, const char *from, const char *to)
{
    struct disk_sim *sim = sim_of(disk);
    struct sim_change change = {.kind = SIM_RENAME};

    if (!alive_op(sim)) return KITH_E_IO;
    change.inode = sim_names_find(&sim->image->now, from);
    if (change.inode == NULL) return KITH_E_NOTFOUND;
    (void)snprintf(change.from, sizeof change.from, "%s", from);
    (void)snprintf(change.to, sizeof change.to, "%s", to);
    sim_image_change(sim->image, &change);
    return KITH_OK;
}

static kith_err sim_remove(struct disk *disk, const char *name)
{
    struct disk_sim *sim = sim_of(disk);
    struct sim_change change = {.kind = SIM_REMOVE};

    if (!alive_op(sim)) return KITH_E_IO;
    change.inode = sim_names_find(&sim->image->now, name);
    if (change.inode == NULL) return KITH_E_NOTFOUND;
    (void)snprintf(change.from, sizeof change.from, "%s", name);
    sim_image_change(sim->image, &change);
    return KITH_OK;
}

static kith_err sim_sync_dir(struct disk *disk)
{
    struct disk_sim *sim = sim_of(disk);

    if (!alive_op(sim)) return KITH_E_IO;
    if (hits(sim->image, &sim->image->faults.dir_sync_failures, sim->image->faults.dir_sync_fail_permille)) {
        sim->image->counters.dir_sync_failures++;
        return KITH_E_IO;
    }
    sim_image_sync_names(sim->image);
    sim->image->counters.dir_syncs++;
    return KITH_OK;
}

static const struct disk_ops sim_ops = {
    .name = "sim",
    .list = sim_list,
    .open = sim_open,
    .close = sim_file_close,
    .allocate = sim_allocate,
    .size = sim_size,
    .read = sim_read,
    .write = sim_write,
    .sync = sim_sync,
    .rename = sim_rename,
    .remove = sim_remove,
    .sync_dir = sim_sync_dir,
};

struct disk *disk_sim_open(struct sim_image *image, struct loop *loop)
{
    struct disk_sim *sim = calloc(1, sizeof *sim);

    if (sim == NULL) return NULL;
    *sim = (struct disk_sim){.base.ops = &sim_ops, .loop = loop, .image = image, .life = image->life};
    sim->tail = &sim->head;
    sim->delay.fire = sync_complete;
    return &sim->base;
}

void disk_sim_close(struct disk *disk)
{
    struct disk_sim *sim;

    if (disk == NULL) return;
    sim = sim_of(disk);
    while (sim->head != NULL) {
        struct sync_wait *wait = sim->head;
        sim->head = wait->next;
        free(wait);
    }
    while (sim->files != NULL) sim_file_close(disk, sim->files);
    free(sim);
}
