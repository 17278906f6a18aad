// Steps of tests/vectors/kith1_*.json: groups and sender chains. What an account does with several operations of the module, or with
// none (who joins, whose signature it is, what a message says of its group), is done here, as an account does it.
import { hex, none, readFields, Reader, REFUSED, Refused, text, tlv, u64, u8 } from './kith1_bytes.mjs';
import { u32 } from './module.mjs';

const [NEXT, SAME, GAP, FORK] = [0, 1, 2, 3]; // enum e2e_group_step
const stepNames = ['next', 'same', 'gap', 'fork', 'other'];
const [CREATE, ADD] = [1, 2];
const [SKIPPED, UNKNOWN_AFTER] = [0x8000, 18];
const OP_HASH = 16; // of an operation's hash, what a link says of it
const [MESSAGES_MAX, LIFE_MS] = [500, 7 * 24 * 3600 * 1000];
const somebody = Buffer.alloc(32, 7); // a seed

/** By tag; what is not whole ends it. */
function fieldsOf(encoding) {
    const found = new Map();
    for (const reader = new Reader(encoding); reader.left >= 6; ) {
        const tag = reader.number(2);
        found.set(tag, reader.take(reader.number(4)));
    }
    return found;
}

const number = (raw) => new Reader(raw).number(raw.length);

function chunks(raw, size) {
    const found = [];
    for (const reader = new Reader(raw ?? none); reader.left > 0; ) found.push(reader.take(size));
    return found;
}

/** The state that is to stand in the file, of a group or a chain that a step names. */
export function stateOf(run, args) {
    const group = run.groups.get(args.group);
    return group === undefined ? run.chains.get(args.chain) : fieldsOf(group).get(1);
}

// ---------------------------------------------------------------------------------------------- operations
/** What an operation says, of which the module has found that it has the form of one. */
function readOp(signed) {
    const [bytes, signature] = [fieldsOf(signed).get(1), fieldsOf(signed).get(2)];
    const fields = fieldsOf(bytes);
    return {
        bytes, signature, seq: number(fields.get(2)), kind: number(fields.get(4)), author: fields.get(5), device: number(fields.get(6)),
        listSeq: number(fields.get(7)), listHash: fields.get(8), subject: fields.get(11) ?? none,
        founders: chunks(fields.get(13), 17).map((founder) => founder.subarray(0, 16)),
    };
}

/** A kind or a suite that nobody knows is a newer client's; a field that nobody knows is none of an operation. */
function hasUnknownField(signed) {
    const isUnknown = (last) => (tag) => (tag === 0 || tag > last) && tag < SKIPPED;
    const outer = fieldsOf(signed);
    return [...outer.keys()].some(isUnknown(2)) || [...fieldsOf(outer.get(1) ?? none).keys()].some(isUnknown(UNKNOWN_AFTER));
}

/** The module's answer to an operation: {step, after}, or {err} of the next one, which is not allowed or not signed. */
function apply(run, group, signed, dskPub) {
    try {
        const reader = run.call('group_apply', group, signed, dskPub);
        return { step: reader.number(1), after: reader.take() };
    } catch (refused) {
        if (!(refused instanceof Refused)) throw refused;
        if (refused.err === 'UNSUPPORTED' && !hasUnknownField(signed)) throw new Refused('UNSUPPORTED', refused.err);
        if (!['DENIED', 'FULL'].includes(refused.err)) throw refused;
        return { step: NEXT, err: refused };
    }
}

/** The group after it. No dskPub: somebody has vouched for it. Then it is signed again, by somebody, since the module looks at it. */
function take(run, group, signed, dskPub) {
    const isVouched = dskPub === undefined;
    const key = isVouched ? run.call('sign_public', somebody).take() : dskPub;
    let given = signed;
    if (isVouched) {
        const { bytes } = readOp(signed);
        given = tlv([[1, bytes], [2, run.call('sign', somebody, Buffer.from('gop'), bytes).take()]]);
    }
    const { step, after, err } = apply(run, group, given, key);
    if (err !== undefined) throw err;
    if (step === NEXT) return after;
    if (step === SAME) return group;
    if (step === GAP) throw new Refused('GAP', step);
    if (step !== FORK || isVouched) throw new Refused(REFUSED, step);
    const { bytes, signature } = readOp(signed);
    run.call('verify', dskPub, Buffer.from('gop'), bytes, signature);
    throw new Refused('FORK', step);
}

function headOf(group) {
    const fields = fieldsOf(group);
    return { seq: number(fieldsOf(fields.get(1)).get(2)), head: text(fields.get(2).subarray(0, 32)) };
}

function encodeOp(run, a) {
    const group = run.groups.get(a.group);
    const groupId = group === undefined ? hex(a.group_id) : fieldsOf(fieldsOf(group).get(1)).get(1);
    const members = a.members?.map(({ account, role }) => Buffer.concat([hex(account), u8(role)]));
    const fields = [
        [1, groupId], [4, u8(a.kind)], [5, hex(a.author)], [6, u32(a.author_device)], [7, u64(a.list_seq)], [8, hex(a.list_hash)],
        [9, u64(a.made_at)], [11, a.subject && hex(a.subject)], [12, a.role === undefined ? undefined : u8(a.role)],
        [13, members && Buffer.concat(members)], [14, a.suite === undefined ? undefined : u8(a.suite)], [15, a.info && hex(a.info)],
        [16, a.settings === undefined ? undefined : u8(a.settings)], [17, a.join_key && hex(a.join_key)], [18, a.request ? hex(a.request) : undefined],
    ];
    return tlv(fields.filter(([, value]) => value !== undefined));
}

function bringsIn({ kind, subject, founders }, account) {
    if (kind === ADD) return subject.equals(account);
    return kind === CREATE && founders.some((founder) => founder.equals(account));
}

/** The operation, or undefined: it has not the form of one. */
function wellFormed(run, signed) {
    try {
        apply(run, none, signed, somebody);
        return readOp(signed);
    } catch (refused) {
        if (refused instanceof Refused) return undefined;
        throw refused;
    }
}

/** Of what is pinned of the author. */
function listOf(run, signed) {
    const list = fieldsOf(signed).get(1);
    const devices = [];
    for (const reader = new Reader(fieldsOf(list).get(11)); reader.left > 0; ) {
        const device = fieldsOf(reader.take(reader.number(4)));
        devices.push({ id: number(device.get(1)), dskPub: device.get(3) });
    }
    return { seq: number(fieldsOf(list).get(6)), hash: run.call('sha256', list).take(), devices };
}

// ---------------------------------------------------------------------------------------------- messages
function checkEpoch(group, account, epoch, hash) {
    const fields = fieldsOf(group);
    const state = fieldsOf(fields.get(1));
    const seq = number(state.get(2));
    if (epoch === 0) throw new Refused(REFUSED);
    if (epoch > seq) throw new Refused('GAP');
    if (!chunks(state.get(4), 25).some((member) => member.subarray(0, 16).equals(account))) throw new Refused(REFUSED);
    const known = chunks(fields.get(2), 32)[seq - epoch];
    if (known !== undefined && !known.equals(hash)) throw new Refused('FORK');
    return seq === epoch ? 'same' : 'before';
}

const epochOf = (a) => [u64(a.group_epoch), hex(a.group_hash)];
const ownerOf = (a) => [hex(a.group_id), hex(a.account_id), u32(a.device_id)];

/** Keeps the chain's state, and gives what stands behind it. */
function keepChain(run, name, reader) {
    run.chains.set(name, reader.take(reader.number(4)));
    return reader.take();
}

function fieldsByName(encoding, names) {
    const fields = fieldsOf(encoding);
    return Object.fromEntries(names.flatMap((name, at) => (fields.has(at + 1) ? [[name, text(fields.get(at + 1))]] : [])));
}

export const groupOps = {
    make_op(run, a) {
        let made;
        try {
            made = run.call('group_make', hex(a.dsk_seed), run.groups.get(a.group) ?? none, encodeOp(run, a));
        } catch (refused) {
            throw refused.err === 'UNSUPPORTED' ? new Refused('UNSUPPORTED', refused.err) : refused;
        }
        made.take(made.number(4));
        const signed = made.take();
        const { bytes } = readOp(signed);
        return {
            op: text(bytes), hash: text(run.call('sha256', bytes).take()), signed: text(signed), state_hash: text(fieldsOf(bytes).get(10)),
        };
    },
    compare_op(run, a) {
        const signed = hex(a.signed);
        const { step } = apply(run, run.groups.get(a.group) ?? none, signed, somebody);
        const { seq, bytes } = readOp(signed);
        return { step: stepNames[step], seq, hash: text(run.call('sha256', bytes).take()) };
    },
    read_op(run, a) {
        const before = run.groups.get(a.group);
        const after = take(run, before ?? none, hex(a.signed), hex(a.dsk_pub));
        run.groups.set(a.group, after);
        return { step: after === before ? 'same' : 'next', ...headOf(after) };
    },
    load_group(run, a) {
        run.groups.set(a.group, tlv([[1, hex(a.state)], [2, hex(a.head)]]));
        return {};
    },
    join_group(run, a) {
        const ops = a.ops.map((one) => ({ signed: hex(one.signed), dskPub: one.dsk_pub && hex(one.dsk_pub) }));
        const formed = ops.map(({ signed }) => wellFormed(run, signed));
        const isOfLink = (op) => a.op_hash === text(run.call('sha256', op.bytes).take(OP_HASH));
        const first = formed.find((op) => op !== undefined && (bringsIn(op, hex(a.account_id)) || isOfLink(op)))?.seq ?? 1;
        let [group, isKnown] = [none, a.op_hash === undefined]; // what comes to who asked with a link, only behind its operation
        for (const [at, { signed, dskPub }] of ops.entries()) {
            if (formed[at] === undefined) apply(run, group, signed, somebody); // says why
            const isVouched = formed[at].seq < first;
            if (!isVouched && dskPub === undefined) throw new Refused(REFUSED);
            group = take(run, group, signed, isVouched ? undefined : dskPub);
            if (!isKnown && bringsIn(formed[at], hex(a.account_id))) throw new Refused(REFUSED);
            isKnown ||= isOfLink(formed[at]);
        }
        if (group === none) throw new Refused('GAP');
        run.groups.set(a.group, group);
        return { first, ...headOf(group) };
    },
    signer(run, a) {
        apply(run, none, hex(a.signed), somebody);
        const op = readOp(hex(a.signed));
        const pin = run.pins.get(text(op.author));
        const list = listOf(run, pin.signed);
        if (op.listSeq > list.seq) return { ask_list: op.listSeq };
        if (op.listSeq === list.seq && !op.listHash.equals(list.hash)) throw new Refused(REFUSED);
        if (!pin.usable.includes(op.device)) throw new Refused(REFUSED);
        return { dsk_pub: text(list.devices.find(({ id }) => id === op.device).dskPub) };
    },

    check_epoch: (run, a) => ({ step: checkEpoch(run.groups.get(a.group), hex(a.account_id), a.group_epoch, hex(a.group_hash)) }),
    read_group_payload(run, a) {
        const found = readFields(run.call('payload_decode', hex(a.payload)).take());
        const header = ['group_epoch', 'group_hash'].filter((name) => a[name] !== undefined);
        if (!['thread_id', 'account_id', 'device_id', ...header].every((name) => found[name] === a[name])) throw new Refused(REFUSED);
        if (['dest', 'peer_list_seq', 'again'].some((name) => found[name] !== undefined)) throw new Refused(REFUSED);
        if (found.group_epoch === undefined) throw new Refused(REFUSED);
        checkEpoch(run.groups.get(a.group), hex(a.account_id), found.group_epoch, hex(found.group_hash));
        return found;
    },

    seal_info(run, a) {
        const made = run.call('group_info_seal', hex(a.group_id), hex(a.name), hex(a.about));
        return { key_id: text(made.take(8)), key: text(made.take(32)), info: text(made.take()) };
    },
    open_info(run, a) {
        const keyId = hex(a.info).subarray(0, 8);
        const plain = run.call('group_info_open', keyId, hex(a.key), hex(a.group_id), hex(a.info)).take();
        return { key_id: text(keyId), ...fieldsByName(plain, ['name', 'about']) };
    },
    make_group_keys(run, a) {
        const fields = ['group_id', 'info_key_id', 'info_key', 'given'].map((name, at) => [at + 1, a[name] && hex(a[name])]);
        return { keys: text(run.call('group_keys_decode', tlv(fields.filter(([, value]) => value !== undefined))).take()) };
    },
    read_group_keys: (run, a) =>
        fieldsByName(run.call('group_keys_decode', hex(a.keys)).take(), ['group_id', 'info_key_id', 'info_key', 'given']),

    new_chain(run, a) {
        const state = run.call('chain_new', ...ownerOf(a), u64(a.now)).take();
        run.chains.set(a.chain, state);
        return { chain_id: text(fieldsOf(state).get(4)) };
    },
    load_chain(run, a) {
        run.chains.set(a.chain, run.call(a.kind === 'sending' ? 'sender_encode' : 'receiver_encode', hex(a.state)).take());
        return {};
    },
    chain_is_due(run, a) {
        const state = fieldsOf(run.chains.get(a.chain));
        return { due: number(state.get(5)) >= MESSAGES_MAX || a.now - number(state.get(8)) >= LIFE_MS ? 1 : 0 };
    },
    give_chain: (run, a) => ({ given: text(run.call('chain_give', run.chains.get(a.chain), ...epochOf(a)).take()) }),
    take_chain(run, a) {
        const known = run.chains.get(a.chain);
        if (known === undefined) {
            run.chains.set(a.chain, run.call('receiver_new', ...ownerOf(a), hex(a.given)).take());
            return { step: 'new' };
        }
        try {
            run.call('receiver_same', known, hex(a.given));
        } catch (refused) {
            throw refused.err === 'CONFLICT' ? new Refused(REFUSED, refused.err) : refused; // another one, and no repeat
        }
        return { step: 'same' };
    },
    chain_encrypt: (run, a) => ({
        message: text(keepChain(run, a.chain, run.call('chain_encrypt', run.chains.get(a.chain), ...epochOf(a), hex(a.plaintext)))),
    }),
    chain_decrypt(run, a) {
        const reader = run.call('receiver_decrypt', run.chains.get(a.chain), hex(a.message), u64(a.now));
        const header = fieldsOf(fieldsOf(hex(a.message)).get(2));
        const plaintext = text(keepChain(run, a.chain, reader));
        return { plaintext, group_epoch: number(header.get(2)), group_hash: text(header.get(3)) };
    },
};
