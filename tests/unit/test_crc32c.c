#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/prng.h"

/* RFC 3720, B.4; the results are printed there as bytes on the wire, least significant first. */
static void test_crc32c__gives_the_values_of_rfc_3720(void **state)
{
    static const uint8_t read_command[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
        0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

    (void)state;
    for (int i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    uint32_t (*const both[])(uint32_t, const void *, size_t) = {kith_crc32c, kith_crc32c_table};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(both[i](0, zeros, 32), 0x8a9136aa);
        assert_int_equal(both[i](0, ones, 32), 0x62a8ab43);
        assert_int_equal(both[i](0, up, 32), 0x46dd794e);
        assert_int_equal(both[i](0, down, 32), 0x113fdb5c);
        assert_int_equal(both[i](0, read_command, 48), 0xd9963a56);
        assert_int_equal(both[i](0, "123456789", 9), 0xe3069283);
        assert_int_equal(both[i](0, "", 0), 0);
    }
}

static void test_crc32c__both_ways_agree_at_every_length_alignment_and_split(void **state)
{
    struct kith_prng prng;
    uint8_t bytes[300];

    (void)state;
    kith_prng_seed(&prng, 1);
    kith_prng_bytes(&prng, bytes, sizeof bytes);
    for (size_t at = 0; at < 9; at++) {
        for (size_t len = 0; at + len <= sizeof bytes; len++) {
            uint32_t whole = kith_crc32c(0, bytes + at, len);
            size_t split = kith_prng_below(&prng, len + 1);
            assert_int_equal(whole, kith_crc32c_table(0, bytes + at, len));
            assert_int_equal(whole,
                             kith_crc32c(kith_crc32c_table(0, bytes + at, split), bytes + at + split, len - split));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c__gives_the_values_of_rfc_3720),
        cmocka_unit_test(test_crc32c__both_ways_agree_at_every_length_alignment_and_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
