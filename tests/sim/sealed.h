#ifndef TESTS_SIM_SEALED_H
#define TESTS_SIM_SEALED_H

#include "sim.h"

/*
 * What must hold of encrypted chats. No byte that a client sends or the server keeps has what was written; a message is
 * sealed for exactly the devices of the lists that it names; each of them opens it, and no other device does. One for all has
 * a digest of its lists: it must be that of lists which the device knew at one time, of the members that it knew then.
 */
#define SEALED_MARK "in confidence"

struct sim_sealed *sealed_new(void);
void sealed_free(struct sim_sealed *sealed);
void sealed_knows(struct sim_device *device);                                       /* lists and members, from now on */
void sealed_frame(struct sim_device *device, struct kith_slice bytes);              /* it leaves the device */
void sealed_shown(struct sim_device *device, const struct kith_message *message);   /* as the person sees it */
void sealed_applied(struct sim_device *device, const struct kith_message *message); /* its record is durable */
void sealed_row(struct sim *sim, struct kith_slice value);                          /* of the store, in the end */

#endif
