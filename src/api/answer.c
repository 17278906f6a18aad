#include <stdio.h>

#include "api/api_impl.h"

/* What every answer says: not for caches, and not to be guessed at (WHATWG Fetch, nosniff). */
#define HEADERS_COMMON {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}
#define HEADERS_MAX    8

static void respond(struct api_request *request, unsigned status, const char *content_type,
                    const struct http_header *headers, struct kith_slice body)
{
    if (request->exchange != NULL) {
        struct api_exchange *exchange = request->exchange;
        request->exchange = NULL;
        exchange->ops->respond(exchange, status, content_type, headers, body);
    }
    api_request_end(request);
}

void api_answer_bytes(struct api_request *request, unsigned status, const char *content_type, struct kith_slice body)
{
    const struct http_header headers[] = {HEADERS_COMMON, {NULL, NULL}};

    request->api->stats.by_code[status == 201 ? CODE_CREATED : CODE_OK]++;
    respond(request, status, content_type, headers, body);
}

void api_answer(struct api_request *request, unsigned status)
{
    if (request->out.err != KITH_OK) {
        api_problem_code(request, request->out.err == KITH_E_NOMEM ? CODE_UNAVAILABLE : CODE_INTERNAL);
        return;
    }
    api_answer_bytes(request, status, "application/json", kith_buf_peek(&request->out.buf));
}

void api_answer_none(struct api_request *request)
{
    api_answer_bytes(request, 204, NULL, (struct kith_slice){0});
}

/* ------------------------------------------------------------------------------------------------ problems */

static uint32_t retry_after(const struct api_problem *problem)
{
    if (problem->retry_after_s > 0) return problem->retry_after_s;
    switch (problem->code) {
    case CODE_TOO_MANY:
    case CODE_READ_ONLY:
    case CODE_UNAVAILABLE:
    case CODE_UNKNOWN_OUTCOME: return 1;
    default: return 0;
    }
}

static unsigned status_of(const struct api_problem *problem)
{
    return problem->status != 0 ? problem->status : kith_code_status(problem->code);
}

/* RFC 9457, 3; `code`, `retryable`, `pointer` and `parameter` are our own members (3.2). */
static void problem_write(const struct api_problem *problem, struct json_out *out)
{
    json_out_reset(out);
    json_out_open(out, '{');
    json_put_str_at(out, "type", "about:blank");
    json_put_str_at(out, "title", kith_code_text(problem->code));
    json_put_u64_at(out, "status", status_of(problem));
    json_put_str_at(out, "code", kith_code_name(problem->code));
    json_put_bool_at(out, "retryable", kith_code_retryable(problem->code));
    if (problem->detail != NULL) json_put_str_at(out, "detail", problem->detail);
    if (problem->pointer != NULL) json_put_str_at(out, "pointer", problem->pointer);
    if (problem->parameter != NULL) json_put_str_at(out, "parameter", problem->parameter);
    if (problem->more != NULL) problem->more(problem->arg, out);
    json_out_close(out, '}');
}

static void problem_headers(const struct api_problem *problem, char seconds[static 16], struct http_header *headers)
{
    const struct http_header common[] = {HEADERS_COMMON};
    size_t at = sizeof common / sizeof common[0];

    memcpy(headers, common, sizeof common);
    if (status_of(problem) == 401) headers[at++] = (struct http_header){"WWW-Authenticate", "Bearer"};
    if (problem->allow != NULL) headers[at++] = (struct http_header){"Allow", problem->allow};
    if (retry_after(problem) > 0) {
        (void)snprintf(seconds, 16, "%u", retry_after(problem));
        headers[at++] = (struct http_header){"Retry-After", seconds};
    }
    headers[at] = (struct http_header){NULL, NULL};
}

void api_problem(struct api_request *request, const struct api_problem *problem)
{
    static const char without_memory[] = "{\"type\":\"about:blank\",\"title\":\"The server is busy or stopping; try "
                                         "again.\",\"status\":503,\"code\":\"UNAVAILABLE\",\"retryable\":true}";
    struct http_header headers[HEADERS_MAX];
    char seconds[16];
    bool whole;

    request->api->stats.refused++;
    request->api->stats.by_code[problem->code]++;
    problem_write(problem, &request->out);
    problem_headers(problem, seconds, headers);
    whole = request->out.err == KITH_OK;
    respond(request, whole ? status_of(problem) : 503, "application/problem+json", headers,
            whole ? kith_buf_peek(&request->out.buf) : kith_slice_str(without_memory));
}

void api_problem_bare(struct api_exchange *exchange, const struct api_problem *problem)
{
    struct http_header headers[HEADERS_MAX];
    struct json_out out;
    char seconds[16];

    json_out_init(&out, 4096);
    problem_write(problem, &out);
    problem_headers(problem, seconds, headers);
    exchange->ops->respond(exchange, status_of(problem), "application/problem+json", headers, kith_buf_peek(&out.buf));
    json_out_deinit(&out);
}

void api_problem_code(struct api_request *request, enum kith_code code)
{
    const struct api_problem problem = {.code = code};

    api_problem(request, &problem);
}

void api_problem_call(struct api_request *request, const struct account_call *call)
{
    const struct api_problem problem = {.code = call->code, .retry_after_s = call->retry_after_s};

    api_problem(request, &problem);
}

static void put_server_time(void *arg, struct json_out *out)
{
    const struct api_request *request = arg;

    json_put_time_at(out, "server_time", loop_wall_ms(request->api->config.loop));
}

void api_problem_core(struct api_request *request, const struct chat_answer *answer)
{
    struct api_problem problem = {.code = answer->code, .detail = request->fault};

    if (request->fault != NULL) problem.pointer = "/signed_op";
    if (answer->code == CODE_BAD_ID || answer->code == CODE_TOO_OLD) {
        problem.more = put_server_time;
        problem.arg = request;
    }
    api_problem(request, &problem);
}
