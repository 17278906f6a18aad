#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/account_impl.h"
#include "tests/e2e/town_group.h"

/* Groups in the records of an account: killed at any moment; and as many of them, and as large, as there may be. */

/* ------------------------------------------------------------------------------------------------ killed */
#define DEVICES 4
struct story {
    struct town *town;
    struct town_device *all[DEVICES]; /* Ann's two, Bob, Carol */
    struct town_group *group;
    bool restarts; /* all, behind every step */
};

static void next(struct story *story)
{
    for (size_t i = 0; i < DEVICES; i++) {
        struct town_device *device = story->all[i];
        uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
        (void)town_read(device);
        town_need(town_group_fetch(device, story->group) == KITH_OK);
        town_need(town_group_same(device, story->all[0], story->group));
        if (!story->restarts) continue;
        town_state_hash(device, before);
        town_restart(device);
        town_state_hash(device, after);
        town_need(memcmp(before, after, sizeof after) == 0);
        town_need(town_group_same(device, story->all[0], story->group));
    }
}

static void name_is(const struct story *story, const char *name)
{
    for (size_t i = 0; i < DEVICES; i++) {
        const char *seen = town_group_name(story->all[i], story->group);
        bool is_member = town_group_view(story->all[i], story->group).is_member;
        town_need(is_member ? seen != NULL && strcmp(seen, name) == 0 : seen == NULL);
    }
}

/* What becomes of a group, with one call of a device cut short or with none. How many calls there were. */
static uint64_t tell(uint64_t cut_at, enum town_cut cut, bool restarts)
{
    struct story story = {.town = town_new(11), .restarts = restarts};
    struct town_device *ann = NULL, *bob = NULL, *carol = NULL;
    uint64_t calls;

    story.town->has_few_prekeys = true;
    story.all[0] = ann = town_join(story.town);
    story.all[1] = town_link(ann);
    story.all[2] = bob = town_join(story.town);
    story.all[3] = carol = town_join(story.town);
    story.town->calls = 0;
    story.town->cut_at = cut_at;
    story.town->cut = cut;
    story.group = town_group_create(ann, (struct town_device *[]){bob}, 1, "the first name");
    next(&story);
    town_need(strcmp(town_group_name(bob, story.group), "the first name") == 0);
    town_group_must(story.group, story.all[1], town_change(E2E_GROUP_ADD, carol, E2E_ROLE_ADMIN));
    next(&story);
    name_is(&story, "the first name");
    (void)town_group_send(carol, story.group, "thank you");
    next(&story);
    town_group_must(story.group, carol, town_change(E2E_GROUP_REMOVE, bob, 0));
    town_group_must(story.group, carol, town_change_name(E2E_GROUP_INFO, "the second name"));
    (void)town_group_send(story.all[1], story.group, "he is gone");
    next(&story);
    name_is(&story, "the second name");
    calls = story.town->calls;
    town_need(cut_at == 0 || story.town->cuts == 1);
    town_free(story.town);
    return calls;
}

static void test_e2e_account_group_kept__loaded_again_behind_every_step(void **state)
{
    (void)state;
    assert_true(tell(0, TOWN_CUT_AFTER, true) > 0);
}

static void test_e2e_account_group_kept__killed_at_every_call(void **state)
{
    const uint64_t calls = tell(0, TOWN_CUT_AFTER, false);

    (void)state;
    assert_true(calls > 20);
    for (int cut = 0; cut < TOWN_CUTS; cut++)
        for (uint64_t at = 1; at <= calls; at++) (void)tell(at, (enum town_cut)cut, false);
}

/* That it was forked is kept, too, and so is that nothing is sent. */
static void test_e2e_account_group_kept__a_fork_stays_one(void **state)
{
    struct town *town = town_new(12);
    struct town_device *ann = town_join(town), *bob = town_join(town);
    struct town_group *group = town_group_create(ann, &bob, 1, NULL);
    const struct e2e_group_change change = town_change(E2E_GROUP_SETTINGS, NULL, 0),
                                  leave = town_change(E2E_GROUP_LEAVE, NULL, 0);
    struct kith_buf one, other;
    uint64_t seq = 0;

    (void)state;
    kith_buf_init(&one, E2E_GROUP_SIGNED_BYTES_MAX);
    kith_buf_init(&other, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(town_group_fetch(bob, group), KITH_OK);
    assert_int_equal(e2e_account_group_make(ann->account, TOWN_NOW, group->chat_id, &change, &one, &seq), KITH_OK);
    assert_int_equal(e2e_account_group_make(ann->account, TOWN_NOW + 1, group->chat_id, &change, &other, &seq),
                     KITH_OK);
    assert_int_equal(town_group_give(bob, group, kith_buf_peek(&one)), KITH_OK);
    assert_int_equal(town_group_give(bob, group, kith_buf_peek(&one)), KITH_OK); /* the same again is no news */
    assert_int_equal(town_group_give(bob, group, kith_buf_peek(&other)), KITH_E_CONFLICT);
    for (int i = 0; i < 2; i++) {
        assert_true(town_group_view(bob, group).is_forked);
        assert_int_equal(town_group_view(bob, group).group->seq, 2);
        assert_int_equal(town_group_try_send(bob, group), KITH_E_DENIED);
        kith_buf_reset(&other);
        assert_int_equal(e2e_account_group_make(bob->account, TOWN_NOW, group->chat_id, &leave, &other, &seq),
                         KITH_E_DENIED);
        town_restart(bob);
    }
    kith_buf_deinit(&one);
    kith_buf_deinit(&other);
    town_free(town);
}

/* Any prefix of what was kept, and any other length of its key. */
static void test_e2e_account_group_kept__damaged_records_are_refused(void **state)
{
    struct town *town = town_new(16);
    struct town_device *ann = town_join(town), *bob = town_join(town), *fresh = town_device_new(ann->person);
    const uint8_t *key = NULL;
    struct kith_buf *value = NULL;
    uint32_t at = 0, seen = 0;

    (void)state;
    (void)town_group_create(ann, &bob, 1, "a name");
    while (kith_map_next(&ann->records, &at, (const void **)&key, (void **)&value)) {
        struct kith_slice all = kith_buf_peek(value), name = kith_slice_of(key + 1, key[0]);
        if (key[2] != 'G' && key[2] != 'K') continue;
        seen++;
        for (size_t len = 0; len < all.len; len++)
            assert_int_equal(e2e_account_load(fresh->account, name, kith_slice_of(all.ptr, len)), KITH_E_MALFORMED);
        for (size_t len = 2; len < name.len; len++) {
            const bool is_old = key[2] == 'K' && len == 2 + E2E_GROUP_KEY_ID_BYTES; /* of an older build: below */
            assert_int_equal(e2e_account_load(fresh->account, kith_slice_of(name.ptr, len), all),
                             is_old ? KITH_OK : KITH_E_MALFORMED);
        }
        value->ptr[value->head + 6] ^= 0xff; /* the first field's first byte: of a group, within it */
        assert_int_equal(e2e_account_load(fresh->account, name, all), key[2] == 'G' ? KITH_E_MALFORMED : KITH_OK);
        value->ptr[value->head + 6] ^= 0xff;
        assert_int_equal(e2e_account_load(fresh->account, name, all), KITH_OK);
        assert_int_equal(e2e_account_load(fresh->account, name, all), KITH_OK);
    }
    assert_int_equal(seen, 2);
    town_free(town);
}

/* ------------------------------------------------------------------------------------------------ as large as it may be */
static void test_e2e_account_group_kept__as_many_founders_as_there_may_be(void **state)
{
    static uint8_t others[E2E_GROUP_FOUNDERS_MAX][E2E_ACCOUNT_ID_BYTES];
    struct town *town = town_new(17);
    struct town_device *ann = town_join(town);
    struct e2e_group_change change = {.kind = E2E_GROUP_CREATE, .others = (const uint8_t(*)[16])others};

    (void)state;
    for (uint32_t i = 0; i < E2E_GROUP_FOUNDERS_MAX; i++) kith_put_u32_be(others[i] + 8, i + 1);
    for (uint32_t past = 0; past < 2; past++) {
        struct kith_buf op;
        uint64_t seq = 0;
        kith_buf_init(&op, E2E_GROUP_SIGNED_BYTES_MAX);
        change.other_count = E2E_GROUP_FOUNDERS_MAX - 1 + past;
        assert_int_equal(e2e_account_group_make(ann->account, TOWN_NOW, NULL, &change, &op, &seq),
                         past ? KITH_E_FULL : KITH_OK);
        kith_buf_deinit(&op);
    }
    town_free(town);
}

static void test_e2e_account_group_kept__a_message_goes_to_each_of_64_members_and_once_to_65(void **state)
{
    struct town *town = town_new(13);
    struct town_device *ann, *others[E2E_MEMBERS_MAX];
    const struct e2e_group_change leave = town_change(E2E_GROUP_LEAVE, NULL, 0);
    struct e2e_group_change add;
    struct town_group *group;
    const struct town_mail *mail;

    (void)state;
    town->has_few_prekeys = true;
    ann = town_join(town);
    for (size_t i = 0; i < E2E_MEMBERS_MAX; i++) others[i] = town_join(town);
    group = town_group_create(ann, others, E2E_MEMBERS_MAX - 1, NULL);
    mail = town_group_send(ann, group, "to the sixty-four of us");
    for (size_t i = 0; i < E2E_MEMBERS_MAX; i++)
        assert_int_equal(town_body(mail, others[i]).len > 0, i < E2E_MEMBERS_MAX - 1);
    assert_int_equal(town_read(others[0]), 1);
    assert_int_equal(town_read(others[E2E_MEMBERS_MAX - 2]), 1);
    add = town_change(E2E_GROUP_ADD, others[E2E_MEMBERS_MAX - 1], E2E_ROLE_MEMBER);
    assert_int_equal(town_group_try(group, ann, &add), KITH_OK);
    assert_int_equal(town_group_view(ann, group).group->member_count, E2E_MEMBERS_MAX + 1);
    mail = town_group_send(ann, group, "to all of us");
    assert_true(mail->is_common);
    for (size_t i = 0; i < E2E_MEMBERS_MAX; i++)
        assert_int_equal(town_read(others[i]), 2 + (i > 0 && i < E2E_MEMBERS_MAX - 2));
    assert_int_equal(town_group_try(group, others[0], &leave), KITH_OK);
    assert_int_equal(town_group_fetch(ann, group), KITH_OK);
    mail = town_group_send(ann, group, "to each of us again");
    assert_false(mail->is_common);
    assert_int_equal(town_read(others[1]), 1);
    town_free(town);
}

/* ------------------------------------------------------------------------------------------------ as many as there may be */
/* Places of no group: only their number counts. */
static void fill_groups(struct e2e_account *account, uint32_t count)
{
    uint8_t chat_id[E2E_ID_BYTES] = {0xff};
    struct group_place **place = NULL;

    for (uint32_t i = 0; account->groups.count < count; i++) {
        kith_put_u32_be(chat_id + 4, i);
        assert_int_equal(kith_map_add(&account->groups, chat_id, (void **)&place), KITH_OK);
        *place = calloc(1, sizeof **place);
        assert_non_null(*place);
    }
}

static void fill_info_keys(struct e2e_account *account, uint32_t count)
{
    uint8_t id[sizeof(struct info_key_name)] = {0xff};
    void *key = NULL;

    for (uint32_t i = 0; account->info_keys.count < count; i++) {
        kith_put_u32_be(id + 4, i);
        assert_int_equal(kith_map_add(&account->info_keys, id, &key), KITH_OK);
    }
}

static void test_e2e_account_group_kept__as_many_groups_as_there_may_be(void **state)
{
    struct town *town = town_new(14);
    struct town_device *ann = town_join(town), *bob = town_join(town);
    struct town_group *known = town_group_create(ann, &bob, 1, NULL), *last = town_group_create(ann, &bob, 1, NULL),
                      *beyond = town_group_create(ann, &bob, 1, NULL);
    struct e2e_group_view view;
    uint64_t writes;

    (void)state;
    assert_int_equal(town_group_fetch(bob, known), KITH_OK);
    fill_groups(bob->account, E2E_GROUPS_MAX - 1);
    assert_int_equal(town_group_fetch(bob, last), KITH_OK);
    writes = bob->writes;
    assert_int_equal(town_group_fetch(bob, beyond), KITH_E_FULL);
    assert_false(e2e_account_group(bob->account, beyond->chat_id, &view));
    assert_int_equal(bob->writes, writes);
    assert_int_equal(bob->account->groups.count, E2E_GROUPS_MAX);
    town_group_must(known, ann, town_change(E2E_GROUP_SETTINGS, NULL, 0)); /* those that are known go on */
    town_group_must(last, ann, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    assert_int_equal(town_group_fetch(bob, known), KITH_OK);
    assert_int_equal(town_group_fetch(bob, last), KITH_OK);
    town_free(town);
}

static void test_e2e_account_group_kept__as_many_keys_of_names_as_there_may_be(void **state)
{
    struct town *town = town_new(15);
    struct town_device *ann = town_join(town), *bob = town_join(town);
    struct town_group *group = town_group_create(ann, &bob, 1, "one that fits");
    const struct e2e_group_change name = town_change_name(E2E_GROUP_INFO, "one too many"),
                                  none = town_change_name(E2E_GROUP_INFO, NULL);
    struct kith_buf keys, op;
    uint64_t seq = 0;

    (void)state;
    kith_buf_init(&keys, 1024);
    kith_buf_init(&op, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(town_group_fetch(bob, group), KITH_OK);
    assert_int_equal(e2e_account_group_keys(ann->account, group->chat_id, &keys), KITH_OK);
    fill_info_keys(bob->account, E2E_INFO_KEYS_MAX);
    assert_int_equal(town_take_keys(bob, group->chat_id, kith_buf_peek(&keys)), KITH_E_FULL);
    town_restart(bob);
    fill_info_keys(bob->account, E2E_INFO_KEYS_MAX - 1);
    assert_int_equal(town_take_keys(bob, group->chat_id, kith_buf_peek(&keys)), KITH_OK);
    assert_string_equal(town_group_name(bob, group), "one that fits");
    fill_info_keys(ann->account, E2E_INFO_KEYS_MAX);
    assert_int_equal(e2e_account_group_make(ann->account, TOWN_NOW, group->chat_id, &name, &op, &seq), KITH_E_FULL);
    assert_int_equal(kith_buf_len(&op), 0);
    assert_int_equal(e2e_account_group_make(ann->account, TOWN_NOW, group->chat_id, &none, &op, &seq), KITH_OK);
    kith_buf_wipe(&keys);
    kith_buf_deinit(&op);
    town_free(town);
}

static struct {
    struct e2e_random random;
    uint8_t id[E2E_GROUP_KEY_ID_BYTES];
} drawing;

/* Every key_id that is drawn is that one. */
static void draw_same_id(void *arg, void *out, size_t len)
{
    (void)arg;
    drawing.random.fill(drawing.random.arg, out, len);
    if (len == sizeof drawing.id) memcpy(out, drawing.id, sizeof drawing.id);
}

/* Carol names a group of hers under the key_id of another one that she is in: nobody forgets that one's name, or reads hers with it. */
static void test_e2e_account_group_kept__a_key_id_is_of_its_group_alone(void **state)
{
    struct town *town = town_new(16);
    struct town_device *ann = town_join(town), *bob = town_join(town), *carol = town_join(town);
    struct town_group *ours = town_group_create(ann, (struct town_device *[]){bob, carol}, 2, "ours"), *hers;

    (void)state;
    assert_int_equal(town_group_fetch(bob, ours), KITH_OK);
    assert_int_equal(town_group_fetch(carol, ours), KITH_OK);
    assert_true(town_read(bob) + town_read(carol) >= 2);
    memcpy(drawing.id, town_group_view(carol, ours).group->info, sizeof drawing.id);
    drawing.random = carol->account->config.random;
    carol->account->config.random.fill = draw_same_id;
    hers = town_group_create(carol, &bob, 1, "hers");
    assert_memory_equal(town_group_view(carol, hers).group->info, drawing.id, sizeof drawing.id);
    assert_int_equal(town_group_fetch(bob, hers), KITH_OK);
    assert_true(town_read(bob) >= 1);
    assert_string_equal(town_group_name(carol, hers), "hers");
    assert_string_equal(town_group_name(bob, hers), "hers");
    assert_string_equal(town_group_name(bob, ours), "ours");
    carol->account->config.random = drawing.random;
    town_group_must(hers, carol, town_change_name(E2E_GROUP_INFO, "another"));
    assert_int_equal(town_group_fetch(bob, hers), KITH_OK);
    assert_true(town_read(bob) >= 1);
    town_restart(bob);
    town_restart(carol);
    assert_string_equal(town_group_name(bob, hers), "another");
    assert_string_equal(town_group_name(bob, ours), "ours");
    assert_string_equal(town_group_name(carol, ours), "ours");
    town_free(town);
}

static size_t old_keys(const struct town_device *device)
{
    const uint8_t *key = NULL;
    size_t count = 0;
    uint32_t at = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL))
        count += key[2] == 'K' && key[0] == 2 + E2E_GROUP_KEY_ID_BYTES;
    return count;
}

/* An older build did not say of which chat a key is: its state is read all the same, and the key goes when the name is another. */
static void test_e2e_account_group_kept__a_key_that_an_older_build_kept_opens_its_name(void **state)
{
    struct town *town = town_new(17);
    struct town_device *ann = town_join(town), *bob = town_join(town);
    struct town_group *ours = town_group_create(ann, &bob, 1, "ours"), *other;
    const struct info_key_name *name = NULL;
    const uint8_t *value = NULL;
    uint32_t at = 0;

    (void)state;
    assert_int_equal(town_group_fetch(bob, ours), KITH_OK);
    assert_true(town_read(bob) >= 1);
    assert_true(kith_map_next(&bob->account->info_keys, &at, (const void **)&name, (void **)&value));
    account_keep_bytes(bob->account, 'K', name->id, sizeof name->id, kith_slice_of(value, E2E_KEY_BYTES));
    account_drop_info_key(bob->account, name);
    for (int i = 0; i < 2; i++) {
        town_restart(bob);
        assert_string_equal(town_group_name(bob, ours), "ours");
    }
    other = town_group_create(ann, &bob, 1, "the other");
    assert_int_equal(town_group_fetch(bob, other), KITH_OK);
    assert_true(town_read(bob) >= 1);
    assert_string_equal(town_group_name(bob, other), "the other");
    assert_int_equal(old_keys(bob), 1);
    town_group_must(ours, ann, town_change_name(E2E_GROUP_INFO, "another"));
    assert_int_equal(town_group_fetch(bob, ours), KITH_OK);
    assert_true(town_read(bob) >= 1);
    assert_int_equal(old_keys(bob), 0);
    town_restart(bob);
    assert_string_equal(town_group_name(bob, ours), "another");
    assert_string_equal(town_group_name(bob, other), "the other");
    town_free(town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_group_kept__loaded_again_behind_every_step),
        cmocka_unit_test(test_e2e_account_group_kept__killed_at_every_call),
        cmocka_unit_test(test_e2e_account_group_kept__a_fork_stays_one),
        cmocka_unit_test(test_e2e_account_group_kept__damaged_records_are_refused),
        cmocka_unit_test(test_e2e_account_group_kept__as_many_founders_as_there_may_be),
        cmocka_unit_test(test_e2e_account_group_kept__a_message_goes_to_each_of_64_members_and_once_to_65),
        cmocka_unit_test(test_e2e_account_group_kept__as_many_groups_as_there_may_be),
        cmocka_unit_test(test_e2e_account_group_kept__as_many_keys_of_names_as_there_may_be),
        cmocka_unit_test(test_e2e_account_group_kept__a_key_id_is_of_its_group_alone),
        cmocka_unit_test(test_e2e_account_group_kept__a_key_that_an_older_build_kept_opens_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
