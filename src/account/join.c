#include "account/join.h"

#include "account/account_impl.h"
#include "account/signer.h"

_Static_assert(KITH_JOIN_REQUEST_BYTES_MAX == E2E_JOIN_SIGNED_BYTES_MAX, "what a client may make is taken");

uint64_t account_join_tag(const uint8_t join_key[static E2E_SIGN_PUBLIC_BYTES])
{
    return kith_get_u64_be(join_key);
}

static struct account_join *op_of(struct account_call *call)
{
    return (struct account_join *)call;
}

static kith_err asker_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_join *op = op_of(call);
    const struct account_signer asker = {.user = op->who.user,
                                         .device = op->who.device,
                                         .number = op->request.device_id,
                                         .list_seq = op->request.list_seq,
                                         .list_hash = op->request.list_hash};
    kith_err err = account_signer_get(tx, &asker, op->dsk_pub);

    return err == KITH_E_DENIED ? account_deny(call, CODE_BAD_REQUEST) : err;
}

static void verify(struct hash_job *job)
{
    struct account_join *op = op_of(job->call);
    kith_err err = e2e_join_prove(&op->request);

    if (err == KITH_OK) err = e2e_join_verify(&op->request, op->dsk_pub);
    op->call.code = err == KITH_OK ? CODE_OK : CODE_BAD_SIGNATURE;
}

static void verified(struct account_call *call)
{
    account_finish(call, call->code);
}

static void asker_known(struct account_call *call)
{
    struct account_join *op = op_of(call);

    op->tag = account_join_tag(op->request.join_key);
    op->verify = (struct hash_job){.work = verify};
    account_hash(call, &op->verify, verified);
}

void account_join(struct accounts *accounts, struct account_join *op)
{
    uint8_t key[LIMITER_KEY_BYTES];

    if (!account_begin(accounts, &op->call, NULL)) return;
    limiter_key(&accounts->joins, kith_slice_of(op->who.user.id.raw, 16), key);
    if (!account_limit(&op->call, &accounts->joins, key))
        account_refuse(&op->call, CODE_TOO_MANY);
    else if (e2e_join_decode(op->signed_request, &op->request) != KITH_OK ||
             memcmp(op->request.account_id, op->who.user.id.raw, sizeof op->request.account_id) != 0)
        account_refuse(&op->call, CODE_BAD_REQUEST);
    else
        account_tx(&op->call, true, asker_run, asker_known);
}
