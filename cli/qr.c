#include <qrencode.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* Two rows of modules a line, by half blocks; dark on light whatever the terminal's colours, with the quiet zone of 4. */
#define QUIET 4

static bool is_dark(const QRcode *code, int x, int y)
{
    if (x < 0 || y < 0 || x >= code->width || y >= code->width) return false;
    return (code->data[y * code->width + x] & 1) != 0;
}

bool cli_print_qr(const char *text)
{
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

    if (code == NULL) return false;
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        printf("\x1b[30;107m");
        for (int x = -QUIET; x < code->width + QUIET; x++) {
            bool above = is_dark(code, x, y), below = is_dark(code, x, y + 1);
            printf("%s", above && below ? "\u2588" : above ? "\u2580" : below ? "\u2584" : " ");
        }
        printf("\x1b[0m\n");
    }
    QRcode_free(code);
    return true;
}
