/** `tsrun exec`: another process in a running container. The flags are runc's. */
import { UsageError } from '../../errors.js';
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand, type Invocation } from '../command.js';
import { HELP_OPTION, type OptionTable, TRACE_OPTION } from '../options.js';

const OPTIONS = {
  'console-socket': { kind: 'text', help: "AF_UNIX socket that receives the master of the process's terminal" },
  cwd: { kind: 'text', help: 'working directory in the container' },
  env: { kind: 'list', short: 'e', help: 'set an environment variable (NAME=value); may be repeated' },
  tty: { kind: 'flag', short: 't', help: 'give the process a terminal' },
  user: { kind: 'text', short: 'u', help: 'run as UID[:GID], numbers' },
  'additional-gids': { kind: 'list', short: 'g', help: 'add a supplementary group, a number; may be repeated' },
  process: { kind: 'text', short: 'p', help: 'file with the whole process as JSON' },
  detach: { kind: 'flag', short: 'd', help: 'do not wait for the process' },
  'pid-file': { kind: 'text', help: "file to write the process's pid to" },
  'pidfd-socket': { kind: 'text', help: 'AF_UNIX socket that receives a pidfd of the process' },
  'process-label': { kind: 'text', help: 'SELinux label', mayBeEmpty: true },
  apparmor: { kind: 'text', help: 'AppArmor profile', mayBeEmpty: true },
  'no-new-privs': { kind: 'flag', help: 'the process can gain no privileges' },
  cap: { kind: 'list', short: 'c', help: 'add a capability; may be repeated' },
  cgroup: {
    kind: 'list',
    help: 'start in a cgroup below that of the container: PATH, or for cgroup v1 CTRL[,CTRL]:PATH',
  },
  'ignore-paused': { kind: 'flag', help: 'exec in a paused container too: the process begins when it is resumed' },
  'preserve-fds': { kind: 'count', help: 'hand N descriptors from 3 on to the process' },
  'no-subreaper': { kind: 'flag', help: 'accepted for compatibility: the supervisor always reaps' },
  ...TRACE_OPTION,
  ...HELP_OPTION,
} as const satisfies OptionTable;

/** What --process says itself. Engines give some of these beside it, so they are no error. (--tty: conmon always does.) */
const OF_PROCESS = [
  'cwd',
  'env',
  'user',
  'additional-gids',
  'process-label',
  'apparmor',
  'no-new-privs',
  'cap',
] as const;

function warnOfUnused({ options, runtime }: Invocation<typeof OPTIONS>): void {
  const given = OF_PROCESS.filter((name) => {
    const value = options[name];
    return typeof value === 'object' ? value.length > 0 : value !== undefined && value !== false;
  });
  for (const name of given) runtime.warn(`--${name} has no effect beside --process, whose file says it all`);
}

function processOf(invocation: Invocation<typeof OPTIONS>) {
  const { options, args, absolute } = invocation;
  if (options.process !== undefined) {
    if (args.length > 1) throw new UsageError('a command cannot be given together with --process', '--process');
    warnOfUnused(invocation);
    return absolute(options.process);
  }
  return {
    args: args.slice(1),
    cwd: options.cwd,
    env: options.env,
    tty: options.tty,
    user: options.user,
    additionalGids: options['additional-gids'],
    processLabel: options['process-label'],
    apparmor: options.apparmor,
    noNewPrivs: options['no-new-privs'],
    capabilities: options.cap,
  };
}

export const exec = defineCommand({
  name: 'exec',
  summary: 'run another process in a container',
  usage: '<container-id> <command> [command options] | -p process.json <container-id>',
  description: [
    'Without --process the new process is like the one of the config, as it was when the container was created, with a',
    'command of its own. The exit status is that of the process; 255 if it could not be started.',
  ],
  examples: ['# tsrun exec web ps'],
  args: [1, Number.POSITIVE_INFINITY],
  programArgs: true,
  options: OPTIONS,
  failureStatus: 255,
  async run(invocation) {
    const { options, absolute, runtime } = invocation;
    const pathOf = (path: string | undefined) => (path === undefined ? undefined : absolute(path));
    const request = {
      id: parseContainerId(invocation.args[0] ?? ''),
      process: processOf(invocation),
      detach: options.detach,
      ignorePaused: options['ignore-paused'],
      cgroup: options.cgroup,
      consoleSocket: pathOf(options['console-socket']),
      pidFile: pathOf(options['pid-file']),
      pidfdSocket: pathOf(options['pidfd-socket']),
      preserveFds: options['preserve-fds'],
    };
    const { execInContainer } = await import('../../runtime/exec.js');
    await execInContainer(runtime, request);
    return 0;
  },
});
