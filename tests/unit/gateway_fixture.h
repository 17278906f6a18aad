#ifndef TESTS_UNIT_GATEWAY_FIXTURE_H
#define TESTS_UNIT_GATEWAY_FIXTURE_H

/*
 * Gateways over the real shard owner, chat core, log and store (the reference adapters) in one simulated world; clients
 * are connections that hand over bytes and keep what they are sent. Every frame a client gets is checked against what
 * must always hold on one connection: seq ascends without a hole in each chat (I-O5), message-ids never repeat, nothing
 * follows an ERROR.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/log/log_mem.h"
#include "adapters/msgstore/msgstore_mem.h"
#include "gateway/gateway.h"
#include "loop/loop_sim.h"
#include "wire/bodies.h"
#include "wire/stomp.h"

#define FX_LOOPS_MAX 3
#define FX_PEERS_MAX 400
#define FX_CHATS_MAX 2048

static inline struct kith_uuid fx_uuid(uint8_t kind, uint32_t n)
{
    struct kith_uuid id = {{kind}};

    kith_put_u32_be(id.raw + 12, n);
    return id;
}
#define USER(n)   ((struct user_id){fx_uuid(0x10, n)})
#define DEVICE(n) ((struct device_id){fx_uuid(0x20, n)})
#define CHAT(n)   ((struct chat_id){fx_uuid(0x30, n)})

struct fx_frame {
    enum stomp_command command;
    unsigned header_count;
    char names[24][32], values[24][300];
    size_t body_len;
    char *body; /* with a NUL behind */
};

struct fx_seen {
    struct kith_uuid chat;
    uint64_t seq;
};

struct fx_peer {
    struct conn conn; /* first */
    struct fx *fx;
    unsigned loop;
    bool attached, closing, closed, paused;
    uint16_t close_code;
    uint32_t keepalive_ms;
    size_t queued; /* what conn_queued() says, for back-pressure */
    unsigned writes, binary_writes, beats;
    struct loop_task close_task;
    struct kith_buf in; /* what the gateway sent, not parsed yet */
    struct fx_frame *frames;
    size_t frame_count, frame_cap, next;
    struct fx_seen seen[FX_CHATS_MAX];
    size_t seen_count;
    uint64_t message_id_last;
    bool gaps_allowed; /* mutants: do not check */
};

struct fx {
    struct sim_world *world;
    struct log_mem_store log_store;
    struct msgstore_mem_image *image;
    struct msgstore_mem_config store_config;
    struct log *log;
    struct msgstore *store;
    struct loop *log_loop, *owner_loop, *loops[FX_LOOPS_MAX];
    unsigned loop_count;
    struct shard_owner *owner;
    struct asker *askers[FX_LOOPS_MAX];
    struct shard_listener *listeners[FX_LOOPS_MAX];
    struct gateway_group *group;
    struct gateway *gateways[FX_LOOPS_MAX];
    struct gateway_limits limits; /* set before fx_open(), as the next */
    uint32_t store_delay_ms;      /* reads and commits take up to this */
    void (*stale)(struct accounts *accounts, struct account_stale *op);
    struct fx_peer *peers[FX_PEERS_MAX];
    unsigned peer_count;
    uint64_t ids;
    /* The token check: "u1d2" is device 2 of user 1; anything else is wrong. */
    uint64_t token_ms;         /* how long tokens live from the check on; default an hour */
    uint32_t check_ms;         /* how long a check takes */
    enum kith_code check_code; /* OK: by the token */
};

void fx_open(struct fx *fx, unsigned loops, uint64_t seed);
void fx_close(struct fx *fx);
/** As kill -9 and a new start on the same log and store; the clients see their connections closed. */
void fx_restart(struct fx *fx);
void fx_run(struct fx *fx, uint64_t ms);

/** A command through the log, as REST would. */
struct chat_answer fx_ask(struct fx *fx, const struct cmd *cmd);
/** The same, but nobody waits for it. */
void fx_tell(struct fx *fx, const struct cmd *cmd);
/** Between users a and b; a < b, a makes it. */
void fx_direct(struct fx *fx, uint32_t chat, uint32_t a, uint32_t b, bool encrypted);
/** User 1 owns it, users 2..members are in it. */
void fx_group(struct fx *fx, uint32_t chat, uint32_t members, bool encrypted);
void fx_add(struct fx *fx, uint32_t chat, uint32_t user);
void fx_remove(struct fx *fx, uint32_t chat, uint32_t user);
struct msg_id fx_msg_id(struct fx *fx);
/** Sends a message without a session; gives its seq. */
uint64_t fx_say(struct fx *fx, uint32_t chat, uint32_t user, uint32_t device, const char *text);

/** The device's stored cursor; UINT64_MAX: none. */
uint64_t fx_cursor(struct fx *fx, uint32_t chat, uint32_t device);
/** The chat's newest seq in the store. */
uint64_t fx_head(struct fx *fx, uint32_t chat);
/** The person's stored watermarks in that chat. */
struct row_member fx_member(struct fx *fx, uint32_t chat, uint32_t user);
/** A row is taken out of the store, as its time to live would. */
void fx_erase(struct fx *fx, const struct row_key *key);

/** A connection; nothing sent yet. bearer may be NULL. */
struct fx_peer *fx_peer(struct fx *fx, unsigned loop, const char *bearer);
/** Connected as device `device` of `user`; CONNECTED was taken. */
struct fx_peer *fx_connect(struct fx *fx, unsigned loop, uint32_t user, uint32_t device);
/** /errors under id "e", and /inbox under id "in". */
void fx_errors(struct fx_peer *peer);
void fx_inbox(struct fx_peer *peer, const char *headers);
/** The newest connection, which is closed, makes room for another. */
void fx_forget_last(struct fx *fx);
/** The network goes: no close frame. */
void fx_drop(struct fx_peer *peer);
void fx_bytes(struct fx_peer *peer, const void *bytes, size_t len);
/** One frame: printf-formatted head and body, its NUL added. */
void fx_send(struct fx_peer *peer, const char *fmt, ...) KITH_PRINTF(2, 3);
/** SEND to a chat, with a receipt of that text (NULL: none). */
void fx_send_message(struct fx_peer *peer, uint32_t chat, struct msg_id id, const char *receipt, const char *body);
/** SEND to a user's mailbox with receipt "m": that text for each of the devices, which ascend; at most 8. */
void fx_send_mail(struct fx_peer *peer, uint32_t user, struct msg_id id, const uint32_t *devices, unsigned count,
                  const char *text);
void fx_ack(struct fx_peer *peer, const struct fx_frame *frame);

/** The next frame that was not taken yet, or NULL. */
struct fx_frame *fx_next(struct fx_peer *peer);
/** The next frame, which must be of that command. */
struct fx_frame *fx_expect(struct fx_peer *peer, enum stomp_command command);
/** The next frame must be MESSAGE number seq of the chat. */
struct fx_frame *fx_expect_seq(struct fx_peer *peer, uint32_t chat, uint64_t seq);
void fx_expect_nothing(struct fx_peer *peer);
/** The next frame must be ERROR with that code, and the connection closing with close_code. */
void fx_expect_error(struct fx_peer *peer, const char *code, uint16_t close_code);
/** The next frame must be MESSAGE on /errors with that code. */
struct fx_frame *fx_expect_refusal(struct fx_peer *peer, const char *code);
/** NULL when there is none. */
const char *fx_header(const struct fx_frame *frame, const char *name);
uint64_t fx_number(const struct fx_frame *frame, const char *name);
/** n of CHAT(n), from the destination. */
uint32_t fx_chat_of(const struct fx_frame *frame);
/** The text of an id, in one of four static rooms: for arguments of fx_send(). */
const char *fx_id(struct kith_uuid id);

#endif
