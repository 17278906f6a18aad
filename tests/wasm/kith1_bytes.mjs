// What the steps of kith1.mjs and kith1_groups.mjs read and write.
import { u32 } from './module.mjs';

export const REFUSED = 'REFUSED';

export const none = Buffer.alloc(0);
export const hex = (text) => (text === undefined ? none : Buffer.from(text, 'hex'));
export const text = (bytes) => Buffer.from(bytes).toString('hex');
export const u8 = (number) => Buffer.from([number]);

export function u64(number) {
    const raw = Buffer.alloc(8);
    raw.writeBigUInt64BE(BigInt(number));
    return raw;
}

export class Refused extends Error {
    constructor(name, err) {
        super(name);
        this.known = name;
        this.err = err;
    }
}

/** Reads one value after the other. */
export class Reader {
    constructor(bytes) {
        this.bytes = bytes;
    }
    get left() {
        return this.bytes.length;
    }
    take(length = this.bytes.length) {
        const value = this.bytes.subarray(0, length);
        this.bytes = this.bytes.subarray(length);
        return value;
    }
    number(width) {
        return Number(`0x${text(this.take(width))}`);
    }
}

export function tlv(fields) {
    return Buffer.concat(
        fields.flatMap(([tag, value]) => {
            const head = Buffer.alloc(6);
            head.writeUInt16BE(tag, 0);
            head.writeUInt32BE(value.length, 2);
            return [head, value];
        }),
    );
}

export const item = (bytes) => Buffer.concat([u32(bytes.length), bytes]);

// ---------------------------------------------------------------------------------------------- payload
const bytes = { write: hex, read: text };
const numberOf = (width, write) => ({ write, read: (raw) => new Reader(raw).number(width) });
const [n32, n64] = [numberOf(4, u32), numberOf(8, u64)];
export const payloadFields = [
    [1, 'content_type', bytes], [2, 'thread_id', bytes], [3, 'account_id', bytes], [4, 'device_id', n32], [5, 'msg_id', bytes],
    [6, 'sent_at', n64], [7, 'sseq', n64], [8, 'prev', bytes], [9, 'list_seq', n64], [10, 'list_hash', bytes],
    [11, 'peer_list_seq', n64], [12, 'peer_list_hash', bytes], [13, 'group_epoch', n64], [14, 'group_hash', bytes],
    [15, 'body', bytes], [16, 'body_hash', bytes], [17, 'dest', bytes], [18, 'again', bytes],
];

export function readFields(encoded) {
    const found = {};
    for (const reader = new Reader(encoded); reader.left > 0; ) {
        const tag = reader.number(2);
        const [, name, kind] = payloadFields.find((row) => row[0] === tag);
        found[name] = kind.read(reader.take(reader.number(4)));
    }
    return found;
}
