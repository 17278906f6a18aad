#include "base/ordered.h"

#include <assert.h>
#include <stdlib.h>

void kith_ordered_init(struct kith_ordered *map, uint64_t seed)
{
    *map = (struct kith_ordered){0};
    kith_prng_seed(&map->coins, seed);
}

void kith_ordered_deinit(struct kith_ordered *map, void (*value_free)(void *value))
{
    struct kith_ordered_node *node = map->root;

    while (node != NULL) { /* down to a leaf, free it, go on from its parent: no recursion, whatever the shape */
        struct kith_ordered_node *up = node->up;

        if (node->left != NULL) {
            node = node->left;
            continue;
        }
        if (node->right != NULL) {
            node = node->right;
            continue;
        }
        if (up != NULL && up->left == node) up->left = NULL;
        if (up != NULL && up->right == node) up->right = NULL;
        if (value_free != NULL) value_free(node->value);
        free(node);
        node = up;
    }
    map->root = NULL;
    map->count = 0;
}

struct kith_ordered_node *kith_ordered_find(const struct kith_ordered *map, struct kith_slice key)
{
    struct kith_ordered_node *node = map->root;

    while (node != NULL) {
        int c = kith_slice_cmp(key, kith_ordered_key(node));

        if (c == 0) break;
        node = c < 0 ? node->left : node->right;
    }
    return node;
}

struct kith_ordered_node *kith_ordered_seek(const struct kith_ordered *map, struct kith_slice key)
{
    struct kith_ordered_node *node = map->root, *found = NULL;

    while (node != NULL) {
        if (kith_slice_cmp(kith_ordered_key(node), key) >= 0) {
            found = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return found;
}

struct kith_ordered_node *kith_ordered_seek_back(const struct kith_ordered *map, struct kith_slice key, bool or_equal)
{
    struct kith_ordered_node *node = map->root, *found = NULL;

    while (node != NULL) {
        int c = kith_slice_cmp(kith_ordered_key(node), key);

        if (c < 0 || (c == 0 && or_equal)) {
            found = node;
            node = node->right;
        } else {
            node = node->left;
        }
    }
    return found;
}

struct kith_ordered_node *kith_ordered_last(const struct kith_ordered *map)
{
    struct kith_ordered_node *node = map->root;

    while (node != NULL && node->right != NULL) node = node->right;
    return node;
}

struct kith_ordered_node *kith_ordered_next(const struct kith_ordered_node *node)
{
    struct kith_ordered_node *at = node->right;

    if (at != NULL) {
        while (at->left != NULL) at = at->left;
        return at;
    }
    for (at = node->up; at != NULL && at->right == node; at = at->up) node = at;
    return at;
}

struct kith_ordered_node *kith_ordered_prev(const struct kith_ordered_node *node)
{
    struct kith_ordered_node *at = node->left;

    if (at != NULL) {
        while (at->right != NULL) at = at->right;
        return at;
    }
    for (at = node->up; at != NULL && at->left == node; at = at->up) node = at;
    return at;
}

/** Puts `to` (may be NULL) where `from` hangs. */
static void ordered_replace(struct kith_ordered *map, struct kith_ordered_node *from, struct kith_ordered_node *to)
{
    if (from->up == NULL)
        map->root = to;
    else if (from->up->left == from)
        from->up->left = to;
    else
        from->up->right = to;
    if (to != NULL) to->up = from->up;
}

/** Lifts `node` above its parent, keeping the order of keys. */
static void ordered_lift(struct kith_ordered *map, struct kith_ordered_node *node)
{
    struct kith_ordered_node *parent = node->up, *moved;
    bool was_left = parent->left == node;

    moved = was_left ? node->right : node->left;
    ordered_replace(map, parent, node);
    if (was_left) {
        node->right = parent;
        parent->left = moved;
    } else {
        node->left = parent;
        parent->right = moved;
    }
    parent->up = node;
    if (moved != NULL) moved->up = parent;
}

kith_err kith_ordered_add(struct kith_ordered *map, struct kith_slice key, struct kith_ordered_node **out)
{
    struct kith_ordered_node **link = &map->root, *up = NULL, *node;

    assert(key.len <= UINT32_MAX);
    while (*link != NULL) {
        int c = kith_slice_cmp(key, kith_ordered_key(*link));

        if (c == 0) {
            *out = *link;
            return KITH_E_CONFLICT;
        }
        up = *link;
        link = c < 0 ? &up->left : &up->right;
    }
    *out = NULL;
    node = calloc(1, sizeof *node + key.len);
    if (node == NULL) return KITH_E_NOMEM;
    node->up = up;
    node->priority = (uint32_t)kith_prng_next(&map->coins);
    node->key_len = (uint32_t)key.len;
    if (key.len > 0) memcpy(node->key, key.ptr, key.len);
    *link = node;
    while (node->up != NULL && node->up->priority < node->priority) ordered_lift(map, node);
    map->count++;
    *out = node;
    return KITH_OK;
}

void *kith_ordered_remove(struct kith_ordered *map, struct kith_ordered_node *node)
{
    void *value = node->value;

    while (node->left != NULL && node->right != NULL)
        ordered_lift(map, node->left->priority > node->right->priority ? node->left : node->right);
    ordered_replace(map, node, node->left != NULL ? node->left : node->right);
    free(node);
    map->count--;
    return value;
}
