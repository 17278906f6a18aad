#include <stdio.h>
#include <string.h>

#include "base/mutant.h"
#include "gateway_fixture.h"

/*
 * Devices that come, go, read, acknowledge, refuse and send at random, on several loops, while people join and leave,
 * disks are full, connections do not drain and the server is killed. Every frame is held against a model:
 *
 *   I-O1  one (chat, seq) is one message for everybody      I-O5  no hole on a connection (the fixture checks)
 *   I-A1  what a person was not in the chat for is not seen  I-E6  all of the rest comes; again only what was not
 *                                                                  acknowledged, flagged exactly so
 */
#define CHATS     4 /* 1: a group of all, 2: another, 3: direct, 4: direct and encrypted */
#define USERS     4
#define DEVICES   6 /* of users 1, 2, 3, 4, 1, 2 */
#define SEQS_MAX  400
#define STEPS     250
#define PEERS_MAX 96 /* connections of one run */

struct interval {
    uint64_t from, to; /* to 0: still in */
};

struct device {
    uint32_t user;
    struct fx_peer *peer; /* NULL: away */
    bool individual, subscribed;
    bool begun[CHATS + 1]; /* something came on this subscription */
    unsigned unacked_count;
    struct unacked {
        char ack[24];
        uint32_t chat;
        uint64_t from, seq;
        bool settled, nacked;
    } unacked[SEQS_MAX * CHATS];
    uint64_t acked[CHATS + 1];      /* contiguous, as the server has heard */
    uint64_t sent[CHATS + 1];       /* on any connection of this life */
    bool seen[CHATS + 1][SEQS_MAX]; /* in all */
};

struct model {
    struct fx fx;
    struct kith_prng coins;
    uint64_t seed;
    struct device devices[DEVICES];
    char truth[CHATS + 1][SEQS_MAX][KITH_UUID_TEXT_LEN + 1]; /* client-id */
    uint64_t last[CHATS + 1], life_head[CHATS + 1];
    struct interval in[CHATS + 1][USERS + 1][8];
    unsigned intervals[CHATS + 1][USERS + 1];
    unsigned restarts;
};

static bool may_see(const struct model *m, uint32_t chat, uint32_t user, uint64_t seq)
{
    for (unsigned i = 0; i < m->intervals[chat][user]; i++) {
        const struct interval *in = &m->in[chat][user][i];
        if (seq >= in->from && (in->to == 0 || seq <= in->to)) return true;
    }
    return false;
}

static bool is_in(const struct model *m, uint32_t chat, uint32_t user)
{
    unsigned n = m->intervals[chat][user];

    return n > 0 && m->in[chat][user][n - 1].to == 0;
}

static void join(struct model *m, uint32_t chat, uint32_t user, uint64_t seq)
{
    m->in[chat][user][m->intervals[chat][user]++] = (struct interval){.from = seq};
}

static void learn(struct model *m, uint32_t chat, uint64_t seq, const char *client_id)
{
    assert_true(seq < SEQS_MAX);
    if (seq > m->last[chat]) m->last[chat] = seq;
    if (client_id == NULL) client_id = "-";
    if (m->truth[chat][seq][0] == '\0') snprintf(m->truth[chat][seq], sizeof m->truth[chat][seq], "%s", client_id);
    assert_string_equal(m->truth[chat][seq], client_id);
}

static void take_message(struct model *m, struct device *device, const struct fx_frame *frame)
{
    uint32_t chat = fx_chat_of(frame);
    uint64_t seq = fx_number(frame, "seq"), from = seq;
    bool is_gap = strcmp(fx_header(frame, "type"), "gap") == 0, flagged = fx_header(frame, "redelivered") != NULL;
    struct unacked *entry = &device->unacked[device->unacked_count++];

    assert_true(device->unacked_count < SEQS_MAX * CHATS);
    if (is_gap)
        from = fx_number(frame, "gap-from");
    else
        learn(m, chat, seq, fx_header(frame, "client-id"));
    /* I-E6, I-C2: nothing acknowledged comes again, and nothing else is left out. */
    if (!device->begun[chat] && device->acked[chat] > 0) assert_int_equal(from, device->acked[chat] + 1);
    if (!device->begun[chat] && device->acked[chat] == 0) assert_int_equal(from, m->in[chat][device->user][0].from);
    assert_true(from > device->acked[chat]);
    device->begun[chat] = true;
    for (uint64_t s = from; s <= seq; s++) {
        assert_int_equal(may_see(m, chat, device->user, s), !is_gap); /* I-A1 */
        device->seen[chat][s] = true;
    }
    if (!is_gap) assert_int_equal(flagged, seq <= device->sent[chat] || seq <= m->life_head[chat]);
    if (seq > device->sent[chat]) device->sent[chat] = seq;
    *entry = (struct unacked){.chat = chat, .from = from, .seq = seq};
    snprintf(entry->ack, sizeof entry->ack, "%s", fx_header(frame, "ack"));
}

static void take_frames(struct model *m)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        struct device *device = &m->devices[i];
        struct fx_frame *frame;
        if (device->peer == NULL) continue;
        while ((frame = fx_next(device->peer)) != NULL) {
            const char *receipt = frame->command == STOMP_RECEIPT ? fx_header(frame, "receipt-id") : "";
            if (strncmp(receipt, "send ", 5) == 0) /* "send 3": to chat 3 */
                learn(m, (uint32_t)(receipt[5] - '0'), fx_number(frame, "seq"), fx_header(frame, "message-id"));
            if (frame->command == STOMP_MESSAGE && fx_header(frame, "ack") != NULL) take_message(m, device, frame);
            if (frame->command == STOMP_ERROR) assert_string_equal(fx_header(frame, "code"), "REPLACED");
        }
    }
}

static void run(struct model *m, uint64_t ms)
{
    fx_run(&m->fx, ms);
    take_frames(m);
}

static void gone(struct device *device)
{
    device->peer = NULL;
    device->subscribed = false;
    device->unacked_count = 0;
}

static void subscribe(struct model *m, struct device *device, unsigned prefetch)
{
    device->individual = kith_prng_chance(&m->coins, 1, 2);
    device->subscribed = true;
    memset(device->begun, 0, sizeof device->begun);
    device->peer->seen_count = 0;
    fx_send(device->peer, "SUBSCRIBE\nid:in\ndestination:/inbox\nack:%s\nprefetch-count:%u\n\n",
            device->individual ? "client-individual" : "client", prefetch);
}

/* The old connection, if there is one, is replaced and may get no more. */
static void connect(struct model *m, struct device *device)
{
    uint32_t number = (uint32_t)(device - m->devices) + 1;

    gone(device);
    if (m->fx.peer_count == PEERS_MAX) return;
    device->peer = fx_peer(&m->fx, (unsigned)kith_prng_below(&m->coins, m->fx.loop_count), NULL);
    fx_send(device->peer, "CONNECT\naccept-version:1.2\npasscode:u%ud%u\n\n", device->user, number);
    fx_errors(device->peer);
    if (kith_prng_chance(&m->coins, 1, 3)) fx_send(device->peer, "SUBSCRIBE\nid:ev\ndestination:/events\n\n");
}

/* The model of the cursor: everything before the first delivery that is not settled, in each chat. */
static void model_acked(struct device *device)
{
    for (uint32_t chat = 1; chat <= CHATS; chat++) {
        for (unsigned i = 0; i < device->unacked_count; i++) {
            struct unacked *entry = &device->unacked[i];
            if (entry->chat != chat) continue;
            if (!entry->settled || entry->nacked) break;
            if (entry->seq > device->acked[chat]) device->acked[chat] = entry->seq;
        }
    }
}

static void acknowledge(struct model *m, struct device *device)
{
    bool nack = kith_prng_chance(&m->coins, 1, 30);
    unsigned pick;

    if (device->peer == NULL || !device->subscribed || device->unacked_count == 0) return;
    pick = (unsigned)kith_prng_below(&m->coins, device->unacked_count);
    fx_send(device->peer, "%s\nid:%s\n%s\n", nack ? "NACK" : "ACK", device->unacked[pick].ack,
            kith_prng_chance(&m->coins, 1, 4) ? "receipt:a\n" : "");
    for (unsigned i = device->individual ? pick : 0; i <= pick; i++) {
        if (!device->unacked[i].settled) device->unacked[i].nacked = nack;
        device->unacked[i].settled = true;
    }
    model_acked(device);
}

static void send(struct model *m, struct device *device)
{
    uint32_t chat = 1 + (uint32_t)kith_prng_below(&m->coins, CHATS);

    if (device->peer == NULL || m->last[chat] + 90 > SEQS_MAX) return;
    fx_send(device->peer, "SEND\ndestination:/chat/%s\nmessage-id:%s\nreceipt:send %u\n%s\n%s", fx_id(CHAT(chat).id),
            fx_id(fx_msg_id(&m->fx).id), chat, chat == 3 ? "encrypted:false\n" : "", "body");
}

static void move_member(struct model *m)
{
    uint32_t chat = 1 + (uint32_t)kith_prng_below(&m->coins, 2), user = 2 + (uint32_t)kith_prng_below(&m->coins, 3);
    struct cmd cmd = {.verb = is_in(m, chat, user) ? CMD_MEMBER_REMOVE : CMD_MEMBER_ADD,
                      .stream = CHAT(chat).id,
                      .actor = USER(1),
                      .device = DEVICE(1),
                      .subject = USER(user)};
    struct chat_answer answer;

    if (m->intervals[chat][user] >= 7 || m->fx.log_store.full || m->last[chat] + 40 > SEQS_MAX) return;
    /* Frames meanwhile are looked at when the model knows of the move. */
    answer = fx_ask(&m->fx, &cmd);
    assert_int_equal(answer.code, CODE_CREATED);
    if (cmd.verb == CMD_MEMBER_ADD)
        join(m, chat, user, answer.seq);
    else
        m->in[chat][user][m->intervals[chat][user] - 1].to = answer.seq;
    learn(m, chat, answer.seq, NULL);
    take_frames(m);
}

static void restart(struct model *m)
{
    if (m->fx.log_store.full || m->restarts++ > 2) return;
    run(m, 1);
    fx_restart(&m->fx);
    take_frames(m);
    for (unsigned i = 0; i < DEVICES; i++) {
        struct device *device = &m->devices[i];
        gone(device);
        for (uint32_t chat = 1; chat <= CHATS; chat++) {
            uint64_t cursor = fx_cursor(&m->fx, chat, i + 1);
            /* What was acknowledged without a receipt may be forgotten; what is stored is not. */
            if (cursor == UINT64_MAX || cursor < device->acked[chat])
                device->acked[chat] = cursor == UINT64_MAX ? 0 : cursor;
            device->sent[chat] = 0;
        }
    }
    for (uint32_t chat = 1; chat <= CHATS; chat++) {
        m->life_head[chat] = fx_head(&m->fx, chat);
        if (m->life_head[chat] > m->last[chat]) m->last[chat] = m->life_head[chat];
    }
}

static void step(struct model *m)
{
    struct device *device = &m->devices[kith_prng_below(&m->coins, DEVICES)];
    uint64_t dice = kith_prng_below(&m->coins, 100);

    if (dice < 30)
        send(m, device);
    else if (dice < 60)
        acknowledge(m, device);
    else if (dice < 66 && device->peer != NULL && !device->subscribed)
        subscribe(m, device, 1 + (unsigned)kith_prng_below(&m->coins, 50));
    else if (dice < 74 && device->peer == NULL)
        connect(m, device);
    else if (dice < 77 && device->peer != NULL) {
        fx_drop(device->peer);
        gone(device);
    } else if (dice < 79 && device->peer != NULL)
        connect(m, device);
    else if (dice < 81 && device->peer != NULL && device->subscribed) {
        fx_send(device->peer, "UNSUBSCRIBE\nid:in\n\n");
        device->subscribed = false;
        device->unacked_count = 0;
    } else if (dice < 85)
        move_member(m);
    else if (dice < 86)
        m->fx.log_store.full = !m->fx.log_store.full;
    else if (dice < 88 && device->peer != NULL) {
        device->peer->queued = device->peer->queued == 0 ? CONN_QUEUE_HIGH + 1 : 0;
        if (device->peer->queued == 0 && !device->peer->closing)
            device->peer->conn.user->drained(device->peer->conn.user);
    } else if (dice < 89 && kith_prng_chance(&m->coins, 1, 3))
        restart(m);
    else if (dice < 90 && kith_prng_chance(&m->coins, 1, 4))
        run(m, 70000);
    else if (dice < 91)
        msgstore_mem_fail_reads(m->fx.image, KITH_E_IO, 0);
    run(m, kith_prng_below(&m->coins, 5) == 0 ? kith_prng_below(&m->coins, 60) : kith_prng_below(&m->coins, 3));
    for (unsigned i = 0; i < DEVICES; i++)
        if (m->devices[i].peer != NULL && m->devices[i].peer->closing) gone(&m->devices[i]);
}

static void model_open(struct model *m, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->seed = seed;
    kith_prng_seed(&m->coins, seed);
    m->fx.store_delay_ms = (uint32_t)kith_prng_below(&m->coins, 4);
    fx_open(&m->fx, 1 + (unsigned)kith_prng_below(&m->coins, FX_LOOPS_MAX), seed);
    for (unsigned i = 0; i < DEVICES; i++) m->devices[i].user = i % USERS + 1;
    fx_group(&m->fx, 1, USERS, false);
    fx_group(&m->fx, 2, 2, false);
    fx_direct(&m->fx, 3, 1, 2, false);
    for (uint32_t user = 1; user <= USERS; user++) join(m, 1, user, 1);
    for (uint32_t user = 1; user <= 2; user++) join(m, 2, user, 1);
    for (uint32_t user = 1; user <= 2; user++) join(m, 3, user, 1);
    for (uint32_t user = 2; user <= 3; user++) join(m, 4, user, 1);
    for (uint32_t chat = 1; chat <= CHATS; chat++) learn(m, chat, 1, NULL);
    /* Everybody has been here once before the encrypted chat is made: no device is new in it. */
    for (unsigned i = 0; i < DEVICES; i++) {
        connect(m, &m->devices[i]);
        subscribe(m, &m->devices[i], 1000);
    }
    run(m, 50);
    for (unsigned i = 0; i < DEVICES; i++)
        for (unsigned j = 0; j < m->devices[i].unacked_count; j++) {
            fx_send(m->devices[i].peer, "ACK\nid:%s\n\n", m->devices[i].unacked[j].ack);
            m->devices[i].unacked[j].settled = true;
            model_acked(&m->devices[i]);
        }
    run(m, 300);
    fx_direct(&m->fx, 4, 2, 3, true);
    take_frames(m);
}

/* All is well again: everybody comes anew, while others write, and acknowledges what comes. */
static void come_and_take_all(struct model *m)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        if (m->devices[i].peer != NULL) fx_drop(m->devices[i].peer);
        gone(&m->devices[i]);
    }
    run(m, 500);
    for (unsigned i = 0; i < DEVICES; i++) {
        connect(m, &m->devices[i]);
        assert_non_null(m->devices[i].peer);
        run(m, 20);
        subscribe(m, &m->devices[i], 10000);
        for (unsigned j = 0; j < 6; j++) { /* heads move while they are being read */
            send(m, &m->devices[kith_prng_below(&m->coins, i + 1)]);
            run(m, kith_prng_below(&m->coins, 2));
        }
    }
    for (unsigned round = 0; round < 4; round++) {
        run(m, 1000);
        for (unsigned i = 0; i < DEVICES; i++) {
            struct device *device = &m->devices[i];
            for (unsigned j = 0; j < device->unacked_count; j++) {
                if (device->unacked[j].settled) continue;
                fx_send(device->peer, "ACK\nid:%s\n\n", device->unacked[j].ack);
                device->unacked[j].settled = true;
            }
            model_acked(device);
        }
    }
}

/* Everything that one may see arrived, and is acknowledged. */
static void heal(struct model *m)
{
    m->fx.log_store.full = false;
    run(m, 3000);
    come_and_take_all(m);
    come_and_take_all(m); /* now all chats are at rest while they are asked for */
    for (unsigned i = 0; i < DEVICES; i++)
        for (uint32_t chat = 1; chat <= CHATS; chat++)
            for (uint64_t seq = 1; seq <= m->last[chat]; seq++)
                if (may_see(m, chat, m->devices[i].user, seq) && !m->devices[i].seen[chat][seq])
                    fail_msg("SEED=%llu: device %u never got seq %llu of chat %u", (unsigned long long)m->seed, i + 1,
                             (unsigned long long)seq, chat);
    for (unsigned i = 0; i < DEVICES; i++)
        for (uint32_t chat = 1; chat <= CHATS; chat++)
            if (is_in(m, chat, m->devices[i].user)) assert_int_equal(fx_cursor(&m->fx, chat, i + 1), m->last[chat]);
}

static void test_gateway_random__whatever_happens_all_arrives_once(void **state)
{
    struct model *m = malloc(sizeof *m);
    const char *from = getenv("SEED"), *count = getenv("SEEDS");
    uint64_t first = from == NULL ? 1 : strtoull(from, NULL, 10),
             seeds = count == NULL ? 150 : strtoull(count, NULL, 10);
    struct gateway_stats stats = {0}, all = {0};

    (void)state;
    assert_non_null(m);
    if (from != NULL && count == NULL) seeds = 1;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        if (count != NULL || from != NULL) print_message("SEED=%llu\n", (unsigned long long)seed);
        model_open(m, seed);
        for (unsigned i = 0; i < STEPS && m->fx.peer_count < PEERS_MAX - 2 * DEVICES; i++) step(m);
        heal(m);
        for (unsigned i = 0; i < m->fx.loop_count; i++) {
            gateway_stats(m->fx.gateways[i], &stats);
            all.deliveries += stats.deliveries;
            all.redeliveries += stats.redeliveries;
            all.gaps += stats.gaps;
            all.live += stats.live;
        }
        fx_close(&m->fx);
    }
    print_message("%llu deliveries since the last starts: %llu again, %llu gaps, %llu live\n",
                  (unsigned long long)all.deliveries, (unsigned long long)all.redeliveries,
                  (unsigned long long)all.gaps, (unsigned long long)all.live);
    free(m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_random__whatever_happens_all_arrives_once),
    };

    (void)argc;
    (void)argv;
#ifdef KITH_MUTANTS
    if (argc > 1) kith_mutant_on = (int)strtol(argv[1], NULL, 10);
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
