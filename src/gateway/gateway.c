#include "gateway/gateway.h"

#include <stdlib.h>

#include "gateway/inbox.h"
#include "gateway/reader.h"

#define SESSIONS_MAX_DEFAULT 1000000u
#define STREAMS_ALL_MAX      (4u << 20) /* of one gateway: memory, not meaning */
#define CHATS_KNOWN_MAX      65536
#define SHOWN_MAX            65536
#define SCRATCH_BYTES_MAX    (2 * 1024 * 1024)

const uint64_t gateway_ack_us_bounds[GATEWAY_ACK_BUCKETS - 1] = {
    1000, 2000, 3000, 5000, 7500, 10000, 20000, 35000, 50000, 100000, 250000, 1000000, 5000000,
};

_Static_assert(sizeof((struct gateway_stats *)0)->frames_in / sizeof(uint64_t) >= STOMP_COMMAND_COUNT,
               "a counter a command");

static void visit(struct wheel_link *link);

static void swept(struct wheel *wheel)
{
    streams_sweep((struct gateway *)((char *)wheel - offsetof(struct gateway, wheel)));
}

static void news(void *arg, const struct shard_news *item)
{
    struct gateway *gateway = arg;

    switch (item->kind) {
    case NEWS_EVENT: inbox_live(gateway, item->event); return;
    case NEWS_RECEIPT: events_receipt(gateway, item); return;
    case NEWS_MAIL: inbox_mail_news(gateway, (struct user_id){item->stream}); return;
    case NEWS_ANSWER: /* the asker's */ return;
    }
}

static struct gateway *gateway_of(struct account_watcher *watcher)
{
    return (struct gateway *)((char *)watcher - offsetof(struct gateway, watcher));
}

static void revoked(struct account_watcher *watcher, struct user_id user, struct device_id device)
{
    struct gateway *gateway = gateway_of(watcher);

    gateway->revocations++;
    gateway_drop_device(gateway, user, device, CODE_UNAUTHORIZED);
}

static void receipts_switched(struct account_watcher *watcher, struct user_id user, bool on)
{
    struct gateway *gateway = gateway_of(watcher);

    gateway_receipts_changed(gateway, user, on);
}

static void maps_init(struct gateway *gateway)
{
    uint8_t seed[16];

    loop_random(gateway->config.loop, seed, sizeof seed);
    kith_map_init(&gateway->users, sizeof(struct user_id), sizeof(struct session *), gateway->limits.sessions_max,
                  seed);
    kith_map_init(&gateway->streams, sizeof(struct stream_key), sizeof(struct stream *), STREAMS_ALL_MAX, seed);
    kith_map_init(&gateway->chats, sizeof(struct chat_id), sizeof(bool), CHATS_KNOWN_MAX, seed);
    kith_map_init(&gateway->leftovers, sizeof(struct device_id), sizeof(struct leftover *), GATEWAY_LEFTOVERS_MAX,
                  seed);
    kith_map_init(&gateway->shown, 32, sizeof(struct shown_marks), SHOWN_MAX, seed);
}

struct gateway *gateway_new(const struct gateway_config *config)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    struct gateway_limits *limits;

    assert(config->check != NULL && config->group != NULL);
    if (gateway == NULL) return NULL;
    gateway->config = *config;
    gateway->limits = config->limits;
    limits = &gateway->limits;
    if (limits->frame_bytes_max == 0) limits->frame_bytes_max = KITH_FRAME_BYTES_MAX;
    if (limits->in_flight_max == 0) limits->in_flight_max = KITH_IN_FLIGHT_MAX;
    if (limits->prefetch_default == 0) limits->prefetch_default = KITH_PREFETCH_DEFAULT;
    if (limits->sessions_max == 0) limits->sessions_max = SESSIONS_MAX_DEFAULT;
    assert(limits->in_flight_max < UINT16_MAX && limits->prefetch_default <= GATEWAY_PREFETCH_MAX);
    if (group_join(config->group, gateway) != KITH_OK) {
        free(gateway);
        return NULL;
    }
    maps_init(gateway);
    kith_buf_init(&gateway->out, SCRATCH_BYTES_MAX);
    kith_buf_init(&gateway->block, STOMP_VALUE_BYTES_MAX);
    wheel_init(&gateway->wheel, config->loop);
    gateway->wheel.visit = visit;
    gateway->wheel.swept = swept;
    cursor_init(gateway);
    typing_init(gateway);
    receipts_init(gateway);
    gateway->watcher = (struct account_watcher){
        .loop = config->loop, .revoked = revoked, .receipts = receipts_switched};
    asker_on_news(config->asker, news, gateway);
    return gateway;
}

static void free_parts(struct gateway *gateway)
{
    reader_free_all(gateway);
    cursor_free_all(gateway);
    check_free_all(gateway);
    stale_free_all(gateway);
    typing_free_all(gateway);
    receipts_free_all(gateway);
    leftover_free_all(gateway);
    kith_map_deinit(&gateway->users);
    kith_map_deinit(&gateway->streams);
    kith_map_deinit(&gateway->chats);
    kith_map_deinit(&gateway->leftovers);
    kith_map_deinit(&gateway->shown);
    kith_buf_deinit(&gateway->out);
    kith_buf_deinit(&gateway->block);
    group_leave(gateway->config.group, gateway);
    free(gateway);
}

void gateway_free(struct gateway *gateway)
{
    if (gateway == NULL) return;
    gateway->stopping = true;
    while (wheel_any(&gateway->wheel) != NULL) session_free(session_of_link(wheel_any(&gateway->wheel)));
    loop_timer_stop(gateway->config.loop, &gateway->wheel.timer);
    loop_timer_stop(gateway->config.loop, &gateway->flush);
    loop_timer_stop(gateway->config.loop, &gateway->typing_end);
    loop_timer_stop(gateway->config.loop, &gateway->receipts);
    asker_on_news(gateway->config.asker, NULL, NULL);
    free_parts(gateway);
}

void gateway_crash(struct gateway *gateway)
{
    if (gateway == NULL) return;
    gateway->stopping = gateway->crashed = true;
    while (wheel_any(&gateway->wheel) != NULL) session_free(session_of_link(wheel_any(&gateway->wheel)));
    free_parts(gateway);
}

size_t gateway_pending(const struct gateway *gateway)
{
    return (size_t)(gateway->stats.connections + gateway->stats.readers) + check_count(gateway) + stale_count(gateway);
}

static void visit(struct wheel_link *link)
{
    session_visit(session_of_link(link));
}

struct account_watcher *gateway_watcher(struct gateway *gateway)
{
    return &gateway->watcher;
}

void gateway_drop_device(struct gateway *gateway, struct user_id user, struct device_id device, enum kith_code code)
{
    struct session *next;

    for (struct session *s = users_first(gateway, user); s != NULL; s = next) {
        next = s->peer_next;
        if (kith_uuid_eq(s->device.id, device.id)) session_fail(s, code, NULL, (struct kith_slice){0});
    }
}

void gateway_receipts_changed(struct gateway *gateway, struct user_id user, bool receipts_on)
{
    for (struct session *s = users_first(gateway, user); s != NULL; s = s->peer_next) s->receipts_off = !receipts_on;
}

static void stop_session(struct wheel_link *link)
{
    session_fail(session_of_link(link), CODE_UNAVAILABLE, "The server is stopping; connect again.",
                 (struct kith_slice){0});
}

void gateway_shutdown(struct gateway *gateway)
{
    gateway->stopping = true;
    wheel_each(&gateway->wheel, stop_session);
}

void gateway_stats(const struct gateway *gateway, struct gateway_stats *out)
{
    *out = gateway->stats;
    out->streams = gateway->streams.count;
    out->leftovers = gateway->leftovers.count;
}

size_t gateway_session_bytes(const struct conn_user *user)
{
    const struct session *session = (const struct session *)user;
    size_t bytes = sizeof *session;

    if (session->subs != NULL) bytes += sizeof *session->subs + session->subs->bytes;
    if (session->input != NULL) bytes += sizeof *session->input + session->input->buf.cap;
    if (session->state == SESSION_OPEN && session->inbox != NULL) bytes += inbox_bytes(session->inbox);
    return bytes;
}
