#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e/town.h"

/*
 * Months of three people by chance: devices are linked and removed, are away for up to 12 days, come back, renew what is
 * due, are killed. Whatever was sent to a device that is still one opens there, once, and nothing is missed.
 */
#define DEVICES_MAX 12

struct weeks {
    struct town *town;
    struct town_device *managers[3], *devices[DEVICES_MAX];
    uint64_t away_until_ms[DEVICES_MAX];
    size_t count;
    struct town_chat chats[3];
};

static void add(struct weeks *weeks, struct town_device *device)
{
    weeks->devices[weeks->count++] = device;
}

static struct weeks weeks_new(uint64_t seed)
{
    struct weeks weeks = {.town = town_new(seed)};

    weeks.town->has_few_prekeys = seed % 2 == 0;
    for (int i = 0; i < 3; i++) {
        weeks.managers[i] = town_join(weeks.town);
        add(&weeks, weeks.managers[i]);
        add(&weeks, town_link(weeks.managers[i]));
    }
    for (int i = 0; i < 3; i++) weeks.chats[i] = town_chat_two(weeks.managers[i], weeks.managers[(i + 1) % 3]);
    return weeks;
}

/* A device comes back: it reads, asks for its own list, uploads. */
static void come_back(struct weeks *weeks, size_t at)
{
    struct town_device *device = weeks->devices[at];

    assert_int_equal(town_fetch_list(device, device->person), KITH_OK);
    town_upload(device);
    (void)town_read(device);
    if (kith_prng_chance(&weeks->town->order, 1, 4)) town_restart(device);
}

static bool is_in(const struct town_chat *chat, const struct town_device *device)
{
    return memcmp(chat->members[0], device->person->id, E2E_ACCOUNT_ID_BYTES) == 0 ||
           memcmp(chat->members[1], device->person->id, E2E_ACCOUNT_ID_BYTES) == 0;
}

static void change_devices(struct weeks *weeks)
{
    struct kith_prng *prng = &weeks->town->order;
    struct town_device *manager = weeks->managers[kith_prng_below(prng, 3)], *gone;
    size_t at = (size_t)kith_prng_below(prng, weeks->count);

    assert_int_equal(town_fetch_list(manager, manager->person), KITH_OK);
    town_upload(manager);
    if (weeks->count < DEVICES_MAX && kith_prng_chance(prng, 1, 2)) {
        add(weeks, town_link(manager));
        weeks->away_until_ms[weeks->count - 1] = 0;
        return;
    }
    gone = weeks->devices[at];
    if (gone->person != manager->person || gone == manager) return;
    assert_int_equal(e2e_account_remove_device(manager->account, weeks->town->now_ms, gone->server_device), KITH_OK);
    town_upload(manager);
    weeks->count--;
    weeks->devices[at] = weeks->devices[weeks->count];
    weeks->away_until_ms[at] = weeks->away_until_ms[weeks->count];
    /* What it sent is void for whoever has not read it: in this run everybody has, who is there. */
}

static void one_day(struct weeks *weeks)
{
    struct kith_prng *prng = &weeks->town->order;

    weeks->town->now_ms += kith_prng_between(prng, 1, 36 * 3600 * 1000);
    for (size_t i = 0; i < weeks->count; i++) {
        if (weeks->away_until_ms[i] > weeks->town->now_ms) continue;
        come_back(weeks, i);
        if (kith_prng_chance(prng, 1, 12) && weeks->devices[i] != weeks->managers[0])
            weeks->away_until_ms[i] = weeks->town->now_ms + kith_prng_between(prng, 1, 12) * TOWN_DAY_MS;
    }
    for (int i = 0; i < 4; i++) {
        const struct town_chat *chat = &weeks->chats[kith_prng_below(prng, 3)];
        size_t at = (size_t)kith_prng_below(prng, weeks->count);
        if (weeks->away_until_ms[at] <= weeks->town->now_ms && is_in(chat, weeks->devices[at]))
            (void)town_send(weeks->devices[at], chat, "of that day");
    }
}

static void test_e2e_account_weeks__nothing_is_lost_in_months(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct weeks weeks = weeks_new(seed);
        for (int day = 0; day < 90; day++) {
            one_day(&weeks);
            if (day % 5 != 4) continue;
            for (size_t i = 0; i < weeks.count; i++) { /* everybody is there when devices change: see above */
                weeks.away_until_ms[i] = 0;
                come_back(&weeks, i);
            }
            change_devices(&weeks);
        }
        assert_true(weeks.town->opened.count > 500);
        town_free(weeks.town);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_weeks__nothing_is_lost_in_months),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
