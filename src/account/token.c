#include "account/token.h"

#include <sodium.h>

#define TOKEN_TEXT_LEN 44 /* the letter and 43 characters */
#define INVITE_CHARS   25
#define INVITE_GROUP   5

void token_format(enum token_kind kind, const uint8_t token[static TOKEN_BYTES],
                  char out[static ACCOUNT_TOKEN_TEXT_MAX])
{
    out[0] = (char)kind;
    sodium_bin2base64(out + 1, ACCOUNT_TOKEN_TEXT_MAX - 1, token, TOKEN_BYTES,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

kith_err token_parse(enum token_kind kind, const char *text, uint8_t out[static TOKEN_BYTES])
{
    size_t len = strnlen(text, ACCOUNT_TOKEN_TEXT_MAX), got = 0;

    if (len != TOKEN_TEXT_LEN || text[0] != (char)kind) return KITH_E_MALFORMED;
    if (sodium_base642bin(out, TOKEN_BYTES, text + 1, len - 1, NULL, &got, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return KITH_E_MALFORMED;
    return got == TOKEN_BYTES ? KITH_OK : KITH_E_MALFORMED;
}

void token_hash(const uint8_t token[static TOKEN_BYTES], uint8_t out[static DIRECTORY_HASH_BYTES])
{
    crypto_hash_sha256(out, token, TOKEN_BYTES);
}

void token_derive(const uint8_t secret[static 32], enum token_kind kind, const uint8_t from[static TOKEN_BYTES],
                  uint64_t generation, uint8_t out[static TOKEN_BYTES])
{
    static const char label[] = "kith token v1";
    uint8_t in[sizeof label + 1 + TOKEN_BYTES + 8];

    memcpy(in, label, sizeof label);
    in[sizeof label] = (uint8_t)kind;
    memcpy(in + sizeof label + 1, from, TOKEN_BYTES);
    kith_put_u64_be(in + sizeof label + 1 + TOKEN_BYTES, generation);
    (void)crypto_generichash(out, TOKEN_BYTES, in, sizeof in, secret, 32);
    sodium_memzero(in, sizeof in);
}

static const char invite_letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

void invite_code_format(const uint8_t coins[static 16], char out[static ACCOUNT_TOKEN_TEXT_MAX])
{
    size_t at = 0;

    for (size_t i = 0; i < INVITE_CHARS; i++) {
        size_t bit = i * 5;
        unsigned pair = (unsigned)coins[bit / 8] << 8 | (bit / 8 < 15 ? coins[bit / 8 + 1] : 0u);
        if (i > 0 && i % INVITE_GROUP == 0) out[at++] = '-';
        out[at++] = invite_letters[pair >> (11 - bit % 8) & 31];
    }
    out[at] = '\0';
}

kith_err invite_code_hash(const char *text, uint8_t out[static DIRECTORY_HASH_BYTES])
{
    char plain[INVITE_CHARS];
    size_t count = 0;

    for (; *text != '\0'; text++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
        if (c == '-' || c == ' ') continue;
        if (c == 'o') c = '0';
        if (c == 'i' || c == 'l') c = '1';
        if (count == INVITE_CHARS || strchr(invite_letters, c) == NULL) return KITH_E_MALFORMED;
        plain[count++] = c;
    }
    if (count != INVITE_CHARS) return KITH_E_MALFORMED;
    crypto_hash_sha256(out, (const unsigned char *)plain, sizeof plain);
    return KITH_OK;
}
