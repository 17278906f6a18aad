// A real kithd of its own: free port, own data folder, ended by its process id. KITH_BUILD names the folder of its build.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeChatId, decodeDeviceId, decodeUserId, type ChatId, type DeviceId, type UserId } from '../src/wire/id.ts';
import { field, text, type Json } from '../src/wire/json.ts';

const START_TIMEOUT_MS = 60_000;

export interface Account {
    readonly user: UserId;
    readonly device: DeviceId;
    readonly accessToken: string;
    readonly refreshToken: string;
    readonly name: string;
}

export class Problem extends Error {
    readonly status: number;
    readonly body: Json;

    constructor(status: number, body: Json) {
        super(`${status} ${JSON.stringify(body)}`);
        this.status = status;
        this.body = body;
    }
}

/** JSON in, JSON out; a body that is no JSON is null. */
export async function ask(url: string, method: string, token: string | undefined, body: Json): Promise<{ status: number; body: Json }> {
    const headers: Record<string, string> = body === null ? {} : { 'Content-Type': 'application/json' };
    if (token !== undefined) headers['Authorization'] = `Bearer ${token}`;
    const answer = await fetch(url, { method, headers, ...(body === null ? {} : { body: JSON.stringify(body) }) });
    const said = await answer.text();
    try {
        return { status: answer.status, body: JSON.parse(said) as Json };
    } catch {
        return { status: answer.status, body: null };
    }
}

export class Kithd {
    readonly #folder = mkdtempSync(join(tmpdir(), 'kith-web-'));
    #process: ChildProcess | undefined;
    #said = '';
    #invite: string | undefined;
    #admin: Account | undefined;
    port = 0;

    get url(): string {
        return `http://127.0.0.1:${this.port}`;
    }

    async start(): Promise<this> {
        const program = join(process.env['KITH_BUILD'] ?? 'build/debug', 'bin', 'kithd');
        const child = spawn(program, ['--data', join(this.#folder, 'data'), '--listen', `127.0.0.1:${this.port}`], { stdio: ['ignore', 'pipe', 'pipe'] });
        this.#process = child;
        this.#said = '';
        for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes: Buffer) => (this.#said += bytes.toString()));
        const end = Date.now() + START_TIMEOUT_MS;
        while (Date.now() < end && child.exitCode === null) {
            this.port = Number(/running at https?:\/\/[^\s:]+:(\d+)/.exec(this.#said)?.[1] ?? 0);
            this.#invite = /--invite (\S+)/.exec(this.#said)?.[1] ?? this.#invite;
            if (this.port > 0 && this.#invite !== undefined && (await this.#isReady())) return this;
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
        throw new Error(`kithd was not ready in time:\n${this.#said}`);
    }

    async #isReady(): Promise<boolean> {
        try {
            return (await fetch(`${this.url}/readyz`)).ok;
        } catch {
            return false;
        }
    }

    async #end(signal: NodeJS.Signals): Promise<void> {
        const child = this.#process;
        this.#process = undefined;
        if (child === undefined || child.exitCode !== null) return;
        const ended = once(child, 'exit');
        child.kill(signal);
        await ended;
    }

    async kill9(): Promise<void> {
        await this.#end('SIGKILL');
    }

    async close(): Promise<void> {
        await this.#end('SIGTERM');
        rmSync(this.#folder, { recursive: true, force: true });
    }

    /** Anything but 2xx is a Problem. */
    async rest(method: string, path: string, token?: string, body: Json = null): Promise<Json> {
        const answer = await ask(this.url + path, method, token, body);
        if (answer.status < 200 || answer.status > 299) throw new Problem(answer.status, answer.body);
        return answer.body;
    }

    async #register(name: string, invite: string | undefined): Promise<Account> {
        const said = await this.rest('POST', '/users', undefined, {
            name, password: `the password of ${name}`, device_name: 'a browser', ...(invite === undefined ? {} : { invite }),
        });
        return accountOf(name, said);
    }

    /** The first is the administrator; the others come by an invite of the administrator's. */
    async person(name: string): Promise<Account> {
        if (this.#admin === undefined) return (this.#admin = await this.#register(name, this.#invite));
        const invite = await this.rest('POST', '/invites', this.#admin.accessToken, {});
        return await this.#register(name, text(field(invite, 'code')));
    }

    /** Another device of the same person. */
    async login(account: Account): Promise<Account> {
        const body = { name: account.name, password: `the password of ${account.name}`, device_name: 'another browser' };
        return accountOf(account.name, await this.rest('POST', '/auth/login', undefined, body));
    }

    async directChat(owner: Account, other: Account): Promise<ChatId> {
        const body = { type: 'direct', members: [other.user], encrypted: true };
        return decodeChatId(field(await this.rest('POST', '/chats', owner.accessToken, body), 'chat_id'));
    }
}

function accountOf(name: string, said: Json): Account {
    return {
        user: decodeUserId(field(said, 'user_id')),
        device: decodeDeviceId(field(said, 'device_id')),
        accessToken: text(field(said, 'access_token')),
        refreshToken: text(field(said, 'refresh_token')),
        name,
    };
}
