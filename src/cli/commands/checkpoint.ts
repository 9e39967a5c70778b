/** `tsrun checkpoint`: save the processes of a container with CRIU. The flags are runc's. */
import { parseContainerId } from '../../state/container-id.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION, type OptionTable } from '../options.js';

/** Shared by checkpoint and restore. */
export const CRIU_OPTIONS = {
  'image-path': { kind: 'text', help: 'directory of the images', shownDefault: './checkpoint' },
  'work-path': { kind: 'text', help: "directory for CRIU's log and statistics", shownDefault: 'that of the images' },
  'tcp-established': { kind: 'flag', help: 'open TCP connections too' },
  'ext-unix-sk': { kind: 'flag', help: 'unix sockets that lead outside too' },
  'shell-job': { kind: 'flag', help: 'shell jobs too' },
  'file-locks': { kind: 'flag', help: 'file locks too' },
  'lazy-pages': { kind: 'flag', help: 'transfer memory on demand (userfaultfd)' },
  'auto-dedup': { kind: 'flag', help: 'drop memory that an earlier image has' },
  'manage-cgroups-mode': { kind: 'text', help: 'what CRIU does with cgroups: soft, full, strict or ignore' },
  'empty-ns': { kind: 'list', help: "'network': make the namespace, but leave its contents to others" },
} as const satisfies OptionTable;

export function criuChoices(
  options: {
    readonly 'image-path': string | undefined;
    readonly 'work-path': string | undefined;
    readonly 'tcp-established': boolean;
    readonly 'ext-unix-sk': boolean;
    readonly 'shell-job': boolean;
    readonly 'file-locks': boolean;
    readonly 'lazy-pages': boolean;
    readonly 'auto-dedup': boolean;
    readonly 'manage-cgroups-mode': string | undefined;
    readonly 'empty-ns': readonly string[];
  },
  absolute: (path: string) => string,
) {
  const imagePath = absolute(options['image-path'] ?? 'checkpoint');
  return {
    imagePath,
    workPath: options['work-path'] === undefined ? imagePath : absolute(options['work-path']),
    tcpEstablished: options['tcp-established'],
    extUnixSk: options['ext-unix-sk'],
    shellJob: options['shell-job'],
    fileLocks: options['file-locks'],
    lazyPages: options['lazy-pages'],
    autoDedup: options['auto-dedup'],
    manageCgroupsMode: options['manage-cgroups-mode'],
    emptyNs: options['empty-ns'],
  };
}

export const checkpoint = defineCommand({
  name: 'checkpoint',
  summary: 'save the processes of a running container',
  usage: '<container-id>',
  description: [
    'CRIU writes the memory, files and connections of all processes into a directory, from which "tsrun restore" makes',
    'the container again. The container is deleted then, unless it is left running.',
  ],
  examples: [
    '# tsrun checkpoint --image-path /var/tmp/web web',
    '# tsrun restore --image-path /var/tmp/web -b /bundles/web web',
  ],
  args: [1, 1],
  options: {
    ...CRIU_OPTIONS,
    'parent-path': { kind: 'text', help: 'images of an earlier pre-dump, relative to --image-path' },
    'leave-running': { kind: 'flag', help: 'let the container run on' },
    'tcp-skip-in-flight': { kind: 'flag', help: 'leave out TCP connections that are not established yet' },
    'link-remap': { kind: 'flag', help: 'deleted files that are still linked elsewhere too' },
    'status-fd': { kind: 'text', help: 'descriptor that CRIU writes a NUL byte to when it serves lazy pages' },
    'page-server': { kind: 'text', help: 'ADDRESS:PORT of the page server that takes the memory' },
    'pre-dump': { kind: 'flag', help: 'only save memory, so that the checkpoint that follows is short' },
    ...HELP_OPTION,
  },
  async run({ args, options, runtime, absolute }) {
    const { checkpointContainer, readStatusFd } = await import('../../runtime/checkpoint.js');
    await checkpointContainer(runtime, {
      id: parseContainerId(args[0] ?? ''),
      ...criuChoices(options, absolute),
      parentPath: options['parent-path'],
      leaveRunning: options['leave-running'],
      tcpSkipInFlight: options['tcp-skip-in-flight'],
      linkRemap: options['link-remap'],
      statusFd: readStatusFd(options['status-fd']),
      pageServer: options['page-server'],
      preDump: options['pre-dump'],
    });
    return 0;
  },
});
