#include "account/group_op.h"

#include <sodium.h>

#include "account/account_impl.h"
#include "account/group_replay.h"
#include "account/join.h"
#include "account/signer.h"

_Static_assert((int)E2E_ROLE_MEMBER == (int)ROLE_MEMBER && (int)E2E_ROLE_OWNER == (int)ROLE_OWNER, "one number a role");

/* ------------------------------------------------------------------------------------------------ what it says */

/* 0: no operation goes with it. */
static unsigned kind_of(const struct cmd *cmd)
{
    switch (cmd->verb) {
    case CMD_CHAT_CREATE: return E2E_GROUP_CREATE;
    case CMD_MEMBER_ADD: return E2E_GROUP_ADD;
    case CMD_MEMBER_REMOVE: return E2E_GROUP_REMOVE;
    case CMD_MEMBER_LEAVE: return E2E_GROUP_LEAVE;
    case CMD_MEMBER_ROLE: return E2E_GROUP_ROLE;
    case CMD_CHAT_UPDATE:
        if ((cmd->flags & CMD_HAS_JOIN_KEY) != 0) return E2E_GROUP_JOIN_KEY;
        return (cmd->flags & CMD_HAS_HISTORY) != 0 ? E2E_GROUP_SETTINGS : E2E_GROUP_INFO;
    default: return 0;
    }
}

static bool same_founders(struct kith_slice founders, struct kith_slice members)
{
    struct cmd_member member;

    while (cmd_member_next(&members, &member) == KITH_OK) {
        if (founders.len <= E2E_ACCOUNT_ID_BYTES) return false;
        if (memcmp(founders.ptr, member.user.id.raw, E2E_ACCOUNT_ID_BYTES) != 0) return false;
        if (founders.ptr[E2E_ACCOUNT_ID_BYTES] != member.role) return false;
        founders.ptr += E2E_ACCOUNT_ID_BYTES + 1;
        founders.len -= E2E_ACCOUNT_ID_BYTES + 1;
    }
    return founders.len == 0;
}

/* The command has of a link's key how it begins. A key that begins as none does would be one that the server does not know of. */
static bool same_link(const struct e2e_group_op *op, const struct cmd *cmd)
{
    if (account_join_tag(op->join_key) != cmd->value) return false;
    return cmd->value != 0 || sodium_is_zero(op->join_key, sizeof op->join_key) == 1;
}

static bool says(const struct e2e_group_op *op, const struct cmd *cmd)
{
    bool is_open = (op->settings & E2E_GROUP_HISTORY_OPEN) != 0, opens = (cmd->flags & CMD_HISTORY_OPEN) != 0;
    bool is_subject = memcmp(op->subject, cmd->subject.id.raw, sizeof op->subject) == 0;

    if (op->kind != kind_of(cmd)) return false;
    switch (op->kind) {
    case E2E_GROUP_CREATE: return is_open == opens && same_founders(op->founders, cmd->members);
    case E2E_GROUP_ADD:
    case E2E_GROUP_ROLE: return is_subject && op->role == cmd->role;
    case E2E_GROUP_REMOVE: return is_subject;
    case E2E_GROUP_SETTINGS: return is_open == opens;
    case E2E_GROUP_LEAVE:
    case E2E_GROUP_INFO: break;
    case E2E_GROUP_JOIN_KEY: return same_link(op, cmd);
    }
    return true;
}

/* The head of a chain that somebody stopped before operations were verified has no successor. */
static enum kith_code follows(const struct e2e_group_op *op, struct kith_slice before)
{
    struct e2e_group_op last;

    if (op->seq == 1) return CODE_OK; /* it names none, or would be no operation */
    if (before.len == 0 || e2e_group_op_skim(before, &last) != KITH_OK) return CODE_STALE_GROUP;
    if (memcmp(op->prev_hash, last.hash, sizeof last.hash) != 0) return CODE_STALE_GROUP;
    return memcmp(op->group_id, last.group_id, sizeof last.group_id) == 0 ? CODE_OK : CODE_BAD_REQUEST;
}

/* All that costs no signature. */
static enum kith_code read_op(struct account_group_op *op, struct kith_slice before)
{
    const struct cmd *cmd = op->cmd;
    kith_err err = e2e_group_op_decode(cmd->body, &op->op);

    /* Of a newer client, or so it says: whoever is as old as this server could not take it, nor what follows. */
    if (err == KITH_E_UNSUPPORTED) {
        op->fault = "The operation is of a newer version than this server.";
        return CODE_NOT_SUPPORTED;
    }
    if (err != KITH_OK || op->op.seq != cmd->seq || !says(&op->op, cmd)) return CODE_BAD_REQUEST;
    if (memcmp(op->op.author, cmd->actor.id.raw, sizeof op->op.author) != 0) return CODE_BAD_SIGNATURE;
    return follows(&op->op, before);
}

/* ------------------------------------------------------------------------------------------------ who signed it */

static kith_err author_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_group_op *op = (struct account_group_op *)call;
    const struct account_signer author = {.user = op->cmd->actor,
                                          .device = op->cmd->device,
                                          .number = op->op.author_device,
                                          .list_seq = op->op.list_seq,
                                          .list_hash = op->op.list_hash};
    kith_err err = account_signer_get(tx, &author, op->dsk_pub);

    return err == KITH_E_DENIED ? account_deny(call, CODE_BAD_SIGNATURE) : err;
}

/* In one job with a look at the state: it is mostly known, and who has signed nothing has nothing read or computed. */
static void verify(struct hash_job *job)
{
    struct account_group_op *op = (struct account_group_op *)job->call;

    op->call.code = e2e_group_op_verify(&op->op, op->dsk_pub) == KITH_OK ? CODE_OK : CODE_BAD_SIGNATURE;
    op->is_judged = op->call.code != CODE_OK;
    if (!op->is_judged) group_replay_work(op);
}

static void author_known(struct account_call *call)
{
    struct account_group_op *op = (struct account_group_op *)call;

    op->job = (struct hash_job){.work = verify};
    account_hash(call, &op->job, group_replay_next);
}

/* ------------------------------------------------------------------------------------------------ the call */

void account_group_op_drop(struct account_group_op *op)
{
    kith_buf_deinit(&op->scan.rows);
    group_state_unref(op->state);
    op->state = NULL;
}

static void end(struct account_call *call)
{
    account_group_op_drop((struct account_group_op *)call);
}

void account_group_op(struct accounts *accounts, struct account_group_op *op, struct kith_slice before)
{
    enum kith_code code;

    op->fault = NULL;
    op->state = NULL;
    op->is_judged = op->is_anew = false;
    op->scan.count = 0;
    kith_buf_init(&op->scan.rows, GROUP_REPLAY_PAGE_BYTES);
    if (!account_begin(accounts, &op->call, end)) return;
    code = read_op(op, before);
    if (code == CODE_OK)
        account_tx(&op->call, true, author_run, author_known);
    else
        account_refuse(&op->call, code);
}
