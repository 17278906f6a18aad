#ifndef KITH_TESTS_UNIT_E2E_GROUP_H
#define KITH_TESTS_UNIT_E2E_GROUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/group_parts.h"
#include "libkith/e2ee/join.h"

/* People by number, 1 to 65,535, whose ids ascend as the numbers do; each has one device, with a DSK of its own. */
#define GROUP_BYTES_MAX 300000
/* Sealed names, as far as a reader without their key can tell. */
#define INFO_ONE "a name, sealed: the shortest of all has fifty-five bytes"
#define INFO_TWO "another name: of this one, too, somebody keeps the key.."

static inline const uint8_t *person_id(uint32_t person)
{
    static uint8_t ids[8][E2E_ACCOUNT_ID_BYTES];
    static unsigned next;
    uint8_t *id = ids[next++ % 8];

    memset(id, 0x50, E2E_ACCOUNT_ID_BYTES);
    kith_put_u32_be(id + E2E_ACCOUNT_ID_BYTES - 4, person);
    return id;
}

static inline void person_keys(uint32_t person, uint8_t secret[static E2E_SIGN_SECRET_BYTES],
                               uint8_t public[static E2E_SIGN_PUBLIC_BYTES])
{
    uint8_t seed[E2E_SIGN_SEED_BYTES] = {0};

    kith_put_u32_be(seed, person);
    e2e_sign_keypair_from(seed, secret, public);
}

/* 0: nobody, no role. */
static inline struct e2e_group_op op_of(enum e2e_group_kind kind, uint32_t author, uint32_t subject, uint8_t role)
{
    struct e2e_group_op op = {.kind = kind, .role = role, .author_device = author, .list_seq = 7, .made_at_ms = 1000};

    memcpy(op.author, person_id(author), sizeof op.author);
    memset(op.list_hash, 0x11, sizeof op.list_hash);
    if (subject != 0) memcpy(op.subject, person_id(subject), sizeof op.subject);
    return op;
}

/* Of the people `first` to `last`, with this owner, who makes it. `founders` lends until the next call. */
static inline struct e2e_group_op op_create(uint32_t first, uint32_t last, uint32_t owner)
{
    static uint8_t founders[(E2E_GROUP_FOUNDERS_MAX + 1) * E2E_FOUNDER_BYTES];
    struct e2e_group_op op = op_of(E2E_GROUP_CREATE, owner, 0, 0);
    uint8_t *at = founders;

    for (uint32_t i = first; i <= last; i++, at += E2E_FOUNDER_BYTES) {
        memcpy(at, person_id(i), E2E_ACCOUNT_ID_BYTES);
        at[E2E_ACCOUNT_ID_BYTES] = i == owner ? E2E_ROLE_OWNER : E2E_ROLE_MEMBER;
    }
    memset(op.group_id, 0x77, sizeof op.group_id);
    op.founders = kith_slice_of(founders, (size_t)(at - founders));
    op.suite = E2E_GROUP_SUITE;
    return op;
}

/* The link of a chat, by number. */
static inline struct e2e_join_link link_of(uint32_t number)
{
    struct e2e_join_link link = {0};

    memset(link.chat_id, 0x44, sizeof link.chat_id);
    kith_put_u32_be(link.secret, number);
    return link;
}

/* Signed by the person's device. */
static inline struct kith_buf request_of(const struct e2e_join_link *link, uint32_t person, uint64_t known_seq)
{
    struct e2e_join_request request = {.device_id = person, .list_seq = 7, .made_at_ms = 1000, .known_seq = known_seq};
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct kith_buf out;

    memcpy(request.account_id, person_id(person), sizeof request.account_id);
    memset(request.list_hash, 0x11, sizeof request.list_hash);
    person_keys(person, secret, public);
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_join_sign(link, &request, secret, &out), KITH_OK);
    return out;
}

static inline struct kith_buf saved(const struct e2e_group *group)
{
    struct kith_buf out;

    kith_buf_init(&out, GROUP_BYTES_MAX);
    assert_int_equal(e2e_group_save(group, &out), KITH_OK);
    return out;
}

static inline void assert_same_group(const struct e2e_group *a, const struct e2e_group *b)
{
    struct kith_buf of_a = saved(a), of_b = saved(b);

    assert_true(kith_slice_eq(kith_buf_peek(&of_a), kith_buf_peek(&of_b)));
    kith_buf_deinit(&of_a);
    kith_buf_deinit(&of_b);
}

/* As a reader takes what came, whose author has the number `author`. */
static inline kith_err group_read(const struct e2e_group *before, struct kith_slice signed_op, uint32_t author,
                                  struct e2e_group **after)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_group_op op;
    kith_err err = e2e_group_op_decode(signed_op, &op);

    *after = NULL;
    if (err == KITH_OK) err = e2e_group_apply(before, &op, after);
    if (err != KITH_OK) assert_null(*after);
    if (err != KITH_OK) return err;
    person_keys(author, secret, public);
    err = e2e_group_op_verify(&op, public);
    if (err != KITH_OK) {
        e2e_group_free(*after);
        *after = NULL;
    }
    return err;
}

static inline uint32_t author_of(const struct e2e_group_op *op)
{
    return kith_get_u32_be(op->author + E2E_ACCOUNT_ID_BYTES - 4);
}

/* `op` signed as the next one, whatever it does: as a member may who keeps to no rule. */
static inline struct kith_buf group_forged(const struct e2e_group *before, struct e2e_group_op op)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct kith_buf out;

    op.seq = before == NULL ? 1 : before->seq + 1;
    if (before != NULL) memcpy(op.group_id, before->group_id, sizeof op.group_id);
    if (before != NULL) memcpy(op.prev_hash, before->heads[0], sizeof op.prev_hash);
    person_keys(author_of(&op), secret, public);
    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_group_op_sign(&op, secret, &out), KITH_OK);
    return out;
}

/*
 * Makes the next operation and takes it as a reader: both come to the same. *group is what comes of it, `out` (or NULL) has the signed
 * operation. On a refusal nothing has changed, and a reader refuses it, too, if somebody signs it all the same.
 */
static inline kith_err group_next(struct e2e_group **group, struct e2e_group_op op, struct kith_buf *out)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_group *made = NULL, *read = NULL;
    struct kith_buf signed_op;
    kith_err err;

    person_keys(author_of(&op), secret, public);
    kith_buf_init(&signed_op, E2E_GROUP_SIGNED_BYTES_MAX);
    err = e2e_group_make(*group, &op, secret, &made, &signed_op);
    if (err != KITH_OK) {
        assert_null(made);
        assert_int_equal(kith_buf_len(&signed_op), 0);
    }
    if (err == KITH_E_DENIED || err == KITH_E_FULL) {
        struct kith_buf forged = group_forged(*group, op);
        assert_int_equal(group_read(*group, kith_buf_peek(&forged), author_of(&op), &read), err);
        kith_buf_deinit(&forged);
    }
    if (err == KITH_OK) {
        assert_int_equal(group_read(*group, kith_buf_peek(&signed_op), author_of(&op), &read), KITH_OK);
        assert_same_group(made, read);
        e2e_group_free(made);
        e2e_group_free(*group);
        *group = read;
        if (out != NULL) assert_int_equal(kith_buf_append(out, kith_buf_peek(&signed_op)), KITH_OK);
    }
    kith_buf_deinit(&signed_op);
    return err;
}

static inline void group_must(struct e2e_group **group, struct e2e_group_op op)
{
    assert_int_equal(group_next(group, op, NULL), KITH_OK);
}

/* Of the people `first` to `last`. */
static inline struct e2e_group *group_of(uint32_t first, uint32_t last, uint32_t owner)
{
    struct e2e_group *group = NULL;

    group_must(&group, op_create(first, last, owner));
    return group;
}

/* 0: not in it. */
static inline uint8_t role_in(const struct e2e_group *group, uint32_t person)
{
    const struct e2e_group_member *member = e2e_group_find(group, person_id(person));

    return member == NULL ? 0 : member->role;
}

/* `in` with another value of field `tag`; {NULL, 0}: without it. */
static inline void tlv_replace(struct kith_slice in, uint16_t tag, struct kith_slice value, struct kith_buf *out)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);
    struct kith_slice old;
    uint16_t at;
    bool is_put = value.ptr == NULL;

    while (e2e_tlv_next(&reader, &at, &old) == KITH_OK) {
        if (at >= tag && !is_put) {
            e2e_tlv_put(&writer, tag, value);
            is_put = true;
        }
        if (at != tag) e2e_tlv_put(&writer, at, old);
    }
    if (!is_put) e2e_tlv_put(&writer, tag, value);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
}

#endif
