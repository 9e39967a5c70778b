/**
 * The network of a user without rights over the host's: a namespace for bridges and rules, and slirp4netns as its way
 * out. Both are there as long as something runs in it, whatever becomes of the daemon.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { NetworkError } from '../errors.js';
import { findLink } from '../netlink/link.js';
import { addAddress } from '../netlink/route.js';
import { withNetlink } from '../netlink/socket.js';
import { createSandbox, removeSandbox } from '../sandbox.js';
import type { Gate, NetworkingOptions } from '../types.js';
import { openGate, type SlirpGate } from './gate.js';
import { ensureSlirp, isAlive, type SlirpPlaces, slirpPlaces, stopSlirp, TAP } from './process.js';

export interface UserNetwork {
  readonly options: Pick<NetworkingOptions, 'hostNetns' | 'gate' | 'fallbackDns' | 'hostGatewayIps'>;
  /** Stops looking after slirp4netns, which goes on. */
  close(): void;
  /** Nothing runs in it any more: all of it goes. */
  remove(): void;
}

const WATCH_MS = 1000;
/** Of all guests' addresses: see gate.ts. */
const PREFIX_LENGTH = 24;

/** That slirp4netns has: it asks the host's, on whatever address that is. */
const RESOLVER = '10.0.2.3';

type Log = NonNullable<NetworkingOptions['log']>;

/**
 * directory: as short as a socket's path must be. Without slirp4netns, which the log says, containers reach each other.
 * Throws NETWORK_FAILED.
 */
export async function openUserNetwork(directory: string, log: Log): Promise<UserNetwork> {
  const netns = join(directory, 'host-netns');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (!isNamespace(netns)) createSandbox(netns);
  const places = slirpPlaces(directory, netns);
  const { gate, close } = await openWay(places, log).catch((error: unknown) => {
    log('error', `networks have no way out, and no ports can be published: ${describe(error)}`);
    return { gate: closedGate(error), close: () => undefined };
  });
  return {
    options: { hostNetns: netns, gate, fallbackDns: [RESOLVER], hostGatewayIps: ownAddresses() },
    close,
    remove() {
      close();
      stopSlirp(places);
      removeSandbox(netns);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function openWay(places: SlirpPlaces, log: Log): Promise<{ readonly gate: Gate; close(): void }> {
  await ensureSlirp(places);
  const gate = await openGate(places.socket, (address) => addToTap(places.netns, address));
  return { gate, close: watch(places, gate, log) };
}

function closedGate(cause: unknown): Gate {
  return { open: () => Promise.reject(cause), inside: (hostIp) => hostIp, settle: () => Promise.resolve() };
}

function describe(error: unknown): string {
  if (!(error instanceof NetworkError)) return String(error);
  return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
}

/** host-gateway: the bridge's gateway is no address of the host here, but these are reached through slirp4netns. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
  const own = all.find(({ internal, family }) => !internal && family === 'IPv4');
  return own === undefined ? [] : [own.address];
}

function isNamespace(path: string): boolean {
  try {
    return existsSync(path) && withNetlink(path, (netlink) => findLink(netlink, 'lo') !== undefined);
  } catch {
    return false; // the file is left of a mount namespace that is gone
  }
}

function addToTap(netns: string, address: string): void {
  withNetlink(netns, (netlink) => {
    const tap = findLink(netlink, TAP);
    if (tap !== undefined) addAddress(netlink, tap.index, address, PREFIX_LENGTH);
  });
}

/** slirp4netns that has ended begins again, with the same ports. Returns what ends the watch. */
function watch(places: SlirpPlaces, gate: SlirpGate, log: Log): () => void {
  let busy = false;
  let said = '';
  const look = async (): Promise<void> => {
    if (busy || isAlive(places)) return;
    busy = true;
    try {
      await ensureSlirp(places);
      await gate.reopen();
      log('warn', 'slirp4netns had ended: it runs again; connections that were open are lost');
      said = '';
    } catch (error) {
      const words = describe(error);
      if (said !== words) log('error', `slirp4netns has ended and does not start again: ${words}`);
      said = words;
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(() => void look(), WATCH_MS).unref();
  return () => clearInterval(timer);
}
