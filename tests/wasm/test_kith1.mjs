// The known answers of the protocol through the module; tests/unit/test_e2e_kith1.c runs the same files natively.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { leftOut, runCase } from './kith1.mjs';
import { readModule, root } from './module.mjs';

const folder = new URL('tests/vectors/', root);
const module = new WebAssembly.Module(readModule());
const files = readdirSync(folder).filter((name) => /^kith1_.*\.json$/.test(name));
assert.equal(files.length, 9);

for (const name of files) {
    test(`${name} is as known`, (t) => {
        const cases = JSON.parse(readFileSync(new URL(name, folder))).cases.filter((one) => one.name !== leftOut);
        for (const one of cases) assert.equal(runCase(one, module), undefined);
        assert.ok(cases.length > 0);
        t.diagnostic(`${name}: ${cases.length} of ${cases.length}`);
    });
}
