#ifndef KITH_API_JSON_OUT_H
#define KITH_API_JSON_OUT_H

#include "wire/json_text.h"

/**
 * JSON written value by value, commas put where they belong. The first error is remembered and later calls do nothing,
 * so that only the end needs a look.
 */
struct json_out {
    struct kith_buf buf;
    kith_err err;
    bool comma;     /* a value stands before the next one */
    bool is_secret; /* wiped at the end */
};

void json_out_init(struct json_out *out, size_t bytes_max);
void json_out_deinit(struct json_out *out);
void json_out_reset(struct json_out *out);

void json_out_open(struct json_out *out, char bracket);
void json_out_close(struct json_out *out, char bracket);
/** The name of the next value. A constant of ours: not escaped. */
void json_out_key(struct json_out *out, const char *name);
/** Valid UTF-8. */
void json_out_text(struct json_out *out, struct kith_slice text);
void json_out_id(struct json_out *out, struct kith_uuid id);
void json_out_time(struct json_out *out, uint64_t ms);
void json_out_u64(struct json_out *out, uint64_t number);
void json_out_bool(struct json_out *out, bool truth);
void json_out_null(struct json_out *out);
/** One value, or members with commas between them, that are JSON already. */
void json_out_written(struct json_out *out, struct kith_slice json);
void json_out_base64(struct json_out *out, struct kith_slice bytes);

/* A key and its value. */
void json_put_text_at(struct json_out *out, const char *name, struct kith_slice text);
void json_put_str_at(struct json_out *out, const char *name, const char *text);
void json_put_id_at(struct json_out *out, const char *name, struct kith_uuid id);
void json_put_time_at(struct json_out *out, const char *name, uint64_t ms);
void json_put_u64_at(struct json_out *out, const char *name, uint64_t number);
void json_put_bool_at(struct json_out *out, const char *name, bool truth);

#endif
