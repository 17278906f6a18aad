#include <stdlib.h>

#include "keys.h"

/*
 * What the account service's outbox does: each encrypted chat is told of each change of its people's device lists, again and
 * again until it says so. A device that has just signed in is named with it for as long as its login waits for that, and is
 * not let in when a chat may have learned its name or not.
 */
#define LOGIN_WAITS_MS 3000

struct fact {
    struct ask ask; /* first: the asker gives it back */
    struct loop_task task;
    struct fact *next;
    struct sim *sim;
    struct cmd cmd;
    unsigned chat, user;
    uint64_t generation;
};

struct sim_facts {
    struct fact *all;
    struct {
        uint64_t told;
        struct fact *asking;
    } chats[SIM_CHATS_MAX][SIM_USERS_MAX];
};

static bool is_in(const struct sim *sim, unsigned chat, unsigned user)
{
    unsigned first = sim_direct_first(sim, chat);

    return sim_chat_is_encrypted(sim, chat) && sim->chat_made[chat] &&
           (sim->chat_is_group[chat] || user == first || user == first + 1);
}

/* It may be named later: its login is refused, and its person tries again, as a device that nobody has heard of. */
static void note_unknown(struct sim *sim, struct device_id device)
{
    for (unsigned d = 0; d < sim->device_count; d++) {
        struct sim_linking *linking = &sim->devices[d].linking;
        if (!kith_uuid_eq(sim->devices[d].id.id, device.id) || linking->login_until_ms == 0) continue;
        linking->is_named_maybe = true;
    }
}

static void told(struct ask *ask)
{
    struct fact *fact = (struct fact *)ask;
    struct sim *sim = fact->sim;
    uint64_t *told = &sim->facts->chats[fact->chat][fact->user].told;

    sim->facts->chats[fact->chat][fact->user].asking = NULL;
    bool is_out = sim->chat_is_group[fact->chat] &&
                  (ask->answer.code == CODE_NOT_FOUND || ask->answer.code == CODE_FORBIDDEN);
    if ((ask->answer.code == CODE_OK || is_out) && fact->cmd.value > *told) *told = fact->cmd.value;
    if (ask->answer.code == CODE_UNKNOWN_OUTCOME) note_unknown(sim, fact->cmd.device);
    if (ask->answer.code != CODE_OK && !is_out && !kith_code_retryable(ask->answer.code))
        sim_fail(sim, "chat %u refused to be told of a device list: %s", fact->chat, kith_code_name(ask->answer.code));
}

/* On a server loop. */
static void tell_run(struct loop_task *task)
{
    struct fact *fact = (struct fact *)((char *)task - offsetof(struct fact, task));

    if (!fact->sim->server.up || fact->generation != fact->sim->server.generation) return;
    asker_ask(fact->sim->server.askers[0], &fact->cmd, &fact->ask);
}

/* Who signs in just now; NULL: nobody. */
static struct sim_device *signing_in(struct sim *sim, unsigned user)
{
    for (unsigned d = 0; d < sim->device_count; d++)
        if (sim->devices[d].user == user && sim->devices[d].linking.login_until_ms != 0) return &sim->devices[d];
    return NULL;
}

static void tell(struct sim *sim, unsigned chat, unsigned user)
{
    struct fact *fact = calloc(1, sizeof *fact);
    const struct sim_device *device = signing_in(sim, user);

    if (fact == NULL) abort();
    *fact = (struct fact){.ask.done = told,
                          .task.run = tell_run,
                          .next = sim->facts->all,
                          .sim = sim,
                          .cmd = {.verb = CMD_FACT,
                                  .stream = sim->chats[chat].id,
                                  .subject = sim->users[user],
                                  .fact = FACT_LIST_SEQ,
                                  .value = keys_list_seq(sim, user)},
                          .chat = chat,
                          .user = user,
                          .generation = sim->server.generation};
    if (device != NULL) fact->cmd.device = device->id;
    sim->facts->all = fact;
    sim->facts->chats[chat][user].asking = fact;
    loop_post(sim->server.loops[0], &fact->task);
}

static bool knows(const struct sim *sim, unsigned user)
{
    for (unsigned c = 0; c < sim->chat_count; c++)
        if (is_in(sim, c, user) && sim->facts->chats[c][user].told < keys_list_seq(sim, user)) return false;
    return true;
}

void facts_again(struct sim *sim, unsigned chat, struct user_id user)
{
    unsigned number = sim_user_number(sim, user.id.raw);

    if (sim->encrypts && number < SIM_USERS_MAX) sim->facts->chats[chat][number].told = 0;
}

bool facts_are_told(const struct sim *sim)
{
    for (unsigned u = 0; sim->encrypts && u < sim->user_count; u++)
        if (!knows(sim, u)) return false;
    return true;
}

/* What was asked with the device's name may still be done: until it is known, the device must not begin elsewhere. */
static bool is_asked(const struct sim *sim, const struct sim_device *device)
{
    for (const struct fact *fact = sim->facts->all; fact != NULL; fact = fact->next)
        if (fact->generation == sim->server.generation && kith_uuid_eq(fact->cmd.device.id, device->id.id) &&
            sim->facts->chats[fact->chat][fact->user].asking == fact)
            return true;
    return false;
}

/* Its person tries again, and gets a device that nobody has heard of. */
static void login_again(struct sim_device *device)
{
    device->linking.is_in = device->linking.is_named_maybe = false;
    device->id.id.raw[15]++;
    device->sim->counters.logins_refused++;
}

/* The login is answered: all chats know, or it was late and is not named any more. Not so: its server is no more. */
void facts_logins_end(struct sim *sim)
{
    for (unsigned d = 0; d < sim->device_count; d++) {
        struct sim_linking *linking = &sim->devices[d].linking;
        bool is_answerable = linking->login_generation == sim->server.generation;
        if (linking->login_until_ms == 0) continue;
        if (!knows(sim, sim->devices[d].user) && is_answerable &&
            (linking->login_until_ms > sim_now_ms(sim) || is_asked(sim, &sim->devices[d])))
            continue;
        linking->login_until_ms = 0;
        if (is_answerable && !linking->is_named_maybe)
            device_start(&sim->devices[d]);
        else
            login_again(&sim->devices[d]);
    }
}

void facts_sign_in(struct sim_device *device)
{
    struct sim *sim = device->sim;

    keys_signed_in(device);
    device->linking.is_in = true;
    device->linking.login_until_ms = sim_now_ms(sim) + LOGIN_WAITS_MS;
    device->linking.login_generation = sim->server.generation;
}

static void tells_fire(struct loop_timer *timer)
{
    struct sim *sim = (struct sim *)((char *)timer - offsetof(struct sim, tells));

    loop_timer_start(sim->director, &sim->tells, 1 + kith_prng_below(&sim->prng, 400));
    if (!sim->server.up || !sim->server.ready) return;
    for (unsigned c = 0; c < sim->chat_count; c++) {
        for (unsigned u = 0; u < sim->user_count; u++) {
            const struct fact *asking = sim->facts->chats[c][u].asking;
            if (!is_in(sim, c, u) || sim->facts->chats[c][u].told >= keys_list_seq(sim, u)) continue;
            if (asking == NULL || asking->generation != sim->server.generation) tell(sim, c, u);
        }
    }
}

void facts_start(struct sim *sim)
{
    sim->facts = calloc(1, sizeof *sim->facts);
    if (sim->facts == NULL) abort();
    sim->tells.fire = tells_fire;
    loop_timer_start(sim->director, &sim->tells, 0);
}

void facts_free(struct sim *sim)
{
    while (sim->facts != NULL && sim->facts->all != NULL) {
        struct fact *next = sim->facts->all->next;
        free(sim->facts->all);
        sim->facts->all = next;
    }
    free(sim->facts);
}
