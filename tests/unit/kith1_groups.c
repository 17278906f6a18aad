#include "libkith/crypto/secret.h"
#include "libkith/e2ee/group_keys.h"
#include "libkith/e2ee/group_parts.h"
#include "libkith/e2ee/join.h"
#include "tests/unit/kith1_run.h"

/*
 * Steps of tests/vectors/kith1_*.json: groups. Who joins, whose signature it is and what a message says of its group are an
 * account's business (account_group.c, account_open.c), which has no function for it alone: here they are what it does, again.
 */
#define OP(name)  static kith1_refusal op_##name(struct kith1_run *run, const json_t *args, json_t *out)
#define ID(bytes) kith_slice_of((bytes), sizeof(bytes))

/* ---------------------------------------------------------------------------------------------- operations */
/* A field that nobody knows yet is none of an operation; but a kind or a suite that nobody knows is a newer client's. */
static bool has_unknown_field(struct kith_slice in, uint16_t last)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct kith_slice value;
    uint16_t tag = 0;

    while (e2e_tlv_next(&reader, &tag, &value) == KITH_OK)
        if ((tag == 0 || tag > last) && tag < E2E_TLV_TAG_SKIPPED) return true;
    return false;
}

static kith1_refusal decode_op(struct kith_slice signed_op, struct e2e_group_op *op)
{
    const kith_err err = e2e_group_op_decode(signed_op, op);
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(signed_op);
    struct kith_slice bytes = {0};
    uint16_t tag = 0;

    if (err != KITH_E_UNSUPPORTED) return kith1_refusal_of(err);
    kith1_need(e2e_tlv_next(&reader, &tag, &bytes) == KITH_OK, "unsupported, and not even a field");
    return has_unknown_field(signed_op, 2) || has_unknown_field(bytes, 18) ? KITH1_REFUSED : "UNSUPPORTED";
}

static struct kith_slice founders_of(struct kith1_run *run, const json_t *members)
{
    const size_t count = json_array_size(members);
    uint8_t *founders = kith1_lend(run, count * E2E_FOUNDER_BYTES);

    for (size_t i = 0; i < count; i++) {
        const json_t *member = json_array_get(members, i);
        const uint8_t *account = kith1_fixed(run, member, "account", E2E_ACCOUNT_ID_BYTES);
        memcpy(founders + i * E2E_FOUNDER_BYTES, account, E2E_ACCOUNT_ID_BYTES);
        founders[i * E2E_FOUNDER_BYTES + E2E_ACCOUNT_ID_BYTES] = (uint8_t)kith1_number(member, "role");
    }
    return kith_slice_of(founders, count * E2E_FOUNDER_BYTES);
}

static void take_op(struct kith1_run *run, const json_t *args, struct e2e_group_op *op)
{
    *op = (struct e2e_group_op){
        .kind = (enum e2e_group_kind)kith1_number(args, "kind"),
        .author_device = kith1_u32(args, "author_device"),
        .list_seq = kith1_number(args, "list_seq"),
        .made_at_ms = kith1_number(args, "made_at"),
        .role = (uint8_t)kith1_number(args, "role"),
        .suite = (uint8_t)kith1_number(args, "suite"),
        .settings = (uint8_t)kith1_number(args, "settings"),
        .info = kith1_bytes(run, args, "info"),
        .request = kith1_bytes(run, args, "request"),
    };
    memcpy(op->author, kith1_fixed(run, args, "author", sizeof op->author), sizeof op->author);
    memcpy(op->list_hash, kith1_fixed(run, args, "list_hash", E2E_HASH_BYTES), E2E_HASH_BYTES);
    if (json_object_get(args, "group_id") != NULL)
        memcpy(op->group_id, kith1_fixed(run, args, "group_id", E2E_GROUP_ID_BYTES), E2E_GROUP_ID_BYTES);
    if (json_object_get(args, "subject") != NULL)
        memcpy(op->subject, kith1_fixed(run, args, "subject", sizeof op->subject), sizeof op->subject);
    if (json_object_get(args, "join_key") != NULL)
        memcpy(op->join_key, kith1_fixed(run, args, "join_key", sizeof op->join_key), sizeof op->join_key);
    if (json_object_get(args, "members") != NULL) op->founders = founders_of(run, json_object_get(args, "members"));
}

OP(make_op)
{
    uint8_t dsk_secret[E2E_SIGN_SECRET_BYTES], dsk_pub[E2E_SIGN_PUBLIC_BYTES];
    const struct e2e_group *before = kith1_group(run, args)->group;
    struct e2e_group *after = NULL;
    struct e2e_group_op op, made;
    struct kith_buf signed_op;
    kith_err err;

    e2e_sign_keypair_from(kith1_fixed(run, args, "dsk_seed", E2E_SIGN_SEED_BYTES), dsk_secret, dsk_pub);
    take_op(run, args, &op);
    kith_buf_init(&signed_op, E2E_GROUP_SIGNED_BYTES_MAX);
    err = e2e_group_make(before, &op, dsk_secret, &after, &signed_op);
    if (err == KITH_OK) err = e2e_group_op_decode(kith_buf_peek(&signed_op), &made);
    if (err == KITH_OK) {
        kith1_out(out, "op", made.bytes);
        kith1_out(out, "hash", ID(op.hash));
        kith1_out(out, "signed", kith_buf_peek(&signed_op));
        kith1_out(out, "state_hash", ID(op.state_hash));
    }
    e2e_group_free(after);
    kith_buf_deinit(&signed_op);
    return err == KITH_E_UNSUPPORTED ? "UNSUPPORTED" : kith1_refusal_of(err);
}

OP(compare_op)
{
    static const char *const names[] = {
        [E2E_GROUP_STEP_NEXT] = "next", [E2E_GROUP_STEP_SAME] = "same",         [E2E_GROUP_STEP_GAP] = "gap",
        [E2E_GROUP_STEP_FORK] = "fork", [E2E_GROUP_STEP_OTHER_GROUP] = "other",
    };
    struct e2e_group_op op;
    const kith1_refusal refusal = decode_op(kith1_bytes(run, args, "signed"), &op);

    if (refusal != NULL) return refusal;
    json_object_set_new(out, "step", json_string(names[e2e_group_compare(kith1_group(run, args)->group, &op)]));
    kith1_out_number(out, "seq", op.seq);
    kith1_out(out, "hash", ID(op.hash));
    return NULL;
}

/* *group becomes what the operation leads to. dsk_pub NULL: somebody has vouched for it. */
static kith1_refusal take(struct e2e_group **group, const struct e2e_group_op *op, const uint8_t *dsk_pub)
{
    struct e2e_group *after = NULL;
    kith_err err;

    switch (e2e_group_compare(*group, op)) {
    case E2E_GROUP_STEP_SAME: return NULL;
    case E2E_GROUP_STEP_GAP: return "GAP";
    case E2E_GROUP_STEP_OTHER_GROUP: return KITH1_REFUSED;
    case E2E_GROUP_STEP_FORK:
        return dsk_pub != NULL && e2e_group_op_verify(op, dsk_pub) == KITH_OK ? "FORK" : KITH1_REFUSED;
    case E2E_GROUP_STEP_NEXT: break;
    }
    err = e2e_group_apply(*group, op, &after);
    if (err == KITH_OK && dsk_pub != NULL) err = e2e_group_op_verify(op, dsk_pub);
    if (err != KITH_OK) {
        e2e_group_free(after);
        return KITH1_REFUSED;
    }
    e2e_group_free(*group);
    *group = after;
    return NULL;
}

static void out_head(const struct e2e_group *group, json_t *out)
{
    kith1_out_number(out, "seq", group->seq);
    kith1_out(out, "head", ID(group->heads[0]));
}

OP(read_op)
{
    struct kith1_group *place = kith1_group(run, args);
    const struct e2e_group *before = place->group;
    struct e2e_group_op op;
    kith1_refusal refusal = decode_op(kith1_bytes(run, args, "signed"), &op);

    if (refusal == NULL) refusal = take(&place->group, &op, kith1_fixed(run, args, "dsk_pub", E2E_SIGN_PUBLIC_BYTES));
    if (refusal != NULL) return refusal;
    json_object_set_new(out, "step", json_string(place->group == before ? "same" : "next"));
    out_head(place->group, out);
    return NULL;
}

OP(load_group)
{
    const struct kith_slice head = kith_slice_of(kith1_fixed(run, args, "head", E2E_HASH_BYTES), E2E_HASH_BYTES);
    struct e2e_group *made = NULL;
    struct e2e_tlv_writer writer;
    struct kith_buf saved;
    kith_err err;

    (void)out;
    kith_buf_init(&saved, E2E_GROUP_SAVED_BYTES_MAX);
    writer = e2e_tlv_writer_of(&saved);
    e2e_tlv_put(&writer, 1, kith1_bytes(run, args, "state"));
    e2e_tlv_put(&writer, 2, head);
    err = e2e_tlv_finish(&writer);
    if (err == KITH_OK) err = e2e_group_load(kith_buf_peek(&saved), &made);
    kith_buf_deinit(&saved);
    if (err != KITH_OK) return KITH1_REFUSED;
    e2e_group_free(kith1_group(run, args)->group);
    kith1_group(run, args)->group = made;
    return NULL;
}

/* ---------------------------------------------------------------------------------------------- who comes later */
static bool brings_in(const struct e2e_group_op *op, const uint8_t *account_id)
{
    if (op->kind == E2E_GROUP_ADD) return memcmp(op->subject, account_id, sizeof op->subject) == 0;
    for (size_t at = 0; at < op->founders.len; at += E2E_FOUNDER_BYTES)
        if (memcmp(op->founders.ptr + at, account_id, E2E_ACCOUNT_ID_BYTES) == 0) return true;
    return false;
}

/* Whether it is the one that the link is of, which was asked with. */
static bool is_of_link(const struct e2e_group_op *op, struct kith_slice asked)
{
    return kith_slice_eq(asked, kith_slice_of(op->hash, E2E_JOIN_HASH_BYTES));
}

/* The seq from which on signatures are looked at: that of the link's operation, where one was asked with. */
static uint64_t first_of(struct kith1_run *run, const json_t *args)
{
    const uint8_t *account_id = kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES);
    const struct kith_slice asked = kith1_bytes(run, args, "op_hash");
    const json_t *ops = json_object_get(args, "ops");

    for (size_t i = 0; i < json_array_size(ops); i++) {
        struct e2e_group_op op;
        if (decode_op(kith1_bytes(run, json_array_get(ops, i), "signed"), &op) != NULL) continue;
        if (brings_in(&op, account_id) || is_of_link(&op, asked)) return op.seq;
    }
    return 1;
}

/* What comes to somebody who asked with a link brings them in only behind the operation that the link is of. */
static kith1_refusal take_all(struct kith1_run *run, const json_t *args, uint64_t first, struct e2e_group **group)
{
    const uint8_t *account_id = kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES);
    const struct kith_slice asked = kith1_bytes(run, args, "op_hash");
    const json_t *ops = json_object_get(args, "ops");
    bool is_known = asked.ptr == NULL;

    for (size_t i = 0; i < json_array_size(ops); i++) {
        const json_t *one = json_array_get(ops, i);
        const struct kith_slice dsk_pub = kith1_bytes(run, one, "dsk_pub");
        struct e2e_group_op op;
        kith1_refusal refusal = decode_op(kith1_bytes(run, one, "signed"), &op);
        if (refusal == NULL && op.seq >= first && dsk_pub.len != E2E_SIGN_PUBLIC_BYTES) refusal = KITH1_REFUSED;
        if (refusal == NULL) refusal = take(group, &op, op.seq < first ? NULL : dsk_pub.ptr);
        if (refusal == NULL && !is_known && brings_in(&op, account_id)) refusal = KITH1_REFUSED;
        if (refusal != NULL) return refusal;
        is_known = is_known || is_of_link(&op, asked);
    }
    return *group == NULL ? "GAP" : NULL;
}

OP(join_group)
{
    const uint64_t first = first_of(run, args);
    struct e2e_group *made = NULL;
    const kith1_refusal refusal = take_all(run, args, first, &made);

    if (refusal != NULL) {
        e2e_group_free(made);
        return refusal;
    }
    e2e_group_free(kith1_group(run, args)->group);
    kith1_group(run, args)->group = made;
    kith1_out_number(out, "first", first);
    out_head(made, out);
    return NULL;
}

OP(signer)
{
    const struct e2e_device_list *list;
    const struct e2e_device *device;
    struct e2e_group_op op;
    const kith1_refusal refusal = decode_op(kith1_bytes(run, args, "signed"), &op);

    if (refusal != NULL) return refusal;
    list = kith1_pin(run, op.author)->list;
    kith1_need(list != NULL, "nothing is pinned");
    if (op.list_seq > list->seq) {
        kith1_out_number(out, "ask_list", op.list_seq);
        return NULL;
    }
    if (op.list_seq == list->seq && memcmp(op.list_hash, list->hash, E2E_HASH_BYTES) != 0) return KITH1_REFUSED;
    device = e2e_device_find(list, op.author_device);
    if (device == NULL || !device->is_accepted) return KITH1_REFUSED;
    kith1_out(out, "dsk_pub", ID(device->dsk_pub));
    return NULL;
}

/* ---------------------------------------------------------------------------------------------- messages */
static kith1_refusal check_epoch(const struct e2e_group *group, const uint8_t *account_id, uint64_t epoch,
                                 const uint8_t *hash)
{
    const uint8_t *known;

    kith1_need(group != NULL, "no such group");
    if (epoch == 0) return KITH1_REFUSED;
    if (epoch > group->seq) return "GAP";
    if (e2e_group_find(group, account_id) == NULL) return KITH1_REFUSED;
    known = e2e_group_head(group, epoch);
    return known == NULL || memcmp(known, hash, E2E_HASH_BYTES) == 0 ? NULL : "FORK";
}

OP(check_epoch)
{
    const struct e2e_group *group = kith1_group(run, args)->group;
    const uint64_t epoch = kith1_number(args, "group_epoch");
    const kith1_refusal refusal = check_epoch(group, kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES), epoch,
                                              kith1_fixed(run, args, "group_hash", E2E_HASH_BYTES));

    json_object_set_new(out, "step", json_string(group->seq == epoch ? "same" : "before"));
    return refusal;
}

/* What a chain's header says of the group must be in the payload. */
static bool is_as_in_header(struct kith1_run *run, const json_t *args, const struct e2e_payload *payload)
{
    if (json_object_get(args, "group_hash") == NULL) return true;
    return payload->group_epoch == kith1_number(args, "group_epoch") &&
           memcmp(payload->group_hash, kith1_fixed(run, args, "group_hash", E2E_HASH_BYTES), E2E_HASH_BYTES) == 0;
}

OP(read_group_payload)
{
    const uint8_t *account_id = kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES);
    struct e2e_payload payload;
    kith1_refusal refusal;

    if (e2e_payload_decode(kith1_bytes(run, args, "payload"), &payload) != KITH_OK) return KITH1_REFUSED;
    if (memcmp(payload.account_id, account_id, sizeof payload.account_id) != 0) return KITH1_REFUSED;
    if (memcmp(payload.thread_id, kith1_fixed(run, args, "thread_id", E2E_ID_BYTES), E2E_ID_BYTES) != 0)
        return KITH1_REFUSED;
    if (payload.device_id != kith1_u32(args, "device_id") || payload.has_dest || payload.has_peer_list ||
        payload.has_again || !payload.has_group || !is_as_in_header(run, args, &payload))
        return KITH1_REFUSED;
    refusal = check_epoch(kith1_group(run, args)->group, account_id, payload.group_epoch, payload.group_hash);
    if (refusal == NULL) kith1_out_payload(&payload, out);
    return refusal;
}

/* ---------------------------------------------------------------------------------------------- names and keys */
OP(seal_info)
{
    const struct e2e_group_info info = {.name = kith1_bytes(run, args, "name"),
                                        .about = kith1_bytes(run, args, "about")};
    struct e2e_group_info_key key;
    struct kith_buf sealed;
    kith_err err;

    kith_buf_init(&sealed, E2E_GROUP_INFO_BYTES_MAX);
    err = e2e_group_info_seal(&run->random, kith1_fixed(run, args, "group_id", E2E_GROUP_ID_BYTES), &info, &key,
                              &sealed);
    if (err == KITH_OK) {
        kith1_out(out, "key_id", ID(key.id));
        kith1_out(out, "key", ID(key.key));
        kith1_out(out, "info", kith_buf_peek(&sealed));
    }
    kith_buf_deinit(&sealed);
    return kith1_refusal_of(err);
}

OP(open_info)
{
    const struct kith_slice sealed = kith1_bytes(run, args, "info");
    struct e2e_group_info_key key;
    struct e2e_group_info info;
    const uint8_t *id = NULL;
    struct kith_buf plain;
    kith_err err = e2e_group_info_key_id(sealed, &id);

    if (err != KITH_OK) return KITH1_REFUSED;
    memcpy(key.id, id, sizeof key.id);
    memcpy(key.key, kith1_fixed(run, args, "key", sizeof key.key), sizeof key.key);
    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    err = e2e_group_info_open(&key, kith1_fixed(run, args, "group_id", E2E_GROUP_ID_BYTES), sealed, &plain, &info);
    if (err == KITH_OK) {
        kith1_out(out, "key_id", ID(key.id));
        if (info.name.len > 0) kith1_out(out, "name", info.name);
        if (info.about.len > 0) kith1_out(out, "about", info.about);
    }
    kith_buf_wipe(&plain);
    return kith1_refusal_of(err);
}

OP(make_group_keys)
{
    struct e2e_group_keys keys = {.has_info_key = json_object_get(args, "info_key") != NULL,
                                  .has_chain = json_object_get(args, "given") != NULL};
    struct kith_buf bytes;
    kith_err err = KITH_OK;

    memcpy(keys.group_id, kith1_fixed(run, args, "group_id", E2E_GROUP_ID_BYTES), sizeof keys.group_id);
    if (keys.has_info_key) {
        memcpy(keys.info_key.id, kith1_fixed(run, args, "info_key_id", sizeof keys.info_key.id),
               sizeof keys.info_key.id);
        memcpy(keys.info_key.key, kith1_fixed(run, args, "info_key", E2E_KEY_BYTES), E2E_KEY_BYTES);
    }
    if (keys.has_chain) err = e2e_chain_given_decode(kith1_bytes(run, args, "given"), &keys.chain);
    if (err != KITH_OK) return KITH1_REFUSED;
    kith_buf_init(&bytes, E2E_GROUP_SIGNED_BYTES_MAX);
    err = e2e_group_keys_encode(&keys, &bytes);
    kith1_out(out, "keys", kith_buf_peek(&bytes));
    kith_buf_wipe(&bytes);
    return kith1_refusal_of(err);
}

OP(read_group_keys)
{
    struct e2e_group_keys keys;
    struct kith_buf given;

    if (e2e_group_keys_decode(kith1_bytes(run, args, "keys"), &keys) != KITH_OK) return KITH1_REFUSED;
    kith1_out(out, "group_id", ID(keys.group_id));
    if (keys.has_info_key) {
        kith1_out(out, "info_key_id", ID(keys.info_key.id));
        kith1_out(out, "info_key", ID(keys.info_key.key));
    }
    if (!keys.has_chain) return NULL;
    kith_buf_init(&given, E2E_CHAIN_GIVEN_BYTES_MAX);
    kith1_need(e2e_chain_given_encode(&keys.chain, &given) == KITH_OK, "a chain that cannot be encoded");
    kith1_out(out, "given", kith_buf_peek(&given));
    kith_buf_wipe(&given);
    return NULL;
}

kith1_op *kith1_group_op(const char *name)
{
    static const struct {
        const char *name;
        kith1_op *op;
    } ops[] = {{"make_op", op_make_op},
               {"compare_op", op_compare_op},
               {"read_op", op_read_op},
               {"load_group", op_load_group},
               {"join_group", op_join_group},
               {"signer", op_signer},
               {"check_epoch", op_check_epoch},
               {"read_group_payload", op_read_group_payload},
               {"seal_info", op_seal_info},
               {"open_info", op_open_info},
               {"make_group_keys", op_make_group_keys},
               {"read_group_keys", op_read_group_keys}};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0) return ops[i].op;
    return NULL;
}
