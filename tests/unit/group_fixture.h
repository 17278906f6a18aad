#ifndef TESTS_UNIT_GROUP_FIXTURE_H
#define TESTS_UNIT_GROUP_FIXTURE_H

#include "e2e_group.h"
#include "keys_fixture.h"

/**
 * Signed operations over REST: people whose device signs, the operations that their clients make, and the calls that bring
 * them.
 */

/* Somebody whose device signs: number 1 of the list that the server has. */
struct author {
    struct person who;
    struct kith_uuid device;
    uint8_t list_hash[32];
};
struct author author_of_name(struct afx *fx, const char *name);
struct e2e_group_op op_by(const struct author *author, enum e2e_group_kind kind, const struct person *subject,
                          uint8_t role);
/** Of two people; `founders` lends until the next call. */
struct e2e_group_op create_by(const struct author *author, const struct person *other);

/* The next operation as this author's client makes it; what comes of it too, if it is taken. */
struct made_op {
    struct kith_buf bytes;
    struct e2e_group *after;
};
struct made_op op_make(const struct e2e_group *group, const struct author *author, struct e2e_group_op op);
void made_op_free(struct made_op *made);

/** /chats/{chat}{tail}; `body` may be NULL. */
struct reply *chat_call(struct afx *fx, const char *method, const struct person *by, const char *chat, const char *tail,
                        const char *body);
/** The body of a call; `more`: members of it, each with a comma after it. free() it. */
char *op_body(const char *more, struct kith_slice signed_op, unsigned group_seq);
struct reply *send_op(struct afx *fx, const char *method, const struct person *by, const char *chat, const char *tail,
                      const char *more, struct kith_slice signed_op, unsigned group_seq);
/** POST /chats of two people; `key`: its Idempotency-Key, NULL: none. */
struct reply *send_create(struct afx *fx, const struct person *by, const struct person *other, const char *key,
                          const char *more, struct kith_slice signed_op);

/* A group of two people, as the client of the one who made it knows it. */
struct known_group {
    char chat[40];
    struct e2e_group *group;
};
/** e2e_group_free() its group. */
struct known_group group_created(struct afx *fx, const struct author *by, const struct person *other);
/** This next operation is taken. */
void must_op(struct afx *fx, struct known_group *known, const struct author *by, struct e2e_group_op op,
             const char *method, const char *tail, const char *more);
/** Static until the 8th next call. */
const char *of_user(const char *format, const struct person *person);
#define USER_ID "\"user_id\":\"%s\","
#define MEMBER  "/members/%s"

#endif
