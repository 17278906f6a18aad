#ifndef KITH_BASE_ORDERED_H
#define KITH_BASE_ORDERED_H

#include "base/prng.h"
#include "base/slice.h"

/**
 * An ordered map from byte strings to pointers: a treap. Keys are ordered as kith_slice_cmp() does and copied into the
 * node. All operations are O(log n) on the average. The shape depends on `seed` and the calls only, so that equal runs
 * are equal. A node stays where it is until it is removed. Not thread-safe.
 */
struct kith_ordered_node {
    struct kith_ordered_node *up, *left, *right; /* the map's */
    void *value;                                 /* the caller's */
    uint32_t priority;                           /* the map's */
    uint32_t key_len;
    uint8_t key[];
};

struct kith_ordered {
    struct kith_ordered_node *root;
    size_t count;
    struct kith_prng coins;
};

void kith_ordered_init(struct kith_ordered *map, uint64_t seed);
/** Frees all nodes, each value through `value_free` when that is not NULL. */
void kith_ordered_deinit(struct kith_ordered *map, void (*value_free)(void *value));

static inline struct kith_slice kith_ordered_key(const struct kith_ordered_node *node)
{
    return kith_slice_of(node->key, node->key_len);
}

/** The node of exactly `key`, or NULL. */
struct kith_ordered_node *kith_ordered_find(const struct kith_ordered *map, struct kith_slice key);
/** The first node whose key is >= `key`; an empty key: the first of all. NULL when there is none. */
struct kith_ordered_node *kith_ordered_seek(const struct kith_ordered *map, struct kith_slice key);
/** The last node whose key is < `key` (with `or_equal`: <=). NULL when there is none. */
struct kith_ordered_node *kith_ordered_seek_back(const struct kith_ordered *map, struct kith_slice key, bool or_equal);
struct kith_ordered_node *kith_ordered_last(const struct kith_ordered *map);
/** The neighbour in key order, or NULL. */
struct kith_ordered_node *kith_ordered_next(const struct kith_ordered_node *node);
struct kith_ordered_node *kith_ordered_prev(const struct kith_ordered_node *node);

/** KITH_OK: *out is a new node with value NULL. KITH_E_CONFLICT: *out is the node that has the key. KITH_E_NOMEM. */
KITH_MUST_USE kith_err kith_ordered_add(struct kith_ordered *map, struct kith_slice key,
                                        struct kith_ordered_node **out);
/** Frees the node, and hands out its value. */
void *kith_ordered_remove(struct kith_ordered *map, struct kith_ordered_node *node);

#endif
