/** The daemon's configuration as the module network takes it. Pure. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { NetworkingOptions } from '../../network/index.js';
import { type DaemonConfig, DEFAULT_EXEC_ROOT } from '../config/config.js';
import type { Log } from '../log.js';

/** Two daemons of one machine have two exec roots: so the rules and links of each have a name of their own. */
function tableOf(execRoot: string): string {
  if (execRoot === DEFAULT_EXEC_ROOT) return 'tsrun';
  return `tsrun-${createHash('sha256').update(execRoot).digest('hex').slice(0, 8)}`;
}

export function networkingOptions({ execRoot, network }: DaemonConfig, log: Log): NetworkingOptions {
  const { bridge, bip, ip, dns, dnsSearch, dnsOptions } = network;
  return {
    runDirectory: join(execRoot, 'network'),
    table: tableOf(execRoot),
    ...(bridge === undefined ? {} : { defaultBridge: bridge }),
    ...(bip === undefined ? {} : { defaultBridgeAddress: bip }),
    ...(ip === undefined ? {} : { defaultHostIp: ip }),
    ...{ dns, dnsSearch, dnsOptions },
    log: (level, message) => log[level](message),
  };
}
