#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/cli.h"

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

static bool from_file(struct cli *cli, const char *path, char out[static 1025])
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? NULL : fopen(path, "re");
    char line[1027] = ""; /* of the longest and its end */
    bool ok = (is_stdin || file != NULL) && fgets(line, sizeof line, is_stdin ? stdin : file) != NULL;

    if (file != NULL) (void)fclose(file);
    line[strcspn(line, "\n")] = '\0';
    if (!ok)
        cli_error(cli, "the password or passphrase file cannot be read", NULL);
    else if (strlen(line) > 1024)
        ok = too_long(cli);
    else
        memcpy(out, line, strlen(line) + 1);
    sodium_memzero(line, sizeof line);
    return ok;
}

static bool from_terminal(const char *prompt, char out[static 1025])
{
    struct termios before, quiet;
    bool ok;

    if (tcgetattr(STDIN_FILENO, &before) != 0) return false;
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "%s: ", prompt);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    ok = fgets(out, 1025, stdin) != NULL;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)fputc('\n', stderr);
    out[strcspn(out, "\n")] = '\0';
    return ok;
}

static bool from(struct cli *cli, const struct source *source, const char *prompt, bool twice, char out[static 1025])
{
    const char *environment = getenv(source->variable);
    char again[1025];
    bool same;

    out[0] = '\0';
    if (source->file != NULL) return from_file(cli, source->file, out);
    if (environment != NULL) {
        if (strlen(environment) > 1024) return too_long(cli);
        memcpy(out, environment, strlen(environment) + 1);
        return true;
    }
    if (!cli->options.interactive) {
        cli_error(cli, source->none, source->hint);
        return false;
    }
    if (!from_terminal(prompt, out)) return false;
    if (!twice) return true;
    if (!from_terminal("The same again", again)) return false;
    same = strcmp(out, again) == 0;
    sodium_memzero(again, sizeof again);
    if (!same) cli_error(cli, "the two differ", "Nothing was changed.");
    return same;
}

bool cli_password(struct cli *cli, const char *prompt, bool twice, char out[static 1025])
{
    struct source source = {cli->options.password_file, "KITH_PASSWORD",
                            "a password is needed, and there is no terminal to ask on",
                            "Give --password-file FILE (- is standard input), or set KITH_PASSWORD."};

    return from(cli, &source, prompt, twice, out);
}

bool cli_passphrase(struct cli *cli, char out[static 1025])
{
    struct source source = {cli->options.passphrase_file, "KITH_PASSPHRASE",
                            "what is kept here has a passphrase, and there is no terminal to ask for it on",
                            "Give --passphrase-file FILE (- is standard input), or set KITH_PASSPHRASE."};

    return from(cli, &source, "Passphrase of what is kept here", false, out);
}

bool cli_new_passphrase(struct cli *cli, char out[static 1025])
{
    struct source source = {cli->options.new_passphrase_file, "KITH_NEW_PASSPHRASE",
                            "a new passphrase is needed, and there is no terminal to ask on",
                            "Give --new-passphrase-file FILE (- is standard input), or set KITH_NEW_PASSPHRASE."};

    if (!from(cli, &source, "The new passphrase, 8 characters or more", true, out)) return false;
    if (strlen(out) >= KITH_PASSWORD_BYTES_MIN) return true;
    cli_error(cli, "a passphrase has 8 characters or more", "Nothing was changed.");
    return false;
}
