#include "api_fixture.h"
#include "wire/json_text.h"

struct scene {
    struct person ann, bob;
    char chat[40];
};

static struct scene scene_of(struct afx *fx)
{
    struct scene scene = {.ann = afx_person(fx, "ann"), .bob = afx_person(fx, "bob")};
    char members[64];

    (void)snprintf(members, sizeof members, "[\"%s\"]", scene.bob.user);
    (void)snprintf(scene.chat, sizeof scene.chat, "%s", afx_chat(fx, &scene.ann, "group", false, members));
    return scene;
}

static void say(struct afx *fx, const struct person *by, const char *chat, const char *more)
{
    expect(afx_ask(fx, "POST", "/messages", by->access, "{\"chat_id\":\"%s\",\"msg_id\":\"%s\",\"content\":\"x\"%s}",
                   chat, afx_msg_id(fx), more),
           201, NULL);
}

static struct reply *page(struct afx *fx, const struct person *by, const char *chat, const char *query)
{
    char target[160];

    (void)snprintf(target, sizeof target, "/messages?chat_id=%s%s", chat, query);
    return afx_ask(fx, "GET", target, by->access, NULL);
}

/* The seqs of a page as text, "2 3 4", and its gaps, "5-6:expired". */
static const char *seqs_of(const struct reply *reply)
{
    static char text[4096];
    size_t len = 0;
    json_t *item;
    size_t i;

    text[0] = '\0';
    json_array_foreach(reply_at(reply, "messages"), i, item)
    {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld", i == 0 ? "" : " ",
                                (long long)json_integer_value(json_object_get(item, "seq")));
    }
    json_array_foreach(reply_at(reply, "gaps"), i, item)
    {
        len += (size_t)snprintf(text + len, sizeof text - len, " %lld-%lld:%s",
                                (long long)json_integer_value(json_object_get(item, "from")),
                                (long long)json_integer_value(json_object_get(item, "to")),
                                json_string_value(json_object_get(item, "reason")));
    }
    return text;
}

static void expect_page(struct afx *fx, const struct person *by, const char *chat, const char *query,
                        const char *wanted, bool more)
{
    struct reply *reply = expect_kept(page(fx, by, chat, query), 200, NULL);

    assert_string_equal(seqs_of(reply), wanted);
    assert_int_equal(reply_bool(reply, "more"), more);
    reply_free(reply);
}

static void test_api_history__pages_go_forward_and_backward(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);

    for (int i = 0; i < 9; i++) say(fx, &scene.ann, scene.chat, "");
    expect_page(fx, &scene.bob, scene.chat, "", "1 2 3 4 5 6 7 8 9 10", false);
    expect_page(fx, &scene.bob, scene.chat, "&limit=3", "8 9 10", true); /* neither: the newest */
    expect_page(fx, &scene.bob, scene.chat, "&before=8&limit=3", "5 6 7", true);
    expect_page(fx, &scene.bob, scene.chat, "&before=4&limit=3", "1 2 3", false);
    expect_page(fx, &scene.bob, scene.chat, "&before=1", "", false);
    expect_page(fx, &scene.bob, scene.chat, "&before=0", "", false);
    expect_page(fx, &scene.bob, scene.chat, "&before=999&limit=2", "9 10", true);
    expect_page(fx, &scene.bob, scene.chat, "&after=0&limit=4", "1 2 3 4", true);
    expect_page(fx, &scene.bob, scene.chat, "&after=4&limit=6", "5 6 7 8 9 10", false);
    expect_page(fx, &scene.bob, scene.chat, "&after=10", "", false);
    expect_page(fx, &scene.bob, scene.chat, "&after=9007199254740991", "", false);
}

static void test_api_history__limits_at_and_one_past_them(void **state)
{
    static const char *const bad[] = {"&limit=0",  "&limit=201",        "&limit=-1", "&limit=1e1",
                                      "&limit=",   "&after=1&before=2", "&after=-1", "&after=9007199254740992",
                                      "&before=x", "&limit=1&limit=1"};
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct reply *reply;

    for (int i = 0; i < KITH_PAGE_MAX + 5; i++) say(fx, &scene.ann, scene.chat, "");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(page(fx, &scene.ann, scene.chat, bad[i]), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "GET", "/messages", scene.ann.access, NULL), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "GET", "/messages?chat_id=x", scene.ann.access, NULL), 400, "BAD_REQUEST");
    expect_page(fx, &scene.ann, scene.chat, "&limit=1", "206", true);
    reply = expect_kept(page(fx, &scene.ann, scene.chat, "&limit=200"), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "messages")), 200);
    assert_int_equal(reply_int(reply, "first_seq"), 1);
    assert_int_equal(reply_int(reply, "last_seq"), 206);
    reply_free(reply);
    reply = expect_kept(page(fx, &scene.ann, scene.chat, ""), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "messages")), 50);
    reply_free(reply);
}

/* I-A1: a person sees from the own joining, first event, to the own removal, last event. */
static void test_api_history__is_seen_while_one_is_in(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct person carl = afx_person(fx, "carl");
    char target[120], body[80];

    say(fx, &scene.ann, scene.chat, ""); /* 2 */
    (void)snprintf(target, sizeof target, "/chats/%s/members", scene.chat);
    (void)snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", carl.user);
    expect(page(fx, &carl, scene.chat, ""), 404, "NOT_FOUND");
    expect(afx_ask(fx, "POST", target, scene.ann.access, "%s", body), 200, NULL); /* 3 */
    say(fx, &scene.ann, scene.chat, "");                                          /* 4 */
    expect_page(fx, &carl, scene.chat, "", "3 4", false);
    expect_page(fx, &carl, scene.chat, "&after=0", "3 4", false);
    (void)snprintf(target, sizeof target, "/chats/%s/members/%s", scene.chat, carl.user);
    expect(afx_ask(fx, "DELETE", target, scene.ann.access, NULL), 200, NULL); /* 5 */
    say(fx, &scene.ann, scene.chat, "");                                      /* 6 */
    say(fx, &scene.ann, scene.chat, "");                                      /* 7 */
    expect_page(fx, &carl, scene.chat, "", "3 4 5", false);
    expect_page(fx, &carl, scene.chat, "&after=4", "5", false);
    expect_page(fx, &carl, scene.chat, "&after=5", "", false);
    expect_page(fx, &carl, scene.chat, "&before=7", "3 4 5", false);
    expect_page(fx, &carl, scene.chat, "&after=2&limit=3", "3 4 5", false);
    expect(afx_ask(fx, "POST", "/messages", carl.access, "{\"chat_id\":\"%s\",\"msg_id\":\"%s\",\"content\":\"x\"}",
                   scene.chat, afx_msg_id(fx)),
           403, "FORBIDDEN");
    (void)snprintf(target, sizeof target, "/chats/%s/members", scene.chat);
    expect(afx_ask(fx, "POST", target, scene.ann.access, "%s", body), 200, NULL); /* 8 */
    say(fx, &scene.ann, scene.chat, "");                                          /* 9 */
    expect_page(fx, &carl, scene.chat, "", "3 4 5 8 9 6-7:not_member", false);
    expect_page(fx, &carl, scene.chat, "&after=5", "8 9 6-7:not_member", false);
    expect_page(fx, &carl, scene.chat, "&before=7&limit=2", "5 6-6:not_member", true);
    /* An open history shows what was before one came, and nothing of the time in between. */
    (void)snprintf(target, sizeof target, "/chats/%s", scene.chat);
    expect(afx_ask(fx, "PATCH", target, scene.ann.access, "{\"history_open\":true}"), 200, NULL); /* 10 */
    expect_page(fx, &carl, scene.chat, "", "1 2 3 4 5 8 9 10 6-7:not_member", false);
}

static void test_api_history__what_has_expired_is_a_gap(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    char time[KITH_TIME_TEXT_LEN + 1], more[80];

    kith_time_format(afx_wall_ms(fx) + 60000, time);
    (void)snprintf(more, sizeof more, ",\"expires_at\":\"%s\"", time);
    say(fx, &scene.ann, scene.chat, "");   /* 2 */
    say(fx, &scene.ann, scene.chat, more); /* 3 */
    say(fx, &scene.ann, scene.chat, more); /* 4 */
    say(fx, &scene.ann, scene.chat, "");   /* 5 */
    say(fx, &scene.ann, scene.chat, more); /* 6 */
    expect_page(fx, &scene.bob, scene.chat, "", "1 2 3 4 5 6", false);
    afx_run_ms(fx, 60001);
    expect_page(fx, &scene.bob, scene.chat, "", "1 2 5 3-4:expired 6-6:expired", false);
    /* The same when the store has dropped the rows. */
    assert_true(msgstore_mem_drop_expired(fx->store_image, afx_wall_ms(fx)) >= 3);
    expect_page(fx, &scene.bob, scene.chat, "", "1 2 5 3-4:expired 6-6:expired", false);
    expect_page(fx, &scene.bob, scene.chat, "&after=2", "5 3-4:expired 6-6:expired", false);
    expect_page(fx, &scene.bob, scene.chat, "&after=2&limit=1", "5 3-4:expired 6-6:expired", false);
    expect_page(fx, &scene.bob, scene.chat, "&before=5", "1 2 3-4:expired", false);
    expect_page(fx, &scene.bob, scene.chat, "&after=5", " 6-6:expired", false);
}

/* I-C1: who was answered reads it, from any device, also when the store is slow. */
static void test_api_history__reads_ones_own_writes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct afx *fx = afx_new(seed, REGISTRATION_OPEN, 7);
        struct scene scene = scene_of(fx);
        struct person phone = afx_login(fx, "ann", "phone");
        for (int i = 2; i < 8; i++) {
            struct reply *reply;
            say(fx, &scene.ann, scene.chat, "");
            reply = expect_kept(page(fx, &phone, scene.chat, "&limit=1"), 200, NULL);
            assert_int_equal(reply_int(reply, "last_seq"), i);
            assert_int_equal(reply_int(reply, "messages/0/seq"), i);
            reply_free(reply);
        }
        afx_free(fx);
    }
}

static void test_api_history__a_failing_store_is_said_and_not_passed_over(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);

    say(fx, &scene.ann, scene.chat, "");
    for (unsigned at = 0; at < 3; at++) { /* the member row, the head, the page */
        struct reply *reply;
        msgstore_mem_fail_reads(fx->store_image, KITH_E_IO, 1);
        reply = page(fx, &scene.ann, scene.chat, "");
        expect(reply, 503, "UNAVAILABLE");
    }
    msgstore_mem_fail_reads(fx->store_image, KITH_E_DAMAGED, 1);
    expect(page(fx, &scene.ann, scene.chat, ""), 500, "INTERNAL");
    expect(page(fx, &scene.ann, scene.chat, ""), 200, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_history__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(pages_go_forward_and_backward),
        TEST(limits_at_and_one_past_them),
        TEST(is_seen_while_one_is_in),
        TEST(what_has_expired_is_a_gap),
        cmocka_unit_test(test_api_history__reads_ones_own_writes),
        TEST(a_failing_store_is_said_and_not_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
