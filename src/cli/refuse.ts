/** Options that are part of the grammar but not built yet: a clear refusal beats doing something else. */
import { UsageError } from '../errors.js';
import type { Globals } from './command.js';

export function refuseSystemd({ systemdCgroup }: Globals): void {
  if (!systemdCgroup) return;
  throw new UsageError(
    'the systemd cgroup driver is not built yet; leave --systemd-cgroup out and give linux.cgroupsPath as a path',
    '--systemd-cgroup',
    'engines choose the driver: containerd SystemdCgroup = false, podman --cgroup-manager cgroupfs, dockerd native.cgroupdriver=cgroupfs',
  );
}
