#include <sodium.h>

#include "libkith/crypto/safety_number.h"
#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_join.h"
#include "libkith/wasm/door_impl.h"

/* What a person does: trust, linking, groups. Whatever changed is told to the client, so that it is kept and goes out. */

/* The account, or KITH_E_UNSUPPORTED to the caller of the call. */
#define ACCOUNT(name)                                                   \
    struct e2e_account *name = kith_client_account(at->client->client); \
    if (name == NULL) return KITH_E_UNSUPPORTED

static kith_err acted(const struct door_at *at, kith_err err)
{
    if (err == KITH_OK) kith_client_acted(at->client->client, at->now);
    return err;
}

CALL(account_state)
{
    ACCOUNT(account);
    return kith_buf_append_u8(out, (uint8_t)e2e_account_state(account));
}

/* ------------------------------------------------------------------------------------------------ trust */

static kith_err append_listed(const struct e2e_device *device, struct kith_buf *list)
{
    uint8_t room[4 * E2E_TLV_HEAD_BYTES + E2E_SERVER_DEVICE_BYTES + 2 + 8];
    struct kith_buf item = {.bytes_max = sizeof room};
    struct e2e_tlv_writer w = e2e_tlv_writer_of(&item);
    kith_err err;

    e2e_tlv_put(&w, DOOR_DEVICE, kith_slice_of(device->server_device, sizeof device->server_device));
    e2e_tlv_put_u8(&w, DOOR_IS_MANAGER, device->is_manager);
    e2e_tlv_put_u8(&w, DOOR_IS_ACCEPTED, device->is_accepted);
    e2e_tlv_put_u64(&w, DOOR_ADDED_AT_MS, device->added_at_ms);
    err = e2e_tlv_finish(&w);
    if (err == KITH_OK) err = e2e_tlv_append_item(list, kith_buf_peek(&item));
    kith_buf_deinit(&item);
    return err;
}

static kith_err put_list(struct e2e_tlv_writer *w, const struct e2e_person *person)
{
    struct kith_buf listed;
    kith_err err = KITH_OK;

    kith_buf_init(&listed, E2E_TLV_BYTES_MAX);
    for (uint32_t i = 0; err == KITH_OK && i < person->list->device_count; i++)
        err = append_listed(&person->list->devices[i], &listed);
    e2e_tlv_put_u64(w, DOOR_LIST_SEQ, person->list_seq);
    e2e_tlv_put_u64(w, DOOR_ISSUED_AT_MS, person->list->issued_at_ms);
    e2e_tlv_put_optional(w, DOOR_LISTED, kith_buf_peek(&listed));
    kith_buf_deinit(&listed);
    return err;
}

CALL(person)
{
    ACCOUNT(account);
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);
    struct e2e_person person;

    NEED(0, E2E_ACCOUNT_ID_BYTES);
    person = e2e_account_person(account, args[0].ptr);
    e2e_tlv_put_u8(&w, DOOR_TRUST, (uint8_t)person.trust);
    e2e_tlv_put_u8(&w, DOOR_WAS_RESET, person.was_reset);
    if (person.list != NULL) TRY(put_list(&w, &person));
    return e2e_tlv_finish(&w);
}

CALL(verify)
{
    ACCOUNT(account);
    bool verified = false;

    NEED(0, E2E_ACCOUNT_ID_BYTES);
    TRY(door_arg_flag(args[1], &verified));
    return acted(at, e2e_account_verify(account, args[0].ptr, verified));
}

CALL(safety_number)
{
    ACCOUNT(account);
    struct e2e_person me = e2e_account_person(account, at->client->user.id.raw), other;
    char digits[E2E_SAFETY_DIGITS];

    NEED(0, E2E_ACCOUNT_ID_BYTES);
    other = e2e_account_person(account, args[0].ptr);
    if (me.list == NULL || other.list == NULL) return KITH_E_NOTFOUND;
    e2e_safety_number(me.list->ark_pub, me.list->account_id, other.list->ark_pub, other.list->account_id, digits);
    return kith_buf_append(out, kith_slice_of(digits, sizeof digits));
}

/* ------------------------------------------------------------------------------------------------ linking */

CALL(link_request)
{
    ACCOUNT(account);
    return acted(at, e2e_account_link_request(account, at->now.wall_ms, out));
}

CALL(link_code)
{
    char digits[E2E_LINK_CODE_DIGITS];

    if (args[0].len > E2E_LINK_BYTES_MAX) return KITH_E_TOOBIG;
    e2e_link_code(args[0], digits);
    return kith_buf_append(out, kith_slice_of(digits, sizeof digits));
}

CALL(link_approve)
{
    ACCOUNT(account);
    return acted(at, e2e_account_link_approve(account, at->now.wall_ms, args[0], out));
}

CALL(link_accept)
{
    ACCOUNT(account);
    return acted(at, e2e_account_link_accept(account, at->now.wall_ms, args[0]));
}

CALL(remove_device)
{
    ACCOUNT(account);
    NEED(0, E2E_SERVER_DEVICE_BYTES);
    return acted(at, e2e_account_remove_device(account, at->now.wall_ms, args[0].ptr));
}

/* ------------------------------------------------------------------------------------------------ groups */

static kith_err put_members(struct e2e_tlv_writer *w, const struct e2e_group *group)
{
    struct kith_buf members;
    kith_err err = KITH_OK;

    kith_buf_init(&members, E2E_TLV_BYTES_MAX);
    for (uint32_t i = 0; err == KITH_OK && i < group->member_count; i++) {
        const struct e2e_group_member *member = &group->members[i];
        err = kith_buf_append(&members, kith_slice_of(member->account_id, sizeof member->account_id));
        if (err == KITH_OK) err = kith_buf_append_u8(&members, member->role);
    }
    if (err == KITH_OK) e2e_tlv_put_optional(w, DOOR_MEMBERS, kith_buf_peek(&members));
    kith_buf_deinit(&members);
    return err;
}

/* Zeros: there is none. */
static void put_join_key(struct e2e_tlv_writer *w, const uint8_t key[static E2E_SIGN_PUBLIC_BYTES])
{
    if (!sodium_is_zero(key, E2E_SIGN_PUBLIC_BYTES))
        e2e_tlv_put(w, DOOR_JOIN_KEY, kith_slice_of(key, E2E_SIGN_PUBLIC_BYTES));
}

CALL(group)
{
    ACCOUNT(account);
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);
    struct e2e_group_info info = {0};
    struct e2e_group_view view;
    struct kith_buf plain;
    kith_err err;

    NEED(0, E2E_ID_BYTES);
    if (!e2e_account_group(account, args[0].ptr, &view) || view.group == NULL) return KITH_E_NOTFOUND;
    e2e_tlv_put_u64(&w, DOOR_GROUP_SEQ, view.group->seq);
    e2e_tlv_put_u8(&w, DOOR_IS_FORKED, view.is_forked);
    e2e_tlv_put_u8(&w, DOOR_IS_MEMBER, view.is_member);
    e2e_tlv_put_u8(&w, DOOR_SETTINGS, view.group->settings);
    TRY(put_members(&w, view.group));
    kith_buf_init_secret(&plain, E2E_GROUP_INFO_BYTES_MAX);
    err = e2e_account_group_info(account, args[0].ptr, &plain, &info);
    e2e_tlv_put_u32(&w, DOOR_INFO, err);
    if (err == KITH_OK) {
        e2e_tlv_put_optional(&w, DOOR_NAME, info.name);
        e2e_tlv_put_optional(&w, DOOR_ABOUT, info.about);
    }
    put_join_key(&w, view.group->join_key);
    kith_buf_deinit(&plain);
    return e2e_tlv_finish(&w);
}

static kith_err read_change(const struct kith_slice *args, struct e2e_group_change *change)
{
    uint8_t kind = 0;

    TRY(door_arg_u8(args[1], &kind));
    if (kind < E2E_GROUP_CREATE || kind > E2E_GROUP_SETTINGS) return KITH_E_MALFORMED;
    if (args[0].len != (kind == E2E_GROUP_CREATE ? 0 : E2E_ID_BYTES)) return KITH_E_MALFORMED;
    if (args[2].len != 0) NEED(2, sizeof change->subject);
    if (args[5].len % E2E_ACCOUNT_ID_BYTES != 0) return KITH_E_MALFORMED;
    *change = (struct e2e_group_change){
        .kind = (enum e2e_group_kind)kind,
        .others = (const uint8_t(*)[E2E_ACCOUNT_ID_BYTES])args[5].ptr,
        .other_count = (uint32_t)(args[5].len / E2E_ACCOUNT_ID_BYTES),
        .info = {.name = args[6], .about = args[7]},
    };
    if (args[2].len > 0) memcpy(change->subject, args[2].ptr, sizeof change->subject);
    TRY(door_arg_u8(args[3], &change->role));
    return door_arg_u8(args[4], &change->settings);
}

static kith_err make(const struct door_at *at, struct e2e_account *account, struct kith_slice chat,
                     const struct e2e_group_change *change, struct kith_buf *out)
{
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);
    uint64_t group_seq = 0;
    struct e2e_group_op op;
    struct kith_buf signed_op;
    kith_err err;

    kith_buf_init(&signed_op, E2E_GROUP_SIGNED_BYTES_MAX);
    err = acted(at, e2e_account_group_make(account, at->now.wall_ms, chat.len == 0 ? NULL : chat.ptr, change,
                                           &signed_op, &group_seq));
    if (err == KITH_OK) err = e2e_group_op_decode(kith_buf_peek(&signed_op), &op);
    if (err == KITH_OK) {
        e2e_tlv_put_u64(&w, DOOR_GROUP_SEQ, group_seq);
        e2e_tlv_put(&w, DOOR_SIGNED_OP, kith_buf_peek(&signed_op));
        put_join_key(&w, op.join_key);
        err = e2e_tlv_finish(&w);
    }
    kith_buf_deinit(&signed_op);
    return err;
}

CALL(group_make)
{
    ACCOUNT(account);
    struct e2e_group_change change;

    TRY(read_change(args, &change));
    return make(at, account, args[0], &change, out);
}

/* ------------------------------------------------------------------------------------------------ invite links */

CALL(join_key_make)
{
    ACCOUNT(account);
    struct e2e_group_change change = {.kind = E2E_GROUP_JOIN_KEY};

    NEED(0, E2E_ID_BYTES);
    TRY(door_arg_flag(args[1], &change.ends));
    return make(at, account, args[0], &change, out);
}

CALL(join_link)
{
    ACCOUNT(account);
    struct e2e_join_link link;
    uint8_t bytes[E2E_JOIN_LINK_BYTES];
    kith_err err;

    NEED(0, E2E_ID_BYTES);
    TRY(e2e_account_join_link(account, args[0].ptr, &link));
    e2e_join_link_encode(&link, bytes);
    err = kith_buf_append(out, kith_slice_of(bytes, sizeof bytes));
    e2e_wipe(&link, sizeof link);
    e2e_wipe(bytes, sizeof bytes);
    return err;
}

CALL(join_ask)
{
    ACCOUNT(account);
    struct e2e_join_link link;
    kith_err err;

    TRY(e2e_join_link_decode(args[0], &link));
    err = acted(at, e2e_account_join_ask(account, at->now.wall_ms, &link, out));
    e2e_wipe(&link, sizeof link);
    return err;
}

CALL(join_forget)
{
    ACCOUNT(account);
    NEED(0, E2E_ID_BYTES);
    e2e_account_join_forget(account, args[0].ptr);
    return acted(at, KITH_OK);
}
