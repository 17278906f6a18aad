#ifndef TESTS_UNIT_CLIENT_GROUP_H
#define TESTS_UNIT_CLIENT_GROUP_H

#include <sodium.h>

#include "client_scene.h"

/* A client in a group, of Bob and two others: the server shows as many of its operations as the test says. */

/* ------------------------------------------------------------------------------------------------ the server */
/* As the server does: those behind the one that is known, and the newest. */
static inline void answer_list(struct scene *scene, struct user_id user, bool has_after, uint64_t after)
{
    const struct town_person *person = town_person_of(scene->town, user.id.raw);

    if (person != NULL && person->is_deleted) {
        kith_client_no_list(scene->client, user, 0);
        return;
    }
    for (size_t i = 0; person != NULL && i < person->list_count; i++) {
        const bool is_newest = i + 1 == person->list_count;
        if (!is_newest && (!has_after || i < after)) continue;
        kith_client_list(scene->client, user, is_newest ? person->list_seq : 0, kith_buf_peek(&person->lists[i]));
    }
}

static inline void answer_lists(struct scene *scene)
{
    const struct kith_fetch fetch = scene->fetch;

    if (fetch.kind == KITH_FETCH_PAST_LISTS) {
        scene->asked_past++;
        answer_list(scene, fetch.user, true, fetch.after);
    }
    for (uint32_t i = 0; i < fetch.list_count; i++)
        answer_list(scene, fetch.lists[i].user, fetch.lists[i].after > 0, fetch.lists[i].after);
}

static inline void answer_admit(struct scene *scene)
{
    static const uint8_t any[16];
    struct kith_admit admit;
    bool is_next;

    if (!kith_client_admit(scene->client, &admit)) return;
    scene->asked_admit++;
    assert_true(kith_uuid_eq(admit.chat.id, chat_of(scene).id));
    is_next = admit.group_seq == scene->group->op_count + 1;
    if (memcmp(scene->admit_only, any, sizeof any) != 0)
        is_next &= memcmp(scene->admit_only, admit.user.id.raw, sizeof any) == 0;
    if (scene->admit_code == CODE_OK && is_next) {
        town_group_put(scene->group, admit.signed_op);
        scene->admitted++;
        scene->ops_shown = scene->group->op_count;
        kith_client_admitted(scene->client, CODE_OK);
    } else {
        kith_client_admitted(scene->client, scene->admit_code == CODE_OK ? CODE_STALE_GROUP : scene->admit_code);
    }
}

static inline void answer_one(struct scene *scene)
{
    bool ok = true;

    const struct kith_fetch *fetch = &scene->fetch;

    switch (fetch->kind) {
    case KITH_FETCH_KEYS: scene_keys(scene); break;
    case KITH_FETCH_LISTS:
    case KITH_FETCH_PAST_LISTS: answer_lists(scene); break;
    case KITH_FETCH_MEMBERS: kith_client_members(scene->client, fetch->chat, NULL, 0); break; /* no chat of two */
    case KITH_FETCH_OPS:
        scene->asked_ops++;
        scene->asked_after = fetch->after;
        for (size_t i = (size_t)fetch->after; i < scene->ops_shown && kith_uuid_eq(fetch->chat.id, chat_of(scene).id);
             i++)
            kith_client_group_op(scene->client, fetch->chat, scene->group->seqs[i],
                                 kith_buf_peek(&scene->group->ops[i]));
        break;
    case KITH_FETCH_BUNDLES:
        for (uint32_t i = 0; i < fetch->device_count; i++)
            kith_client_no_bundle(scene->client, fetch->devices[i].user, fetch->devices[i].device);
        break;
    case KITH_FETCH_ADMIT:
        answer_admit(scene);
        ok = !kith_code_retryable(scene->admit_code);
        break;
    case KITH_FETCH_UPLOAD: break;
    }
    scene->has_fetch = false;
    kith_client_fetched(scene->client, scene->now, ok);
}

/* Whatever it asks for, for some seconds. */
static inline void answer(struct scene *scene)
{
    for (unsigned i = 0; i < 12; i++) {
        if (scene->has_fetch)
            answer_one(scene);
        else
            kith_client_tick(scene->client, scene->now);
        run(scene);
        scene->now.mono_ms += 500;
    }
}

/* json: the members before `signed_op`. op.len 0: it has none. */
static inline void op_event(struct scene *scene, unsigned seq, const char *type, const struct town_device *by,
                            const char *json, struct kith_slice op)
{
    const uint8_t id[16] = {0, 0, 0, 9, [15] = (uint8_t)seq};
    char headers[80], body[4096], text[3000] = "";

    if (op.len > 0) (void)sodium_bin2base64(text, sizeof text, op.ptr, op.len, sodium_base64_VARIANT_ORIGINAL);
    (void)snprintf(headers, sizeof headers, "type:%s\ncontent-type:application/json", type);
    (void)snprintf(body, sizeof body, op.len > 0 ? "{%s,\"group_seq\":1,\"signed_op\":\"%s\"}" : "{%s}", json, text);
    event(scene, seq, headers, by, id, kith_slice_str(body));
}

static inline void newest_op_event(struct scene *scene, unsigned seq, const struct town_device *by)
{
    op_event(scene, seq, "chat", by, "\"op\":\"settings\"",
             kith_buf_peek(&scene->group->ops[scene->group->op_count - 1]));
}

/* ------------------------------------------------------------------------------------------------ the scene */
/* The connection is there, and what it asks for at first was answered. */
static inline void client_open(struct scene *scene, struct kith_slice records)
{
    scene_open(scene, records);
    answer(scene);
}

/* knows: Ann has the group's operations, and sessions with both. */
static inline struct scene *scene_new(bool knows)
{
    struct scene *scene = scene_begin(6);

    scene->town->has_few_prekeys = true;
    scene->ann = town_join(scene->town);
    scene->bob = town_join(scene->town);
    scene->carol = town_join(scene->town);
    scene->group = town_group_create(scene->bob, (struct town_device *[]){scene->ann, scene->carol}, 2,
                                     knows ? "ours" : NULL);
    assert_int_equal(town_group_fetch(scene->carol, scene->group), KITH_OK);
    if (knows) {
        assert_int_equal(town_read(scene->ann), 1);
        (void)town_group_send(scene->ann, scene->group, "hello");
        assert_int_equal(town_read(scene->bob) + town_read(scene->carol), 3);
    }
    scene->chat = town_group_chat(scene->bob, scene->group);
    scene->ops_shown = scene->group->op_count;
    client_open(scene, (struct kith_slice){0});
    return scene;
}

/* A large group of Ann, Bob and Carol; Ann has sessions with both, and her chain has nobody. */
static inline struct scene *scene_large(uint64_t seed)
{
    struct scene *scene = scene_begin(seed);

    scene->town->has_few_prekeys = true;
    scene->town->pairwise_max = 2;
    scene->ann = town_join(scene->town);
    scene->bob = town_join(scene->town);
    scene->carol = town_join(scene->town);
    scene->group = town_group_create(scene->bob, (struct town_device *[]){scene->ann, scene->carol}, 2, "ours");
    assert_int_equal(town_group_fetch(scene->carol, scene->group), KITH_OK);
    (void)town_group_send(scene->carol, scene->group, "hello");
    assert_int_equal(town_read(scene->ann), 4);
    scene->chat = town_group_chat(scene->bob, scene->group);
    scene->ops_shown = scene->group->op_count;
    client_open(scene, (struct kith_slice){0});
    return scene;
}

static inline struct e2e_group_view view_of(struct scene *scene)
{
    struct e2e_group_view view;

    (void)e2e_account_group(kith_client_account(scene->client), scene->group->chat_id, &view);
    return view;
}

static inline void write_one(struct scene *scene)
{
    struct kith_send send = {.chat = chat_of(scene),
                             .encrypted = true,
                             .content_type = kith_slice_str("text/plain"),
                             .body = kith_slice_str("may I?")};
    struct msg_id id;

    assert_int_equal(kith_client_send(scene->client, scene->now, &send, &id), KITH_OK);
    run(scene);
}

#endif
