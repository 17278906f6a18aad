/**
 * The words of the C headers, in their order: of each enum the names of its values, in small letters. web/test/test_names.ts compares
 * them with the headers.
 */

/** enum kith_effect_kind, from 1. */
export const EFFECT_KINDS = [
    'persist', 'send', 'connect', 'close', 'timer', 'token', 'message', 'sent', 'failed', 'receipt', 'typing', 'state', 'mail', 'fetch',
    'recall',
] as const;
/** enum kith_fetch_kind, from 1. */
export const FETCH_KINDS = ['keys', 'upload', 'lists', 'past_lists', 'bundles', 'members', 'ops', 'admit'] as const;
/** enum kith_connection, from 1. */
export const CONNECTIONS = ['offline', 'connecting', 'online', 'replaced'] as const;
/** enum kith_outbox_state, from 1. */
export const OUTBOX_STATES = ['queued', 'failed', 'unknown'] as const;
/** enum e2e_account_state, from 0. */
export const ACCOUNT_STATES = ['empty', 'linking', 'ready', 'removed'] as const;
/** enum e2e_trust, from 0. */
export const TRUSTS = ['unknown', 'known', 'verified', 'changed', 'forked'] as const;
/** enum e2e_group_kind, from 1. */
export const GROUP_KINDS = ['create', 'add', 'remove', 'leave', 'role', 'info', 'settings', 'join_key'] as const;
/** enum e2e_group_role, from 1. */
export const GROUP_ROLES = ['member', 'admin', 'owner'] as const;
/** struct kith_client_stats. */
export const STATS = [
    'sent', 'resent', 'accepted', 'refused', 'failed', 'applied', 'duplicates', 'gaps', 'holes', 'acks', 'unflagged', 'mail', 'connects',
    'persists',
] as const;

export type EffectKind = (typeof EFFECT_KINDS)[number];
export type FetchKind = (typeof FETCH_KINDS)[number];
export type Connection = (typeof CONNECTIONS)[number];
export type OutboxState = (typeof OUTBOX_STATES)[number];
export type AccountState = (typeof ACCOUNT_STATES)[number];
export type Trust = (typeof TRUSTS)[number];
export type GroupKind = (typeof GROUP_KINDS)[number];
export type GroupRole = (typeof GROUP_ROLES)[number];
export type Stats = Readonly<Record<(typeof STATS)[number], number>>;

/** Fields of things: KITH_DOOR_FIELDS of libkith/wasm/door.h. */
export const FIELDS = {
    KIND: 1, BYTES: 2, AT_MS: 3, CHAT: 4, ID: 5, SEQ: 6, CODE: 7, IS_UNKNOWN: 8, USER: 9, DELIVERED_UP_TO: 10, READ_UP_TO: 11, TYPING: 12,
    CONNECTION: 13, RETRY_MS: 14, FETCH: 15, AFTER: 16, DEVICES: 17, GAP_FROM: 18, SENDER: 19, DEVICE: 20, CREATED_MS: 21, EXPIRES_MS: 22,
    ENCRYPTED: 23, HAS_BODY: 24, IS_OPEN: 25, UNREADABLE: 26, MISSED: 27, TYPE: 28, CONTENT_TYPE: 29, BODY: 30, STATE: 31, WAS_ON_WIRE: 32,
    KEY: 33, VALUE: 34, IS_PUT: 35, LIST: 36, SPK: 37, KEM_LR: 38, OPKS: 39, KEM_OTS: 40, TRUST: 41, WAS_RESET: 42, LIST_SEQ: 43,
    ISSUED_AT_MS: 44, LISTED: 45, IS_MANAGER: 46, IS_ACCEPTED: 47, ADDED_AT_MS: 48, GROUP_SEQ: 49, IS_FORKED: 50, IS_MEMBER: 51, SETTINGS: 52,
    MEMBERS: 53, INFO: 54, NAME: 55, ABOUT: 56, SIGNED_OP: 57, JOIN_KEY: 58, IS_ANEW: 59, IS_AGAIN: 60, IS_ASKED: 61, REPLACES: 62,
} as const;

/** kith_err of src/base/err.h. */
export const ERRORS = {
    OK: 0, AGAIN: 0x100, NOMEM: 0x101, FULL: 0x102, READ_ONLY: 0x103, CLOSED: 0x104, MALFORMED: 0x200, DENIED: 0x201, TOOBIG: 0x202,
    UNSUPPORTED: 0x203, IO: 0x300, TIMEOUT: 0x301, NOSPACE: 0x302, DAMAGED: 0x303, NOTFOUND: 0x400, CONFLICT: 0x401,
} as const;
export type ErrorName = keyof typeof ERRORS;

/** enum kith_code of src/wire/code.h, as the wire says them. */
export const CODES = [
    'OK', 'CREATED', 'BAD_JSON', 'BAD_REQUEST', 'MALFORMED', 'VERSION', 'ACK_MODE', 'NOT_SUPPORTED', 'BAD_DESTINATION', 'UNAUTHORIZED',
    'EXPIRED', 'BAD_CREDENTIALS', 'TOKEN_REUSED', 'REPLACED', 'INVITE_REQUIRED', 'REGISTRATION_CLOSED', 'FORBIDDEN', 'NOT_FOUND',
    'METHOD_NOT_ALLOWED', 'NAME_TAKEN', 'CONFLICT', 'STALE_DEVICES', 'STALE_GROUP', 'PREDECESSOR_MISSING', 'CHAT_FULL', 'TOO_OLD', 'TOO_BIG',
    'BAD_ID', 'TOO_MANY', 'INTERNAL', 'UNKNOWN_OUTCOME', 'READ_ONLY', 'UNAVAILABLE', 'MAILBOX_FULL', 'BAD_SIGNATURE', 'DEVICE_FULL',
] as const;
export type Code = (typeof CODES)[number];
