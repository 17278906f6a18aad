#ifndef KITH_TESTS_EACH_FAILURE_H
#define KITH_TESTS_EACH_FAILURE_H

#include "base/buf.h"
#include "tests/failing_heap.h"

/*
 * Runs `work` with the first, second, ... allocation failing, until none is left to fail: how many there were. What fails says
 * KITH_E_NOMEM, has appended nothing and lost no memory. After cmocka.h; nothing where HEAP_IS_ANOTHERS is defined.
 */
#ifndef HEAP_IS_ANOTHERS
#define EACH_FAILURE_BYTES_MAX (512u * 1024) /* of what it appends */

/** What a work changes is made anew before each, and after a failure is to be as it was. NULL: there is nothing. */
struct each_failure_hooks {
    void (*make_anew)(void);
    void (*check_same)(void);
};

static inline unsigned each_failure_with(const struct each_failure_hooks *hooks, kith_err (*work)(struct kith_buf *out))
{
    for (unsigned count = 0;; count++) {
        struct kith_buf out;
        bool failed;
        kith_err err;
        long live;

        if (hooks != NULL) hooks->make_anew();
        kith_buf_init(&out, EACH_FAILURE_BYTES_MAX);
        live = heap_live;
        heap_fail_after(count);
        err = work(&out);
        failed = heap_has_failed();
        assert_int_equal(err, failed ? KITH_E_NOMEM : KITH_OK);
        if (failed) assert_int_equal(kith_buf_len(&out), 0);
        kith_buf_wipe(&out);
        if (failed || hooks == NULL) assert_int_equal(heap_live, live);
        if (!failed) return count;
        if (hooks != NULL) hooks->check_same();
    }
}

static inline unsigned each_failure(kith_err (*work)(struct kith_buf *out))
{
    return each_failure_with(NULL, work);
}
#endif

#endif
