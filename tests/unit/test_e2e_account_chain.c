#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/sender_chain.h"
#include "tests/e2e/town_group.h"

/* Large groups: one ciphertext for all, under a chain that is given to each device before. */

/* Ann and Bob with two devices each, Carol and Dan with one; a group of all but Dan, which is a large one here. */
#define DEVICES 6
struct crowd {
    struct town *town;
    struct town_device *ann, *tablet, *bob, *laptop, *carol, *dan;
    struct town_device *all[DEVICES];
    struct town_group *group;
};

static struct crowd crowd_new(uint64_t seed)
{
    struct crowd crowd = {.town = town_new(seed)};

    crowd.town->has_few_prekeys = true;
    crowd.town->pairwise_max = 2;
    crowd.ann = town_join(crowd.town);
    crowd.tablet = town_link(crowd.ann);
    crowd.bob = town_join(crowd.town);
    crowd.laptop = town_link(crowd.bob);
    crowd.carol = town_join(crowd.town);
    crowd.dan = town_join(crowd.town);
    memcpy(crowd.all,
           (struct town_device *[]){crowd.ann, crowd.tablet, crowd.bob, crowd.laptop, crowd.carol, crowd.dan},
           sizeof crowd.all);
    crowd.group = town_group_create(crowd.ann, (struct town_device *[]){crowd.bob, crowd.carol}, 2, "the crowd");
    return crowd;
}

static void fetch_all(const struct crowd *crowd)
{
    for (size_t i = 0; i < DEVICES; i++) assert_int_equal(town_group_fetch(crowd->all[i], crowd->group), KITH_OK);
}

/* How many mails it took: one, and as many gifts before it. */
static size_t say(const struct crowd *crowd, struct town_device *from, const char *text)
{
    const size_t before = crowd->town->mail_count;

    assert_true(town_group_send(from, crowd->group, text)->is_common);
    return crowd->town->mail_count - before;
}

static struct e2e_group_message newest(const struct crowd *crowd)
{
    const struct town_mail *mail = &crowd->town->mails[crowd->town->mail_count - 1];
    struct e2e_group_message message;

    assert_int_equal(
        e2e_group_message_decode(town_body(mail, mail->from == crowd->ann ? crowd->bob : crowd->ann), &message),
        KITH_OK);
    return message;
}

static bool is_same_chain(const struct e2e_group_message *a, const struct e2e_group_message *b)
{
    return memcmp(a->chain_id, b->chain_id, sizeof a->chain_id) == 0;
}

/* Who reads what was said last, and everything before it that is theirs. */
static void are_reading(const struct crowd *crowd, unsigned who)
{
    for (size_t i = 0; i < DEVICES; i++) {
        const struct town_mail *mail = &crowd->town->mails[crowd->town->mail_count - 1];
        (void)town_read(crowd->all[i]);
        if (mail->from == crowd->all[i]) continue;
        /* It was opened already, or there is nothing to open it with. */
        assert_int_equal(town_open(crowd->all[i], mail, NULL),
                         (who & 1u << i) != 0 ? KITH_E_CONFLICT : KITH_E_NOTFOUND);
    }
}
#define MEMBERS 0x1fu /* all devices but Dan's */

/* ------------------------------------------------------------------------------------------------ given once */
static void test_e2e_account_chain__is_given_once_and_then_one_goes_to_all(void **state)
{
    struct crowd crowd = crowd_new(1);
    struct e2e_group_message first, second;

    (void)state;
    fetch_all(&crowd);
    /* The key of the name has gone to all under Ann's chain, and the chain before it. */
    are_reading(&crowd, MEMBERS);
    assert_int_equal(say(&crowd, crowd.ann, "one"), 1);
    first = newest(&crowd);
    assert_int_equal(say(&crowd, crowd.ann, "two"), 1);
    second = newest(&crowd);
    are_reading(&crowd, MEMBERS);
    assert_true(is_same_chain(&first, &second));
    assert_int_equal(second.iteration, first.iteration + 1);
    assert_int_equal(say(&crowd, crowd.bob, "mine is another"), 2);
    are_reading(&crowd, MEMBERS);
    second = newest(&crowd);
    assert_false(is_same_chain(&first, &second));
    for (size_t i = 0; i < DEVICES - 1; i++)
        assert_string_equal(town_group_name(crowd.all[i], crowd.group), "the crowd");
    town_free(crowd.town);
}

/* Both ends go on over restarts, and nobody is given it again. */
static void test_e2e_account_chain__goes_on_over_restarts(void **state)
{
    struct crowd crowd = crowd_new(2);

    (void)state;
    fetch_all(&crowd);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(say(&crowd, crowd.ann, "after a restart"), 1);
        are_reading(&crowd, MEMBERS);
        for (size_t i = 0; i < DEVICES; i++) town_restart(crowd.all[i]);
    }
    town_free(crowd.town);
}

/* Messages that are read late, in any order. */
static void test_e2e_account_chain__out_of_order_and_once(void **state)
{
    struct crowd crowd = crowd_new(3);
    size_t first;

    (void)state;
    fetch_all(&crowd);
    are_reading(&crowd, MEMBERS);
    first = crowd.town->mail_count;
    for (int i = 0; i < 5; i++) assert_int_equal(say(&crowd, crowd.ann, "in a row"), 1);
    for (size_t i = 0; i < 5; i++) {
        const struct town_mail *mail = &crowd.town->mails[first + 4 - i];
        assert_int_equal(town_open(crowd.carol, mail, NULL), KITH_OK);
        assert_int_equal(town_open(crowd.carol, mail, NULL), KITH_E_CONFLICT);
        town_restart(crowd.carol);
        assert_int_equal(town_open(crowd.carol, mail, NULL), KITH_E_CONFLICT);
    }
    town_free(crowd.town);
}

/* ------------------------------------------------------------------------------------------------ who comes and goes */
/* Who comes is given the chain as it is then: nothing from before. */
static void test_e2e_account_chain__who_comes_is_given_it_as_it_is_now(void **state)
{
    struct crowd crowd = crowd_new(4);
    struct e2e_group_message before, after;
    struct town_device *phone;

    (void)state;
    fetch_all(&crowd);
    (void)say(&crowd, crowd.ann, "without Dan");
    before = newest(&crowd);
    are_reading(&crowd, MEMBERS);
    town_group_must(crowd.group, crowd.ann, town_change(E2E_GROUP_ADD, crowd.dan, E2E_ROLE_MEMBER));
    fetch_all(&crowd);
    (void)say(&crowd, crowd.ann, "with Dan");
    after = newest(&crowd);
    assert_true(is_same_chain(&before, &after));
    are_reading(&crowd, MEMBERS | 1u << 5);
    assert_string_equal(town_group_name(crowd.dan, crowd.group), "the crowd");
    /* A device more of a member's. */
    phone = town_link(crowd.carol);
    assert_int_equal(say(&crowd, crowd.ann, "with Carol's phone"), 2);
    assert_int_equal(town_group_fetch(phone, crowd.group), KITH_OK);
    assert_int_equal(town_read(phone), 2);
    after = newest(&crowd);
    assert_true(is_same_chain(&before, &after));
    town_free(crowd.town);
}

static void take_out(struct town_device *manager, const struct town_device *device)
{
    assert_int_equal(e2e_account_remove_device(manager->account, manager->town->now_ms, device->server_device),
                     KITH_OK);
    town_upload(manager);
}

/* ------------------------------------------------------------------------------------------------ as it is told */
static struct e2e_chain_view chain_view(const struct crowd *crowd, const struct town_device *device)
{
    struct e2e_chain_view view;

    assert_true(e2e_account_chain(device->account, crowd->town->now_ms, crowd->group->chat_id, &view));
    assert_true(view.is_common);
    return view;
}

static void test_e2e_account_chain__tells_why_a_new_one_is_due(void **state)
{
    struct crowd crowd = crowd_new(8);
    const uint8_t nowhere[E2E_ID_BYTES] = {1};
    struct e2e_chain_view view;
    uint64_t began;

    (void)state;
    fetch_all(&crowd);
    view = chain_view(&crowd, crowd.bob);
    assert_int_equal(view.due, E2E_CHAIN_NONE);
    assert_int_equal(view.created_at_ms + view.sent + view.reader_count, 0);
    began = crowd.town->now_ms;
    (void)say(&crowd, crowd.bob, "the first");
    for (uint32_t sent = 1; sent < E2E_CHAIN_MESSAGES_MAX; sent++) {
        view = chain_view(&crowd, crowd.bob);
        assert_int_equal(view.due, E2E_CHAIN_GOES_ON);
        assert_int_equal(view.created_at_ms, began);
        assert_int_equal(view.sent, sent);
        assert_int_equal(view.reader_count, DEVICES - 2); /* all members' but this one */
        (void)say(&crowd, crowd.bob, "one of many");
    }
    assert_int_equal(chain_view(&crowd, crowd.bob).due, E2E_CHAIN_USED_UP);
    (void)say(&crowd, crowd.bob, "of the next");
    assert_int_equal(chain_view(&crowd, crowd.bob).sent, 1);
    crowd.town->now_ms += E2E_CHAIN_LIFE_MS - 1;
    assert_int_equal(chain_view(&crowd, crowd.bob).due, E2E_CHAIN_GOES_ON);
    crowd.town->now_ms += 1;
    assert_int_equal(chain_view(&crowd, crowd.bob).due, E2E_CHAIN_OLD);
    take_out(crowd.ann, crowd.tablet);
    assert_int_equal(town_fetch_list(crowd.bob, crowd.ann->person), KITH_OK);
    assert_int_equal(chain_view(&crowd, crowd.bob).due, E2E_CHAIN_GONE);
    town_restart(crowd.bob);
    assert_int_equal(chain_view(&crowd, crowd.bob).due, E2E_CHAIN_GONE);
    assert_false(e2e_account_chain(crowd.bob->account, crowd.town->now_ms, nowhere, &view));
    town_free(crowd.town);
}

/* A member, and a device of one that stays: what is said next is under another chain, which they have not. */
static void test_e2e_account_chain__is_a_new_one_when_somebody_is_gone(void **state)
{
    (void)state;
    for (int row = 0; row < 2; row++) {
        struct crowd crowd = crowd_new(5 + (uint64_t)row);
        struct e2e_group_message before, after;
        fetch_all(&crowd);
        if (row == 0) town_group_must(crowd.group, crowd.ann, town_change(E2E_GROUP_ADD, crowd.dan, E2E_ROLE_MEMBER));
        fetch_all(&crowd);
        (void)say(&crowd, crowd.ann, "with all");
        before = newest(&crowd);
        are_reading(&crowd, row == 0 ? MEMBERS | 1u << 5 : MEMBERS);
        if (row == 0)
            town_group_must(crowd.group, crowd.ann, town_change(E2E_GROUP_REMOVE, crowd.dan, 0));
        else
            take_out(crowd.bob, crowd.laptop);
        town_restart(crowd.ann);
        assert_int_equal(say(&crowd, crowd.ann, "without one"), 2);
        after = newest(&crowd);
        assert_false(is_same_chain(&before, &after));
        assert_int_equal(after.iteration, 0);
        if (row == 1) crowd.all[3] = crowd.dan; /* Bob's laptop knows that it is out */
        if (row == 0) fetch_all(&crowd);
        are_reading(&crowd, row == 0 ? MEMBERS : MEMBERS & ~(1u << 3));
        town_free(crowd.town);
    }
}

/* After 500 messages, and after a week. */
static void test_e2e_account_chain__is_a_new_one_when_it_is_used_up(void **state)
{
    struct crowd crowd = crowd_new(7);
    struct e2e_group_message first, last;

    (void)state;
    fetch_all(&crowd);
    (void)say(&crowd, crowd.bob, "the first");
    first = newest(&crowd);
    for (int i = 1; i < E2E_CHAIN_MESSAGES_MAX; i++) assert_int_equal(say(&crowd, crowd.bob, "one of many"), 1);
    last = newest(&crowd);
    assert_true(is_same_chain(&first, &last));
    assert_int_equal(say(&crowd, crowd.bob, "one more"), 2);
    first = newest(&crowd);
    assert_false(is_same_chain(&first, &last));
    crowd.town->now_ms += E2E_CHAIN_LIFE_MS - 1;
    assert_int_equal(say(&crowd, crowd.bob, "nearly a week later"), 1);
    crowd.town->now_ms += 1;
    assert_int_equal(say(&crowd, crowd.bob, "a week later"), 2);
    last = newest(&crowd);
    assert_false(is_same_chain(&first, &last));
    are_reading(&crowd, MEMBERS);
    town_free(crowd.town);
}

/* A gift after a week of nobody's answer: those who get it do not all speak up for that. */
static void test_e2e_account_chain__a_gift_is_not_answered(void **state)
{
    struct crowd crowd = crowd_new(8);
    const struct town_mail *gift;
    struct e2e_opened opened;
    struct kith_buf plain;

    (void)state;
    fetch_all(&crowd);
    are_reading(&crowd, MEMBERS);
    crowd.town->now_ms += E2E_CHAIN_LIFE_MS;
    assert_int_equal(say(&crowd, crowd.ann, "a week later"), 2);
    gift = &crowd.town->mails[crowd.town->mail_count - 2];
    assert_int_equal(town_open_envelope(crowd.carol, town_envelope(gift, crowd.carol), &plain, &opened), KITH_OK);
    assert_false(opened.is_common);
    assert_false(opened.wants_step);
    kith_buf_wipe(&plain);
    town_free(crowd.town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_chain__is_given_once_and_then_one_goes_to_all),
        cmocka_unit_test(test_e2e_account_chain__goes_on_over_restarts),
        cmocka_unit_test(test_e2e_account_chain__out_of_order_and_once),
        cmocka_unit_test(test_e2e_account_chain__who_comes_is_given_it_as_it_is_now),
        cmocka_unit_test(test_e2e_account_chain__tells_why_a_new_one_is_due),
        cmocka_unit_test(test_e2e_account_chain__is_a_new_one_when_somebody_is_gone),
        cmocka_unit_test(test_e2e_account_chain__is_a_new_one_when_it_is_used_up),
        cmocka_unit_test(test_e2e_account_chain__a_gift_is_not_answered),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
