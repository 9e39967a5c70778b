/** The daemon's configuration as the module network takes it. Pure. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { NetworkingOptions, UserNetwork } from '../../network/index.js';
import type { DaemonConfig } from '../config/config.js';
import { EXEC_ROOT } from '../config/places.js';
import type { Log } from '../log.js';

/** Two daemons of one machine have two exec roots: so the rules and links of each have a name of their own. */
function tableOf(execRoot: string): string {
  if (execRoot === EXEC_ROOT) return 'tsrun';
  return `tsrun-${createHash('sha256').update(execRoot).digest('hex').slice(0, 8)}`;
}

/** user: where bridges are for a daemon without rights over the host's network. */
export function networkingOptions(
  { execRoot, network }: DaemonConfig,
  log: Log,
  user: UserNetwork | undefined,
): NetworkingOptions {
  const { bridge, bip, fixedCidr, ip, dns, dnsSearch, dnsOptions, pools, firewall, forwarding } = network;
  return {
    runDirectory: join(execRoot, 'network'),
    table: tableOf(execRoot),
    ...(bridge === undefined ? {} : { defaultBridge: bridge }),
    ...(bip === undefined ? {} : { defaultBridgeAddress: bip }),
    ...(fixedCidr === undefined ? {} : { defaultBridgeRange: fixedCidr }),
    defaultBridgeOptions: bridgeOptions(network),
    ...(pools.length === 0 ? {} : { addressPools: pools }),
    ...{ firewall, ipForward: forwarding },
    ...(ip === undefined ? {} : { defaultHostIp: ip }),
    ...{ dns, dnsSearch, dnsOptions },
    ...(user === undefined ? {} : user.options),
    log: (level, message) => log[level](message),
  };
}

/** Only what differs from Docker's own: the record of the bridge is compared with it. */
function bridgeOptions({ mtu, icc, masquerade }: DaemonConfig['network']): { readonly [name: string]: string } {
  return {
    ...(mtu === undefined ? {} : { 'com.docker.network.driver.mtu': String(mtu) }),
    ...(icc ? {} : { 'com.docker.network.bridge.enable_icc': 'false' }),
    ...(masquerade ? {} : { 'com.docker.network.bridge.enable_ip_masquerade': 'false' }),
  };
}
