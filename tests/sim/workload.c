#include <stdio.h>
#include <stdlib.h>

#include "groups.h"
#include "keys.h"
#include "mail.h"
#include "oracle.h"
#include "sealed.h"

#define MONOLOGUE_MS 30000

/*
 * What people do: write, read, delete; the owner of a group adds and removes. Devices act through their client cores;
 * membership and deletes go through a server asker, as REST would.
 */
struct sim_ask {
    struct ask ask; /* first: the asker gives it back */
    struct sim *sim;
    struct sim_ask *next;
    uint64_t generation;
    struct loop_task task;
    struct cmd cmd;
    uint8_t members[SIM_USERS_MAX * CMD_MEMBER_BYTES];
    unsigned chat;
    bool done;
    enum kith_code *admit_code; /* of who is let in by an invite link: where its device waits for it */
};

/* I-A2: who was removed is out: removing again changes nothing. Only known within one life of the server, whose answers
 * all came. */
static void membership_answered(struct sim *sim, const struct sim_ask *mine)
{
    for (unsigned u = 0; u < sim->user_count; u++) {
        uint64_t *removed = &sim->removed_in_life[mine->chat][u];
        if (!kith_uuid_eq(sim->users[u].id, mine->cmd.subject.id)) continue;
        if (mine->cmd.verb == CMD_MEMBER_REMOVE && *removed == mine->generation)
            sim_fail(sim, "I-A2: user %u was removed from chat %u and is still in it", u, mine->chat);
        *removed = mine->cmd.verb == CMD_MEMBER_REMOVE ? mine->generation : 0;
    }
}

static void ask_done(struct ask *ask)
{
    struct sim_ask *mine = (struct sim_ask *)ask;
    struct sim *sim = mine->sim;
    enum kith_code code = ask->answer.code;

    mine->done = true;
    if (mine->admit_code != NULL) *mine->admit_code = code == CODE_CREATED ? CODE_OK : code;
    if (mine->admit_code != NULL && code == CODE_CREATED) sim->counters.admitted++;
    if (mine->cmd.verb == CMD_MEMBER_ASK && code == CODE_CREATED) sim->counters.asks++;
    /* I-E2: what was acknowledged keeps its content, whoever says the id again. */
    if (mine->cmd.verb == CMD_SEND && (code == CODE_OK || code == CODE_CREATED))
        sim_fail(sim, "I-E2: an id was taken again with other content");
    if (mine->cmd.verb == CMD_SEND && code == CODE_CONFLICT) sim->counters.conflicts++;
    if (mine->cmd.verb == CMD_CHAT_CREATE && (code == CODE_CREATED || code == CODE_OK))
        sim->chat_made[mine->chat] = true;
    if (code == CODE_STALE_GROUP) sim->counters.group_stale++;
    /* Who comes may have changed their list meanwhile: the accounts see to that the chat knows. */
    if (mine->cmd.verb == CMD_MEMBER_ADD) facts_again(sim, mine->chat, mine->cmd.subject);
    if (code != CODE_CREATED) return;
    if (mine->cmd.body.len > 0 && mine->cmd.verb != CMD_SEND && mine->cmd.verb != CMD_MEMBER_ASK)
        sim->counters.group_ops++;
    if (mine->cmd.verb == CMD_MEMBER_ADD || mine->cmd.verb == CMD_MEMBER_REMOVE) membership_answered(sim, mine);
    if (mine->cmd.verb == CMD_MEMBER_ADD) sim->counters.members_added++;
    if (mine->cmd.verb == CMD_MEMBER_REMOVE) sim->counters.members_removed++;
    if (mine->cmd.verb == CMD_DELETE) sim->counters.deletes++;
}

/* On a server loop: whose asker takes it. */
static void ask_run(struct loop_task *task)
{
    struct sim_ask *mine = (struct sim_ask *)((char *)task - offsetof(struct sim_ask, task));
    struct sim *sim = mine->sim;

    if (!sim->server.up || mine->generation != sim->server.generation) return;
    asker_ask(sim->server.askers[0], &mine->cmd, &mine->ask);
}

static struct sim_ask *ask_new(struct sim *sim, enum cmd_verb verb, unsigned chat, unsigned actor)
{
    struct sim_ask *mine = calloc(1, sizeof *mine);

    if (mine == NULL) abort();
    mine->sim = sim;
    mine->chat = chat;
    mine->generation = sim->server.generation;
    mine->ask.done = ask_done;
    mine->task.run = ask_run;
    mine->cmd = (struct cmd){.verb = verb, .stream = sim->chats[chat].id, .actor = sim->users[actor]};
    mine->next = sim->asks;
    sim->asks = mine;
    return mine;
}

static bool is_signed(const struct sim *sim, unsigned chat)
{
    return sim->chat_is_group[chat] && sim_chat_is_encrypted(sim, chat);
}

static void ask_signed(struct sim_ask *mine, const struct groups_op *op)
{
    mine->cmd.actor = op->by->sim->users[op->by->user];
    mine->cmd.device = op->by->id;
    mine->cmd.seq = op->group_seq;
    mine->cmd.body = op->signed_op;
}

static void create_chat(struct sim *sim, unsigned chat)
{
    struct groups_op op = {0};
    struct sim_ask *mine;
    unsigned count = sim->chat_is_group[chat] ? sim->user_count : 2;
    unsigned first = sim->chat_is_group[chat] ? 0 : sim_direct_first(sim, chat);

    if (is_signed(sim, chat)) {
        op = groups_create(sim, chat);
        if (op.by == NULL || !sim->server.up) return;
        count = op.change.other_count + 1;
    }
    mine = ask_new(sim, CMD_CHAT_CREATE, chat, 0);
    mine->cmd.actor = sim->users[first];
    mine->cmd.flags = sim->chat_is_group[chat] ? CMD_GROUP : 0;
    if (sim_chat_is_encrypted(sim, chat)) mine->cmd.flags |= CMD_ENCRYPTED;
    for (unsigned i = 0; i < count; i++) {
        struct cmd_member member = {.user = sim->users[first + i],
                                    .role = i == 0 && sim->chat_is_group[chat] ? ROLE_OWNER : ROLE_MEMBER,
                                    .accepted = 1,
                                    .receipts = 1,
                                    .list_seq = sim->encrypts ? keys_list_seq(sim, first + i) : 0};
        cmd_member_encode(&member, mine->members + i * CMD_MEMBER_BYTES);
    }
    if (op.by != NULL) ask_signed(mine, &op);
    mine->cmd.members = kith_slice_of(mine->members, count * CMD_MEMBER_BYTES);
    loop_post(sim->server.loops[0], &mine->task);
}

static void change_group(struct sim *sim, unsigned chat)
{
    static const enum cmd_verb verbs[] = {[E2E_GROUP_ADD] = CMD_MEMBER_ADD,     [E2E_GROUP_REMOVE] = CMD_MEMBER_REMOVE,
                                          [E2E_GROUP_LEAVE] = CMD_MEMBER_LEAVE, [E2E_GROUP_ROLE] = CMD_MEMBER_ROLE,
                                          [E2E_GROUP_INFO] = CMD_CHAT_UPDATE,   [E2E_GROUP_JOIN_KEY] = CMD_CHAT_UPDATE};
    struct groups_op op = groups_change(sim, chat);
    struct sim_ask *mine;

    if (op.by == NULL || !sim->server.up) return;
    mine = ask_new(sim, verbs[op.change.kind], chat, 0);
    ask_signed(mine, &op);
    if (op.change.kind == E2E_GROUP_JOIN_KEY) {
        mine->cmd.flags = CMD_HAS_JOIN_KEY;
        mine->cmd.value = op.join_tag;
    }
    if (op.change.kind == E2E_GROUP_ADD || op.change.kind == E2E_GROUP_ROLE || op.change.kind == E2E_GROUP_REMOVE)
        memcpy(mine->cmd.subject.id.raw, op.change.subject, sizeof op.change.subject);
    if (op.change.kind == E2E_GROUP_ADD || op.change.kind == E2E_GROUP_ROLE) mine->cmd.role = op.change.role;
    if (op.change.kind == E2E_GROUP_ADD) mine->cmd.value = keys_list_seq(sim, sim_user_number(sim, op.change.subject));
    loop_post(sim->server.loops[0], &mine->task);
}

static void ask_to_join(struct sim *sim, unsigned chat)
{
    struct groups_ask ask = groups_ask(sim, chat);
    struct sim_ask *mine;

    if (ask.by == NULL || !sim->server.up) return;
    mine = ask_new(sim, CMD_MEMBER_ASK, chat, ask.by->user);
    mine->cmd.device = ask.by->id;
    mine->cmd.value = ask.join_tag;
    mine->cmd.body = ask.request;
    loop_post(sim->server.loops[0], &mine->task);
}

bool workload_admit(struct sim_device *device, const struct kith_admit *admit, enum kith_code *code)
{
    struct sim *sim = device->sim;
    unsigned user = sim_user_number(sim, admit->user.id.raw), chat = 0;
    struct sim_ask *mine;

    *code = CODE_COUNT;
    if (!sim->server.up || !sim->server.ready || user == SIM_USERS_MAX) return false;
    while (!kith_uuid_eq(sim->chats[chat].id, admit->chat.id)) chat++;
    mine = ask_new(sim, CMD_MEMBER_ADD, chat, device->user);
    mine->cmd.device = device->id;
    mine->cmd.subject = admit->user;
    mine->cmd.role = ROLE_MEMBER;
    mine->cmd.value = keys_list_seq(sim, user);
    mine->cmd.seq = admit->group_seq;
    mine->cmd.body = admit->signed_op;
    mine->admit_code = code;
    loop_post(sim->server.loops[0], &mine->task);
    return true;
}

static void change_members(struct sim *sim, unsigned chat)
{
    bool add = kith_prng_chance(&sim->prng, 1, 2);
    struct sim_ask *mine = ask_new(sim, add ? CMD_MEMBER_ADD : CMD_MEMBER_REMOVE, chat, 0);

    mine->cmd.subject = sim->users[kith_prng_between(&sim->prng, 1, sim->user_count - 1)];
    mine->cmd.role = add ? ROLE_MEMBER : 0;
    loop_post(sim->server.loops[0], &mine->task);
}

static void delete_message(struct sim *sim, unsigned chat)
{
    struct sim_ask *mine = ask_new(sim, CMD_DELETE, chat, 0);

    mine->cmd.seq = kith_prng_between(&sim->prng, 2, SIM_DELETE_SEQ_END - 1);
    sim->delete_asked[chat][mine->cmd.seq] = true;
    loop_post(sim->server.loops[0], &mine->task);
}

/* A broken client says an acknowledged id again, with other words. */
static void say_again(struct sim *sim)
{
    struct msg_id id;
    unsigned user = 0, chat = 0;
    struct sim_ask *mine;

    if (!oracle_any_acked(sim, &id, &user, &chat)) return;
    mine = ask_new(sim, CMD_SEND, chat, user);
    mine->cmd.id = id;
    mine->cmd.content_type = kith_slice_str("text/plain");
    mine->cmd.body = kith_slice_str("something else");
    loop_post(sim->server.loops[0], &mine->task);
}

static void device_write(struct sim_device *device, unsigned chat)
{
    struct sim *sim = device->sim;
    bool encrypted = sim_chat_is_encrypted(sim, chat);
    struct kith_send send = {
        .chat = sim->chats[chat], .encrypted = encrypted, .content_type = kith_slice_str("text/plain")};
    struct msg_id id;
    char body[64];
    struct kith_time now = {.mono_ms = loop_now_ms(device->loop), .wall_ms = loop_wall_ms(device->loop)};

    send.body = kith_slice_of(body, (size_t)snprintf(body, sizeof body, "%llu from %s%s",
                                                     (unsigned long long)sim->counters.sends, device->name,
                                                     encrypted ? " " SEALED_MARK : ""));
    sim->counters.sends++;
    if (kith_client_send(device->client, now, &send, &id) != KITH_OK) {
        sim_fail(sim, "%s cannot take a message into its outbox", device->name);
        return;
    }
    oracle_invoked(device, sim->chats[chat], id, send.body);
}

/* So much that its end asks for an answer, whatever it says (docs/wire/e2ee.md, "need_step"). */
static unsigned burst_of(struct sim_device *device, unsigned chat)
{
    struct sim *sim = device->sim;

    if (sim->has_monologue && sim->listen_until_ms == 0 && sim_chat_is_encrypted(sim, chat)) {
        sim->speaker = device->number;
        sim->listen_until_ms = sim_now_ms(sim) + MONOLOGUE_MS;
        return E2E_NEED_STEP_MESSAGES + 20;
    }
    return kith_prng_chance(&sim->prng, 1, 6) ? 8 : 1;
}

static bool listens(const struct sim_device *device)
{
    const struct sim *sim = device->sim;

    return sim_now_ms(sim) < sim->listen_until_ms && sim->speaker != device->number;
}

/* On the device's own loop. */
static void act_fire(struct loop_timer *timer)
{
    struct sim_device *device = (struct sim_device *)((char *)timer - offsetof(struct sim_device, act));
    struct sim *sim = device->sim;
    unsigned chat = (unsigned)kith_prng_below(&sim->prng, sim->chat_count);
    unsigned first = sim->chat_is_group[chat] ? 0 : sim_direct_first(sim, chat);
    bool is_member = sim->chat_is_group[chat] || device->user == first || device->user == first + 1;

    if (sim->healing || device->linking.is_leaving) return;
    if (device->client != NULL && sim->chat_made[chat] && is_member && !listens(device)) {
        if (kith_prng_chance(&sim->prng, 1, 6) && oracle_applied_up_to(device, sim->chats[chat]) > 0) {
            sim->counters.reads++;
            kith_ignore(
                kith_client_read(device->client, sim->chats[chat], oracle_applied_up_to(device, sim->chats[chat])));
        } else {
            for (unsigned i = burst_of(device, chat); i > 0; i--) device_write(device, chat);
        }
        device_run(device);
    }
    loop_timer_start(device->loop, &device->act, kith_prng_below(&sim->prng, 1500));
}

/* Soon, between two steps: it is a device's to sign, on no server loop. */
static void group_due(struct sim *sim, unsigned chat)
{
    sim->group_due = true;
    sim->group_due_chat = chat;
}

void workload_group(struct sim *sim)
{
    sim->group_due = false;
    if (sim->healing || !sim->server.up || !sim->server.ready) return;
    if (sim->chat_made[sim->group_due_chat] && sim->has_joins && kith_prng_chance(&sim->prng, 1, 2))
        ask_to_join(sim, sim->group_due_chat);
    else if (sim->chat_made[sim->group_due_chat])
        change_group(sim, sim->group_due_chat);
    else
        create_chat(sim, sim->group_due_chat);
}

static void workload_fire(struct loop_timer *timer)
{
    struct sim *sim = (struct sim *)((char *)timer - offsetof(struct sim, workload));
    unsigned chat = (unsigned)kith_prng_below(&sim->prng, sim->chat_count);

    if (sim->healing) return;
    loop_timer_start(sim->director, &sim->workload, kith_prng_below(&sim->prng, 800));
    if (!sim->server.up || !sim->server.ready) return;
    if (is_signed(sim, chat) && (!sim->chat_made[chat] || kith_prng_chance(&sim->prng, 2, 3)))
        group_due(sim, chat);
    else if (!sim->chat_made[chat])
        create_chat(sim, chat);
    else if (sim->chat_is_group[chat] && !is_signed(sim, chat) && kith_prng_chance(&sim->prng, 1, 3))
        change_members(sim, chat);
    else if (kith_prng_chance(&sim->prng, 1, 10))
        delete_message(sim, chat);
    else if (kith_prng_chance(&sim->prng, 1, 5))
        say_again(sim);
    if (kith_prng_chance(&sim->prng, 1, 3)) mail_send(sim);
}

void workload_start(struct sim *sim)
{
    sim->workload.fire = workload_fire;
    loop_timer_start(sim->director, &sim->workload, 0);
    for (unsigned d = 0; d < sim->device_count; d++) {
        sim->devices[d].act.fire = act_fire;
        loop_timer_start(sim->devices[d].loop, &sim->devices[d].act, kith_prng_below(&sim->prng, 1500));
    }
}

bool workload_is_quiet(const struct sim *sim)
{
    if (!sim->server.up || !sim->server.ready || !oracle_all_answered(sim) || !mail_is_quiet(sim)) return false;
    if (!facts_are_told(sim) || !linking_is_done(sim)) return false;
    for (unsigned d = 0; d < sim->device_count; d++)
        if (sim->devices[d].client == NULL || kith_client_connection(sim->devices[d].client) != KITH_ONLINE)
            return false;
    return true;
}

void workload_free(struct sim *sim)
{
    while (sim->asks != NULL) {
        struct sim_ask *next = sim->asks->next;
        free(sim->asks);
        sim->asks = next;
    }
    mail_free(sim);
}
