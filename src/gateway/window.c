#include <stdlib.h>

#include "gateway/inbox.h"

#define WINDOW_CAP_MIN 16

bool window_is_open(const struct inbox *inbox)
{
    const struct subscriptions *subs = inbox->session->subs;

    return subs != NULL && subs->has_inbox && inbox->unacked < subs->prefetch;
}

/* Acknowledged entries in the middle go when they are half of all, so that each is moved a fixed number of times. */
static void compact(struct inbox *inbox)
{
    uint32_t to = 0;

    for (uint32_t i = 0; i < inbox->window_len; i++) {
        struct delivery *entry = &inbox->window[inbox->window_at + i];
        if (entry->stream != NULL) inbox->window[to++] = *entry;
    }
    inbox->window_at = 0;
    inbox->window_len = to;
}

static void trim(struct inbox *inbox)
{
    while (inbox->window_len > 0 && inbox->window[inbox->window_at].stream == NULL) {
        inbox->window_at++;
        inbox->window_len--;
    }
    if (inbox->window_len > WINDOW_CAP_MIN && inbox->unacked * 2 < inbox->window_len) compact(inbox);
    if (inbox->window_len > 0) return;
    free(inbox->window);
    inbox->window = NULL;
    inbox->window_at = inbox->window_cap = 0;
}

kith_err window_add(struct inbox *inbox, struct stream *stream, uint64_t n, uint64_t seq, uint64_t before)
{
    uint32_t end = inbox->window_at + inbox->window_len;

    if (end == inbox->window_cap) {
        if (inbox->window_at > inbox->window_cap / 2) {
            compact(inbox);
        } else {
            uint32_t cap = inbox->window_cap == 0 ? WINDOW_CAP_MIN : inbox->window_cap * 2;
            struct delivery *grown = realloc(inbox->window, cap * sizeof *grown);
            if (grown == NULL) return KITH_E_NOMEM;
            inbox->window = grown;
            inbox->window_cap = cap;
        }
        end = inbox->window_at + inbox->window_len;
    }
    inbox->window[end] = (struct delivery){.n = n, .stream = stream, .seq = seq, .before = before};
    inbox->window_len++;
    inbox->unacked++;
    stream->unacked++;
    return KITH_OK;
}

/* Index of the first entry whose number is >= n. */
static uint32_t lower_bound(const struct inbox *inbox, uint64_t n)
{
    uint32_t low = 0, high = inbox->window_len;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (inbox->window[inbox->window_at + mid].n < n)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void move_cursor(struct stream *stream, uint64_t seq)
{
    if (stream->nacked != 0 && seq >= stream->nacked) seq = stream->nacked - 1;
    if (seq <= stream->cursor) return;
    stream->cursor = seq;
    cursor_touch(stream);
}

/* Everything of the stream before its first unacknowledged delivery is acknowledged. */
static uint64_t contiguous(const struct inbox *inbox, const struct stream *stream)
{
    for (uint32_t i = 0; i < inbox->window_len; i++) {
        const struct delivery *entry = &inbox->window[inbox->window_at + i];
        if (entry->stream == stream) return entry->before;
    }
    return stream->sent;
}

static void take(struct inbox *inbox, struct delivery *entry, bool cumulative, bool nack)
{
    struct stream *stream = entry->stream;

    entry->stream = NULL;
    inbox->unacked--;
    stream->unacked--;
    if (nack) {
        if (stream->nacked == 0) inbox->nacked_count++;
        if (stream->nacked == 0 || entry->before + 1 < stream->nacked) stream->nacked = entry->before + 1;
        return;
    }
    /* In cumulative order all of this chat that was delivered before is settled already. */
    move_cursor(stream, cumulative ? entry->seq : contiguous(inbox, stream));
}

uint32_t window_take(struct inbox *inbox, uint64_t n, bool cumulative, bool nack)
{
    struct delivery *entries;
    uint32_t at, taken = 0;

    if (inbox->window == NULL) return 0;
    entries = inbox->window + inbox->window_at;
    at = lower_bound(inbox, n);
    if (!cumulative) {
        if (at == inbox->window_len || entries[at].n != n || entries[at].stream == NULL) return 0;
        take(inbox, &entries[at], false, nack);
        taken = 1;
    } else {
        for (uint32_t i = 0; i < inbox->window_len && entries[i].n <= n; i++) {
            if (entries[i].stream == NULL) continue;
            take(inbox, &entries[i], true, nack);
            taken++;
        }
    }
    trim(inbox);
    return taken;
}
