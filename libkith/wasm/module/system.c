#include <sodium.h>
#include <stdlib.h>
#include <time.h>

/*
 * What libsodium and the C library would ask a system for. The module has none: all but one of these end it, and the host
 * gets a WebAssembly.RuntimeError and makes another instance. libkith never draws coins that were not lent to it, and a
 * failed assert is our own mistake.
 */

__attribute__((import_module("kith"), import_name("random"))) void kith_host_random(void *out, size_t len);

/* Argon2id draws bytes for its result before it has one, so that nobody takes old memory for a key. */
/* tidy: allow pure: it is this definition that keeps the system's random out */
void randombytes_buf(void *const out, const size_t len)
{
    kith_host_random(out, len);
}

/* tidy: allow pure: it is this definition that keeps the system's random out */
uint32_t randombytes_random(void)
{
    __builtin_trap();
}

void randombytes_stir(void)
{
    __builtin_trap();
}

/* tidy: allow pure: libsodium's would wait for a system's random to be ready */
int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)wanted, (void)left;
    __builtin_trap();
}

_Noreturn void abort(void)
{
    __builtin_trap();
}

/* libsodium's asserts; the module's own are in assert.h. */
_Noreturn void __assert_fail(const char *what, const char *file, int line, const char *function);
_Noreturn void __assert_fail(const char *what, const char *file, int line, const char *function)
{
    (void)what, (void)file, (void)line, (void)function;
    __builtin_trap();
}
