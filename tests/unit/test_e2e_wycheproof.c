#include "tests/unit/op_drive.h"

/*
 * Wycheproof's files, natively; tests/wasm/test_wycheproof.mjs judges the same ones in the same way. A judge says whether a
 * test came out as it must. Where Wycheproof leaves the choice ("acceptable") ours is to refuse.
 */

typedef bool judge_fn(const json_t *group, const json_t *test);

static const char *str(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    assert_non_null(text);
    return text;
}

static bool is_valid(const json_t *test)
{
    return strcmp(str(test, "result"), "valid") == 0;
}

static bool has_flag(const json_t *test, const char *flag)
{
    const json_t *flags = json_object_get(test, "flags");

    for (size_t i = 0; i < json_array_size(flags); i++)
        if (strcmp(json_string_value(json_array_get(flags, i)), flag) == 0) return true;
    return false;
}

/* Calls `op` with hex arguments up to a NULL; `out` NULL: it must be refused, "": no output is compared. */
static bool call(const char *op, const char *out, ...)
{
    struct drive drive;
    va_list args;
    kith_err err;
    bool good;

    drive_begin(&drive);
    va_start(args, out);
    for (const char *hex; (hex = va_arg(args, const char *)) != NULL;) drive_hex_arg(&drive, hex);
    va_end(args);
    err = drive_call(&drive, op);
    good = out == NULL ? err != KITH_OK && kith_buf_len(&drive.out) == 0
                       : err == KITH_OK && (out[0] == '\0' || drive_out_is_hex(&drive, out));
    drive_end(&drive);
    return good;
}

static char *join(const char *a, const char *b)
{
    size_t size = strlen(a) + strlen(b) + 1;
    char *both = malloc(size);

    assert_non_null(both);
    (void)snprintf(both, size, "%s%s", a, b);
    return both;
}

static bool judge_x25519(const json_t *group, const json_t *test)
{
    bool refused = has_flag(test, "ZeroSharedSecret") || has_flag(test, "LowOrderPublic") ||
                   has_flag(test, "NonCanonicalPublic");
    const char *public = str(test, "public");

    (void)group;
    /* Wycheproof masks a point's highest bit, as RFC 7748 lets one do, and does not flag it. */
    refused = refused || drive_digit(public[62]) > 7;
    return call("dh", refused ? NULL : str(test, "shared"), str(test, "private"), public, NULL) &&
           call("dh_check", refused ? NULL : "", public, NULL);
}

static bool judge_ed25519(const json_t *group, const json_t *test)
{
    const char *public = str(json_object_get(group, "publicKey"), "pk");

    return call("ed25519_verify", is_valid(test) ? "" : NULL, public, str(test, "msg"), str(test, "sig"), NULL);
}

static bool judge_hkdf(const json_t *group, const json_t *test)
{
    struct drive drive;
    kith_err err;
    bool good;

    (void)group;
    drive_begin(&drive);
    drive_hex_arg(&drive, str(test, "salt"));
    drive_hex_arg(&drive, str(test, "ikm"));
    drive_hex_arg(&drive, str(test, "info"));
    drive_number_arg(&drive, (uint32_t)json_integer_value(json_object_get(test, "size")));
    err = drive_call(&drive, "hkdf");
    good = is_valid(test) ? err == KITH_OK && drive_out_is_hex(&drive, str(test, "okm")) : err != KITH_OK;
    drive_end(&drive);
    return good;
}

static bool judge_hmac(const json_t *group, const json_t *test)
{
    const char *tag = str(test, "tag");
    bool whole = json_integer_value(json_object_get(group, "tagSize")) == 256;
    struct drive drive;
    bool good;

    if (whole) return call("hmac_verify", is_valid(test) ? "" : NULL, str(test, "key"), str(test, "msg"), tag, NULL);
    /* A tag cut to 128 bits: never taken by us; that its bytes are right is seen in a whole one. */
    if (!call("hmac_verify", NULL, str(test, "key"), str(test, "msg"), tag, NULL)) return false;
    drive_begin(&drive);
    drive_hex_arg(&drive, str(test, "key"));
    drive_hex_arg(&drive, str(test, "msg"));
    good = drive_call(&drive, "hmac") == KITH_OK;
    drive.out.tail = drive.out.head + strlen(tag) / 2;
    good = good && drive_out_is_hex(&drive, tag) == is_valid(test);
    drive_end(&drive);
    return good;
}

static bool judge_aead(const json_t *group, const json_t *test)
{
    const char *key = str(test, "key"), *nonce = str(test, "iv"), *ad = str(test, "aad"), *plain = str(test, "msg");
    char *sealed = join(str(test, "ct"), str(test, "tag"));
    bool good;

    (void)group;
    good = call("aead_open", is_valid(test) ? plain : NULL, key, nonce, ad, sealed, NULL);
    if (is_valid(test)) good = good && call("aead_seal", sealed, key, nonce, ad, plain, NULL);
    free(sealed);
    return good;
}

/* The long form of a seed, as hex. */
static bool secret_of(const char *seed, char hex[static 4801])
{
    struct drive drive;
    bool good;

    drive_begin(&drive);
    drive_hex_arg(&drive, seed);
    good = drive_call(&drive, "kem_secret") == KITH_OK;
    for (size_t i = 0; good && i < kith_buf_len(&drive.out); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", kith_buf_peek(&drive.out).ptr[i]);
    drive_end(&drive);
    return good;
}

static bool judge_kem(const json_t *group, const json_t *test)
{
    const char *seed = str(test, "seed"), *ek = json_string_value(json_object_get(test, "ek"));
    char secret[4801] = "";

    (void)group;
    if (!is_valid(test) && strlen(seed) != 128) return call("kem_public", NULL, seed, NULL);
    if (!secret_of(seed, secret)) return false;
    if (ek != NULL && ek[0] != '\0' && !call("kem_public", ek, seed, NULL)) return false;
    return call("kem_decaps", is_valid(test) ? str(test, "K") : NULL, secret, str(test, "c"), NULL);
}

static bool judge_kem_keygen(const json_t *group, const json_t *test)
{
    (void)group;
    return call("kem_public", str(test, "ek"), str(test, "seed"), NULL) &&
           call("kem_secret", str(test, "dk"), str(test, "seed"), NULL);
}

static bool judge_kem_encaps(const json_t *group, const json_t *test)
{
    const char *m = str(test, "m"), *ek = str(test, "ek");
    char *both = join(str(test, "c"), str(test, "K"));
    bool good = call("kem_encaps_from", is_valid(test) ? both : NULL, m, ek, NULL) &&
                call("kem_check", is_valid(test) ? "" : NULL, ek, NULL);

    (void)group;
    free(both);
    return good;
}

static bool judge_kem_decaps(const json_t *group, const json_t *test)
{
    (void)group;
    return call("kem_decaps", is_valid(test) ? str(test, "K") : NULL, str(test, "dk"), str(test, "c"), NULL);
}

static void run_file(const char *name, judge_fn *judge, size_t count_expected)
{
    json_t *file = drive_load(KITH_WYCHEPROOF_DIR, name);
    const json_t *groups = json_object_get(file, "testGroups");
    size_t count = 0, failed = 0;

    for (size_t g = 0; g < json_array_size(groups); g++) {
        const json_t *group = json_array_get(groups, g), *tests = json_object_get(group, "tests");
        for (size_t t = 0; t < json_array_size(tests); t++, count++) {
            const json_t *test = json_array_get(tests, t);
            if (judge(group, test)) continue;
            print_error("%s: tcId %lld\n", name, (long long)json_integer_value(json_object_get(test, "tcId")));
            failed++;
        }
    }
    print_message("%s: %zu of %zu\n", name, count - failed, count);
    assert_int_equal(count, count_expected);
    assert_int_equal(failed, 0);
    json_decref(file);
}

#define FILES(X)                                                            \
    X(x25519, "x25519_test.json", judge_x25519, 518)                        \
    X(ed25519, "ed25519_test.json", judge_ed25519, 151)                     \
    X(hkdf, "hkdf_sha256_test.json", judge_hkdf, 86)                        \
    X(hmac, "hmac_sha256_test.json", judge_hmac, 174)                       \
    X(aead, "xchacha20_poly1305_test.json", judge_aead, 315)                \
    X(kem, "mlkem_768_test.json", judge_kem, 201)                           \
    X(kem_keygen, "mlkem_768_keygen_seed_test.json", judge_kem_keygen, 100) \
    X(kem_encaps, "mlkem_768_encaps_test.json", judge_kem_encaps, 265)      \
    X(kem_decaps, "mlkem_768_semi_expanded_decaps_test.json", judge_kem_decaps, 9)

#define X(name, file, judge, count)                                      \
    static void test_e2e_wycheproof__##name##_is_as_judged(void **state) \
    {                                                                    \
        (void)state;                                                     \
        run_file(file, judge, count);                                    \
    }
FILES(X)
#undef X

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name, file, judge, count) cmocka_unit_test(test_e2e_wycheproof__##name##_is_as_judged),
        FILES(X)
#undef X
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
