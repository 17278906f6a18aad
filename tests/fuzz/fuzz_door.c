#include <stdlib.h>

#include "base/prng.h"
#include "libkith/crypto/tlv.h"
#include "libkith/wasm/door.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A host that makes any calls with any bytes, in any order: no call ends the process. A byte names the call, one for each
 * argument says what it is: an id, a number, what the last call answered, or the bytes that follow. Calls that take a
 * passphrase are left out: they take Argon2id's time.
 */
static const char *const names[] = {
#define X(name, kind, count, what) #name,
    KITH_DOOR_CALLS(X)
#undef X
};
#define NAMES (sizeof names / sizeof *names)

struct host {
    struct door *door;
    struct kith_slice left;
    struct kith_time now;
    uint32_t client, vault;
    struct kith_buf in, out, last;
};

static void fill(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

static uint8_t next_byte(struct host *host)
{
    uint8_t byte = 0;

    kith_ignore(kith_eat_u8(&host->left, &byte)); /* at the end: 0 */
    return byte;
}

static void put_arg(struct host *host, struct e2e_tlv_writer *w, uint16_t tag)
{
    uint8_t kind = next_byte(host), id[16] = {kind};
    struct kith_slice bytes = {0};

    if (kind < 16)
        e2e_tlv_put(w, tag, kith_slice_of(id, sizeof id));
    else if (kind < 32)
        e2e_tlv_put_u8(w, tag, kind - 16);
    else if (kind < 40)
        e2e_tlv_put_u32(w, tag, kind - 32u);
    else if (kind < 48)
        e2e_tlv_put_u64(w, tag, kind - 40u);
    else if (kind < 64)
        e2e_tlv_put(w, tag, kith_buf_peek(&host->last));
    else {
        size_t len = kind - 64u < host->left.len ? kind - 64u : host->left.len;
        kith_ignore(kith_eat_bytes(&host->left, len, &bytes)); /* they are there */
        e2e_tlv_put(w, tag, bytes);
    }
}

static kith_err call(struct host *host, const char *name)
{
    const struct door_call *found = door_find(name);
    uint32_t handle = found->kind == DOOR_VAULT ? host->vault : host->client;
    size_t before;
    kith_err err;

    kith_buf_reset(&host->out);
    kith_ignore(kith_buf_append_u8(&host->out, 1)); /* one byte */
    before = kith_buf_len(&host->out);
    err = door_run(host->door, found, handle, host->now, kith_buf_peek(&host->in), &host->out);
    if (err != KITH_OK && kith_buf_len(&host->out) != before) abort();
    kith_buf_reset(&host->in);
    if (err != KITH_OK) return err;
    kith_buf_consume(&host->out, before);
    if (found->kind == DOOR_NONE && strcmp(name, "client_new") == 0)
        host->client = e2e_tlv_u32(kith_buf_peek(&host->out));
    if (found->kind == DOOR_NONE && strcmp(name, "vault_new") == 0)
        host->vault = e2e_tlv_u32(kith_buf_peek(&host->out));
    return KITH_OK;
}

/* As a host does: all that can be carried out. */
static void run_effects(struct host *host)
{
    while (call(host, "client_next") == KITH_OK) {
        uint8_t kind = kith_buf_peek(&host->out).ptr[6];
        if (kind == KITH_EFFECT_PERSIST) {
            while (call(host, "client_record") == KITH_OK) continue;
            if (call(host, "client_persisted") != KITH_OK) abort();
        }
        if (kind == KITH_EFFECT_CONNECT) kith_ignore(call(host, "client_connected")); /* it may be gone */
    }
}

static void step(struct host *host)
{
    const char *name = names[next_byte(host) % NAMES];
    struct e2e_tlv_writer w = e2e_tlv_writer_of(&host->in);

    host->now.mono_ms += 100;
    host->now.wall_ms += 100;
    if (strncmp(name, "vault_key_", 10) == 0) {
        run_effects(host);
        return;
    }
    for (size_t i = 0; i < door_find(name)->arg_count; i++) put_arg(host, &w, (uint16_t)(i + 1));
    if (e2e_tlv_finish(&w) != KITH_OK) return;
    if (call(host, name) != KITH_OK) return;
    kith_buf_reset(&host->last);
    kith_ignore(kith_buf_append(&host->last, kith_buf_peek(&host->out))); /* else it is empty */
}

/* A client that encrypts, and asks for few keys. */
static void first_client(struct host *host)
{
    static const uint8_t id[16] = {1};
    struct e2e_tlv_writer w = e2e_tlv_writer_of(&host->in);

    e2e_tlv_put(&w, 1, kith_slice_of(id, sizeof id));
    e2e_tlv_put(&w, 2, kith_slice_of(id, sizeof id));
    e2e_tlv_put_u32(&w, 3, 0);
    e2e_tlv_put_u8(&w, 4, 1);
    e2e_tlv_put_u8(&w, 5, 1);
    e2e_tlv_put_u8(&w, 6, 1);
    e2e_tlv_put_u32(&w, 7, 2);
    if (e2e_tlv_finish(&w) != KITH_OK || call(host, "client_new") != KITH_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kith_prng prng;
    const struct e2e_random random = {.fill = fill, .arg = &prng};
    struct host host = {.left = kith_slice_of(data, size), .now = {.mono_ms = 1000, .wall_ms = 1767225600000ull}};

    kith_prng_seed(&prng, 7);
    host.door = door_new(&random);
    if (host.door == NULL) return 0;
    kith_buf_init(&host.in, E2E_TLV_BYTES_MAX);
    kith_buf_init(&host.out, E2E_TLV_BYTES_MAX);
    kith_buf_init(&host.last, E2E_TLV_BYTES_MAX);
    first_client(&host);
    while (host.left.len > 0) step(&host);
    door_free(host.door);
    kith_buf_deinit(&host.in);
    kith_buf_deinit(&host.out);
    kith_buf_deinit(&host.last);
    return 0;
}
