#ifndef KITH_CHAT_MAILBOX_H
#define KITH_CHAT_MAILBOX_H

#include "chat/chat.h"

/**
 * A person's mailbox: the second kind of stream on the core, as deterministic as a chat (chat.h). It holds what devices
 * say to each other: an item is a set of ciphertexts, each for one device, and each is gone when its device has
 * acknowledged it or KITH_MAILBOX_AGE_MS_MAX has passed.
 *
 * Every device that is addressed has a stream of its own in it: numbers rise one by one, from the number that the mailbox
 * gave to the first item for it. So a device's rows are one stretch of keys, an acknowledgement is a number, and what is
 * to be deleted is known without a look at the store.
 *
 * In memory: its head row and the rows of its devices; items and keys stay in the store. A mailbox exists for everybody;
 * its rows do from the first item on. Thread: the shard's owner.
 */
#define MAILBOX_DEVICES_MAX 256 /* addressed devices; those that nothing waits for make room for others */

struct mailbox_device {
    struct device_id device;
    struct row_mail_device row;
};

struct mailbox {
    struct user_id user;
    struct row_mailbox head;
    struct mailbox_device *devices; /* ascending in device */
    size_t device_count, device_cap;
};

/** NULL: no memory. */
struct mailbox *mailbox_new(struct user_id user);
void mailbox_free(struct mailbox *box); /* NULL is fine */
size_t mailbox_bytes(const struct mailbox *box);

/* Loading: each row once, in any order. KITH_E_MALFORMED: damaged; KITH_E_NOMEM. */
KITH_MUST_USE kith_err mailbox_load_head(struct mailbox *box, struct kith_slice value);
KITH_MUST_USE kith_err mailbox_load_device(struct mailbox *box, struct kith_slice key, struct kith_slice value);

/** Which rows this command needs, as chat_lookups(). */
void mailbox_lookups(const struct mailbox *box, const struct cmd *cmd, struct chat_lookup out[static CHAT_LOOKUPS]);

/**
 * Applies CMD_MAIL_SEND or CMD_MAIL_ACK. Fills rows, row_count, answer and err of *fx as chat_apply() does; on fx->err
 * the mailbox must be thrown away and loaded again. Who may send to whom is not looked at here: see gateway/send_mailbox.c.
 *
 * MAIL_SEND   CREATED with the mailbox's number of the item; OK and `repeated`; CONFLICT, BAD_ID, TOO_OLD as for a chat;
 *             BAD_REQUEST: not encrypted, no bodies, or more than MAILBOX_DEVICES_MAX; MAILBOX_FULL: with it, more than
 *             KITH_MAILBOX_ITEMS_MAX ciphertexts or MAILBOX_DEVICES_MAX devices that something waits for.
 * MAIL_ACK    OK; FORBIDDEN when the device's person is not the mailbox's.
 */
void mailbox_apply(struct mailbox *box, const struct cmd *cmd, uint64_t position, const struct chat_rules *rules,
                   const struct chat_lookup lookups[static CHAT_LOOKUPS], struct chat_effects *fx);

/** NULL when it was never addressed, or is forgotten. Lent until the next apply. */
struct mailbox_device *mailbox_device_find(const struct mailbox *box, struct device_id device);

#endif
