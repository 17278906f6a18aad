#include "account/hash_pool.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define HASH_BYTES 32

struct hash_pool {
    struct hash_pool_config config;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t more;
    struct hash_job *first, *last;
    uint32_t queued;
    bool stopping;
    uint32_t thread_count;
    pthread_t threads[HASH_POOL_THREADS_MAX];
};

/* The encoded form of the Argon2 reference code, which crypto_pwhash_str_verify() reads; libsodium's own writer draws
 * the salt itself, ours is given its coins. */
static void encode(const struct hash_pool *pool, const uint8_t salt[static 16], const uint8_t hash[static HASH_BYTES],
                   char out[static DIRECTORY_PASSWORD_HASH_BYTES_MAX])
{
    char salt_text[32], hash_text[48];

    sodium_bin2base64(salt_text, sizeof salt_text, salt, 16, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    sodium_bin2base64(hash_text, sizeof hash_text, hash, HASH_BYTES, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    (void)snprintf(out, DIRECTORY_PASSWORD_HASH_BYTES_MAX, "$argon2id$v=19$m=%zu,t=%llu,p=1$%s$%s",
                   pool->config.memory_bytes / 1024, (unsigned long long)pool->config.ops, salt_text, hash_text);
}

void hash_pool_nobody(const struct hash_pool *pool, char encoded[static DIRECTORY_PASSWORD_HASH_BYTES_MAX])
{
    static const uint8_t zeros[HASH_BYTES];

    encode(pool, zeros, zeros, encoded);
}

static void hash_job_work(const struct hash_pool *pool, struct hash_job *job)
{
    const struct account_password *password = job->password;
    uint8_t hash[HASH_BYTES];

    if (job->work != NULL) {
        job->work(job);
        return;
    }
    if (!job->is_new) {
        int same = crypto_pwhash_str_verify(job->encoded, password->bytes, password->len);
        job->err = same == 0 ? KITH_OK : KITH_E_DENIED;
        return;
    }
    if (crypto_pwhash(hash, sizeof hash, password->bytes, password->len, job->salt, pool->config.ops,
                      pool->config.memory_bytes, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        job->err = KITH_E_NOMEM;
        return;
    }
    encode(pool, job->salt, hash, job->encoded);
    sodium_memzero(hash, sizeof hash);
    job->err = KITH_OK;
}

static struct hash_job *job_of(struct loop_task *task)
{
    return (struct hash_job *)((char *)task - offsetof(struct hash_job, task));
}

static void job_done(struct loop_task *task)
{
    struct hash_job *job = job_of(task);
    job->done(job);
}

static void job_inline(struct loop_task *task)
{
    struct hash_job *job = job_of(task);

    hash_job_work(job->pool, job);
    job->done(job);
}

static struct hash_job *job_take(struct hash_pool *pool)
{
    struct hash_job *job;

    pthread_mutex_lock(&pool->lock);
    while (pool->first == NULL && !pool->stopping) pthread_cond_wait(&pool->more, &pool->lock);
    job = pool->stopping ? NULL : pool->first;
    if (job != NULL) {
        pool->first = job->next;
        if (pool->first == NULL) pool->last = NULL;
        pool->queued--;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *thread_main(void *arg)
{
    struct hash_pool *pool = arg;
    struct hash_job *job;

    while ((job = job_take(pool)) != NULL) {
        hash_job_work(pool, job);
        job->task.run = job_done;
        loop_post(job->loop, &job->task);
    }
    return NULL;
}

struct hash_pool *hash_pool_new(const struct hash_pool_config *config)
{
    struct hash_pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL) return NULL;
    pool->config = *config;
    if (pool->config.ops == 0) pool->config.ops = crypto_pwhash_OPSLIMIT_INTERACTIVE;
    if (pool->config.memory_bytes == 0) pool->config.memory_bytes = crypto_pwhash_MEMLIMIT_INTERACTIVE;
    if (pool->config.threads > HASH_POOL_THREADS_MAX) pool->config.threads = HASH_POOL_THREADS_MAX;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    for (uint32_t i = 0; i < pool->config.threads; i++) {
        if (pthread_create(&pool->threads[i], NULL, thread_main, pool) != 0) break;
        pool->thread_count++;
    }
    if (config->threads > 0 && pool->thread_count == 0) {
        hash_pool_free(pool);
        return NULL;
    }
    return pool;
}

void hash_pool_free(struct hash_pool *pool)
{
    if (pool == NULL) return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->thread_count; i++) pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

uint32_t hash_pool_queued(struct hash_pool *pool)
{
    uint32_t queued;

    pthread_mutex_lock(&pool->lock);
    queued = pool->queued;
    pthread_mutex_unlock(&pool->lock);
    return queued;
}

kith_err hash_pool_add(struct hash_pool *pool, struct hash_job *job)
{
    job->pool = pool;
    job->next = NULL;
    if (pool->thread_count == 0) {
        job->task.run = job_inline;
        loop_defer(job->loop, &job->task);
        return KITH_OK;
    }
    pthread_mutex_lock(&pool->lock);
    if (pool->queued == HASH_POOL_QUEUE_MAX) {
        pthread_mutex_unlock(&pool->lock);
        return KITH_E_FULL;
    }
    if (pool->last == NULL)
        pool->first = job;
    else
        pool->last->next = job;
    pool->last = job;
    pool->queued++;
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    return KITH_OK;
}
