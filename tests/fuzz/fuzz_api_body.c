#include <stdlib.h>

#include "account/token.h"
#include "api/api_impl.h"
#include "wire/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A pointer into any text, at any offset, is valid UTF-8 that begins with a slash or is empty, and ends in its room. */
static void check_pointer(struct kith_slice text, size_t offset)
{
    char pointer[API_POINTER_BYTES_MAX];

    memset(pointer, 'x', sizeof pointer);
    json_pointer_at(text, offset, pointer);
    if (memchr(pointer, 0, sizeof pointer) == NULL) abort();
    if (pointer[0] != '\0' && pointer[0] != '/') abort();
    if (!utf8_is_valid(kith_slice_str(pointer))) abort();
}

/* Whatever is read as JSON is no deeper than it may be, and is read again from what it is written as. */
static void check_json(struct kith_slice text)
{
    size_t offset = 0, flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
    json_error_t error;
    json_t *value;
    char *again;

    if (!json_depth_is_fine(text, &offset)) {
        check_pointer(text, offset);
        return;
    }
    value = json_loadb(text.len == 0 ? "" : (const char *)text.ptr, text.len, flags, &error);
    if (value == NULL) {
        check_pointer(text, error.position < 0 ? 0 : (size_t)error.position);
        return;
    }
    again = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (again == NULL) abort();
    free(again);
    json_decref(value);
}

/* Tokens and invite codes: what is taken is what we would have written. */
static void check_tokens(struct kith_slice text)
{
    char copy[ACCOUNT_TOKEN_TEXT_MAX], written[ACCOUNT_TOKEN_TEXT_MAX];
    uint8_t token[TOKEN_BYTES], hash[DIRECTORY_HASH_BYTES];

    if (text.len >= sizeof copy || (text.len > 0 && memchr(text.ptr, 0, text.len) != NULL)) return;
    if (text.len > 0) memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (token_parse(TOKEN_ACCESS, copy, token) == KITH_OK) {
        token_format(TOKEN_ACCESS, token, written);
        if (strcmp(copy, written) != 0) abort();
    }
    if (invite_code_hash(copy, hash) == KITH_OK && text.len < 25) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kith_slice text = kith_slice_of(data, size);

    check_json(text);
    check_tokens(text);
    if (size > 2) check_pointer(kith_slice_of(data + 2, size - 2), (size_t)data[0] << 8 | data[1]);
    return 0;
}
