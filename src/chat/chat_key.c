#include <sodium.h>

#include "base/mutant.h"
#include "chat/chat_internal.h"

/* Collisions can only hurt the one who makes them: the key is (stream, sender, id), so a fast keyed hash is enough. */
static const unsigned char hash_key[crypto_shorthash_siphashx24_KEYBYTES] = "kith content v1";

void chat_content_hash(const struct cmd *cmd, uint8_t out[static 16])
{
    uint8_t head[1 + 4 + 16 + 8 + 8 + 16 + 8 + 1 + 4 * 16];
    uint8_t *at = head;
    const struct kith_slice parts[] = {cmd->name, cmd->content_type, cmd->body, cmd->members};

    *at++ = (uint8_t)cmd->verb;
    kith_put_u32_be(at, cmd->flags);
    memcpy(at + 4, cmd->parent.id.raw, 16);
    kith_put_u64_be(at + 20, cmd->expires_ms);
    kith_put_u64_be(at + 28, cmd->seq);
    memcpy(at + 36, cmd->subject.id.raw, 16);
    kith_put_u64_be(at + 52, cmd->verb == CMD_MEMBER_ADD ? 0 : cmd->value);
    at += 60;
    *at++ = cmd->role;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++, at += 16)
        (void)crypto_shorthash_siphashx24(at, parts[i].ptr, parts[i].len, hash_key);
    (void)crypto_shorthash_siphashx24(out, head, (size_t)(at - head), hash_key);
}

bool chat_repeated(struct chat_step *step)
{
    const struct chat_lookup *lookup = &step->lookups[CHAT_LOOKUP_KEY];
    struct row_idempotency row = {0};
    uint8_t hash[16];

    if (!lookup->found) return false;
    if (row_idempotency_decode(lookup->value, &row) != KITH_OK) {
        step->fx->err = KITH_E_DAMAGED;
        return true;
    }
    chat_content_hash(step->cmd, hash);
    if (memcmp(hash, row.content_hash, sizeof hash) != 0 && !kith_mutant(KEY_IGNORES_CONTENT)) {
        chat_answer(step, CODE_CONFLICT);
        return true;
    }
    step->fx->answer = (struct chat_answer){
        .code = CODE_OK, .repeated = true, .seq = row.seq, .epoch = row.epoch, .created_ms = row.created_ms};
    return true;
}

void chat_remember(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    const struct chat_answer *answer = &step->fx->answer;
    struct row_idempotency row = {
        .seq = answer->seq, .created_ms = answer->created_ms, .epoch = answer->epoch, .device = cmd->device};
    struct row_key key = row_key_key(cmd->stream, cmd->actor, cmd->id);
    struct kith_buf value;

    if (kith_uuid_is_nil(cmd->id.id) || kith_mutant(KEY_NOT_STORED)) return;
    /* A message's key lives by the time inside its id, so that no clock of ours decides when a repeat becomes new. */
    row.expires_ms = (cmd->verb == CMD_SEND ? kith_uuid_v7_ms(cmd->id.id) : step->time_ms) + step->rules->key_keep_ms;
    chat_content_hash(cmd, row.content_hash);
    kith_buf_init(&value, 128);
    step->fx->err = row_idempotency_encode(&row, &value);
    if (step->fx->err == KITH_OK) chat_put_row(step, &key, &value);
    kith_buf_deinit(&value);
}
