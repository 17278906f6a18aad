#include "join_fixture.h"

/*
 * What the state of a group does not allow, though the asking device has signed it: no reader takes it, so neither does the server,
 * and the group goes on. Also when the server knows of the group no more than what it has stored.
 */

/* The next one, as a client signs it that keeps to no rule. */
static struct kith_buf forged(const struct known_group *known, const struct author *by, struct e2e_group_op op)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES];
    struct kith_buf out;

    op.seq = known->group->seq + 1;
    memcpy(op.group_id, known->group->group_id, sizeof op.group_id);
    memcpy(op.prev_hash, known->group->heads[0], sizeof op.prev_hash);
    made_device_secret(by->device, secret);
    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_group_op_sign(&op, secret, &out), KITH_OK);
    return out;
}

static struct reply *try(struct afx *fx, const struct known_group *known, const struct author *by,
                         struct e2e_group_op op, const char *method, const char *tail, const char *more)
{
    struct kith_buf bytes = forged(known, by, op);
    struct reply *reply = send_op(fx, method, &by->who, known->chat, tail, more, kith_buf_peek(&bytes),
                                  (unsigned)known->group->seq + 1);

    kith_buf_deinit(&bytes);
    return reply;
}

/* It leads to no state that its state_hash (zeros) could be of. */
static void wrong_hash(struct afx *fx, const struct known_group *known, const struct author *by, struct e2e_group_op op,
                       const char *method, const char *tail, const char *more)
{
    struct reply *reply = expect_kept(try(fx, known, by, op, method, tail, more), 400, "BAD_REQUEST");

    assert_string_equal(reply_str(reply, "pointer"), "/signed_op");
    assert_non_null(strstr(reply_str(reply, "detail"), "state_hash"));
    reply_free(reply);
}

static void forbidden(struct afx *fx, const struct known_group *known, const struct author *by, struct e2e_group_op op,
                      const char *method, const char *tail, const char *more)
{
    struct reply *reply = expect_kept(try(fx, known, by, op, method, tail, more), 403, "FORBIDDEN");

    assert_string_equal(reply_str(reply, "pointer"), "/signed_op");
    reply_free(reply);
}

static void crash(struct afx *fx)
{
    afx_crash(fx);
    afx_open(fx);
}

static void test_api_group_state__is_the_one_that_its_operations_name(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann"), bob = author_of_name(fx, "bob");
    struct person carl = afx_person(fx, "carl");
    struct known_group known = group_created(fx, &ann, &bob.who);
    struct e2e_group_op add = op_by(&ann, E2E_GROUP_ADD, &carl, E2E_ROLE_MEMBER);
    struct e2e_group_op info = op_by(&ann, E2E_GROUP_INFO, NULL, 0), leave = op_by(&bob, E2E_GROUP_LEAVE, NULL, 0);

    for (int i = 0; i < 3; i++) {
        wrong_hash(fx, &known, &ann, add, "POST", "/members", of_user(USER_ID, &carl));
        wrong_hash(fx, &known, &ann, info, "PATCH", "", "");
        wrong_hash(fx, &known, &bob, leave, "POST", "/leave", ""); /* who has no other right has this one */
        expect_chat_at(fx, &ann.who, &known, (json_int_t)known.group->seq, 2);
        if (i == 1) crash(fx);
        must_op(fx, &known, &ann, info, "PATCH", "", "");
        if (i == 0) crash(fx);
    }
    must_op(fx, &known, &ann, add, "POST", "/members", of_user(USER_ID, &carl));
    must_op(fx, &known, &bob, leave, "POST", "/leave", "");
    e2e_group_free(known.group);
}

static void test_api_group_state__is_named_by_the_first_one_too(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob");
    struct e2e_group_op op = create_by(&ann, &bob);
    uint8_t secret[E2E_SIGN_SECRET_BYTES];
    struct made_op good = op_make(NULL, &ann, op);
    struct kith_buf wrong;
    struct reply *reply;

    op.seq = 1;
    op.state_hash[0] = 1;
    made_device_secret(ann.device, secret);
    kith_buf_init(&wrong, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_group_op_sign(&op, secret, &wrong), KITH_OK);
    reply = expect_kept(send_create(fx, &ann.who, &bob, "k", "", kith_buf_peek(&wrong)), 400, "BAD_REQUEST");
    assert_non_null(strstr(reply_str(reply, "detail"), "state_hash"));
    reply_free(reply);
    expect(send_create(fx, &ann.who, &bob, "k", "", kith_buf_peek(&good.bytes)), 201, NULL);
    kith_buf_deinit(&wrong);
    made_op_free(&good);
}

static void test_api_group_state__says_who_may_do_what(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann"), bob = author_of_name(fx, "bob"), carl = author_of_name(fx, "carl");
    struct person dora = afx_person(fx, "dora");
    struct known_group known = group_created(fx, &ann, &bob.who);

    must_op(fx, &known, &ann, op_by(&ann, E2E_GROUP_ADD, &carl.who, E2E_ROLE_ADMIN), "POST", "/members",
            of_user("\"role\":\"admin\"," USER_ID, &carl.who));
    for (int i = 0; i < 2; i++) {
        forbidden(fx, &known, &bob, op_by(&bob, E2E_GROUP_ADD, &dora, E2E_ROLE_MEMBER), "POST", "/members",
                  of_user(USER_ID, &dora));
        forbidden(fx, &known, &bob, op_by(&bob, E2E_GROUP_INFO, NULL, 0), "PATCH", "", "");
        forbidden(fx, &known, &carl, op_by(&carl, E2E_GROUP_REMOVE, &ann.who, 0), "DELETE", of_user(MEMBER, &ann.who),
                  "");
        forbidden(fx, &known, &carl, op_by(&carl, E2E_GROUP_ROLE, &bob.who, E2E_ROLE_ADMIN), "PATCH",
                  of_user(MEMBER, &bob.who), "\"role\":\"admin\",");
        forbidden(fx, &known, &ann, op_by(&ann, E2E_GROUP_ADD, &bob.who, E2E_ROLE_MEMBER), "POST", "/members",
                  of_user(USER_ID, &bob.who));
        forbidden(fx, &known, &ann, op_by(&ann, E2E_GROUP_REMOVE, &dora, 0), "DELETE", of_user(MEMBER, &dora), "");
        forbidden(fx, &known, &ann, op_by(&ann, E2E_GROUP_ROLE, &ann.who, E2E_ROLE_MEMBER), "PATCH",
                  of_user(MEMBER, &ann.who), "\"role\":\"member\",");
        expect_chat_at(fx, &ann.who, &known, 2, 3);
        if (i == 0) crash(fx);
    }
    must_op(fx, &known, &carl, op_by(&carl, E2E_GROUP_ADD, &dora, E2E_ROLE_MEMBER), "POST", "/members",
            of_user(USER_ID, &dora));
    e2e_group_free(known.group);
}

/* The server's own roles allow it: who inherits from a deleted account is for the group nobody's decision but its members'. */
static void test_api_group_state__knows_no_owner_whom_nobody_signed(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann"), bob = author_of_name(fx, "bob"), carl = author_of_name(fx, "carl");
    struct person dora = afx_person(fx, "dora");
    struct known_group known = group_created(fx, &ann, &bob.who);
    struct reply *reply;

    must_op(fx, &known, &ann, op_by(&ann, E2E_GROUP_ADD, &carl.who, E2E_ROLE_ADMIN), "POST", "/members",
            of_user("\"role\":\"admin\"," USER_ID, &carl.who));
    expect(afx_ask(fx, "DELETE", "/users/me", ann.who.access, NULL), 204, NULL);
    reply = expect_kept(chat_call(fx, "GET", &carl.who, known.chat, "", NULL), 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "members")), 2);
    reply_free(reply);
    forbidden(fx, &known, &carl, op_by(&carl, E2E_GROUP_ROLE, &bob.who, E2E_ROLE_ADMIN), "PATCH",
              of_user(MEMBER, &bob.who), "\"role\":\"admin\",");
    must_op(fx, &known, &carl, op_by(&carl, E2E_GROUP_ADD, &dora, E2E_ROLE_MEMBER), "POST", "/members",
            of_user(USER_ID, &dora));
    e2e_group_free(known.group);
}

/* Of a link the server knows how its key begins. The group knows the key. */
static void test_api_group_state__lets_nobody_in_by_another_link(void **state)
{
    struct afx *fx = *state;
    struct join_scene scene = join_scene_of(fx);
    struct e2e_join_link another = link_to(scene.known.chat, 2);
    struct kith_buf good = request_sign(&scene.link, request_by(&scene.carl), scene.carl.device);
    struct kith_buf bad = request_sign(&another, request_by(&scene.carl), scene.carl.device);
    struct e2e_group_op add = op_by(&scene.ann, E2E_GROUP_ADD, &scene.carl.who, E2E_ROLE_MEMBER);
    const char *carl_id = of_user(USER_ID, &scene.carl.who);

    add.request = kith_buf_peek(&bad);
    forbidden(fx, &scene.known, &scene.ann, add, "POST", "/members", carl_id);
    crash(fx);
    forbidden(fx, &scene.known, &scene.ann, add, "POST", "/members", carl_id);
    add.request = kith_buf_peek(&good);
    must_op(fx, &scene.known, &scene.ann, add, "POST", "/members", carl_id);
    kith_buf_deinit(&good);
    kith_buf_deinit(&bad);
    e2e_group_free(scene.known.group);
}

/* Two that the same state allows: the core takes one. */
static void test_api_group_state__of_two_at_once_one_is_taken(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann"), bob = author_of_name(fx, "bob");
    struct known_group known = group_created(fx, &ann, &bob.who);
    const struct author *both[] = {&ann, &bob};
    struct reply *replies[2];
    struct made_op made[2];
    char target[100], *body;
    unsigned taken = 0;

    must_op(fx, &known, &ann, op_by(&ann, E2E_GROUP_ROLE, &bob.who, E2E_ROLE_ADMIN), "PATCH", of_user(MEMBER, &bob.who),
            "\"role\":\"admin\",");
    (void)snprintf(target, sizeof target, "/chats/%s", known.chat);
    for (int i = 0; i < 2; i++) {
        made[i] = op_make(known.group, both[i], op_by(both[i], E2E_GROUP_INFO, NULL, 0));
        body = op_body("", kith_buf_peek(&made[i].bytes), 3);
        replies[i] = afx_start(fx, "PATCH", target, both[i]->who.access, body);
        free(body);
    }
    for (int i = 0; i < 2; i++) {
        reply_wait(replies[i]);
        if (replies[i]->status == 200) {
            taken++;
            e2e_group_free(known.group);
            known.group = made[i].after;
            made[i].after = NULL;
            reply_free(replies[i]);
        } else {
            expect(replies[i], 409, "STALE_GROUP");
        }
        made_op_free(&made[i]);
    }
    assert_int_equal(taken, 1);
    must_op(fx, &known, &bob, op_by(&bob, E2E_GROUP_INFO, NULL, 0), "PATCH", "", "");
    e2e_group_free(known.group);
}

/* Also when others came behind it, and when nothing of the group is known any more. */
static void test_api_group_state__the_same_request_again_has_the_same_answer(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob"), carl = afx_person(fx, "carl");
    struct known_group known = group_created(fx, &ann, &bob);
    struct made_op add = op_make(known.group, &ann, op_by(&ann, E2E_GROUP_ADD, &carl, E2E_ROLE_MEMBER));
    struct reply *reply;

    for (int i = 0; i < 5; i++) {
        fx->headers[0][0] = "Idempotency-Key";
        fx->headers[0][1] = "k";
        reply = expect_kept(send_op(fx, "POST", &ann.who, known.chat, "/members", of_user(USER_ID, &carl),
                                    kith_buf_peek(&add.bytes), 2),
                            200, NULL);
        fx->headers[0][0] = NULL;
        assert_int_equal(reply_int(reply, "seq"), 2);
        reply_free(reply);
        if (i == 0) {
            e2e_group_free(known.group);
            known.group = add.after;
            add.after = NULL;
        }
        if (i == 1 || i == 3) crash(fx);
        if (i == 2) must_op(fx, &known, &ann, op_by(&ann, E2E_GROUP_INFO, NULL, 0), "PATCH", "", "");
    }
    must_op(fx, &known, &ann, op_by(&ann, E2E_GROUP_INFO, NULL, 0), "PATCH", "", "");
    made_op_free(&add);
    e2e_group_free(known.group);
}

/* In the middle of what is asked, wherever that is: nothing is lost (memory), and the group goes on. */
static void test_api_group_state__a_crash_while_it_is_read(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob");
    struct known_group known = group_created(fx, &ann, &bob);
    struct e2e_group_op info = op_by(&ann, E2E_GROUP_INFO, NULL, 0);
    struct kith_buf wrong; /* so it comes to all but the core */
    char target[100], *body;
    bool is_over = false;

    for (int i = 0; i < 3; i++) must_op(fx, &known, &ann, info, "PATCH", "", "");
    (void)snprintf(target, sizeof target, "/chats/%s", known.chat);
    wrong = forged(&known, &ann, info);
    body = op_body("", kith_buf_peek(&wrong), 5);
    crash(fx);
    for (unsigned steps = 1; !is_over; steps++) {
        struct reply *reply = afx_start(fx, "PATCH", target, ann.who.access, body);

        for (unsigned i = 0; i < steps && !reply->done; i++) assert_true(sim_world_step(fx->world));
        is_over = reply->done;
        if (is_over)
            assert_int_equal(reply->status, 400);
        else
            reply_abort(reply);
        reply_free(reply);
        assert_true(steps < 1000);
        afx_kill(fx); /* from then on nothing is known */
        afx_open(fx);
    }
    must_op(fx, &known, &ann, info, "PATCH", "", "");
    kith_buf_deinit(&wrong);
    free(body);
    e2e_group_free(known.group);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_group_state__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(is_the_one_that_its_operations_name),
        TEST(is_named_by_the_first_one_too),
        TEST(says_who_may_do_what),
        TEST(knows_no_owner_whom_nobody_signed),
        TEST(lets_nobody_in_by_another_link),
        TEST(of_two_at_once_one_is_taken),
        TEST(the_same_request_again_has_the_same_answer),
        TEST(a_crash_while_it_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
