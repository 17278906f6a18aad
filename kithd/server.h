#ifndef KITHD_SERVER_H
#define KITHD_SERVER_H

#include "kithd/config.h"

/**
 * All roles in one process, over the embedded engines. Wiring only: what runs on which thread, who knows whom, in which
 * order things open and close. Threads: one loop per core, one for the log, the directory's, the password pool's, the
 * store's; the caller's thread waits for signals.
 */

/** Serves until SIGTERM or SIGINT. Gives the exit code: 0 after an orderly stop. Messages for people go to stderr. */
int server_run(const struct config *config);

#endif
