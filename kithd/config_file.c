#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "kithd/config_value.h"

/*
 * The YAML schema is made from the key table: `a.b` is field b of mapping a. libcyaml fills one flat struct of strings;
 * a section is a mapping at offset 0 of the same struct, so that its fields keep their own places.
 */
#define SECTIONS_MAX 8

struct raw_list {
    char **items;
    unsigned count;
};

struct raw {
    char *text[CONFIG_ID_COUNT];
    struct raw_list list[CONFIG_ID_COUNT];
};

static const cyaml_schema_value_t string_value = {
    .type = CYAML_STRING, .flags = CYAML_FLAG_POINTER, .data_size = sizeof(char), .string = {.min = 0, .max = 4096}};

static cyaml_schema_field_t field_of(unsigned id, const char *key)
{
    if (config_keys[id].type == CONFIG_LIST)
        return (cyaml_schema_field_t){
            .key = key,
            .data_offset = (uint32_t)(offsetof(struct raw, list) + id * sizeof(struct raw_list)),
            .count_offset = (uint32_t)(offsetof(struct raw, list) + id * sizeof(struct raw_list) +
                                       offsetof(struct raw_list, count)),
            .count_size = sizeof(unsigned),
            .value = {.type = CYAML_SEQUENCE,
                      .flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                      .data_size = sizeof(char *),
                      .sequence = {.entry = &string_value, .min = 0, .max = CONFIG_LIST_MAX}}};
    return (cyaml_schema_field_t){.key = key,
                                  .data_offset = (uint32_t)(offsetof(struct raw, text) + id * sizeof(char *)),
                                  .value = {.type = CYAML_STRING,
                                            .flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                                            .data_size = sizeof(char),
                                            .string = {.min = 0, .max = 4096}}};
}

struct schema {
    cyaml_schema_field_t top[CONFIG_ID_COUNT + SECTIONS_MAX + 1];
    cyaml_schema_field_t section[SECTIONS_MAX][CONFIG_ID_COUNT + 1];
    char section_name[SECTIONS_MAX][32];
    unsigned top_count, section_count, in_section[SECTIONS_MAX];
};

static unsigned section_find(struct schema *schema, const char *name, size_t len)
{
    unsigned n = 0;

    while (n < schema->section_count &&
           (strlen(schema->section_name[n]) != len || strncmp(schema->section_name[n], name, len) != 0))
        n++;
    if (n < schema->section_count) return n;
    schema->section_count++;
    (void)snprintf(schema->section_name[n], sizeof schema->section_name[n], "%.*s", (int)len, name);
    schema->top[schema->top_count++] = (cyaml_schema_field_t){.key = schema->section_name[n],
                                                              .value = {.type = CYAML_MAPPING,
                                                                        .flags = CYAML_FLAG_OPTIONAL,
                                                                        .data_size = sizeof(struct raw),
                                                                        .mapping = {.fields = schema->section[n]}}};
    return n;
}

static void schema_make(struct schema *schema)
{
    memset(schema, 0, sizeof *schema);
    for (unsigned id = 0; id < CONFIG_ID_COUNT; id++) {
        const char *name = config_keys[id].name;
        const char *dot = strchr(name, '.');
        unsigned n;
        if (dot == NULL) {
            schema->top[schema->top_count++] = field_of(id, name);
            continue;
        }
        n = section_find(schema, name, (size_t)(dot - name));
        schema->section[n][schema->in_section[n]++] = field_of(id, dot + 1);
    }
}

/* libcyaml explains itself in its log; the lines are kept, and the unknown key is given its nearest neighbour. */
struct heard {
    char lines[2048];
    size_t len;
};

static void hear(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
    struct heard *heard = ctx;
    int n = vsnprintf(heard->lines + heard->len, sizeof heard->lines - heard->len, fmt, args);

    (void)level;
    if (n > 0) heard->len += (size_t)n;
    if (heard->len >= sizeof heard->lines) heard->len = sizeof heard->lines - 1;
}

/* A key of a mapping, by its name; lent by the document, or NULL. */
static yaml_node_t *pair_find(yaml_document_t *document, const yaml_node_t *mapping, struct kith_slice name,
                              yaml_node_t **value)
{
    const yaml_node_pair_t *pair, *end;

    if (mapping == NULL || mapping->type != YAML_MAPPING_NODE) return NULL;
    end = mapping->data.mapping.pairs.top;
    for (pair = mapping->data.mapping.pairs.start; pair < end; pair++) {
        yaml_node_t *key = yaml_document_get_node(document, pair->key);

        if (key == NULL || key->type != YAML_SCALAR_NODE) continue;
        if (!kith_slice_eq(kith_slice_of(key->data.scalar.value, key->data.scalar.length), name)) continue;
        *value = yaml_document_get_node(document, pair->value);
        return key;
    }
    return NULL;
}

static int line_in(FILE *file, struct kith_slice section, struct kith_slice name)
{
    yaml_parser_t parser;
    yaml_document_t document;
    yaml_node_t *mapping, *value = NULL, *key = NULL;
    int line = 0;

    if (yaml_parser_initialize(&parser) == 0) return 0;
    yaml_parser_set_input_file(&parser, file);
    if (yaml_parser_load(&parser, &document) != 0) {
        mapping = yaml_document_get_root_node(&document);
        if (section.len > 0) {
            (void)pair_find(&document, mapping, section, &value);
            mapping = value;
        }
        key = pair_find(&document, mapping, name, &value);
        if (key != NULL) line = (int)key->start_mark.line + 1;
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return line;
}

/*
 * Where a key stands; section: what it is in, empty at the top. libcyaml names the line of the mapping only, and the
 * same name may stand elsewhere, so the file is read as YAML once more. 0: not found.
 */
static int line_of_key(const char *path, struct kith_slice section, struct kith_slice name)
{
    FILE *file = fopen(path, "re");
    int line = 0;

    if (file == NULL) return 0;
    line = line_in(file, section, name);
    (void)fclose(file);
    return line;
}

/* A value that the key does not take: what is wrong has been said, where has not. */
static void explain_value(const char *path, unsigned id, struct kith_buf *message)
{
    struct kith_slice name = kith_slice_str(config_keys[id].name), section = {0};
    const uint8_t *dot = memchr(name.ptr, '.', name.len);
    int line;

    if (dot != NULL) {
        section = kith_slice_of(name.ptr, (size_t)(dot - name.ptr));
        name = kith_slice_of(dot + 1, name.len - section.len - 1);
    }
    line = line_of_key(path, section, name);
    kith_ignore(kith_buf_printf(message, " (from %s", path));
    if (line > 0) kith_ignore(kith_buf_printf(message, ":%d", line));
    kith_ignore(kith_buf_append_str(message, ")"));
}

/* What `message` cannot hold is left out: it is for people, and bounded. */
static void explain(const struct heard *heard, const char *path, cyaml_err_t code, struct kith_buf *message)
{
    const char *line = strstr(heard->lines, "line: ");
    const char *key = strstr(heard->lines, "key: ");
    size_t key_len = key == NULL ? 0 : strcspn(key + 5, "\n");
    const char *in = strstr(heard->lines, "mapping field '");
    struct kith_slice section = {0};
    const char *nearest;
    char full[128];
    int line_number = line == NULL ? 0 : (int)strtol(line + 6, NULL, 10);

    if (in != NULL)
        section = kith_slice_of(in + strlen("mapping field '"), strcspn(in + strlen("mapping field '"), "'"));
    if (code == CYAML_ERR_INVALID_KEY && key != NULL)
        line_number = line_of_key(path, section, kith_slice_of(key + 5, key_len));
    kith_ignore(kith_buf_printf(message, "%s", path));
    if (line_number > 0) kith_ignore(kith_buf_printf(message, ":%d", line_number));
    if (code == CYAML_ERR_INVALID_KEY && key != NULL) {
        /* The section makes `kep` in `log` nearer to log.keep than to any other. */
        (void)snprintf(full, sizeof full, "%.*s%s%.*s", (int)section.len,
                       section.len == 0 ? "" : (const char *)section.ptr, section.len == 0 ? "" : ".", (int)key_len,
                       key + 5);
        nearest = config_key_nearest(full, strlen(full));
        kith_ignore(kith_buf_printf(message, ": unknown key '%.*s'", (int)key_len, key + 5));
        if (nearest != NULL) kith_ignore(kith_buf_printf(message, "; did you mean '%s'?", nearest));
    } else {
        kith_ignore(kith_buf_printf(message, ": %s", cyaml_strerror(code)));
    }
}

static kith_err take_list(struct config *config, unsigned id, const struct raw_list *list, struct kith_buf *message)
{
    struct kith_buf joined;
    kith_err err = KITH_OK;

    kith_buf_init(&joined, 64 * 1024);
    for (unsigned i = 0; i < list->count && err == KITH_OK; i++)
        err = kith_buf_printf(&joined, "%s%s", i == 0 ? "" : ",", list->items[i]);
    if (err == KITH_OK) err = kith_buf_append_u8(&joined, '\0');
    if (err == KITH_OK)
        err = config_value_set(&config->values[id], &config_keys[id], (const char *)kith_buf_peek(&joined).ptr,
                               ORIGIN_FILE, message);
    kith_buf_deinit(&joined);
    return err;
}

kith_err config_file_read(struct config *config, const char *path, struct kith_buf *message)
{
    struct schema schema;
    struct heard heard = {.len = 0};
    struct raw *raw = NULL;
    cyaml_config_t settings = {.log_fn = hear,
                               .log_ctx = &heard,
                               .log_level = CYAML_LOG_ERROR,
                               .mem_fn = cyaml_mem,
                               .flags = CYAML_CFG_NO_ALIAS};
    cyaml_schema_value_t top = {.type = CYAML_MAPPING,
                                .flags = CYAML_FLAG_POINTER,
                                .data_size = sizeof(struct raw),
                                .mapping = {.fields = schema.top}};
    cyaml_err_t code;
    kith_err err = KITH_OK;

    schema_make(&schema);
    code = cyaml_load_file(path, &settings, &top, (cyaml_data_t **)&raw, NULL);
    if (code != CYAML_OK) {
        explain(&heard, path, code, message);
        return code == CYAML_ERR_FILE_OPEN ? KITH_E_NOTFOUND : KITH_E_MALFORMED;
    }
    for (unsigned id = 0; id < CONFIG_ID_COUNT && err == KITH_OK && raw != NULL; id++) {
        if (raw->list[id].items != NULL)
            err = take_list(config, id, &raw->list[id], message);
        else if (raw->text[id] != NULL)
            err = config_value_set(&config->values[id], &config_keys[id], raw->text[id], ORIGIN_FILE, message);
        if (err == KITH_E_MALFORMED) explain_value(path, id, message);
    }
    (void)cyaml_free(&settings, &top, raw, 0);
    return err;
}
