#ifndef LIBKITH_E2EE_ACCOUNT_IMPL_H
#define LIBKITH_E2EE_ACCOUNT_IMPL_H

#include "base/map.h"
#include "libkith/e2ee/account_group.h"
#include "libkith/e2ee/account_join.h"
#include "libkith/e2ee/sender_chain.h"

/*
 * The inside of an account: one struct, and the files that each do one job on it. Records' keys are 'E', a letter, and:
 *   'I'                                        this device's keys, the account's where it holds them, a link under way
 *   'P' kind u8, id u32                        a prekey's private half, and the public one until the server has it
 *   'X' kem id u32, spk id u32, ek 32          a use of the prekey of last resort
 *   'L' account 16                             a person: trust, the pinned list, and which of its acceptances held
 *   'S' account 16, device u32, transcript 8   a session
 *   'B' account 16, device u32                 when that device began anew
 *   'T' thread 16                              this device's place in a thread
 *   'H' thread 16, account 16, device u32      what was last heard of a device in a thread
 *   'G' chat 16                                a group: what its operations came to
 *   'K' chat 16, key id 8                      the key of a group's name; of one that was created just now by its group_id;
 *                                              of an older build without the chat
 *   'C' chat 16                                the chain that this device sends with in a group
 *   'D' chat 16                                the devices that have that chain, and those that may
 *   'N'                                        how many one-time prekeys were taken
 *   'O'                                        a number that no rank has reached
 *   'R' chat 16, account 16, device u32, chain id 8    a chain of another device
 *   'J' chat 16                                the secrets of invite links that this device made
 *   'A' chat 16                                which operation a link named that this device asked with
 *   'U' account 16, device u32                 what did not open of that device, and when it was begun anew with for that
 *   'W' account 16, device u32                 what it was given again
 */
#define E2E_RECORD_BYTES_MAX (768u * 1024) /* of a record's value */

#define SESSION_NAME_BYTES 8 /* of its transcript */
#define LAST_RESORT_BYTES  (4 + 4 + E2E_DH_BYTES)

#define E2E_SPK_LIFE_MS (14ull * 24 * 3600 * 1000)
#define E2E_SPK_RENEW_MIN_MS \
    (6ull * 24 * 3600 * 1000) /* after it was made; up to E2E_SPK_RENEW_RANGE_MS more are drawn */
#define E2E_SPK_RENEW_RANGE  (2u * 24 * 3600 * 1000) /* ms: seven days, and one more or less */
#define E2E_SPK_KEEP_MS      (30ull * 24 * 3600 * 1000)
#define E2E_ONE_TIME_LIFE_MS (90ull * 24 * 3600 * 1000)
#define E2E_LIST_LIFE_MS     (30ull * 24 * 3600 * 1000)
#define E2E_LIST_RENEW_MS    (7ull * 24 * 3600 * 1000)
#define E2E_SESSION_LIFE_MS  (30ull * 24 * 3600 * 1000)
#define E2E_ARCHIVED_MS      (30ull * 24 * 3600 * 1000)
#define E2E_PASSED_OVER_MS   (10ull * 60 * 1000)
#define E2E_LAST_RESORT_MAX  65536

/* What this device holds: the record 'I'. */
struct self_keys {
    uint32_t device_id;
    uint8_t dsk_secret[E2E_SIGN_SECRET_BYTES], ddh_secret[E2E_DH_BYTES], ddh_pub[E2E_DH_BYTES];
    bool has_ark, has_aik;
    uint8_t ark_secret[E2E_SIGN_SECRET_BYTES], aik_secret[E2E_SIGN_SECRET_BYTES];
    uint8_t acceptance[E2E_SIGNATURE_BYTES]; /* READY: this device's */
    bool list_unsent;                        /* our list, or our acceptance in it, is still to be uploaded */
    uint64_t spk_renew_at_ms;                /* 0: there is none yet */
    uint64_t anew_at_ms; /* when the server had lasting prekeys that are not ours, or lost ours, last; 0: never */
    bool replaces;       /* then: those made since take the place of all that are there, and were not uploaded yet */
    /* LINKING */
    uint8_t link_dh_secret[E2E_DH_BYTES], link_kem_seed[E2E_KEM_SEED_BYTES], link_secret[16];
    uint64_t link_made_ms;
    struct kith_buf link_request; /* as it was given out */
};

struct prekey_own {
    struct prekey_own *next;
    struct e2e_prekey_secret half;
    uint64_t made_ms;
    struct kith_buf public; /* empty: the server has it */
};

/* One-time prekeys that are gone from the server without a first message: the record 'N'. Of the KEM's, one to a bundle. */
struct prekeys_watch {
    bool is_known;     /* the server has said how many it has; what follows is about that */
    uint32_t expected; /* that it has, if nobody took any but for the first messages that came */
    uint64_t looked_ms;
    uint64_t began_ms, since_ms; /* when the window began; when the server was looked at before that */
    uint32_t taken;              /* in the window, without a first message so far */
};

struct past_device {
    uint32_t device_id;
    uint64_t last_seq; /* the last list that had it */
    uint8_t dsk_pub[E2E_SIGN_PUBLIC_BYTES];
};
#define PAST_DEVICE_BYTES (4 + 8 + E2E_SIGN_PUBLIC_BYTES) /* in the record */
/* The devices that were in a list from `from_seq` on and are in the pinned one no more. */
struct person_past {
    uint64_t from_seq;
    uint8_t prev_hash[E2E_HASH_BYTES]; /* of the list of that number */
    struct past_device *gone;
    uint32_t gone_count;
    uint64_t wanted_seq; /* an older list that an operation names; 0: none. Not kept: the operation is read again */
};

struct person {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    enum e2e_trust trust;
    bool was_reset, is_stale; /* stale: another list is wanted. Not kept: a restart fetches when it is told to */
    bool has_none;            /* no list, says the server. Not kept, either */
    struct e2e_device_list *list;
    struct kith_buf signed_list;
    uint64_t list_seq;
    uint64_t seen_seq;               /* the highest that a device which knows has told us of, 0: none */
    uint64_t reset_at_ms;            /* when the root key changed; 0: never, or the person has acted since */
    uint32_t known[E2E_DEVICES_MAX]; /* those that were in a list which had not expired as it was read */
    uint32_t known_count;
    struct person_past past;
};

/* Lists of somebody's past, in their order, which lead from the one that is wanted to the oldest that is known. */
#define PAST_WALK_MAX (E2E_REMOVED_MAX + E2E_DEVICES_MAX)
struct past_walk {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint64_t first_seq, last_seq;
    uint8_t prev_hash[E2E_HASH_BYTES], last_hash[E2E_HASH_BYTES]; /* before the first; of the last */
    uint32_t had_count;
    struct past_device had[PAST_WALK_MAX];
};

struct peer_key {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint8_t device_id[4];
};

/* One session with a device; the first of a device's is the one to send with, the others only decrypt. */
struct peer_session {
    struct peer_session *next;
    struct e2e_session *session;
    uint64_t rank;        /* the higher, the nearer to the front */
    uint64_t born;        /* its first rank: what was encrypted before has at most that mark */
    uint64_t archived_ms; /* when another one came before it; 0: it is the first */
};

struct peer {
    struct peer_key key;
    struct peer_session *sessions; /* descending in rank */
    uint64_t passed_over_until_ms;
    uint64_t anew_ms[E2E_ANEW_MAX]; /* when it began anew, the newest first; only of a device with sessions */
    uint32_t anew_count;
};

struct thread_place {
    uint64_t sseq; /* of the newest message that the server has numbered; 0: none */
    uint8_t prev[E2E_PREV_BYTES];
    bool has_pending; /* one is sealed and not yet numbered, at sseq + 1 */
    uint8_t pending_id[E2E_ID_BYTES], pending_prev[E2E_PREV_BYTES];
};

#define GROUP_FORMER_BYTES (E2E_ACCOUNT_ID_BYTES + 16) /* in the record */
struct group_former {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint64_t until, event_seq; /* the operation that took them out, and the chat's event with it */
};
#define GROUP_AUTHOR_BYTES (E2E_ACCOUNT_ID_BYTES + 8) /* in the record */
struct group_author {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint64_t list_seq; /* the newest of their lists that they signed an operation under */
};
struct group_place {
    uint8_t chat_id[E2E_ID_BYTES];
    struct e2e_group *group;
    bool is_forked;
    struct group_former former[E2E_GROUP_HEADS_MAX]; /* the newest first */
    uint32_t former_count;
    bool was_in;                                      /* this account is in it, or was once */
    struct group_author authors[E2E_GROUP_HEADS_MAX]; /* who signed last first */
    uint32_t author_count;
};

/* An invite link that this device made. */
struct own_link {
    uint8_t secret[E2E_JOIN_SECRET_BYTES], join_key[E2E_SIGN_PUBLIC_BYTES]; /* the key is of the secret, and not kept */
    uint8_t op_hash[E2E_JOIN_HASH_BYTES]; /* when it holds: of the operation that made it known */
    uint64_t seq;                         /* that operation's; 0: there is no link */
};
struct own_links {
    struct own_link held, next; /* next: its operation is on its way */
};
/* Which group it must be that lets this account in. While there is one, this account is not in the group. */
struct join_pin {
    uint8_t op_hash[E2E_JOIN_HASH_BYTES];
    bool is_met; /* that operation was taken: from it on all signatures are verified */
};

#define CHAIN_READER_KEY_BYTES 8 /* of its dsk_pub: a device of another identity is another */
#define CHAIN_READER_BYTES     (E2E_ACCOUNT_ID_BYTES + 4 + CHAIN_READER_KEY_BYTES)
/* A device that has a chain; as it is in the record, so that they sort by their bytes. */
struct chain_reader {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES], device_id[4], dsk_pub[CHAIN_READER_KEY_BYTES];
};
struct chain_readers {
    struct chain_reader *all; /* ascending */
    uint32_t count;
};
#define CHAIN_READERS_MAX 28000 /* all in one record */
/* What this device sends with in a large group. */
struct own_chain {
    struct e2e_sender_chain *chain;
    struct chain_readers readers; /* they have it */
    struct chain_readers offered; /* they may: it was sealed for them, and nobody knows what the server did with that */
    struct chain_readers giving;  /* of those, in the message giving_id. Not kept */
    uint8_t giving_id[E2E_ID_BYTES];
    uint64_t asked_ms; /* when a new chain was drawn since one that had it asked for something; 0: never */
};

/* Chains of another device in a group: the newest, and those before it whose last messages may be on their way. */
#define RECEIVED_CHAINS_MAX 3
struct received_key {
    uint8_t chat_id[E2E_ID_BYTES], account_id[E2E_ACCOUNT_ID_BYTES], device_id[4];
};
struct received_chain {
    struct e2e_receiver_chain *chain;
    uint8_t id[E2E_CHAIN_ID_BYTES];
    uint64_t rank;
};
struct received {
    struct received_chain chains[RECEIVED_CHAINS_MAX]; /* descending in rank */
    uint32_t count;
};

/* A key_id is whatever a member says: in each group it is another's. */
struct info_key_name {
    uint8_t chat_id[E2E_ID_BYTES]; /* the group_id while there is no chat yet */
    uint8_t id[E2E_GROUP_KEY_ID_BYTES];
};

struct heard_key {
    uint8_t thread_id[E2E_ID_BYTES], account_id[E2E_ACCOUNT_ID_BYTES];
    uint8_t device_id[4];
};

struct e2e_account {
    struct e2e_account_config config;
    enum e2e_account_state state;
    struct self_keys self;
    struct prekey_own *prekeys;
    uint32_t prekey_count;
    uint32_t opks_left, kem_ots_left; /* on the server, as it said last; UINT32_MAX: not known */
    bool has_foreign;                 /* it said that it has some, before there were any here */
    struct prekeys_watch watch;
    struct kith_map people;      /* account_id: struct person *       */
    struct kith_map peers;       /* struct peer_key: struct peer *     */
    struct kith_map threads;     /* thread_id: struct thread_place     */
    struct kith_map heard;       /* struct heard_key: uint64_t sseq, 0: nothing counts yet */
    struct kith_map last_resort; /* 4 + 4 + 32 bytes: nothing          */
    struct kith_map groups;      /* chat_id: struct group_place *      */
    struct kith_map info_keys;   /* struct info_key_name: E2E_KEY_BYTES */
    struct kith_map own_chains;  /* chat_id: struct own_chain *        */
    struct kith_map received;    /* struct received_key: struct received * */
    struct kith_map links;       /* chat_id: struct own_links *        */
    struct kith_map pins;        /* chat_id: struct join_pin           */
    struct kith_map resends;     /* struct peer_key: struct resend_peer * */
    uint64_t rank_next;          /* a count that only rises, also over restarts */
    uint64_t rank_kept;          /* rank_next is at most this one, which is kept */
    struct past_walk *walk;      /* NULL: none. One at a time, since lists are fetched so */
    struct kith_buf upload_list; /* lent by e2e_account_upload(): what the server has when that is over */
};

/* account_record.c: the forms of the records. No memory ends the process: a lost record would be a lost key. */
/** The record whose key is that letter and those bytes: of one field, or none any more. */
void account_keep_bytes(const struct e2e_account *account, uint8_t letter, const uint8_t *key, size_t key_len,
                        struct kith_slice value);
void account_drop_one(const struct e2e_account *account, uint8_t letter, const uint8_t *key, size_t key_len);
void account_keep_self(struct e2e_account *account);
void account_keep_prekey(struct e2e_account *account, const struct prekey_own *own);
void account_drop_prekey(struct e2e_account *account, const struct prekey_own *own);
void account_keep_watch(struct e2e_account *account);
void account_keep_ranks(const struct e2e_account *account);
void account_keep_last_resort(struct e2e_account *account, const uint8_t use[static LAST_RESORT_BYTES]);
void account_drop_last_resort(struct e2e_account *account, const uint8_t use[static LAST_RESORT_BYTES]);
void account_keep_person(struct e2e_account *account, const struct person *person);
void account_keep_session(struct e2e_account *account, const struct peer *peer, const struct peer_session *one);
void account_drop_session(struct e2e_account *account, const struct peer *peer, const struct peer_session *one);
void account_keep_anew(struct e2e_account *account, const struct peer *peer);
void account_drop_anew(struct e2e_account *account, const struct peer *peer);
void account_keep_thread(struct e2e_account *account, const uint8_t thread_id[static E2E_ID_BYTES],
                         const struct thread_place *place);
void account_keep_heard(struct e2e_account *account, const struct heard_key *key, uint64_t sseq);
void account_drop_heard(struct e2e_account *account, const struct heard_key *key);
void account_keep_group(struct e2e_account *account, const struct group_place *place);
void account_drop_group(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES]);
void account_keep_info_key(struct e2e_account *account, const struct info_key_name *name,
                           const uint8_t key[static E2E_KEY_BYTES]);
void account_drop_info_key(struct e2e_account *account, const struct info_key_name *name);

void account_keep_own_chain(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                            const struct own_chain *own);
void account_keep_readers(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                          const struct own_chain *own);
void account_keep_received(struct e2e_account *account, const struct received_key *key,
                           const struct received_chain *one);
void account_drop_received(struct e2e_account *account, const struct received_key *key,
                           const struct received_chain *one);

void account_keep_links(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                        const struct own_links *links);
void account_drop_links(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES]);
void account_keep_pin(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                      const struct join_pin *pin);
void account_drop_pin(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES]);

/* account_self.c */
/** This device in the own pinned list; NULL: not there. */
const struct e2e_device *account_own_device(const struct e2e_account *account);
const struct e2e_device_list *account_own_list(const struct e2e_account *account);
/** Signs `list` (seq, prev_hash and times are set here) with AIK, pins it, and marks it to be uploaded. KITH_E_AGAIN: the one before is not. */
KITH_MUST_USE kith_err account_list_sign(struct e2e_account *account, uint64_t now_ms, struct e2e_device_list *list);
/** One that is listed becomes one that was removed. KITH_E_FULL: E2E_REMOVED_MAX. */
KITH_MUST_USE kith_err account_list_take_out(struct e2e_device_list *list, uint32_t device_id);
/** Re-signs the own list when that is due and this device can. */
void account_list_renew(struct e2e_account *account, uint64_t now_ms);
/** New device keys, whatever was there before; *device is filled but for its times. */
void account_make_device(struct e2e_account *account, struct e2e_device *device);
void account_self_wipe(struct self_keys *self);

/* account_prekey.c */
struct prekey_own *account_prekey_find(const struct e2e_account *account, enum e2e_prekey_kind kind, uint32_t id);
/** Takes it over. */
void account_prekey_link(struct e2e_account *account, struct prekey_own *own);
/** Forgotten, record and all: a one-time one that was used, or one too old; with it the uses of one of last resort. */
void account_prekey_forget(struct e2e_account *account, struct prekey_own *own);
/** A first message has used this one-time KEM prekey up: it goes, and it was taken for that. */
void account_prekey_use(struct e2e_account *account, uint64_t now_ms, struct prekey_own *own);
void account_prekeys_free(struct e2e_account *account);
void account_prekeys_renew(struct e2e_account *account, uint64_t now_ms);

/* account_people.c */
struct person *account_person_find(const struct e2e_account *account,
                                   const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES]);
/** Found or made; NULL: no memory, or E2E_PEOPLE_MAX. */
struct person *account_person_put(struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES]);
/** Copies both into the person. KITH_E_NOMEM: nothing changed. */
KITH_MUST_USE kith_err account_person_pin(struct person *person, const struct e2e_device_list *list,
                                          struct kith_slice signed_list);
/** A list was read: which of its devices may be begun with, now and when it has expired. */
void account_person_know(struct person *person, uint64_t now_ms);
bool account_person_knows(const struct person *person, uint32_t device_id);
/** A newer list is known to be there: nothing is sent by the pinned one. */
bool account_person_is_stale(const struct person *person);
/** The server shows two lists of one number: nothing is sent any more. Gives KITH_E_CONFLICT. */
kith_err account_person_forked(struct e2e_account *account, struct person *person);

enum account_claim { ACCOUNT_CLAIM_KNOWN, ACCOUNT_CLAIM_NEWER, ACCOUNT_CLAIM_FORK };
/** What somebody's word for which list there is comes to beside the pinned one. Believes nothing: no change. */
enum account_claim account_person_claim(const struct person *person, uint64_t seq,
                                        const uint8_t hash[static E2E_HASH_BYTES]);
/** A list of that number is there, says a device that must know: until it has come nothing is sent. */
void account_person_seen(struct e2e_account *account, struct person *person, uint64_t seq);
void account_people_free(struct e2e_account *account);

/* account_past.c */
/** `next` is about to be pinned: what it does not have any more is remembered. KITH_E_NOMEM: nothing is lost. */
KITH_MUST_USE kith_err account_past_step(struct person *person, const struct e2e_device_list *next);
/** A list of the past came, older than the pinned one and of the same root key. The person is not kept. */
void account_past_list(struct e2e_account *account, struct person *person, const struct e2e_device_list *list);
/**
 * A device that the pinned list has no more, but the list `list_seq` had: *out, lent.
 * KITH_E_NOTFOUND: that list had it not. KITH_E_AGAIN: it is to be fetched, and is noted as wanted.
 */
KITH_MUST_USE kith_err account_past_device(struct e2e_account *account, struct person *person, uint32_t device_id,
                                           uint64_t list_seq, const struct past_device **out);
void account_past_free(struct person *person);

/* account_peer.c */
struct peer *account_peer_find(const struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                               uint32_t device_id);
/** Found or made, in the place of one of which nothing is to be remembered if need be. KITH_E_FULL: E2E_PEERS_MAX. KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_peer_put(struct e2e_account *account, uint64_t now_ms,
                                        const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id,
                                        struct peer **out);
/** One more would be taken. */
bool account_peers_have_room(const struct e2e_account *account, uint64_t now_ms);
/**
 * Takes the session over: it sends from now on, and is still to be kept. Beyond E2E_ARCHIVED_MAX others the last one goes.
 * KITH_E_NOMEM: it is not taken.
 */
KITH_MUST_USE kith_err account_peer_add(struct e2e_account *account, uint64_t now_ms, struct peer *peer,
                                        struct e2e_session *session);
/** As it was kept: takes the session over, at its rank. KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_peer_load(struct e2e_account *account, struct peer *peer, struct e2e_session *session,
                                         uint64_t rank, uint64_t born, uint64_t archived_ms);
/** It was archived, and even decrypts no more. */
bool account_peer_has_ended(const struct peer *peer, const struct peer_session *one, uint64_t now_ms);
/** Those that have go, with a step that succeeded. */
void account_peer_drop_ended(struct e2e_account *account, struct peer *peer, uint64_t now_ms);
/** rank_next has risen: in one batch with what has that rank. */
void account_ranks_reserve(struct e2e_account *account);
/** To the front: it sends from now on, and is still to be kept; what it takes the place of, too. */
void account_peer_prefer(struct e2e_account *account, uint64_t now_ms, struct peer *peer, struct peer_session *one);
/** All sessions of devices that the person's list does not have any more. */
void account_peers_prune(struct e2e_account *account, const struct person *person);
/** All sessions with the person: who they were with is nobody's any more. */
void account_peers_drop(struct e2e_account *account, const struct person *person);
void account_peers_free(struct e2e_account *account);

/* account_reach.c */
bool account_is_own(const struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES]);
/** Another device, accepted, and called by a name that leads to it. */
bool account_device_is_reached(const struct e2e_account *account, const struct person *person,
                               const struct e2e_device *device);
/** Trust forbids to write to them what was written then. */
bool account_is_forbidden(const struct person *person, uint64_t sent_at_ms);
/** It has a session to send with, which was not silent for too long. */
bool account_peer_goes_on(const struct peer *peer, uint64_t now_ms);
/** And it is not to be begun anew just now. */
bool account_peer_can_send(const struct e2e_account *account, const struct peer *peer, uint64_t now_ms);
/** It cannot, and a session may be begun with the device. */
bool account_wants_bundle(const struct e2e_account *account, const struct person *person,
                          const struct e2e_device *device, uint64_t now_ms);
/** Appends the message, after its session was kept. KITH_E_NOTFOUND: there is none. KITH_E_TOOBIG, KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_peer_encrypt(struct e2e_account *account, uint64_t now_ms, struct peer *peer,
                                            struct kith_slice plain, struct kith_buf *out);
/** What all of this device's messages say of it. A thread of zeros, sseq 1. */
struct e2e_payload account_payload(const struct e2e_account *account, const uint8_t msg_id[static E2E_ID_BYTES],
                                   uint64_t sent_at_ms);
/** Which list of the other it is made for. */
void account_payload_name_peer(struct e2e_payload *payload, const struct person *person);

/* account_claims.c */
/** Which lists the sender of a message knows, as it says: newer ones, and forks. */
void account_note_lists(struct e2e_account *account, struct person *sender, struct e2e_opened *out);

/* account_thread.c */
/** A device of this account has a message there, as far as this one knows. What a server says of it does not count. */
bool account_has_written(const struct e2e_account *account, const uint8_t thread_id[static E2E_ID_BYTES]);

/* account_anew.c */
/** Whether a session that the device begins now is one too many: there is one in which both can go on, and no tie. */
bool account_anew_is(const struct peer *peer, uint64_t now_ms);
/** It has done so E2E_ANEW_MAX times in E2E_ANEW_MS. */
bool account_anew_is_too_often(const struct peer *peer, uint64_t now_ms);
void account_anew_note(struct e2e_account *account, uint64_t now_ms, struct peer *peer);
/** The device has no sessions any more. */
void account_anew_forget(struct e2e_account *account, struct peer *peer);

/* account_group.c */
struct group_place *account_group_find(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES]);
/** This account is in it, and knows that: not so while the operation that a link names, which it asked with, has not been taken. */
bool account_group_is_in(const struct e2e_account *account, const struct group_place *place);
/** Takes the group over, in place of the one before. NULL: no memory, or E2E_GROUPS_MAX; then it is not taken. */
struct group_place *account_group_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                      struct e2e_group *group, bool is_forked);
/** In it now; or taken out by an operation behind the head that a message names, whose event is behind the message. */
bool account_group_had(const struct group_place *place, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                       uint64_t epoch, uint64_t event_seq);
/** All that is known of it goes, if anything is. This account was never in it. */
void account_group_discard(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES]);
/** Two operations of one number were shown, or are claimed. Gives KITH_E_CONFLICT. */
kith_err account_group_forked(struct e2e_account *account, struct group_place *place);
/* account_chain.c: one ciphertext for a whole group */
/** The chain to send with in the group, after a new one was drawn if it was time for that. KITH_E_NOMEM, KITH_E_FULL. */
KITH_MUST_USE kith_err account_chain_for(struct e2e_account *account, const struct group_place *place, uint64_t now_ms,
                                         struct own_chain **out);
/** Found or made. NULL: no memory, or E2E_GROUPS_MAX. */
struct own_chain *account_chain_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES]);
bool account_chain_has(const struct own_chain *own, const struct person *person, const struct e2e_device *device);
/** The message `msg_id` is about to give it: to nobody yet, whomever it was for when it was sealed before: they stay offered. */
void account_chain_gift(struct own_chain *own, const uint8_t msg_id[static E2E_ID_BYTES]);
/** And to that device. KITH_E_FULL: CHAIN_READERS_MAX. KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_chain_gives(struct own_chain *own, const struct person *person,
                                           const struct e2e_device *device);
/** It is sealed: from now on they may have it. Before it leaves. KITH_E_NOMEM: it must not. */
KITH_MUST_USE kith_err account_chain_offer(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                           struct own_chain *own);
/** That message has its number: they have it. */
void account_chain_given(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                         const uint8_t msg_id[static E2E_ID_BYTES]);
/** A device of a member asks for something: it counts as one that lacks the chain; or there is a new one, once in E2E_RESEND_MS. */
void account_chain_asked(struct e2e_account *account, const struct group_place *place, uint64_t now_ms,
                         const struct person *person, const struct e2e_device *device);
/** That account left the group, or was removed: whoever of it had the chain has it no more, also when they come back. */
void account_chain_void(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                        const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES]);
/** This account did: nothing is sent under it any more. */
void account_chain_end(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES]);
void account_chains_free(struct e2e_account *account);
/* account_received.c: chains of other devices */
/** A chain that came by a session of its device. One that is there already is no news. KITH_E_CONFLICT: another one of that id. KITH_E_MALFORMED, KITH_E_FULL, KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_received_put(struct e2e_account *account, const struct received_key *key,
                                            const uint8_t group_id[static E2E_GROUP_ID_BYTES],
                                            const struct e2e_chain_given *given);
/** NULL: it never came, or is forgotten. */
struct received_chain *account_received_find(const struct e2e_account *account, const struct received_key *key,
                                             const uint8_t chain_id[static E2E_CHAIN_ID_BYTES]);
/** All of the group's: nothing that was said there while this account was in it is still to come. */
void account_received_end(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES]);
/** All chains of the person's devices: who gave them is nobody's any more. */
void account_received_drop(struct e2e_account *account, const struct person *person);
/** As it was kept: takes the chain over. KITH_E_FULL, KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_received_load(struct e2e_account *account, const struct received_key *key,
                                             const struct received_chain *one);

/* account_join.c */
/** Its join_key, of its secret. */
void account_link_fill(struct own_link *link, const uint8_t chat_id[static E2E_ID_BYTES]);
/** A link for the operation `seq`: the one that was drawn for it before, or a new one. Secret; not kept yet. */
void account_link_draw(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES], uint64_t seq,
                       struct own_link *out);
/** Keeps it, until an operation of its number is taken. KITH_E_FULL: E2E_GROUPS_MAX. KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_link_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                        const struct own_link *next);
/** Found or made. KITH_E_FULL, KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_links_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                         struct own_links **out);
enum account_pin { ACCOUNT_PIN_NONE, ACCOUNT_PIN_AWAITED, ACCOUNT_PIN_MET };
/** Whether a link that this device asked with names `op`, or one that was taken before it. */
enum account_pin account_join_pin(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                  const struct e2e_group_op *op);
/** A link that this device asked with names an operation that has not been taken yet: the group may be another one. */
bool account_join_awaits(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES]);
/** `op` was taken, and has led to what the place has now: links that hold no more go, and the pin when this account is in. */
void account_join_step(struct e2e_account *account, const struct group_place *place, const struct e2e_group_op *op);
void account_joins_free(struct e2e_account *account);

/* account_group_keys.c */
/** Kept, of that chat, or of a group that has none yet by its group_id; one of an id that is known there is ignored. KITH_E_FULL: E2E_INFO_KEYS_MAX. KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_info_key_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                            const struct e2e_group_info_key *key);
/** The group's `create` was taken: what was kept by its group_id is of its chat. */
void account_info_key_settle(struct e2e_account *account, const struct group_place *place);
/* For a device that is linked: of each its chat, its id and itself. */
#define ACCOUNT_INFO_KEY_BYTES      (E2E_ID_BYTES + E2E_GROUP_KEY_ID_BYTES + E2E_KEY_BYTES)
#define ACCOUNT_INFO_KEYS_BYTES_MAX (512u * ACCOUNT_INFO_KEY_BYTES)
/** Appends those of the groups that this account is in, as many as there is room for. Secret. KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_info_keys_put(const struct e2e_account *account, struct kith_buf *out);
void account_info_keys_take(struct e2e_account *account, struct kith_slice keys);
/** The key of that group's name goes, if it is here. */
void account_info_key_forget(struct e2e_account *account, const struct group_place *place);
/** What is known to be given: the key of its name, if it is here. Secret. */
void account_group_keys_of(const struct e2e_account *account, const struct group_place *place,
                           struct e2e_group_keys *out);
void account_groups_free(struct e2e_account *account);

/** More than a ciphertext for each device is good for: one goes to all, under a chain. */
static inline bool account_is_large(const struct e2e_account *account, const struct e2e_group *group)
{
    return group->member_count > account->config.pairwise_max;
}

static inline void account_want(struct e2e_wants *wants, enum e2e_want_kind kind,
                                const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], const uint8_t *server_device)
{
    struct e2e_want *want;

    if (wants->count == E2E_WANTS_MAX) return;
    want = &wants->items[wants->count++];
    *want = (struct e2e_want){.kind = kind};
    memcpy(want->account_id, account_id, E2E_ACCOUNT_ID_BYTES);
    if (server_device != NULL) memcpy(want->server_device, server_device, E2E_SERVER_DEVICE_BYTES);
}

#endif
