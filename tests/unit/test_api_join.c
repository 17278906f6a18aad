#include "join_fixture.h"

/*
 * Invite links over REST: a group's operation makes and ends one, and who has it asks to be let in. The server knows of the
 * link how its key begins. What it refuses: test_api_join_refused.c.
 */

/* ------------------------------------------------------------------------------------------------ asking */

static void test_api_join__the_members_are_shown_who_asks(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    struct kith_buf request = request_sign(&scene.link, request_by(&scene.carl), scene.carl.device);
    struct kith_slice bytes = kith_buf_peek(&request);
    struct e2e_group_op add = op_by(&scene.ann, E2E_GROUP_ADD, &scene.carl.who, E2E_ROLE_MEMBER);
    const char *chat = scene.known.chat, *text = base64_text(bytes.ptr, bytes.len);
    const struct author *members[] = {&scene.ann, &scene.bob};
    json_t *event;

    expect_asked(send_join(fx, &scene.carl.who, chat, NULL, bytes), 202);
    for (int i = 0; i < 2; i++) {
        event = event_at(fx, &members[i]->who, chat, 3, "member");
        assert_int_equal(json_object_size(event), 4);
        assert_string_equal(json_string_value(json_object_get(event, "op")), "ask");
        assert_string_equal(json_string_value(json_object_get(event, "user_id")), scene.carl.who.user);
        assert_string_equal(json_string_value(json_object_get(event, "by")), scene.carl.who.user);
        assert_memory_equal(json_string_value(json_object_get(event, "request")), text + 1, strlen(text) - 2);
        json_decref(event);
    }
    /* Who asks is none of them, and sees nothing. */
    expect(chat_call(fx, "GET", &scene.carl.who, chat, "", NULL), 404, "NOT_FOUND");
    expect(chat_call(fx, "GET", &scene.carl.who, chat, "/operations", NULL), 404, "NOT_FOUND");
    expect_chat_at(fx, &scene.ann.who, &scene.known, 3, 2);
    /* Who lets them in does so with an operation that has the request in it. */
    add.request = bytes;
    must_op(fx, &scene.known, &scene.ann, add, "POST", "/members", of_user(USER_ID, &scene.carl.who));
    expect_chat_at(fx, &scene.carl.who, &scene.known, 4, 3);
    expect_asked(send_join(fx, &scene.carl.who, chat, NULL, bytes), 200);
    expect_chat_at(fx, &scene.carl.who, &scene.known, 4, 3);
    kith_buf_deinit(&request);
    e2e_group_free(scene.known.group);
}

static void test_api_join__the_same_request_again_is_the_same(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    const char *chat = scene.known.chat;
    struct e2e_join_request later = request_by(&scene.carl);
    struct kith_buf other;

    expect_asked(ask_to_join(fx, &scene.carl, chat, "k", &scene.link), 202);
    expect_asked(ask_to_join(fx, &scene.carl, chat, "k", &scene.link), 202);
    expect_chat_at(fx, &scene.ann.who, &scene.known, 3, 2);
    later.made_at_ms++;
    other = request_sign(&scene.link, later, scene.carl.device);
    expect(send_join(fx, &scene.carl.who, chat, "k", kith_buf_peek(&other)), 409, "CONFLICT");
    expect_asked(send_join(fx, &scene.carl.who, chat, "k2", kith_buf_peek(&other)), 202);
    kith_buf_deinit(&other);
    expect_asked(ask_to_join(fx, &scene.carl, chat, NULL, &scene.link), 202);
    expect_chat_at(fx, &scene.ann.who, &scene.known, 5, 2);
    e2e_group_free(scene.known.group);
}

static void test_api_join__holds_over_a_restart(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    const char *chat = scene.known.chat;

    expect_asked(ask_to_join(fx, &scene.carl, chat, "k", &scene.link), 202);
    afx_crash(fx);
    afx_open(fx);
    expect_asked(ask_to_join(fx, &scene.carl, chat, "k", &scene.link), 202);
    expect_chat_at(fx, &scene.ann.who, &scene.known, 3, 2);
    expect_asked(ask_to_join(fx, &scene.carl, chat, "k2", &scene.link), 202);
    hold_link(fx, &scene.known, &scene.ann, NULL);
    afx_crash(fx);
    afx_open(fx);
    expect(ask_to_join(fx, &scene.carl, chat, "k3", &scene.link), 404, "NOT_FOUND");
    expect_asked(ask_to_join(fx, &scene.carl, chat, "k", &scene.link), 202); /* was asked, whatever holds now */
    expect_chat_at(fx, &scene.ann.who, &scene.known, 5, 2);
    e2e_group_free(scene.known.group);
}

/* ------------------------------------------------------------------------------------------------ which link */

/* What it answers; and the next one says the same, to the byte. */
struct same {
    struct reply *first;
    unsigned count;
};

static void also(struct same *same, struct reply *reply)
{
    reply = expect_kept(reply, 404, "NOT_FOUND");
    if (same->count++ == 0) {
        same->first = reply;
        return;
    }
    assert_int_equal(reply->body_len, same->first->body_len);
    assert_memory_equal(reply->body, same->first->body, reply->body_len);
    assert_string_equal(reply->content_type, same->first->content_type);
    assert_string_equal(reply->retry_after, same->first->retry_after);
    reply_free(reply);
}

static void test_api_join__whoever_has_not_the_link_learns_nothing(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    struct e2e_join_link other = link_to(scene.known.chat, 2), nowhere = link_to(NO_CHAT, 1);
    char bob[64], carl[64], chats[4][40];
    struct same same = {0};
    const char *chat = scene.known.chat;

    (void)snprintf(bob, sizeof bob, "[\"%s\"]", scene.bob.who.user);
    (void)snprintf(carl, sizeof carl, "[\"%s\"]", scene.carl.who.user);
    (void)snprintf(chats[0], sizeof chats[0], "%s", afx_chat(fx, &scene.ann.who, "direct", true, bob));
    (void)snprintf(chats[1], sizeof chats[1], "%s", afx_chat(fx, &scene.ann.who, "group", false, bob));
    (void)snprintf(chats[2], sizeof chats[2], "%s", afx_chat(fx, &scene.ann.who, "group", true, bob));
    (void)snprintf(chats[3], sizeof chats[3], "%s", afx_chat(fx, &scene.ann.who, "group", true, carl));
    also(&same, ask_to_join(fx, &scene.carl, NO_CHAT, NULL, &nowhere));
    also(&same, ask_to_join(fx, &scene.carl, NO_CHAT, "k", &nowhere));
    also(&same, ask_to_join(fx, &scene.carl, "x", NULL, &nowhere));
    also(&same, ask_to_join(fx, &scene.carl, chat, NULL, &other));
    for (int i = 0; i < 4; i++)
        also(&same, ask_to_join(fx, &scene.carl, chats[i], "k", &scene.link)); /* is in the last one */
    afx_run_ms(fx, ACCOUNT_JOINS * (uint64_t)ACCOUNT_JOIN_MS);
    hold_link(fx, &scene.known, &scene.ann, &other); /* one at a time */
    also(&same, ask_to_join(fx, &scene.carl, chat, NULL, &scene.link));
    expect_asked(ask_to_join(fx, &scene.carl, chat, NULL, &other), 202);
    hold_link(fx, &scene.known, &scene.ann, NULL);
    also(&same, ask_to_join(fx, &scene.carl, chat, NULL, &other));
    hold_link(fx, &scene.known, &scene.ann, &other);
    must_op(fx, &scene.known, &scene.ann, op_by(&scene.ann, E2E_GROUP_REMOVE, &scene.bob.who, 0), "DELETE",
            of_user(MEMBER, &scene.bob.who), "");
    also(&same, ask_to_join(fx, &scene.bob, chat, NULL, &other)); /* knows the link, which has ended with that */
    also(&same, ask_to_join(fx, &scene.carl, chat, NULL, &other));
    assert_int_equal(same.count, 12);
    reply_free(same.first);
    e2e_group_free(scene.known.group);
}

static void test_api_join__who_left_may_come_back(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    struct reply *reply;

    must_op(fx, &scene.known, &scene.bob, op_by(&scene.bob, E2E_GROUP_LEAVE, NULL, 0), "POST", "/leave", "");
    expect_asked(ask_to_join(fx, &scene.bob, scene.known.chat, NULL, &scene.link), 202);
    expect_chat_at(fx, &scene.ann.who, &scene.known, 4, 1);
    reply = expect_kept(chat_call(fx, "GET", &scene.bob.who, scene.known.chat, "", NULL), 200, NULL);
    assert_int_equal(reply_int(reply, "last_seq"), 3); /* it was said after they left */
    reply_free(reply);
    must_op(fx, &scene.known, &scene.ann, op_by(&scene.ann, E2E_GROUP_ADD, &scene.bob.who, E2E_ROLE_MEMBER), "POST",
            "/members", of_user(USER_ID, &scene.bob.who));
    expect_asked(ask_to_join(fx, &scene.bob, scene.known.chat, NULL, &scene.link), 200);
    e2e_group_free(scene.known.group);
}

static void test_api_join__a_full_group_says_so(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);

    afx_crash(fx);
    fx->members_max = 3;
    afx_open(fx);
    expect_asked(ask_to_join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 202);
    afx_crash(fx);
    fx->members_max = 2;
    afx_open(fx);
    expect(ask_to_join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 409, "CHAT_FULL");
    expect_chat_at(fx, &scene.ann.who, &scene.known, 3, 2);
    e2e_group_free(scene.known.group);
}

/* A link is changed while somebody asks: either comes first, and the answer says which. */
static void race(struct afx *fx, struct join_scene *scene, uint8_t number, bool asks_first, unsigned *asked)
{
    struct e2e_join_link next = link_to(scene->known.chat, number);
    struct kith_buf request = request_sign(&scene->link, request_by(&scene->carl), scene->carl.device);
    struct made_op made = op_make(scene->known.group, &scene->ann, link_op(&scene->ann, &next));
    char *change = op_body(join_key_member(made.after->join_key, E2E_SIGN_PUBLIC_BYTES), kith_buf_peek(&made.bytes),
                           (unsigned)made.after->seq),
         ask[1200], chat[64], target[80];
    struct reply *first, *second, *asking, *changing;
    json_int_t seq;

    (void)snprintf(ask, sizeof ask, "{\"request\":%s}",
                   base64_text(kith_buf_peek(&request).ptr, kith_buf_len(&request)));
    (void)snprintf(chat, sizeof chat, "/chats/%s", scene->known.chat);
    (void)snprintf(target, sizeof target, "%s/join", chat);
    first = asks_first ? afx_start(fx, "POST", target, scene->carl.who.access, ask)
                       : afx_start(fx, "PATCH", chat, scene->ann.who.access, change);
    if (!asks_first) afx_run_ms(fx, number * 4u); /* a change reads more before it is ordered than a request does */
    second = asks_first ? afx_start(fx, "PATCH", chat, scene->ann.who.access, change)
                        : afx_start(fx, "POST", target, scene->carl.who.access, ask);
    reply_wait(first);
    reply_wait(second);
    asking = asks_first ? first : second;
    changing = asks_first ? second : first;
    seq = reply_int(expect_kept(changing, 200, NULL), "seq");
    assert_true(asking->status == 202 || asking->status == 404);
    if (asking->status == 202) {
        json_decref(event_at(fx, &scene->ann.who, scene->known.chat, (unsigned)seq - 1, "member"));
        ++*asked;
    }
    json_decref(event_at(fx, &scene->ann.who, scene->known.chat, (unsigned)seq, "chat"));
    e2e_group_free(scene->known.group);
    scene->known.group = made.after;
    expect_chat_at(fx, &scene->ann.who, &scene->known, seq, 2); /* and no event behind it */
    scene->link = next;
    reply_free(first);
    reply_free(second);
    free(change);
    kith_buf_deinit(&made.bytes);
    kith_buf_deinit(&request);
}

static void test_api_join__a_link_that_ends_meanwhile_is_in_order_with_who_asks(void **state)
{
    unsigned asked = 0, count = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct afx *fx = afx_new(seed, REGISTRATION_OPEN, 20);
        struct join_scene scene = join_scene_of(fx);

        for (uint8_t i = 0; i < 6; i++, count++) race(fx, &scene, (uint8_t)(10 + i), i % 2 == 0, &asked);
        e2e_group_free(scene.known.group);
        afx_free(fx);
    }
    assert_true(asked > 0 && asked < count); /* both were seen */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_join__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_members_are_shown_who_asks),
        TEST(the_same_request_again_is_the_same),
        TEST(holds_over_a_restart),
        TEST(whoever_has_not_the_link_learns_nothing),
        TEST(who_left_may_come_back),
        TEST(a_full_group_says_so),
        cmocka_unit_test(test_api_join__a_link_that_ends_meanwhile_is_in_order_with_who_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
