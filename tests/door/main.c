#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "libkith/wasm/door.h"

/*
 * kith-door-replay FILE...: the calls that a host made through the door of the WebAssembly module, made again here, natively, with the
 * same coins: every answer must be the same to the byte. Of a line (web/test/trace.ts):
 *   name handle mono_ms wall_ms, then with a letter before each and in hex: i the arguments, r the coins that it drew, and the
 *   answer: o its bytes, or e the error's number in decimal
 */
#define LINE_BYTES_MAX (64u << 20)

struct coins {
    struct kith_buf bytes;
    bool is_short; /* more were drawn than there */
};

static void fill(void *arg, void *out, size_t len)
{
    struct coins *coins = arg;
    struct kith_slice left = kith_buf_peek(&coins->bytes);

    memset(out, 0, len);
    if (kith_eat_copy(&left, out, len) != KITH_OK)
        coins->is_short = true;
    else
        kith_buf_consume(&coins->bytes, len);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a word of this letter; false: it is another word. */
static bool read_hex(const char *word, char letter, struct kith_buf *out)
{
    kith_buf_deinit(out);
    kith_buf_init(out, LINE_BYTES_MAX);
    if (word == NULL || *word++ != letter) return false;
    for (; word[0] != '\0'; word += 2) {
        int high = digit(word[0]), low = high < 0 ? -1 : digit(word[1]);
        if (low < 0 || kith_buf_append_u8(out, (uint8_t)(high << 4 | low)) != KITH_OK) return false;
    }
    return true;
}

struct replay {
    struct door *door;
    struct coins coins;
    struct kith_buf in, out, expected;
};

static const char *run(struct replay *replay, const char *name, uint32_t handle, struct kith_time now,
                       const char *answer)
{
    const struct door_call *call = door_find(name);
    struct kith_slice in = kith_buf_peek(&replay->in);
    kith_err err;

    if (call == NULL) return "no such call";
    kith_buf_deinit(&replay->out);
    kith_buf_init(&replay->out, LINE_BYTES_MAX);
    replay->coins.is_short = false;
    err = door_run(replay->door, call, handle, now, in, &replay->out);
    if (replay->coins.is_short) return "it drew more coins here";
    if (kith_buf_len(&replay->coins.bytes) > 0) return "it drew fewer coins here";
    if (answer != NULL && answer[0] == 'e')
        return strtoul(answer + 1, NULL, 10) == err ? NULL : "it failed there, and not so here";
    if (err != KITH_OK) return "it failed here";
    if (!read_hex(answer, 'o', &replay->expected)) return "no answer is in the line";
    return kith_slice_eq(kith_buf_peek(&replay->expected), kith_buf_peek(&replay->out)) ? NULL : "another answer";
}

/* NULL: the same. */
static const char *run_line(struct replay *replay, char *line)
{
    char *words[7] = {0}, *rest = NULL;
    struct kith_time now;

    for (size_t i = 0; i < 7; i++) {
        words[i] = strtok_r(i == 0 ? line : NULL, " \n", &rest);
        if (words[i] == NULL) return "not a line of a trace";
    }
    if (!read_hex(words[4], 'i', &replay->in)) return "no arguments are in the line";
    if (!read_hex(words[5], 'r', &replay->coins.bytes)) return "no coins are in the line";
    now = (struct kith_time){.mono_ms = strtoull(words[2], NULL, 10), .wall_ms = strtoull(words[3], NULL, 10)};
    return run(replay, words[0], (uint32_t)strtoul(words[1], NULL, 10), now, words[6]);
}

static bool run_file(const char *path, size_t *count)
{
    struct replay replay = {0};
    struct e2e_random random = {.fill = fill, .arg = &replay.coins};
    FILE *file = fopen(path, "re");
    const char *what = file == NULL ? "cannot be read" : NULL;
    char *line = NULL;
    size_t room = 0, number = 0;

    replay.door = door_new(&random);
    while (what == NULL && replay.door != NULL && getline(&line, &room, file) > 0) {
        number++;
        what = run_line(&replay, line);
    }
    if (what != NULL) fprintf(stderr, "%s:%zu: %s: %s\n", path, number, line == NULL ? "" : line, what);
    *count += number;
    door_free(replay.door);
    kith_buf_deinit(&replay.coins.bytes);
    kith_buf_deinit(&replay.in);
    kith_buf_deinit(&replay.out);
    kith_buf_deinit(&replay.expected);
    free(line);
    if (file != NULL) (void)fclose(file);
    return what == NULL;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    bool same = argc > 1;

    for (int i = 1; i < argc; i++) same = run_file(argv[i], &count) && same;
    printf("%zu calls in %d files, %s\n", count, argc - 1, same ? "each with the same answer" : "not all alike");
    return same && count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
