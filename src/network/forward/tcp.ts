/** Connections of a published TCP port, handed on by the daemon; each direction ends by itself. */
import { connect, createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Listener, ListenRequest, TargetOf } from './listener.js';

export function listenTcp({ hostIp, port, target }: ListenRequest): Promise<Listener> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => handOn(client, target, open));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: hostIp, port, ipv6Only: isIPv6(hostIp), exclusive: true }, () => {
      server.removeListener('error', reject);
      server.on('error', () => {}); // EMFILE of accept(2): the caller waits in the queue
      resolve({ port: portOf(server), close: () => close(server, open) });
    });
  });
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function handOn(client: Socket, targetOf: TargetOf, open: Set<Socket>): void {
  const target = targetOf();
  if (target === undefined) {
    client.resetAndDestroy();
    return;
  }
  const container = connect({ host: target.address, port: target.port, allowHalfOpen: true });
  for (const [socket, other] of [
    [client, container],
    [container, client],
  ] as const) {
    open.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => other.resetAndDestroy());
    socket.on('close', () => {
      open.delete(socket);
      // One that was reset has no end: the other side must not wait for it.
      if (!socket.readableEnded) other.destroy();
    });
  }
  client.pipe(container);
  container.pipe(client);
}

function close(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  for (const socket of open) socket.destroy();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
