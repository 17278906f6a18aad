#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/crash/crash.h"

/*
 * kith-crash-client RUN URL FOLDER SEED, then commands on standard input, one a line:
 *   chat UUID                            the next chat, counted from 0
 *   device USER DEVICE writer|reader TOKEN CHAT[,CHAT…]
 *   start | wake | send on|off | crash on|off | pause MS | token NUMBER TOKEN | park REASON | status | quit
 * status is answered with one line of JSON; a device whose token has expired says {"token":NUMBER}.
 */
#define LINE_BYTES_MAX 16384
#define WORDS_MAX      8

static struct crash crash = {.pause_ms = 60};

static void usage_error(const char *what)
{
    fprintf(stderr, "kith-crash-client: bad command: %s\n", what);
    exit(2);
}

static struct kith_uuid uuid_of(const char *text)
{
    struct kith_uuid id;

    if (kith_uuid_parse(kith_slice_str(text), &id) != KITH_OK) usage_error(text);
    return id;
}

static void add_device(char **words)
{
    struct crash_device *device = crash_device_new(&crash);

    device->user.id = uuid_of(words[1]);
    device->id.id = uuid_of(words[2]);
    kith_uuid_format(device->user.id, device->user_text);
    kith_uuid_format(device->id.id, device->id_text);
    device->is_writer = strcmp(words[3], "writer") == 0;
    device->is_parked = true;
    (void)snprintf(device->token, sizeof device->token, "%s", words[4]);
    for (char *save = NULL, *word = strtok_r(words[5], ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
        unsigned long chat = strtoul(word, NULL, 10);
        if (chat >= crash.chats_count || device->chats_count == CRASH_CHATS_MAX) usage_error("chat");
        device->chats[device->chats_count++] = (unsigned)chat;
    }
    journal_open(device);
}

static void add_counters(struct crash_counters *sum, const struct crash_device *device)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)&device->counters;
    struct kith_client_stats s = {0};

    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) to[i] += from[i];
    if (device->client == NULL) return;
    kith_client_stats(device->client, &s);
    sum->sent += s.sent, sum->resent += s.resent, sum->acked += s.accepted, sum->refused += s.refused;
    sum->failed += s.failed, sum->applied += s.applied, sum->redelivered += s.duplicates, sum->unflagged += s.unflagged;
    sum->holes += s.holes, sum->connects += s.connects;
}

static void status_device(const struct crash_device *device)
{
    const void *key = NULL;
    uint64_t *up_to = NULL;
    uint32_t at = 0;
    bool first = true;

    printf("{\"device\":\"%s\",\"user\":\"%s\",\"outbox\":%zu,\"online\":%s,\"applied\":{", device->id_text,
           device->user_text, device->client == NULL ? 0 : kith_client_outbox_count(device->client),
           device->client != NULL && kith_client_connection(device->client) == KITH_ONLINE ? "true" : "false");
    while (kith_map_next(&device->applied, &at, &key, (void **)&up_to)) {
        char text[KITH_UUID_TEXT_LEN + 1];
        kith_uuid_format(((const struct chat_id *)key)->id, text);
        printf("%s\"%s\":%" PRIu64, first ? "" : ",", text, *up_to);
        first = false;
    }
    printf("}}");
}

static void status(void)
{
    struct crash_counters c = {0};

    for (unsigned i = 0; i < crash.devices_count; i++) add_counters(&c, crash.devices[i]);
    printf("{\"sent\":%" PRIu64 ",\"acked\":%" PRIu64 ",\"resent\":%" PRIu64 ",\"redelivered\":%" PRIu64
           ",\"applied\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"restarts\":%" PRIu64
           ",\"connects\":%" PRIu64,
           c.sent, c.acked, c.resent, c.redelivered, c.applied, c.refused, c.failed, c.restarts, c.connects);
    printf(",\"closed_early\":%" PRIu64 ",\"replaced\":%" PRIu64 ",\"holes\":%" PRIu64 ",\"unflagged\":%" PRIu64
           ",\"errors\":%" PRIu64 ",\"devices\":[",
           c.closed_early, c.replaced, c.holes, c.unflagged, c.errors);
    for (unsigned i = 0; i < crash.devices_count; i++) {
        if (i > 0) printf(",");
        status_device(crash.devices[i]);
    }
    printf("]}\n");
}

static void on_all(const char *what, const char *reason)
{
    for (unsigned i = 0; i < crash.devices_count; i++) {
        struct crash_device *device = crash.devices[i];
        if (strcmp(what, "wake") == 0)
            crash_device_wake(device);
        else if (strcmp(what, "park") == 0)
            crash_device_park(device, reason);
        else if (device->is_parked)
            crash_device_start(device);
    }
}

static void new_token(char **words)
{
    unsigned long number = strtoul(words[1], NULL, 10);

    if (number >= crash.devices_count) usage_error("device number");
    (void)snprintf(crash.devices[number]->token, sizeof crash.devices[number]->token, "%s", words[2]);
    crash_device_new_token(crash.devices[number]);
}

static void command(char *text)
{
    char *words[WORDS_MAX] = {0}, *save = NULL;
    unsigned count = 0;

    for (char *word = strtok_r(text, " ", &save); word != NULL && count < WORDS_MAX; word = strtok_r(NULL, " ", &save))
        words[count++] = word;
    if (count == 0) return;
    if (strcmp(words[0], "chat") == 0 && count == 2 && crash.chats_count < CRASH_CHATS_MAX)
        crash.chats[crash.chats_count++].id = uuid_of(words[1]);
    else if (strcmp(words[0], "device") == 0 && count == 6)
        add_device(words);
    else if (strcmp(words[0], "send") == 0 && count == 2)
        crash.sending = strcmp(words[1], "on") == 0;
    else if (strcmp(words[0], "crash") == 0 && count == 2)
        crash.crashing = strcmp(words[1], "on") == 0;
    else if (strcmp(words[0], "pause") == 0 && count == 2)
        crash.pause_ms = strtoul(words[1], NULL, 10) + 1;
    else if (strcmp(words[0], "token") == 0 && count == 3)
        new_token(words);
    else if (strcmp(words[0], "status") == 0)
        status();
    else if (strcmp(words[0], "quit") == 0)
        crash.is_done = true;
    else if (strcmp(words[0], "start") == 0 || strcmp(words[0], "wake") == 0)
        on_all(words[0], NULL);
    else if (strcmp(words[0], "park") == 0 && count == 2)
        on_all(words[0], words[1]);
    else
        usage_error(words[0]);
}

/* Whole lines of what has come; end of input: the harness is gone. */
static void read_commands(void)
{
    static char text[LINE_BYTES_MAX];
    static size_t len;
    ssize_t n = read(STDIN_FILENO, text + len, sizeof text - len);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        crash.is_done = true;
        return;
    }
    len += (size_t)n;
    for (char *end; (end = memchr(text, '\n', len)) != NULL;) {
        size_t used = (size_t)(end - text) + 1;
        *end = '\0';
        command(text);
        len -= used;
        memmove(text, text + used, len);
    }
    if (len == sizeof text) usage_error("a line too long");
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: kith-crash-client RUN URL FOLDER SEED\n");
        return 2;
    }
    if (sodium_init() < 0 || loop_epoll_open(&crash.loop) != KITH_OK) return 3;
    if (net_shared_open(crash.loop, 0, 30000, &crash.net) != KITH_OK) return 3;
    crash.run = argv[1];
    crash.url = argv[2];
    crash.folder = argv[3];
    kith_prng_seed(&crash.prng, strtoull(argv[4], NULL, 10));
    if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0) return 3;
    setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    while (!crash.is_done) {
        loop_epoll_once(crash.loop, 4);
        read_commands();
    }
    for (unsigned i = 0; i < crash.devices_count; i++) crash_device_free(crash.devices[i]);
    return 0;
}
