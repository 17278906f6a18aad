#include "tests/unit/log_life.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void life_violated(struct life *life, const char *fmt, ...)
{
    va_list args;

    if (life->violation[0] != '\0') return;
    va_start(args, fmt);
    (void)vsnprintf(life->violation, sizeof life->violation, fmt, args);
    va_end(args);
}

/* ---------------------------------------------------------------------------------------------- bodies */

static void body_fill(uint8_t *body, uint32_t id, uint32_t len)
{
    kith_put_u32_be(body, id);
    for (uint32_t i = 4; i < len; i++) body[i] = (uint8_t)(id * 31 + i);
}

/* 0: not a body that was ever appended. */
static uint32_t body_id(const struct life *life, const struct log_entry *entry)
{
    uint32_t id = entry->len < 4 ? 0 : kith_get_u32_be(entry->body);

    if (id == 0 || id >= life->id_next || entry->len != life->ids[id].len || entry->shard != life->ids[id].shard)
        return 0;
    for (uint32_t i = 4; i < entry->len; i++)
        if (entry->body[i] != (uint8_t)(id * 31 + i)) return 0;
    return id;
}

/* ---------------------------------------------------------------------------------------------- promises */

static void check_durable(struct life *life, uint32_t id, const struct log_entry *entry)
{
    uint64_t position = entry->position;

    if (position == 0 || position >= LIFE_IDS_MAX)
        life_violated(life, "entry %" PRIu32 " has position %" PRIu64, id, position);
    else if (life->at[position] != 0 && life->at[position] != id)
        life_violated(life, "position %" PRIu64 " was entry %" PRIu32 " and is now %" PRIu32, position,
                      life->at[position], id);
    else if (life->ids[id].fate == LIFE_DURABLE && life->ids[id].position != position)
        life_violated(life, "entry %" PRIu32 " is at %" PRIu64 " and at %" PRIu64, id, life->ids[id].position,
                      position);
    else if (life->ids[id].fate == LIFE_REFUSED)
        life_violated(life, "entry %" PRIu32 " was refused for good, and is at position %" PRIu64, id, position);
    if (life->violation[0] != '\0') return;
    life->ids[id].fate = LIFE_DURABLE;
    life->ids[id].position = position;
    life->at[position] = id;
    if (position > life->durable) life->durable = position;
    if (position > life->seen_until) life->seen_until = position;
}

static void check_one(struct life_follower *follower, const struct log_entry *entry)
{
    struct life *life = follower->life;
    uint32_t id = body_id(life, entry);

    if (id == 0) {
        life_violated(life, "position %" PRIu64 " has a body that nobody wrote", entry->position);
        return;
    }
    if (entry->err == KITH_OK) {
        if (entry->position <= follower->position_last)
            life_violated(life, "position %" PRIu64 " comes after %" PRIu64, entry->position, follower->position_last);
        if (entry->replayed == (follower->caught_up > 0))
            life_violated(life, "position %" PRIu64 " comes on the wrong side of caught_up", entry->position);
        follower->position_last = entry->position;
        check_durable(life, id, entry);
        return;
    }
    if (life->ids[id].fate != LIFE_WAITING) life_violated(life, "entry %" PRIu32 " is answered twice", id);
    life->ids[id].fate = entry->err == KITH_E_IO ? LIFE_IN_DOUBT : LIFE_REFUSED;
}

static void deliver(struct log_follower *base, struct log_entry *list)
{
    struct life_follower *follower = (struct life_follower *)base;

    while (list != NULL) {
        struct log_entry *entry = list;
        list = entry->next;
        check_one(follower, entry);
        sim_world_note(follower->life->world, "deliver", entry->position, entry->err);
        log_entry_free(entry);
    }
}

/* Live entries of this life come later; so what was replayed must be all that was ever durable. */
static void caught_up(struct log_follower *base)
{
    struct life_follower *follower = (struct life_follower *)base;

    follower->caught_up++;
    if (follower->caught_up > 1) life_violated(follower->life, "caught_up was said twice");
}

void life_check_complete(struct life *life)
{
    struct log_status status;

    for (int i = 0; i < LIFE_FOLLOWERS; i++)
        if (life->followers[i].caught_up != 1) life_violated(life, "follower %d was not caught up with", i);
    log_status(life->log, &status);
    if (life->seen_until < life->durable || status.position_durable < life->durable)
        life_violated(life, "position %" PRIu64 " was durable, the log ends at %" PRIu64 " (status: %" PRIu64 ")",
                      life->durable, life->seen_until, status.position_durable);
    for (uint64_t p = life->trimmed + 1; p <= life->durable; p++)
        if (life->at[p] == 0)
            life_violated(life, "position %" PRIu64 " is missing, and %" PRIu64 " is there", p, life->durable);
}

/* ---------------------------------------------------------------------------------------------- lives */

static void on_closed(void *arg)
{
    ((struct life *)arg)->closed = true;
}

static uint64_t now_us(void *arg)
{
    return sim_world_now_us(arg);
}

struct life *life_new(uint64_t seed)
{
    struct life *life = calloc(1, sizeof *life);

    assert(life != NULL);
    life->seed = seed;
    kith_prng_seed(&life->prng, seed);
    life->world = sim_world_new(kith_prng_next(&life->prng));
    life->image = sim_image_new(kith_prng_next(&life->prng));
    life->home = sim_loop_new(life->world, "log");
    for (int i = 0; i < LIFE_FOLLOWERS; i++) {
        life->followers[i].life = life;
        life->followers[i].base = (struct log_follower){
            .loop = sim_loop_new(life->world, "shard"), .deliver = deliver, .caught_up = caught_up};
    }
    life->id_next = 1;
    log_file_config_init(&life->config);
    life->config.segment_bytes = 12 * 1024;
    life->config.step_bytes = LOG_HEADER_BYTES + 1024;
    life->config.ahead_bytes = 2048;
    life->config.batch_bytes_max = 2048;
    life->config.replay_bytes_max = 2000;
    life->config.keep_ms = 0;
    life->config.now_us = now_us;
    life->config.now_arg = life->world;
    return life;
}

void life_free(struct life *life)
{
    if (life == NULL) return;
    if (life->log != NULL) life_kill(life, false);
    sim_world_free(life->world);
    sim_image_free(life->image);
    free(life);
}

static void life_end(struct life *life)
{
    log_file_free(life->log);
    disk_sim_close(life->disk);
    life->log = NULL;
    life->disk = NULL;
}

kith_err life_open(struct life *life)
{
    kith_err err;

    life->closed = false;
    life->seen_until = life->store_has > life->trimmed ? life->store_has : life->trimmed;
    life->text.text[0] = '\0';
    for (int i = 0; i < LIFE_FOLLOWERS; i++) life->followers[i].position_last = life->followers[i].caught_up = 0;
    life->disk = disk_sim_open(life->image, life->home);
    assert(life->disk != NULL);
    err = log_file_open(&life->config, life->disk, life->home, &life->log, &life->text);
    if (err == KITH_OK) {
        for (uint16_t shard = 0; shard < LIFE_SHARDS; shard++)
            log_follow(life->log, shard, (shard % LIFE_FOLLOWERS == 1 ? life->seen_until : life->trimmed) + 1,
                       &life->followers[shard % LIFE_FOLLOWERS].base);
        err = log_start(life->log);
        if (err != KITH_OK) (void)snprintf(life->text.text, sizeof life->text.text, "%s", log_file_text(life->log));
    }
    if (err != KITH_OK) life_end(life);
    return err;
}

void life_kill(struct life *life, bool power_cut)
{
    sim_loop_kill(life->home);
    for (int i = 0; i < LIFE_FOLLOWERS; i++) sim_loop_kill(life->followers[i].base.loop);
    if (power_cut) sim_image_crash(life->image);
    life_end(life);
}

void life_close(struct life *life)
{
    life->log->ops->close(life->log, on_closed, life);
    for (int i = 0; i < 100000 && !life->closed; i++)
        if (!sim_world_step(life->world)) break;
    if (!life->closed) life_violated(life, "the log does not close");
    life_end(life);
}

void life_append(struct life *life, uint16_t shard, uint32_t len)
{
    uint32_t id = life->id_next++;
    struct log_entry *entry = log_entry_new(shard, LOG_COMMAND, len);

    assert(entry != NULL && id < LIFE_IDS_MAX && len >= 4);
    body_fill(entry->body, id, len);
    life->ids[id].fate = LIFE_WAITING;
    life->ids[id].len = len;
    life->ids[id].shard = shard;
    log_append(life->log, entry);
}

void life_trim(struct life *life, uint64_t position)
{
    if (position > life->trimmed) life->trimmed = position;
    log_trim(life->log, position);
}

void life_run_ms(struct life *life, uint64_t ms)
{
    sim_world_run_until(life->world, sim_world_now_us(life->world) / 1000 + ms);
}

void life_steps(struct life *life, unsigned steps)
{
    while (steps-- > 0 && sim_world_step(life->world)) continue;
}
