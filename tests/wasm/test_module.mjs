// The module itself: what it asks of its host, what it shows to it, that it is the same bytes however often it is built, and that it
// agrees with another implementation on random inputs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as other from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Core, encodeArgs, readModule, root, u32 } from './module.mjs';

const GZIP_BYTES_MAX = 150_000;
const bytes = readModule();
const door = readModule('kith.wasm');
const modules = [bytes, door].map((one) => new WebAssembly.Module(one));
const core = new Core(bytes);
const zeros = (n) => Buffer.alloc(n);

test('a module asks for random bytes and for nothing else', () => {
    const random = { module: 'kith', name: 'random', kind: 'function' };
    for (const module of modules) assert.deepEqual(WebAssembly.Module.imports(module), [random]);
});

test('a module shows its calls, and its memory to pass them bytes', () => {
    const [ops, calls] = [['ops.h', 'kith_op_', /^ +X\((\w+), \d+,/gm], ['door.h', 'kith_door_', /^ +X\((\w+), (?:NONE|CLIENT|VAULT), \d+,/gm]].map(
        ([file, prefix, row]) => [...readFileSync(new URL(`libkith/wasm/${file}`, root), 'utf8').matchAll(row)].map((match) => prefix + match[1]),
    );
    assert.ok(ops.length > 30 && calls.length > 50);
    const names = modules.map((module) => WebAssembly.Module.exports(module).map((e) => e.name).sort());
    const shared = ['memory', '_initialize', 'kith_alloc', 'kith_free', 'kith_out', 'kith_wipe'];
    assert.deepEqual(names, [[...shared, ...ops].sort(), [...shared, ...calls].sort()]);
});

test('the module that people download stays small', (t) => {
    const gzipped = gzipSync(door, { level: 9 }).length;
    t.diagnostic(`kith.wasm: ${door.length} bytes, ${gzipped} with gzip`);
    assert.ok(gzipped < GZIP_BYTES_MAX);
});

test('two builds are the same bytes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kith-wasm-'));
    try {
        execFileSync(fileURLToPath(new URL('tools/dev/wasm.sh', root)), [process.env.KITH_LIBSODIUM_WASM_DIR, folder]);
        assert.ok(readFileSync(join(folder, 'kith.wasm')).equals(door));
        assert.ok(readFileSync(join(folder, 'kith-ops.wasm')).equals(bytes));
    } finally {
        rmSync(folder, { recursive: true });
    }
});

test('coins come from the host, as many as are needed and no more', () => {
    const draws = [];
    const lent = new Core(bytes, (out) => {
        draws.push(out.length);
        out.fill(7);
    });
    const sevens = (n) => Buffer.alloc(n, 7);
    const dh = lent.call('dh_keypair').out;
    assert.deepEqual(dh, Buffer.concat([sevens(32), lent.call('dh_public', sevens(32)).out]));
    const signing = lent.call('sign_keypair').out;
    const signingPublic = lent.call('sign_public', sevens(32)).out;
    assert.deepEqual(signing, Buffer.concat([sevens(32), signingPublic, signingPublic]));
    const kem = lent.call('kem_keypair').out;
    assert.deepEqual(kem, Buffer.concat([sevens(64), lent.call('kem_public', sevens(64)).out]));
    const sent = lent.call('kem_encaps', kem.subarray(64)).out;
    assert.deepEqual(sent, lent.call('kem_encaps_from', sevens(32), kem.subarray(64)).out);
    assert.deepEqual(draws, [32, 32, 64, 32]);
});

test('a call that is not encoded as it must be is refused', () => {
    const good = encodeArgs([Buffer.from('key'), Buffer.from('message')]);
    assert.ok(core.callRaw('hmac', good).out);
    for (let n = 0; n < good.length; n++) assert.equal(core.callRaw('hmac', good.subarray(0, n)).err, 'MALFORMED', `${n} bytes`);
    assert.equal(core.callRaw('hmac', Buffer.concat([good, zeros(1)])).err, 'MALFORMED');
    assert.equal(core.callRaw('hmac', encodeArgs([zeros(1), zeros(1), zeros(1)])).err, 'UNSUPPORTED');
    assert.equal(core.callRaw('kem_keypair', encodeArgs([zeros(1)])).err, 'UNSUPPORTED');
});

test('every number of an ML-KEM key is checked against the modulus', () => {
    const key = core.call('kem_public', zeros(64)).out;
    const set = (at, value) => {
        const changed = Buffer.from(key);
        const i = Math.floor(at / 2) * 3;
        if (at % 2 === 0) {
            changed[i] = value & 255;
            changed[i + 1] = (changed[i + 1] & 0xf0) | (value >> 8);
        } else {
            changed[i + 1] = (changed[i + 1] & 0x0f) | ((value & 15) << 4);
            changed[i + 2] = value >> 4;
        }
        return changed;
    };
    for (let at = 0; at < 768; at++) {
        assert.equal(core.call('kem_check', set(at, 3328)).err, undefined);
        for (const value of [3329, 4095]) {
            assert.equal(core.call('kem_check', set(at, value)).err, 'MALFORMED');
            assert.equal(core.call('kem_encaps_from', zeros(32), set(at, value)).err, 'MALFORMED');
        }
    }
});

test('as another implementation has it: hashes, HMAC, HKDF', () => {
    for (let i = 0; i < 200; i++) {
        const [a, b, c] = [other.randomBytes(i), other.randomBytes(1 + (i % 97)), other.randomBytes(i % 61)];
        assert.deepEqual(core.call('sha256', a).out, other.createHash('sha256').update(a).digest());
        assert.deepEqual(core.call('sha512', a).out, other.createHash('sha512').update(a).digest());
        assert.deepEqual(core.call('hmac', b, a).out, other.createHmac('sha256', b).update(a).digest());
        assert.deepEqual(core.call('hkdf', c, b, a, u32(1 + i)).out, Buffer.from(other.hkdfSync('sha256', b, c, a, 1 + i)));
    }
});

const der = (prefix, raw) => ({ key: Buffer.concat([Buffer.from(prefix, 'hex'), raw]), format: 'der' });
const x25519Private = (raw) => other.createPrivateKey({ ...der('302e020100300506032b656e04220420', raw), type: 'pkcs8' });
const x25519Public = (raw) => other.createPublicKey({ ...der('302a300506032b656e032100', raw), type: 'spki' });
const ed25519Private = (raw) => other.createPrivateKey({ ...der('302e020100300506032b657004220420', raw), type: 'pkcs8' });

test('as another implementation has it: X25519 and Ed25519', () => {
    for (let i = 0; i < 200; i++) {
        const [mine, theirs, message] = [other.randomBytes(32), other.randomBytes(32), other.randomBytes(i)];
        const theirPublic = core.call('dh_public', theirs).out;
        const shared = other.diffieHellman({ privateKey: x25519Private(mine), publicKey: x25519Public(theirPublic) });
        assert.deepEqual(core.call('dh', mine, theirPublic).out, shared);
        const signature = other.sign(null, message, ed25519Private(mine));
        assert.deepEqual(core.call('ed25519_sign', mine, message).out, signature);
        assert.ok(core.call('ed25519_verify', core.call('sign_public', mine).out, message, signature).out);
    }
});

test('as another implementation has it: Argon2id', () => {
    for (let i = 0; i < 10; i++) {
        const [message, nonce] = [other.randomBytes(i * 5), other.randomBytes(16)];
        const expected = other.argon2Sync('argon2id', { message, nonce, parallelism: 1, tagLength: 32, memory: 8 << i % 5, passes: 1 + i % 3 });
        assert.deepEqual(core.call('passphrase_key', message, nonce, u32(1 + i % 3), u32(8 << i % 5)).out, expected);
    }
});

test('as another implementation has it: ML-KEM-768', () => {
    for (let i = 0; i < 50; i++) {
        const seed = other.randomBytes(64);
        const jwk = { kty: 'AKP', alg: 'ML-KEM-768', priv: seed.toString('base64url') };
        const mine = core.call('kem_public', seed).out;
        jwk.pub = mine.toString('base64url');
        const privateKey = other.createPrivateKey({ key: jwk, format: 'jwk' });
        const sent = core.call('kem_encaps_from', other.randomBytes(32), mine).out;
        assert.deepEqual(other.decapsulate(privateKey, sent.subarray(0, 1088)), sent.subarray(1088));
        const { ciphertext, sharedKey } = other.encapsulate(other.createPublicKey(privateKey));
        const secret = core.call('kem_secret', seed).out;
        assert.deepEqual(core.call('kem_decaps', secret, Buffer.from(ciphertext)).out, Buffer.from(sharedKey));
        const damaged = Buffer.from(ciphertext);
        damaged[i] ^= 1;
        assert.deepEqual(core.call('kem_decaps', secret, damaged).out, Buffer.from(other.decapsulate(privateKey, damaged)));
    }
});
