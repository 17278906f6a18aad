/* One suite for the disk port, run on disk_sim and on disk_posix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/disk/disk_posix.h"
#include "adapters/disk/disk_sim.h"
#include "loop/loop_sim.h"
#include "tests/temp_dir.h"

enum kind { SIM, POSIX };

struct bench {
    enum kind kind;
    struct sim_world *world;
    struct loop *loop;
    struct sim_image *image;
    struct temp_dir dir;
    struct disk *disk;
    unsigned synced;
    char names[512]; /* what list() told, as "name=bytes " */
};

static void bench_open(struct bench *bench)
{
    if (bench->kind == SIM)
        bench->disk = disk_sim_open(bench->image, bench->loop);
    else
        assert_int_equal(disk_posix_open(bench->dir.path, bench->loop, true, &bench->disk), KITH_OK);
}

static void bench_close(struct bench *bench)
{
    if (bench->kind == SIM)
        disk_sim_close(bench->disk);
    else
        disk_posix_close(bench->disk);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    assert_non_null(bench);
    bench->kind = *(const enum kind *)*state;
    bench->world = sim_world_new(1);
    bench->loop = sim_loop_new(bench->world, "disk");
    bench->image = sim_image_new(1);
    if (bench->kind == POSIX) temp_dir_make(&bench->dir);
    bench_open(bench);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    bench_close(bench);
    if (bench->kind == POSIX) temp_dir_remove(&bench->dir);
    sim_image_free(bench->image);
    sim_world_free(bench->world);
    free(bench);
    return 0;
}

static struct disk_file *file_open(struct bench *bench, const char *name, bool create)
{
    struct disk_file *file = NULL;

    assert_int_equal(bench->disk->ops->open(bench->disk, name, create, &file), KITH_OK);
    return file;
}

static void file_write(struct bench *bench, struct disk_file *file, uint64_t at, const char *text)
{
    assert_int_equal(bench->disk->ops->write(bench->disk, file, at, kith_slice_str(text)), KITH_OK);
}

static void file_holds(struct bench *bench, const char *name, const char *text)
{
    struct disk_file *file = file_open(bench, name, false);
    char bytes[256];
    size_t got = 0;

    assert_int_equal(bench->disk->ops->read(bench->disk, file, 0, bytes, sizeof bytes, &got), KITH_OK);
    assert_int_equal(got, strlen(text));
    assert_memory_equal(bytes, text, got);
    bench->disk->ops->close(bench->disk, file);
}

static void list_one(void *arg, const char *name, uint64_t bytes)
{
    struct bench *bench = arg;
    size_t used = strlen(bench->names);

    (void)snprintf(bench->names + used, sizeof bench->names - used, "%s=%u ", name, (unsigned)bytes);
}

static const char *list(struct bench *bench)
{
    bench->names[0] = '\0';
    assert_int_equal(bench->disk->ops->list(bench->disk, list_one, bench), KITH_OK);
    return bench->names;
}

static void test_disk__reads_what_was_written_and_zeros_between(void **state)
{
    struct bench *bench = *state;
    struct disk_file *file = file_open(bench, "a", true);
    char bytes[16] = {0};
    uint64_t size = 0;
    size_t got = 0;

    file_write(bench, file, 4, "wxyz");
    file_write(bench, file, 6, "Y");
    assert_int_equal(bench->disk->ops->size(bench->disk, file, &size), KITH_OK);
    assert_int_equal(size, 8);
    assert_int_equal(bench->disk->ops->read(bench->disk, file, 0, bytes, sizeof bytes, &got), KITH_OK);
    assert_int_equal(got, 8);
    assert_memory_equal(bytes, "\0\0\0\0wxYz", 8);
    assert_int_equal(bench->disk->ops->read(bench->disk, file, 6, bytes, 1, &got), KITH_OK);
    assert_int_equal(got, 1);
    assert_int_equal(bench->disk->ops->read(bench->disk, file, 8, bytes, 1, &got), KITH_OK);
    assert_int_equal(got, 0);
    bench->disk->ops->close(bench->disk, file);
    bench->disk->ops->close(bench->disk, NULL);
}

static void test_disk__allocates_zeros_and_leaves_what_is_there(void **state)
{
    struct bench *bench = *state;
    struct disk_file *file = file_open(bench, "a", true);
    uint64_t size = 0;
    uint8_t byte = 1;
    size_t got = 0;

    file_write(bench, file, 0, "abc");
    assert_int_equal(bench->disk->ops->allocate(bench->disk, file, 100000), KITH_OK);
    assert_int_equal(bench->disk->ops->allocate(bench->disk, file, 5000), KITH_OK); /* never shorter */
    assert_int_equal(bench->disk->ops->size(bench->disk, file, &size), KITH_OK);
    assert_int_equal(size, 100000);
    assert_int_equal(bench->disk->ops->read(bench->disk, file, 2, &byte, 1, &got), KITH_OK);
    assert_int_equal(byte, 'c');
    for (uint64_t at = 3; at < size; at += 991) {
        assert_int_equal(bench->disk->ops->read(bench->disk, file, at, &byte, 1, &got), KITH_OK);
        assert_int_equal(byte, 0);
    }
    bench->disk->ops->close(bench->disk, file);
}

static void test_disk__opens_only_what_is_there_unless_asked_to_make_it(void **state)
{
    struct bench *bench = *state;
    struct disk_file *file = NULL;

    assert_int_equal(bench->disk->ops->open(bench->disk, "a", false, &file), KITH_E_NOTFOUND);
    assert_null(file);
    bench->disk->ops->close(bench->disk, file_open(bench, "a", true));
    bench->disk->ops->close(bench->disk, file_open(bench, "a", true));
    bench->disk->ops->close(bench->disk, file_open(bench, "a", false));
    assert_string_equal(list(bench), "a=0 ");
}

static void test_disk__renames_over_and_removes(void **state)
{
    struct bench *bench = *state;
    struct disk_file *a = file_open(bench, "a", true), *b = file_open(bench, "b", true);

    file_write(bench, a, 0, "from a");
    file_write(bench, b, 0, "from b!");
    assert_int_equal(bench->disk->ops->rename(bench->disk, "a", "b"), KITH_OK);
    file_write(bench, a, 0, "FROM"); /* an open file follows its new name */
    file_holds(bench, "b", "FROM a");
    assert_string_equal(list(bench), "b=6 ");
    assert_int_equal(bench->disk->ops->rename(bench->disk, "a", "c"), KITH_E_NOTFOUND);
    assert_int_equal(bench->disk->ops->remove(bench->disk, "b"), KITH_OK);
    assert_int_equal(bench->disk->ops->remove(bench->disk, "b"), KITH_E_NOTFOUND);
    assert_int_equal(bench->disk->ops->sync_dir(bench->disk), KITH_OK);
    assert_string_equal(list(bench), "");
    bench->disk->ops->close(bench->disk, a);
    bench->disk->ops->close(bench->disk, b);
}

static struct bench *synced_bench;

static void on_synced(struct disk_sync *op)
{
    assert_int_equal(op->err, KITH_OK);
    synced_bench->synced++;
}

static void test_disk__syncs_later_once_on_the_loop(void **state)
{
    struct bench *bench = *state;
    struct disk_file *file = file_open(bench, "a", true);
    struct disk_sync ops[3] = {
        {.file = file, .done = on_synced}, {.file = file, .done = on_synced}, {.file = file, .done = on_synced}};

    synced_bench = bench;
    file_write(bench, file, 0, "abc");
    for (int i = 0; i < 3; i++) disk_sync(bench->disk, &ops[i]);
    assert_int_equal(bench->synced, 0); /* never inside the call */
    assert_true(sim_world_run(bench->world, 1000));
    assert_int_equal(bench->synced, 3);
    bench->disk->ops->close(bench->disk, file);
}

static void test_disk__keeps_its_files_when_it_is_opened_again(void **state)
{
    struct bench *bench = *state;
    struct disk_file *file = file_open(bench, "a", true);

    file_write(bench, file, 0, "abc");
    bench->disk->ops->close(bench->disk, file);
    bench_close(bench);
    bench_open(bench);
    file_holds(bench, "a", "abc");
}

static enum kind kinds[] = {SIM, POSIX};

#define ON(f, kind, text) {#f " [" text "]", f, setup, teardown, &kinds[kind]}
#define ON_EACH(f)        ON(f, SIM, "sim"), ON(f, POSIX, "posix")

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(test_disk__reads_what_was_written_and_zeros_between),
        ON_EACH(test_disk__allocates_zeros_and_leaves_what_is_there),
        ON_EACH(test_disk__opens_only_what_is_there_unless_asked_to_make_it),
        ON_EACH(test_disk__renames_over_and_removes),
        ON_EACH(test_disk__syncs_later_once_on_the_loop),
        ON_EACH(test_disk__keeps_its_files_when_it_is_opened_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
