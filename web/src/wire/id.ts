/** Ids are UUIDs: text in lower case here and on the wire, 16 bytes at the door. Each kind is a type of its own, made only in this file. */
export type UserId = string & { readonly __user: never };
export type ChatId = string & { readonly __chat: never };
export type DeviceId = string & { readonly __device: never };
export type MessageId = string & { readonly __message: never };

export class DecodeError extends Error {
    constructor(what: string) {
        super(`not ${what}`);
        this.name = 'DecodeError';
    }
}

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const ID_BYTES = 16;

function decode(raw: unknown, what: string): string {
    const text = typeof raw === 'string' ? raw.toLowerCase() : '';
    if (!FORM.test(text)) throw new DecodeError(what);
    return text;
}

export const decodeUserId = (raw: unknown): UserId => decode(raw, 'a user id') as UserId;
export const decodeChatId = (raw: unknown): ChatId => decode(raw, 'a chat id') as ChatId;
export const decodeDeviceId = (raw: unknown): DeviceId => decode(raw, 'a device id') as DeviceId;
export const decodeMessageId = (raw: unknown): MessageId => decode(raw, 'a message id') as MessageId;

function format(raw: Uint8Array, what: string): string {
    if (raw.length !== ID_BYTES) throw new DecodeError(what);
    const hex = Array.from(raw, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export const userIdOf = (raw: Uint8Array): UserId => format(raw, 'a user id') as UserId;
export const chatIdOf = (raw: Uint8Array): ChatId => format(raw, 'a chat id') as ChatId;
export const deviceIdOf = (raw: Uint8Array): DeviceId => format(raw, 'a device id') as DeviceId;
export const messageIdOf = (raw: Uint8Array): MessageId => format(raw, 'a message id') as MessageId;

export function idBytes(id: UserId | ChatId | DeviceId | MessageId): Uint8Array {
    const hex = id.replaceAll('-', '');
    return Uint8Array.from({ length: ID_BYTES }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16));
}
