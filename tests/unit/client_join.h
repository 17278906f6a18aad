#ifndef TESTS_UNIT_CLIENT_JOIN_H
#define TESTS_UNIT_CLIENT_JOIN_H

#include "client_group.h"
#include "libkith/client.h"
#include "libkith/e2ee/account_join.h"

/* A client in a group that has an invite link. */

/* ------------------------------------------------------------------------------------------------ the scene */
static inline void change_event(struct scene *scene, unsigned seq, struct town_device *by,
                                struct e2e_group_change change)
{
    town_group_must(scene->group, by, change);
    scene->ops_shown = scene->group->op_count;
    newest_op_event(scene, seq, by);
    answer(scene);
    assert_int_equal(scene->unreadable, KITH_OK);
}

/* Bob's link, which Ann's client has heard of; she is an admin, or a member. Three events came. */
static inline struct scene *join_scene(bool is_admin)
{
    struct scene *scene = scene_new(true);

    change_event(scene, 1, scene->bob,
                 is_admin ? town_change(E2E_GROUP_ROLE, scene->ann, E2E_ROLE_ADMIN)
                          : town_change(E2E_GROUP_ROLE, scene->carol, E2E_ROLE_ADMIN));
    change_event(scene, 2, scene->bob, town_change(E2E_GROUP_JOIN_KEY, NULL, 0));
    return scene;
}

static inline struct e2e_join_link link_of(const struct scene *scene)
{
    struct e2e_join_link link;

    assert_int_equal(e2e_account_join_link(scene->bob->account, scene->group->chat_id, &link), KITH_OK);
    return link;
}

static inline struct kith_buf request_of(const struct scene *scene, struct town_device *who)
{
    struct e2e_join_link link = link_of(scene);
    struct kith_buf request;

    kith_buf_init(&request, E2E_JOIN_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_account_join_ask(who->account, scene->town->now_ms, &link, &request), KITH_OK);
    return request;
}

/* type: of the event, and more headers. */
static inline void ask_event_of(struct scene *scene, unsigned seq, const char *type, const struct town_device *by,
                                const uint8_t asker[static 16], struct kith_slice request)
{
    char json[1200], id[KITH_UUID_TEXT_LEN + 1], text[800] = "";
    struct kith_uuid uuid;

    memcpy(uuid.raw, asker, sizeof uuid.raw);
    kith_uuid_format(uuid, id);
    (void)sodium_bin2base64(text, sizeof text, request.ptr, request.len, sodium_base64_VARIANT_ORIGINAL);
    (void)snprintf(json, sizeof json, "\"op\":\"ask\",\"user_id\":\"%s\",\"by\":\"%s\",\"request\":\"%s\"", id, id,
                   text);
    op_event(scene, seq, type, by, json, (struct kith_slice){0});
}

static inline void ask_event_as(struct scene *scene, unsigned seq, const struct town_device *by,
                                const uint8_t asker[static 16], struct kith_slice request)
{
    ask_event_of(scene, seq, "member", by, asker, request);
}

static inline void ask_event(struct scene *scene, unsigned seq, const struct town_device *who,
                             struct kith_slice request)
{
    ask_event_as(scene, seq, who, who->person->id, request);
}

static inline bool is_in(struct scene *scene, const struct town_device *who)
{
    return e2e_group_find(view_of(scene).group, who->person->id) != NULL;
}

/* Records of this letter that are kept in the end. */
static inline size_t kept(const struct scene *scene, char letter)
{
    struct kith_slice records = kith_buf_peek(&scene->persisted), key, value;
    size_t count = 0;
    bool is_put;

    while (kith_record_next(&records, &is_put, &key, &value) == KITH_OK)
        if (key.ptr[0] == (uint8_t)letter) count += is_put ? 1 : (size_t)-1;
    return count;
}

static inline void pass(struct scene *scene, uint64_t ms)
{
    scene->now.mono_ms += ms;
    scene->now.wall_ms += ms;
    answer(scene);
}

#endif
