#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop_epoll.h"
#include "loop/loop_signal.h"

static struct loop *loop;
static char seen[64]; /* what ran, a letter each */

static void note(char letter)
{
    size_t n = strlen(seen);
    assert_true(n + 1 < sizeof seen);
    seen[n] = letter;
}

static int setup(void **state)
{
    (void)state;
    memset(seen, 0, sizeof seen);
    return loop_epoll_open(&loop) == KITH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    loop_epoll_close(loop);
    return 0;
}

/* A thing of each kind, that notes its letter. */
struct probe {
    struct loop_task task;
    struct loop_timer timer;
    struct loop_watch watch;
    char letter;
    void (*then)(struct probe *probe);
};

static void probe_ran(struct probe *probe)
{
    note(probe->letter);
    if (probe->then != NULL) probe->then(probe);
}

static void task_ran(struct loop_task *task)
{
    probe_ran((struct probe *)task);
}

static void timer_fired(struct loop_timer *timer)
{
    probe_ran((struct probe *)((char *)timer - offsetof(struct probe, timer)));
}

static void watch_ready(struct loop_watch *watch, unsigned events)
{
    (void)events;
    probe_ran((struct probe *)((char *)watch - offsetof(struct probe, watch)));
}

static struct probe probe_of(char letter)
{
    return (struct probe){
        .task = {.run = task_ran}, .timer = {.fire = timer_fired}, .watch = {.ready = watch_ready}, .letter = letter};
}

static struct probe probe_d, probe_e, probe_l;

static void puts_more(struct probe *probe)
{
    (void)probe;
    loop_late(loop, &probe_l.task);
    loop_defer(loop, &probe_d.task);
}

static void defers_e(struct probe *probe)
{
    (void)probe;
    loop_defer(loop, &probe_e.task);
}

static void test_loop_epoll__keeps_the_order_inside_a_wake_up(void **state)
{
    struct probe w = probe_of('w'), p = probe_of('p'), t = probe_of('t');
    int pair[2];
    (void)state;

    probe_d = probe_of('d'), probe_e = probe_of('e'), probe_l = probe_of('l');
    w.then = puts_more;
    probe_d.then = defers_e;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    loop_timer_start(loop, &t.timer, 0);
    loop_post(loop, &p.task);
    w.watch.fd = pair[0];
    assert_int_equal(loop_watch_start(loop, &w.watch, LOOP_READ), KITH_OK);
    loop_epoll_once(loop, -1);
    assert_string_equal(seen, "wptdel");
    loop_watch_stop(loop, &w.watch);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void late_again(struct probe *probe)
{
    probe->then = NULL;
    loop_late(loop, &probe->task);
}

static void test_loop_epoll__late_from_late_runs_in_the_next_wake_up_at_once(void **state)
{
    struct probe l = probe_of('l');
    (void)state;

    l.then = late_again;
    loop_late(loop, &l.task);
    loop_epoll_once(loop, -1);
    assert_string_equal(seen, "l");
    loop_epoll_once(loop, -1); /* would wait for ever otherwise */
    assert_string_equal(seen, "ll");
}

static struct probe *other;

static void stops_the_other(struct probe *probe)
{
    (void)probe;
    loop_watch_stop(loop, &other->watch);
}

static void test_loop_epoll__a_stopped_watch_is_not_called_from_the_same_batch(void **state)
{
    struct probe a = probe_of('a'), b = probe_of('b');
    int one[2], two[2];
    (void)state;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, one), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, two), 0);
    assert_int_equal(write(one[1], "x", 1) + write(two[1], "x", 1), 2);
    a.then = b.then = stops_the_other;
    a.watch.fd = one[0], b.watch.fd = two[0];
    assert_int_equal(loop_watch_start(loop, &a.watch, LOOP_READ), KITH_OK);
    assert_int_equal(loop_watch_start(loop, &b.watch, LOOP_READ), KITH_OK);
    other = &b; /* the kernel reports them in the order they became ready */
    loop_epoll_once(loop, -1);
    assert_string_equal(seen, "a");
    loop_watch_stop(loop, &a.watch);
    for (int i = 0; i < 2; i++) {
        (void)close(one[i]);
        (void)close(two[i]);
    }
}

static unsigned last_events;

static void keeps_events(struct loop_watch *watch, unsigned events)
{
    (void)watch;
    last_events = events;
}

static void test_loop_epoll__reports_what_was_asked_for_and_hang_ups(void **state)
{
    struct loop_watch watch = {.ready = keeps_events};
    int pair[2];
    (void)state;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    watch.fd = pair[0];
    assert_int_equal(loop_watch_start(loop, &watch, LOOP_READ | LOOP_WRITE), KITH_OK);
    loop_epoll_once(loop, -1);
    assert_int_equal(last_events, LOOP_WRITE);
    loop_watch_change(loop, &watch, LOOP_READ);
    assert_int_equal(write(pair[1], "x", 1), 1);
    loop_epoll_once(loop, -1);
    assert_int_equal(last_events, LOOP_READ);
    loop_watch_change(loop, &watch, 0);
    (void)close(pair[1]);
    loop_epoll_once(loop, -1);
    assert_int_equal(last_events, LOOP_HANGUP);
    loop_watch_stop(loop, &watch);
    (void)close(pair[0]);
}

static void test_loop_epoll__timers_wait_as_long_as_they_should(void **state)
{
    struct probe a = probe_of('a'), b = probe_of('b'), c = probe_of('c');
    uint64_t begun = loop_now_ms(loop);
    (void)state;

    loop_timer_start(loop, &a.timer, 30);
    loop_timer_start(loop, &b.timer, 10);
    loop_timer_start(loop, &c.timer, 20);
    loop_timer_stop(loop, &c.timer);
    while (a.timer.armed || b.timer.armed) loop_epoll_once(loop, -1);
    assert_string_equal(seen, "ba");
    assert_true(loop_now_ms(loop) - begun >= 30);
}

#define POSTERS 4
#define POSTS   50000

struct poster {
    struct loop_task task;
    int number;
    unsigned sequence;
};

static struct poster posters[POSTERS][POSTS];
static unsigned next_sequence[POSTERS], posts_left;

static void posted(struct loop_task *task)
{
    struct poster *poster = (struct poster *)task;

    assert_int_equal(poster->sequence, next_sequence[poster->number]);
    next_sequence[poster->number]++;
    if (--posts_left == 0) loop_epoll_stop(loop);
}

static void *posts(void *arg)
{
    struct poster *mine = arg;

    for (unsigned i = 0; i < POSTS; i++) {
        mine[i].task.run = posted;
        mine[i].sequence = i;
        loop_post(loop, &mine[i].task);
        if (i % 1000 == 0) (void)usleep(100); /* lets the loop fall asleep now and then */
    }
    return NULL;
}

static void test_loop_epoll__posts_of_many_threads_come_all_and_in_order(void **state)
{
    pthread_t threads[POSTERS];
    struct loop_epoll_stats stats;
    (void)state;

    posts_left = POSTERS * POSTS;
    for (int i = 0; i < POSTERS; i++) {
        for (int k = 0; k < POSTS; k++) posters[i][k].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, posts, posters[i]), 0);
    }
    loop_epoll_run(loop);
    for (int i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(next_sequence[i], POSTS);
    }
    loop_epoll_stats(loop, &stats);
    assert_true(stats.posted == POSTERS * POSTS);
}

/* Two loops, two threads, one task thrown to and fro: a lost wake-up would stop it for ever. */
struct ball {
    struct loop_task task;
    struct loop *loops[2];
    unsigned left;
    int at;
};

static void ball_caught(struct loop_task *task)
{
    struct ball *ball = (struct ball *)task;

    if (ball->left == 0) {
        loop_epoll_stop(ball->loops[0]);
        loop_epoll_stop(ball->loops[1]);
        return;
    }
    ball->left--;
    ball->at = !ball->at;
    loop_post(ball->loops[ball->at], task);
}

static void *runs(void *arg)
{
    loop_epoll_run(arg);
    return NULL;
}

static void test_loop_epoll__no_wake_up_is_lost(void **state)
{
    struct ball ball = {.task = {.run = ball_caught}, .left = 20000};
    pthread_t thread;
    (void)state;

    ball.loops[0] = loop;
    assert_int_equal(loop_epoll_open(&ball.loops[1]), KITH_OK);
    assert_int_equal(pthread_create(&thread, NULL, runs, ball.loops[1]), 0);
    loop_post(loop, &ball.task);
    loop_epoll_run(loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(ball.left, 0);
    loop_epoll_close(ball.loops[1]);
}

static void test_loop_epoll__a_stop_before_the_run_counts(void **state)
{
    (void)state;
    loop_epoll_stop(loop);
    loop_epoll_run(loop);
}

static void test_loop_epoll__random_bytes_differ(void **state)
{
    uint8_t a[100], b[100], big[2000] = {0};
    (void)state;

    loop_random(loop, a, sizeof a);
    for (int i = 0; i < 50; i++) {
        loop_random(loop, b, sizeof b);
        assert_memory_not_equal(a, b, sizeof a);
    }
    loop_random(loop, big, sizeof big);
    assert_memory_not_equal(big, big + 1000, 1000);
}

static void test_loop_epoll__wall_time_is_now(void **state)
{
    uint64_t wall = loop_wall_ms(loop);
    (void)state;
    assert_true(wall / 1000 + 5 >= (uint64_t)time(NULL) && wall / 1000 <= (uint64_t)time(NULL) + 5);
}

static int caught_signo;

static void caught(struct loop_signal *self, int signo)
{
    (void)self;
    caught_signo = signo;
}

static void test_loop_epoll__signals_come_as_events(void **state)
{
    static const int signals[] = {SIGUSR1, SIGHUP, 0};
    struct loop_signal signal = {.caught = caught};
    (void)state;

    assert_int_equal(loop_signal_start(&signal, loop, signals), KITH_OK);
    assert_int_equal(raise(SIGUSR1), 0);
    loop_epoll_once(loop, -1);
    assert_int_equal(caught_signo, SIGUSR1);
    loop_signal_stop(&signal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_loop_epoll__keeps_the_order_inside_a_wake_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_epoll__late_from_late_runs_in_the_next_wake_up_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_loop_epoll__a_stopped_watch_is_not_called_from_the_same_batch, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_loop_epoll__reports_what_was_asked_for_and_hang_ups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_epoll__timers_wait_as_long_as_they_should, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_epoll__posts_of_many_threads_come_all_and_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_epoll__no_wake_up_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_epoll__a_stop_before_the_run_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_epoll__random_bytes_differ, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_epoll__wall_time_is_now, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_epoll__signals_come_as_events, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
