#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ring.h"

/* A device that was removed, in a thief's hands and in league with the server: rows 2 and 3 of the attack table. */

static void take_out(struct town_device *manager, const struct town_device *device)
{
    town_need(e2e_account_remove_device(manager->account, TOWN_NOW, device->server_device) == KITH_OK);
    town_upload(manager);
}

/* All that are still members' devices. */
static void meet(const struct ring *ring)
{
    for (size_t i = 0; i < RING_MEMBERS; i++) {
        if (ring_member(ring, i) == ring->tablet) continue;
        assert_int_equal(town_group_fetch(ring_member(ring, i), ring->group), KITH_OK);
        (void)town_read(ring_member(ring, i));
    }
}

/* The tablet lets Mallory in, behind what `reader` has. */
static struct kith_buf let_in(const struct ring *ring, const struct town_device *reader)
{
    return forge_op(ring->tablet, ring->tablet, ring->tablet, ring_head(ring, reader),
                    forge_op_of(E2E_GROUP_ADD, ring->mallory, E2E_ROLE_MEMBER));
}

/* Under the list that it was in it may sign no more as soon as another device of Ann's has signed without it. */
static void test_malicious__e2e_02_a_removed_device_signs_under_an_old_list(void **state)
{
    struct ring *ring = ring_new(2100);
    struct kith_buf op;

    (void)state;
    take_out(ring->ann, ring->tablet);
    town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    meet(ring);
    op = let_in(ring, ring->bob);
    for (size_t i = 0; i < RING_MEMBERS; i++) {
        if (ring_member(ring, i) == ring->tablet) continue;
        assert_int_equal(ring_refused(ring, ring_member(ring, i), kith_buf_peek(&op)), KITH_E_DENIED);
        town_restart(ring_member(ring, i));
        assert_int_equal(ring_refused(ring, ring_member(ring, i), kith_buf_peek(&op)), KITH_E_DENIED);
    }
    for (size_t i = 0; i < RING_MEMBERS; i++) {
        const struct town_mail *mail;
        if (ring_member(ring, i) == ring->tablet) continue;
        mail = town_group_send(ring_member(ring, i), ring->group, "for us");
        assert_int_equal(town_body(mail, ring->mallory).len + town_body(mail, ring->tablet).len, 0);
    }
    kith_buf_deinit(&op);
    ring_free(ring);
}

/* Not under the list that has removed it, nor under a later one. */
static void test_malicious__e2e_02_a_removed_device_signs_under_a_list_without_it(void **state)
{
    struct ring *ring = ring_new(2101);

    (void)state;
    take_out(ring->ann, ring->tablet);
    take_out(ring->ann, town_link(ring->ann));
    assert_int_equal(town_fetch_list(ring->bob, ring->ann->person), KITH_OK);
    for (uint64_t more = 1; more <= 3; more++) {
        struct kith_buf good = let_in(ring, ring->bob), bad;
        struct e2e_group_op op;
        kith_buf_init(&bad, E2E_GROUP_SIGNED_BYTES_MAX);
        assert_int_equal(e2e_group_op_decode(kith_buf_peek(&good), &op), KITH_OK);
        op.list_seq += more;
        if (op.list_seq == ring->ann->person->list_count)
            memcpy(op.list_hash, e2e_account_person(ring->bob->account, op.author).list->hash, sizeof op.list_hash);
        forge_sign_op(ring->tablet, &op, &bad);
        assert_int_equal(ring_refused(ring, ring->bob, kith_buf_peek(&bad)), KITH_E_DENIED);
        kith_buf_deinit(&good);
        kith_buf_deinit(&bad);
    }
    ring_free(ring);
}

/* A device that was never there, and the key of another one that was. */
static void test_malicious__e2e_02_a_device_that_never_was(void **state)
{
    struct ring *ring = ring_new(2102);

    (void)state;
    take_out(ring->ann, ring->tablet);
    assert_int_equal(town_fetch_list(ring->bob, ring->ann->person), KITH_OK);
    for (int row = 0; row < 2; row++) {
        struct kith_buf good = let_in(ring, ring->bob), bad;
        struct e2e_group_op op;
        kith_buf_init(&bad, E2E_GROUP_SIGNED_BYTES_MAX);
        assert_int_equal(e2e_group_op_decode(kith_buf_peek(&good), &op), KITH_OK);
        op.author_device ^= row == 0 ? 1 : 0;
        forge_sign_op(row == 0 ? ring->tablet : ring->mallory, &op, &bad);
        assert_int_equal(ring_refused(ring, ring->bob, kith_buf_peek(&bad)), KITH_E_DENIED);
        kith_buf_deinit(&good);
        kith_buf_deinit(&bad);
    }
    ring_free(ring);
}

/* What a server shows of Ann's past to a device that has never seen it. */
struct past {
    struct ring *ring;
    const struct town_device *asker;
    size_t index;
    struct kith_slice instead;
};

static void show_past(void *arg, const struct town_device *asker, const struct town_person *of, size_t index,
                      struct kith_slice *list)
{
    const struct past *past = arg;

    if (asker == past->asker && of == past->ring->ann->person && index == past->index) *list = past->instead;
}

/*
 * Mallory has read Ann's list key, and signs a past in which her own device was one of Ann's: it does not lead to the list
 * that Ann signed next. others: more of hers lie between that and what is known. With nothing shown, or one left out, nothing is known; with the truth all is.
 */
static void past_that_never_was(size_t others)
{
    struct ring *ring = ring_new(3100 + others);
    const struct forge_keys thief = forge_keys_of(ring->tablet);
    struct past past = {.ring = ring};
    struct e2e_device_list *list, *mallorys;
    struct kith_buf forged;
    struct town_device *laptop;

    town_group_must(ring->group, ring->tablet, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    list = town_list_of(ring->ann->person);
    mallorys = town_list_of(ring->mallory->person);
    memcpy(list->devices[0].dsk_pub, mallorys->devices[0].dsk_pub, sizeof list->devices[0].dsk_pub);
    memcpy(list->devices[0].ddh_pub, mallorys->devices[0].ddh_pub, sizeof list->devices[0].ddh_pub);
    free(mallorys);
    list->issued_at_ms++;
    forged = forge_list(list, forge_keys_of(ring->ann).aik, &thief, 1);
    take_out(ring->ann, ring->tablet);
    if (others > 0) take_out(ring->ann, town_link(ring->ann));
    meet(ring);
    laptop = town_link(ring->bob);
    ring->town->arg = &past;
    ring->town->show_op = NULL;
    ring->town->show_list = show_past;
    past.asker = laptop;
    for (past.index = list->seq - 1; past.index < list->seq + others; past.index++) {
        past.instead = (struct kith_slice){0};
        assert_int_equal(town_group_fetch(laptop, ring->group), KITH_E_AGAIN);
        past.instead = kith_buf_peek(&forged);
        assert_int_equal(town_group_fetch(laptop, ring->group), KITH_E_AGAIN);
    }
    assert_false(town_group_same(laptop, ring->ann, ring->group));
    past.asker = NULL;
    assert_int_equal(town_group_fetch(laptop, ring->group), KITH_OK);
    assert_true(town_group_same(laptop, ring->ann, ring->group));
    assert_int_equal(e2e_account_person(laptop->account, ring->ann->person->id).trust, E2E_TRUST_KNOWN);
    kith_buf_deinit(&forged);
    free(list);
    ring_free(ring);
}

static void test_malicious__e2e_03_a_past_that_never_was(void **state)
{
    (void)state;
    past_that_never_was(0); /* the list before the oldest that is known */
    past_that_never_was(1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_02_a_removed_device_signs_under_an_old_list),
        cmocka_unit_test(test_malicious__e2e_02_a_removed_device_signs_under_a_list_without_it),
        cmocka_unit_test(test_malicious__e2e_02_a_device_that_never_was),
        cmocka_unit_test(test_malicious__e2e_03_a_past_that_never_was),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
