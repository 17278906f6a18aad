#ifndef KITH_CHAT_MAILBOX_INTERNAL_H
#define KITH_CHAT_MAILBOX_INTERNAL_H

#include "chat/chat_internal.h"
#include "chat/mailbox.h"

/* mailbox_state.c */
/** It is not there yet. KITH_E_NOMEM. */
KITH_MUST_USE kith_err mailbox_device_add(struct mailbox *box, struct device_id device, struct mailbox_device **out);
void mailbox_device_remove(struct mailbox *box, struct mailbox_device *device);

/*
 * mailbox_age.c: what is too old. An item's row ends by itself, KITH_MAILBOX_AGE_MS_MAX after it came; the count gives it
 * up with the day it came on, once the last item of that day has ended: the core does not see the rows, so it goes by the
 * marks (wire/row.h), and never gives up what may still be read.
 */
/** The first number that is still held for this device at that time; `last` + 1: nothing is. */
uint64_t mailbox_first_at(const struct row_mail_device *row, uint64_t time_ms);
/** Everything below `first` is gone, acknowledged or too old. */
void mailbox_give_up(struct row_mail_device *row, uint64_t first);
/** The item `last` + 1 came now. */
void mailbox_mark(struct row_mail_device *row, uint64_t time_ms);

static inline uint64_t mailbox_waiting(const struct row_mail_device *row)
{
    return row->last + 1 - row->first;
}

#endif
