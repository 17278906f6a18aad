#ifndef KITH_TESTS_MALICIOUS_TRIO_H
#define KITH_TESTS_MALICIOUS_TRIO_H

#include "forge.h"

/* Ann with a phone and a tablet, Bob with one device, a chat of the two, and a server that lies about a list to one of them. */
struct trio {
    struct town *town;
    struct town_device *ann, *tablet, *bob;
    struct town_chat chat;
    /* What the server shows instead, to whom and of whom. */
    const struct town_device *asker;
    const struct town_person *of;
    struct kith_slice shown;
};

struct trio *trio_new(uint64_t seed);
void trio_free(struct trio *trio);
/** asker NULL: no more lies. */
void trio_lie(struct trio *trio, const struct town_device *asker, const struct town_device *of,
              struct kith_slice shown);
/** All three have sessions with each other, answered. */
void trio_talk(struct trio *trio);
kith_err trio_give(struct trio *trio, struct town_device *to, const struct town_device *of, struct kith_slice list);
enum e2e_trust trio_trust(const struct town_device *of, const struct town_device *in);

#endif
