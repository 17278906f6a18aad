#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench_direct.h"
#include "bench/bench_server.h"

/*
 * The least that a durable relay can do, and nothing else: no framing, no accounts, no order, no store. One thread takes
 * blocks of a fixed size from the sockets and puts them into a buffer; a second writes and syncs the buffer, all that
 * gathered meanwhile at once; then the first passes each block on to the sender's peer and 16 bytes back. What kithd costs
 * is to be read beside what this costs on the same machine at the same time.
 */
#define ACK_BYTES  16
#define BLOCK_MAX  4096
#define PAIRS_MAX  4096
#define EVENTS_MAX 512
#define RUNS_MAX   64

struct floor_conn {
    int fd;
    size_t got; /* of a block, or of an acknowledgement */
    uint8_t block[BLOCK_MAX];
};

/* What is being gathered, or being written: blocks, and who sent each. */
struct floor_batch {
    uint8_t *bytes;
    uint32_t *from;
    size_t count;
};

struct floor_relay {
    size_t conn_count, bytes;
    struct floor_conn *conns;
    struct floor_batch batches[2];
    unsigned gathering;
    int epoll_fd, synced_fd, file_fd;
    uint64_t file_at;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct floor_batch *handed;  /* to the second thread, which takes it */
    struct floor_batch *writing; /* the first thread's: NULL when the second has nothing to do */
};

static void stop(const char *what)
{
    perror(what);
    _exit(1);
}

static void watch(int epoll_fd, int fd, uint64_t number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = number};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) stop("epoll_ctl");
}

static void send_all(int fd, const void *bytes, size_t len)
{
    ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

    if (sent >= 0 && (size_t)sent != len) errno = ENOBUFS; /* one block a connection is out: it always fits */
    if (sent < 0 || (size_t)sent != len) stop("send");
}

/* ------------------------------------------------------------------------------------------------ the relay */

static void *sync_main(void *arg)
{
    struct floor_relay *relay = arg;
    uint64_t one = 1;

    for (;;) {
        struct floor_batch *batch;
        size_t len;

        pthread_mutex_lock(&relay->lock);
        while (relay->handed == NULL) pthread_cond_wait(&relay->wake, &relay->lock);
        batch = relay->handed;
        relay->handed = NULL;
        pthread_mutex_unlock(&relay->lock);
        len = batch->count * relay->bytes;
        if (pwrite(relay->file_fd, batch->bytes, len, (off_t)relay->file_at) != (ssize_t)len) stop("pwrite");
        if (fdatasync(relay->file_fd) != 0) stop("fdatasync");
        relay->file_at += len;
        if (write(relay->synced_fd, &one, sizeof one) != sizeof one) stop("eventfd");
    }
    return NULL;
}

static void sync_begin(struct floor_relay *relay)
{
    struct floor_batch *batch = &relay->batches[relay->gathering];

    if (relay->writing != NULL || batch->count == 0) return;
    relay->gathering ^= 1;
    relay->writing = batch;
    pthread_mutex_lock(&relay->lock);
    relay->handed = batch;
    pthread_cond_signal(&relay->wake);
    pthread_mutex_unlock(&relay->lock);
}

static void pass_on(struct floor_relay *relay)
{
    struct floor_batch *batch = relay->writing;
    const uint8_t ack[ACK_BYTES] = {0};
    uint64_t count;

    if (read(relay->synced_fd, &count, sizeof count) != sizeof count) stop("eventfd");
    for (size_t i = 0; i < batch->count; i++) {
        send_all(relay->conns[batch->from[i] ^ 1].fd, batch->bytes + i * relay->bytes, relay->bytes);
        send_all(relay->conns[batch->from[i]].fd, ack, sizeof ack);
    }
    batch->count = 0;
    relay->writing = NULL;
}

static void take(struct floor_relay *relay, uint32_t number)
{
    struct floor_batch *batch = &relay->batches[relay->gathering];
    struct floor_conn *conn = &relay->conns[number];
    ssize_t got = recv(conn->fd, conn->block + conn->got, relay->bytes - conn->got, 0);

    if (got <= 0) _exit(0); /* the clients are done */
    conn->got += (size_t)got;
    if (conn->got < relay->bytes) return;
    conn->got = 0;
    memcpy(batch->bytes + batch->count * relay->bytes, conn->block, relay->bytes);
    batch->from[batch->count++] = number;
}

static void relay_run(struct floor_relay *relay, int listen_fd)
{
    struct epoll_event events[EVENTS_MAX];
    pthread_t thread;
    int on = 1;

    relay->epoll_fd = epoll_create1(0);
    relay->synced_fd = eventfd(0, 0);
    for (size_t i = 0; i < relay->conn_count;
         i++) { /* the clients connect one after the other: the order tells who is who */
        relay->conns[i].fd = accept(listen_fd, NULL, NULL);
        if (relay->conns[i].fd < 0) stop("accept");
        (void)setsockopt(relay->conns[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(relay->epoll_fd, relay->conns[i].fd, i);
    }
    watch(relay->epoll_fd, relay->synced_fd, UINT64_MAX);
    if (pthread_create(&thread, NULL, sync_main, relay) != 0) stop("pthread_create");
    for (;;) {
        int count = epoll_wait(relay->epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 == UINT64_MAX)
                pass_on(relay);
            else
                take(relay, (uint32_t)events[i].data.u64);
        }
        sync_begin(relay);
    }
}

/* ------------------------------------------------------------------------------------------------ the clients */

struct floor_bench {
    double pairs, bytes, seconds, runs, warm_up;
    struct floor_relay relay;
    struct bench_server server; /* only its pid and folder: whose time is read */
    int epoll_fd;
    uint64_t acknowledged;
    uint8_t block[BLOCK_MAX];
};

static void client_read(struct floor_bench *bench, uint32_t number)
{
    struct floor_conn *conn = &bench->relay.conns[number];
    size_t whole = number % 2 == 0 ? ACK_BYTES : (size_t)bench->bytes;
    ssize_t got = recv(conn->fd, conn->block, whole - conn->got, 0);

    if (got <= 0) stop("the relay ended");
    conn->got += (size_t)got;
    if (conn->got < whole) return;
    conn->got = 0;
    if (number % 2 != 0) return;
    bench->acknowledged++;
    send_all(conn->fd, bench->block, (size_t)bench->bytes);
}

static void clients_run(struct floor_bench *bench, double seconds)
{
    uint64_t until_us = bench_now_us() + (uint64_t)(seconds * 1e6);
    struct epoll_event events[EVENTS_MAX];

    while (bench_now_us() < until_us) {
        int count = epoll_wait(bench->epoll_fd, events, EVENTS_MAX, 10);
        for (int i = 0; i < count; i++) client_read(bench, (uint32_t)events[i].data.u64);
    }
}

static void clients_connect(struct floor_bench *bench, const struct sockaddr_in *to)
{
    int on = 1;

    bench->epoll_fd = epoll_create1(0);
    for (size_t i = 0; i < bench->relay.conn_count; i++) {
        struct floor_conn *conn = &bench->relay.conns[i];
        conn->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (conn->fd < 0 || connect(conn->fd, (const struct sockaddr *)to, sizeof *to) != 0) stop("connect");
        (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(bench->epoll_fd, conn->fd, i);
    }
    for (size_t i = 0; i < bench->relay.conn_count; i += 2)
        send_all(bench->relay.conns[i].fd, bench->block, (size_t)bench->bytes);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void measure(struct floor_bench *bench)
{
    double per_cpu_s[RUNS_MAX];
    size_t runs = (size_t)bench->runs;

    clients_run(bench, bench->warm_up);
    for (size_t i = 0; i < runs; i++) {
        struct bench_usage was = {0}, is = {0};
        uint64_t before = bench->acknowledged;

        (void)bench_server_usage(&bench->server, &was);
        clients_run(bench, bench->seconds);
        (void)bench_server_usage(&bench->server, &is);
        per_cpu_s[i] = (double)(bench->acknowledged - before) / (is.user_s + is.system_s - was.user_s - was.system_s);
        printf("run %zu: %.0f per CPU-s, %.0f/s\n", i + 1, per_cpu_s[i],
               (double)(bench->acknowledged - before) / bench->seconds);
        (void)fflush(stdout);
    }
    qsort(per_cpu_s, runs, sizeof per_cpu_s[0], by_value);
    printf("%-34s %12s %12s %12s\n%-34s %12.0f %12.0f %12.0f\n", "", "median", "min", "max",
           "messages per relay CPU-second", per_cpu_s[runs / 2], per_cpu_s[0], per_cpu_s[runs - 1]);
}

static bool memory_take(struct floor_relay *relay)
{
    relay->conns = calloc(relay->conn_count, sizeof *relay->conns);
    for (size_t i = 0; i < 2; i++) {
        relay->batches[i].bytes = malloc(relay->conn_count * relay->bytes);
        relay->batches[i].from = malloc(relay->conn_count * sizeof *relay->batches[i].from);
        if (relay->batches[i].bytes == NULL || relay->batches[i].from == NULL) return false;
    }
    return relay->conns != NULL && pthread_mutex_init(&relay->lock, NULL) == 0 &&
           pthread_cond_init(&relay->wake, NULL) == 0;
}

static int file_open(void)
{
    const char *dir = getenv("TMPDIR");
    char path[256];
    int fd;

    (void)snprintf(path, sizeof path, "%s/kith-floor-XXXXXX", dir == NULL || *dir == '\0' ? "/tmp" : dir);
    fd = mkstemp(path);
    if (fd < 0) stop(path);
    (void)unlink(path);
    return fd;
}

static int relay_start(struct floor_bench *bench)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listen_fd = socket(AF_INET, SOCK_STREAM, 0);

    bench->relay.file_fd = file_open();
    if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&address, len) != 0 || listen(listen_fd, 4096) != 0 ||
        getsockname(listen_fd, (struct sockaddr *)&address, &len) != 0)
        stop("listen");
    bench->server.pid = fork();
    if (bench->server.pid < 0) stop("fork");
    if (bench->server.pid == 0) relay_run(&bench->relay, listen_fd);
    clients_connect(bench, &address);
    return listen_fd;
}

int bench_floor(int argc, char **argv)
{
    static struct floor_bench bench = {.pairs = 1000, .bytes = 600, .seconds = 5, .runs = 5, .warm_up = 2};
    const struct bench_option options[] = {{"--pairs", &bench.pairs, NULL},     {"--bytes", &bench.bytes, NULL},
                                           {"--seconds", &bench.seconds, NULL}, {"--runs", &bench.runs, NULL},
                                           {"--warm-up", &bench.warm_up, NULL}, {NULL, NULL, NULL}};
    struct rlimit files;

    if (!bench_options(argc, argv, options)) return 2;
    if (bench.pairs < 1 || bench.pairs > PAIRS_MAX || bench.bytes < 1 || bench.bytes > BLOCK_MAX || bench.runs < 1 ||
        bench.runs > RUNS_MAX) {
        (void)fprintf(stderr, "kith-bench floor: a number is out of range\n");
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    bench.relay.conn_count = 2 * (size_t)bench.pairs;
    bench.relay.bytes = (size_t)bench.bytes;
    if (!memory_take(&bench.relay)) return 1;
    printf("floor: %.0f pairs, %.0f B, 1 in flight, %.0f runs of %.1f s after %.1f s, synced\n", bench.pairs,
           bench.bytes, bench.runs, bench.seconds, bench.warm_up);
    (void)fflush(stdout);
    (void)relay_start(&bench);
    measure(&bench);
    (void)kill(bench.server.pid, SIGKILL);
    (void)waitpid(bench.server.pid, NULL, 0);
    return 0;
}
