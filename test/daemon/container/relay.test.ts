import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import t from 'tap';
import { relay } from '../../../src/daemon/container/relay.js';

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

t.test('the relay is over when the client has gone', async (t) => {
  const [monitor, program] = await pair();
  const [connection, client] = await pair();
  const over = relay({ connection, monitor, ...ends, input: true });
  client.resetAndDestroy();
  await over;
  t.ok(monitor.destroyed);
  program.destroy();
});
