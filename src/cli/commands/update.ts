/** `tsrun update`: new limits for a container that exists. The flags are runc's. */
import { readFileSync } from 'node:fs';
import { TsrunError, UsageError } from '../../errors.js';
import type { UpdateRequest } from '../../runtime/update.js';
import { documentOf, readDocument, type SourceDocument } from '../../spec/read.js';
import { parseContainerId } from '../../state/container-id.js';
import { describeSystemError } from '../../util/errno.js';
import { readHostFile } from '../../util/file.js';
import { asPointer, type JsonPointer } from '../../util/pointer.js';
import { quote } from '../../util/quote.js';
import { parseSize } from '../../util/size.js';
import { defineCommand, type Invocation } from '../command.js';
import { HELP_OPTION, type OptionTable } from '../options.js';

const MAX_BYTES = 1024 * 1024;

const OPTIONS = {
  resources: { kind: 'text', short: 'r', help: "file with linux.resources as JSON, '-' for standard input" },
  'blkio-weight': { kind: 'text', help: 'share of block I/O, 10 to 1000' },
  'cpu-period': { kind: 'text', help: 'microseconds in which the quota may be used up' },
  'cpu-quota': { kind: 'text', help: 'microseconds of CPU time per period; -1: no limit' },
  'cpu-burst': { kind: 'text', help: 'microseconds that may be saved up beyond the quota' },
  'cpu-share': { kind: 'text', help: 'share of CPU time relative to others, 2 to 262144' },
  'cpu-rt-period': { kind: 'text', help: 'microseconds of a period for realtime scheduling (cgroup v1)' },
  'cpu-rt-runtime': { kind: 'text', help: 'microseconds for realtime scheduling per period (cgroup v1)' },
  'cpu-idle': { kind: 'text', help: '1: only CPU time that nobody else wants; 0: as others' },
  'cpuset-cpus': { kind: 'text', help: 'CPUs to use, such as 0-3,7' },
  'cpuset-mems': { kind: 'text', help: 'memory nodes to use' },
  memory: { kind: 'text', help: 'memory limit, such as 512M; -1: no limit' },
  'memory-reservation': { kind: 'text', help: 'memory that is taken away last' },
  'memory-swap': { kind: 'text', help: 'limit of memory and swap together; -1: no limit' },
  'pids-limit': { kind: 'text', help: 'processes and threads at once; -1: no limit' },
  'l3-cache-schema': { kind: 'text', help: 'Intel RDT/CAT: share of the L3 cache' },
  'mem-bw-schema': { kind: 'text', help: 'Intel RDT/MBA: share of the memory bandwidth' },
  'kernel-memory': { kind: 'text', help: 'ignored: the kernel has no such limit any more', hidden: true },
  'kernel-memory-tcp': { kind: 'text', help: 'limit of TCP buffers (cgroup v1)', hidden: true },
  ...HELP_OPTION,
} as const satisfies OptionTable;

type Flag = Exclude<keyof typeof OPTIONS, 'resources' | 'help' | keyof typeof RDT_FIELDS>;
type Read = (text: string, flag: string) => bigint | string;

function refuse(flag: string, text: string, wanted: string): never {
  throw new UsageError(`--${flag}: invalid value ${quote(text, 64)}`, `--${flag}`, `it is ${wanted}`);
}

const number: Read = (text, flag) =>
  /^\d{1,20}$/.test(text) ? BigInt(text) : refuse(flag, text, 'a number from 0 on');
const signed: Read = (text, flag) => (/^-?\d{1,20}$/.test(text) ? BigInt(text) : refuse(flag, text, 'a number'));
const size: Read = (text, flag) =>
  text === '-1' ? -1n : (parseSize(text) ?? refuse(flag, text, 'a size such as 512M, or -1'));
/** Who types 0 means it; 1 is what runtimes since runc 1.4 make of it. */
const count: Read = (text, flag) => (/^0+$/.test(text) ? 1n : signed(text, flag));
const text: Read = (value) => value;

/** Where in the config's linux.intelRdt these belong: they count beside --resources too. */
const RDT_FIELDS = { 'l3-cache-schema': 'l3CacheSchema', 'mem-bw-schema': 'memBwSchema' } as const;
const RDT_FLAGS = ['l3-cache-schema', 'mem-bw-schema'] as const;

/** Where in linux.resources each flag belongs. */
const FIELDS: { readonly [F in Flag]: readonly [area: string, field: string, read: Read] } = {
  'blkio-weight': ['blockIO', 'weight', number],
  'cpu-period': ['cpu', 'period', number],
  'cpu-quota': ['cpu', 'quota', signed],
  'cpu-burst': ['cpu', 'burst', number],
  'cpu-share': ['cpu', 'shares', number],
  'cpu-rt-period': ['cpu', 'realtimePeriod', number],
  'cpu-rt-runtime': ['cpu', 'realtimeRuntime', signed],
  'cpu-idle': ['cpu', 'idle', signed],
  'cpuset-cpus': ['cpu', 'cpus', text],
  'cpuset-mems': ['cpu', 'mems', text],
  memory: ['memory', 'limit', size],
  'memory-reservation': ['memory', 'reservation', size],
  'memory-swap': ['memory', 'swap', size],
  'pids-limit': ['pids', 'limit', count],
  'kernel-memory': ['memory', 'kernel', size],
  'kernel-memory-tcp': ['memory', 'kernelTCP', size],
};

const FLAGS = Object.keys(FIELDS) as Flag[];

/** "--mem-bw-schema" for /linux/intelRdt/memBwSchema */
function rdtFlagOf(path: JsonPointer): JsonPointer {
  const flag = RDT_FLAGS.find((name) => path === `/linux/intelRdt/${RDT_FIELDS[name]}`);
  return flag === undefined ? path : asPointer(`--${flag}`);
}

/** "--memory" for /memory/limit */
function flagOf(path: JsonPointer): JsonPointer {
  const flag = FLAGS.find((name) => path === `/${FIELDS[name][0]}/${FIELDS[name][1]}`);
  return flag === undefined ? rdtFlagOf(path) : asPointer(`--${flag}`);
}

function resourcesOf(options: Invocation<typeof OPTIONS>['options']): SourceDocument {
  const resources: { [area: string]: { [field: string]: unknown } } = {};
  for (const flag of FLAGS) {
    const value = options[flag];
    if (value === undefined) continue;
    const [area, field, read] = FIELDS[flag];
    resources[area] = { ...resources[area], [field]: read(value, flag) };
  }
  return documentOf(resources, 'command line');
}

function readStdin(): Buffer {
  try {
    return readFileSync(0);
  } catch (error) {
    throw new TsrunError('IO', `--resources: standard input: ${describeSystemError(error)}`, { cause: error });
  }
}

function readResources(path: string, { options, absolute, runtime }: Invocation<typeof OPTIONS>): SourceDocument {
  for (const flag of FLAGS)
    if (options[flag] !== undefined) runtime.warn(`--${flag} has no effect beside --resources, whose file says it all`);
  const bytes =
    path === '-' ? readStdin() : readHostFile(absolute(path), '--resources', { max: MAX_BYTES, pipe: true });
  if (bytes.length > MAX_BYTES) throw new TsrunError('IO', `--resources: larger than ${MAX_BYTES} bytes`);
  return readDocument(bytes, path === '-' ? 'standard input' : 'resources');
}

function rdtOf(options: Invocation<typeof OPTIONS>['options']): UpdateRequest['intelRdt'] {
  const change: { -readonly [F in keyof UpdateRequest['intelRdt']]: string } = {};
  for (const flag of RDT_FLAGS) {
    const value = options[flag];
    if (value === undefined || value === '') continue;
    if (flag === 'mem-bw-schema' && !/^MB:[^\r\n]*$/.test(value))
      refuse(flag, value, 'one line that begins with "MB:"');
    change[RDT_FIELDS[flag]] = value;
  }
  return change;
}

export const update = defineCommand({
  name: 'update',
  summary: 'change the limits of a container',
  usage: '<container-id>',
  description: [
    'Changes what is named and leaves the rest as it is, also of a paused container. When the kernel refuses one of the',
    'values, all are as they were before. With --resources the other options have no effect; device rules in that file',
    'take the place of the old ones at once. The two Intel RDT options count beside a file too.',
  ],
  examples: [
    '# tsrun update --memory 512M --pids-limit 100 web',
    '# echo \'{"cpu":{"shares":512}}\' | tsrun update -r - web',
  ],
  args: [1, 1],
  options: OPTIONS,
  async run(invocation) {
    const { args, options, runtime } = invocation;
    const id = parseContainerId(args[0] ?? '');
    const intelRdt = rdtOf(options);
    const file = options.resources;
    const resources = file === undefined ? resourcesOf(options) : readResources(file, invocation);
    const { updateContainer } = await import('../../runtime/update.js');
    await updateContainer(runtime, { id, resources, intelRdt, rename: file === undefined ? flagOf : rdtFlagOf });
    return 0;
  },
});
