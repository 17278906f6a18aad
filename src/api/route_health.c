#include "api/routes.h"

static const unsigned char openapi_json[] = {
#include "embed/openapi.json.inc"
};

void route_livez(struct api_request *request)
{
    json_out_open(&request->out, '{');
    json_put_str_at(&request->out, "status", "alive");
    json_out_close(&request->out, '}');
    api_answer(request, 200);
}

struct checks {
    struct api_check at[API_CHECKS_MAX];
    size_t count;
};

static void put_checks(void *arg, struct json_out *out)
{
    const struct checks *checks = arg;

    json_out_key(out, "checks");
    json_out_open(out, '[');
    for (size_t i = 0; i < checks->count; i++) {
        json_out_open(out, '{');
        json_put_str_at(out, "name", checks->at[i].name);
        json_put_bool_at(out, "ok", checks->at[i].ok);
        if (!checks->at[i].ok) json_put_str_at(out, "reason", checks->at[i].reason);
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
}

void route_readyz(struct api_request *request)
{
    const struct api_config *config = &request->api->config;
    struct api_problem problem = {.code = CODE_UNAVAILABLE};
    struct checks checks = {.count = 0};
    bool verbose = false, ready = true;

    if (!query_flag(request, "verbose", &verbose)) return;
    if (config->checks != NULL) checks.count = config->checks(config->arg, checks.at);
    assert(checks.count <= API_CHECKS_MAX);
    for (size_t i = 0; i < checks.count; i++) {
        if (checks.at[i].ok) continue;
        if (ready) problem.detail = checks.at[i].reason;
        ready = false;
    }
    if (!ready) {
        problem.more = verbose ? put_checks : NULL;
        problem.arg = &checks;
        api_problem(request, &problem);
        return;
    }
    json_out_open(&request->out, '{');
    json_put_str_at(&request->out, "status", "ready");
    if (verbose) put_checks(&checks, &request->out);
    json_out_close(&request->out, '}');
    api_answer(request, 200);
}

void route_metrics(struct api_request *request)
{
    const struct api_config *config = &request->api->config;
    struct kith_buf *buf = &request->out.buf;
    kith_err err = config->metrics == NULL ? KITH_E_NOTFOUND : config->metrics(config->arg, buf);

    if (err != KITH_OK) {
        api_problem_code(request, err == KITH_E_NOTFOUND ? CODE_NOT_FOUND : CODE_UNAVAILABLE);
        return;
    }
    api_answer_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", kith_buf_peek(buf));
}

void route_openapi(struct api_request *request)
{
    /* Without the NUL that embedding adds. */
    api_answer_bytes(request, 200, "application/json", kith_slice_of(openapi_json, sizeof openapi_json - 1));
}
