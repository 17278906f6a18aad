#include "account/outbox_impl.h"

/*
 * A direct chat: create it with what is true now; then, since that may have changed meanwhile, look again and tell both.
 */

static kith_err direct_run(struct outbox_work *work, struct directory_tx *tx)
{
    struct user_record a = {.user_id = work->record.subject}, b = {.user_id = work->record.object};
    kith_err err = outbox_people_run(work, tx);

    if (err == KITH_OK) err = outbox_block_load(tx, work->record.subject, work->record.object, &work->blocks[0]);
    if (err == KITH_OK) err = outbox_block_load(tx, work->record.object, work->record.subject, &work->blocks[1]);
    if (err != KITH_OK || !work->people[0].exists || !work->people[1].exists) return err;
    err = directory_get(tx, &table_users, USERS_BY_ID, &a);
    if (err == KITH_OK) err = directory_get(tx, &table_users, USERS_BY_ID, &b);
    /* Whoever invited the other is no stranger. */
    if (err == KITH_OK)
        work->accepted |= kith_uuid_eq(a.invited_by, b.user_id) || kith_uuid_eq(b.invited_by, a.user_id);
    return err;
}

static struct chat_id direct_chat(const struct outbox_work *work, bool other_kind)
{
    bool encrypted = (work->record.value & OUTBOX_ENCRYPTED) != 0;

    return accounts_direct_chat(outbox_accounts(work->outbox), (struct user_id){work->record.subject},
                                (struct user_id){work->record.object}, encrypted != other_kind);
}

static void direct_told(struct outbox_work *work)
{
    struct chat_id chat = direct_chat(work, false);
    bool is_new = work->result == CODE_CREATED;

    outbox_asks_begin(work);
    for (int i = 0; i < 2; i++) {
        const struct outbox_person *now = &work->people[i], *before = &work->before[i];
        if (!is_new || now->list_seq != before->list_seq)
            outbox_ask_fact(work, chat, now->user, FACT_LIST_SEQ, now->list_seq);
        if (!is_new || now->receipts != before->receipts)
            outbox_ask_fact(work, chat, now->user, FACT_RECEIPTS, now->receipts);
        if (now->gone) outbox_ask_fact(work, chat, now->user, FACT_ACCOUNT_GONE, 1);
        if (!is_new || work->blocks[i]) outbox_ask_fact(work, chat, now->user, FACT_BLOCKS, work->blocks[i]);
    }
    outbox_asks_end(work, outbox_delete);
}

static void direct_created(struct outbox_work *work)
{
    memcpy(work->before, work->people, sizeof work->before);
    outbox_tx(work, true, direct_run, direct_told);
}

static void direct_create(struct outbox_work *work)
{
    bool object_first = kith_uuid_cmp(work->record.object, work->record.subject) < 0;
    uint8_t members[2 * CMD_MEMBER_BYTES];
    struct cmd cmd = {
        .verb = CMD_CHAT_CREATE,
        .flags = (work->record.value & OUTBOX_ENCRYPTED) ? CMD_ENCRYPTED : 0,
        .stream = direct_chat(work, false).id,
        .actor = {work->record.subject},
        .members = kith_slice_of(members, sizeof members),
    };

    for (int i = 0; i < 2; i++) {
        struct cmd_member member = {
            .user = work->people[i].user,
            .list_seq = work->people[i].list_seq,
            .role = ROLE_MEMBER,
            .accepted = i == 0 || work->accepted,
            .receipts = work->people[i].receipts,
        };
        cmd_member_encode(&member, members + CMD_MEMBER_BYTES * (size_t)(object_first ? 1 - i : i));
    }
    outbox_asks_begin(work);
    outbox_ask_core(work, &cmd);
    outbox_asks_end(work, direct_created);
}

/* In the pair's other direct chat (the encrypted one, or the other) the object may have accepted already. */
static void direct_got(struct msgstore_get *op)
{
    struct outbox_work *work = (struct outbox_work *)((char *)op - offsetof(struct outbox_work, get));
    struct row_member row = {0};

    if (op->err != KITH_OK && op->err != KITH_E_NOTFOUND) {
        outbox_fail(work, CODE_UNAVAILABLE);
        return;
    }
    if (op->err == KITH_OK && row_member_decode(kith_buf_peek(&op->value), &row) == KITH_OK)
        work->accepted |= (row.flags & MEMBER_ACCEPTED) != 0;
    direct_create(work);
}

static void direct_loaded(struct outbox_work *work)
{
    struct accounts *accounts = outbox_accounts(work->outbox);

    if (!work->people[0].exists || !work->people[1].exists || work->people[0].gone || work->people[1].gone) {
        work->result = CODE_NOT_FOUND;
        outbox_delete(work);
        return;
    }
    work->key = row_key_member(direct_chat(work, true), (struct user_id){work->record.object});
    kith_buf_reset(&work->get.value);
    work->get.loop = accounts->config.loop;
    work->get.key = row_key_slice(&work->key);
    work->get.done = direct_got;
    msgstore_get(accounts->config.store, &work->get);
}

void outbox_direct(struct outbox_work *work)
{
    outbox_tx(work, true, direct_run, direct_loaded);
}
