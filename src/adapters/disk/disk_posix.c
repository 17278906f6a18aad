#include "adapters/disk/disk_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct disk_file {
    int fd;
    bool sync_failed;
};

struct disk_posix {
    struct disk base;
    struct loop *loop;
    int folder_fd;
    bool writable;
    unsigned open_files;
};

static const struct disk_ops posix_ops;

static struct disk_posix *posix_of(struct disk *disk)
{
    assert(disk->ops == &posix_ops);
    return (struct disk_posix *)disk;
}

static kith_err err_of(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return KITH_E_NOSPACE;
    case ENOENT: return KITH_E_NOTFOUND;
    case ENOMEM: return KITH_E_NOMEM;
    case EWOULDBLOCK: return KITH_E_CONFLICT;
    default: return KITH_E_IO;
    }
}

static kith_err fd_sync(int fd, int (*sync)(int))
{
    /* Only an interrupted call is made again: one that failed has thrown the data away, and its repetition would lie. */
    while (sync(fd) != 0)
        if (errno != EINTR) return KITH_E_IO;
    return KITH_OK;
}

/* The folder's own name is durable only when its parent was synced. */
static kith_err folder_make(const char *path)
{
    int folder_fd, parent_fd;
    kith_err err;

    if (mkdir(path, 0700) != 0) return errno == EEXIST ? KITH_OK : err_of(errno);
    folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) return err_of(errno);
    parent_fd = openat(folder_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err = parent_fd < 0 ? err_of(errno) : fd_sync(parent_fd, fsync);
    if (parent_fd >= 0) close(parent_fd);
    close(folder_fd);
    return err;
}

kith_err disk_posix_open(const char *path, struct loop *loop, bool writable, struct disk **out)
{
    struct disk_posix *posix;
    kith_err err = writable ? folder_make(path) : KITH_OK;

    *out = NULL;
    if (err != KITH_OK) return err;
    posix = calloc(1, sizeof *posix);
    if (posix == NULL) return KITH_E_NOMEM;
    *posix = (struct disk_posix){.base.ops = &posix_ops, .loop = loop, .writable = writable};
    posix->folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (posix->folder_fd < 0 || (writable && flock(posix->folder_fd, LOCK_EX | LOCK_NB) != 0)) {
        err = err_of(errno);
        disk_posix_close(&posix->base);
        return err;
    }
    *out = &posix->base;
    return KITH_OK;
}

void disk_posix_close(struct disk *disk)
{
    struct disk_posix *posix;

    if (disk == NULL) return;
    posix = posix_of(disk);
    assert(posix->open_files == 0);
    if (posix->folder_fd >= 0) close(posix->folder_fd);
    free(posix);
}

static kith_err posix_list(struct disk *disk, void (*each)(void *arg, const char *name, uint64_t bytes), void *arg)
{
    int fd = openat(posix_of(disk)->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    kith_err err = KITH_OK;

    if (dir == NULL) {
        err = err_of(errno);
        if (fd >= 0) close(fd);
        return err;
    }
    for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
        struct stat st;
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) continue;
            break;
        }
        if (S_ISREG(st.st_mode) && strlen(entry->d_name) < DISK_NAME_BYTES_MAX)
            each(arg, entry->d_name, (uint64_t)st.st_size);
    }
    if (errno != 0) err = err_of(errno);
    closedir(dir);
    return err;
}

static kith_err posix_file_open(struct disk *disk, const char *name, bool create, struct disk_file **out)
{
    struct disk_posix *posix = posix_of(disk);
    struct disk_file *file;
    int flags = O_CLOEXEC | O_NOFOLLOW | (posix->writable ? O_RDWR : O_RDONLY) | (create ? O_CREAT : 0);

    assert(strlen(name) < DISK_NAME_BYTES_MAX && strchr(name, '/') == NULL);
    assert(!create || posix->writable);
    *out = NULL;
    file = calloc(1, sizeof *file);
    if (file == NULL) return KITH_E_NOMEM;
    file->fd = openat(posix->folder_fd, name, flags, 0600);
    if (file->fd < 0) {
        kith_err err = err_of(errno);
        free(file);
        return err;
    }
    posix->open_files++;
    *out = file;
    return KITH_OK;
}

static void posix_file_close(struct disk *disk, struct disk_file *file)
{
    struct disk_posix *posix = posix_of(disk);

    if (file == NULL) return;
    assert(posix->open_files > 0);
    posix->open_files--;
    close(file->fd);
    free(file);
}

static kith_err fd_write(int fd, uint64_t at, struct kith_slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = pwrite(fd, bytes.ptr, bytes.len, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n == 0 ? KITH_E_IO : err_of(errno);
        at += (uint64_t)n;
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
    return KITH_OK;
}

static kith_err posix_size(struct disk *disk, struct disk_file *file, uint64_t *bytes)
{
    struct stat st;

    (void)disk;
    if (fstat(file->fd, &st) != 0) return err_of(errno);
    *bytes = (uint64_t)st.st_size;
    return KITH_OK;
}

/*
 * Reserved space alone is not enough: the first write into each reserved block changes the file's extents, and its sync
 * waits for the file system's journal as for a growing file. So the zeros are really written.
 */
static kith_err posix_allocate(struct disk *disk, struct disk_file *file, uint64_t bytes)
{
    static const uint8_t zeros[64 * 1024];
    uint64_t old = 0;
    kith_err err = posix_size(disk, file, &old);
    int number;

    if (err != KITH_OK || old >= bytes) return err;
    do number = posix_fallocate(file->fd, (off_t)old, (off_t)(bytes - old));
    while (number == EINTR);
    if (number != 0) err = err_of(number);
    for (uint64_t at = old; err == KITH_OK && at < bytes;) {
        size_t len = bytes - at < sizeof zeros ? (size_t)(bytes - at) : sizeof zeros;
        err = fd_write(file->fd, at, kith_slice_of(zeros, len));
        at += len;
    }
    /* All or nothing, so that a try on a full disk does not keep what little there is. */
    if (err != KITH_OK && ftruncate(file->fd, (off_t)old) != 0) return KITH_E_IO;
    return err;
}

static kith_err posix_read(struct disk *disk, struct disk_file *file, uint64_t at, void *out, size_t len, size_t *got)
{
    uint8_t *to = out;

    (void)disk;
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(file->fd, to + *got, len - *got, (off_t)(at + *got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_of(errno);
        if (n == 0) break;
        *got += (size_t)n;
    }
    return KITH_OK;
}

static kith_err posix_write(struct disk *disk, struct disk_file *file, uint64_t at, struct kith_slice bytes)
{
    (void)disk;
    return fd_write(file->fd, at, bytes);
}

static void sync_done(struct loop_task *task)
{
    struct disk_sync *op = (struct disk_sync *)((char *)task - offsetof(struct disk_sync, task));

    op->done(op);
}

static void posix_sync(struct disk *disk, struct disk_sync *op)
{
    struct disk_posix *posix = posix_of(disk);
    struct disk_file *file = op->file;

    assert(posix->loop != NULL && posix->writable);
    op->err = file->sync_failed ? KITH_E_IO : fd_sync(file->fd, fdatasync);
    file->sync_failed = op->err != KITH_OK;
    op->task.run = sync_done;
    loop_defer(posix->loop, &op->task);
}

static kith_err posix_rename(struct disk *disk, const char *from, const char *to)
{
    struct disk_posix *posix = posix_of(disk);

    return renameat(posix->folder_fd, from, posix->folder_fd, to) == 0 ? KITH_OK : err_of(errno);
}

static kith_err posix_remove(struct disk *disk, const char *name)
{
    return unlinkat(posix_of(disk)->folder_fd, name, 0) == 0 ? KITH_OK : err_of(errno);
}

static kith_err posix_sync_dir(struct disk *disk)
{
    return fd_sync(posix_of(disk)->folder_fd, fsync);
}

static const struct disk_ops posix_ops = {
    .name = "posix",
    .list = posix_list,
    .open = posix_file_open,
    .close = posix_file_close,
    .allocate = posix_allocate,
    .size = posix_size,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .rename = posix_rename,
    .remove = posix_remove,
    .sync_dir = posix_sync_dir,
};
