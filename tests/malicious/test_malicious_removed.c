#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "mob.h"
#include "wire/bodies.h"

/* Who was removed from a large group, with all that the server has: row 4. */

/* Every ciphertext of a mail, also what is for others, is handed to that device. */
static void opens_nothing_of(struct town_device *device, const struct town_mail *mail)
{
    struct bodies bodies = {0};
    struct bodies_item item = {0};
    struct e2e_group_message common;

    town_need(bodies_decode(kith_buf_peek(&mail->bodies), &bodies) == KITH_OK);
    while (bodies_next_item(&bodies.items, &item) == KITH_OK) {
        struct e2e_envelope envelope = town_envelope(mail, device);
        uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
        struct e2e_opened opened;
        struct kith_buf plain;
        envelope.message = item.ciphertext;
        (void)town_fetch_list(device, mail->from->person); /* all that may be known it knows */
        town_state_hash(device, before);
        assert_int_not_equal(town_open_envelope(device, envelope, &plain, &opened), KITH_OK);
        kith_buf_wipe(&plain);
        town_state_hash(device, after);
        assert_memory_equal(before, after, sizeof before);
        /* Nor would it with another client. */
        if (e2e_group_message_decode(item.ciphertext, &common) == KITH_OK)
            assert_false(forge_has_chain(device, common.chain_id));
    }
}

/* All that are in it yet say something; the server hands all of it to that device. */
static void shut_out(const struct mob *mob, struct town_device *device)
{
    size_t first = mob->town->mail_count;

    for (size_t i = 0; i < MOB_DEVICES; i++) {
        if (mob->all[i] == device) continue;
        town_restart(mob->all[i]);
        assert_true(town_group_send(mob->all[i], mob->group, "among us")->is_common);
    }
    for (size_t i = first; i < mob->town->mail_count; i++) opens_nothing_of(device, &mob->town->mails[i]);
    for (size_t i = 0; i < MOB_DEVICES; i++)
        if (mob->all[i] != device) assert_true(town_read(mob->all[i]) >= MOB_DEVICES - 2);
}

static void hold_back(void *arg, const struct town_device *asker, size_t index, struct kith_slice *op)
{
    const struct mob *mob = arg;

    if (asker == mob->dan && index > 0) *op = (struct kith_slice){0};
}

/* Whether it was told of its removal, or holds all to be as it was. */
static void test_malicious__e2e_04_a_removed_member_reads_no_more(void **state)
{
    (void)state;
    for (uint64_t knows = 0; knows < 2; knows++) {
        struct mob mob = mob_new(4300 + knows);
        mob.town->arg = &mob;
        mob.town->show_op = knows ? NULL : hold_back;
        town_group_must(mob.group, mob.ann, town_change(E2E_GROUP_REMOVE, mob.dan, 0));
        for (size_t i = 0; i < MOB_DEVICES; i++) (void)town_group_fetch(mob.all[i], mob.group);
        assert_int_equal(town_group_view(mob.dan, mob.group).is_member, knows == 0);
        shut_out(&mob, mob.dan);
        town_free(mob.town);
    }
}

static void take_out(struct town_device *manager, const struct town_device *device)
{
    assert_int_equal(e2e_account_remove_device(manager->account, manager->town->now_ms, device->server_device),
                     KITH_OK);
    town_upload(manager);
}

static void test_malicious__e2e_04_a_removed_device_reads_no_more(void **state)
{
    struct mob mob = mob_new(4302);

    (void)state;
    take_out(mob.bob, mob.laptop);
    shut_out(&mob, mob.laptop);
    town_free(mob.town);
}

/* He is given the chain as it is then. */
static void test_malicious__e2e_04_a_removed_member_who_is_back_begins_anew(void **state)
{
    struct mob mob = mob_new(4303);
    struct e2e_group_message common;
    const struct town_mail *mail;

    (void)state;
    town_group_must(mob.group, mob.ann, town_change(E2E_GROUP_REMOVE, mob.dan, 0));
    mail = town_group_send(mob.ann, mob.group, "without Dan");
    mob.dan->read = mob.town->mail_count;
    town_group_must(mob.group, mob.ann, town_change(E2E_GROUP_ADD, mob.dan, E2E_ROLE_MEMBER));
    (void)town_group_send(mob.ann, mob.group, "with Dan");
    assert_int_equal(town_group_fetch(mob.dan, mob.group), KITH_OK);
    while (mob.dan->read < mob.town->mail_count) /* he has missed one, and is told so */
        assert_int_equal(town_open(mob.dan, &mob.town->mails[mob.dan->read++], NULL), KITH_OK);
    assert_int_equal(e2e_group_message_decode(mob_common(mail), &common), KITH_OK);
    assert_true(forge_has_chain(mob.dan, common.chain_id)); /* it goes on, from where he came */
    assert_int_equal(forge_refused(mob.dan, town_envelope(mail, mob.dan)), KITH_E_DENIED);
    town_free(mob.town);
}

/* The gift as it was sealed, which the server has, and of which it never said that it has. */
static struct town_mail gift_sealed(struct town_device *from, const struct town_group *group)
{
    const struct town_chat chat = town_group_chat(from, group);
    struct town_mail mail = {.from = from, .is_keys = true};
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    struct e2e_seal seal;

    town_need(wants != NULL);
    town_id(from->town, mail.msg_id);
    memcpy(mail.thread_id, group->chat_id, sizeof mail.thread_id);
    seal = town_seal_of(&chat, mail.msg_id, "", from->town->now_ms);
    seal.content_type = kith_slice_str(E2E_GROUP_KEYS_TYPE);
    kith_buf_init(&mail.bodies, KITH_MESSAGE_BYTES_MAX);
    town_need(e2e_account_seal(from->account, from->town->now_ms, &seal, wants, &mail.bodies) == KITH_OK);
    free(wants);
    return mail;
}

/*
 * Dan comes, and is given the chain in a message that the server has, and says it has not. He is removed before Ann hears of
 * it, and her device has begun anew meanwhile: that he may have the chain it knows all the same.
 */
static void test_malicious__e2e_04_who_may_have_been_given_it_counts(void **state)
{
    (void)state;
    for (uint64_t restarts = 0; restarts < 2; restarts++) {
        struct mob mob = mob_new(4304 + restarts);
        struct town_mail gift;
        struct e2e_group_message common;
        town_group_must(mob.group, mob.ann, town_change(E2E_GROUP_ADD, mob.eve, E2E_ROLE_MEMBER));
        (void)town_group_send(mob.carol, mob.group, "welcome"); /* as everybody must have a session with her */
        assert_int_equal(town_group_fetch(mob.eve, mob.group), KITH_OK);
        (void)town_read(mob.eve);
        town_group_must(mob.group, mob.ann, town_change(E2E_GROUP_REMOVE, mob.dan, 0));
        /* The chain is another now, and nobody has it yet. */
        gift = gift_sealed(mob.ann, mob.group);
        assert_int_equal(town_open(mob.eve, &gift, NULL), KITH_OK);
        if (restarts) town_restart(mob.ann);
        town_group_must(mob.group, mob.ann, town_change(E2E_GROUP_REMOVE, mob.eve, 0));
        assert_int_equal(e2e_group_message_decode(mob_common(town_group_send(mob.ann, mob.group, "ours")), &common),
                         KITH_OK);
        assert_false(forge_has_chain(mob.eve, common.chain_id));
        opens_nothing_of(mob.eve, &mob.town->mails[mob.town->mail_count - 1]);
        kith_buf_deinit(&gift.bodies);
        town_free(mob.town);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_04_a_removed_member_reads_no_more),
        cmocka_unit_test(test_malicious__e2e_04_a_removed_device_reads_no_more),
        cmocka_unit_test(test_malicious__e2e_04_a_removed_member_who_is_back_begins_anew),
        cmocka_unit_test(test_malicious__e2e_04_who_may_have_been_given_it_counts),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
