/**
 * The resolver of one container: sockets on 127.0.0.11 inside its network namespace, which this process reads. They have
 * ports of the kernel's choice, and rules in that namespace lead port 53 there, so that the container may use it itself.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { addon } from '../../native/addon.js';
import { RESOLVER } from '../files.js';
import { nft } from '../firewall.js';
import { framed, type Transport } from './upstream.js';

export interface Resolver {
  close(): Promise<void>;
}

/** Never rejects. */
export type Respond = (query: Buffer, transport: Transport) => Promise<Buffer>;

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
/** Of one container at once; a flood of its own is answered later or not at all. */
const OPEN_MAX = 256;
const CONNECTIONS_MAX = 64;
const IDLE_MS = 10_000;
const QUERY_MAX = 4096;

export async function openResolver(netns: string, respond: Respond): Promise<Resolver> {
  const udp = bound(netns, SOCK_DGRAM);
  const socket = await serveUdp(udp.fd, respond);
  const tcp = bound(netns, SOCK_STREAM);
  const server = await serveTcp(tcp.fd, respond);
  const close = async (): Promise<void> => {
    await Promise.all([closeUdp(socket), closeTcp(server)]);
  };
  try {
    await nft(redirect(udp.port, tcp.port), netns);
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

function bound(netns: string, type: number): { readonly fd: number; readonly port: number } {
  const fd = addon().socketInNetns(netns, AF_INET, type, 0);
  return { fd, port: addon().bindSocket(fd, RESOLVER, 0) };
}

/** In the container's namespace. Replaced as a whole, since a daemon that restarts has other ports. */
export function redirect(udp: number, tcp: number): string {
  return `table ip tsrun-dns
delete table ip tsrun-dns
table ip tsrun-dns {
	chain output {
		type nat hook output priority -100; policy accept;
		ip daddr ${RESOLVER} udp dport 53 dnat to ${RESOLVER}:${udp}
		ip daddr ${RESOLVER} tcp dport 53 dnat to ${RESOLVER}:${tcp}
	}
}
`;
}

function serveUdp(fd: number, respond: Respond): Promise<UdpSocket> {
  const socket = createSocket('udp4');
  let open = 0;
  socket.on('message', (query, from) => {
    if (open >= OPEN_MAX || query.length < 12 || query.length > QUERY_MAX) return;
    open++;
    respond(query, 'udp')
      .then((bytes) => socket.send(bytes, from.port, from.address, () => {}))
      .catch(() => {}) // the socket was closed meanwhile
      .finally(() => {
        open--;
      });
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ fd }, () => {
      socket.removeListener('error', reject).on('error', () => {});
      resolve(socket);
    });
  });
}

function closeUdp(socket: UdpSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}

interface TcpServer {
  readonly server: Server;
  readonly open: ReadonlySet<Socket>;
}

function serveTcp(fd: number, respond: Respond): Promise<TcpServer> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    converse(socket, respond);
  });
  server.maxConnections = CONNECTIONS_MAX;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd }, () => {
      server.removeListener('error', reject).on('error', () => {});
      resolve({ server, open });
    });
  });
}

/** One question after the other; the next is read when the answer is written. */
function converse(socket: Socket, respond: Respond): void {
  let bytes = Buffer.alloc(0);
  const next = (): void => {
    const length = bytes.length < 2 ? undefined : bytes.readUInt16BE(0);
    if (length !== undefined && (length < 12 || length > QUERY_MAX)) socket.destroy();
    if (length === undefined || bytes.length < length + 2) {
      socket.resume();
      return;
    }
    const query = bytes.subarray(2, length + 2);
    bytes = bytes.subarray(length + 2);
    socket.pause();
    respond(Buffer.from(query), 'tcp')
      .then((answer) => socket.write(framed(answer), next))
      .catch(() => socket.destroy());
  };
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (piece) => {
    bytes = Buffer.concat([bytes, piece]);
    next();
  });
}

function closeTcp({ server, open }: TcpServer): Promise<void> {
  for (const socket of open) socket.destroy();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
