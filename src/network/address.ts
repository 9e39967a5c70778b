/**
 * IP addresses and prefixes as numbers, of both families. Node has net.BlockList to ask whether one is in another, but
 * nothing to count with. Texts of IPv6 as RFC 5952 wants them. Pure.
 */
import { isIP, isIPv4 } from 'node:net';
import { quote } from '../util/quote.js';
import { NetworkError } from './errors.js';

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** value has no bits behind length, except where a text said "address/length". */
export interface Prefix extends Address {
  readonly length: number;
}

export const BITS = { 4: 32, 6: 128 } as const;

/** Of an address that was checked. */
export function familyOf(address: string): Family {
  return isIPv4(address) ? 4 : 6;
}

/** Throws NETWORK_INVALID; field is named in the message. */
export function parseAddress(text: string, field = 'address'): Address {
  if (isIP(text) === 0 || text.includes('%'))
    throw new NetworkError('NETWORK_INVALID', `${field}: invalid IP address: ${quote(text)}`);
  return isIPv4(text) ? { family: 4, value: parse4(text) } : { family: 6, value: parse6(text) };
}

function parse4(text: string): bigint {
  return text.split('.').reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function parse6(text: string): bigint {
  const v4 = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (v4) {
    const value = parse4(v4[2] ?? '');
    return parse6(`${v4[1]}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`);
  }
  const [head = '', tail] = text.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0');
  return [...front, ...zeros, ...back].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(16 * (7 - i))) & 0xffffn).toString(16));
  const runs = [...groups.join(':').matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)];
  const longest = runs.reduce((best, [run]) => (run.length > best.length ? run : best), '');
  if (longest === '') return groups.join(':');
  const at = runs.find(([run]) => run === longest)?.index ?? 0;
  const whole = groups.join(':');
  return `${whole.slice(0, at).replace(/:$/, '')}::${whole.slice(at + longest.length).replace(/^:/, '')}`;
}

/** "10.0.0.0/8", with host bits cut off. Throws NETWORK_INVALID. */
export function parsePrefix(text: string, field: string): Prefix {
  return maskPrefix(parseInterface(text, field));
}

/** "10.0.0.1/8": address and length, host bits kept. Throws NETWORK_INVALID. */
export function parseInterface(text: string, field: string): Prefix {
  const [address = '', bits = '', ...more] = text.split('/');
  const parsed = isIP(address) !== 0 && /^\d{1,3}$/.test(bits) && more.length === 0 && parseAddress(address, field);
  if (!parsed || Number(bits) > BITS[parsed.family])
    throw new NetworkError('NETWORK_INVALID', `${field}: invalid CIDR address: ${quote(text)}`, {
      hint: 'write it as 172.28.0.0/16 or fd00:1::/64',
    });
  return { ...parsed, length: Number(bits) };
}

export function maskPrefix({ family, value, length }: Prefix): Prefix {
  const host = BigInt(BITS[family] - length);
  return { family, value: (value >> host) << host, length };
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix)}/${prefix.length}`;
}

export function firstOf(prefix: Prefix): bigint {
  return maskPrefix(prefix).value;
}

export function lastOf(prefix: Prefix): bigint {
  return firstOf(prefix) | ((1n << BigInt(BITS[prefix.family] - prefix.length)) - 1n);
}

export function contains(prefix: Prefix, address: Address): boolean {
  return prefix.family === address.family && firstOf(prefix) <= address.value && address.value <= lastOf(prefix);
}

export function overlap(a: Prefix, b: Prefix): boolean {
  return a.family === b.family && firstOf(a) <= lastOf(b) && firstOf(b) <= lastOf(a);
}

/** RFC 3927, and all of fe80::/10 of RFC 4291; what a link has of the kernel's is a /64. */
const LINK_LOCAL: { readonly [family in Family]: Prefix } = {
  4: { ...parseAddress('169.254.0.0'), length: 16 },
  6: { ...parseAddress('fe80::'), length: 10 },
};
export const LINK_LOCAL_LENGTH = { 4: 16, 6: 64 } as const;

export function isLinkLocal(address: Address): boolean {
  return contains(LINK_LOCAL[address.family], address);
}

/** Network order. */
export function addressBytes({ family, value }: Address): Buffer {
  return Buffer.from(value.toString(16).padStart(BITS[family] / 4, '0'), 'hex');
}

export function addressOfBytes(bytes: Buffer): Address {
  return { family: bytes.length === 4 ? 4 : 6, value: BigInt(`0x${bytes.toString('hex')}`) };
}
