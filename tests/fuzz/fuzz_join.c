#include <stdlib.h>

#include "libkith/e2ee/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A link, and a request by it of a device whose key is of the seed 7. */
static const struct e2e_join_link invite = {.chat_id = {4}, .secret = {5}, .op_hash = {6}};
static uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES], join_key[E2E_SIGN_PUBLIC_BYTES];
static struct kith_buf known; /* NULL: not made yet */

static void need(bool good)
{
    if (!good) abort();
}

static void setup(void)
{
    static const uint8_t seed[E2E_SIGN_SEED_BYTES] = {7};
    struct e2e_join_request request = {.device_id = 1, .list_seq = 2, .made_at_ms = 3, .known_seq = 4};

    e2e_sign_keypair_from(seed, secret, public);
    e2e_join_key(&invite, join_key);
    memset(request.account_id, 8, sizeof request.account_id);
    memset(request.list_hash, 9, sizeof request.list_hash);
    kith_buf_init(&known, E2E_JOIN_SIGNED_BYTES_MAX);
    need(e2e_join_sign(&invite, &request, secret, &known) == KITH_OK);
}

static void read_link(struct kith_slice in)
{
    uint8_t out[E2E_JOIN_LINK_BYTES], key[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_join_link link;

    if (e2e_join_link_decode(in, &link) != KITH_OK) return;
    e2e_join_link_encode(&link, out);
    need(in.len == sizeof out && memcmp(in.ptr, out, sizeof out) == 0);
    e2e_join_key(&link, key);
    need(e2e_sign_check(key) == KITH_OK);
}

/* Its own words, asked anew with the link: read as they were, and proved. */
static void ask_again(struct e2e_join_request request)
{
    struct e2e_join_request read;
    struct kith_buf out;

    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    need(e2e_join_sign(&invite, &request, secret, &out) == KITH_OK);
    need(e2e_join_decode(kith_buf_peek(&out), &read) == KITH_OK);
    need(e2e_join_prove(&read) == KITH_OK && e2e_join_verify(&read, public) == KITH_OK);
    need(memcmp(read.account_id, request.account_id, sizeof read.account_id) == 0);
    need(memcmp(read.list_hash, request.list_hash, sizeof read.list_hash) == 0);
    need(read.device_id == request.device_id && read.list_seq == request.list_seq);
    need(read.made_at_ms == request.made_at_ms && read.known_seq == request.known_seq);
    kith_buf_deinit(&out);
}

/* Only the one request that was made with the link is proved by it, and only that one is the device's. */
static void read_request(struct kith_slice in)
{
    struct e2e_join_request request, ours;

    if (e2e_join_decode(in, &request) != KITH_OK) return;
    need(request.device_id != 0 && request.list_seq != 0);
    need(e2e_join_decode(kith_buf_peek(&known), &ours) == KITH_OK);
    if (memcmp(request.join_key, join_key, sizeof join_key) == 0 && e2e_join_prove(&request) == KITH_OK)
        need(kith_slice_eq(request.bytes, ours.bytes) && kith_slice_eq(request.proof, ours.proof));
    if (e2e_join_verify(&request, public) == KITH_OK)
        need(kith_slice_eq(request.bytes, ours.bytes) && kith_slice_eq(request.signature, ours.signature));
    ask_again(request);
}

/* The first byte says what the rest is: a link, or a signed request. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (known.ptr == NULL) setup();
    if (size == 0) return 0;
    if (data[0] == 0)
        read_link(kith_slice_of(data + 1, size - 1));
    else
        read_request(kith_slice_of(data + 1, size - 1));
    return 0;
}
