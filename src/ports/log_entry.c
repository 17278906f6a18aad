#include <stdlib.h>

#include "ports/log.h"

struct log_entry *log_entry_new(uint16_t shard, uint8_t type, uint32_t len)
{
    struct log_entry *entry;

    assert(shard < KITH_SHARDS && len <= LOG_BODY_BYTES_MAX);
    entry = malloc(sizeof *entry + len);
    if (entry == NULL) return NULL;
    *entry = (struct log_entry){.shard = shard, .type = type, .len = len};
    return entry;
}

void log_entry_free(struct log_entry *entry)
{
    free(entry);
}
