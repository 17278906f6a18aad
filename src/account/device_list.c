#include "account/device_list.h"

static enum kith_code code_of(kith_err err)
{
    switch (err) {
    case KITH_OK: return CODE_OK;
    case KITH_E_NOMEM: return CODE_UNAVAILABLE;
    case KITH_E_DENIED: return CODE_BAD_SIGNATURE;
    default: return CODE_BAD_REQUEST;
    }
}

enum kith_code account_list_verify(struct kith_slice signed_list, const struct account_identity *who,
                                   struct e2e_device_list *out)
{
    enum kith_code code = code_of(e2e_device_list_parse(signed_list, out));

    /* What costs nothing first: what is refused by it costs nobody a signature. */
    if (code != CODE_OK) return code;
    if (memcmp(out->account_id, who->user.id.raw, sizeof out->account_id) != 0) return CODE_BAD_REQUEST;
    if (e2e_device_find_server(out, who->device.id.raw) == NULL) return CODE_FORBIDDEN;
    code = code_of(e2e_device_list_read(signed_list, who->user.id.raw, out));
    if (code != CODE_OK) return code;
    /* Beside the list anybody with a token could put bytes, until no acceptance has room any more. */
    return e2e_device_list_is_bare(signed_list, out) ? CODE_OK : CODE_BAD_SIGNATURE;
}

/* Two devices may not know of each other's upload: who would undo an acceptance must look again. */
static bool keeps_accepts(const struct e2e_device_list *before, const struct e2e_device_list *next)
{
    /* They are of one AIK: none outlives it. */
    if (memcmp(before->aik_pub, next->aik_pub, sizeof next->aik_pub) != 0) return true;
    for (uint32_t i = 0; i < next->device_count; i++) {
        const struct e2e_device *was = e2e_device_find(before, next->devices[i].device_id);
        if (was != NULL && was->is_accepted && !next->devices[i].is_accepted) return false;
    }
    return true;
}

enum account_list_step account_list_step(struct kith_slice stored, const struct e2e_device_list *next)
{
    struct e2e_device_list before;
    enum e2e_list_step step;

    if (stored.len == 0) return next->seq == 1 ? ACCOUNT_LIST_NEXT : ACCOUNT_LIST_WRONG;
    if (e2e_device_list_parse(stored, &before) != KITH_OK) return ACCOUNT_LIST_WRONG;
    step = e2e_device_list_compare(&before, next);
    if ((step != E2E_LIST_NEXT && step != E2E_LIST_SAME) || !keeps_accepts(&before, next)) return ACCOUNT_LIST_WRONG;
    return step == E2E_LIST_SAME ? ACCOUNT_LIST_SAME : ACCOUNT_LIST_NEXT;
}
