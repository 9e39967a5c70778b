/** `tsrun wait`: the exit status of a container, as soon as there is one. No other runtime has it. */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';

export const wait = defineCommand({
  name: 'wait',
  summary: 'wait for a container to end and tell how it ended',
  usage: '<container-id>',
  description: [
    'Waits until the first process of the container has ended and prints its exit status: 0 to 255, or 128 plus the number',
    'of the signal that ended it. Any number of waiters may wait, also after the end: then the status comes from the record',
    'of "create --exit-file" or "run --keep".',
  ],
  examples: ['# tsrun run -d --exit-file /run/web.exit web', '# tsrun wait --json web'],
  args: [1, 1],
  options: {
    json: { kind: 'flag', help: 'print the whole record: exitCode, signal, oomKilled, finished' },
    exit: { kind: 'flag', short: 'e', help: 'print nothing and end with the exit status of the container' },
    ...HELP_OPTION,
  },
  async run({ args, options, runtime }) {
    const id = parseContainerId(args[0] ?? '');
    const { waitContainer } = await import('../../runtime/wait.js');
    const { record, json } = await waitContainer(runtime, id);
    if (options.exit) return record.exitCode;
    print(options.json ? json : `${record.exitCode}\n`);
    return 0;
  },
});
