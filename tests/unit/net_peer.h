#ifndef KITH_TESTS_NET_PEER_H
#define KITH_TESTS_NET_PEER_H

#include "base/buf.h"
#include "loop/loop_epoll.h"
#include "wire/ws_reader.h"

/*
 * For tests of src/net: the other end of a connection, in the same thread as the server's loop. Nothing here sleeps:
 * whatever waits turns the loop meanwhile, and fails the test after PEER_WAIT_MS.
 */
#define PEER_WAIT_MS   20000
#define PEER_BYTES_MAX (64 * 1024 * 1024)

struct peer {
    int fd;
    struct kith_buf in;
    bool ended; /* the other side closed */
    bool reset; /* by RST */
};

extern struct loop *peer_loop;

/* cmocka set-up and tear-down of a test: a loop. */
int peer_setup(void **state);
int peer_teardown(void **state);

/* Turns the loop until *flag. */
void peer_turn_until(const bool *flag);
/* Turns the loop a few times, to let happen what should not. */
void peer_turn_idle(void);
uint64_t peer_now_ms(void);

struct peer peer_connect(uint16_t port);
void peer_close(struct peer *peer);
void peer_send(struct peer *peer, struct kith_slice bytes);
void peer_send_str(struct peer *peer, const char *text);
/* Takes what has come; no waiting. */
void peer_receive(struct peer *peer);
/* Wait: until at least `len` bytes are in `in`; until `text` occurs in it; until the other side has closed. */
void peer_wait_len(struct peer *peer, size_t len);
void peer_wait_str(struct peer *peer, const char *text);
void peer_wait_end(struct peer *peer);
bool peer_has(const struct peer *peer, const char *text);
size_t peer_count(const struct peer *peer, const char *text);
/* Segments with data that this end has received. */
unsigned peer_segments(const struct peer *peer);

/* WebSocket, as a client. */
void peer_upgrade(struct peer *peer, const char *path, const char *more_headers);
void peer_frame(struct peer *peer, enum ws_opcode opcode, bool fin, const char *text);
/* Waits for the next frame from the server: its opcode; payload as text with a NUL, cut to fit. */
enum ws_opcode peer_next_frame(struct peer *peer, char *out, size_t out_bytes);
/* Waits for a close frame, passing over others; 0 when it has no code. */
unsigned peer_next_close(struct peer *peer);

#endif
