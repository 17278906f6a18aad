#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tests/e2e/town_group.h"

/* Whom a device answers by itself: the account must have spoken in the chat. All sessions here begin on prekeys of last resort. */

struct scene {
    struct town *town;
    struct town_device *ann, *tablet, *bob; /* the tablet is Ann's */
    struct town_chat chat;
};

static struct scene scene_new(uint64_t seed)
{
    struct scene scene = {.town = town_new(seed)};

    scene.town->has_few_prekeys = true;
    scene.ann = town_join(scene.town);
    scene.tablet = town_link(scene.ann);
    scene.bob = town_join(scene.town);
    scene.chat = town_chat_two(scene.ann, scene.bob);
    return scene;
}

/* Whether opening it says that its sender waits for an answer by itself. */
static bool answers(struct town_device *to, const struct town_mail *mail)
{
    struct e2e_opened opened;
    struct kith_buf plain;

    assert_int_equal(town_open_envelope(to, town_envelope(mail, to), &plain, &opened), KITH_OK);
    kith_buf_wipe(&plain);
    return opened.wants_step;
}

static bool answers_next(const struct scene *scene, struct town_device *from, struct town_device *to)
{
    return answers(to, town_send(from, &scene->chat, "are you there?"));
}

static void test_e2e_account_step__a_stranger_is_not_answered_before_one_has_written(void **state)
{
    struct scene scene = scene_new(1);

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_false(answers_next(&scene, scene.bob, scene.ann));
        town_restart(scene.ann);
    }
    (void)town_send(scene.ann, &scene.chat, "who is this?");
    /* Bob has not read it, and asks on. */
    assert_true(answers_next(&scene, scene.bob, scene.ann));
    town_restart(scene.ann);
    assert_true(answers_next(&scene, scene.bob, scene.ann));
    (void)town_send(scene.ann, &scene.chat, "this is I");
    (void)town_read(scene.bob);
    assert_false(answers_next(&scene, scene.bob, scene.ann)); /* answered */
    town_free(scene.town);
}

/* What was sealed has not been written before the server has it. */
static void test_e2e_account_step__what_has_not_left_is_not_written(void **state)
{
    struct scene scene = scene_new(2);
    uint8_t msg_id[E2E_ID_BYTES] = {1};
    struct e2e_seal seal = town_seal_of(&scene.chat, msg_id, "perhaps", scene.town->now_ms);
    struct kith_buf out;

    (void)state;
    assert_false(answers_next(&scene, scene.bob, scene.ann));
    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(town_seal(scene.ann, &seal, &out), KITH_OK);
    assert_false(answers_next(&scene, scene.bob, scene.ann));
    e2e_account_accepted(scene.ann->account, scene.chat.id, msg_id);
    assert_true(answers_next(&scene, scene.bob, scene.ann));
    kith_buf_deinit(&out);
    town_free(scene.town);
}

/* Another device of the same person counts, also when it is one no more; what the server says of it does not. */
static void test_e2e_account_step__what_another_own_device_wrote_counts(void **state)
{
    struct scene scene = scene_new(3);
    const struct town_mail *mail;

    (void)state;
    assert_false(answers_next(&scene, scene.bob, scene.ann));
    mail = town_send(scene.tablet, &scene.chat, "from the tablet");
    assert_false(answers_next(&scene, scene.bob, scene.ann)); /* it has not come here */
    (void)answers(scene.ann, mail);
    assert_true(answers_next(&scene, scene.bob, scene.ann));
    assert_int_equal(e2e_account_remove_device(scene.ann->account, scene.town->now_ms, scene.tablet->server_device),
                     KITH_OK);
    town_upload(scene.ann);
    town_restart(scene.ann);
    assert_true(answers_next(&scene, scene.bob, scene.ann));
    town_free(scene.town);
}

/* In another chat of the same two nothing is answered yet: it is a chat in which one speaks. */
static void test_e2e_account_step__another_chat_is_another(void **state)
{
    struct scene scene = scene_new(4);
    struct town_chat other = town_chat_two(scene.ann, scene.bob);

    (void)state;
    (void)town_send(scene.ann, &other, "elsewhere");
    assert_false(answers_next(&scene, scene.bob, scene.ann));
    assert_true(answers(scene.ann, town_send(scene.bob, &other, "there, too")));
    town_free(scene.town);
}

/* Who is in a group has been let in. */
static void test_e2e_account_step__in_a_group_everybody_is_answered(void **state)
{
    struct scene scene = scene_new(5);
    struct town_group *group = town_group_create(scene.bob, &scene.ann, 1, NULL);

    (void)state;
    assert_true(answers(scene.ann, town_group_send(scene.bob, group, "are you there?")));
    town_free(scene.town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_step__a_stranger_is_not_answered_before_one_has_written),
        cmocka_unit_test(test_e2e_account_step__what_has_not_left_is_not_written),
        cmocka_unit_test(test_e2e_account_step__what_another_own_device_wrote_counts),
        cmocka_unit_test(test_e2e_account_step__another_chat_is_another),
        cmocka_unit_test(test_e2e_account_step__in_a_group_everybody_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
