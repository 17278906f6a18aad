#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e_world.h"

static void test_e2e_session__both_ends_begin_with_the_same_and_talk(void **state)
{
    (void)state;
    for (int has_one_time = 0; has_one_time < 2; has_one_time++) {
        struct world *world = world_new(10, has_one_time != 0);
        struct kith_buf message;

        assert_memory_equal(e2e_session_transcript(world->at_a), e2e_session_transcript(world->at_b), E2E_HASH_BYTES);
        for (int i = 0; i < 5; i++) {
            message = world_message(&world->b, world->at_b, "to A");
            assert_int_equal(world_take(&world->a, world->at_a, &message, "to A"), KITH_OK);
            kith_buf_deinit(&message);
            message = world_message(&world->a, world->at_a, "to B");
            assert_int_equal(world_take(&world->b, world->at_b, &message, "to B"), KITH_OK);
            kith_buf_deinit(&message);
        }
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_session__both_ends_begin_with_the_same_and_talk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
