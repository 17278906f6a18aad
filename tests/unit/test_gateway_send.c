#include <stdio.h>

#include "gateway_fixture.h"

struct fixture {
    struct fx fx;
    struct fx_peer *ann; /* user 1, with /errors; in chat 1 with user 2 */
};

static void open(struct fixture *f, struct gateway_limits limits)
{
    *f = (struct fixture){.fx = {.limits = limits}};
    fx_open(&f->fx, 1, 1);
    fx_direct(&f->fx, 1, 1, 2, false);
    f->ann = fx_connect(&f->fx, 0, 1, 1);
    fx_errors(f->ann);
}

static void send_with(struct fixture *f, struct msg_id id, const char *headers, const char *body)
{
    fx_send(f->ann, "SEND\ndestination:/chat/%s\nmessage-id:%s\nreceipt:r\n%s\n%s", fx_id(CHAT(1).id), fx_id(id.id),
            headers, body);
    fx_run(&f->fx, 20);
}

/* I-E2: the same again gets the same answer. I-A5: seq, epoch and time are the server's. */
static void test_gateway_send__i_e2_the_receipt_has_the_number_and_comes_again_the_same(void **state)
{
    struct fixture f;
    struct fx_frame *frame;
    struct msg_id id;
    char created[64];

    (void)state;
    open(&f, (struct gateway_limits){0});
    id = fx_msg_id(&f.fx);
    send_with(&f, id, "content-type:text/plain\nseq:77\nepoch:9\nsender:somebody\ncreated-at:1999-01-01T00:00:00Z\n",
              "hi");
    frame = fx_expect(f.ann, STOMP_RECEIPT);
    assert_string_equal(fx_header(frame, "receipt-id"), "r");
    assert_string_equal(fx_header(frame, "message-id"), fx_id(id.id));
    assert_int_equal(fx_number(frame, "seq"), 2);
    assert_int_equal(fx_number(frame, "epoch"), 1);
    snprintf(created, sizeof created, "%s", fx_header(frame, "created-at"));
    fx_run(&f.fx, 5000);
    send_with(&f, id, "content-type:text/plain\n", "hi");
    frame = fx_expect(f.ann, STOMP_RECEIPT);
    assert_int_equal(fx_number(frame, "seq"), 2);
    assert_string_equal(fx_header(frame, "created-at"), created);
    send_with(&f, id, "content-type:text/plain\n", "other");
    frame = fx_expect_refusal(f.ann, "CONFLICT");
    assert_string_equal(fx_header(frame, "receipt-id"), "r");
    assert_string_equal(fx_header(frame, "client-id"), fx_id(id.id));
    assert_string_equal(fx_header(frame, "retryable"), "false");
    assert_null(fx_header(frame, "retry-after-ms"));
    fx_close(&f.fx);
}

static void test_gateway_send__no_receipt_asked_no_receipt_sent(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, (struct gateway_limits){0});
    fx_send_message(f.ann, 1, fx_msg_id(&f.fx), NULL, "quiet");
    fx_run(&f.fx, 20);
    fx_expect_nothing(f.ann);
    assert_int_equal(fx_say(&f.fx, 1, 2, 2, "next"), 3);
    fx_close(&f.fx);
}

static void test_gateway_send__refusals_without_errors_end_the_connection(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann;

    (void)state;
    fx_open(&fx, 1, 1);
    ann = fx_connect(&fx, 0, 1, 1);
    fx_send_message(ann, 1, fx_msg_id(&fx), "r", "there is no such chat");
    fx_run(&fx, 20);
    fx_expect_error(ann, "NOT_FOUND", 1008);
    assert_string_equal(fx_header(&ann->frames[ann->frame_count - 1], "receipt-id"), "r");
    fx_close(&fx);
}

/* I-A3: a chat that is not mine and one that is not there answer alike. */
static void test_gateway_send__i_a3_foreign_and_missing_chats_are_alike(void **state)
{
    struct fixture f;
    struct fx_frame *a, *b;

    (void)state;
    open(&f, (struct gateway_limits){0});
    fx_direct(&f.fx, 2, 3, 4, false);
    fx_send_message(f.ann, 2, fx_msg_id(&f.fx), "r", "x");
    fx_run(&f.fx, 20);
    a = fx_expect_refusal(f.ann, "NOT_FOUND");
    fx_send_message(f.ann, 99, fx_msg_id(&f.fx), "r", "x");
    fx_run(&f.fx, 20);
    b = fx_expect_refusal(f.ann, "NOT_FOUND");
    assert_int_equal(a->header_count, b->header_count);
    assert_string_equal(a->body, b->body);
    fx_close(&f.fx);
}

struct refused {
    const char *destination, *headers, *body, *code;
};

static void test_gateway_send__what_is_wrong_with_a_frame_has_a_code(void **state)
{
    static const char m[] = "message-id:0198f000-0000-7000-8000-000000000001\n";
    static const char chat[] = "/chat/30000000-0000-0000-0000-000000000001";
    const struct refused cases[] = {
        {"/nowhere", "", "", "BAD_DESTINATION"},
        {"/chat/", "", "", "BAD_DESTINATION"},
        {"/chat/30000000-0000-0000-0000-000000000001/", "", "", "BAD_DESTINATION"},
        {"/chat/30000000-0000-0000-0000-000000000001/members", "", "", "BAD_DESTINATION"},
        {"chat/30000000-0000-0000-0000-000000000001", "", "", "BAD_DESTINATION"},
        {"/session/x", "", "", "BAD_DESTINATION"},
        {"/chat/no-uuid", m, "", "BAD_REQUEST"},
        {"/chat/no-uuid/read", "seq:1\n", "", "BAD_REQUEST"},
        {"/user/no-uuid/mailbox", m, "", "BAD_REQUEST"},
        {chat, "", "no id", "BAD_REQUEST"},
        {chat, "message-id:17\n", "", "BAD_REQUEST"},
        {chat, "message-id:00000000-0000-0000-0000-000000000000\n", "", "BAD_REQUEST"},
        {chat, "message-id:30000000-0000-4000-8000-000000000001\n", "version 4", "BAD_ID"},
        {chat, "message-id:7fffffff-0000-7000-8000-000000000001\n", "far ahead", "BAD_ID"},
        {chat, "message-id:01000000-0000-7000-8000-000000000001\n", "long ago", "TOO_OLD"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\nafter:x\n", "", "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\nparent-id:x\n", "", "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\nexpires-at:tomorrow\n", "", "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\nexpires-at:1999-01-01T00\\c00\\c00Z\n", "",
         "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\nencrypted:maybe\n", "", "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\nencrypted:true\n", "", "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\ncontent-type:\n", "", "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\ncontent-type:text/plain\n", "\xff\xfe", "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\ncontent-type:TEXT/x\n", "\xc3", "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\ncontent-type:text/pl\xc3\xa4in\n", "", "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\ncontent-type:application/x-kith-bodies\n", "x",
         "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\nafter:019b7600-0000-7000-8000-000000000009\n", "",
         "PREDECESSOR_MISSING"},
        {"/chat/30000000-0000-0000-0000-000000000001/read", "", "", "BAD_REQUEST"},
        {"/chat/30000000-0000-0000-0000-000000000001/read", "seq:-1\n", "", "BAD_REQUEST"},
        {"/chat/30000000-0000-0000-0000-000000000001/read", "seq:0\n", "", "BAD_REQUEST"},
        {"/chat/30000000-0000-0000-0000-000000000001/read", "seq:99999999999999999999999\n", "", "BAD_REQUEST"},
        {"/chat/30000000-0000-0000-0000-000000000099/read", "seq:1\n", "", "NOT_FOUND"},
        {"/chat/30000000-0000-0000-0000-000000000099/typing", "", "", "NOT_FOUND"},
        {"/user/10000000-0000-0000-0000-000000000002/mailbox", m, "x", "BAD_REQUEST"},
        {chat, "message-id:019b7600-0000-7000-8000-000000000001\ntransaction:t\n", "", "NOT_SUPPORTED"},
    };
    struct fixture f;

    (void)state;
    open(&f, (struct gateway_limits){0});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fx_send(f.ann, "SEND\ndestination:%s\nreceipt:%zu\n%s\n%s", cases[i].destination, i, cases[i].headers,
                cases[i].body);
        fx_run(&f.fx, 20);
        assert_int_equal(fx_number(fx_expect_refusal(f.ann, cases[i].code), "receipt-id"), i);
    }
    fx_send(f.ann, "SEND\nreceipt:none\n\n");
    fx_expect_refusal(f.ann, "BAD_REQUEST");
    fx_expect_nothing(f.ann);
    assert_int_equal(fx_say(&f.fx, 1, 1, 1, "none of them took a number"), 2);
    fx_close(&f.fx);
}

static void test_gateway_send__refusals_about_ids_tell_the_servers_time(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, (struct gateway_limits){0});
    fx_send(f.ann, "SEND\ndestination:/chat/%s\nmessage-id:01000000-0000-7000-8000-000000000001\n\n",
            fx_id(CHAT(1).id));
    fx_run(&f.fx, 20);
    assert_non_null(strstr(fx_header(fx_expect_refusal(f.ann, "TOO_OLD"), "server-time"), "2026-01-01T00"));
    fx_close(&f.fx);
}

static void test_gateway_send__transactions_are_not_supported(void **state)
{
    static const char *const commands[] = {"BEGIN", "COMMIT", "ABORT"};
    struct fixture f;

    (void)state;
    open(&f, (struct gateway_limits){0});
    for (size_t i = 0; i < 3; i++) {
        fx_send(f.ann, "%s\ntransaction:t1\nreceipt:r\n\n", commands[i]);
        assert_string_equal(fx_header(fx_expect_refusal(f.ann, "NOT_SUPPORTED"), "receipt-id"), "r");
    }
    fx_close(&f.fx);
}

/* Bodies are bytes: NUL inside with content-length, and what is no UTF-8 goes out as a binary WebSocket message. */
static void test_gateway_send__a_body_comes_out_as_it_went_in(void **state)
{
    struct fixture f;
    struct fx_frame *frame;
    char bytes[512];
    int head;

    (void)state;
    open(&f, (struct gateway_limits){0});
    fx_inbox(f.ann, "ack:client\n");
    fx_expect_seq(f.ann, 1, 1);
    head = snprintf(bytes, sizeof bytes,
                    "SEND\ndestination:/chat/%s\nmessage-id:%s\ncontent-type:image/x\ncontent-length:6\n\n",
                    fx_id(CHAT(1).id), fx_id(fx_msg_id(&f.fx).id));
    memcpy(bytes + head, "a\0b\0\xff\n\0", 7);
    fx_bytes(f.ann, bytes, (size_t)head + 7);
    fx_run(&f.fx, 20);
    frame = fx_expect_seq(f.ann, 1, 2);
    assert_int_equal(frame->body_len, 6);
    assert_memory_equal(frame->body, "a\0b\0\xff\n", 6);
    assert_int_equal(fx_number(frame, "content-length"), 6);
    assert_string_equal(fx_header(frame, "content-type"), "image/x");
    assert_int_equal(f.ann->binary_writes, 1);
    fx_close(&f.fx);
}

static void test_gateway_send__without_a_content_type_it_is_text_if_it_can_be(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, (struct gateway_limits){0});
    fx_inbox(f.ann, "ack:client\n");
    fx_expect_seq(f.ann, 1, 1);
    send_with(&f, fx_msg_id(&f.fx), "", "gr\xc3\xbc\xc3\x9f");
    fx_expect(f.ann, STOMP_RECEIPT);
    assert_string_equal(fx_header(fx_expect_seq(f.ann, 1, 2), "content-type"), "text/plain");
    send_with(&f, fx_msg_id(&f.fx), "", "\xff");
    fx_expect(f.ann, STOMP_RECEIPT);
    assert_string_equal(fx_header(fx_expect_seq(f.ann, 1, 3), "content-type"), "application/octet-stream");
    fx_close(&f.fx);
}

static void test_gateway_send__headers_of_a_message_arrive(void **state)
{
    struct fixture f;
    struct fx_frame *frame;
    char headers[300];
    struct msg_id first, second;

    (void)state;
    open(&f, (struct gateway_limits){0});
    fx_inbox(f.ann, "ack:client\n");
    fx_expect_seq(f.ann, 1, 1);
    first = fx_msg_id(&f.fx);
    second = fx_msg_id(&f.fx);
    send_with(&f, first, "", "parent");
    fx_expect(f.ann, STOMP_RECEIPT);
    fx_expect_seq(f.ann, 1, 2);
    snprintf(headers, sizeof headers,
             "after:%s\nparent-id:%s\nexpires-at:2026-01-01T01:00:00Z\ncontent-type:a/b;c=\\\\d\n", fx_id(first.id),
             fx_id(first.id));
    send_with(&f, second, headers, "reply");
    fx_expect(f.ann, STOMP_RECEIPT);
    frame = fx_expect_seq(f.ann, 1, 3);
    assert_string_equal(fx_header(frame, "parent-id"), fx_id(first.id));
    assert_string_equal(fx_header(frame, "expires-at"), "2026-01-01T01:00:00.000Z");
    assert_string_equal(fx_header(frame, "content-type"), "a/b;c=\\d");
    fx_close(&f.fx);
}

/* A client that does not say `encrypted` sends what the chat is for; one that says the wrong thing is refused. */
static void test_gateway_send__encrypted_is_what_the_chat_is(void **state)
{
    struct fixture f;
    struct msg_id ids[5];

    (void)state;
    open(&f, (struct gateway_limits){0});
    fx_direct(&f.fx, 2, 1, 2, true);
    for (unsigned i = 0; i < 5; i++) ids[i] = fx_msg_id(&f.fx);
    /* The first does not know yet, the others come behind it in order. */
    for (unsigned i = 0; i < 4; i++)
        fx_send(f.ann, "SEND\ndestination:/chat/%s\nmessage-id:%s\nreceipt:%u\n\nblob", fx_id(CHAT(2).id),
                fx_id(ids[i].id), i);
    assert_true(f.ann->paused);
    fx_run(&f.fx, 50);
    for (unsigned i = 0; i < 4; i++) {
        struct fx_frame *frame = fx_expect(f.ann, STOMP_RECEIPT);
        assert_int_equal(fx_number(frame, "receipt-id"), i);
        assert_int_equal(fx_number(frame, "seq"), i + 2);
    }
    assert_false(f.ann->paused);
    fx_send(f.ann, "SEND\ndestination:/chat/%s\nmessage-id:%s\nencrypted:false\nreceipt:no\n\nplain", fx_id(CHAT(2).id),
            fx_id(ids[4].id));
    fx_run(&f.fx, 20);
    fx_expect_refusal(f.ann, "BAD_REQUEST");
    fx_close(&f.fx);
}

/* max-in-flight: at it the server goes on reading, with one more frame behind it stops until answers come (I-O3). */
static void test_gateway_send__i_o3_beyond_max_in_flight_reading_stops_and_order_stays(void **state)
{
    struct fixture f;
    struct gateway_stats stats;
    struct msg_id after = {0};

    (void)state;
    open(&f, (struct gateway_limits){.in_flight_max = 4});
    send_with(&f, fx_msg_id(&f.fx), "", "what the chat is for is known from here on");
    fx_expect(f.ann, STOMP_RECEIPT);
    for (unsigned i = 0; i < 3; i++) fx_send_message(f.ann, 1, fx_msg_id(&f.fx), "r", "x");
    assert_false(f.ann->paused);
    fx_run(&f.fx, 50);
    for (unsigned i = 0; i < 3; i++) fx_expect(f.ann, STOMP_RECEIPT);
    for (unsigned i = 0; i < 30; i++) {
        struct msg_id id = fx_msg_id(&f.fx);
        char after_line[80] = "";
        if (i > 0) snprintf(after_line, sizeof after_line, "after:%s\n", fx_id(after.id));
        fx_send(f.ann, "SEND\ndestination:/chat/%s\nmessage-id:%s\nreceipt:%u\n%s\nx", fx_id(CHAT(1).id), fx_id(id.id),
                i, after_line);
        after = id;
    }
    assert_true(f.ann->paused);
    gateway_stats(f.fx.gateways[0], &stats);
    assert_int_equal(stats.messages_in, 1 + 3 + 4);
    fx_run(&f.fx, 200);
    for (unsigned i = 0; i < 30; i++) {
        struct fx_frame *frame = fx_expect(f.ann, STOMP_RECEIPT);
        assert_int_equal(fx_number(frame, "receipt-id"), i);
        assert_int_equal(fx_number(frame, "seq"), 6 + i);
    }
    fx_expect_nothing(f.ann);
    assert_false(f.ann->paused);
    fx_close(&f.fx);
}

static void test_gateway_send__read_only_is_refused_and_retryable(void **state)
{
    struct fixture f;
    struct fx_frame *frame;
    struct msg_id id;

    (void)state;
    open(&f, (struct gateway_limits){0});
    f.fx.log_store.full = true;
    id = fx_msg_id(&f.fx);
    send_with(&f, id, "", "later");
    frame = fx_expect_refusal(f.ann, "READ_ONLY");
    assert_string_equal(fx_header(frame, "retryable"), "true");
    assert_true(fx_number(frame, "retry-after-ms") >= 1000);
    f.fx.log_store.full = false;
    send_with(&f, id, "", "later");
    assert_int_equal(fx_number(fx_expect(f.ann, STOMP_RECEIPT), "seq"), 2);
    fx_close(&f.fx);
}

/* The session goes with messages under way: nothing is told to nobody, and they are there once. */
static void test_gateway_send__a_session_may_go_before_its_answers(void **state)
{
    struct fixture f;

    (void)state;
    for (unsigned known = 0; known <= 1; known++) { /* the first message of a chat is looked up before it is asked */
        open(&f, (struct gateway_limits){0});
        if (known) send_with(&f, fx_msg_id(&f.fx), "", "known");
        for (unsigned i = 0; i < 5; i++) fx_send_message(f.ann, 1, fx_msg_id(&f.fx), "r", "x");
        fx_send(f.ann, "SEND\ndestination:/chat/%s/typing\nreceipt:r\n\n", fx_id(CHAT(1).id));
        fx_drop(f.ann);
        fx_run(&f.fx, 100);
        assert_int_equal(fx_say(&f.fx, 1, 2, 2, "next"), known ? 8 : 2);
        if (known == 0) fx_close(&f.fx);
    }
    fx_close(&f.fx);
}

static void test_gateway_send__odd_receipts_are_refused(void **state)
{
    struct fixture f;
    char receipt[GATEWAY_RECEIPT_BYTES_MAX + 2];

    (void)state;
    open(&f, (struct gateway_limits){0});
    memset(receipt, 'r', sizeof receipt);
    receipt[GATEWAY_RECEIPT_BYTES_MAX] = '\0';
    fx_send(f.ann, "SUBSCRIBE\nid:2\ndestination:/errors\nreceipt:%s\n\n", receipt);
    assert_string_equal(fx_header(fx_expect(f.ann, STOMP_RECEIPT), "receipt-id"), receipt);
    receipt[GATEWAY_RECEIPT_BYTES_MAX] = 'r';
    receipt[GATEWAY_RECEIPT_BYTES_MAX + 1] = '\0';
    fx_send(f.ann, "UNSUBSCRIBE\nid:2\n\n");
    fx_send(f.ann, "SUBSCRIBE\nid:3\ndestination:/errors\nreceipt:%s\n\n", receipt);
    assert_null(fx_header(fx_expect_refusal(f.ann, "BAD_REQUEST"), "receipt-id"));
    fx_send(f.ann, "SUBSCRIBE\nid:3\ndestination:/errors\nreceipt:\n\n");
    fx_expect_refusal(f.ann, "BAD_REQUEST");
    fx_send(f.ann, "SUBSCRIBE\nid:3\ndestination:/errors\nreceipt:\xff\n\n"); /* no STOMP at all */
    fx_expect_error(f.ann, "MALFORMED", 1002);
    fx_close(&f.fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_send__i_e2_the_receipt_has_the_number_and_comes_again_the_same),
        cmocka_unit_test(test_gateway_send__no_receipt_asked_no_receipt_sent),
        cmocka_unit_test(test_gateway_send__refusals_without_errors_end_the_connection),
        cmocka_unit_test(test_gateway_send__i_a3_foreign_and_missing_chats_are_alike),
        cmocka_unit_test(test_gateway_send__what_is_wrong_with_a_frame_has_a_code),
        cmocka_unit_test(test_gateway_send__refusals_about_ids_tell_the_servers_time),
        cmocka_unit_test(test_gateway_send__transactions_are_not_supported),
        cmocka_unit_test(test_gateway_send__a_body_comes_out_as_it_went_in),
        cmocka_unit_test(test_gateway_send__without_a_content_type_it_is_text_if_it_can_be),
        cmocka_unit_test(test_gateway_send__headers_of_a_message_arrive),
        cmocka_unit_test(test_gateway_send__encrypted_is_what_the_chat_is),
        cmocka_unit_test(test_gateway_send__i_o3_beyond_max_in_flight_reading_stops_and_order_stays),
        cmocka_unit_test(test_gateway_send__read_only_is_refused_and_retryable),
        cmocka_unit_test(test_gateway_send__a_session_may_go_before_its_answers),
        cmocka_unit_test(test_gateway_send__odd_receipts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
