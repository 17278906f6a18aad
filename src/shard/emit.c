#include <stdlib.h>

#include "base/mutant.h"
#include "shard/owner.h"
#include "wire/bodies.h"

/* A batch of news on its way to a listener's loop: one post however many there are. */
struct news_post {
    struct loop_task task;
    struct shard_listener *listener;
    struct news_list list;
};

void shard_event_ref(struct shard_event *event)
{
    atomic_fetch_add_explicit(&event->refs, 1, memory_order_relaxed);
}

void shard_event_unref(struct shard_event *event)
{
    if (event == NULL) return;
    if (atomic_fetch_sub_explicit(&event->refs, 1, memory_order_acq_rel) != 1) return;
    chat_roster_unref(event->roster);
    free(event);
}

static void news_release(struct shard_news *news)
{
    if (news->kind == NEWS_EVENT) shard_event_unref(news->event);
    if (news->kind == NEWS_RECEIPT) chat_roster_unref(news->roster);
}

void news_list_reset(struct news_list *list)
{
    for (size_t i = 0; i < list->count; i++) news_release(&list->items[i]);
    free(list->items);
    *list = (struct news_list){0};
}

static struct shard_news *news_add(struct news_list *list)
{
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 16 : list->cap * 2;
        struct shard_news *grown = realloc(list->items, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        list->items = grown;
        list->cap = cap;
    }
    list->items[list->count] = (struct shard_news){0};
    return &list->items[list->count++];
}

static void news_run(struct loop_task *task)
{
    struct news_post *post = (struct news_post *)task;

    post->listener->news(post->listener, post->list.items, post->list.count);
    news_list_reset(&post->list);
    free(post);
}

void emit_send(struct shard_owner *owner, unsigned batch)
{
    for (size_t i = 0; i < owner->config.listener_count; i++) {
        struct news_list *list = &owner->news[batch][i];
        struct shard_listener *listener = owner->config.listeners[i];
        struct news_post *post;
        if (list->count == 0) continue;
        post = malloc(sizeof *post);
        if (post == NULL) {
            owner_fatal(owner, "no memory for news");
            return;
        }
        *post = (struct news_post){.task = {.run = news_run}, .listener = listener, .list = *list};
        *list = (struct news_list){0};
        loop_post(listener->loop, &post->task);
    }
}

static bool somebody_waits(const struct shard_owner *owner, const struct work *work)
{
    const struct cmd_origin *origin = &work->cmd.origin;

    return origin->session != 0 && !work->entry->replayed && origin->loop < owner->config.listener_count;
}

kith_err emit_answer(struct shard_owner *owner, const struct work *work, const struct chat_answer *answer)
{
    struct shard_news *news;

    owner->stats.by_code[answer->code]++;
    if (!somebody_waits(owner, work)) return KITH_OK;
    news = news_add(&owner->news[owner_gathering(owner)][work->cmd.origin.loop]);
    if (news == NULL) return KITH_E_NOMEM;
    news->kind = NEWS_ANSWER;
    news->stream = work->cmd.stream;
    news->origin = work->cmd.origin;
    news->answer = *answer;
    return KITH_OK;
}

/* The message and the per-device bodies are copied once; every session on every loop shares the copy. */
static struct shard_event *event_new(const struct work *work, const struct chat_effects *fx,
                                     const struct chat_event *from, struct chat_roster *roster)
{
    struct bodies bodies = {0};
    struct shard_event *event;

    if ((work->cmd.flags & CMD_PER_DEVICE) && bodies_decode(work->cmd.body, &bodies) != KITH_OK) return NULL;
    event = malloc(sizeof *event + from->len + bodies.items.len);
    if (event == NULL) return NULL;
    *event = (struct shard_event){.chat = {work->cmd.stream},
                                  .seq = from->seq,
                                  .roster = roster,
                                  .has_extra = from->has_extra,
                                  .extra = from->extra,
                                  .message = kith_slice_of(event->bytes, from->len),
                                  .bodies = kith_slice_of(event->bytes + from->len, bodies.items.len)};
    atomic_init(&event->refs, 1);
    memcpy(event->bytes, kith_buf_peek(fx->rows).ptr + from->at, from->len);
    if (bodies.items.len > 0) memcpy(event->bytes + from->len, bodies.items.ptr, bodies.items.len);
    chat_roster_ref(roster);
    return event;
}

static kith_err emit_event(struct shard_owner *owner, const struct work *work, const struct chat_effects *fx,
                           const struct chat_event *from, struct chat_roster *roster)
{
    struct shard_event *event = event_new(work, fx, from, roster);
    kith_err err = event == NULL ? KITH_E_NOMEM : KITH_OK;

    for (size_t i = 0; i < owner->config.listener_count && err == KITH_OK; i++) {
        struct shard_news *news = news_add(&owner->news[owner_gathering(owner)][i]);
        if (news == NULL) {
            err = KITH_E_NOMEM;
            break;
        }
        news->kind = NEWS_EVENT;
        news->stream = work->cmd.stream;
        news->event = event;
        shard_event_ref(event);
    }
    shard_event_unref(event);
    return err;
}

static kith_err emit_receipt(struct shard_owner *owner, const struct work *work, const struct chat_receipt *receipt,
                             struct chat_roster *roster)
{
    for (size_t i = 0; i < owner->config.listener_count; i++) {
        struct shard_news *news = news_add(&owner->news[owner_gathering(owner)][i]);
        if (news == NULL) return KITH_E_NOMEM;
        news->kind = NEWS_RECEIPT;
        news->stream = work->cmd.stream;
        news->roster = roster;
        news->receipt = *receipt;
        chat_roster_ref(roster);
    }
    return KITH_OK;
}

/* To all: nobody here knows on which loops the person's devices are. */
static kith_err emit_mail(struct shard_owner *owner, const struct work *work, const struct chat_answer *answer)
{
    for (size_t i = 0; i < owner->config.listener_count; i++) {
        struct shard_news *news = news_add(&owner->news[owner_gathering(owner)][i]);
        if (news == NULL) return KITH_E_NOMEM;
        news->kind = NEWS_MAIL;
        news->stream = work->cmd.stream;
        news->mail_n = answer->seq;
    }
    return KITH_OK;
}

kith_err emit_effects(struct shard_owner *owner, struct work *work, const struct chat_effects *fx)
{
    struct chat_roster *roster;
    kith_err err;

    /* The answer before the events: the sender's RECEIPT and its own MESSAGE share a write, in this order. */
    err = emit_answer(owner, work, &fx->answer);
    /* A replay tells nobody: whoever was connected then is not now, and streams from the store. */
    if (err == KITH_OK && !work->entry->replayed && work->slot->mailbox != NULL && fx->answer.code == CODE_CREATED)
        return emit_mail(owner, work, &fx->answer);
    if (err != KITH_OK || work->entry->replayed || (fx->event_count == 0 && !fx->has_receipt)) return err;
    roster = chat_roster_peek(work->slot->chat);
    if (roster == NULL) return KITH_E_NOMEM;
    for (uint32_t i = 0; i < fx->event_count && err == KITH_OK; i++)
        err = emit_event(owner, work, fx, &fx->events[i], roster);
    if (fx->has_receipt && err == KITH_OK) err = emit_receipt(owner, work, &fx->receipt, roster);
    return err;
}

void emit_refused(struct shard_owner *owner, const struct log_entry *entry)
{
    struct news_post *post;
    struct shard_news *news;
    struct cmd cmd = {0};
    enum kith_code code = entry->err == KITH_E_IO          ? CODE_UNKNOWN_OUTCOME
                          : entry->err == KITH_E_READ_ONLY ? CODE_READ_ONLY
                                                           : CODE_UNAVAILABLE;

    if (cmd_decode(kith_slice_of(entry->body, entry->len), &cmd) != KITH_OK) return;
    owner->stats.by_code[code]++;
    if (cmd.origin.session == 0 || cmd.origin.loop >= owner->config.listener_count) return;
    post = calloc(1, sizeof *post);
    news = post == NULL ? NULL : news_add(&post->list);
    if (news == NULL) { /* the asker's own deadline will answer */
        free(post);
        return;
    }
    news->kind = NEWS_ANSWER;
    news->stream = cmd.stream;
    news->origin = cmd.origin;
    news->answer = (struct chat_answer){.code = code, .epoch = 1};
    post->task.run = news_run;
    post->listener = owner->config.listeners[cmd.origin.loop];
    loop_post(post->listener->loop, &post->task);
}
