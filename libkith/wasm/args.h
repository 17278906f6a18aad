#ifndef LIBKITH_WASM_ARGS_H
#define LIBKITH_WASM_ARGS_H

/* For the insides of operations (ops_*.c) and calls (door_*.c), whose arguments are `args`. */

/* An argument of a fixed length, or KITH_E_MALFORMED to the caller. */
#define NEED(at, bytes)                                       \
    do {                                                      \
        if (args[at].len != (bytes)) return KITH_E_MALFORMED; \
    } while (0)
/* What it calls went well, or its error to the caller. */
#define TRY(call)                               \
    do {                                        \
        kith_err try_err = (call);              \
        if (try_err != KITH_OK) return try_err; \
    } while (0)

#endif
