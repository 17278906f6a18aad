#include "api/json_out.h"

void json_out_init(struct json_out *out, size_t bytes_max)
{
    *out = (struct json_out){.err = KITH_OK};
    kith_buf_init(&out->buf, bytes_max);
}

void json_out_deinit(struct json_out *out)
{
    if (out->is_secret)
        kith_buf_wipe(&out->buf);
    else
        kith_buf_deinit(&out->buf);
}

void json_out_reset(struct json_out *out)
{
    kith_buf_reset(&out->buf);
    out->err = KITH_OK;
    out->comma = false;
}

static void separate(struct json_out *out)
{
    if (out->comma && out->err == KITH_OK) out->err = kith_buf_append_u8(&out->buf, ',');
    out->comma = true;
}

void json_out_open(struct json_out *out, char bracket)
{
    separate(out);
    if (out->err == KITH_OK) out->err = kith_buf_append_u8(&out->buf, (uint8_t)bracket);
    out->comma = false;
}

void json_out_close(struct json_out *out, char bracket)
{
    if (out->err == KITH_OK) out->err = kith_buf_append_u8(&out->buf, (uint8_t)bracket);
    out->comma = true;
}

void json_out_key(struct json_out *out, const char *name)
{
    separate(out);
    if (out->err == KITH_OK) out->err = kith_buf_printf(&out->buf, "\"%s\":", name);
    out->comma = false;
}

void json_out_text(struct json_out *out, struct kith_slice text)
{
    separate(out);
    if (out->err == KITH_OK) out->err = json_put_string(&out->buf, text);
}

void json_out_id(struct json_out *out, struct kith_uuid id)
{
    separate(out);
    if (out->err == KITH_OK) out->err = json_put_uuid(&out->buf, id);
}

void json_out_time(struct json_out *out, uint64_t ms)
{
    separate(out);
    if (out->err == KITH_OK) out->err = json_put_time(&out->buf, ms);
}

void json_out_u64(struct json_out *out, uint64_t number)
{
    separate(out);
    if (out->err == KITH_OK) out->err = kith_buf_printf(&out->buf, "%llu", (unsigned long long)number);
}

void json_out_written(struct json_out *out, struct kith_slice json)
{
    separate(out);
    if (out->err == KITH_OK) out->err = kith_buf_append(&out->buf, json);
}

static void put_raw(struct json_out *out, const char *text)
{
    json_out_written(out, kith_slice_str(text));
}

void json_out_bool(struct json_out *out, bool truth)
{
    put_raw(out, truth ? "true" : "false");
}

void json_out_null(struct json_out *out)
{
    put_raw(out, "null");
}

void json_out_base64(struct json_out *out, struct kith_slice bytes)
{
    separate(out);
    if (out->err == KITH_OK) out->err = json_put_base64(&out->buf, bytes);
}

void json_put_text_at(struct json_out *out, const char *name, struct kith_slice text)
{
    json_out_key(out, name);
    json_out_text(out, text);
}

void json_put_str_at(struct json_out *out, const char *name, const char *text)
{
    json_put_text_at(out, name, kith_slice_str(text));
}

void json_put_id_at(struct json_out *out, const char *name, struct kith_uuid id)
{
    json_out_key(out, name);
    json_out_id(out, id);
}

void json_put_time_at(struct json_out *out, const char *name, uint64_t ms)
{
    json_out_key(out, name);
    json_out_time(out, ms);
}

void json_put_u64_at(struct json_out *out, const char *name, uint64_t number)
{
    json_out_key(out, name);
    json_out_u64(out, number);
}

void json_put_bool_at(struct json_out *out, const char *name, bool truth)
{
    json_out_key(out, name);
    json_out_bool(out, truth);
}
