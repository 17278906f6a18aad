#include "libkith/wasm/door.h"
#include "libkith/wasm/module/module.h"

/* kith_door_NAME(handle, mono_ms, wall_ms, in, in_len) of each call of door.h. A handle is one of this instance. */

static struct door *door; /* NULL before the first call */

/* Numbers, not structures: they need no memory in each of the calls. */
static int run(const char *name, uint32_t handle, uint64_t mono_ms, uint64_t wall_ms, const uint8_t *in, size_t in_len)
{
    struct kith_buf *out = module_answer();
    const struct kith_time now = {.mono_ms = mono_ms, .wall_ms = wall_ms};

    if (door == NULL) door = door_new(&module_random);
    if (door == NULL) return module_result(KITH_E_NOMEM);
    return module_result(door_run(door, door_find(name), handle, now, kith_slice_of(in, in_len), out));
}

#define X(name, kind, count, what)                                                                               \
    EXPORT("kith_door_" #name)                                                                                   \
    int kith_door_##name(uint32_t handle, uint64_t mono_ms, uint64_t wall_ms, const uint8_t *in, size_t in_len); \
    int kith_door_##name(uint32_t handle, uint64_t mono_ms, uint64_t wall_ms, const uint8_t *in, size_t in_len)  \
    {                                                                                                            \
        return run(#name, handle, mono_ms, wall_ms, in, in_len);                                                 \
    }
KITH_DOOR_CALLS(X)
#undef X
