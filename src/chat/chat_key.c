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

/* Judged by the time the command was appended, not by the stream's clamped time: one server clock that once ran ahead must
 * not make every later id too old (docs/decisions/0003). */
enum kith_code chat_key_judge(const struct cmd *cmd, const struct chat_rules *rules)
{
    uint64_t id_ms = kith_uuid_v7_ms(cmd->id.id);

    if (!kith_uuid_is_version(cmd->id.id, 7) || id_ms > cmd->time_ms + rules->id_ahead_ms_max) return CODE_BAD_ID;
    return id_ms + rules->id_age_ms_max < cmd->time_ms ? CODE_TOO_OLD : CODE_OK;
}

bool chat_key_repeated(const struct cmd *cmd, const struct chat_lookup *lookup, struct chat_effects *fx)
{
    struct row_idempotency row = {0};
    uint8_t hash[16];

    if (!lookup->found) return false;
    if (row_idempotency_decode(lookup->value, &row) != KITH_OK) {
        fx->err = KITH_E_DAMAGED;
        return true;
    }
    chat_content_hash(cmd, hash);
    if (memcmp(hash, row.content_hash, sizeof hash) != 0 && !kith_mutant(KEY_IGNORES_CONTENT)) {
        fx->answer = (struct chat_answer){.code = CODE_CONFLICT, .epoch = 1};
        return true;
    }
    fx->answer = (struct chat_answer){
        .code = CODE_OK, .repeated = true, .seq = row.seq, .epoch = row.epoch, .created_ms = row.created_ms};
    return true;
}

bool chat_repeated(struct chat_step *step)
{
    return chat_key_repeated(step->cmd, &step->lookups[CHAT_LOOKUP_KEY], step->fx);
}

void chat_key_remember(const struct cmd *cmd, uint64_t expires_ms, struct chat_effects *fx)
{
    const struct chat_answer *answer = &fx->answer;
    struct row_idempotency row = {.expires_ms = expires_ms,
                                  .seq = answer->seq,
                                  .created_ms = answer->created_ms,
                                  .epoch = answer->epoch,
                                  .device = cmd->device};
    struct row_key key = row_key_key(cmd->stream, cmd->actor, cmd->id);
    struct kith_buf value;

    if (kith_uuid_is_nil(cmd->id.id) || kith_mutant(KEY_NOT_STORED)) return;
    chat_content_hash(cmd, row.content_hash);
    kith_buf_init(&value, 128);
    fx->err = row_idempotency_encode(&row, &value);
    if (fx->err == KITH_OK) fx->err = row_put(fx->rows, &key, kith_buf_peek(&value));
    if (fx->err == KITH_OK) fx->row_count++;
    kith_buf_deinit(&value);
}

void chat_remember(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    /* A message's key lives by the time inside its id, so that no clock of ours decides when a repeat becomes new. */
    uint64_t from_ms = cmd->verb == CMD_SEND ? kith_uuid_v7_ms(cmd->id.id) : step->time_ms;

    chat_key_remember(cmd, from_ms + step->rules->key_keep_ms, step->fx);
}
