/* log_file and log_mem with real threads: appended to from two, followed on two others. For ThreadSanitizer above all. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/disk/disk_posix.h"
#include "adapters/log/log_file.h"
#include "adapters/log/log_mem.h"
#include "loop/loop_epoll.h"
#include "tests/temp_dir.h"

#define FOLLOWERS 2
#define APPENDERS 2
#define EACH      5000

struct follower {
    struct log_follower base;
    struct log *log;
    uint32_t next[APPENDERS]; /* number of each appender's next entry */
    uint64_t position;
    unsigned count, refused, caught_up;
};

struct appender {
    pthread_t thread;
    struct log *log;
    uint32_t number;
};

static void deliver(struct log_follower *base, struct log_entry *list)
{
    struct follower *follower = (struct follower *)base;

    while (list != NULL) {
        struct log_entry *entry = list;
        list = entry->next;
        if (entry->err == KITH_OK) {
            uint32_t appender = kith_get_u32_be(entry->body), number = kith_get_u32_be(entry->body + 4);
            /* cmocka's checks jump, which they must not on another thread. */
            if (entry->position <= follower->position || number < follower->next[appender]) abort();
            follower->position = entry->position;
            follower->next[appender] = number + 1;
            follower->count++;
        } else
            follower->refused++;
        log_entry_free(entry);
    }
    if (follower->count + follower->refused == APPENDERS * EACH / FOLLOWERS) loop_epoll_stop(base->loop);
}

static void caught_up(struct log_follower *base)
{
    ((struct follower *)base)->caught_up++;
}

static void *append_all(void *arg)
{
    struct appender *appender = arg;

    for (uint32_t i = 0; i < EACH; i++) {
        struct log_entry *entry = log_entry_new((uint16_t)(i % FOLLOWERS), LOG_COMMAND, 200);
        struct log_status status;
        if (entry == NULL) abort();
        memset(entry->body, 0, entry->len);
        kith_put_u32_be(entry->body, appender->number);
        kith_put_u32_be(entry->body + 4, i);
        log_append(appender->log, entry);
        if (i % 100 == 0) log_status(appender->log, &status);
        if (i % 1000 == 0) log_trim(appender->log, i / 2);
    }
    return NULL;
}

static void *loop_run(void *loop)
{
    loop_epoll_run(loop);
    return NULL;
}

struct ending {
    struct loop *loops[FOLLOWERS + 1];
};

static void on_closed(void *arg)
{
    struct ending *ending = arg;

    for (int i = 0; i <= FOLLOWERS; i++) loop_epoll_stop(ending->loops[i]);
}

/* `log` is open on `home` and not started. */
static void drive(struct log *log, struct loop *home)
{
    struct follower followers[FOLLOWERS] = {0};
    struct appender appenders[APPENDERS] = {0};
    struct ending ending = {.loops = {home}};
    pthread_t threads[FOLLOWERS + 1];

    for (int i = 0; i < FOLLOWERS; i++) {
        followers[i].base = (struct log_follower){.deliver = deliver, .caught_up = caught_up};
        assert_int_equal(loop_epoll_open(&followers[i].base.loop), KITH_OK);
        ending.loops[i + 1] = followers[i].base.loop;
        log_follow(log, (uint16_t)i, 1, &followers[i].base);
    }
    assert_int_equal(log_start(log), KITH_OK);
    for (int i = 0; i <= FOLLOWERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, loop_run, ending.loops[i]), 0);
    for (uint32_t i = 0; i < APPENDERS; i++) {
        appenders[i].log = log;
        appenders[i].number = i;
        assert_int_equal(pthread_create(&appenders[i].thread, NULL, append_all, &appenders[i]), 0);
    }
    for (int i = 0; i < APPENDERS; i++) pthread_join(appenders[i].thread, NULL);
    for (int i = 1; i <= FOLLOWERS; i++) pthread_join(threads[i], NULL); /* each stops when it has got its share */
    for (int i = 0; i < FOLLOWERS; i++) {
        assert_int_equal(followers[i].count, APPENDERS * EACH / FOLLOWERS);
        assert_int_equal(followers[i].caught_up, 1);
        assert_int_equal(pthread_create(&threads[i + 1], NULL, loop_run, followers[i].base.loop), 0);
    }
    log->ops->close(log, on_closed, &ending);
    for (int i = 0; i <= FOLLOWERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < FOLLOWERS; i++) loop_epoll_close(followers[i].base.loop);
}

static void test_log_threads__log_file_answers_each_entry_once_and_in_order(void **state)
{
    struct log_file_config config;
    struct log_text text;
    struct temp_dir dir;
    struct loop *home = NULL;
    struct disk *disk = NULL;
    struct log *log = NULL;

    (void)state;
    temp_dir_make(&dir);
    log_file_config_init(&config);
    config.segment_bytes = 512 * 1024;
    config.step_bytes = 64 * 1024;
    config.keep_ms = 0;
    assert_int_equal(loop_epoll_open(&home), KITH_OK);
    assert_int_equal(disk_posix_open(dir.path, home, true, &disk), KITH_OK);
    assert_int_equal(log_file_open(&config, disk, home, &log, &text), KITH_OK);
    drive(log, home);
    log_file_free(log);
    disk_posix_close(disk);
    loop_epoll_close(home);
    temp_dir_remove(&dir);
}

static void test_log_threads__log_mem_answers_each_entry_once_and_in_order(void **state)
{
    struct log_mem_store store;
    struct loop *home = NULL;
    struct log *log;

    (void)state;
    log_mem_store_init(&store);
    assert_int_equal(loop_epoll_open(&home), KITH_OK);
    log = log_mem_open(&store, home);
    assert_non_null(log);
    drive(log, home);
    log_mem_free(log);
    log_mem_store_deinit(&store);
    loop_epoll_close(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_threads__log_file_answers_each_entry_once_and_in_order),
        cmocka_unit_test(test_log_threads__log_mem_answers_each_entry_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
