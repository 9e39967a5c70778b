/** `tsrun run`: create, start, wait, delete. */
import { defineCommand } from '../command.js';
import { CREATE_OPTIONS, HELP_OPTION, TRACE_OPTION } from '../options.js';
import { createRequest } from './create.js';

export const run = defineCommand({
  name: 'run',
  summary: 'create and run a container',
  usage: '<container-id>',
  description: [
    'Creates a container, starts it, waits for its program and deletes the container. The exit status is that of the',
    'program, or 128 plus the number of the signal that ended it. Signals are passed on to the program; if tsrun itself',
    'is killed by KILL, the container goes on until "tsrun delete --force".',
  ],
  args: [1, 1],
  options: {
    ...CREATE_OPTIONS,
    detach: { kind: 'flag', short: 'd', help: 'do not wait for the program' },
    keep: { kind: 'flag', help: 'do not delete the container when its program has ended' },
    'no-subreaper': { kind: 'flag', help: 'accepted for compatibility: the supervisor always reaps' },
    ...TRACE_OPTION,
    ...HELP_OPTION,
  },
  async run(invocation) {
    const request = createRequest(invocation);
    const { runContainer } = await import('../../runtime/run.js');
    await runContainer(invocation.runtime, {
      ...request,
      detach: invocation.options.detach,
      keep: invocation.options.keep,
    });
    return 0;
  },
});
