#include "cli/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES  4200
#define TRIES_MAX   10
#define NAME        "key"
#define NAME_BEFORE "key.new" /* before it has its name */

static void path_of(const char *folder, const char *name, char out[static PATH_BYTES])
{
    (void)snprintf(out, PATH_BYTES, "%s/%s", folder, name);
}

static kith_err read_all(int fd, struct kith_buf *out)
{
    uint8_t bytes[KEY_FILE_BYTES_MAX + 1];
    size_t len = 0;
    ssize_t n = 1;
    kith_err err = KITH_OK;

    while (n > 0 && len < sizeof bytes) {
        n = read(fd, bytes + len, sizeof bytes - len);
        if (n > 0) len += (size_t)n;
        if (n < 0 && errno == EINTR) n = 1;
    }
    if (n < 0) err = KITH_E_IO;
    if (err == KITH_OK)
        err = len > KEY_FILE_BYTES_MAX ? KITH_E_TOOBIG : kith_buf_append(out, kith_slice_of(bytes, len));
    sodium_memzero(bytes, sizeof bytes);
    return err;
}

/* Has it lost its name meanwhile, it may be overwritten already: then the one that has the name is read. */
static bool is_replaced(int fd)
{
    struct stat now;

    return fstat(fd, &now) == 0 && now.st_nlink == 0;
}

kith_err key_file_read(const char *folder, struct kith_buf *out)
{
    char path[PATH_BYTES];
    kith_err err = KITH_E_AGAIN;

    path_of(folder, NAME, path);
    for (int i = 0; i < TRIES_MAX && err == KITH_E_AGAIN; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return errno == ENOENT ? KITH_E_NOTFOUND : KITH_E_IO;
        kith_buf_wipe(out);
        err = read_all(fd, out);
        if (is_replaced(fd)) err = KITH_E_AGAIN;
        (void)close(fd);
    }
    return err == KITH_E_AGAIN ? KITH_E_IO : err;
}

static bool write_all(int fd, struct kith_slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes = kith_slice_of(bytes.ptr + n, bytes.len - (size_t)n);
    }
    return fsync(fd) == 0;
}

static bool write_file(const char *path, struct kith_slice bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && fchmod(fd, 0600) == 0 && write_all(fd, bytes);

    if (fd >= 0 && close(fd) != 0) ok = false;
    return ok;
}

static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0) (void)close(fd);
    return ok;
}

/* The key without a passphrase, or under the old one, must not stay on the medium; of a file with another name it must. */
static void overwrite(int fd)
{
    static const uint8_t zeros[KEY_FILE_BYTES_MAX];

    if (is_replaced(fd)) (void)write_all(fd, kith_slice_of(zeros, sizeof zeros));
}

kith_err key_file_replace(const char *folder, struct kith_slice bytes)
{
    char before[PATH_BYTES], path[PATH_BYTES];
    int old, reason;
    bool ok;

    path_of(folder, NAME_BEFORE, before);
    path_of(folder, NAME, path);
    old = open(path, O_WRONLY | O_CLOEXEC);
    ok = write_file(before, bytes) && rename(before, path) == 0 && sync_folder(folder);
    reason = errno;
    if (ok && old >= 0) overwrite(old);
    if (old >= 0) (void)close(old);
    errno = reason;
    return ok ? KITH_OK : KITH_E_IO;
}

bool key_file_has_leftover(const char *folder)
{
    char path[PATH_BYTES];

    path_of(folder, NAME_BEFORE, path);
    return access(path, F_OK) == 0;
}

void key_file_drop_leftover(const char *folder)
{
    char path[PATH_BYTES];

    path_of(folder, NAME_BEFORE, path);
    (void)unlink(path);
}
