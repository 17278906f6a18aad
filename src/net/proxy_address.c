#include "net/proxy_address.h"

#include <stdlib.h>

/* What one proxy said: whom it spoke with, and how. */
struct hop {
    struct net_address address;
    bool has_address;
    bool has_proto, is_https;
};

/* The last hops of a chain, in the order of the header: at[count - 1] is nearest to us. */
struct chain {
    struct hop at[PROXY_HOPS_MAX];
    size_t count;
};

kith_err proxy_list_init(struct proxy_list *list, const char *const *texts)
{
    size_t count = 0;

    *list = (struct proxy_list){0};
    while (texts != NULL && texts[count] != NULL) count++;
    if (count == 0) return KITH_OK;
    list->at = calloc(count, sizeof *list->at);
    if (list->at == NULL) return KITH_E_NOMEM;
    for (; list->count < count; list->count++) {
        if (net_cidr_parse(kith_slice_str(texts[list->count]), &list->at[list->count]) == KITH_OK) continue;
        proxy_list_deinit(list);
        return KITH_E_MALFORMED;
    }
    return KITH_OK;
}

void proxy_list_deinit(struct proxy_list *list)
{
    free(list->at);
    *list = (struct proxy_list){0};
}

static bool is_trusted(const struct proxy_list *list, struct net_address address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (net_cidr_has(list->at[i], address)) return true;
    }
    return false;
}

static void chain_append(struct chain *chain, struct hop hop)
{
    if (chain->count == PROXY_HOPS_MAX) {
        memmove(chain->at, chain->at + 1, sizeof chain->at - sizeof *chain->at);
        chain->count--;
    }
    chain->at[chain->count++] = hop;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80"; else not an address: "unknown", "_x". */
static bool parse_node(struct kith_slice node, struct net_address *out)
{
    const uint8_t *colon = node.len == 0 ? NULL : memchr(node.ptr, ':', node.len);
    const uint8_t *end = node.len == 0 ? NULL : memchr(node.ptr, ']', node.len);

    if (node.len > 0 && node.ptr[0] == '[') {
        if (end == NULL) return false;
        node = kith_slice_of(node.ptr + 1, (size_t)(end - node.ptr) - 1);
    } else if (colon != NULL && memchr(colon + 1, ':', node.len - (size_t)(colon - node.ptr) - 1) == NULL) {
        node.len = (size_t)(colon - node.ptr);
    }
    return net_address_parse(node, out) == KITH_OK;
}

/* A token, or a quoted string without its quotes; no address or scheme needs an escape, so one with an escape is kept. */
static struct kith_slice unquote(struct kith_slice value)
{
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
        return kith_slice_of(value.ptr + 1, value.len - 2);
    return value;
}

static struct kith_slice trim(struct kith_slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = kith_slice_of(text.ptr + 1, text.len - 1);
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) text.len--;
    return text;
}

/* Takes the part before the next `separator` outside quotes. */
static bool split(struct kith_slice *text, char separator, struct kith_slice *part)
{
    bool quoted = false;
    size_t i;

    if (text->len == 0) return false;
    for (i = 0; i < text->len; i++) {
        if (text->ptr[i] == '"') quoted = !quoted;
        if (text->ptr[i] == (uint8_t)separator && !quoted) break;
    }
    *part = trim(kith_slice_of(text->ptr, i));
    *text = i < text->len ? kith_slice_of(text->ptr + i + 1, text->len - i - 1) : (struct kith_slice){0};
    return true;
}

static struct hop parse_forwarded(struct kith_slice element)
{
    struct hop hop = {0};
    struct kith_slice pair, name;

    while (split(&element, ';', &pair)) {
        struct kith_slice value = pair;
        if (!split(&value, '=', &name)) continue;
        value = unquote(trim(value));
        if (http1_token_eq(name, "for")) {
            hop.has_address = parse_node(value, &hop.address);
        } else if (http1_token_eq(name, "proto")) {
            hop.has_proto = true;
            hop.is_https = http1_token_eq(value, "https") || http1_token_eq(value, "wss");
        }
    }
    return hop;
}

/* An open quote would swallow what a trusted proxy wrote behind it: then the header says nothing that can be believed. */
static bool quotes_are_closed(struct kith_slice text)
{
    bool quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            quoted = !quoted;
        else if (text.ptr[i] == '\\' && quoted)
            i++;
    }
    return !quoted;
}

static bool chain_read_forwarded(struct chain *chain, struct http1_headers headers)
{
    struct kith_slice element;

    for (size_t i = 0; i < headers.count; i++) {
        struct kith_slice list = headers.at[i].value;
        if (!http1_token_eq(headers.at[i].name, "forwarded")) continue;
        if (!quotes_are_closed(list)) return false;
        while (http1_list_next(&list, &element)) chain_append(chain, parse_forwarded(element));
    }
    return true;
}

/* Knows no quotes: a comma always separates. */
static bool comma_next(struct kith_slice *list, struct kith_slice *element)
{
    const uint8_t *comma;

    if (list->len == 0) return false;
    comma = memchr(list->ptr, ',', list->len);
    *element = trim(kith_slice_of(list->ptr, comma == NULL ? list->len : (size_t)(comma - list->ptr)));
    *list = comma == NULL ? (struct kith_slice){0}
                          : kith_slice_of(comma + 1, list->len - (size_t)(comma - list->ptr) - 1);
    return true;
}

static void chain_read_x_forwarded(struct chain *chain, struct http1_headers headers)
{
    struct kith_slice element;

    for (size_t i = 0; i < headers.count; i++) {
        struct kith_slice list = headers.at[i].value;
        if (!http1_token_eq(headers.at[i].name, "x-forwarded-for")) continue;
        while (comma_next(&list, &element)) {
            struct hop hop = {0};
            hop.has_address = parse_node(element, &hop.address);
            chain_append(chain, hop);
        }
    }
}

/* X-Forwarded-Proto has one value for the whole way, or one for each hop. */
static void chain_read_protos(struct chain *chain, struct http1_headers headers)
{
    struct kith_slice values[PROXY_HOPS_MAX], element, list;
    size_t count = 0;

    for (size_t i = 0; i < headers.count; i++) {
        list = headers.at[i].value;
        if (!http1_token_eq(headers.at[i].name, "x-forwarded-proto")) continue;
        while (count < PROXY_HOPS_MAX && comma_next(&list, &element)) values[count++] = element;
    }
    for (size_t i = 0; count > 0 && i < chain->count; i++) {
        size_t from_right = chain->count - 1 - i;
        struct kith_slice value = values[from_right < count ? count - 1 - from_right : 0];
        chain->at[i].has_proto = true;
        chain->at[i].is_https = http1_token_eq(value, "https") || http1_token_eq(value, "wss");
    }
}

static struct proxy_peer chain_walk(const struct chain *chain, const struct proxy_list *trusted, struct proxy_peer peer)
{
    for (size_t i = chain->count; i > 0 && is_trusted(trusted, peer.address); i--) {
        const struct hop *hop = &chain->at[i - 1];
        if (hop->has_proto) peer.is_secure = hop->is_https;
        if (!hop->has_address) break; /* hidden: the proxy that hides it answers for it */
        peer.address = hop->address;
    }
    return peer;
}

struct proxy_peer proxy_peer_find(const struct proxy_list *trusted, struct net_address socket_peer, bool is_tls,
                                  struct http1_headers headers)
{
    struct proxy_peer near = {.address = socket_peer, .is_secure = is_tls}, by_rfc, by_custom;
    struct chain rfc, custom;

    if (!is_trusted(trusted, socket_peer)) return near;
    rfc.count = custom.count = 0;
    if (!chain_read_forwarded(&rfc, headers)) return near;
    chain_read_x_forwarded(&custom, headers);
    /* A proxy that only tells the scheme. */
    if (rfc.count == 0 && custom.count == 0) chain_append(&custom, (struct hop){0});
    chain_read_protos(&custom, headers);
    by_rfc = chain_walk(&rfc, trusted, near);
    by_custom = chain_walk(&custom, trusted, near);
    if (rfc.count == 0) return by_custom;
    if (custom.count == 0) return by_rfc;
    return net_address_eq(by_rfc.address, by_custom.address) ? by_rfc : near;
}
