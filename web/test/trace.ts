// A door that writes down every call in the folder KITH_TRACES, for kith-door-replay (tests/door), which makes them natively.
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Door, type KithTime } from '../src/core/door.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
let doors = 0;

export class TracedDoor extends Door {
    readonly #file: string;
    readonly #drawn: string[];

    private constructor(module: WebAssembly.Module, file: string, drawn: string[]) {
        super(module, (out) => {
            crypto.getRandomValues(out as Uint8Array<ArrayBuffer>);
            drawn.push(hex(out));
        });
        this.#file = file;
        this.#drawn = drawn;
    }

    static open(module: WebAssembly.Module, folder: string): TracedDoor {
        mkdirSync(folder, { recursive: true });
        return new TracedDoor(module, join(folder, `${process.pid}-${++doors}.trace`), []);
    }

    override raw(name: string, handle: number, now: KithTime, encoded: Uint8Array): Uint8Array | number {
        const answer = super.raw(name, handle, now, encoded);
        const coins = this.#drawn.splice(0).join('');
        // Argon2id draws bytes that nobody sees, in the module of the host's random and natively of the system's.
        if (name.startsWith('vault_key_')) return answer;
        const said = typeof answer === 'number' ? `e${answer}` : `o${hex(answer)}`;
        appendFileSync(this.#file, `${name} ${handle} ${Math.floor(now.monoMs)} ${Math.floor(now.wallMs)} i${hex(encoded)} r${coins} ${said}\n`);
        return answer;
    }
}
