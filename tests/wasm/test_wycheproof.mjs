// Wycheproof's files through the module; tests/unit/test_e2e_wycheproof.c judges the same ones natively in the same way.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Core, u32 } from './module.mjs';

const folder = join(process.env.KITH_LIBSODIUM_DIR, 'wycheproof');
const core = new Core();
const hex = (text) => Buffer.from(text, 'hex');

// out undefined: it must be refused; '': only accepted.
function expect(out, op, ...args) {
    const result = core.call(op, ...args.map((a) => (typeof a === 'string' ? hex(a) : a)));
    if (out === undefined) assert.ok(result.err, `${op} takes what it must refuse`);
    else {
        assert.equal(result.err, undefined, op);
        if (out !== '') assert.equal(result.out.toString('hex'), out, op);
    }
}

const judges = {
    x25519(group, t) {
        const flags = ['ZeroSharedSecret', 'LowOrderPublic', 'NonCanonicalPublic'];
        // Wycheproof masks a point's highest bit, as RFC 7748 lets one do, and does not flag it.
        const refused = flags.some((flag) => t.flags.includes(flag)) || hex(t.public)[31] > 0x7f;
        expect(refused ? undefined : t.shared, 'dh', t.private, t.public);
        expect(refused ? undefined : '', 'dh_check', t.public);
    },
    ed25519(group, t, valid) {
        expect(valid ? '' : undefined, 'ed25519_verify', group.publicKey.pk, t.msg, t.sig);
    },
    hkdf(group, t, valid) {
        expect(valid ? t.okm : undefined, 'hkdf', t.salt, t.ikm, t.info, u32(t.size));
    },
    hmac(group, t, valid) {
        if (group.tagSize === 256) return expect(valid ? '' : undefined, 'hmac_verify', t.key, t.msg, t.tag);
        // A tag cut to 128 bits: never taken by us; that its bytes are right is seen in a whole one.
        expect(undefined, 'hmac_verify', t.key, t.msg, t.tag);
        const { out } = core.call('hmac', hex(t.key), hex(t.msg));
        assert.equal(out.toString('hex').startsWith(t.tag), valid);
    },
    aead(group, t, valid) {
        expect(valid ? t.msg : undefined, 'aead_open', t.key, t.iv, t.aad, t.ct + t.tag);
        if (valid) expect(t.ct + t.tag, 'aead_seal', t.key, t.iv, t.aad, t.msg);
    },
    kem(group, t, valid) {
        if (!valid && t.seed.length !== 128) return expect(undefined, 'kem_public', t.seed);
        const { out: secret } = core.call('kem_secret', hex(t.seed));
        if (t.ek) expect(t.ek, 'kem_public', t.seed);
        expect(valid ? t.K : undefined, 'kem_decaps', secret, t.c);
    },
    kemKeygen(group, t) {
        expect(t.ek, 'kem_public', t.seed);
        expect(t.dk, 'kem_secret', t.seed);
    },
    kemEncaps(group, t, valid) {
        expect(valid ? t.c + t.K : undefined, 'kem_encaps_from', t.m, t.ek);
        expect(valid ? '' : undefined, 'kem_check', t.ek);
    },
    kemDecaps(group, t, valid) {
        expect(valid ? t.K : undefined, 'kem_decaps', t.dk, t.c);
    },
};

const files = [
    ['x25519_test.json', judges.x25519, 518],
    ['ed25519_test.json', judges.ed25519, 151],
    ['hkdf_sha256_test.json', judges.hkdf, 86],
    ['hmac_sha256_test.json', judges.hmac, 174],
    ['xchacha20_poly1305_test.json', judges.aead, 315],
    ['mlkem_768_test.json', judges.kem, 201],
    ['mlkem_768_keygen_seed_test.json', judges.kemKeygen, 100],
    ['mlkem_768_encaps_test.json', judges.kemEncaps, 265],
    ['mlkem_768_semi_expanded_decaps_test.json', judges.kemDecaps, 9],
];

for (const [name, judge, count] of files) {
    test(`${name} is as judged`, (t) => {
        let seen = 0;
        for (const group of JSON.parse(readFileSync(join(folder, name))).testGroups) {
            for (const vector of group.tests) {
                try {
                    judge(group, vector, vector.result === 'valid');
                } catch (error) {
                    error.message = `tcId ${vector.tcId}: ${error.message}`;
                    throw error;
                }
                seen++;
            }
        }
        assert.equal(seen, count);
        t.diagnostic(`${name}: ${seen} of ${count}`);
    });
}
