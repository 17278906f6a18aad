#include "libkith/crypto/secret.h"
#include "tests/unit/kith1_run.h"

/* Steps of tests/vectors/kith1_*.json: sender chains. */

#define OP(name) static kith1_refusal op_##name(struct kith1_run *run, const json_t *args, json_t *out)

static struct e2e_chain_owner owner_of(struct kith1_run *run, const json_t *args)
{
    struct e2e_chain_owner owner = {.device_id = kith1_u32(args, "device_id")};

    memcpy(owner.group_id, kith1_fixed(run, args, "group_id", E2E_GROUP_ID_BYTES), sizeof owner.group_id);
    memcpy(owner.account_id, kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES), sizeof owner.account_id);
    return owner;
}

static struct e2e_group_epoch epoch_of(struct kith1_run *run, const json_t *args)
{
    struct e2e_group_epoch epoch = {.seq = kith1_number(args, "group_epoch")};

    memcpy(epoch.hash, kith1_fixed(run, args, "group_hash", E2E_HASH_BYTES), sizeof epoch.hash);
    return epoch;
}

static void forget(struct kith1_chain *chain)
{
    e2e_sender_chain_free(chain->sender);
    e2e_receiver_chain_free(chain->receiver);
    chain->sender = NULL;
    chain->receiver = NULL;
}

static struct e2e_sender_chain *sending(struct kith1_run *run, const json_t *args)
{
    struct e2e_sender_chain *sender = kith1_chain(run, args)->sender;

    kith1_need(sender != NULL, "no sending chain of that name");
    return sender;
}

OP(new_chain)
{
    const struct e2e_chain_owner owner = owner_of(run, args);
    struct kith1_chain *chain = kith1_chain(run, args);
    struct e2e_group_epoch epoch = {0};
    struct e2e_chain_given given;

    forget(chain);
    kith1_need(e2e_sender_chain_new(&run->random, &owner, kith1_number(args, "now"), &chain->sender) == KITH_OK, "new");
    e2e_sender_chain_give(chain->sender, &epoch, &given);
    kith1_out(out, "chain_id", kith_slice_of(given.chain_id, sizeof given.chain_id));
    return NULL;
}

OP(load_chain)
{
    const char *kind = json_string_value(json_object_get(args, "kind"));
    const struct kith_slice state = kith1_bytes(run, args, "state");
    struct kith1_chain *chain = kith1_chain(run, args), made = {.name = chain->name};
    kith_err err;

    (void)out;
    kith1_need(kind != NULL, "no kind of chain");
    err = strcmp(kind, "sending") == 0 ? e2e_sender_chain_decode(state, &made.sender)
                                       : e2e_receiver_chain_decode(state, &made.receiver);
    if (err != KITH_OK) return KITH1_REFUSED;
    forget(chain);
    *chain = made;
    return NULL;
}

OP(chain_is_due)
{
    kith1_out_number(out, "due", e2e_sender_chain_is_used_up(sending(run, args), kith1_number(args, "now")));
    return NULL;
}

OP(give_chain)
{
    const struct e2e_group_epoch epoch = epoch_of(run, args);
    struct e2e_chain_given given;
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, E2E_CHAIN_GIVEN_BYTES_MAX);
    e2e_sender_chain_give(sending(run, args), &epoch, &given);
    err = e2e_chain_given_encode(&given, &bytes);
    kith1_out(out, "given", kith_buf_peek(&bytes));
    kith_buf_wipe(&bytes);
    return kith1_refusal_of(err);
}

OP(take_chain)
{
    const struct e2e_chain_owner owner = owner_of(run, args);
    struct kith1_chain *chain = kith1_chain(run, args);
    const bool is_known = chain->receiver != NULL;
    struct e2e_chain_given given;
    kith_err err = e2e_chain_given_decode(kith1_bytes(run, args, "given"), &given);

    kith1_need(chain->sender == NULL && owner.device_id != 0, "a chain of one's own, or of no device");
    if (err == KITH_OK)
        err = is_known ? e2e_receiver_chain_same(chain->receiver, &given)
                       : e2e_receiver_chain_new(&owner, &given, &chain->receiver);
    json_object_set_new(out, "step", json_string(is_known ? "same" : "new"));
    return kith1_refusal_of(err);
}

OP(chain_encrypt)
{
    const struct e2e_group_epoch epoch = epoch_of(run, args);
    struct kith_buf message;
    kith_err err;

    kith_buf_init(&message, E2E_GROUP_PLAIN_MAX + E2E_GROUP_MESSAGE_OVERHEAD_MAX);
    err = e2e_sender_chain_encrypt(&run->random, sending(run, args), &epoch, kith1_bytes(run, args, "plaintext"),
                                   &message);
    kith1_out(out, "message", kith_buf_peek(&message));
    kith_buf_deinit(&message);
    return kith1_refusal_of(err);
}

OP(chain_decrypt)
{
    struct e2e_receiver_chain *receiver = kith1_chain(run, args)->receiver;
    struct e2e_group_message message;
    struct kith_buf plain;
    kith_err err = e2e_group_message_decode(kith1_bytes(run, args, "message"), &message);

    kith1_need(receiver != NULL, "no receiving chain of that name");
    if (err != KITH_OK) return KITH1_REFUSED;
    kith_buf_init(&plain, E2E_GROUP_PLAIN_MAX);
    err = e2e_receiver_chain_decrypt(receiver, &message, kith1_number(args, "now"), &plain);
    kith1_out(out, "plaintext", kith_buf_peek(&plain));
    kith1_out_number(out, "group_epoch", message.epoch.seq);
    kith1_out(out, "group_hash", kith_slice_of(message.epoch.hash, sizeof message.epoch.hash));
    kith_buf_wipe(&plain);
    return err == KITH_E_CONFLICT ? "REPEATED" : kith1_refusal_of(err);
}

kith1_op *kith1_chain_op(const char *name)
{
    static const struct {
        const char *name;
        kith1_op *op;
    } ops[] = {{"new_chain", op_new_chain},        {"load_chain", op_load_chain}, {"chain_is_due", op_chain_is_due},
               {"give_chain", op_give_chain},      {"take_chain", op_take_chain}, {"chain_encrypt", op_chain_encrypt},
               {"chain_decrypt", op_chain_decrypt}};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0) return ops[i].op;
    return NULL;
}
