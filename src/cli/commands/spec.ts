/** `tsrun spec`: a config.json to start from. */
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';

export const spec = defineCommand({
  name: 'spec',
  summary: 'write a config.json to start from',
  usage: '',
  description: [
    'Writes a config.json that runs "sh" in the directory rootfs of the bundle. Put a root file system there and change',
    'the file to taste.',
  ],
  examples: ['# mkdir -p bundle/rootfs && cd bundle', '# tsrun spec', '# tsrun run mycontainer'],
  args: [0, 0],
  options: {
    bundle: { kind: 'text', short: 'b', help: 'directory to write to', shownDefault: 'the current directory' },
    rootless: { kind: 'flag', help: 'write one for a user without root' },
    ...HELP_OPTION,
  },
  async run({ options, absolute }) {
    const { writeSpec } = await import('../../runtime/spec.js');
    writeSpec(absolute(options.bundle ?? '.'), { rootless: options.rootless });
    return 0;
  },
});
