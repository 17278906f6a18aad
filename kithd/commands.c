#include "kithd/commands.h"

#include <stdio.h>

#include "kithd/server.h"

static int cmd_serve(const struct config *config, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return server_run(config);
}

static int cmd_version(const struct config *config, int argc, char **argv)
{
    (void)config;
    (void)argc;
    (void)argv;
    printf("kithd %s\n", KITH_VERSION);
    return 0;
}

static int cmd_help(const struct config *config, int argc, char **argv);

static const struct command {
    const char *noun, *verb; /* verb NULL: a command of one word */
    const char *own_flag;
    bool takes_words;
    int (*run)(const struct config *config, int argc, char **argv);
    const char *help;
} commands[] = {
    {"serve", NULL, NULL, false, cmd_serve, "start the server (also without any command)"},
    {"config", "check", NULL, false, cmd_config_check, "check the configuration and say what is wrong"},
    {"config", "show", "--origin", true, cmd_config_show,
     "print the configuration in force; --origin: and where each value comes from"},
    {"config", "defaults", NULL, false, cmd_config_defaults, "print a commented file of all defaults"},
    {"log", "verify", NULL, false, cmd_log_verify, "read the whole command log and check every record"},
    {"log", "replay", "--from", true, cmd_log_replay, "print the log's commands as JSON lines; --from POSITION"},
    {"admin", "create", NULL, true, cmd_admin_create, "make an administrator; NAME, password from standard input"},
    {"version", NULL, NULL, false, cmd_version, "print the version"},
    {"help", NULL, NULL, false, cmd_help, "print this"},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static int cmd_help(const struct config *config, int argc, char **argv)
{
    (void)config;
    (void)argc;
    (void)argv;
    printf("kithd: the Kith chat server\n\n  kithd [COMMAND] [--config FILE] [--KEY VALUE …]\n\nCommands:\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s %s", commands[i].noun, commands[i].verb == NULL ? "" : commands[i].verb);
        printf("  %-16s %s\n", name, commands[i].help);
    }
    printf("\nKeys: kithd config defaults. Each is also an environment variable KITH_… and a line of the file.\n");
    return 0;
}

static const struct command *command_find(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        *words = commands[i].verb == NULL ? 1 : 2;
        if (argc < *words || strcmp(argv[0], commands[i].noun) != 0) continue;
        if (commands[i].verb != NULL && strcmp(argv[1], commands[i].verb) != 0) continue;
        return &commands[i];
    }
    return NULL;
}

static void refuse_word(const struct command *command, const char *word)
{
    fprintf(stderr, "kithd: %s%s%s takes no argument '%s'; see kithd help\n", command->noun,
            command->verb == NULL ? "" : " ", command->verb == NULL ? "" : command->verb, word);
}

int command_run(int argc, char **argv)
{
    struct config config;
    struct kith_buf message;
    const struct command *command;
    int words = 0, code = 2;

    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) return cmd_help(NULL, 0, NULL);
    if (argc > 0 && strcmp(argv[0], "--version") == 0) return cmd_version(NULL, 0, NULL);
    kith_buf_init(&message, 16 * 1024);
    if (argc == 0 || strncmp(argv[0], "--", 2) == 0) {
        command = &commands[0];
        words = 0;
    } else {
        command = command_find(argc, argv, &words);
    }
    if (command == NULL) {
        fprintf(stderr, "kithd: there is no command '%s%s%s'; see kithd help\n", argv[0], argc > 1 ? " " : "",
                argc > 1 ? argv[1] : "");
    } else {
        argc -= words;
        if (config_load(&config, &argc, argv + words, command->own_flag, &message) != KITH_OK) {
            fprintf(stderr, "kithd: %.*s\n", (int)kith_buf_len(&message), (const char *)kith_buf_peek(&message).ptr);
        } else {
            if (argc > 0 && !command->takes_words)
                refuse_word(command, argv[words]);
            else
                code = command->run(&config, argc, argv + words);
            config_free(&config);
        }
    }
    kith_buf_deinit(&message);
    return code;
}
