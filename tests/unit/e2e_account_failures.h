#ifndef KITH_TESTS_UNIT_E2E_ACCOUNT_FAILURES_H
#define KITH_TESTS_UNIT_E2E_ACCOUNT_FAILURES_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "libkith/e2ee/account_group.h"
#include "tests/e2e/town_group.h"
#include "tests/failing_heap.h"

/*
 * Every allocation of a whole account fails once. Either the call says KITH_E_NOMEM, has kept nothing and given nothing, no
 * memory is lost, and the same call made again is as good as ever; or it was too late for that, and the process ends in order
 * to begin again from its records (account_impl.h). Nothing where HEAP_IS_ANOTHERS is defined.
 */
#ifndef HEAP_IS_ANOTHERS
static struct kith_prng prng;
static struct e2e_account *account; /* of a device's records, for each try */
static unsigned writes;
static struct e2e_wants wants;

static inline void fill(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

static inline void keep(void *arg, struct kith_slice key, struct kith_slice value)
{
    (void)arg, (void)key, (void)value;
    writes++;
}

static inline void drop(void *arg, struct kith_slice key)
{
    (void)arg, (void)key;
    writes++;
}

static inline struct e2e_account *account_new(const struct town_device *device)
{
    struct e2e_account_config config = {.one_time_keys = 2,
                                        .pairwise_max = device->town->pairwise_max,
                                        .random = {.fill = fill, .arg = &prng},
                                        .keep = keep,
                                        .drop = drop};

    memcpy(config.account_id, device->person->id, sizeof config.account_id);
    memcpy(config.server_device, device->server_device, sizeof config.server_device);
    return e2e_account_new(&config);
}

static inline kith_err load_all(struct e2e_account *into, const struct town_device *device)
{
    const uint8_t *key = NULL;
    struct kith_buf *value = NULL;
    kith_err err = KITH_OK;
    uint32_t at = 0;

    while (err == KITH_OK && kith_map_next(&device->records, &at, (const void **)&key, (void **)&value))
        err = e2e_account_load(into, kith_slice_of(key + 1, key[0]), kith_buf_peek(value));
    return err;
}

/* What a call may do in spite of all: go on without what was to be remembered, keep what it did so far, say it in another way. */
enum { MAY_GO_ON = 1, MAY_KEEP = 2, MAY_SAY_FULL = 4 };
enum { SURVIVED, WENT_WELL, WRONG_ANSWER, KEPT_OR_GAVE, BROKEN_AFTERWARDS, MEMORY_LOST };

static inline bool is_answer(kith_err err, bool failed, unsigned may)
{
    if (!failed) return err == KITH_OK;
    return err == KITH_E_NOMEM || (err == KITH_OK && (may & MAY_GO_ON) != 0) ||
           (err == KITH_E_FULL && (may & MAY_SAY_FULL) != 0);
}

static inline int try(const struct town_device *device, kith_err (*work)(struct kith_buf *out), unsigned count,
                      unsigned may)
{
    const long live = heap_live;
    struct kith_buf out;
    bool failed;
    kith_err err;

    account = account_new(device);
    if (account == NULL || load_all(account, device) != KITH_OK) return WRONG_ANSWER;
    kith_buf_init(&out, TOWN_CIPHER_MAX);
    writes = 0;
    heap_fail_after(count);
    err = work(&out);
    failed = heap_has_failed();
    if (!is_answer(err, failed, may)) return WRONG_ANSWER;
    if (err != KITH_OK && ((writes > 0 && (may & MAY_KEEP) == 0) || kith_buf_len(&out) > 0)) return KEPT_OR_GAVE;
    if (err != KITH_OK && writes == 0 && work(&out) != KITH_OK) return BROKEN_AFTERWARDS;
    kith_buf_wipe(&out);
    e2e_account_free(account);
    if (heap_live != live) return MEMORY_LOST;
    return failed ? SURVIVED : WENT_WELL;
}

/* Runs `work` with the first, second, ... allocation failing, until none is left to fail. How many were survived. */
static inline unsigned each_failure_but(const struct town_device *device, kith_err (*work)(struct kith_buf *out),
                                        unsigned may)
{
    unsigned survived = 0;

    for (unsigned count = 0;; count++) {
        int status = 0;
        pid_t child;

        (void)fflush(NULL);
        child = fork();
        if (child == 0) {
            (void)signal(SIGABRT, SIG_DFL);
            (void)signal(SIGSEGV, SIG_DFL);
            _exit(try(device, work, count, may));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFSIGNALED(status)) {
            assert_int_equal(WTERMSIG(status), SIGABRT);
            continue;
        }
        if (WEXITSTATUS(status) == WENT_WELL) return survived;
        assert_int_equal(WEXITSTATUS(status), SURVIVED);
        survived++;
    }
}

static inline unsigned each_failure(const struct town_device *device, kith_err (*work)(struct kith_buf *out))
{
    return each_failure_but(device, work, 0);
}
#endif

#endif
