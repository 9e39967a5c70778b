/** `tsrun pause`: the freezer of the container's cgroup. */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';

export const pause = defineCommand({
  name: 'pause',
  summary: 'stop all processes of a container until it is resumed',
  usage: '<container-id>',
  description: [
    'Freezes the cgroup of the container, with the processes of exec and of sub-cgroups. Returns when all have stopped.',
  ],
  args: [1, 1],
  options: HELP_OPTION,
  async run({ args, runtime }) {
    const id = parseContainerId(args[0] ?? '');
    const { pauseContainer } = await import('../../runtime/pause.js');
    await pauseContainer(runtime, id);
    return 0;
  },
});
