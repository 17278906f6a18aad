#include "tests/chain_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Group messages that come to a device, and states of chains that it reads. Of the chain each input gets a fresh copy, whose
 * next message must open whatever was refused before. The first byte says what the rest is: a message as it came; one that its
 * chain's owner signs, so that a change gets past the signature; a receiving state; a sending one; a given chain.
 */
static struct chains *chains;
static struct kith_buf state, next;

static void make_chains(void)
{
    struct kith_buf *messages;

    chains = chains_new(1);
    messages = chains_messages_new(chains, 4);
    world_need(chains_take(chains, &messages[0], "m") == KITH_OK);
    world_need(chains_take(chains, &messages[2], "m") == KITH_OK);
    state = chains_state(chains->receiver);
    next = messages[3];
    messages[3] = (struct kith_buf){0};
    chains_messages_free(messages, 4);
}

static void decrypt(struct kith_slice in)
{
    struct e2e_receiver_chain *receiver = chains_read(&state);
    struct e2e_group_message message;
    struct kith_buf out;
    kith_err err = e2e_group_message_decode(in, &message);

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    if (err == KITH_OK) err = e2e_receiver_chain_decrypt(receiver, &message, WORLD_NOW, &out);
    if (err != KITH_OK) {
        world_need(kith_buf_len(&out) == 0);
        chains_check_state(receiver, &state);
        world_need(chains_take_at(receiver, &next, "m", WORLD_NOW) == KITH_OK);
    } else if (chains_take_at(receiver, &next, "m", WORLD_NOW) != KITH_OK) {
        world_need(message.iteration == 3); /* it was that one */
    }
    kith_buf_deinit(&out);
    e2e_receiver_chain_free(receiver);
}

static void sign_and_decrypt(struct kith_slice in)
{
    struct e2e_group_message message;
    struct kith_buf copy;

    if (e2e_group_message_decode(in, &message) != KITH_OK) return;
    kith_buf_init(&copy, in.len);
    world_need(kith_buf_append(&copy, in) == KITH_OK);
    chains_sign(&copy, chains->sender->sign_secret);
    decrypt(kith_buf_peek(&copy));
    kith_buf_deinit(&copy);
}

/* What is read is written as it is, but for fields that were stepped over, and can be gone on with. */
static void read_receiver(struct kith_slice in)
{
    struct e2e_receiver_chain *receiver = NULL, *again;
    struct kith_buf written;

    if (e2e_receiver_chain_decode(in, &receiver) != KITH_OK) {
        world_need(receiver == NULL);
        return;
    }
    written = chains_state(receiver);
    again = chains_read(&written);
    chains_check_state(again, &written);
    (void)chains_open(again, kith_buf_peek(&next), "m", WORLD_NOW);
    kith_buf_deinit(&written);
    e2e_receiver_chain_free(receiver);
    e2e_receiver_chain_free(again);
}

static void read_sender(struct kith_slice in)
{
    struct e2e_sender_chain *sender = NULL;
    struct e2e_chain_given given;
    struct e2e_receiver_chain *receiver;
    struct kith_buf message;

    if (e2e_sender_chain_decode(in, &sender) != KITH_OK) {
        world_need(sender == NULL);
        return;
    }
    e2e_sender_chain_give(sender, &chains->epoch, &given);
    receiver = chains_receiver(&sender->owner, &given);
    kith_buf_init(&message, WORLD_PLAIN_MAX);
    if (e2e_sender_chain_encrypt(&chains->random, sender, &chains->epoch, kith_slice_str("m"), &message) == KITH_OK)
        world_need(chains_take_at(receiver, &message, "m", WORLD_NOW) == KITH_OK);
    kith_buf_deinit(&message);
    e2e_receiver_chain_free(receiver);
    e2e_sender_chain_free(sender);
}

static void read_given(struct kith_slice in)
{
    struct e2e_receiver_chain *receiver = NULL;
    struct e2e_chain_given given;

    if (e2e_chain_given_decode(in, &given) != KITH_OK) return;
    if (e2e_receiver_chain_new(&chains->owner, &given, &receiver) == KITH_OK)
        world_need(e2e_receiver_chain_same(receiver, &given) == KITH_OK);
    (void)e2e_receiver_chain_same(chains->receiver, &given);
    e2e_receiver_chain_free(receiver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const whats[])(struct kith_slice in) = {decrypt, sign_and_decrypt, read_receiver, read_sender,
                                                          read_given};

    if (chains == NULL) make_chains();
    if (size > 0) whats[data[0] % 5](kith_slice_of(data + 1, size - 1));
    return 0;
}
