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
        cmocka_unit_test(test_client_full__without_encryption_nothing_is_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
