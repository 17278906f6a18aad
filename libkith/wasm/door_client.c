#include <stdlib.h>

#include "libkith/wasm/door_impl.h"

/* A client as its host drives it: kith.h, call by call. */
#define RECORDS_BYTES_MAX (256u << 20) /* of a PERSIST: as the client's own */

/* ------------------------------------------------------------------------------------------------ its life */

static kith_err read_config(const struct door_at *at, const struct kith_slice *args, struct kith_client_config *config)
{
    *config = (struct kith_client_config){.random = at->random->fill, .random_arg = at->random->arg};
    TRY(door_arg_id(args[0], &config->user.id));
    TRY(door_arg_id(args[1], &config->device.id));
    TRY(door_arg_u32(args[2], &config->in_flight_max));
    TRY(door_arg_flag(args[3], &config->shows_history));
    TRY(door_arg_flag(args[4], &config->keeps_mail));
    TRY(door_arg_flag(args[5], &config->encrypts));
    TRY(door_arg_u32(args[6], &config->one_time_keys));
    return config->one_time_keys > KITH_PREKEYS_MAX ? KITH_E_MALFORMED : KITH_OK;
}

CALL(client_new)
{
    struct kith_client_config config;
    struct door_client *client;

    TRY(read_config(at, args, &config));
    client = calloc(1, sizeof *client);
    if (client == NULL) return KITH_E_NOMEM;
    kith_buf_init_secret(&client->records, RECORDS_BYTES_MAX);
    client->user = config.user;
    client->client = kith_client_new(&config);
    if (client->client == NULL) {
        free(client);
        return KITH_E_NOMEM;
    }
    return door_give_client(at->door, client, out);
}

CALL(client_free)
{
    door_slot_free(at->slot);
    return KITH_OK;
}

CALL(client_load)
{
    if (at->client->started) return KITH_E_CONFLICT;
    return kith_client_load(at->client->client, args[0], args[1]);
}

CALL(client_start)
{
    if (at->client->started) return KITH_E_CONFLICT;
    at->client->started = true;
    kith_client_start(at->client->client, at->now);
    return KITH_OK;
}

/* ------------------------------------------------------------------------------------------------ what happened */

CALL(client_token)
{
    if (args[0].len > KITH_TOKEN_BYTES_MAX) return KITH_E_TOOBIG;
    kith_client_token(at->client->client, at->now, args[0]);
    return KITH_OK;
}

CALL(client_connected)
{
    kith_client_connected(at->client->client, at->now);
    return KITH_OK;
}

CALL(client_bytes)
{
    kith_client_bytes(at->client->client, at->now, (uint8_t *)(uintptr_t)args[0].ptr, args[0].len);
    return KITH_OK;
}

CALL(client_disconnected)
{
    kith_client_disconnected(at->client->client, at->now);
    return KITH_OK;
}

CALL(client_tick)
{
    kith_client_tick(at->client->client, at->now);
    return KITH_OK;
}

CALL(client_persisted)
{
    if (kith_buf_len(&at->client->records) > 0) return KITH_E_CONFLICT;
    kith_client_persisted(at->client->client);
    return KITH_OK;
}

/* ------------------------------------------------------------------------------------------------ effects */

CALL(client_next)
{
    struct kith_effect effect;
    kith_err err = KITH_OK;

    TRY(kith_client_next(at->client->client, &effect));
    if (effect.kind == KITH_EFFECT_PERSIST) err = kith_buf_append(&at->client->records, effect.bytes);
    if (effect.kind == KITH_EFFECT_FETCH) at->client->asked = effect.fetch.kind;
    if (err == KITH_OK) err = door_put_effect(&effect, out);
    if (err != KITH_OK) abort(); /* it is gone from the client: as effects.c */
    return KITH_OK;
}

CALL(client_record)
{
    struct kith_slice left = kith_buf_peek(&at->client->records), key = {0}, value = {0};
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);
    size_t len = left.len;
    bool is_put = false;

    TRY(kith_record_next(&left, &is_put, &key, &value));
    e2e_tlv_put(&w, DOOR_KEY, key);
    e2e_tlv_put_optional(&w, DOOR_VALUE, value);
    e2e_tlv_put_u8(&w, DOOR_IS_PUT, is_put);
    TRY(e2e_tlv_finish(&w));
    kith_buf_consume(&at->client->records, len - left.len);
    if (left.len == 0) kith_buf_deinit(&at->client->records); /* wiped */
    return KITH_OK;
}

static kith_err put_record(kith_err (*record)(struct kith_slice key, struct kith_slice value, struct kith_message *out),
                           const struct kith_slice *args, struct kith_buf *out)
{
    struct kith_message message;

    TRY(record(args[0], args[1], &message));
    return door_put_message(&message, out);
}

CALL(record_message)
{
    return put_record(kith_record_message, args, out);
}

CALL(record_mail)
{
    return put_record(kith_record_mail, args, out);
}

/* ------------------------------------------------------------------------------------------------ what is wanted */

static kith_err put_id(kith_err err, struct msg_id id, struct kith_buf *out)
{
    return err == KITH_OK ? kith_buf_append(out, kith_slice_of(id.id.raw, sizeof id.id.raw)) : err;
}

CALL(client_send)
{
    struct kith_send send = {.content_type = args[2], .body = args[3]};
    struct msg_id id = {0};

    TRY(door_arg_id(args[0], &send.chat.id));
    TRY(door_arg_flag(args[1], &send.encrypted));
    TRY(door_arg_u64(args[4], &send.expires_ms));
    return put_id(kith_client_send(at->client->client, at->now, &send, &id), id, out);
}

CALL(client_read)
{
    struct chat_id chat;
    uint64_t seq = 0;

    TRY(door_arg_id(args[0], &chat.id));
    TRY(door_arg_u64(args[1], &seq));
    return kith_client_read(at->client->client, chat, seq);
}

CALL(client_typing)
{
    struct chat_id chat;

    TRY(door_arg_id(args[0], &chat.id));
    return kith_client_typing(at->client->client, chat);
}

CALL(client_mail_done)
{
    uint64_t seq = 0;

    TRY(door_arg_u64(args[0], &seq));
    kith_client_mail_done(at->client->client, seq);
    return KITH_OK;
}

CALL(client_recalled)
{
    struct chat_id chat;
    uint64_t seq = 0;

    TRY(door_arg_id(args[0], &chat.id));
    TRY(door_arg_u64(args[1], &seq));
    kith_client_recalled(at->client->client, at->now, chat, seq, args[2]);
    return KITH_OK;
}

CALL(client_outbox_count)
{
    return kith_buf_append_u32_be(out, (uint32_t)kith_client_outbox_count(at->client->client));
}

CALL(client_outbox_at)
{
    struct kith_outbox_entry entry;
    uint32_t place = 0;

    TRY(door_arg_u32(args[0], &place));
    TRY(kith_client_outbox_at(at->client->client, place, &entry));
    return door_put_entry(&entry, out);
}

CALL(client_outbox_retry)
{
    struct msg_id id, now_id = {0};

    TRY(door_arg_id(args[0], &id.id));
    return put_id(kith_client_outbox_retry(at->client->client, at->now, id, &now_id), now_id, out);
}

CALL(client_outbox_drop)
{
    struct msg_id id;

    TRY(door_arg_id(args[0], &id.id));
    return kith_client_outbox_drop(at->client->client, id);
}

CALL(client_look_up)
{
    struct user_id user;

    TRY(door_arg_id(args[0], &user.id));
    kith_client_look_up(at->client->client, at->now, user);
    return KITH_OK;
}

/* ------------------------------------------------------------------------------------------------ how it is */

CALL(client_is_looked_up)
{
    return kith_buf_append_u8(out, kith_client_is_looked_up(at->client->client));
}

CALL(client_is_settled)
{
    return kith_buf_append_u8(out, kith_client_is_settled(at->client->client));
}

CALL(client_applied)
{
    struct chat_id chat;

    TRY(door_arg_id(args[0], &chat.id));
    return kith_buf_append_u64_be(out, kith_client_applied(at->client->client, chat));
}

CALL(client_connection)
{
    return kith_buf_append_u8(out, (uint8_t)kith_client_connection(at->client->client));
}

CALL(client_stats)
{
    struct kith_client_stats stats;
    uint64_t numbers[sizeof stats / sizeof(uint64_t)];

    kith_client_stats(at->client->client, &stats);
    memcpy(numbers, &stats, sizeof numbers);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) TRY(kith_buf_append_u64_be(out, numbers[i]));
    return KITH_OK;
}
