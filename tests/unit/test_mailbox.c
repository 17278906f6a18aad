#include "chat/mailbox.h"

#include "chat_fixture.h"

/*
 * The core of a mailbox over a table of rows. As with chats, every applied command is checked for what must always hold:
 * the rows it gave, loaded afresh, make the state that is in memory; applied again at its position it changes nothing;
 * and no item is given up before its time.
 */
#define OWNER  USER(2)
#define DAY_MS (24ull * 3600 * 1000)

struct box_fixture {
    struct fixture f; /* its rows, its clock, its batch */
    struct mailbox *box;
};

static void box_open(struct box_fixture *b)
{
    fixture_open(&b->f);
    b->box = mailbox_new(OWNER);
    assert_non_null(b->box);
}

static void box_close(struct box_fixture *b)
{
    mailbox_free(b->box);
    fixture_close(&b->f);
}

static struct mailbox *box_reload(struct box_fixture *b)
{
    struct mailbox *box = mailbox_new(OWNER);
    struct row_key key = row_key_mailbox(OWNER);
    struct kith_slice value = {0};

    assert_non_null(box);
    if (row_find(&b->f, row_key_slice(&key), &value)) assert_int_equal(mailbox_load_head(box, value), KITH_OK);
    for (struct kith_ordered_node *node = kith_ordered_seek(&b->f.rows, (struct kith_slice){0}); node != NULL;
         node = kith_ordered_next(node)) {
        struct row_copy *copy = node->value;
        if (node->key[0] != 'Z') continue;
        assert_int_equal(mailbox_load_device(box, kith_ordered_key(node), kith_slice_of(copy->bytes, copy->len)),
                         KITH_OK);
    }
    return box;
}

/* In the table, and not past its time. */
static uint32_t items_live(struct box_fixture *b)
{
    uint32_t count = 0;

    for (struct kith_ordered_node *node = kith_ordered_seek(&b->f.rows, (struct kith_slice){0}); node != NULL;
         node = kith_ordered_next(node)) {
        struct row_copy *copy = node->value;
        if (node->key[0] == 'Y' && kith_get_u64_be(copy->bytes) > b->f.time_ms) count++;
    }
    return count;
}

static void boxes_equal(const struct mailbox *a, const struct mailbox *c)
{
    uint64_t waiting = 0;

    assert_int_equal(a->head.last_n, c->head.last_n);
    assert_int_equal(a->head.item_count, c->head.item_count);
    assert_int_equal(a->head.time_ms, c->head.time_ms);
    assert_int_equal(a->head.position, c->head.position);
    assert_memory_equal(&a->head.id_max, &c->head.id_max, sizeof a->head.id_max);
    assert_int_equal(a->device_count, c->device_count);
    for (size_t i = 0; i < a->device_count; i++) {
        const struct row_mail_device *x = &a->devices[i].row, *y = &c->devices[i].row;
        assert_memory_equal(&a->devices[i].device, &c->devices[i].device, sizeof a->devices[i].device);
        assert_int_equal(x->acked, y->acked);
        assert_int_equal(x->first, y->first);
        assert_int_equal(x->last, y->last);
        assert_int_equal(x->mark_count, y->mark_count);
        for (unsigned m = 0; m < x->mark_count; m++) {
            assert_int_equal(x->marks[m].day, y->marks[m].day);
            assert_int_equal(x->marks[m].n, y->marks[m].n);
        }
        assert_true(x->last <= a->head.last_n);
        waiting += x->last + 1 - x->first;
    }
    assert_int_equal(a->head.item_count, waiting);
}

static void box_apply_at(struct box_fixture *b, struct mailbox *box, const struct cmd *cmd, uint64_t position)
{
    struct chat_lookup lookups[CHAT_LOOKUPS];
    struct fixture *f = &b->f;

    mailbox_lookups(box, cmd, lookups);
    for (unsigned i = 0; i < CHAT_LOOKUPS; i++)
        if (lookups[i].key.len > 0) lookups[i].found = row_find(f, row_key_slice(&lookups[i].key), &lookups[i].value);
    f->fx.rows = &f->batch;
    mailbox_apply(box, cmd, position, &f->rules, lookups, &f->fx);
    assert_int_equal(f->fx.err, KITH_OK);
}

static struct chat_answer box_apply(struct box_fixture *b, struct cmd cmd)
{
    struct chat_answer answer;
    struct mailbox *again;

    cmd.stream = OWNER.id;
    cmd.time_ms = b->f.time_ms;
    kith_buf_reset(&b->f.batch);
    box_apply_at(b, b->box, &cmd, ++b->f.position);
    answer = b->f.fx.answer;
    if (answer.code != CODE_CREATED && answer.code != CODE_OK)
        assert_int_equal(kith_buf_len(&b->f.batch), 0); /* a refusal changes nothing */
    rows_take(&b->f);
    again = box_reload(b);
    boxes_equal(b->box, again);
    box_apply_at(b, again, &cmd, b->f.position);
    rows_take(&b->f);
    boxes_equal(b->box, again);
    mailbox_free(again);
    assert_true(items_live(b) <= b->box->head.item_count); /* nothing is given up that may still be read */
    return answer;
}

/* One body for each of `count` devices from `first` on. */
static struct chat_answer mail(struct box_fixture *b, struct msg_id id, uint32_t first, uint32_t count,
                               const char *text)
{
    struct bodies_item *items = calloc(count + 1, sizeof *items);
    struct cmd cmd = {.verb = CMD_MAIL_SEND,
                      .flags = CMD_ENCRYPTED | CMD_PER_DEVICE,
                      .actor = USER(1),
                      .device = DEVICE(1000),
                      .id = id,
                      .content_type = kith_slice_str("application/octet-stream")};
    struct chat_answer answer;
    struct kith_buf body;

    assert_non_null(items);
    kith_buf_init(&body, KITH_MESSAGE_BYTES_MAX);
    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct bodies_item){.device = DEVICE(first + i), .ciphertext = kith_slice_str(text)};
    assert_int_equal(bodies_encode(&body, NULL, 0, items, count), KITH_OK);
    cmd.body = kith_buf_peek(&body);
    answer = box_apply(b, cmd);
    kith_buf_deinit(&body);
    free(items);
    return answer;
}

static struct chat_answer mail_now(struct box_fixture *b, uint32_t first, uint32_t count)
{
    return mail(b, msg_id_at(&b->f, b->f.time_ms), first, count, "secret");
}

static struct chat_answer ack(struct box_fixture *b, uint32_t device, uint64_t n)
{
    return box_apply(b, (struct cmd){.verb = CMD_MAIL_ACK, .actor = OWNER, .device = DEVICE(device), .seq = n});
}

static bool item_find(struct box_fixture *b, uint32_t device, uint64_t n, struct row_message *out)
{
    struct row_key key = row_key_mail(OWNER, DEVICE(device), n);
    struct kith_slice value = {0};

    if (!row_find(&b->f, row_key_slice(&key), &value)) return false;
    assert_int_equal(row_message_decode(value, out), KITH_OK);
    return true;
}

/* Each addressed device gets a row of its own, in a row of numbers of its own. */
static void test_mailbox__each_device_has_its_own_items(void **state)
{
    struct box_fixture b;
    struct row_message item = {0};
    struct chat_answer answer;
    struct msg_id id;

    (void)state;
    box_open(&b);
    id = msg_id_at(&b.f, T0);
    answer = mail(&b, id, 1, 2, "secret");
    assert_int_equal(answer.code, CODE_CREATED);
    assert_int_equal(answer.seq, 1);
    assert_int_equal(answer.created_ms, T0);
    assert_int_equal(mail_now(&b, 2, 2).seq, 2);
    assert_int_equal(items_live(&b), 4);
    assert_true(item_find(&b, 1, 1, &item));
    assert_true(kith_slice_is(item.body, "secret"));
    assert_int_equal(item.type, MESSAGE_MAIL);
    assert_int_equal(item.expires_ms, T0 + KITH_MAILBOX_AGE_MS_MAX);
    assert_memory_equal(&item.sender, &USER(1), sizeof item.sender);
    assert_memory_equal(&item.device, &DEVICE(1000), sizeof item.device);
    assert_memory_equal(&item.id, &id, sizeof item.id);
    assert_true(item_find(&b, 2, 1, &item) && item_find(&b, 2, 2, &item));
    assert_false(item_find(&b, 1, 2, &item));
    assert_true(item_find(&b, 3, 2, &item)); /* first addressed by the second */
    assert_int_equal(mail_now(&b, 1, 1).seq, 3);
    assert_true(item_find(&b, 1, 2, &item));
    box_close(&b);
}

static void test_mailbox__refuses_what_a_chat_refuses(void **state)
{
    struct box_fixture b;
    struct msg_id id;
    struct cmd cmd = {.verb = CMD_MAIL_SEND,
                      .flags = CMD_ENCRYPTED | CMD_PER_DEVICE,
                      .actor = USER(1),
                      .content_type = kith_slice_str("application/octet-stream"),
                      .body = kith_slice_str("x")};

    (void)state;
    box_open(&b);
    b.f.time_ms = T0 + 100 * DAY_MS;
    assert_int_equal(mail(&b, (struct msg_id){uuid_n(0x40, 1)}, 1, 1, "x").code, CODE_BAD_ID);
    assert_int_equal(mail(&b, msg_id_at(&b.f, b.f.time_ms + KITH_ID_AHEAD_MS_MAX + 1), 1, 1, "x").code, CODE_BAD_ID);
    assert_int_equal(mail(&b, msg_id_at(&b.f, b.f.time_ms + KITH_ID_AHEAD_MS_MAX), 1, 1, "x").code, CODE_CREATED);
    assert_int_equal(mail(&b, msg_id_at(&b.f, b.f.time_ms - KITH_ID_AGE_MS_MAX - 1), 1, 1, "x").code, CODE_TOO_OLD);
    assert_int_equal(mail(&b, msg_id_at(&b.f, b.f.time_ms - KITH_ID_AGE_MS_MAX), 1, 1, "x").code, CODE_CREATED);
    cmd.id = msg_id_at(&b.f, b.f.time_ms);
    assert_int_equal(box_apply(&b, cmd).code, CODE_BAD_REQUEST); /* no bodies */
    assert_int_equal(mail(&b, cmd.id, 1, 0, "x").code, CODE_BAD_REQUEST);
    assert_int_equal(mail(&b, cmd.id, 1, MAILBOX_DEVICES_MAX + 1, "x").code, CODE_BAD_REQUEST);
    assert_int_equal(mail(&b, cmd.id, 1, 1, "x").code, CODE_CREATED); /* no refusal used the id up */
    cmd.id = id = msg_id_at(&b.f, b.f.time_ms);
    cmd.flags = CMD_ENCRYPTED;
    assert_int_equal(box_apply(&b, cmd).code, CODE_BAD_REQUEST);
    assert_int_equal(mail(&b, id, 1, 1, "x").code, CODE_CREATED);
    box_close(&b);
}

/* What one device says to another is for that device: no body is common here, with lists or with their digest. */
static void test_mailbox__takes_no_body_for_all(void **state)
{
    const struct bodies_item all = {.ciphertext = kith_slice_str("for all")};
    const uint8_t digest[BODIES_DIGEST_BYTES] = {0};
    struct box_fixture b;
    struct kith_buf body;
    struct cmd cmd = {.verb = CMD_MAIL_SEND, .flags = CMD_ENCRYPTED | CMD_PER_DEVICE, .actor = USER(1)};

    (void)state;
    box_open(&b);
    kith_buf_init(&body, 1024);
    cmd.id = msg_id_at(&b.f, T0);
    assert_int_equal(bodies_encode(&body, NULL, 0, &all, 1), KITH_OK);
    cmd.body = kith_buf_peek(&body);
    assert_int_equal(box_apply(&b, cmd).code, CODE_BAD_REQUEST);
    kith_buf_reset(&body);
    assert_int_equal(bodies_encode_common(&body, digest, all.ciphertext), KITH_OK);
    cmd.body = kith_buf_peek(&body);
    assert_int_equal(box_apply(&b, cmd).code, CODE_BAD_REQUEST);
    kith_buf_deinit(&body);
    box_close(&b);
}

/* (owner, sender, id): the first answer again; other words are a conflict; another sender's same id is another item. */
static void test_mailbox__repeats_are_answered_as_at_first(void **state)
{
    struct box_fixture b;
    struct msg_id id, later;
    struct chat_answer first, again;
    struct cmd other = {.verb = CMD_MAIL_SEND, .flags = CMD_ENCRYPTED | CMD_PER_DEVICE, .actor = USER(3)};
    struct bodies_item item = {.device = DEVICE(1), .ciphertext = kith_slice_str("from another")};
    struct kith_buf body;

    (void)state;
    box_open(&b);
    id = msg_id_at(&b.f, T0);
    later = msg_id_at(&b.f, T0);
    first = mail(&b, id, 1, 1, "secret");
    assert_int_equal(mail(&b, later, 1, 1, "secret").code, CODE_CREATED);
    b.f.time_ms += 1000;
    assert_int_equal(ack(&b, 1, 2).code, CODE_OK); /* gone, and known all the same */
    again = mail(&b, id, 1, 1, "secret");
    assert_int_equal(again.code, CODE_OK);
    assert_true(again.repeated);
    assert_int_equal(again.seq, first.seq);
    assert_int_equal(again.created_ms, first.created_ms);
    assert_int_equal(items_live(&b), 0);
    assert_int_equal(mail(&b, id, 1, 1, "other").code, CODE_CONFLICT);
    assert_int_equal(mail(&b, id, 2, 1, "secret").code, CODE_CONFLICT);
    kith_buf_init(&body, 1024);
    assert_int_equal(bodies_encode(&body, NULL, 0, &item, 1), KITH_OK);
    other.id = id;
    other.body = kith_buf_peek(&body);
    assert_int_equal(box_apply(&b, other).code, CODE_CREATED);
    kith_buf_deinit(&body);
    box_close(&b);
}

static void test_mailbox__an_ack_deletes_the_devices_rows_up_to_it(void **state)
{
    struct box_fixture b;
    struct row_message item = {0};

    (void)state;
    box_open(&b);
    assert_int_equal(ack(&b, 1, 5).code, CODE_OK); /* nothing was ever there */
    assert_int_equal(b.box->head.position, 0);
    for (unsigned i = 0; i < 5; i++) assert_int_equal(mail_now(&b, 1, 2).code, CODE_CREATED);
    assert_int_equal(ack(&b, 1, 3).code, CODE_OK);
    assert_false(item_find(&b, 1, 1, &item) || item_find(&b, 1, 2, &item) || item_find(&b, 1, 3, &item));
    assert_true(item_find(&b, 1, 4, &item) && item_find(&b, 1, 5, &item) && item_find(&b, 2, 1, &item));
    assert_int_equal(b.box->head.item_count, 7);
    assert_int_equal(ack(&b, 1, 2).code, CODE_OK); /* an older one comes late */
    assert_int_equal(mailbox_device_find(b.box, DEVICE(1))->row.acked, 3);
    assert_int_equal(ack(&b, 1, 99).code, CODE_OK); /* of nobody's; no more than there is */
    assert_int_equal(mailbox_device_find(b.box, DEVICE(1))->row.acked, 5);
    assert_int_equal(items_live(&b), 5);
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_CREATED);
    assert_true(item_find(&b, 1, 6, &item));
    assert_int_equal(
        box_apply(&b, (struct cmd){.verb = CMD_MAIL_ACK, .actor = USER(1), .device = DEVICE(1), .seq = 6}).code,
        CODE_FORBIDDEN);
    box_close(&b);
}

/* KITH_MAILBOX_ITEMS_MAX ciphertexts, and not one more. */
static void test_mailbox__is_full_at_its_maximum(void **state)
{
    struct box_fixture b;
    struct msg_id id;
    const uint32_t each = 250;

    (void)state;
    box_open(&b);
    assert_int_equal(KITH_MAILBOX_ITEMS_MAX % each, 0);
    for (uint32_t i = 1; i < KITH_MAILBOX_ITEMS_MAX / each; i++)
        assert_int_equal(mail_now(&b, 1, each).code, CODE_CREATED);
    assert_int_equal(mail_now(&b, 1, each - 1).code, CODE_CREATED);
    id = msg_id_at(&b.f, b.f.time_ms);
    assert_int_equal(mail(&b, id, 1, 2, "secret").code, CODE_MAILBOX_FULL);
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_CREATED);
    assert_int_equal(b.box->head.item_count, KITH_MAILBOX_ITEMS_MAX);
    assert_int_equal(mail(&b, id, 1, 1, "secret").code, CODE_MAILBOX_FULL);
    assert_int_equal(mail_now(&b, 200, 1).code, CODE_MAILBOX_FULL);
    assert_int_equal(ack(&b, 7, 1).code, CODE_OK);
    assert_int_equal(mail(&b, id, 1, 1, "secret").code, CODE_CREATED); /* the refusal did not use it up */
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_MAILBOX_FULL);
    box_close(&b);
}

/* What is past its time counts no longer once the day is over on which the last of its day ended. */
static void test_mailbox__what_is_too_old_makes_room(void **state)
{
    struct box_fixture b;
    struct row_message item = {0};

    (void)state;
    box_open(&b);
    b.f.time_ms = T0 + DAY_MS / 2;
    for (uint32_t i = 0; i < KITH_MAILBOX_ITEMS_MAX / 250 - 1; i++)
        assert_int_equal(mail_now(&b, 1, 250).code, CODE_CREATED);
    b.f.time_ms = T0 + DAY_MS * 3 / 2;
    assert_int_equal(mail_now(&b, 1, 250).code, CODE_CREATED);
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_MAILBOX_FULL);
    b.f.time_ms = T0 + DAY_MS + KITH_MAILBOX_AGE_MS_MAX - 1;
    assert_int_equal(items_live(&b), 250);
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_MAILBOX_FULL);
    b.f.time_ms++;
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_CREATED);
    assert_int_equal(b.box->head.item_count, 251);
    assert_true(item_find(&b, 1, 41, &item));
    assert_int_equal(mailbox_device_find(b.box, DEVICE(1))->row.first, 40);
    assert_int_equal(mailbox_device_find(b.box, DEVICE(1))->row.acked, 0); /* so the device is told of a gap */
    assert_int_equal(ack(&b, 1, 20).code, CODE_OK);                        /* the gap, in part */
    assert_int_equal(b.box->head.item_count, 251);
    assert_int_equal(ack(&b, 1, 40).code, CODE_OK);
    assert_int_equal(b.box->head.item_count, 250);
    box_close(&b);
}

/* One item a day, for ever: the marks never run out. */
static void test_mailbox__a_device_that_never_comes(void **state)
{
    struct box_fixture b;

    (void)state;
    box_open(&b);
    for (unsigned day = 0; day < 100; day++) {
        b.f.time_ms = T0 + day * DAY_MS + (day % 2) * (DAY_MS - 1);
        assert_int_equal(mail_now(&b, 1, 1).code, CODE_CREATED);
        assert_in_range(b.box->head.item_count, day < 30 ? day + 1 : 31, 33);
    }
    b.f.time_ms += 365 * DAY_MS;
    assert_int_equal(mail_now(&b, 2, 1).code, CODE_CREATED);
    assert_int_equal(b.box->head.item_count, 1);
    box_close(&b);
}

/* A clock that went back does not: the mailbox's time is the latest it saw. */
static void test_mailbox__time_does_not_go_back(void **state)
{
    struct box_fixture b;
    struct row_message item = {0};

    (void)state;
    box_open(&b);
    b.f.time_ms = T0 + DAY_MS;
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_CREATED);
    b.f.time_ms = T0;
    assert_int_equal(mail_now(&b, 1, 1).created_ms, T0 + DAY_MS);
    assert_true(item_find(&b, 1, 2, &item));
    assert_int_equal(item.expires_ms, T0 + DAY_MS + KITH_MAILBOX_AGE_MS_MAX);
    box_close(&b);
}

/* Devices that nothing waits for make room, the one addressed least lately first; it comes back above all it ever had. */
static void test_mailbox__forgets_devices_that_are_done(void **state)
{
    struct box_fixture b;

    (void)state;
    box_open(&b);
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_CREATED);
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_CREATED);
    for (uint32_t d = 2; d <= MAILBOX_DEVICES_MAX; d++) {
        b.f.time_ms++;
        assert_int_equal(mail_now(&b, d, 1).code, CODE_CREATED);
    }
    assert_int_equal(mail_now(&b, 1000, 1).code, CODE_MAILBOX_FULL);
    assert_int_equal(ack(&b, 1, 2).code, CODE_OK);
    assert_int_equal(mail_now(&b, 1000, 1).code, CODE_CREATED);
    assert_null(mailbox_device_find(b.box, DEVICE(1)));
    assert_int_equal(b.box->device_count, MAILBOX_DEVICES_MAX);
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_MAILBOX_FULL);
    assert_int_equal(ack(&b, 7, UINT64_MAX).code, CODE_OK);
    assert_int_equal(mail_now(&b, 1, 1).code, CODE_CREATED);
    assert_int_equal(mailbox_device_find(b.box, DEVICE(1))->row.last, b.box->head.last_n);
    assert_true(mailbox_device_find(b.box, DEVICE(1))->row.acked >= 2);
    box_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mailbox__each_device_has_its_own_items),
        cmocka_unit_test(test_mailbox__refuses_what_a_chat_refuses),
        cmocka_unit_test(test_mailbox__takes_no_body_for_all),
        cmocka_unit_test(test_mailbox__repeats_are_answered_as_at_first),
        cmocka_unit_test(test_mailbox__an_ack_deletes_the_devices_rows_up_to_it),
        cmocka_unit_test(test_mailbox__is_full_at_its_maximum),
        cmocka_unit_test(test_mailbox__what_is_too_old_makes_room),
        cmocka_unit_test(test_mailbox__a_device_that_never_comes),
        cmocka_unit_test(test_mailbox__time_does_not_go_back),
        cmocka_unit_test(test_mailbox__forgets_devices_that_are_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
