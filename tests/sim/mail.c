#include "mail.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/bodies.h"
#include "wire/row.h"

#define MAIL_BYTES_MAX 1024

/* One item, from when somebody first wanted to send it. */
struct sim_mail {
    struct sim_mail *next;
    unsigned number, sender, owner;
    struct msg_id id;
    bool is_for[SIM_DEVICES_MAX], came[SIM_DEVICES_MAX];
    uint64_t seq[SIM_DEVICES_MAX]; /* as it came there */
    uint64_t n;                    /* as answered; 0: not yet */
    struct mail_try *trying;
    size_t len;
    uint8_t bytes[MAIL_BYTES_MAX]; /* as application/x-kith-bodies */
};

/* One command for it. The asker's until it is answered or the server is dead. */
struct mail_try {
    struct ask ask; /* first: the asker gives it back */
    struct loop_task task;
    struct mail_try *next;
    struct sim *sim;
    struct sim_mail *mail;
    uint64_t generation;
    bool other_content;
};

static struct kith_slice text_of(const struct sim_mail *mail, unsigned device, char room[static 32])
{
    int len = snprintf(room, 32, "item %u for %u", mail->number, device);

    return kith_slice_of(room, (size_t)len);
}

static void seal(const struct sim *sim, struct sim_mail *mail)
{
    struct bodies_item items[SIM_DEVICES_MAX];
    char rooms[SIM_DEVICES_MAX][32];
    struct kith_buf out;
    size_t count = 0;

    for (unsigned d = 0; d < sim->device_count; d++) {
        if (!mail->is_for[d]) continue;
        items[count] = (struct bodies_item){.device = sim->devices[d].id, .ciphertext = text_of(mail, d, rooms[count])};
        count++;
    }
    kith_buf_init(&out, sizeof mail->bytes);
    if (bodies_encode(&out, NULL, 0, items, count) != KITH_OK) abort();
    mail->len = kith_buf_len(&out);
    memcpy(mail->bytes, kith_buf_peek(&out).ptr, mail->len);
    kith_buf_deinit(&out);
}

/* ------------------------------------------------------------------------------------------------------------- sending */

static void answered(struct ask *ask)
{
    struct mail_try *one = (struct mail_try *)ask;
    struct sim *sim = one->sim;
    struct sim_mail *mail = one->mail;
    enum kith_code code = ask->answer.code;
    bool is_taken = code == CODE_CREATED || code == CODE_OK;

    if (mail->trying == one) mail->trying = NULL;
    if (kith_code_retryable(code)) return;
    if (one->other_content) {
        if (code != CODE_CONFLICT) sim_fail(sim, "I-E2: an item's id was taken again with other content");
        sim->counters.mail_conflicts++;
        return;
    }
    if (!is_taken) {
        sim_fail(sim, "item %u was refused with %s", mail->number, kith_code_name(code));
        return;
    }
    if (mail->n != 0 && mail->n != ask->answer.seq)
        sim_fail(sim, "I-E2 moved: item %u was acknowledged as %" PRIu64 " and %" PRIu64, mail->number, mail->n,
                 ask->answer.seq);
    if (mail->n == 0) sim->counters.mail_acked++;
    mail->n = ask->answer.seq;
}

/* On a server loop. */
static void try_run(struct loop_task *task)
{
    struct mail_try *one = (struct mail_try *)((char *)task - offsetof(struct mail_try, task));
    struct sim *sim = one->sim;
    struct sim_mail *mail = one->mail;
    struct cmd cmd = {
        .verb = CMD_MAIL_SEND,
        .flags = CMD_PER_DEVICE | CMD_ENCRYPTED,
        .stream = sim->users[mail->owner].id,
        .actor = sim->users[mail->sender],
        .id = mail->id,
        .content_type = kith_slice_str(one->other_content ? "text/plain" : "application/octet-stream"),
        .body = kith_slice_of(mail->bytes, mail->len),
    };

    if (!sim->server.up || one->generation != sim->server.generation) return;
    asker_ask(sim->server.askers[0], &cmd, &one->ask);
}

static void try_send(struct sim *sim, struct sim_mail *mail, bool other_content)
{
    struct mail_try *one = calloc(1, sizeof *one);

    if (one == NULL) abort();
    one->ask.done = answered;
    one->task.run = try_run;
    one->sim = sim;
    one->mail = mail;
    one->generation = sim->server.generation;
    one->other_content = other_content;
    one->next = sim->mail_tries;
    sim->mail_tries = one;
    if (!other_content) mail->trying = one;
    loop_post(sim->server.loops[0], &one->task);
}

/* Before that nobody knows it. */
static bool has_signed_in(const struct sim_device *device)
{
    return device->linking.is_in && device->linking.login_until_ms == 0;
}

static struct sim_mail *mail_new(struct sim *sim)
{
    struct sim_mail *mail = calloc(1, sizeof *mail);
    uint8_t coins[10];
    unsigned only;

    if (mail == NULL) abort();
    mail->number = (unsigned)sim->counters.mail_sends++;
    mail->sender = (unsigned)kith_prng_below(&sim->prng, sim->user_count);
    mail->owner = (unsigned)kith_prng_below(&sim->prng, sim->user_count);
    kith_prng_bytes(&sim->prng, coins, sizeof coins);
    mail->id = (struct msg_id){kith_uuid_v7_make(loop_wall_ms(sim->director), coins)};
    /* To all devices of the person, or to one: then the numbers of the others stand still. */
    only = (unsigned)kith_prng_below(&sim->prng, sim->device_count);
    mail->owner = sim->devices[only].user;
    while (!has_signed_in(&sim->devices[only])) only--; /* its person's first has */
    for (unsigned d = 0; d < sim->device_count; d++)
        mail->is_for[d] = sim->devices[d].user == mail->owner && has_signed_in(&sim->devices[d]) &&
                          (d == only || kith_prng_chance(&sim->prng, 2, 3));
    seal(sim, mail);
    mail->next = sim->mails;
    sim->mails = mail;
    return mail;
}

/* Nobody can answer that one any more, or somebody did with "later". */
static bool may_try(const struct sim *sim, const struct sim_mail *mail)
{
    return mail->trying == NULL || mail->trying->generation != sim->server.generation;
}

void mail_send(struct sim *sim)
{
    struct sim_mail *mail = sim->mails;

    for (uint64_t skip = kith_prng_below(&sim->prng, 8); mail != NULL && skip > 0; skip--) mail = mail->next;
    if (mail != NULL && mail->n != 0 && kith_prng_chance(&sim->prng, 1, 8)) {
        try_send(sim, mail, true);
    } else if (mail != NULL && may_try(sim, mail) && kith_prng_chance(&sim->prng, 1, 2)) {
        sim->counters.mail_again++;
        try_send(sim, mail, false);
    } else {
        try_send(sim, mail_new(sim), false);
    }
}

/* ------------------------------------------------------------------------------------------------------ what must hold */

void mail_applied(struct sim_device *device, const struct kith_message *item)
{
    struct sim *sim = device->sim;
    struct sim_mail *mail = sim->mails;
    unsigned d = device->number;
    char room[32];

    while (mail != NULL && !kith_uuid_eq(mail->id.id, item->id.id)) mail = mail->next;
    if (mail == NULL || !mail->is_for[d]) {
        sim_fail(sim, "%s: a phantom in the mailbox, number %" PRIu64, device->name, item->seq);
        return;
    }
    sim->counters.mail_taken++;
    if (mail->came[d])
        sim_fail(sim, "I-E6 duplicated: item %u came to %s as %" PRIu64 " and %" PRIu64, mail->number, device->name,
                 mail->seq[d], item->seq);
    if (!kith_slice_eq(item->body, text_of(mail, d, room)))
        sim_fail(sim, "I-E5 corrupt: item %u at %s", mail->number, device->name);
    if (!kith_uuid_eq(item->sender.id, sim->users[mail->sender].id))
        sim_fail(sim, "item %u came to %s from somebody else", mail->number, device->name);
    mail->came[d] = true;
    mail->seq[d] = item->seq;
}

bool mail_is_quiet(const struct sim *sim)
{
    for (const struct sim_mail *mail = sim->mails; mail != NULL; mail = mail->next)
        if (mail->trying != NULL && mail->trying->generation == sim->server.generation) return false;
    return true;
}

static void left_over(void *arg, struct kith_slice key, struct kith_slice value)
{
    struct sim *sim = arg;

    (void)value;
    if (key.ptr[0] == 'Y') sim_fail(sim, "an item that all have is still in the store");
}

/* Of one mailbox: the order at a device is that of the numbers that the senders were told. */
static void final_order(struct sim *sim, const struct sim_mail *a, const struct sim_mail *b)
{
    if (a->owner != b->owner || a->n == 0 || b->n == 0) return;
    for (unsigned d = 0; d < sim->device_count; d++)
        if (a->came[d] && b->came[d] && (a->n < b->n) != (a->seq[d] < b->seq[d]))
            sim_fail(sim, "items %u and %u came to %s in another order", a->number, b->number, sim->devices[d].name);
}

/* A client that encrypts takes its mail itself, and these are none of its devices': that it came is seen by what is left over. */
void mail_final(struct sim *sim)
{
    for (const struct sim_mail *mail = sim->encrypts ? NULL : sim->mails; mail != NULL; mail = mail->next) {
        for (unsigned d = 0; d < sim->device_count; d++)
            if (mail->n != 0 && mail->is_for[d] && !mail->came[d])
                sim_fail(sim, "I-D1 lost: item %u was acknowledged and never came to %s", mail->number,
                         sim->devices[d].name);
        for (const struct sim_mail *other = mail->next; other != NULL; other = other->next)
            if (!kith_uuid_eq(other->id.id, mail->id.id)) final_order(sim, mail, other);
    }
    msgstore_mem_each(sim->server.store_image, left_over, sim);
}

void mail_free(struct sim *sim)
{
    while (sim->mail_tries != NULL) {
        struct mail_try *next = sim->mail_tries->next;
        free(sim->mail_tries);
        sim->mail_tries = next;
    }
    while (sim->mails != NULL) {
        struct sim_mail *next = sim->mails->next;
        free(sim->mails);
        sim->mails = next;
    }
}
