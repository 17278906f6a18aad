#ifndef KITH_BASE_ERR_H
#define KITH_BASE_ERR_H

/**
 * The one error type. The hundreds say whose fault it is, and so what the caller does about it.
 */
typedef enum kith_err {
    KITH_OK = 0,

    /* Ours, for now: wait and try again, or shed load. */
    KITH_E_AGAIN = 0x100, /* more input is needed, or the other side is not ready yet */
    KITH_E_NOMEM,
    KITH_E_FULL,      /* a bounded queue, buffer or table is at its named maximum */
    KITH_E_READ_ONLY, /* writes are halted; reads go on */
    KITH_E_CLOSED,    /* the thing asked is shutting down */

    /* The peer's: answer with a clear error, count it. */
    KITH_E_MALFORMED = 0x200,
    KITH_E_DENIED,
    KITH_E_TOOBIG,
    KITH_E_UNSUPPORTED,

    /* The backend's: retry with a bound, tell the operator. */
    KITH_E_IO = 0x300,
    KITH_E_TIMEOUT,
    KITH_E_NOSPACE, /* the disk is full */
    KITH_E_DAMAGED, /* stored bytes are not what was written */

    /* An answer, nobody's fault. */
    KITH_E_NOTFOUND = 0x400,
    KITH_E_CONFLICT,
} kith_err;

#define KITH_MUST_USE          __attribute__((warn_unused_result))
#define KITH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/** Says that a result is not looked at on purpose: the comment beside the call says why that is right. */
static inline void kith_ignore(kith_err err)
{
    (void)err;
}

/** A short stable name ("OK", "TOOBIG", ...) for logs and metrics; never NULL. */
const char *kith_err_name(kith_err err);

#endif
