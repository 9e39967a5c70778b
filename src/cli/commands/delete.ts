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
    'exit-status': { kind: 'text', help: "for the end of a foreground run: the program's", hidden: true },
    ...HELP_OPTION,
  },
  async run({ args, options, runtime }) {
    const id = parseContainerId(args[0] ?? '');
    const { deleteAfterRun, deleteContainer } = await import('../../runtime/delete.js');
    const { 'exit-status': status, force } = options;
    if (status !== undefined) return await deleteAfterRun(runtime, id, Number(status));
    await deleteContainer(runtime, id, { force });
    return 0;
  },
});
