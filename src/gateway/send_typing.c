#include <stdlib.h>

#include "gateway/frames.h"
#include "gateway/inbox.h"
#include "gateway/reader.h"

/*
 * SEND /chat/{id}/typing: shown to the members who are online, never stored. Off: header typing:false or the body
 * {"typing":false}. The chat's members are read first: who is none learns nothing and shows nothing.
 */
#define TYPING_MEMBERS_MAX 256  /* in larger groups nobody is shown typing */
#define TYPING_EVERY_MS    1000 /* renewals more often than this are not passed on */

struct typing_request {
    struct chat_id chat;
    bool on;
};

static void finish(struct reader *reader, enum kith_code code, struct chat_roster *roster)
{
    struct waiting *waiting = reader->waiting;
    struct session *session = waiting->session;
    struct typing_request request = *(const struct typing_request *)waiting->held;
    struct kith_slice receipt = waiting_receipt(waiting);

    waiting->reader = NULL;
    reader_free(reader);
    session->blocked = false;
    if (roster != NULL) typing_set(session->gateway, request.chat, session->user_id, roster, request.on);
    if (code == CODE_OK) {
        session_receipt(session, receipt, NULL, NULL);
        waiting_end(waiting);
    } else {
        waiting_answer(waiting, &(struct chat_answer){.code = code});
    }
}

static bool is_in(const struct row_member *member)
{
    return row_member_last_visible(member) == UINT64_MAX;
}

/* NULL: nobody is to be shown anything, or no memory. */
static struct chat_roster *roster_of(struct reader *reader, struct user_id typist)
{
    struct kith_slice rest = kith_buf_peek(&reader->scan.rows), key, value;
    struct chat_roster *roster = malloc(sizeof *roster + reader->scan.count * sizeof roster->users[0]);
    bool is_put, is_blocked = false;

    if (roster == NULL) return NULL;
    atomic_init(&roster->refs, 1);
    roster->count = 0;
    while (msgstore_batch_next(&rest, &is_put, &key, &value) == KITH_OK) {
        struct row_member member = {0};
        struct user_id user = {0};
        if (row_key_tail_id(key, &user.id) != KITH_OK || row_member_decode(value, &member) != KITH_OK) continue;
        if (!is_in(&member)) continue;
        is_blocked |= (member.flags & MEMBER_BLOCKS) != 0 && !kith_uuid_eq(user.id, typist.id);
        roster->users[roster->count++] = user;
    }
    if (!is_blocked) return roster;
    chat_roster_unref(roster);
    return NULL;
}

static void got_members(struct reader *reader)
{
    struct chat_roster *roster = NULL;

    if (reader->scan.err != KITH_OK) {
        finish(reader, CODE_UNAVAILABLE, NULL);
        return;
    }
    /* A stranger whose request is not accepted yet learns nothing, so neither that one reads it. */
    if (!reader->scan.more && (reader->member.flags & MEMBER_ACCEPTED) != 0)
        roster = roster_of(reader, reader->waiting->session->user_id);
    finish(reader, CODE_OK, roster);
}

static void got_own(struct reader *reader)
{
    const struct typing_request *request = reader->waiting->held;
    kith_err err = reader->get.err;

    if (err == KITH_OK) err = row_member_decode(kith_buf_peek(&reader->get.value), &reader->member);
    if (err == KITH_E_NOTFOUND || (err == KITH_OK && !is_in(&reader->member))) {
        finish(reader, CODE_NOT_FOUND, NULL);
    } else if (err != KITH_OK) {
        finish(reader, CODE_UNAVAILABLE, NULL);
    } else {
        reader->prefix = row_key_member(request->chat, (struct user_id){0});
        reader->prefix.len = ROW_PREFIX_STREAM;
        reader->key = reader->prefix;
        reader_scan(reader, TYPING_MEMBERS_MAX, got_members);
    }
}

/* {"typing":false}, with any spaces. */
static bool says_off(const struct stomp_frame *frame)
{
    static const char off[] = "{\"typing\":false}";
    struct kith_slice header = {0};
    size_t at = 0;

    if (stomp_header(frame, "typing", &header)) return kith_slice_is(header, "false");
    for (size_t i = 0; i < frame->body.len; i++) {
        uint8_t b = frame->body.ptr[i];
        if (b == ' ' || b == '\t' || b == '\r' || b == '\n') continue;
        if (at == sizeof off - 1 || b != (uint8_t)off[at++]) return false;
    }
    return at == sizeof off - 1;
}

enum frame_result send_typing(struct session *session, const struct stomp_frame *frame, struct kith_uuid id)
{
    struct gateway *gateway = session->gateway;
    struct typing_request *request;
    struct waiting *waiting;
    bool on = !says_off(frame);

    if (on && typing_is_fresh(gateway, (struct chat_id){id}, session->user_id, TYPING_EVERY_MS)) return FRAME_DONE;
    waiting = waiting_new(session, WAITING_LOOKUP, frame_receipt(frame));
    if (waiting == NULL) return frame_refuse(session, frame, CODE_UNAVAILABLE, NULL);
    request = malloc(sizeof *request);
    waiting->held = request;
    waiting->reader = reader_new(gateway, true);
    if (request == NULL || waiting->reader == NULL) {
        if (waiting->reader != NULL) reader_free(waiting->reader);
        waiting->reader = NULL;
        waiting_answer(waiting, &(struct chat_answer){.code = CODE_UNAVAILABLE});
        return FRAME_LATER;
    }
    *request = (struct typing_request){.chat = {id}, .on = on};
    session->blocked = true; /* on and off in the order they were sent */
    waiting->reader->waiting = waiting;
    waiting->reader->key = row_key_member(request->chat, session->user_id);
    reader_get(waiting->reader, 1024, got_own);
    return FRAME_LATER;
}
