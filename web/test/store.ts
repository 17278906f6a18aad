// What a host keeps: sealed records behind their stored keys, and transactions that are there whole or not at all.
import type { RecordChange } from '../src/core/effect.ts';
import type { KithVault, StoredRecord } from '../src/core/vault.ts';
import { LETTERS_LOADED } from '../src/core/vault.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export class Store {
    readonly key: Uint8Array;
    readonly #sealed: Map<string, StoredRecord>;

    constructor(copied?: Store) {
        this.key = copied?.key ?? crypto.getRandomValues(new Uint8Array(32));
        this.#sealed = new Map(copied === undefined ? [] : copied.#sealed);
    }

    /** One durable transaction, as slow as a disk is. */
    async write(vault: KithVault, changes: readonly RecordChange[]): Promise<void> {
        const done = changes.map((change) => (change.isPut ? vault.seal(change) : { key: vault.name(change.key), value: undefined }));
        await new Promise((resolve) => setTimeout(resolve, 1));
        for (const { key, value } of done) {
            if (value === undefined) this.#sealed.delete(hex(key));
            else this.#sealed.set(hex(key), { key, value });
        }
    }

    /** All that a client remembers. */
    loaded(vault: KithVault): StoredRecord[] {
        return [...this.#sealed.values()].filter(({ key }) => LETTERS_LOADED.includes(key[0] ?? 0)).map((stored) => vault.open(stored));
    }

    /** The opened records whose stored keys are between these two, in their order. */
    between(vault: KithVault, from: Uint8Array, to: Uint8Array): StoredRecord[] {
        return [...this.#sealed.entries()]
            .filter(([name]) => name > hex(from) && name < hex(to))
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([, stored]) => vault.open(stored));
    }

    /** Everything that is on the disk. */
    bytes(): Buffer {
        return Buffer.concat([...this.#sealed.values()].flatMap(({ key, value }) => [key, value]));
    }
}
