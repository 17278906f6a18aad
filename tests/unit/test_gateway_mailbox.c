#include <stdio.h>

#include "gateway_fixture.h"

/* The mailbox on /inbox. That numbers rise without a hole on one connection is checked with every frame (the fixture). */
#define CLIENT     "ack:client\n"
#define INDIVIDUAL "ack:client-individual\n"

struct fixture {
    struct fx fx;
    struct fx_peer *ann; /* device 1 of user 1; user 2 has the devices 2 and 3 */
};

static void open(struct fixture *f, unsigned loops, uint64_t seed)
{
    fx_open(&f->fx, loops, seed);
    fx_direct(&f->fx, 1, 1, 2, true);
    f->ann = fx_connect(&f->fx, 0, 1, 1);
    fx_errors(f->ann);
    fx_run(&f->fx, 5);
    f->ann->next = f->ann->frame_count;
}

static struct fx_frame *mail_to(struct fixture *f, uint32_t user, const uint32_t *devices, unsigned count,
                                const char *text)
{
    fx_send_mail(f->ann, user, fx_msg_id(&f->fx), devices, count, text);
    fx_run(&f->fx, 20);
    return fx_expect(f->ann, STOMP_RECEIPT);
}

static void mail(struct fixture *f, uint32_t device, const char *text)
{
    fx_send_mail(f->ann, 2, fx_msg_id(&f->fx), &device, 1, text);
}

static struct fx_frame *expect_mail(struct fx_peer *peer, uint64_t seq, const char *body)
{
    struct fx_frame *frame = fx_expect(peer, STOMP_MESSAGE);

    assert_string_equal(fx_header(frame, "destination"), "/mailbox");
    assert_int_equal(fx_number(frame, "seq"), seq);
    if (body != NULL) assert_string_equal(frame->body, body);
    return frame;
}

/* Connected. What came of chats before the mailbox is acknowledged: later, that would acknowledge the mailbox, too. */
static struct fx_peer *bob(struct fixture *f, unsigned loop, uint32_t device, const char *headers)
{
    struct fx_peer *peer = fx_connect(&f->fx, loop, 2, device);

    fx_inbox(peer, headers);
    fx_run(&f->fx, 50);
    for (size_t i = peer->next; i < peer->frame_count; i++) {
        if (strcmp(fx_header(&peer->frames[i], "destination"), "/mailbox") == 0) break;
        fx_ack(peer, &peer->frames[i]);
    }
    return peer;
}

static void skip_chats(struct fx_peer *peer)
{
    while (peer->next < peer->frame_count &&
           strcmp(fx_header(&peer->frames[peer->next], "destination"), "/mailbox") != 0)
        peer->next++;
}

static void test_gateway_mailbox__an_item_reaches_its_devices_live(void **state)
{
    static const uint32_t both[] = {2, 3};
    struct fixture f = {0};
    struct fx_peer *two, *three;
    struct fx_frame *frame;
    struct msg_id id;

    (void)state;
    open(&f, 2, 1);
    two = bob(&f, 0, 2, CLIENT);
    three = bob(&f, 1, 3, CLIENT);
    skip_chats(two);
    skip_chats(three);
    id = fx_msg_id(&f.fx);
    fx_send_mail(f.ann, 2, id, both, 2, "key");
    fx_run(&f.fx, 30);
    frame = fx_expect(f.ann, STOMP_RECEIPT);
    assert_string_equal(fx_header(frame, "message-id"), fx_id(id.id));
    assert_int_equal(fx_number(frame, "seq"), 1);
    frame = expect_mail(two, 1, "key");
    assert_string_equal(fx_header(frame, "subscription"), "in");
    assert_string_equal(fx_header(frame, "type"), "mail");
    assert_string_equal(fx_header(frame, "client-id"), fx_id(id.id));
    assert_string_equal(fx_header(frame, "sender"), fx_id(USER(1).id));
    assert_string_equal(fx_header(frame, "sender-device"), fx_id(DEVICE(1).id));
    assert_string_equal(fx_header(frame, "encrypted"), "true");
    assert_string_equal(fx_header(frame, "content-type"), "application/octet-stream");
    assert_null(fx_header(frame, "redelivered"));
    expect_mail(three, 1, "key");
    mail_to(&f, 2, both + 1, 1, "for three only");
    fx_expect_nothing(two);
    expect_mail(three, 2, "for three only");
    fx_close(&f.fx);
}

/* What is acknowledged is gone, also where the answer to it never came; what is not comes again, flagged. */
static void test_gateway_mailbox__i_e6_resumes_behind_what_was_acknowledged(void **state)
{
    struct fixture f = {0};
    struct fx_peer *peer;

    (void)state;
    open(&f, 2, 2);
    for (unsigned i = 0; i < 9; i++) mail(&f, 2, "before");
    fx_run(&f.fx, 50);
    peer = bob(&f, 0, 2, CLIENT);
    for (uint64_t n = 1; n <= 9; n++) {
        struct fx_frame *frame;
        skip_chats(peer);
        frame = expect_mail(peer, n, "before");
        assert_null(fx_header(frame, "redelivered"));
        if (n == 6) fx_ack(peer, frame);
    }
    fx_drop(peer);
    mail(&f, 2, "while away");
    fx_run(&f.fx, 50);
    for (unsigned round = 0; round < 3; round++) {
        peer = bob(&f, round % 2, 2, CLIENT);
        for (uint64_t n = 7; n <= 9; n++) {
            skip_chats(peer);
            assert_string_equal(fx_header(expect_mail(peer, n, "before"), "redelivered"), "true");
        }
        skip_chats(peer);
        assert_int_equal(fx_header(expect_mail(peer, 10, "while away"), "redelivered") != NULL, round > 0);
        skip_chats(peer);
        fx_expect_nothing(peer);
        fx_drop(peer);
    }
    peer = bob(&f, 0, 2, CLIENT);
    fx_send(peer, "ACK\nid:%s\nreceipt:r\n\n", fx_header(&peer->frames[peer->frame_count - 1], "ack"));
    fx_run(&f.fx, 30);
    peer->next = peer->frame_count - 1;
    fx_expect(peer, STOMP_RECEIPT);
    fx_restart(&f.fx);
    peer = fx_connect(&f.fx, 0, 2, 2);
    fx_inbox(peer, CLIENT);
    fx_run(&f.fx, 50);
    skip_chats(peer);
    fx_expect_nothing(peer);
    fx_close(&f.fx);
}

static void test_gateway_mailbox__after_a_restart_all_that_waits_comes_flagged(void **state)
{
    struct fixture f = {0};
    struct fx_peer *peer;

    (void)state;
    open(&f, 1, 3);
    for (unsigned i = 0; i < 200; i++) {
        mail(&f, 2, "x");
        if (i % 50 == 49) fx_run(&f.fx, 50); /* max-in-flight */
    }
    fx_restart(&f.fx);
    peer = bob(&f, 0, 2, CLIENT);
    for (uint64_t n = 1; n <= 200; n++) {
        skip_chats(peer);
        assert_string_equal(fx_header(expect_mail(peer, n, "x"), "redelivered"), "true");
    }
    fx_close(&f.fx);
}

/* The acknowledged prefix counts, as in a chat: what is acknowledged beyond a hole may come again. */
static void test_gateway_mailbox__acknowledged_one_by_one(void **state)
{
    struct fixture f = {0};
    struct fx_peer *peer;
    struct fx_frame *frames[5] = {0};

    (void)state;
    open(&f, 1, 4);
    peer = bob(&f, 0, 2, INDIVIDUAL);
    skip_chats(peer);
    for (unsigned i = 0; i < 4; i++) mail(&f, 2, "x");
    fx_run(&f.fx, 50);
    for (uint64_t n = 1; n <= 4; n++) frames[n] = expect_mail(peer, n, "x");
    fx_ack(peer, frames[3]);
    fx_ack(peer, frames[1]);
    fx_run(&f.fx, 200);
    fx_send(peer, "NACK\nid:%s\n\n", fx_header(frames[2], "ack"));
    fx_run(&f.fx, 200);
    fx_expect_nothing(peer);
    fx_drop(peer);
    peer = bob(&f, 0, 2, INDIVIDUAL);
    for (uint64_t n = 2; n <= 4; n++) {
        skip_chats(peer);
        (void)expect_mail(peer, n, "x");
    }
    fx_close(&f.fx);
}

/* Rows that ended by themselves are a gap, in the middle and at the end. */
static void test_gateway_mailbox__what_is_too_old_comes_as_a_gap(void **state)
{
    static const uint64_t gone[] = {1, 2, 4, 6};
    struct fixture f = {0};
    struct fx_peer *peer;
    struct fx_frame *frame = NULL;

    (void)state;
    open(&f, 1, 5);
    for (unsigned i = 0; i < 6; i++) mail(&f, 2, "x");
    fx_run(&f.fx, 50);
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        struct row_key key = row_key_mail(USER(2), DEVICE(2), gone[i]);
        fx_erase(&f.fx, &key);
    }
    peer = bob(&f, 0, 2, CLIENT);
    skip_chats(peer);
    for (uint64_t n = 2; n <= 6; n++) {
        skip_chats(peer);
        frame = expect_mail(peer, n, NULL);
        assert_string_equal(fx_header(frame, "type"), n % 2 == 0 ? "gap" : "mail");
        if (n == 2) assert_int_equal(fx_number(frame, "gap-from"), 1);
    }
    fx_ack(peer, frame);
    fx_run(&f.fx, 200);
    fx_drop(peer);
    peer = bob(&f, 0, 2, CLIENT);
    skip_chats(peer);
    fx_expect_nothing(peer);
    fx_close(&f.fx);
}

/* News during a read of the place, of the items, of the scan: none is missed, whatever the store's pace. */
static void test_gateway_mailbox__no_item_is_stranded_by_its_moment(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct fixture f = {.fx = {.store_delay_ms = 8}};
        struct fx_peer *peer;
        unsigned count = 0;

        open(&f, 2, seed);
        peer = fx_connect(&f.fx, seed % 2, 2, 2);
        fx_send(peer, "SUBSCRIBE\nid:in\ndestination:/inbox\n" CLIENT "\n");
        for (unsigned i = 0; i < 30; i++) {
            mail(&f, 2, "x");
            fx_run(&f.fx, (seed * 7 + i * 5) % 13);
        }
        fx_run(&f.fx, 1000); /* long before heads are read again */
        for (struct fx_frame *frame; (frame = fx_next(peer)) != NULL;)
            if (strcmp(fx_header(frame, "destination"), "/mailbox") == 0)
                assert_int_equal(fx_number(frame, "seq"), ++count);
        assert_int_equal(count, 30);
        fx_close(&f.fx);
    }
}

/* One window for all that /inbox brings. */
static void test_gateway_mailbox__prefetch_counts_its_items_too(void **state)
{
    struct fixture f = {0};
    struct fx_peer *peer;
    struct fx_frame *frame = NULL;

    (void)state;
    open(&f, 1, 6);
    peer = bob(&f, 0, 2, CLIENT "prefetch-count:3\n");
    skip_chats(peer);
    for (unsigned i = 0; i < 5; i++) mail(&f, 2, "x");
    fx_run(&f.fx, 50);
    for (uint64_t n = 1; n <= 3; n++) frame = expect_mail(peer, n, "x");
    fx_expect_nothing(peer);
    fx_ack(peer, frame);
    fx_run(&f.fx, 20);
    expect_mail(peer, 4, "x");
    expect_mail(peer, 5, "x");
    fx_close(&f.fx);
}

static void test_gateway_mailbox__repeats_and_refusals_are_those_of_a_chat(void **state)
{
    static const uint32_t two = 2, nobodys = 77;
    struct fixture f = {0};
    struct msg_id id;

    (void)state;
    open(&f, 1, 7);
    id = fx_msg_id(&f.fx);
    for (unsigned i = 0; i < 3; i++) {
        fx_send_mail(f.ann, 2, id, &two, 1, "x");
        fx_run(&f.fx, 20);
        assert_int_equal(fx_number(fx_expect(f.ann, STOMP_RECEIPT), "seq"), 1);
    }
    fx_send_mail(f.ann, 2, id, &two, 1, "y");
    fx_run(&f.fx, 20);
    assert_string_equal(fx_header(fx_expect_refusal(f.ann, "CONFLICT"), "client-id"), fx_id(id.id));
    fx_send_mail(f.ann, 2, fx_msg_id(&f.fx), &two, 0, "");
    fx_run(&f.fx, 20);
    fx_expect_refusal(f.ann, "BAD_REQUEST");
    fx_send_mail(f.ann, 2, (struct msg_id){fx_uuid(0x77, 1)}, &two, 1, "x");
    fx_run(&f.fx, 20);
    fx_expect_refusal(f.ann, "BAD_ID");
    mail_to(&f, 2, &nobodys, 1, "to a device that does not exist: lies there until it ends");
    mail_to(&f, 1, &two, 1, "to the own mailbox");
    fx_close(&f.fx);
}

/* As many as fit are there; one more is refused, and may be tried again. */
static void test_gateway_mailbox__a_full_one_says_so(void **state)
{
    static struct bodies_item items[250];
    struct fixture f = {0};
    struct fx_frame *frame;
    struct kith_buf body;

    (void)state;
    open(&f, 1, 8);
    for (uint32_t i = 0; i < 250; i++) items[i] = (struct bodies_item){DEVICE(i + 1), kith_slice_str("x")};
    kith_buf_init(&body, 64 * 1024);
    assert_int_equal(bodies_encode(&body, NULL, 0, items, 250), KITH_OK);
    for (unsigned i = 0; i < KITH_MAILBOX_ITEMS_MAX / 250; i++) {
        struct cmd cmd = {.verb = CMD_MAIL_SEND,
                          .flags = CMD_ENCRYPTED | CMD_PER_DEVICE,
                          .stream = USER(2).id,
                          .actor = USER(1),
                          .device = DEVICE(1),
                          .id = fx_msg_id(&f.fx),
                          .content_type = kith_slice_str("application/octet-stream"),
                          .body = kith_buf_peek(&body)};
        assert_int_equal(fx_ask(&f.fx, &cmd).code, CODE_CREATED);
    }
    kith_buf_deinit(&body);
    mail(&f, 2, "one more");
    fx_run(&f.fx, 20);
    frame = fx_expect_refusal(f.ann, "MAILBOX_FULL");
    assert_string_equal(fx_header(frame, "retryable"), "true");
    assert_true(fx_number(frame, "retry-after-ms") > 0);
    fx_close(&f.fx);
}

static void refused(struct fixture *f, uint32_t user)
{
    static const uint32_t device = 9;

    fx_send_mail(f->ann, user, fx_msg_id(&f->fx), &device, 1, "x");
    fx_run(&f->fx, 100);
    fx_expect_refusal(f->ann, "NOT_FOUND");
}

/* To who shares a chat: at the ends and in the middle of long lists of chats, and not one that somebody has left. */
static void test_gateway_mailbox__only_to_who_shares_a_chat(void **state)
{
    static const uint32_t device = 9;
    struct fixture f = {0};

    (void)state;
    open(&f, 1, 9);
    refused(&f, 5);                                                                       /* nobody has heard of them */
    for (uint32_t i = 0; i < 150; i++) fx_direct(&f.fx, 1000 + 2 * i, 1, 100 + i, false); /* ann's */
    for (uint32_t i = 0; i < 150; i++) fx_direct(&f.fx, 1001 + 2 * i, 5, 300 + i, false); /* the other's, in between */
    refused(&f, 5);
    fx_direct(&f.fx, 1400, 1, 5, false); /* behind all */
    mail_to(&f, 5, &device, 1, "x");
    mail_to(&f, 249, &device, 1, "x");
    refused(&f, 300);
    fx_direct(&f.fx, 3, 1, 300, false); /* before all; a request is enough */
    mail_to(&f, 300, &device, 1, "x");
    fx_close(&f.fx);
}

/* Rows of chats that were left are passed over, pages of them. */
static void test_gateway_mailbox__a_chat_that_was_left_is_none(void **state)
{
    static const uint32_t device = 9;
    struct fixture f = {0};

    (void)state;
    open(&f, 1, 10);
    for (uint32_t i = 0; i < 70; i++) {
        fx_group(&f.fx, 100 + i, 4, false);
        fx_remove(&f.fx, 100 + i, 4);
    }
    refused(&f, 4);
    mail_to(&f, 3, &device, 1, "x");
    fx_add(&f.fx, 169, 4);
    mail_to(&f, 4, &device, 1, "x");
    fx_close(&f.fx);
}

/* A person's id is no chat's, nor the other way round, also when both have been looked at. */
static void test_gateway_mailbox__is_no_chat(void **state)
{
    static const uint32_t two = 2;
    struct fixture f = {0};
    struct msg_id id;

    (void)state;
    open(&f, 1, 11);
    mail_to(&f, 2, &two, 1, "x");
    id = fx_msg_id(&f.fx);
    fx_send(f.ann, "SEND\ndestination:/chat/%s\nmessage-id:%s\nencrypted:true\n\nx", fx_id(USER(2).id), fx_id(id.id));
    fx_run(&f.fx, 20);
    fx_expect_refusal(f.ann, "NOT_FOUND");
    fx_send(f.ann, "SEND\ndestination:/chat/%s/read\nseq:1\n\n", fx_id(USER(2).id));
    fx_run(&f.fx, 20);
    fx_expect_refusal(f.ann, "NOT_FOUND");
    mail_to(&f, 2, &two, 1, "y");
    fx_close(&f.fx);
}

/* While it is looked up who may, the connection ends. */
static void test_gateway_mailbox__the_sender_goes_away_in_the_middle(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < 20; ms++) {
        struct fixture f = {.fx = {.store_delay_ms = 10}};

        open(&f, 1, ms + 1);
        mail(&f, 2, "x");
        mail(&f, 2, "y");
        fx_run(&f.fx, ms);
        fx_drop(f.ann);
        fx_run(&f.fx, 200);
        fx_close(&f.fx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_mailbox__an_item_reaches_its_devices_live),
        cmocka_unit_test(test_gateway_mailbox__i_e6_resumes_behind_what_was_acknowledged),
        cmocka_unit_test(test_gateway_mailbox__after_a_restart_all_that_waits_comes_flagged),
        cmocka_unit_test(test_gateway_mailbox__acknowledged_one_by_one),
        cmocka_unit_test(test_gateway_mailbox__what_is_too_old_comes_as_a_gap),
        cmocka_unit_test(test_gateway_mailbox__no_item_is_stranded_by_its_moment),
        cmocka_unit_test(test_gateway_mailbox__prefetch_counts_its_items_too),
        cmocka_unit_test(test_gateway_mailbox__repeats_and_refusals_are_those_of_a_chat),
        cmocka_unit_test(test_gateway_mailbox__a_full_one_says_so),
        cmocka_unit_test(test_gateway_mailbox__only_to_who_shares_a_chat),
        cmocka_unit_test(test_gateway_mailbox__a_chat_that_was_left_is_none),
        cmocka_unit_test(test_gateway_mailbox__is_no_chat),
        cmocka_unit_test(test_gateway_mailbox__the_sender_goes_away_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
