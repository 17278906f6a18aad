#include "gateway/reader.h"

#include <stdlib.h>

#include "gateway/inbox.h"

#define READERS_URGENT_MAX (GATEWAY_READERS_MAX * 32)

struct reader *reader_new(struct gateway *gateway, bool urgent)
{
    struct reader *reader;

    if (gateway->stats.readers >= (urgent ? READERS_URGENT_MAX : GATEWAY_READERS_MAX)) return NULL;
    reader = calloc(1, sizeof *reader);
    if (reader == NULL) return NULL;
    reader->gateway = gateway;
    reader->get.loop = reader->scan.loop = gateway->config.loop;
    kith_buf_init(&reader->get.value, 0);
    kith_buf_init(&reader->scan.rows, READER_PAGE_BYTES_MAX);
    reader->next = gateway->readers;
    if (reader->next != NULL) reader->next->prev = reader;
    gateway->readers = reader;
    gateway->stats.readers++;
    return reader;
}

static void release(struct reader *reader)
{
    struct gateway *gateway = reader->gateway;

    if (reader->prev != NULL)
        reader->prev->next = reader->next;
    else
        gateway->readers = reader->next;
    if (reader->next != NULL) reader->next->prev = reader->prev;
    gateway->stats.readers--;
    kith_buf_deinit(&reader->get.value);
    kith_buf_deinit(&reader->scan.rows);
    free(reader);
}

static void wake_next(struct gateway *gateway)
{
    struct inbox *inbox = gateway->wait_first;

    if (inbox == NULL || gateway->stats.readers >= GATEWAY_READERS_MAX) return;
    gateway->wait_first = inbox->wait_next;
    if (gateway->wait_first == NULL) gateway->wait_last = NULL;
    inbox->wait_next = NULL;
    inbox->waiting = false;
    gateway->stats.readers_waiting--;
    inbox_work(inbox);
}

void reader_free(struct reader *reader)
{
    struct gateway *gateway = reader->gateway;

    release(reader);
    wake_next(gateway);
}

void reader_orphan(struct reader *reader)
{
    reader->inbox = NULL;
    reader->waiting = NULL;
    reader->stream = NULL;
}

void reader_free_all(struct gateway *gateway)
{
    while (gateway->readers != NULL) release(gateway->readers);
}

static void go_on(struct reader *reader)
{
    if (reader->inbox == NULL && reader->waiting == NULL)
        reader_free(reader);
    else
        reader->step(reader);
}

static void got(struct msgstore_get *op)
{
    go_on((struct reader *)((char *)op - offsetof(struct reader, get)));
}

static void scanned(struct msgstore_scan *op)
{
    go_on((struct reader *)((char *)op - offsetof(struct reader, scan)));
}

void reader_get(struct reader *reader, size_t bytes_max, void (*step)(struct reader *reader))
{
    reader->step = step;
    kith_buf_reset(&reader->get.value);
    reader->get.value.bytes_max = bytes_max;
    reader->get.key = row_key_slice(&reader->key);
    reader->get.done = got;
    reader->gateway->stats.store_reads++;
    msgstore_get(reader->gateway->config.store, &reader->get);
}

void reader_scan(struct reader *reader, uint32_t rows_max, void (*step)(struct reader *reader))
{
    reader->step = step;
    kith_buf_reset(&reader->scan.rows);
    reader->scan.from = row_key_slice(&reader->key);
    reader->scan.prefix = row_key_slice(&reader->prefix);
    reader->scan.rows_max = rows_max;
    reader->scan.done = scanned;
    reader->gateway->stats.store_reads++;
    msgstore_scan(reader->gateway->config.store, &reader->scan);
}
