import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import t from 'tap';
import { relay } from '../../../src/daemon/container/relay.js';
import { addon } from '../../../src/native/addon.js';

/** Two ends of one connection. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  const [far] = await once(server, 'connection');
  server.close();
  return [near, far];
}

const ends = { input: false, detachKeys: Buffer.alloc(0), detached: () => undefined };

t.test('a client that is slow to take the last bytes does not keep the relay, and gets them', async (t) => {
  const [monitor, program] = await pair();
  const taken: Buffer[] = [];
  const waiting: (() => void)[] = [];
  const connection = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      taken.push(chunk);
      waiting.push(done);
    },
  });
  const over = relay({ connection, monitor, ...ends });
  program.write('first');
  while (taken.length === 0) await new Promise((resolve) => setImmediate(resolve));
  program.end('second');
  await over;
  connection.end();
  while (!connection.writableFinished) {
    waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal(Buffer.concat(taken).toString(), 'firstsecond');
});

// CVE-2022-1708, CVE-2022-31030: output that nobody reads is not the daemon's to keep.
t.test('a client that does not read keeps the program waiting, and loses nothing', async (t) => {
  const [monitor, program] = await pair();
  const waiting: (() => void)[] = [];
  let [taken, reads] = [0, false];
  const connection = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      taken += chunk.length;
      if (reads) done();
      else waiting.push(done);
    },
  });
  const over = relay({ connection, monitor, ...ends });
  const size = 64 * 1024 * 1024;
  program.end(Buffer.alloc(size));
  while (!monitor.isPaused() && taken + connection.writableLength < size)
    await new Promise((resolve) => setImmediate(resolve));
  t.ok(monitor.isPaused(), 'nothing more is read of it');
  t.ok(connection.writableLength + monitor.readableLength < 1024 * 1024, 'and what was read is little');
  reads = true;
  for (const done of waiting) done();
  await over;
  connection.end();
  while (!connection.writableFinished) await new Promise((resolve) => setImmediate(resolve));
  t.equal(taken, size, 'the rest comes when it reads');
});

t.test('the relay is over when a client of a silent program has closed, and not after a half close', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-relay-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'socket');
  const server = createServer({ allowHalfOpen: true }).listen(path);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const client = connect({ path, allowHalfOpen: true });
  const [connection] = await once(server, 'connection');
  const [monitor, program] = await pair();
  const over = relay({ connection, monitor, ...ends, input: true });
  client.end('input');
  let input = '';
  program.on('data', (chunk: Buffer) => {
    input += chunk.toString();
  });
  await once(program, 'end');
  t.equal(input, 'input');
  t.notOk(addon().isHungUp(connection._handle.fd), 'the client still listens');
  program.write('output');
  t.equal(String((await once(client, 'data'))[0]), 'output');
  client.destroy();
  await over;
  t.ok(monitor.destroyed);
  program.destroy();
});

t.test('the relay is over at once when the client went before it began', async (t) => {
  const [monitor, program] = await pair();
  const [connection, client] = await pair();
  connection.destroy();
  await once(connection, 'close');
  await relay({ connection, monitor, ...ends });
  t.ok(monitor.destroyed);
  client.destroy();
  program.destroy();
});

t.test('the relay is over when the client has gone', async (t) => {
  const [monitor, program] = await pair();
  const [connection, client] = await pair();
  const over = relay({ connection, monitor, ...ends, input: true });
  client.resetAndDestroy();
  await over;
  t.ok(monitor.destroyed);
  program.destroy();
});
