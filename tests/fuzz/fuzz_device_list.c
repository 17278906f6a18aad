#include <stdlib.h>

#include "account/keys.h"
#include "tests/e2e_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world_party party;
static struct account_identity who;

static void init(void)
{
    world_party_init(&party, 1);
    memcpy(who.user.id.raw, party.account_id, sizeof who.user.id.raw);
    memcpy(who.device.id.raw, party.list.devices[0].server_device, sizeof who.device.id.raw);
}

/* What is taken every client reads, all of it was signed, and nothing shorter is it but the list without its acceptances. */
static void bring(struct kith_slice signed_list)
{
    static struct e2e_device_list list, read;
    enum kith_code code = account_list_verify(signed_list, &who, &list);
    const struct kith_slice stored = kith_buf_peek(&party.signed_list);
    const struct e2e_device *at;

    if (code != CODE_OK) {
        if (code != CODE_BAD_REQUEST && code != CODE_FORBIDDEN && code != CODE_BAD_SIGNATURE) abort();
        return;
    }
    if (e2e_device_list_read(signed_list, party.account_id, &read) != KITH_OK) abort();
    if (memcmp(&list, &read, sizeof list) != 0 || !e2e_device_list_is_bare(signed_list, &read)) abort();
    if (e2e_device_list_parse(signed_list, &list) != KITH_OK || memcmp(&list, &read, sizeof list) != 0) abort();
    for (size_t cut = 1; cut <= 64 && cut < signed_list.len; cut++)
        if (account_list_verify(kith_slice_of(signed_list.ptr, signed_list.len - cut), &who, &list) == CODE_OK) abort();
    /* Whatever was stored follows itself; after the party's list there may be only what a client with it would pin. */
    if (account_list_step(signed_list, &read) != ACCOUNT_LIST_SAME) abort();
    if (account_list_step((struct kith_slice){0}, &read) != (read.seq == 1 ? ACCOUNT_LIST_NEXT : ACCOUNT_LIST_WRONG))
        abort();
    if (account_list_step(stored, &read) != ACCOUNT_LIST_WRONG) {
        enum e2e_list_step step = e2e_device_list_compare(&party.list, &read);
        if (step != E2E_LIST_NEXT && step != E2E_LIST_SAME) abort();
        at = e2e_device_find(&read, party.list.devices[0].device_id);
        if (memcmp(read.aik_pub, party.list.aik_pub, sizeof read.aik_pub) == 0 && at != NULL && !at->is_accepted)
            abort();
    }
}

/* Any bytes at all, signed by the account. */
static void sign_and_bring(struct kith_slice list, bool has_acceptance)
{
    struct e2e_acceptance accept = {.device_id = party.list.devices[0].device_id};
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct e2e_tlv_writer writer;
    struct kith_buf out, more;

    if (list.len > E2E_LIST_BYTES_MAX) return;
    world_need(e2e_sign(party.aik_secret, E2E_LABEL_DEVLIST, list, signature) == KITH_OK);
    world_need(e2e_device_accept(party.dsk_secret, &party.list, &party.list.devices[0], accept.signature) == KITH_OK);
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    kith_buf_init(&more, E2E_SIGNED_LIST_BYTES_MAX);
    writer = e2e_tlv_writer_of(&out);
    e2e_tlv_put(&writer, 1, list);
    e2e_tlv_put(&writer, 2, kith_slice_of(signature, sizeof signature));
    world_need(e2e_tlv_finish(&writer) == KITH_OK);
    if (has_acceptance && e2e_device_list_add_acceptance(kith_buf_peek(&out), &accept, &more) == KITH_OK)
        bring(kith_buf_peek(&more));
    else
        bring(kith_buf_peek(&out));
    kith_buf_deinit(&out);
    kith_buf_deinit(&more);
}

static void bring_prekey(struct kith_slice in, enum e2e_prekey_kind kind)
{
    struct account_prekey prekey = {0}, again;

    if (account_prekey_read(in, kind, &prekey) != KITH_OK) return;
    if (prekey.id == 0 || in.len > KITH_PREKEY_BYTES_MAX || !kith_slice_eq(prekey.prekey, in)) abort();
    if (account_prekey_read(kith_slice_of(in.ptr, in.len - 1), kind, &again) == KITH_OK) abort();
}

/* The first byte says what the rest is brought as. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kith_slice in;

    if (party.list.seq == 0) init();
    if (size == 0) return 0;
    in = kith_slice_of(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0: bring_prekey(in, E2E_PREKEY_SPK); break;
    case 1: bring(in); break;
    case 2: sign_and_bring(in, false); break;
    case 3: sign_and_bring(in, true); break;
    default: bring_prekey(in, E2E_PREKEY_KEM_LR); break;
    }
    return 0;
}
