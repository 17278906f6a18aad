#ifndef CLI_FETCH_H
#define CLI_FETCH_H

#include "cli/cli.h"

/**
 * What a client that encrypts wants of the server's REST (KITH_EFFECT_FETCH), carried out beside the connection: asked, the
 * JSON taken apart, handed in, and kith_client_fetched(). One at a time.
 */
struct fetcher;

/** `changed` runs when the client may have effects to carry out. is_unauthorized: the token has ended. NULL: no memory. */
struct fetcher *fetcher_new(struct cli *cli, struct kith_client *client,
                            void (*changed)(void *arg, bool is_unauthorized), void *arg);
void fetcher_free(struct fetcher *fetcher); /* NULL is fine; what is under way is given up */
void fetcher_start(struct fetcher *fetcher, const struct kith_fetch *fetch);

#endif
