#include "adapters/msgstore/row_table.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "base/slice.h"

/* ------------------------------------------------------------------------------------------------ a plain model */

enum { ENTRIES_MAX = 3000, ENTRY_BYTES = 64 };

struct model_entry {
    char bytes[ENTRY_BYTES]; /* as RocksDB makes them: length, key, tail */
    struct kith_slice key;
    uint64_t packed;
};

struct model {
    struct model_entry *entries[ENTRIES_MAX]; /* sorted */
    unsigned count;
};

static struct model_entry *entry_make(struct kith_slice key, uint64_t packed)
{
    struct model_entry *entry = calloc(1, sizeof *entry);

    assert_true(key.len + 8 < ENTRY_BYTES - 1);
    entry->bytes[0] = (char)(key.len + 8);
    memcpy(entry->bytes + 1, key.ptr, key.len);
    for (int i = 0; i < 8; i++) entry->bytes[1 + key.len + (size_t)i] = (char)(packed >> (8 * i));
    entry->key = kith_slice_of(entry->bytes + 1, key.len);
    entry->packed = packed;
    return entry;
}

static int entry_cmp(const struct model_entry *entry, struct kith_slice key, uint64_t packed)
{
    int c = kith_slice_cmp(entry->key, key);

    return c != 0 ? c : entry->packed > packed ? -1 : entry->packed < packed;
}

/** How many entries stand before (key, packed). */
static unsigned model_place(const struct model *model, struct kith_slice key, uint64_t packed)
{
    unsigned low = 0, high = model->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (entry_cmp(model->entries[middle], key, packed) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void model_add(struct model *model, struct model_entry *entry)
{
    unsigned at = model_place(model, entry->key, entry->packed);

    memmove(&model->entries[at + 1], &model->entries[at], (model->count - at) * sizeof model->entries[0]);
    model->entries[at] = entry;
    model->count++;
}

static void model_free(struct model *model)
{
    for (unsigned i = 0; i < model->count; i++) free(model->entries[i]);
    free(model);
}

static void check_cursor(const struct row_cursor *cursor, const struct model *model, unsigned at)
{
    if (at >= model->count)
        assert_null(cursor->entry);
    else
        assert_ptr_equal(cursor->entry, model->entries[at]->bytes);
}

/* ------------------------------------------------------------------------------------------------ against the model */

/** Few groups, some with short keys, of which some have many rows. */
static struct kith_slice random_key(struct kith_prng *prng, uint8_t room[static ENTRY_BYTES])
{
    memset(room, 0, ENTRY_BYTES);
    room[0] = (uint8_t)(kith_prng_chance(prng, 1, 2) ? 'M' : 'C');
    if (kith_prng_chance(prng, 1, 20)) return kith_slice_of(room, kith_prng_between(prng, 1, 20));
    room[16] = (uint8_t)(kith_prng_chance(prng, 1, 2) ? 0xff : kith_prng_below(prng, 5));
    room[17] = (uint8_t)kith_prng_below(prng, 4);
    room[18] = (uint8_t)kith_prng_below(prng, 256);
    return kith_slice_of(room, 17 + kith_prng_below(prng, 3));
}

static void check_seeks(struct row_table *table, const struct model *model, struct kith_prng *prng)
{
    uint8_t room[ENTRY_BYTES];
    struct kith_slice key = random_key(prng, room);
    struct model_entry *target = entry_make(key, kith_prng_below(prng, ENTRIES_MAX + 2));
    unsigned at = model_place(model, target->key, target->packed);
    bool same = at < model->count && entry_cmp(model->entries[at], target->key, target->packed) == 0;
    struct row_cursor cursor;

    assert_int_equal(row_table_has(table, target->bytes), same);
    row_cursor_init(&cursor, table);
    assert_null(cursor.entry);
    row_cursor_seek_back(&cursor, target->bytes + 1, key.len + 8);
    check_cursor(&cursor, model, same ? at : at - 1); /* before the first: wraps to beyond the last, none */
    row_cursor_seek(&cursor, target->bytes + 1, key.len + 8);
    check_cursor(&cursor, model, at);
    for (int i = 0; i < 5 && cursor.entry != NULL; i++) {
        row_cursor_next(&cursor);
        check_cursor(&cursor, model, ++at);
    }
    row_cursor_seek(&cursor, target->bytes + 1, key.len + 8);
    at = model_place(model, target->key, target->packed);
    for (int i = 0; i < 5 && cursor.entry != NULL; i++) {
        row_cursor_prev(&cursor);
        check_cursor(&cursor, model, --at);
    }
    free(target);
}

static void check_whole(struct row_table *table, const struct model *model)
{
    struct row_cursor cursor;
    unsigned at = 0;

    row_cursor_init(&cursor, table);
    for (row_cursor_first(&cursor); cursor.entry != NULL; row_cursor_next(&cursor)) check_cursor(&cursor, model, at++);
    assert_int_equal(at, model->count);
    for (row_cursor_last(&cursor); cursor.entry != NULL; row_cursor_prev(&cursor)) check_cursor(&cursor, model, --at);
    assert_int_equal(at, 0);
}

static void test_row_table__agrees_with_a_sorted_array(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct row_table *table = row_table_new();
        struct model *model = calloc(1, sizeof *model);
        struct kith_prng prng;

        kith_prng_seed(&prng, seed);
        check_whole(table, model);
        check_seeks(table, model, &prng);
        for (uint64_t n = 1; n <= ENTRIES_MAX; n++) {
            uint8_t room[ENTRY_BYTES];
            struct model_entry *entry = entry_make(random_key(&prng, room), n);

            row_table_add(table, entry->bytes);
            model_add(model, entry);
            assert_true(row_table_has(table, entry->bytes));
            check_seeks(table, model, &prng);
            if (n % 500 == 0) check_whole(table, model);
        }
        model_free(model);
        row_table_free(table);
    }
}

static void test_row_table__versions_that_come_late_are_put_where_they_belong(void **state)
{
    static const uint64_t order[] = {5, 9, 2, 7, 1, 8};
    struct row_table *table = row_table_new();
    struct model *model = calloc(1, sizeof *model);

    (void)state;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        struct model_entry *entry = entry_make(kith_slice_str("C"), order[i]);

        row_table_add(table, entry->bytes);
        model_add(model, entry);
        check_whole(table, model);
    }
    model_free(model);
    row_table_free(table);
}

/* A cursor stands on a row while others are put before, behind and between. */
static void test_row_table__a_cursor_keeps_its_place_while_rows_are_added(void **state)
{
    struct row_table *table = row_table_new();
    struct model *model = calloc(1, sizeof *model);
    struct model_entry *middle = entry_make(kith_slice_str("Mchat-of-16-bytes 5"), 1);
    struct row_cursor cursor;
    struct kith_prng prng;

    (void)state;
    kith_prng_seed(&prng, 1);
    row_table_add(table, middle->bytes);
    model_add(model, middle);
    row_cursor_init(&cursor, table);
    row_cursor_first(&cursor);
    for (uint64_t n = 2; n < 1000; n++) {
        char text[ENTRY_BYTES];
        struct model_entry *entry;
        struct row_cursor step = cursor;
        unsigned at = model_place(model, middle->key, middle->packed);

        row_cursor_next(&step);
        check_cursor(&step, model, at + 1);
        step = cursor;
        row_cursor_prev(&step);
        check_cursor(&step, model, at - 1);
        (void)snprintf(text, sizeof text, "Mchat-of-16-bytes %u%04u", (unsigned)kith_prng_below(&prng, 10),
                       (unsigned)kith_prng_below(&prng, 10000));
        entry = entry_make(kith_slice_str(text), n);
        row_table_add(table, entry->bytes);
        model_add(model, entry);
    }
    model_free(model);
    row_table_free(table);
}

static void test_row_table__it_knows_what_it_takes(void **state)
{
    enum { ROWS = 20000 };
    struct row_table *table = row_table_new();
    struct model_entry **entries = calloc(ROWS, sizeof *entries);
    size_t before = row_table_bytes(table);

    (void)state;
    for (uint32_t n = 0; n < ROWS; n++) {
        uint8_t key[21] = {'M'};

        kith_put_u32_be(key + 10, n % 100);
        kith_put_u32_be(key + 17, n);
        entries[n] = entry_make(kith_slice_of(key, sizeof key), n);
        row_table_add(table, entries[n]->bytes);
    }
    assert_in_range((row_table_bytes(table) - before) / ROWS, 64, 140); /* a version is 32 bytes, a row 32 */
    row_table_free(table);
    for (uint32_t n = 0; n < ROWS; n++) free(entries[n]);
    free(entries);
}

/* ------------------------------------------------------------------------------------------------ threads */

struct reader {
    struct row_table *table;
    _Atomic bool *stop;
    pthread_t thread;
};

static void *reader_main(void *arg)
{
    struct reader *reader = arg;

    while (!atomic_load(reader->stop)) {
        struct row_cursor cursor;
        uint64_t count = 0, back = 0;
        const char *last = NULL;

        row_cursor_init(&cursor, reader->table);
        for (row_cursor_first(&cursor); cursor.entry != NULL; row_cursor_next(&cursor)) {
            if (last != NULL) assert_true(memcmp(last, cursor.entry, 22) < 0); /* all of one length */
            last = cursor.entry;
            count++;
        }
        for (row_cursor_last(&cursor); cursor.entry != NULL; row_cursor_prev(&cursor)) back++;
        assert_true(back >= count);
    }
    return NULL;
}

static void test_row_table__readers_see_order_while_one_writes(void **state)
{
    enum { ROWS = 5000, READERS = 3 };
    struct row_table *table = row_table_new();
    struct model_entry **entries = calloc(ROWS, sizeof *entries);
    struct reader readers[READERS];
    _Atomic bool stop = false;

    (void)state;
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.table = table, .stop = &stop};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]), 0);
    }
    for (uint32_t n = 0; n < ROWS; n++) {
        uint8_t key[21] = {'M'};

        kith_put_u32_be(key + 10, n % 7);
        kith_put_u32_be(key + 17, n * 2654435761u); /* each once, in no order */
        entries[n] = entry_make(kith_slice_of(key, sizeof key), n);
        row_table_add(table, entries[n]->bytes);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++) assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
    row_table_free(table);
    for (uint32_t n = 0; n < ROWS; n++) free(entries[n]);
    free(entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_table__agrees_with_a_sorted_array),
        cmocka_unit_test(test_row_table__versions_that_come_late_are_put_where_they_belong),
        cmocka_unit_test(test_row_table__a_cursor_keeps_its_place_while_rows_are_added),
        cmocka_unit_test(test_row_table__it_knows_what_it_takes),
        cmocka_unit_test(test_row_table__readers_see_order_while_one_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
