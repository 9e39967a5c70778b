/** `tsrun resume`: the freezer of the container's cgroup. */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';

export const resume = defineCommand({
  name: 'resume',
  summary: 'let the processes of a paused container go on',
  usage: '<container-id>',
  description: ['Thaws the cgroup of the container.'],
  args: [1, 1],
  options: HELP_OPTION,
  async run({ args, runtime }) {
    const id = parseContainerId(args[0] ?? '');
    const { resumeContainer } = await import('../../runtime/resume.js');
    await resumeContainer(runtime, id);
    return 0;
  },
});
