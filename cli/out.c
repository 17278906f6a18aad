#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "libkith/content.h"
#include "wire/json_text.h"

const char *cli_bold(const struct cli *cli)
{
    return cli->options.color ? "\033[1m" : "";
}

const char *cli_dim(const struct cli *cli)
{
    return cli->options.color ? "\033[2m" : "";
}

const char *cli_plain(const struct cli *cli)
{
    return cli->options.color ? "\033[0m" : "";
}

void cli_error(const struct cli *cli, const char *what, const char *hint)
{
    if (cli->options.json) {
        json_t *error = json_pack("{s:s}", "error", what);
        if (hint != NULL) json_object_set_new(error, "hint", json_string(hint));
        json_dumpf(error, stderr, JSON_COMPACT);
        (void)fputc('\n', stderr);
        json_decref(error);
        return;
    }
    fprintf(stderr, "kith: %s\n", what);
    if (hint != NULL) fprintf(stderr, "      %s\n", hint);
}

void cli_json(const struct cli *cli, json_t *object)
{
    if (cli->options.json) {
        json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        (void)fputc('\n', stdout);
        (void)fflush(stdout);
    }
    json_decref(object);
}

int cli_refused(const struct cli *cli, long status, const json_t *problem)
{
    const char *title = json_string_value(json_object_get(problem, "title"));
    const char *code = json_string_value(json_object_get(problem, "code"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));

    if (cli->options.json && problem != NULL) {
        json_dumpf(problem, stderr, JSON_COMPACT);
        (void)fputc('\n', stderr);
    } else {
        fprintf(stderr, "kith: the server said no: %s (%s, %ld)\n", title == NULL ? "no reason given" : title,
                code == NULL ? "?" : code, status);
        if (detail != NULL) fprintf(stderr, "      %s\n", detail);
        if (status == 401) fprintf(stderr, "      Log in again: kith account login NAME\n");
    }
    return status == 401 ? EXIT_NO_ACCOUNT : EXIT_REFUSED;
}

void cli_time(const char *rfc3339, char out[static 32])
{
    uint64_t ms = 0;
    time_t at, now = time(NULL);
    struct tm t, today;

    out[0] = '\0';
    if (rfc3339 == NULL || kith_time_parse(kith_slice_str(rfc3339), &ms) != KITH_OK) return;
    at = (time_t)(ms / 1000);
    if (localtime_r(&at, &t) == NULL || localtime_r(&now, &today) == NULL) return;
    if (t.tm_year == today.tm_year && t.tm_yday == today.tm_yday)
        (void)strftime(out, 32, "%H:%M", &t);
    else if (at < now && now - at < 6 * 86400)
        (void)strftime(out, 32, "%a %H:%M", &t);
    else
        (void)strftime(out, 32, "%Y-%m-%d %H:%M", &t);
}

void cli_print_text(struct kith_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        /* C1 controls are two bytes in UTF-8: C2 80..9F. */
        if (c == 0xc2 && i + 1 < text.len && text.ptr[i + 1] >= 0x80 && text.ptr[i + 1] < 0xa0) {
            (void)fputc('?', stdout);
            i++;
        } else
            (void)fputc((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? '?' : c, stdout);
    }
}

/* As one line, where what is meant cannot be shown beside it: a history applies it instead (history.h). */
static struct kith_slice content_text(const struct kith_message *message)
{
    static char line[512];
    struct kith_content content;
    const char *what;

    if (kith_content_decode(message->content_type, message->body, &content) != KITH_OK)
        return kith_slice_str("(a message that is broken)");
    switch (content.kind) {
    case KITH_CONTENT_TEXT:
    case KITH_CONTENT_REPLY: return content.text;
    case KITH_CONTENT_REACTION: what = content.text.len > 0 ? "reacted" : "took a reaction back"; break;
    case KITH_CONTENT_EDIT: what = "changed a message to"; break;
    case KITH_CONTENT_DELETE: what = "deleted a message"; break;
    case KITH_CONTENT_STEP:
    case KITH_CONTENT_KEYS: return (struct kith_slice){0};
    default: return kith_slice_str("(needs a newer kith)");
    }
    (void)snprintf(line, sizeof line, content.text.len > 0 ? "(%s: %.*s)" : "(%s)", what, (int)content.text.len,
                   (const char *)content.text.ptr);
    return kith_slice_str(line);
}

bool cli_is_silent(const struct kith_message *message)
{
    return message->is_open && (kith_slice_eq(message->content_type, kith_content_type(KITH_CONTENT_STEP)) ||
                                kith_slice_eq(message->content_type, kith_content_type(KITH_CONTENT_KEYS)));
}

struct kith_slice cli_message_text(const struct kith_message *message)
{
    if (message->unreadable != KITH_OK && !kith_slice_is(message->type, "message"))
        return kith_slice_str("(the server says that something changed here, and no member signed it)");
    if (message->unreadable != KITH_OK && message->is_asked)
        return kith_slice_str("(this device cannot read this message; its device is asked for it again)");
    if (message->unreadable == KITH_E_CONFLICT) return kith_slice_str("(said again by the server; left out)");
    if (message->unreadable == KITH_E_FULL)
        return kith_slice_str("(not read: this device knows as many other devices as it may)");
    if (message->unreadable != KITH_OK && message->unreadable != KITH_E_NOTFOUND)
        return kith_slice_str("(this device cannot read this message)");
    if (message->encrypted && !message->is_open && kith_slice_is(message->type, "message"))
        return kith_slice_str("(not for this device: it was not linked then)");
    return message->is_open ? content_text(message) : message->body;
}

char *cli_text_of(struct kith_slice bytes)
{
    char *text = malloc(bytes.len + 1);

    if (text == NULL) return NULL;
    if (bytes.len > 0) memcpy(text, bytes.ptr, bytes.len);
    text[bytes.len] = '\0';
    return text;
}
