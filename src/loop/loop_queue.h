#ifndef KITH_LOOP_LOOP_QUEUE_H
#define KITH_LOOP_LOOP_QUEUE_H

#include "loop/loop.h"

/*
 * Intrusive queues of tasks. No allocation.
 */

/** First in, first out; one thread. */
struct task_list {
    struct loop_task *first, **end;
};

static inline void task_list_init(struct task_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static inline void task_list_append(struct task_list *list, struct loop_task *task)
{
    task->next = NULL;
    *list->end = task;
    list->end = &task->next;
}

static inline struct loop_task *task_list_take(struct task_list *list)
{
    struct loop_task *task = list->first;

    if (task == NULL) return NULL;
    list->first = task->next;
    if (list->first == NULL) list->end = &list->first;
    return task;
}

/**
 * Many threads put, one takes; order per putting thread is kept.
 * Source: D. Vyukov, "Intrusive MPSC node-based queue": a put is one exchange and one store, wait-free.
 */
struct task_queue {
    struct loop_task *tail; /* last put; all threads  */
    struct loop_task *head; /* next to take; consumer */
    struct loop_task stub;  /* stands in the queue while nothing else does */
};

void task_queue_init(struct task_queue *queue);
/** Any thread. */
void task_queue_put(struct task_queue *queue, struct loop_task *task);
/** NULL: empty, or the next one's putter is between its two steps; then task_queue_is_empty() says false. */
struct loop_task *task_queue_take(struct task_queue *queue);
/** True only when everything put before (in the single order of sequentially consistent operations) was taken. */
bool task_queue_is_empty(const struct task_queue *queue);

#endif
