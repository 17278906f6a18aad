#include <inttypes.h>

#include "kithd/server_state.h"
#include "wire/stomp.h"

/* Prometheus text exposition format 0.0.4. Names end in their unit; counters in _total. */

void serving_stats_copy(struct serving *serving)
{
    struct serving_stats stats = {0};

    gateway_stats(serving->gateway, &stats.gateway);
    api_stats(serving->api, &stats.api);
    shard_owner_stats(serving->owner, &stats.shard);
    if (serving->http != NULL) http_server_stats(serving->http, &stats.http);
    (void)pthread_mutex_lock(&serving->stats_lock);
    serving->stats = stats;
    (void)pthread_mutex_unlock(&serving->stats_lock);
}

/* All loops added up. Every field of the four structs is a u64 counter, so they are summed as arrays. */
static void add_all(void *sum, const void *one, size_t bytes)
{
    uint64_t *to = sum;
    const uint64_t *from = one;

    for (size_t i = 0; i < bytes / sizeof *to; i++) to[i] += from[i];
}

static void stats_sum(struct server *server, struct serving_stats *sum)
{
    static_assert(sizeof *sum % sizeof(uint64_t) == 0, "only counters are summed");
    memset(sum, 0, sizeof *sum);
    for (unsigned i = 0; i < server->loop_count; i++) {
        struct serving *serving = &server->servings[i];
        (void)pthread_mutex_lock(&serving->stats_lock);
        add_all(sum, &serving->stats, sizeof *sum);
        (void)pthread_mutex_unlock(&serving->stats_lock);
    }
}

struct metric {
    const char *name, *type, *help;
    uint64_t value;
};

static kith_err put_head(struct kith_buf *out, const char *name, const char *type, const char *help)
{
    return kith_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static kith_err put_metrics(struct kith_buf *out, const struct metric *metrics, size_t count)
{
    kith_err err = KITH_OK;

    for (size_t i = 0; i < count && err == KITH_OK; i++) {
        err = put_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
        if (err == KITH_OK) err = kith_buf_printf(out, "%s %" PRIu64 "\n", metrics[i].name, metrics[i].value);
    }
    return err;
}

/* bounds: upper ends in µs; the last bucket is open. */
static kith_err put_histogram(struct kith_buf *out, const char *name, const char *help, const uint64_t *buckets,
                              const uint64_t *bounds_us, size_t count, uint64_t sum_us)
{
    uint64_t seen = 0;
    kith_err err = put_head(out, name, "histogram", help);

    for (size_t i = 0; i < count && err == KITH_OK; i++) {
        seen += buckets[i];
        if (i + 1 < count)
            err = kith_buf_printf(out, "%s_bucket{le=\"%.6f\"} %" PRIu64 "\n", name, (double)bounds_us[i] / 1e6, seen);
        else
            err = kith_buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, seen);
    }
    if (err == KITH_OK)
        err = kith_buf_printf(out, "%s_sum %.6f\n%s_count %" PRIu64 "\n", name, (double)sum_us / 1e6, name, seen);
    return err;
}

static kith_err put_codes(struct kith_buf *out, const struct serving_stats *sum)
{
    kith_err err = put_head(out, "kith_answers_total", "counter", "Answers by code and where they were given.");

    for (unsigned code = 0; code < CODE_COUNT && err == KITH_OK; code++) {
        const char *name = kith_code_name((enum kith_code)code);
        if (sum->gateway.errors_by_code[code] > 0)
            err = kith_buf_printf(out, "kith_answers_total{at=\"gateway\",code=\"%s\"} %" PRIu64 "\n", name,
                                  sum->gateway.errors_by_code[code]);
        if (err == KITH_OK && sum->api.by_code[code] > 0)
            err = kith_buf_printf(out, "kith_answers_total{at=\"api\",code=\"%s\"} %" PRIu64 "\n", name,
                                  sum->api.by_code[code]);
        if (err == KITH_OK && sum->shard.by_code[code] > 0)
            err = kith_buf_printf(out, "kith_answers_total{at=\"core\",code=\"%s\"} %" PRIu64 "\n", name,
                                  sum->shard.by_code[code]);
    }
    return err;
}

static kith_err put_frames(struct kith_buf *out, const struct gateway_stats *stats)
{
    kith_err err = put_head(out, "kith_frames_total", "counter", "STOMP frames by direction and command.");

    for (unsigned i = 0; i < STOMP_COMMAND_COUNT && err == KITH_OK; i++) {
        const char *name = stomp_command_name((enum stomp_command)i);
        if (stats->frames_in[i] > 0)
            err = kith_buf_printf(out, "kith_frames_total{direction=\"in\",command=\"%s\"} %" PRIu64 "\n", name,
                                  stats->frames_in[i]);
        if (err == KITH_OK && stats->frames_out[i] > 0)
            err = kith_buf_printf(out, "kith_frames_total{direction=\"out\",command=\"%s\"} %" PRIu64 "\n", name,
                                  stats->frames_out[i]);
    }
    return err;
}

static kith_err put_flow(struct kith_buf *out, const struct serving_stats *sum)
{
    const struct metric metrics[] = {
        {"kith_connections", "gauge", "Open connections to the client listener.", sum->http.open},
        {"kith_websockets", "gauge", "Of them WebSockets.", sum->http.websockets},
        {"kith_sessions", "gauge", "Devices that are connected.", sum->gateway.sessions},
        {"kith_sessions_total", "counter", "Devices that ever connected.", sum->gateway.sessions_total},
        {"kith_connections_total", "counter", "Connections that were accepted.", sum->http.accepted},
        {"kith_connections_refused_total", "counter", "Connections that were refused at a maximum.", sum->http.refused},
        {"kith_http_requests_total", "counter", "HTTP requests.", sum->http.requests},
        {"kith_received_bytes_total", "counter", "Bytes from clients.", sum->http.bytes_in},
        {"kith_sent_bytes_total", "counter", "Bytes to clients.", sum->http.bytes_out},
        {"kith_messages_total", "counter", "Messages that clients sent over a WebSocket.", sum->gateway.messages_in},
        {"kith_deliveries_total", "counter", "Numbered events written to devices.", sum->gateway.deliveries},
        {"kith_redeliveries_total", "counter", "Of them marked as redelivered.", sum->gateway.redeliveries},
        {"kith_acknowledged_total", "counter", "Deliveries that devices acknowledged.", sum->gateway.acks},
        {"kith_store_reads_total", "counter", "Reads of the message store by gateways.", sum->gateway.store_reads},
        {"kith_commands_applied_total", "counter", "Commands that the chat core applied.", sum->shard.applied},
        {"kith_store_commits_total", "counter", "Commits to the message store.", sum->shard.commits},
        {"kith_commands_waiting", "gauge", "Durable commands that wait to be stored.", sum->shard.waiting},
        {"kith_chats_cached", "gauge", "Chats in memory.", sum->shard.chats_cached},
        {"kith_chats_cached_bytes", "gauge", "Their memory.", sum->shard.cache_bytes},
        {"kith_chat_loads_total", "counter", "Chats read from the store.", sum->shard.cache_loads},
    };

    return put_metrics(out, metrics, sizeof metrics / sizeof metrics[0]);
}

static kith_err put_storage(struct kith_buf *out, struct server *server)
{
    struct log_status log;
    struct msgstore_status store;
    uint64_t lowest = UINT64_MAX, sync_bounds_us[LOG_SYNC_BUCKETS - 1];
    kith_err err;

    for (unsigned i = 0; i + 1 < LOG_SYNC_BUCKETS; i++) sync_bounds_us[i] = LOG_SYNC_BUCKET_US(i);
    log_status(server->log, &log);
    server->store->ops->status(server->store, &store);
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++)
        if (store.positions_persisted[shard] < lowest) lowest = store.positions_persisted[shard];
    const struct metric metrics[] = {
        {"kith_log_writable", "gauge", "1 while commands can be made durable.", log.writable},
        {"kith_log_position", "gauge", "Newest durable position.", log.position_durable},
        {"kith_log_position_first", "gauge", "Oldest position that can be replayed.", log.position_first},
        {"kith_log_bytes", "gauge", "Size of the command log on disk.", log.bytes_on_disk},
        {"kith_log_appended_total", "counter", "Commands appended.", log.appended},
        {"kith_log_refused_total", "counter", "Commands refused.", log.refused},
        {"kith_store_writable", "gauge", "1 while the message store takes commits.", store.writable},
        {"kith_store_position_persisted", "gauge", "Lowest position that a crash would leave in the store.", lowest},
        {"kith_store_bytes", "gauge", "Size of the message store on disk.", store.bytes_on_disk},
        {"kith_store_rows_total", "counter", "Rows written to the message store.", store.rows_written},
    };

    err = put_metrics(out, metrics, sizeof metrics / sizeof metrics[0]);
    if (err == KITH_OK)
        err = put_histogram(out, "kith_log_sync_seconds", "Time of one fdatasync of the log.", log.sync_us_buckets,
                            sync_bounds_us, LOG_SYNC_BUCKETS, log.sync_us_sum);
    return err;
}

static kith_err put_accounts(struct kith_buf *out, struct server *server)
{
    struct accounts_stats stats;

    accounts_stats(server->accounts, &stats);
    const struct metric metrics[] = {
        {"kith_logins_total", "counter", "Logins that succeeded.", stats.logins},
        {"kith_logins_refused_total", "counter", "Logins that were refused.", stats.logins_refused},
        {"kith_registrations_total", "counter", "Accounts made.", stats.registrations},
        {"kith_refresh_reuses_total", "counter", "Refresh tokens used again after their successor.", stats.reuses},
        {"kith_prekey_bundles_total", "counter", "Bundles of prekeys handed out.", stats.bundles},
        {"kith_prekey_last_resort_total", "counter", "Those without a one-time KEM key.", stats.bundles_last_resort},
        {"kith_prekey_claims_refused_total", "counter", "Requests for bundles past their limit.", stats.claims_refused},
        {"kith_password_queue", "gauge", "Passwords that wait to be hashed.", stats.hash_queue},
        {"kith_outbox_pending", "gauge", "Facts about people on their way to the chats.", stats.outbox_pending},
    };
    return put_metrics(out, metrics, sizeof metrics / sizeof metrics[0]);
}

kith_err server_metrics(void *arg, struct kith_buf *out)
{
    struct server *server = arg;
    struct serving_stats sum;
    kith_err err;

    stats_sum(server, &sum);
    err = put_head(out, "kith_build_info", "gauge", "Always 1; the version is the label.");
    if (err == KITH_OK) err = kith_buf_printf(out, "kith_build_info{version=\"%s\"} 1\n", KITH_VERSION);
    if (err == KITH_OK) err = put_flow(out, &sum);
    if (err == KITH_OK) err = put_frames(out, &sum.gateway);
    if (err == KITH_OK) err = put_codes(out, &sum);
    if (err == KITH_OK)
        err = put_histogram(out, "kith_ack_seconds", "From a message's arrival to its acknowledgement.",
                            sum.gateway.ack_us_buckets, gateway_ack_us_bounds, GATEWAY_ACK_BUCKETS,
                            sum.gateway.ack_us_sum);
    if (err == KITH_OK) err = put_storage(out, server);
    if (err == KITH_OK) err = put_accounts(out, server);
    return err;
}
