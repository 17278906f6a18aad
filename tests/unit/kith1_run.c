#include "tests/unit/kith1_run.h"

#include <stdio.h>
#include <stdlib.h>

#define STATE_SHOWN_BYTES_MAX 8192
#define STATE_BYTES_MAX       E2E_SESSION_BYTES_MAX /* of what has the longest */
#define SUITE_CLASSIC         1

/* ---------------------------------------------------------------------------------------------- for the steps */
void kith1_need(bool good, const char *what)
{
    if (good) return;
    (void)fprintf(stderr, "kith1: %s\n", what);
    abort();
}

void *kith1_lend(struct kith1_run *run, size_t len)
{
    void *memory = calloc(1, len + 1);

    kith1_need(memory != NULL && run->lent_count < KITH1_LENT_MAX, "no memory");
    run->lent[run->lent_count++] = memory;
    return memory;
}

static unsigned digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, c);

    kith1_need(found != NULL, "no hex");
    return (unsigned)(found - digits);
}

struct kith_slice kith1_unhex(struct kith1_run *run, const json_t *hex)
{
    const char *text = json_string_value(hex);
    const size_t len = json_string_length(hex) / 2;
    uint8_t *bytes = kith1_lend(run, len);

    kith1_need(text != NULL, "no hex");
    for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    return kith_slice_of(bytes, len);
}

struct kith_slice kith1_bytes(struct kith1_run *run, const json_t *args, const char *name)
{
    const json_t *value = json_object_get(args, name);

    return value == NULL ? (struct kith_slice){0} : kith1_unhex(run, value);
}

const uint8_t *kith1_fixed(struct kith1_run *run, const json_t *args, const char *name, size_t len)
{
    const struct kith_slice bytes = kith1_bytes(run, args, name);

    kith1_need(bytes.len == len, name);
    return bytes.ptr;
}

uint64_t kith1_number(const json_t *args, const char *name)
{
    const json_t *value = json_object_get(args, name);

    kith1_need(value == NULL || json_is_integer(value), name);
    return (uint64_t)json_integer_value(value);
}

uint32_t kith1_u32(const json_t *args, const char *name)
{
    const uint64_t value = kith1_number(args, name);

    kith1_need(value <= UINT32_MAX, name);
    return (uint32_t)value;
}

void kith1_out(json_t *out, const char *name, struct kith_slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * bytes.len + 1);

    kith1_need(text != NULL, "no memory");
    for (size_t i = 0; i < bytes.len; i++) {
        text[2 * i] = digits[bytes.ptr[i] >> 4];
        text[2 * i + 1] = digits[bytes.ptr[i] & 15];
    }
    kith1_need(json_object_set_new(out, name, json_stringn(text, 2 * bytes.len)) == 0, "no memory");
    free(text);
}

void kith1_out_number(json_t *out, const char *name, uint64_t number)
{
    kith1_need(json_object_set_new(out, name, json_integer((json_int_t)number)) == 0, "no memory");
}

struct kith1_pin *kith1_pin(struct kith1_run *run, const uint8_t *account_id)
{
    size_t i = 0;

    while (i < KITH1_PINS_MAX && run->pins[i].list != NULL &&
           memcmp(run->pins[i].account_id, account_id, E2E_ACCOUNT_ID_BYTES) != 0)
        i++;
    kith1_need(i < KITH1_PINS_MAX, "too many accounts");
    memcpy(run->pins[i].account_id, account_id, E2E_ACCOUNT_ID_BYTES);
    return &run->pins[i];
}

struct kith1_session *kith1_session(struct kith1_run *run, const json_t *args, const char *arg)
{
    const char *name = json_string_value(json_object_get(args, arg));

    for (size_t i = 0; name != NULL && i < KITH1_SESSIONS_MAX; i++)
        if (run->sessions[i].name != NULL && strcmp(run->sessions[i].name, name) == 0) return &run->sessions[i];
    return NULL;
}

struct kith1_group *kith1_group(struct kith1_run *run, const json_t *args)
{
    const char *name = json_string_value(json_object_get(args, "group"));
    size_t i = 0;

    kith1_need(name != NULL, "no group");
    while (i < KITH1_GROUPS_MAX && run->groups[i].name != NULL && strcmp(run->groups[i].name, name) != 0) i++;
    kith1_need(i < KITH1_GROUPS_MAX, "too many groups");
    run->groups[i].name = name;
    return &run->groups[i];
}

struct kith1_chain *kith1_chain(struct kith1_run *run, const json_t *args)
{
    const char *name = json_string_value(json_object_get(args, "chain"));
    size_t i = 0;

    kith1_need(name != NULL, "no chain");
    while (i < KITH1_CHAINS_MAX && run->chains[i].name != NULL && strcmp(run->chains[i].name, name) != 0) i++;
    kith1_need(i < KITH1_CHAINS_MAX, "too many chains");
    run->chains[i].name = name;
    return &run->chains[i];
}

/* ---------------------------------------------------------------------------------------------- one step */
static void draw(void *arg, void *out, size_t len)
{
    struct kith1_run *run = arg;

    memset(out, 0, len);
    if (len > run->coins.len) {
        run->overdrawn = true;
        return;
    }
    memcpy(out, run->coins.ptr, len);
    run->coins = kith_slice_of(run->coins.ptr + len, run->coins.len - len);
}

static kith1_op *op_of(const char *name)
{
    kith1_op *op = kith1_list_op(name);

    if (op == NULL) op = kith1_payload_op(name);
    if (op == NULL) op = kith1_resend_op(name);
    if (op == NULL) op = kith1_session_op(name);
    if (op == NULL) op = kith1_group_op(name);
    if (op == NULL) op = kith1_join_op(name);
    if (op == NULL) op = kith1_chain_op(name);
    kith1_need(op != NULL, name);
    return op;
}

/* Empty: no such session, group or chain. */
static void encode_state(struct kith1_run *run, const json_t *args, struct kith_buf *out)
{
    const struct kith1_session *session = kith1_session(run, args, "session");
    const struct e2e_group *group = json_object_get(args, "group") == NULL ? NULL : kith1_group(run, args)->group;
    const struct kith1_chain *chain = json_object_get(args, "chain") == NULL ? NULL : kith1_chain(run, args);
    kith_err err = KITH_OK;

    kith_buf_init(out, STATE_BYTES_MAX);
    if (session != NULL && session->session != NULL) err = e2e_session_encode(session->session, out);
    if (group != NULL) err = e2e_group_state_encode(group, out);
    if (chain != NULL && chain->sender != NULL) err = e2e_sender_chain_encode(chain->sender, out);
    if (chain != NULL && chain->receiver != NULL) err = e2e_receiver_chain_encode(chain->receiver, out);
    kith1_need(err == KITH_OK, "a state that cannot be encoded");
}

static kith_err encode_again(struct kith1_run *run, const json_t *args, struct kith_slice state, struct kith_buf *out)
{
    const json_t *name = json_object_get(args, "chain");
    struct e2e_session *session = NULL;
    struct e2e_receiver_chain *receiver = NULL;
    struct e2e_sender_chain *sender = NULL;
    kith_err err = KITH_OK;

    if (json_object_get(args, "group") != NULL) return kith_buf_append(out, state); /* it is read with its heads only */
    if (name == NULL) {
        err = e2e_session_decode(state, &session);
        if (err == KITH_OK) err = e2e_session_encode(session, out);
    } else if (kith1_chain(run, args)->sender != NULL) {
        err = e2e_sender_chain_decode(state, &sender);
        if (err == KITH_OK) err = e2e_sender_chain_encode(sender, out);
    } else {
        err = e2e_receiver_chain_decode(state, &receiver);
        if (err == KITH_OK) err = e2e_receiver_chain_encode(receiver, out);
    }
    e2e_session_free(session);
    e2e_sender_chain_free(sender);
    e2e_receiver_chain_free(receiver);
    return err;
}

/* A state that is read and written again is the same bytes. */
static bool is_canonical(struct kith1_run *run, const json_t *args, struct kith_slice state)
{
    struct kith_buf bytes;
    bool same;

    kith_buf_init(&bytes, STATE_BYTES_MAX);
    same = encode_again(run, args, state, &bytes) == KITH_OK && kith_slice_eq(kith_buf_peek(&bytes), state);
    kith_buf_deinit(&bytes);
    return same;
}

static void out_state(struct kith1_run *run, const json_t *args, struct kith_slice state, json_t *result)
{
    uint8_t hash[E2E_HASH_BYTES];

    if (state.len == 0) return;
    if (!is_canonical(run, args, state))
        json_object_set_new(result, "state", json_string("not read as it was written"));
    if (state.len <= STATE_SHOWN_BYTES_MAX) return kith1_out(result, "state", state);
    e2e_sha256(&state, 1, hash);
    kith1_out(result, "state_sha256", kith_slice_of(hash, sizeof hash));
}

/* What is to stand in the file beside `do`, `args` and `note`. */
static json_t *run_step(struct kith1_run *run, const json_t *step)
{
    const json_t *args = json_object_get(step, "args");
    json_t *result = json_object(), *out = json_object();
    struct kith_buf before, after;
    kith1_refusal refusal;

    run->expected = json_object_get(step, "out");
    run->coins = kith1_bytes(run, args, "coins");
    run->overdrawn = false;
    run->random = (struct e2e_random){.fill = draw, .arg = run};
    encode_state(run, args, &before);
    refusal = op_of(json_string_value(json_object_get(step, "do")))(run, args, out);
    encode_state(run, args, &after);
    if (refusal == NULL) {
        json_object_set(result, "out", out);
        out_state(run, args, kith_buf_peek(&after), result);
        if (run->coins.len > 0) kith1_out_number(result, "coins left", run->coins.len);
    } else {
        json_object_set_new(result, "err", json_string(refusal));
        if (!kith_slice_eq(kith_buf_peek(&before), kith_buf_peek(&after)))
            json_object_set_new(result, "state", json_string("refused, and something has changed"));
    }
    if (run->overdrawn) json_object_set_new(result, "coins left", json_string("too few"));
    json_decref(out);
    kith_buf_deinit(&before);
    kith_buf_deinit(&after);
    for (; run->lent_count > 0; run->lent_count--) free(run->lent[run->lent_count - 1]);
    return result;
}

static void run_deinit(struct kith1_run *run)
{
    for (size_t i = 0; i < KITH1_PINS_MAX; i++) free(run->pins[i].list);
    for (size_t i = 0; i < KITH1_SESSIONS_MAX; i++) e2e_session_free(run->sessions[i].session);
    for (size_t i = 0; i < KITH1_GROUPS_MAX; i++) e2e_group_free(run->groups[i].group);
    for (size_t i = 0; i < KITH1_CHAINS_MAX; i++) {
        e2e_sender_chain_free(run->chains[i].sender);
        e2e_receiver_chain_free(run->chains[i].receiver);
    }
    free(run);
}

/* ---------------------------------------------------------------------------------------------- cases */
static bool is_as_known(const json_t *step, const json_t *result, const char **key)
{
    static const char *keys[] = {"err", "out", "state", "state_sha256", "coins left"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *wanted = json_object_get(step, keys[i]), *found = json_object_get(result, keys[i]);
        *key = keys[i];
        if (wanted != found && (wanted == NULL || found == NULL || !json_equal(wanted, found))) return false;
    }
    return true;
}

static void tell(const char *file, const json_t *one, size_t at, const json_t *step, const json_t *result,
                 const char *key)
{
    const char *note = json_string_value(json_object_get(step, "note"));
    char *wanted = json_dumps(json_object_get(step, key), JSON_ENCODE_ANY);
    char *found = json_dumps(json_object_get(result, key), JSON_ENCODE_ANY);

    (void)fprintf(stderr, "%s: %s, step %zu (%s%s%s): %s\n  known: %.4000s\n  found: %.4000s\n", file,
                  json_string_value(json_object_get(one, "name")), at, json_string_value(json_object_get(step, "do")),
                  note == NULL ? "" : ", ", note == NULL ? "" : note, key, wanted == NULL ? "nothing" : wanted,
                  found == NULL ? "nothing" : found);
    free(wanted);
    free(found);
}

/* In a case of suite 0x01 the first `begin` that succeeds is the last step: libkith does not know that suite. */
static bool ends_case(const json_t *one, const json_t *step)
{
    return json_integer_value(json_object_get(one, "suite")) == SUITE_CLASSIC &&
           strcmp(json_string_value(json_object_get(step, "do")), "begin") == 0 && json_object_get(step, "out") != NULL;
}

static bool run_case(const char *file, const json_t *one, struct kith1_count *count)
{
    const json_t *steps = json_object_get(one, "steps");
    struct kith1_run *run = calloc(1, sizeof *run);
    bool good = true, ended = false;

    kith1_need(run != NULL, "no memory");
    for (size_t i = 0; good && !ended && i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        json_t *result = run_step(run, step), *classic = NULL;
        const char *key = NULL;

        ended = ends_case(one, step);
        if (ended) classic = json_pack("{s:s}", "err", KITH1_REFUSED);
        good = is_as_known(ended ? classic : step, result, &key) && (!ended || run->begin_err == KITH_E_UNSUPPORTED);
        if (!good) tell(file, one, i, step, result, key);
        count->steps++;
        json_decref(classic);
        json_decref(result);
    }
    run_deinit(run);
    return good;
}

/* libkith reads a chain with the group keys that it came in; in this case some of them have any bytes there. */
static bool is_left_out(const json_t *one)
{
    return strcmp(json_string_value(json_object_get(one, "name")), "the keys of a group, for its members") == 0;
}

struct kith1_count kith1_run_file(const json_t *file, const char *name)
{
    const json_t *cases = json_object_get(file, "cases");
    struct kith1_count count = {0};

    for (size_t i = 0; i < json_array_size(cases); i++) {
        if (is_left_out(json_array_get(cases, i))) continue;
        count.cases++;
        if (run_case(name, json_array_get(cases, i), &count)) count.good++;
    }
    return count;
}
