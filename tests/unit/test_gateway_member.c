#include <stdio.h>

#include "gateway_fixture.h"

#define CLIENT "ack:client\n"

/* I-A1, I-C4: the own removal is the last that comes, live and on the next connection. */
static void test_gateway_member__i_a1_the_own_removal_is_the_last_event(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob, *away;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_group(&fx, 1, 3, false);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    fx_expect_seq(bob, 1, 1);
    fx_expect_seq(bob, 1, fx_say(&fx, 1, 1, 1, "you see this"));
    fx_remove(&fx, 1, 2);
    assert_string_equal(fx_header(fx_expect_seq(bob, 1, 3), "type"), "member");
    for (unsigned i = 0; i < 5; i++) (void)fx_say(&fx, 1, 1, 1, "not this");
    fx_expect_nothing(bob);
    away = fx_connect(&fx, 0, 2, 22); /* another device of the same person, which was not connected */
    fx_inbox(away, CLIENT);
    for (uint64_t seq = 1; seq <= 3; seq++) fx_expect_seq(away, 1, seq);
    fx_expect_nothing(away);
    fx_ack(away, &away->frames[away->frame_count - 1]);
    fx_run(&fx, 100 * 1000); /* heads are read again, too */
    fx_expect_nothing(away);
    fx_expect_nothing(bob);
    assert_int_equal(fx_cursor(&fx, 1, 22), 3);
    fx_close(&fx);
}

/* I-A1: between leaving and coming back nothing is seen but that numbers were used. */
static void test_gateway_member__i_a1_what_was_said_in_between_is_a_gap(void **state)
{
    struct fx fx = {0};
    struct fx_peer *live, *later;
    struct fx_frame *frame;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_group(&fx, 1, 3, false);
    live = fx_connect(&fx, 0, 2, 2);
    fx_inbox(live, CLIENT);
    fx_remove(&fx, 1, 2);
    for (unsigned i = 0; i < 100; i++) (void)fx_say(&fx, 1, 1, 1, "secret");
    fx_add(&fx, 1, 2);
    fx_run(&fx, 20);
    (void)fx_say(&fx, 1, 1, 1, "welcome back");
    later = fx_connect(&fx, 0, 2, 22);
    fx_inbox(later, CLIENT);
    fx_run(&fx, 50);
    for (unsigned i = 0; i < 2; i++) {
        struct fx_peer *peer = i == 0 ? live : later;
        uint64_t at = 3;
        fx_expect_seq(peer, 1, 1);
        fx_expect_seq(peer, 1, 2);
        do { /* in as many pieces as it takes */
            frame = fx_expect(peer, STOMP_MESSAGE);
            assert_string_equal(fx_header(frame, "type"), "gap");
            assert_int_equal(fx_number(frame, "gap-from"), at);
            at = fx_number(frame, "seq") + 1;
        } while (at < 103);
        assert_string_equal(fx_header(fx_expect_seq(peer, 1, 103), "type"), "member");
        assert_string_equal(fx_expect_seq(peer, 1, 104)->body, "welcome back");
        for (size_t j = 0; j < peer->frame_count; j++) assert_null(strstr(peer->frames[j].body, "secret"));
    }
    fx_close(&fx);
}

/* Removed while the stream is behind: not one row beyond the removal, whatever was read when. */
static void test_gateway_member__i_c4_a_removal_overtakes_a_stream_that_is_behind(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fx fx = {.store_delay_ms = (uint32_t)(seed % 4)};
        struct fx_peer *bob, *ann;
        uint64_t removed = 0;
        struct cmd cmd = {
            .verb = CMD_MEMBER_REMOVE, .stream = CHAT(1).id, .actor = USER(1), .device = DEVICE(1), .subject = USER(2)};
        fx_open(&fx, 1, seed);
        fx_group(&fx, 1, 3, false);
        for (unsigned i = 0; i < 70; i++) (void)fx_say(&fx, 1, 1, 1, "before");
        ann = fx_connect(&fx, 0, 3, 3);
        bob = fx_connect(&fx, 0, 2, 2);
        fx_send(bob, "SUBSCRIBE\nid:in\ndestination:/inbox\nack:client\n\n");
        fx_run(&fx, seed % 7);
        for (unsigned i = 0; i < 5; i++) fx_send_message(ann, 1, fx_msg_id(&fx), NULL, "before");
        fx_tell(&fx, &cmd);
        for (unsigned i = 0; i < 5; i++) fx_send_message(ann, 1, fx_msg_id(&fx), NULL, "after");
        fx_run(&fx, 300);
        for (size_t i = 1; i < bob->frame_count; i++) {
            assert_null(strstr(bob->frames[i].body, "after"));
            if (strstr(bob->frames[i].body, "remove") != NULL) removed = fx_number(&bob->frames[i], "seq");
        }
        assert_true(removed > 71);
        assert_int_equal(fx_number(&bob->frames[bob->frame_count - 1], "seq"), removed);
        fx_close(&fx);
    }
}

/* Users 1 to 3 in an encrypted group with operations, and an invite link to it. */
static void group_with_link(struct fx *fx, uint64_t tag)
{
    uint8_t raw[3 * CMD_MEMBER_BYTES];
    struct cmd create = {.verb = CMD_CHAT_CREATE,
                         .flags = CMD_GROUP | CMD_ENCRYPTED,
                         .stream = CHAT(1).id,
                         .actor = USER(1),
                         .device = DEVICE(1),
                         .seq = 1,
                         .body = kith_slice_str("op"),
                         .members = kith_slice_of(raw, sizeof raw)};
    struct cmd link = {.verb = CMD_CHAT_UPDATE,
                       .flags = CMD_HAS_JOIN_KEY,
                       .stream = CHAT(1).id,
                       .actor = USER(1),
                       .device = DEVICE(1),
                       .seq = 2,
                       .value = tag,
                       .body = kith_slice_str("op")};

    for (uint32_t i = 0; i < 3; i++) {
        struct cmd_member member = {
            .user = USER(i + 1), .role = i == 0 ? ROLE_OWNER : ROLE_MEMBER, .accepted = 1, .receipts = 1};
        cmd_member_encode(&member, raw + i * (size_t)CMD_MEMBER_BYTES);
    }
    assert_int_equal(fx_ask(fx, &create).code, CODE_CREATED);
    assert_int_equal(fx_ask(fx, &link).code, CODE_CREATED);
}

/* Who asks to be let in is shown to the members, live and later; who asks is told nothing, a former member neither. */
static void test_gateway_member__who_asks_is_shown_to_members_alone(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann, *asker, *former;
    struct fx_frame *frame;
    struct cmd leave = {.verb = CMD_MEMBER_LEAVE,
                        .stream = CHAT(1).id,
                        .actor = USER(3),
                        .device = DEVICE(3),
                        .seq = 3,
                        .body = kith_slice_str("op")},
               ask = {.verb = CMD_MEMBER_ASK,
                      .stream = CHAT(1).id,
                      .actor = USER(4),
                      .device = DEVICE(4),
                      .value = 77,
                      .body = kith_slice_str("asks")};

    (void)state;
    fx_open(&fx, 2, 1);
    group_with_link(&fx, 77);
    ann = fx_connect(&fx, 0, 1, 1);
    former = fx_connect(&fx, 1, 3, 3);
    asker = fx_connect(&fx, 1, 4, 4);
    fx_inbox(ann, CLIENT);
    fx_inbox(former, CLIENT);
    fx_inbox(asker, CLIENT);
    assert_int_equal(fx_ask(&fx, &leave).code, CODE_CREATED);
    assert_int_equal(fx_ask(&fx, &ask).seq, 4);
    ask.actor = USER(3);
    ask.device = DEVICE(3);
    assert_int_equal(fx_ask(&fx, &ask).seq, 5);
    fx_run(&fx, 50);
    for (unsigned i = 0; i < 2; i++) {
        for (uint64_t seq = 1; seq <= 3; seq++) fx_expect_seq(ann, 1, seq);
        frame = fx_expect_seq(ann, 1, 4);
        assert_string_equal(fx_header(frame, "type"), "member");
        assert_string_equal(fx_header(frame, "sender"), fx_id(USER(4).id));
        assert_non_null(strstr(frame->body, "\"op\":\"ask\""));
        assert_non_null(strstr(frame->body, "\"request\":\"YXNrcw==\""));
        fx_expect_seq(ann, 1, 5);
        for (uint64_t seq = 1; seq <= 3; seq++) fx_expect_seq(former, 1, seq);
        fx_expect_nothing(former);
        fx_expect_nothing(asker);
        ann = fx_connect(&fx, 0, 1, 11); /* the same again, of what is stored */
        former = fx_connect(&fx, 1, 3, 33);
        asker = fx_connect(&fx, 1, 4, 44);
        fx_inbox(ann, CLIENT);
        fx_inbox(former, CLIENT);
        fx_inbox(asker, CLIENT);
        fx_run(&fx, 50);
    }
    fx_close(&fx);
}

/* ------------------------------------------------------------------------------------------------ a body a device */

static void send_bodies(struct fx_peer *peer, uint32_t chat, struct msg_id id, const uint32_t *devices, unsigned count,
                        uint64_t list_seq)
{
    struct bodies_list lists[2] = {{USER(1), list_seq}, {USER(2), list_seq}};
    struct bodies_item items[4];
    char text[4][32], head[300];
    struct kith_buf frame;
    struct kith_buf body;
    int len;

    for (unsigned i = 0; i < count; i++) {
        snprintf(text[i], sizeof text[i], "for device %u", devices[i]);
        items[i] = (struct bodies_item){DEVICE(devices[i]), kith_slice_str(text[i])};
    }
    kith_buf_init(&body, 4096);
    kith_buf_init(&frame, 8192);
    assert_int_equal(bodies_encode(&body, lists, 2, items, count), KITH_OK);
    len = snprintf(head, sizeof head,
                   "SEND\ndestination:/chat/%s\nmessage-id:%s\nreceipt:r\ncontent-type:application/x-kith-bodies\n"
                   "content-length:%zu\n\n",
                   fx_id(CHAT(chat).id), fx_id(id.id), kith_buf_len(&body));
    assert_int_equal(kith_buf_append(&frame, kith_slice_of(head, (size_t)len)), KITH_OK);
    assert_int_equal(kith_buf_append(&frame, kith_buf_peek(&body)), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&frame, 0), KITH_OK);
    fx_bytes(peer, kith_buf_peek(&frame).ptr, kith_buf_len(&frame));
    fx_run(peer->fx, 20);
    kith_buf_deinit(&body);
    kith_buf_deinit(&frame);
}

/* Each device gets its own ciphertext and no other, live and from the store; one without gets the frame without. */
static void test_gateway_member__each_device_gets_its_own_body_only(void **state)
{
    static const uint32_t devices[] = {11, 2, 22, 1}; /* sender's other, receiver's two, the sending one has none */
    static const uint32_t bodies[] = {2, 11, 22};
    struct fx fx = {0};
    struct fx_peer *peers[4], *ann;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, true);
    ann = fx_connect(&fx, 0, 1, 1);
    fx_errors(ann);
    for (unsigned round = 0; round < 2; round++) { /* live; then from the store */
        for (unsigned i = 0; i < 4 && round == 0; i++) {
            peers[i] = devices[i] == 1 ? ann : fx_connect(&fx, 0, devices[i] == 11 ? 1 : 2, devices[i]);
            fx_inbox(peers[i], CLIENT);
            fx_expect_seq(peers[i], 1, 1);
        }
        if (round == 0) {
            send_bodies(ann, 1, fx_msg_id(&fx), bodies, 3, 1);
            assert_int_equal(fx_number(fx_expect(ann, STOMP_RECEIPT), "seq"), 2);
        } else {
            for (unsigned i = 0; i < 4; i++) {
                fx_drop(peers[i]);
                peers[i] = fx_connect(&fx, 0, devices[i] % 10 == 1 ? 1 : 2, devices[i]);
                fx_inbox(peers[i], CLIENT);
                fx_expect_seq(peers[i], 1, 1);
            }
        }
        for (unsigned i = 0; i < 4; i++) {
            struct fx_frame *frame = fx_expect_seq(peers[i], 1, 2);
            char own[32] = "";
            if (devices[i] != 1) snprintf(own, sizeof own, "for device %u", devices[i]);
            assert_string_equal(frame->body, own);
            assert_string_equal(fx_header(frame, "encrypted"), "true");
            assert_string_equal(fx_header(frame, "content-type"), "application/octet-stream");
        }
    }
    fx_close(&fx);
}

static void test_gateway_member__bodies_for_an_old_device_list_are_stale(void **state)
{
    static const uint32_t devices[] = {2};
    struct fx fx = {0};
    struct fx_peer *ann;
    struct msg_id id;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, true);
    ann = fx_connect(&fx, 0, 1, 1);
    fx_errors(ann);
    id = fx_msg_id(&fx);
    send_bodies(ann, 1, id, devices, 1, 7);
    assert_string_equal(fx_header(fx_expect_refusal(ann, "STALE_DEVICES"), "client-id"), fx_id(id.id));
    send_bodies(ann, 1, id, devices, 1, 1); /* it used up no id */
    fx_expect(ann, STOMP_RECEIPT);
    fx_close(&fx);
}

/* A deleted message keeps its number and loses its body; the deletion is an event of its own. */
static void test_gateway_member__a_deleted_message_has_no_body(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;
    struct fx_frame *frame;
    struct cmd cmd = {.verb = CMD_DELETE, .stream = CHAT(1).id, .actor = USER(1), .device = DEVICE(1), .seq = 2};

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    (void)fx_say(&fx, 1, 1, 1, "regret");
    assert_int_equal(fx_ask(&fx, &cmd).seq, 3);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    fx_expect_seq(bob, 1, 1);
    frame = fx_expect_seq(bob, 1, 2);
    assert_int_equal(frame->body_len, 0);
    assert_string_equal(fx_header(frame, "deleted"), "true");
    frame = fx_expect_seq(bob, 1, 3);
    assert_string_equal(fx_header(frame, "type"), "deleted");
    assert_string_equal(frame->body, "{\"seq\":2}");
    fx_close(&fx);
}

/* I-V4: who blocks sees that a number is missing and nothing else; the blocked one sees its own message as ever. */
static void test_gateway_member__i_v4_a_blocked_persons_message_is_a_gap(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann, *bob;
    struct cmd block = {.verb = CMD_FACT, .stream = CHAT(1).id, .subject = USER(2), .fact = FACT_BLOCKS, .value = 1};

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    assert_int_equal(fx_ask(&fx, &block).code, CODE_OK);
    for (unsigned round = 0; round < 2; round++) { /* live; then from the store */
        ann = fx_connect(&fx, 0, 1, 1);
        bob = fx_connect(&fx, 0, 2, 2);
        fx_inbox(ann, CLIENT);
        fx_inbox(bob, CLIENT);
        if (round == 0) assert_int_equal(fx_say(&fx, 1, 1, 1, "do you hear me"), 2);
        fx_expect_seq(ann, 1, 1);
        fx_expect_seq(bob, 1, 1);
        assert_string_equal(fx_expect_seq(ann, 1, 2)->body, "do you hear me");
        assert_string_equal(fx_header(fx_expect_seq(bob, 1, 2), "type"), "gap");
        fx_expect_nothing(bob);
        fx_drop(ann);
        fx_drop(bob);
    }
    fx_close(&fx);
}

/* A thousand members on three loops: one send reaches each once. */
static void test_gateway_member__a_large_group_is_reached(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peers[60];

    (void)state;
    fx_open(&fx, 3, 1);
    fx_group(&fx, 1, KITH_MEMBERS_MAX, false);
    for (uint32_t i = 0; i < 60; i++) {
        peers[i] = fx_connect(&fx, i % 3, 1 + i * 17, 1 + i * 17);
        fx_inbox(peers[i], CLIENT);
        fx_ack(peers[i], fx_expect_seq(peers[i], 1, 1));
    }
    fx_send_message(peers[0], 1, fx_msg_id(&fx), NULL, "to all");
    fx_run(&fx, 50);
    for (unsigned i = 0; i < 60; i++) {
        assert_string_equal(fx_expect_seq(peers[i], 1, 2)->body, "to all");
        fx_expect_nothing(peers[i]);
    }
    fx_close(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_member__i_a1_the_own_removal_is_the_last_event),
        cmocka_unit_test(test_gateway_member__i_a1_what_was_said_in_between_is_a_gap),
        cmocka_unit_test(test_gateway_member__i_c4_a_removal_overtakes_a_stream_that_is_behind),
        cmocka_unit_test(test_gateway_member__who_asks_is_shown_to_members_alone),
        cmocka_unit_test(test_gateway_member__each_device_gets_its_own_body_only),
        cmocka_unit_test(test_gateway_member__bodies_for_an_old_device_list_are_stale),
        cmocka_unit_test(test_gateway_member__a_deleted_message_has_no_body),
        cmocka_unit_test(test_gateway_member__i_v4_a_blocked_persons_message_is_a_gap),
        cmocka_unit_test(test_gateway_member__a_large_group_is_reached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
