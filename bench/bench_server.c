#include "bench/bench_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TIMEOUT_US   30000000
#define TMPFS_MAGIC_NUMBER 0x01021994

uint64_t bench_now_us(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_nsec / 1000;
}

static void sleep_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Free now; kithd says so when somebody else was faster. */
static bool ports_find(struct bench_server *server)
{
    uint16_t *ports[] = {&server->port, &server->admin_port};
    int fds[2] = {-1, -1};
    bool ok = true;

    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_in address = loopback(0);
        socklen_t len = sizeof address;
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ok = ok && fds[i] >= 0 && bind(fds[i], (struct sockaddr *)&address, len) == 0 &&
             getsockname(fds[i], (struct sockaddr *)&address, &len) == 0;
        *ports[i] = ntohs(address.sin_port);
    }
    for (size_t i = 0; i < 2; i++)
        if (fds[i] >= 0) (void)close(fds[i]);
    return ok;
}

static bool folder_make(struct bench_server *server)
{
    const char *parent = getenv("TMPDIR");

    (void)snprintf(server->dir, sizeof server->dir, "%s/kith-bench-XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(server->dir) == NULL) {
        server->dir[0] = '\0';
        return false;
    }
    (void)snprintf(server->data, sizeof server->data, "%s/data", server->dir);
    return true;
}

static void program_find(const struct bench_server *server, char out[static 4096])
{
    ssize_t len = server->program == NULL ? readlink("/proc/self/exe", out, 4000) : -1;
    char *slash;

    if (server->program != NULL) (void)snprintf(out, 4096, "%s", server->program);
    out[len < 0 ? strlen(out) : (size_t)len] = '\0';
    slash = strrchr(out, '/');
    if (server->program == NULL && slash != NULL) (void)snprintf(slash + 1, 8, "kithd");
}

static void child(const struct bench_server *server)
{
    char program[4096] = {0}, listen[32], admin[32], loops[16], out[300];
    int fd;

    program_find(server, program);
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", server->port);
    (void)snprintf(admin, sizeof admin, "127.0.0.1:%u", server->admin_port);
    (void)snprintf(loops, sizeof loops, "%u", server->loops);
    (void)snprintf(out, sizeof out, "%s/out", server->dir);
    fd = open(out, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
    }
    (void)execl(program, program, "--data", server->data, "--listen", listen, "--admin_listen", admin, "--loops", loops,
                "--registration", "open", "--log.level", "warn", (char *)NULL);
    perror(program);
    _exit(127);
}

static bool is_up(const struct bench_server *server)
{
    struct sockaddr_in address = loopback(server->port);
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: kith.bench\r\nConnection: close\r\n\r\n";
    char answer[16] = {0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0 && recv(fd, answer, sizeof answer - 1, 0) > 0 &&
              strncmp(answer, "HTTP/1.1 200", 12) == 0;

    if (fd >= 0) (void)close(fd);
    return ok;
}

bool bench_server_start(struct bench_server *server)
{
    uint64_t until_us = bench_now_us() + START_TIMEOUT_US;
    int status = 0;

    if ((server->dir[0] == '\0' && !folder_make(server)) || !ports_find(server)) {
        perror("kith-bench: data folder or port");
        return false;
    }
    server->pid = fork();
    if (server->pid == 0) child(server);
    while (server->pid > 0 && bench_now_us() < until_us) {
        if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
            server->pid = 0;
            break;
        }
        if (is_up(server)) return true;
        sleep_ms(10);
    }
    (void)fprintf(stderr, "kith-bench: kithd did not start; its output is in %s/out\n", server->dir);
    if (server->pid > 0) (void)kill(server->pid, SIGKILL);
    bench_server_stop(server);
    server->dir[0] = '\0'; /* left for a look */
    return false;
}

void bench_server_stop(struct bench_server *server)
{
    int status = 0;

    if (server->pid <= 0) return;
    (void)kill(server->pid, SIGTERM);
    while (waitpid(server->pid, &status, 0) < 0 && errno == EINTR) continue;
    server->pid = 0;
    if (status == 0) return;
    (void)fprintf(stderr, "kith-bench: kithd ended with status %#x; its output is in %s/out\n", (unsigned)status,
                  server->dir);
    server->dir[0] = '\0'; /* left for a look */
}

static int forget(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

void bench_server_end(struct bench_server *server)
{
    bench_server_stop(server);
    if (server->dir[0] != '\0') (void)nftw(server->dir, forget, 16, FTW_DEPTH | FTW_PHYS);
    server->dir[0] = '\0';
}

static bool file_read(const char *path, char *out, size_t out_bytes)
{
    FILE *file = fopen(path, "re");
    size_t len;

    if (file == NULL) return false;
    len = fread(out, 1, out_bytes - 1, file);
    out[len] = '\0';
    (void)fclose(file);
    return len > 0;
}

bool bench_server_usage(const struct bench_server *server, struct bench_usage *out)
{
    char path[64], text[4096];
    const char *at;
    unsigned long long user = 0, system = 0, pages = 0;
    double tick_hz = (double)sysconf(_SC_CLK_TCK);
    int fields;

    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)server->pid);
    if (!file_read(path, text, sizeof text)) return false;
    /* proc(5): the name in parentheses may hold anything; state is field 3, utime 14, stime 15, rss 24. */
    at = strrchr(text, ')');
    if (at == NULL) return false;
    /* The kernel's own numbers, and their count is checked. */
    fields = sscanf(/* NOLINT(cert-err34-c) */
                    at + 1,
                    " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %*u %llu",
                    &user, &system, &pages);
    if (fields != 3) return false;
    *out = (struct bench_usage){.user_s = (double)user / tick_hz,
                                .system_s = (double)system / tick_hz,
                                .rss_bytes = (double)pages * (double)sysconf(_SC_PAGESIZE)};
    return true;
}

double bench_metric(struct kith_slice text, const char *name)
{
    char line[256];
    size_t len = strlen(name);
    double sum = 0;

    while (text.len > 0) {
        const uint8_t *end = memchr(text.ptr, '\n', text.len);
        size_t n = end == NULL ? text.len : (size_t)(end - text.ptr);
        if (n > len && n < sizeof line && memcmp(text.ptr, name, len) == 0 && text.ptr[len] == ' ') {
            memcpy(line, text.ptr, n);
            line[n] = '\0';
            sum += strtod(line + len, NULL);
        }
        n += end != NULL;
        text = kith_slice_of(text.ptr + n, text.len - n);
    }
    return sum;
}

void bench_print_machine(const struct bench_server *server)
{
    struct utsname name = {0};
    struct statfs fs = {0};
    double load[3] = {0};

    (void)uname(&name);
    (void)getloadavg(load, 3);
    (void)statfs(server->dir, &fs);
    printf("machine: %s %s, %ld processors, load average %.1f %.1f %.1f%s\n", name.sysname, name.release,
           sysconf(_SC_NPROCESSORS_ONLN), load[0], load[1], load[2],
           fs.f_type == TMPFS_MAGIC_NUMBER ? ", data in memory (tmpfs): NOT DURABLE" : "");
}
