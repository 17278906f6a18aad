#ifndef KITH_ACCOUNT_TOKEN_H
#define KITH_ACCOUNT_TOKEN_H

#include "account/account.h"

/**
 * Tokens are 256 bits, shown as a letter for their kind and base64url; invite codes are 125 bits in letters and digits
 * that people can read out. Stored is only their SHA-256.
 *
 * The pair that follows a refresh token is derived from it, the server's secret and the generation: so a client that
 * lost the answer gets the same pair again, also after a crash, though no token is stored anywhere.
 */
#define TOKEN_BYTES 32

enum token_kind { TOKEN_ACCESS = 'a', TOKEN_REFRESH = 'r' };

void token_format(enum token_kind kind, const uint8_t token[static TOKEN_BYTES],
                  char out[static ACCOUNT_TOKEN_TEXT_MAX]);
/** KITH_E_MALFORMED: not a text that token_format() makes of this kind. */
KITH_MUST_USE kith_err token_parse(enum token_kind kind, const char *text, uint8_t out[static TOKEN_BYTES]);
void token_hash(const uint8_t token[static TOKEN_BYTES], uint8_t out[static DIRECTORY_HASH_BYTES]);

/** A token of `kind` that follows from `from`. */
void token_derive(const uint8_t secret[static 32], enum token_kind kind, const uint8_t from[static TOKEN_BYTES],
                  uint64_t generation, uint8_t out[static TOKEN_BYTES]);

/** "7k3mx-…": five groups of five. */
void invite_code_format(const uint8_t coins[static 16], char out[static ACCOUNT_TOKEN_TEXT_MAX]);
/** Of a code as a person typed it: case, dashes and spaces do not matter. KITH_E_MALFORMED. */
KITH_MUST_USE kith_err invite_code_hash(const char *text, uint8_t out[static DIRECTORY_HASH_BYTES]);

#endif
