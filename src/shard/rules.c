#include <stdlib.h>

#include "shard/owner.h"

/*
 * The rules of a shard are those of the newest control record before a command. A control record is taken like a command,
 * and its row is stored when all that came before it is applied: so the row is the rule of the position beside it.
 */
struct rules_read {
    struct msgstore_get get; /* first: the store's callback gets a pointer to it */
    struct shard_owner *owner;
    struct row_key key;
    uint16_t shard;
};

static void settle(struct shard_owner *owner);

void owner_rules_free(struct shard_owner *owner)
{
    for (uint16_t shard = 0; owner->rules_reads != NULL && shard < KITH_SHARDS; shard++)
        kith_buf_deinit(&owner->rules_reads[shard].get.value);
    free(owner->rules_reads);
    owner->rules_reads = NULL;
}

static void loaded(struct shard_owner *owner)
{
    struct log_entry *held = owner->held_first;

    owner_rules_free(owner);
    owner->held_first = NULL;
    owner->held_last = &owner->held_first;
    owner_take(owner, held);
    if (owner->caught_up) settle(owner);
}

static void read_done(struct msgstore_get *get)
{
    struct rules_read *read = (struct rules_read *)get;
    struct shard_owner *owner = read->owner;
    struct kith_slice value = kith_buf_peek(&get->value);
    kith_err err = get->err;

    if (err == KITH_OK && value.len < MSGSTORE_VALUE_BYTES_MIN) err = KITH_E_MALFORMED;
    if (err == KITH_OK)
        err = chat_rules_decode(
            kith_slice_of(value.ptr + MSGSTORE_VALUE_BYTES_MIN, value.len - MSGSTORE_VALUE_BYTES_MIN),
            &owner->shards[read->shard].rules);
    if (err != KITH_OK && err != KITH_E_NOTFOUND) {
        owner_fatal(owner, "the rules of a shard cannot be read from the store, or are of a newer version than this");
        return;
    }
    if (--owner->rules_left == 0) loaded(owner);
}

kith_err owner_rules_load(struct shard_owner *owner)
{
    owner->rules_reads = calloc(KITH_SHARDS, sizeof *owner->rules_reads);
    if (owner->rules_reads == NULL) return KITH_E_NOMEM;
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) owner->rules_left += owner->owned[shard];
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) {
        struct rules_read *read = &owner->rules_reads[shard];

        owner->shards[shard].rules = chat_rules_default;
        if (!owner->owned[shard]) continue;
        read->owner = owner;
        read->shard = shard;
        read->key = row_key_rules(shard);
        read->get = (struct msgstore_get){
            .loop = owner->config.loop, .key = row_key_slice(&read->key), .done = read_done};
        kith_buf_init(&read->get.value, MSGSTORE_VALUE_BYTES_MIN + CHAT_RULES_BYTES);
        msgstore_get(owner->config.store, &read->get);
    }
    return KITH_OK;
}

void owner_rules_caught_up(struct shard_owner *owner)
{
    owner->caught_up = true;
    if (owner->rules_left == 0) settle(owner);
}

/* What the configuration wants and the log does not say yet. Refused (a full disk): the next start asks again. */
static void settle(struct shard_owner *owner)
{
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) {
        struct log_entry *entry;
        if (!owner->owned[shard] || chat_rules_equal(&owner->shards[shard].rules, &owner->config.rules)) continue;
        entry = log_entry_new(shard, LOG_CONTROL, CHAT_RULES_BYTES);
        if (entry == NULL) {
            owner_fatal(owner, "no memory for a control record");
            return;
        }
        chat_rules_encode(&owner->config.rules, entry->body);
        log_append(owner->config.log, entry);
    }
}

void owner_rules_take(struct shard_owner *owner, const struct log_entry *entry)
{
    struct chat_rules *rules = &owner->shards[entry->shard].rules;

    if (chat_rules_decode(kith_slice_of(entry->body, entry->len), rules) != KITH_OK)
        owner_fatal(owner, "the log holds rules that this build does not know");
}

void owner_rules_store(struct shard_owner *owner, const struct log_entry *entry)
{
    struct msgstore_batch *batch = &owner->batches[owner_gathering(owner)];
    uint8_t value[MSGSTORE_VALUE_BYTES_MIN + CHAT_RULES_BYTES] = {0};
    struct row_key key = row_key_rules(entry->shard);

    memcpy(value + MSGSTORE_VALUE_BYTES_MIN, entry->body, CHAT_RULES_BYTES);
    if (row_put(&batch->bytes, &key, kith_slice_of(value, sizeof value)) != KITH_OK) {
        owner_fatal(owner, "no memory to store the rules of a shard");
        return;
    }
    batch->rows++;
    owner_run_soon(owner);
}
