#include "e2e_resend.h"

/* A device, or the other one, was put back to an older state: what does not open is asked for and comes, in one round trip. */

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

/* ------------------------------------------------------------------------------------------------ groups */
/* The same in a small group: each of the two that he does not understand is asked on its own. */
static void in_a_small_group(uint64_t seed)
{
    struct three three = three_new(seed, 0);
    struct kith_map older = town_records_copy(three.bob);
    struct town_mail *lost[2];

    group_talk(&three, 2);
    lost[0] = town_group_send(three.ann, three.group, "from ann");
    lost[1] = town_group_send(three.carol, three.group, "from carol");
    town_restart_from(three.bob, &older);
    three.town->now_ms += 1000;
    must_lose(three.bob, lost[0]);
    must_lose(three.bob, lost[1]);
    assert_int_equal(ask_all(three.bob, NULL), 2);
    assert_int_equal(lost_count(three.bob, three.ann) + lost_count(three.bob, three.carol), 0);
    group_talk(&three, 2);
    town_records_free(&older);
    town_free(three.town);
}

/* In a large one what gave him the chain did not open, nor what is under it: the words are told him again, and he is given another chain. */
static void in_a_large_group(uint64_t seed)
{
    struct three three = three_new(seed, 2);
    struct kith_map older;
    struct town_mail *lost;
    size_t first;
    bool is_lost;

    /* By mail, which turns the ratchet of the session: in a large group nothing else does. */
    older = town_records_copy(three.bob);
    for (int i = 0; i < 2; i++) {
        struct town_device *ends[] = {three.ann, three.bob};
        for (int j = 0; j < 2; j++) {
            struct letter letter = letter_to(ends[j], ends[1 - j], "turn");
            struct e2e_opened opened;
            struct kith_buf plain;
            assert_int_equal(letter_open(ends[1 - j], &letter, &plain, &opened), KITH_OK);
            kith_buf_wipe(&plain);
            letter_free(&letter);
        }
    }
    first = three.town->mail_count;
    three.town->now_ms += E2E_CHAIN_LIFE_MS; /* a new chain, which is given first */
    lost = town_group_send(three.ann, three.group, "under a new chain");
    assert_int_equal(lost - three.town->mails, first + 1);
    town_restart_from(three.bob, &older);
    must_lose(three.bob, &three.town->mails[first]);
    must_lose(three.bob, lost);
    assert_int_equal(open_or_lose(three.carol, &three.town->mails[first], &is_lost), KITH_OK);
    assert_int_equal(open_or_lose(three.carol, lost, &is_lost), KITH_OK);
    assert_int_equal(ask_all(three.bob, NULL), 1);
    assert_int_equal(lost_count(three.bob, three.ann), 1); /* the gift, which comes in another way */
    group_talk(&three, 2);
    town_records_free(&older);
    town_free(three.town);
}

static void test_e2e_account_resend__heals_in_groups(void **state)
{
    (void)state;
    in_a_small_group(5);
    in_a_large_group(6);
}

static void test_e2e_account_resend__heals_with_a_restart_between_any_two_steps(void **state)
{
    (void)state;
    restarts = true;
    a_reader_that_was_put_back(3);
    a_writer_that_was_put_back(4);
    in_a_small_group(7);
    in_a_large_group(8);
    restarts = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_resend__heals_who_was_put_back),
        cmocka_unit_test(test_e2e_account_resend__heals_in_groups),
        cmocka_unit_test(test_e2e_account_resend__heals_with_a_restart_between_any_two_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
