#ifndef LIBKITH_E2EE_PAYLOAD_FIELDS_H
#define LIBKITH_E2EE_PAYLOAD_FIELDS_H

#include "libkith/e2ee/payload.h"

/*
 * The fields of a payload: name, tag, fewest and most bytes, whether it may be missing. MADE are those that are made of the
 * others as it is encoded; who describes a payload to be encoded leaves them out. Source: docs/wire/e2ee.md, "What is inside".
 */
#define E2E_PAYLOAD_AGAIN_BYTES 58 /* E2E_RESEND_ITEM_BYTES, of resend.h, which knows payloads */
#define E2E_PAYLOAD_FIELDS(X, MADE)                                      \
    X(CONTENT_TYPE, 1, 1, E2E_CONTENT_TYPE_BYTES_MAX, false)             \
    X(THREAD, 2, E2E_ID_BYTES, E2E_ID_BYTES, false)                      \
    X(ACCOUNT, 3, E2E_ACCOUNT_ID_BYTES, E2E_ACCOUNT_ID_BYTES, false)     \
    X(DEVICE, 4, 4, 4, false)                                            \
    X(MSG, 5, E2E_ID_BYTES, E2E_ID_BYTES, false)                         \
    X(SENT, 6, 8, 8, false)                                              \
    X(SSEQ, 7, 8, 8, false)                                              \
    X(PREV, 8, E2E_PREV_BYTES, E2E_PREV_BYTES, true)                     \
    X(LIST_SEQ, 9, 8, 8, false)                                          \
    X(LIST_HASH, 10, E2E_HASH_BYTES, E2E_HASH_BYTES, false)              \
    X(PEER_SEQ, 11, 8, 8, true)                                          \
    X(PEER_HASH, 12, E2E_HASH_BYTES, E2E_HASH_BYTES, true)               \
    X(EPOCH, 13, 8, 8, true)                                             \
    X(GROUP_HASH, 14, E2E_HASH_BYTES, E2E_HASH_BYTES, true)              \
    X(BODY, 15, 1, E2E_BODY_BYTES_MAX, true)                             \
    MADE(BODY_HASH, 16, E2E_HASH_BYTES, E2E_HASH_BYTES, false)           \
    X(DEST, 17, E2E_ACCOUNT_ID_BYTES, E2E_ACCOUNT_ID_BYTES, true)        \
    X(AGAIN, 18, E2E_PAYLOAD_AGAIN_BYTES, E2E_PAYLOAD_AGAIN_BYTES, true) \
    MADE(PADDING, 28672, 1, 128u * 1024, false)

#define E2E_PAYLOAD_AT(name, tag_, bytes_min_, bytes_max_, optional_) AT_##name,
#define E2E_PAYLOAD_FIELD(name, tag_, bytes_min_, bytes_max_, optional_) \
    {.tag = (tag_), .bytes_min = (bytes_min_), .bytes_max = (bytes_max_), .optional = (optional_)},
#define E2E_PAYLOAD_LEFT_OUT(name, tag_, bytes_min_, bytes_max_, optional_)

#endif
