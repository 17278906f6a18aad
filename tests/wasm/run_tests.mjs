// Runs tests that tools/dev/wasm_tests.sh compiled: run_tests.mjs FILE.wasm [PATTERN], every test in an instance of its own. --fail before
// it: each of them must fail, on its own. Says what cmocka says; exit 1 when a test is not what it should be, or there is none.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, matchesGlob } from 'node:path';
import { WASI } from 'node:wasi';

// Coins and clock are lent by the tests themselves: a program that asks for a system's, or for a file, is refused.
const ASKED_MAX = [
    'args_get', 'args_sizes_get', 'environ_get', 'environ_sizes_get', 'fd_close', 'fd_fdstat_get', 'fd_seek', 'fd_write', 'proc_exit',
];

/** The exit code; what the program trapped with is thrown. */
function run(module, args, stdout = 1) {
    const wasi = new WASI({ version: 'preview1', args: ['test', ...args], env: process.env, returnOnExit: true, stdout });
    return wasi.start(new WebAssembly.Instance(module, wasi.getImportObject()));
}

function namesOf(module) {
    const folder = mkdtempSync(join(tmpdir(), 'kith-wasm-'));
    try {
        const out = openSync(join(folder, 'names'), 'w');
        const code = run(module, [], out);
        closeSync(out);
        if (code !== 0) throw new Error(`it does not name its tests: exit ${code}`);
        return readFileSync(join(folder, 'names'), 'utf8').split('\n').filter(Boolean);
    } finally {
        rmSync(folder, { recursive: true });
    }
}

/** What is wrong with it; '': nothing. */
function failureOf(module, name) {
    try {
        const code = run(module, [name]);
        return code === 0 ? '' : `exit ${code}`;
    } catch (error) {
        if (!(error instanceof WebAssembly.RuntimeError) && !(error instanceof RangeError)) throw error;
        return error.stack.split('\n').slice(0, 8).join('\n');
    }
}

const mustFail = process.argv[2] === '--fail';
const [path, pattern = '*'] = process.argv.slice(mustFail ? 3 : 2);
const module = new WebAssembly.Module(readFileSync(path));
const asked = WebAssembly.Module.imports(module).map((one) => one.name);
const beyond = asked.filter((name) => !ASKED_MAX.includes(name));
if (beyond.length > 0) throw new Error(`${basename(path)} asks for ${beyond.join(', ')}`);

const names = namesOf(module).filter((name) => matchesGlob(name, pattern));
const wrong = [];
for (const name of names) {
    console.error(`[ RUN      ] ${name}`);
    const failure = failureOf(module, name);
    const isRight = mustFail ? failure !== '' && failure !== 'exit 2' : failure === '';
    if (failure) console.error(failure);
    console.error(`${isRight ? '[       OK ]' : '[  FAILED  ]'} ${name}`);
    if (!isRight) wrong.push(name);
}
console.error(`${names.length - wrong.length} of ${names.length} tests${mustFail ? ' fail, as they must' : ''}`);
process.exitCode = wrong.length > 0 || names.length === 0 ? 1 : 0;
