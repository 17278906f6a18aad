#ifndef TESTS_SIM_KEYS_H
#define TESTS_SIM_KEYS_H

#include "libkith/e2ee/account.h"
#include "sim.h"

/*
 * The key directory in the simulation: what docs/wire/keys.md says, without a network. It is durable: a crash of the server
 * takes only the counts of its limits. Whatever it hands out stays where it is until the run ends.
 */
#define KEYS_LISTS_MAX 64
#define KEYS_SEQ_MAX   256

struct sim_keys *keys_new(struct sim *sim);
void keys_free(struct sim_keys *keys);
/* A copy that lives until the run ends. */
struct kith_slice keys_copy(struct sim *sim, struct kith_slice bytes);

struct keys_state {
    bool has_list;
    uint64_t list_seq;
    uint32_t opk_count, kem_ot_count, spk_id, kem_lr_id;
};
void keys_show(const struct sim_device *device, struct keys_state *out);
/* CODE_OK; CODE_CONFLICT: the list does not follow, an id is taken; CODE_FORBIDDEN: too many; CODE_UNAUTHORIZED: gone. */
enum kith_code keys_put(struct sim_device *device, const struct e2e_upload *upload, struct keys_state *out);

struct keys_lists {
    struct kith_slice past[KEYS_LISTS_MAX], newest; /* newest empty: none */
    size_t past_count;
    uint64_t list_seq;
};
/* has_after: also those between `after` and the newest. */
void keys_lists(const struct sim *sim, unsigned user, bool has_after, uint64_t after, struct keys_lists *out);

struct keys_bundle {
    bool is_there;
    struct kith_slice spk, kem, opk;
    bool kem_is_last;
};
/* CODE_OK: each of fetch->devices has its bundle, or is missing. CODE_TOO_MANY. */
enum kith_code keys_claim(struct sim_device *device, const struct kith_fetch *fetch, struct keys_bundle *out);

/* A device signs in for the first time, or is signed out for good and loses its keys. */
void keys_signed_in(struct sim_device *device);
void keys_signed_out(struct sim_device *device);

/* The device opened a message of that one. */
void keys_heard(struct sim_device *device, unsigned from);

uint64_t keys_list_seq(const struct sim *sim, unsigned user);
bool keys_has_list(const struct sim *sim, unsigned user);
/* The devices, by number, that the list of that sequence of the server's has with their acceptance. */
uint32_t keys_listed(const struct sim *sim, unsigned user, uint64_t list_seq);
/* Whether the newest list names the device at all. */
bool keys_names(const struct sim_device *device);
/* The newest list's number and hash. 0: none. */
uint64_t keys_newest(const struct sim *sim, unsigned user, uint8_t hash[static E2E_HASH_BYTES]);

unsigned sim_device_number(const struct sim *sim, const uint8_t id[static 16]); /* SIM_DEVICES_MAX: nobody's */
unsigned sim_user_number(const struct sim *sim, const uint8_t id[static 16]);   /* SIM_USERS_MAX: nobody's */

#endif
