#include "kithd/config_value.h"

#include <ctype.h>
#include <stdlib.h>

const struct config_key config_keys[CONFIG_ID_COUNT] = {
#define CONFIG_ROW(id, key, type, text, bounds, doc) {key, type, text, bounds, doc},
    CONFIG_KEYS(CONFIG_ROW)
#undef CONFIG_ROW
};

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit time_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit byte_units[] = {
    {"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40}, {NULL, 0}};

static kith_err number_parse(struct kith_slice text, const struct unit *units, uint64_t *out)
{
    size_t digits = 0;
    uint64_t number = 0;

    while (digits < text.len && isdigit(text.ptr[digits])) digits++;
    if (kith_slice_to_u64(kith_slice_of(text.ptr, digits), &number) != KITH_OK) return KITH_E_MALFORMED;
    if (units == NULL || digits == text.len) {
        *out = number;
        /* A bare number is fine where it has no unit, or is zero. */
        return digits == text.len && (units == NULL || units == byte_units || number == 0) ? KITH_OK : KITH_E_MALFORMED;
    }
    for (; units->name != NULL; units++) {
        if (!kith_slice_is(kith_slice_of(text.ptr + digits, text.len - digits), units->name)) continue;
        if (number > UINT64_MAX / units->factor) return KITH_E_MALFORMED;
        *out = number * units->factor;
        return KITH_OK;
    }
    return KITH_E_MALFORMED;
}

static const struct unit *units_of(enum config_type type)
{
    if (type == CONFIG_TIME) return time_units;
    return type == CONFIG_BYTES ? byte_units : NULL;
}

static kith_err number_set(struct config_value *value, const struct config_key *key, const char *text,
                           struct kith_buf *message)
{
    const char *dots = strstr(key->bounds, "..");
    const struct unit *units = units_of(key->type);
    uint64_t low = 0, high = 0, number = 0;
    kith_err err = number_parse(kith_slice_str(text), units, &number);

    if (err == KITH_OK && dots != NULL) {
        err = number_parse(kith_slice_of(key->bounds, (size_t)(dots - key->bounds)), units, &low);
        if (err == KITH_OK) err = number_parse(kith_slice_str(dots + 2), units, &high);
        if (err == KITH_OK && (number < low || number > high)) err = KITH_E_MALFORMED;
    }
    if (err != KITH_OK) {
        kith_ignore(kith_buf_printf(message, "%s: '%s' is not %s within %s", key->name, text,
                                    key->type == CONFIG_TIME    ? "a time such as 500ms, 30s, 7d"
                                    : key->type == CONFIG_BYTES ? "a size such as 512KiB, 64MiB"
                                                                : "a number",
                                    key->bounds));
        return KITH_E_MALFORMED;
    }
    value->number = number;
    return KITH_OK;
}

static kith_err bool_set(struct config_value *value, const struct config_key *key, const char *text,
                         struct kith_buf *message)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) != 0) continue;
        value->number = i % 2;
        return KITH_OK;
    }
    kith_ignore(kith_buf_printf(message, "%s: '%s' is neither true nor false", key->name, text));
    return KITH_E_MALFORMED;
}

static kith_err choice_check(const struct config_key *key, const char *text, struct kith_buf *message)
{
    const char *at = key->bounds;
    size_t len = strlen(text);

    while (*at != '\0') {
        size_t n = strcspn(at, "|");
        if (n == len && strncmp(at, text, n) == 0) return KITH_OK;
        at += n + (at[n] == '|');
    }
    kith_ignore(kith_buf_printf(message, "%s: '%s' is none of %s", key->name, text, key->bounds));
    return KITH_E_MALFORMED;
}

static kith_err text_check(const struct config_key *key, const char *text, struct kith_buf *message)
{
    if (strlen(text) <= CONFIG_TEXT_BYTES_MAX) return KITH_OK;
    kith_ignore(kith_buf_printf(message, "%s: more than %d bytes", key->name, CONFIG_TEXT_BYTES_MAX));
    return KITH_E_MALFORMED;
}

static kith_err list_set(struct config_value *value, const struct config_key *key, const char *text,
                         struct kith_buf *message)
{
    size_t count = 0;

    value->list = calloc(CONFIG_LIST_MAX + 1, sizeof *value->list);
    if (value->list == NULL) return KITH_E_NOMEM;
    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        if (n > 0) {
            if (count == CONFIG_LIST_MAX) {
                kith_ignore(kith_buf_printf(message, "%s: more than %d entries", key->name, CONFIG_LIST_MAX));
                return KITH_E_MALFORMED;
            }
            value->list[count] = strndup(text, n);
            if (value->list[count] == NULL) return KITH_E_NOMEM;
            count++;
        }
        text += n + (text[n] == ',');
    }
    return KITH_OK;
}

void config_value_clear(struct config_value *value)
{
    for (size_t i = 0; value->list != NULL && value->list[i] != NULL; i++) free(value->list[i]);
    free(value->list);
    free(value->text);
    *value = (struct config_value){0};
}

kith_err config_value_set(struct config_value *value, const struct config_key *key, const char *text,
                          enum config_origin origin, struct kith_buf *message)
{
    struct config_value made = {.origin = origin};
    kith_err err = KITH_OK;

    made.text = strdup(text);
    if (made.text == NULL) return KITH_E_NOMEM;
    switch (key->type) {
    case CONFIG_TEXT: err = text_check(key, text, message); break;
    case CONFIG_COUNT:
    case CONFIG_BYTES:
    case CONFIG_TIME: err = number_set(&made, key, text, message); break;
    case CONFIG_BOOL: err = bool_set(&made, key, text, message); break;
    case CONFIG_CHOICE: err = choice_check(key, text, message); break;
    case CONFIG_LIST: err = list_set(&made, key, text, message); break;
    }
    if (err != KITH_OK) {
        config_value_clear(&made);
        return err;
    }
    config_value_clear(value);
    *value = made;
    return KITH_OK;
}

enum config_id config_key_find(const char *name, size_t len)
{
    for (unsigned id = 0; id < CONFIG_ID_COUNT; id++)
        if (strlen(config_keys[id].name) == len && strncmp(config_keys[id].name, name, len) == 0)
            return (enum config_id)id;
    return CONFIG_ID_COUNT;
}

/* Edits (insert, delete, replace) between two short words: Wagner and Fischer's table, one row at a time. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[64];

    if (a_len >= 63 || b_len >= 63) return 63;
    for (unsigned j = 0; j <= b_len; j++) row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

const char *config_key_nearest(const char *name, size_t len)
{
    unsigned best = (unsigned)len / 2 + 1;
    const char *nearest = NULL;

    for (unsigned id = 0; id < CONFIG_ID_COUNT; id++) {
        const char *key = config_keys[id].name;
        const char *dot = strchr(key, '.');
        unsigned d = distance(name, len, key, strlen(key));
        if (dot != NULL && distance(name, len, dot + 1, strlen(dot + 1)) < d)
            d = distance(name, len, dot + 1, strlen(dot + 1));
        if (d >= best) continue;
        best = d;
        nearest = key;
    }
    return nearest;
}
