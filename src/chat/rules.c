#include "chat/chat.h"

#define FORMAT 1

const struct chat_rules chat_rules_default = {
    .logic = CHAT_LOGIC,
    .members_max = KITH_MEMBERS_MAX,
    .id_age_ms_max = KITH_ID_AGE_MS_MAX,
    .id_ahead_ms_max = KITH_ID_AHEAD_MS_MAX,
    .key_keep_ms = KITH_KEY_KEEP_MS,
};

void chat_rules_encode(const struct chat_rules *rules, uint8_t out[static CHAT_RULES_BYTES])
{
    out[0] = FORMAT;
    kith_put_u32_be(out + 1, rules->logic);
    kith_put_u32_be(out + 5, rules->members_max);
    kith_put_u64_be(out + 9, rules->id_age_ms_max);
    kith_put_u64_be(out + 17, rules->id_ahead_ms_max);
    kith_put_u64_be(out + 25, rules->key_keep_ms);
}

kith_err chat_rules_decode(struct kith_slice in, struct chat_rules *out)
{
    struct chat_rules rules;

    if (in.len != CHAT_RULES_BYTES || in.ptr[0] != FORMAT) return KITH_E_MALFORMED;
    rules = (struct chat_rules){.logic = kith_get_u32_be(in.ptr + 1),
                                .members_max = kith_get_u32_be(in.ptr + 5),
                                .id_age_ms_max = kith_get_u64_be(in.ptr + 9),
                                .id_ahead_ms_max = kith_get_u64_be(in.ptr + 17),
                                .key_keep_ms = kith_get_u64_be(in.ptr + 25)};
    if (rules.logic < CHAT_LOGIC_OLDEST || rules.logic > CHAT_LOGIC) return KITH_E_MALFORMED;
    if (rules.members_max < 2 || rules.members_max > KITH_MEMBERS_CEILING) return KITH_E_MALFORMED;
    *out = rules;
    return KITH_OK;
}

bool chat_rules_equal(const struct chat_rules *a, const struct chat_rules *b)
{
    return a->logic == b->logic && a->members_max == b->members_max && a->id_age_ms_max == b->id_age_ms_max &&
           a->id_ahead_ms_max == b->id_ahead_ms_max && a->key_keep_ms == b->key_keep_ms;
}
