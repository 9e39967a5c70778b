/** `tsrun start`: a created container runs its program. runtime-spec runtime.md, "Start". */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION, TRACE_OPTION } from '../options.js';

export const start = defineCommand({
  name: 'start',
  summary: 'run the program of a created container',
  usage: '<container-id>',
  description: ['Lets the first process of a container that "tsrun create" made run its program.'],
  args: [1, 1],
  options: { ...TRACE_OPTION, ...HELP_OPTION },
  async run({ args, runtime }) {
    const id = parseContainerId(args[0] ?? '');
    const { startContainer } = await import('../../runtime/start.js');
    await startContainer(runtime, id);
    return 0;
  },
});
