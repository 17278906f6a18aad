#include "tests/unit/op_drive.h"

/* tests/vectors/NAME.json, natively; tests/wasm/test_vectors.mjs runs the same files through the module. */

static bool run_case(const json_t *vector, const uint8_t *chained, struct drive *drive)
{
    const char *op = json_string_value(json_object_get(vector, "op"));
    const char *err_name = json_string_value(json_object_get(vector, "err"));
    const json_t *in = json_object_get(vector, "in");
    kith_err err;

    drive_begin(drive);
    for (size_t i = 0; i < json_array_size(in); i++) {
        if (chained != NULL)
            drive_arg(drive, chained + 32 * i, 32);
        else
            drive_json_arg(drive, json_array_get(in, i));
    }
    err = drive_call(drive, op);
    if (err_name == NULL) return err == KITH_OK;
    return strcmp(kith_err_name(err), err_name) == 0 && kith_buf_len(&drive->out) == 0;
}

/* RFC 7748's chain: the result is the next secret, the secret the next point, without its highest bit. */
static bool run_chain(const json_t *vector, struct drive *drive)
{
    json_int_t rounds = json_integer_value(json_object_get(vector, "iterate"));
    uint8_t pair[64] = {9};
    bool good = true;

    pair[32] = 9;
    for (json_int_t i = 0; good && i < rounds; i++) {
        if (i > 0) drive_end(drive);
        good = run_case(vector, pair, drive);
        if (!good) break;
        memcpy(pair + 32, pair, 32);
        pair[63] &= 0x7f;
        memcpy(pair, kith_buf_peek(&drive->out).ptr, 32);
    }
    return good;
}

static void run_file(const char *name)
{
    json_t *file = drive_load(KITH_TESTS_DIR "/vectors", name);
    const json_t *cases = json_object_get(file, "cases");
    size_t count = json_array_size(cases), failed = 0;

    for (size_t i = 0; i < count; i++) {
        const json_t *vector = json_array_get(cases, i);
        const char *out = json_string_value(json_object_get(vector, "out"));
        struct drive drive;
        bool good = json_object_get(vector, "iterate") != NULL ? run_chain(vector, &drive)
                                                               : run_case(vector, NULL, &drive);
        if (good && out != NULL) good = drive_out_is_hex(&drive, out);
        if (!good) {
            print_error("%s: case %zu, %s\n", name, i, json_string_value(json_object_get(vector, "name")));
            failed++;
        }
        drive_end(&drive);
    }
    print_message("%s: %zu of %zu\n", name, count - failed, count);
    assert_true(count > 0);
    assert_int_equal(failed, 0);
    json_decref(file);
}

#define VECTORS(X)                                   \
    X(sha2, "sha2.json")                             \
    X(blake2b, "blake2b.json")                       \
    X(hmac_sha256, "hmac_sha256.json")               \
    X(hkdf_sha256, "hkdf_sha256.json")               \
    X(x25519, "x25519.json")                         \
    X(ed25519, "ed25519.json")                       \
    X(xchacha20_poly1305, "xchacha20_poly1305.json") \
    X(argon2id, "argon2id.json")                     \
    X(text, "text.json")                             \
    X(safety_number, "safety_number.json")           \
    X(labels, "labels.json")                         \
    X(tlv, "tlv.json")

#define X(name, file)                                                \
    static void test_e2e_vectors__##name##_is_as_known(void **state) \
    {                                                                \
        (void)state;                                                 \
        run_file(file);                                              \
    }
VECTORS(X)
#undef X

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name, file) cmocka_unit_test(test_e2e_vectors__##name##_is_as_known),
        VECTORS(X)
#undef X
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
