#include <assert.h>
#include <stdlib.h>

#include "libkith/e2ee/group_parts.h"

#define FIXED(tag_, len)  {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}
#define MEMBER_BYTES      (E2E_FOUNDER_BYTES + 8) /* account_id, role u8, since u64 */
#define MEMBERS_BYTES_MAX (E2E_GROUP_MEMBERS_MAX * MEMBER_BYTES)
#define HEADS_BYTES_MAX   (E2E_GROUP_HEADS_MAX * E2E_HASH_BYTES)

/* ---------------------------------------------------------------------------------------------- a group in memory */
struct whole {
    struct e2e_group group;
    struct e2e_group_member room[];
};

struct e2e_group *e2e_group_new(uint32_t members)
{
    struct whole *whole;

    assert(members <= E2E_GROUP_MEMBERS_MAX);
    whole = calloc(1, sizeof *whole + members * sizeof *whole->room);
    return whole == NULL ? NULL : &whole->group;
}

struct e2e_group_member *e2e_group_room(struct e2e_group *group)
{
    return ((struct whole *)group)->room;
}

void e2e_group_free(struct e2e_group *group)
{
    free(group);
}

uint32_t e2e_group_place(const struct e2e_group *group, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    uint32_t low = 0, high = group->member_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (memcmp(group->members[middle].account_id, account_id, E2E_ACCOUNT_ID_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool e2e_group_is_at(const struct e2e_group *group, uint32_t place,
                     const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    return place < group->member_count &&
           memcmp(group->members[place].account_id, account_id, E2E_ACCOUNT_ID_BYTES) == 0;
}

const struct e2e_group_member *e2e_group_find(const struct e2e_group *group,
                                              const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    const uint32_t place = e2e_group_place(group, account_id);

    return e2e_group_is_at(group, place, account_id) ? &group->members[place] : NULL;
}

bool e2e_group_has_link(const struct e2e_group *group)
{
    static const uint8_t none[E2E_SIGN_PUBLIC_BYTES];

    return memcmp(group->join_key, none, sizeof none) != 0;
}

const uint8_t *e2e_group_head(const struct e2e_group *group, uint64_t seq)
{
    if (seq > group->seq || group->seq - seq >= group->head_count) return NULL;
    return group->heads[group->seq - seq];
}

/* ---------------------------------------------------------------------------------------------- writing */
static kith_err members_encode(const struct e2e_group *group, struct kith_buf *out)
{
    const size_t len = (size_t)group->member_count * MEMBER_BYTES;
    uint8_t *at = NULL;
    kith_err err;

    err = kith_buf_reserve(out, len, &at);
    if (err != KITH_OK) return err;
    for (uint32_t i = 0; i < group->member_count; i++, at += MEMBER_BYTES) {
        const struct e2e_group_member *member = &group->members[i];
        memcpy(at, member->account_id, E2E_ACCOUNT_ID_BYTES);
        at[E2E_ACCOUNT_ID_BYTES] = member->role;
        kith_put_u64_be(at + E2E_FOUNDER_BYTES, member->since);
    }
    kith_buf_commit(out, len);
    return KITH_OK;
}

kith_err e2e_group_state_encode(const struct e2e_group *group, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);
    struct kith_buf members;
    kith_err err;

    kith_buf_init(&members, MEMBERS_BYTES_MAX);
    err = members_encode(group, &members);
    if (err != KITH_OK) goto done;
    e2e_tlv_put(&writer, 1, kith_slice_of(group->group_id, sizeof group->group_id));
    e2e_tlv_put_u64(&writer, 2, group->seq);
    e2e_tlv_put_u8(&writer, 3, group->suite);
    e2e_tlv_put_optional(&writer, 4, kith_buf_peek(&members));
    e2e_tlv_put_optional(&writer, 5, kith_slice_of(group->info, group->info_len));
    if (group->settings != 0) e2e_tlv_put_u8(&writer, 6, group->settings);
    if (e2e_group_has_link(group)) e2e_tlv_put(&writer, 7, kith_slice_of(group->join_key, sizeof group->join_key));
    err = e2e_tlv_finish(&writer);
done:
    kith_buf_deinit(&members);
    return err;
}

kith_err e2e_group_state_hash(const struct e2e_group *group, uint8_t out[static E2E_HASH_BYTES])
{
    struct kith_buf state;
    struct kith_slice bytes;
    kith_err err;

    kith_buf_init(&state, E2E_GROUP_STATE_BYTES_MAX);
    err = e2e_group_state_encode(group, &state);
    bytes = kith_buf_peek(&state);
    if (err == KITH_OK) e2e_sha256(&bytes, 1, out);
    kith_buf_deinit(&state);
    return err;
}

kith_err e2e_group_save(const struct e2e_group *group, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);
    struct kith_buf state;
    kith_err err;

    kith_buf_init(&state, E2E_GROUP_STATE_BYTES_MAX);
    err = e2e_group_state_encode(group, &state);
    if (err != KITH_OK) goto done;
    e2e_tlv_put(&writer, 1, kith_buf_peek(&state));
    e2e_tlv_put(&writer, 2, kith_slice_of(group->heads, group->head_count * sizeof *group->heads));
    err = e2e_tlv_finish(&writer);
done:
    kith_buf_deinit(&state);
    return err;
}

/* ---------------------------------------------------------------------------------------------- reading */
enum { AT_GROUP, AT_SEQ, AT_SUITE, AT_MEMBERS, AT_INFO, AT_SETTINGS, AT_JOIN_KEY, STATE_FIELDS };
static const struct e2e_tlv_field state_fields[STATE_FIELDS] = {
    FIXED(1, E2E_GROUP_ID_BYTES),
    FIXED(2, 8),
    FIXED(3, 1),
    {.tag = 4, .bytes_min = MEMBER_BYTES, .bytes_max = MEMBERS_BYTES_MAX, .optional = true},
    {.tag = 5, .bytes_min = 1, .bytes_max = E2E_GROUP_INFO_BYTES_MAX, .optional = true},
    {.tag = 6, .bytes_min = 1, .bytes_max = 1, .optional = true},
    {.tag = 7, .bytes_min = E2E_SIGN_PUBLIC_BYTES, .bytes_max = E2E_SIGN_PUBLIC_BYTES, .optional = true},
};

static kith_err members_decode(struct kith_slice in, struct e2e_group *group)
{
    struct e2e_group_member *room = e2e_group_room(group);

    for (const uint8_t *at = in.ptr; in.len > 0 && at < in.ptr + in.len; at += MEMBER_BYTES) {
        struct e2e_group_member *member = &room[group->member_count];
        memcpy(member->account_id, at, E2E_ACCOUNT_ID_BYTES);
        member->role = at[E2E_ACCOUNT_ID_BYTES];
        member->since = kith_get_u64_be(at + E2E_FOUNDER_BYTES);
        if (member->role < E2E_ROLE_MEMBER || member->role > E2E_ROLE_OWNER) return KITH_E_MALFORMED;
        if (member->since == 0 || member->since > group->seq) return KITH_E_MALFORMED;
        if (at > in.ptr && memcmp(at - MEMBER_BYTES, at, E2E_ACCOUNT_ID_BYTES) >= 0) return KITH_E_MALFORMED;
        group->members = room;
        group->member_count++;
    }
    return KITH_OK;
}

/* All of it but the members. */
static kith_err rest_decode(const struct kith_slice *values, struct e2e_group *group)
{
    const struct kith_slice info = values[AT_INFO], settings = values[AT_SETTINGS], join_key = values[AT_JOIN_KEY];

    memcpy(group->group_id, values[AT_GROUP].ptr, sizeof group->group_id);
    group->seq = e2e_tlv_u64(values[AT_SEQ]);
    group->suite = e2e_tlv_u8(values[AT_SUITE]);
    group->settings = settings.ptr == NULL ? 0 : e2e_tlv_u8(settings);
    group->info_len = info.len;
    if (info.len > 0) memcpy(group->info, info.ptr, info.len);
    if (group->suite != E2E_GROUP_SUITE) return KITH_E_UNSUPPORTED;
    if (join_key.len > 0) memcpy(group->join_key, join_key.ptr, sizeof group->join_key);
    if (settings.ptr != NULL && group->settings != E2E_GROUP_HISTORY_OPEN) return KITH_E_MALFORMED;
    return join_key.len > 0 && !e2e_group_has_link(group) ? KITH_E_MALFORMED : KITH_OK;
}

/* One at least, so that a seq of 0 is found here. */
static kith_err heads_decode(struct kith_slice in, struct e2e_group *group)
{
    if (in.len % E2E_HASH_BYTES != 0 || in.len / E2E_HASH_BYTES > group->seq) return KITH_E_MALFORMED;
    group->head_count = (uint32_t)(in.len / E2E_HASH_BYTES);
    memcpy(group->heads, in.ptr, in.len);
    return KITH_OK;
}

kith_err e2e_group_load(struct kith_slice in, struct e2e_group **out)
{
    static const struct e2e_tlv_field fields[] = {
        {.tag = 1, .bytes_min = 1, .bytes_max = E2E_GROUP_STATE_BYTES_MAX},
        {.tag = 2, .bytes_min = E2E_HASH_BYTES, .bytes_max = HEADS_BYTES_MAX},
    };
    struct kith_slice parts[2], values[STATE_FIELDS];
    struct e2e_group *group = NULL;
    kith_err err;

    *out = NULL;
    err = e2e_tlv_decode(in, fields, 2, parts);
    if (err == KITH_OK) err = e2e_tlv_decode(parts[0], state_fields, STATE_FIELDS, values);
    if (err != KITH_OK) return err;
    if (values[AT_MEMBERS].len % MEMBER_BYTES != 0) return KITH_E_MALFORMED;
    group = e2e_group_new((uint32_t)(values[AT_MEMBERS].len / MEMBER_BYTES));
    if (group == NULL) return KITH_E_NOMEM;
    err = rest_decode(values, group);
    if (err == KITH_OK) err = members_decode(values[AT_MEMBERS], group);
    if (err == KITH_OK) err = heads_decode(parts[1], group);
    if (err == KITH_OK)
        *out = group;
    else
        e2e_group_free(group);
    return err;
}
