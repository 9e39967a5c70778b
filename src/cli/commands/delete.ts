/** `tsrun delete`: what create made is undone. runtime-spec runtime.md, "Delete". */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION, TRACE_OPTION } from '../options.js';

export const remove = defineCommand({
  name: 'delete',
  summary: 'remove what a container holds on the host',
  usage: '<container-id>',
  description: ['Removes a stopped container: its cgroup and its state. One that was never started is killed first.'],
  args: [1, 1],
  options: {
    force: { kind: 'flag', short: 'f', help: 'kill it first if it runs; no error when it does not exist' },
    ...TRACE_OPTION,
    ...HELP_OPTION,
  },
  async run({ args, options, runtime }) {
    const id = parseContainerId(args[0] ?? '');
    const { deleteContainer } = await import('../../runtime/delete.js');
    deleteContainer(runtime, id, { force: options.force });
    return 0;
  },
});
