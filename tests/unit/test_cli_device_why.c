#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/device_why.h"

#define STEPS 4
static const enum device_step steps[STEPS] = {DEVICE_REQUEST, DEVICE_LINK, DEVICE_ACCEPT, DEVICE_REMOVE};

static bool says(const char *text, const char *words)
{
    return text != NULL && strstr(text, words) != NULL;
}

/* What passes by itself, or with the same words said again, begins nothing anew. */
static void test_cli_device_why__what_is_not_the_texts_fault_is_said_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < STEPS; i++) {
        struct device_why again = device_why(steps[i], KITH_E_AGAIN, E2E_ACCOUNT_READY);
        struct device_why memory = device_why(steps[i], KITH_E_NOMEM, E2E_ACCOUNT_READY);
        struct device_why newer = device_why(steps[i], KITH_E_UNSUPPORTED, E2E_ACCOUNT_READY);
        assert_int_equal(again.code, EXIT_AWAY);
        assert_true(says(again.what, "not reached the server"));
        assert_int_equal(memory.code, EXIT_FAILED);
        assert_true(says(memory.what, "memory"));
        assert_int_equal(newer.code, EXIT_REFUSED);
        assert_true(says(newer.what, "newer kith"));
        assert_false(says(again.hint, "anew") || says(memory.hint, "anew") || says(newer.hint, "anew"));
    }
    assert_true(says(device_why(DEVICE_ACCEPT, KITH_E_MALFORMED, E2E_ACCOUNT_LINKING).hint, "Begin anew"));
    assert_true(says(device_why(DEVICE_LINK, KITH_E_DENIED, E2E_ACCOUNT_READY).hint, "Begin anew"));
}

static void test_cli_device_why__a_removed_device_is_not_called_linked(void **state)
{
    (void)state;
    for (size_t i = 0; i < STEPS; i++) {
        struct device_why why = device_why(steps[i], KITH_E_CLOSED, E2E_ACCOUNT_REMOVED);
        assert_int_equal(why.code, EXIT_REFUSED);
        assert_true(says(why.what, "was removed"));
        assert_true(says(why.hint, "kith account logout"));
    }
    assert_true(says(device_why(DEVICE_REQUEST, KITH_E_CLOSED, E2E_ACCOUNT_READY).what, "linked already"));
    assert_true(says(device_why(DEVICE_ACCEPT, KITH_E_CLOSED, E2E_ACCOUNT_READY).what, "linked already"));
    assert_true(says(device_why(DEVICE_ACCEPT, KITH_E_CLOSED, E2E_ACCOUNT_EMPTY).what, "asked for none"));
    assert_true(says(device_why(DEVICE_LINK, KITH_E_CLOSED, E2E_ACCOUNT_READY).what, "does not sign"));
    assert_true(says(device_why(DEVICE_REMOVE, KITH_E_CLOSED, E2E_ACCOUNT_LINKING).what, "not linked"));
}

/* A device that stays listed is never told as removed: whatever it was, there is a text and no EXIT_DONE. */
static void test_cli_device_why__whatever_kept_a_device_in_the_list_is_said(void **state)
{
    static const kith_err errs[] = {KITH_E_AGAIN,  KITH_E_NOMEM,    KITH_E_FULL,      KITH_E_CLOSED,
                                    KITH_E_DENIED, KITH_E_NOTFOUND, KITH_E_MALFORMED, KITH_E_IO};
    (void)state;
    for (size_t i = 0; i < sizeof errs / sizeof errs[0]; i++) {
        struct device_why why = device_why(DEVICE_REMOVE, errs[i], E2E_ACCOUNT_READY);
        assert_int_not_equal(why.code, EXIT_DONE);
        assert_true(says(why.prefix, "not taken out"));
        assert_non_null(why.what);
    }
    assert_int_equal(device_why(DEVICE_REMOVE, KITH_E_FULL, E2E_ACCOUNT_READY).code, EXIT_REFUSED);
    assert_true(says(device_why(DEVICE_REMOVE, KITH_E_FULL, E2E_ACCOUNT_READY).what, "removed devices"));
    assert_true(says(device_why(DEVICE_LINK, KITH_E_FULL, E2E_ACCOUNT_READY).hint, "kith device remove"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cli_device_why__what_is_not_the_texts_fault_is_said_again),
        cmocka_unit_test(test_cli_device_why__a_removed_device_is_not_called_linked),
        cmocka_unit_test(test_cli_device_why__whatever_kept_a_device_in_the_list_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
