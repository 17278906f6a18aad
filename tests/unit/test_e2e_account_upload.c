#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/prng.h"
#include "libkith/e2ee/account.h"

/* A manager's lists on their way to the server: one after the other, and none is lost or undone. */
#define NOW 1767225600000ull

struct rig {
    struct kith_prng prng;
    struct e2e_account *manager, *phone;
    struct kith_buf text;
};

static void fill(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

static void keep(void *arg, struct kith_slice key, struct kith_slice value)
{
    (void)arg;
    (void)key;
    (void)value;
}

static void drop(void *arg, struct kith_slice key)
{
    (void)arg;
    (void)key;
}

static struct e2e_account *device(struct rig *rig, uint8_t number)
{
    struct e2e_account_config config = {.one_time_keys = 2, .random = {fill, &rig->prng}, .keep = keep, .drop = drop};
    struct e2e_account *account;

    config.account_id[0] = 7;
    config.server_device[0] = number;
    account = e2e_account_new(&config);
    assert_non_null(account);
    return account;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    assert_non_null(rig);
    kith_prng_seed(&rig->prng, 11);
    kith_buf_init(&rig->text, E2E_LINK_BYTES_MAX);
    rig->manager = device(rig, 1);
    rig->phone = device(rig, 2);
    assert_int_equal(e2e_account_found(rig->manager, NOW), KITH_OK);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    e2e_account_free(rig->manager);
    e2e_account_free(rig->phone);
    kith_buf_deinit(&rig->text);
    free(rig);
    return 0;
}

/* As the server has it then; to be freed. */
static struct kith_buf upload(struct e2e_account *account, bool is_answered)
{
    struct e2e_upload *out = calloc(1, sizeof *out);
    struct kith_buf list;

    assert_non_null(out);
    kith_buf_init(&list, E2E_SIGNED_LIST_BYTES_MAX);
    if (e2e_account_upload(account, NOW, out)) assert_int_equal(kith_buf_append(&list, out->list), KITH_OK);
    if (is_answered) e2e_account_uploaded(account, NOW, 2, 2);
    free(out);
    return list;
}

static void upload_all(struct e2e_account *account)
{
    struct kith_buf list = upload(account, true);

    kith_buf_deinit(&list);
}

static void ask(struct rig *rig)
{
    kith_buf_reset(&rig->text);
    assert_int_equal(e2e_account_link_request(rig->phone, NOW, &rig->text), KITH_OK);
}

static kith_err approve(struct rig *rig)
{
    struct kith_buf answer;
    kith_err err;

    kith_buf_init(&answer, E2E_LINK_BYTES_MAX);
    err = e2e_account_link_approve(rig->manager, NOW, kith_buf_peek(&rig->text), &answer);
    kith_buf_deinit(&rig->text);
    rig->text = answer;
    return err;
}

static uint32_t listed(const struct e2e_account *account)
{
    static const uint8_t id[E2E_ACCOUNT_ID_BYTES] = {7};

    return e2e_account_person(account, id).list->device_count;
}

static void test_e2e_account_upload__a_list_waits_for_the_one_before(void **state)
{
    struct rig *rig = *state;

    ask(rig);
    assert_int_equal(approve(rig), KITH_E_AGAIN);
    upload_all(rig->manager);
    ask(rig);
    assert_int_equal(approve(rig), KITH_OK);
    assert_int_equal(e2e_account_remove_device(rig->manager, NOW, (uint8_t[E2E_SERVER_DEVICE_BYTES]){2}), KITH_E_AGAIN);
    upload_all(rig->manager);
    assert_int_equal(e2e_account_remove_device(rig->manager, NOW, (uint8_t[E2E_SERVER_DEVICE_BYTES]){2}), KITH_OK);
}

/* It asked, and lost what it asked with: its place is that of its new keys. */
static void test_e2e_account_upload__a_device_that_asks_again_is_listed_once(void **state)
{
    struct rig *rig = *state;

    upload_all(rig->manager);
    for (int i = 0; i < 3; i++) {
        ask(rig);
        assert_int_equal(approve(rig), KITH_OK);
        assert_int_equal(listed(rig->manager), 2);
        upload_all(rig->manager);
    }
    assert_int_equal(e2e_account_link_accept(rig->phone, NOW, kith_buf_peek(&rig->text)), KITH_OK);
}

/* The acceptance comes while the list is under way: what goes up next is not what went up then. */
static void test_e2e_account_upload__what_has_changed_meanwhile_goes_up_again(void **state)
{
    struct rig *rig = *state;
    static const uint8_t id[E2E_ACCOUNT_ID_BYTES] = {7};
    struct kith_buf first, accepted, again;

    upload_all(rig->manager);
    ask(rig);
    assert_int_equal(approve(rig), KITH_OK);
    assert_int_equal(e2e_account_link_accept(rig->phone, NOW, kith_buf_peek(&rig->text)), KITH_OK);
    first = upload(rig->manager, false);
    accepted = upload(rig->phone, true);
    assert_int_equal(e2e_account_list(rig->manager, NOW, id, 3, kith_buf_peek(&accepted)), KITH_OK);
    e2e_account_uploaded(rig->manager, NOW, 2, 2);
    again = upload(rig->manager, true);
    assert_true(kith_buf_len(&first) > 0 && kith_slice_eq(kith_buf_peek(&again), kith_buf_peek(&accepted)));
    kith_buf_deinit(&first);
    kith_buf_deinit(&accepted);
    kith_buf_deinit(&again);
}

/* The manager signs its next list before it sees that the phone has accepted its place. */
static void test_e2e_account_upload__the_next_list_takes_up_a_late_acceptance(void **state)
{
    struct rig *rig = *state;
    static const uint8_t id[E2E_ACCOUNT_ID_BYTES] = {7};
    struct e2e_account *tablet = device(rig, 3);
    struct kith_buf accepted, next;
    struct e2e_person me;

    upload_all(rig->manager);
    ask(rig);
    assert_int_equal(approve(rig), KITH_OK);
    upload_all(rig->manager);
    assert_int_equal(e2e_account_link_accept(rig->phone, NOW, kith_buf_peek(&rig->text)), KITH_OK);
    accepted = upload(rig->phone, true);
    kith_buf_reset(&rig->text);
    assert_int_equal(e2e_account_link_request(tablet, NOW, &rig->text), KITH_OK);
    assert_int_equal(approve(rig), KITH_OK);
    assert_int_equal(e2e_account_list(rig->manager, NOW, id, 3, kith_buf_peek(&accepted)), KITH_OK);
    next = upload(rig->manager, true);
    assert_int_equal(e2e_account_list(rig->phone, NOW, id, 4, kith_buf_peek(&next)), KITH_OK);
    me = e2e_account_person(rig->phone, id);
    assert_int_equal(me.list->device_count, 3);
    assert_true(e2e_device_find_server(me.list, (uint8_t[E2E_SERVER_DEVICE_BYTES]){2})->is_accepted);
    assert_false(e2e_device_find_server(me.list, (uint8_t[E2E_SERVER_DEVICE_BYTES]){3})->is_accepted);
    kith_buf_deinit(&accepted);
    kith_buf_deinit(&next);
    e2e_account_free(tablet);
}

/* Nobody could look up the list that the message would name. */
static void test_e2e_account_upload__nothing_is_sealed_before_the_list_is_there(void **state)
{
    struct rig *rig = *state;
    static const uint8_t members[1][E2E_ACCOUNT_ID_BYTES] = {{7}};
    struct e2e_seal seal = {.members = members,
                            .member_count = 1,
                            .content_type = kith_slice_str("text/plain"),
                            .body = kith_slice_str("x"),
                            .sent_at_ms = NOW};
    struct e2e_wants wants;
    struct kith_buf out;

    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(e2e_account_seal(rig->manager, NOW, &seal, &wants, &out), KITH_E_AGAIN);
    assert_int_equal(wants.count, 0);
    upload_all(rig->manager);
    assert_int_equal(e2e_account_seal(rig->manager, NOW, &seal, &wants, &out), KITH_OK);
    kith_buf_deinit(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_e2e_account_upload__##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_list_waits_for_the_one_before),
        TEST(a_device_that_asks_again_is_listed_once),
        TEST(what_has_changed_meanwhile_goes_up_again),
        TEST(the_next_list_takes_up_a_late_acceptance),
        TEST(nothing_is_sealed_before_the_list_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
