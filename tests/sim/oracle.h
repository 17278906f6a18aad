#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "sim.h"

/*
 * What must hold, seen from outside: what clients were told against what the store holds. Each violation names its
 * invariant. During the run: agreement, order, no duplicate, receipts; at the end, when all is healed and quiet: nothing
 * acknowledged is lost, everybody got exactly what they may see.
 */
struct oracle *oracle_new(struct sim *sim);
void oracle_free(struct oracle *oracle);

/* A person pressed send: the id, where, and what. */
void oracle_invoked(struct sim_device *device, struct chat_id chat, struct msg_id id, struct kith_slice body);
/* The outbox record is durable on the device: from now on it must arrive. */
void oracle_stored(struct sim_device *device, struct msg_id id);
/* The outbox record is gone: the device knows that it arrived. */
void oracle_answered(struct sim_device *device, struct msg_id id);
void oracle_acked(struct sim_device *device, struct chat_id chat, struct msg_id id, uint64_t seq);
void oracle_failed(struct sim_device *device, struct msg_id id, enum kith_code code);
/* A shown message became durable on the device. */
void oracle_applied(struct sim_device *device, const struct kith_message *message);
void oracle_receipt(struct sim_device *device, struct chat_id chat, struct user_id user, uint64_t delivered,
                    uint64_t read);
/* One message that was acknowledged, by the seed; false: none yet. */
bool oracle_any_acked(struct sim *sim, struct msg_id *id, unsigned *user, unsigned *chat);
/* After heal and quiet: compares with every row of the store. */
void oracle_final(struct sim *sim);
/* Highest seq this device has of a chat; 0: none. */
uint64_t oracle_applied_up_to(const struct sim_device *device, struct chat_id chat);
bool oracle_all_answered(const struct sim *sim);

#endif
