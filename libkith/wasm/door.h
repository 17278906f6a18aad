#ifndef LIBKITH_WASM_DOOR_H
#define LIBKITH_WASM_DOOR_H

#include "libkith/crypto/random.h"
#include "libkith/kith.h"

/**
 * The door to a client for a host that is not written in C: every function of kith.h, of what a person does to an account
 * (e2ee/account.h, account_group.h, account_join.h) and of the vault, as a call, bytes in and bytes out. The WebAssembly module exports each as
 * kith_door_NAME; natively they are the same code, and give the same bytes for the same coins (tests/door).
 *
 * A call takes a handle, the time, and its arguments as an encoding (crypto/tlv.h) of the tags 1, 2, 3, ..., all there, each
 * possibly empty. Numbers are big-endian, u8 where nothing is said of a width; a yes or no is u8, 1 or 0; an id is its 16
 * bytes; a text is UTF-8. It appends its answer: one value, or a thing, whose fields are those of enum door_field in ascending
 * order. A field with nothing to say is missing: an empty text, or what that kind of thing has not.
 *
 * Nothing that a host gives ends the process:
 *   KITH_E_NOTFOUND     no such handle; else what the call says
 *   KITH_E_MALFORMED    an argument of a wrong length or value     KITH_E_UNSUPPORTED  too many arguments, or the client does not encrypt
 *   KITH_E_CONFLICT     not at this time: a record after the start, a second start, an answer that was not asked for
 *   KITH_E_FULL         DOOR_HANDLES_MAX                           KITH_E_NOMEM
 * On any error nothing is appended. Want of memory in the middle of a step does end it (libkith/effects.c): the host begins anew
 * from its records.
 */
#define DOOR_HANDLES_MAX 64

/* The number of a handle is never given again. It is u32 in answers. */
enum door_kind { DOOR_NONE, DOOR_CLIENT, DOOR_VAULT };

/* X(name, kind of its handle, count of arguments, what) */
#define KITH_DOOR_CLIENT_CALLS(X)                                                                                \
    X(client_new, NONE, 7,                                                                                       \
      "user device in_flight_max u32, shows_history keeps_mail encrypts one_time_keys u32 -> handle")            \
    X(client_free, CLIENT, 0, "-> nothing")                                                                      \
    X(client_load, CLIENT, 2, "key value -> nothing")                                                            \
    X(client_start, CLIENT, 0, "-> nothing")                                                                     \
    X(client_token, CLIENT, 1, "token -> nothing")                                                               \
    X(client_connected, CLIENT, 0, "-> nothing")                                                                 \
    X(client_bytes, CLIENT, 1, "bytes -> nothing")                                                               \
    X(client_disconnected, CLIENT, 0, "-> nothing")                                                              \
    X(client_tick, CLIENT, 0, "-> nothing")                                                                      \
    X(client_persisted, CLIENT, 0, "-> nothing; CONFLICT: records of the PERSIST were not taken yet")            \
    X(client_next, CLIENT, 0, "-> effect; NOTFOUND: none, AGAIN: waits for persisted")                           \
    X(client_record, CLIENT, 0, "-> record, the next one of the PERSIST that was taken last; NOTFOUND: no more") \
    X(client_send, CLIENT, 5, "chat encrypted content_type body expires_ms u64 -> id")                           \
    X(client_read, CLIENT, 2, "chat seq u64 -> nothing")                                                         \
    X(client_typing, CLIENT, 1, "chat -> nothing; AGAIN: offline")                                               \
    X(client_mail_done, CLIENT, 1, "seq u64 -> nothing")                                                         \
    X(client_recalled, CLIENT, 3, "chat seq u64, value of the message's record, or nothing -> nothing")          \
    X(client_outbox_count, CLIENT, 0, "-> u32")                                                                  \
    X(client_outbox_at, CLIENT, 1, "at u32 -> entry")                                                            \
    X(client_outbox_retry, CLIENT, 1, "id -> id")                                                                \
    X(client_outbox_drop, CLIENT, 1, "id -> nothing")                                                            \
    X(client_look_up, CLIENT, 1, "user -> nothing")                                                              \
    X(client_is_looked_up, CLIENT, 0, "-> u8")                                                                   \
    X(client_is_settled, CLIENT, 0, "-> u8")                                                                     \
    X(client_applied, CLIENT, 1, "chat -> u64")                                                                  \
    X(client_connection, CLIENT, 0, "-> u8, enum kith_connection")                                               \
    X(client_stats, CLIENT, 0, "-> of struct kith_client_stats each u64")                                        \
    X(record_message, NONE, 2, "key value -> message; NOTFOUND: another kind of record")                         \
    X(record_mail, NONE, 2, "key value -> message; NOTFOUND: another kind of record")

/* The answers to a FETCH: those of its kind, in any number, then client_fetched. */
#define KITH_DOOR_FETCH_CALLS(X)                                                                                \
    X(client_keys, CLIENT, 6,                                                                                   \
      "has_list list_seq u64, opk_count u32, kem_ot_count u32, spk_id u32, kem_lr_id u32; an id of 0: none -> " \
      "nothing")                                                                                                \
    X(client_upload, CLIENT, 0, "-> upload; NOTFOUND: there is nothing to upload any more")                     \
    X(client_uploaded, CLIENT, 3, "list_seq u64, opk_count u32, kem_ot_count u32 -> nothing")                   \
    X(client_list, CLIENT, 3, "user list_seq u64, signed_list -> nothing")                                      \
    X(client_no_list, CLIENT, 2, "user list_seq u64 -> nothing")                                                \
    X(client_bundle, CLIENT, 6, "user device spk kem opk kem_is_last -> nothing")                               \
    X(client_no_bundle, CLIENT, 2, "user device -> nothing")                                                    \
    X(client_members, CLIENT, 2, "chat users, one behind the other -> nothing")                                 \
    X(client_group_op, CLIENT, 3, "chat event_seq u64, signed_op -> nothing")                                   \
    X(client_admit, CLIENT, 0, "-> admission; NOTFOUND: there is nobody to be let in any more")                 \
    X(client_admitted, CLIENT, 1, "code, its name -> nothing")                                                  \
    X(client_fetched, CLIENT, 1, "ok -> nothing")

/* What a person does. What changed is in effects, as after any other call. */
#define KITH_DOOR_PERSON_CALLS(X)                                                                                   \
    X(account_state, CLIENT, 0, "-> u8, enum e2e_account_state")                                                    \
    X(person, CLIENT, 1, "user -> person; of nobody that is known trust UNKNOWN")                                   \
    X(verify, CLIENT, 2, "user verified -> nothing")                                                                \
    X(safety_number, CLIENT, 1, "user -> 60 digits; NOTFOUND: one of the two lists is not pinned")                  \
    X(link_request, CLIENT, 0, "-> request")                                                                        \
    X(link_code, NONE, 1, "request or answer -> 30 digits")                                                         \
    X(link_approve, CLIENT, 1, "request -> answer")                                                                 \
    X(link_accept, CLIENT, 1, "answer -> nothing")                                                                  \
    X(remove_device, CLIENT, 1, "device -> nothing")                                                                \
    X(group, CLIENT, 1, "chat -> group; NOTFOUND: none is known")                                                   \
    X(group_make, CLIENT, 8,                                                                                        \
      "chat (of a create: empty) kind subject role settings others, one behind the other, name about -> operation;" \
      " what its kind has not is empty, a role or settings 0")                                                      \
    X(join_key_make, CLIENT, 2, "chat ends -> operation; with JOIN_KEY, if it is of a new invite link")             \
    X(join_link, CLIENT, 1, "chat -> invite link; NOTFOUND: none holds, DENIED: another device made it")            \
    X(join_ask, CLIENT, 1, "invite link -> join request; CONFLICT: is in the group, NOTFOUND: in another there")    \
    X(join_forget, CLIENT, 1, "chat -> nothing")

/* Records at rest (vault.h). */
#define KITH_DOOR_VAULT_CALLS(X)                                                                         \
    X(vault_new, NONE, 1, "key -> handle")                                                               \
    X(vault_free, VAULT, 0, "-> nothing")                                                                \
    X(vault_name, VAULT, 1, "key -> stored key")                                                         \
    X(vault_seal, VAULT, 2, "key value -> record, as it is stored, of the host's random")                \
    X(vault_open, VAULT, 2, "stored key, stored value -> record")                                        \
    X(vault_message_range, VAULT, 3, "chat after u64, before u64 -> record: from, to, as key and value") \
    X(vault_key_write, NONE, 1, "key -> file")                                                           \
    X(vault_key_wrap, NONE, 2, "key passphrase -> file")                                                 \
    X(vault_key_is_wrapped, NONE, 1, "file -> u8")                                                       \
    X(vault_key_read, NONE, 2, "file passphrase -> key")

#define KITH_DOOR_CALLS(X)    \
    KITH_DOOR_CLIENT_CALLS(X) \
    KITH_DOOR_FETCH_CALLS(X)  \
    KITH_DOOR_PERSON_CALLS(X) \
    KITH_DOOR_VAULT_CALLS(X)

/**
 * The fields of all things. Which of them a thing has:
 *   effect     KIND (enum kith_effect_kind), then of SEND BYTES; TIMER AT_MS; SENT CHAT ID SEQ; RECALL CHAT SEQ; FAILED CHAT ID CODE IS_UNKNOWN;
 *              RECEIPT CHAT USER DELIVERED_UP_TO READ_UP_TO; TYPING CHAT USER TYPING; STATE CODE CONNECTION RETRY_MS; MESSAGE
 *              and MAIL what a message has; FETCH CHAT USER FETCH AFTER DEVICES. A PERSIST's records come by client_record
 *   message    CHAT ID SEQ GAP_FROM SENDER DEVICE CREATED_MS EXPIRES_MS ENCRYPTED HAS_BODY IS_OPEN UNREADABLE MISSED TYPE CONTENT_TYPE BODY
 *              IS_ANEW IS_AGAIN IS_ASKED
 *   entry      CHAT ID CODE CREATED_MS CONTENT_TYPE BODY STATE WAS_ON_WIRE
 *   record     KEY VALUE IS_PUT; of a vault without IS_PUT
 *   upload     LIST SPK KEM_LR OPKS KEM_OTS REPLACES
 *   person     TRUST WAS_RESET, and with a pinned list LIST_SEQ ISSUED_AT_MS LISTED, whose items each have DEVICE IS_MANAGER IS_ACCEPTED ADDED_AT_MS
 *   group      GROUP_SEQ IS_FORKED IS_MEMBER SETTINGS MEMBERS INFO NAME ABOUT JOIN_KEY
 *   operation  GROUP_SEQ SIGNED_OP JOIN_KEY
 *   admission  CHAT USER GROUP_SEQ SIGNED_OP
 */
/* X(NAME, tag, what) */
#define KITH_DOOR_FIELDS(X)                                                               \
    X(KIND, 1, "u8")                                                                      \
    X(BYTES, 2, "bytes")                                                                  \
    X(AT_MS, 3, "u64")                                                                    \
    X(CHAT, 4, "id")                                                                      \
    X(ID, 5, "id")                                                                        \
    X(SEQ, 6, "u64")                                                                      \
    X(CODE, 7, "its name (wire/code.h)")                                                  \
    X(IS_UNKNOWN, 8, "u8")                                                                \
    X(USER, 9, "id")                                                                      \
    X(DELIVERED_UP_TO, 10, "u64")                                                         \
    X(READ_UP_TO, 11, "u64")                                                              \
    X(TYPING, 12, "u8")                                                                   \
    X(CONNECTION, 13, "u8, enum kith_connection")                                         \
    X(RETRY_MS, 14, "u64")                                                                \
    X(FETCH, 15, "u8, enum kith_fetch_kind")                                              \
    X(AFTER, 16, "u64")                                                                   \
    X(DEVICES, 17, "of each user and device; of LISTS of each user and after u64")        \
    X(GAP_FROM, 18, "u64")                                                                \
    X(SENDER, 19, "id")                                                                   \
    X(DEVICE, 20, "id")                                                                   \
    X(CREATED_MS, 21, "u64")                                                              \
    X(EXPIRES_MS, 22, "u64")                                                              \
    X(ENCRYPTED, 23, "u8")                                                                \
    X(HAS_BODY, 24, "u8")                                                                 \
    X(IS_OPEN, 25, "u8")                                                                  \
    X(UNREADABLE, 26, "u32, a kith_err")                                                  \
    X(MISSED, 27, "u64")                                                                  \
    X(TYPE, 28, "text")                                                                   \
    X(CONTENT_TYPE, 29, "text")                                                           \
    X(BODY, 30, "bytes")                                                                  \
    X(STATE, 31, "u8, enum kith_outbox_state")                                            \
    X(WAS_ON_WIRE, 32, "u8")                                                              \
    X(KEY, 33, "bytes")                                                                   \
    X(VALUE, 34, "bytes")                                                                 \
    X(IS_PUT, 35, "u8; no: the key is deleted")                                           \
    X(LIST, 36, "bytes")                                                                  \
    X(SPK, 37, "bytes")                                                                   \
    X(KEM_LR, 38, "bytes")                                                                \
    X(OPKS, 39, "list of bytes")                                                          \
    X(KEM_OTS, 40, "list of bytes")                                                       \
    X(TRUST, 41, "u8, enum e2e_trust")                                                    \
    X(WAS_RESET, 42, "u8")                                                                \
    X(LIST_SEQ, 43, "u64")                                                                \
    X(ISSUED_AT_MS, 44, "u64")                                                            \
    X(LISTED, 45, "list of devices")                                                      \
    X(IS_MANAGER, 46, "u8")                                                               \
    X(IS_ACCEPTED, 47, "u8")                                                              \
    X(ADDED_AT_MS, 48, "u64")                                                             \
    X(GROUP_SEQ, 49, "u64")                                                               \
    X(IS_FORKED, 50, "u8")                                                                \
    X(IS_MEMBER, 51, "u8")                                                                \
    X(SETTINGS, 52, "u8")                                                                 \
    X(MEMBERS, 53, "of each user and role u8, enum e2e_group_role")                       \
    X(INFO, 54, "u32, a kith_err: OK, or why there is neither NAME nor ABOUT to be read") \
    X(NAME, 55, "text")                                                                   \
    X(ABOUT, 56, "text")                                                                  \
    X(SIGNED_OP, 57, "bytes")                                                             \
    X(JOIN_KEY, 58, "bytes: of the invite link that holds")                               \
    X(IS_ANEW, 59, "u8")                                                                  \
    X(IS_AGAIN, 60, "u8")                                                                 \
    X(IS_ASKED, 61, "u8")                                                                 \
    X(REPLACES, 62, "u8: OPKS and KEM_OTS take the place of all that are there")

#define X(name, tag, what) DOOR_##name = (tag),
enum door_field { KITH_DOOR_FIELDS(X) };
#undef X

#define DOOR_ARGS_MAX 8

struct door;
struct door_at;

struct door_call {
    const char *name;
    enum door_kind kind;
    size_t arg_count;
    kith_err (*run)(const struct door_at *at, const struct kith_slice *args, struct kith_buf *out);
};

/** NULL: no memory. The random is kept. */
struct door *door_new(const struct e2e_random *random);
void door_free(struct door *door); /* and whatever is behind its handles; NULL is fine */

/** NULL: none of this name. */
const struct door_call *door_find(const char *name);
/** `in` is lent for the call, and may be written to. Secrets in `out` are the caller's to wipe. */
KITH_MUST_USE kith_err door_run(struct door *door, const struct door_call *call, uint32_t handle, struct kith_time now,
                                struct kith_slice in, struct kith_buf *out);

#endif
