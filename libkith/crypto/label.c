#include "libkith/crypto/label.h"

#include <assert.h>

#define VERSION "kith/1/"

static const struct e2e_label_row rows[] = {
#define X(name, text, uses, what) {text, uses, what},
    E2E_LABELS(X)
#undef X
};

#define X(name, text, uses, what) \
    _Static_assert(sizeof(text) > 1 && sizeof(text) - 1 <= E2E_LABEL_TEXT_BYTES_MAX, "a label's length");
E2E_LABELS(X)
#undef X

const struct e2e_label_row *e2e_label_row(enum e2e_label label)
{
    assert((unsigned)label < E2E_LABEL_COUNT);
    return &rows[label];
}

kith_err e2e_label_find(struct kith_slice text, enum e2e_label *out)
{
    for (unsigned i = 0; i < E2E_LABEL_COUNT; i++) {
        if (!kith_slice_is(text, rows[i].text)) continue;
        *out = (enum e2e_label)i;
        return KITH_OK;
    }
    return KITH_E_NOTFOUND;
}

size_t e2e_label_prefix(enum e2e_label label, unsigned use, uint8_t out[static E2E_LABEL_PREFIX_BYTES_MAX])
{
    const struct e2e_label_row *row = e2e_label_row(label);
    size_t version_len = sizeof VERSION - 1, text_len = strlen(row->text);

    assert((row->uses & use) == use && use != 0);
    memcpy(out, VERSION, version_len);
    memcpy(out + version_len, row->text, text_len + 1); /* its NUL is the 0x00 */
    return version_len + text_len + 1;
}
