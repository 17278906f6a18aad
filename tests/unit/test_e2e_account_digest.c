#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/e2e/town_group.h"
#include "wire/bodies.h"

/* Which device lists a message for all was made for, it says in a digest; and who is in that when an account was deleted. */

/* Ann, Bob with two devices, and Carol: a large group here. */
struct crowd {
    struct town *town;
    struct town_device *ann, *bob, *laptop, *carol;
    struct town_group *group;
};

static struct crowd crowd_new(uint64_t seed)
{
    struct crowd crowd = {.town = town_new(seed)};

    crowd.town->has_few_prekeys = true;
    crowd.town->pairwise_max = 2;
    crowd.ann = town_join(crowd.town);
    crowd.bob = town_join(crowd.town);
    crowd.laptop = town_link(crowd.bob);
    crowd.carol = town_join(crowd.town);
    crowd.group = town_group_create(crowd.ann, (struct town_device *[]){crowd.bob, crowd.carol}, 2, "the crowd");
    assert_int_equal(town_group_fetch(crowd.bob, crowd.group), KITH_OK);
    assert_int_equal(town_group_fetch(crowd.laptop, crowd.group), KITH_OK);
    return crowd;
}

static struct bodies bodies_of(const struct kith_buf *sealed)
{
    struct bodies bodies = {0};

    assert_int_equal(bodies_decode(kith_buf_peek(sealed), &bodies), KITH_OK);
    return bodies;
}

/* Made for these people's lists, by the server's numbers, and for nobody else's. */
static bool is_for(const struct kith_buf *sealed, const struct town_device *const *whose, size_t count)
{
    const struct bodies bodies = bodies_of(sealed);
    uint8_t digest[BODIES_DIGEST_BYTES] = {0};

    for (size_t i = 0; i < count; i++) {
        struct bodies_list list = {.list_seq = whose[i]->person->list_seq};
        memcpy(list.user.id.raw, whose[i]->person->id, sizeof list.user.id.raw);
        bodies_digest_add(digest, &list);
    }
    return bodies.digest != NULL && memcmp(bodies.digest, digest, sizeof digest) == 0;
}

/* Without asking the server for anything. */
static struct kith_buf seal_now(const struct crowd *crowd, struct town_device *from)
{
    const struct town_chat chat = town_group_chat(from, crowd->group);
    const uint8_t msg_id[E2E_ID_BYTES] = {9};
    const struct e2e_seal seal = town_seal_of(&chat, msg_id, "to all", crowd->town->now_ms);
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    struct kith_buf out;

    assert_non_null(wants);
    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(e2e_account_seal(from->account, crowd->town->now_ms, &seal, wants, &out), KITH_OK);
    free(wants);
    return out;
}

static void test_e2e_account_digest__goes_with_one_for_all_and_lists_with_gifts(void **state)
{
    struct crowd crowd = crowd_new(1);
    const struct town_device *all[] = {crowd.carol, crowd.ann, crowd.bob};
    const size_t before = crowd.town->mail_count;
    const struct town_mail *mail = town_group_send(crowd.bob, crowd.group, "hello"); /* behind the gift of his chain */
    struct bodies gift = bodies_of(&crowd.town->mails[before].bodies);

    (void)state;
    assert_int_equal(crowd.town->mail_count, before + 2);
    assert_null(gift.digest);
    assert_int_equal(gift.list_count, 3);
    assert_true(is_for(&mail->bodies, all, 3));
    assert_int_equal(bodies_of(&mail->bodies).item_count, 1);
    town_free(crowd.town);
}

static void test_e2e_account_digest__is_of_the_newest_lists(void **state)
{
    struct crowd crowd = crowd_new(2);
    const struct town_device *all[] = {crowd.ann, crowd.bob, crowd.carol};
    struct kith_buf first, second;

    (void)state;
    (void)town_group_send(crowd.ann, crowd.group, "one");
    first = seal_now(&crowd, crowd.ann);
    assert_true(is_for(&first, all, 3));
    (void)town_link(crowd.carol);
    assert_false(is_for(&first, all, 3));
    (void)town_group_send(crowd.ann, crowd.group, "two"); /* refused once, and made for the newer list */
    second = seal_now(&crowd, crowd.ann);
    assert_true(is_for(&second, all, 3));
    kith_buf_deinit(&first);
    kith_buf_deinit(&second);
    town_free(crowd.town);
}

/* In the group until somebody removes them. What was pinned of them stays; what a later list would say counts again. */
static void test_e2e_account_digest__who_was_deleted_is_left_out_over_restarts(void **state)
{
    struct crowd crowd = crowd_new(3);
    const struct town_device *all[] = {crowd.ann, crowd.bob, crowd.carol};
    struct e2e_person carol;
    struct kith_buf sealed;
    uint32_t devices;

    (void)state;
    (void)town_group_send(crowd.ann, crowd.group, "one");
    devices = e2e_account_person(crowd.ann->account, crowd.carol->person->id).list->device_count;
    assert_int_equal(e2e_account_verify(crowd.ann->account, crowd.carol->person->id, true), KITH_OK);
    crowd.carol->person->is_deleted = true;
    assert_true(is_for(&town_group_send(crowd.ann, crowd.group, "two")->bodies, all, 2));
    for (int life = 0; life < 2; life++) {
        carol = e2e_account_person(crowd.ann->account, crowd.carol->person->id);
        assert_int_equal(carol.list_seq, 0);
        assert_int_equal(carol.trust, E2E_TRUST_VERIFIED);
        assert_int_equal(carol.list->device_count, devices);
        sealed = seal_now(&crowd, crowd.ann);
        assert_true(is_for(&sealed, all, 2));
        kith_buf_deinit(&sealed);
        town_restart(crowd.ann);
    }
    crowd.carol->person->is_deleted = false;
    assert_true(is_for(&town_group_send(crowd.ann, crowd.group, "three")->bodies, all, 3));
    assert_int_equal(e2e_account_person(crowd.ann->account, crowd.carol->person->id).trust, E2E_TRUST_VERIFIED);

    crowd.carol->person->is_deleted = true;
    town_group_must(crowd.group, crowd.ann, town_change(E2E_GROUP_REMOVE, crowd.carol, 0));
    assert_int_equal(town_read(crowd.bob), 5); /* the chain, the name's key, and what was said */
    town_free(crowd.town);
}

/* Bob was never written to, and is gone when Ann would: nothing of him is known, nor waited for. */
static void test_e2e_account_digest__who_was_deleted_before_is_left_out_too(void **state)
{
    struct crowd crowd = crowd_new(4);
    struct town_device *dan = town_join(crowd.town);
    const struct town_device *others[] = {dan, crowd.ann, crowd.carol};

    (void)state;
    town_group_must(crowd.group, crowd.ann, town_change(E2E_GROUP_ADD, dan, E2E_ROLE_MEMBER));
    crowd.bob->person->is_deleted = true;
    assert_int_equal(town_group_fetch(dan, crowd.group), KITH_OK);
    assert_true(is_for(&town_group_send(dan, crowd.group, "who is here?")->bodies, others, 3));
    town_free(crowd.town);
}

/* The server says it of somebody who is there. It refuses what is made for it, and he reads it as ever when it does not. */
static void test_e2e_account_digest__a_deletion_that_is_none_changes_nothing_else(void **state)
{
    struct crowd crowd = crowd_new(5);
    const struct town_device *all[] = {crowd.ann, crowd.carol, crowd.bob};
    struct town_mail *mail;
    struct kith_buf sealed;

    (void)state;
    (void)town_group_send(crowd.ann, crowd.group, "one");
    assert_int_equal(town_read(crowd.bob), 3);
    e2e_account_no_list(crowd.ann->account, crowd.bob->person->id,
                        99); /* or only that he has none, with a number for that */
    assert_int_equal(e2e_account_person(crowd.ann->account, crowd.bob->person->id).list_seq, 99);
    e2e_account_no_list(crowd.ann->account, crowd.bob->person->id, 0);
    sealed = seal_now(&crowd, crowd.ann);
    assert_true(is_for(&sealed, all, 2));
    kith_buf_deinit(&sealed);
    mail = town_group_send(crowd.ann, crowd.group, "two");
    assert_true(is_for(&mail->bodies, all, 3));
    assert_int_equal(town_read(crowd.bob), 1);
    assert_int_equal(town_read(crowd.laptop), 4);
    town_free(crowd.town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_digest__goes_with_one_for_all_and_lists_with_gifts),
        cmocka_unit_test(test_e2e_account_digest__is_of_the_newest_lists),
        cmocka_unit_test(test_e2e_account_digest__who_was_deleted_is_left_out_over_restarts),
        cmocka_unit_test(test_e2e_account_digest__who_was_deleted_before_is_left_out_too),
        cmocka_unit_test(test_e2e_account_digest__a_deletion_that_is_none_changes_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
