#include "libkith/wasm/module/module.h"

#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/crypto/tlv.h"

__attribute__((import_module("kith"), import_name("random"))) void kith_host_random(void *out, size_t len);

static void host_random(void *arg, void *out, size_t len)
{
    (void)arg;
    kith_host_random(out, len);
}

const struct e2e_random module_random = {.fill = host_random};
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

struct kith_buf *module_answer(void)
{
    kith_buf_wipe(&answer);
    return &answer;
}

int module_result(kith_err err)
{
    return err == KITH_OK ? (int)kith_buf_len(&answer) : -(int)err;
}
