#include "tests/e2e_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Messages that come to a device. Two parties with a session are made once; of its states each input gets fresh copies.
 * `next` is a message of A that B has not seen, and must be taken whatever came before.
 */
static struct world *world;
static struct kith_buf state_a, state_b, next;

static void make_world(void)
{
    struct kith_buf lost;

    world = world_new_answered(1);
    lost = world_message(&world->a, world->at_a, "lost");
    kith_buf_deinit(&lost);
    lost = world_message(&world->a, world->at_a, "taken");
    world_need(world_take(&world->b, world->at_b, &lost, "taken") == KITH_OK);
    kith_buf_deinit(&lost);
    state_a = world_state(world->at_a);
    state_b = world_state(world->at_b);
    next = world_message(&world->a, world->at_a, "next");
}

static struct e2e_session *copy_of(const struct kith_buf *state)
{
    struct e2e_session *session = NULL;

    world_need(e2e_session_decode(kith_buf_peek(state), &session) == KITH_OK);
    return session;
}

static void check_state(const struct e2e_session *session, const struct kith_buf *expected)
{
    struct kith_buf state = world_state(session);

    if (!kith_slice_eq(kith_buf_peek(&state), kith_buf_peek(expected))) abort();
    kith_buf_deinit(&state);
}

/* ---------------------------------------------------------------------------------------------- any bytes */
static void decrypt(struct kith_slice message)
{
    struct e2e_session *session = copy_of(&state_b);
    struct kith_buf out;

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    if (e2e_session_decrypt(&world->b.random, session, message, WORLD_NOW, &out) != KITH_OK) {
        if (kith_buf_len(&out) != 0) abort();
        check_state(session, &state_b);
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

/* ---------------------------------------------------------------------------------------------- a network */
#define FLYING 16

struct flight {
    struct kith_buf message;
    bool to_b, is_there, is_taken;
};

struct network {
    struct e2e_session *at_a, *at_b;
    struct flight flights[FLYING];
    uint64_t now_ms;
};

static void send_into(struct network *network, struct flight *flight, bool to_b)
{
    if (flight->is_there) kith_buf_deinit(&flight->message);
    *flight = (struct flight){.to_b = to_b, .is_there = true};
    flight->message = world_message_at(to_b ? &world->a : &world->b, to_b ? network->at_a : network->at_b,
                                       kith_slice_str("text"), network->now_ms);
}

/* As it is, with a bit changed, or to whom it is not for. None is taken twice. */
static void deliver(struct network *network, struct flight *flight, unsigned how)
{
    const bool to_b = flight->to_b != (how == 1);
    struct e2e_session *session = to_b ? network->at_b : network->at_a;
    struct kith_buf before;
    kith_err err;

    if (!flight->is_there) return;
    before = world_state(session);
    if (how == 2) flight->message.ptr[flight->message.tail / 2] ^= 1;
    err = world_take_at(to_b ? &world->b : &world->a, session, &flight->message, "text", network->now_ms);
    if (how == 2) flight->message.ptr[flight->message.tail / 2] ^= 1;
    if (err != KITH_OK) check_state(session, &before);
    if (err == KITH_OK && (how != 0 || flight->is_taken)) abort();
    flight->is_taken = flight->is_taken || err == KITH_OK;
    kith_buf_deinit(&before);
}

static void restart(struct e2e_session **session)
{
    struct kith_buf state = world_state(*session);

    e2e_session_free(*session);
    *session = copy_of(&state);
    check_state(*session, &state);
    kith_buf_deinit(&state);
}

static void run(const uint8_t *script, size_t len)
{
    struct network network = {.at_a = copy_of(&state_a), .at_b = copy_of(&state_b), .now_ms = WORLD_NOW};

    for (size_t i = 0; i < len && i < 300; i++) {
        struct flight *flight = &network.flights[script[i] % FLYING];
        switch (script[i] / FLYING) {
        case 0:
        case 1:
        case 2: send_into(&network, flight, true); break;
        case 3:
        case 4: send_into(&network, flight, false); break;
        case 5:
        case 6: deliver(&network, flight, script[i] / FLYING - 4u); break;
        case 7: restart(flight->to_b ? &network.at_b : &network.at_a); break;
        case 8: network.now_ms += 24ull * 3600 * 1000; break;
        default: deliver(&network, flight, 0); break;
        }
    }
    for (int i = 0; i < FLYING; i++)
        if (network.flights[i].is_there) kith_buf_deinit(&network.flights[i].message);
    e2e_session_free(network.at_a);
    e2e_session_free(network.at_b);
}

/* The first byte says what the rest is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (world == NULL) make_world();
    if (size == 0) return 0;
    switch (data[0] % 3) {
    case 0: decrypt(kith_slice_of(data + 1, size - 1)); break;
    case 1: take_set_up(kith_slice_of(data + 1, size - 1)); break;
    default: run(data + 1, size - 1); break;
    }
    return 0;
}
