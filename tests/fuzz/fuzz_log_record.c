/*
 * A segment file of foreign bytes: whatever it holds, opening, replaying, verifying and appending end in an answer, and what
 * start accepts is accepted the same way again. First byte: 0 the input is a whole file, else its records behind a good
 * header, with their checksums mended, so that what lies beyond the checksum is reached too.
 */
#include <stdlib.h>

#include "adapters/disk/disk_sim.h"
#include "adapters/log/log_file.h"
#include "base/crc32c.h"
#include "loop/loop_sim.h"

#define SEGMENT_NAME "log-000000000001"
#define SALT         0x0102030405060708ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Walks the records by their lengths and makes their checksums right. */
static void mend(uint8_t *bytes, size_t len)
{
    size_t at = 0;

    while (len - at >= LOG_HEAD_BYTES) {
        uint32_t body = kith_get_u32_be(bytes + at);
        uint8_t raw[12];
        if (body > LOG_BODY_BYTES_MAX || log_record_bytes(body) > len - at) return;
        kith_put_u64_be(raw, SALT);
        memcpy(raw + 8, bytes + at, 4);
        kith_put_u32_be(bytes + at + 4,
                        kith_crc32c(kith_crc32c(0, raw, sizeof raw), bytes + at + 8, log_record_bytes(body) - 8));
        at += log_record_bytes(body);
    }
}

static void image_fill(struct sim_image *image, bool whole, const uint8_t *data, size_t size)
{
    struct log_header header = {.number = 1, .salt = SALT, .made_ms = 1, .log_id = {{1}}};
    struct disk *disk = disk_sim_open(image, NULL);
    struct disk_file *file = NULL;
    uint8_t *bytes = calloc(1, LOG_HEADER_BYTES + size + LOG_MARK_BYTES);
    size_t len = size;

    assert(disk != NULL && bytes != NULL);
    if (whole) {
        if (size > 0) memcpy(bytes, data, size);
    } else {
        log_header_encode(&header, bytes);
        if (size > 0) memcpy(bytes + LOG_HEADER_BYTES, data, size);
        mend(bytes + LOG_HEADER_BYTES, size);
        len = LOG_HEADER_BYTES + size + LOG_MARK_BYTES;
    }
    if (disk->ops->open(disk, SEGMENT_NAME, true, &file) != KITH_OK ||
        disk->ops->write(disk, file, 0, kith_slice_of(bytes, len)) != KITH_OK || disk->ops->sync_dir(disk) != KITH_OK)
        abort();
    disk_sim_close(disk);
    free(bytes);
}

static void deliver(struct log_follower *follower, struct log_entry *list)
{
    (void)follower;
    while (list != NULL) {
        struct log_entry *entry = list;
        list = entry->next;
        log_entry_free(entry);
    }
}

static void caught_up(struct log_follower *follower)
{
    (void)follower;
}

struct machine {
    struct sim_world *world;
    struct loop *home, *shards;
    struct sim_image *image;
};

static void run_ms(struct machine *machine, uint64_t ms)
{
    sim_world_run_until(machine->world, sim_world_now_us(machine->world) / 1000 + ms);
}

static kith_err open_and_run(struct machine *machine, uint64_t *position)
{
    struct log_follower follower = {.loop = machine->shards, .deliver = deliver, .caught_up = caught_up};
    struct disk *disk = disk_sim_open(machine->image, machine->home);
    struct log_file_report report;
    struct log_file_config config;
    struct log_status status;
    struct log_text text;
    struct log *log = NULL;
    kith_err err;

    assert(disk != NULL);
    log_file_config_init(&config);
    config.segment_bytes = 16 * 1024;
    config.step_bytes = 8 * 1024;
    config.ahead_bytes = 2 * 1024;
    (void)log_file_verify(disk, NULL, NULL, &report, &text);
    err = log_file_open(&config, disk, machine->home, &log, &text);
    if (err == KITH_OK) {
        log_status(log, &status);
        *position = status.position_durable;
        for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) log_follow(log, shard, 1, &follower);
        err = log_start(log);
    }
    if (err == KITH_OK) {
        struct log_entry *entry = log_entry_new(0, LOG_COMMAND, 8);
        assert(entry != NULL);
        memset(entry->body, 7, 8);
        run_ms(machine, 50);
        log_append(log, entry);
        run_ms(machine, 200);
    }
    sim_loop_kill(machine->home);
    sim_loop_kill(machine->shards);
    log_file_free(log);
    disk_sim_close(disk);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct machine machine = {.world = sim_world_new(1), .image = sim_image_new(1)};
    uint64_t before = 0, after = 0;

    if (size > 0) {
        machine.home = sim_loop_new(machine.world, "log");
        machine.shards = sim_loop_new(machine.world, "shards");
        image_fill(machine.image, data[0] == 0, data + 1, size - 1);
        if (open_and_run(&machine, &before) == KITH_OK) {
            /* What was taken for good once is so again, and one entry more. */
            if (open_and_run(&machine, &after) != KITH_OK || after != before + 1) abort();
        }
    }
    sim_image_free(machine.image);
    sim_world_free(machine.world);
    return 0;
}
