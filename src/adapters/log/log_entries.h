#ifndef KITH_ADAPTERS_LOG_LOG_ENTRIES_H
#define KITH_ADAPTERS_LOG_LOG_ENTRIES_H

#include "ports/log.h"

/** A list of entries, chained by `next`; zero it to begin. */
struct log_entries {
    struct log_entry *head, *tail;
    size_t count;
    uint64_t bytes; /* of the bodies */
};

static inline void log_entries_push(struct log_entries *list, struct log_entry *entry)
{
    entry->next = NULL;
    if (list->tail == NULL)
        list->head = entry;
    else
        list->tail->next = entry;
    list->tail = entry;
    list->count++;
    list->bytes += entry->len;
}

static inline struct log_entry *log_entries_pop(struct log_entries *list)
{
    struct log_entry *entry = list->head;

    if (entry == NULL) return NULL;
    list->head = entry->next;
    if (list->head == NULL) list->tail = NULL;
    list->count--;
    list->bytes -= entry->len;
    entry->next = NULL;
    return entry;
}

/** Moves all of `from` to the end of `to`. */
static inline void log_entries_splice(struct log_entries *to, struct log_entries *from)
{
    if (from->head == NULL) return;
    if (to->tail == NULL)
        to->head = from->head;
    else
        to->tail->next = from->head;
    to->tail = from->tail;
    to->count += from->count;
    to->bytes += from->bytes;
    *from = (struct log_entries){0};
}

static inline void log_entries_free(struct log_entries *list)
{
    for (struct log_entry *entry = log_entries_pop(list); entry != NULL; entry = log_entries_pop(list))
        log_entry_free(entry);
}

#endif
