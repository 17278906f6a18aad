#ifndef TESTS_SIM_GROUPS_H
#define TESTS_SIM_GROUPS_H

#include "libkith/e2ee/account_join.h"
#include "sim.h"

/* Encrypted groups (groups.c): a member's device signs each change, and asks for it as REST would. */
struct groups_op {
    struct sim_device *by; /* NULL: there is nobody who could */
    struct e2e_group_change change;
    uint64_t group_seq;
    uint64_t join_tag;           /* of a join key: what the server keeps of it; 0: none holds any more */
    struct kith_slice signed_op; /* kept with the directory's copies */
};
/** By the device that founds it. */
struct groups_op groups_create(struct sim *sim, unsigned chat);
/** A change by anybody who is in it. */
struct groups_op groups_change(struct sim *sim, unsigned chat);
/** Somebody who is out and has the group's invite link asks to be let in. */
struct groups_ask {
    struct sim_device *by; /* NULL: there is nobody */
    uint64_t join_tag;
    struct kith_slice request; /* kept with the directory's copies */
};
struct groups_ask groups_ask(struct sim *sim, unsigned chat);
/** What GET /chats/{chat_id}/operations gives, handed to the client. */
void groups_answer(struct sim_device *device, struct chat_id chat, uint64_t after);

#endif
