#ifndef CLI_TRUST_H
#define CLI_TRUST_H

#include "libkith/e2ee/account.h"

/** One word, the same in every JSON: "unknown", "known", "verified", "changed", "forked". */
const char *trust_name(enum e2e_trust trust);

#endif
