#include <stdio.h>
#include <stdlib.h>

#include "kithd/server_state.h"

/* On the first loop, once, after it listens. */
struct announce {
    struct account_bootstrap op; /* first: the callback gets it back */
    struct server *server;
};

static void print_address(struct server *server, uint16_t port)
{
    const char *public_url = config_text(server->config, CONFIG_public_url);
    const char *listen = config_text(server->config, CONFIG_listen);
    int host_len = (int)(strrchr(listen, ':') - listen);

    /* What is printed is what one can type on this machine: an address that means "any" is not one. */
    if (*public_url != '\0')
        (void)snprintf(server->public_url, sizeof server->public_url, "%s", public_url);
    else if (strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0)
        (void)snprintf(server->public_url, sizeof server->public_url, "%s://127.0.0.1:%u",
                       server->tls == NULL ? "http" : "https", port);
    else
        (void)snprintf(server->public_url, sizeof server->public_url, "%s://%.*s:%u",
                       server->tls == NULL ? "http" : "https", host_len, listen, port);
    log_line(&server->log_sink, LOG_LINE_INFO, log_event("listening"), log_str("url", server->public_url));
    printf("\n  Kith is running at %s\n", server->public_url);
    (void)fflush(stdout);
}

static void bootstrap_done(struct account_call *call)
{
    struct announce *announce = (struct announce *)call;

    if (call->code == CODE_CREATED) {
        printf("\n  Nobody has an account here yet. The first one is the administrator's:\n\n"
               "    kith account register --server %s --invite %s NAME\n\n"
               "  The invite works once, for 7 days.\n\n",
               announce->server->public_url, announce->op.code);
        (void)fflush(stdout);
    }
    free(announce);
}

void server_announce(struct server *server, uint16_t port)
{
    struct announce *announce = calloc(1, sizeof *announce);

    print_address(server, port);
    if (announce == NULL) return;
    announce->server = server;
    announce->op.call.loop = server->servings[0].loop;
    announce->op.call.done = bootstrap_done;
    account_bootstrap(server->accounts, &announce->op);
}
