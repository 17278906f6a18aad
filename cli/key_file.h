#ifndef CLI_KEY_FILE_H
#define CLI_KEY_FILE_H

#include "base/buf.h"

/**
 * The file `key` of the state folder (0600): what it holds is libkith/vault_key.h's. It is replaced whole, or not at all:
 * written as key.new, synced, renamed. One process replaces at a time, the one in a transaction of the state's database.
 */
#define KEY_FILE_BYTES_MAX 256

/** Appends the file's bytes. KITH_E_NOTFOUND: there is none; KITH_E_TOOBIG, KITH_E_IO. */
KITH_MUST_USE kith_err key_file_read(const char *folder, struct kith_buf *out);
/**
 * KITH_E_IO: then the old file is there, or the new one, whole, and errno says why. What the old one had is overwritten, as
 * far as that goes; not when it has another name too.
 */
KITH_MUST_USE kith_err key_file_replace(const char *folder, struct kith_slice bytes);
/** Whether a kith that was killed has left a key.new. */
KITH_MUST_USE bool key_file_has_leftover(const char *folder);
void key_file_drop_leftover(const char *folder);

#endif
