#ifndef CLI_KEYS_TAKEN_H
#define CLI_KEYS_TAKEN_H

#include "cli/cli.h"
#include "libkith/e2ee/account.h"

/** One-time keys of this device that somebody takes and does not write with: a line for people when they are many, and a value. */
void keys_taken_print(const struct cli *cli, const struct e2e_account *account);
/** {"count", "since", "alarm"}; since is null when there are none. To be owned. */
json_t *keys_taken_json(const struct e2e_account *account);

#endif
