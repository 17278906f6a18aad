// The module in the folder KITH_WASM, which `./dev test` built, and doors of it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Door } from '../src/core/door.ts';
import { TracedDoor } from './trace.ts';

export const root = new URL('../../', import.meta.url);

function compile(): WebAssembly.Module {
    const folder = process.env['KITH_WASM'];
    if (folder === undefined) throw new Error('KITH_WASM is not set: run ./dev test web');
    return new WebAssembly.Module(readFileSync(join(folder, 'kith.wasm')));
}

const module = compile();
const traces = process.env['KITH_TRACES'];

/** One with the system's random, which writes down its calls when it is to. */
export function newDoor(): Door {
    if (traces !== undefined) return TracedDoor.open(module, traces);
    return new Door(module, (out) => void crypto.getRandomValues(out as Uint8Array<ArrayBuffer>));
}

/** One with coins that are as bad as can be: 0, 1, 2, ... in every draw. */
export function countingDoor(): Door {
    return new Door(module, (out) => out.forEach((_, at) => (out[at] = at)));
}

/** One whose host may have no random. */
export function brokenDoor(hasRandom: () => boolean): Door {
    return new Door(module, (out) => {
        if (!hasRandom()) throw new Error('no random');
        crypto.getRandomValues(out as Uint8Array<ArrayBuffer>);
    });
}
