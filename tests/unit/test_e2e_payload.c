#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/payload.h"

static uint8_t body_bytes[E2E_BODY_BYTES_MAX + 1];

/* Says all that a payload can. */
static struct e2e_payload full(size_t body_len)
{
    struct e2e_payload payload = {
        .content_type = kith_slice_str("text/plain"),
        .device_id = 7,
        .sent_at_ms = 1767225600000ull,
        .sseq = 3,
        .list_seq = 4,
        .has_peer_list = true,
        .has_group = true,
        .has_dest = true,
        .peer_list_seq = 5,
        .group_epoch = 6,
        .body = kith_slice_of(body_bytes, body_len),
    };

    for (size_t i = 0; i < sizeof body_bytes; i++) body_bytes[i] = (uint8_t)(i * 7);
    memset(payload.thread_id, 1, sizeof payload.thread_id);
    memset(payload.account_id, 2, sizeof payload.account_id);
    memset(payload.msg_id, 3, sizeof payload.msg_id);
    memset(payload.prev, 4, sizeof payload.prev);
    memset(payload.list_hash, 5, sizeof payload.list_hash);
    memset(payload.peer_list_hash, 6, sizeof payload.peer_list_hash);
    memset(payload.group_hash, 7, sizeof payload.group_hash);
    memset(payload.dest, 8, sizeof payload.dest);
    return payload;
}

/* The least: a first message without a body, of a device that knows no list of the other. */
static struct e2e_payload least(void)
{
    struct e2e_payload payload = full(0);

    payload.sseq = 1;
    memset(payload.prev, 0, sizeof payload.prev);
    payload.has_peer_list = payload.has_group = payload.has_dest = false;
    return payload;
}

static struct kith_buf encode(struct e2e_payload payload)
{
    struct kith_buf out;

    kith_buf_init(&out, E2E_PAYLOAD_BYTES_MAX);
    assert_int_equal(e2e_payload_encode(&payload, &out), KITH_OK);
    return out;
}

static void check_round_trip(struct e2e_payload payload)
{
    struct e2e_payload read;
    struct kith_buf out;

    kith_buf_init(&out, E2E_PAYLOAD_BYTES_MAX);
    assert_int_equal(e2e_payload_encode(&payload, &out), KITH_OK);
    assert_int_equal(e2e_payload_decode(kith_buf_peek(&out), &read), KITH_OK);
    assert_true(kith_slice_eq(read.content_type, payload.content_type));
    assert_true(kith_slice_eq(read.body, payload.body));
    assert_int_equal(read.device_id, payload.device_id);
    assert_true(read.sent_at_ms == payload.sent_at_ms && read.sseq == payload.sseq);
    assert_true(read.list_seq == payload.list_seq && read.has_peer_list == payload.has_peer_list);
    assert_true(read.has_group == payload.has_group && read.has_dest == payload.has_dest);
    assert_memory_equal(read.thread_id, payload.thread_id, sizeof read.thread_id);
    assert_memory_equal(read.account_id, payload.account_id, sizeof read.account_id);
    assert_memory_equal(read.msg_id, payload.msg_id, sizeof read.msg_id);
    assert_memory_equal(read.prev, payload.prev, sizeof read.prev);
    assert_memory_equal(read.list_hash, payload.list_hash, sizeof read.list_hash);
    assert_memory_equal(read.body_hash, payload.body_hash, sizeof read.body_hash);
    if (read.has_peer_list) {
        assert_true(read.peer_list_seq == payload.peer_list_seq);
        assert_memory_equal(read.peer_list_hash, payload.peer_list_hash, sizeof read.peer_list_hash);
    }
    if (read.has_group) {
        assert_true(read.group_epoch == payload.group_epoch);
        assert_memory_equal(read.group_hash, payload.group_hash, sizeof read.group_hash);
    }
    if (read.has_dest) assert_memory_equal(read.dest, payload.dest, sizeof read.dest);
    kith_buf_deinit(&out);
}

static void test_e2e_payload__reads_what_it_writes(void **state)
{
    (void)state;
    check_round_trip(least());
    for (size_t len = 0; len < 500; len++) check_round_trip(full(len));
    for (size_t len = 3000; len < E2E_BODY_BYTES_MAX; len += 997) check_round_trip(full(len));
    check_round_trip(full(E2E_BODY_BYTES_MAX));
}

static void test_e2e_payload__takes_its_longest_parts_and_not_a_byte_more(void **state)
{
    struct e2e_payload payload = full(E2E_BODY_BYTES_MAX + 1);
    char type[E2E_CONTENT_TYPE_BYTES_MAX + 1];
    struct kith_buf out;

    (void)state;
    memset(type, 'a', sizeof type);
    kith_buf_init(&out, 2 * E2E_PAYLOAD_BYTES_MAX);
    assert_int_equal(e2e_payload_encode(&payload, &out), KITH_E_TOOBIG);
    payload = full(1);
    payload.content_type = kith_slice_of(type, sizeof type);
    assert_int_equal(e2e_payload_encode(&payload, &out), KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&out), 0);
    payload.content_type.len--;
    check_round_trip(payload);
    kith_buf_deinit(&out);
}

static void test_e2e_payload__writes_nothing_that_nobody_would_read(void **state)
{
    struct e2e_payload payloads[4] = {full(1), full(1), full(1), full(1)};
    struct kith_buf out;

    (void)state;
    payloads[0].content_type.len = 0;
    payloads[1].device_id = 0;
    payloads[2].sseq = 0;
    payloads[3].sseq = 1; /* with a prev */
    kith_buf_init(&out, E2E_PAYLOAD_BYTES_MAX);
    for (int i = 0; i < 4; i++) assert_int_equal(e2e_payload_encode(&payloads[i], &out), KITH_E_MALFORMED);
    assert_int_equal(kith_buf_len(&out), 0);
    kith_buf_deinit(&out);
}

/* ---------------------------------------------------------------------------------------------- padding */
static void test_e2e_payload__lengths_are_few(void **state)
{
    size_t last = 0, lengths = 0;

    (void)state;
    assert_int_equal(e2e_padded_bytes(1), 160);
    assert_int_equal(e2e_padded_bytes(160), 160);
    assert_int_equal(e2e_padded_bytes(161), 320);
    assert_int_equal(e2e_padded_bytes(4000), 4000);
    assert_int_equal(e2e_padded_bytes(4001), 4160);
    assert_int_equal(e2e_padded_bytes(4096), 4160);
    assert_int_equal(e2e_padded_bytes(4097), 4352);
    assert_int_equal(e2e_padded_bytes(8192), 8192);
    assert_int_equal(e2e_padded_bytes(8193), 8704);
    assert_int_equal(e2e_padded_bytes(65535), 65536);
    assert_int_equal(e2e_padded_bytes(65537), 67584);
    for (size_t len = 1; len <= E2E_PAYLOAD_BYTES_MAX; len++) {
        const size_t padded = e2e_padded_bytes(len);
        assert_true(padded >= len && padded >= last);
        assert_true(len <= 4096 ? padded - len < 160 : (padded - len) * 8 < len);
        if (padded != last) lengths++;
        last = padded;
    }
    assert_true(lengths < 160);
    assert_int_equal(e2e_padded_bytes(4160),
                     4352); /* a length may be padded to, and yet not stay when it is one's own */
}

static void test_e2e_payload__is_as_long_as_another_that_says_a_little_more(void **state)
{
    struct kith_buf a = encode(full(1)), b = encode(full(2)), c = encode(full(10000)), d = encode(full(10050));

    (void)state;
    assert_int_equal(kith_buf_len(&a), kith_buf_len(&b));
    assert_int_equal(kith_buf_len(&c), kith_buf_len(&d));
    kith_buf_deinit(&a);
    kith_buf_deinit(&b);
    kith_buf_deinit(&c);
    kith_buf_deinit(&d);
}

static void test_e2e_payload__refuses_another_padding(void **state)
{
    struct kith_buf out = encode(full(100)), other;
    struct e2e_payload read;
    struct kith_slice all = kith_buf_peek(&out), value = {0};
    static const uint8_t zeros[1000] = {0};

    (void)state;
    /* Every length that ends where padding may end, and others: only the shortest is taken. */
    for (size_t len = 0; len < 400; len++) {
        struct e2e_tlv_reader reader = e2e_tlv_reader_of(all);
        struct e2e_tlv_writer writer;
        uint16_t tag = 0;
        kith_buf_init(&other, 10000);
        writer = e2e_tlv_writer_of(&other);
        while (e2e_tlv_next(&reader, &tag, &value) == KITH_OK)
            e2e_tlv_put(&writer, tag, tag == 28672 ? kith_slice_of(zeros, len) : value);
        assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
        assert_int_equal(e2e_payload_decode(kith_buf_peek(&other), &read),
                         kith_buf_len(&other) == all.len ? KITH_OK : KITH_E_MALFORMED);
        kith_buf_deinit(&other);
    }
    out.ptr[out.tail - 1] = 1;
    assert_int_equal(e2e_payload_decode(kith_buf_peek(&out), &read), KITH_E_MALFORMED);
    kith_buf_deinit(&out);
}

/* ---------------------------------------------------------------------------------------------- what is refused */
static void test_e2e_payload__refuses_every_short_prefix_and_every_flipped_bit(void **state)
{
    struct kith_buf out = encode(full(100));
    struct e2e_payload read, before;
    size_t taken = 0;

    (void)state;
    memset(&read, 0x5a, sizeof read);
    before = read;
    for (size_t len = 0; len < kith_buf_len(&out); len++)
        assert_int_not_equal(e2e_payload_decode(kith_slice_of(out.ptr, len), &read), KITH_OK);
    assert_memory_equal(&read, &before, sizeof read);
    for (size_t bit = 0; bit < 8 * kith_buf_len(&out); bit++) {
        out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (e2e_payload_decode(kith_buf_peek(&out), &read) == KITH_OK) taken++;
        out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(taken, 8 * E2E_ACCOUNT_ID_BYTES); /* `dest`: no copy but one's own has it, so it is not hashed */
    kith_buf_deinit(&out);
}

/* The fields of `payload` with another value of one, {NULL, 0}: without it; hash and padding fit, so only its sense speaks
 * against it. */
static kith_err decode_with(struct e2e_payload payload, uint16_t changed, struct kith_slice new_value)
{
    struct kith_buf whole = encode(payload), out;
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(kith_buf_peek(&whole));
    struct e2e_tlv_writer writer;
    struct kith_slice value = {0}, hashed;
    static const uint8_t zeros[160] = {0};
    uint8_t hash[E2E_HASH_BYTES];
    struct e2e_payload read;
    uint16_t tag = 0;
    size_t len;
    kith_err err;

    kith_buf_init(&out, 10000);
    writer = e2e_tlv_writer_of(&out);
    while (e2e_tlv_next(&reader, &tag, &value) == KITH_OK) {
        if (tag == changed && new_value.ptr == NULL) continue;
        if (tag == changed) value = new_value;
        if (tag == 16) {
            hashed = kith_buf_peek(&out);
            e2e_sha256(&hashed, 1, hash);
            value.ptr = hash;
        }
        len = kith_buf_len(&out) + E2E_TLV_HEAD_BYTES;
        if (tag == 28672) value = kith_slice_of(zeros, e2e_padded_bytes(len + 1) - len);
        e2e_tlv_put(&writer, tag, value);
    }
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    err = e2e_payload_decode(kith_buf_peek(&out), &read);
    kith_buf_deinit(&whole);
    kith_buf_deinit(&out);
    return err;
}

static kith_err decode_without(struct e2e_payload payload, uint16_t tag)
{
    return decode_with(payload, tag, (struct kith_slice){0});
}

static void test_e2e_payload__what_belongs_together_comes_together(void **state)
{
    (void)state;
    assert_int_equal(decode_without(full(10), 0), KITH_OK);
    assert_int_equal(decode_without(full(10), 15), KITH_OK); /* a body may be missing */
    assert_int_equal(decode_without(full(10), 17), KITH_OK); /* dest, too */
    for (uint16_t tag = 1; tag < 15; tag++) assert_int_equal(decode_without(full(10), tag), KITH_E_MALFORMED);
    assert_int_equal(decode_without(full(10), 16), KITH_E_MALFORMED);
    assert_int_equal(decode_without(full(10), 28672), KITH_E_MALFORMED);
    assert_int_equal(decode_without(least(), 0), KITH_OK);
    assert_int_equal(decode_with(full(10), 4, kith_slice_of("\0\0\0\0", 4)), KITH_E_MALFORMED); /* no device */
    assert_int_equal(decode_with(full(10), 7, kith_slice_of("\0\0\0\0\0\0\0\0", 8)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(full(10), 7, kith_slice_of("\0\0\0\0\0\0\0\1", 8)),
                     KITH_E_MALFORMED); /* it has a prev */
    assert_int_equal(decode_with(least(), 7, kith_slice_of("\0\0\0\0\0\0\0\2", 8)), KITH_E_MALFORMED); /* none */
    assert_int_equal(decode_with(full(10), 4, kith_slice_of("\1\0\0\0", 4)), KITH_OK);
}

/* Only that it is there, and how long it is: what it says, and who may have it, others look at. */
static void test_e2e_payload__an_answer_names_what_it_answers(void **state)
{
    static const uint8_t item[59] = {0x77};
    struct e2e_payload payload = full(10), read;
    struct kith_buf out;

    (void)state;
    payload.has_again = true;
    for (size_t len = 57; len <= 59; len++) {
        payload.again = kith_slice_of(item, len);
        kith_buf_init(&out, E2E_PAYLOAD_BYTES_MAX);
        assert_int_equal(e2e_payload_encode(&payload, &out), len == 58 ? KITH_OK : KITH_E_MALFORMED);
        if (len != 58) assert_int_equal(kith_buf_len(&out), 0);
        kith_buf_deinit(&out);
    }
    payload.again = kith_slice_of(item, 58);
    out = encode(payload);
    assert_int_equal(e2e_payload_decode(kith_buf_peek(&out), &read), KITH_OK);
    assert_true(read.has_again && kith_slice_eq(read.again, payload.again));
    kith_buf_deinit(&out);
    assert_int_equal(decode_with(payload, 18, kith_slice_of(item, 58)), KITH_OK);
    assert_int_equal(decode_with(payload, 18, kith_slice_of(item, 57)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(payload, 18, kith_slice_of(item, 59)), KITH_E_MALFORMED);
    assert_int_equal(decode_without(payload, 18), KITH_OK);
    out = encode(full(10));
    assert_int_equal(e2e_payload_decode(kith_buf_peek(&out), &read), KITH_OK);
    assert_false(read.has_again);
    kith_buf_deinit(&out);
}

static void test_e2e_payload__refuses_what_is_too_long(void **state)
{
    uint8_t *bytes = calloc(1, E2E_PAYLOAD_BYTES_MAX + 1);
    struct e2e_payload read;

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(e2e_payload_decode(kith_slice_of(bytes, E2E_PAYLOAD_BYTES_MAX + 1), &read), KITH_E_TOOBIG);
    assert_int_equal(e2e_payload_decode(kith_slice_of(bytes, E2E_PAYLOAD_BYTES_MAX), &read), KITH_E_UNSUPPORTED);
    free(bytes);
}

static void test_e2e_payload__its_hash_is_the_same_in_the_copies_for_ones_own_devices(void **state)
{
    struct e2e_payload to_other = full(50), to_own = full(50), another = full(51);
    struct kith_buf out;

    (void)state;
    to_other.has_dest = false;
    kith_buf_init(&out, 10000);
    assert_int_equal(e2e_payload_encode(&to_other, &out), KITH_OK);
    assert_int_equal(e2e_payload_encode(&to_own, &out), KITH_OK);
    assert_int_equal(e2e_payload_encode(&another, &out), KITH_OK);
    assert_memory_equal(to_other.body_hash, to_own.body_hash, E2E_HASH_BYTES);
    assert_memory_not_equal(to_other.body_hash, another.body_hash, E2E_HASH_BYTES);
    kith_buf_deinit(&out);
}

static void test_e2e_payload__a_full_buffer_leaves_nothing_half_written(void **state)
{
    struct kith_buf whole = encode(full(100)), out;
    struct e2e_payload payload = full(100);
    const struct e2e_payload before = payload;

    (void)state;
    for (size_t room = 0; room <= kith_buf_len(&whole); room++) {
        const bool fits = room == kith_buf_len(&whole);
        kith_buf_init(&out, 3 + room);
        assert_int_equal(kith_buf_append_str(&out, "abc"), KITH_OK);
        assert_int_equal(e2e_payload_encode(&payload, &out), fits ? KITH_OK : KITH_E_TOOBIG);
        assert_int_equal(kith_buf_len(&out), fits ? 3 + room : 3);
        if (!fits) assert_memory_equal(&payload, &before, sizeof before);
        kith_buf_deinit(&out);
    }
    kith_buf_deinit(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_payload__reads_what_it_writes),
        cmocka_unit_test(test_e2e_payload__takes_its_longest_parts_and_not_a_byte_more),
        cmocka_unit_test(test_e2e_payload__writes_nothing_that_nobody_would_read),
        cmocka_unit_test(test_e2e_payload__lengths_are_few),
        cmocka_unit_test(test_e2e_payload__is_as_long_as_another_that_says_a_little_more),
        cmocka_unit_test(test_e2e_payload__refuses_another_padding),
        cmocka_unit_test(test_e2e_payload__refuses_every_short_prefix_and_every_flipped_bit),
        cmocka_unit_test(test_e2e_payload__what_belongs_together_comes_together),
        cmocka_unit_test(test_e2e_payload__an_answer_names_what_it_answers),
        cmocka_unit_test(test_e2e_payload__refuses_what_is_too_long),
        cmocka_unit_test(test_e2e_payload__its_hash_is_the_same_in_the_copies_for_ones_own_devices),
        cmocka_unit_test(test_e2e_payload__a_full_buffer_leaves_nothing_half_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
