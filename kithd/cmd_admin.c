#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "kithd/commands.h"
#include "kithd/server_state.h"
#include "loop/loop_epoll.h"

/* Of 1 ms, in which nothing was applied. */
#define LOG_STALLED_TURNS_MAX   5000  /* after about as long the server itself gives a replay up, too (serving.c) */
#define STORE_STALLED_TURNS_MAX 60000 /* it may be slow */

/*
 * With the server stopped: opens what the server opens, without listening, and makes the account as the server would.
 * All loops are run by this one thread, in turn.
 */
struct admin_run {
    struct account_register op; /* first: the callback gets it back */
    bool started, registered;
    kith_err err;
};

static void started(void *arg, kith_err err)
{
    struct admin_run *run = arg;

    run->started = true;
    run->err = err;
}

static void registered(struct account_call *call)
{
    ((struct admin_run *)call)->registered = true;
}

static void turn(struct server *server)
{
    loop_epoll_once(server->log_loop, 0);
    for (unsigned i = 0; i < server->loop_count; i++) loop_epoll_once(server->servings[i].loop, i == 0 ? 1 : 0);
}

static bool caught_up(const struct server *server)
{
    for (unsigned i = 0; i < server->loop_count; i++)
        if (!shard_owner_caught_up(server->servings[i].owner)) return false;
    return true;
}

static uint64_t applied(const struct server *server)
{
    struct shard_stats stats;
    uint64_t sum = 0;

    for (unsigned i = 0; i < server->loop_count; i++) {
        shard_owner_stats(server->servings[i].owner, &stats);
        sum += stats.applied;
    }
    return sum;
}

/* A log that halts before it was replayed never says so to its followers, and a store without room is asked for ever:
 * when nothing moves any more, that was it. False: it was said. */
static bool catch_up(struct server *server)
{
    struct log_status status;
    uint64_t before = 0, now;
    unsigned stalled = 0;

    while (!caught_up(server)) {
        turn(server);
        now = applied(server);
        stalled = now == before ? stalled + 1 : 0;
        before = now;
        if (stalled < LOG_STALLED_TURNS_MAX) continue;
        log_status(server->log, &status);
        if (status.writable && stalled < STORE_STALLED_TURNS_MAX) continue;
        fprintf(stderr, "kithd: the command log cannot be replayed: %s\n",
                status.writable ? "the message store takes nothing" : status.reason);
        return false;
    }
    return true;
}

/* False: it was said why. */
static bool make_account(struct server *server, struct admin_run *run)
{
    if (!catch_up(server)) return false;
    accounts_start(server->accounts, started, run);
    while (!run->started) turn(server);
    if (run->err != KITH_OK) {
        fprintf(stderr, "kithd: the directory cannot be used: %s\n", kith_err_name(run->err));
        return false;
    }
    account_register(server->accounts, &run->op);
    while (!run->registered) turn(server);
    if (run->op.call.code != CODE_CREATED) fprintf(stderr, "kithd: %s\n", kith_code_text(run->op.call.code));
    return run->op.call.code == CODE_CREATED;
}

static void closed(void *arg)
{
    *(bool *)arg = true;
}

static void close_log(struct server *server)
{
    bool log_closed = false;

    server->log->ops->close(server->log, closed, &log_closed);
    while (!log_closed) turn(server);
}

/* The first line of standard input. NULL; or what is wrong, for people. */
static const char *read_password(struct account_password *password)
{
    int byte;

    (void)setvbuf(stdin, NULL, _IONBF, 0); /* no copy of it is left behind */
    while ((byte = getchar()) != EOF && byte != '\n') {
        if (password->len == sizeof password->bytes) return "The password is too long.";
        password->bytes[password->len++] = (char)byte;
    }
    if (ferror(stdin)) return "The password cannot be read from standard input.";
    if (password->len == 0) return "No password was given on standard input.";
    return account_password_fault(kith_slice_of(password->bytes, password->len));
}

/* NULL; or what is wrong, for people. */
static const char *fill(struct admin_run *run, const char *name)
{
    run->op.call.done = registered;
    run->op.trusted = true;
    run->op.role = USER_ADMIN;
    (void)snprintf(run->op.device_name, sizeof run->op.device_name, "kithd admin create");
    if (strlen(name) > KITH_NAME_BYTES_MAX) return "The name is too long.";
    memcpy(run->op.name, name, strlen(name) + 1);
    if (account_name_normalise(run->op.name) != KITH_OK)
        return "A name is a letter and then letters, digits, dots, dashes or underscores.";
    return read_password(&run->op.password);
}

int cmd_admin_create(const struct config *config, int argc, char **argv)
{
    struct server *server;
    struct admin_run *run;
    const char *fault;
    int code = 1;

    if (argc != 1) {
        fprintf(stderr, "kithd: admin create takes one NAME; the password comes from standard input\n");
        return 2;
    }
    server = calloc(1, sizeof *server);
    run = calloc(1, sizeof *run);
    fault = server == NULL || run == NULL || sodium_init() < 0 ? "There is no memory." : fill(run, argv[0]);
    if (fault != NULL) {
        fprintf(stderr, "kithd: %s\n", fault);
        goto done;
    }
    server->config = config;
    server->lock_fd = -1;
    log_line_sink_init(&server->log_sink, 2, LOG_LINE_WARN);
    if (server_open(server) != KITH_OK) {
        server_close(server);
        goto done;
    }
    run->op.call.loop = server->servings[0].loop;
    if (make_account(server, run)) {
        printf("%s is an administrator now.\n", run->op.name);
        code = 0;
    }
    close_log(server);
    server_close(server);
done:
    if (run != NULL) sodium_memzero(run, sizeof *run);
    free(run);
    free(server);
    return code;
}
