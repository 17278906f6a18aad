#include "sealed.h"

#include <inttypes.h>
#include <stdlib.h>

#include "keys.h"
#include "libkith/content.h"
#include "libkith/e2ee/account_group.h"
#include "wire/bodies.h"
#include "wire/stomp.h"

/* A message as it was last put on the wire. What was refused for its lists is never taken later: they only grow older. */
struct version {
    uint32_t devices; /* by number */
    bool is_common;
    uint64_t lists[SIM_USERS_MAX];
    struct {
        uint32_t opk, kem; /* of the set-up in that device's ciphertext; 0: none */
    } once[SIM_DEVICES_MAX];
};

/* A digest that a device may say in a group: of the members that it knew at one time, and their lists. */
struct digest_key {
    uint8_t device, chat;
    uint8_t digest[BODIES_DIGEST_BYTES];
};

typedef uint64_t sim_lists[SIM_USERS_MAX]; /* 0: not in it, or without a list */

struct sim_sealed {
    struct kith_map versions;                        /* msg_id to struct version */
    struct kith_map digests;                         /* struct digest_key to sim_lists */
    sim_lists known[SIM_DEVICES_MAX][SIM_CHATS_MAX]; /* by whom, now */
};

struct sim_sealed *sealed_new(void)
{
    struct sim_sealed *sealed = calloc(1, sizeof *sealed);
    static const uint8_t seed[16] = {3};

    if (sealed == NULL) abort();
    kith_map_init(&sealed->versions, sizeof(struct msg_id), sizeof(struct version), 1u << 20, seed);
    kith_map_init(&sealed->digests, sizeof(struct digest_key), sizeof(sim_lists), 1u << 20, seed);
    return sealed;
}

void sealed_free(struct sim_sealed *sealed)
{
    if (sealed == NULL) return;
    kith_map_deinit(&sealed->versions);
    kith_map_deinit(&sealed->digests);
    free(sealed);
}

/* ------------------------------------------------------------------------------------------------ digests */
static bool lists_known(const struct sim_device *device, unsigned chat, sim_lists out)
{
    const struct e2e_account *account = kith_client_account(device->client);
    struct e2e_group_view view;

    if (!e2e_account_group(account, device->sim->chats[chat].id.raw, &view)) return false;
    for (uint32_t i = 0; i < view.group->member_count; i++) {
        const uint8_t *id = view.group->members[i].account_id;
        const unsigned user = sim_user_number(device->sim, id);
        if (user < SIM_USERS_MAX) out[user] = e2e_account_person(account, id).list_seq;
    }
    return true;
}

static struct digest_key digest_key_of(const struct sim_device *device, unsigned chat, const sim_lists lists)
{
    struct digest_key key = {.device = (uint8_t)device->number, .chat = (uint8_t)chat};

    for (unsigned u = 0; u < device->sim->user_count; u++)
        bodies_digest_add(key.digest, &(struct bodies_list){.user = device->sim->users[u], .list_seq = lists[u]});
    return key;
}

void sealed_knows(struct sim_device *device)
{
    struct sim_sealed *sealed = device->sim->sealed;

    if (!device->sim->encrypts || device->client == NULL) return;
    for (unsigned c = 0; c < device->sim->chat_count; c++) {
        sim_lists lists = {0}, *place = NULL;
        struct digest_key key;
        kith_err err;
        if (!device->sim->chat_is_group[c] || !lists_known(device, c, lists)) continue;
        if (memcmp(lists, sealed->known[device->number][c], sizeof lists) == 0) continue;
        memcpy(sealed->known[device->number][c], lists, sizeof lists);
        key = digest_key_of(device, c, lists);
        err = kith_map_add(&sealed->digests, &key, (void **)&place);
        if (err != KITH_OK && err != KITH_E_CONFLICT) abort();
        memcpy(*place, lists, sizeof lists);
    }
}

/* Those that the digest stands for. */
static void take_digest(struct sim_device *device, struct chat_id chat, const uint8_t *digest, struct version *version)
{
    struct digest_key key = {.device = (uint8_t)device->number};
    const sim_lists *lists = NULL;

    memcpy(key.digest, digest, sizeof key.digest);
    for (unsigned c = 0; c < device->sim->chat_count && lists == NULL; c++) {
        key.chat = (uint8_t)c;
        if (kith_uuid_eq(device->sim->chats[c].id, chat.id)) lists = kith_map_find(&device->sim->sealed->digests, &key);
    }
    if (lists == NULL)
        sim_fail(device->sim, "E2E digest: %s says one of lists that it never knew", device->name);
    else
        memcpy(version->lists, *lists, sizeof version->lists);
}

/* ------------------------------------------------------------------------------------------------ what is sealed */

static bool has_mark(struct kith_slice bytes)
{
    return bytes.len > 0 && memmem(bytes.ptr, bytes.len, SEALED_MARK, sizeof SEALED_MARK - 1) != NULL;
}

/* It is for who has a chain that this device was not given: to be told from what it cannot open. */
static bool is_not_for_it(const struct kith_message *message)
{
    return message->unreadable == KITH_E_NOTFOUND;
}

/* A device that leaves has no part in it any more, nor has what it wrote: nobody knows it. */
static bool is_leaving(const struct sim *sim, unsigned number)
{
    return number < SIM_DEVICES_MAX &&
           (sim->devices[number].linking.is_leaving || sim->devices[number].linking.is_removed);
}

/* All whom the named lists have, and nobody else; the writing device has it already. */
static uint32_t should_have(const struct sim_device *device, const struct version *version)
{
    uint32_t should = 0;

    for (unsigned u = 0; u < device->sim->user_count; u++)
        if (version->lists[u] > 0) should |= keys_listed(device->sim, u, version->lists[u]);
    return should & ~(1u << device->number);
}

/* In a large group one ciphertext is for all, and any other gives the chain to those who lack it. */
static bool is_gift(const struct sim *sim, const struct bodies *bodies, bool is_common)
{
    return sim->pairwise_max != 0 && bodies->list_count > sim->pairwise_max && !is_common;
}

static void check_devices(struct sim_device *device, const struct version *version, bool is_gift)
{
    struct sim *sim = device->sim;
    uint32_t should = should_have(device, version);

    /* The manager leaves one out before its list is there; one that was signed out has no keys to begin with. */
    for (unsigned d = 0; d < sim->device_count; d++)
        if (is_leaving(sim, d) && (version->devices & 1u << d) == 0) should &= ~(1u << d);
    if (version->devices == should) return;
    if (is_gift && version->devices != 0 && (version->devices & ~should) == 0) return;
    sim_fail(sim, "E2E lists: %s seals for devices %" PRIx32 ", the lists that it names have %" PRIx32, device->name,
             version->devices, should);
}

static void sealed_message(struct sim_device *device, struct chat_id chat, struct msg_id id, struct kith_slice body)
{
    struct sim *sim = device->sim;
    struct version version = {0}, *known = NULL;
    struct bodies bodies;
    struct bodies_list list;
    struct bodies_item item;
    struct e2e_setup setup;
    bool is_new = true, is_common = false;

    if (bodies_decode(body, &bodies) != KITH_OK) {
        sim_fail(sim, "%s sends a message into an encrypted chat that is no bodies", device->name);
        return;
    }
    while (bodies_next_list(&bodies.lists, &list) == KITH_OK) {
        unsigned user = sim_user_number(sim, list.user.id.raw);
        if (user < SIM_USERS_MAX) version.lists[user] = list.list_seq;
    }
    if (bodies.digest != NULL) take_digest(device, chat, bodies.digest, &version);
    while (bodies_next_item(&bodies.items, &item) == KITH_OK) {
        unsigned number = sim_device_number(sim, item.device.id.raw);
        is_common |= kith_uuid_is_nil(item.device.id);
        if (number == SIM_DEVICES_MAX) continue;
        version.devices |= 1u << number;
        if (e2e_message_setup(item.ciphertext, &setup) != KITH_OK) continue;
        version.once[number].opk = setup.opk_id;
        version.once[number].kem = setup.kem_is_last ? 0 : setup.kem_id;
    }
    version.is_common = is_common;
    if (is_common) version.devices = should_have(device, &version);
    sim->counters.common += is_common;
    sim->counters.gifts += is_gift(sim, &bodies, is_common);
    if (kith_map_add(&sim->sealed->versions, &id, (void **)&known) == KITH_OK)
        sim->counters.sealed++;
    else if (memcmp(known->lists, version.lists, sizeof version.lists) != 0)
        sim->counters.sealed_again++;
    else
        is_new = false; /* the same bytes, or sealed again for a server that did not know these lists yet */
    *known = version;
    sim_note(sim, "%s seals for devices %" PRIx32, device->name, version.devices);
    if (is_new) check_devices(device, &version, is_gift(sim, &bodies, is_common));
}

/* Mail goes to a person, and is not encrypted by the client. */
static bool chat_of(struct kith_slice destination, struct chat_id *out)
{
    static const char before[] = "/chat/";
    const size_t len = sizeof before - 1;

    if (destination.len < len || memcmp(destination.ptr, before, len) != 0) return false;
    return kith_uuid_parse(kith_slice_of(destination.ptr + len, destination.len - len), &out->id) == KITH_OK;
}

void sealed_frame(struct sim_device *device, struct kith_slice bytes)
{
    struct sim *sim = device->sim;
    struct stomp_reader reader;
    struct stomp_frame frame;
    struct kith_slice value = {0};
    struct chat_id chat = {0};
    struct msg_id id = {0};
    uint8_t *copy;
    size_t used = 0;

    if (!sim->encrypts) return;
    if (has_mark(bytes)) sim_fail(sim, "E2E leak: %s sends what was written in an encrypted chat", device->name);
    copy = malloc(bytes.len + 1);
    if (copy == NULL) abort();
    memcpy(copy, bytes.ptr, bytes.len);
    stomp_reader_init(&reader, KITH_FRAME_BYTES_MAX * 2);
    if (stomp_next(&reader, copy, bytes.len, &used, &frame) == KITH_OK && frame.command == STOMP_SEND &&
        stomp_header(&frame, "encrypted", &value) && kith_slice_is(value, "true") &&
        stomp_header(&frame, "message-id", &value) && kith_uuid_parse(value, &id.id) == KITH_OK &&
        stomp_header(&frame, "destination", &value) && chat_of(value, &chat))
        sealed_message(device, chat, id, frame.body);
    free(copy);
}

static bool is_text(const struct sim *sim, const struct kith_message *message)
{
    return sim->encrypts && message->encrypted && message->gap_from == 0 && kith_slice_is(message->type, "message");
}

static bool is_deletion_asked(const struct sim *sim, const struct kith_message *message, uint64_t from)
{
    for (unsigned c = 0; c < sim->chat_count; c++) {
        if (!kith_uuid_eq(sim->chats[c].id, message->chat.id)) continue;
        for (uint64_t seq = from; seq <= message->seq && seq < SIM_DELETE_SEQ_END; seq++)
            if (sim->delete_asked[c][seq]) return true;
    }
    return false;
}

/* Somebody asked for its deletion, so its body may be gone; or for that of the message which gave the chain that it is under. */
static bool is_deleted(const struct sim *sim, const struct kith_message *message, const struct version *version)
{
    return is_deletion_asked(sim, message, version->is_common ? 1 : message->seq);
}

void sealed_shown(struct sim_device *device, const struct kith_message *message)
{
    struct sim *sim = device->sim;
    unsigned from = sim_device_number(sim, message->device.id.raw);

    if (!is_text(sim, message) || message->unreadable == KITH_OK || is_not_for_it(message)) return;
    if (is_leaving(sim, device->number) || is_leaving(sim, from)) return;
    sim_fail(sim, "E2E unreadable: %s cannot open seq %" PRIu64 " of %s: %s", device->name, message->seq,
             from < SIM_DEVICES_MAX ? sim->devices[from].name : "nobody", kith_err_name(message->unreadable));
}

/* The private half of a one-time key goes in the step that keeps what was opened with it (libkith/e2ee/account_impl.h). */
static void check_gone(struct sim_device *device, enum e2e_prekey_kind kind, uint32_t id)
{
    uint8_t key[7] = {E2E_RECORD_KEY, 'P', (uint8_t)kind};

    kith_put_u32_be(key + 3, id);
    if (id != 0 && kith_ordered_find(&device->records, kith_slice_of(key, sizeof key)) != NULL)
        sim_fail(device->sim, "E2E one-time: %s still has a key that it opened a message with", device->name);
}

/* It came without a body, and the client takes it for a gift to others. */
static bool is_hidden(const struct kith_message *message)
{
    return message->is_open && !message->has_body &&
           kith_slice_eq(message->content_type, kith_content_type(KITH_CONTENT_KEYS));
}

void sealed_applied(struct sim_device *device, const struct kith_message *message)
{
    struct sim *sim = device->sim;
    unsigned from = sim_device_number(sim, message->device.id.raw);
    const struct version *version;

    if (!is_text(sim, message)) return;
    version = kith_map_find(&sim->sealed->versions, &message->id);
    if (version == NULL || from == SIM_DEVICES_MAX) {
        sim_fail(sim, "E2E phantom: %s shows an encrypted message that nobody sent", device->name);
        return;
    }
    if (message->is_open && from != device->number && !is_hidden(message)) {
        if ((version->devices & 1u << device->number) == 0)
            sim_fail(sim, "E2E leak: %s opened seq %" PRIu64 " of %s, sealed for devices %" PRIx32, device->name,
                     message->seq, sim->devices[from].name, version->devices);
        if (message->is_again) return; /* by other keys than it was sealed with */
        sim->counters.opened++;
        if (kith_slice_eq(message->content_type, kith_content_type(KITH_CONTENT_STEP))) sim->counters.steps++;
        keys_heard(device, from);
        check_gone(device, E2E_PREKEY_OPK, version->once[device->number].opk);
        check_gone(device, E2E_PREKEY_KEM_OT, version->once[device->number].kem);
    }
    if ((message->is_open && !is_hidden(message)) || is_leaving(sim, device->number) || is_leaving(sim, from)) return;
    if (message->unreadable != KITH_OK && !is_not_for_it(message)) {
        sim_fail(sim, "E2E unreadable: %s could not open seq %" PRIu64 " of %s: %s", device->name, message->seq,
                 sim->devices[from].name, kith_err_name(message->unreadable));
        return;
    }
    if (from == device->number)
        sim_fail(sim, "E2E echo: %s does not know what it wrote, seq %" PRIu64, device->name, message->seq);
    else if ((version->devices & 1u << device->number) != 0 && !is_deleted(sim, message, version))
        sim_fail(sim, "E2E missing: %s got no body of seq %" PRIu64 " from %s, which was sealed for it", device->name,
                 message->seq, sim->devices[from].name);
}

void sealed_row(struct sim *sim, struct kith_slice value)
{
    if (sim->encrypts && has_mark(value))
        sim_fail(sim, "E2E leak: the store has what was written in an encrypted chat");
}
