#include "api_fixture.h"

static struct reply *try_refresh(struct afx *fx, const char *token)
{
    return afx_ask(fx, "POST", "/auth/refresh", NULL, "{\"refresh_token\":\"%s\"}", token);
}

static struct person refreshed(struct afx *fx, const char *token)
{
    struct reply *reply = expect_kept(try_refresh(fx, token), 200, NULL);
    struct person person = person_of(reply, "");

    reply_free(reply);
    return person;
}

static void test_api_tokens__an_access_token_lives_an_hour(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");

    afx_run_ms(fx, ACCOUNT_ACCESS_MS - 1000);
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 200, NULL);
    afx_run_ms(fx, 2000);
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 401, "EXPIRED");
    ann = refreshed(fx, ann.refresh);
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 200, NULL);
}

static void test_api_tokens__a_refresh_token_lives_60_days_from_its_last_use(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");

    for (int i = 0; i < 3; i++) {
        afx_run_ms(fx, ACCOUNT_REFRESH_MS - 60000);
        ann = refreshed(fx, ann.refresh);
    }
    afx_run_ms(fx, ACCOUNT_REFRESH_MS + 1000);
    expect(try_refresh(fx, ann.refresh), 401, "UNAUTHORIZED");
}

/* I-A4: before its successor was used, an old token gives the same answer; a crash in between changes nothing. */
static void test_api_tokens__the_same_pair_again_until_the_new_one_was_used(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), one = refreshed(fx, ann.refresh), again;

    assert_string_not_equal(one.refresh, ann.refresh);
    for (int i = 0; i < 3; i++) {
        again = refreshed(fx, ann.refresh);
        assert_string_equal(again.access, one.access);
        assert_string_equal(again.refresh, one.refresh);
        if (i == 0) {
            afx_crash(fx);
            afx_open(fx);
        }
    }
    expect(afx_ask(fx, "GET", "/users/me", one.access, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 401, "UNAUTHORIZED");
    assert_int_equal(fx->watchers[0].count, 0); /* nobody was signed out */
}

/* I-A4: after its successor was used, an old token ends the whole family. */
static void test_api_tokens__reuse_signs_the_device_out(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), other = afx_login(fx, "ann", "phone"), one, two;

    one = refreshed(fx, ann.refresh);
    two = refreshed(fx, one.refresh);
    expect(try_refresh(fx, ann.refresh), 401, "TOKEN_REUSED");
    expect(afx_ask(fx, "GET", "/users/me", two.access, NULL), 401, "UNAUTHORIZED");
    expect(try_refresh(fx, two.refresh), 401, "UNAUTHORIZED");
    expect(try_refresh(fx, one.refresh), 401, NULL);
    assert_int_equal(fx->watchers[0].count, 1);
    assert_int_equal(fx->watchers[1].count, 1);
    /* The person's other devices go on, and the device can sign in again as itself. */
    expect(afx_ask(fx, "GET", "/users/me", other.access, NULL), 200, NULL);
    expect(afx_ask(fx, "POST", "/auth/login", NULL,
                   "{\"name\":\"ann\",\"password\":\"" AFX_PASSWORD "\",\"device_name\":\"d\",\"device_id\":\"%s\"}",
                   ann.device),
           200, NULL);
}

static void test_api_tokens__an_old_family_does_not_end_a_new_one(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), again;
    struct reply *reply;

    refreshed(fx, refreshed(fx, ann.refresh).refresh);
    reply = expect_kept(afx_ask(fx, "POST", "/auth/login", NULL,
                                "{\"name\":\"ann\",\"password\":\"" AFX_PASSWORD
                                "\",\"device_name\":\"d\",\"device_id\":\"%s\"}",
                                ann.device),
                        200, NULL);
    again = person_of(reply, "ann");
    reply_free(reply);
    expect(try_refresh(fx, ann.refresh), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "GET", "/users/me", again.access, NULL), 200, NULL);
}

static void test_api_tokens__two_refreshes_at_once_get_the_same_pair(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    struct reply *a, *b;
    char body[128];

    (void)snprintf(body, sizeof body, "{\"refresh_token\":\"%s\"}", ann.refresh);
    a = afx_start(fx, "POST", "/auth/refresh", NULL, body);
    b = afx_start(fx, "POST", "/auth/refresh", NULL, body);
    reply_wait(a);
    reply_wait(b);
    assert_int_equal(a->status, 200);
    assert_string_equal(a->body, b->body);
    reply_free(a);
    reply_free(b);
}

static void test_api_tokens__no_other_text_is_a_token(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    char text[100];

    expect(afx_ask(fx, "GET", "/users/me", NULL, NULL), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "GET", "/users/me", "", NULL), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "GET", "/users/me", ann.refresh, NULL), 401, "UNAUTHORIZED");
    expect(try_refresh(fx, ann.access), 401, "UNAUTHORIZED");
    for (size_t i = 0; i < strlen(ann.access); i++) { /* every short prefix, and one letter changed */
        memcpy(text, ann.access, sizeof ann.access);
        text[i] = '\0';
        expect(afx_ask(fx, "GET", "/users/me", text, NULL), 401, "UNAUTHORIZED");
        memcpy(text, ann.access, sizeof ann.access);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        expect(afx_ask(fx, "GET", "/users/me", text, NULL), 401, "UNAUTHORIZED");
    }
    (void)snprintf(text, sizeof text, "%s%s", ann.access, "AAAA");
    expect(afx_ask(fx, "GET", "/users/me", text, NULL), 401, "UNAUTHORIZED");
    memset(text, 'a', 99);
    text[99] = '\0';
    expect(afx_ask(fx, "GET", "/users/me", text, NULL), 401, "UNAUTHORIZED");
    fx->headers[0][0] = "Authorization";
    fx->headers[0][1] = "Basic YTpi";
    expect(afx_ask(fx, "GET", "/users/me", NULL, NULL), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 401, "UNAUTHORIZED"); /* two headers */
    fx->headers[0][0] = NULL;
}

/* I-A2 for logout, removal, password change and deletion: after the answer every loop was told, and no token works. */
static void test_api_tokens__logout_by_either_token(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), two = afx_login(fx, "ann", "two"), three = afx_login(fx, "ann", "three");

    expect(afx_ask(fx, "POST", "/auth/logout", ann.access, NULL), 204, NULL);
    assert_int_equal(fx->watchers[0].count, 1);
    assert_int_equal(fx->watchers[1].count, 1);
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 401, "UNAUTHORIZED");
    expect(try_refresh(fx, ann.refresh), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "POST", "/auth/logout", NULL, "{\"refresh_token\":\"%s\"}", two.refresh), 204, NULL);
    expect(afx_ask(fx, "GET", "/users/me", two.access, NULL), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "POST", "/auth/logout", NULL, "{\"refresh_token\":\"%s\"}", two.refresh), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "POST", "/auth/logout", NULL, NULL), 401, "UNAUTHORIZED");
    /* An access token that has ended does not stand in the way of the refresh token. */
    afx_run_ms(fx, ACCOUNT_ACCESS_MS + 1000);
    expect(afx_ask(fx, "POST", "/auth/logout", three.access, NULL), 401, NULL);
    expect(afx_ask(fx, "POST", "/auth/logout", three.access, "{\"refresh_token\":\"%s\"}", three.refresh), 204, NULL);
}

static void test_api_tokens__a_removed_device_is_signed_out(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), phone = afx_login(fx, "ann", "phone"), bob = afx_person(fx, "bob");
    char target[80];
    struct reply *reply, *foreign, *absent;

    (void)snprintf(target, sizeof target, "/devices/%s", phone.device);
    foreign = expect_kept(afx_ask(fx, "DELETE", target, bob.access, NULL), 404, "NOT_FOUND");
    absent = expect_kept(afx_ask(fx, "DELETE", "/devices/00000000-0000-4000-8000-000000000001", bob.access, NULL), 404,
                         "NOT_FOUND");
    assert_string_equal(foreign->body, absent->body); /* I-A3 */
    reply_free(foreign);
    reply_free(absent);
    expect(afx_ask(fx, "DELETE", target, ann.access, NULL), 204, NULL);
    assert_int_equal(fx->watchers[0].count, 1);
    expect(afx_ask(fx, "GET", "/users/me", phone.access, NULL), 401, "UNAUTHORIZED");
    expect(try_refresh(fx, phone.refresh), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "DELETE", target, ann.access, NULL), 404, "NOT_FOUND");
    reply = expect_kept(afx_ask(fx, "GET", "/devices", ann.access, NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "devices")), 1);
    assert_int_equal(reply_int(reply, "list_seq"), 3); /* made, one more, one less */
    assert_true(reply_bool(reply, "devices/0/current"));
    reply_free(reply);
}

static void test_api_tokens__a_new_password_ends_the_other_sessions(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), phone = afx_login(fx, "ann", "phone");
    static const char change[] = "{\"password\":\"another horse\",\"current_password\":\"%s\"}";

    expect(afx_ask(fx, "PUT", "/users/me", ann.access, change, "wrong password"), 401, "BAD_CREDENTIALS");
    expect(afx_ask(fx, "PUT", "/users/me", ann.access, "{\"password\":\"another horse\"}"), 400, "BAD_REQUEST");
    expect(afx_ask(fx, "PUT", "/users/me", ann.access, "{\"current_password\":\"" AFX_PASSWORD "\"}"), 400,
           "BAD_REQUEST");
    expect(afx_ask(fx, "GET", "/users/me", phone.access, NULL), 200, NULL);
    expect(afx_ask(fx, "PUT", "/users/me", ann.access, change, AFX_PASSWORD), 200, NULL);
    assert_int_equal(fx->watchers[1].count, 1);
    expect(afx_ask(fx, "GET", "/users/me", phone.access, NULL), 401, "UNAUTHORIZED");
    expect(try_refresh(fx, phone.refresh), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 200, NULL);
    expect(afx_ask(fx, "POST", "/auth/login", NULL,
                   "{\"name\":\"ann\",\"password\":\"" AFX_PASSWORD "\",\"device_name\":\"d\"}"),
           401, "BAD_CREDENTIALS");
    expect(afx_ask(fx, "POST", "/auth/login", NULL,
                   "{\"name\":\"ann\",\"password\":\"another horse\",\"device_name\":\"d\"}"),
           200, NULL);
}

static void test_api_tokens__guesses_at_the_current_password_are_limited(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    static const char change[] = "{\"password\":\"another horse\",\"current_password\":\"wrong password\"}";

    for (unsigned i = 0; i < ACCOUNT_LOGINS_NAME; i++)
        expect(afx_ask(fx, "PUT", "/users/me", ann.access, change), 401, "BAD_CREDENTIALS");
    expect(afx_ask(fx, "PUT", "/users/me", ann.access, change), 429, "TOO_MANY");
    (void)afx_login(fx, "ann", "d"); /* the limit at the door is another one */
}

/* A check that began before a revocation and ends after it is made again (I-A2), under every order of the world. */
static void test_api_tokens__no_check_says_yes_after_a_logout(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct afx *fx = afx_new(seed, REGISTRATION_OPEN, seed % 3 == 0 ? 5 : 0);
        struct person ann = afx_person(fx, "ann");
        struct reply *out = afx_start(fx, "POST", "/auth/logout", ann.access, NULL);
        struct reply *me[20];
        unsigned asked = 0;

        while (!out->done && asked < 20) {
            me[asked++] = afx_start(fx, "GET", "/users/me", ann.access, NULL);
            for (uint64_t i = 0; i < seed % 7 + 1; i++) (void)sim_world_step(fx->world);
        }
        reply_wait(out);
        assert_int_equal(out->status, 204);
        expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 401, "UNAUTHORIZED");
        for (unsigned i = 0; i < asked; i++) {
            reply_wait(me[i]);
            reply_free(me[i]);
        }
        reply_free(out);
        afx_free(fx);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_tokens__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_access_token_lives_an_hour),
        TEST(a_refresh_token_lives_60_days_from_its_last_use),
        TEST(the_same_pair_again_until_the_new_one_was_used),
        TEST(reuse_signs_the_device_out),
        TEST(an_old_family_does_not_end_a_new_one),
        TEST(two_refreshes_at_once_get_the_same_pair),
        TEST(no_other_text_is_a_token),
        TEST(logout_by_either_token),
        TEST(a_removed_device_is_signed_out),
        TEST(a_new_password_ends_the_other_sessions),
        TEST(guesses_at_the_current_password_are_limited),
        cmocka_unit_test(test_api_tokens__no_check_says_yes_after_a_logout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
