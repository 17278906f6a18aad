#include "gateway/wheel.h"

static void fire(struct loop_timer *timer);

void wheel_init(struct wheel *wheel, struct loop *loop)
{
    *wheel = (struct wheel){.loop = loop, .timer = {.fire = fire}, .start_ms = loop_now_ms(loop)};
    for (unsigned i = 0; i < WHEEL_SLOTS; i++) wheel->slots[i].prev = wheel->slots[i].next = &wheel->slots[i];
}

uint64_t wheel_now(const struct wheel *wheel)
{
    return (loop_now_ms(wheel->loop) - wheel->start_ms) / WHEEL_TICK_MS + 1;
}

static void arm(struct wheel *wheel, uint64_t tick)
{
    uint64_t due_ms = wheel->start_ms + tick * WHEEL_TICK_MS - WHEEL_TICK_MS;
    uint64_t now_ms = loop_now_ms(wheel->loop);

    wheel->tick_armed = tick;
    loop_timer_start(wheel->loop, &wheel->timer, due_ms > now_ms ? due_ms - now_ms : 0);
}

void wheel_remove(struct wheel *wheel, struct wheel_link *link)
{
    if (link->next == NULL) return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
    wheel->count--;
}

void wheel_put(struct wheel *wheel, struct wheel_link *link, uint64_t tick)
{
    struct wheel_link *slot;
    uint64_t base = wheel_now(wheel);

    if (base < wheel->tick_done) base = wheel->tick_done;
    if (tick <= base) tick = base + 1;
    if (tick > wheel->tick_done + WHEEL_SLOTS - 1 && wheel->count > 0) tick = wheel->tick_done + WHEEL_SLOTS - 1;
    wheel_remove(wheel, link);
    if (wheel->count == 0) {
        /* Nobody was waiting: the slots in between are empty. */
        wheel->tick_done = base;
        if (tick > base + WHEEL_SLOTS - 1) tick = base + WHEEL_SLOTS - 1;
    }
    slot = &wheel->slots[tick % WHEEL_SLOTS];
    link->prev = slot->prev;
    link->next = slot;
    slot->prev->next = link;
    slot->prev = link;
    wheel->count++;
    if (wheel->visiting) return; /* fire() arms at its end */
    if (wheel->tick_armed == 0 || tick < wheel->tick_armed) arm(wheel, tick);
}

/* Takes the slot's links off in one piece first: a visit may put its link into the same slot again, a round later. */
static void visit_slot(struct wheel *wheel, struct wheel_link *slot)
{
    struct wheel_link due = {.prev = slot->prev, .next = slot->next};

    if (slot->next == slot) return;
    due.prev->next = due.next->prev = &due;
    slot->prev = slot->next = slot;
    while (due.next != &due) {
        struct wheel_link *link = due.next;
        wheel_remove(wheel, link);
        wheel->visit(link);
    }
}

static void fire(struct loop_timer *timer)
{
    struct wheel *wheel = (struct wheel *)((char *)timer - offsetof(struct wheel, timer));
    uint64_t now = wheel_now(wheel);
    uint64_t from = wheel->tick_done + 1;

    wheel->visiting = true;
    if (now - wheel->tick_done > WHEEL_SLOTS) from = now - WHEEL_SLOTS + 1; /* a stall: every slot once */
    for (uint64_t tick = from; tick <= now; tick++) {
        wheel->tick_done = tick;
        visit_slot(wheel, &wheel->slots[tick % WHEEL_SLOTS]);
    }
    if (wheel->swept != NULL) wheel->swept(wheel);
    wheel->visiting = false;
    wheel->tick_armed = 0;
    for (uint64_t tick = now + 1; wheel->count > 0 && tick <= now + WHEEL_SLOTS; tick++) {
        if (wheel->slots[tick % WHEEL_SLOTS].next == &wheel->slots[tick % WHEEL_SLOTS]) continue;
        arm(wheel, tick);
        return;
    }
}

struct wheel_link *wheel_any(const struct wheel *wheel)
{
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        if (wheel->slots[i].next != &wheel->slots[i]) return wheel->slots[i].next;
    return NULL;
}

void wheel_each(struct wheel *wheel, void (*each)(struct wheel_link *link))
{
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        for (struct wheel_link *at = wheel->slots[i].next; at != &wheel->slots[i]; at = at->next) each(at);
}
