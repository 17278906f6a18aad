#include "account/join.h"
#include "group_fixture.h"
#include "wire/json_text.h"

/*
 * Invite links over REST: a group's operation makes and ends one, and who has it asks to be let in. The server knows of the
 * link how its key begins, and of a request who signed it.
 */
#define NO_CHAT "5a1f7d20-0000-4000-8000-000000000001"

/* The nth link of this chat. */
static struct e2e_join_link link_to(const char *chat, uint8_t number)
{
    struct e2e_join_link link = {.secret = {number}, .op_hash = {number}};

    memcpy(link.chat_id, uuid_of(chat).raw, sizeof link.chat_id);
    return link;
}

/* In quotes; static until the 4th next call. */
static const char *base64(const void *bytes, size_t len)
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

/* The member of a PATCH that says this key; with what follows it. NULL: none. */
static const char *join_key(const uint8_t *key, size_t len)
{
    static char texts[4][2100];
    static unsigned next;
    char *text = texts[next++ % 4];

    (void)snprintf(text, sizeof texts[0], "\"join_key\":%s,", key == NULL ? "null" : base64(key, len));
    return text;
}

static struct e2e_group_op link_op(const struct author *by, const struct e2e_join_link *link)
{
    struct e2e_group_op op = op_by(by, E2E_GROUP_JOIN_KEY, NULL, 0);

    if (link != NULL) e2e_join_key(link, op.join_key);
    return op;
}

/* From now on this link holds; NULL: none. */
static void hold(struct afx *fx, struct known_group *known, const struct author *by, const struct e2e_join_link *link)
{
    struct e2e_group_op op = link_op(by, link);

    must_op(fx, known, by, op, "PATCH", "", join_key(link == NULL ? NULL : op.join_key, sizeof op.join_key));
}

/* ------------------------------------------------------------------------------------------------ requests */

static struct e2e_join_request asks(const struct author *asker)
{
    struct e2e_join_request request = {.device_id = 1, .list_seq = 1, .made_at_ms = 1000};

    memcpy(request.account_id, uuid_of(asker->who.user).raw, sizeof request.account_id);
    memcpy(request.list_hash, asker->list_hash, sizeof request.list_hash);
    return request;
}

/* Signed by that device. */
static struct kith_buf sign(const struct e2e_join_link *link, struct e2e_join_request request, struct kith_uuid device)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES];
    struct kith_buf out;

    made_device_secret(device, secret);
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_join_sign(link, &request, secret, &out), KITH_OK);
    return out;
}

static struct reply *send_join(struct afx *fx, const struct person *by, const char *chat, const char *key,
                               struct kith_slice request)
{
    char body[1200];
    struct reply *reply;

    (void)snprintf(body, sizeof body, "{\"request\":%s}", base64(request.ptr, request.len));
    fx->headers[0][0] = key == NULL ? NULL : "Idempotency-Key";
    fx->headers[0][1] = key;
    reply = chat_call(fx, "POST", by, chat, "/join", body);
    fx->headers[0][0] = NULL;
    return reply;
}

/* What is answered when it is fine: 202, asked, or 200, a member already. */
static void expect_asked(struct reply *reply, unsigned status)
{
    reply = expect_kept(reply, status, NULL);
    assert_int_equal(reply_bool(reply, "member"), status == 200);
    assert_int_equal(json_object_size(reply->json), 1);
    reply_free(reply);
}

/* A request as this person's client makes it. */
static struct reply *join(struct afx *fx, const struct author *by, const char *chat, const char *key,
                          const struct e2e_join_link *link)
{
    struct kith_buf request = sign(link, asks(by), by->device);
    struct reply *reply = send_join(fx, &by->who, chat, key, kith_buf_peek(&request));

    kith_buf_deinit(&request);
    return reply;
}

/* So many events, the group's number and members, as this member is told. */
static void expect_at(struct afx *fx, const struct person *by, const struct known_group *known, json_int_t last_seq,
                      size_t members)
{
    struct reply *reply = expect_kept(chat_call(fx, "GET", by, known->chat, "", NULL), 200, NULL);

    assert_int_equal(reply_int(reply, "group_seq"), known->group->seq);
    assert_int_equal(reply_int(reply, "last_seq"), last_seq);
    assert_int_equal(json_array_size(reply_at(reply, "members")), members);
    reply_free(reply);
}

/* The event with this number, parsed. */
static json_t *event_at(struct afx *fx, const struct person *by, const char *chat, unsigned seq, const char *type)
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

/* ann's group with bob, and a link to it. carl is none of them. */
struct scene {
    struct author ann, bob, carl;
    struct known_group known;
    struct e2e_join_link link;
};

static struct scene scene_of(struct afx *fx)
{
    struct scene scene = {
        .ann = author_of_name(fx, "ann"), .bob = author_of_name(fx, "bob"), .carl = author_of_name(fx, "carl")};

    scene.known = group_created(fx, &scene.ann, &scene.bob.who);
    scene.link = link_to(scene.known.chat, 1);
    hold(fx, &scene.known, &scene.ann, &scene.link);
    return scene;
}

/* ------------------------------------------------------------------------------------------------ asking */

static void test_api_join__the_members_are_shown_who_asks(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct kith_buf request = sign(&scene.link, asks(&scene.carl), scene.carl.device);
    struct kith_slice bytes = kith_buf_peek(&request);
    struct e2e_group_op add = op_by(&scene.ann, E2E_GROUP_ADD, &scene.carl.who, E2E_ROLE_MEMBER);
    const char *chat = scene.known.chat, *text = base64(bytes.ptr, bytes.len);
    const struct author *members[] = {&scene.ann, &scene.bob};
    json_t *event;

    expect_asked(send_join(fx, &scene.carl.who, chat, NULL, bytes), 202);
    for (int i = 0; i < 2; i++) {
        event = event_at(fx, &members[i]->who, chat, 3, "member");
        assert_int_equal(json_object_size(event), 4);
        assert_string_equal(json_string_value(json_object_get(event, "op")), "ask");
        assert_string_equal(json_string_value(json_object_get(event, "user_id")), scene.carl.who.user);
        assert_string_equal(json_string_value(json_object_get(event, "by")), scene.carl.who.user);
        assert_memory_equal(json_string_value(json_object_get(event, "request")), text + 1, strlen(text) - 2);
        json_decref(event);
    }
    /* Who asks is none of them, and sees nothing. */
    expect(chat_call(fx, "GET", &scene.carl.who, chat, "", NULL), 404, "NOT_FOUND");
    expect(chat_call(fx, "GET", &scene.carl.who, chat, "/operations", NULL), 404, "NOT_FOUND");
    expect_at(fx, &scene.ann.who, &scene.known, 3, 2);
    /* Who lets them in does so with an operation that has the request in it. */
    add.request = bytes;
    must_op(fx, &scene.known, &scene.ann, add, "POST", "/members", of_user(USER_ID, &scene.carl.who));
    expect_at(fx, &scene.carl.who, &scene.known, 4, 3);
    expect_asked(send_join(fx, &scene.carl.who, chat, NULL, bytes), 200);
    expect_at(fx, &scene.carl.who, &scene.known, 4, 3);
    kith_buf_deinit(&request);
    e2e_group_free(scene.known.group);
}

static void test_api_join__the_same_request_again_is_the_same(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    const char *chat = scene.known.chat;
    struct e2e_join_request later = asks(&scene.carl);
    struct kith_buf other;

    expect_asked(join(fx, &scene.carl, chat, "k", &scene.link), 202);
    expect_asked(join(fx, &scene.carl, chat, "k", &scene.link), 202);
    expect_at(fx, &scene.ann.who, &scene.known, 3, 2);
    later.made_at_ms++;
    other = sign(&scene.link, later, scene.carl.device);
    expect(send_join(fx, &scene.carl.who, chat, "k", kith_buf_peek(&other)), 409, "CONFLICT");
    expect_asked(send_join(fx, &scene.carl.who, chat, "k2", kith_buf_peek(&other)), 202);
    kith_buf_deinit(&other);
    expect_asked(join(fx, &scene.carl, chat, NULL, &scene.link), 202);
    expect_at(fx, &scene.ann.who, &scene.known, 5, 2);
    e2e_group_free(scene.known.group);
}

static void test_api_join__holds_over_a_restart(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    const char *chat = scene.known.chat;

    expect_asked(join(fx, &scene.carl, chat, "k", &scene.link), 202);
    afx_crash(fx);
    afx_open(fx);
    expect_asked(join(fx, &scene.carl, chat, "k", &scene.link), 202);
    expect_at(fx, &scene.ann.who, &scene.known, 3, 2);
    expect_asked(join(fx, &scene.carl, chat, "k2", &scene.link), 202);
    hold(fx, &scene.known, &scene.ann, NULL);
    afx_crash(fx);
    afx_open(fx);
    expect(join(fx, &scene.carl, chat, "k3", &scene.link), 404, "NOT_FOUND");
    expect_asked(join(fx, &scene.carl, chat, "k", &scene.link), 202); /* was asked, whatever holds now */
    expect_at(fx, &scene.ann.who, &scene.known, 5, 2);
    e2e_group_free(scene.known.group);
}

/* ------------------------------------------------------------------------------------------------ which link */

/* What it answers; and the next one says the same, to the byte. */
struct same {
    struct reply *first;
    unsigned count;
};

static void also(struct same *same, struct reply *reply)
{
    reply = expect_kept(reply, 404, "NOT_FOUND");
    if (same->count++ == 0) {
        same->first = reply;
        return;
    }
    assert_int_equal(reply->body_len, same->first->body_len);
    assert_memory_equal(reply->body, same->first->body, reply->body_len);
    assert_string_equal(reply->content_type, same->first->content_type);
    assert_string_equal(reply->retry_after, same->first->retry_after);
    reply_free(reply);
}

static void test_api_join__whoever_has_not_the_link_learns_nothing(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct e2e_join_link other = link_to(scene.known.chat, 2), nowhere = link_to(NO_CHAT, 1);
    char bob[64], carl[64], chats[4][40];
    struct same same = {0};
    const char *chat = scene.known.chat;

    (void)snprintf(bob, sizeof bob, "[\"%s\"]", scene.bob.who.user);
    (void)snprintf(carl, sizeof carl, "[\"%s\"]", scene.carl.who.user);
    (void)snprintf(chats[0], sizeof chats[0], "%s", afx_chat(fx, &scene.ann.who, "direct", true, bob));
    (void)snprintf(chats[1], sizeof chats[1], "%s", afx_chat(fx, &scene.ann.who, "group", false, bob));
    (void)snprintf(chats[2], sizeof chats[2], "%s", afx_chat(fx, &scene.ann.who, "group", true, bob));
    (void)snprintf(chats[3], sizeof chats[3], "%s", afx_chat(fx, &scene.ann.who, "group", true, carl));
    also(&same, join(fx, &scene.carl, NO_CHAT, NULL, &nowhere));
    also(&same, join(fx, &scene.carl, NO_CHAT, "k", &nowhere));
    also(&same, join(fx, &scene.carl, "x", NULL, &nowhere));
    also(&same, join(fx, &scene.carl, chat, NULL, &other));
    for (int i = 0; i < 4; i++) also(&same, join(fx, &scene.carl, chats[i], "k", &scene.link)); /* is in the last one */
    afx_run_ms(fx, ACCOUNT_JOINS * (uint64_t)ACCOUNT_JOIN_MS);
    hold(fx, &scene.known, &scene.ann, &other); /* one at a time */
    also(&same, join(fx, &scene.carl, chat, NULL, &scene.link));
    expect_asked(join(fx, &scene.carl, chat, NULL, &other), 202);
    hold(fx, &scene.known, &scene.ann, NULL);
    also(&same, join(fx, &scene.carl, chat, NULL, &other));
    hold(fx, &scene.known, &scene.ann, &other);
    must_op(fx, &scene.known, &scene.ann, op_by(&scene.ann, E2E_GROUP_REMOVE, &scene.bob.who, 0), "DELETE",
            of_user(MEMBER, &scene.bob.who), "");
    also(&same, join(fx, &scene.bob, chat, NULL, &other)); /* knows the link, which has ended with that */
    also(&same, join(fx, &scene.carl, chat, NULL, &other));
    assert_int_equal(same.count, 12);
    reply_free(same.first);
    e2e_group_free(scene.known.group);
}

static void test_api_join__who_left_may_come_back(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct reply *reply;

    must_op(fx, &scene.known, &scene.bob, op_by(&scene.bob, E2E_GROUP_LEAVE, NULL, 0), "POST", "/leave", "");
    expect_asked(join(fx, &scene.bob, scene.known.chat, NULL, &scene.link), 202);
    expect_at(fx, &scene.ann.who, &scene.known, 4, 1);
    reply = expect_kept(chat_call(fx, "GET", &scene.bob.who, scene.known.chat, "", NULL), 200, NULL);
    assert_int_equal(reply_int(reply, "last_seq"), 3); /* it was said after they left */
    reply_free(reply);
    must_op(fx, &scene.known, &scene.ann, op_by(&scene.ann, E2E_GROUP_ADD, &scene.bob.who, E2E_ROLE_MEMBER), "POST",
            "/members", of_user(USER_ID, &scene.bob.who));
    expect_asked(join(fx, &scene.bob, scene.known.chat, NULL, &scene.link), 200);
    e2e_group_free(scene.known.group);
}

static void test_api_join__a_full_group_says_so(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);

    afx_crash(fx);
    fx->members_max = 3;
    afx_open(fx);
    expect_asked(join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 202);
    afx_crash(fx);
    fx->members_max = 2;
    afx_open(fx);
    expect(join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 409, "CHAT_FULL");
    expect_at(fx, &scene.ann.who, &scene.known, 3, 2);
    e2e_group_free(scene.known.group);
}

/* A link is changed while somebody asks: either comes first, and the answer says which. */
static void race(struct afx *fx, struct scene *scene, uint8_t number, bool asks_first, unsigned *asked)
{
    struct e2e_join_link next = link_to(scene->known.chat, number);
    struct kith_buf request = sign(&scene->link, asks(&scene->carl), scene->carl.device);
    struct made_op made = op_make(scene->known.group, &scene->ann, link_op(&scene->ann, &next));
    char *change = op_body(join_key(made.after->join_key, E2E_SIGN_PUBLIC_BYTES), kith_buf_peek(&made.bytes),
                           (unsigned)made.after->seq),
         ask[1200], chat[64], target[80];
    struct reply *first, *second, *asking, *changing;
    json_int_t seq;

    (void)snprintf(ask, sizeof ask, "{\"request\":%s}", base64(kith_buf_peek(&request).ptr, kith_buf_len(&request)));
    (void)snprintf(chat, sizeof chat, "/chats/%s", scene->known.chat);
    (void)snprintf(target, sizeof target, "%s/join", chat);
    first = asks_first ? afx_start(fx, "POST", target, scene->carl.who.access, ask)
                       : afx_start(fx, "PATCH", chat, scene->ann.who.access, change);
    second = asks_first ? afx_start(fx, "PATCH", chat, scene->ann.who.access, change)
                        : afx_start(fx, "POST", target, scene->carl.who.access, ask);
    reply_wait(first);
    reply_wait(second);
    asking = asks_first ? first : second;
    changing = asks_first ? second : first;
    seq = reply_int(expect_kept(changing, 200, NULL), "seq");
    assert_true(asking->status == 202 || asking->status == 404);
    if (asking->status == 202) {
        json_decref(event_at(fx, &scene->ann.who, scene->known.chat, (unsigned)seq - 1, "member"));
        ++*asked;
    }
    json_decref(event_at(fx, &scene->ann.who, scene->known.chat, (unsigned)seq, "chat"));
    e2e_group_free(scene->known.group);
    scene->known.group = made.after;
    expect_at(fx, &scene->ann.who, &scene->known, seq, 2); /* and no event behind it */
    scene->link = next;
    reply_free(first);
    reply_free(second);
    free(change);
    kith_buf_deinit(&made.bytes);
    kith_buf_deinit(&request);
}

static void test_api_join__a_link_that_ends_meanwhile_is_in_order_with_who_asks(void **state)
{
    unsigned asked = 0, count = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct afx *fx = afx_new(seed, REGISTRATION_OPEN, 20);
        struct scene scene = scene_of(fx);

        for (uint8_t i = 0; i < 6; i++, count++) race(fx, &scene, (uint8_t)(10 + i), i % 2 == 0, &asked);
        e2e_group_free(scene.known.group);
        afx_free(fx);
    }
    assert_true(asked > 0 && asked < count); /* both were seen */
}

/* ------------------------------------------------------------------------------------------------ refusals */

static void refused(struct afx *fx, const struct scene *scene, const struct person *by, struct kith_slice request,
                    unsigned status, const char *code)
{
    afx_run_ms(fx, ACCOUNT_JOIN_MS); /* this is not about how often */
    expect(send_join(fx, by, scene->known.chat, NULL, request), status, code);
}

static void refused_signed(struct afx *fx, const struct scene *scene, struct e2e_join_request request,
                           const struct person *by, unsigned status, const char *code)
{
    struct kith_buf bytes = sign(&scene->link, request, scene->carl.device);

    refused(fx, scene, by, kith_buf_peek(&bytes), status, code);
    kith_buf_deinit(&bytes);
}

static void test_api_join__what_is_no_request_is_refused(void **state)
{
    static uint8_t large[KITH_JOIN_REQUEST_BYTES_MAX + 1];
    static const char *const bodies[] = {"{}",
                                         "{\"request\":null}",
                                         "{\"request\":7}",
                                         "{\"request\":\"\"}",
                                         "{\"request\":\"YQ\"}",
                                         "{\"request\":\"YQ==\"}",
                                         "{\"request\":\"YQ==\",\"group_seq\":1}",
                                         "[]"};
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct kith_buf good = sign(&scene.link, asks(&scene.carl), scene.carl.device), more;
    struct kith_slice bytes = kith_buf_peek(&good);
    const struct person *carl = &scene.carl.who;

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        expect(chat_call(fx, "POST", carl, scene.known.chat, "/join", bodies[i]), 400, "BAD_REQUEST");
    refused(fx, &scene, carl, kith_slice_of(large, sizeof large), 400, "BAD_REQUEST");
    refused(fx, &scene, carl, kith_slice_of(large, sizeof large - 1), 400, "BAD_REQUEST");
    refused(fx, &scene, carl, kith_slice_of(bytes.ptr, bytes.len - 1), 400, "BAD_REQUEST");
    kith_buf_init(&more, KITH_JOIN_REQUEST_BYTES_MAX);
    assert_int_equal(kith_buf_append(&more, bytes), KITH_OK);
    fake_field_put(&more, 0x8000, kith_slice_str("unsigned"));
    refused(fx, &scene, carl, kith_buf_peek(&more), 400, "BAD_REQUEST");
    kith_buf_deinit(&more);
    expect_at(fx, &scene.ann.who, &scene.known, 2, 2);
    refused(fx, &scene, carl, bytes, 202, NULL);
    kith_buf_deinit(&good);
    e2e_group_free(scene.known.group);
}

static void test_api_join__of_another_person_or_device_is_refused(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct person thief = afx_login(fx, "carl", "a thief's");
    struct e2e_join_request request = asks(&scene.carl);
    const struct person *carl = &scene.carl.who;

    refused_signed(fx, &scene, request, &scene.bob.who, 400, "BAD_REQUEST");
    refused_signed(fx, &scene, request, &thief, 400, "BAD_REQUEST");
    request.device_id = 2; /* no device of carl's */
    refused_signed(fx, &scene, request, carl, 400, "BAD_REQUEST");
    request = asks(&scene.carl);
    request.list_seq = 2; /* no list that is stored */
    refused_signed(fx, &scene, request, carl, 400, "BAD_REQUEST");
    request = asks(&scene.carl);
    request.list_hash[0] ^= 1;
    refused_signed(fx, &scene, request, carl, 400, "BAD_REQUEST");
    expect_at(fx, &scene.ann.who, &scene.known, 2, 2);
    refused_signed(fx, &scene, asks(&scene.carl), carl, 202, NULL);
    e2e_group_free(scene.known.group);
}

static void test_api_join__of_nobody_with_a_list_is_refused(void **state)
{
    struct afx *fx = *state;
    struct author carl = {.who = afx_person(fx, "carl")};
    struct e2e_join_link link = link_to(NO_CHAT, 1);

    carl.device = uuid_of(carl.who.device);
    expect(join(fx, &carl, NO_CHAT, NULL, &link), 400, "BAD_REQUEST");
}

static void test_api_join__of_a_device_that_has_not_accepted_is_refused(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct author tablet = {.who = afx_login(fx, "carl", "tablet")};
    struct kith_uuid devices[2] = {scene.carl.device, uuid_of(tablet.who.device)};
    struct made_list list = {.account = uuid_of(scene.carl.who.user),
                             .seq = 2,
                             .prev_hash = scene.carl.list_hash,
                             .devices = devices,
                             .device_count = 2,
                             .accept_count = 1,
                             .fill = 1};
    struct e2e_join_request request;
    struct kith_buf bytes;

    tablet.device = devices[1];
    expect(send_made(fx, &scene.carl.who, &list, tablet.list_hash), 200, NULL);
    request = asks(&tablet);
    request.device_id = 2;
    request.list_seq = 2;
    bytes = sign(&scene.link, request, tablet.device);
    refused(fx, &scene, &tablet.who, kith_buf_peek(&bytes), 400, "BAD_REQUEST");
    list.accept_count = 2;
    expect(send_made(fx, &tablet.who, &list, tablet.list_hash), 200, NULL);
    refused(fx, &scene, &scene.carl.who, kith_buf_peek(&bytes), 400, "BAD_REQUEST"); /* who signed does not ask */
    refused(fx, &scene, &tablet.who, kith_buf_peek(&bytes), 202, NULL);
    kith_buf_deinit(&bytes);
    /* Made under a list that another has followed: it may have been on its way. */
    refused_signed(fx, &scene, asks(&scene.carl), &scene.carl.who, 202, NULL);
    e2e_group_free(scene.known.group);
}

/* The proof and the signature of `from`, on what `request` says. */
static struct kith_buf signed_as(struct kith_slice request, struct kith_slice proof, struct kith_slice signature)
{
    struct kith_buf out;

    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    fake_field_put(&out, 1, request);
    fake_field_put(&out, 2, proof);
    fake_field_put(&out, 3, signature);
    return out;
}

static void test_api_join__needs_the_links_proof_and_the_devices_signature(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct e2e_join_link other = link_to(scene.known.chat, 2);
    struct e2e_join_request later = asks(&scene.carl), good, of_later, of_other;
    const struct person *carl = &scene.carl.who;
    struct kith_buf bytes[3], tried;

    later.made_at_ms++;
    bytes[0] = sign(&scene.link, asks(&scene.carl), scene.carl.device);
    bytes[1] = sign(&scene.link, later, scene.carl.device);
    bytes[2] = sign(&other, asks(&scene.carl), scene.carl.device);
    assert_int_equal(e2e_join_decode(kith_buf_peek(&bytes[0]), &good), KITH_OK);
    assert_int_equal(e2e_join_decode(kith_buf_peek(&bytes[1]), &of_later), KITH_OK);
    assert_int_equal(e2e_join_decode(kith_buf_peek(&bytes[2]), &of_other), KITH_OK);
    const struct kith_slice wrong[][2] = {
        {of_later.proof, good.signature}, {good.proof, of_later.signature}, /* of another request */
        {of_other.proof, good.signature}, {good.signature, good.proof},     /* without the link; in the other's place */
        {good.proof, good.proof},         {good.signature, good.signature},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tried = signed_as(good.bytes, wrong[i][0], wrong[i][1]);
        refused(fx, &scene, carl, kith_buf_peek(&tried), 403, "BAD_SIGNATURE");
        kith_buf_deinit(&tried);
    }
    /* By another device of who knows how to make it: the list has this device's key. */
    tried = sign(&scene.link, asks(&scene.carl), scene.bob.device);
    refused(fx, &scene, carl, kith_buf_peek(&tried), 403, "BAD_SIGNATURE");
    kith_buf_deinit(&tried);
    expect_at(fx, &scene.ann.who, &scene.known, 2, 2);
    tried = signed_as(good.bytes, good.proof, good.signature);
    refused(fx, &scene, carl, kith_buf_peek(&tried), 202, NULL);
    kith_buf_deinit(&tried);
    for (int i = 0; i < 3; i++) kith_buf_deinit(&bytes[i]);
    e2e_group_free(scene.known.group);
}

static void test_api_join__ten_at_once_and_not_one_more(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct e2e_join_link other = link_to(scene.known.chat, 2);
    struct reply *reply;

    afx_run_ms(fx, ACCOUNT_JOINS * (uint64_t)ACCOUNT_JOIN_MS);
    for (unsigned i = 0; i < ACCOUNT_JOINS; i++) {
        if (i % 3 == 0)
            expect_asked(join(fx, &scene.carl, scene.known.chat, "k", &scene.link), 202); /* the same: it is verified */
        else if (i % 3 == 1)
            expect(join(fx, &scene.carl, scene.known.chat, NULL, &other), 404, "NOT_FOUND");
        else
            expect(send_join(fx, &scene.carl.who, scene.known.chat, NULL, kith_slice_str("no request")), 400,
                   "BAD_REQUEST");
    }
    reply = expect_kept(join(fx, &scene.carl, scene.known.chat, "k", &scene.link), 429, "TOO_MANY");
    assert_string_equal(reply->retry_after, "60");
    assert_true(reply_bool(reply, "retryable"));
    reply_free(reply);
    expect(join(fx, &scene.carl, NO_CHAT, NULL, &scene.link), 429, "TOO_MANY");
    expect_asked(join(fx, &scene.bob, scene.known.chat, NULL, &scene.link), 200); /* each has as many */
    afx_run_ms(fx, ACCOUNT_JOIN_MS);
    expect_asked(join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 202);
    expect(join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 429, "TOO_MANY");
    e2e_group_free(scene.known.group);
}

/* ------------------------------------------------------------------------------------------------ the operation */

static void differs(struct afx *fx, const struct scene *scene, const struct e2e_group_op *op, const char *tail,
                    const char *method, const char *more)
{
    struct made_op made = op_make(scene->known.group, &scene->ann, *op);

    expect(send_op(fx, method, &scene->ann.who, scene->known.chat, tail, more, kith_buf_peek(&made.bytes),
                   (unsigned)made.after->seq),
           400, "BAD_REQUEST");
    made_op_free(&made);
}

static void test_api_join__a_link_is_an_operation_that_says_the_same(void **state)
{
    uint8_t key[33] = {0}, begins_as_none[32] = {0};
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct e2e_join_link next = link_to(scene.known.chat, 2), other = link_to(scene.known.chat, 3);
    struct e2e_group_op op = link_op(&scene.ann, &next), none = link_op(&scene.ann, NULL),
                        info = op_by(&scene.ann, E2E_GROUP_INFO, NULL, 0),
                        settings = op_by(&scene.ann, E2E_GROUP_SETTINGS, NULL, 0), zeros;
    char with[2300], said[2100];

    settings.settings = E2E_GROUP_HISTORY_OPEN;
    e2e_join_key(&other, key);
    begins_as_none[31] = 1;
    (void)snprintf(said, sizeof said, "%s", join_key(op.join_key, 32));
    differs(fx, &scene, &op, "", "PATCH", "");
    differs(fx, &scene, &op, "", "PATCH", join_key(NULL, 0));
    differs(fx, &scene, &op, "", "PATCH", join_key(key, 32));
    differs(fx, &scene, &op, "", "PATCH", "\"history_open\":true,");
    differs(fx, &scene, &none, "", "PATCH", "");
    differs(fx, &scene, &none, "", "PATCH", said);
    differs(fx, &scene, &info, "", "PATCH", said);
    differs(fx, &scene, &info, "", "PATCH", join_key(NULL, 0));
    differs(fx, &scene, &settings, "", "PATCH", said);
    differs(fx, &scene, &op, "/leave", "POST", "");
    /* With nothing else, and of this form. */
    (void)snprintf(with, sizeof with, "%s\"history_open\":true,", said);
    differs(fx, &scene, &op, "", "PATCH", with);
    differs(fx, &scene, &settings, "", "PATCH", with);
    (void)snprintf(with, sizeof with, "%s\"name\":null,", said);
    differs(fx, &scene, &op, "", "PATCH", with);
    differs(fx, &scene, &op, "", "PATCH", join_key(op.join_key, 31));
    differs(fx, &scene, &op, "", "PATCH", join_key(key, 33));
    differs(fx, &scene, &op, "", "PATCH", "\"join_key\":\"\",");
    differs(fx, &scene, &op, "", "PATCH", "\"join_key\":true,");
    differs(fx, &scene, &op, "", "PATCH", "\"join_key\":\"x\",");
    /* The server would take this for none, and the operation says that there is one. */
    zeros = none;
    memcpy(zeros.join_key, begins_as_none, sizeof zeros.join_key);
    differs(fx, &scene, &zeros, "", "PATCH", join_key(begins_as_none, 32));
    differs(fx, &scene, &zeros, "", "PATCH", join_key(NULL, 0));
    (void)snprintf(with, sizeof with, "{\"join_key\":%s}", base64(op.join_key, 32));
    expect(chat_call(fx, "PATCH", &scene.ann.who, scene.known.chat, "", with), 400, "BAD_REQUEST"); /* no operation */
    expect(chat_call(fx, "PATCH", &scene.ann.who, scene.known.chat, "", "{\"join_key\":null}"), 400, "BAD_REQUEST");
    expect_at(fx, &scene.ann.who, &scene.known, 2, 2);
    expect_asked(join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 202); /* as it was */
    (void)snprintf(with, sizeof with, "%s\"history_open\":null,", said);
    must_op(fx, &scene.known, &scene.ann, op, "PATCH", "", with); /* null is as if it were absent */
    expect_asked(join(fx, &scene.carl, scene.known.chat, NULL, &next), 202);
    hold(fx, &scene.known, &scene.ann, NULL);
    hold(fx, &scene.known, &scene.ann, NULL); /* again, it is an operation */
    expect_at(fx, &scene.ann.who, &scene.known, 7, 2);
    e2e_group_free(scene.known.group);
}

static void test_api_join__a_link_is_for_admins_to_make(void **state)
{
    struct afx *fx = *state;
    struct scene scene = scene_of(fx);
    struct e2e_join_link next = link_to(scene.known.chat, 2);
    struct e2e_group_op role = op_by(&scene.ann, E2E_GROUP_ROLE, &scene.bob.who, E2E_ROLE_ADMIN);
    const char *of_bob = of_user(MEMBER, &scene.bob.who);
    struct made_op made;
    json_t *event;

    must_op(fx, &scene.known, &scene.ann, role, "PATCH", of_bob, "\"role\":\"admin\",");
    made = op_make(scene.known.group, &scene.bob, link_op(&scene.bob, &next));
    role.role = E2E_ROLE_MEMBER; /* while bob's is on its way */
    must_op(fx, &scene.known, &scene.ann, role, "PATCH", of_bob, "\"role\":\"member\",");
    expect(send_op(fx, "PATCH", &scene.bob.who, scene.known.chat, "", join_key(made.after->join_key, 32),
                   kith_buf_peek(&made.bytes), (unsigned)made.after->seq),
           403, "FORBIDDEN");
    made_op_free(&made);
    expect(join(fx, &scene.carl, scene.known.chat, NULL, &next), 404, "NOT_FOUND");
    role.role = E2E_ROLE_ADMIN;
    must_op(fx, &scene.known, &scene.ann, role, "PATCH", of_bob, "\"role\":\"admin\",");
    hold(fx, &scene.known, &scene.bob, &next);
    expect_asked(join(fx, &scene.carl, scene.known.chat, NULL, &next), 202);
    event = event_at(fx, &scene.ann.who, scene.known.chat, 6, "chat");
    assert_int_equal(json_object_size(event), 3);
    assert_string_equal(json_string_value(json_object_get(event, "op")), "join-key");
    assert_int_equal(json_integer_value(json_object_get(event, "group_seq")), scene.known.group->seq);
    json_decref(event);
    /* Of two at once the second is told. */
    made = op_make(scene.known.group, &scene.ann, link_op(&scene.ann, &scene.link));
    hold(fx, &scene.known, &scene.bob, NULL);
    expect(send_op(fx, "PATCH", &scene.ann.who, scene.known.chat, "", join_key(made.after->join_key, 32),
                   kith_buf_peek(&made.bytes), (unsigned)made.after->seq),
           409, "STALE_GROUP");
    made_op_free(&made);
    expect(join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 404, "NOT_FOUND");
    e2e_group_free(scene.known.group);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_join__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_members_are_shown_who_asks),
        TEST(the_same_request_again_is_the_same),
        TEST(holds_over_a_restart),
        TEST(whoever_has_not_the_link_learns_nothing),
        TEST(who_left_may_come_back),
        TEST(a_full_group_says_so),
        cmocka_unit_test(test_api_join__a_link_that_ends_meanwhile_is_in_order_with_who_asks),
        TEST(what_is_no_request_is_refused),
        TEST(of_another_person_or_device_is_refused),
        TEST(of_nobody_with_a_list_is_refused),
        TEST(of_a_device_that_has_not_accepted_is_refused),
        TEST(needs_the_links_proof_and_the_devices_signature),
        TEST(ten_at_once_and_not_one_more),
        TEST(a_link_is_an_operation_that_says_the_same),
        TEST(a_link_is_for_admins_to_make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
