#include "e2e_resend.h"

/* A device, or the other one, was put back to an older state: what does not open is asked for and comes, in one round trip. */

struct two {
    struct town *town;
    struct town_device *ann, *bob;
    struct town_chat chat;
};

static struct two two_new(uint64_t seed)
{
    struct two two = {.town = town_new(seed)};

    two.town->has_few_prekeys = two.town->is_cloned = true;
    two.ann = town_join(two.town);
    two.bob = town_join(two.town);
    two.chat = town_chat_two(two.ann, two.bob);
    for (int i = 0; i < 3; i++) {
        two.town->now_ms += 1000;
        assert_int_equal(town_open(two.bob, town_send(two.ann, &two.chat, "from ann"), NULL), KITH_OK);
        assert_int_equal(town_open(two.ann, town_send(two.bob, &two.chat, "from bob"), NULL), KITH_OK);
    }
    return two;
}

/* Both speak, each answering, so that whoever is put back behind it has another ratchet. What they miss is not looked at. */
static void talk(const struct two *two, int turns)
{
    for (int i = 0; i < turns; i++) {
        two->town->now_ms += 1000;
        assert_int_equal(town_open(two->bob, town_send(two->ann, &two->chat, "and then"), NULL), KITH_OK);
        assert_int_equal(town_open(two->ann, town_send(two->bob, &two->chat, "go on"), NULL), KITH_OK);
    }
}

static uint32_t times_anew(const struct town_device *by, const struct town_device *of)
{
    uint64_t times[E2E_ANEW_MAX];

    return e2e_account_anew(by->account, of->person->id, device_number(of), times);
}

/* What the one that was put back cannot read any more it asks for. */
static void a_reader_that_was_put_back(uint64_t seed)
{
    struct two two = two_new(seed);
    struct kith_map older = town_records_copy(two.bob);
    struct town_mail *lost;

    talk(&two, 2);
    lost = town_send(two.ann, &two.chat, "do you hear me?");
    town_restart_from(two.bob, &older);
    two.town->now_ms += 1000;
    must_lose(two.bob, lost);
    assert_int_equal(lost_count(two.bob, two.ann), 1);
    assert_int_equal(ask_all(two.bob, NULL), 1);
    assert_int_equal(lost_count(two.bob, two.ann), 0);
    assert_int_equal(times_anew(two.ann, two.bob), 1);
    talk(&two, 2);
    assert_int_equal(times_anew(two.ann, two.bob), 1);
    town_records_free(&older);
    town_free(two.town);
}

/* And what the one that was put back says, others cannot. */
static void a_writer_that_was_put_back(uint64_t seed)
{
    struct two two = two_new(seed);
    struct kith_map older = town_records_copy(two.bob);
    struct town_mail *lost;

    talk(&two, 2);
    town_restart_from(two.bob, &older);
    two.town->now_ms += 1000;
    lost = town_send(two.bob, &two.chat, "who am I?");
    must_lose(two.ann, lost);
    assert_int_equal(ask_all(two.ann, NULL), 1);
    assert_int_equal(lost_count(two.ann, two.bob), 0);
    assert_int_equal(times_anew(two.bob, two.ann), 1);
    talk(&two, 2);
    town_records_free(&older);
    town_free(two.town);
}

static void test_e2e_account_resend__heals_who_was_put_back(void **state)
{
    (void)state;
    a_reader_that_was_put_back(1);
    a_writer_that_was_put_back(2);
}

static void test_e2e_account_resend__heals_with_a_restart_between_any_two_steps(void **state)
{
    (void)state;
    restarts = true;
    a_reader_that_was_put_back(3);
    a_writer_that_was_put_back(4);
    restarts = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_resend__heals_who_was_put_back),
        cmocka_unit_test(test_e2e_account_resend__heals_with_a_restart_between_any_two_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
