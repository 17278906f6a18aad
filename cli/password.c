#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/cli.h"

#define SECRET_BYTES_MAX 1024

/* Where a secret comes from: a file, else a variable, else the terminal. */
struct source {
    const char *file, *variable;
    const char *none, *hint; /* said when there is no terminal either */
};

static bool too_long(const struct cli *cli)
{
    cli_error(cli, "that is longer than a password or passphrase may be (1,024 bytes)", NULL);
    return false;
}

struct line {
    char text[SECRET_BYTES_MAX + 3]; /* of the longest, one byte more, and its end */
};

static bool read_line(FILE *file, struct line *line)
{
    bool ok = file != NULL && fgets(line->text, sizeof line->text, file) != NULL;

    if (!ok) line->text[0] = '\0';
    line->text[strcspn(line->text, "\n")] = '\0';
    return ok;
}

/* Wipes the line. False: said why. */
static bool take_line(const struct cli *cli, bool ok, struct line *line, const char *none,
                      char out[static SECRET_BYTES_MAX + 1])
{
    if (!ok)
        cli_error(cli, none, NULL);
    else if (strlen(line->text) > SECRET_BYTES_MAX)
        ok = too_long(cli);
    else
        memcpy(out, line->text, strlen(line->text) + 1);
    sodium_memzero(line, sizeof *line);
    return ok;
}

static bool from_file(const struct cli *cli, const char *path, char out[static SECRET_BYTES_MAX + 1])
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    struct line line;
    bool ok = read_line(file, &line);

    if (file != NULL && !is_stdin) (void)fclose(file);
    return take_line(cli, ok, &line, "the password or passphrase file cannot be read", out);
}

static bool from_terminal(const struct cli *cli, const char *prompt, char out[static SECRET_BYTES_MAX + 1])
{
    struct termios before, quiet;
    struct line line;
    bool ok;

    if (tcgetattr(STDIN_FILENO, &before) != 0) return false;
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "%s: ", prompt);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    ok = read_line(stdin, &line);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)fputc('\n', stderr);
    return take_line(cli, ok, &line, "nothing was typed", out);
}

static bool from_terminal_twice(const struct cli *cli, const char *prompt, char out[static SECRET_BYTES_MAX + 1])
{
    char again[SECRET_BYTES_MAX + 1] = "";
    bool ok = from_terminal(cli, prompt, out) && from_terminal(cli, "The same again", again);

    if (ok && strcmp(out, again) != 0) {
        cli_error(cli, "the two differ", "Nothing was changed.");
        ok = false;
    }
    sodium_memzero(again, sizeof again);
    return ok;
}

static bool from(struct cli *cli, const struct source *source, const char *prompt, bool twice,
                 char out[static SECRET_BYTES_MAX + 1])
{
    const char *environment = getenv(source->variable);
    bool ok;

    out[0] = '\0';
    if (source->file != NULL) return from_file(cli, source->file, out);
    if (environment != NULL) {
        if (strlen(environment) > SECRET_BYTES_MAX) return too_long(cli);
        memcpy(out, environment, strlen(environment) + 1);
        return true;
    }
    if (!cli->options.interactive) {
        cli_error(cli, source->none, source->hint);
        return false;
    }
    ok = twice ? from_terminal_twice(cli, prompt, out) : from_terminal(cli, prompt, out);
    if (!ok) sodium_memzero(out, SECRET_BYTES_MAX + 1);
    return ok;
}

bool cli_password(struct cli *cli, const char *prompt, bool twice, char out[static SECRET_BYTES_MAX + 1])
{
    struct source source = {cli->options.password_file, "KITH_PASSWORD",
                            "a password is needed, and there is no terminal to ask on",
                            "Give --password-file FILE (- is standard input), or set KITH_PASSWORD."};

    return from(cli, &source, prompt, twice, out);
}

bool cli_passphrase(struct cli *cli, char out[static SECRET_BYTES_MAX + 1])
{
    struct source source = {cli->options.passphrase_file, "KITH_PASSPHRASE",
                            "what is kept here has a passphrase, and there is no terminal to ask for it on",
                            "Give --passphrase-file FILE (- is standard input), or set KITH_PASSPHRASE."};

    return from(cli, &source, "Passphrase of what is kept here", false, out);
}

bool cli_new_passphrase(struct cli *cli, char out[static SECRET_BYTES_MAX + 1])
{
    struct source source = {cli->options.new_passphrase_file, "KITH_NEW_PASSPHRASE",
                            "a new passphrase is needed, and there is no terminal to ask on",
                            "Give --new-passphrase-file FILE (- is standard input), or set KITH_NEW_PASSPHRASE."};

    if (!from(cli, &source, "The new passphrase, 8 characters or more", true, out)) return false;
    if (strlen(out) >= KITH_PASSWORD_BYTES_MIN) return true;
    sodium_memzero(out, SECRET_BYTES_MAX + 1);
    cli_error(cli, "a passphrase has 8 characters or more", "Nothing was changed.");
    return false;
}
