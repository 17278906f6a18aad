#ifndef LIBKITH_KITH_H
#define LIBKITH_KITH_H

#include "base/buf.h"
#include "base/id.h"
#include "base/limits.h"
#include "wire/code.h"

/**
 * libkith: the core of every client of ours, without I/O of its own. The host (command line, browser worker, simulator,
 * load generator) brings bytes, commands, the time and the records it kept; the core answers with effects, to be carried
 * out in their order. No global, no thread, no allocation that the host does not see freed by kith_client_free().
 *
 * Exactly once, in order, across a crash of either side at any point:
 *   - a message is a record in the outbox before it is tried, and is sent again, byte for byte, until it is answered;
 *   - what arrives is a record, together with the chat's cursor, before it is shown and acknowledged;
 *   - KITH_EFFECT_PERSIST holds back all effects after it until kith_client_persisted() says that it is durable.
 *
 * Thread: one client belongs to one thread.
 */
struct kith_client;

/** The host's clocks: one that only rises, and the wall's (ms since 1970, may step). */
struct kith_time {
    uint64_t mono_ms, wall_ms;
};

#define KITH_TOKEN_BYTES_MAX    256
#define KITH_OUTBOX_ENTRIES_MAX 10000
#define KITH_ASKS_MAX           1024   /* to be let into groups, that are kept; who asks beyond may ask again */
#define KITH_CHATS_MAX          100000 /* what comes in one more is not taken: the client is offline with DEVICE_FULL */

struct kith_client_config {
    struct user_id user;
    struct device_id device;
    uint32_t in_flight_max; /* messages on the wire and unanswered; 0: 16 */
    bool shows_history;     /* keep a record of every message that was shown */
    bool
        keeps_mail; /* and does not encrypt: keep a record of every item of the mailbox until kith_client_mail_done() */
    bool encrypts;  /* takes part in kith/1: see "encryption" below */
    uint32_t one_time_keys; /* that wait with the server, of each kind; 0: 100 */
    uint32_t
        pairwise_max; /* members of a group whose messages are encrypted for each device; above, once for all. 0: 64 */
    void (*random)(void *arg, void *out, size_t len);
    void *random_arg;
};

/** NULL: no memory. */
struct kith_client *kith_client_new(const struct kith_client_config *config);
void kith_client_free(struct kith_client *client); /* NULL is fine; nothing is wiped from the host's records */

/** Before kith_client_start(): every record the host has, in any order. KITH_E_MALFORMED: damaged or of a newer build. */
KITH_MUST_USE kith_err kith_client_load(struct kith_client *client, struct kith_slice key, struct kith_slice value);
void kith_client_start(struct kith_client *client, struct kith_time now);

/* ---- what happened */
void kith_client_token(struct kith_client *client, struct kith_time now, struct kith_slice token); /* copied, wiped */
void kith_client_connected(struct kith_client *client, struct kith_time now);
/** Lent and writable until it returns. */
void kith_client_bytes(struct kith_client *client, struct kith_time now, uint8_t *bytes, size_t len);
void kith_client_disconnected(struct kith_client *client, struct kith_time now);
void kith_client_tick(struct kith_client *client, struct kith_time now); /* a timer asked for is due */
void kith_client_persisted(struct kith_client *client);

/* ---- what the person wants */
struct kith_send {
    struct chat_id chat;
    bool encrypted; /* the chat is; of a client that encrypts, body is what people read, else what they exchange */
    struct kith_slice content_type, body; /* copied */
    uint64_t expires_ms;                  /* 0: never */
};
/**
 * Into the outbox. KITH_E_FULL at KITH_OUTBOX_ENTRIES_MAX, or in one chat more than KITH_CHATS_MAX; KITH_E_TOOBIG past
 * KITH_MESSAGE_BYTES_MAX; KITH_E_MALFORMED: a content type with a NUL; KITH_E_NOMEM.
 */
KITH_MUST_USE kith_err kith_client_send(struct kith_client *client, struct kith_time now, const struct kith_send *send,
                                        struct msg_id *out);
/** Everything up to seq was read. Sent when connected; only ever raised. */
KITH_MUST_USE kith_err kith_client_read(struct kith_client *client, struct chat_id chat, uint64_t seq);
KITH_MUST_USE kith_err kith_client_typing(struct kith_client *client, struct chat_id chat);
/** The host has done with an item of the mailbox: its record goes. */
void kith_client_mail_done(struct kith_client *client, uint64_t seq);

enum kith_outbox_state {
    KITH_OUTBOX_QUEUED = 1, /* will be sent, or sent again, until it is answered */
    KITH_OUTBOX_FAILED,     /* refused for good: `code` says why */
    KITH_OUTBOX_UNKNOWN,    /* too old to be answered, and it was on the wire: ask for its status */
};

struct kith_outbox_entry {
    struct msg_id id;
    struct chat_id chat;
    enum kith_outbox_state state;
    enum kith_code code;
    bool was_on_wire;
    uint64_t created_ms;
    struct kith_slice content_type, body; /* lent until the next call */
};
/** Of what the host wrote: what the device says to others by itself is not shown. */
size_t kith_client_outbox_count(const struct kith_client *client);
/** Of what the device owes others by itself: keys, steps, mail. It goes out as the rest does. */
size_t kith_client_outbox_owed(const struct kith_client *client);
/** In the order of sending. */
KITH_MUST_USE kith_err kith_client_outbox_at(const struct kith_client *client, size_t at,
                                             struct kith_outbox_entry *out);
/** A failed or unknown entry is tried again; a failed one under a new id: *out is the one it has now. KITH_E_NOTFOUND. */
KITH_MUST_USE kith_err kith_client_outbox_retry(struct kith_client *client, struct kith_time now, struct msg_id id,
                                                struct msg_id *out);
/** Forgets an entry that is not on the wire now. KITH_E_NOTFOUND; KITH_E_AGAIN while it is on the wire. */
KITH_MUST_USE kith_err kith_client_outbox_drop(struct kith_client *client, struct msg_id id);

/* ---- encryption: a client that `encrypts` opens and seals by itself; what it needs of the server's REST it asks the host
 * for, one fetch at a time. Its records, which hold secrets, go through PERSIST as all others. */
enum kith_fetch_kind {
    KITH_FETCH_KEYS = 1, /* GET /devices/me/keys: kith_client_keys()                                                */
    KITH_FETCH_UPLOAD,   /* PUT /devices/me/keys with kith_client_upload(): kith_client_uploaded()                 */
    KITH_FETCH_LISTS, /* POST /users/devices of `lists`: of each person kith_client_list() for each, ascending, or _no_list(); of whoever is left nothing */
    KITH_FETCH_PAST_LISTS, /* GET /users/{user}/devices?after={after}: kith_client_list() for each, ascending        */
    KITH_FETCH_BUNDLES, /* POST /keys/claim of `devices`: kith_client_bundle(), or kith_client_no_bundle(), for each */
    KITH_FETCH_MEMBERS, /* GET /chats/{chat}: kith_client_members()                                               */
    KITH_FETCH_OPS,     /* GET /chats/{chat}/operations?after={after}: kith_client_group_op() for each            */
    KITH_FETCH_ADMIT,   /* POST /chats/{chat}/members of kith_client_admit(): kith_client_admitted()                */
};
#define KITH_FETCH_DEVICES_MAX 64
#define KITH_FETCH_LISTS_MAX   64
struct kith_fetch {
    enum kith_fetch_kind kind;
    struct user_id user;   /* PAST_LISTS, ADMIT */
    uint64_t after;        /* PAST_LISTS, OPS */
    struct chat_id chat;   /* MEMBERS, OPS, ADMIT */
    uint32_t list_count;   /* LISTS */
    uint32_t device_count; /* BUNDLES */
    union {
        struct {
            struct user_id user;
            uint64_t after; /* the newest list that is known; 0: none, and only the newest is wanted: no `after` */
        } lists[KITH_FETCH_LISTS_MAX];
        struct {
            struct user_id user;
            struct device_id device;
        } devices[KITH_FETCH_DEVICES_MAX];
    };
};
struct e2e_account;
struct e2e_upload;
struct e2e_claimed;
/** libkith/e2ee/account.h and account_group.h, for what a person does: trust, linking, groups. NULL: it does not encrypt. After any change: _acted(). */
struct e2e_account *kith_client_account(struct kith_client *client);
void kith_client_acted(struct kith_client *client, struct kith_time now); /* does nothing if it does not encrypt */
/**
 * Wants that person's newest list, whether or not anything is written to them. Settled when it was fetched. Does nothing for
 * a client that does not encrypt.
 */
void kith_client_look_up(struct kith_client *client, struct kith_time now, struct user_id user);
/** The look-up that was asked for last is over: what is pinned is what the server says now. True of none. */
bool kith_client_is_looked_up(const struct kith_client *client);
/**
 * Wants a group's operations, whether or not anything comes of it: a device that was linked just now learns what it is. Settled
 * when there are no more. Does nothing for a client that does not encrypt.
 */
void kith_client_look_into(struct kith_client *client, struct kith_time now, struct chat_id chat);
/** The answers to a fetch, in any number, then kith_client_fetched(). */
struct kith_keys {
    bool has_list;
    uint64_t list_seq;
    uint32_t opk_count, kem_ot_count, spk_id, kem_lr_id; /* an id of 0: there is none */
};
void kith_client_keys(struct kith_client *client, const struct kith_keys *keys);
/** False: there is nothing to upload any more. Lent until the next call. */
bool kith_client_upload(struct kith_client *client, struct e2e_upload *out);
void kith_client_uploaded(struct kith_client *client, uint64_t list_seq, uint32_t opk_count, uint32_t kem_ot_count);
void kith_client_list(struct kith_client *client, struct user_id user, uint64_t list_seq,
                      struct kith_slice signed_list);
/** The person has no list, or there is no such person: list_seq as the server says, 0 then. */
void kith_client_no_list(struct kith_client *client, struct user_id user, uint64_t list_seq);
void kith_client_bundle(struct kith_client *client, const struct e2e_claimed *claimed);
void kith_client_no_bundle(struct kith_client *client, struct user_id user, struct device_id device);
/** Of a direct chat its two people, of any other none. */
void kith_client_members(struct kith_client *client, struct chat_id chat, const struct user_id *users, size_t count);
/** The two people of a direct chat, as they are kept here, ascending. False: it is none, or that is not known yet. */
bool kith_client_pair(const struct kith_client *client, struct chat_id chat, struct user_id out[static 2]);
/** event_seq: `seq` of the answer. */
void kith_client_group_op(struct kith_client *client, struct chat_id chat, uint64_t event_seq,
                          struct kith_slice signed_op);
/** Somebody who asked by an invite link, and the operation that lets them in. */
struct kith_admit {
    struct chat_id chat;
    struct user_id user;
    uint64_t group_seq;
    struct kith_slice signed_op; /* lent until the next call */
};
/** False: there is nobody to be let in any more. */
bool kith_client_admit(struct kith_client *client, struct kith_admit *out);
/** CODE_OK, or the code of the problem; of one that may pass the fetch has failed. */
void kith_client_admitted(struct kith_client *client, enum kith_code code);
/** Its keys are with the server, nothing that came waits to be opened, nor anybody to be let in, and no mail is on the wire. True of one that does not encrypt. */
bool kith_client_is_settled(const struct kith_client *client);
/** Everything numbered up to here has come and been stored; 0: nothing. */
uint64_t kith_client_applied(const struct kith_client *client, struct chat_id chat);
/**
 * The answer to RECALL: what record_put() has kept under kith_record_message_key(); empty: nothing, or nothing that is to be given
 * to anybody any more (the person deleted it).
 */
void kith_client_recalled(struct kith_client *client, struct kith_time now, struct chat_id chat, uint64_t seq,
                          struct kith_slice record);
/** The fetch is over; ok false: it failed, and is asked for again in a while. */
void kith_client_fetched(struct kith_client *client, struct kith_time now, bool ok);

/* ---- what the host must do */
enum kith_effect_kind {
    KITH_EFFECT_PERSIST =
        1,               /* write `records` in one durable transaction, then call kith_client_persisted()           */
    KITH_EFFECT_SEND,    /* `bytes`: one WebSocket message                                                          */
    KITH_EFFECT_CONNECT, /* open a connection; answer with kith_client_connected() or _disconnected()              */
    KITH_EFFECT_CLOSE,   /* close the connection; kith_client_disconnected() need not follow                        */
    KITH_EFFECT_TIMER,   /* call kith_client_tick() at mono `at_ms`, or earlier; replaces the timer before          */
    KITH_EFFECT_TOKEN,   /* a fresh access token is needed: kith_client_token()                                     */
    KITH_EFFECT_MESSAGE, /* show: a numbered event came, the first and only time                                    */
    KITH_EFFECT_SENT,    /* show: an outbox entry has its number                                                    */
    KITH_EFFECT_FAILED,  /* show: an outbox entry was refused for good, or its outcome is unknown                   */
    KITH_EFFECT_RECEIPT, /* show: somebody's watermarks                                                             */
    KITH_EFFECT_TYPING,  /* show: somebody types, or stopped                                                        */
    KITH_EFFECT_STATE,   /* show: connection state                                                                  */
    KITH_EFFECT_MAIL, /* an item of the mailbox came, the first and only time: for the device, not for the person. Not of a client that encrypts: it takes them itself */
    KITH_EFFECT_FETCH, /* ask the server for `fetch`, answer with kith_client_fetched()                          */
    KITH_EFFECT_RECALL, /* answer with kith_client_recalled(): the message `seq` of `chat`, as it was shown, if the host has it */
};

enum kith_connection { KITH_OFFLINE = 1, KITH_CONNECTING, KITH_ONLINE, KITH_REPLACED };

struct kith_message {
    struct chat_id chat;
    uint64_t seq, gap_from; /* gap_from > 0: gap_from to seq are gone for good, nothing else is set */
    struct msg_id id;
    struct user_id sender;
    struct device_id device;
    uint64_t created_ms, expires_ms;
    bool encrypted, has_body;
    bool is_open; /* of an encrypted message: content_type and body are what was inside */
    kith_err
        unreadable; /* encrypted, with a body that could not be opened: why (NOTFOUND: it is not for this device); or a change of a group that nobody signed. KITH_OK: not so */
    bool is_anew;   /* is_open: its device began a session with it though there was one that went on */
    bool
        is_again; /* is_open: it was shown before as one that could not be read (same chat, seq and id), and takes its place */
    bool is_asked; /* unreadable, and its device is asked for it again */
    /* Of this device's own, encrypted: when it was written; e2e_account_mark() when it was encrypted; under which head of a group. Else 0. */
    uint64_t written_ms, sealed_mark, group_epoch;
    uint64_t missed; /* is_open: messages of that device that should have come before and did not */
    struct kith_slice type, content_type, body; /* "message", "member", …; lent */
};

struct kith_effect {
    enum kith_effect_kind kind;
    struct kith_slice bytes; /* SEND; PERSIST: records in the form of kith_record_next(); lent until the next call */
    uint64_t at_ms;          /* TIMER */
    struct kith_message message;          /* MESSAGE; MAIL, with the nil chat and the mailbox's numbers */
    struct chat_id chat;                  /* SENT, FAILED, RECEIPT, TYPING, RECALL */
    struct msg_id id;                     /* SENT, FAILED */
    uint64_t seq;                         /* SENT, RECALL */
    enum kith_code code;                  /* FAILED; STATE: why offline, OK: no reason */
    bool is_unknown;                      /* FAILED: it may be stored */
    struct user_id user;                  /* RECEIPT, TYPING */
    uint64_t delivered_up_to, read_up_to; /* RECEIPT */
    bool typing;                          /* TYPING */
    enum kith_connection connection;      /* STATE */
    uint64_t retry_ms;                    /* STATE: offline, and next try at mono retry_ms */
    struct kith_fetch fetch;              /* FETCH */
};

/**
 * The next effect, lent until the next kith_client_next(). KITH_E_NOTFOUND: none. KITH_E_AGAIN: waits for persisted.
 * A host may let several things happen before it asks: their records then come in one PERSIST, before the effects of all.
 */
KITH_MUST_USE kith_err kith_client_next(struct kith_client *client, struct kith_effect *out);

/** Walks PERSIST's records: is_put false deletes the key. KITH_E_NOTFOUND at the end. */
KITH_MUST_USE kith_err kith_record_next(struct kith_slice *records, bool *is_put, struct kith_slice *key,
                                        struct kith_slice *value);
/** The key of a message's record, for a host with shows_history: a chat's are in the order of their numbers. */
#define KITH_RECORD_MESSAGE_KEY_BYTES 25
void kith_record_message_key(struct chat_id chat, uint64_t seq, uint8_t out[static KITH_RECORD_MESSAGE_KEY_BYTES]);
/** The message in a record of a host with shows_history. KITH_E_NOTFOUND: another kind of record. */
KITH_MUST_USE kith_err kith_record_message(struct kith_slice key, struct kith_slice value, struct kith_message *out);
/** The item of the mailbox in a record of a host with keeps_mail. KITH_E_NOTFOUND: another kind of record. */
KITH_MUST_USE kith_err kith_record_mail(struct kith_slice key, struct kith_slice value, struct kith_message *out);

struct kith_client_stats {
    uint64_t sent, resent, accepted, refused, failed; /* outbox */
    uint64_t applied, duplicates, gaps, holes,
        acks;           /* inbox; holes: breaks of the stream's promise, healed by reconnecting, or shown as a gap */
    uint64_t unflagged; /* of the duplicates: without redelivered:true */
    uint64_t mail;      /* items of the mailbox that came the first time */
    uint64_t connects, persists;
};
void kith_client_stats(const struct kith_client *client, struct kith_client_stats *out);
enum kith_connection kith_client_connection(const struct kith_client *client);

#endif
