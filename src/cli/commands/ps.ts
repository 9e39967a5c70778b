/** `tsrun ps`: the processes of a container. runc's two formats. */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { readTableOrJson } from '../format.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';

export const ps = defineCommand({
  name: 'ps',
  summary: 'list the processes of a container',
  usage: '<container-id> [ps options]',
  description: [
    'Shows what ps(1) of the host says about the processes of the container, those of exec and of sub-cgroups too. The',
    'default options are -ef; others must leave a PID column.',
  ],
  examples: ['# tsrun ps web -o pid,rss,args'],
  args: [1, Number.POSITIVE_INFINITY],
  programArgs: true,
  options: {
    format: { kind: 'text', short: 'f', help: "'table' or 'json' (an array of pids)", shownDefault: 'table' },
    ...HELP_OPTION,
  },
  async run({ args: [id = '', ...psArgs], options, runtime }) {
    const format = readTableOrJson(options.format);
    const container = parseContainerId(id);
    const { containerPids, printPids, psTable } = await import('../../runtime/ps.js');
    if (format === 'json') await printPids(runtime, container);
    else print(psTable(await containerPids(runtime, container), psArgs));
    return 0;
  },
});
