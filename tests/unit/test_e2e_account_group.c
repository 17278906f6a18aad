#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/e2e/town_group.h"
#include "wire/bodies.h"

/* Groups of whole accounts: operations, messages under a head, who comes later, names. */

/* Ann and Bob with two devices each, Carol and Dan with one. */
#define DEVICES 6
struct house {
    struct town *town;
    struct town_device *ann, *tablet, *bob, *laptop, *carol, *dan;
    struct town_device *all[DEVICES];
    struct town_group *group; /* of Ann, Bob and Carol */
};

static struct house house_new(uint64_t seed)
{
    struct house house = {.town = town_new(seed)};
    struct town_device *others[2];

    house.town->has_few_prekeys = true;
    house.ann = town_join(house.town);
    house.tablet = town_link(house.ann);
    house.bob = town_join(house.town);
    house.laptop = town_link(house.bob);
    house.carol = town_join(house.town);
    house.dan = town_join(house.town);
    memcpy(house.all,
           (struct town_device *[]){house.ann, house.tablet, house.bob, house.laptop, house.carol, house.dan},
           sizeof house.all);
    others[0] = house.bob;
    others[1] = house.carol;
    house.group = town_group_create(house.ann, others, 2, "the house");
    return house;
}

static uint8_t role_of(const struct house *house, const struct town_device *in, const struct town_device *of)
{
    const struct e2e_group_member *member = e2e_group_find(town_group_view(in, house->group).group, of->person->id);

    return member == NULL ? 0 : member->role;
}

/* All that come to the group's operations take them, and have the same then. */
static void all_the_same(const struct house *house)
{
    for (size_t i = 0; i < DEVICES; i++) {
        struct town_device *device = house->all[i];
        assert_int_equal(town_group_fetch(device, house->group), KITH_OK);
        assert_true(town_group_same(device, house->ann, house->group));
        assert_int_equal(town_group_view(device, house->group).is_member, role_of(house, house->ann, device) != 0);
        assert_false(town_group_view(device, house->group).is_forked);
    }
}

static void read_all(const struct house *house)
{
    for (size_t i = 0; i < DEVICES; i++) (void)town_read(house->all[i]);
}

/* ------------------------------------------------------------------------------------------------ operations */
static void test_e2e_account_group__everyone_has_the_same_after_every_operation(void **state)
{
    struct house house = house_new(1);
    struct town_device *by[] = {house.ann, house.ann,   house.laptop, house.bob, house.tablet,
                                house.bob, house.carol, house.ann,    house.ann, house.bob};
    struct e2e_group_change changes[] = {
        town_change(E2E_GROUP_ADD, house.dan, E2E_ROLE_MEMBER),
        town_change(E2E_GROUP_ROLE, house.bob, E2E_ROLE_ADMIN),
        town_change(E2E_GROUP_REMOVE, house.dan, 0),
        town_change(E2E_GROUP_ADD, house.dan, E2E_ROLE_ADMIN),
        town_change(E2E_GROUP_SETTINGS, NULL, 0),
        town_change_name(E2E_GROUP_INFO, "another name"),
        town_change(E2E_GROUP_LEAVE, NULL, 0),
        town_change(E2E_GROUP_ADD, house.carol, E2E_ROLE_OWNER),
        town_change(E2E_GROUP_LEAVE, NULL, 0),
        town_change_name(E2E_GROUP_INFO, NULL),
    };

    (void)state;
    changes[4].settings = E2E_GROUP_HISTORY_OPEN;
    all_the_same(&house);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        town_group_must(house.group, by[i], changes[i]);
        all_the_same(&house);
    }
    assert_int_equal(town_group_view(house.dan, house.group).group->seq, 11);
    assert_int_equal(role_of(&house, house.dan, house.ann), 0);
    assert_int_equal(role_of(&house, house.dan, house.bob), E2E_ROLE_ADMIN);
    assert_int_equal(role_of(&house, house.dan, house.carol), E2E_ROLE_OWNER);
    assert_int_equal(role_of(&house, house.dan, house.dan), E2E_ROLE_ADMIN);
    assert_int_equal(town_group_view(house.dan, house.group).group->settings, E2E_GROUP_HISTORY_OPEN);
    assert_string_equal(town_group_name(house.dan, house.group), "");
    town_free(house.town);
}

/* Two at once: the server takes one of them, and the other is signed anew behind it. */
static void test_e2e_account_group__who_was_slower_signs_anew(void **state)
{
    struct house house = house_new(2);

    (void)state;
    all_the_same(&house);
    town_group_must(house.group, house.ann, town_change(E2E_GROUP_ADD, house.dan, E2E_ROLE_MEMBER));
    town_group_must(house.group, house.tablet, town_change(E2E_GROUP_ROLE, house.bob, E2E_ROLE_ADMIN));
    all_the_same(&house);
    assert_int_equal(role_of(&house, house.bob, house.dan), E2E_ROLE_MEMBER);
    assert_int_equal(role_of(&house, house.dan, house.bob), E2E_ROLE_ADMIN);
    town_free(house.town);
}

/* Nothing is signed, and nothing is kept of it. */
static void test_e2e_account_group__what_is_not_allowed_is_not_signed(void **state)
{
    struct house house = house_new(3);
    const struct e2e_group_change changes[] = {
        town_change(E2E_GROUP_ADD, house.dan, E2E_ROLE_MEMBER),
        town_change(E2E_GROUP_REMOVE, house.carol, 0),
        town_change(E2E_GROUP_ROLE, house.bob, E2E_ROLE_ADMIN),
        town_change_name(E2E_GROUP_INFO, "a name of mine"),
        town_change(E2E_GROUP_SETTINGS, NULL, 0),
    };
    const size_t ops = house.group->op_count;

    (void)state;
    all_the_same(&house);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
        struct kith_buf op;
        uint64_t seq = 0;
        town_state_hash(house.bob, before);
        kith_buf_init(&op, E2E_GROUP_SIGNED_BYTES_MAX);
        assert_int_equal(e2e_account_group_make(house.bob->account, house.town->now_ms, house.group->chat_id,
                                                &changes[i], &op, &seq),
                         KITH_E_DENIED);
        assert_int_equal(kith_buf_len(&op), 0);
        town_state_hash(house.bob, after);
        assert_memory_equal(before, after, sizeof after);
        kith_buf_deinit(&op);
    }
    assert_int_equal(town_group_try(house.group, house.dan, &changes[0]), KITH_E_DENIED);
    assert_int_equal(house.group->op_count, ops);
    town_free(house.town);
}

static kith_err make(struct town_device *by, const uint8_t *chat_id, struct e2e_group_change change)
{
    struct kith_buf op;
    uint64_t seq = 0;
    kith_err err;

    kith_buf_init(&op, E2E_GROUP_SIGNED_BYTES_MAX);
    err = e2e_account_group_make(by->account, by->town->now_ms, chat_id, &change, &op, &seq);
    assert_int_equal(kith_buf_len(&op) > 0, err == KITH_OK);
    assert_int_equal(seq > 0, err == KITH_OK);
    kith_buf_deinit(&op);
    return err;
}

/* A device without keys, one whose list is still to be uploaded; a create in a chat, anything else in none or in an unknown one. */
static void test_e2e_account_group__not_by_any_device_nor_in_any_chat(void **state)
{
    struct house house = house_new(11);
    const uint8_t *chat_id = house.group->chat_id;
    struct town_device *empty = town_device_new(house.ann->person);
    const struct e2e_group_change settings = town_change(E2E_GROUP_SETTINGS, NULL, 0);
    const struct town_chat chat = town_group_chat(house.ann, house.group);
    struct kith_slice first = kith_buf_peek(&house.group->ops[0]);
    struct e2e_seal seal = town_seal_of(&chat, house.ann->person->id, "hello", house.town->now_ms);
    struct e2e_group_info info;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, 1024);
    assert_int_equal(e2e_account_group_info(house.ann->account, house.ann->person->id, &out, &info), KITH_E_NOTFOUND);
    assert_int_equal(e2e_account_group_keys(house.ann->account, house.ann->person->id, &out), KITH_E_NOTFOUND);
    memcpy(seal.thread_id, house.ann->person->id, sizeof seal.thread_id);
    assert_int_equal(town_seal(house.ann, &seal, &out), KITH_E_NOTFOUND);
    assert_int_equal(kith_buf_len(&out), 0);
    assert_int_equal(make(empty, NULL, town_change(E2E_GROUP_CREATE, NULL, 0)), KITH_E_CLOSED);
    assert_int_equal(town_group_give(empty, house.group, first), KITH_E_CLOSED);
    assert_int_equal(make(house.ann, chat_id, town_change(E2E_GROUP_CREATE, NULL, 0)), KITH_E_NOTFOUND);
    assert_int_equal(make(house.ann, NULL, settings), KITH_E_NOTFOUND);
    assert_int_equal(make(house.ann, house.ann->person->id, settings), KITH_E_NOTFOUND);
    assert_int_equal(make(house.ann, NULL, town_change(E2E_GROUP_CREATE, NULL, 0)), KITH_OK);
    assert_true(e2e_account_group_gives(house.ann->account, first));
    assert_false(e2e_account_group_gives(house.tablet->account, first));
    assert_false(e2e_account_group_gives(house.bob->account, first));
    assert_false(e2e_account_group_gives(house.ann->account, kith_slice_str("garbage")));
    assert_int_equal(make(house.ann, chat_id, settings), KITH_OK);
    assert_int_equal(e2e_account_remove_device(house.ann->account, house.town->now_ms, house.tablet->server_device),
                     KITH_OK);
    assert_int_equal(make(house.ann, chat_id, settings), KITH_E_AGAIN);
    town_upload(house.ann);
    assert_int_equal(make(house.ann, chat_id, settings), KITH_OK);
    town_free(house.town);
}

/* ------------------------------------------------------------------------------------------------ messages */
static void test_e2e_account_group__messages_open_everywhere_and_not_at_who_was_removed(void **state)
{
    struct house house = house_new(4);
    const struct town_mail *mail;

    (void)state;
    for (size_t i = 0; i < 5; i++) (void)town_read(house.all[i]);
    for (size_t i = 0; i < 5; i++) {
        mail = town_group_send(house.all[i], house.group, "to all of us");
        for (size_t j = 0; j < DEVICES; j++)
            assert_int_equal(town_body(mail, house.all[j]).len > 0, i != j && house.all[j] != house.dan);
        for (size_t j = 0; j < 5; j++) assert_int_equal(town_read(house.all[j]), i != j);
    }
    town_group_must(house.group, house.ann, town_change(E2E_GROUP_REMOVE, house.bob, 0));
    mail = town_group_send(house.tablet, house.group, "the tablet has not heard of it");
    assert_true(town_body(mail, house.bob).len > 0);
    assert_int_equal(town_group_fetch(house.tablet, house.group), KITH_OK);
    mail = town_group_send(house.tablet, house.group, "now it has");
    assert_int_equal(town_body(mail, house.bob).len + town_body(mail, house.laptop).len, 0);
    read_all(&house);
    assert_int_equal(town_group_fetch(house.bob, house.group), KITH_OK);
    assert_int_equal(town_group_try_send(house.bob, house.group), KITH_E_CLOSED);
    /* Who has not heard yet that it was removed goes on writing: nobody who has opens it. */
    (void)town_group_send(house.laptop, house.group, "am I still here?");
    assert_int_equal(town_open(house.ann, &house.town->mails[house.town->mail_count - 1], NULL), KITH_E_DENIED);
    town_free(house.town);
}

/* What waited for its keys while its sender was removed came before that: it opens, under a restart, too. */
static void test_e2e_account_group__what_came_before_a_removal_opens_after_it(void **state)
{
    struct house house = house_new(6);
    struct e2e_envelope before, after;
    struct e2e_opened opened;
    struct kith_buf plain;
    const struct town_mail *mail;

    (void)state;
    read_all(&house);
    mail = town_group_send(house.bob, house.group, "written as a member");
    town_group_must(house.group, house.ann, town_change(E2E_GROUP_REMOVE, house.bob, 0));
    town_restart(house.ann);
    before = after = town_envelope(mail, house.ann);
    after.seq = town_seq(house.town->mail_count);
    assert_int_equal(town_open_envelope(house.ann, after, &plain, &opened), KITH_E_DENIED);
    kith_buf_wipe(&plain);
    assert_int_equal(town_open_envelope(house.ann, before, &plain, &opened), KITH_OK);
    kith_buf_wipe(&plain);
    town_free(house.town);
}

/* Under the head of its sender, which the payload has. */
static void test_e2e_account_group__a_message_says_its_head(void **state)
{
    struct house house = house_new(5);
    struct e2e_opened opened;
    struct kith_buf plain;

    (void)state;
    read_all(&house);
    for (uint64_t seq = 1; seq <= 2; seq++) {
        const struct e2e_group *group = town_group_view(house.ann, house.group).group;
        const struct town_mail *mail = town_group_send(house.ann, house.group, "under this head");
        assert_int_equal(town_open_envelope(house.carol, town_envelope(mail, house.carol), &plain, &opened), KITH_OK);
        assert_true(opened.payload.has_group && !opened.payload.has_peer_list && !opened.payload.has_dest);
        assert_int_equal(opened.payload.group_epoch, seq);
        assert_memory_equal(opened.payload.group_hash, e2e_group_head(group, seq), E2E_HASH_BYTES);
        kith_buf_wipe(&plain);
        assert_int_equal(town_open_envelope(house.tablet, town_envelope(mail, house.tablet), &plain, &opened), KITH_OK);
        assert_true(opened.payload.has_group && !opened.payload.has_peer_list && !opened.payload.has_dest);
        kith_buf_wipe(&plain);
        if (seq == 1) town_group_must(house.group, house.ann, town_change(E2E_GROUP_ROLE, house.bob, E2E_ROLE_ADMIN));
    }
    town_free(house.town);
}

static void test_e2e_account_group__a_message_of_a_newer_head_waits_for_operations(void **state)
{
    struct house house = house_new(6);
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    const struct town_mail *old, *mail;
    struct e2e_envelope envelope;
    struct e2e_opened opened;
    struct kith_buf plain;

    (void)state;
    assert_non_null(wants);
    read_all(&house);
    old = town_group_send(house.ann, house.group, "before");
    town_group_must(house.group, house.ann, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    mail = town_group_send(house.ann, house.group, "behind an operation");
    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    envelope = town_envelope(mail, house.carol);
    town_state_hash(house.carol, before);
    assert_int_equal(e2e_account_open(house.carol->account, TOWN_NOW, &envelope, wants, &plain, &opened), KITH_E_AGAIN);
    assert_int_equal(wants->count, 1);
    assert_int_equal(wants->items[0].kind, E2E_WANT_OPS);
    assert_memory_equal(wants->items[0].account_id, house.group->chat_id, E2E_ID_BYTES);
    envelope.is_ops_fresh = true; /* there are none, says the server */
    assert_int_equal(e2e_account_open(house.carol->account, TOWN_NOW, &envelope, wants, &plain, &opened),
                     KITH_E_DENIED);
    town_state_hash(house.carol, after);
    assert_memory_equal(before, after, sizeof after);
    assert_int_equal(town_group_fetch(house.carol, house.group), KITH_OK);
    assert_int_equal(town_open(house.carol, mail, NULL), KITH_OK);
    /* One of an older head is taken still: it was on its way. */
    assert_int_equal(town_open(house.carol, old, NULL), KITH_OK);
    kith_buf_wipe(&plain);
    free(wants);
    town_free(house.town);
}

/* ------------------------------------------------------------------------------------------------ who comes later */
struct liar {
    const struct town_device *to;
    unsigned mask; /* of the operations whose signatures are spoilt */
    struct kith_buf spoilt;
};

static void spoil(void *arg, const struct town_device *asker, size_t index, struct kith_slice *op)
{
    struct liar *liar = arg;

    if (asker != liar->to || (liar->mask >> index & 1) == 0) return;
    kith_buf_reset(&liar->spoilt);
    assert_int_equal(kith_buf_append(&liar->spoilt, *op), KITH_OK);
    liar->spoilt.ptr[liar->spoilt.head + op->len - 1] ^= 1; /* the signature is last */
    *op = kith_buf_peek(&liar->spoilt);
}

/* Who adds somebody vouches for all that was before; of that operation, and of those that follow, the signature counts. */
static void test_e2e_account_group__who_comes_later_trusts_who_brings_it_in(void **state)
{
    (void)state;
    for (size_t spoilt = 0; spoilt < 6; spoilt++) {
        const size_t first_bad = spoilt < 3 || spoilt == 5 ? 5 : spoilt; /* that counts */
        struct house house = house_new(8);
        struct liar liar = {.to = house.dan, .mask = spoilt == 5 ? 7u : 1u << spoilt};
        kith_err err;
        kith_buf_init(&liar.spoilt, E2E_GROUP_SIGNED_BYTES_MAX);
        town_group_must(house.group, house.ann, town_change(E2E_GROUP_ROLE, house.bob, E2E_ROLE_ADMIN));
        assert_int_equal(town_group_fetch(house.bob, house.group), KITH_OK);
        town_group_must(house.group, house.bob, town_change(E2E_GROUP_SETTINGS, NULL, 0));
        town_group_must(house.group, house.bob, town_change(E2E_GROUP_ADD, house.dan, E2E_ROLE_MEMBER));
        assert_int_equal(town_group_fetch(house.ann, house.group), KITH_OK);
        town_group_must(house.group, house.ann, town_change(E2E_GROUP_SETTINGS, NULL, 0));
        house.town->arg = &liar;
        house.town->show_op = spoil;
        err = town_group_fetch(house.dan, house.group);
        assert_int_equal(err, first_bad == 5 ? KITH_OK : KITH_E_DENIED);
        assert_int_equal(town_group_view(house.dan, house.group).group->seq, first_bad);
        assert_int_equal(town_group_view(house.dan, house.group).is_member, first_bad != 3);
        house.town->show_op = NULL;
        assert_int_equal(town_group_fetch(house.dan, house.group), KITH_OK);
        assert_true(town_group_same(house.dan, house.ann, house.group));
        kith_buf_deinit(&liar.spoilt);
        town_free(house.town);
    }
}

/* ------------------------------------------------------------------------------------------------ names */
static void test_e2e_account_group__names_are_for_members(void **state)
{
    struct house house = house_new(9);

    (void)state;
    assert_string_equal(town_group_name(house.ann, house.group), "the house");
    assert_int_equal(town_group_fetch(house.bob, house.group), KITH_OK);
    assert_null(town_group_name(house.bob, house.group)); /* the key is a message, and not read yet */
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(town_read(house.all[i]), i != 0);
        assert_string_equal(town_group_name(house.all[i], house.group), "the house");
    }
    town_group_must(house.group, house.ann, town_change(E2E_GROUP_ADD, house.dan, E2E_ROLE_MEMBER));
    for (size_t i = 0; i < DEVICES; i++) assert_int_equal(town_read(house.all[i]), i != 0);
    assert_string_equal(town_group_name(house.dan, house.group), "the house");
    town_group_must(house.group, house.ann, town_change(E2E_GROUP_REMOVE, house.carol, 0));
    town_group_must(house.group, house.ann, town_change_name(E2E_GROUP_INFO, "without carol"));
    for (size_t i = 0; i < DEVICES; i++) {
        (void)town_read(house.all[i]);
        assert_int_equal(town_group_fetch(house.all[i], house.group), KITH_OK);
        if (house.all[i] == house.carol)
            assert_null(town_group_name(house.carol, house.group));
        else
            assert_string_equal(town_group_name(house.all[i], house.group), "without carol");
    }
    town_free(house.town);
}

/* A key is kept when the group's name asks for it; else a member could fill the others' memory. */
static void test_e2e_account_group__a_key_that_is_not_asked_for_is_not_kept(void **state)
{
    struct house house = house_new(10);
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    struct e2e_group_keys keys;
    struct kith_buf good, other;

    (void)state;
    kith_buf_init(&good, 1024);
    kith_buf_init(&other, 1024);
    assert_int_equal(town_group_fetch(house.bob, house.group), KITH_OK);
    assert_int_equal(e2e_account_group_keys(house.ann->account, house.group->chat_id, &good), KITH_OK);
    assert_int_equal(e2e_group_keys_decode(kith_buf_peek(&good), &keys), KITH_OK);
    town_state_hash(house.bob, before);
    keys.info_key.id[0] ^= 1;
    assert_int_equal(e2e_group_keys_encode(&keys, &other), KITH_OK);
    assert_int_equal(town_take_keys(house.bob, house.group->chat_id, kith_buf_peek(&other)), KITH_OK);
    keys.info_key.id[0] ^= 1;
    keys.group_id[0] ^= 1;
    kith_buf_reset(&other);
    assert_int_equal(e2e_group_keys_encode(&keys, &other), KITH_OK);
    assert_int_equal(town_take_keys(house.bob, house.group->chat_id, kith_buf_peek(&other)), KITH_E_DENIED);
    assert_int_equal(town_take_keys(house.bob, house.bob->person->id, kith_buf_peek(&good)), KITH_E_NOTFOUND);
    town_state_hash(house.bob, after);
    assert_memory_equal(before, after, sizeof after);
    assert_int_equal(town_take_keys(house.bob, house.group->chat_id, kith_buf_peek(&good)), KITH_OK);
    assert_string_equal(town_group_name(house.bob, house.group), "the house");
    /* The name is another, and so its key goes. */
    town_group_must(house.group, house.ann, town_change_name(E2E_GROUP_INFO, NULL));
    assert_int_equal(town_group_fetch(house.bob, house.group), KITH_OK);
    assert_string_equal(town_group_name(house.bob, house.group), "");
    assert_int_equal(e2e_account_group_keys(house.bob->account, house.group->chat_id, &good), KITH_E_NOTFOUND);
    town_state_hash(house.bob, before);
    assert_int_equal(town_take_keys(house.bob, house.group->chat_id, kith_buf_peek(&good)), KITH_OK);
    town_state_hash(house.bob, after);
    assert_memory_equal(before, after, sizeof after);
    kith_buf_wipe(&good);
    kith_buf_wipe(&other);
    town_free(house.town);
}

/* ------------------------------------------------------------------------------------------------ without devices */
/* A member of whom the server has no list: the message goes to the others, and names the server's number of that member's. */
static void test_e2e_account_group__nobody_waits_for_who_has_no_list(void **state)
{
    struct house house = house_new(90);
    struct e2e_group_change add = town_change(E2E_GROUP_ADD, house.dan, E2E_ROLE_MEMBER);
    const struct town_chat chat = town_group_chat(house.ann, house.group);
    const uint8_t msg_id[E2E_ID_BYTES] = {9};
    const struct e2e_seal seal = town_seal_of(&chat, msg_id, "to the others", house.town->now_ms);
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    struct bodies bodies;
    struct bodies_list list;
    uint64_t named = 0, seq = 0;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    memset(add.subject, 0xee, sizeof add.subject);
    assert_int_equal(
        e2e_account_group_make(house.ann->account, house.town->now_ms, house.group->chat_id, &add, &out, &seq),
        KITH_OK);
    town_group_put(house.group, kith_buf_peek(&out));
    assert_int_equal(town_group_fetch(house.ann, house.group), KITH_OK);
    kith_buf_reset(&out);
    /* The others' lists and sessions. */
    while (e2e_account_seal(house.ann->account, house.town->now_ms, &seal, wants, &out) == KITH_E_AGAIN &&
           memcmp(wants->items[0].account_id, add.subject, sizeof add.subject) != 0)
        town_fetch(house.ann, wants);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(e2e_account_seal(house.ann->account, house.town->now_ms, &seal, wants, &out), KITH_E_AGAIN);
        assert_int_equal(wants->count, 1);
        assert_memory_equal(wants->items[0].account_id, add.subject, sizeof add.subject);
        e2e_account_no_list(house.ann->account, add.subject, 7);
        assert_int_equal(e2e_account_seal(house.ann->account, house.town->now_ms, &seal, wants, &out), KITH_OK);
        assert_int_equal(bodies_decode(kith_buf_peek(&out), &bodies), KITH_OK);
        assert_int_equal(bodies.item_count, 4); /* Ann's tablet, both of Bob's, Carol's */
        while (bodies_next_list(&bodies.lists, &list) == KITH_OK)
            if (memcmp(list.user.id.raw, add.subject, sizeof add.subject) == 0) named = list.list_seq;
        assert_int_equal(named, 7);
        kith_buf_reset(&out);
        e2e_account_stale(house.ann->account, add.subject); /* there may be one now */
    }
    /* In a chat of two it is waited for. */
    {
        struct town_chat two = town_chat_two(house.ann, house.bob);
        struct e2e_seal to_nobody;
        const uint32_t at = memcmp(two.members[0], house.ann->person->id, sizeof two.members[0]) == 0 ? 1 : 0;
        memset(two.members[at], at == 0 ? 0x00 : 0xff, sizeof two.members[0]);
        to_nobody = town_seal_of(&two, msg_id, "to nobody", house.town->now_ms);
        e2e_account_no_list(house.ann->account, two.members[at], 7);
        assert_int_equal(e2e_account_seal(house.ann->account, house.town->now_ms, &to_nobody, wants, &out),
                         KITH_E_AGAIN);
    }
    kith_buf_deinit(&out);
    free(wants);
    town_free(house.town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_group__nobody_waits_for_who_has_no_list),
        cmocka_unit_test(test_e2e_account_group__everyone_has_the_same_after_every_operation),
        cmocka_unit_test(test_e2e_account_group__who_was_slower_signs_anew),
        cmocka_unit_test(test_e2e_account_group__what_is_not_allowed_is_not_signed),
        cmocka_unit_test(test_e2e_account_group__not_by_any_device_nor_in_any_chat),
        cmocka_unit_test(test_e2e_account_group__messages_open_everywhere_and_not_at_who_was_removed),
        cmocka_unit_test(test_e2e_account_group__a_message_says_its_head),
        cmocka_unit_test(test_e2e_account_group__what_came_before_a_removal_opens_after_it),
        cmocka_unit_test(test_e2e_account_group__a_message_of_a_newer_head_waits_for_operations),
        cmocka_unit_test(test_e2e_account_group__who_comes_later_trusts_who_brings_it_in),
        cmocka_unit_test(test_e2e_account_group__names_are_for_members),
        cmocka_unit_test(test_e2e_account_group__a_key_that_is_not_asked_for_is_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
