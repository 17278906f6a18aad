#include "account/account_impl.h"
#include "account/group_replay.h"
#include "group_fixture.h"
#include "tests/failing_heap.h"

/* What an operation is held to that follows stored ones, whatever the core says: the chain is in the store, and no chat. */

struct chain {
    struct afx *fx;
    struct author *ann;
    struct chat_id chat;
    struct e2e_group *group;      /* as its readers know it */
    uint8_t hash[E2E_HASH_BYTES]; /* of the newest operation */
    uint64_t seq, made_at_ms;
    struct msgstore_batch batch; /* not written yet */
    struct kith_buf last;        /* the newest operation */
};

static struct chain chain_begin(struct afx *fx, struct author *ann, uint8_t n)
{
    struct chain chain = {.fx = fx, .ann = ann, .chat = {{{n}}}};

    msgstore_batch_init(&chain.batch);
    kith_buf_init(&chain.last, E2E_GROUP_SIGNED_BYTES_MAX);
    return chain;
}

static void chain_end(struct chain *chain)
{
    msgstore_batch_deinit(&chain->batch);
    kith_buf_deinit(&chain->last);
    e2e_group_free(chain->group);
}

static void put_row(struct chain *chain, uint64_t seq, struct kith_slice signed_op)
{
    struct row_key key = row_key_group_op(chain->chat, seq);
    struct row_group_op row = {.seq = seq, .signed_op = signed_op};
    struct kith_buf value;

    kith_buf_init(&value, KITH_SIGNED_OP_BYTES_MAX + 64);
    assert_int_equal(row_group_op_encode(&row, &value), KITH_OK);
    assert_int_equal(msgstore_batch_put(&chain->batch, row_key_slice(&key), kith_buf_peek(&value)), KITH_OK);
    kith_buf_deinit(&value);
}

/* It is the newest; `after` (NULL: what it comes to nobody knows) is the chain's then. */
static void push(struct chain *chain, struct kith_slice signed_op, struct e2e_group *after)
{
    struct e2e_group_op op;

    kith_buf_reset(&chain->last);
    assert_int_equal(kith_buf_append(&chain->last, signed_op), KITH_OK);
    assert_int_equal(e2e_group_op_skim(signed_op, &op), KITH_OK);
    memcpy(chain->hash, op.hash, sizeof chain->hash);
    put_row(chain, ++chain->seq, signed_op);
    if (after == NULL) return;
    e2e_group_free(chain->group);
    chain->group = after;
}

static void grow_to(struct chain *chain, const struct person *bob, uint64_t seq)
{
    struct made_op made;

    while (chain->seq < seq) {
        struct e2e_group_op op = chain->seq == 0 ? create_by(chain->ann, bob)
                                                 : op_by(chain->ann, E2E_GROUP_INFO, NULL, 0);
        op.made_at_ms = chain->made_at_ms;
        made = op_make(chain->group, chain->ann, op);
        push(chain, kith_buf_peek(&made.bytes), made.after);
        kith_buf_deinit(&made.bytes);
    }
}

static bool stored;

static void store_done(struct msgstore_commit *commit)
{
    assert_int_equal(commit->err, KITH_OK);
    stored = true;
}

static void store(struct chain *chain)
{
    struct msgstore_status status;
    struct msgstore_position position = {.shard = 0};
    struct msgstore_commit commit = {.loop = chain->fx->loops[1],
                                     .batch = &chain->batch,
                                     .positions = &position,
                                     .position_count = 1,
                                     .done = store_done};

    chain->fx->store->ops->status(chain->fx->store, &status);
    position.position = status.positions[0];
    stored = false;
    msgstore_commit(chain->fx->store, &commit);
    afx_until(chain->fx, &stored);
    msgstore_batch_reset(&chain->batch);
}

/* ------------------------------------------------------------------------------------------------ trying */

struct tried {
    struct account_group_op op; /* first */
    struct cmd cmd;
    struct kith_buf signed_op;
    bool done;
};

static void done(struct account_call *call)
{
    ((struct tried *)call)->done = true;
}

/* `signed_op` comes as the next one. */
static void try_start(struct chain *chain, struct tried *tried, struct kith_slice signed_op)
{
    *tried = (struct tried){.op = {.call = {.loop = chain->fx->loops[1], .done = done}},
                            .cmd = {.verb = CMD_CHAT_UPDATE,
                                    .stream = chain->chat.id,
                                    .actor = {uuid_of(chain->ann->who.user)},
                                    .device = {chain->ann->device},
                                    .seq = chain->seq + 1}};
    kith_buf_init(&tried->signed_op, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(kith_buf_append(&tried->signed_op, signed_op), KITH_OK);
    tried->cmd.body = kith_buf_peek(&tried->signed_op);
    tried->op.cmd = &tried->cmd;
    account_group_op(chain->fx->accounts, &tried->op, kith_buf_peek(&chain->last));
    assert_false(tried->done); /* never inside the call */
}

static enum kith_code try_end(struct chain *chain, struct tried *tried)
{
    afx_until(chain->fx, &tried->done);
    kith_buf_deinit(&tried->signed_op);
    assert_null(tried->op.state); /* nothing is held any more */
    return tried->op.call.code;
}

static enum kith_code try(struct chain *chain, struct kith_slice signed_op)
{
    struct tried tried;

    try_start(chain, &tried, signed_op);
    return try_end(chain, &tried);
}

/* `info` signed by ann as the next one; of which a reader says something else than state_hash: with one bit of that. */
static struct kith_buf signed_info(const struct chain *chain, bool is_wrong)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES];
    struct e2e_group_op op = op_by(chain->ann, E2E_GROUP_INFO, NULL, 0);
    struct made_op made = op_make(chain->group, chain->ann, op);
    struct kith_buf out;

    assert_int_equal(e2e_group_op_decode(kith_buf_peek(&made.bytes), &op), KITH_OK);
    memcpy(op.prev_hash, chain->hash, sizeof op.prev_hash);
    op.seq = chain->seq + 1;
    if (is_wrong) op.state_hash[31] ^= 1;
    made_device_secret(chain->ann->device, secret);
    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_group_op_sign(&op, secret, &out), KITH_OK);
    made_op_free(&made);
    return out;
}

static enum kith_code try_info(struct chain *chain, bool is_wrong)
{
    struct kith_buf bytes = signed_info(chain, is_wrong);
    enum kith_code code = try(chain, kith_buf_peek(&bytes));

    kith_buf_deinit(&bytes);
    return code;
}

static void forget(struct chain *chain)
{
    struct group_state *state = group_states_get(chain->fx->accounts->groups, chain->chat);

    group_states_drop(chain->fx->accounts->groups, chain->chat, state);
    group_state_unref(state);
}

/* Of the chain's group; 0: none. */
static uint64_t known_seq(const struct chain *chain)
{
    struct group_state *state = group_states_get(chain->fx->accounts->groups, chain->chat);
    uint64_t seq = group_state_seq(state);

    group_state_unref(state);
    return seq;
}

/* ------------------------------------------------------------------------------------------------ a miss */

static void test_account_group_replay__reads_the_chain_that_is_not_known(void **state)
{
    static const uint64_t lengths[] = {1, 2, GROUP_REPLAY_PAGE_OPS, GROUP_REPLAY_PAGE_OPS + 1,
                                       2 * GROUP_REPLAY_PAGE_OPS + 3};
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob");

    for (uint8_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct chain chain = chain_begin(fx, &ann, i + 1);
        struct tried tried;
        struct kith_buf wrong;

        grow_to(&chain, &bob, lengths[i]);
        store(&chain);
        wrong = signed_info(&chain, true);
        try_start(&chain, &tried, kith_buf_peek(&wrong));
        assert_int_equal(try_end(&chain, &tried), CODE_BAD_REQUEST);
        assert_non_null(strstr(tried.op.fault, "state_hash"));
        kith_buf_deinit(&wrong);
        /* What is in the store is known then, and what was refused is not. */
        assert_int_equal(known_seq(&chain), lengths[i]);
        assert_int_equal(try_info(&chain, false), CODE_OK);
        assert_int_equal(known_seq(&chain), lengths[i]);
        /* From there on only what is new is read. */
        grow_to(&chain, &bob, lengths[i] + 2);
        store(&chain);
        assert_int_equal(try_info(&chain, true), CODE_BAD_REQUEST);
        assert_int_equal(try_info(&chain, false), CODE_OK);
        assert_int_equal(known_seq(&chain), lengths[i] + 2);
        chain_end(&chain);
    }
}

static void test_account_group_replay__two_at_once_come_to_the_same(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob");
    struct chain chain = chain_begin(fx, &ann, 1);
    struct kith_buf good, wrong;
    struct tried one, two;

    grow_to(&chain, &bob, 3 * GROUP_REPLAY_PAGE_OPS);
    store(&chain);
    good = signed_info(&chain, false);
    wrong = signed_info(&chain, true);
    try_start(&chain, &one, kith_buf_peek(&good));
    try_start(&chain, &two, kith_buf_peek(&wrong));
    assert_int_equal(try_end(&chain, &one), CODE_OK);
    assert_int_equal(try_end(&chain, &two), CODE_BAD_REQUEST);
    kith_buf_deinit(&good);
    kith_buf_deinit(&wrong);
    chain_end(&chain);
}

/* So many pages are read for a person at once, and not one more; the same again goes on where it was left. */
static void test_account_group_replay__reads_its_maximum_and_not_a_page_more(void **state)
{
    const uint64_t most = GROUP_REPLAY_PAGES * GROUP_REPLAY_PAGE_OPS;
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob");
    struct chain chain = chain_begin(fx, &ann, 1);
    struct kith_buf bytes;
    struct tried tried;

    grow_to(&chain, &bob, most + 1); /* the last one is read for nothing */
    store(&chain);
    assert_int_equal(try_info(&chain, true), CODE_BAD_REQUEST);
    forget(&chain);
    grow_to(&chain, &bob, most + 2);
    store(&chain);
    afx_run_ms(fx, GROUP_REPLAY_PAGES * GROUP_REPLAY_PAGE_MS);
    bytes = signed_info(&chain, false);
    try_start(&chain, &tried, kith_buf_peek(&bytes));
    assert_int_equal(try_end(&chain, &tried), CODE_TOO_MANY);
    assert_int_equal(tried.op.call.retry_after_s, 1);
    assert_null(tried.op.fault);
    assert_int_equal(known_seq(&chain), most);
    afx_run_ms(fx, GROUP_REPLAY_PAGE_MS);
    assert_int_equal(try(&chain, kith_buf_peek(&bytes)), CODE_OK);
    assert_int_equal(known_seq(&chain), most + 2);
    kith_buf_deinit(&bytes);
    chain_end(&chain);
}

/* ------------------------------------------------------------------------------------------------ what cannot be known */

/* The next one as a newer client makes it. */
static void push_newer(struct chain *chain)
{
    static const uint8_t kind = E2E_GROUP_JOIN_KEY + 1;
    uint8_t secret[E2E_SIGN_SECRET_BYTES], signature[E2E_SIGNATURE_BYTES];
    struct kith_buf good = signed_info(chain, false), bytes, out;
    struct e2e_group_op op;

    kith_buf_init(&bytes, E2E_GROUP_SIGNED_BYTES_MAX);
    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_group_op_decode(kith_buf_peek(&good), &op), KITH_OK);
    tlv_replace(op.bytes, 4, kith_slice_of(&kind, 1), &bytes);
    made_device_secret(chain->ann->device, secret);
    assert_int_equal(e2e_sign(secret, E2E_LABEL_GOP, kith_buf_peek(&bytes), signature), KITH_OK);
    fake_field_put(&out, 1, kith_buf_peek(&bytes));
    fake_field_put(&out, 2, kith_slice_of(signature, sizeof signature));
    push(chain, kith_buf_peek(&out), NULL);
    kith_buf_deinit(&out);
    kith_buf_deinit(&bytes);
    kith_buf_deinit(&good);
}

static bool is_at_its_end(const struct chain *chain)
{
    struct group_state *state = group_states_get(chain->fx->accounts->groups, chain->chat);
    bool is_end = state != NULL && state->is_end;

    group_state_unref(state);
    return is_end;
}

/* What follows an operation that this server cannot take is held to no state: it says nothing of what it cannot know. */
static void test_account_group_replay__ends_at_what_it_cannot_take(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob");

    for (uint8_t n = 1; n <= 4; n++) {
        struct chain chain = chain_begin(fx, &ann, n);
        struct kith_buf wrong;

        grow_to(&chain, &bob, n);
        if (n == 3) {
            wrong = signed_info(&chain, true); /* from a time when nobody asked */
            push(&chain, kith_buf_peek(&wrong), NULL);
            kith_buf_deinit(&wrong);
        } else {
            push_newer(&chain);
        }
        store(&chain);
        assert_int_equal(try_info(&chain, true), CODE_OK);
        assert_int_equal(known_seq(&chain), n);
        assert_true(is_at_its_end(&chain));
        assert_int_equal(try_info(&chain, true), CODE_OK);
        chain_end(&chain);
    }
}

static void test_account_group_replay__knows_nothing_behind_a_first_one_that_it_cannot_take(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob");
    struct chain other = chain_begin(fx, &ann, 1), chain = chain_begin(fx, &ann, 2);

    grow_to(&other, &bob, 2);
    chain.group = other.group; /* only to make operations of */
    other.group = NULL;
    push(&chain, kith_buf_peek(&other.last), NULL); /* the second as the first: no create */
    store(&chain);
    assert_int_equal(try_info(&chain, true), CODE_OK);
    assert_true(is_at_its_end(&chain));
    assert_int_equal(known_seq(&chain), 0);
    assert_int_equal(try_info(&chain, true), CODE_OK);
    chain_end(&other);
    chain_end(&chain);
}

/* ------------------------------------------------------------------------------------------------ what was known wrongly */

/* A store that went back has another chain than what was known of the one before: that is dropped, and the store is read. */
static void test_account_group_replay__believes_the_store_and_not_what_it_knew(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob");

    for (uint8_t n = 1; n <= 5; n++) {
        struct chain chain = chain_begin(fx, &ann, n), other = chain_begin(fx, &ann, n);
        struct group_state *wrong;

        other.made_at_ms = 1;
        grow_to(&other, &bob, n);
        wrong = group_state_new(other.group);
        other.group = NULL;
        group_states_put(fx->accounts->groups, chain.chat, wrong);
        group_state_unref(wrong);
        grow_to(&chain, &bob, 5); /* n 5: another with the same number; else an older one */
        store(&chain);
        assert_int_equal(known_seq(&chain), n);
        assert_int_equal(try_info(&chain, false), CODE_OK);
        assert_int_equal(known_seq(&chain), 5);
        assert_false(is_at_its_end(&chain));
        assert_int_equal(try_info(&chain, true), CODE_BAD_REQUEST);
        chain_end(&other);
        chain_end(&chain);
    }
}

/* ------------------------------------------------------------------------------------------------ damage */

static void test_account_group_replay__tells_damage(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob");

    for (uint8_t n = 1; n <= 3; n++) {
        struct chain chain = chain_begin(fx, &ann, n);
        struct row_key key = row_key_group_op(chain.chat, 2);

        grow_to(&chain, &bob, 3);
        if (n == 1) assert_int_equal(msgstore_batch_delete(&chain.batch, row_key_slice(&key)), KITH_OK);
        if (n == 2)
            assert_int_equal(msgstore_batch_put(&chain.batch, row_key_slice(&key), kith_slice_str("12345678")),
                             KITH_OK);
        if (n == 3) /* all that was before is gone */
            for (uint64_t seq = 1; seq <= 3; seq++) {
                key = row_key_group_op(chain.chat, seq);
                assert_int_equal(msgstore_batch_delete(&chain.batch, row_key_slice(&key)), KITH_OK);
            }
        store(&chain);
        assert_int_equal(try_info(&chain, false), CODE_INTERNAL);
        chain_end(&chain);
    }
}

/* ------------------------------------------------------------------------------------------------ memory */

#ifndef HEAP_IS_ANOTHERS
/* Whatever allocation fails: nobody is told that the operation is wrong, and nothing is known wrongly from then on. */
static void test_account_group_replay__says_nothing_wrong_without_memory(void **state)
{
    struct afx *fx = *state;
    struct author ann = author_of_name(fx, "ann");
    struct person bob = afx_person(fx, "bob");
    struct chain chain = chain_begin(fx, &ann, 1);
    struct cmd cmd = {.stream = chain.chat.id, .seq = 6};
    struct kith_buf good;
    unsigned count = 0;
    bool failed = true;

    grow_to(&chain, &bob, 5);
    good = signed_info(&chain, false);
    for (; failed; count++) {
        struct account_group_op op = {.call.accounts = fx->accounts, .cmd = &cmd, .scan.count = 5};

        assert_int_equal(e2e_group_op_decode(kith_buf_peek(&good), &op.op), KITH_OK);
        kith_buf_init(&op.scan.rows, GROUP_REPLAY_PAGE_BYTES);
        assert_int_equal(kith_buf_append(&op.scan.rows, kith_buf_peek(&chain.batch.bytes)), KITH_OK);
        heap_fail_after(count);
        group_replay_work(&op);
        failed = heap_has_failed();
        assert_true(op.is_judged);
        assert_true(op.call.code == CODE_OK || (failed && op.call.code == CODE_UNAVAILABLE));
        assert_false(is_at_its_end(&chain));
        if (!failed) assert_int_equal(known_seq(&chain), 5);
        account_group_op_drop(&op);
        forget(&chain);
    }
    assert_true(count > 7); /* a step each, what is kept, and the last */
    kith_buf_deinit(&good);
    chain_end(&chain);
}
#endif

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_account_group_replay__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(reads_the_chain_that_is_not_known),
        TEST(two_at_once_come_to_the_same),
        TEST(reads_its_maximum_and_not_a_page_more),
        TEST(ends_at_what_it_cannot_take),
        TEST(knows_nothing_behind_a_first_one_that_it_cannot_take),
        TEST(believes_the_store_and_not_what_it_knew),
        TEST(tells_damage),
#ifndef HEAP_IS_ANOTHERS
        TEST(says_nothing_wrong_without_memory),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
