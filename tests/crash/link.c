#include <stdio.h>
#include <stdlib.h>

#include "tests/crash/crash.h"

#define DIAL_TIMEOUT_MS 10000

static const char *const subprotocols[] = {"v12.stomp", NULL};

static void link_bytes(struct conn_user *user, uint8_t *bytes, size_t len)
{
    struct crash_link *link = (struct crash_link *)user;

    if (link->device != NULL) crash_device_bytes(link->device, bytes, len);
}

static void link_drained(struct conn_user *user)
{
    (void)user;
}

static void link_closed(struct conn_user *user, enum conn_closed why)
{
    struct crash_link *link = (struct crash_link *)user;
    struct crash_device *device = link->device;

    link->conn = NULL;
    if (device != NULL) {
        device->link = NULL;
        if (why == CONN_CLOSED_PROTOCOL || why == CONN_CLOSED_SLOW) device->counters.errors++;
        crash_device_lost(device, why == CONN_CLOSED_PEER ? "server" : "reset");
    }
    free(link);
}

static void link_opened(void *arg, const struct ws_client_result *result)
{
    struct crash_link *link = arg;
    struct crash_device *device = link->device;

    link->opening = NULL;
    if (result->err == KITH_OK) {
        link->conn = result->conn;
        crash_device_opened(device);
        return;
    }
    device->link = NULL;
    free(link);
    crash_device_lost(device, "reset");
}

void crash_dial(struct crash_device *device)
{
    struct crash *crash = device->crash;
    struct crash_link *link = calloc(1, sizeof *link);
    struct ws_client_options options = {.net = crash->net,
                                        .url = crash->url,
                                        .subprotocols = subprotocols,
                                        .permessage_deflate = device->number % 2 == 0,
                                        .message_bytes_max = 4 * 1024 * 1024,
                                        .timeout_ms = DIAL_TIMEOUT_MS,
                                        .opened = link_opened,
                                        .arg = link};

    if (link == NULL) abort();
    crash_hang_up(device, "reset");
    link->user = (struct conn_user){.bytes = link_bytes, .drained = link_drained, .closed = link_closed};
    link->crash = crash;
    link->device = device;
    options.user = &link->user;
    device->link = link;
    if (ws_client_open(&options, &link->opening) == KITH_OK) return;
    fprintf(stderr, "kith-crash-client: cannot dial %s\n", crash->url);
    exit(3);
}

void crash_hang_up(struct crash_device *device, const char *reason)
{
    struct crash_link *link = device->link;

    journal_closed(device, reason);
    if (link == NULL) return;
    device->link = NULL;
    link->device = NULL;
    if (link->conn != NULL) {
        conn_close(link->conn, 1000, "");
        return;
    }
    ws_client_cancel(link->opening);
    free(link);
}
