#include "adapters/disk/sim_image_impl.h"

#include <stdio.h>
#include <stdlib.h>

/* Without memory the medium cannot be what it claims to be, and the run is void. */
static void *list_grow(void *list, size_t bytes)
{
    void *grown = realloc(list, bytes);

    assert(grown != NULL);
    return grown;
}

/* ---------------------------------------------------------------------------------------------- names */

static size_t names_index(const struct sim_names *names, const char *name)
{
    size_t i = 0;

    while (i < names->count && strcmp(names->list[i].name, name) != 0) i++;
    return i;
}

struct sim_inode *sim_names_find(const struct sim_names *names, const char *name)
{
    size_t i = names_index(names, name);

    return i == names->count ? NULL : names->list[i].inode;
}

static void names_put(struct sim_names *names, const char *name, struct sim_inode *inode)
{
    size_t i = names_index(names, name);

    if (i == names->count) {
        assert(names->count < SIM_NAMES_MAX);
        /* Kept in the order of bytes, so that nothing depends on the order in which a run made them. */
        for (i = names->count++; i > 0 && strcmp(names->list[i - 1].name, name) > 0; i--)
            names->list[i] = names->list[i - 1];
        (void)snprintf(names->list[i].name, sizeof names->list[i].name, "%s", name);
    }
    names->list[i].inode = inode;
}

static void names_drop(struct sim_names *names, const char *name)
{
    size_t i = names_index(names, name);

    if (i == names->count) return;
    for (names->count--; i < names->count; i++) names->list[i] = names->list[i + 1];
}

static void names_apply(struct sim_names *names, const struct sim_change *change)
{
    struct sim_inode *inode = sim_names_find(names, change->from);

    switch (change->kind) {
    case SIM_CREATE: names_put(names, change->from, change->inode); break;
    case SIM_RENAME:
        /* The file's own name was lost, and the file with it; another one may still have that name. */
        if (inode == NULL || inode != change->inode) break;
        names_drop(names, change->from);
        names_put(names, change->to, inode);
        break;
    case SIM_REMOVE:
        if (inode == change->inode) names_drop(names, change->from);
        break;
    }
}

void sim_image_change(struct sim_image *image, const struct sim_change *change)
{
    if (image->change_count == image->change_cap) {
        image->change_cap = image->change_cap == 0 ? 8 : image->change_cap * 2;
        image->changes = list_grow(image->changes, image->change_cap * sizeof *image->changes);
    }
    image->changes[image->change_count++] = *change;
    names_apply(&image->now, change);
    sim_image_sweep(image);
}

void sim_image_sync_names(struct sim_image *image)
{
    image->platter = image->now;
    image->change_count = 0;
    sim_image_sweep(image);
}

static bool names_hold(const struct sim_names *names, const struct sim_inode *inode)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->list[i].inode == inode) return true;
    return false;
}

static void writes_forget(struct sim_inode *inode, size_t count)
{
    for (size_t i = 0; i < count; i++) free(inode->writes[i].bytes);
    inode->write_count -= count;
    inode->writes_saved += count;
    memmove(inode->writes, inode->writes + count, inode->write_count * sizeof *inode->writes);
}

void sim_image_sweep(struct sim_image *image)
{
    struct sim_inode **at = &image->inodes;

    while (*at != NULL) {
        struct sim_inode *inode = *at;
        bool held = inode->open > 0 || names_hold(&image->now, inode) || names_hold(&image->platter, inode);
        for (size_t i = 0; i < image->change_count && !held; i++) held = image->changes[i].inode == inode;
        if (held) {
            at = &inode->next;
            continue;
        }
        *at = inode->next;
        if (inode->write_count > 0) writes_forget(inode, inode->write_count);
        free(inode->writes);
        free(inode->now);
        free(inode->platter);
        free(inode);
    }
}

kith_err sim_image_create(struct sim_image *image, const char *name, struct sim_inode **out)
{
    struct sim_change change = {.kind = SIM_CREATE};
    struct sim_inode *inode;

    if (image->now.count == SIM_NAMES_MAX / 2) return KITH_E_NOSPACE; /* half: the platter may hold others */
    inode = calloc(1, sizeof *inode);
    if (inode == NULL) return KITH_E_NOMEM;
    inode->next = image->inodes;
    image->inodes = inode;
    change.inode = inode;
    (void)snprintf(change.from, sizeof change.from, "%s", name);
    sim_image_change(image, &change);
    *out = inode;
    return KITH_OK;
}

/* ---------------------------------------------------------------------------------------------- bytes */

static void bytes_grow(uint8_t **bytes, uint64_t *size, uint64_t to)
{
    if (to <= *size) return;
    *bytes = list_grow(*bytes, to);
    memset(*bytes + *size, 0, to - *size);
    *size = to;
}

static uint64_t image_used(const struct sim_image *image)
{
    uint64_t used = 0;

    for (const struct sim_inode *inode = image->inodes; inode != NULL; inode = inode->next)
        if (inode->open > 0 || names_hold(&image->now, inode)) used += inode->now_bytes;
    return used;
}

static void write_put(uint8_t **bytes, uint64_t *size, uint64_t at, const uint8_t *from, uint64_t len)
{
    if (len == 0) return;
    bytes_grow(bytes, size, at + len);
    if (from == NULL)
        memset(*bytes + at, 0, len);
    else
        memcpy(*bytes + at, from, len);
}

kith_err sim_inode_write(struct sim_image *image, struct sim_inode *inode, uint64_t at, const uint8_t *bytes,
                         uint64_t len)
{
    struct sim_write *write;

    if (at + len > inode->now_bytes && image->faults.capacity_bytes != UINT64_MAX &&
        image_used(image) + (at + len - inode->now_bytes) > image->faults.capacity_bytes) {
        image->counters.full_failures++;
        return KITH_E_NOSPACE;
    }
    if (inode->write_count == inode->write_cap) {
        inode->write_cap = inode->write_cap == 0 ? 8 : inode->write_cap * 2;
        inode->writes = list_grow(inode->writes, inode->write_cap * sizeof *inode->writes);
    }
    write = &inode->writes[inode->write_count++];
    *write = (struct sim_write){.at = at, .len = len};
    if (bytes != NULL && len > 0) {
        write->bytes = malloc(len);
        assert(write->bytes != NULL);
        memcpy(write->bytes, bytes, len);
    }
    write_put(&inode->now, &inode->now_bytes, at, bytes, len);
    return KITH_OK;
}

/* How many of `count` writes reached a sector: a number of the seed's for each sector. */
struct survival {
    enum { NOTHING, EVERYTHING, PREFIX_THEN_TORN, ANY_SECTOR, SURVIVALS } kind;
    uint64_t salt, prefix, count;
};

static uint64_t survival_of(const struct survival *how, uint64_t sector)
{
    uint64_t z = (how->salt + sector) * 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z ^= z >> 31;
    switch (how->kind) {
    case NOTHING: return 0;
    case PREFIX_THEN_TORN: return how->prefix + (z & 1);
    case ANY_SECTOR: return z % (how->count + 1);
    case EVERYTHING:
    default: return how->count;
    }
}

/* Returns how many of the write's bytes reached the platter. */
static uint64_t write_survive(struct sim_inode *inode, const struct sim_write *write, uint64_t index,
                              const struct survival *how)
{
    uint64_t done = 0, kept = 0;

    while (done < write->len) {
        uint64_t at = write->at + done, sector = at / SIM_SECTOR_BYTES;
        uint64_t len = (sector + 1) * SIM_SECTOR_BYTES - at;
        if (len > write->len - done) len = write->len - done;
        if (index < survival_of(how, sector)) {
            write_put(&inode->platter, &inode->platter_bytes, at, write->bytes == NULL ? NULL : write->bytes + done,
                      len);
            kept += len;
        }
        done += len;
    }
    return kept;
}

void sim_inode_save(struct sim_image *image, struct sim_inode *inode, size_t count, bool dropped)
{
    struct survival how = {.kind = EVERYTHING, .count = count};

    assert(count <= inode->write_count);
    if (count == 0) return;
    if (dropped) {
        how.kind = kith_prng_below(&image->prng, SURVIVALS);
        how.salt = kith_prng_next(&image->prng);
        how.prefix = kith_prng_below(&image->prng, count);
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t kept = write_survive(inode, &inode->writes[i], i, &how);
        if (!dropped) continue;
        if (kept == 0)
            image->counters.lost_writes++;
        else if (kept < inode->writes[i].len)
            image->counters.torn_writes++;
        else
            image->counters.kept_writes++;
    }
    writes_forget(inode, count);
}

/* ---------------------------------------------------------------------------------------------- the image */

struct sim_image *sim_image_new(uint64_t seed)
{
    struct sim_image *image = calloc(1, sizeof *image);

    if (image == NULL) return NULL;
    kith_prng_seed(&image->prng, seed);
    image->faults.capacity_bytes = UINT64_MAX;
    return image;
}

void sim_image_free(struct sim_image *image)
{
    if (image == NULL) return;
    image->now.count = image->platter.count = image->change_count = 0;
    sim_image_sweep(image);
    assert(image->inodes == NULL); /* an open file */
    free(image->changes);
    free(image);
}

struct sim_image *sim_image_clone(const struct sim_image *image)
{
    struct sim_image *copy = sim_image_new(0);

    if (copy == NULL) return NULL;
    for (size_t i = 0; i < image->now.count; i++) {
        const struct sim_inode *from = image->now.list[i].inode;
        struct sim_inode *to = NULL;
        if (sim_image_create(copy, image->now.list[i].name, &to) != KITH_OK ||
            sim_inode_write(copy, to, 0, from->now, from->now_bytes) != KITH_OK) {
            sim_image_free(copy);
            return NULL;
        }
        sim_inode_save(copy, to, 1, false);
    }
    sim_image_sync_names(copy);
    copy->prng = image->prng;
    return copy;
}

struct sim_image_faults *sim_image_faults(struct sim_image *image)
{
    return &image->faults;
}

const struct sim_image_counters *sim_image_counters(const struct sim_image *image)
{
    return &image->counters;
}

bool sim_image_is_off(const struct sim_image *image)
{
    return image->off;
}

bool sim_image_op(struct sim_image *image)
{
    if (!image->off && image->faults.off_after_ops > 0 && --image->faults.off_after_ops == 0) image->off = true;
    if (image->off) image->counters.off_ops++;
    return !image->off;
}

void sim_image_crash(struct sim_image *image)
{
    bool prefix_only = kith_prng_chance(&image->prng, 1, 2);
    uint64_t keep = kith_prng_below(&image->prng, image->change_count + 1);

    for (size_t i = 0; i < image->change_count; i++) {
        bool kept = prefix_only ? i < keep : kith_prng_chance(&image->prng, 1, 2);
        if (kept) names_apply(&image->platter, &image->changes[i]);
        if (kept)
            image->counters.kept_names++;
        else
            image->counters.lost_names++;
    }
    image->change_count = 0;
    image->now = image->platter;
    for (struct sim_inode *inode = image->inodes; inode != NULL; inode = inode->next) {
        sim_inode_save(image, inode, inode->write_count, true);
        free(inode->now);
        inode->now = NULL;
        inode->now_bytes = 0;
        write_put(&inode->now, &inode->now_bytes, 0, inode->platter, inode->platter_bytes);
    }
    image->life++;
    image->off = false;
    image->faults.off_after_ops = 0;
    image->counters.crashes++;
    sim_image_sweep(image);
}

/* ---------------------------------------------------------------------------------------------- damage */

kith_err sim_image_overwrite(struct sim_image *image, const char *name, uint64_t at, struct kith_slice bytes)
{
    struct sim_inode *inode = sim_names_find(&image->now, name);

    if (inode == NULL || at + bytes.len > inode->now_bytes) return KITH_E_NOTFOUND;
    memcpy(inode->now + at, bytes.ptr, bytes.len);
    write_put(&inode->platter, &inode->platter_bytes, at, bytes.ptr, bytes.len);
    return KITH_OK;
}

kith_err sim_image_flip(struct sim_image *image, const char *name, uint64_t bit)
{
    struct sim_inode *inode = sim_names_find(&image->now, name);
    uint8_t byte;

    if (inode == NULL || bit / 8 >= inode->now_bytes) return KITH_E_NOTFOUND;
    byte = (uint8_t)(inode->now[bit / 8] ^ 1u << bit % 8);
    image->counters.flipped_bits++;
    return sim_image_overwrite(image, name, bit / 8, kith_slice_of(&byte, 1));
}

kith_err sim_image_truncate(struct sim_image *image, const char *name, uint64_t bytes)
{
    struct sim_inode *inode = sim_names_find(&image->now, name);

    if (inode == NULL || bytes > inode->now_bytes) return KITH_E_NOTFOUND;
    inode->now_bytes = bytes;
    if (inode->platter_bytes > bytes) inode->platter_bytes = bytes;
    image->counters.truncations++;
    return KITH_OK;
}

kith_err sim_image_swap(struct sim_image *image, const char *one, const char *other)
{
    struct sim_inode *a = sim_names_find(&image->now, one), *b = sim_names_find(&image->now, other);

    if (a == NULL || b == NULL) return KITH_E_NOTFOUND;
    names_put(&image->now, one, b);
    names_put(&image->now, other, a);
    sim_image_sync_names(image);
    return KITH_OK;
}

kith_err sim_image_remove(struct sim_image *image, const char *name)
{
    if (sim_names_find(&image->now, name) == NULL) return KITH_E_NOTFOUND;
    names_drop(&image->now, name);
    sim_image_sync_names(image);
    return KITH_OK;
}

kith_err sim_image_peek(struct sim_image *image, const char *name, struct kith_slice *out)
{
    struct sim_inode *inode = sim_names_find(&image->now, name);

    if (inode == NULL) return KITH_E_NOTFOUND;
    *out = kith_slice_of(inode->now, inode->now_bytes);
    return KITH_OK;
}

const char *sim_image_name(const struct sim_image *image, size_t index)
{
    return index < image->now.count ? image->now.list[index].name : NULL;
}
