#ifndef CLI_RECALL_H
#define CLI_RECALL_H

#include "cli/cli.h"

/**
 * The answer to KITH_EFFECT_RECALL: the record of the message, as it is kept here; of one that the person has deleted, or that is not
 * here, nothing.
 */
void recall_answer(struct cli *cli, struct kith_client *client, struct chat_id chat, uint64_t seq);

#endif
