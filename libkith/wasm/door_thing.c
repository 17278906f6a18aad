#include "libkith/wasm/door_impl.h"

/* What a client gives, as things: fields in ascending order. */

static void put_id(struct e2e_tlv_writer *w, uint16_t tag, struct kith_uuid id)
{
    e2e_tlv_put(w, tag, kith_slice_of(id.raw, sizeof id.raw));
}

static void put_code(struct e2e_tlv_writer *w, enum kith_code code)
{
    e2e_tlv_put(w, DOOR_CODE, kith_slice_str(kith_code_name(code)));
}

static void message_fields(struct e2e_tlv_writer *w, const struct kith_message *message)
{
    put_id(w, DOOR_CHAT, message->chat.id);
    put_id(w, DOOR_ID, message->id.id);
    e2e_tlv_put_u64(w, DOOR_SEQ, message->seq);
    e2e_tlv_put_u64(w, DOOR_GAP_FROM, message->gap_from);
    put_id(w, DOOR_SENDER, message->sender.id);
    put_id(w, DOOR_DEVICE, message->device.id);
    e2e_tlv_put_u64(w, DOOR_CREATED_MS, message->created_ms);
    e2e_tlv_put_u64(w, DOOR_EXPIRES_MS, message->expires_ms);
    e2e_tlv_put_u8(w, DOOR_ENCRYPTED, message->encrypted);
    e2e_tlv_put_u8(w, DOOR_HAS_BODY, message->has_body);
    e2e_tlv_put_u8(w, DOOR_IS_OPEN, message->is_open);
    e2e_tlv_put_u32(w, DOOR_UNREADABLE, message->unreadable);
    e2e_tlv_put_u64(w, DOOR_MISSED, message->missed);
    e2e_tlv_put_optional(w, DOOR_TYPE, message->type);
    e2e_tlv_put_optional(w, DOOR_CONTENT_TYPE, message->content_type);
    e2e_tlv_put_optional(w, DOOR_BODY, message->body);
    e2e_tlv_put_u8(w, DOOR_IS_ANEW, message->is_anew);
    e2e_tlv_put_u8(w, DOOR_IS_AGAIN, message->is_again);
    e2e_tlv_put_u8(w, DOOR_IS_ASKED, message->is_asked);
}

kith_err door_put_message(const struct kith_message *message, struct kith_buf *out)
{
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);

    message_fields(&w, message);
    return e2e_tlv_finish(&w);
}

kith_err door_put_entry(const struct kith_outbox_entry *entry, struct kith_buf *out)
{
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);

    put_id(&w, DOOR_CHAT, entry->chat.id);
    put_id(&w, DOOR_ID, entry->id.id);
    put_code(&w, entry->code);
    e2e_tlv_put_u64(&w, DOOR_CREATED_MS, entry->created_ms);
    e2e_tlv_put_optional(&w, DOOR_CONTENT_TYPE, entry->content_type);
    e2e_tlv_put_optional(&w, DOOR_BODY, entry->body);
    e2e_tlv_put_u8(&w, DOOR_STATE, (uint8_t)entry->state);
    e2e_tlv_put_u8(&w, DOOR_WAS_ON_WIRE, entry->was_on_wire);
    return e2e_tlv_finish(&w);
}

/* ------------------------------------------------------------------------------------------------ effects */

static void fetch_fields(struct e2e_tlv_writer *w, const struct kith_fetch *fetch)
{
    uint8_t devices[sizeof fetch->devices];
    size_t len = 0;

    for (uint32_t i = 0; i < fetch->device_count; i++) {
        memcpy(devices + len, fetch->devices[i].user.id.raw, sizeof fetch->devices[i].user.id.raw);
        memcpy(devices + len + 16, fetch->devices[i].device.id.raw, sizeof fetch->devices[i].device.id.raw);
        len += 32;
    }
    for (uint32_t i = 0; i < fetch->list_count; i++) {
        memcpy(devices + len, fetch->lists[i].user.id.raw, sizeof fetch->lists[i].user.id.raw);
        kith_put_u64_be(devices + len + 16, fetch->lists[i].after);
        len += 24;
    }
    put_id(w, DOOR_CHAT, fetch->chat.id);
    put_id(w, DOOR_USER, fetch->user.id);
    e2e_tlv_put_u8(w, DOOR_FETCH, (uint8_t)fetch->kind);
    e2e_tlv_put_u64(w, DOOR_AFTER, fetch->after);
    e2e_tlv_put_optional(w, DOOR_DEVICES, kith_slice_of(devices, len));
}

static void outcome_fields(struct e2e_tlv_writer *w, const struct kith_effect *effect)
{
    put_id(w, DOOR_CHAT, effect->chat.id);
    if (effect->kind != KITH_EFFECT_RECALL) put_id(w, DOOR_ID, effect->id.id);
    if (effect->kind != KITH_EFFECT_FAILED) {
        e2e_tlv_put_u64(w, DOOR_SEQ, effect->seq);
        return;
    }
    put_code(w, effect->code);
    e2e_tlv_put_u8(w, DOOR_IS_UNKNOWN, effect->is_unknown);
}

static void somebody_fields(struct e2e_tlv_writer *w, const struct kith_effect *effect)
{
    put_id(w, DOOR_CHAT, effect->chat.id);
    put_id(w, DOOR_USER, effect->user.id);
    if (effect->kind == KITH_EFFECT_TYPING) {
        e2e_tlv_put_u8(w, DOOR_TYPING, effect->typing);
        return;
    }
    e2e_tlv_put_u64(w, DOOR_DELIVERED_UP_TO, effect->delivered_up_to);
    e2e_tlv_put_u64(w, DOOR_READ_UP_TO, effect->read_up_to);
}

static void effect_fields(struct e2e_tlv_writer *w, const struct kith_effect *effect)
{
    switch (effect->kind) {
    case KITH_EFFECT_PERSIST:
    case KITH_EFFECT_CONNECT:
    case KITH_EFFECT_CLOSE:
    case KITH_EFFECT_TOKEN: return;
    case KITH_EFFECT_SEND: e2e_tlv_put(w, DOOR_BYTES, effect->bytes); return;
    case KITH_EFFECT_TIMER: e2e_tlv_put_u64(w, DOOR_AT_MS, effect->at_ms); return;
    case KITH_EFFECT_MESSAGE:
    case KITH_EFFECT_MAIL: message_fields(w, &effect->message); return;
    case KITH_EFFECT_SENT:
    case KITH_EFFECT_RECALL:
    case KITH_EFFECT_FAILED: outcome_fields(w, effect); return;
    case KITH_EFFECT_RECEIPT:
    case KITH_EFFECT_TYPING: somebody_fields(w, effect); return;
    case KITH_EFFECT_STATE:
        put_code(w, effect->code);
        e2e_tlv_put_u8(w, DOOR_CONNECTION, (uint8_t)effect->connection);
        e2e_tlv_put_u64(w, DOOR_RETRY_MS, effect->retry_ms);
        return;
    case KITH_EFFECT_FETCH: fetch_fields(w, &effect->fetch); return;
    }
}

kith_err door_put_effect(const struct kith_effect *effect, struct kith_buf *out)
{
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);

    e2e_tlv_put_u8(&w, DOOR_KIND, (uint8_t)effect->kind);
    effect_fields(&w, effect);
    return e2e_tlv_finish(&w);
}
