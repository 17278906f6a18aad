/* What disk_sim does that no real disk can be asked to: lose, tear, fail and fill up, by seed. */
#include "adapters/disk/disk_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loop/loop_sim.h"

#define SECTORS 8
#define SECTOR  512

struct machine {
    struct sim_world *world;
    struct loop *loop;
    struct sim_image *image;
    struct disk *disk;
    struct disk_file *file;
    struct disk_sync sync;
    unsigned synced;
};

static void on_synced(struct disk_sync *op)
{
    struct machine *machine = (struct machine *)((char *)op - offsetof(struct machine, sync));

    machine->synced++;
}

static void machine_start(struct machine *machine, uint64_t seed)
{
    *machine = (struct machine){.world = sim_world_new(seed), .image = sim_image_new(seed)};
    machine->loop = sim_loop_new(machine->world, "disk");
    machine->disk = disk_sim_open(machine->image, machine->loop);
    assert_int_equal(machine->disk->ops->open(machine->disk, "f", true, &machine->file), KITH_OK);
    assert_int_equal(machine->disk->ops->sync_dir(machine->disk), KITH_OK);
    machine->sync = (struct disk_sync){.file = machine->file, .done = on_synced};
}

static void machine_end(struct machine *machine)
{
    sim_loop_kill(machine->loop);
    disk_sim_close(machine->disk);
    sim_image_free(machine->image);
    sim_world_free(machine->world);
}

static kith_err fill(struct machine *machine, uint64_t at, uint8_t with, size_t len)
{
    uint8_t bytes[SECTORS * SECTOR];

    memset(bytes, with, len);
    return machine->disk->ops->write(machine->disk, machine->file, at, kith_slice_of(bytes, len));
}

static kith_err sync_now(struct machine *machine)
{
    machine->synced = 0;
    disk_sync(machine->disk, &machine->sync);
    assert_true(sim_world_run(machine->world, 100));
    assert_int_equal(machine->synced, 1);
    return machine->sync.err;
}

static struct kith_slice platter(struct machine *machine)
{
    struct kith_slice bytes = {0};

    assert_int_equal(sim_image_peek(machine->image, "f", &bytes), KITH_OK);
    return bytes;
}

static void test_disk_sim__a_power_cut_keeps_what_was_synced_and_any_of_the_rest(void **state)
{
    bool all = false, none = false, torn = false, reordered = false;

    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct machine machine;
        struct kith_slice bytes;
        machine_start(&machine, seed);
        assert_int_equal(fill(&machine, 0, 'a', SECTORS * SECTOR), KITH_OK);
        assert_int_equal(sync_now(&machine), KITH_OK);
        assert_int_equal(fill(&machine, 0, 'b', SECTORS * SECTOR), KITH_OK);
        assert_int_equal(fill(&machine, 0, 'c', SECTORS * SECTOR), KITH_OK);
        sim_image_crash(machine.image);
        bytes = platter(&machine);
        assert_int_equal(bytes.len, SECTORS * SECTOR);
        bool has[256] = {false};
        for (size_t at = 0; at < bytes.len; at++) {
            assert_true(bytes.ptr[at] >= 'a' && bytes.ptr[at] <= 'c');
            assert_int_equal(bytes.ptr[at], bytes.ptr[at / SECTOR * SECTOR]); /* a sector is whole */
            has[bytes.ptr[at]] = true;
        }
        none |= has['a'] && !has['b'] && !has['c'];
        all |= !has['a'] && !has['b'] && has['c'];
        torn |= has['b'] && has['c'];
        reordered |= has['a'] && has['c'];
        machine_end(&machine);
    }
    assert_true(all && none && torn && reordered);
}

static void test_disk_sim__a_sync_saves_what_was_written_before_it_and_no_more(void **state)
{
    bool lost = false;

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct machine machine;
        machine_start(&machine, seed);
        sim_image_faults(machine.image)->sync_delay_ms_max = 10;
        assert_int_equal(fill(&machine, 0, 'a', SECTOR), KITH_OK);
        disk_sync(machine.disk, &machine.sync);
        assert_int_equal(fill(&machine, SECTOR, 'b', SECTOR), KITH_OK);
        assert_true(sim_world_run(machine.world, 100));
        assert_int_equal(machine.sync.err, KITH_OK);
        sim_image_crash(machine.image);
        assert_true(platter(&machine).len >= SECTOR);
        assert_int_equal(platter(&machine).ptr[0], 'a');
        lost |= platter(&machine).len == SECTOR;
        machine_end(&machine);
    }
    assert_true(lost);
}

/* As Linux does: the pages stay readable, count as clean, and are not on the disk. */
static void test_disk_sim__a_failed_sync_loses_the_data_and_the_next_one_says_ok(void **state)
{
    bool lost = false;

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct machine machine;
        machine_start(&machine, seed);
        sim_image_faults(machine.image)->sync_failures = 1;
        assert_int_equal(fill(&machine, 0, 'a', SECTOR), KITH_OK);
        assert_int_equal(sync_now(&machine), KITH_E_IO);
        assert_int_equal(platter(&machine).len, SECTOR);
        assert_int_equal(sync_now(&machine), KITH_OK);
        sim_image_crash(machine.image);
        lost |= platter(&machine).len == 0;
        machine_end(&machine);
    }
    assert_true(lost);
}

static void test_disk_sim__a_killed_process_loses_nothing(void **state)
{
    struct machine machine;

    (void)state;
    machine_start(&machine, 1);
    assert_int_equal(fill(&machine, 0, 'a', SECTOR), KITH_OK);
    disk_sync(machine.disk, &machine.sync);
    sim_loop_kill(machine.loop);
    disk_sim_close(machine.disk);
    assert_true(sim_world_idle(machine.world));
    machine.disk = disk_sim_open(machine.image, machine.loop);
    assert_int_equal(platter(&machine).len, SECTOR);
    assert_int_equal(machine.synced, 0);
    machine_end(&machine);
}

static void test_disk_sim__names_that_were_not_synced_may_be_either_way(void **state)
{
    unsigned kept = 0, lost = 0, renamed = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct machine machine;
        struct kith_slice bytes;
        struct disk_file *file = NULL;
        machine_start(&machine, seed);
        assert_int_equal(machine.disk->ops->open(machine.disk, "new", true, &file), KITH_OK);
        assert_int_equal(machine.disk->ops->rename(machine.disk, "new", "newer"), KITH_OK);
        sim_image_crash(machine.image);
        assert_int_equal(sim_image_peek(machine.image, "f", &bytes), KITH_OK);
        if (sim_image_peek(machine.image, "newer", &bytes) == KITH_OK)
            renamed++;
        else if (sim_image_peek(machine.image, "new", &bytes) == KITH_OK)
            kept++;
        else
            lost++;
        machine_end(&machine);
    }
    assert_true(kept > 20 && lost > 20 && renamed > 20);
}

static void test_disk_sim__a_failed_sync_of_the_folder_saves_no_name(void **state)
{
    bool lost = false;

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct machine machine;
        struct kith_slice bytes;
        machine_start(&machine, seed);
        sim_image_faults(machine.image)->dir_sync_failures = 1;
        assert_int_equal(machine.disk->ops->rename(machine.disk, "f", "g"), KITH_OK);
        assert_int_equal(machine.disk->ops->sync_dir(machine.disk), KITH_E_IO);
        sim_image_crash(machine.image);
        lost |= sim_image_peek(machine.image, "f", &bytes) == KITH_OK;
        machine_end(&machine);
    }
    assert_true(lost);
}

static void test_disk_sim__is_full_at_its_capacity_and_not_one_byte_before(void **state)
{
    struct machine machine;

    (void)state;
    machine_start(&machine, 1);
    sim_image_faults(machine.image)->capacity_bytes = 3 * SECTOR;
    assert_int_equal(machine.disk->ops->allocate(machine.disk, machine.file, 3 * SECTOR + 1), KITH_E_NOSPACE);
    assert_int_equal(platter(&machine).len, 0);
    assert_int_equal(machine.disk->ops->allocate(machine.disk, machine.file, 3 * SECTOR), KITH_OK);
    assert_int_equal(fill(&machine, 0, 'a', 3 * SECTOR), KITH_OK); /* over what is there already */
    assert_int_equal(fill(&machine, 3 * SECTOR, 'a', 1), KITH_E_NOSPACE);
    assert_int_equal(machine.disk->ops->remove(machine.disk, "f"), KITH_OK);
    machine.disk->ops->close(machine.disk, machine.file);
    assert_int_equal(machine.disk->ops->open(machine.disk, "f", true, &machine.file), KITH_OK);
    assert_int_equal(machine.disk->ops->allocate(machine.disk, machine.file, 3 * SECTOR), KITH_OK);
    machine_end(&machine);
}

static void test_disk_sim__writes_fail_in_the_middle_on_command(void **state)
{
    struct machine machine;

    (void)state;
    machine_start(&machine, 1);
    sim_image_faults(machine.image)->write_failures = 1;
    assert_int_equal(fill(&machine, 0, 'a', SECTOR), KITH_E_IO);
    sim_image_faults(machine.image)->full_writes = 1;
    assert_int_equal(fill(&machine, 0, 'a', SECTOR), KITH_E_NOSPACE);
    assert_true(platter(&machine).len <= SECTOR);
    assert_int_equal(fill(&machine, 0, 'a', SECTOR), KITH_OK);
    assert_int_equal(sim_image_counters(machine.image)->write_failures, 1);
    assert_int_equal(sim_image_counters(machine.image)->full_failures, 1);
    machine_end(&machine);
}

static void test_disk_sim__without_power_everything_fails_until_it_is_back(void **state)
{
    struct machine machine;
    uint8_t byte;
    size_t got;

    (void)state;
    machine_start(&machine, 1);
    sim_image_faults(machine.image)->off_after_ops = 3;
    assert_int_equal(fill(&machine, 0, 'a', SECTOR), KITH_OK);
    assert_int_equal(sync_now(&machine), KITH_OK);
    assert_int_equal(fill(&machine, 0, 'b', SECTOR), KITH_E_IO);
    assert_true(sim_image_is_off(machine.image));
    assert_int_equal(machine.disk->ops->read(machine.disk, machine.file, 0, &byte, 1, &got), KITH_E_IO);
    assert_int_equal(machine.disk->ops->sync_dir(machine.disk), KITH_E_IO);
    sim_image_crash(machine.image);
    assert_false(sim_image_is_off(machine.image));
    assert_int_equal(fill(&machine, 0, 'b', SECTOR), KITH_E_IO); /* a door of the life before */
    sim_loop_kill(machine.loop);
    disk_sim_close(machine.disk);
    machine.disk = disk_sim_open(machine.image, machine.loop);
    assert_int_equal(machine.disk->ops->open(machine.disk, "f", false, &machine.file), KITH_OK);
    assert_int_equal(fill(&machine, 0, 'b', SECTOR), KITH_OK);
    machine_end(&machine);
}

static void test_disk_sim__a_clone_is_the_same_and_apart(void **state)
{
    struct machine machine;
    struct sim_image *copy;
    struct kith_slice bytes;

    (void)state;
    machine_start(&machine, 1);
    assert_int_equal(fill(&machine, 0, 'a', SECTOR), KITH_OK);
    copy = sim_image_clone(machine.image);
    assert_int_equal(sim_image_flip(copy, "f", 8), KITH_OK);
    assert_int_equal(sim_image_flip(copy, "f", 8 * SECTOR), KITH_E_NOTFOUND);
    assert_int_equal(sim_image_truncate(copy, "f", 100), KITH_OK);
    assert_int_equal(sim_image_peek(copy, "f", &bytes), KITH_OK);
    assert_int_equal(bytes.len, 100);
    assert_int_equal(bytes.ptr[1], 'a' ^ 1);
    sim_image_crash(copy); /* what was flipped is so on the platter */
    assert_int_equal(sim_image_peek(copy, "f", &bytes), KITH_OK);
    assert_int_equal(bytes.ptr[1], 'a' ^ 1);
    assert_int_equal(platter(&machine).len, SECTOR);
    assert_int_equal(platter(&machine).ptr[1], 'a');
    sim_image_free(copy);
    machine_end(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_sim__a_power_cut_keeps_what_was_synced_and_any_of_the_rest),
        cmocka_unit_test(test_disk_sim__a_sync_saves_what_was_written_before_it_and_no_more),
        cmocka_unit_test(test_disk_sim__a_failed_sync_loses_the_data_and_the_next_one_says_ok),
        cmocka_unit_test(test_disk_sim__a_killed_process_loses_nothing),
        cmocka_unit_test(test_disk_sim__names_that_were_not_synced_may_be_either_way),
        cmocka_unit_test(test_disk_sim__a_failed_sync_of_the_folder_saves_no_name),
        cmocka_unit_test(test_disk_sim__is_full_at_its_capacity_and_not_one_byte_before),
        cmocka_unit_test(test_disk_sim__writes_fail_in_the_middle_on_command),
        cmocka_unit_test(test_disk_sim__without_power_everything_fails_until_it_is_back),
        cmocka_unit_test(test_disk_sim__a_clone_is_the_same_and_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
