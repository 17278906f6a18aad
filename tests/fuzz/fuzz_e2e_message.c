#include "tests/e2e_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Messages that come to a device. Two parties with a session are made once; of its states each input gets fresh copies.
 * `next` is a message of A that B has not seen, and must be taken whatever came before.
 */
static struct world *world;
static struct kith_buf state_b, next;

static void make_world(void)
{
    struct kith_buf lost;

    world = world_new_answered(1);
    lost = world_message(&world->a, world->at_a, "lost");
    kith_buf_deinit(&lost);
    lost = world_message(&world->a, world->at_a, "taken");
    world_need(world_take(&world->b, world->at_b, &lost, "taken") == KITH_OK);
    kith_buf_deinit(&lost);
    state_b = world_state(world->at_b);
    next = world_message(&world->a, world->at_a, "next");
}

static void decrypt(struct kith_slice message)
{
    struct e2e_session *session = world_session(&state_b);
    struct kith_buf out;

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    if (e2e_session_decrypt(&world->b.random, session, message, WORLD_NOW, &out) != KITH_OK) {
        if (kith_buf_len(&out) != 0) abort();
        world_check_state(session, &state_b);
        if (world_take(&world->b, session, &next, "next") != KITH_OK) abort();
    }
    kith_buf_deinit(&out);
    e2e_session_free(session);
}

/* Whatever ids it names, it is opened with the keys that there are. */
static void take_set_up(struct kith_slice message)
{
    const struct e2e_self self = world_self(&world->b);
    const struct e2e_end peer = world_end(&world->a);
    struct e2e_prekey_secret spk = world->b.secrets[0], opk = world->b.secrets[1], kem = world->b.secrets[2];
    struct e2e_session *session = NULL;
    struct e2e_setup setup;
    struct kith_buf out;

    if (e2e_message_setup(message, &setup) != KITH_OK) return;
    spk.id = setup.spk_id;
    opk.id = setup.opk_id;
    kem.id = setup.kem_id;
    kem.kind = setup.kem_is_last ? E2E_PREKEY_KEM_LR : E2E_PREKEY_KEM_OT;
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    if (e2e_session_accept(&world->b.random, &self, &peer,
                           &(struct e2e_setup_keys){.spk = &spk, .kem = &kem, .opk = opk.id == 0 ? NULL : &opk},
                           message, WORLD_NOW, &session, &out) != KITH_OK &&
        (session != NULL || kith_buf_len(&out) != 0))
        abort();
    kith_buf_deinit(&out);
    e2e_session_free(session);
}

/* The first byte says who gets the rest: B, who has the session, or B as if this were its first message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (world == NULL) make_world();
    if (size == 0) return 0;
    if (data[0] % 2 == 0)
        decrypt(kith_slice_of(data + 1, size - 1));
    else
        take_set_up(kith_slice_of(data + 1, size - 1));
    return 0;
}
