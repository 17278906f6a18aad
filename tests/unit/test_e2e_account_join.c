#include "e2e_club.h"

/* Invite links of whole accounts: made, asked with, let in by, and over. Who is let in: test_e2e_account_join_check.c. */

/* ---------------------------------------------------------------------------------------------- from the link to the first message */
/* The whole way, all devices killed behind every step of it if `restarts`. */
static void come_by_link(uint64_t seed, bool restarts)
{
    struct club club = club_new(seed);
    uint8_t text[E2E_JOIN_LINK_BYTES];
    struct e2e_join_link link = town_group_link(club.group, club.ann), read;
    const struct town_device *members[] = {club.ann, club.tablet, club.bob, club.carol};
    struct kith_buf request;

    if (restarts) club_restart_all(&club);
    club_meet(&club);
    e2e_join_link_encode(&link, text);
    assert_int_equal(e2e_join_link_decode(kith_slice_of(text, sizeof text), &read), KITH_OK);
    assert_memory_equal(read.chat_id, club.group->chat_id, sizeof read.chat_id);
    request = town_join_ask(club.dan, &read);
    assert_int_equal(club_records_of(club.dan, 'A'), 1);
    if (restarts) club_restart_all(&club);
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(club_asked_err(&club, members[i], club.dan, &request), KITH_OK);
        assert_int_equal(club_asked_err(&club, members[i], club.carol, &request), KITH_E_DENIED);
    }
    assert_int_equal(town_join_let_in(club.group, club.bob, kith_buf_peek(&request)), KITH_OK);
    if (restarts) club_restart_all(&club);
    club_meet(&club);
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    assert_int_equal(town_group_fetch(club.laptop, club.group),
                     KITH_OK); /* it asked for nothing, and is in it as well */
    if (restarts) club_restart_all(&club);
    assert_true(club_is_member(&club, club.dan) && club_is_member(&club, club.laptop));
    assert_true(town_group_same(club.dan, club.ann, club.group) && town_group_same(club.laptop, club.ann, club.group));
    assert_int_equal(e2e_group_find(town_group_view(club.ann, club.group).group, club.dan->person->id)->role,
                     E2E_ROLE_MEMBER);
    assert_int_equal(club_records_of(club.dan, 'A'), 0);
    (void)town_group_send(club.carol, club.group, "welcome");
    assert_int_equal(town_read(club.dan) > 0 && town_read(club.laptop) > 0, true);
    assert_string_equal(town_group_name(club.dan, club.group), "the club");
    (void)town_group_send(club.dan, club.group, "thanks");
    club_meet(&club);
    /* It holds for who comes next. */
    assert_int_equal(club_link_err(&club, club.ann), KITH_OK);
    kith_buf_deinit(&request);
    town_free(club.town);
}

static void test_e2e_account_join__lets_in_who_has_the_link(void **state)
{
    (void)state;
    come_by_link(1, false);
}

static void test_e2e_account_join__over_restarts_behind_every_step(void **state)
{
    (void)state;
    come_by_link(2, true);
}

/* ---------------------------------------------------------------------------------------------- whose link it is */
static void test_e2e_account_join__is_shown_by_who_made_it(void **state)
{
    struct club club = club_new(3);
    struct e2e_group_change change = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);
    struct e2e_join_link link, again;
    uint8_t key[E2E_SIGN_PUBLIC_BYTES];

    (void)state;
    assert_int_equal(club_link_err(&club, club.ann), KITH_E_NOTFOUND);
    assert_int_equal(club_link_err(&club, club.dan), KITH_E_NOTFOUND);
    club_meet(&club);
    assert_int_equal(town_group_try(club.group, club.carol, &change), KITH_E_DENIED); /* a member */
    assert_int_equal(club_records_of(club.carol, 'J'), 0);
    link = town_group_link(club.group, club.bob);
    club_meet(&club);
    e2e_join_key(&link, key);
    assert_memory_equal(key, town_group_view(club.ann, club.group).group->join_key, sizeof key);
    assert_memory_equal(link.op_hash, town_group_view(club.ann, club.group).group->heads[0], sizeof link.op_hash);
    assert_int_equal(club_link_err(&club, club.bob), KITH_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(club_link_err(&club, club.ann), KITH_E_DENIED);
        assert_int_equal(club_link_err(&club, club.carol), KITH_E_DENIED);
        assert_int_equal(club_link_err(&club, club.dan), KITH_E_NOTFOUND);
        club_restart_all(&club);
    }
    /* The same one, long after its operation is among those that are remembered. */
    for (int i = 0; i < E2E_GROUP_HEADS_MAX; i++)
        town_group_must(club.group, club.ann, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    club_meet(&club);
    town_restart(club.bob);
    assert_int_equal(e2e_account_join_link(club.bob->account, club.group->chat_id, &again), KITH_OK);
    assert_memory_equal(&again, &link, sizeof link);
    town_free(club.town);
}

/* Each of these ends it: then nobody shows it, nobody is let in by it, and its secret is gone. */
static void ends(uint64_t seed, struct e2e_group_change (*end)(struct club *club), bool by_maker)
{
    struct club club = club_new(seed);
    struct e2e_join_link link = town_group_link(club.group, club.bob);
    struct kith_buf request = town_join_ask(club.dan, &link);

    club_meet(&club);
    assert_int_equal(club_check_err(&club, club.ann, &request), KITH_OK);
    assert_int_equal(club_records_of(club.bob, 'J'), 1);
    town_group_must(club.group, by_maker ? club.bob : club.ann, end(&club));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(town_group_fetch(club.ann, club.group), KITH_OK);
        assert_int_equal(town_group_fetch(club.bob, club.group), KITH_OK);
        assert_int_equal(club_check_err(&club, club.ann, &request), KITH_E_DENIED);
        assert_int_equal(club_asked_err(&club, club.ann, club.dan, &request), KITH_E_DENIED);
        assert_int_not_equal(club_link_err(&club, club.bob), KITH_OK);
        assert_int_equal(club_records_of(club.bob, 'J'), 0);
        assert_int_equal(club.bob->account->links.count, 0);
        club_restart_all(&club);
    }
    kith_buf_deinit(&request);
    town_free(club.town);
}

static struct e2e_group_change end_of_it(struct club *club)
{
    struct e2e_group_change change = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);

    (void)club;
    change.ends = true;
    return change;
}
static struct e2e_group_change another(struct club *club)
{
    (void)club;
    return town_change(E2E_GROUP_JOIN_KEY, NULL, 0);
}
static struct e2e_group_change remove_carol(struct club *club)
{
    return town_change(E2E_GROUP_REMOVE, club->carol, 0);
}

static void test_e2e_account_join__is_over_when_an_operation_says_so(void **state)
{
    (void)state;
    ends(10, end_of_it, false);
    ends(11, end_of_it, true);
    ends(12, another, false);
    ends(13, remove_carol, false);
    ends(14, remove_carol, true);
}

/* What does not concern it is written without it: a store is not asked to keep a secret again and again. */
static void test_e2e_account_join__is_written_when_it_changes(void **state)
{
    struct club club = club_new(17);
    struct e2e_group_change end = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);
    uint64_t writes;

    (void)state;
    (void)town_group_link(club.group, club.ann);
    club_meet(&club);
    for (int i = 0; i < 2; i++) {
        town_group_must(club.group, club.bob, town_change(E2E_GROUP_SETTINGS, NULL, 0));
        writes = club.ann->writes;
        assert_int_equal(town_group_fetch(club.ann, club.group), KITH_OK);
        assert_int_equal(club.ann->writes, writes + 1); /* the group */
        town_restart(club.ann);
    }
    end.ends = true;
    town_group_must(club.group, club.bob, end);
    writes = club.ann->writes;
    assert_int_equal(town_group_fetch(club.ann, club.group), KITH_OK);
    assert_int_equal(club.ann->writes, writes + 2);
    town_free(club.town);
}

/* For the group it goes on, but not for who made it. */
static void test_e2e_account_join__is_kept_by_nobody_who_left(void **state)
{
    struct club club = club_new(15);
    struct e2e_join_link link = town_group_link(club.group, club.bob);
    struct kith_buf request = town_join_ask(club.dan, &link);

    (void)state;
    town_group_must(club.group, club.bob, town_change(E2E_GROUP_LEAVE, NULL, 0));
    assert_int_equal(club_link_err(&club, club.bob), KITH_E_NOTFOUND);
    assert_int_equal(club_records_of(club.bob, 'J'), 0);
    club_meet(&club);
    assert_int_equal(town_join_let_in(club.group, club.ann, kith_buf_peek(&request)), KITH_OK);
    kith_buf_deinit(&request);
    town_free(club.town);
}

/* A new one by the same device: the one before goes with it, and only then. */
static void test_e2e_account_join__makes_another_in_its_place(void **state)
{
    struct club club = club_new(16);
    struct e2e_join_link first = town_group_link(club.group, club.ann), second;
    struct kith_buf of_first = town_join_ask(club.dan, &first), of_second;

    (void)state;
    second = town_group_link(club.group, club.ann);
    assert_memory_not_equal(first.secret, second.secret, sizeof first.secret);
    assert_memory_not_equal(first.op_hash, second.op_hash, sizeof first.op_hash);
    assert_int_equal(club_records_of(club.ann, 'J'), 1);
    club_meet(&club);
    of_second = town_join_ask(club.dan, &second);
    assert_int_equal(club_check_err(&club, club.bob, &of_first), KITH_E_DENIED);
    assert_int_equal(club_check_err(&club, club.bob, &of_second), KITH_OK);
    kith_buf_deinit(&of_first);
    kith_buf_deinit(&of_second);
    town_free(club.town);
}

/* ---------------------------------------------------------------------------------------------- on its way */
static void make_only(const struct club *club, struct town_device *by, struct kith_buf *op)
{
    const struct e2e_group_change change = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);
    uint64_t seq = 0;

    kith_buf_init(op, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_account_group_make(by->account, club->town->now_ms, club->group->chat_id, &change, op, &seq),
                     KITH_OK);
}

static void test_e2e_account_join__keeps_the_secret_until_its_place_is_taken(void **state)
{
    struct club club = club_new(20);
    struct e2e_join_link first = town_group_link(club.group, club.ann), now;
    struct e2e_group_op op, remade;
    struct kith_buf lost, again;

    (void)state;
    make_only(&club, club.ann, &lost);
    town_restart(club.ann);
    /* What came of it nobody knows: the operation that is made again for the same place has the same key. */
    make_only(&club, club.ann, &again);
    assert_int_equal(e2e_group_op_decode(kith_buf_peek(&lost), &op), KITH_OK);
    assert_int_equal(e2e_group_op_decode(kith_buf_peek(&again), &remade), KITH_OK);
    assert_memory_equal(op.join_key, remade.join_key, sizeof op.join_key);
    assert_int_equal(club_records_of(club.ann, 'J'), 1);
    /* The one that holds is shown until then. */
    assert_int_equal(e2e_account_join_link(club.ann->account, club.group->chat_id, &now), KITH_OK);
    assert_memory_equal(&now, &first, sizeof now);
    town_group_put(club.group, kith_buf_peek(&lost));
    assert_int_equal(town_group_fetch(club.ann, club.group), KITH_OK);
    assert_int_equal(e2e_account_join_link(club.ann->account, club.group->chat_id, &now), KITH_OK);
    assert_memory_equal(now.op_hash, op.hash, sizeof now.op_hash);
    kith_buf_deinit(&lost);
    kith_buf_deinit(&again);

    /* Another operation is in its place: nobody will ever see the key. */
    first = now;
    make_only(&club, club.ann, &lost);
    assert_int_equal(town_group_fetch(club.bob, club.group), KITH_OK);
    town_group_must(club.group, club.bob, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    assert_int_equal(town_group_fetch(club.ann, club.group), KITH_OK);
    assert_int_equal(e2e_account_join_link(club.ann->account, club.group->chat_id, &now), KITH_OK);
    assert_memory_equal(&now, &first, sizeof now);
    make_only(&club, club.ann, &again);
    assert_int_equal(e2e_group_op_decode(kith_buf_peek(&lost), &op), KITH_OK);
    assert_int_equal(e2e_group_op_decode(kith_buf_peek(&again), &remade), KITH_OK);
    assert_memory_not_equal(op.join_key, remade.join_key, sizeof op.join_key);
    town_group_must(club.group, club.bob, town_change(E2E_GROUP_REMOVE, club.carol, 0));
    assert_int_equal(town_group_fetch(club.ann, club.group), KITH_OK);
    assert_int_equal(club_records_of(club.ann, 'J'), 0);
    kith_buf_deinit(&lost);
    kith_buf_deinit(&again);
    town_free(club.town);
}

/* Another was quicker each time: it is the operation that the server took whose link is shown. */
static void test_e2e_account_join__a_link_of_two_at_once(void **state)
{
    struct club club = club_new(21);
    struct e2e_join_link of_ann, of_bob;

    (void)state;
    club_meet(&club);
    of_bob = town_group_link(club.group, club.bob);
    of_ann = town_group_link(club.group, club.ann); /* she had not heard of it */
    club_meet(&club);
    assert_memory_equal(of_ann.op_hash, town_group_view(club.bob, club.group).group->heads[0], sizeof of_ann.op_hash);
    assert_memory_not_equal(&of_ann, &of_bob, sizeof of_ann);
    assert_int_equal(club_link_err(&club, club.bob), KITH_E_DENIED);
    assert_int_equal(club_records_of(club.bob, 'J'), 0);
    town_free(club.town);
}

static void test_e2e_account_join__as_many_links_as_groups_and_one_more(void **state)
{
    struct club club = club_new(22);
    const struct e2e_group_change change = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);
    struct e2e_account *account = club.ann->account;
    uint8_t chat[E2E_ID_BYTES] = {0xff};
    struct own_links *links = NULL;
    struct kith_buf op;
    uint64_t seq = 0;

    (void)state;
    for (uint32_t i = 0; i < E2E_GROUPS_MAX; i++) {
        kith_put_u32_be(chat + 4, i);
        assert_int_equal(account_links_put(account, chat, &links), KITH_OK);
    }
    kith_buf_init(&op, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_account_group_make(account, club.town->now_ms, club.group->chat_id, &change, &op, &seq),
                     KITH_E_FULL);
    assert_int_equal(kith_buf_len(&op), 0);
    assert_int_equal(seq, 0);
    kith_buf_deinit(&op);
    town_free(club.town);
}

/* ---------------------------------------------------------------------------------------------- asking */
static void test_e2e_account_join__who_may_not_ask(void **state)
{
    struct club club = club_new(30);
    struct e2e_join_link link = town_group_link(club.group, club.ann);
    struct town_device *fresh = town_device_new(club.dan->person);
    uint64_t writes;
    struct kith_buf out;

    (void)state;
    club_meet(&club);
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_account_join_ask(club.bob->account, TOWN_NOW, &link, &out), KITH_E_CONFLICT);
    assert_int_equal(e2e_account_join_ask(fresh->account, TOWN_NOW, &link, &out), KITH_E_CLOSED);
    /* Its list is not where the others could look it up. */
    writes = club.dan->writes;
    club.dan->account->self.list_unsent = true;
    assert_int_equal(e2e_account_join_ask(club.dan->account, TOWN_NOW, &link, &out), KITH_E_AGAIN);
    club.dan->account->self.list_unsent = false;
    assert_int_equal(club.dan->writes, writes);
    assert_int_equal(kith_buf_len(&out), 0);
    kith_buf_deinit(&out);
    kith_buf_init(&out, 100); /* too little room: nothing is kept */
    assert_int_equal(e2e_account_join_ask(club.dan->account, TOWN_NOW, &link, &out), KITH_E_TOOBIG);
    assert_int_equal(club.dan->writes, writes);
    kith_buf_deinit(&out);
    /* Where two heads were shown nothing is asked: that it is known of goes on. */
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    (void)account_group_forked(club.dan->account, account_group_find(club.dan->account, club.group->chat_id));
    assert_int_equal(e2e_account_join_ask(club.dan->account, TOWN_NOW, &link, &out), KITH_E_DENIED);
    assert_true(town_group_view(club.dan, club.group).is_forked);
    kith_buf_deinit(&out);
    town_free(club.town);
}

static void test_e2e_account_join__asks_so_many_groups_and_one_more(void **state)
{
    struct club club = club_new(31);
    struct e2e_join_link link = town_group_link(club.group, club.ann), other = link;
    struct kith_buf out;
    uint64_t writes;

    (void)state;
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    for (uint32_t i = 0; i < E2E_JOINS_MAX; i++) {
        kith_buf_reset(&out);
        kith_put_u32_be(other.chat_id, i);
        assert_int_equal(e2e_account_join_ask(club.dan->account, TOWN_NOW, &other, &out), KITH_OK);
    }
    kith_buf_reset(&out);
    assert_int_equal(e2e_account_join_ask(club.dan->account, TOWN_NOW, &link, &out), KITH_E_FULL);
    assert_int_equal(kith_buf_len(&out), 0);
    assert_int_equal(e2e_account_join_ask(club.dan->account, TOWN_NOW, &other, &out), KITH_OK); /* that one again */
    kith_buf_reset(&out);
    assert_int_equal(club_records_of(club.dan, 'A'), E2E_JOINS_MAX);
    town_restart(club.dan);
    e2e_account_join_forget(club.dan->account, other.chat_id);
    writes = club.dan->writes;
    e2e_account_join_forget(club.dan->account, other.chat_id); /* which is none any more */
    assert_int_equal(club.dan->writes, writes);
    assert_int_equal(club_records_of(club.dan, 'A'), E2E_JOINS_MAX - 1);
    assert_int_equal(e2e_account_join_ask(club.dan->account, TOWN_NOW, &link, &out), KITH_OK);
    kith_buf_deinit(&out);
    town_free(club.town);
}

/* Added by hand, and asks by a link that was made behind that, of which the device has read nothing yet: it is in with the link's operation. */
static void test_e2e_account_join__was_added_before_the_link_was_made(void **state)
{
    struct club club = club_new(33);
    struct e2e_join_link link;
    struct kith_buf request;

    (void)state;
    town_group_must(club.group, club.ann, town_change(E2E_GROUP_ADD, club.dan, E2E_ROLE_MEMBER));
    link = town_group_link(club.group, club.ann);
    request = town_join_ask(club.dan, &link);
    for (size_t i = 0; i < club.group->op_count; i++) {
        assert_false(club_is_member(&club, club.dan));
        town_restart(club.dan);
        assert_int_equal(town_group_give(club.dan, club.group, kith_buf_peek(&club.group->ops[i])), KITH_OK);
    }
    assert_true(club_is_member(&club, club.dan));
    assert_int_equal(club_records_of(club.dan, 'A'), 0);
    town_restart(club.dan);
    assert_true(club_is_member(&club, club.dan));
    kith_buf_deinit(&request);
    town_free(club.town);
}

/* Whoever waits for nothing any more comes in as anybody does who is added. */
static void test_e2e_account_join__forgets_what_it_asked(void **state)
{
    struct club club = club_new(32);
    struct e2e_join_link link = town_group_link(club.group, club.ann);
    struct kith_buf request;

    (void)state;
    link.op_hash[0] ^= 1; /* it leads to no group that there is */
    request = town_join_ask(club.dan, &link);
    town_group_must(club.group, club.ann, town_change(E2E_GROUP_ADD, club.dan, E2E_ROLE_MEMBER));
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    assert_false(club_is_member(&club, club.dan));
    assert_int_equal(town_group_try_send(club.dan, club.group), KITH_E_CLOSED);
    e2e_account_join_forget(club.dan->account, club.group->chat_id);
    town_restart(club.dan);
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    assert_true(club_is_member(&club, club.dan));
    kith_buf_deinit(&request);
    town_free(club.town);
}

/* What a server gave of the group before is read again, so that the operation that the link names is found. */
static void test_e2e_account_join__reads_anew_what_it_read_before(void **state)
{
    struct club club = club_new(33);
    struct e2e_join_link link = town_group_link(club.group, club.ann);
    struct kith_buf request;

    (void)state;
    for (int i = 0; i < E2E_GROUP_HEADS_MAX; i++)
        town_group_must(club.group, club.ann, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    assert_int_equal(club_records_of(club.dan, 'G'), 1);
    request = town_join_ask(club.dan, &link);
    assert_int_equal(club_records_of(club.dan, 'G'), 0);
    assert_int_equal(town_join_let_in(club.group, club.ann, kith_buf_peek(&request)), KITH_OK);
    for (size_t i = 0; !club_is_member(&club, club.dan); i++) {
        assert_int_equal(town_group_give(club.dan, club.group, kith_buf_peek(&club.group->ops[i])), KITH_OK);
        town_restart(club.dan); /* that it was met is kept, too */
    }
    assert_int_equal(club_records_of(club.dan, 'A'), 0);
    kith_buf_deinit(&request);
    town_free(club.town);
}

/* Who was in it remembers the link's operation, and by that knows that it is that group: nothing is waited for. */
static void test_e2e_account_join__who_left_comes_back(void **state)
{
    struct club club = club_new(34);
    struct e2e_join_link link = town_group_link(club.group, club.ann);
    struct kith_buf request = town_join_ask(club.dan, &link), again;
    struct e2e_join_request asked;

    (void)state;
    assert_int_equal(town_join_let_in(club.group, club.ann, kith_buf_peek(&request)), KITH_OK);
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    town_group_must(club.group, club.dan, town_change(E2E_GROUP_LEAVE, NULL, 0));
    club_meet(&club);
    assert_int_equal(club_check_err(&club, club.ann, &request), KITH_E_DENIED); /* what he asked before he left */
    again = town_join_ask(club.dan, &link);
    assert_int_equal(club_records_of(club.dan, 'A'), 0);
    assert_int_equal(e2e_join_decode(kith_buf_peek(&again), &asked), KITH_OK);
    assert_int_equal(asked.known_seq, club.group->op_count);
    assert_int_equal(town_join_let_in(club.group, club.ann, kith_buf_peek(&again)), KITH_OK);
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    assert_true(club_is_member(&club, club.dan));
    kith_buf_deinit(&request);
    kith_buf_deinit(&again);
    town_free(club.town);
}

/* The link was made when Dan was in it no more: he waits for its operation, and verifies all signatures before it, too. */
static void test_e2e_account_join__who_left_comes_back_by_a_newer_link(void **state)
{
    struct club club = club_new(35);
    struct e2e_join_link link;
    struct kith_buf request, bad;

    (void)state;
    town_group_must(club.group, club.ann, town_change(E2E_GROUP_ADD, club.dan, E2E_ROLE_MEMBER));
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    town_group_must(club.group, club.dan, town_change(E2E_GROUP_LEAVE, NULL, 0));
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    link = town_group_link(club.group, club.ann);
    request = town_join_ask(club.dan, &link);
    assert_int_equal(club_records_of(club.dan, 'A'), 1);
    assert_int_equal(club_records_of(club.dan, 'G'), 1); /* what he knows of it is not read anew */
    town_restart(club.dan);
    assert_int_equal(town_join_let_in(club.group, club.ann, kith_buf_peek(&request)), KITH_OK);
    kith_buf_init(&bad, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(kith_buf_append(&bad, kith_buf_peek(&club.group->ops[club.group->op_count - 2])), KITH_OK);
    bad.ptr[bad.tail - 1] ^= 1; /* the link's own operation, by nobody */
    assert_int_equal(town_group_give(club.dan, club.group, kith_buf_peek(&bad)), KITH_E_DENIED);
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    assert_true(club_is_member(&club, club.dan));
    assert_int_equal(club_records_of(club.dan, 'A'), 0);
    kith_buf_deinit(&bad);
    kith_buf_deinit(&request);
    town_free(club.town);
}

/* As many operations as are remembered, and one more: then nobody can tell whether it is the link's group, in it or behind it. */
static void test_e2e_account_join__a_link_is_remembered_so_long(void **state)
{
    struct club club = club_new(36);
    struct e2e_join_link link;
    struct kith_buf out;
    uint64_t writes;

    (void)state;
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    town_group_must(club.group, club.ann, town_change(E2E_GROUP_ADD, club.dan, E2E_ROLE_MEMBER));
    link = town_group_link(club.group, club.ann);
    for (int i = 0; i < E2E_GROUP_HEADS_MAX - 2; i++)
        town_group_must(club.group, club.ann, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    club_meet(&club);
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    town_group_must(club.group, club.dan, town_change(E2E_GROUP_LEAVE, NULL, 0));
    club_meet(&club);
    assert_int_equal(e2e_account_join_ask(club.bob->account, TOWN_NOW, &link, &out), KITH_E_CONFLICT);
    assert_int_equal(e2e_account_join_ask(club.dan->account, TOWN_NOW, &link, &out), KITH_OK);
    kith_buf_reset(&out);
    town_group_must(club.group, club.ann, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    club_meet(&club);
    assert_int_equal(town_group_fetch(club.dan, club.group), KITH_OK);
    writes = club.dan->writes;
    assert_int_equal(e2e_account_join_ask(club.bob->account, TOWN_NOW, &link, &out), KITH_E_NOTFOUND);
    assert_int_equal(e2e_account_join_ask(club.dan->account, TOWN_NOW, &link, &out), KITH_E_NOTFOUND);
    assert_int_equal(kith_buf_len(&out), 0);
    assert_int_equal(club.dan->writes, writes);
    kith_buf_deinit(&out);
    town_free(club.town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_join__lets_in_who_has_the_link),
        cmocka_unit_test(test_e2e_account_join__over_restarts_behind_every_step),
        cmocka_unit_test(test_e2e_account_join__is_shown_by_who_made_it),
        cmocka_unit_test(test_e2e_account_join__is_over_when_an_operation_says_so),
        cmocka_unit_test(test_e2e_account_join__is_written_when_it_changes),
        cmocka_unit_test(test_e2e_account_join__is_kept_by_nobody_who_left),
        cmocka_unit_test(test_e2e_account_join__makes_another_in_its_place),
        cmocka_unit_test(test_e2e_account_join__keeps_the_secret_until_its_place_is_taken),
        cmocka_unit_test(test_e2e_account_join__a_link_of_two_at_once),
        cmocka_unit_test(test_e2e_account_join__as_many_links_as_groups_and_one_more),
        cmocka_unit_test(test_e2e_account_join__who_may_not_ask),
        cmocka_unit_test(test_e2e_account_join__asks_so_many_groups_and_one_more),
        cmocka_unit_test(test_e2e_account_join__was_added_before_the_link_was_made),
        cmocka_unit_test(test_e2e_account_join__forgets_what_it_asked),
        cmocka_unit_test(test_e2e_account_join__reads_anew_what_it_read_before),
        cmocka_unit_test(test_e2e_account_join__who_left_comes_back),
        cmocka_unit_test(test_e2e_account_join__who_left_comes_back_by_a_newer_link),
        cmocka_unit_test(test_e2e_account_join__a_link_is_remembered_so_long),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
