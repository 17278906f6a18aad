#include "chat/mailbox.h"

#include <assert.h>

#include "base/mutant.h"
#include "chat/mailbox_internal.h"
#include "wire/bodies.h"

struct mailbox_step {
    struct mailbox *box;
    const struct cmd *cmd;
    uint64_t position;
    uint64_t time_ms; /* command time, clamped to be monotone in this mailbox */
    const struct chat_rules *rules;
    const struct chat_lookup *lookups;
    struct chat_effects *fx;
};

static void answer(struct mailbox_step *step, enum kith_code code)
{
    step->fx->answer = (struct chat_answer){.code = code, .epoch = 1};
}

static void put(struct mailbox_step *step, const struct row_key *key, const struct kith_buf *value)
{
    if (step->fx->err == KITH_OK) step->fx->err = row_put(step->fx->rows, key, kith_buf_peek(value));
    if (step->fx->err == KITH_OK) step->fx->row_count++;
}

static void erase(struct mailbox_step *step, const struct row_key *key)
{
    if (step->fx->err == KITH_OK) step->fx->err = row_delete(step->fx->rows, key);
    if (step->fx->err == KITH_OK) step->fx->row_count++;
}

static void store_head(struct mailbox_step *step)
{
    struct mailbox *box = step->box;
    struct row_key key = row_key_mailbox(box->user);
    struct kith_buf value;

    box->head.position = step->position;
    box->head.time_ms = step->time_ms;
    kith_buf_init(&value, 128);
    if (step->fx->err == KITH_OK) step->fx->err = row_mailbox_encode(&box->head, &value);
    put(step, &key, &value);
    kith_buf_deinit(&value);
}

static void store_device(struct mailbox_step *step, const struct mailbox_device *device)
{
    struct row_key key = row_key_mail_device(step->box->user, device->device);
    struct kith_buf value;

    kith_buf_init(&value, 1024);
    if (step->fx->err == KITH_OK) step->fx->err = row_mail_device_encode(&device->row, &value);
    put(step, &key, &value);
    kith_buf_deinit(&value);
}

/* ------------------------------------------------------------------------------------------------------------ MAIL_SEND */

/* Looks, changes nothing: what waits without what is too old, and with this item. */
static bool has_room(const struct mailbox_step *step, const struct bodies *bodies)
{
    const struct mailbox *box = step->box;
    struct kith_slice items = bodies->items;
    struct bodies_item item;
    uint64_t waiting = bodies->item_count;
    size_t devices = bodies->item_count;

    for (size_t i = 0; i < box->device_count; i++) {
        const struct row_mail_device *row = &box->devices[i].row;
        uint64_t held = row->last + 1 - mailbox_first_at(row, step->time_ms);
        waiting += held;
        devices += held > 0;
    }
    while (bodies_next_item(&items, &item) == KITH_OK) {
        const struct mailbox_device *device = mailbox_device_find(box, item.device);
        if (device != NULL && mailbox_first_at(&device->row, step->time_ms) <= device->row.last) devices--;
    }
    return waiting <= KITH_MAILBOX_ITEMS_MAX && devices <= MAILBOX_DEVICES_MAX;
}

static void give_up_old(struct mailbox_step *step)
{
    struct mailbox *box = step->box;

    for (size_t i = 0; i < box->device_count; i++) {
        struct row_mail_device *row = &box->devices[i].row;
        uint64_t first = mailbox_first_at(row, step->time_ms);
        if (first == row->first) continue;
        box->head.item_count -= (uint32_t)(first - row->first);
        mailbox_give_up(row, first);
        store_device(step, &box->devices[i]);
    }
}

/* The one that nothing waits for and that was addressed least lately; it begins again above all that it ever had. */
static void forget_one(struct mailbox_step *step, const struct bodies *bodies)
{
    struct mailbox *box = step->box;
    struct mailbox_device *oldest = NULL;
    struct row_key key;
    struct kith_slice unused;

    for (size_t i = 0; i < box->device_count; i++) {
        struct mailbox_device *device = &box->devices[i];
        if (mailbox_waiting(&device->row) > 0 || bodies_find(bodies, device->device, &unused) == KITH_OK) continue;
        if (oldest == NULL || device->row.time_ms < oldest->row.time_ms) oldest = device;
    }
    assert(oldest != NULL); /* has_room() */
    key = row_key_mail_device(box->user, oldest->device);
    erase(step, &key);
    mailbox_device_remove(box, oldest);
}

static struct mailbox_device *device_of(struct mailbox_step *step, const struct bodies *bodies, struct device_id id)
{
    struct mailbox *box = step->box;
    struct mailbox_device *device = mailbox_device_find(box, id);

    if (device != NULL) return device;
    if (box->device_count == MAILBOX_DEVICES_MAX) forget_one(step, bodies);
    step->fx->err = mailbox_device_add(box, id, &device);
    if (step->fx->err != KITH_OK) return NULL;
    device->row.acked = device->row.last = box->head.last_n - 1; /* the item's number is taken */
    device->row.first = box->head.last_n;
    return device;
}

static void store_item(struct mailbox_step *step, const struct bodies *bodies, const struct bodies_item *item)
{
    const struct cmd *cmd = step->cmd;
    struct mailbox_device *device = device_of(step, bodies, item->device);
    struct kith_buf value;
    struct row_key key;
    struct row_message message = {
        .expires_ms = step->time_ms + KITH_MAILBOX_AGE_MS_MAX,
        .type = MESSAGE_MAIL,
        .flags = MESSAGE_ENCRYPTED,
        .epoch = 1,
        .position = step->position,
        .created_ms = step->time_ms,
        .sender = cmd->actor,
        .device = cmd->device,
        .id = cmd->id,
        .content_type = cmd->content_type,
        .body = item->ciphertext,
    };

    if (device == NULL) return;
    mailbox_mark(&device->row, step->time_ms);
    device->row.last++;
    device->row.time_ms = step->time_ms;
    step->box->head.item_count++;
    key = row_key_mail(step->box->user, device->device, device->row.last);
    kith_buf_init(&value, ROW_MESSAGE_HEAD_BYTES + message.content_type.len + message.body.len);
    step->fx->err = row_message_encode(&message, &value);
    put(step, &key, &value);
    kith_buf_deinit(&value);
    store_device(step, device);
}

static void apply_send(struct mailbox_step *step)
{
    const struct cmd *cmd = step->cmd;
    struct row_mailbox *head = &step->box->head;
    enum kith_code code = chat_key_judge(cmd, step->rules);
    struct bodies bodies = {0};
    struct kith_slice items, common;
    struct bodies_item item;

    if (code != CODE_OK) {
        answer(step, code);
        return;
    }
    if (chat_key_repeated(cmd, &step->lookups[CHAT_LOOKUP_KEY], step->fx)) return;
    if ((cmd->flags & CMD_ENCRYPTED) == 0 || (cmd->flags & CMD_PER_DEVICE) == 0 ||
        bodies_decode(cmd->body, &bodies) != KITH_OK || bodies.item_count == 0 ||
        bodies.item_count > MAILBOX_DEVICES_MAX || bodies_find(&bodies, (struct device_id){0}, &common) == KITH_OK) {
        answer(step, CODE_BAD_REQUEST);
        return;
    }
    if (!has_room(step, &bodies)) {
        answer(step, CODE_MAILBOX_FULL);
        return;
    }
    give_up_old(step);
    head->last_n++;
    if (kith_uuid_cmp(cmd->id.id, head->id_max.id) > 0) head->id_max = cmd->id;
    items = bodies.items;
    while (step->fx->err == KITH_OK && bodies_next_item(&items, &item) == KITH_OK) store_item(step, &bodies, &item);
    step->fx->answer = (struct chat_answer){
        .code = CODE_CREATED, .seq = head->last_n, .epoch = 1, .created_ms = step->time_ms};
    store_head(step);
    if (step->fx->err == KITH_OK)
        chat_key_remember(cmd, kith_uuid_v7_ms(cmd->id.id) + step->rules->key_keep_ms, step->fx);
}

/* ------------------------------------------------------------------------------------------------------------- MAIL_ACK */

static void apply_ack(struct mailbox_step *step)
{
    const struct cmd *cmd = step->cmd;
    struct mailbox *box = step->box;
    struct mailbox_device *device = mailbox_device_find(box, cmd->device);
    uint64_t up_to = cmd->seq;

    if (!kith_uuid_eq(cmd->actor.id, box->user.id)) {
        answer(step, CODE_FORBIDDEN);
        return;
    }
    answer(step, CODE_OK);
    if (device == NULL) return;
    if (up_to > device->row.last) up_to = device->row.last; /* nobody can have had more */
    if (up_to <= device->row.acked) return;
    for (uint64_t n = device->row.first; n <= up_to + kith_mutant(MAIL_ACK_GREEDY) && !kith_mutant(MAIL_STAYS); n++) {
        struct row_key key = row_key_mail(box->user, device->device, n);
        erase(step, &key);
    }
    device->row.acked = up_to;
    if (up_to >= device->row.first) {
        box->head.item_count -= (uint32_t)(up_to + 1 - device->row.first);
        mailbox_give_up(&device->row, up_to + 1);
    }
    store_device(step, device);
    store_head(step);
}

void mailbox_lookups(const struct mailbox *box, const struct cmd *cmd, struct chat_lookup out[static CHAT_LOOKUPS])
{
    memset(out, 0, CHAT_LOOKUPS * sizeof out[0]);
    if (cmd->verb != CMD_MAIL_SEND || kith_uuid_cmp(cmd->id.id, box->head.id_max.id) > 0) return;
    out[CHAT_LOOKUP_KEY].key = row_key_key(box->user.id, cmd->actor, cmd->id);
}

void mailbox_apply(struct mailbox *box, const struct cmd *cmd, uint64_t position, const struct chat_rules *rules,
                   const struct chat_lookup lookups[static CHAT_LOOKUPS], struct chat_effects *fx)
{
    struct kith_buf *rows = fx->rows;
    struct mailbox_step step = {.box = box,
                                .cmd = cmd,
                                .position = position,
                                .time_ms = cmd->time_ms > box->head.time_ms ? cmd->time_ms : box->head.time_ms,
                                .rules = rules,
                                .lookups = lookups,
                                .fx = fx};

    assert(cmd->verb == CMD_MAIL_SEND || cmd->verb == CMD_MAIL_ACK);
    memset(fx, 0, sizeof *fx);
    fx->rows = rows;
    answer(&step, CODE_INTERNAL);
    /* Replay after a crash: the rows already hold what the command did; who asked is gone. */
    if (position <= box->head.position) {
        answer(&step, CODE_OK);
        fx->answer.repeated = true;
    } else if (cmd->verb == CMD_MAIL_SEND) {
        apply_send(&step);
    } else {
        apply_ack(&step);
    }
}
