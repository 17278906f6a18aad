#include "bench/bench_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chat/chat.h"
#include "wire/bodies.h"
#include "wire/stomp.h"

#define RUNS_MAX     64
#define TIMES        2000
#define CIPHER_BYTES 623 /* of a short text, as an account makes it */
#define NOW_MS       1800000000000ull

static void must(kith_err err)
{
    if (err == KITH_OK) return;
    (void)fprintf(stderr, "kith-bench group: %s\n", kith_err_name(err));
    exit(1);
}

static struct kith_uuid id_of(uint8_t kind, uint32_t n)
{
    struct kith_uuid id = {{kind}};

    kith_put_u32_be(id.raw + 12, n);
    return id;
}

/* ---- the group, and the core that takes what is said there */

struct group {
    unsigned members;
    struct bodies_list *lists;
    struct chat *chat;
    struct kith_buf rows;
    uint64_t position, ids;
};

static struct chat_answer apply(struct group *group, struct cmd cmd)
{
    struct chat_lookup lookups[CHAT_LOOKUPS];
    struct chat_effects fx;

    cmd.stream = group->chat->id.id;
    cmd.time_ms = NOW_MS;
    kith_buf_reset(&group->rows);
    fx.rows = &group->rows;
    chat_lookups(group->chat, &cmd, lookups);
    chat_apply(group->chat, &cmd, ++group->position, &chat_rules_default, lookups, &fx);
    must(fx.err);
    return fx.answer;
}

static void group_make(struct group *group, unsigned members)
{
    struct cmd cmd = {
        .verb = CMD_CHAT_CREATE, .flags = CMD_GROUP | CMD_ENCRYPTED, .actor = {id_of(1, 1)}, .device = {id_of(2, 1)}};
    uint8_t *raw = calloc(members, CMD_MEMBER_BYTES);

    *group = (struct group){.members = members,
                            .lists = calloc(members, sizeof *group->lists),
                            .chat = chat_new((struct chat_id){id_of(3, 1)})};
    if (raw == NULL || group->lists == NULL || group->chat == NULL) must(KITH_E_NOMEM);
    kith_buf_init(&group->rows, 64u << 20);
    for (unsigned i = 0; i < members; i++) {
        struct cmd_member member = {.user = {id_of(1, i + 1)},
                                    .role = i == 0 ? ROLE_OWNER : ROLE_MEMBER,
                                    .accepted = 1,
                                    .receipts = 1,
                                    .list_seq = i + 2};
        group->lists[i] = (struct bodies_list){.user = member.user, .list_seq = member.list_seq};
        cmd_member_encode(&member, raw + i * (size_t)CMD_MEMBER_BYTES);
    }
    cmd.members = kith_slice_of(raw, (size_t)members * CMD_MEMBER_BYTES);
    if (apply(group, cmd).code != CODE_CREATED) must(KITH_E_DENIED);
    free(raw);
}

static void group_free(struct group *group)
{
    free(group->lists);
    chat_free(group->chat);
    kith_buf_deinit(&group->rows);
}

/* ---- what is said */

static const uint8_t cipher[CIPHER_BYTES] = {1};

static void with_lists(const struct group *group, struct kith_buf *out)
{
    struct bodies_item item = {.ciphertext = kith_slice_of(cipher, sizeof cipher)};

    kith_buf_reset(out);
    must(bodies_encode(out, group->lists, group->members, &item, 1));
}

static void with_digest(const struct group *group, struct kith_buf *out)
{
    uint8_t digest[BODIES_DIGEST_BYTES] = {0};

    kith_buf_reset(out);
    for (unsigned i = 0; i < group->members; i++) bodies_digest_add(digest, &group->lists[i]);
    must(bodies_encode_common(out, digest, kith_slice_of(cipher, sizeof cipher)));
}

/* As libkith writes it. */
static size_t frame_bytes(const struct kith_buf *body)
{
    static const char id[] = "01890a5d-ac96-774b-bcce-b302099a8057";
    struct stomp_writer w;
    struct kith_buf frame;
    size_t bytes;

    kith_buf_init(&frame, KITH_FRAME_BYTES_MAX);
    stomp_begin(&w, &frame, STOMP_SEND);
    stomp_put_str(&w, "destination", "/chat/01890a5d-ac96-774b-bcce-b302099a8057");
    stomp_put_str(&w, "message-id", id);
    stomp_put_str(&w, "receipt", id);
    stomp_put_str(&w, "after", id);
    stomp_put_str(&w, "encrypted", "true");
    stomp_put_str(&w, "content-type", BODIES_CONTENT_TYPE);
    must(stomp_end(&w, kith_buf_peek(body)));
    bytes = kith_buf_len(&frame);
    kith_buf_deinit(&frame);
    return bytes;
}

static void say(struct group *group, const struct kith_buf *body)
{
    uint8_t coins[10] = {0};
    struct cmd cmd = {.verb = CMD_SEND,
                      .flags = CMD_ENCRYPTED | CMD_PER_DEVICE,
                      .actor = {id_of(1, 1)},
                      .device = {id_of(2, 1)},
                      .content_type = kith_slice_str("application/octet-stream"),
                      .body = kith_buf_peek(body)};

    kith_put_u64_be(coins + 2, ++group->ids);
    cmd.id.id = kith_uuid_v7_make(NOW_MS, coins);
    if (apply(group, cmd).code != CODE_CREATED) must(KITH_E_DENIED);
}

/* ---- time */

static double now_us(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static double said_us(struct group *group, const struct kith_buf *body, bool forgets)
{
    double from = now_us();

    for (unsigned i = 0; i < TIMES; i++) {
        if (forgets) group->chat->has_digest = false; /* as if somebody's list were another */
        say(group, body);
    }
    return (now_us() - from) / TIMES;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_row(const char *name, size_t bytes, double *values, unsigned runs)
{
    qsort(values, runs, sizeof *values, by_value);
    printf("  %-36s frame %6zu B, taken in %8.2f us (%.2f to %.2f)\n", name, bytes, values[runs / 2], values[0],
           values[runs - 1]);
}

static unsigned option(int argc, char **argv, const char *name, unsigned otherwise, unsigned most)
{
    for (int i = 1; i + 1 < argc; i++) {
        unsigned long value;
        if (strcmp(argv[i], name) != 0) continue;
        value = strtoul(argv[i + 1], NULL, 10);
        return value < 1 ? 1 : value > most ? most : (unsigned)value;
    }
    return otherwise;
}

int bench_group(int argc, char **argv)
{
    const unsigned runs = option(argc, argv, "--runs", 5, RUNS_MAX);
    const unsigned members = option(argc, argv, "--members", 1024, chat_rules_default.members_max);
    double lists_us[RUNS_MAX], digest_us[RUNS_MAX], first_us[RUNS_MAX], load[1] = {0};
    struct kith_buf lists, digest;
    struct group group;

    group_make(&group, members);
    kith_buf_init(&lists, KITH_MESSAGE_BYTES_MAX);
    kith_buf_init(&digest, KITH_MESSAGE_BYTES_MAX);
    with_lists(&group, &lists);
    with_digest(&group, &digest);
    for (unsigned i = 0; i < runs; i++) {
        lists_us[i] = said_us(&group, &lists, false);
        digest_us[i] = said_us(&group, &digest, false);
        first_us[i] = said_us(&group, &digest, true);
    }
    (void)getloadavg(load, 1);
    printf("a message for all %u members, %u B of ciphertext, load %.1f, median of %u runs (least to most)\n\n",
           members, CIPHER_BYTES, load[0], runs);
    print_row("with their lists", frame_bytes(&lists), lists_us, runs);
    print_row("with the digest, which is known", frame_bytes(&digest), digest_us, runs);
    print_row("with the digest, worked out for it", frame_bytes(&digest), first_us, runs);
    kith_buf_deinit(&lists);
    kith_buf_deinit(&digest);
    group_free(&group);
    return 0;
}
