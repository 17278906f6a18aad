#include "e2e_group.h"

/* The form of an operation, whatever the group. */
static struct kith_buf signed_of(struct kith_slice bytes)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES], signature[E2E_SIGNATURE_BYTES];
    struct e2e_tlv_writer writer;
    struct kith_buf out;

    person_keys(1, secret, public);
    kith_buf_init(&out, 100000);
    writer = e2e_tlv_writer_of(&out);
    assert_int_equal(e2e_sign(secret, E2E_LABEL_GOP, bytes, signature), KITH_OK);
    e2e_tlv_put(&writer, 1, bytes);
    e2e_tlv_put(&writer, 2, kith_slice_of(signature, sizeof signature));
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    return out;
}

static kith_err decode_bytes(struct kith_slice bytes)
{
    struct kith_buf signed_op = signed_of(bytes);
    struct e2e_group_op op, before;
    kith_err err;

    memset(&op, 0x5a, sizeof op);
    before = op;
    err = e2e_group_op_decode(kith_buf_peek(&signed_op), &op);
    if (err != KITH_OK) assert_memory_equal(&op, &before, sizeof op);
    kith_buf_deinit(&signed_op);
    return err;
}

/* `good` signed, with another value of one field. */
static kith_err decode_with(struct kith_slice good, uint16_t tag, struct kith_slice value)
{
    struct kith_buf changed;
    kith_err err;

    kith_buf_init(&changed, 100000);
    tlv_replace(good, tag, value, &changed);
    err = decode_bytes(kith_buf_peek(&changed));
    kith_buf_deinit(&changed);
    return err;
}

static kith_err decode_with_u8(struct kith_slice good, uint16_t tag, uint8_t value)
{
    return decode_with(good, tag, kith_slice_of(&value, 1));
}

static kith_err decode_without(struct kith_slice good, uint16_t tag)
{
    return decode_with(good, tag, (struct kith_slice){0});
}

/* One of each kind, as the second in its group but for the create. */
struct samples {
    struct kith_buf signed_ops[E2E_GROUP_JOIN_KEY + 1];
    struct kith_slice bytes[E2E_GROUP_JOIN_KEY + 1]; /* the operations */
};

static struct e2e_group_op sample_of(enum e2e_group_kind kind)
{
    struct e2e_group_op op = op_of(kind, 1, 0, 0);

    if (kind == E2E_GROUP_CREATE) op = op_create(1, 3, 1);
    if (kind == E2E_GROUP_ADD || kind == E2E_GROUP_ROLE || kind == E2E_GROUP_REMOVE)
        memcpy(op.subject, person_id(kind == E2E_GROUP_ADD ? 9 : 2), sizeof op.subject);
    if (kind == E2E_GROUP_ADD) op.role = E2E_ROLE_MEMBER;
    if (kind == E2E_GROUP_ROLE) op.role = E2E_ROLE_ADMIN;
    if (kind == E2E_GROUP_CREATE || kind == E2E_GROUP_INFO) op.info = kith_slice_str(INFO_ONE);
    if (kind == E2E_GROUP_CREATE || kind == E2E_GROUP_SETTINGS) op.settings = E2E_GROUP_HISTORY_OPEN;
    if (kind == E2E_GROUP_JOIN_KEY) memset(op.join_key, 0x33, sizeof op.join_key);
    return op;
}

static void samples_init(struct samples *samples)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_group *group = group_of(1, 3, 1), *after;

    person_keys(1, secret, public);
    for (enum e2e_group_kind kind = E2E_GROUP_CREATE; kind <= E2E_GROUP_JOIN_KEY; kind++) {
        struct kith_buf *out = &samples->signed_ops[kind];
        struct e2e_group_op op = sample_of(kind);
        kith_buf_init(out, E2E_GROUP_SIGNED_BYTES_MAX);
        assert_int_equal(e2e_group_make(kind == E2E_GROUP_CREATE ? NULL : group, &op, secret, &after, out), KITH_OK);
        e2e_group_free(after);
        assert_int_equal(e2e_group_op_decode(kith_buf_peek(out), &op), KITH_OK);
        samples->bytes[kind] = op.bytes;
    }
    e2e_group_free(group);
}

static void samples_deinit(struct samples *samples)
{
    for (int kind = E2E_GROUP_CREATE; kind <= E2E_GROUP_JOIN_KEY; kind++) kith_buf_deinit(&samples->signed_ops[kind]);
}

/* ---------------------------------------------------------------------------------------------- all kinds */
static void test_e2e_group_op__reads_what_it_writes(void **state)
{
    struct samples samples;

    (void)state;
    samples_init(&samples);
    for (enum e2e_group_kind kind = E2E_GROUP_CREATE; kind <= E2E_GROUP_JOIN_KEY; kind++) {
        uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES], hash[E2E_HASH_BYTES];
        const struct e2e_group_op given = sample_of(kind);
        struct e2e_group_op op;
        struct kith_buf again;

        assert_int_equal(e2e_group_op_decode(kith_buf_peek(&samples.signed_ops[kind]), &op), KITH_OK);
        assert_int_equal(op.kind, kind);
        assert_int_equal(op.seq, kind == E2E_GROUP_CREATE ? 1 : 2);
        assert_int_equal(op.author_device, given.author_device);
        assert_int_equal(op.list_seq, given.list_seq);
        assert_int_equal(op.made_at_ms, given.made_at_ms);
        assert_memory_equal(op.author, given.author, sizeof op.author);
        assert_memory_equal(op.list_hash, given.list_hash, sizeof op.list_hash);
        assert_memory_equal(op.subject, given.subject, sizeof op.subject);
        assert_int_equal(op.role, given.role);
        assert_int_equal(op.suite, given.suite);
        assert_int_equal(op.settings, given.settings);
        assert_true(kith_slice_eq(op.info, given.info) && kith_slice_eq(op.founders, given.founders));
        assert_memory_equal(op.join_key, given.join_key, sizeof op.join_key);
        e2e_sha256(&op.bytes, 1, hash);
        assert_memory_equal(hash, op.hash, sizeof hash);

        person_keys(1, secret, public);
        kith_buf_init(&again, E2E_GROUP_SIGNED_BYTES_MAX);
        assert_int_equal(e2e_group_op_sign(&op, secret, &again), KITH_OK);
        assert_true(kith_slice_eq(kith_buf_peek(&again), kith_buf_peek(&samples.signed_ops[kind])));
        kith_buf_deinit(&again);
        assert_int_equal(e2e_group_op_verify(&op, public), KITH_OK);
        person_keys(2, secret, public);
        assert_int_equal(e2e_group_op_verify(&op, public), KITH_E_DENIED);
    }
    samples_deinit(&samples);
}

static void test_e2e_group_op__each_kind_has_its_fields_and_no_other(void **state)
{
    /* Of the tags 11 to 18: needed, or allowed. */
    static const char *const table[] = {
        [E2E_GROUP_CREATE] = "..nnaa..",   [E2E_GROUP_ADD] = "nn.....a",      [E2E_GROUP_REMOVE] = "n.......",
        [E2E_GROUP_LEAVE] = "........",    [E2E_GROUP_ROLE] = "nn......",     [E2E_GROUP_INFO] = "....a...",
        [E2E_GROUP_SETTINGS] = ".....n..", [E2E_GROUP_JOIN_KEY] = "......a.",
    };
    const struct e2e_join_link link = link_of(1);
    struct kith_buf request = request_of(&link, 9, 0);
    uint8_t founder[E2E_FOUNDER_BYTES], key[E2E_SIGN_PUBLIC_BYTES];
    const struct kith_slice values[] = {
        kith_slice_of(person_id(9), 16), kith_slice_of("\1", 1),   kith_slice_of(founder, sizeof founder),
        kith_slice_of("\1", 1),          kith_slice_str(INFO_TWO), kith_slice_of("\1", 1),
        kith_slice_of(key, sizeof key),  kith_buf_peek(&request)};
    static const uint8_t zeros[E2E_JOIN_SIGNED_BYTES_MAX] = {0};
    struct samples samples;

    (void)state;
    samples_init(&samples);
    e2e_join_key(&link, key);
    memcpy(founder, person_id(1), 16);
    founder[16] = E2E_ROLE_OWNER;
    for (int kind = E2E_GROUP_CREATE; kind <= E2E_GROUP_JOIN_KEY; kind++)
        for (uint16_t i = 0; i < 8; i++) {
            const struct kith_slice good = samples.bytes[kind];
            const bool needs = table[kind][i] == 'n', may = needs || table[kind][i] == 'a';
            assert_int_equal(decode_without(good, 11 + i), needs ? KITH_E_MALFORMED : KITH_OK);
            assert_int_equal(decode_with(good, 11 + i, values[i]), may ? KITH_OK : KITH_E_MALFORMED);
            if (!may)
                assert_int_equal(decode_with(good, 11 + i, kith_slice_of(zeros, values[i].len)), KITH_E_MALFORMED);
        }
    /* A key of zeros is how a state says that no link holds: an operation says so without the field. */
    assert_int_equal(decode_with(samples.bytes[E2E_GROUP_JOIN_KEY], 17, kith_slice_of(zeros, sizeof key)),
                     KITH_E_MALFORMED);
    kith_buf_deinit(&request);
    samples_deinit(&samples);
}

static void test_e2e_group_op__values_that_no_field_has(void **state)
{
    static const uint8_t two[8] = {[7] = 2}, one[8] = {[7] = 1}, none[8] = {0}, hash[E2E_HASH_BYTES] = {0};
    struct samples samples;

    (void)state;
    samples_init(&samples);
    for (int kind = E2E_GROUP_CREATE; kind <= E2E_GROUP_JOIN_KEY; kind++) {
        const struct kith_slice good = samples.bytes[kind];
        const bool is_first = kind == E2E_GROUP_CREATE;
        struct kith_buf as_first;

        assert_int_equal(decode_with(good, 2, kith_slice_of(none, 8)), KITH_E_MALFORMED);
        assert_int_equal(decode_with(good, 6, kith_slice_of(none, 4)), KITH_E_MALFORMED);
        assert_int_equal(decode_with(good, 7, kith_slice_of(none, 8)), KITH_E_MALFORMED);
        /* seq 1 is a create, and a create is seq 1; prev_hash is missing there, and only there. */
        assert_int_equal(decode_with(good, 2, kith_slice_of(is_first ? two : one, 8)), KITH_E_MALFORMED);
        if (is_first) assert_int_equal(decode_with(good, 3, kith_slice_of(hash, sizeof hash)), KITH_E_MALFORMED);
        if (!is_first) assert_int_equal(decode_without(good, 3), KITH_E_MALFORMED);
        kith_buf_init(&as_first, 100000);
        if (is_first)
            tlv_replace(good, 3, kith_slice_of(hash, sizeof hash), &as_first);
        else
            tlv_replace(good, 3, (struct kith_slice){0}, &as_first);
        assert_int_equal(decode_with(kith_buf_peek(&as_first), 2, kith_slice_of(is_first ? two : one, 8)),
                         KITH_E_MALFORMED);
        kith_buf_deinit(&as_first);
        for (uint16_t tag = 1; tag <= 10; tag++)
            if (tag != 3) assert_int_equal(decode_without(good, tag), KITH_E_MALFORMED);
        assert_int_equal(decode_with(good, 0x8000, kith_slice_of("x", 1)), KITH_OK);
    }
    for (unsigned role = 0; role < 256; role++) {
        const kith_err err = role >= 1 && role <= 3 ? KITH_OK : KITH_E_MALFORMED;
        assert_int_equal(decode_with_u8(samples.bytes[E2E_GROUP_ADD], 12, (uint8_t)role), err);
        assert_int_equal(decode_with_u8(samples.bytes[E2E_GROUP_ROLE], 12, (uint8_t)role), err);
    }
    for (unsigned settings = 0; settings < 256; settings++) {
        const kith_err err = settings <= 1 ? KITH_OK : KITH_E_MALFORMED;
        assert_int_equal(decode_with_u8(samples.bytes[E2E_GROUP_SETTINGS], 16, (uint8_t)settings), err);
    }
    /* In a create it may be missing, so it is when it says nothing. */
    assert_int_equal(decode_with_u8(samples.bytes[E2E_GROUP_CREATE], 16, 0), KITH_E_MALFORMED);
    samples_deinit(&samples);
}

static void test_e2e_group_op__what_a_newer_client_writes_is_unsupported(void **state)
{
    struct samples samples;

    (void)state;
    samples_init(&samples);
    for (int kind = E2E_GROUP_CREATE; kind <= E2E_GROUP_JOIN_KEY; kind++) {
        assert_int_equal(decode_with(samples.bytes[kind], 19, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
        for (unsigned other = 0; other < 256; other++)
            if (other < E2E_GROUP_CREATE || other > E2E_GROUP_JOIN_KEY)
                assert_int_equal(decode_with_u8(samples.bytes[kind], 4, (uint8_t)other),
                                 other == 0 ? KITH_E_MALFORMED : KITH_E_UNSUPPORTED);
    }
    for (unsigned suite = 0; suite < 256; suite++)
        if (suite != E2E_GROUP_SUITE)
            assert_int_equal(decode_with_u8(samples.bytes[E2E_GROUP_CREATE], 14, (uint8_t)suite), KITH_E_UNSUPPORTED);
    samples_deinit(&samples);
}

/* ---------------------------------------------------------------------------------------------- founders */
static void test_e2e_group_op__seven_hundred_and_sixty_eight_founders_and_one_more(void **state)
{
    struct e2e_group *group = NULL;
    struct e2e_group_op op = op_create(1, E2E_GROUP_FOUNDERS_MAX, 700);
    uint8_t info[E2E_GROUP_INFO_BYTES_MAX] = {0};
    struct kith_buf forged;

    (void)state;
    op.info = kith_slice_of(info, sizeof info);
    op.settings = E2E_GROUP_HISTORY_OPEN;
    group_must(&group, op);
    assert_int_equal(group->member_count, E2E_GROUP_FOUNDERS_MAX);
    e2e_group_free(group);
    group = NULL;
    op = op_create(1, E2E_GROUP_FOUNDERS_MAX + 1, 700);
    assert_int_equal(group_next(&group, op, NULL), KITH_E_MALFORMED);
    forged = group_forged(NULL, op);
    assert_int_equal(group_read(NULL, kith_buf_peek(&forged), 700, &group), KITH_E_MALFORMED);
    kith_buf_deinit(&forged);
    group_must(&group, op_create(700, 700, 700)); /* alone */
    e2e_group_free(group);
}

/* Made and read: both refuse. `change` is of the founders 1 to 4, 2 being the owner and author. */
static void check_founders(void (*change)(uint8_t *founders, size_t *len))
{
    struct e2e_group_op op = op_create(1, 4, 2);
    uint8_t founders[5 * E2E_FOUNDER_BYTES];
    struct e2e_group *group = NULL;
    struct kith_buf forged;

    memcpy(founders, op.founders.ptr, op.founders.len);
    op.founders.ptr = founders;
    change(founders, &op.founders.len);
    assert_int_equal(group_next(&group, op, NULL), KITH_E_MALFORMED);
    forged = group_forged(NULL, op);
    assert_int_equal(group_read(NULL, kith_buf_peek(&forged), 2, &group), KITH_E_MALFORMED);
    kith_buf_deinit(&forged);
}
static void cut_short(uint8_t *founders, size_t *len)
{
    (void)founders;
    (*len)--;
}
static void without_author(uint8_t *founders, size_t *len)
{
    memcpy(founders + 17, person_id(2), 15);
    founders[17 + 15] = 2;
    memmove(founders + 17, founders + 34, 34);
    *len = 51;
}
static void twice(uint8_t *founders, size_t *len)
{
    (void)len;
    memcpy(founders + 34, founders + 51, 17);
}
static void out_of_order(uint8_t *founders, size_t *len)
{
    uint8_t third[17];

    (void)len;
    memcpy(third, founders + 34, 17);
    memcpy(founders + 34, founders + 51, 17);
    memcpy(founders + 51, third, 17);
}
static void author_no_owner(uint8_t *founders, size_t *len)
{
    (void)len;
    founders[17 + 16] = E2E_ROLE_ADMIN;
}
static void another_owner(uint8_t *founders, size_t *len)
{
    (void)len;
    founders[34 + 16] = E2E_ROLE_OWNER;
}
static void an_admin(uint8_t *founders, size_t *len)
{
    (void)len;
    founders[51 + 16] = E2E_ROLE_ADMIN;
}
static void no_role(uint8_t *founders, size_t *len)
{
    (void)len;
    founders[16] = 0;
}

static void test_e2e_group_op__founders_that_are_none(void **state)
{
    (void)state;
    check_founders(cut_short);
    check_founders(without_author);
    check_founders(twice);
    check_founders(out_of_order);
    check_founders(author_no_owner);
    check_founders(another_owner);
    check_founders(an_admin);
    check_founders(no_role);
}

/* ---------------------------------------------------------------------------------------------- making */
static void test_e2e_group_op__makes_nothing_that_nobody_would_read(void **state)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_group *group = group_of(1, 3, 1), *none = NULL, *after = NULL;
    struct e2e_group_op op = op_create(1, 3, 1), before;
    struct kith_buf little;

    (void)state;
    assert_int_equal(group_next(&group, op, NULL), KITH_E_MALFORMED); /* a second create */
    assert_int_equal(group_next(&none, op_of(E2E_GROUP_LEAVE, 1, 0, 0), NULL), KITH_E_MALFORMED);
    op.founders.len = 0;
    assert_int_equal(group_next(&none, op, NULL), KITH_E_MALFORMED);
    op = op_create(1, 3, 1);
    op.suite = 2;
    assert_int_equal(group_next(&none, op, NULL), KITH_E_UNSUPPORTED);
    op = op_of((enum e2e_group_kind)9, 1, 0, 0);
    assert_int_equal(group_next(&group, op, NULL), KITH_E_UNSUPPORTED);
    op = op_of((enum e2e_group_kind)0, 1, 0, 0);
    assert_int_equal(group_next(&group, op, NULL), KITH_E_MALFORMED);
    op = op_of(E2E_GROUP_LEAVE, 1, 2, 0);
    assert_int_equal(group_next(&group, op, NULL), KITH_E_MALFORMED);
    op = op_of(E2E_GROUP_ADD, 1, 9, 0);
    assert_int_equal(group_next(&group, op, NULL), KITH_E_MALFORMED);

    /* Without room for it: nothing is filled in, nothing is left behind. */
    op = op_of(E2E_GROUP_LEAVE, 2, 0, 0);
    before = op;
    person_keys(2, secret, public);
    kith_buf_init(&little, 100);
    assert_int_equal(e2e_group_make(group, &op, secret, &after, &little), KITH_E_TOOBIG);
    assert_null(after);
    assert_int_equal(kith_buf_len(&little), 0);
    assert_memory_equal(&op, &before, sizeof op);
    kith_buf_deinit(&little);

    group->seq = UINT64_MAX; /* nothing comes after it */
    assert_int_equal(group_next(&group, op, NULL), KITH_E_MALFORMED);
    e2e_group_free(group);
}

/* ---------------------------------------------------------------------------------------------- bytes */
static void test_e2e_group_op__refuses_every_short_prefix_and_every_flipped_bit(void **state)
{
    struct e2e_group *group = group_of(1, 3, 1), *after;
    struct samples samples;

    (void)state;
    samples_init(&samples);
    for (int kind = E2E_GROUP_CREATE; kind <= E2E_GROUP_JOIN_KEY; kind++) {
        struct kith_buf *bytes = &samples.signed_ops[kind];
        struct e2e_group_op op;
        for (size_t len = 0; len < kith_buf_len(bytes); len++)
            assert_int_equal(e2e_group_op_decode(kith_slice_of(bytes->ptr, len), &op), KITH_E_MALFORMED);
        for (size_t bit = 0; bit < 8 * kith_buf_len(bytes); bit++) {
            bytes->ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(group_read(kind == E2E_GROUP_CREATE ? NULL : group, kith_buf_peek(bytes), 1, &after),
                                 KITH_OK);
            bytes->ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    samples_deinit(&samples);
    e2e_group_free(group);
}

/* It would be another message of the same hash. In the operation itself such a field is signed. */
static void test_e2e_group_op__nothing_stands_beside_the_signature(void **state)
{
    static const uint16_t tags[] = {3, 0x7fff, 0x8000, 0xffff};
    struct samples samples;

    (void)state;
    samples_init(&samples);
    for (size_t i = 0; i < 2 * sizeof tags / sizeof *tags; i++) {
        struct e2e_group_op op;
        struct kith_buf more;
        kith_buf_init(&more, 100000);
        tlv_replace(kith_buf_peek(&samples.signed_ops[E2E_GROUP_ADD]), tags[i / 2], kith_slice_of("x", i % 2), &more);
        assert_int_equal(e2e_group_op_decode(kith_buf_peek(&more), &op),
                         tags[i / 2] < E2E_TLV_TAG_SKIPPED ? KITH_E_UNSUPPORTED : KITH_E_MALFORMED);
        kith_buf_deinit(&more);
    }
    samples_deinit(&samples);
}

static void test_e2e_group_op__refuses_what_is_too_long(void **state)
{
    static uint8_t bytes[E2E_GROUP_SIGNED_BYTES_MAX + 1];
    struct samples samples;
    struct e2e_group_op op;
    struct kith_slice more;

    (void)state;
    samples_init(&samples);
    assert_int_equal(e2e_group_op_decode(kith_slice_of(bytes, sizeof bytes), &op), KITH_E_TOOBIG);
    assert_int_equal(e2e_group_op_decode(kith_slice_of(bytes, sizeof bytes - 1), &op), KITH_E_UNSUPPORTED);
    more = kith_slice_of(bytes, E2E_GROUP_OP_BYTES_MAX - samples.bytes[E2E_GROUP_LEAVE].len - E2E_TLV_HEAD_BYTES);
    assert_int_equal(decode_with(samples.bytes[E2E_GROUP_LEAVE], 0x9000, more), KITH_OK);
    more.len++;
    assert_int_equal(decode_with(samples.bytes[E2E_GROUP_LEAVE], 0x9000, more), KITH_E_MALFORMED);
    samples_deinit(&samples);
}

/* ---------------------------------------------------------------------------------------------- a newer client's */
static kith_err skim_bytes(struct kith_slice bytes, struct e2e_group_op *op)
{
    struct kith_buf signed_op = signed_of(bytes);
    kith_err err = e2e_group_op_skim(kith_buf_peek(&signed_op), op);

    op->bytes = op->signature = (struct kith_slice){0}; /* lent */
    kith_buf_deinit(&signed_op);
    return err;
}

static kith_err skim_with(struct kith_slice good, uint16_t tag, struct kith_slice value, struct e2e_group_op *op)
{
    struct kith_buf changed;
    kith_err err;

    kith_buf_init(&changed, 100000);
    tlv_replace(good, tag, value, &changed);
    err = skim_bytes(kith_buf_peek(&changed), op);
    kith_buf_deinit(&changed);
    return err;
}

/* All that it has, and then something that is no field. */
static kith_err skim_followed_by(struct kith_slice good, struct kith_slice more, struct e2e_group_op *op)
{
    struct kith_buf changed;
    kith_err err;

    kith_buf_init(&changed, 100000);
    assert_int_equal(kith_buf_append(&changed, good), KITH_OK);
    assert_int_equal(kith_buf_append(&changed, more), KITH_OK);
    err = skim_bytes(kith_buf_peek(&changed), op);
    kith_buf_deinit(&changed);
    return err;
}

static void test_e2e_group_op__skims_of_every_kind_what_all_have(void **state)
{
    static const uint8_t kind = E2E_GROUP_JOIN_KEY + 1, zeros[100];
    struct e2e_group_op op, skimmed;
    struct samples samples;

    (void)state;
    samples_init(&samples);
    for (int i = E2E_GROUP_CREATE; i <= E2E_GROUP_JOIN_KEY; i++) {
        struct kith_slice whole = kith_buf_peek(&samples.signed_ops[i]), bytes = samples.bytes[i];
        assert_int_equal(e2e_group_op_decode(whole, &op), KITH_OK);
        assert_int_equal(e2e_group_op_skim(whole, &skimmed), KITH_OK);
        assert_int_equal(skimmed.kind, i);
        assert_int_equal(skimmed.seq, op.seq);
        assert_int_equal(skimmed.author_device, op.author_device);
        assert_int_equal(skimmed.list_seq, op.list_seq);
        assert_memory_equal(skimmed.group_id, op.group_id, sizeof op.group_id);
        assert_memory_equal(skimmed.prev_hash, op.prev_hash, sizeof op.prev_hash);
        assert_memory_equal(skimmed.author, op.author, sizeof op.author);
        assert_memory_equal(skimmed.list_hash, op.list_hash, sizeof op.list_hash);
        assert_memory_equal(skimmed.hash, op.hash, sizeof op.hash);
        assert_true(kith_slice_eq(skimmed.bytes, op.bytes) && kith_slice_eq(skimmed.signature, op.signature));
        assert_int_equal(skimmed.role + skimmed.suite + skimmed.settings, 0);
        for (size_t len = 0; len < whole.len; len++)
            assert_int_equal(e2e_group_op_skim(kith_slice_of(whole.ptr, len), &op), KITH_E_MALFORMED);
        for (uint16_t tag = 1; tag <= 10; tag++) {
            assert_int_equal(skim_with(bytes, tag, kith_slice_of(zeros, 100), &op), KITH_E_MALFORMED);
            if (tag != 3 || i != E2E_GROUP_CREATE)
                assert_int_equal(skim_with(bytes, tag, (struct kith_slice){0}, &op), KITH_E_MALFORMED);
        }
        assert_int_equal(decode_with(bytes, 19, kith_slice_str("new")), KITH_E_UNSUPPORTED);
        assert_int_equal(skim_with(bytes, 19, kith_slice_str("new"), &op), KITH_OK);
        assert_int_equal(skim_followed_by(bytes, kith_slice_of("\0\23\0\0\0\1", 6), &op), KITH_E_MALFORMED);
        assert_int_equal(skim_followed_by(bytes, kith_slice_of("\0\1\0\0\0\0", 6), &op), KITH_E_MALFORMED);
        assert_int_equal(skim_with(bytes, 4, kith_slice_of(&kind, 1), &op), KITH_OK);
        assert_int_equal(op.kind, kind);
    }
    assert_int_equal(skim_with(samples.bytes[E2E_GROUP_CREATE], 3, kith_slice_of(zeros, 32), &op), KITH_E_MALFORMED);
    samples_deinit(&samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_group_op__skims_of_every_kind_what_all_have),
        cmocka_unit_test(test_e2e_group_op__reads_what_it_writes),
        cmocka_unit_test(test_e2e_group_op__each_kind_has_its_fields_and_no_other),
        cmocka_unit_test(test_e2e_group_op__values_that_no_field_has),
        cmocka_unit_test(test_e2e_group_op__what_a_newer_client_writes_is_unsupported),
        cmocka_unit_test(test_e2e_group_op__seven_hundred_and_sixty_eight_founders_and_one_more),
        cmocka_unit_test(test_e2e_group_op__founders_that_are_none),
        cmocka_unit_test(test_e2e_group_op__makes_nothing_that_nobody_would_read),
        cmocka_unit_test(test_e2e_group_op__refuses_every_short_prefix_and_every_flipped_bit),
        cmocka_unit_test(test_e2e_group_op__nothing_stands_beside_the_signature),
        cmocka_unit_test(test_e2e_group_op__refuses_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
