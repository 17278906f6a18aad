#include "client_world.h"

static void shown_once_and_in_order(const struct world *w, uint64_t count)
{
    assert_int_equal(w->shown_count, count);
    for (uint64_t i = 0; i < count; i++) assert_int_equal(w->shown[i], i + 1);
}

static void test_client_inbox__shows_and_acknowledges_what_comes(void **state)
{
    struct world w;

    (void)state;
    w_open(&w, 1);
    for (int i = 0; i < 200; i++) w_other_writes(&w, "m");
    assert_true(w_pass(&w, 100));
    shown_once_and_in_order(&w, 200);
    assert_int_equal(w.cursor, 200);
    w_close(&w);
}

/* I-E6 on the client's side: a crash at any point between storing, showing and acknowledging shows nothing twice. What a
 * crash hid after it was stored is in the host's records: that counts as shown. */
static void test_client_inbox__i_e6_a_crash_before_any_effect_shows_nothing_twice(void **state)
{
    (void)state;
    for (size_t crash_at = 0; crash_at < 60; crash_at++) {
        struct world w;
        uint64_t last = 0;

        w_open(&w, 100 + crash_at);
        for (int i = 0; i < 20; i++) w_other_writes(&w, "m");
        w.crash_at = crash_at;
        if (!w_pass(&w, 100)) {
            w_restart(&w);
            assert_true(w_pass(&w, 100000));
        }
        assert_int_equal(w.cursor, 20);
        for (size_t i = 0; i < w.shown_count; i++) {
            assert_true(w.shown[i] > last);
            last = w.shown[i];
        }
        w_close(&w);
    }
}

static void test_client_inbox__a_lost_connection_at_any_moment_resumes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 60; seed++) {
        struct world w;

        w_open(&w, seed);
        for (int i = 0; i < 30; i++) {
            w_other_writes(&w, "m");
            if (kith_prng_chance(&w.prng, 1, 3)) assert_true(w_pass(&w, kith_prng_below(&w.prng, 50)));
            if (kith_prng_chance(&w.prng, 1, 5)) {
                w_cut(&w);
                kith_client_disconnected(w.client, w.now);
            }
        }
        assert_true(w_pass(&w, 200000));
        shown_once_and_in_order(&w, 30);
        assert_int_equal(w.cursor, 30);
        w_close(&w);
    }
}

static void test_client_inbox__a_hole_is_not_taken_but_healed(void **state)
{
    struct world w;
    struct kith_client_stats stats;

    (void)state;
    w_open(&w, 5);
    for (int i = 0; i < 3; i++) w_other_writes(&w, "m");
    assert_true(w_pass(&w, 100));
    w_other_writes(&w, "lost on the way");
    w.sent_up_to++; /* the server skips one */
    w_other_writes(&w, "m");
    assert_true(w_pass(&w, 100000));
    kith_client_stats(w.client, &stats);
    assert_int_equal(stats.holes, 1);
    shown_once_and_in_order(&w, 5);
    w_close(&w);
}

static void test_client_inbox__a_hole_that_stays_is_a_gap(void **state)
{
    struct world w;
    struct kith_client_stats stats;

    (void)state;
    w_open(&w, 5);
    for (int i = 0; i < 5; i++) w_other_writes(&w, "m");
    w.lost = 4;
    assert_true(w_pass(&w, 100000));
    kith_client_stats(w.client, &stats);
    assert_int_equal(stats.holes, 2);
    assert_int_equal(stats.gaps, 1);
    shown_once_and_in_order(&w, 5); /* the fourth as a gap */
    assert_int_equal(w.cursor, 5);
    w_close(&w);
}

static void test_client_link__a_replaced_device_does_not_fight(void **state)
{
    struct world w;
    struct stomp_writer s;
    struct kith_client_stats stats;

    (void)state;
    w_open(&w, 6);
    assert_true(w_pass(&w, 10));
    stomp_begin(&s, &w.to_client, STOMP_ERROR);
    stomp_put_str(&s, "code", "REPLACED");
    assert_int_equal(stomp_end(&s, (struct kith_slice){0}), KITH_OK);
    assert_true(w_pass(&w, 300000));
    assert_int_equal(kith_client_connection(w.client), KITH_REPLACED);
    kith_client_stats(w.client, &stats);
    assert_int_equal(stats.connects, 1);
    w_close(&w);
}

static void test_client_link__asks_for_a_token_when_the_old_one_ended(void **state)
{
    struct world w;
    struct stomp_writer s;

    (void)state;
    w_open(&w, 7);
    assert_true(w_pass(&w, 10));
    stomp_begin(&s, &w.to_client, STOMP_ERROR);
    stomp_put_str(&s, "code", "EXPIRED");
    assert_int_equal(stomp_end(&s, (struct kith_slice){0}), KITH_OK);
    assert_true(w_pass(&w, 100000));
    assert_true(w.token_wanted);
    assert_int_equal(kith_client_connection(w.client), KITH_OFFLINE);
    kith_client_token(w.client, w.now, kith_slice_str("fresh"));
    assert_true(w_pass(&w, 1000));
    assert_int_equal(kith_client_connection(w.client), KITH_ONLINE);
    w_close(&w);
}

static void test_client_link__a_silent_server_is_left(void **state)
{
    struct world w;
    struct kith_client_stats before, after;

    (void)state;
    w_open(&w, 8);
    assert_true(w_pass(&w, 10));
    kith_client_stats(w.client, &before);
    assert_true(w_pass(&w, 60000)); /* the small server sends no heart-beats */
    kith_client_stats(w.client, &after);
    assert_true(after.connects > before.connects);
    w_close(&w);
}

static void test_client_link__broken_bytes_end_the_connection_not_the_client(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 200; seed++) {
        struct world w;
        uint8_t junk[64];

        w_open(&w, seed);
        assert_true(w_pass(&w, 10));
        kith_prng_bytes(&w.prng, junk, sizeof junk);
        kith_client_bytes(w.client, w.now, junk, kith_prng_between(&w.prng, 1, sizeof junk));
        w_other_writes(&w, "after the junk");
        assert_true(w_pass(&w, 200000));
        shown_once_and_in_order(&w, 1);
        w_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_inbox__shows_and_acknowledges_what_comes),
        cmocka_unit_test(test_client_inbox__i_e6_a_crash_before_any_effect_shows_nothing_twice),
        cmocka_unit_test(test_client_inbox__a_lost_connection_at_any_moment_resumes),
        cmocka_unit_test(test_client_inbox__a_hole_is_not_taken_but_healed),
        cmocka_unit_test(test_client_inbox__a_hole_that_stays_is_a_gap),
        cmocka_unit_test(test_client_link__a_replaced_device_does_not_fight),
        cmocka_unit_test(test_client_link__asks_for_a_token_when_the_old_one_ended),
        cmocka_unit_test(test_client_link__a_silent_server_is_left),
        cmocka_unit_test(test_client_link__broken_bytes_end_the_connection_not_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
