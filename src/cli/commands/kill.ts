/** `tsrun kill`: a signal for the first process. runtime-spec runtime.md, "Kill". */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';

export const kill = defineCommand({
  name: 'kill',
  summary: "send a signal to a container's first process",
  usage: '<container-id> [signal]',
  description: [
    'The signal is a name (TERM, SIGTERM, RTMIN+3) or a number; without one it is TERM. KILL ends all processes of a',
    'container that has no pid namespace of its own, because they would outlive its first one.',
  ],
  examples: ['# tsrun kill web KILL'],
  args: [1, 2],
  options: {
    all: { kind: 'flag', short: 'a', help: 'send it to every process of the container; no error when it has stopped' },
    ...HELP_OPTION,
  },
  async run({ args, options, runtime }) {
    const id = parseContainerId(args[0] ?? '');
    const { killContainer, readSignal } = await import('../../runtime/kill.js');
    await killContainer(runtime, id, readSignal(args[1] ?? 'TERM'), options.all);
    return 0;
  },
});
