import { idBytes, type ChatId } from '../wire/id.ts';
import type { Door } from './door.ts';
import { Fields, readU32, textBytes, u64 } from './tlv.ts';

/** A record, or its stored form. */
export interface StoredRecord {
    readonly key: Uint8Array;
    readonly value: Uint8Array;
}

function decodeStored(bytes: Uint8Array): StoredRecord {
    const fields = new Fields(bytes);
    return { key: fields.bytes('KEY'), value: fields.bytes('VALUE') };
}

/** The first bytes of the stored keys of all that KithCore.load() remembers: VAULT_LETTERS_LOADED. */
export const LETTERS_LOADED = textBytes('.Q');

/** Records at rest, under a key of 32 random bytes (libkith/vault.h). */
export class KithVault {
    readonly #door: Door;
    readonly #handle: number;

    constructor(door: Door, key: Uint8Array) {
        this.#door = door;
        this.#handle = readU32(door.call('vault_new', 0, undefined, key));
    }

    free(): void {
        this.#door.call('vault_free', this.#handle, undefined);
    }

    /** The stored key of a record's key. */
    name(key: Uint8Array): Uint8Array {
        return this.#door.call('vault_name', this.#handle, undefined, key);
    }

    seal(record: StoredRecord): StoredRecord {
        return decodeStored(this.#door.call('vault_seal', this.#handle, undefined, record.key, record.value));
    }

    /** DENIED: damaged, or not of this vault. */
    open(stored: StoredRecord): StoredRecord {
        return decodeStored(this.#door.call('vault_open', this.#handle, undefined, stored.key, stored.value));
    }

    /** Stored keys between which, without them, a chat's messages are, above `after` and below `before`; 0: no bound. */
    messageRange(chat: ChatId, after: number, before: number): { readonly from: Uint8Array; readonly to: Uint8Array } {
        const answer = this.#door.call('vault_message_range', this.#handle, undefined, idBytes(chat), u64(after), u64(before));
        const { key, value } = decodeStored(answer);
        return { from: key, to: value };
    }
}

/** The file of a vault's key (libkith/vault_key.h); a passphrase takes 64 MiB for a moment. */
export const vaultKeyFile = {
    write: (door: Door, key: Uint8Array): Uint8Array => door.call('vault_key_write', 0, undefined, key),
    wrap: (door: Door, key: Uint8Array, passphrase: string): Uint8Array =>
        door.call('vault_key_wrap', 0, undefined, key, textBytes(passphrase)),
    isWrapped: (door: Door, file: Uint8Array): boolean => door.call('vault_key_is_wrapped', 0, undefined, file)[0] === 1,
    read: (door: Door, file: Uint8Array, passphrase: string): Uint8Array =>
        door.call('vault_key_read', 0, undefined, file, textBytes(passphrase)),
};
