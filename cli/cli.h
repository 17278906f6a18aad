#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>

#include "base/buf.h"
#include "base/id.h"
#include "libkith/kith.h"
#include "loop/loop.h"

/**
 * What every command of `kith` gets: the options, the state folder, and ways to ask the server. One thread, one loop.
 */

/* Exit codes, the same for every command; in the man page too. */
enum cli_exit {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,     /* something went wrong here                              */
    EXIT_USAGE = 2,      /* the command was not understood                         */
    EXIT_REFUSED = 3,    /* the server said no; the code says why                  */
    EXIT_NO_ACCOUNT = 4, /* nobody is logged in here                               */
    EXIT_AWAY = 69,      /* the server cannot be reached                           */
    EXIT_QUEUED = 75,    /* written down; the next `kith` that reaches it delivers */
};

struct cli_options {
    bool json, color, interactive;
    const char *server, *state, *invite, *password_file, *passphrase_file, *new_passphrase_file, *device_name, *name,
        *role, *after, *before, *limit, *uses, *expires, *timeout, *code;
    bool group, unencrypted, admin, man, all, confirm, numbers, remove, fresh, end;
};

struct cli;
struct store;

struct cli {
    struct cli_options options;
    int argc; /* what is left after the command's words and the options */
    char **argv;
    struct store *store;
    struct loop *loop;
    struct net_shared *net;
    struct tls_context *tls;
    bool may_close_groups; /* it was connected, and the server has the newest list of this account's devices */
};

/* ---- out.c: what a person or a program reads */
void cli_error(const struct cli *cli, const char *what, const char *hint); /* hint NULL: none */
/** One JSON object on a line, taken; with --json only. */
void cli_json(const struct cli *cli, json_t *object);
/** Says what the server's problem document says; gives EXIT_REFUSED. */
int cli_refused(const struct cli *cli, long status, const json_t *problem);
const char *cli_bold(const struct cli *cli);
const char *cli_dim(const struct cli *cli);
const char *cli_plain(const struct cli *cli);
/** "14:03" today, "Mon 14:03" within a week, else the date; local time. */
void cli_time(const char *rfc3339, char out[static 32]);
struct kith_message;
/** What a person reads of a message's content: the text, or why there is none. Lent as the message is. */
struct kith_slice cli_message_text(const struct kith_message *message);
/** Of a message with is_anew, for a person. `sender` is shown before it. */
#define CLI_ANEW_TEXT "one of their devices began a new session with this one, though it had one (see kith security)"
/** Of a message with is_again, for a person: behind it. */
#define CLI_LATE_TEXT "(came late: its device was asked for it again)"
/** What devices say to each other in a chat: nothing of it is shown. */
bool cli_is_silent(const struct kith_message *message);
/** The bytes as a C text of its own, to be freed. NULL: no memory. */
char *cli_text_of(struct kith_slice bytes);
/** A QR code for a terminal. False: too long, or no memory. */
KITH_MUST_USE bool cli_print_qr(const char *text);
/** Foreign text for a terminal: control characters become '?'. */
void cli_print_text(struct kith_slice text);

/* ---- rest.c */
struct cli_answer {
    long status;            /* 0: not reached */
    json_t *body;           /* NULL: none; owned by the answer */
    uint64_t retry_after_s; /* 0: it does not say */
    char reason[160];
};
/**
 * Asks and waits. `body` is taken, NULL: none. A token that ended is refreshed once; a question that comes too early for the
 * server is asked again when it says.
 */
void cli_rest(struct cli *cli, const char *method, const char *path, json_t *body, struct cli_answer *out);
void cli_answer_free(struct cli_answer *answer);
/** EXIT_DONE for 2xx; else says what was wrong, and gives the exit code. */
int cli_check(const struct cli *cli, const struct cli_answer *answer);
KITH_MUST_USE bool cli_refresh(struct cli *cli);

/* ---- names.c */
/** A chat by id, by the start of its id, by a group's name, or by a person's. False: said why. */
KITH_MUST_USE bool cli_chat_find(struct cli *cli, const char *text, struct chat_id *out);
/** As the server said when the chats were listed last. */
bool cli_chat_is_encrypted(struct cli *cli, struct chat_id chat);
/** A person by login name or id. False: said why. */
KITH_MUST_USE bool cli_user_find(struct cli *cli, const char *text, struct user_id *out);
/** What to call a person: display name, else the id's start. Lent until the next call. */
const char *cli_user_name(struct cli *cli, const char *user_id);
/** What to call a chat: its name, or the other person's. */
const char *cli_chat_title(struct cli *cli, const json_t *chat);
/** What an event that is no message says, for a person: "Ann added Bob". */
void cli_describe(struct cli *cli, const char *type, const char *sender, struct kith_slice content,
                  char out[static 512]);
/** Reads the list of chats from the server into the store; offline the store's copy. NULL: none of both. */
json_t *cli_chats(struct cli *cli);

/* ---- password.c */
/** From --password-file, KITH_PASSWORD, or the terminal without echo. False: said why. Wipe it. */
KITH_MUST_USE bool cli_password(struct cli *cli, const char *prompt, bool twice, char out[static 1025]);
/** The state's, from --passphrase-file, KITH_PASSPHRASE, or the terminal. */
KITH_MUST_USE bool cli_passphrase(struct cli *cli, char out[static 1025]);
/** From --new-passphrase-file, KITH_NEW_PASSPHRASE, or the terminal, twice; of KITH_PASSWORD_BYTES_MIN bytes or more. */
KITH_MUST_USE bool cli_new_passphrase(struct cli *cli, char out[static 1025]);

/* ---- online.c: a libkith client over a WebSocket */
struct online;
struct online_view { /* all may be NULL */
    void (*message)(void *arg, const struct kith_message *message);
    void (*sent)(void *arg, struct msg_id id, struct chat_id chat, uint64_t seq);
    void (*failed)(void *arg, struct msg_id id, enum kith_code code, bool is_unknown);
    void (*receipt)(void *arg, struct chat_id chat, struct user_id user, uint64_t delivered, uint64_t read);
    void (*typing)(void *arg, struct chat_id chat, struct user_id user, bool typing);
    void (*state)(void *arg, enum kith_connection connection, enum kith_code code);
    void *arg;
};
/** NULL: another kith is online with this state (it delivers what is queued), or no account. Takes queued sends. */
struct online *online_open(struct cli *cli, const struct online_view *view);
/** The client as it is kept here, to be looked at only: not started, and nothing is written. NULL: no account, or not to be read, which was said. */
struct kith_client *online_peek(struct cli *cli);
/** One turn of the loop, waiting at most wait_ms. */
void online_turn(struct online *online, int wait_ms);
/** Writes it down as `kith send` does, and sends it. */
KITH_MUST_USE kith_err online_send(struct online *online, const struct kith_send *send, struct msg_id *out);
struct kith_client *online_client(struct online *online);
/** Also carries out what the client wants after a direct call on it. */
void online_run_effects(struct online *online);
/** Turns until the client's keys are with the server and, with a chat, all up to `seq` has come; at most wait_ms. */
void online_settle(struct online *online, const struct chat_id *chat, uint64_t seq, uint64_t wait_ms);
void online_close(struct online *online);
/** What waits in the outbox goes out, if the server can be reached now: the end of every command that was online. */
void online_flush(struct cli *cli);
/* ---- cmd_message.c, cmd_history.c */
/** Writes it down, sends it, waits for the answer, says what became of it. Gives the exit code. */
int cli_send(struct cli *cli, struct chat_id chat, struct kith_slice content_type, struct kith_slice body);
/** Words as one text, to be freed. NULL: no memory. */
char *cli_joined(int argc, char **argv);
void cli_print_message(struct cli *cli, const char *chat_title, const char *sender, const char *type,
                       const char *created_at, struct kith_slice body);
/** A line of its own below a message with is_again. */
void cli_print_late(const struct cli *cli);
/** A line of its own for a message with is_anew, before what else it says. */
void cli_print_anew(struct cli *cli, const char *chat_title, const char *sender_id, const char *created_at);
uint64_t cli_now_ms(void); /* monotonic */
uint64_t cli_wall_ms(void);
struct kith_time cli_time_now(void); /* both */

#endif
