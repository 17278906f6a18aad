#include "client_join.h"

/* Who asks to be let into a group by its invite link, at a device of somebody who lets people in. */

#define DAY_MS (24ull * 3600 * 1000)

/* ------------------------------------------------------------------------------------------------ let in */
static void test_client_join__who_asks_with_the_link_is_let_in(void **state)
{
    struct scene *scene = join_scene(true);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request = request_of(scene, dave);

    (void)state;
    ask_event(scene, 3, dave, kith_buf_peek(&request));
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_int_equal(kept(scene, 'A'), 1);
    answer(scene);
    assert_int_equal(scene->admitted, 1);
    /* Its operation was fetched right after: who asked is in, and nobody waits. */
    assert_true(is_in(scene, dave));
    assert_int_equal(kept(scene, 'A'), 0);
    newest_op_event(scene, 4, scene->ann);
    pass(scene, 60000);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_int_equal(scene->asked_admit, 1);
    /* And whoever comes so reads that it is the group of the link. */
    assert_int_equal(town_group_fetch(dave, scene->group), KITH_OK);
    assert_true(town_group_view(dave, scene->group).is_member);
    kith_buf_deinit(&request);
    scene_free(scene);
}

static void test_client_join__another_operation_is_ahead(void **state)
{
    struct scene *scene = join_scene(true);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request = request_of(scene, dave);

    (void)state;
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    scene->ops_shown = scene->group->op_count; /* its event is still on its way */
    ask_event(scene, 3, dave, kith_buf_peek(&request));
    pass(scene, 10000);
    assert_int_equal(scene->asked_admit, 2);
    assert_int_equal(scene->admitted, 1);
    assert_true(is_in(scene, dave));
    kith_buf_deinit(&request);
    scene_free(scene);
}

static void test_client_join__another_admin_was_first(void **state)
{
    struct scene *scene = join_scene(true);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request = request_of(scene, dave);
    struct e2e_group_change add = town_change(E2E_GROUP_ADD, dave, E2E_ROLE_MEMBER);

    (void)state;
    add.request = kith_buf_peek(&request);
    town_group_must(scene->group, scene->bob, add);
    scene->ops_shown = scene->group->op_count;
    ask_event(scene, 3, dave, kith_buf_peek(&request));
    pass(scene, 10000);
    assert_int_equal(scene->asked_admit, 1);
    assert_int_equal(scene->admitted, 0);
    assert_true(is_in(scene, dave));
    assert_int_equal(kept(scene, 'A'), 0);
    kith_buf_deinit(&request);
    scene_free(scene);
}

static void test_client_join__who_asks_is_not_forgotten_over_a_restart(void **state)
{
    struct scene *scene = join_scene(true);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request = request_of(scene, dave), records;

    (void)state;
    scene->admit_code = CODE_UNAVAILABLE;
    ask_event(scene, 3, dave, kith_buf_peek(&request));
    answer(scene);
    assert_int_equal(scene->admitted, 0);
    kith_buf_init(&records, 1u << 24);
    assert_int_equal(kith_buf_append(&records, kith_buf_peek(&scene->persisted)), KITH_OK);
    scene->admit_code = CODE_OK;
    assert_int_equal(town_group_fetch(scene->ann, scene->group),
                     KITH_OK); /* of her account the town keeps the records */
    client_open(scene, kith_buf_peek(&records));
    pass(scene, 60000);
    assert_int_equal(scene->admitted, 1);
    kith_buf_deinit(&records);
    kith_buf_deinit(&request);
    scene_free(scene);
}

static void test_client_join__what_may_pass_is_tried_again(void **state)
{
    struct scene *scene = join_scene(true);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request = request_of(scene, dave);

    (void)state;
    scene->admit_code = CODE_TOO_MANY;
    ask_event(scene, 3, dave, kith_buf_peek(&request));
    answer(scene);
    assert_true(scene->asked_admit > 0);
    scene->admit_code = CODE_OK;
    for (int i = 0; i < 4; i++) pass(scene, 60000);
    assert_int_equal(scene->admitted, 1);
    kith_buf_deinit(&request);
    scene_free(scene);
}

/* A device that knows nothing of the group yet asks what it is before it looks. */
static void test_client_join__a_device_that_came_just_now_lets_in(void **state)
{
    struct scene *scene = scene_new(false);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request;

    (void)state;
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_ROLE, scene->ann, E2E_ROLE_ADMIN));
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_JOIN_KEY, NULL, 0));
    scene->ops_shown = scene->group->op_count;
    request = request_of(scene, dave);
    ask_event(scene, 1, dave, kith_buf_peek(&request));
    assert_int_equal(scene->shown, 0);
    answer(scene);
    pass(scene, 10000);
    assert_int_equal(scene->shown, 1);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_int_equal(scene->admitted, 1);
    assert_true(is_in(scene, dave));
    kith_buf_deinit(&request);
    scene_free(scene);
}

/* ------------------------------------------------------------------------------------------------ not let in */
static void test_client_join__what_is_refused_for_good_is_forgotten(void **state)
{
    static const enum kith_code codes[] = {CODE_CHAT_FULL, CODE_FORBIDDEN, CODE_NOT_FOUND};

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct scene *scene = join_scene(true);
        struct town_device *dave = town_join(scene->town);
        struct kith_buf request = request_of(scene, dave);

        scene->admit_code = codes[i];
        ask_event(scene, 3, dave, kith_buf_peek(&request));
        for (int n = 0; n < 4; n++) pass(scene, 60000);
        assert_int_equal(scene->asked_admit, 1);
        assert_int_equal(kept(scene, 'A'), 0);
        /* Asked once more, it is tried once more. */
        ask_event(scene, 4, dave, kith_buf_peek(&request));
        pass(scene, 60000);
        assert_int_equal(scene->asked_admit, 2);
        kith_buf_deinit(&request);
        scene_free(scene);
    }
}

static void test_client_join__a_member_lets_nobody_in(void **state)
{
    struct scene *scene = join_scene(false);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request = request_of(scene, dave);

    (void)state;
    ask_event(scene, 3, dave, kith_buf_peek(&request));
    assert_int_equal(scene->unreadable, KITH_OK); /* it is shown that somebody asks */
    pass(scene, 60000);
    assert_int_equal(scene->asked_admit, 0);
    assert_int_equal(kept(scene, 'A'), 0);
    kith_buf_deinit(&request);
    scene_free(scene);
}

static void test_client_join__who_has_no_link_is_not_shown_as_asking(void **state)
{
    struct scene *scene = join_scene(true);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request = request_of(scene, dave), bad;
    const struct town_device nobody = {.person = dave->person}; /* the server: of no device */

    (void)state;
    kith_buf_init(&bad, E2E_JOIN_SIGNED_BYTES_MAX);
    assert_int_equal(kith_buf_append(&bad, kith_buf_peek(&request)), KITH_OK);
    bad.ptr[bad.tail - 1 - E2E_SIGNATURE_BYTES - 6] ^= 1; /* the proof's last byte: a field's head is of 6 */
    ask_event(scene, 3, dave, kith_buf_peek(&bad));
    assert_int_equal(scene->shown, 2); /* it may be of a link that is not known here yet */
    answer(scene);
    assert_int_equal(scene->shown, 3);
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    ask_event(scene, 4, &nobody, kith_buf_peek(&bad));
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    ask_event_as(scene, 5, scene->carol, scene->carol->person->id, kith_buf_peek(&request));
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    ask_event(scene, 6, dave, kith_slice_str("no request"));
    assert_int_equal(scene->unreadable, KITH_E_MALFORMED);
    ask_event(scene, 7, dave, (struct kith_slice){0});
    assert_int_equal(scene->unreadable, KITH_E_MALFORMED);
    op_event(scene, 8, "member", dave, "\"op\":\"ask\"", (struct kith_slice){0});
    assert_int_equal(scene->unreadable, KITH_E_MALFORMED);
    pass(scene, 60000);
    assert_int_equal(scene->asked_admit, 0);
    assert_int_equal(kept(scene, 'A'), 0);
    assert_int_equal(scene->shown, 8);
    kith_buf_deinit(&bad);
    kith_buf_deinit(&request);
    scene_free(scene);
}

/* It proved itself when it came; before anybody was let in the link ended. */
static void test_client_join__a_link_that_ends_lets_nobody_in(void **state)
{
    struct scene *scene = join_scene(true);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request = request_of(scene, dave);
    struct e2e_group_change end = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);

    (void)state;
    scene->admit_code = CODE_UNAVAILABLE;
    ask_event(scene, 3, dave, kith_buf_peek(&request));
    answer(scene);
    end.ends = true;
    change_event(scene, 4, scene->bob, end);
    scene->admit_code = CODE_OK;
    pass(scene, 60000);
    assert_int_equal(scene->admitted, 0);
    assert_int_equal(kept(scene, 'A'), 0);
    ask_event(scene, 5, dave, kith_buf_peek(&request));
    answer(scene);
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    kith_buf_deinit(&request);
    scene_free(scene);
}

/* So many ask, the last of whom is returned, and are not let in for now. */
static struct town_device *many_ask(struct scene *scene, unsigned count)
{
    struct town_device *who = NULL;

    for (unsigned i = 0; i < count; i++) {
        struct kith_buf request;
        who = town_join(scene->town);
        request = request_of(scene, who);
        ask_event(scene, 3 + i, who, kith_buf_peek(&request));
        answer(scene);
        kith_buf_deinit(&request);
    }
    assert_int_equal(kept(scene, 'A'), count);
    return who;
}

/* Each is looked at, whatever becomes of those before. */
static void test_client_join__a_link_that_ends_lets_none_of_many_in(void **state)
{
    struct scene *scene = join_scene(true);
    struct e2e_group_change end = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);

    (void)state;
    scene->admit_code = CODE_UNAVAILABLE;
    (void)many_ask(scene, 9);
    end.ends = true;
    change_event(scene, 12, scene->bob, end);
    assert_int_equal(kept(scene, 'A'), 0);
    scene_free(scene);
}

/* Where a member has stopped the group nobody is let in any more. Whoever asks behind those is looked at all the same. */
static void test_client_join__who_cannot_be_let_in_is_in_nobodys_way(void **state)
{
    struct scene *scene = join_scene(true);
    struct town_device *last;

    (void)state;
    memset(scene->admit_only, 0xff, sizeof scene->admit_only); /* nobody's */
    last = many_ask(scene, 6);
    memcpy(scene->admit_only, last->person->id, sizeof scene->admit_only);
    for (int i = 0; i < 6; i++) pass(scene, 60000);
    assert_int_equal(scene->admitted, 1);
    assert_true(is_in(scene, last));
    assert_true(kith_client_is_settled(scene->client)); /* nobody waits for it, and it is tried again */
    assert_int_equal(kept(scene, 'A'), 5);
    scene_free(scene);
}

static void test_client_join__is_settled_when_it_was_late_so_often(void **state)
{
    struct scene *scene = join_scene(true);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request = request_of(scene, dave);

    (void)state;
    memset(scene->admit_only, 0xff, sizeof scene->admit_only);
    ask_event(scene, 3, dave, kith_buf_peek(&request));
    for (unsigned i = 0; i < 400 && scene->asked_admit < 3; i++) {
        assert_false(kith_client_is_settled(scene->client));
        if (scene->has_fetch)
            answer_one(scene);
        else
            kith_client_tick(scene->client, scene->now);
        run(scene);
        scene->now.mono_ms += 500;
    }
    assert_int_equal(scene->asked_admit, 3);
    answer(scene);
    assert_true(kith_client_is_settled(scene->client));
    ask_event(scene, 4, dave, kith_buf_peek(&request)); /* asked anew, it is waited for anew */
    assert_false(kith_client_is_settled(scene->client));
    kith_buf_deinit(&request);
    scene_free(scene);
}

static void test_client_join__an_old_request_lets_nobody_in(void **state)
{
    struct scene *scene = join_scene(true);
    struct town_device *dave = town_join(scene->town);
    struct kith_buf request = request_of(scene, dave);

    (void)state;
    scene->admit_code = CODE_UNAVAILABLE;
    ask_event(scene, 3, dave, kith_buf_peek(&request));
    answer(scene);
    assert_true(scene->asked_admit > 0);
    scene->admit_code = CODE_OK;
    scene->now.wall_ms += 31 * DAY_MS;
    pass(scene, 60000);
    assert_int_equal(scene->admitted, 0);
    assert_int_equal(kept(scene, 'A'), 0);
    kith_buf_deinit(&request);
    scene_free(scene);
}

/* ------------------------------------------------------------------------------------------------ how many */
static void test_client_join__at_most_so_many_are_kept(void **state)
{
    struct scene *scene = join_scene(true);
    struct e2e_join_link link = link_of(scene);
    uint8_t seed[32] = {7}, secret[E2E_SIGN_SECRET_BYTES], pub[E2E_SIGN_PUBLIC_BYTES];
    struct kith_buf signed_request;

    (void)state;
    crypto_sign_seed_keypair(pub, secret, seed);
    for (unsigned i = 0; i <= KITH_ASKS_MAX; i++) {
        struct e2e_join_request request = {.device_id = 1,
                                           .list_seq = 1,
                                           .made_at_ms = scene->now.wall_ms,
                                           .account_id = {0xee, [14] = (uint8_t)(i >> 8), (uint8_t)i}};
        kith_buf_init(&signed_request, E2E_JOIN_SIGNED_BYTES_MAX);
        assert_int_equal(e2e_join_sign(&link, &request, secret, &signed_request), KITH_OK);
        ask_event_as(scene, 3 + i, scene->carol, request.account_id, kith_buf_peek(&signed_request));
        kith_buf_deinit(&signed_request);
        assert_int_equal(scene->unreadable, KITH_OK);
        assert_int_equal(scene->client->secure.ask_count, i < KITH_ASKS_MAX ? i + 1 : KITH_ASKS_MAX);
    }
    assert_int_equal(kept(scene, 'A'), KITH_ASKS_MAX);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_join__who_asks_with_the_link_is_let_in),
        cmocka_unit_test(test_client_join__another_operation_is_ahead),
        cmocka_unit_test(test_client_join__another_admin_was_first),
        cmocka_unit_test(test_client_join__who_asks_is_not_forgotten_over_a_restart),
        cmocka_unit_test(test_client_join__what_may_pass_is_tried_again),
        cmocka_unit_test(test_client_join__a_device_that_came_just_now_lets_in),
        cmocka_unit_test(test_client_join__what_is_refused_for_good_is_forgotten),
        cmocka_unit_test(test_client_join__a_member_lets_nobody_in),
        cmocka_unit_test(test_client_join__who_has_no_link_is_not_shown_as_asking),
        cmocka_unit_test(test_client_join__a_link_that_ends_lets_nobody_in),
        cmocka_unit_test(test_client_join__a_link_that_ends_lets_none_of_many_in),
        cmocka_unit_test(test_client_join__who_cannot_be_let_in_is_in_nobodys_way),
        cmocka_unit_test(test_client_join__is_settled_when_it_was_late_so_often),
        cmocka_unit_test(test_client_join__an_old_request_lets_nobody_in),
        cmocka_unit_test(test_client_join__at_most_so_many_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
