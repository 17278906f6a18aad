#include <stdlib.h>

#include "base/mutant.h"
#include "libkith/client.h"
#include "libkith/e2ee/account_group.h"

/* What is missing, asked of the server by one request at a time through the host; what was asked for just now is not asked again. */
#define COOL_MS      1000  /* a fetch that helped is not repeated at once */
#define COOL_LONG_MS 30000 /* one that did not */
#define ROUNDS_MAX   4     /* of a step; what is left waits for the next one */
#define PASSED_MAX   2     /* fetches of other things, while bundles could be claimed */

/* ------------------------------------------------------------------------------------------------ what is not asked now */

static bool is_same(const struct secure_want *a, const struct secure_want *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static struct secure_cooling *cooling_of(struct kith_client *client, const struct secure_want *want)
{
    for (uint32_t i = 0; i < SECURE_COOLING_MAX; i++)
        if (is_same(&client->secure.cooling[i].want, want)) return &client->secure.cooling[i];
    return NULL;
}

static uint32_t failures_of(struct kith_client *client, const struct secure_want *want)
{
    const struct secure_cooling *cooling = cooling_of(client, want);

    return cooling == NULL ? 0 : cooling->failures;
}

static bool is_cooling(struct kith_client *client, const struct secure_want *want)
{
    const struct secure_cooling *cooling = cooling_of(client, want);

    return cooling != NULL && cooling->until_ms > client->now.mono_ms;
}

/* It failed just now. That it was fetched just now does not hold back what must be known as it is now. */
static bool backs_off(struct kith_client *client, const struct secure_want *want)
{
    return is_cooling(client, want) && failures_of(client, want) > 0;
}

/* With all places taken, the one that ends first is given up: what it was for may be asked for again a little early. */
static struct secure_cooling *cool(struct kith_client *client, const struct secure_want *want, uint64_t ms,
                                   uint32_t failures)
{
    struct secure_cooling *all = client->secure.cooling, *place = cooling_of(client, want);

    if (place == NULL) {
        place = all;
        for (uint32_t i = 1; i < SECURE_COOLING_MAX; i++)
            if (all[i].until_ms < place->until_ms) place = &all[i];
        *place = (struct secure_cooling){.want = *want};
    }
    place->until_ms = client->now.mono_ms + ms;
    place->failures = failures;
    return place;
}

void secure_fetch_again(struct kith_client *client)
{
    client->secure.retry_at_ms = 0;
    for (uint32_t i = 0; i < SECURE_COOLING_MAX; i++)
        if (client->secure.cooling[i].failures > 0) client->secure.cooling[i].until_ms = 0;
}

/* ------------------------------------------------------------------------------------------------ what is missing */

static struct secure_want want_of(enum kith_fetch_kind kind, const uint8_t *id, const uint8_t *device)
{
    struct secure_want want = {.kind = kind};

    if (id != NULL) memcpy(want.id, id, sizeof want.id);
    if (device != NULL) memcpy(want.device, device, sizeof want.device);
    return want;
}

/* What cannot be asked for now makes room for what can. */
static void want_add(struct kith_client *client, struct secure_want want)
{
    struct secure *secure = &client->secure;

    for (uint32_t i = 0; i < secure->want_count; i++)
        if (is_same(&secure->wants[i], &want)) return;
    if (secure->want_count < SECURE_WANTS_MAX) {
        secure->wants[secure->want_count++] = want;
        return;
    }
    if (is_cooling(client, &want)) return;
    for (uint32_t i = 0; i < SECURE_WANTS_MAX; i++) {
        if (!is_cooling(client, &secure->wants[i])) continue;
        secure->wants[i] = want;
        return;
    }
}

static struct secure_want want_for(const struct e2e_want *want)
{
    switch (want->kind) {
    case E2E_WANT_LIST: return want_of(KITH_FETCH_LISTS, want->account_id, NULL);
    case E2E_WANT_PAST: return want_of(KITH_FETCH_PAST_LISTS, want->account_id, NULL);
    case E2E_WANT_BUNDLE: return want_of(KITH_FETCH_BUNDLES, want->account_id, want->server_device);
    case E2E_WANT_OPS:
    case E2E_WANT_GIFT: break; /* a gift is the outbox's */
    }
    return want_of(KITH_FETCH_OPS, want->account_id, NULL);
}

void secure_want(struct kith_client *client, const struct e2e_wants *wants)
{
    for (uint32_t i = 0; i < wants->count; i++) want_add(client, want_for(&wants->items[i]));
}

void secure_want_ops(struct kith_client *client, struct chat_id chat)
{
    want_add(client, want_of(KITH_FETCH_OPS, chat.id.raw, NULL));
}

void secure_want_admit(struct kith_client *client, struct chat_id chat, struct user_id user)
{
    want_add(client, want_of(KITH_FETCH_ADMIT, chat.id.raw, user.id.raw));
}

bool secure_knows_ops(const struct kith_client *client, struct chat_id chat)
{
    return kith_uuid_eq(client->secure.ops_all.id, chat.id) && client->secure.ops_all_until_ms > client->now.mono_ms;
}

void secure_want_members(struct kith_client *client, struct chat_id chat)
{
    want_add(client, want_of(KITH_FETCH_MEMBERS, chat.id.raw, NULL));
}

/* ------------------------------------------------------------------------------------------------ lists that are doubted */

/* Whoever raises the alarm time and again for nothing is believed half as soon each time. */
static uint64_t doubt_ms(const struct secure_cooling *cooling)
{
    uint64_t ms = COOL_MS;

    for (uint32_t i = 0; i < cooling->alarms && ms < COOL_LONG_MS; i++) ms *= 2;
    return ms < COOL_LONG_MS ? ms : COOL_LONG_MS;
}

/* Which of those that are asked for now is theirs. 0: none. */
static uint64_t list_bit(const struct secure *secure, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    for (uint32_t i = 0; i < secure->fetch.list_count; i++)
        if (memcmp(secure->fetch.lists[i].user.id.raw, account_id, E2E_ACCOUNT_ID_BYTES) == 0) return UINT64_C(1) << i;
    return 0;
}

void secure_list_came(struct kith_client *client, struct user_id user, bool helped)
{
    const uint64_t bit = list_bit(&client->secure, user.id.raw);

    client->secure.lists_answered |= bit;
    if (helped) client->secure.lists_helped |= bit;
}

/* What is being fetched now may have been answered before: it is known when that is over. */
void secure_doubt_list(struct kith_client *client, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                       uint64_t fetches)
{
    struct secure *secure = &client->secure;
    const struct secure_want want = want_of(KITH_FETCH_LISTS, account_id, NULL);
    struct secure_cooling *cooling = cooling_of(client, &want);
    const uint64_t asked = secure->busy ? list_bit(secure, account_id) : 0;

    if (asked != 0) {
        if (fetches == secure->fetches) secure->lists_doubted |= asked;
        return;
    }
    if (cooling == NULL || cooling->failures > 0) return;
    if (client->now.mono_ms >= cooling->until_ms + COOL_LONG_MS) cooling->alarms = 0;
    cooling->is_doubted = true;
    if (cooling->fetched_ms + doubt_ms(cooling) < cooling->until_ms)
        cooling->until_ms = cooling->fetched_ms + doubt_ms(cooling);
}

void secure_want_new(struct kith_client *client, const struct e2e_wants *wants, uint64_t fetches)
{
    for (uint32_t i = 0; i < wants->count; i++)
        if (wants->items[i].kind == E2E_WANT_LIST) secure_doubt_list(client, wants->items[i].account_id, fetches);
    secure_want(client, wants);
}

static void list_fetched(struct kith_client *client, const struct secure_want *want, uint64_t bit)
{
    const bool helped = (client->secure.lists_helped & bit) != 0;
    struct secure_cooling *cooling = cool(client, want, helped ? COOL_MS : COOL_LONG_MS, 0);

    cooling->fetched_ms = client->now.mono_ms;
    cooling->alarms = helped ? 0 : cooling->alarms + cooling->is_doubted;
    cooling->is_doubted = false;
    if ((client->secure.lists_doubted & bit) != 0) secure_doubt_list(client, want->id, client->secure.fetches);
}

/* ------------------------------------------------------------------------------------------------ what is asked next */

/* Those behind the one that is known. */
static void fetch_list(const struct kith_client *client, const struct user_id *user, struct kith_fetch *fetch)
{
    struct e2e_person person = e2e_account_person(client->secure.account, user->id.raw);

    fetch->kind = KITH_FETCH_LISTS;
    fetch->lists[fetch->list_count].user = *user;
    fetch->lists[fetch->list_count++].after = person.list == NULL ? 0 : person.list->seq;
}

/* Together with those that failed as often, and the fewer at once the more often: at last one that fails spoils no other's. */
static void fetch_lists(struct kith_client *client, const struct secure_want *first, struct kith_fetch *fetch)
{
    const uint32_t failures = failures_of(client, first),
                   max = KITH_FETCH_LISTS_MAX >> (failures < 2 ? 3 * failures : 6);
    const struct secure *secure = &client->secure;
    struct user_id user;

    for (uint32_t i = 0; i < secure->want_count && fetch->list_count < max; i++) {
        const struct secure_want *want = &secure->wants[i];
        if (want->kind != KITH_FETCH_LISTS || is_cooling(client, want) || failures_of(client, want) != failures)
            continue;
        memcpy(user.id.raw, want->id, sizeof want->id);
        fetch_list(client, &user, fetch);
    }
}

static void fetch_past_lists(const struct kith_client *client, const struct secure_want *want, struct kith_fetch *fetch)
{
    fetch->kind = KITH_FETCH_PAST_LISTS;
    memcpy(fetch->user.id.raw, want->id, sizeof want->id);
    (void)e2e_account_past(client->secure.account, want->id, &fetch->after); /* 0 of what nobody wants any more */
}

static void fetch_ops(const struct kith_client *client, const struct secure_want *want, struct kith_fetch *fetch)
{
    struct e2e_group_view view;

    fetch->kind = KITH_FETCH_OPS;
    memcpy(fetch->chat.id.raw, want->id, sizeof want->id);
    fetch->after = e2e_account_group(client->secure.account, want->id, &view) ? view.group->seq : 0;
}

/* Those that never failed are asked for together; one that did alone, so that it spoils no other's. */
static void fetch_bundles(struct kith_client *client, const struct secure_want *first, struct kith_fetch *fetch)
{
    const struct secure *secure = &client->secure;

    fetch->kind = KITH_FETCH_BUNDLES;
    for (uint32_t i = 0; i < secure->want_count && fetch->device_count < KITH_FETCH_DEVICES_MAX; i++) {
        const struct secure_want *want = &secure->wants[i];
        if (want->kind != KITH_FETCH_BUNDLES || is_cooling(client, want)) continue;
        if (want != first && (failures_of(client, first) > 0 || failures_of(client, want) > 0)) continue;
        memcpy(fetch->devices[fetch->device_count].user.id.raw, want->id, sizeof want->id);
        memcpy(fetch->devices[fetch->device_count++].device.id.raw, want->device, sizeof want->device);
    }
}

/*
 * Bundles are passed over once or twice: one request brings those of many whose lists came before. Then they come first until
 * all are here, else a message would never go out to a group that people join all the time.
 */
static bool is_sooner(const struct secure *secure, const struct secure_want *want, const struct secure_want *best)
{
    const bool is_bundle = want->kind == KITH_FETCH_BUNDLES;

    return is_bundle != (best->kind == KITH_FETCH_BUNDLES) && is_bundle == (secure->bundles_passed >= PASSED_MAX);
}

/* What failed least comes first: nothing that fails, however often, is in the way of what does not. */
static const struct secure_want *best_want(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    const struct secure_want *best = NULL;
    uint32_t best_failures = 0;
    bool has_bundles = false;

    for (uint32_t i = 0; i < secure->want_count; i++) {
        const struct secure_want *want = &secure->wants[i];
        const uint32_t failures = failures_of(client, want);
        if (is_cooling(client, want)) continue;
        has_bundles |= want->kind == KITH_FETCH_BUNDLES;
        if (best != NULL && (failures > best_failures || (failures == best_failures && !is_sooner(secure, want, best))))
            continue;
        best = want;
        best_failures = failures;
    }
    if (has_bundles && best->kind != KITH_FETCH_BUNDLES)
        secure->bundles_passed++;
    else if (!has_bundles || secure->bundles_passed < PASSED_MAX)
        secure->bundles_passed = 0;
    return best;
}

static bool choose_want(struct kith_client *client, struct kith_fetch *fetch)
{
    const struct secure_want *best = best_want(client);

    if (best == NULL) return false;
    switch (best->kind) {
    case KITH_FETCH_LISTS: fetch_lists(client, best, fetch); return true;
    case KITH_FETCH_PAST_LISTS: fetch_past_lists(client, best, fetch); return true;
    case KITH_FETCH_OPS: fetch_ops(client, best, fetch); return true;
    case KITH_FETCH_ADMIT:
        memcpy(fetch->user.id.raw, best->device, sizeof best->device);
        fetch->kind = KITH_FETCH_ADMIT;
        memcpy(fetch->chat.id.raw, best->id, sizeof best->id);
        return true;
    case KITH_FETCH_MEMBERS:
        fetch->kind = KITH_FETCH_MEMBERS;
        memcpy(fetch->chat.id.raw, best->id, sizeof best->id);
        return true;
    default: fetch_bundles(client, best, fetch); return true;
    }
}

/* What is to be uploaded is made now, so that its private halves are durable before anybody else may have the public ones. */
static bool prepare_upload(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    struct e2e_upload *upload = malloc(sizeof *upload);
    bool is_any;

    if (upload == NULL) return false; /* still due */
    secure->upload_ms = client->now.wall_ms;
    is_any = kith_mutant(PREKEYS_LATE) || e2e_account_upload(secure->account, secure->upload_ms, upload);
    free(upload);
    secure->upload_due = false; /* what comes up meanwhile is due again */
    return is_any;
}

/*
 * First what this device is with the server. Each of these, too, steps back when it fails, but nothing is uploaded before
 * it is known what is there.
 */
static bool choose(struct kith_client *client, struct kith_fetch *fetch)
{
    struct secure *secure = &client->secure;
    const struct secure_want keys = want_of(KITH_FETCH_KEYS, NULL, NULL),
                             upload = want_of(KITH_FETCH_UPLOAD, NULL, NULL),
                             own = want_of(KITH_FETCH_LISTS, client->config.user.id.raw, NULL),
                             looked_up = want_of(KITH_FETCH_LISTS, secure->looks_up.id.raw, NULL);

    if (!secure->keys_known && !backs_off(client, &keys)) {
        fetch->kind = KITH_FETCH_KEYS;
        return true;
    }
    if (!secure->keys_known && e2e_account_state(secure->account) != E2E_ACCOUNT_READY) return false;
    if (secure->own_due && !backs_off(client, &own)) {
        fetch_list(client, &client->config.user, fetch);
        return true;
    }
    if (secure->keys_known && !secure->own_due && secure->upload_due && !backs_off(client, &upload) &&
        prepare_upload(client)) {
        fetch->kind = KITH_FETCH_UPLOAD;
        return true;
    }
    if (!kith_uuid_is_nil(secure->looks_up.id) && !backs_off(client, &looked_up)) {
        fetch_list(client, &secure->looks_up, fetch);
        return true;
    }
    return choose_want(client, fetch);
}

static void start_fetch(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    struct kith_fetch fetch = {0};

    if (secure->busy || client->link != LINK_UP || secure->retry_at_ms > client->now.mono_ms) return;
    if (!choose(client, &fetch)) return;
    secure->busy = true;
    secure->helped = secure->is_late = false;
    secure->lists_answered = secure->lists_helped = secure->lists_doubted = 0;
    if (fetch.kind == KITH_FETCH_OPS) secure->ops_wants.count = 0;
    secure->fetch = fetch;
    secure->fetches++;
    effect_add(client, KITH_EFFECT_FETCH, 0, NULL)->fetch = fetch;
}

void secure_work(struct kith_client *client)
{
    struct secure *secure = &client->secure;

    if (!secure_on(client) || !client->started || secure->working) return;
    secure->working = true;
    secure->changed |= secure->admit_at_ms <= client->now.mono_ms;
    /* Again for what this device came to say meanwhile: a step, or a chain that a message waits for. */
    for (int round = 0; round < ROUNDS_MAX && secure->changed && client->link == LINK_UP; round++) {
        secure->changed = false;
        secure->want_count = 0;
        secure_want(client, &secure->ops_wants);
        if (!kith_uuid_is_nil(secure->ops_behind.id)) secure_want_ops(client, secure->ops_behind);
        if (!kith_uuid_is_nil(secure->looks_into.id)) secure_want_ops(client, secure->looks_into);
        secure_open_pending(client);
        admit_work(client);
        resend_ask(client);
        mail_work(client);
        outbox_pump(client);
    }
    start_fetch(client);
    link_timers(client);
    secure->working = false;
}

static bool is_anything_due(const struct secure *secure)
{
    return secure->want_count > 0 || !secure->keys_known || secure->own_due || secure->upload_due ||
           !kith_uuid_is_nil(secure->looks_up.id);
}

uint64_t secure_next_ms(const struct kith_client *client)
{
    const struct secure *secure = &client->secure;
    uint64_t next = UINT64_MAX;

    if (!secure_on(client) || secure->busy) return next;
    if (secure->retry_at_ms > client->now.mono_ms) return secure->retry_at_ms;
    if (secure->admit_at_ms > client->now.mono_ms) next = secure->admit_at_ms;
    for (uint32_t i = 0; is_anything_due(secure) && i < SECURE_COOLING_MAX; i++)
        if (secure->cooling[i].until_ms > client->now.mono_ms && secure->cooling[i].until_ms < next)
            next = secure->cooling[i].until_ms;
    return next;
}

_Static_assert(KITH_FETCH_LISTS_MAX <= KITH_FETCH_DEVICES_MAX && KITH_FETCH_LISTS_MAX <= 64, "a bit each");

/* All that the fetch was for: one, but for lists and bundles. */
static uint32_t wants_of(const struct kith_fetch *fetch, struct secure_want out[static KITH_FETCH_DEVICES_MAX])
{
    switch (fetch->kind) {
    case KITH_FETCH_KEYS:
    case KITH_FETCH_UPLOAD: out[0] = want_of(fetch->kind, NULL, NULL); return 1;
    case KITH_FETCH_LISTS:
        for (uint32_t i = 0; i < fetch->list_count; i++)
            out[i] = want_of(fetch->kind, fetch->lists[i].user.id.raw, NULL);
        return fetch->list_count;
    case KITH_FETCH_PAST_LISTS: out[0] = want_of(fetch->kind, fetch->user.id.raw, NULL); return 1;
    case KITH_FETCH_OPS:
    case KITH_FETCH_MEMBERS: out[0] = want_of(fetch->kind, fetch->chat.id.raw, NULL); return 1;
    case KITH_FETCH_ADMIT: out[0] = want_of(fetch->kind, fetch->chat.id.raw, fetch->user.id.raw); return 1;
    case KITH_FETCH_BUNDLES: break;
    }
    for (uint32_t i = 0; i < fetch->device_count; i++)
        out[i] = want_of(fetch->kind, fetch->devices[i].user.id.raw, fetch->devices[i].device.id.raw);
    return fetch->device_count;
}

/*
 * It steps back by itself, the longer the more often it failed. All the others wait, too, but only as long as one failure
 * makes them: longer when several in a row are of different things, since then it is the server.
 */
static void fetch_failed(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    struct secure_want wants[KITH_FETCH_DEVICES_MAX];
    uint32_t count = wants_of(&secure->fetch, wants);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t failures = failures_of(client, &wants[i]);
        (void)cool(client, &wants[i], 1 + client_backoff_ms(client, failures), failures + 1);
    }
    if (secure->failures == 0 || !is_same(&secure->failed_last, &wants[0])) secure->failures++;
    secure->failed_last = wants[0];
    secure->changed |= secure->want_count == SECURE_WANTS_MAX; /* for what did not fit */
    secure->retry_at_ms = client->now.mono_ms + 1 + client_backoff_ms(client, secure->failures - 1);
    /* It may have been refused because another device's list came first: what the server has is looked at again. */
    if (secure->fetch.kind != KITH_FETCH_UPLOAD) return;
    secure->upload_due = true;
    secure->keys_known = false;
}

/* What was asked before a message came may have been answered before what it speaks of. */
static void note_fresh(struct kith_client *client, struct user_id user)
{
    for (struct pending *one = client->secure.pending_first; one != NULL; one = one->next) {
        if (one->fetches == client->secure.fetches) continue;
        one->is_fresh |= kith_uuid_eq(one->message.sender.id, user.id);
        one->is_own_fresh |= kith_uuid_eq(client->config.user.id, user.id);
    }
    admit_fresh(client, user);
}

/* Whether it told all that there is: what could not be taken yet may be all that a message waits for. For how long it is not asked again. */
static uint64_t ops_fetched(struct kith_client *client, struct chat_id chat)
{
    struct secure *secure = &client->secure;
    struct chat_members **members = kith_map_find(&secure->members, &chat);
    bool waits = secure->ops_wants.count > 0, is_over = !waits;
    struct e2e_group_view view;
    struct secure_want list;

    if (waits) {
        list = want_for(&secure->ops_wants.items[0]);
        is_over = is_cooling(client, &list) && failures_of(client, &list) == 0; /* it was asked, and did not help */
    }
    if (is_over && !secure->helped && kith_uuid_eq(secure->looks_into.id, chat.id))
        secure->looks_into = (struct chat_id){0};
    if (!is_over)
        secure->ops_behind = chat;
    else if (kith_uuid_eq(secure->ops_behind.id, chat.id))
        secure->ops_behind = (struct chat_id){0};
    if (waits) /* asked for again behind that list, if it is not one that nobody has */
        return is_cooling(client, &list) || failures_of(client, &list) > 0 ? COOL_MS : 0;
    if (secure->helped) return COOL_MS;
    secure->ops_all = chat;
    secure->ops_all_until_ms = client->now.mono_ms + COOL_LONG_MS;
    /* A device that has no keys yet takes no operation. */
    if (members != NULL && e2e_account_state(secure->account) == E2E_ACCOUNT_READY &&
        !e2e_account_group(secure->account, chat.id.raw, &view))
        (*members)->has_no_ops = true;
    for (struct pending *one = secure->pending_first; one != NULL; one = one->next)
        one->is_ops_fresh |= one->fetches != secure->fetches && kith_uuid_eq(one->message.chat.id, chat.id);
    return COOL_LONG_MS;
}

/* For how long they are not asked for again: not at all while an answer leads on to the next. */
static uint64_t past_fetched(const struct kith_client *client, const struct kith_fetch *fetch)
{
    uint64_t after = 0;

    if (!e2e_account_past(client->secure.account, fetch->user.id.raw, &after)) return COOL_MS;
    return after > fetch->after ? 0 : COOL_LONG_MS;
}

/* Who is left is asked for again. Where nothing at all was said of anybody, nothing is new. */
static void lists_fetched(struct kith_client *client, const struct secure_want *wants)
{
    struct secure *secure = &client->secure;
    const struct kith_fetch *fetch = &secure->fetch;

    for (uint32_t i = 0; i < fetch->list_count; i++) {
        const uint64_t bit = UINT64_C(1) << i;
        const struct user_id user = fetch->lists[i].user;
        if (secure->lists_answered != 0 && (secure->lists_answered & bit) == 0) continue;
        if (kith_uuid_eq(client->config.user.id, user.id)) secure->own_due = false;
        if (kith_uuid_eq(secure->looks_up.id, user.id)) secure->looks_up = (struct user_id){0};
        note_fresh(client, user);
        list_fetched(client, &wants[i], bit);
    }
}

static void fetch_done(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    const struct kith_fetch *fetch = &secure->fetch;
    struct secure_want wants[KITH_FETCH_DEVICES_MAX];
    uint32_t count = wants_of(fetch, wants), failures = 0;
    uint64_t ms = 0;

    if (fetch->kind != KITH_FETCH_KEYS) secure->failures = 0; /* what failed before it may fail again */
    secure->changed = true;
    if (fetch->kind == KITH_FETCH_LISTS) {
        lists_fetched(client, wants);
        return;
    }
    if (fetch->kind == KITH_FETCH_PAST_LISTS) ms = past_fetched(client, fetch);
    if (fetch->kind == KITH_FETCH_OPS) ms = ops_fetched(client, fetch->chat);
    if (fetch->kind == KITH_FETCH_BUNDLES) ms = COOL_LONG_MS;
    if (fetch->kind == KITH_FETCH_ADMIT) ms = COOL_MS; /* the operations are fetched meanwhile */
    if (secure->is_late) {                             /* somebody was quicker; time and again: the group was stopped */
        ms += client_backoff_ms(client, failures_of(client, &wants[0]));
        failures = failures_of(client, &wants[0]) + 1;
    }
    if (fetch->kind == KITH_FETCH_MEMBERS && secure_members_of(client, fetch->chat) == NULL) ms = COOL_LONG_MS;
    for (uint32_t i = 0; i < count; i++)
        if (ms > 0 || cooling_of(client, &wants[i]) != NULL) (void)cool(client, &wants[i], ms, failures);
}

void kith_client_fetched(struct kith_client *client, struct kith_time now, bool ok)
{
    client->now = now;
    if (!client->secure.busy) return;
    client->secure.busy = false;
    if (ok)
        fetch_done(client);
    else
        fetch_failed(client);
    step_end(client);
}

bool kith_client_is_settled(const struct kith_client *client)
{
    const struct secure *secure = &client->secure;

    if (!secure_on(client)) return true;
    return secure->keys_known && !secure->own_due && !secure->upload_due && !secure->busy &&
           secure->pending_first == NULL && admit_is_settled(client) && mail_is_settled(client) &&
           kith_uuid_is_nil(secure->looks_up.id) && kith_uuid_is_nil(secure->looks_into.id);
}
