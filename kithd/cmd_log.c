#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/disk/disk_posix.h"
#include "adapters/log/log_file.h"
#include "kithd/commands.h"
#include "ports/log.h"
#include "wire/cmd.h"
#include "wire/json_text.h"

static kith_err open_folder(const struct config *config, struct disk **out)
{
    char path[CONFIG_TEXT_BYTES_MAX + 32];
    kith_err err;

    (void)snprintf(path, sizeof path, "%s/log", config_text(config, CONFIG_data));
    err = disk_posix_open(path, NULL, false, out);
    if (err != KITH_OK) fprintf(stderr, "kithd: cannot read the log folder %s: %s\n", path, kith_err_name(err));
    return err;
}

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    unsigned *last = arg;
    unsigned percent = total == 0 ? 100 : (unsigned)(done * 100 / total);

    if (percent == *last || !isatty(STDERR_FILENO)) return;
    *last = percent;
    fprintf(stderr, "\rreading the log: %u %%%s", percent, done == total ? "\n" : "");
}

int cmd_log_verify(const struct config *config, int argc, char **argv)
{
    struct log_file_report report = {0};
    struct log_text text = {0};
    struct disk *disk = NULL;
    unsigned percent = 101;
    kith_err err = open_folder(config, &disk);

    (void)argc;
    (void)argv;
    if (err != KITH_OK) return 1;
    err = log_file_verify(disk, show_progress, &percent, &report, &text);
    disk_posix_close(disk);
    printf("segments %" PRIu64 "\nrecords %" PRIu64 "\ncommands %" PRIu64 "\nbytes %" PRIu64 "\npositions %" PRIu64
           " to %" PRIu64 "\ntorn %" PRIu64 "\n",
           report.segments, report.records, report.entries, report.bytes, report.position_first, report.position_last,
           report.torn_bytes);
    if (err == KITH_OK) {
        printf("The log is whole%s.\n", report.torn_bytes > 0 ? "; the next start cuts off its torn tail" : "");
        return 0;
    }
    fprintf(stderr, "kithd: %s\n", text.text);
    return 1;
}

static const char *const verb_names[CMD_VERBS] = {
    [CMD_CHAT_CREATE] = "chat_create",
    [CMD_SEND] = "send",
    [CMD_DELETE] = "delete",
    [CMD_MEMBER_ADD] = "member_add",
    [CMD_MEMBER_REMOVE] = "member_remove",
    [CMD_MEMBER_LEAVE] = "member_leave",
    [CMD_MEMBER_ROLE] = "member_role",
    [CMD_CHAT_UPDATE] = "chat_update",
    [CMD_CURSOR] = "cursor",
    [CMD_READ] = "read",
    [CMD_ACCEPT] = "accept",
    [CMD_FACT] = "fact",
    [CMD_MAIL_SEND] = "mail_send",
    [CMD_MAIL_ACK] = "mail_ack",
    [CMD_MEMBER_ASK] = "member_ask",
};

/* Who did what, where and when; never what was said: bodies are only counted. */
static kith_err print_command(void *arg, const struct log_record *record)
{
    struct kith_buf *line = arg;
    struct cmd cmd = {0};
    kith_err err;

    kith_buf_reset(line);
    err = kith_buf_printf(line, "{\"position\":%" PRIu64 ",\"shard\":%u", record->position, record->shard);
    if (err == KITH_OK && record->type == LOG_COMMAND) {
        err = cmd_decode(kith_slice_of(record->body, record->len), &cmd);
        if (err == KITH_OK) err = kith_buf_printf(line, ",\"command\":\"%s\",\"stream\":", verb_names[cmd.verb]);
        if (err == KITH_OK) err = json_put_uuid(line, cmd.stream);
        if (err == KITH_OK) err = kith_buf_append_str(line, ",\"actor\":");
        if (err == KITH_OK) err = json_put_uuid(line, cmd.actor.id);
        if (err == KITH_OK) err = kith_buf_append_str(line, ",\"id\":");
        if (err == KITH_OK) err = json_put_uuid(line, cmd.id.id);
        if (err == KITH_OK) err = kith_buf_append_str(line, ",\"time\":");
        if (err == KITH_OK) err = json_put_time(line, cmd.time_ms);
        if (err == KITH_OK)
            err = kith_buf_printf(line, ",\"seq\":%" PRIu64 ",\"body_bytes\":%zu", cmd.seq, cmd.body.len);
    }
    if (err == KITH_OK) err = kith_buf_append_str(line, "}\n");
    if (err != KITH_OK) return err;
    return fwrite(kith_buf_peek(line).ptr, 1, kith_buf_len(line), stdout) == kith_buf_len(line) ? KITH_OK : KITH_E_IO;
}

int cmd_log_replay(const struct config *config, int argc, char **argv)
{
    struct log_text text = {0};
    struct disk *disk = NULL;
    struct kith_buf line;
    uint64_t from = 1;
    kith_err err;

    if (argc > 0 && (argc != 2 || strcmp(argv[0], "--from") != 0 ||
                     kith_slice_to_u64(kith_slice_str(argv[1]), &from) != KITH_OK || from == 0)) {
        fprintf(stderr, "kithd: log replay takes --from POSITION, a number from 1\n");
        return 2;
    }
    if (open_folder(config, &disk) != KITH_OK) return 1;
    kith_buf_init(&line, 4096);
    err = log_file_walk(disk, from, print_command, &line, &text);
    kith_buf_deinit(&line);
    disk_posix_close(disk);
    if (err == KITH_OK) return 0;
    if (err == KITH_E_NOTFOUND)
        fprintf(stderr, "kithd: the log has no position %" PRIu64 "\n", from);
    else
        fprintf(stderr, "kithd: %s\n", text.text);
    return 1;
}
