#ifndef CLI_GROUP_H
#define CLI_GROUP_H

#include "cli/cli.h"
#include "libkith/e2ee/account_join.h"

/* Encrypted groups at the command line (group.c). */

/** A change, and the REST call that brings it to the server: body gets the signed operation besides. */
struct group_call {
    struct e2e_group_change change;
    const struct chat_id *chat; /* NULL: a new group */
    const char *method, *path;
    json_t *body;    /* lent; NULL: nothing else */
    bool keeps_info; /* the name and description are those that it has */
};
/** EXIT_DONE: the server answered, whatever it said; it is seen through then: applied here, keys given to the others. */
int group_ask(struct cli *cli, const struct group_call *call, struct cli_answer *answer);

#define GROUP_SETTLE_MS 15000 /* for what a change stands on, and what it brings about */
/** Says why an account made no operation, or no request. */
int group_say_refused(struct cli *cli, kith_err err);
/** Whether its changes are operations, whatever the server says that the chat is: what was encrypted once is pinned. */
bool group_is_signed(struct cli *cli, struct chat_id chat);
/** Up to the newest event of the chat, which may be an operation. Of a chat that this account is not in nothing comes. */
void group_catch_up(struct cli *cli, struct online *online, struct chat_id chat);
/** The invite link, for the newest that can be known of the group. Errors: e2e_account_join_link(); KITH_E_CLOSED: it is not this account's to show or to make. Wipe it. */
kith_err group_link(struct cli *cli, struct chat_id chat, struct e2e_join_link *out);

/** The same over a connection that is there already. KITH_OK: the server answered. */
kith_err group_ask_online(struct cli *cli, struct online *online, const struct group_call *call,
                          struct cli_answer *answer);
/** For a person; hint NULL: none. Lent for ever. */
const char *group_why_refused(kith_err err, const char **hint);
/** Whether this account may sign its name, or add people; of a group of which nothing is known here nobody can tell. */
bool group_may_sign(struct cli *cli, struct online *online, struct chat_id chat);
/** Of a chat as the server shows it: an encrypted group. */
bool group_has_secret_name(const json_t *chat);

/* ---- group_all.c */
/** Signs that this account leaves, in each group. False: not in all, which was said. */
bool group_leave_all(struct cli *cli);
/** A device of this account is about to be removed: groups are to be closed to it, durably, by this command or a later one. */
void group_close_later(struct cli *cli);
/**
 * A device of this account was removed, and the server has the list without it: in each group where this account is admin or owner
 * this device signs the same name and description again. Says of each what became of it; what may be done later stays noted.
 */
void group_close_all(struct cli *cli, bool is_late);
/** The end of every command: what is noted, when this command was connected and the server has the list. */
void group_close_due(struct cli *cli);
#define GROUP_CLOSE_HINT       "To close it give it a name, the same or another: kith chat rename CHAT NAME"
#define GROUP_CLOSE_LATER_HINT "The next kith that reaches the server tries again, or: kith chat rename CHAT NAME"

#define GROUP_SAYS_BYTES 48
/** "made an invite link", "ended the invite link", or of an add "let in": what the operation of an event says beyond its JSON; "": no more. */
void group_event_says(const json_t *event, char out[static GROUP_SAYS_BYTES]);
/** What a message says of a group's name is remembered. */
void group_note(struct cli *cli, struct kith_client *client, const struct kith_message *message);
/** Into the chats of the list: the names that this device knows, or learns now. */
void group_names_put(struct cli *cli, const json_t *chats);
/** The same into one chat; false: the name is not here. */
bool group_name_put(struct cli *cli, json_t *chat);

#endif
