#include "cli/trust.h"

const char *trust_name(enum e2e_trust trust)
{
    switch (trust) {
    case E2E_TRUST_UNKNOWN: return "unknown";
    case E2E_TRUST_KNOWN: return "known";
    case E2E_TRUST_VERIFIED: return "verified";
    case E2E_TRUST_CHANGED: return "changed";
    case E2E_TRUST_FORKED: return "forked";
    }
    return "unknown";
}
