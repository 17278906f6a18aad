#include "wire/ws_extension.h"

#include "wire/http1_head.h"

struct param {
    struct kith_slice name, value;
    bool has_value;
};

static void spaces_skip(struct kith_slice *in)
{
    while (in->len > 0 && (in->ptr[0] == ' ' || in->ptr[0] == '\t')) {
        in->ptr++;
        in->len--;
    }
}

static bool byte_take(struct kith_slice *in, char b)
{
    if (in->len == 0 || in->ptr[0] != (uint8_t)b) return false;
    in->ptr++;
    in->len--;
    return true;
}

static kith_err token_take(struct kith_slice *in, struct kith_slice *out)
{
    size_t len = 0;

    while (len < in->len && http1_is_token(kith_slice_of(in->ptr + len, 1))) len++;
    return len == 0 ? KITH_E_MALFORMED : kith_eat_bytes(in, len, out);
}

/* What stands between the quotes, as it is: a value with a backslash is none of permessage-deflate's. */
static kith_err quoted_take(struct kith_slice *in, struct kith_slice *out)
{
    size_t len = 0;
    kith_err err;

    while (len < in->len && in->ptr[len] != '"') len += in->ptr[len] == '\\' ? 2 : 1;
    if (len >= in->len) return KITH_E_MALFORMED;
    err = kith_eat_bytes(in, len, out);
    if (err != KITH_OK || !byte_take(in, '"')) return KITH_E_MALFORMED;
    /* RFC 6455, 9.1: it must be a token too. */
    return memchr(out->ptr, '\\', out->len) != NULL || http1_is_token(*out) ? KITH_OK : KITH_E_MALFORMED;
}

static kith_err param_take(struct kith_slice *in, struct param *out)
{
    kith_err err;

    *out = (struct param){0};
    spaces_skip(in);
    err = token_take(in, &out->name);
    if (err != KITH_OK) return err;
    out->has_value = byte_take(in, '=');
    if (!out->has_value) return KITH_OK;
    return byte_take(in, '"') ? quoted_take(in, &out->value) : token_take(in, &out->value);
}

/* 8..15 without leading zeros (RFC 7692, 7.1.2). */
static bool bits_take(struct kith_slice value, uint8_t *out)
{
    uint64_t bits = 0;

    if (kith_slice_to_u64(value, &bits) != KITH_OK || bits < 8 || bits > 15) return false;
    *out = (uint8_t)bits;
    return true;
}

static bool flag_take(const struct param *param, bool *flag)
{
    if (*flag || param->has_value) return false;
    *flag = true;
    return true;
}

/* False: unknown, seen before, or with a wrong value. */
static bool param_apply(const struct param *param, struct ws_deflate_offer *out)
{
    if (kith_slice_is(param->name, "server_no_context_takeover")) {
        return flag_take(param, &out->server_no_context_takeover);
    }
    if (kith_slice_is(param->name, "client_no_context_takeover")) {
        return flag_take(param, &out->client_no_context_takeover);
    }
    if (kith_slice_is(param->name, "server_max_window_bits")) {
        if (out->has_server_bits || !param->has_value) return false;
        out->has_server_bits = true;
        return bits_take(param->value, &out->server_bits);
    }
    if (kith_slice_is(param->name, "client_max_window_bits")) {
        if (out->has_client_bits) return false;
        out->has_client_bits = true;
        return !param->has_value || bits_take(param->value, &out->client_bits);
    }
    return false;
}

kith_err ws_extension_next(struct kith_slice *value, struct ws_deflate_offer *out)
{
    struct kith_slice name = {0};
    struct param param;
    bool is_good;
    kith_err err;

    *out = (struct ws_deflate_offer){0};
    do {
        spaces_skip(value);
    } while (byte_take(value, ',')); /* empty elements (RFC 9110, 5.6.1.2) */
    if (value->len == 0) return KITH_E_NOTFOUND;
    err = token_take(value, &name);
    if (err != KITH_OK) return err;
    is_good = kith_slice_is(name, "permessage-deflate");
    for (spaces_skip(value); byte_take(value, ';'); spaces_skip(value)) {
        err = param_take(value, &param);
        if (err != KITH_OK) return err;
        is_good = is_good && param_apply(&param, out);
    }
    if (value->len > 0 && !byte_take(value, ',')) return KITH_E_MALFORMED;
    return is_good ? KITH_OK : KITH_E_DENIED;
}
