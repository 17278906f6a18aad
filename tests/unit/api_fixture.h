#ifndef TESTS_UNIT_API_FIXTURE_H
#define TESTS_UNIT_API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "adapters/directory/directory_mem.h"
#include "adapters/log/log_mem.h"
#include "adapters/msgstore/msgstore_mem.h"
#include "api/api.h"
#include "loop/loop_sim.h"

/**
 * A server without sockets: two loops of a simulated world, reference adapters, the core's owners, accounts, and an API
 * on the second loop (the accounts' home is the first). Requests are made by calls and answered while the world turns.
 * Everything survives afx_crash() that would survive a crash.
 */
#define AFX_LOOPS 2

struct afx_watcher {
    struct account_watcher base; /* first */
    struct device_id devices[64];
    size_t count;
    size_t receipts_count; /* how often receipts were switched; last: whose, to what */
    struct user_id receipts_user;
    bool receipts_on;
};

struct afx {
    struct sim_world *world;
    struct loop *loops[AFX_LOOPS], *log_loop;
    struct directory_mem_image *directory_image;
    struct msgstore_mem_image *store_image;
    struct log_mem_store log_store;
    enum account_registration registration;
    uint32_t delay_ms_max;
    uint32_t members_max, person_per_minute, address_per_minute;
    bool is_open, started;
    struct directory *directory;
    struct msgstore *store;
    struct log *log;
    struct asker *askers[AFX_LOOPS];
    struct shard_listener *listeners[AFX_LOOPS];
    struct shard_owner *owners[AFX_LOOPS];
    struct accounts *accounts;
    struct api *api;
    struct afx_watcher watchers[AFX_LOOPS];
    struct api_check check;    /* what /readyz finds */
    char peer[64];             /* of the next request */
    const char *headers[8][2]; /* besides Authorization, Content-Type; NULL ends */
    size_t live_replies;
};

/** A server that has run before its first request. delay_ms_max: of directory and store. */
struct afx *afx_new(uint64_t seed, enum account_registration registration, uint32_t delay_ms_max);
void afx_free(struct afx *fx);
void afx_crash(struct afx *fx);
/** The same at this very step; what is on its way between loops is never freed. */
void afx_kill(struct afx *fx);
void afx_open(struct afx *fx);
/** Lets simulated time pass. */
void afx_run_ms(struct afx *fx, uint64_t ms);
/** Turns until `done` is true. */
void afx_until(struct afx *fx, const bool *done);
uint64_t afx_wall_ms(const struct afx *fx);

/** An invite for the first admin; waits. */
void afx_bootstrap(struct afx *fx, struct account_bootstrap *op);

/* One request and its answer. */
struct reply {
    struct api_exchange base; /* first */
    struct afx *fx;
    struct http1_request request;
    struct http1_header headers[16];
    char *target, *text, *auth;
    void (*aborted)(void *arg);
    void *arg;
    bool done;
    unsigned status;
    char content_type[64], allow[64], retry_after[16], authenticate[32];
    char *body;
    size_t body_len;
    json_t *json; /* NULL: none */
};

/** Starts a request: token and body may be NULL. Free the reply with reply_free(), after its answer or abort. */
struct reply *afx_start(struct afx *fx, const char *method, const char *target, const char *token, const char *body);
/** The same, and waits. */
struct reply *afx_ask(struct afx *fx, const char *method, const char *target, const char *token, const char *fmt, ...)
    KITH_PRINTF(5, 6);
void reply_wait(struct reply *reply);
void reply_abort(struct reply *reply);
void reply_free(struct reply *reply);
/** A string or number of the answer by path: "chats/0/name". Fails the test when it is not there. */
const char *reply_str(const struct reply *reply, const char *path);
json_int_t reply_int(const struct reply *reply, const char *path);
bool reply_bool(const struct reply *reply, const char *path);
/** NULL when it is not there. */
json_t *reply_at(const struct reply *reply, const char *path);
/** Status and, for a problem, code. Fails the test otherwise. Frees. */
void expect(struct reply *reply, unsigned status, const char *code);
/** As expect(), but keeps. */
struct reply *expect_kept(struct reply *reply, unsigned status, const char *code);

/* A person with a device. */
struct person {
    char user[40], device[40], access[64], refresh[64], name[65];
};
/** Registers by an open invite of the first admin, who is made when there is none. */
struct person afx_person(struct afx *fx, const char *name);
/** The tokens of an answer. */
struct person person_of(const struct reply *reply, const char *name);
struct person afx_login(struct afx *fx, const char *name, const char *device);
#define AFX_PASSWORD "correct horse"

/** A chat's id, static until the 8th next call. */
const char *afx_chat(struct afx *fx, const struct person *by, const char *type, bool encrypted,
                     const char *members_json);
/** A UUIDv7 of now, static until the 8th next call. */
const char *afx_msg_id(struct afx *fx);

int afx_setup_invite(void **state);
int afx_setup_open(void **state);
int afx_teardown(void **state);

#endif
