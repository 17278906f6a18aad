#include "bench/bench_replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libkith/e2ee/group.h"

#define RUNS_MAX       64
#define OPERATIONS_MAX 10000
#define TIMES          200
#define FOUNDER_BYTES  (E2E_ACCOUNT_ID_BYTES + 1)

static void must(kith_err err)
{
    if (err == KITH_OK) return;
    (void)fprintf(stderr, "kith-bench replay: %s\n", kith_err_name(err));
    exit(1);
}

/* ---- a chain: the owner founds the group, brings the others in, and changes its name from then on */

struct chain {
    unsigned count;
    struct kith_buf *ops;
    struct e2e_group *before, *last; /* the newest operation, and the one before it */
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
};

static void id_of(uint32_t person, uint8_t id[static E2E_ACCOUNT_ID_BYTES])
{
    memset(id, 0x50, E2E_ACCOUNT_ID_BYTES);
    kith_put_u32_be(id + E2E_ACCOUNT_ID_BYTES - 4, person);
}

static void push(struct chain *chain, struct e2e_group_op op)
{
    struct e2e_group *after = NULL;
    struct kith_buf *out = &chain->ops[chain->count++];

    id_of(1, op.author);
    op.author_device = 1;
    op.list_seq = op.made_at_ms = 1;
    kith_buf_init(out, E2E_GROUP_SIGNED_BYTES_MAX);
    must(e2e_group_make(chain->last, &op, chain->secret, &after, out));
    e2e_group_free(chain->before);
    chain->before = chain->last;
    chain->last = after;
}

static void create(struct chain *chain, unsigned founders)
{
    static uint8_t rows[E2E_GROUP_FOUNDERS_MAX * FOUNDER_BYTES];
    struct e2e_group_op op = {.kind = E2E_GROUP_CREATE, .suite = 1, .group_id = {7}};

    for (unsigned i = 0; i < founders; i++) {
        id_of(i + 1, rows + (size_t)i * FOUNDER_BYTES);
        rows[(size_t)i * FOUNDER_BYTES + E2E_ACCOUNT_ID_BYTES] = i == 0 ? E2E_ROLE_OWNER : E2E_ROLE_MEMBER;
    }
    op.founders = kith_slice_of(rows, (size_t)founders * FOUNDER_BYTES);
    push(chain, op);
}

static void chain_make(struct chain *chain, unsigned members, unsigned operations)
{
    static const uint8_t seed[E2E_SIGN_SEED_BYTES] = {1}, info[200] = {1};
    unsigned in = members < E2E_GROUP_FOUNDERS_MAX ? members : E2E_GROUP_FOUNDERS_MAX;

    *chain = (struct chain){.ops = calloc(operations, sizeof *chain->ops)};
    if (chain->ops == NULL) must(KITH_E_NOMEM);
    e2e_sign_keypair_from(seed, chain->secret, chain->public);
    create(chain, in);
    while (chain->count < operations) {
        struct e2e_group_op op = {.kind = E2E_GROUP_INFO, .info = kith_slice_of(info, sizeof info)};
        if (in < members) {
            op = (struct e2e_group_op){.kind = E2E_GROUP_ADD, .role = E2E_ROLE_MEMBER};
            id_of(++in, op.subject);
        }
        push(chain, op);
    }
}

static void chain_free(struct chain *chain)
{
    for (unsigned i = 0; i < chain->count; i++) kith_buf_deinit(&chain->ops[i]);
    free(chain->ops);
    e2e_group_free(chain->before);
    e2e_group_free(chain->last);
}

/* ---- time */

static double now_us(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static struct e2e_group *step(const struct e2e_group *before, const struct kith_buf *signed_op)
{
    struct e2e_group_op op;
    struct e2e_group *after = NULL;

    must(e2e_group_op_decode(kith_buf_peek(signed_op), &op));
    must(e2e_group_apply(before, &op, &after));
    return after;
}

/* Of the newest: its signature, and with is_applied what it comes to. */
static double checked_us(const struct chain *chain, bool is_applied)
{
    const struct kith_buf *newest = &chain->ops[chain->count - 1];
    struct e2e_group_op op;
    double from = now_us();

    for (unsigned i = 0; i < TIMES; i++) {
        must(e2e_group_op_decode(kith_buf_peek(newest), &op));
        must(e2e_group_op_verify(&op, chain->public));
        if (is_applied) e2e_group_free(step(chain->before, newest));
    }
    return (now_us() - from) / TIMES;
}

static double replayed_us(const struct chain *chain)
{
    struct e2e_group *group = NULL, *after;
    double from = now_us();

    for (unsigned i = 0; i < chain->count; i++) {
        after = step(group, &chain->ops[i]);
        e2e_group_free(group);
        group = after;
    }
    e2e_group_free(group);
    return now_us() - from;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_row(const char *name, double *values, unsigned runs)
{
    qsort(values, runs, sizeof *values, by_value);
    printf("  %-44s %10.1f us (%.1f to %.1f)\n", name, values[runs / 2], values[0], values[runs - 1]);
}

static unsigned option(int argc, char **argv, const char *name, unsigned otherwise, unsigned least, unsigned most)
{
    for (int i = 1; i + 1 < argc; i++) {
        unsigned long value;
        if (strcmp(argv[i], name) != 0) continue;
        value = strtoul(argv[i + 1], NULL, 10);
        return value < least ? least : value > most ? most : (unsigned)value;
    }
    return otherwise;
}

int bench_replay(int argc, char **argv)
{
    const unsigned runs = option(argc, argv, "--runs", 5, 1, RUNS_MAX);
    const unsigned members = option(argc, argv, "--members", 1024, 1, E2E_GROUP_MEMBERS_MAX);
    const unsigned operations = option(argc, argv, "--operations", 1000, 2, OPERATIONS_MAX);
    double signed_us[RUNS_MAX], whole_us[RUNS_MAX], all_us[RUNS_MAX], load[1] = {0};
    struct chain chain;

    chain_make(&chain, members, operations);
    for (unsigned i = 0; i < runs; i++) {
        signed_us[i] = checked_us(&chain, false);
        whole_us[i] = checked_us(&chain, true);
        all_us[i] = replayed_us(&chain);
    }
    (void)getloadavg(load, 1);
    printf("%u operations of a group that has %u members then, load %.1f, median of %u runs (least to most)\n\n",
           chain.count, chain.last->member_count, load[0], runs);
    print_row("the newest: read, its signature verified", signed_us, runs);
    print_row("the same, and what it comes to", whole_us, runs);
    print_row("what all of them come to, read anew", all_us, runs);
    chain_free(&chain);
    return 0;
}
