#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "account/token.h"
#include "base/prng.h"

static void test_token__reads_what_it_writes_and_nothing_else(void **state)
{
    struct kith_prng prng;
    uint8_t token[TOKEN_BYTES], back[TOKEN_BYTES];
    char text[ACCOUNT_TOKEN_TEXT_MAX], other[ACCOUNT_TOKEN_TEXT_MAX];

    (void)state;
    kith_prng_seed(&prng, 1);
    for (int round = 0; round < 200; round++) {
        kith_prng_bytes(&prng, token, sizeof token);
        token_format(TOKEN_ACCESS, token, text);
        assert_int_equal(strlen(text), 44);
        assert_int_equal(token_parse(TOKEN_ACCESS, text, back), KITH_OK);
        assert_memory_equal(token, back, sizeof token);
        assert_int_equal(token_parse(TOKEN_REFRESH, text, back), KITH_E_MALFORMED);
        for (size_t len = 0; len < 44; len++) { /* every short prefix */
            memcpy(other, text, len);
            other[len] = '\0';
            assert_int_equal(token_parse(TOKEN_ACCESS, other, back), KITH_E_MALFORMED);
        }
        memcpy(other, text, sizeof other);
        other[43] = (char)(other[43] == 'z' ? 'y' : other[43] + 1); /* bits that no byte has, or another token */
        if (token_parse(TOKEN_ACCESS, other, back) == KITH_OK) assert_memory_not_equal(token, back, sizeof token);
        other[43] = '=';
        assert_int_equal(token_parse(TOKEN_ACCESS, other, back), KITH_E_MALFORMED);
    }
}

static void test_token__what_follows_depends_on_everything(void **state)
{
    const uint8_t secrets[2][32] = {{1}, {2}}, from[2][TOKEN_BYTES] = {{3}, {4}};
    uint8_t made[16][TOKEN_BYTES];
    size_t count = 0;

    (void)state;
    for (int secret = 0; secret < 2; secret++)
        for (int token = 0; token < 2; token++)
            for (uint64_t generation = 0; generation < 2; generation++)
                for (int kind = 0; kind < 2; kind++)
                    token_derive(secrets[secret], kind == 0 ? TOKEN_ACCESS : TOKEN_REFRESH, from[token], generation,
                                 made[count++]);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) assert_memory_not_equal(made[i], made[k], TOKEN_BYTES);
    token_derive(secrets[0], TOKEN_ACCESS, from[0], 0, made[1]);
    assert_memory_equal(made[0], made[1], TOKEN_BYTES);
}

static void test_token__invite_codes_are_read_as_people_type_them(void **state)
{
    struct kith_prng prng;
    uint8_t coins[16], hash[32], same[32];
    char code[ACCOUNT_TOKEN_TEXT_MAX], typed[ACCOUNT_TOKEN_TEXT_MAX];

    (void)state;
    kith_prng_seed(&prng, 2);
    for (int round = 0; round < 200; round++) {
        size_t at = 0;
        kith_prng_bytes(&prng, coins, sizeof coins);
        invite_code_format(coins, code);
        assert_int_equal(strlen(code), 29);
        assert_int_equal(invite_code_hash(code, hash), KITH_OK);
        for (size_t i = 0; code[i] != '\0'; i++) {
            char c = code[i];
            if (c == '-') continue;
            if (c == '0') c = 'O';
            if (c == '1') c = i % 2 == 0 ? 'I' : 'l';
            if (c >= 'a' && c <= 'z' && c != 'l') c = (char)(c - 32);
            typed[at++] = c;
        }
        typed[at] = '\0';
        assert_int_equal(invite_code_hash(typed, same), KITH_OK);
        assert_memory_equal(hash, same, sizeof hash);
        typed[at - 1] = '\0';
        assert_int_equal(invite_code_hash(typed, same), KITH_E_MALFORMED);
        typed[at - 1] = 'u';
        assert_int_equal(invite_code_hash(typed, same), KITH_E_MALFORMED);
        coins[15] ^= 8; /* the last bit that a code has */
        invite_code_format(coins, typed);
        assert_string_not_equal(code, typed);
    }
    assert_int_equal(invite_code_hash("", same), KITH_E_MALFORMED);
    assert_int_equal(invite_code_hash("00000-00000-00000-00000-000000", same), KITH_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token__reads_what_it_writes_and_nothing_else),
        cmocka_unit_test(test_token__what_follows_depends_on_everything),
        cmocka_unit_test(test_token__invite_codes_are_read_as_people_type_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
