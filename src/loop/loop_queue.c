#include "loop/loop_queue.h"

void task_queue_init(struct task_queue *queue)
{
    queue->stub = (struct loop_task){0};
    queue->tail = queue->head = &queue->stub;
}

void task_queue_put(struct task_queue *queue, struct loop_task *task)
{
    struct loop_task *before;

    __atomic_store_n(&task->next, NULL, __ATOMIC_RELAXED);
    before = __atomic_exchange_n(&queue->tail, task, __ATOMIC_SEQ_CST);
    __atomic_store_n(&before->next, task, __ATOMIC_RELEASE);
}

struct loop_task *task_queue_take(struct task_queue *queue)
{
    struct loop_task *head = queue->head;
    struct loop_task *next = __atomic_load_n(&head->next, __ATOMIC_ACQUIRE);

    if (head == &queue->stub) {
        if (next == NULL) return NULL;
        queue->head = head = next;
        next = __atomic_load_n(&head->next, __ATOMIC_ACQUIRE);
    }
    if (next == NULL) {
        /* The last one: only with the stub behind it may it leave the queue. */
        if (head != __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE)) return NULL;
        task_queue_put(queue, &queue->stub);
        next = __atomic_load_n(&head->next, __ATOMIC_ACQUIRE);
        if (next == NULL) return NULL;
    }
    queue->head = next;
    return head;
}

bool task_queue_is_empty(const struct task_queue *queue)
{
    return queue->head == &queue->stub && __atomic_load_n(&queue->tail, __ATOMIC_SEQ_CST) == &queue->stub;
}
