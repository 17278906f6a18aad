#include "bench/bench_rest.h"

#include <jansson.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <time.h>

#include "account/token.h"
#include "loop/loop_epoll.h"
#include "net/http_client.h"

#define TOKEN_LIFE_MS (24ll * 3600 * 1000)
#define AT_ONCE       32

struct rows {
    sqlite3 *db;
    sqlite3_stmt *user, *device, *session;
    sqlite3_int64 now_ms;
};

static bool rows_open(const struct bench_server *server, struct rows *rows)
{
    static const char *const texts[] = {
        "INSERT INTO users VALUES (?1, ?2, ?2, '', 1, 0, 1, 1, ?3, zeroblob(16))",
        "INSERT INTO devices VALUES (?1, ?2, 'bench', ?3, ?3)",
        "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, x'', ?5, ?5, 0)",
    };
    sqlite3_stmt **statements[] = {&rows->user, &rows->device, &rows->session};
    char path[320];
    bool ok;

    (void)snprintf(path, sizeof path, "%s/directory.sqlite", server->data);
    ok = sqlite3_open_v2(path, &rows->db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
         sqlite3_exec(rows->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;
    for (size_t i = 0; i < 3 && ok; i++)
        ok = sqlite3_prepare_v2(rows->db, texts[i], -1, statements[i], NULL) == SQLITE_OK;
    rows->now_ms = (sqlite3_int64)time(NULL) * 1000;
    return ok;
}

static bool step(sqlite3_stmt *statement)
{
    bool ok = sqlite3_step(statement) == SQLITE_DONE;

    (void)sqlite3_reset(statement);
    return ok;
}

static void bind_id(sqlite3_stmt *statement, int at, const struct kith_uuid *id)
{
    (void)sqlite3_bind_blob(statement, at, id->raw, sizeof id->raw, SQLITE_TRANSIENT);
}

static struct kith_uuid id_make(void)
{
    uint8_t coins[16];

    randombytes_buf(coins, sizeof coins);
    return kith_uuid_v8_make(coins);
}

static bool user_write(struct rows *rows, const struct kith_uuid *id, size_t number)
{
    char name[32];

    (void)snprintf(name, sizeof name, "bench%zu", number);
    bind_id(rows->user, 1, id);
    (void)sqlite3_bind_text(rows->user, 2, name, -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(rows->user, 3, rows->now_ms);
    return step(rows->user);
}

static bool device_write(struct rows *rows, const struct kith_uuid *user, struct bench_user *out)
{
    struct kith_uuid id = id_make();
    uint8_t token[TOKEN_BYTES], hash[DIRECTORY_HASH_BYTES], other[DIRECTORY_HASH_BYTES];
    char text[ACCOUNT_TOKEN_TEXT_MAX];

    randombytes_buf(token, sizeof token);
    randombytes_buf(other, sizeof other);
    token_hash(token, hash);
    token_format(TOKEN_ACCESS, token, text);
    (void)snprintf(out->token, sizeof out->token, "%s", text);
    kith_uuid_format(*user, out->id);
    bind_id(rows->device, 1, &id);
    bind_id(rows->device, 2, user);
    (void)sqlite3_bind_int64(rows->device, 3, rows->now_ms);
    bind_id(rows->session, 1, &id);
    bind_id(rows->session, 2, user);
    (void)sqlite3_bind_blob(rows->session, 3, hash, sizeof hash, SQLITE_TRANSIENT);
    (void)sqlite3_bind_blob(rows->session, 4, other, sizeof other, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(rows->session, 5, rows->now_ms + TOKEN_LIFE_MS);
    return step(rows->device) && step(rows->session);
}

bool bench_users_write(const struct bench_server *server, struct bench_user *users, size_t count, size_t devices)
{
    struct rows rows = {0};
    bool ok = rows_open(server, &rows);

    for (size_t i = 0; i < count && ok; i++) {
        struct kith_uuid id = id_make();
        ok = user_write(&rows, &id, i);
        for (size_t d = 0; d < devices && ok; d++) ok = device_write(&rows, &id, &users[i * devices + d]);
    }
    ok = ok && sqlite3_exec(rows.db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    if (!ok) (void)fprintf(stderr, "kith-bench: accounts: %s\n", sqlite3_errmsg(rows.db));
    (void)sqlite3_finalize(rows.user);
    (void)sqlite3_finalize(rows.device);
    (void)sqlite3_finalize(rows.session);
    (void)sqlite3_close(rows.db);
    return ok;
}

struct chats {
    const struct bench_server *server;
    struct net_shared *net;
    const struct bench_user *users;
    size_t pairs, next, open;
    char (*ids)[40];
    bool failed;
};

struct chat_call {
    struct chats *chats;
    size_t at;
};

static void chat_next(struct chat_call *call);

static void chat_done(void *arg, const struct http_call_result *result)
{
    struct chat_call *call = arg;
    struct chats *chats = call->chats;
    json_t *body = NULL;
    const char *id = NULL;

    chats->open--;
    if (result->err == KITH_OK)
        body = json_loadb((const char *)result->response->body.ptr, result->response->body.len, 0, NULL);
    id = json_string_value(json_object_get(body, "chat_id"));
    if (id == NULL) {
        if (!chats->failed)
            (void)fprintf(stderr, "kith-bench: POST /chats: %s, status %u\n", kith_err_name(result->err),
                          result->err == KITH_OK ? result->response->status : 0);
        chats->failed = true;
    } else {
        (void)snprintf(chats->ids[call->at], sizeof chats->ids[0], "%s", id);
    }
    json_decref(body);
    chat_next(call);
}

static void chat_next(struct chat_call *call)
{
    struct chats *chats = call->chats;
    char url[64], body[160], bearer[80];
    struct http_header headers[] = {{"Authorization", bearer}, {NULL, NULL}};
    struct http_call *started = NULL;

    if (chats->failed || chats->next == chats->pairs) return;
    call->at = chats->next++;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/chats", chats->server->port);
    (void)snprintf(bearer, sizeof bearer, "Bearer %s", chats->users[2 * call->at].token);
    (void)snprintf(body, sizeof body, "{\"type\":\"direct\",\"encrypted\":false,\"members\":[\"%s\"]}",
                   chats->users[2 * call->at + 1].id);
    chats->failed = http_call_start(&(struct http_call_config){.net = chats->net,
                                                               .method = HTTP1_POST,
                                                               .url = url,
                                                               .headers = headers,
                                                               .content_type = "application/json",
                                                               .body = kith_slice_str(body),
                                                               .body_bytes_max = 65536,
                                                               .timeout_ms = 30000,
                                                               .done = chat_done,
                                                               .arg = call},
                                    &started) != KITH_OK;
    chats->open += !chats->failed;
}

bool bench_chats_make(const struct bench_server *server, struct net_shared *net, const struct bench_user *users,
                      size_t pairs, char (*ids)[40])
{
    struct chats chats = {.server = server, .net = net, .users = users, .pairs = pairs, .ids = ids};
    struct chat_call calls[AT_ONCE];

    for (size_t i = 0; i < AT_ONCE; i++) {
        calls[i].chats = &chats;
        chat_next(&calls[i]);
    }
    while (chats.open > 0) loop_epoll_once(net->loop, 100);
    return !chats.failed;
}

struct metrics_call {
    struct kith_buf *out;
    bool done, ok;
};

static void metrics_done(void *arg, const struct http_call_result *result)
{
    struct metrics_call *call = arg;

    call->done = true;
    kith_buf_reset(call->out);
    call->ok = result->err == KITH_OK && result->response->status == 200 &&
               kith_buf_append(call->out, result->response->body) == KITH_OK;
}

bool bench_metrics(const struct bench_server *server, struct net_shared *net, struct kith_buf *out)
{
    struct metrics_call call = {.out = out};
    struct http_call *started = NULL;
    char url[64];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/metrics", server->admin_port);
    if (http_call_start(&(struct http_call_config){.net = net,
                                                   .method = HTTP1_GET,
                                                   .url = url,
                                                   .body_bytes_max = 1024 * 1024,
                                                   .timeout_ms = 10000,
                                                   .done = metrics_done,
                                                   .arg = &call},
                        &started) != KITH_OK)
        return false;
    while (!call.done) loop_epoll_once(net->loop, 100);
    return call.ok;
}
