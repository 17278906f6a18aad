#include "api/api_impl.h"
#include "wire/utf8.h"

/*
 * Where in a JSON text an offset lies. The text before the offset is well formed (the parser got that far); what comes
 * after it is not looked at.
 */
struct frame {
    bool is_array;
    bool has_key;
    size_t index;
    struct kith_slice key; /* raw, without its quotes */
};

struct walk {
    struct kith_slice text;
    size_t at, end;
    struct frame frames[API_JSON_DEPTH_MAX + 1];
    size_t depth;
};

/* Past the closing quote, or to the end. True: closed. */
static bool skip_string(struct walk *walk)
{
    for (walk->at++; walk->at < walk->end; walk->at++) {
        if (walk->text.ptr[walk->at] == '\\') {
            walk->at++;
        } else if (walk->text.ptr[walk->at] == '"') {
            walk->at++;
            return true;
        }
    }
    return false;
}

static void walk_string(struct walk *walk)
{
    struct frame *frame = walk->depth == 0 ? NULL : &walk->frames[walk->depth - 1];
    size_t start = walk->at + 1;
    bool closed = skip_string(walk);

    if (frame == NULL || frame->is_array || frame->has_key || !closed) return;
    frame->key = kith_slice_of(walk->text.ptr + start, walk->at - 1 - start);
    frame->has_key = true;
}

static void walk_open(struct walk *walk, bool is_array)
{
    if (walk->depth <= API_JSON_DEPTH_MAX) walk->frames[walk->depth++] = (struct frame){.is_array = is_array};
    walk->at++;
}

static void walk_comma(struct walk *walk)
{
    struct frame *frame = walk->depth == 0 ? NULL : &walk->frames[walk->depth - 1];

    if (frame != NULL) {
        frame->index++;
        frame->has_key = false;
    }
    walk->at++;
}

static void put(char *out, size_t *len, const char *bytes, size_t count)
{
    memcpy(out + *len, bytes, count);
    *len += count;
}

/* "~" and "/" are escaped (RFC 6901, 3). A key that cannot be shown ends the pointer at its object. */
static bool put_key(char *out, size_t *len, struct kith_slice key)
{
    if (!utf8_is_valid(key) || memchr(key.ptr, '\\', key.len) != NULL) return false;
    if (*len + 2 * key.len + 2 > API_POINTER_BYTES_MAX) return false;
    out[(*len)++] = '/';
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] == '~')
            put(out, len, "~0", 2);
        else if (key.ptr[i] == '/')
            put(out, len, "~1", 2);
        else
            out[(*len)++] = (char)key.ptr[i];
    }
    return true;
}

static void put_index(char *out, size_t *len, size_t index)
{
    char digits[20];
    size_t count = 0;

    do {
        digits[sizeof digits - ++count] = (char)('0' + index % 10);
        index /= 10;
    } while (index > 0);
    out[(*len)++] = '/';
    put(out, len, digits + sizeof digits - count, count);
}

void json_pointer_at(struct kith_slice text, size_t offset, char out[static API_POINTER_BYTES_MAX])
{
    struct walk walk = {.text = text, .end = offset < text.len ? offset : text.len};
    size_t len = 0;

    while (walk.at < walk.end) {
        switch (text.ptr[walk.at]) {
        case '{': walk_open(&walk, false); break;
        case '[': walk_open(&walk, true); break;
        case '}':
        case ']':
            if (walk.depth > 0) walk.depth--;
            walk.at++;
            break;
        case ',': walk_comma(&walk); break;
        case '"': walk_string(&walk); break;
        default: walk.at++;
        }
    }
    for (size_t i = 0; i < walk.depth; i++) {
        const struct frame *frame = &walk.frames[i];
        if (frame->is_array ? len + 24 > API_POINTER_BYTES_MAX : !frame->has_key) break;
        if (frame->is_array)
            put_index(out, &len, frame->index);
        else if (!put_key(out, &len, frame->key))
            break;
    }
    out[len] = '\0';
}

bool json_depth_is_fine(struct kith_slice text, size_t *offset)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            *offset = i;
            if (++depth > API_JSON_DEPTH_MAX) return false;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}
