/** `tsrun restore`: a container from the images of a checkpoint. The flags are runc's. */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';
import { CRIU_OPTIONS, criuChoices } from './checkpoint.js';

export const restore = defineCommand({
  name: 'restore',
  summary: 'bring a container back from a checkpoint',
  usage: '<container-id>',
  description: [
    'Needs the bundle the container was made from, and the images "tsrun checkpoint" has written. Waits for the program',
    'as "tsrun run" does, unless detached.',
  ],
  args: [1, 1],
  options: {
    ...CRIU_OPTIONS,
    bundle: { kind: 'text', short: 'b', help: 'directory of config.json', shownDefault: 'the current directory' },
    'console-socket': { kind: 'text', help: "AF_UNIX socket that receives the master of the container's terminal" },
    detach: { kind: 'flag', short: 'd', help: 'do not wait for the program' },
    'pid-file': { kind: 'text', help: "file to write the container's pid to" },
    'no-subreaper': { kind: 'flag', help: 'accepted for compatibility: the supervisor always reaps' },
    'no-pivot': { kind: 'flag', help: 'accepted for compatibility: CRIU changes the root' },
    'lsm-profile': { kind: 'text', help: 'TYPE:NAME of the profile to restore the processes with' },
    'lsm-mount-context': { kind: 'text', help: 'SELinux context that replaces the one of the mounts' },
    ...HELP_OPTION,
  },
  async run({ args, options, globals, runtime, absolute }) {
    const pathOf = (path: string | undefined) => (path === undefined ? undefined : absolute(path));
    const { checkLsm, restoreContainer } = await import('../../runtime/restore.js');
    checkLsm(options['lsm-profile']);
    await restoreContainer(runtime, {
      id: parseContainerId(args[0] ?? ''),
      ...criuChoices(options, absolute),
      bundle: absolute(options.bundle ?? '.'),
      consoleSocket: pathOf(options['console-socket']),
      pidFile: pathOf(options['pid-file']),
      noPivot: false,
      noNewKeyring: false,
      systemdCgroup: globals.systemdCgroup,
      detach: options.detach,
      lsmProfile: options['lsm-profile'],
      lsmMountContext: options['lsm-mount-context'],
    });
    return 0;
  },
});
