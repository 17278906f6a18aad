#include "libkith/crypto/secret.h"
#include "libkith/e2ee/sender_chain.h"
#include "libkith/wasm/ops_impl.h"

/* The operations of KITH_CHAIN_OPS: their arguments are checked for length here, and for all else where they go. */

#define MESSAGE_BYTES_MAX (E2E_GROUP_PLAIN_MAX + E2E_GROUP_MESSAGE_OVERHEAD_MAX)

/* The arguments 0 to 2. No device is 0. */
static kith_err read_owner(const struct kith_slice *args, struct e2e_chain_owner *out)
{
    NEED(0, E2E_GROUP_ID_BYTES);
    NEED(1, E2E_ACCOUNT_ID_BYTES);
    NEED(2, 4);
    memcpy(out->group_id, args[0].ptr, sizeof out->group_id);
    memcpy(out->account_id, args[1].ptr, sizeof out->account_id);
    out->device_id = e2e_tlv_u32(args[2]);
    return out->device_id == 0 ? KITH_E_MALFORMED : KITH_OK;
}

/* The arguments 1 and 2. */
static kith_err read_epoch(const struct kith_slice *args, struct e2e_group_epoch *out)
{
    NEED(1, 8);
    NEED(2, E2E_HASH_BYTES);
    out->seq = e2e_tlv_u64(args[1]);
    memcpy(out->hash, args[2].ptr, sizeof out->hash);
    return KITH_OK;
}

/* `state`, which is wiped, behind its length, then what came of the step. `err`: how far it came. */
static kith_err put_step(kith_err err, struct kith_buf *state, struct kith_buf *result, struct kith_buf *out)
{
    if (err == KITH_OK) err = kith_buf_append_u32_be(out, (uint32_t)kith_buf_len(state));
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(state));
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(result));
    kith_buf_wipe(state);
    kith_buf_wipe(result);
    return err;
}

/* ---------------------------------------------------------------------------------------------- sending */
OP(chain_new)
{
    struct e2e_chain_owner owner;
    struct e2e_sender_chain *chain = NULL;
    kith_err err;

    TRY(read_owner(args, &owner));
    NEED(3, 8);
    TRY(e2e_sender_chain_new(random, &owner, e2e_tlv_u64(args[3]), &chain));
    err = e2e_sender_chain_encode(chain, out);
    e2e_sender_chain_free(chain);
    return err;
}

OP(chain_encrypt)
{
    struct e2e_sender_chain *chain = NULL;
    struct e2e_group_epoch epoch;
    struct kith_buf state, message;
    kith_err err;

    TRY(read_epoch(args, &epoch));
    TRY(e2e_sender_chain_decode(args[0], &chain));
    kith_buf_init(&state, E2E_CHAIN_BYTES_MAX);
    kith_buf_init(&message, MESSAGE_BYTES_MAX);
    err = e2e_sender_chain_encrypt(random, chain, &epoch, args[3], &message);
    if (err == KITH_OK) err = e2e_sender_chain_encode(chain, &state);
    e2e_sender_chain_free(chain);
    return put_step(err, &state, &message, out);
}

OP(chain_give)
{
    struct e2e_sender_chain *chain = NULL;
    struct e2e_group_epoch epoch;
    struct e2e_chain_given given;
    kith_err err;

    TRY(read_epoch(args, &epoch));
    TRY(e2e_sender_chain_decode(args[0], &chain));
    e2e_sender_chain_give(chain, &epoch, &given);
    err = e2e_chain_given_encode(&given, out);
    e2e_wipe(&given, sizeof given);
    e2e_sender_chain_free(chain);
    return err;
}

OP(sender_encode)
{
    struct e2e_sender_chain *chain = NULL;
    kith_err err;

    TRY(e2e_sender_chain_decode(args[0], &chain));
    err = e2e_sender_chain_encode(chain, out);
    e2e_sender_chain_free(chain);
    return err;
}

/* ---------------------------------------------------------------------------------------------- receiving */
OP(receiver_new)
{
    struct e2e_chain_owner owner;
    struct e2e_chain_given given;
    struct e2e_receiver_chain *chain = NULL;
    kith_err err;

    TRY(read_owner(args, &owner));
    TRY(e2e_chain_given_decode(args[3], &given));
    err = e2e_receiver_chain_new(&owner, &given, &chain);
    if (err == KITH_OK) err = e2e_receiver_chain_encode(chain, out);
    e2e_wipe(&given, sizeof given);
    e2e_receiver_chain_free(chain);
    return err;
}

OP(receiver_same)
{
    struct e2e_chain_given given;
    struct e2e_receiver_chain *chain = NULL;
    kith_err err;

    (void)out;
    TRY(e2e_chain_given_decode(args[1], &given));
    err = e2e_receiver_chain_decode(args[0], &chain);
    if (err == KITH_OK) err = e2e_receiver_chain_same(chain, &given);
    e2e_wipe(&given, sizeof given);
    e2e_receiver_chain_free(chain);
    return err;
}

OP(receiver_decrypt)
{
    struct e2e_receiver_chain *chain = NULL;
    struct e2e_group_message message;
    struct kith_buf state, plain;
    kith_err err;

    NEED(2, 8);
    TRY(e2e_receiver_chain_decode(args[0], &chain));
    kith_buf_init(&state, E2E_CHAIN_BYTES_MAX);
    kith_buf_init(&plain, MESSAGE_BYTES_MAX);
    err = e2e_group_message_decode(args[1], &message);
    if (err == KITH_OK) err = e2e_receiver_chain_decrypt(chain, &message, e2e_tlv_u64(args[2]), &plain);
    if (err == KITH_OK) err = e2e_receiver_chain_encode(chain, &state);
    e2e_receiver_chain_free(chain);
    return put_step(err, &state, &plain, out);
}

OP(receiver_encode)
{
    struct e2e_receiver_chain *chain = NULL;
    kith_err err;

    TRY(e2e_receiver_chain_decode(args[0], &chain));
    err = e2e_receiver_chain_encode(chain, out);
    e2e_receiver_chain_free(chain);
    return err;
}
