#include <sodium.h>

#include "cli/commands.h"
#include "cli/store.h"

int cmd_account_passphrase(struct cli *cli)
{
    char fresh[1025] = "";
    struct store_error error;
    bool had = store_has_passphrase(cli->store), removes = cli->options.remove;
    kith_err err;

    if (!removes && !cli_new_passphrase(cli, fresh)) return EXIT_USAGE;
    err = store_set_passphrase(cli->store, removes ? NULL : fresh, &error);
    sodium_memzero(fresh, sizeof fresh);
    if (err != KITH_OK) {
        cli_error(cli, error.what, *error.hint == '\0' ? NULL : error.hint);
        return EXIT_FAILED;
    }
    if (cli->options.json)
        cli_json(cli, json_pack("{s:b}", "passphrase", !removes));
    else if (removes)
        printf("Whoever can read this folder's files can read all of it now.\n");
    else
        printf("%s. Every kith asks for it from now on; forgotten, nothing here can be read any more.\n",
               had ? "Changed" : "Set");
    return EXIT_DONE;
}
