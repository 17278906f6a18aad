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
    assert_int_equal(kith_buf_append_u8(&value, 2), KITH_OK);
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

/* As version 1 had it, with `numbers` of each record, which say less than those of today. */
static struct kith_buf old_record(const char *chat, struct kith_slice head, uint64_t numbers, unsigned texts)
{
    struct kith_uuid uuid = host_id_of(chat);
    struct kith_buf value;

    kith_buf_init(&value, 1024);
    assert_int_equal(kith_buf_append_u8(&value, 1), KITH_OK);
    assert_int_equal(kith_buf_append(&value, kith_slice_of(uuid.raw, 16)), KITH_OK);
    assert_int_equal(kith_buf_append(&value, head), KITH_OK);
    for (uint64_t i = 1; i <= numbers; i++) assert_int_equal(kith_buf_append_u64_be(&value, i), KITH_OK);
    for (unsigned i = 0; i < texts; i++) {
        assert_int_equal(kith_buf_append_u32_be(&value, 4), KITH_OK);
        assert_int_equal(kith_buf_append_str(&value, "text"), KITH_OK);
    }
    return value;
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

/* What an older build left behind says nothing of when it was encrypted: it is read, and given again to nobody. */
static void test_client_echo__records_of_an_older_build_are_read(void **state)
{
    uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES] = {'W', 1}, head[19] = {0}, rest[49] = {[48] = 1 | 2 | 4 | 64};
    struct chat_id chat = {host_id_of(CHAT)};
    struct kith_outbox_entry entry;
    struct kith_message message;
    struct kith_buf value, whole;
    struct host host;

    (void)state;
    host_new(&host, 1);
    value = old_record(CHAT, (struct kith_slice){0}, 1, 2);
    assert_int_equal(kith_client_load(host.client, kith_slice_of(key, 17), kith_buf_peek(&value)), KITH_OK);
    kith_buf_deinit(&value);
    assert_int_equal(echoes(&host), 1);
    assert_int_equal(host.client->secure.echoes->echo_seq, 1);
    assert_int_equal(host.client->secure.echoes->sealed_mark, 0);
    assert_int_equal(host.client->secure.echoes->body_len, 4);
    /* Of the outbox: id, chat, state, code, flags, two times, three texts. */
    memcpy(head, chat.id.raw, sizeof chat.id.raw);
    head[16] = KITH_OUTBOX_QUEUED;
    head[18] = 2;
    value = old_record(OTHER, kith_slice_of(head, sizeof head), 2, 3);
    assert_int_equal(
        kith_client_load(host.client, kith_slice_of((const uint8_t[9]){'O', [8] = 2}, 9), kith_buf_peek(&value)),
        KITH_OK);
    kith_buf_deinit(&value);
    assert_int_equal(kith_client_outbox_count(host.client), 1);
    assert_int_equal(kith_client_outbox_at(host.client, 0, &entry), KITH_OK);
    assert_true(kith_uuid_eq(entry.chat.id, chat.id));
    assert_true(kith_slice_is(entry.body, "text"));
    /* Of what was shown: gap_from, id, sender, device, two times, flags, missed, three texts. */
    kith_buf_init(&whole, 1024);
    assert_int_equal(kith_buf_append_u8(&whole, 1), KITH_OK);
    assert_int_equal(kith_buf_append_u64_be(&whole, 0), KITH_OK);
    value = old_record(OTHER, kith_slice_of(rest, sizeof rest), 1, 3);
    assert_int_equal(kith_buf_append(&whole, kith_slice_of(value.ptr + 1, kith_buf_len(&value) - 1)), KITH_OK);
    kith_record_message_key(chat, 7, key);
    assert_int_equal(kith_record_message(kith_slice_of(key, sizeof key), kith_buf_peek(&whole), &message), KITH_OK);
    assert_true(message.is_open && message.has_body && message.encrypted && message.is_anew);
    assert_false(message.is_again || message.is_asked);
    assert_int_equal(message.missed, 1);
    assert_int_equal(message.sealed_mark, 0);
    assert_true(kith_slice_is(message.body, "text"));
    kith_buf_deinit(&value);
    whole.ptr[whole.head] = 3; /* of a newer one */
    assert_int_equal(kith_record_message(kith_slice_of(key, sizeof key), kith_buf_peek(&whole), &message),
                     KITH_E_MALFORMED);
    kith_buf_deinit(&whole);
    kith_client_free(host.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_echo__what_a_gap_took_is_not_kept_for_ever),
        cmocka_unit_test(test_client_echo__records_of_an_older_build_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
