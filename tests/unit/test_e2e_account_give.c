#include "e2e_resend.h"

/* Who is given a message again, and how often: whoever had it, and nobody else. */

static void test_e2e_account_give__three_times_and_not_once_more(void **state)
{
    struct two two = two_new(1);
    struct town_mail *mail = town_send(two.ann, &two.chat, "hello"), *other;

    (void)state;
    for (int i = 0; i < E2E_RESENDS_MAX; i++) {
        assert_int_equal(give(two.ann, two.bob, mail), KITH_OK);
        two.town->now_ms += E2E_RESEND_MS;
        town_restart(two.ann);
    }
    assert_int_equal(give(two.ann, two.bob, mail), KITH_E_FULL);
    other = town_send(two.ann, &two.chat, "another");
    assert_int_equal(give(two.ann, two.bob, other), KITH_OK);
    assert_int_equal(give(two.ann, two.bob, mail), KITH_E_FULL);
    town_free(two.town);
}

/* Of whatever messages. */
static void test_e2e_account_give__256_in_thirty_days(void **state)
{
    struct two two = two_new(2);
    struct town_mail mail = *town_send(two.ann, &two.chat, "hello");
    const struct e2e_sent sent = sent_of(&mail);
    struct e2e_resend_item item = {.seq = 1};
    const uint64_t first_ms = two.town->now_ms;
    struct e2e_account *ann = two.ann->account;

    (void)state;
    memcpy(item.chat_id, two.chat.id, sizeof item.chat_id);
    for (uint32_t i = 0; i <= E2E_GIVEN_MAX; i++) {
        kith_put_u32_be(item.msg_id, i);
        if (i == 1) two.town->now_ms++;
        assert_int_equal(
            e2e_account_give(ann, two.town->now_ms, two.bob->person->id, device_number(two.bob), &item, &sent),
            i < E2E_GIVEN_MAX ? KITH_OK : KITH_E_FULL);
    }
    town_restart(two.ann);
    ann = two.ann->account;
    two.town->now_ms = first_ms + E2E_GIVEN_MS - 1;
    assert_int_equal(give(two.ann, two.bob, &mail), KITH_E_FULL);
    two.town->now_ms++; /* the first of them counts no more */
    assert_int_equal(give(two.ann, two.bob, &mail), KITH_OK);
    assert_int_equal(give(two.ann, two.bob, &mail), KITH_E_FULL);
    town_free(two.town);
}

/* Also of the own account: none of its keys is one that the message was encrypted for. */
static void check_linked_later(int64_t clock_steps_ms)
{
    struct two two = two_new(3);
    struct town_mail *before = town_send(two.ann, &two.chat, "before"), *after;
    struct town_device *late[2];

    town_restart(two.ann);
    two.town->now_ms += (uint64_t)clock_steps_ms;
    late[0] = town_link(two.bob);
    late[1] = town_link(two.ann);
    assert_int_equal(town_fetch_list(two.ann, two.bob->person), KITH_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(give(two.ann, late[i], before), KITH_E_DENIED); /* no session */
    after = town_send(two.ann, &two.chat, "after");
    for (int i = 0; i < 2; i++) assert_int_equal(give(two.ann, late[i], before), KITH_E_DENIED);
    for (int i = 0; i < 2; i++) assert_int_equal(give(two.ann, late[i], after), KITH_OK);
    assert_int_equal(give(two.ann, two.ann, after), KITH_E_DENIED); /* itself */
    assert_int_equal(give(two.ann, two.bob, before), KITH_OK);
    town_free(two.town);
}

static void test_e2e_account_give__a_device_that_was_linked_later_gets_nothing(void **state)
{
    (void)state;
    check_linked_later(1000);
    check_linked_later(-3600 * 1000); /* what came first is no matter of clocks */
}

/* An older session says that it had the keys, archived or not, for as long as it is there. */
static void test_e2e_account_give__an_archived_session_counts_until_it_ends(void **state)
{
    struct two two = two_new(4);
    struct town_mail *mail = town_send(two.ann, &two.chat, "hello");
    struct e2e_lost broken = {.device_id = device_number(two.bob)};

    (void)state;
    memcpy(broken.account_id, two.bob->person->id, sizeof broken.account_id);
    two.town->now_ms += 1000;
    e2e_account_lost(two.ann->account, two.town->now_ms, &broken);
    (void)town_send(two.ann, &two.chat, "anew"); /* the one before is archived */
    assert_int_equal(give(two.ann, two.bob, mail), KITH_OK);
    two.town->now_ms += E2E_ARCHIVED_MS - 1;
    assert_int_equal(give(two.ann, two.bob, mail), KITH_OK);
    two.town->now_ms++;
    assert_int_equal(give(two.ann, two.bob, mail), KITH_E_DENIED);
    town_free(two.town);
}

/* Whoever asks for what was written to others, with a session of theirs as good as any. */
static void test_e2e_account_give__nobody_gets_what_was_for_others(void **state)
{
    struct two two = two_new(5);
    struct town_device *carol = town_join(two.town), *tablet = town_link(two.ann), *stranger;
    struct town_chat with_carol = town_chat_two(two.ann, carol);
    struct town_mail *mail;

    (void)state;
    (void)town_send(two.ann, &with_carol, "hello carol");
    two.town->now_ms += 1000;
    mail = town_send(two.ann, &two.chat, "for bob");
    assert_int_equal(give(two.ann, carol, mail), KITH_E_DENIED);
    assert_int_equal(give(two.ann, two.bob, mail), KITH_OK);
    assert_int_equal(give(two.ann, tablet, mail), KITH_OK); /* one of her own */
    stranger = town_join(two.town);
    assert_int_equal(give(two.ann, stranger, mail), KITH_E_DENIED); /* of whom nothing is known here */
    {
        struct e2e_sent sent = sent_of(mail);
        const struct e2e_lost lost = lost_of(mail, 0);
        sent.expires_ms = two.town->now_ms;
        assert_int_equal(e2e_account_give(two.ann->account, two.town->now_ms, two.bob->person->id,
                                          device_number(two.bob), &lost.item, &sent),
                         KITH_E_DENIED);
        sent.expires_ms++;
        assert_int_equal(e2e_account_give(two.ann->account, two.town->now_ms, two.bob->person->id,
                                          device_number(two.bob), &lost.item, &sent),
                         KITH_OK);
    }
    town_free(two.town);
}

/* Whoever is somebody else under the same id. The person may say that they know: what was before they do not get all the same. */
static void identity_changes(bool is_verified)
{
    struct two two = two_new(6);
    struct town_mail *mail = town_send(two.ann, &two.chat, "a secret"), *later;
    struct town_person *old = two.bob->person;
    struct town_device *other;

    if (is_verified) assert_int_equal(e2e_account_verify(two.ann->account, old->id, true), KITH_OK);
    assert_int_equal(give(two.ann, two.bob, mail), KITH_OK);
    two.town->now_ms += 1000;
    other = town_join_as(two.town, old->id);
    for (size_t i = 0; i < two.town->person_count; i++) /* the server knows the new one alone */
        if (two.town->people[i] == old) two.town->people[i] = other->person;
    two.town->people[--two.town->person_count] = NULL;
    assert_int_equal(town_fetch_list(two.ann, other->person), KITH_OK);
    assert_int_equal(give(two.ann, other, mail), KITH_E_DENIED);
    assert_int_equal(e2e_account_verify(two.ann->account, old->id, false), KITH_OK); /* "I have seen it" */
    assert_int_equal(give(two.ann, other, mail), KITH_E_DENIED);
    two.town->now_ms += 1000;
    later = town_send(two.ann, &two.chat, "who are you?"); /* with a session of its own */
    assert_int_equal(give(two.ann, other, mail), KITH_E_DENIED);
    assert_int_equal(give(two.ann, other, later), KITH_OK);
    town_restart(two.ann);
    assert_int_equal(give(two.ann, other, mail), KITH_E_DENIED);
    two.town->people[two.town->person_count++] = old; /* to be freed */
    town_free(two.town);
}

static void test_e2e_account_give__nothing_to_another_identity(void **state)
{
    (void)state;
    identity_changes(false);
    identity_changes(true);
}

static void test_e2e_account_give__nothing_to_who_has_two_lists(void **state)
{
    struct two two = two_new(7);
    struct town_mail *mail = town_send(two.ann, &two.chat, "hello");

    (void)state;
    assert_int_equal(
        account_person_forked(two.ann->account, account_person_find(two.ann->account, two.bob->person->id)),
        KITH_E_CONFLICT);
    assert_int_equal(give(two.ann, two.bob, mail), KITH_E_DENIED);
    town_free(two.town);
}

/* ------------------------------------------------------------------------------------------------ groups */
/* Who came later, and who came back, with a session from long before. */
static void test_e2e_account_give__who_came_later_gets_nothing_from_before(void **state)
{
    struct three three = three_new(8, 0);
    struct town_device *dan = town_join(three.town);
    struct town_chat with_dan = town_chat_two(three.ann, dan);
    struct town_mail *before, *after;

    (void)state;
    (void)town_send(three.ann, &with_dan, "hello dan");
    three.town->now_ms += 1000;
    before = town_group_send(three.ann, three.group, "without dan");
    assert_int_equal(give(three.ann, three.bob, before), KITH_OK);
    assert_int_equal(give(three.ann, dan, before), KITH_E_DENIED);
    town_group_must(three.group, three.ann, town_change(E2E_GROUP_ADD, dan, E2E_ROLE_MEMBER));
    assert_int_equal(give(three.ann, dan, before), KITH_E_DENIED);
    after = town_group_send(three.ann, three.group, "with dan");
    assert_int_equal(give(three.ann, dan, after), KITH_OK);
    town_group_must(three.group, three.ann, town_change(E2E_GROUP_REMOVE, dan, 0));
    assert_int_equal(give(three.ann, dan, after), KITH_E_DENIED);
    town_group_must(three.group, three.ann, town_change(E2E_GROUP_ADD, dan, E2E_ROLE_MEMBER));
    assert_int_equal(give(three.ann, dan, after), KITH_E_DENIED); /* there was a break */
    town_restart(three.ann);
    assert_int_equal(give(three.ann, dan, after), KITH_E_DENIED);
    assert_int_equal(give(three.ann, three.bob, after), KITH_OK);
    kith_ignore(account_group_forked(three.ann->account, account_group_find(three.ann->account, three.group->chat_id)));
    assert_int_equal(give(three.ann, three.bob, after), KITH_E_DENIED); /* nothing is sent there any more */
    town_free(three.town);
}

/* ------------------------------------------------------------------------------------------------ chains */
static struct e2e_chain_view chain_of(const struct town_device *device, const struct town_group *group)
{
    struct e2e_chain_view view;

    assert_true(e2e_account_chain(device->account, device->town->now_ms, group->chat_id, &view));
    return view;
}

/* Whoever asks, a new one is drawn once in a day; else who asks is given the one that there is. */
static void test_e2e_account_give__draws_a_new_chain_once_a_day(void **state)
{
    struct three three = three_new(9, 2);
    struct town_mail *mail = town_group_send(three.ann, three.group, "one");
    uint64_t first_ms;

    (void)state;
    assert_true(mail->is_common);
    assert_int_equal(chain_of(three.ann, three.group).reader_count, 2);
    three.town->now_ms += 1000;
    first_ms = three.town->now_ms;
    assert_int_equal(give(three.ann, three.bob, mail), KITH_OK);
    assert_int_equal(chain_of(three.ann, three.group).created_at_ms, first_ms);
    assert_int_equal(chain_of(three.ann, three.group).reader_count, 0);
    for (int i = 1; i < E2E_RESENDS_MAX; i++) /* it has not got it yet */
        assert_int_equal(give(three.ann, three.bob, mail), KITH_OK);
    assert_int_equal(chain_of(three.ann, three.group).created_at_ms, first_ms);
    town_restart(three.ann);
    group_talk(&three, 1);
    assert_int_equal(chain_of(three.ann, three.group).reader_count, 2);
    three.town->now_ms = first_ms + E2E_RESEND_MS - 1;
    assert_int_equal(give(three.ann, three.carol, mail), KITH_OK);
    assert_int_equal(chain_of(three.ann, three.group).created_at_ms, first_ms);
    assert_int_equal(chain_of(three.ann, three.group).reader_count, 1); /* it lacks it */
    town_restart(three.ann);
    group_talk(&three, 1);
    assert_int_equal(chain_of(three.ann, three.group).reader_count, 2);
    three.town->now_ms = first_ms + E2E_RESEND_MS;
    assert_int_equal(give(three.ann, three.bob, mail), KITH_E_FULL); /* whatever comes of it */
    assert_int_equal(chain_of(three.ann, three.group).created_at_ms, first_ms + E2E_RESEND_MS);
    group_talk(&three, 1);
    town_free(three.town);
}

/* Nobody who is not a member brings that about; nor does a message of a small group. */
static void test_e2e_account_give__no_stranger_draws_a_chain(void **state)
{
    struct three three = three_new(10, 2);
    struct town_device *dan = town_join(three.town);
    struct town_chat with_dan = town_chat_two(three.ann, dan);
    struct town_mail *mail;
    const uint64_t first_ms = three.town->now_ms;

    (void)state;
    (void)town_send(three.ann, &with_dan, "hello");
    mail = town_group_send(three.ann, three.group, "one");
    three.town->now_ms = first_ms + 5000;
    assert_int_equal(give(three.ann, dan, mail), KITH_E_DENIED);
    { /* a member's, but no device of theirs */
        const struct e2e_lost lost = lost_of(mail, 0);
        const struct e2e_sent sent = sent_of(mail);
        assert_int_equal(e2e_account_give(three.ann->account, three.town->now_ms, three.bob->person->id,
                                          device_number(three.bob) + 1, &lost.item, &sent),
                         KITH_E_DENIED);
    }
    assert_int_equal(chain_of(three.ann, three.group).reader_count, 2);
    assert_true(chain_of(three.ann, three.group).created_at_ms <= first_ms);
    town_free(three.town);
}

/* Who came and has not been given the chain yet asks for nothing that another one would help with. */
static void test_e2e_account_give__who_lacks_the_chain_draws_none(void **state)
{
    struct three three = three_new(12, 2);
    struct town_device *dan = town_join(three.town);
    struct town_mail *mail = town_group_send(three.ann, three.group, "one");
    const uint64_t first_ms = chain_of(three.ann, three.group).created_at_ms;

    (void)state;
    town_group_must(three.group, three.ann, town_change(E2E_GROUP_ADD, dan, E2E_ROLE_MEMBER));
    assert_int_equal(town_fetch_list(three.ann, dan->person), KITH_OK);
    three.town->now_ms += 5000;
    assert_int_equal(give(three.ann, dan, mail), KITH_E_DENIED);
    assert_int_equal(chain_of(three.ann, three.group).reader_count, 2);
    assert_int_equal(chain_of(three.ann, three.group).created_at_ms, first_ms);
    town_free(three.town);
}

/* The one that writes was put back: under its chain everything comes twice, until somebody asks. */
static void test_e2e_account_give__a_writer_that_was_put_back_draws_a_new_chain(void **state)
{
    struct three three = three_new(11, 2);
    struct kith_map older = town_records_copy(three.ann);
    struct town_mail *mail;
    bool is_lost;

    (void)state;
    group_talk(&three, 2);
    town_restart_from(three.ann, &older);
    three.town->now_ms += 1000;
    mail = town_group_send(three.ann, three.group, "said twice");
    assert_true(mail->is_common);
    assert_int_equal(open_or_lose(three.bob, mail, &is_lost), KITH_E_CONFLICT);
    assert_true(is_lost);
    assert_int_equal(open_or_lose(three.carol, mail, &is_lost), KITH_E_CONFLICT);
    assert_int_equal(ask_all(three.bob, NULL), 1);
    assert_int_equal(ask_all(three.carol, NULL), 1);
    group_talk(&three, 2);
    town_records_free(&older);
    town_free(three.town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_give__three_times_and_not_once_more),
        cmocka_unit_test(test_e2e_account_give__256_in_thirty_days),
        cmocka_unit_test(test_e2e_account_give__a_device_that_was_linked_later_gets_nothing),
        cmocka_unit_test(test_e2e_account_give__an_archived_session_counts_until_it_ends),
        cmocka_unit_test(test_e2e_account_give__nobody_gets_what_was_for_others),
        cmocka_unit_test(test_e2e_account_give__nothing_to_another_identity),
        cmocka_unit_test(test_e2e_account_give__nothing_to_who_has_two_lists),
        cmocka_unit_test(test_e2e_account_give__who_came_later_gets_nothing_from_before),
        cmocka_unit_test(test_e2e_account_give__draws_a_new_chain_once_a_day),
        cmocka_unit_test(test_e2e_account_give__no_stranger_draws_a_chain),
        cmocka_unit_test(test_e2e_account_give__who_lacks_the_chain_draws_none),
        cmocka_unit_test(test_e2e_account_give__a_writer_that_was_put_back_draws_a_new_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
