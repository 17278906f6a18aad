#include "net/conn_ws.h"
#include "net/net_shared.h"

static void fire(struct loop_timer *timer);

void keepalive_init(struct keepalive *wheel, struct loop *loop)
{
    for (size_t i = 0; i < KEEPALIVE_SLOTS; i++) net_link_init(&wheel->slots[i]);
    net_link_init(&wheel->off);
    wheel->timer = (struct loop_timer){.fire = fire};
    wheel->loop = loop;
    wheel->tick = 0;
}

void keepalive_deinit(struct keepalive *wheel)
{
    loop_timer_stop(wheel->loop, &wheel->timer);
}

void keepalive_add(struct keepalive *wheel, struct net_link *link)
{
    net_link_append(&wheel->off, link);
}

void keepalive_remove(struct net_link *link)
{
    net_link_remove(link); /* the timer may find its slot empty: no harm */
}

void keepalive_stop(struct keepalive *wheel, struct net_link *link)
{
    net_link_remove(link);
    net_link_append(&wheel->off, link);
}

static void timer_at_tick(struct keepalive *wheel, uint64_t tick)
{
    uint64_t now_ms = loop_now_ms(wheel->loop), due_ms = tick * KEEPALIVE_TICK_MS;

    if (wheel->timer.armed && wheel->timer.due_ms <= due_ms) return;
    loop_timer_start(wheel->loop, &wheel->timer, due_ms > now_ms ? due_ms - now_ms : 0);
}

void keepalive_wait(struct keepalive *wheel, struct net_link *link, uint32_t delay_ms)
{
    uint64_t now_ms = loop_now_ms(wheel->loop);
    uint64_t due = (now_ms + delay_ms) / KEEPALIVE_TICK_MS + 1;

    if (!wheel->timer.armed) wheel->tick = now_ms / KEEPALIVE_TICK_MS + 1; /* nothing waits: the ring may turn freely */
    if (due >= wheel->tick + KEEPALIVE_SLOTS) due = wheel->tick + KEEPALIVE_SLOTS - 1;
    net_link_remove(link);
    net_link_append(&wheel->slots[due % KEEPALIVE_SLOTS], link);
    timer_at_tick(wheel, due);
}

static void fire(struct loop_timer *timer)
{
    struct keepalive *wheel = (struct keepalive *)((char *)timer - offsetof(struct keepalive, timer));
    uint64_t last = loop_now_ms(wheel->loop) / KEEPALIVE_TICK_MS;
    struct net_link due, *link;

    net_link_init(&due);
    for (size_t i = 0; i < KEEPALIVE_SLOTS && wheel->tick <= last; i++, wheel->tick++) {
        struct net_link *slot = &wheel->slots[wheel->tick % KEEPALIVE_SLOTS];
        while ((link = net_link_first(slot)) != NULL) {
            net_link_remove(link);
            net_link_append(&due, link);
        }
    }
    wheel->tick = last + 1;
    for (size_t i = 0; i < KEEPALIVE_SLOTS; i++) {
        if (net_link_first(&wheel->slots[(wheel->tick + i) % KEEPALIVE_SLOTS]) == NULL) continue;
        timer_at_tick(wheel, wheel->tick + i);
        break;
    }
    /* Last, since it may change the wheel: put off again, remove itself or any other. */
    while ((link = net_link_first(&due)) != NULL) {
        net_link_remove(link);
        net_link_append(&wheel->off, link);
        conn_ws_keepalive_due(link);
    }
}

void keepalive_drain(struct keepalive *wheel, void (*each)(struct net_link *link))
{
    struct net_link *link;

    for (size_t i = 0; i < KEEPALIVE_SLOTS; i++) {
        while ((link = net_link_first(&wheel->slots[i])) != NULL) each(link);
    }
    while ((link = net_link_first(&wheel->off)) != NULL) each(link);
}
