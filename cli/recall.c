#include "cli/recall.h"

#include "cli/store.h"
#include "libkith/content.h"

/* What a device is asked for again (docs/wire/e2ee.md, "Asking again"), looked up in the state. */
struct recall {
    const struct kith_message *message;
    bool is_deleted;
};

static bool deletes(struct kith_slice content_type, struct kith_slice body, const struct kith_message *message)
{
    struct kith_content content;

    return kith_content_decode(content_type, body, &content) == KITH_OK && content.kind == KITH_CONTENT_DELETE &&
           kith_uuid_eq(content.author.id, message->sender.id) && kith_uuid_eq(content.id.id, message->id.id);
}

/* Of whichever of the author's devices. */
static bool later(void *arg, const struct kith_message *m)
{
    struct recall *recall = arg;

    recall->is_deleted |= m->is_open && kith_uuid_eq(m->sender.id, recall->message->sender.id) &&
                          deletes(m->content_type, m->body, recall->message);
    return !recall->is_deleted;
}

static bool is_deleted(struct cli *cli, const struct kith_client *client, const struct kith_message *message)
{
    struct recall recall = {.message = message};
    struct kith_outbox_entry entry;

    for (size_t i = 0; kith_client_outbox_at(client, i, &entry) == KITH_OK; i++)
        if (kith_uuid_eq(entry.chat.id, message->chat.id) && deletes(entry.content_type, entry.body, message))
            return true;
    store_history(cli->store, message->chat, message->seq, 0, INT32_MAX, later, &recall);
    return recall.is_deleted;
}

struct own {
    struct kith_uuid user, device;
};

/* Before the record is read, which is lent until the store is asked for something else. */
static struct own own_of(const struct cli *cli)
{
    struct own own = {0};

    kith_ignore(kith_uuid_parse(kith_slice_str(store_get(cli->store, "user_id")), &own.user));
    kith_ignore(kith_uuid_parse(kith_slice_str(store_get(cli->store, "device_id")), &own.device));
    return own;
}

/* Nothing else is given, and the history is not read for it. */
static bool is_own(const struct own *own, const struct kith_message *message)
{
    return kith_uuid_eq(own->user, message->sender.id) && kith_uuid_eq(own->device, message->device.id);
}

void recall_answer(struct cli *cli, struct kith_client *client, struct chat_id chat, uint64_t seq)
{
    const struct own own = own_of(cli);
    uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES];
    struct kith_slice record = {0};
    struct kith_message message;

    kith_record_message_key(chat, seq, key);
    if (!store_record(cli->store, kith_slice_of(key, sizeof key), &record) ||
        kith_record_message(kith_slice_of(key, sizeof key), record, &message) != KITH_OK || !is_own(&own, &message) ||
        is_deleted(cli, client, &message))
        record = (struct kith_slice){0};
    kith_client_recalled(client, cli_time_now(), chat, seq, record);
}
