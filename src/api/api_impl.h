#ifndef KITH_API_API_IMPL_H
#define KITH_API_API_IMPL_H

#include <jansson.h>

#include "account/limiter.h"
#include "api/api.h"
#include "api/json_out.h"

/*
 * The life of a request: api.c finds its route and checks limits, token, headers and body; then the route's `run` starts
 * what it needs and answers by api_answer() or api_problem(), exactly once, now or in a callback. `run` takes all that it
 * wants of path, query, headers and body at once: they are lent until it returns. When the client goes away the request
 * lives on until its answer, which is then dropped.
 */
struct api_request;

enum api_route_flags {
    ROUTE_PUBLIC = 1 << 0,        /* no access token                       */
    ROUTE_MAYBE_TOKEN = 1 << 1,   /* with or without: then `who` is nobody */
    ROUTE_BODY = 1 << 2,          /* a JSON object                         */
    ROUTE_BODY_OPTIONAL = 1 << 3, /* a JSON object, or nothing             */
    ROUTE_ADMIN = 1 << 4,         /* on the admin listener too             */
    ROUTE_ADMIN_ONLY = 1 << 5,    /* nowhere else                          */
    ROUTE_TEXT = 1 << 6,          /* answers something else than JSON      */
};

#define API_PATH_IDS_MAX 2

struct api_route {
    enum http1_method method;
    const char *path; /* "/chats/{chat_id}/members/{user_id}": each {…} is an id */
    unsigned flags;
    void (*run)(struct api_request *request);
};

/** Ends with a NULL path. */
extern const struct api_route api_routes[];

enum api_match { MATCH_ROUTE, MATCH_NO_PATH, MATCH_NO_METHOD };

/** *allow gets the methods of the path ("GET, HEAD, OPTIONS") when there is such a path. */
#define API_ALLOW_BYTES_MAX 64
enum api_match api_router_find(bool admin, enum http1_method method, struct kith_slice path,
                               const struct api_route **route, struct kith_uuid ids[static API_PATH_IDS_MAX],
                               bool *ids_ok, char allow[static API_ALLOW_BYTES_MAX]);

struct api {
    struct api_config config;
    struct limiter people, addresses;
    struct api_request *requests;
    size_t pending;
    struct api_stats stats;
};

struct api_request {
    struct api_request *prev, *next_request;
    struct api *api;
    struct api_exchange *exchange;    /* NULL: the client went away */
    const struct http1_request *http; /* until `run` returned */
    const struct api_route *route;
    struct kith_uuid ids[API_PATH_IDS_MAX];
    struct account_identity who;
    struct account_check check;
    json_t *body; /* NULL: none */
    void *state;  /* api_state() */
    size_t state_bytes;
    void (*release)(void *state);
    struct json_out out; /* for the answer's body */
    char peer[64];
    /* steps.c: one at a time. */
    struct ask ask;
    struct msgstore_get get;
    struct row_key key;
    struct row_member member; /* of the asking person in `chat` */
    struct chat_id chat;
    void (*asked)(struct api_request *request, const struct chat_answer *answer);
    void (*got)(struct api_request *request, kith_err err, struct kith_slice value);
    void (*next)(struct api_request *request);
    /* route_group_ops.c: what is being verified, and what was found wrong with it (NULL: nothing, or the code says it) */
    struct api_signed_op *signed_op;
    const char *fault;
};

static inline struct user_id api_me(const struct api_request *request)
{
    return request->who.user;
}

/* ------------------------------------------------------------------------------------------------ answers: answer.c */

/** With what is in request->out. Ends the request. */
void api_answer(struct api_request *request, unsigned status);
/** 204. Ends the request. */
void api_answer_none(struct api_request *request);
/** Another content type than JSON, or another cache rule. Ends the request. */
void api_answer_bytes(struct api_request *request, unsigned status, const char *content_type, struct kith_slice body);

struct api_problem {
    enum kith_code code;
    unsigned status;        /* 0: the code's own */
    const char *detail;     /* NULL: none */
    const char *pointer;    /* RFC 6901, into the body; NULL: none */
    const char *parameter;  /* name of a query parameter, header or path part; NULL: none */
    uint32_t retry_after_s; /* 0: when the code is retryable, 1 */
    const char *allow;      /* NULL: none */
    /* NULL, or adds members: called with the object open. */
    void (*more)(void *arg, struct json_out *out);
    void *arg;
};
void api_problem(struct api_request *request, const struct api_problem *problem);
void api_problem_code(struct api_request *request, enum kith_code code);
/** As an operation of account.h ended. */
void api_problem_call(struct api_request *request, const struct account_call *call);
/** As the core answered. */
void api_problem_core(struct api_request *request, const struct chat_answer *answer);
/** The same without a request, which there was no memory for. */
void api_problem_bare(struct api_exchange *exchange, const struct api_problem *problem);

/* ------------------------------------------------------------------------------------------------ body: body.c */

#define API_JSON_DEPTH_MAX    32
#define API_POINTER_BYTES_MAX 256

/** False: answered. */
bool api_body_parse(struct api_request *request);

/**
 * Takes the fields of an object, one call each; the first that is missing or out of form is remembered, and
 * fields_end() answers it, or a field that nobody asked for. Optional fields may be null. Lent from the body.
 */
#define API_FIELDS_MAX 16
struct api_fields {
    struct api_request *request;
    json_t *object;
    char prefix[64]; /* "/bodies/3" */
    const char *asked[API_FIELDS_MAX];
    size_t asked_count;
    bool failed;
    char pointer[API_POINTER_BYTES_MAX];
    const char *detail;
};
void fields_begin(struct api_fields *fields, struct api_request *request);
/** Of an object inside the body: `prefix` is its pointer. */
void fields_begin_at(struct api_fields *fields, struct api_request *request, json_t *object, const char *prefix);
/** True: all fields are good. False: answered. */
bool fields_end(struct api_fields *fields);
/** Says that a field is out of form; the first one counts. */
void fields_wrong(struct api_fields *fields, const char *name, const char *detail);
/** NULL when it is absent or null. */
json_t *fields_take(struct api_fields *fields, const char *name, bool required);

/* Each gives false when the field is absent or wrong. */
bool fields_text(struct api_fields *fields, const char *name, bool required, size_t bytes_min, size_t bytes_max,
                 struct kith_slice *out);
/** Into a NUL-terminated text: no NUL inside. */
bool fields_copy(struct api_fields *fields, const char *name, bool required, size_t bytes_min, char *out, size_t room);
/** A name for people: account_display_name_is_valid(). */
bool fields_display_name(struct api_fields *fields, const char *name, bool required, char *out, size_t room);
bool fields_password(struct api_fields *fields, const char *name, bool required, bool is_new,
                     struct account_password *out);
bool fields_uuid(struct api_fields *fields, const char *name, bool required, struct kith_uuid *out);
bool fields_bool(struct api_fields *fields, const char *name, bool *out);
bool fields_u64(struct api_fields *fields, const char *name, bool required, uint64_t min, uint64_t max, uint64_t *out);
/** Decodes into malloc'ed memory: free(*out). Strict, with padding. */
bool fields_base64(struct api_fields *fields, const char *name, bool required, size_t bytes_max, uint8_t **out,
                   size_t *len);
bool fields_array(struct api_fields *fields, const char *name, bool required, size_t count_max, json_t **out);
/** An array of such texts: free(*out), which is the items and, behind them, their bytes. Absent: *out is NULL. */
bool fields_base64_array(struct api_fields *fields, const char *name, bool required, size_t count_max, size_t bytes_max,
                         struct kith_slice **out, size_t *count);
/** The same as fields_wrong(), of an item of an array. */
void fields_wrong_item(struct api_fields *fields, const char *name, size_t index, const char *detail);

/** The RFC 6901 pointer of the value that stands at (or ends before) `offset` of a JSON text. */
void json_pointer_at(struct kith_slice text, size_t offset, char out[static API_POINTER_BYTES_MAX]);
/** False: nested deeper than API_JSON_DEPTH_MAX, first at *offset. */
bool json_depth_is_fine(struct kith_slice text, size_t *offset);

/* ------------------------------------------------------------------------------------------------ query: query.c
 * Each gives true when the request goes on; false: answered. *out is untouched when an optional one is absent.
 */
enum { API_QUERY_U64_MAX_BITS = 53 };
#define API_SEQ_MAX ((1ull << API_QUERY_U64_MAX_BITS) - 1)

bool query_u64(struct api_request *request, const char *name, bool required, uint64_t min, uint64_t max, uint64_t *out,
               bool *found);
bool query_uuid(struct api_request *request, const char *name, bool required, struct kith_uuid *out, bool *found);
/** NUL-terminated; KITH_E_TOOBIG past `room` is answered too. */
bool query_text(struct api_request *request, const char *name, bool required, char *out, size_t room, bool *found);
bool query_flag(struct api_request *request, const char *name, bool *out);
/** Idempotency-Key; *found false: none. Lent. */
#define API_IDEMPOTENCY_KEY_BYTES_MAX 255
bool header_idempotency_key(struct api_request *request, struct kith_slice *key, bool *found);
/** The same as a command's id. nil: none. */
bool header_idempotency_id(struct api_request *request, struct msg_id *out);

/* ------------------------------------------------------------------------------------------------ steps: steps.c
 * Each starts one thing and goes on in `next`, later, on the loop.
 */

/** Asks the core. Whoever asks is the request's person and device. *cmd is copied. */
void api_ask(struct api_request *request, struct cmd *cmd,
             void (*next)(struct api_request *request, const struct chat_answer *answer));
/** Reads a row. OK or NOTFOUND come to `next`, other errors are answered. The value is lent until the next get. */
void api_get(struct api_request *request, const struct row_key *key,
             void (*next)(struct api_request *request, kith_err err, struct kith_slice value));
/** Goes on when the person is or was in the chat, with request->member and request->chat; else answers NOT_FOUND. */
void api_with_member(struct api_request *request, struct chat_id chat, void (*next)(struct api_request *request));
/** 200 with the answer's seq, or the problem. */
void api_answer_seq(struct api_request *request, const struct chat_answer *answer);
/** The member is in the chat now. */
bool api_member_is_in(const struct row_member *member);

/* ------------------------------------------------------------------------------------------------ requests: api.c */

/** Zeroed memory for the route, wiped and freed with the request after `release` (NULL: nothing to do). NULL: answered. */
void *api_state(struct api_request *request, size_t bytes, void (*release)(void *state));
/** Frees the request; after the answer. */
void api_request_end(struct api_request *request);

#endif
