#include "libkith/e2ee/pqxdh.h"
#include "tests/unit/kith1_run.h"

/* Steps of tests/vectors/kith1_*.json: how a session begins and goes on. */

#define OP(name)          static kith1_refusal op_##name(struct kith1_run *run, const json_t *args, json_t *out)
#define SILENT_MS         (30ull * 24 * 3600 * 1000)
#define MESSAGE_BYTES_MAX (512u * 1024)

/* ---------------------------------------------------------------------------------------------- what a case has */
static struct e2e_session *session_of(struct kith1_run *run, const json_t *args, const char *arg)
{
    const struct kith1_session *slot = kith1_session(run, args, arg);

    kith1_need(slot != NULL && slot->session != NULL, "no such session");
    return slot->session;
}

/* Takes `session` over, in place of an earlier one of the name. */
static void keep_session(struct kith1_run *run, const json_t *args, struct e2e_session *session)
{
    struct kith1_session *slot = kith1_session(run, args, "session");

    for (size_t i = 0; slot == NULL && i < KITH1_SESSIONS_MAX; i++)
        if (run->sessions[i].name == NULL) slot = &run->sessions[i];
    kith1_need(slot != NULL, "too many sessions");
    slot->name = json_string_value(json_object_get(args, "session"));
    e2e_session_free(slot->session);
    slot->session = session;
}

static struct kith1_secrets *secrets_of(struct kith1_run *run, const json_t *args)
{
    const char *name = json_string_value(json_object_get(args, "secrets"));
    size_t i = 0;

    while (i < KITH1_SECRETS_MAX && run->secrets[i].name != NULL && strcmp(run->secrets[i].name, name) != 0) i++;
    kith1_need(name != NULL && i < KITH1_SECRETS_MAX, "too many secrets");
    return &run->secrets[i];
}

static void take_keys(struct kith1_run *run, const json_t *args, const char *name, enum e2e_prekey_kind kind,
                      struct kith1_secrets *secrets)
{
    const json_t *items = json_object_get(args, name);

    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        struct e2e_prekey_secret *key = &secrets->keys[secrets->key_count++];
        const size_t len = e2e_prekey_is_kem(kind) ? E2E_KEM_SEED_BYTES : E2E_DH_BYTES;
        kith1_need(secrets->key_count <= KITH1_KEYS_MAX, "too many keys");
        *key = (struct e2e_prekey_secret){.kind = kind, .id = kith1_u32(item, "id")};
        memcpy(key->secret, kith1_fixed(run, item, "secret", len), len);
    }
}

OP(secrets)
{
    struct kith1_secrets *secrets = secrets_of(run, args);

    (void)out;
    *secrets = (struct kith1_secrets){.name = json_string_value(json_object_get(args, "secrets"))};
    memcpy(secrets->ddh, kith1_fixed(run, args, "ddh", E2E_DH_BYTES), E2E_DH_BYTES);
    take_keys(run, args, "spk", E2E_PREKEY_SPK, secrets);
    take_keys(run, args, "opk", E2E_PREKEY_OPK, secrets);
    take_keys(run, args, "kem_ot", E2E_PREKEY_KEM_OT, secrets);
    take_keys(run, args, "kem_lr", E2E_PREKEY_KEM_LR, secrets);
    return NULL;
}

static struct e2e_prekey_secret *key_of(struct kith1_secrets *secrets, enum e2e_prekey_kind kind, uint32_t id)
{
    for (size_t i = 0; i < secrets->key_count; i++)
        if (secrets->keys[i].kind == kind && secrets->keys[i].id == id) return &secrets->keys[i];
    return NULL;
}

/* ---------------------------------------------------------------------------------------------- A */
static kith_err read_prekey(struct kith1_run *run, const json_t *args, const char *name, enum e2e_prekey_kind kind,
                            const struct e2e_end *them, struct e2e_prekey *out)
{
    return e2e_prekey_read(kith1_bytes(run, args, name), kind, them->list->account_id, them->device,
                           kith1_number(args, "now"), out);
}

/* Without a KEM prekey there is no bundle of suite 0x02, and of no other can libkith be asked. */
static kith_err check_suite(const json_t *args, const struct e2e_end *us, const struct e2e_end *them)
{
    uint8_t suite = 0;
    kith_err err = e2e_suite_of(us->list, them->list, &suite);

    if (err == KITH_OK && json_object_get(args, "kem") == NULL) err = KITH_E_UNSUPPORTED;
    return err;
}

static struct e2e_end end_of(struct kith1_run *run, const json_t *args, const char *account, uint32_t device_id)
{
    const struct kith1_pin *pin = kith1_pin(run, kith1_fixed(run, args, account, E2E_ACCOUNT_ID_BYTES));

    kith1_need(pin->list != NULL, "nothing is pinned");
    return (struct e2e_end){.list = pin->list, .device = e2e_device_find(pin->list, device_id)};
}

OP(begin)
{
    const struct e2e_end them = end_of(run, args, "them", kith1_u32(args, "them_device"));
    const struct e2e_self self = {.end = end_of(run, args, "us", kith1_u32(args, "us_device")),
                                  .ddh_secret = kith1_fixed(run, args, "ddh_secret", E2E_DH_BYTES)};
    const bool has_opk = json_object_get(args, "opk") != NULL;
    const enum e2e_prekey_kind kem_kind = kith1_number(args, "kem_is_last") == 1 ? E2E_PREKEY_KEM_LR
                                                                                 : E2E_PREKEY_KEM_OT;
    const struct kith1_pin *pin = kith1_pin(run, them.list->account_id);
    struct e2e_prekey spk, kem, opk;
    const struct e2e_bundle bundle = {.spk = &spk, .kem = &kem, .opk = has_opk ? &opk : NULL};
    struct e2e_session *session = NULL;
    kith_err err;

    if (self.end.device == NULL || !self.end.device->is_accepted || them.device == NULL) return KITH1_REFUSED;
    if (!kith1_may_begin(pin, them.device, kith1_number(args, "now"))) return KITH1_REFUSED;
    err = check_suite(args, &self.end, &them);
    if (err == KITH_OK) err = read_prekey(run, args, "spk", E2E_PREKEY_SPK, &them, &spk);
    if (err == KITH_OK) err = read_prekey(run, args, "kem", kem_kind, &them, &kem);
    if (err == KITH_OK && has_opk) err = read_prekey(run, args, "opk", E2E_PREKEY_OPK, &them, &opk);
    if (err == KITH_OK)
        err = e2e_session_begin(&run->random, &self, &them, &bundle, kith1_number(args, "now"), &session);
    run->begin_err = err;
    if (err != KITH_OK) return KITH1_REFUSED;
    kith1_out(out, "transcript", kith_slice_of(e2e_session_transcript(session), E2E_HASH_BYTES));
    keep_session(run, args, session);
    return NULL;
}

/* ---------------------------------------------------------------------------------------------- B */
static bool was_used(const struct kith1_secrets *secrets, const struct e2e_setup *setup)
{
    for (size_t i = 0; i < secrets->use_count; i++) {
        const struct kith1_use *use = &secrets->uses[i];
        if (use->kem_id == setup->kem_id && use->spk_id == setup->spk_id &&
            memcmp(use->ek_pub, setup->ek_pub, sizeof use->ek_pub) == 0)
            return true;
    }
    return false;
}

static void use_up(struct kith1_secrets *secrets, const struct e2e_setup *setup, struct e2e_prekey_secret *kem,
                   struct e2e_prekey_secret *opk)
{
    if (opk != NULL) opk->kind = 0;
    if (setup->kem_is_last) {
        struct kith1_use *use = &secrets->uses[secrets->use_count++];
        kith1_need(secrets->use_count <= KITH1_KEYS_MAX, "too many uses");
        *use = (struct kith1_use){.kem_id = setup->kem_id, .spk_id = setup->spk_id};
        memcpy(use->ek_pub, setup->ek_pub, sizeof use->ek_pub);
    } else {
        kem->kind = 0;
    }
}

OP(accept)
{
    const struct kith_slice message = kith1_bytes(run, args, "message");
    struct kith1_secrets *secrets = secrets_of(run, args);
    const struct e2e_self self = {.end = end_of(run, args, "us", kith1_u32(args, "us_device")),
                                  .ddh_secret = secrets->ddh};
    struct e2e_setup setup = {0};
    struct e2e_prekey_secret *spk, *kem, *opk;
    struct e2e_session *session = NULL;
    struct e2e_end them;
    struct kith_buf plain;
    kith_err err;

    if (e2e_message_setup(message, &setup) != KITH_OK) return KITH1_REFUSED;
    them = end_of(run, args, "them", setup.device_a);
    spk = key_of(secrets, E2E_PREKEY_SPK, setup.spk_id);
    kem = key_of(secrets, setup.kem_is_last ? E2E_PREKEY_KEM_LR : E2E_PREKEY_KEM_OT, setup.kem_id);
    opk = key_of(secrets, E2E_PREKEY_OPK, setup.opk_id);
    if (self.end.device == NULL || !self.end.device->is_accepted || them.device == NULL) return KITH1_REFUSED;
    if (spk == NULL || kem == NULL || (opk == NULL && setup.opk_id != 0)) return KITH1_REFUSED;
    if (setup.kem_is_last && was_used(secrets, &setup)) return KITH1_REFUSED;
    kith_buf_init(&plain, MESSAGE_BYTES_MAX);
    err = e2e_session_accept(&run->random, &self, &them,
                             &(struct e2e_setup_keys){.spk = spk, .kem = kem, .opk = setup.opk_id == 0 ? NULL : opk},
                             message, kith1_number(args, "now"), &session, &plain);
    if (err == KITH_OK) {
        kith1_out(out, "transcript", kith_slice_of(e2e_session_transcript(session), E2E_HASH_BYTES));
        kith1_out(out, "plaintext", kith_buf_peek(&plain));
        use_up(secrets, &setup, kem, opk);
        keep_session(run, args, session);
    }
    kith_buf_deinit(&plain);
    return kith1_refusal_of(err);
}

/* ---------------------------------------------------------------------------------------------- messages */
OP(load)
{
    struct e2e_session *session = NULL;

    (void)out;
    if (e2e_session_decode(kith1_bytes(run, args, "state"), &session) != KITH_OK) return KITH1_REFUSED;
    keep_session(run, args, session);
    return NULL;
}

OP(encrypt)
{
    struct kith_buf message;
    kith_err err;

    kith_buf_init(&message, MESSAGE_BYTES_MAX);
    err = e2e_session_encrypt(&run->random, session_of(run, args, "session"), kith1_bytes(run, args, "plaintext"),
                              kith1_number(args, "now"), &message);
    kith1_out(out, "message", kith_buf_peek(&message));
    kith_buf_deinit(&message);
    return kith1_refusal_of(err);
}

OP(decrypt)
{
    struct kith_buf plain;
    kith_err err;

    kith_buf_init(&plain, MESSAGE_BYTES_MAX);
    err = e2e_session_decrypt(&run->random, session_of(run, args, "session"), kith1_bytes(run, args, "message"),
                              kith1_number(args, "now"), &plain);
    kith1_out(out, "plaintext", kith_buf_peek(&plain));
    kith_buf_deinit(&plain);
    return err == KITH_E_CONFLICT ? "REPEATED" : kith1_refusal_of(err);
}

/* ---------------------------------------------------------------------------------------------- several sessions */
/* Which session is sent with is the account's to say; the rule is short, and here once more. */
OP(choose)
{
    const struct kith1_session *slot = kith1_session(run, args, "ours");
    const uint8_t *accepted = e2e_session_transcript(session_of(run, args, "accepted")), *ours;
    const uint8_t *chosen = accepted;

    if (slot != NULL && !e2e_session_facts(slot->session).is_answered) {
        ours = e2e_session_transcript(slot->session);
        if (memcmp(ours, accepted, E2E_HASH_BYTES) < 0) chosen = ours;
    }
    kith1_out(out, "transcript", kith_slice_of(chosen, E2E_HASH_BYTES));
    return NULL;
}

OP(is_silent)
{
    const struct e2e_session_facts facts = e2e_session_facts(session_of(run, args, "session"));
    const uint64_t since = facts.heard_ms != 0 ? facts.heard_ms : facts.created_ms;
    const uint64_t now_ms = kith1_number(args, "now");

    kith1_out_number(out, "silent", now_ms > since && now_ms - since >= SILENT_MS ? 1 : 0);
    return NULL;
}

kith1_op *kith1_session_op(const char *name)
{
    static const struct {
        const char *name;
        kith1_op *op;
    } ops[] = {{"secrets", op_secrets}, {"begin", op_begin},     {"accept", op_accept}, {"load", op_load},
               {"encrypt", op_encrypt}, {"decrypt", op_decrypt}, {"choose", op_choose}, {"is_silent", op_is_silent}};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0) return ops[i].op;
    return NULL;
}
