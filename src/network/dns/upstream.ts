/**
 * Asks the servers of the host or of the container, over the protocol the container asked with, and hands the answer back
 * as it is. Everything is bounded: servers, time, questions at once. A server that did not answer is asked last for a
 * while, so that one that is gone costs one question its patience, not each.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { questionEnd } from './answer.js';

export type Transport = 'udp' | 'tcp';

export interface Upstream {
  /** undefined: nobody answered in time, or too many questions are open. */
  ask(query: Buffer, servers: readonly string[], transport: Transport): Promise<Buffer | undefined>;
}

const SERVERS_MAX = 3;
const PATIENCE_MS = 2000;
const IN_FLIGHT_MAX = 1024;
const SILENT_MS = 10_000;
const DNS_PORT = 53;

export function openUpstream({ port = DNS_PORT, patienceMs = PATIENCE_MS } = {}): Upstream {
  const silentSince = new Map<string, number>();
  let inFlight = 0;

  const isSilent = (server: string): boolean => Date.now() - (silentSince.get(server) ?? 0) < SILENT_MS;
  const askAll = async (
    query: Buffer,
    servers: readonly string[],
    transport: Transport,
  ): Promise<Buffer | undefined> => {
    const chosen = servers.slice(0, SERVERS_MAX);
    for (const server of [...chosen.filter((one) => !isSilent(one)), ...chosen.filter(isSilent)]) {
      const id = randomInt(0x10000);
      const found = await (transport === 'udp' ? askUdp : askTcp)(withId(query, id), server, port, patienceMs);
      if (found !== undefined && isAnswerTo(found, query, id)) {
        silentSince.delete(server);
        return withId(found, query.readUInt16BE(0));
      }
      silentSince.set(server, Date.now());
    }
    return undefined;
  };
  return {
    ask: async (query, servers, transport) => {
      if (inFlight >= IN_FLIGHT_MAX) return undefined;
      inFlight++;
      try {
        return await askAll(query, servers, transport);
      } finally {
        inFlight--;
      }
    },
  };
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}

/** Id, response bit and question: what an off-path forger would have to guess. */
function isAnswerTo(message: Buffer, query: Buffer, id: number): boolean {
  const end = questionEnd(query);
  if (end === undefined || message.length < end || message.readUInt16BE(0) !== id) return false;
  if (((message[2] ?? 0) & 0x80) === 0) return false;
  const question = (bytes: Buffer): string => bytes.toString('latin1', 12, end).toLowerCase();
  return question(message) === question(query);
}

/** A socket of its own for each question: its port is one more thing to guess. connect() drops what others send. */
function askUdp(query: Buffer, server: string, port: number, patienceMs: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.replace(/%.*$/, '')) ? 'udp6' : 'udp4');
    const done = (found: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on('error', () => {});
      socket.close();
      resolve(found);
    };
    const timer = setTimeout(() => done(undefined), patienceMs);
    socket.once('error', () => done(undefined));
    socket.once('message', (message) => done(message));
    // A callback of connect() would be called for failures too, with nothing to send on.
    socket.once('connect', () => socket.send(query));
    socket.connect(port, server);
  });
}

function askTcp(query: Buffer, server: string, port: number, patienceMs: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: server, port });
    let bytes = Buffer.alloc(0);
    const done = (found: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(found);
    };
    const timer = setTimeout(() => done(undefined), patienceMs);
    socket.on('error', () => done(undefined));
    socket.on('close', () => done(undefined));
    socket.on('data', (piece) => {
      bytes = Buffer.concat([bytes, piece]);
      const length = bytes.length < 2 ? undefined : bytes.readUInt16BE(0);
      if (length !== undefined && bytes.length >= length + 2) done(bytes.subarray(2, length + 2));
    });
    socket.write(framed(query));
  });
}

/** RFC 1035 4.2.2: two bytes of length first. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
