#ifndef TESTS_UNIT_CLIENT_HOST_H
#define TESTS_UNIT_CLIENT_HOST_H

/*
 * A client that encrypts, and its host: effects are carried out, the clock is the test's, and what is asked of the server's
 * REST is answered by the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "libkith/client.h"

#define HOST_DEVICE "05000000-0000-4000-8000-000000000000" /* of others */

struct host {
    struct kith_prng prng;
    struct kith_client *client;
    struct kith_time now;
    uint64_t timer_ms;
    bool is_asked; /* `fetch` is to be answered */
    struct kith_fetch fetch;
    unsigned seq, shown, failed, receipts;
    unsigned deleted[256]; /* records, by the first byte of their key */
    enum kith_code failed_code, offline_code;
    struct kith_keys keys; /* what the server has of it */
};

static inline void host_random_of(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

static inline void host_persist(struct host *host, struct kith_slice records)
{
    struct kith_slice key = {0}, value = {0};
    bool is_put = false;

    while (kith_record_next(&records, &is_put, &key, &value) == KITH_OK)
        host->deleted[key.ptr[0]] += !is_put; /* by kind */
    kith_client_persisted(host->client);
}

static inline void host_run(struct host *host)
{
    struct kith_effect e;

    while (kith_client_next(host->client, &e) == KITH_OK) {
        if (e.kind == KITH_EFFECT_PERSIST) host_persist(host, e.bytes);
        if (e.kind == KITH_EFFECT_CONNECT) kith_client_connected(host->client, host->now);
        if (e.kind == KITH_EFFECT_TIMER) host->timer_ms = e.at_ms;
        if (e.kind == KITH_EFFECT_FAILED) {
            host->failed++;
            host->failed_code = e.code;
        }
        if (e.kind == KITH_EFFECT_MESSAGE) host->shown++;
        if (e.kind == KITH_EFFECT_RECEIPT) host->receipts++;
        if (e.kind == KITH_EFFECT_STATE && e.connection == KITH_OFFLINE) host->offline_code = e.code;
        if (e.kind != KITH_EFFECT_FETCH) continue;
        assert_false(host->is_asked); /* one at a time */
        host->is_asked = true;
        host->fetch = e.fetch;
    }
}

static inline void host_say(struct host *host, const char *frame)
{
    uint8_t bytes[1024];
    size_t len = strlen(frame) + 1; /* with its NUL */

    assert_true(len <= sizeof bytes);
    memcpy(bytes, frame, len);
    kith_client_bytes(host->client, host->now, bytes, len);
    host_run(host);
}

static inline void host_answer(struct host *host, bool ok)
{
    assert_true(host->is_asked);
    host->is_asked = false;
    kith_client_fetched(host->client, host->now, ok);
    host_run(host);
}

/* The next timer, unless that is after `end`. The server lives: it beats. */
static inline bool host_pass(struct host *host, uint64_t end)
{
    uint64_t at = host->timer_ms;

    if (at > end) return false;
    if (at > host->now.mono_ms) {
        host->now.wall_ms += at - host->now.mono_ms;
        host->now.mono_ms = at;
    }
    host->timer_ms = UINT64_MAX;
    kith_client_bytes(host->client, host->now, (uint8_t[]){'\n'}, 1);
    kith_client_tick(host->client, host->now);
    host_run(host);
    return true;
}

/* To be loaded, then started. */
static inline void host_new(struct host *host, uint64_t seed)
{
    struct kith_client_config config = {.encrypts = true, .one_time_keys = 2, .random = host_random_of};

    *host = (struct host){.now = {.mono_ms = 1000, .wall_ms = 1800000000000}, .timer_ms = UINT64_MAX};
    kith_prng_seed(&host->prng, seed);
    config.random_arg = &host->prng;
    config.user.id.raw[0] = 1;
    config.device.id.raw[0] = 2;
    host->client = kith_client_new(&config);
    assert_non_null(host->client);
}

/* Until its first question. */
static inline void host_start(struct host *host)
{
    kith_client_token(host->client, host->now, kith_slice_str("token"));
    kith_client_start(host->client, host->now);
    host_run(host);
    kith_client_tick(host->client, host->now);
    host_run(host);
    host_say(host, "CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n");
    assert_int_equal(host->fetch.kind, KITH_FETCH_KEYS);
}

static inline void host_open(struct host *host, uint64_t seed)
{
    host_new(host, seed);
    host_start(host);
}

static inline uint32_t host_prekey_id(struct kith_slice bytes, enum e2e_prekey_kind kind)
{
    struct e2e_prekey prekey;

    assert_int_equal(e2e_prekey_parse(bytes, kind, &prekey), KITH_OK);
    return prekey.id;
}

/* Its keys are with the server. */
static inline void host_ready(struct host *host, uint64_t seed)
{
    struct e2e_upload *upload;

    host_open(host, seed);
    kith_client_keys(host->client, &(struct kith_keys){0});
    host_answer(host, true);
    assert_int_equal(host->fetch.kind, KITH_FETCH_UPLOAD);
    upload = malloc(sizeof *upload);
    assert_non_null(upload);
    assert_true(kith_client_upload(host->client, upload));
    host->keys = (struct kith_keys){.has_list = true, .list_seq = 1, .opk_count = 2, .kem_ot_count = 2};
    host->keys.spk_id = host_prekey_id(upload->spk, E2E_PREKEY_SPK);
    host->keys.kem_lr_id = host_prekey_id(upload->kem_lr, E2E_PREKEY_KEM_LR);
    free(upload);
    kith_client_uploaded(host->client, 1, 2, 2);
    host_answer(host, true);
    assert_false(host->is_asked);
    assert_true(kith_client_is_settled(host->client));
}

static inline void host_event(struct host *host, const char *chat, const char *sender)
{
    char frame[512];

    host->seq++;
    (void)snprintf(frame, sizeof frame,
                   "MESSAGE\nsubscription:inbox\nmessage-id:%u\nack:%u\ndestination:/chat/%s"
                   "\nseq:%u\ntype:message\nencrypted:true\nsender:%s\nsender-device:" HOST_DEVICE
                   "\ncontent-type:application/vnd.kith.e2ee\n\nnot a ciphertext",
                   host->seq, host->seq, chat, host->seq, sender);
    host_say(host, frame);
}

static inline struct kith_uuid host_id_of(const char *text)
{
    struct kith_uuid id;

    assert_int_equal(kith_uuid_parse(kith_slice_str(text), &id), KITH_OK);
    return id;
}

/* Whether it asks for that person's list, with others or alone. */
static inline bool host_asks_list(const struct host *host, const char *user)
{
    for (uint32_t i = 0; i < host->fetch.list_count; i++)
        if (kith_uuid_eq(host->fetch.lists[i].user.id, host_id_of(user))) return true;
    return false;
}

#endif
