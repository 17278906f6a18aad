#include <inttypes.h>
#include <stdlib.h>

#include "groups.h"
#include "keys.h"
#include "sealed.h"

/*
 * A device asks the key directory: the question is on its way, the work is done, the answer is on its way. Each may be where
 * it ends, whoever dies meanwhile; what was done stays done.
 */
struct fetch_call {
    struct loop_timer timer; /* first */
    struct fetch_call *next;
    struct sim_device *device;
    uint64_t life;
    struct kith_fetch fetch;
    struct e2e_upload upload;
    bool is_done, ok, is_empty; /* empty: there was nothing to upload any more */
    struct keys_state state;
    struct keys_lists lists[SIM_USERS_MAX];
    uint32_t list_count; /* of fetch.lists that are answered; the others are left */
    struct keys_bundle bundles[KITH_FETCH_DEVICES_MAX];
    struct kith_admit admit;
    enum kith_code admit_code; /* CODE_COUNT: not answered yet */
    uint64_t admit_until_ms;   /* it is waited for so long; 0: it was not asked yet */
};

#define ADMIT_WAIT_MS 3000
#define ADMIT_LOOK_MS 20

/* An upload is large; while it is under way its person may well do the next thing. */
static uint64_t delay_ms(const struct fetch_call *call)
{
    struct sim *sim = call->device->sim;
    uint64_t one_in = call->fetch.kind == KITH_FETCH_UPLOAD ? 2 : 10;

    return kith_prng_below(&sim->prng, kith_prng_chance(&sim->prng, 1, one_in) ? 3000 : 40);
}

/* ------------------------------------------------------------------------------------------------ the work */

static bool look_up(struct fetch_call *call, struct user_id of, bool has_after, uint64_t after, struct keys_lists *out)
{
    const unsigned user = sim_user_number(call->device->sim, of.id.raw);

    if (user == SIM_USERS_MAX) return false;
    keys_lists(call->device->sim, user, has_after, after, out);
    return true;
}

/* Now and then there is no room for all in an answer. */
static bool look_up_several(struct fetch_call *call)
{
    struct sim *sim = call->device->sim;
    const struct kith_fetch *fetch = &call->fetch;

    assert(fetch->list_count > 0 && fetch->list_count <= SIM_USERS_MAX);
    call->list_count = fetch->list_count;
    if (fetch->list_count > 1 && kith_prng_chance(&sim->prng, 1, 5))
        call->list_count = 1 + (uint32_t)kith_prng_below(&sim->prng, fetch->list_count - 1);
    for (uint32_t i = 0; i < call->list_count; i++)
        if (!look_up(call, fetch->lists[i].user, fetch->lists[i].after > 0, fetch->lists[i].after, &call->lists[i]))
            return false;
    return true;
}

static bool work(struct fetch_call *call)
{
    struct sim_device *device = call->device;
    struct sim *sim = device->sim;
    enum kith_code code = CODE_OK;

    if (!sim->server.up || !sim->server.ready || device->cut_off || device->linking.is_removed) return false;
    switch (call->fetch.kind) {
    case KITH_FETCH_KEYS: keys_show(device, &call->state); return true;
    case KITH_FETCH_UPLOAD: code = keys_put(device, &call->upload, &call->state); break;
    case KITH_FETCH_LISTS: return look_up_several(call);
    case KITH_FETCH_PAST_LISTS:
        if (!look_up(call, call->fetch.user, true, call->fetch.after, &call->lists[0])) return false;
        sim->counters.past_lists++;
        return true;
    case KITH_FETCH_BUNDLES: code = keys_claim(device, &call->fetch, call->bundles); break;
    case KITH_FETCH_ADMIT: return call->admit_code != CODE_COUNT && !kith_code_retryable(call->admit_code);
    case KITH_FETCH_MEMBERS:
    case KITH_FETCH_OPS: return true;
    }
    if (code == CODE_TOO_MANY) sim->counters.claims_refused++;
    if (code != CODE_OK && code != CODE_TOO_MANY && code != CODE_CONFLICT)
        sim_fail(sim, "%s: the key directory refuses with %s", device->name, kith_code_name(code));
    return code == CODE_OK;
}

/* ------------------------------------------------------------------------------------------------ the answer */

static void answer_lists(struct kith_client *client, struct user_id user, const struct keys_lists *lists)
{
    for (size_t i = 0; i < lists->past_count; i++) kith_client_list(client, user, 0, lists->past[i]);
    if (lists->newest.len > 0)
        kith_client_list(client, user, lists->list_seq, lists->newest);
    else
        kith_client_no_list(client, user, lists->list_seq);
}

static void answer_bundles(struct kith_client *client, const struct fetch_call *call)
{
    for (uint32_t i = 0; i < call->fetch.device_count; i++) {
        const struct keys_bundle *bundle = &call->bundles[i];
        struct e2e_claimed claimed = {
            .spk = bundle->spk, .kem = bundle->kem, .opk = bundle->opk, .kem_is_last = bundle->kem_is_last};
        if (!bundle->is_there) {
            kith_client_no_bundle(client, call->fetch.devices[i].user, call->fetch.devices[i].device);
            continue;
        }
        memcpy(claimed.account_id, call->fetch.devices[i].user.id.raw, sizeof claimed.account_id);
        memcpy(claimed.server_device, call->fetch.devices[i].device.id.raw, sizeof claimed.server_device);
        kith_client_bundle(client, &claimed);
    }
}

static void answer_members(struct sim *sim, struct kith_client *client, const struct fetch_call *call)
{
    for (unsigned c = 0; c < sim->chat_count; c++)
        if (kith_uuid_eq(sim->chats[c].id, call->fetch.chat.id))
            kith_client_members(client, call->fetch.chat, &sim->users[sim_direct_first(sim, c)],
                                sim->chat_is_group[c] ? 0 : 2);
}

static void answer(struct fetch_call *call)
{
    struct kith_client *client = call->device->client;
    const struct keys_state *state = &call->state;
    const struct kith_keys keys = {.has_list = state->has_list,
                                   .list_seq = state->list_seq,
                                   .opk_count = state->opk_count,
                                   .kem_ot_count = state->kem_ot_count,
                                   .spk_id = state->spk_id,
                                   .kem_lr_id = state->kem_lr_id};

    switch (call->fetch.kind) {
    case KITH_FETCH_KEYS: kith_client_keys(client, &keys); return;
    case KITH_FETCH_UPLOAD:
        kith_client_uploaded(client, state->list_seq, state->opk_count, state->kem_ot_count);
        return;
    case KITH_FETCH_LISTS:
        for (uint32_t i = 0; i < call->list_count; i++)
            answer_lists(client, call->fetch.lists[i].user, &call->lists[i]);
        return;
    case KITH_FETCH_PAST_LISTS: answer_lists(client, call->fetch.user, &call->lists[0]); return;
    case KITH_FETCH_BUNDLES: answer_bundles(client, call); return;
    case KITH_FETCH_MEMBERS: answer_members(call->device->sim, client, call); return;
    case KITH_FETCH_OPS: groups_answer(call->device, call->fetch.chat, call->fetch.after); return;
    case KITH_FETCH_ADMIT: kith_client_admitted(client, call->admit_code); return;
    }
}

static void fetch_end(struct fetch_call *call)
{
    struct sim_device *device = call->device;

    if (device->client == NULL || device->lives != call->life) return; /* who asked is no more */
    /* What the store holds is looked at only now: without a server that is no answer, and not "none". */
    if (call->fetch.kind == KITH_FETCH_OPS) call->ok &= device->sim->server.up && device->sim->server.ready;
    if (call->ok && !call->is_empty) answer(call);
    sealed_knows(device);
    kith_client_fetched(device->client,
                        (struct kith_time){.mono_ms = loop_now_ms(device->loop), .wall_ms = loop_wall_ms(device->loop)},
                        call->ok);
    device_run(device);
}

/* ------------------------------------------------------------------------------------------------ on its way */

/* Who is let in is the chat's business: it is asked, and looked at every now and then. True: it is not over. */
static bool waits_for_chat(struct fetch_call *call)
{
    struct sim_device *device = call->device;
    struct sim *sim = device->sim;

    if (call->fetch.kind != KITH_FETCH_ADMIT || call->is_done) return false;
    if (call->admit_until_ms == 0) {
        if (device->cut_off || device->linking.is_removed || !workload_admit(device, &call->admit, &call->admit_code))
            return false;
        call->admit_until_ms = sim_now_ms(sim) + ADMIT_WAIT_MS;
    }
    if (call->admit_code != CODE_COUNT || call->admit_until_ms <= sim_now_ms(sim)) return false;
    loop_timer_start(device->loop, &call->timer, ADMIT_LOOK_MS);
    return true;
}

static void call_fire(struct loop_timer *timer)
{
    struct fetch_call *call = (struct fetch_call *)timer;
    struct sim *sim = call->device->sim;
    bool loses;

    if (sim->stalled_until_ms > sim_now_ms(sim)) {
        loop_timer_start(call->device->loop, &call->timer, sim->stalled_until_ms - sim_now_ms(sim));
        return;
    }
    if (call->is_done) {
        fetch_end(call);
        return;
    }
    if (waits_for_chat(call)) return;
    loses = !sim->healing && kith_prng_chance(&sim->prng, 1, 10);
    call->is_done = true;
    if (!loses || kith_prng_chance(&sim->prng, 2, 3)) call->ok = work(call);
    if (loses && call->ok && (call->fetch.kind == KITH_FETCH_UPLOAD || call->fetch.kind == KITH_FETCH_BUNDLES))
        sim->counters.lost_answers++;
    sim_note(sim, "%s asks for keys, kind %d: %s%s", call->device->name, (int)call->fetch.kind,
             call->ok ? "done" : "refused, or the server is away", loses ? ", and the answer is lost" : "");
    if (loses) call->ok = false;
    loop_timer_start(call->device->loop, &call->timer, delay_ms(call));
}

static void upload_copy(struct sim *sim, struct e2e_upload *upload)
{
    upload->list = keys_copy(sim, upload->list);
    upload->spk = keys_copy(sim, upload->spk);
    upload->kem_lr = keys_copy(sim, upload->kem_lr);
    for (uint32_t i = 0; i < upload->opk_count; i++) upload->opks[i] = keys_copy(sim, upload->opks[i]);
    for (uint32_t i = 0; i < upload->kem_ot_count; i++) upload->kem_ots[i] = keys_copy(sim, upload->kem_ots[i]);
}

void fetch_start(struct sim_device *device, const struct kith_fetch *fetch)
{
    struct sim *sim = device->sim;
    struct kith_slice room;
    struct fetch_call *call = calloc(1, sizeof *call);

    if (call == NULL) abort();
    /* Kept with the directory's copies, so that nobody else has to know when it may go. */
    room = keys_copy(sim, kith_slice_of(call, sizeof *call));
    free(call);
    call = (struct fetch_call *)(uintptr_t)room.ptr;
    call->device = device;
    call->life = device->lives;
    call->fetch = *fetch;
    call->timer.fire = call_fire;
    if (fetch->kind == KITH_FETCH_UPLOAD) {
        call->is_empty = !kith_client_upload(device->client, &call->upload);
        call->is_done = call->ok = call->is_empty;
        upload_copy(sim, &call->upload);
    }
    if (fetch->kind == KITH_FETCH_ADMIT) {
        call->admit_code = CODE_COUNT;
        call->is_empty = !kith_client_admit(device->client, &call->admit);
        call->is_done = call->ok = call->is_empty;
        call->admit.signed_op = keys_copy(sim, call->admit.signed_op);
    }
    loop_timer_start(device->loop, &call->timer, call->is_done ? 0 : delay_ms(call));
}
