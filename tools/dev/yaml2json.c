/* yaml2json IN.yaml OUT.json: one YAML document as JSON, at build time. Plain scalars are null, booleans and numbers where
 * the YAML 1.2 core schema says so; anchors, tags and keys that are no scalars are refused. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static FILE *out;

static void fail(const char *what, size_t line)
{
    (void)fprintf(stderr, "yaml2json: line %zu: %s\n", line + 1, what);
    exit(1);
}

static void put_string(const unsigned char *text, size_t len)
{
    (void)fputc('"', out);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\')
            (void)fprintf(out, "\\%c", text[i]);
        else if (text[i] < 0x20)
            (void)fprintf(out, "\\u%04x", text[i]);
        else
            (void)fputc(text[i], out);
    }
    (void)fputc('"', out);
}

/* -? (0 | [1-9][0-9]*) (\.[0-9]+)? : the numbers that YAML and JSON write alike. */
static int is_number(const char *text)
{
    if (*text == '-') text++;
    if (!isdigit((unsigned char)*text) || (*text == '0' && isdigit((unsigned char)text[1]))) return 0;
    while (isdigit((unsigned char)*text)) text++;
    if (*text == '.' && isdigit((unsigned char)text[1]))
        for (text++; isdigit((unsigned char)*text);) text++;
    return *text == '\0';
}

static void put_scalar(const yaml_node_t *node, int is_key)
{
    static const char *const words[] = {"null", "true", "false"};
    const char *text = (const char *)node->data.scalar.value;

    if (!is_key && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        if (text[0] == '\0' || strcmp(text, "~") == 0) text = "null";
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            if (strcmp(text, words[i]) != 0) continue;
            (void)fputs(text, out);
            return;
        }
        if (is_number(text)) {
            (void)fputs(text, out);
            return;
        }
    }
    put_string(node->data.scalar.value, node->data.scalar.length);
}

static void put_node(yaml_document_t *document, int index, unsigned depth)
{
    const yaml_node_t *node = yaml_document_get_node(document, index);

    if (depth > 64) fail("nested too deeply, or an alias of its own parent", node->start_mark.line);
    if (node->type == YAML_SCALAR_NODE) {
        put_scalar(node, 0);
    } else if (node->type == YAML_SEQUENCE_NODE) {
        (void)fputc('[', out);
        for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
            if (item != node->data.sequence.items.start) (void)fputc(',', out);
            put_node(document, *item, depth + 1);
        }
        (void)fputc(']', out);
    } else {
        (void)fputc('{', out);
        for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
            const yaml_node_t *key = yaml_document_get_node(document, pair->key);
            if (key->type != YAML_SCALAR_NODE) fail("a key that is no scalar", key->start_mark.line);
            if (pair != node->data.mapping.pairs.start) (void)fputc(',', out);
            put_scalar(key, 1);
            (void)fputc(':', out);
            put_node(document, pair->value, depth + 1);
        }
        (void)fputc('}', out);
    }
}

int main(int argc, char **argv)
{
    yaml_parser_t parser;
    yaml_document_t document;
    FILE *in;

    if (argc != 3) return 2;
    in = fopen(argv[1], "rb");
    out = fopen(argv[2], "wb");
    if (in == NULL || out == NULL || !yaml_parser_initialize(&parser)) return 1;
    yaml_parser_set_input_file(&parser, in);
    if (!yaml_parser_load(&parser, &document)) fail(parser.problem, parser.problem_mark.line);
    if (yaml_document_get_root_node(&document) == NULL) fail("the document is empty", 0);
    put_node(&document, 1, 0);
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    (void)fclose(in);
    return fclose(out) == 0 ? 0 : 1;
}
