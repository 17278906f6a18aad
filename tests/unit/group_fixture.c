#include "group_fixture.h"

#include "wire/json_text.h"

struct author author_of_name(struct afx *fx, const char *name)
{
    struct author author = {.who = afx_person(fx, name)};

    author.device = uuid_of(author.who.device);
    expect(send_list(fx, &author.who, 1, NULL, 1, 1, author.list_hash), 200, NULL);
    return author;
}

struct e2e_group_op op_by(const struct author *author, enum e2e_group_kind kind, const struct person *subject,
                          uint8_t role)
{
    struct e2e_group_op op = {.kind = kind, .role = role, .author_device = 1, .list_seq = 1, .made_at_ms = 1000};

    memcpy(op.author, uuid_of(author->who.user).raw, sizeof op.author);
    memcpy(op.list_hash, author->list_hash, sizeof op.list_hash);
    if (subject != NULL) memcpy(op.subject, uuid_of(subject->user).raw, sizeof op.subject);
    return op;
}

struct e2e_group_op create_by(const struct author *author, const struct person *other)
{
    static uint8_t founders[2 * E2E_FOUNDER_BYTES];
    struct e2e_group_op op = op_by(author, E2E_GROUP_CREATE, NULL, 0);
    struct kith_uuid self = uuid_of(author->who.user), them = uuid_of(other->user);
    bool self_first = kith_uuid_cmp(self, them) < 0;

    for (int i = 0; i < 2; i++) {
        bool is_self = (i == 0) == self_first;
        memcpy(founders + i * E2E_FOUNDER_BYTES, is_self ? self.raw : them.raw, E2E_ACCOUNT_ID_BYTES);
        founders[i * E2E_FOUNDER_BYTES + E2E_ACCOUNT_ID_BYTES] = is_self ? E2E_ROLE_OWNER : E2E_ROLE_MEMBER;
    }
    op.founders = kith_slice_of(founders, sizeof founders);
    op.suite = E2E_GROUP_SUITE;
    memset(op.group_id, 0x77, sizeof op.group_id);
    return op;
}

struct made_op op_make(const struct e2e_group *group, const struct author *author, struct e2e_group_op op)
{
    struct made_op made;
    uint8_t secret[E2E_SIGN_SECRET_BYTES];

    made_device_secret(author->device, secret);
    kith_buf_init(&made.bytes, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_group_make(group, &op, secret, &made.after, &made.bytes), KITH_OK);
    return made;
}

void made_op_free(struct made_op *made)
{
    kith_buf_deinit(&made->bytes);
    e2e_group_free(made->after);
}

/* ------------------------------------------------------------------------------------------------ requests */

struct reply *chat_call(struct afx *fx, const char *method, const struct person *by, const char *chat, const char *tail,
                        const char *body)
{
    char target[160];

    (void)snprintf(target, sizeof target, "/chats/%s%s", chat, tail);
    return body == NULL ? afx_ask(fx, method, target, by->access, NULL)
                        : afx_ask(fx, method, target, by->access, "%s", body);
}

char *op_body(const char *more, struct kith_slice signed_op, unsigned group_seq)
{
    struct kith_buf json;
    char *body;

    kith_buf_init(&json, 1u << 20);
    assert_int_equal(kith_buf_printf(&json, "{%s\"group_seq\":%u,\"signed_op\":", more, group_seq), KITH_OK);
    assert_int_equal(json_put_base64(&json, signed_op), KITH_OK);
    assert_int_equal(kith_buf_append_str(&json, "}"), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&json, 0), KITH_OK);
    body = strdup((const char *)kith_buf_peek(&json).ptr);
    assert_non_null(body);
    kith_buf_deinit(&json);
    return body;
}

struct reply *send_op(struct afx *fx, const char *method, const struct person *by, const char *chat, const char *tail,
                      const char *more, struct kith_slice signed_op, unsigned group_seq)
{
    char *body = op_body(more, signed_op, group_seq);
    struct reply *reply = chat_call(fx, method, by, chat, tail, body);

    free(body);
    return reply;
}

struct reply *send_create(struct afx *fx, const struct person *by, const struct person *other, const char *key,
                          const char *more, struct kith_slice signed_op)
{
    struct reply *reply;
    char start[200], *body;

    (void)snprintf(start, sizeof start, "\"type\":\"group\",\"members\":[\"%s\"],%s", other->user, more);
    body = op_body(start, signed_op, 1);
    fx->headers[0][0] = key == NULL ? NULL : "Idempotency-Key";
    fx->headers[0][1] = key;
    reply = afx_ask(fx, "POST", "/chats", by->access, "%s", body);
    fx->headers[0][0] = NULL;
    free(body);
    return reply;
}

struct known_group group_created(struct afx *fx, const struct author *by, const struct person *other)
{
    struct made_op made = op_make(NULL, by, create_by(by, other));
    struct known_group known = {.group = made.after};
    struct reply *reply = expect_kept(send_create(fx, &by->who, other, NULL, "", kith_buf_peek(&made.bytes)), 201,
                                      NULL);

    (void)snprintf(known.chat, sizeof known.chat, "%s", reply_str(reply, "chat_id"));
    reply_free(reply);
    kith_buf_deinit(&made.bytes);
    return known;
}

void must_op(struct afx *fx, struct known_group *known, const struct author *by, struct e2e_group_op op,
             const char *method, const char *tail, const char *more)
{
    struct made_op made = op_make(known->group, by, op);

    expect(
        send_op(fx, method, &by->who, known->chat, tail, more, kith_buf_peek(&made.bytes), (unsigned)made.after->seq),
        200, NULL);
    e2e_group_free(known->group);
    known->group = made.after;
    kith_buf_deinit(&made.bytes);
}

const char *of_user(const char *format, const struct person *person)
{
    static char texts[8][100];
    static unsigned next;
    char *text = texts[next++ % 8];

    (void)snprintf(text, sizeof texts[0], format, person->user);
    return text;
}
