#ifndef KITH_TESTS_FAILING_HEAP_H
#define KITH_TESTS_FAILING_HEAP_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/*
 * A heap whose n-th allocation fails, and that notices which bytes are in what is freed: it stands in the place of malloc(), calloc(), realloc() and free() of the program that includes
 * this, once. Sanitizers and valgrind put an allocator of their own there; under them HEAP_IS_ANOTHERS is defined instead.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_IS_ANOTHERS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HEAP_IS_ANOTHERS
#endif
#endif

#ifndef HEAP_IS_ANOTHERS
/* glibc's own, behind the ones of the same name that are put in their place. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

/* volatile: compilers know that malloc() has no look at our variables. */
static volatile bool heap_is_armed, heap_failed;
static volatile unsigned heap_until_failure; /* allocations that still succeed while armed */
static volatile long heap_live;              /* blocks allocated and not freed             */

/* Bytes that nothing freed may still hold. */
#define HEAP_WATCHED_MAX 256
static const void *volatile heap_watched[HEAP_WATCHED_MAX];
static size_t heap_watched_len[HEAP_WATCHED_MAX];
static volatile unsigned heap_watched_count, heap_left_behind; /* left behind: blocks that held some of them */

/* Not copied: `bytes` must stay, outside the heap. */
static inline void heap_watch(const void *bytes, size_t len)
{
    if (heap_watched_count == HEAP_WATCHED_MAX) __builtin_trap();
    heap_watched[heap_watched_count] = bytes;
    heap_watched_len[heap_watched_count] = len;
    heap_watched_count++;
}

static void heap_look(void *block)
{
    size_t len = heap_watched_count == 0 ? 0 : malloc_usable_size(block);

    for (unsigned i = 0; i < heap_watched_count; i++) {
        if (memmem(block, len, heap_watched[i], heap_watched_len[i]) == NULL) continue;
        heap_left_behind++;
        return;
    }
}

/* After `count` allocations the next one fails, and after that none. */
static inline void heap_fail_after(unsigned count)
{
    heap_failed = false;
    heap_until_failure = count;
    heap_is_armed = true;
}

/* Whether it came to that; from here on no allocation fails. */
static inline bool heap_has_failed(void)
{
    heap_is_armed = false;
    return heap_failed;
}

static bool heap_fails_now(void)
{
    if (!heap_is_armed) return false;
    if (heap_until_failure > 0) {
        heap_until_failure--;
        return false;
    }
    heap_is_armed = false;
    heap_failed = true;
    return true;
}

void *malloc(size_t size)
{
    if (heap_fails_now()) return NULL;
    heap_live++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    if (heap_fails_now()) return NULL;
    heap_live++;
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    if (heap_fails_now()) return NULL;
    if (block == NULL)
        heap_live++;
    else
        heap_look(block); /* it may be moved, and the old one left as it was */
    return __libc_realloc(block, size);
}

void free(void *block)
{
    if (block != NULL) {
        heap_live--;
        heap_look(block);
    }
    __libc_free(block);
}

/* Whether malloc() is the one above: valgrind, too, may put its own there, and says so to nobody. */
static inline bool heap_is_ours(void)
{
    void *volatile block;

    heap_fail_after(0);
    block = malloc(1);
    (void)heap_has_failed();
    free(block);
    return block == NULL;
}
#endif

#endif
