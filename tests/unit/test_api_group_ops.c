#include "group_fixture.h"

/*
 * A group's signed operations over REST: verified, made with the group and its changes, read by whoever is or was in it.
 */

/* `good` with another value of one field, signed by this device. */
static struct kith_buf changed(const struct made_op *good, uint16_t tag, struct kith_slice value,
                               struct kith_uuid device)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], signature[E2E_SIGNATURE_BYTES];
    struct e2e_group_op op;
    struct kith_buf bytes, out;

    kith_buf_init(&bytes, E2E_GROUP_SIGNED_BYTES_MAX);
    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_group_op_decode(kith_buf_peek(&good->bytes), &op), KITH_OK);
    tlv_replace(op.bytes, tag, value, &bytes);
    made_device_secret(device, secret);
    assert_int_equal(e2e_sign(secret, E2E_LABEL_GOP, kith_buf_peek(&bytes), signature), KITH_OK);
    fake_field_put(&out, 1, kith_buf_peek(&bytes));
    fake_field_put(&out, 2, kith_slice_of(signature, sizeof signature));
    kith_buf_deinit(&bytes);
    return out;
}

/* Nothing has changed since. */
static void expect_at(struct afx *fx, const struct person *by, const struct known_group *known, size_t members)
{
    struct reply *reply = expect_kept(chat_call(fx, "GET", by, known->chat, "", NULL), 200, NULL);

    assert_int_equal(reply_int(reply, "group_seq"), known->group->seq);
    assert_int_equal(reply_int(reply, "last_seq"), known->group->seq);
    assert_int_equal(json_array_size(reply_at(reply, "members")), members);
    reply_free(reply);
}

/* ------------------------------------------------------------------------------------------------ order, reading */

static void test_api_group_ops__are_made_with_the_group_and_read_in_order(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann"), bob = author_of_name(fx, "bob"), carl = author_of_name(fx, "carl");
    struct known_group known = group_created(fx, &ann, &bob.who);
    const char *chat = known.chat;
    struct reply *reply;

    must_op(fx, &known, &ann, op_by(&ann, E2E_GROUP_ADD, &carl.who, E2E_ROLE_MEMBER), "POST", "/members",
            of_user(USER_ID, &carl.who));
    must_op(fx, &known, &ann, op_by(&ann, E2E_GROUP_INFO, NULL, 0), "PATCH", "", "");
    reply = expect_kept(chat_call(fx, "GET", &ann.who, chat, "", NULL), 200, NULL);
    assert_int_equal(reply_int(reply, "group_seq"), 3);
    reply_free(reply);
    must_op(fx, &known, &ann, op_by(&ann, E2E_GROUP_REMOVE, &bob.who, 0), "DELETE", of_user(MEMBER, &bob.who), "");
    must_op(fx, &known, &ann, op_by(&ann, E2E_GROUP_ROLE, &carl.who, E2E_ROLE_ADMIN), "PATCH",
            of_user(MEMBER, &carl.who), "\"role\":\"admin\",");
    must_op(fx, &known, &carl, op_by(&carl, E2E_GROUP_LEAVE, NULL, 0), "POST", "/leave", "");

    /* Who came later reads what was before, too; who was removed, nothing after. */
    reply = expect_kept(chat_call(fx, "GET", &carl.who, chat, "/operations", NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "operations")), 6);
    assert_int_equal(reply_int(reply, "operations/0/group_seq"), 1);
    assert_int_equal(reply_int(reply, "operations/0/seq"), 1);
    assert_int_equal(reply_int(reply, "operations/5/group_seq"), 6);
    assert_false(reply_bool(reply, "more"));
    reply_free(reply);
    reply = expect_kept(chat_call(fx, "GET", &bob.who, chat, "/operations?after=1", NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "operations")), 3);
    assert_int_equal(reply_int(reply, "operations/2/group_seq"), 4);
    assert_false(reply_bool(reply, "more"));
    reply_free(reply);
    reply = expect_kept(chat_call(fx, "GET", &ann.who, chat, "/operations?after=1&limit=2", NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "operations")), 2);
    assert_true(reply_bool(reply, "more"));
    reply_free(reply);
    reply = expect_kept(chat_call(fx, "GET", &ann.who, chat, "/operations?after=6", NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "operations")), 0);
    reply_free(reply);
    e2e_group_free(known.group);
}

static void test_api_group_ops__the_same_request_again_is_the_same(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    struct made_op made = op_make(NULL, &ann, create_by(&ann, &bob)), next;
    struct e2e_group_op other = create_by(&ann, &bob);
    struct reply *reply = expect_kept(send_create(fx, &ann.who, &bob, "k", "", kith_buf_peek(&made.bytes)), 201, NULL);
    struct reply *again = expect_kept(send_create(fx, &ann.who, &bob, "k", "", kith_buf_peek(&made.bytes)), 200, NULL);
    const char *chat = reply_str(reply, "chat_id");

    assert_string_equal(chat, reply_str(again, "chat_id"));
    reply_free(again);
    other.made_at_ms++;
    next = op_make(NULL, &ann, other); /* another operation is another request */
    expect(send_create(fx, &ann.who, &bob, "k", "", kith_buf_peek(&next.bytes)), 409, "CONFLICT");
    made_op_free(&next);
    next = op_make(made.after, &ann, op_by(&ann, E2E_GROUP_ADD, &carl, E2E_ROLE_MEMBER));
    for (int i = 0; i < 3; i++) {
        fx->headers[0][0] = i < 2 ? "Idempotency-Key" : NULL;
        fx->headers[0][1] = "k2";
        expect(send_op(fx, "POST", &ann.who, chat, "/members", of_user(USER_ID, &carl), kith_buf_peek(&next.bytes), 2),
               i < 2 ? 200 : 409, i < 2 ? NULL : "STALE_GROUP");
    }
    made_op_free(&next);
    made_op_free(&made);
    reply_free(reply);
}

/* ------------------------------------------------------------------------------------------------ refusals */

/* What is tried to be the operation 2: to add carl. */
struct trial {
    struct afx *fx;
    const struct known_group *known;
    const struct person *by, *subject;
};

static void refused(const struct trial *trial, struct kith_slice signed_op, unsigned group_seq, unsigned status,
                    const char *code)
{
    expect(send_op(trial->fx, "POST", trial->by, trial->known->chat, "/members", of_user(USER_ID, trial->subject),
                   signed_op, group_seq),
           status, code);
}

static void refused_changed(const struct trial *trial, const struct made_op *good, uint16_t tag, const void *value,
                            size_t len, struct kith_uuid device, unsigned status, const char *code)
{
    struct kith_buf bytes = changed(good, tag, kith_slice_of(value, len), device);

    refused(trial, kith_buf_peek(&bytes), 2, status, code);
    kith_buf_deinit(&bytes);
}

static void test_api_group_ops__that_are_none_are_refused(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    struct known_group known = group_created(fx, &ann, &bob);
    struct trial trial = {fx, &known, &ann.who, &carl};
    struct made_op good = op_make(known.group, &ann, op_by(&ann, E2E_GROUP_ADD, &carl, E2E_ROLE_MEMBER));
    struct kith_slice bytes = kith_buf_peek(&good.bytes);
    struct kith_buf more;

    refused(&trial, kith_slice_str("nothing"), 2, 400, "BAD_REQUEST");
    refused(&trial, kith_slice_of(bytes.ptr, bytes.len - 1), 2, 400, "BAD_REQUEST");
    refused(&trial, bytes, 3, 400, "BAD_REQUEST"); /* it is the operation 2 */
    kith_buf_init(&more, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(kith_buf_append(&more, bytes), KITH_OK);
    fake_field_put(&more, 0x8000, kith_slice_str("unsigned"));
    refused(&trial, kith_buf_peek(&more), 2, 400, "BAD_REQUEST");
    kith_buf_deinit(&more);
    expect_at(fx, &ann.who, &known, 2);
    expect(send_op(fx, "POST", &ann.who, known.chat, "/members", of_user(USER_ID, &carl), bytes, 2), 200, NULL);
    made_op_free(&good);
    e2e_group_free(known.group);
}

/* All that a stolen access token gives is not enough: nothing of this is signed by the device that it is of. */
static void test_api_group_ops__that_the_asking_device_did_not_sign_are_refused(void **state)
{
    static const uint8_t two_u32[] = {0, 0, 0, 2}, two_u64[] = {0, 0, 0, 0, 0, 0, 0, 2}, other[32] = {1};
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann"), bob = author_of_name(fx, "bob");
    struct person carl = afx_person(fx, "carl"), thief = afx_login(fx, "ann", "a thief's");
    struct known_group known = group_created(fx, &ann, &bob.who);
    struct trial trial = {fx, &known, &ann.who, &carl}, of_thief = {fx, &known, &thief, &carl};
    struct made_op good = op_make(known.group, &ann, op_by(&ann, E2E_GROUP_ADD, &carl, E2E_ROLE_MEMBER));
    struct kith_slice bytes = kith_buf_peek(&good.bytes);
    struct kith_uuid bob_id = uuid_of(bob.who.user);

    refused_changed(&trial, &good, 5, bob_id.raw, 16, ann.device, 403, "BAD_SIGNATURE");
    refused_changed(&trial, &good, 6, two_u32, 4, ann.device, 403, "BAD_SIGNATURE"); /* no device of ann */
    refused_changed(&trial, &good, 7, two_u64, 8, ann.device, 403, "BAD_SIGNATURE"); /* no list that is stored */
    refused_changed(&trial, &good, 8, other, 32, ann.device, 403, "BAD_SIGNATURE");
    refused_changed(&trial, &good, 10, other, 32, bob.device, 403, "BAD_SIGNATURE");
    refused(&of_thief, bytes, 2, 403, "BAD_SIGNATURE");
    good.bytes.ptr[bytes.len - 1] ^= 1;
    refused(&trial, bytes, 2, 403, "BAD_SIGNATURE");
    good.bytes.ptr[bytes.len - 1] ^= 1;
    expect_at(fx, &ann.who, &known, 2);
    refused(&trial, bytes, 2, 200, NULL);
    made_op_free(&good);
    e2e_group_free(known.group);
}

static void refused_info(struct afx *fx, const struct known_group *known, const struct author *by,
                         struct e2e_group_op op)
{
    struct made_op made = op_make(known->group, by, op);

    expect(send_op(fx, "PATCH", &by->who, known->chat, "", "", kith_buf_peek(&made.bytes), (unsigned)made.after->seq),
           403, "BAD_SIGNATURE");
    made_op_free(&made);
}

static void test_api_group_ops__of_a_device_that_has_not_accepted_are_refused(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann"), tablet = ann;
    struct person bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    struct known_group known = group_created(fx, &ann, &bob);
    struct trial of_phone = {fx, &known, &ann.who, &carl}, of_tablet = {fx, &known, &tablet.who, &carl};
    struct kith_uuid devices[2] = {ann.device};
    struct made_list list = {.account = uuid_of(ann.who.user), .seq = 2, .prev_hash = ann.list_hash};
    struct e2e_group_op op;
    struct made_op good;

    tablet.who = afx_login(fx, "ann", "tablet");
    tablet.device = devices[1] = uuid_of(tablet.who.device);
    list.devices = devices;
    list.device_count = 2;
    list.accept_count = 1;
    list.fill = 1;
    expect(send_made(fx, &ann.who, &list, tablet.list_hash), 200, NULL);
    op = op_by(&tablet, E2E_GROUP_ADD, &carl, E2E_ROLE_MEMBER);
    op.list_seq = 2;
    op.author_device = 2;
    good = op_make(known.group, &tablet, op);
    refused(&of_tablet, kith_buf_peek(&good.bytes), 2, 403, "BAD_SIGNATURE");
    list.accept_count = 2;
    expect(send_made(fx, &tablet.who, &list, tablet.list_hash), 200, NULL);
    refused(&of_phone, kith_buf_peek(&good.bytes), 2, 403, "BAD_SIGNATURE"); /* who signed does not ask */
    expect_at(fx, &ann.who, &known, 2);
    refused(&of_tablet, kith_buf_peek(&good.bytes), 2, 200, NULL);
    e2e_group_free(known.group);
    known.group = good.after;
    kith_buf_deinit(&good.bytes);
    /* Whoever has the list pinned that it names compares the hash, and finds the device there, or takes nothing any more. */
    op = op_by(&ann, E2E_GROUP_INFO, NULL, 0);
    op.list_hash[0] ^= 1;
    refused_info(fx, &known, &ann, op);
    op = op_by(&ann, E2E_GROUP_INFO, NULL, 0); /* its list 1 is that of the phone alone */
    op.author_device = 2;
    refused_info(fx, &known, &tablet, op);
    /* Made under a list that another has followed: it may have been on its way. */
    must_op(fx, &known, &ann, op_by(&ann, E2E_GROUP_INFO, NULL, 0), "PATCH", "", "");
    e2e_group_free(known.group);
}

static void test_api_group_ops__of_nobody_with_a_list_are_refused(void **state)
{
    struct afx *fx = *state;
    struct author ann = {.who = afx_person(fx, "ann")};
    struct person bob = afx_person(fx, "bob");
    struct made_op made;

    ann.device = uuid_of(ann.who.device);
    made = op_make(NULL, &ann, create_by(&ann, &bob));
    expect(send_create(fx, &ann.who, &bob, NULL, "", kith_buf_peek(&made.bytes)), 403, "BAD_SIGNATURE");
    made_op_free(&made);
}

static void test_api_group_ops__that_do_not_follow_are_refused(void **state)
{
    static const uint8_t other[32] = {1};
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    struct known_group known = group_created(fx, &ann, &bob);
    struct trial trial = {fx, &known, &ann.who, &carl};
    struct e2e_group_op add = op_by(&ann, E2E_GROUP_ADD, &carl, E2E_ROLE_MEMBER);
    struct made_op good = op_make(known.group, &ann, add),
                   info = op_make(known.group, &ann, op_by(&ann, E2E_GROUP_INFO, NULL, 0));
    struct made_op third = op_make(info.after, &ann, add);

    refused(&trial, kith_buf_peek(&third.bytes), 3, 409, "STALE_GROUP"); /* the one before is not there */
    refused_changed(&trial, &good, 3, other, 32, ann.device, 409, "STALE_GROUP");
    refused_changed(&trial, &good, 1, other, 16, ann.device, 400, "BAD_REQUEST"); /* of another group */
    expect_at(fx, &ann.who, &known, 2);
    refused(&trial, kith_buf_peek(&good.bytes), 2, 200, NULL);
    refused(&trial, kith_buf_peek(&third.bytes), 3, 409, "STALE_GROUP"); /* another one is there */
    made_op_free(&third);
    made_op_free(&info);
    made_op_free(&good);
    e2e_group_free(known.group);
}

/* ------------------------------------------------------------------------------------------------ what they say */

static void differs(struct afx *fx, const struct known_group *known, const struct author *by, struct e2e_group_op op,
                    const char *method, const char *tail, const char *more)
{
    struct made_op made = op_make(known->group, by, op);

    expect(
        send_op(fx, method, &by->who, known->chat, tail, more, kith_buf_peek(&made.bytes), (unsigned)made.after->seq),
        400, "BAD_REQUEST");
    made_op_free(&made);
}

static void test_api_group_ops__say_what_the_call_does(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    struct known_group known = group_created(fx, &ann, &bob);
    struct e2e_group_op add = op_by(&ann, E2E_GROUP_ADD, &carl, E2E_ROLE_ADMIN), settings, info, role, drop, leave;
    const char *of_bob = of_user(MEMBER, &bob), *of_carl = of_user(MEMBER, &carl);

    settings = op_by(&ann, E2E_GROUP_SETTINGS, NULL, 0);
    settings.settings = E2E_GROUP_HISTORY_OPEN;
    info = op_by(&ann, E2E_GROUP_INFO, NULL, 0);
    drop = op_by(&ann, E2E_GROUP_REMOVE, &bob, 0);
    leave = op_by(&ann, E2E_GROUP_LEAVE, NULL, 0);
    role = op_by(&ann, E2E_GROUP_ROLE, &bob, E2E_ROLE_ADMIN);
    differs(fx, &known, &ann, add, "POST", "/members", of_user(USER_ID, &carl)); /* as an admin */
    differs(fx, &known, &ann, add, "POST", "/members", of_user("\"role\":\"admin\"," USER_ID, &bob));
    differs(fx, &known, &ann, drop, "POST", "/members", of_user(USER_ID, &bob));
    differs(fx, &known, &ann, drop, "DELETE", of_carl, "");
    differs(fx, &known, &ann, leave, "DELETE", of_bob, "");
    differs(fx, &known, &ann, role, "PATCH", of_bob, "\"role\":\"owner\",");
    differs(fx, &known, &ann, role, "PATCH", of_carl, "\"role\":\"admin\",");
    differs(fx, &known, &ann, info, "POST", "/leave", "");
    differs(fx, &known, &ann, settings, "PATCH", "", "");
    differs(fx, &known, &ann, settings, "PATCH", "", "\"history_open\":false,");
    differs(fx, &known, &ann, settings, "PATCH", "", "\"history_open\":true,\"name\":\"plain\",");
    differs(fx, &known, &ann, info, "PATCH", "", "\"history_open\":true,");
    differs(fx, &known, &ann, info, "PATCH", "", "\"name\":\"plain\",");
    expect_at(fx, &ann.who, &known, 2);
    must_op(fx, &known, &ann, settings, "PATCH", "", "\"history_open\":true,");
    settings.settings = 0;
    must_op(fx, &known, &ann, settings, "PATCH", "", "\"history_open\":false,");
    must_op(fx, &known, &ann, role, "PATCH", of_bob, "\"role\":\"admin\",");
    must_op(fx, &known, &ann, add, "POST", "/members", of_user("\"role\":\"admin\"," USER_ID, &carl));
    e2e_group_free(known.group);
}

static int author_order(const void *a, const void *b)
{
    return strcmp(((const struct author *)a)->who.user, ((const struct author *)b)->who.user);
}

static void test_api_group_ops__a_create_names_the_members_of_the_chat(void **state)
{
    static const uint8_t newer = E2E_GROUP_SUITE + 1;
    struct afx *fx = *state;
    struct author people[] = {author_of_name(fx, "ann"), author_of_name(fx, "bob"), author_of_name(fx, "carl")}, ann;
    struct person bob, carl;
    struct made_op made, of_carl, open;
    struct e2e_group_op op;
    struct kith_buf of_newer;
    struct kith_slice bytes;
    char both[160], *body;

    qsort(people, 3, sizeof people[0], author_order); /* one more and one less are so at the end */
    ann = people[0];
    bob = people[1].who;
    carl = people[2].who;
    made = op_make(NULL, &ann, create_by(&ann, &bob));
    of_carl = op_make(NULL, &ann, create_by(&ann, &carl));
    of_newer = changed(&made, 14, kith_slice_of(&newer, 1), ann.device);
    bytes = kith_buf_peek(&made.bytes);
    op = create_by(&ann, &bob);
    op.settings = E2E_GROUP_HISTORY_OPEN;
    open = op_make(NULL, &ann, op);
    (void)snprintf(both, sizeof both, "\"type\":\"group\",\"members\":[\"%s\",\"%s\"],", bob.user, carl.user);
    body = op_body(both, bytes, 1);
    expect(afx_ask(fx, "POST", "/chats", ann.who.access, "%s", body), 400, "BAD_REQUEST"); /* one more */
    free(body);
    expect(send_create(fx, &ann.who, &carl, "k", "", bytes), 400, "BAD_REQUEST");
    expect(send_create(fx, &ann.who, &bob, "k", "", kith_buf_peek(&of_carl.bytes)), 400, "BAD_REQUEST");
    expect(send_create(fx, &ann.who, &ann.who, "k", "", bytes), 400, "BAD_REQUEST"); /* one less */
    expect(send_create(fx, &ann.who, &bob, "k", "\"history_open\":true,", bytes), 400, "BAD_REQUEST");
    expect(send_create(fx, &ann.who, &bob, "k", "", kith_buf_peek(&open.bytes)), 400, "BAD_REQUEST");
    expect(send_create(fx, &bob, &ann.who, "k", "", bytes), 400, "BAD_REQUEST"); /* the owner is another */
    expect(send_create(fx, &ann.who, &bob, "k", "", kith_buf_peek(&of_newer)), 400, "NOT_SUPPORTED");
    expect(send_create(fx, &ann.who, &bob, "k2", "\"history_open\":true,", kith_buf_peek(&open.bytes)), 201, NULL);
    kith_buf_deinit(&of_newer);
    made_op_free(&open);
    made_op_free(&of_carl);
    made_op_free(&made);
}

/* Whoever has no newer client could take neither it nor what follows. */
static void test_api_group_ops__of_a_newer_version_is_refused(void **state)
{
    static const uint8_t kind = E2E_GROUP_JOIN_KEY + 1;
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann"), bob = author_of_name(fx, "bob");
    struct known_group known = group_created(fx, &ann, &bob.who);
    struct made_op good = op_make(known.group, &ann, op_by(&ann, E2E_GROUP_INFO, NULL, 0));
    struct kith_buf newer = changed(&good, 4, kith_slice_of(&kind, 1), ann.device);

    expect(send_op(fx, "PATCH", &ann.who, known.chat, "", "", kith_buf_peek(&newer), 2), 400, "NOT_SUPPORTED");
    expect_at(fx, &ann.who, &known, 2);
    expect(send_op(fx, "PATCH", &ann.who, known.chat, "", "", kith_buf_peek(&good.bytes), 2), 200, NULL);
    kith_buf_deinit(&newer);
    made_op_free(&good);
    e2e_group_free(known.group);
}

static void test_api_group_ops__bad_input(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    struct known_group known = group_created(fx, &ann, &bob);
    const char *chat = known.chat, *plain;
    char body[160], members[64];
    struct made_op made;
    static const char *const creates[] = {
        "\"signed_op\":\"bzE=\"",
        "\"group_seq\":1",
        "\"signed_op\":\"bzE=\",\"group_seq\":2",
        "\"signed_op\":\"bzE=\",\"group_seq\":1,\"encrypted\":false",
        "\"signed_op\":\"bz\",\"group_seq\":1",
    };

    for (size_t i = 0; i < sizeof creates / sizeof *creates; i++)
        expect(afx_ask(fx, "POST", "/chats", ann.who.access, "{\"type\":\"group\",\"members\":[\"%s\"],%s}", bob.user,
                       creates[i]),
               400, "BAD_REQUEST");
    (void)snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", carl.user);
    expect(chat_call(fx, "POST", &ann.who, chat, "/members", body), 403,
           "FORBIDDEN"); /* no change without its operation */
    (void)snprintf(body, sizeof body, "{\"user_id\":\"%s\",\"group_seq\":2}", carl.user);
    expect(chat_call(fx, "POST", &ann.who, chat, "/members", body), 400, "BAD_REQUEST");
    (void)snprintf(body, sizeof body, "{\"user_id\":\"%s\",\"signed_op\":\"bzI=\",\"group_seq\":0}", carl.user);
    expect(chat_call(fx, "POST", &ann.who, chat, "/members", body), 400, "BAD_REQUEST");
    expect(chat_call(fx, "GET", &carl, chat, "/operations", NULL), 404, "NOT_FOUND");
    expect(chat_call(fx, "GET", &ann.who, chat, "/operations?limit=0", NULL), 400, "BAD_REQUEST");
    expect(chat_call(fx, "GET", &ann.who, chat, "/operations?limit=201", NULL), 400, "BAD_REQUEST");
    expect(chat_call(fx, "GET", &ann.who, chat, "/operations?after=x", NULL), 400, "BAD_REQUEST");
    (void)snprintf(members, sizeof members, "[\"%s\"]", bob.user);
    plain = afx_chat(fx, &ann.who, "group", false, members); /* has no operation that another could follow */
    (void)snprintf(body, sizeof body, "{\"user_id\":\"%s\",\"signed_op\":\"bzI=\",\"group_seq\":1}", carl.user);
    expect(chat_call(fx, "POST", &ann.who, plain, "/members", body), 400, "BAD_REQUEST");
    plain = afx_chat(fx, &ann.who, "group", true, members);
    made = op_make(known.group, &ann, op_by(&ann, E2E_GROUP_INFO, NULL, 0));
    expect(send_op(fx, "PATCH", &ann.who, plain, "", "", kith_buf_peek(&made.bytes), 2), 409, "STALE_GROUP");
    made_op_free(&made);
    e2e_group_free(known.group);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_group_ops__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(are_made_with_the_group_and_read_in_order),
        TEST(the_same_request_again_is_the_same),
        TEST(that_are_none_are_refused),
        TEST(that_the_asking_device_did_not_sign_are_refused),
        TEST(of_a_device_that_has_not_accepted_are_refused),
        TEST(of_nobody_with_a_list_are_refused),
        TEST(that_do_not_follow_are_refused),
        TEST(say_what_the_call_does),
        TEST(a_create_names_the_members_of_the_chat),
        TEST(of_a_newer_version_is_refused),
        TEST(bad_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
