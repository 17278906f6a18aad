#include <stdio.h>

#include "kithd/commands.h"

static int print_and_free(struct kith_buf *out, kith_err err)
{
    if (err == KITH_OK) (void)fwrite(kith_buf_peek(out).ptr, 1, kith_buf_len(out), stdout);
    kith_buf_deinit(out);
    return err == KITH_OK ? 0 : 1;
}

/* Loading has checked it already: what is wrong was said, with its line, before we are called. */
int cmd_config_check(const struct config *config, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("The configuration is good%s%s.\n", config->file == NULL ? " (no file was given)" : ": ",
           config->file == NULL ? "" : config->file);
    return 0;
}

int cmd_config_show(const struct config *config, int argc, char **argv)
{
    struct kith_buf out;

    if (argc > 1 || (argc == 1 && strcmp(argv[0], "--origin") != 0)) {
        fprintf(stderr, "kithd: config show takes --origin, and no other argument '%s'\n", argv[argc - 1]);
        return 2;
    }
    kith_buf_init(&out, 64 * 1024);
    return print_and_free(&out, config_print(config, argc == 1, &out));
}

int cmd_config_defaults(const struct config *config, int argc, char **argv)
{
    struct kith_buf out;

    (void)config;
    (void)argc;
    (void)argv;
    kith_buf_init(&out, 64 * 1024);
    return print_and_free(&out, config_print_defaults(&out));
}
