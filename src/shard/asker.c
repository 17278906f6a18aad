#include "shard/asker.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mutant.h"

struct asker {
    struct asker_config config;
    struct shard_listener listener;
    uint64_t boot, request_next;
    struct kith_map waiting;     /* request number to struct ask * */
    struct ask *oldest, *newest; /* by deadline: all wait equally long */
    struct loop_timer deadline;
};

static void list_push(struct asker *asker, struct ask *ask)
{
    ask->next = NULL;
    ask->prev = asker->newest;
    if (asker->newest != NULL)
        asker->newest->next = ask;
    else
        asker->oldest = ask;
    asker->newest = ask;
}

static void list_remove(struct asker *asker, struct ask *ask)
{
    if (ask->prev != NULL)
        ask->prev->next = ask->next;
    else
        asker->oldest = ask->next;
    if (ask->next != NULL)
        ask->next->prev = ask->prev;
    else
        asker->newest = ask->prev;
    ask->prev = ask->next = NULL;
}

static void forget(struct asker *asker, struct ask *ask)
{
    (void)kith_map_remove(&asker->waiting, &ask->request);
    list_remove(asker, ask);
    ask->request = 0;
}

static void deadline_arm(struct asker *asker)
{
    uint64_t now = loop_now_ms(asker->config.loop);

    if (asker->oldest == NULL || asker->deadline.armed) return;
    loop_timer_start(asker->config.loop, &asker->deadline,
                     asker->oldest->deadline_ms > now ? asker->oldest->deadline_ms - now : 0);
}

static void deadline_fire(struct loop_timer *timer)
{
    struct asker *asker = (struct asker *)((char *)timer - offsetof(struct asker, deadline));
    uint64_t now = loop_now_ms(asker->config.loop);

    while (asker->oldest != NULL && asker->oldest->deadline_ms <= now) {
        struct ask *ask = asker->oldest;
        forget(asker, ask);
        ask->answer = (struct chat_answer){.code = CODE_UNKNOWN_OUTCOME, .epoch = 1};
        ask->done(ask);
    }
    deadline_arm(asker);
}

static void take_answer(struct asker *asker, const struct shard_news *news)
{
    uint64_t request = news->origin.request;
    struct ask **found, *ask;

    if (news->origin.boot != asker->boot) return; /* of an earlier life: whoever asked is gone */
    found = kith_map_find(&asker->waiting, &request);
    if (found == NULL) return; /* cancelled, or answered UNKNOWN_OUTCOME already */
    ask = *found;
    if (kith_mutant(WRONG_WAITER) && ask->next != NULL) ask = ask->next;
    forget(asker, ask);
    ask->answer = news->answer;
    ask->done(ask);
}

static void listener_news(struct shard_listener *listener, const struct shard_news *items, size_t count)
{
    struct asker *asker = (struct asker *)((char *)listener - offsetof(struct asker, listener));

    for (size_t i = 0; i < count; i++) {
        if (items[i].kind == NEWS_ANSWER)
            take_answer(asker, &items[i]);
        else if (asker->config.news != NULL)
            asker->config.news(asker->config.arg, &items[i]);
    }
}

struct asker *asker_new(const struct asker_config *config)
{
    struct asker *asker = calloc(1, sizeof *asker);
    uint8_t seed[16];

    if (asker == NULL) return NULL;
    asker->config = *config;
    asker->listener = (struct shard_listener){.loop = config->loop, .news = listener_news};
    asker->deadline.fire = deadline_fire;
    loop_random(config->loop, seed, sizeof seed);
    kith_map_init(&asker->waiting, sizeof(uint64_t), sizeof(struct ask *), ASKS_MAX, seed);
    loop_random(config->loop, &asker->boot, sizeof asker->boot);
    return asker;
}

void asker_on_news(struct asker *asker, void (*news)(void *arg, const struct shard_news *news), void *arg)
{
    asker->config.news = news;
    asker->config.arg = arg;
}

void asker_free(struct asker *asker)
{
    if (asker == NULL) return;
    loop_timer_stop(asker->config.loop, &asker->deadline);
    while (asker->oldest != NULL) {
        struct ask *ask = asker->oldest;
        forget(asker, ask);
        ask->answer = (struct chat_answer){.code = CODE_UNAVAILABLE, .epoch = 1};
        ask->done(ask);
    }
    asker_crash(asker);
}

void asker_crash(struct asker *asker)
{
    if (asker == NULL) return;
    kith_map_deinit(&asker->waiting);
    free(asker);
}

struct shard_listener *asker_listener(struct asker *asker)
{
    return &asker->listener;
}

/* KITH_OK: the log has it. */
static kith_err append(struct asker *asker, const struct cmd *from, uint64_t request)
{
    struct cmd cmd = *from;
    struct log_entry *entry;
    size_t bytes;

    cmd.time_ms = loop_wall_ms(asker->config.loop);
    cmd.origin = (struct cmd_origin){
        .boot = asker->boot, .session = 1, .request = request, .loop = asker->config.loop_index};
    bytes = cmd_size(&cmd);
    if (bytes > LOG_BODY_BYTES_MAX) return KITH_E_TOOBIG;
    entry = log_entry_new(cmd_shard(cmd.stream), LOG_COMMAND, (uint32_t)bytes);
    if (entry == NULL) return KITH_E_NOMEM;
    cmd_encode(&cmd, entry->body);
    log_append(asker->config.log, entry);
    return KITH_OK;
}

static void refuse_run(struct loop_task *task)
{
    struct ask *ask = (struct ask *)((char *)task - offsetof(struct ask, task));

    ask->done(ask);
}

static void refuse(struct asker *asker, struct ask *ask, kith_err err)
{
    ask->request = 0;
    ask->answer = (struct chat_answer){.code = err == KITH_E_TOOBIG ? CODE_TOO_BIG : CODE_UNAVAILABLE, .epoch = 1};
    ask->task.run = refuse_run;
    loop_defer(asker->config.loop, &ask->task);
}

void asker_ask(struct asker *asker, const struct cmd *cmd, struct ask *ask)
{
    struct ask **place = NULL;
    kith_err err;

    assert(ask->done != NULL);
    ask->request = ++asker->request_next;
    err = kith_map_add(&asker->waiting, &ask->request, (void **)&place);
    if (err != KITH_OK) {
        refuse(asker, ask, err);
        return;
    }
    *place = ask;
    ask->deadline_ms = loop_now_ms(asker->config.loop) + ASK_TIMEOUT_MS;
    list_push(asker, ask);
    err = append(asker, cmd, ask->request);
    if (err != KITH_OK) {
        forget(asker, ask);
        refuse(asker, ask, err);
        return;
    }
    deadline_arm(asker);
}

void asker_cancel(struct asker *asker, struct ask *ask)
{
    if (ask->request != 0) forget(asker, ask);
}
