/** A netlink socket, opened as a process of a network namespace opens it. */
import { closeSync } from 'node:fs';
import { addon } from '../../native/addon.js';
import { errnoName } from '../../util/errno.js';
import { NetworkError } from '../errors.js';
import {
  type Attribute,
  decodeError,
  decodeMessages,
  encodeAttributes,
  encodeMessage,
  FLAG,
  type Message,
  TYPE,
} from './message.js';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

/** What the kernel refused; errno is positive. */
export class NetlinkError extends NetworkError {
  readonly errno: number;

  constructor(what: string, errno: number, words: string | undefined) {
    super('NETWORK_FAILED', `${what}: ${errnoName(errno)}${words ? ` (${words})` : ''}`);
    this.errno = errno;
  }
}

export class Netlink {
  readonly fd: number;
  /** Where the namespace is bound; '' is our own. */
  readonly netns: string;
  #sequence = 1;

  constructor(netns = '', protocol = NETLINK_ROUTE) {
    this.netns = netns;
    this.fd = addon().socketInNetns(netns, AF_NETLINK, SOCK_RAW, protocol);
    addon().prepareNetlink(this.fd);
  }

  /** One change. what: for the error, "add 172.17.0.2/16 to eth0". Throws NetlinkError. */
  change(what: string, type: number, flags: number, body: Uint8Array, attributes: readonly Attribute[] = []): void {
    this.#exchange(what, type, flags | FLAG.ACK, body, attributes);
  }

  /** The one object that is asked for, or undefined if the kernel knows none. */
  get(what: string, type: number, body: Uint8Array, attributes: readonly Attribute[]): Message | undefined {
    return this.#exchange(what, type, FLAG.ACK, body, attributes)[0];
  }

  dump(what: string, type: number, body: Uint8Array): Message[] {
    return this.#exchange(what, type, FLAG.DUMP, body, []);
  }

  /** Messages that are one transaction of nfnetlink: the last one carries the flag ACK and the sequence number. */
  transaction(what: string, build: (sequence: () => number) => Buffer): void {
    const bytes = build(() => ++this.#sequence);
    this.#answers(what, addon().netlinkExchange(this.fd, bytes, this.#sequence));
  }

  close(): void {
    closeSync(this.fd);
  }

  #exchange(what: string, type: number, flags: number, body: Uint8Array, attributes: readonly Attribute[]): Message[] {
    const sequence = ++this.#sequence;
    const request = encodeMessage(type, flags | FLAG.REQUEST, sequence, body, encodeAttributes(attributes));
    return this.#answers(what, addon().netlinkExchange(this.fd, request, sequence));
  }

  #answers(what: string, bytes: Buffer): Message[] {
    const messages = decodeMessages(bytes);
    for (const message of messages) {
      if (message.type !== TYPE.ERROR) continue;
      const { errno, words } = decodeError(message);
      if (errno !== 0) throw new NetlinkError(what, errno, words);
    }
    return messages.filter(({ type }) => type !== TYPE.ERROR && type !== TYPE.DONE);
  }
}

/** A socket for as long as use runs. */
export function withNetlink<T>(netns: string, use: (netlink: Netlink) => T): T {
  const netlink = new Netlink(netns);
  try {
    return use(netlink);
  } finally {
    netlink.close();
  }
}
