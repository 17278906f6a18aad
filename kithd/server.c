#include "kithd/server.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kithd/server_state.h"
#include "loop/loop_epoll.h"

static void *serving_main(void *arg)
{
    struct serving *serving = arg;

    loop_epoll_run(serving->loop);
    return NULL;
}

static void *log_main(void *arg)
{
    struct server *server = arg;

    loop_epoll_run(server->log_loop);
    return NULL;
}

static void log_setup(struct server *server)
{
    const char *format = config_text(server->config, CONFIG_log_format);
    enum log_line_level level = LOG_LINE_INFO;

    (void)log_line_level_parse(config_text(server->config, CONFIG_log_level), &level);
    log_line_sink_init(&server->log_sink, STDERR_FILENO, level);
    if (strcmp(format, "auto") != 0) server->log_sink.json = strcmp(format, "json") == 0;
}

static kith_err threads_start(struct server *server)
{
    if (pthread_create(&server->log_thread, NULL, log_main, server) != 0) return KITH_E_NOMEM;
    server->log_thread_started = true;
    for (unsigned i = 0; i < server->loop_count; i++) {
        struct serving *serving = &server->servings[i];
        serving_start(serving);
        if (pthread_create(&serving->thread, NULL, serving_main, serving) != 0) return KITH_E_NOMEM;
        serving->thread_started = true;
    }
    return KITH_OK;
}

static void log_closed(void *arg)
{
    struct server *server = arg;

    loop_epoll_stop(server->log_loop);
}

static void each_thread(struct server *server, void (*tell)(struct serving *serving))
{
    for (unsigned i = 0; i < server->loop_count; i++)
        if (server->servings[i].thread_started) tell(&server->servings[i]);
}

static void wait_until_quiet(struct serving *serving)
{
    while (sem_wait(&serving->server->quiet) != 0) continue;
}

static void join(struct serving *serving)
{
    (void)pthread_join(serving->thread, NULL);
}

/* Connections first, then the log, then the loops: the log hands over what it has, and for that each loop must run; and
 * each loop tells the others what it stored, so none may leave before all have. What was acknowledged is durable
 * already, what was not may still be refused. */
static void threads_stop(struct server *server)
{
    atomic_store(&server->draining, true);
    each_thread(server, serving_stop);
    each_thread(server, wait_until_quiet);
    if (server->log_thread_started) {
        server->log->ops->close(server->log, log_closed, server);
        (void)pthread_join(server->log_thread, NULL);
    }
    each_thread(server, serving_end);
    each_thread(server, wait_until_quiet);
    each_thread(server, serving_leave);
    each_thread(server, join);
}

static void reload(struct server *server)
{
    char problem[256] = "";

    if (server->tls == NULL) return;
    if (tls_context_reload(server->tls, problem) == KITH_OK)
        log_line(&server->log_sink, LOG_LINE_INFO, log_event("tls_reloaded"));
    else
        log_line(&server->log_sink, LOG_LINE_ERROR, log_event("tls_reload_failed"), log_str("why", problem));
}

static void wait_for_the_end(struct server *server, const sigset_t *signals)
{
    int signal = 0;

    for (;;) {
        if (sigwait(signals, &signal) != 0) continue;
        if (signal != SIGHUP) break;
        reload(server);
    }
    log_line(&server->log_sink, LOG_LINE_INFO, log_event("stopping"));
}

int server_run(const struct config *config)
{
    struct server *server = calloc(1, sizeof *server);
    sigset_t signals;
    kith_err err;
    int code;

    if (server == NULL || sodium_init() < 0) {
        free(server);
        return 1;
    }
    server->config = config;
    server->lock_fd = -1;
    (void)sem_init(&server->quiet, 0, 0);
    /* Blocked before any thread is made, so that only sigwait() gets them. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    log_setup(server);
    err = server_open(server);
    if (err == KITH_OK) err = threads_start(server);
    if (err == KITH_OK) wait_for_the_end(server, &signals);
    threads_stop(server);
    code = err == KITH_OK && !atomic_load(&server->failed) ? 0 : 1;
    if (code == 0) log_line(&server->log_sink, LOG_LINE_INFO, log_event("stopped"));
    server_close(server);
    (void)sem_destroy(&server->quiet);
    free(server);
    return code;
}
