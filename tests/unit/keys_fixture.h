#ifndef TESTS_UNIT_KEYS_FIXTURE_H
#define TESTS_UNIT_KEYS_FIXTURE_H

#include "account/keys.h"
#include "api_fixture.h"

/**
 * Signed lists, of keys that come of seeds: the account's root and list key of its id, a device's of its own. Prekeys in
 * their form, with keys and signatures that nobody made: the server looks at no others.
 */
#define PREKEY_X25519_BYTES E2E_DH_BYTES
#define PREKEY_MLKEM_BYTES  E2E_KEM_PUBLIC_BYTES

struct made_list {
    struct kith_uuid account;
    uint64_t seq;
    const uint8_t *prev_hash;        /* 32 bytes; NULL: none */
    const struct kith_uuid *devices; /* their numbers are 1, 2, … */
    uint32_t device_count;
    uint32_t accept_count; /* of the devices; 0: no such field */
    uint8_t fill;          /* otherwise equal lists with another are others */
    uint8_t root, aik;     /* another root key, another list key: the account's 1st, 2nd, … */
    uint32_t aik_counter;  /* 0: 1 */
    size_t list_bytes;     /* what is signed has so many, by a field to be stepped over; 0: as they come */
    const uint32_t *removed;
    uint32_t removed_count;
};

/** Each appends; a NULL `hash` is not wanted. */
void made_list_put(struct kith_buf *out, const struct made_list *list, uint8_t hash[32]);
/** What this device signs with, according to every made_list. */
void made_device_secret(struct kith_uuid device, uint8_t dsk_secret[static 64]);
void fake_prekey_put(struct kith_buf *out, uint32_t id, size_t public_bytes, uint64_t fill);
/** One field. */
void fake_field_put(struct kith_buf *out, uint16_t tag, struct kith_slice value);

/* The body of PUT /devices/me/keys, member by member. */
void upload_begin(struct kith_buf *json);
void upload_bytes(struct kith_buf *json, const char *name, struct kith_slice bytes);
void upload_true(struct kith_buf *json, const char *name);
void upload_prekey(struct kith_buf *json, const char *name, uint32_t id, size_t public_bytes, uint64_t fill);
/** Ids first to first + count - 1; the key of each is made of fill + id. */
void upload_prekeys(struct kith_buf *json, const char *name, uint32_t first, uint32_t count, size_t public_bytes,
                    uint64_t fill);
/** The same, good for nobody from then on. */
void upload_prekeys_ending(struct kith_buf *json, const char *name, uint32_t first, uint32_t count, size_t public_bytes,
                           uint64_t fill, uint64_t ends_ms);
/** NUL-terminated; lent from `json`. */
const char *upload_end(struct kith_buf *json);

struct kith_uuid uuid_of(const char *text);
/** PUT /devices/me/keys with what was begun; frees it. */
struct reply *send_keys(struct afx *fx, const struct person *who, struct kith_buf *json);
/** PUT /devices/me/keys with this list. */
struct reply *send_signed(struct afx *fx, const struct person *who, struct kith_slice signed_list);
struct reply *send_made(struct afx *fx, const struct person *who, const struct made_list *list, uint8_t hash[32]);
/** A list of the asking device alone, which `prev` leads to (NULL: none); `hash` gets its own. */
struct reply *send_list(struct afx *fx, const struct person *who, uint64_t seq, const uint8_t *prev,
                        uint32_t accept_count, uint8_t fill, uint8_t hash[32]);
/** GET /users/{user_id}/devices. */
struct reply *devices_of(struct afx *fx, const struct person *by, const char *user);
/* Both free. */
void expect_counts(struct reply *reply, json_int_t list_seq, json_int_t opks, json_int_t kem_ots);
void expect_refused(struct reply *reply, unsigned status, const char *code, const char *pointer);

/** A number for prekeys that no upload had before. */
uint64_t fresh_fill(void);
/** One-time prekeys with ids from 100 on, made of `fill`; with lasting ones, these have the ids 1 and 2. */
void leave_these(struct afx *fx, const struct person *who, uint32_t opks, uint32_t kem_ots, uint64_t fill,
                 bool lasting);
/** Both, fresh. */
void leave_keys(struct afx *fx, const struct person *who, uint32_t opks, uint32_t kem_ots);
/** POST /keys/claim of one device. */
struct reply *claim(struct afx *fx, const struct person *by, const struct person *of);
/** The ids in an answer with one bundle, after a look at their form; 0: there is none. Frees. */
struct got {
    uint32_t spk, kem, opk;
    bool is_last;
};
struct got got_of(struct reply *reply);
/** The first writes to the second, who accepts. */
void befriend(struct afx *fx, const struct person *asks, const struct person *accepts, bool encrypted);
/** A message that was made for this number of the other's devices. */
struct reply *say(struct afx *fx, const struct person *by, const struct person *to, const char *chat,
                  json_int_t list_seq);

#endif
