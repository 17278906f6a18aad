#include "wire/json_text.h"

#include <sodium.h>
#include <stdio.h>

kith_err json_put_string(struct kith_buf *out, struct kith_slice text)
{
    size_t plain = 0;
    kith_err err = kith_buf_append_u8(out, '"');

    for (size_t i = 0; i < text.len && err == KITH_OK; i++) {
        uint8_t c = text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        err = kith_buf_append(out, kith_slice_of(text.ptr + plain, i - plain));
        plain = i + 1;
        if (err != KITH_OK) break;
        if (c == '"' || c == '\\')
            err = kith_buf_printf(out, "\\%c", c);
        else
            err = kith_buf_printf(out, "\\u%04x", c);
    }
    if (err == KITH_OK && plain < text.len)
        err = kith_buf_append(out, kith_slice_of(text.ptr + plain, text.len - plain));
    if (err == KITH_OK) err = kith_buf_append_u8(out, '"');
    return err;
}

kith_err json_put_uuid(struct kith_buf *out, struct kith_uuid id)
{
    char text[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(id, text);
    return kith_buf_printf(out, "\"%s\"", text);
}

kith_err json_put_base64(struct kith_buf *out, struct kith_slice bytes)
{
    size_t len = sodium_base64_encoded_len(bytes.len, sodium_base64_VARIANT_ORIGINAL); /* with its NUL */
    uint8_t *at = NULL;
    kith_err err = kith_buf_reserve(out, len + 1, &at);

    if (err != KITH_OK) return err;
    at[0] = '"';
    sodium_bin2base64((char *)at + 1, len, bytes.ptr, bytes.len, sodium_base64_VARIANT_ORIGINAL);
    at[len] = '"';
    kith_buf_commit(out, len + 1);
    return KITH_OK;
}

kith_err json_put_time(struct kith_buf *out, uint64_t ms)
{
    char text[KITH_TIME_TEXT_LEN + 1];

    kith_time_format(ms, text);
    return kith_buf_printf(out, "\"%s\"", text);
}

#define TIME_MS_MAX 253402300799999ull /* 9999-12-31T23:59:59.999Z */

/* Days since 1970-01-01 to a date and back, proleptic Gregorian; the year starts in March, so that leap days come last. */
static void civil_from_days(int64_t days, int *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468;
    int64_t era = z / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int)(yoe + era * 400) + (*month <= 2);
}

static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2);
    int64_t era = y / 400;
    unsigned yoe = (unsigned)(y - era * 400);
    unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + (int64_t)doe - 719468;
}

static void put_digits(char *out, unsigned value, unsigned width)
{
    for (unsigned i = width; i > 0; i--, value /= 10) out[i - 1] = (char)('0' + value % 10);
}

void kith_time_format(uint64_t ms, char out[static KITH_TIME_TEXT_LEN + 1])
{
    int year = 0;
    unsigned month = 0, day = 0, second_of_day;

    if (ms > TIME_MS_MAX) ms = TIME_MS_MAX;
    civil_from_days((int64_t)(ms / 86400000), &year, &month, &day);
    second_of_day = (unsigned)(ms % 86400000 / 1000);
    memcpy(out, "0000-00-00T00:00:00.000Z", KITH_TIME_TEXT_LEN + 1);
    put_digits(out, (unsigned)year, 4);
    put_digits(out + 5, month, 2);
    put_digits(out + 8, day, 2);
    put_digits(out + 11, second_of_day / 3600, 2);
    put_digits(out + 14, second_of_day / 60 % 60, 2);
    put_digits(out + 17, second_of_day % 60, 2);
    put_digits(out + 20, (unsigned)(ms % 1000), 3);
}

static kith_err eat_digits(struct kith_slice *in, unsigned width, unsigned *out)
{
    struct kith_slice raw = {0};
    unsigned value = 0;

    if (kith_eat_bytes(in, width, &raw) != KITH_OK) return KITH_E_MALFORMED;
    for (unsigned i = 0; i < width; i++) {
        if (raw.ptr[i] < '0' || raw.ptr[i] > '9') return KITH_E_MALFORMED;
        value = value * 10 + raw.ptr[i] - '0';
    }
    *out = value;
    return KITH_OK;
}

static kith_err eat_char(struct kith_slice *in, const char *any_of, char *out)
{
    if (in->len == 0 || strchr(any_of, in->ptr[0]) == NULL || in->ptr[0] == '\0') return KITH_E_MALFORMED;
    *out = (char)in->ptr[0];
    in->ptr++;
    in->len--;
    return KITH_OK;
}

static kith_err eat_fraction(struct kith_slice *in, unsigned *ms)
{
    unsigned scale = 100, digits = 0;

    *ms = 0;
    if (in->len == 0 || in->ptr[0] != '.') return KITH_OK;
    in->ptr++;
    in->len--;
    for (; in->len > 0 && in->ptr[0] >= '0' && in->ptr[0] <= '9'; in->ptr++, in->len--, digits++, scale /= 10)
        *ms += (in->ptr[0] - (unsigned)'0') * scale;
    return digits > 0 ? KITH_OK : KITH_E_MALFORMED;
}

static kith_err eat_offset(struct kith_slice *in, int64_t *minutes)
{
    unsigned hour = 0, minute = 0;
    char sign = 0, colon = 0;

    *minutes = 0;
    if (eat_char(in, "Zz+-", &sign) != KITH_OK) return KITH_E_MALFORMED;
    if (sign == 'Z' || sign == 'z') return KITH_OK;
    if (eat_digits(in, 2, &hour) != KITH_OK || eat_char(in, ":", &colon) != KITH_OK ||
        eat_digits(in, 2, &minute) != KITH_OK || hour > 23 || minute > 59)
        return KITH_E_MALFORMED;
    *minutes = (int64_t)(hour * 60 + minute) * (sign == '-' ? -1 : 1);
    return KITH_OK;
}

kith_err kith_time_parse(struct kith_slice text, uint64_t *ms)
{
    static const unsigned char month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, milli = 0, days_in_month;
    int64_t offset = 0, total;
    char c = 0;

    if (eat_digits(&text, 4, &year) != KITH_OK || eat_char(&text, "-", &c) != KITH_OK ||
        eat_digits(&text, 2, &month) != KITH_OK || eat_char(&text, "-", &c) != KITH_OK ||
        eat_digits(&text, 2, &day) != KITH_OK || eat_char(&text, "Tt ", &c) != KITH_OK ||
        eat_digits(&text, 2, &hour) != KITH_OK || eat_char(&text, ":", &c) != KITH_OK ||
        eat_digits(&text, 2, &minute) != KITH_OK || eat_char(&text, ":", &c) != KITH_OK ||
        eat_digits(&text, 2, &second) != KITH_OK || eat_fraction(&text, &milli) != KITH_OK ||
        eat_offset(&text, &offset) != KITH_OK || text.len != 0)
        return KITH_E_MALFORMED;
    if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return KITH_E_MALFORMED;
    days_in_month = month_days[month - 1];
    if (month == 2 && (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))) days_in_month = 29;
    if (day < 1 || day > days_in_month) return KITH_E_MALFORMED;
    total = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset * 60;
    if (total < 0) return KITH_E_MALFORMED;
    *ms = (uint64_t)total * 1000 + milli;
    return KITH_OK;
}
