#include "trio.h"

#include <stdlib.h>

static void show(void *arg, const struct town_device *asker, const struct town_person *of, size_t index,
                 struct kith_slice *list)
{
    const struct trio *trio = arg;

    (void)index;
    if (asker == trio->asker && of == trio->of) *list = trio->shown;
}

struct trio *trio_new(uint64_t seed)
{
    struct trio *trio = calloc(1, sizeof *trio);

    if (trio == NULL) abort();
    trio->town = town_new(seed);
    trio->town->has_few_prekeys = true;
    trio->town->show_list = show;
    trio->town->arg = trio;
    trio->ann = town_join(trio->town);
    trio->tablet = town_link(trio->ann);
    trio->bob = town_join(trio->town);
    trio->chat = town_chat_two(trio->ann, trio->bob);
    return trio;
}

void trio_free(struct trio *trio)
{
    town_free(trio->town);
    free(trio);
}

void trio_lie(struct trio *trio, const struct town_device *asker, const struct town_device *of, struct kith_slice shown)
{
    trio->asker = asker;
    trio->of = of->person;
    trio->shown = shown;
}

void trio_talk(struct trio *trio)
{
    (void)town_send(trio->ann, &trio->chat, "hello");
    town_need(town_read(trio->tablet) + town_read(trio->bob) == 2);
    (void)town_send(trio->bob, &trio->chat, "hello to you");
    (void)town_send(trio->tablet, &trio->chat, "and from here");
    town_need(town_read(trio->ann) + town_read(trio->tablet) + town_read(trio->bob) == 4);
}

kith_err trio_give(struct trio *trio, struct town_device *to, const struct town_device *of, struct kith_slice list)
{
    return e2e_account_list(to->account, trio->town->now_ms, of->person->id, 7, list);
}

enum e2e_trust trio_trust(const struct town_device *of, const struct town_device *in)
{
    return e2e_account_person(of->account, in->person->id).trust;
}
