#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/fetch.h"
#include "cli/group.h"
#include "cli/recall.h"
#include "cli/store.h"
#include "loop/loop_epoll.h"
#include "net/ws_client.h"

/*
 * The host of a libkith client: its records are in the state's database, its bytes go over a WebSocket. PERSIST is one
 * transaction; a send that is taken from the waiting rows changes its row in the transaction that stores its record.
 */
/* A message that is to be shown: a copy, bytes of its slices behind it. */
struct shown {
    struct shown *next;
    struct kith_message message;
    uint8_t bytes[];
};

struct online {
    struct conn_user user; /* first: the connection gives it back */
    struct cli *cli;
    struct online_view view;
    struct kith_client *client;
    struct fetcher *fetcher;
    struct ws_client *opening;
    struct conn *conn;
    struct loop_timer tick, poll;
    struct loop_task effects; /* for all that one wake-up brings: each PERSIST waits for the disk */
    bool effects_due;
    struct shown *shown_first, **shown_last;
    bool wants_token;
    int64_t taking; /* the row whose record the next PERSIST stores; 0: none */
    struct msg_id taking_id;
    enum send_state taking_to; /* what it is then */
};

#define ONLINE_POLL_MS    200
#define ONLINE_CONNECT_MS 10000
#define ONLINE_FLUSH_MS   3000

static const char *const subprotocols[] = {"v12.stomp", NULL};

uint64_t cli_now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t cli_wall_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct kith_time cli_time_now(void)
{
    return (struct kith_time){.mono_ms = cli_now_ms(), .wall_ms = cli_wall_ms()};
}

static void random_bytes(void *arg, void *out, size_t len)
{
    (void)arg;
    randombytes_buf(out, len);
}

static void user_bytes(struct conn_user *user, uint8_t *bytes, size_t len)
{
    struct online *online = (struct online *)user;

    kith_client_bytes(online->client, cli_time_now(), bytes, len);
    if (online->effects_due) return;
    online->effects_due = true;
    loop_defer(online->cli->loop, &online->effects);
}

static void effects_run(struct loop_task *task)
{
    struct online *online = (struct online *)((char *)task - offsetof(struct online, effects));

    online->effects_due = false;
    if (online->client != NULL) online_run_effects(online);
}

static void user_drained(struct conn_user *user)
{
    (void)user;
}

static void user_closed(struct conn_user *user, enum conn_closed why)
{
    struct online *online = (struct online *)user;

    (void)why;
    online->conn = NULL;
    if (online->client == NULL) return;
    kith_client_disconnected(online->client, cli_time_now());
    online_run_effects(online);
}

static void ws_opened(void *arg, const struct ws_client_result *result)
{
    struct online *online = arg;

    online->opening = NULL;
    if (result->err == KITH_OK) {
        online->conn = result->conn;
        kith_client_connected(online->client, cli_time_now());
    } else
        kith_client_disconnected(online->client, cli_time_now());
    online_run_effects(online);
}

static void hang_up(struct online *online)
{
    ws_client_cancel(online->opening);
    online->opening = NULL;
    if (online->conn != NULL) conn_close(online->conn, 1000, "");
}

static void dial(struct online *online)
{
    struct cli *cli = online->cli;
    const char *server = store_get(cli->store, "server");
    char url[4096];
    struct ws_client_options options = {.net = cli->net,
                                        .tls = cli->tls,
                                        .url = url,
                                        .subprotocols = subprotocols,
                                        .permessage_deflate = true,
                                        .message_bytes_max = 4 * 1024 * 1024,
                                        .timeout_ms = ONLINE_CONNECT_MS,
                                        .user = &online->user,
                                        .opened = ws_opened,
                                        .arg = online};

    if (online->conn != NULL) { /* the old one is still saying goodbye: its end is not the new one's */
        conn_close(online->conn, 1000, "");
        kith_client_disconnected(online->client, cli_time_now());
        return;
    }
    /* http becomes ws, https becomes wss. */
    (void)snprintf(url, sizeof url, "ws%s/connect", strncmp(server, "http", 4) == 0 ? server + 4 : server);
    if (ws_client_open(&options, &online->opening) != KITH_OK) kith_client_disconnected(online->client, cli_time_now());
}

static void persist(struct online *online, struct kith_slice records)
{
    struct store *store = online->cli->store;

    store_begin(store);
    if (online->taking != 0) store_send_mark(store, online->taking, online->taking_id, online->taking_to);
    if (store_persist(store, records) != KITH_OK || store_commit(store) != KITH_OK) {
        /* What cannot be written down must not be sent or shown as if it were. */
        fprintf(stderr, "kith: the state cannot be written; stopped before anything was lost\n");
        exit(EXIT_FAILED);
    }
    online->taking = 0;
    kith_client_persisted(online->client);
}

/* The server is asked for it, and meanwhile the loop turns: see show_later(). */
static void give_token(struct online *online)
{
    online->wants_token = false;
    if (!cli_refresh(online->cli)) return; /* stays offline; `account login` helps */
    kith_client_token(online->client, cli_time_now(), kith_slice_str(store_get(online->cli->store, "access_token")));
    online_run_effects(online);
}

static struct kith_slice copy_to(uint8_t **at, struct kith_slice from)
{
    uint8_t *to = *at;

    if (from.len > 0) memcpy(to, from.ptr, from.len);
    *at += from.len;
    return kith_slice_of(to, from.len);
}

/* To show it may take a question to the server, during which the loop turns and more comes: not here, inside of a turn. */
static void show_later(struct online *online, const struct kith_message *m)
{
    struct shown *one = malloc(sizeof *one + m->type.len + m->content_type.len + m->body.len);
    uint8_t *at;

    if (one == NULL) return; /* it is kept, and kith history has it */
    *one = (struct shown){.message = *m};
    at = one->bytes;
    one->message.type = copy_to(&at, m->type);
    one->message.content_type = copy_to(&at, m->content_type);
    one->message.body = copy_to(&at, m->body);
    *online->shown_last = one;
    online->shown_last = &one->next;
}

/* One after the other, also those that come while one is shown. */
static void show_all(struct online *online)
{
    for (struct shown *one; (one = online->shown_first) != NULL;) {
        online->shown_first = one->next;
        if (one->next == NULL) online->shown_last = &online->shown_first;
        online->view.message(online->view.arg, &one->message);
        free(one);
    }
}

static void show(struct online *online, const struct kith_effect *e)
{
    const struct online_view *view = &online->view;
    struct store *store = online->cli->store;

    switch (e->kind) {
    case KITH_EFFECT_MESSAGE:
        group_note(online->cli, online->client, &e->message);
        if (view->message != NULL) show_later(online, &e->message);
        break;
    case KITH_EFFECT_SENT:
        store_send_result(store, e->id, SEND_SENT, e->seq, CODE_OK);
        if (view->sent != NULL) view->sent(view->arg, e->id, e->chat, e->seq);
        break;
    case KITH_EFFECT_FAILED:
        store_send_result(store, e->id, SEND_FAILED, 0, e->code);
        if (view->failed != NULL) view->failed(view->arg, e->id, e->code, e->is_unknown);
        break;
    case KITH_EFFECT_RECEIPT:
        if (view->receipt != NULL) view->receipt(view->arg, e->chat, e->user, e->delivered_up_to, e->read_up_to);
        break;
    case KITH_EFFECT_TYPING:
        if (view->typing != NULL) view->typing(view->arg, e->chat, e->user, e->typing);
        break;
    case KITH_EFFECT_STATE:
        if (view->state != NULL) view->state(view->arg, e->connection, e->code);
        break;
    default: break;
    }
}

static void effect(struct online *online, const struct kith_effect *e)
{
    uint64_t at = cli_now_ms();

    switch (e->kind) {
    case KITH_EFFECT_PERSIST: persist(online, e->bytes); break;
    case KITH_EFFECT_SEND:
        if (online->conn != NULL) conn_send(online->conn, e->bytes, false);
        break;
    case KITH_EFFECT_CONNECT: dial(online); break;
    case KITH_EFFECT_CLOSE: hang_up(online); break;
    case KITH_EFFECT_TIMER:
        loop_timer_start(online->cli->loop, &online->tick, e->at_ms > at ? e->at_ms - at : 0);
        break;
    case KITH_EFFECT_TOKEN: online->wants_token = true; break;
    case KITH_EFFECT_RECALL: recall_answer(online->cli, online->client, e->chat, e->seq); break;
    case KITH_EFFECT_FETCH: fetcher_start(online->fetcher, &e->fetch); break;
    default: show(online, e); break;
    }
}

void online_run_effects(struct online *online)
{
    struct kith_effect e;

    while (kith_client_next(online->client, &e) == KITH_OK) effect(online, &e);
}

static void fetched(void *arg, bool is_unauthorized)
{
    struct online *online = arg;

    online->wants_token |= is_unauthorized;
    online_run_effects(online);
}

static void tick_fire(struct loop_timer *timer)
{
    struct online *online = (struct online *)((char *)timer - offsetof(struct online, tick));

    kith_client_tick(online->client, cli_time_now());
    online_run_effects(online);
}

/* What other processes of this person wrote down meanwhile. One at a time: each PERSIST belongs to one row. */
static void take_waiting(struct online *online)
{
    struct store *store = online->cli->store;
    struct send_row row;
    char what[8];
    int64_t wanted;
    struct msg_id id;

    while (store_send_next(store, &row) == KITH_OK) {
        struct kith_send send = {.chat = row.chat,
                                 .encrypted = row.encrypted,
                                 .content_type = kith_slice_str(row.content_type),
                                 .body = row.body};
        online->taking = row.row;
        online->taking_to = SEND_QUEUED;
        if (kith_client_send(online->client, cli_time_now(), &send, &online->taking_id) != KITH_OK) {
            online->taking = 0;
            return; /* the outbox is full: later */
        }
        online_run_effects(online);
    }
    while (store_send_wanted(store, &wanted, &id, what) == KITH_OK) {
        bool drop = strcmp(what, "drop") == 0;
        kith_err err = drop ? kith_client_outbox_drop(online->client, id)
                            : kith_client_outbox_retry(online->client, cli_time_now(), id, &id);
        if (err == KITH_E_AGAIN) return; /* on the wire right now */
        if (err == KITH_E_NOTFOUND) {    /* answered meanwhile */
            store_send_want(store, wanted, NULL);
            continue;
        }
        online->taking = wanted;
        online->taking_id = id;
        online->taking_to = drop ? SEND_DROPPED : SEND_QUEUED;
        online_run_effects(online);
        if (online->taking != 0) store_send_mark(store, wanted, id, online->taking_to); /* nothing had to be stored */
        online->taking = 0;
    }
}

kith_err online_send(struct online *online, const struct kith_send *send, struct msg_id *out)
{
    struct send_row row = {
        .chat = send->chat, .encrypted = send->encrypted, .created_ms = cli_wall_ms(), .body = send->body};
    kith_err err;

    (void)snprintf(row.content_type, sizeof row.content_type, "%.*s", (int)send->content_type.len,
                   (const char *)send->content_type.ptr);
    online->taking_to = SEND_QUEUED;
    err = store_send_add(online->cli->store, &row, &online->taking);
    if (err == KITH_OK) err = kith_client_send(online->client, cli_time_now(), send, &online->taking_id);
    if (err != KITH_OK) {
        online->taking = 0; /* the row waits: poll tries again when the outbox has room */
        return err;
    }
    *out = online->taking_id;
    online_run_effects(online);
    return KITH_OK;
}

/* ---- what a kith that was killed had stored in its records and not yet in the rows */

static int id_cmp(const void *a, const void *b)
{
    const struct kith_outbox_entry *one = a, *two = b;

    return kith_uuid_cmp(one->id.id, two->id.id);
}

static bool queued_id(void *arg, const struct send_row *send)
{
    if (send->state == SEND_QUEUED && kith_buf_append(arg, kith_slice_of(send->id.id.raw, 16)) != KITH_OK) return false;
    return true;
}

/* A row that is queued has an entry in the outbox until it is answered: one without was, and only its number is not known. */
static void settle_rows(struct online *online)
{
    size_t count = kith_client_outbox_count(online->client);
    struct kith_outbox_entry *entries = calloc(count + 1, sizeof *entries), wanted = {0};
    struct kith_buf ids;
    struct kith_slice left;

    if (entries == NULL) return;
    kith_buf_init(&ids, 16u << 20);
    store_send_each(online->cli->store, queued_id, &ids);
    left = kith_buf_peek(&ids);
    for (size_t i = 0; i < count && left.len > 0; i++)
        kith_ignore(kith_client_outbox_at(online->client, i, &entries[i])); /* it is below the count */
    qsort(entries, count, sizeof *entries, id_cmp);
    while (kith_eat_copy(&left, wanted.id.id.raw, 16) == KITH_OK) {
        const struct kith_outbox_entry *entry = bsearch(&wanted, entries, count, sizeof *entries, id_cmp);
        if (entry == NULL)
            store_send_result(online->cli->store, wanted.id, SEND_SENT, 0, CODE_OK);
        else if (entry->state != KITH_OUTBOX_QUEUED)
            store_send_result(online->cli->store, wanted.id, SEND_FAILED, 0, entry->code);
    }
    kith_buf_deinit(&ids);
    free(entries);
}

static void poll_fire(struct loop_timer *timer)
{
    struct online *online = (struct online *)((char *)timer - offsetof(struct online, poll));

    store_end_if_forgotten(online->cli->store); /* with the next account's tokens it would speak for the one before */
    take_waiting(online);
    loop_timer_start(online->cli->loop, &online->poll, ONLINE_POLL_MS);
}

static bool config_of(struct cli *cli, struct kith_client_config *out)
{
    *out = (struct kith_client_config){.shows_history = true, .encrypts = true, .random = random_bytes};
    return kith_uuid_parse(kith_slice_str(store_get(cli->store, "user_id")), &out->user.id) == KITH_OK &&
           kith_uuid_parse(kith_slice_str(store_get(cli->store, "device_id")), &out->device.id) == KITH_OK;
}

static void say_unreadable(struct cli *cli)
{
    cli_error(cli, "the state's records cannot be read",
              "They are damaged, or of a newer kith. To begin anew, move the state folder away and sign in again.");
}

struct kith_client *online_peek(struct cli *cli)
{
    struct kith_client_config config;
    struct kith_client *client = config_of(cli, &config) ? kith_client_new(&config) : NULL;

    if (client != NULL && store_load(cli->store, client) == KITH_OK) return client;
    kith_client_free(client);
    say_unreadable(cli);
    return NULL;
}

struct online *online_open(struct cli *cli, const struct online_view *view)
{
    struct kith_client_config config;
    struct online *online;

    if (!config_of(cli, &config)) return NULL;
    if (!store_lock(cli->store)) return NULL;
    online = calloc(1, sizeof *online);
    if (online == NULL) return NULL;
    online->user = (struct conn_user){.bytes = user_bytes, .drained = user_drained, .closed = user_closed};
    online->cli = cli;
    online->view = *view;
    online->shown_last = &online->shown_first;
    online->tick.fire = tick_fire;
    online->poll.fire = poll_fire;
    online->effects.run = effects_run;
    online->client = kith_client_new(&config);
    if (online->client == NULL || store_load(cli->store, online->client) != KITH_OK) {
        say_unreadable(cli);
        exit(EXIT_FAILED);
    }
    settle_rows(online);
    online->fetcher = fetcher_new(cli, online->client, fetched, online);
    if (online->fetcher == NULL) exit(EXIT_FAILED);
    kith_client_token(online->client, cli_time_now(), kith_slice_str(store_get(cli->store, "access_token")));
    kith_client_start(online->client, cli_time_now());
    online_run_effects(online);
    take_waiting(online);
    loop_timer_start(cli->loop, &online->poll, ONLINE_POLL_MS);
    return online;
}

void online_settle(struct online *online, const struct chat_id *chat, uint64_t seq, uint64_t wait_ms)
{
    uint64_t end = cli_now_ms() + wait_ms;

    while (cli_now_ms() < end) {
        if (kith_client_is_settled(online->client) &&
            (chat == NULL || kith_client_applied(online->client, *chat) >= seq))
            return;
        online_turn(online, 20);
    }
}

void online_turn(struct online *online, int wait_ms)
{
    loop_epoll_once(online->cli->loop, wait_ms);
    if (online->wants_token) give_token(online);
    show_all(online);
}

struct kith_client *online_client(struct online *online)
{
    return online->client;
}

void online_close(struct online *online)
{
    uint64_t end = cli_now_ms() + 1000;

    if (online == NULL) return;
    online->cli->may_close_groups |= kith_client_connection(online->client) == KITH_ONLINE &&
                                     kith_client_is_settled(online->client);
    loop_timer_stop(online->cli->loop, &online->tick);
    loop_timer_stop(online->cli->loop, &online->poll);
    fetcher_free(online->fetcher);
    kith_client_free(online->client);
    online->client = NULL;
    hang_up(online);
    while ((online->conn != NULL && cli_now_ms() < end) || online->effects_due) loop_epoll_once(online->cli->loop, 10);
    while (online->shown_first != NULL) { /* what came with the last of it: kept, as the rest */
        struct shown *next = online->shown_first->next;
        free(online->shown_first);
        online->shown_first = next;
    }
    store_unlock(online->cli->store);
    free(online);
}

static bool one_waits(void *arg, const struct send_row *send)
{
    *(bool *)arg |= send->state == SEND_WAITING || send->state == SEND_QUEUED;
    return !*(bool *)arg;
}

void online_flush(struct cli *cli)
{
    struct online_view view = {0};
    struct online *online;
    uint64_t end = cli_now_ms() + ONLINE_FLUSH_MS;
    bool waits = false;

    store_send_each(cli->store, one_waits, &waits);
    if (!waits) return;
    online = online_open(cli, &view);
    while (online != NULL && waits && cli_now_ms() < end) {
        online_turn(online, 20);
        waits = false;
        store_send_each(cli->store, one_waits, &waits);
    }
    online_close(online);
}
