#ifndef KITH_ACCOUNT_KEYS_H
#define KITH_ACCOUNT_KEYS_H

#include "account/device_list.h"
#include "libkith/e2ee/prekey.h"

/**
 * The key directory: what devices sign for each other, kept in order and handed out. A list is verified before it is taken
 * (device_list.h); of prekeys only the form is read. Operations as in account.h. docs/wire/keys.md.
 */
#define ACCOUNT_KEY_LOOKUPS       3000          /* device lists asked for in a minute by one person            */
#define ACCOUNT_LIST_UPLOADS      60            /* lists that one person brings in a minute: each is verified  */
#define ACCOUNT_CLAIM_DEVICES_MAX 64            /* of one request                                              */
#define ACCOUNT_CLAIMS            6             /* bundles of one device that one person gets at once          */
#define ACCOUNT_CLAIM_MS          (600u * 1000) /* after which one more is given                               */
#define ACCOUNT_CLAIM_ENTRIES     (1u << 18)    /* pairs of person and device that are remembered              */
#define ACCOUNT_PAST_LISTS_MAX    32            /* older lists in one answer; the next ones are asked for again */
#define ACCOUNT_PREKEYS_RESERVED  10            /* the last of each kind of a device are for accepted contacts */

struct account_prekey {
    uint32_t id;
    struct kith_slice prekey; /* encoded; lent until done */
    uint8_t public_hash[DIRECTORY_HASH_BYTES];
};

/** Errors as e2e_prekey_parse(). */
KITH_MUST_USE kith_err account_prekey_read(struct kith_slice prekey, enum e2e_prekey_kind kind,
                                           struct account_prekey *out);

struct account_keys_state {
    uint64_t list_seq; /* the server's number, which bodies name */
    bool has_list;
    uint32_t spk_id, kem_lr_id; /* 0: none */
    size_t opk_count, kem_ot_count;
};

/**
 * Takes a signed list, prekeys, or both, all or nothing; the same again changes nothing. After OK every chat knows that
 * the list has changed.
 *
 * code: OK; BAD_REQUEST, BAD_SIGNATURE, FORBIDDEN (the list, as account_list_verify() says), CONFLICT (the list does not
 * follow the stored one; an id or a public key that is taken), FORBIDDEN (KITH_PREKEYS_MAX), TOO_MANY (lists),
 * UNAUTHORIZED (signed out meanwhile).
 */
struct account_keys_put {
    struct account_call call;
    struct account_identity who;
    struct kith_slice signed_list; /* lent until done; empty: none */
    bool has_spk, has_kem_lr;
    struct account_prekey spk, kem_lr;
    const struct account_prekey *opks, *kem_ots; /* lent until done */
    size_t opk_count, kem_ot_count;
    bool replaces;                  /* they take the place of all that are there: those which are not among them go */
    struct account_keys_state keys; /* out: as it is now */
    const char *refused;            /* out: which of list, spk, kem_lr, opks, kem_ots is meant; NULL: none */
    /* The module's. */
    struct hash_job verify;
    struct e2e_device_list list;
};
void account_keys_put(struct accounts *accounts, struct account_keys_put *op);

/** What the server has of the asking device. code: OK. */
struct account_keys_show {
    struct account_call call;
    struct account_identity who;
    struct account_keys_state keys;
};
void account_keys_show(struct accounts *accounts, struct account_keys_show *op);

/** A person's devices, and the list they signed of them. code: OK; NOT_FOUND, TOO_MANY. */
struct account_user_devices {
    struct account_call call;
    struct account_identity who;
    struct user_id user;
    uint64_t list_seq;
    size_t count;
    struct device_id devices[KITH_DEVICES_PER_USER_MAX];
    size_t list_len; /* 0: none */
    uint8_t list[KITH_SIGNED_LIST_BYTES_MAX];
    bool has_after; /* in: also those between `after` and the newest, ascending, the first ACCOUNT_PAST_LISTS_MAX */
    uint64_t after;
    size_t past_count;
    struct kith_slice past[ACCOUNT_PAST_LISTS_MAX]; /* the module's memory: account_user_devices_free() */
    kith_err err;
};
void account_user_devices_free(struct account_user_devices *op);
void account_user_devices(struct accounts *accounts, struct account_user_devices *op);

struct account_bundle {
    struct account_device_ref device; /* in */
    bool found;                       /* out; false: no such device of that person, or it has no keys */
    bool is_last_resort;
    struct kith_slice spk, kem, opk; /* out: encoded, lent until account_claim_free(); opk may be empty */
    /* The module's. */
    bool known, is_contact, is_taken;
};

/**
 * Takes a bundle of each device: its one-time prekeys are gone from the server when this is answered.
 * code: OK; TOO_MANY (for one of them; then nothing was taken), BAD_REQUEST (the asking device itself, or one twice).
 */
struct account_claim {
    struct account_call call;
    struct account_identity who;
    size_t count; /* 1 to ACCOUNT_CLAIM_DEVICES_MAX */
    struct account_bundle bundles[ACCOUNT_CLAIM_DEVICES_MAX];
    size_t refused; /* out, with BAD_REQUEST: which */
    /* The module's. */
    struct kith_buf bytes; /* of the bundles */
    struct msgstore_get get;
    struct row_key key;
    size_t at;
    bool encrypted;
};
void account_claim(struct accounts *accounts, struct account_claim *op);
/** What it holds; also of one that never began, if it is zeroed. */
void account_claim_free(struct account_claim *op);

#endif
