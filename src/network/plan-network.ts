/** What a user asked for as a record: names, drivers and options checked, addresses planned. Pure but for the id. */
import { randomBytes } from 'node:crypto';
import { quote } from '../util/quote.js';
import type { Family } from './address.js';
import { NetworkError } from './errors.js';
import { type AddressPool, planSubnets, type TakenPrefix } from './ipam.js';
import { bridgeOptions, ipv6Option, ipvlanOptions, macvlanOptions } from './options.js';
import type { NetworkDriver, NetworkRecord, NetworkRequest } from './types.js';

/** dockerd takes more than it says; nothing of ours is called by it. */
const NAME = /^[^\s/.\p{C}-][^/\p{C}]{0,254}$/u;
const PREDEFINED: readonly string[] = ['bridge', 'host', 'none', 'default'];
const IPAM_DRIVERS: readonly string[] = ['', 'default', 'null'];

export interface NetworkSurroundings {
  readonly names: ReadonlySet<string>;
  readonly taken: readonly TakenPrefix[];
  readonly pools: readonly AddressPool[] | undefined;
  readonly bridgePrefix: string;
}

/** Throws NETWORK_INVALID, NETWORK_CONFLICT, NETWORK_FORBIDDEN, NETWORK_NOT_FOUND. */
export function planNetwork(request: NetworkRequest, around: NetworkSurroundings, predefined = false): NetworkRecord {
  const { name } = request;
  const id = randomBytes(32).toString('hex');
  if (!predefined) checkName(name, around.names);
  const driver = checkDriver(request.driver, predefined);
  const internal = request.internal === true;
  const options = request.options ?? {};
  const families = familiesOf(request, driver);
  const link = linkOf(id, driver, options, internal, around.bridgePrefix);
  const ipamDriver = request.ipam?.driver ?? '';
  if (!IPAM_DRIVERS.includes(ipamDriver))
    throw new NetworkError('NETWORK_NOT_FOUND', `IPAM driver ${quote(ipamDriver)} not found`, {
      hint: 'leave it out, or write default',
    });
  return {
    id,
    name,
    driver,
    created: new Date().toISOString(),
    predefined,
    internal,
    attachable: request.attachable === true,
    enableIPv4: families.includes(4),
    enableIPv6: families.includes(6),
    ipam: {
      driver: ipamDriver || 'default',
      options: request.ipam?.options ?? {},
      config: subnetsOf(request, id, driver, families, around),
    },
    options,
    labels: request.labels ?? {},
    ...(link === undefined ? {} : { link }),
  };
}

function checkName(name: string, taken: ReadonlySet<string>): void {
  if (PREDEFINED.includes(name))
    throw new NetworkError('NETWORK_FORBIDDEN', `operation is not permitted on predefined ${name} network`);
  if (!NAME.test(name))
    throw new NetworkError('NETWORK_INVALID', `invalid network name: ${quote(name)}`, {
      hint: 'a name has at most 255 characters, no slash and no line break, and begins with none of dot, dash and space',
    });
  if (taken.has(name))
    throw new NetworkError('NETWORK_CONFLICT', `network with name ${name} already exists`, {
      hint: 'use that one, or remove it, or choose another name',
    });
}

function checkDriver(driver: string, predefined: boolean): NetworkDriver {
  switch (driver) {
    case '':
    case 'default':
      return 'bridge';
    case 'bridge':
    case 'macvlan':
    case 'ipvlan':
      return driver;
    case 'host':
    case 'null':
      if (predefined) return driver;
      throw new NetworkError('NETWORK_FORBIDDEN', `only one instance of "${driver}" network is allowed`);
    case 'overlay':
      throw new NetworkError('NETWORK_FORBIDDEN', 'driver overlay needs a swarm, which this daemon has not', {
        hint: 'use the driver bridge, macvlan or ipvlan',
      });
    default:
      throw new NetworkError('NETWORK_NOT_FOUND', `network driver ${quote(driver)}: plugin not found`, {
        hint: 'the drivers are bridge, macvlan and ipvlan',
      });
  }
}

function familiesOf({ enableIPv4, enableIPv6, options = {} }: NetworkRequest, driver: NetworkDriver): Family[] {
  if (driver === 'host' || driver === 'null') return [];
  const ipv6 = enableIPv6 === true || ipv6Option(options);
  const families: Family[] = [...(enableIPv4 === false ? [] : [4 as const]), ...(ipv6 ? [6 as const] : [])];
  if (families.length === 0)
    throw new NetworkError('NETWORK_INVALID', 'IPv4 or IPv6 must be enabled', { hint: 'leave --ipv4=false out' });
  return families;
}

/** Reads every option of the driver as well: a bad one is refused here. */
function linkOf(
  id: string,
  driver: NetworkDriver,
  options: NonNullable<NetworkRequest['options']>,
  internal: boolean,
  prefix: string,
): string | undefined {
  if (driver === 'bridge') return bridgeOptions(options, internal).name ?? `${prefix}${id.slice(0, 12)}`;
  if (driver === 'macvlan') return parentOf(macvlanOptions(options).parent, driver, internal);
  return driver === 'ipvlan' ? parentOf(ipvlanOptions(options).parent, driver, internal) : undefined;
}

function parentOf(parent: string | undefined, driver: string, internal: boolean): string | undefined {
  if (parent === undefined && !internal)
    throw new NetworkError('NETWORK_INVALID', `driver ${driver}: no parent link is given`, {
      hint: 'add the option parent, for example -o parent=eth0',
    });
  return parent;
}

function subnetsOf(
  { ipam }: NetworkRequest,
  networkId: string,
  driver: NetworkDriver,
  families: readonly Family[],
  { taken, pools }: NetworkSurroundings,
): NetworkRecord['ipam']['config'] {
  if (families.length === 0) return [];
  const sharesLink = driver !== 'bridge';
  return planSubnets({ networkId, families, config: ipam?.config ?? [], sharesLink }, taken, pools);
}
