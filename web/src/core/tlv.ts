import { DecodeError, ID_BYTES } from '../wire/id.ts';
import { errorName, KithError } from './error.ts';
import { FIELDS, type ErrorName } from './names.ts';

/** The encoding of libkith/crypto/tlv.h: `tag u16, length u32, value`, big-endian, tags ascending. */
const HEAD_BYTES = 6;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const NOTHING = new Uint8Array(0);
export const textBytes = (text: string): Uint8Array => encoder.encode(text);
export const bytesText = (bytes: Uint8Array): string => decoder.decode(bytes);

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function checked(value: number, max: number): number {
    if (!Number.isSafeInteger(value) || value < 0 || value > max) throw new KithError('MALFORMED', `the number ${value}`);
    return value;
}

export const flag = (value: boolean): Uint8Array => Uint8Array.of(value ? 1 : 0);
export const u8 = (value: number): Uint8Array => Uint8Array.of(checked(value, 0xff));

export function u32(value: number): Uint8Array {
    const out = new Uint8Array(4);
    viewOf(out).setUint32(0, checked(value, 0xffff_ffff));
    return out;
}

export function u64(value: number): Uint8Array {
    const out = new Uint8Array(8);
    viewOf(out).setBigUint64(0, BigInt(checked(value, Number.MAX_SAFE_INTEGER)));
    return out;
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
    const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        out.set(part, at);
        at += part.length;
    }
    return out;
}

/** Pieces of one size; what does not fill one is a DecodeError. */
export function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
    if (bytes.length % size !== 0) throw new DecodeError('a list of equal pieces');
    return Array.from({ length: bytes.length / size }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
}

/** The arguments of a call: under the tags 1, 2, 3, ... */
export function encodeArgs(args: readonly Uint8Array[]): Uint8Array {
    return joined(
        args.flatMap((value, at) => {
            const head = new Uint8Array(HEAD_BYTES);
            viewOf(head).setUint16(0, at + 1);
            viewOf(head).setUint32(2, value.length);
            return [head, value];
        }),
    );
}

/** A number that JavaScript has no room for, which only a server that lies can give, is the greatest that it has. */
export function readU64(value: Uint8Array): number {
    if (value.length !== 8) throw new DecodeError('a u64');
    const number = viewOf(value).getBigUint64(0);
    return number > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(number);
}

export function readU32(value: Uint8Array): number {
    if (value.length !== 4) throw new DecodeError('a u32');
    return viewOf(value).getUint32(0);
}

type Field = keyof typeof FIELDS;

/** The fields of a thing. One that must be there and is not is a DecodeError: the module and this door are of different builds. */
export class Fields {
    readonly #values = new Map<number, Uint8Array>();

    constructor(bytes: Uint8Array) {
        const view = viewOf(bytes);
        for (let at = 0; at < bytes.length; ) {
            if (bytes.length - at < HEAD_BYTES) throw new DecodeError('an encoding');
            const end = at + HEAD_BYTES + view.getUint32(at + 2);
            if (end > bytes.length) throw new DecodeError('an encoding');
            this.#values.set(view.getUint16(at), bytes.subarray(at + HEAD_BYTES, end));
            at = end;
        }
    }

    #need(field: Field): Uint8Array {
        const value = this.#values.get(FIELDS[field]);
        if (value === undefined) throw new DecodeError(`a thing with ${field}`);
        return value;
    }

    has(field: Field): boolean {
        return this.#values.has(FIELDS[field]);
    }

    bytes(field: Field): Uint8Array {
        return this.#values.get(FIELDS[field]) ?? NOTHING;
    }

    text(field: Field): string {
        return bytesText(this.bytes(field));
    }

    u8(field: Field): number {
        const [value, ...more] = this.#need(field);
        if (value === undefined || more.length > 0) throw new DecodeError('a u8');
        return value;
    }

    flag(field: Field): boolean {
        return this.u8(field) !== 0;
    }

    u64(field: Field): number {
        return readU64(this.#need(field));
    }

    error(field: Field): ErrorName {
        return errorName(readU32(this.#need(field)));
    }

    id(field: Field): Uint8Array {
        const value = this.#need(field);
        if (value.length !== ID_BYTES) throw new DecodeError('an id');
        return value;
    }

    /** The name of an enum's value, whose first is `from`. */
    name<Name extends string>(field: Field, names: readonly Name[], from: number): Name {
        return nameOf(this.u8(field), names, from);
    }

    /** Items, each `length u32, bytes`. */
    list(field: Field): Uint8Array[] {
        const bytes = this.bytes(field);
        const items: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; ) {
            const end = at + 4 + readU32(bytes.subarray(at, at + 4));
            if (end > bytes.length) throw new DecodeError('a list');
            items.push(bytes.subarray(at + 4, end));
            at = end;
        }
        return items;
    }
}

export function nameOf<Name extends string>(number: number, names: readonly Name[], from: number): Name {
    const name = names[number - from];
    if (name === undefined) throw new DecodeError(`one of ${names.join(', ')}`);
    return name;
}

export function numberOf<Name extends string>(name: Name, names: readonly Name[], from: number): number {
    const at = names.indexOf(name);
    if (at < 0) throw new DecodeError(`one of ${names.join(', ')}`);
    return at + from;
}
