#include "client_join.h"
#include "wire/json_text.h"

/* Of several devices that let people into a group, which one does. Bob's and Ann's do; the client is Ann's. */

/* ------------------------------------------------------------------------------------------------ the scene */
struct turns {
    struct scene *scene;
    unsigned seq; /* of the next event */
    struct town_device *asker[2];
    struct kith_buf request[2];
};

/* Bob makes links until so many devices come before Ann's: none, or his. Nobody has asked yet. */
static struct turns turns_new(uint32_t before)
{
    struct turns turns = {.scene = join_scene(true), .seq = 3};
    struct scene *scene = turns.scene;

    while (admit_before(scene->client, view_of(scene).group) != before)
        change_event(scene, turns.seq++, scene->bob, town_change(E2E_GROUP_JOIN_KEY, NULL, 0));
    for (int i = 0; i < 2; i++) {
        turns.asker[i] = town_join(scene->town);
        turns.request[i] = request_of(scene, turns.asker[i]);
    }
    return turns;
}

static void turns_free(struct turns *turns)
{
    for (int i = 0; i < 2; i++) kith_buf_deinit(&turns->request[i]);
    scene_free(turns->scene);
}

/* All that it asks for, in no time. */
static void at_once(struct scene *scene)
{
    kith_client_tick(scene->client, scene->now);
    run(scene);
    for (unsigned i = 0; scene->has_fetch && i < 20; i++) {
        answer_one(scene);
        run(scene);
    }
    assert_false(scene->has_fetch);
}

static void later(struct scene *scene, uint64_t ms)
{
    scene->now.mono_ms += ms;
    scene->now.wall_ms += ms;
    at_once(scene);
}

static void ask_event_ago(struct turns *turns, int who, uint64_t ago_ms)
{
    char type[80], text[KITH_TIME_TEXT_LEN + 1];

    kith_time_format(turns->scene->now.wall_ms - ago_ms, text);
    (void)snprintf(type, sizeof type, "member\ncreated-at:%s", text);
    ask_event_of(turns->scene, turns->seq++, type, turns->asker[who], turns->asker[who]->person->id,
                 kith_buf_peek(&turns->request[who]));
    assert_int_equal(turns->scene->unreadable, KITH_OK);
}

static void ask_ago(struct turns *turns, int who, uint64_t ago_ms)
{
    ask_event_ago(turns, who, ago_ms);
    at_once(turns->scene);
}

static void bob_lets_in(struct turns *turns, int who)
{
    struct scene *scene = turns->scene;
    struct e2e_group_change add = town_change(E2E_GROUP_ADD, turns->asker[who], E2E_ROLE_MEMBER);

    add.request = kith_buf_peek(&turns->request[who]);
    town_group_must(scene->group, scene->bob, add);
    scene->ops_shown = scene->group->op_count;
    newest_op_event(scene, turns->seq++, scene->bob);
    at_once(scene);
    assert_true(is_in(scene, turns->asker[who]));
}

/* ------------------------------------------------------------------------------------------------ whose turn it is */
static void test_client_join_turn__the_first_one_lets_in_at_once(void **state)
{
    struct turns turns = turns_new(0);

    (void)state;
    ask_ago(&turns, 0, 0);
    assert_int_equal(turns.scene->admitted, 1);
    assert_true(is_in(turns.scene, turns.asker[0]));
    assert_true(kith_client_is_settled(turns.scene->client));
    turns_free(&turns);
}

static void test_client_join_turn__the_second_one_sends_nothing(void **state)
{
    struct turns turns = turns_new(1);
    struct scene *scene = turns.scene;

    (void)state;
    ask_ago(&turns, 0, 0);
    later(scene, ADMIT_SPAN_MS - 1);
    assert_int_equal(kept(scene, 'A'), 1);
    bob_lets_in(&turns, 0);
    assert_int_equal(kept(scene, 'A'), 0);
    assert_true(kith_client_is_settled(scene->client));
    later(scene, ADMIT_BEFORE_MAX * ADMIT_SPAN_MS);
    assert_int_equal(scene->asked_admit, 0);
    turns_free(&turns);
}

static void test_client_join_turn__the_second_one_does_it_when_the_first_one_is_not_there(void **state)
{
    struct turns turns = turns_new(1);
    struct scene *scene = turns.scene;

    (void)state;
    ask_ago(&turns, 0, 0);
    assert_false(kith_client_is_settled(scene->client)); /* whoever waits for that waits */
    assert_true(scene->client->timer_at_ms <= scene->now.mono_ms + ADMIT_SPAN_MS);
    later(scene, ADMIT_SPAN_MS - 1);
    assert_int_equal(scene->asked_admit, 0);
    assert_false(kith_client_is_settled(scene->client));
    later(scene, 1);
    assert_int_equal(scene->admitted, 1);
    assert_true(is_in(scene, turns.asker[0]));
    assert_true(kith_client_is_settled(scene->client));
    turns_free(&turns);
}

/* The first one has more to do than fits into one span. */
static void test_client_join_turn__it_waits_anew_behind_anothers_operation(void **state)
{
    struct turns turns = turns_new(1);
    struct scene *scene = turns.scene;

    (void)state;
    ask_ago(&turns, 0, 0);
    ask_ago(&turns, 1, 0);
    later(scene, ADMIT_SPAN_MS - 1);
    bob_lets_in(&turns, 0);
    later(scene, ADMIT_SPAN_MS - 1);
    assert_int_equal(scene->asked_admit, 0);
    later(scene, 1);
    assert_int_equal(scene->admitted, 1);
    assert_true(is_in(scene, turns.asker[1]));
    turns_free(&turns);
}

static void test_client_join_turn__who_let_somebody_in_goes_on(void **state)
{
    struct turns turns = turns_new(1);
    struct scene *scene = turns.scene;

    (void)state;
    ask_ago(&turns, 0, 0);
    later(scene, ADMIT_SPAN_MS - 1);
    ask_ago(&turns, 1, 0);
    later(scene, 1);
    assert_int_equal(scene->admitted, 2);
    newest_op_event(scene, turns.seq++, scene->ann);
    assert_true(is_in(scene, turns.asker[1]));
    assert_int_equal(scene->asked_admit, 2);
    turns_free(&turns);
}

/* Nobody who was there let them in. */
static void test_client_join_turn__who_asked_long_ago_is_let_in_at_once(void **state)
{
    (void)state;
    for (unsigned is_old = 0; is_old < 2; is_old++) {
        struct turns turns = turns_new(1);

        ask_ago(&turns, 0, ADMIT_BEFORE_MAX * ADMIT_SPAN_MS - 1 + is_old);
        assert_int_equal(turns.scene->admitted, is_old);
        later(turns.scene, ADMIT_SPAN_MS);
        assert_int_equal(turns.scene->admitted, 1);
        turns_free(&turns);
    }
}

/* ------------------------------------------------------------------------------------------------ its own operations */
/*
 * Both have asked, and it is the client's turn. The server takes its first operation, and does not show it yet. True: its event came
 * before the answer.
 */
static struct turns one_let_in(uint32_t before, bool is_event_first)
{
    struct turns turns = turns_new(before);
    struct scene *scene = turns.scene;
    struct kith_admit admit;

    ask_event_ago(&turns, 0, 0);
    ask_event_ago(&turns, 1, 0);
    scene->now.mono_ms += before * ADMIT_SPAN_MS;
    kith_client_tick(scene->client, scene->now);
    run(scene);
    for (unsigned i = 0; scene->has_fetch && scene->fetch.kind != KITH_FETCH_ADMIT && i < 20; i++) {
        answer_one(scene);
        run(scene);
    }
    assert_true(scene->has_fetch);
    assert_true(kith_client_admit(scene->client, &admit));
    town_group_put(scene->group, admit.signed_op);
    scene->has_fetch = false;
    if (is_event_first) newest_op_event(scene, turns.seq++, scene->ann);
    kith_client_admitted(scene->client, CODE_OK);
    kith_client_fetched(scene->client, scene->now, true);
    run(scene);
    at_once(scene);
    return turns;
}

static void test_client_join_turn__it_reads_its_own_operation_before_the_next_one(void **state)
{
    (void)state;
    for (uint32_t before = 0; before < 2; before++) {
        struct turns turns = one_let_in(before, false);
        struct scene *scene = turns.scene;

        later(scene, ADMIT_UNREAD_MS - 1);
        assert_int_equal(scene->asked_admit, 0);
        newest_op_event(scene, turns.seq++, scene->ann);
        at_once(scene);
        assert_int_equal(scene->asked_admit, 1);
        assert_int_equal(scene->admitted, 1);
        newest_op_event(scene, turns.seq++, scene->ann);
        assert_true(is_in(scene, turns.asker[0]) && is_in(scene, turns.asker[1]));
        turns_free(&turns);
    }
}

static void test_client_join_turn__for_its_own_operation_it_does_not_wait_long(void **state)
{
    (void)state;
    for (uint32_t before = 0; before < 2; before++) {
        struct turns turns = one_let_in(before, false);

        later(turns.scene, ADMIT_UNREAD_MS);
        assert_int_equal(turns.scene->asked_admit, 2); /* neither of them is known to be in */
        assert_int_equal(turns.scene->admitted, 0);
        turns_free(&turns);
    }
}

static void test_client_join_turn__its_own_operation_may_come_before_the_answer(void **state)
{
    (void)state;
    for (uint32_t before = 0; before < 2; before++) {
        struct turns turns = one_let_in(before, true);

        assert_int_equal(turns.scene->asked_admit, 1);
        assert_int_equal(turns.scene->admitted, 1);
        turns_free(&turns);
    }
}

/* ------------------------------------------------------------------------------------------------ how many */
static void test_client_join_turn__at_most_so_many_come_before_it(void **state)
{
    struct turns turns = turns_new(1);
    struct e2e_group group = *view_of(turns.scene).group;
    struct e2e_group_member members[ADMIT_BEFORE_MAX + 1];

    (void)state;
    for (uint32_t i = 0; i <= ADMIT_BEFORE_MAX; i++)
        members[i] = *e2e_group_find(view_of(turns.scene).group, turns.scene->bob->person->id);
    group.members = members;
    for (uint32_t i = 0; i <= ADMIT_BEFORE_MAX + 1; i++) {
        group.member_count = i;
        assert_int_equal(admit_before(turns.scene->client, &group), i <= ADMIT_BEFORE_MAX ? i : ADMIT_BEFORE_MAX);
    }
    for (uint32_t i = 0; i <= ADMIT_BEFORE_MAX; i++) members[i].role = E2E_ROLE_MEMBER;
    assert_int_equal(admit_before(turns.scene->client, &group), 0);
    turns_free(&turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_join_turn__the_first_one_lets_in_at_once),
        cmocka_unit_test(test_client_join_turn__the_second_one_sends_nothing),
        cmocka_unit_test(test_client_join_turn__the_second_one_does_it_when_the_first_one_is_not_there),
        cmocka_unit_test(test_client_join_turn__it_waits_anew_behind_anothers_operation),
        cmocka_unit_test(test_client_join_turn__who_let_somebody_in_goes_on),
        cmocka_unit_test(test_client_join_turn__who_asked_long_ago_is_let_in_at_once),
        cmocka_unit_test(test_client_join_turn__it_reads_its_own_operation_before_the_next_one),
        cmocka_unit_test(test_client_join_turn__for_its_own_operation_it_does_not_wait_long),
        cmocka_unit_test(test_client_join_turn__its_own_operation_may_come_before_the_answer),
        cmocka_unit_test(test_client_join_turn__at_most_so_many_come_before_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
