#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/prng.h"
#include "tests/conformance/directory_bench.h"

/* The same random transactions on the reference and on SQLite: every answer must be equal. SEED=n repeats a run. */

enum { OPS_A_CALL = 8, CALLS_AT_ONCE = 16, RECORD_BYTES_MAX = 32 * 1024, SCAN_BYTES_MAX = 8 * 1024 * 1024 };

enum op_kind { OP_GET, OP_PUT, OP_DEL, OP_SCAN, OP_KINDS };

struct op {
    enum op_kind kind;
    const struct directory_table *table;
    unsigned index, columns, stop_at;
    bool after;
    uint8_t record[RECORD_BYTES_MAX];
};

struct random_call {
    struct op ops[OPS_A_CALL];
    unsigned op_count;
    kith_err result;
};

struct answers { /* all that a random call saw */
    const struct random_call *call;
    kith_err errs[OPS_A_CALL];
    struct kith_buf seen;
    unsigned left; /* rows until the running scan stops */
    size_t record_bytes;
};

static bool answer_row(void *arg, const void *record)
{
    struct answers *answers = arg;

    assert_int_equal(kith_buf_append(&answers->seen, kith_slice_of(record, answers->record_bytes)), KITH_OK);
    return --answers->left > 0;
}

static kith_err random_run(struct directory_tx *tx, void *arg)
{
    struct answers *answers = arg;

    for (unsigned i = 0; i < answers->call->op_count; i++) {
        const struct op *op = &answers->call->ops[i];
        uint8_t record[RECORD_BYTES_MAX];

        memcpy(record, op->record, sizeof record);
        answers->record_bytes = op->table->record_bytes;
        answers->left = op->stop_at;
        switch (op->kind) {
        case OP_GET: answers->errs[i] = directory_get(tx, op->table, op->index, record); break;
        case OP_PUT: answers->errs[i] = directory_put(tx, op->table, record); break;
        case OP_DEL: answers->errs[i] = directory_del(tx, op->table, record); break;
        case OP_SCAN:
        case OP_KINDS:
            answers->errs[i] = directory_scan(tx, op->table, op->index, op->columns, record, op->after, answer_row,
                                              answers);
            break;
        }
        assert_int_equal(kith_buf_append(&answers->seen, kith_slice_of(record, op->table->record_bytes)), KITH_OK);
    }
    return answers->call->result;
}

/** A value from a small space, with bytes that are hard to order and to escape. */
static void random_value(struct kith_prng *prng, const struct directory_column *column, void *record)
{
    static const uint8_t bytes[] = {0, 1, 0xff, 'a'};
    uint8_t room[16] = {0};
    struct directory_value value = {.number = kith_prng_below(prng, 4), .bytes = {.ptr = room}};

    for (size_t i = 0; i < 2; i++) room[i] = bytes[kith_prng_below(prng, sizeof bytes)];
    if (column->type == DIRECTORY_ID) value.bytes.len = 16;
    if (column->type == DIRECTORY_BLOB) value.bytes.len = kith_prng_below(prng, 3);
    if (column->type == DIRECTORY_TEXT) {
        value.bytes.len = kith_prng_below(prng, 3);
        for (size_t i = 0; i < 2; i++)
            if (room[i] == 0 || room[i] == 0xff) room[i] = (uint8_t)('b' + room[i] / 255);
    }
    if (column->type == DIRECTORY_U64 && kith_prng_chance(prng, 1, 10)) value.number = INT64_MAX;
    assert_int_equal(directory_value_set(column, record, value), KITH_OK);
}

static void random_call(struct kith_prng *prng, struct random_call *call)
{
    size_t table_count = 0;

    while (directory_tables[table_count] != NULL) table_count++;
    call->op_count = (unsigned)kith_prng_between(prng, 1, OPS_A_CALL);
    call->result = kith_prng_chance(prng, 1, 5) ? KITH_E_DENIED : KITH_OK;
    for (unsigned i = 0; i < call->op_count; i++) {
        struct op *op = &call->ops[i];

        memset(op, 0, sizeof *op);
        op->kind = kith_prng_chance(prng, 1, 3) ? OP_PUT : (enum op_kind)kith_prng_below(prng, OP_KINDS);
        op->table = directory_tables[kith_prng_below(prng, table_count)];
        assert_true(op->table->record_bytes <= RECORD_BYTES_MAX);
        op->index = (unsigned)kith_prng_below(prng, op->table->index_count);
        if (op->kind == OP_GET && !op->table->indexes[op->index].unique) op->index = 0;
        op->columns = (unsigned)kith_prng_below(prng, op->table->indexes[op->index].column_count + 1u);
        op->after = kith_prng_chance(prng, 1, 2);
        op->stop_at = (unsigned)kith_prng_between(prng, 1, 20);
        for (unsigned c = 0; c < op->table->column_count; c++) random_value(prng, &op->table->columns[c], op->record);
    }
}

static void random_round(struct directory_bench *a, struct directory_bench *b, struct kith_prng *prng, uint64_t *ops)
{
    static struct random_call calls[CALLS_AT_ONCE];
    static struct answers answers[2][CALLS_AT_ONCE];
    static struct drive_call drives[2][CALLS_AT_ONCE];
    struct directory_bench *both[2] = {a, b};
    unsigned count = (unsigned)kith_prng_between(prng, 1, CALLS_AT_ONCE);

    for (unsigned i = 0; i < count; i++) {
        random_call(prng, &calls[i]);
        *ops += calls[i].op_count;
        for (int k = 0; k < 2; k++) {
            answers[k][i] = (struct answers){.call = &calls[i]};
            kith_buf_init(&answers[k][i].seen, SCAN_BYTES_MAX);
            drive_call_start(&drives[k][i], &both[k]->loop, both[k]->directory, false, random_run, &answers[k][i]);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        for (int k = 0; k < 2; k++) assert_int_equal(drive_call_finish(&drives[k][i], &both[k]->loop), calls[i].result);
        assert_memory_equal(answers[0][i].errs, answers[1][i].errs, sizeof answers[0][i].errs);
        assert_true(kith_slice_eq(kith_buf_peek(&answers[0][i].seen), kith_buf_peek(&answers[1][i].seen)));
        kith_buf_deinit(&answers[0][i].seen);
        kith_buf_deinit(&answers[1][i].seen);
    }
}

static void test_directory__random_transactions_give_the_same_on_mem_and_sqlite(void **state)
{
    enum { OPS = 20000 };
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : plain_clock_ms(CLOCK_REALTIME), ops = 0;
    struct directory_bench *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    struct kith_prng prng;

    (void)state;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    kith_prng_seed(&prng, seed);
    directory_bench_open(a, &directory_adapters[DIRECTORY_MEM]);
    directory_bench_open(b, &directory_adapters[DIRECTORY_SQLITE]);
    while (ops < OPS) {
        random_round(a, b, &prng, &ops);
        if (kith_prng_chance(&prng, 1, 50)) {
            directory_bench_reopen(a);
            directory_bench_reopen(b);
        }
    }
    directory_bench_close(a);
    directory_bench_close(b);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory__random_transactions_give_the_same_on_mem_and_sqlite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
