#include "adapters/directory/directory_mem.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapters/directory/directory_mem_image.h"
#include "base/prng.h"

/** A call on its way: first to its run(), then to its done(). Both in the order of the calls of a loop. */
struct mem_call {
    struct mem_call *next, *prev;
    struct directory_mem *directory;
    struct directory_call *call;
    struct loop *loop;
    struct loop_task task;
    struct loop_timer timer;
    bool ran;
};

struct directory_mem {
    struct directory base;
    struct directory_mem_image *image;
    struct directory_mem_config config;
    pthread_mutex_t lock; /* of what follows; never held while run() or done() runs */
    struct kith_prng prng;
    struct mem_call *oldest, *newest;
    uint32_t waiting; /* for their run() */
};

static const struct directory_ops mem_ops;

static struct directory_mem *mem_of(struct directory *directory)
{
    assert(directory->ops == &mem_ops);
    return (struct directory_mem *)directory;
}

static struct directory_call *call_of(struct loop_task *task)
{
    return (struct directory_call *)((char *)task - offsetof(struct directory_call, task));
}

/* ------------------------------------------------------------------------------------------------ one call */

static void call_run(struct directory_mem *mem, struct directory_call *call)
{
    struct directory_mem_image *image = mem->image;
    kith_err told = KITH_OK;
    bool skip = false;
    struct mem_tx tx;

    pthread_mutex_lock(&image->lock);
    if (image->calls_to_fail > 0) {
        if (image->calls_to_fail != UINT32_MAX) image->calls_to_fail--;
        told = image->call_err;
        pthread_mutex_lock(&mem->lock);
        skip = kith_prng_chance(&mem->prng, 1, 2);
        pthread_mutex_unlock(&mem->lock);
    }
    mem_tx_begin(&tx, image, call->read_only);
    call->err = skip ? told : call->run(call, &tx.base);
    if (tx.failed != KITH_OK) call->err = tx.failed;
    if (told != KITH_OK) call->err = told;
    if (call->err == KITH_OK)
        mem_tx_commit(&tx);
    else
        mem_tx_rollback(&tx);
    pthread_mutex_unlock(&image->lock);
}

static void mem_unlink(struct directory_mem *mem, struct mem_call *at)
{
    *(at->prev == NULL ? &mem->oldest : &at->prev->next) = at->next;
    *(at->next == NULL ? &mem->newest : &at->next->prev) = at->prev;
}

static void mem_send(struct mem_call *at, uint64_t delay_ms)
{
    if (at->directory->config.delay_ms_max == 0)
        loop_defer(at->loop, &at->task);
    else
        loop_timer_start(at->loop, &at->timer, delay_ms);
}

static uint64_t mem_delay(struct directory_mem *mem)
{
    return mem->config.delay_ms_max == 0 ? 0 : kith_prng_between(&mem->prng, 0, mem->config.delay_ms_max);
}

/** The oldest call of a loop; with `to_run`, the oldest that has not run. */
static struct mem_call *mem_first(struct directory_mem *mem, const struct loop *loop, bool to_run)
{
    struct mem_call *at;

    pthread_mutex_lock(&mem->lock);
    for (at = mem->oldest; at != NULL; at = at->next)
        if (at->loop == loop && !(to_run && at->ran)) break;
    pthread_mutex_unlock(&mem->lock);
    return at;
}

/** Runs `last` and what its loop called before it; their answers follow after another delay. */
static void calls_run(struct directory_mem *mem, struct mem_call *last)
{
    struct loop *loop = last->loop;

    while (!last->ran) {
        struct mem_call *at = mem_first(mem, loop, true);
        uint64_t delay_ms;

        call_run(mem, at->call);
        pthread_mutex_lock(&mem->lock);
        at->ran = true;
        mem->waiting--;
        delay_ms = mem_delay(mem);
        pthread_mutex_unlock(&mem->lock);
        mem_send(at, delay_ms); /* moves its timer, when that is still on its way to run it */
    }
}

static void calls_finish(struct directory_mem *mem, struct mem_call *last)
{
    struct loop *loop = last->loop;
    bool more = true;

    while (more) {
        struct mem_call *at = mem_first(mem, loop, false);
        struct directory_call *call = at->call;

        more = at != last;
        if (more) loop_timer_stop(loop, &at->timer);
        pthread_mutex_lock(&mem->lock);
        mem_unlink(mem, at);
        pthread_mutex_unlock(&mem->lock);
        free(at);
        call->done(call);
    }
}

static void mem_arrived(struct mem_call *at)
{
    if (at->ran)
        calls_finish(at->directory, at);
    else
        calls_run(at->directory, at);
}

static void mem_task_run(struct loop_task *task)
{
    mem_arrived((struct mem_call *)((char *)task - offsetof(struct mem_call, task)));
}

static void mem_timer_fire(struct loop_timer *timer)
{
    mem_arrived((struct mem_call *)((char *)timer - offsetof(struct mem_call, timer)));
}

/* ------------------------------------------------------------------------------------------------ the port */

static void call_done(struct loop_task *task)
{
    struct directory_call *call = call_of(task);
    call->done(call);
}

static void mem_refuse(struct directory_call *call, kith_err err)
{
    call->err = err;
    call->task.run = call_done;
    loop_defer(call->loop, &call->task);
}

static void mem_call_start(struct directory *directory, struct directory_call *call)
{
    struct directory_mem *mem = mem_of(directory);
    struct mem_call *at = calloc(1, sizeof *at);
    uint64_t delay_ms;

    if (at == NULL) {
        mem_refuse(call, KITH_E_NOMEM);
        return;
    }
    *at = (struct mem_call){.directory = mem, .call = call, .loop = call->loop};
    at->task.run = mem_task_run;
    at->timer.fire = mem_timer_fire;
    pthread_mutex_lock(&mem->lock);
    if (mem->waiting == DIRECTORY_QUEUE_MAX) {
        pthread_mutex_unlock(&mem->lock);
        free(at);
        mem_refuse(call, KITH_E_FULL);
        return;
    }
    at->prev = mem->newest;
    *(mem->newest == NULL ? &mem->oldest : &mem->newest->next) = at;
    mem->newest = at;
    mem->waiting++;
    delay_ms = mem_delay(mem);
    pthread_mutex_unlock(&mem->lock);
    mem_send(at, delay_ms);
}

static bool mem_healthy(struct directory *directory, char reason[static 128])
{
    struct directory_mem_image *image = mem_of(directory)->image;
    bool healthy;

    pthread_mutex_lock(&image->lock);
    healthy = image->calls_to_fail == 0;
    reason[0] = '\0';
    if (!healthy) (void)snprintf(reason, 128, "told to fail with %s", kith_err_name(image->call_err));
    pthread_mutex_unlock(&image->lock);
    return healthy;
}

static void mem_free(struct directory_mem *mem)
{
    mem->image->directory = NULL;
    pthread_mutex_destroy(&mem->lock);
    free(mem);
}

static void mem_close(struct directory *directory)
{
    struct directory_mem *mem = mem_of(directory);

    /* Their run() needs their loop, which cannot turn during this call: unlike SQLite's, these must have finished. */
    assert(mem->oldest == NULL);
    mem_free(mem);
}

static const struct directory_ops mem_ops = {
    .name = "mem",
    .call = mem_call_start,
    .healthy = mem_healthy,
    .close = mem_close,
};

kith_err directory_mem_open(struct directory_mem_image *image, const struct directory_mem_config *config,
                            struct directory **out)
{
    struct directory_mem *mem = calloc(1, sizeof *mem);

    *out = NULL;
    if (mem == NULL) return KITH_E_NOMEM;
    assert(image->directory == NULL);
    mem->base.ops = &mem_ops;
    mem->image = image;
    mem->config = *config;
    pthread_mutex_init(&mem->lock, NULL);
    kith_prng_seed(&mem->prng, config->seed);
    image->directory = mem;
    *out = &mem->base;
    return KITH_OK;
}

void directory_mem_crash(struct directory_mem_image *image)
{
    struct directory_mem *mem = image->directory;

    if (mem == NULL) return;
    while (mem->oldest != NULL) {
        struct mem_call *at = mem->oldest;

        mem_unlink(mem, at);
        free(at);
    }
    mem_free(mem);
}

void directory_mem_fail_calls(struct directory_mem_image *image, kith_err err, uint32_t count)
{
    pthread_mutex_lock(&image->lock);
    image->call_err = err;
    image->calls_to_fail = count;
    pthread_mutex_unlock(&image->lock);
}
