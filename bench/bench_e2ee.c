#include "bench/bench_e2ee.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libkith/e2ee/sender_chain.h"
#include "libkith/e2ee/session.h"

#define RUNS_MAX 64
#define TIMES    200  /* of what takes about 100 µs */
#define FAST     2000 /* of what takes about 10 µs  */
#define BODY     600
#define NOW_MS   1800000000000ull
#define LIFE_MS  (24ull * 3600 * 1000)

static void must(kith_err err)
{
    if (err == KITH_OK) return;
    (void)fprintf(stderr, "kith-bench e2ee: %s\n", kith_err_name(err));
    exit(1);
}

static void fill(void *arg, void *out, size_t len)
{
    (void)arg;
    randombytes_buf(out, len);
}

static const struct e2e_random coins = {.fill = fill};

/* ---- people, each with one device */

struct party {
    struct e2e_device_list list;
    uint8_t dsk[E2E_SIGN_SECRET_BYTES], ddh[E2E_DH_BYTES];
    struct e2e_self self;
    struct kith_buf signed_list;
};

static void party_make(struct party *party, uint8_t number)
{
    uint8_t ark[E2E_SIGN_SECRET_BYTES], aik[E2E_SIGN_SECRET_BYTES];
    struct e2e_device_list *list = &party->list;
    struct e2e_acceptance accept;

    memset(list, 0, sizeof *list);
    memset(list->account_id, number, sizeof list->account_id);
    e2e_sign_keypair(&coins, ark, list->ark_pub);
    e2e_sign_keypair(&coins, aik, list->aik_pub);
    list->aik_counter = 1;
    list->seq = 1;
    list->issued_at_ms = NOW_MS;
    list->expires_at_ms = NOW_MS + LIFE_MS;
    list->suites[0] = E2E_SUITE_PQ;
    list->suite_count = 1;
    list->device_count = 1;
    list->devices[0].device_id = number;
    list->devices[0].server_device[0] = number;
    e2e_sign_keypair(&coins, party->dsk, list->devices[0].dsk_pub);
    e2e_dh_keypair(&coins, party->ddh, list->devices[0].ddh_pub);
    must(e2e_certify(ark, list->account_id, list->aik_pub, 1, list->certificate));
    accept.device_id = number;
    must(e2e_device_accept(party->dsk, list, &list->devices[0], accept.signature));
    kith_buf_init(&party->signed_list, E2E_SIGNED_LIST_BYTES_MAX);
    must(e2e_device_list_sign(list, aik, &accept, 1, &party->signed_list));
    {
        uint8_t id[E2E_ACCOUNT_ID_BYTES];
        memcpy(id, list->account_id, sizeof id);
        must(e2e_device_list_read(kith_buf_peek(&party->signed_list), id, list));
    }
    party->self = (struct e2e_self){.end = {list, &list->devices[0]}, .ddh_secret = party->ddh};
}

struct keys {
    struct e2e_prekey_secret spk, kem, opk;
    struct kith_buf spk_pub, kem_pub, opk_pub;
};

static void keys_make(struct keys *keys, const struct party *of)
{
    const struct {
        enum e2e_prekey_kind kind;
        struct e2e_prekey_secret *secret;
        struct kith_buf *public;
    } all[] = {{E2E_PREKEY_SPK, &keys->spk, &keys->spk_pub},
               {E2E_PREKEY_KEM_OT, &keys->kem, &keys->kem_pub},
               {E2E_PREKEY_OPK, &keys->opk, &keys->opk_pub}};

    for (size_t i = 0; i < 3; i++) {
        kith_buf_init(all[i].public, E2E_PREKEY_BYTES_MAX);
        must(e2e_prekey_new(&coins, of->list.account_id, of->list.devices[0].device_id, of->dsk, all[i].kind,
                            NOW_MS + LIFE_MS, all[i].secret, all[i].public));
    }
}

static void keys_free(struct keys *keys)
{
    kith_buf_deinit(&keys->spk_pub);
    kith_buf_deinit(&keys->kem_pub);
    kith_buf_deinit(&keys->opk_pub);
}

/* As a client does it: the bundle read and verified, then the session. */
static struct e2e_session *session_begin(const struct party *a, const struct party *b, const struct keys *keys)
{
    struct e2e_prekey spk, kem, opk;
    struct e2e_bundle bundle = {&spk, &kem, &opk};
    struct e2e_session *session = NULL;
    const uint8_t *id = b->list.account_id;

    must(e2e_prekey_read(kith_buf_peek(&keys->spk_pub), E2E_PREKEY_SPK, id, b->self.end.device, NOW_MS, &spk));
    must(e2e_prekey_read(kith_buf_peek(&keys->kem_pub), E2E_PREKEY_KEM_OT, id, b->self.end.device, NOW_MS, &kem));
    must(e2e_prekey_read(kith_buf_peek(&keys->opk_pub), E2E_PREKEY_OPK, id, b->self.end.device, NOW_MS, &opk));
    must(e2e_session_begin(&coins, &a->self, &b->self.end, &bundle, NOW_MS, &session));
    return session;
}

/* ---- time */

static double now_us(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

/* Each primitive on its own, in µs of processor time. */
struct primitives {
    double dh, dh_keypair, encaps, sign, verify, aead, hmac;
};

#define TIMED(into, times, what)                         \
    do {                                                 \
        double timed_from = now_us();                    \
        for (unsigned t = 0; t < (times); t++) { what; } \
        (into) = (now_us() - timed_from) / (times);      \
    } while (0)

static void primitives_run(struct primitives *p)
{
    uint8_t secret[E2E_DH_BYTES], public[E2E_DH_BYTES], shared[E2E_DH_BYTES], other[E2E_DH_BYTES], mine[E2E_DH_BYTES];
    uint8_t seed[E2E_KEM_SEED_BYTES], kem_pub[E2E_KEM_PUBLIC_BYTES], ct[E2E_KEM_CIPHER_BYTES];
    uint8_t sign[E2E_SIGN_SECRET_BYTES], sign_pub[E2E_SIGN_PUBLIC_BYTES], signature[E2E_SIGNATURE_BYTES];
    uint8_t text[BODY] = {1}, sealed[BODY + E2E_AEAD_TAG_BYTES], nonce[E2E_AEAD_NONCE_BYTES] = {2};
    struct kith_slice bytes = kith_slice_of(text, sizeof text), part = kith_slice_of(text, 32);

    e2e_dh_keypair(&coins, secret, public);
    e2e_kem_keypair(&coins, seed, kem_pub);
    e2e_sign_keypair(&coins, sign, sign_pub);
    must(e2e_sign(sign, E2E_LABEL_SPK, bytes, signature));
    TIMED(p->dh, TIMES, must(e2e_dh(secret, public, shared)));
    TIMED(p->dh_keypair, TIMES, e2e_dh_keypair(&coins, other, mine));
    TIMED(p->encaps, TIMES, must(e2e_kem_encaps(&coins, kem_pub, ct, shared)));
    TIMED(p->sign, TIMES, must(e2e_sign(sign, E2E_LABEL_SPK, bytes, signature)));
    TIMED(p->verify, TIMES, must(e2e_verify_checked(sign_pub, E2E_LABEL_SPK, bytes, signature)));
    TIMED(p->aead, FAST, must(e2e_aead_seal(shared, nonce, (struct kith_slice){0}, bytes, sealed)));
    TIMED(p->hmac, FAST, e2e_hmac(part, &part, 1, shared));
}

/* ---- what is built of them */

struct figures {
    struct primitives p;
    double begin, begin_sum, encrypt, decrypt, step, first_ms;
    double list_read, list_kept;
    double group_encrypt, group_encrypt_sum, group_decrypt, group_decrypt_sum;
    size_t state_bytes, chain_bytes, group_overhead_bytes;
};

static void begin_run(struct figures *f, const struct party *a, const struct party *b, const struct keys *keys)
{
    TIMED(f->begin, TIMES, e2e_session_free(session_begin(a, b, keys)));
    /* EK and the first ratchet key; DH1 to DH4 and the root step's; the KEM; three signatures of prekeys. */
    f->begin_sum = 2 * f->p.dh_keypair + 5 * f->p.dh + f->p.encaps + 3 * f->p.verify;
}

static void deliver(struct e2e_session *from, struct e2e_session *to, struct kith_buf *message, struct kith_buf *plain)
{
    uint8_t text[BODY] = {3};

    kith_buf_reset(message);
    kith_buf_reset(plain);
    must(e2e_session_encrypt(&coins, from, kith_slice_of(text, sizeof text), NOW_MS, message));
    must(e2e_session_decrypt(&coins, to, kith_buf_peek(message), NOW_MS, plain));
}

static void messages_run(struct figures *f, const struct party *a, const struct party *b, const struct keys *keys)
{
    struct e2e_session *from = session_begin(a, b, keys), *to = NULL;
    struct e2e_setup_keys halves = {&keys->spk, &keys->kem, &keys->opk};
    struct kith_buf message, plain, state;
    uint8_t text[BODY] = {3};
    struct kith_slice bytes = kith_slice_of(text, sizeof text);

    kith_buf_init(&message, 1u << 20);
    kith_buf_init(&plain, 1u << 20);
    kith_buf_init(&state, E2E_SESSION_BYTES_MAX);
    must(e2e_session_encrypt(&coins, from, bytes, NOW_MS, &message));
    must(e2e_session_accept(&coins, &b->self, &a->self.end, &halves, kith_buf_peek(&message), NOW_MS, &to, &plain));
    deliver(to, from, &message, &plain);
    deliver(from, to, &message, &plain);
    TIMED(f->encrypt, FAST, kith_buf_reset(&message); must(e2e_session_encrypt(&coins, from, bytes, NOW_MS, &message)));
    /* There and back in one chain, less the way there. */
    deliver(to, from, &message, &plain);
    deliver(from, to, &message, &plain);
    TIMED(f->decrypt, FAST, deliver(from, to, &message, &plain));
    f->decrypt -= f->encrypt;
    TIMED(f->step, TIMES, deliver(to, from, &message, &plain); deliver(from, to, &message, &plain));
    f->step = f->step / 2 - f->encrypt - f->decrypt;
    must(e2e_session_encode(from, &state));
    f->state_bytes = kith_buf_len(&state);
    e2e_session_free(from);
    e2e_session_free(to);
    kith_buf_deinit(&message);
    kith_buf_deinit(&plain);
    kith_buf_deinit(&state);
}

/* A list as it is fetched, and as it is loaded from the store when a client starts. */
static void list_run(struct figures *f, const struct party *of)
{
    const struct kith_slice bytes = kith_buf_peek(&of->signed_list);
    const uint8_t *id = of->list.account_id;
    static struct e2e_device_list list;

    TIMED(f->list_read, TIMES, must(e2e_device_list_read(bytes, id, &list)));
    TIMED(f->list_kept, FAST, must(e2e_device_list_kept(bytes, id, e2e_device_list_accepted(&of->list), &list)));
}

/* A first message to many devices: each a session of its own, and a ciphertext. */
static void first_run(struct figures *f, const struct party *a, const struct party *b, const struct keys *keys,
                      unsigned devices)
{
    uint8_t text[BODY] = {4};
    struct kith_buf message;
    double from = now_us();

    kith_buf_init(&message, 1u << 20);
    for (unsigned i = 0; i < devices; i++) {
        struct e2e_session *session = session_begin(a, b, keys);
        kith_buf_reset(&message);
        must(e2e_session_encrypt(&coins, session, kith_slice_of(text, sizeof text), NOW_MS, &message));
        e2e_session_free(session);
    }
    f->first_ms = (now_us() - from) / 1000;
    kith_buf_deinit(&message);
}

/* A message for a group, however many are in it: one encryption and one signature, and at each reader one of each. */
static void group_run(struct figures *f)
{
    struct e2e_chain_owner owner = {.group_id = {1}, .account_id = {2}, .device_id = 3};
    struct e2e_group_epoch epoch = {.seq = 1};
    struct e2e_sender_chain *sender = NULL;
    struct e2e_receiver_chain *receiver = NULL;
    struct e2e_group_message parts;
    struct e2e_chain_given given;
    struct kith_buf message, plain, state;
    uint8_t text[BODY] = {5};
    struct kith_slice bytes = kith_slice_of(text, sizeof text);

    kith_buf_init(&message, 1u << 20);
    kith_buf_init(&plain, 1u << 20);
    kith_buf_init(&state, E2E_CHAIN_BYTES_MAX);
    must(e2e_sender_chain_new(&coins, &owner, NOW_MS, &sender));
    TIMED(f->group_encrypt, FAST, kith_buf_reset(&message);
          must(e2e_sender_chain_encrypt(&coins, sender, &epoch, bytes, &message)));
    e2e_sender_chain_give(sender, &epoch, &given);
    must(e2e_receiver_chain_new(&owner, &given, &receiver));
    /* There and here, less the way there. */
    TIMED(f->group_decrypt, FAST, kith_buf_reset(&message); kith_buf_reset(&plain);
          must(e2e_sender_chain_encrypt(&coins, sender, &epoch, bytes, &message));
          must(e2e_group_message_decode(kith_buf_peek(&message), &parts));
          must(e2e_receiver_chain_decrypt(receiver, &parts, NOW_MS, &plain)));
    f->group_decrypt -= f->group_encrypt;
    /* Of HMACs two are the chain's step, three HKDF's, one the commitment. */
    f->group_encrypt_sum = f->p.sign + f->p.aead + 6 * f->p.hmac;
    f->group_decrypt_sum = f->p.verify + f->p.aead + 6 * f->p.hmac;
    must(e2e_receiver_chain_encode(receiver, &state));
    f->chain_bytes = kith_buf_len(&state);
    f->group_overhead_bytes = kith_buf_len(&message) - BODY;
    e2e_sender_chain_free(sender);
    e2e_receiver_chain_free(receiver);
    kith_buf_deinit(&message);
    kith_buf_deinit(&plain);
    kith_buf_deinit(&state);
}

/* ---- what is printed */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_row(const char *name, const char *unit, const struct figures *all, unsigned runs, size_t at)
{
    double values[RUNS_MAX];

    for (unsigned i = 0; i < runs; i++) memcpy(&values[i], (const char *)&all[i] + at, sizeof values[i]);
    qsort(values, runs, sizeof values[0], by_value);
    printf("  %-44s %9.1f %-2s (%.1f to %.1f)\n", name, values[runs / 2], unit, values[0], values[runs - 1]);
}

/* Of the figure at `at` to the sum of its primitives, which stands behind it. */
static void print_ratio(const struct figures *all, unsigned runs, size_t at)
{
    double values[RUNS_MAX];

    for (unsigned i = 0; i < runs; i++) {
        double pair[2];
        memcpy(pair, (const char *)&all[i] + at, sizeof pair);
        values[i] = pair[0] / pair[1];
    }
    qsort(values, runs, sizeof values[0], by_value);
    printf("  %-44s %9.2f\n", "  ratio", values[runs / 2]);
}

static void print_all(const struct figures *all, unsigned runs, unsigned devices)
{
    double load[1] = {0};
    char first[64];

    (void)getloadavg(load, 1);
    (void)snprintf(first, sizeof first, "a first message to %u devices", devices);
    printf("kith/1 on one processor, load %.1f, median of %u runs (least to most)\n\n", load[0], runs);
    print_row("X25519", "us", all, runs, offsetof(struct figures, p.dh));
    print_row("ML-KEM-768 encapsulation", "us", all, runs, offsetof(struct figures, p.encaps));
    print_row("a signature", "us", all, runs, offsetof(struct figures, p.sign));
    print_row("a signature verified", "us", all, runs, offsetof(struct figures, p.verify));
    print_row("600 B sealed (XChaCha20-Poly1305)", "us", all, runs, offsetof(struct figures, p.aead));
    printf("\n");
    print_row("a session begun, its bundle verified", "us", all, runs, offsetof(struct figures, begin));
    print_row("  the sum of its primitives", "us", all, runs, offsetof(struct figures, begin_sum));
    print_ratio(all, runs, offsetof(struct figures, begin));
    print_row("600 B encrypted", "us", all, runs, offsetof(struct figures, encrypt));
    print_row("600 B decrypted", "us", all, runs, offsetof(struct figures, decrypt));
    print_row("a step of the ratchet, at the receiver", "us", all, runs, offsetof(struct figures, step));
    print_row(first, "ms", all, runs, offsetof(struct figures, first_ms));
    print_row("a list of one device read and verified", "us", all, runs, offsetof(struct figures, list_read));
    print_row("  the same, that was kept", "us", all, runs, offsetof(struct figures, list_kept));
    printf("  %-44s %9zu B\n\n", "a session at rest", all[0].state_bytes);
    print_row("600 B encrypted for a group, of any size", "us", all, runs, offsetof(struct figures, group_encrypt));
    print_row("  the sum of its primitives", "us", all, runs, offsetof(struct figures, group_encrypt_sum));
    print_ratio(all, runs, offsetof(struct figures, group_encrypt));
    print_row("600 B of a group decrypted", "us", all, runs, offsetof(struct figures, group_decrypt));
    print_row("  the sum of its primitives", "us", all, runs, offsetof(struct figures, group_decrypt_sum));
    print_ratio(all, runs, offsetof(struct figures, group_decrypt));
    printf("  %-44s %9zu B\n", "beyond the plaintext", all[0].group_overhead_bytes);
    printf("  %-44s %9zu B\n", "a sender chain at rest, at a reader", all[0].chain_bytes);
}

static unsigned option(int argc, char **argv, const char *name, unsigned otherwise, unsigned most)
{
    for (int i = 1; i + 1 < argc; i++) {
        unsigned long value;
        if (strcmp(argv[i], name) != 0) continue;
        value = strtoul(argv[i + 1], NULL, 10);
        return value < 1 ? 1 : value > most ? most : (unsigned)value;
    }
    return otherwise;
}

int bench_e2ee(int argc, char **argv)
{
    unsigned runs = option(argc, argv, "--runs", 5, RUNS_MAX), devices = option(argc, argv, "--devices", 3000, 100000);
    static struct figures all[RUNS_MAX];
    static struct party a, b;
    struct keys keys;

    party_make(&a, 1);
    party_make(&b, 2);
    keys_make(&keys, &b);
    for (unsigned i = 0; i < runs; i++) {
        primitives_run(&all[i].p);
        begin_run(&all[i], &a, &b, &keys);
        messages_run(&all[i], &a, &b, &keys);
        first_run(&all[i], &a, &b, &keys, devices);
        list_run(&all[i], &b);
        group_run(&all[i]);
    }
    print_all(all, runs, devices);
    keys_free(&keys);
    kith_buf_deinit(&a.signed_list);
    kith_buf_deinit(&b.signed_list);
    return 0;
}
