#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

/*
 * A stream each way, in pieces that arrive in order after a seeded delay. A cut loses what was under way; the side that is
 * not told goes on believing in the connection until its heart-beats or pings tell it. As TCP does.
 */
struct sim_chunk {
    struct loop_task task;
    struct sim_link *link;
    struct sim_chunk *next;
    bool is_end; /* the peer closed */
    size_t len, used;
    uint8_t bytes[];
};

#define LINK_OF(ptr, member) ((struct sim_link *)((char *)(ptr) - offsetof(struct sim_link, member)))

static uint64_t delay_ms(struct sim *sim)
{
    return kith_prng_below(&sim->prng, kith_prng_chance(&sim->prng, 1, 20) ? 400 : 8);
}

static struct sim_chunk *chunk_new(struct sim_link *link, struct kith_slice bytes, bool is_end)
{
    struct sim_chunk *chunk = malloc(sizeof *chunk + bytes.len);

    if (chunk == NULL) abort();
    *chunk = (struct sim_chunk){.link = link, .is_end = is_end, .len = bytes.len};
    if (bytes.len > 0) memcpy(chunk->bytes, bytes.ptr, bytes.len);
    return chunk;
}

static bool is_gone(const struct sim_link *link)
{
    return link->generation != link->sim->server.generation || !link->sim->server.up;
}

/* A bit of the front chunk: borders of pieces mean nothing. NULL: an end, or nothing. */
static struct kith_slice take_piece(struct sim_link *link, struct sim_chunk **first, struct sim_chunk **last)
{
    struct sim_chunk *chunk = *first;
    size_t left = chunk->len - chunk->used;
    size_t len = kith_prng_chance(&link->sim->prng, 1, 10) && left > 1 ? kith_prng_between(&link->sim->prng, 1, left)
                                                                       : left;
    struct kith_slice piece = kith_slice_of(chunk->bytes + chunk->used, len);

    chunk->used += len;
    if (chunk->used == chunk->len) {
        *first = chunk->next;
        if (*first == NULL) *last = NULL;
    }
    return piece;
}

static void up_fire(struct loop_timer *timer)
{
    struct sim_link *link = LINK_OF(timer, up_timer);
    struct sim *sim = link->sim;

    if (link->up_first == NULL || !link->attached || link->paused || link->cut || link->closing || is_gone(link))
        return;
    if (sim->stalled_until_ms > sim_now_ms(sim)) {
        loop_timer_start(link->conn.loop, &link->up_timer, sim->stalled_until_ms - sim_now_ms(sim));
        return;
    }
    struct sim_chunk *chunk = link->up_first;
    if (chunk->is_end) {
        link->closing = true;
        link->why = CONN_CLOSED_PEER;
        loop_timer_start(link->conn.loop, &link->close_timer, 0);
        return;
    }
    struct kith_slice piece = take_piece(link, &link->up_first, &link->up_last);
    uint8_t *copy = malloc(piece.len + 1);
    if (copy == NULL) abort();
    memcpy(copy, piece.ptr, piece.len);
    if (chunk->used == chunk->len) free(chunk);
    link->heard_ms = loop_now_ms(link->conn.loop);
    link->conn.user->bytes(link->conn.user, copy, piece.len);
    free(copy);
    if (link->up_first != NULL) loop_timer_start(link->conn.loop, &link->up_timer, delay_ms(sim));
}

static void up_arrived(struct loop_task *task)
{
    struct sim_chunk *chunk = (struct sim_chunk *)task;
    struct sim_link *link = chunk->link;

    if (is_gone(link) || link->cut || link->server_closed) {
        free(chunk);
        return;
    }
    if (link->up_last != NULL)
        link->up_last->next = chunk;
    else
        link->up_first = chunk;
    link->up_last = chunk;
    if (!link->up_timer.armed) loop_timer_start(link->conn.loop, &link->up_timer, delay_ms(link->sim));
}

static void drained_run(struct loop_task *task)
{
    struct sim_link *link = LINK_OF(task, drained_task);

    if (!link->server_closed && !link->closing && !is_gone(link)) link->conn.user->drained(link->conn.user);
}

static void client_gone(struct sim_link *link)
{
    struct sim_device *device = link->device;

    if (link->client_closed) return;
    link->client_closed = true;
    if (device->link != link) return;
    device->link = NULL;
    if (device->client == NULL) return;
    kith_client_disconnected(device->client, (struct kith_time){loop_now_ms(device->loop), loop_wall_ms(device->loop)});
    device_run(device);
}

static void down_fire(struct loop_timer *timer)
{
    struct sim_link *link = LINK_OF(timer, down_timer);
    struct sim_device *device = link->device;
    struct sim *sim = link->sim;

    if (link->down_first == NULL || link->cut || link->client_closed) return;
    if (sim->stalled_until_ms > sim_now_ms(sim)) {
        loop_timer_start(device->loop, &link->down_timer, sim->stalled_until_ms - sim_now_ms(sim));
        return;
    }
    struct sim_chunk *chunk = link->down_first;
    if (chunk->is_end) {
        client_gone(link);
        return;
    }
    struct kith_slice piece = take_piece(link, &link->down_first, &link->down_last);
    link->down_bytes -= piece.len;
    if (link->was_high && link->down_bytes <= CONN_QUEUE_LOW) {
        link->was_high = false;
        link->drained_task.run = drained_run;
        if (!is_gone(link)) loop_post(link->conn.loop, &link->drained_task);
    }
    uint8_t *copy = malloc(piece.len + 1);
    if (copy == NULL) abort();
    memcpy(copy, piece.ptr, piece.len);
    if (chunk->used == chunk->len) free(chunk);
    if (device->link == link && device->client != NULL) {
        kith_client_bytes(device->client, (struct kith_time){loop_now_ms(device->loop), loop_wall_ms(device->loop)},
                          copy, piece.len);
        device_run(device);
    }
    free(copy);
    if (link->down_first != NULL && !link->client_closed)
        loop_timer_start(device->loop, &link->down_timer, delay_ms(sim));
}

static void down_arrived(struct loop_task *task)
{
    struct sim_chunk *chunk = (struct sim_chunk *)task;
    struct sim_link *link = chunk->link;

    if (link->cut || link->client_closed) {
        free(chunk);
        return;
    }
    if (link->down_last != NULL)
        link->down_last->next = chunk;
    else
        link->down_first = chunk;
    link->down_last = chunk;
    if (!link->down_timer.armed) loop_timer_start(link->device->loop, &link->down_timer, delay_ms(link->sim));
}

static void send_down(struct sim_link *link, struct kith_slice bytes, bool is_end)
{
    struct sim_chunk *chunk = chunk_new(link, bytes, is_end);

    chunk->task.run = down_arrived;
    link->down_bytes += bytes.len;
    loop_post(link->device->loop, &chunk->task);
}

/* ---- the server's end */

static void conn_sim_send(struct conn *conn, struct kith_slice message, bool is_text)
{
    struct sim_link *link = (struct sim_link *)conn;

    (void)is_text;
    if (link->closing || link->server_closed || link->cut) return;
    send_down(link, message, false);
    if (link->down_bytes > CONN_QUEUE_HIGH) link->was_high = true;
    if (link->down_bytes <= CONN_QUEUE_BYTES_MAX) return;
    link->closing = true;
    link->why = CONN_CLOSED_SLOW;
    loop_timer_start(conn->loop, &link->close_timer, 0);
}

static size_t conn_sim_queued(const struct conn *conn)
{
    return ((const struct sim_link *)conn)->down_bytes;
}

static void conn_sim_pause(struct conn *conn, bool paused)
{
    struct sim_link *link = (struct sim_link *)conn;

    link->paused = paused;
    if (!paused && link->up_first != NULL && !link->up_timer.armed) loop_timer_start(conn->loop, &link->up_timer, 0);
}

static void conn_sim_close(struct conn *conn, uint16_t code, const char *reason)
{
    struct sim_link *link = (struct sim_link *)conn;

    (void)code;
    (void)reason;
    if (link->closing || link->server_closed) return;
    link->closing = true;
    link->why = CONN_CLOSED_OURS;
    if (!link->cut) send_down(link, (struct kith_slice){0}, true);
    loop_timer_start(conn->loop, &link->close_timer, kith_prng_below(&link->sim->prng, 5));
}

static void conn_sim_peer(const struct conn *conn, char out[static 64])
{
    (void)snprintf(out, 64, "10.0.0.%u", ((const struct sim_link *)conn)->device->number);
}

static void keepalive_fire(struct loop_timer *timer)
{
    struct sim_link *link = LINK_OF(timer, keepalive_timer);

    if (link->server_closed || link->closing || link->keepalive_ms == 0) return;
    if (link->cut && loop_now_ms(link->conn.loop) > link->heard_ms + 2ull * link->keepalive_ms) {
        link->closing = true;
        link->why = CONN_CLOSED_TIMEOUT;
        loop_timer_start(link->conn.loop, &link->close_timer, 0);
        return;
    }
    loop_timer_start(link->conn.loop, &link->keepalive_timer, link->keepalive_ms);
}

static void conn_sim_keepalive(struct conn *conn, uint32_t ms)
{
    struct sim_link *link = (struct sim_link *)conn;

    link->keepalive_ms = ms;
    loop_timer_stop(conn->loop, &link->keepalive_timer);
    if (ms > 0) loop_timer_start(conn->loop, &link->keepalive_timer, ms);
}

static const struct conn_ops conn_sim_ops = {
    .name = "sim",
    .send = conn_sim_send,
    .queued = conn_sim_queued,
    .pause = conn_sim_pause,
    .close = conn_sim_close,
    .peer = conn_sim_peer,
    .keepalive = conn_sim_keepalive,
};

static void close_fire(struct loop_timer *timer)
{
    struct sim_link *link = LINK_OF(timer, close_timer);

    if (link->server_closed) return;
    link->server_closed = true;
    loop_timer_stop(link->conn.loop, &link->up_timer);
    loop_timer_stop(link->conn.loop, &link->keepalive_timer);
    link->conn.user->closed(link->conn.user, link->why);
}

struct attach {
    struct loop_task task;
    struct sim_link *link;
};

static void client_close_fire(struct loop_timer *timer)
{
    client_gone(LINK_OF(timer, client_close_timer));
}

static void attach_run(struct loop_task *task)
{
    struct sim_link *link = ((struct attach *)task)->link;
    unsigned at = (unsigned)(link->device->number % link->sim->server.loop_count);
    struct conn_user *user;

    free(task);
    if (is_gone(link) || link->client_closed || link->cut) return;
    user = gateway_session_new(link->sim->server.gateways[at], (struct kith_slice){0});
    if (user == NULL) {
        link->server_closed = true;
        send_down(link, (struct kith_slice){0}, true);
        return;
    }
    link->conn.user = user;
    link->attached = true;
    link->heard_ms = loop_now_ms(link->conn.loop);
    gateway_session_attach(user, &link->conn);
    if (link->up_first != NULL && !link->up_timer.armed) loop_timer_start(link->conn.loop, &link->up_timer, 0);
}

struct sim_link *link_open(struct sim *sim, struct sim_device *device)
{
    struct sim_link *link;
    struct attach *attach;

    if (!sim->server.up || !sim->server.ready || device->cut_off) return NULL;
    link = calloc(1, sizeof *link);
    attach = calloc(1, sizeof *attach);
    if (link == NULL || attach == NULL) abort();
    link->conn.ops = &conn_sim_ops;
    link->conn.loop = sim->server.loops[device->number % sim->server.loop_count];
    link->sim = sim;
    link->device = device;
    link->generation = sim->server.generation;
    link->up_timer.fire = up_fire;
    link->down_timer.fire = down_fire;
    link->close_timer.fire = close_fire;
    link->client_close_timer.fire = client_close_fire;
    link->keepalive_timer.fire = keepalive_fire;
    link->next = sim->links;
    sim->links = link;
    attach->task.run = attach_run;
    attach->link = link;
    loop_post(link->conn.loop, &attach->task);
    return link;
}

/* ---- the client's end */

static void send_up(struct sim_link *link, struct kith_slice bytes, bool is_end)
{
    struct sim_chunk *chunk;

    if (link->cut || link->client_closed || is_gone(link)) return;
    chunk = chunk_new(link, bytes, is_end);
    chunk->task.run = up_arrived;
    loop_post(link->conn.loop, &chunk->task);
}

void link_client_send(struct sim_link *link, struct kith_slice bytes)
{
    send_up(link, bytes, false);
}

void link_client_close(struct sim_link *link)
{
    send_up(link, (struct kith_slice){0}, true);
    link->client_closed = true;
}

/* ---- what goes wrong */

struct cut_task {
    struct loop_task task;
    struct sim_link *link;
};

static void server_told(struct loop_task *task)
{
    struct sim_link *link = ((struct cut_task *)task)->link;

    free(task);
    if (is_gone(link) || link->server_closed || link->closing || !link->attached) return;
    link->closing = true;
    link->why = CONN_CLOSED_PEER;
    loop_timer_start(link->conn.loop, &link->close_timer, 0);
}

static void client_told(struct loop_task *task)
{
    struct sim_link *link = ((struct cut_task *)task)->link;

    free(task);
    loop_timer_start(link->device->loop, &link->client_close_timer, kith_prng_below(&link->sim->prng, 300));
}

static void tell(struct loop *loop, struct sim_link *link, void (*run)(struct loop_task *task))
{
    struct cut_task *task = calloc(1, sizeof *task);

    if (task == NULL) abort();
    task->task.run = run;
    task->link = link;
    loop_post(loop, &task->task);
}

void link_cut(struct sim_link *link, bool tell_server)
{
    if (link->cut || link->client_closed) return;
    link->cut = true;
    tell(link->device->loop, link, client_told);
    if (tell_server && !is_gone(link)) tell(link->conn.loop, link, server_told);
}

void links_forget_server(struct sim *sim)
{
    for (struct sim_link *link = sim->links; link != NULL; link = link->next) {
        if (link->server_closed || link->generation != sim->server.generation) continue;
        link->server_closed = true;
        if (link->client_closed) continue;
        link->cut = true;
        tell(link->device->loop, link, client_told);
    }
}

static void chunks_free(struct sim_chunk *chunk)
{
    while (chunk != NULL) {
        struct sim_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void links_free(struct sim *sim)
{
    while (sim->links != NULL) {
        struct sim_link *link = sim->links;
        sim->links = link->next;
        chunks_free(link->up_first);
        chunks_free(link->down_first);
        free(link);
    }
}
