#ifndef KITH_WIRE_JSON_TEXT_H
#define KITH_WIRE_JSON_TEXT_H

#include "base/buf.h"
#include "base/id.h"

/**
 * Writing JSON (RFC 8259) by hand where a document tree would cost more than it says: events and frames.
 */

/** A quoted string; `text` is valid UTF-8. Escapes quotes, backslash and control characters (RFC 8259, 7). */
KITH_MUST_USE kith_err json_put_string(struct kith_buf *out, struct kith_slice text);
KITH_MUST_USE kith_err json_put_uuid(struct kith_buf *out, struct kith_uuid id);
/** Quoted, padded (RFC 4648, 4). */
KITH_MUST_USE kith_err json_put_base64(struct kith_buf *out, struct kith_slice bytes);
/** "2026-01-31T12:00:00.123Z", quoted: RFC 3339 with milliseconds, UTC. */
KITH_MUST_USE kith_err json_put_time(struct kith_buf *out, uint64_t ms);

#define KITH_TIME_TEXT_LEN 24 /* without the NUL; years 1970 to 9999 */
/** The same without quotes, for headers. A time beyond year 9999 is written as its last millisecond. */
void kith_time_format(uint64_t ms, char out[static KITH_TIME_TEXT_LEN + 1]);
/** RFC 3339, 5.6, with any fraction and any offset. KITH_E_MALFORMED; before 1970 too. */
KITH_MUST_USE kith_err kith_time_parse(struct kith_slice text, uint64_t *ms);

#endif
