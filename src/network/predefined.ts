/** The networks that are always there: bridge, host, none. */
import { formatAddress, formatPrefix, maskPrefix, parseInterface } from './address.js';
import type { Book } from './book.js';
import type { TakenPrefix } from './ipam.js';
import { BRIDGE_NAME } from './options.js';
import { planNetwork } from './plan-network.js';
import type { IpamConfig, NetworkDriver, NetworkingOptions, NetworkRecord, NetworkRequest } from './types.js';

export const DEFAULT_BRIDGE = 'docker0';
/** As `bridge` of dockerd's configuration: there is no default bridge. */
export const NO_BRIDGE = 'none';
const BRIDGE = 'com.docker.network.bridge.';

/** Those that are missing in the book, and the default bridge if the configuration names another link or address. */
export function predefinedNetworks(
  book: Book,
  options: NetworkingOptions,
  taken: () => readonly TakenPrefix[],
): NetworkRecord[] {
  const there = (name: string): NetworkRecord | undefined =>
    [...book.networks.values()].find((network) => network.predefined && network.name === name);
  const plain = [
    { name: 'host', driver: 'host' as const },
    { name: 'none', driver: 'null' as const },
  ].filter(({ name }) => !there(name));
  const made = plain.map(({ name, driver }) => plan({ name, driver }, options, []));
  if (options.defaultBridge === NO_BRIDGE) return made;
  const bridge = there('bridge');
  const request = bridgeRequest(options);
  return bridge && isAsAsked(bridge, request) ? made : [...made, plan(request, options, taken())];
}

function plan(
  request: NetworkRequest & { readonly driver: NetworkDriver },
  { addressPools, bridgePrefix = '' }: NetworkingOptions,
  taken: readonly TakenPrefix[],
): NetworkRecord {
  return planNetwork(request, { names: new Set(), taken, pools: addressPools, bridgePrefix }, true);
}

function bridgeRequest({
  defaultBridge = DEFAULT_BRIDGE,
  defaultBridgeAddress,
  defaultBridgeRange,
  defaultBridgeOptions = {},
}: NetworkingOptions): NetworkRequest & { readonly driver: NetworkDriver } {
  return {
    name: 'bridge',
    driver: 'bridge',
    options: {
      [`${BRIDGE}default_bridge`]: 'true',
      [`${BRIDGE}enable_icc`]: 'true',
      [`${BRIDGE}enable_ip_masquerade`]: 'true',
      [`${BRIDGE}host_binding_ipv4`]: '0.0.0.0',
      [BRIDGE_NAME]: defaultBridge,
      'com.docker.network.driver.mtu': '1500',
      ...defaultBridgeOptions,
    },
    ...(defaultBridgeAddress === undefined
      ? {}
      : { ipam: { config: [configOf(defaultBridgeAddress, defaultBridgeRange)] } }),
  };
}

/** `bip`: "172.26.0.1/16" is the gateway and its subnet. */
function configOf(text: string, ipRange: string | undefined): IpamConfig {
  const address = parseInterface(text, 'bip');
  const whole = { subnet: formatPrefix(maskPrefix(address)), gateway: formatAddress(address) };
  return ipRange === undefined ? whole : { ...whole, ipRange };
}

function isAsAsked({ options, ipam }: NetworkRecord, request: NetworkRequest): boolean {
  const [wanted] = request.ipam?.config ?? [];
  const [config] = ipam.config;
  const keys = ['subnet', 'gateway', 'ipRange'] as const;
  const same = wanted === undefined || keys.every((key) => wanted[key] === config?.[key]);
  return same && JSON.stringify(options) === JSON.stringify(request.options);
}
