#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"

static bool from_file(struct cli *cli, char out[static 1025])
{
    bool is_stdin = strcmp(cli->options.password_file, "-") == 0;
    FILE *file = is_stdin ? NULL : fopen(cli->options.password_file, "re");
    bool ok = (is_stdin || file != NULL) && fgets(out, 1025, is_stdin ? stdin : file) != NULL;

    if (file != NULL) (void)fclose(file);
    if (!ok) cli_error(cli, "the password file cannot be read", NULL);
    out[strcspn(out, "\n")] = '\0';
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

bool cli_password(struct cli *cli, const char *prompt, bool twice, char out[static 1025])
{
    const char *environment = getenv("KITH_PASSWORD");
    char again[1025];
    bool same;

    out[0] = '\0';
    if (cli->options.password_file != NULL) return from_file(cli, out);
    if (environment != NULL) {
        (void)snprintf(out, 1025, "%s", environment);
        return true;
    }
    if (!cli->options.interactive) {
        cli_error(cli, "a password is needed, and there is no terminal to ask on",
                  "Give --password-file FILE (- is standard input), or set KITH_PASSWORD.");
        return false;
    }
    if (!from_terminal(prompt, out)) return false;
    if (!twice) return true;
    if (!from_terminal("The same again", again)) return false;
    same = strcmp(out, again) == 0;
    sodium_memzero(again, sizeof again);
    if (!same) cli_error(cli, "the two passwords differ", NULL);
    return same;
}
