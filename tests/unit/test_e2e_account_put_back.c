#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/account_impl.h"
#include "tests/e2e/town.h"

/* A device that was put back to an older state, whose prekeys with the server are of later: what it does, and how often. */

static bool is_here(const struct town_device *device, enum e2e_prekey_kind kind, const struct kith_buf *prekey)
{
    struct e2e_prekey read;

    assert_int_equal(e2e_prekey_parse(kith_buf_peek(prekey), kind, &read), KITH_OK);
    return account_prekey_find(device->account, kind, read.id) != NULL;
}

static size_t left_count(const struct town_prekeys *prekeys)
{
    return prekeys->count - prekeys->taken;
}

/* All that somebody may be given of that device it can open: and it is as many as there may be. */
static void assert_all_here(const struct town_device *device)
{
    assert_true(is_here(device, E2E_PREKEY_SPK, &device->spk));
    assert_true(is_here(device, E2E_PREKEY_KEM_LR, &device->kem_lr));
    assert_int_equal(left_count(&device->opks), E2E_PREKEYS_MAX);
    assert_int_equal(left_count(&device->kem_ots), E2E_PREKEYS_MAX);
    for (size_t i = device->opks.taken; i < device->opks.count; i++)
        assert_true(is_here(device, E2E_PREKEY_OPK, &device->opks.items[i]));
    for (size_t i = device->kem_ots.taken; i < device->kem_ots.count; i++)
        assert_true(is_here(device, E2E_PREKEY_KEM_OT, &device->kem_ots.items[i]));
}

static uint32_t made(const struct town_device *device, enum e2e_prekey_kind kind)
{
    uint32_t count = 0;

    for (const struct prekey_own *own = device->account->prekeys; own != NULL; own = own->next)
        count += own->half.kind == kind;
    return count;
}

/* Half of her one-time prekeys are taken, all are filled up, and the lasting ones become others. */
static void live_on(struct town_device *ann)
{
    ann->town->now_ms += 9 * TOWN_DAY_MS;
    ann->opks.taken = ann->kem_ots.taken = E2E_PREKEYS_LOW + 1;
    town_look(ann);
    assert_all_here(ann);
}

static struct town_device *put_back(struct town *town)
{
    struct town_device *ann = town_join(town);
    struct kith_map before = town_records_copy(ann);

    live_on(ann);
    town_restart_from(ann, &before);
    town_records_free(&before);
    town->is_cloned = true;
    assert_false(is_here(ann, E2E_PREKEY_SPK, &ann->spk));
    assert_false(is_here(ann, E2E_PREKEY_KEM_OT, &ann->kem_ots.items[ann->kem_ots.count - 1]));
    return ann;
}

static void test_e2e_account_put_back__all_prekeys_are_made_anew(void **state)
{
    struct town *town = town_new(1);
    struct town_device *ann = put_back(town), *bob = town_join(town);
    struct town_chat chat = town_chat_two(ann, bob);
    size_t later = ann->kem_ots.count;

    (void)state;
    town_look(ann);
    assert_all_here(ann);
    assert_true(ann->kem_ots.count < later + E2E_PREKEYS_MAX); /* none of those that nobody had been given are there */
    (void)town_send(bob, &chat, "hello");
    assert_int_equal(town_read(ann), 1);
    town_restart(ann);
    assert_false(ann->account->self.replaces);
    town_free(town);
}

/* What it would be without: a first message under a prekey whose private half nobody has. */
static void test_e2e_account_put_back__until_it_has_looked_nobody_can_begin_with_it(void **state)
{
    struct town *town = town_new(2);
    struct town_device *ann = put_back(town), *bob = town_join(town);
    struct town_chat chat = town_chat_two(ann, bob);
    const struct town_mail *mail = town_send(bob, &chat, "hello");

    (void)state;
    assert_int_equal(town_open(ann, mail, NULL), KITH_E_DENIED);
    town_free(town);
}

/* The server says each time that it has others, whatever comes up. True: all were made anew. */
static bool hear_lie(struct town_device *device)
{
    const struct e2e_prekeys_left lie = {
        .opk_count = E2E_PREKEYS_MAX, .kem_ot_count = E2E_PREKEYS_MAX, .spk_id = 7, .kem_lr_id = 7};
    const uint32_t spks = made(device, E2E_PREKEY_SPK), opks = made(device, E2E_PREKEY_OPK);
    struct e2e_upload *up = calloc(1, sizeof *up);
    bool replaces;

    assert_non_null(up);
    assert_null(account_prekey_find(device->account, E2E_PREKEY_SPK, 7));
    e2e_account_prekeys_left(device->account, device->town->now_ms, &lie);
    (void)e2e_account_upload(device->account, device->town->now_ms, up);
    replaces = up->replaces;
    assert_int_equal(made(device, E2E_PREKEY_SPK), spks + replaces);
    assert_int_equal(made(device, E2E_PREKEY_OPK), opks + (replaces ? E2E_PREKEYS_MAX : 0));
    e2e_account_uploaded(device->account, device->town->now_ms, E2E_PREKEYS_MAX, E2E_PREKEYS_MAX);
    free(up);
    town_restart(device);
    return replaces;
}

static void test_e2e_account_put_back__a_lying_server_is_believed_once_a_day(void **state)
{
    struct town *town = town_new(3);
    struct town_device *ann = town_join(town);
    uint64_t began_ms;

    (void)state;
    town->now_ms += TOWN_DAY_MS;
    began_ms = town->now_ms;
    assert_true(hear_lie(ann));
    for (int i = 0; i < 5; i++) assert_false(hear_lie(ann));
    town->now_ms = began_ms + E2E_PREKEYS_ANEW_MS - 1;
    assert_false(hear_lie(ann));
    town->now_ms = began_ms + E2E_PREKEYS_ANEW_MS;
    assert_true(hear_lie(ann));
    assert_false(hear_lie(ann));
    /* A clock that was set back does not make it wait for longer than that. */
    town->now_ms = began_ms;
    assert_true(hear_lie(ann));
    assert_false(hear_lie(ann));
    town_free(town);
}

/* Either of the two lasting ones may be the one that is not ours. */
static void test_e2e_account_put_back__one_foreign_prekey_is_enough(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct town *town = town_new(4);
        struct town_device *ann = town_join(town);
        struct e2e_prekeys_left left = town_left(ann, E2E_PREKEYS_MAX, E2E_PREKEYS_MAX);
        *(which == 0 ? &left.spk_id : &left.kem_lr_id) ^= 1;
        e2e_account_prekeys_left(ann->account, town->now_ms, &left);
        town_upload(ann);
        assert_all_here(ann);
        assert_int_equal(made(ann, E2E_PREKEY_SPK), 2);
        assert_int_equal(made(ann, E2E_PREKEY_KEM_OT), 2 * E2E_PREKEYS_MAX);
        town_free(town);
    }
}

/* Kept, superseded, or made and not known to be uploaded: none of these says that it was put back. */
static void test_e2e_account_put_back__its_own_are_its_own_in_whatever_state(void **state)
{
    struct town *town = town_new(5);
    struct town_device *ann = town_join(town);
    struct e2e_prekeys_left first = town_left(ann, E2E_PREKEYS_MAX, E2E_PREKEYS_MAX), then;
    struct e2e_upload *up = calloc(1, sizeof *up);

    (void)state;
    assert_non_null(up);
    town->now_ms += 9 * TOWN_DAY_MS;
    assert_true(e2e_account_upload(ann->account, town->now_ms, up));
    assert_true(up->spk.len > 0);
    e2e_account_prekeys_left(ann->account, town->now_ms, &first); /* before it came there */
    assert_true(e2e_account_upload(ann->account, town->now_ms, up));
    assert_false(up->replaces);
    kith_buf_reset(&ann->spk);
    kith_buf_reset(&ann->kem_lr);
    assert_int_equal(kith_buf_append(&ann->spk, up->spk), KITH_OK);
    assert_int_equal(kith_buf_append(&ann->kem_lr, up->kem_lr), KITH_OK);
    then = town_left(ann, E2E_PREKEYS_MAX, E2E_PREKEYS_MAX);
    e2e_account_prekeys_left(ann->account, town->now_ms, &then); /* it came there, and the answer is lost */
    town_upload(ann);
    e2e_account_prekeys_left(ann->account, town->now_ms, &first); /* the server was put back */
    assert_false(e2e_account_upload(ann->account, town->now_ms, up));
    assert_int_equal(made(ann, E2E_PREKEY_SPK), 2);
    assert_int_equal(ann->account->self.anew_at_ms, 0);
    free(up);
    town_free(town);
}

/* It has lost them: there are none to take the place of. */
static void test_e2e_account_put_back__what_the_server_lost_it_gets_again(void **state)
{
    struct town *town = town_new(6);
    struct town_device *ann = town_join(town);
    struct e2e_upload *up = calloc(1, sizeof *up);
    const struct e2e_prekeys_left none = {0};

    (void)state;
    assert_non_null(up);
    for (int i = 0; i < 3; i++) {
        e2e_account_prekeys_left(ann->account, town->now_ms, &none);
        assert_true(e2e_account_upload(ann->account, town->now_ms, up));
        assert_false(up->replaces);
        assert_int_equal(up->spk.len > 0 && up->kem_lr.len > 0, i == 0); /* once a day */
        assert_int_equal(up->opk_count, E2E_PREKEYS_MAX);
        e2e_account_uploaded(ann->account, town->now_ms, E2E_PREKEYS_MAX, E2E_PREKEYS_MAX);
        town_restart(ann);
    }
    free(up);
    town_free(town);
}

/* Those that were never there are not lost: they are uploaded as they are. */
static void test_e2e_account_put_back__what_was_not_uploaded_is_not_lost(void **state)
{
    struct town *town = town_new(7);
    struct town_device *ann = town_join(town);
    struct e2e_upload *up = calloc(1, sizeof *up);
    const struct e2e_prekeys_left none = {0};

    (void)state;
    assert_non_null(up);
    town->now_ms += 9 * TOWN_DAY_MS;
    assert_true(e2e_account_upload(ann->account, town->now_ms, up));
    town_restart(ann);
    e2e_account_prekeys_left(ann->account, town->now_ms, &none);
    assert_true(e2e_account_upload(ann->account, town->now_ms, up));
    assert_int_equal(made(ann, E2E_PREKEY_SPK), 2);
    assert_int_equal(ann->account->self.anew_at_ms, 0);
    free(up);
    town_free(town);
}

/* Of one that the older state has not uploaded yet nobody knows what became of it: it may have been used. */
static void test_e2e_account_put_back__none_of_before_is_uploaded(void **state)
{
    struct town *town = town_new(8);
    struct town_device *ann = town_join(town);
    struct e2e_upload *up = calloc(1, sizeof *up);
    struct kith_buf first;
    struct kith_map before;

    (void)state;
    assert_non_null(up);
    kith_buf_init(&first, E2E_PREKEY_BYTES_MAX);
    town_say_left(ann, 0, 0);
    assert_true(e2e_account_upload(ann->account, town->now_ms, up));
    assert_int_equal(up->kem_ot_count, E2E_PREKEYS_MAX);
    assert_int_equal(kith_buf_append(&first, up->kem_ots[0]), KITH_OK);
    before = town_records_copy(ann);
    ann->opks.taken = ann->opks.count;
    ann->kem_ots.taken = ann->kem_ots.count;
    town->now_ms += 9 * TOWN_DAY_MS;
    town_look(ann);
    assert_all_here(ann);
    town_restart_from(ann, &before);
    town->is_cloned = true;
    town_look(ann);
    assert_all_here(ann);
    assert_true(is_here(ann, E2E_PREKEY_KEM_OT, &first)); /* a bundle with it may be with somebody */
    for (size_t i = ann->kem_ots.taken; i < ann->kem_ots.count; i++)
        assert_false(kith_slice_eq(kith_buf_peek(&ann->kem_ots.items[i]), kith_buf_peek(&first)));
    town_records_free(&before);
    kith_buf_deinit(&first);
    free(up);
    town_free(town);
}

/* What it finds there is not what it left, and nothing is said of how much is missing of that; what was seen before that stays. */
static void test_e2e_account_put_back__replaced_prekeys_were_not_taken(void **state)
{
    struct town *town = town_new(9);
    struct town_device *ann = town_join(town);
    struct kith_map before;

    (void)state;
    town_say_left(ann, 97, 97);
    assert_int_equal(e2e_account_prekeys_taken(ann->account, town->now_ms).count, 3);
    before = town_records_copy(ann);
    live_on(ann);
    town->now_ms -= 9 * TOWN_DAY_MS;
    town_restart_from(ann, &before);
    town->is_cloned = true;
    town_say_left(ann, 11, 11);
    town_restart(ann);
    town_say_left(ann, 10, 10);
    assert_int_equal(e2e_account_prekeys_taken(ann->account, town->now_ms).count, 3);
    town_upload(ann);
    assert_int_equal(e2e_account_prekeys_taken(ann->account, town->now_ms).count, 3);
    town_say_left(ann, E2E_PREKEYS_MAX - 1, E2E_PREKEYS_MAX - 1); /* of the new ones they are */
    assert_int_equal(e2e_account_prekeys_taken(ann->account, town->now_ms).count, 4);
    town_records_free(&before);
    town_free(town);
}

/* Killed in whatever step: all comes there, and nothing is made twice. */
static void test_e2e_account_put_back__may_be_killed_anywhere(void **state)
{
    (void)state;
    for (int cut = 0; cut < 4; cut++) {
        struct town *town = town_new(10);
        struct town_device *ann = put_back(town);
        struct e2e_upload *up = calloc(1, sizeof *up);
        assert_non_null(up);
        town_say_left(ann, 80, 80);
        if (cut == 0) town_restart(ann); /* before anything is made */
        assert_true(e2e_account_upload(ann->account, town->now_ms, up));
        if (cut == 1) town_restart(ann); /* before it comes there */
        town->cut_at = town->calls + 1;  /* behind it: the answer is lost */
        if (cut == 2) town->cut = TOWN_CUT_AFTER;
        if (cut == 3) town->cut_at = 0;
        town_look(ann);
        town_look(ann);
        town_restart(ann);
        assert_all_here(ann);
        assert_int_equal(made(ann, E2E_PREKEY_SPK), 2);
        assert_int_equal(made(ann, E2E_PREKEY_OPK), 2 * E2E_PREKEYS_MAX);
        assert_false(ann->account->self.replaces);
        free(up);
        town_free(town);
    }
}

/* A device that signed in again under its old id, and has nothing: the prekeys of before are nobody's. */
static void test_e2e_account_put_back__a_device_that_lost_everything_replaces_all(void **state)
{
    struct town *town = town_new(11);
    struct town_device *ann = town_join(town), *phone = town_link(ann);
    struct town_person *person = ann->person;
    const struct e2e_prekeys_left there = town_left(phone, 80, 80);
    struct town_device *fresh = town_device_new(person);
    struct e2e_upload *up = calloc(1, sizeof *up);
    struct kith_buf request, answer;

    (void)state;
    assert_non_null(up);
    kith_buf_init(&request, E2E_LINK_BYTES_MAX);
    kith_buf_init(&answer, E2E_LINK_BYTES_MAX);
    e2e_account_prekeys_left(fresh->account, town->now_ms, &there);
    assert_false(e2e_account_upload(fresh->account, town->now_ms, up));
    assert_int_equal(e2e_account_link_request(fresh->account, town->now_ms, &request), KITH_OK);
    assert_int_equal(e2e_account_link_approve(ann->account, town->now_ms, kith_buf_peek(&request), &answer), KITH_OK);
    assert_int_equal(e2e_account_link_accept(fresh->account, town->now_ms, kith_buf_peek(&answer)), KITH_OK);
    assert_true(e2e_account_upload(fresh->account, town->now_ms, up));
    assert_true(up->replaces && up->opk_count == E2E_PREKEYS_MAX && up->kem_ot_count == E2E_PREKEYS_MAX);
    kith_buf_wipe(&request);
    kith_buf_wipe(&answer);
    free(up);
    town_free(town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_put_back__all_prekeys_are_made_anew),
        cmocka_unit_test(test_e2e_account_put_back__until_it_has_looked_nobody_can_begin_with_it),
        cmocka_unit_test(test_e2e_account_put_back__a_lying_server_is_believed_once_a_day),
        cmocka_unit_test(test_e2e_account_put_back__one_foreign_prekey_is_enough),
        cmocka_unit_test(test_e2e_account_put_back__its_own_are_its_own_in_whatever_state),
        cmocka_unit_test(test_e2e_account_put_back__what_the_server_lost_it_gets_again),
        cmocka_unit_test(test_e2e_account_put_back__what_was_not_uploaded_is_not_lost),
        cmocka_unit_test(test_e2e_account_put_back__none_of_before_is_uploaded),
        cmocka_unit_test(test_e2e_account_put_back__replaced_prekeys_were_not_taken),
        cmocka_unit_test(test_e2e_account_put_back__may_be_killed_anywhere),
        cmocka_unit_test(test_e2e_account_put_back__a_device_that_lost_everything_replaces_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
