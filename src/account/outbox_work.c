#include "account/outbox_impl.h"

/* Forward, so that the file reads in the order of the work. */
static void facts_page(struct outbox_work *work);
static void chat_page(struct outbox_work *work);

/* ------------------------------------------------------------------------------------------------ steps */

void outbox_fail(struct outbox_work *work, enum kith_code failure)
{
    outbox_work_done(work->outbox, failure);
}

static struct outbox_work *work_of_call(struct directory_call *call)
{
    return (struct outbox_work *)((char *)call - offsetof(struct outbox_work, call));
}

static kith_err tx_run(struct directory_call *call, struct directory_tx *tx)
{
    struct outbox_work *work = work_of_call(call);
    return work->run(work, tx);
}

static void tx_done(struct directory_call *call)
{
    struct outbox_work *work = work_of_call(call);

    if (call->err == KITH_OK)
        work->next(work);
    else
        outbox_fail(work, call->err == KITH_E_NOSPACE ? CODE_READ_ONLY : CODE_UNAVAILABLE);
}

void outbox_tx(struct outbox_work *work, bool read_only,
               kith_err (*run)(struct outbox_work *work, struct directory_tx *tx), outbox_next next)
{
    struct accounts *accounts = outbox_accounts(work->outbox);

    work->run = run;
    work->next = next;
    work->call = (struct directory_call){
        .loop = accounts->config.loop, .read_only = read_only, .run = tx_run, .done = tx_done};
    directory_call(accounts->config.directory, &work->call);
}

void outbox_asks_begin(struct outbox_work *work)
{
    work->ask_count = 0;
    work->asks_left = 1; /* ours, so that the end is not before outbox_asks_end() */
    work->failure = CODE_OK;
}

static void ask_answered(struct outbox_work *work)
{
    if (--work->asks_left > 0) return;
    if (work->failure != CODE_OK)
        outbox_fail(work, work->failure);
    else
        work->next(work);
}

static void ask_done(struct ask *ask)
{
    struct outbox_work *work = ((struct outbox_ask *)ask)->work;

    switch (ask->answer.code) {
    case CODE_CREATED:
    case CODE_OK:
        if (work->record.kind == OUTBOX_DIRECT && work->result == CODE_INTERNAL) work->result = ask->answer.code;
        break;
    case CODE_NOT_FOUND: /* no such chat, or not in it: nothing to be told */
    case CODE_FORBIDDEN: break;
    case CODE_READ_ONLY:
    case CODE_UNAVAILABLE:
        if (work->failure == CODE_OK) work->failure = ask->answer.code;
        break;
    case CODE_UNKNOWN_OUTCOME: work->failure = CODE_UNKNOWN_OUTCOME; break; /* whatever the others got */
    default:
        log_line(outbox_accounts(work->outbox)->config.log, LOG_LINE_ERROR, log_event("outbox_refused"),
                 log_uint("kind", work->record.kind), log_str("code", kith_code_name(ask->answer.code)));
    }
    ask_answered(work);
}

void outbox_ask_core(struct outbox_work *work, const struct cmd *cmd)
{
    struct outbox_ask *ask = &work->asks[work->ask_count];

    assert(work->ask_count < OUTBOX_ASKS);
    work->ask_count++;
    work->asks_left++;
    *ask = (struct outbox_ask){.ask.done = ask_done, .work = work};
    asker_ask(outbox_accounts(work->outbox)->config.asker, cmd, &ask->ask);
}

/* Each answer is awaited before `next`. */
void outbox_asks_end(struct outbox_work *work, outbox_next next)
{
    work->next = next;
    ask_answered(work);
}

void outbox_ask_fact(struct outbox_work *work, struct chat_id chat, struct user_id subject, enum cmd_fact fact,
                     uint64_t value)
{
    struct cmd cmd = {.verb = CMD_FACT, .stream = chat.id, .subject = subject, .fact = (uint8_t)fact, .value = value};

    outbox_ask_core(work, &cmd);
}

/* ------------------------------------------------------------------------------------------------ loading */

static kith_err person_load(struct directory_tx *tx, struct outbox_person *person)
{
    struct user_record user = {.user_id = person->user.id};
    kith_err err = directory_get(tx, &table_users, USERS_BY_ID, &user);

    person->exists = err == KITH_OK;
    person->gone = err == KITH_OK && user.status == USER_DELETED;
    person->receipts = err == KITH_OK && user.read_receipts != 0;
    person->list_seq = err == KITH_OK ? user.list_seq : 0;
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

kith_err outbox_people_run(struct outbox_work *work, struct directory_tx *tx)
{
    kith_err err = KITH_OK;

    for (uint32_t i = 0; i < work->people_count && err == KITH_OK; i++) err = person_load(tx, &work->people[i]);
    return err;
}

kith_err outbox_block_load(struct directory_tx *tx, struct kith_uuid blocker, struct kith_uuid blocked, bool *blocks)
{
    struct block_record block = {.user_id = blocker, .blocked_id = blocked};
    kith_err err = directory_get(tx, &table_blocks, BLOCKS_BY_PAIR, &block);

    *blocks = err == KITH_OK;
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

static void scan_start(struct outbox_work *work, const struct row_key *any, bool again,
                       void (*done)(struct msgstore_scan *op))
{
    struct accounts *accounts = outbox_accounts(work->outbox);

    memcpy(work->prefix, any->bytes, sizeof work->prefix);
    if (!again) work->scan.from = (struct kith_slice){0};
    kith_buf_reset(&work->scan.rows);
    work->scan.loop = accounts->config.loop;
    work->scan.prefix = kith_slice_of(work->prefix, sizeof work->prefix);
    work->scan.rows_max = OUTBOX_PAGE;
    work->scan.done = done;
    msgstore_scan(accounts->config.store, &work->scan);
}

/* The next page starts right after `key`. */
static void scan_from(struct outbox_work *work, struct kith_slice key)
{
    memcpy(work->from, key.ptr, key.len);
    work->from[key.len] = 0;
    work->scan.from = kith_slice_of(work->from, key.len + 1);
}

static struct outbox_work *work_of_scan(struct msgstore_scan *op)
{
    return (struct outbox_work *)((char *)op - offsetof(struct outbox_work, scan));
}

/* ------------------------------------------------------------------------------------------------ FACTS */

static void ask_leave(struct outbox_work *work, struct chat_id chat)
{
    struct cmd cmd = {.verb = CMD_MEMBER_LEAVE, .stream = chat.id, .actor = work->people[0].user};

    outbox_ask_core(work, &cmd); /* FORBIDDEN in a direct chat, and in one that was left before */
}

/*
 * While the login that made the device still waits, nothing can have been made for it, so chats may begin it at their heads.
 * One that was answered late, or in another life, may be known to others: then chats are not told of it, and it begins
 * where its person joined.
 */
static void ask_list_seq(struct outbox_work *work, struct chat_id chat)
{
    const struct outbox_person *person = &work->people[0];
    struct cmd cmd = {
        .verb = CMD_FACT, .stream = chat.id, .subject = person->user, .fact = FACT_LIST_SEQ, .value = person->list_seq};

    if (outbox_is_awaited(work->outbox)) cmd.device.id = work->record.object;
    outbox_ask_core(work, &cmd);
}

static void facts_ask(struct outbox_work *work, struct chat_id chat)
{
    const struct outbox_person *person = &work->people[0];
    uint64_t facts = work->record.value;

    if (facts & OUTBOX_LIST_SEQ) ask_list_seq(work, chat);
    if (facts & OUTBOX_RECEIPTS) outbox_ask_fact(work, chat, person->user, FACT_RECEIPTS, person->receipts);
    if (!person->gone) return;
    ask_leave(work, chat);
    outbox_ask_fact(work, chat, person->user, FACT_ACCOUNT_GONE, 1);
}

static void facts_told(struct outbox_work *work)
{
    outbox_page_told(work->outbox);
    if (work->scan.more)
        facts_page(work);
    else
        outbox_delete(work);
}

static void facts_scanned(struct msgstore_scan *op)
{
    struct outbox_work *work = work_of_scan(op);
    struct kith_slice rows = kith_buf_peek(&op->rows), key, value;
    struct chat_id chat;
    bool is_put;

    if (op->err != KITH_OK) {
        outbox_fail(work, CODE_UNAVAILABLE);
        return;
    }
    outbox_asks_begin(work);
    while (msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
        scan_from(work, key);
        if (row_key_tail_id(key, &chat.id) == KITH_OK) facts_ask(work, chat);
    }
    outbox_asks_end(work, facts_told);
}

static void facts_page(struct outbox_work *work)
{
    struct row_key any = row_key_inbox(work->people[0].user, (struct chat_id){0});

    scan_start(work, &any, work->scan.from.len > 0, facts_scanned);
}

static void facts_loaded(struct outbox_work *work)
{
    work->scan.from = (struct kith_slice){0};
    if (work->people[0].exists)
        facts_page(work);
    else
        outbox_delete(work);
}

/* ------------------------------------------------------------------------------------------------ BLOCK */

static kith_err block_run(struct outbox_work *work, struct directory_tx *tx)
{
    return outbox_block_load(tx, work->record.subject, work->record.object, &work->blocks[0]);
}

static void block_loaded(struct outbox_work *work)
{
    const struct accounts *accounts = outbox_accounts(work->outbox);
    struct user_id subject = {work->record.subject}, object = {work->record.object};

    outbox_asks_begin(work);
    for (int encrypted = 0; encrypted < 2; encrypted++)
        outbox_ask_fact(work, accounts_direct_chat(accounts, subject, object, encrypted != 0), subject, FACT_BLOCKS,
                        work->blocks[0]);
    outbox_asks_end(work, outbox_delete);
}

/* ------------------------------------------------------------------------------------------------ CHAT */

static void chat_told(struct outbox_work *work)
{
    if (work->scan.more)
        chat_page(work);
    else
        outbox_delete(work);
}

static void chat_loaded(struct outbox_work *work)
{
    struct chat_id chat = {work->record.object};

    outbox_asks_begin(work);
    for (uint32_t i = 0; i < work->people_count; i++) {
        const struct outbox_person *person = &work->people[i];
        bool shown = (person->row.flags & MEMBER_RECEIPTS_OFF) == 0;
        if (!person->exists) continue;
        if (person->list_seq > person->row.list_seq)
            outbox_ask_fact(work, chat, person->user, FACT_LIST_SEQ, person->list_seq);
        if (person->gone && (person->row.flags & MEMBER_GONE) == 0) {
            struct cmd leave = {.verb = CMD_MEMBER_LEAVE, .stream = chat.id, .actor = person->user};
            outbox_ask_core(work, &leave);
            outbox_ask_fact(work, chat, person->user, FACT_ACCOUNT_GONE, 1);
        }
        if (!person->gone && person->receipts != shown)
            outbox_ask_fact(work, chat, person->user, FACT_RECEIPTS, person->receipts);
    }
    outbox_asks_end(work, chat_told);
}

static void chat_scanned(struct msgstore_scan *op)
{
    struct outbox_work *work = work_of_scan(op);
    struct kith_slice rows = kith_buf_peek(&op->rows), key, value;
    bool is_put;

    if (op->err != KITH_OK) {
        outbox_fail(work, CODE_UNAVAILABLE);
        return;
    }
    work->people_count = 0;
    while (msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK && work->people_count < OUTBOX_PAGE) {
        struct outbox_person *person = &work->people[work->people_count];
        *person = (struct outbox_person){0};
        scan_from(work, key);
        if (row_key_tail_id(key, &person->user.id) != KITH_OK) continue;
        if (row_member_decode(value, &person->row) == KITH_OK) work->people_count++;
    }
    outbox_tx(work, true, outbox_people_run, chat_loaded);
}

static void chat_page(struct outbox_work *work)
{
    struct row_key any = row_key_member((struct chat_id){work->record.object}, (struct user_id){0});

    scan_start(work, &any, work->scan.from.len > 0, chat_scanned);
}

/* ------------------------------------------------------------------------------------------------ begin and end */

static kith_err delete_run(struct outbox_work *work, struct directory_tx *tx)
{
    kith_err err = directory_del(tx, &table_outbox, &work->record);

    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

static void work_deleted(struct outbox_work *work)
{
    outbox_work_done(work->outbox, CODE_OK);
}

void outbox_delete(struct outbox_work *work)
{
    outbox_tx(work, false, delete_run, work_deleted);
}

void outbox_work_init(struct outbox_work *work, struct outbox *outbox)
{
    work->outbox = outbox;
    kith_buf_init(&work->scan.rows, 64 * 1024);
    kith_buf_init(&work->get.value, 4096);
}

void outbox_work_deinit(struct outbox_work *work)
{
    kith_buf_deinit(&work->scan.rows);
    kith_buf_deinit(&work->get.value);
}

void outbox_work_start(struct outbox_work *work, const struct outbox_record *record)
{
    work->record = *record;
    work->result = CODE_INTERNAL;
    work->accepted = (record->value & OUTBOX_ACCEPTED) != 0 && record->kind == OUTBOX_DIRECT;
    work->scan.from = (struct kith_slice){0};
    memset(work->people, 0, sizeof work->people);
    work->people[0].user.id = record->subject;
    work->people[1].user.id = record->object;
    work->people_count = record->kind == OUTBOX_DIRECT ? 2 : 1;
    switch ((enum outbox_kind)record->kind) {
    case OUTBOX_FACTS: outbox_tx(work, true, outbox_people_run, facts_loaded); return;
    case OUTBOX_BLOCK: outbox_tx(work, true, block_run, block_loaded); return;
    case OUTBOX_CHAT: chat_page(work); return;
    case OUTBOX_DIRECT: outbox_direct(work); return;
    }
    log_line(outbox_accounts(work->outbox)->config.log, LOG_LINE_ERROR, log_event("outbox_unknown"),
             log_uint("kind", record->kind));
    outbox_delete(work);
}
