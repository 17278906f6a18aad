#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/prng.h"
#include "libkith/kith.h"

/*
 * What a client does not believe. Of an encrypted chat that it is none: nothing of it is shown, and nothing goes out in the
 * open. Of a message that one who is not in the chat wrote it: it is not opened, however well it is encrypted.
 */
#define CHAT     "0198f3c2-0000-4000-8000-00000000c4a7"
#define FRIEND   "03000000-0000-4000-8000-000000000000"
#define STRANGER "04000000-0000-4000-8000-000000000000"
#define DEVICE   "05000000-0000-4000-8000-000000000000"

struct link {
    struct kith_prng prng;
    struct kith_client *client;
    struct kith_message last; /* without its slices */
    size_t shown, text_bytes, sends_with_text;
    struct kith_fetch fetch; /* the last that was asked for */
};

static const struct kith_time now = {.mono_ms = 1000, .wall_ms = 1800000000000};

static void random_of(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

static void run(struct link *link)
{
    struct kith_effect e;

    while (kith_client_next(link->client, &e) == KITH_OK) {
        if (e.kind == KITH_EFFECT_PERSIST) kith_client_persisted(link->client);
        if (e.kind == KITH_EFFECT_CONNECT) kith_client_connected(link->client, now);
        if (e.kind == KITH_EFFECT_SEND)
            link->sends_with_text += memmem(e.bytes.ptr, e.bytes.len, "a secret", 8) != NULL;
        if (e.kind == KITH_EFFECT_FETCH) link->fetch = e.fetch;
        if (e.kind != KITH_EFFECT_MESSAGE) continue;
        link->shown++;
        link->last = e.message;
        link->text_bytes = e.message.body.len;
    }
}

static void say(struct link *link, const char *frame)
{
    uint8_t bytes[1024];
    size_t len = strlen(frame) + 1; /* with its NUL */

    assert_true(len <= sizeof bytes);
    memcpy(bytes, frame, len);
    kith_client_bytes(link->client, now, bytes, len);
    run(link);
}

static void link_open(struct link *link, uint32_t in_flight_max)
{
    struct kith_client_config config = {.encrypts = true, .random = random_of, .in_flight_max = in_flight_max};

    *link = (struct link){0};
    kith_prng_seed(&link->prng, 1);
    config.random_arg = &link->prng;
    config.user.id.raw[0] = 1;
    config.device.id.raw[0] = 2;
    link->client = kith_client_new(&config);
    assert_non_null(link->client);
    kith_client_token(link->client, now, kith_slice_str("token"));
    kith_client_start(link->client, now);
    run(link);
    kith_client_tick(link->client, now);
    run(link);
    say(link, "CONNECTED\nversion:1.2\n\n");
}

static void event(struct link *link, unsigned seq, const char *type, const char *encrypted, const char *body)
{
    char frame[512];

    (void)snprintf(frame, sizeof frame,
                   "MESSAGE\nsubscription:inbox\nmessage-id:%u\nack:%u\ndestination:/chat/" CHAT
                   "\nseq:%u\ntype:%s\nencrypted:%s\ncontent-type:text/plain\n\n%s",
                   seq, seq, seq, type, encrypted, body);
    say(link, frame);
}

static void test_client_lying_server__what_is_said_in_the_open_is_not_shown_where_all_is_sealed(void **state)
{
    struct link link;

    (void)state;
    link_open(&link, 8);
    event(&link, 1, "created", "true", "{}");
    event(&link, 2, "message", "false", "believe me");
    assert_int_equal(link.shown, 2);
    assert_int_equal(link.last.unreadable, KITH_E_DENIED);
    assert_false(link.last.has_body);
    assert_int_equal(link.text_bytes, 0);
    kith_client_free(link.client);
}

static void test_client_lying_server__a_chat_that_was_never_encrypted_is_shown(void **state)
{
    struct link link;

    (void)state;
    link_open(&link, 8);
    event(&link, 1, "created", "false", "{}");
    event(&link, 2, "message", "false", "hello");
    assert_int_equal(link.last.unreadable, KITH_OK);
    assert_int_equal(link.text_bytes, 5);
    kith_client_free(link.client);
}

static void test_client_lying_server__nothing_goes_out_in_the_open(void **state)
{
    struct kith_send send = {
        .encrypted = false, .content_type = kith_slice_str("text/plain"), .body = kith_slice_str("a secret")};
    struct link link;
    struct msg_id id;

    (void)state;
    link_open(&link, 8);
    assert_int_equal(kith_uuid_parse(kith_slice_str(CHAT), &send.chat.id), KITH_OK);
    event(&link, 1, "created", "true", "{}");
    assert_int_equal(kith_client_send(link.client, now, &send, &id), KITH_OK);
    run(&link);
    assert_int_equal(link.sends_with_text, 0);
    assert_int_equal(kith_client_outbox_count(link.client), 1); /* it waits for keys */
    kith_client_free(link.client);
}

/* The client learns that the chat is encrypted while one message is on the wire and another waits for its turn. */
static void test_client_lying_server__what_waited_before_does_not_go_out_in_the_open_either(void **state)
{
    struct kith_send send = {
        .encrypted = false, .content_type = kith_slice_str("text/plain"), .body = kith_slice_str("a secret")};
    char receipt[128], text[KITH_UUID_TEXT_LEN + 1];
    struct msg_id first, second;
    struct link link;

    (void)state;
    link_open(&link, 1);
    assert_int_equal(kith_uuid_parse(kith_slice_str(CHAT), &send.chat.id), KITH_OK);
    assert_int_equal(kith_client_send(link.client, now, &send, &first), KITH_OK);
    assert_int_equal(kith_client_send(link.client, now, &send, &second), KITH_OK);
    run(&link);
    assert_int_equal(link.sends_with_text, 1);
    event(&link, 1, "created", "true", "{}");
    kith_uuid_format(first.id, text);
    (void)snprintf(receipt, sizeof receipt, "RECEIPT\nreceipt-id:%s\nmessage-id:%s\nseq:2\n\n", text, text);
    say(&link, receipt);
    assert_int_equal(kith_client_outbox_count(link.client), 1);
    assert_int_equal(link.sends_with_text, 1);
    kith_client_free(link.client);
}

static void test_client_lying_server__what_was_refused_is_not_tried_again_in_the_open(void **state)
{
    struct kith_send send = {
        .encrypted = false, .content_type = kith_slice_str("text/plain"), .body = kith_slice_str("a secret")};
    char refusal[160], text[KITH_UUID_TEXT_LEN + 1];
    struct msg_id first, again;
    struct link link;

    (void)state;
    link_open(&link, 1);
    assert_int_equal(kith_uuid_parse(kith_slice_str(CHAT), &send.chat.id), KITH_OK);
    assert_int_equal(kith_client_send(link.client, now, &send, &first), KITH_OK);
    run(&link);
    kith_uuid_format(first.id, text);
    (void)snprintf(refusal, sizeof refusal,
                   "MESSAGE\nsubscription:errors\nmessage-id:e1\ndestination:/errors\nclient-id:%s\ncode:FORBIDDEN\n\n",
                   text);
    say(&link, refusal);
    event(&link, 1, "created", "true", "{}");
    assert_int_equal(kith_client_outbox_retry(link.client, now, first, &again), KITH_OK);
    assert_false(kith_uuid_eq(first.id, again.id)); /* it was refused, so it is a message of its own */
    run(&link);
    assert_int_equal(link.sends_with_text, 1);
    kith_client_free(link.client);
}

static void sealed_event(struct link *link, unsigned seq, const char *sender)
{
    char frame[512];

    (void)snprintf(frame, sizeof frame,
                   "MESSAGE\nsubscription:inbox\nmessage-id:%u\nack:%u\ndestination:/chat/" CHAT
                   "\nseq:%u\ntype:message\nencrypted:true\nsender:%s\nsender-device:" DEVICE
                   "\ncontent-type:application/vnd.kith.e2ee\n\nnot a ciphertext",
                   seq, seq, seq, sender);
    say(link, frame);
}

static void tell_members(struct link *link)
{
    struct user_id users[2] = {0};
    struct chat_id chat;

    users[0].id.raw[0] = 1; /* link_open()'s */
    assert_int_equal(kith_uuid_parse(kith_slice_str(FRIEND), &users[1].id), KITH_OK);
    assert_int_equal(kith_uuid_parse(kith_slice_str(CHAT), &chat.id), KITH_OK);
    kith_client_members(link->client, chat, users, 2);
}

static void test_client_lying_server__a_stranger_does_not_write_in_a_chat_of_two(void **state)
{
    struct link link;

    (void)state;
    link_open(&link, 8);
    tell_members(&link);
    sealed_event(&link, 1, STRANGER);
    assert_int_equal(link.shown, 1);
    assert_int_equal(link.last.unreadable, KITH_E_DENIED);
    assert_false(link.last.has_body);
    assert_int_equal(link.text_bytes, 0);
    sealed_event(&link, 2, FRIEND); /* opening it is tried */
    assert_int_equal(link.shown, 2);
    assert_int_not_equal(link.last.unreadable, KITH_E_DENIED);
    kith_client_free(link.client);
}

static void test_client_lying_server__who_is_in_the_chat_is_asked_before_anything_is_opened(void **state)
{
    struct link link;

    (void)state;
    link_open(&link, 8);
    assert_int_equal(link.fetch.kind, KITH_FETCH_KEYS);
    sealed_event(&link, 1, STRANGER);
    assert_int_equal(link.shown, 0);
    kith_client_keys(link.client,
                     &(struct kith_keys){.has_list = true, .list_seq = 1, .opk_count = 100, .kem_ot_count = 100});
    kith_client_fetched(link.client, now, true);
    run(&link);
    for (int i = 0; i < 4 && link.fetch.kind != KITH_FETCH_MEMBERS; i++) { /* the own list, the upload */
        kith_client_fetched(link.client, now, true);
        run(&link);
    }
    assert_int_equal(link.fetch.kind, KITH_FETCH_MEMBERS);
    tell_members(&link);
    kith_client_fetched(link.client, now, true);
    run(&link);
    assert_int_equal(link.shown, 1);
    assert_int_equal(link.last.unreadable, KITH_E_DENIED);
    kith_client_free(link.client);
}

/* The nil id is that of the mailbox here: no chat has it, or what a mail says could be shown as what was written in one. */
static void test_client_lying_server__no_chat_has_the_nil_id(void **state)
{
    static const char head[] = "MESSAGE\nsubscription:inbox\nmessage-id:1\nack:1\n"
                               "destination:/chat/00000000-0000-0000-0000-000000000000\nseq:1\n";
    static const char *const rest[] = {"type:created\nencrypted:false\n\n{}",
                                       "type:message\nencrypted:true\nsender:" FRIEND "\nsender-device:" DEVICE
                                       "\n\nnot a ciphertext"};
    struct link link;
    char frame[512];

    (void)state;
    link_open(&link, 8);
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(frame, sizeof frame, "%s%s", head, rest[i]);
        say(&link, frame);
        assert_int_equal(link.shown, 0);
        assert_int_equal(kith_client_applied(link.client, (struct chat_id){0}), 0);
        assert_int_equal(kith_client_connection(link.client), KITH_ONLINE);
    }
    kith_client_free(link.client);
}

/* As long as a frame may be, and longer than any device could send: it is kept like any other. */
static void test_client_lying_server__a_message_longer_than_any_is_taken(void **state)
{
    enum { BODY = 500000 };
    static char frame[BODY + 512];
    struct chat_id chat;
    struct link link;
    int head;

    (void)state;
    link_open(&link, 8);
    head = snprintf(frame, sizeof frame,
                    "MESSAGE\nsubscription:inbox\nmessage-id:1\nack:1\ndestination:/chat/" CHAT
                    "\nseq:1\ntype:message\nencrypted:true\nsender:" FRIEND "\nsender-device:" DEVICE "\n\n");
    memset(frame + head, 'x', BODY);
    frame[head + BODY] = '\0';
    kith_client_bytes(link.client, now, (uint8_t *)frame, (size_t)head + BODY + 1);
    run(&link);
    assert_int_equal(kith_client_connection(link.client), KITH_ONLINE);
    assert_int_equal(kith_uuid_parse(kith_slice_str(CHAT), &chat.id), KITH_OK);
    assert_int_equal(kith_client_applied(link.client, chat), 1);
    kith_client_free(link.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_lying_server__what_is_said_in_the_open_is_not_shown_where_all_is_sealed),
        cmocka_unit_test(test_client_lying_server__a_chat_that_was_never_encrypted_is_shown),
        cmocka_unit_test(test_client_lying_server__nothing_goes_out_in_the_open),
        cmocka_unit_test(test_client_lying_server__what_waited_before_does_not_go_out_in_the_open_either),
        cmocka_unit_test(test_client_lying_server__what_was_refused_is_not_tried_again_in_the_open),
        cmocka_unit_test(test_client_lying_server__a_stranger_does_not_write_in_a_chat_of_two),
        cmocka_unit_test(test_client_lying_server__who_is_in_the_chat_is_asked_before_anything_is_opened),
        cmocka_unit_test(test_client_lying_server__no_chat_has_the_nil_id),
        cmocka_unit_test(test_client_lying_server__a_message_longer_than_any_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
