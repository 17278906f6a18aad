#include "shard/owner.h"

/* The two kinds of state that a slot may hold, behind one set of calls: all that loads, looks up and applies them. */
enum { ROWS_MEMBERS, ROWS_DEVICES, ROWS_OF_CHAT };

kith_err state_new(struct slot *slot)
{
    if (slot->key.is_mailbox)
        slot->mailbox = mailbox_new((struct user_id){slot->key.stream});
    else
        slot->chat = chat_new((struct chat_id){slot->key.stream});
    return slot->chat == NULL && slot->mailbox == NULL ? KITH_E_NOMEM : KITH_OK;
}

void state_free(struct slot *slot)
{
    chat_free(slot->chat);
    mailbox_free(slot->mailbox);
}

size_t state_bytes(const struct slot *slot)
{
    return slot->mailbox != NULL ? mailbox_bytes(slot->mailbox) : chat_bytes(slot->chat);
}

struct row_key state_head_key(const struct slot *slot)
{
    return slot->mailbox != NULL ? row_key_mailbox(slot->mailbox->user) : row_key_chat(slot->chat->id);
}

kith_err state_load_head(struct slot *slot, struct kith_slice value)
{
    return slot->mailbox != NULL ? mailbox_load_head(slot->mailbox, value) : chat_load_head(slot->chat, value);
}

bool state_rows_prefix(const struct slot *slot, unsigned step, struct row_key *prefix)
{
    if (slot->mailbox != NULL)
        *prefix = row_key_mail_device(slot->mailbox->user, (struct device_id){0});
    else if (step == ROWS_MEMBERS)
        *prefix = row_key_member(slot->chat->id, (struct user_id){0});
    else
        *prefix = row_key_device(slot->chat->id, (struct device_id){0});
    return step < (slot->mailbox != NULL ? 1 : ROWS_OF_CHAT);
}

kith_err state_load_row(struct slot *slot, unsigned step, struct kith_slice key, struct kith_slice value)
{
    if (slot->mailbox != NULL) return mailbox_load_device(slot->mailbox, key, value);
    if (step == ROWS_MEMBERS) return chat_load_member(slot->chat, key, value);
    return chat_load_device(slot->chat, key, value);
}

void state_load_done(struct slot *slot)
{
    if (slot->chat != NULL) chat_load_done(slot->chat);
}

void state_lookups(struct slot *slot, const struct cmd *cmd)
{
    if (slot->mailbox != NULL)
        mailbox_lookups(slot->mailbox, cmd, slot->lookups);
    else
        chat_lookups(slot->chat, cmd, slot->lookups);
}

void state_apply(struct slot *slot, const struct work *work, struct chat_effects *fx)
{
    if (slot->mailbox != NULL)
        mailbox_apply(slot->mailbox, &work->cmd, work->entry->position, &work->rules, slot->lookups, fx);
    else
        chat_apply(slot->chat, &work->cmd, work->entry->position, &work->rules, slot->lookups, fx);
}
