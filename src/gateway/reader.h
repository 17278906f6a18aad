#ifndef KITH_GATEWAY_READER_H
#define KITH_GATEWAY_READER_H

#include "gateway/session.h"

/*
 * A read of the store that goes on in steps, with the memory for it: made when it starts, freed when it ends, at most
 * GATEWAY_READERS_MAX at a time. Its owner may go away in the middle: the operation that is under way then ends quietly.
 */
struct reader {
    struct gateway *gateway;
    struct reader *prev, *next;
    struct inbox *inbox;     /* NULL with waiting NULL: nobody is interested any more */
    struct waiting *waiting; /* or the frame that asked */
    struct stream *stream;
    void (*step)(struct reader *reader); /* after each get or scan */
    struct row_key key, prefix;
    struct msgstore_get get;
    struct msgstore_scan scan;
    /* What steps leave for later ones. */
    struct row_chat chat;
    struct row_member member;
    struct row_device device;
    bool has_device;
    struct kith_slice rest;   /* of scan.rows, not looked at yet */
    uint64_t head;            /* pull: the stream's when the page was read: nothing else is stored up to there */
    uint64_t seq_last;        /* pull: of the last row that was looked at */
    bool has_body;            /* pull: get.value is the body of the row at the front of `rest` */
    bool earlier_life;        /* pull: the row before was made before this process started */
    struct chat_id walk_chat; /* send_mailbox.c: where the walk over two people's chats is */
    uint8_t walk_side;
    bool walk_begun;
};

#define READER_PAGE_BYTES_MAX (MSGSTORE_VALUE_BYTES_MAX + 4096) /* one row of any size, or a page of small ones */

/** NULL: GATEWAY_READERS_MAX, or no memory. urgent: for a frame that waits; those are bounded by max-in-flight. */
struct reader *reader_new(struct gateway *gateway, bool urgent);
/** Nothing is under way: frees, and lets the next inbox in line read. */
void reader_free(struct reader *reader);
/** The owner goes away. */
void reader_orphan(struct reader *reader);
void reader_free_all(struct gateway *gateway);

/** Reads reader->key into reader->get.value, then `step`. */
void reader_get(struct reader *reader, size_t bytes_max, void (*step)(struct reader *reader));
/** Reads rows of reader->prefix from reader->key on into reader->scan.rows, then `step`. */
void reader_scan(struct reader *reader, uint32_t rows_max, void (*step)(struct reader *reader));

#endif
