#include "kithd/config_value.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const origin_names[] = {"default", "file", "environment", "flag"};

/* log.keep is KITH_LOG_KEEP */
static void env_name(const char *key, char *out, size_t out_bytes)
{
    size_t n = (size_t)snprintf(out, out_bytes, "KITH_%s", key);

    for (size_t i = 5; i < n; i++) out[i] = key[i - 5] == '.' ? '_' : (char)toupper((unsigned char)key[i - 5]);
}

static kith_err set_defaults(struct config *config, struct kith_buf *message)
{
    kith_err err = KITH_OK;

    for (unsigned id = 0; id < CONFIG_ID_COUNT && err == KITH_OK; id++)
        err = config_value_set(&config->values[id], &config_keys[id], config_keys[id].text, ORIGIN_DEFAULT, message);
    return err;
}

static kith_err read_environment(struct config *config, struct kith_buf *message)
{
    kith_err err = KITH_OK;

    for (unsigned id = 0; id < CONFIG_ID_COUNT && err == KITH_OK; id++) {
        char name[64];
        const char *text;
        env_name(config_keys[id].name, name, sizeof name);
        text = getenv(name);
        if (text == NULL) continue;
        err = config_value_set(&config->values[id], &config_keys[id], text, ORIGIN_ENV, message);
        if (err == KITH_E_MALFORMED) kith_ignore(kith_buf_printf(message, " (from %s)", name));
    }
    return err;
}

/* One flag at argv[at]; *used is 1 or 2, 0: not a flag of ours. */
static kith_err read_flag(struct config *config, int argc, char **argv, int at, int *used, struct kith_buf *message)
{
    const char *name = argv[at] + 2;
    const char *equals = strchr(name, '=');
    size_t len = equals == NULL ? strlen(name) : (size_t)(equals - name);
    enum config_id id;
    const char *text, *nearest;

    *used = 0;
    if (strncmp(argv[at], "--", 2) != 0 || len == 0) return KITH_OK;
    id = config_key_find(name, len);
    if (id == CONFIG_ID_COUNT) {
        nearest = config_key_nearest(name, len);
        kith_ignore(kith_buf_printf(message, "unknown flag '--%.*s'", (int)len, name));
        if (nearest != NULL) kith_ignore(kith_buf_printf(message, "; did you mean '--%s'?", nearest));
        return KITH_E_MALFORMED;
    }
    *used = 1;
    text = equals == NULL ? NULL : equals + 1;
    if (text == NULL && config_keys[id].type == CONFIG_BOOL && (at + 1 == argc || strncmp(argv[at + 1], "--", 2) == 0))
        text = "true";
    if (text == NULL && at + 1 < argc) {
        text = argv[at + 1];
        *used = 2;
    }
    if (text == NULL) {
        kith_ignore(kith_buf_printf(message, "--%.*s needs a value", (int)len, name));
        return KITH_E_MALFORMED;
    }
    return config_value_set(&config->values[id], &config_keys[id], text, ORIGIN_FLAG, message);
}

static kith_err read_flags(struct config *config, int *argc, char **argv, const char *own_flag,
                           struct kith_buf *message)
{
    int kept = 0, used = 0;
    kith_err err = KITH_OK;

    for (int at = 0; at < *argc && err == KITH_OK; at += used > 0 ? used : 1) {
        used = 0;
        if (own_flag == NULL || strcmp(argv[at], own_flag) != 0)
            err = read_flag(config, *argc, argv, at, &used, message);
        if (used == 0) argv[kept++] = argv[at];
    }
    if (err == KITH_OK) *argc = kept;
    return err;
}

/* --config must be known before the other flags are looked at. */
static kith_err take_config_flag(struct config *config, int *argc, char **argv, struct kith_buf *message)
{
    const char *path = getenv("KITH_CONFIG");
    int kept = 0;

    for (int at = 0; at < *argc; at++) {
        if (strncmp(argv[at], "--config=", 9) == 0)
            path = argv[at] + 9;
        else if (strcmp(argv[at], "--config") == 0 && at + 1 < *argc)
            path = argv[++at];
        else
            argv[kept++] = argv[at];
    }
    *argc = kept;
    if (path == NULL) return KITH_OK;
    config->file = strdup(path);
    if (config->file == NULL) return KITH_E_NOMEM;
    return config_file_read(config, path, message);
}

kith_err config_load(struct config *config, int *argc, char **argv, const char *own_flag, struct kith_buf *message)
{
    kith_err err;

    memset(config, 0, sizeof *config);
    err = set_defaults(config, message);
    if (err == KITH_OK) err = take_config_flag(config, argc, argv, message);
    if (err == KITH_OK) err = read_environment(config, message);
    if (err == KITH_OK) err = read_flags(config, argc, argv, own_flag, message);
    if (err == KITH_OK &&
        (*config_text(config, CONFIG_tls_certificate) == '\0') != (*config_text(config, CONFIG_tls_key) == '\0')) {
        kith_ignore(kith_buf_append_str(message, "tls.certificate and tls.key go together: one of them is missing"));
        err = KITH_E_MALFORMED;
    }
    if (err != KITH_OK) config_free(config);
    return err;
}

void config_free(struct config *config)
{
    for (unsigned id = 0; id < CONFIG_ID_COUNT; id++) config_value_clear(&config->values[id]);
    free(config->file);
    config->file = NULL;
}

static kith_err print_text(struct kith_buf *out, const struct config_key *key, const char *text)
{
    kith_err err;

    if (key->type != CONFIG_LIST) return kith_buf_printf(out, *text == '\0' ? "\"\"" : "%s", text);
    err = kith_buf_append_str(out, "[");
    for (bool first = true; *text != '\0' && err == KITH_OK; first = false) {
        size_t n = strcspn(text, ",");
        err = kith_buf_printf(out, "%s\"%.*s\"", first ? "" : ", ", (int)n, text);
        text += n + (text[n] == ',');
    }
    return err == KITH_OK ? kith_buf_append_str(out, "]") : err;
}

/* Sections are printed where their first key stands: the table keeps a section's keys together. */
static kith_err print_key(struct kith_buf *out, unsigned id, const char *prefix, const char *text)
{
    const struct config_key *key = &config_keys[id];
    const char *dot = strchr(key->name, '.');
    size_t section = dot == NULL ? 0 : (size_t)(dot - key->name) + 1;
    kith_err err = KITH_OK;

    if (dot != NULL && (id == 0 || strncmp(config_keys[id - 1].name, key->name, section) != 0))
        err = kith_buf_printf(out, "%s%.*s:\n", prefix, (int)section - 1, key->name);
    if (err == KITH_OK) err = kith_buf_printf(out, "%s%s%s: ", prefix, dot == NULL ? "" : "  ", key->name + section);
    return err == KITH_OK ? print_text(out, key, text) : err;
}

kith_err config_print(const struct config *config, bool with_origin, struct kith_buf *out)
{
    kith_err err = KITH_OK;

    for (unsigned id = 0; id < CONFIG_ID_COUNT && err == KITH_OK; id++) {
        err = print_key(out, id, "", config->values[id].text);
        if (err == KITH_OK && with_origin)
            err = kith_buf_printf(out, "  # %s", origin_names[config->values[id].origin]);
        if (err == KITH_OK) err = kith_buf_append_str(out, "\n");
    }
    return err;
}

kith_err config_print_defaults(struct kith_buf *out)
{
    kith_err err = KITH_OK;

    for (unsigned id = 0; id < CONFIG_ID_COUNT && err == KITH_OK; id++) {
        const struct config_key *key = &config_keys[id];
        char name[64];
        env_name(key->name, name, sizeof name);
        err = kith_buf_printf(out, "# %s%s%s%s (%s)\n", key->doc, *key->bounds ? " " : "", key->bounds,
                              *key->bounds ? "." : "", name);
        if (err == KITH_OK) err = print_key(out, id, "# ", key->text);
        if (err == KITH_OK) err = kith_buf_append_str(out, "\n\n");
    }
    return err;
}
