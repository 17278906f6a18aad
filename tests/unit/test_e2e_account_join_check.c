#include "e2e_club.h"
#include "libkith/e2ee/group_parts.h"

/* Whom a device lets in that asks by its group's link, and whom not. */

static void made_at(struct e2e_join_request *request, uint64_t with)
{
    request->made_at_ms = with;
}
static void known_seq(struct e2e_join_request *request, uint64_t with)
{
    request->known_seq = with;
}
static void other_device(struct e2e_join_request *request, uint64_t with)
{
    request->device_id += (uint32_t)with;
}
static void other_list_seq(struct e2e_join_request *request, uint64_t with)
{
    request->list_seq += with;
}
static void other_list_hash(struct e2e_join_request *request, uint64_t with)
{
    request->list_hash[0] ^= (uint8_t)with;
}

/* What comes of such a request of Dan's, at Ann's. Nothing is kept but lists. */
static kith_err check_with(const struct club *club, const struct e2e_join_link *link,
                           void (*change)(struct e2e_join_request *request, uint64_t with), uint64_t with)
{
    struct kith_buf request = club_request(club->dan, link, change, with);
    kith_err err = club_check_err(club, club->ann, &request);

    kith_buf_deinit(&request);
    return err;
}

static void test_e2e_account_join_check__who_lets_in(void **state)
{
    struct club club = club_new(40);
    struct e2e_join_link link = town_group_link(club.group, club.ann), other = link;
    struct kith_buf request = town_join_ask(club.dan, &link), of_bob = club_request(club.bob, &link, NULL, 0);
    struct town_device *fresh = town_device_new(club.ann->person);
    struct town_group nowhere = {.chat_id = {9}};

    (void)state;
    club_meet(&club);
    assert_int_equal(club_check_err(&club, club.ann, &request), KITH_OK);
    assert_int_equal(club_check_err(&club, club.tablet, &request), KITH_OK);
    assert_int_equal(club_check_err(&club, club.bob, &request), KITH_OK);
    assert_int_equal(club_check_err(&club, club.carol, &request), KITH_E_CLOSED);
    assert_int_equal(club_check_err(&club, fresh, &request), KITH_E_CLOSED);
    assert_int_equal(club_check_err(&club, club.dan, &request), KITH_E_NOTFOUND);
    assert_int_equal(town_join_check(club.ann, &nowhere, kith_buf_peek(&request)), KITH_E_NOTFOUND);
    assert_int_equal(town_join_check(club.ann, club.group, kith_slice_str("x")), KITH_E_MALFORMED);
    assert_int_equal(club_check_err(&club, club.ann, &of_bob), KITH_E_CONFLICT); /* who is in it */
    other.secret[0] ^= 1;
    assert_int_equal(check_with(&club, &other, NULL, 0), KITH_E_DENIED);
    other = link;
    other.chat_id[0] ^= 1;
    assert_int_equal(check_with(&club, &other, NULL, 0), KITH_E_DENIED);
    assert_int_equal(club_asked_err(&club, club.dan, club.dan, &request), KITH_E_DENIED); /* he knows of no group */
    /* Nobody is let in where two heads were shown. */
    (void)account_group_forked(club.ann->account, account_group_find(club.ann->account, club.group->chat_id));
    assert_int_equal(club_check_err(&club, club.ann, &request), KITH_E_CLOSED);
    assert_int_equal(club_link_err(&club, club.ann), KITH_E_NOTFOUND);
    kith_buf_deinit(&request);
    kith_buf_deinit(&of_bob);
    town_free(club.town);
}

/* As old as it may be, and as far ahead, and one more. */
static void test_e2e_account_join_check__what_was_asked_lately(void **state)
{
    struct club club = club_new(41);
    struct e2e_join_link link = town_group_link(club.group, club.ann);
    const uint64_t now = club.town->now_ms;

    (void)state;
    assert_int_equal(check_with(&club, &link, made_at, now), KITH_OK);
    assert_int_equal(check_with(&club, &link, made_at, now - E2E_JOIN_LIFE_MS), KITH_OK);
    assert_int_equal(check_with(&club, &link, made_at, now - E2E_JOIN_LIFE_MS - 1), KITH_E_DENIED);
    assert_int_equal(check_with(&club, &link, made_at, 0), KITH_E_DENIED);
    assert_int_equal(check_with(&club, &link, made_at, now + E2E_JOIN_AHEAD_MS), KITH_OK);
    assert_int_equal(check_with(&club, &link, made_at, now + E2E_JOIN_AHEAD_MS + 1), KITH_E_DENIED);
    assert_int_equal(check_with(&club, &link, made_at, UINT64_MAX), KITH_E_DENIED);
    town_free(club.town);
}

static void test_e2e_account_join_check__a_device_of_the_askers(void **state)
{
    struct club club = club_new(42);
    struct e2e_join_link link = town_group_link(club.group, club.ann);

    (void)state;
    assert_int_equal(check_with(&club, &link, other_list_seq, 1), KITH_E_DENIED);
    assert_int_equal(check_with(&club, &link, other_list_hash, 1), KITH_E_DENIED);
    assert_int_equal(check_with(&club, &link, other_device, 1), KITH_E_DENIED);
    /* Another device of his: it did not sign. */
    assert_int_equal(check_with(&club, &link, other_device,
                                (uint32_t)(club.laptop->account->self.device_id - club.dan->account->self.device_id)),
                     KITH_E_DENIED);
    /* A list that is newer than the one that it names is as good, while the device is in it. */
    assert_int_equal(check_with(&club, &link, other_list_seq, (uint64_t)-1), KITH_OK);
    assert_int_equal(check_with(&club, &link, NULL, 0), KITH_OK);
    town_free(club.town);
}

static kith_err check_once(const struct club *club, const struct kith_buf *request, bool is_fresh,
                           struct e2e_wants *wants)
{
    return e2e_account_join_check(club->ann->account, club->town->now_ms, club->group->chat_id, kith_buf_peek(request),
                                  is_fresh, wants);
}

/* Whose list is not known, or not the newest: it is fetched first. */
static void test_e2e_account_join_check__fetches_the_askers_list(void **state)
{
    struct club club = club_new(43);
    struct e2e_join_link link = town_group_link(club.group, club.ann);
    struct kith_buf request = club_request(club.laptop, &link, NULL, 0);
    struct e2e_wants *wants = calloc(1, sizeof *wants);

    (void)state;
    assert_non_null(wants);
    assert_int_equal(check_once(&club, &request, false, wants), KITH_E_AGAIN);
    assert_int_equal(wants->count, 1);
    assert_int_equal(wants->items[0].kind, E2E_WANT_LIST);
    assert_memory_equal(wants->items[0].account_id, club.dan->person->id, E2E_ACCOUNT_ID_BYTES);
    assert_int_equal(check_once(&club, &request, true, wants), KITH_E_DENIED); /* the server has none */
    assert_int_equal(wants->count, 0);
    assert_int_equal(town_fetch_list(club.ann, club.dan->person), KITH_OK);
    assert_int_equal(check_once(&club, &request, false, wants), KITH_OK);

    /* The device is gone from the newest list, which is known to be there and is not here yet. */
    assert_int_equal(e2e_account_remove_device(club.dan->account, club.town->now_ms, club.laptop->server_device),
                     KITH_OK);
    town_upload(club.dan);
    assert_int_equal(check_once(&club, &request, false, wants), KITH_OK);
    e2e_account_stale(club.ann->account, club.dan->person->id);
    assert_int_equal(check_once(&club, &request, false, wants), KITH_E_AGAIN);
    town_fetch(club.ann, wants);
    assert_int_equal(check_once(&club, &request, false, wants), KITH_E_DENIED);
    kith_buf_deinit(&request);
    free(wants);
    town_free(club.town);
}

/* It was put into the list, and has not said so itself. */
static void test_e2e_account_join_check__a_device_that_has_not_accepted(void **state)
{
    struct club club = club_new(44);
    struct e2e_join_link link = town_group_link(club.group, club.ann);
    struct kith_buf request = club_request(club.laptop, &link, NULL, 0);
    struct person *dan;

    (void)state;
    assert_int_equal(town_fetch_list(club.ann, club.dan->person), KITH_OK);
    dan = account_person_find(club.ann->account, club.dan->person->id);
    for (uint32_t i = 0; i < dan->list->device_count; i++) dan->list->devices[i].is_accepted = false;
    assert_int_equal(club_check_err(&club, club.ann, &request), KITH_OK); /* the acceptance came with the next fetch */
    for (uint32_t i = 0; i < dan->list->device_count; i++) dan->list->devices[i].is_accepted = false;
    {
        struct e2e_wants *wants = calloc(1, sizeof *wants);
        assert_non_null(wants);
        assert_int_equal(check_once(&club, &request, true, wants), KITH_E_DENIED);
        free(wants);
    }
    kith_buf_deinit(&request);
    town_free(club.town);
}

/* To whom nothing would be sent: what is written to the group would wait for them. */
static void test_e2e_account_join_check__nobody_of_whom_one_is_warned(void **state)
{
    static const enum e2e_trust trusts[] = {E2E_TRUST_KNOWN, E2E_TRUST_VERIFIED, E2E_TRUST_CHANGED, E2E_TRUST_FORKED};
    struct club club = club_new(45);
    struct e2e_join_link link = town_group_link(club.group, club.ann);
    struct kith_buf request = town_join_ask(club.dan, &link);

    (void)state;
    assert_int_equal(town_fetch_list(club.ann, club.dan->person), KITH_OK);
    for (size_t i = 0; i < sizeof trusts / sizeof trusts[0]; i++) {
        account_person_find(club.ann->account, club.dan->person->id)->trust = trusts[i];
        assert_int_equal(club_check_err(&club, club.ann, &request),
                         trusts[i] < E2E_TRUST_CHANGED ? KITH_OK : KITH_E_DENIED);
    }
    kith_buf_deinit(&request);
    town_free(club.town);
}

/* One who left is let in by what they asked knowing that; of more than 64 that left since nobody knows it any more. */
static void test_e2e_account_join_check__what_they_asked_before_they_left(void **state)
{
    struct club club = club_new(46);
    struct e2e_join_link link;
    uint64_t left_at;

    (void)state;
    town_group_must(club.group, club.ann, town_change(E2E_GROUP_ADD, club.dan, E2E_ROLE_MEMBER));
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    town_group_must(club.group, club.dan, town_change(E2E_GROUP_LEAVE, NULL, 0));
    left_at = club.group->op_count;
    link = town_group_link(club.group, club.ann);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(check_with(&club, &link, NULL, 0), KITH_E_DENIED);
        assert_int_equal(check_with(&club, &link, known_seq, left_at - 1), KITH_E_DENIED);
        assert_int_equal(check_with(&club, &link, known_seq, left_at), KITH_OK);
        assert_int_equal(check_with(&club, &link, known_seq, UINT64_MAX), KITH_OK);
        town_restart(club.ann);
    }
    town_free(club.town);
}

/* With as many members as a group may have, in the place of the club's; room: for so many more. */
static void fill_up(const struct club *club, uint32_t room)
{
    struct group_place *place = account_group_find(club->ann->account, club->group->chat_id);
    struct e2e_group *large = e2e_group_new(E2E_GROUP_MEMBERS_MAX);
    struct e2e_group_member *members;

    assert_non_null(large);
    members = e2e_group_room(large);
    *large = *place->group;
    large->members = members;
    memcpy(members, place->group->members, place->group->member_count * sizeof members[0]);
    for (; large->member_count < E2E_GROUP_MEMBERS_MAX - room; large->member_count++) {
        members[large->member_count] = (struct e2e_group_member){.role = E2E_ROLE_MEMBER, .since = 1};
        memset(members[large->member_count].account_id, 0xff, E2E_ACCOUNT_ID_BYTES);
        kith_put_u32_be(members[large->member_count].account_id + 12, large->member_count);
    }
    assert_non_null(account_group_put(club->ann->account, club->group->chat_id, large, false));
}

static void test_e2e_account_join_check__as_many_as_a_group_may_have_and_one_more(void **state)
{
    struct club club = club_new(47);
    struct e2e_join_link link = town_group_link(club.group, club.ann);
    struct kith_buf request = town_join_ask(club.dan, &link);

    (void)state;
    assert_int_equal(town_fetch_list(club.ann, club.dan->person), KITH_OK);
    fill_up(&club, 1);
    assert_int_equal(club_check_err(&club, club.ann, &request), KITH_OK);
    fill_up(&club, 0);
    assert_int_equal(club_check_err(&club, club.ann, &request), KITH_E_FULL);
    kith_buf_deinit(&request);
    town_free(club.town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_join_check__who_lets_in),
        cmocka_unit_test(test_e2e_account_join_check__what_was_asked_lately),
        cmocka_unit_test(test_e2e_account_join_check__a_device_of_the_askers),
        cmocka_unit_test(test_e2e_account_join_check__fetches_the_askers_list),
        cmocka_unit_test(test_e2e_account_join_check__a_device_that_has_not_accepted),
        cmocka_unit_test(test_e2e_account_join_check__nobody_of_whom_one_is_warned),
        cmocka_unit_test(test_e2e_account_join_check__what_they_asked_before_they_left),
        cmocka_unit_test(test_e2e_account_join_check__as_many_as_a_group_may_have_and_one_more),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
