#ifndef KITH_ADAPTERS_LOG_LOG_MEM_H
#define KITH_ADAPTERS_LOG_LOG_MEM_H

#include "ports/log.h"

/**
 * The reference of the log port: as little as can keep the contract. What is "on disk" is a log_mem_store, which outlives
 * the log that is opened on it, as a folder outlives a process. An append is durable one deferred step after its home loop
 * saw it; there is no bound but memory, and nothing is ever slow.
 */
struct log_mem_store {
    struct log_mem_record {
        uint16_t shard;
        uint8_t type;
        uint32_t len;
        uint8_t *body;
    } *records; /* position_first + index is the position */
    size_t count, cap;
    uint64_t position_first;

    /* Faults: set them at any time. */
    bool full;           /* appends are refused with KITH_E_READ_ONLY while this is set */
    bool sync_fails;     /* the next batch fails to sync: KITH_E_IO, and nothing more is written until opened anew */
    bool failed_is_kept; /* and is found after that all the same */
    bool forget_at_once; /* log_trim() drops what it may, however young */
};

void log_mem_store_init(struct log_mem_store *store);
void log_mem_store_deinit(struct log_mem_store *store);

/** NULL when there is no memory. Lends both until log_mem_free(). */
struct log *log_mem_open(struct log_mem_store *store, struct loop *loop);

/** As log_file_free(): after `closed`, before start, or after its loops were killed. NULL is fine. */
void log_mem_free(struct log *log);

#endif
