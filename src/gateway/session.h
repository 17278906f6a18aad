#ifndef KITH_GATEWAY_SESSION_H
#define KITH_GATEWAY_SESSION_H

#include "base/map.h"
#include "gateway/gateway.h"
#include "gateway/wheel.h"
#include "wire/stomp.h"

/*
 * What the files of the gateway share. A session at rest is `struct session` and its subscriptions, nothing else:
 * input, waiting frames and inbox exist only while there is something in them.
 */
enum session_state {
    SESSION_NEW,      /* before CONNECT                                        */
    SESSION_CHECKING, /* CONNECT came, the token is being looked up            */
    SESSION_OPEN,
    SESSION_DRAINING, /* DISCONNECT came, answers are still due                */
    SESSION_CLOSING,  /* conn_close() was called: nothing is sent or taken     */
};

/* What came and was not used: a part of a frame, or what waits until the session may go on. */
struct session_input {
    struct stomp_reader reader;
    struct kith_buf buf;
};

/* Until CONNECT was answered. */
struct session_hello {
    uint32_t bearer_len;
    uint8_t bearer[];
};

enum subscription_kind { SUBSCRIPTION_INBOX = 1, SUBSCRIPTION_EVENTS, SUBSCRIPTION_ERRORS };

/* All of a session's, in one piece: entries are kind, length of the id, id. */
struct subscriptions {
    uint64_t message_n; /* number of the newest MESSAGE of this connection: its message-id, and its ack id */
    uint32_t heads_tick;
    uint16_t prefetch;
    uint16_t bytes; /* of entries */
    uint8_t count;
    bool has_inbox, has_events, has_errors, individual, live; /* live: events are taken */
    uint8_t entries[];
};

struct inbox;
struct reader;
struct check;
struct stale;
struct sent_devices;

/* A frame whose answer is not known yet. */
enum waiting_kind { WAITING_ASK, WAITING_ACK, WAITING_LOOKUP, WAITING_CHECK, WAITING_BYE };

struct waiting {
    struct ask ask;
    struct session *session;
    struct waiting *prev, *next;
    enum waiting_kind kind;
    bool answered;   /* ASK: `done` has run */
    bool is_message; /* SEND to a chat: counted in the latency histogram */
    bool has_client_id;
    struct msg_id client_id;
    uint64_t at_ms;
    struct reader *reader;      /* LOOKUP */
    struct check *check;        /* CHECK */
    struct sent_devices *sent;  /* ASK: the devices that the message is for; NULL: it is for all, or no message */
    struct stale *stale;        /* ASK, refused with STALE_DEVICES: what differs is being looked up */
    struct cursor_ask *cursors; /* ACK, BYE: what must become durable */
    enum kith_code code;        /* ACK: the first refusal */
    void *held;                 /* LOOKUP: what goes on then; freed with this */
    uint16_t receipt_len;       /* 0: no receipt was asked for */
    uint8_t receipt[];
};

struct session {
    struct conn_user user; /* first */
    struct wheel_link wheel;
    struct gateway *gateway;
    struct conn *conn;
    struct session *peer_next; /* of the same person, on this loop */
    struct user_id user_id;
    struct device_id device;
    uint64_t generation; /* unique in the process; of two connections of one device the greater one stays */
    struct session_input *input;
    struct subscriptions *subs;
    union {
        struct session_hello *hello; /* before OPEN */
        struct inbox *inbox;         /* from OPEN on */
    };
    struct waiting *waiting;
    uint32_t in_tick, out_tick, expires_tick; /* of the wheel; expires_tick 0: never */
    uint16_t beat_in, beat_out;               /* ticks; 0: off */
    uint16_t in_flight;
    uint8_t state;
    uint8_t claims;   /* loops that have not yet said what they know of this device */
    bool paused : 1;  /* conn_pause(true) is in force */
    bool blocked : 1; /* one frame must be decided before the next is looked at */
    bool taking : 1;  /* frames are being looked at: no second look inside */
    bool receipts_off : 1;
};

struct cursor_ask;
struct leftover;
struct typing;
struct stream;

struct shown_marks {
    uint64_t delivered_up_to, read_up_to;
};

struct gateway {
    struct gateway_config config;
    struct gateway_limits limits;
    bool stopping, crashed;
    struct wheel wheel;
    struct kith_map users;     /* user_id: struct session *, the first of the person's */
    struct kith_map streams;   /* struct stream_key: struct stream *                   */
    struct kith_map chats;     /* chat_id: bool, encrypted; never changes for a chat   */
    struct kith_map leftovers; /* device_id: struct leftover *                         */
    struct kith_map shown;     /* chat_id and user_id: struct shown_marks              */
    struct kith_buf out, block;
    struct stomp_frame frame;
    struct reader *readers;
    struct inbox *wait_first, *wait_last; /* inboxes that wait for a reader */
    struct loop_timer flush;
    uint64_t flush_due_ms;
    struct inbox *flush_list;
    struct cursor_ask *cursor_asks;
    struct check *checks;
    struct stale *stales;
    struct stream *rest_first, *rest_last; /* the one at rest for longest first */
    struct leftover *leftover_first, *leftover_last;
    uint32_t leftover_chats;
    struct typing *typing_first, *typing_last;
    struct kith_map typing; /* chat_id and user_id: struct typing * */
    struct loop_timer typing_end;
    struct loop_timer receipts; /* of large groups: sent bit by bit */
    struct pending_receipt *receipt_first, *receipt_last;
    struct kith_map receipts_pending; /* chat_id and user_id: struct pending_receipt * */
    uint64_t revocations;
    uint64_t newest_position; /* of the log, of all that was sent here */
    struct account_watcher watcher;
    struct gateway_stats stats;
};

static inline struct session *session_of_link(struct wheel_link *link)
{
    return (struct session *)((char *)link - offsetof(struct session, wheel));
}

static inline struct session *session_of(struct conn_user *user)
{
    return (struct session *)user;
}

/* session.c */
/** Due things: heart-beats, token end, heads. */
void session_visit(struct session *session);
/** From `closed`, or when the gateway goes. */
void session_free(struct session *session);
/** Sends gateway->out as one message. Nothing happens to a session that is closing. */
void session_send(struct session *session, enum stomp_command command, bool is_text);
/** Unlinks from everything; what was acknowledged is told; then ERROR and close. */
void session_fail(struct session *session, enum kith_code code, const char *text, struct kith_slice receipt);
/** The same without ERROR: after DISCONNECT. */
void session_close(struct session *session, uint16_t close_code, const char *reason);
/** CONNECT was good: from here on frames may be as large as frames are. */
void session_opened(struct session *session);
/** Goes on with what came while the session had to wait. */
void session_resume(struct session *session);
/** Puts the session into the wheel for the next thing that is due. */
void session_schedule(struct session *session);
uint16_t session_close_code(enum kith_code code);

/* waiting.c */
/** NULL: no memory. receipt may be empty. Counts against max-in-flight until waiting_end(). */
struct waiting *waiting_new(struct session *session, enum waiting_kind kind, struct kith_slice receipt);
/** The answer is known and was told: lets the session go on. */
void waiting_end(struct waiting *waiting);
/** Asks the core; RECEIPT or refusal follow by themselves. */
void waiting_ask(struct waiting *waiting, const struct cmd *cmd);
/** Refuses or receipts by `answer`, then ends. */
void waiting_answer(struct waiting *waiting, const struct chat_answer *answer);
/** Refuses, then ends. more: further members of the problem, as JSON, or empty. */
void waiting_refuse(struct waiting *waiting, enum kith_code code, struct kith_slice more);
/** The session goes away: nothing more is told to anybody. */
void waiting_cancel_all(struct session *session);
static inline struct kith_slice waiting_receipt(const struct waiting *waiting)
{
    return kith_slice_of(waiting->receipt, waiting->receipt_len);
}

/* refuse.c */
struct refusal {
    enum kith_code code;
    const char *text;          /* for developers; NULL: the code's own sentence */
    struct kith_slice receipt; /* empty: none was asked for */
    const struct msg_id *client_id;
    const struct chat_id *chat;
    struct kith_slice more; /* further members of the problem, as JSON */
};
/** On /errors; or ERROR and close for a client that did not subscribe to it. */
void session_refuse(struct session *session, const struct refusal *refusal);
/** RECEIPT; answer and id may be NULL. */
void session_receipt(struct session *session, struct kith_slice receipt, const struct chat_answer *answer,
                     const struct msg_id *id);
/** Milliseconds after which trying again makes sense; 0: never. Jittered. */
uint64_t session_retry_after_ms(struct gateway *gateway, enum kith_code code);

/* subscriptions.c */
kith_err subscriptions_add(struct session *session, enum subscription_kind kind, struct kith_slice id);
/** KITH_E_NOTFOUND. */
kith_err subscriptions_remove(struct session *session, struct kith_slice id, enum subscription_kind *kind);
bool subscriptions_find(const struct subscriptions *subs, struct kith_slice id);
/** Walks those of one kind: *at starts as 0; false at the end. */
bool subscriptions_next(const struct subscriptions *subs, enum subscription_kind kind, size_t *at,
                        struct kith_slice *id);

/* users.c: who is connected here */
kith_err users_add(struct session *session);
void users_remove(struct session *session);
struct session *users_first(const struct gateway *gateway, struct user_id user);
struct session *users_find(const struct gateway *gateway, struct user_id user, uint64_t generation);
bool roster_has(const struct chat_roster *roster, struct user_id user);
/** Every session of this loop whose person is in the roster; or, with `extra`, that person's too. */
void users_each(struct gateway *gateway, const struct chat_roster *roster, const struct user_id *extra,
                void (*each)(struct session *session, void *arg), void *arg);

/* group.c */
uint64_t group_generation(struct gateway_group *group);
kith_err group_join(struct gateway_group *group, struct gateway *gateway);
void group_leave(struct gateway_group *group, struct gateway *gateway);
uint64_t group_life_position(const struct gateway_group *group);
void group_raise_life(struct gateway_group *group, uint64_t position);
/** A device connected: its older connections end, here and on the other loops, which tell what they sent to it. */
void group_claim(struct session *session);
/** Shows a typing person to the other loops. */
void group_typing(struct gateway *gateway, struct chat_id chat, struct user_id user, struct chat_roster *roster,
                  bool on);

/* send_message.c */
void chats_remember(struct gateway *gateway, struct chat_id chat, bool encrypted);

/* stale.c */
/** Keeps what the refusal of a message with a body for each device will need. */
void stale_note(struct waiting *waiting, const struct cmd *cmd);
/** Looks up what differs, then refuses with it. False: there is nothing to be said beyond the code. */
bool stale_start(struct waiting *waiting);
/** The session goes away. */
void stale_orphan(struct stale *stale);
size_t stale_count(const struct gateway *gateway);
void stale_free_all(struct gateway *gateway);

/* check.c */
/** Looks a token up; the session goes on by itself. waiting NULL: this is CONNECT. KITH_E_NOMEM. */
kith_err check_start(struct session *session, struct kith_slice token, struct waiting *waiting);
/** The session goes away: of CONNECT, and of one frame. */
void check_forget(struct session *session);
void check_orphan(struct check *check);
/** The session ends with its token. */
void check_set_end(struct session *session, uint64_t expires_ms);
size_t check_count(const struct gateway *gateway);
void check_free_all(struct gateway *gateway);
/** frame_connect.c: CONNECT's answer. */
void session_connected(struct session *session, enum kith_code code, const struct account_identity *who);

#endif
