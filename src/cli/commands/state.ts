/** `tsrun state`: the OCI state of a container as JSON. runtime-spec runtime.md, "Query State". */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';

export const state = defineCommand({
  name: 'state',
  summary: 'show the state of a container',
  usage: '<container-id>',
  description: ['Prints the OCI state of a container as JSON.'],
  args: [1, 1],
  options: HELP_OPTION,
  async run({ args, runtime }) {
    const id = parseContainerId(args[0] ?? '');
    const { printState } = await import('../../runtime/state.js');
    await printState(runtime, id);
    return 0;
  },
});
