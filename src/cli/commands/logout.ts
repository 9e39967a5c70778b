/** `tsrun logout`: forgets the credentials for a registry. */
import { TsrunError } from '../../errors.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';

export const logout = defineCommand({
  name: 'logout',
  summary: 'log out of a registry',
  usage: '[registry]',
  description: ['Removes what "tsrun login" or "docker login" kept for the registry, docker.io if none is given.'],
  args: [0, 1],
  options: HELP_OPTION,
  async run({ args, environment }) {
    const { DEFAULT_REGISTRY } = await import('../../registry/reference.js');
    const { eraseCredentials, readDockerConfig } = await import('../../image/docker-config.js');
    const registry = args[0] ?? DEFAULT_REGISTRY;
    const config = readDockerConfig(environment);
    if (config === undefined)
      throw new TsrunError('IO', 'credentials: neither DOCKER_CONFIG nor HOME says where they are kept');
    const had = await eraseCredentials(config, registry, environment);
    print(had ? `Removing login credentials for ${registry}\n` : `Not logged in to ${registry}\n`);
    return 0;
  },
});
