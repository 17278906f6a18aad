#include "libkith/wasm/module/module.h"
#include "libkith/wasm/ops.h"

/* kith_op_NAME(in, in_len) of each operation of ops.h. */

static int call(const char *name, const uint8_t *in, size_t in_len)
{
    struct kith_buf *out = module_answer();

    return module_result(kith_op_call(kith_op_find(name), &module_random, kith_slice_of(in, in_len), out));
}

#define X(name, count, what)                                                       \
    EXPORT("kith_op_" #name) int kith_op_##name(const uint8_t *in, size_t in_len); \
    int kith_op_##name(const uint8_t *in, size_t in_len)                           \
    {                                                                              \
        return call(#name, in, in_len);                                            \
    }
KITH_OPS(X)
KITH_E2EE_OPS(X)
KITH_CHAIN_OPS(X)
KITH_JOIN_OPS(X)
KITH_RESEND_OPS(X)
#undef X
