// Steps of tests/vectors/kith1_*.json: mail, and what is asked for again.
import { hex, text, u64 } from './kith1_bytes.mjs';

export const NO_THREAD = '00'.repeat(16);

const write = (one) => [hex(one.chat_id), u64(one.seq), hex(one.msg_id)];
const read = (reader) => ({ chat_id: text(reader.take(16)), seq: reader.number(8), msg_id: text(reader.take(16)) });

/** What is in no chat has no place in any, and names the peer's list when that is another account's. */
export function isMail(run, found, isOwn) {
    if (found.sseq !== 1 || found.group_epoch !== undefined || found.dest !== undefined) return false;
    if (found.again !== undefined) run.call('resend_item_decode', hex(found.again));
    return (found.peer_list_seq === undefined) === isOwn;
}

export const resendOps = {
    make_resend: (run, a) => ({ request: text(run.call('resend_encode', Buffer.concat(a.items.flatMap(write))).take()) }),
    read_resend(run, a) {
        const items = [];
        for (const reader = run.call('resend_decode', hex(a.request)); reader.left > 0; ) items.push(read(reader));
        return { items };
    },
    make_again: (run, a) => ({ again: text(run.call('resend_item_encode', ...write(a)).take()) }),
    read_again: (run, a) => read(run.call('resend_item_decode', hex(a.again))),
};
