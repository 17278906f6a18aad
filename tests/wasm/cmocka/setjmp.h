#ifndef KITH_TESTS_WASM_CMOCKA_SETJMP_H
#define KITH_TESTS_WASM_CMOCKA_SETJMP_H

/* cmocka wants it included before its header, and wasi-libc has none. The cmocka.h beside this one jumps nowhere. */

#endif
