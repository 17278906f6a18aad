import { chatIdOf, DecodeError, deviceIdOf, messageIdOf, userIdOf } from '../wire/id.ts';
import type { ChatId, DeviceId, MessageId, UserId } from '../wire/id.ts';
import { CODES, CONNECTIONS, EFFECT_KINDS, FETCH_KINDS, OUTBOX_STATES } from './names.ts';
import type { Code, Connection, ErrorName, FetchKind, OutboxState } from './names.ts';
import { Fields, pieces, readU64 } from './tlv.ts';

/** A record of the host's store: put, or deleted. */
export type RecordChange =
    | { readonly isPut: true; readonly key: Uint8Array; readonly value: Uint8Array }
    | { readonly isPut: false; readonly key: Uint8Array };

/** struct kith_message. With gapFrom > 0: gapFrom to seq are gone for good, and nothing else is said. */
export interface Message {
    readonly chat: ChatId;
    readonly seq: number;
    readonly gapFrom: number;
    readonly id: MessageId;
    readonly sender: UserId;
    readonly device: DeviceId;
    readonly createdMs: number;
    readonly expiresMs: number;
    readonly encrypted: boolean;
    readonly hasBody: boolean;
    readonly isOpen: boolean;
    readonly unreadable: ErrorName;
    readonly missed: number;
    readonly type: string;
    readonly contentType: string;
    readonly body: Uint8Array;
    readonly isAnew: boolean;
    /** It was shown before as one that could not be read (same chat, seq and id), and takes its place. */
    readonly isAgain: boolean;
    /** It cannot be read, and its device is asked for it again. */
    readonly isAsked: boolean;
}

export interface OutboxEntry {
    readonly chat: ChatId;
    readonly id: MessageId;
    readonly code: Code;
    readonly createdMs: number;
    readonly contentType: string;
    readonly body: Uint8Array;
    readonly state: OutboxState;
    readonly wasOnWire: boolean;
}

/** after: the newest of that person's lists that is known; 0: none. */
export interface ListOf {
    readonly user: UserId;
    readonly after: number;
}

export interface DeviceOf {
    readonly user: UserId;
    readonly device: DeviceId;
}

/** What to ask the server's REST for (kith.h says how): the answers go to the methods of that name, then fetched(). */
export type Fetch =
    | { readonly kind: 'keys' }
    | { readonly kind: 'upload' }
    | { readonly kind: 'lists'; readonly lists: readonly ListOf[] }
    | { readonly kind: 'past_lists'; readonly user: UserId; readonly after: number }
    | { readonly kind: 'bundles'; readonly devices: readonly DeviceOf[] }
    | { readonly kind: 'members'; readonly chat: ChatId }
    | { readonly kind: 'ops'; readonly chat: ChatId; readonly after: number }
    | { readonly kind: 'admit'; readonly chat: ChatId; readonly user: UserId };

/** What the host must do, in their order (enum kith_effect_kind). */
export type Effect =
    | { readonly kind: 'persist'; readonly records: readonly RecordChange[] }
    | { readonly kind: 'send'; readonly bytes: Uint8Array }
    | { readonly kind: 'connect' }
    | { readonly kind: 'close' }
    | { readonly kind: 'timer'; readonly atMs: number }
    | { readonly kind: 'token' }
    | { readonly kind: 'message'; readonly message: Message }
    | { readonly kind: 'sent'; readonly chat: ChatId; readonly id: MessageId; readonly seq: number }
    | { readonly kind: 'failed'; readonly chat: ChatId; readonly id: MessageId; readonly code: Code; readonly isUnknown: boolean }
    | { readonly kind: 'receipt'; readonly chat: ChatId; readonly user: UserId; readonly deliveredUpTo: number; readonly readUpTo: number }
    | { readonly kind: 'typing'; readonly chat: ChatId; readonly user: UserId; readonly typing: boolean }
    | { readonly kind: 'state'; readonly connection: Connection; readonly code: Code; readonly retryMs: number }
    | { readonly kind: 'mail'; readonly message: Message }
    | { readonly kind: 'fetch'; readonly fetch: Fetch }
    /** Answered with recalled(). */
    | { readonly kind: 'recall'; readonly chat: ChatId; readonly seq: number };

const chat = (fields: Fields): ChatId => chatIdOf(fields.id('CHAT'));
const user = (fields: Fields): UserId => userIdOf(fields.id('USER'));
const id = (fields: Fields): MessageId => messageIdOf(fields.id('ID'));

function code(fields: Fields): Code {
    const name = fields.text('CODE');
    const found = CODES.find((one) => one === name);
    if (found === undefined) throw new DecodeError(`a code: ${name}`);
    return found;
}

export function decodeMessage(fields: Fields): Message {
    return {
        chat: chat(fields),
        seq: fields.u64('SEQ'),
        gapFrom: fields.u64('GAP_FROM'),
        id: id(fields),
        sender: userIdOf(fields.id('SENDER')),
        device: deviceIdOf(fields.id('DEVICE')),
        createdMs: fields.u64('CREATED_MS'),
        expiresMs: fields.u64('EXPIRES_MS'),
        encrypted: fields.flag('ENCRYPTED'),
        hasBody: fields.flag('HAS_BODY'),
        isOpen: fields.flag('IS_OPEN'),
        unreadable: fields.error('UNREADABLE'),
        missed: fields.u64('MISSED'),
        type: fields.text('TYPE'),
        contentType: fields.text('CONTENT_TYPE'),
        body: fields.bytes('BODY'),
        isAnew: fields.flag('IS_ANEW'),
        isAgain: fields.flag('IS_AGAIN'),
        isAsked: fields.flag('IS_ASKED'),
    };
}

export function decodeEntry(fields: Fields): OutboxEntry {
    return {
        chat: chat(fields),
        id: id(fields),
        code: code(fields),
        createdMs: fields.u64('CREATED_MS'),
        contentType: fields.text('CONTENT_TYPE'),
        body: fields.bytes('BODY'),
        state: fields.name('STATE', OUTBOX_STATES, 1),
        wasOnWire: fields.flag('WAS_ON_WIRE'),
    };
}

export function decodeRecord(fields: Fields): RecordChange {
    const key = fields.bytes('KEY');
    return fields.flag('IS_PUT') ? { isPut: true, key, value: fields.bytes('VALUE') } : { isPut: false, key };
}

function decodeFetch(fields: Fields): Fetch {
    const kind: FetchKind = fields.name('FETCH', FETCH_KINDS, 1);
    switch (kind) {
        case 'keys':
        case 'upload':
            return { kind };
        case 'lists':
            return {
                kind,
                lists: pieces(fields.bytes('DEVICES'), 24).map((one) => ({
                    user: userIdOf(one.subarray(0, 16)),
                    after: readU64(one.subarray(16)),
                })),
            };
        case 'past_lists':
            return { kind, user: user(fields), after: fields.u64('AFTER') };
        case 'bundles':
            return {
                kind,
                devices: pieces(fields.bytes('DEVICES'), 32).map((one) => ({
                    user: userIdOf(one.subarray(0, 16)),
                    device: deviceIdOf(one.subarray(16)),
                })),
            };
        case 'members':
            return { kind, chat: chat(fields) };
        case 'admit':
            return { kind, chat: chat(fields), user: user(fields) };
        case 'ops':
            return { kind, chat: chat(fields), after: fields.u64('AFTER') };
        default:
            return never(kind);
    }
}

/** `records`: takes those of a PERSIST. */
export function decodeEffect(fields: Fields, records: () => readonly RecordChange[]): Effect {
    const kind = fields.name('KIND', EFFECT_KINDS, 1);
    switch (kind) {
        case 'persist':
            return { kind, records: records() };
        case 'send':
            return { kind, bytes: fields.bytes('BYTES') };
        case 'connect':
        case 'close':
        case 'token':
            return { kind };
        case 'timer':
            return { kind, atMs: fields.u64('AT_MS') };
        case 'message':
        case 'mail':
            return { kind, message: decodeMessage(fields) };
        case 'sent':
            return { kind, chat: chat(fields), id: id(fields), seq: fields.u64('SEQ') };
        case 'failed':
            return { kind, chat: chat(fields), id: id(fields), code: code(fields), isUnknown: fields.flag('IS_UNKNOWN') };
        case 'receipt':
            return {
                kind,
                chat: chat(fields),
                user: user(fields),
                deliveredUpTo: fields.u64('DELIVERED_UP_TO'),
                readUpTo: fields.u64('READ_UP_TO'),
            };
        case 'typing':
            return { kind, chat: chat(fields), user: user(fields), typing: fields.flag('TYPING') };
        case 'state':
            return {
                kind,
                connection: fields.name('CONNECTION', CONNECTIONS, 1),
                code: code(fields),
                retryMs: fields.u64('RETRY_MS'),
            };
        case 'fetch':
            return { kind, fetch: decodeFetch(fields) };
        case 'recall':
            return { kind, chat: chat(fields), seq: fields.u64('SEQ') };
        default:
            return never(kind);
    }
}

/** The end of a switch that has a case for everything: the compiler refuses one that has not. */
export function never(value: never): never {
    throw new DecodeError(`a kind that this build knows: ${String(value)}`);
}
