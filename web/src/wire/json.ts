import { DecodeError } from './id.ts';

/** What JSON.parse() gives, read field by field: nothing of the server's is believed to have a type. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** The value of a field; null: there is none, or this is no object. */
export function field(value: Json, name: string): Json {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
    return Object.hasOwn(value, name) ? ((value as { readonly [name: string]: Json })[name] ?? null) : null;
}

export function items(value: Json): readonly Json[] {
    return Array.isArray(value) ? (value as readonly Json[]) : [];
}

/** A number of the wire: 0 or more, and exact. One that is missing is 0. */
export function count(value: Json): number {
    if (value === null) return 0;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new DecodeError('a count');
    return value;
}

export function text(value: Json): string {
    if (typeof value !== 'string') throw new DecodeError('a text');
    return value;
}

/** Of base64 text; one that is missing or broken has no bytes, which nothing of ours accepts. */
export function base64Bytes(value: Json): Uint8Array {
    if (typeof value !== 'string') return new Uint8Array(0);
    try {
        return Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0));
    } catch {
        return new Uint8Array(0);
    }
}

export function base64Text(bytes: Uint8Array): string {
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}
