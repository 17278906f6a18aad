#include "api_fixture.h"

static struct person admin_of(struct afx *fx)
{
    struct account_bootstrap op = {.call = {.loop = fx->loops[1]}};
    struct reply *reply;
    struct person admin;

    afx_bootstrap(fx, &op);
    assert_int_equal(op.call.code, CODE_CREATED);
    reply = expect_kept(afx_ask(fx, "POST", "/users", NULL,
                                "{\"name\":\"root\",\"password\":\"" AFX_PASSWORD
                                "\",\"device_name\":\"d\",\"invite\":\"%s\"}",
                                op.code),
                        201, NULL);
    assert_null(reply_at(reply, "chat_id")); /* nobody invited the first one */
    admin = person_of(reply, "root");
    reply_free(reply);
    return admin;
}

static void invite_of(struct afx *fx, const struct person *by, const char *fields, char code[static 64],
                      char id[static 40])
{
    struct reply *reply = expect_kept(afx_ask(fx, "POST", "/invites", by->access, "%s", fields), 201, NULL);

    (void)snprintf(code, 64, "%s", reply_str(reply, "code"));
    (void)snprintf(id, 40, "%s", reply_str(reply, "invite_id"));
    reply_free(reply);
}

static struct reply *come(struct afx *fx, const char *name, const char *invite)
{
    if (invite == NULL)
        return afx_ask(fx, "POST", "/users", NULL,
                       "{\"name\":\"%s\",\"password\":\"" AFX_PASSWORD "\",\"device_name\":\"d\"}", name);
    return afx_ask(fx, "POST", "/users", NULL,
                   "{\"name\":\"%s\",\"password\":\"" AFX_PASSWORD "\",\"device_name\":\"d\",\"invite\":\"%s\"}", name,
                   invite);
}

/* ------------------------------------------------------------------------------------------------ invites */

static void test_api_people__the_first_invite_makes_the_first_admin(void **state)
{
    struct afx *fx = *state;
    struct account_bootstrap first = {.call = {.loop = fx->loops[1]}}, second = {.call = {.loop = fx->loops[1]}};
    struct reply *reply;
    struct person admin;

    afx_bootstrap(fx, &first);
    afx_bootstrap(fx, &second);
    expect(come(fx, "early", first.code), 403, "INVITE_REQUIRED"); /* a later one voids it */
    reply = expect_kept(come(fx, "root", second.code), 201, NULL);
    admin = person_of(reply, "root");
    reply_free(reply);
    reply = expect_kept(afx_ask(fx, "GET", "/users/me", admin.access, NULL), 200, NULL);
    assert_string_equal(reply_str(reply, "role"), "admin");
    reply_free(reply);
    expect(come(fx, "late", second.code), 403, "INVITE_REQUIRED");
    afx_bootstrap(fx, &first);
    assert_int_equal(first.call.code, CODE_CONFLICT);
}

static void test_api_people__an_inviter_is_the_first_contact(void **state)
{
    struct afx *fx = *state;
    struct person root = admin_of(fx), ann;
    char code[64], id[40], target[64];
    struct reply *reply;

    invite_of(fx, &root, "{}", code, id);
    reply = expect_kept(come(fx, "ann", code), 201, NULL);
    ann = person_of(reply, "ann");
    (void)snprintf(target, sizeof target, "/chats/%s", reply_str(reply, "chat_id"));
    reply_free(reply);
    for (int i = 0; i < 2; i++) {
        reply = expect_kept(afx_ask(fx, "GET", target, i == 0 ? ann.access : root.access, NULL), 200, NULL);
        assert_string_equal(reply_str(reply, "type"), "direct");
        assert_true(reply_bool(reply, "encrypted"));
        assert_true(reply_bool(reply, "accepted")); /* by both */
        assert_int_equal(json_array_size(reply_at(reply, "members")), 2);
        reply_free(reply);
    }
    /* Who was invited is no stranger in the other kind of chat either. */
    reply = expect_kept(afx_ask(fx, "POST", "/chats", root.access,
                                "{\"type\":\"direct\",\"encrypted\":false,\"members\":[\"%s\"]}", ann.user),
                        201, NULL);
    (void)snprintf(target, sizeof target, "/chats/%s", reply_str(reply, "chat_id"));
    reply_free(reply);
    reply = expect_kept(afx_ask(fx, "GET", target, ann.access, NULL), 200, NULL);
    assert_true(reply_bool(reply, "accepted"));
    reply_free(reply);
}

static void test_api_people__invites_are_for_so_many_uses_and_so_long(void **state)
{
    struct afx *fx = *state;
    struct person root = admin_of(fx);
    char code[64], id[40], typed[64];
    struct reply *reply;

    expect(come(fx, "nobody", NULL), 403, "INVITE_REQUIRED");
    expect(come(fx, "nobody", "00000-00000-00000-00000-00000"), 403, "INVITE_REQUIRED");
    expect(come(fx, "nobody", "no code at all"), 403, "INVITE_REQUIRED");
    invite_of(fx, &root, "{\"uses_max\":2,\"expires_in\":3600}", code, id);
    for (size_t i = 0; i <= strlen(code); i++)
        typed[i] = code[i] >= 'a' && code[i] <= 'z' ? (char)(code[i] - 32) : code[i] == '-' ? ' ' : code[i];
    expect(come(fx, "a1", typed), 201, NULL); /* as a person types it */
    expect(come(fx, "a2", code), 201, NULL);
    expect(come(fx, "a3", code), 403, "INVITE_REQUIRED");
    invite_of(fx, &root, "{\"uses_max\":2,\"expires_in\":3600}", code, id);
    afx_run_ms(fx, 3599000);
    expect(come(fx, "a4", code), 201, NULL);
    afx_run_ms(fx, 2000);
    expect(come(fx, "a5", code), 403, "INVITE_REQUIRED");
    root = afx_login(fx, "root", "d");
    invite_of(fx, &root, "{\"uses_max\":1000}", code, id);
    reply = expect_kept(afx_ask(fx, "GET", "/invites", root.access, NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "invites")), 1); /* the others cannot be used any more */
    assert_string_equal(reply_str(reply, "invites/0/invite_id"), id);
    assert_null(reply_at(reply, "invites/0/code"));
    reply_free(reply);
}

static void test_api_people__invites_are_refused_past_their_limits(void **state)
{
    struct afx *fx = *state;
    struct person root = admin_of(fx), ann;
    char code[64], id[40], target[80];
    struct reply *reply;

    expect(afx_ask(fx, "POST", "/invites", root.access, "{\"uses_max\":0}"), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "POST", "/invites", root.access, "{\"uses_max\":1001}"), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "POST", "/invites", root.access, "{\"expires_in\":59}"), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "POST", "/invites", root.access, "{\"expires_in\":31536001}"), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "POST", "/invites", root.access, "{\"expires_in\":31536000}"), 201, NULL);
    expect(afx_ask(fx, "POST", "/invites", root.access, "{\"role\":\"owner\"}"), 400, "BAD_REQUEST");
    invite_of(fx, &root, "{\"role\":\"admin\"}", code, id);
    (void)snprintf(target, sizeof target, "/invites/%s", id);
    reply = expect_kept(come(fx, "ann", code), 201, NULL);
    ann = person_of(reply, "ann");
    reply_free(reply);
    reply = expect_kept(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 200, NULL);
    assert_string_equal(reply_str(reply, "role"), "admin");
    reply_free(reply);
    for (unsigned i = 0; i < ACCOUNT_INVITES_MAX; i++)
        expect(afx_ask(fx, "POST", "/invites", ann.access, NULL), 201, NULL);
    expect(afx_ask(fx, "POST", "/invites", ann.access, NULL), 403, "FORBIDDEN");
}

static void test_api_people__a_member_invites_members_and_revokes_only_the_own(void **state)
{
    struct afx *fx = *state;
    struct person root = admin_of(fx), ann, bob;
    char code[64], id[40], target[80];
    struct reply *reply;

    invite_of(fx, &root, "{\"uses_max\":2}", code, id);
    reply = expect_kept(come(fx, "ann", code), 201, NULL);
    ann = person_of(reply, "ann");
    reply_free(reply);
    reply = expect_kept(come(fx, "bob", code), 201, NULL);
    bob = person_of(reply, "bob");
    reply_free(reply);
    expect(afx_ask(fx, "POST", "/invites", ann.access, "{\"role\":\"admin\"}"), 403, "FORBIDDEN");
    invite_of(fx, &ann, "{}", code, id);
    (void)snprintf(target, sizeof target, "/invites/%s", id);
    expect(afx_ask(fx, "DELETE", target, bob.access, NULL), 404, "NOT_FOUND"); /* I-A3 */
    expect(afx_ask(fx, "DELETE", target, ann.access, NULL), 204, NULL);
    expect(come(fx, "carl", code), 403, "INVITE_REQUIRED");
    invite_of(fx, &ann, "{}", code, id);
    (void)snprintf(target, sizeof target, "/invites/%s", id);
    expect(afx_ask(fx, "DELETE", target, root.access, NULL), 204, NULL); /* an admin may */
    expect(afx_ask(fx, "DELETE", "/invites/x", root.access, NULL), 404, "NOT_FOUND");
}

static void test_api_people__a_closed_server_takes_the_first_admin_only(void **state)
{
    struct afx *fx = afx_new(3, REGISTRATION_CLOSED, 0);
    struct person root = admin_of(fx);
    char code[64], id[40];

    (void)state;
    invite_of(fx, &root, "{}", code, id);
    expect(come(fx, "ann", code), 403, "REGISTRATION_CLOSED");
    expect(come(fx, "ann", NULL), 403, "REGISTRATION_CLOSED");
    afx_free(fx);
}

/* ------------------------------------------------------------------------------------------------ profile, look-up */

static void test_api_people__a_profile_changes_and_is_found_by_exact_name(void **state)
{
    struct afx *fx = afx_new(4, REGISTRATION_OPEN, 0);
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    struct reply *reply;
    char target[80];

    (void)state;
    reply = expect_kept(afx_ask(fx, "PUT", "/users/me", ann.access, "{\"display_name\":\"Ann \xe2\x98\x83\"}"), 200,
                        NULL);
    assert_string_equal(reply_str(reply, "display_name"), "Ann \xe2\x98\x83");
    reply_free(reply);
    expect(afx_ask(fx, "PUT", "/users/me", ann.access, "{}"), 200, NULL);
    reply = expect_kept(afx_ask(fx, "GET", "/users/lookup?name=Ann", bob.access, NULL), 200, NULL);
    assert_string_equal(reply_str(reply, "user_id"), ann.user);
    assert_string_equal(reply_str(reply, "display_name"), "Ann \xe2\x98\x83");
    assert_null(reply_at(reply, "role"));
    reply_free(reply);
    (void)snprintf(target, sizeof target, "/users/%s", ann.user);
    expect(afx_ask(fx, "GET", target, bob.access, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/users/lookup?name=an", bob.access, NULL), 404, "NOT_FOUND");
    expect(afx_ask(fx, "GET", "/users/lookup", bob.access, NULL), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "GET", "/users/lookup?name=a&name=b", bob.access, NULL), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "GET", "/users/lookup?name=%zz", bob.access, NULL), 400, "BAD_REQUEST");
    afx_run_ms(fx, 60000);
    for (unsigned i = 0; i < ACCOUNT_LOOKUPS; i++)
        expect(afx_ask(fx, "GET", "/users/lookup?name=ann", bob.access, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/users/lookup?name=ann", bob.access, NULL), 429, "TOO_MANY");
    expect(afx_ask(fx, "GET", "/users/lookup?name=bob", ann.access, NULL), 200, NULL);
    afx_free(fx);
}

/* ------------------------------------------------------------------------------------------------ blocks */

static unsigned messages_seen(struct afx *fx, const struct person *by, const char *chat)
{
    char target[80];
    struct reply *reply;
    unsigned count = 0;

    (void)snprintf(target, sizeof target, "/messages?chat_id=%s&after=1", chat);
    reply = expect_kept(afx_ask(fx, "GET", target, by->access, NULL), 200, NULL);
    count = (unsigned)json_array_size(reply_at(reply, "messages"));
    reply_free(reply);
    return count;
}

static void say(struct afx *fx, const struct person *by, const char *chat)
{
    expect(afx_ask(fx, "POST", "/messages", by->access, "{\"chat_id\":\"%s\",\"msg_id\":\"%s\",\"content\":\"hello\"}",
                   chat, afx_msg_id(fx)),
           201, NULL);
}

static void test_api_people__the_blocked_are_heard_by_nobody_and_told_nothing(void **state)
{
    struct afx *fx = afx_new(5, REGISTRATION_OPEN, 0);
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    char members[64], block[80];
    struct reply *reply;
    const char *chat;

    (void)state;
    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    (void)snprintf(block, sizeof block, "/users/%s/block", bob.user);
    chat = afx_chat(fx, &ann, "direct", false, members);
    say(fx, &bob, chat);
    expect(afx_ask(fx, "POST", block, ann.access, NULL), 204, NULL);
    expect(afx_ask(fx, "POST", block, ann.access, NULL), 204, NULL); /* again: the same */
    say(fx, &bob, chat);
    assert_int_equal(messages_seen(fx, &bob, chat), 2); /* I-V4: as if nothing had happened */
    assert_int_equal(messages_seen(fx, &ann, chat), 1);
    say(fx, &ann, chat);
    assert_int_equal(messages_seen(fx, &bob, chat), 3);
    expect(afx_ask(fx, "DELETE", block, ann.access, NULL), 204, NULL);
    expect(afx_ask(fx, "DELETE", block, ann.access, NULL), 204, NULL);
    say(fx, &bob, chat);
    assert_int_equal(messages_seen(fx, &ann, chat), 3);
    assert_int_equal(messages_seen(fx, &bob, chat), 4);
    /* Blocked before there is a chat: it comes into being blocked. */
    expect(afx_ask(fx, "POST", block, ann.access, NULL), 204, NULL);
    (void)snprintf(members, sizeof members, "[\"%s\"]", ann.user);
    chat = afx_chat(fx, &bob, "direct", true, members);
    reply = expect_kept(afx_ask(fx, "POST", "/messages", bob.access,
                                "{\"chat_id\":\"%s\",\"msg_id\":\"%s\",\"content\":\"aGk=\",\"encrypted\":true}", chat,
                                afx_msg_id(fx)),
                        201, NULL);
    reply_free(reply);
    assert_int_equal(messages_seen(fx, &ann, chat), 0);
    assert_int_equal(messages_seen(fx, &bob, chat), 1);
    (void)snprintf(block, sizeof block, "/users/%s/block", ann.user);
    expect(afx_ask(fx, "POST", block, ann.access, NULL), 400, "BAD_REQUEST"); /* oneself */
    expect(afx_ask(fx, "POST", "/users/00000000-0000-4000-8000-000000000001/block", ann.access, NULL), 404,
           "NOT_FOUND");
    afx_free(fx);
}

/* ------------------------------------------------------------------------------------------------ receipts, deletion */

static void test_api_people__read_receipts_off_is_off_for_both(void **state)
{
    struct afx *fx = afx_new(6, REGISTRATION_OPEN, 0);
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    char members[128], target[80];
    struct reply *reply;
    const char *chat;

    (void)state;
    (void)snprintf(members, sizeof members, "[\"%s\",\"%s\"]", bob.user, carl.user);
    chat = afx_chat(fx, &ann, "group", false, members);
    expect(afx_ask(fx, "PUT", "/users/me", bob.access, "{\"read_receipts\":false}"), 200, NULL);
    (void)snprintf(target, sizeof target, "/chats/%s", chat);
    for (int i = 0; i < 3; i++) {
        const struct person *viewer = i == 0 ? &ann : i == 1 ? &bob : &carl;
        reply = expect_kept(afx_ask(fx, "GET", target, viewer->access, NULL), 200, NULL);
        for (size_t m = 0; m < 3; m++) {
            const json_t *member = json_array_get(reply_at(reply, "members"), m);
            const char *user = json_string_value(json_object_get(member, "user_id"));
            bool own = strcmp(user, viewer->user) == 0;
            bool off = viewer == &bob || strcmp(user, bob.user) == 0;
            assert_true(json_is_null(json_object_get(member, "read_up_to")) == (off && !own)); /* I-R3 */
        }
        reply_free(reply);
    }
    afx_free(fx);
}

static void expect_switched(const struct afx *fx, size_t count, const struct person *whose, bool on)
{
    for (size_t i = 0; i < AFX_LOOPS; i++) {
        const struct afx_watcher *watcher = &fx->watchers[i];
        char user[KITH_UUID_TEXT_LEN + 1];

        assert_int_equal(watcher->receipts_count, count);
        assert_int_equal(watcher->count, 0); /* nobody was signed out */
        if (count == 0) continue;
        kith_uuid_format(watcher->receipts_user.id, user);
        assert_string_equal(user, whose->user);
        assert_true(watcher->receipts_on == on);
    }
}

static void test_api_people__every_loop_is_told_of_switched_read_receipts(void **state)
{
    struct afx *fx = afx_new(6, REGISTRATION_OPEN, 0);
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");

    (void)state;
    expect(afx_ask(fx, "PUT", "/users/me", bob.access, "{\"read_receipts\":false}"), 200, NULL);
    expect_switched(fx, 1, &bob, false);
    expect(afx_ask(fx, "PUT", "/users/me", ann.access, "{\"display_name\":\"A\"}"), 200, NULL);
    expect(afx_ask(fx, "PUT", "/users/me", ann.access, "{\"read_receipts\":7}"), 400, "BAD_REQUEST");
    expect_switched(fx, 1, &bob, false);
    expect(afx_ask(fx, "PUT", "/users/me", bob.access, "{\"read_receipts\":true}"), 200, NULL);
    expect_switched(fx, 2, &bob, true);
    afx_free(fx);
}

static void test_api_people__a_deleted_account_is_gone_everywhere(void **state)
{
    struct afx *fx = afx_new(7, REGISTRATION_OPEN, 0);
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), phone = afx_login(fx, "bob", "phone");
    char members[64], target[80], user[80];
    const char *direct, *group;
    struct reply *reply;

    (void)state;
    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    direct = afx_chat(fx, &ann, "direct", false, members);
    group = afx_chat(fx, &ann, "group", false, members);
    expect(afx_ask(fx, "POST", "/invites", bob.access, NULL), 201, NULL);
    expect(afx_ask(fx, "DELETE", "/users/me", bob.access, NULL), 204, NULL);
    assert_int_equal(fx->watchers[0].count, 2); /* I-A2: both devices */
    expect(afx_ask(fx, "GET", "/users/me", bob.access, NULL), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "GET", "/users/me", phone.access, NULL), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "POST", "/auth/login", NULL,
                   "{\"name\":\"bob\",\"password\":\"" AFX_PASSWORD "\",\"device_name\":\"d\"}"),
           401, "BAD_CREDENTIALS");
    (void)snprintf(user, sizeof user, "/users/%s", bob.user);
    expect(afx_ask(fx, "GET", user, ann.access, NULL), 404, "NOT_FOUND");
    expect(afx_ask(fx, "GET", "/users/lookup?name=bob", ann.access, NULL), 404, "NOT_FOUND");
    (void)snprintf(target, sizeof target, "/chats/%s", group);
    reply = expect_kept(afx_ask(fx, "GET", target, ann.access, NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "members")), 1);
    reply_free(reply);
    (void)snprintf(target, sizeof target, "/chats/%s", direct);
    reply = expect_kept(afx_ask(fx, "GET", target, ann.access, NULL), 200, NULL);
    for (size_t m = 0; m < 2; m++) {
        const json_t *member = json_array_get(reply_at(reply, "members"), m);
        bool is_bob = strcmp(json_string_value(json_object_get(member, "user_id")), bob.user) == 0;
        assert_true(json_is_true(json_object_get(member, "gone")) == is_bob);
    }
    reply_free(reply);
    (void)afx_person(fx, "bob"); /* the name is free again */
    afx_free(fx);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_people__##name, afx_setup_invite, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_invite_makes_the_first_admin),
        TEST(an_inviter_is_the_first_contact),
        TEST(invites_are_for_so_many_uses_and_so_long),
        TEST(invites_are_refused_past_their_limits),
        TEST(a_member_invites_members_and_revokes_only_the_own),
        cmocka_unit_test(test_api_people__a_closed_server_takes_the_first_admin_only),
        cmocka_unit_test(test_api_people__a_profile_changes_and_is_found_by_exact_name),
        cmocka_unit_test(test_api_people__the_blocked_are_heard_by_nobody_and_told_nothing),
        cmocka_unit_test(test_api_people__read_receipts_off_is_off_for_both),
        cmocka_unit_test(test_api_people__every_loop_is_told_of_switched_read_receipts),
        cmocka_unit_test(test_api_people__a_deleted_account_is_gone_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
