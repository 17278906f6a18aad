#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "libkith/e2ee/account_group.h"
#include "tests/e2e/town_group.h"

/* Groups of whole accounts: which keys of names are kept, and who can say that there are two groups. */

struct three {
    struct town *town;
    struct town_device *ann, *bob, *cat;
    struct town_chat chat;
};

static struct three three_new(uint64_t seed)
{
    struct three three = {.town = town_new(seed)};

    three.town->has_few_prekeys = true;
    three.ann = town_join(three.town);
    three.bob = town_join(three.town);
    three.cat = town_join(three.town);
    three.chat = town_chat_two(three.ann, three.bob);
    return three;
}

/* Signed, and taken by nobody; kith_buf_deinit() it. */
static struct kith_buf changed(struct three *three, struct town_device *by, const struct e2e_group_change *change)
{
    const uint8_t *chat_id = change->kind == E2E_GROUP_CREATE ? NULL : three->chat.id;
    struct kith_buf signed_op;
    uint64_t seq = 0;

    kith_buf_init(&signed_op, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_account_group_make(by->account, three->town->now_ms, chat_id, change, &signed_op, &seq),
                     KITH_OK);
    return signed_op;
}

static kith_err take(struct three *three, struct town_device *by, const struct kith_buf *signed_op)
{
    struct e2e_wants wants;
    bool is_fresh = false;
    kith_err err = KITH_E_AGAIN;

    for (int round = 0; round < TOWN_ROUNDS_MAX && err == KITH_E_AGAIN; round++) {
        err = e2e_account_group_op(by->account, three->chat.id, kith_buf_peek(signed_op), 1, is_fresh, &wants);
        if (err == KITH_E_AGAIN) town_fetch(by, &wants);
        is_fresh = true;
    }
    return err;
}

/* A group of `by` and these others, with a name. */
static struct kith_buf created(struct three *three, struct town_device *by, struct town_device *const *others,
                               uint32_t count)
{
    uint8_t ids[2][E2E_ACCOUNT_ID_BYTES];
    struct e2e_group_change change = {
        .kind = E2E_GROUP_CREATE, .others = ids, .other_count = count, .info.name = kith_slice_str("Walkers")};

    for (uint32_t i = 0; i < count; i++) memcpy(ids[i], others[i]->person->id, sizeof ids[i]);
    return changed(three, by, &change);
}

/* ------------------------------------------------------------------------------------------------ keys of names */
static struct e2e_group_keys keys_of(const struct three *three, const struct town_device *by)
{
    struct e2e_group_keys keys;
    struct kith_buf body;

    kith_buf_init(&body, E2E_PAYLOAD_BYTES_MAX);
    assert_int_equal(e2e_account_group_keys(by->account, three->chat.id, &body), KITH_OK);
    assert_int_equal(e2e_group_keys_decode(kith_buf_peek(&body), &keys), KITH_OK);
    kith_buf_wipe(&body);
    return keys;
}

static void give(struct three *three, struct town_device *to, const struct e2e_group_keys *keys)
{
    struct kith_buf body;

    kith_buf_init(&body, E2E_PAYLOAD_BYTES_MAX);
    assert_int_equal(e2e_group_keys_encode(keys, &body), KITH_OK);
    assert_int_equal(town_take_keys(to, three->chat.id, kith_buf_peek(&body)), KITH_OK);
    kith_buf_wipe(&body);
}

/* KITH_OK: it is the name. */
static kith_err reads_name(struct three *three, struct town_device *by)
{
    struct e2e_group_info info;
    struct kith_buf plain;
    kith_err err;

    town_restart(by);
    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    err = e2e_account_group_info(by->account, three->chat.id, &plain, &info);
    if (err == KITH_OK) assert_true(kith_slice_is(info.name, "Walkers"));
    kith_buf_wipe(&plain);
    return err;
}

static void test_e2e_account_group_said__only_a_key_that_opens_the_name_is_kept(void **state)
{
    struct three three = three_new(1);
    struct kith_buf create = created(&three, three.ann, &three.bob, 1);
    struct e2e_group_keys keys, wrong;
    uint64_t writes;

    (void)state;
    assert_int_equal(take(&three, three.ann, &create), KITH_OK);
    assert_int_equal(take(&three, three.bob, &create), KITH_OK);
    keys = keys_of(&three, three.ann);
    /* A wrong one that comes first does not keep the right one out. */
    wrong = keys;
    wrong.info_key.key[0] ^= 1;
    writes = three.bob->writes;
    give(&three, three.bob, &wrong);
    assert_int_equal(three.bob->writes, writes);
    assert_int_equal(reads_name(&three, three.bob), KITH_E_NOTFOUND);
    wrong = keys;
    wrong.info_key.id[0] ^= 1; /* not the one that the name wants */
    give(&three, three.bob, &wrong);
    assert_int_equal(three.bob->writes, writes);
    assert_int_equal(reads_name(&three, three.bob), KITH_E_NOTFOUND);
    give(&three, three.bob, &keys);
    assert_int_equal(reads_name(&three, three.bob), KITH_OK);
    /* Nor is it replaced. */
    wrong = keys;
    wrong.info_key.key[31] ^= 1;
    writes = three.bob->writes;
    give(&three, three.bob, &wrong);
    give(&three, three.bob, &keys);
    assert_int_equal(three.bob->writes, writes);
    assert_int_equal(reads_name(&three, three.bob), KITH_OK);
    kith_buf_deinit(&create);
    town_free(three.town);
}

/* ------------------------------------------------------------------------------------------------ whose word counts */
/* What a message of cat, who knows another group in this chat, comes to with bob. *is_forked: what bob holds of his. */
static kith_err bob_hears_of_another_group(bool cat_is_member, bool *is_forked)
{
    struct three three = three_new(cat_is_member ? 2 : 3);
    struct town_device *const with_cat[] = {three.bob, three.cat}, *const of_cat[] = {three.ann, three.bob};
    struct kith_buf ours = created(&three, three.ann, with_cat, cat_is_member ? 2 : 1);
    struct kith_buf theirs = created(&three, three.cat, of_cat, 2), plain;
    struct town_mail mail = {.from = three.cat};
    struct e2e_envelope envelope;
    struct e2e_opened opened;
    struct e2e_group_view view;
    struct e2e_seal seal;
    kith_err err;

    assert_int_equal(take(&three, three.ann, &ours), KITH_OK);
    assert_int_equal(take(&three, three.bob, &ours), KITH_OK);
    assert_int_equal(take(&three, three.cat, &theirs), KITH_OK);
    town_id(three.town, mail.msg_id);
    memcpy(mail.thread_id, three.chat.id, sizeof mail.thread_id);
    seal = town_seal_of(&three.chat, mail.msg_id, "ours is the right one", three.town->now_ms);
    seal.is_group = true;
    kith_buf_init(&mail.bodies, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(town_seal(three.cat, &seal, &mail.bodies), KITH_OK);
    envelope = town_envelope(&mail, three.bob);
    envelope.is_group = true;
    err = town_open_envelope(three.bob, envelope, &plain, &opened);
    town_restart(three.bob);
    assert_true(e2e_account_group(three.bob->account, three.chat.id, &view));
    *is_forked = view.is_forked;
    kith_buf_wipe(&plain);
    kith_buf_deinit(&mail.bodies);
    kith_buf_deinit(&ours);
    kith_buf_deinit(&theirs);
    town_free(three.town);
    return err;
}

static void test_e2e_account_group_said__only_a_member_can_raise_the_alarm(void **state)
{
    bool is_forked = false;

    (void)state;
    assert_int_equal(bob_hears_of_another_group(true, &is_forked), KITH_E_DENIED);
    assert_true(is_forked);
    assert_int_equal(bob_hears_of_another_group(false, &is_forked), KITH_E_DENIED);
    assert_false(is_forked);
}

/* What was said while somebody was out is not missing to them; what is not brought to them afterwards is. */
static void test_e2e_account_group_said__who_comes_back_misses_nothing(void **state)
{
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct three three = three_new(77);
        struct town_group *group = town_group_create(three.ann, (struct town_device *[]){three.bob, three.cat}, 2,
                                                     NULL);
        const struct town_chat two = town_chat_two(three.ann, three.cat);
        const struct town_mail *mail;
        uint64_t missed = 99;

        assert_int_equal(town_open(three.cat, town_send(three.ann, &two, "elsewhere"), NULL), KITH_OK);
        (void)town_send(three.ann, &two, "held back");
        assert_int_equal(town_group_fetch(three.cat, group), KITH_OK);
        assert_int_equal(town_group_fetch(three.bob, group), KITH_OK);
        (void)town_group_send(three.ann, group, "to all three");
        assert_int_equal(town_open(three.cat, &three.town->mails[three.town->mail_count - 1], NULL), KITH_OK);
        (void)town_read(three.bob);
        town_group_must(group, three.ann, town_change(E2E_GROUP_REMOVE, three.cat, 0));
        (void)town_group_send(three.ann, group, "to two");
        town_group_must(group, three.ann, town_change(E2E_GROUP_ADD, three.cat, E2E_ROLE_MEMBER));
        assert_int_equal(town_group_fetch(three.cat, group), KITH_OK);
        if (restarts > 0) town_restart(three.cat);
        mail = town_group_send(three.ann, group, "to all three again");
        assert_int_equal(town_open(three.cat, mail, &missed), KITH_OK);
        assert_int_equal(missed, 0);
        (void)town_group_send(three.ann, group, "held back");
        mail = town_group_send(three.ann, group, "brought");
        assert_int_equal(town_open(three.cat, mail, &missed), KITH_OK);
        assert_int_equal(missed, 1);
        /* It is of that group alone. */
        assert_int_equal(town_open(three.cat, town_send(three.ann, &two, "elsewhere"), &missed), KITH_OK);
        assert_int_equal(missed, 1);
        town_free(three.town);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_group_said__only_a_key_that_opens_the_name_is_kept),
        cmocka_unit_test(test_e2e_account_group_said__only_a_member_can_raise_the_alarm),
        cmocka_unit_test(test_e2e_account_group_said__who_comes_back_misses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
