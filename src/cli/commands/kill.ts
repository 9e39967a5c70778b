/** `tsrun kill`: a signal for the first process. runtime-spec runtime.md, "Kill". */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';

export const kill = defineCommand({
  name: 'kill',
  summary: "send a signal to a container's first process",
  usage: '<container-id> [signal]',
  description: ['The signal is a name (TERM, SIGTERM, RTMIN+3) or a number; without one it is TERM.'],
  examples: ['# tsrun kill web KILL'],
  args: [1, 2],
  options: {
    all: { kind: 'flag', short: 'a', help: 'no error when the container has stopped', hidden: true },
    ...HELP_OPTION,
  },
  async run({ args, options, runtime }) {
    const id = parseContainerId(args[0] ?? '');
    const { killContainer, readSignal } = await import('../../runtime/kill.js');
    killContainer(runtime, id, readSignal(args[1] ?? 'TERM'), options.all);
    return 0;
  },
});
