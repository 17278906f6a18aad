#include "oracle.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sealed.h"
#include "wire/row.h"

struct sent {
    struct msg_id id;
    struct chat_id chat;
    unsigned device, user;
    uint64_t number; /* per device, in the order of sending */
    uint64_t hash, invoked_ms, acked_ms;
    uint64_t seq; /* as acknowledged; 0: not yet */
    bool stored, answered, failed;
};

/* One numbered event as anybody saw it first; everybody must agree. */
struct seen {
    struct msg_id id;
    uint64_t hash;
};

struct oracle_device_chat {
    uint64_t applied_up_to;
    uint64_t delivered[SIM_USERS_MAX], read[SIM_USERS_MAX]; /* as this device saw the watermarks */
};

struct oracle {
    struct sim *sim;
    struct kith_map sent;   /* msg_id to struct sent * */
    struct kith_map seen;   /* (chat number, seq) to struct seen */
    struct kith_map placed; /* msg_id to (chat number, seq) as first seen */
    struct sent **order;    /* all, in the order of invoking */
    size_t count, cap;
    uint64_t sends_of[SIM_DEVICES_MAX];
    struct oracle_device_chat chats[SIM_DEVICES_MAX][SIM_CHATS_MAX];
};

struct place {
    uint64_t chat, seq;
};

static uint64_t hash_of(struct kith_slice bytes)
{
    uint64_t h = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < bytes.len; i++) h = (h ^ bytes.ptr[i]) * 0x100000001b3ull;
    return h;
}

struct oracle *oracle_new(struct sim *sim)
{
    struct oracle *oracle = calloc(1, sizeof *oracle);
    static const uint8_t seed[16] = {1};

    if (oracle == NULL) abort();
    oracle->sim = sim;
    kith_map_init(&oracle->sent, sizeof(struct msg_id), sizeof(struct sent *), 1u << 20, seed);
    kith_map_init(&oracle->seen, sizeof(struct place), sizeof(struct seen), 1u << 20, seed);
    kith_map_init(&oracle->placed, sizeof(struct msg_id), sizeof(struct place), 1u << 20, seed);
    return oracle;
}

void oracle_free(struct oracle *oracle)
{
    if (oracle == NULL) return;
    for (size_t i = 0; i < oracle->count; i++) free(oracle->order[i]);
    free(oracle->order);
    kith_map_deinit(&oracle->sent);
    kith_map_deinit(&oracle->seen);
    kith_map_deinit(&oracle->placed);
    free(oracle);
}

static unsigned chat_number(const struct sim *sim, struct chat_id chat)
{
    for (unsigned i = 0; i < sim->chat_count; i++)
        if (kith_uuid_eq(sim->chats[i].id, chat.id)) return i;
    return SIM_CHATS_MAX;
}

static unsigned user_number(const struct sim *sim, struct user_id user)
{
    for (unsigned i = 0; i < sim->user_count; i++)
        if (kith_uuid_eq(sim->users[i].id, user.id)) return i;
    return SIM_USERS_MAX;
}

static struct sent *sent_find(struct oracle *oracle, struct msg_id id)
{
    struct sent **found = kith_map_find(&oracle->sent, &id);

    return found == NULL ? NULL : *found;
}

void oracle_invoked(struct sim_device *device, struct chat_id chat, struct msg_id id, struct kith_slice body)
{
    struct oracle *oracle = device->sim->oracle;
    struct sent *sent = calloc(1, sizeof *sent), **place = NULL;

    if (sent == NULL) abort();
    *sent = (struct sent){.id = id,
                          .chat = chat,
                          .device = device->number,
                          .user = device->user,
                          .number = oracle->sends_of[device->number]++,
                          .hash = hash_of(body),
                          .invoked_ms = sim_now_ms(device->sim)};
    if (kith_map_add(&oracle->sent, &id, (void **)&place) != KITH_OK) {
        sim_fail(device->sim, "a device made the same message id twice");
        free(sent);
        return;
    }
    *place = sent;
    if (oracle->count == oracle->cap) {
        oracle->cap = oracle->cap == 0 ? 256 : oracle->cap * 2;
        struct sent **grown = realloc(oracle->order, oracle->cap * sizeof(struct sent *));
        if (grown == NULL) abort();
        oracle->order = grown;
    }
    oracle->order[oracle->count++] = sent;
}

void oracle_stored(struct sim_device *device, struct msg_id id)
{
    struct sent *sent = sent_find(device->sim->oracle, id);

    if (sent != NULL) sent->stored = true;
}

/* I-O1 agreement, I-E1 one place for an id, I-E5 no phantom: whatever anybody learns of (chat, seq) is compared here. */
static void place(struct sim *sim, unsigned chat, uint64_t seq, struct msg_id id, uint64_t hash, const char *who)
{
    struct oracle *oracle = sim->oracle;
    struct place at = {chat, seq}, *first = NULL;
    struct seen *seen = NULL;
    struct sent *sent = sent_find(oracle, id);

    if (kith_map_add(&oracle->seen, &at, (void **)&seen) == KITH_OK) *seen = (struct seen){id, hash};
    if (!kith_uuid_eq(seen->id.id, id.id) || (hash != 0 && seen->hash != 0 && seen->hash != hash)) {
        sim_fail(sim, "I-O1 fork: chat %u seq %" PRIu64 " is not the same for %s", chat, seq, who);
        return;
    }
    if (sent == NULL) return; /* an event of the server, or of the harness */
    if (hash != 0 && sent->hash != hash) sim_fail(sim, "I-E5 corrupt: chat %u seq %" PRIu64 " for %s", chat, seq, who);
    if (kith_map_add(&oracle->placed, &id, (void **)&first) == KITH_OK) *first = at;
    if (first->chat != at.chat || first->seq != at.seq)
        sim_fail(sim,
                 "I-E1 duplicated: one message at chat %" PRIu64 " seq %" PRIu64 " and chat %u seq %" PRIu64 " (%s)",
                 first->chat, first->seq, chat, seq, who);
}

void oracle_answered(struct sim_device *device, struct msg_id id)
{
    struct sent *sent = sent_find(device->sim->oracle, id);

    if (sent != NULL) sent->answered = true;
}

void oracle_acked(struct sim_device *device, struct chat_id chat, struct msg_id id, uint64_t seq)
{
    struct sim *sim = device->sim;
    struct sent *sent = sent_find(sim->oracle, id);

    sim->counters.acked++;
    if (sent == NULL) {
        sim_fail(sim, "I-E5 phantom: an acknowledgement for nobody's message");
        return;
    }
    if (!kith_uuid_eq(sent->chat.id, chat.id)) sim_fail(sim, "an acknowledgement for another chat");
    if (sent->seq != 0 && sent->seq != seq)
        sim_fail(sim, "I-E2 moved: acknowledged at %" PRIu64 " and %" PRIu64, sent->seq, seq);
    if (sent->seq == 0) sent->acked_ms = sim_now_ms(sim);
    sent->seq = seq;
    place(sim, chat_number(sim, chat), seq, id, sent->hash, device->name);
}

void oracle_failed(struct sim_device *device, struct msg_id id, enum kith_code code)
{
    struct sent *sent = sent_find(device->sim->oracle, id);

    if (sent == NULL) return;
    /* Removed members are refused; nothing else in the workload may be refused for good. */
    if (code != CODE_FORBIDDEN && code != CODE_NOT_FOUND && !(device->sim->encrypts && code == CODE_NOT_SUPPORTED))
        sim_fail(device->sim, "%s: a message was refused with %s", device->name, kith_code_name(code));
    sent->failed = true;
}

/* It takes the place of one that could not be read, and is what everybody else was shown there. */
static void applied_again(struct sim_device *device, unsigned chat, const struct kith_message *message)
{
    struct sim *sim = device->sim;

    sim->counters.given_again++;
    if (message->seq > sim->oracle->chats[device->number][chat].applied_up_to)
        sim_fail(sim, "I-O5 hole: %s chat %u was given %" PRIu64 " again, and never had it", device->name, chat,
                 message->seq);
    place(sim, chat, message->seq, message->id, hash_of(message->body), device->name);
}

void oracle_applied(struct sim_device *device, const struct kith_message *message)
{
    struct sim *sim = device->sim;
    unsigned chat = chat_number(sim, message->chat);
    struct oracle_device_chat *own;

    if (chat == SIM_CHATS_MAX) {
        sim_fail(sim, "%s: a message of an unknown chat", device->name);
        return;
    }
    own = &sim->oracle->chats[device->number][chat];
    if (message->is_again) { /* in the place where it could not be read */
        applied_again(device, chat, message);
        return;
    }
    sim->counters.applied++;
    if (message->seq <= own->applied_up_to) {
        sim_fail(sim, "I-E6 duplicated to user: %s chat %u seq %" PRIu64 " after %" PRIu64, device->name, chat,
                 message->seq, own->applied_up_to);
        return;
    }
    uint64_t first = message->gap_from > 0 ? message->gap_from : message->seq;
    /* A gap may reach back into what is known: it says what can no longer be had. */
    if (own->applied_up_to != 0 &&
        (message->gap_from > 0 ? first > own->applied_up_to + 1 : first != own->applied_up_to + 1))
        sim_fail(sim, "I-O5 hole: %s chat %u has %" PRIu64 " then %" PRIu64, device->name, chat, own->applied_up_to,
                 first);
    own->applied_up_to = message->seq;
    if (message->gap_from > 0) {
        sim->counters.gaps++;
        return;
    }
    bool is_text = kith_slice_is(message->type, "message");
    place(sim, chat, message->seq, message->id, is_text && message->has_body ? hash_of(message->body) : 0,
          device->name);
}

uint64_t oracle_applied_up_to(const struct sim_device *device, struct chat_id chat)
{
    unsigned number = chat_number(device->sim, chat);

    return number == SIM_CHATS_MAX ? 0 : device->sim->oracle->chats[device->number][number].applied_up_to;
}

/* I-R1: no observer ever sees a watermark fall, nor read above delivered. Hidden reading comes as no read mark at all. */
void oracle_receipt(struct sim_device *device, struct chat_id chat, struct user_id user, uint64_t delivered,
                    uint64_t read)
{
    struct sim *sim = device->sim;
    unsigned c = chat_number(sim, chat), u = user_number(sim, user);
    struct oracle_device_chat *own;

    if (c == SIM_CHATS_MAX || u == SIM_USERS_MAX) return;
    own = &sim->oracle->chats[device->number][c];
    sim->counters.receipts++;
    if (read > delivered) sim_fail(sim, "I-R1: read %" PRIu64 " above delivered %" PRIu64, read, delivered);
    if (delivered < own->delivered[u] || read < own->read[u])
        sim_fail(sim,
                 "I-R1: %s saw user %u's marks in chat %u fall from %" PRIu64 "/%" PRIu64 " to %" PRIu64 "/%" PRIu64,
                 device->name, u, c, own->delivered[u], own->read[u], delivered, read);
    own->delivered[u] = delivered;
    own->read[u] = read;
}

bool oracle_any_acked(struct sim *sim, struct msg_id *id, unsigned *user, unsigned *chat)
{
    struct oracle *oracle = sim->oracle;
    const struct sent *sent;

    if (oracle->count == 0) return false;
    sent = oracle->order[kith_prng_below(&sim->prng, oracle->count)];
    if (sent->seq == 0) return false;
    *id = sent->id;
    *user = sent->user;
    *chat = chat_number(sim, sent->chat);
    return true;
}

bool oracle_all_answered(const struct sim *sim)
{
    for (size_t i = 0; i < sim->oracle->count; i++) {
        const struct sent *sent = sim->oracle->order[i];
        if (sim->devices[sent->device].linking.is_removed) continue; /* what it had not sent stays with it */
        if (sent->stored && !sent->answered && !sent->failed) return false;
    }
    return true;
}

/* ---- the end */

struct final {
    struct sim *sim;
    uint64_t last_seq[SIM_CHATS_MAX], rows[SIM_CHATS_MAX];
    bool history_open[SIM_CHATS_MAX];
    uint64_t begins[SIM_DEVICES_MAX][SIM_CHATS_MAX]; /* devices signed in later, in encrypted chats: their cursors */
    struct row_member members[SIM_CHATS_MAX][SIM_USERS_MAX];
};

static void final_message(struct final *final, struct kith_slice key, struct kith_slice value)
{
    struct row_message row = {0};
    struct chat_id chat = {0};
    uint64_t seq = kith_get_u64_be(key.ptr + 17);
    unsigned number;

    memcpy(chat.id.raw, key.ptr + 1, 16);
    number = chat_number(final->sim, chat);
    if (number == SIM_CHATS_MAX || row_message_decode(value, &row) != KITH_OK) {
        sim_fail(final->sim, "the store holds a message row that cannot be read");
        return;
    }
    final->rows[number]++;
    place(final->sim, number, seq, row.id,
          row.type == MESSAGE_TEXT && (row.flags & (MESSAGE_FREED | MESSAGE_ENCRYPTED)) == 0 ? hash_of(row.body) : 0,
          "the store");
}

static void final_begins(struct final *final, unsigned chat, struct kith_slice key, struct kith_slice value)
{
    struct sim *sim = final->sim;
    struct row_device row = {0};

    if (row_device_decode(value, &row) != KITH_OK) return;
    for (unsigned d = 0; d < sim->device_count; d++)
        if (!sim->devices[d].is_first && memcmp(sim->devices[d].id.id.raw, key.ptr + 17, 16) == 0)
            final->begins[d][chat] = row.cursor;
}

static void final_row(void *arg, struct kith_slice key, struct kith_slice value)
{
    struct final *final = arg;
    struct chat_id chat = {0};
    struct user_id user = {0};
    struct row_chat head = {0};
    unsigned number;

    sealed_row(final->sim, value);
    if (key.len < 17) return;
    memcpy(chat.id.raw, key.ptr + 1, 16);
    number = chat_number(final->sim, chat);
    if (key.ptr[0] == 'M') final_message(final, key, value);
    if (key.ptr[0] == 'C' && number < SIM_CHATS_MAX && row_chat_decode(value, &head) == KITH_OK) {
        final->last_seq[number] = head.last_seq;
        final->history_open[number] = head.history_open != 0;
    }
    if (key.ptr[0] == 'D' && key.len == 33 && number < SIM_CHATS_MAX && sim_chat_is_encrypted(final->sim, number))
        final_begins(final, number, key, value);
    if (key.ptr[0] == 'P' && number < SIM_CHATS_MAX) {
        memcpy(user.id.raw, key.ptr + 17, 16);
        if (user_number(final->sim, user) < SIM_USERS_MAX &&
            row_member_decode(value, &final->members[number][user_number(final->sim, user)]) != KITH_OK)
            sim_fail(final->sim, "the store holds a member row that cannot be read");
    }
}

/* I-D1: acknowledged is kept. I-E4: unanswered is there once or not at all; stored in an outbox, it arrives in the end. */
static void final_sends(struct sim *sim)
{
    struct oracle *oracle = sim->oracle;
    struct sent *last_of[SIM_DEVICES_MAX][SIM_CHATS_MAX] = {{0}};

    for (size_t i = 0; i < oracle->count && !sim->failed; i++) {
        struct sent *sent = oracle->order[i];
        unsigned chat = chat_number(sim, sent->chat);
        struct place *at = kith_map_find(&oracle->placed, &sent->id);
        struct sent **last = &last_of[sent->device][chat];
        if (sent->seq != 0 && at == NULL)
            sim_fail(sim, "I-D1 lost: chat %u seq %" PRIu64 " was acknowledged", chat, sent->seq);
        if (sent->stored && !sent->failed && at == NULL && !sim->devices[sent->device].linking.is_removed)
            sim_fail(sim, "I-E4 undelivered: message %" PRIu64 " of device %u never arrived", sent->number,
                     sent->device);
        if (sent->failed && at != NULL) sim_fail(sim, "aborted read: a refused message is in chat %u", chat);
        if (at == NULL) continue;
        /* I-O3: a device's messages keep their order in a chat. */
        if (*last != NULL) {
            struct place *before = kith_map_find(&oracle->placed, &(*last)->id);
            if (before->seq >= at->seq)
                sim_fail(sim, "I-O3 order: device %u, chat %u: seq %" PRIu64 " before %" PRIu64, sent->device, chat,
                         at->seq, before->seq);
        }
        *last = sent;
    }
}

/* I-O2: what was acknowledged before another was written has the smaller number. */
static void final_real_time(struct sim *sim)
{
    struct oracle *oracle = sim->oracle;

    for (size_t i = 0; i < oracle->count && !sim->failed; i++) {
        struct sent *a = oracle->order[i];
        if (a->seq == 0) continue;
        for (size_t k = i + 1; k < oracle->count && k < i + 40; k++) {
            struct sent *b = oracle->order[k];
            if (b->seq == 0 || !kith_uuid_eq(a->chat.id, b->chat.id)) continue;
            if (a->acked_ms < b->invoked_ms && a->seq > b->seq)
                sim_fail(sim, "I-O2 reordered: seq %" PRIu64 " was acknowledged before seq %" PRIu64 " was written",
                         a->seq, b->seq);
        }
    }
}

/* I-E6, I-A1: each device has exactly what its person may see. */
static void final_devices(struct final *final)
{
    struct sim *sim = final->sim;

    for (unsigned d = 0; d < sim->device_count && !sim->failed; d++) {
        for (unsigned c = 0; c < sim->chat_count; c++) {
            const struct row_member *member = &final->members[c][sim->devices[d].user];
            uint64_t has = sim->oracle->chats[d][c].applied_up_to, should = final->last_seq[c];
            if (row_member_last_visible(member) < should) should = row_member_last_visible(member);
            if (member->interval_count == 0) should = 0;
            /* One that was signed out waits for keys that nobody gives it any more. */
            if (sim->devices[d].linking.is_removed && sim_chat_is_encrypted(sim, c) && has < should) continue;
            /* One that was signed in behind the last message begins there. */
            if (has == 0 && final->begins[d][c] == should) continue;
            if (has != should)
                sim_fail(sim, "I-E6 %s: %s has chat %u up to %" PRIu64 ", may see up to %" PRIu64,
                         has < should ? "undelivered" : "leak", sim->devices[d].name, c, has, should);
        }
    }
}

static void final_seen_hidden(void *arg, struct sim_device *device, const struct kith_message *message)
{
    struct final *final = arg;
    unsigned c = chat_number(final->sim, message->chat);

    if (message->gap_from > 0 || c == SIM_CHATS_MAX) return;
    /* Who came and went more often than the row remembers saw what its oldest intervals held. */
    if (final->members[c][device->user].interval_count == ROW_INTERVALS_MAX) return;
    if (!row_member_sees(&final->members[c][device->user], final->history_open[c], message->seq))
        sim_fail(final->sim, "I-A1 leak: %s saw chat %u seq %" PRIu64, device->name, c, message->seq);
}

void oracle_final(struct sim *sim)
{
    struct final final = {.sim = sim};

    msgstore_mem_each(sim->server.store_image, final_row, &final);
    for (unsigned c = 0; c < sim->chat_count; c++)
        if (sim->chat_made[c] && final.rows[c] != final.last_seq[c])
            sim_fail(sim, "chat %u has %" PRIu64 " rows but its head is %" PRIu64, c, final.rows[c], final.last_seq[c]);
    final_sends(sim);
    final_real_time(sim);
    final_devices(&final);
    for (unsigned d = 0; d < sim->device_count && !sim->failed; d++) {
        struct sim_device *device = &sim->devices[d];
        for (struct kith_ordered_node *node = kith_ordered_seek(&device->records, (struct kith_slice){0}); node != NULL;
             node = kith_ordered_next(node)) {
            struct sim_record *record = node->value;
            struct kith_message message;
            if (kith_record_message(kith_ordered_key(node), kith_slice_of(record->bytes, record->len), &message) ==
                KITH_OK)
                final_seen_hidden(&final, device, &message);
        }
    }
}
