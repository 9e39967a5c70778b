/**
 * The texts of /proc and /sys that HostFacts is made of, taken apart. Reading them is probe.ts's part.
 *
 * proc(5), cgroups(7), user_namespaces(7). Pure.
 */
import { posix } from 'node:path';
import type { CgroupFacts, CgroupV1Facts, NamespaceType } from './facts.js';

/** One line of /proc/self/mountinfo, as far as cgroups need it. */
export interface MountLine {
  readonly root: string;
  readonly point: string;
  readonly type: string;
  /** Options of the super block, where cgroup v1 names its controllers. */
  readonly options: readonly string[];
}

export function parseMountinfo(text: string): MountLine[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right] = line.split(' - ', 2);
    const [, , , root, point] = left.split(' ');
    if (right === undefined || root === undefined || point === undefined) return [];
    const [type = '', , options = ''] = right.split(' ');
    return [{ root: unescapePath(root), point: unescapePath(point), type, options: options.split(',') }];
  });
}

/** One line of a process' mountinfo, as `tsrun mounts list` shows it. */
export interface MountRow {
  readonly id: number;
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  /** Of the mount, propagation included, then of the file system but for its rw or ro. */
  readonly options: readonly string[];
}

export function parseMountTable(text: string): MountRow[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right] = line.split(' - ', 2);
    const [id, , , , point, own = '', ...tags] = left.split(' ');
    const [type = '', source = '', superblock = ''] = (right ?? '').split(' ');
    if (right === undefined || point === undefined) return [];
    const shared = superblock.split(',').filter((option) => option !== 'rw' && option !== 'ro');
    const options = [...own.split(','), ...tags.map((tag) => tag.replace(/:.*/, '')), ...shared];
    return [
      {
        id: Number(id),
        destination: unescapePath(point),
        type,
        source: unescapePath(source),
        options: [...new Set(options)].filter((option) => option !== ''),
      },
    ];
  });
}

/** The kernel writes space, tab, newline and backslash in octal. */
function unescapePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

export interface CgroupLine {
  /** Empty for cgroup2. */
  readonly controllers: string;
  readonly path: string;
}

/** /proc/self/cgroup: "4:memory:/user.slice", "1:name=systemd:/", "0::/". */
export function parseCgroupLines(text: string): CgroupLine[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match === null) return [];
    return [{ controllers: match[1] ?? '', path: (match[2] ?? '/').replace(/ \(deleted\)$/, '') }];
  });
}

export interface CgroupMounts {
  readonly layout: CgroupFacts['layout'];
  readonly mount: string | null;
  readonly own: string;
  readonly v1: readonly Omit<CgroupV1Facts, 'writable'>[];
}

/** Where cgroup v2 and the hierarchies of v1 are mounted, and the process' own cgroup in each. */
export function findCgroups(mounts: readonly MountLine[], lines: readonly CgroupLine[]): CgroupMounts {
  const v2 = mounts.filter(({ type }) => type === 'cgroup2');
  const unified = v2.findLast(({ point }) => point === '/sys/fs/cgroup') ?? v2[0];
  const v1 = findV1(mounts, lines);
  const own = ownBelow(unified?.root ?? '/', lines.find(({ controllers }) => controllers === '')?.path ?? '/');
  if (unified === undefined) return { layout: v1.length > 0 ? 'legacy' : 'none', mount: null, own, v1 };
  return { layout: v1.length > 0 ? 'hybrid' : 'unified', mount: unified.point, own, v1 };
}

/** A hierarchy may be mounted at several places: the usual one, or else the first, stands for it. */
function findV1(mounts: readonly MountLine[], lines: readonly CgroupLine[]): CgroupMounts['v1'] {
  const found = new Map<string, Omit<CgroupV1Facts, 'writable'>>();
  for (const { type, root, point, options } of mounts) {
    if (type !== 'cgroup') continue;
    const line = lines.find(
      ({ controllers }) => controllers !== '' && controllers.split(',').every((name) => options.includes(name)),
    );
    const earlier = line && found.get(line.controllers);
    if (line === undefined || earlier?.mount.startsWith('/sys/fs/cgroup/')) continue;
    const { controllers, path } = line;
    found.set(controllers, { controllers, mount: point, own: ownBelow(root, path) });
  }
  return [...found.values()];
}

/**
 * A cgroup as a path below a mount that shows the hierarchy from root on. A process outside of that root ("/../x",
 * which a cgroup namespace makes) is taken to be at it.
 */
function ownBelow(root: string, path: string): string {
  const below = posix.relative(root, path);
  const outside = path.startsWith('/..') || below.startsWith('..');
  return outside || below === '' ? '/' : `/${below}`;
}

/**
 * That of systemd in a /proc/PID/cgroup, in a mount that shows the whole hierarchy: its own of cgroup v1, or cgroup2.
 * Where there are both, they are the same.
 */
export function parseSystemdCgroup(text: string): string {
  const lines = parseCgroupLines(text);
  const found = ['name=systemd', ''].map((name) => lines.find(({ controllers }) => controllers === name));
  return ownBelow('/', found.find((line) => line !== undefined)?.path ?? '/');
}

export function parseWords(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

/** "hugepages-2048kB" is "2MB", the spelling of hugetlb's file names. */
export function parseHugepageSize(directory: string): string | undefined {
  const match = /^hugepages-(\d+)kB$/.exec(directory);
  if (match === null) return undefined;
  const kilobytes = Number(match[1]);
  const units = ['KB', 'MB', 'GB'];
  const power = kilobytes >= 1 << 20 ? 2 : kilobytes >= 1 << 10 ? 1 : 0;
  return `${kilobytes / 1024 ** power}${units[power]}`;
}

/** "6.18.44-fc" is [6, 18]. */
export function parseKernel(release: string): readonly [number, number] {
  const match = /^(\d+)\.(\d+)/.exec(release);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

/** CapEff of /proc/self/status. */
export function parseCapabilities(status: string): bigint {
  const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(status);
  return match === null ? 0n : BigInt(`0x${match[1]}`);
}

/** The initial user namespace maps every id to itself; any other maps less or elsewhere. */
export function isInitialUidMap(uidMap: string): boolean {
  return parseWords(uidMap).join(' ') === '0 0 4294967295';
}

const NAMESPACES: { readonly [file: string]: NamespaceType } = {
  pid: 'pid',
  net: 'network',
  mnt: 'mount',
  ipc: 'ipc',
  uts: 'uts',
  user: 'user',
  cgroup: 'cgroup',
  time: 'time',
};

/** Entries of /proc/self/ns, in the order of the table, so that a plan's key does not depend on the directory's. */
export function parseNamespaces(files: readonly string[]): NamespaceType[] {
  return Object.entries(NAMESPACES).flatMap(([file, type]) => (files.includes(file) ? [type] : []));
}

const LIMITS: { readonly [title: string]: string } = {
  'cpu time': 'RLIMIT_CPU',
  'file size': 'RLIMIT_FSIZE',
  'data size': 'RLIMIT_DATA',
  'stack size': 'RLIMIT_STACK',
  'core file size': 'RLIMIT_CORE',
  'resident set': 'RLIMIT_RSS',
  processes: 'RLIMIT_NPROC',
  'open files': 'RLIMIT_NOFILE',
  'locked memory': 'RLIMIT_MEMLOCK',
  'address space': 'RLIMIT_AS',
  'file locks': 'RLIMIT_LOCKS',
  'pending signals': 'RLIMIT_SIGPENDING',
  'msgqueue size': 'RLIMIT_MSGQUEUE',
  'nice priority': 'RLIMIT_NICE',
  'realtime priority': 'RLIMIT_RTPRIO',
  'realtime timeout': 'RLIMIT_RTTIME',
};

const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

/** Hard limits of /proc/self/limits by RLIMIT_ name. */
export function parseHardLimits(text: string): { [name: string]: bigint } {
  const limits: { [name: string]: bigint } = {};
  for (const [, title = '', hard = ''] of text.matchAll(/^Max (.+?) {2,}\S+ +(\d+|unlimited)/gm)) {
    const name = LIMITS[title];
    if (name !== undefined) limits[name] = hard === 'unlimited' ? RLIM_INFINITY : BigInt(hard);
  }
  return limits;
}

/** /proc/devices: "Character devices:", then lines of a major number and a name, and the same for block devices. */
export function parseDrivers(text: string): { block: { [major: number]: string }; char: { [major: number]: string } } {
  const drivers = { block: {} as { [major: number]: string }, char: {} as { [major: number]: string } };
  let kind: 'block' | 'char' = 'char';
  for (const line of text.split('\n')) {
    if (line.startsWith('Block')) kind = 'block';
    const [, major, name] = /^ *(\d+) (\S+)$/.exec(line) ?? [];
    // The first of a major's names: 5 is /dev/tty, /dev/console and ptmx.
    if (major !== undefined && name !== undefined) drivers[kind][Number(major)] ??= name;
  }
  return drivers;
}

/** Sockets of a D-Bus address, "unix:path=/run/bus;unix:abstract=name,guid=…": paths, "@" before an abstract name. */
export function parseUnixSockets(address: string): string[] {
  return address.split(';').flatMap((one) => {
    const [transport, options = ''] = one.split(':', 2);
    if (transport !== 'unix') return [];
    return options.split(',').flatMap((option) => {
      const [key, value = ''] = option.split('=', 2);
      const text = value.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      );
      if (key === 'path' && text.startsWith('/')) return [text];
      return key === 'abstract' ? [`@${text}`] : [];
    });
  });
}

/** subuid(5): the ranges that any of these names is granted, first id and count. */
export function parseSubordinate(text: string, names: readonly string[]): (readonly [number, number])[] {
  return text.split('\n').flatMap((line) => {
    const match = /^([^:]+):(\d{1,10}):(\d{1,10})$/.exec(line.trim());
    return match !== null && names.includes(match[1] ?? '') ? [[Number(match[2]), Number(match[3])] as const] : [];
  });
}
