#ifndef CLI_SEND_WHY_H
#define CLI_SEND_WHY_H

#include "libkith/e2ee/account.h"
#include "libkith/kith.h"

/**
 * Why this device sends nothing into an encrypted chat: something about somebody's keys that the person must act on. As the client
 * knows it, without asking anybody.
 */
enum send_why_kind {
    SEND_WHY_NONE,  /* not for such a reason */
    SEND_WHY_KEY,   /* the account key of `user` is another one than the one that was verified */
    SEND_WHY_LISTS, /* the server has shown two device lists of `user` with one number */
    SEND_WHY_GROUP  /* or two changes of the group */
};

struct send_why {
    enum send_why_kind kind;
    struct user_id user; /* of several the first; nil: of nobody */
};
struct send_why send_why(struct kith_client *client, struct chat_id chat);
/** One word for JSON: "key_changed", "lists_forked", "group_forked". NULL: SEND_WHY_NONE. */
const char *send_why_name(enum send_why_kind kind);
/** To stderr: what is so, and what to do. Nothing for SEND_WHY_NONE. name: of the person. */
void send_why_print(const struct send_why *why, struct chat_id chat, const char *name);

#endif
