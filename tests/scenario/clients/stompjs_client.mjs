// An unmodified @stomp/stompjs: sends `count` messages, a few in flight, again after every reconnect until each has its
// receipt; takes what comes, acknowledges it, and drops what it has seen. One JSON object a line on standard output.
import { Client } from '@stomp/stompjs';
import { randomBytes } from 'node:crypto';
import WebSocket from 'ws';

Object.assign(globalThis, { WebSocket });
const [url, token, chatId, label, countText] = process.argv.slice(2);
const count = Number(countText);
const inFlightMax = 16;

let lastStamp = 0n;
function uuid7() {
  const now = BigInt(Date.now()) << 12n;
  lastStamp = now > lastStamp ? now : lastStamp + 1n;
  const random = randomBytes(8);
  random[0] = (random[0] & 0x3f) | 0x80;
  const head = ((lastStamp >> 12n) << 16n) | 0x7000n | (lastStamp & 0xfffn);
  const hex = head.toString(16).padStart(16, '0') + random.toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const outbox = [];
let previous = null;
for (let i = 0; i < count; i++) {
  const id = uuid7();
  outbox.push({ id, after: previous, body: `${label} ${i}` });
  previous = id;
}
let onWire = 0; // outbox[0..onWire) is sent and unanswered
let appliedUpTo = 0;

const client = new Client({
  brokerURL: url,
  connectHeaders: { passcode: token },
  reconnectDelay: 100,
  heartbeatIncoming: 10000,
  heartbeatOutgoing: 10000,
  onConnect: () => {
    onWire = 0;
    client.subscribe('/errors', (message) => say({ error: message.headers.code, id: message.headers['client-id'] }));
    client.subscribe('/inbox', take, { ack: 'client' });
    pump();
  },
  onWebSocketClose: () => say({ closed: true }),
  onStompError: (frame) => say({ stompError: frame.headers.code ?? frame.headers.message }),
});

function pump() {
  while (client.connected && onWire < outbox.length && onWire < inFlightMax) {
    const { id, after, body } = outbox[onWire++];
    client.watchForReceipt(id, (frame) => {
      if (outbox[0]?.id !== id) return;
      outbox.shift();
      onWire--;
      say({ acked: id, seq: Number(frame.headers.seq), body });
      pump();
    });
    const headers = { 'message-id': id, receipt: id, 'content-type': 'text/plain' };
    if (after) headers.after = after;
    client.publish({ destination: `/chat/${chatId}`, headers, body });
  }
}

function take(message) {
  const seq = Number(message.headers.seq);
  if (message.headers.destination === `/chat/${chatId}`) {
    if (seq > appliedUpTo) {
      appliedUpTo = seq;
      say({ applied: seq, type: message.headers.type, id: message.headers['client-id'], body: message.body });
    } else if (message.headers.redelivered !== 'true') {
      say({ unflagged: seq });
    }
  }
  message.ack();
}

process.stdin.on('data', () => client.deactivate().then(() => process.exit(0)));
client.activate();
