#include "api_fixture.h"

static struct reply *make(struct afx *fx, const struct person *by, const char *key, const char *body)
{
    struct reply *reply;

    fx->headers[0][0] = key == NULL ? NULL : "Idempotency-Key";
    fx->headers[0][1] = key;
    reply = afx_ask(fx, "POST", "/chats", by->access, "%s", body);
    fx->headers[0][0] = NULL;
    return reply;
}

static struct reply *member_call(struct afx *fx, const char *method, const struct person *by, const char *chat,
                                 const char *tail, const char *key, const char *body)
{
    char target[160];
    struct reply *reply;

    (void)snprintf(target, sizeof target, "/chats/%s%s", chat, tail);
    fx->headers[0][0] = key == NULL ? NULL : "Idempotency-Key";
    fx->headers[0][1] = key;
    if (body == NULL)
        reply = afx_ask(fx, method, target, by->access, NULL);
    else
        reply = afx_ask(fx, method, target, by->access, "%s", body);
    fx->headers[0][0] = NULL;
    return reply;
}

static void test_api_chats__a_pair_has_one_direct_chat_of_each_kind(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    char with_bob[100], with_ann[160], first[40];
    struct reply *a, *b;

    (void)snprintf(with_bob, sizeof with_bob, "{\"type\":\"direct\",\"members\":[\"%s\"]}", bob.user);
    (void)snprintf(with_ann, sizeof with_ann, "{\"type\":\"direct\",\"members\":[\"%s\",\"%s\"],\"encrypted\":true}",
                   ann.user, bob.user);
    a = afx_start(fx, "POST", "/chats", ann.access, with_bob); /* both at once */
    b = afx_start(fx, "POST", "/chats", bob.access, with_ann);
    reply_wait(a);
    reply_wait(b);
    assert_int_equal(a->status + b->status, 201 + 200);
    assert_string_equal(reply_str(a, "chat_id"), reply_str(b, "chat_id"));
    (void)snprintf(first, sizeof first, "%s", reply_str(a, "chat_id"));
    reply_free(a);
    reply_free(b);
    a = expect_kept(make(fx, &ann, NULL, with_bob), 200, NULL);
    assert_string_equal(reply_str(a, "chat_id"), first);
    reply_free(a);
    (void)snprintf(with_bob, sizeof with_bob, "{\"type\":\"direct\",\"members\":[\"%s\"],\"encrypted\":false}",
                   bob.user);
    a = expect_kept(make(fx, &ann, NULL, with_bob), 201, NULL);
    assert_string_not_equal(reply_str(a, "chat_id"), first);
    reply_free(a);
    afx_crash(fx);
    afx_open(fx);
    expect(make(fx, &bob, NULL, with_ann), 200, NULL);
}

static void test_api_chats__a_direct_chat_is_with_one_other_person(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    char body[200];

    (void)snprintf(body, sizeof body, "{\"type\":\"direct\",\"members\":[\"%s\"]}", ann.user);
    expect(make(fx, &ann, NULL, body), 400, "BAD_REQUEST");
    expect(make(fx, &ann, NULL, "{\"type\":\"direct\",\"members\":[]}"), 400, "BAD_REQUEST");
    expect(make(fx, &ann, NULL, "{\"type\":\"direct\"}"), 400, "BAD_REQUEST");
    expect(make(fx, &ann, NULL, "{\"type\":\"trio\",\"members\":[]}"), 400, "BAD_REQUEST");
    expect(make(fx, &ann, NULL, "{\"type\":\"direct\",\"members\":[\"x\"]}"), 400, "BAD_REQUEST");
    expect(make(fx, &ann, NULL, "{\"type\":\"direct\",\"members\":[\"00000000-0000-4000-8000-000000000001\"]}"), 404,
           "NOT_FOUND");
    (void)snprintf(body, sizeof body, "{\"type\":\"direct\",\"members\":[\"%s\"],\"name\":\"x\"}", bob.user);
    expect(make(fx, &ann, NULL, body), 400, "BAD_REQUEST");
    (void)snprintf(body, sizeof body, "{\"type\":\"direct\",\"members\":[\"%s\"],\"name\":null}", bob.user);
    expect(make(fx, &ann, NULL, body), 201, NULL);
    (void)snprintf(body, sizeof body, "{\"type\":\"group\",\"members\":[\"%s\"],\"name\":\"x\"}", bob.user);
    expect(make(fx, &ann, NULL, body), 400, "BAD_REQUEST"); /* encrypted: the server is told no name */
}

static void test_api_chats__a_group_is_made_once_for_a_key(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    char body[200], other[200], id[40], key[300];
    struct reply *a, *b;

    (void)snprintf(body, sizeof body, "{\"type\":\"group\",\"members\":[\"%s\"],\"encrypted\":false,\"name\":\"x\"}",
                   bob.user);
    (void)snprintf(other, sizeof other, "{\"type\":\"group\",\"members\":[\"%s\"],\"encrypted\":false,\"name\":\"x\"}",
                   carl.user);
    fx->headers[0][0] = "Idempotency-Key";
    fx->headers[0][1] = "key-1";
    a = afx_start(fx, "POST", "/chats", ann.access, body);
    b = afx_start(fx, "POST", "/chats", ann.access, body);
    reply_wait(a);
    reply_wait(b);
    fx->headers[0][0] = NULL;
    assert_int_equal(a->status + b->status, 201 + 200);
    assert_string_equal(a->body, b->body);
    (void)snprintf(id, sizeof id, "%s", reply_str(a, "chat_id"));
    reply_free(a);
    reply_free(b);
    (void)afx_login(fx, "bob", "phone"); /* a person of it has changed: the request has not */
    a = expect_kept(make(fx, &ann, "key-1", body), 200, NULL);
    assert_string_equal(reply_str(a, "chat_id"), id);
    reply_free(a);
    expect(make(fx, &ann, "key-1", other), 409, "CONFLICT");
    a = expect_kept(make(fx, &bob, "key-1", body), 201, NULL); /* another creator's key is another key */
    assert_string_not_equal(reply_str(a, "chat_id"), id);
    reply_free(a);
    a = expect_kept(make(fx, &ann, NULL, body), 201, NULL);
    assert_string_not_equal(reply_str(a, "chat_id"), id);
    reply_free(a);
    memset(key, 'k', sizeof key);
    key[255] = '\0';
    expect(make(fx, &ann, key, body), 201, NULL);
    key[255] = 'k';
    key[256] = '\0';
    expect(make(fx, &ann, key, body), 400, "BAD_REQUEST");
    expect(make(fx, &ann, "a key", body), 400, "BAD_REQUEST");
    expect(make(fx, &ann, "", body), 400, "BAD_REQUEST");
}

static void test_api_chats__members_at_the_limit_and_one_past_it(void **state)
{
    struct afx *fx = afx_new(8, REGISTRATION_OPEN, 0);
    struct person people[5];
    char body[300], one[80];
    const char *chat;

    (void)state;
    afx_crash(fx);
    fx->members_max = 4;
    afx_open(fx);
    for (unsigned i = 0; i < 5; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "p%u", i);
        people[i] = afx_person(fx, name);
    }
    (void)snprintf(body, sizeof body, "{\"type\":\"group\",\"members\":[\"%s\",\"%s\",\"%s\",\"%s\"]}", people[1].user,
                   people[2].user, people[3].user, people[4].user);
    expect(make(fx, &people[0], NULL, body), 409, "CHAT_FULL");
    (void)snprintf(body, sizeof body, "[\"%s\",\"%s\"]", people[1].user, people[2].user);
    chat = afx_chat(fx, &people[0], "group", true, body);
    (void)snprintf(one, sizeof one, "{\"user_id\":\"%s\"}", people[3].user);
    expect(member_call(fx, "POST", &people[0], chat, "/members", NULL, one), 200, NULL);
    (void)snprintf(one, sizeof one, "{\"user_id\":\"%s\"}", people[4].user);
    expect(member_call(fx, "POST", &people[0], chat, "/members", NULL, one), 409, "CHAT_FULL");
    afx_free(fx);
}

static void test_api_chats__members_come_go_and_change_roles(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    char members[64], add[120], tail[80], target[80];
    struct reply *reply;
    const char *chat;
    json_int_t seq;

    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    chat = afx_chat(fx, &ann, "group", true, members);
    (void)snprintf(add, sizeof add, "{\"user_id\":\"%s\"}", carl.user);
    (void)snprintf(tail, sizeof tail, "/members/%s", carl.user);
    expect(member_call(fx, "POST", &bob, chat, "/members", NULL, add), 403, "FORBIDDEN");
    expect(member_call(fx, "POST", &carl, chat, "/members", NULL, add), 404, "NOT_FOUND");
    expect(
        member_call(fx, "POST", &ann, chat, "/members", NULL, "{\"user_id\":\"00000000-0000-4000-8000-000000000001\"}"),
        404, "NOT_FOUND");
    reply = expect_kept(member_call(fx, "POST", &ann, chat, "/members", "k1", add), 200, NULL);
    seq = reply_int(reply, "seq");
    reply_free(reply);
    reply = expect_kept(member_call(fx, "POST", &ann, chat, "/members", "k1", add), 200, NULL);
    assert_int_equal(reply_int(reply, "seq"), seq); /* the same key: the same answer */
    reply_free(reply);
    expect(member_call(fx, "PATCH", &ann, chat, tail, "k1", "{\"role\":\"admin\"}"), 409, "CONFLICT");
    expect(member_call(fx, "PATCH", &bob, chat, tail, NULL, "{\"role\":\"admin\"}"), 403, "FORBIDDEN");
    expect(member_call(fx, "PATCH", &ann, chat, tail, NULL, "{\"role\":\"king\"}"), 400, "BAD_REQUEST");
    expect(member_call(fx, "PATCH", &ann, chat, tail, NULL, "{\"role\":\"admin\",\"signed_op\":\"b3A\"}"), 400,
           "BAD_REQUEST");
    expect(member_call(fx, "PATCH", &ann, chat, tail, NULL, "{\"role\":\"admin\"}"), 200, NULL);
    (void)snprintf(tail, sizeof tail, "/members/%s", bob.user);
    expect(member_call(fx, "DELETE", &ann, chat, "/members/x", NULL, NULL), 404, "NOT_FOUND");
    expect(member_call(fx, "DELETE", &carl, chat, tail, NULL, NULL), 200, NULL);
    /* The removed one sees the removal as the last event, and no name or member any more. */
    (void)snprintf(target, sizeof target, "/chats/%s", chat);
    reply = expect_kept(afx_ask(fx, "GET", target, bob.access, NULL), 200, NULL);
    assert_int_equal(reply_int(reply, "left_seq"), reply_int(reply, "last_seq"));
    assert_int_equal(json_array_size(reply_at(reply, "members")), 0);
    reply_free(reply);
    expect(member_call(fx, "POST", &bob, chat, "/leave", NULL, NULL), 403, "FORBIDDEN");
    expect(member_call(fx, "POST", &carl, chat, "/leave", NULL, "{\"signed_op\":null}"), 200, NULL);
    reply = expect_kept(afx_ask(fx, "GET", target, ann.access, NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "members")), 1);
    assert_string_equal(reply_str(reply, "members/0/role"), "owner");
    reply_free(reply);
}

static void test_api_chats__name_and_settings_change(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    char members[64], target[80];
    struct reply *reply;
    const char *open, *closed;

    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    open = afx_chat(fx, &ann, "group", false, members);
    closed = afx_chat(fx, &ann, "group", true, members);
    expect(member_call(fx, "PATCH", &ann, open, "", NULL, "{\"name\":\"Walks \xe2\x9c\x93\",\"history_open\":true}"),
           200, NULL);
    (void)snprintf(target, sizeof target, "/chats/%s", open);
    reply = expect_kept(afx_ask(fx, "GET", target, bob.access, NULL), 200, NULL);
    assert_string_equal(reply_str(reply, "name"), "Walks \xe2\x9c\x93");
    assert_true(reply_bool(reply, "history_open"));
    reply_free(reply);
    expect(member_call(fx, "PATCH", &ann, open, "", NULL, "{\"name\":null}"), 200, NULL);
    reply = expect_kept(afx_ask(fx, "GET", target, bob.access, NULL), 200, NULL);
    assert_true(json_is_null(reply_at(reply, "name")));
    reply_free(reply);
    expect(member_call(fx, "PATCH", &bob, open, "", NULL, "{\"name\":\"x\"}"), 403, "FORBIDDEN");
    expect(member_call(fx, "PATCH", &ann, open, "", NULL, "{}"), 400, "BAD_REQUEST");
    expect(member_call(fx, "PATCH", &ann, open, "", NULL, "{\"colour\":1}"), 400, "BAD_REQUEST");
    expect(member_call(fx, "PATCH", &ann, closed, "", NULL, "{\"name\":\"x\"}"), 400, "BAD_REQUEST");
    expect(member_call(fx, "PATCH", &ann, closed, "", NULL, "{\"history_open\":true}"), 200, NULL);
}

static void test_api_chats__a_strangers_request_waits_until_it_is_accepted(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    char members[64], target[80];
    struct reply *reply;
    const char *chat, *other;

    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    chat = afx_chat(fx, &ann, "direct", false, members);
    (void)snprintf(target, sizeof target, "/chats/%s", chat);
    reply = expect_kept(afx_ask(fx, "GET", target, bob.access, NULL), 200, NULL);
    assert_false(reply_bool(reply, "accepted"));
    reply_free(reply);
    expect(member_call(fx, "POST", &bob, chat, "/accept", NULL, NULL), 200, NULL);
    reply = expect_kept(afx_ask(fx, "GET", target, bob.access, NULL), 200, NULL);
    assert_true(reply_bool(reply, "accepted"));
    reply_free(reply);
    /* Who was accepted once is no stranger in the other kind of chat. */
    other = afx_chat(fx, &ann, "direct", true, members);
    (void)snprintf(target, sizeof target, "/chats/%s", other);
    reply = expect_kept(afx_ask(fx, "GET", target, bob.access, NULL), 200, NULL);
    assert_true(reply_bool(reply, "accepted"));
    reply_free(reply);
}

static void test_api_chats__the_list_comes_in_pages(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    char members[64], target[120], after[40] = "", last[40] = "";
    unsigned count = 0, pages = 0;
    struct reply *reply;

    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    for (int i = 0; i < 11; i++) (void)afx_chat(fx, &ann, "group", true, members);
    for (bool more = true; more; pages++) {
        (void)snprintf(target, sizeof target, "/chats?limit=4%s%s", after[0] == '\0' ? "" : "&after=", after);
        reply = expect_kept(afx_ask(fx, "GET", target, bob.access, NULL), 200, NULL);
        for (size_t i = 0; i < json_array_size(reply_at(reply, "chats")); i++, count++) {
            char path[40];
            (void)snprintf(path, sizeof path, "chats/%zu/chat_id", i);
            assert_true(strcmp(reply_str(reply, path), last) > 0);
            (void)snprintf(last, sizeof last, "%s", reply_str(reply, path));
        }
        more = reply_at(reply, "next") != NULL;
        if (more) (void)snprintf(after, sizeof after, "%s", reply_str(reply, "next"));
        reply_free(reply);
    }
    assert_int_equal(count, 11);
    assert_int_equal(pages, 3);
    expect(afx_ask(fx, "GET", "/chats?limit=1", ann.access, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/chats?limit=200", ann.access, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/chats?limit=0", ann.access, NULL), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "GET", "/chats?limit=201", ann.access, NULL), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "GET", "/chats?after=x", ann.access, NULL), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "GET", "/chats?limit=", ann.access, NULL), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "GET", "/chats?limit=1&limit=2", ann.access, NULL), 400, "BAD_REQUEST");
}

/* I-A3: what is foreign and what does not exist answer alike, to the byte, on every route that names a chat. */
static void test_api_chats__a_foreign_chat_is_as_one_that_is_not_there(void **state)
{
    static const struct {
        const char *method, *target, *body;
    } calls[] = {
        {"GET", "/chats/%s", NULL},
        {"PATCH", "/chats/%s", "{\"history_open\":true}"},
        {"POST", "/chats/%s/accept", NULL},
        {"POST", "/chats/%s/leave", NULL},
        {"POST", "/chats/%s/members", "{\"user_id\":\"00000000-0000-4000-8000-000000000001\"}"},
        {"PATCH", "/chats/%s/members/00000000-0000-4000-8000-000000000001", "{\"role\":\"admin\"}"},
        {"DELETE", "/chats/%s/members/00000000-0000-4000-8000-000000000001", NULL},
        {"GET", "/messages?chat_id=%s", NULL},
        {"DELETE", "/messages?chat_id=%s&seq=1", NULL},
        {"GET", "/messages/019b0000-0000-7000-8000-000000000001/status?chat_id=%s", NULL},
    };
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), eve = afx_person(fx, "eve");
    char members[64];
    const char *chat;

    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    chat = afx_chat(fx, &ann, "group", false, members);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        const char *const ids[] = {chat, "00000000-0000-4000-8000-000000000001"};
        struct reply *replies[2];
        for (int k = 0; k < 2; k++) {
            char target[160];
            (void)snprintf(target, sizeof target, calls[i].target, ids[k]);
            replies[k] = calls[i].body == NULL ? afx_ask(fx, calls[i].method, target, eve.access, NULL)
                                               : afx_ask(fx, calls[i].method, target, eve.access, "%s", calls[i].body);
            (void)expect_kept(replies[k], 404, "NOT_FOUND");
        }
        assert_string_equal(replies[0]->body, replies[1]->body);
        reply_free(replies[0]);
        reply_free(replies[1]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_chats__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_pair_has_one_direct_chat_of_each_kind),
        TEST(a_direct_chat_is_with_one_other_person),
        TEST(a_group_is_made_once_for_a_key),
        cmocka_unit_test(test_api_chats__members_at_the_limit_and_one_past_it),
        TEST(members_come_go_and_change_roles),
        TEST(name_and_settings_change),
        TEST(a_strangers_request_waits_until_it_is_accepted),
        TEST(the_list_comes_in_pages),
        TEST(a_foreign_chat_is_as_one_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
