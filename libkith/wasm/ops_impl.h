#ifndef LIBKITH_WASM_OPS_IMPL_H
#define LIBKITH_WASM_OPS_IMPL_H

#include "libkith/wasm/args.h"
#include "libkith/wasm/ops.h"

/* The head of an operation that is not in ops.c itself. */
#define OP(name)                                                                                                      \
    kith_err kith_e2ee_##name(const struct e2e_random *random __attribute__((unused)), const struct kith_slice *args, \
                              struct kith_buf *out)

#endif
