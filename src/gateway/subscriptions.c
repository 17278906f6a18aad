#include <stdlib.h>

#include "gateway/session.h"

/* An entry: kind, length of the id, id. */
#define ENTRY_HEAD 2

static void note_kinds(struct subscriptions *subs)
{
    size_t at = 0;

    subs->has_inbox = subs->has_events = subs->has_errors = false;
    for (; at < subs->bytes; at += ENTRY_HEAD + (size_t)subs->entries[at + 1]) {
        subs->has_inbox |= subs->entries[at] == SUBSCRIPTION_INBOX;
        subs->has_events |= subs->entries[at] == SUBSCRIPTION_EVENTS;
        subs->has_errors |= subs->entries[at] == SUBSCRIPTION_ERRORS;
    }
}

kith_err subscriptions_add(struct session *session, enum subscription_kind kind, struct kith_slice id)
{
    struct subscriptions *subs = session->subs;
    size_t used = subs == NULL ? 0 : subs->bytes;
    struct subscriptions *grown;

    assert(id.len > 0 && id.len <= GATEWAY_SUBSCRIPTION_ID_BYTES_MAX);
    if (subs != NULL && subs->count == GATEWAY_SUBSCRIPTIONS_MAX) return KITH_E_FULL;
    grown = realloc(subs, sizeof *subs + used + ENTRY_HEAD + id.len);
    if (grown == NULL) return KITH_E_NOMEM;
    if (subs == NULL) *grown = (struct subscriptions){0};
    subs = session->subs = grown;
    subs->entries[used] = (uint8_t)kind;
    subs->entries[used + 1] = (uint8_t)id.len;
    memcpy(subs->entries + used + ENTRY_HEAD, id.ptr, id.len);
    subs->bytes = (uint16_t)(used + ENTRY_HEAD + id.len);
    subs->count++;
    note_kinds(subs);
    return KITH_OK;
}

static bool find(const struct subscriptions *subs, struct kith_slice id, size_t *at)
{
    if (subs == NULL) return false;
    for (*at = 0; *at < subs->bytes; *at += ENTRY_HEAD + (size_t)subs->entries[*at + 1])
        if (kith_slice_eq(id, kith_slice_of(subs->entries + *at + ENTRY_HEAD, subs->entries[*at + 1]))) return true;
    return false;
}

kith_err subscriptions_remove(struct session *session, struct kith_slice id, enum subscription_kind *kind)
{
    struct subscriptions *subs = session->subs;
    size_t at = 0, len;

    if (!find(subs, id, &at)) return KITH_E_NOTFOUND;
    len = ENTRY_HEAD + (size_t)subs->entries[at + 1];
    *kind = (enum subscription_kind)subs->entries[at];
    memmove(subs->entries + at, subs->entries + at + len, subs->bytes - at - len);
    subs->bytes = (uint16_t)(subs->bytes - len);
    subs->count--;
    note_kinds(subs);
    return KITH_OK;
}

bool subscriptions_find(const struct subscriptions *subs, struct kith_slice id)
{
    size_t at = 0;

    return find(subs, id, &at);
}

bool subscriptions_next(const struct subscriptions *subs, enum subscription_kind kind, size_t *at,
                        struct kith_slice *id)
{
    while (subs != NULL && *at < subs->bytes) {
        const uint8_t *entry = subs->entries + *at;
        *at += ENTRY_HEAD + (size_t)entry[1];
        if (entry[0] != kind) continue;
        *id = kith_slice_of(entry + ENTRY_HEAD, entry[1]);
        return true;
    }
    return false;
}
