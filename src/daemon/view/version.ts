/** What GET /version answers. */
import { arch, release } from 'node:os';
import { OCI_VERSION } from '../../spec/default.js';
import { COMMIT, VERSION } from '../../util/version.js';
import { LATEST, OLDEST } from '../http/api-version.js';

/** Go's names of architectures, by Node's. */
const ARCHITECTURES: { readonly [arch: string]: string } = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };

export const goArch = (name: string = arch()): string => ARCHITECTURES[name] ?? name;

export function systemVersion() {
  const common = {
    ApiVersion: LATEST,
    Arch: goArch(),
    GitCommit: COMMIT,
    KernelVersion: release(),
    MinAPIVersion: OLDEST,
    Os: 'linux',
    // Typed clients want these; there is no Go here, and the build keeps no time so that it is the same each time.
    BuildTime: '',
    GoVersion: '',
  };
  return {
    Platform: { Name: 'tsrun' },
    Components: [
      { Name: 'Engine', Version: VERSION, Details: { ...common, Experimental: 'false', NodeVersion: process.version } },
      { Name: 'tsrun', Version: VERSION, Details: { GitCommit: COMMIT, 'OCI runtime-spec': OCI_VERSION } },
    ],
    Version: VERSION,
    ...common,
  };
}
