#ifndef KITHD_CONFIG_H
#define KITHD_CONFIG_H

#include "base/buf.h"

/**
 * kithd's configuration: defaults < file (YAML) < environment (KITH_…) < flags. One table says each key's name, type,
 * default and meaning; the YAML schema, the environment names, `config defaults` and the checks all come from it.
 *
 * A key `log.keep` is `log: {keep: 7d}` in the file, KITH_LOG_KEEP in the environment and --log.keep on the command
 * line. Values: sizes 64MiB, times 7d 500ms, yes/no as true/false, lists comma-separated (or a YAML sequence).
 */
enum config_type { CONFIG_TEXT, CONFIG_COUNT, CONFIG_BYTES, CONFIG_TIME, CONFIG_BOOL, CONFIG_CHOICE, CONFIG_LIST };

/*      key                          type          default              choices, or the unit's bounds as "min..max" */
#define CONFIG_KEYS(X)                                                                                                 \
    X(data, "data", CONFIG_TEXT, "data", "", "Folder of everything that kithd keeps.")                                 \
    X(listen, "listen", CONFIG_TEXT, "127.0.0.1:8080", "", "Address and port for clients; port 0: any free one.")      \
    X(admin_listen, "admin_listen", CONFIG_TEXT, "", "", "Address and port for /metrics; empty: none.")                \
    X(public_url, "public_url", CONFIG_TEXT, "", "",                                                                   \
      "What people type to reach this server, for invites; empty: made from `listen`.")                                \
    X(registration, "registration", CONFIG_CHOICE, "invite", "invite|open|closed", "Who may make an account.")         \
    X(origins, "origins", CONFIG_LIST, "", "", "Web origins besides our own that may open a WebSocket.")               \
    X(trusted_proxies, "trusted_proxies", CONFIG_LIST, "", "",                                                         \
      "Networks (CIDR) whose Forwarded and X-Forwarded-For are believed.")                                             \
    X(loops, "loops", CONFIG_COUNT, "0", "0..64", "Threads that serve connections; 0: one per core.")                  \
    X(diagnostics, "diagnostics", CONFIG_BOOL, "false", "", "Serve /diagnostic/echo for conformance suites.")          \
    X(connections_max, "connections_max", CONFIG_COUNT, "200000", "1..5000000",                                        \
      "Open connections; past it new ones get 503.")                                                                   \
    X(slow_reader_timeout, "slow_reader_timeout", CONFIG_TIME, "30s", "100ms..1h",                                     \
      "A reader that drains nothing for so long is closed; it resumes later without loss.")                            \
    X(tls_certificate, "tls.certificate", CONFIG_TEXT, "", "",                                                         \
      "PEM file; empty: plain HTTP, for loopback or behind a proxy.")                                                  \
    X(tls_key, "tls.key", CONFIG_TEXT, "", "", "PEM file of its private key.")                                         \
    X(log_keep, "log.keep", CONFIG_TIME, "7d", "0s..365d", "How long the command log is kept after the store has it.") \
    X(log_segment_bytes, "log.segment_bytes", CONFIG_BYTES, "64MiB", "1MiB..1GiB",                                     \
      "Size of a segment file of the command log.")                                                                    \
    X(log_level, "log.level", CONFIG_CHOICE, "info", "debug|info|warn|error", "What is written to standard error.")    \
    X(log_format, "log.format", CONFIG_CHOICE, "auto", "auto|logfmt|json",                                             \
      "auto: logfmt on a terminal, JSON otherwise.")                                                                   \
    X(memory_connections_max, "memory.connections_max", CONFIG_BYTES, "1GiB", "1MiB..1TiB",                            \
      "Buffers of all connections together; past it new ones get 503.")                                                \
    X(memory_chats_max, "memory.chats_max", CONFIG_BYTES, "128MiB", "1MiB..1TiB", "Chat states kept in memory.")       \
    X(memory_store_max, "memory.store_max", CONFIG_BYTES, "256MiB", "8MiB..1TiB", "Block cache of the message store.") \
    X(group_members_max, "group.members_max", CONFIG_COUNT, "1024", "2..10000", "Members of a group.")

#define CONFIG_ENUM(id, key, type, text, bounds, doc) CONFIG_##id,
enum config_id { CONFIG_KEYS(CONFIG_ENUM) CONFIG_ID_COUNT };
#undef CONFIG_ENUM

#define CONFIG_TEXT_BYTES_MAX 2048 /* of one TEXT: paths, addresses, the public URL */
#define CONFIG_LIST_MAX       64

enum config_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENV, ORIGIN_FLAG };

struct config_value {
    char *text;      /* as given; a list joined by commas */
    uint64_t number; /* COUNT, BYTES, TIME (ms), BOOL     */
    char **list;     /* LIST: NULL-terminated             */
    enum config_origin origin;
};

struct config {
    struct config_value values[CONFIG_ID_COUNT];
    char *file; /* NULL: none was read */
};

/**
 * Reads all four sources. argv holds the flags `--key value`, `--key=value` and `--config FILE`; what is left over is
 * moved to its front and counted in *argc. own_flag: one that is the command's own ("--from"), and left there; or NULL.
 * On error `message` gets one or more lines for people: which source, which line, what is wrong, the nearest known key.
 */
KITH_MUST_USE kith_err config_load(struct config *config, int *argc, char **argv, const char *own_flag,
                                   struct kith_buf *message);
void config_free(struct config *config);

static inline const char *config_text(const struct config *config, enum config_id id)
{
    return config->values[id].text;
}

static inline uint64_t config_number(const struct config *config, enum config_id id)
{
    return config->values[id].number;
}

/** Every key with its value; with_origin adds where each comes from. YAML that config_load() reads back. */
KITH_MUST_USE kith_err config_print(const struct config *config, bool with_origin, struct kith_buf *out);
/** A commented file of all defaults. */
KITH_MUST_USE kith_err config_print_defaults(struct kith_buf *out);

#endif
