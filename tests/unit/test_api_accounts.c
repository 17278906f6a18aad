#include "api_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char *fill(char *out, size_t len, char c)
{
    memset(out, c, len);
    out[len] = '\0';
    return out;
}

static struct reply *try_register(struct afx *fx, const char *name, const char *password, const char *device)
{
    return afx_ask(fx, "POST", "/users", NULL, "{\"name\":\"%s\",\"password\":\"%s\",\"device_name\":\"%s\"}", name,
                   password, device);
}

static struct reply *try_login(struct afx *fx, const char *name, const char *password, const char *device_id)
{
    if (device_id == NULL)
        return afx_ask(fx, "POST", "/auth/login", NULL, "{\"name\":\"%s\",\"password\":\"%s\",\"device_name\":\"x\"}",
                       name, password);
    return afx_ask(fx, "POST", "/auth/login", NULL,
                   "{\"name\":\"%s\",\"password\":\"%s\",\"device_name\":\"x\",\"device_id\":\"%s\"}", name, password,
                   device_id);
}

/* ------------------------------------------------------------------------------------------------ register */

static void test_api_accounts__registers_logs_in_and_shows_oneself(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), again;
    struct reply *reply;

    reply = expect_kept(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 200, NULL);
    assert_string_equal(reply_str(reply, "user_id"), ann.user);
    assert_string_equal(reply_str(reply, "device_id"), ann.device);
    assert_string_equal(reply_str(reply, "name"), "ann");
    assert_string_equal(reply_str(reply, "display_name"), "ann");
    assert_string_equal(reply_str(reply, "role"), "member");
    assert_true(reply_bool(reply, "read_receipts"));
    reply_free(reply);
    again = afx_login(fx, "ANN", "phone");
    assert_string_equal(again.user, ann.user);
    assert_string_not_equal(again.device, ann.device);
    expect(afx_ask(fx, "GET", "/users/me", again.access, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 200, NULL);
}

static void test_api_accounts__takes_names_at_their_limits_and_none_past_them(void **state)
{
    static const char *const bad[] = {"a", "1abc", "-ab", "an n", "änn", "a/b", "3f0c5f6e-0000-4000-8000-000000000001"};
    struct afx *fx = *state;
    char text[200];

    expect(try_register(fx, "ab", AFX_PASSWORD, "d"), 201, NULL);
    expect(try_register(fx, fill(text, KITH_NAME_BYTES_MAX, 'x'), AFX_PASSWORD, "d"), 201, NULL);
    expect(try_register(fx, fill(text, KITH_NAME_BYTES_MAX + 1, 'x'), AFX_PASSWORD, "d"), 400, "BAD_REQUEST");
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct reply *reply = expect_kept(try_register(fx, bad[i], AFX_PASSWORD, "d"), 400, "BAD_REQUEST");
        assert_string_equal(reply_str(reply, "pointer"), "/name");
        reply_free(reply);
    }
    expect(try_register(fx, "device1", AFX_PASSWORD, fill(text, KITH_DISPLAY_NAME_BYTES_MAX, 'd')), 201, NULL);
    expect(try_register(fx, "device2", AFX_PASSWORD, fill(text, KITH_DISPLAY_NAME_BYTES_MAX + 1, 'd')), 400,
           "BAD_REQUEST");
    expect(try_register(fx, "device3", AFX_PASSWORD, ""), 400, "BAD_REQUEST");
    expect(try_register(fx, "device4", AFX_PASSWORD, "a\\u0007b"), 400, "BAD_REQUEST");
    expect(try_register(fx, "device5", AFX_PASSWORD, "J\xc3\xbcrgen \xf0\x9f\x99\x82"), 201, NULL);
    expect(try_register(fx, "AB", AFX_PASSWORD, "d"), 409, "NAME_TAKEN");
}

static void test_api_accounts__takes_passwords_at_their_limits_and_none_past_them(void **state)
{
    struct afx *fx = *state;
    char text[KITH_PASSWORD_BYTES_MAX + 2];

    expect(try_register(fx, "p1", fill(text, KITH_PASSWORD_CHARS_MIN - 1, 'x'), "d"), 400, "BAD_REQUEST");
    expect(try_register(fx, "p2", fill(text, KITH_PASSWORD_CHARS_MIN, 'x'), "d"), 201, NULL);
    expect(try_register(fx, "p3", fill(text, KITH_PASSWORD_BYTES_MAX, 'x'), "d"), 201, NULL);
    expect(try_login(fx, "p3", text, NULL), 200, NULL);
    expect(try_register(fx, "p4", fill(text, KITH_PASSWORD_BYTES_MAX + 1, 'x'), "d"), 400, "BAD_REQUEST");
}

static void test_api_accounts__a_password_is_counted_in_characters_at_least_and_in_bytes_at_most(void **state)
{
    struct afx *fx = *state;
    char text[KITH_PASSWORD_BYTES_MAX];
    struct reply *reply;

    reply = expect_kept(try_register(fx, "c1", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa9\xc3\xa8\xc3\xa0", "d"), 400,
                        "BAD_REQUEST");
    assert_string_equal(reply_str(reply, "pointer"), "/password");
    reply_free(reply);
    expect(try_register(fx, "c2", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa9\xc3\xa8\xc3\xa0\xc3\xb1", "d"), 201, NULL);
    assert_string_equal(account_password_fault(kith_slice_str("\xf0\x9f\x99\x82\xf0\x9f\x99\x82")),
                        "The password is too short.");
    assert_string_equal(account_password_fault(kith_slice_str("ends early\xc3")), "The password is not valid UTF-8.");
    memset(text, 0xc3, sizeof text);
    for (size_t i = 1; i < sizeof text; i += 2) text[i] = '\xa4';
    assert_null(account_password_fault(kith_slice_of(text, sizeof text)));
    assert_null(account_password_fault(kith_slice_of(text, 16)));
    assert_string_equal(account_password_fault(kith_slice_of(text, 14)), "The password is too short.");
}

static void test_api_accounts__two_at_once_do_not_get_one_name(void **state)
{
    static const char body[] = "{\"name\":\"twin\",\"password\":\"" AFX_PASSWORD "\",\"device_name\":\"d\"}";
    struct afx *fx = *state;
    struct reply *a = afx_start(fx, "POST", "/users", NULL, body), *b = afx_start(fx, "POST", "/users", NULL, body);

    reply_wait(a);
    reply_wait(b);
    assert_int_equal(a->status + b->status, 201 + 409);
    reply_free(a);
    reply_free(b);
}

/* ------------------------------------------------------------------------------------------------ login */

static void test_api_accounts__an_unknown_name_answers_as_a_wrong_password(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    struct reply *wrong, *unknown;

    (void)ann;
    wrong = expect_kept(try_login(fx, "ann", "wrong password", NULL), 401, "BAD_CREDENTIALS");
    unknown = expect_kept(try_login(fx, "nobody", "wrong password", NULL), 401, "BAD_CREDENTIALS");
    assert_string_equal(wrong->body, unknown->body); /* I-A3 */
    assert_string_equal(wrong->authenticate, "Bearer");
    assert_string_equal(unknown->authenticate, "Bearer");
    reply_free(wrong);
    reply_free(unknown);
}

static void test_api_accounts__ten_wrong_passwords_a_minute_for_a_name(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    struct reply *reply;

    for (unsigned i = 0; i < ACCOUNT_LOGINS_NAME; i++) expect(try_login(fx, "ann", "wrong password", NULL), 401, NULL);
    reply = expect_kept(try_login(fx, "ann", "wrong password", NULL), 429, "TOO_MANY");
    assert_true(reply_bool(reply, "retryable"));
    assert_true(strtoul(reply->retry_after, NULL, 10) >= 1 && strtoul(reply->retry_after, NULL, 10) <= 6);
    reply_free(reply);
    /* The right one is refused too where the device is not known: else it could be guessed on. */
    expect(try_login(fx, "ann", AFX_PASSWORD, NULL), 429, "TOO_MANY");
    /* A known device is never locked out by others. */
    expect(try_login(fx, "ann", AFX_PASSWORD, ann.device), 200, NULL);
    /* Another name is not concerned, and a minute later all is as before. */
    expect(try_login(fx, "bob", "wrong password", NULL), 401, NULL);
    afx_run_ms(fx, 60000);
    expect(try_login(fx, "ann", AFX_PASSWORD, NULL), 200, NULL);
}

static void test_api_accounts__a_right_password_takes_nothing_from_the_limit(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");

    for (unsigned i = 0; i < 3 * ACCOUNT_LOGINS_NAME; i++) {
        struct person again = afx_login(fx, "ann", "d");
        expect(afx_ask(fx, "POST", "/auth/logout", again.access, NULL), 204, NULL);
    }
    (void)ann;
}

static void test_api_accounts__a_hundred_wrong_passwords_a_minute_from_an_address(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    char name[32];

    for (unsigned i = 0; i < ACCOUNT_LOGINS_ADDRESS; i++) {
        (void)snprintf(name, sizeof name, "name%u", i);
        expect(try_login(fx, name, "wrong password", NULL), 401, NULL);
    }
    expect(try_login(fx, "ann", AFX_PASSWORD, NULL), 429, "TOO_MANY");
    expect(try_login(fx, "ann", AFX_PASSWORD, ann.device), 200, NULL);
    expect(try_login(fx, "ann", "wrong password", ann.device), 429, "TOO_MANY");
    (void)snprintf(fx->peer, sizeof fx->peer, "192.0.2.2");
    expect(try_login(fx, "ann", AFX_PASSWORD, NULL), 200, NULL);
}

static void test_api_accounts__a_device_signs_in_again_as_itself(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), again;
    struct reply *reply = expect_kept(try_login(fx, "ann", AFX_PASSWORD, ann.device), 200, NULL);

    again = person_of(reply, "ann");
    reply_free(reply);
    assert_string_equal(again.device, ann.device);
    /* Its older session is over, on every gateway. */
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 401, "UNAUTHORIZED");
    assert_int_equal(fx->watchers[0].count, 1);
    assert_int_equal(fx->watchers[1].count, 1);
    /* Another person's device is none of one's own: a new one is made. */
    reply = expect_kept(try_login(fx, "ann", AFX_PASSWORD, bob.device), 200, NULL);
    assert_string_not_equal(reply_str(reply, "device_id"), bob.device);
    reply_free(reply);
    expect(afx_ask(fx, "GET", "/users/me", bob.access, NULL), 200, NULL);
}

static void test_api_accounts__devices_at_the_limit_and_one_past_it(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), second = {0}, last;
    struct reply *reply;

    for (unsigned i = 1; i < KITH_DEVICES_PER_USER_MAX; i++) {
        last = afx_login(fx, "ann", "d");
        if (i == 1) second = last;
        afx_run_ms(fx, 10);
    }
    expect(try_login(fx, "ann", AFX_PASSWORD, NULL), 403, "FORBIDDEN");
    expect(try_login(fx, "ann", AFX_PASSWORD, second.device), 200, NULL);
    /* One that is signed out makes room. */
    expect(afx_ask(fx, "POST", "/auth/logout", ann.access, NULL), 204, NULL);
    expect(try_login(fx, "ann", AFX_PASSWORD, NULL), 200, NULL);
    reply = expect_kept(afx_ask(fx, "GET", "/devices", last.access, NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "devices")), KITH_DEVICES_PER_USER_MAX);
    for (size_t i = 0; i < KITH_DEVICES_PER_USER_MAX; i++) {
        char path[40];
        (void)snprintf(path, sizeof path, "devices/%zu/device_id", i);
        assert_string_not_equal(reply_str(reply, path), ann.device);
    }
    reply_free(reply);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_accounts__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(registers_logs_in_and_shows_oneself),
        TEST(takes_names_at_their_limits_and_none_past_them),
        TEST(takes_passwords_at_their_limits_and_none_past_them),
        TEST(a_password_is_counted_in_characters_at_least_and_in_bytes_at_most),
        TEST(two_at_once_do_not_get_one_name),
        TEST(an_unknown_name_answers_as_a_wrong_password),
        TEST(ten_wrong_passwords_a_minute_for_a_name),
        TEST(a_right_password_takes_nothing_from_the_limit),
        TEST(a_hundred_wrong_passwords_a_minute_from_an_address),
        TEST(a_device_signs_in_again_as_itself),
        TEST(devices_at_the_limit_and_one_past_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
