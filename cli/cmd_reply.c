#include <stdlib.h>

#include "cli/commands.h"
#include "cli/history.h"
#include "cli/store.h"

/* What refers to a message: by its number, as `kith history --numbers` shows it. Only where the chat is encrypted. */

static bool find_meant(struct cli *cli, struct chat_id *chat, struct kith_content *content)
{
    struct history history;
    const struct history_entry *meant;
    uint64_t seq = 0;
    bool ok = false;

    if (!cli_chat_find(cli, cli->argv[0], chat)) return false;
    if (!cli_chat_is_encrypted(cli, *chat)) {
        cli_error(cli, "this chat is not encrypted", "Replies, reactions and edits are for encrypted chats.");
        return false;
    }
    if (kith_slice_to_u64(kith_slice_str(cli->argv[1]), &seq) != KITH_OK || seq == 0) {
        cli_error(cli, "that is not a message's number", "They are shown by: kith history CHAT --numbers");
        return false;
    }
    if (!history_load(cli, *chat, seq - 1, seq + 1, 1, &history)) return false;
    if (history.count == 0) { /* it may have come meanwhile */
        history_free(&history);
        if (history_take_in(cli, *chat) != EXIT_DONE || !history_load(cli, *chat, seq - 1, seq + 1, 1, &history))
            return false;
    }
    meant = history_find(&history, seq);
    if (meant == NULL || !meant->has_text || meant->is_deleted) {
        cli_error(cli, "there is no such message here", "They are shown by: kith history CHAT --numbers");
    } else {
        content->author = meant->sender;
        content->id = meant->id;
        ok = true;
    }
    history_free(&history);
    return ok;
}

static bool is_mine(struct cli *cli, const struct kith_content *content)
{
    char id[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(content->author.id, id);
    if (strcmp(id, store_get(cli->store, "user_id")) == 0) return true;
    cli_error(cli, "that message is not yours", "Only its author can change or delete a message.");
    return false;
}

static int send_content(struct cli *cli, enum kith_content_kind kind, bool own_only)
{
    struct kith_content content = {.kind = kind};
    struct chat_id chat;
    struct kith_buf body;
    char *text = cli_joined(cli->argc - 2, cli->argv + 2);
    int code = EXIT_REFUSED;

    kith_buf_init(&body, 256 * 1024);
    if (text != NULL && find_meant(cli, &chat, &content) && (!own_only || is_mine(cli, &content))) {
        content.text = kith_slice_str(text);
        if (kith_content_encode(&content, &body) == KITH_OK) {
            code = cli_send(cli, chat, kith_content_type(kind), kith_buf_peek(&body));
        } else {
            cli_error(cli, "that is too long",
                      kind == KITH_CONTENT_REACTION ? "A reaction has at most 64 bytes." : NULL);
            code = EXIT_USAGE;
        }
    }
    kith_buf_deinit(&body);
    free(text);
    return code;
}

int cmd_reply(struct cli *cli)
{
    return send_content(cli, KITH_CONTENT_REPLY, false);
}

int cmd_react(struct cli *cli)
{
    return send_content(cli, KITH_CONTENT_REACTION, false);
}

int cmd_edit(struct cli *cli)
{
    return send_content(cli, KITH_CONTENT_EDIT, true);
}

/* Said twice: to the devices, who believe only the author, and in clear to the server, so that its space is really freed. */
int cmd_delete(struct cli *cli)
{
    int code = send_content(cli, KITH_CONTENT_DELETE, true);
    struct cli_answer answer;
    struct chat_id chat;
    char id[KITH_UUID_TEXT_LEN + 1], path[128];

    if (code != EXIT_DONE || !cli_chat_find(cli, cli->argv[0], &chat)) return code;
    kith_uuid_format(chat.id, id);
    (void)snprintf(path, sizeof path, "/messages?chat_id=%s&seq=%.20s", id, cli->argv[1]);
    cli_rest(cli, "DELETE", path, NULL, &answer);
    cli_answer_free(&answer);
    return code;
}
