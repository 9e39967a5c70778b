/**
 * The config.json of a container of the daemon: what dockerd would write for it, but that the runtime adds the standard
 * devices and the file systems of /dev by itself.
 *
 * Pure.
 */
import { OCI_VERSION } from '../../../spec/default.js';
import type { Config } from '../../../spec/types.gen.js';
import { linuxOf } from './linux.js';
import { mountsOf } from './mounts.js';
import { processOf } from './process.js';
import type { SpecRequest } from './request.js';

/** Throws TsrunError REQUEST_INVALID for what only shows when it is put together: a seccomp profile. */
export function containerSpec(request: SpecRequest): Config {
  const { config, hostConfig } = request.record;
  const { Domainname = '' } = config;
  const { Annotations = {}, ReadonlyRootfs = false, UTSMode = '' } = hostConfig;
  const named = UTSMode !== 'host';
  return {
    ociVersion: OCI_VERSION,
    process: processOf(request),
    root: { path: 'rootfs', readonly: ReadonlyRootfs },
    ...(named ? { hostname: request.hostname } : {}),
    ...(named && Domainname !== '' ? { domainname: Domainname } : {}),
    mounts: mountsOf(request),
    ...(Object.keys(Annotations).length === 0 ? {} : { annotations: Annotations }),
    linux: linuxOf(request),
  };
}
