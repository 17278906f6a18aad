#include <stdlib.h>

#include "libkith/kith.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A malicious server: any bytes, in any pieces. The client neither fails nor loses what is in its outbox. */
static void fuzz_random(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 7, len);
}

static void run(struct kith_client *client)
{
    struct kith_effect effect;

    while (kith_client_next(client, &effect) == KITH_OK)
        if (effect.kind == KITH_EFFECT_PERSIST) kith_client_persisted(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kith_client_config config = {.random = fuzz_random, .shows_history = true, .keeps_mail = true};
    struct kith_client *client = kith_client_new(&config);
    struct kith_time now = {.mono_ms = 1000, .wall_ms = 1767225600000ull};
    struct kith_send send = {.content_type = kith_slice_str("text/plain"), .body = kith_slice_str("kept")};
    struct msg_id id;
    uint8_t connected[] = "CONNECTED\nversion:1.2\n\n";

    if (client == NULL) return 0;
    kith_client_token(client, now, kith_slice_str("t"));
    kith_client_start(client, now);
    if (kith_client_send(client, now, &send, &id) != KITH_OK) abort();
    kith_client_tick(client, now);
    kith_client_connected(client, now);
    run(client);
    if (size > 0 && data[0] & 1) kith_client_bytes(client, now, connected, sizeof connected);
    for (size_t at = 1; at < size;) {
        size_t len = (size_t)(data[at] % 64) + 1;
        uint8_t piece[64];
        if (len > size - at) len = size - at;
        memcpy(piece, data + at, len);
        now.mono_ms += 10;
        kith_client_bytes(client, now, piece, len);
        run(client);
        at += len;
    }
    kith_client_disconnected(client, now);
    run(client);
    kith_client_free(client);
    return 0;
}
