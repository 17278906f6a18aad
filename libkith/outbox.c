#include <assert.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "libkith/client.h"
#include "libkith/content.h"
#include "libkith/crypto/secret.h"
#include "wire/bodies.h"
#include "wire/json_text.h"

struct chat_sync *chat_sync_of(struct kith_client *client, struct chat_id chat)
{
    struct chat_sync **place = NULL;
    kith_err err = kith_map_add(&client->chats, &chat, (void **)&place);

    if (err == KITH_E_CONFLICT) return *place;
    if (err != KITH_OK) return NULL;
    *place = calloc(1, sizeof **place);
    if (*place == NULL) {
        (void)kith_map_remove(&client->chats, &chat);
        return NULL;
    }
    (*place)->chat = chat;
    return *place;
}

/* RFC 9562, 6.2 method 1: the 12 bits after the version count on within a millisecond, and when the clock steps back. */
struct msg_id client_msg_id(struct kith_client *client)
{
    uint64_t now = (uint64_t)((int64_t)client->now.wall_ms + client->server_ahead_ms) << 12;
    uint8_t coins[10];
    struct kith_uuid id;

    client->id_stamp = now > client->id_stamp ? now : client->id_stamp + 1;
    client->config.random(client->config.random_arg, coins, sizeof coins);
    id = kith_uuid_v7_make(client->id_stamp >> 12, coins);
    id.raw[6] = (uint8_t)(0x70 | (client->id_stamp >> 8 & 0x0f));
    id.raw[7] = (uint8_t)client->id_stamp;
    return (struct msg_id){id};
}

struct outbox_entry *outbox_entry_new(const struct outbox_entry *head, struct kith_slice content_type,
                                      struct kith_slice body)
{
    struct outbox_entry *entry = malloc(sizeof *entry + content_type.len + body.len);

    if (entry == NULL) return NULL;
    *entry = *head;
    kith_buf_init(&entry->sealed, KITH_MESSAGE_BYTES_MAX);
    entry->content_type_len = content_type.len;
    entry->body_len = body.len;
    if (content_type.len > 0) memcpy(entry->bytes, content_type.ptr, content_type.len);
    if (body.len > 0) memcpy(entry->bytes + content_type.len, body.ptr, body.len);
    return entry;
}

struct outbox_entry *outbox_add(struct kith_client *client, const struct outbox_entry *head,
                                struct kith_slice content_type, struct kith_slice body)
{
    struct outbox_entry *entry = outbox_entry_new(head, content_type, body);
    struct outbox_entry *after = client->outbox_last;

    if (entry == NULL) return NULL;
    /* Records are loaded in any order; new ones go to the end. */
    while (after != NULL && after->order > entry->order) after = after->prev;
    entry->prev = after;
    entry->next = after == NULL ? client->outbox_first : after->next;
    if (entry->prev != NULL)
        entry->prev->next = entry;
    else
        client->outbox_first = entry;
    if (entry->next != NULL)
        entry->next->prev = entry;
    else
        client->outbox_last = entry;
    client->outbox_count += !outbox_is_own(entry);
    return entry;
}

void outbox_entry_free(struct outbox_entry *entry)
{
    kith_buf_deinit(&entry->sealed);
    e2e_wipe(entry->bytes, entry->content_type_len + entry->body_len);
    free(entry);
}

static void outbox_unlink(struct kith_client *client, struct outbox_entry *entry)
{
    if (entry->prev != NULL)
        entry->prev->next = entry->next;
    else
        client->outbox_first = entry->next;
    if (entry->next != NULL)
        entry->next->prev = entry->prev;
    else
        client->outbox_last = entry->prev;
    if (entry->in_flight) client->in_flight--;
    client->outbox_count -= !outbox_is_own(entry);
    record_delete_outbox(client, entry);
}

void outbox_remove(struct kith_client *client, struct outbox_entry *entry)
{
    outbox_unlink(client, entry);
    outbox_entry_free(entry);
}

struct outbox_entry *outbox_find(const struct kith_client *client, struct msg_id id)
{
    struct outbox_entry *entry = client->outbox_first;

    while (entry != NULL && !kith_uuid_eq(entry->id.id, id.id)) entry = entry->next;
    return entry;
}

/* What this message follows: the one before it in the chat that is still on the wire, else the newest accepted one. Not
 * the newest on the wire: when an earlier one is sent again, a later one may still be out there, waiting in vain for it. */
static struct msg_id predecessor(const struct outbox_entry *entry, const struct chat_sync *sync)
{
    for (const struct outbox_entry *earlier = entry->prev; earlier != NULL; earlier = earlier->prev)
        if (earlier->in_flight && kith_uuid_eq(earlier->chat.id, entry->chat.id)) return earlier->id;
    return sync->accepted;
}

/* What goes to a chat says more than mail does. */
static void put_chat_headers(struct stomp_writer *w, const struct outbox_entry *entry, const struct chat_sync *sync)
{
    const struct msg_id before = predecessor(entry, sync);
    char text[KITH_UUID_TEXT_LEN + 1], expires[KITH_TIME_TEXT_LEN + 1];

    if (!kith_uuid_is_nil(before.id)) {
        kith_uuid_format(before.id, text);
        stomp_put_str(w, "after", text);
    }
    stomp_put_str(w, "encrypted", entry->encrypted ? "true" : "false");
    if (entry->expires_ms == 0) return;
    kith_time_format(entry->expires_ms, expires);
    stomp_put_str(w, "expires-at", expires);
}

/* sync: of its chat; NULL: it is mail. */
static void write_entry(struct kith_client *client, struct outbox_entry *entry, const struct chat_sync *sync)
{
    char destination[6 + KITH_UUID_TEXT_LEN + sizeof "/mailbox"], id[KITH_UUID_TEXT_LEN + 1];
    bool is_sealed = kith_buf_len(&entry->sealed) > 0;
    struct kith_slice type = kith_slice_of(entry->bytes, entry->content_type_len);
    struct kith_slice body = kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len);
    struct stomp_writer w;
    struct kith_buf frame;

    memcpy(destination, sync == NULL ? "/user/" : "/chat/", 6);
    kith_uuid_format(sync == NULL ? entry->mail.user.id : entry->chat.id, destination + 6);
    if (sync == NULL) memcpy(destination + 6 + KITH_UUID_TEXT_LEN, "/mailbox", sizeof "/mailbox");
    kith_uuid_format(entry->id.id, id);
    kith_buf_init(&frame, KITH_FRAME_BYTES_MAX);
    stomp_begin(&w, &frame, STOMP_SEND);
    stomp_put_str(&w, "destination", destination);
    stomp_put_str(&w, "message-id", id);
    stomp_put_str(&w, "receipt", id);
    if (sync != NULL) put_chat_headers(&w, entry, sync);
    stomp_put(&w, "content-type", is_sealed ? kith_slice_str(BODIES_CONTENT_TYPE) : type);
    if (stomp_end(&w, is_sealed ? kith_buf_peek(&entry->sealed) : body) != KITH_OK) abort();
    effect_send(client, kith_buf_peek(&frame));
    kith_buf_deinit(&frame);
}

static uint32_t in_flight_limit(const struct kith_client *client)
{
    uint32_t ours = client->config.in_flight_max;

    return client->server_in_flight_max != 0 && client->server_in_flight_max < ours ? client->server_in_flight_max
                                                                                    : ours;
}

/* True: it may go out now. An entry waits for all earlier ones of its chat: order is kept per chat, not between chats. */
static bool may_send(const struct kith_client *client, const struct outbox_entry *entry, const struct chat_sync *sync)
{
    const struct outbox_entry *earlier;

    if (entry->state != KITH_OUTBOX_QUEUED || entry->in_flight || sync->held_until_ms > client->now.mono_ms)
        return false;
    for (earlier = entry->prev; earlier != NULL; earlier = earlier->prev)
        if (kith_uuid_eq(earlier->chat.id, entry->chat.id) && earlier->state == KITH_OUTBOX_QUEUED)
            /* A sealed message says which one came before it, so that one must have its number. */
            return earlier->in_flight && !(entry->encrypted && secure_on(client));
    return true;
}

/* Whatever the host said when it was written, and whenever that was: only what went out in the open before is repeated so. */
static void pin_entry(const struct kith_client *client, struct outbox_entry *entry, const struct chat_sync *sync)
{
    if (secure_on(client) && sync->is_encrypted && !entry->was_on_wire) entry->encrypted = true;
}

static struct outbox_entry *behind(const struct kith_client *client, uint64_t order)
{
    struct outbox_entry *entry = client->outbox_first;

    while (entry != NULL && entry->order <= order) entry = entry->next;
    return entry;
}

static void leave(struct kith_client *client, struct outbox_entry *entry, struct chat_sync *sync)
{
    if (!entry->was_on_wire) {
        /* Durable before it leaves: a message that may be out there must never get another id. */
        entry->was_on_wire = true;
        record_put_outbox(client, entry);
        client->stats.sent++;
    } else {
        client->stats.resent++;
    }
    write_entry(client, entry, sync);
    entry->in_flight = true;
    entry->sent_at_ms = client->now.mono_ms;
    client->in_flight++;
}

void outbox_pump(struct kith_client *client)
{
    if (client->link != LINK_UP) return;
    for (struct outbox_entry *entry = client->outbox_first, *next; entry != NULL; entry = next) {
        const uint64_t order = entry->order;
        struct chat_sync *sync;
        next = entry->next;
        if (client->in_flight >= in_flight_limit(client)) return;
        if (outbox_is_mail(entry)) {
            if (mail_may_send(client, entry)) leave(client, entry, NULL);
            continue;
        }
        sync = chat_sync_of(client, entry->chat);
        if (sync == NULL) continue;
        pin_entry(client, entry, sync);
        if (!may_send(client, entry, sync)) continue;
        if (!secure_seal(client, entry)) {
            next = behind(client, order); /* it may be gone, and what waited for it, too */
            continue;
        }
        leave(client, entry, sync);
        if (kith_mutant(OUTBOX_FORGETS)) outbox_remove(client, entry);
    }
}

void outbox_reset_wire(struct kith_client *client)
{
    const void *key = NULL;
    struct chat_sync **sync = NULL;
    uint32_t at = 0;

    for (struct outbox_entry *entry = client->outbox_first; entry != NULL; entry = entry->next) {
        entry->in_flight = false;
        entry->mail.held_until_ms = 0;
    }
    client->in_flight = 0;
    while (kith_map_next(&client->chats, &at, &key, (void **)&sync)) (*sync)->held_until_ms = 0;
}

bool outbox_is_own(const struct outbox_entry *entry)
{
    struct kith_slice type = kith_slice_of(entry->bytes, entry->content_type_len);

    return outbox_is_mail(entry) || kith_slice_eq(type, kith_content_type(KITH_CONTENT_STEP)) ||
           kith_slice_eq(type, kith_content_type(KITH_CONTENT_KEYS));
}

static void tell_sent(struct kith_client *client, const struct outbox_entry *entry, uint64_t seq)
{
    struct kith_effect *effect = effect_add(client, KITH_EFFECT_SENT, 0, NULL);

    effect->chat = entry->chat;
    effect->id = entry->id;
    effect->seq = seq;
}

void outbox_accepted(struct kith_client *client, struct msg_id id, uint64_t seq)
{
    struct outbox_entry *entry = outbox_find(client, id);
    struct chat_sync *sync;

    if (entry == NULL) return; /* answered before: by its receipt, or by seeing it in the stream */
    if (outbox_is_mail(entry)) {
        client->stats.accepted++;
        outbox_remove(client, entry);
        client->secure.changed = true; /* for what is to be asked next */
        return;
    }
    sync = chat_sync_of(client, entry->chat);
    if (sync == NULL) return;
    if (kith_uuid_cmp(id.id, sync->accepted.id) > 0) sync->accepted = id;
    sync->refusals = 0;
    record_put_chat(client, sync);
    if (!outbox_is_own(entry)) tell_sent(client, entry, seq);
    client->stats.accepted++;
    outbox_unlink(client, entry);
    if (!secure_accepted(client, entry, seq)) outbox_entry_free(entry);
}

/* What waits for a gift; NULL: that is none, or nothing waits for it any more. */
static struct outbox_entry *waits_for(const struct outbox_entry *gift)
{
    const bool is_gift = outbox_is_own(gift) && gift->body_len == 0 &&
                         group_is_keys(kith_slice_of(gift->bytes, gift->content_type_len));
    struct outbox_entry *next = gift->next;

    return is_gift && next != NULL && next->order == gift->order + 1 && next->state == KITH_OUTBOX_QUEUED ? next : NULL;
}

void outbox_forget(struct kith_client *client, struct outbox_entry *entry)
{
    assert(outbox_is_own(entry));
    outbox_remove(client, entry);
}

/* Of a gift: what waits for it would ask for another one at once, which the server would refuse, too. One too old is another thing. */
void outbox_give_up(struct kith_client *client, struct outbox_entry *entry, enum kith_code code, bool is_unknown)
{
    struct kith_effect *effect;

    client->stats.failed++;
    if (outbox_is_own(entry)) { /* of a step: the sender asks again with its next message */
        struct outbox_entry *waiting = is_unknown ? NULL : waits_for(entry);
        outbox_remove(client, entry);
        if (waiting != NULL) outbox_give_up(client, waiting, code, false);
        return;
    }
    effect = effect_add(client, KITH_EFFECT_FAILED, 0, NULL);
    entry->state = is_unknown ? KITH_OUTBOX_UNKNOWN : KITH_OUTBOX_FAILED;
    entry->code = code;
    record_put_outbox(client, entry);
    effect->chat = entry->chat;
    effect->id = entry->id;
    effect->code = code;
    effect->is_unknown = is_unknown;
}

static void hold(struct kith_client *client, struct chat_sync *sync, uint64_t retry_after_ms)
{
    sync->held_until_ms = client->now.mono_ms + (retry_after_ms > 0 ? retry_after_ms : 1) +
                          client_backoff_ms(client, sync->refusals);
    sync->refusals++;
}

static bool is_first_of_chat(const struct outbox_entry *entry)
{
    for (const struct outbox_entry *earlier = entry->prev; earlier != NULL; earlier = earlier->prev)
        if (earlier->state == KITH_OUTBOX_QUEUED && kith_uuid_eq(earlier->chat.id, entry->chat.id)) return false;
    return true;
}

void outbox_refused(struct kith_client *client, struct msg_id id, enum kith_code code, uint64_t retry_after_ms,
                    struct kith_slice problem)
{
    struct outbox_entry *entry = outbox_find(client, id);
    struct chat_sync *sync;

    if (entry == NULL) return;
    if (entry->in_flight) client->in_flight--;
    entry->in_flight = false;
    client->stats.refused++;
    if (outbox_is_mail(entry)) {
        mail_refused(client, entry, code, retry_after_ms);
        return;
    }
    sync = chat_sync_of(client, entry->chat);
    if (sync == NULL) return;
    if (code == CODE_TOO_OLD)
        outbox_give_up(client, entry, code, true);
    else if (code == CODE_PREDECESSOR_MISSING) {
        /* An earlier one was refused, for now or for good: its followers go again behind whatever was accepted last. When
         * nothing is before this one, the server does not know what it took before (a lost region): on without it. */
        if (is_first_of_chat(entry)) {
            sync->accepted = (struct msg_id){0};
            hold(client, sync, retry_after_ms);
        } else if (sync->held_until_ms <= client->now.mono_ms)
            sync->held_until_ms = client->now.mono_ms + 1;
    } else if (code == CODE_STALE_DEVICES && secure_on(client)) {
        secure_stale(client, entry, problem);
        if (sync->refusals++ > 3) hold(client, sync, retry_after_ms); /* the server does not know what it wants */
    } else if (kith_code_retryable(code))
        hold(client, sync, retry_after_ms);
    else
        outbox_give_up(client, entry, code, false);
}

uint64_t outbox_next_ms(const struct kith_client *client)
{
    uint64_t next = UINT64_MAX;

    if (client->link != LINK_UP) return next;
    for (const struct outbox_entry *entry = client->outbox_first; entry != NULL; entry = entry->next) {
        struct chat_sync *const *sync;
        uint64_t at;
        if (entry->state != KITH_OUTBOX_QUEUED) continue;
        sync = kith_map_find(&client->chats, &entry->chat);
        at = entry->in_flight        ? entry->sent_at_ms + CLIENT_ANSWER_TIMEOUT_MS
             : outbox_is_mail(entry) ? entry->mail.held_until_ms
             : sync == NULL          ? 0
                                     : (*sync)->held_until_ms;
        /* What is no longer held waits for an answer to another one, not for the time. */
        if ((entry->in_flight || at > client->now.mono_ms) && at < next) next = at;
    }
    return next;
}

/* Every second number: the one before each is for a gift. */
uint64_t outbox_order(struct kith_client *client)
{
    uint64_t order = client->order_next;

    client->order_next += 2;
    return order;
}

/* What the device owes goes beyond the person's maximum, too. */
static void say_at(struct kith_client *client, struct chat_id chat, uint64_t order, struct kith_slice content_type,
                   struct kith_slice body)
{
    const struct outbox_entry head = {.id = client_msg_id(client),
                                      .chat = chat,
                                      .state = KITH_OUTBOX_QUEUED,
                                      .encrypted = true,
                                      .order = order,
                                      .created_ms = client->now.wall_ms};
    struct outbox_entry *entry = outbox_add(client, &head, content_type, body);

    if (entry == NULL)
        return; /* of a step: the sender asks again with its next message; of a gift: when it is missed again */
    record_put_state(client);
    record_put_outbox(client, entry);
    client->secure.changed = true;
}

/* It waits already, and is sealed when its turn comes, for the group as it is then. */
static bool is_said(const struct kith_client *client, struct chat_id chat, struct kith_slice content_type,
                    struct kith_slice body)
{
    for (const struct outbox_entry *entry = client->outbox_first; entry != NULL; entry = entry->next)
        if (kith_uuid_eq(entry->chat.id, chat.id) && entry->state == KITH_OUTBOX_QUEUED &&
            kith_buf_len(&entry->sealed) == 0 &&
            kith_slice_eq(kith_slice_of(entry->bytes, entry->content_type_len), content_type) &&
            e2e_ct_eq(kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len), body))
            return true;
    return false;
}

void outbox_say(struct kith_client *client, struct chat_id chat, struct kith_slice content_type, struct kith_slice body)
{
    if (is_said(client, chat, content_type, body)) return;
    say_at(client, chat, outbox_order(client), content_type, body);
}

void outbox_gift(struct kith_client *client, const struct outbox_entry *before)
{
    say_at(client, before->chat, before->order - 1, kith_content_type(KITH_CONTENT_KEYS), (struct kith_slice){0});
}

void outbox_step(struct kith_client *client, struct chat_id chat)
{
    for (const struct outbox_entry *entry = client->outbox_first; entry != NULL; entry = entry->next)
        if (kith_uuid_eq(entry->chat.id, chat.id) && entry->state == KITH_OUTBOX_QUEUED) return;
    if (client->outbox_count >= KITH_OUTBOX_ENTRIES_MAX) return;
    outbox_say(client, chat, kith_content_type(KITH_CONTENT_STEP), (struct kith_slice){0});
}

kith_err outbox_check(struct kith_slice content_type, struct kith_slice body)
{
    if (body.len > KITH_MESSAGE_BYTES_MAX || content_type.len > KITH_CONTENT_TYPE_BYTES_MAX) return KITH_E_TOOBIG;
    return content_type.len > 0 && memchr(content_type.ptr, '\0', content_type.len) != NULL ? KITH_E_MALFORMED
                                                                                            : KITH_OK;
}
