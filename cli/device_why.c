#include "cli/device_why.h"

#include "cli/cli.h"

#define BEGIN_ANEW "Begin anew on the new device: kith device request"
#define WHO_SIGNS  "kith device list NAME, with your own name, shows which of your devices sign it."

static const char *prefix_of(enum device_step step)
{
    switch (step) {
    case DEVICE_REQUEST: return "no request was made";
    case DEVICE_LINK: return "the request cannot be taken";
    case DEVICE_ACCEPT: return "the answer cannot be taken";
    case DEVICE_REMOVE: break;
    }
    return "it was not taken out of the list that your devices signed";
}

/* KITH_E_CLOSED: this device is not in the state for that step. */
static struct device_why closed(enum device_step step, enum e2e_account_state state)
{
    struct device_why why = {.code = EXIT_REFUSED};

    switch (state) {
    case E2E_ACCOUNT_REMOVED:
        why.what = "this device was removed from your account's list";
        why.hint = "To use it again: kith account logout, kith account login NAME, then kith device request";
        return why;
    case E2E_ACCOUNT_EMPTY:
        why.what = step == DEVICE_ACCEPT ? "this device has asked for none" : "this device is not linked";
        why.hint = step == DEVICE_ACCEPT || step == DEVICE_LINK ? "First, on the new device: kith device request"
                                                                : WHO_SIGNS;
        return why;
    case E2E_ACCOUNT_LINKING:
        why.what = "this device is not linked";
        why.hint = WHO_SIGNS;
        return why;
    case E2E_ACCOUNT_READY: break;
    }
    if (step == DEVICE_REQUEST || step == DEVICE_ACCEPT) {
        why.what = "this device is linked already";
    } else {
        why.what = "this device does not sign the list";
        why.hint = WHO_SIGNS;
    }
    return why;
}

static struct device_why why_of(enum device_step step, kith_err err, enum e2e_account_state state)
{
    switch (err) {
    case KITH_E_CLOSED: return closed(step, state);
    case KITH_E_AGAIN:
        return (struct device_why){.what = "the list that was signed before has not reached the server yet",
                                   .hint = "Say the same again when the server can be reached.",
                                   .code = EXIT_AWAY};
    case KITH_E_FULL:
        if (step == DEVICE_REMOVE)
            return (struct device_why){.what = "it has as many removed devices as it may", .code = EXIT_REFUSED};
        return (struct device_why){.what = "the account has as many devices as it may",
                                   .hint = "Remove one first: kith device remove DEVICE",
                                   .code = EXIT_REFUSED};
    case KITH_E_UNSUPPORTED:
        return (struct device_why){.what = "it was made by a newer kith",
                                   .hint = "Bring kith up to date here, then say the same again.",
                                   .code = EXIT_REFUSED};
    case KITH_E_DENIED:
        return (struct device_why){
            .what = "it is another account's, too old, or was changed", .hint = BEGIN_ANEW, .code = EXIT_REFUSED};
    case KITH_E_MALFORMED: return (struct device_why){.what = "it is broken", .hint = BEGIN_ANEW, .code = EXIT_REFUSED};
    case KITH_E_NOTFOUND: /* of one that is listed: only the device itself */
        return (struct device_why){.what = "a device does not take itself out",
                                   .hint = "Say the same on another device. " WHO_SIGNS,
                                   .code = EXIT_REFUSED};
    case KITH_E_NOMEM:
        return (struct device_why){.what = "there is no memory", .hint = "Say the same again.", .code = EXIT_FAILED};
    default: return (struct device_why){.what = kith_err_name(err), .hint = "Say the same again.", .code = EXIT_FAILED};
    }
}

struct device_why device_why(enum device_step step, kith_err err, enum e2e_account_state state)
{
    struct device_why why = why_of(step, err, state);

    why.prefix = prefix_of(step);
    return why;
}
