#ifndef KITH_GATEWAY_INBOX_H
#define KITH_GATEWAY_INBOX_H

#include "gateway/session.h"

/*
 * The stream of /inbox (docs/wire/inbox.md): push as a hint, pull as the truth. A stream is one chat, or the mailbox, of one
 * session that is not at rest: behind its head, or with deliveries that are not acknowledged, or seen a moment ago. A chat
 * without a stream is wholly delivered and acknowledged, and its cursor in the store says so; its next event makes the stream
 * again from there.
 */
struct stream {
    struct inbox *inbox;
    struct chat_id chat;
    struct stream *prev, *next;           /* of the inbox                        */
    struct stream *ready_next;            /* in the queue of what needs a read   */
    struct stream *dirty_next;            /* cursors to be told                  */
    struct stream *rest_prev, *rest_next; /* of the gateway: at rest             */
    struct shard_event *held;             /* the event that made it, while it loads */
    uint64_t sent;    /* all up to here was delivered on this connection, or before it and acknowledged */
    uint64_t cursor;  /* all up to here is acknowledged                 */
    uint64_t told;    /* CMD_CURSOR is under way up to here             */
    uint64_t durable; /* and has been answered up to here               */
    uint64_t head;    /* newest seq that is known, and may be seen      */
    uint64_t flag_to; /* sent on an earlier connection, not acknowledged: redelivered up to here */
    uint64_t nacked;  /* lowest refused seq, 0: none. The cursor stays before it */
    uint32_t unacked; /* in the window                                  */
    uint32_t rest_tick;
    bool is_mail; /* not a chat: this device's items in the person's mailbox, `chat` is the person's id */
    bool loaded, queued, reading, dirty, resting;
    bool recheck; /* the head is to be read again */
    bool failed;  /* a read went wrong; tried again when heads are read next */
};

/* One MESSAGE that waits for its ACK. stream NULL: acknowledged. */
struct delivery {
    uint64_t n; /* ascending */
    struct stream *stream;
    uint64_t seq, before; /* covers (before, seq] */
};

enum inbox_scan { SCAN_DONE, SCAN_WANTED };

struct inbox {
    struct session *session;
    struct stream *streams;
    struct stream *ready_first, *ready_last;
    struct stream *dirty;
    struct delivery *window; /* entries [window_at, window_at + window_len) */
    uint32_t window_at, window_len, window_cap;
    uint32_t unacked;
    uint32_t stream_count, nacked_count;
    uint32_t unloaded; /* streams that are not loaded */
    struct reader *reader;
    struct inbox *wait_next;
    struct inbox *flush_next;
    struct leftover *leftover; /* what older connections of the device sent and did not get acknowledged */
    struct chat_id scan_at;    /* the newest chat that was seen by the scan */
    struct chat_id marks_chat; /* of the watermarks for /events: chat and member that come next */
    struct user_id marks_user;
    uint8_t scan, marks; /* enum inbox_scan */
    bool scan_begun, scan_failed, marks_begun, marks_in_chat;
    bool waiting, flush_listed, scan_turn;
    bool first_scan; /* not all chats were seen yet: the leftover is still needed */
    bool took_leftover;
    bool overflow; /* an event found no room for its stream: scan again */
};

struct stream_key {
    uint64_t generation;
    struct chat_id chat;
};

/* One event on its way to the sessions of this loop: decoded and encoded at most once. */
struct live {
    struct shard_event *event;
    struct row_message row;
    bool has_block;
};

/* inbox.c: what is to be done next */
/** The session's, made when there is none. NULL: no memory. */
struct inbox *inbox_of(struct session *session);
/** SUBSCRIBE /inbox: registers for live events, then has the chats read. */
kith_err inbox_start(struct session *session);
/** UNSUBSCRIBE, or the end of the session: tells cursors, remembers what was sent, frees. */
void inbox_end(struct session *session);
/** As inbox_end(), without a word to anybody: the process died. */
void inbox_forget(struct session *session);
/** Starts the next read if there is one to do, nothing is running and there is room for its result. */
void inbox_work(struct inbox *inbox);
/** A read went wrong: tried again in about two seconds. */
void inbox_retry_soon(struct inbox *inbox);
/** The same for a session without an inbox. */
void inbox_retry_soon_of(struct session *session);
/** Reads the heads of all chats again. */
void inbox_rescan(struct session *session);
/** Frees the inbox when nothing is in it any more. */
void inbox_settle(struct inbox *inbox);
bool inbox_has_room(const struct inbox *inbox);
bool inbox_conn_has_room(const struct session *session);
size_t inbox_bytes(const struct inbox *inbox);

/* stream.c */
struct stream *stream_find(const struct session *session, struct chat_id chat);
/** NULL: GATEWAY_STREAMS_MAX or no memory; then the inbox will scan again. */
struct stream *stream_new(struct inbox *inbox, struct chat_id chat);
void stream_free(struct stream *stream);
/** Puts it into the queue of what needs a read, if it is not there. */
void stream_enqueue(struct stream *stream);
/** No longer at rest. */
void stream_stir(struct stream *stream);
/** Behind: enqueue. All done: let it rest. */
void stream_settle(struct stream *stream);
/** Frees what has rested too long, or all over the maximum. */
void streams_sweep(struct gateway *gateway);
/** Where this device is in the chat is known: its cursor in the store, or where it begins, and the newest seq it may see. */
void stream_loaded(struct stream *stream, uint64_t cursor, uint64_t head);
/** The held event goes out, if it is next. */
void stream_release(struct stream *stream);
/** Frees what rests, to make room for others. */
void streams_evict(struct inbox *inbox);

/* inbox_live.c */
void inbox_live(struct gateway *gateway, struct shard_event *event);
/** The event straight to the client, if it is the stream's next and nothing is in the way; else it is behind. */
void inbox_live_offer(struct stream *stream, struct live *live);

/* inbox_scan.c, inbox_load.c, inbox_pull.c: reads; each ends in inbox_read_done() */
void inbox_scan_chats(struct inbox *inbox);
void inbox_load(struct inbox *inbox, struct stream *stream);
void inbox_pull(struct inbox *inbox, struct stream *stream);
void inbox_read_done(struct inbox *inbox);
/** Where a stream is cannot be read: tried again in a while. */
void inbox_load_failed(struct reader *reader);
/** All chats were seen once. */
void inbox_first_scan_done(struct inbox *inbox);

/* inbox_mail.c */
/** Found, to be read again, or made. NULL: as stream_new(). */
struct stream *inbox_mail_stream(struct inbox *inbox);
/** Something came into that person's mailbox. */
void inbox_mail_news(struct gateway *gateway, struct user_id user);
void inbox_mail_load(struct inbox *inbox, struct stream *stream);

/* deliver.c */
struct parcel {
    uint64_t seq;
    const struct row_message *row; /* NULL: a gap that ends at seq */
    struct kith_slice block;       /* header lines of row, made by deliver_block() */
    struct kith_slice body;
    bool earlier_life; /* a gap that may have been told before this process started */
};
/** The headers that are the same for every receiver, into gateway->block. */
kith_err deliver_block(struct gateway *gateway, struct chat_id chat, uint64_t seq, const struct row_message *row);
/** One MESSAGE; moves `sent`, takes a place in the window. KITH_E_NOMEM: nothing was sent. */
kith_err deliver(struct stream *stream, const struct parcel *parcel);
/** Whether this device's person may see the row's content, apart from membership. */
bool deliver_is_visible(const struct session *session, const struct row_message *row, uint64_t wall_ms);

/* window.c */
kith_err window_add(struct inbox *inbox, struct stream *stream, uint64_t n, uint64_t seq, uint64_t before);
/** ACK or NACK of delivery n, and with `cumulative` of all before it. Returns how many that were. */
uint32_t window_take(struct inbox *inbox, uint64_t n, bool cumulative, bool nack);
bool window_is_open(const struct inbox *inbox);

/* cursor.c */
/** The cursor moved: told within GATEWAY_CURSOR_MS. */
void cursor_touch(struct stream *stream);
/** At once: all that is to be told; `waiting` (may be NULL) ends when it, and what is under way, is durable. */
void cursor_flush(struct inbox *inbox, struct waiting *waiting);
/** The session goes away: the cursor is told, and no stream waits for the answer. */
void cursor_leave(struct stream *stream);
void cursor_forget(struct waiting *waiting);
/** frame_ack.c: what an ACK with a receipt waited for is answered. */
void ack_answered(struct waiting *waiting);
void cursor_init(struct gateway *gateway);
void cursor_free_all(struct gateway *gateway);
/** The inbox goes away. */
void cursor_unlist(struct inbox *inbox);

/* leftover.c */
struct leftover_chat {
    struct chat_id chat;
    uint64_t cursor, sent;
};
struct leftover {
    struct device_id device;
    struct leftover *prev, *next; /* of the gateway, oldest first */
    uint32_t count;
    struct leftover_chat chats[]; /* ascending in chat */
};
/** Moves out what this loop remembers of the device; NULL: nothing. */
struct leftover *leftover_take(struct gateway *gateway, struct device_id device);
/** What the inbox knows, merged with what it got and did not use. NULL: nothing worth remembering, or no memory. */
struct leftover *leftover_of(struct inbox *inbox);
/** Remembers; takes it. NULL is fine. */
void leftover_keep(struct gateway *gateway, struct leftover *leftover);
/** Of two, both taken. */
struct leftover *leftover_merge(struct gateway *gateway, struct leftover *a, struct leftover *b);
const struct leftover_chat *leftover_find(const struct leftover *leftover, struct chat_id chat);
void leftover_free_all(struct gateway *gateway);

/* events.c, events_start.c */
void events_receipt(struct gateway *gateway, const struct shard_news *news);
kith_err events_start(struct session *session);
void inbox_read_marks(struct inbox *inbox);
struct watermark {
    struct user_id user;
    uint64_t delivered_up_to, read_up_to, at_ms;
    bool read_hidden;
};
void events_send_receipt(struct session *session, struct chat_id chat, const struct watermark *mark);
/** Whether this session's person may see how far somebody has read. */
bool events_shows_read(const struct session *session, const struct watermark *mark);
/** Remembers, tells whether more is delivered than before, and raises the mark to what was ever shown: none falls (I-R1). */
bool events_delivered_moved(struct gateway *gateway, struct chat_id chat, struct watermark *mark);
void events_send_typing(struct session *session, struct chat_id chat, struct user_id user, bool on);

/* events_large.c: receipts of large groups, a few at a time */
void receipts_init(struct gateway *gateway);
void receipts_add(struct gateway *gateway, struct chat_id chat, struct chat_roster *roster,
                  const struct watermark *mark);
void receipts_free_all(struct gateway *gateway);
/** To every session of the roster that may see it. */
void events_fan_receipt(struct gateway *gateway, struct chat_id chat, const struct chat_roster *roster,
                        const struct watermark *mark);

/* typing.c */
void typing_init(struct gateway *gateway);
/** Takes a reference to the roster. */
void typing_set(struct gateway *gateway, struct chat_id chat, struct user_id user, struct chat_roster *roster, bool on);
void typing_show(struct gateway *gateway, struct chat_id chat, struct user_id user, const struct chat_roster *roster,
                 bool on);
/** On, and told less than `ms` ago. */
bool typing_is_fresh(const struct gateway *gateway, struct chat_id chat, struct user_id user, uint64_t ms);
/** No session of this person is left here: nothing is being typed. */
void typing_stop_user(struct gateway *gateway, struct user_id user);
void typing_free_all(struct gateway *gateway);

#endif
