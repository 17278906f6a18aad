#include "bench/bench_load.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop/loop_epoll.h"

#define AT_ONCE     200
#define STAMP_BYTES 16
#define END_US      20000000

static const char *const subprotocols[] = {"v12.stomp", NULL};

bool bench_load_open(struct bench_load *load, const struct bench_server *server, size_t clients, uint32_t bytes)
{
    *load = (struct bench_load){.server = server, .clients_count = clients, .bytes = bytes, .senders_subscribe = true};
    kith_buf_init(&load->out, BENCH_CLIENT_BYTES_MAX);
    load->clients = calloc(clients, sizeof *load->clients);
    load->body = calloc(1, bytes);
    load->ack.us = calloc(BENCH_SAMPLES_MAX, sizeof *load->ack.us);
    load->delivery.us = calloc(BENCH_SAMPLES_MAX, sizeof *load->delivery.us);
    randombytes_buf(&load->coins, sizeof load->coins);
    if (load->clients == NULL || load->body == NULL || load->ack.us == NULL || load->delivery.us == NULL) return false;
    memset(load->body, 'x', bytes);
    return loop_epoll_open(&load->loop) == KITH_OK && net_shared_open(load->loop, 0, 30000, &load->net) == KITH_OK;
}

static void net_closed(void *arg)
{
    *(bool *)arg = true;
}

void bench_load_close(struct bench_load *load)
{
    bool closed = load->net == NULL;

    load->failed = true; /* what ends from here on is no news */
    if (!closed) net_shared_close(load->net, net_closed, &closed);
    while (!closed) loop_epoll_once(load->loop, 100);
    loop_epoll_close(load->loop);
    for (size_t i = 0; load->clients != NULL && i < load->clients_count; i++) kith_buf_deinit(&load->clients[i].in);
    kith_buf_deinit(&load->out);
    free(load->clients);
    free(load->body);
    free(load->ack.us);
    free(load->delivery.us);
}

static void fail(struct bench_load *load, const char *what, struct kith_slice text)
{
    if (!load->failed) (void)fprintf(stderr, "kith-bench: %s %.*s\n", what, (int)text.len, (const char *)text.ptr);
    load->failed = true;
}

static void send_out(struct bench_client *client, struct stomp_writer *writer, struct kith_slice body)
{
    struct bench_load *load = client->load;

    if (stomp_end(writer, body) != KITH_OK)
        fail(load, "a frame could not be written", (struct kith_slice){0});
    else if (client->conn != NULL)
        conn_send(client->conn, kith_buf_peek(&load->out), true);
    kith_buf_reset(&load->out);
}

static void subscribe(struct bench_client *client, const char *destination, const char *ack, const char *receipt)
{
    struct stomp_writer writer;

    stomp_begin(&writer, &client->load->out, STOMP_SUBSCRIBE);
    stomp_put_str(&writer, "destination", destination);
    stomp_put_str(&writer, "id", destination + 1);
    stomp_put_str(&writer, "ack", ack);
    if (receipt != NULL) stomp_put_str(&writer, "receipt", receipt);
    send_out(client, &writer, (struct kith_slice){0});
}

/* 16 hexadecimal digits of microseconds: receipt and body carry them, so nothing is remembered per message. */
static void stamp(uint8_t out[static STAMP_BYTES], uint64_t us)
{
    for (int i = STAMP_BYTES - 1; i >= 0; i--, us >>= 4) out[i] = (uint8_t)"0123456789abcdef"[us & 15];
}

static uint64_t stamp_read(struct kith_slice text)
{
    uint64_t us = 0;

    if (text.len < STAMP_BYTES) return 0;
    for (int i = 0; i < STAMP_BYTES; i++)
        us = us << 4 | (uint64_t)(text.ptr[i] <= '9' ? text.ptr[i] - '0' : text.ptr[i] - 'a' + 10);
    return us;
}

static void sample(struct bench_samples *samples, struct kith_slice stamped)
{
    if (samples->count < BENCH_SAMPLES_MAX)
        samples->us[samples->count++] = (uint32_t)(bench_now_us() - stamp_read(stamped));
}

static struct msg_id id_next(struct bench_load *load)
{
    uint8_t coins[10] = {0};

    load->coins = load->coins * 6364136223846793005u + 1442695040888963407u;
    kith_put_u64_be(coins + 2, load->coins);
    kith_put_u16_be(coins, (uint16_t)load->sent);
    return (struct msg_id){kith_uuid_v7_make(loop_wall_ms(load->loop), coins)};
}

static void send_message(struct bench_client *client)
{
    struct bench_load *load = client->load;
    char destination[6 + 40] = "/chat/", text[KITH_UUID_TEXT_LEN + 1];
    struct stomp_writer writer;

    (void)snprintf(destination + 6, sizeof destination - 6, "%s", client->chat);
    stamp(load->body, bench_now_us());
    stomp_begin(&writer, &load->out, STOMP_SEND);
    stomp_put_str(&writer, "destination", destination);
    if (client->has_last) {
        kith_uuid_format(client->last.id, text);
        stomp_put_str(&writer, "after", text);
    }
    client->last = id_next(load);
    client->has_last = true;
    kith_uuid_format(client->last.id, text);
    stomp_put_str(&writer, "message-id", text);
    stomp_put(&writer, "receipt", kith_slice_of(load->body, STAMP_BYTES));
    stomp_put_str(&writer, "content-type", "text/plain");
    send_out(client, &writer, kith_slice_of(load->body, load->bytes));
    client->unanswered++;
    load->sent++;
}

static void on_connected(struct bench_client *client)
{
    subscribe(client, "/errors", "auto", NULL);
    if (client->chat != NULL && !client->load->senders_subscribe)
        client->load->ready++;
    else
        subscribe(client, "/inbox", "client", "ready");
}

static void on_receipt(struct bench_client *client, const struct stomp_frame *frame)
{
    struct bench_load *load = client->load;
    struct kith_slice receipt = {0};

    (void)stomp_header(frame, "receipt-id", &receipt);
    if (kith_slice_is(receipt, "ready")) {
        load->ready++;
        return;
    }
    client->unanswered--;
    load->acknowledged++;
    sample(&load->ack, receipt);
    if (load->sending) send_message(client);
}

static void on_message(struct bench_client *client, const struct stomp_frame *frame, struct kith_slice *ack)
{
    struct bench_load *load = client->load;
    struct kith_slice value = {0};

    if (stomp_header(frame, "subscription", &value) && kith_slice_is(value, "errors")) {
        fail(load, "refused:", frame->body);
        return;
    }
    (void)stomp_header(frame, "ack", ack);
    if (!stomp_header(frame, "type", &value) || !kith_slice_is(value, "message")) return;
    if (client->chat != NULL) {
        load->echoed++;
    } else {
        load->delivered++;
        sample(&load->delivery, frame->body);
    }
}

static void on_frame(struct bench_client *client, const struct stomp_frame *frame, struct kith_slice *ack)
{
    switch (frame->command) {
    case STOMP_CONNECTED: on_connected(client); break;
    case STOMP_RECEIPT: on_receipt(client, frame); break;
    case STOMP_MESSAGE: on_message(client, frame, ack); break;
    default: fail(client->load, "unexpected frame:", frame->body); break;
    }
}

static void acknowledge(struct bench_client *client, struct kith_slice id)
{
    struct stomp_writer writer;

    stomp_begin(&writer, &client->load->out, STOMP_ACK);
    stomp_put(&writer, "id", id);
    send_out(client, &writer, (struct kith_slice){0});
}

static void on_bytes(struct conn_user *user, uint8_t *bytes, size_t len)
{
    static struct stomp_frame frame; /* one thread */
    struct bench_client *client = (struct bench_client *)user;
    bool kept = kith_buf_len(&client->in) > 0;
    struct kith_slice ack = {0};
    char last[32];
    kith_err err = KITH_OK;

    if (kept && kith_buf_append(&client->in, kith_slice_of(bytes, len)) != KITH_OK) err = KITH_E_NOMEM;
    if (kept) {
        bytes = client->in.ptr + client->in.head;
        len = kith_buf_len(&client->in);
    }
    while (err == KITH_OK && len > 0) {
        size_t used = 0;
        err = stomp_next(&client->reader, bytes, len, &used, &frame);
        if (err == KITH_OK) on_frame(client, &frame, &ack);
        bytes += used;
        len -= used;
    }
    if (ack.len > 0 && ack.len < sizeof last) {
        memcpy(last, ack.ptr, ack.len);
        acknowledge(client, kith_slice_of(last, ack.len));
    }
    if (kept)
        kith_buf_consume(&client->in, kith_buf_len(&client->in) - len);
    else if (len > 0 && kith_buf_append(&client->in, kith_slice_of(bytes, len)) != KITH_OK)
        err = KITH_E_NOMEM;
    if (err != KITH_OK && err != KITH_E_AGAIN) fail(client->load, "a frame is not STOMP", (struct kith_slice){0});
}

static void on_drained(struct conn_user *user)
{
    (void)user;
}

static void on_closed(struct conn_user *user, enum conn_closed why)
{
    struct bench_client *client = (struct bench_client *)user;
    char text[16];

    client->conn = NULL;
    (void)snprintf(text, sizeof text, "%d", (int)why);
    fail(client->load, "a connection was closed:", kith_slice_str(text));
}

static void open_next(struct bench_load *load);

static void on_opened(void *arg, const struct ws_client_result *result)
{
    struct bench_client *client = arg;
    struct bench_load *load = client->load;
    struct stomp_writer writer;

    client->opening = NULL;
    load->opening--;
    if (result->err != KITH_OK) {
        fail(load, "a connection failed:", kith_slice_str(result->reason == NULL ? "" : result->reason));
        return;
    }
    client->conn = result->conn;
    stomp_begin(&writer, &load->out, STOMP_CONNECT);
    stomp_put_str(&writer, "accept-version", "1.2");
    stomp_put_str(&writer, "host", "kith");
    stomp_put_str(&writer, "passcode", client->token);
    send_out(client, &writer, (struct kith_slice){0});
}

static void open_next(struct bench_load *load)
{
    struct bench_client *client = &load->clients[load->next++];
    char url[64];
    struct ws_client_options options = {.net = load->net,
                                        .url = url,
                                        .subprotocols = subprotocols,
                                        .message_bytes_max = BENCH_CLIENT_BYTES_MAX,
                                        .timeout_ms = 30000,
                                        .user = &client->user,
                                        .opened = on_opened,
                                        .arg = client};

    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u/connect", load->server->port);
    client->user = (struct conn_user){.bytes = on_bytes, .drained = on_drained, .closed = on_closed};
    client->load = load;
    kith_buf_init(&client->in, BENCH_CLIENT_BYTES_MAX);
    stomp_reader_init(&client->reader, BENCH_CLIENT_BYTES_MAX);
    if (ws_client_open(&options, &client->opening) != KITH_OK)
        fail(load, "a connection could not be opened", (struct kith_slice){0});
    else
        load->opening++;
}

bool bench_load_connect(struct bench_load *load)
{
    while (!load->failed && load->ready < load->clients_count) {
        while (load->next < load->clients_count && load->next - load->ready < AT_ONCE) open_next(load);
        loop_epoll_once(load->loop, 100);
    }
    return !load->failed;
}

void bench_load_begin(struct bench_load *load, uint32_t in_flight)
{
    load->sending = true;
    for (size_t i = 0; i < load->clients_count; i++)
        for (uint32_t n = 0; n < in_flight && load->clients[i].chat != NULL; n++) send_message(&load->clients[i]);
}

bool bench_load_run(struct bench_load *load, uint64_t until_us)
{
    while (!load->failed && bench_now_us() < until_us) loop_epoll_once(load->loop, 10);
    return !load->failed;
}

bool bench_load_end(struct bench_load *load)
{
    uint64_t until_us = bench_now_us() + END_US;

    load->sending = false;
    while (!load->failed && (load->acknowledged < load->sent || load->delivered < load->sent)) {
        if (bench_now_us() > until_us) return false;
        loop_epoll_once(load->loop, 100);
    }
    return !load->failed && load->delivered == load->sent;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

double bench_percentile_ms(struct bench_samples *samples, double percent)
{
    if (samples->count == 0) return 0;
    qsort(samples->us, samples->count, sizeof *samples->us, by_size);
    return (double)samples->us[(size_t)((double)(samples->count - 1) * percent / 100)] / 1e3;
}
