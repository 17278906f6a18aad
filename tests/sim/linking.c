#include <stdlib.h>

#include "keys.h"

/*
 * What people do with their devices: sign one in, link it by pasting texts between two screens, remove it later. Each step
 * looks only at what the devices are now, so any of them may be down, or have forgotten, between two steps.
 */
#define STEP_MS 2000

static struct kith_time now_of(struct sim_device *device)
{
    return (struct kith_time){.mono_ms = loop_now_ms(device->loop), .wall_ms = loop_wall_ms(device->loop)};
}

static struct e2e_account *account_of(struct sim_device *device)
{
    return device->client == NULL ? NULL : kith_client_account(device->client);
}

static bool is_ready(struct sim_device *device)
{
    return device->client != NULL && e2e_account_state(account_of(device)) == E2E_ACCOUNT_READY;
}

static struct sim_device *manager_of(struct sim_device *device)
{
    struct sim *sim = device->sim;
    unsigned d = 0;

    while (!sim->devices[d].is_first || sim->devices[d].user != device->user) d++;
    return &sim->devices[d];
}

/* The records of what was done are written behind whatever waits to be written. */
static void acted(struct sim_device *device)
{
    kith_client_acted(device->client, now_of(device));
    device_run(device);
}

/* A text is handed over when what it speaks of is durable; whoever dies before has shown nothing. */
static void show(struct sim_device *device, struct sim_device *by, struct kith_slice text)
{
    device->linking.shown = keys_copy(device->sim, text);
    device->linking.shown_by = by;
    device->linking.shown_life = by->lives;
    acted(by);
}

/* False: it takes a while longer. */
static bool hand_over(struct sim_device *device)
{
    struct sim_linking *linking = &device->linking;
    struct sim_device *by = linking->shown_by;

    if (by == NULL) return true;
    if (by->client != NULL && by->lives == linking->shown_life) {
        if (by->persisting || (by != device && !kith_client_is_settled(by->client))) return false;
        *(by == device ? &linking->request : &linking->answer) = linking->shown;
    }
    linking->shown_by = NULL;
    return true;
}

static void request(struct sim_device *device)
{
    struct kith_buf text;

    kith_buf_init(&text, E2E_LINK_BYTES_MAX);
    if (e2e_account_link_request(account_of(device), loop_wall_ms(device->loop), &text) != KITH_OK)
        sim_fail(device->sim, "%s cannot ask to be linked", device->name);
    device->linking.request = device->linking.answer = (struct kith_slice){0};
    show(device, device, kith_buf_peek(&text));
    kith_buf_wipe(&text);
}

static void approve(struct sim_device *device)
{
    struct sim_device *manager = manager_of(device);
    struct sim *sim = device->sim;
    struct kith_buf text;
    kith_err err;

    if (!is_ready(manager)) return;
    kith_buf_init(&text, E2E_LINK_BYTES_MAX);
    err = e2e_account_link_approve(account_of(manager), loop_wall_ms(manager->loop), device->linking.request, &text);
    sim_note(sim, "%s approves of %s: %s", manager->name, device->name, kith_err_name(err));
    if (err == KITH_OK)
        show(device, manager, kith_buf_peek(&text));
    else if (err == KITH_E_AGAIN) /* its list before is on its way */
        acted(manager);
    else if (err == KITH_E_DENIED) /* too old by the manager's clock, or seen before: another one is made */
        device->linking.request = (struct kith_slice){0};
    else
        sim_fail(sim, "%s cannot be linked: %s", device->name, kith_err_name(err));
    kith_buf_wipe(&text);
}

static void accept(struct sim_device *device)
{
    kith_err err = e2e_account_link_accept(account_of(device), loop_wall_ms(device->loop), device->linking.answer);

    sim_note(device->sim, "%s takes the answer: %s", device->name, kith_err_name(err));
    if (err == KITH_OK) {
        acted(device);
        return;
    }
    /* Not of the request that it remembers: it was made anew, or its clock says that it is too old. */
    if (err != KITH_E_DENIED) sim_fail(device->sim, "%s takes no answer: %s", device->name, kith_err_name(err));
    device->linking.request = device->linking.answer = (struct kith_slice){0};
}

static void link_step(struct sim_device *device)
{
    struct sim_linking *linking = &device->linking;

    if (device->client == NULL || !hand_over(device)) return;
    switch (e2e_account_state(account_of(device))) {
    case E2E_ACCOUNT_EMPTY: request(device); return;
    case E2E_ACCOUNT_LINKING:
        if (linking->answer.len > 0)
            accept(device);
        else if (linking->request.len > 0)
            approve(device);
        else
            request(device);
        return;
    case E2E_ACCOUNT_READY:
        if (!linking->is_linked && kith_client_is_settled(device->client)) {
            linking->is_linked = true;
            device->sim->counters.devices_linked++;
        }
        return;
    case E2E_ACCOUNT_REMOVED: return;
    }
}

/* By the manager's list first, then from the directory: until the list is there, it is tried again. */
static void remove_step(struct sim_device *device)
{
    struct sim_device *manager = manager_of(device);
    struct sim *sim = device->sim;
    kith_err err;

    if (keys_names(device)) {
        if (!is_ready(manager)) return;
        err = e2e_account_remove_device(account_of(manager), loop_wall_ms(manager->loop), device->id.id.raw);
        /* Done before, and the list is on its way. */
        if (err != KITH_OK && err != KITH_E_NOTFOUND && err != KITH_E_AGAIN)
            sim_fail(sim, "%s cannot be removed: %s", device->name, kith_err_name(err));
        sim_note(sim, "%s removes %s: %s", manager->name, device->name, kith_err_name(err));
        device->linking.is_leaving |= err == KITH_OK;
        acted(manager);
        return;
    }
    keys_signed_out(device);
    device->linking.is_removed = true;
    sim->counters.devices_removed++;
}

static void device_step(struct sim_device *device)
{
    struct sim *sim = device->sim;
    struct sim_linking *linking = &device->linking;
    uint64_t now = sim_now_ms(sim);

    if (linking->is_removed || (linking->wait_until_ms > now && !sim->healing)) return;
    linking->wait_until_ms = now + kith_prng_below(&sim->prng, STEP_MS);
    if (!linking->is_in) {
        /* Whoever is first founds the account: another device waits until it has. */
        if ((now >= linking->signs_in_ms || sim->healing) && keys_has_list(sim, device->user) && sim->server.up &&
            sim->server.ready)
            facts_sign_in(device);
    } else if (linking->login_until_ms == 0) {
        bool leaves = linking->is_leaving || (linking->removed_ms != 0 && now >= linking->removed_ms && !sim->healing);
        if (linking->is_linked && leaves)
            remove_step(device);
        else
            link_step(device);
    }
}

static void linking_fire(struct loop_timer *timer)
{
    struct sim *sim = (struct sim *)((char *)timer - offsetof(struct sim, links_devices));

    sim->linking_due = true;
    loop_timer_start(sim->director, &sim->links_devices, 1 + kith_prng_below(&sim->prng, 300));
}

void linking_run(struct sim *sim)
{
    sim->linking_due = false;
    facts_logins_end(sim);
    for (unsigned d = 0; d < sim->device_count; d++)
        if (!sim->devices[d].is_first) device_step(&sim->devices[d]);
}

void linking_start(struct sim *sim)
{
    for (unsigned d = 0; d < sim->device_count; d++) {
        struct sim_linking *linking = &sim->devices[d].linking;
        if (sim->devices[d].is_first) continue;
        linking->signs_in_ms = kith_prng_below(&sim->prng, kith_prng_chance(&sim->prng, 1, 2) ? 10000 : 45000);
        if (kith_prng_chance(&sim->prng, 1, 2)) linking->removed_ms = kith_prng_between(&sim->prng, 10000, 50000);
    }
    sim->links_devices.fire = linking_fire;
    loop_timer_start(sim->director, &sim->links_devices, 0);
}

/* What the manager signed last is with the directory. Another device learns of it when it is told or writes. */
static bool is_settled(struct sim_device *device)
{
    struct e2e_person me;
    uint8_t hash[E2E_HASH_BYTES];
    uint64_t seq = keys_newest(device->sim, device->user, hash);

    if (!is_ready(device) || !kith_client_is_settled(device->client)) return false;
    if (!device->is_first) return true;
    me = e2e_account_person(account_of(device), device->sim->users[device->user].id.raw);
    return me.list != NULL && me.list->seq == seq && memcmp(me.list->hash, hash, sizeof hash) == 0;
}

void linking_note(const struct sim *sim)
{
    for (unsigned d = 0; sim->encrypts && d < sim->device_count; d++) {
        struct sim_device *device = (struct sim_device *)(uintptr_t)&sim->devices[d];
        bool is_up = device->client != NULL;
        sim_note(sim, "%s: state %d, leaving %d, removed %d, client settled %d, with the directory's list %d",
                 device->name, is_up ? (int)e2e_account_state(account_of(device)) : -1, device->linking.is_leaving,
                 device->linking.is_removed, is_up && kith_client_is_settled(device->client),
                 is_up && is_settled(device));
    }
}

bool linking_is_done(const struct sim *sim)
{
    for (unsigned d = 0; sim->encrypts && d < sim->device_count; d++) {
        struct sim_device *device = (struct sim_device *)(uintptr_t)&sim->devices[d];
        if (device->linking.is_removed) continue;
        if (device->linking.is_leaving || !is_settled(device)) return false;
    }
    return true;
}
