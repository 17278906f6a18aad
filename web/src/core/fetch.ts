import { decodeDeviceId, DecodeError, decodeUserId, type DeviceId, type UserId } from '../wire/id.ts';
import { base64Bytes, base64Text, count, field, items, type Json } from '../wire/json.ts';
import type { KithCore } from './core.ts';
import type { KithTime } from './door.ts';
import { never, type Fetch } from './effect.ts';
import { KithError } from './error.ts';
import type { Code } from './names.ts';

/** A request of the server's REST API, for the host to make with its access token. */
export interface RestRequest {
    readonly method: 'GET' | 'PUT' | 'POST';
    readonly path: string;
    readonly body: Json;
}

/** What came back; body null: it was no JSON. */
export interface RestAnswer {
    readonly status: number;
    readonly body: Json;
}

const OPERATIONS_LIMIT = 200;

function get(path: string): RestRequest {
    return { method: 'GET', path, body: null };
}

function uploadRequest(core: KithCore): RestRequest | undefined {
    const upload = core.upload();
    if (upload === undefined) return undefined;
    const one = (name: string, bytes: Uint8Array | undefined): { [name: string]: Json } =>
        bytes === undefined ? {} : { [name]: base64Text(bytes) };
    const body = {
        ...one('list', upload.list),
        ...one('spk', upload.spk),
        ...one('kem_lr', upload.kemLr),
        opks: upload.opks.map(base64Text),
        kem_ots: upload.kemOts.map(base64Text),
        ...(upload.replaces ? { replace: true } : {}),
    };
    return { method: 'PUT', path: '/devices/me/keys', body };
}

function admitRequest(core: KithCore): RestRequest | undefined {
    const who = core.admit();
    if (who === undefined) return undefined;
    const body = { user_id: who.user, group_seq: who.groupSeq, signed_op: base64Text(who.signedOp) };
    return { method: 'POST', path: `/chats/${who.chat}/members`, body };
}

/** What a FETCH asks of the server. undefined: nothing any more; say fetched(now, true) at once. */
export function requestOf(core: KithCore, fetch: Fetch): RestRequest | undefined {
    switch (fetch.kind) {
        case 'keys':
            return get('/devices/me/keys');
        case 'upload':
            return uploadRequest(core);
        case 'lists': {
            const users = fetch.lists.map(({ user, after }) => ({ user_id: user, ...(after === 0 ? {} : { after }) }));
            return { method: 'POST', path: '/users/devices', body: { users } };
        }
        case 'past_lists':
            return get(`/users/${fetch.user}/devices?after=${fetch.after}`);
        case 'bundles': {
            const devices = fetch.devices.map(({ user, device }) => ({ user_id: user, device_id: device }));
            return { method: 'POST', path: '/keys/claim', body: { devices } };
        }
        case 'members':
            return get(`/chats/${fetch.chat}`);
        case 'admit':
            return admitRequest(core);
        case 'ops':
            return get(`/chats/${fetch.chat}/operations?limit=${OPERATIONS_LIMIT}&after=${fetch.after}`);
        default:
            return never(fetch);
    }
}

const counts = (body: Json): { listSeq: number; opkCount: number; kemOtCount: number } => ({
    listSeq: count(field(body, 'list_seq')),
    opkCount: count(field(body, 'opk_count')),
    kemOtCount: count(field(body, 'kem_ot_count')),
});

function takeLists(core: KithCore, user: UserId, body: Json): void {
    const take = (list: Json, listSeq: number): void => {
        const bytes = base64Bytes(list);
        if (bytes.length > 0) core.list(user, listSeq, bytes);
    };
    for (const one of items(field(body, 'past'))) take(one, 0);
    const list = field(body, 'list');
    const listSeq = count(field(body, 'list_seq'));
    if (list !== null) take(list, listSeq);
    /* Of a deleted account there is a list, and nobody to write to. */
    if (list === null || listSeq === 0) core.noList(user, listSeq);
}

/** Of those in the question alone; nothing is said of whoever is left. */
function takeSeveral(core: KithCore, fetch: Fetch & { kind: 'lists' }, body: Json): void {
    const asked = new Set<UserId>(fetch.lists.map(({ user }) => user));
    for (const one of items(field(body, 'users'))) {
        const user = decodeUserId(field(one, 'user_id'));
        if (asked.has(user)) takeLists(core, user, one);
    }
    for (const user of items(field(body, 'missing')).map(decodeUserId)) if (asked.has(user)) core.noList(user, 0);
}

function takeBundles(core: KithCore, fetch: Fetch & { kind: 'bundles' }, body: Json): void {
    for (const one of items(field(body, 'bundles'))) {
        const opk = base64Bytes(field(one, 'opk'));
        core.bundle({
            user: decodeUserId(field(one, 'user_id')),
            device: decodeDeviceId(field(one, 'device_id')),
            spk: base64Bytes(field(one, 'spk')),
            kem: base64Bytes(field(one, 'kem')),
            opk: opk.length > 0 ? opk : undefined,
            kemIsLast: field(one, 'kem_last_resort') === true,
        });
    }
    const missing = new Set<DeviceId>(items(field(body, 'missing')).map(decodeDeviceId));
    for (const { user, device } of fetch.devices) if (missing.has(device)) core.noBundle(user, device);
}

/** Who is in a group is what its operations say. */
function takeMembers(core: KithCore, fetch: Fetch & { kind: 'members' }, body: Json): void {
    const members = field(body, 'type') === 'direct' ? items(field(body, 'members')) : [];
    core.members(fetch.chat, members.map((one) => decodeUserId(field(one, 'user_id'))));
}

function take(core: KithCore, fetch: Fetch, body: Json): void {
    switch (fetch.kind) {
        case 'keys':
            return core.keys(field(body, 'has_list') === true, {
                ...counts(body),
                spkId: count(field(body, 'spk_id')),
                kemLrId: count(field(body, 'kem_lr_id')),
            });
        case 'upload':
            return core.uploaded(counts(body));
        case 'lists':
            return takeSeveral(core, fetch, body);
        case 'past_lists':
            return takeLists(core, fetch.user, body);
        case 'bundles':
            return takeBundles(core, fetch, body);
        case 'members':
            return takeMembers(core, fetch, body);
        case 'ops':
            for (const one of items(field(body, 'operations')))
                core.groupOp(fetch.chat, count(field(one, 'seq')), base64Bytes(field(one, 'signed_op')));
            return;
        case 'admit':
            return core.admitted('OK');
        default:
            return never(fetch);
    }
}

/** Somebody was not let in: an answer, too. */
const ADMIT_ANSWERS: readonly Code[] = ['STALE_GROUP', 'CHAT_FULL', 'FORBIDDEN', 'NOT_FOUND'];

/**
 * Hands the core what came of its FETCH, and ends it. undefined: no answer. With a status of 401 the host refreshes its access token
 * before: then the core asks again, in a while.
 */
export function takeAnswer(core: KithCore, now: KithTime, fetch: Fetch, answer: RestAnswer | undefined): void {
    let ok = false;
    try {
        const refusal = fetch.kind === 'admit' && ADMIT_ANSWERS.find((code) => code === field(answer?.body ?? null, 'code'));
        if ((answer?.status === 200 || answer?.status === 201) && answer.body !== null) {
            take(core, fetch, answer.body);
            ok = true;
        } else if (typeof refusal === 'string') {
            core.admitted(refusal);
            ok = true;
        } else if (answer?.status === 404) {
            /* Nobody by that id, or no such chat: an answer too. */
            if (fetch.kind === 'members') core.members(fetch.chat, []);
            ok = fetch.kind !== 'lists';
        }
    } catch (error) {
        /* What a server says that makes no sense has failed, and is asked for again. */
        if (!(error instanceof DecodeError || error instanceof KithError)) throw error;
    }
    core.fetched(now, ok);
}
