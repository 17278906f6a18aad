#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/chain_world.h"
#include "tests/each_failure.h"

/* Every allocation of sender chains fails once: KITH_E_NOMEM, nothing is appended, no chain has changed, no memory is lost. */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

static struct chains *chains;               /* its receiver has two kept keys */
static struct kith_buf before, sent_before; /* its states */
static struct kith_buf late, next;          /* messages for it: of a kept key, and with one stepped over */

static void check_states(void)
{
    struct kith_buf sent = chains_sender_state(chains->sender);

    chains_check_state(chains->receiver, &before);
    assert_true(kith_slice_eq(kith_buf_peek(&sent), kith_buf_peek(&sent_before)));
    kith_buf_wipe(&sent);
}

static void restore(void)
{
    e2e_receiver_chain_free(chains->receiver);
    e2e_sender_chain_free(chains->sender);
    chains->receiver = chains_read(&before);
    assert_int_equal(e2e_sender_chain_decode(kith_buf_peek(&sent_before), &chains->sender), KITH_OK);
}

static const struct each_failure_hooks hooks = {.make_anew = restore, .check_same = check_states};

static kith_err new_sender_work(struct kith_buf *out)
{
    struct e2e_sender_chain *made;
    kith_err err = e2e_sender_chain_new(&chains->random, &chains->owner, WORLD_NOW, &made);

    (void)out;
    assert_true((made == NULL) == (err != KITH_OK));
    e2e_sender_chain_free(made);
    return err;
}

static kith_err new_receiver_work(struct kith_buf *out)
{
    const struct e2e_chain_given given = chains_given(chains);
    struct e2e_receiver_chain *made;
    kith_err err = e2e_receiver_chain_new(&chains->owner, &given, &made);

    (void)out;
    assert_true((made == NULL) == (err != KITH_OK));
    e2e_receiver_chain_free(made);
    return err;
}

static kith_err encrypt_work(struct kith_buf *out)
{
    return e2e_sender_chain_encrypt(&chains->random, chains->sender, &chains->epoch, kith_slice_str("hello"), out);
}

static kith_err decrypt(const struct kith_buf *message, struct kith_buf *out)
{
    struct e2e_group_message parts;
    kith_err err = e2e_group_message_decode(kith_buf_peek(message), &parts);

    return err == KITH_OK ? e2e_receiver_chain_decrypt(chains->receiver, &parts, WORLD_NOW, out) : err;
}

static kith_err decrypt_next_work(struct kith_buf *out)
{
    return decrypt(&next, out);
}

static kith_err decrypt_late_work(struct kith_buf *out)
{
    return decrypt(&late, out);
}

static kith_err give_work(struct kith_buf *out)
{
    const struct e2e_chain_given given = chains_given(chains);

    return e2e_chain_given_encode(&given, out);
}

static kith_err encode_receiver_work(struct kith_buf *out)
{
    return e2e_receiver_chain_encode(chains->receiver, out);
}

static kith_err encode_sender_work(struct kith_buf *out)
{
    return e2e_sender_chain_encode(chains->sender, out);
}

static kith_err decode_receiver_work(struct kith_buf *out)
{
    struct e2e_receiver_chain *made;
    kith_err err = e2e_receiver_chain_decode(kith_buf_peek(&before), &made);

    (void)out;
    assert_true((made == NULL) == (err != KITH_OK));
    e2e_receiver_chain_free(made);
    return err;
}

static kith_err decode_sender_work(struct kith_buf *out)
{
    struct e2e_sender_chain *made;
    kith_err err = e2e_sender_chain_decode(kith_buf_peek(&sent_before), &made);

    (void)out;
    assert_true((made == NULL) == (err != KITH_OK));
    e2e_sender_chain_free(made);
    return err;
}

static void test_e2e_chain_memory__chains_survive_every_failure(void **state)
{
    (void)state;
    assert_int_equal(each_failure_with(&hooks, new_sender_work), 1);
    assert_int_equal(each_failure_with(&hooks, new_receiver_work), 1);
    assert_true(each_failure_with(&hooks, encrypt_work) >= 5);
    assert_true(each_failure_with(&hooks, decrypt_next_work) >= 3);
    assert_true(each_failure_with(&hooks, decrypt_late_work) >= 3);
    assert_int_equal(each_failure_with(&hooks, give_work), 1);
    assert_true(each_failure_with(&hooks, encode_receiver_work) >= 3);
    assert_int_equal(each_failure_with(&hooks, encode_sender_work), 1);
    assert_int_equal(each_failure_with(&hooks, decode_receiver_work), 2);
    assert_int_equal(each_failure_with(&hooks, decode_sender_work), 1);
}

static int setup(void **state)
{
    struct kith_buf *messages;

    (void)state;
    chains = chains_new(1);
    messages = chains_messages_new(chains, 5);
    world_need(chains_take(chains, &messages[2], "m") == KITH_OK);
    before = chains_state(chains->receiver);
    late = messages[0];
    next = messages[4];
    messages[0] = messages[4] = (struct kith_buf){0};
    chains_messages_free(messages, 5);
    sent_before = chains_sender_state(chains->sender);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kith_buf_wipe(&before);
    kith_buf_wipe(&sent_before);
    kith_buf_deinit(&late);
    kith_buf_deinit(&next);
    chains_free(chains);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_chain_memory__chains_survive_every_failure),
    };
    if (!heap_is_ours()) {
        (void)puts("left out: malloc() is not ours");
        return 0;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
#endif
