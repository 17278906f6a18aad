#include <stdio.h>

#include "kithd/server_state.h"

static void fill(struct api_check *check, const char *name, bool ok, const char *reason)
{
    check->name = name;
    check->ok = ok;
    (void)snprintf(check->reason, sizeof check->reason, "%s", ok ? "" : reason);
}

size_t server_checks(void *arg, struct api_check out[static API_CHECKS_MAX])
{
    struct server *server = arg;
    struct log_status log;
    struct msgstore_status store;
    char reason[128] = "";
    bool directory_ok = server->directory->ops->healthy(server->directory, reason);

    log_status(server->log, &log);
    server->store->ops->status(server->store, &store);
    fill(&out[0], "serving", !atomic_load(&server->draining), "stopping");
    fill(&out[1], "log", log.writable, log.reason);
    fill(&out[2], "store", store.writable, store.reason);
    fill(&out[3], "directory", directory_ok, reason);
    return 4;
}
