#include "base/slice.h"

kith_err kith_slice_to_u64(struct kith_slice text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len == 0 || text.len > 20) return KITH_E_MALFORMED;
    if (text.ptr[0] == '0' && text.len > 1) return KITH_E_MALFORMED;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)text.ptr[i] - '0';
        if (digit > 9) return KITH_E_MALFORMED;
        if (value > (UINT64_MAX - digit) / 10) return KITH_E_MALFORMED;
        value = value * 10 + digit;
    }
    *out = value;
    return KITH_OK;
}
