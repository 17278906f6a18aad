#include "tests/unit/kith1_run.h"
#include "tests/unit/op_drive.h"

/*
 * The known answers of the protocol: tests/vectors/kith1_*.json, natively. Given a file of such cases (- for stdin), the
 * program runs that one instead: tests/model/differential.py makes them.
 */

static void run_known(const char *name)
{
    json_t *file = drive_load(KITH_TESTS_DIR "/vectors", name);
    const struct kith1_count count = kith1_run_file(file, name);

    print_message("%s: %zu of %zu, %zu steps\n", name, count.good, count.cases, count.steps);
    assert_true(count.cases > 0);
    assert_int_equal(count.good, count.cases);
    json_decref(file);
}

#define FILES(X)                             \
    X(device_list, "kith1_device_list.json") \
    X(prekey, "kith1_prekey.json")           \
    X(session, "kith1_session.json")         \
    X(ratchet, "kith1_ratchet.json")         \
    X(payload, "kith1_payload.json")         \
    X(resend, "kith1_resend.json")           \
    X(group, "kith1_group.json")             \
    X(join, "kith1_join.json")               \
    X(sender_chain, "kith1_sender_chain.json")

#define X(name, file)                                              \
    static void test_e2e_kith1__##name##_is_as_known(void **state) \
    {                                                              \
        (void)state;                                               \
        run_known(file);                                           \
    }
FILES(X)
#undef X

static int run_given(const char *path)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    json_error_t error;
    json_t *file = is_stdin ? json_loadf(stdin, 0, &error) : json_load_file(path, 0, &error);
    struct kith1_count count;

    if (file == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, error.text);
        return 2;
    }
    count = kith1_run_file(file, is_stdin ? "stdin" : path);
    (void)printf("%zu of %zu cases, %zu steps\n", count.good, count.cases, count.steps);
    json_decref(file);
    return count.good == count.cases ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define X(name, file) cmocka_unit_test(test_e2e_kith1__##name##_is_as_known),
        FILES(X)
#undef X
    };
    return argc > 1 ? run_given(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
