#include "libkith/content.h"

#include <assert.h>

#include "libkith/crypto/tlv.h"
#include "libkith/e2ee/group_keys.h"
#include "wire/utf8.h"

#define TEXT_BYTES_MAX (128u * 1024)

static const char *const types[] = {
    [KITH_CONTENT_TEXT] = "text/plain",
    [KITH_CONTENT_REPLY] = "application/x-kith-reply",
    [KITH_CONTENT_REACTION] = "application/x-kith-reaction",
    [KITH_CONTENT_EDIT] = "application/x-kith-edit",
    [KITH_CONTENT_DELETE] = "application/x-kith-delete",
    [KITH_CONTENT_STEP] = "application/x-kith-step",
    [KITH_CONTENT_KEYS] = E2E_GROUP_KEYS_TYPE,
};

struct kith_slice kith_content_type(enum kith_content_kind kind)
{
    assert(kind >= KITH_CONTENT_TEXT && kind <= KITH_CONTENT_KEYS);
    return kith_slice_str(types[kind]);
}

static bool names_a_message(enum kith_content_kind kind)
{
    return kind >= KITH_CONTENT_REPLY && kind <= KITH_CONTENT_DELETE;
}

kith_err kith_content_encode(const struct kith_content *content, struct kith_buf *out)
{
    struct e2e_tlv_writer w;

    if (content->kind == KITH_CONTENT_REACTION && content->text.len > KITH_REACTION_BYTES_MAX) return KITH_E_TOOBIG;
    if (!names_a_message(content->kind)) return kith_buf_append(out, content->text);
    w = e2e_tlv_writer_of(out);
    e2e_tlv_put(&w, 1, kith_slice_of(content->author.id.raw, sizeof content->author.id.raw));
    e2e_tlv_put(&w, 2, kith_slice_of(content->id.id.raw, sizeof content->id.id.raw));
    e2e_tlv_put_optional(&w, 3, content->text);
    return e2e_tlv_finish(&w);
}

static enum kith_content_kind kind_of(struct kith_slice content_type)
{
    for (int kind = KITH_CONTENT_TEXT; kind <= KITH_CONTENT_KEYS; kind++)
        if (kith_slice_is(content_type, types[kind])) return (enum kith_content_kind)kind;
    return KITH_CONTENT_OTHER;
}

kith_err kith_content_decode(struct kith_slice content_type, struct kith_slice body, struct kith_content *out)
{
    static const struct e2e_tlv_field fields[] = {
        {1, 16, 16, false},
        {2, 16, 16, false},
        {3, 1, TEXT_BYTES_MAX, true},
    };
    struct kith_slice v[3];
    kith_err err;

    *out = (struct kith_content){.kind = kind_of(content_type), .text = body};
    if (!names_a_message(out->kind))
        return out->kind == KITH_CONTENT_TEXT && !utf8_is_valid(body) ? KITH_E_MALFORMED : KITH_OK;
    err = e2e_tlv_decode(body, fields, 3, v);
    if (err != KITH_OK) return KITH_E_MALFORMED;
    memcpy(out->author.id.raw, v[0].ptr, sizeof out->author.id.raw);
    memcpy(out->id.id.raw, v[1].ptr, sizeof out->id.id.raw);
    out->text = v[2];
    if (!utf8_is_valid(out->text) || (out->kind == KITH_CONTENT_DELETE && out->text.len > 0) ||
        (out->kind == KITH_CONTENT_REACTION && out->text.len > KITH_REACTION_BYTES_MAX))
        return KITH_E_MALFORMED;
    /* A reply or an edit says something; only a reaction may be taken back by saying nothing. */
    if ((out->kind == KITH_CONTENT_REPLY || out->kind == KITH_CONTENT_EDIT) && out->text.len == 0)
        return KITH_E_MALFORMED;
    return KITH_OK;
}
