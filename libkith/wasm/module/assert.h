/*
 * assert() of the module, in the place of the C library's: what failed, and where, that would tell nobody (system.c), and the texts
 * of all of them would be 2.4 kB of what people download. It has no guard, as the C library's has none.
 */
#undef assert
#define assert(good) ((good) ? (void)0 : __builtin_trap())
#ifndef __cplusplus
#undef static_assert
#define static_assert _Static_assert
#endif
