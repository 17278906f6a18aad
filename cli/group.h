#ifndef CLI_GROUP_H
#define CLI_GROUP_H

#include "cli/cli.h"
#include "libkith/e2ee/account_group.h"

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

/**
 * A device of this account was removed, and the server has the list without it: in each group where this account is admin or owner
 * this device signs the same name and description again. Says of each what became of it.
 */
void group_close_all(struct cli *cli);
#define GROUP_CLOSE_HINT "To close it give it a name, the same or another: kith chat rename CHAT NAME"

/** What a message says of a group's name is remembered. */
void group_note(struct cli *cli, struct kith_client *client, const struct kith_message *message);
/** Into the chats of the list: the names that this device knows, or learns now. */
void group_names_put(struct cli *cli, const json_t *chats);
/** The same into one chat; false: the name is not here. */
bool group_name_put(struct cli *cli, json_t *chat);

#endif
