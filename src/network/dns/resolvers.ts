/** The resolvers of all containers: what they know, whom they ask. */
import { randomInt } from 'node:crypto';
import { type Context, hostResolver, type Resolvers } from '../context.js';
import { upstreamServers } from '../files.js';
import { answer, serverFailure, udpSize } from './answer.js';
import { lookUp, lookUpAddress, mayAskOutside } from './lookup.js';
import { openResolver, type Resolver, type Respond } from './server.js';
import { openUpstream, type Transport, type Upstream } from './upstream.js';

/** How long the host's resolv.conf is taken as it was read. */
const HOST_MS = 2000;
const TRUNCATED = 0x02;

export function openResolvers(context: Pick<Context, 'book' | 'options'>): Resolvers {
  const open = new Map<string, Promise<Resolver>>();
  const upstream = openUpstream();
  const hostServers = remembered(() => hostResolver(context));
  const close = async (containerId: string): Promise<void> => {
    const resolver = open.get(containerId);
    open.delete(containerId);
    await (await resolver?.catch(() => undefined))?.close();
  };
  return {
    open: async (containerId, netns) => {
      const there =
        open.get(containerId) ?? openResolver(netns, responder(context, containerId, upstream, hostServers));
      open.set(containerId, there);
      await there.catch((error: unknown) => {
        open.delete(containerId);
        throw error;
      });
    },
    close,
    closeAll: async () => {
      await Promise.all([...open.keys()].map(close));
    },
  };
}

function remembered<T>(read: () => T): () => T {
  let value: T | undefined;
  let at = 0;
  return () => {
    if (value === undefined || Date.now() - at > HOST_MS) {
      value = read();
      at = Date.now();
    }
    return value;
  };
}

function responder(
  { book, options }: Pick<Context, 'book' | 'options'>,
  containerId: string,
  upstream: Upstream,
  hostServers: () => ReturnType<typeof hostResolver>,
): Respond {
  const names = {
    lookUp: (name: string) => lookUp(book, containerId, name),
    lookUpAddress: (address: string) => lookUpAddress(book, containerId, address),
  };
  return async (query, transport) => {
    const verdict = answer(query, names, shuffled);
    if (verdict.kind === 'answer') return fitted(verdict.bytes, query, transport);
    const own = book.containers.get(containerId)?.dns ?? [];
    const wishes = { dns: own.length > 0 ? own : (options.dns ?? []), dnsSearch: [], dnsOptions: [] };
    if (!mayAskOutside(book, containerId)) return serverFailure(query);
    return (await upstream.ask(query, upstreamServers(hostServers(), wishes), transport)) ?? serverFailure(query);
  };
}

/** What does not fit goes by TCP: the asker comes again when it sees the bit. */
function fitted(bytes: Buffer, query: Buffer, transport: Transport): Buffer {
  if (transport === 'tcp' || bytes.length <= udpSize(query)) return bytes;
  const empty = serverFailure(query);
  empty[2] = (empty[2] ?? 0) | TRUNCATED;
  empty[3] = (empty[3] ?? 0) & 0xf0;
  return empty;
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[]): T[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    const [a, b] = [all[i], all[j]];
    if (a !== undefined && b !== undefined) [all[i], all[j]] = [b, a];
  }
  return all;
}
