#include "api_fixture.h"

/* What a person has of other people, at the maxima that take many rows. */

struct blocks_put {
    struct directory_call call; /* first */
    struct kith_uuid user;
    size_t count;
    bool done;
};

static kith_err blocks_run(struct directory_call *call, struct directory_tx *tx)
{
    struct blocks_put *put = (struct blocks_put *)call;
    struct block_record block = {.user_id = put->user, .created_ms = 1};
    kith_err err = KITH_OK;

    for (size_t i = 0; i < put->count && err == KITH_OK; i++) {
        kith_put_u32_be(block.blocked_id.raw, (uint32_t)i + 1);
        err = directory_put(tx, &table_blocks, &block);
    }
    return err;
}

static void blocks_done(struct directory_call *call)
{
    ((struct blocks_put *)call)->done = true;
}

/* So many people are blocked as if each had been. */
static void have_blocked(struct afx *fx, const struct person *who, size_t count)
{
    struct blocks_put put = {.call = {.loop = fx->loops[0], .run = blocks_run, .done = blocks_done}, .count = count};

    assert_int_equal(kith_uuid_parse(kith_slice_str(who->user), &put.user), KITH_OK);
    directory_call(fx->directory, &put.call);
    afx_until(fx, &put.done);
    assert_int_equal(put.call.err, KITH_OK);
}

static struct reply *block(struct afx *fx, const char *method, const struct person *by, const struct person *whom)
{
    char target[80];

    (void)snprintf(target, sizeof target, "/users/%s/block", whom->user);
    return afx_ask(fx, method, target, by->access, NULL);
}

static void test_account_people__blocks_at_the_limit_and_one_past_it(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");

    have_blocked(fx, &ann, ACCOUNT_BLOCKS_MAX - 1);
    expect(block(fx, "POST", &ann, &bob), 204, NULL);
    expect(block(fx, "POST", &ann, &carl), 403, "FORBIDDEN");
    expect(block(fx, "POST", &ann, &bob), 204, NULL);  /* is blocked: nothing is added */
    expect(block(fx, "POST", &bob, &carl), 204, NULL); /* each has as many */
    expect(block(fx, "DELETE", &ann, &bob), 204, NULL);
    expect(block(fx, "POST", &ann, &carl), 204, NULL);
    expect(block(fx, "POST", &ann, &bob), 403, "FORBIDDEN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_account_people__blocks_at_the_limit_and_one_past_it, afx_setup_open,
                                        afx_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
