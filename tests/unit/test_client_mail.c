#include "client_world.h"

/* What the server sends from the mailbox; its number is the id that the ACK will name. gap_from 0: an item. */
static void server_mails(struct world *w, uint64_t seq, uint64_t gap_from, bool redelivered)
{
    struct stomp_writer s;

    stomp_begin(&s, &w->to_client, STOMP_MESSAGE);
    stomp_put_str(&s, "destination", "/mailbox");
    stomp_put_str(&s, "subscription", "inbox");
    stomp_put_u64(&s, "message-id", seq);
    stomp_put_u64(&s, "ack", seq);
    stomp_put_u64(&s, "seq", seq);
    if (redelivered) stomp_put_str(&s, "redelivered", "true");
    if (gap_from > 0) stomp_put_u64(&s, "gap-from", gap_from);
    stomp_put_str(&s, "type", gap_from > 0 ? "gap" : "mail");
    if (gap_from == 0) w_put_ids(&s, "client-id", (struct kith_uuid){{0x40, (uint8_t)seq}});
    assert_int_equal(stomp_end(&s, gap_from > 0 ? (struct kith_slice){0} : kith_slice_str("sealed")), KITH_OK);
}

/* Items in the host's records, which must be numbers first, first + 1 and so on. */
static uint64_t kept(struct world *w, uint64_t first)
{
    uint64_t count = 0;

    for (struct kith_ordered_node *node = kith_ordered_seek(&w->records, (struct kith_slice){0}); node != NULL;
         node = kith_ordered_next(node)) {
        struct w_copy *copy = node->value;
        struct kith_message item;
        if (kith_record_mail(kith_ordered_key(node), kith_slice_of(copy->bytes, copy->len), &item) != KITH_OK) continue;
        assert_int_equal(item.seq, first + count++);
        assert_true(kith_slice_is(item.body, "sealed"));
        assert_true(kith_slice_is(item.type, "mail"));
        assert_true(kith_uuid_is_nil(item.chat.id));
    }
    return count;
}

static void test_client_mail__keeps_an_item_before_it_acknowledges_and_until_it_is_done_with(void **state)
{
    struct world w;
    struct kith_client_stats stats;

    (void)state;
    w_open(&w, 1);
    assert_true(w_pass(&w, 100));
    for (uint64_t seq = 1; seq <= 5; seq++) server_mails(&w, seq, 0, false);
    assert_true(w_pass(&w, 100));
    assert_int_equal(w.mail_count, 5);
    assert_int_equal(w.cursor, 5);
    assert_int_equal(kept(&w, 1), 5);
    kith_client_mail_done(w.client, 1);
    kith_client_mail_done(w.client, 2);
    assert_true(w_run(&w));
    assert_int_equal(kept(&w, 3), 3);
    kith_client_stats(w.client, &stats);
    assert_int_equal(stats.mail, 5);
    assert_int_equal(stats.applied, 0); /* nothing for the person */
    w_close(&w);
}

/* A crash at any point between storing, telling and acknowledging: each item is stored once, none is lost. */
static void test_client_mail__i_e6_a_crash_before_any_effect_takes_nothing_twice(void **state)
{
    (void)state;
    for (size_t crash_at = 0; crash_at < 40; crash_at++) {
        struct world w;
        uint64_t last = 0;

        w_open(&w, 100 + crash_at);
        assert_true(w_pass(&w, 100));
        w.crash_at = w.effects_run + crash_at;
        for (uint64_t seq = 1; seq <= 10; seq++) server_mails(&w, seq, 0, false);
        if (!w_pass(&w, 100)) {
            uint64_t acked;
            w_restart(&w);
            assert_true(w_pass(&w, 100000));
            acked = w.cursor;
            for (uint64_t seq = acked + 1; seq <= 10; seq++) server_mails(&w, seq, 0, true);
            assert_true(w_pass(&w, 100));
        }
        assert_int_equal(w.cursor, 10);
        assert_int_equal(kept(&w, 1), 10);
        for (size_t i = 0; i < w.mail_count; i++) {
            assert_true(w.mail[i] > last);
            last = w.mail[i];
        }
        w_close(&w);
    }
}

static void test_client_mail__a_repeat_is_acknowledged_and_no_more(void **state)
{
    struct world w;
    struct kith_client_stats stats;

    (void)state;
    w_open(&w, 2);
    assert_true(w_pass(&w, 100));
    server_mails(&w, 1, 0, false);
    assert_true(w_pass(&w, 100));
    kith_client_mail_done(w.client, 1);
    w.cursor = 0;
    server_mails(&w, 1, 0, true);
    assert_true(w_pass(&w, 100));
    assert_int_equal(w.cursor, 1);
    assert_int_equal(w.mail_count, 1);
    assert_int_equal(kept(&w, 1), 0);
    kith_client_stats(w.client, &stats);
    assert_int_equal(stats.duplicates, 1);
    assert_int_equal(stats.unflagged, 0);
    w_close(&w);
}

/* What was given up unread is said, and a mailbox that forgot the device begins above: neither is a break. */
static void test_client_mail__gaps_and_jumps_go_on(void **state)
{
    struct world w;
    struct kith_client_stats stats;

    (void)state;
    w_open(&w, 3);
    assert_true(w_pass(&w, 100));
    server_mails(&w, 1, 0, false);
    server_mails(&w, 7, 2, false);
    server_mails(&w, 8, 0, false);
    server_mails(&w, 500, 0, false);
    assert_true(w_pass(&w, 100));
    assert_int_equal(w.cursor, 500);
    assert_int_equal(w.mail_count, 4);
    kith_client_stats(w.client, &stats);
    assert_int_equal(stats.gaps, 1);
    assert_int_equal(stats.holes, 0);
    assert_int_equal(kith_client_connection(w.client), KITH_ONLINE);
    w_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_mail__keeps_an_item_before_it_acknowledges_and_until_it_is_done_with),
        cmocka_unit_test(test_client_mail__i_e6_a_crash_before_any_effect_takes_nothing_twice),
        cmocka_unit_test(test_client_mail__a_repeat_is_acknowledged_and_no_more),
        cmocka_unit_test(test_client_mail__gaps_and_jumps_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
