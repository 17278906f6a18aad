#ifndef LIBKITH_E2EE_ACCOUNT_RESEND_H
#define LIBKITH_E2EE_ACCOUNT_RESEND_H

#include "libkith/e2ee/account.h"
#include "libkith/e2ee/resend.h"

/**
 * Mail between two devices, and what a device asks another for again and gives again. As account.h: every change is handed to
 * `keep` or `drop` before a function returns. Source: docs/wire/e2ee.md, "Mail", "Asking again".
 *
 * Mail is opened by e2e_account_open(), with is_mail.
 */
#define E2E_LOST_MAX    64 /* of one device: what it wrote and this one could not open */
#define E2E_LOST_MS     (14ull * 24 * 3600 * 1000)
#define E2E_RESEND_MS   (24ull * 3600 * 1000) /* asked for again behind that; and a session begun anew for it */
#define E2E_RESENDS_MAX 3                     /* of one message: asked for, and given */
#define E2E_GIVEN_MAX   256                   /* messages given again to one device in E2E_GIVEN_MS */
#define E2E_GIVEN_MS    (30ull * 24 * 3600 * 1000)
/*
 * Devices of which something is lost, or which were given something; beyond them nothing is noted, or given. Those that are only to be
 * begun anew with give way to others.
 */
#define E2E_LOST_PEERS_MAX 4096

struct e2e_mail {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint32_t device_id;
    uint8_t msg_id[E2E_ID_BYTES];
    struct kith_slice content_type, body;
    uint64_t sent_at_ms;
    const struct e2e_resend_item *again; /* NULL: it is no answer */
};
/**
 * Appends application/x-kith-bodies with one message.
 *
 * KITH_E_AGAIN     *wants says what is missing; nothing: the own list is to be uploaded first
 * KITH_E_DENIED    trust forbids it, as e2e_account_seal(): of what was sent_at before the root key changed, too
 * KITH_E_NOTFOUND  the newest list has no such device that has accepted, or it has left no keys; or it is this one
 * KITH_E_CLOSED    this device is not READY        KITH_E_FULL  E2E_PEERS_MAX
 * KITH_E_TOOBIG, KITH_E_MALFORMED (no content type), KITH_E_NOMEM
 */
KITH_MUST_USE kith_err e2e_account_seal_mail(struct e2e_account *account, uint64_t now_ms, const struct e2e_mail *mail,
                                             struct e2e_wants *wants, struct kith_buf *out);

/* ---- who asks */
struct e2e_lost {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint32_t device_id;
    struct e2e_resend_item item;
    bool is_group;
    uint64_t created_ms, expires_ms; /* as the server said them; expires_ms 0: never */
};
/**
 * A message that e2e_account_open() could not open, with is_lost: it is noted, to be asked for, and the session is begun anew with
 * the next message. Of mail, whose item.seq is 0, or of one too many, or expired, only that. Of one that is known nothing; nor of
 * one of a group that is older than this device, which was not for it.
 */
void e2e_account_lost(struct e2e_account *account, uint64_t now_ms, const struct e2e_lost *lost);
struct e2e_ask {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint32_t device_id;
};
/**
 * A device that is to be asked now, and the body of the request, appended; what is in it counts as asked for. False: there is none, or no
 * memory. What is too old is forgotten on the way.
 */
bool e2e_account_ask(struct e2e_account *account, uint64_t now_ms, struct e2e_ask *out, struct kith_buf *body);
/**
 * An answer came from that device. True: it was asked for that, and is no more; *out says what it is. False, too, when its account
 * is not in the group any more.
 */
bool e2e_account_resent(struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                        uint32_t device_id, const struct e2e_resend_item *item, struct e2e_lost *out);
/** How many messages of that device are lost, so far. */
uint32_t e2e_account_lost_count(const struct e2e_account *account,
                                const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id);

/* ---- who is asked */
/** Rises with each session that is begun, by either end, also over restarts: what comes first of two things, whatever the clock says. */
uint64_t e2e_account_mark(const struct e2e_account *account);
struct e2e_sent {         /* of an own message, as it was when it was encrypted last */
    uint64_t sealed_mark; /* e2e_account_mark() behind that */
    uint64_t written_ms, expires_ms;
    bool is_group;
    uint64_t group_epoch;               /* of a group's */
    uint8_t dest[E2E_ACCOUNT_ID_BYTES]; /* of a chat of two: the other of the two, whom it was written to */
};
/**
 * Whether that device may be given a message of this one again: KITH_OK, and then it counts as given.
 * KITH_E_DENIED: it was not one of those it was for, or trust forbids it, or it has expired. KITH_E_FULL: given often enough.
 * KITH_E_NOMEM.
 * When is_group, whatever comes of it for a device of a member: it counts as one that lacks this device's chain; or a new chain
 * is drawn with the next message.
 */
KITH_MUST_USE kith_err e2e_account_give(struct e2e_account *account, uint64_t now_ms,
                                        const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id,
                                        const struct e2e_resend_item *item, const struct e2e_sent *sent);
/** It was given E2E_RESENDS_MAX times: what that device asks of it is not looked up any more. */
bool e2e_account_has_given(struct e2e_account *account, uint64_t now_ms,
                           const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id,
                           const uint8_t msg_id[static E2E_ID_BYTES]);

#endif
