// node kith1_file.mjs FILE: the cases of a file like tests/vectors/kith1_*.json through the module in the folder KITH_WASM.
import { readFileSync } from 'node:fs';
import { runCase } from './kith1.mjs';
import { readModule } from './module.mjs';

const module = new WebAssembly.Module(readModule());
const { cases } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const complaints = cases.map((one) => runCase(one, module)).filter((complaint) => complaint !== undefined);
for (const complaint of complaints) console.error(complaint);
console.log(`${cases.length - complaints.length} of ${cases.length} cases`);
process.exitCode = complaints.length > 0 ? 1 : 0;
