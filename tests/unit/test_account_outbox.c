#include "account/outbox.h"
#include "api_fixture.h"

/* The outbox: what the directory has made true reaches the chats, whatever happens in between. */

/* A process that is killed in the middle frees nothing, and LeakSanitizer would tell of it. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

static unsigned heard(struct afx *fx, const struct person *by, const char *chat)
{
    char target[100];
    struct reply *reply;
    unsigned count;

    (void)snprintf(target, sizeof target, "/messages?chat_id=%s&after=1&limit=200", chat);
    reply = expect_kept(afx_ask(fx, "GET", target, by->access, NULL), 200, NULL);
    count = (unsigned)json_array_size(reply_at(reply, "messages"));
    reply_free(reply);
    return count;
}

static void say(struct afx *fx, const struct person *by, const char *chat)
{
    expect(afx_ask(fx, "POST", "/messages", by->access, "{\"chat_id\":\"%s\",\"msg_id\":\"%s\",\"content\":\"x\"}",
                   chat, afx_msg_id(fx)),
           201, NULL);
}

static uint64_t pending(struct afx *fx)
{
    struct accounts_stats stats;

    accounts_stats(fx->accounts, &stats);
    return stats.outbox_pending;
}

struct scene {
    struct person ann, bob;
    char chat[40], block[80];
};

static struct scene scene_of(struct afx *fx)
{
    struct scene scene = {.ann = afx_person(fx, "ann"), .bob = afx_person(fx, "bob")};
    char members[64];

    (void)snprintf(members, sizeof members, "[\"%s\"]", scene.bob.user);
    (void)snprintf(scene.chat, sizeof scene.chat, "%s", afx_chat(fx, &scene.ann, "direct", false, members));
    (void)snprintf(scene.block, sizeof scene.block, "/users/%s/block", scene.bob.user);
    return scene;
}

/* I-A2: a crash at any step of a block; when it was answered it holds, and when it was not, it is whole or absent. */
static void test_account_outbox__a_block_survives_a_crash_at_any_step(void **state)
{
    unsigned answered = 0, held = 0;

    (void)state;
    for (unsigned steps = 0; steps < 70; steps++) {
        struct afx *fx = afx_new(steps, REGISTRATION_OPEN, steps % 2 == 0 ? 0 : 3);
        struct scene scene = scene_of(fx);
        struct reply *reply = afx_start(fx, "POST", scene.block, scene.ann.access, NULL);
        unsigned before;

        for (unsigned i = 0; i < steps && !reply->done; i++) (void)sim_world_step(fx->world);
        if (reply->done) {
            assert_int_equal(reply->status, 204);
            answered++;
        } else {
            reply_abort(reply);
        }
        afx_kill(fx);
        afx_open(fx);
        afx_run_ms(fx, 1000);
        assert_int_equal(pending(fx), 0);
        before = heard(fx, &scene.ann, scene.chat);
        say(fx, &scene.bob, scene.chat);
        if (reply->status == 204) assert_int_equal(heard(fx, &scene.ann, scene.chat), before);
        held += heard(fx, &scene.ann, scene.chat) == before;
        reply_free(reply);
        afx_free(fx);
    }
    assert_true(answered > 0 && held >= answered);
}

/* With the log refusing writes a block is told so at once, and comes into force by itself when it takes them again. */
static void test_account_outbox__waits_for_the_log_and_says_so(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    uint64_t begun = afx_wall_ms(fx);
    struct reply *reply;
    struct person phone;

    fx->log_store.full = true;
    reply = expect_kept(afx_ask(fx, "POST", scene.block, scene.ann.access, NULL), 503, "READ_ONLY");
    assert_true(reply_bool(reply, "retryable"));
    reply_free(reply);
    assert_true(afx_wall_ms(fx) - begun < 2000); /* I-L2 */
    expect(afx_ask(fx, "POST", scene.block, scene.ann.access, NULL), 503, "READ_ONLY");
    /* Who signs in or registers is let in: the chats learn of the device later. */
    phone = afx_login(fx, "bob", "phone");
    (void)afx_person(fx, "carl");
    assert_int_equal(pending(fx), 3);
    fx->log_store.full = false;
    afx_run_ms(fx, 6000);
    assert_int_equal(pending(fx), 0);
    say(fx, &scene.bob, scene.chat);
    assert_int_equal(heard(fx, &scene.ann, scene.chat), 0);
    assert_int_equal(heard(fx, &phone, scene.chat), 1);
    expect(afx_ask(fx, "DELETE", scene.block, scene.ann.access, NULL), 204, NULL);
}

/* The device's name is in the log, maybe: a restart finds it, and begins the device at the head of then. Nobody is that device. */
static void test_account_outbox__who_may_be_named_later_is_not_let_in(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), phone;
    char members[64];
    struct reply *reply;

    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    (void)afx_chat(fx, &ann, "direct", true, members);
    fx->log_store.sync_fails = fx->log_store.failed_is_kept = true;
    reply = expect_kept(afx_ask(fx, "POST", "/auth/login", NULL,
                                "{\"name\":\"bob\",\"password\":\"" AFX_PASSWORD "\",\"device_name\":\"phone\"}"),
                        503, "UNAVAILABLE");
    assert_true(reply_bool(reply, "retryable"));
    reply_free(reply);
    /* What is asked when the log has halted names nobody: it is let in, and begins where its person joined. */
    phone = afx_login(fx, "bob", "phone");
    afx_crash(fx);
    afx_open(fx);
    afx_run_ms(fx, 5000);
    assert_int_equal(pending(fx), 0);
    expect(afx_ask(fx, "GET", "/devices", phone.access, NULL), 200, NULL);
}

/* What a crash leaves in the table is drained at the next start, page by page. */
static void test_account_outbox__drains_what_a_crash_left(void **state)
{
    struct afx *fx = *state;
    struct person people[150];

    for (unsigned i = 0; i < 150; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%u", i);
        people[i] = afx_person(fx, name);
    }
    fx->log_store.full = true;
    for (unsigned i = 1; i < 150; i++) {
        char body[100];
        (void)snprintf(body, sizeof body, "{\"type\":\"direct\",\"members\":[\"%s\"],\"encrypted\":false}",
                       people[i].user);
        expect(afx_ask(fx, "POST", "/chats", people[0].access, "%s", body), 503, "READ_ONLY");
    }
    assert_int_equal(pending(fx), 149);
    afx_crash(fx);
    fx->log_store.full = false;
    afx_open(fx);
    afx_run_ms(fx, 5000);
    assert_int_equal(pending(fx), 0);
    for (unsigned i = 1; i < 150; i += 37) {
        struct reply *reply = expect_kept(afx_ask(fx, "GET", "/chats", people[i].access, NULL), 200, NULL);
        assert_int_equal(json_array_size(reply_at(reply, "chats")), 1);
        reply_free(reply);
    }
}

/* A device that comes while a group is being made: whichever is first, the chat ends up knowing the list. */
static void test_account_outbox__a_chat_learns_of_what_changed_while_it_was_made(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct afx *fx = afx_new(seed, REGISTRATION_OPEN, seed % 3 == 0 ? 4 : 0);
        struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), phone;
        char body[400], chat[40];
        struct reply *made, *login, *reply;

        (void)snprintf(body, sizeof body, "{\"type\":\"group\",\"members\":[\"%s\"]}", bob.user);
        made = afx_start(fx, "POST", "/chats", ann.access, body);
        for (uint64_t i = 0; i < seed % 23; i++) (void)sim_world_step(fx->world);
        login = afx_start(fx, "POST", "/auth/login", NULL,
                          "{\"name\":\"bob\",\"password\":\"" AFX_PASSWORD "\",\"device_name\":\"phone\"}");
        reply_wait(made);
        reply_wait(login);
        phone = person_of(login, "bob");
        (void)snprintf(chat, sizeof chat, "%s", reply_str(made, "chat_id"));
        reply_free(made);
        reply_free(login);
        (void)snprintf(body, sizeof body,
                       "\"encrypted\":true,\"bodies\":[{\"device_id\":\"%s\",\"content\":\"\"},"
                       "{\"device_id\":\"%s\",\"content\":\"\"}],"
                       "\"device_lists\":[{\"user_id\":\"%s\",\"list_seq\":2},{\"user_id\":\"%s\",\"list_seq\":1}]",
                       bob.device, phone.device, bob.user, ann.user);
        reply = afx_ask(fx, "POST", "/messages", ann.access, "{\"chat_id\":\"%s\",\"msg_id\":\"%s\",%s}", chat,
                        afx_msg_id(fx), body);
        if (reply->status != 201) fail_msg("seed %llu: %s", (unsigned long long)seed, reply->body);
        reply_free(reply);
        afx_free(fx);
    }
}

/* A block that comes while the direct chat is being made: whichever is first, it is in force when both are answered. */
static void test_account_outbox__a_block_and_a_new_chat_meet(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct afx *fx = afx_new(seed, REGISTRATION_OPEN, seed % 3 == 0 ? 4 : 0);
        struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
        char body[120], target[80], chat[40];
        struct reply *made, *block;

        (void)snprintf(body, sizeof body, "{\"type\":\"direct\",\"encrypted\":false,\"members\":[\"%s\"]}", ann.user);
        (void)snprintf(target, sizeof target, "/users/%s/block", bob.user);
        made = afx_start(fx, "POST", "/chats", bob.access, body);
        for (uint64_t i = 0; i < seed % 29; i++) (void)sim_world_step(fx->world);
        block = afx_start(fx, "POST", target, ann.access, NULL);
        reply_wait(made);
        reply_wait(block);
        assert_int_equal(block->status, 204);
        (void)snprintf(chat, sizeof chat, "%s", reply_str(made, "chat_id"));
        reply_free(made);
        reply_free(block);
        say(fx, &bob, chat);
        assert_int_equal(heard(fx, &ann, chat), 0);
        assert_int_equal(heard(fx, &bob, chat), 1);
        afx_free(fx);
    }
}

/* One more than fits is refused before anything is written. */
static void test_account_outbox__rows_at_the_limit_and_one_past_it(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct accounts_stats stats;

    fx->log_store.full = true;
    for (unsigned i = 0; i < OUTBOX_PENDING_MAX; i++)
        expect(afx_ask(fx, "POST", scene.block, scene.ann.access, NULL), 503, "READ_ONLY");
    accounts_stats(fx->accounts, &stats);
    assert_int_equal(stats.outbox_pending, OUTBOX_PENDING_MAX);
    for (unsigned i = 0; i < 3; i++)
        expect(afx_ask(fx, "POST", scene.block, scene.ann.access, NULL), 503, "UNAVAILABLE");
    fx->log_store.full = false;
    afx_run_ms(fx, 60000);
    expect(afx_ask(fx, "POST", scene.block, scene.ann.access, NULL), 204, NULL);
    assert_int_equal(pending(fx), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_account_outbox__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_account_outbox__a_block_survives_a_crash_at_any_step),
        TEST(waits_for_the_log_and_says_so),
        TEST(who_may_be_named_later_is_not_let_in),
        TEST(drains_what_a_crash_left),
        cmocka_unit_test(test_account_outbox__a_chat_learns_of_what_changed_while_it_was_made),
        cmocka_unit_test(test_account_outbox__a_block_and_a_new_chat_meet),
        TEST(rows_at_the_limit_and_one_past_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
