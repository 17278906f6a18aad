#include "tests/e2e_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Two devices with a session, and a network between them that an input writes the script of: who sends, and what comes when,
 * twice, changed, to the wrong one, or never; devices restart, days go by. No message is taken twice, none that was
 * changed, and what is refused changes no byte.
 */
static struct world *world;
static struct kith_buf state_a, state_b;

#define FLYING    16
#define STEPS_MAX 200

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
    if (err != KITH_OK) world_check_state(session, &before);
    if (err == KITH_OK && (how != 0 || flight->is_taken)) abort();
    flight->is_taken = flight->is_taken || err == KITH_OK;
    kith_buf_deinit(&before);
}

static void restart(struct e2e_session **session)
{
    struct kith_buf state = world_state(*session);

    e2e_session_free(*session);
    *session = world_session(&state);
    world_check_state(*session, &state);
    kith_buf_deinit(&state);
}

static void run(const uint8_t *script, size_t len)
{
    struct network network = {.at_a = world_session(&state_a), .at_b = world_session(&state_b), .now_ms = WORLD_NOW};

    for (size_t i = 0; i < len && i < STEPS_MAX; i++) {
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (world == NULL) {
        world = world_new_answered(1);
        state_a = world_state(world->at_a);
        state_b = world_state(world->at_b);
    }
    run(data, size);
    return 0;
}
