import { chatIdOf, deviceIdOf, idBytes, userIdOf, type ChatId, type DeviceId, type UserId } from '../wire/id.ts';
import { GROUP_KINDS, GROUP_ROLES, TRUSTS, type ErrorName, type GroupRole, type Trust } from './names.ts';
import { Fields, joined, nameOf, NOTHING, numberOf, pieces, textBytes, u8 } from './tlv.ts';

/** A device that a person's own signature names. */
export interface ListedDevice {
    readonly device: DeviceId;
    readonly isManager: boolean;
    readonly isAccepted: boolean;
    readonly addedAtMs: number;
}

/** struct e2e_person. */
export interface Person {
    readonly trust: Trust;
    readonly wasReset: boolean;
    readonly list: { readonly listSeq: number; readonly issuedAtMs: number; readonly devices: readonly ListedDevice[] } | undefined;
}

export interface GroupMember {
    readonly user: UserId;
    readonly role: GroupRole;
}

/** What is known of a group. `info` says why there is neither name nor about to be read: NOTFOUND, its key did not come yet. */
export interface Group {
    readonly groupSeq: number;
    readonly isForked: boolean;
    readonly isMember: boolean;
    readonly settings: number;
    readonly members: readonly GroupMember[];
    readonly info: ErrorName;
    readonly name: string;
    readonly about: string;
    /** An invite link holds. */
    readonly hasJoinLink: boolean;
}

/** struct e2e_group_change: what is to be done to a group. */
export type GroupChange =
    | { readonly kind: 'create'; readonly others: readonly UserId[]; readonly name: string; readonly about: string; readonly settings: number }
    | { readonly kind: 'add' | 'role'; readonly chat: ChatId; readonly subject: UserId; readonly role: GroupRole }
    | { readonly kind: 'remove'; readonly chat: ChatId; readonly subject: UserId }
    | { readonly kind: 'leave'; readonly chat: ChatId }
    | { readonly kind: 'info'; readonly chat: ChatId; readonly name: string; readonly about: string }
    | { readonly kind: 'settings'; readonly chat: ChatId; readonly settings: number };

/** Signed by this device: `signed_op` and `group_seq` of the REST request that makes the change. It is done when its event comes. */
export interface GroupOperation {
    readonly groupSeq: number;
    readonly signedOp: Uint8Array;
    /** Of a new invite link: `join_key` of that request. */
    readonly joinKey: Uint8Array | undefined;
}

/** Who asked by an invite link, and the operation that lets them in. */
export interface Admission extends GroupOperation {
    readonly chat: ChatId;
    readonly user: UserId;
}

/** The arguments of group_make: what its kind has not is empty or 0. */
export function encodeChange(change: GroupChange): Uint8Array[] {
    return [
        change.kind === 'create' ? NOTHING : idBytes(change.chat),
        u8(numberOf(change.kind, GROUP_KINDS, 1)),
        'subject' in change ? idBytes(change.subject) : NOTHING,
        u8('role' in change ? numberOf(change.role, GROUP_ROLES, 1) : 0),
        u8('settings' in change ? change.settings : 0),
        change.kind === 'create' ? joined(change.others.map(idBytes)) : NOTHING,
        'name' in change ? textBytes(change.name) : NOTHING,
        'about' in change ? textBytes(change.about) : NOTHING,
    ];
}

export function decodeOperation(fields: Fields): GroupOperation {
    const joinKey = fields.has('JOIN_KEY') ? fields.bytes('JOIN_KEY') : undefined;
    return { groupSeq: fields.u64('GROUP_SEQ'), signedOp: fields.bytes('SIGNED_OP'), joinKey };
}

export function decodeAdmission(fields: Fields): Admission {
    return { chat: chatIdOf(fields.id('CHAT')), user: userIdOf(fields.id('USER')), ...decodeOperation(fields) };
}

function decodeListed(bytes: Uint8Array): ListedDevice {
    const fields = new Fields(bytes);
    return {
        device: deviceIdOf(fields.id('DEVICE')),
        isManager: fields.flag('IS_MANAGER'),
        isAccepted: fields.flag('IS_ACCEPTED'),
        addedAtMs: fields.u64('ADDED_AT_MS'),
    };
}

export function decodePerson(fields: Fields): Person {
    return {
        trust: fields.name('TRUST', TRUSTS, 0),
        wasReset: fields.flag('WAS_RESET'),
        list: !fields.has('LIST_SEQ')
            ? undefined
            : {
                  listSeq: fields.u64('LIST_SEQ'),
                  issuedAtMs: fields.u64('ISSUED_AT_MS'),
                  devices: fields.list('LISTED').map(decodeListed),
              },
    };
}

function decodeMember(bytes: Uint8Array): GroupMember {
    return { user: userIdOf(bytes.subarray(0, 16)), role: nameOf(bytes[16] ?? 0, GROUP_ROLES, 1) };
}

export function decodeGroup(fields: Fields): Group {
    return {
        groupSeq: fields.u64('GROUP_SEQ'),
        isForked: fields.flag('IS_FORKED'),
        isMember: fields.flag('IS_MEMBER'),
        settings: fields.u8('SETTINGS'),
        members: pieces(fields.bytes('MEMBERS'), 17).map(decodeMember),
        info: fields.error('INFO'),
        name: fields.text('NAME'),
        about: fields.text('ABOUT'),
        hasJoinLink: fields.has('JOIN_KEY'),
    };
}
