#include "client_group.h"

/* What is missing of many people is asked for by few requests. */

/* Ann writes in a group of Bob's, of so many others of whom she knows nothing. */
static struct scene *scene_of_many(uint32_t count)
{
    struct scene *scene = scene_begin(6);
    struct town_device *others[KITH_FETCH_LISTS_MAX + 2];

    scene->town->has_few_prekeys = true;
    scene->bob = town_join(scene->town);
    for (uint32_t i = 0; i < count; i++) others[i] = town_join(scene->town);
    scene->ann = others[0];
    scene->group = town_group_create(scene->bob, others, count, NULL);
    scene->chat = town_group_chat(scene->bob, scene->group);
    scene->ops_shown = scene->group->op_count;
    client_open(scene, (struct kith_slice){0});
    return scene;
}

/* The next thing that it asks for, unanswered. */
static void next_fetch(struct scene *scene)
{
    for (unsigned i = 0; i < 20 && !scene->has_fetch; i++) {
        kith_client_tick(scene->client, scene->now);
        run(scene);
        scene->now.mono_ms += 100;
    }
    assert_true(scene->has_fetch);
}

/* She writes, and has learnt who is there: the lists of all but Bob, whose operations they are, are asked for. */
static void write_until_lists(struct scene *scene)
{
    struct e2e_group_view view;

    write_one(scene);
    for (;;) {
        next_fetch(scene);
        if (e2e_account_group(kith_client_account(scene->client), scene->group->chat_id, &view)) return;
        answer_one(scene);
        run(scene);
    }
}

static void end_fetch(struct scene *scene, bool ok)
{
    scene->has_fetch = false;
    kith_client_fetched(scene->client, scene->now, ok);
    run(scene);
}

/* How many of their lists and devices were asked for, and by how many requests. */
struct asked {
    unsigned lists, list_requests, devices, claims;
};

static struct asked asked_of(uint32_t count)
{
    struct scene *scene = scene_of_many(count);
    struct asked asked = {0};

    write_one(scene);
    for (unsigned i = 0; i < 100; i++, scene->now.mono_ms += 20) {
        if (scene->has_fetch) {
            asked.list_requests += scene->fetch.list_count > 0;
            asked.lists += scene->fetch.list_count;
            asked.claims += scene->fetch.device_count > 0;
            asked.devices += scene->fetch.device_count;
            answer_one(scene);
        } else {
            kith_client_tick(scene->client, scene->now);
        }
        run(scene);
    }
    scene_free(scene);
    return asked;
}

/* At the limit of one request, and one past it. Bob's list comes before all: the operations that say who is there are his. */
static void test_client_fetch_several__those_of_several_are_asked_for_at_once(void **state)
{
    static const uint32_t counts[] = {4, KITH_FETCH_LISTS_MAX + 1, KITH_FETCH_LISTS_MAX + 2};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        const struct asked asked = asked_of(counts[i]);
        assert_int_equal(asked.lists, counts[i]);
        assert_int_equal(asked.devices, counts[i]);
        assert_int_equal(asked.list_requests, i < 2 ? 2 : 3);
        assert_int_equal(asked.claims, i < 1 ? 1 : 2);
    }
}

/* Whoever is left is asked for again at once, and nobody else is. */
static void test_client_fetch_several__whoever_is_left_is_asked_for_again(void **state)
{
    struct scene *scene = scene_of_many(5);
    const uint64_t begun_ms = scene->now.mono_ms;
    uint32_t left = 4;

    (void)state;
    write_until_lists(scene);
    while (left > 0) {
        const struct user_id first = scene->fetch.lists[0].user;
        if (scene->fetch.kind == KITH_FETCH_BUNDLES) { /* of those whose lists are here */
            answer_one(scene);
            run(scene);
            continue;
        }
        assert_int_equal(scene->fetch.list_count, left--);
        answer_list(scene, first, false, 0);
        end_fetch(scene, true);
        assert_non_null(e2e_account_person(kith_client_account(scene->client), first.id.raw).list);
        assert_true(scene->has_fetch);
    }
    assert_int_equal(scene->fetch.kind, KITH_FETCH_BUNDLES);
    assert_true(scene->now.mono_ms - begun_ms < 1000);
    scene_free(scene);
}

/* A server that says of nobody anything is asked no more often than one that has nothing new. */
static void test_client_fetch_several__no_answer_at_all_is_nothing_new(void **state)
{
    struct scene *scene = scene_of_many(5);
    unsigned count = 0;

    (void)state;
    write_until_lists(scene);
    for (unsigned i = 0; i < 600; i++, scene->now.mono_ms += 100) {
        count += scene->has_fetch && scene->fetch.list_count > 0;
        if (scene->has_fetch) {
            end_fetch(scene, true);
        } else {
            kith_client_tick(scene->client, scene->now);
            run(scene);
        }
    }
    assert_in_range(count, 1, 4);
    scene_free(scene);
}

/* Of somebody the server cannot say anything, and fails: all the others are known soon, and that one is asked for alone. */
static void test_client_fetch_several__one_that_fails_spoils_no_others(void **state)
{
    struct scene *scene = scene_of_many(40);
    uint8_t broken[E2E_ACCOUNT_ID_BYTES];
    unsigned alone = 0, known = 0, requests = 0;

    (void)state;
    write_until_lists(scene);
    memcpy(broken, view_of(scene).group->members[20].account_id, sizeof broken);
    assert_memory_not_equal(broken, scene->ann->person->id, sizeof broken);
    for (unsigned i = 0; i < 1200; i++, scene->now.mono_ms += 100) {
        if (scene->has_fetch && asks_list(&scene->fetch, broken)) {
            alone += scene->fetch.list_count == 1;
            end_fetch(scene, false);
        } else if (scene->has_fetch) {
            requests += scene->fetch.list_count > 0;
            answer_one(scene);
        } else {
            kith_client_tick(scene->client, scene->now);
        }
        run(scene);
    }
    for (uint32_t i = 0; i < view_of(scene).group->member_count; i++)
        known +=
            e2e_account_person(kith_client_account(scene->client), view_of(scene).group->members[i].account_id).list !=
            NULL;
    assert_int_equal(known, 40); /* of 41 */
    assert_in_range(alone, 1, 20);
    assert_in_range(requests, 10, 16); /* of 8 each, and of each of the eight with that one */
    scene_free(scene);
}

static void joins(struct scene *scene, const struct town_device *who)
{
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_ADD, who, E2E_ROLE_MEMBER));
    newest_op_event(scene, (unsigned)scene->group->op_count, scene->bob);
}

/*
 * People join all the time: their lists come first, but not for ever. While keys are claimed somebody comes whose list is known:
 * that one's are claimed, too, before any other list is asked for.
 */
static void test_client_fetch_several__claims_go_on_until_nobody_lacks_one(void **state)
{
    struct scene *scene = scene_of_many(4);
    const struct town_device *dave = town_join(scene->town);

    (void)state;
    kith_client_look_up(scene->client, scene->now, user_of(dave->person->id));
    run(scene);
    answer(scene);
    write_until_lists(scene);
    for (unsigned passed = 0; passed < 2; passed++) {
        next_fetch(scene);
        assert_int_equal(scene->fetch.list_count, passed == 0 ? 3 : 1);
        joins(scene, town_join(scene->town));
        answer_one(scene);
        run(scene);
    }
    next_fetch(scene);
    assert_int_equal(scene->fetch.device_count, 5);
    joins(scene, dave);
    answer_one(scene);
    run(scene);
    assert_int_equal(scene->fetch.device_count, 1);
    answer_one(scene);
    run(scene);
    assert_int_equal(scene->fetch.list_count, 1);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_fetch_several__those_of_several_are_asked_for_at_once),
        cmocka_unit_test(test_client_fetch_several__whoever_is_left_is_asked_for_again),
        cmocka_unit_test(test_client_fetch_several__no_answer_at_all_is_nothing_new),
        cmocka_unit_test(test_client_fetch_several__one_that_fails_spoils_no_others),
        cmocka_unit_test(test_client_fetch_several__claims_go_on_until_nobody_lacks_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
