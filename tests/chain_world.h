#ifndef KITH_TESTS_CHAIN_WORLD_H
#define KITH_TESTS_CHAIN_WORLD_H

#include "libkith/e2ee/chain_state.h"
#include "tests/e2e_world.h"

/* A sender chain and one that receives it: what its tests begin with. As e2e_world.h: coins of a seed; what must go well does. */
struct chains {
    struct kith_prng prng;
    struct e2e_random random;
    struct e2e_chain_owner owner;
    struct e2e_group_epoch epoch;
    struct e2e_sender_chain *sender;
    struct e2e_receiver_chain *receiver;
};

static inline struct e2e_receiver_chain *chains_receiver(const struct e2e_chain_owner *owner,
                                                         const struct e2e_chain_given *given)
{
    struct e2e_receiver_chain *receiver = NULL;

    world_need(e2e_receiver_chain_new(owner, given, &receiver) == KITH_OK);
    return receiver;
}

static inline struct e2e_chain_given chains_given(const struct chains *chains)
{
    struct e2e_chain_given given;

    e2e_sender_chain_give(chains->sender, &chains->epoch, &given);
    return given;
}

static inline struct chains *chains_new(uint64_t seed)
{
    struct chains *chains = calloc(1, sizeof *chains);
    struct e2e_chain_given given;

    world_need(chains != NULL);
    kith_prng_seed(&chains->prng, seed);
    chains->random = (struct e2e_random){.fill = world_fill, .arg = &chains->prng};
    kith_prng_bytes(&chains->prng, chains->owner.group_id, sizeof chains->owner.group_id);
    kith_prng_bytes(&chains->prng, chains->owner.account_id, sizeof chains->owner.account_id);
    chains->owner.device_id = (uint32_t)kith_prng_between(&chains->prng, 1, UINT32_MAX);
    chains->epoch.seq = 7;
    kith_prng_bytes(&chains->prng, chains->epoch.hash, sizeof chains->epoch.hash);
    world_need(e2e_sender_chain_new(&chains->random, &chains->owner, WORLD_NOW, &chains->sender) == KITH_OK);
    given = chains_given(chains);
    chains->receiver = chains_receiver(&chains->owner, &given);
    return chains;
}

static inline void chains_free(struct chains *chains)
{
    if (chains == NULL) return;
    e2e_sender_chain_free(chains->sender);
    e2e_receiver_chain_free(chains->receiver);
    free(chains);
}

/* The message of `plain`; kith_buf_deinit() it. */
static inline struct kith_buf chains_message_of(struct chains *chains, struct kith_slice plain)
{
    struct kith_buf out;

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    world_need(e2e_sender_chain_encrypt(&chains->random, chains->sender, &chains->epoch, plain, &out) == KITH_OK);
    return out;
}

static inline struct kith_buf chains_message(struct chains *chains, const char *text)
{
    return chains_message_of(chains, kith_slice_str(text));
}

/* The canonical states; kith_buf_wipe() them. */
static inline struct kith_buf chains_state(const struct e2e_receiver_chain *receiver)
{
    struct kith_buf out;

    kith_buf_init(&out, E2E_CHAIN_BYTES_MAX);
    world_need(e2e_receiver_chain_encode(receiver, &out) == KITH_OK);
    return out;
}

static inline struct kith_buf chains_sender_state(const struct e2e_sender_chain *sender)
{
    struct kith_buf out;

    kith_buf_init(&out, E2E_CHAIN_BYTES_MAX);
    world_need(e2e_sender_chain_encode(sender, &out) == KITH_OK);
    return out;
}

/* No byte of it is another than in `expected`. */
static inline void chains_check_state(const struct e2e_receiver_chain *receiver, const struct kith_buf *expected)
{
    struct kith_buf state = chains_state(receiver);

    world_need(kith_slice_eq(kith_buf_peek(&state), kith_buf_peek(expected)));
    kith_buf_wipe(&state);
}

static inline struct e2e_receiver_chain *chains_read(const struct kith_buf *state)
{
    struct e2e_receiver_chain *receiver = NULL;

    world_need(e2e_receiver_chain_decode(kith_buf_peek(state), &receiver) == KITH_OK);
    return receiver;
}

/* KITH_OK: and it says `text`. */
static inline kith_err chains_open(struct e2e_receiver_chain *receiver, struct kith_slice bytes, const char *text,
                                   uint64_t now_ms)
{
    struct e2e_group_message message;
    struct kith_buf plain;
    kith_err err = e2e_group_message_decode(bytes, &message);

    kith_buf_init(&plain, WORLD_PLAIN_MAX);
    if (err == KITH_OK) err = e2e_receiver_chain_decrypt(receiver, &message, now_ms, &plain);
    world_need(err == KITH_OK ? kith_slice_is(kith_buf_peek(&plain), text) : kith_buf_len(&plain) == 0);
    kith_buf_deinit(&plain);
    return err;
}

/* The same; what fails has changed no byte. */
static inline kith_err chains_take_at(struct e2e_receiver_chain *receiver, const struct kith_buf *message,
                                      const char *text, uint64_t now_ms)
{
    struct kith_buf before = chains_state(receiver);
    kith_err err = chains_open(receiver, kith_buf_peek(message), text, now_ms);

    if (err != KITH_OK) chains_check_state(receiver, &before);
    kith_buf_wipe(&before);
    return err;
}

static inline kith_err chains_take(struct chains *chains, const struct kith_buf *message, const char *text)
{
    return chains_take_at(chains->receiver, message, text, WORLD_NOW);
}

/* `count` messages, each says "m". */
static inline struct kith_buf *chains_messages_new(struct chains *chains, size_t count)
{
    struct kith_buf *messages = calloc(count, sizeof *messages);

    world_need(messages != NULL);
    for (size_t i = 0; i < count; i++) messages[i] = chains_message(chains, "m");
    return messages;
}

static inline void chains_messages_free(struct kith_buf *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) kith_buf_deinit(&messages[i]);
    free(messages);
}

/* `in` with another value of field `tag`; {NULL, 0}: without it. */
static inline struct kith_buf chains_replaced(struct kith_slice in, uint16_t tag, struct kith_slice value)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct e2e_tlv_writer writer;
    struct kith_slice old = {0};
    struct kith_buf out;
    bool is_put = value.ptr == NULL;
    uint16_t at = 0;

    kith_buf_init(&out, 1u << 20);
    writer = e2e_tlv_writer_of(&out);
    while (e2e_tlv_next(&reader, &at, &old) == KITH_OK) {
        if (at >= tag && !is_put) e2e_tlv_put(&writer, tag, value);
        is_put = is_put || at >= tag;
        if (at != tag) e2e_tlv_put(&writer, at, old);
    }
    if (!is_put) e2e_tlv_put(&writer, tag, value);
    world_need(e2e_tlv_finish(&writer) == KITH_OK);
    return out;
}

/* Signs the message's fields 1 to 5 again, as whoever has the chain's signing key may. */
static inline void chains_sign(struct kith_buf *message, const uint8_t *sign_secret)
{
    uint8_t *signature = world_field(message, 6, NULL);

    world_need(e2e_sign(sign_secret, E2E_LABEL_SK_MSG,
                        kith_slice_of(message->ptr, (size_t)(signature - message->ptr) - E2E_TLV_HEAD_BYTES),
                        signature) == KITH_OK);
}

/* A field of the message's header, to be changed. */
static inline uint8_t *chains_header_field(struct kith_buf *message, uint16_t tag)
{
    size_t len = 0;
    uint8_t *at = world_field(message, 2, &len);
    struct kith_buf header = {.ptr = at, .tail = len};

    return world_field(&header, tag, NULL);
}

#endif
