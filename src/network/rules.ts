/**
 * The whole nftables table of the daemon, computed from what is connected and published (docs/adr/0014). It is loaded in
 * one transaction: the old table goes and the new one comes, or nothing changes.
 *
 * Texts of others never enter: addresses are formatted from numbers, names of links were checked (options.ts). Pure.
 */
import type { GatewayMode } from './options.js';
import type { Protocol } from './types.js';

export interface BridgeRules {
  readonly link: string;
  readonly internal: boolean;
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Prefixes of each family, empty where the family is off. */
  readonly subnets4: readonly string[];
  readonly subnets6: readonly string[];
  readonly mode4: GatewayMode;
  readonly mode6: GatewayMode;
  readonly hostIpv4: string | undefined;
  readonly hostIpv6: string | undefined;
}

/** One published port of one family; addresses of a family each. */
export interface PortRule {
  readonly protocol: Protocol;
  /** Unset: any address of the host. Never a loopback one: those are forwarded by the daemon. */
  readonly hostIp: string | undefined;
  readonly hostPort: number;
  readonly address: string;
  readonly containerPort: number;
  /** Reached at the container's own address; hostIp and hostPort mean nothing. */
  readonly routed: boolean;
}

export interface FirewallState {
  readonly table: string;
  readonly bridges: readonly BridgeRules[];
  readonly ports4: readonly PortRule[];
  readonly ports6: readonly PortRule[];
  /** We turned forwarding on: what is not ours is not to be routed, as before. */
  readonly closeTransit: boolean;
}

type Lines = readonly string[];

/** Input for `nft -f -`. */
export function rulesText(state: FirewallState): string {
  const replace = [`table inet ${state.table}`, `delete table inet ${state.table}`];
  if (state.bridges.length === 0) return lines(replace);
  const table = [...sets(state), ...destination(state), ...forward(state), ...source(state)];
  return lines([...replace, `table inet ${state.table} {`, ...table.map(indent), '}']);
}

function indent(row: string): string {
  return row === '' ? '' : `\t${row}`;
}

function lines(rows: Lines): string {
  return rows.map((row) => `${row}\n`).join('');
}

const FAMILIES = [
  { number: '4', ip: 'ip', type: 'ipv4_addr', loopback: '127.0.0.0/8', proto: 'ipv4', echo: 'icmp type echo-request' },
  {
    number: '6',
    ip: 'ip6',
    type: 'ipv6_addr',
    loopback: '::1',
    proto: 'ipv6',
    echo: 'icmpv6 type { echo-request, packet-too-big }',
  },
] as const;

type FamilyWords = (typeof FAMILIES)[number];

function portsOf(state: FirewallState, family: FamilyWords): readonly PortRule[] {
  return family.number === '4' ? state.ports4 : state.ports6;
}

function modeOf(bridge: BridgeRules, family: FamilyWords): GatewayMode {
  return family.number === '4' ? bridge.mode4 : bridge.mode6;
}

function subnetsOf(bridge: BridgeRules, family: FamilyWords): readonly string[] {
  return family.number === '4' ? bridge.subnets4 : bridge.subnets6;
}

/** Maps, so that a thousand published ports cost a packet as much as one. */
function sets(state: FirewallState): Lines {
  const bridges = [...state.bridges.map(({ link }) => `"${link}"`)].sort();
  return [
    ...block('set bridges', ['type ifname', `elements = { ${bridges.join(', ')} }`]),
    ...FAMILIES.flatMap((family) => portSets(family, portsOf(state, family))),
  ];
}

function portSets({ number, type }: FamilyWords, ports: readonly PortRule[]): Lines {
  const key = ({ protocol, hostPort }: PortRule): string => `${protocol} . ${hostPort}`;
  const target = ({ address, containerPort }: PortRule): string => `${address} . ${containerPort}`;
  const nat = ports.filter(({ routed }) => !routed);
  const any = nat.filter(({ hostIp }) => hostIp === undefined).map((port) => `${key(port)} : ${target(port)}`);
  const one = nat.flatMap((port) => (port.hostIp ? [`${port.hostIp} . ${key(port)} : ${target(port)}`] : []));
  const routed = ports.filter((port) => port.routed);
  const open = routed.map(({ address, protocol, containerPort }) => `${address} . ${protocol} . ${containerPort}`);
  return [
    ...filled(`map any${number}`, `type inet_proto . inet_service : ${type} . inet_service`, any),
    ...filled(`map host${number}`, `type ${type} . inet_proto . inet_service : ${type} . inet_service`, one),
    ...filled(`set routed${number}`, `type ${type} . inet_proto . inet_service`, open),
  ];
}

function filled(head: string, type: string, elements: Lines): Lines {
  if (elements.length === 0) return [];
  return block(head, [type, `elements = {`, ...[...new Set(elements)].sort().map((element) => `\t${element},`), '}']);
}

function block(head: string, rows: Lines): Lines {
  return [`${head} {`, ...rows.map(indent), '}', ''];
}

function destination(state: FirewallState): Lines {
  const rows = FAMILIES.flatMap((family) => {
    const nat = portsOf(state, family).filter(({ routed }) => !routed);
    const { number, ip } = family;
    const one = `dnat ${ip} to ${ip} daddr . meta l4proto . th dport map @host${number}`;
    const any = `dnat ${ip} to meta l4proto . th dport map @any${number}`;
    return [
      ...(nat.some(({ hostIp }) => hostIp !== undefined) ? [one] : []),
      ...(nat.some(({ hostIp }) => hostIp === undefined) ? [any] : []),
    ];
  });
  if (rows.length === 0) return [];
  // Loopback addresses are never translated: that would take route_localnet, which opens 127.0.0.1 to neighbours.
  const local = FAMILIES.map(({ ip, loopback }) => `${ip} daddr != ${loopback} fib daddr type local jump published`);
  return [
    ...block('chain published', rows),
    ...block('chain prerouting', ['type nat hook prerouting priority dstnat; policy accept;', ...local]),
    ...block('chain output', ['type nat hook output priority -100; policy accept;', ...local]),
  ];
}

/** Only drops: what another table drops stays dropped, whatever we accept. */
function forward({ bridges, closeTransit, ...state }: FirewallState): Lines {
  const internal = bridges.filter((bridge) => bridge.internal);
  return block('chain forward', [
    'type filter hook forward priority filter; policy accept;',
    `iifname != @bridges oifname != @bridges ${closeTransit ? 'drop' : 'accept'}`,
    'ct state established,related accept',
    ...internal.map(({ link }) => `iifname "${link}" oifname != "${link}" drop`),
    ...internal.map(({ link }) => `oifname "${link}" iifname != "${link}" drop`),
    // Frames within a bridge come by here where br_netfilter is loaded.
    ...bridges.map(({ link, icc }) => `iifname "${link}" oifname "${link}" ${icc ? 'accept' : 'drop'}`),
    'oifname @bridges ct status dnat accept',
    ...FAMILIES.flatMap((family) => opened(family, bridges, family.number === '4' ? state.ports4 : state.ports6)),
    'oifname @bridges drop',
  ]);
}

/** At the containers' own addresses. */
function opened(family: FamilyWords, bridges: readonly BridgeRules[], ports: readonly PortRule[]): Lines {
  const { ip, number, proto, echo } = family;
  const inMode = (mode: GatewayMode): readonly BridgeRules[] =>
    bridges.filter(
      (bridge) => subnetsOf(bridge, family).length > 0 && modeOf(bridge, family) === mode && !bridge.internal,
    );
  return [
    ...inMode('nat-unprotected').map(({ link }) => `oifname "${link}" meta nfproto ${proto} accept`),
    ...inMode('routed').map(({ link }) => `oifname "${link}" ${echo} accept`),
    ...(ports.some(({ routed }) => routed)
      ? inMode('routed').map(
          ({ link }) => `oifname "${link}" ${ip} daddr . meta l4proto . th dport @routed${number} accept`,
        )
      : []),
  ];
}

function source({ bridges }: FirewallState): Lines {
  const rows = FAMILIES.flatMap((family) =>
    bridges
      .filter((bridge) => !bridge.internal && modeOf(bridge, family) !== 'routed')
      .flatMap((bridge) => subnetsOf(bridge, family).flatMap((subnet) => sourceOf(family, bridge, subnet))),
  );
  return block('chain postrouting', ['type nat hook postrouting priority srcnat; policy accept;', ...rows]).slice(
    0,
    -1,
  );
}

/** The first row: a container that calls a published port of its own bridge has to get the answer from the host. */
function sourceOf({ ip, number }: FamilyWords, bridge: BridgeRules, subnet: string): Lines {
  const address = number === '4' ? bridge.hostIpv4 : bridge.hostIpv6;
  const action = address === undefined ? 'masquerade' : `snat ${ip} to ${address}`;
  return [
    `oifname "${bridge.link}" ${ip} saddr ${subnet} ct status dnat masquerade`,
    ...(bridge.masquerade ? [`oifname != "${bridge.link}" ${ip} saddr ${subnet} ${action}`] : []),
  ];
}
