#include <stdlib.h>

#include "libkith/e2ee/account.h"
#include "libkith/wasm/door_impl.h"

/* The answers to a FETCH. One that was not asked for is refused: the client would believe it. */

enum answer {
    ANSWER_KEYS,
    ANSWER_UPLOAD,
    ANSWER_LISTS,
    ANSWER_BUNDLES,
    ANSWER_MEMBERS,
    ANSWER_OPS,
    ANSWER_ADMIT,
    ANSWER_NONE
};

static enum answer answer_of(enum kith_fetch_kind kind)
{
    switch (kind) {
    case KITH_FETCH_KEYS: return ANSWER_KEYS;
    case KITH_FETCH_UPLOAD: return ANSWER_UPLOAD;
    case KITH_FETCH_LISTS:
    case KITH_FETCH_PAST_LISTS: return ANSWER_LISTS;
    case KITH_FETCH_BUNDLES: return ANSWER_BUNDLES;
    case KITH_FETCH_MEMBERS: return ANSWER_MEMBERS;
    case KITH_FETCH_OPS: return ANSWER_OPS;
    case KITH_FETCH_ADMIT: return ANSWER_ADMIT;
    }
    return ANSWER_NONE;
}

static kith_err check(const struct door_at *at, enum answer answer)
{
    return answer_of(at->client->asked) == answer ? KITH_OK : KITH_E_CONFLICT;
}

CALL(client_keys)
{
    struct kith_keys keys = {0};

    TRY(check(at, ANSWER_KEYS));
    TRY(door_arg_flag(args[0], &keys.has_list));
    TRY(door_arg_u64(args[1], &keys.list_seq));
    TRY(door_arg_u32(args[2], &keys.opk_count));
    TRY(door_arg_u32(args[3], &keys.kem_ot_count));
    TRY(door_arg_u32(args[4], &keys.spk_id));
    TRY(door_arg_u32(args[5], &keys.kem_lr_id));
    kith_client_keys(at->client->client, &keys);
    return KITH_OK;
}

/* A list of prekeys under one tag. */
static kith_err put_prekeys(struct e2e_tlv_writer *w, uint16_t tag, const struct kith_slice *prekeys, uint32_t count)
{
    struct kith_buf list;
    kith_err err = KITH_OK;

    kith_buf_init(&list, E2E_TLV_BYTES_MAX);
    for (uint32_t i = 0; err == KITH_OK && i < count; i++) err = e2e_tlv_append_item(&list, prekeys[i]);
    if (err == KITH_OK) e2e_tlv_put_optional(w, tag, kith_buf_peek(&list));
    kith_buf_deinit(&list);
    return err;
}

CALL(client_upload)
{
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);
    struct e2e_upload upload;

    TRY(check(at, ANSWER_UPLOAD));
    if (!kith_client_upload(at->client->client, &upload)) return KITH_E_NOTFOUND;
    e2e_tlv_put_optional(&w, DOOR_LIST, upload.list);
    e2e_tlv_put_optional(&w, DOOR_SPK, upload.spk);
    e2e_tlv_put_optional(&w, DOOR_KEM_LR, upload.kem_lr);
    TRY(put_prekeys(&w, DOOR_OPKS, upload.opks, upload.opk_count));
    TRY(put_prekeys(&w, DOOR_KEM_OTS, upload.kem_ots, upload.kem_ot_count));
    e2e_tlv_put_u8(&w, DOOR_REPLACES, upload.replaces);
    return e2e_tlv_finish(&w);
}

CALL(client_uploaded)
{
    uint32_t opk_count = 0, kem_ot_count = 0;
    uint64_t list_seq = 0;

    TRY(check(at, ANSWER_UPLOAD));
    TRY(door_arg_u64(args[0], &list_seq));
    TRY(door_arg_u32(args[1], &opk_count));
    TRY(door_arg_u32(args[2], &kem_ot_count));
    kith_client_uploaded(at->client->client, list_seq, opk_count, kem_ot_count);
    return KITH_OK;
}

CALL(client_list)
{
    struct user_id user;
    uint64_t list_seq = 0;

    TRY(check(at, ANSWER_LISTS));
    TRY(door_arg_id(args[0], &user.id));
    TRY(door_arg_u64(args[1], &list_seq));
    kith_client_list(at->client->client, user, list_seq, args[2]);
    return KITH_OK;
}

CALL(client_no_list)
{
    struct user_id user;
    uint64_t list_seq = 0;

    TRY(check(at, ANSWER_LISTS));
    TRY(door_arg_id(args[0], &user.id));
    TRY(door_arg_u64(args[1], &list_seq));
    kith_client_no_list(at->client->client, user, list_seq);
    return KITH_OK;
}

CALL(client_bundle)
{
    struct e2e_claimed claimed = {.spk = args[2], .kem = args[3], .opk = args[4]};

    TRY(check(at, ANSWER_BUNDLES));
    NEED(0, sizeof claimed.account_id);
    NEED(1, sizeof claimed.server_device);
    TRY(door_arg_flag(args[5], &claimed.kem_is_last));
    memcpy(claimed.account_id, args[0].ptr, sizeof claimed.account_id);
    memcpy(claimed.server_device, args[1].ptr, sizeof claimed.server_device);
    kith_client_bundle(at->client->client, &claimed);
    return KITH_OK;
}

CALL(client_no_bundle)
{
    struct user_id user;
    struct device_id device;

    TRY(check(at, ANSWER_BUNDLES));
    TRY(door_arg_id(args[0], &user.id));
    TRY(door_arg_id(args[1], &device.id));
    kith_client_no_bundle(at->client->client, user, device);
    return KITH_OK;
}

CALL(client_members)
{
    struct user_id users[2] = {0};
    struct chat_id chat;
    size_t count = args[1].len / sizeof *users;

    TRY(check(at, ANSWER_MEMBERS));
    TRY(door_arg_id(args[0], &chat.id));
    if (args[1].len % sizeof *users != 0) return KITH_E_MALFORMED;
    /* Of any other chat the host names none: a chat of two is of two. */
    if (count > 2) count = 0;
    if (count > 0) memcpy(users, args[1].ptr, count * sizeof *users);
    kith_client_members(at->client->client, chat, users, count);
    return KITH_OK;
}

CALL(client_group_op)
{
    struct chat_id chat;
    uint64_t event_seq = 0;

    TRY(check(at, ANSWER_OPS));
    TRY(door_arg_id(args[0], &chat.id));
    TRY(door_arg_u64(args[1], &event_seq));
    kith_client_group_op(at->client->client, chat, event_seq, args[2]);
    return KITH_OK;
}

CALL(client_admit)
{
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);
    struct kith_admit admit;

    TRY(check(at, ANSWER_ADMIT));
    if (!kith_client_admit(at->client->client, &admit)) return KITH_E_NOTFOUND;
    e2e_tlv_put(&w, DOOR_CHAT, kith_slice_of(admit.chat.id.raw, sizeof admit.chat.id.raw));
    e2e_tlv_put(&w, DOOR_USER, kith_slice_of(admit.user.id.raw, sizeof admit.user.id.raw));
    e2e_tlv_put_u64(&w, DOOR_GROUP_SEQ, admit.group_seq);
    e2e_tlv_put(&w, DOOR_SIGNED_OP, admit.signed_op);
    return e2e_tlv_finish(&w);
}

CALL(client_admitted)
{
    enum kith_code code;

    TRY(check(at, ANSWER_ADMIT));
    if (kith_code_parse(args[0], &code) != KITH_OK) return KITH_E_MALFORMED;
    kith_client_admitted(at->client->client, code);
    return KITH_OK;
}

CALL(client_fetched)
{
    bool ok = false;

    if (answer_of(at->client->asked) == ANSWER_NONE) return KITH_E_CONFLICT;
    TRY(door_arg_flag(args[0], &ok));
    at->client->asked = 0;
    kith_client_fetched(at->client->client, at->now, ok);
    return KITH_OK;
}
