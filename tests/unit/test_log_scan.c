/* I-D5, corruption is loud: a log on which one thing was damaged gives the same history or a clear refusal. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/log/log_folder.h"
#include "tests/unit/log_life.h"

#define ENTRIES 48

/* Every single place is tried, but in sanitized builds, where a sample must do. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EVERY 23
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EVERY 23
#endif
#endif
#ifndef EVERY
#define EVERY 1
#endif

#define SEGMENT(n) "log-00000000000" #n

/* A log of three segments and one that stands ready, closed (sealed) or killed right after its last answer (`sealed` false). */
static struct life *small_log(bool sealed)
{
    struct life *life = life_new(5);

    life->config.segment_bytes = LOG_SEGMENT_BYTES_MIN;
    life->config.step_bytes = LOG_SEGMENT_BYTES_MIN;
    assert_int_equal(life_open(life), KITH_OK);
    life_run_ms(life, 100);
    for (int i = 0; i < ENTRIES; i++) {
        life_append(life, (uint16_t)(i % LIFE_SHARDS), (uint32_t)(20 + i % 24 * 11));
        life_run_ms(life, 1);
    }
    life_run_ms(life, 50);
    assert_int_equal(life->durable, ENTRIES);
    if (sealed)
        life_close(life);
    else
        life_kill(life, false);
    assert_string_equal(sim_image_name(life->image, 3), SEGMENT(4)); /* stands ready, empty */
    assert_null(sim_image_name(life->image, 4));
    return life;
}

enum outcome { LOUD, SAME, WORSE };

/* Opens a copy of the damaged disk and replays it. */
static enum outcome outcome_of(struct life *life, const struct sim_image *damaged, struct log_text *text)
{
    struct sim_image *before = life->image;
    enum outcome outcome = LOUD;
    kith_err err;

    life->image = sim_image_clone(damaged);
    err = life_open(life);
    *text = life->text;
    if (err == KITH_OK) {
        life_run_ms(life, 50);
        life_check_complete(life);
        outcome = life->violation[0] == '\0' ? SAME : WORSE;
        life_kill(life, false);
    } else if (err != KITH_E_DAMAGED && err != KITH_E_UNSUPPORTED) {
        life_violated(life, "refused with %s", kith_err_name(err));
        outcome = WORSE;
    } else if (strstr(text->text, "byte ") == NULL && strstr(text->text, "the store ") == NULL) {
        life_violated(life, "a text without file and offset: %s", text->text);
        outcome = WORSE;
    }
    sim_image_free(life->image);
    life->image = before;
    return outcome;
}

static enum outcome must_not_be_worse(struct life *life, struct sim_image *damaged, const char *what, uint64_t at)
{
    struct log_text text;
    enum outcome outcome = outcome_of(life, damaged, &text);

    if (outcome == WORSE) fail_msg("%s at %" PRIu64 ": %s", what, at, life->violation);
    sim_image_free(damaged);
    return outcome;
}

static bool is_zero(struct kith_slice bytes, uint64_t at, size_t len)
{
    for (; len > 0 && at < bytes.len; at++, len--)
        if (bytes.ptr[at] != 0) return false;
    return true;
}

static void test_log_scan__every_flipped_bit_is_loud_or_harmless(void **state)
{
    struct life *life = small_log(true);
    size_t outcomes[3] = {0};
    const char *name;

    (void)state;
    for (size_t file = 0; (name = sim_image_name(life->image, file)) != NULL; file++) {
        struct kith_slice bytes = {0};
        assert_int_equal(sim_image_peek(life->image, name, &bytes), KITH_OK);
        for (uint64_t bit = 0; bit < bytes.len * 8; bit++) {
            struct sim_image *copy;
            /* Of the empty stretches only a sample: nothing there depends on where. */
            if (bit % (is_zero(bytes, bit / 512 * 64, 64) ? 211 : EVERY) != 0) continue;
            copy = sim_image_clone(life->image);
            assert_int_equal(sim_image_flip(copy, name, bit), KITH_OK);
            outcomes[must_not_be_worse(life, copy, name, bit)]++;
            assert_int_equal(sim_image_peek(life->image, name, &bytes), KITH_OK);
        }
    }
    assert_true(outcomes[LOUD] > 10000 / EVERY && outcomes[SAME] > 100 / EVERY);
    life_free(life);
}

static void test_log_scan__every_cut_off_file_is_loud_or_harmless(void **state)
{
    (void)state;
    for (int sealed = 0; sealed < 2; sealed++) {
        struct life *life = small_log(sealed);
        size_t outcomes[3] = {0};
        const char *name;
        for (size_t file = 0; (name = sim_image_name(life->image, file)) != NULL; file++) {
            struct kith_slice bytes = {0};
            assert_int_equal(sim_image_peek(life->image, name, &bytes), KITH_OK);
            for (uint64_t len = 0, full = bytes.len; len < full; len += len < LOG_HEADER_BYTES ? 7 : EVERY) {
                struct sim_image *copy = sim_image_clone(life->image);
                assert_int_equal(sim_image_truncate(copy, name, len), KITH_OK);
                outcomes[must_not_be_worse(life, copy, name, len)]++;
            }
        }
        assert_true(outcomes[LOUD] > 10000 / EVERY && outcomes[SAME] > 100 / EVERY);
        life_free(life);
    }
}

/* Zeros over the last batch and its seal look like a log that ends earlier: there it takes the store to notice. */
static void test_log_scan__every_zeroed_stretch_is_loud_or_harmless(void **state)
{
    static const uint8_t zeros[4096];
    struct life *life = small_log(true);
    const char *name;

    (void)state;
    life->store_has = ENTRIES;
    for (size_t file = 0; (name = sim_image_name(life->image, file)) != NULL; file++) {
        struct kith_slice bytes = {0};
        assert_int_equal(sim_image_peek(life->image, name, &bytes), KITH_OK);
        for (size_t len = 8; len <= sizeof zeros; len *= 8) {
            for (uint64_t at = 0, full = bytes.len; at + len <= full; at += len) {
                struct sim_image *copy = sim_image_clone(life->image);
                assert_int_equal(sim_image_overwrite(copy, name, at, kith_slice_of(zeros, len)), KITH_OK);
                (void)must_not_be_worse(life, copy, name, at);
            }
        }
    }
    life_free(life);
}

static void test_log_scan__missing_swapped_and_stale_files_are_loud(void **state)
{
    static const char *const names[] = {SEGMENT(1), SEGMENT(2), SEGMENT(3)};
    struct life *life = small_log(true), *older = life_new(5);
    struct log_text text;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct sim_image *copy = sim_image_clone(life->image);
        assert_int_equal(sim_image_remove(copy, names[i]), KITH_OK);
        assert_int_equal(must_not_be_worse(life, copy, names[i], 0), LOUD);
        copy = sim_image_clone(life->image);
        assert_int_equal(sim_image_swap(copy, names[i], names[(i + 1) % 3]), KITH_OK);
        assert_int_equal(must_not_be_worse(life, copy, names[i], 1), LOUD);
    }
    /* The same log as it was once: a part of it, or all of it, comes from an old copy. */
    older->config = life->config;
    older->config.now_us = NULL;
    assert_int_equal(life_open(older), KITH_OK);
    life_run_ms(older, 100);
    for (int i = 0; i < 12; i++) life_append(older, 0, 40);
    life_run_ms(older, 100);
    life_close(older);
    for (int i = 0; i < 2; i++) {
        struct sim_image *copy = sim_image_clone(life->image);
        struct kith_slice bytes = {0};
        assert_int_equal(sim_image_peek(older->image, names[0], &bytes), KITH_OK);
        assert_int_equal(sim_image_overwrite(copy, names[i], 0, bytes), KITH_OK);
        assert_int_equal(must_not_be_worse(life, copy, names[i], 2), LOUD);
    }
    life->store_has = ENTRIES;
    assert_int_equal(outcome_of(life, older->image, &text), LOUD);
    assert_non_null(strstr(text.text, "the store has position 48, but the log ends at 12"));
    life_free(older);
    life_free(life);
}

/* Without a seal the last batch cannot be told from a torn one; then the cut is told, and the store notices. */
static void test_log_scan__a_torn_tail_is_cut_and_told(void **state)
{
    struct life *life = small_log(false);
    struct log_status status;
    struct kith_slice bytes = {0};
    const char *name = SEGMENT(3);
    uint64_t end;

    (void)state;
    assert_int_equal(sim_image_peek(life->image, name, &bytes), KITH_OK);
    for (end = bytes.len; bytes.ptr[end - 1] == 0; end--) continue;
    assert_int_equal(sim_image_flip(life->image, name, 8 * (end - 3)), KITH_OK);
    assert_int_equal(life_open(life), KITH_OK);
    life_run_ms(life, 50);
    log_status(life->log, &status);
    assert_int_equal(status.position_durable, ENTRIES - 1);
    assert_in_range(status.torn_bytes, 300, 400);
    life_kill(life, false);

    assert_int_equal(sim_image_peek(life->image, name, &bytes), KITH_OK);
    assert_true(is_zero(bytes, end - 100, 100)); /* nothing is left that could be taken for a record later */
    life->store_has = ENTRIES;
    assert_int_equal(life_open(life), KITH_E_DAMAGED);
    life_free(life);
}

static void test_log_scan__damage_before_the_tail_names_file_and_byte_and_what_to_do(void **state)
{
    struct life *life = small_log(false);

    (void)state;
    /* In the last segment, not in its last batch: what follows proves that it was durable. */
    assert_int_equal(sim_image_flip(life->image, SEGMENT(3), 8 * (LOG_HEADER_BYTES + LOG_MARK_BYTES + 40)), KITH_OK);
    assert_int_equal(life_open(life), KITH_E_DAMAGED);
    assert_non_null(strstr(life->text.text, SEGMENT(3) ", byte 4144: damaged"));
    assert_non_null(strstr(life->text.text, "backup"));
    assert_non_null(strstr(life->text.text, "kithd log verify"));
    life_free(life);
}

/* What a recycled file held before is no record of the segment that it becomes, whatever of it comes back. */
static void test_log_scan__records_of_a_former_life_are_no_records(void **state)
{
    struct life *life = small_log(true);
    struct sim_image *copy = sim_image_clone(life->image);
    struct kith_slice old = {0}, last = {0};
    uint64_t end;

    (void)state;
    assert_int_equal(sim_image_peek(copy, SEGMENT(1), &old), KITH_OK);
    assert_int_equal(sim_image_peek(copy, SEGMENT(3), &last), KITH_OK);
    for (end = last.len; last.ptr[end - 1] == 0; end--) continue;
    end = (end + 7) / 8 * 8;
    assert_int_equal(sim_image_overwrite(copy, SEGMENT(3), end, kith_slice_of(old.ptr + end, last.len - end)), KITH_OK);
    assert_int_equal(must_not_be_worse(life, copy, "stale records", end), SAME);
    life_free(life);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_scan__every_flipped_bit_is_loud_or_harmless),
        cmocka_unit_test(test_log_scan__every_cut_off_file_is_loud_or_harmless),
        cmocka_unit_test(test_log_scan__every_zeroed_stretch_is_loud_or_harmless),
        cmocka_unit_test(test_log_scan__missing_swapped_and_stale_files_are_loud),
        cmocka_unit_test(test_log_scan__a_torn_tail_is_cut_and_told),
        cmocka_unit_test(test_log_scan__damage_before_the_tail_names_file_and_byte_and_what_to_do),
        cmocka_unit_test(test_log_scan__records_of_a_former_life_are_no_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
