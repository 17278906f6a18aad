// A host of the core: the network, the clock and the store of one device. The model for the web app's worker.
import { KithCore, recordMessage, type KithEvent, type KithSend } from '../src/core/core.ts';
import { Door, type KithTime } from '../src/core/door.ts';
import { never, type Effect, type Fetch, type Message } from '../src/core/effect.ts';
import { requestOf, takeAnswer } from '../src/core/fetch.ts';
import type { GroupChange } from '../src/core/person.ts';
import { KithVault } from '../src/core/vault.ts';
import { bytesText, textBytes } from '../src/core/tlv.ts';
import { decodeChatId, type ChatId, type MessageId } from '../src/wire/id.ts';
import { base64Text, field, text, type Json } from '../src/wire/json.ts';
import { ask, type Account, type Kithd } from './kithd.ts';
import type { Store } from './store.ts';

const WAIT_MS = 60_000;
const now = (): KithTime => ({ monoMs: performance.now(), wallMs: Date.now() });

export type Shown = Extract<Effect, { kind: 'message' | 'sent' | 'failed' | 'receipt' | 'typing' | 'state' | 'mail' }>;

export interface HostOptions {
    readonly kithd: Kithd;
    readonly account: Account;
    readonly store: Store;
    readonly door: Door;
    /** After a transaction is durable and before anything that it holds back: true, and the host dies here. */
    readonly dies?: (effect: Effect & { kind: 'persist' }) => boolean;
}

export class Host {
    readonly core: KithCore;
    readonly vault: KithVault;
    readonly shown: Shown[] = [];
    readonly #options: HostOptions;
    #accessToken: string;
    #refreshToken: string;
    #socket: WebSocket | undefined;
    #timer: NodeJS.Timeout | undefined;
    #isRunning = false;
    isDead = false;

    constructor(options: HostOptions) {
        const { account, store, door } = options;
        this.#options = options;
        this.#accessToken = account.accessToken;
        this.#refreshToken = account.refreshToken;
        this.core = new KithCore(door, { user: account.user, device: account.device, showsHistory: true, encrypts: true });
        this.vault = new KithVault(door, store.key);
        for (const record of store.loaded(this.vault)) this.core.load(record);
        this.core.happened(now(), { kind: 'token', token: this.#accessToken });
        this.core.start(now());
        void this.#run();
    }

    /** As a tab is closed: at once, with whatever is under way. */
    die(): void {
        if (this.isDead) return;
        this.isDead = true;
        clearTimeout(this.#timer);
        this.#hangUp();
        this.core.free();
        this.vault.free();
    }

    // ---- effects

    #happened(event: KithEvent): void {
        this.#step((core) => core.happened(now(), event));
    }

    /** A step of the core, then what it asks for. */
    #step(step: (core: KithCore) => void): void {
        if (this.isDead) return;
        step(this.core);
        void this.#run();
    }

    /** One at a time: while a transaction is under way the core holds back what comes behind it. */
    async #run(): Promise<void> {
        if (this.#isRunning) return;
        this.#isRunning = true;
        for (;;) {
            const effect = this.isDead ? undefined : this.core.next();
            if (effect === undefined) break;
            if (effect.kind === 'persist') await this.#persist(effect);
            else this.#carryOut(effect);
        }
        this.#isRunning = false;
    }

    async #persist(effect: Effect & { kind: 'persist' }): Promise<void> {
        await this.#options.store.write(this.vault, effect.records);
        if (this.#options.dies?.(effect) === true) this.die();
        if (!this.isDead) this.core.happened(now(), { kind: 'persisted' });
    }

    #carryOut(effect: Exclude<Effect, { kind: 'persist' }>): void {
        switch (effect.kind) {
            case 'send':
                if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(effect.bytes as Uint8Array<ArrayBuffer>);
                return;
            case 'connect':
                return this.#dial();
            case 'close':
                return this.#hangUp();
            case 'timer':
                return this.#wakeAt(effect.atMs);
            case 'token':
                void this.#refresh();
                return;
            case 'fetch':
                void this.#fetch(effect.fetch);
                return;
            case 'recall':
                return this.#recall(effect.chat, effect.seq);
            case 'message':
            case 'sent':
            case 'failed':
            case 'receipt':
            case 'typing':
            case 'state':
            case 'mail':
                this.shown.push(effect);
                return;
            default:
                return never(effect);
        }
    }

    /** What was deleted is not looked for: nobody deletes anything in these tests. */
    #recall(chat: ChatId, seq: number): void {
        const { from, to } = this.vault.messageRange(chat, seq - 1, seq + 1);
        this.core.recalled(now(), chat, seq, this.#options.store.between(this.vault, from, to)[0]?.value);
    }

    #wakeAt(atMs: number): void {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#happened({ kind: 'tick' }), Math.max(0, atMs - performance.now()));
    }

    #hangUp(): void {
        const socket = this.#socket;
        this.#socket = undefined;
        socket?.close();
    }

    /** What a socket says after another took its place is nobody's. */
    #dial(): void {
        const socket = new WebSocket(`${this.#options.kithd.url.replace('http', 'ws')}/connect`, ['v12.stomp']);
        const mine = (event: KithEvent): void => {
            if (this.#socket === socket) this.#happened(event);
        };
        this.#hangUp();
        this.#socket = socket;
        socket.binaryType = 'arraybuffer';
        socket.onopen = (): void => mine({ kind: 'connected' });
        socket.onclose = (): void => mine({ kind: 'disconnected' });
        socket.onmessage = (event: MessageEvent<ArrayBuffer | string>): void => {
            const bytes = typeof event.data === 'string' ? textBytes(event.data) : new Uint8Array(event.data);
            mine({ kind: 'bytes', bytes });
        };
    }

    async #refresh(): Promise<void> {
        const { kithd } = this.#options;
        const said = await kithd.rest('POST', '/auth/refresh', undefined, { refresh_token: this.#refreshToken });
        this.#accessToken = text(field(said, 'access_token'));
        this.#refreshToken = text(field(said, 'refresh_token'));
        this.#happened({ kind: 'token', token: this.#accessToken });
    }

    async #fetch(fetch: Fetch): Promise<void> {
        const request = requestOf(this.core, fetch);
        if (request === undefined) return this.#step((core) => core.fetched(now(), true));
        const { method, path, body } = request;
        const answer = await ask(this.#options.kithd.url + path, method, this.#accessToken, body).catch(() => undefined);
        this.#step((core) => takeAnswer(core, now(), fetch, answer));
    }

    // ---- what a person does

    send(chat: ChatId, body: string): MessageId {
        const send: KithSend = { chat, encrypted: true, contentType: 'text/plain', body: textBytes(body) };
        const id = this.core.send(now(), send);
        void this.#run();
        return id;
    }

    read(chat: ChatId, seq: number): void {
        this.#step((core) => core.read(chat, seq));
    }

    typing(chat: ChatId): void {
        this.#step((core) => core.typing(chat));
    }

    retry(id: MessageId): MessageId {
        const retried = this.core.outboxRetry(now(), id);
        void this.#run();
        return retried;
    }

    drop(id: MessageId): void {
        this.#step((core) => core.outboxDrop(id));
    }

    lookUp(other: Account): void {
        this.#step((core) => core.lookUp(now(), other.user));
    }

    verify(other: Account): void {
        this.#step((core) => core.verify(now(), other.user, true));
    }

    link(step: (core: KithCore, now: KithTime) => Uint8Array): Uint8Array {
        const out = step(this.core, now());
        void this.#run();
        return out;
    }

    /** Signed here, done by the server, seen when its event comes. */
    async change(change: GroupChange, method: string, path: string, body: { readonly [name: string]: Json }): Promise<Json> {
        const { groupSeq, signedOp } = this.core.groupMake(now(), change);
        await this.#run();
        const whole = { ...body, signed_op: base64Text(signedOp), group_seq: groupSeq };
        return await this.#options.kithd.rest(method, path, this.#accessToken, whole);
    }

    async createGroup(name: string, others: readonly Account[]): Promise<ChatId> {
        const users = others.map((other) => other.user);
        const change: GroupChange = { kind: 'create', others: users, name, about: '', settings: 0 };
        const made = await this.change(change, 'POST', '/chats', { type: 'group', members: users, encrypted: true });
        return decodeChatId(field(made, 'chat_id'));
    }

    /** A new invite link, which holds when its event comes. */
    async newLink(chat: ChatId): Promise<void> {
        const { groupSeq, signedOp, joinKey } = this.core.joinKeyMake(now(), chat, false);
        await this.#run();
        const body = { join_key: joinKey === undefined ? null : base64Text(joinKey), signed_op: base64Text(signedOp), group_seq: groupSeq };
        await this.#options.kithd.rest('PATCH', `/chats/${chat}`, this.#accessToken, body);
    }

    /** Asks to be let in: who may do that is connected, or comes. */
    async join(link: Uint8Array): Promise<void> {
        const request = this.core.joinAsk(now(), link);
        await this.#run();
        const path = `/chats/${KithCore.joinChat(link)}/join`;
        await this.#options.kithd.rest('POST', path, this.#accessToken, { request: base64Text(request) });
    }

    // ---- what a test wants to know

    messages(chat: ChatId): Message[] {
        return this.shown.flatMap((one) => (one.kind === 'message' && one.message.chat === chat && one.message.gapFrom === 0 ? [one.message] : []));
    }

    /** The texts of a chat that were shown, in order. */
    texts(chat: ChatId): string[] {
        return this.messages(chat).filter((one) => one.contentType === 'text/plain' && one.isOpen).map((one) => bytesText(one.body));
    }

    /** The messages of a chat that are in the store. */
    kept(chat: ChatId): Message[] {
        const { from, to } = this.vault.messageRange(chat, 0, 0);
        return this.#options.store.between(this.vault, from, to).flatMap((record) => recordMessage(this.#options.door, record) ?? []);
    }

    /** The texts of a chat that are in the store. */
    history(chat: ChatId): string[] {
        return this.kept(chat).flatMap((one) => (one.contentType === 'text/plain' && one.isOpen ? [bytesText(one.body)] : []));
    }

    async until(what: string, is: () => boolean): Promise<void> {
        const end = Date.now() + WAIT_MS;
        while (!is()) {
            if (Date.now() > end) throw new Error(`${this.#options.account.name} waited for ${what}; shown: ${JSON.stringify(this.shown)}`);
            await new Promise((resolve) => setTimeout(resolve, 5));
        }
    }

    async untilSettled(): Promise<void> {
        await this.until('its keys', () => this.core.connection() === 'online' && this.core.accountState() === 'ready' && this.core.isSettled());
    }
}
