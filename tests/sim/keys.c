#include "keys.h"

#include <inttypes.h>
#include <stdlib.h>

#define SPENT_MAX  200
#define RESERVED   10
#define CLAIM_MS   (60u * 1000) /* in a tenth of the real time: runs are short */
#define ONCE_KINDS 2

enum once { ONCE_OPK, ONCE_KEM };

struct kept_prekey {
    uint32_t id;
    struct kith_slice bytes;
    uint8_t public_hash[E2E_HASH_BYTES];
};

struct kept_device {
    struct kith_slice spk, kem_lr;
    struct kept_prekey once[ONCE_KINDS][KITH_PREKEYS_MAX]; /* ascending in id */
    uint32_t once_count[ONCE_KINDS];
    uint8_t spent[SPENT_MAX][E2E_HASH_BYTES];
    uint32_t spent_next;
    bool is_gone;
    struct {
        uint64_t generation, since_ms;
        uint32_t taken;
    } limits[SIM_USERS_MAX];
};

struct kept_person {
    uint64_t list_seq, seq;
    struct kith_slice lists[KEYS_LISTS_MAX]; /* by seq - 1, with the acceptances that each had last */
    uint8_t hash[E2E_HASH_BYTES];            /* of the newest */
    uint32_t listed[KEYS_SEQ_MAX];           /* by list_seq */
    uint32_t named;
};

struct keys_copy {
    struct keys_copy *next;
    uint8_t bytes[];
};

struct sim_keys {
    struct kept_person people[SIM_USERS_MAX];
    struct kept_device devices[SIM_DEVICES_MAX];
    struct keys_copy *copies;
    bool claimed[SIM_DEVICES_MAX][SIM_DEVICES_MAX]; /* by the first, of the second */
};

struct sim_keys *keys_new(struct sim *sim)
{
    struct sim_keys *keys = calloc(1, sizeof *keys);

    if (keys == NULL) abort();
    for (unsigned u = 0; u < sim->user_count; u++) keys->people[u].list_seq = 1; /* its first device has signed in */
    return keys;
}

void keys_free(struct sim_keys *keys)
{
    while (keys != NULL && keys->copies != NULL) {
        struct keys_copy *next = keys->copies->next;
        free(keys->copies);
        keys->copies = next;
    }
    free(keys);
}

struct kith_slice keys_copy(struct sim *sim, struct kith_slice bytes)
{
    struct keys_copy *copy = malloc(sizeof *copy + bytes.len);

    if (copy == NULL) abort();
    copy->next = sim->keys->copies;
    sim->keys->copies = copy;
    if (bytes.len > 0) memcpy(copy->bytes, bytes.ptr, bytes.len);
    return kith_slice_of(copy->bytes, bytes.len);
}

unsigned sim_device_number(const struct sim *sim, const uint8_t id[static 16])
{
    for (unsigned d = 0; d < sim->device_count; d++)
        if (memcmp(sim->devices[d].id.id.raw, id, 16) == 0) return d;
    return SIM_DEVICES_MAX;
}

unsigned sim_user_number(const struct sim *sim, const uint8_t id[static 16])
{
    for (unsigned u = 0; u < sim->user_count; u++)
        if (memcmp(sim->users[u].id.raw, id, 16) == 0) return u;
    return SIM_USERS_MAX;
}

static struct kept_device *kept_of(const struct sim_device *device)
{
    return &device->sim->keys->devices[device->number];
}

static struct kept_person *person_of(const struct sim_device *device)
{
    return &device->sim->keys->people[device->user];
}

/* Nothing in it is new but its number: what counts is what it lists. */
static void list_seq_up(struct sim *sim, unsigned user, uint32_t listed)
{
    struct kept_person *person = &sim->keys->people[user];

    if (person->list_seq + 1 == KEYS_SEQ_MAX) {
        sim_fail(sim, "user %u changed the device list %d times", user, KEYS_SEQ_MAX);
        return;
    }
    person->listed[++person->list_seq] = listed;
}

void keys_signed_in(struct sim_device *device)
{
    struct kept_person *person = person_of(device);

    list_seq_up(device->sim, device->user, person->listed[person->list_seq]);
}

void keys_signed_out(struct sim_device *device)
{
    struct kept_person *person = person_of(device);

    *kept_of(device) = (struct kept_device){.is_gone = true};
    list_seq_up(device->sim, device->user, person->listed[person->list_seq] & ~(1u << device->number));
}

uint64_t keys_list_seq(const struct sim *sim, unsigned user)
{
    return sim->keys->people[user].list_seq;
}

bool keys_has_list(const struct sim *sim, unsigned user)
{
    return sim->keys->people[user].seq > 0;
}

uint32_t keys_listed(const struct sim *sim, unsigned user, uint64_t list_seq)
{
    return list_seq < KEYS_SEQ_MAX ? sim->keys->people[user].listed[list_seq] : 0;
}

bool keys_names(const struct sim_device *device)
{
    return (person_of(device)->named & 1u << device->number) != 0;
}

uint64_t keys_newest(const struct sim *sim, unsigned user, uint8_t hash[static E2E_HASH_BYTES])
{
    memcpy(hash, sim->keys->people[user].hash, E2E_HASH_BYTES);
    return sim->keys->people[user].seq;
}

static uint32_t lasting_id(struct kith_slice bytes, enum e2e_prekey_kind kind)
{
    struct e2e_prekey prekey;

    return bytes.len > 0 && e2e_prekey_parse(bytes, kind, &prekey) == KITH_OK ? prekey.id : 0;
}

void keys_show(const struct sim_device *device, struct keys_state *out)
{
    const struct kept_device *kept = kept_of(device);

    *out = (struct keys_state){.has_list = person_of(device)->seq > 0,
                               .list_seq = person_of(device)->list_seq,
                               .opk_count = kept->once_count[ONCE_OPK],
                               .kem_ot_count = kept->once_count[ONCE_KEM],
                               .spk_id = lasting_id(kept->spk, E2E_PREKEY_SPK),
                               .kem_lr_id = lasting_id(kept->kem_lr, E2E_PREKEY_KEM_LR)};
}

void keys_lists(const struct sim *sim, unsigned user, bool has_after, uint64_t after, struct keys_lists *out)
{
    const struct kept_person *person = &sim->keys->people[user];

    *out = (struct keys_lists){.list_seq = person->list_seq};
    if (person->seq == 0) return;
    out->newest = person->lists[person->seq - 1];
    for (uint64_t seq = after + 1; has_after && seq < person->seq; seq++)
        out->past[out->past_count++] = person->lists[seq - 1];
}

/* ------------------------------------------------------------------------------------------------ put */

/* What everybody else makes of the list: a device without its acceptance is not used. */
static void list_count(struct sim *sim, const struct e2e_device_list *list, uint32_t *named, uint32_t *listed)
{
    *named = *listed = 0;
    for (uint32_t i = 0; i < list->device_count; i++) {
        unsigned number = sim_device_number(sim, list->devices[i].server_device);
        if (number == SIM_DEVICES_MAX) continue;
        *named |= 1u << number;
        if (list->devices[i].is_accepted) *listed |= 1u << number;
    }
}

/* No device that the stored list has accepted and that is still listed is without its acceptance. */
static bool keeps_accepts(const struct e2e_device_list *before, const struct e2e_device_list *next)
{
    for (uint32_t i = 0; i < next->device_count; i++) {
        const struct e2e_device *was = e2e_device_find(before, next->devices[i].device_id);
        if (was != NULL && was->is_accepted && !next->devices[i].is_accepted) return false;
    }
    return true;
}

/* The first list, the next one, or the stored one with other acceptances. */
static enum kith_code list_follow(const struct kept_person *person, const uint8_t account_id[static 16],
                                  const struct e2e_device_list *next, struct e2e_device_list *before)
{
    enum e2e_list_step step;

    if (person->seq == 0) return next->seq == 1 ? CODE_OK : CODE_CONFLICT;
    if (next->seq > KEYS_LISTS_MAX) return CODE_CONFLICT;
    if (e2e_device_list_read(person->lists[person->seq - 1], account_id, before) != KITH_OK) return CODE_INTERNAL;
    step = e2e_device_list_compare(before, next);
    if (step != E2E_LIST_SAME && step != E2E_LIST_NEXT) return CODE_CONFLICT;
    return keeps_accepts(before, next) ? CODE_OK : CODE_CONFLICT;
}

static enum kith_code list_put(struct sim_device *device, struct kith_slice signed_list)
{
    struct sim *sim = device->sim;
    struct kept_person *person = person_of(device);
    const uint8_t *account_id = sim->users[device->user].id.raw;
    struct e2e_device_list *list = calloc(2, sizeof *list);
    enum kith_code code = CODE_BAD_REQUEST;
    uint32_t listed = 0;

    if (list == NULL) abort();
    /* What the server would not believe none of our devices brings it. */
    if (e2e_device_list_read(signed_list, account_id, &list[0]) != KITH_OK ||
        e2e_device_find_server(&list[0], device->id.id.raw) == NULL || !e2e_device_list_is_bare(signed_list, &list[0]))
        sim_fail(sim, "user %u brings a list that is not good", device->user);
    else
        code = list_follow(person, account_id, &list[0], &list[1]);
    if (code == CODE_OK &&
        (person->seq != list[0].seq || !kith_slice_eq(person->lists[person->seq - 1], signed_list))) {
        person->seq = list[0].seq;
        memcpy(person->hash, list[0].hash, sizeof person->hash);
        person->lists[person->seq - 1] = keys_copy(sim, signed_list);
        list_count(sim, &list[0], &person->named, &listed);
        list_seq_up(sim, device->user, listed);
    }
    free(list);
    return code;
}

static bool is_spent(const struct kept_device *kept, const uint8_t hash[static E2E_HASH_BYTES])
{
    for (uint32_t i = 0; i < SPENT_MAX && i < kept->spent_next; i++)
        if (memcmp(kept->spent[i], hash, E2E_HASH_BYTES) == 0) return true;
    return false;
}

static void prekey_read(struct sim *sim, enum once kind, struct kith_slice bytes, struct kept_prekey *out)
{
    struct e2e_prekey prekey;
    struct kith_slice public;

    if (e2e_prekey_parse(bytes, kind == ONCE_KEM ? E2E_PREKEY_KEM_OT : E2E_PREKEY_OPK, &prekey) != KITH_OK) {
        sim_fail(sim, "a device uploads what is no prekey");
        return;
    }
    public = kith_slice_of(prekey.public, kind == ONCE_KEM ? E2E_KEM_PUBLIC_BYTES : E2E_DH_BYTES);
    *out = (struct kept_prekey){.id = prekey.id, .bytes = bytes};
    e2e_sha256(&public, 1, out->public_hash);
}

static enum kith_code once_put(struct sim_device *device, enum once kind, struct kith_slice bytes)
{
    struct sim *sim = device->sim;
    struct kept_device *kept = kept_of(device);
    struct kept_prekey one = {0}, *all = kept->once[kind];
    uint32_t at = 0, count = kept->once_count[kind];

    prekey_read(sim, kind, bytes, &one);
    if (is_spent(kept, one.public_hash)) return CODE_OK;
    while (at < count && all[at].id < one.id) at++;
    if (at < count && all[at].id == one.id) return kith_slice_eq(all[at].bytes, bytes) ? CODE_OK : CODE_CONFLICT;
    if (count == KITH_PREKEYS_MAX) return CODE_FORBIDDEN;
    memmove(&all[at + 1], &all[at], (count - at) * sizeof all[0]);
    one.bytes = keys_copy(sim, bytes);
    all[at] = one;
    kept->once_count[kind]++;
    return CODE_OK;
}

/* Those of the upload that are there already stay. */
static void once_replace(struct kept_device *kept, enum once kind, const struct kith_slice *with, uint32_t count)
{
    struct kept_prekey *all = kept->once[kind];
    uint32_t stays = 0;

    for (uint32_t at = 0; at < kept->once_count[kind]; at++) {
        bool is_there = false;
        for (uint32_t i = 0; i < count; i++) is_there |= kith_slice_eq(with[i], all[at].bytes);
        if (is_there) all[stays++] = all[at];
    }
    kept->once_count[kind] = stays;
}

enum kith_code keys_put(struct sim_device *device, const struct e2e_upload *upload, struct keys_state *out)
{
    struct kept_device *kept = kept_of(device), *before = malloc(sizeof *before);
    enum kith_code code = CODE_OK;

    if (before == NULL) abort();
    *before = *kept;
    if (kept->is_gone) code = CODE_UNAUTHORIZED;
    if (upload->replaces) {
        once_replace(kept, ONCE_OPK, upload->opks, upload->opk_count);
        once_replace(kept, ONCE_KEM, upload->kem_ots, upload->kem_ot_count);
    }
    for (uint32_t i = 0; i < upload->opk_count && code == CODE_OK; i++)
        code = once_put(device, ONCE_OPK, upload->opks[i]);
    for (uint32_t i = 0; i < upload->kem_ot_count && code == CODE_OK; i++)
        code = once_put(device, ONCE_KEM, upload->kem_ots[i]);
    /* The list last: what is refused changes nothing. */
    if (code == CODE_OK && upload->list.len > 0) {
        code = list_put(device, upload->list);
        if (code == CODE_CONFLICT) device->sim->counters.list_conflicts++;
    }
    if (code == CODE_OK && upload->spk.len > 0) kept->spk = keys_copy(device->sim, upload->spk);
    if (code == CODE_OK && upload->kem_lr.len > 0) kept->kem_lr = keys_copy(device->sim, upload->kem_lr);
    if (code != CODE_OK) *kept = *before;
    free(before);
    keys_show(device, out);
    return code;
}

/* ------------------------------------------------------------------------------------------------ claim */

static bool is_contact(const struct sim *sim, unsigned a, unsigned b)
{
    for (unsigned c = 0; c < sim->chat_count; c++) {
        unsigned first = sim_direct_first(sim, c);
        if (!sim->chat_is_group[c] && sim->chat_made[c] &&
            ((a == first && b == first + 1) || (b == first && a == first + 1)))
            return true;
    }
    return a == b;
}

/* One of the asking person's places is left. The count is in memory: another life of the server begins anew. */
static bool limit_has(struct sim_device *asks, struct kept_device *kept)
{
    struct sim *sim = asks->sim;
    uint64_t now = sim_now_ms(sim);
    uint32_t *taken = &kept->limits[asks->user].taken;
    uint64_t *since = &kept->limits[asks->user].since_ms;

    if (kept->limits[asks->user].generation != sim->server.generation) {
        kept->limits[asks->user].generation = sim->server.generation;
        *taken = 0;
        *since = now;
    }
    for (; *taken > 0 && now >= *since + CLAIM_MS; *since += CLAIM_MS) --*taken;
    if (*taken == 0) *since = now;
    return *taken < sim->claims_max;
}

static struct kith_slice once_take(struct kept_device *kept, enum once kind, bool contact)
{
    struct kept_prekey taken;

    if (kept->once_count[kind] < (contact ? 1u : RESERVED + 1u)) return (struct kith_slice){0};
    taken = kept->once[kind][0];
    kept->once_count[kind]--;
    memmove(&kept->once[kind][0], &kept->once[kind][1], kept->once_count[kind] * sizeof taken);
    memcpy(kept->spent[kept->spent_next++ % SPENT_MAX], taken.public_hash, sizeof taken.public_hash);
    return taken.bytes;
}

static void count_begun(struct sim_device *asks, unsigned number, const struct keys_bundle *bundle)
{
    struct sim_keys *keys = asks->sim->keys;

    asks->sim->counters.sessions_begun++;
    asks->sim->counters.last_resorts += bundle->kem_is_last;
    if (keys->claimed[number][asks->number] && !keys->claimed[asks->number][number]) asks->sim->counters.both_began++;
    keys->claimed[asks->number][number] = true;
}

void keys_heard(struct sim_device *device, unsigned from)
{
    device->sim->keys->claimed[from][device->number] = false; /* what it begins now is no longer at once */
}

enum kith_code keys_claim(struct sim_device *device, const struct kith_fetch *fetch, struct keys_bundle *out)
{
    struct sim *sim = device->sim;
    unsigned numbers[KITH_FETCH_DEVICES_MAX];

    for (uint32_t i = 0; i < fetch->device_count; i++) {
        const struct kept_device *kept;
        numbers[i] = sim_device_number(sim, fetch->devices[i].device.id.raw);
        out[i] = (struct keys_bundle){0};
        if (numbers[i] == device->number) return CODE_BAD_REQUEST;
        if (numbers[i] == SIM_DEVICES_MAX) continue;
        kept = &sim->keys->devices[numbers[i]];
        out[i].is_there = kept->spk.len > 0 && (kept->kem_lr.len > 0 || kept->once_count[ONCE_KEM] > 0);
        if (out[i].is_there && !limit_has(device, &sim->keys->devices[numbers[i]])) return CODE_TOO_MANY;
    }
    for (uint32_t i = 0; i < fetch->device_count; i++) {
        struct kept_device *kept = &sim->keys->devices[numbers[i] % SIM_DEVICES_MAX];
        bool contact;
        if (!out[i].is_there) continue;
        contact = is_contact(sim, device->user, sim->devices[numbers[i]].user);
        kept->limits[device->user].taken++;
        out[i].spk = kept->spk;
        out[i].kem = once_take(kept, ONCE_KEM, contact);
        out[i].kem_is_last = out[i].kem.len == 0;
        if (out[i].kem_is_last) out[i].kem = kept->kem_lr;
        out[i].opk = once_take(kept, ONCE_OPK, contact);
        count_begun(device, numbers[i], &out[i]);
    }
    return CODE_OK;
}
