#include "wire/json_flat.h"

static void skip_space(struct kith_slice *in)
{
    while (in->len > 0 && (in->ptr[0] == ' ' || in->ptr[0] == '\t' || in->ptr[0] == '\n' || in->ptr[0] == '\r')) {
        in->ptr++;
        in->len--;
    }
}

static bool eat_byte(struct kith_slice *in, uint8_t byte)
{
    if (in->len == 0 || in->ptr[0] != byte) return false;
    in->ptr++;
    in->len--;
    return true;
}

static kith_err eat_string(struct kith_slice *in, struct kith_slice *out)
{
    const uint8_t *start;

    if (!eat_byte(in, '"')) return KITH_E_MALFORMED;
    start = in->ptr;
    while (in->len > 0 && in->ptr[0] != '"') {
        size_t step = in->ptr[0] == '\\' ? 2 : 1;
        if (in->len < step || in->ptr[0] < 0x20) return KITH_E_MALFORMED;
        in->ptr += step;
        in->len -= step;
    }
    *out = kith_slice_of(start, (size_t)(in->ptr - start));
    return eat_byte(in, '"') ? KITH_OK : KITH_E_MALFORMED;
}

static kith_err eat_word(struct kith_slice *in, struct json_flat_member *out)
{
    static const struct {
        const char *text;
        enum json_flat_type type;
    } words[] = {{"true", JSON_FLAT_TRUE}, {"false", JSON_FLAT_FALSE}, {"null", JSON_FLAT_NULL}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!kith_slice_starts(*in, words[i].text)) continue;
        out->type = words[i].type;
        return kith_eat_bytes(in, strlen(words[i].text), &out->value);
    }
    return KITH_E_MALFORMED;
}

static kith_err eat_number(struct kith_slice *in, struct json_flat_member *out)
{
    size_t len = 0;

    while (len < in->len && in->ptr[len] != '\0' && strchr("+-.0123456789eE", in->ptr[len]) != NULL) len++;
    out->type = JSON_FLAT_NUMBER;
    return len == 0 ? KITH_E_MALFORMED : kith_eat_bytes(in, len, &out->value);
}

/* Only the brackets and strings of a nested value are looked at: it is nobody's here. */
static kith_err skip_nested(struct kith_slice *in, struct json_flat_member *out)
{
    const uint8_t *start = in->ptr;
    struct kith_slice ignored = {0};
    unsigned depth = 0;

    do {
        if (in->len == 0) return KITH_E_MALFORMED;
        if (in->ptr[0] == '"') {
            if (eat_string(in, &ignored) != KITH_OK) return KITH_E_MALFORMED;
            continue;
        }
        if (in->ptr[0] == '{' || in->ptr[0] == '[') depth++;
        if (in->ptr[0] == '}' || in->ptr[0] == ']') depth--;
        if (depth > JSON_FLAT_DEPTH_MAX) return KITH_E_MALFORMED;
        in->ptr++;
        in->len--;
    } while (depth > 0);
    out->type = JSON_FLAT_NESTED;
    out->value = kith_slice_of(start, (size_t)(in->ptr - start));
    return KITH_OK;
}

static kith_err eat_value(struct kith_slice *in, struct json_flat_member *out)
{
    if (in->len == 0) return KITH_E_MALFORMED;
    switch (in->ptr[0]) {
    case '"': out->type = JSON_FLAT_STRING; return eat_string(in, &out->value);
    case '{':
    case '[': return skip_nested(in, out);
    case 't':
    case 'f':
    case 'n': return eat_word(in, out);
    default: return eat_number(in, out);
    }
}

void json_flat_init(struct json_flat *reader, struct kith_slice object)
{
    *reader = (struct json_flat){.in = object};
}

static kith_err end_of(struct kith_slice *in)
{
    skip_space(in);
    return in->len == 0 ? KITH_E_NOTFOUND : KITH_E_MALFORMED;
}

/* Up to the next member or value. KITH_E_NOTFOUND: there is none. */
static kith_err eat_up_to_next(struct json_flat *reader, uint8_t open, uint8_t close)
{
    struct kith_slice *in = &reader->in;
    bool first = !reader->begun;

    skip_space(in);
    if (first && !eat_byte(in, open)) return KITH_E_MALFORMED;
    reader->begun = true;
    skip_space(in);
    if (eat_byte(in, close)) return end_of(in);
    if (!first && !eat_byte(in, ',')) return KITH_E_MALFORMED;
    skip_space(in);
    return KITH_OK;
}

kith_err json_flat_item(struct json_flat *reader, struct json_flat_member *out)
{
    kith_err err = eat_up_to_next(reader, '[', ']');

    out->name = (struct kith_slice){0};
    return err == KITH_OK ? eat_value(&reader->in, out) : err;
}

kith_err json_flat_next(struct json_flat *reader, struct json_flat_member *out)
{
    struct kith_slice *in = &reader->in;
    kith_err err = eat_up_to_next(reader, '{', '}');

    if (err == KITH_OK) err = eat_string(in, &out->name);
    if (err != KITH_OK) return err;
    skip_space(in);
    if (!eat_byte(in, ':')) return KITH_E_MALFORMED;
    skip_space(in);
    return eat_value(in, out);
}
