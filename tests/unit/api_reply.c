#include <string.h>

#include "api_fixture.h"

/* ------------------------------------------------------------------------------------------------ requests */

static const struct http1_request *reply_request(const struct api_exchange *exchange)
{
    return &((const struct reply *)exchange)->request;
}

static void reply_peer(const struct api_exchange *exchange, char out[static 64])
{
    memcpy(out, ((const struct reply *)exchange)->fx->peer, 64);
}

static void reply_on_abort(struct api_exchange *exchange, void (*aborted)(void *arg), void *arg)
{
    struct reply *reply = (struct reply *)exchange;

    reply->aborted = aborted;
    reply->arg = arg;
}

static void keep(char *out, size_t room, const char *value)
{
    assert_true(strlen(value) < room);
    memcpy(out, value, strlen(value) + 1);
}

static void reply_respond(struct api_exchange *exchange, unsigned status, const char *content_type,
                          const struct http_header *headers, struct kith_slice body)
{
    struct reply *reply = (struct reply *)exchange;

    assert_false(reply->done);
    reply->done = true;
    reply->status = status;
    keep(reply->content_type, sizeof reply->content_type, content_type == NULL ? "" : content_type);
    for (; headers != NULL && headers->name != NULL; headers++) {
        if (strcmp(headers->name, "Allow") == 0) keep(reply->allow, sizeof reply->allow, headers->value);
        if (strcmp(headers->name, "Retry-After") == 0)
            keep(reply->retry_after, sizeof reply->retry_after, headers->value);
        if (strcmp(headers->name, "WWW-Authenticate") == 0)
            keep(reply->authenticate, sizeof reply->authenticate, headers->value);
        assert_true(strncmp(headers->name, "Access-Control", 14) != 0);
    }
    reply->body = malloc(body.len + 1);
    assert_non_null(reply->body);
    if (body.len > 0) memcpy(reply->body, body.ptr, body.len);
    reply->body[body.len] = '\0';
    reply->body_len = body.len;
    if (strstr(reply->content_type, "json") != NULL) {
        json_error_t error;
        reply->json = json_loadb(reply->body, body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
        if (reply->json == NULL) fail_msg("no JSON: %s: %s", error.text, reply->body);
    }
}

static const struct api_exchange_ops reply_ops = {
    .request = reply_request, .peer = reply_peer, .on_abort = reply_on_abort, .respond = reply_respond};

static void header_add(struct reply *reply, const char *name, const char *value)
{
    struct http1_header *header = &reply->headers[reply->request.headers.count++];

    assert_true(reply->request.headers.count <= sizeof reply->headers / sizeof reply->headers[0]);
    *header = (struct http1_header){kith_slice_str(name), kith_slice_str(value)};
}

static enum http1_method method_of(const char *name)
{
    for (int method = HTTP1_GET; method <= HTTP1_OPTIONS; method++)
        if (strcmp(http1_method_name((enum http1_method)method), name) == 0) return (enum http1_method)method;
    fail_msg("no method %s", name);
    return HTTP1_GET;
}

struct reply *afx_start(struct afx *fx, const char *method, const char *target, const char *token, const char *body)
{
    struct reply *reply = calloc(1, sizeof *reply);
    const char *query;
    bool has_type = false;

    assert_non_null(reply);
    fx->live_replies++;
    reply->base.ops = &reply_ops;
    reply->fx = fx;
    reply->target = strdup(target);
    query = strchr(reply->target, '?');
    reply->request.method = method_of(method);
    reply->request.minor = 1;
    reply->request.target = kith_slice_str(reply->target);
    reply->request.path = kith_slice_of(reply->target,
                                        query == NULL ? strlen(target) : (size_t)(query - reply->target));
    if (query != NULL) reply->request.query = kith_slice_str(query + 1);
    reply->request.headers.at = reply->headers;
    if (token != NULL) {
        assert_true(asprintf(&reply->auth, "Bearer %s", token) > 0);
        header_add(reply, "Authorization", reply->auth);
    }
    for (size_t i = 0; fx->headers[i][0] != NULL; i++) {
        header_add(reply, fx->headers[i][0], fx->headers[i][1]);
        has_type |= strcmp(fx->headers[i][0], "Content-Type") == 0;
    }
    if (body != NULL) {
        reply->text = strdup(body);
        reply->request.body = kith_slice_str(reply->text);
        if (!has_type) header_add(reply, "Content-Type", "application/json");
    }
    api_serve(fx->api, &reply->base);
    return reply;
}

struct reply *afx_ask(struct afx *fx, const char *method, const char *target, const char *token, const char *fmt, ...)
{
    struct reply *reply;
    char *body = NULL;
    va_list args;

    if (fmt != NULL) {
        va_start(args, fmt);
        assert_true(vasprintf(&body, fmt, args) >= 0);
        va_end(args);
    }
    reply = afx_start(fx, method, target, token, body);
    free(body);
    reply_wait(reply);
    return reply;
}

void reply_wait(struct reply *reply)
{
    afx_until(reply->fx, &reply->done);
}

void reply_abort(struct reply *reply)
{
    assert_false(reply->done);
    reply->aborted(reply->arg);
    reply->done = true;
}

void reply_free(struct reply *reply)
{
    assert_true(reply->done);
    reply->fx->live_replies--;
    json_decref(reply->json);
    free(reply->target);
    free(reply->text);
    free(reply->auth);
    free(reply->body);
    free(reply);
}

json_t *reply_at(const struct reply *reply, const char *path)
{
    char part[64];
    json_t *at = reply->json;

    while (*path != '\0' && at != NULL) {
        size_t len = strcspn(path, "/");
        assert_true(len < sizeof part);
        memcpy(part, path, len);
        part[len] = '\0';
        path += path[len] == '/' ? len + 1 : len;
        if (json_is_array(at))
            at = json_array_get(at, (size_t)strtoul(part, NULL, 10));
        else
            at = json_object_get(at, part);
    }
    return at;
}

const char *reply_str(const struct reply *reply, const char *path)
{
    json_t *value = reply_at(reply, path);

    if (!json_is_string(value)) fail_msg("no string %s in %s", path, reply->body);
    return json_string_value(value);
}

json_int_t reply_int(const struct reply *reply, const char *path)
{
    json_t *value = reply_at(reply, path);

    if (!json_is_integer(value)) fail_msg("no number %s in %s", path, reply->body);
    return json_integer_value(value);
}

bool reply_bool(const struct reply *reply, const char *path)
{
    json_t *value = reply_at(reply, path);

    if (!json_is_boolean(value)) fail_msg("no boolean %s in %s", path, reply->body);
    return json_is_true(value);
}

struct reply *expect_kept(struct reply *reply, unsigned status, const char *code)
{
    const char *got = code == NULL ? NULL : json_string_value(json_object_get(reply->json, "code"));

    if (reply->status != status || (code != NULL && (got == NULL || strcmp(got, code) != 0)))
        fail_msg("%.*s: wanted %u %s, got %u %s", (int)reply->request.target.len, reply->target, status,
                 code == NULL ? "" : code, reply->status, reply->body);
    if (status >= 400) {
        assert_string_equal(reply->content_type, "application/problem+json");
        assert_int_equal(reply_int(reply, "status"), status);
        assert_string_equal(reply_str(reply, "type"), "about:blank");
        (void)reply_str(reply, "title");
        (void)reply_bool(reply, "retryable");
    }
    return reply;
}

void expect(struct reply *reply, unsigned status, const char *code)
{
    reply_free(expect_kept(reply, status, code));
}

/* ------------------------------------------------------------------------------------------------ people */

struct person person_of(const struct reply *reply, const char *name)
{
    struct person person = {0};

    keep(person.user, sizeof person.user, reply_str(reply, "user_id"));
    keep(person.device, sizeof person.device, reply_str(reply, "device_id"));
    keep(person.access, sizeof person.access, reply_str(reply, "access_token"));
    keep(person.refresh, sizeof person.refresh, reply_str(reply, "refresh_token"));
    keep(person.name, sizeof person.name, name);
    return person;
}

struct person afx_person(struct afx *fx, const char *name)
{
    struct reply *reply = expect_kept(
        afx_ask(fx, "POST", "/users", NULL,
                "{\"name\":\"%s\",\"password\":\"" AFX_PASSWORD "\",\"device_name\":\"laptop\"}", name),
        201, NULL);
    struct person person = person_of(reply, name);

    reply_free(reply);
    return person;
}

struct person afx_login(struct afx *fx, const char *name, const char *device)
{
    struct reply *reply = expect_kept(
        afx_ask(fx, "POST", "/auth/login", NULL,
                "{\"name\":\"%s\",\"password\":\"" AFX_PASSWORD "\",\"device_name\":\"%s\"}", name, device),
        200, NULL);
    struct person person = person_of(reply, name);

    reply_free(reply);
    return person;
}

const char *afx_chat(struct afx *fx, const struct person *by, const char *type, bool encrypted,
                     const char *members_json)
{
    static char ids[8][40];
    static unsigned next;
    char *id = ids[next++ % 8];
    struct reply *reply = expect_kept(afx_ask(fx, "POST", "/chats", by->access,
                                              "{\"type\":\"%s\",\"encrypted\":%s,\"members\":%s}", type,
                                              encrypted ? "true" : "false", members_json),
                                      201, NULL);

    keep(id, 40, reply_str(reply, "chat_id"));
    reply_free(reply);
    return id;
}

const char *afx_msg_id(struct afx *fx)
{
    static char ids[8][KITH_UUID_TEXT_LEN + 1];
    static unsigned next;
    static uint64_t count;
    char *id = ids[next++ % 8];
    uint8_t coins[10] = {0};

    count++;
    kith_put_u64_be(coins + 2, count);
    kith_uuid_format(kith_uuid_v7_make(afx_wall_ms(fx), coins), id);
    return id;
}
