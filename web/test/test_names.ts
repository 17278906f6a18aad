// The words of this door are those of the C headers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as names from '../src/core/names.ts';
import { root } from './module.ts';

const header = (path: string): string => readFileSync(new URL(path, root), 'utf8').replaceAll(/\/\*.*?\*\//gs, '');

function body(text: string, head: string, end = '}'): string {
    const at = text.indexOf(head);
    assert.notEqual(at, -1, head);
    return text.slice(at + head.length, text.indexOf(end, at));
}

/** [name without its prefix, value] of each value of an enum. */
function values(path: string, head: string, prefix: string): [string, number][] {
    let next = 0;
    return [...body(header(path), head).matchAll(/(\w+)\s*(?:=\s*(\w+))?\s*(?:,|$)/gm)].map(([, name = '', value]) => {
        if (value !== undefined) next = Number(value);
        assert.ok(name.startsWith(prefix), name);
        return [name.slice(prefix.length), next++];
    });
}

const small = (list: readonly string[], from: number): [string, number][] => list.map((name, at) => [name.toUpperCase(), at + from]);

test('each enum of the headers has these names, in this order', () => {
    const kith = 'libkith/kith.h';
    const account = 'libkith/e2ee/account.h';
    const group = 'libkith/e2ee/group.h';
    assert.deepEqual(small(names.EFFECT_KINDS, 1), values(kith, 'enum kith_effect_kind {', 'KITH_EFFECT_'));
    assert.deepEqual(small(names.FETCH_KINDS, 1), values(kith, 'enum kith_fetch_kind {', 'KITH_FETCH_'));
    assert.deepEqual(small(names.CONNECTIONS, 1), values(kith, 'enum kith_connection {', 'KITH_'));
    assert.deepEqual(small(names.OUTBOX_STATES, 1), values(kith, 'enum kith_outbox_state {', 'KITH_OUTBOX_'));
    assert.deepEqual(small(names.ACCOUNT_STATES, 0), values(account, 'enum e2e_account_state {', 'E2E_ACCOUNT_'));
    assert.deepEqual(small(names.TRUSTS, 0), values(account, 'enum e2e_trust {', 'E2E_TRUST_'));
    assert.deepEqual(small(names.GROUP_KINDS, 1), values(group, 'enum e2e_group_kind {', 'E2E_GROUP_'));
    assert.deepEqual(small(names.GROUP_ROLES, 1), values(group, 'enum e2e_group_role {', 'E2E_ROLE_'));
});

test('each error and each code has its name', () => {
    const errors = values('src/base/err.h', 'typedef enum kith_err {', 'KITH_').map(([name, value]) => [name.replace(/^E_/, ''), value]);
    assert.deepEqual(Object.entries(names.ERRORS), errors);
    const codes = [...header('src/wire/code.h').matchAll(/^ +X\((\w+), \d+/gm)].map(([, name]) => name);
    assert.deepEqual(names.CODES, codes);
});

test('each field of a thing has its tag, and each number of the stats its place', () => {
    const fields = [...header('libkith/wasm/door.h').matchAll(/^ +X\(([A-Z_]+), (\d+), /gm)].map(([, name, tag]) => [name, Number(tag)]);
    assert.deepEqual(Object.entries(names.FIELDS), fields);
    const stats = body(header('libkith/kith.h'), 'struct kith_client_stats {').replaceAll('uint64_t', ',').match(/\w+/g);
    assert.deepEqual(names.STATS, stats);
});
