#include "cli/commands.h"

void command_usage(const struct command *command, FILE *to)
{
    fprintf(to, "usage: kith %s%s%s%s%s", command->noun, command->verb == NULL ? "" : " ",
            command->verb == NULL ? "" : command->verb, *command->arguments == '\0' ? "" : " ", command->arguments);
    for (const char *at = command->options; *at != '\0';) {
        size_t len = strcspn(at, " ");
        for (size_t i = 0; i < option_count; i++) {
            if (strlen(options[i].name) != len || strncmp(options[i].name, at, len) != 0) continue;
            fprintf(to, " [--%s%s%s]", options[i].name, options[i].argument == NULL ? "" : " ",
                    options[i].argument == NULL ? "" : options[i].argument);
        }
        at += len + (at[len] == ' ');
    }
    fprintf(to, "\n       %s\n", command->help);
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

/* Edits between two short words (Wagner and Fischer), one row at a time. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > 62 || b_len > 62) return 63;
    for (unsigned j = 0; j <= b_len; j++) row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned up = row[j];
            row[j] = min3(diagonal + (a[i - 1] != b[j - 1]), row[j] + 1, row[j - 1] + 1);
            diagonal = up;
        }
    }
    return row[b_len];
}

const struct command *command_nearest(const char *first, const char *second)
{
    const struct command *best = NULL;
    unsigned least = 4;

    for (size_t i = 0; i < command_count; i++) {
        unsigned d = distance(first, commands[i].noun);
        if (commands[i].verb != NULL) d += second == NULL ? 1 : distance(second, commands[i].verb);
        if (d >= least) continue;
        least = d;
        best = &commands[i];
    }
    return best;
}

static void print_short(void)
{
    printf("kith: chat from the command line\n\n");
    for (size_t i = 0; i < command_count; i++) {
        char words[48];
        (void)snprintf(words, sizeof words, "%s %s%s%s", commands[i].noun,
                       commands[i].verb == NULL ? "" : commands[i].verb, commands[i].verb == NULL ? "" : " ",
                       commands[i].arguments);
        printf("  %-28s %.49s\n", words, commands[i].help);
    }
    printf("\nEvery command takes --state DIR and --passphrase-file FILE, and all but chat open, completion and help "
           "--json.\n"
           "More: kith help COMMAND, kith help --man\n");
}

static void print_man(void)
{
    printf(".TH KITH 1\n.SH NAME\nkith \\- chat from the command line\n.SH SYNOPSIS\n.B kith\n.I command\n[options]\n"
           ".SH COMMANDS\n");
    for (size_t i = 0; i < command_count; i++)
        printf(".TP\n.B %s %s\n.I %s\n.br\n%s.\n", commands[i].noun, commands[i].verb == NULL ? "" : commands[i].verb,
               commands[i].arguments, commands[i].help);
    printf(".SH OPTIONS\n");
    for (size_t i = 0; i < option_count; i++)
        printf(".TP\n.B \\-\\-%s\n.I %s\n.br\n%s.\n", options[i].name,
               options[i].argument == NULL ? "" : options[i].argument, options[i].help);
    printf(
        ".SH EXIT STATUS\n.TP\n.B 0\ndone\n.TP\n.B 1\nsomething went wrong here\n.TP\n.B 2\nthe command was not "
        "understood\n"
        ".TP\n.B 3\nthe server said no\n.TP\n.B 4\nnobody is signed in here\n.TP\n.B 69\nthe server cannot be reached\n"
        ".TP\n.B 75\nwritten down; the next kith that reaches the server delivers it\n"
        ".SH ENVIRONMENT\nKITH_STATE, KITH_PASSWORD, KITH_PASSPHRASE, KITH_NEW_PASSPHRASE, KITH_CA_FILE (certificates "
        "to "
        "trust), NO_COLOR, XDG_DATA_HOME\n"
        ".SH FILES\nThe state folder holds state.sqlite, key and lock. All of the first is encrypted with the second, "
        "which kith account passphrase protects. Without the key nothing of it can be read: keep a copy of both or of "
        "none, and never use two copies of a folder.\n");
}

int cmd_help(struct cli *cli)
{
    if (cli->options.man) {
        print_man();
        return EXIT_DONE;
    }
    for (size_t i = 0; cli->argc > 0 && i < command_count; i++) {
        if (strcmp(commands[i].noun, cli->argv[0]) != 0) continue;
        if (cli->argc > 1 && (commands[i].verb == NULL || strcmp(commands[i].verb, cli->argv[1]) != 0)) continue;
        command_usage(&commands[i], stdout);
    }
    if (cli->argc == 0) print_short();
    return EXIT_DONE;
}

int cmd_completion(struct cli *cli)
{
    if (strcmp(cli->argv[0], "bash") != 0) {
        cli_error(cli, "completion is there for bash", NULL);
        return EXIT_USAGE;
    }
    printf("_kith() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words\n  case $COMP_CWORD:${COMP_WORDS[1]} in\n    1:*) "
           "words='");
    for (size_t i = 0; i < command_count; i++)
        if (i == 0 || strcmp(commands[i].noun, commands[i - 1].noun) != 0) printf("%s ", commands[i].noun);
    printf("' ;;\n");
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].verb == NULL) continue;
        if (i == 0 || strcmp(commands[i].noun, commands[i - 1].noun) != 0)
            printf("    2:%s) words='", commands[i].noun);
        printf("%s ", commands[i].verb);
        if (i + 1 == command_count || strcmp(commands[i].noun, commands[i + 1].noun) != 0) printf("' ;;\n");
    }
    printf("    *) words='");
    for (size_t i = 0; i < option_count; i++) printf("--%s ", options[i].name);
    printf("' ;;\n  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _kith kith\n");
    return EXIT_DONE;
}

int cmd_version(struct cli *cli)
{
    if (cli->options.json)
        cli_json(cli, json_pack("{s:s}", "version", KITH_VERSION));
    else
        printf("kith %s\n", KITH_VERSION);
    return EXIT_DONE;
}
