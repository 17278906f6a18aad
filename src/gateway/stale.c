#include <stdlib.h>

#include "gateway/session.h"
#include "wire/bodies.h"

/* Together with the headers it fits into a frame that any client must take. */
#define DIFFERENCE_BYTES_MAX (KITH_FRAME_BYTES_MAX - 16 * 1024)

/* What a message with a body for each device was made for, kept while its answer is due. */
struct sent_devices {
    struct chat_id chat;
    size_t count;
    struct device_id devices[]; /* ascending */
};

/* One look-up of what a message should have been made for; outlives its session. */
struct stale {
    struct account_stale op; /* first */
    struct gateway *gateway;
    struct waiting *waiting; /* NULL: its session went away */
    struct sent_devices *sent;
    struct stale *prev, *next;
};

void stale_note(struct waiting *waiting, const struct cmd *cmd)
{
    struct bodies bodies = {0};
    struct bodies_item item;
    struct sent_devices *sent;

    if ((cmd->flags & CMD_PER_DEVICE) == 0 || bodies_decode(cmd->body, &bodies) != KITH_OK) return;
    sent = malloc(sizeof *sent + bodies.item_count * sizeof sent->devices[0]);
    if (sent == NULL) return; /* then a refusal says no more than its code */
    sent->chat = (struct chat_id){cmd->stream};
    sent->count = 0;
    while (bodies_next_item(&bodies.items, &item) == KITH_OK) sent->devices[sent->count++] = item.device;
    waiting->sent = sent;
}

static void stale_free(struct stale *stale)
{
    if (stale->prev != NULL)
        stale->prev->next = stale->next;
    else
        stale->gateway->stales = stale->next;
    if (stale->next != NULL) stale->next->prev = stale->prev;
    account_stale_free(&stale->op);
    free(stale->sent);
    free(stale);
}

/* As much as fits: of a full group, to whom a message for each device was written, not all of it does. */
static void write_difference(const struct account_stale *op, struct kith_buf *out)
{
    if (op->call.code != CODE_OK || account_stale_write(op, ACCOUNT_STALE_WHOLE, out) == KITH_OK) return;
    kith_buf_reset(out);
    if (account_stale_write(op, ACCOUNT_STALE_NO_DEVICES, out) == KITH_OK) return;
    kith_buf_reset(out);
    if (account_stale_write(op, ACCOUNT_STALE_NUMBERS, out) != KITH_OK) kith_buf_reset(out);
}

static void known(struct account_call *call)
{
    struct stale *stale = (struct stale *)call;
    struct waiting *waiting = stale->waiting;
    struct kith_buf difference;

    kith_buf_init(&difference, DIFFERENCE_BYTES_MAX);
    if (waiting != NULL) write_difference(&stale->op, &difference);
    stale_free(stale);
    if (waiting != NULL) {
        waiting->stale = NULL;
        waiting_refuse(waiting, CODE_STALE_DEVICES, kith_buf_peek(&difference));
    }
    kith_buf_deinit(&difference);
}

bool stale_start(struct waiting *waiting)
{
    struct gateway *gateway = waiting->session->gateway;
    struct stale *stale;

    if (waiting->sent == NULL || gateway->config.stale == NULL) return false;
    stale = calloc(1, sizeof *stale);
    if (stale == NULL) return false;
    stale->gateway = gateway;
    stale->waiting = waiting;
    stale->sent = waiting->sent;
    waiting->sent = NULL;
    waiting->stale = stale;
    stale->next = gateway->stales;
    if (stale->next != NULL) stale->next->prev = stale;
    gateway->stales = stale;
    stale->op.call = (struct account_call){.loop = gateway->config.loop, .done = known};
    stale->op.chat = stale->sent->chat;
    stale->op.sender = waiting->session->device;
    stale->op.sent = stale->sent->devices;
    stale->op.sent_count = stale->sent->count;
    gateway->config.stale(gateway->config.accounts, &stale->op);
    return true;
}

void stale_orphan(struct stale *stale)
{
    stale->waiting = NULL;
}

size_t stale_count(const struct gateway *gateway)
{
    size_t count = 0;

    for (const struct stale *stale = gateway->stales; stale != NULL; stale = stale->next) count++;
    return count;
}

void stale_free_all(struct gateway *gateway)
{
    while (gateway->stales != NULL) stale_free(gateway->stales);
}
