#ifndef KITH_API_ROUTES_H
#define KITH_API_ROUTES_H

#include "account/group_op.h"
#include "api/api_impl.h"

/* What the table in routes.c names: one function a row, in the file of its group. */

/* route_users.c */
void route_user_create(struct api_request *request);
void route_user_lookup(struct api_request *request);
void route_user_show(struct api_request *request);
void route_user_block(struct api_request *request);
void route_user_unblock(struct api_request *request);
/* route_me.c */
void route_me_show(struct api_request *request);
void route_me_update(struct api_request *request);
void route_me_delete(struct api_request *request);
/* route_auth.c */
void route_login(struct api_request *request);
void route_refresh(struct api_request *request);
void route_logout(struct api_request *request);
/* route_devices.c */
void route_devices(struct api_request *request);
void route_device_delete(struct api_request *request);
/* route_keys.c */
void route_keys_put(struct api_request *request);
void route_keys_show(struct api_request *request);
void route_keys_claim(struct api_request *request);
/* route_user_devices.c */
void route_user_devices(struct api_request *request);
void route_users_devices(struct api_request *request);
/* route_invites.c */
void route_invite_create(struct api_request *request);
void route_invites(struct api_request *request);
void route_invite_delete(struct api_request *request);
/* route_chat_create.c */
void route_chat_create(struct api_request *request);
/* route_chats.c */
void route_chats(struct api_request *request);
void route_chat_show(struct api_request *request);
/* route_chat_change.c */
void route_chat_update(struct api_request *request);
void route_chat_accept(struct api_request *request);
void route_chat_leave(struct api_request *request);
/* route_join.c */
void route_chat_join(struct api_request *request);
/* route_members.c */
void route_member_add(struct api_request *request);
void route_member_role(struct api_request *request);
void route_member_remove(struct api_request *request);
/* route_group_ops.c */
void route_group_ops(struct api_request *request);
/* route_messages.c */
void route_message_send(struct api_request *request);
void route_message_delete(struct api_request *request);
void route_message_status(struct api_request *request);
/* route_history.c */
void route_history(struct api_request *request);
/* route_health.c */
void route_livez(struct api_request *request);
void route_readyz(struct api_request *request);
void route_metrics(struct api_request *request);
void route_openapi(struct api_request *request);

/** The answer to whoever signed in: ids and tokens. chat: NULL, or the one with the inviter. */
void api_answer_tokens(struct api_request *request, unsigned status, const struct account_tokens *tokens,
                       const struct chat_id *chat);
/** user_id, name, display_name. The object is open. */
void api_put_person(struct json_out *out, const struct account_profile *profile);

/** A group's operation: `signed_op` and `group_seq` of the body, both or neither (zeros). */
struct api_signed_op {
    struct kith_slice signed_op; /* malloc'ed: api_signed_op_free() it */
    uint64_t group_seq;
    /* Of api_ask_signed(). */
    struct api_request *request;
    struct account_group_op check;
    struct cmd cmd;
};
void fields_signed_op(struct api_fields *fields, struct api_signed_op *out);
void api_signed_op_free(struct api_signed_op *op);
/**
 * As api_ask(), for a command that may carry an operation: that one is verified before, and what is wrong with it is the answer, as if
 * the core had given it. `op` is of the request's state; what *cmd lends must last until the answer.
 */
void api_ask_signed(struct api_request *request, struct api_signed_op *op, const struct cmd *cmd,
                    void (*next)(struct api_request *request, const struct chat_answer *answer));

#endif
