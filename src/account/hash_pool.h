#ifndef KITH_ACCOUNT_HASH_POOL_H
#define KITH_ACCOUNT_HASH_POOL_H

#include "account/account.h"

/**
 * Argon2id on threads of its own, so that a storm of logins cannot stall a loop; and signatures, which cost a tenth of that.
 * Jobs run in the order of their coming; at most HASH_POOL_QUEUE_MAX wait, one more is refused at once.
 */
#define HASH_POOL_QUEUE_MAX   128
#define HASH_POOL_THREADS_MAX 64

struct hash_pool;

struct hash_pool_config {
    uint32_t threads; /* 0: on the job's own loop, one a wake-up */
    uint64_t ops;
    size_t memory_bytes;
};

/** NULL: no memory, no threads. */
struct hash_pool *hash_pool_new(const struct hash_pool_config *config);
/** Waits for the jobs that run; those that are queued never end. NULL is fine. */
void hash_pool_free(struct hash_pool *pool);
uint32_t hash_pool_queued(struct hash_pool *pool);

/** Any loop's thread. `done` runs on job->loop, never inside the call. KITH_E_FULL: refused, no `done`. */
KITH_MUST_USE kith_err hash_pool_add(struct hash_pool *pool, struct hash_job *job);

/** An encoded hash that no password has, and that takes as long to compare as a real one: for names that nobody has. */
void hash_pool_nobody(const struct hash_pool *pool, char encoded[static DIRECTORY_PASSWORD_HASH_BYTES_MAX]);

#endif
