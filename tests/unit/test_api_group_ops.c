#include "api_fixture.h"

/* A group's signed operations over REST: made with the group and its changes, read by whoever is or was in it. */

static struct reply *call(struct afx *fx, const char *method, const struct person *by, const char *chat,
                          const char *tail, const char *body)
{
    char target[160];

    (void)snprintf(target, sizeof target, "/chats/%s%s", chat, tail);
    return body == NULL ? afx_ask(fx, method, target, by->access, NULL)
                        : afx_ask(fx, method, target, by->access, "%s", body);
}

static struct reply *create(struct afx *fx, const struct person *by, const struct person *other, const char *more)
{
    struct reply *reply;

    fx->headers[0][0] = "Idempotency-Key";
    fx->headers[0][1] = "the-group";
    reply = afx_ask(fx, "POST", "/chats", by->access, "{\"type\":\"group\",\"members\":[\"%s\"]%s}", other->user, more);
    fx->headers[0][0] = NULL;
    return reply;
}

static void made(struct afx *fx, const struct person *by, const struct person *other, char chat[static 40])
{
    struct reply *reply = expect_kept(create(fx, by, other, ",\"signed_op\":\"bzE=\",\"group_seq\":1"), 201, NULL),
                 *again;

    (void)snprintf(chat, 40, "%s", reply_str(reply, "chat_id"));
    again = expect_kept(create(fx, by, other, ",\"signed_op\":\"bzE=\",\"group_seq\":1"), 200, NULL);
    assert_string_equal(reply_str(again, "chat_id"), chat);
    reply_free(again);
    reply_free(reply);
    /* Another operation is another request. */
    expect(create(fx, by, other, ",\"signed_op\":\"bzI=\",\"group_seq\":1"), 409, "CONFLICT");
}

static void test_api_group_ops__are_made_with_the_group_and_read_in_order(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    char chat[40], body[160], tail[80];
    struct reply *reply;

    made(fx, &ann, &bob, chat);
    (void)snprintf(body, sizeof body, "{\"user_id\":\"%s\",\"signed_op\":\"bzI=\",\"group_seq\":2}", carl.user);
    expect(call(fx, "POST", &ann, chat, "/members", body), 200, NULL);
    expect(call(fx, "POST", &ann, chat, "/members", body), 409, "STALE_GROUP");
    expect(call(fx, "PATCH", &ann, chat, "", "{\"signed_op\":\"bzM=\",\"group_seq\":3}"), 200, NULL);
    reply = expect_kept(call(fx, "GET", &ann, chat, "", NULL), 200, NULL);
    assert_int_equal(reply_int(reply, "group_seq"), 3);
    reply_free(reply);
    (void)snprintf(tail, sizeof tail, "/members/%s", bob.user);
    expect(call(fx, "DELETE", &ann, chat, tail, "{\"signed_op\":\"bzQ=\",\"group_seq\":4}"), 200, NULL);
    expect(call(fx, "POST", &carl, chat, "/leave", "{\"signed_op\":\"bzU=\",\"group_seq\":5}"), 200, NULL);

    /* Who came later reads what was before, too; who was removed, nothing after. */
    reply = expect_kept(call(fx, "GET", &carl, chat, "/operations", NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "operations")), 5);
    assert_int_equal(reply_int(reply, "operations/0/group_seq"), 1);
    assert_int_equal(reply_int(reply, "operations/0/seq"), 1);
    assert_string_equal(reply_str(reply, "operations/0/signed_op"), "bzE=");
    assert_string_equal(reply_str(reply, "operations/4/signed_op"), "bzU=");
    assert_false(reply_bool(reply, "more"));
    reply_free(reply);
    reply = expect_kept(call(fx, "GET", &bob, chat, "/operations?after=1", NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "operations")), 3);
    assert_int_equal(reply_int(reply, "operations/2/group_seq"), 4);
    assert_false(reply_bool(reply, "more"));
    reply_free(reply);
    reply = expect_kept(call(fx, "GET", &ann, chat, "/operations?after=1&limit=2", NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "operations")), 2);
    assert_true(reply_bool(reply, "more"));
    reply_free(reply);
    reply = expect_kept(call(fx, "GET", &ann, chat, "/operations?after=5", NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "operations")), 0);
    reply_free(reply);
}

static void test_api_group_ops__bad_input(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    char chat[40], body[160], members[64];
    const char *plain;

    expect(create(fx, &ann, &bob, ",\"signed_op\":\"bzE=\""), 400, "BAD_REQUEST");
    expect(create(fx, &ann, &bob, ",\"group_seq\":1"), 400, "BAD_REQUEST");
    expect(create(fx, &ann, &bob, ",\"signed_op\":\"bzE=\",\"group_seq\":2"), 400, "BAD_REQUEST");
    expect(create(fx, &ann, &bob, ",\"signed_op\":\"bzE=\",\"group_seq\":1,\"encrypted\":false"), 400, "BAD_REQUEST");
    expect(create(fx, &ann, &bob, ",\"signed_op\":\"bz\",\"group_seq\":1"), 400, "BAD_REQUEST");
    made(fx, &ann, &bob, chat);
    (void)snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", carl.user);
    expect(call(fx, "POST", &ann, chat, "/members", body), 403, "FORBIDDEN"); /* no change without its operation */
    (void)snprintf(body, sizeof body, "{\"user_id\":\"%s\",\"group_seq\":2}", carl.user);
    expect(call(fx, "POST", &ann, chat, "/members", body), 400, "BAD_REQUEST");
    (void)snprintf(body, sizeof body, "{\"user_id\":\"%s\",\"signed_op\":\"bzI=\",\"group_seq\":0}", carl.user);
    expect(call(fx, "POST", &ann, chat, "/members", body), 400, "BAD_REQUEST");
    expect(call(fx, "GET", &carl, chat, "/operations", NULL), 404, "NOT_FOUND");
    expect(call(fx, "GET", &ann, chat, "/operations?limit=0", NULL), 400, "BAD_REQUEST");
    expect(call(fx, "GET", &ann, chat, "/operations?limit=201", NULL), 400, "BAD_REQUEST");
    expect(call(fx, "GET", &ann, chat, "/operations?after=x", NULL), 400, "BAD_REQUEST");
    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    plain = afx_chat(fx, &ann, "group", false, members);
    (void)snprintf(body, sizeof body, "{\"user_id\":\"%s\",\"signed_op\":\"bzI=\",\"group_seq\":1}", carl.user);
    expect(call(fx, "POST", &ann, plain, "/members", body), 403, "FORBIDDEN");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_group_ops__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(are_made_with_the_group_and_read_in_order),
        TEST(bad_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
