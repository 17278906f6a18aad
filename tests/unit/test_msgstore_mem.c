#include "adapters/msgstore/msgstore_mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "loop/loop_sim.h"
#include "tests/msgstore_drive.h"

/* What the reference store does beyond the port: crashes, injected errors, delays. The port itself: test_msgstore. */
struct rig {
    struct sim_world *world;
    struct loop *loop;
    struct msgstore_mem_image *image;
    struct msgstore *store;
};

static void rig_open(struct rig *rig, uint64_t seed, uint32_t delay_ms_max, uint32_t flush_one_in)
{
    struct msgstore_mem_config config = {.seed = seed, .delay_ms_max = delay_ms_max, .flush_one_in = flush_one_in};

    if (rig->world == NULL) rig->world = sim_world_new(seed);
    if (rig->loop == NULL) rig->loop = sim_loop_new(rig->world, "a");
    if (rig->image == NULL) rig->image = msgstore_mem_image_new();
    assert_int_equal(msgstore_mem_open(rig->image, &config, &rig->store), KITH_OK);
}

static void rig_crash(struct rig *rig, uint32_t keep)
{
    sim_loop_kill(rig->loop);
    msgstore_mem_crash(rig->image, keep);
    rig->store = NULL;
}

static void rig_free(struct rig *rig)
{
    if (rig->store != NULL) rig->store->ops->close(rig->store);
    msgstore_mem_image_free(rig->image);
    sim_world_free(rig->world);
}

/** Commit number n (from 1): row "M<n>", row "Mlast" of text n, a delete of "M<n - 3>", and position n of shard 2. */
struct numbered {
    struct drive_commit drive;
    struct msgstore_batch batch;
    struct msgstore_position position;
};

static struct kith_slice numbered_key(char room[static 16], unsigned n)
{
    (void)snprintf(room, 16, "M%04u", n);
    return kith_slice_str(room);
}

static void numbered_start(struct rig *rig, struct numbered *at, unsigned n)
{
    char key[16], last[16];

    (void)snprintf(last, sizeof last, "%u", n);
    msgstore_batch_init(&at->batch);
    drive_put(&at->batch, numbered_key(key, n), kith_slice_str("x"));
    drive_put(&at->batch, kith_slice_str("Mlast"), kith_slice_str(last));
    if (n > 3) drive_delete(&at->batch, numbered_key(key, n - 3));
    at->position = (struct msgstore_position){.shard = 2, .position = n};
    memset(&at->drive, 0, sizeof at->drive);
    at->drive.op = (struct msgstore_commit){.loop = rig->loop,
                                            .batch = &at->batch,
                                            .positions = &at->position,
                                            .position_count = 1,
                                            .done = drive_commit_done};
    msgstore_commit(rig->store, &at->drive.op);
}

static kith_err numbered_commit(struct rig *rig, unsigned n)
{
    struct numbered at;

    numbered_start(rig, &at, n);
    (void)sim_world_run(rig->world, 1000);
    assert_true(at.drive.done);
    msgstore_batch_deinit(&at.batch);
    return at.drive.op.err;
}

struct seen {
    unsigned rows, position;
    char keys[4][8], last[16];
};

static void seen_row(void *arg, struct kith_slice key, struct kith_slice value)
{
    struct seen *seen = arg;

    if (key.ptr[0] == MSGSTORE_TABLE_POSITIONS) {
        seen->position = (unsigned)kith_get_u64_be(value.ptr + 8);
    } else if (kith_slice_is(key, "Mlast")) {
        memcpy(seen->last, value.ptr + 8, value.len - 8);
    } else {
        assert_true(seen->rows < 4);
        memcpy(seen->keys[seen->rows++], key.ptr, key.len);
    }
}

/** The image is exactly what commits 1 to n leave. */
static void check_image(const struct rig *rig, unsigned n)
{
    struct seen seen = {0};
    char want[16];

    msgstore_mem_each(rig->image, seen_row, &seen);
    assert_int_equal(seen.position, n);
    assert_int_equal(seen.rows, n < 3 ? n : 3);
    for (unsigned i = 0; i < seen.rows; i++)
        assert_string_equal(seen.keys[i], (const char *)numbered_key(want, n - seen.rows + 1 + i).ptr);
    (void)snprintf(want, sizeof want, "%u", n);
    if (n > 0) assert_string_equal(seen.last, want);
}

static void test_msgstore_mem__a_crash_keeps_any_prefix_of_the_unpersisted_commits(void **state)
{
    enum { PERSISTED = 5, MORE = 10 };

    (void)state;
    for (unsigned keep = 0; keep <= MORE; keep++) {
        struct rig rig = {0};
        struct msgstore_status status;

        rig_open(&rig, keep, 0, 0);
        for (unsigned n = 1; n <= PERSISTED + MORE; n++) {
            assert_int_equal(numbered_commit(&rig, n), KITH_OK);
            if (n == PERSISTED) assert_int_equal(rig.store->ops->flush(rig.store), KITH_OK);
        }
        check_image(&rig, PERSISTED + MORE);
        rig.store->ops->status(rig.store, &status);
        assert_int_equal(status.positions[2], PERSISTED + MORE);
        assert_int_equal(status.positions_persisted[2], PERSISTED);
        assert_int_equal(msgstore_mem_unpersisted(rig.image), MORE);
        rig_crash(&rig, keep);
        check_image(&rig, PERSISTED + keep);
        rig_open(&rig, 1, 0, 0);
        rig.store->ops->status(rig.store, &status);
        assert_int_equal(status.positions[2], PERSISTED + keep);
        assert_int_equal(status.positions_persisted[2], PERSISTED + keep);
        assert_int_equal(numbered_commit(&rig, PERSISTED + keep + 1), KITH_OK);
        check_image(&rig, PERSISTED + keep + 1);
        rig_free(&rig);
    }
}

static void test_msgstore_mem__a_crash_may_keep_commits_whose_done_never_ran(void **state)
{
    enum { PENDING = 6 };

    (void)state;
    for (unsigned keep = 0; keep <= PENDING + 1; keep++) {
        struct rig rig = {0};
        struct numbered pending[PENDING];

        rig_open(&rig, keep, 50, 0);
        for (unsigned n = 0; n < PENDING; n++) numbered_start(&rig, &pending[n], n + 1);
        assert_int_equal(msgstore_mem_unpersisted(rig.image), PENDING);
        sim_loop_kill(rig.loop);
        for (unsigned n = 0; n < PENDING; n++) { /* the process is dead: its memory is no help */
            msgstore_batch_deinit(&pending[n].batch);
            assert_false(pending[n].drive.done);
            memset(&pending[n], 0xee, sizeof pending[n]);
        }
        msgstore_mem_crash(rig.image, keep);
        rig.store = NULL;
        check_image(&rig, keep < PENDING ? keep : PENDING);
        rig_free(&rig);
    }
}

static void test_msgstore_mem__seeded_flushes_move_the_persisted_position(void **state)
{
    struct rig rig = {0};
    struct msgstore_status status;
    unsigned moves = 0;
    uint64_t before = 0;

    (void)state;
    rig_open(&rig, 3, 2, 4);
    for (unsigned n = 1; n <= 200; n++) {
        assert_int_equal(numbered_commit(&rig, n), KITH_OK);
        rig.store->ops->status(rig.store, &status);
        assert_true(status.positions_persisted[2] >= before && status.positions_persisted[2] <= n);
        assert_int_equal(status.positions_persisted[2] + msgstore_mem_unpersisted(rig.image), n);
        moves += status.positions_persisted[2] > before;
        before = status.positions_persisted[2];
    }
    assert_in_range(moves, 20, 100);
    rig_crash(&rig, 0);
    check_image(&rig, (unsigned)before);
    rig_free(&rig);
}

static void test_msgstore_mem__the_journal_is_bounded(void **state)
{
    struct rig rig = {0};

    (void)state;
    rig_open(&rig, 3, 0, 0);
    for (unsigned n = 1; n <= MSGSTORE_MEM_JOURNAL_MAX + 1; n++) assert_int_equal(numbered_commit(&rig, n), KITH_OK);
    assert_int_equal(msgstore_mem_unpersisted(rig.image), MSGSTORE_MEM_JOURNAL_MAX);
    rig_free(&rig);
}

static void test_msgstore_mem__told_to_fail_it_writes_nothing_and_says_so(void **state)
{
    struct rig rig = {0};
    struct msgstore_status status;

    (void)state;
    rig_open(&rig, 1, 0, 0);
    assert_int_equal(numbered_commit(&rig, 1), KITH_OK);
    msgstore_mem_fail_commits(rig.image, KITH_E_NOSPACE, 2);
    rig.store->ops->status(rig.store, &status);
    assert_false(status.writable);
    assert_string_equal(status.reason, "told to fail with NOSPACE");
    assert_int_equal(numbered_commit(&rig, 2), KITH_E_NOSPACE);
    assert_int_equal(rig.store->ops->flush(rig.store), KITH_E_NOSPACE);
    assert_int_equal(numbered_commit(&rig, 2), KITH_E_NOSPACE);
    check_image(&rig, 1);
    rig.store->ops->status(rig.store, &status);
    assert_true(status.writable);
    assert_int_equal(numbered_commit(&rig, 2), KITH_OK);
    check_image(&rig, 2);
    rig_free(&rig);
}

static void test_msgstore_mem__what_was_called_behind_a_refused_commit_is_refused_too(void **state)
{
    struct rig rig = {0};
    struct numbered pending[4];

    (void)state;
    rig_open(&rig, 1, 20, 0);
    msgstore_mem_fail_commits(rig.image, KITH_E_IO, 1);
    for (unsigned n = 0; n < 4; n++) numbered_start(&rig, &pending[n], n + 1);
    (void)sim_world_run(rig.world, 1000);
    for (unsigned n = 0; n < 4; n++) {
        assert_true(pending[n].drive.done);
        assert_int_equal(pending[n].drive.op.err, KITH_E_IO);
        msgstore_batch_deinit(&pending[n].batch);
    }
    check_image(&rig, 0);
    assert_int_equal(numbered_commit(&rig, 1), KITH_OK);
    check_image(&rig, 1);
    rig_free(&rig);
}

static void test_msgstore_mem__reads_fail_when_told_to(void **state)
{
    struct rig rig = {0};
    struct drive_get get = {.op = {.key = kith_slice_str("M0001"), .done = drive_get_done}};
    struct drive_scan scan = {.op = {.prefix = kith_slice_str("M"), .rows_max = 10, .done = drive_scan_done}};

    (void)state;
    rig_open(&rig, 1, 5, 0);
    assert_int_equal(numbered_commit(&rig, 1), KITH_OK);
    msgstore_mem_fail_reads(rig.image, KITH_E_DAMAGED, 2);
    get.op.loop = scan.op.loop = rig.loop;
    kith_buf_init(&get.op.value, 100);
    kith_buf_init(&scan.op.rows, 100);
    msgstore_get(rig.store, &get.op);
    msgstore_scan(rig.store, &scan.op);
    (void)sim_world_run(rig.world, 1000);
    assert_true(get.done && scan.done);
    assert_int_equal(get.op.err, KITH_E_DAMAGED);
    assert_int_equal(scan.op.err, KITH_E_DAMAGED);
    msgstore_get(rig.store, &get.op);
    (void)sim_world_run(rig.world, 1000);
    assert_int_equal(get.op.err, KITH_OK);
    kith_buf_deinit(&get.op.value);
    kith_buf_deinit(&scan.op.rows);
    rig_free(&rig);
}

static void test_msgstore_mem__expired_rows_go_when_told_and_others_stay(void **state)
{
    struct rig rig = {0};
    struct msgstore_batch batch;
    struct drive_commit commit = {0};
    struct msgstore_position position = {.shard = 2, .position = 1};
    uint64_t times[] = {0, 999, 1000, 1001};

    (void)state;
    rig_open(&rig, 1, 0, 0);
    msgstore_batch_init(&batch);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t value[8];
        char key[16];

        kith_put_u64_be(value, times[i]);
        assert_int_equal(msgstore_batch_put(&batch, numbered_key(key, i), kith_slice_of(value, 8)), KITH_OK);
    }
    commit.op = (struct msgstore_commit){
        .loop = rig.loop, .batch = &batch, .positions = &position, .position_count = 1, .done = drive_commit_done};
    msgstore_commit(rig.store, &commit.op);
    (void)sim_world_run(rig.world, 10);
    assert_int_equal(msgstore_mem_drop_expired(rig.image, 1000), 1);
    assert_int_equal(msgstore_mem_drop_expired(rig.image, 1001), 1);
    assert_int_equal(msgstore_mem_drop_expired(rig.image, UINT64_MAX), 1);
    msgstore_batch_deinit(&batch);
    rig_free(&rig);
}

/* Two commits and a read of the same row, from two loops: the delays must bring about every order. */
static void test_msgstore_mem__delays_let_a_read_see_both_before_and_after(void **state)
{
    unsigned found = 0, not_found = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct rig rig = {0};
        struct numbered commit;
        struct drive_get get = {.op = {.key = kith_slice_str("M0001"), .done = drive_get_done}};

        rig_open(&rig, seed, 5, 0);
        get.op.loop = sim_loop_new(rig.world, "b");
        kith_buf_init(&get.op.value, 100);
        numbered_start(&rig, &commit, 1);
        msgstore_get(rig.store, &get.op);
        (void)sim_world_run(rig.world, 1000);
        assert_true(commit.drive.done && get.done);
        found += get.op.err == KITH_OK;
        not_found += get.op.err == KITH_E_NOTFOUND;
        kith_buf_deinit(&get.op.value);
        msgstore_batch_deinit(&commit.batch);
        rig_free(&rig);
    }
    assert_int_equal(found + not_found, 100);
    assert_in_range(found, 10, 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msgstore_mem__a_crash_keeps_any_prefix_of_the_unpersisted_commits),
        cmocka_unit_test(test_msgstore_mem__a_crash_may_keep_commits_whose_done_never_ran),
        cmocka_unit_test(test_msgstore_mem__seeded_flushes_move_the_persisted_position),
        cmocka_unit_test(test_msgstore_mem__the_journal_is_bounded),
        cmocka_unit_test(test_msgstore_mem__told_to_fail_it_writes_nothing_and_says_so),
        cmocka_unit_test(test_msgstore_mem__what_was_called_behind_a_refused_commit_is_refused_too),
        cmocka_unit_test(test_msgstore_mem__reads_fail_when_told_to),
        cmocka_unit_test(test_msgstore_mem__expired_rows_go_when_told_and_others_stay),
        cmocka_unit_test(test_msgstore_mem__delays_let_a_read_see_both_before_and_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
