// Steps of tests/vectors/kith1_*.json: invite links, and who asks with them.
import { hex, Reader, text, u64 } from './kith1_bytes.mjs';
import { u32 } from './module.mjs';

/** The first field of an encoding: what is signed, in a signed one. */
function first(encoding) {
    const reader = new Reader(encoding);
    reader.take(2);
    return reader.take(reader.number(4));
}

export const joinOps = {
    make_link(run, a) {
        const link = run.call('join_link_encode', hex(a.chat_id), hex(a.secret), hex(a.op_hash)).take();
        const [spelt, key] = [run.call('base64url_encode', link).take(), run.call('join_key', link).take()];
        return { link: text(link), text: text(spelt), join_key: text(key) };
    },
    read_link(run, a) {
        const link = a.text === undefined ? hex(a.link) : run.call('base64url_decode', hex(a.text)).take();
        const parts = run.call('join_link_decode', link);
        const found = { chat_id: text(parts.take(16)), secret: text(parts.take(32)), op_hash: text(parts.take()) };
        return { ...found, join_key: text(run.call('join_key', link).take()) };
    },

    sign_join(run, a) {
        const asker = [hex(a.account_id), u32(a.device_id), u64(a.list_seq), hex(a.list_hash), u64(a.made_at), u64(a.known_seq ?? 0)];
        const signed = run.call('join_sign', hex(a.dsk_seed), hex(a.link), ...asker).take();
        return { request: text(first(signed)), signed: text(signed) };
    },
    read_join(run, a) {
        const read = run.call('join_decode', hex(a.signed));
        const found = {
            join_key: text(read.take(32)), account_id: text(read.take(16)), device_id: read.number(4), list_seq: read.number(8),
            list_hash: text(read.take(32)), made_at: read.number(8),
        };
        const known = read.number(8);
        return known === 0 ? found : { ...found, known_seq: known };
    },
    prove_join(run, a) {
        run.call('join_prove', hex(a.signed));
        return {};
    },
    verify_join(run, a) {
        run.call('join_verify', hex(a.signed), hex(a.dsk_pub));
        return {};
    },
};
