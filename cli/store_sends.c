#include <stdio.h>

#include "cli/store_impl.h"

/* The sends: a row each. Only its number, its state and what is wanted of it can be read without the key. */

#define COLUMNS           "row, state, content, outcome"
#define ROW_KEY_BYTES     9
#define CONTENT_HEAD      (16 + 1 + 8 + 2)
#define OUTCOME_BYTES     (16 + 8 + 1)
#define CONTENT_BYTES_MAX (CONTENT_HEAD + 64 + KITH_MESSAGE_BYTES_MAX)

static struct kith_slice row_key(uint8_t letter, int64_t row, uint8_t out[static ROW_KEY_BYTES])
{
    out[0] = letter;
    kith_put_u64_be(out + 1, (uint64_t)row);
    return kith_slice_of(out, ROW_KEY_BYTES);
}

/* Binds the stored key of an id, or with none NULL. */
static void bind_id(struct store *store, sqlite3_stmt *statement, int at, struct msg_id id)
{
    uint8_t key[17] = {'i'};

    memcpy(key + 1, id.id.raw, 16);
    if (!kith_uuid_is_nil(id.id)) /* a name always fits */
        kith_ignore(store_bind_sealed(store, statement, at, kith_slice_of(key, sizeof key), 0, (struct kith_slice){0}));
}

static void bind_outcome(struct store *store, sqlite3_stmt *statement, int at, int64_t row, struct msg_id id,
                         uint64_t seq, enum kith_code code)
{
    uint8_t key[ROW_KEY_BYTES], outcome[OUTCOME_BYTES];

    memcpy(outcome, id.id.raw, 16);
    kith_put_u64_be(outcome + 16, seq);
    outcome[24] = (uint8_t)code;
    kith_ignore(store_bind_sealed(store, statement, 0, row_key('o', row, key), at, /* it always fits */
                                  kith_slice_of(outcome, sizeof outcome)));
}

static int64_t row_next(struct store *store)
{
    sqlite3_stmt *statement = store_prepare(store, "SELECT seq FROM sqlite_sequence WHERE name='sends'");
    int64_t row = store_step(store, statement) ? sqlite3_column_int64(statement, 0) : 0;

    (void)sqlite3_finalize(statement);
    return row + 1;
}

static kith_err content_write(const struct send_row *send, struct kith_buf *out)
{
    kith_err err = kith_buf_append(out, kith_slice_of(send->chat.id.raw, 16));

    if (err == KITH_OK) err = kith_buf_append_u8(out, send->encrypted);
    if (err == KITH_OK) err = kith_buf_append_u64_be(out, send->created_ms);
    if (err == KITH_OK) err = kith_buf_append_u16_be(out, (uint16_t)strlen(send->content_type));
    if (err == KITH_OK) err = kith_buf_append_str(out, send->content_type);
    return err == KITH_OK ? kith_buf_append(out, send->body) : err;
}

kith_err store_send_add(struct store *store, const struct send_row *send, int64_t *row)
{
    sqlite3_stmt *statement = NULL;
    uint8_t key[ROW_KEY_BYTES];
    struct kith_buf content;
    kith_err err;

    kith_buf_init(&content, CONTENT_BYTES_MAX);
    err = content_write(send, &content);
    if (err != KITH_OK) goto done;
    store_begin(store); /* the row's number is in what is sealed */
    *row = row_next(store);
    statement = store_prepare(store, "INSERT INTO sends(row, state, content) VALUES(?1, 1, ?2)");
    (void)sqlite3_bind_int64(statement, 1, *row);
    err = store_bind_sealed(store, statement, 0, row_key('s', *row, key), 2, kith_buf_peek(&content));
    store_run(store, statement);
    if (store_commit(store) != KITH_OK) err = KITH_E_IO;
done:
    kith_buf_wipe(&content);
    return err;
}

/* What the store sealed itself is well-formed. */
static void content_read(struct kith_slice in, struct send_row *out)
{
    struct kith_slice type = {0};
    uint8_t encrypted = 0;
    uint16_t type_len = 0;
    kith_err err = kith_eat_copy(&in, out->chat.id.raw, 16);

    if (err == KITH_OK) err = kith_eat_u8(&in, &encrypted);
    if (err == KITH_OK) err = kith_eat_u64_be(&in, &out->created_ms);
    if (err == KITH_OK) err = kith_eat_u16_be(&in, &type_len);
    if (err == KITH_OK) err = kith_eat_bytes(&in, type_len, &type);
    kith_ignore(err);
    out->encrypted = encrypted != 0;
    (void)snprintf(out->content_type, sizeof out->content_type, "%.*s", (int)type.len, (const char *)type.ptr);
    out->body = in;
}

static void send_read(struct store *store, sqlite3_stmt *statement, struct kith_buf *room, struct send_row *out)
{
    uint8_t key[ROW_KEY_BYTES];

    *out = (struct send_row){.row = sqlite3_column_int64(statement, 0),
                             .state = (enum send_state)sqlite3_column_int(statement, 1)};
    content_read(store_open_column(store, statement, 2, row_key('s', out->row, key), room), out);
    if (sqlite3_column_type(statement, 3) != SQLITE_NULL) {
        struct kith_slice outcome = store_open_column(store, statement, 3, row_key('o', out->row, key), &store->opened);
        uint8_t code = 0;
        kith_err err = kith_eat_copy(&outcome, out->id.id.raw, 16);
        if (err == KITH_OK) err = kith_eat_u64_be(&outcome, &out->seq);
        if (err == KITH_OK) err = kith_eat_u8(&outcome, &code);
        kith_ignore(err); /* as above */
        out->code = (enum kith_code)code;
    }
}

static kith_err send_lend(struct store *store, sqlite3_stmt *statement, struct send_row *out)
{
    bool found = store_step(store, statement);

    if (found) send_read(store, statement, &store->send, out);
    (void)sqlite3_finalize(statement);
    return found ? KITH_OK : KITH_E_NOTFOUND;
}

kith_err store_send_get(struct store *store, int64_t row, struct send_row *out)
{
    sqlite3_stmt *statement = store_prepare(store, "SELECT " COLUMNS " FROM sends WHERE row=?1");

    (void)sqlite3_bind_int64(statement, 1, row);
    return send_lend(store, statement, out);
}

kith_err store_send_next(struct store *store, struct send_row *out)
{
    return send_lend(store, store_prepare(store, "SELECT " COLUMNS " FROM sends WHERE state=1 ORDER BY row LIMIT 1"),
                     out);
}

void store_send_each(struct store *store, bool (*each)(void *arg, const struct send_row *send), void *arg)
{
    sqlite3_stmt *statement = store_prepare(store,
                                            "SELECT " COLUMNS " FROM sends WHERE state IN (1, 2, 4) ORDER BY row");
    struct send_row send;
    struct kith_buf room;

    kith_buf_init(&room, STORE_ROOM_BYTES_MAX);
    while (store_step(store, statement)) {
        send_read(store, statement, &room, &send);
        if (!each(arg, &send)) break;
    }
    (void)sqlite3_finalize(statement);
    kith_buf_wipe(&room);
}

void store_send_mark(struct store *store, int64_t row, struct msg_id id, enum send_state state)
{
    sqlite3_stmt *statement = store_prepare(
        store, "UPDATE sends SET message=?2, state=?3, outcome=?4, wanted=NULL WHERE row=?1");

    (void)sqlite3_bind_int64(statement, 1, row);
    bind_id(store, statement, 2, id);
    (void)sqlite3_bind_int(statement, 3, (int)state);
    bind_outcome(store, statement, 4, row, id, 0, CODE_OK);
    store_run(store, statement);
}

void store_send_result(struct store *store, struct msg_id id, enum send_state state, uint64_t seq, enum kith_code code)
{
    sqlite3_stmt *statement = store_prepare(store, "SELECT row FROM sends WHERE message=?1");
    int64_t row = 0;

    bind_id(store, statement, 1, id);
    if (store_step(store, statement)) row = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    if (row != 0) {
        statement = store_prepare(store, "UPDATE sends SET state=?2, outcome=?3 WHERE row=?1");
        (void)sqlite3_bind_int64(statement, 1, row);
        (void)sqlite3_bind_int(statement, 2, (int)state);
        bind_outcome(store, statement, 3, row, id, seq, code);
        store_run(store, statement);
    }
    /* What was sent is in the history; the newest rows stay, for `status`. */
    store_run(store,
              store_prepare(store, "DELETE FROM sends WHERE state IN (3, 5) AND row < (SELECT max(row) FROM sends) - "
                                   "1000"));
}

void store_send_want(struct store *store, int64_t row, const char *what)
{
    sqlite3_stmt *statement = store_prepare(store, "UPDATE sends SET wanted=?2 WHERE row=?1");

    (void)sqlite3_bind_int64(statement, 1, row);
    (void)sqlite3_bind_text(statement, 2, what, -1, SQLITE_STATIC);
    store_run(store, statement);
}

kith_err store_send_wanted(struct store *store, int64_t *row, struct msg_id *id, char what[static 8])
{
    sqlite3_stmt *statement = store_prepare(store,
                                            "SELECT " COLUMNS ", wanted FROM sends WHERE wanted IS NOT NULL LIMIT 1");
    struct send_row send;
    bool found = store_step(store, statement);

    if (found) {
        send_read(store, statement, &store->send, &send);
        *row = send.row;
        *id = send.id;
        (void)snprintf(what, 8, "%s", (const char *)sqlite3_column_text(statement, 4));
    }
    (void)sqlite3_finalize(statement);
    return found ? KITH_OK : KITH_E_NOTFOUND;
}
