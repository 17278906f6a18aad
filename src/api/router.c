#include "api/api_impl.h"

/* "{…}" takes any id; false when the paths differ. *ids_ok: each id has the form of one. */
static bool path_matches(const char *pattern, struct kith_slice path, struct kith_uuid ids[static API_PATH_IDS_MAX],
                         bool *ids_ok)
{
    struct kith_slice wanted = kith_slice_str(pattern), want, got;
    size_t count = 0;

    *ids_ok = true;
    while (http1_path_next(&wanted, &want)) {
        char text[KITH_UUID_TEXT_LEN];
        size_t len = 0;
        if (!http1_path_next(&path, &got)) return false;
        if (want.ptr[0] != '{') {
            if (!kith_slice_eq(want, got)) return false;
            continue;
        }
        if (got.len == 0) return false;
        assert(count < API_PATH_IDS_MAX);
        if (http1_percent_decode(HTTP1_DECODE_SEGMENT, got, text, sizeof text, &len) != KITH_OK ||
            kith_uuid_parse(kith_slice_of(text, len), &ids[count]) != KITH_OK)
            *ids_ok = false;
        count++;
    }
    return !http1_path_next(&path, &got);
}

static void allow_add(char allow[static API_ALLOW_BYTES_MAX], const char *name)
{
    size_t len = strlen(allow), add = strlen(name);

    assert(len + add + 3 <= API_ALLOW_BYTES_MAX);
    if (len > 0) {
        memcpy(allow + len, ", ", 2);
        len += 2;
    }
    memcpy(allow + len, name, add + 1);
}

/* A path of words beats one of ids: /users/me is no /users/{user_id}. */
static bool is_literal(const char *path)
{
    return strchr(path, '{') == NULL;
}

enum api_match api_router_find(bool admin, enum http1_method method, struct kith_slice path,
                               const struct api_route **route, struct kith_uuid ids[static API_PATH_IDS_MAX],
                               bool *ids_ok, char allow[static API_ALLOW_BYTES_MAX])
{
    const char *found = NULL;
    bool ok = true;

    *route = NULL;
    allow[0] = '\0';
    for (const struct api_route *at = api_routes; at->path != NULL; at++) {
        bool here = admin ? (at->flags & (ROUTE_ADMIN | ROUTE_ADMIN_ONLY)) != 0 : (at->flags & ROUTE_ADMIN_ONLY) == 0;
        struct kith_uuid tried[API_PATH_IDS_MAX] = {0};
        if (!here || (found != NULL && is_literal(found) && !is_literal(at->path))) continue;
        if (!path_matches(at->path, path, tried, &ok)) continue;
        if (found != NULL && is_literal(at->path) && !is_literal(found)) {
            allow[0] = '\0';
            *route = NULL;
        }
        found = at->path;
        allow_add(allow, http1_method_name(at->method));
        if (at->method == HTTP1_GET) allow_add(allow, http1_method_name(HTTP1_HEAD));
        if (at->method != method && !(at->method == HTTP1_GET && method == HTTP1_HEAD)) continue;
        *route = at;
        *ids_ok = ok;
        memcpy(ids, tried, sizeof tried);
    }
    if (found == NULL) return MATCH_NO_PATH;
    allow_add(allow, http1_method_name(HTTP1_OPTIONS));
    return *route == NULL ? MATCH_NO_METHOD : MATCH_ROUTE;
}
