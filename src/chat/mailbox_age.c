#include <assert.h>

#include "chat/mailbox_internal.h"

#define DAY_MS (24ull * 3600 * 1000)
_Static_assert(ROW_MAIL_MARKS_MAX >= KITH_MAILBOX_AGE_MS_MAX / DAY_MS + 2, "a mark for each day that is not given up");

uint64_t mailbox_first_at(const struct row_mail_device *row, uint64_t time_ms)
{
    unsigned i = 0;

    while (i < row->mark_count && (row->marks[i].day + 1ull) * DAY_MS + KITH_MAILBOX_AGE_MS_MAX <= time_ms) i++;
    if (i == 0) return row->first;
    return i == row->mark_count ? row->last + 1 : row->marks[i].n;
}

void mailbox_give_up(struct row_mail_device *row, uint64_t first)
{
    unsigned gone = 0;

    if (first <= row->first) return;
    row->first = first;
    while (gone < row->mark_count && (gone + 1 == row->mark_count ? row->last + 1 : row->marks[gone + 1].n) <= first)
        gone++;
    row->mark_count = (uint8_t)(row->mark_count - gone);
    memmove(row->marks, row->marks + gone, row->mark_count * sizeof row->marks[0]);
}

void mailbox_mark(struct row_mail_device *row, uint64_t time_ms)
{
    uint32_t day = (uint32_t)(time_ms / DAY_MS);

    if (row->mark_count > 0 && row->marks[row->mark_count - 1].day == day) return;
    /* Those too old were given up before, and time does not go back: one mark a day fits. */
    assert(row->mark_count < ROW_MAIL_MARKS_MAX);
    row->marks[row->mark_count++] = (struct row_mail_mark){.day = day, .n = row->last + 1};
}
