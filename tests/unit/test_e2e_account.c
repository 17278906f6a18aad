#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/e2e/town.h"

/* One device's whole state: founding, what it has on the server, messages between people with several devices. */

static enum e2e_account_state state_of(const struct town_device *device)
{
    return e2e_account_state(device->account);
}

static void test_e2e_account__the_first_device_founds_the_account(void **state)
{
    struct town *town = town_new(1);
    struct town_device *ann = town_join(town);
    struct e2e_person me = e2e_account_person(ann->account, ann->person->id);

    (void)state;
    assert_int_equal(state_of(ann), E2E_ACCOUNT_READY);
    assert_int_equal(me.trust, E2E_TRUST_VERIFIED);
    assert_int_equal(me.list->seq, 1);
    assert_int_equal(me.list->device_count, 1);
    assert_true(me.list->devices[0].is_manager && me.list->devices[0].is_accepted);
    assert_memory_equal(me.list->devices[0].server_device, ann->server_device, E2E_SERVER_DEVICE_BYTES);
    assert_int_equal(me.list->expires_at_ms, TOWN_NOW + 30 * TOWN_DAY_MS);
    assert_int_equal(me.list_seq, ann->person->list_seq);
    assert_int_equal(ann->opks.count, E2E_PREKEYS_MAX);
    assert_int_equal(ann->kem_ots.count, E2E_PREKEYS_MAX);
    assert_true(kith_buf_len(&ann->spk) > 0 && kith_buf_len(&ann->kem_lr) > 0);
    town_restart(ann);
    assert_int_equal(state_of(ann), E2E_ACCOUNT_READY);
    town_free(town);
}

/* Nothing can be sent or opened by a device that has no keys. */
static void test_e2e_account__a_device_without_keys_is_closed(void **state)
{
    struct town *town = town_new(2);
    struct town_device *ann = town_join(town), *bob = town_join(town);
    struct town_device *tablet = town_device_new(ann->person);
    struct town_chat chat = town_chat_two(ann, bob);
    struct town_mail *mail = town_send(bob, &chat, "hello");
    struct e2e_envelope envelope = town_envelope(mail, ann);
    struct e2e_claimed claimed = {0};
    struct e2e_upload upload;
    struct kith_buf out;
    size_t place;

    (void)state;
    assert_int_equal(state_of(tablet), E2E_ACCOUNT_EMPTY);
    assert_int_equal(town_try_send(tablet, &chat, "no", &place), KITH_E_CLOSED);
    {
        struct e2e_opened opened;
        assert_int_equal(town_open_envelope(tablet, envelope, &out, &opened), KITH_E_CLOSED);
        kith_buf_wipe(&out);
    }
    assert_int_equal(e2e_account_bundle(tablet->account, town->now_ms, &claimed), KITH_E_CLOSED);
    assert_false(e2e_account_upload(tablet->account, town->now_ms, &upload));
    e2e_account_uploaded(tablet->account, town->now_ms, 0, 0);
    e2e_account_own_seq(tablet->account, 7);
    e2e_account_stale(tablet->account, bob->person->id);
    e2e_account_accepted(tablet->account, mail->thread_id, mail->msg_id);
    e2e_account_no_bundle(tablet->account, town->now_ms, bob->person->id, bob->server_device);
    assert_int_equal(e2e_account_verify(tablet->account, bob->person->id, true), KITH_E_NOTFOUND);
    assert_int_equal(e2e_account_person(tablet->account, bob->person->id).trust, E2E_TRUST_UNKNOWN);
    assert_int_equal(tablet->writes, 0);
    kith_buf_init(&out, E2E_LINK_BYTES_MAX);
    assert_int_equal(e2e_account_link_approve(tablet->account, town->now_ms, kith_slice_str("x"), &out), KITH_E_CLOSED);
    assert_int_equal(e2e_account_remove_device(tablet->account, town->now_ms, ann->server_device), KITH_E_CLOSED);
    assert_int_equal(e2e_account_link_request(ann->account, town->now_ms, &out), KITH_E_CLOSED);
    assert_int_equal(e2e_account_link_accept(ann->account, town->now_ms, kith_slice_str("x")), KITH_E_CLOSED);
    assert_int_equal(kith_buf_len(&out), 0);
    town_free(town);
}

/* The list a week after it was signed; the prekeys a day earlier or later, as is drawn for each pair of them. */
static void test_e2e_account__prekeys_are_renewed_as_time_passes(void **state)
{
    struct town *town = town_new(3);
    struct town_device *ann = town_join(town);
    struct e2e_upload *up = calloc(1, sizeof *up);
    struct e2e_prekey spk;
    struct e2e_device_list *list = town_list_of(ann->person);

    (void)state;
    assert_non_null(up);
    assert_false(e2e_account_upload(ann->account, town->now_ms, up));
    town->now_ms += 6 * TOWN_DAY_MS - 1;
    assert_false(e2e_account_upload(ann->account, town->now_ms, up));
    town->now_ms += 2 * TOWN_DAY_MS + 1;
    assert_true(e2e_account_upload(ann->account, town->now_ms, up));
    assert_true(up->spk.len > 0 && up->kem_lr.len > 0 && up->list.len > 0);
    assert_int_equal(up->opk_count + up->kem_ot_count, 0);
    assert_int_equal(e2e_prekey_read(up->spk, E2E_PREKEY_SPK, ann->person->id, &list->devices[0], town->now_ms, &spk),
                     KITH_OK);
    assert_int_equal(spk.expires_at_ms, town->now_ms + 14 * TOWN_DAY_MS);
    /* The same until the server has it, also over a restart. */
    {
        struct kith_slice first = up->spk;
        uint8_t copy[E2E_PREKEY_BYTES_MAX];
        memcpy(copy, first.ptr, first.len);
        town_restart(ann);
        assert_true(e2e_account_upload(ann->account, town->now_ms, up));
        assert_true(kith_slice_eq(up->spk, kith_slice_of(copy, first.len)));
    }
    town_upload(ann);
    assert_false(e2e_account_upload(ann->account, town->now_ms, up));
    assert_int_equal(ann->person->list_count, 2);
    free(list);
    free(up);
    town_free(town);
}

/* When the next pair is due, in hours after this one; over a restart. */
static uint32_t hours_to_next(struct town_device *device, struct e2e_upload *up)
{
    town_restart(device);
    for (uint32_t hours = 1;; hours++) {
        device->town->now_ms += TOWN_DAY_MS / 24;
        if (!e2e_account_upload(device->account, device->town->now_ms, up) || up->spk.len == 0) continue;
        town_upload(device);
        return hours;
    }
}

static void test_e2e_account__when_prekeys_are_renewed_is_drawn(void **state)
{
    struct town *town = town_new(5);
    struct town_device *ann = town_join(town);
    struct e2e_upload *up = calloc(1, sizeof *up);
    uint32_t least = UINT32_MAX, most = 0;

    (void)state;
    assert_non_null(up);
    for (int i = 0; i < 12; i++) {
        const uint32_t hours = hours_to_next(ann, up);
        least = hours < least ? hours : least;
        most = hours > most ? hours : most;
    }
    assert_true(least >= 6 * 24 && most <= 8 * 24);
    assert_true(most - least > 12); /* twelve draws of 48 hours */
    free(up);
    town_free(town);
}

static void test_e2e_account__one_time_prekeys_are_filled_up_below_fifty(void **state)
{
    struct town *town = town_new(4);
    struct town_device *ann = town_join(town);
    struct e2e_upload *up = calloc(1, sizeof *up);

    (void)state;
    assert_non_null(up);
    town_say_left(ann, E2E_PREKEYS_LOW, E2E_PREKEYS_LOW);
    assert_false(e2e_account_upload(ann->account, town->now_ms, up));
    town_say_left(ann, E2E_PREKEYS_LOW - 1, E2E_PREKEYS_LOW);
    assert_true(e2e_account_upload(ann->account, town->now_ms, up));
    assert_int_equal(up->opk_count, E2E_PREKEYS_MAX - (E2E_PREKEYS_LOW - 1));
    assert_int_equal(up->kem_ot_count, 0);
    assert_int_equal(up->spk.len + up->kem_lr.len + up->list.len, 0);
    e2e_account_uploaded(ann->account, town->now_ms, E2E_PREKEYS_MAX, 0);
    assert_true(e2e_account_upload(ann->account, town->now_ms, up));
    assert_int_equal(up->opk_count, 0);
    assert_int_equal(up->kem_ot_count, E2E_PREKEYS_MAX);
    free(up);
    town_free(town);
}

/* ------------------------------------------------------------------------------------------------ messages */
struct four {
    struct town *town;
    struct town_device *devices[4]; /* ann's, ann's, bob's, bob's */
    struct town_chat chat;
};

static struct four four_new(uint64_t seed, bool has_few_prekeys)
{
    struct four four = {.town = town_new(seed)};

    four.town->has_few_prekeys = has_few_prekeys;
    four.devices[0] = town_join(four.town);
    four.devices[1] = town_link(four.devices[0]);
    four.devices[2] = town_join(four.town);
    four.devices[3] = town_link(four.devices[2]);
    four.chat = town_chat_two(four.devices[0], four.devices[2]);
    return four;
}

static void read_all(const struct four *four)
{
    for (int i = 0; i < 4; i++) (void)town_read(four->devices[i]);
}

static void test_e2e_account__every_device_of_both_reads_what_any_of_them_sends(void **state)
{
    struct four four = four_new(10, false);
    size_t heard[4] = {0};

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            (void)town_send(four.devices[i], &four.chat, "to all of us");
            for (int j = 0; j < 4; j++) heard[j] += town_read(four.devices[j]);
        }
    }
    for (int i = 0; i < 4; i++) assert_int_equal(heard[i], 9);
    town_free(four.town);
}

/* Each of the four sends one before any has read anything: sessions begin from both ends, between own devices too. */
static void test_e2e_account__all_begin_at_once_and_meet_in_one_session(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed < 30; seed++) {
        struct four four = four_new(seed, seed % 2 == 0);
        for (int i = 0; i < 4; i++) (void)town_send(four.devices[i], &four.chat, "at once");
        read_all(&four);
        for (int round = 0; round < 4; round++) {
            for (int i = 0; i < 4; i++) (void)town_send(four.devices[i], &four.chat, "and on");
            read_all(&four);
        }
        /* An answer ended every set-up: both ends send in one session, or it would be there for ever. */
        for (int i = 0; i < 4; i++) {
            struct town_mail *mail = town_send(four.devices[i], &four.chat, "last");
            for (int j = 0; j < 4; j++) {
                struct e2e_setup setup;
                if (j != i)
                    assert_int_equal(e2e_message_setup(town_body(mail, four.devices[j]), &setup), KITH_E_NOTFOUND);
            }
        }
        read_all(&four);
        town_free(four.town);
    }
}

static void next_order(size_t *order, size_t count, struct kith_prng *prng)
{
    for (size_t i = 0; i < count; i++) {
        size_t j = i + (size_t)kith_prng_below(prng, count - i), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

/* Whatever order the server hands them out in, each opens once, and a second time never. */
static void test_e2e_account__messages_open_in_any_order_and_once(void **state)
{
    (void)state;
    for (uint64_t seed = 40; seed < 46; seed++) {
        struct four four = four_new(seed, true);
        size_t order[24];
        for (size_t i = 0; i < 24; i++) {
            order[i] = i;
            (void)town_send(four.devices[kith_prng_below(&four.town->order, 4)], &four.chat, "in any order");
        }
        for (int j = 0; j < 4; j++) {
            struct town_device *to = four.devices[j];
            next_order(order, 24, &four.town->order);
            for (size_t i = 0; i < 24; i++) {
                const struct town_mail *mail = &four.town->mails[order[i]];
                if (mail->from == to) continue;
                assert_int_equal(town_open(to, mail, NULL), KITH_OK);
                if (i % 3 == 0) town_restart(to);
                if (i % 2 == 0) assert_int_equal(town_open(to, mail, NULL), KITH_E_CONFLICT);
            }
            for (size_t i = 0; i < 24; i++)
                if (four.town->mails[i].from != to)
                    assert_int_equal(town_open(to, &four.town->mails[i], NULL), KITH_E_CONFLICT);
        }
        town_free(four.town);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account__the_first_device_founds_the_account),
        cmocka_unit_test(test_e2e_account__a_device_without_keys_is_closed),
        cmocka_unit_test(test_e2e_account__prekeys_are_renewed_as_time_passes),
        cmocka_unit_test(test_e2e_account__when_prekeys_are_renewed_is_drawn),
        cmocka_unit_test(test_e2e_account__one_time_prekeys_are_filled_up_below_fifty),
        cmocka_unit_test(test_e2e_account__every_device_of_both_reads_what_any_of_them_sends),
        cmocka_unit_test(test_e2e_account__all_begin_at_once_and_meet_in_one_session),
        cmocka_unit_test(test_e2e_account__messages_open_in_any_order_and_once),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
