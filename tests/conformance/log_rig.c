#include "tests/conformance/log_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/disk/disk_posix.h"

static void deliver(struct log_follower *base, struct log_entry *list)
{
    struct rig_follower *follower = (struct rig_follower *)base;

    while (list != NULL) {
        struct log_entry *entry = list;
        struct rig_got *got = &follower->got[follower->count++];
        assert_true(follower->count < RIG_GOT_MAX);
        *got = (struct rig_got){
            .position = entry->position, .err = entry->err, .shard = entry->shard, .len = entry->len};
        got->replayed = entry->replayed;
        got->after_caught_up = follower->caught_up > 0;
        memcpy(got->first, entry->body, entry->len < sizeof got->first ? entry->len : sizeof got->first);
        list = entry->next;
        log_entry_free(entry);
    }
}

static void caught_up(struct log_follower *base)
{
    ((struct rig_follower *)base)->caught_up++;
}

static void on_closed(void *arg)
{
    ((struct rig *)arg)->closed = true;
}

/* ---------------------------------------------------------------------------------------------- the rig */

kith_err rig_try_open(struct rig *rig, uint64_t from)
{
    for (int i = 0; i < RIG_FOLLOWERS; i++) {
        struct rig_follower *follower = &rig->followers[i];
        follower->base = (struct log_follower){.loop = follower->loop, .deliver = deliver, .caught_up = caught_up};
        follower->count = follower->caught_up = 0;
    }
    rig->closed = false;
    if (rig->kind == RIG_MEM) {
        rig->log = log_mem_open(&rig->store, rig->home);
    } else {
        if (rig->kind == RIG_FILE_ON_SIM)
            rig->disk = disk_sim_open(rig->image, rig->home);
        else
            assert_int_equal(disk_posix_open(rig->dir.path, rig->home, true, &rig->disk), KITH_OK);
        assert_int_equal(log_file_open(&rig->config, rig->disk, rig->home, &rig->log, &rig->text), KITH_OK);
    }
    assert_non_null(rig->log);
    for (uint16_t shard = 0; shard < RIG_FOLLOWERS * RIG_SHARDS_EACH; shard++)
        log_follow(rig->log, shard, from, &rig->followers[shard / RIG_SHARDS_EACH].base);
    return log_start(rig->log);
}

void rig_run(struct rig *rig)
{
    sim_world_run_until(rig->world, sim_world_now_us(rig->world) / 1000 + 2000);
}

void rig_open(struct rig *rig, uint64_t from)
{
    assert_int_equal(rig_try_open(rig, from), KITH_OK);
    rig_run(rig);
}

void rig_drop(struct rig *rig)
{
    if (rig->kind == RIG_MEM)
        log_mem_free(rig->log);
    else
        log_file_free(rig->log);
    if (rig->kind == RIG_FILE_ON_SIM) disk_sim_close(rig->disk);
    if (rig->kind == RIG_FILE_ON_POSIX) disk_posix_close(rig->disk);
    rig->log = NULL;
    rig->disk = NULL;
}

/* kill -9 */
void rig_kill(struct rig *rig)
{
    sim_loop_kill(rig->home);
    sim_loop_kill(rig->maker);
    for (int i = 0; i < RIG_FOLLOWERS; i++) sim_loop_kill(rig->followers[i].loop);
    rig_drop(rig);
}

void rig_start_closing(struct rig *rig)
{
    rig->log->ops->close(rig->log, on_closed, rig);
}

void rig_close(struct rig *rig)
{
    rig_start_closing(rig);
    rig_run(rig);
    assert_true(rig->closed);
    rig_drop(rig);
}

void rig_append(struct rig *rig, uint16_t shard, const char *body)
{
    struct log_entry *entry = log_entry_new(shard, LOG_COMMAND, (uint32_t)strlen(body));

    assert_non_null(entry);
    memcpy(entry->body, body, strlen(body));
    log_append(rig->log, entry);
}

struct rig_got *rig_got(struct rig *rig, int follower, size_t index)
{
    assert_true(index < rig->followers[follower].count);
    return &rig->followers[follower].got[index];
}

size_t rig_count(const struct rig *rig)
{
    return rig->followers[0].count + rig->followers[1].count;
}

static uint64_t test_now_us(void *arg)
{
    return sim_world_now_us(arg);
}

struct rig *rig_new(enum rig_kind kind)
{
    struct rig *rig = calloc(1, sizeof *rig);

    assert_non_null(rig);
    rig->kind = kind;
    rig->world = sim_world_new(42);
    rig->home = sim_loop_new(rig->world, "home");
    rig->maker = sim_loop_new(rig->world, "maker");
    for (int i = 0; i < RIG_FOLLOWERS; i++) {
        rig->followers[i].rig = rig;
        rig->followers[i].loop = sim_loop_new(rig->world, "follower");
    }
    log_mem_store_init(&rig->store);
    rig->image = sim_image_new(43);
    sim_image_faults(rig->image)->sync_delay_ms_max = 5;
    if (kind == RIG_FILE_ON_POSIX) temp_dir_make(&rig->dir);
    log_file_config_init(&rig->config);
    rig->config.segment_bytes = 512 * 1024;
    rig->config.step_bytes = 64 * 1024;
    rig->config.ahead_bytes = 128 * 1024;
    rig->config.replay_bytes_max = 4096;
    rig->config.now_us = test_now_us;
    rig->config.now_arg = rig->world;
    return rig;
}

void rig_free(struct rig *rig)
{
    if (rig->log != NULL) rig_close(rig);
    log_mem_store_deinit(&rig->store);
    sim_image_free(rig->image);
    if (rig->kind == RIG_FILE_ON_POSIX) temp_dir_remove(&rig->dir);
    sim_world_free(rig->world);
    free(rig);
}
