#ifndef KITHD_COMMANDS_H
#define KITHD_COMMANDS_H

#include "kithd/config.h"

/**
 * kithd's own commands, one table row each: `kithd [serve]`, `kithd config check`, `kithd log verify`, … Exit codes:
 * 0 done, 1 failed, 2 wrong use.
 */
int command_run(int argc, char **argv);

int cmd_config_check(const struct config *config, int argc, char **argv);
int cmd_config_show(const struct config *config, int argc, char **argv);
int cmd_config_defaults(const struct config *config, int argc, char **argv);
int cmd_log_verify(const struct config *config, int argc, char **argv);
int cmd_log_replay(const struct config *config, int argc, char **argv);
int cmd_admin_create(const struct config *config, int argc, char **argv);

#endif
