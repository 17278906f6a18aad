#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "account/hash_pool.h"
#include "loop/loop_epoll.h"

static struct loop *loop;
static unsigned done_count;

static void job_done(struct hash_job *job)
{
    (void)job;
    done_count++;
}

static int setup(void **state)
{
    (void)state;
    done_count = 0;
    return loop_epoll_open(&loop) == KITH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    loop_epoll_close(loop);
    return 0;
}

static void wait_for(unsigned count)
{
    for (int turns = 0; done_count < count; turns++) {
        assert_true(turns < 10000);
        loop_epoll_once(loop, 1000);
    }
}

static struct account_password password_of(const char *text)
{
    struct account_password password = {.len = strlen(text)};

    memcpy(password.bytes, text, password.len);
    return password;
}

static void run(struct hash_pool *pool, struct hash_job *job)
{
    unsigned before = done_count;

    job->loop = loop;
    job->done = job_done;
    assert_int_equal(hash_pool_add(pool, job), KITH_OK);
    assert_int_equal(done_count, before); /* never inside the call */
    wait_for(before + 1);
}

static void check_pool(const struct hash_pool_config *config, const char *form)
{
    struct hash_pool *pool = hash_pool_new(config);
    struct account_password right = password_of("correct horse"), wrong = password_of("correct horsf");
    struct hash_job job = {.password = &right, .is_new = true, .salt = {7}};
    char encoded[DIRECTORY_PASSWORD_HASH_BYTES_MAX];

    assert_non_null(pool);
    run(pool, &job);
    assert_int_equal(job.err, KITH_OK);
    assert_true(strncmp(job.encoded, form, strlen(form)) == 0);
    memcpy(encoded, job.encoded, sizeof encoded);
    job.is_new = false;
    run(pool, &job);
    assert_int_equal(job.err, KITH_OK);
    job.password = &wrong;
    run(pool, &job);
    assert_int_equal(job.err, KITH_E_DENIED);
    hash_pool_nobody(pool, job.encoded);
    job.password = &right;
    run(pool, &job);
    assert_int_equal(job.err, KITH_E_DENIED);
    memcpy(job.encoded, encoded, sizeof encoded);
    job.is_new = true;
    job.salt[0] = 8;
    run(pool, &job);
    assert_string_not_equal(job.encoded, encoded); /* another salt, another hash */
    hash_pool_free(pool);
}

static void test_hash_pool__compares_what_it_has_made(void **state)
{
    const struct hash_pool_config on_loop = {.threads = 0, .ops = 1, .memory_bytes = 8192};
    const struct hash_pool_config on_threads = {.threads = 2, .ops = 1, .memory_bytes = 8192};

    (void)state;
    check_pool(&on_loop, "$argon2id$v=19$m=8,t=1,p=1$");
    check_pool(&on_threads, "$argon2id$v=19$m=8,t=1,p=1$");
}

static void test_hash_pool__uses_libsodiums_interactive_limits(void **state)
{
    const struct hash_pool_config config = {.threads = 1};

    (void)state;
    check_pool(&config, "$argon2id$v=19$m=65536,t=2,p=1$");
}

static pthread_t worked_on;

static void work(struct hash_job *job)
{
    worked_on = pthread_self();
    job->err = KITH_E_MALFORMED;
}

static void test_hash_pool__does_other_work_on_its_threads(void **state)
{
    (void)state;
    for (uint32_t threads = 0; threads < 2; threads++) {
        const struct hash_pool_config config = {.threads = threads, .ops = 1, .memory_bytes = 8192};
        struct hash_pool *pool = hash_pool_new(&config);
        struct hash_job job = {.work = work};
        assert_non_null(pool);
        run(pool, &job);
        assert_int_equal(job.err, KITH_E_MALFORMED);
        assert_int_equal(pthread_equal(worked_on, pthread_self()) != 0, threads == 0);
        hash_pool_free(pool);
    }
}

static void test_hash_pool__takes_as_many_as_may_wait_and_no_more(void **state)
{
    static struct hash_job jobs[HASH_POOL_QUEUE_MAX + 2];
    const struct hash_pool_config config = {.threads = 1}; /* slow enough that the queue fills */
    struct hash_pool *pool = hash_pool_new(&config);
    struct account_password password = password_of("correct horse");
    unsigned taken = 0, refused = 0;

    (void)state;
    for (unsigned i = 0; i < HASH_POOL_QUEUE_MAX + 2; i++) {
        jobs[i] = (struct hash_job){.loop = loop, .password = &password, .is_new = true, .done = job_done};
        if (hash_pool_add(pool, &jobs[i]) == KITH_OK)
            taken++;
        else
            refused++;
    }
    /* One may have been taken off to be worked on before the last came. */
    assert_true(refused >= 1 && refused <= 2);
    assert_true(hash_pool_queued(pool) >= HASH_POOL_QUEUE_MAX - 1);
    wait_for(taken);
    hash_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hash_pool__compares_what_it_has_made, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_pool__uses_libsodiums_interactive_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_pool__does_other_work_on_its_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_pool__takes_as_many_as_may_wait_and_no_more, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
