#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "wire/cmd.h"

static struct cmd random_cmd(struct kith_prng *prng, uint8_t *room)
{
    struct cmd cmd = {.verb = (enum cmd_verb)kith_prng_between(prng, 1, CMD_VERBS - 1)};
    bool few = kith_prng_chance(prng, 1, 2);

    cmd.flags = (uint32_t)kith_prng_below(prng, 2 * CMD_HAS_JOIN_KEY);
    cmd.time_ms = kith_prng_next(prng) >> 20;
    cmd.origin = (struct cmd_origin){.boot = kith_prng_next(prng), .session = 1, .request = 7, .loop = 3};
    kith_prng_bytes(prng, cmd.stream.raw, 16);
    kith_prng_bytes(prng, cmd.actor.id.raw, 16);
    if (cmd.verb == CMD_SEND) {
        kith_prng_bytes(prng, cmd.id.id.raw, 16);
        if (!few) kith_prng_bytes(prng, cmd.after.id.raw, 16);
        cmd.content_type = kith_slice_str("text/plain");
        kith_prng_bytes(prng, room, 100);
        cmd.body = kith_slice_of(room, kith_prng_below(prng, 100));
        cmd.expires_ms = few ? 0 : 99;
    }
    if (cmd.verb == CMD_CURSOR || cmd.verb == CMD_READ || cmd.verb == CMD_DELETE) cmd.seq = kith_prng_below(prng, 1000);
    if (cmd.verb == CMD_MEMBER_ADD || cmd.verb == CMD_MEMBER_ROLE) {
        kith_prng_bytes(prng, cmd.subject.id.raw, 16);
        cmd.role = ROLE_ADMIN;
    }
    if (cmd.verb == CMD_CHAT_UPDATE || cmd.verb == CMD_MEMBER_ASK) {
        cmd.value = few ? 0 : kith_prng_next(prng);
        kith_prng_bytes(prng, room, 100);
        cmd.body = kith_slice_of(room, kith_prng_below(prng, 100));
    }
    return cmd;
}

static void test_cmd__what_is_encoded_is_decoded_and_encodes_to_the_same_bytes(void **state)
{
    struct kith_prng prng;

    (void)state;
    kith_prng_seed(&prng, 1);
    for (int i = 0; i < 20000; i++) {
        uint8_t room[100], first[1024], second[1024];
        struct cmd cmd = random_cmd(&prng, room), back = {0};
        size_t len = cmd_size(&cmd);
        cmd_encode(&cmd, first);
        assert_int_equal(cmd_decode(kith_slice_of(first, len), &back), KITH_OK);
        assert_int_equal(cmd_size(&back), len);
        cmd_encode(&back, second);
        assert_memory_equal(first, second, len);
    }
}

static void test_cmd__refuses_every_prefix_and_anything_longer(void **state)
{
    struct kith_prng prng;

    (void)state;
    kith_prng_seed(&prng, 2);
    for (int i = 0; i < 200; i++) {
        uint8_t room[100], bytes[1024] = {0};
        struct cmd cmd = random_cmd(&prng, room), back = {0};
        size_t len = cmd_size(&cmd);
        cmd_encode(&cmd, bytes);
        for (size_t cut = 0; cut < len; cut++)
            assert_int_not_equal(cmd_decode(kith_slice_of(bytes, cut), &back), KITH_OK);
        assert_int_equal(cmd_decode(kith_slice_of(bytes, len + 1), &back), KITH_E_MALFORMED);
    }
}

/* One command has one encoding: a field that is there but empty, or that the verb does not take, is refused. */
static void test_cmd__refuses_fields_that_do_not_belong(void **state)
{
    struct cmd cmd = {.verb = CMD_CURSOR, .seq = 9}, back = {0};
    uint8_t bytes[256];
    size_t len = cmd_size(&cmd);

    (void)state;
    cmd_encode(&cmd, bytes);
    assert_int_equal(cmd_decode(kith_slice_of(bytes, len), &back), KITH_OK);
    bytes[len - 1] = 0; /* seq 0 must be absent */
    assert_int_equal(cmd_decode(kith_slice_of(bytes, len), &back), KITH_E_MALFORMED);
    bytes[len - 1] = 9;
    bytes[1] = CMD_ACCEPT; /* takes no seq */
    assert_int_equal(cmd_decode(kith_slice_of(bytes, len), &back), KITH_E_MALFORMED);
    bytes[1] = CMD_MEMBER_ASK; /* names nobody's number either */
    assert_int_equal(cmd_decode(kith_slice_of(bytes, len), &back), KITH_E_MALFORMED);
    bytes[1] = CMD_VERBS;
    assert_int_equal(cmd_decode(kith_slice_of(bytes, len), &back), KITH_E_MALFORMED);
    bytes[1] = CMD_CURSOR;
    bytes[0]++; /* another version */
    assert_int_equal(cmd_decode(kith_slice_of(bytes, len), &back), KITH_E_MALFORMED);
}

static void test_cmd_shard__is_in_range_and_spreads(void **state)
{
    unsigned hits[KITH_SHARDS] = {0};
    struct kith_prng prng;

    (void)state;
    kith_prng_seed(&prng, 3);
    for (int i = 0; i < 64000; i++) {
        struct kith_uuid id;
        kith_prng_bytes(&prng, id.raw, 16);
        assert_true(cmd_shard(id) < KITH_SHARDS);
        hits[cmd_shard(id)]++;
    }
    for (int i = 0; i < KITH_SHARDS; i++) assert_in_range(hits[i], 800, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmd__what_is_encoded_is_decoded_and_encodes_to_the_same_bytes),
        cmocka_unit_test(test_cmd__refuses_every_prefix_and_anything_longer),
        cmocka_unit_test(test_cmd__refuses_fields_that_do_not_belong),
        cmocka_unit_test(test_cmd_shard__is_in_range_and_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
