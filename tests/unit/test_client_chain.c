#include "base/ordered.h"
#include "client_group.h"
#include "wire/bodies.h"

/* A client in a group that is a large one here: it gives its chain, and then one ciphertext goes to all. */

/* ------------------------------------------------------------------------------------------------ a restart */
static void put(struct kith_ordered *store, bool is_put, struct kith_slice key, struct kith_slice value)
{
    struct kith_ordered_node *node = kith_ordered_find(store, key);
    struct kith_buf *copy;

    if (node != NULL) {
        copy = kith_ordered_remove(store, node);
        kith_buf_deinit(copy);
        free(copy);
    }
    if (!is_put) return;
    copy = malloc(sizeof *copy);
    assert_non_null(copy);
    kith_buf_init(copy, 1u << 20);
    assert_int_equal(kith_buf_append(copy, value), KITH_OK);
    assert_int_equal(kith_ordered_add(store, key, &node), KITH_OK);
    node->value = copy;
}

static void copy_free(void *value)
{
    kith_buf_deinit(value);
    free(value);
}

/* Killed, and begun anew from all that was persisted. */
static void restart(struct scene *scene)
{
    struct kith_slice records = kith_buf_peek(&scene->persisted), key, value;
    struct kith_ordered store;
    const uint8_t *raw = NULL;
    struct kith_buf *kept = NULL;
    uint32_t at = 0;
    bool is_put = false;

    kith_ordered_init(&store, 1);
    while (kith_map_next(&scene->ann->records, &at, (const void **)&raw, (void **)&kept))
        put(&store, true, kith_slice_of(raw + 1, raw[0]), kith_buf_peek(kept));
    while (kith_record_next(&records, &is_put, &key, &value) == KITH_OK) put(&store, is_put, key, value);
    scene_client(scene);
    for (struct kith_ordered_node *node = kith_ordered_seek(&store, (struct kith_slice){0}); node != NULL;
         node = kith_ordered_next(node))
        assert_int_equal(kith_client_load(scene->client, kith_ordered_key(node), kith_buf_peek(node->value)), KITH_OK);
    kith_ordered_deinit(&store, copy_free);
    scene_connect(scene);
    answer(scene);
}

/* ------------------------------------------------------------------------------------------------ the server */
static void answered(struct scene *scene, const char *code)
{
    static unsigned seq = 100;
    char head[200];

    if (code == NULL)
        (void)snprintf(head, sizeof head, "RECEIPT\nreceipt-id:%s\nmessage-id:%s\nseq:%u\n\n", scene->frame_id,
                       scene->frame_id, seq++);
    else
        (void)snprintf(head, sizeof head,
                       "MESSAGE\nsubscription:errors\nmessage-id:e1\ndestination:/errors\nclient-id:%s\ncode:%s\n\n",
                       scene->frame_id, code);
    bytes_in(scene, head, (struct kith_slice){0});
    answer(scene);
}

static struct bodies bodies_of(const struct scene *scene)
{
    const uint8_t *at = memmem(scene->frame.ptr, kith_buf_len(&scene->frame), "\n\n", 2);
    const size_t head = (size_t)(at - scene->frame.ptr) + 2;
    struct kith_slice body = kith_slice_of(scene->frame.ptr + head, kith_buf_len(&scene->frame) - head - 1);
    struct bodies bodies = {0};

    assert_non_null(at);
    assert_int_equal(bodies_decode(body, &bodies), KITH_OK);
    return bodies;
}

/* Of the newest frame: one body for all, or one each. */
static bool is_common(const struct scene *scene)
{
    struct bodies bodies = bodies_of(scene);
    struct bodies_item item = {0};

    assert_int_equal(bodies_next_item(&bodies.items, &item), KITH_OK);
    return kith_uuid_is_nil(item.device.id);
}

/* ------------------------------------------------------------------------------------------------ out */
/* Begun anew: not at all, while the gift is on the wire, or when it has its number and the message has none. */
static void test_client_chain__a_gift_leaves_before_what_waits_for_it(void **state)
{
    (void)state;
    for (int row = 0; row < 3; row++) {
        struct scene *scene = scene_large(1);
        char gift[KITH_UUID_TEXT_LEN + 1];
        write_one(scene);
        write_one(scene);
        answer(scene);
        assert_int_equal(scene->frames, 1);
        assert_false(is_common(scene));
        memcpy(gift, scene->frame_id, sizeof gift);
        if (row == 1) {
            restart(scene);
            assert_int_equal(scene->frames, 2);
            assert_string_equal(scene->frame_id, gift); /* the same again */
        }
        assert_int_equal(kith_client_outbox_count(scene->client), 2);
        assert_int_equal(kith_client_outbox_owed(scene->client), 1);
        answered(scene, NULL);
        if (row == 1) { /* whom it was for is forgotten: once more, which is no news to them */
            assert_false(is_common(scene));
            answered(scene, NULL);
        }
        assert_true(is_common(scene));
        assert_int_equal(scene->sent, 0); /* of the gift nobody hears */
        if (row == 2) restart(scene);
        for (size_t sent = 1; sent <= 2; sent++) {
            assert_true(is_common(scene));
            answered(scene, NULL);
            assert_int_equal(scene->sent, sent);
        }
        assert_int_equal(kith_client_outbox_count(scene->client) + kith_client_outbox_owed(scene->client), 0);
        assert_int_equal(scene->frames, row == 0 ? 3 : row == 1 ? 5 : 4);
        assert_int_equal(scene->failed, 0);
        scene_free(scene);
    }
}

/* Refused for good: so is what waits for it, else it would ask for another gift for ever. The next may be tried. */
static void test_client_chain__what_waits_for_a_gift_is_refused_with_it(void **state)
{
    struct scene *scene = scene_large(2);

    (void)state;
    write_one(scene);
    answer(scene);
    answered(scene, "FORBIDDEN");
    assert_int_equal(scene->frames, 1);
    assert_int_equal(scene->failed, 1);
    assert_int_equal(scene->code, CODE_FORBIDDEN);
    assert_int_equal(kith_client_outbox_count(scene->client), 1); /* for the person to try again */
    write_one(scene);
    answer(scene);
    assert_int_equal(scene->frames, 2);
    answered(scene, NULL);
    answered(scene, NULL);
    assert_int_equal(scene->sent, 1);
    assert_int_equal(scene->failed, 1);
    scene_free(scene);
}

/* Its turn comes when nobody lacks the chain any more: it goes without a word, and what waited for it leaves. */
static void test_client_chain__a_gift_to_nobody_is_forgotten(void **state)
{
    struct scene *scene = scene_large(3);

    (void)state;
    write_one(scene);
    answer(scene);
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_REMOVE, scene->carol, 0));
    scene->ops_shown = scene->group->op_count;
    answered(scene, "STALE_DEVICES"); /* it is a small group now */
    assert_int_equal(view_of(scene).group->member_count, 2);
    assert_int_equal(scene->frames, 2);
    assert_false(is_common(scene));
    assert_int_equal(scene->failed, 0);
    answered(scene, NULL);
    assert_int_equal(scene->sent, 1);
    assert_int_equal(kith_client_outbox_count(scene->client) + kith_client_outbox_owed(scene->client), 0);
    scene_free(scene);
}

/* ------------------------------------------------------------------------------------------------ in */
/* Of a gift the host gets its place in the stream, and no more; what comes behind it is read. */
static void test_client_chain__a_gift_shows_nothing(void **state)
{
    struct scene *scene = scene_large(4);
    const size_t first = scene->town->mail_count;
    const struct town_device *phone;
    size_t gifts = 0;

    (void)state;
    phone = town_link(scene->carol);
    (void)town_group_send(scene->bob, scene->group, "");
    assert_int_equal(e2e_account_remove_device(scene->carol->account, scene->town->now_ms, phone->server_device),
                     KITH_OK);
    town_upload(scene->carol);
    (void)town_group_send(scene->bob, scene->group, "read by all");
    for (size_t i = first; i < scene->town->mail_count; i++) {
        message_event(scene, (unsigned)(i - first) + 1, &scene->town->mails[i]);
        answer(scene);
        assert_int_equal(scene->unreadable, KITH_OK);
        gifts += town_body(&scene->town->mails[i], scene->ann).len > 0 && scene->town->mails[i].is_keys;
        assert_string_equal(scene->last_text, i + 1 < scene->town->mail_count ? "" : "read by all");
    }
    assert_int_equal(gifts, 1); /* of the chain without Carol's phone */
    assert_int_equal(scene->shown, scene->town->mail_count - first);
    scene_free(scene);
}

/* A device that has no keys yet: one body for all is not for it, as little as what is for each of the others. */
static void test_client_chain__what_is_for_all_is_not_for_a_device_without_keys(void **state)
{
    struct scene *scene = scene_large(5);

    (void)state;
    scene->ann = town_device_new(scene->ann->person);
    client_open(scene, (struct kith_slice){0});
    message_event(scene, 1, town_group_send(scene->bob, scene->group, "not for it"));
    answer(scene);
    assert_int_equal(scene->shown, 1);
    assert_int_equal(scene->unreadable, KITH_E_NOTFOUND);
    assert_string_equal(scene->last_text, "");
    scene_free(scene);
}

/* ------------------------------------------------------------------------------------------------ who is there no more */
static bool is_for(const struct scene *scene, const struct town_device *const *whose, size_t count)
{
    struct bodies bodies = bodies_of(scene);
    uint8_t digest[BODIES_DIGEST_BYTES] = {0};

    for (size_t i = 0; i < count; i++) {
        const struct town_person *person = whose[i]->person;
        bodies_digest_add(digest, &(struct bodies_list){.user = user_of(person->id), .list_seq = person->list_seq});
    }
    return bodies.digest != NULL && memcmp(bodies.digest, digest, sizeof digest) == 0;
}

/* Carol deletes her account: the message is refused, her list asked for, and from then on the digest is of the others. */
static void test_client_chain__who_was_deleted_is_in_no_digest(void **state)
{
    struct scene *scene = scene_large(7);
    const struct town_device *all[] = {scene->ann, scene->bob, scene->carol};

    (void)state;
    write_one(scene);
    answer(scene);
    answered(scene, NULL); /* the gift */
    assert_true(is_for(scene, all, 3));
    scene->carol->person->is_deleted = true;
    answered(scene, "STALE_DEVICES");
    assert_true(is_for(scene, all, 2));
    answered(scene, NULL);
    assert_int_equal(scene->sent, 1);
    restart(scene);
    write_one(scene);
    answer(scene);
    assert_true(is_for(scene, all, 2));
    answered(scene, NULL);
    assert_int_equal(scene->failed, 0);
    assert_int_equal(kith_client_outbox_count(scene->client) + kith_client_outbox_owed(scene->client), 0);
    scene_free(scene);
}

/* How many chains of others were forgotten so far. */
static size_t chains_forgotten(const struct scene *scene)
{
    struct kith_slice records = kith_buf_peek(&scene->persisted), key, value;
    size_t count = 0;
    bool is_put = false;

    while (kith_record_next(&records, &is_put, &key, &value) == KITH_OK)
        count += !is_put && key.len > 1 && key.ptr[0] == E2E_RECORD_KEY && key.ptr[1] == 'R';
    return count;
}

/* The operation is known before what stands before it in the chat: what opens that goes when all of it was shown. */
static void test_client_chain__chains_go_when_the_removal_was_shown(void **state)
{
    struct scene *scene = scene_large(8);
    const struct town_mail *late;

    (void)state;
    late = town_group_send(scene->carol, scene->group, "before you go");
    town_group_must(scene->group, scene->bob, town_change(E2E_GROUP_REMOVE, scene->ann, 0));
    scene->ops_shown = scene->group->op_count;
    kith_client_look_into(scene->client, scene->now, chat_of(scene));
    answer(scene);
    assert_false(view_of(scene).is_member);
    assert_int_equal(chains_forgotten(scene), 0);
    message_event(scene, 1, late);
    answer(scene);
    assert_string_equal(scene->last_text, "before you go");
    assert_int_equal(chains_forgotten(scene), 0);
    newest_op_event(scene, 2, scene->bob);
    answer(scene);
    assert_int_equal(scene->shown, 2);
    assert_int_equal(chains_forgotten(scene), 2); /* of Bob, who gave the name, and of Carol */
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_chain__a_gift_leaves_before_what_waits_for_it),
        cmocka_unit_test(test_client_chain__what_waits_for_a_gift_is_refused_with_it),
        cmocka_unit_test(test_client_chain__a_gift_to_nobody_is_forgotten),
        cmocka_unit_test(test_client_chain__a_gift_shows_nothing),
        cmocka_unit_test(test_client_chain__what_is_for_all_is_not_for_a_device_without_keys),
        cmocka_unit_test(test_client_chain__who_was_deleted_is_in_no_digest),
        cmocka_unit_test(test_client_chain__chains_go_when_the_removal_was_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
