#include "net/http_client.h"

#include "net/http_call.h"
#include "wire/http1_writer.h"

static kith_err write_request(const struct http_call_config *config, const struct url *url, struct kith_buf *out)
{
    struct http1_writer writer;
    bool has_body = config->body.len > 0 || config->content_type != NULL;

    http1_request_begin(&writer, out, config->method, url->target, url->authority);
    for (const struct http_header *h = config->headers; h != NULL && h->name != NULL; h++)
        http1_put_str(&writer, h->name, h->value);
    if (config->kept == NULL) http1_put_str(&writer, "Connection", "close");
    if (config->content_type != NULL) http1_put_str(&writer, "Content-Type", config->content_type);
    return has_body ? http1_end(&writer, config->body) : http1_end_bare(&writer);
}

kith_err http_call_start(const struct http_call_config *config, struct http_call **out)
{
    struct url url;
    struct kith_buf request;
    struct http_call_parts parts = {.net = config->net,
                                    .tls = config->tls,
                                    .url = &url,
                                    .request = &request,
                                    .is_head = config->method == HTTP1_HEAD,
                                    .body_bytes_max = config->body_bytes_max,
                                    .timeout_ms = config->timeout_ms,
                                    .source = config->source,
                                    .kept = config->kept,
                                    .done = config->done,
                                    .arg = config->arg};
    kith_err err = url_parse(config->url, &url);

    *out = NULL;
    if (err != KITH_OK) return err;
    kith_buf_init(&request, config->body.len + HTTP1_HEAD_BYTES_MAX);
    err = write_request(config, &url, &request);
    if (err == KITH_OK) return http_call_begin(&parts, out);
    kith_buf_deinit(&request);
    return err;
}
