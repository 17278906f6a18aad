#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_group.h"
#include "tests/failing_heap.h"

/*
 * A gift comes, and each allocation fails once. Either the process ends, to begin anew from what was persisted, or the gift is
 * not taken yet, or what comes behind it is read. Left out where the heap cannot be made to fail.
 */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

enum { READ, NOT_TAKEN, LOST, WENT_WELL };

/* In a process of its own. gift, then: Bob's. */
static int try(struct scene *scene, const struct town_mail *gift, const struct town_mail *then, unsigned count)
{
    struct kith_buf all = event_of(scene, 1, SCENE_SEALED, gift->from, gift->msg_id, town_body(gift, scene->ann));
    bool failed;

    heap_fail_after(count);
    kith_client_bytes(scene->client, scene->now, all.ptr, kith_buf_len(&all));
    failed = heap_has_failed();
    run(scene);
    answer(scene);
    if (scene->shown == 0) return NOT_TAKEN;
    message_event(scene, 2, then);
    answer(scene);
    if (strcmp(scene->last_text, "read by all") != 0) return LOST;
    return failed ? READ : WENT_WELL;
}

static void test_client_chain_memory__a_gift_is_taken_or_comes_again(void **state)
{
    struct scene *scene = scene_large(1);
    const struct town_device *phone;
    const struct town_mail *gift, *then;
    unsigned ended = 0, count = 0;
    int status = 0;

    (void)state;
    phone = town_link(scene->carol);
    (void)town_group_send(scene->bob, scene->group, "");
    assert_int_equal(e2e_account_remove_device(scene->carol->account, scene->town->now_ms, phone->server_device),
                     KITH_OK);
    town_upload(scene->carol);
    then = town_group_send(scene->bob, scene->group, "read by all");
    gift = then - 1;
    assert_true(gift->is_keys && town_body(gift, scene->ann).len > 0);
    for (; !WIFEXITED(status) || WEXITSTATUS(status) != WENT_WELL; count++) {
        pid_t child;
        (void)fflush(NULL);
        child = fork();
        if (child == 0) {
            (void)signal(SIGABRT, SIG_DFL);
            (void)signal(SIGSEGV, SIG_DFL);
            _exit(try(scene, gift, then, count));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        ended += WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
        if (WIFSIGNALED(status)) assert_int_equal(WTERMSIG(status), SIGABRT);
        if (WIFEXITED(status)) assert_int_not_equal(WEXITSTATUS(status), LOST);
    }
    assert_true(count > 10 && ended > 0);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_chain_memory__a_gift_is_taken_or_comes_again),
    };
    if (!heap_is_ours()) {
        (void)puts("left out: malloc() is not ours");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
