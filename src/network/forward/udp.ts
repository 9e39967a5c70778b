/** Datagrams of a published UDP port, handed on by the daemon: a socket for each caller, as long as it has something to say. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Listener, ListenRequest, TargetOf } from './listener.js';

/** docker-proxy's patience. */
const IDLE_MS = 90_000;
/** Callers at once; the one that was quiet longest goes first. */
const SESSIONS_MAX = 1024;

interface Session {
  readonly socket: Socket;
  last: number;
}

export function listenUdp({ hostIp, port, target }: ListenRequest): Promise<Listener> {
  const server = createSocket({ type: isIPv6(hostIp) ? 'udp6' : 'udp4', ipv6Only: isIPv6(hostIp) });
  const sessions = new Map<string, Session>();
  server.on('message', (message, caller) => handOn(server, sessions, target, message, caller));
  const timer = setInterval(() => expire(sessions), IDLE_MS / 3).unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      clearInterval(timer);
      reject(error);
    });
    server.bind({ address: hostIp, port, exclusive: true }, () => {
      server.removeAllListeners('error').on('error', () => {});
      resolve({ port: server.address().port, close: () => close(server, sessions, timer) });
    });
  });
}

function handOn(
  server: Socket,
  sessions: Map<string, Session>,
  targetOf: TargetOf,
  message: Buffer,
  caller: RemoteInfo,
): void {
  const target = targetOf();
  if (target === undefined) return;
  const key = `${caller.address} ${caller.port} ${target.address}`;
  const session = sessions.get(key) ?? begin(server, target.address, caller);
  sessions.delete(key);
  sessions.set(key, session); // last in the order of the map
  session.last = Date.now();
  if (sessions.size > SESSIONS_MAX) end(sessions, sessions.keys().next().value);
  session.socket.send(message, target.port, target.address, () => {});
}

function begin(server: Socket, address: string, caller: RemoteInfo): Session {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const session = { socket, last: Date.now() };
  socket.on('error', () => {});
  socket.on('message', (answer, from) => {
    if (from.address !== address) return;
    session.last = Date.now();
    server.send(answer, caller.port, caller.address, () => {});
  });
  return session;
}

function end(sessions: Map<string, Session>, key: string | undefined): void {
  if (key === undefined) return;
  sessions.get(key)?.socket.close();
  sessions.delete(key);
}

function expire(sessions: Map<string, Session>): void {
  for (const [key, { last }] of sessions) if (Date.now() - last > IDLE_MS) end(sessions, key);
}

function close(server: Socket, sessions: Map<string, Session>, timer: NodeJS.Timeout): Promise<void> {
  clearInterval(timer);
  for (const key of [...sessions.keys()]) end(sessions, key);
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
