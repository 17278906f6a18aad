#ifndef KITH_TESTS_TEMP_DIR_H
#define KITH_TESTS_TEMP_DIR_H

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A folder of its own for a test, under $TMPDIR or /tmp. */
struct temp_dir {
    char path[128];
};

static inline void temp_dir_make(struct temp_dir *dir)
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(dir->path, sizeof dir->path, "%.90s/kith-test-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(dir->path) == NULL) abort();
}

static inline int temp_dir_remove_one(const char *path, const struct stat *at, int type, struct FTW *walk)
{
    (void)at, (void)type, (void)walk;
    return remove(path);
}

static inline void temp_dir_remove(struct temp_dir *dir)
{
    (void)nftw(dir->path, temp_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
