/**
 * Mounts of type cgroup: the container's own part of what is mounted on the host. With cgroup2 at /sys/fs/cgroup that is
 * one mount; where hierarchies of cgroup v1 are mounted below /sys/fs/cgroup it is a tmpfs with a directory for each, as
 * the host has it.
 *
 * OCI runtime-spec, config "Mounts"; cgroups(7), cgroup_namespaces(7). Pure.
 */
import { posix } from 'node:path';
import { MOUNT, type Op } from '../plan/op.gen.js';
import { MOUNT_ATTR } from '../util/kernel.js';
import { append } from '../util/pointer.js';
import type { CgroupPlace } from './cgroup.js';
import { attributesOp, firstPropagation, propagationOp, warnNoEffect } from './mount-bind.js';
import { newMount } from './mount-fs.js';
import { idMapOf } from './mount-idmap.js';
import { type Attributes, merge } from './mount-options.js';
import type { MountOps, MountScope } from './mounts.js';
import { refuse } from './report.js';
import { NO_SLOT } from './sources.js';

export function compileCgroupMount(scope: MountScope): MountOps {
  const { mount, v1 } = scope.context.facts.cgroup;
  // Only to be refused: no cgroup file system takes a mapping.
  idMapOf(scope);
  // With cgroup2 in the usual place the host is a host of cgroup2, whatever else is mounted elsewhere.
  const asV1 = scope.mount.type === 'cgroup' && v1.length > 0 && mount !== '/sys/fs/cgroup';
  return asV1 ? compileTree(scope) : compileCgroup2(scope);
}

/** cgroup2 whatever the config calls it. */
function compileCgroup2(scope: MountScope): MountOps {
  const { context, options } = scope;
  if (context.facts.cgroup.mount === null) refuseCgroup2(scope);
  const [propagation, rest] = firstPropagation(options.propagation);
  const more = rest.map((one) => propagationOp(scope, one));
  if (!context.namespaces.has('cgroup') && options.superblock + options.data.length > 0)
    warnNoEffect(
      scope,
      "options of the file system have no effect: without a cgroup namespace the cgroup's directory is bound",
    );
  return { ops: [mountCgroup2(scope, attributesOf(scope), propagation), ...more], deferred: [] };
}

function refuseCgroup2({ context, at }: MountScope): void {
  const hint = 'mount cgroup2 on the host: mount -t cgroup2 none /sys/fs/cgroup';
  const message = 'cannot be mounted: this host has no cgroup2';
  refuse(context.report, 'CGROUP_MOUNT_UNAVAILABLE', append(at, 'type'), message, { hint });
}

function attributesOf({ options }: MountScope): Attributes {
  return merge(options.attributes, options.recursive);
}

/** Without a cgroup namespace a fresh mount would show every cgroup of the host. */
function mountCgroup2(scope: MountScope, attributes: Attributes, propagation: bigint): Op {
  const { context, cgroups } = scope;
  if (context.namespaces.has('cgroup')) {
    const parts = { type: 'cgroup2', source: 'cgroup', attributes, superblock: 0, propagation };
    return newMount(scope, parts, MOUNT.BIND_OWN_CGROUP_ON_REFUSAL);
  }
  const { mount, own } = context.facts.cgroup;
  return bindCgroup(scope, attributes, propagation, placeOf(cgroups, 0) ?? { mount: mount ?? '/', path: own });
}

type Directory = Pick<CgroupPlace, 'mount' | 'path'>;

const placeOf = (cgroups: readonly CgroupPlace[], hierarchy: number): Directory | undefined =>
  cgroups.find((place) => place.hierarchy === hierarchy);

function bindCgroup(scope: MountScope, attributes: Attributes, propagation: bigint, { mount, path }: Directory): Op {
  const source = posix.join(mount, path);
  const { set: attrSet, clear: attrClr } = attributes;
  const bind = { source, slot: NO_SLOT, dest: scope.dest, flags: 0, propagation, attrSet, attrClr, origin: scope.at };
  return { op: 'MOUNT_BIND', ...bind, recSet: 0n, recClr: 0n };
}

/** What mounts of /sys/fs/cgroup/* have on every host, beside what the config asks for. */
const USUAL = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC;

function compileTree(scope: MountScope): MountOps {
  const { facts } = scope.context;
  const { set, clear } = attributesOf(scope);
  const attributes = { set: set | USUAL, clear: clear & ~USUAL };
  const writable = { set: set & ~MOUNT_ATTR.RDONLY, clear };
  const [propagation, rest] = firstPropagation(scope.options.propagation);
  const tmpfs = { type: 'tmpfs', source: 'tmpfs', attributes: writable, superblock: 0, propagation };
  const readOnly =
    (set & MOUNT_ATTR.RDONLY) === 0n ? [] : attributesOp(scope, { set: MOUNT_ATTR.RDONLY, clear: 0n }, 0);
  const { mount } = facts.cgroup;
  return {
    ops: [
      newMount(within(scope, '', ['mode=755']), tmpfs),
      ...facts.cgroup.v1.flatMap((one, index) => mountHierarchy(scope, attributes, one, index + 1)),
      ...(mount === null ? [] : [mountCgroup2(within(scope, posix.basename(mount), []), attributes, 0n)]),
      ...rest.map((one) => propagationOp(scope, one)),
    ],
    // Other mounts of the config may have a place in there.
    deferred: readOnly,
  };
}

/** The scope of one directory of the tree, with these options for its file system. */
function within(scope: MountScope, name: string, options: readonly string[]): MountScope {
  const data = options.map((text, index) => ({ text, index }));
  return { ...scope, dest: posix.join(scope.dest, name), options: { ...scope.options, data } };
}

type Hierarchy = MountScope['context']['facts']['cgroup']['v1'][number];

/** Under the name it has on the host; controllers that share it are found by links, as on the host. */
function mountHierarchy(scope: MountScope, attributes: Attributes, one: Hierarchy, hierarchy: number): Op[] {
  const name = posix.basename(one.mount);
  const names = one.controllers.split(',');
  const inside = within(scope, name, names);
  const parts = { type: 'cgroup', source: 'cgroup', attributes, superblock: 0, propagation: 0n };
  const own = placeOf(scope.cgroups, hierarchy) ?? { mount: one.mount, path: one.own };
  const links = names.length === 1 ? [] : names.filter((link) => link !== name);
  return [
    scope.context.namespaces.has('cgroup') ? newMount(inside, parts) : bindCgroup(inside, attributes, 0n, own),
    ...links.map((link): Op => {
      return { op: 'MAKE_SYMLINK', path: posix.join(scope.dest, link), target: name, flags: 0, origin: scope.at };
    }),
  ];
}
