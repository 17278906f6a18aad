#ifndef KITH_TESTS_E2E_TOWN_H
#define KITH_TESTS_E2E_TOWN_H

#include "base/map.h"
#include "base/prng.h"
#include "libkith/e2ee/account.h"

/*
 * People with several devices each, and the server between them, in one process: what the tests of whole accounts of kith/1
 * begin with. Coins come of a seed, the clock is `now_ms`, a device's records are in a map, so that it can be killed and
 * loaded again at any moment. What must go well here ends the program when it does not, and three things are watched over
 * the whole of a run: no key encrypts twice, no nonce comes twice, no device opens a message twice.
 *
 * The server is honest until a test changes what it has or hooks what it shows.
 */
#define TOWN_NOW            1767225600000ull
#define TOWN_DAY_MS         (24ull * 3600 * 1000)
#define TOWN_PEOPLE_MAX     67
#define TOWN_DEVICES_MAX    34 /* of a person, removed ones too */
#define TOWN_LISTS_MAX      96 /* of a person */
#define TOWN_MAILS_MAX      4096
#define TOWN_COINS_MAX      65536
#define TOWN_RECORD_KEY     (1 + E2E_RECORD_KEY_BYTES_MAX) /* its length before it */
#define TOWN_CIPHER_MAX     (512u * 1024)
#define TOWN_ROUNDS_MAX     8 /* of asking the server for what a call lacks */
#define TOWN_TEXT_BYTES_MAX 128
#define TOWN_GROUPS_MAX     4
#define TOWN_PAST_MAX       32 /* lists of the past in an answer */

/* Ends the program: the world itself went wrong, or one of the things that are watched did. */
#define town_need(good) town_need_at((good), #good, __FILE__, __LINE__)
void town_need_at(bool good, const char *what, const char *file, int line);

struct town_prekeys {
    struct kith_buf *items; /* all that ever came: the same again is not taken */
    size_t count, taken;    /* the first `taken` were handed out */
};

struct town;
struct town_group;
struct town_person;

struct town_device {
    struct town *town;
    struct town_person *person;
    uint8_t server_device[E2E_SERVER_DEVICE_BYTES];
    struct e2e_account *account;
    struct kith_map records; /* what it kept: its key with the length before it, to a struct kith_buf */
    uint64_t writes;         /* how often it kept or dropped one */
    /* On the server. */
    struct kith_buf spk, kem_lr;
    struct town_prekeys opks, kem_ots;
    size_t read; /* of town->mails: all before it were looked at */
};

struct town_person {
    struct town *town;
    uint8_t id[E2E_ACCOUNT_ID_BYTES];
    struct town_device *devices[TOWN_DEVICES_MAX];
    size_t device_count;
    struct kith_buf lists[TOWN_LISTS_MAX]; /* by seq, the first at [0] */
    size_t list_count;
    uint64_t list_seq; /* the server's number: another one whenever the newest changes */
    bool is_deleted;   /* the account: the server knows nobody by that id */
};

struct town_chat {
    uint8_t id[E2E_ID_BYTES];
    uint8_t members[TOWN_PEOPLE_MAX][E2E_ACCOUNT_ID_BYTES]; /* ascending */
    uint32_t member_count;
    bool is_group; /* town_group.h; the members are those that the sender knows of */
};

/* What the server has of a message. */
struct town_mail {
    struct town_device *from;
    uint8_t thread_id[E2E_ID_BYTES], msg_id[E2E_ID_BYTES];
    struct kith_buf bodies;
    bool is_keys;                           /* of a group: they are taken, and nobody checks what they say */
    bool is_common;                         /* one ciphertext for all that have the chain */
    char text[TOWN_TEXT_BYTES_MAX];         /* what it says, for who checks */
    uint64_t sealed_ms, sealed_mark, epoch; /* when it was encrypted; under which head of a group */
    uint8_t dest[E2E_ACCOUNT_ID_BYTES];     /* of a chat of two: the other */
};

/* Where a device is killed: behind its n-th call, in one of these ways. */
enum town_cut {
    TOWN_CUT_AFTER,  /* what it kept is there, and so is what it gave                */
    TOWN_CUT_DURING, /* nothing of the call is there: it is made again               */
    TOWN_CUT_LOST,   /* what it kept is there, what it gave is not: it is made again */
};
#define TOWN_CUTS 3

struct town {
    struct kith_prng prng, order; /* order: in which records are loaded */
    uint64_t now_ms;
    struct town_person *people[TOWN_PEOPLE_MAX];
    size_t person_count;
    struct town_group *groups[TOWN_GROUPS_MAX];
    size_t group_count;
    struct town_mail *mails;
    size_t mail_count;
    uint32_t pairwise_max;   /* members of a group that is written to pairwise; 0: as many as there may be */
    bool has_few_prekeys;    /* devices that come make no one-time prekeys: sessions begin with those of last resort */
    bool has_blind_managers; /* they do not look whether the device that they linked has accepted */
    bool is_cloned;          /* an older state of a device was put back: its keys repeat, and only nonces must not */
    /* Killing. */
    uint64_t calls, cut_at; /* cut_at 0: nobody is killed */
    enum town_cut cut;
    uint64_t cuts;
    /* Watched. */
    struct kith_map keys_used, nonces_used, chain_keys_used, opened;
    struct kith_buf wire; /* all that any device ever gave to the server */
    uint8_t (*coins)[32]; /* every draw of 32 and both halves of every one of 64: the raw private keys */
    size_t coin_count;
    /* A server that lies. May change what is shown, len 0: nothing is. */
    void *arg;
    void (*show_list)(void *arg, const struct town_device *asker, const struct town_person *of, size_t index,
                      struct kith_slice *list);
    void (*show_bundle)(void *arg, const struct town_device *asker, struct e2e_claimed *claimed);
    void (*show_op)(void *arg, const struct town_device *asker, size_t index, struct kith_slice *op);
};

/** The number of the mail `index` in its chat: even, so that what a group does comes between two. */
static inline uint64_t town_seq(size_t index)
{
    return 2 * (uint64_t)index + 2;
}

struct town *town_new(uint64_t seed);
void town_free(struct town *town);

/* ---- town.c: devices and what they keep */
/** A person and their first device, founded and uploaded. */
struct town_device *town_join(struct town *town);
/** The same under an id that somebody may have already. */
struct town_device *town_join_as(struct town *town, const uint8_t id[static E2E_ACCOUNT_ID_BYTES]);
/** A device that has signed in and has no keys yet. */
struct town_device *town_device_new(struct town_person *person);
/** Another device of the same person, linked by this one; both have uploaded. */
struct town_device *town_link(struct town_device *manager);
/** Killed, and loaded from what it kept. */
void town_restart(struct town_device *device);
/** The same from other records, which are copied. */
void town_restart_from(struct town_device *device, const struct kith_map *records);
struct kith_map town_records_copy(const struct town_device *device);
void town_records_free(struct kith_map *records);
/** A digest of all records: the same when nothing was changed. */
void town_state_hash(const struct town_device *device, uint8_t out[static E2E_HASH_BYTES]);
/** The random of a device. */
struct e2e_random town_random(struct town *town);

/* ---- town_server.c */
/** Uploads what is due until nothing is. */
void town_upload(struct town_device *device);
/** What it says to that device of its prekeys: so many, and the lasting ones that are there. */
struct e2e_prekeys_left town_left(const struct town_device *device, uint32_t opk_count, uint32_t kem_ot_count);
void town_say_left(struct town_device *device, uint32_t opk_count, uint32_t kem_ot_count);
/** The device asks, and is told the truth; then it uploads what is due. */
void town_look(struct town_device *device);
/** Fetches what is wanted: lists, sessions, a group's operations. */
void town_fetch(struct town_device *device, const struct e2e_wants *wants);
/** The lists of a person, as the client asks for them: what follows the pinned one, or the newest. What that came to. */
kith_err town_fetch_list(struct town_device *device, struct town_person *of);
/** Those of the past that the device wants, as many as the server gives at once. */
void town_fetch_past(struct town_device *device, const struct town_person *of);
struct town_person *town_person_of(struct town *town, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES]);
struct town_device *town_device_of(struct town *town, const uint8_t server_device[static E2E_SERVER_DEVICE_BYTES]);
/** Puts a list in as its owner's newest. */
void town_list_put(struct town_person *person, struct kith_slice signed_list);
/** The newest list of a person, read. */
struct e2e_device_list *town_list_of(const struct town_person *person);

/* ---- town_mail.c */
struct town_chat town_chat_of(struct town *town, const struct town_person *const *people, size_t count);
struct town_chat town_chat_two(const struct town_device *a, const struct town_device *b);
struct e2e_seal town_seal_of(const struct town_chat *chat, const uint8_t msg_id[static E2E_ID_BYTES], const char *text,
                             uint64_t sent_at_ms);
void town_id(struct town *town, uint8_t out[static E2E_ID_BYTES]);
/** Seals with all the fetching that it takes. */
kith_err town_seal(struct town_device *from, const struct e2e_seal *seal, struct kith_buf *out);
/** Seals, and posts it; the server refuses it while its lists are old. *mail: its place in town->mails. */
kith_err town_try_send(struct town_device *from, const struct town_chat *chat, const char *text, size_t *mail);
/** The same with the keys of a group, which `body` has. */
kith_err town_try_send_keys(struct town_device *from, const struct town_chat *chat, struct kith_slice body);
/** The first of the two; it goes well. */
struct town_mail *town_send(struct town_device *from, const struct town_chat *chat, const char *text);
/** The ciphertext for a device; len 0: none. */
struct kith_slice town_body(const struct town_mail *mail, const struct town_device *to);
struct e2e_envelope town_envelope(const struct town_mail *mail, const struct town_device *to);
/** Opens with all the fetching that it takes. `plain`: initialised by this; kith_buf_wipe() it. */
kith_err town_open_envelope(struct town_device *to, struct e2e_envelope envelope, struct kith_buf *plain,
                            struct e2e_opened *opened);
/** Opens a mail and checks that it says what was written. missed: may be NULL. */
kith_err town_open(struct town_device *to, const struct town_mail *mail, uint64_t *missed);
/** Opens all that came and is for it: everything must open. How many did. */
size_t town_read(struct town_device *to);

/** Counts a call of a device; true: it is to be killed behind it, as town->cut says. */
bool town_call(struct town_device *device, struct kith_map *before);

#endif
