#ifndef KITH_TESTS_E2E_TOWN_GROUP_H
#define KITH_TESTS_E2E_TOWN_GROUP_H

#include "libkith/e2ee/account_join.h"
#include "town.h"

/*
 * Groups of the town. The server of them orders operations, each only when it is the next one, and hands them out; town->show_op
 * may change what it shows. Of who is in a group it knows nothing.
 */
#define TOWN_OPS_MAX 128

struct town_group {
    struct town *town;
    uint8_t chat_id[E2E_ID_BYTES];
    struct kith_buf ops[TOWN_OPS_MAX]; /* in the server's order */
    uint64_t seqs[TOWN_OPS_MAX];       /* of their events, among the town's mails: town_seq() */
    size_t op_count;
};

/** A chat that has no operations yet. Freed with the town. */
struct town_group *town_group_new(struct town *town);
void town_group_free(struct town_group *group);
/** NULL: that chat is none. */
struct town_group *town_group_of(const struct town *town, const uint8_t chat_id[static E2E_ID_BYTES]);

/* ---- what is to be done */
struct e2e_group_change town_change(enum e2e_group_kind kind, const struct town_device *subject, uint8_t role);
struct e2e_group_change town_change_name(enum e2e_group_kind kind, const char *name);
/** Signs it and hands it to the server, as often as another was quicker; takes it, and gives the keys that it owes. */
kith_err town_group_try(struct town_group *group, struct town_device *by, const struct e2e_group_change *change);
void town_group_must(struct town_group *group, struct town_device *by, struct e2e_group_change change);
/** A new one; `by` is its owner. name: may be NULL. */
struct town_group *town_group_create(struct town_device *by, struct town_device *const *others, uint32_t other_count,
                                     const char *name);
/** As the next one of the server's, whatever it is. */
void town_group_put(struct town_group *group, struct kith_slice op);

/* ---- invite links */
/** The link that the device made, once the server and it have it. */
struct e2e_join_link town_group_link(struct town_group *group, struct town_device *by);
/** Asks with it, and goes on asking until it has: the signed request. The caller's to deinit. */
struct kith_buf town_join_ask(struct town_device *asker, const struct e2e_join_link *link);
/** Whether that device would let them in, with all the fetching that it takes. */
kith_err town_join_check(struct town_device *by, const struct town_group *group, struct kith_slice request);
/** Looks, and does. */
kith_err town_join_let_in(struct town_group *group, struct town_device *by, struct kith_slice request);

/* ---- what others see of it */
/** Hands one operation to a device, with all the fetching that it takes. */
kith_err town_group_give(struct town_device *to, const struct town_group *group, struct kith_slice op);
/** The operations that the device lacks, up to the first that it does not take. What that came to; KITH_OK: it lacks none. */
kith_err town_group_fetch(struct town_device *device, const struct town_group *group);
/** That of a device. It has one. */
struct e2e_group_view town_group_view(const struct town_device *device, const struct town_group *group);
/** Whether two devices have the same of it: state and heads. */
bool town_group_same(const struct town_device *a, const struct town_device *b, const struct town_group *group);
/** The name that it shows, as a text that is valid until the next call; "": none, NULL: its key is not here. */
const char *town_group_name(const struct town_device *device, const struct town_group *group);

/** As if that body had come to this device alone. */
kith_err town_take_keys(struct town_device *to, const uint8_t chat_id[static E2E_ID_BYTES], struct kith_slice body);

/* ---- messages: town_send() in this chat */
struct town_chat town_group_chat(const struct town_device *from, const struct town_group *group);
struct town_mail *town_group_send(struct town_device *from, const struct town_group *group, const char *text);
/** What comes of trying to. */
kith_err town_group_try_send(struct town_device *from, const struct town_group *group);

#endif
