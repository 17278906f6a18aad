#include "client_host.h"

#include "libkith/e2ee/account_impl.h"

/* A client that knows as much as it may. */
#define BOB "04000000-0000-4000-8000-000000000000"

static struct kith_send send_of(unsigned chat)
{
    struct kith_send send = {
        .encrypted = true, .content_type = kith_slice_str("text/plain"), .body = kith_slice_str("hello")};

    kith_put_u32_be(send.chat.id.raw + 4, chat);
    return send;
}

/* Somebody new, where there is room for nobody: the message is given up, and says why. */
static void test_client_full__what_cannot_be_sealed_for_lack_of_room_is_given_up(void **state)
{
    struct e2e_account *account;
    struct kith_send send = send_of(1);
    struct kith_outbox_entry entry;
    struct user_id users[2];
    struct host host;
    struct msg_id id;
    uint8_t person[E2E_ACCOUNT_ID_BYTES] = {0xff};

    (void)state;
    host_ready(&host, 1);
    account = kith_client_account(host.client);
    for (uint32_t i = 0; account->people.count < E2E_PEOPLE_MAX; i++) {
        kith_put_u32_be(person + 4, i);
        assert_non_null(account_person_put(account, person));
    }
    users[0] = host.client->config.user;
    users[1].id = host_id_of(BOB);
    kith_client_members(host.client, send.chat, users, 2);
    assert_int_equal(kith_client_send(host.client, host.now, &send, &id), KITH_OK);
    host_run(&host);
    assert_int_equal(host.failed, 1);
    assert_int_equal(host.failed_code, CODE_DEVICE_FULL);
    assert_int_equal(kith_client_outbox_at(host.client, 0, &entry), KITH_OK);
    assert_int_equal(entry.state, KITH_OUTBOX_FAILED);
    assert_false(host.is_asked);
    kith_client_free(host.client);
}

static void fill_chats(struct kith_client *client, uint32_t count)
{
    struct chat_id chat = {0};

    for (uint32_t i = 0; client->chats.count < count; i++) {
        kith_put_u32_be(chat.id.raw + 4, i);
        assert_non_null(chat_sync_of(client, chat));
    }
}

static void created(struct host *host, const char *chat)
{
    char frame[512];

    host->seq++;
    (void)snprintf(
        frame, sizeof frame,
        "MESSAGE\nsubscription:inbox\nmessage-id:%u\nack:%u\ndestination:/chat/%s\nseq:%u\ntype:created\n\n{}",
        host->seq, host->seq, chat, host->seq);
    host_say(host, frame);
}

static void test_client_full__chats_have_a_maximum(void **state)
{
    struct kith_send send = send_of(KITH_CHATS_MAX);
    struct kith_client_stats stats;
    struct host host;
    struct msg_id id;

    (void)state;
    send.encrypted = false;
    host_ready(&host, 1);
    fill_chats(host.client, KITH_CHATS_MAX - 1);
    created(&host, "0198f3c2-0000-4000-8000-00000000c4a1"); /* the last that there is room for */
    assert_int_equal(host.client->chats.count, KITH_CHATS_MAX);
    assert_int_equal(host.shown, 1);
    assert_int_equal(kith_client_send(host.client, host.now, &send, &id), KITH_E_FULL);
    created(&host, "0198f3c2-0000-4000-8000-00000000c4a2");
    kith_client_stats(host.client, &stats);
    assert_int_equal(host.shown, 1);
    assert_int_equal(stats.acks, 1); /* of the first */
    assert_int_equal(kith_client_connection(host.client), KITH_OFFLINE);
    assert_int_equal(host.offline_code, CODE_DEVICE_FULL);
    /* In those that it knows it writes on. */
    send = send_of(1);
    assert_int_equal(kith_client_send(host.client, host.now, &send, &id), KITH_OK);
    kith_client_free(host.client);
}

static void receipt(struct host *host, struct user_id user)
{
    char frame[512], text[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(user.id, text);
    (void)snprintf(
        frame, sizeof frame,
        "MESSAGE\nsubscription:events\nmessage-id:r\ndestination:/chat/00000000-0000-4000-8000-00000000c4a1/receipts"
        "\n\n{\"user_id\":\"%s\",\"delivered_up_to\":7,\"read_up_to\":7}",
        text);
    host_say(host, frame);
}

/* Of one more nothing is shown, and nothing else suffers. */
static void test_client_full__watermarks_have_a_maximum(void **state)
{
    struct chat_id chat = {host_id_of("00000000-0000-4000-8000-00000000c4a1")};
    struct user_id user = {0};
    struct host host;

    (void)state;
    host_ready(&host, 1);
    for (uint32_t i = 0; host.client->marks.count < CLIENT_MARKS_MAX - 1; i++) {
        kith_put_u32_be(user.id.raw + 4, i + 1);
        assert_non_null(receipt_marks_of(host.client, chat, user));
    }
    user.id.raw[0] = 0xfe;
    receipt(&host, user);
    assert_int_equal(host.receipts, 1);
    user.id.raw[0] = 0xff;
    receipt(&host, user);
    assert_int_equal(host.receipts, 1);
    kith_put_u32_be(user.id.raw + 4, 1);
    user.id.raw[0] = 0;
    receipt(&host, user);
    assert_int_equal(host.receipts, 2);
    assert_int_equal(kith_client_connection(host.client), KITH_ONLINE);
    kith_client_free(host.client);
}

/* What a person does about encryption is nothing to a client that does not encrypt. */
static void test_client_full__without_encryption_nothing_is_looked_up(void **state)
{
    struct kith_client_config config = {.random = host_random_of};
    struct kith_prng prng;
    struct kith_client *client;
    struct kith_effect effect;

    (void)state;
    kith_prng_seed(&prng, 1);
    config.random_arg = &prng;
    client = kith_client_new(&config);
    assert_non_null(client);
    assert_null(kith_client_account(client));
    kith_client_acted(client, (struct kith_time){.mono_ms = 1});
    kith_client_look_up(client, (struct kith_time){.mono_ms = 1}, (struct user_id){host_id_of(BOB)});
    assert_true(kith_client_is_looked_up(client));
    assert_true(kith_client_is_settled(client));
    assert_int_equal(kith_client_next(client, &effect), KITH_E_NOTFOUND);
    kith_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_full__what_cannot_be_sealed_for_lack_of_room_is_given_up),
        cmocka_unit_test(test_client_full__chats_have_a_maximum),
        cmocka_unit_test(test_client_full__watermarks_have_a_maximum),
        cmocka_unit_test(test_client_full__without_encryption_nothing_is_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
