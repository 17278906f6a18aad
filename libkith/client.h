#ifndef LIBKITH_CLIENT_H
#define LIBKITH_CLIENT_H

#include "base/map.h"
#include "libkith/e2ee/account_resend.h"
#include "libkith/e2ee/group.h"
#include "libkith/kith.h"
#include "wire/stomp.h"

/* The inside of a client: one struct, and the files that each do one job on it. */

#define CLIENT_IN_FLIGHT_DEFAULT  16
#define CLIENT_MARKS_MAX          1000000
#define CLIENT_FRAME_BYTES_MAX    (2 * KITH_FRAME_BYTES_MAX) /* of the server's: with what it adds to what devices send */
#define CLIENT_BACKOFF_BASE_MS    500
#define CLIENT_BACKOFF_CAP_MS     60000
#define CLIENT_HEART_BEAT_MS      10000
#define CLIENT_CONNECT_TIMEOUT_MS 20000
#define CLIENT_ANSWER_TIMEOUT_MS  30000 /* a message unanswered for so long: the connection is taken for dead */
#define CLIENT_ANSWERS_MAX \
    1024 /* messages that others asked for again, and that are on their way; one more is passed over */
#define CLIENT_REQUESTS_MAX   64  /* mails that ask others for theirs; nothing more is asked for meanwhile */
#define CLIENT_MAILS_HELD_MAX 256 /* mails that came and cannot be opened yet; one more is passed over */

/* Of an entry that is mail: in no chat, and to one device (docs/wire/e2ee.md, "Mail"). */
struct outbox_mail {
    struct user_id user;
    uint32_t device_id; /* 0: it is no mail */
    struct e2e_resend_item
        again;              /* seq not 0: an answer, of which only this is kept: what is said in it is this message */
    bool is_given;          /* an answer, and the account has agreed to it */
    bool is_recalled;       /* an answer, and the host was asked for the message. Not kept */
    uint32_t refusals;      /* in a row, for the back-off */
    uint64_t held_until_ms; /* refused for now */
};

struct outbox_entry {
    struct outbox_entry *prev, *next; /* in the order of sending */
    uint64_t order;
    struct msg_id id;
    struct chat_id chat;
    enum kith_outbox_state state;
    enum kith_code code;
    bool was_on_wire, in_flight, encrypted;
    uint64_t created_ms, expires_ms, sent_at_ms;
    uint64_t sealed_mark, group_epoch; /* e2e_account_mark() then, and under which head of a group */
    struct outbox_mail mail;
    struct kith_buf sealed; /* of a client that encrypts: what goes over the wire; empty: to be made */
    uint64_t echo_seq;      /* among the echoes: the number under which the stream will bring it */
    size_t content_type_len, body_len;
    uint8_t bytes[]; /* content type, body */
};

/* What is known of a chat, or with the nil id of the mailbox: the record 'C'. */
struct chat_sync {
    struct chat_id chat;
    uint64_t applied_up_to; /* every numbered event up to here was shown; 0: none came yet */
    uint64_t hole_up_to;    /* the stream jumped over what is up to here, and was asked again; not kept */
    uint64_t read_up_to;    /* of this person, as this device said */
    struct msg_id accepted; /* this device's newest message that has its number: `after` of the next */
    uint64_t held_until_ms; /* refused for now: nothing of this chat is sent before */
    uint32_t refusals;      /* in a row, for the back-off */
    bool read_unsent;
    bool is_encrypted; /* it was once, so it is for good: a server that says otherwise is not believed */
};

/* Somebody's watermarks in a chat, the highest that came: the record 'R'. */
struct receipt_key {
    struct chat_id chat;
    struct user_id user;
};

struct receipt_marks {
    uint64_t delivered_up_to, read_up_to;
};

struct effect_node {
    struct effect_node *next;
    struct kith_effect effect;
    size_t room;
    uint8_t bytes[]; /* `room` of them: what the effect's slices point to */
};

/* A message that cannot be opened yet, or is shown behind such a one of its chat; with the nil chat, mail. The record 'Q'. */
struct pending {
    struct pending *next; /* in the order in which they came */
    struct kith_message message;
    uint64_t fetches;            /* that had been started when it came */
    bool is_fresh, is_own_fresh; /* its sender's list was asked for since then and fetched; the own one was */
    bool is_ops_fresh;           /* the operations of its group were */
    uint8_t bytes[];             /* type, content type, body */
};

struct chat_members {
    uint32_t count;  /* 0: not a chat of two */
    bool has_no_ops; /* and no group either: its operations were fetched, and there are none */
    uint8_t users[E2E_MEMBERS_MAX][E2E_ACCOUNT_ID_BYTES]; /* ascending */
};

/* Who asks to be let into a group that this device lets people into. The record 'A'. */
struct ask {
    struct ask *next; /* in the order in which they came */
    struct chat_id chat;
    struct user_id user;
    uint64_t fetches;  /* that had been started when it came */
    bool is_fresh;     /* the list of who asks was fetched since then */
    bool is_old;       /* asked long ago: this device waits for no other one. Not kept, as what follows */
    uint64_t turn_ms;  /* when it is this device's turn, unless another one is quicker: behind the operation turn_seq */
    uint64_t turn_seq; /* 0: that was not looked at yet */
    uint32_t late;     /* times that another operation was ahead of the one that was to let them in. Not kept */
    size_t len;
    uint8_t request[E2E_JOIN_SIGNED_BYTES_MAX];
};

/* For how long this device waits for others behind the operation `seq` of the group of that chat. */
struct admit_turn {
    struct chat_id chat;
    uint64_t seq; /* 0: none */
    uint64_t wait_ms;
};

/* One thing that is missing, or was fetched. */
struct secure_want {
    enum kith_fetch_kind kind;
    uint8_t id[E2E_ACCOUNT_ID_BYTES];        /* LISTS, BUNDLES: the user; MEMBERS, OPS, ADMIT: the chat */
    uint8_t device[E2E_SERVER_DEVICE_BYTES]; /* BUNDLES; ADMIT: the user */
};

/* What is not to be fetched now. Of failures it is known how many there were until it is needed for another one. */
struct secure_cooling {
    struct secure_want want;
    uint64_t until_ms;
    uint32_t failures; /* in a row; 0: it was fetched just now, and that is enough */
    /* Of a list that was fetched: when, and what was said of it since. */
    uint64_t fetched_ms;
    bool is_doubted; /* there is a newer one, says something new */
    uint32_t alarms; /* in a row that said so when there was none */
};

/* The encrypting part of a client (secure.c). */
#define SECURE_WANTS_MAX   64
#define SECURE_COOLING_MAX 64
struct secure {
    struct e2e_account *account; /* NULL: it does not encrypt */
    bool keys_known;             /* since the start the server said what it has of this device */
    bool own_due;                /* the server's own list is another than the one that is known: fetched first */
    bool upload_due;
    bool upload_has_list;
    uint64_t upload_ms; /* the wall's time for which it was made ready */
    bool busy;          /* a fetch is out */
    bool helped;        /* and brought something new */
    /* Of its lists, bit i of lists[i]: which were answered, and brought something new; and of which something that came since it
     * began says that there is a newer one. */
    uint64_t lists_answered, lists_helped, lists_doubted;
    bool is_late; /* it was to let somebody in, and another operation was ahead */
    bool changed; /* what waits may go on */
    bool working;
    struct kith_fetch fetch;
    uint64_t fetches;  /* started */
    uint32_t failures; /* since a fetch succeeded: those that were of another thing than the one before */
    struct secure_want failed_last;
    uint64_t retry_at_ms;
    uint32_t bundles_passed;                    /* fetches that came before bundles which could have been claimed */
    struct secure_want wants[SECURE_WANTS_MAX]; /* of everything that waits */
    uint32_t want_count;
    struct chat_id ops_all; /* a chat whose operations were fetched, and there were no more */
    uint64_t ops_all_until_ms;
    struct e2e_wants ops_wants; /* of the operations that were fetched last, and could not be taken for lack of it */
    /* A chat whose operations are fetched (again): behind the list that they lack, or since it was STALE_DEVICES. nil: none. */
    struct chat_id ops_behind;
    struct user_id looks_up;   /* nil: nobody */
    struct chat_id looks_into; /* until its operations are all here. nil: none */
    struct secure_cooling cooling[SECURE_COOLING_MAX];
    struct kith_map members; /* chat_id: struct chat_members * */
    struct pending *pending_first;
    struct outbox_entry *echoes; /* accepted, and not seen in the stream yet: the record 'W' */
    struct ask *asks;
    uint32_t ask_count;
    struct kith_buf admit_op; /* what the last of them was let in with */
    uint64_t admit_seq;       /* and its number */
    uint64_t admit_at_ms;     /* when it is this device's turn to let somebody in; UINT64_MAX: nobody waits for that */
    struct admit_turn turn;
};

enum link_state { LINK_DOWN, LINK_OPENING, LINK_CONNECT_SENT, LINK_UP };

struct kith_client {
    struct kith_client_config config;
    struct kith_time now;
    bool started, stopped; /* stopped: replaced by another connection of this device */

    struct effect_node *first, *last, *lent;
    bool waits_for_persist;
    struct kith_buf batch; /* records of all steps since the host asked for effects last: one PERSIST */
    struct effect_node *batch_effects, *batch_last; /* and what is behind it */

    struct outbox_entry *outbox_first, *outbox_last;
    size_t outbox_count; /* of what the host wrote */
    uint32_t in_flight;
    uint64_t order_next;
    uint64_t id_stamp;       /* 48 bits of ms and 12 of counter: ids of this device only rise */
    int64_t server_ahead_ms; /* the server's clock against the wall's, when it matters */

    struct kith_map chats; /* chat_id to struct chat_sync * */
    struct kith_map marks; /* receipt_key to struct receipt_marks */

    enum link_state link;
    struct kith_buf in;
    struct stomp_reader reader;
    struct stomp_frame frame;
    char token[KITH_TOKEN_BYTES_MAX];
    size_t token_len;
    bool token_asked;
    uint32_t tries;         /* connects in a row without a session */
    uint64_t connect_at_ms; /* LINK_DOWN: when to try again; UINT64_MAX: not by itself */
    uint64_t link_since_ms, received_at_ms, sent_at_ms;
    uint32_t beat_send_ms, beat_expect_ms;
    uint32_t server_in_flight_max;
    char ack[128]; /* newest delivery to acknowledge; cumulative, so one is enough */
    size_t ack_len;
    uint64_t timer_at_ms;
    struct secure secure;
    struct kith_client_stats stats;
};

/* client.c */
/** Before the next try, after `tries` that failed: 0 to CLIENT_BACKOFF_CAP_MS. Full jitter: a thousand clients do not come
 * back in one moment. */
uint64_t client_backoff_ms(struct kith_client *client, uint32_t tries);

/* effects.c */
struct kith_effect *effect_add(struct kith_client *client, enum kith_effect_kind kind, size_t room, uint8_t **bytes);
void effect_send(struct kith_client *client, struct kith_slice frame);
void effect_state(struct kith_client *client, enum kith_connection connection, enum kith_code code, uint64_t retry_ms);
/* They hold keys and texts: wiped. NULL is fine. */
void effects_free(struct effect_node *node);
/* A step gathers records and effects. Its end looks at what is due because of it. */
void step_end(struct kith_client *client);
void record_put(struct kith_client *client, struct kith_slice key, struct kith_slice value);
void record_delete(struct kith_client *client, struct kith_slice key);

/* record.c: the forms of the records */
void record_put_outbox(struct kith_client *client, const struct outbox_entry *entry);
void record_delete_outbox(struct kith_client *client, const struct outbox_entry *entry);
void record_put_chat(struct kith_client *client, const struct chat_sync *sync);
void record_put_marks(struct kith_client *client, struct chat_id chat, struct user_id user,
                      const struct receipt_marks *marks);
void record_put_state(struct kith_client *client);
void record_put_message(struct kith_client *client, const struct kith_message *message);
void record_put_mail(struct kith_client *client, const struct kith_message *message);
void record_delete_mail(struct kith_client *client, uint64_t seq);
void record_put_pending(struct kith_client *client, const struct kith_message *message);
void record_delete_pending(struct kith_client *client, const struct kith_message *message);
void record_put_members(struct kith_client *client, struct chat_id chat, const struct chat_members *members);
void record_put_echo(struct kith_client *client, const struct outbox_entry *entry);
void record_delete_echo(struct kith_client *client, const struct outbox_entry *entry);
void record_put_ask(struct kith_client *client, const struct ask *ask);
void record_delete_ask(struct kith_client *client, const struct ask *ask);

/* outbox.c */
struct chat_sync *chat_sync_of(struct kith_client *client, struct chat_id chat); /* found or made; NULL: no memory */
void outbox_pump(struct kith_client *client);
void outbox_reset_wire(struct kith_client *client); /* the connection is gone: nothing is on the wire */
void outbox_accepted(struct kith_client *client, struct msg_id id, uint64_t seq);
/** problem: the body of the refusal, lent. */
void outbox_refused(struct kith_client *client, struct msg_id id, enum kith_code code, uint64_t retry_after_ms,
                    struct kith_slice problem);
uint64_t outbox_next_ms(const struct kith_client *client);
/** The order of what comes next. */
uint64_t outbox_order(struct kith_client *client);
/** The device says it, or owes it, and not its host: that hears nothing of it but its place in the stream. */
bool outbox_is_own(const struct outbox_entry *entry);
/** It goes, with its record, and nobody is told. */
void outbox_remove(struct kith_client *client, struct outbox_entry *entry);
struct outbox_entry *outbox_add(struct kith_client *client, const struct outbox_entry *head,
                                struct kith_slice content_type, struct kith_slice body);
/** In no list yet. The rest of it is as in *head. NULL: no memory. */
struct outbox_entry *outbox_entry_new(const struct outbox_entry *head, struct kith_slice content_type,
                                      struct kith_slice body);
struct msg_id client_msg_id(struct kith_client *client);
/** KITH_E_TOOBIG: past the maxima. KITH_E_MALFORMED: a content type with a NUL, which no frame can say. */
KITH_MUST_USE kith_err outbox_check(struct kith_slice content_type, struct kith_slice body);
struct outbox_entry *outbox_find(const struct kith_client *client, struct msg_id id);
void outbox_entry_free(struct outbox_entry *entry);
/** An empty message that only turns the ratchet, unless something of this chat is about to go out anyway. */
void outbox_step(struct kith_client *client, struct chat_id chat);
/** The chain of a large group, for those who lack it: before that entry, which waits for it. */
void outbox_gift(struct kith_client *client, const struct outbox_entry *before);
/** One that nobody needs any more: nobody is told. */
void outbox_forget(struct kith_client *client, struct outbox_entry *entry);
/** A message of the device's own to the others, unless it waits already: the host hears nothing of it but its place in the stream. */
void outbox_say(struct kith_client *client, struct chat_id chat, struct kith_slice content_type,
                struct kith_slice body);
/** Refused here, for good. */
void outbox_give_up(struct kith_client *client, struct outbox_entry *entry, enum kith_code code, bool is_unknown);

/* mail.c: what goes to one device, and comes from one */
static inline bool outbox_is_mail(const struct outbox_entry *entry)
{
    return entry->mail.device_id != 0;
}
void mail_add(struct kith_client *client, const struct outbox_mail *mail, struct kith_slice content_type,
              struct kith_slice body);
bool mail_may_send(const struct kith_client *client, const struct outbox_entry *entry);
void mail_refused(struct kith_client *client, struct outbox_entry *entry, enum kith_code code, uint64_t retry_after_ms);
/** Seals what can be sealed; forgets what is too old. */
void mail_work(struct kith_client *client);
/** Seals it as this content, wants what is missing, or forgets it. */
void mail_seal(struct kith_client *client, struct outbox_entry *entry, struct kith_slice content_type,
               struct kith_slice body, uint64_t sent_at_ms);
/** Nothing of it is on its way, but what is held back. */
bool mail_is_settled(const struct kith_client *client);
/** An item of the mailbox: read now, or when it can be opened. */
void mail_event(struct kith_client *client, const struct kith_message *item);
/** False: not now. pending: its place among those that wait. */
bool mail_take(struct kith_client *client, const struct kith_message *item, const struct pending *pending);

/* secure_resend.c: messages that did not open, asked for again and given again */
/** It did not open, for good. True: it is asked for. */
bool resend_lost(struct kith_client *client, const struct kith_message *message, const struct e2e_opened *opened);
void resend_ask(struct kith_client *client);
/** What a mail says. One of a newer kind is passed over. */
void resend_mail(struct kith_client *client, const struct kith_message *item, const struct e2e_opened *opened);
/** An answer that is to be made. */
void resend_give(struct kith_client *client, struct outbox_entry *entry);

/* link.c */
void link_down(struct kith_client *client, enum kith_code code, uint64_t retry_after_ms);
void link_timers(struct kith_client *client);

/* group.c */
/** An event with an operation, or a request to join, that was not looked at yet. */
bool group_waits(const struct kith_message *message);
/** Takes its operation: is_open, or unreadable. KITH_E_AGAIN, KITH_E_NOMEM: not now, *wants says what is missing. */
KITH_MUST_USE kith_err group_event(struct kith_client *client, struct kith_message *message, bool is_fresh,
                                   bool is_ops_fresh, struct e2e_wants *wants);
/** Of an event, before it is shown: in a group it is unreadable when nobody signed it. */
void group_show(const struct kith_client *client, struct kith_message *message);
/** A message was opened: what it says to this device, not to its person. */
/** What it says is for this device alone: nobody is shown it, and no history has it. */
bool group_is_keys(struct kith_slice content_type);
void group_opened(struct kith_client *client, struct chat_id chat, const struct e2e_opened *opened);
/** One that gives a chain to others becomes one that says nothing. */
void group_gift(const struct kith_client *client, struct kith_message *message);

/* admit.c: who asks to be let into a group */
#define ADMIT_SPAN_MS    500  /* for each device that comes before this one */
#define ADMIT_BEFORE_MAX 10   /* of those: no wait is longer than theirs */
#define ADMIT_UNREAD_MS  1000 /* for what this device did itself to come */
/** An event says that `asker` (text) asks, with `base64`: KITH_OK when that is to be believed; this device sees to it then. */
KITH_MUST_USE kith_err admit_asked(struct kith_client *client, const struct kith_message *message,
                                   struct kith_slice asker, struct kith_slice base64);
/** Also of records being loaded. NULL: not kept, for there are too many, or it is too long, or there is no memory. */
struct ask *admit_add(struct kith_client *client, struct chat_id chat, struct user_id user, struct kith_slice request);
/** Wants what is missing, or that somebody is let in; forgets whom that is no longer about. */
void admit_work(struct kith_client *client);
/** How many devices come before this one in letting people in, at most ADMIT_BEFORE_MAX. */
uint32_t admit_before(const struct kith_client *client, const struct e2e_group *group);
/** Nobody is to be let in, but into groups in which every operation is late: a member has stopped those, or the server. */
bool admit_is_settled(const struct kith_client *client);
/** That person's list was fetched. */
void admit_fresh(struct kith_client *client, struct user_id user);
void admit_deinit(struct kith_client *client);

/* inbox.c */
void inbox_message(struct kith_client *client, const struct stomp_frame *frame);
void inbox_ack(struct kith_client *client);
/** Shows it and, for a host with shows_history, keeps it. */
void inbox_show(struct kith_client *client, const struct kith_message *message);
/** Copies to *at, moves it on. */
struct kith_slice client_copy_to(uint8_t **at, struct kith_slice bytes);
/* Found or made, lent until the next call; NULL: no memory, or CLIENT_MARKS_MAX. */
struct receipt_marks *receipt_marks_of(struct kith_client *client, struct chat_id chat, struct user_id user);

/* secure_account.c */
struct e2e_account *secure_account_new(struct kith_client *client);

/* secure.c: what goes out; does nothing for a client that does not encrypt */
kith_err secure_init(struct kith_client *client);
void secure_deinit(struct kith_client *client);
bool secure_on(const struct kith_client *client);
/** Of an encrypted chat. UNKNOWN: what tells is wanted. NONE: neither of two that include this account, nor a group. */
enum chat_kind { CHAT_KIND_UNKNOWN, CHAT_KIND_PAIR, CHAT_KIND_GROUP, CHAT_KIND_NONE };
enum chat_kind secure_chat_kind(struct kith_client *client, struct chat_id chat);
/** The two people of a direct chat, lent until they change; count 0: none of ours, or a group; NULL: not asked yet. */
const struct chat_members *secure_members_of(const struct kith_client *client, struct chat_id chat);
/** Whether it may go out: its `sealed` is there, or none is needed. Else what is missing is wanted, or it has failed. */
bool secure_seal(struct kith_client *client, struct outbox_entry *entry);
/** STALE_DEVICES: it is sealed anew, for what the server says then. problem: which lists it has, if it says so. */
void secure_stale(struct kith_client *client, struct outbox_entry *entry, struct kith_slice problem);
/** The server has numbered it, and it goes out of the outbox. True: the entry was taken, to be seen in the stream. */
bool secure_accepted(struct kith_client *client, struct outbox_entry *entry, uint64_t seq);
/** The connection is there (again), or gone. */
void secure_link(struct kith_client *client);
/** Records being loaded. */
kith_err secure_echo_add(struct kith_client *client, const struct outbox_entry *head, struct kith_slice content_type,
                         struct kith_slice body);
/** A message of this device that the stream has not brought yet. NULL: none. */
struct outbox_entry *secure_echo_find(const struct kith_client *client, struct msg_id id);
/** Of this device's own: how it was encrypted. */
void secure_echo_tell(const struct outbox_entry *entry, struct kith_message *message);

/* secure_in.c: what comes in */
/**
 * Opens a message, or mail, of the chat nil. What it says is lent from `plain`. KITH_E_AGAIN, KITH_E_NOMEM: not now; what is missing
 * is wanted. pending: its place among those that wait; NULL: none yet.
 */
KITH_MUST_USE kith_err secure_open(struct kith_client *client, const struct kith_message *message,
                                   const struct pending *pending, struct kith_buf *plain, struct e2e_opened *opened);
/** It was given again before it was shown as one that cannot be read. False: no such one waits. */
bool secure_open_late(struct kith_client *client, const struct kith_message *message);
/** An event of the stream, in order: shown now, or when it can be opened. */
void secure_event(struct kith_client *client, struct kith_message *message);
/** Those that can be opened now, each chat in its order. */
void secure_open_pending(struct kith_client *client);
/** Records being loaded: they come in the order of their numbers. */
struct pending *secure_pending_add(struct kith_client *client, const struct kith_message *message);
void secure_pending_free(struct pending *one); /* wiped */

/* secure_fetch.c: what is asked of the server */
/** What is missing. What does not fit is asked for next time. */
void secure_want(struct kith_client *client, const struct e2e_wants *wants);
/** The same for something that came when `fetches` had been started: it knows of lists that were not there before. */
void secure_want_new(struct kith_client *client, const struct e2e_wants *wants, uint64_t fetches);
/** Something that came then says that there is a newer list: one that was fetched in vain may be fetched again. */
void secure_doubt_list(struct kith_client *client, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                       uint64_t fetches);
/** That person's list was answered. */
void secure_list_came(struct kith_client *client, struct user_id user, bool helped);
void secure_want_members(struct kith_client *client, struct chat_id chat);
/** The operations of that chat's group, behind those that are known. */
void secure_want_ops(struct kith_client *client, struct chat_id chat);
/** One has come: that there are none, as the server said before this account was in the group, is not so any more. */
void secure_ops_seen(struct kith_client *client, struct chat_id chat);
void secure_want_admit(struct kith_client *client, struct chat_id chat, struct user_id user);
/** They were fetched just now, and there were no more. */
bool secure_knows_ops(const struct kith_client *client, struct chat_id chat);
/** What failed may be tried again at once. */
void secure_fetch_again(struct kith_client *client);
/** Tries what waits, and asks for what is missing. The end of every step. */
void secure_work(struct kith_client *client);
uint64_t secure_next_ms(const struct kith_client *client);

#endif
