/**
 * What the resolver answers by itself, RFC 1035: addresses of containers and their names. A known name without an address
 * of the family that was asked for is an empty answer, not an unknown name: otherwise resolvers give up on the other one.
 *
 * Pure, but for the order of several addresses.
 */
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  type Question,
  RECURSION_DESIRED,
} from 'dns-packet';
import { formatAddress, parseAddress } from '../address.js';
import type { KnownAddresses } from './lookup.js';

export interface Names {
  lookUp(name: string): KnownAddresses | undefined;
  lookUpAddress(address: string): string | undefined;
}

/** `forward`: somebody else has to be asked. */
export type Verdict = { readonly kind: 'answer'; readonly bytes: Buffer } | { readonly kind: 'forward' };

const TTL = 60;
const RECURSION_AVAILABLE = 0x80;
const RCODE = { FORMERR: 1, SERVFAIL: 2, NOTIMP: 4 } as const;
const HEADER = 12;

export function answer(query: Buffer, names: Names, shuffle: <T>(items: readonly T[]) => T[]): Verdict {
  let packet: Packet;
  try {
    packet = decode(query);
  } catch {
    return { kind: 'answer', bytes: refusal(query, RCODE.FORMERR) };
  }
  const [question, ...more] = packet.questions ?? [];
  if (packet.type !== 'query' || question === undefined || more.length > 0)
    return { kind: 'answer', bytes: refusal(query, RCODE.FORMERR) };
  const answers = answersOf(question, names, shuffle);
  return answers ? { kind: 'answer', bytes: reply(packet, question, answers) } : { kind: 'forward' };
}

/** undefined: not ours to say. */
function answersOf(
  question: Question,
  names: Names,
  shuffle: <T>(items: readonly T[]) => T[],
): readonly Answer[] | undefined {
  const { name, type } = question;
  if (question.class !== 'IN') return undefined;
  if (type === 'PTR') {
    const address = reverseAddress(name);
    const found = address && names.lookUpAddress(address);
    return found ? [{ type, class: 'IN', name, ttl: TTL, data: found }] : undefined;
  }
  const known = names.lookUp(name);
  if (known === undefined) return undefined;
  const addresses = type === 'A' ? known.ipv4 : type === 'AAAA' ? known.ipv6 : [];
  if (type !== 'A' && type !== 'AAAA') return [];
  return shuffle(addresses).map((data) => ({ type, class: 'IN', name, ttl: TTL, data }));
}

function reply(packet: Packet, question: Question, answers: readonly Answer[]): Buffer {
  const desired = (packet.flags ?? 0) & RECURSION_DESIRED;
  return encode({
    type: 'response',
    id: packet.id ?? 0,
    flags: AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | desired,
    questions: [question],
    answers: [...answers],
  });
}

/** "2.0.17.172.in-addr.arpa" is 172.17.0.2. */
export function reverseAddress(name: string): string | undefined {
  const v4 = /^((?:\d{1,3}\.){4})in-addr\.arpa$/i.exec(name);
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/i.exec(name);
  const labels = (v4?.[1] ?? v6?.[1] ?? '').split('.').filter(Boolean).reverse();
  try {
    if (v4) return formatAddress(parseAddress(labels.join('.')));
    return v6 ? formatAddress(parseAddress(labels.join('').replace(/....(?=.)/g, '$&:'))) : undefined;
  } catch {
    return undefined; // 999.1.1.1
  }
}

export function serverFailure(query: Buffer): Buffer {
  return refusal(query, RCODE.SERVFAIL);
}

/** The query's header and question back, as far as it has them, with a code. */
function refusal(query: Buffer, code: number): Buffer {
  const header = Buffer.alloc(HEADER);
  query.copy(header, 0, 0, 2);
  header[2] = 0x80 | ((query[2] ?? 0) & 0x79); // response, opcode and RD as they came
  header[3] = RECURSION_AVAILABLE | code;
  const end = code === RCODE.FORMERR ? undefined : questionEnd(query);
  if (end === undefined) return header;
  header.writeUInt16BE(1, 4);
  return Buffer.concat([header, query.subarray(HEADER, end)]);
}

/** Behind the first question, whose name has no pointers: nothing comes before it. */
export function questionEnd(query: Buffer): number | undefined {
  let at = HEADER;
  while (at < query.length && query[at] !== 0) {
    const length = query[at] ?? 0;
    if (length > 63) return undefined;
    at += length + 1;
  }
  return at + 5 <= query.length ? at + 5 : undefined;
}

/** How many bytes the asker takes over UDP: RFC 6891. */
export function udpSize(query: Buffer): number {
  try {
    const option = decode(query).additionals?.find(({ type }) => type === 'OPT');
    const size = option && 'udpPayloadSize' in option ? Number(option.udpPayloadSize) : 0;
    return Math.max(size, 512);
  } catch {
    return 512;
  }
}
