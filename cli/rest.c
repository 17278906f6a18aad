#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/store.h"
#include "loop/loop_epoll.h"
#include "net/http_client.h"

#define REST_TIMEOUT_MS 15000
#define REST_BYTES_MAX  (16 * 1024 * 1024)
#define WAIT_S_MAX      60  /* that a server may ask for, at once */
#define WAITS_MAX       600 /* for one answer */

struct waiting {
    struct cli_answer *answer;
    bool done;
};

static void call_done(void *arg, const struct http_call_result *result)
{
    struct waiting *waiting = arg;
    struct cli_answer *answer = waiting->answer;
    struct kith_slice after;

    waiting->done = true;
    if (result->err != KITH_OK) {
        (void)snprintf(answer->reason, sizeof answer->reason, "%s", result->reason == NULL ? "" : result->reason);
        return;
    }
    answer->status = (long)result->response->status;
    if (http1_header_get(result->response->headers, "retry-after", &after))
        kith_ignore(kith_slice_to_u64(after, &answer->retry_after_s));
    if (result->response->body.len > 0)
        answer->body = json_loadb((const char *)result->response->body.ptr, result->response->body.len, 0, NULL);
}

static enum http1_method method_of(const char *method)
{
    if (strcmp(method, "POST") == 0) return HTTP1_POST;
    if (strcmp(method, "PUT") == 0) return HTTP1_PUT;
    if (strcmp(method, "PATCH") == 0) return HTTP1_PATCH;
    if (strcmp(method, "DELETE") == 0) return HTTP1_DELETE;
    return HTTP1_GET;
}

static void call(struct cli *cli, const char *method, const char *path, const char *body, struct cli_answer *out)
{
    struct waiting waiting = {.answer = out};
    char url[4096], bearer[512];
    const char *token = store_get(cli->store, "access_token");
    struct http_header headers[2] = {{NULL, NULL}, {NULL, NULL}};
    struct http_call_config config = {.net = cli->net,
                                      .tls = cli->tls,
                                      .method = method_of(method),
                                      .url = url,
                                      .headers = headers,
                                      .content_type = body == NULL ? NULL : "application/json",
                                      .body = body == NULL ? (struct kith_slice){0} : kith_slice_str(body),
                                      .body_bytes_max = REST_BYTES_MAX,
                                      .timeout_ms = REST_TIMEOUT_MS,
                                      .done = call_done,
                                      .arg = &waiting};
    struct http_call *call = NULL;

    *out = (struct cli_answer){0};
    (void)snprintf(url, sizeof url, "%s%s", store_get(cli->store, "server"), path);
    (void)snprintf(bearer, sizeof bearer, "Bearer %s", token);
    if (*token != '\0') headers[0] = (struct http_header){"Authorization", bearer};
    if (http_call_start(&config, &call) != KITH_OK) {
        (void)snprintf(out->reason, sizeof out->reason, "'%.100s' is not an address of a server", url);
        return;
    }
    while (!waiting.done) loop_epoll_once(cli->loop, 1000);
}

static void keep_tokens(struct cli *cli, const json_t *body)
{
    static const char *const keys[] = {"access_token", "refresh_token", "user_id", "device_id"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = json_string_value(json_object_get(body, keys[i]));
        if (value != NULL) store_set(cli->store, keys[i], value);
    }
}

/* The answer is stored before the new token is used: a lost answer can be asked for again with the old one. */
bool cli_refresh(struct cli *cli)
{
    struct cli_answer answer;
    json_t *body = json_pack("{s:s}", "refresh_token", store_get(cli->store, "refresh_token"));
    char *text = json_dumps(body, JSON_COMPACT);
    bool ok;

    json_decref(body);
    call(cli, "POST", "/auth/refresh", text, &answer);
    free(text);
    ok = answer.status == 200;
    if (ok) keep_tokens(cli, answer.body);
    cli_answer_free(&answer);
    return ok;
}

/* Only what changes nothing: an attempt to sign in is the person's to repeat. */
static bool is_too_early(const char *method, const struct cli_answer *answer)
{
    return answer->status == 429 && strcmp(method, "GET") == 0 && answer->retry_after_s > 0 &&
           answer->retry_after_s <= WAIT_S_MAX;
}

static void wait_s(struct cli *cli, uint64_t seconds)
{
    const uint64_t until_ms = cli_now_ms() + seconds * 1000;

    for (uint64_t now = cli_now_ms(); now < until_ms; now = cli_now_ms())
        loop_epoll_once(cli->loop, (int)(until_ms - now));
}

void cli_rest(struct cli *cli, const char *method, const char *path, json_t *body, struct cli_answer *out)
{
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);

    json_decref(body);
    call(cli, method, path, text, out);
    if (out->status == 401 && *store_get(cli->store, "refresh_token") != '\0' && cli_refresh(cli)) {
        cli_answer_free(out);
        call(cli, method, path, text, out);
    }
    for (int waits = 0; waits < WAITS_MAX && is_too_early(method, out); waits++) {
        wait_s(cli, out->retry_after_s);
        cli_answer_free(out);
        call(cli, method, path, text, out);
    }
    if ((out->status == 200 || out->status == 201) && (strcmp(path, "/users") == 0 || strcmp(path, "/auth/login") == 0))
        keep_tokens(cli, out->body);
    free(text);
}

void cli_answer_free(struct cli_answer *answer)
{
    json_decref(answer->body);
    answer->body = NULL;
}

int cli_check(const struct cli *cli, const struct cli_answer *answer)
{
    char what[512];

    if (answer->status >= 200 && answer->status < 300) return EXIT_DONE;
    if (answer->status == 0) {
        (void)snprintf(what, sizeof what, "the server %s cannot be reached: %s", store_get(cli->store, "server"),
                       answer->reason);
        cli_error(cli, what, "Nothing was changed; try again when it is back.");
        return EXIT_AWAY;
    }
    return cli_refused(cli, answer->status, answer->body);
}
