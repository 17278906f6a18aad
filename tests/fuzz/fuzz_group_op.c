#include <stdlib.h>

#include "libkith/e2ee/group_parts.h"
#include "libkith/e2ee/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A group of three: 1 owns it, 2 is an admin, 3 a member; an id is its number sixteen times. */
static struct e2e_group *trio;
/* The same with an invite link. */
static struct e2e_group *linked;
static const struct e2e_join_link invite = {.chat_id = {4}, .secret = {5}};
static uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];

static void need(bool good)
{
    if (!good) abort();
}

static struct e2e_group *made(const struct e2e_group *before, struct e2e_group_op *op, struct kith_buf *out)
{
    struct e2e_group *after = NULL;

    need(e2e_group_make(before, op, secret, &after, out) == KITH_OK);
    return after;
}

static void setup(void)
{
    static const uint8_t seed[E2E_SIGN_SEED_BYTES] = {0};
    struct e2e_group_op op = {.kind = E2E_GROUP_CREATE, .author_device = 1, .list_seq = 1, .suite = E2E_GROUP_SUITE};
    uint8_t founders[3 * E2E_FOUNDER_BYTES];
    struct e2e_group *first;
    struct kith_buf out;

    e2e_sign_keypair_from(seed, secret, public);
    for (uint8_t i = 0; i < 3; i++) {
        memset(founders + i * E2E_FOUNDER_BYTES, i + 1, E2E_ACCOUNT_ID_BYTES);
        founders[(i + 1) * E2E_FOUNDER_BYTES - 1] = i == 0 ? E2E_ROLE_OWNER : E2E_ROLE_MEMBER;
    }
    memset(op.author, 1, sizeof op.author);
    op.founders = kith_slice_of(founders, sizeof founders);
    kith_buf_init(&out, (size_t)3 * E2E_GROUP_SIGNED_BYTES_MAX);
    first = made(NULL, &op, &out);
    op = (struct e2e_group_op){.kind = E2E_GROUP_ROLE, .author_device = 1, .list_seq = 1, .role = E2E_ROLE_ADMIN};
    memset(op.author, 1, sizeof op.author);
    memset(op.subject, 2, sizeof op.subject);
    trio = made(first, &op, &out);
    e2e_group_free(first);
    op = (struct e2e_group_op){.kind = E2E_GROUP_JOIN_KEY, .author_device = 1, .list_seq = 1};
    memset(op.author, 1, sizeof op.author);
    e2e_join_key(&invite, op.join_key);
    linked = made(trio, &op, &out);
    kith_buf_deinit(&out);
}

static void check_group(const struct e2e_group *group)
{
    struct e2e_group *again = NULL;
    struct kith_buf bytes, other;

    for (uint32_t i = 0; i < group->member_count; i++)
        need(e2e_group_find(group, group->members[i].account_id) == &group->members[i]);
    kith_buf_init(&bytes, (size_t)2 * E2E_GROUP_STATE_BYTES_MAX);
    kith_buf_init(&other, (size_t)2 * E2E_GROUP_STATE_BYTES_MAX);
    need(e2e_group_save(group, &bytes) == KITH_OK);
    need(e2e_group_load(kith_buf_peek(&bytes), &again) == KITH_OK);
    need(e2e_group_save(again, &other) == KITH_OK);
    need(kith_slice_eq(kith_buf_peek(&bytes), kith_buf_peek(&other)));
    e2e_group_free(again);
    kith_buf_deinit(&bytes);
    kith_buf_deinit(&other);
}

static void take(const struct e2e_group *before, const struct e2e_group_op *op)
{
    const enum e2e_group_step step = e2e_group_compare(before, op);
    struct e2e_group *after = NULL;
    const kith_err err = e2e_group_apply(before, op, &after);

    need(step <= E2E_GROUP_STEP_OTHER_GROUP && (after != NULL) == (err == KITH_OK));
    need(err != KITH_OK || step == E2E_GROUP_STEP_NEXT);
    if (after == NULL) return;
    need(e2e_group_compare(after, op) == E2E_GROUP_STEP_SAME);
    check_group(after);
    e2e_group_free(after);
}

/* What the operation does, as the next one of `before`: who makes it and who reads it come to the same. */
static void make(const struct e2e_group *before, struct e2e_group_op op)
{
    struct e2e_group *after = NULL, *read = NULL;
    struct kith_buf out;

    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    if (e2e_group_make(before, &op, secret, &after, &out) == KITH_OK) {
        need(e2e_group_op_decode(kith_buf_peek(&out), &op) == KITH_OK && e2e_group_op_verify(&op, public) == KITH_OK);
        need(e2e_group_apply(before, &op, &read) == KITH_OK);
        need(memcmp(read->heads[0], after->heads[0], E2E_HASH_BYTES) == 0 && read->member_count == after->member_count);
        check_group(read);
    }
    need((after != NULL) == (kith_buf_len(&out) > 0));
    e2e_group_free(after);
    e2e_group_free(read);
    kith_buf_deinit(&out);
}

/* The request that the operation answers, if it has one, as who has the link asks: so a change gets past the proof. */
static void make_linked(struct e2e_group_op op)
{
    struct e2e_join_request request;
    struct kith_buf asked;

    kith_buf_init(&asked, E2E_JOIN_SIGNED_BYTES_MAX);
    if (op.request.len > 0) {
        need(e2e_join_decode(op.request, &request) == KITH_OK); /* or it would be no operation */
        need(e2e_join_sign(&invite, &request, secret, &asked) == KITH_OK);
        op.request = kith_buf_peek(&asked);
    }
    make(linked, op);
    kith_buf_deinit(&asked);
}

/* The first byte says what the rest is: a group as it is saved, or a signed operation. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct e2e_group *group = NULL;
    struct e2e_group_op op;
    struct kith_slice in;

    if (trio == NULL) setup();
    if (size == 0) return 0;
    in = kith_slice_of(data + 1, size - 1);
    if (data[0] == 0) {
        if (e2e_group_load(in, &group) == KITH_OK) check_group(group);
        e2e_group_free(group);
    } else if (e2e_group_op_decode(in, &op) == KITH_OK) {
        struct e2e_group_op skimmed;
        need(e2e_group_op_skim(in, &skimmed) == KITH_OK && skimmed.seq == op.seq);
        need(memcmp(skimmed.hash, op.hash, E2E_HASH_BYTES) == 0);
        take(NULL, &op);
        take(trio, &op);
        take(linked, &op);
        make(op.seq == 1 ? NULL : trio, op);
        make_linked(op);
    } else {
        kith_ignore(e2e_group_op_skim(in, &op));
    }
    return 0;
}
