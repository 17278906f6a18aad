#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdio.h>

#include "cli/cli.h"

/* One row a command: what is typed, what it takes, what it does. Help, man page and completion are made from it. */
enum command_needs { NEEDS_NOTHING = 0, NEEDS_SERVER = 1, NEEDS_ACCOUNT = 2, NEEDS_STATE = 3 };

struct command {
    const char *noun, *verb; /* verb NULL: one word */
    const char *arguments;   /* as in usage: "CHAT TEXT..." */
    int argc_min, argc_max;  /* argc_max -1: any number */
    enum command_needs needs;
    const char *options; /* of this command, space-separated, without the common ones */
    int (*run)(struct cli *cli);
    const char *help;
};
extern const struct command commands[];
extern const size_t command_count;

struct option {
    const char *name;     /* without -- */
    const char *argument; /* NULL: a switch */
    const char *help;
};
extern const struct option options[];
extern const size_t option_count;

int cmd_account_register(struct cli *cli);
int cmd_account_login(struct cli *cli);
int cmd_account_logout(struct cli *cli);
int cmd_account_delete(struct cli *cli);
int cmd_account_show(struct cli *cli);
int cmd_account_password(struct cli *cli);
int cmd_account_passphrase(struct cli *cli);
int cmd_device_list(struct cli *cli);
int cmd_device_list_of(struct cli *cli);
int cmd_verify(struct cli *cli);
int cmd_security(struct cli *cli);
int cmd_search(struct cli *cli);
int cmd_reply(struct cli *cli);
int cmd_react(struct cli *cli);
int cmd_edit(struct cli *cli);
int cmd_delete(struct cli *cli);
int cmd_device_request(struct cli *cli);
int cmd_device_link(struct cli *cli);
int cmd_device_accept(struct cli *cli);
int cmd_device_remove(struct cli *cli);
/** DELETE /COLLECTION/ID; says `done`. Gives the exit code. */
int cli_remove_by_id(struct cli *cli, const char *collection, const char *id, const char *done);
int cmd_invite_create(struct cli *cli);
int cmd_invite_list(struct cli *cli);
int cmd_invite_revoke(struct cli *cli);
int cmd_health(struct cli *cli);
int cmd_chat_list(struct cli *cli);
int cmd_chat_create(struct cli *cli);
int cmd_chat_show(struct cli *cli);
int cmd_chat_add(struct cli *cli);
int cmd_chat_link(struct cli *cli);
int cmd_chat_join(struct cli *cli);
int cmd_chat_remove(struct cli *cli);
int cmd_chat_leave(struct cli *cli);
int cmd_chat_role(struct cli *cli);
int cmd_chat_rename(struct cli *cli);
int cmd_chat_open(struct cli *cli);
int cmd_send(struct cli *cli);
int cmd_tail(struct cli *cli);
int cmd_history(struct cli *cli);
int cmd_read(struct cli *cli);
int cmd_status(struct cli *cli);
int cmd_outbox_list(struct cli *cli);
int cmd_outbox_retry(struct cli *cli);
int cmd_outbox_drop(struct cli *cli);
int cmd_help(struct cli *cli);
int cmd_completion(struct cli *cli);
int cmd_version(struct cli *cli);

/** The command whose words are nearest to these, for "did you mean". */
const struct command *command_nearest(const char *first, const char *second);
/** Prints the usage of one command to `to`. */
void command_usage(const struct command *command, FILE *to);

#endif
