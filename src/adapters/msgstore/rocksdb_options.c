#include "adapters/msgstore/rocksdb_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CACHE_BYTES_DEFAULT        (64ull * 1024 * 1024)
#define WRITE_BUFFER_BYTES_DEFAULT (32ull * 1024 * 1024)
#define WRITE_BUFFERS_MAX          4
#define FILE_BYTES                 (64ull * 1024 * 1024)
#define LEVEL_BASE_BYTES           (256ull * 1024 * 1024)
#define OPEN_FILES_MAX             512
#define INFO_LOG_WARN              2 /* rocksdb::InfoLogLevel */

/* ------------------------------------------------------------------------------------------------ time to live */

static uint64_t wall_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/** Non-zero: compaction drops the row. */
static unsigned char expiry_filter(void *arg, int level, const char *key, size_t key_len, const char *value,
                                   size_t value_len, char **new_value, size_t *new_value_len,
                                   unsigned char *value_changed)
{
    uint64_t expires_ms;

    (void)arg, (void)level, (void)key, (void)key_len, (void)new_value, (void)new_value_len;
    *value_changed = 0;
    if (value_len < MSGSTORE_VALUE_BYTES_MIN) return 0;
    expires_ms = kith_get_u64_be((const uint8_t *)value);
    return expires_ms != 0 && expires_ms < wall_ms();
}

static const char *expiry_name(void *arg)
{
    (void)arg;
    return "kith.expiry";
}

static void expiry_destroy(void *arg)
{
    (void)arg;
}

/* ------------------------------------------------------------------------------------------------ options */

static rocksdb_block_based_table_options_t *table_options(rocksdb_cache_t *cache)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

    rocksdb_block_based_options_set_block_cache(table, cache);
    /* Indexes and filters live in the cache too, so that its size bounds all memory that reading takes. */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_block_size(table, 8 * 1024);
    rocksdb_block_based_options_set_format_version(table, 5);
    return table;
}

void rocksdb_setup_init(struct rocksdb_setup *setup, const struct msgstore_rocksdb_config *config)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_block_based_table_options_t *table;
    uint64_t write_buffer_bytes = config->write_buffer_bytes;

    if (write_buffer_bytes == 0) write_buffer_bytes = WRITE_BUFFER_BYTES_DEFAULT;
    setup->options = options;
    setup->cache = rocksdb_cache_create_lru(config->cache_bytes == 0 ? CACHE_BYTES_DEFAULT : config->cache_bytes);
    setup->filter = rocksdb_compactionfilter_create(NULL, expiry_destroy, expiry_filter, expiry_name);
    table = table_options(setup->cache);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);

    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_write_buffer_size(options, write_buffer_bytes);
    rocksdb_options_set_max_write_buffer_number(options, WRITE_BUFFERS_MAX);
    rocksdb_options_set_compaction_style(options, rocksdb_level_compaction);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_target_file_size_base(options, FILE_BYTES);
    rocksdb_options_set_max_bytes_for_level_base(options, LEVEL_BASE_BYTES);
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    rocksdb_options_set_bytes_per_sync(options, 1024 * 1024); /* spreads the writing of a large file over time */
    rocksdb_options_set_prefix_extractor(options, rocksdb_slicetransform_create_fixed_prefix(ROCKSDB_PREFIX_BYTES));
    rocksdb_options_set_compaction_filter(options, setup->filter);
    rocksdb_options_set_info_log_level(options, INFO_LOG_WARN);
    rocksdb_options_set_keep_log_file_num(options, 2);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
}

void rocksdb_setup_deinit(struct rocksdb_setup *setup)
{
    rocksdb_options_destroy(setup->options);
    rocksdb_cache_destroy(setup->cache);
    rocksdb_compactionfilter_destroy(setup->filter);
}

/* ------------------------------------------------------------------------------------------------ errors */

static bool text_starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

kith_err rocksdb_error_take(char *text, char *out, size_t out_bytes)
{
    kith_err err = KITH_E_IO;

    if (out != NULL) out[0] = '\0';
    if (text == NULL) return KITH_OK;
    /* The C header gives no codes, only Status::ToString(); these beginnings have not changed since 2013. */
    if (text_starts(text, "Result incomplete: "))
        err = KITH_E_AGAIN;
    else if (text_starts(text, "IO error: No space left on device"))
        err = KITH_E_NOSPACE;
    else if (text_starts(text, "Corruption: "))
        err = KITH_E_DAMAGED;
    if (out != NULL) (void)snprintf(out, out_bytes, "%s", text);
    free(text);
    return err;
}
