#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ring.h"

/* Messages in a group that say what is not so: rows 7 and 20. */

/* ------------------------------------------------------------------------------------------------ 7 */
/* Fields of a group in a chat of two, or those of two in a group; and a good message of one chat in another. */
static void test_malicious__e2e_07_a_payload_of_another_kind_of_chat(void **state)
{
    struct ring *ring = ring_new(7100);
    struct town_chat two = town_chat_two(ring->ann, ring->bob), chat = town_group_chat(ring->bob, ring->group);
    struct town_group *other = town_group_create(ring->bob, (struct town_device *[]){ring->ann}, 1, NULL);
    struct town_chat chat_other = town_group_chat(ring->bob, other);
    uint8_t msg_id[E2E_ID_BYTES] = {2};

    (void)state;
    assert_int_equal(town_group_fetch(ring->ann, other), KITH_OK);
    for (int row = 0; row < 6; row++) {
        const struct town_chat *shown = row < 2 ? &two : row == 5 ? &chat_other : &chat;
        struct e2e_payload group = forge_group_payload(ring->bob, ring->ann, ring->group, msg_id, 5);
        struct e2e_payload pair = forge_payload(ring->bob, ring->ann, &two, msg_id, 5), payload;
        struct kith_buf message;
        payload = row == 0 || row == 2 ? pair : group;
        memcpy(payload.thread_id, row == 5 ? chat.id : shown->id, sizeof payload.thread_id);
        if (row == 0) { /* two lists and a head, in a chat of two */
            payload.has_group = true;
            payload.group_epoch = group.group_epoch;
            memcpy(payload.group_hash, group.group_hash, sizeof payload.group_hash);
        }
        if (row == 3) { /* the same in a group */
            payload.has_peer_list = true;
            payload.peer_list_seq = pair.peer_list_seq;
            memcpy(payload.peer_list_hash, pair.peer_list_hash, sizeof payload.peer_list_hash);
        }
        if (row == 4) { /* to an own device, of somebody else's */
            payload.has_dest = true;
            memcpy(payload.dest, ring->ann->person->id, sizeof payload.dest);
        }
        message = forge_message(ring->bob, ring->ann, &payload);
        assert_int_equal(forge_refused(ring->ann, forge_envelope(ring->bob, shown, msg_id, kith_buf_peek(&message))),
                         KITH_E_DENIED);
        kith_buf_deinit(&message);
    }
    assert_false(town_group_view(ring->ann, ring->group).is_forked);
    ring_free(ring);
}

/* ------------------------------------------------------------------------------------------------ 20 */
/* A head that nobody has: refused, once the server has no more operations; and nothing else comes of it. */
static void test_malicious__e2e_20_an_insider_claims_a_newer_head(void **state)
{
    struct ring *ring = ring_new(20000);
    struct town_chat chat = town_group_chat(ring->bob, ring->group);
    uint8_t msg_id[E2E_ID_BYTES] = {3};
    const uint64_t far[] = {1, 2, 1000, UINT64_MAX - ring_head(ring, ring->ann)->seq};

    (void)state;
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        struct e2e_payload payload = forge_group_payload(ring->bob, ring->ann, ring->group, msg_id, 5);
        struct e2e_envelope envelope;
        struct kith_buf message;
        payload.group_epoch += far[i];
        message = forge_message(ring->bob, ring->ann, &payload);
        envelope = forge_envelope(ring->bob, &chat, msg_id, kith_buf_peek(&message));
        assert_int_equal(forge_refused(ring->ann, envelope), KITH_E_AGAIN);
        envelope.is_ops_fresh = true;
        assert_int_equal(forge_refused(ring->ann, envelope), KITH_E_DENIED);
        kith_buf_deinit(&message);
    }
    assert_false(town_group_view(ring->ann, ring->group).is_forked);
    assert_int_equal(town_group_try_send(ring->ann, ring->group), KITH_OK);
    ring_free(ring);
}

/* Under the head before the first operation, whose hash nobody remembers: there is none. */
static void test_malicious__e2e_20_an_insider_claims_no_head(void **state)
{
    struct ring *ring = ring_new(20003);
    struct town_chat chat = town_group_chat(ring->bob, ring->group);
    uint8_t msg_id[E2E_ID_BYTES] = {6};
    struct e2e_payload payload = forge_group_payload(ring->bob, ring->ann, ring->group, msg_id, 5);
    struct kith_buf message;

    (void)state;
    payload.group_epoch = 0;
    message = forge_message(ring->bob, ring->ann, &payload);
    assert_int_equal(forge_refused(ring->ann, forge_envelope(ring->bob, &chat, msg_id, kith_buf_peek(&message))),
                     KITH_E_DENIED);
    assert_false(town_group_view(ring->ann, ring->group).is_forked);
    kith_buf_deinit(&message);
    ring_free(ring);
}

/* Another hash of a head that is remembered: the message is refused, and as nobody knows who lies, the alarm is raised. */
static void test_malicious__e2e_20_an_insider_claims_another_head(void **state)
{
    (void)state;
    for (uint64_t back = 0; back < 2; back++) {
        struct ring *ring = ring_new(20001);
        struct town_chat chat = town_group_chat(ring->bob, ring->group);
        uint8_t msg_id[E2E_ID_BYTES] = {4};
        struct e2e_payload payload = forge_group_payload(ring->bob, ring->ann, ring->group, msg_id, 5);
        struct e2e_envelope envelope;
        struct e2e_opened opened;
        struct kith_buf message, plain;
        payload.group_epoch -= back;
        memcpy(payload.group_hash, e2e_group_head(ring_head(ring, ring->bob), payload.group_epoch), E2E_HASH_BYTES);
        payload.group_hash[31] ^= 1;
        message = forge_message(ring->bob, ring->ann, &payload);
        envelope = forge_envelope(ring->bob, &chat, msg_id, kith_buf_peek(&message));
        assert_int_equal(town_open_envelope(ring->ann, envelope, &plain, &opened), KITH_E_DENIED);
        ring_alarmed(ring, ring->ann);
        assert_false(town_group_view(ring->tablet, ring->group).is_forked);
        kith_buf_wipe(&plain);
        kith_buf_deinit(&message);
        ring_free(ring);
    }
}

/* Who is in no group with Ann has a session with her nonetheless: what comes in it is not of the group. */
static void test_malicious__e2e_20_a_stranger_speaks_in_the_group(void **state)
{
    struct ring *ring = ring_new(20002);
    struct town_chat two = town_chat_two(ring->mallory, ring->ann), chat = town_group_chat(ring->ann, ring->group);
    uint8_t msg_id[E2E_ID_BYTES] = {5};
    struct e2e_payload payload;
    struct e2e_envelope envelope;
    struct kith_buf message;

    (void)state;
    (void)town_send(ring->mallory, &two, "hello");
    assert_int_equal(town_read(ring->ann), 1);
    payload = forge_group_payload(ring->ann, ring->mallory, ring->group, msg_id, 5);
    memcpy(payload.account_id, ring->mallory->person->id, sizeof payload.account_id);
    payload.device_id = forge_keys_of(ring->mallory).device_id;
    message = forge_message(ring->mallory, ring->ann, &payload);
    envelope = forge_envelope(ring->mallory, &chat, msg_id, kith_buf_peek(&message));
    assert_int_equal(forge_refused(ring->ann, envelope), KITH_E_AGAIN); /* she may have been let in meanwhile */
    envelope.is_ops_fresh = true;
    assert_int_equal(forge_refused(ring->ann, envelope), KITH_E_DENIED);
    kith_buf_deinit(&message);
    ring_free(ring);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_07_a_payload_of_another_kind_of_chat),
        cmocka_unit_test(test_malicious__e2e_20_an_insider_claims_a_newer_head),
        cmocka_unit_test(test_malicious__e2e_20_an_insider_claims_no_head),
        cmocka_unit_test(test_malicious__e2e_20_an_insider_claims_another_head),
        cmocka_unit_test(test_malicious__e2e_20_a_stranger_speaks_in_the_group),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
