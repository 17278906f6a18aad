#include "base/err.h"

const char *kith_err_name(kith_err err)
{
    switch (err) {
    case KITH_OK: return "OK";
    case KITH_E_AGAIN: return "AGAIN";
    case KITH_E_NOMEM: return "NOMEM";
    case KITH_E_FULL: return "FULL";
    case KITH_E_READ_ONLY: return "READ_ONLY";
    case KITH_E_CLOSED: return "CLOSED";
    case KITH_E_MALFORMED: return "MALFORMED";
    case KITH_E_DENIED: return "DENIED";
    case KITH_E_TOOBIG: return "TOOBIG";
    case KITH_E_UNSUPPORTED: return "UNSUPPORTED";
    case KITH_E_IO: return "IO";
    case KITH_E_TIMEOUT: return "TIMEOUT";
    case KITH_E_NOSPACE: return "NOSPACE";
    case KITH_E_DAMAGED: return "DAMAGED";
    case KITH_E_NOTFOUND: return "NOTFOUND";
    case KITH_E_CONFLICT: return "CONFLICT";
    }
    return "UNKNOWN";
}
