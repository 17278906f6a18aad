#include "client_group.h"

/*
 * A list that was fetched and is the one that was known is not fetched again for a while, unless something new says that there
 * is a newer one. What says so time and again for nothing is believed less and less often.
 */
#define SOON_MS 2000

static bool is_for_list(const struct scene *scene, const struct town_person *person)
{
    return scene->has_fetch && asks_list(&scene->fetch, person->id);
}

/* Whatever it asks for, for so long. How often that person's list was. */
static unsigned asks(struct scene *scene, const struct town_person *person, uint64_t ms)
{
    const uint64_t end = scene->now.mono_ms + ms;
    unsigned count = 0;

    while (scene->now.mono_ms < end) {
        count += is_for_list(scene, person);
        if (scene->has_fetch)
            answer_one(scene);
        else
            kith_client_tick(scene->client, scene->now);
        run(scene);
        scene->now.mono_ms += 100;
    }
    return count;
}

static void refuse_saying(struct scene *scene, const char *problem)
{
    char head[200];

    (void)snprintf(head, sizeof head,
                   "MESSAGE\nsubscription:errors\nmessage-id:e1\ndestination:/errors\nclient-id:%s\n"
                   "code:STALE_DEVICES\n\n",
                   scene->frame_id);
    bytes_in(scene, head, kith_slice_str(problem));
}

static void refuse(struct scene *scene)
{
    refuse_saying(scene, "");
}

static void accept(struct scene *scene)
{
    char head[200];

    (void)snprintf(head, sizeof head, "RECEIPT\nreceipt-id:x\nmessage-id:%s\nseq:300\nepoch:1\n\n", scene->frame_id);
    bytes_in(scene, head, (struct kith_slice){0});
    assert_int_equal(kith_client_outbox_count(scene->client), 0);
}

/* Something is written, refused, and written again: the lists of all three were fetched in vain just now. */
static struct scene *scene_in_vain(void)
{
    struct scene *scene = scene_new(true);

    write_one(scene);
    answer(scene);
    assert_int_equal(scene->frames, 1);
    refuse(scene);
    assert_int_equal(asks(scene, scene->ann->person, SOON_MS), 1);
    assert_int_equal(scene->frames, 2);
    return scene;
}

static uint32_t devices_of(const struct scene *scene, const struct town_person *person)
{
    return e2e_account_person(kith_client_account(scene->client), person->id).list->device_count;
}

static void test_client_fetch_lists__a_refusal_asks_again(void **state)
{
    struct scene *scene = scene_in_vain();

    (void)state;
    scene->tablet = town_link(scene->ann);
    refuse(scene);
    assert_int_equal(asks(scene, scene->ann->person, SOON_MS), 1);
    assert_int_equal(devices_of(scene, scene->ann->person), 2);
    scene_free(scene);
}

/* What differs, as the server says it: of these people, its numbers for their lists. Lent until the next call. */
static const char *problem_of(struct town_person *const *people, size_t count, const char *end)
{
    static char text[1024];
    char id[KITH_UUID_TEXT_LEN + 1];
    size_t at = (size_t)snprintf(text, sizeof text,
                                 "{\"code\":\"STALE_DEVICES\",\"missing\":[\"x\"],\"device_lists\":[");

    for (size_t i = 0; i < count; i++) {
        struct kith_uuid uuid;
        memcpy(uuid.raw, people[i]->id, sizeof uuid.raw);
        kith_uuid_format(uuid, id);
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "%s{\"user_id\":\"%s\",\"list_seq\":%llu,\"devices\":[\"y\"]}", i == 0 ? "" : ",", id,
                               (unsigned long long)people[i]->list_seq);
    }
    (void)snprintf(text + at, sizeof text - at, "%s", end);
    return text;
}

/* Of each of the three, how often the list is asked for when the server refuses what was written like this. */
static void asks_after(const char *end, size_t named, const unsigned expected[static 3])
{
    for (size_t of = 0; of < 3; of++) {
        struct scene *scene = scene_new(true);
        /* In no order, and the last is the one who may be left out. */
        struct town_person *people[3] = {scene->bob->person, scene->ann->person, scene->carol->person};

        write_one(scene);
        answer(scene);
        scene->phone = town_link(scene->bob);
        refuse_saying(scene, problem_of(people, named, end));
        assert_int_equal(asks(scene, people[of], SOON_MS), expected[of]);
        assert_int_equal(scene->frames, 2);
        assert_int_equal(devices_of(scene, scene->bob->person), 2);
        scene_free(scene);
    }
}

static void test_client_fetch_lists__only_what_differs_is_asked_for(void **state)
{
    (void)state;
    asks_after("]}", 3, (const unsigned[]){1, 0, 0});
    asks_after("]}", 2, (const unsigned[]){1, 0, 1}); /* of whom nothing is said, anything may be */
    /* What cannot be read says nothing of anybody. */
    asks_after("", 3, (const unsigned[]){1, 1, 1});
    asks_after(",{}]}", 3, (const unsigned[]){1, 1, 1});
    asks_after(",{\"user_id\":\"z\",\"list_seq\":1}]}", 3, (const unsigned[]){1, 1, 1});
    asks_after(",{\"user_id\":\"00000000-0000-4000-8000-000000000000\"}]}", 3, (const unsigned[]){1, 1, 1});
}

/* Of whom nothing is said is nobody any more. Once that is known, it is no news that the server says nothing of them. */
static void test_client_fetch_lists__who_was_deleted_is_asked_for_once(void **state)
{
    (void)state;
    for (size_t of = 0; of < 3; of++) {
        struct scene *scene = scene_new(true);
        struct town_person *people[3] = {scene->bob->person, scene->ann->person, scene->carol->person};

        write_one(scene);
        answer(scene);
        scene->carol->person->is_deleted = true;
        refuse_saying(scene, problem_of(people, 2, "]}"));
        assert_int_equal(asks(scene, people[of], SOON_MS), of == 2 ? 1 : 0);
        assert_int_equal(e2e_account_person(kith_client_account(scene->client), people[2]->id).list_seq, 0);
        assert_int_equal(devices_of(scene, people[2]), 1); /* what was pinned stays */
        scene->now.mono_ms += 60000;
        for (size_t frames = 2; frames < 5; frames++) {
            assert_int_equal(scene->frames, frames);
            refuse_saying(scene, problem_of(people, 2, "]}"));
            assert_int_equal(asks(scene, people[of], SOON_MS), 0);
        }
        refuse_saying(scene, problem_of(people, 3, "]}")); /* there is somebody, after all */
        scene->carol->person->is_deleted = false;
        assert_int_equal(asks(scene, people[of], 60000), of == 2 ? 1 : 0);
        assert_int_equal(e2e_account_person(kith_client_account(scene->client), people[2]->id).list_seq,
                         people[2]->list_seq);
        scene_free(scene);
    }
}

static void test_client_fetch_lists__a_device_that_is_not_known_asks_again(void **state)
{
    struct scene *scene = scene_in_vain();

    (void)state;
    scene->tablet = town_link(scene->ann);
    assert_int_equal(town_group_fetch(scene->tablet, scene->group), KITH_OK);
    message_event(scene, 1, town_group_send(scene->tablet, scene->group, "linked just now"));
    assert_int_equal(scene->shown, 0);
    assert_int_equal(asks(scene, scene->ann->person, SOON_MS), 1);
    assert_int_equal(scene->unreadable, KITH_OK);
    assert_string_equal(scene->last_text, "linked just now");
    scene_free(scene);
}

/* It is opened, and tells of a device that is to be written to. */
static void test_client_fetch_lists__a_message_that_names_a_newer_list_asks_again(void **state)
{
    struct scene *scene = scene_in_vain();

    (void)state;
    accept(scene);
    scene->phone = town_link(scene->bob);
    message_event(scene, 1, town_group_send(scene->bob, scene->group, "I have a phone now"));
    assert_string_equal(scene->last_text, "I have a phone now");
    write_one(scene);
    assert_int_equal(asks(scene, scene->bob->person, SOON_MS), 1);
    assert_int_equal(devices_of(scene, scene->bob->person), 2);
    scene_free(scene);
}

/* What the message says may be newer than the answer that is on its way: that one does not count. */
static void test_client_fetch_lists__an_answer_on_its_way_is_no_answer(void **state)
{
    struct scene *scene = scene_new(true);
    const size_t known = scene->ann->person->list_count;

    (void)state;
    write_one(scene);
    answer(scene);
    refuse(scene);
    while (!is_for_list(scene, scene->ann->person)) {
        assert_true(scene->has_fetch);
        answer_one(scene);
        run(scene);
    }
    scene->tablet = town_link(scene->ann);
    assert_int_equal(town_group_fetch(scene->tablet, scene->group), KITH_OK);
    message_event(scene, 1, town_group_send(scene->tablet, scene->group, "linked just now"));
    assert_true(known < scene->ann->person->list_count);
    scene->has_fetch = false;
    kith_client_fetched(scene->client, scene->now, true); /* nothing new */
    run(scene);
    assert_int_equal(asks(scene, scene->ann->person, SOON_MS), 1);
    assert_string_equal(scene->last_text, "linked just now");
    scene_free(scene);
}

static void test_client_fetch_lists__a_new_connection_that_tells_another_number_asks_again(void **state)
{
    struct scene *scene = scene_in_vain();

    (void)state;
    scene->tablet = town_link(scene->ann);
    kith_client_disconnected(scene->client, scene->now);
    run(scene);
    while (kith_client_connection(scene->client) != KITH_ONLINE) {
        scene->now.mono_ms += 1000;
        kith_client_tick(scene->client, scene->now);
        run(scene);
        bytes_in(scene, "CONNECTED\nversion:1.2\n\n", (struct kith_slice){0});
    }
    assert_int_equal(asks(scene, scene->ann->person, SOON_MS), 1);
    assert_int_equal(devices_of(scene, scene->ann->person), 2);
    scene_free(scene);
}

/* Somebody whom nobody has listed speaks once a second. When that was long ago, an alarm is believed at once. */
static void test_client_fetch_lists__false_alarms_are_believed_less_and_less(void **state)
{
    struct scene *scene = scene_in_vain();
    const struct town_device *nobody = town_device_new(scene->ann->person);
    const uint8_t id[16] = {0, 0, 0, 9, [15] = 1};
    unsigned count = 0;

    (void)state;
    accept(scene);
    for (unsigned s = 0; s < 600; s++) {
        event(scene, s + 1, "type:message\nencrypted:true\ncontent-type:application/vnd.kith.e2ee", nobody, id,
              kith_slice_str("not a ciphertext"));
        count += asks(scene, scene->ann->person, 1000);
    }
    assert_in_range(count, 15, 25);
    (void)asks(scene, scene->ann->person, 60000);
    assert_int_equal(asks(scene, scene->ann->person, 60000), 0);
    write_one(scene);
    refuse(scene);
    assert_int_equal(asks(scene, scene->ann->person, SOON_MS), 1);
    scene->tablet = town_link(scene->ann);
    refuse(scene);
    assert_int_equal(asks(scene, scene->ann->person, SOON_MS), 1);
    assert_int_equal(devices_of(scene, scene->ann->person), 2);
    scene_free(scene);
}

/* Whatever is written it refuses. */
static void test_client_fetch_lists__a_server_that_refuses_always_is_asked_seldom(void **state)
{
    struct scene *scene = scene_in_vain();
    size_t frames = scene->frames - 1;
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < 6000; i++) {
        if (scene->frames > frames) refuse(scene);
        frames = scene->frames;
        count += asks(scene, scene->ann->person, 100);
    }
    assert_in_range(count, 10, 30);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_fetch_lists__a_refusal_asks_again),
        cmocka_unit_test(test_client_fetch_lists__only_what_differs_is_asked_for),
        cmocka_unit_test(test_client_fetch_lists__who_was_deleted_is_asked_for_once),
        cmocka_unit_test(test_client_fetch_lists__a_device_that_is_not_known_asks_again),
        cmocka_unit_test(test_client_fetch_lists__a_message_that_names_a_newer_list_asks_again),
        cmocka_unit_test(test_client_fetch_lists__an_answer_on_its_way_is_no_answer),
        cmocka_unit_test(test_client_fetch_lists__a_new_connection_that_tells_another_number_asks_again),
        cmocka_unit_test(test_client_fetch_lists__false_alarms_are_believed_less_and_less),
        cmocka_unit_test(test_client_fetch_lists__a_server_that_refuses_always_is_asked_seldom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
