#ifndef TESTS_UNIT_KITH1_RUN_H
#define TESTS_UNIT_KITH1_RUN_H

#include <jansson.h>

#include "libkith/e2ee/group.h"
#include "libkith/e2ee/payload.h"
#include "libkith/e2ee/sender_chain.h"
#include "libkith/e2ee/session.h"

/*
 * The steps of tests/vectors/kith1_*.json, as its README describes them, on libkith/e2ee. What a step gives is built as JSON
 * and compared whole, so that nothing that a file says is passed over. Sessions, groups and chains live on from step to step,
 * unlike in the WebAssembly module, where each step begins with an encoded state.
 */
#define KITH1_PINS_MAX     4
#define KITH1_SESSIONS_MAX 16
#define KITH1_SECRETS_MAX  4
#define KITH1_KEYS_MAX     16
#define KITH1_IDS_MAX      256
#define KITH1_LENT_MAX     1024 /* each member of a create is one */
#define KITH1_GROUPS_MAX   32
#define KITH1_CHAINS_MAX   32

/* What is pinned of an account. */
struct kith1_pin {
    struct e2e_device_list *list; /* NULL: a first contact */
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint32_t in_time[KITH1_IDS_MAX]; /* devices of lists that had not expired as they were read */
    size_t in_time_count;
};

struct kith1_session {
    const char *name; /* lent from the file */
    struct e2e_session *session;
};

struct kith1_group {
    const char *name; /* lent from the file */
    struct e2e_group *group;
};
/* One of one's own, or another device's. */
struct kith1_chain {
    const char *name; /* lent from the file */
    struct e2e_sender_chain *sender;
    struct e2e_receiver_chain *receiver;
};

struct kith1_use {
    uint32_t kem_id, spk_id;
    uint8_t ek_pub[E2E_DH_BYTES];
};
/* A device's private keys. */
struct kith1_secrets {
    const char *name; /* lent from the file */
    uint8_t ddh[E2E_DH_BYTES];
    struct e2e_prekey_secret keys[KITH1_KEYS_MAX]; /* kind 0: used up */
    size_t key_count;
    struct kith1_use uses[KITH1_KEYS_MAX]; /* of prekeys of last resort */
    size_t use_count;
};

struct kith1_run {
    struct kith1_pin pins[KITH1_PINS_MAX];
    struct kith1_session sessions[KITH1_SESSIONS_MAX];
    struct kith1_secrets secrets[KITH1_SECRETS_MAX];
    struct kith1_group groups[KITH1_GROUPS_MAX];
    struct kith1_chain chains[KITH1_CHAINS_MAX];
    struct kith_slice coins;
    bool overdrawn;
    struct e2e_random random;
    void *lent[KITH1_LENT_MAX]; /* until the step ends */
    size_t lent_count;
    const json_t *expected; /* the step's `out` */
    kith_err begin_err;     /* what the last `begin` came to */
};

/* What a step came to: NULL, or the name of the refusal. */
typedef const char *kith1_refusal;
#define KITH1_REFUSED "REFUSED"
static inline kith1_refusal kith1_refusal_of(kith_err err)
{
    return err == KITH_OK ? NULL : KITH1_REFUSED;
}

/* ---- for the files of steps */
/* Ends the program: what is wrong is the file, or this runner. */
void kith1_need(bool good, const char *what);
/* Memory until the step ends. */
void *kith1_lend(struct kith1_run *run, size_t len);
struct kith_slice kith1_unhex(struct kith1_run *run, const json_t *hex);
/* Of `args`. A missing one is {NULL, 0}; there and empty it has a pointer. */
struct kith_slice kith1_bytes(struct kith1_run *run, const json_t *args, const char *name);
/* Of this length, or the program ends. */
const uint8_t *kith1_fixed(struct kith1_run *run, const json_t *args, const char *name, size_t len);
uint64_t kith1_number(const json_t *args, const char *name);
uint32_t kith1_u32(const json_t *args, const char *name);
void kith1_out(json_t *out, const char *name, struct kith_slice bytes);
void kith1_out_number(json_t *out, const char *name, uint64_t number);

struct kith1_pin *kith1_pin(struct kith1_run *run, const uint8_t *account_id);
bool kith1_may_begin(const struct kith1_pin *pin, const struct e2e_device *device, uint64_t now_ms);
/* NULL when there is none yet. */
struct kith1_session *kith1_session(struct kith1_run *run, const json_t *args, const char *arg);

/* Empty ones are made for names that no step had yet. */
struct kith1_group *kith1_group(struct kith1_run *run, const json_t *args);
struct kith1_chain *kith1_chain(struct kith1_run *run, const json_t *args);
/* All fields of it that are there, without the padding. */
void kith1_out_payload(const struct e2e_payload *payload, json_t *out);

typedef kith1_refusal kith1_op(struct kith1_run *run, const json_t *args, json_t *out);
/* NULL: not one of that file. */
kith1_op *kith1_list_op(const char *name);
kith1_op *kith1_payload_op(const char *name);
kith1_op *kith1_resend_op(const char *name);
kith1_op *kith1_session_op(const char *name);
kith1_op *kith1_group_op(const char *name);
kith1_op *kith1_join_op(const char *name);
kith1_op *kith1_chain_op(const char *name);

/* ---- for the test */
struct kith1_count {
    size_t cases, good, steps;
};
/* Runs all cases of a file; what is not as it says is told on stderr, the first of each case. */
struct kith1_count kith1_run_file(const json_t *file, const char *name);

#endif
