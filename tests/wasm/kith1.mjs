// Steps of tests/vectors/kith1_*.json through the module, as tests/vectors/README.md describes them. A session, a group or a chain is its
// encoded state here, so that each step begins with what a device would have stored.
import { isDeepStrictEqual } from 'node:util';
import { createHash } from 'node:crypto';
import { hex, item, none, payloadFields, readFields, Reader, REFUSED, Refused, text, tlv, u64, u8 } from './kith1_bytes.mjs';
import { groupOps, stateOf } from './kith1_groups.mjs';
import { joinOps } from './kith1_joins.mjs';
import { isMail, NO_THREAD, resendOps } from './kith1_resend.mjs';
import { Core, u32 } from './module.mjs';

const STATE_SHOWN_MAX = 8192;
const SILENT_MS = 30 * 24 * 3600 * 1000;
const steps = ['first', 'same', 'next', 'GAP', 'STALE', 'FORK', 'IDENTITY', 'ROLLBACK', REFUSED]; // enum e2e_list_step

// ---------------------------------------------------------------------------------------------- a list's fields, encoded
function encodeDevice(device) {
    const manager = device.manager === undefined ? [] : [[6, u8(device.manager)]];
    return tlv([
        [1, u32(device.device_id)], [2, hex(device.server_device)], [3, hex(device.dsk_pub)], [4, hex(device.ddh_pub)],
        [5, u64(device.added_at)], ...manager,
    ]);
}

function encodeList(a) {
    return tlv([
        [1, hex(a.account_id)], [2, hex(a.ark_pub)], [3, hex(a.aik_pub)], [4, u32(a.aik_counter)], [5, hex(a.certificate)], [6, u64(a.seq)],
        ...(a.prev_hash === undefined ? [] : [[7, hex(a.prev_hash)]]),
        [8, u64(a.issued_at)], [9, u64(a.expires_at)], [10, hex(a.suites)],
        [11, Buffer.concat(a.devices.map((device) => item(encodeDevice(device))))],
        ...(a.removed === undefined ? [] : [[12, Buffer.concat(a.removed.map(u32))]]),
    ]);
}

// ---------------------------------------------------------------------------------------------- steps
class Run {
    constructor(core) {
        this.core = core;
        this.pins = new Map();
        this.sessions = new Map();
        this.secrets = new Map();
        this.groups = new Map(); // as they are saved: the state, and the hashes of the newest operations
        this.chains = new Map();
        this.coins = none;
    }

    call(op, ...args) {
        const { out, err } = this.core.call(op, ...args);
        if (err) throw new Refused(err === 'CONFLICT' ? 'REPEATED' : REFUSED, err);
        return new Reader(out);
    }

    draw(out) {
        if (out.length > this.coins.length) throw new Error('more coins drawn than there are');
        out.set(this.coins.subarray(0, out.length));
        this.coins = this.coins.subarray(out.length);
    }

    /** What is to stand in the file beside `do` and `args`. */
    step({ do: name, args, out: expected }) {
        const before = this.kept(args);
        this.coins = hex(args.coins);
        this.expected = expected;
        const result = {};
        try {
            result.out = ops[name](this, args);
        } catch (refused) {
            if (!(refused instanceof Refused)) throw refused;
            if (this.kept(args) !== before) throw new Error('refused, and something has changed');
            return { result: { err: refused.known }, err: refused.err };
        }
        const state = stateOf(this, args) ?? this.sessions.get(args.session);
        if (state !== undefined) {
            if (state.length <= STATE_SHOWN_MAX) result.state = text(state);
            else result.state_sha256 = createHash('sha256').update(state).digest('hex');
        }
        if (this.coins.length > 0) result.coins_left = this.coins.length;
        return { result };
    }

    kept(args) {
        return this.sessions.get(args.session) ?? this.groups.get(args.group) ?? this.chains.get(args.chain);
    }

    /** Keeps the state, and gives what stands behind it. */
    keep(name, reader) {
        this.sessions.set(name, reader.take(reader.number(4)));
        return reader.take();
    }

    facts(name) {
        const reader = this.call('session_facts', this.sessions.get(name));
        return {
            transcript: reader.take(32), created: reader.number(8), heard: reader.number(8), needsStep: reader.number(1),
            isAnswered: reader.number(1) === 1,
        };
    }

    end(account) {
        return Buffer.concat([hex(account), this.pins.get(account).signed]);
    }

    mayBegin(account, now) {
        const pin = this.pins.get(account);
        return pin.usable.filter((id) => now < pin.expires || pin.inTime.has(id));
    }
}

function usesUp(secrets, setup) {
    secrets.opk.delete(setup.opk);
    if (setup.isLast) secrets.used.add(setup.use);
    else secrets.kem_ot.delete(setup.kem);
}

const ops = {
    ...groupOps,
    ...joinOps,
    ...resendOps,
    certify: (run, a) => ({
        signature: text(run.call('certify', hex(a.ark_seed), hex(a.account_id), hex(a.aik_pub), u32(a.aik_counter)).take()),
    }),
    acceptance(run, a) {
        const place = [hex(a.account_id), hex(a.ark_pub), hex(a.aik_pub), u32(a.device_id), hex(a.server_device), hex(a.ddh_pub)];
        const signature = run.call('device_accept', hex(a.dsk_seed), ...place).take();
        const encoding = hex(run.expected.encoding);
        run.call('verify', hex(a.dsk_pub), Buffer.from('devaccept'), encoding, signature);
        return { encoding: text(encoding), signature: text(signature) };
    },
    make_list(run, a) {
        const accepts = a.accepts.map((accept) => item(tlv([[1, u32(accept.device_id)], [2, hex(accept.signature)]])));
        const list = encodeList(a);
        const signed = run.call('list_sign', hex(a.aik_seed), list, Buffer.concat(accepts)).take();
        const hash = run.call('sha256', list).take();
        const reader = new Reader(signed);
        reader.take(2);
        const found = reader.take(reader.number(4));
        reader.take(6);
        return { list: text(found), hash: text(hash), signature: text(reader.take(64)), signed: text(signed) };
    },
    read_list(run, a) {
        const pin = run.pins.get(a.account_id);
        const signed = hex(a.signed);
        const reader = run.call('list_read', hex(a.account_id), signed, pin?.signed ?? none);
        const step = steps[reader.number(1)];
        if (!['first', 'same', 'next'].includes(step)) throw new Refused(step, step);
        const [seq, hash, expires] = [reader.number(8), reader.take(32), reader.number(8)];
        const [usable, inTime] = [[], new Set(pin?.inTime)];
        while (reader.left > 0) {
            const id = reader.number(4);
            if (reader.number(1) === 1) usable.push(id);
            if (a.now < expires) inTime.add(id);
        }
        run.pins.set(a.account_id, { signed, expires, usable, inTime });
        return { seq, hash: text(hash), usable, may_begin: run.mayBegin(a.account_id, a.now) };
    },
    may_begin: (run, a) => ({ may_begin: run.mayBegin(a.account_id, a.now) }),

    make_prekey(run, a) {
        run.coins = Buffer.concat([u32(a.id), hex(a.secret)]);
        const made = run.call('prekey_new', Buffer.from(a.kind), hex(a.account_id), u32(a.device_id), hex(a.dsk_seed), u64(a.expires_at));
        if (text(made.take(hex(a.secret).length)) !== a.secret) throw new Error('another secret than was drawn');
        const prekey = made.take();
        const owner = [hex(a.account_id), u32(a.device_id), run.call('sign_public', hex(a.dsk_seed)).take()];
        const read = run.call('prekey_read', Buffer.from(a.kind), ...owner, prekey, u64(0));
        const encoding = hex(run.expected.encoding);
        run.call('verify', owner[2], Buffer.from(a.kind), encoding, prekey.subarray(-64));
        read.take(12);
        return { public: text(read.take()), encoding: text(encoding), prekey: text(prekey) };
    },
    check_prekey(run, a) {
        const owner = [hex(a.account_id), u32(a.device_id), hex(a.dsk_pub)];
        const read = run.call('prekey_read', Buffer.from(a.kind), ...owner, hex(a.prekey), u64(a.now));
        const [id, expires_at] = [read.number(4), read.number(8)];
        return { id, public: text(read.take()), expires_at };
    },

    secrets(run, a) {
        const byId = (list) => new Map((list ?? []).map(({ id, secret }) => [id, hex(secret)]));
        const kept = { ddh: hex(a.ddh), spk: byId(a.spk), opk: byId(a.opk), kem_ot: byId(a.kem_ot), kem_lr: byId(a.kem_lr) };
        run.secrets.set(a.secrets, { ...kept, used: new Set() });
        return {};
    },
    begin(run, a) {
        if (!run.mayBegin(a.them, a.now).includes(a.them_device)) throw new Refused(REFUSED);
        const [us, them] = [[run.end(a.us), u32(a.us_device), hex(a.ddh_secret)], [run.end(a.them), u32(a.them_device)]];
        const prekeys = [hex(a.spk), hex(a.kem), u8(a.kem_is_last ?? 0), hex(a.opk)];
        run.sessions.set(a.session, run.call('session_begin', ...us, ...them, ...prekeys, u64(a.now)).take());
        return { transcript: text(run.facts(a.session).transcript) };
    },
    accept(run, a) {
        const message = hex(a.message);
        const secrets = run.secrets.get(a.secrets);
        const asked = run.call('message_setup', message);
        asked.take(4);
        const [spk, opk, kem, isLast] = [asked.number(4), asked.number(4), asked.number(4), asked.number(1) === 1];
        const setup = { opk, kem, isLast, use: `${kem} ${spk} ${text(asked.take())}` };
        const keys = [secrets.spk.get(spk), (isLast ? secrets.kem_lr : secrets.kem_ot).get(kem), opk === 0 ? none : secrets.opk.get(opk)];
        if (keys.includes(undefined) || (isLast && secrets.used.has(setup.use))) throw new Refused(REFUSED);
        const us = [run.end(a.us), u32(a.us_device), secrets.ddh];
        const plaintext = run.keep(a.session, run.call('session_accept', ...us, run.end(a.them), ...keys, message, u64(a.now)));
        usesUp(secrets, setup);
        return { transcript: text(run.facts(a.session).transcript), plaintext: text(plaintext) };
    },

    load(run, a) {
        run.sessions.set(a.session, run.call('session_encode', hex(a.state)).take());
        return {};
    },
    encrypt: (run, a) => ({
        message: text(run.keep(a.session, run.call('session_encrypt', run.sessions.get(a.session), hex(a.plaintext), u64(a.now)))),
    }),
    decrypt: (run, a) => ({
        plaintext: text(run.keep(a.session, run.call('session_decrypt', run.sessions.get(a.session), hex(a.message), u64(a.now)))),
    }),
    choose(run, a) {
        const accepted = run.facts(a.accepted).transcript;
        const ours = run.sessions.has(a.ours) ? run.facts(a.ours) : undefined;
        const isOurs = ours !== undefined && !ours.isAnswered && Buffer.compare(ours.transcript, accepted) < 0;
        return { transcript: text(isOurs ? ours.transcript : accepted) };
    },
    is_silent(run, a) {
        const { created, heard } = run.facts(a.session);
        return { silent: a.now - (heard || created) >= SILENT_MS ? 1 : 0 };
    },

    make_payload(run, a) {
        const fields = payloadFields.filter(([, name]) => a[name] !== undefined).map(([tag, name, kind]) => [tag, kind.write(a[name])]);
        const payload = run.call('payload_encode', tlv(fields)).take();
        return { payload: text(payload), length: payload.length };
    },
    read_payload(run, a) {
        const found = readFields(run.call('payload_decode', hex(a.payload)).take());
        const same = ['thread_id', 'account_id', 'device_id'].every((name) => found[name] === a[name]);
        const isOwn = a.account_id === a.reader;
        const inChat = (found.dest !== undefined) === isOwn && found.again === undefined;
        if (!same || !(a.thread_id === NO_THREAD ? isMail(run, found, isOwn) : inChat)) throw new Refused(REFUSED);
        return found;
    },
    padded_lengths: (run, a) => ({ lengths: a.lengths.map((length) => run.call('padded_length', u32(length)).number(4)) }),
};

// ---------------------------------------------------------------------------------------------- cases
const isLast = (one, step) => one.suite === 1 && step.do === 'begin' && step.out !== undefined;

// libkith reads a chain with the group keys that it came in; in this case some of them have any bytes there.
export const leftOut = 'the keys of a group, for its members';

/** Nothing when all is as known; else what is not. */
export function runCase(one, module) {
    if (one.name === leftOut) return undefined;
    let run;
    const core = new Core(module, (out) => run.draw(out));
    run = new Run(core);
    for (const [at, step] of one.steps.entries()) {
        const { do: name, args, note, ...known } = step;
        const where = `${one.name}, step ${at} (${name}${note ? `, ${note}` : ''})`;
        let found;
        try {
            found = run.step(step);
        } catch (error) {
            return `${where}: ${error.stack}`;
        }
        if (isLast(one, step)) return found.err === 'UNSUPPORTED' ? undefined : `${where}: suite 0x01 is not unsupported: ${found.err}`;
        if (isDeepStrictEqual(found.result, known)) continue;
        return `${where}\n  known: ${JSON.stringify(known)}\n  found: ${JSON.stringify(found.result)}`.slice(0, 9000);
    }
    return undefined;
}
