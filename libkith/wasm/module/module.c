#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/crypto/tlv.h"
#include "libkith/wasm/ops.h"

/**
 * The module's own surface. Compiled for wasm32 only (tools/dev/wasm.sh).
 *
 * The host calls kith_alloc(), writes the call's encoding there, calls kith_op_NAME(in, in_len) and reads the answer: the
 * result is its length, or minus a kith_err, and kith_out() says where it is until the next call or kith_wipe().
 * One import, kith.random(out, len): it fills the module's memory with unpredictable bytes.
 */
#define EXPORT(name) __attribute__((export_name(name)))

__attribute__((import_module("kith"), import_name("random"))) void kith_host_random(void *out, size_t len);

static void host_random(void *arg, void *out, size_t len)
{
    (void)arg;
    kith_host_random(out, len);
}

static const struct e2e_random random_of_host = {.fill = host_random};
static struct kith_buf answer = {.bytes_max = E2E_TLV_BYTES_MAX + 64};

/** Room for the bytes of a call; NULL when there is none. */
EXPORT("kith_alloc") void *kith_alloc(size_t len);
void *kith_alloc(size_t len)
{
    return malloc(len == 0 ? 1 : len); /* tidy: allow alloc: the host tests it */
}

/** Wipes and gives back what kith_alloc() gave. */
EXPORT("kith_free") void kith_free(void *bytes, size_t len);
void kith_free(void *bytes, size_t len)
{
    if (bytes != NULL) e2e_wipe(bytes, len);
    free(bytes);
}

EXPORT("kith_out") const uint8_t *kith_out(void);
const uint8_t *kith_out(void)
{
    return kith_buf_peek(&answer).ptr;
}

/** Forgets the last answer. */
EXPORT("kith_wipe") void kith_wipe(void);
void kith_wipe(void)
{
    kith_buf_wipe(&answer);
}

static int call(const char *name, const uint8_t *in, size_t in_len)
{
    kith_err err;

    kith_buf_wipe(&answer);
    err = kith_op_call(kith_op_find(name), &random_of_host, kith_slice_of(in, in_len), &answer);
    return err == KITH_OK ? (int)kith_buf_len(&answer) : -(int)err;
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
#undef X
