import { chatIdOf, idBytes, messageIdOf, type ChatId, type DeviceId, type MessageId, type UserId } from '../wire/id.ts';
import type { Door, KithTime } from './door.ts';
import { decodeEffect, decodeEntry, decodeMessage, decodeRecord, never } from './effect.ts';
import type { DeviceOf, Effect, Message, OutboxEntry, RecordChange } from './effect.ts';
import { errorName, KithError } from './error.ts';
import { ACCOUNT_STATES, CONNECTIONS, ERRORS, STATS, type AccountState, type Code, type Connection, type Stats } from './names.ts';
import { decodeAdmission, decodeGroup, decodeOperation, decodePerson, encodeChange } from './person.ts';
import type { Admission, Group, GroupChange, GroupOperation, Person } from './person.ts';
import { bytesText, Fields, flag, joined, nameOf, pieces, readU32, readU64, textBytes, u32, u64 } from './tlv.ts';
import type { StoredRecord } from './vault.ts';

/** What happened: the functions of kith.h that say so. */
export type KithEvent =
    | { readonly kind: 'token'; readonly token: string }
    | { readonly kind: 'connected' }
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
    | { readonly kind: 'disconnected' }
    /** A timer asked for is due. */
    | { readonly kind: 'tick' }
    /** The records of the persist that was taken last are durable. */
    | { readonly kind: 'persisted' };

/** struct kith_client_config. */
export interface KithConfig {
    readonly user: UserId;
    readonly device: DeviceId;
    readonly inFlightMax?: number;
    readonly showsHistory?: boolean;
    readonly keepsMail?: boolean;
    readonly encrypts?: boolean;
    readonly oneTimeKeys?: number;
}

export interface KithSend {
    readonly chat: ChatId;
    readonly encrypted: boolean;
    readonly contentType: string;
    readonly body: Uint8Array;
    /** 0: never. */
    readonly expiresMs?: number;
}

/** What PUT /devices/me/keys takes; undefined or none: nothing new of that kind. */
export interface Upload {
    readonly list: Uint8Array | undefined;
    readonly spk: Uint8Array | undefined;
    readonly kemLr: Uint8Array | undefined;
    readonly opks: readonly Uint8Array[];
    readonly kemOts: readonly Uint8Array[];
    /** opks and kemOts take the place of all that are there. */
    readonly replaces: boolean;
}

/** A claimed bundle; opk undefined: none was left. */
export interface Bundle extends DeviceOf {
    readonly spk: Uint8Array;
    readonly kem: Uint8Array;
    readonly opk: Uint8Array | undefined;
    readonly kemIsLast: boolean;
}

/** What the server keeps of this device. */
export interface KeyCounts {
    readonly listSeq: number;
    readonly opkCount: number;
    readonly kemOtCount: number;
}

/** The answer to a keys fetch; an id of 0: there is none. */
export interface KeysThere extends KeyCounts {
    readonly spkId: number;
    readonly kemLrId: number;
}

/**
 * The typed door to libkith: one client (libkith/kith.h). It has no clock, network or storage: the host says what happened, and carries
 * out the effects that next() gives, in their order, after every call. Nothing behind a persist comes before `persisted` has happened.
 *
 * Methods have the names of the C functions. They throw KithError, whose codes libkith/kith.h and e2ee/account*.h explain.
 */
export class KithCore {
    readonly #door: Door;
    readonly #handle: number;

    constructor(door: Door, config: KithConfig) {
        this.#door = door;
        this.#handle = readU32(
            door.call(
                'client_new', 0, undefined, idBytes(config.user), idBytes(config.device), u32(config.inFlightMax ?? 0),
                flag(config.showsHistory ?? false), flag(config.keepsMail ?? false), flag(config.encrypts ?? false),
                u32(config.oneTimeKeys ?? 0),
            ),
        );
    }

    /** Nothing is wiped from the host's records. Any later call: NOTFOUND. */
    free(): void {
        this.#call('client_free', undefined);
    }

    #call(name: string, now: KithTime | undefined, ...args: readonly Uint8Array[]): Uint8Array {
        return this.#door.call(name, this.#handle, now, ...args);
    }

    /** undefined instead of these errors. */
    #maybe(name: string, nothing: readonly number[], ...args: readonly Uint8Array[]): Uint8Array | undefined {
        const answer = this.#door.ask(name, this.#handle, undefined, ...args);
        if (typeof answer !== 'number') return answer;
        if (nothing.includes(answer)) return undefined;
        throw new KithError(errorName(answer), name);
    }

    #is(name: string): boolean {
        return this.#call(name, undefined)[0] === 1;
    }

    // ------------------------------------------------------------------------------------------------ records, and the start

    /** Before start(): every record the host has, in any order. */
    load(record: StoredRecord): void {
        this.#call('client_load', undefined, record.key, record.value);
    }

    start(now: KithTime): void {
        this.#call('client_start', now);
    }

    // ------------------------------------------------------------------------------------------------ what happened

    happened(now: KithTime, event: KithEvent): void {
        switch (event.kind) {
            case 'token':
                this.#call('client_token', now, textBytes(event.token));
                return;
            case 'bytes':
                this.#call('client_bytes', now, event.bytes);
                return;
            case 'connected':
            case 'disconnected':
            case 'tick':
            case 'persisted':
                this.#call(`client_${event.kind}`, now);
                return;
            default:
                return never(event);
        }
    }

    /** The next effect; undefined: none, or they wait for `persisted`. */
    next(): Effect | undefined {
        const answer = this.#maybe('client_next', [ERRORS.NOTFOUND, ERRORS.AGAIN]);
        return answer === undefined ? undefined : decodeEffect(new Fields(answer), () => this.#records());
    }

    #records(): RecordChange[] {
        const records: RecordChange[] = [];
        for (;;) {
            const answer = this.#maybe('client_record', [ERRORS.NOTFOUND]);
            if (answer === undefined) return records;
            records.push(decodeRecord(new Fields(answer)));
        }
    }

    // ------------------------------------------------------------------------------------------------ what the person wants

    send(now: KithTime, send: KithSend): MessageId {
        const { chat, encrypted, contentType, body, expiresMs } = send;
        return messageIdOf(
            this.#call('client_send', now, idBytes(chat), flag(encrypted), textBytes(contentType), body, u64(expiresMs ?? 0)),
        );
    }

    /** Everything up to seq was read. */
    read(chat: ChatId, seq: number): void {
        this.#call('client_read', undefined, idBytes(chat), u64(seq));
    }

    /** AGAIN: offline. */
    typing(chat: ChatId): void {
        this.#call('client_typing', undefined, idBytes(chat));
    }

    mailDone(seq: number): void {
        this.#call('client_mail_done', undefined, u64(seq));
    }

    /**
     * The answer to a recall: the value of that message's record. undefined: it is not here, or is to be given to nobody any more, since
     * its author has deleted it.
     */
    recalled(now: KithTime, chat: ChatId, seq: number, value: Uint8Array | undefined): void {
        this.#call('client_recalled', now, idBytes(chat), u64(seq), value ?? new Uint8Array(0));
    }

    /** In the order of sending: what the host wrote. */
    outbox(): OutboxEntry[] {
        const count = readU32(this.#call('client_outbox_count', undefined));
        return Array.from({ length: count }, (_, at) => decodeEntry(new Fields(this.#call('client_outbox_at', undefined, u32(at)))));
    }

    /** The id that it has now. */
    outboxRetry(now: KithTime, id: MessageId): MessageId {
        return messageIdOf(this.#call('client_outbox_retry', now, idBytes(id)));
    }

    outboxDrop(id: MessageId): void {
        this.#call('client_outbox_drop', undefined, idBytes(id));
    }

    /** Wants that person's newest list; isLookedUp() when it was fetched. */
    lookUp(now: KithTime, user: UserId): void {
        this.#call('client_look_up', now, idBytes(user));
    }

    // ------------------------------------------------------------------------------------------------ how it is

    isLookedUp(): boolean {
        return this.#is('client_is_looked_up');
    }

    /** Its keys are with the server, and nothing that came waits to be opened. */
    isSettled(): boolean {
        return this.#is('client_is_settled');
    }

    /** Everything numbered up to here has come and been stored; 0: nothing. */
    applied(chat: ChatId): number {
        return readU64(this.#call('client_applied', undefined, idBytes(chat)));
    }

    connection(): Connection {
        return nameOf(this.#call('client_connection', undefined)[0] ?? 0, CONNECTIONS, 1);
    }

    stats(): Stats {
        const numbers = pieces(this.#call('client_stats', undefined), 8).map(readU64);
        return Object.fromEntries(STATS.map((name, at) => [name, numbers[at] ?? 0])) as Stats;
    }

    // ------------------------------------------------------------------------------------------------ the answers to a fetch

    keys(hasList: boolean, there: KeysThere): void {
        const ids = [u32(there.spkId), u32(there.kemLrId)];
        this.#call('client_keys', undefined, flag(hasList), u64(there.listSeq), u32(there.opkCount), u32(there.kemOtCount), ...ids);
    }

    /** undefined: there is nothing to upload any more. */
    upload(): Upload | undefined {
        const answer = this.#maybe('client_upload', [ERRORS.NOTFOUND]);
        if (answer === undefined) return undefined;
        const fields = new Fields(answer);
        const maybe = (field: 'LIST' | 'SPK' | 'KEM_LR'): Uint8Array | undefined => (fields.has(field) ? fields.bytes(field) : undefined);
        return {
            list: maybe('LIST'),
            spk: maybe('SPK'),
            kemLr: maybe('KEM_LR'),
            opks: fields.list('OPKS'),
            kemOts: fields.list('KEM_OTS'),
            replaces: fields.flag('REPLACES'),
        };
    }

    uploaded(counts: KeyCounts): void {
        this.#call('client_uploaded', undefined, u64(counts.listSeq), u32(counts.opkCount), u32(counts.kemOtCount));
    }

    /** listSeq 0: one of the past, on the way to the newest. */
    list(user: UserId, listSeq: number, signedList: Uint8Array): void {
        this.#call('client_list', undefined, idBytes(user), u64(listSeq), signedList);
    }

    /** The person has none, or there is no such person: listSeq as the server says, 0 then. */
    noList(user: UserId, listSeq: number): void {
        this.#call('client_no_list', undefined, idBytes(user), u64(listSeq));
    }

    bundle(bundle: Bundle): void {
        const { user, device, spk, kem, opk, kemIsLast } = bundle;
        this.#call(
            'client_bundle', undefined, idBytes(user), idBytes(device), spk, kem, opk ?? new Uint8Array(0), flag(kemIsLast),
        );
    }

    noBundle(user: UserId, device: DeviceId): void {
        this.#call('client_no_bundle', undefined, idBytes(user), idBytes(device));
    }

    /** Of a direct chat its two people, of any other none. */
    members(chat: ChatId, users: readonly UserId[]): void {
        this.#call('client_members', undefined, idBytes(chat), joined(users.map(idBytes)));
    }

    groupOp(chat: ChatId, eventSeq: number, signedOp: Uint8Array): void {
        this.#call('client_group_op', undefined, idBytes(chat), u64(eventSeq), signedOp);
    }

    /** undefined: there is nobody to be let in any more. */
    admit(): Admission | undefined {
        const answer = this.#maybe('client_admit', [ERRORS.NOTFOUND]);
        return answer === undefined ? undefined : decodeAdmission(new Fields(answer));
    }

    /** OK, or the code of the problem; of one that may pass the fetch has failed. */
    admitted(code: Code): void {
        this.#call('client_admitted', undefined, textBytes(code));
    }

    fetched(now: KithTime, ok: boolean): void {
        this.#call('client_fetched', now, flag(ok));
    }

    // ------------------------------------------------------------------------------------------------ trust, linking, groups

    accountState(): AccountState {
        return nameOf(this.#call('account_state', undefined)[0] ?? 0xff, ACCOUNT_STATES, 0);
    }

    person(user: UserId): Person {
        return decodePerson(new Fields(this.#call('person', undefined, idBytes(user))));
    }

    verify(now: KithTime, user: UserId, verified: boolean): void {
        this.#call('verify', now, idBytes(user), flag(verified));
    }

    /** 60 digits; NOTFOUND: one of the two has no list here. */
    safetyNumber(user: UserId): string {
        return bytesText(this.#call('safety_number', undefined, idBytes(user)));
    }

    linkRequest(now: KithTime): Uint8Array {
        return this.#call('link_request', now);
    }

    /** 30 digits of a request or an answer. */
    linkCode(text: Uint8Array): string {
        return bytesText(this.#call('link_code', undefined, text));
    }

    linkApprove(now: KithTime, request: Uint8Array): Uint8Array {
        return this.#call('link_approve', now, request);
    }

    linkAccept(now: KithTime, answer: Uint8Array): void {
        this.#call('link_accept', now, answer);
    }

    removeDevice(now: KithTime, device: DeviceId): void {
        this.#call('remove_device', now, idBytes(device));
    }

    /** undefined: no group is known in that chat. */
    group(chat: ChatId): Group | undefined {
        const answer = this.#maybe('group', [ERRORS.NOTFOUND], idBytes(chat));
        return answer === undefined ? undefined : decodeGroup(new Fields(answer));
    }

    groupMake(now: KithTime, change: GroupChange): GroupOperation {
        return decodeOperation(new Fields(this.#call('group_make', now, ...encodeChange(change))));
    }

    // ------------------------------------------------------------------------------------------------ invite links

    /** A new invite link, or, with `ends`, none any more. */
    joinKeyMake(now: KithTime, chat: ChatId, ends: boolean): GroupOperation {
        return decodeOperation(new Fields(this.#call('join_key_make', now, idBytes(chat), flag(ends))));
    }

    /** Secret: what is behind the # of an invite link. undefined: none holds. DENIED: another device made it. */
    joinLink(chat: ChatId): Uint8Array | undefined {
        return this.#maybe('join_link', [ERRORS.NOTFOUND], idBytes(chat));
    }

    /** `request` of POST /chats/{chat}/join. CONFLICT: this account is in the group. NOTFOUND: it is or was in another there, or cannot tell. */
    joinAsk(now: KithTime, link: Uint8Array): Uint8Array {
        return this.#call('join_ask', now, link);
    }

    /** The chat of an invite link; undefined: it is none. */
    static joinChat(link: Uint8Array): ChatId | undefined {
        return link.length === 65 ? chatIdOf(link.subarray(1, 17)) : undefined;
    }

    /** It is waited for no more. */
    joinForget(now: KithTime, chat: ChatId): void {
        this.#call('join_forget', now, idBytes(chat));
    }
}

/** The message in a record of a host that showsHistory; undefined: another kind of record. */
export function recordMessage(door: Door, record: StoredRecord): Message | undefined {
    return recordOf(door, 'record_message', record);
}

/** The item of the mailbox in a record of a host that keepsMail; undefined: another kind of record. */
export function recordMail(door: Door, record: StoredRecord): Message | undefined {
    return recordOf(door, 'record_mail', record);
}

function recordOf(door: Door, name: string, record: StoredRecord): Message | undefined {
    const answer = door.ask(name, 0, undefined, record.key, record.value);
    if (typeof answer !== 'number') return decodeMessage(new Fields(answer));
    if (answer === ERRORS.NOTFOUND) return undefined;
    throw new KithError(errorName(answer), name);
}
