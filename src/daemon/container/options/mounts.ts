/**
 * All mount points of a container: HostConfig.Binds, Mounts and Tmpfs, and the volumes of Config that nothing else is
 * mounted at. Those of other containers (VolumesFrom) come before, and give way.
 *
 * Pure.
 */
import type { ContainerConfig, HostConfig } from '../../api/types.gen.js';
import type { MountPoint } from '../record.js';
import { anonymousVolume, destinationOf, parseBind } from './bind.js';
import { parseMount } from './mount-request.js';
import { refuse } from './refuse.js';
import { checkTmpfs } from './tmpfs.js';

const MANY = 10_000;

/** inherited: of VolumesFrom, in the order named. Throws TsrunError REQUEST_INVALID. */
export function mountPoints(
  config: ContainerConfig,
  host: HostConfig,
  inherited: readonly MountPoint[] = [],
): readonly MountPoint[] {
  const driver = host.VolumeDriver || 'local';
  const { Binds = [], Mounts = [], Tmpfs = {} } = host;
  if (Binds.length + Mounts.length > MANY) throw refuse(`more than ${MANY} mounts`);
  const own = [...Binds.map((spec) => parseBind(spec, driver)), ...Mounts.map((mount) => parseMount(mount, driver))];
  const taken = new Set<string>();
  for (const { Destination } of own) take(taken, Destination);
  for (const [path, options] of Object.entries(Tmpfs)) {
    take(taken, destinationOf(path, path));
    checkTmpfs(path, options);
  }
  const all = new Map(inherited.filter(({ Destination }) => !taken.has(Destination)).map((at) => [at.Destination, at]));
  for (const point of own) all.set(point.Destination, point);
  for (const path of Object.keys(config.Volumes ?? {})) {
    const destination = destinationOf(path, path);
    if (!all.has(destination) && !taken.has(destination)) all.set(destination, anonymousVolume(destination, driver));
  }
  return [...all.values()];
}

function take(taken: Set<string>, destination: string): void {
  if (taken.has(destination)) throw refuse(`Duplicate mount point: ${destination}`);
  taken.add(destination);
}

/** "container[:ro|rw]" of VolumesFrom. */
export function parseVolumesFrom(spec: string): { readonly container: string; readonly mode: string } {
  const [container = '', mode = '', ...more] = spec.split(':');
  if (container === '' || more.length > 0) throw refuse(`invalid volumes-from specification: ${spec}`);
  if (!mode.split(',').every((word) => ['', 'ro', 'rw', 'z', 'Z'].includes(word)))
    throw refuse(`invalid mode: ${mode} (VolumesFrom: ${spec})`);
  return { container, mode };
}
