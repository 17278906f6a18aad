// The door without a server: what it refuses, and how it says so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KithCore, recordMessage } from '../src/core/core.ts';
import { Door } from '../src/core/door.ts';
import type { Effect } from '../src/core/effect.ts';
import { KithError } from '../src/core/error.ts';
import { takeAnswer } from '../src/core/fetch.ts';
import type { ErrorName } from '../src/core/names.ts';
import { textBytes, u64 } from '../src/core/tlv.ts';
import { KithVault, vaultKeyFile } from '../src/core/vault.ts';
import { decodeChatId, decodeDeviceId, DecodeError, decodeUserId, type UserId } from '../src/wire/id.ts';
import { base64Bytes, base64Text, count } from '../src/wire/json.ts';
import { brokenDoor, countingDoor, newDoor } from './module.ts';

const chat = decodeChatId('0198f3c2-0000-4000-8000-00000000c4a7');
const user = decodeUserId('01000000-0000-4000-8000-000000000000');
const device = decodeDeviceId('02000000-0000-4000-8000-000000000000');
const other = decodeUserId('03000000-0000-4000-8000-000000000000');
const now = { monoMs: 1000, wallMs: 1_800_000_000_000 };

const says = (code: ErrorName) => (error: unknown): boolean => error instanceof KithError && error.code === code;
const newCore = (door: Door, encrypts = true): KithCore => new KithCore(door, { user, device, encrypts, showsHistory: true, oneTimeKeys: 2 });

/** Everything that it says now, in a host that keeps nothing. */
function drain(core: KithCore): Effect[] {
    const effects: Effect[] = [];
    for (let effect = core.next(); effect !== undefined; effect = core.next()) {
        effects.push(effect);
        if (effect.kind === 'persist') core.happened(now, { kind: 'persisted' });
    }
    return effects;
}

/** Online, with its first question asked. */
function online(core: KithCore): Effect[] {
    core.happened(now, { kind: 'token', token: 'token' });
    core.start(now);
    core.happened(now, { kind: 'tick' });
    drain(core);
    core.happened(now, { kind: 'connected' });
    core.happened(now, { kind: 'bytes', bytes: textBytes('CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n\0') });
    return drain(core);
}

test('an error has the name of its code', () => {
    const door = newDoor();
    const core = newCore(door);
    assert.throws(() => core.typing(chat), says('AGAIN'));
    assert.throws(() => core.outboxDrop(core.outboxRetry(now, '0198f3c2-0000-7000-8000-000000000001' as never)), says('NOTFOUND'));
    assert.throws(() => core.safetyNumber(other), says('NOTFOUND'));
    assert.throws(() => core.verify(now, other, true), says('NOTFOUND'));
    assert.throws(() => core.linkApprove(now, textBytes('no request')), says('CLOSED'));
    assert.throws(() => core.send(now, { chat, encrypted: true, contentType: 'text/plain', body: new Uint8Array(262_145) }), says('TOOBIG'));
    assert.throws(() => core.send(now, { chat, encrypted: true, contentType: 'a\0b', body: new Uint8Array(1) }), says('MALFORMED'));
    assert.throws(() => core.read(chat, -1), says('MALFORMED'));
    assert.throws(() => core.read(chat, 0.5), says('MALFORMED'));
    assert.throws(() => core.load({ key: textBytes('no such record'), value: textBytes('') }), says('MALFORMED'));
    core.start(now);
    assert.throws(() => core.start(now), says('CONFLICT'));
    assert.throws(() => core.load({ key: textBytes('S'), value: textBytes('') }), says('CONFLICT'));
    assert.throws(() => core.keys(false, { listSeq: 0, opkCount: 0, kemOtCount: 0, spkId: 0, kemLrId: 0 }), says('CONFLICT'));
    assert.throws(() => core.fetched(now, true), says('CONFLICT'));
    assert.throws(() => newCore(door, false).accountState(), says('UNSUPPORTED'));
    assert.throws(() => newCore(door, false).group(chat), says('UNSUPPORTED'));
    core.free();
    assert.throws(() => core.free(), says('NOTFOUND'));
    assert.throws(() => core.happened(now, { kind: 'tick' }), says('NOTFOUND'));
    assert.throws(() => door.call('no_such_call', 0, now), says('UNSUPPORTED'));
});

test('any bytes are an error and not the end of the module', () => {
    const door = newDoor();
    const calls = ['client_new', 'client_load', 'client_send', 'client_bundle', 'group_make', 'record_message', 'vault_new', 'vault_open', 'link_code'];
    for (let n = 0; n < 2000; n++) {
        const encoded = crypto.getRandomValues(new Uint8Array(n % 97));
        for (const name of calls) assert.equal(typeof door.raw(name, n, now, encoded), 'number');
    }
    assert.equal(newCore(door).connection(), 'offline');
});

test('without random it stops, for good', () => {
    let isThere = true;
    const door = brokenDoor(() => isThere);
    const core = newCore(door, false);
    isThere = false;
    assert.throws(() => core.send(now, { chat, encrypted: false, contentType: 'text/plain', body: textBytes('one') }), /no random/);
    isThere = true;
    assert.throws(() => core.outbox(), says('CLOSED'));
});

test('many clients of one door do not know of each other, and there is a most of them', () => {
    const door = newDoor();
    const cores = Array.from({ length: 64 }, () => newCore(door, false));
    assert.throws(() => newCore(door, false), says('FULL'));
    cores[0]?.send(now, { chat, encrypted: false, contentType: 'text/plain', body: textBytes('one') });
    assert.deepEqual(cores.map((core) => core.outbox().length).filter((length) => length > 0), [1]);
    cores[5]?.free();
    assert.equal(newCore(door, false).outbox().length, 0);
});

test('the same coins and calls give the same bytes', () => {
    const play = (): Effect[] => {
        const core = newCore(countingDoor(), false);
        core.send(now, { chat, encrypted: false, contentType: 'text/plain', body: textBytes('hello') });
        return [...drain(core), ...online(core)];
    };
    const effects = play();
    assert.deepEqual(effects, play());
    assert.ok(effects.some((effect) => effect.kind === 'send' && Buffer.from(effect.bytes).includes('hello')));
});

test('a message of the stream is shown, and is in a record', () => {
    const door = newDoor();
    const core = newCore(door, false);
    online(core);
    const frame = `MESSAGE\nsubscription:inbox\nmessage-id:1\nack:1\ndestination:/chat/${chat}\nseq:1\ntype:message\nsender:${other}\n\nhello\0`;
    core.happened(now, { kind: 'bytes', bytes: textBytes(frame) });
    const effects = drain(core);
    const shown = effects.find((effect) => effect.kind === 'message');
    assert.equal(shown?.message.sender, other);
    const records = effects.flatMap((effect) => (effect.kind === 'persist' ? effect.records : []));
    const messages = records.map((record) => (record.isPut ? recordMessage(door, record) : undefined)).filter((one) => one !== undefined);
    assert.deepEqual(messages, [shown?.message]);
    assert.equal(core.applied(chat), 1);
    assert.equal(core.stats().applied, 1);
});

test('an answer that makes no sense has failed, and is asked for again', () => {
    const core = newCore(newDoor());
    const asked = online(core).find((effect) => effect.kind === 'fetch');
    assert.deepEqual(asked?.fetch, { kind: 'keys' });
    for (const body of [{ list_seq: -1 }, { list_seq: 1.5 }, { opk_count: 2 ** 40 }, { list_seq: 'many' }]) {
        takeAnswer(core, now, { kind: 'keys' }, { status: 200, body });
        let again: Effect | undefined;
        for (let monoMs = 2000; again === undefined && monoMs < 200_000; monoMs += 1000) {
            core.happened({ ...now, monoMs }, { kind: 'bytes', bytes: textBytes('\n') });
            core.happened({ ...now, monoMs }, { kind: 'tick' });
            again = drain(core).find((effect) => effect.kind === 'fetch');
        }
        assert.equal(again?.kind, 'fetch');
    }
});

test('the file of a vault key opens with its passphrase only', () => {
    const door = newDoor();
    const key = crypto.getRandomValues(new Uint8Array(32));
    const [open, wrapped] = [vaultKeyFile.write(door, key), vaultKeyFile.wrap(door, key, 'a passphrase')];
    assert.deepEqual([open, wrapped].map((file) => vaultKeyFile.isWrapped(door, file)), [false, true]);
    assert.deepEqual(vaultKeyFile.read(door, open, ''), key);
    assert.deepEqual(vaultKeyFile.read(door, wrapped, 'a passphrase'), key);
    assert.throws(() => vaultKeyFile.read(door, wrapped, 'another'), says('DENIED'));
    assert.throws(() => new KithVault(door, new Uint8Array(31)), says('MALFORMED'));
    const [one, two] = [new KithVault(door, key), new KithVault(door, crypto.getRandomValues(new Uint8Array(32)))];
    const stored = one.seal({ key: textBytes('a name'), value: textBytes('text') });
    assert.deepEqual(one.open(stored), { key: textBytes('a name'), value: textBytes('text') });
    assert.throws(() => two.open(stored), says('DENIED'));
    assert.throws(() => one.name(new Uint8Array(129)), says('MALFORMED'));
});

test('ids, numbers and bytes of the wire are what they say or are refused', () => {
    assert.equal(decodeUserId('01000000-0000-4000-8000-00000000ABCD'), '01000000-0000-4000-8000-00000000abcd' as UserId);
    for (const raw of ['', 'nobody', 7, null, `${user}0`]) assert.throws(() => decodeUserId(raw), DecodeError);
    for (const raw of [-1, 0.5, 2 ** 53, 'one', true]) assert.throws(() => count(raw), DecodeError);
    assert.deepEqual(base64Bytes(base64Text(Uint8Array.of(0, 255, 7))), Uint8Array.of(0, 255, 7));
    assert.equal(base64Bytes('no base64!').length, 0);
    assert.throws(() => u64(2 ** 53), says('MALFORMED'));
});
