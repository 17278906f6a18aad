#include "libkith/e2ee/resend.h"
#include "tests/unit/kith1_run.h"

/* Steps of tests/vectors/kith1_*.json: what is inside a message. */

#define OP(name) static kith1_refusal op_##name(struct kith1_run *run, const json_t *args, json_t *out)

/* Zeros when it is missing. */
static bool take(struct kith1_run *run, const json_t *args, const char *name, uint8_t *out, size_t len)
{
    if (json_object_get(args, name) == NULL) return false;
    memcpy(out, kith1_fixed(run, args, name, len), len);
    return true;
}

OP(make_payload)
{
    struct e2e_payload payload = {
        .content_type = kith1_bytes(run, args, "content_type"),
        .device_id = kith1_u32(args, "device_id"),
        .sent_at_ms = kith1_number(args, "sent_at"),
        .sseq = kith1_number(args, "sseq"),
        .list_seq = kith1_number(args, "list_seq"),
        .peer_list_seq = kith1_number(args, "peer_list_seq"),
        .group_epoch = kith1_number(args, "group_epoch"),
        .body = kith1_bytes(run, args, "body"),
    };
    struct kith_buf bytes;
    kith_err err;

    (void)take(run, args, "thread_id", payload.thread_id, sizeof payload.thread_id);
    (void)take(run, args, "account_id", payload.account_id, sizeof payload.account_id);
    (void)take(run, args, "msg_id", payload.msg_id, sizeof payload.msg_id);
    (void)take(run, args, "prev", payload.prev, sizeof payload.prev);
    (void)take(run, args, "list_hash", payload.list_hash, sizeof payload.list_hash);
    payload.has_peer_list = take(run, args, "peer_list_hash", payload.peer_list_hash, sizeof payload.peer_list_hash);
    payload.has_group = take(run, args, "group_hash", payload.group_hash, sizeof payload.group_hash);
    payload.has_dest = take(run, args, "dest", payload.dest, sizeof payload.dest);
    payload.again = kith1_bytes(run, args, "again");
    payload.has_again = payload.again.ptr != NULL;
    kith_buf_init(&bytes, E2E_PAYLOAD_BYTES_MAX);
    err = e2e_payload_encode(&payload, &bytes);
    kith1_out(out, "payload", kith_buf_peek(&bytes));
    kith1_out_number(out, "length", kith_buf_len(&bytes));
    kith_buf_deinit(&bytes);
    return kith1_refusal_of(err);
}

void kith1_out_payload(const struct e2e_payload *payload, json_t *out)
{
    kith1_out(out, "content_type", payload->content_type);
    kith1_out(out, "thread_id", kith_slice_of(payload->thread_id, sizeof payload->thread_id));
    kith1_out(out, "account_id", kith_slice_of(payload->account_id, sizeof payload->account_id));
    kith1_out_number(out, "device_id", payload->device_id);
    kith1_out(out, "msg_id", kith_slice_of(payload->msg_id, sizeof payload->msg_id));
    kith1_out_number(out, "sent_at", payload->sent_at_ms);
    kith1_out_number(out, "sseq", payload->sseq);
    if (payload->sseq != 1) kith1_out(out, "prev", kith_slice_of(payload->prev, sizeof payload->prev));
    kith1_out_number(out, "list_seq", payload->list_seq);
    kith1_out(out, "list_hash", kith_slice_of(payload->list_hash, sizeof payload->list_hash));
    if (payload->has_peer_list) {
        kith1_out_number(out, "peer_list_seq", payload->peer_list_seq);
        kith1_out(out, "peer_list_hash", kith_slice_of(payload->peer_list_hash, sizeof payload->peer_list_hash));
    }
    if (payload->has_group) {
        kith1_out_number(out, "group_epoch", payload->group_epoch);
        kith1_out(out, "group_hash", kith_slice_of(payload->group_hash, sizeof payload->group_hash));
    }
    if (payload->body.len > 0) kith1_out(out, "body", payload->body);
    kith1_out(out, "body_hash", kith_slice_of(payload->body_hash, sizeof payload->body_hash));
    if (payload->has_dest) kith1_out(out, "dest", kith_slice_of(payload->dest, sizeof payload->dest));
    if (payload->has_again) kith1_out(out, "again", payload->again);
}

/* What is in no chat is mail: it has no place in any, and names the peer's list when that is another account's. */
static bool is_mail(const struct e2e_payload *payload, bool is_own)
{
    struct e2e_resend_item item;

    if (payload->sseq != 1 || payload->has_group || payload->has_dest) return false;
    if (payload->has_again && e2e_resend_item_decode(payload->again, &item) != KITH_OK) return false;
    return payload->has_peer_list != is_own;
}

/* What the session and the chat say is compared by the caller of the library, who knows both; so it is here. */
OP(read_payload)
{
    const uint8_t *account_id = kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES);
    const uint8_t *reader = kith1_fixed(run, args, "reader", E2E_ACCOUNT_ID_BYTES);
    const uint8_t *thread_id = kith1_fixed(run, args, "thread_id", E2E_ID_BYTES);
    const bool is_own = memcmp(account_id, reader, E2E_ACCOUNT_ID_BYTES) == 0;
    static const uint8_t no_thread[E2E_ID_BYTES];
    struct e2e_payload payload;

    if (e2e_payload_decode(kith1_bytes(run, args, "payload"), &payload) != KITH_OK) return KITH1_REFUSED;
    if (memcmp(payload.account_id, account_id, sizeof payload.account_id) != 0) return KITH1_REFUSED;
    if (memcmp(payload.thread_id, thread_id, E2E_ID_BYTES) != 0 || payload.device_id != kith1_u32(args, "device_id"))
        return KITH1_REFUSED;
    if (memcmp(thread_id, no_thread, E2E_ID_BYTES) == 0 ? !is_mail(&payload, is_own)
                                                        : payload.has_dest != is_own || payload.has_again)
        return KITH1_REFUSED;
    kith1_out_payload(&payload, out);
    return NULL;
}

OP(padded_lengths)
{
    const json_t *lengths = json_object_get(args, "lengths");
    json_t *padded = json_array();

    (void)run;
    for (size_t i = 0; i < json_array_size(lengths); i++) {
        const size_t len = e2e_padded_bytes((size_t)json_integer_value(json_array_get(lengths, i)));
        json_array_append_new(padded, json_integer((json_int_t)len));
    }
    json_object_set_new(out, "lengths", padded);
    return NULL;
}

kith1_op *kith1_payload_op(const char *name)
{
    if (strcmp(name, "make_payload") == 0) return op_make_payload;
    if (strcmp(name, "read_payload") == 0) return op_read_payload;
    return strcmp(name, "padded_lengths") == 0 ? op_padded_lengths : NULL;
}
