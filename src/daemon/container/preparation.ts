/**
 * The config.json of a start: everything that it needs of the host is looked up, mounted and joined here, and let go in
 * release(), which also finds what a killed daemon left.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_APPARMOR, defaultApparmor } from '../../bundle/apparmor.js';
import { accountFiles } from '../../bundle/files.js';
import { inUserNamespaceSpec, mappedAccount } from '../../bundle/rootless-spec.js';
import { type Account, addGroups, findAccount } from '../../bundle/users.js';
import { TsrunError } from '../../errors.js';
import { allDevices, devicesAt } from '../../host/devices.js';
import { runHelper } from '../../snapshot/helper.js';
import type { Config, Mount } from '../../spec/types.gen.js';
import { together } from '../../util/together.js';
import type { IdMaps } from '../../util/user-namespace.js';
import { type CgroupDriver, cgroupsPath } from '../cgroups.js';
import { badRequest, conflict } from '../http/api-error.js';
import { hostnameOf } from './hostname.js';
import type { ContainerMounts } from './mounts.js';
import { containerOf } from './options/modes.js';
import type { ContainerRecord } from './record.js';
import { containerSpec } from './spec/index.js';
import { apparmorProfile } from './spec/process.js';
import type { DeviceNumber, HostDevice, JoinedNamespaces, SpecHost } from './spec/request.js';
import { blockDevicePaths } from './spec/resources.js';

/** What the network of a container comes to. */
export interface PreparedNetwork {
  /** A path of its namespace, or the host's. */
  readonly namespace: string | 'host';
  /** hosts, hostname, resolv.conf: bound over those of the image. */
  readonly mounts: readonly Mount[];
  /** NAME=value: what is linked. */
  readonly environment: readonly string[];
  readonly warnings: readonly string[];
}

export interface ContainerNetworks {
  prepare(record: ContainerRecord): Promise<PreparedNetwork>;
  release(record: ContainerRecord): Promise<void>;
}

export interface PreparationDeps {
  readonly mounts: ContainerMounts;
  readonly networks: ContainerNetworks;
  /** <data root>/containers */
  readonly directory: string;
  readonly containers: {
    /** Throws ApiError 404. */
    find(name: string): ContainerRecord;
  };
  readonly host: SpecHost;
  readonly driver: CgroupDriver;
  /** Of the user namespace that the daemon is root of; undefined: it is root of the host. */
  readonly ids: IdMaps | undefined;
  /** Where Init is asked for and nobody says otherwise. */
  readonly init: boolean;
  warn(message: string): void;
}

export interface PreparationPlace {
  readonly bundle: string;
  /** The directories that show the root file system, the uppermost first. */
  readonly directories: readonly string[];
}

export interface Preparation {
  prepare(record: ContainerRecord, place: PreparationPlace): Promise<Config>;
  release(record: ContainerRecord): Promise<void>;
  discard(record: ContainerRecord, volumes: boolean): Promise<void>;
}

export function preparation(deps: PreparationDeps): Preparation {
  const bundleOf = ({ id }: ContainerRecord) => join(deps.directory, id);
  return {
    prepare: (record, place) => prepare(deps, record, place),
    async release(record) {
      await together(
        deps.networks.release(record),
        unmountShm(join(bundleOf(record), 'shm')),
        deps.mounts.release(record, bundleOf(record)),
      );
    },
    discard: (record, volumes) => deps.mounts.discard(record, volumes),
  };
}

async function prepare(
  deps: PreparationDeps,
  record: ContainerRecord,
  { bundle, directories }: PreparationPlace,
): Promise<Config> {
  const { hostConfig } = record;
  const [account, mounts, network] = await together(
    accountOf(record, directories),
    deps.mounts.prepare(record, bundle),
    deps.networks.prepare(record),
  );
  for (const warning of network.warnings) deps.warn(`container ${record.id}: ${warning}`);
  const { ids } = deps;
  const config = containerSpec({
    record,
    account: ids === undefined ? account : mappedAccount(account, ids),
    mounts,
    hostname: hostnameOf(record, (name) => deps.containers.find(name)),
    networkFiles: network.mounts,
    linked: network.environment,
    namespaces: { ...joined(deps, record), network: network.namespace },
    shmPath: await shm(deps, record, bundle),
    devices: devicesOf(record),
    blockDevices: blockDevicesOf(record),
    cgroupsPath: cgroupsPath(deps.driver, hostConfig.CgroupParent ?? '', record.id),
    apparmor: apparmorOf(deps, record),
    initPath: (hostConfig.Init ?? deps.init) ? initPath() : undefined,
    host: deps.host,
  });
  return ids === undefined ? config : inUserNamespaceSpec(config, ids);
}

/** Ours is loaded with the first container that has it. Throws TsrunError HOST_UNSUPPORTED. */
function apparmorOf({ host, warn }: PreparationDeps, { id, hostConfig }: ContainerRecord): string | undefined {
  const profile = apparmorProfile(hostConfig);
  if (!host.apparmor || profile === 'unconfined') return undefined;
  return profile === DEFAULT_APPARMOR ? defaultApparmor((message) => warn(`container ${id}: ${message}`)) : profile;
}

/** Who the program runs as. Throws ApiError 400. */
async function accountOf({ config, hostConfig }: ContainerRecord, directories: readonly string[]): Promise<Account> {
  const user = config.User ?? '';
  const files = await accountFiles(directories);
  try {
    return addGroups(findAccount(user, files, ''), hostConfig.GroupAdd ?? [], files, '');
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    throw badRequest(error.message, error);
  }
}

function joined(deps: PreparationDeps, { hostConfig }: ContainerRecord): Omit<JoinedNamespaces, 'network'> {
  const { PidMode = '', IpcMode = '' } = hostConfig;
  const path = (mode: string, kind: string): string | undefined => {
    if (mode === 'host') return 'host';
    const name = containerOf(mode, kind);
    return name === undefined ? undefined : `/proc/${runningContainer(deps, name, kind).state.pid}/ns/${kind}`;
  };
  return { pid: path(PidMode, 'pid'), ipc: path(IpcMode, 'ipc') };
}

function runningContainer(deps: PreparationDeps, name: string, kind: string): ContainerRecord {
  const other = deps.containers.find(name);
  if (other.state.status === 'running') return other;
  throw conflict(`cannot join ${kind.toUpperCase()} namespace of a non running container: ${name}`);
}

/** One tmpfs on the host for all that share it. */
async function shm(
  deps: PreparationDeps,
  { hostConfig }: ContainerRecord,
  bundle: string,
): Promise<string | undefined> {
  const { IpcMode = '', ShmSize = 0 } = hostConfig;
  const name = containerOf(IpcMode, 'IPC');
  if (name !== undefined) {
    const other = deps.containers.find(name);
    if (other.hostConfig.IpcMode === 'host') return '/dev/shm';
    if (other.hostConfig.IpcMode !== 'shareable')
      throw conflict(
        `cannot join IPC of ${name}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
      );
    return join(deps.directory, other.id, 'shm');
  }
  if (IpcMode !== 'shareable') return undefined;
  const place = join(bundle, 'shm');
  mkdirSync(place, { recursive: true, mode: 0o700 });
  await runHelper({
    verb: 'volume',
    args: [place, 'tmpfs', 'shm', FLAGS, `mode=1777,size=${ShmSize}`],
    subject: place,
  });
  return place;
}

/** MS_NOSUID, MS_NODEV, MS_NOEXEC. */
const FLAGS = String(2 | 4 | 8);

async function unmountShm(place: string): Promise<void> {
  if (!existsSync(place)) return;
  await runHelper({ verb: 'unmount', args: [place], subject: place }).catch(() => undefined); // it was not mounted
}

function devicesOf({ hostConfig }: ContainerRecord): HostDevice[] {
  const { Privileged = false, Devices = [] } = hostConfig;
  if (Privileged) return allDevices().map((device) => ({ ...device, access: 'rwm' }));
  return Devices.flatMap(({ PathOnHost = '', PathInContainer = '', CgroupPermissions = '' }) => {
    const inside = PathInContainer || PathOnHost;
    return deviceNodes(PathOnHost).map((device) => {
      const path = device.path === PathOnHost ? inside : join(inside, device.path.slice(PathOnHost.length));
      return { ...device, path, access: CgroupPermissions || 'rwm' };
    });
  });
}

function deviceNodes(path: string) {
  const why = 'error gathering device information while adding custom device';
  try {
    const nodes = devicesAt(path);
    if (nodes.length > 0) return nodes;
  } catch (error) {
    throw badRequest(`${why} "${path}": no such file or directory`, error);
  }
  throw badRequest(`${why} "${path}": not a device node`);
}

function blockDevicesOf({ hostConfig }: ContainerRecord): { readonly [path: string]: DeviceNumber } {
  return Object.fromEntries(
    blockDevicePaths(hostConfig).map((path) => {
      const [device] = deviceNodes(path);
      return [path, { major: device?.major ?? 0, minor: device?.minor ?? 0 }];
    }),
  );
}

/** It runs in any image, so it must be a static program. */
const INITS = ['/usr/libexec/docker/docker-init', '/usr/bin/docker-init', '/usr/bin/tini-static', '/sbin/docker-init'];

function initPath(): string {
  const found = INITS.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw badRequest(`Init: there is no init program on this host: install tini (${INITS.join(', ')})`);
}
