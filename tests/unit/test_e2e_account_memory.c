#include "e2e_account_failures.h"

/* What an account does, with each allocation failing once. Left out where the heap cannot be made to fail. */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

/* ---------------------------------------------------------------------------------------------- the town */
static struct town *town;
static struct town_device *ann, *tablet, *bob, *carol;
static struct town_device *empty; /* has no keys */
static struct town_chat two;      /* Ann's and Bob's */

static void make_town(bool has_few_prekeys)
{
    town = town_new(1);
    town->has_few_prekeys = has_few_prekeys;
    ann = town_join(town);
    tablet = town_link(ann);
    bob = town_join(town);
    carol = town_join(town);
    empty = town_device_new(ann->person);
    two = town_chat_two(ann, bob);
    kith_prng_seed(&prng, 2);
}

static struct kith_slice newest_list(const struct town_device *of)
{
    return kith_buf_peek(&of->person->lists[of->person->list_count - 1]);
}

/* ---------------------------------------------------------------------------------------------- keys and lists */
static kith_err new_work(struct kith_buf *out)
{
    struct e2e_account *made = account_new(empty);

    (void)out;
    e2e_account_free(made);
    return made == NULL ? KITH_E_NOMEM : KITH_OK;
}

static kith_err load_work(struct kith_buf *out)
{
    struct e2e_account *made = account_new(ann);
    kith_err err = made == NULL ? KITH_E_NOMEM : load_all(made, ann);

    (void)out;
    e2e_account_free(made);
    return err;
}

static kith_err found_work(struct kith_buf *out)
{
    (void)out;
    return e2e_account_found(account, town->now_ms);
}

static kith_err first_list_work(struct kith_buf *out)
{
    (void)out;
    return e2e_account_list(account, town->now_ms, carol->person->id, 1, newest_list(carol));
}

static kith_err next_list_work(struct kith_buf *out)
{
    (void)out;
    return e2e_account_list(account, town->now_ms, ann->person->id, ann->person->list_seq, newest_list(ann));
}

static kith_err remove_work(struct kith_buf *out)
{
    (void)out;
    return e2e_account_remove_device(account, town->now_ms, tablet->server_device);
}

/* What cannot be made now is made the next time. */
static kith_err upload_work(struct kith_buf *out)
{
    static struct e2e_upload upload;

    (void)out;
    e2e_account_prekeys_left(account, town->now_ms,
                             &(struct e2e_prekeys_left){.spk_id = 1, .kem_lr_id = 1}); /* not ours */
    (void)e2e_account_upload(account, town->now_ms, &upload);
    return KITH_OK;
}

static void test_e2e_account_memory__keys_and_lists(void **state)
{
    (void)state;
    make_town(true);
    (void)town_send(ann, &two, "hello");
    assert_true(each_failure(empty, new_work) >= 1);
    assert_true(each_failure(empty, load_work) >= 5);
    assert_true(each_failure(empty, found_work) >= 5);
    assert_true(each_failure_but(ann, first_list_work, MAY_SAY_FULL) >= 3);
    assert_true(each_failure(ann, remove_work) >= 3);
    assert_int_equal(e2e_account_remove_device(ann->account, town->now_ms, tablet->server_device), KITH_OK);
    town_upload(ann);
    assert_true(each_failure(tablet, next_list_work) >= 3);
    town->now_ms += 8 * TOWN_DAY_MS; /* then the list and the prekeys are renewed */
    assert_true(each_failure_but(ann, upload_work, MAY_GO_ON) >= 5);
    town_free(town);
}

/* ---------------------------------------------------------------------------------------------- linking */
static struct kith_buf request, answer;

static kith_err link_request_work(struct kith_buf *out)
{
    return e2e_account_link_request(account, town->now_ms, out);
}

static kith_err link_approve_work(struct kith_buf *out)
{
    return e2e_account_link_approve(account, town->now_ms, kith_buf_peek(&request), out);
}

static kith_err link_accept_work(struct kith_buf *out)
{
    (void)out;
    return e2e_account_link_accept(account, town->now_ms, kith_buf_peek(&answer));
}

static void test_e2e_account_memory__linking(void **state)
{
    (void)state;
    make_town(true);
    kith_buf_init(&request, E2E_LINK_BYTES_MAX);
    kith_buf_init(&answer, E2E_LINK_BYTES_MAX);
    assert_true(each_failure(empty, link_request_work) >= 2);
    assert_int_equal(e2e_account_link_request(empty->account, town->now_ms, &request), KITH_OK);
    assert_true(each_failure_but(ann, link_approve_work, MAY_KEEP) >= 5);
    assert_int_equal(e2e_account_link_approve(ann->account, town->now_ms, kith_buf_peek(&request), &answer), KITH_OK);
    assert_true(each_failure(empty, link_accept_work) >= 5);
    kith_buf_wipe(&request);
    kith_buf_wipe(&answer);
    town_free(town);
}

/* ---------------------------------------------------------------------------------------------- messages */
static const struct town_chat *sealed_in;
static struct e2e_envelope envelope;

static kith_err seal_work(struct kith_buf *out)
{
    static const uint8_t msg_id[E2E_ID_BYTES] = {1};
    const struct e2e_seal seal = town_seal_of(sealed_in, msg_id, "hello", town->now_ms);

    return e2e_account_seal(account, town->now_ms, &seal, &wants, out);
}

static kith_err open_work(struct kith_buf *out)
{
    struct e2e_opened opened;

    return e2e_account_open(account, town->now_ms, &envelope, &wants, out, &opened);
}

static kith_err bundle_work(struct kith_buf *out)
{
    struct e2e_claimed claimed = {
        .spk = kith_buf_peek(&carol->spk), .kem = kith_buf_peek(&carol->kem_lr), .kem_is_last = true};

    (void)out;
    memcpy(claimed.account_id, carol->person->id, sizeof claimed.account_id);
    memcpy(claimed.server_device, carol->server_device, sizeof claimed.server_device);
    return e2e_account_bundle(account, town->now_ms, &claimed);
}

static void test_e2e_account_memory__messages(void **state)
{
    (void)state;
    for (int has_few_prekeys = 0; has_few_prekeys < 2; has_few_prekeys++) {
        make_town(has_few_prekeys != 0);
        assert_int_equal(town_fetch_list(ann, carol->person), KITH_OK);
        assert_int_equal(town_fetch_list(bob, ann->person), KITH_OK);
        assert_true(each_failure(ann, bundle_work) >= 2);
        envelope = town_envelope(town_send(ann, &two, "first"), bob);
        assert_true(each_failure_but(bob, open_work, MAY_GO_ON) >= 3);
        assert_int_equal(town_read(bob), 1);
        (void)town_send(bob, &two, "back"); /* to the tablet, too: each has a session now */
        sealed_in = &two;
        assert_true(each_failure_but(bob, seal_work, MAY_KEEP) >= 5);
        assert_int_equal(town_read(ann), 1);
        envelope = town_envelope(town_send(ann, &two, "on"), bob);
        assert_true(each_failure_but(bob, open_work, MAY_GO_ON) >= 2);
        town->now_ms += 8 * TOWN_DAY_MS;
        town_upload(bob);
        town->now_ms += 23 * TOWN_DAY_MS; /* then those before are forgotten, with what the last one was used for */
        assert_true(each_failure_but(bob, upload_work, MAY_GO_ON) >= 5);
        town_free(town);
    }
}

/* ---------------------------------------------------------------------------------------------- groups */
static struct town_group *group;
static struct kith_buf keys;

static kith_err create_work(struct kith_buf *out)
{
    uint8_t others[2][E2E_ACCOUNT_ID_BYTES];
    const struct e2e_group_change change = {
        .kind = E2E_GROUP_CREATE, .others = others, .other_count = 2, .info.name = kith_slice_str("ours")};
    uint64_t seq = 0;

    memcpy(others[0], bob->person->id, sizeof others[0]);
    memcpy(others[1], carol->person->id, sizeof others[1]);
    return e2e_account_group_make(account, town->now_ms, NULL, &change, out, &seq);
}

static kith_err op_work(struct kith_buf *out)
{
    (void)out;
    return e2e_account_group_op(account, group->chat_id, kith_buf_peek(&group->ops[0]), 1, true, &wants);
}

static kith_err group_seal_work(struct kith_buf *out)
{
    static const uint8_t msg_id[E2E_ID_BYTES] = {1};
    const struct town_chat chat = town_group_chat(ann, group);
    const struct e2e_seal seal = town_seal_of(&chat, msg_id, "hello", town->now_ms);

    return e2e_account_seal(account, town->now_ms, &seal, &wants, out);
}

static kith_err keys_work(struct kith_buf *out)
{
    return e2e_account_group_keys(account, group->chat_id, out);
}

static kith_err keys_take_work(struct kith_buf *out)
{
    const struct e2e_opened opened = {.payload = {.device_id = 1, .body = kith_buf_peek(&keys)}};

    (void)out;
    return e2e_account_group_keys_take(account, group->chat_id, &opened);
}

static kith_err info_work(struct kith_buf *out)
{
    struct e2e_group_info info;

    return e2e_account_group_info(account, group->chat_id, out, &info);
}

static void test_e2e_account_memory__groups(void **state)
{
    (void)state;
    make_town(true);
    assert_true(each_failure(ann, create_work) >= 5);
    group = town_group_create(ann, (struct town_device *[]){bob}, 1, "ours");
    (void)town_group_send(ann, group, "hello"); /* so that there are sessions */
    assert_int_equal(town_fetch_list(carol, ann->person), KITH_OK);
    assert_int_equal(town_fetch_list(bob, ann->person), KITH_OK);
    assert_true(each_failure(bob, op_work) >= 3);
    assert_true(each_failure_but(ann, group_seal_work, MAY_KEEP) >= 5);
    assert_true(each_failure(ann, keys_work) >= 2);
    assert_true(each_failure(ann, info_work) >= 1);
    kith_buf_init(&keys, E2E_PAYLOAD_BYTES_MAX);
    assert_int_equal(e2e_account_group_keys(ann->account, group->chat_id, &keys), KITH_OK);
    assert_int_equal(town_group_fetch(bob, group), KITH_OK);
    assert_true(each_failure(bob, keys_take_work) >= 1);
    kith_buf_wipe(&keys);
    town_free(town);
}

/* ---------------------------------------------------------------------------------------------- large groups */
static kith_err gift_work(struct kith_buf *out)
{
    static const uint8_t msg_id[E2E_ID_BYTES] = {2};
    const struct town_chat chat = town_group_chat(ann, group);
    struct e2e_seal seal = town_seal_of(&chat, msg_id, "", town->now_ms);
    kith_err err;

    seal.content_type = kith_slice_str(E2E_GROUP_KEYS_TYPE);
    err = e2e_account_seal(account, town->now_ms, &seal, &wants, out);
    if (err == KITH_OK) e2e_account_accepted(account, chat.id, msg_id);
    return err;
}

static kith_err gift_open_work(struct kith_buf *out)
{
    struct e2e_opened opened;
    kith_err err = e2e_account_open(account, town->now_ms, &envelope, &wants, out, &opened);

    if (err == KITH_OK) err = e2e_account_group_keys_take(account, group->chat_id, &opened);
    if (err != KITH_OK) kith_buf_wipe(out);
    return err;
}

/* As Ann has it whose gift is sealed, and not yet accepted. */
static void make_gift(struct town_mail *mail)
{
    const struct town_chat chat = town_group_chat(ann, group);
    struct e2e_seal seal;

    *mail = (struct town_mail){.from = ann, .is_keys = true};
    memcpy(mail->thread_id, group->chat_id, sizeof mail->thread_id);
    mail->msg_id[0] = 3;
    seal = town_seal_of(&chat, mail->msg_id, "", town->now_ms);
    seal.content_type = kith_slice_str(E2E_GROUP_KEYS_TYPE);
    kith_buf_init(&mail->bodies, TOWN_CIPHER_MAX);
    assert_int_equal(town_seal(ann, &seal, &mail->bodies), KITH_OK);
    e2e_account_accepted(ann->account, group->chat_id, mail->msg_id);
}

static void test_e2e_account_memory__large_groups(void **state)
{
    struct town_mail gift;

    (void)state;
    make_town(true);
    town->pairwise_max = 2;
    town_restart(ann);
    town_restart(bob);
    town_restart(carol);
    group = town_group_create(ann, (struct town_device *[]){bob, carol}, 2, NULL);
    assert_int_equal(town_group_fetch(bob, group), KITH_OK);
    assert_int_equal(town_group_fetch(carol, group), KITH_OK);
    (void)town_group_send(bob, group, "hello"); /* so that there are sessions */
    (void)town_group_send(carol, group, "hello");
    (void)town_send(tablet, &two, "hello");
    assert_int_equal(town_read(ann), 5);
    assert_int_equal(town_fetch_list(ann, carol->person), KITH_OK);
    /* Who has it may be forgotten: they are given it once more. */
    assert_true(each_failure_but(ann, gift_work, MAY_KEEP | MAY_GO_ON) >= 5);
    make_gift(&gift);
    envelope = town_envelope(&gift, bob);
    assert_true(each_failure_but(bob, gift_open_work, MAY_GO_ON | MAY_KEEP) >= 3);
    assert_int_equal(town_open(bob, &gift, NULL), KITH_OK);
    assert_true(each_failure_but(ann, group_seal_work, MAY_KEEP) >= 5);
    envelope = town_envelope(town_group_send(ann, group, "to all"), bob);
    assert_true(each_failure_but(bob, open_work, MAY_GO_ON) >= 2);
    kith_buf_deinit(&gift.bodies);
    town_free(town);
}

/* ---------------------------------------------------------------------------------------------- lists of the past */
/* Until it is taken, with all that is asked for. Of what there was no memory for is asked again. */
static kith_err past_work(struct kith_buf *out)
{
    uint64_t after = 0;
    kith_err err = KITH_E_AGAIN;

    (void)out;
    for (int round = 0; round < 4 && err == KITH_E_AGAIN; round++) {
        err = e2e_account_group_op(account, group->chat_id, kith_buf_peek(&group->ops[1]), 2, true, &wants);
        if (err != KITH_E_AGAIN || !e2e_account_past(account, ann->person->id, &after)) continue;
        for (size_t i = (size_t)after; i + 1 < ann->person->list_count && err == KITH_E_AGAIN; i++) {
            kith_err list = e2e_account_list(account, town->now_ms, ann->person->id, 0,
                                             kith_buf_peek(&ann->person->lists[i]));
            if (list != KITH_OK) err = list;
        }
    }
    return err;
}

static void test_e2e_account_memory__lists_of_the_past(void **state)
{
    struct town_device *laptop;

    (void)state;
    make_town(true);
    group = town_group_create(ann, (struct town_device *[]){bob}, 1, NULL);
    assert_int_equal(town_group_fetch(tablet, group), KITH_OK);
    town_group_must(group, tablet, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    assert_int_equal(e2e_account_remove_device(ann->account, town->now_ms, tablet->server_device), KITH_OK);
    town_upload(ann);
    laptop = town_link(bob);
    assert_int_equal(town_fetch_list(laptop, ann->person), KITH_OK);
    assert_int_equal(town_group_give(laptop, group, kith_buf_peek(&group->ops[0])), KITH_OK);
    assert_true(each_failure_but(laptop, past_work, MAY_GO_ON | MAY_KEEP) >= 3);
    town_free(town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_memory__keys_and_lists),
        cmocka_unit_test(test_e2e_account_memory__linking),
        cmocka_unit_test(test_e2e_account_memory__messages),
        cmocka_unit_test(test_e2e_account_memory__groups),
        cmocka_unit_test(test_e2e_account_memory__large_groups),
        cmocka_unit_test(test_e2e_account_memory__lists_of_the_past),
    };
    if (!heap_is_ours()) {
        (void)puts("left out: malloc() is not ours");
        return 0;
    }
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
