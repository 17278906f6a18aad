#ifndef KITH_TESTS_MALICIOUS_RING_H
#define KITH_TESTS_MALICIOUS_RING_H

#include "forge.h"

/*
 * A group of Ann, its owner, with a phone and a tablet, of Carol, an admin, and of Bob and Dan. Mallory is in league with the
 * server, and in no group with them. All have sessions with each other, answered.
 */
struct ring {
    struct town *town;
    struct town_device *ann, *tablet, *bob, *carol, *dan, *mallory;
    struct town_group *group;
    /* What the server holds back: operations from `from` on, of `asker`. */
    const struct town_device *asker;
    size_t from;
};
#define RING_MEMBERS 5 /* devices of members */

struct ring *ring_new(uint64_t seed);
void ring_free(struct ring *ring);
/** From `ann` on. */
struct town_device *ring_member(const struct ring *ring, size_t i);
/** All of them fetch and read all that there is. */
void ring_meet(const struct ring *ring);
/** What the operations have come to for a device. */
const struct e2e_group *ring_head(const struct ring *ring, const struct town_device *device);
/** Nothing has become of it: no other state, no alarm. What it came to. */
kith_err ring_refused(const struct ring *ring, struct town_device *to, struct kith_slice op);
/** Whatever the members write, there is none for that device. */
void ring_excludes(const struct ring *ring, const struct town_device *device);
/** The server showed two heads: it sends nothing, after a restart neither. */
void ring_alarmed(const struct ring *ring, struct town_device *device);

#endif
