#include "gateway_fixture.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------------ tokens */

struct pending_check {
    struct loop_timer timer;
    struct fx *fx;
    struct account_check *op;
    struct pending_check *next;
};

static struct fx *fx_now; /* the accounts are a pointer that nobody looks into */

/* "u1d2" */
static bool token_parse(const char *token, uint32_t *user, uint32_t *device)
{
    const char *d = strchr(token, 'd');
    uint64_t numbers[2] = {0};

    if (token[0] != 'u' || d == NULL) return false;
    if (kith_slice_to_u64(kith_slice_of(token + 1, (size_t)(d - token - 1)), &numbers[0]) != KITH_OK) return false;
    if (kith_slice_to_u64(kith_slice_str(d + 1), &numbers[1]) != KITH_OK) return false;
    *user = (uint32_t)numbers[0];
    *device = (uint32_t)numbers[1];
    return true;
}

static void check_fire(struct loop_timer *timer)
{
    struct pending_check *pending = (struct pending_check *)timer;
    struct account_check *op = pending->op;
    struct fx *fx = pending->fx;
    uint32_t user = 0, device = 0;

    free(pending);
    op->code = CODE_UNAUTHORIZED;
    if (token_parse(op->token, &user, &device)) {
        op->code = CODE_OK;
        op->who = (struct account_identity){
            .user = USER(user), .device = DEVICE(device), .expires_ms = loop_wall_ms(op->loop) + fx->token_ms};
    }
    if (fx->check_code != CODE_OK) op->code = fx->check_code;
    memset(op->token, 0, sizeof op->token);
    op->done(op);
}

static void check(struct accounts *accounts, struct account_check *op)
{
    struct pending_check *pending = calloc(1, sizeof *pending);

    (void)accounts;
    assert_non_null(pending);
    pending->timer.fire = check_fire;
    pending->fx = fx_now;
    pending->op = op;
    loop_timer_start(op->loop, &pending->timer, fx_now->check_ms);
}

/* ------------------------------------------------------------------------------------------------------------- server */

static void fatal(void *arg, const char *why)
{
    (void)arg;
    fail_msg("the shard owner failed: %s", why);
}

static void server_open(struct fx *fx)
{
    struct msgstore_status store_status;
    struct log_status log_now;
    bool shards[KITH_SHARDS];

    fx->log = log_mem_open(&fx->log_store, fx->log_loop);
    assert_non_null(fx->log);
    assert_int_equal(msgstore_mem_open(fx->image, &fx->store_config, &fx->store), KITH_OK);
    for (unsigned i = 0; i < fx->loop_count; i++) {
        fx->askers[i] = asker_new(&(struct asker_config){.loop = fx->loops[i], .loop_index = i, .log = fx->log});
        assert_non_null(fx->askers[i]);
        fx->listeners[i] = asker_listener(fx->askers[i]);
    }
    for (unsigned i = 0; i < KITH_SHARDS; i++) shards[i] = true;
    fx->store->ops->status(fx->store, &store_status);
    fx->owner = shard_owner_new(&(struct shard_owner_config){.loop = fx->owner_loop,
                                                             .log = fx->log,
                                                             .store = fx->store,
                                                             .listeners = fx->listeners,
                                                             .listener_count = fx->loop_count,
                                                             .shards = shards,
                                                             .positions = store_status.positions,
                                                             .cache_bytes_max = 1u << 20,
                                                             .rules = chat_rules_default,
                                                             .fatal = fatal});
    assert_non_null(fx->owner);
    log_status(fx->log, &log_now);
    fx->group = gateway_group_new(log_now.position_durable);
    assert_non_null(fx->group);
    for (unsigned i = 0; i < fx->loop_count; i++) {
        fx->gateways[i] = gateway_new(&(struct gateway_config){.loop = fx->loops[i],
                                                               .group = fx->group,
                                                               .asker = fx->askers[i],
                                                               .store = fx->store,
                                                               .check = check,
                                                               .stale = fx->stale,
                                                               .limits = fx->limits,
                                                               .server = "kithd/test"});
        assert_non_null(fx->gateways[i]);
    }
    assert_int_equal(log_start(fx->log), KITH_OK);
    for (unsigned i = 0; i < 1000 && !shard_owner_caught_up(fx->owner); i++) fx_run(fx, 1);
    assert_true(shard_owner_caught_up(fx->owner));
}

void fx_open(struct fx *fx, unsigned loops, uint64_t seed)
{
    struct gateway_limits limits = fx->limits;
    uint32_t store_delay_ms = fx->store_delay_ms;
    void (*stale)(struct accounts *accounts, struct account_stale *op) = fx->stale;
    static const char *const names[FX_LOOPS_MAX] = {"gateway 0", "gateway 1", "gateway 2"};

    *fx = (struct fx){.loop_count = loops,
                      .token_ms = 3600 * 1000,
                      .check_code = CODE_OK,
                      .limits = limits,
                      .store_delay_ms = store_delay_ms,
                      .stale = stale};
    fx_now = fx;
    fx->world = sim_world_new(seed);
    assert_non_null(fx->world);
    fx->log_loop = sim_loop_new(fx->world, "log");
    fx->owner_loop = sim_loop_new(fx->world, "owner");
    for (unsigned i = 0; i < loops; i++) fx->loops[i] = sim_loop_new(fx->world, names[i]);
    log_mem_store_init(&fx->log_store);
    fx->image = msgstore_mem_image_new();
    assert_non_null(fx->image);
    fx->store_config = (struct msgstore_mem_config){.seed = seed, .delay_ms_max = store_delay_ms};
    server_open(fx);
}

void fx_run(struct fx *fx, uint64_t ms)
{
    sim_world_run_until(fx->world, sim_world_now_us(fx->world) / 1000 + ms);
}

static void peers_free(struct fx *fx)
{
    while (fx->peer_count > 0) fx_forget_last(fx);
}

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

void fx_close(struct fx *fx)
{
    bool closed = false;

    for (unsigned i = 0; i < fx->peer_count; i++) fx_drop(fx->peers[i]);
    fx_run(fx, 500);
    for (unsigned i = 0; i < fx->loop_count; i++) {
        for (unsigned j = 0; j < 10000 && gateway_pending(fx->gateways[i]) > 0; j++) fx_run(fx, 1);
        assert_int_equal(gateway_pending(fx->gateways[i]), 0);
        gateway_free(fx->gateways[i]);
    }
    gateway_group_free(fx->group);
    for (unsigned i = 0; i < fx->loop_count; i++) asker_free(fx->askers[i]);
    fx->log->ops->close(fx->log, note_closed, &closed);
    fx_run(fx, 500);
    assert_true(closed);
    shard_owner_free(fx->owner);
    log_mem_free(fx->log);
    fx->store->ops->close(fx->store);
    msgstore_mem_image_free(fx->image);
    log_mem_store_deinit(&fx->log_store);
    sim_world_free(fx->world);
    peers_free(fx);
}

static bool reads_pending(const struct fx *fx)
{
    struct gateway_stats stats;

    for (unsigned i = 0; i < fx->loop_count; i++) {
        gateway_stats(fx->gateways[i], &stats);
        if (stats.readers > 0) return true;
    }
    return false;
}

void fx_restart(struct fx *fx)
{
    uint32_t unpersisted;

    fx_run(fx, 1);
    /* The reference store forgets reads that are under way at a crash, but not their memory: none is. */
    for (unsigned i = 0; i < 100 && reads_pending(fx); i++) fx_run(fx, 1);
    sim_loop_kill(fx->log_loop);
    sim_loop_kill(fx->owner_loop);
    for (unsigned i = 0; i < fx->loop_count; i++) {
        sim_loop_kill(fx->loops[i]);
        gateway_crash(fx->gateways[i]);
    }
    for (unsigned i = 0; i < fx->peer_count; i++) fx->peers[i]->closing = fx->peers[i]->closed = true;
    gateway_group_free(fx->group);
    for (unsigned i = 0; i < fx->loop_count; i++) asker_crash(fx->askers[i]);
    shard_owner_crash(fx->owner);
    log_mem_free(fx->log);
    unpersisted = msgstore_mem_unpersisted(fx->image);
    msgstore_mem_crash(fx->image, unpersisted / 2);
    server_open(fx);
}

/* ----------------------------------------------------------------------------------------------------------- commands */

struct fx_asked {
    struct ask ask;
    bool done;
};

static void ask_done(struct ask *ask)
{
    ((struct fx_asked *)ask)->done = true;
}

struct chat_answer fx_ask(struct fx *fx, const struct cmd *cmd)
{
    struct fx_asked asked = {.ask = {.done = ask_done}};

    asker_ask(fx->askers[0], cmd, &asked.ask);
    for (unsigned i = 0; i < 1000 && !asked.done; i++) fx_run(fx, 1);
    assert_true(asked.done);
    fx_run(fx, 2); /* the other loops have its news too */
    return asked.ask.answer;
}

static void told(struct ask *ask)
{
    free(ask);
}

void fx_tell(struct fx *fx, const struct cmd *cmd)
{
    struct ask *ask = calloc(1, sizeof *ask);

    assert_non_null(ask);
    ask->done = told;
    asker_ask(fx->askers[0], cmd, ask);
}

static void create(struct fx *fx, uint32_t chat, const uint32_t *users, uint32_t count, uint32_t flags)
{
    uint8_t *members = calloc(count, CMD_MEMBER_BYTES);
    struct cmd cmd = {.verb = CMD_CHAT_CREATE,
                      .flags = flags,
                      .stream = CHAT(chat).id,
                      .actor = USER(users[0]),
                      .device = DEVICE(users[0]),
                      .members = {.ptr = members, .len = (size_t)count * CMD_MEMBER_BYTES}};

    assert_non_null(members);
    assert_true(count < 2 || users[0] < users[1]); /* in the order that the core wants */
    for (uint32_t i = 0; i < count; i++)
        cmd_member_encode(&(struct cmd_member){.user = USER(users[i]),
                                               .list_seq = 1,
                                               .accepted = 1,
                                               .receipts = 1,
                                               .role = i == 0 && (flags & CMD_GROUP) ? ROLE_OWNER : ROLE_MEMBER},
                          members + i * CMD_MEMBER_BYTES);
    assert_int_equal(fx_ask(fx, &cmd).code, CODE_CREATED);
    free(members);
}

void fx_direct(struct fx *fx, uint32_t chat, uint32_t a, uint32_t b, bool encrypted)
{
    create(fx, chat, (uint32_t[]){a, b}, 2, encrypted ? CMD_ENCRYPTED : 0);
}

void fx_group(struct fx *fx, uint32_t chat, uint32_t members, bool encrypted)
{
    uint32_t *users = calloc(members, sizeof *users);

    assert_non_null(users);
    for (uint32_t i = 0; i < members; i++) users[i] = i + 1;
    create(fx, chat, users, members, CMD_GROUP | (encrypted ? CMD_ENCRYPTED : 0));
    free(users);
}

void fx_add(struct fx *fx, uint32_t chat, uint32_t user)
{
    struct cmd cmd = {.verb = CMD_MEMBER_ADD,
                      .stream = CHAT(chat).id,
                      .actor = USER(1),
                      .device = DEVICE(1),
                      .subject = USER(user),
                      .value = 1};

    assert_int_equal(fx_ask(fx, &cmd).code, CODE_CREATED);
}

void fx_remove(struct fx *fx, uint32_t chat, uint32_t user)
{
    struct cmd cmd = {.verb = CMD_MEMBER_REMOVE,
                      .stream = CHAT(chat).id,
                      .actor = USER(1),
                      .device = DEVICE(1),
                      .subject = USER(user)};

    assert_int_equal(fx_ask(fx, &cmd).code, CODE_CREATED);
}

struct msg_id fx_msg_id(struct fx *fx)
{
    uint8_t coins[10] = {0};

    kith_put_u64_be(coins + 2, ++fx->ids);
    return (struct msg_id){kith_uuid_v7_make(SIM_WALL_START_MS + sim_world_now_us(fx->world) / 1000, coins)};
}

uint64_t fx_say(struct fx *fx, uint32_t chat, uint32_t user, uint32_t device, const char *text)
{
    struct cmd cmd = {.verb = CMD_SEND,
                      .stream = CHAT(chat).id,
                      .actor = USER(user),
                      .device = DEVICE(device),
                      .id = fx_msg_id(fx),
                      .content_type = kith_slice_str("text/plain"),
                      .body = kith_slice_str(text)};
    struct chat_answer answer = fx_ask(fx, &cmd);

    if (answer.code == CODE_BAD_REQUEST) {
        cmd.flags = CMD_ENCRYPTED;
        answer = fx_ask(fx, &cmd);
    }
    assert_int_equal(answer.code, CODE_CREATED);
    return answer.seq;
}

struct fx_read {
    struct msgstore_get get;
    struct msgstore_commit commit;
    bool done;
};

static void get_done(struct msgstore_get *op)
{
    ((struct fx_read *)((char *)op - offsetof(struct fx_read, get)))->done = true;
}

static void commit_done(struct msgstore_commit *op)
{
    ((struct fx_read *)((char *)op - offsetof(struct fx_read, commit)))->done = true;
}

static bool row_read(struct fx *fx, const struct row_key *key, struct fx_read *read)
{
    *read = (struct fx_read){.get = {.loop = fx->log_loop, .key = row_key_slice(key), .done = get_done}};
    kith_buf_init(&read->get.value, 4096);
    msgstore_get(fx->store, &read->get);
    for (unsigned i = 0; i < 1000 && !read->done; i++) fx_run(fx, 1);
    assert_true(read->done);
    return read->get.err == KITH_OK;
}

uint64_t fx_cursor(struct fx *fx, uint32_t chat, uint32_t device)
{
    struct row_key key = row_key_device(CHAT(chat), DEVICE(device));
    struct row_device row = {0};
    struct fx_read read;

    if (row_read(fx, &key, &read)) assert_int_equal(row_device_decode(kith_buf_peek(&read.get.value), &row), KITH_OK);
    kith_buf_deinit(&read.get.value);
    return row.has_cursor ? row.cursor : UINT64_MAX;
}

uint64_t fx_head(struct fx *fx, uint32_t chat)
{
    struct row_key key = row_key_chat(CHAT(chat));
    struct row_chat row = {0};
    struct fx_read read;

    assert_true(row_read(fx, &key, &read));
    assert_int_equal(row_chat_decode(kith_buf_peek(&read.get.value), &row), KITH_OK);
    kith_buf_deinit(&read.get.value);
    return row.last_seq;
}

struct row_member fx_member(struct fx *fx, uint32_t chat, uint32_t user)
{
    struct row_key key = row_key_member(CHAT(chat), USER(user));
    struct row_member row = {0};
    struct fx_read read;

    assert_true(row_read(fx, &key, &read));
    assert_int_equal(row_member_decode(kith_buf_peek(&read.get.value), &row), KITH_OK);
    kith_buf_deinit(&read.get.value);
    return row;
}

void fx_erase(struct fx *fx, const struct row_key *key)
{
    struct msgstore_status status;
    struct msgstore_batch batch;
    struct msgstore_position position = {0};
    struct fx_read read = {0};

    fx->store->ops->status(fx->store, &status);
    position.position = status.positions[0];
    msgstore_batch_init(&batch);
    assert_int_equal(msgstore_batch_delete(&batch, row_key_slice(key)), KITH_OK);
    read.commit = (struct msgstore_commit){
        .loop = fx->log_loop, .batch = &batch, .positions = &position, .position_count = 1, .done = commit_done};
    msgstore_commit(fx->store, &read.commit);
    for (unsigned i = 0; i < 1000 && !read.done; i++) fx_run(fx, 1);
    assert_int_equal(read.commit.err, KITH_OK);
    msgstore_batch_deinit(&batch);
}
