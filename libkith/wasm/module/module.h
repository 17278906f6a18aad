#ifndef LIBKITH_WASM_MODULE_MODULE_H
#define LIBKITH_WASM_MODULE_MODULE_H

#include "base/buf.h"
#include "libkith/crypto/random.h"

/**
 * What the surfaces of a module share. Compiled for wasm32 only (tools/dev/wasm.sh), into two modules of the same objects: kith.wasm
 * has the door (module_door.c), kith-ops.wasm the operations of the test vectors (module_ops.c).
 *
 * The host calls kith_alloc(), writes the call's encoding there, makes the call and reads the answer: the result is its length,
 * or minus a kith_err, and kith_out() says where it is until the next call or kith_wipe().
 * One import, kith.random(out, len): it fills the module's memory with unpredictable bytes.
 */
#define EXPORT(name) __attribute__((export_name(name)))

extern const struct e2e_random module_random;

/** The buffer of the answer, wiped and empty. */
struct kith_buf *module_answer(void);
/** The result of a call that has appended its answer. */
int module_result(kith_err err);

#endif
