#include "wire/code.h"

#include <assert.h>

static const struct {
    const char *name;
    unsigned status;
    bool retryable;
    const char *text;
} codes[CODE_COUNT] = {
#define KITH_CODE_ROW(name, status, retryable, text) {#name, status, retryable, text},
    KITH_CODE_LIST(KITH_CODE_ROW)
#undef KITH_CODE_ROW
};

const char *kith_code_name(enum kith_code code)
{
    assert(code < CODE_COUNT);
    return codes[code].name;
}

unsigned kith_code_status(enum kith_code code)
{
    assert(code < CODE_COUNT);
    return codes[code].status;
}

bool kith_code_retryable(enum kith_code code)
{
    assert(code < CODE_COUNT);
    return codes[code].retryable;
}

const char *kith_code_text(enum kith_code code)
{
    assert(code < CODE_COUNT);
    return codes[code].text;
}

kith_err kith_code_parse(struct kith_slice name, enum kith_code *out)
{
    for (unsigned i = 0; i < CODE_COUNT; i++) {
        if (!kith_slice_is(name, codes[i].name)) continue;
        *out = (enum kith_code)i;
        return KITH_OK;
    }
    return KITH_E_NOTFOUND;
}
