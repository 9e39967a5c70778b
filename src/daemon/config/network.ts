/**
 * The options of networks. Whether an address or a prefix is one is checked here, whether it can be used where it is used.
 *
 * Pure.
 */
import { isIP } from 'node:net';
import type { DaemonConfig } from './config.js';
import { type Given, list, refuse, text, truth } from './given.js';
import type { OptionName } from './options.js';

const MTU_MIN = 68;
const MTU_MAX = 65_535;

/** Throws UsageError. */
export function networkConfig(given: Given): DaemonConfig['network'] {
  const [bip, fixedCidr] = [text(given, 'bip'), text(given, 'fixed-cidr')];
  if (fixedCidr !== undefined && bip === undefined)
    throw refuse('fixed-cidr', fixedCidr, 'is part of no network', 'give --bip too: the bridge and its network');
  return {
    bridge: text(given, 'bridge'),
    bip,
    fixedCidr: fixedCidr === undefined ? undefined : prefix('fixed-cidr', fixedCidr),
    ip: text(given, 'ip'),
    mtu: mtu(text(given, 'mtu')),
    icc: truth(given, 'icc'),
    masquerade: truth(given, 'ip-masq'),
    firewall: truth(given, 'iptables'),
    forwarding: truth(given, 'ip-forward'),
    pools: list(given, 'default-address-pool').map(pool),
    dns: list(given, 'dns').map((value) => address('dns', value)),
    dnsSearch: list(given, 'dns-search'),
    dnsOptions: list(given, 'dns-opt'),
  };
}

function address(name: OptionName, value: string): string {
  if (isIP(value) !== 0) return value;
  throw refuse(name, value, 'is not an IP address');
}

function prefix(name: OptionName, value: string): string {
  const [base = '', bits = ''] = value.split('/');
  const most = isIP(base) === 6 ? 128 : 32;
  if (isIP(base) !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most) return value;
  throw refuse(name, value, 'is not a network such as 172.26.0.0/16');
}

function mtu(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const bytes = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (bytes >= MTU_MIN && bytes <= MTU_MAX) return bytes;
  throw refuse('mtu', value, `is not a number of bytes from ${MTU_MIN} to ${MTU_MAX}`);
}

/** As dockerd writes it: base=10.0.0.0/8,size=24. */
function pool(value: string): { readonly base: string; readonly size: number } {
  const fields = new Map(value.split(',').map((field) => field.split('=', 2) as [string, string]));
  const [base, size] = [fields.get('base'), fields.get('size')];
  const name = 'default-address-pool';
  if (base === undefined || size === undefined || fields.size !== 2)
    throw refuse(name, value, 'is not base=NETWORK,size=BITS', 'such as base=10.0.0.0/8,size=24');
  const bits = Number(prefix(name, base).split('/')[1]);
  const most = base.includes(':') ? 128 : 32;
  if (/^\d{1,3}$/.test(size) && Number(size) >= bits && Number(size) <= most) return { base, size: Number(size) };
  throw refuse(name, value, `has a size that is not from ${bits} (of its base) to ${most}`);
}
