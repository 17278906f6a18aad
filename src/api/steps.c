#include "api/api_impl.h"

static void ask_done(struct ask *ask)
{
    struct api_request *request = (struct api_request *)((char *)ask - offsetof(struct api_request, ask));

    request->asked(request, &ask->answer);
}

void api_ask(struct api_request *request, struct cmd *cmd,
             void (*next)(struct api_request *request, const struct chat_answer *answer))
{
    cmd->actor = request->who.user; /* never what a client says (I-A5) */
    cmd->device = request->who.device;
    request->asked = next;
    request->ask = (struct ask){.done = ask_done};
    asker_ask(request->api->config.asker, cmd, &request->ask);
}

static void get_done(struct msgstore_get *op)
{
    struct api_request *request = (struct api_request *)((char *)op - offsetof(struct api_request, get));

    if (op->err == KITH_OK || op->err == KITH_E_NOTFOUND) {
        request->got(request, op->err, kith_buf_peek(&op->value));
        return;
    }
    api_problem_code(request, op->err == KITH_E_DAMAGED || op->err == KITH_E_TOOBIG ? CODE_INTERNAL : CODE_UNAVAILABLE);
}

void api_get(struct api_request *request, const struct row_key *key,
             void (*next)(struct api_request *request, kith_err err, struct kith_slice value))
{
    request->got = next;
    request->key = *key;
    kith_buf_reset(&request->get.value);
    request->get.loop = request->api->config.loop;
    request->get.key = row_key_slice(&request->key);
    request->get.done = get_done;
    msgstore_get(request->api->config.store, &request->get);
}

static void member_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    if (err == KITH_E_NOTFOUND) {
        api_problem_code(request, CODE_NOT_FOUND); /* no such chat, or a foreign one: the same (I-A3) */
    } else if (row_member_decode(value, &request->member) != KITH_OK) {
        api_problem_code(request, CODE_INTERNAL);
    } else {
        request->next(request);
    }
}

void api_with_member(struct api_request *request, struct chat_id chat, void (*next)(struct api_request *request))
{
    struct row_key key = row_key_member(chat, api_me(request));

    request->chat = chat;
    request->next = next;
    api_get(request, &key, member_got);
}

bool api_member_is_in(const struct row_member *member)
{
    return member->interval_count > 0 && member->intervals[member->interval_count - 1].to == 0;
}

void api_answer_seq(struct api_request *request, const struct chat_answer *answer)
{
    if (answer->code != CODE_OK && answer->code != CODE_CREATED) {
        api_problem_core(request, answer);
        return;
    }
    json_out_open(&request->out, '{');
    json_put_u64_at(&request->out, "seq", answer->seq);
    json_out_close(&request->out, '}');
    api_answer(request, 200);
}
