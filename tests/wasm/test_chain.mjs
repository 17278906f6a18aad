// Sender chains through the module: what it sends is opened here once more, of the platform's primitives, as docs/wire/e2ee-groups.md says.
import assert from 'node:assert/strict';
import { createHmac, createPublicKey, hkdfSync, verify } from 'node:crypto';
import { test } from 'node:test';
import { Core, u32 } from './module.mjs';

const core = new Core();
const group = Buffer.alloc(16, 1);
const account = Buffer.alloc(16, 2);
const hash = Buffer.alloc(32, 3);
const device = u32(7);
const none = Buffer.alloc(0);

function u64(number) {
    const raw = Buffer.alloc(8);
    raw.writeBigUInt64BE(BigInt(number));
    return raw;
}

const now = u64(1767225600000);
const epoch = u64(5);

/** tag: [value, where it ends]. */
function fields(bytes) {
    const found = {};
    for (let at = 0; at < bytes.length; ) {
        const end = at + 6 + bytes.readUInt32BE(at + 2);
        found[bytes.readUInt16BE(at)] = [bytes.subarray(at + 6, end), end];
        at = end;
    }
    return found;
}

/** Of `count state result`. */
function step(answer) {
    assert.equal(answer.err, undefined);
    const end = 4 + answer.out.readUInt32BE(0);
    return [answer.out.subarray(4, end), answer.out.subarray(end)];
}

const hmac = (key, ...parts) => createHmac('sha256', key).update(Buffer.concat(parts)).digest();

/** A reader of its own: a chain key and the message at its number. */
function openByHand(chainKey, signPub, message) {
    const parts = fields(message);
    const [header] = parts[2];
    const [nonce] = parts[3];
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), signPub]);
    const signed = Buffer.concat([Buffer.from('kith/1/sk-msg\0'), message.subarray(0, parts[5][1])]);
    assert.ok(verify(null, signed, createPublicKey({ key: spki, format: 'der', type: 'spki' }), parts[6][0]));
    const said = fields(header);
    for (const [tag, value] of [[1, group], [2, epoch], [3, hash], [4, account], [5, device]]) assert.deepEqual(said[tag][0], value);
    const info = Buffer.concat([Buffer.from('kith/1/sk-chain\0'), group, account, device, said[6][0]]);
    const keys = Buffer.from(hkdfSync('sha256', hmac(chainKey, Buffer.from([1])), none, info, 64));
    assert.deepEqual(parts[4][0], hmac(keys.subarray(32), header, nonce));
    return core.call('aead_open', keys.subarray(0, 32), nonce, header, parts[5][0]).out.toString();
}

test('a message of a sender chain is what its page says', () => {
    let sender = core.call('chain_new', group, account, device, now).out;
    const given = core.call('chain_give', sender, epoch, hash).out;
    const chain = fields(given);
    let receiver = core.call('receiver_new', group, account, device, given).out;
    let chainKey = chain[3][0];
    for (let n = 0; n < 3; n++) {
        let message;
        let plain;
        [sender, message] = step(core.call('chain_encrypt', sender, epoch, hash, Buffer.from(`number ${n}`)));
        assert.equal(openByHand(chainKey, chain[4][0], message), `number ${n}`);
        chainKey = hmac(chainKey, Buffer.from([2]));
        [receiver, plain] = step(core.call('receiver_decrypt', receiver, message, now));
        assert.equal(plain.toString(), `number ${n}`);
        assert.deepEqual(core.call('receiver_decrypt', receiver, message, now), { err: 'CONFLICT' });
        assert.deepEqual(core.call('receiver_encode', receiver).out, receiver);
        assert.deepEqual(core.call('sender_encode', sender).out, sender);
        assert.deepEqual(fields(sender)[6][0], chainKey);
        assert.deepEqual(fields(receiver)[6][0], chainKey);
    }
    assert.deepEqual(core.call('receiver_same', receiver, given), { out: none });
});
