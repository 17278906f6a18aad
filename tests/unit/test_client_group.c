#include "client_group.h"
#include "libkith/client.h"
#include "libkith/e2ee/account_resend_impl.h"

/* Operations that come with events or are fetched, and what is shown of an event that has none. */

/* ------------------------------------------------------------------------------------------------ in turn */
/* The operation between is missing: what came waits until it was fetched, over a restart too, and what follows waits behind it. */
static void test_client_group__what_is_behind_a_gap_waits_for_operations(void **state)
{
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct scene *scene = scene_new(true);
        town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_SETTINGS, NULL, 0));
        town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_SETTINGS, NULL, 0));
        scene->ops_shown = scene->group->op_count;
        newest_op_event(scene, 1, scene->bob);
        message_event(scene, 2, town_group_send(scene->bob, scene->group, "behind it"));
        assert_int_equal(scene->shown, 0);
        if (restarts > 0) client_open(scene, kith_buf_peek(&scene->persisted));
        answer(scene);
        assert_int_equal(scene->asked_ops, 1);
        assert_int_equal(scene->asked_after, 1);
        assert_int_equal(scene->shown, 2);
        assert_int_equal(scene->last_seq, 2);
        assert_int_equal(scene->unreadable, KITH_OK);
        assert_int_equal(view_of(scene).group->seq, 3);
        scene_free(scene);
    }
}

/* The server has none between, it says: what came is nobody's, and is shown as such; with what it shows later all goes on. */
static void test_client_group__what_the_server_holds_back_is_missed(void **state)
{
    struct scene *scene = scene_new(true);

    (void)state;
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    newest_op_event(scene, 1, scene->bob);
    answer(scene);
    assert_int_equal(scene->shown, 1);
    assert_int_equal(scene->unreadable, KITH_E_NOTFOUND);
    message_event(scene, 2, town_group_send(scene->bob, scene->group, "behind it"));
    scene->now.mono_ms += 30000; /* it is not asked at once what it has just answered */
    answer(scene);
    assert_int_equal(scene->shown, 2);
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    assert_int_equal(view_of(scene).group->seq, 1);
    scene->ops_shown = scene->group->op_count;
    message_event(scene, 3, town_group_send(scene->bob, scene->group, "and now?"));
    assert_int_equal(scene->shown, 2);
    scene->now.mono_ms += 30000;
    answer(scene);
    assert_int_equal(scene->shown, 3);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_int_equal(view_of(scene).group->seq, 3);
    scene_free(scene);
}

/* Signed by a device that Ann's pinned list of Bob does not have: it is fetched first. */
static void test_client_group__an_operation_waits_for_its_author(void **state)
{
    struct scene *scene = scene_new(true);
    struct town_device *phone = town_link(scene->bob);

    (void)state;
    assert_int_equal(town_group_fetch(phone, scene->group), KITH_OK);
    town_group_must(scene->group, phone, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    newest_op_event(scene, 1, phone);
    message_event(scene, 2, town_group_send(scene->carol, scene->group, "behind it"));
    assert_int_equal(scene->shown, 0);
    answer(scene);
    assert_int_equal(scene->shown, 2);
    assert_int_equal(scene->last_seq, 2);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_int_equal(view_of(scene).group->seq, 2);
    scene_free(scene);
}

/* A chat of which nothing is known: members, operations, then what came is opened. */
static void test_client_group__a_new_chat_turns_out_to_be_a_group(void **state)
{
    struct scene *scene = scene_new(false);

    (void)state;
    message_event(scene, 1, town_group_send(scene->bob, scene->group, "welcome"));
    assert_int_equal(scene->shown, 0);
    answer(scene);
    assert_int_equal(scene->asked_after, 0);
    assert_int_equal(scene->shown, 1);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_true(view_of(scene).is_member);
    scene_free(scene);
}

/* The server had none to show, as long as this account was not in it; with the operation that lets it in that is over. */
static void test_client_group__a_chat_without_operations_turns_out_to_be_a_group(void **state)
{
    struct scene *scene = scene_new(false);

    (void)state;
    scene->ops_shown = 0;
    message_event(scene, 1, town_group_send(scene->bob, scene->group, "too early"));
    answer(scene);
    assert_int_equal(scene->shown, 1);
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    scene->ops_shown = scene->group->op_count;
    newest_op_event(scene, 2, scene->bob);
    message_event(scene, 3, town_group_send(scene->carol, scene->group, "welcome"));
    assert_int_equal(scene->shown, 1);
    scene->now.mono_ms += 30000; /* it is not asked at once what it has just answered */
    answer(scene);
    assert_int_equal(scene->shown, 3);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_string_equal(scene->last_text, "welcome");
    scene_free(scene);
}

/* Nothing came of it, and its person wants to know what it is: all its operations are fetched, however many at once. */
static void test_client_group__a_group_is_looked_into(void **state)
{
    struct scene *scene = scene_new(false);

    (void)state;
    for (int i = 0; i < 3; i++) town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    assert_true(kith_client_is_settled(scene->client));
    scene->ops_shown = 2;
    kith_client_look_into(scene->client, scene->now, chat_of(scene));
    run(scene);
    assert_false(kith_client_is_settled(scene->client));
    for (int i = 0; i < 3 && view_of(scene).group == NULL; i++) {
        if (scene->has_fetch) answer_one(scene);
        run(scene);
        scene->now.mono_ms += 500;
        kith_client_tick(scene->client, scene->now);
        run(scene);
    }
    assert_false(kith_client_is_settled(scene->client)); /* there may be more */
    scene->ops_shown = scene->group->op_count;
    answer(scene);
    assert_true(kith_client_is_settled(scene->client));
    assert_int_equal(view_of(scene).group->seq, 4);
    assert_int_equal(scene->shown, 0);
    /* Where they were fetched just now, and there were no more, nothing is waited for. */
    kith_client_look_into(scene->client, scene->now, chat_of(scene));
    run(scene);
    assert_true(kith_client_is_settled(scene->client));
    scene_free(scene);
}

/* The server was asked who is in it, and answers when the operations have come: what is written there is not for the two. */
static void test_client_group__a_group_never_becomes_a_chat_of_two(void **state)
{
    struct scene *scene = scene_new(true);
    const struct user_id two[2] = {user_of(scene->ann->person->id), user_of(scene->bob->person->id)};
    struct user_id pair[2];

    (void)state;
    kith_client_members(scene->client, chat_of(scene), two, 2);
    assert_false(kith_client_pair(scene->client, chat_of(scene), pair));
    message_event(scene, 1, town_group_send(scene->carol, scene->group, "to all three"));
    answer(scene);
    assert_int_equal(scene->shown, 1);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_string_equal(scene->last_text, "to all three");
    scene_free(scene);
}

/* ------------------------------------------------------------------------------------------------ not signed */
static void test_client_group__a_chat_without_operations_is_not_written_in(void **state)
{
    struct scene *scene = scene_new(false);

    (void)state;
    scene->ops_shown = 0;
    write_one(scene);
    assert_int_equal(scene->failed, 0);
    answer(scene);
    assert_true(scene->asked_ops > 0);
    assert_int_equal(scene->failed, 1);
    assert_int_equal(scene->code, CODE_NOT_SUPPORTED);
    assert_int_equal(scene->frames, 0);
    message_event(scene, 1, town_group_send(scene->bob, scene->group, "in what is no group"));
    answer(scene);
    assert_int_equal(scene->shown, 1);
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    scene_free(scene);
}

static void test_client_group__changes_that_nobody_signed_are_unreadable(void **state)
{
    struct scene *scene = scene_new(true);
    const struct town_device nobody = {.person = scene->bob->person}; /* the server: of no device */
    struct kith_buf bad;

    (void)state;
    kith_buf_init(&bad, E2E_GROUP_SIGNED_BYTES_MAX);
    op_event(scene, 1, "member", scene->bob, "\"op\":\"remove\",\"user_id\":\"x\"", (struct kith_slice){0});
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    op_event(scene, 2, "chat", scene->bob, "\"op\":\"name\",\"name\":\"a lie\"", (struct kith_slice){0});
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    op_event(scene, 3, "member", scene->bob, "\"op\":\"remove\",\"signed_op\":\"%%%\"", (struct kith_slice){0});
    assert_int_equal(scene->unreadable, KITH_E_MALFORMED);
    op_event(scene, 4, "member", scene->bob, "\"op\":\"remove\"", kith_slice_str("garbage"));
    assert_int_equal(scene->unreadable, KITH_E_MALFORMED);
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_REMOVE, scene->carol, 0));
    assert_int_equal(kith_buf_append(&bad, kith_buf_peek(&scene->group->ops[1])), KITH_OK);
    bad.ptr[bad.tail - 1] ^= 1;
    op_event(scene, 5, "member", scene->bob, "\"op\":\"remove\"", kith_buf_peek(&bad));
    answer(scene);
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    assert_int_equal(view_of(scene).group->seq, 1);
    /* That an account was deleted the server may say; it changes nothing here. */
    op_event(scene, 6, "member", &nobody, "\"op\":\"leave\"", (struct kith_slice){0});
    assert_int_equal(scene->unreadable, KITH_OK);
    op_event(scene, 7, "member", scene->bob, "\"op\":\"remove\"", kith_buf_peek(&scene->group->ops[1]));
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_int_equal(scene->shown, 7);
    assert_int_equal(view_of(scene).group->seq, 2);
    kith_buf_deinit(&bad);
    scene_free(scene);
}

static void heir_event(struct scene *scene, unsigned seq, const struct town_device *heir, const char *role)
{
    char json[200], text[KITH_UUID_TEXT_LEN + 1];
    struct kith_uuid uuid;

    memcpy(uuid.raw, heir->person->id, sizeof uuid.raw);
    kith_uuid_format(uuid, text);
    (void)snprintf(json, sizeof json, "\"op\":\"role\",\"user_id\":\"%s\",\"role\":\"%s\"", text, role);
    op_event(scene, seq, "member", scene->bob, json, (struct kith_slice){0});
}

/* Who the only owner's heir is follows from their leaving: what the server says besides is true, or it is nobody's word. */
static void test_client_group__the_heir_is_who_the_operations_say(void **state)
{
    struct scene *scene = scene_new(true);
    bool is_ann = memcmp(scene->ann->person->id, scene->carol->person->id, E2E_ACCOUNT_ID_BYTES) < 0;
    const struct town_device *heir = is_ann ? scene->ann : scene->carol, *other = is_ann ? scene->carol : scene->ann;

    (void)state;
    heir_event(scene, 1, heir, "owner"); /* not yet */
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_LEAVE, NULL, 0));
    op_event(scene, 2, "member", scene->bob, "\"op\":\"leave\"", kith_buf_peek(&scene->group->ops[1]));
    assert_int_equal(scene->unreadable, KITH_OK);
    heir_event(scene, 3, heir, "owner");
    assert_int_equal(scene->unreadable, KITH_OK);
    heir_event(scene, 4, other, "owner");
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    heir_event(scene, 5, heir, "admin");
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    assert_int_equal(scene->shown, 5);
    scene_free(scene);
}

/* What was a chat of two stays one. */
static void test_client_group__a_chat_of_two_does_not_become_a_group(void **state)
{
    struct scene *scene = scene_new(false);
    struct user_id users[2] = {user_of(scene->ann->person->id), user_of(scene->bob->person->id)};
    struct e2e_group_view view;

    (void)state;
    kith_client_members(scene->client, chat_of(scene), users, 2);
    op_event(scene, 1, "created", scene->bob, "\"members\":[]", kith_buf_peek(&scene->group->ops[0]));
    assert_int_equal(scene->shown, 1);
    assert_int_equal(scene->unreadable, KITH_E_DENIED);
    assert_false(e2e_account_group(kith_client_account(scene->client), scene->group->chat_id, &view));
    scene_free(scene);
}

/* By a device that its author has removed since, which this one has never seen: it asks for the lists that had it, once. */
static void test_client_group__an_operation_of_a_device_that_is_gone(void **state)
{
    struct scene *scene = scene_new(false);
    struct town_device *tablet = town_link(scene->bob);

    (void)state;
    assert_int_equal(town_group_fetch(tablet, scene->group), KITH_OK);
    town_group_must(scene->group, tablet, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    assert_int_equal(e2e_account_remove_device(scene->bob->account, scene->town->now_ms, tablet->server_device),
                     KITH_OK);
    town_upload(scene->bob);
    scene->ops_shown = scene->group->op_count;
    newest_op_event(scene, 1, tablet);
    assert_int_equal(scene->shown, 0);
    answer(scene);
    assert_int_equal(scene->shown, 1);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_int_equal(view_of(scene).group->seq, 2);
    assert_int_equal(scene->asked_past, 1);
    scene_free(scene);
}

/* ------------------------------------------------------------------------------------------------ asked for again */
/* A mail of that device asks for the message 1 of the group; how many answers wait for the host then. */
static size_t ask_of(struct scene *scene, const struct town_device *by, uint8_t msg_id)
{
    struct e2e_resend request = {.count = 1, .items[0] = {.seq = 1, .msg_id = {msg_id}}};
    struct e2e_opened opened = {
        .payload = {.device_id = by->account->self.device_id, .content_type = kith_slice_str(E2E_RESEND_TYPE)}};
    const struct kith_message mail = {.seq = 1};
    struct kith_buf body;
    size_t waiting = 0;

    kith_buf_init(&body, 4096);
    memcpy(request.items[0].chat_id, scene->chat.id, sizeof request.items[0].chat_id);
    memcpy(opened.payload.account_id, by->person->id, sizeof opened.payload.account_id);
    assert_int_equal(e2e_resend_encode(&request, &body), KITH_OK);
    opened.payload.body = kith_buf_peek(&body);
    resend_mail(scene->client, &mail, &opened);
    kith_buf_deinit(&body);
    for (const struct outbox_entry *entry = scene->client->outbox_first; entry != NULL; entry = entry->next)
        waiting += outbox_is_mail(entry);
    return waiting;
}

/* The host may have to read a whole history for an answer: it does so for no stranger, and not for what was given three times. */
static void test_client_group__what_would_not_be_given_is_not_looked_up(void **state)
{
    struct scene *scene = scene_new(true);
    struct town_device *dave = town_join(scene->town);
    struct resend_peer *one = NULL;
    struct peer_key key;

    (void)state;
    message_event(scene, 1, town_group_send(scene->carol, scene->group, "hello"));
    assert_int_equal(ask_of(scene, dave, 7), 0);
    memcpy(key.account_id, scene->bob->person->id, sizeof key.account_id);
    kith_put_u32_be(key.device_id, scene->bob->account->self.device_id);
    assert_int_equal(account_resend_put(kith_client_account(scene->client), scene->now.wall_ms, &key, &one), KITH_OK);
    one->given = calloc(E2E_RESENDS_MAX, sizeof *one->given);
    assert_non_null(one->given);
    for (one->given_count = 0; one->given_count < E2E_RESENDS_MAX; one->given_count++)
        one->given[one->given_count] = (struct given_item){.msg_id = {7}, .given_ms = scene->now.wall_ms};
    assert_int_equal(ask_of(scene, scene->bob, 7), 0);
    assert_int_equal(ask_of(scene, scene->carol, 7), 1);
    assert_int_equal(ask_of(scene, scene->bob, 8), 2);
    scene->now.wall_ms += E2E_GIVEN_MS;
    kith_client_tick(scene->client, scene->now);
    assert_int_equal(ask_of(scene, scene->bob, 7), 1); /* the two before are too old */
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_group__what_is_behind_a_gap_waits_for_operations),
        cmocka_unit_test(test_client_group__what_the_server_holds_back_is_missed),
        cmocka_unit_test(test_client_group__an_operation_waits_for_its_author),
        cmocka_unit_test(test_client_group__an_operation_of_a_device_that_is_gone),
        cmocka_unit_test(test_client_group__a_new_chat_turns_out_to_be_a_group),
        cmocka_unit_test(test_client_group__a_group_never_becomes_a_chat_of_two),
        cmocka_unit_test(test_client_group__a_chat_without_operations_turns_out_to_be_a_group),
        cmocka_unit_test(test_client_group__a_group_is_looked_into),
        cmocka_unit_test(test_client_group__a_chat_without_operations_is_not_written_in),
        cmocka_unit_test(test_client_group__changes_that_nobody_signed_are_unreadable),
        cmocka_unit_test(test_client_group__the_heir_is_who_the_operations_say),
        cmocka_unit_test(test_client_group__a_chat_of_two_does_not_become_a_group),
        cmocka_unit_test(test_client_group__what_would_not_be_given_is_not_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
