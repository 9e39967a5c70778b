/** `tsrun create`: a bundle becomes a container that waits for start. runtime-spec runtime.md, "Create". */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand, type Invocation } from '../command.js';
import { CREATE_OPTIONS, HELP_OPTION, TRACE_OPTION } from '../options.js';

const OPTIONS = { ...CREATE_OPTIONS, ...TRACE_OPTION, ...HELP_OPTION };

/** The part of the request that create and run share. Paths become absolute before anything else happens. */
export function createRequest({ options, args, globals, absolute }: Invocation<typeof OPTIONS>) {
  const pathOf = (path: string | undefined) => (path === undefined ? undefined : absolute(path));
  return {
    id: parseContainerId(args[0] ?? ''),
    bundle: absolute(options.bundle ?? '.'),
    consoleSocket: pathOf(options['console-socket']),
    pidFile: pathOf(options['pid-file']),
    pidfdSocket: pathOf(options['pidfd-socket']),
    exitFile: pathOf(options['exit-file']),
    noPivot: options['no-pivot'],
    noNewKeyring: options['no-new-keyring'],
    preserveFds: options['preserve-fds'],
    systemdCgroup: globals.systemdCgroup,
  };
}

export const create = defineCommand({
  name: 'create',
  summary: 'create a container',
  usage: '<container-id>',
  description: [
    'Makes a container from a bundle: a directory with a config.json and a root file system. Its first process then',
    'waits; "tsrun start" lets it run the program.',
  ],
  args: [1, 1],
  options: OPTIONS,
  async run(invocation) {
    const request = createRequest(invocation);
    const { createContainer } = await import('../../runtime/create.js');
    await createContainer(invocation.runtime, request, true);
    return 0;
  },
});
