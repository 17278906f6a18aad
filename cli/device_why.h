#ifndef CLI_DEVICE_WHY_H
#define CLI_DEVICE_WHY_H

#include "base/err.h"
#include "libkith/e2ee/account.h"

/**
 * What a person is told when a step of linking a device, or taking one out of the signed list, was not done; and the exit
 * code. Texts are the program's own. Pure.
 *
 * err     what the account said, not KITH_OK    state   the account's, as it was then
 */
enum device_step { DEVICE_REQUEST, DEVICE_LINK, DEVICE_ACCEPT, DEVICE_REMOVE };

struct device_why {
    const char *prefix, *what; /* "prefix: what" */
    const char *hint;          /* NULL: none */
    int code;
};
struct device_why device_why(enum device_step step, kith_err err, enum e2e_account_state state);

#endif
