#include "api_fixture.h"
#include "wire/json_text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct scene {
    struct person ann, bob;
    char open[40], closed[40]; /* a group that is not encrypted; an encrypted direct chat */
};

static struct scene scene_of(struct afx *fx)
{
    struct scene scene = {.ann = afx_person(fx, "ann"), .bob = afx_person(fx, "bob")};
    char members[64];

    (void)snprintf(members, sizeof members, "[\"%s\"]", scene.bob.user);
    (void)snprintf(scene.open, sizeof scene.open, "%s", afx_chat(fx, &scene.ann, "group", false, members));
    (void)snprintf(scene.closed, sizeof scene.closed, "%s", afx_chat(fx, &scene.ann, "direct", true, members));
    return scene;
}

static struct reply *post(struct afx *fx, const struct person *by, const char *chat, const char *id, const char *more)
{
    return afx_ask(fx, "POST", "/messages", by->access, "{\"chat_id\":\"%s\",\"msg_id\":\"%s\",%s}", chat, id, more);
}

static struct reply *page(struct afx *fx, const struct person *by, const char *chat, const char *query)
{
    char target[160];

    (void)snprintf(target, sizeof target, "/messages?chat_id=%s%s", chat, query);
    return afx_ask(fx, "GET", target, by->access, NULL);
}

static void test_api_messages__the_same_again_gets_the_first_answer(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    char id[40];
    struct reply *first, *again;

    (void)snprintf(id, sizeof id, "%s", afx_msg_id(fx));
    first = expect_kept(post(fx, &scene.ann, scene.open, id, "\"content\":\"hello\""), 201, NULL);
    again = expect_kept(post(fx, &scene.ann, scene.open, id, "\"content\":\"hello\",\"encrypted\":false"), 200, NULL);
    assert_string_equal(first->body, again->body);
    reply_free(again);
    afx_crash(fx);
    afx_open(fx);
    again = expect_kept(post(fx, &scene.ann, scene.open, id, "\"content\":\"hello\""), 200, NULL);
    assert_string_equal(first->body, again->body);
    reply_free(first);
    reply_free(again);
    expect(post(fx, &scene.ann, scene.open, id, "\"content\":\"other\""), 409, "CONFLICT");
    expect(post(fx, &scene.ann, scene.open, id, "\"content\":\"hello\",\"content_type\":\"text/html\""), 409,
           "CONFLICT");
    expect(post(fx, &scene.bob, scene.open, id, "\"content\":\"other\""), 201, NULL); /* another sender's id */
}

static void test_api_messages__ids_are_of_about_now(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    char id[KITH_UUID_TEXT_LEN + 1];
    const uint8_t coins[10] = {1};
    uint64_t now = afx_wall_ms(fx);
    struct reply *reply;

    kith_uuid_format(kith_uuid_v7_make(now + KITH_ID_AHEAD_MS_MAX + 60000, coins), id);
    reply = expect_kept(post(fx, &scene.ann, scene.open, id, "\"content\":\"x\""), 422, "BAD_ID");
    assert_int_equal(strlen(reply_str(reply, "server_time")), KITH_TIME_TEXT_LEN);
    reply_free(reply);
    kith_uuid_format(kith_uuid_v7_make(now + KITH_ID_AHEAD_MS_MAX - 60000, coins), id);
    expect(post(fx, &scene.ann, scene.open, id, "\"content\":\"x\""), 201, NULL);
    kith_uuid_format(kith_uuid_v7_make(now - KITH_ID_AGE_MS_MAX - 60000, coins), id);
    reply = expect_kept(post(fx, &scene.ann, scene.open, id, "\"content\":\"x\""), 410, "TOO_OLD");
    assert_int_equal(strlen(reply_str(reply, "server_time")), KITH_TIME_TEXT_LEN);
    reply_free(reply);
    kith_uuid_format(kith_uuid_v7_make(now - KITH_ID_AGE_MS_MAX + 60000, coins), id);
    expect(post(fx, &scene.ann, scene.open, id, "\"content\":\"x\""), 201, NULL);
    expect(post(fx, &scene.ann, scene.open, "3f0c5f6e-0000-4000-8000-000000000001", "\"content\":\"x\""), 422,
           "BAD_ID");
    expect(post(fx, &scene.ann, scene.open, "x", "\"content\":\"x\""), 400, "BAD_REQUEST");
}

static void test_api_messages__after_names_what_must_be_there(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    char one[40], two[40], more[120];

    (void)snprintf(one, sizeof one, "%s", afx_msg_id(fx));
    (void)snprintf(two, sizeof two, "%s", afx_msg_id(fx));
    (void)snprintf(more, sizeof more, "\"content\":\"2\",\"after\":\"%s\"", one);
    expect(post(fx, &scene.ann, scene.open, two, more), 409, "PREDECESSOR_MISSING");
    expect(post(fx, &scene.ann, scene.open, one, "\"content\":\"1\""), 201, NULL);
    expect(post(fx, &scene.ann, scene.open, two, more), 201, NULL);
    expect(post(fx, &scene.ann, scene.open, two, "\"content\":\"2\""), 200, NULL); /* no part of the comparison */
}

static void test_api_messages__a_field_out_of_form_is_pointed_at(void **state)
{
    static const struct {
        const char *more, *pointer;
    } bad[] = {
        {"\"content\":1", "/content"},
        {"\"encrypted\":false", "/content"},
        {"\"content\":\"x\",\"bodies\":[],\"device_lists\":[]", "/content"},
        {"\"bodies\":[],\"encrypted\":true", "/device_lists"},
        {"\"bodies\":[],\"device_lists\":[],\"encrypted\":false", "/bodies"},
        {"\"content\":\"x\",\"encrypted\":\"no\"", "/encrypted"},
        {"\"content\":\"x\",\"encrypted\":true", "/encrypted"},
        {"\"content\":\"x\",\"after\":\"y\"", "/after"},
        {"\"content\":\"x\",\"parent_id\":7", "/parent_id"},
        {"\"content\":\"x\",\"content_type\":\"text\"", "/content_type"},
        {"\"content\":\"x\",\"content_type\":\"a/b\\u0001\"", "/content_type"},
        {"\"content\":\"x\",\"expires_at\":\"tomorrow\"", "/expires_at"},
        {"\"content\":\"x\",\"expires_at\":\"2001-01-01T00:00:00Z\"", "/expires_at"},
        {"\"content\":\"x\",\"expires_at\":\"1901-01-01T00:00:00Z\"", "/expires_at"},
        {"\"content\":\"x\",\"colour\":\"red\"", "/colour"},
        {"\"content\":\"x\",\"a/b~c\":1", "/a~1b~0c"},
    };
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct reply *reply = expect_kept(post(fx, &scene.ann, scene.open, afx_msg_id(fx), bad[i].more), 400,
                                          "BAD_REQUEST");
        assert_string_equal(reply_str(reply, "pointer"), bad[i].pointer);
        assert_false(reply_bool(reply, "retryable"));
        reply_free(reply);
    }
    expect(post(fx, &scene.ann, scene.open, afx_msg_id(fx), "\"content\":\"x\",\"parent_id\":null,\"expires_at\":null"),
           201, NULL);
}

/* I-A5: sender, seq, time and epoch are never the client's to say. */
static void test_api_messages__the_sender_is_who_the_token_says(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    char more[120];
    struct reply *reply;

    (void)snprintf(more, sizeof more, "\"content\":\"x\",\"sender_id\":\"%s\"", scene.ann.user);
    expect(post(fx, &scene.bob, scene.open, afx_msg_id(fx), more), 400, "BAD_REQUEST");
    expect(post(fx, &scene.bob, scene.open, afx_msg_id(fx), "\"content\":\"x\",\"seq\":99"), 400, "BAD_REQUEST");
    expect(post(fx, &scene.bob, scene.open, afx_msg_id(fx), "\"content\":\"x\",\"epoch\":2"), 400, "BAD_REQUEST");
    expect(post(fx, &scene.bob, scene.open, afx_msg_id(fx), "\"content\":\"x\""), 201, NULL);
    reply = expect_kept(page(fx, &scene.ann, scene.open, ""), 200, NULL);
    assert_string_equal(reply_str(reply, "messages/1/sender_id"), scene.bob.user);
    assert_string_equal(reply_str(reply, "messages/1/sender_device_id"), scene.bob.device);
    assert_int_equal(reply_int(reply, "messages/1/epoch"), 1);
    assert_int_equal(reply_int(reply, "messages/1/seq"), 2);
    reply_free(reply);
}

static void test_api_messages__content_is_text_or_base64_both_ways(void **state)
{
    static const char *const bad[] = {"\"content\":\"aGk\",\"encrypted\":true",
                                      "\"content\":\"aGl=\",\"encrypted\":true",
                                      "\"content\":\"aG k\",\"encrypted\":true", "\"content\":\"hello!\""};
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct reply *reply;

    expect(post(fx, &scene.ann, scene.open, afx_msg_id(fx),
                "\"content\":\"a\\u0000\\\"\\\\\\n\xc3\xa9\xf0\x9f\x99\x82\",\"content_type\":\"text/"
                "plain;charset=utf-8\""),
           201, NULL);
    reply = expect_kept(page(fx, &scene.bob, scene.open, "&after=1"), 200, NULL);
    assert_int_equal(json_string_length(reply_at(reply, "messages/0/content")), 11);
    assert_memory_equal(reply_str(reply, "messages/0/content"), "a\0\"\\\n\xc3\xa9\xf0\x9f\x99\x82", 11);
    assert_string_equal(reply_str(reply, "messages/0/content_type"), "text/plain;charset=utf-8");
    assert_false(reply_bool(reply, "messages/0/encrypted"));
    reply_free(reply);
    for (size_t i = 0; i < COUNT(bad); i++)
        expect(post(fx, &scene.ann, scene.closed, afx_msg_id(fx), bad[i]), 400, "BAD_REQUEST");
    expect(post(fx, &scene.ann, scene.closed, afx_msg_id(fx), "\"content\":\"AP/+\",\"encrypted\":true"), 201, NULL);
    expect(post(fx, &scene.ann, scene.closed, afx_msg_id(fx), "\"content\":\"aGk=\""), 201, NULL); /* as the chat is */
    expect(post(fx, &scene.ann, scene.closed, afx_msg_id(fx), "\"content\":\"aGk=\",\"encrypted\":false"), 400,
           "BAD_REQUEST");
    reply = expect_kept(page(fx, &scene.bob, scene.closed, "&after=1"), 200, NULL);
    assert_string_equal(reply_str(reply, "messages/0/content"), "AP/+");
    assert_string_equal(reply_str(reply, "messages/1/content"), "aGk=");
    assert_true(reply_bool(reply, "messages/1/encrypted"));
    reply_free(reply);
}

static void test_api_messages__a_message_at_its_limit_and_one_byte_past_it(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    char *more = malloc(KITH_MESSAGE_BYTES_MAX + 100);
    size_t head = (size_t)snprintf(more, 100, "\"content\":\"");

    memset(more + head, 'x', KITH_MESSAGE_BYTES_MAX + 1);
    memcpy(more + head + KITH_MESSAGE_BYTES_MAX, "\"", 2);
    expect(post(fx, &scene.ann, scene.open, afx_msg_id(fx), more), 201, NULL);
    memcpy(more + head + KITH_MESSAGE_BYTES_MAX, "x\"", 3);
    expect(post(fx, &scene.ann, scene.open, afx_msg_id(fx), more), 413, "TOO_BIG");
    free(more);
}

static void test_api_messages__each_device_gets_its_own_body(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct person phone = afx_login(fx, "bob", "phone"), tablet;
    const char *ann_user = scene.ann.user, *bob_user = scene.bob.user;
    char more[800], id[40];
    struct reply *reply;

    (void)snprintf(more, sizeof more,
                   "\"encrypted\":true,\"bodies\":[{\"device_id\":\"%s\",\"content\":\"Qg==\"},"
                   "{\"device_id\":\"%s\",\"content\":\"UA==\"}],"
                   "\"device_lists\":[{\"user_id\":\"%s\",\"list_seq\":2},{\"user_id\":\"%s\",\"list_seq\":1}]",
                   scene.bob.device, phone.device, bob_user, ann_user);
    (void)snprintf(id, sizeof id, "%s", afx_msg_id(fx));
    expect(post(fx, &scene.ann, scene.closed, id, more), 201, NULL);
    expect(post(fx, &scene.ann, scene.closed, id, more), 200, NULL);
    for (int i = 0; i < 3; i++) {
        const struct person *reader = i == 0 ? &scene.bob : i == 1 ? &phone : &scene.ann;
        reply = expect_kept(page(fx, reader, scene.closed, "&after=1"), 200, NULL);
        if (i < 2)
            assert_string_equal(reply_str(reply, "messages/0/content"), i == 0 ? "Qg==" : "UA==");
        else
            assert_null(reply_at(reply, "messages/0/content"));
        assert_string_equal(reply_str(reply, "messages/0/msg_id"), id);
        reply_free(reply);
    }
    /* Another device since: what was made for the old set is refused, and says what differs. */
    tablet = afx_login(fx, "bob", "tablet");
    reply = expect_kept(post(fx, &scene.ann, scene.closed, afx_msg_id(fx), more), 409, "STALE_DEVICES");
    assert_int_equal(json_array_size(reply_at(reply, "missing")), 1);
    assert_string_equal(reply_str(reply, "missing/0"), tablet.device);
    assert_int_equal(json_array_size(reply_at(reply, "removed")), 0);
    assert_int_equal(json_array_size(reply_at(reply, "device_lists")), 2);
    reply_free(reply);
    (void)snprintf(more, sizeof more, "/devices/%s", phone.device);
    expect(afx_ask(fx, "DELETE", more, scene.bob.access, NULL), 204, NULL);
    (void)snprintf(more, sizeof more,
                   "\"encrypted\":true,\"bodies\":[{\"device_id\":\"%s\",\"content\":\"UA==\"}],"
                   "\"device_lists\":[{\"user_id\":\"%s\",\"list_seq\":2},{\"user_id\":\"%s\",\"list_seq\":1}]",
                   phone.device, bob_user, ann_user);
    reply = expect_kept(post(fx, &scene.ann, scene.closed, afx_msg_id(fx), more), 409, "STALE_DEVICES");
    assert_int_equal(json_array_size(reply_at(reply, "missing")), 2);
    assert_string_equal(reply_str(reply, "removed/0"), phone.device);
    reply_free(reply);
    (void)snprintf(more, sizeof more,
                   "\"encrypted\":true,\"bodies\":[{\"device_id\":\"%s\",\"content\":\"UA==\"},"
                   "{\"device_id\":\"%s\",\"content\":\"UA==\"}],\"device_lists\":[]",
                   phone.device, phone.device);
    expect(post(fx, &scene.ann, scene.closed, afx_msg_id(fx), more), 400, "BAD_REQUEST"); /* a device twice */
}

static void test_api_messages__deleting_frees_the_body(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    char target[120];
    struct reply *reply;

    expect(post(fx, &scene.bob, scene.open, afx_msg_id(fx), "\"content\":\"oops\""), 201, NULL);
    (void)snprintf(target, sizeof target, "/messages?chat_id=%s&seq=2", scene.open);
    fx->headers[0][0] = "Idempotency-Key";
    fx->headers[0][1] = "k";
    for (int i = 0; i < 2; i++) {
        reply = expect_kept(afx_ask(fx, "DELETE", target, scene.bob.access, NULL), 200, NULL);
        assert_int_equal(reply_int(reply, "seq"), 3);
        reply_free(reply);
    }
    fx->headers[0][0] = NULL;
    reply = expect_kept(page(fx, &scene.ann, scene.open, "&after=1"), 200, NULL);
    assert_true(reply_bool(reply, "messages/0/deleted"));
    assert_null(reply_at(reply, "messages/0/content"));
    assert_string_equal(reply_str(reply, "messages/1/type"), "deleted");
    assert_string_equal(reply_str(reply, "messages/1/content"), "{\"seq\":2}");
    reply_free(reply);
    expect(post(fx, &scene.ann, scene.open, afx_msg_id(fx), "\"content\":\"mine\""), 201, NULL);
    (void)snprintf(target, sizeof target, "/messages?chat_id=%s&seq=4", scene.open);
    expect(afx_ask(fx, "DELETE", target, scene.bob.access, NULL), 403, "FORBIDDEN");
    (void)snprintf(target, sizeof target, "/messages?chat_id=%s&seq=99", scene.open);
    expect(afx_ask(fx, "DELETE", target, scene.bob.access, NULL), 404, "NOT_FOUND");
    (void)snprintf(target, sizeof target, "/messages?chat_id=%s", scene.open);
    expect(afx_ask(fx, "DELETE", target, scene.bob.access, NULL), 400, "BAD_REQUEST");
}

/* I-E4 */
static void test_api_messages__status_says_present_absent_or_unknown(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    char id[40], target[160], absent[40], old[KITH_UUID_TEXT_LEN + 1];
    const uint8_t coins[10] = {1};
    struct reply *reply, *sent;
    char *body = NULL;

    (void)snprintf(id, sizeof id, "%s", afx_msg_id(fx));
    (void)snprintf(absent, sizeof absent, "%s", afx_msg_id(fx));
    assert_true(asprintf(&body, "{\"chat_id\":\"%s\",\"msg_id\":\"%s\",\"content\":\"x\"}", scene.open, id) > 0);
    sent = afx_start(fx, "POST", "/messages", scene.ann.access, body);
    for (int i = 0; i < 12; i++) (void)sim_world_step(fx->world);
    /* Asked while it is on its way: what it says stays true. */
    (void)snprintf(target, sizeof target, "/messages/%s/status?chat_id=%s", id, scene.open);
    reply = expect_kept(afx_ask(fx, "GET", target, scene.ann.access, NULL), 200, NULL);
    reply_wait(sent);
    if (strcmp(reply_str(reply, "state"), "ABSENT") == 0) assert_int_not_equal(sent->status, 201);
    reply_free(reply);
    reply = expect_kept(afx_ask(fx, "GET", target, scene.ann.access, NULL), 200, NULL);
    assert_string_equal(reply_str(reply, "state"), "PRESENT");
    assert_int_equal(reply_int(reply, "seq"), 2);
    reply_free(reply);
    reply_free(sent);
    free(body);
    reply = expect_kept(afx_ask(fx, "GET", target, scene.bob.access, NULL), 200, NULL);
    assert_string_equal(reply_str(reply, "state"), "ABSENT"); /* it is none of one's own */
    reply_free(reply);
    (void)snprintf(target, sizeof target, "/messages/%s/status?chat_id=%s", absent, scene.open);
    reply = expect_kept(afx_ask(fx, "GET", target, scene.ann.access, NULL), 200, NULL);
    assert_string_equal(reply_str(reply, "state"), "ABSENT");
    assert_null(reply_at(reply, "seq"));
    reply_free(reply);
    kith_uuid_format(kith_uuid_v7_make(afx_wall_ms(fx) - KITH_ID_AGE_MS_MAX - 1000, coins), old);
    (void)snprintf(target, sizeof target, "/messages/%s/status?chat_id=%s", old, scene.open);
    reply = expect_kept(afx_ask(fx, "GET", target, scene.ann.access, NULL), 200, NULL);
    assert_string_equal(reply_str(reply, "state"), "UNKNOWN");
    reply_free(reply);
    (void)snprintf(target, sizeof target, "/messages/%s/status?chat_id=%s", scene.open, scene.open);
    expect(afx_ask(fx, "GET", target, scene.ann.access, NULL), 422, "BAD_ID");
    (void)snprintf(target, sizeof target, "/messages/x/status?chat_id=%s", scene.open);
    expect(afx_ask(fx, "GET", target, scene.ann.access, NULL), 404, "NOT_FOUND");
}

static void test_api_messages__a_read_only_log_refuses_and_comes_back(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct reply *reply;

    fx->log_store.full = true;
    reply = expect_kept(post(fx, &scene.ann, scene.open, afx_msg_id(fx), "\"content\":\"x\""), 503, "READ_ONLY");
    assert_true(reply_bool(reply, "retryable"));
    assert_string_equal(reply->retry_after, "1");
    reply_free(reply);
    expect(page(fx, &scene.ann, scene.open, ""), 200, NULL); /* I-L2: reads go on */
    fx->log_store.full = false;
    expect(post(fx, &scene.ann, scene.open, afx_msg_id(fx), "\"content\":\"x\""), 201, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_messages__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_same_again_gets_the_first_answer),
        TEST(ids_are_of_about_now),
        TEST(after_names_what_must_be_there),
        TEST(a_field_out_of_form_is_pointed_at),
        TEST(the_sender_is_who_the_token_says),
        TEST(content_is_text_or_base64_both_ways),
        TEST(a_message_at_its_limit_and_one_byte_past_it),
        TEST(each_device_gets_its_own_body),
        TEST(deleting_frees_the_body),
        TEST(status_says_present_absent_or_unknown),
        TEST(a_read_only_log_refuses_and_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
