#include "account/keys.h"
#include "keys_fixture.h"

/* POST /users/devices: the lists of several people. */
#define NOBODY "00000000-0000-4000-8000-000000000001"

static void ask_begin(struct kith_buf *json)
{
    kith_buf_init(json, 1u << 16);
    assert_int_equal(kith_buf_append_str(json, "{\"users\":["), KITH_OK);
}

/* after < 0: it is not said. */
static void ask_add(struct kith_buf *json, const char *user, int after)
{
    const bool is_first = json->ptr[kith_buf_len(json) - 1] == '[';
    char text[100], behind[24] = "";

    if (after >= 0) (void)snprintf(behind, sizeof behind, ",\"after\":%d", after);
    (void)snprintf(text, sizeof text, "%s{\"user_id\":\"%s\"%s}", is_first ? "" : ",", user, behind);
    assert_int_equal(kith_buf_append_str(json, text), KITH_OK);
}

static struct reply *ask_end(struct afx *fx, const struct person *by, struct kith_buf *json)
{
    struct reply *reply;

    assert_int_equal(kith_buf_append(json, kith_slice_of("]}", 3)), KITH_OK);
    reply = afx_start(fx, "POST", "/users/devices", by->access, (const char *)json->ptr);
    reply_wait(reply);
    kith_buf_deinit(json);
    return reply;
}

static struct reply *ask_times(struct afx *fx, const struct person *by, const struct person *of, unsigned count,
                               int after)
{
    struct kith_buf json;

    ask_begin(&json);
    for (unsigned i = 0; i < count; i++) ask_add(&json, of->user, after);
    return ask_end(fx, by, &json);
}

static size_t size_at(const struct reply *reply, const char *path)
{
    assert_true(json_is_array(reply_at(reply, path)));
    return json_array_size(reply_at(reply, path));
}

static void send_three(struct afx *fx, const struct person *of)
{
    uint8_t hashes[4][32];

    for (unsigned seq = 1; seq <= 3; seq++)
        expect(send_list(fx, of, seq, seq == 1 ? NULL : hashes[seq - 1], 1, (uint8_t)seq, hashes[seq]), 200, NULL);
}

/* Of each to the byte, with older lists and without, of somebody who has none, of somebody who is no more, and of nobody. */
static void test_api_users_devices__each_is_as_asked_alone(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl"),
                  gone = afx_person(fx, "gone");
    static const int after[] = {-1, 0, 1, 3, -1, -1};
    const char *users[] = {ann.user, ann.user, ann.user, ann.user, bob.user, carl.user};
    struct kith_buf json;
    struct reply *reply, *alone;

    send_three(fx, &ann);
    send_three(fx, &carl);
    expect(afx_ask(fx, "DELETE", "/users/me", carl.access, NULL), 204, NULL);
    expect(afx_ask(fx, "DELETE", "/users/me", gone.access, NULL), 204, NULL);
    ask_begin(&json);
    for (size_t i = 0; i < 6; i++) {
        if (i == 2) ask_add(&json, NOBODY, -1);
        if (i == 5) ask_add(&json, gone.user, 1);
        ask_add(&json, users[i], after[i]);
    }
    reply = expect_kept(ask_end(fx, &bob, &json), 200, NULL);
    assert_int_equal(size_at(reply, "users"), 6);
    assert_int_equal(size_at(reply, "users/1/past"), 2);
    assert_int_equal(reply_int(reply, "users/5/list_seq"), 0);
    assert_int_equal(size_at(reply, "missing"), 2);
    assert_string_equal(reply_str(reply, "missing/0"), NOBODY);
    assert_string_equal(reply_str(reply, "missing/1"), gone.user);
    assert_int_equal(size_at(reply, "left"), 0);
    for (size_t i = 0; i < 6; i++) {
        char target[100];
        (void)snprintf(target, sizeof target, after[i] < 0 ? "/users/%s/devices" : "/users/%s/devices?after=%d",
                       users[i], after[i]);
        alone = expect_kept(afx_ask(fx, "GET", target, bob.access, NULL), 200, NULL);
        assert_true(json_equal(alone->json, json_array_get(reply_at(reply, "users"), i)));
        reply_free(alone);
    }
    reply_free(reply);
}

static void test_api_users_devices__people_at_the_limit_and_one_past_it(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    struct reply *reply;

    expect_refused(ask_times(fx, &ann, &ann, 0, -1), 400, "BAD_REQUEST", "/users");
    expect_refused(ask_times(fx, &ann, &ann, API_LISTS_USERS_MAX + 1, -1), 400, "BAD_REQUEST", "/users");
    reply = expect_kept(ask_times(fx, &ann, &ann, API_LISTS_USERS_MAX, -1), 200, NULL);
    assert_int_equal(size_at(reply, "users"), API_LISTS_USERS_MAX);
    reply_free(reply);
}

static void test_api_users_devices__what_is_no_question_is_refused(void **state)
{
    static const struct {
        const char *body, *pointer;
    } rows[] = {
        {"{}", "/users"},
        {"{\"users\":{}}", "/users"},
        {"{\"users\":[1]}", "/users/0"},
        {"{\"users\":[{}]}", "/users/0/user_id"},
        {"{\"users\":[{\"user_id\":\"" NOBODY "\"},{\"user_id\":\"x\"}]}", "/users/1/user_id"},
        {"{\"users\":[{\"user_id\":\"" NOBODY "\",\"after\":-1}]}", "/users/0/after"},
        {"{\"users\":[{\"user_id\":\"" NOBODY "\",\"after\":\"1\"}]}", "/users/0/after"},
        {"{\"users\":[{\"user_id\":\"" NOBODY "\",\"device_id\":\"" NOBODY "\"}]}", "/users/0/device_id"},
        {"{\"users\":[{\"user_id\":\"" NOBODY "\"}],\"after\":1}", "/after"},
    };
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_refused(afx_ask(fx, "POST", "/users/devices", ann.access, "%s", rows[i].body), 400, "BAD_REQUEST",
                       rows[i].pointer);
    expect(afx_ask(fx, "POST", "/users/devices", NULL, "{\"users\":[{\"user_id\":\"" NOBODY "\"}]}"), 401,
           "UNAUTHORIZED");
    expect(afx_ask(fx, "GET", "/users/devices", ann.access, NULL), 405, "METHOD_NOT_ALLOWED");
}

/* Each counts as one that was asked for alone; those for whom nothing is left are left. */
static void test_api_users_devices__count_in_the_limit_of_lists(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    struct reply *reply;

    for (unsigned i = 0; i < ACCOUNT_KEY_LOOKUPS / 60; i++) expect(ask_times(fx, &ann, &bob, 60, -1), 200, NULL);
    reply = expect_kept(ask_times(fx, &ann, &bob, 3, -1), 429, "TOO_MANY");
    assert_string_equal(reply->retry_after, "1");
    reply_free(reply);
    expect(devices_of(fx, &ann, bob.user), 429, "TOO_MANY");
    expect(ask_times(fx, &bob, &ann, 1, -1), 200, NULL);
    afx_run_ms(fx, 60000 / ACCOUNT_KEY_LOOKUPS * 2);
    reply = expect_kept(ask_times(fx, &ann, &bob, 5, -1), 200, NULL);
    assert_in_range(size_at(reply, "users"), 2, 4);
    assert_int_equal(size_at(reply, "users") + size_at(reply, "left"), 5);
    assert_string_equal(reply_str(reply, "left/0"), bob.user);
    reply_free(reply);
}

/* Nobody is added to an answer that is large enough, and all who are not in it are said. */
static void test_api_users_devices__an_answer_has_an_end(void **state)
{
    enum { LISTS = ACCOUNT_PAST_LISTS_MAX + 1, ASKED = API_LISTS_USERS_MAX };
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    uint8_t hashes[LISTS + 1][32];
    struct reply *reply;
    size_t one, count;

    for (unsigned seq = 1; seq <= LISTS; seq++) {
        expect(send_list(fx, &ann, seq, seq == 1 ? NULL : hashes[seq - 1], 1, (uint8_t)seq, hashes[seq]), 200, NULL);
        afx_run_ms(fx, 1000);
    }
    reply = expect_kept(ask_times(fx, &bob, &ann, 1, 0), 200, NULL);
    one = reply->body_len;
    assert_true(one * ASKED > API_LISTS_BYTES_MAX + 100 * ASKED);
    reply_free(reply);
    reply = expect_kept(ask_times(fx, &bob, &ann, ASKED, 0), 200, NULL);
    count = size_at(reply, "users");
    assert_in_range(count, 2, ASKED - 1);
    assert_int_equal(size_at(reply, "left"), ASKED - count);
    assert_in_range(reply->body_len, API_LISTS_BYTES_MAX, API_LISTS_BYTES_MAX + one + 40 * ASKED);
    reply_free(reply);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_users_devices__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_is_as_asked_alone),         TEST(people_at_the_limit_and_one_past_it),
        TEST(what_is_no_question_is_refused), TEST(count_in_the_limit_of_lists),
        TEST(an_answer_has_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
