#ifndef KITH_API_MESSAGE_STATE_H
#define KITH_API_MESSAGE_STATE_H

#include "api/routes.h"
#include "wire/bodies.h"

/* A message on its way from a request's body into a command; and what tells a refused one of the devices there are. */
struct message_state {
    struct account_stale stale; /* first */
    struct device_id *sent;     /* of `stale` */
    struct api_request *request;
    struct cmd cmd;
    bool has_encrypted, encrypted;
    json_t *content, *bodies, *lists; /* of the request's body; NULL: absent */
    uint8_t *decoded;
    struct bodies_list *list_rows;
    struct bodies_item *item_rows;
    uint8_t **item_bytes;
    size_t list_count, item_count;
    struct kith_buf encoded;
};

/** All fields but the body, whose form depends on the chat. False: answered. */
bool message_fields_take(struct message_state *state);
/** The body. False: answered. */
bool message_body_take(struct message_state *state, bool chat_is_encrypted);
void message_state_release(void *state);

/** STALE_DEVICES, with the devices that are missing, those that are no more, and the lists as they are (stale.c). */
void message_answer_stale(struct message_state *state);

#endif
