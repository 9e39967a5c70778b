/**
 * Published ports through slirp4netns: it listens on the host, and who calls keeps its address. It only forwards to
 * addresses of its own network, so that each address of the host has one there, and rules of nftables lead on to the
 * container.
 */
import { isIPv6 } from 'node:net';
import { type Listener, listen } from '../forward/listener.js';
import type { Gate } from '../types.js';
import { addForward, type HostForward, type KnownForward, listForwards, removeForward } from './api.js';

/** The address that slirp4netns gives its tap device; others follow. */
export const GUEST = '10.0.2.100';
const PREFIX = '10.0.2.';
const FIRST = 101;
const LAST = 250;
const LOOPBACK = '127.0.0.1';

type Port = Parameters<Gate['open']>[0];
type Held = HostForward & { id: number };

export interface SlirpGate extends Gate {
  /** Opens all again at a slirp4netns that began anew. */
  reopen(): Promise<void>;
}

/** addAddress: to the tap device. */
export async function openGate(socket: string, addAddress: (address: string) => void): Promise<SlirpGate> {
  const left = await listForwards(socket);
  const guests = guestAddresses(left, addAddress);
  const held = new Set<Held>();

  const forward = async (wanted: HostForward): Promise<Held> => {
    const at = left.findIndex((known) => isSame(known, wanted));
    const [known] = at < 0 ? [] : left.splice(at, 1);
    const one = known ?? { ...wanted, id: await addForward(socket, wanted) };
    held.add(one);
    return one;
  };
  const close = async (one: Held): Promise<void> => {
    held.delete(one);
    // Of one that began anew, which the next reopen() would have told.
    await removeForward(socket, one.id).catch(() => undefined);
  };
  return {
    inside: (hostIp) => guests.of(hostIp),
    async open({ protocol, hostIp, port }) {
      const guestAddress = guests.of(hostIp);
      if (isIPv6(hostIp))
        return openIpv6({ protocol, hostIp, port }, (wanted) => forward({ ...wanted, guestAddress }), close);
      const known = left.some(
        (one) => one.protocol === protocol && one.hostAddress === hostIp && one.hostPort === port,
      );
      const free = known ? port : await probe({ protocol, hostIp, port });
      const one = await forward({ protocol, hostAddress: hostIp, hostPort: free, guestAddress, guestPort: free });
      return { port: free, close: () => close(one) };
    },
    async settle() {
      for (const { id } of left.splice(0)) await removeForward(socket, id).catch(() => undefined);
    },
    async reopen() {
      left.length = 0;
      guests.again();
      for (const one of held) one.id = await addForward(socket, one);
    },
  };
}

const isSame = (a: HostForward, b: HostForward): boolean =>
  a.protocol === b.protocol &&
  a.hostAddress === b.hostAddress &&
  a.hostPort === b.hostPort &&
  a.guestAddress === b.guestAddress &&
  a.guestPort === b.guestPort;

/** One for each address of the host, the same after a restart of the daemon. */
function guestAddresses(known: readonly KnownForward[], add: (address: string) => void) {
  const guests = new Map([['0.0.0.0', GUEST]]);
  const give = (hostIp: string, address: string): string => {
    guests.set(hostIp, address);
    add(address);
    return address;
  };
  // Of IPv6 the port of the host is another one: openIpv6().
  for (const { hostAddress, guestAddress, hostPort, guestPort } of known)
    if (!guests.has(hostAddress) && hostPort === guestPort) give(hostAddress, guestAddress);
  return {
    /** The tap device is a new one. */
    again(): void {
      for (const address of guests.values()) if (address !== GUEST) add(address);
    },
    of(hostIp: string): string {
      const found = guests.get(hostIp);
      if (found !== undefined) return found;
      const taken = new Set(guests.values());
      for (let last = FIRST; last <= LAST; last++)
        if (!taken.has(`${PREFIX}${last}`)) return give(hostIp, `${PREFIX}${last}`);
      throw new Error(`ports are published on ${guests.size} addresses of the host, and no more can be`);
    },
  };
}

/** slirp4netns only says that it did not work; bind(2) says why. */
async function probe(port: Port): Promise<number> {
  const listener = await listen({ ...port, target: () => undefined });
  await listener.close();
  return listener.port;
}

/** It forwards from IPv4 alone: the daemon listens, and hands on to a port of its loopback. */
async function openIpv6(
  { protocol, hostIp, port }: Port,
  forward: (wanted: Omit<HostForward, 'guestAddress'>) => Promise<Held>,
  close: (one: Held) => Promise<void>,
): Promise<Listener> {
  let target: { readonly address: string; readonly port: number } | undefined;
  const listener = await listen({ protocol, hostIp, port, target: () => target });
  try {
    const hostPort = await probe({ protocol, hostIp: LOOPBACK, port: 0 });
    const one = await forward({ protocol, hostAddress: LOOPBACK, hostPort, guestPort: listener.port });
    target = { address: LOOPBACK, port: hostPort };
    return {
      port: listener.port,
      close: async () => {
        await listener.close();
        await close(one);
      },
    };
  } catch (error) {
    await listener.close();
    throw error;
  }
}
