#ifndef KITH_BENCH_BENCH_REST_H
#define KITH_BENCH_BENCH_REST_H

#include "bench/bench_server.h"
#include "net/net_shared.h"

/* People and chats for a benchmark to use. */
struct bench_user {
    char id[40], token[64]; /* token: an access token for the whole run */
};

/**
 * Writes `users` accounts with `devices` devices each into the data folder of a kithd that has run once and is stopped.
 * Registering them over REST would hash as many passwords, which takes longer than everything that is measured; nobody logs
 * in here, so they have no password. users[i * devices + d] is the i-th person's d-th device.
 */
bool bench_users_write(const struct bench_server *server, struct bench_user *users, size_t count, size_t devices);

/** The direct chat of users[2i] and users[2i + 1] for each i < pairs, made over REST; ids are 36 characters and a NUL. */
bool bench_chats_make(const struct bench_server *server, struct net_shared *net, const struct bench_user *users,
                      size_t pairs, char (*chats)[40]);

/** What /metrics says now. Serves the loop meanwhile. False: no answer. */
bool bench_metrics(const struct bench_server *server, struct net_shared *net, struct kith_buf *out);

#endif
