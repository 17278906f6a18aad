#include "gateway/frames.h"

/* Prefix, then an id where has_id, then suffix. */
static const struct destination_row {
    const char *prefix, *suffix;
    bool has_id;
    enum destination_kind kind;
} rows[] = {
    {"/chat/", "", true, DESTINATION_CHAT},
    {"/chat/", "/read", true, DESTINATION_READ},
    {"/chat/", "/typing", true, DESTINATION_TYPING},
    {"/session", "", false, DESTINATION_SESSION},
    {"/user/", "/mailbox", true, DESTINATION_MAILBOX},
};

/* The part between prefix and suffix; no slash inside. */
static bool matches(const struct destination_row *row, struct kith_slice text, struct kith_slice *id)
{
    size_t prefix = strlen(row->prefix), suffix = strlen(row->suffix);

    if (text.len < prefix + suffix || !kith_slice_starts(text, row->prefix)) return false;
    *id = kith_slice_of(text.ptr + prefix, text.len - prefix - suffix);
    if (suffix > 0 && memcmp(id->ptr + id->len, row->suffix, suffix) != 0) return false;
    if (!row->has_id) return id->len == 0;
    return id->len > 0 && memchr(id->ptr, '/', id->len) == NULL;
}

kith_err destination_parse(struct kith_slice text, struct destination *out)
{
    struct kith_slice id = {0};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!matches(&rows[i], text, &id)) continue;
        *out = (struct destination){.kind = rows[i].kind};
        return rows[i].has_id ? kith_uuid_parse(id, &out->id) : KITH_OK;
    }
    return KITH_E_NOTFOUND;
}
