import { errorName, KithError } from './error.ts';
import { encodeArgs } from './tlv.ts';

/** The host's clocks: one that only rises, and the wall's (ms since 1970, may step). */
export interface KithTime {
    readonly monoMs: number;
    readonly wallMs: number;
}

type DoorCall = (handle: number, monoMs: bigint, wallMs: bigint, at: number, len: number) => number;

/** What kith.wasm exports (libkith/wasm/module). */
export interface DoorExports {
    readonly memory: WebAssembly.Memory;
    readonly _initialize: () => void;
    readonly kith_alloc: (len: number) => number;
    readonly kith_free: (at: number, len: number) => void;
    readonly kith_out: () => number;
    readonly kith_wipe: () => void;
    readonly [call: `kith_door_${string}`]: DoorCall;
}

const NO_TIME: KithTime = { monoMs: 0, wallMs: 0 };
const ms = (value: number): bigint => BigInt(Math.max(0, Math.floor(value)));

/**
 * An instance of the module, and calls through it: bytes in, bytes out. `random` fills what it is lent with unpredictable bytes, during
 * calls only; a host without random must throw.
 */
export class Door {
    readonly #exports: DoorExports;
    #isBroken = false;

    constructor(module: WebAssembly.Module, random: (out: Uint8Array) => void) {
        const lend = (at: number, len: number): void => random(new Uint8Array(this.#exports.memory.buffer, at, len));
        // The module's own build says what it exports; web/test and tests/wasm hold it to that.
        const { exports } = new WebAssembly.Instance(module, { kith: { random: lend } });
        this.#exports = exports as unknown as DoorExports;
        this.#exports._initialize();
    }

    /** The answer, a copy. Throws KithError; anything else that is thrown is the end of this instance: CLOSED from then on. */
    call(name: string, handle: number, now: KithTime | undefined, ...args: readonly Uint8Array[]): Uint8Array {
        const answer = this.ask(name, handle, now, ...args);
        if (typeof answer === 'number') throw new KithError(errorName(answer), name);
        return answer;
    }

    /** The same for whom some errors are answers: their number. */
    ask(name: string, handle: number, now: KithTime = NO_TIME, ...args: readonly Uint8Array[]): Uint8Array | number {
        return this.raw(name, handle, now, encodeArgs(args));
    }

    /** With arguments that are encoded already: what all calls go through. */
    raw(name: string, handle: number, now: KithTime, encoded: Uint8Array): Uint8Array | number {
        const exports = this.#exports;
        const call = exports[`kith_door_${name}`];
        if (call === undefined) throw new KithError('UNSUPPORTED', name);
        if (this.#isBroken) throw new KithError('CLOSED', name);
        const at = exports.kith_alloc(encoded.length);
        if (at === 0) throw new KithError('NOMEM', name);
        new Uint8Array(exports.memory.buffer, at, encoded.length).set(encoded);
        this.#isBroken = true; // until it returns: what ends it in its middle, a trap or a host without random, leaves half a step
        const result = call(handle, ms(now.monoMs), ms(now.wallMs), at, encoded.length);
        this.#isBroken = false;
        exports.kith_free(at, encoded.length);
        if (result < 0) return -result;
        const out = new Uint8Array(exports.memory.buffer, exports.kith_out(), result).slice();
        exports.kith_wipe();
        return out;
    }
}
