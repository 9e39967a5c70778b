/** Containers with the host's network, or with none but a loopback interface: what needs no network of the daemon. */
import { networkFiles } from '../../bundle/files.js';
import type { ContainerNetworks } from './preparation.js';

export function isolatedNetworks(): ContainerNetworks {
  return {
    async prepare({ id, config, hostConfig }, bundle) {
      const onHost = hostConfig.NetworkMode === 'host';
      const hostname = config.Hostname || id.slice(0, 12);
      return { namespace: onHost ? 'host' : undefined, hostname, files: networkFiles(bundle, hostname, onHost) };
    },
    async release() {},
  };
}
