#include "join_fixture.h"

#include "wire/json_text.h"

struct e2e_join_link link_to(const char *chat, uint8_t number)
{
    struct e2e_join_link link = {.secret = {number}, .op_hash = {number}};

    memcpy(link.chat_id, uuid_of(chat).raw, sizeof link.chat_id);
    return link;
}

const char *base64_text(const void *bytes, size_t len)
{
    static char texts[4][2048];
    static unsigned next;
    char *text = texts[next++ % 4];
    struct kith_buf out;

    kith_buf_init(&out, sizeof texts[0] - 1);
    assert_int_equal(json_put_base64(&out, kith_slice_of(bytes, len)), KITH_OK);
    (void)snprintf(text, sizeof texts[0], "%.*s", (int)kith_buf_len(&out), (const char *)kith_buf_peek(&out).ptr);
    kith_buf_deinit(&out);
    return text;
}

const char *join_key_member(const uint8_t *key, size_t len)
{
    static char texts[4][2100];
    static unsigned next;
    char *text = texts[next++ % 4];

    (void)snprintf(text, sizeof texts[0], "\"join_key\":%s,", key == NULL ? "null" : base64_text(key, len));
    return text;
}

struct e2e_group_op link_op(const struct author *by, const struct e2e_join_link *link)
{
    struct e2e_group_op op = op_by(by, E2E_GROUP_JOIN_KEY, NULL, 0);

    if (link != NULL) e2e_join_key(link, op.join_key);
    return op;
}

void hold_link(struct afx *fx, struct known_group *known, const struct author *by, const struct e2e_join_link *link)
{
    struct e2e_group_op op = link_op(by, link);

    must_op(fx, known, by, op, "PATCH", "", join_key_member(link == NULL ? NULL : op.join_key, sizeof op.join_key));
}

/* ------------------------------------------------------------------------------------------------ requests */

struct e2e_join_request request_by(const struct author *asker)
{
    struct e2e_join_request request = {.device_id = 1, .list_seq = 1, .made_at_ms = 1000};

    memcpy(request.account_id, uuid_of(asker->who.user).raw, sizeof request.account_id);
    memcpy(request.list_hash, asker->list_hash, sizeof request.list_hash);
    return request;
}

struct kith_buf request_sign(const struct e2e_join_link *link, struct e2e_join_request request, struct kith_uuid device)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES];
    struct kith_buf out;

    made_device_secret(device, secret);
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_join_sign(link, &request, secret, &out), KITH_OK);
    return out;
}

struct reply *send_join(struct afx *fx, const struct person *by, const char *chat, const char *key,
                        struct kith_slice request)
{
    char body[1200];
    struct reply *reply;

    (void)snprintf(body, sizeof body, "{\"request\":%s}", base64_text(request.ptr, request.len));
    fx->headers[0][0] = key == NULL ? NULL : "Idempotency-Key";
    fx->headers[0][1] = key;
    reply = chat_call(fx, "POST", by, chat, "/join", body);
    fx->headers[0][0] = NULL;
    return reply;
}

void expect_asked(struct reply *reply, unsigned status)
{
    reply = expect_kept(reply, status, NULL);
    assert_int_equal(reply_bool(reply, "member"), status == 200);
    assert_int_equal(json_object_size(reply->json), 1);
    reply_free(reply);
}

struct reply *ask_to_join(struct afx *fx, const struct author *by, const char *chat, const char *key,
                          const struct e2e_join_link *link)
{
    struct kith_buf request = request_sign(link, request_by(by), by->device);
    struct reply *reply = send_join(fx, &by->who, chat, key, kith_buf_peek(&request));

    kith_buf_deinit(&request);
    return reply;
}

void expect_chat_at(struct afx *fx, const struct person *by, const struct known_group *known, json_int_t last_seq,
                    size_t members)
{
    struct reply *reply = expect_kept(chat_call(fx, "GET", by, known->chat, "", NULL), 200, NULL);

    assert_int_equal(reply_int(reply, "group_seq"), known->group->seq);
    assert_int_equal(reply_int(reply, "last_seq"), last_seq);
    assert_int_equal(json_array_size(reply_at(reply, "members")), members);
    reply_free(reply);
}

json_t *event_at(struct afx *fx, const struct person *by, const char *chat, unsigned seq, const char *type)
{
    char target[120];
    struct reply *reply;
    json_t *event;

    (void)snprintf(target, sizeof target, "/messages?chat_id=%s&after=%u&limit=1", chat, seq - 1);
    reply = expect_kept(afx_ask(fx, "GET", target, by->access, NULL), 200, NULL);
    assert_int_equal(reply_int(reply, "messages/0/seq"), seq);
    assert_string_equal(reply_str(reply, "messages/0/type"), type);
    event = json_loads(reply_str(reply, "messages/0/content"), 0, NULL);
    assert_non_null(event);
    reply_free(reply);
    return event;
}

struct join_scene join_scene_of(struct afx *fx)
{
    struct join_scene scene = {
        .ann = author_of_name(fx, "ann"), .bob = author_of_name(fx, "bob"), .carl = author_of_name(fx, "carl")};

    scene.known = group_created(fx, &scene.ann, &scene.bob.who);
    scene.link = link_to(scene.known.chat, 1);
    hold_link(fx, &scene.known, &scene.ann, &scene.link);
    return scene;
}
