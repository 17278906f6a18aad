#ifndef TESTS_SIM_MAIL_H
#define TESTS_SIM_MAIL_H

#include "sim.h"

/*
 * Mailboxes in the simulation: what is sent into them, and what must hold. An item that was acknowledged to its sender
 * arrives at each device that it is for, once, as it was sent, in the order of its mailbox; at no other device; and when
 * all is acknowledged, nothing is left in the store.
 */
void mail_send(struct sim *sim); /* a new item, or one again that has no answer yet, or one with other content */
void mail_applied(struct sim_device *device, const struct kith_message *item); /* its record is durable */
bool mail_is_quiet(const struct sim *sim);
void mail_final(struct sim *sim);
void mail_free(struct sim *sim);

#endif
