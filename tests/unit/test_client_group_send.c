#include "client_group.h"

/* Who may write in a group, and what a client writes there by itself. */

static void removed_and_added(struct scene *scene)
{
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_REMOVE, scene->ann, 0));
    newest_op_event(scene, 1, scene->bob);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_false(view_of(scene).is_member);
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_ADD, scene->ann, E2E_ROLE_MEMBER));
}

/* Was she added again the operations say so, before the event comes. */
static void test_client_group_send__who_was_added_again_may_send_at_once(void **state)
{
    struct scene *scene = scene_new(true);

    (void)state;
    removed_and_added(scene);
    scene->ops_shown = scene->group->op_count;
    write_one(scene);
    answer(scene);
    assert_int_equal(scene->failed, 0);
    assert_int_equal(scene->frames, 1);
    assert_int_equal(scene->asked_after, 2);
    scene_free(scene);
}

/* Was she not, it is refused; and when the event says that she was, the next goes out with nothing asked. */
static void test_client_group_send__who_was_removed_may_not_send(void **state)
{
    struct scene *scene = scene_new(true);
    size_t asked;

    (void)state;
    removed_and_added(scene);
    scene->ops_shown = scene->group->op_count - 1;
    write_one(scene);
    answer(scene);
    assert_int_equal(scene->failed, 1);
    assert_int_equal(scene->code, CODE_FORBIDDEN);
    assert_int_equal(scene->frames, 0);
    newest_op_event(scene, 2, scene->bob);
    asked = scene->asked_ops;
    write_one(scene);
    assert_int_equal(scene->frames, 1);
    assert_int_equal(scene->asked_ops, asked);
    assert_int_equal(scene->failed, 1);
    scene_free(scene);
}

/* Who is behind in the group's operations, and would not learn of them by an event, is told by the refusal of a message. */
static void test_client_group_send__a_stale_message_asks_for_operations(void **state)
{
    struct scene *scene = scene_new(true);
    const struct kith_send send = {.chat = chat_of(scene),
                                   .encrypted = true,
                                   .content_type = kith_slice_str("text/plain"),
                                   .body = kith_slice_str("hello")};
    char head[200], text[KITH_UUID_TEXT_LEN + 1];
    struct msg_id id;
    size_t asked;

    (void)state;
    assert_int_equal(kith_client_send(scene->client, scene->now, &send, &id), KITH_OK);
    run(scene);
    answer(scene);
    assert_int_equal(scene->frames, 1);
    asked = scene->asked_ops;
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_REMOVE, scene->carol, 0));
    scene->ops_shown = scene->group->op_count;
    kith_uuid_format(id.id, text);
    (void)snprintf(head, sizeof head,
                   "MESSAGE\nsubscription:errors\nmessage-id:e1\ndestination:/errors\nclient-id:%s\n"
                   "code:STALE_DEVICES\n\n",
                   text);
    bytes_in(scene, head, (struct kith_slice){0});
    answer(scene);
    assert_true(scene->asked_ops > asked);
    assert_int_equal(scene->frames, 2);
    assert_int_equal(view_of(scene).group->member_count, 2);
    asked = scene->asked_ops;
    answer(scene);
    assert_int_equal(scene->asked_ops, asked); /* once is enough */
    scene_free(scene);
}

/* Its own operation came into force: the others need the key of the name. Its host did not write that message. */
static void test_client_group_send__keys_follow_an_own_operation(void **state)
{
    struct scene *scene = scene_new(true);
    const struct e2e_group_change change = town_change_name(E2E_GROUP_INFO, "another name");
    struct kith_buf op;
    uint64_t seq = 0;

    (void)state;
    kith_buf_init(&op, E2E_GROUP_SIGNED_BYTES_MAX);
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_ROLE, scene->ann, E2E_ROLE_ADMIN));
    newest_op_event(scene, 1, scene->bob);
    assert_int_equal(kith_client_outbox_owed(scene->client), 0);
    assert_int_equal(e2e_account_group_make(kith_client_account(scene->client), scene->now.wall_ms,
                                            scene->group->chat_id, &change, &op, &seq),
                     KITH_OK);
    kith_client_acted(scene->client, scene->now);
    run(scene);
    assert_int_equal(seq, 3);
    assert_int_equal(kith_client_outbox_owed(scene->client), 0);
    op_event(scene, 2, "chat", scene->ann, "\"op\":\"info\"", kith_buf_peek(&op));
    answer(scene);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_int_equal(kith_client_outbox_owed(scene->client), 1);
    assert_int_equal(kith_client_outbox_count(scene->client), 0); /* nobody wrote them */
    assert_int_equal(scene->frames, 1);
    assert_int_equal(scene->sent + scene->failed, 0);
    kith_buf_deinit(&op);
    scene_free(scene);
}

static void add_somebody(struct scene *scene, unsigned event_seq)
{
    const struct e2e_group_change add = town_change(E2E_GROUP_ADD, town_join(scene->town), E2E_ROLE_MEMBER);
    struct kith_buf op;
    uint64_t seq = 0;

    kith_buf_init(&op, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_account_group_make(kith_client_account(scene->client), scene->now.wall_ms,
                                            scene->group->chat_id, &add, &op, &seq),
                     KITH_OK);
    op_event(scene, event_seq, "member", scene->ann, "\"op\":\"add\"", kith_buf_peek(&op));
    answer(scene);
    assert_int_equal(scene->unreadable, KITH_OK);
    kith_buf_deinit(&op);
}

/* Many come while the keys are on their way to the first: those that wait are for all of them. */
static void test_client_group_send__the_same_keys_wait_once(void **state)
{
    struct scene *scene = scene_new(true);

    (void)state;
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_ROLE, scene->ann, E2E_ROLE_ADMIN));
    newest_op_event(scene, 1, scene->bob);
    add_somebody(scene, 2);
    assert_int_equal(scene->frames, 1);
    for (unsigned i = 0; i < 3; i++) add_somebody(scene, 3 + i);
    assert_int_equal(scene->frames, 1);
    assert_int_equal(kith_client_outbox_owed(scene->client), 2);
    assert_int_equal(view_of(scene).group->member_count, 7);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_group_send__who_was_added_again_may_send_at_once),
        cmocka_unit_test(test_client_group_send__who_was_removed_may_not_send),
        cmocka_unit_test(test_client_group_send__a_stale_message_asks_for_operations),
        cmocka_unit_test(test_client_group_send__keys_follow_an_own_operation),
        cmocka_unit_test(test_client_group_send__the_same_keys_wait_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
