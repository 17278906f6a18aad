#include "tests/e2e_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kith_prng prng;
static const struct e2e_random random_source = {.fill = world_fill, .arg = &prng};

static void check_same_again(const struct e2e_session *session)
{
    struct kith_buf state = world_state(session), again;
    struct e2e_session *other = NULL;

    if (e2e_session_decode(kith_buf_peek(&state), &other) != KITH_OK) abort();
    again = world_state(other);
    if (!kith_slice_eq(kith_buf_peek(&state), kith_buf_peek(&again))) abort();
    kith_buf_deinit(&state);
    kith_buf_deinit(&again);
    e2e_session_free(other);
}

/* Any state that is one can be gone on with: what it sends, a copy of it does not take for the other's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct e2e_session *session = NULL;
    struct kith_buf message, out;

    if (e2e_session_decode(kith_slice_of(data, size), &session) != KITH_OK) {
        if (session != NULL) abort();
        return 0;
    }
    kith_prng_seed(&prng, 1);
    check_same_again(session);
    kith_buf_init(&message, WORLD_PLAIN_MAX);
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    if (e2e_session_encrypt(&random_source, session, kith_slice_str("text"), WORLD_NOW, &message) == KITH_OK) {
        check_same_again(session);
        if (e2e_session_decrypt(&random_source, session, kith_buf_peek(&message), WORLD_NOW, &out) == KITH_OK)
            check_same_again(session);
    }
    kith_buf_deinit(&message);
    kith_buf_deinit(&out);
    e2e_session_free(session);
    return 0;
}
