// Safety numbers are those of a widely used messenger for the same keys and ids (docs/wire/e2ee.md, "Safety number"): its library is asked, here only.
import { Fingerprint, PublicKey } from '@signalapp/libsignal-client';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Core } from './module.mjs';

const ITERATIONS = 5200;
const VERSION = 2;
const PAIRS = 25;
const core = new Core();

const coins = (name, count) => createHash('sha512').update(name).digest().subarray(0, count);

function personOf(name) {
    const { out } = core.call('sign_public', coins(`key of ${name}`, 32));
    return { root: out, id: coins(`id of ${name}`, 16) };
}

const signalKey = ({ root }) => PublicKey.deserialize(Buffer.concat([Buffer.from([5]), root]));

test('safety numbers are the same as libsignal makes them', () => {
    for (let i = 0; i < PAIRS; i++) {
        const [ann, bob] = [personOf(`ann ${i}`), personOf(`bob ${i}`)];
        const theirs = Fingerprint.new(ITERATIONS, VERSION, ann.id, signalKey(ann), bob.id, signalKey(bob)).displayableFingerprint();
        for (const [a, b] of [[ann, bob], [bob, ann]]) {
            const { out } = core.call('safety_number', a.root, a.id, b.root, b.id);
            assert.equal(out.toString(), theirs.toString());
        }
    }
});
