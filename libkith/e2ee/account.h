#ifndef LIBKITH_E2EE_ACCOUNT_H
#define LIBKITH_E2EE_ACCOUNT_H

#include "libkith/e2ee/payload.h"
#include "libkith/e2ee/session.h"

/**
 * One device's whole part in kith/1: its keys and prekeys, the lists it has pinned, its sessions, its place in each thread.
 * It has no I/O: what it cannot do without the server it answers with KITH_E_AGAIN and a list of wants; the caller fetches
 * those, hands them in, and asks again.
 *
 * Every change is handed to `keep` or `drop` before the function returns. The caller must make them durable before a
 * ciphertext leaves and before what was opened is acknowledged: then no (key, nonce) pair is used twice and nothing is
 * lost, whenever it is killed. A function that fails has kept nothing, unless it says so.
 *
 * One thread at a time. Source: docs/wire/e2ee.md.
 */
struct e2e_account;

struct e2e_account_config {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint8_t server_device[E2E_SERVER_DEVICE_BYTES];
    uint32_t one_time_keys; /* kept with the server of each kind, at most E2E_PREKEYS_MAX; 0: so many */
    uint32_t pairwise_max;  /* members of a group that is written to pairwise, at most E2E_MEMBERS_MAX; 0: so many */
    struct e2e_random random;
    void (*keep)(void *arg, struct kith_slice key, struct kith_slice value); /* secret; lent for the call */
    void (*drop)(void *arg, struct kith_slice key);
    void *arg;
};

#define E2E_RECORD_KEY           'E' /* the first byte of every record's key */
#define E2E_RECORD_KEY_BYTES_MAX 64
#define E2E_PEOPLE_MAX           20000
#define E2E_PEERS_MAX            (E2E_PEOPLE_MAX * 4) /* devices with a session, or passed over now */
#define E2E_THREADS_MAX          100000               /* that this device wrote in */
#define E2E_HEARD_MAX            400000               /* devices in threads of which something was heard */
#define E2E_PREKEYS_MAX          100                  /* of each one-time kind, on the server */
#define E2E_PREKEYS_LOW          50   /* fewer are left there: filled up; when fewer are kept there, half of them */
#define E2E_PREKEYS_KEPT_MAX     1024 /* private halves */
#define E2E_ARCHIVED_MAX         5
#define E2E_ANEW_MAX             3 /* sessions that a device begins anew in E2E_ANEW_MS */
#define E2E_ANEW_MS              (24ull * 3600 * 1000)
#define E2E_MEMBERS_MAX          64     /* of a chat whose messages go pairwise */
#define E2E_RECEIVED_MAX         200000 /* devices in groups with a chain of theirs */

/** NULL: no memory. */
struct e2e_account *e2e_account_new(const struct e2e_account_config *config);
void e2e_account_free(struct e2e_account *account); /* wipes; NULL is fine */
/** Before anything else: each record that was kept, in any order. KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_account_load(struct e2e_account *account, struct kith_slice key, struct kith_slice value);

enum e2e_account_state {
    E2E_ACCOUNT_EMPTY,   /* no keys here yet: found the account, or ask to be linked */
    E2E_ACCOUNT_LINKING, /* the request was made, the answer is awaited              */
    E2E_ACCOUNT_READY,
    E2E_ACCOUNT_REMOVED, /* a newer list of the own account lacks this device        */
};
enum e2e_account_state e2e_account_state(const struct e2e_account *account);

/** The account's first device: makes all keys, list 1 and prekeys. Only when the server has no list of it. KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_account_found(struct e2e_account *account, uint64_t now_ms);

/* ---- what the server keeps for us */
struct e2e_upload { /* len 0: nothing new of that kind; lent until the next call */
    struct kith_slice list, spk, kem_lr;
    struct kith_slice opks[E2E_PREKEYS_MAX], kem_ots[E2E_PREKEYS_MAX];
    uint32_t opk_count, kem_ot_count;
    bool replaces; /* opks and kem_ots take the place of all that are there */
};
/** Makes and renews what is due, and re-signs the list when it is a manager's turn. False: there is nothing to upload. */
bool e2e_account_upload(struct e2e_account *account, uint64_t now_ms, struct e2e_upload *out);
/** The server has all of the upload, and so many one-time keys now. */
void e2e_account_uploaded(struct e2e_account *account, uint64_t now_ms, uint32_t opk_count, uint32_t kem_ot_count);
/** The server's number of the own list. */
void e2e_account_own_seq(struct e2e_account *account, uint64_t list_seq);
#define E2E_PREKEYS_ANEW_MS (24ull * 3600 * 1000)
struct e2e_prekeys_left {
    uint32_t opk_count, kem_ot_count;
    uint32_t spk_id, kem_lr_id; /* 0: none */
};
/**
 * The server says what it has left, when it is asked. When that are lasting prekeys whose private halves are not here, this device
 * was put back to an older state: all of its prekeys are made anew, and take the place of those that are there. When it has none,
 * though all were uploaded, it is given new ones. Either at most once in E2E_PREKEYS_ANEW_MS.
 */
void e2e_account_prekeys_left(struct e2e_account *account, uint64_t now_ms, const struct e2e_prekeys_left *left);

#define E2E_PREKEYS_TAKEN_MS    (24ull * 3600 * 1000)
#define E2E_PREKEYS_TAKEN_ALARM 50
struct e2e_prekeys_taken {
    uint32_t count;    /* one-time keys that are gone from the server, and began nothing here so far */
    uint64_t since_ms; /* that is of which time; 0: of none, and count is 0 */
    bool is_alarm;     /* E2E_PREKEYS_TAKEN_ALARM or more: somebody empties them, or the server does */
};
/**
 * In a window of E2E_PREKEYS_TAKEN_MS. Counted here, of what this device has left there, what the server said of it since, and the
 * first messages that came: more may have been taken, fewer not.
 */
struct e2e_prekeys_taken e2e_account_prekeys_taken(const struct e2e_account *account, uint64_t now_ms);

/* ---- people */
enum e2e_trust {
    E2E_TRUST_UNKNOWN, /* no list is pinned                                                        */
    E2E_TRUST_KNOWN,   /* pinned at the first contact                                              */
    E2E_TRUST_VERIFIED,
    E2E_TRUST_CHANGED, /* another root key, and it was verified before: nothing is sent until the person acts */
    E2E_TRUST_FORKED,  /* the server showed two lists of one number: nothing is sent                */
};
struct e2e_person {
    enum e2e_trust trust;
    bool was_reset;                     /* the root key has changed since the first contact */
    uint64_t reset_at_ms;               /* when that came to be known here; 0: not so, or e2e_account_verify() since */
    const struct e2e_device_list *list; /* lent; NULL: none */
    uint64_t list_seq;                  /* the server's number, which STALE_DEVICES is about; 0: none, or nobody */
};
/** About anybody, the own account too. */
struct e2e_person e2e_account_person(const struct e2e_account *account,
                                     const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES]);
/**
 * A list that was fetched, with the server's number for it; 0: one of the past, on the way to the newest.
 * KITH_OK        pinned, or the same          KITH_E_DENIED, KITH_E_MALFORMED, …  not believed: as e2e_device_list_read()
 * KITH_E_CONFLICT  FORK, ROLLBACK or REUSED: not pinned; the person's trust may have changed
 * KITH_E_NOTFOUND  a gap: the lists between are missing       KITH_E_FULL, KITH_E_NOMEM
 * Keeps what it changed also on KITH_E_CONFLICT. With a device that only an expired list has no session is begun.
 */
KITH_MUST_USE kith_err e2e_account_list(struct e2e_account *account, uint64_t now_ms,
                                        const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint64_t list_seq,
                                        struct kith_slice signed_list);
/**
 * The server has none of that person, with its number for that, 0 when it has no such person: in a group nobody waits for somebody
 * without devices. One that is pinned stays, with trust and sessions; a newer one that somebody told of is still waited for. The
 * number takes the place of the one before, until there is a list again. It is for STALE_DEVICES alone: a server that says it of
 * somebody who is there makes itself refuse what is sent, and changes nothing of who can read it.
 */
void e2e_account_no_list(struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                         uint64_t list_seq);
/**
 * Which lists of the person's past are wanted next (E2E_WANT_PAST): those behind the number *after, in their order, by
 * e2e_account_list() with list_seq 0. False: none are.
 */
bool e2e_account_past(const struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                      uint64_t *after);
/** The server has a newer list of this account: it is wanted before the next sealing. */
void e2e_account_stale(struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES]);
/**
 * The person compared the safety number, or takes it back, or has seen that the root key changed. KITH_E_NOTFOUND: nothing
 * is pinned, or it is FORKED.
 */
KITH_MUST_USE kith_err e2e_account_verify(struct e2e_account *account,
                                          const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], bool verified);

/**
 * A claimed bundle, as the server gave it; opk.len 0: none. Begins a session. Errors: as prekey.h, session.h, and
 * KITH_E_CONFLICT  there is a session to send with: nobody asked    KITH_E_NOTFOUND  no such device, accepted
 * KITH_E_DENIED    this device, or one that only an expired list has    KITH_E_FULL  E2E_PEERS_MAX
 */
struct e2e_claimed {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES], server_device[E2E_SERVER_DEVICE_BYTES];
    struct kith_slice spk, kem, opk;
    bool kem_is_last;
};
KITH_MUST_USE kith_err e2e_account_bundle(struct e2e_account *account, uint64_t now_ms,
                                          const struct e2e_claimed *claimed);
/** The device has left no keys: it is passed over for now. Not kept. */
void e2e_account_no_bundle(struct e2e_account *account, uint64_t now_ms,
                           const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                           const uint8_t server_device[static E2E_SERVER_DEVICE_BYTES]);

/* ---- messages */
#define E2E_WANTS_MAX 64
enum e2e_want_kind { E2E_WANT_LIST = 1, E2E_WANT_PAST, E2E_WANT_BUNDLE, E2E_WANT_OPS, E2E_WANT_GIFT };
struct e2e_want {
    enum e2e_want_kind kind;
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];       /* OPS, GIFT: the chat's id */
    uint8_t server_device[E2E_SERVER_DEVICE_BYTES]; /* BUNDLE */
};
struct e2e_wants {
    struct e2e_want items[E2E_WANTS_MAX];
    uint32_t count; /* what did not fit is asked for next time */
};

struct e2e_seal {
    uint8_t thread_id[E2E_ID_BYTES], msg_id[E2E_ID_BYTES];
    const uint8_t (*members)[E2E_ACCOUNT_ID_BYTES]; /* all of the chat's, the own account too; ascending */
    uint32_t member_count;                          /* 1..E2E_MEMBERS_MAX; not looked at of a group, whose they are */
    bool is_group;                                  /* thread_id is the chat of a group: e2e_account_group() */
    struct kith_slice content_type, body;
    uint64_t sent_at_ms;
};
/**
 * Appends application/x-kith-bodies: one message for every device of every member but this one. In a group of more than
 * pairwise_max it is one for all, under this device's chain, with the digest of their lists; while a device lacks that chain *wants is E2E_WANT_GIFT alone: a
 * message of E2E_GROUP_KEYS_TYPE without a body, which gives it, goes out before it. One message of a thread at a time:
 * until e2e_account_accepted() says that the server has it, the next sealing, of this message or another, takes the same
 * place in the thread.
 *
 * In a large group a new chain may have been drawn and kept, whatever comes of it.
 *
 * KITH_E_AGAIN   *wants says what is missing; nothing: the own list is to be uploaded first
 * KITH_E_DENIED   trust forbids it: *wants names the account. Also of
 *                what was sent_at before the root key changed: until e2e_account_verify() says that the person knows
 * KITH_E_FULL    E2E_THREADS_MAX; or somebody can only be written to by knowing more than E2E_PEOPLE_MAX, E2E_PEERS_MAX
 * KITH_E_CLOSED  this device is not READY, or the account is in the group no more
 * KITH_E_NOTFOUND  no such group; or a gift to nobody
 * KITH_E_TOOBIG, KITH_E_NOMEM: sessions may have stepped
 */
KITH_MUST_USE kith_err e2e_account_seal(struct e2e_account *account, uint64_t now_ms, const struct e2e_seal *seal,
                                        struct e2e_wants *wants, struct kith_buf *out);

/** The server has numbered it. */
void e2e_account_accepted(struct e2e_account *account, const uint8_t thread_id[static E2E_ID_BYTES],
                          const uint8_t msg_id[static E2E_ID_BYTES]);

struct e2e_envelope { /* as the server says it */
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES], server_device[E2E_SERVER_DEVICE_BYTES];
    uint8_t thread_id[E2E_ID_BYTES], msg_id[E2E_ID_BYTES];
    struct kith_slice message;
    bool is_fresh;     /* the sender's list was fetched since it came: a device that it lacks is no device */
    bool is_own_fresh; /* the own list was: one that it does not reach to is none */
    bool is_group;     /* the chat is a group's */
    bool is_mail;      /* it came to the mailbox: thread_id is zeros */
    bool is_ops_fresh; /* its operations were: a head beyond them is none */
    uint64_t seq;      /* of a group's: in its chat. Who was removed by an event behind it could write it */
};
struct e2e_opened {
    struct e2e_payload payload; /* its slices are lent from `plain` */
    uint64_t missed;            /* messages of that device in that thread that never came */
    bool wants_step;            /* the sender's ratchet waits for an answer here, whatever it says, and may have one */
    bool is_anew;               /* the sender began a session with it, though there was one that went on */
    bool is_common;             /* one ciphertext for all, under a chain of the sender's */
    uint8_t newer[2][E2E_ACCOUNT_ID_BYTES]; /* whose newer lists it tells of, the first to do so */
    uint32_t newer_count;
    bool is_lost;       /* it could not be opened, and its device may be asked for it again: e2e_account_lost() */
    uint32_t device_id; /* then: that device; else the payload's */
};
/**
 * Opens it, into `plain`; what it says of itself must be what the envelope says.
 *
 * KITH_E_AGAIN      *wants says what is missing
 * KITH_E_CONFLICT   a repeat: it was opened before             KITH_E_DENIED     not for us, not of a listed device, or broken;
 *                   or it would be the E2E_ANEW_MAX + 1st session that its device begins anew in E2E_ANEW_MS
 * KITH_E_CLOSED     this device is not READY                   KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_TOOBIG, KITH_E_NOMEM
 * KITH_E_FULL       it begins a session with a device for which there is no room: E2E_PEERS_MAX
 * KITH_E_NOTFOUND   it is for who has a chain that this device was not given: not for this one
 */
KITH_MUST_USE kith_err e2e_account_open(struct e2e_account *account, uint64_t now_ms,
                                        const struct e2e_envelope *envelope, struct e2e_wants *wants,
                                        struct kith_buf *plain, struct e2e_opened *out);

/**
 * When that device last began a session though there was one that went on, the newest first; how many of them: 0 to E2E_ANEW_MAX.
 * It has lost its state; or somebody has its keys, but not its state.
 */
uint32_t e2e_account_anew(const struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                          uint32_t device_id, uint64_t out[static E2E_ANEW_MAX]);

/* ---- linking another device of the same person (docs/wire/e2ee.md, "Linking"); texts are bytes, for a file or a paste */
#define E2E_LINK_BYTES_MAX   65536
#define E2E_LINK_CODE_DIGITS 30
#define E2E_LINK_LIFE_MS     (10ull * 60 * 1000)

/** On the new device, EMPTY or LINKING: a new request; an older one is void. */
KITH_MUST_USE kith_err e2e_account_link_request(struct e2e_account *account, uint64_t now_ms, struct kith_buf *out);
/** Digits of a request or an answer, which both screens show: the person compares them. */
void e2e_link_code(struct kith_slice text, char out[static E2E_LINK_CODE_DIGITS]);
/**
 * On a manager, READY: signs the next list with the new device in it and appends the answer. Upload the list first.
 * KITH_E_DENIED  another account's request, or too old       KITH_E_CLOSED  this device is no manager
 * KITH_E_AGAIN   the list before is still to be uploaded
 * KITH_E_FULL    E2E_DEVICES_MAX                             KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_NOMEM
 */
KITH_MUST_USE kith_err e2e_account_link_approve(struct e2e_account *account, uint64_t now_ms, struct kith_slice request,
                                                struct kith_buf *out);
/** On the new device, LINKING: READY afterwards. KITH_E_DENIED: not an answer to our request, or what it says is wrong. */
KITH_MUST_USE kith_err e2e_account_link_accept(struct e2e_account *account, uint64_t now_ms, struct kith_slice answer);
/** On a manager: the next list without that device. KITH_E_NOTFOUND; KITH_E_CLOSED: no manager; KITH_E_AGAIN: as above. */
KITH_MUST_USE kith_err e2e_account_remove_device(struct e2e_account *account, uint64_t now_ms,
                                                 const uint8_t server_device[static E2E_SERVER_DEVICE_BYTES]);

#endif
