#include <stdio.h>

#include "gateway_fixture.h"

/* STALE_DEVICES with what differs. The look-up is the test's: it ends when the test says so. */

static struct account_stale *asked; /* under way; NULL: none */

static void ask(struct accounts *accounts, struct account_stale *op)
{
    (void)accounts;
    assert_null(asked);
    asked = op;
}

struct fixture {
    struct fx fx;
    struct fx_peer *ann;
};

static void open(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    asked = NULL;
    f->fx.stale = ask;
    fx_open(&f->fx, 1, 1);
    fx_direct(&f->fx, 1, 1, 2, true);
    f->ann = fx_connect(&f->fx, 0, 1, 1);
}

/* From device 1 of user 1; returns its id. */
static struct msg_id send_body(struct fixture *f, uint32_t chat, const struct kith_buf *body)
{
    struct msg_id id = fx_msg_id(&f->fx);
    struct kith_buf frame;
    char head[300];
    int len;

    kith_buf_init(&frame, 8192);
    len = snprintf(head, sizeof head,
                   "SEND\ndestination:/chat/%s\nmessage-id:%s\nreceipt:r\ncontent-type:application/x-kith-bodies\n"
                   "content-length:%zu\n\n",
                   fx_id(CHAT(chat).id), fx_id(id.id), kith_buf_len(body));
    assert_int_equal(kith_buf_append(&frame, kith_slice_of(head, (size_t)len)), KITH_OK);
    assert_int_equal(kith_buf_append(&frame, kith_buf_peek(body)), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&frame, 0), KITH_OK);
    fx_bytes(f->ann, kith_buf_peek(&frame).ptr, kith_buf_len(&frame));
    fx_run(&f->fx, 20);
    kith_buf_deinit(&frame);
    return id;
}

/* Made for lists that are too new. */
static struct msg_id send_stale(struct fixture *f, const uint32_t *devices, unsigned count)
{
    struct bodies_list lists[2] = {{USER(1), 7}, {USER(2), 7}};
    struct bodies_item items[4];
    struct kith_buf body;
    struct msg_id id;

    for (unsigned i = 0; i < count; i++) items[i] = (struct bodies_item){DEVICE(devices[i]), kith_slice_str("x")};
    kith_buf_init(&body, 4096);
    assert_int_equal(bodies_encode(&body, lists, 2, items, count), KITH_OK);
    id = send_body(f, 1, &body);
    kith_buf_deinit(&body);
    return id;
}

/* Devices `first` to `first + count - 1` of user 2, and device 1 of user 1, who sends. */
static void answer(struct fixture *f, enum kith_code code, uint32_t first, uint32_t count)
{
    struct account_stale *op = asked;
    struct account_device_sets *sets = &op->sets;

    asked = NULL;
    op->call.code = code;
    if (code == CODE_OK) {
        sets->count = 2;
        sets->people = calloc(2, sizeof *sets->people);
        sets->refs = calloc(count + 1, sizeof *sets->refs);
        assert_non_null(sets->people);
        assert_non_null(sets->refs);
        sets->people[0] = (struct account_person){.user = USER(1), .list_seq = 1, .known = true};
        sets->people[1] = (struct account_person){.user = USER(2), .list_seq = 3, .known = true};
        sets->refs[sets->ref_count++] = (struct account_device_ref){USER(1), DEVICE(1)};
        for (uint32_t i = 0; i < count; i++)
            sets->refs[sets->ref_count++] = (struct account_device_ref){USER(2), DEVICE(first + i)};
    }
    op->call.done(&op->call);
    fx_run(&f->fx, 20);
}

static void assert_has(const struct fx_frame *frame, const char *text)
{
    if (strstr(frame->body, text) == NULL) fail_msg("no %s in %s", text, frame->body);
}

/* Made for devices 2 and 9; there are 2 and 3, and the sending one. */
static void check_difference(const struct fx_frame *frame)
{
    char text[400], two[40];

    (void)snprintf(text, sizeof text, "\"missing\":[\"%s\"],", fx_id(DEVICE(3).id));
    assert_has(frame, text);
    (void)snprintf(text, sizeof text, "\"removed\":[\"%s\"],", fx_id(DEVICE(9).id));
    assert_has(frame, text);
    (void)snprintf(two, sizeof two, "%s", fx_id(DEVICE(2).id));
    (void)snprintf(text, sizeof text, "\"list_seq\":3,\"devices\":[\"%s\",\"%s\"]}]}", two, fx_id(DEVICE(3).id));
    assert_has(frame, text);
    assert_has(frame, "\"code\":\"STALE_DEVICES\"");
}

static void test_gateway_stale__the_refusal_says_what_differs(void **state)
{
    static const uint32_t devices[] = {2, 9};
    struct fixture f;
    struct fx_frame *frame;
    struct msg_id id;

    (void)state;
    open(&f);
    fx_errors(f.ann);
    id = send_stale(&f, devices, 2);
    assert_non_null(asked);
    assert_true(kith_uuid_eq(asked->chat.id, CHAT(1).id));
    assert_int_equal(asked->sent_count, 2);
    answer(&f, CODE_OK, 2, 2);
    frame = fx_expect_refusal(f.ann, "STALE_DEVICES");
    assert_string_equal(fx_header(frame, "client-id"), fx_id(id.id));
    assert_string_equal(fx_header(frame, "receipt-id"), "r");
    check_difference(frame);
    fx_close(&f.fx);
}

static void test_gateway_stale__the_error_frame_says_it_too(void **state)
{
    static const uint32_t devices[] = {2, 9};
    struct fixture f;

    (void)state;
    open(&f);
    (void)send_stale(&f, devices, 2);
    answer(&f, CODE_OK, 2, 2);
    fx_expect_error(f.ann, "STALE_DEVICES", 1008);
    assert_int_equal(f.ann->frames[f.ann->frame_count - 1].command, STOMP_ERROR);
    check_difference(&f.ann->frames[f.ann->frame_count - 1]);
    fx_close(&f.fx);
}

static void test_gateway_stale__a_message_for_nobody_misses_all_but_the_sender(void **state)
{
    struct fixture f;
    struct fx_frame *frame;
    char text[200], two[40];

    (void)state;
    open(&f);
    fx_errors(f.ann);
    (void)send_stale(&f, NULL, 0);
    answer(&f, CODE_OK, 2, 2);
    frame = fx_expect_refusal(f.ann, "STALE_DEVICES");
    (void)snprintf(two, sizeof two, "%s", fx_id(DEVICE(2).id));
    (void)snprintf(text, sizeof text, "\"missing\":[\"%s\",\"%s\"],\"removed\":[],", two, fx_id(DEVICE(3).id));
    assert_has(frame, text);
    fx_close(&f.fx);
}

/* It names nobody, and is told all the same which lists there are. */
static void test_gateway_stale__a_digest_misses_nobody_and_is_told_the_lists(void **state)
{
    const uint8_t digest[BODIES_DIGEST_BYTES] = {1};
    struct fixture f;
    struct fx_frame *frame;
    struct kith_buf body;

    (void)state;
    open(&f);
    fx_group(&f.fx, 2, 2, true);
    fx_errors(f.ann);
    kith_buf_init(&body, 4096);
    assert_int_equal(bodies_encode_common(&body, digest, kith_slice_str("x")), KITH_OK);
    (void)send_body(&f, 2, &body);
    kith_buf_deinit(&body);
    assert_non_null(asked);
    assert_true(kith_uuid_eq(asked->chat.id, CHAT(2).id));
    answer(&f, CODE_OK, 2, 2);
    frame = fx_expect_refusal(f.ann, "STALE_DEVICES");
    assert_has(frame, "\"missing\":[],\"removed\":[],\"device_lists\":[{");
    assert_has(frame, "\"list_seq\":3,");
    fx_close(&f.fx);
}

/* The devices of the lists first, then the differences, then all of it. */
static void test_gateway_stale__what_does_not_fit_is_left_out(void **state)
{
    static const uint32_t devices[] = {9};
    struct fixture f;
    struct fx_frame *frame;

    (void)state;
    open(&f);
    fx_errors(f.ann);
    (void)send_stale(&f, devices, 1);
    answer(&f, CODE_OK, 100, 3000); /* 117 KB, twice */
    frame = fx_expect_refusal(f.ann, "STALE_DEVICES");
    assert_has(frame, "\"list_seq\":3,\"devices\":[\"");
    assert_true(frame->body_len < KITH_FRAME_BYTES_MAX);
    (void)send_stale(&f, devices, 1);
    answer(&f, CODE_OK, 100, 5000); /* 195 KB once */
    frame = fx_expect_refusal(f.ann, "STALE_DEVICES");
    assert_has(frame, "\"removed\":[\"");
    assert_has(frame, "\"list_seq\":3}]}");
    (void)send_stale(&f, devices, 1);
    answer(&f, CODE_OK, 100, 8000); /* more than a frame holds */
    frame = fx_expect_refusal(f.ann, "STALE_DEVICES");
    assert_null(strstr(frame->body, "missing"));
    assert_has(frame, "\"list_seq\":3}]}");
    fx_close(&f.fx);
}

static void test_gateway_stale__without_an_answer_it_is_refused_all_the_same(void **state)
{
    static const uint32_t devices[] = {2};
    struct fixture f;
    struct fx_frame *frame;

    (void)state;
    open(&f);
    fx_errors(f.ann);
    (void)send_stale(&f, devices, 1);
    answer(&f, CODE_UNAVAILABLE, 0, 0);
    frame = fx_expect_refusal(f.ann, "STALE_DEVICES");
    assert_null(strstr(frame->body, "missing"));
    fx_close(&f.fx);
}

static void test_gateway_stale__a_session_may_go_before_what_differs_is_known(void **state)
{
    static const uint32_t devices[] = {2, 9};
    struct fixture f;

    (void)state;
    open(&f);
    fx_errors(f.ann);
    (void)send_stale(&f, devices, 2);
    assert_non_null(asked);
    fx_drop(f.ann);
    fx_run(&f.fx, 500);
    assert_int_equal(gateway_pending(f.fx.gateways[0]), 1);
    answer(&f, CODE_OK, 2, 2);
    assert_int_equal(gateway_pending(f.fx.gateways[0]), 0);
    fx_close(&f.fx);
}

/* DISCONNECT waits for it as for any answer. */
static void test_gateway_stale__disconnect_waits_for_it(void **state)
{
    static const uint32_t devices[] = {2, 9};
    struct fixture f;

    (void)state;
    open(&f);
    fx_errors(f.ann);
    (void)send_stale(&f, devices, 2);
    fx_send(f.ann, "DISCONNECT\nreceipt:bye\n\n");
    answer(&f, CODE_OK, 2, 2);
    check_difference(fx_expect(f.ann, STOMP_MESSAGE));
    assert_string_equal(fx_header(fx_expect(f.ann, STOMP_RECEIPT), "receipt-id"), "bye");
    fx_close(&f.fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_stale__the_refusal_says_what_differs),
        cmocka_unit_test(test_gateway_stale__the_error_frame_says_it_too),
        cmocka_unit_test(test_gateway_stale__a_message_for_nobody_misses_all_but_the_sender),
        cmocka_unit_test(test_gateway_stale__a_digest_misses_nobody_and_is_told_the_lists),
        cmocka_unit_test(test_gateway_stale__what_does_not_fit_is_left_out),
        cmocka_unit_test(test_gateway_stale__without_an_answer_it_is_refused_all_the_same),
        cmocka_unit_test(test_gateway_stale__a_session_may_go_before_what_differs_is_known),
        cmocka_unit_test(test_gateway_stale__disconnect_waits_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
