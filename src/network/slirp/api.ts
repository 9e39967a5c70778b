/**
 * The API socket of slirp4netns(1): one JSON object for each connection, which ends its half; the answer is one, too.
 */
import { connect } from 'node:net';
import { NetworkError } from '../errors.js';

/** A port of the host that leads to one of the namespace. */
export interface HostForward {
  readonly protocol: 'tcp' | 'udp';
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestAddress: string;
  readonly guestPort: number;
}

export type KnownForward = HostForward & { readonly id: number };

const TIMEOUT_MS = 5000;
const ANSWER_MAX = 4 << 20;

/** Rejects with NETWORK_FAILED, also where nobody listens. */
export async function addForward(socket: string, forward: HostForward): Promise<number> {
  const answer = await ask(socket, 'add_hostfwd', {
    proto: forward.protocol,
    host_addr: forward.hostAddress,
    host_port: forward.hostPort,
    guest_addr: forward.guestAddress,
    guest_port: forward.guestPort,
  });
  return Number(answer['id']);
}

export async function removeForward(socket: string, id: number): Promise<void> {
  await ask(socket, 'remove_hostfwd', { id });
}

interface Entry {
  readonly id: number;
  readonly proto: 'tcp' | 'udp';
  readonly host_addr: string;
  readonly host_port: number;
  readonly guest_addr: string;
  readonly guest_port: number;
}

export async function listForwards(socket: string): Promise<KnownForward[]> {
  const { entries } = (await ask(socket, 'list_hostfwd', undefined)) as { readonly entries?: readonly Entry[] };
  return (entries ?? []).map((entry) => ({
    id: entry.id,
    protocol: entry.proto,
    hostAddress: entry.host_addr,
    hostPort: entry.host_port,
    guestAddress: entry.guest_addr,
    guestPort: entry.guest_port,
  }));
}

type Answer = { readonly [name: string]: unknown };

async function ask(path: string, command: string, values: Answer | undefined): Promise<Answer> {
  const text = await exchange(
    path,
    JSON.stringify({ execute: command, ...(values === undefined ? {} : { arguments: values }) }),
  ).catch((cause: unknown) => {
    throw failed(command, String(cause), cause);
  });
  const answer = parse(command, text);
  const { error } = answer;
  // list_hostfwd has its entries beside "return", where others have theirs in it.
  if (error === undefined) return answer.return ?? answer;
  throw failed(command, error.desc ?? 'refused');
}

type Reply = Answer & { readonly return?: Answer; readonly error?: { readonly desc?: string } };

function parse(command: string, text: string): Reply {
  try {
    return JSON.parse(text) as Reply;
  } catch (cause) {
    throw failed(command, 'what came is no JSON', cause);
  }
}

function failed(command: string, why: string, cause?: unknown): NetworkError {
  return new NetworkError('NETWORK_FAILED', `slirp4netns: ${command}: ${why}`, { cause });
}

function exchange(path: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const client = connect({ path, allowHalfOpen: true }, () => client.end(request));
    client.setTimeout(TIMEOUT_MS, () => client.destroy(new Error('no answer')));
    client.on('data', (part: Buffer) => {
      parts.push(part);
      size += part.length;
      if (size > ANSWER_MAX) client.destroy(new Error('the answer is too long'));
    });
    client.on('error', reject);
    client.on('end', () => resolve(Buffer.concat(parts).toString('utf8')));
    client.on('close', () => reject(new Error('closed')));
  });
}
