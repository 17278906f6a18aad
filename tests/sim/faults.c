#include "sim.h"

/* The nemesis: one fault after the other, seeded. It runs between the world's steps, as a power cut does. */

static struct sim_device *any_device(struct sim *sim)
{
    return &sim->devices[kith_prng_below(&sim->prng, sim->device_count)];
}

static void crash_server(struct sim *sim)
{
    uint64_t coin = kith_prng_below(&sim->prng, 10);

    if (!sim->server.up) return;
    if (!sim->server.ready) sim->counters.restart_storms++;
    if (coin < 5)
        sim->counters.server_crashes++;
    else
        sim->counters.power_cuts++;
    server_end(sim, coin < 5 ? END_KILL : END_POWER_CUT);
}

static void cut_in_the_middle(struct sim *sim)
{
    sim_image_faults(sim->server.disk_image)->off_after_ops = kith_prng_between(&sim->prng, 1, 30);
}

static void net_fault(struct sim *sim)
{
    struct sim_device *device = any_device(sim);

    switch (kith_prng_below(&sim->prng, 4)) {
    case 0:
        if (device->link != NULL) {
            link_cut(device->link, true);
            sim->counters.net_cuts++;
        }
        break;
    case 1:
        if (device->link != NULL) {
            link_cut(device->link, false);
            sim->counters.net_half_open++;
        }
        break;
    case 2:
        sim->stalled_until_ms = sim_now_ms(sim) + kith_prng_below(&sim->prng, 8000);
        sim->counters.net_stalls++;
        break;
    default:
        for (unsigned d = 0; d < sim->device_count; d++) {
            sim->devices[d].cut_off = kith_prng_chance(&sim->prng, 1, 2);
            if (sim->devices[d].cut_off && sim->devices[d].link != NULL) link_cut(sim->devices[d].link, false);
        }
        sim->counters.net_partitions++;
        break;
    }
}

static void disk_fault(struct sim *sim)
{
    struct sim_image_faults *faults = sim_image_faults(sim->server.disk_image);

    if (kith_prng_chance(&sim->prng, 1, 2)) {
        faults->sync_failures = 1;
        sim->counters.sync_errors++;
    } else {
        faults->full_writes = (uint32_t)kith_prng_between(&sim->prng, 1, 5);
        sim->counters.disk_full++;
    }
}

static struct loop *step_of(struct sim_device *device)
{
    return device->loop;
}

static void clock_fault(struct sim *sim)
{
    /* Any two of these together, a device and a server, stay below the day that an id may be ahead. */
    int64_t step = (int64_t)kith_prng_below(&sim->prng, 10 * 3600 * 1000) - 5 * 3600 * 1000;
    struct loop *loop = kith_prng_chance(&sim->prng, 1, 2)
                            ? step_of(any_device(sim))
                            : sim->server.loops[kith_prng_below(&sim->prng, sim->server.loop_count)];

    sim_loop_wall_offset(loop, step);
    sim->counters.clock_jumps++;
}

static void pause_loop(struct sim *sim)
{
    unsigned at = (unsigned)kith_prng_below(&sim->prng, sim->server.loop_count + 1);
    struct loop *loop = at == sim->server.loop_count ? sim->server.log_loop : sim->server.loops[at];

    sim_loop_pause(loop, kith_prng_below(&sim->prng, 3000));
    sim->counters.loop_pauses++;
}

static void heal_some(struct sim *sim)
{
    for (unsigned d = 0; d < sim->device_count; d++) sim->devices[d].cut_off = false;
}

static void nemesis_fire(struct loop_timer *timer)
{
    struct sim *sim = (struct sim *)((char *)timer - offsetof(struct sim, nemesis));

    if (sim->healing) return;
    sim->fault_due = true; /* carried out between two steps */
    loop_timer_start(sim->director, &sim->nemesis, kith_prng_below(&sim->prng, 3000));
}

void faults_strike(struct sim *sim)
{
    sim->fault_due = false;
    switch (kith_prng_below(&sim->prng, 16)) {
    case 0:
    case 1:
    case 2: crash_server(sim); break;
    case 3: cut_in_the_middle(sim); break;
    case 4:
    case 5: device_crash(any_device(sim)), sim->counters.client_crashes++; break;
    case 6:
    case 7:
    case 8:
    case 9: net_fault(sim); break;
    case 10: disk_fault(sim); break;
    case 11: clock_fault(sim); break;
    case 12: pause_loop(sim); break;
    case 13:
        msgstore_mem_fail_commits(sim->server.store_image,
                                  kith_prng_chance(&sim->prng, 1, 2) ? KITH_E_NOSPACE : KITH_E_IO,
                                  (uint32_t)kith_prng_between(&sim->prng, 1, 4));
        sim->counters.store_errors++;
        break;
    default: heal_some(sim); break;
    }
}

void faults_start(struct sim *sim)
{
    sim->nemesis.fire = nemesis_fire;
    loop_timer_start(sim->director, &sim->nemesis, kith_prng_below(&sim->prng, 3000));
}

void faults_heal(struct sim *sim)
{
    struct sim_image_faults *faults = sim_image_faults(sim->server.disk_image);

    sim->healing = true;
    faults->off_after_ops = 0;
    faults->sync_failures = faults->full_writes = 0;
    sim->stalled_until_ms = 0;
    heal_some(sim);
    msgstore_mem_fail_commits(sim->server.store_image, KITH_E_IO, 0);
    for (unsigned d = 0; d < sim->device_count; d++) sim_loop_wall_offset(sim->devices[d].loop, 0);
    for (unsigned i = 0; i < sim->server.loop_count; i++) sim_loop_wall_offset(sim->server.loops[i], 0);
}
