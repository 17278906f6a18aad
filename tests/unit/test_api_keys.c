#include "account/keys.h"
#include "api_fixture.h"
#include "keys_fixture.h"

/* PUT and GET /devices/me/keys: prekeys, and what becomes of them. Lists: test_api_device_lists.c. */
#define X25519 PREKEY_X25519_BYTES
#define MLKEM  PREKEY_MLKEM_BYTES

static struct reply *send_prekey(struct afx *fx, const struct person *who, const char *name, uint32_t id,
                                 size_t public_bytes, uint64_t fill)
{
    struct kith_buf json;

    upload_begin(&json);
    if (strcmp(name, "opks") == 0 || strcmp(name, "kem_ots") == 0)
        upload_prekeys(&json, name, id, 1, public_bytes, fill - id);
    else
        upload_prekey(&json, name, id, public_bytes, fill);
    return send_keys(fx, who, &json);
}

static struct reply *send_all(struct afx *fx, const struct person *who, uint32_t opks, uint32_t kem_ots, uint64_t fill)
{
    struct kith_buf json;

    upload_begin(&json);
    upload_prekey(&json, "spk", 1, X25519, fill + 1);
    upload_prekey(&json, "kem_lr", 2, MLKEM, fill + 2);
    upload_prekeys(&json, "opks", 1000, opks, X25519, fill);
    upload_prekeys(&json, "kem_ots", 1000, kem_ots, MLKEM, fill);
    return send_keys(fx, who, &json);
}

static struct reply *show(struct afx *fx, const struct person *who)
{
    return afx_ask(fx, "GET", "/devices/me/keys", who->access, NULL);
}

/* ------------------------------------------------------------------------------------------------ what a device leaves */

static void test_api_keys__a_device_sees_what_it_left_also_after_a_crash(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    uint8_t hash[32];
    struct reply *reply;

    reply = expect_kept(show(fx, &ann), 200, NULL);
    assert_false(reply_bool(reply, "has_list"));
    assert_null(reply_at(reply, "spk_id"));
    assert_null(reply_at(reply, "kem_lr_id"));
    expect_counts(reply, 1, 0, 0);
    expect_counts(send_all(fx, &ann, 3, 2, 0), 1, 3, 2); /* no list: the number stays */
    expect_counts(send_list(fx, &ann, 1, NULL, 1, 1, hash), 2, 3, 2);
    for (int life = 0; life < 2; life++) {
        reply = expect_kept(show(fx, &ann), 200, NULL);
        assert_true(reply_bool(reply, "has_list"));
        assert_int_equal(reply_int(reply, "spk_id"), 1);
        assert_int_equal(reply_int(reply, "kem_lr_id"), 2);
        expect_counts(reply, 2, 3, 2);
        afx_crash(fx);
        afx_open(fx);
    }
    expect_counts(send_prekey(fx, &ann, "spk", 3, X25519, 77), 2, 3, 2); /* the new one takes its place */
    reply = expect_kept(show(fx, &ann), 200, NULL);
    assert_int_equal(reply_int(reply, "spk_id"), 3);
    assert_int_equal(reply_int(reply, "kem_lr_id"), 2);
    reply_free(reply);
    expect(afx_ask(fx, "PUT", "/devices/me/keys", NULL, "{}"), 401, "UNAUTHORIZED");
    expect(afx_ask(fx, "PUT", "/devices/me/keys", ann.access, "{}"), 200, NULL);
    expect(afx_ask(fx, "PUT", "/devices/me/keys", ann.access, "{\"list\":null,\"opks\":null}"), 200, NULL);
}

static void test_api_keys__the_same_upload_again_changes_nothing(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    uint8_t hash[32];

    for (int again = 0; again < 3; again++) {
        expect_counts(send_all(fx, &ann, 5, 4, 0), again == 0 ? 1 : 2, 5, 4);
        expect_counts(send_list(fx, &ann, 1, NULL, 1, 1, hash), 2, 5, 4);
    }
}

/* All or nothing: what comes with a list that is refused is not there either, and the other way round. */
static void test_api_keys__what_is_refused_leaves_nothing(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    struct kith_uuid device = uuid_of(ann.device);
    struct made_list list = {.account = uuid_of(ann.user), .seq = 1, .devices = &device, .device_count = 1};
    struct kith_buf bytes, json;
    struct reply *reply;

    kith_buf_init(&bytes, KITH_SIGNED_LIST_BYTES_MAX);
    made_list_put(&bytes, &list, NULL);
    expect(send_prekey(fx, &ann, "opks", 9, X25519, 1), 200, NULL);
    upload_begin(&json);
    upload_bytes(&json, "list", kith_buf_peek(&bytes));
    upload_prekey(&json, "spk", 1, X25519, 5);
    upload_prekeys(&json, "kem_ots", 1, 3, MLKEM, 10);
    upload_prekeys(&json, "opks", 7, 3, X25519, 100); /* 7, 8 are new, 9 is another key's id */
    expect_refused(send_keys(fx, &ann, &json), 409, "CONFLICT", "/opks");
    reply = expect_kept(show(fx, &ann), 200, NULL);
    assert_false(reply_bool(reply, "has_list"));
    assert_null(reply_at(reply, "spk_id"));
    expect_counts(reply, 1, 1, 0);
    kith_buf_deinit(&bytes);
}

/* ------------------------------------------------------------------------------------------------ prekeys */

static void test_api_keys__an_id_is_that_of_one_prekey(void **state)
{
    static const struct {
        const char *name, *pointer;
        size_t bytes;
    } kinds[] = {{"spk", "/spk", X25519},
                 {"kem_lr", "/kem_lr", MLKEM},
                 {"opks", "/opks", X25519},
                 {"kem_ots", "/kem_ots", MLKEM}};
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        expect(send_prekey(fx, &ann, kinds[i].name, 5, kinds[i].bytes, 10 * i), 200, NULL); /* the same id in each */
        expect(send_prekey(fx, &ann, kinds[i].name, 5, kinds[i].bytes, 10 * i), 200, NULL);
        expect_refused(send_prekey(fx, &ann, kinds[i].name, 5, kinds[i].bytes, 10 * i + 1), 409, "CONFLICT",
                       kinds[i].pointer);
        expect(send_prekey(fx, &bob, kinds[i].name, 5, kinds[i].bytes, 10 * i + 1), 200, NULL); /* another device */
    }
}

/* Attack 13: whoever has it, and as whatever. */
static void test_api_keys__a_public_key_is_registered_once(void **state)
{
    static const char *const names[2][2] = {{"spk", "opks"}, {"kem_lr", "kem_ots"}};
    static const size_t bytes[2] = {X25519, MLKEM};
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), phone = afx_login(fx, "ann", "phone"), bob = afx_person(fx, "bob");
    const struct person *others[] = {&phone, &bob};

    for (int kind = 0; kind < 2; kind++) {
        for (int first = 0; first < 2; first++) {
            uint64_t fill = 100u + 10u * (unsigned)kind + (unsigned)first;
            expect(send_prekey(fx, &ann, names[kind][first], 5u + (unsigned)first, bytes[kind], fill), 200, NULL);
            for (int again = 0; again < 2; again++) {
                for (size_t i = 0; i < 2; i++)
                    expect(send_prekey(fx, others[i], names[kind][again], 9, bytes[kind], fill), 409, "CONFLICT");
                if (first == 0 && again == 0) continue; /* the own lasting one may be signed anew */
                expect(send_prekey(fx, &ann, names[kind][again], 9, bytes[kind], fill), 409, "CONFLICT");
            }
        }
        expect(send_prekey(fx, &ann, names[kind][0], 77, bytes[kind], 100u + 10u * (unsigned)kind), 200, NULL);
    }
}

static void test_api_keys__one_time_prekeys_at_the_limit_and_one_past_it(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    struct kith_buf json;

    upload_begin(&json);
    upload_prekeys(&json, "opks", 1, KITH_PREKEYS_MAX + 1, X25519, 0);
    expect_refused(send_keys(fx, &ann, &json), 400, "BAD_REQUEST", "/opks");
    upload_begin(&json);
    upload_prekeys(&json, "kem_ots", 1, KITH_PREKEYS_MAX + 1, MLKEM, 0);
    expect_refused(send_keys(fx, &ann, &json), 400, "BAD_REQUEST", "/kem_ots");
    expect_counts(send_all(fx, &ann, KITH_PREKEYS_MAX, KITH_PREKEYS_MAX, 0), 1, 100, 100);
    expect_counts(send_all(fx, &ann, KITH_PREKEYS_MAX, KITH_PREKEYS_MAX, 0), 1, 100, 100); /* the same again */
    expect_refused(send_prekey(fx, &ann, "opks", 5, X25519, 9999), 403, "FORBIDDEN", "/opks");
    expect_refused(send_prekey(fx, &ann, "kem_ots", 5, MLKEM, 9999), 403, "FORBIDDEN", "/kem_ots");
    expect_counts(show(fx, &ann), 1, 100, 100);
}

static void test_api_keys__sizes_at_the_limit_and_one_past_it(void **state)
{
    static const uint8_t zeros[KITH_SIGNED_LIST_BYTES_MAX];
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    struct kith_uuid device = uuid_of(ann.device);
    struct made_list list = {
        .account = uuid_of(ann.user), .seq = 1, .devices = &device, .device_count = 1, .accept_count = 1};
    struct kith_buf bytes, json;
    struct reply *reply;

    kith_buf_init(&bytes, 2 * KITH_SIGNED_LIST_BYTES_MAX);
    upload_begin(&json);
    upload_bytes(&json, "list", kith_slice_of(zeros, KITH_SIGNED_LIST_BYTES_MAX + 1));
    expect_refused(send_keys(fx, &ann, &json), 400, "BAD_REQUEST", "/list");
    list.list_bytes = KITH_DEVICE_LIST_BYTES_MAX + 1;
    expect_refused(send_made(fx, &ann, &list, NULL), 400, "BAD_REQUEST", "/list");
    list.list_bytes = KITH_DEVICE_LIST_BYTES_MAX;
    expect(send_made(fx, &ann, &list, NULL), 200, NULL);
    made_list_put(&bytes, &list, NULL);
    reply = expect_kept(devices_of(fx, &ann, ann.user), 200, NULL);
    assert_int_equal(strlen(reply_str(reply, "list")), (kith_buf_len(&bytes) + 2) / 3 * 4);
    reply_free(reply);
    for (size_t under = 0; under < 2; under++) {
        kith_buf_reset(&bytes);
        fake_prekey_put(&bytes, 1, MLKEM, 1);
        fake_field_put(&bytes, 0x8000,
                       kith_slice_of(zeros, KITH_PREKEY_BYTES_MAX + 1 - under - kith_buf_len(&bytes) - 6));
        upload_begin(&json);
        upload_bytes(&json, "kem_lr", kith_buf_peek(&bytes));
        expect(send_keys(fx, &ann, &json), under == 1 ? 200 : 400, under == 1 ? NULL : "BAD_REQUEST");
    }
    kith_buf_deinit(&bytes);
}

static void test_api_keys__what_has_no_form_is_named(void **state)
{
    static const struct {
        const char *body, *pointer;
    } cases[] = {
        {"{\"list\":\"AAAA\"}", "/list"},
        {"{\"list\":7}", "/list"},
        {"{\"list\":\"\"}", "/list"},
        {"{\"spk\":\"AAAA\"}", "/spk"},
        {"{\"spk\":\"x\"}", "/spk"},
        {"{\"kem_lr\":[]}", "/kem_lr"},
        {"{\"opks\":\"AAAA\"}", "/opks"},
        {"{\"opks\":[\"\"]}", "/opks/0"},
        {"{\"opks\":[\"AAAA\"]}", "/opks/0"},
        {"{\"kem_ots\":[null]}", "/kem_ots/0"},
        {"{\"kem_ots\":[\"A\"]}", "/kem_ots/0"},
        {"{\"opk\":[]}", "/opk"},
        {"{\"replace\":1}", "/replace"},
        {"{\"replace\":\"true\"}", "/replace"},
    };
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    struct kith_buf json;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(afx_ask(fx, "PUT", "/devices/me/keys", ann.access, "%s", cases[i].body), 400, "BAD_REQUEST",
                       cases[i].pointer);
    /* Each kind has keys of its own length. */
    expect_refused(send_prekey(fx, &ann, "spk", 1, MLKEM, 1), 400, "BAD_REQUEST", "/spk");
    expect_refused(send_prekey(fx, &ann, "kem_lr", 1, X25519, 1), 400, "BAD_REQUEST", "/kem_lr");
    upload_begin(&json);
    upload_prekeys(&json, "kem_ots", 1, 2, X25519, 1);
    expect_refused(send_keys(fx, &ann, &json), 400, "BAD_REQUEST", "/kem_ots/0");
}

/* ------------------------------------------------------------------------------------------------ in place of all others */

/* Ids from `first` on, made of `fill`; replace: true. */
static struct reply *replace(struct afx *fx, const struct person *who, uint32_t first, uint32_t opks, uint32_t kem_ots,
                             uint64_t fill)
{
    struct kith_buf json;

    upload_begin(&json);
    if (opks > 0) upload_prekeys(&json, "opks", first, opks, X25519, fill);
    if (kem_ots > 0) upload_prekeys(&json, "kem_ots", first, kem_ots, MLKEM, fill);
    upload_true(&json, "replace");
    return send_keys(fx, who, &json);
}

static void test_api_keys__an_upload_may_take_the_place_of_all(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");
    struct got got;

    expect_counts(send_all(fx, &ann, KITH_PREKEYS_MAX, KITH_PREKEYS_MAX, 0), 1, 100, 100);
    for (int again = 0; again < 2; again++)
        expect_counts(replace(fx, &ann, 5000, KITH_PREKEYS_MAX, KITH_PREKEYS_MAX, 10000), 1, 100, 100);
    got = got_of(claim(fx, &bob, &ann));
    assert_true(got.opk >= 5000 && got.kem >= 5000 && !got.is_last && got.spk == 1);
    /* The same again, and what was handed out meanwhile does not come back. */
    expect_counts(replace(fx, &ann, 5000, KITH_PREKEYS_MAX, KITH_PREKEYS_MAX, 10000), 1, 99, 99);
    /* Some of those that are there, and one more: they stay. */
    expect_counts(replace(fx, &ann, 5090, 11, 2, 10000), 1, 11, 2);
    afx_crash(fx);
    afx_open(fx);
    expect_counts(show(fx, &ann), 1, 11, 2);
    expect_counts(send_prekey(fx, &ann, "opks", 9, X25519, 77777), 1, 12, 2); /* as ever: added */
    expect_counts(send_prekey(fx, &bob, "opks", 9, X25519, 1000), 1, 1, 0);   /* whose public keys went are nobody's */
}

static void test_api_keys__an_upload_may_leave_none(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");

    expect_counts(send_all(fx, &bob, 4, 5, 500), 1, 4, 5);
    expect_counts(send_all(fx, &ann, 4, 5, 0), 1, 4, 5);
    expect(afx_ask(fx, "PUT", "/devices/me/keys", ann.access, "{\"replace\":false,\"opks\":[]}"), 200, NULL);
    expect_counts(show(fx, &ann), 1, 4, 5);
    expect_counts(replace(fx, &ann, 1000, 0, 2, 0), 1, 0, 2);
    for (int again = 0; again < 2; again++)
        expect_counts(afx_ask(fx, "PUT", "/devices/me/keys", ann.access, "{\"replace\":true,\"kem_ots\":[]}"), 1, 0, 0);
    expect_counts(show(fx, &bob), 1, 4, 5);
    assert_true(got_of(claim(fx, &bob, &ann)).is_last); /* the lasting ones stay */
}

static void test_api_keys__a_replacement_that_is_refused_leaves_all(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), bob = afx_person(fx, "bob");

    expect_counts(send_all(fx, &bob, 1, 1, 500), 1, 1, 1);
    expect_counts(send_all(fx, &ann, 4, 5, 0), 1, 4, 5);
    /* A public key of another's; an id that another one of hers has. */
    expect_refused(replace(fx, &ann, 1400, 1, 1, 100), 409, "CONFLICT", "/opks");
    expect_refused(replace(fx, &ann, 1003, 1, 0, 9000), 409, "CONFLICT", "/opks");
    expect_refused(replace(fx, &ann, 7000, 3, KITH_PREKEYS_MAX + 1, 9000), 400, "BAD_REQUEST", "/kem_ots");
    expect_counts(show(fx, &ann), 1, 4, 5);
    expect_counts(send_all(fx, &ann, 4, 5, 0), 1, 4, 5);
}

/* ------------------------------------------------------------------------------------------------ the end of keys */

static void test_api_keys__go_with_their_device(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), phone = afx_login(fx, "ann", "phone"), bob = afx_person(fx, "bob");
    char target[80];

    expect_counts(send_all(fx, &phone, 100, 100, 0), 2, 100, 100);
    expect_counts(send_all(fx, &ann, 3, 3, 5000), 2, 3, 3);
    expect(send_all(fx, &bob, 100, 100, 0), 409, "CONFLICT"); /* they are the phone's */
    (void)snprintf(target, sizeof target, "/devices/%s", phone.device);
    expect(afx_ask(fx, "DELETE", target, ann.access, NULL), 204, NULL);
    expect(send_all(fx, &phone, 1, 1, 0), 401, "UNAUTHORIZED");
    expect_counts(send_all(fx, &bob, 100, 100, 0), 1, 100, 100); /* nobody's any more */
    expect_counts(show(fx, &ann), 3, 3, 3);
}

static bool put_ended;

static void put_done(struct account_call *call)
{
    (void)call;
    put_ended = true;
}

/* I-A2: whoever is signed out while an upload is on its way leaves nothing. */
static void test_api_keys__are_not_taken_of_who_was_signed_out_meanwhile(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), again;
    struct account_keys_put op = {.call = {.loop = fx->loops[1], .done = put_done},
                                  .who = {.user = {uuid_of(ann.user)}, .device = {uuid_of(ann.device)}}};

    expect(afx_ask(fx, "POST", "/auth/logout", ann.access, NULL), 204, NULL);
    put_ended = false;
    account_keys_put(fx->accounts, &op);
    afx_until(fx, &put_ended);
    assert_int_equal(op.call.code, CODE_UNAUTHORIZED);
    again = afx_login(fx, "ann", "new");
    expect_counts(show(fx, &again), 2, 0, 0);
}

static void test_api_keys__stay_when_a_device_is_only_signed_out(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), again;
    struct reply *reply;

    expect_counts(send_all(fx, &ann, 3, 2, 0), 1, 3, 2);
    expect(afx_ask(fx, "POST", "/auth/logout", ann.access, NULL), 204, NULL);
    reply = expect_kept(afx_ask(fx, "POST", "/auth/login", NULL,
                                "{\"name\":\"ann\",\"password\":\"" AFX_PASSWORD
                                "\",\"device_name\":\"d\",\"device_id\":\"%s\"}",
                                ann.device),
                        200, NULL);
    again = person_of(reply, "ann");
    reply_free(reply);
    assert_string_equal(again.device, ann.device);
    expect_counts(show(fx, &again), 1, 3, 2);
}

static void test_api_keys__go_when_a_device_makes_room(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), phone = afx_login(fx, "ann", "phone"), bob = afx_person(fx, "bob");

    expect(send_all(fx, &phone, 10, 10, 0), 200, NULL);
    expect(afx_ask(fx, "POST", "/auth/logout", phone.access, NULL), 204, NULL);
    for (unsigned i = 2; i < KITH_DEVICES_PER_USER_MAX; i++) (void)afx_login(fx, "ann", "more");
    expect(send_all(fx, &bob, 10, 10, 0), 409, "CONFLICT");
    (void)afx_login(fx, "ann", "one more");
    expect(send_all(fx, &bob, 10, 10, 0), 200, NULL);
    expect_counts(show(fx, &ann), 33, 0, 0);
}

struct rows {
    struct directory_call call;
    size_t count;
    bool done;
};

static bool row_counted(void *arg, const void *record)
{
    struct rows *rows = arg;

    (void)record;
    rows->count++;
    return true;
}

static kith_err rows_run(struct directory_call *call, struct directory_tx *tx)
{
    static const struct directory_table *const tables[] = {&table_signed_lists, &table_device_keys, &table_prekeys};
    kith_err err = KITH_OK;

    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && err == KITH_OK; i++)
        err = directory_scan(tx, tables[i], 0, 0, NULL, false, row_counted, call);
    return err;
}

static void rows_done(struct directory_call *call)
{
    ((struct rows *)call)->done = true;
}

/* Of all lists and keys of everybody. */
static size_t rows_count(struct afx *fx)
{
    struct rows rows = {.call = {.loop = fx->loops[1], .read_only = true, .run = rows_run, .done = rows_done}};

    directory_call(fx->directory, &rows.call);
    afx_until(fx, &rows.done);
    assert_int_equal(rows.call.err, KITH_OK);
    return rows.count;
}

static void test_api_keys__go_with_the_account(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann"), phone = afx_login(fx, "ann", "phone"), bob = afx_person(fx, "bob"),
                  cara = afx_person(fx, "cara");
    struct reply *reply;
    uint8_t hash[32];

    expect(send_list(fx, &ann, 1, NULL, 1, 1, hash), 200, NULL);
    expect(send_all(fx, &ann, 10, 10, 0), 200, NULL);
    expect(send_all(fx, &phone, 10, 10, 5000), 200, NULL);
    assert_int_equal(rows_count(fx), 1 + 2 + 40);
    expect(afx_ask(fx, "DELETE", "/users/me", phone.access, NULL), 204, NULL);
    assert_int_equal(rows_count(fx), 1); /* the list stays, for who verifies what its devices signed */
    reply = expect_kept(devices_of(fx, &bob, ann.user), 200, NULL);
    assert_int_equal(reply_int(reply, "list_seq"), 0);
    assert_int_equal(json_array_size(reply_at(reply, "devices")), 0);
    assert_non_null(reply_str(reply, "list"));
    reply_free(reply);
    /* Of who never signed one nothing stays. */
    expect(afx_ask(fx, "DELETE", "/users/me", cara.access, NULL), 204, NULL);
    expect(devices_of(fx, &bob, cara.user), 404, "NOT_FOUND");
    expect(send_all(fx, &bob, 10, 10, 0), 200, NULL);
    expect(send_all(fx, &bob, 0, 0, 0), 200, NULL);
    ann = afx_person(fx, "ann");
    expect(send_all(fx, &ann, 10, 10, 5000), 200, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_keys__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_device_sees_what_it_left_also_after_a_crash),
        TEST(the_same_upload_again_changes_nothing),
        TEST(what_is_refused_leaves_nothing),
        TEST(an_id_is_that_of_one_prekey),
        TEST(a_public_key_is_registered_once),
        TEST(one_time_prekeys_at_the_limit_and_one_past_it),
        TEST(sizes_at_the_limit_and_one_past_it),
        TEST(what_has_no_form_is_named),
        TEST(an_upload_may_take_the_place_of_all),
        TEST(an_upload_may_leave_none),
        TEST(a_replacement_that_is_refused_leaves_all),
        TEST(go_with_their_device),
        TEST(are_not_taken_of_who_was_signed_out_meanwhile),
        TEST(stay_when_a_device_is_only_signed_out),
        TEST(go_when_a_device_makes_room),
        TEST(go_with_the_account),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
