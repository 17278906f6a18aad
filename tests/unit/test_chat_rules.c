#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "chat/chat.h"

static void test_rules__are_read_back_as_they_were_written(void **state)
{
    struct chat_rules rules = {.logic = CHAT_LOGIC,
                               .members_max = KITH_MEMBERS_CEILING,
                               .id_age_ms_max = 1,
                               .id_ahead_ms_max = UINT64_MAX,
                               .key_keep_ms = 0x0102030405060708},
                      again = {0};
    uint8_t body[CHAT_RULES_BYTES];

    (void)state;
    chat_rules_encode(&rules, body);
    assert_int_equal(chat_rules_decode(kith_slice_of(body, sizeof body), &again), KITH_OK);
    assert_true(chat_rules_equal(&rules, &again));
    assert_false(chat_rules_equal(&rules, &chat_rules_default));
}

static void refuse(struct chat_rules rules)
{
    struct chat_rules out;
    uint8_t body[CHAT_RULES_BYTES];

    chat_rules_encode(&rules, body);
    assert_int_equal(chat_rules_decode(kith_slice_of(body, sizeof body), &out), KITH_E_MALFORMED);
}

static void test_rules__of_another_build_are_refused(void **state)
{
    struct chat_rules rules = chat_rules_default, out;
    uint8_t body[CHAT_RULES_BYTES + 1] = {0};

    (void)state;
    chat_rules_encode(&rules, body);
    assert_int_equal(chat_rules_decode(kith_slice_of(body, CHAT_RULES_BYTES - 1), &out), KITH_E_MALFORMED);
    assert_int_equal(chat_rules_decode(kith_slice_of(body, CHAT_RULES_BYTES + 1), &out), KITH_E_MALFORMED);
    body[0]++;
    assert_int_equal(chat_rules_decode(kith_slice_of(body, CHAT_RULES_BYTES), &out), KITH_E_MALFORMED);
    rules.logic = CHAT_LOGIC + 1;
    refuse(rules);
    rules.logic = CHAT_LOGIC_OLDEST - 1;
    refuse(rules);
    rules = chat_rules_default;
    rules.members_max = 1;
    refuse(rules);
    rules.members_max = KITH_MEMBERS_CEILING + 1;
    refuse(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules__are_read_back_as_they_were_written),
        cmocka_unit_test(test_rules__of_another_build_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
