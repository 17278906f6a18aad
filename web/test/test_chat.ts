// The typed door against a real kithd: encrypted chats, each message once, whenever a host dies.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { KithCore } from '../src/core/core.ts';
import { Host, type HostOptions } from './host.ts';
import { Kithd, type Account } from './kithd.ts';
import { newDoor } from './module.ts';
import { Store } from './store.ts';
import { decodeChatId, type MessageId } from '../src/wire/id.ts';

const kithd = new Kithd();
const hosts: Host[] = [];
before(async () => void (await kithd.start()));
after(async () => {
    for (const host of hosts) host.die();
    await kithd.close();
});

function open(account: Account, store: Store, more: Partial<HostOptions> = {}): Host {
    const host = new Host({ kithd, account, store, door: newDoor(), ...more });
    hosts.push(host);
    return host;
}

async function newcomer(name: string): Promise<{ account: Account; store: Store; host: Host }> {
    const account = await kithd.person(name);
    const store = new Store();
    const host = open(account, store);
    await host.untilSettled();
    return { account, store, host };
}

test('two people write to each other, and each message comes once', async () => {
    const [ann, bob] = [await newcomer('ann'), await newcomer('bob')];
    const chat = await kithd.directChat(ann.account, bob.account);
    const said = Array.from({ length: 10 }, (_, n) => `marker ${n}`);
    for (const [n, body] of said.entries()) {
        const from = n % 2 === 0 ? ann.host : bob.host;
        from.send(chat, body);
        for (const { host } of [ann, bob]) await host.until(body, () => host.texts(chat).includes(body));
    }
    for (const { host, store } of [ann, bob]) {
        assert.deepEqual(host.texts(chat), said);
        assert.deepEqual(host.history(chat), said);
        assert.equal(host.core.outbox().length, 0);
        assert.equal(store.bytes().includes('marker'), false);
        assert.deepEqual(host.shown.filter((one) => one.kind === 'sent').length, 5);
    }
    bob.host.read(chat, bob.host.core.applied(chat));
    await ann.host.until('a receipt', () =>
        ann.host.shown.some((one) => one.kind === 'receipt' && one.user === bob.account.user && one.readUpTo === ann.host.core.applied(chat)));

    ann.host.typing(chat);
    await bob.host.until('typing', () => bob.host.shown.some((one) => one.kind === 'typing' && one.user === ann.account.user && one.typing));

    ann.host.lookUp(bob.account);
    await ann.host.until('the list', () => ann.host.core.isLookedUp());
    assert.match(ann.host.core.safetyNumber(bob.account.user), /^\d{60}$/);
    assert.equal(ann.host.core.safetyNumber(bob.account.user), bob.host.core.safetyNumber(ann.account.user));
    assert.equal(ann.host.core.person(bob.account.user).trust, 'known');
    ann.host.verify(bob.account);
    assert.equal(ann.host.core.person(bob.account.user).trust, 'verified');
});

test('what is refused for good is said, is tried again, and is dropped', async () => {
    const { account, store, host } = await newcomer('nell');
    const nowhere = decodeChatId(crypto.randomUUID());
    const first = host.send(nowhere, 'to nobody');
    const failures = (): MessageId[] => host.shown.flatMap((one) => (one.kind === 'failed' && one.code === 'NOT_SUPPORTED' && !one.isUnknown ? [one.id] : []));
    await host.until('a refusal', () => failures().length === 1);
    assert.deepEqual(host.core.outbox().map(({ id, state, code }) => [id, state, code]), [[first, 'failed', 'NOT_SUPPORTED']]);
    const second = host.retry(first);
    assert.notEqual(second, first);
    await host.until('another refusal', () => failures().length === 2);
    assert.deepEqual(failures(), [first, second]);
    host.drop(second);
    await host.until('the end of it', () => host.core.outbox().length === 0);
    await new Promise((resolve) => setTimeout(resolve, 20)); // the transaction is durable
    host.die();
    assert.equal(open(account, store).core.outbox().length, 0);
});

test('a host that dies between what is durable and what is sent loses nothing and says nothing twice', async () => {
    const [carl, dora] = [await newcomer('carl'), await newcomer('dora')];
    const chat = await kithd.directChat(carl.account, dora.account);
    carl.host.send(chat, 'first');
    await dora.host.until('first', () => dora.host.texts(chat).length === 1);
    carl.host.die();

    const said = ['first'];
    for (let n = 1; n <= 8; n++) {
        // Each time it dies at another of the transactions that a message takes.
        let left = n;
        const dying = open(carl.account, carl.store, { dies: () => --left === 0 });
        const body = `said before death ${n}`;
        dying.send(chat, body);
        said.push(body);
        await dying.until('its end', () => dying.isDead || dora.host.texts(chat).includes(body));
        dying.die();
        const again = open(carl.account, carl.store);
        await again.until('an empty outbox', () => again.core.connection() === 'online' && again.core.outbox().length === 0);
        await dora.host.until(body, () => dora.host.texts(chat).includes(body));
        again.die();
    }
    const last = open(carl.account, carl.store);
    await last.untilSettled();
    await last.until('all', () => last.core.applied(chat) === dora.host.core.applied(chat));
    assert.deepEqual(dora.host.texts(chat), said);
    assert.deepEqual(dora.host.history(chat), said);
    assert.deepEqual(last.history(chat), said);
});

test('whoever receives dies between what is durable and what is acknowledged, and is shown each message once', async () => {
    const [emil, fay] = [await newcomer('emil'), await newcomer('fay')];
    const chat = await kithd.directChat(emil.account, fay.account);
    const said: string[] = [];
    fay.host.die();
    for (let n = 1; n <= 6; n++) {
        let left = n;
        const dying = open(fay.account, fay.store, { dies: () => --left === 0 });
        said.push(`heard ${n}`);
        emil.host.send(chat, `heard ${n}`);
        await dying.until('its end', () => dying.isDead || dying.history(chat).includes(`heard ${n}`));
        dying.die();
    }
    const last = open(fay.account, fay.store);
    await last.until('all', () => last.history(chat).length === said.length);
    assert.deepEqual(last.history(chat), said);
});

test('a store that was put back asks for what it cannot open, and has it in its place', async () => {
    const [quin, rosa] = [await newcomer('quin'), await newcomer('rosa')];
    const chat = await kithd.directChat(quin.account, rosa.account);
    const talk = async (from: Host, body: string): Promise<void> => {
        from.send(chat, body);
        for (const { host } of [quin, rosa]) await host.until(body, () => host.texts(chat).includes(body));
    };
    await talk(quin.host, 'marker one');
    await talk(rosa.host, 'marker two');
    await talk(quin.host, 'marker three');
    await rosa.host.until('three in the store', () => rosa.host.history(chat).length === 3);
    const copy = new Store(rosa.store);
    await talk(rosa.host, 'marker four');
    await talk(quin.host, 'marker five');
    await talk(rosa.host, 'marker six');
    rosa.host.die();

    const host = open(rosa.account, copy);
    await host.untilSettled();
    quin.host.send(chat, 'marker seven');
    await host.until('seven', () => host.texts(chat).includes('marker seven'));
    const seq = host.core.applied(chat);
    const shown = host.messages(chat).filter((one) => one.seq === seq);
    assert.deepEqual(shown.map(({ isOpen, isAsked, isAgain }) => [isOpen, isAsked, isAgain]), [[false, true, false], [true, false, true]]);
    assert.notEqual(shown[0]?.unreadable, 'OK');
    assert.equal(shown[0]?.id, shown[1]?.id);
    await host.until('seven in the store', () => host.history(chat).includes('marker seven'));
    assert.deepEqual(host.kept(chat).flatMap((one) => (one.seq === seq ? [one.isAgain] : [])), [true]);
    for (const one of [quin.host, host]) {
        await one.until('quiet', () => one.core.isSettled());
        assert.equal(one.core.outbox().length, 0);
        assert.deepEqual(one.shown.filter((effect) => effect.kind === 'mail' || effect.kind === 'failed'), []);
    }
    quin.host.send(chat, 'marker eight');
    await host.until('eight', () => host.texts(chat).includes('marker eight'));
    assert.equal(host.messages(chat).at(-1)?.isAgain, false);
});

test('three people are in an encrypted group with a name', async () => {
    const [gus, hana, ida] = [await newcomer('gus'), await newcomer('hana'), await newcomer('ida')];
    const chat = await gus.host.createGroup('marker walks', [hana.account, ida.account]);
    const all = [gus, hana, ida];
    for (const { host } of all) await host.until('the name', () => host.core.group(chat)?.name === 'marker walks');
    const said = ['one', 'two', 'three'];
    for (const [n, body] of said.entries()) {
        all[n]?.host.send(chat, body);
        for (const { host } of all) await host.until(body, () => host.texts(chat).includes(body));
    }
    for (const { host } of all) assert.deepEqual(host.texts(chat), said);
    assert.deepEqual(
        new Map(ida.host.core.group(chat)?.members.map(({ user, role }) => [user, role])),
        new Map([[gus.account.user, 'owner'], [hana.account.user, 'member'], [ida.account.user, 'member']]),
    );

    await gus.host.change({ kind: 'info', chat, name: 'marker runs', about: '' }, 'PATCH', `/chats/${chat}`, {});
    for (const { host } of all) await host.until('the new name', () => host.core.group(chat)?.name === 'marker runs');
    const remove = { kind: 'remove', chat, subject: ida.account.user } as const;
    await gus.host.change(remove, 'DELETE', `/chats/${chat}/members/${ida.account.user}`, {});
    await hana.host.until('the removal', () => hana.host.core.group(chat)?.members.length === 2);
    hana.host.send(chat, 'four');
    await gus.host.until('four', () => gus.host.texts(chat).includes('four'));
    assert.equal(ida.host.texts(chat).includes('four'), false);
});

test('a second device is linked, and reads and writes like the first', async () => {
    const jo = await newcomer('jo');
    const tablet = open(await kithd.login(jo.account), new Store());
    await tablet.until('the server', () => tablet.core.connection() === 'online' && tablet.core.isSettled());
    assert.equal(tablet.core.accountState(), 'empty');
    const request = tablet.link((core, now) => core.linkRequest(now));
    assert.match(jo.host.core.linkCode(request), /^\d{30}$/);
    const answer = jo.host.link((core, now) => core.linkApprove(now, request));
    await jo.host.untilSettled();
    tablet.link((core, now) => {
        core.linkAccept(now, answer);
        return answer;
    });
    await tablet.untilSettled();

    // A list that was fetched in vain is not fetched again for 30 s, and the own one was at the start: so it begins anew.
    jo.host.die();
    const first = open(jo.account, jo.store);
    await first.untilSettled();
    const kim = await newcomer('kim');
    const chat = await kithd.directChat(jo.account, kim.account);
    kim.host.send(chat, 'to both');
    for (const host of [first, tablet]) await host.until('it', () => host.texts(chat).includes('to both'));
    tablet.send(chat, 'from one');
    for (const host of [first, kim.host]) await host.until('it', () => host.texts(chat).includes('from one'));
    assert.equal(first.core.person(jo.account.user).list?.devices.length, 2);
});

test('who has the invite link of a group is let in', async () => {
    const [ned, ola, pia] = [await newcomer('ned'), await newcomer('ola'), await newcomer('pia')];
    const chat = await ned.host.createGroup('marker climbs', [ola.account]);
    for (const { host } of [ned, ola]) await host.until('the group', () => host.core.group(chat)?.name === 'marker climbs');
    await ned.host.newLink(chat);
    await ned.host.until('the link', () => ned.host.core.group(chat)?.hasJoinLink === true);
    const link = ned.host.core.joinLink(chat);
    assert.equal(link?.length, 65);
    assert.ok(link !== undefined);
    assert.equal(KithCore.joinChat(link), chat);
    await ola.host.until('the key', () => ola.host.core.group(chat)?.hasJoinLink === true);
    assert.throws(() => ola.host.core.joinLink(chat), { code: 'DENIED' });
    await pia.host.join(link);
    await pia.host.until('to be in', () => pia.host.core.group(chat)?.name === 'marker climbs');
    pia.host.send(chat, 'marker thanks');
    for (const { host } of [ned, ola, pia]) await host.until('it', () => host.texts(chat).includes('marker thanks'));
    assert.deepEqual(ned.host.messages(chat).filter((one) => one.unreadable !== 'OK'), []);
});

test('the server is killed, and everybody goes on', async () => {
    const [lea, mo] = [await newcomer('lea'), await newcomer('mo')];
    const chat = await kithd.directChat(lea.account, mo.account);
    lea.host.send(chat, 'while it lives');
    await mo.host.until('it', () => mo.host.texts(chat).length === 1);
    await kithd.kill9();
    lea.host.send(chat, 'while it is dead');
    await lea.host.until('offline', () => lea.host.core.connection() !== 'online');
    assert.equal(lea.host.core.outbox()[0]?.state, 'queued');
    await kithd.start();
    await mo.host.until('all', () => mo.host.texts(chat).length === 2);
    assert.deepEqual(mo.host.texts(chat), ['while it lives', 'while it is dead']);
});
