#ifndef KITH_WIRE_JSON_FLAT_H
#define KITH_WIRE_JSON_FLAT_H

#include "base/slice.h"

/**
 * Reads one JSON object of plain members (RFC 8259): strings, numbers, true, false, null; a nested value is skipped, at
 * most JSON_FLAT_DEPTH_MAX deep. For the small documents of /events, which a client reads without a tree. No allocation.
 */
#define JSON_FLAT_DEPTH_MAX 16

enum json_flat_type {
    JSON_FLAT_STRING = 1,
    JSON_FLAT_NUMBER,
    JSON_FLAT_TRUE,
    JSON_FLAT_FALSE,
    JSON_FLAT_NULL,
    JSON_FLAT_NESTED
};

struct json_flat {
    struct kith_slice in; /* what is left to read */
    bool begun;
};

struct json_flat_member {
    struct kith_slice name; /* without its quotes, not unescaped */
    enum json_flat_type type;
    struct kith_slice value; /* a string without its quotes, not unescaped; else the text as it stands */
};

void json_flat_init(struct json_flat *reader, struct kith_slice object); /* or an array */
/** KITH_OK: *out. KITH_E_NOTFOUND: the object ended well, and nothing follows it. KITH_E_MALFORMED. */
KITH_MUST_USE kith_err json_flat_next(struct json_flat *reader, struct json_flat_member *out);
/** The same of an array, such as a nested value is: its values, which have no name. */
KITH_MUST_USE kith_err json_flat_item(struct json_flat *reader, struct json_flat_member *out);

#endif
