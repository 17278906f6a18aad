#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/memcheck.h>

#include "libkith/crypto/aead.h"
#include "libkith/crypto/dh.h"
#include "libkith/crypto/kem.h"
#include "libkith/crypto/secret.h"
#include "libkith/crypto/sign.h"
#include "libkith/e2ee/group_keys.h"
#include "libkith/e2ee/join.h"
#include "tests/chain_world.h"
#include "tests/e2e_world.h"

/*
 * Run under valgrind by tools/dev/secrets.sh: secrets are marked as undefined memory, so valgrind reports each branch and
 * each index that depends on one. Results that everybody may see are marked as defined again before they are looked at.
 * `secrets NAME` runs one case; `secrets planted` branches on a secret and must be reported; without a name: all but that.
 */
static void mark(const void *secret, size_t len)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(secret, len);
}

static void unmark(const void *bytes, size_t len)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(bytes, len);
}

static void need(bool good, const char *what)
{
    if (good) return;
    (void)fprintf(stderr, "secrets: %s\n", what);
    exit(2);
}

static struct kith_slice slice(const void *bytes, size_t len)
{
    return kith_slice_of(bytes, len);
}

static void compare(void)
{
    uint8_t a[32] = {1}, b[32] = {1}, c[32] = {2};

    mark(a, sizeof a);
    need(e2e_ct_eq(slice(a, 32), slice(b, 32)), "same is not equal");
    need(!e2e_ct_eq(slice(a, 32), slice(c, 32)), "another is equal");
    need(!e2e_ct_is_zero(a, 32), "not zero is zero");
}

static void hex(void)
{
    uint8_t secret[256], back[256];
    char text[E2E_CT_HEX_BYTES(256)];
    size_t len = 0;

    for (int i = 0; i < 256; i++) secret[i] = (uint8_t)i;
    mark(secret, sizeof secret);
    e2e_ct_hex_encode(slice(secret, 256), text);
    need(e2e_ct_hex_decode(slice(text, sizeof text), back, &len) == KITH_OK && len == 256, "hex");
    unmark(back, sizeof back);
    unmark(secret, sizeof secret);
    need(memcmp(back, secret, 256) == 0, "hex came back as another");
    mark(text, sizeof text);
    text[7] = 'x';
    need(e2e_ct_hex_decode(slice(text, sizeof text), back, &len) == KITH_E_MALFORMED, "bad hex");
}

static void base64url(void)
{
    uint8_t secret[256], back[257];
    char text[E2E_CT_BASE64URL_BYTES(256)];
    size_t len = 0;

    for (int i = 0; i < 256; i++) secret[i] = (uint8_t)(i * 37);
    mark(secret, sizeof secret);
    e2e_ct_base64url_encode(slice(secret, 256), text);
    need(e2e_ct_base64url_decode(slice(text, sizeof text), back, &len) == KITH_OK && len == 256, "base64url");
    unmark(back, sizeof back);
    unmark(secret, sizeof secret);
    need(memcmp(back, secret, 256) == 0, "base64url came back as another");
}

static void mac_and_derive(void)
{
    uint8_t key[32] = {3}, message[100] = {4}, tag[32], out[96];
    struct kith_slice parts[2] = {slice(message, 50), slice(message + 50, 50)};

    mark(key, sizeof key);
    mark(message, sizeof message);
    e2e_hmac(slice(key, 32), parts, 2, tag);
    unmark(tag, sizeof tag);
    need(e2e_hmac_verify(slice(key, 32), parts, 2, tag) == KITH_OK, "tag");
    tag[0] ^= 1;
    need(e2e_hmac_verify(slice(key, 32), parts, 2, tag) == KITH_E_DENIED, "another tag");
    e2e_hkdf(slice(key, 32), slice(message, 100), slice("info", 4), out, sizeof out);
    e2e_derive(slice(key, 32), slice(message, 100), E2E_LABEL_MK, slice(tag, 32), out, sizeof out);
    e2e_sha256(parts, 2, out);
    e2e_sha512(parts, 2, out);
    e2e_blake2b(slice(key, 32), parts, 2, out);
    e2e_wipe(key, sizeof key);
}

static void aead(void)
{
    uint8_t key[32] = {5}, nonce[24] = {6}, plain[1000] = {7}, sealed[1016], back[1000];

    mark(key, sizeof key);
    mark(plain, sizeof plain);
    need(e2e_aead_seal(key, nonce, slice("ad", 2), slice(plain, 1000), sealed) == KITH_OK, "seal");
    unmark(sealed, sizeof sealed);
    need(e2e_aead_open(key, nonce, slice("ad", 2), slice(sealed, 1016), back) == KITH_OK, "open");
    unmark(back, sizeof back);
    unmark(plain, sizeof plain);
    need(memcmp(back, plain, sizeof back) == 0, "opened to another");
    sealed[500] ^= 1;
    need(e2e_aead_open(key, nonce, slice("ad", 2), slice(sealed, 1016), back) == KITH_E_DENIED, "a forgery");
}

static void dh(void)
{
    uint8_t a[32] = {8, 1}, b[32] = {9, 2}, public_a[32], public_b[32], shared_a[32], shared_b[32], zero[32] = {0};

    mark(a, sizeof a);
    mark(b, sizeof b);
    e2e_dh_keypair_from(a, public_a);
    e2e_dh_keypair_from(b, public_b);
    unmark(public_a, sizeof public_a);
    unmark(public_b, sizeof public_b);
    need(e2e_dh(a, public_b, shared_a) == KITH_OK && e2e_dh(b, public_a, shared_b) == KITH_OK, "agree");
    need(e2e_ct_eq(slice(shared_a, 32), slice(shared_b, 32)), "agree on the same");
    need(e2e_dh(a, zero, shared_a) == KITH_E_MALFORMED, "small order");
}

static void sign(void)
{
    uint8_t seed[32] = {10}, secret[64], public[32], signature[64];

    mark(seed, sizeof seed);
    e2e_sign_keypair_from(seed, secret, public);
    unmark(public, sizeof public);
    unmark(secret + 32, 32);
    need(e2e_sign(secret, E2E_LABEL_GOP, slice("bytes", 5), signature) == KITH_OK, "sign");
    unmark(signature, sizeof signature);
    need(e2e_verify(public, E2E_LABEL_GOP, slice("bytes", 5), signature) == KITH_OK, "verify");
}

/* Of a long form s and z are secret; the public key and its hash, between them, are not. */
static void kem(void)
{
    uint8_t seed[64] = {11}, secret[2400], public[1184], coins[32] = {12}, cipher[1088], sent[32], got[32];

    e2e_kem_keypair_from(seed, secret, public);
    mark(coins, sizeof coins);
    need(e2e_kem_encaps_from(coins, public, cipher, sent) == KITH_OK, "encaps");
    unmark(cipher, sizeof cipher);
    mark(secret, 1152);
    mark(secret + 1152 + 1184 + 32, 32);
    need(e2e_kem_decaps(secret, cipher, got) == KITH_OK, "decaps");
    need(e2e_ct_eq(slice(sent, 32), slice(got, 32)), "the same secret");
    /* A ciphertext that was not made for this key takes the same way. */
    cipher[0] ^= 1;
    need(e2e_kem_decaps(secret, cipher, got) == KITH_OK, "decaps of another's");
    need(!e2e_ct_eq(slice(sent, 32), slice(got, 32)), "another secret");
}

/* ---------------------------------------------------------------------------------------------- sessions */
static void fill_marked(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
    mark(out, len);
}

/* A party whose keys of its own and coins are secret from here on. Its ML-KEM seeds are not: see the top of kem(). */
static void party_init(struct world_party *party, uint64_t seed)
{
    world_party_init(party, seed);
    party->random.fill = fill_marked;
    mark(party->ddh_secret, sizeof party->ddh_secret);
    for (int i = 0; i < WORLD_KEYS_COUNT; i++)
        if (!e2e_prekey_is_kem(party->secrets[i].kind)) mark(party->secrets[i].secret, E2E_DH_BYTES);
}

/* A message is for everybody to see. */
static struct kith_buf encrypted(struct world_party *from, struct e2e_session *session)
{
    uint8_t plain[100] = {14};
    struct kith_buf out;

    mark(plain, sizeof plain);
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    need(e2e_session_encrypt(&from->random, session, slice(plain, sizeof plain), WORLD_NOW, &out) == KITH_OK,
         "encrypt");
    unmark(out.ptr, out.tail);
    return out;
}

static void need_plain(struct kith_buf *out)
{
    need(kith_buf_len(out) == 100, "plaintext's length");
    unmark(out->ptr, out->tail);
    need(out->ptr[0] == 14, "plaintext");
    kith_buf_wipe(out);
}

static void decrypted(struct world_party *to, struct e2e_session *session, struct kith_buf *message, kith_err expected)
{
    struct kith_buf out;

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    need(e2e_session_decrypt(&to->random, session, kith_buf_peek(message), WORLD_NOW, &out) == expected, "decrypt");
    if (expected == KITH_OK) need_plain(&out);
}

static struct e2e_session *accepted(struct world_party *b, const struct world_party *a, struct kith_buf *message)
{
    struct e2e_session *session = NULL;
    struct kith_buf out;

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    need(world_accept(b, a, kith_buf_peek(message), &session, &out) == KITH_OK, "accept");
    need_plain(&out);
    return session;
}

/* What is stored carries its marks with it. */
static void stored_and_read(struct e2e_session **session)
{
    struct kith_buf state = world_state(*session);

    e2e_session_free(*session);
    need(e2e_session_decode(kith_buf_peek(&state), session) == KITH_OK, "state");
    kith_buf_wipe(&state);
}

static void session(void)
{
    static struct world_party a, b;
    struct e2e_session *at_a, *at_b;
    struct kith_buf first, lost, message;

    party_init(&a, 1);
    party_init(&b, 2);
    at_a = world_begin(&a, &b, true);
    first = encrypted(&a, at_a);
    at_b = accepted(&b, &a, &first);
    for (int i = 0; i < 3; i++) {
        message = encrypted(&b, at_b);
        decrypted(&a, at_a, &message, KITH_OK);
        kith_buf_deinit(&message);
        stored_and_read(&at_a);
        lost = encrypted(&a, at_a);
        message = encrypted(&a, at_a);
        decrypted(&b, at_b, &message, KITH_OK);
        decrypted(&b, at_b, &message, KITH_E_CONFLICT);
        stored_and_read(&at_b);
        lost.ptr[lost.tail - 1] ^= 1;
        decrypted(&b, at_b, &lost, KITH_E_DENIED);
        lost.ptr[lost.tail - 1] ^= 1;
        decrypted(&b, at_b, &lost, KITH_OK);
        kith_buf_deinit(&message);
        kith_buf_deinit(&lost);
    }
    kith_buf_deinit(&first);
    e2e_session_free(at_a);
    e2e_session_free(at_b);
    world_party_deinit(&a);
    world_party_deinit(&b);
}

/* ---------------------------------------------------------------------------------------------- groups */
static void group_info(void)
{
    static const uint8_t group_id[E2E_GROUP_ID_BYTES] = {14};
    const struct e2e_group_info info = {.name = slice("name", 4), .about = slice("about", 5)};
    struct kith_prng prng;
    const struct e2e_random random = {.fill = fill_marked, .arg = &prng};
    struct e2e_group_info_key key, other;
    struct e2e_group_info opened;
    struct kith_buf sealed, plain;

    kith_prng_seed(&prng, 14);
    kith_buf_init(&sealed, E2E_GROUP_INFO_BYTES_MAX);
    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    need(e2e_group_info_seal(&random, group_id, &info, &key, &sealed) == KITH_OK, "seal a name");
    unmark(key.id, sizeof key.id);
    unmark(kith_buf_peek(&sealed).ptr, kith_buf_len(&sealed));
    need(e2e_group_info_open(&key, group_id, kith_buf_peek(&sealed), &plain, &opened) == KITH_OK, "open a name");
    need(kith_slice_is(opened.name, "name") && kith_slice_is(opened.about, "about"), "opened to another name");
    other = key;
    other.key[0] ^= 1;
    need(e2e_group_info_open(&other, group_id, kith_buf_peek(&sealed), &plain, &opened) == KITH_E_DENIED,
         "a wrong key");
    kith_buf_deinit(&sealed);
    kith_buf_wipe(&plain);
}

static void group_keys(void)
{
    struct e2e_group_keys keys = {.has_info_key = true, .has_chain = true, .chain = {.iteration = 5}}, read;
    struct kith_buf bytes;

    mark(keys.info_key.key, sizeof keys.info_key.key);
    mark(keys.chain.chain_key, sizeof keys.chain.chain_key);
    kith_buf_init(&bytes, 1000);
    need(e2e_group_keys_encode(&keys, &bytes) == KITH_OK, "write group keys");
    need(e2e_group_keys_decode(kith_buf_peek(&bytes), &read) == KITH_OK, "read group keys");
    need(read.chain.iteration == 5, "another iteration");
    kith_buf_wipe(&bytes);
}

/* ---------------------------------------------------------------------------------------------- invite links */
static void join(void)
{
    struct e2e_join_link link = {.chat_id = {15}, .secret = {16}, .op_hash = {17}}, read;
    struct e2e_join_request request = {.device_id = 1, .list_seq = 1}, asked;
    uint8_t text[E2E_JOIN_LINK_BYTES], key[32], seed[32] = {18}, dsk[64], public[32];
    struct kith_buf out;

    e2e_sign_keypair_from(seed, dsk, public);
    mark(link.secret, sizeof link.secret);
    mark(dsk, 32);
    e2e_join_link_encode(&link, text);
    need(e2e_join_link_decode(slice(text, sizeof text), &read) == KITH_OK, "read a link");
    e2e_join_key(&read, key);
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    need(e2e_join_sign(&read, &request, dsk, &out) == KITH_OK, "ask");
    unmark(out.ptr, kith_buf_len(&out));
    need(e2e_join_decode(kith_buf_peek(&out), &asked) == KITH_OK, "read what is asked");
    need(memcmp(asked.join_key, key, sizeof key) == 0, "another link's key");
    need(e2e_join_prove(&asked) == KITH_OK && e2e_join_verify(&asked, public) == KITH_OK, "prove");
    kith_buf_deinit(&out);
}

/* ---------------------------------------------------------------------------------------------- sender chains */
static struct kith_buf group_message(struct chains *chains)
{
    uint8_t plain[100] = {14};
    struct kith_buf out;

    mark(plain, sizeof plain);
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    need(e2e_sender_chain_encrypt(&chains->random, chains->sender, &chains->epoch, slice(plain, sizeof plain), &out) ==
             KITH_OK,
         "encrypt for a group");
    unmark(out.ptr, out.tail);
    return out;
}

static void group_opened(struct chains *chains, const struct kith_buf *message, kith_err expected)
{
    struct e2e_group_message parts;
    struct kith_buf out;

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    need(e2e_group_message_decode(kith_buf_peek(message), &parts) == KITH_OK, "a group message");
    need(e2e_receiver_chain_decrypt(chains->receiver, &parts, WORLD_NOW, &out) == expected, "decrypt of a group");
    if (expected == KITH_OK) need_plain(&out);
}

/* Stored and read, both ends. */
static void chains_restarted(struct chains *chains)
{
    struct kith_buf sender = chains_sender_state(chains->sender), receiver = chains_state(chains->receiver);

    e2e_sender_chain_free(chains->sender);
    e2e_receiver_chain_free(chains->receiver);
    need(e2e_sender_chain_decode(kith_buf_peek(&sender), &chains->sender) == KITH_OK, "state of a sender chain");
    chains->receiver = chains_read(&receiver);
    kith_buf_wipe(&sender);
    kith_buf_wipe(&receiver);
}

static void chain(void)
{
    struct chains *chains = chains_new(1);
    struct e2e_chain_given given;

    chains->random.fill = fill_marked;
    e2e_sender_chain_free(chains->sender);
    e2e_receiver_chain_free(chains->receiver);
    need(e2e_sender_chain_new(&chains->random, &chains->owner, WORLD_NOW, &chains->sender) == KITH_OK, "a chain");
    given = chains_given(chains);
    chains->receiver = chains_receiver(&chains->owner, &given);
    for (int i = 0; i < 3; i++) {
        struct kith_buf lost = group_message(chains), message = group_message(chains);
        group_opened(chains, &message, KITH_OK);
        group_opened(chains, &message, KITH_E_CONFLICT);
        chains_restarted(chains);
        world_field(&lost, 4, NULL)[0] ^= 1; /* another commitment, under a signature that holds */
        chains_sign(&lost, chains->sender->sign_secret);
        unmark(world_field(&lost, 6, NULL), E2E_SIGNATURE_BYTES);
        group_opened(chains, &lost, KITH_E_DENIED);
        world_field(&lost, 4, NULL)[0] ^= 1;
        chains_sign(&lost, chains->sender->sign_secret);
        unmark(world_field(&lost, 6, NULL), E2E_SIGNATURE_BYTES);
        group_opened(chains, &lost, KITH_OK);
        kith_buf_deinit(&lost);
        kith_buf_deinit(&message);
        need(e2e_receiver_chain_same(chains->receiver, &given) == KITH_OK, "the same chain");
        given = chains_given(chains);
        need(e2e_receiver_chain_same(chains->receiver, &given) == KITH_OK, "the same chain, later");
        given.sign_pub[0] ^= 1;
        need(e2e_receiver_chain_same(chains->receiver, &given) == KITH_E_CONFLICT, "another chain");
        given.sign_pub[0] ^= 1;
    }
    chains_free(chains);
}

static void planted(void)
{
    uint8_t secret[4] = {13};

    mark(secret, sizeof secret);
    if (secret[0] == 13) (void)fprintf(stderr, "secrets: a branch on a secret\n");
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"compare", compare},
    {"hex", hex},
    {"base64url", base64url},
    {"mac_and_derive", mac_and_derive},
    {"aead", aead},
    {"dh", dh},
    {"sign", sign},
    {"kem", kem},
    {"session", session},
    {"group_info", group_info},
    {"group_keys", group_keys},
    {"join", join},
    {"chain", chain},
    {"planted", planted},
};

int main(int argc, char **argv)
{
    unsigned long found;

    need(sodium_init() >= 0, "libsodium does not start");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bool is_planted = cases[i].run == planted;
        if (argc > 1 ? strcmp(argv[1], cases[i].name) == 0 : !is_planted) cases[i].run();
    }
    found = VALGRIND_COUNT_ERRORS;
    (void)printf("secrets: %lu branches or indexes on a secret\n", found);
    return found == 0 ? 0 : 1;
}
