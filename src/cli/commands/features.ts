/** `tsrun features`: what this runtime implements, for engines. runtime-spec features.md. */
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';

export const features = defineCommand({
  name: 'features',
  summary: 'show what tsrun implements, as JSON',
  usage: '',
  description: [
    'Prints the features document of the OCI runtime specification: hooks, mount options, namespaces, cgroups, seccomp',
    'and so on, as this build of tsrun has them. What this machine has is another question: --host prints the facts on',
    'which tsrun decides, and "tsrun check --host" takes them to check a bundle for the machine they come from.',
  ],
  examples: ['# tsrun features | jq .linux.seccomp', '# tsrun features --host > facts.json'],
  args: [0, 0],
  options: {
    host: { kind: 'flag', help: "print this machine's facts instead" },
    ...HELP_OPTION,
  },
  async run({ options }) {
    const { hostFactsText, readFeatures } = await import('../../runtime/features.js');
    if (options.host) {
      print(hostFactsText());
      return 0;
    }
    const [{ NAMES }, { COMMIT, VERSION }] = await Promise.all([import('../commands.js'), import('../version.js')]);
    const checkpoint = NAMES.includes('checkpoint');
    // Four spaces, as runc has it.
    print(`${JSON.stringify(readFeatures({ version: VERSION, commit: COMMIT, checkpoint }), undefined, 4)}\n`);
    return 0;
  },
});
