/** A config.json with the options of `tsrun image run` alone, and no network but the host's or none. */
import { accountFiles, networkFiles } from '../../bundle/files.js';
import { imageSpec } from '../../bundle/image-spec.js';
import { findAccount } from '../../bundle/users.js';
import { readImage } from '../../image/image.js';
import type { ContentStore } from '../../image/store.js';
import { hostFacts } from '../../runtime/runtime.js';
import type { Extension } from './surroundings.js';

export function minimalExtension(content: ContentStore): Extension {
  return {
    async prepare({ id, config, hostConfig, image }, { bundle, directories }) {
      const stored = readImage(content, content.resolve(image.manifest));
      const account = findAccount(config.User ?? '', await accountFiles(directories), 'User');
      const hostname = config.Hostname || id.slice(0, 12);
      const hostNetwork = hostConfig.NetworkMode === 'host';
      const { Cmd = [], Entrypoint = [], Env = [] } = config;
      const choices = {
        ...{ id, hostname, hostNetwork, env: Env, labels: {}, poststop: [] },
        args: [...Entrypoint.slice(1), ...Cmd],
        entrypoint: Entrypoint[0] ?? (Cmd.length === 0 ? undefined : ''),
        workingDir: config.WorkingDir || undefined,
        terminal: config.Tty === true,
        readOnly: hostConfig.ReadonlyRootfs === true,
        mounts: networkFiles(bundle, hostname, hostNetwork),
      };
      const host = { cgroupNamespace: hostFacts().cgroup.layout === 'unified', arch: process.arch };
      return imageSpec(stored.config, account, choices, host).config;
    },
    async release() {},
    async discard() {},
  };
}
