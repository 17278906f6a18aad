#include <locale.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/group.h"
#include "cli/store.h"
#include "loop/loop_epoll.h"
#include "net/net_shared.h"
#include "net/tls_context.h"

#define CLOSE_MS    1000
#define GIVEN_BYTES 24 /* of an option's name */

/* Where an option's value goes. A switch is a bool. */
static bool set_option(struct cli_options *to, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
        bool *on;
    } places[] = {
        {"json", NULL, &to->json},
        {"state", &to->state, NULL},
        {"server", &to->server, NULL},
        {"invite", &to->invite, NULL},
        {"password-file", &to->password_file, NULL},
        {"passphrase-file", &to->passphrase_file, NULL},
        {"new-passphrase-file", &to->new_passphrase_file, NULL},
        {"remove", NULL, &to->remove},
        {"device-name", &to->device_name, NULL},
        {"name", &to->name, NULL},
        {"group", NULL, &to->group},
        {"unencrypted", NULL, &to->unencrypted},
        {"confirm", NULL, &to->confirm},
        {"numbers", NULL, &to->numbers},
        {"new", NULL, &to->fresh},
        {"end", NULL, &to->end},
        {"role", &to->role, NULL},
        {"after", &to->after, NULL},
        {"before", &to->before, NULL},
        {"limit", &to->limit, NULL},
        {"all", NULL, &to->all},
        {"uses", &to->uses, NULL},
        {"expires", &to->expires, NULL},
        {"admin", NULL, &to->admin},
        {"timeout", &to->timeout, NULL},
        {"code", &to->code, NULL},
        {"man", NULL, &to->man},
    };

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (strcmp(places[i].name, name) != 0) continue;
        if (places[i].on != NULL) *places[i].on = true;
        if (places[i].text != NULL) *places[i].text = value;
        return true;
    }
    return false;
}

static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = list; *at != '\0'; at += strcspn(at, " ") + (at[strcspn(at, " ")] == ' '))
        if (strcspn(at, " ") == len && strncmp(at, name, len) == 0) return true;
    return false;
}

static const struct option *option_find(const char *name, size_t len)
{
    for (size_t i = 0; i < option_count; i++)
        if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0) return &options[i];
    return NULL;
}

#define NUMBER_MAX (INT64_MAX / 86400) /* also when it is days */

/* Those whose value is a number; a server or a default would take others for something that nobody meant. */
static bool is_value(const struct option *option, const char *value)
{
    uint64_t number;

    if (!is_listed("SEQ N DAYS SECONDS", option->argument)) return true;
    return kith_slice_to_u64(kith_slice_str(value), &number) == KITH_OK && number <= NUMBER_MAX;
}

/* Takes the options out of argv; everything after "--" is plain. False: said why. */
static bool parse_options(struct cli *cli, char given[static 32][GIVEN_BYTES], size_t *given_count)
{
    int kept = 0;
    bool plain = false;

    for (int i = 0; i < cli->argc; i++) {
        const char *word = cli->argv[i], *equals, *value;
        const struct option *option;
        if (plain || strncmp(word, "--", 2) != 0) {
            cli->argv[kept++] = cli->argv[i];
            continue;
        }
        if (word[2] == '\0') {
            plain = true;
            continue;
        }
        equals = strchr(word, '=');
        option = option_find(word + 2, equals == NULL ? strlen(word + 2) : (size_t)(equals - word - 2));
        if (option == NULL) {
            fprintf(stderr, "kith: there is no option '%s'; see kith help\n", word);
            return false;
        }
        value = equals == NULL ? NULL : equals + 1;
        if (option->argument != NULL && value == NULL && i + 1 < cli->argc) value = cli->argv[++i];
        if (option->argument != NULL && value == NULL) {
            fprintf(stderr, "kith: --%s needs a value: %s\n", option->name, option->argument);
            return false;
        }
        if (option->argument != NULL && !is_value(option, value)) {
            fprintf(stderr, "kith: --%s needs a number, not '%s'\n", option->name, value);
            return false;
        }
        (void)set_option(&cli->options, option->name, value);
        if (*given_count < 32) (void)snprintf(given[(*given_count)++], GIVEN_BYTES, "%s", option->name);
    }
    cli->argc = kept;
    return true;
}

static const struct command *find_command(struct cli *cli)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &commands[i];
        int words = c->verb == NULL ? 1 : 2;
        if (cli->argc < words || strcmp(cli->argv[0], c->noun) != 0) continue;
        if (c->verb != NULL && strcmp(cli->argv[1], c->verb) != 0) continue;
        cli->argc -= words;
        cli->argv += words;
        return c;
    }
    return NULL;
}

static int unknown_command(const struct cli *cli)
{
    const char *second = cli->argc > 1 ? cli->argv[1] : NULL;
    const struct command *near = command_nearest(cli->argv[0], second);

    if (near != NULL && near->verb == NULL) second = NULL; /* the second word was an argument */

    fprintf(stderr, "kith: there is no command '%s%s%s'", cli->argv[0], second == NULL ? "" : " ",
            second == NULL ? "" : second);
    if (near != NULL)
        fprintf(stderr, "; did you mean 'kith %s%s%s'?\n", near->noun, near->verb == NULL ? "" : " ",
                near->verb == NULL ? "" : near->verb);
    else
        fprintf(stderr, "; see kith help\n");
    return EXIT_USAGE;
}

static int check_use(const struct cli *cli, const struct command *command, char given[static 32][GIVEN_BYTES],
                     size_t given_count)
{
    for (size_t i = 0; i < given_count; i++) {
        if (is_listed("json state passphrase-file", given[i]) || is_listed(command->options, given[i])) continue;
        fprintf(stderr, "kith: this command takes no --%s\n", given[i]);
        command_usage(command, stderr);
        return EXIT_USAGE;
    }
    if (cli->argc >= command->argc_min && (command->argc_max < 0 || cli->argc <= command->argc_max)) return EXIT_DONE;
    command_usage(command, stderr);
    return EXIT_USAGE;
}

static bool ask_passphrase(void *arg, char out[static 1025])
{
    return cli_passphrase(arg, out);
}

static bool open_state(struct cli *cli, const struct command *command, int *code)
{
    struct store_error error;

    if (cli->options.state == NULL) cli->options.state = getenv("KITH_STATE");
    if (store_open(cli->options.state, ask_passphrase, cli, &cli->store, &error) != KITH_OK) {
        if (*error.what != '\0') cli_error(cli, error.what, *error.hint == '\0' ? NULL : error.hint);
        *code = EXIT_FAILED;
        return false;
    }
    if (command->needs == NEEDS_STATE) return true;
    if (cli->options.server != NULL && command->needs == NEEDS_SERVER && *store_get(cli->store, "user_id") == '\0')
        store_set(cli->store, "server", cli->options.server);
    if (command->needs == NEEDS_ACCOUNT && *store_get(cli->store, "user_id") == '\0') {
        cli_error(cli, "nobody is signed in here",
                  "kith account register --server URL --invite CODE NAME, or kith account login");
        *code = EXIT_NO_ACCOUNT;
        return false;
    }
    if (*store_get(cli->store, "server") == '\0') {
        cli_error(cli, "which server?", "Give --server URL once; it is remembered.");
        *code = EXIT_USAGE;
        return false;
    }
    return true;
}

static bool open_net(struct cli *cli)
{
    char error[256] = "";

    if (loop_epoll_open(&cli->loop) != KITH_OK || net_shared_open(cli->loop, 0, 30000, &cli->net) != KITH_OK) {
        cli_error(cli, "out of memory or file descriptors", NULL);
        return false;
    }
    if (tls_context_open_client(getenv("KITH_CA_FILE"), error, &cli->tls) == KITH_OK) return true;
    cli_error(cli, error, NULL);
    return false;
}

static void net_closed(void *arg)
{
    *(bool *)arg = true;
}

/** Closes what is still open, and what the kernel does not let go in time it may keep. */
static bool close_net(struct cli *cli)
{
    uint64_t end = cli_now_ms() + CLOSE_MS;
    bool closed = cli->net == NULL;

    if (!closed) net_shared_close(cli->net, net_closed, &closed);
    while (!closed && cli_now_ms() < end) loop_epoll_once(cli->loop, 10);
    return closed;
}

static void close_all(struct cli *cli)
{
    store_close(cli->store);
    if (!close_net(cli)) return; /* the process ends now: with it go the loop and what hangs on it */
    tls_context_free(cli->tls);
    loop_epoll_close(cli->loop);
}

int main(int argc, char **argv)
{
    struct cli cli = {.argc = argc - 1, .argv = argv + 1};
    const struct command *command;
    char given[32][GIVEN_BYTES];
    size_t given_count = 0;
    int code = EXIT_FAILED;

    (void)setlocale(LC_ALL, "");
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0}); /* a core file would hold the keys, in a folder of anybody's */
    if (sodium_init() < 0) return EXIT_FAILED;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return cmd_help((cli.argc = 0, &cli));
    if (argc == 2 && strcmp(argv[1], "--version") == 0) return cmd_version(&cli);
    if (argc > 2 && strcmp(argv[argc - 1], "--help") == 0) {
        cli.argc--;
        command = find_command(&cli);
        if (command == NULL) return unknown_command(&cli);
        command_usage(command, stdout);
        return EXIT_DONE;
    }
    if (!parse_options(&cli, given, &given_count)) return EXIT_USAGE;
    cli.options.interactive = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    cli.options.color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    if (cli.argc == 0) return cmd_help(&cli);
    command = find_command(&cli);
    if (command == NULL) return unknown_command(&cli);
    code = check_use(&cli, command, given, given_count);
    if (code != EXIT_DONE) return code;
    if (command->needs != NEEDS_NOTHING && (!open_state(&cli, command, &code) || !open_net(&cli))) {
        close_all(&cli);
        return code == EXIT_DONE ? EXIT_FAILED : code;
    }
    code = command->run(&cli);
    if (command->needs == NEEDS_ACCOUNT && code == EXIT_DONE) online_flush(&cli);
    if (command->needs == NEEDS_ACCOUNT) group_close_due(&cli);
    close_all(&cli);
    return code;
}
