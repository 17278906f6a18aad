#include <stdlib.h>

#include "base/mutant.h"
#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_impl.h"

/*
 * This device's prekeys: private halves until they are used or too old, public ones until the server has them. One-time
 * keys are made up to the server's full number when fewer than E2E_PREKEYS_LOW are left there. All are made anew when the
 * server has some that are not ours.
 */
struct prekey_own *account_prekey_find(const struct e2e_account *account, enum e2e_prekey_kind kind, uint32_t id)
{
    struct prekey_own *own = account->prekeys;

    while (own != NULL && (own->half.kind != kind || own->half.id != id)) own = own->next;
    return own;
}

void account_prekey_link(struct e2e_account *account, struct prekey_own *own)
{
    struct prekey_own **at = &account->prekeys;

    while (*at != NULL && (*at)->made_ms > own->made_ms) at = &(*at)->next;
    own->next = *at;
    *at = own; /* newest first */
    account->prekey_count++;
}

static void own_free(struct prekey_own *own)
{
    e2e_wipe(&own->half, sizeof own->half);
    kith_buf_deinit(&own->public);
    free(own);
}

/* Nobody can begin with the key any more, so nothing can be begun with it again. */
static void forget_uses(struct e2e_account *account, uint32_t kem_id)
{
    const uint8_t *use = NULL;
    uint8_t(*gone)[LAST_RESORT_BYTES];
    uint32_t at = 0, count = 0;

    gone = calloc((size_t)account->last_resort.count + 1, sizeof *gone);
    if (gone == NULL) return; /* they stay: more than is needed is remembered */
    while (kith_map_next(&account->last_resort, &at, (const void **)&use, NULL))
        if (kith_get_u32_be(use) == kem_id) memcpy(gone[count++], use, LAST_RESORT_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        (void)kith_map_remove(&account->last_resort, gone[i]);
        account_drop_last_resort(account, gone[i]);
    }
    free(gone);
}

void account_prekey_forget(struct e2e_account *account, struct prekey_own *own)
{
    struct prekey_own **at = &account->prekeys;

    if (own->half.kind == E2E_PREKEY_KEM_LR) forget_uses(account, own->half.id);
    while (*at != own) at = &(*at)->next;
    *at = own->next;
    account->prekey_count--;
    account_drop_prekey(account, own);
    own_free(own);
}

void account_prekeys_free(struct e2e_account *account)
{
    while (account->prekeys != NULL) {
        struct prekey_own *next = account->prekeys->next;
        own_free(account->prekeys);
        account->prekeys = next;
    }
    account->prekey_count = 0;
}

/* No memory: it is tried again when the upload is asked for next. */
static bool make(struct e2e_account *account, uint64_t now_ms, enum e2e_prekey_kind kind, uint64_t life_ms)
{
    struct prekey_own *own;

    own = calloc(1, sizeof *own);
    if (own == NULL) return false;
    kith_buf_init(&own->public, E2E_PREKEY_BYTES_MAX);
    own->made_ms = now_ms;
    if (e2e_prekey_new(&account->config.random, account->config.account_id, account->self.device_id,
                       account->self.dsk_secret, kind, now_ms + life_ms, &own->half, &own->public) != KITH_OK ||
        account_prekey_find(account, kind, own->half.id) != NULL) {
        own_free(own);
        return false;
    }
    account_prekey_link(account, own);
    account_keep_prekey(account, own);
    return true;
}

static uint32_t count_unsent(const struct e2e_account *account, enum e2e_prekey_kind kind)
{
    uint32_t count = 0;

    for (const struct prekey_own *own = account->prekeys; own != NULL; own = own->next)
        count += own->half.kind == kind && kith_buf_len(&own->public) > 0;
    return count;
}

static void fill(struct e2e_account *account, uint64_t now_ms, enum e2e_prekey_kind kind, uint32_t left)
{
    uint32_t have = left == UINT32_MAX ? 0 : left, max = account->config.one_time_keys;

    if (left != UINT32_MAX && have >= (max == E2E_PREKEYS_MAX ? E2E_PREKEYS_LOW : (max + 1) / 2)) return;
    have += count_unsent(account, kind);
    /* Whoever takes them all, time and again, leaves us without one-time keys, and not without any. */
    while (have < max && account->prekey_count < E2E_PREKEYS_KEPT_MAX &&
           make(account, now_ms, kind, E2E_ONE_TIME_LIFE_MS))
        have++;
}

static uint64_t keep_ms(enum e2e_prekey_kind kind)
{
    return kind == E2E_PREKEY_SPK || kind == E2E_PREKEY_KEM_LR ? E2E_SPK_KEEP_MS
                                                               : E2E_ONE_TIME_LIFE_MS + E2E_SPK_KEEP_MS;
}

static void forget_old(struct e2e_account *account, uint64_t now_ms)
{
    for (struct prekey_own *own = account->prekeys, *next; own != NULL; own = next) {
        next = own->next;
        if (own->made_ms + keep_ms(own->half.kind) <= now_ms) account_prekey_forget(account, own);
    }
}

/* At a moment that nobody knows before: else who has the prekey could tell that the device was not there when it was due. */
static uint64_t renew_at(const struct e2e_account *account, uint64_t now_ms)
{
    uint8_t coins[8];

    account->config.random.fill(account->config.random.arg, coins, sizeof coins);
    return now_ms + E2E_SPK_RENEW_MIN_MS + kith_get_u64_be(coins) % E2E_SPK_RENEW_RANGE;
}

/* ------------------------------------------------------------------------------------------------ all anew */

/* Of this kind the server has `id`, 0: none. A device that has made none yet has lost none. */
enum lasting { LASTING_OURS, LASTING_LOST, LASTING_FOREIGN };
static enum lasting lasting_of(const struct e2e_account *account, enum e2e_prekey_kind kind, uint32_t id)
{
    const struct prekey_own *own = account->prekeys;

    if (id != 0) return account_prekey_find(account, kind, id) == NULL ? LASTING_FOREIGN : LASTING_OURS;
    while (own != NULL && own->half.kind != kind) own = own->next;
    return own != NULL && kith_buf_len(&own->public) == 0 ? LASTING_LOST : LASTING_OURS;
}

/*
 * Not uploaded, as far as is known here; but if this is an older state that was put back, they may have been, and may have been used.
 * Their private halves stay: a bundle with one of them may be with somebody.
 */
static void withdraw(struct e2e_account *account)
{
    for (struct prekey_own *own = account->prekeys; own != NULL; own = own->next) {
        if (kith_buf_len(&own->public) == 0) continue;
        kith_buf_deinit(&own->public);
        account_keep_prekey(account, own);
    }
}

/*
 * The server's word is all that there is for this, and costs a device some hundred key pairs: hence a bound in time, which is
 * kept. The clock may have been set back since.
 */
static void renew_all(struct e2e_account *account, uint64_t now_ms, bool replaces)
{
    struct self_keys *self = &account->self;
    const bool was_lately = self->anew_at_ms != 0 && now_ms >= self->anew_at_ms &&
                            now_ms - self->anew_at_ms < E2E_PREKEYS_ANEW_MS;

    if (was_lately) return;
    self->anew_at_ms = now_ms;
    self->spk_renew_at_ms = 0;
    self->replaces = replaces;
    if (replaces) withdraw(account);
    account_keep_self(account);
}

void account_prekeys_renew(struct e2e_account *account, uint64_t now_ms)
{
    forget_old(account, now_ms);
    if (account->has_foreign) renew_all(account, now_ms, true);
    account->has_foreign = false;
    if (account->self.replaces) account->opks_left = account->kem_ots_left = 0; /* none of those will be there */
    if (account->self.spk_renew_at_ms <= now_ms && make(account, now_ms, E2E_PREKEY_SPK, E2E_SPK_LIFE_MS) &&
        make(account, now_ms, E2E_PREKEY_KEM_LR, E2E_SPK_LIFE_MS)) {
        account->self.spk_renew_at_ms = renew_at(account, now_ms);
        account_keep_self(account);
    }
    fill(account, now_ms, E2E_PREKEY_OPK, account->opks_left);
    fill(account, now_ms, E2E_PREKEY_KEM_OT, account->kem_ots_left);
}

/* Of the signed prekey and that of last resort the newest counts: the list is newest first. */
static void offer(const struct prekey_own *own, struct e2e_upload *out)
{
    struct kith_slice public = kith_buf_peek(&own->public);

    if (public.len == 0) return;
    switch (own->half.kind) {
    case E2E_PREKEY_SPK:
        if (out->spk.len == 0) out->spk = public;
        return;
    case E2E_PREKEY_KEM_LR:
        if (out->kem_lr.len == 0) out->kem_lr = public;
        return;
    case E2E_PREKEY_OPK:
        if (out->opk_count < E2E_PREKEYS_MAX) out->opks[out->opk_count++] = public;
        return;
    case E2E_PREKEY_KEM_OT:
        if (out->kem_ot_count < E2E_PREKEYS_MAX) out->kem_ots[out->kem_ot_count++] = public;
        return;
    }
}

bool e2e_account_upload(struct e2e_account *account, uint64_t now_ms, struct e2e_upload *out)
{
    const struct person *me = account_person_find(account, account->config.account_id);

    *out = (struct e2e_upload){0};
    if (account->state != E2E_ACCOUNT_READY) return false;
    account_list_renew(account, now_ms);
    account_prekeys_renew(account, now_ms);
    kith_buf_reset(&account->upload_list);
    if (account->self.list_unsent && kith_buf_append(&account->upload_list, kith_buf_peek(&me->signed_list)) == KITH_OK)
        out->list = kith_buf_peek(&account->upload_list);
    for (const struct prekey_own *own = account->prekeys; own != NULL; own = own->next) offer(own, out);
    out->replaces = account->self.replaces;
    return out->list.len + out->spk.len + out->kem_lr.len + out->opk_count + out->kem_ot_count > 0;
}

/* ------------------------------------------------------------------------------------------------ what was taken */
static bool is_over(const struct prekeys_watch *watch, uint64_t now_ms)
{
    return now_ms < watch->began_ms || now_ms - watch->began_ms >= E2E_PREKEYS_TAKEN_MS;
}

/* It may have been handed out before the server was looked at last, or since. */
void account_prekey_use(struct e2e_account *account, uint64_t now_ms, struct prekey_own *own)
{
    struct prekeys_watch *watch = &account->watch;

    account_prekey_forget(account, own);
    if (watch->taken > 0 && !is_over(watch, now_ms))
        watch->taken--;
    else if (watch->expected > 0)
        watch->expected--;
    if (watch->is_known) account_keep_watch(account);
}

/* is_anew: others than those that were there before. They are not taken, but what was taken before that was. */
static void watch_look(struct e2e_account *account, uint64_t now_ms, uint32_t opk_count, uint32_t kem_ot_count,
                       bool is_anew)
{
    struct prekeys_watch *watch = &account->watch;
    const bool is_fewer = watch->is_known && !is_anew && kem_ot_count < watch->expected;
    const uint32_t taken = is_fewer ? watch->expected - kem_ot_count : 0;

    account->opks_left = opk_count;
    account->kem_ots_left = kem_ot_count;
    if (account->state != E2E_ACCOUNT_READY) return;
    if (taken > 0 && is_over(watch, now_ms)) {
        watch->began_ms = now_ms;
        watch->since_ms = watch->looked_ms;
        watch->taken = 0;
    }
    watch->taken = taken < UINT32_MAX - watch->taken ? watch->taken + taken : UINT32_MAX;
    watch->expected = kem_ot_count;
    watch->looked_ms = now_ms;
    watch->is_known = true;
    account_keep_watch(account);
}

void e2e_account_uploaded(struct e2e_account *account, uint64_t now_ms, uint32_t opk_count, uint32_t kem_ot_count)
{
    const struct person *me = account_person_find(account, account->config.account_id);
    const bool replaced = account->self.replaces, was_unsent = account->self.list_unsent;

    if (account->state != E2E_ACCOUNT_READY) return;
    for (struct prekey_own *own = account->prekeys; own != NULL; own = own->next) {
        if (kith_buf_len(&own->public) == 0) continue;
        kith_buf_deinit(&own->public);
        account_keep_prekey(account, own);
    }
    /* Unless it has become another one meanwhile. */
    if (account->self.list_unsent && me != NULL &&
        (kith_slice_eq(kith_buf_peek(&account->upload_list), kith_buf_peek(&me->signed_list)) ||
         kith_mutant(LIST_FORGOTTEN)))
        account->self.list_unsent = false;
    account->self.replaces = false;
    if (replaced || was_unsent != account->self.list_unsent) account_keep_self(account);
    watch_look(account, now_ms, opk_count, kem_ot_count, replaced);
}

struct e2e_prekeys_taken e2e_account_prekeys_taken(const struct e2e_account *account, uint64_t now_ms)
{
    const struct prekeys_watch *watch = &account->watch;

    if (watch->taken == 0 || is_over(watch, now_ms)) return (struct e2e_prekeys_taken){0};
    return (struct e2e_prekeys_taken){
        .count = watch->taken, .since_ms = watch->since_ms, .is_alarm = watch->taken >= E2E_PREKEYS_TAKEN_ALARM};
}

void e2e_account_prekeys_left(struct e2e_account *account, uint64_t now_ms, const struct e2e_prekeys_left *left)
{
    const enum lasting spk = lasting_of(account, E2E_PREKEY_SPK, left->spk_id),
                       kem_lr = lasting_of(account, E2E_PREKEY_KEM_LR, left->kem_lr_id);
    const bool is_foreign = spk == LASTING_FOREIGN || kem_lr == LASTING_FOREIGN;

    account->has_foreign = account->state != E2E_ACCOUNT_READY && is_foreign;
    if (account->state == E2E_ACCOUNT_READY && (is_foreign || spk == LASTING_LOST || kem_lr == LASTING_LOST))
        renew_all(account, now_ms, is_foreign);
    watch_look(account, now_ms, left->opk_count, left->kem_ot_count, account->self.replaces);
}
