/**
 * Mounts of a new file system: what proc, sysfs and tmpfs need beside their options, and mount(2) for options
 * that the new mount API cannot carry.
 *
 * OCI runtime-spec, config "Mounts"; fsopen(2), fsconfig(2). Pure.
 */
import { MOUNT, type Op } from '../plan/op.gen.js';
import { MOUNT_ATTR, MS } from '../util/kernel.js';
import { append } from '../util/pointer.js';
import { mountLabel } from './lsm.js';
import { attributesOp, firstPropagation, propagationOp, refuseLive } from './mount-bind.js';
import { idMapOf, OF_NAMESPACES } from './mount-idmap.js';
import { type Attributes, merge } from './mount-options.js';
import type { MountOps, MountScope } from './mounts.js';
import { isNew } from './namespaces.js';
import { refuse } from './report.js';
import { type IdMap, idmapOps, takeSlot } from './sources.js';

/** File systems without a device: their superblock is shared or private memory, "ro" is for the mount alone. */
const MOUNT_ONLY_READ_ONLY = [
  'proc',
  'sysfs',
  'tmpfs',
  'devpts',
  'mqueue',
  'cgroup',
  'cgroup2',
  'debugfs',
  'tracefs',
  'securityfs',
  'bpf',
];

/** What fsconfig(2) has no name for, or not for every file system. */
const LEGACY_FLAGS = Number(MS.MANDLOCK | MS.SILENT | MS.I_VERSION);

/** fsconfig(2) takes strings up to 255 bytes, mount(2) a page of data. */
const MAX_FSCONFIG = 255;
const MAX_MOUNT_DATA = 4095;

export function compileFileSystem(scope: MountScope): MountOps {
  const type = scope.mount.type ?? '';
  // One mount without mounts below: recursive options are the plain ones.
  const attributes = merge(scope.options.attributes, scope.options.recursive);
  if (scope.live && OF_NAMESPACES.includes(type)) {
    const hint = 'put it into the config: in a running container it would show what maskedPaths hides';
    refuseLive(scope, 'type', `cannot be of type ${type}`, hint);
  }
  const deferred = deferReadOnly(scope, type, attributes);
  const now = deferred.length === 0 ? attributes : { ...attributes, set: attributes.set & ~MOUNT_ATTR.RDONLY };
  return { ops: [...mountOps(scope, type, now), ...fileLabel(scope, type)], deferred };
}

/** Later mounts, device nodes and the working directory still have to be made in a tmpfs, and in /dev whatever it is. */
function deferReadOnly(scope: MountScope, type: string, { set }: Attributes): readonly Op[] {
  if (scope.live || (set & MOUNT_ATTR.RDONLY) === 0n || (type !== 'tmpfs' && scope.dest !== '/dev')) return [];
  return attributesOp(scope, { set: MOUNT_ATTR.RDONLY, clear: 0n }, 0);
}

function mountOps(scope: MountScope, type: string, attributes: Attributes): Op[] {
  const { mount, options } = scope;
  const source = mount.source === undefined || mount.source === '' ? type : mount.source;
  const memory = MOUNT_ONLY_READ_ONLY.includes(type);
  const readOnly = memory || (attributes.set & MOUNT_ATTR.RDONLY) === 0n ? 0 : Number(MS.RDONLY);
  const superblock = (memory ? options.superblock & ~LEGACY_FLAGS : options.superblock) | readOnly;
  const strings = [source, ...options.data.map(({ text }) => text.slice(text.indexOf('=') + 1))];
  const legacy = (superblock & LEGACY_FLAGS) !== 0 || strings.some((text) => Buffer.byteLength(text) > MAX_FSCONFIG);
  const [propagation, rest] = firstPropagation(options.propagation);
  const parts = { type, source, attributes, superblock, propagation };
  const idmap = idMapOf(scope);
  const detached = idmap !== undefined || scope.live;
  if (detached && legacy) refuseLegacy(scope);
  if (scope.live && rest.length > 0) refuseLive(scope, 'options', 'can have one propagation only');
  const plain = () => (legacy ? legacyMount(scope, parts) : newMount(scope, parts));
  const ops = detached ? detachedMount(scope, parts, idmap) : [plain()];
  return [...ops, ...rest.map((one) => propagationOp(scope, one))];
}

function refuseLegacy({ context, at }: MountScope): void {
  refuse(
    context.report,
    'IDMAP_UNSUPPORTED',
    append(at, 'options'),
    `must not be mapped, or mounted in a running container, with mand, iversion, silent, or an option longer than ${MAX_FSCONFIG} bytes`,
  );
}

/** Made and mapped before it is attached; mapped on the host's side when the container has a user namespace. */
function detachedMount(scope: MountScope, parts: Parts, idmap: IdMap | undefined): Op[] {
  const { sources, dest, at: origin } = scope;
  const slot = takeSlot(sources, origin, parts.type);
  const flags = (typeFlags(scope, parts.type) & (MOUNT.INHERIT_MODE | MOUNT.COPY_UP)) | (scope.live ? MOUNT.LIVE : 0);
  const late = (flags & MOUNT.COPY_UP) === 0 ? 0n : parts.attributes.set & MOUNT_ATTR.RDONLY;
  const open: Op[] = [
    {
      op: 'OPEN_FS',
      slot,
      type: parts.type,
      source: parts.source,
      options: dataOptions(scope, parts.type),
      attrSet: parts.attributes.set & ~late,
      sbFlags: parts.superblock,
      origin,
    },
    ...idmapOps(slot, idmap, origin),
  ];
  const { propagation } = parts;
  const attributes = { attrSet: late, attrClr: 0n, recSet: 0n, recClr: 0n };
  const bind: Op = { op: 'MOUNT_BIND', source: '', slot, dest, flags, propagation, ...attributes, origin };
  if (!sources.openedByExecutor || idmap === undefined) return [...open, bind];
  sources.ops.push(...open);
  return [bind];
}

interface Parts {
  readonly type: string;
  readonly source: string;
  readonly attributes: Attributes;
  readonly superblock: number;
  readonly propagation: bigint;
}

export function newMount(
  scope: MountScope,
  { type, source, attributes, superblock, propagation }: Parts,
  more = 0,
): Op {
  return {
    op: 'MOUNT_FS',
    type,
    source,
    dest: scope.dest,
    options: dataOptions(scope, type),
    attrSet: attributes.set,
    // A new mount has no flag to clear, but mount_setattr(2) wants the access time field named with its mode.
    attrClr: attributes.clear & MOUNT_ATTR._ATIME,
    propagation,
    sbFlags: superblock,
    flags: typeFlags(scope, type) | more,
    origin: scope.at,
  };
}

/** Kernel file systems whose labels the policy decides alone. */
const LABELLED_BY_POLICY = ['proc', 'sysfs', 'mqueue', 'cgroup', 'cgroup2'];
const LABEL = /^(context|fscontext|defcontext|rootcontext)=/;

/** linux.mountLabel goes to every new file system that takes it, unless the mount has a label of its own. */
function dataOptions({ context, options }: MountScope, type: string): string[] {
  const own = options.data.map(({ text }) => (LABEL.test(text) ? text.replaceAll('"', '') : text));
  const label = mountLabel(context);
  if (label === '' || LABELLED_BY_POLICY.includes(type) || own.some((text) => LABEL.test(text))) return own;
  return [...own, `context=${label}`];
}

const quoteLabel = (option: string) => (LABEL.test(option) ? option.replace(/=(.*)$/, '="$1"') : option);

/** mqueue takes no context=; its root directory is labelled as a file. */
function fileLabel({ context, dest, at: origin }: MountScope, type: string): Op[] {
  const label = mountLabel(context);
  return label === '' || type !== 'mqueue' ? [] : [{ op: 'SET_FILE_LABEL', path: dest, label, origin }];
}

function typeFlags({ context, options }: MountScope, type: string): number {
  switch (type) {
    case 'proc':
      // A symlink of the image must not choose what gets the real /proc: CVE-2019-19921.
      return MOUNT.REAL_DIRECTORY;
    case 'sysfs':
      // sysfs shows the network namespace, and only its owner may mount it.
      return MOUNT.REAL_DIRECTORY | (isNew(context.namespaces, 'network') ? 0 : MOUNT.BIND_HOST_SYSFS_ON_REFUSAL);
    case 'tmpfs': {
      const hasMode = options.data.some(({ text }) => text.startsWith('mode='));
      return (hasMode ? 0 : MOUNT.INHERIT_MODE) | (options.copyUp ? MOUNT.COPY_UP : 0);
    }
    default:
      return 0;
  }
}

const LEGACY_ATTRIBUTES = [
  [MOUNT_ATTR.RDONLY, MS.RDONLY],
  [MOUNT_ATTR.NOSUID, MS.NOSUID],
  [MOUNT_ATTR.NODEV, MS.NODEV],
  [MOUNT_ATTR.NOEXEC, MS.NOEXEC],
  [MOUNT_ATTR.NOATIME, MS.NOATIME],
  [MOUNT_ATTR.STRICTATIME, MS.STRICTATIME],
  [MOUNT_ATTR.NODIRATIME, MS.NODIRATIME],
  [MOUNT_ATTR.NOSYMFOLLOW, MS.NOSYMFOLLOW],
] as const;

function legacyMount(scope: MountScope, { type, source, attributes, superblock, propagation }: Parts): Op {
  // mount(2) splits its data at commas outside of quotes, and a label may hold some: selinux_sb_eat_lsm_opts().
  const data = dataOptions(scope, type).map(quoteLabel).join(',');
  if (Buffer.byteLength(data) > MAX_MOUNT_DATA) {
    const path = append(scope.at, 'options');
    refuse(
      scope.context.report,
      'MOUNT_OPTIONS_TOO_LONG',
      path,
      `must be shorter: the kernel takes ${MAX_MOUNT_DATA} bytes`,
    );
  }
  const flags = LEGACY_ATTRIBUTES.reduce((all, [attr, ms]) => ((attributes.set & attr) === attr ? all | ms : all), 0n);
  return {
    op: 'MOUNT_LEGACY',
    type,
    source,
    dest: scope.dest,
    data,
    msFlags: flags | BigInt(superblock),
    propagation,
    flags: typeFlags(scope, type),
    origin: scope.at,
  };
}
