#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "adapters/directory/directory_sqlite.h"
#include "adapters/disk/disk_posix.h"
#include "adapters/msgstore/msgstore_rocksdb.h"
#include "kithd/server_state.h"
#include "loop/loop_epoll.h"

#define PATH_BYTES_MAX (CONFIG_TEXT_BYTES_MAX + 32)

static void path_of(const struct server *server, const char *name, char out[static PATH_BYTES_MAX])
{
    int len = snprintf(out, PATH_BYTES_MAX, "%s/%s", config_text(server->config, CONFIG_data), name);

    assert(len > 0 && len < PATH_BYTES_MAX);
}

static uint64_t now_us(void *arg)
{
    struct timespec t;

    (void)arg;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static kith_err data_open(struct server *server)
{
    const char *data = config_text(server->config, CONFIG_data);
    char path[PATH_BYTES_MAX];

    if (mkdir(data, 0700) != 0 && errno != EEXIST) {
        fprintf(stderr, "kithd: cannot make the data folder %s: %s\n", data, strerror(errno));
        return KITH_E_IO;
    }
    path_of(server, "lock", path);
    server->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (server->lock_fd < 0) {
        fprintf(stderr, "kithd: cannot open %s: %s\n", path, strerror(errno));
        return KITH_E_IO;
    }
    if (flock(server->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        fprintf(stderr, "kithd: another kithd is using the data folder %s\n", data);
        return KITH_E_CONFLICT;
    }
    return KITH_OK;
}

static kith_err directory_open(struct server *server)
{
    char path[PATH_BYTES_MAX], problem[256] = "";
    struct directory_sqlite_config config = {.path = path, .tables = directory_tables};
    kith_err err;

    path_of(server, "directory.sqlite", path);
    err = directory_sqlite_open(&config, problem, &server->directory);
    if (err != KITH_OK) fprintf(stderr, "kithd: %s: %s\n", path, problem);
    return err;
}

static kith_err store_open(struct server *server)
{
    char path[PATH_BYTES_MAX], problem[256] = "";
    struct msgstore_rocksdb_config config = {.path = path,
                                             .cache_bytes = config_number(server->config, CONFIG_memory_store_max)};
    kith_err err;

    path_of(server, "messages", path);
    err = msgstore_rocksdb_open(&config, problem, &server->store);
    if (err != KITH_OK) fprintf(stderr, "kithd: %s: %s\n", path, problem);
    return err;
}

static kith_err log_open(struct server *server)
{
    struct log_file_config config;
    struct log_text text = {0};
    char path[PATH_BYTES_MAX];
    kith_err err;

    path_of(server, "log", path);
    log_file_config_init(&config);
    config.segment_bytes = config_number(server->config, CONFIG_log_segment_bytes) & ~7ull;
    config.keep_ms = config_number(server->config, CONFIG_log_keep);
    config.now_us = now_us;
    err = loop_epoll_open(&server->log_loop);
    if (err == KITH_OK) err = disk_posix_open(path, server->log_loop, true, &server->disk);
    if (err != KITH_OK) {
        fprintf(stderr, "kithd: cannot open the log folder %s: %s\n", path, kith_err_name(err));
        return err;
    }
    err = log_file_open(&config, server->disk, server->log_loop, &server->log, &text);
    if (err != KITH_OK) fprintf(stderr, "kithd: %s: %s\n", path, text.text);
    return err;
}

static kith_err tls_open(struct server *server)
{
    const char *certificate = config_text(server->config, CONFIG_tls_certificate);
    char problem[256] = "";
    kith_err err;

    if (*certificate == '\0') return KITH_OK;
    err = tls_context_open(certificate, config_text(server->config, CONFIG_tls_key), problem, &server->tls);
    if (err != KITH_OK) fprintf(stderr, "kithd: TLS: %s\n", problem);
    return err;
}

static kith_err accounts_open(struct server *server)
{
    struct accounts_config config = {.directory = server->directory,
                                     .store = server->store,
                                     .loop = server->servings[0].loop,
                                     .asker = server->servings[0].asker,
                                     .hash_threads = 1,
                                     .log = &server->log_sink};
    kith_err err = account_registration_parse(kith_slice_str(config_text(server->config, CONFIG_registration)),
                                              &config.registration);

    if (err != KITH_OK) return err;
    server->accounts = accounts_new(&config);
    return server->accounts == NULL ? KITH_E_NOMEM : KITH_OK;
}

static kith_err loops_open(struct server *server)
{
    uint64_t wanted = config_number(server->config, CONFIG_loops);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    kith_err err = KITH_OK;

    if (wanted == 0) wanted = cores > 0 ? (uint64_t)cores : 1;
    server->loop_count = wanted > SERVER_LOOPS_MAX ? SERVER_LOOPS_MAX : (unsigned)wanted;
    for (unsigned i = 0; i < server->loop_count && err == KITH_OK; i++)
        err = loop_epoll_open(&server->servings[i].loop);
    return err;
}

/* Who knows whom decides the order: askers are the owners' listeners, accounts ask through the first asker. */
static kith_err services_open(struct server *server)
{
    struct log_status status;
    kith_err err = KITH_OK;

    for (unsigned i = 0; i < server->loop_count && err == KITH_OK; i++) err = serving_asker_open(server, i);
    for (unsigned i = 0; i < server->loop_count && err == KITH_OK; i++) err = serving_owner_open(server, i);
    if (err == KITH_OK) err = accounts_open(server);
    if (err != KITH_OK) return err;
    log_status(server->log, &status);
    server->group = gateway_group_new(status.position_durable);
    if (server->group == NULL) return KITH_E_NOMEM;
    for (unsigned i = 0; i < server->loop_count && err == KITH_OK; i++) err = serving_open(server, i);
    return err;
}

kith_err server_open(struct server *server)
{
    kith_err err = data_open(server);

    if (err == KITH_OK) err = tls_open(server);
    if (err == KITH_OK) err = directory_open(server);
    if (err == KITH_OK) err = store_open(server);
    if (err == KITH_OK) err = log_open(server);
    if (err != KITH_OK) return err; /* said where it happened */
    err = loops_open(server);
    if (err == KITH_OK) err = services_open(server);
    if (err == KITH_OK) err = log_start(server->log);
    if (err != KITH_OK) {
        const char *why = log_file_text(server->log);
        fprintf(stderr, "kithd: cannot start: %s\n", *why != '\0' ? why : kith_err_name(err));
    }
    return err;
}

void server_close(struct server *server)
{
    for (unsigned i = 0; i < server->loop_count; i++) serving_close(&server->servings[i]);
    accounts_free(server->accounts);
    gateway_group_free(server->group);
    log_file_free(server->log);
    disk_posix_close(server->disk);
    if (server->store != NULL) server->store->ops->close(server->store);
    if (server->directory != NULL) server->directory->ops->close(server->directory);
    for (unsigned i = 0; i < server->loop_count; i++) loop_epoll_close(server->servings[i].loop);
    loop_epoll_close(server->log_loop);
    tls_context_free(server->tls);
    if (server->lock_fd >= 0) (void)close(server->lock_fd);
}
