#include "mob.h"

#include "wire/bodies.h"

void mob_meet(const struct mob *mob)
{
    for (size_t i = 0; i < MOB_DEVICES; i++) {
        (void)town_group_fetch(mob->all[i], mob->group);
        (void)town_read(mob->all[i]);
    }
}

struct mob mob_new(uint64_t seed)
{
    struct mob mob = {.town = town_new(seed)};

    mob.town->has_few_prekeys = true;
    mob.town->pairwise_max = 2;
    mob.ann = town_join(mob.town);
    mob.tablet = town_link(mob.ann);
    mob.bob = town_join(mob.town);
    mob.laptop = town_link(mob.bob);
    mob.carol = town_join(mob.town);
    mob.dan = town_join(mob.town);
    mob.eve = town_join(mob.town);
    memcpy(mob.all, (struct town_device *[]){mob.ann, mob.tablet, mob.bob, mob.laptop, mob.carol, mob.dan},
           sizeof mob.all);
    mob.group = town_group_create(mob.ann, (struct town_device *[]){mob.bob, mob.carol, mob.dan}, 3, "the mob");
    mob_meet(&mob);
    for (size_t i = 0; i < MOB_DEVICES; i++) (void)town_group_send(mob.all[i], mob.group, "hello");
    mob_meet(&mob);
    return mob;
}

struct kith_slice mob_common(const struct town_mail *mail)
{
    struct bodies bodies = {0};
    struct bodies_item item = {0};

    town_need(mail->is_common);
    town_need(bodies_decode(kith_buf_peek(&mail->bodies), &bodies) == KITH_OK);
    town_need(bodies_next_item(&bodies.items, &item) == KITH_OK);
    return item.ciphertext;
}
