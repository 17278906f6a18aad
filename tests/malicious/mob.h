#ifndef KITH_TESTS_MALICIOUS_MOB_H
#define KITH_TESTS_MALICIOUS_MOB_H

#include "forge.h"

/* A group that is a large one here: one ciphertext goes to all, under chains. */

/* Ann, its owner, with a phone and a tablet; Bob with a phone and a laptop; Carol and Dan. All have chains of all. Eve is in none. */
#define MOB_DEVICES 6
struct mob {
    struct town *town;
    struct town_device *ann, *tablet, *bob, *laptop, *carol, *dan, *eve;
    struct town_device *all[MOB_DEVICES];
    struct town_group *group;
};

struct mob mob_new(uint64_t seed);
/** All of them fetch and read all that there is. */
void mob_meet(const struct mob *mob);
/** The one ciphertext for all of a mail. */
struct kith_slice mob_common(const struct town_mail *mail);

#endif
