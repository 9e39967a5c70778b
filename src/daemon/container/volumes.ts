/** The volumes of containers' mount points: requests for them, with dockerd's rules for names. */
import { randomBytes } from 'node:crypto';
import type { VolumeRequest } from '../../volume/types.js';
import type { MountPoint } from './record.js';

/** By which clients tell that nobody chose the name. */
const ANONYMOUS = 'com.docker.volume.anonymous';

export const anonymousName = (): string => randomBytes(32).toString('hex');

/** name '': one is made up. */
export function volumeRequest(
  name: string,
  driver: string,
  options: { readonly [name: string]: string },
  labels: { readonly [name: string]: string },
): VolumeRequest {
  const anonymous = name === '';
  return {
    name: anonymous ? anonymousName() : name,
    driver: driver === '' ? 'local' : driver,
    options,
    labels: anonymous ? { ...labels, [ANONYMOUS]: '' } : labels,
    anonymous,
  };
}

export function requestOf({ Name = '', Driver = 'local', spec }: MountPoint): VolumeRequest {
  const request = volumeRequest(Name, Driver, spec.driverOptions ?? {}, spec.labels ?? {});
  if (spec.anonymous !== true) return request;
  return { ...request, labels: { ...request.labels, [ANONYMOUS]: '' }, anonymous: true };
}
