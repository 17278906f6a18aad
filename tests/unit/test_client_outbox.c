#include "client_world.h"

static void sends_are_in_order(const struct world *w, unsigned count)
{
    unsigned seen = 0;

    for (uint64_t i = 0; i < w->log_count; i++) {
        char text[W_TEXT_MAX];
        if (!w->log[i].from_client) continue;
        (void)snprintf(text, sizeof text, "m%u", seen++);
        assert_string_equal(w->log[i].text, text);
    }
    assert_int_equal(seen, count);
}

static void send_many(struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char text[W_TEXT_MAX];
        (void)snprintf(text, sizeof text, "m%u", i);
        (void)w_send(w, text);
    }
}

static void test_client_outbox__delivers_in_order_when_online(void **state)
{
    struct world w;

    (void)state;
    w_open(&w, 1);
    assert_true(w_pass(&w, 10));
    send_many(&w, 100);
    assert_true(w_pass(&w, 1000));
    sends_are_in_order(&w, 100);
    assert_int_equal(w.sent_count, 100);
    assert_int_equal(kith_client_outbox_count(w.client), 0);
    w_close(&w);
}

static void test_client_outbox__keeps_what_was_written_while_the_server_was_away(void **state)
{
    struct world w;

    (void)state;
    w_open(&w, 2);
    w.up = false;
    assert_true(w_pass(&w, 5000));
    send_many(&w, 20);
    assert_true(w_pass(&w, 5000));
    assert_int_equal(kith_client_outbox_count(w.client), 20);
    w_restart(&w);
    assert_int_equal(kith_client_outbox_count(w.client), 20);
    w.up = true;
    assert_true(w_pass(&w, 200000));
    sends_are_in_order(&w, 20);
    w_close(&w);
}

/* I-E1, I-O3 on the client's side: whatever effect the host dies before, each message is stored once and in order. */
static void test_client_outbox__a_crash_before_any_effect_loses_and_doubles_nothing(void **state)
{
    (void)state;
    for (size_t crash_at = 0;; crash_at++) {
        struct world w;
        bool crashed;

        w_open(&w, crash_at);
        w.crash_at = crash_at;
        send_many(&w, 5);
        w_other_writes(&w, "hello");
        crashed = !w_pass(&w, 2000);
        if (crashed) {
            w_restart(&w);
            assert_true(w_pass(&w, 100000));
        }
        /* What was never made durable may be missing, but only the last ones, and only if the host died before. */
        unsigned count = 0;
        for (uint64_t i = 0; i < w.log_count; i++) count += w.log[i].from_client;
        sends_are_in_order(&w, count);
        if (!crashed) assert_int_equal(count, 5);
        assert_int_equal(kith_client_outbox_count(w.client), 0);
        w_close(&w);
        if (!crashed) break;
        assert_true(crash_at < 1000);
    }
}

/* I-O3: a refusal for now in the middle of a pipeline holds back all that follows, and nothing changes places. */
static void test_client_outbox__i_o3_keeps_order_through_a_refusal_in_a_pipeline(void **state)
{
    static const enum kith_code codes[] = {CODE_UNAVAILABLE, CODE_READ_ONLY, CODE_TOO_MANY, CODE_UNKNOWN_OUTCOME};

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct world w;

        w_open(&w, 10 + i);
        assert_true(w_pass(&w, 10));
        w.refuse_next = codes[i];
        w.refuse_count = 3;
        send_many(&w, 30);
        assert_true(w_pass(&w, 100000));
        sends_are_in_order(&w, 30);
        assert_int_equal(w.failed_count, 0);
        w_close(&w);
    }
}

static void test_client_outbox__a_refusal_for_good_fails_one_message_and_the_rest_goes_on(void **state)
{
    struct world w;
    struct kith_outbox_entry entry;

    (void)state;
    w_open(&w, 20);
    assert_true(w_pass(&w, 10));
    w.refuse_next = CODE_FORBIDDEN;
    w.refuse_count = 1;
    (void)w_send(&w, "refused");
    send_many(&w, 10);
    assert_true(w_pass(&w, 100000));
    sends_are_in_order(&w, 10);
    assert_int_equal(w.failed_count, 1);
    assert_int_equal(w.failed_code, CODE_FORBIDDEN);
    assert_int_equal(kith_client_outbox_count(w.client), 1);
    assert_int_equal(kith_client_outbox_at(w.client, 0, &entry), KITH_OK);
    assert_int_equal(entry.state, KITH_OUTBOX_FAILED);
    /* It survives a restart, and goes under a new id when the person says so. */
    w_restart(&w);
    assert_int_equal(kith_client_outbox_retry(w.client, w.now, entry.id, &entry.id), KITH_OK);
    assert_true(w_pass(&w, 100000));
    assert_int_equal(kith_client_outbox_count(w.client), 0);
    assert_string_equal(w.log[w.log_count - 1].text, "refused");
    w_close(&w);
}

static void test_client_outbox__too_old_is_unknown_and_asked_about(void **state)
{
    struct world w;
    struct kith_outbox_entry entry;

    (void)state;
    w_open(&w, 21);
    assert_true(w_pass(&w, 10));
    w.refuse_next = CODE_TOO_OLD;
    w.refuse_count = 1;
    (void)w_send(&w, "ancient");
    assert_true(w_pass(&w, 1000));
    assert_int_equal(kith_client_outbox_at(w.client, 0, &entry), KITH_OK);
    assert_int_equal(entry.state, KITH_OUTBOX_UNKNOWN);
    assert_int_equal(kith_client_outbox_drop(w.client, entry.id), KITH_OK);
    assert_int_equal(kith_client_outbox_count(w.client), 0);
    w_close(&w);
}

static void test_client_outbox__ids_rise_when_the_clock_steps_back(void **state)
{
    struct world w;
    struct msg_id last = {0};

    (void)state;
    w_open(&w, 22);
    for (int i = 0; i < 10000; i++) {
        struct msg_id id;
        if (i % 3 == 0) w.now.wall_ms -= 10;
        if (i % 7 == 0) w.now.wall_ms += 5;
        if (i == 5000) w_restart(&w);
        id = w_send(&w, "x");
        assert_true(kith_uuid_cmp(id.id, last.id) > 0);
        assert_true(kith_uuid_is_version(id.id, 7));
        last = id;
        if (i == 4999) assert_true(w_run(&w)); /* the stamp is durable with the message */
    }
    /* The outbox is full: one more is refused, nothing is lost. */
    struct kith_send send = {.chat = w.chat, .body = kith_slice_str("one too many")};
    struct msg_id id;
    while (kith_client_outbox_count(w.client) < KITH_OUTBOX_ENTRIES_MAX) (void)w_send(&w, "x");
    assert_int_equal(kith_client_send(w.client, w.now, &send, &id), KITH_E_FULL);
    w_close(&w);
}

static void test_client_outbox__refuses_a_body_one_past_the_maximum(void **state)
{
    struct world w;
    uint8_t *body = calloc(1, KITH_MESSAGE_BYTES_MAX + 1);
    struct kith_send send = {0};
    struct msg_id id;

    (void)state;
    assert_non_null(body);
    w_open(&w, 23);
    w.up = false;
    send.chat = w.chat;
    send.body = kith_slice_of(body, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(kith_client_send(w.client, w.now, &send, &id), KITH_OK);
    send.body.len++;
    assert_int_equal(kith_client_send(w.client, w.now, &send, &id), KITH_E_TOOBIG);
    free(body);
    w_close(&w);
}

static void test_client_outbox__refuses_a_content_type_that_no_frame_can_say(void **state)
{
    struct kith_send send = {.content_type = kith_slice_of("text\0plain", 10), .body = kith_slice_str("text")};
    struct msg_id id = {0};
    struct world w;

    (void)state;
    w_open(&w, 1);
    assert_int_equal(kith_client_send(w.client, w.now, &send, &id), KITH_E_MALFORMED);
    assert_int_equal(kith_client_outbox_count(w.client), 0);
    w_close(&w);
}

/* What happens before the host asks what to do is one transaction, and nothing of it leaves before that is durable. */
static void test_client_outbox__several_steps_are_one_persist(void **state)
{
    struct world w;
    struct kith_effect e;
    struct kith_slice key, value;
    bool is_put;
    size_t sends = 0, entries = 0;

    (void)state;
    w_open(&w, 1);
    assert_true(w_pass(&w, 10));
    send_many(&w, 3);
    assert_int_equal(kith_client_next(w.client, &e), KITH_OK);
    assert_int_equal(e.kind, KITH_EFFECT_PERSIST);
    while (kith_record_next(&e.bytes, &is_put, &key, &value) == KITH_OK) entries += is_put && key.ptr[0] == 'O';
    assert_true(entries >= 3);
    assert_int_equal(kith_client_next(w.client, &e), KITH_E_AGAIN);
    (void)w_send(&w, "m3"); /* for the next one */
    kith_client_persisted(w.client);
    for (; kith_client_next(w.client, &e) == KITH_OK && e.kind != KITH_EFFECT_PERSIST;
         sends += e.kind == KITH_EFFECT_SEND)
        continue;
    assert_int_equal(e.kind, KITH_EFFECT_PERSIST);
    assert_int_equal(sends, 3);
    w_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_outbox__delivers_in_order_when_online),
        cmocka_unit_test(test_client_outbox__keeps_what_was_written_while_the_server_was_away),
        cmocka_unit_test(test_client_outbox__a_crash_before_any_effect_loses_and_doubles_nothing),
        cmocka_unit_test(test_client_outbox__i_o3_keeps_order_through_a_refusal_in_a_pipeline),
        cmocka_unit_test(test_client_outbox__a_refusal_for_good_fails_one_message_and_the_rest_goes_on),
        cmocka_unit_test(test_client_outbox__too_old_is_unknown_and_asked_about),
        cmocka_unit_test(test_client_outbox__ids_rise_when_the_clock_steps_back),
        cmocka_unit_test(test_client_outbox__refuses_a_body_one_past_the_maximum),
        cmocka_unit_test(test_client_outbox__refuses_a_content_type_that_no_frame_can_say),
        cmocka_unit_test(test_client_outbox__several_steps_are_one_persist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
