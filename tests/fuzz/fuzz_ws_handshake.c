/*
 * The opening handshake, both sides, over heads that http1_reader has let through. What the server agrees on must be
 * possible, and its own response must satisfy a client that offered everything.
 */
#include <assert.h>
#include <stdlib.h>

#include "wire/http1_reader.h"
#include "wire/ws_handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const subprotocols[] = {"v12.stomp", "v11.stomp", NULL};
static const char *const allowed[] = {"https://chat.example", NULL};

static void as_server(struct kith_slice in)
{
    static const struct ws_server_config config = {
        .subprotocols = subprotocols, .deflate = true, .client_window_bits_max = 12, .client_may_take_over = true};
    struct http1_reader reader;
    enum http1_event event;
    struct ws_accept accept;
    const char *reason = NULL;
    size_t used = 0;

    http1_reader_init_server(&reader, 0);
    if (http1_reader_next(&reader, in, &used, &event) == KITH_OK) {
        const struct http1_request *request = http1_reader_request(&reader);
        kith_err err = ws_accept_check(request, &config, &accept, &reason);

        assert((err == KITH_OK) == (reason == NULL));
        if (err == KITH_OK) {
            struct kith_buf out;
            kith_buf_init(&out, 4096);
            if (ws_accept_write(&accept, &out) != KITH_OK) abort();
            kith_buf_deinit(&out);
            assert(strlen(accept.accept) == WS_ACCEPT_LEN);
            assert(!accept.deflate.on ||
                   (accept.deflate.server_window_bits >= 8 && accept.deflate.server_window_bits <= 15 &&
                    accept.deflate.client_window_bits >= 8 && accept.deflate.client_window_bits <= 15));
        }
        (void)ws_is_upgrade(request);
        (void)ws_origin_check(request, true, NULL);
        (void)ws_origin_check(request, false, allowed);
    }
    http1_reader_deinit(&reader);
}

static void as_client(struct kith_slice in)
{
    static const uint8_t nonce[16] = "the sample nonce";
    struct ws_client_config config = {.deflate = true, .subprotocols = subprotocols};
    struct http1_reader reader;
    enum http1_event event;
    struct ws_agreed agreed;
    size_t used = 0;

    http1_reader_init_client(&reader, 0);
    if (http1_reader_next(&reader, in, &used, &event) == KITH_OK &&
        ws_client_check(http1_reader_response(&reader), &config, nonce, &agreed) == KITH_OK) {
        assert(!agreed.deflate.on ||
               (agreed.deflate.server_window_bits >= 8 && agreed.deflate.client_window_bits >= 8));
    }
    http1_reader_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_server(kith_slice_of(data, size));
    as_client(kith_slice_of(data, size));
    return 0;
}
