#include "cli/keys_taken.h"

#include <inttypes.h>
#include <stdio.h>

#include "wire/json_text.h"

void keys_taken_print(const struct cli *cli, const struct e2e_account *account)
{
    const struct e2e_prekeys_taken taken = e2e_account_prekeys_taken(account, cli_wall_ms());
    char exact[KITH_TIME_TEXT_LEN + 1], since[32];

    if (!taken.is_alarm) return;
    kith_time_format(taken.since_ms, exact);
    cli_time(exact, since);
    printf(
        "%sWARNING%s: %" PRIu32
        " one-time keys of this device were taken since %s, and nobody wrote with them. Somebody may be emptying them. "
        "You can still be written to; what begins meanwhile is weaker until you answer it.\n",
        cli_bold(cli), cli_plain(cli), taken.count, since);
}

json_t *keys_taken_json(const struct e2e_account *account)
{
    const struct e2e_prekeys_taken taken = e2e_account_prekeys_taken(account, cli_wall_ms());
    char since[KITH_TIME_TEXT_LEN + 1];

    kith_time_format(taken.since_ms, since);
    return json_pack("{s:I, s:o, s:b}", "count", (json_int_t)taken.count, "since",
                     taken.since_ms == 0 ? json_null() : json_string(since), "alarm", (int)taken.is_alarm);
}
