#ifndef TESTS_UNIT_JOIN_FIXTURE_H
#define TESTS_UNIT_JOIN_FIXTURE_H

#include "account/join.h"
#include "group_fixture.h"

/** Invite links over REST: an operation makes one, and who has it asks. */
#define NO_CHAT "5a1f7d20-0000-4000-8000-000000000001"

/** The nth link of this chat. */
struct e2e_join_link link_to(const char *chat, uint8_t number);
/** In quotes; static until the 4th next call. */
const char *base64_text(const void *bytes, size_t len);
/** The member of a PATCH that says this key, with a comma after it; NULL: none. Static until the 4th next call. */
const char *join_key_member(const uint8_t *key, size_t len);
/** `link` NULL: none holds any more. */
struct e2e_group_op link_op(const struct author *by, const struct e2e_join_link *link);
/** From now on this link holds; NULL: none. */
void hold_link(struct afx *fx, struct known_group *known, const struct author *by, const struct e2e_join_link *link);

/** What this person's client says. */
struct e2e_join_request request_by(const struct author *asker);
/** Signed by that device. */
struct kith_buf request_sign(const struct e2e_join_link *link, struct e2e_join_request request,
                             struct kith_uuid device);
/** POST /chats/{chat_id}/join; `key`: its Idempotency-Key, NULL: none. */
struct reply *send_join(struct afx *fx, const struct person *by, const char *chat, const char *key,
                        struct kith_slice request);
/** The same, with a request as this person's client makes it. */
struct reply *ask_to_join(struct afx *fx, const struct author *by, const char *chat, const char *key,
                          const struct e2e_join_link *link);
/** What is answered when it is fine: 202, asked, or 200, a member already. Frees. */
void expect_asked(struct reply *reply, unsigned status);

/** So many events, the group's number and members, as this member is told. */
void expect_chat_at(struct afx *fx, const struct person *by, const struct known_group *known, json_int_t last_seq,
                    size_t members);
/** The event with this number, parsed: json_decref() it. */
json_t *event_at(struct afx *fx, const struct person *by, const char *chat, unsigned seq, const char *type);

/* ann's group with bob, and a link to it. carl is none of them. */
struct join_scene {
    struct author ann, bob, carl;
    struct known_group known;
    struct e2e_join_link link;
};
/** e2e_group_free() its group. */
struct join_scene join_scene_of(struct afx *fx);

#endif
