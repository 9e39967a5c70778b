// Published ports through slirp4netns's API: a server that keeps a list of them, as slirp4netns does.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { listForwards } from '../../../src/network/slirp/api.js';
import { openGate } from '../../../src/network/slirp/gate.js';

interface Row {
  readonly id: number;
  readonly proto: string;
  readonly host_addr: string;
  readonly host_port: number;
  readonly guest_addr: string;
  readonly guest_port: number;
}

/** Short, as unix(7) wants it. */
function socketPath(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-slirp-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 's');
}

/** Answers as slirp4netns 1.2 does. */
function slirp(t: Test) {
  const rows: Row[] = [];
  let next = 1;
  const reply = ({ execute, arguments: words }: { execute: string; arguments: Row }): unknown => {
    if (execute === 'list_hostfwd') return { entries: rows };
    if (execute === 'remove_hostfwd') {
      const at = rows.findIndex(({ id }) => id === words.id);
      return at < 0 ? { error: { desc: 'no such id' } } : { return: rows.splice(at, 1) };
    }
    if (rows.some((row) => row.host_port === words.host_port && row.host_addr === words.host_addr))
      return { error: { desc: 'bad request: add_hostfwd: slirp_add_hostfwd failed' } };
    rows.push({ ...words, id: next++ });
    return { return: { id: next - 1 } };
  };
  const server: Server = createServer({ allowHalfOpen: true }, (client) => {
    let text = '';
    client.on('data', (part) => {
      text += String(part);
    });
    client.on('end', () => client.end(JSON.stringify(reply(JSON.parse(text)))));
  });
  const path = socketPath(t);
  server.listen(path);
  t.teardown(() => server.close());
  return { rows, path };
}

t.test('a port is forwarded from its host address to one of the tap device, which rules go by', async (t) => {
  const { rows, path } = slirp(t);
  const added: string[] = [];
  const gate = await openGate(path, (address) => added.push(address));
  const { port, close } = await gate.open({ protocol: 'tcp', hostIp: '127.0.0.1', port: 0 });
  t.match(rows, [
    { proto: 'tcp', host_addr: '127.0.0.1', host_port: port, guest_addr: '10.0.2.101', guest_port: port },
  ]);
  t.equal(gate.inside('127.0.0.1'), '10.0.2.101');
  t.equal(gate.inside('0.0.0.0'), '10.0.2.100', 'what the device has by itself');
  t.strictSame(added, ['10.0.2.101']);
  await close();
  t.strictSame(rows, []);
});

t.test('IPv6 is handed on to a port of loopback, since slirp4netns only knows IPv4', async (t) => {
  const { rows, path } = slirp(t);
  const gate = await openGate(path, () => undefined);
  const { port, close } = await gate.open({ protocol: 'tcp', hostIp: '::1', port: 0 });
  t.match(rows, [{ host_addr: '127.0.0.1', guest_addr: gate.inside('::1'), guest_port: port }]);
  t.not(gate.inside('::1'), gate.inside('127.0.0.1'));
  await close();
  t.strictSame(rows, []);
});

t.test('a port that a program of the host has is refused with the errno of bind', async (t) => {
  const { rows, path } = slirp(t);
  const gate = await openGate(path, () => undefined);
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const address = taken.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await t.rejects(gate.open({ protocol: 'tcp', hostIp: '127.0.0.1', port }), { code: 'EADDRINUSE' });
  t.strictSame(rows, []);
  taken.close();
});

t.test('a daemon that begins again takes over what is forwarded, and what nobody asks for goes', async (t) => {
  const { rows, path } = slirp(t);
  const first = await openGate(path, () => undefined);
  const kept = await first.open({ protocol: 'tcp', hostIp: '127.0.0.2', port: 0 });
  await first.open({ protocol: 'udp', hostIp: '127.0.0.1', port: 0 });
  const inside = first.inside('127.0.0.2');
  const before = [...rows];

  const added: string[] = [];
  const second = await openGate(path, (address) => added.push(address));
  t.equal(second.inside('127.0.0.2'), inside, 'the rules that are loaded stay right');
  await second.open({ protocol: 'tcp', hostIp: '127.0.0.2', port: kept.port });
  t.strictSame(rows, before, 'connections that are open are not touched');
  await second.settle();
  t.strictSame(rows, before.slice(0, 1));
});

t.test('with a new slirp4netns all ports and addresses are there again', async (t) => {
  const { rows, path } = slirp(t);
  const added: string[] = [];
  const gate = await openGate(path, (address) => added.push(address));
  const { close } = await gate.open({ protocol: 'tcp', hostIp: '127.0.0.1', port: 0 });
  const [before] = rows.splice(0);
  await gate.reopen();
  t.match(rows, [{ ...before, id: 2 }]);
  t.strictSame(added, ['10.0.2.101', '10.0.2.101']);
  await close();
  t.strictSame(rows, []);
});

t.test('what is no answer, and nobody who answers, are told', async (t) => {
  const path = socketPath(t);
  await t.rejects(listForwards(path), { code: 'NETWORK_FAILED', message: /^slirp4netns: list_hostfwd: .*ENOENT/ });
  const server = createServer({ allowHalfOpen: true }, (client) => client.resume().end('nonsense')).listen(path);
  await t.rejects(listForwards(path), { message: /list_hostfwd: what came is no JSON/ });
  server.close();
});
