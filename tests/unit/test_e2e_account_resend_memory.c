#include "e2e_account_failures.h"
#include "libkith/e2ee/account_resend.h"

/* Mail, and asking again, with each allocation failing once. Left out where the heap cannot be made to fail. */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

static struct town *town;
static struct town_device *ann, *bob;
static struct town_chat two;
static struct e2e_mail mail;
static struct e2e_lost lost;
static struct e2e_sent sent;

static void make_town(void)
{
    const struct e2e_device_list *list;

    town = town_new(1);
    town->has_few_prekeys = true;
    ann = town_join(town);
    bob = town_join(town);
    two = town_chat_two(ann, bob);
    (void)town_send(ann, &two, "hello");
    (void)town_read(bob);
    (void)town_send(bob, &two, "hello");
    (void)town_read(ann);
    kith_prng_seed(&prng, 2);
    list = e2e_account_person(ann->account, bob->person->id).list;
    mail = (struct e2e_mail){.device_id = list->devices[0].device_id,
                             .msg_id = {1},
                             .content_type = kith_slice_str("text/plain"),
                             .body = kith_slice_str("by mail"),
                             .sent_at_ms = town->now_ms};
    lost = (struct e2e_lost){
        .device_id = mail.device_id, .item = {.seq = 1, .msg_id = {2}}, .created_ms = town->now_ms};
    sent = (struct e2e_sent){.sealed_mark = e2e_account_mark(ann->account), .written_ms = town->now_ms};
    memcpy(mail.account_id, bob->person->id, sizeof mail.account_id);
    memcpy(lost.account_id, bob->person->id, sizeof lost.account_id);
    memcpy(lost.item.chat_id, two.id, sizeof lost.item.chat_id);
    memcpy(sent.dest, bob->person->id, sizeof sent.dest);
}

static kith_err mail_work(struct kith_buf *out)
{
    return e2e_account_seal_mail(account, town->now_ms, &mail, &wants, out);
}

/* Without memory it is not noted. */
static kith_err lost_work(struct kith_buf *out)
{
    (void)out;
    e2e_account_lost(account, town->now_ms, &lost);
    return KITH_OK;
}

static kith_err ask_work(struct kith_buf *out)
{
    struct e2e_ask ask;

    return e2e_account_ask(account, town->now_ms, &ask, out) ? KITH_OK : KITH_E_NOMEM;
}

static kith_err give_work(struct kith_buf *out)
{
    (void)out;
    return e2e_account_give(account, town->now_ms, lost.account_id, lost.device_id, &lost.item, &sent);
}

static kith_err load_work(struct kith_buf *out)
{
    struct e2e_account *made = account_new(ann);
    kith_err err = made == NULL ? KITH_E_NOMEM : load_all(made, ann);

    (void)out;
    e2e_account_free(made);
    return err;
}

static void test_e2e_account_resend_memory__each_allocation_fails_once(void **state)
{
    (void)state;
    make_town();
    assert_true(each_failure_but(ann, mail_work, MAY_KEEP) >= 3);
    assert_true(each_failure_but(ann, lost_work, MAY_GO_ON | MAY_KEEP) >= 2);
    assert_true(each_failure(ann, give_work) >= 2);
    e2e_account_lost(ann->account, town->now_ms, &lost);
    assert_int_equal(e2e_account_give(ann->account, town->now_ms, lost.account_id, lost.device_id, &lost.item, &sent),
                     KITH_OK);
    assert_true(each_failure(ann, ask_work) >= 1);
    assert_true(each_failure(ann, load_work) >= 5);
    town_free(town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_resend_memory__each_allocation_fails_once),
    };
    if (!heap_is_ours()) {
        (void)puts("left out: malloc() is not ours");
        return 0;
    }
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
