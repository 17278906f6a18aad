#include "join_fixture.h"

/*
 * What is no join request, or of somebody else, is refused before the group is asked; so is an operation on its link that
 * says something else than the call, and nothing changes.
 */

/* ------------------------------------------------------------------------------------------------ refusals */

static void refused(struct afx *fx, const struct join_scene *scene, const struct person *by, struct kith_slice request,
                    unsigned status, const char *code)
{
    afx_run_ms(fx, ACCOUNT_JOIN_MS); /* this is not about how often */
    expect(send_join(fx, by, scene->known.chat, NULL, request), status, code);
}

static void refused_signed(struct afx *fx, const struct join_scene *scene, struct e2e_join_request request,
                           const struct person *by, unsigned status, const char *code)
{
    struct kith_buf bytes = request_sign(&scene->link, request, scene->carl.device);

    refused(fx, scene, by, kith_buf_peek(&bytes), status, code);
    kith_buf_deinit(&bytes);
}

static void test_api_join_refused__what_is_no_request_is_refused(void **state)
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
    struct join_scene scene = join_scene_of(fx);
    struct kith_buf good = request_sign(&scene.link, request_by(&scene.carl), scene.carl.device), more;
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
    expect_chat_at(fx, &scene.ann.who, &scene.known, 2, 2);
    refused(fx, &scene, carl, bytes, 202, NULL);
    kith_buf_deinit(&good);
    e2e_group_free(scene.known.group);
}

static void test_api_join_refused__of_another_person_or_device_is_refused(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    struct person thief = afx_login(fx, "carl", "a thief's");
    struct e2e_join_request request = request_by(&scene.carl);
    const struct person *carl = &scene.carl.who;

    refused_signed(fx, &scene, request, &scene.bob.who, 400, "BAD_REQUEST");
    refused_signed(fx, &scene, request, &thief, 400, "BAD_REQUEST");
    memcpy(request.account_id, uuid_of(scene.bob.who.user).raw, sizeof request.account_id);
    refused_signed(fx, &scene, request, carl, 400, "BAD_REQUEST"); /* carl's device signs that bob asks */
    request = request_by(&scene.carl);
    request.device_id = 2; /* no device of carl's */
    refused_signed(fx, &scene, request, carl, 400, "BAD_REQUEST");
    request = request_by(&scene.carl);
    request.list_seq = 2; /* no list that is stored */
    refused_signed(fx, &scene, request, carl, 400, "BAD_REQUEST");
    request = request_by(&scene.carl);
    request.list_hash[0] ^= 1;
    refused_signed(fx, &scene, request, carl, 400, "BAD_REQUEST");
    expect_chat_at(fx, &scene.ann.who, &scene.known, 2, 2);
    refused_signed(fx, &scene, request_by(&scene.carl), carl, 202, NULL);
    e2e_group_free(scene.known.group);
}

static void test_api_join_refused__of_nobody_with_a_list_is_refused(void **state)
{
    struct afx *fx = *state;
    struct author carl = {.who = afx_person(fx, "carl")};
    struct e2e_join_link link = link_to(NO_CHAT, 1);

    carl.device = uuid_of(carl.who.device);
    expect(ask_to_join(fx, &carl, NO_CHAT, NULL, &link), 400, "BAD_REQUEST");
}

static void test_api_join_refused__of_a_device_that_has_not_accepted_is_refused(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
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
    request = request_by(&tablet);
    request.device_id = 2;
    request.list_seq = 2;
    bytes = request_sign(&scene.link, request, tablet.device);
    refused(fx, &scene, &tablet.who, kith_buf_peek(&bytes), 400, "BAD_REQUEST");
    list.accept_count = 2;
    expect(send_made(fx, &tablet.who, &list, tablet.list_hash), 200, NULL);
    refused(fx, &scene, &scene.carl.who, kith_buf_peek(&bytes), 400, "BAD_REQUEST"); /* who signed does not ask */
    refused(fx, &scene, &tablet.who, kith_buf_peek(&bytes), 202, NULL);
    kith_buf_deinit(&bytes);
    /* Made under a list that another has followed: it may have been on its way. */
    refused_signed(fx, &scene, request_by(&scene.carl), &scene.carl.who, 202, NULL);
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

static void test_api_join_refused__needs_the_links_proof_and_the_devices_signature(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    struct e2e_join_link other = link_to(scene.known.chat, 2);
    struct e2e_join_request later = request_by(&scene.carl), good, of_later, of_other;
    const struct person *carl = &scene.carl.who;
    struct kith_buf bytes[3], tried;

    later.made_at_ms++;
    bytes[0] = request_sign(&scene.link, request_by(&scene.carl), scene.carl.device);
    bytes[1] = request_sign(&scene.link, later, scene.carl.device);
    bytes[2] = request_sign(&other, request_by(&scene.carl), scene.carl.device);
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
    tried = request_sign(&scene.link, request_by(&scene.carl), scene.bob.device);
    refused(fx, &scene, carl, kith_buf_peek(&tried), 403, "BAD_SIGNATURE");
    kith_buf_deinit(&tried);
    expect_chat_at(fx, &scene.ann.who, &scene.known, 2, 2);
    tried = signed_as(good.bytes, good.proof, good.signature);
    refused(fx, &scene, carl, kith_buf_peek(&tried), 202, NULL);
    kith_buf_deinit(&tried);
    for (int i = 0; i < 3; i++) kith_buf_deinit(&bytes[i]);
    e2e_group_free(scene.known.group);
}

static void test_api_join_refused__ten_at_once_and_not_one_more(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    struct e2e_join_link other = link_to(scene.known.chat, 2);
    struct reply *reply;

    afx_run_ms(fx, ACCOUNT_JOINS * (uint64_t)ACCOUNT_JOIN_MS);
    for (unsigned i = 0; i < ACCOUNT_JOINS; i++) {
        if (i % 3 == 0)
            expect_asked(ask_to_join(fx, &scene.carl, scene.known.chat, "k", &scene.link),
                         202); /* the same: it is verified */
        else if (i % 3 == 1)
            expect(ask_to_join(fx, &scene.carl, scene.known.chat, NULL, &other), 404, "NOT_FOUND");
        else
            expect(send_join(fx, &scene.carl.who, scene.known.chat, NULL, kith_slice_str("no request")), 400,
                   "BAD_REQUEST");
    }
    reply = expect_kept(ask_to_join(fx, &scene.carl, scene.known.chat, "k", &scene.link), 429, "TOO_MANY");
    assert_string_equal(reply->retry_after, "60");
    assert_true(reply_bool(reply, "retryable"));
    reply_free(reply);
    expect(ask_to_join(fx, &scene.carl, NO_CHAT, NULL, &scene.link), 429, "TOO_MANY");
    expect_asked(ask_to_join(fx, &scene.bob, scene.known.chat, NULL, &scene.link), 200); /* each has as many */
    afx_run_ms(fx, ACCOUNT_JOIN_MS);
    expect_asked(ask_to_join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 202);
    expect(ask_to_join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 429, "TOO_MANY");
    e2e_group_free(scene.known.group);
}

/* ------------------------------------------------------------------------------------------------ the operation */

static void differs(struct afx *fx, const struct join_scene *scene, const struct e2e_group_op *op, const char *tail,
                    const char *method, const char *more)
{
    struct made_op made = op_make(scene->known.group, &scene->ann, *op);

    expect(send_op(fx, method, &scene->ann.who, scene->known.chat, tail, more, kith_buf_peek(&made.bytes),
                   (unsigned)made.after->seq),
           400, "BAD_REQUEST");
    made_op_free(&made);
}

static void test_api_join_refused__a_link_is_an_operation_that_says_the_same(void **state)
{
    uint8_t key[33] = {0}, begins_as_none[32] = {0};
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    struct e2e_join_link next = link_to(scene.known.chat, 2), other = link_to(scene.known.chat, 3);
    struct e2e_group_op op = link_op(&scene.ann, &next), none = link_op(&scene.ann, NULL),
                        info = op_by(&scene.ann, E2E_GROUP_INFO, NULL, 0),
                        settings = op_by(&scene.ann, E2E_GROUP_SETTINGS, NULL, 0), zeros;
    char with[2300], said[2100];

    settings.settings = E2E_GROUP_HISTORY_OPEN;
    e2e_join_key(&other, key);
    begins_as_none[31] = 1;
    (void)snprintf(said, sizeof said, "%s", join_key_member(op.join_key, 32));
    differs(fx, &scene, &op, "", "PATCH", "");
    differs(fx, &scene, &op, "", "PATCH", join_key_member(NULL, 0));
    differs(fx, &scene, &op, "", "PATCH", join_key_member(key, 32));
    differs(fx, &scene, &op, "", "PATCH", "\"history_open\":true,");
    differs(fx, &scene, &none, "", "PATCH", "");
    differs(fx, &scene, &none, "", "PATCH", said);
    differs(fx, &scene, &info, "", "PATCH", said);
    differs(fx, &scene, &info, "", "PATCH", join_key_member(NULL, 0));
    differs(fx, &scene, &settings, "", "PATCH", said);
    differs(fx, &scene, &op, "/leave", "POST", "");
    /* With nothing else, and of this form. */
    (void)snprintf(with, sizeof with, "%s\"history_open\":true,", said);
    differs(fx, &scene, &op, "", "PATCH", with);
    differs(fx, &scene, &settings, "", "PATCH", with);
    (void)snprintf(with, sizeof with, "%s\"name\":null,", said);
    differs(fx, &scene, &op, "", "PATCH", with);
    differs(fx, &scene, &op, "", "PATCH", join_key_member(op.join_key, 31));
    differs(fx, &scene, &op, "", "PATCH", join_key_member(key, 33));
    differs(fx, &scene, &op, "", "PATCH", "\"join_key\":\"\",");
    differs(fx, &scene, &op, "", "PATCH", "\"join_key\":true,");
    differs(fx, &scene, &op, "", "PATCH", "\"join_key\":\"x\",");
    /* The server would take this for none, and the operation says that there is one. */
    zeros = none;
    memcpy(zeros.join_key, begins_as_none, sizeof zeros.join_key);
    differs(fx, &scene, &zeros, "", "PATCH", join_key_member(begins_as_none, 32));
    differs(fx, &scene, &zeros, "", "PATCH", join_key_member(NULL, 0));
    (void)snprintf(with, sizeof with, "{\"join_key\":%s}", base64_text(op.join_key, 32));
    expect(chat_call(fx, "PATCH", &scene.ann.who, scene.known.chat, "", with), 400, "BAD_REQUEST"); /* no operation */
    expect(chat_call(fx, "PATCH", &scene.ann.who, scene.known.chat, "", "{\"join_key\":null}"), 400, "BAD_REQUEST");
    expect_chat_at(fx, &scene.ann.who, &scene.known, 2, 2);
    expect_asked(ask_to_join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 202); /* as it was */
    (void)snprintf(with, sizeof with, "%s\"history_open\":null,", said);
    must_op(fx, &scene.known, &scene.ann, op, "PATCH", "", with); /* null is as if it were absent */
    expect_asked(ask_to_join(fx, &scene.carl, scene.known.chat, NULL, &next), 202);
    hold_link(fx, &scene.known, &scene.ann, NULL);
    hold_link(fx, &scene.known, &scene.ann, NULL); /* again, it is an operation */
    expect_chat_at(fx, &scene.ann.who, &scene.known, 7, 2);
    e2e_group_free(scene.known.group);
}

static void test_api_join_refused__a_link_is_for_admins_to_make(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    struct e2e_join_link next = link_to(scene.known.chat, 2);
    struct e2e_group_op role = op_by(&scene.ann, E2E_GROUP_ROLE, &scene.bob.who, E2E_ROLE_ADMIN);
    const char *of_bob = of_user(MEMBER, &scene.bob.who);
    struct made_op made;
    json_t *event;

    must_op(fx, &scene.known, &scene.ann, role, "PATCH", of_bob, "\"role\":\"admin\",");
    made = op_make(scene.known.group, &scene.bob, link_op(&scene.bob, &next));
    role.role = E2E_ROLE_MEMBER; /* while bob's is on its way */
    must_op(fx, &scene.known, &scene.ann, role, "PATCH", of_bob, "\"role\":\"member\",");
    expect(send_op(fx, "PATCH", &scene.bob.who, scene.known.chat, "", join_key_member(made.after->join_key, 32),
                   kith_buf_peek(&made.bytes), (unsigned)made.after->seq),
           403, "FORBIDDEN");
    made_op_free(&made);
    expect(ask_to_join(fx, &scene.carl, scene.known.chat, NULL, &next), 404, "NOT_FOUND");
    role.role = E2E_ROLE_ADMIN;
    must_op(fx, &scene.known, &scene.ann, role, "PATCH", of_bob, "\"role\":\"admin\",");
    hold_link(fx, &scene.known, &scene.bob, &next);
    expect_asked(ask_to_join(fx, &scene.carl, scene.known.chat, NULL, &next), 202);
    event = event_at(fx, &scene.ann.who, scene.known.chat, 6, "chat");
    assert_int_equal(json_object_size(event), 3);
    assert_string_equal(json_string_value(json_object_get(event, "op")), "join-key");
    assert_int_equal(json_integer_value(json_object_get(event, "group_seq")), scene.known.group->seq);
    json_decref(event);
    /* Of two at once the second is told. */
    made = op_make(scene.known.group, &scene.ann, link_op(&scene.ann, &scene.link));
    hold_link(fx, &scene.known, &scene.bob, NULL);
    expect(send_op(fx, "PATCH", &scene.ann.who, scene.known.chat, "", join_key_member(made.after->join_key, 32),
                   kith_buf_peek(&made.bytes), (unsigned)made.after->seq),
           409, "STALE_GROUP");
    made_op_free(&made);
    expect(ask_to_join(fx, &scene.carl, scene.known.chat, NULL, &scene.link), 404, "NOT_FOUND");
    e2e_group_free(scene.known.group);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_join_refused__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
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
