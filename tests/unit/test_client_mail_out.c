#include "client_pair.h"

/* Mail between two devices, as a client carries it: each for itself, and nobody is shown any. */

struct scene {
    struct pair *pair;
    struct pair_device *ann, *bob;
};

static struct scene scene_new(uint64_t seed)
{
    struct scene scene = {.pair = pair_new(seed)};

    scene.ann = &scene.pair->devices[0];
    scene.bob = &scene.pair->devices[1];
    (void)pair_write(scene.ann, "one");
    pair_run(scene.pair);
    (void)pair_write(scene.bob, "two");
    pair_run(scene.pair);
    return scene;
}

/* From ann to bob's device, or, with another id, to none. */
static void mail_to(struct scene *scene, uint32_t device_id, const char *type, const char *text)
{
    struct outbox_mail mail = {.user = scene->bob->user, .device_id = device_id};

    mail_add(scene->ann->client, &mail, kith_slice_str(type), kith_slice_str(text));
    kith_client_acted(scene->ann->client, scene->pair->now);
}

static uint32_t device_of_bob(const struct scene *scene)
{
    return e2e_account_person(kith_client_account(scene->ann->client), scene->bob->user.id.raw)
        .list->devices[0]
        .device_id;
}

static void mail_one(struct scene *scene)
{
    mail_to(scene, device_of_bob(scene), "application/x-kith-none", "nothing that is known");
}

static size_t mails(const struct scene *scene)
{
    return kith_client_outbox_owed(scene->ann->client);
}

static void test_client_mail_out__it_comes_and_nobody_hears_of_it(void **state)
{
    struct scene scene = scene_new(1);
    struct kith_client_stats stats;
    struct kith_outbox_entry entry;

    (void)state;
    scene.pair->refuse_mail = CODE_MAILBOX_FULL;
    mail_one(&scene);
    pair_run(scene.pair);
    assert_int_equal(mails(&scene), 1);
    assert_int_equal(pair_records(scene.ann, 'O'), 1);
    assert_int_equal(kith_client_outbox_count(scene.ann->client), 0);
    assert_int_equal(kith_client_outbox_at(scene.ann->client, 0, &entry), KITH_E_NOTFOUND);
    scene.pair->refuse_mail = CODE_OK;
    pair_run_for(scene.pair, 2 * CLIENT_BACKOFF_CAP_MS);
    assert_int_equal(mails(&scene) + pair_records(scene.ann, 'O') + pair_records(scene.ann, 'W'), 0);
    kith_client_stats(scene.bob->client, &stats);
    assert_int_equal(stats.mail, 1);
    assert_int_equal(scene.bob->mail_shown + pair_records(scene.bob, 'B') + pair_records(scene.bob, 'Q'), 0);
    assert_int_equal(scene.ann->sent, 1); /* the message of the beginning */
    assert_int_equal(scene.ann->failed, 0);
    pair_free(scene.pair);
}

/* Refused for now it waits, by itself, and is repeated byte for byte (pair_take() looks); for good it is given up, and nobody is told. */
static void test_client_mail_out__what_is_refused_waits_or_goes(void **state)
{
    static const struct {
        enum kith_code code;
        bool waits;
    } rows[] = {
        {CODE_MAILBOX_FULL, true}, {CODE_READ_ONLY, true},  {CODE_UNAVAILABLE, true}, {CODE_UNKNOWN_OUTCOME, true},
        {CODE_TOO_MANY, true},     {CODE_NOT_FOUND, false}, {CODE_TOO_OLD, false},    {CODE_CONFLICT, false},
        {CODE_BAD_REQUEST, false}, {CODE_TOO_BIG, false},   {CODE_BAD_ID, false},     {CODE_STALE_DEVICES, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene scene = scene_new(2);
        struct kith_buf first;
        scene.pair->refuse_mail = rows[i].code;
        mail_one(&scene);
        pair_run(scene.pair);
        assert_true(scene.ann->frames_of_mail >= 1);
        assert_int_equal(mails(&scene), rows[i].waits);
        assert_int_equal(scene.ann->failed, 0);
        (void)pair_write(scene.ann, "goes all the same");
        pair_run_for(scene.pair, 1);
        assert_string_equal(pair_last(scene.bob, 3)->text, "goes all the same");
        assert_int_equal(mails(&scene), rows[i].waits);
        kith_buf_init(&first, 1u << 20);
        assert_int_equal(kith_buf_append(&first, kith_buf_peek(&scene.ann->mail_frame)), KITH_OK);
        pair_start(scene.ann); /* begun anew, with what is kept */
        scene.pair->refuse_mail = CODE_OK;
        pair_run(scene.pair);
        assert_true(kith_slice_eq(kith_buf_peek(&first), kith_buf_peek(&scene.ann->mail_frame)));
        assert_int_equal(mails(&scene), 0);
        assert_int_equal(scene.pair->mail_count, rows[i].waits);
        kith_buf_deinit(&first);
        pair_free(scene.pair);
    }
}

/* The server says when; on another connection it is tried at once, for the server may be another one. */
static void test_client_mail_out__it_waits_as_long_as_the_server_says(void **state)
{
    struct scene scene = scene_new(8);

    (void)state;
    scene.pair->refuse_mail = CODE_MAILBOX_FULL;
    scene.pair->retry_after_ms = 600000;
    mail_one(&scene);
    pair_run_for(scene.pair, 599000);
    assert_int_equal(scene.ann->frames_of_mail, 1);
    pair_run_for(scene.pair, 1000 + CLIENT_BACKOFF_CAP_MS);
    assert_int_equal(scene.ann->frames_of_mail, 2);
    pair_cut(scene.ann);
    kith_client_disconnected(scene.ann->client, scene.pair->now);
    pair_run(scene.pair);
    assert_int_equal(scene.ann->frames_of_mail, 3);
    assert_int_equal(mails(&scene), 1);
    pair_free(scene.pair);
}

/* What waits for a list or for keys holds up neither other mail nor a chat. */
static void test_client_mail_out__what_cannot_be_sealed_holds_up_nothing(void **state)
{
    struct scene scene = scene_new(3);
    struct outbox_mail stranger = {.user.id.raw = {7}, .device_id = 9};

    (void)state;
    scene.ann->fetches_not = true;
    mail_add(scene.ann->client, &stranger, kith_slice_str("application/x-kith-none"), kith_slice_str("to somebody"));
    mail_one(&scene);
    (void)pair_write(scene.ann, "three");
    pair_run(scene.pair);
    assert_int_equal(scene.ann->fetch.kind, KITH_FETCH_LISTS);
    assert_int_equal(scene.ann->fetch.lists[0].user.id.raw[0], 7);
    assert_int_equal(mails(&scene), 1);
    assert_int_equal(scene.pair->mail_count, 1);
    assert_string_equal(pair_last(scene.bob, 3)->text, "three");
    assert_int_equal(kith_client_outbox_count(scene.ann->client), 0);
    pair_free(scene.pair);
}

/* To a device that is none it is not sealed; nobody is told. */
static void test_client_mail_out__to_nobody_it_is_given_up(void **state)
{
    struct scene scene = scene_new(4);

    (void)state;
    mail_to(&scene, device_of_bob(&scene) ^ 1, "application/x-kith-none", "to nobody");
    pair_run(scene.pair);
    assert_int_equal(mails(&scene) + pair_records(scene.ann, 'O'), 0);
    assert_int_equal(scene.ann->frames_of_mail + scene.ann->failed, 0);
    pair_free(scene.pair);
}

/* In the millisecond before it is fourteen days old it is still sent. */
static void test_client_mail_out__what_is_too_old_is_forgotten(void **state)
{
    (void)state;
    for (unsigned is_over = 0; is_over < 2; is_over++) {
        struct scene scene = scene_new(5);
        scene.ann->is_off = true;
        pair_start(scene.ann);
        mail_one(&scene);
        pair_run_for(scene.pair, 1);
        pair_stop(scene.ann);
        scene.ann->is_off = false;
        scene.pair->now.wall_ms += E2E_LOST_MS - 2 + is_over;
        pair_start(scene.ann);
        pair_run_for(scene.pair, 0);
        assert_int_equal(mails(&scene) + pair_records(scene.ann, 'O'), 0);
        assert_int_equal(scene.ann->frames_of_mail, 1 - is_over);
        pair_free(scene.pair);
    }
}

/* Killed anywhere, it is sent, once for who takes it, and nothing of it is left. */
static void test_client_mail_out__i_e6_a_crash_before_any_effect_changes_nothing(void **state)
{
    bool is_over = false;

    (void)state;
    for (size_t at = 0; !is_over; at++) {
        struct scene scene = scene_new(6);
        struct kith_client_stats stats;
        scene.ann->crash_at = scene.ann->effects + at;
        mail_one(&scene);
        pair_run_for(scene.pair, 100000);
        is_over = !scene.ann->is_crashed;
        assert_int_equal(mails(&scene) + pair_records(scene.ann, 'O'), 0);
        assert_true(scene.pair->mail_count == 1 || at == 0); /* not even written down */
        kith_client_stats(scene.bob->client, &stats);
        assert_int_equal(stats.mail, scene.pair->mail_count);
        pair_free(scene.pair);
        assert_true(at < 100);
    }
}

/* ------------------------------------------------------------------------------------------------ in */
/* An item of bob's mailbox, of a device whose list he has not: it waits for that. */
static void unknown_mail(struct scene *scene, uint64_t seq)
{
    struct kith_message item = {.seq = seq,
                                .encrypted = true,
                                .has_body = true,
                                .sender.id.raw = {9},
                                .device.id.raw = {9, 9},
                                .type = kith_slice_str("mail"),
                                .body = kith_slice_str("who knows")};

    item.id.id.raw[0] = (uint8_t)seq;
    mail_event(scene->bob->client, &item);
}

/* Kept until it can be opened, over a restart too; so many and no more; and nobody is shown what does not open. */
static void test_client_mail_out__what_cannot_be_opened_yet_is_kept(void **state)
{
    struct scene scene = scene_new(7);

    (void)state;
    scene.bob->fetches_not = true;
    for (uint64_t seq = 1; seq <= CLIENT_MAILS_HELD_MAX; seq++) unknown_mail(&scene, seq);
    pair_run(scene.pair);
    assert_int_equal(pair_records(scene.bob, 'Q'), CLIENT_MAILS_HELD_MAX);
    unknown_mail(&scene, CLIENT_MAILS_HELD_MAX + 1);
    pair_run(scene.pair);
    assert_int_equal(pair_records(scene.bob, 'Q'), CLIENT_MAILS_HELD_MAX);
    assert_false(kith_client_is_settled(scene.bob->client));
    pair_start(scene.bob);
    pair_run(scene.pair);
    assert_int_equal(pair_records(scene.bob, 'Q'), CLIENT_MAILS_HELD_MAX);
    (void)pair_write(scene.ann, "three");
    pair_run(scene.pair);
    assert_string_equal(pair_last(scene.bob, 3)->text, "three");
    scene.bob->fetches_not = false; /* there is nobody of that id */
    pair_run_for(scene.pair, 120000);
    assert_int_equal(pair_records(scene.bob, 'Q') + scene.bob->mail_shown, 0);
    assert_true(kith_client_is_settled(scene.bob->client));
    pair_free(scene.pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_mail_out__it_comes_and_nobody_hears_of_it),
        cmocka_unit_test(test_client_mail_out__what_is_refused_waits_or_goes),
        cmocka_unit_test(test_client_mail_out__it_waits_as_long_as_the_server_says),
        cmocka_unit_test(test_client_mail_out__what_cannot_be_sealed_holds_up_nothing),
        cmocka_unit_test(test_client_mail_out__to_nobody_it_is_given_up),
        cmocka_unit_test(test_client_mail_out__what_is_too_old_is_forgotten),
        cmocka_unit_test(test_client_mail_out__i_e6_a_crash_before_any_effect_changes_nothing),
        cmocka_unit_test(test_client_mail_out__what_cannot_be_opened_yet_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
