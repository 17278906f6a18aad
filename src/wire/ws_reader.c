#include "wire/ws_reader.h"

#include <assert.h>

#include "wire/ws_inflater.h"

enum { STATE_HEAD, STATE_PAYLOAD, STATE_CLOSED };

/* A piece of input under way through one call of ws_reader_next(). */
struct input {
    uint8_t *at;
    size_t left;
};

static_assert(sizeof(struct ws_reader) <= 64, "an idle connection must stay small");

void ws_reader_init(struct ws_reader *reader, enum ws_role role, uint32_t message_bytes_max,
                    const struct ws_inflate_params *deflate, struct ws_scratch *scratch)
{
    bool deflated = deflate != NULL && deflate->on;

    assert(message_bytes_max > 0 && message_bytes_max <= WS_MESSAGE_BYTES_TOP);
    assert(!deflated || scratch != NULL);
    *reader = (struct ws_reader){
        .scratch = scratch,
        .role = (uint8_t)role,
        .message_bytes_max = message_bytes_max,
        .window_bits = deflated ? deflate->window_bits : 0,
        .context_takeover = deflated && deflate->context_takeover,
    };
}

void ws_reader_deinit(struct ws_reader *reader)
{
    ws_inflater_give(reader->scratch, reader->inflater);
    reader->inflater = NULL;
    reader->state = STATE_CLOSED;
}

bool ws_reader_is_idle(const struct ws_reader *reader)
{
    return reader->state == STATE_HEAD && !reader->in_message;
}

static kith_err fail(struct ws_reader *reader, kith_err err, enum ws_close_code code)
{
    reader->state = STATE_CLOSED;
    reader->close_code = (uint16_t)code;
    return err;
}

static void input_drop(struct input *in, size_t len)
{
    if (len == 0) return; /* then `at` may be NULL */
    in->at += len;
    in->left -= len;
}

/* A whole control frame; its head was `head_len` bytes. */
static kith_err control_take(struct ws_reader *reader, const struct ws_head *head, size_t head_len, struct input *in,
                             struct ws_event *out)
{
    uint8_t *payload = in->at + head_len;
    size_t len = (size_t)head->payload_len;

    /* Unmasked only when whole, so that nothing has to be remembered of a part. */
    if (in->left - head_len < len) return KITH_E_AGAIN;
    if (head->masked) ws_mask(payload, len, head->mask, 0);
    input_drop(in, head_len + len);
    *out = (struct ws_event){.kind = head->opcode == WS_PING ? WS_EVENT_PING : WS_EVENT_PONG,
                             .bytes = kith_slice_of(payload, len)};
    if (head->opcode != WS_CLOSE) return KITH_OK;

    out->kind = WS_EVENT_CLOSE;
    out->code = WS_CLOSE_NO_STATUS;
    if (len == 1) return fail(reader, KITH_E_MALFORMED, WS_CLOSE_PROTOCOL);
    if (len >= 2) {
        out->code = (uint16_t)(payload[0] << 8 | payload[1]);
        out->bytes = kith_slice_of(payload + 2, len - 2);
        if (!ws_close_code_is_valid(out->code)) return fail(reader, KITH_E_MALFORMED, WS_CLOSE_PROTOCOL);
        if (!utf8_is_valid(out->bytes)) return fail(reader, KITH_E_MALFORMED, WS_CLOSE_BAD_DATA);
    }
    reader->state = STATE_CLOSED;
    return KITH_OK;
}

static kith_err message_begin(struct ws_reader *reader, const struct ws_head *head)
{
    if (head->rsv1 && reader->window_bits == 0) return fail(reader, KITH_E_MALFORMED, WS_CLOSE_PROTOCOL);
    reader->in_message = true;
    reader->at_first = true;
    reader->is_text = head->opcode == WS_TEXT;
    reader->compressed = head->rsv1;
    reader->message_bytes = reader->wire_bytes = 0;
    reader->empty_frames = 0;
    utf8_reset(&reader->utf8);
    if (!reader->compressed || reader->inflater != NULL) return KITH_OK;
    if (ws_inflater_take(reader->scratch, reader->window_bits, &reader->inflater) != KITH_OK) {
        return fail(reader, KITH_E_NOMEM, WS_CLOSE_INTERNAL);
    }
    return KITH_OK;
}

/* The head of a data frame: what its length alone can break is refused before a byte of payload has come. */
static kith_err data_begin(struct ws_reader *reader, const struct ws_head *head)
{
    uint64_t room;
    kith_err err;

    if ((head->opcode == WS_CONTINUATION) != reader->in_message) {
        return fail(reader, KITH_E_MALFORMED, WS_CLOSE_PROTOCOL);
    }
    if (head->opcode != WS_CONTINUATION) {
        err = message_begin(reader, head);
        if (err != KITH_OK) return err;
    }
    if (reader->compressed) {
        /* Honest compressors make nothing longer than deflateBound() says, 9/64 more than the text. */
        room = (uint64_t)reader->message_bytes_max + reader->message_bytes_max / 4 + 256 - reader->wire_bytes;
    } else {
        room = reader->message_bytes_max - reader->message_bytes;
    }
    if (head->payload_len > room) return fail(reader, KITH_E_TOOBIG, WS_CLOSE_TOO_BIG);
    if (head->payload_len == 0 && ++reader->empty_frames > WS_EMPTY_FRAMES_MAX) {
        return fail(reader, KITH_E_TOOBIG, WS_CLOSE_POLICY);
    }
    if (reader->compressed) reader->wire_bytes += (uint32_t)head->payload_len;
    reader->frame_left = head->payload_len;
    reader->frame_fin = head->fin;
    if (head->masked) memcpy(reader->mask, head->mask, sizeof reader->mask);
    reader->mask_phase = 0;
    reader->clear_len = 0;
    reader->state = STATE_PAYLOAD;
    return KITH_OK;
}

/* KITH_OK with *has_event false: a data frame has begun. */
static kith_err head_take(struct ws_reader *reader, struct input *in, struct ws_event *out, bool *has_event)
{
    struct ws_head head;
    size_t head_len = 0;
    kith_err err = ws_head_decode((enum ws_role)reader->role, kith_slice_of(in->at, in->left), &head, &head_len);

    *has_event = false;
    if (err == KITH_E_AGAIN) return err;
    if (err != KITH_OK) return fail(reader, err, WS_CLOSE_PROTOCOL);
    if (ws_opcode_is_control(head.opcode)) {
        *has_event = true;
        return control_take(reader, &head, head_len, in, out);
    }
    input_drop(in, head_len);
    return data_begin(reader, &head);
}

/* Adds a chunk to the message; `at_end`: the frame's payload is through. Makes the event where there is one. */
static kith_err chunk_deliver(struct ws_reader *reader, struct kith_slice chunk, bool at_end, struct ws_event *out,
                              bool *has_event)
{
    bool final = at_end && reader->frame_fin;

    if (reader->is_text && utf8_feed(&reader->utf8, chunk) != KITH_OK) {
        return fail(reader, KITH_E_MALFORMED, WS_CLOSE_BAD_DATA);
    }
    if (final && reader->is_text && !utf8_is_whole(&reader->utf8)) {
        return fail(reader, KITH_E_MALFORMED, WS_CLOSE_BAD_DATA);
    }
    /* After the text, so that a byte which is both wrong and too many gets one answer however the input was split. */
    if (chunk.len > reader->message_bytes_max - reader->message_bytes) {
        return fail(reader, KITH_E_TOOBIG, WS_CLOSE_TOO_BIG);
    }
    reader->message_bytes += (uint32_t)chunk.len;
    if (at_end) reader->state = STATE_HEAD;
    if (final) {
        reader->in_message = false;
        if (!reader->context_takeover) {
            ws_inflater_give(reader->scratch, reader->inflater);
            reader->inflater = NULL;
        }
    }
    *has_event = chunk.len > 0 || final;
    if (!*has_event) return KITH_OK;
    *out = (struct ws_event){
        .kind = WS_EVENT_DATA, .bytes = chunk, .first = reader->at_first, .final = final, .is_text = reader->is_text};
    reader->at_first = false;
    return KITH_OK;
}

static kith_err plain_take(struct ws_reader *reader, struct input *in, struct ws_event *out, bool *has_event)
{
    uint8_t *chunk = in->at;
    size_t len = in->left < reader->frame_left ? in->left : (size_t)reader->frame_left;

    *has_event = false;
    if (len == 0 && reader->frame_left > 0) return KITH_E_AGAIN;
    if (reader->role == WS_SERVER) ws_mask(chunk, len, reader->mask, reader->mask_phase);
    reader->mask_phase = (uint8_t)((reader->mask_phase + len) & 3);
    reader->frame_left -= len;
    input_drop(in, len);
    return chunk_deliver(reader, kith_slice_of(chunk, len), reader->frame_left == 0, out, has_event);
}

/* Unmasks what there is of the frame and was not yet; returns how much of the input belongs to it. */
static size_t deflated_unmask(struct ws_reader *reader, const struct input *in)
{
    size_t len = in->left < reader->frame_left ? in->left : (size_t)reader->frame_left;

    if (len > reader->clear_len) {
        if (reader->role == WS_SERVER) {
            ws_mask(in->at + reader->clear_len, len - reader->clear_len, reader->mask,
                    (size_t)reader->mask_phase + reader->clear_len);
        }
        reader->clear_len = (uint32_t)len;
    }
    return len;
}

static kith_err deflated_take(struct ws_reader *reader, struct input *in, struct ws_event *out, bool *has_event)
{
    struct ws_scratch *scratch = reader->scratch;
    size_t len = deflated_unmask(reader, in);
    /* One byte beyond the maximum is enough to know, and all that a bomb gets inflated. */
    size_t room = (size_t)reader->message_bytes_max - reader->message_bytes + 1;
    size_t out_len = room < scratch->bytes_len ? room : scratch->bytes_len;
    struct ws_inflated step;
    bool at_end;
    kith_err err;

    *has_event = false;
    if (len == 0 && reader->frame_left > 0 && !reader->output_full) return KITH_E_AGAIN;
    err = ws_inflater_step(reader->inflater, kith_slice_of(in->at, len), scratch->bytes, out_len, &step);
    if (err == KITH_E_NOMEM) return fail(reader, err, WS_CLOSE_INTERNAL);
    if (err != KITH_OK) return fail(reader, err, WS_CLOSE_BAD_DATA);
    reader->frame_left -= step.used;
    reader->clear_len -= (uint32_t)step.used;
    reader->mask_phase = (uint8_t)((reader->mask_phase + step.used) & 3);
    input_drop(in, step.used);

    reader->output_full = step.made == out_len;
    at_end = reader->frame_left == 0 && !reader->output_full;
    /* A message without any payload is taken for the empty one, though its sender should have said 00. */
    if (at_end && reader->frame_fin && reader->wire_bytes > 0) {
        err = ws_inflater_finish(reader->inflater);
        if (err == KITH_E_NOMEM) return fail(reader, err, WS_CLOSE_INTERNAL);
        if (err != KITH_OK) return fail(reader, err, WS_CLOSE_BAD_DATA);
    }
    return chunk_deliver(reader, kith_slice_of(scratch->bytes, step.made), at_end, out, has_event);
}

kith_err ws_reader_next(struct ws_reader *reader, uint8_t *bytes, size_t len, size_t *used, struct ws_event *out)
{
    struct input in = {.at = bytes, .left = len};
    bool has_event = false;
    kith_err err = KITH_OK;

    *used = 0;
    if (reader->state == STATE_CLOSED) return KITH_E_CLOSED;
    while (err == KITH_OK && !has_event) {
        if (reader->state == STATE_HEAD) {
            err = head_take(reader, &in, out, &has_event);
        } else if (reader->compressed) {
            err = deflated_take(reader, &in, out, &has_event);
        } else {
            err = plain_take(reader, &in, out, &has_event);
        }
    }
    *used = len - in.left;
    return err;
}
