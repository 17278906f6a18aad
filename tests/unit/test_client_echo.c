#include "client_host.h"

/* What this device wrote and the server numbered is kept until the stream brings the number, or says that it never will. */
#define CHAT  "0198f3c2-0000-4000-8000-00000000c4a1"
#define OTHER "0198f3c2-0000-4000-8000-00000000c4a2"

static void echo_load(struct host *host, uint8_t id, const char *chat, uint64_t seq)
{
    uint8_t key[17] = {'W', id};
    struct kith_uuid uuid = host_id_of(chat);
    struct kith_buf value;

    kith_buf_init(&value, 1024);
    assert_int_equal(kith_buf_append_u8(&value, 1), KITH_OK);
    assert_int_equal(kith_buf_append(&value, kith_slice_of(uuid.raw, 16)), KITH_OK);
    assert_int_equal(kith_buf_append_u64_be(&value, seq), KITH_OK);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(kith_buf_append_u64_be(&value, i), KITH_OK);
    assert_int_equal(kith_buf_append_u32_be(&value, 10), KITH_OK);
    assert_int_equal(kith_buf_append_str(&value, "text/plain"), KITH_OK);
    assert_int_equal(kith_buf_append_u32_be(&value, 5), KITH_OK);
    assert_int_equal(kith_buf_append_str(&value, "hello"), KITH_OK);
    assert_int_equal(kith_client_load(host->client, kith_slice_of(key, sizeof key), kith_buf_peek(&value)), KITH_OK);
    kith_buf_deinit(&value);
}

static unsigned echoes(const struct host *host)
{
    unsigned count = 0;

    for (const struct outbox_entry *entry = host->client->secure.echoes; entry != NULL; entry = entry->next) count++;
    return count;
}

static void gap(struct host *host, unsigned from, unsigned to)
{
    char frame[512];

    (void)snprintf(frame, sizeof frame,
                   "MESSAGE\nsubscription:inbox\nmessage-id:%u\nack:%u\ndestination:/chat/" CHAT
                   "\ngap-from:%u\nseq:%u\ntype:gap\nencrypted:true\n\n",
                   to, to, from, to);
    host_say(host, frame);
}

static void test_client_echo__what_a_gap_took_is_not_kept_for_ever(void **state)
{
    struct host host;

    (void)state;
    host_new(&host, 1);
    for (uint8_t i = 1; i <= 5; i++) echo_load(&host, i, CHAT, i);
    echo_load(&host, 6, OTHER, 3);
    host_start(&host);
    gap(&host, 1, 1);
    assert_int_equal(echoes(&host), 5);
    gap(&host, 2, 4);
    assert_int_equal(host.shown, 2);
    assert_int_equal(echoes(&host), 2); /* number 5, and the other chat's 3 */
    assert_int_equal(host.deleted['W'], 4);
    kith_client_free(host.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_echo__what_a_gap_took_is_not_kept_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
