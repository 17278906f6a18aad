#include "e2e_group.h"

#include <stdio.h>

#include "base/prng.h"
#include "libkith/e2ee/group_keys.h"
#include "tests/each_failure.h"

/*
 * Every allocation fails once: each call on a group then answers KITH_E_NOMEM, gives nothing, and loses no memory. Left out where
 * the heap cannot be made to fail.
 */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

static struct e2e_group *group;
static struct kith_buf signed_op, group_bytes, sealed, join_request;
static struct e2e_group_info_key info_key;

static void fill(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

static kith_err apply_work(struct kith_buf *out)
{
    struct e2e_group *after;
    kith_err err = group_read(group, kith_buf_peek(&signed_op), 1, &after);

    (void)out;
    e2e_group_free(after);
    return err;
}

static struct e2e_join_link link;

static kith_err ask_work(struct kith_buf *out)
{
    struct e2e_join_request request = {.device_id = 9, .list_seq = 1};
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];

    person_keys(9, secret, public);
    return e2e_join_sign(&link, &request, secret, out);
}

static kith_err asked_work(struct kith_buf *out)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_join_request request;
    kith_err err = e2e_join_decode(kith_buf_peek(&join_request), &request);

    (void)out;
    person_keys(9, secret, public);
    if (err == KITH_OK) err = e2e_join_prove(&request);
    return err == KITH_OK ? e2e_join_verify(&request, public) : err;
}

static kith_err make_work(struct kith_buf *out)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_group_op op = op_of(E2E_GROUP_LEAVE, 1, 0, 0);
    struct e2e_group *after;
    kith_err err;

    person_keys(1, secret, public);
    err = e2e_group_make(group, &op, secret, &after, out);
    assert_true((after == NULL) == (err != KITH_OK));
    e2e_group_free(after);
    return err;
}

static kith_err allows_work(struct kith_buf *out)
{
    struct e2e_group_op op;
    kith_err err = e2e_group_op_decode(kith_buf_peek(&signed_op), &op);

    (void)out;
    return err == KITH_OK ? e2e_group_allows(group, &op) : err;
}

static kith_err create_work(struct kith_buf *out)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_group_op op = op_create(1, 3, 1);
    struct e2e_group *after;
    kith_err err;

    person_keys(1, secret, public);
    err = e2e_group_make(NULL, &op, secret, &after, out);
    e2e_group_free(after);
    return err;
}

static kith_err load_work(struct kith_buf *out)
{
    struct e2e_group *loaded;
    kith_err err = e2e_group_load(kith_buf_peek(&group_bytes), &loaded);

    (void)out;
    assert_true((loaded == NULL) == (err != KITH_OK));
    e2e_group_free(loaded);
    return err;
}

static kith_err save_work(struct kith_buf *out)
{
    return e2e_group_save(group, out);
}

static kith_err seal_work(struct kith_buf *out)
{
    const struct e2e_group_info info = {.name = kith_slice_str("name")};
    struct kith_prng prng;
    const struct e2e_random random = {.fill = fill, .arg = &prng};
    struct e2e_group_info_key key;

    kith_prng_seed(&prng, 1);
    return e2e_group_info_seal(&random, group->group_id, &info, &key, out);
}

static kith_err open_work(struct kith_buf *out)
{
    struct e2e_group_info info;

    return e2e_group_info_open(&info_key, group->group_id, kith_buf_peek(&sealed), out, &info);
}

static kith_err keys_work(struct kith_buf *out)
{
    const struct e2e_group_keys keys = {.has_chain = true, .has_info_key = true};

    return e2e_group_keys_encode(&keys, out);
}

static void test_e2e_group_memory__every_failure_is_survived(void **state)
{
    const struct e2e_group_info info = {.name = kith_slice_str("name")};
    struct kith_prng prng;
    const struct e2e_random random = {.fill = fill, .arg = &prng};
    struct e2e_group *after = NULL;

    (void)state;
    kith_prng_seed(&prng, 1);
    group = group_of(1, 3, 1);
    link = link_of(1);
    join_request = request_of(&link, 9, 0);
    kith_buf_init(&signed_op, E2E_GROUP_SIGNED_BYTES_MAX);
    kith_buf_init(&sealed, E2E_GROUP_INFO_BYTES_MAX);
    {
        uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
        struct e2e_group_op op = op_of(E2E_GROUP_JOIN_KEY, 1, 0, 0);
        person_keys(1, secret, public);
        e2e_join_key(&link, op.join_key);
        group_must(&group, op);
        op = op_of(E2E_GROUP_ADD, 1, 9, E2E_ROLE_MEMBER);
        op.request = kith_buf_peek(&join_request);
        assert_int_equal(e2e_group_make(group, &op, secret, &after, &signed_op), KITH_OK);
        e2e_group_free(after);
    }
    group_bytes = saved(group);
    assert_int_equal(e2e_group_info_seal(&random, group->group_id, &info, &info_key, &sealed), KITH_OK);
    assert_true(each_failure(apply_work) >= 4);
    assert_true(each_failure(allows_work) >= 1);
    assert_true(each_failure(ask_work) >= 4);
    assert_true(each_failure(asked_work) >= 2);
    assert_true(each_failure(make_work) >= 5);
    assert_true(each_failure(create_work) >= 5);
    assert_true(each_failure(load_work) >= 1);
    assert_true(each_failure(save_work) >= 3);
    assert_true(each_failure(seal_work) >= 2);
    assert_true(each_failure(open_work) >= 1);
    assert_true(each_failure(keys_work) >= 3);
    e2e_group_free(group);
    kith_buf_deinit(&signed_op);
    kith_buf_deinit(&group_bytes);
    kith_buf_deinit(&sealed);
    kith_buf_deinit(&join_request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_group_memory__every_failure_is_survived),
    };
    if (!heap_is_ours()) {
        (void)puts("left out: malloc() is not ours");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
