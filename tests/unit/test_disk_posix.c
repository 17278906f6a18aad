#include "adapters/disk/disk_posix.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/temp_dir.h"

static void test_disk_posix__makes_its_folder_and_locks_it(void **state)
{
    struct temp_dir dir;
    char path[160];
    struct disk *one = NULL, *two = NULL;
    struct stat st;

    (void)state;
    temp_dir_make(&dir);
    (void)snprintf(path, sizeof path, "%s/log", dir.path);
    assert_int_equal(disk_posix_open(path, NULL, false, &one), KITH_E_NOTFOUND);
    assert_int_equal(disk_posix_open(path, NULL, true, &one), KITH_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(disk_posix_open(path, NULL, true, &two), KITH_E_CONFLICT);
    assert_null(two);
    assert_int_equal(disk_posix_open(path, NULL, false, &two), KITH_OK); /* looking on is always possible */
    disk_posix_close(two);
    disk_posix_close(one);
    assert_int_equal(disk_posix_open(path, NULL, true, &two), KITH_OK);
    disk_posix_close(two);
    disk_posix_close(NULL);
    (void)snprintf(path, sizeof path, "%s/no/such", dir.path);
    assert_int_equal(disk_posix_open(path, NULL, true, &one), KITH_E_NOTFOUND);
    temp_dir_remove(&dir);
}

static void test_disk_posix__allocated_space_is_real_space(void **state)
{
    struct temp_dir dir;
    struct disk *disk = NULL;
    struct disk_file *file = NULL;
    char path[160];
    struct stat st;

    (void)state;
    temp_dir_make(&dir);
    assert_int_equal(disk_posix_open(dir.path, NULL, true, &disk), KITH_OK);
    assert_int_equal(disk->ops->open(disk, "f", true, &file), KITH_OK);
    assert_int_equal(disk->ops->allocate(disk, file, 1000 * 1000), KITH_OK);
    (void)snprintf(path, sizeof path, "%s/f", dir.path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 1000 * 1000);
    assert_true(st.st_blocks * 512 >= st.st_size);
    assert_int_equal(st.st_mode & 0777, 0600);
    disk->ops->close(disk, file);
    disk_posix_close(disk);
    temp_dir_remove(&dir);
}

/* A limit on file sizes stands in for a full disk. */
static void test_disk_posix__an_allocation_without_space_leaves_nothing_behind(void **state)
{
    struct rlimit old, small;
    struct temp_dir dir;
    struct disk *disk = NULL;
    struct disk_file *file = NULL;
    uint64_t bytes = 0;

    (void)state;
    temp_dir_make(&dir);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100 * 1000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(disk_posix_open(dir.path, NULL, true, &disk), KITH_OK);
    assert_int_equal(disk->ops->open(disk, "f", true, &file), KITH_OK);
    assert_int_equal(disk->ops->allocate(disk, file, 50 * 1000), KITH_OK);
    assert_int_equal(disk->ops->allocate(disk, file, 150 * 1000), KITH_E_NOSPACE);
    assert_int_equal(disk->ops->size(disk, file, &bytes), KITH_OK);
    assert_int_equal(bytes, 50 * 1000);
    assert_int_equal(disk->ops->write(disk, file, 100 * 1000 - 2, kith_slice_str("abc")), KITH_E_NOSPACE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(disk->ops->allocate(disk, file, 150 * 1000), KITH_OK);
    disk->ops->close(disk, file);
    disk_posix_close(disk);
    temp_dir_remove(&dir);
}

static void count_one(void *arg, const char *name, uint64_t bytes)
{
    assert_string_equal(name, "f");
    assert_int_equal(bytes, 0);
    ++*(unsigned *)arg;
}

static void test_disk_posix__lists_files_only(void **state)
{
    struct temp_dir dir;
    struct disk *disk = NULL;
    struct disk_file *file = NULL;
    char path[160];
    unsigned count = 0;

    (void)state;
    temp_dir_make(&dir);
    (void)snprintf(path, sizeof path, "%s/folder", dir.path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(disk_posix_open(dir.path, NULL, true, &disk), KITH_OK);
    assert_int_equal(disk->ops->open(disk, "f", true, &file), KITH_OK);
    assert_int_equal(disk->ops->list(disk, count_one, &count), KITH_OK);
    assert_int_equal(count, 1);
    disk->ops->close(disk, file);
    disk_posix_close(disk);
    temp_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_posix__makes_its_folder_and_locks_it),
        cmocka_unit_test(test_disk_posix__allocated_space_is_real_space),
        cmocka_unit_test(test_disk_posix__an_allocation_without_space_leaves_nothing_behind),
        cmocka_unit_test(test_disk_posix__lists_files_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
