#include "cli/commands.h"

int cmd_chat_open(struct cli *cli)
{
    (void)cli;
    return EXIT_FAILED;
}
