#include "ring.h"

#include <stdlib.h>

struct town_device *ring_member(const struct ring *ring, size_t i)
{
    struct town_device *const all[RING_MEMBERS] = {ring->ann, ring->tablet, ring->bob, ring->carol, ring->dan};

    return all[i];
}

static void hold_back(void *arg, const struct town_device *asker, size_t index, struct kith_slice *op)
{
    const struct ring *ring = arg;

    if (asker == ring->asker && index >= ring->from) *op = (struct kith_slice){0};
}

void ring_meet(const struct ring *ring)
{
    for (size_t i = 0; i < RING_MEMBERS; i++) {
        town_need(town_group_fetch(ring_member(ring, i), ring->group) == KITH_OK);
        (void)town_read(ring_member(ring, i));
    }
}

struct ring *ring_new(uint64_t seed)
{
    struct ring *ring = calloc(1, sizeof *ring);

    town_need(ring != NULL);
    ring->town = town_new(seed);
    ring->town->has_few_prekeys = true;
    ring->town->arg = ring;
    ring->town->show_op = hold_back;
    ring->ann = town_join(ring->town);
    ring->tablet = town_link(ring->ann);
    ring->bob = town_join(ring->town);
    ring->carol = town_join(ring->town);
    ring->dan = town_join(ring->town);
    ring->mallory = town_join(ring->town);
    ring->group = town_group_create(ring->ann, (struct town_device *[]){ring->bob, ring->carol, ring->dan}, 3, "us");
    town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_ROLE, ring->carol, E2E_ROLE_ADMIN));
    ring_meet(ring);
    /* Everybody has sessions with everybody. */
    for (size_t i = 0; i < RING_MEMBERS; i++) (void)town_group_send(ring_member(ring, i), ring->group, "hello");
    ring_meet(ring);
    return ring;
}

void ring_free(struct ring *ring)
{
    town_free(ring->town);
    free(ring);
}

const struct e2e_group *ring_head(const struct ring *ring, const struct town_device *device)
{
    return town_group_view(device, ring->group).group;
}

/* Nothing has become of it: no other state, no alarm. */
kith_err ring_refused(const struct ring *ring, struct town_device *to, struct kith_slice op)
{
    const struct e2e_group *before = ring_head(ring, to);
    kith_err err = town_group_give(to, ring->group, op);

    town_need(ring_head(ring, to) == before);
    town_need(!town_group_view(to, ring->group).is_forked);
    return err;
}

void ring_excludes(const struct ring *ring, const struct town_device *device)
{
    for (size_t i = 0; i < RING_MEMBERS; i++) {
        const struct town_mail *mail;
        if (ring_member(ring, i)->person == device->person ||
            !town_group_view(ring_member(ring, i), ring->group).is_member)
            continue;
        mail = town_group_send(ring_member(ring, i), ring->group, "among us");
        town_need(town_body(mail, device).len == 0);
    }
}

void ring_alarmed(const struct ring *ring, struct town_device *device)
{
    town_need(town_group_view(device, ring->group).is_forked);
    town_need(town_group_try_send(device, ring->group) == KITH_E_DENIED);
    town_restart(device);
    town_need(town_group_try_send(device, ring->group) == KITH_E_DENIED);
}
