// tests/vectors/*.json through the module; tests/unit/test_e2e_vectors.c runs the same files natively.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Core, argOf, root } from './module.mjs';

const folder = new URL('tests/vectors/', root);
const core = new Core();

// RFC 7748's chain: the result is the next secret, the secret the next point, without its highest bit.
function chain(vector) {
    let [secret, point] = vector.in.map(argOf);
    for (let i = 0; i < vector.iterate; i++) {
        const { out, err } = core.call(vector.op, secret, point);
        if (err) return { err };
        point = Buffer.from(secret);
        point[31] &= 0x7f;
        secret = out;
    }
    return { out: secret };
}

// Those of kith1_* are steps of a protocol, not calls of one primitive: test_kith1.mjs.
const files = readdirSync(folder).filter((name) => name.endsWith('.json') && !name.startsWith('kith1_'));
assert.equal(files.length, 12);
for (const name of files) {
    test(`${name} is as known`, (t) => {
        const { cases } = JSON.parse(readFileSync(new URL(name, folder)));
        for (const vector of cases) {
            const { out, err } = vector.iterate ? chain(vector) : core.call(vector.op, ...vector.in.map(argOf));
            assert.equal(err, vector.err, vector.name);
            if (vector.err === undefined) assert.equal(out.toString('hex'), vector.out, vector.name);
        }
        assert.ok(cases.length > 0);
        t.diagnostic(`${name}: ${cases.length} of ${cases.length}`);
    });
}
