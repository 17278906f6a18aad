import { ERRORS, type ErrorName } from './names.ts';

/** What the core says no with: `code` is the name of the kith_err, which door.h explains for each call. */
export class KithError extends Error {
    readonly code: ErrorName;

    constructor(code: ErrorName, what: string) {
        super(`${what}: ${code}`);
        this.name = 'KithError';
        this.code = code;
    }
}

const names = new Map<number, ErrorName>(Object.entries(ERRORS).map(([name, number]) => [number, name as ErrorName]));

/** One of a newer core is as good as one that cannot be explained. */
export function errorName(number: number): ErrorName {
    return names.get(number) ?? 'UNSUPPORTED';
}
