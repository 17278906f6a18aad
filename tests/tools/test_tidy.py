"""Each rule of tools/tidy.py can fail, and can be let pass only with a reason."""
import contextlib
import io
import subprocess

import pytest
import tidy as rules


def tidy(tmp_path, files, *options):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = rules.main(["--root", str(tmp_path), *map(str, options)])
    return code, output.getvalue()


BAD = {
    "layer, base looks up": ("src/base/a.c", '#include "wire/stomp.h"\n', "layer: base must not include wire/"),
    "layer, chat sees a port": ("src/chat/a.c", '#include "ports/log.h"\n', "layer: chat must not include ports/"),
    "layer, gateway sees an adapter": ("src/gateway/a.c", '#include "adapters/log/log_file.h"\n', "layer: gateway must not include adapters/"),
    "layer, libkith sees the server": ("libkith/a.c", '#include "shard/shard.h"\n', "layer: libkith must not include shard/"),
    "layer, cli sees the core": ("cli/a.c", '#include "chat/chat.h"\n', "layer: cli must not include chat/"),
    "layer, account sees more of libkith than the readers": ("src/account/a.c", '#include "libkith/e2ee/account.h"\n', "layer: account must not include libkith/"),
    "layer, api sees libkith": ("src/api/a.c", '#include "libkith/e2ee/device_list.h"\n', "layer: api must not include libkith/"),
    "layer, a way around": ("src/base/a.c", '#include "../wire/stomp.h"\n', "layer: base must not include ../"),
    "file too long": ("src/base/a.c", "int a;\n" * 701, "file-length: 701 lines"),
    "function too long": ("src/base/a.c", "void f(void)\n{\n" + "    g();\n" * 71 + "}\n", "src/base/a.c:1: function-length: a body of 71 lines"),
    "strcpy": ("src/base/a.c", "strcpy(a, b);\n", "banned: strcpy"),
    "sprintf": ("src/base/a.c", "n = sprintf (a, b);\n", "banned: sprintf"),
    "atoi": ("src/base/a.c", "if (atoi(a) > 3) return;\n", "banned: atoi"),
    "malloc unchecked": ("src/base/a.c", "p = malloc(3);\np->x = 1;\n", "alloc: the result is not tested"),
    "malloc checked too late": ("src/base/a.c", "p = malloc(3);\n\n\n\n\n\n\nif (p == NULL) return;\n", "alloc: the result is not tested"),
    "calloc, another variable checked": ("src/base/a.c", "q = calloc(1, 3);\nif (p == NULL) return;\n", "alloc: the result is not tested"),
    "strdup as argument": ("src/base/a.c", "f(strdup(a));\n", "alloc: the result is not tested"),
    "clock in chat": ("src/chat/a.c", "now = time(NULL);\n", "pure: time"),
    "random in wire": ("src/wire/a.c", "getrandom(a, 3, 0);\n", "pure: getrandom"),
    "file in libkith": ("libkith/a.c", 'f = fopen("a", "r");\n', "pure: fopen"),
    "socket in libkith": ("libkith/a.c", "fd = socket(1, 2, 3);\n", "pure: socket"),
    "NDEBUG": ("src/base/a.c", "#define NDEBUG\n", "ndebug: asserts stay on"),
    "suppression without reason": ("src/base/a.c", "strcpy(a, b); /* tidy: allow banned */\n", "suppression: allow banned needs its reason"),
    "suppression of nothing": ("src/base/a.c", "int a; /* tidy: allow everything: please */\n", "suppression: no such rule: everything"),
}

GOOD = {
    "a clean file": ("src/wire/a.c", '#include "base/err.h"\n#include "stomp.h"\nint f(void);\n'),
    "one header of a folder": ("src/account/a.c", '#include "libkith/e2ee/device_list.h"\n#include "libkith/e2ee/prekey.h"\n'),
    "a comment or a string is not a call": ("src/base/a.c", 'f("strcpy(a)"); /* system("x") */ // gets(x)\n'),
    "a member or a longer name is not a call": ("src/chat/a.c", "a->write(a); b.time(b); kith_time(c);\n"),
    "a checked malloc": ("src/base/a.c", "p->x = malloc(3);\nif (p->x == NULL) return;\n"),
    "a checked malloc, negated": ("src/base/a.c", "if (!(p = malloc(3))) return;\n"),
    "an asserted calloc": ("src/base/a.c", "p = calloc(1, 3);\nassert(p != NULL);\n"),
    "a malloc on a condition": ("src/base/a.c", "p = is_put ? malloc(3) : NULL;\nif (is_put && p == NULL) return;\n"),
    "a strdup on a condition": ("src/base/a.c", "a->b = b == NULL ? NULL : strdup(b);\nif (b != NULL && a->b == NULL) return;\n"),
    "a malloc on the next line": ("src/base/a.c", "struct x *a =\n    malloc(b);\nif (a == NULL) return;\n"),
    "a malloc that is needed": ("src/base/a.c", "a = need(malloc(3));\n"),
    "a malloc in a test": ("tests/unit/test_a.c", "p = malloc(3);\n"),
    "a malloc among declarations": ("src/base/a.c", "struct x *p = malloc(3);\nint a;\nint b;\n\nassert_non_null(p);\n"),
    "a returned strdup": ("src/base/a.c", "return strdup(a);\n"),
    "700 lines": ("src/base/a.c", "int a;\n" * 700),
    "a function of 70 lines": ("src/base/a.c", "void f(void)\n{\n" + "    g();\n" * 70 + "}\n"),
    "a clock outside the pure parts": ("src/loop/a.c", "clock_gettime(1, &t);\n"),
    "a suppression on the line": ("src/base/a.c", "strcpy(a, b); /* tidy: allow banned: b is three bytes by construction */\n"),
    "a suppression above": ("src/base/a.c", "/* tidy: allow banned: b is three bytes by construction */\nstrcpy(a, b);\n"),
    "a long file with a reason": ("src/base/a.c", "int a;\n" * 700 + "/* tidy: allow file-length: one table */\n"),
}


@pytest.mark.parametrize("case", BAD)
def test_finds(tmp_path, case):
    name, text, want = BAD[case]
    code, output = tidy(tmp_path, {name: text})
    assert code == 1
    assert want in output


@pytest.mark.parametrize("case", GOOD)
def test_lets_pass(tmp_path, case):
    name, text = GOOD[case]
    code, output = tidy(tmp_path, {name: text})
    assert code == 0
    assert "tidy: 1 files, 0 findings" in output


def test_warns_above_450_lines(tmp_path):
    code, output = tidy(tmp_path, {"src/base/a.c": "int a;\n" * 451})
    assert code == 0
    assert "warning: 451 lines" in output


@pytest.mark.parametrize("archive", ["kith_chat.a", "kith_wire.a", "libkith.a"])
def test_finds_an_imported_symbol_in_an_archive(tmp_path, archive):
    source, folder = tmp_path / "a.c", tmp_path / "lib"
    folder.mkdir()
    source.write_text("#include <time.h>\nlong f(void); long f(void) { return time(0); }\n")
    subprocess.run(["gcc", "-c", source, "-o", tmp_path / "a.o"], check=True)
    subprocess.run(["ar", "rcs", folder / archive, tmp_path / "a.o"], check=True)
    code, output = tidy(tmp_path / "nothing", {}, "--archives", folder)
    assert code == 1
    assert f"{archive}(a.o): pure: imports time" in output
