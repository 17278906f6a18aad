#include "cli/send_why.h"

#include <stdio.h>
#include <string.h>

#include "libkith/e2ee/account_group.h"

static struct send_why why_of(const struct e2e_account *account, struct user_id user)
{
    switch (e2e_account_person(account, user.id.raw).trust) {
    case E2E_TRUST_CHANGED: return (struct send_why){.kind = SEND_WHY_KEY, .user = user};
    case E2E_TRUST_FORKED: return (struct send_why){.kind = SEND_WHY_LISTS, .user = user};
    case E2E_TRUST_UNKNOWN:
    case E2E_TRUST_KNOWN:
    case E2E_TRUST_VERIFIED: break;
    }
    return (struct send_why){0};
}

static struct send_why why_of_group(const struct e2e_account *account, const struct e2e_group_view *view)
{
    struct send_why why = {0};
    struct user_id user;

    if (view->is_forked) return (struct send_why){.kind = SEND_WHY_GROUP};
    for (uint32_t i = 0; i < view->group->member_count && why.kind == SEND_WHY_NONE; i++) {
        memcpy(user.id.raw, view->group->members[i].account_id, sizeof user.id.raw);
        why = why_of(account, user);
    }
    return why;
}

struct send_why send_why(struct kith_client *client, struct chat_id chat)
{
    const struct e2e_account *account = kith_client_account(client);
    struct send_why why = {0};
    struct e2e_group_view view;
    struct user_id pair[2];

    if (account == NULL) return why;
    if (e2e_account_group(account, chat.id.raw, &view)) return why_of_group(account, &view);
    if (!kith_client_pair(client, chat, pair)) return why;
    why = why_of(account, pair[0]);
    return why.kind != SEND_WHY_NONE ? why : why_of(account, pair[1]);
}

const char *send_why_name(enum send_why_kind kind)
{
    switch (kind) {
    case SEND_WHY_KEY: return "key_changed";
    case SEND_WHY_LISTS: return "lists_forked";
    case SEND_WHY_GROUP: return "group_forked";
    case SEND_WHY_NONE: break;
    }
    return NULL;
}

void send_why_print(const struct send_why *why, struct chat_id chat, const char *name)
{
    char id[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(chat.id, id);
    switch (why->kind) {
    case SEND_WHY_NONE: return;
    case SEND_WHY_KEY:
        fprintf(stderr,
                "kith: refused: %s has another account key than the one that you verified (FORBIDDEN)\n"
                "      Nothing is sent to them. Ask %s, compare the number, and say: kith verify %s --confirm\n",
                name, name, name);
        break;
    case SEND_WHY_LISTS:
        fprintf(stderr,
                "kith: refused: the server has shown two different device lists of %s (FORBIDDEN)\n"
                "      Nothing is sent to them. Tell %s, by another way than this, and whoever runs the server.\n",
                name, name);
        break;
    case SEND_WHY_GROUP:
        fprintf(stderr, "kith: refused: the server has shown two different changes of this group (FORBIDDEN)\n"
                        "      Nothing is sent here. Tell its members, by another way than this.\n");
        break;
    }
    fprintf(stderr, "      More about it: kith security %s\n", id);
}
