/* log_file, one behaviour at a time; crashes are in test_log_crash.c, damage in test_log_scan.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/log_life.h"

static struct life *life_started(uint64_t seed)
{
    struct life *life = life_new(seed);

    assert_int_equal(life_open(life), KITH_OK);
    life_run_ms(life, 100);
    return life;
}

static void life_done(struct life *life)
{
    if (life->violation[0] != '\0') fail_msg("%s", life->violation);
    life_free(life);
}

static struct log_status status_of(struct life *life)
{
    struct log_status status;

    log_status(life->log, &status);
    return status;
}

static size_t count_fate(const struct life *life, enum life_fate fate)
{
    size_t count = 0;

    for (uint32_t id = 1; id < life->id_next; id++) count += life->ids[id].fate == fate;
    return count;
}

static size_t count_files(struct life *life, const char *prefix)
{
    size_t count = 0;
    const char *name;

    for (size_t i = 0; (name = sim_image_name(life->image, i)) != NULL; i++)
        count += strncmp(name, prefix, strlen(prefix)) == 0;
    return count;
}

static void append_many(struct life *life, int count, uint32_t len)
{
    for (int i = 0; i < count; i++) {
        life_append(life, (uint16_t)(i % LIFE_SHARDS), len);
        if (i % 8 == 7) life_run_ms(life, 100);
    }
    life_run_ms(life, 200);
}

static void test_log_file__refuses_one_past_the_entries_it_may_hold(void **state)
{
    struct life *life = life_new(1);

    (void)state;
    life->config.waiting_entries_max = 20;
    assert_int_equal(life_open(life), KITH_OK);
    life_run_ms(life, 100);
    for (int i = 0; i < 21; i++) life_append(life, 0, 10);
    life_run_ms(life, 100);
    assert_int_equal(count_fate(life, LIFE_DURABLE), 20);
    assert_int_equal(life->ids[21].fate, LIFE_REFUSED);
    assert_int_equal(status_of(life).refused, 1);
    life_append(life, 0, 10); /* there is room again */
    life_run_ms(life, 100);
    assert_int_equal(life->ids[22].fate, LIFE_DURABLE);
    life_done(life);
}

static void test_log_file__refuses_one_byte_past_the_bytes_it_may_hold(void **state)
{
    struct life *life = life_new(1);

    (void)state;
    life->config.waiting_bytes_max = 1000;
    assert_int_equal(life_open(life), KITH_OK);
    life_run_ms(life, 100);
    life_append(life, 0, 600);
    life_append(life, 0, 401);
    life_append(life, 0, 400);
    life_run_ms(life, 100);
    assert_int_equal(life->ids[1].fate, LIFE_DURABLE);
    assert_int_equal(life->ids[2].fate, LIFE_REFUSED);
    assert_int_equal(life->ids[3].fate, LIFE_DURABLE);
    life_done(life);
}

static void test_log_file__takes_what_just_fits_a_segment_and_refuses_one_byte_more(void **state)
{
    struct life *life = life_started(1);
    uint32_t most = (uint32_t)(life->config.segment_bytes - LOG_HEADER_BYTES - 2 * LOG_MARK_BYTES - LOG_HEAD_BYTES);

    (void)state;
    life_append(life, 0, 10);
    life_append(life, 0, most);
    life_append(life, 0, most + 1);
    life_append(life, 0, most);
    life_run_ms(life, 1000);
    assert_int_equal(life->ids[2].fate, LIFE_DURABLE);
    assert_int_equal(life->ids[3].fate, LIFE_REFUSED);
    assert_int_equal(life->ids[4].fate, LIFE_DURABLE);
    assert_int_equal(count_files(life, "log-"), 4); /* 10 bytes; the two; and one that stands ready */
    life_kill(life, true);
    assert_int_equal(life_open(life), KITH_OK);
    life_run_ms(life, 1000);
    life_check_complete(life);
    life_done(life);
}

static void test_log_file__a_batch_is_one_write_and_one_sync(void **state)
{
    struct life *life = life_started(1);
    struct sim_image_counters before, after;

    (void)state;
    life_append(life, 0, 10);
    life_run_ms(life, 500);
    before = *sim_image_counters(life->image);
    for (int i = 0; i < 20; i++) life_append(life, (uint16_t)(i % LIFE_SHARDS), 10);
    while (count_fate(life, LIFE_DURABLE) < 21) assert_true(sim_world_step(life->world));
    after = *sim_image_counters(life->image);
    assert_int_equal(after.writes - before.writes, 1);
    assert_int_equal(after.syncs - before.syncs, 1);
    assert_int_equal(status_of(life).synced_batches, 2);
    life_done(life);
}

/* I-D3, seen from the disk: what is answered survives the harshest power cut at that very moment. */
static void test_log_file__an_answered_entry_was_synced_before(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct life *life = life_new(seed);
        sim_image_faults(life->image)->sync_delay_ms_max = 20;
        assert_int_equal(life_open(life), KITH_OK);
        for (int i = 0; i < 5; i++) life_append(life, 0, 700);
        while (count_fate(life, LIFE_DURABLE) == 0) assert_true(sim_world_step(life->world));
        life_kill(life, true);
        assert_int_equal(life_open(life), KITH_OK);
        life_run_ms(life, 500);
        life_check_complete(life);
        life_done(life);
    }
}

static void test_log_file__a_full_disk_heals_by_itself(void **state)
{
    struct life *life = life_started(1);
    struct sim_image_faults *faults = sim_image_faults(life->image);
    size_t durable;

    (void)state;
    faults->capacity_bytes = 20000;
    append_many(life, 60, 500);
    durable = count_fate(life, LIFE_DURABLE);
    assert_true(durable >= 10 && durable < 60);
    assert_int_equal(count_fate(life, LIFE_REFUSED), 60 - durable);
    assert_false(status_of(life).writable);
    assert_non_null(strstr(status_of(life).reason, "no space"));
    faults->capacity_bytes = 40000;
    life_run_ms(life, 1000);
    assert_true(status_of(life).writable);
    assert_string_equal(status_of(life).reason, "");
    append_many(life, 5, 500);
    assert_int_equal(count_fate(life, LIFE_DURABLE), durable + 5);
    life_kill(life, true);
    assert_int_equal(life_open(life), KITH_OK);
    life_run_ms(life, 500);
    life_check_complete(life);
    life_done(life);
}

static void test_log_file__a_new_log_on_a_full_disk_starts_and_waits(void **state)
{
    struct life *life = life_new(1);

    (void)state;
    sim_image_faults(life->image)->capacity_bytes = 0;
    assert_int_equal(life_open(life), KITH_OK);
    life_run_ms(life, 300);
    assert_int_equal(life->followers[0].caught_up, 1);
    assert_false(status_of(life).writable);
    life_append(life, 0, 10);
    life_run_ms(life, 10);
    assert_int_equal(life->ids[1].fate, LIFE_REFUSED);
    sim_image_faults(life->image)->capacity_bytes = UINT64_MAX;
    life_run_ms(life, 1000);
    life_append(life, 0, 10);
    life_run_ms(life, 100);
    assert_int_equal(life->ids[2].fate, LIFE_DURABLE);
    assert_int_equal(life->ids[2].position, 1);
    life_done(life);
}

/* I-D4: the first failed sync or write is the end of writing; its file is not synced again. */
static void test_log_file__an_io_error_halts_writing_until_it_is_opened_anew(void **state)
{
    (void)state;
    for (int on_write = 0; on_write < 2; on_write++) {
        struct life *life = life_started(1);
        struct sim_image_faults *faults = sim_image_faults(life->image);
        uint64_t syncs;
        append_many(life, 3, 50);
        if (on_write)
            faults->write_failures = 1;
        else
            faults->sync_failures = 1;
        life_append(life, 0, 50);
        life_run_ms(life, 100);
        syncs = sim_image_counters(life->image)->syncs;
        life_append(life, 0, 50);
        life_run_ms(life, 10000);
        assert_int_equal(life->ids[4].fate, LIFE_IN_DOUBT);
        assert_int_equal(life->ids[5].fate, LIFE_REFUSED);
        assert_false(status_of(life).writable);
        assert_non_null(strstr(status_of(life).reason, "restart"));
        assert_int_equal(sim_image_counters(life->image)->syncs, syncs);
        life_close(life);
        assert_int_equal(sim_image_counters(life->image)->syncs, syncs);
        assert_int_equal(life_open(life), KITH_OK);
        life_run_ms(life, 200);
        append_many(life, 3, 50);
        assert_int_equal(life->ids[8].fate, LIFE_DURABLE);
        life_check_complete(life);
        life_done(life);
    }
}

static void test_log_file__segments_end_by_age_and_what_was_trimmed_is_wiped_and_used_again(void **state)
{
    struct life *life = life_new(1);
    struct kith_slice bytes;
    const char *name;
    size_t spares = 0;

    (void)state;
    life->config.segment_age_ms = 60 * 1000;
    life->config.keep_ms = 120 * 1000;
    assert_int_equal(life_open(life), KITH_OK);
    life_run_ms(life, 100);
    append_many(life, 6, 100);
    life_run_ms(life, 90 * 1000);
    life_trim(life, 6);
    life_run_ms(life, 100);
    append_many(life, 1, 100); /* opens the next segment, and so dates the end of the first */
    assert_int_equal(status_of(life).position_first, 1);
    life_run_ms(life, 100 * 1000);
    assert_int_equal(status_of(life).position_first, 1); /* allowed, but too young */
    life_run_ms(life, 60 * 1000);
    assert_int_equal(status_of(life).position_first, 7);
    for (size_t i = 0; (name = sim_image_name(life->image, i)) != NULL; i++) {
        if (strncmp(name, "spare-", 6) != 0) continue;
        spares++;
        assert_int_equal(sim_image_peek(life->image, name, &bytes), KITH_OK);
        for (size_t at = 0; at < bytes.len; at++) assert_int_equal(bytes.ptr[at], 0);
    }
    assert_int_equal(spares, 1);
    append_many(life, 40, 500);
    assert_int_equal(count_files(life, "spare-"), 0);
    life_kill(life, true);
    assert_int_equal(life_open(life), KITH_OK);
    life_run_ms(life, 500);
    life_check_complete(life);
    life_done(life);
}

static void test_log_file__keeps_at_most_two_spares(void **state)
{
    struct life *life = life_started(1);
    uint64_t bytes;

    (void)state;
    append_many(life, 100, 500);
    bytes = status_of(life).bytes_on_disk;
    life_trim(life, life->durable);
    life_run_ms(life, 60 * 1000);
    assert_int_equal(count_files(life, "spare-"), LOG_SPARES_MAX);
    assert_int_equal(count_files(life, "wipe-"), 0);
    assert_true(status_of(life).bytes_on_disk < bytes / 3);
    life_done(life);
}

static kith_err count_one(void *arg, const struct log_record *record)
{
    uint64_t *position = arg;

    assert_int_equal(record->position, *position);
    ++*position;
    return *position == 40 ? KITH_E_CLOSED : KITH_OK;
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    assert_true(done <= total);
    *(uint64_t *)arg = done;
}

static void test_log_file__verify_and_walk_read_it_offline(void **state)
{
    struct life *life = life_started(1);
    struct log_file_report report;
    struct log_text text;
    uint64_t position = 17, done = 0;

    (void)state;
    append_many(life, 60, 500);
    assert_int_equal(log_file_verify(life->disk, on_progress, &done, &report, &text), KITH_OK);
    assert_int_equal(report.entries, 60);
    assert_int_equal(report.position_first, 1);
    assert_int_equal(report.position_last, 60);
    assert_int_equal(report.torn_bytes, 0);
    assert_true(report.segments > 3 && report.bytes == done);
    assert_int_equal(log_file_walk(life->disk, 17, count_one, &position, &text), KITH_E_CLOSED);
    assert_int_equal(position, 40);
    assert_int_equal(log_file_walk(life->disk, 61, count_one, &position, &text), KITH_E_NOTFOUND);
    life_kill(life, false);
    assert_int_equal(sim_image_flip(life->image, "log-000000000002", 8 * 5000), KITH_OK);
    life->disk = disk_sim_open(life->image, NULL);
    assert_int_equal(log_file_verify(life->disk, NULL, NULL, &report, &text), KITH_E_DAMAGED);
    assert_non_null(strstr(text.text, "log-000000000002, byte "));
    assert_int_equal(report.segments, 1);
    disk_sim_close(life->disk);
    life_done(life);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_file__refuses_one_past_the_entries_it_may_hold),
        cmocka_unit_test(test_log_file__refuses_one_byte_past_the_bytes_it_may_hold),
        cmocka_unit_test(test_log_file__takes_what_just_fits_a_segment_and_refuses_one_byte_more),
        cmocka_unit_test(test_log_file__a_batch_is_one_write_and_one_sync),
        cmocka_unit_test(test_log_file__an_answered_entry_was_synced_before),
        cmocka_unit_test(test_log_file__a_full_disk_heals_by_itself),
        cmocka_unit_test(test_log_file__a_new_log_on_a_full_disk_starts_and_waits),
        cmocka_unit_test(test_log_file__an_io_error_halts_writing_until_it_is_opened_anew),
        cmocka_unit_test(test_log_file__segments_end_by_age_and_what_was_trimmed_is_wiped_and_used_again),
        cmocka_unit_test(test_log_file__keeps_at_most_two_spares),
        cmocka_unit_test(test_log_file__verify_and_walk_read_it_offline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
