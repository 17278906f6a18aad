#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/conformance/msgstore_bench.h"

/* The same random operations on the reference and on RocksDB: every answer must be equal. SEED=n repeats a run. */

static uint64_t seed_get(void)
{
    const char *given = getenv("SEED");
    return given != NULL ? strtoull(given, NULL, 10) : plain_clock_ms(CLOCK_REALTIME);
}

/** A key from a small space: 5 tables, chats of which many share bytes, tails that are missing, short or long. */
static struct kith_slice random_key(struct kith_prng *prng, uint8_t room[static MSGSTORE_KEY_BYTES_MAX])
{
    static const uint8_t tables[] = {'B', 'M', 'K', 0xfe, 0xff};
    size_t tail = kith_prng_chance(prng, 1, 20) ? MSGSTORE_KEY_BYTES_MAX - 17 : kith_prng_below(prng, 4);

    memset(room, 0xff, MSGSTORE_KEY_BYTES_MAX);
    room[0] = tables[kith_prng_below(prng, sizeof tables)];
    if (kith_prng_chance(prng, 1, 10)) return kith_slice_of(room, 1 + kith_prng_below(prng, 17));
    room[15] = (uint8_t)kith_prng_below(prng, 3);
    room[16] = (uint8_t)(0xfd + kith_prng_below(prng, 3));
    for (size_t i = 0; i < tail; i++)
        room[17 + i] = (uint8_t)(0xfe * kith_prng_below(prng, 2) + kith_prng_below(prng, 2));
    return kith_slice_of(room, 17 + tail);
}

static void random_batch(struct kith_prng *prng, struct msgstore_batch *batch)
{
    static const uint8_t filler[2000];
    uint8_t room[MSGSTORE_KEY_BYTES_MAX];

    msgstore_batch_reset(batch);
    for (uint64_t i = kith_prng_below(prng, 9); i > 0; i--) {
        struct kith_slice key = random_key(prng, room);
        uint8_t stamp[8];

        if (kith_prng_chance(prng, 1, 4)) {
            drive_delete(batch, key);
            continue;
        }
        kith_put_u64_be(stamp, kith_prng_next(prng));
        if (kith_prng_chance(prng, 1, 2))
            drive_put(batch, key, kith_slice_of(stamp, kith_prng_below(prng, 9)));
        else
            drive_put(batch, key, kith_slice_of(filler, kith_prng_below(prng, sizeof filler)));
    }
}

static void compare_get(struct msgstore_bench *a, struct msgstore_bench *b, struct kith_prng *prng)
{
    uint8_t room[MSGSTORE_KEY_BYTES_MAX];
    struct kith_slice key = random_key(prng, room);
    size_t bytes_max = kith_prng_chance(prng, 1, 5) ? kith_prng_below(prng, 1000) : 3000;
    struct kith_buf value_a, value_b;

    kith_buf_init(&value_a, bytes_max);
    kith_buf_init(&value_b, bytes_max);
    assert_int_equal(drive_get(&a->loop, a->store, key, &value_a), drive_get(&b->loop, b->store, key, &value_b));
    assert_true(kith_slice_eq(kith_buf_peek(&value_a), kith_buf_peek(&value_b)));
    kith_buf_deinit(&value_a);
    kith_buf_deinit(&value_b);
}

static void compare_scan(struct msgstore_bench *a, struct msgstore_bench *b, struct kith_prng *prng)
{
    uint8_t prefix_room[MSGSTORE_KEY_BYTES_MAX], from_room[MSGSTORE_KEY_BYTES_MAX];
    struct msgstore_scan scan_a = {.prefix = random_key(prng, prefix_room)}, scan_b;

    scan_a.prefix.len = 1 + kith_prng_below(prng, scan_a.prefix.len);
    if (kith_prng_chance(prng, 1, 2)) scan_a.from = random_key(prng, from_room);
    if (kith_prng_chance(prng, 1, 2) && scan_a.from.len > scan_a.prefix.len)
        memcpy(from_room, prefix_room, scan_a.prefix.len);
    scan_a.reverse = kith_prng_chance(prng, 1, 2);
    scan_a.rows_max = (uint32_t)kith_prng_between(prng, 1, kith_prng_chance(prng, 1, 2) ? 5 : MSGSTORE_ROWS_MAX);
    scan_b = scan_a;
    kith_buf_init(&scan_a.rows, kith_prng_between(prng, 1, kith_prng_chance(prng, 1, 2) ? 300 : 1000000));
    kith_buf_init(&scan_b.rows, scan_a.rows.bytes_max);
    assert_int_equal(drive_scan(&a->loop, a->store, &scan_a), drive_scan(&b->loop, b->store, &scan_b));
    assert_int_equal(scan_a.count, scan_b.count);
    assert_int_equal(scan_a.more, scan_b.more);
    assert_true(kith_slice_eq(kith_buf_peek(&scan_a.rows), kith_buf_peek(&scan_b.rows)));
    kith_buf_deinit(&scan_a.rows);
    kith_buf_deinit(&scan_b.rows);
}

static void compare_status(struct msgstore_bench *a, struct msgstore_bench *b)
{
    struct msgstore_status status_a, status_b;

    a->store->ops->status(a->store, &status_a);
    b->store->ops->status(b->store, &status_b);
    assert_memory_equal(status_a.positions, status_b.positions, sizeof status_a.positions);
    for (int i = 0; i < KITH_SHARDS; i++) {
        assert_true(status_a.positions_persisted[i] <= status_a.positions[i]);
        assert_true(status_b.positions_persisted[i] <= status_b.positions[i]);
    }
}

static void random_op(struct msgstore_bench *a, struct msgstore_bench *b, struct kith_prng *prng, uint64_t position)
{
    uint64_t what = kith_prng_below(prng, 1000);
    uint16_t shard = (uint16_t)kith_prng_below(prng, KITH_SHARDS);

    if (what < 400) {
        random_batch(prng, &a->batch);
        assert_int_equal(drive_commit(&a->loop, a->store, &a->batch, shard, position), KITH_OK);
        assert_int_equal(drive_commit(&b->loop, b->store, &a->batch, shard, position), KITH_OK);
    } else if (what < 600) {
        compare_get(a, b, prng);
    } else if (what < 980) {
        compare_scan(a, b, prng);
    } else if (what < 995) {
        compare_status(a, b);
    } else if (what < 997) {
        assert_int_equal(a->store->ops->flush(a->store), KITH_OK);
        assert_int_equal(b->store->ops->flush(b->store), KITH_OK);
    } else if (what < 998) {
        assert_int_equal(msgstore_rocksdb_compact(b->store), KITH_OK);
    } else {
        msgstore_bench_reopen(a);
        msgstore_bench_reopen(b);
    }
}

static void test_msgstore__random_operations_give_the_same_on_mem_and_rocksdb(void **state)
{
    enum { OPS = 20000 };
    uint64_t seed = seed_get();
    struct msgstore_bench *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    struct kith_prng prng;

    (void)state;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    kith_prng_seed(&prng, seed);
    msgstore_bench_open(a, &msgstore_adapters[MSGSTORE_MEM]);
    msgstore_bench_open(b, &msgstore_adapters[MSGSTORE_ROCKSDB]);
    for (uint64_t i = 1; i <= OPS; i++) random_op(a, b, &prng, i);
    msgstore_bench_close(a);
    msgstore_bench_close(b);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msgstore__random_operations_give_the_same_on_mem_and_rocksdb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
