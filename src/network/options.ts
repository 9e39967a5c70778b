/** The options of networks and endpoints that drivers know, com.docker.network.*, read and checked. Pure. */
import { quote } from '../util/quote.js';
import { parseAddress } from './address.js';
import { NetworkError } from './errors.js';

type Options = { readonly [name: string]: string };

/**
 * nat: only published ports are reached from outside, at addresses of the host. nat-unprotected: every port of the
 * container too. routed: only published ports, at the container's own address. isolated: the bridge has no address.
 */
export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';

export interface BridgeOptions {
  readonly name: string | undefined;
  /** Containers of the bridge reach each other. */
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Where ports are published that name no address. */
  readonly hostBinding: string | undefined;
  readonly gatewayMode4: GatewayMode;
  readonly gatewayMode6: GatewayMode;
  readonly mtu: number | undefined;
  readonly ifnamePrefix: string;
  /** Source addresses of what leaves the host, instead of that of the link. */
  readonly hostIpv4: string | undefined;
  readonly hostIpv6: string | undefined;
}

const BRIDGE = 'com.docker.network.bridge.';
const MTU = 'com.docker.network.driver.mtu';
const IFNAME_PREFIX = 'com.docker.network.container_iface_prefix';
export const ENDPOINT_IFNAME = 'com.docker.network.endpoint.ifname';
export const ENDPOINT_SYSCTLS = 'com.docker.network.endpoint.sysctls';
export const BRIDGE_NAME = `${BRIDGE}name`;
const MODES: readonly string[] = ['nat', 'nat-unprotected', 'routed', 'isolated'];
const MTU_MAX = 65535;
/** IPv4 needs 68 bytes; IPv6 1280, below which the kernel turns it off. */
const MTU_MIN = 68;

export function bridgeOptions(options: Options, internal = false): BridgeOptions {
  const name = options[BRIDGE_NAME];
  return {
    name: name ? checkIfname(name, BRIDGE_NAME) : undefined,
    icc: flag(options, `${BRIDGE}enable_icc`, true),
    masquerade: flag(options, `${BRIDGE}enable_ip_masquerade`, true) && !internal,
    hostBinding: address(options, `${BRIDGE}host_binding_ipv4`),
    gatewayMode4: gatewayMode(options, `${BRIDGE}gateway_mode_ipv4`, internal),
    gatewayMode6: gatewayMode(options, `${BRIDGE}gateway_mode_ipv6`, internal),
    mtu: mtuOption(options),
    ifnamePrefix: options[IFNAME_PREFIX] ? checkIfname(options[IFNAME_PREFIX], IFNAME_PREFIX) : 'eth',
    hostIpv4: address(options, 'com.docker.network.host_ipv4'),
    hostIpv6: address(options, 'com.docker.network.host_ipv6'),
  };
}

/** What compose files of old have in place of enable_ipv6. */
export const ipv6Option = (options: Options): boolean => flag(options, 'com.docker.network.enable_ipv6', false);

export function mtuOption(options: Options): number | undefined {
  const text = options[MTU];
  if (text === undefined || text === '' || text === '0') return undefined;
  const mtu = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (mtu < MTU_MIN || mtu > MTU_MAX) throw invalid(MTU, text, `it has to be a number from ${MTU_MIN} to ${MTU_MAX}`);
  return mtu;
}

export interface MacvlanOptions {
  readonly parent: string | undefined;
  readonly mode: number;
}

const MACVLAN_MODES: { readonly [mode: string]: number } = { private: 1, vepa: 2, bridge: 4, passthru: 8 };
const IPVLAN_MODES: { readonly [mode: string]: number } = { l2: 0, l3: 1, l3s: 2 };
const IPVLAN_FLAGS: { readonly [flag: string]: number } = { bridge: 0, private: 1, vepa: 2 };

export function macvlanOptions(options: Options): MacvlanOptions {
  return { parent: parentOption(options), mode: word(options, 'macvlan_mode', MACVLAN_MODES, 'bridge') };
}

export interface IpvlanOptions extends MacvlanOptions {
  readonly flags: number;
  /** l3 and l3s: no neighbours, no gateway: everything leaves by the link. */
  readonly layer3: boolean;
}

export function ipvlanOptions(options: Options): IpvlanOptions {
  const mode = word(options, 'ipvlan_mode', IPVLAN_MODES, 'l2');
  return {
    parent: parentOption(options),
    mode,
    flags: word(options, 'ipvlan_flag', IPVLAN_FLAGS, 'bridge'),
    layer3: mode > 0,
  };
}

function parentOption(options: Options): string | undefined {
  return options['parent'] ? checkIfname(options['parent'], 'parent') : undefined;
}

/** A name that Linux takes for a link and that leads nowhere as a part of a path. dev_valid_name() of net/core/dev.c. */
export function checkIfname(name: string, field: string): string {
  const reserved = ['.', '..', 'all', 'default', 'lo'].includes(name);
  if (!/^[A-Za-z0-9_.@-]{1,15}$/.test(name) || reserved)
    throw invalid(field, name, 'the name of a link has at most 15 letters, digits, dots, dashes and underscores');
  return name;
}

const SYSCTL = /^net\.(ipv4|ipv6|mpls)\.(conf|neigh|input)\.IFNAME\.([a-z0-9_]+)=(-?[0-9]{1,10})$/;

/** "net.ipv4.conf.IFNAME.log_martians=1,…": path below /proc/sys with IFNAME in place, and value. */
export function endpointSysctls(options: Options, ifname: string): { readonly path: string; readonly value: string }[] {
  const text = options[ENDPOINT_SYSCTLS];
  if (text === undefined || text === '') return [];
  return text.split(',').map((part) => {
    const found = SYSCTL.exec(part.trim());
    if (!found) throw invalid(ENDPOINT_SYSCTLS, part, 'write each as net.ipv4.conf.IFNAME.NAME=NUMBER');
    const [, family, kind, name, value = ''] = found;
    return { path: `net/${family}/${kind}/${ifname}/${name}`, value };
  });
}

function flag(options: Options, name: string, fallback: boolean): boolean {
  const text = options[name];
  if (text === undefined || text === '') return fallback;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw invalid(name, text, 'it is true or false');
}

function address(options: Options, name: string): string | undefined {
  const text = options[name];
  if (text === undefined || text === '') return undefined;
  parseAddress(text, name);
  return text;
}

function gatewayMode(options: Options, name: string, internal: boolean): GatewayMode {
  const text = options[name] || 'nat';
  if (!MODES.includes(text)) throw invalid(name, text, `use one of ${MODES.join(', ')}`);
  if (text === 'isolated' && !internal) throw invalid(name, text, 'isolated is for internal networks');
  return text as GatewayMode;
}

function word(options: Options, name: string, words: { readonly [word: string]: number }, fallback: string): number {
  const text = options[name] || fallback;
  const value = Object.hasOwn(words, text) ? words[text] : undefined;
  if (value === undefined) throw invalid(name, text, `use one of ${Object.keys(words).join(', ')}`);
  return value;
}

function invalid(field: string, value: string, hint: string): NetworkError {
  return new NetworkError('NETWORK_INVALID', `invalid value of option ${field}: ${quote(value)}`, { hint });
}
