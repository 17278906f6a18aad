#ifndef KITH_ACCOUNT_OUTBOX_IMPL_H
#define KITH_ACCOUNT_OUTBOX_IMPL_H

#include "account/account_impl.h"

/*
 * outbox.c keeps the queue, outbox_work.c does one row: load what the directory says now, walk the chats, ask, delete.
 */
#define OUTBOX_PAGE         16 /* chats or members in one step */
#define OUTBOX_ASKS         (OUTBOX_PAGE * 4)
#define OUTBOX_RETRY_MS_MIN 100
#define OUTBOX_RETRY_MS_MAX 5000

struct outbox_work;

struct outbox_ask {
    struct ask ask;
    struct outbox_work *work;
};

struct outbox_person {
    struct user_id user;
    bool exists, gone, receipts;
    uint64_t list_seq;
    struct row_member row; /* OUTBOX_CHAT: as the chat knows this person */
};

struct outbox_work {
    struct outbox *outbox;
    struct outbox_record record;
    enum kith_code result; /* OUTBOX_DIRECT: what the creation came to */
    void (*next)(struct outbox_work *work);
    kith_err (*run)(struct outbox_work *work, struct directory_tx *tx);
    struct directory_call call;
    struct msgstore_get get;
    struct row_key key;
    struct msgstore_scan scan;
    uint8_t prefix[ROW_PREFIX_STREAM], from[ROW_KEY_BYTES_MAX + 1];
    struct outbox_ask asks[OUTBOX_ASKS];
    uint32_t ask_count, asks_left;
    struct outbox_person people[OUTBOX_PAGE]; /* FACTS: the subject; DIRECT: subject and object */
    uint32_t people_count;
    struct outbox_person before[2]; /* DIRECT: what the chat was created with */
    bool blocks[2];                 /* the subject blocks the object; and back */
    bool accepted;
    enum kith_code failure; /* the first answer that must be tried again; OK: none */
};

/* Steps. Each starts one thing and goes on in `next`, later; what fails for now ends in outbox_work_done(). */
typedef void (*outbox_next)(struct outbox_work *work);
void outbox_fail(struct outbox_work *work, enum kith_code failure);
void outbox_tx(struct outbox_work *work, bool read_only,
               kith_err (*run)(struct outbox_work *work, struct directory_tx *tx), outbox_next next);
/** Between begin and end: up to OUTBOX_ASKS questions to the core; all are answered before `next`. */
void outbox_asks_begin(struct outbox_work *work);
void outbox_ask_core(struct outbox_work *work, const struct cmd *cmd);
void outbox_ask_fact(struct outbox_work *work, struct chat_id chat, struct user_id subject, enum cmd_fact fact,
                     uint64_t value);
void outbox_asks_end(struct outbox_work *work, outbox_next next);
/** In a transaction: what the directory says of work->people now. */
KITH_MUST_USE kith_err outbox_people_run(struct outbox_work *work, struct directory_tx *tx);
KITH_MUST_USE kith_err outbox_block_load(struct directory_tx *tx, struct kith_uuid blocker, struct kith_uuid blocked,
                                         bool *blocks);
/** The last step: the row is deleted. */
void outbox_delete(struct outbox_work *work);
/** OUTBOX_DIRECT (outbox_direct.c). */
void outbox_direct(struct outbox_work *work);

/** Starts on *record; ends in outbox_work_done(), never inside the call. */
void outbox_work_start(struct outbox_work *work, const struct outbox_record *record);
void outbox_work_init(struct outbox_work *work, struct outbox *outbox);
void outbox_work_deinit(struct outbox_work *work);
/** outbox.c: all is applied and the row deleted (failure OK), or the row must be tried again. */
void outbox_work_done(struct outbox *outbox, enum kith_code failure);
struct accounts *outbox_accounts(const struct outbox *outbox);
/** Somebody still waits for the row in work: what the row makes true, nobody has seen yet. */
bool outbox_is_awaited(const struct outbox *outbox);
/** All that was asked is answered, and more is to come: who has waited for too long waits no more. */
void outbox_page_told(struct outbox *outbox);

#endif
