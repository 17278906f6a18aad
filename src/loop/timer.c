#include "loop/timer.h"

#define DIGIT_BITS 6

static void list_init(struct loop_timer *head)
{
    head->prev = head->next = head;
}

static bool list_is_empty(const struct loop_timer *head)
{
    return head->next == head;
}

static void list_append(struct loop_timer *head, struct loop_timer *timer)
{
    timer->prev = head->prev;
    timer->next = head;
    head->prev->next = timer;
    head->prev = timer;
}

static void list_unlink(struct loop_timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms)
{
    assert(now_ms <= TIMER_DUE_MS_MAX);
    wheel->now_ms = now_ms;
    list_init(&wheel->due);
    for (int level = 0; level < TIMER_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (int slot = 0; slot < TIMER_SLOTS; slot++) list_init(&wheel->slots[level][slot]);
    }
}

static void insert(struct timer_wheel *wheel, struct loop_timer *timer)
{
    uint64_t differs = (timer->due_ms ^ wheel->now_ms) | 1;
    unsigned level = (63u - (unsigned)__builtin_clzll(differs)) / DIGIT_BITS;
    unsigned slot = (timer->due_ms >> (level * DIGIT_BITS)) % TIMER_SLOTS;

    assert(level < TIMER_LEVELS);
    list_append(&wheel->slots[level][slot], timer);
    wheel->occupied[level] |= 1ull << slot;
}

void timer_wheel_start(struct timer_wheel *wheel, struct loop_timer *timer, uint64_t due_ms)
{
    timer_wheel_stop(wheel, timer);
    if (due_ms < wheel->now_ms) due_ms = wheel->now_ms;
    timer->due_ms = due_ms < TIMER_DUE_MS_MAX ? due_ms : TIMER_DUE_MS_MAX;
    timer->armed = true;
    insert(wheel, timer);
}

void timer_wheel_stop(struct timer_wheel *wheel, struct loop_timer *timer)
{
    struct loop_timer *neighbour = timer->next;
    bool was_last;

    if (!timer->armed) return;
    was_last = neighbour == timer->prev; /* then the neighbour is the head of the list */
    list_unlink(timer);
    timer->armed = false;
    if (was_last && neighbour != &wheel->due) {
        size_t index = (size_t)(neighbour - &wheel->slots[0][0]);
        assert(index < TIMER_LEVELS * TIMER_SLOTS);
        wheel->occupied[index / TIMER_SLOTS] &= ~(1ull << index % TIMER_SLOTS);
    }
}

/* The first slot that is not empty, and the time at which it begins. */
static bool first_slot(const struct timer_wheel *wheel, unsigned *level_out, unsigned *slot_out, uint64_t *begins_ms)
{
    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        unsigned shift = level * DIGIT_BITS;
        unsigned slot;

        if (wheel->occupied[level] == 0) continue;
        slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
        *level_out = level;
        *slot_out = slot;
        *begins_ms = (wheel->now_ms >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS)) | (uint64_t)slot << shift;
        return true;
    }
    return false;
}

uint64_t timer_wheel_next_ms(const struct timer_wheel *wheel)
{
    unsigned level = 0, slot = 0;
    uint64_t begins_ms = 0;

    if (!list_is_empty(&wheel->due)) return wheel->now_ms;
    return first_slot(wheel, &level, &slot, &begins_ms) ? begins_ms : UINT64_MAX;
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms)
{
    unsigned level = 0, slot = 0;
    uint64_t begins_ms = 0;

    if (now_ms < wheel->now_ms) return;
    while (first_slot(wheel, &level, &slot, &begins_ms) && begins_ms <= now_ms) {
        struct loop_timer *head = &wheel->slots[level][slot];

        wheel->now_ms = begins_ms;
        wheel->occupied[level] &= ~(1ull << slot);
        while (!list_is_empty(head)) {
            struct loop_timer *timer = head->next;
            list_unlink(timer);
            if (level == 0)
                list_append(&wheel->due, timer);
            else
                insert(wheel, timer);
        }
    }
    wheel->now_ms = now_ms;
}

struct loop_timer *timer_wheel_take(struct timer_wheel *wheel)
{
    struct loop_timer *timer = wheel->due.next;

    if (timer == &wheel->due) return NULL;
    list_unlink(timer);
    timer->armed = false;
    return timer;
}
