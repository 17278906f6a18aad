#include "api/api_impl.h"
#include "api_fixture.h"

/* openapi.yaml and the routes say the same, both ways. */
static const struct api_route *find(const char *method, const char *path)
{
    for (const struct api_route *route = api_routes; route->path != NULL; route++)
        if (strcmp(route->path, path) == 0 && strcasecmp(http1_method_name(route->method), method) == 0) return route;
    return NULL;
}

static bool is_method(const char *name)
{
    return strcmp(name, "parameters") != 0 && strcmp(name, "summary") != 0 && strcmp(name, "description") != 0;
}

static void test_api_openapi__describes_every_route_and_no_other(void **state)
{
    struct afx *fx = *state;
    struct reply *reply = expect_kept(afx_ask(fx, "GET", "/openapi.json", NULL, NULL), 200, NULL);
    const char *path, *method;
    json_t *item, *operation;
    unsigned described = 0, routes = 0;

    json_object_foreach(reply_at(reply, "paths"), path, item)
    {
        json_object_foreach(item, method, operation)
        {
            if (!is_method(method)) continue;
            if (find(method, path) == NULL) fail_msg("no route: %s %s", method, path);
            described++;
        }
    }
    for (const struct api_route *route = api_routes; route->path != NULL; route++)
        if ((route->flags & ROUTE_ADMIN_ONLY) == 0) routes++;
    assert_int_equal(described, routes);
    assert_string_equal(reply_str(reply, "openapi"), "3.1.0");
    assert_string_equal(reply_str(reply, "info/version"), KITH_VERSION);
    reply_free(reply);
}

/* A route without a token says so, and one that takes a body or not. */
static void test_api_openapi__says_what_each_route_asks_for(void **state)
{
    struct afx *fx = *state;
    struct reply *reply = expect_kept(afx_ask(fx, "GET", "/openapi.json", NULL, NULL), 200, NULL);

    for (const struct api_route *route = api_routes; route->path != NULL; route++) {
        char method[16];
        json_t *operation, *security, *body;
        if ((route->flags & ROUTE_ADMIN_ONLY) != 0) continue;
        (void)snprintf(method, sizeof method, "%s", http1_method_name(route->method));
        for (char *c = method; *c != '\0'; c++) *c = (char)(*c + 32);
        operation = json_object_get(json_object_get(reply_at(reply, "paths"), route->path), method);
        security = json_object_get(operation, "security");
        body = json_object_get(operation, "requestBody");
        assert_int_equal((route->flags & ROUTE_PUBLIC) != 0, security != NULL && json_array_size(security) == 0);
        assert_int_equal((route->flags & ROUTE_MAYBE_TOKEN) != 0, security != NULL && json_array_size(security) == 2);
        if (route->flags & ROUTE_BODY) assert_true(json_is_true(json_object_get(body, "required")));
        if ((route->flags & (ROUTE_BODY | ROUTE_BODY_OPTIONAL)) == 0) assert_null(body);
        assert_non_null(json_object_get(json_object_get(operation, "responses"), "default"));
        assert_non_null(json_object_get(operation, "operationId"));
    }
    reply_free(reply);
}

/* Every $ref leads somewhere. */
static void check_refs(const struct reply *reply, json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_object(value)) {
        json_object_foreach(value, key, item)
        {
            if (strcmp(key, "$ref") == 0) {
                assert_true(strncmp(json_string_value(item), "#/", 2) == 0);
                if (reply_at(reply, json_string_value(item) + 2) == NULL) fail_msg("%s", json_string_value(item));
            }
            check_refs(reply, item);
        }
    }
    json_array_foreach(value, i, item) check_refs(reply, item);
}

static void test_api_openapi__every_reference_leads_somewhere(void **state)
{
    struct afx *fx = *state;
    struct reply *reply = expect_kept(afx_ask(fx, "GET", "/openapi.json", NULL, NULL), 200, NULL);

    check_refs(reply, reply->json);
    reply_free(reply);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_openapi__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(describes_every_route_and_no_other),
        TEST(says_what_each_route_asks_for),
        TEST(every_reference_leads_somewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
