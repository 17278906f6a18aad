// libkith's operations as a WebAssembly module, for the tests: bytes in, bytes out, through libkith/wasm/ops.h.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = new URL('../../', import.meta.url);

const errNames = new Map(
    Object.entries({
        NOMEM: 0x101, FULL: 0x102, MALFORMED: 0x200, DENIED: 0x201, TOOBIG: 0x202, UNSUPPORTED: 0x203, DAMAGED: 0x303, NOTFOUND: 0x400,
        CONFLICT: 0x401,
    }).map(([name, code]) => [code, name]),
);

/** KITH_WASM names the folder in which `./dev test` built it. */
export function readModule(name = 'kith-ops.wasm') {
    const folder = process.env.KITH_WASM;
    if (!folder) throw new Error('KITH_WASM is not set: run ./dev test wasm');
    return readFileSync(join(folder, name));
}

/** What `in` is: u16 tag, u32 length, value, for the tags 1, 2, 3, ... */
export function encodeArgs(args) {
    return Buffer.concat(
        args.flatMap((value, at) => {
            const head = Buffer.alloc(6);
            head.writeUInt16BE(at + 1, 0);
            head.writeUInt32BE(value.length, 2);
            return [head, value];
        }),
    );
}

export function u32(number) {
    const raw = Buffer.alloc(4);
    raw.writeUInt32BE(number);
    return raw;
}

/** An argument as a vector has it: hex, {"text": ...} or a number. */
export function argOf(value) {
    if (typeof value === 'number') return u32(value);
    if (typeof value === 'object') return Buffer.from(value.text);
    return Buffer.from(value, 'hex');
}

/** The coins of the tests: 0, 1, 2, ... in every draw. */
export function countingRandom(bytes) {
    for (let i = 0; i < bytes.length; i++) bytes[i] = i;
}

export class Core {
    constructor(bytes = readModule(), random = countingRandom) {
        const imports = { kith: { random: (at, len) => random(new Uint8Array(this.exports.memory.buffer, at, len)) } };
        this.exports = new WebAssembly.Instance(bytes instanceof WebAssembly.Module ? bytes : new WebAssembly.Module(bytes), imports).exports;
        this.exports._initialize();
    }

    /** {out: Buffer} or {err: name}. */
    callRaw(op, encoded) {
        const { exports } = this;
        const at = exports.kith_alloc(encoded.length);
        if (at === 0) throw new Error('no memory');
        new Uint8Array(exports.memory.buffer, at, encoded.length).set(encoded);
        const result = exports[`kith_op_${op}`](at, encoded.length);
        exports.kith_free(at, encoded.length);
        if (result < 0) return { err: errNames.get(-result) ?? `0x${(-result).toString(16)}` };
        const out = Buffer.from(new Uint8Array(exports.memory.buffer, exports.kith_out(), result)); // a copy
        exports.kith_wipe();
        return { out };
    }

    call(op, ...args) {
        return this.callRaw(op, encodeArgs(args));
    }
}
