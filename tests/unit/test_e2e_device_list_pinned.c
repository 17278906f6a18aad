#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/device_list.h"

/* What a list is to whoever has pinned one. Only what lists say counts here: none of these is signed. */
struct pair {
    struct e2e_device_list pinned, next;
};

/* Of seq 2, with devices 10, 20 and 30, and 5 and 25 removed; and its successor, that says the same. */
static void pair_init(struct pair *pair)
{
    struct e2e_device_list *list = &pair->pinned;

    memset(pair, 0, sizeof *pair);
    memset(list->account_id, 1, sizeof list->account_id);
    memset(list->ark_pub, 2, sizeof list->ark_pub);
    memset(list->aik_pub, 3, sizeof list->aik_pub);
    list->aik_counter = 1;
    list->seq = 2;
    list->device_count = 3;
    for (uint32_t i = 0; i < list->device_count; i++) {
        list->devices[i].device_id = 10 * (i + 1);
        memset(list->devices[i].dsk_pub, (int)i + 100, sizeof list->devices[i].dsk_pub);
        memset(list->devices[i].ddh_pub, (int)i + 200, sizeof list->devices[i].ddh_pub);
    }
    list->removed[0] = 5;
    list->removed[1] = 25;
    list->removed_count = 2;
    memset(list->hash, 7, sizeof list->hash);
    pair->next = *list;
    pair->next.seq++;
    memset(pair->next.hash, 8, sizeof pair->next.hash);
    memcpy(pair->next.prev_hash, list->hash, sizeof list->hash);
}

static struct pair *pair_new(void)
{
    struct pair *pair = malloc(sizeof *pair);

    assert_non_null(pair);
    pair_init(pair);
    return pair;
}

static void test_e2e_device_list_pinned__a_list_follows_the_pinned_one(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    assert_int_equal(e2e_device_list_compare(NULL, &pair->next), E2E_LIST_FIRST);
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->pinned), E2E_LIST_SAME);
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_NEXT);
    assert_int_equal(e2e_device_list_compare(&pair->next, &pair->pinned), E2E_LIST_STALE);
    pair->next.seq++;
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_GAP);
    pair->next.seq = pair->pinned.seq;
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_FORK);
    pair_init(pair);
    pair->next.prev_hash[0] ^= 1; /* the predecessor it says is another than ours */
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_FORK);
    free(pair);
}

static void test_e2e_device_list_pinned__another_root_key_is_seen_before_all_else(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    for (uint64_t seq = 1; seq < 6; seq++) {
        pair_init(pair);
        pair->next.seq = seq;
        pair->next.ark_pub[0] ^= 1;
        assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_IDENTITY);
    }
    free(pair);
}

static void test_e2e_device_list_pinned__an_older_list_key_signs_nothing_new(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    for (uint64_t step = 0; step < 3; step++) {
        pair_init(pair);
        pair->pinned.aik_counter = 3;
        pair->next.aik_counter = 2;
        pair->next.seq = pair->pinned.seq + step;
        assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_ROLLBACK);
        pair->next.aik_counter = 3;
        pair->next.aik_pub[0] ^= 1; /* the same counter, another key */
        assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_ROLLBACK);
    }
    /* What was signed before the list key changed is only old. */
    pair_init(pair);
    pair->pinned.aik_counter = 3;
    pair->next.seq = pair->pinned.seq - 1;
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_STALE);
    /* A new list key comes with a higher counter. */
    pair_init(pair);
    pair->next.aik_pub[0] ^= 1;
    pair->next.aik_counter++;
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_NEXT);
    free(pair);
}

static void drop_device(struct e2e_device_list *list, uint32_t at)
{
    memmove(&list->devices[at], &list->devices[at + 1], (list->device_count - at - 1) * sizeof list->devices[0]);
    list->device_count--;
}

static void test_e2e_device_list_pinned__no_device_comes_back_or_changes_its_keys(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    pair->next.devices[1].dsk_pub[0] ^= 1;
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_REUSED);
    pair_init(pair);
    pair->next.devices[2].ddh_pub[0] ^= 1;
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_REUSED);
    pair_init(pair);
    pair->next.devices[0].device_id = pair->next.removed[0]; /* 5 is back ... */
    pair->next.removed[0] = 10;                              /* ... and 10 is gone */
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_REUSED);
    pair_init(pair);
    pair->next.removed_count = 1; /* 25 is forgotten: one list later it could be back */
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_REUSED);
    pair_init(pair);
    drop_device(&pair->next, 2); /* 30 is neither listed nor removed */
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_REUSED);
    pair->next.removed[pair->next.removed_count++] = 30;
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_NEXT);
    free(pair);
}

static void test_e2e_device_list_pinned__devices_come_and_go(void **state)
{
    struct pair *pair = pair_new();

    (void)state;
    pair->next.devices[3] = pair->next.devices[2];
    pair->next.devices[3].device_id = 40;
    pair->next.device_count++;
    pair->next.devices[0].is_manager = !pair->next.devices[0].is_manager;
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_NEXT);
    drop_device(&pair->next, 1);
    pair->next.removed[1] = 20;
    pair->next.removed[2] = 25;
    pair->next.removed_count = 3;
    assert_int_equal(e2e_device_list_compare(&pair->pinned, &pair->next), E2E_LIST_NEXT);
    free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_device_list_pinned__a_list_follows_the_pinned_one),
        cmocka_unit_test(test_e2e_device_list_pinned__another_root_key_is_seen_before_all_else),
        cmocka_unit_test(test_e2e_device_list_pinned__an_older_list_key_signs_nothing_new),
        cmocka_unit_test(test_e2e_device_list_pinned__no_device_comes_back_or_changes_its_keys),
        cmocka_unit_test(test_e2e_device_list_pinned__devices_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
