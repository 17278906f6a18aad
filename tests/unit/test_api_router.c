#include "api/api_impl.h"
#include "api_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void test_api_router__finds_a_route_or_says_which_methods_there_are(void **state)
{
    static const struct {
        const char *method, *target, *allow;
        unsigned status;
    } calls[] = {
        {"GET", "/", "", 404},
        {"GET", "/nothing", "", 404},
        {"GET", "/users/me/too", "", 404},
        {"GET", "//users/me", "", 404},
        {"GET", "/metrics", "", 404}, /* on the admin listener only */
        {"PATCH", "/users/me", "GET, HEAD, PUT, DELETE, OPTIONS", 405},
        {"GET", "/users", "POST, OPTIONS", 405},
        {"POST", "/livez", "GET, HEAD, OPTIONS", 405},
        {"PUT", "/chats/x", "GET, HEAD, PATCH, OPTIONS", 405},
        {"POST", "/users/lookup", "GET, HEAD, OPTIONS", 405},
        {"OPTIONS", "/users/me", "GET, HEAD, PUT, DELETE, OPTIONS", 204},
        {"OPTIONS", "/messages", "POST, GET, HEAD, DELETE, OPTIONS", 204},
        {"OPTIONS", "/nothing", "", 404},
        {"HEAD", "/livez", "", 200},
        {"HEAD", "/users/me", "", 401},
        {"HEAD", "/users", "POST, OPTIONS", 405},
        {"GET", "/users/me", "", 401},
        {"GET", "/users/me/", "", 401},       /* an empty segment at the end is none */
        {"GET", "/users/not-an-id", "", 401}, /* who is not let in is not told about forms */
    };
    struct afx *fx = *state;

    for (size_t i = 0; i < COUNT(calls); i++) {
        struct reply *reply = expect_kept(afx_ask(fx, calls[i].method, calls[i].target, NULL, NULL), calls[i].status,
                                          calls[i].status == 405 ? "METHOD_NOT_ALLOWED" : NULL);
        assert_string_equal(reply->allow, calls[i].allow);
        reply_free(reply);
    }
}

static void test_api_router__ids_in_a_path_may_be_written_in_any_case(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    char target[400];

    (void)snprintf(target, sizeof target, "/users/%s", ann.user);
    for (char *c = target + 7; *c != '\0'; c++)
        if (*c >= 'a' && *c <= 'f') *c = (char)(*c - 32);
    expect(afx_ask(fx, "GET", target, ann.access, NULL), 200, NULL);
    (void)snprintf(target, sizeof target, "/users/%%%02x%s", (unsigned char)ann.user[0], ann.user + 1);
    expect(afx_ask(fx, "GET", target, ann.access, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/users/x", ann.access, NULL), 404, "NOT_FOUND");
    expect(afx_ask(fx, "GET", "/users/%zz", ann.access, NULL), 404, "NOT_FOUND");
    expect(afx_ask(fx, "GET", "/users/..", ann.access, NULL), 404, "NOT_FOUND");
}

static void test_api_router__answers_what_the_client_takes(void **state)
{
    static const struct {
        const char *accept;
        unsigned status;
    } accepts[] = {
        {"*/*", 200},
        {"application/json", 200},
        {"application/*;q=0.5", 200},
        {"text/html, application/xhtml+xml, */*;q=0.8", 200},
        {"APPLICATION/JSON ; q=1", 200},
        {"", 200},
        {"text/html", 406},
        {"application/xml, text/plain", 406},
    };
    struct afx *fx = *state;

    fx->headers[0][0] = "Accept";
    for (size_t i = 0; i < COUNT(accepts); i++) {
        fx->headers[0][1] = accepts[i].accept;
        expect(afx_ask(fx, "GET", "/livez", NULL, NULL), accepts[i].status,
               accepts[i].status == 406 ? "NOT_SUPPORTED" : NULL);
    }
    fx->headers[0][0] = NULL;
}

static void test_api_router__health_says_why_not(void **state)
{
    struct afx *fx = *state;
    struct reply *reply;

    expect(afx_ask(fx, "GET", "/livez", NULL, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/readyz", NULL, NULL), 200, NULL);
    fx->check = (struct api_check){.name = "log", .ok = true};
    reply = expect_kept(afx_ask(fx, "GET", "/readyz?verbose", NULL, NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "checks")), 2);
    assert_true(reply_bool(reply, "checks/1/ok"));
    reply_free(reply);
    fx->check = (struct api_check){.name = "log", .ok = false, .reason = "the disk is full"};
    reply = expect_kept(afx_ask(fx, "GET", "/readyz?verbose=true", NULL, NULL), 503, "UNAVAILABLE");
    assert_string_equal(reply_str(reply, "detail"), "the disk is full");
    assert_string_equal(reply_str(reply, "checks/1/reason"), "the disk is full");
    reply_free(reply);
    reply = expect_kept(afx_ask(fx, "GET", "/readyz", NULL, NULL), 503, "UNAVAILABLE");
    assert_null(reply_at(reply, "checks"));
    reply_free(reply);
    expect(afx_ask(fx, "GET", "/readyz?verbose=perhaps", NULL, NULL), 400, "BAD_REQUEST");
}

static void test_api_router__requests_of_a_person_and_an_address_are_limited(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");

    afx_crash(fx);
    fx->person_per_minute = 5;
    fx->address_per_minute = 8;
    afx_open(fx);
    for (int i = 0; i < 5; i++) expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 429, "TOO_MANY");
    expect(afx_ask(fx, "GET", "/users/me", bob.access, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/users/me", bob.access, NULL), 200, NULL);
    expect(afx_ask(fx, "GET", "/users/me", bob.access, NULL), 429, "TOO_MANY"); /* the address's ninth */
    expect(afx_ask(fx, "GET", "/livez", NULL, NULL), 429, "TOO_MANY");
    (void)snprintf(fx->peer, sizeof fx->peer, "192.0.2.2");
    expect(afx_ask(fx, "GET", "/users/me", bob.access, NULL), 200, NULL);
    for (int i = 0; i < 9; i++) { /* one network, whatever the host */
        (void)snprintf(fx->peer, sizeof fx->peer, "2001:db8:0:1::%x", i);
        expect(afx_ask(fx, "GET", "/livez", NULL, NULL), i < 8 ? 200 : 429, NULL);
    }
    (void)snprintf(fx->peer, sizeof fx->peer, "2001:db8:0:2::1");
    expect(afx_ask(fx, "GET", "/livez", NULL, NULL), 200, NULL);
    afx_run_ms(fx, 12001);
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 200, NULL); /* one in twelve seconds */
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 429, "TOO_MANY");
}

static void test_api_router__as_many_requests_as_there_may_be_and_one_more(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    static struct reply *replies[API_REQUESTS_MAX + 1];

    for (size_t i = 0; i <= API_REQUESTS_MAX; i++) replies[i] = afx_start(fx, "GET", "/users/me", ann.access, NULL);
    assert_true(replies[API_REQUESTS_MAX]->done);
    assert_int_equal(api_pending(fx->api), API_REQUESTS_MAX);
    expect(replies[API_REQUESTS_MAX], 503, "UNAVAILABLE");
    for (size_t i = 0; i < API_REQUESTS_MAX; i++) {
        reply_wait(replies[i]);
        expect(replies[i], 200, NULL);
    }
}

/* The client goes away at any step: nothing is answered, nothing leaks, what was begun is finished. */
static void test_api_router__a_client_may_go_away_at_any_moment(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 60; steps++) {
        struct afx *fx = afx_new(steps, REGISTRATION_OPEN, 0);
        struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
        char body[200], target[120];
        const char *chat;
        struct reply *reply;

        (void)snprintf(body, sizeof body, "[\"%s\"]", bob.user);
        chat = afx_chat(fx, &ann, "group", false, body);
        (void)snprintf(body, sizeof body, "{\"chat_id\":\"%s\",\"msg_id\":\"%s\",\"content\":\"x\"}", chat,
                       afx_msg_id(fx));
        reply = afx_start(fx, "POST", "/messages", ann.access, body);
        for (unsigned i = 0; i < steps && !reply->done; i++) (void)sim_world_step(fx->world);
        if (!reply->done) reply_abort(reply);
        reply_free(reply);
        (void)snprintf(target, sizeof target, "/messages?chat_id=%s", chat);
        reply = afx_start(fx, "GET", target, ann.access, NULL);
        for (unsigned i = 0; i < steps && !reply->done; i++) (void)sim_world_step(fx->world);
        if (!reply->done) reply_abort(reply);
        reply_free(reply);
        (void)snprintf(body, sizeof body, "{\"type\":\"direct\",\"members\":[\"%s\"]}", bob.user);
        reply = afx_start(fx, "POST", "/chats", ann.access, body);
        for (unsigned i = 0; i < steps && !reply->done; i++) (void)sim_world_step(fx->world);
        if (!reply->done) reply_abort(reply);
        reply_free(reply);
        afx_run_ms(fx, 1000);
        assert_int_equal(api_pending(fx->api), 0);
        afx_free(fx);
    }
}

static void test_api_router__the_directory_may_fail(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");

    directory_mem_fail_calls(fx->directory_image, KITH_E_IO, 1);
    expect(afx_ask(fx, "GET", "/users/me", ann.access, NULL), 503, "UNAVAILABLE");
    directory_mem_fail_calls(fx->directory_image, KITH_E_NOSPACE, UINT32_MAX);
    expect(afx_ask(fx, "POST", "/auth/refresh", NULL, "{\"refresh_token\":\"%s\"}", ann.refresh), 503, "READ_ONLY");
    directory_mem_fail_calls(fx->directory_image, KITH_OK, 0);
    expect(afx_ask(fx, "POST", "/auth/refresh", NULL, "{\"refresh_token\":\"%s\"}", ann.refresh), 200, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_router__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(finds_a_route_or_says_which_methods_there_are),
        TEST(ids_in_a_path_may_be_written_in_any_case),
        TEST(answers_what_the_client_takes),
        TEST(health_says_why_not),
        TEST(requests_of_a_person_and_an_address_are_limited),
        TEST(as_many_requests_as_there_may_be_and_one_more),
        cmocka_unit_test(test_api_router__a_client_may_go_away_at_any_moment),
        TEST(the_directory_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
